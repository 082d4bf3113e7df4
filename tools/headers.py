"""What the C headers say: X-macros, enumerations and structures, read with regular expressions.

The headers are in one style, which clang-format keeps; so this is no C parser and needs none.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
INCLUDE = ROOT / "hwsim/include/hwsim"
HEADERS = (INCLUDE / "hwsim.h", INCLUDE / "model.h")
STRUCTS = ROOT / "interface/structs.h"


class Operation(NamedTuple):
    """A row of HWSIM_OPERATIONS."""

    noun: str
    name: str
    waits: str
    bytes: str
    causes: str
    summary: str


@cache
def text(path: Path) -> str:
    """Returns a header without its comments, continued lines joined."""
    source = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", source, flags=re.S)


def declarations() -> str:
    """Returns the public C headers that declare something."""
    return text(INCLUDE / "model.h") + text(INCLUDE / "hwsim.h")


def rows(path: Path, macro: str) -> list[list[str]]:
    """Returns the arguments of each ``X(...)`` in the definition of an X-macro."""
    definition = re.search(rf"#define {macro}\(X\)(.*)", text(path))
    if definition is None:
        raise LookupError(f"{path.name} does not define {macro}")
    entries = re.findall(r'X\(((?:"[^"]*"|[^")])*)\)', definition[1])
    return [
        [re.sub(r'^"(.*)"$', r"\1", cell.strip()) for cell in re.findall(r'"[^"]*"|[^,"]+', entry)]
        for entry in (re.sub(r",\s*", ",", entry) for entry in entries)
    ]


def operations() -> list[Operation]:
    """Returns the table of the operations."""
    return [Operation(*row) for row in rows(INCLUDE / "operations.h", "HWSIM_OPERATIONS")]


def numbered(macro: str) -> list[str]:
    """Returns the texts of an X-macro of ``X(NAME, value, "text", ...)`` by rising value."""
    header = next(path for path in HEADERS if f"#define {macro}(X)" in text(path))
    entries = rows(header, macro)
    return [row[2] for row in sorted(entries, key=lambda row: int(row[1]))]


def constant(name: str) -> int | bytes:
    """Returns what a macro stands for: an integer, a shifted one, or a string."""
    found = re.search(rf"#define {name} (.*)", declarations())
    if found is None:
        raise LookupError(f"no header defines {name}")
    if quoted := re.fullmatch(r'"(\w+)"\s*', found[1]):
        return quoted[1].encode()
    number, shift = re.fullmatch(  # type: ignore[union-attr]
        r"\(?(?:U?INT64_C\()?(\d+)\)?(?: << (\d+)\))?\s*", found[1]
    ).groups()
    return int(number) << int(shift or 0)


def enumerators(enum: str) -> list[str]:
    """Returns the names of an enumeration by rising value, without their common prefix."""
    body = re.search(rf"typedef enum hwsim_{enum} {{(.*?)}}", declarations(), re.S)
    if body is None:
        raise LookupError(f"hwsim.h has no enum hwsim_{enum}")
    prefix = f"HWSIM_{enum.upper()}_"
    pairs = re.findall(rf"{prefix}(\w+) = (\d+)", body[1])
    return [name for name, _ in sorted(pairs, key=lambda pair: int(pair[1]))]


def members(struct: str) -> dict[str, str]:
    """Returns the members of a structure and their types, as in C: ``char[]`` for an array."""
    body = re.search(rf"typedef struct {struct} {{(.*?)\n}}", declarations(), re.S)
    if body is None:
        raise LookupError(f"hwsim.h has no struct {struct}")
    found = {}
    for declaration in filter(None, (part.strip() for part in body[1].split(";"))):
        match = re.fullmatch(r"((?:const )?\w+) (.*)", declaration, re.S)
        if match is None:
            raise ValueError(f"{struct}: {declaration}")
        for name in match[2].split(","):
            stars, bare, array = re.fullmatch(r"\s*(\**)(\w+)(\[\w+\])?", name).groups()  # type: ignore[union-attr]
            found[bare] = f"{match[1]} {stars}".strip() + ("[]" if array else "")
    return found


class Crossing(NamedTuple):
    """How a structure crosses into Python: a row of structs.h.

    Attributes:
        struct: Its name in C.
        members: The names of the members, in Python's order.
        special: Those that do not cross by their type alone.
        how: What the special ones are: ``SECONDS``, ``EVENTS`` or ``ELSEWHERE``.
    """

    struct: str
    members: list[str]
    special: set[str]
    how: str


def crossings() -> list[Crossing]:
    """Returns the structures that cross into Python."""
    source = text(STRUCTS)
    found = []
    for struct, macro, how in re.findall(r"\nSTRUCT\((\w+),\s*(\w+),\s*STRUCT_(\w+)\)", source):
        definition = re.search(rf"#define {macro}\(X, Y\)(.*)", source)
        if definition is None:
            raise LookupError(f"structs.h does not define {macro}")
        entries = re.findall(r"([XY])\((\w+)\)", definition[1])
        special = {name for kind, name in entries if kind == "Y"}
        found.append(Crossing(struct, [name for _, name in entries], special, how))
    return found
