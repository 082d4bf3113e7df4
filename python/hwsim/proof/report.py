"""The audit: which call of which extension held the GIL, in a whole program.

Every call of a C callable by Python code is timed, in every thread. What the thread spent with the
GIL, less what Python code that the callable called took, is charged to the callable.
"""

from __future__ import annotations

import fnmatch
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.proof import _trace

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

LONG_MS = 5.0  # a hold that others notice: CPython's switch interval
CHANCE_MS = 50.0  # how long a busy machine may keep a thread from running, once in many calls
MOST, LEAST = 0.75, 0.25  # of a callable's time: what holds, and what does not
# What holds the GIL to import a module, once.
IMPORTS = (
    "_imp.*",
    "marshal.loads",
    "builtins.__import__",
    "builtins.__build_class__",
    "builtins.compile",
)
STYLES = {"held": "bold red", "partly": "yellow", "released": "green"}
TOOL = "hwsim.proof"


@dataclass(frozen=True)
class Row:
    """What was counted of one callable, in all threads. Times in milliseconds.

    Attributes:
        module: Where it is defined.
        name: Its qualified name there.
        package: The distribution that has the module; empty: unknown, or Python's own.
        version: Of the package.
        verdict: ``"held"``; ``"released"``; ``"partly"``; ``"short"``: it never held the GIL for
            5 ms; ``"unseen"``: it is part of an interpreter whose own releases cannot be seen.
        calls: How often it was called.
        wall_ms: From call to return, in all; with the Python code that it called.
        released_ms: Without the GIL, in all.
        held_ms: With the GIL, in all; without the Python code that it called.
        longest_held_ms: At once.
        wait_ms: Until it had the GIL again, in all.
        caller: ``FILE:LINE`` of the Python code that made the call with the longest hold.
        own: Whether it is Python's own: built in, or of the standard library.
    """

    module: str
    name: str
    package: str
    version: str
    verdict: str
    calls: int
    wall_ms: float
    released_ms: float
    held_ms: float
    longest_held_ms: float
    wait_ms: float
    caller: str
    own: bool

    @property
    def callable(self) -> str:
        """Its full name."""
        return f"{self.module}.{self.name}"


@dataclass
class Report:
    """What an audit found; complete when it has ended.

    Attributes:
        rows: A row for each C callable that was called, the longest hold first.
    """

    rows: list[Row] = field(default_factory=list)

    def over(self, limit_ms: float, allow: Iterable[str] = ()) -> list[Row]:
        """The callables that held the GIL for longer than that at once; imports may.

        Args:
            limit_ms: Milliseconds.
            allow: Names of callables that may, such as ``"vendor.*"``.
        """
        patterns = (*IMPORTS, *allow)
        return [
            row
            for row in self.rows
            if row.longest_held_ms > limit_ms
            and row.verdict != "unseen"
            and not any(fnmatch.fnmatchcase(row.callable, pattern) for pattern in patterns)
        ]

    def as_json(self) -> dict[str, Any]:
        """Everything, plain enough for JSON."""
        return {"python": sys.version.split()[0], "rows": [asdict(row) for row in self.rows]}

    def render(self, *, most: int = 20) -> Group:
        """Two tables for rich: the extensions' callables, and Python's own.

        Args:
            most: Rows of each. Calls that were short are only counted.
        """
        from rich.console import Group  # noqa: PLC0415 - not needed to audit
        from rich.text import Text  # noqa: PLC0415

        parts: list[Any] = []
        for title, own in (("extensions", False), ("Python's own", True)):
            rows = [row for row in self.rows if row.own == own]
            shown = [row for row in rows if row.verdict != "short"]
            parts.append(_table(title, shown[:most]))
            left = len(rows) - len(shown[:most])
            parts.append(Text(f"and {left} that never held the GIL for long or are further down\n"))
        return Group(*parts)


def _table(title: str, rows: Sequence[Row]) -> Table:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(title, overflow="fold")
    table.add_column("verdict")
    for head in ("calls", "longest\nhold, ms", "held,\nms", "released,\nms", "wait,\nms"):
        table.add_column(head, justify="right")
    for row in rows:
        about = os.sep.join(row.caller.split(os.sep)[-2:])
        if row.package:
            about = f"{row.package} {row.version}\n{about}"
        times = (row.longest_held_ms, row.held_ms, row.released_ms, row.wait_ms)
        table.add_row(
            Text.assemble(row.callable, "\n", (about, "dim")),
            Text(row.verdict, STYLES.get(row.verdict, "dim")),
            str(row.calls),
            *(f"{value:.1f}" for value in times),
        )
    return table


@contextmanager
def audit() -> Iterator[Report]:
    """Counts the calls of C callables in the whole process, as a context.

    Yields:
        The report, which is filled at the end.

    Raises:
        RuntimeError: Another audit or trace is going on; or before Python 3.12, another profiler.
        OSError: This system is not supported, or forbids what the trace needs.

    **Thread safety:** counts the calls of all threads, also of those that start later.
    """
    report = Report()
    counted = Counted()
    try:
        with counting(counted):
            yield report
    finally:
        report.rows[:] = rows(counted)


@dataclass
class Counted:
    """What the native part counted.

    Attributes:
        rows: For each thread and callable; see ``_trace.audit_stop()``.
        sees_own: Whether releases by the interpreter itself are seen.
        complete: Whether it has ended.
    """

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    sees_own: bool = True
    complete: bool = False


