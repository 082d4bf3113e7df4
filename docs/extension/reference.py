"""What the pages take from the sources when they are built, as Sphinx directives.

``c-reference`` writes the reference of the C headers, ``c-list`` shows one of their X-macro lists
as a table. References to Python names find the public name of what is re-exported.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from header import Header, Item
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode, nested_parse_with_titles

ROOT = Path(__file__).parents[2]
INCLUDE = ROOT / "hwsim/include/hwsim"
MAIN = "hwsim.h"
ROLES = {"function": "func", "list": "macro"}


def headers() -> dict[str, Header]:
    """Every C header by its file's name; those that others include come first."""
    read: dict[str, Header] = {}
    waiting = {path.name: path for path in sorted(INCLUDE.glob("*.h"))}
    while waiting:
        for name, path in waiting.items():
            included = set(re.findall(r'#include "hwsim/(\w+\.h)"', path.read_text("utf-8")))
            if included <= read.keys():
                read[name] = Header(path, tuple(read[other] for other in included))
                del waiting[name]
                break
        else:
            raise ValueError(f"headers that include each other: {', '.join(waiting)}")
    return read


class FromHeaders(SphinxDirective):
    """A directive whose page is built again when a header changes."""

    def read(self) -> dict[str, Header]:
        """The headers, read."""
        found = headers()
        for header in found.values():
            self.env.note_dependency(str(header.path))
        return found


class CList(FromHeaders):
    """A table of an X-macro list: some of its columns, of the rows where a column has a value."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {
        "columns": directives.unchanged,  # column or column=title, separated by commas; all
        "literal": directives.unchanged,  # those that are code
        "where": directives.unchanged,  # column=value
        "blank": directives.unchanged,  # what is shown as an empty cell
    }

    def run(self) -> list[nodes.Node]:
        """Makes the table."""
        listed = next(
            header.lists[self.arguments[0]]
            for header in self.read().values()
            if self.arguments[0] in header.lists
        )
        rows = listed.rows
        if "where" in self.options:
            column, value = self.options["where"].split("=")
            rows = [row for row in rows if row[listed.columns.index(column)] == value]
        filled = [name for i, name in enumerate(listed.columns) if any(row[i] for row in rows)]
        wanted = split(self.options.get("columns", ",".join(filled)))
        literal = split(self.options.get("literal", ""))
        names, titles = zip(*((item.split("=") * 2)[:2] for item in wanted), strict=True)
        places = [listed.columns.index(name) for name in names]
        blank = self.options.get("blank", "")
        cells = [
            [("" if row[i] == blank else row[i], listed.columns[i] in literal) for i in places]
            for row in rows
        ]
        return [table(titles, cells)]


class CReference(FromHeaders):
    """The reference of all headers: their sections, with what they declare and say."""

    def run(self) -> list[nodes.Node]:
        """Writes it as reStructuredText, and has that read."""
        read = self.read()
        known = {item.name: item.kind for header in read.values() for item in header}
        for header in read.values():
            for item in header:
                if item.kind == "enum":
                    known.update((value.split(" ")[0], "enumerator") for value, _ in item.members)
        lines: list[str] = []
        for name in sorted(read, key=lambda name: (name != MAIN, name)):
            for section in read[name].sections:
                title = section.title or ("" if name == MAIN else name.removesuffix(".h"))
                if title:
                    title = title[0].upper() + title[1:]
                    lines += [title, "-" * len(title), ""]
                if title and not section.title:
                    lines += [f"From ``hwsim/{name}``, which ``hwsim/{MAIN}`` includes.", ""]
                for part in section.parts:
                    found = item_lines if isinstance(part, Item) else comment_lines
                    lines += found(part, known)  # type: ignore[arg-type]
        node = nodes.section()
        node.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, source=str(INCLUDE)), node)
        return node.children


def split(text: str) -> list[str]:
    """Words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def table(titles: tuple[str, ...], rows: list[list[tuple[str, bool]]]) -> nodes.table:
    """A table of cells that are text, or code where the second of a pair says so."""

    def line(cells: list[tuple[str, bool]]) -> nodes.row:
        result = nodes.row()
        for text, code in cells:
            node = nodes.literal if code and text else nodes.Text
            content = node(text, text) if node is nodes.literal else nodes.Text(text)
            result += nodes.entry("", nodes.paragraph("", "", content))
        return result

    group = nodes.tgroup(cols=len(titles))
    group += [nodes.colspec(colwidth=1) for _ in titles]
    group += nodes.thead("", line([(title, False) for title in titles]))
    group += nodes.tbody("", *(line(cells) for cells in rows))
    return nodes.table("", group)


