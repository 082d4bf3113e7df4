"""Models as YAML documents: reading, by a JSON schema, and writing."""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Sequence
from itertools import chain, count
from typing import TYPE_CHECKING, Any, NamedTuple

from hwsim._kinds import Access
from hwsim.errors import InvalidArgument
from hwsim.models.maps import (
    ConditionInfo,
    EnumValue,
    FieldInfo,
    FifoInfo,
    Map,
    MemoryInfo,
    OutputInfo,
    RegisterInfo,
    RuleInfo,
    constraint_of,
)
from hwsim.models.overlaps import placed

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1


def schema() -> dict[str, Any]:
    """Returns the JSON schema of the documents, for editors and other tools."""
    import json  # noqa: PLC0415 - for documents only
    from importlib.resources import files  # noqa: PLC0415

    text = files("hwsim.models").joinpath("model.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"for YAML, {error.name} is needed: pip install hwsim[models]") from None


def read(path: Path, part: str = "") -> Map:
    """Reads a document.

    Raises:
        ImportError: ``hwsim[models]`` is not installed.
        InvalidArgument: It does not follow the schema; the error says where.
    """
    yaml, jsonschema = _module("yaml"), _module("jsonschema")
    if part:
        raise InvalidArgument(f"{path} is a single model, it has no part {part!r}")
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader(yaml))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{path}: no YAML: {error}") from None
    validator = jsonschema.Draft202012Validator(schema())
    wrong = jsonschema.exceptions.best_match(validator.iter_errors(document))
    if wrong is not None:
        where = ".".join(str(step) for step in wrong.absolute_path) or "the document"
        raise InvalidArgument(f"{path}: {where}: {wrong.message}")
    return _map(document)


