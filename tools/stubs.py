"""python/hwsim/_native.pyi: the types of the native module, from what SWIG makes of the interface.

``swig -xmlout`` has the names and C types; what a typemap accepts or returns in Python is
its attribute ``pytype``:

``hwsim_event`` the name of a structure stands for how it crosses (structs.h)
``Buffer[T]``   an array of that C type
``$1``          the wrapped class that the argument refers to
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

from hwsim import stubs
from hwsim.stubs import Parameter, attributes, parameters
from tools import headers
from tools.headers import ROOT, Crossing
from tools.layout import WIDTH, brackets

HEAD = """\
# The native module that interface/hwsim.i makes; python/hwsim completes what begins with "_".
# Generated from it by `make generated`; not to be edited.
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

from hwsim._kinds import Access, EventKind, FaultKind, Waits
from hwsim.events import Event

_Class = TypeVar("_Class", bound=type)
_T = TypeVar("_T")
"""
# Of members, and of results whose typemap is SWIG's own.
TYPES = {
    "void": "None",
    "bool": "bool",
    "double": "float",
    "unsigned long": "int",
    "char[]": "str",
    "const char *": "str",
    "std::string": "str",
    "hwsim_event_kind": "EventKind",
    "hwsim_fault_kind": "FaultKind",
    "hwsim_access": "Access",
    "hwsim_waits": "Waits",
    **dict.fromkeys(["int32_t", "uint32_t", "int64_t", "uint64_t", "size_t"], "int"),
    **dict.fromkeys(["hwsim_clock", "hwsim_waveform", "hwsim_overrun"], "int"),
}
SPECIAL = {"SECONDS": "float", "EVENTS": "tuple[EventKind, ...]"}
BUFFERS = {
    "uint32_t": "npt.NDArray[np.uint32]",
    "double": "npt.NDArray[np.float64]",
    "uint8_t": "object",
}
# What interface/aio.h adds.
BY_HAND = '''
def operation(
    function: Callable[..., _T], /, *arguments: object, **options: object
) -> Coroutine[Any, Any, _T]:
    """The coroutine of function(*arguments, **options), whose last argument is ``cancel``."""
'''
SLOTS = {"mp_subscript": "__getitem__", "mp_ass_subscript": "__setitem__"}


def render() -> str:
    """Returns the stub's text."""
    return Stub(parse()).text()


def parse() -> ET.Element:
    """Runs SWIG on the interface, and returns its parse tree."""
    flags = ["-python", "-c++", "-builtin", "-interface", "_native"]
    flags += ["-Iinterface", "-Ihwsim/include"]
    return stubs.parse(Path("interface/hwsim.i"), flags, cwd=ROOT)


