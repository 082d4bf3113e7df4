"""The proof: what a call of any extension does wrong, found without the extension's cooperation.

Each oracle makes the call in fresh processes with a time limit, and in the same run a call of which
the answer is known, so that an oracle which cannot tell here says *inconclusive*. The assertions
are for the test suite of whoever ships an extension:

>>> from hwsim import proof
>>> proof.assert_interruptible("time:sleep", 1.0).verdict
'obeys'
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as in typing, which takes longer to import than all of this
if TYPE_CHECKING:
    from hwsim.proof.assertions import (
        Inconclusive,
        assert_callbacks_safe,
        assert_exits_cleanly,
        assert_interruptible,
        assert_no_leak,
        assert_survives_fork,
    )
    from hwsim.proof.verdict import Finding

__all__ = [
    "Finding",
    "Inconclusive",
    "assert_callbacks_safe",
    "assert_exits_cleanly",
    "assert_interruptible",
    "assert_no_leak",
    "assert_survives_fork",
]

if not TYPE_CHECKING:  # to which a wrong name is an error

    def __getattr__(name: str) -> object:
        """Imports what is used when it is first used."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = "verdict" if name == "Finding" else "assertions"
        value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        globals()[name] = value
        return value
