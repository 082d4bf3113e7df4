"""The threads table of README and docs/: which call blocks, and what it does with the GIL."""

from __future__ import annotations

from pathlib import Path

from tools import headers
from tools.headers import ROOT, Operation

BEGIN, END = "<!-- generated: threads -->", "<!-- /generated -->"
HEAD = "| call | blocks | GIL | ends early by |\n|---|---|---|---|\n"
# How the calls behave, by what the operations' table says that they wait for.
GROUPS = {
    "when_blocking": (
        "yes",
        "released while it waits, unless the wait is short (100 µs)",
        "timeout, `CancelToken`, `Device.cancel()`, `close()`, Ctrl-C",
    ),
    "computes": ("yes, it computes", "released", "the same"),
    "copies": ("no", "released", ""),
    "in_slices": (
        "while there is much to settle",
        "released after 2 ms",
        "`Device.cancel()`, `close()`, Ctrl-C",
    ),
    "never": ("no", "held", ""),
}
# Where a call has another name in Python, or several. None: there is none in Python.
PYTHON = {
    ("device", "open"): ["open"],
    ("device", "read_register"): ["read_register", "device[address]"],
    ("device", "write_register"): ["write_register", "device[address] = value"],
    ("device", "get_signal"): ["signal"],
    ("device", "default_signal"): None,
    ("device", "subscribe"): ["events", "on_event"],
    ("stream", "read"): ["Stream.read"],
    ("stream", "stop"): ["Stream.stop"],
    ("stream", "status"): ["Stream.status"],
    ("subscription", "next"): ["Subscription.read"],
    ("subscription", "close"): ["Subscription.close"],
    ("subscription", "status"): ["Subscription.status"],
    ("library", "wait_free"): ["open(wait=...)"],
    ("library", "find_register"): ["registers"],
    ("library", "check_firmware"): ["firmware.check_image"],
    ("library", "stop"): None,
}


def names(operation: Operation) -> list[str]:
    """Returns what an operation is called in Python."""
    return PYTHON.get((operation.noun, operation.name), [operation.name]) or []


def table() -> str:
    """Returns the table, in Markdown."""
    lines = [HEAD]
    for waits, cells in GROUPS.items():
        calls = [
            f"`{name}`"
            for operation in headers.operations()
            if operation.waits == waits
            for name in names(operation)
        ]
        lines.append(f"| {', '.join(calls)} | {' | '.join(cells)} |\n")
    return "".join(lines).replace("|  |", "| |")


def pages() -> list[Path]:
    """Returns the pages that have a place for the table."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    return [path for path in found if BEGIN in path.read_text(encoding="utf-8")]


def render(page: Path) -> str:
    """Returns a page with the table in its place."""
    before, _, rest = page.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{page.name}: no {END}")
    return f"{before}{BEGIN}\n{table()}{END}{after}"