class Stub:
    """The stub, from SWIG's parse tree."""

    def __init__(self, tree: ET.Element) -> None:
        self.tree = tree
        self.classes = {
            attributes(node)["name"]: attributes(node)["sym_name"]
            for node in tree.iter("class")
            if attributes(node).get("name", "").startswith("hwsim::")
        }
        self.typemaps = stubs.Typemaps(tree, self.classes)
        self.crossings = {each.struct: each for each in headers.crossings()}
        self.signatures = self.find_signatures()

    def text(self) -> str:
        """Returns all of it."""
        parts = [HEAD, *(self.alias(each) for each in self.crossings.values())]
        for node in self.tree.iter("class"):
            if attributes(node).get("name") in self.classes:
                methods = list(self.functions(node, 4))
                head = attributes(node)["sym_name"]
                parts.append(f"\nclass {head}:\n" + "".join(methods))
        parts.append(BY_HAND)
        inside = {node for cls in self.tree.iter("class") for node in cls.iter("cdecl")}
        for node in self.tree.iter("cdecl"):
            if node not in inside and "wrap_name" in attributes(node):
                parts.append(self.function(node, 0))
        return "".join(parts)

    # -------------------------------------------------------------------- what SWIG has read

    def find_signatures(self) -> dict[str, str]:
        """Returns what %keyword_method says of its methods: their names and their parameters."""
        code = [attributes(node).get("code", "") for node in self.tree.iter("insert")]
        found = re.findall(r'"(\w+)\(\$self, ([^)]*)\)\\+n--', "".join(code))
        return dict(found)

    # -------------------------------------------------------------------------------- types

    def alias(self, crossing: Crossing) -> str:
        """Returns the definition of what a structure is in Python."""
        if crossing.struct == "hwsim_event":
            return ""
        types = headers.members(crossing.struct)
        pairs = [
            (name, SPECIAL[crossing.how] if name in crossing.special else TYPES[types[name]])
            for name in crossing.members
            if name not in crossing.special or crossing.how in SPECIAL
        ]
        if crossing.struct == "hwsim_config":
            fields = "".join(f"    {name}: {pytype}\n" for name, pytype in pairs)
            return f"\nclass _Config(TypedDict):\n{fields}\n"
        alias = self.python(crossing.struct)
        return brackets(f"{alias} = tuple[", [pytype for _, pytype in pairs], "]")

    def python(self, pytype: str, ctype: str = "") -> str:
        """Returns the Python type that a ``pytype`` means, for an argument of this C type."""
        if pytype.startswith("$1"):
            bare = re.sub(r"^[a-z]+\.|q\(const\)\.", "", ctype)
            return self.classes[bare] + pytype[2:]
        pytype = re.sub(r"Buffer\[(\w+)\]", lambda match: BUFFERS[match[1]], pytype)
        pytype = re.sub(r"\bClass\b", "_Class", pytype).replace("'", '"')
        pytype = pytype.replace("hwsim_event", "Event") if pytype.endswith("_event]") else pytype
        return re.sub(
            r"\bhwsim_(\w+)",
            lambda match: "_" + "".join(word.title() for word in match[1].split("_")),
            pytype,
        )

    def arguments(self, given: list[Parameter]) -> list[tuple[str, str, bool]]:
        """Returns the Python arguments for C++ parameters: name, type, whether there is a default.

        A typemap for several parameters, or for one of this name, comes before one for the type.
        """
        found = []
        while given:
            best = self.typemaps.best(given)
            if best is None:
                raise LookupError(f"no typemap with a pytype for {given[0]}")
            # The name is that of the pointer, if there is a size or a format with it.
            count = len(best.parameters)
            name = given[1 if count == 3 else 0].name
            found.append((name, self.python(best.pytype, given[0].type), given[0].has_default))
            given = given[count:]
        return found

    # ---------------------------------------------------------------------------- functions

    def functions(self, node: ET.Element, indent: int) -> Iterator[str]:
        """Yields the methods of a class, those in %extend as well."""
        for child in node.iter("constructor"):
            if "wrap_name" in attributes(child):
                yield self.method("__init__", child, "None", indent)
        known = attributes(node)
        slots = {known.get(f"feature_python_{slot}"): name for slot, name in SLOTS.items()}
        for child in node.iter("cdecl"):
            wrapper = attributes(child).get("wrap_name")
            if wrapper:
                yield self.function(child, indent)
                method = attributes(child)["sym_name"]
                for slot in {f"keyword_get_{method}", f"keyword_set_{method}"} & slots.keys():
                    yield self.method(slots[slot], child, self.result(child), indent)

    def function(self, node: ET.Element, indent: int) -> str:
        """Returns a function or method."""
        name = attributes(node)["sym_name"]
        if name.removeprefix("_") in self.signatures and not name.startswith("_"):
            return ""  # the form without options; the other one has the arguments of both
        found = self.method(name, node, self.result(node), indent)
        if name.removeprefix("_") in self.signatures:  # the wrapper itself, for aio
            found += self.method(name, node, self.result(node), indent, plain=True)
        return found

    def result(self, node: ET.Element) -> str:
        """Returns the Python type of what a function returns."""
        known = attributes(node)
        return self.python(known.get("tmap_out_pytype") or TYPES[known["type"]])

    def method(
        self, name: str, node: ET.Element, result: str, indent: int, *, plain: bool = False
    ) -> str:
        """Returns the definition of a function or method, with its docstring.

        ``plain``: as SWIG makes it, whatever %keyword_method says.
        """
        found = self.arguments(parameters(node.find("attributelist/parmlist")))
        listed = [f"{n}: {t}{' = ...' if default else ''}" for n, t, default in found]
        listed = [re.sub(r"(\| None) = \.\.\.", r"\1 = None", each) for each in listed]
        keywords = indent and not plain
        spelled = self.signatures.get(name.removeprefix("_")) if keywords else None
        own = [] if not indent else ["self"]
        if spelled is not None:
            types = iter(t for _, t, _ in found)
            name = name.removeprefix("_")
            listed = [
                word if word == "*" else re.sub(r"^(\w+)(?:=(.*))?$", self.annotate(types), word)
                for word in spelled.split(", ")
            ]
        elif listed:
            listed.append("/")
        doc = attributes(node).get("feature_docstring")
        definition = brackets(f"def {name}(", [*own, *listed], f") -> {result}:", indent)
        if not doc:
            one_line = brackets(f"def {name}(", [*own, *listed], f") -> {result}: ...", indent)
            return one_line
        text = f'{" " * (indent + 4)}"""{doc}"""\n'
        if len(text) > WIDTH + 1:
            raise ValueError(f"the docstring of {name} is too long")
        return definition + text

    @staticmethod
    def annotate(types: Iterator[str]) -> Callable[[re.Match[str]], str]:
        """Returns what puts the next type behind a parameter's name."""

        def replace(match: re.Match[str]) -> str:
            default = f" = {match[2]}" if match[2] else ""
            return f"{match[1]}: {next(types)}{default}"

        return replace
