"""python/hwsim/aio/calls.py: the asynchronous form of the public classes, from their sources.

A method that takes ``cancel`` waits: it becomes a coroutine. The rest is called as there. Names,
signatures and docstrings stay.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from tools.headers import ROOT
from tools.layout import WIDTH, brackets

PACKAGE = ROOT / "python/hwsim"
HEAD = '''"""A device, its streams and its subscriptions, whose operations are awaited.

Generated from device.py, stream.py, subscription.py and registers.py by ``make generated``; not to
be edited.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import _native, device, registers, signals, stream, subscription
from hwsim.aio.forms import Blocks, Events, Opened, blocking_of, coroutine_function, on_loop
from hwsim.calibration import Calibration
from hwsim.cancel import CancelToken
from hwsim.device import FaultKind, Progress
from hwsim.events import Event, EventKind, Overflow
from hwsim.models import Map, Model
from hwsim.signals import Connection, Signal, Waveform
from hwsim.stream import Block, OverrunPolicy, SampleArray, SampleType, Span, Status
from hwsim.subscription import OnError, SubscriptionStatus
'''
REGISTER = '''
    @property
    def fields(self) -> Mapping[str, Field]:
        """Its fields by name, from the lowest bit on."""
        return {name: Field(self, found.info) for name, found in super().fields.items()}

    def __getattr__(self, name: str) -> Field:
        return Field(self, super().__getattr__(name).info)
'''
FIELD = """
    @property
    def _blocking(self) -> registers.Field:
        found = registers.Register(self.register._device, self.register._info)
        return registers.Field(found, self.info)
"""
REGISTERS = '''

class Registers(registers.Registers):
    """The registers of a device by name, in the order of their addresses."""

    def __getitem__(self, name: str) -> Register:
        return Register(self._device, super().__getitem__(name)._info)

    def __getattr__(self, name: str) -> Any:  # a Register, or Registers
        found = super().__getattr__(name)
        if isinstance(found, registers.Register):
            return Register(self._device, found._info)
        return Registers(self._device, found._map, found._prefix)
'''
REGISTERS_OF_DEVICE = '''
    @property
    def registers(self) -> Registers:
        """The registers by name: ``await device.registers["CONTROL"].read()``."""
        return Registers(self.blocking, self.blocking.map)

    def __getitem__(self, address: int) -> Coroutine[Any, Any, int]:
        """Reads the register at this address."""
        return self.read_register(address)
