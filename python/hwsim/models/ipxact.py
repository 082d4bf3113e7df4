"""IP-XACT (IEEE 1685), through peakrdl-ipxact: what that does not know is brought into its form."""

from __future__ import annotations

import ast
import operator
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

_OPERATORS: dict[type, Callable[..., int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: lambda a, b: _power(a, b),
    ast.LShift: lambda a, b: a << min(b, 64),
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.Invert: operator.invert,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS: dict[str, Callable[..., int]] = {  # of SystemVerilog, as far as they are whole
    "pow": lambda a, b: _power(a, b),
    "clog2": lambda a: (a - 1).bit_length() if a > 0 else 0,
    "floor": int,
    "ceil": int,
    "abs": abs,
    "min": min,
    "max": max,
}
_NUMBER = re.compile(r"\d*'[sS]?([hdboHDBO])([0-9a-fA-F_]+)")
_BASES = {"h": 16, "d": 10, "b": 2, "o": 8}
_LEFT_OUT = ("alternateRegister", "subspaceMap", "memoryRemap")  # where they stand
WHOLE = "VALUE"  # the field of a register without any, which SystemRDL does not allow


def importer(module: Any, compiler: Any, remarks: list[str]) -> Any:
    """Makes an importer that reads the form of 2022, expressions, registers without fields, too.

    Args:
        module: ``peakrdl_ipxact.importer``.
        compiler: Gets what it reads.
        remarks: Gets what is left out.
    """

    class Importer(module.IPXACTImporter):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__(compiler)
            self.msg = _Messages(remarks)

        @contextmanager
        def part(self, element: Any) -> Iterator[None]:
            """What is wrong within is left out, and the rest of the file is read."""
            names: list[str] = self.msg.names
            names.append(element.findtext(f"{self.ns}name", "?").strip())
            try:
                yield
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                self.msg.error(f"left out: {error or 'a value is none'}")
            finally:
                names.pop()

        def get_component(self, tree: Any) -> Any:
            if not tree.getroot().tag.startswith("{"):
                raise ValueError(f"no IP-XACT: its root, <{tree.getroot().tag}>, has no namespace")
            component = super().get_component(tree)
            ns: str = self.ns
            self.parameters = dict(_parameters(component, ns))
            self.component = self.get_sanitized_element_name(component)
            self.maps: list[str] = []
            for kind in _LEFT_OUT:
                for each in component.iter(ns + kind):
                    name = each.findtext(f"{ns}name", "").strip()
                    remarks.append(f"{name}: left out: a {kind}")
            for each in list(component.iter()):
                _hoist(each, ns, remarks)
            return component

        def get_sanitized_element_name(self, el: Any) -> Any:
            name = re.sub(r"\W", "_", el.findtext(f"{self.ns}name", "").strip())
            return f"_{name}" if name[:1].isdigit() else name or None

        def get_all_address_blocks(self, memory_map: Any, remap_state: Any) -> Any:
            """Those that are always there; a memoryRemap is left out, and is a remark."""
            blocks = memory_map.findall(f"{self.ns}addressBlock")
            for bank in memory_map.findall(f"{self.ns}bank"):
                with self.part(bank):
                    blocks += self.blocks_of_bank(bank)
            names: set[str] = set()
            for each in blocks:
                name = each.find(f"{self.ns}name")
                while name is not None and (name.text or "").strip() in names:
                    remarks.append(f"{name.text}: its name is there already")
                    name.text = f"{name.text}_"
                names.add("" if name is None else (name.text or "").strip())
            return blocks

        def blocks_of_bank(self, bank: Any) -> Iterator[Any]:
            """One after the other; a bank in parallel is interleaved, which nothing here is."""
            kinds = (bank.get("bankAlignment"), bank.get(f"{self.ns}bankAlignment"))
            if "serial" not in kinds or bank.find(f"{self.ns}bank") is not None:
                raise ValueError("a bank that is parallel, or has others in it")
            base = self.parse_integer(bank.findtext(f"{self.ns}baseAddress", ""))
            for block in bank.findall(f"{self.ns}addressBlock"):
                ET.SubElement(block, f"{self.ns}baseAddress").text = str(base)
                base += self.parse_integer(block.findtext(f"{self.ns}range", ""))
                yield block

        def register_root_component(self, definition: Any) -> None:
            super().register_root_component(definition)
            if definition.type_name.count("__") == self.component.count("__") + 1:
                self.maps.append(definition.type_name)

        def parse_integer(self, s: str) -> int:
            try:
                return int(super().parse_integer(s))
            except ValueError:
                return _evaluate(s, self.parameters, ())

        def parse_boolean(self, s: str) -> bool:
            try:
                return bool(super().parse_boolean(s))
            except ValueError:
                return self.parse_integer(s) != 0

        def import_memoryMap(self, memory_map: Any, *others: Any) -> None:  # noqa: N802
            with self.part(memory_map):
                super().import_memoryMap(memory_map, *others)

        def parse_addressBlock(self, block: Any, prefix: str) -> Any:  # noqa: N802
            with self.part(block):
                return super().parse_addressBlock(block, prefix)
            return None

        def parse_registerFile(self, file: Any) -> Any:  # noqa: N802
            with self.part(file):
                self.stride = file.findtext(f"{self.ns}stride")
                return super().parse_registerFile(file)
            return None

        def parse_register(self, register: Any) -> Any:
            with self.part(register):
                self.stride = register.findtext(f"{self.ns}stride")
                if not any(map(self.counts, register.iterfind(f"{self.ns}field"))):
                    _add_whole(register, self.ns)
                found = super().parse_register(register)
                size = self.parse_integer(register.findtext(f"{self.ns}size", ""))
                if size < 8 or size & (size - 1):
                    bits = max(8, 1 << size.bit_length())
                    self.msg.error(f"has {bits} bits instead of {size}")
                return found
            return None

        def counts(self, field: Any) -> bool:
            reserved = field.findtext(f"{self.ns}reserved")
            return not reserved or not self.parse_boolean(reserved)

        def parse_field(self, name: str, field: Any, *inherited: Any) -> Any:
            with self.part(field):
                width = self.parse_integer(field.findtext(f"{self.ns}bitWidth", ""))
                for values in field.findall(f"{self.ns}enumeratedValues"):
                    self.drop_names(values, width)
                found = super().parse_field(name, field, *inherited)
                said = field.find(f"{self.ns}writeValueConstraint")
                if found is not None and said is not None:
                    found.original_def = self.create_field_definition()  # which copies keep
                    found.original_def.hwsim_allowed = self.allowed(said, width)  # see rdl.py
                return found
            return None

        def allowed(self, said: Any, width: int) -> Any:
            """What may be written, as rdl.py has it; None: nothing."""
            for tag, allowed in (("useEnumeratedValues", "enumerated"), ("writeAsRead", None)):
                if said.findtext(self.ns + tag, "").strip() in ("true", "1"):
                    return allowed
            limits = (said.findtext(self.ns + tag, "") for tag in ("minimum", "maximum"))
            lowest, highest = (self.parse_integer(text) if text else None for text in limits)
            return lowest or 0, (1 << width) - 1 if highest is None else highest

        def drop_names(self, values: Any, width: int) -> None:
            """Names of values are no reason to leave out a field."""
            names, numbers = set(), set()
            for each in values.findall(f"{self.ns}enumeratedValue"):
                name, text = (each.findtext(self.ns + tag, "?") for tag in ("name", "value"))
                try:
                    number = self.parse_integer(text)
                except ValueError:
                    number = -1
                if name in names or number in numbers or not 0 <= number < 1 << width:
                    self.msg.error(f"its value {name} = {text} is left out")
                    values.remove(each)
                names.add(name)
                numbers.add(number)

        def instantiate_reg(self, *what: Any) -> Any:
            return super().instantiate_reg(*self.spread(*what))

        def instantiate_regfile(self, *what: Any) -> Any:
            return super().instantiate_regfile(*self.spread(*what))

        def spread(
            self, comp: Any, name: str, offset: int, dims: Any = None, stride: Any = None
        ) -> tuple[Any, ...]:
            """An array, with the stride that it has since 2022."""
            if dims and self.stride:
                stride = self.AU_to_bytes(self.parse_integer(self.stride))
            return comp, name, offset, dims, stride

    return Importer()


class _Messages:
    """What the importer says of an element is a remark on that."""

    def __init__(self, remarks: list[str]) -> None:
        self.remarks = remarks
        self.names: list[str] = []

    def error(self, text: str, src_ref: object = None) -> None:
        self.remarks.append(f"{'.'.join(self.names)}: {text}")

    warning = error

    def fatal(self, text: str, src_ref: object = None) -> NoReturn:
        raise ValueError(text)


def _parameters(component: ET.Element, ns: str) -> Iterator[tuple[str, str]]:
    """Their values, by how expressions name them."""
    for each in component.iter(f"{ns}parameter"):
        text = each.findtext(f"{ns}value", "").strip()
        for name in (each.get("parameterId"), each.findtext(f"{ns}name")):
            if name:
                yield name.strip(), text


def _hoist(element: ET.Element, ns: str, remarks: list[str]) -> None:
    """What stands in a policy, or in an array, since 2022 stood in the element itself."""
    for group in ("accessPolicies", "fieldAccessPolicies"):
        policies = sorted(element.findall(f"{ns}{group}/*"), key=lambda one: _has_mode(one, ns))
        element.extend(child for policy in policies[:1] for child in policy)
        if len(policies) > 1:
            remarks.append(f"{element.findtext(f'{ns}name', '')}: what other modes may is left out")
    element.extend(element.findall(f"{ns}array/*"))
    for resets in element.findall(f"{ns}resets"):
        several = sorted(resets, key=lambda one: one.get("resetTypeRef") is not None)
        resets[:] = several[:1]  # that of the power
        if several[1:]:
            remarks.append(f"{element.findtext(f'{ns}name', '')}: has one kind of reset here")
    for dim in element.findall(f"{ns}dim"):
        if (dim.text or "").strip() == "0":  # what Kactus2 writes for none
            element.remove(dim)


def _has_mode(policy: ET.Element, ns: str) -> bool:
    return policy.find(f"{ns}modeRef") is not None


def _add_whole(register: ET.Element, ns: str) -> None:
    field = ET.SubElement(register, f"{ns}field")
    for tag, text in (
        ("name", WHOLE),
        ("bitOffset", "0"),
        ("bitWidth", register.findtext(f"{ns}size", "")),
    ):
        ET.SubElement(field, ns + tag).text = text


def _power(base: int, exponent: int) -> int:
    if not 0 <= exponent <= 64:
        raise ValueError
    return int(base**exponent)


def _evaluate(text: str, parameters: dict[str, str], above: tuple[str, ...]) -> int:
    """The value of an expression of numbers and parameters, as SystemVerilog has them."""
    plain = _NUMBER.sub(lambda one: str(int(one[2], _BASES[one[1].lower()])), text.strip())
    plain = re.sub(r"\$(\w+\s*\()", r"\1", plain)

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return node.value
        if isinstance(node, ast.Name) and node.id in parameters and node.id not in above:
            return _evaluate(parameters[node.id], parameters, (*above, node.id))
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.operand))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return _FUNCTIONS[node.func.id](*map(value, node.args))
        raise ValueError

    try:
        return value(ast.parse(plain, mode="eval").body)
    except (ArithmeticError, LookupError, RecursionError, SyntaxError, TypeError, ValueError):
        raise ValueError(f"{text!r} is no number, and no expression of known parameters") from None
