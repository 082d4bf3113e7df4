"""Reads the C headers for their reference: sections, comments, and what is declared below them.

It knows the form that the headers have, and no more: what it cannot read raises ValueError with
file and line, so that nothing is ever left out of the reference in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

RULER = re.compile(r"/\* -{3,} (?P<title>.*?) -- \*/\Z")
TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<comment>/\*.*?\*/)
    | (?P<directive>\#(?:[^\n\\]|\\\n|\\.)*)
    | (?P<linkage>extern\ "C"\ \{|\}(?=\s*(?:\#|\Z)))
    | (?P<declaration>(?:[A-Za-z_]|/\*)(?:/\*.*?\*/|\{(?:/\*.*?\*/|[^{}])*\}|[^;{}])*?;)""",
    re.VERBOSE | re.DOTALL,
)
LIST = re.compile(r"#define (?P<name>\w+)\(X\)(?P<rows>.*X\(.*)\Z", re.DOTALL)
MACRO = re.compile(r"#define (?P<name>\w+(?:\([\w, ]*\))?) +(?P<value>.+)\Z", re.DOTALL)
COMPOUND = re.compile(
    r"(?:typedef )?(?P<kind>struct|enum|union) (?P<name>\w+) \{(?P<body>.*)\} ?(?P<alias>\w*);\Z",
    re.DOTALL,
)
EXPANSION = re.compile(
    r"#define HWSIM_X\((?P<first>\w+)[^)]*\) *(?:\\\n *)?"
    r"(?P<prefix>\w+)##(?P=first) = (?P<value>\w+),.*?(?P<list>\w+)\(HWSIM_X\)",
    re.DOTALL,
)
FORMS = {
    "struct": r"typedef struct (?P<declaration>(?P<name>\w+)) (?P=name);",
    "type": r"typedef (?P<declaration>.*?(?P<name>\w+)(?:\)\(.*\)|\[.*\])?);",
    "var": r"extern (?P<declaration>[\w *]*?(?P<name>\w+)(?:\[\w*\])?);",
    "function": r"(?P<declaration>[\w ]+?[ *]+(?P<name>\w+)\(.*\));",
}
# What only makes the header work: guards, attributes, expansions.
PLUMBING = re.compile(
    r"#(?:include|if|ifdef|ifndef|elif|else|endif|undef)\b"
    r"|#define (?:\w+_H\s*\Z|HWSIM_API\b|HWSIM_CHECKED\b|HWSIM_X\b)"
)


