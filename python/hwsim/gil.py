"""What the binding does with the GIL: the policies, an override for experiments, a count.

Each native function has a policy: ``release`` (around the whole call), ``hold`` (never: it cannot
block) or ``when blocking`` (only while it really waits, if the wait is expected to be long). It
follows from what the operations' table says; see ``interface/operations.i`` and
``interface/kit/gil.i``.
"""

from __future__ import annotations

from types import TracebackType
from typing import Literal

from hwsim import _native

Policy = Literal["auto", "release", "hold"]


class policy:  # noqa: N801 - reads as a call: hwsim.gil.policy("hold")
    """Overrides the declared policies, in the whole process.

    ``"auto"`` is what is declared, ``"release"`` releases around every call that could block, and
    ``"hold"`` never releases: every other Python thread then stands still while one waits for the
    device. It takes effect for calls that start later; the end of a ``with`` statement restores the
    previous policy.

    Args:
        name: The policy.

    Raises:
        ValueError: There is no such policy.

    **Thread safety:** may be called from any thread; all threads share the override.
    """

    def __init__(self, name: Policy) -> None:
        self._before = _native.gil_get_policy()
        _native.gil_set_policy(name)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _native.gil_set_policy(self._before)


def current_policy() -> Policy:
    """Returns the override in force; ``"auto"`` unless :class:`policy` changed it."""
    return _native.gil_get_policy()


def releases() -> int:
    """Returns how often calls of the current thread into hwsim have released the GIL."""
    return _native.gil_releases()


def declared() -> dict[str, str]:
    """Returns the declared policies by C++ name; what is missing has :func:`default_policy`."""
    return _native.gil_declared()


def default_policy() -> str:
    """Returns the policy of native functions that none is declared for: ``hold``.

    That is safe, because the library makes each operation from a table that says whether it waits,
    and the policies are declared from the same table.
    """
    return _native.gil_default()
