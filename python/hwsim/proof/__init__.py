"""The proof: what a call of any extension does wrong, found without the extension's cooperation.

Each oracle makes the call in fresh processes with a time limit, and in the same run a call of which
the answer is known, so that an oracle which cannot tell here says *inconclusive*. The assertions
are for the test suite of whoever ships an extension:

>>> from hwsim import proof
>>> proof.check("time:sleep", 0.2, oracles=["gil"])["gil"].verdict
'released'
>>> proof.assert_interruptible("time:sleep", 1.0).verdict
'obeys'
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in typing, which takes longer to import than all of this
if TYPE_CHECKING:
    from hwsim.proof.assertions import (
        Inconclusive,
        assert_callbacks_safe,
        assert_exits_cleanly,
        assert_interruptible,
        assert_no_leak,
        assert_releases_gil,
        assert_survives_fork,
    )
    from hwsim.proof.checked import Checked, check
    from hwsim.proof.lanes import Call, Lane, Span
    from hwsim.proof.report import Report, Row, audit
    from hwsim.proof.timeline import Timeline, trace
    from hwsim.proof.verdict import Finding

__all__ = [
    "Call",
    "Checked",
    "Finding",
    "Inconclusive",
    "Lane",
    "Report",
    "Row",
    "Span",
    "Timeline",
    "assert_callbacks_safe",
    "assert_exits_cleanly",
    "assert_interruptible",
    "assert_no_leak",
    "assert_releases_gil",
    "assert_survives_fork",
    "audit",
    "check",
    "trace",
]

# Of those that are not in the module of the assertions.
_MODULES = {
    "Call": "lanes",
    "Checked": "checked",
    "Finding": "verdict",
    "Lane": "lanes",
    "Report": "report",
    "Row": "report",
    "Span": "lanes",
    "Timeline": "timeline",
    "audit": "report",
    "check": "checked",
    "trace": "timeline",
}

if not TYPE_CHECKING:  # to which a wrong name is an error

    def __getattr__(name: str) -> object:
        """Imports what is used when it is first used."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = f"{__name__}.{_MODULES.get(name, 'assertions')}"
        __import__(module)
        value = getattr(sys.modules[module], name)
        globals()[name] = value
        return value
