"""``pytest --gil-audit``: which native call of a test suite held the GIL."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from hwsim.proof.report import Report, Row

KEY = "_hwsim_gil_audit"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("hwsim", "which native call holds the GIL (hwsim.proof)")
    group.addoption(
        "--gil-audit", action="store_true", help="count native calls, and show who held the GIL"
    )
    group.addoption(
        "--gil-audit-fail-on",
        metavar="TIME",
        help="fail if a native call holds the GIL for longer at once, such as 100ms",
    )
    group.addoption(
        "--gil-audit-allow",
        action="append",
        default=[],
        metavar="NAME",
        help="a callable that may, such as 'vendor.*'; may be repeated",
    )


class Audit:
    """An audit of a test session.

    Args:
        limit_ms: A longer hold fails the session; None: none does.
        allow: Names of callables that may.
    """

    def __init__(self, limit_ms: float | None, allow: list[str]) -> None:
        self._limit_ms, self._allow = limit_ms, allow
        self._stack = ExitStack()
        self._report: Report | None = None

    def pytest_sessionstart(self) -> None:
        """Begins."""
        from hwsim.proof.report import audit  # noqa: PLC0415 - no cost where it is not used

        self._report = self._stack.enter_context(audit())

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Ends."""
        self._stack.close()
        if self._over() and not session.exitstatus:
            session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Shows the tables."""
        if self._report is None:
            return
        from rich.console import Console  # noqa: PLC0415

        terminalreporter.section("GIL audit")
        width = terminalreporter._tw.fullwidth
        console = Console(width=width, markup=False, emoji=False, highlight=False)
        with console.capture() as text:
            console.print(self._report.render())
        terminalreporter.write(text.get())
        for row in self._over():
            terminalreporter.write_line(
                f"FAILED {row.callable} held the GIL for {row.longest_held_ms:.1f} ms at once, "
                f"more than {self._limit_ms:g} ms, called from {row.caller}"
            )

    def _over(self) -> list[Row]:
        if self._report is None or self._limit_ms is None:
            return []
        return self._report.over(self._limit_ms, self._allow)


def pytest_configure(config: pytest.Config) -> None:
    """Begins, if it is wanted."""
    limit = config.getoption("--gil-audit-fail-on")
    if not (config.getoption("--gil-audit") or limit):
        return
    from hwsim.proof.duration import milliseconds  # noqa: PLC0415

    limit_ms = None
    if limit:
        try:
            limit_ms = milliseconds(limit)
        except ValueError as error:
            import pytest  # noqa: PLC0415

            raise pytest.UsageError(f"--gil-audit-fail-on: {error}") from None
    audit = Audit(limit_ms, config.getoption("--gil-audit-allow"))
    config.pluginmanager.register(audit, KEY)