@dataclass
class Item:
    """Something declared: its kind as Sphinx names it, its declaration, and what is said of it.

    Attributes:
        kind: ``function``, ``var``, ``struct``, ``union``, ``enum``, ``type``, ``macro`` or
            ``list``.
        name: Such as ``hwsim_device_open``.
        declaration: In C.
        comment: The comment above it, or ``""``.
        members: Of a struct or enum: its fields or values, as (declaration, comment).
        columns: Of an X-macro list: what its arguments are.
        rows: ... its rows, with the comment beside a row as one more cell.
    """

    kind: str
    name: str
    declaration: str
    comment: str = ""
    members: list[tuple[str, str]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Section:
    """What stands below a ruler: items, and strings for comments that belong to none of them."""

    title: str
    parts: list[Item | str] = field(default_factory=list)


class Header:
    """A header, read: ``sections``, the first of which is untitled, and ``lists`` by name."""

    def __init__(self, path: Path, others: tuple[Header, ...] = ()) -> None:
        self.path = path
        self._text = path.read_text(encoding="utf-8")
        self.lists = {name: item for other in others for name, item in other.lists.items()}
        self.sections = [Section("")]
        self._read()

    def __iter__(self) -> Iterator[Item]:
        for section in self.sections:
            for part in section.parts:
                if isinstance(part, Item):
                    yield part

    def _fail(self, place: int, what: str) -> ValueError:
        line = self._text.count("\n", 0, place) + 1
        return ValueError(f"{self.path}:{line}: {what}: {self._text[place : place + 60]!r}")

    def _read(self) -> None:
        place, comment = 0, ""  # comment: the one that waits for what it belongs to
        while place < len(self._text):
            token = TOKEN.match(self._text, place)
            if not token:
                raise self._fail(place, "no declaration that this reader knows")
            text, parts = token.group(), self.sections[-1].parts
            ruler = RULER.match(text)
            ends = ruler or token.lastgroup == "comment" or is_blank(text)
            if comment and ends:
                parts.append(comment)
                comment = ""
            if ruler:
                self.sections.append(Section(ruler["title"].strip()))
            elif token.lastgroup == "comment":
                comment = plain(text)
                if not place:  # what the whole header is
                    parts.append(comment)
                    comment = ""
            elif token.lastgroup in ("directive", "declaration"):
                item = self._item(token, comment)
                if item:
                    parts.append(item)
                comment = ""
            place = token.end()

    def _item(self, token: re.Match[str], comment: str) -> Item | None:
        text = token.group()
        if token.lastgroup == "directive":
            return self._directive(token.start(), text, comment)
        if re.match(r"enum \{ \w+\(HWSIM_X\) \};|struct \w+;", text):
            return None  # the rows of a list as constants; a name that is declared elsewhere
        compound = COMPOUND.match(text)
        if compound:
            return self._compound(token.start(), compound, comment)
        text = one_line(re.sub(r"\b(?:HWSIM_API|HWSIM_CHECKED)\b", "", strip_comments(text)))
        for kind, form in FORMS.items():
            found = re.fullmatch(form, text)
            if found:
                return Item(kind, found["name"], found["declaration"], comment)
        raise self._fail(token.start(), "no declaration that this reader knows")

    def _directive(self, place: int, text: str, comment: str) -> Item | None:
        if PLUMBING.match(text):
            return None
        found = LIST.match(text)
        if found:
            return self._list(place, found["name"], found["rows"], comment)
        macro = MACRO.match(text)
        if macro:
            return Item(
                "macro", macro["name"].split("(")[0], macro["name"], beside(text) or comment
            )
        raise self._fail(place, "no directive that this reader knows")

    def _list(self, place: int, name: str, text: str, comment: str) -> Item:
        text = text.replace("\\\n", " ")
        described = re.findall(r"\bX\(([\w, ]+)\)", self._text[:place])
        if not described:
            raise self._fail(place, "no comment says what the columns of the list are")
        columns = [column.strip() for column in described[-1].split(",")]
        rows = []
        form = re.compile(r"\s*X\(((?:\"[^\"]*\"|[^()\"])*)\)\s*(/\*.*?\*/)?", re.DOTALL)
        for found in self._each(form, text, place, "row of a list"):
            cells = [
                cell.strip().strip('"') for cell in re.findall(r'(?:"[^"]*"|[^,"])+', found[1])
            ]
            if len(cells) != len(columns):
                raise self._fail(place, f"{len(columns)} columns, but the row {cells}")
            rows.append([*(cell.strip().strip('"') for cell in cells), plain(found[2] or "")])
        item = Item("list", name, f"{name}(X)", comment, columns=[*columns, "note"], rows=rows)
        self.lists[name] = item
        return item

    def _compound(self, place: int, found: re.Match[str], comment: str) -> Item:
        kind, name, body = found["kind"], found["name"], found["body"]
        item = Item(kind, name, name, comment)
        if kind == "enum":
            item.members = self._values(place, body)
        else:
            item.members = self._fields(place, body)
        return item

    def _values(self, place: int, body: str) -> list[tuple[str, str]]:
        expansion = EXPANSION.search(body)
        if expansion:
            listed = self.lists[expansion["list"]]
            number = listed.columns.index(expansion["value"])
            prefix = expansion["prefix"]
            # What they mean stands in the list.
            return [(f"{prefix}{row[0]} = {row[number]}", "") for row in listed.rows]
        form = re.compile(r"\s*(\w+(?: = [^,/\s]+)?)\s*,?[ ]*(/\*.*?\*/)?", re.DOTALL)
        return [
            (found[1], plain(found[2] or "")) for found in self._each(form, body, place, "value")
        ]

    def _each(
        self, form: re.Pattern[str], text: str, place: int, what: str
    ) -> Iterator[re.Match[str]]:
        """One match right after another, to the end of the text."""
        end = 0
        while text[end:].strip():
            found = form.match(text, end)
            if not found:
                raise self._fail(place, f"no {what}: {text[end:].strip()[:60]!r}")
            yield found
            end = found.end()

    def _fields(self, place: int, body: str) -> list[tuple[str, str]]:
        form = re.compile(
            r"\s*(?P<above>/\*.*?\*/)?\s*(?P<code>(?:/\*.*?\*/|[^;{}])+);"
            r"[ ]*(?P<beside>/\*.*?\*/)?",
            re.DOTALL,
        )
        members = []
        for found in self._each(form, body, place, "field"):
            comment = plain(found["above"] or found["beside"] or "")
            for declaration in declarators(one_line(strip_comments(found["code"]))):
                members.append((declaration, comment))
                comment = ""
        return members


def is_blank(text: str) -> bool:
    """Whether it is space with an empty line in it."""
    return text.isspace() and text.count("\n") > 1


def plain(comment: str) -> str:
    """Takes the marks of a comment off; the indentation of its lines stays."""
    first, *rest = comment.removeprefix("/*").removesuffix("*/").rstrip().split("\n")
    return "\n".join([first.strip(), *(re.sub(r"^\s*\* ?", "", line).rstrip() for line in rest)])


def beside(text: str) -> str:
    """The comment at the end of a line, or ``""``."""
    found = re.search(r"/\*.*\*/\s*\Z", text, re.DOTALL)
    return plain(found.group().strip()) if found else ""


def strip_comments(text: str) -> str:
    """Code without its comments."""
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def one_line(text: str) -> str:
    """Code on one line."""
    return re.sub(r"\s+", " ", text).strip()


def declarators(code: str) -> list[str]:
    """``int a, *b`` as ``int a`` and ``int *b``; a function pointer stays whole."""
    if "(" in code or "," not in code:
        return [code]
    first, *rest = (part.strip() for part in code.split(","))
    base = re.match(r"(.*?)[*\s]*\w+(?:\[\w*\])?\Z", first)
    assert base
    return [first, *(f"{base[1]} {part}" for part in rest)]
