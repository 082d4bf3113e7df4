"""All that the proof can tell of one call, as a table or as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hwsim.proof.subject import Subject
from hwsim.proof.verdict import BUDGET, INCONCLUSIVE, UNSUPPORTED, Finding

# Each is hwsim.proof.NAME.check_NAME(subject, limit=seconds, ...). That of callbacks is for what
# calls back, and must be asked for.
OF_ANY_CALL = ("gil", "interrupt", "fork", "exit", "leak")
ORACLES = (*OF_ANY_CALL, "callbacks")
GOOD = frozenset({"released", "python", "short", "obeys", "survives", "refuses", "clean", "safe"})
ENDLESS = 5.0  # seconds that the others wait for a call that did not end when one tried
# What only one oracle wants to know.
WANTED_BY = {"child_args": "fork", "errors": "leak", "run": "callbacks", "close": "callbacks"}


@dataclass(frozen=True)
class Checked:
    """What the oracles found out about a call.

    Attributes:
        call: The call, as text.
        findings: One of each oracle that was asked.
    """

    call: str
    findings: tuple[Finding, ...]

    def __getitem__(self, oracle: str) -> Finding:
        """The finding of an oracle, such as ``checked["gil"]``."""
        for finding in self.findings:
            if finding.oracle == oracle:
                return finding
        raise KeyError(oracle)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with the call, and every oracle could tell."""
        return all(finding.verdict in GOOD for finding in self.findings)

    def as_json(self) -> dict[str, dict[str, Any]]:
        """For each oracle its verdict and its figures; and its advice, if it has one."""
        return {
            finding.oracle: {
                "verdict": finding.verdict,
                **finding.figures,
                **({"advice": finding.advice} if finding.advice else {}),
            }
            for finding in self.findings
        }

    def __str__(self) -> str:
        """The findings as text, with what supports those that are not good."""
        parts = [self.call]
        for finding in self.findings:
            told = finding.verdict in GOOD or finding.verdict == UNSUPPORTED
            parts.append(finding.report() if not told else finding.report().partition("\n---")[0])
        return "\n\n".join(parts)


def check(
    function: Callable[..., Any] | str,
    *args: Any,
    setup: str = "",
    oracles: Iterable[str] = OF_ANY_CALL,
    child_args: tuple[Any, ...] | None = None,
    errors: Sequence[tuple[Any, ...]] = (),
    run: Callable[..., Any] | str | None = None,
    close: Callable[..., Any] | str | None = None,
    limit: float = 60.0,
    budget: float = BUDGET,
) -> Checked:
    """Tells what a call does wrong: each oracle makes it in fresh processes of its own.

    Blocks for some thirty times as long as the call takes, within the budget of each oracle; Ctrl-C
    ends it, and all its processes.

    Args:
        function: A function that another process can import, ``"MODULE:CALLABLE"``, or a Python
            expression that sees what ``setup`` defined.
        args: What it is called with. The oracle of callbacks adds the callback.
        setup: Python code that runs first, in the fresh process.
        oracles: Which to ask, of ``gil``, ``interrupt``, ``fork``, ``exit``, ``leak``, and
            ``callbacks`` if the function takes one.
        child_args: For ``fork``: what the child calls it with, if not with the same.
        errors: For ``leak``: arguments with which it fails, one tuple for each error path.
        run: For ``callbacks``: called with what the function returned, makes it call back. None:
            it does so by itself.
        close: For ``callbacks``: called with what the function returned. None: it cannot be closed.
        limit: Seconds after which a call is given up.
        budget: Seconds that each oracle has for its calls. With one that takes seconds, ``exit``
            and ``interrupt`` try fewer moments; ``fork`` and ``leak`` make fewer calls, and if nine
            are too many, they are inconclusive: not measured.

    Raises:
        ValueError: There is no such oracle, or what is given is for one that is not asked; or a
            text is no Python.
        TypeError: The call cannot be made in a fresh process.

    **Thread safety:** may be called from any thread; one at a time gives the steadier figures.
    """
    more = {"child_args": child_args, "errors": errors or None, "run": run, "close": close}
    subject = Subject(function, args, setup)
    return check_subject(subject, oracles, more, limit=limit, budget=budget)


def check_subject(
    subject: Subject,
    oracles: Iterable[str],
    more: Mapping[str, Any],
    *,
    limit: float = 60.0,
    budget: float = BUDGET,
    begins: Callable[[str], object] = lambda oracle: None,
) -> Checked:
    """The same for a call that is described.

    Args:
        subject: The call.
        oracles: Which to ask.
        more: What only one oracle wants to know; see ``WANTED_BY``. None: not given.
        limit: Seconds after which a call is given up.
        budget: Seconds that each oracle has for its calls.
        begins: Called with each oracle's name.
    """
    wanted = tuple(oracles)
    for name in wanted:
        if name not in ORACLES:
            raise ValueError(f"oracle must be one of {', '.join(ORACLES)}, got {name!r}")
    given = {name: value for name, value in more.items() if value is not None}
    for name in given:
        if (oracle := WANTED_BY[name]) not in wanted:
            raise ValueError(f"{name} is for the oracle {oracle!r}, which is not asked")
    for name, seconds in {"limit": limit, "budget": budget}.items():
        if not seconds > 0:
            raise ValueError(f"{name} must be positive, in seconds, got {seconds!r}")
    findings = []
    for name in wanted:
        begins(name)
        judge = getattr(import_module(f"hwsim.proof.{name}"), f"check_{name}")
        own = {key: value for key, value in given.items() if WANTED_BY[key] == name}
        if name in OF_ANY_CALL:
            own["budget"] = budget
        begin = time.monotonic()
        finding = judge(subject, limit=limit, **own)
        if finding.verdict == INCONCLUSIVE and time.monotonic() - begin > limit:
            limit, budget = min(limit, ENDLESS), min(budget, ENDLESS)
        findings.append(finding)
    arguments = ", ".join(a if subject.expressions else repr(a) for a in subject.args)
    return Checked(f"{subject.name}({arguments})", tuple(findings))