def _loader(yaml: Any) -> Any:
    """Returns what loads plain data after YAML 1.2: ``on``, ``off``, ``yes``, ``no`` are text."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc, unused-ignore]
        pass

    boolean = "tag:yaml.org,2002:bool"
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != boolean]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    words = re.compile("true|True|TRUE|false|False|FALSE")
    Loader.add_implicit_resolver(boolean, words, list("tTfF"))
    return Loader


def _map(document: dict[str, Any]) -> Map:
    byte_order = document.get("byte_order", "little")
    registers = [_register(name, said) for name, said in document.get("registers", {}).items()]
    memories = [
        MemoryInfo(
            name,
            said["address"],
            said["words"],
            said.get("bits", 32),
            said.get("access", "RW"),
            said.get("description", ""),
        )
        for name, said in document.get("memories", {}).items()
    ]
    outputs = [
        OutputInfo(name, said["source"], said.get("code", "signed"), said.get("range", 0.0))
        for name, said in document.get("outputs", {}).items()
    ]
    return Map(
        document["name"],
        placed(registers, byte_order),
        memories,
        fifos=[FifoInfo(name, **said) for name, said in document.get("fifos", {}).items()],
        rules=[_rule(said) for said in document.get("rules", ())],
        outputs=outputs,
        description=document.get("description", ""),
        channels=document.get("channels", 1),
        byte_order=byte_order,
    )


def _rule(said: dict[str, Any]) -> RuleInfo:
    conditions = tuple(ConditionInfo(**each) for each in said.get("conditions", ()))
    return RuleInfo(**{**said, "conditions": conditions})


def _register(name: str, said: dict[str, Any]) -> RegisterInfo:
    bits = said.get("bits", 32)
    access: Access = said.get("access", "RW")
    fields = tuple(
        _field(name, each, text, access) for each, text in said.get("fields", {}).items()
    )
    everything = 0 if fields or access in ("RO", "RC") else (1 << bits) - 1
    reset = said.get("reset", 0)
    for field, text in zip(fields, said.get("fields", {}).values(), strict=True):
        if "reset" in text:
            reset = reset & ~field.mask | text["reset"] << field.lsb
    return RegisterInfo(
        name,
        said["address"],
        bits,
        access,
        reset,
        said.get("writable", everything),
        said.get("description", ""),
        fields,
        view=said.get("view", False),
        role=said.get("role", ""),
        alias=said.get("alias"),
    )


def _field(register: str, name: str, said: dict[str, Any], default: Access) -> FieldInfo:
    bits = str(said["bits"])
    high, _, low = bits.partition("..")
    lsb, msb = int(low or high), int(high)
    access = said.get("access", default if default in ("RW", "RO", "WO") else "RW")
    return FieldInfo(
        name,
        lsb,
        msb - lsb + 1,
        access in ("RW", "RO"),
        access in ("RW", "WO"),
        said.get("onread", ""),
        said.get("onwrite", ""),
        said.get("pulse", False),
        said.get("once", False),
        said.get("description", ""),
        tuple(_value(text, value) for text, value in said.get("values", {}).items()),
        said.get("view", False),
        *constraint_of(said.get("allowed", "")),
    )


def _value(name: str, said: int | dict[str, Any]) -> EnumValue:
    if isinstance(said, dict):
        return EnumValue(name, said["value"], said.get("description", ""))
    return EnumValue(name, said)


# ------------------------------------------------------------------------------------ writing


def _warn_of_code(form: str, model: Map) -> None:
    """What calls Python code has no other form."""
    names = [one.on for one in model.behaviours]
    if names:
        more = f" and of {len(names) - 1} more registers" if names[1:] else ""
        said = f"{form} has no form for the behaviour of {names[0]}{more}"
        warnings.warn(f"{said}, a method of {model.model.__name__}", UserWarning, stacklevel=3)


def yaml_of(model: Map) -> str:
    """Returns the map as a YAML document, which :func:`hwsim.models.load` reads again.

    Behaviours are Python code, and are not in it, which is a warning.
    """
    _warn_of_code("YAML", model)
    document: dict[str, Any] = {"hwsim": FORMAT, "name": model.name}
    if model.description:
        document["description"] = model.description
    if model.channels != 1:
        document["channels"] = model.channels
    if model.byte_order != "little":
        document["byte_order"] = model.byte_order
    if model.registers:
        document["registers"] = {one.name: _said_register(one) for one in model.registers.values()}
    if model.memories:
        document["memories"] = {
            one.name: _without_defaults(
                {
                    "address": one.address,
                    "words": one.words,
                    "bits": one.bits,
                    "access": one.access,
                    "description": one.description,
                },
                {"bits": 32, "access": "RW", "description": ""},
            )
            for one in model.memories.values()
        }
    if model.fifos:
        document["fifos"] = {one.name: _members(one, "name") for one in model.fifos}
    if model.rules:
        document["rules"] = [_members(one) for one in model.rules]
    if model.outputs:
        document["outputs"] = {
            one.name: _without_defaults(
                {"source": one.source, "code": one.code, "range": one.range},
                {"code": "signed", "range": 0.0},
            )
            for one in model.outputs
        }
    yaml = _module("yaml")

    class Dumper(yaml.SafeDumper):  # type: ignore[misc, name-defined, unused-ignore]
        pass

    Dumper.add_representer(
        _Hex, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:int", hex(value))
    )
    text: str = yaml.dump(document, Dumper=Dumper, sort_keys=False, width=100, allow_unicode=True)
    return text


class _Hex(int):
    pass


def _without_defaults(said: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    hexadecimal = ("address", "alias", "reset", "writable")
    return {
        key: _Hex(value) if key in hexadecimal else value
        for key, value in said.items()
        if key not in defaults or value != defaults[key]
    }


def _members(one: FifoInfo | RuleInfo | ConditionInfo, but: str = "") -> dict[str, Any]:
    said = _without_defaults(one._asdict(), one._field_defaults)
    if "conditions" in said:
        said["conditions"] = [_members(each) for each in said["conditions"]]
    return {name: value for name, value in said.items() if name != but}


def _said_register(one: RegisterInfo) -> dict[str, Any]:
    readable_only = one.access in ("RO", "RC")
    everything = 0 if one.fields or readable_only else (1 << one.bits) - 1
    said = _without_defaults(
        {
            "address": one.address,
            "bits": one.bits,
            "access": one.access,
            "reset": one.reset_value,
            "writable": one.writable,
            "description": one.description,
            "role": one.role,
            "view": one.view,
            "alias": one.alias,
        },
        {
            "bits": 32,
            "access": "RW",
            "reset": 0,
            "writable": everything,
            "description": "",
            "role": "",
            "view": False,
            "alias": None,
        },
    )
    if one.fields:
        said["fields"] = {field.name: _said_field(field, one.access) for field in one.fields}
    return said


def _said_field(one: FieldInfo, default: str) -> dict[str, Any]:
    high = one.lsb + one.width - 1
    access = {(1, 1): "RW", (1, 0): "RO", (0, 1): "WO", (0, 0): "NA"}
    said = {
        "bits": one.lsb if one.width == 1 else f"{high}..{one.lsb}",
        "access": access[one.readable, one.writable],
        "onread": one.onread,
        "onwrite": one.onwrite,
        "pulse": one.pulse,
        "once": one.once,
        "description": one.description,
        "values": {
            each.name: {"value": each.value, "description": each.description}
            if each.description
            else each.value
            for each in one.enum
        },
        "view": one.view,
        "allowed": [one.lowest, one.highest] if one.constraint == "range" else one.constraint,
    }
    defaults = {
        "access": default if default in ("RW", "RO", "WO") else "RW",
        "onread": "",
        "onwrite": "",
        "pulse": False,
        "once": False,
        "description": "",
        "values": {},
        "view": False,
        "allowed": "",
    }
    return _without_defaults(said, defaults)


class Table(NamedTuple):
    """A part of a model that is not its registers, as text."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(model: Map) -> list[Table]:
    """What a model has beside registers and memories: roles, outputs, FIFOs, rules, behaviours."""
    roles = [(one.name, one.role) for one in model.registers.values() if one.role]
    outputs = [
        (str(number), one.name, one.source, one.code, f"{one.range:g} V" if one.range else "")
        for number, one in enumerate(model.outputs)
    ]
    fifos = [(one.name, str(one.depth), _said_fifo(one)) for one in model.fifos]
    rules = [(str(number), *_said_rule(one)) for number, one in enumerate(model.rules)]
    calls = [(one.on, one.read or "", one.write or "") for one in model.behaviours]
    found = [
        Table("Roles", ("register", "role"), roles),
        Table("Outputs", ("number", "output", "of", "code", "range"), outputs),
        Table("FIFOs", ("FIFO", "depth", "where it shows"), fifos),
        Table("Rules", ("rule", "when", "what it does"), rules),
        Table("Behaviours", ("behaviour of", "when read", "when written"), calls),
    ]
    return [one for one in found if one.rows]


