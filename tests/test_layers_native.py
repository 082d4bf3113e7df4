"""The C library's layers: a folder of ``hwsim/src`` knows only itself and those below it.

Arrows are taken from the text: a file includes a header, or calls a function that another defines,
which a public header may have declared. Source and header of one name are one noun.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "hwsim" / "src"
LAYERS = ("base", "timeline", "events", "converter", "parts", "models", "device")

COMMENT = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"(?=[^\n]*;)", re.DOTALL)
INCLUDE = re.compile(rf'^#include "((?:{"|".join(LAYERS)})/\w+)\.h"', re.MULTILINE)
NAME = re.compile(r"(?<![>.\w])[a-z]\w*\b")  # no member
# At the start of a line, up to the brace of its body.
DEFINITION = re.compile(r"^(?!static|typedef|#)\w[\w\s*]*?\b(\w+)\([^;{}]*\)\s*\{", re.MULTILINE)
DATA = re.compile(r"^const \w+ (\w+)(?:\[\w+\])? = ", re.MULTILINE)

Arrow = tuple[str, str, str]


def read_sources() -> dict[str, str]:
    """The text of every file by its name, such as ``base/heap.c``."""
    files = [path for path in SOURCES.rglob("*") if path.suffix in (".c", ".h")]
    return {path.relative_to(SOURCES).as_posix(): path.read_text("utf-8") for path in files}


def arrows(sources: Mapping[str, str]) -> Iterator[Arrow]:
    """From which noun to which, and by what."""
    plain = {name: COMMENT.sub(" ", text) for name, text in sources.items()}
    defined = {
        symbol: noun(name)
        for name, text in plain.items()
        if name.endswith(".c")
        for symbol in (*DEFINITION.findall(text), *DATA.findall(text))
    }
    for name, text in sources.items():
        for included in INCLUDE.findall(text):
            yield noun(name), included, f'#include "{included}.h"'
    for name, text in plain.items():
        for word in set(NAME.findall(text)) & defined.keys():
            # What a header declares is no call, and a static of the same name is another.
            if name.endswith(".c") and not re.search(rf"^static .*\b{word}\b", text, re.MULTILINE):
                yield noun(name), defined[word], word


def noun(name: str) -> str:
    return name.rpartition(".")[0]


def upward(found: Iterator[Arrow]) -> list[Arrow]:
    def layer(name: str) -> int:
        return LAYERS.index(name.partition("/")[0])

    return [arrow for arrow in found if layer(arrow[0]) < layer(arrow[1])]


def circle(found: Iterator[Arrow]) -> list[str]:
    graph: dict[str, set[str]] = {}
    for origin, target, _ in found:
        if origin != target:
            graph.setdefault(origin, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        nouns: list[str] = error.args[1]
        return nouns
    return []


def test_every_file_is_in_a_layer() -> None:
    assert {name.partition("/")[0] for name in read_sources()} == set(LAYERS)


def test_no_layer_includes_or_calls_one_above_it() -> None:
    assert upward(arrows(read_sources())) == []


def test_no_files_form_a_circle() -> None:
    assert circle(arrows(read_sources())) == []


def test_every_function_that_is_declared_is_found() -> None:
    """Otherwise a call of it would be no arrow."""
    found = {target for _, target, _ in arrows(read_sources())}
    assert {"timeline/timeline", "device/device", "parts/registers", "models/daq"} <= found


def test_an_upward_include_is_found() -> None:
    sources = {**read_sources(), "base/bad.c": '#include "device/power.h"\n'}
    assert upward(arrows(sources)) == [("base/bad", "device/power", '#include "device/power.h"')]


def test_an_upward_call_is_found() -> None:
    """Of a function that the public header declares, so that nothing has to be included."""
    sources = {**read_sources(), "base/bad.c": "void f(void) {\n  hwsim_device_free(NULL);\n}\n"}
    assert upward(arrows(sources)) == [("base/bad", "device/device", "hwsim_device_free")]


def test_a_circle_is_found() -> None:
    sources = {
        "base/a.c": '#include "base/b.h"\n',
        "base/b.c": "void b(void) {\n  a();\n}\n",
        "base/a.h": "",
        "base/b.h": "",
    }
    sources["base/a.c"] += "void a(void) {\n}\n"
    assert set(circle(arrows(sources))) == {"base/a", "base/b"}
