"""The trace: when each thread was without the GIL, waited for it, or held it in a native call.

A timeline is drawn in the terminal, or saved: as JSON for Perfetto (https://ui.perfetto.dev) and
Chrome, as one HTML page that needs no network, or as SVG.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hwsim.proof import _trace, page
from hwsim.proof.lanes import Call, Lane, Span, State
from hwsim.proof.report import Counted, counting

# In the terminal; what is seen of a cell is the state that fills most of it.
CELLS: dict[State, str] = {"released": "░", "waiting": "·", "holding": "█"}


@dataclass
class Timeline:
    """What a trace recorded; complete when it has ended.

    Attributes:
        duration_us: How long it was, in microseconds.
        lanes: One for each thread that was seen, the main thread first.
        calls: One for each native call by its name, the one that held the GIL longest first.
        sees_own: Whether releases by the interpreter's own modules, such as in time.sleep(), are
            among them; not where it is linked statically, as Debian's is.
    """

    duration_us: float = 0.0
    lanes: list[Lane] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    sees_own: bool = True

    def timeline(self, *, width: int = 100) -> str:
        """Draws it with characters.

        Args:
            width: Columns, from 40.

        Returns:
            A line for each thread, a legend, and what is missing.
        """
        if width < 40:
            raise ValueError(f"width must be at least 40 columns, got {width}")
        names = [lane.name[:20] for lane in self.lanes]
        label = max(map(len, names), default=0) + 2
        cells = width - label
        lines = [
            f"{name:{label}}{_cells(lane, cells, self.duration_us)}".rstrip()
            for name, lane in zip(names, self.lanes, strict=True)
        ]
        scale = f"0{_duration(self.duration_us):>{cells - 1}}"
        legend = "  ".join(f"{cell} {state}" for state, cell in CELLS.items())
        lines += [" " * label + scale, " " * label + legend]
        if not self.sees_own:
            lines.append("not seen: releases by modules that are linked into this interpreter")
        return "\n".join(lines)

    def by_name(self) -> Timeline:
        """The same with one lane for all threads of a name, such as those of a pool made anew.

        What they did at the same time is drawn over one another.
        """
        lanes: dict[str, Lane] = {}
        for lane in self.lanes:
            first = lanes.get(lane.name, Lane(lane.id, lane.name, ()))
            spans = sorted((*first.spans, *lane.spans), key=lambda span: span.start_us)
            lanes[lane.name] = Lane(first.id, first.name, tuple(spans), first.lost + lane.lost)
        return Timeline(self.duration_us, list(lanes.values()), self.calls, self.sees_own)

    def as_chrome(self) -> dict[str, Any]:
        """In the form of Chrome's trace events, which Perfetto reads."""
        events: list[dict[str, Any]] = []
        pid = os.getpid()
        for lane in self.lanes:
            about = {"ph": "M", "pid": pid, "tid": lane.id}
            events.append({**about, "name": "thread_name", "args": {"name": lane.name}})
            for span in lane.spans:
                name = span.name if span.state == "holding" else f"{span.state}: {span.name}"
                events.append(
                    {
                        "ph": "X",
                        "pid": pid,
                        "tid": lane.id,
                        "ts": span.start_us,
                        "dur": round(span.end_us - span.start_us, 3),
                        "name": name,
                        "cat": span.state,
                    }
                )
        return {"traceEvents": events, "displayTimeUnit": "ms"}

    def as_html(self) -> str:
        """One page: lanes to zoom into, and a table by call."""
        data = json.dumps(
            {
                "duration": self.duration_us,
                "lanes": [asdict(lane) for lane in self.lanes],
                "calls": [asdict(call) for call in self.calls],
            }
        )
        return page.HTML.replace("{{data}}", data.replace("<", "\\u003c"))

    def as_svg(self, *, width: int = 960) -> str:
        """A picture."""
        return page.svg(self.duration_us, self.lanes, width)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a file: ``.json``, ``.html`` or ``.svg``.

        Raises:
            ValueError: The name has another ending.
            OSError: The file cannot be written.
        """
        path = Path(path)
        forms: dict[str, Callable[[], str]] = {
            ".json": lambda: json.dumps(self.as_chrome()),
            ".html": self.as_html,
            ".svg": self.as_svg,
        }
        if path.suffix not in forms:
            raise ValueError(f"the file must end in {', '.join(forms)}, got {path.name!r}")
        path.write_text(forms[path.suffix](), encoding="utf-8")


@contextmanager
def trace() -> Iterator[Timeline]:
    """Records all threads of the process, as a context.

    Yields:
        The timeline, which is filled at the end.

    Raises:
        RuntimeError: Another audit or trace is going on; or before Python 3.12, another profiler.
        OSError: This system is not supported, or forbids what the trace needs.

    **Thread safety:** records all threads, also those that start later. The name of a thread is
    known if it is alive when the trace begins or ends.
    """
    timeline, counted = Timeline(), Counted()
    names = _names()
    start = end = 0
    try:
        with counting(counted, records=True):
            start = _trace.now()
            try:
                yield timeline
            finally:
                end = _trace.now()
    finally:
        names |= _names()
        timeline.duration_us = (end - start) / 1e3
        timeline.sees_own = counted.sees_own
        if counted.complete:
            timeline.lanes[:] = _lanes(counted, names, start, end)
            timeline.calls[:] = _calls(counted)


def _names() -> dict[int, str]:
    return {thread.native_id: thread.name for thread in threading.enumerate() if thread.native_id}


def _name(row: tuple[Any, ...]) -> str:
    """What a row of the audit is called."""
    return str(row[-1] or f"{row[0]}.{row[1]}")


def _calls(counted: Counted) -> list[Call]:
    sums: dict[str, list[int]] = {}
    for row in counted.rows:
        times, _, held, _, released, wait = row[4:10]
        if not times or row[0] == _trace.__name__:
            continue
        if row[-2] and not counted.sees_own:
            held = 0  # what it released cannot be seen
        total = sums.setdefault(_name(row), [0, 0, 0, 0])
        for place, value in enumerate((times, held, released, wait)):
            total[place] += value
    calls = [
        Call(name, times, *(round(ns / 1e3, 3) for ns in more))
        for name, (times, *more) in sums.items()
    ]
    return sorted(calls, key=lambda call: (-call.held_us, -call.released_us, call.name))


def _lanes(counted: Counted, names: dict[int, str], start: int, end: int) -> list[Lane]:
    calls = {(row[2], row[3]): _name(row) for row in counted.rows}
    # Of a call whose releases cannot be seen, it cannot be said that it held the GIL.
    unseen = {(row[2], row[3]) for row in counted.rows if row[-2] and not counted.sees_own}
    lanes = []
    for thread, known, released_at, lost, kept in _trace.spans():
        seen = [span for span in kept if span[1] or (thread, span[3]) not in unseen]
        spans = list(_spans(thread, seen, calls, start))
        if released_at:  # it still is
            spans.append(Span((released_at - start) / 1e3, (end - start) / 1e3, "released", ""))
        spans.sort(key=lambda span: span.start_us)
        if spans:
            name = known or names.get(thread) or f"thread {thread}"
            lanes.append(Lane(thread, name, tuple(spans), lost))
    main = threading.main_thread().native_id
    return sorted(lanes, key=lambda lane: (lane.id != main, lane.spans[0].start_us))


def _spans(
    thread: int, kept: Iterable[tuple[Any, ...]], calls: dict[tuple[int, int], str], start: int
) -> Iterator[Span]:
    for released, asked, retaken, call, file in kept:
        name = calls.get((thread, call), "") or (Path(file).name if file else "")
        begin = max(((released or start) - start) / 1e3, 0.0)
        done = (retaken - start) / 1e3
        if not asked:
            yield Span(begin, done, "holding", name)
            continue
        ask = (asked - start) / 1e3
        if ask > begin and released:
            yield Span(begin, ask, "released", name)
        if done - ask >= 1:
            yield Span(ask, done, "waiting", name)


def _cells(lane: Lane, cells: int, duration_us: float) -> str:
    """What fills most of each cell."""
    share: list[dict[State, float]] = [{} for _ in range(cells)]
    size = duration_us / cells or 1.0
    for span in lane.spans:
        first, last = int(span.start_us / size), int(span.end_us / size)
        for place in range(max(first, 0), min(last, cells - 1) + 1):
            part = min(span.end_us, (place + 1) * size) - max(span.start_us, place * size)
            share[place][span.state] = share[place].get(span.state, 0.0) + part
    return "".join(_cell(states, size) for states in share)


def _cell(states: dict[State, float], size: float) -> str:
    best = max(states, key=states.__getitem__, default=None)
    return CELLS[best] if best and states[best] >= size / 4 else " "


def _duration(us: float) -> str:
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if us >= scale:
            return f"{us / scale:.3g} {unit}"
    return f"{us:.3g} us"
