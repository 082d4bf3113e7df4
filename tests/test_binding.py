"""What other people build their bindings with is found, and is in what is installed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import hwsim
from conftest import run_script

ROOT = Path(__file__).parent.parent


def test_folders_have_what_they_are_for() -> None:
    files = {path.name for path in Path(hwsim.get_swig_include()).iterdir()}
    assert files == {path.name for path in (ROOT / "interface/kit").iterdir()}
    headers = {path.name for path in Path(hwsim.get_include(), "hwsim").iterdir()}
    assert {"hwsim.h", "hwsim.hpp"} <= headers


def test_flags_follow_from_what_is_asked_for() -> None:
    include = f"-I{hwsim.get_swig_include()}"
    assert hwsim.get_swig_flags() == ["-python", "-c++", include]
    assert hwsim.get_swig_flags(builtin=True, nogil=True) == [
        *("-python", "-c++", "-builtin", "-nogil", include)
    ]
    assert "-keyword" in hwsim.get_swig_flags(keyword=True)
    with pytest.raises(ValueError, match="builtin and keyword exclude each other"):
        hwsim.get_swig_flags(builtin=True, keyword=True)


def test_flags_need_neither_the_native_module_nor_numpy() -> None:
    run_script(
        """
        import sys, hwsim
        hwsim.get_swig_flags(), hwsim.get_include(), hwsim.get_swig_include()
        assert not {"hwsim._native", "numpy"} & sys.modules.keys()
        """
    ).check()


def test_command_prints_the_flags() -> None:
    command = [sys.executable, "-m", "hwsim.cli", "info", "--swig"]
    for more, builtin in (([], False), (["builtin"], True)):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
        assert done.stdout.split() == hwsim.get_swig_flags(builtin=builtin)


@pytest.mark.long
def test_source_distribution_has_all_of_it(tmp_path: Path) -> None:
    script = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.split("/", 1)[-1] for name in opened.getnames()}
    for folder in ("interface", "hwsim/include", "hwsim/src"):
        for path in (ROOT / folder).rglob("*.[chi]*"):
            assert str(path.relative_to(ROOT)) in names


def test_stub_has_what_python_sees() -> None:
    """Of another library's module: parameters that stand for several, results, errors."""
    interface = ROOT / "examples/vendor_sdk/scope.i"
    command = [sys.executable, "-m", "hwsim.stubs", str(interface)]
    stub = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in (
        "def __init__(self, name: str) -> None: ...",
        "def range(self) -> float: ...",
        "def wait(self, edge: int, crossings: int, timeout_ms: int) -> None: ...",
        "def read(self, volts: Buffer) -> None: ...",
        "def subscribe(self, handler: Callable[..., object] | None) -> None: ...",
        "class ScopeTimeout(Exception):",
    ):
        assert line in stub
    compile(stub, "scope.pyi", "exec")