'''


STREAM = """A running acquisition; made by :meth:`hwsim.aio.Device.stream`.

    ``async for`` yields blocks until the stream ends; ``async with`` stops it at the end.
    """
SUBSCRIPTION = """A subscriber's queue of events; made by :meth:`hwsim.aio.Device.events`.

    ``async for`` yields events until it is closed; ``async with`` closes it at the end.
    """
DEVICE = """A simulated instrument, as :class:`hwsim.Device`, whose operations are awaited.

    Made by :func:`hwsim.aio.open`, or of a device that is open: threads may use that at the same
    time. Whatever ends the wait for an operation, such as ``asyncio.timeout``, has taken it off the
    bus, without effect, before CancelledError is raised; where it was too late for that, the
    operation returns its result, and the task is cancelled in its next await. What does not wait is
    called as there. Callbacks are called on the thread of the loop.

    Attributes:
        blocking: The device, for other threads.
    """


class Source(NamedTuple):
    """A class of the package.

    Attributes:
        module: Where it is.
        name: What it is called.
        base: What its asynchronous form has besides.
        doc: The docstring of that.
        attributes: Those that are no properties, with their types.
    """

    module: str
    name: str
    base: str
    doc: str
    attributes: dict[str, str]


SOURCES = (
    Source(
        "stream",
        "Stream",
        "Blocks",
        STREAM,
        {
            "rate_hz": "float",
            "channels": "tuple[int, ...]",
            "block": "int",
            "dtype": "np.dtype[Any]",
            "first_index": "int",
            "volts_per_code": "npt.NDArray[np.float64]",
        },
    ),
    Source(
        "subscription",
        "Subscription",
        "Events",
        SUBSCRIPTION,
        {"kinds": "frozenset[EventKind]"},
    ),
    Source(
        "device",
        "Device",
        "Opened",
        DEVICE,
        {"uri": "str"},
    ),
)
# Results that have an asynchronous form, which wraps them.
WRAPPED = {"Stream", "Subscription"}
# What a user's function, and another device, are passed on as.
PASSED = {"callback": "on_loop(callback)", "to": "blocking_of(to)"}
# Methods of the native classes that wait, whose parameters hot.i names ...
NATIVE = {"read_register": "int", "write_register": "None"}
# ... and those that do not.
QUICK = {
    "Device": (
        "cancel",
        "advance",
        "clear_faults",
        "clear_threshold",
        "clear_calibration",
        "disconnect",
    ),
    "Stream": ("stop",),
    "Subscription": (),
}
ANNOTATIONS = {
    "address": "int",
    "value": "int",
    "timeout": "float | None",
    "cancel": "CancelToken | None",
}


class Method(NamedTuple):
    """A method, as it is written."""

    name: str
    parameters: list[str]  # without self, as in the source
    names: list[tuple[str, bool]]  # and whether they are given by name alone
    result: str
    doc: str


def render() -> str:
    """Returns the module's text."""
    classes = [text for source in SOURCES[:2] for text in rendered(source)]
    field = part("Field", "A field that is awaited.", FIELD, "self._blocking")
    register = part("Register", "A register that is awaited.", REGISTER, "self")
    return "".join([HEAD, *classes, field, register, REGISTERS, *rendered(SOURCES[2])])


def class_body(text: str, name: str) -> tuple[list[ast.stmt], str]:
    """Returns what is in a class, and its docstring."""
    tree = ast.parse(text)
    found = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    return found.body, ast.get_docstring(found) or ""


def rendered(source: Source) -> Iterator[str]:
    """Yields the parts of a class."""
    text = (PACKAGE / f"{source.module}.py").read_text(encoding="utf-8")
    body, doc = class_body(text, source.name)
    blocking = f"{source.module}.{source.name}"
    yield f'\n\nclass {source.name}({source.base}):\n    """{source.doc}"""\n'
    yield '\n    __slots__ = ("__weakref__", "blocking")\n'
    yield f"    blocking: {blocking}\n"
    yield f"\n    def __init__(self, blocking: {blocking}) -> None:\n"
    yield f"        if not isinstance(blocking, {blocking}):\n"
    refusal = f"blocking must be a hwsim.{source.name}, got {{blocking!r}}"
    yield f'            raise TypeError(f"{refusal}")\n'
    yield "        self.blocking = blocking\n"
    for name, annotation in source.attributes.items():
        found = re.search(
            rf"^    {name}: (.*(?:\n      +.*)*)", doc.partition("Attributes:")[2], re.M
        )
        if found is None:
            raise LookupError(f"the docstring of {source.name} says nothing of {name}")
        said = re.sub(r"\s+", " ", found[1])
        yield f"\n    @property\n    def {name}(self) -> {annotation}:\n"
        yield f'        """{said}"""\n        return self.blocking.{name}\n'
    for name in QUICK[source.name]:
        yield quick(source.name, name)
    if source.name == "Device":
        yield REGISTERS_OF_DEVICE
        for name, result in NATIVE.items():
            yield native(name, result)
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield member(node, text, blocking)


def member(node: ast.FunctionDef, text: str, blocking: str) -> str:
    """Returns a method or property."""
    method = parsed(node, text)
    decorators = [ast.unparse(each) for each in node.decorator_list]
    if decorators and decorators[0].endswith("property"):
        body = f"        return self.blocking.{node.name}\n"
        return f"\n    @property\n{definition(method)}{method.doc}{body}"
    if decorators:
        value = method.names[0][0]
        body = f"        self.blocking.{node.name} = {value}\n"
        return f"\n    @{decorators[0]}\n{definition(method)}{body}"
    if any(name == "cancel" for name, _ in method.names):
        given = [f"{blocking}.{node.name}", "self.blocking", *arguments(method)]
        return coroutine(method, passed_on(node, blocking) or given)
    call = f"self.blocking.{node.name}("
    if method.result in WRAPPED:
        inner = brackets(call, arguments(method), ")", 12)
        body = f"        return {method.result}(\n{inner}        )\n"
        one_line = f"        return {method.result}({inner.strip()})\n"
        body = one_line if inner.count("\n") == 1 and len(one_line) <= WIDTH + 1 else body
    else:
        body = brackets(f"return {call}", arguments(method), ")", 8)
    return f"\n{definition(method)}{method.doc}{body}"


def passed_on(node: ast.FunctionDef, blocking: str) -> list[str]:
    """Returns the native method that all of a method consists in, and its arguments; or nothing.

    Then no frame of Python is needed for it, neither to submit the operation nor for its result.
    """
    last = ast.unparse(node.body[-1])
    call = re.fullmatch(r"(return )?self\.(_\w+)\((\w+(, \w+)*, cancel)\)", last)
    if call is None or len(node.body) > 2:
        return []
    owner = blocking.rpartition(".")[2]
    function, _ = in_stub(owner, call[2])
    if not call[1] and ast.unparse(function.returns or node) != "None":
        return []
    return [f"_native.{owner}.{call[2]}", "self.blocking", *call[3].split(", ")]


def parsed(node: ast.FunctionDef, text: str) -> Method:
    """Returns what the source says of a function."""

    def spelled(arg: ast.arg, default: ast.expr | None) -> str:
        annotation = ast.get_source_segment(text, arg.annotation) if arg.annotation else "Any"
        equals = f" = {ast.get_source_segment(text, default)}" if default else ""
        return f"{arg.arg}: {annotation}{equals}"

    given = node.args.args[1:]
    defaults = [None] * (len(given) - len(node.args.defaults)) + list(node.args.defaults)
    parameters = [spelled(a, d) for a, d in zip(given, defaults, strict=True)]
    if node.args.kwonlyargs:
        parameters.append("*")
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    parameters += [spelled(a, d) for a, d in pairs]
    names = [(a.arg, False) for a in given] + [(a.arg, True) for a in node.args.kwonlyargs]
    result = ast.get_source_segment(text, node.returns) if node.returns else None
    doc = ast.get_docstring(node, clean=False)
    return Method(
        node.name, parameters, names, result or "None", f'        """{doc}"""\n' if doc else ""
    )


def definition(method: Method, result: str | None = None) -> str:
    """Returns the line, or lines, that begin with ``def``."""
    head = f"def {method.name}("
    return brackets(head, ["self", *method.parameters], f") -> {result or method.result}:", 4)


def arguments(method: Method) -> list[str]:
    """Returns the arguments that pass the parameters on."""
    return [
        f"{name}={PASSED.get(name, name)}" if by_name else PASSED.get(name, name)
        for name, by_name in method.names
    ]


def coroutine(method: Method, given: list[str]) -> str:
    """Returns a method that waits."""
    head = definition(method, f"Coroutine[Any, Any, {method.result}]")
    body = brackets("return _native.operation(", given, ")", 8)
    return f"\n    @coroutine_function\n{head}{method.doc}{body}"


def native(name: str, result: str) -> str:
    """Returns a method that the native class has, as hot.i says."""
    hot = (ROOT / "interface/hot.i").read_text(encoding="utf-8")
    found = re.search(rf'"{name}\(\$self, ([^)]*)\)\\n--\\n\\n"(.*?)"\)', hot, re.S)
    if found is None:
        raise LookupError(f"hot.i has no {name}")
    lines = re.findall(r'"([^"]*)"', found[2] + '"')
    text = (
        "".join(lines).replace("\\n", "\n").replace(" Blocks; may be called from any thread.", "")
    )
    doc = "\n".join(f"        {line}".rstrip() for line in text.strip().split("\n"))
    parameters, names, by_name = [], [], False
    for word in found[1].split(", "):
        bare, _, default = word.partition("=")
        by_name = by_name or bare == "*"
        if bare == "*":
            parameters.append("*")
            continue
        parameters.append(f"{bare}: {ANNOTATIONS[bare]}" + (f" = {default}" if default else ""))
        names.append((bare, by_name))
    several = "\n" in text.strip()
    ending = '\n        """\n' if several else '"""\n'
    method = Method(name, parameters, names, result, f'        """{doc.strip()}{ending}')
    given = [f"_native.Device._{name}", "self.blocking", *(each for each, _ in names)]
    return coroutine(method, given)


def in_stub(owner: str, name: str) -> tuple[ast.FunctionDef, str]:
    """Returns a method of a native class, and the text that it is in."""
    text = (PACKAGE / "_native.pyi").read_text(encoding="utf-8")
    body, _ = class_body(text, owner)
    return next(n for n in body if isinstance(n, ast.FunctionDef) and n.name == name), text


def quick(owner: str, name: str) -> str:
    """Returns a method that the native class has, as the stub says."""
    node, text = in_stub(owner, name)
    node.args.args, node.args.posonlyargs = node.args.posonlyargs + node.args.args, []
    method = parsed(node, text)
    body = brackets(f"self.blocking.{name}(", arguments(method), ")", 8)
    return f"\n{definition(method)}{method.doc}{body}"


def part(name: str, doc: str, extra: str, blocking: str) -> str:
    """Returns the form of a register, or a field, which has the attributes of the blocking one."""
    text = (PACKAGE / "registers.py").read_text(encoding="utf-8")
    body, _ = class_body(text, name)
    parts = [f'\n\nclass {name}(registers.{name}):\n    """{doc}"""\n\n    __slots__ = ()\n', extra]
    for node in body:
        if isinstance(node, ast.FunctionDef) and any(
            a.arg == "cancel" for a in node.args.kwonlyargs
        ):
            method = parsed(node, text)
            made = coroutine(
                method, [f"registers.{name}.{node.name}", blocking, *arguments(method)]
            )
            parts.append(
                re.sub(r"^    def .*", r"\g<0>  # type: ignore[override]", made, flags=re.M)
            )
    return "".join(parts)
