"""What the classes over native objects have in common: no copies, and an end by ``with``.

These mixins come before the native class among the bases, and have no attributes of their own
(`__slots__`), so that the layout of the object stays that of the native class.
"""

from __future__ import annotations

from types import TracebackType
from typing import ClassVar, NoReturn, Self


class Unique:
    """An object that stands for something in this process, and cannot be pickled or copied."""

    __slots__ = ()
    _instead: ClassVar[str]  # the advice in the error

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"a {name} cannot be pickled or copied: {self._instead}")


class Scoped(Unique):
    """A unique object that may be used in a ``with`` statement, which closes or stops it."""

    __slots__ = ()

    def _end(self) -> None:
        """Closes or stops the object; does nothing if that has happened."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