def _said_fifo(one: FifoInfo) -> str:
    uses = " and ".join(["popped by reads"] * one.pops + ["pushed by writes"] * one.pushes)
    data = f"{one.data} {uses}".strip() if one.data else ""
    names = ("level", "empty", "full", "overflow", "underflow")
    flags = (f"{name} {getattr(one, name)}" for name in names if getattr(one, name))
    return ", ".join(filter(None, (data, *flags)))


def _said_rule(one: RuleInfo) -> tuple[str, str]:
    """When it acts, and what it does."""
    on = {
        "written": f"{one.on} is written",
        "read": f"{one.on} is read",
        "changed": f"{one.on} changes",
        "every": f"every {one.delay:g} s",
        "started": "at the start",
    }[one.when]
    when = ", ".join([on, *map(_said_condition, one.conditions)])
    jitter = f" +- {one.jitter:g} s" if one.jitter else ""
    later = f", after {one.delay:g} s" if one.delay and one.when != "every" else ""
    value = one.source or ("what is written" if one.written else str(one.value))
    into = one.target or one.fifo or ""
    does = {
        "set": f"{one.target} = {value}",
        "copy": f"{one.target} = {value}",
        "add": f"{one.target} += {value}",
        "convert": f"{into} = a sample of channel {one.channel}, {one.code}",
        "push": f"{value} goes into {one.fifo}",
        "pop": f"the oldest value leaves {one.fifo}" + (f" for {one.target}" if one.target else ""),
        "event": f"an event, {value}",
    }[one.then]
    return when + later + jitter, does


def _said_condition(one: ConditionInfo) -> str:
    part = f"{one.part or 'the value'}{f' & 0x{one.mask:X}' if one.mask else ''}"
    signed = " (signed)" if one.signed else ""
    return f"{part} {one.comparison} {one.than or one.value}{signed}"


def allowed(field: FieldInfo) -> str:
    """What may be written to a field, as text; empty: all."""
    limits = f"{field.lowest} to {field.highest}"
    return {"": "", "enumerated": "no others", "range": limits}[field.constraint]


