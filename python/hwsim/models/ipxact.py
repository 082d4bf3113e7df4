"""IP-XACT (IEEE 1685), through peakrdl-ipxact: what that does not know is brought into its form."""

from __future__ import annotations

import ast
import operator
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import Any

_OPERATORS: dict[type, Callable[..., int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.Mod: operator.mod,
    ast.LShift: lambda a, b: a << min(b, 64),
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.Invert: operator.invert,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_NUMBER = re.compile(r"\d*'[sS]?([hdboHDBO])([0-9a-fA-F_]+)")
_BASES = {"h": 16, "d": 10, "b": 2, "o": 8}
_LEFT_OUT = ("alternateRegister", "bank", "subspaceMap", "memoryRemap")  # where they stand
WHOLE = "VALUE"  # the field of a register without any, which SystemRDL does not allow


def importer(module: Any, compiler: Any, remarks: list[str]) -> Any:
    """Makes an importer that reads the form of 2022, expressions, registers without fields, too.

    Args:
        module: ``peakrdl_ipxact.importer``.
        compiler: Gets what it reads.
        remarks: Gets what is left out.
    """

    class Importer(module.IPXACTImporter):  # type: ignore[misc, name-defined, unused-ignore]
        def get_component(self, tree: Any) -> Any:
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
            for each in component.iter(ns + "register"):
                if each.find(f"{ns}field") is None:
                    _add_whole(each, ns)
            return component

        def register_root_component(self, definition: Any) -> None:
            super().register_root_component(definition)
            if definition.type_name.count("__") == self.component.count("__") + 1:
                self.maps.append(definition.type_name)

        def parse_integer(self, s: str) -> int:
            try:
                return int(super().parse_integer(s))
            except ValueError:
                return _evaluate(s, self.parameters, ())

        def parse_register(self, register: Any) -> Any:
            self.stride = register.findtext(f"{self.ns}stride")
            return super().parse_register(register)

        def parse_field(self, name: str, field: Any, *inherited: Any) -> Any:
            found = super().parse_field(name, field, *inherited)
            said = field.find(f"{self.ns}writeValueConstraint")
            if found is not None and said is not None:
                limits = {
                    tag: said.findtext(self.ns + tag, "").strip()
                    for tag in ("minimum", "maximum", "useEnumeratedValues", "writeAsRead")
                }
                found.original_def = self.create_field_definition()  # it stays when copies are made
                found.original_def.hwsim_allowed = tuple(  # which rdl.py asks for
                    self.parse_integer(limits[tag]) if limits[tag] else default
                    for tag, default in (("minimum", 0), ("maximum", (1 << found.width) - 1))
                )
                for tag, allowed in (("useEnumeratedValues", "enumerated"), ("writeAsRead", None)):
                    if limits[tag] in ("true", "1"):
                        found.original_def.hwsim_allowed = allowed
            return found

        def instantiate_reg(
            self, comp: Any, name: str, offset: int, dims: Any = None, stride: Any = None
        ) -> Any:
            if dims and self.stride:
                stride = self.AU_to_bytes(self.parse_integer(self.stride))
            return super().instantiate_reg(comp, name, offset, dims, stride)

    return Importer(compiler)


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
    element.extend(element.find(f"{ns}array") or ())
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


def _evaluate(text: str, parameters: dict[str, str], above: tuple[str, ...]) -> int:
    """The value of an expression of numbers and parameters, as SystemVerilog has them."""
    plain = _NUMBER.sub(lambda one: str(int(one[2], _BASES[one[1].lower()])), text.strip())

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return node.value
        if isinstance(node, ast.Name) and node.id in parameters and node.id not in above:
            return _evaluate(parameters[node.id], parameters, (*above, node.id))
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.operand))
        raise ValueError

    try:
        return value(ast.parse(plain, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        raise ValueError(f"{text!r} is no number, and no expression of known parameters") from None