@contextmanager
def counting(counted: Counted, *, records: bool = False) -> Iterator[None]:
    """Has the native part count calls; ``records``: and keep spans."""
    with ExitStack() as stack:
        _trace.install()
        stack.callback(_trace.remove)
        before = _trace.releases()
        time.sleep(0)
        counted.sees_own = _trace.releases() != before
        _trace.audit_start(records)
        stack.callback(_stop, counted)
        stack.enter_context(_events())
        yield


def _stop(counted: Counted) -> None:
    stopped = _trace.audit_stop()
    full = {module: _full_name(module) for module, *_ in stopped}
    counted.rows += [(full[module], *rest) for module, *rest in stopped]
    counted.complete = True


if sys.version_info >= (3, 12):

    @contextmanager
    def _events() -> Iterator[None]:
        """Has sys.monitoring call the audit; coverage and debuggers have other tool numbers."""
        monitoring, events = sys.monitoring, sys.monitoring.events
        callbacks: dict[int, Callable[..., object]] = {
            events.CALL: _trace.on_call,
            events.C_RETURN: _trace.on_return,
            events.C_RAISE: _trace.on_return,
            events.PY_START: _trace.on_enter,
            events.PY_RESUME: _trace.on_enter,
            events.PY_THROW: _trace.on_enter,
            events.PY_RETURN: _trace.on_leave,
            events.PY_YIELD: _trace.on_leave,
            events.PY_UNWIND: _trace.on_leave,
        }
        tool = next((n for n in (3, 4, 2) if monitoring.get_tool(n) is None), None)
        if tool is None:
            raise RuntimeError("all tools of sys.monitoring are in use: end a profiler or a tracer")
        monitoring.use_tool_id(tool, TOOL)
        try:
            for event, callback in callbacks.items():
                monitoring.register_callback(tool, event, callback)
            # Those of C functions come with CALL.
            wanted = sum(set(callbacks) - {events.C_RETURN, events.C_RAISE})
            monitoring.set_events(tool, wanted)
            yield
        finally:
            monitoring.set_events(tool, 0)
            for event in callbacks:
                monitoring.register_callback(tool, event, None)
            monitoring.free_tool_id(tool)

else:

    @contextmanager
    def _events() -> Iterator[None]:
        """Has threads that start later call the audit."""
        before = threading.getprofile()
        threading.setprofile(_trace.on_thread)
        try:
            yield
        finally:
            threading.setprofile(before)


def rows(counted: Counted) -> list[Row]:
    """One row for each callable, of what was counted in each thread."""
    sums: dict[tuple[str, str], list[Any]] = {}
    for module, name, _, _, calls, wall, held, longest, released, wait, *rest in counted.rows:
        _, _, file, line, own, _ = rest
        if module == _trace.__name__ or not calls:
            continue
        total = sums.setdefault(
            (module, name), [0, 0, 0, 0, 0, -1, "", own and not counted.sees_own]
        )
        for place, value in enumerate((calls, wall, held, released, wait)):
            total[place] += value
        if longest > total[5]:
            total[5:7] = longest, f"{file}:{line}" if file else ""
    packages = _packages({module.partition(".")[0] for module, _ in sums})
    found = [
        _row(module, name, total, *packages.get(module.partition(".")[0], ("", "")))
        for (module, name), total in sums.items()
    ]
    return sorted(found, key=lambda row: (-row.longest_held_ms, row.callable))


def _row(module: str, name: str, total: Sequence[Any], package: str, version: str) -> Row:
    calls, unseen = total[0], total[7]
    wall, held, released, wait, longest = (
        round(value / 1e6, 3) for value in (*total[1:5], total[5])
    )
    own = module.partition(".")[0] in {*sys.stdlib_module_names, *sys.builtin_module_names}
    if module == "ctypes":  # is a function of some library, unless ctypes has it
        own = name.partition(".")[0] in vars(sys.modules["ctypes"])
    verdict = _verdict(calls, held, longest, released)
    if unseen and verdict in ("held", "partly"):
        verdict = "unseen"
    return Row(
        module,
        name,
        package,
        version,
        verdict,
        calls,
        wall,
        released,
        held,
        longest,
        wait,
        total[6],
        own,
    )


def _verdict(calls: int, held: float, longest: float, released: float) -> str:
    # A single hold far from all others is the system's: it let another program run.
    chance = longest < CHANCE_MS and held / calls < longest / 10
    if longest < LONG_MS or chance:
        return "released" if released >= LONG_MS else "short"
    share = held / (held + released)
    return "held" if share >= MOST else "partly" if share > LEAST or longest >= 100 else "released"


def _full_name(module: str) -> str:
    """As it was imported: a type may know only the last part, as those of PIL._imaging do."""
    if module in sys.modules:
        return module
    names = [
        name
        for name, found in list(sys.modules.items())
        if name.endswith(f".{module}") and _is_extension(found)
    ]
    return names[0] if len(names) == 1 else module


def _is_extension(module: object) -> bool:
    return str(getattr(module, "__file__", "")).endswith(tuple(EXTENSION_SUFFIXES))


def _packages(modules: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The distribution of each module that has one, and its version."""
    from importlib import metadata  # noqa: PLC0415 - takes longer than all of this

    found = {}
    every: Mapping[str, list[str]] | None = None
    for module in modules:
        file = getattr(sys.modules.get(module), "__file__", None)
        if not file or module in sys.stdlib_module_names:
            continue
        path = Path(file).parent
        path = path.parent if path.name == module else path
        if not any(path.glob("*.dist-info")):
            continue  # it was not installed there
        try:
            found[module] = (module, metadata.version(module))
        except metadata.PackageNotFoundError:  # the package has another name
            every = metadata.packages_distributions() if every is None else every
            for name in every.get(module, [])[:1]:
                found[module] = (name, metadata.version(name))
    return found
