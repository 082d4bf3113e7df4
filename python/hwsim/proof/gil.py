"""Does a call hold the GIL?

The call is made in a fresh process and seen in three ways that know nothing of each other. The
*trace* sees each release by any extension, to the nanosecond, but not those of modules that are
linked into a static interpreter. A *sampler* looks all the time whether the thread has the GIL. A
*ticker* asks for the GIL again and again: how long it waits is what other threads would feel. A
call that holds and one that releases are judged in the same process. On free-threaded Python,
holding is to stay attached: everybody else stops when somebody collects garbage, so the ticker
collects.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from typing import Any

from hwsim.proof import child
from hwsim.proof.child import Channel
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import (
    BUDGET,
    INCONCLUSIVE,
    Finding,
    endless,
    inconclusive,
    milliseconds,
)

ORACLE = "gil"
SHORTEST = 0.002  # seconds; a shorter call delays nobody
BRIEF = 5 * SHORTEST  # seconds; on a busy machine a shorter call may take so long
TRIES = 4  # in as many processes, while a busy machine may be what was seen
PERIOD_NS = 500_000  # of the sampler and of the ticker
SWITCH = 0.0005  # seconds after which Python code lets others in, while a call is judged
CONTROL = 0.06  # seconds of the two calls that are known
MOST, LEAST = 0.75, 0.25  # of its duration: what holds, and what does not
FELT = 0.2  # seconds of a single hold that are too long in any call
NOISE = 0.01  # seconds by which the ticker may be late on a busy machine
PARTLY = "partly"
FIX = "see 'How to fix it' in docs/proof.md"
ADVICE = {
    "held": f"no other Python thread runs during this call: release the GIL while it waits ({FIX})",
    PARTLY: f"release the GIL for all of the wait, not for a part of it ({FIX}); if a part is what "
    "a first call does, such as imports, make one in the setup",
    "python": "it runs Python code, which lets others in; if that is what a first call does, such "
    "as imports, make one in the setup to judge the others",
    "short": "too short to matter: give it arguments with which it takes longer to know more",
}


def check_gil(subject: Subject, *, limit: float = 60.0, budget: float = BUDGET) -> Finding:
    """Tells whether a call holds the GIL; on free-threaded Python, whether it stays attached.

    Args:
        subject: The call.
        limit: Seconds until a call is given up.
        budget: Seconds after which a call is not made again, though what was seen is in doubt.

    Returns:
        ``"held"``; ``"released"``; ``"partly"``; ``"python"``: it runs Python code, which lets
        others in again and again; ``"short"``: less than 2 ms; or ``"inconclusive"``. The figures:
        how long it took, held the GIL (in all, and at once) and did without; how long it waited to
        have it again; and how long others waited for it.

    Raises:
        TypeError: The call cannot be made in a fresh process.
    """
    # What a call holds, it holds each time, and a short one is short each time: a hold or a length
    # that is not there in another process was a thread that the system took off its core.
    doubtful: list[Finding] = []
    end = time.monotonic() + budget
    while len(doubtful) < TRIES and (not doubtful or time.monotonic() < end):
        ended = child.run(_experiment, subject, limit=limit)
        if ended.result is None:  # nor would it be made in another
            evidence = ended.evidence("the call")
            if ended.status is None:
                return endless(ORACLE, limit, evidence)
            return inconclusive(ORACLE, f"the call cannot be made: {ended.reason}", evidence)
        finding = _judge(ended)
        if _is_sure(finding):
            return finding
        doubtful.append(finding)
    return min(doubtful, key=_doubt)


def _doubt(finding: Finding) -> tuple[bool, bool, float]:
    """The less, the more it is to be believed; of two, what took less was disturbed less."""
    told = finding.verdict
    return told == INCONCLUSIVE, told == PARTLY, float(finding.figures["wall_ms"])


def _is_sure(finding: Finding) -> bool:
    """Whether other processes need not be asked."""
    if finding.verdict in (PARTLY, INCONCLUSIVE):
        return False
    return finding.verdict == "short" or float(finding.figures["wall_ms"]) >= milliseconds(BRIEF)


def _judge(ended: child.Ended) -> Finding:
    evidence = ended.evidence("the call")
    held, released, call = (Observed(**figures) for figures in ended.result)
    for expected, control in (("held", held), ("released", released)):
        told = control.finding()
        if told.verdict != expected:
            return inconclusive(
                ORACLE,
                f"here the oracle cannot tell: a call for which it should say {expected!r} got "
                f"{told.verdict!r}. Try again on a quieter machine",
                told.report(),
                **call.figures(),
            )
    finding = call.finding()
    return finding if finding.verdict == "released" else replace(finding, evidence=evidence)


@dataclass(frozen=True)
class Observed:
    """What was seen of a call. Times in seconds.

    Attributes:
        traced: Whether the trace works on this system.
        wall: How long it took.
        held: How long it had the GIL, after the trace.
        longest: The longest time at once.
        released: How long it did without, after the trace.
        wait: How long it then waited for it.
        samples: How often the sampler looked.
        attached: How often the thread had the GIL then.
        ticks: How often the ticker had the GIL.
        tick_longest: How long it waited for it at most.
        raised: What the call raised, in a line.
        free_threaded: Whether there is no GIL.
    """

    traced: bool
    wall: float
    held: float
    longest: float
    released: float
    wait: float
    samples: int
    attached: int
    ticks: int
    tick_longest: float
    raised: str
    free_threaded: bool

    @property
    def traced_share(self) -> float:
        """The part of its time in which it had the GIL, after the trace."""
        return self.held / self.wall

    @property
    def sampled_share(self) -> float:
        """The same, after the sampler."""
        return self.attached / self.samples if self.samples else self.traced_share

    @property
    def unseen(self) -> bool:
        """Whether it released the GIL where the trace cannot see it."""
        return not self.traced or self.traced_share > self.sampled_share + LEAST

    @property
    def share(self) -> float:
        """The part of its time in which it had the GIL."""
        return self.sampled_share if self.unseen else self.traced_share

    def figures(self) -> dict[str, Any]:
        """In milliseconds, for the finding."""
        held = self.share * self.wall
        figures: dict[str, Any] = {
            "wall_ms": milliseconds(self.wall),
            "released_ms": milliseconds(self.wall - held if self.unseen else self.released),
            "held_ms": milliseconds(held),
        }
        if not self.unseen:
            figures["longest_held_ms"] = milliseconds(self.longest)
            figures["retake_ms"] = milliseconds(self.wait)
        figures["others_waited_ms"] = milliseconds(self.tick_longest)
        figures["seen_by"] = "sampler" if self.unseen else "trace"
        if self.free_threaded:
            figures["gc_delay_ms"] = milliseconds(self.tick_longest)
        if self.raised:
            figures["raised"] = self.raised
        return figures

    def finding(self) -> Finding:
        """What that means."""
        verdict = self.verdict()
        advice = ADVICE.get(verdict, "")
        if verdict == "short" and self.raised:
            advice = "it raised at once: give it arguments with which it does its work"
        elif verdict == INCONCLUSIVE:
            advice = (
                f"the thread had the GIL {self.traced_share:.0%} of the time after the trace and "
                f"{self.sampled_share:.0%} after the sampler, and others waited for it "
                f"{self.tick_longest * 1e3:.0f} of {self.wall * 1e3:.0f} ms at most: try again on "
                "a quieter machine, or give the call arguments with which it takes longer"
            )
        elif SHORTEST / 2 < self.wall < SHORTEST * 2:
            border = (
                f"it is close to the {milliseconds(SHORTEST):g} ms up to which a call is 'short'"
            )
            advice = "; ".join(filter(None, (advice, border)))
        return Finding(ORACLE, verdict, self.figures(), advice)

    def verdict(self) -> str:
        """In a word."""
        if self.wall < SHORTEST:
            return "short"
        if self.traced and self.traced_share < self.sampled_share - LEAST:
            return INCONCLUSIVE
        if self.share >= MOST or self._yields():
            return self._if_held()
        if self.felt > self.share + self.doubt:
            return INCONCLUSIVE
        released = self.share <= LEAST and (self.unseen or self.longest < FELT)
        return "released" if released else PARTLY

    @property
    def felt(self) -> float:
        """The longest part of its time in which others waited for the GIL."""
        return self.tick_longest / self.wall

    @property
    def doubt(self) -> float:
        """By how much that may be wrong."""
        return max(LEAST, NOISE / self.wall)

    def _yields(self) -> bool:
        """Whether it only lost the GIL to others who asked: what Python code does."""
        return self.unseen and self.share > LEAST and self.traced_share >= MOST

    def _if_held(self) -> str:
        """What it is that has the GIL nearly all of the time."""
        if self.felt >= 0.5:
            return "held"
        if not self.ticks:  # the machine was too busy to let the ticker ask
            return INCONCLUSIVE
        others_run = self.unseen or self.longest > 2 * self.tick_longest + SWITCH
        others_run = others_run and self.felt < self.doubt and self.tick_longest < FELT
        return "python" if others_run else PARTLY


# ------------------------------------------------------------------- in the fresh process


def _experiment(channel: Channel, subject: Subject) -> list[dict[str, Any]]:
    """Makes two calls that are known and the one that is not; returns what was seen of each."""
    from hwsim.proof import _trace  # noqa: PLC0415 - the parent may be unable to load it

    del channel
    traced = _trace.supported()
    free_threaded = not getattr(sys, "_is_gil_enabled", lambda: True)()
    sys.setswitchinterval(SWITCH)
    if traced:
        _trace.install()
    # Those that are known come first: what the call needs may be much to collect.
    known = (Subject(_trace.hold, (CONTROL,)), Subject(_trace.wait, (CONTROL,)))
    results = []
    for each in (*known, subject):
        seen = _trace.measure(each.load(), each.arguments(), PERIOD_NS)
        error = seen.pop("error")
        del seen["releases"], seen["checks"]
        for name in ("wall", "held", "longest", "released", "wait", "tick_longest"):
            seen[name] /= 1e9
        raised = "" if error is None else f"{type(error).__name__}: {error}"
        results.append({**seen, "traced": traced, "raised": raised, "free_threaded": free_threaded})
    return results
