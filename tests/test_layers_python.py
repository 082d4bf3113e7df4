"""Imports point one way: nouns, the device, the package's front, what builds on it, the commands.

Read from the sources with ast, so that an import for types alone, or inside a function, counts too.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "python" / "hwsim"
# From the bottom. What is not listed is a noun: it knows nouns only.
LAYERS = (
    {"hwsim.device"},
    {"hwsim.bench", "hwsim.opening"},
    {"hwsim.aio.calls", "hwsim.aio.cancellation", "hwsim.aio.forms", "hwsim.aio.opening"},
    {"hwsim.aio", "hwsim.fleet.lifeline"},
    {"hwsim.aio.debugging", "hwsim.fleet"},
    {"hwsim.demo", "hwsim.record.files", "hwsim.record.formats"},
    {"hwsim.record.recorder"},
    {"hwsim.record"},
    {"hwsim"},
    {f"hwsim.cli.{name}" for name in ("bar", "command", "lanes", "program", "quantity", "table")},
    {
        f"hwsim.cli.{name}"
        for name in ("audit", "calibrate", "check", "demo", "devices", "fleet", "flash")
    },
    {"hwsim.cli.record", "hwsim.cli.trace"},
    {"hwsim.cli"},
    {"hwsim.cli.__main__"},
)


def layer(module: str) -> int:
    return next((n for n, names in enumerate(LAYERS, start=1) if module in names), 0)


def sources() -> dict[str, str]:
    """The source of each module by its full name; of a native one its stub."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py*")):
        if path.suffix in (".py", ".pyi"):
            parts = ("hwsim", *path.relative_to(PACKAGE).with_suffix("").parts)
            name = ".".join(parts).removesuffix(".__init__")
            found[name] = path.read_text(encoding="utf-8")
    return found


@functools.cache
def nodes(source: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(source)))


def imported(module: str, source: str, modules: Mapping[str, str]) -> set[str]:
    """Which of the modules a module imports."""

    def names() -> Iterator[str]:
        for node in nodes(source):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{module}: a relative import, which this test cannot follow"
                for alias in node.names:
                    submodule = f"{node.module}.{alias.name}"
                    yield submodule if submodule in modules else str(node.module)

    return {name for name in names() if name in modules} - {module}


def upward(modules: Mapping[str, str]) -> list[tuple[str, str]]:
    """The imports from a lower layer of a higher one."""
    return [
        (module, target)
        for module, source in modules.items()
        for target in sorted(imported(module, source, modules))
        if layer(target) > layer(module)
    ]


def circles(modules: Mapping[str, str]) -> list[str]:
    """The modules that import themselves, through others."""
    arrows = {name: imported(name, source, modules) for name, source in modules.items()}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            new = arrows[ahead.pop()] - seen
            seen |= new
            ahead += new
        return seen

    return [name for name in arrows if name in reached(name)]


def test_no_import_points_upwards() -> None:
    assert upward(sources()) == []


def test_no_module_imports_itself_through_others() -> None:
    assert circles(sources()) == []


def test_every_module_of_a_layer_exists() -> None:
    """A renamed one would become a noun unnoticed, and could be imported from everywhere."""
    assert set().union(*LAYERS) <= set(sources())


IMPORTS = {
    "plain": "import hwsim.device",
    "from the package": "from hwsim import device",
    "from the module": "from hwsim.device import Device",
    "renamed": "import hwsim.device as d",
    "for types": "from typing import *\nif TYPE_CHECKING:\n    from hwsim.device import Device",
    "in a function": "def f():\n    from hwsim.device import Device",
}


@pytest.mark.parametrize("source", IMPORTS.values(), ids=IMPORTS)
def test_upward_import_is_caught(source: str) -> None:
    modules = sources()
    modules["hwsim.stream"] += "\n" + source
    assert upward(modules) == [("hwsim.stream", "hwsim.device")]
    assert {"hwsim.stream", "hwsim.device"} <= set(circles(modules))


def test_front_of_the_package_is_above_the_device() -> None:
    modules = sources()
    modules["hwsim.device"] += "\nfrom hwsim import open"
    assert ("hwsim.device", "hwsim") in upward(modules)


def test_circle_within_a_layer_is_caught() -> None:
    modules = sources()
    modules["hwsim.errors"] += "\nimport hwsim.signals"
    modules["hwsim.signals"] += "\nimport hwsim.errors"
    assert circles(modules) == ["hwsim.errors", "hwsim.signals"]
    assert upward(modules) == []
