"""The scoreboard's page: it has every call, and says of each package that is missing why."""

from __future__ import annotations

from tools import scoreboard
from tools.scoreboard import ROWS, Row

HELD = {"verdict": "held", "wall_ms": 301.42, "held_ms": 301.4}
DEAF = {"verdict": "deaf", "interrupt_ms": 8.25, "advice": "look for signals"}


def test_page_has_every_call() -> None:
    page = scoreboard.PAGE.read_text(encoding="utf-8")
    for row in ROWS:
        assert scoreboard.code(row) in page or f"- {row.package}: " in page, row


def test_row_has_verdicts_and_milliseconds() -> None:
    row = Row("sdk", "sdk:read", ("1",))
    page = scoreboard.page([(row, {"gil": HELD, "interrupt": DEAF})], {"sdk": "1.2"}, {})
    assert "| sdk | 1.2 | `sdk.read(1)` | held | 301 | 301 | deaf | 8.2 |" in page.splitlines()
    assert "Not run here" not in page


def test_other_oracles_have_a_table_of_their_own() -> None:
    leak = {"verdict": "leaks", "success": {"memory": 100.5}}
    page = scoreboard.page([(Row("sdk", "f"), {"leak": leak})], {"sdk": "1.2"}, {})
    assert "| sdk | 1.2 | `f()` | leak | leaks | success: memory 100.5 |" in page.splitlines()


def test_missing_package_is_listed_with_the_reason() -> None:
    page = scoreboard.page([], {}, {"sdk": "ERROR: no wheel"})
    assert page.endswith("## Not run here\n\n- sdk: `ERROR: no wheel`\n")