def item_lines(item: Item, known: dict[str, str]) -> list[str]:
    """A declaration as reStructuredText."""
    kind = "macro" if item.kind == "list" else item.kind
    lines = [f".. c:{kind}:: {item.declaration}", ""]
    inner = comment_lines(item.comment, known)
    if item.kind == "list":
        inner += [f".. c-list:: {item.name}", "   :literal: name", ""]
    member = "enumerator" if item.kind == "enum" else "member"
    for declaration, comment in item.members:
        inner += [f".. c:{member}:: {declaration}", ""]
        inner += ["   " + line for line in comment_lines(comment, known)]
    return lines + ["   " + line if line else "" for line in inner]


def comment_lines(comment: str, known: dict[str, str]) -> list[str]:
    """A comment as reStructuredText: paragraphs, lists, and what is indented as it stands."""
    lines: list[str] = []
    state = "blank"  # blank, text, list, literal
    for line in comment.split("\n"):
        indent, text = len(line) - len(line.lstrip()), line.strip()
        if not text:
            now = "blank"
        elif text.startswith("- "):
            now = "list"
        elif state == "list":
            now = "list on"
        elif indent >= 2:
            now = "literal"
        else:
            now = "text"
        if now not in (state, "list on"):
            lines.append("")
        if now == "literal" and state != "literal":
            lines += ["::", ""]
        if now == "literal":
            lines.append(f"   {line}")
        elif now == "list":
            lines.append(f"- {inline(text[2:], known)}")
        elif now == "list on":
            lines.append(f"  {inline(text, known)}")
        elif text:
            lines.append(inline(text, known))
        state = "list" if now == "list on" else now
    return [*lines, ""]


def inline(text: str, known: dict[str, str]) -> str:
    """One line of a comment: names become references, the rest stays as it is."""

    def one(found: re.Match[str]) -> str:
        word = found.group()
        code = re.fullmatch(r"`(.*)`", word)
        if code:
            return rf"\ ``{code[1]}``\ "
        name = word.removesuffix("()")
        for target in (name, f"HWSIM_{name}"):
            if target in known:
                role = ROLES.get(known[target], known[target])
                return rf"\ :c:{role}:`{word} <{target}>`\ "
        return escape(word)

    words = re.compile(r"`[^`]*`|\b\w+\b(?:\(\))?|[^\w`]+|`")
    return words.sub(one, text)


def escape(text: str) -> str:
    """Text in which nothing is markup."""
    return re.sub(r"([\\*`|_:<>\[\]])", r"\\\1", text)


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Finds a Python name by its end: ``Device``, or ``hwsim.device.Device`` for hwsim.Device."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    ends = [target]
    while target.startswith("hwsim.") and "." in ends[-1]:
        ends.append(ends[-1].partition(".")[2])
    documented: dict[str, Any] = env.get_domain("py").objects  # type: ignore[attr-defined]
    for end in ends:
        found = [name for name in documented if name.endswith(f".{end}")]
        if len(found) == 1:
            place = documented[found[0]]
            return make_refnode(
                app.builder, node["refdoc"], place.docname, place.node_id, content, found[0]
            )
    return None


def signature(
    app: Sphinx, what: str, name: str, thing: object, options: object, text: str, returns: str
) -> tuple[str | None, str | None] | None:
    """Leaves out how exceptions are made, which users do not; mends aliases inside of unions."""
    if what == "exception":
        return "", ""
    return text and re.sub(r"TypeAliasForwardRef\('([\w.]+)'\)", r"\1", text), returns


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers all of it with Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.add_directive("c-list", CList)
    app.add_directive("c-reference", CReference)
    app.connect("autodoc-process-signature", signature)
    app.connect("missing-reference", resolve)
    # Not as Napoleon has it, for which "Period in seconds, 0: off" begins with a type.
    GoogleDocstring._parse_attribute_docstring = GoogleDocstring._consume_to_end  # type: ignore[method-assign]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
