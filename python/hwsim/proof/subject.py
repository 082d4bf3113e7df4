"""The call that is judged, in a form that reaches a fresh process."""

from __future__ import annotations

import functools
import importlib
import keyword
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any

UNPICKLABLE = (pickle.PicklingError, AttributeError, TypeError, ValueError)


@dataclass(frozen=True)
class Subject:
    """A function and its arguments.

    Attributes:
        function: A callable that another process can import, or a text: ``"MODULE:CALLABLE"``, or
            a Python expression that sees what ``setup`` defined.
        args: What it is called with.
        setup: Python code that runs first, in the fresh process; once for all that have the same.
        expressions: The arguments are Python expressions, which see what ``setup`` defined.

    Raises:
        ValueError: A text is no Python.
    """

    function: Callable[..., Any] | str
    args: tuple[Any, ...] = ()
    setup: str = ""
    expressions: bool = False

    def __post_init__(self) -> None:
        _check_text(self.setup, "exec", "setup must be Python code")
        if isinstance(self.function, str) and not is_name(self.function):
            wanted = "what is called must be MODULE:CALLABLE or a Python expression"
            _check_text(self.function, "eval", wanted)
        if self.expressions:
            for text in self.args:
                _check_text(text, "eval", "each argument must be a Python expression")

    @property
    def name(self) -> str:
        """How it is called in texts."""
        if isinstance(self.function, str):
            return self.function
        module = getattr(self.function, "__module__", None)
        name = getattr(self.function, "__qualname__", repr(self.function))
        return f"{module}:{name}" if module else str(name)

    def load(self) -> Callable[..., Any]:
        """Returns the function, in the process that is to call it."""
        return self._function

    def arguments(self, others: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
        """The arguments, or others in their place, in the process that is to call it with them."""
        args = self.args if others is None else others
        return _values(args, self.setup) if self.expressions else args

    def call(self) -> Any:
        """Calls it."""
        return self.load()(*self.arguments())

    def bound(self) -> Callable[[], Any]:
        """The call, as a function of its own without a Python frame."""
        return functools.partial(self.load(), *self.arguments())

    def with_arguments(self, args: tuple[Any, ...]) -> Subject:
        """The same function, called with others."""
        return Subject(self.function, args, self.setup, self.expressions)

    @functools.cached_property
    def _function(self) -> Callable[..., Any]:
        names = _defined(self.setup)
        function = self.function
        if isinstance(function, str):
            function = _found(function, names)
        if not callable(function):
            raise TypeError(f"{self.name} must be callable, got {function!r}")
        return function

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_function"}


def _code(text: str, mode: str) -> CodeType:
    """The code of a text, under a name of its own: CPython 3.13 takes '<string>' for python -c."""
    if mode == "eval":
        return compile(text.lstrip(" \t"), "<expression>", mode)
    return compile(text, "<setup>", mode)


def _check_text(text: str, mode: str, wanted: str) -> None:
    """ValueError: it is no Python."""
    try:
        _code(text, mode)
    except SyntaxError as error:
        where = f", line {error.lineno}" if mode == "exec" else ""
        raise ValueError(f"{wanted}, got {text!r}: {error.msg}{where}") from None
    except ValueError as error:  # a zero byte
        raise ValueError(f"{wanted}, got {text!r}: {error}") from None


@functools.cache
def _defined(setup: str) -> dict[str, Any]:
    """What the code defines; run once in a process, for all that have the same."""
    names: dict[str, Any] = {"__name__": "__hwsim_check__"}
    exec(_code(setup, "exec"), names)
    return names


@functools.cache
def _values(expressions: tuple[str, ...], setup: str) -> tuple[Any, ...]:
    """What they are; found once in a process, like what they see."""
    return tuple(eval(_code(text, "eval"), _defined(setup)) for text in expressions)


def is_name(text: str) -> bool:
    """Whether it has the form of ``MODULE:CALLABLE``."""
    module, colon, attributes = text.partition(":")
    names_only = all(part.isidentifier() for part in (*module.split("."), *attributes.split(".")))
    return bool(colon) and names_only and not keyword.iskeyword(module)


def named(text: str) -> Any:
    """What ``MODULE:CALLABLE`` names. ImportError, AttributeError: nothing."""
    module, _, attributes = text.partition(":")
    return functools.reduce(getattr, attributes.split("."), importlib.import_module(module))


def _found(text: str, defined: dict[str, Any]) -> Any:
    if is_name(text):
        return named(text)
    try:
        return eval(_code(text, "eval"), defined)
    except NameError as error:
        advice = "import or define it in the setup, or write MODULE:CALLABLE"
        raise NameError(f"{error} in {text!r}: {advice}") from None


def packed(subject: object) -> bytes:
    """Pickles what goes to a fresh process; with cloudpickle, where it is, also lambdas.

    Raises:
        TypeError: It cannot be pickled.
    """
    more = ""
    try:
        return pickle.dumps(subject)
    except UNPICKLABLE as first:
        error = first
    try:
        data: bytes = importlib.import_module("cloudpickle").dumps(subject)
        return data
    except ImportError:
        more = ", or install cloudpickle"
    except UNPICKLABLE as second:
        error = second
    raise TypeError(
        f"the call is made in a fresh process, which cannot get at it ({error}): define the "
        "function at the top level of a module, or give it as 'MODULE:CALLABLE' with "
        f"setup=...{more}"
    )