def c_header(model: Map) -> str:
    """Returns a C header with the addresses, masks and values of the map.

    What is no identifier becomes one; of names that are the same then, the second one ends in
    ``_2``, and so on.
    """
    prefix = _identifier(model.name)
    prefix = f"_{prefix}" if prefix[:1].isdigit() else prefix
    name = model.name.replace("*/", "* /")
    lines = [f"/* The registers of {name}. Written by hwsim; not to be edited. */"]
    lines += [f"#ifndef {prefix}_REGISTERS_H", f"#define {prefix}_REGISTERS_H", ""]
    used = {f"{prefix}_REGISTERS_H"}

    def define(name: str, text: str) -> str:
        others = (f"{name}_{number}" for number in count(2))
        found = next(each for each in chain([name], others) if each not in used)
        used.add(found)
        lines.append(f"#define {found} {text}")
        return found

    define(f"{prefix}_CHANNELS", f"{model.channels}u")
    define(f"{prefix}_BIG_ENDIAN", f"{int(model.byte_order == 'big')}")
    for memory in model.memories.values():
        text = f"0x{memory.address:X}u /* {memory.access}, {memory.bits} bits */"
        whole = define(f"{prefix}_{_identifier(memory.name)}", text)
        define(f"{whole}_WORDS", f"{memory.words}u")
    for number, output in enumerate(model.outputs):
        define(f"{prefix}_OUTPUT_{_identifier(output.name)}", f"{number}u")
    for one in model.registers.values():
        end = "ull" if one.bits == 64 else "u"
        said = ", ".join([one.access, f"{one.bits} bits", *notes(one)]).replace("*/", "* /")
        whole = define(f"{prefix}_{_identifier(one.name)}", f"0x{one.address:X}u /* {said} */")
        define(f"{whole}_RESET", f"0x{one.reset_value:X}{end}")
        for field in one.fields:
            part = f"{whole}_{_identifier(field.name)}"
            define(f"{part}_SHIFT", f"{field.lsb}")
            define(f"{part}_MASK", f"0x{field.mask:X}{end}")
            for each in field.enum:
                define(f"{part}__{_identifier(each.name)}", f"0x{each.value:X}{end}")
    for table in tables(model):
        lines += ["", f"/* {table.title}: {', '.join(table.headings)}"]
        lines += [" *   " + ", ".join(row).replace("*/", "* /") for row in table.rows]
        lines.append(" */")
    return "\n".join([*lines, "", "#endif", ""])


def notes(one: RegisterInfo) -> list[str]:
    """What there is to say of a register beside its numbers and its description."""
    found = [f"role {one.role}"] if one.role else []
    if one.inside:
        address, lsb = one.inside
        found.append(f"bits {lsb + one.bits - 1}..{lsb} of the register at 0x{address:02X}")
    elif one.view:
        found.append("another view of a register")
    if one.alias is not None:
        found.append(f"an alias of the register at 0x{one.alias:02X}")
    return found


def _identifier(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_").upper()


def markdown(model: Map) -> str:
    """Returns the map as tables in Markdown."""
    lines = [f"# {model.name}", ""]
    if model.description:
        lines += [model.description, ""]
    lines += [f"Analogue channels: {model.channels}. Byte order: {model.byte_order}.", ""]
    lines += ["| address | register | bits | access | reset | description |"]
    lines += ["|---|---|---|---|---|---|"]
    for one in model.registers.values():
        cells = (f"`0x{one.address:02X}`", f"`{one.name}`", one.bits, one.access)
        said = "; ".join(filter(None, (one.description, *notes(one))))
        lines.append(_row(*cells, f"`0x{one.reset_value:X}`", said))
    for memory in model.memories.values():
        cells = (f"`0x{memory.address:02X}`", f"`{memory.name}`", memory.bits, memory.access)
        lines.append(_row(*cells, "", f"{memory.words} words. {memory.description}"))
    for one in model.registers.values():
        if not one.fields:
            continue
        lines += ["", f"## {one.name}", "", "| bits | field | access | values | description |"]
        lines += ["|---|---|---|---|---|"]
        for field in one.fields:
            high = field.lsb + field.width - 1
            bits = f"{high}..{field.lsb}" if field.width > 1 else f"{field.lsb}"
            names = (f"{each.value}: {each.name}" for each in field.enum)
            values = ", ".join(filter(None, (*names, allowed(field))))
            lines.append(_row(bits, f"`{field.name}`", field.access, values, field.description))
    for part in tables(model):
        lines += [
            "",
            f"## {part.title}",
            "",
            _row(*part.headings),
            "|---" * len(part.headings) + "|",
        ]
        for row in part.rows:
            lines.append(
                _row(*(f"`{cell}`" if cell and not cell.isdigit() else cell for cell in row))
            )
    return "\n".join([*lines, ""])


def _row(*cells: object) -> str:
    texts = (" ".join(str(cell).split()).replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(texts) + " |"
