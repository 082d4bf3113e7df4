"""Cancel tokens: how one thread ends the calls of others."""

from __future__ import annotations

from hwsim import _native
from hwsim.lifetime import Unique


class CancelToken(Unique, _native.CancelToken):
    """Stops the calls that it is given to as ``cancel=``, now and later, in any thread.

    A token is latched: a call that starts after :meth:`cancel` is stopped as well, so there is no
    race to lose. It cannot be reset; make a new one.

    **Thread safety:** may be used by any number of calls in any threads.
    """

    _instead = "share it between threads as it is; another process needs one of its own"

    def __init__(self) -> None:
        super().__init__()  # in Python for its signature, which 3.13 finds in no compiled one

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` has been called."""
        return self._is_cancelled()

    def __repr__(self) -> str:
        try:
            state = "cancelled" if self.cancelled else "not cancelled"
        except ValueError:
            state = "not initialised"
        return f"<hwsim.CancelToken, {state}>"
