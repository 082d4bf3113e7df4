"""Everything that the documentation shows runs, and what it claims of the library is so.

The blocks of a page run one after another in one process, as a reader would type them. A block that
cannot run stands right below the line ``<!-- not run: REASON -->``.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tools import threads

import hwsim
from conftest import run_script

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?P<skip><!-- not run: \S.* -->\n+)?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


def program(page: str) -> str:
    """The Python blocks of a page, each at its own line, so that a traceback names the page's."""
    lines: list[str] = []
    for block in BLOCK.finditer(page):
        if block["skip"]:
            continue
        before = page.count("\n", 0, block.start("code"))
        lines += [""] * (before - len(lines)) + block["code"].splitlines()
    return "\n".join(lines)


def relative(path: Path) -> str:
    """A path as pytest shows it."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", EXAMPLES, ids=relative)
def test_example_runs(path: Path) -> None:
    assert run_script(path.read_text(encoding="utf-8")).check()


@pytest.mark.parametrize(
    "path", [page for page in PAGES if program(page.read_text("utf-8"))], ids=relative
)
def test_page_runs(path: Path) -> None:
    run_script(program(path.read_text(encoding="utf-8"))).check()


def test_the_blocks_of_a_page_run_in_order_and_keep_their_lines() -> None:
    page = "text\n\n```python\na = 1\n```\n\n<!-- not run: an example -->\n```python\nb\n```\n" + (
        "```sh\nc\n```\n\n```python\nprint(a)\nraise ValueError\n```\n"
    )
    script = run_script(program(page))
    assert script.stdout == "1\n"
    assert "line 17, in <module>" in script.stderr
    assert page.splitlines()[16] == "raise ValueError"


def test_every_example_is_shown() -> None:
    page = (ROOT / "docs/examples.md").read_text(encoding="utf-8")
    shown = re.findall(r"\{literalinclude\} \.\./(examples/\w+\.py)", page)
    assert sorted(shown) == [relative(path) for path in EXAMPLES]


def test_threads_table_names_what_there_is() -> None:
    """Also where tools/threads.py says by hand what a call is called in Python."""
    rows = re.findall(r"^\| (`.*?) \| ", threads.table(), re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([\w.]+)", row)]
    assert {"read_register", "Stream.read", "events", "open"} <= set(names)
    for name in set(names) - {"device"}:  # device[address]
        owner, _, attribute = name.rpartition(".")
        places = [getattr(hwsim, owner)] if owner else [hwsim.Device, hwsim]
        assert any(hasattr(place, attribute) for place in places), name


# --------------------------------------------------------------------------- resource strings

CELL = re.compile(r"(?<!\\)\|")


def keys() -> list[dict[str, str]]:
    """The table of keys, by its headings."""
    page = (ROOT / "docs/resource-strings.md").read_text(encoding="utf-8")
    table = page.split("<!-- table: keys -->")[1].strip().split("\n\n")[0].splitlines()
    rows = [[cell.strip(" `") for cell in CELL.split(line)[1:-1]] for line in table]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def opens(query: str) -> bool:
    """Whether a device opens with these settings."""
    try:
        hwsim.open(f"hwsim://docs?{query}").close()
    except hwsim.errors.InvalidArgument:
        return False
    return True


def by_key(row: dict[str, str]) -> str:
    """A row as pytest shows it."""
    return row["key"]


KEYS = keys()
PROPERTY = {"range": "range", "noise": "noise"}  # of a signal; the others are the device's
UNITS = {"": 1.0, "x": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "mHz": 1e-3, "kHz": 1e3, "GHz": 1e9}
UNITS |= {"mV": 1e-3, "V": 1.0, "B/s": 1.0, "GB/s": 1e9}


def number(text: str) -> float:
    """A quantity in the base unit of its kind."""
    found = re.fullmatch(r"(inf|[\d.]+)([A-Za-z/]*)", text)
    assert found, text
    return float(found[1]) * UNITS[found[2]]


@pytest.mark.parametrize("row", [row for row in KEYS if row["lowest"]], ids=by_key)
def test_a_key_takes_its_range_and_nothing_beyond(row: dict[str, str]) -> None:
    key, unit = row["key"], re.sub(r"[\d.]", "", row["highest"])
    rest = "&latency=3600s" if key == "jitter" else ""
    assert opens(f"{key}={row['lowest']}{rest}")
    assert opens(f"{key}={row['highest']}{rest}")
    below = re.sub(r"^[\d.]+", lambda n: f"{float(n.group()) * 0.9:.17g}", row["lowest"])
    if number(row["lowest"]) > 0:
        assert not opens(f"{key}={below}{rest}")
    if row["highest"] != "inf":
        above = float(re.sub(r"[^\d.]", "", row["highest"])) * 1.1
        above = round(above) if key in ("channels", "seed") else above
        assert not opens(f"{key}={above}{unit}{rest}")


@pytest.mark.parametrize("row", [row for row in KEYS if row["default"]], ids=by_key)
def test_a_key_has_the_default_that_the_table_says(row: dict[str, str]) -> None:
    key = row["key"]
    with hwsim.open("hwsim://docs") as device:
        place: Any = device.signal(0) if key in PROPERTY else device
        value = getattr(place, key)
    assert value == (row["default"] if key == "clock" else number(row["default"]))


def test_the_table_has_every_key() -> None:
    """Those that the header names; the library refuses any other."""
    header = (ROOT / "hwsim/include/hwsim/hwsim.h").read_text(encoding="utf-8")
    fields = header.split("typedef struct hwsim_config {")[1].split("} hwsim_config;")[0]
    named = set(re.findall(r"/\* (\w+): ", fields))
    assert len(named) > 8
    assert {row["key"] for row in KEYS} == named | {"fault"}


# ---------------------------------------------------------------------------------- C reference


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the documentation reads the C headers with."""
    monkeypatch.syspath_prepend(ROOT / "docs/extension")
    return importlib.import_module("header").Header


