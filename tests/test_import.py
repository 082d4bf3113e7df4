"""What an import loads: the parts of the package, when they are first used."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hwsim
from conftest import run_script

HEAVY = ("hwsim._native", "hwsim.device", "numpy", "rich", "typing", "importlib.metadata")


def test_import_loads_neither_numpy_nor_the_native_library() -> None:
    loaded = f"import sys, hwsim; print([name for name in {HEAVY} if name in sys.modules])"
    assert run_script(loaded).check() == "[]\n"


@pytest.mark.parametrize("part", ["hwsim.proof.check", "hwsim.get_include"])
def test_part_that_needs_no_device_loads_neither(part: str) -> None:
    loaded = f"import sys, hwsim; {part}; print(*{{'hwsim._native', 'numpy'}} & {{*sys.modules}})"
    assert run_script(loaded).check() == "\n"


def test_all_of_it_imports_little_besides_numpy() -> None:
    """What only some users need is imported when they use it."""
    script = """
        import dataclasses, logging, sys, threading
        import numpy, numpy.typing

        before = {*sys.modules}
        from hwsim import *

        others = {name.partition(".")[0] for name in {*sys.modules} - before} - {"hwsim"}
        print(*sorted(others & {"asyncio", "json", "pathlib", "rich", "urllib", "yaml"}))
    """
    assert run_script(script).check() == "\n"


def test_each_name_is_there_when_it_is_used() -> None:
    script = """
        import os, sys
        import numpy  # takes longest, and nothing depends on when it comes
        import hwsim

        for name in [*hwsim.__all__, *hwsim._PACKAGES, "__version__", "device", "_native"]:
            if not os.fork():  # where it is the first that is used
                getattr(hwsim, name)
                os._exit(0)
            assert os.wait()[1] == 0, name
    """
    run_script(script).check()


def test_star_import_brings_every_public_name() -> None:
    assert run_script("from hwsim import *; print(open.__name__)").check() == "open\n"


def test_names_in_dir() -> None:
    assert {*hwsim.__all__, *hwsim._PACKAGES, "__version__"} <= set(dir(hwsim))


def test_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'hwsim' has no attribute 'opne'"):
        hwsim.opne  # type: ignore[attr-defined]  # noqa: B018


def test_type_checkers_see_what_is_imported() -> None:
    """The imports that only they read name the same modules as the ones that happen."""
    tree = ast.parse(Path(hwsim.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: f"{node.module}.{alias.name}" if node.module == "hwsim" else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hwsim")
        for alias in node.names
    }
    names = [*hwsim.__all__, *hwsim._PACKAGES]
    happens = {name: f"hwsim.{hwsim._MODULES.get(name, name)}" for name in names}
    assert seen == happens


def test_first_use_in_many_threads_at_once() -> None:
    script = """
        import sys, threading
        import hwsim

        sys.setswitchinterval(1e-6)
        barrier, found = threading.Barrier(8), []

        def use(i):
            barrier.wait()
            found.append(getattr(hwsim, hwsim.__all__[i]))
            found.append(hwsim.open(f"hwsim://{i}?latency=0s").read_register(0))

        threads = [threading.Thread(target=use, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(len(found))
    """
    assert run_script(script).check() == "16\n"