@pytest.fixture
def read(reader: Any, tmp_path: Path) -> Callable[[str], Any]:
    """Reads a header with the given text."""

    def run(text: str) -> Any:
        path = tmp_path / "some.h"
        path.write_text(text, encoding="utf-8")
        return reader(path)

    return run


def test_the_reader_finds_every_function_of_the_interface(reader: Any) -> None:
    folder = ROOT / "hwsim/include/hwsim"
    others = tuple(reader(path) for path in folder.glob("*.h") if path.name != "hwsim.h")
    found = {item.name for item in reader(folder / "hwsim.h", others)}
    text = (folder / "hwsim.h").read_text(encoding="utf-8")
    exported = set(re.findall(r"^HWSIM_API [^;]*?\b(\w+)\(", text, re.MULTILINE))
    assert len(exported) > 50
    assert exported <= found


def test_the_reader_gives_each_declaration_the_comment_above_it(read: Callable[[str], Any]) -> None:
    header = read(
        "/* The file. */\n#ifndef SOME_H\n#define SOME_H\n"
        "/* -------- a noun -- */\n\n/* X(name, text): all of them. */\n"
        '#define SOME(X) X(A, "a, b") /* beside */ X(B, "c")\n\n/* Of one. */\n'
        "typedef struct one {\n  int a, *b; /* two */\n} one;\nvoid none(void);\n#endif\n",
    )
    title, noun = header.sections
    assert (title.parts, noun.title) == (["The file."], "a noun")
    some, one, none = noun.parts
    assert some.rows == [["A", "a, b", "beside"], ["B", "c", ""]]
    assert (one.comment, one.members) == ("Of one.", [("int a", "two"), ("int *b", "")])
    assert (none.declaration, none.comment) == ("void none(void)", "")


@pytest.mark.parametrize(
    "text",
    [
        "int f(int) { return 0; }\n",
        "#pragma once\n",
        "#define SOME(X) X(A, 1)\n",
        "/* X(name, value) */\n#define SOME(X) X(A)\n",
        "typedef struct one {\n  int a : f(3);\n  }; x\n} one;\n",
    ],
    ids=["body", "directive", "columns", "cells", "struct"],
)
def test_the_reader_refuses_what_it_cannot_read(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"some\.h:\d+: "):
        read(text)
