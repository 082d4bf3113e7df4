"""What would go wrong silently is refused when the module is built, and it is said why."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path

import pytest

import bindings
import hwsim
from conftest import run_script

KIT = '%include "all.i"\n'
# What may not be compiled, and what is said of it.
WRONG = {
    "%blocks(waits)\n%inline %{ void waits(PyObject *) {} %}": "touches Python: it cannot block",
    "%closes(ends)\n%inline %{ PyObject *ends() { return nullptr; } %}": "touches Python",
    "%keeps_callback((handler how, void *user))\n%inline %{ typedef void (*handler)(void *);\n"
    "void listen(handler how, void *user) {} %}": "CALLBACKS_STOP_is_missing",
    "%inline %{ void use(PyObject *object) { callbacks::target made(object); } %}": (
        "CALLBACKS_STOP_is_missing"
    ),
    "%calls_back((deaf how, void *user))\n%inline %{ typedef void (*deaf)(int);\n"
    "void tell(deaf how, void *user) {} %}": "must pass the user pointer back",
}


def refusal(text: str, kind: str, folder: Path, *flags: str, swig: tuple[str, ...] = ()) -> str:
    interface = folder / "refused.i"
    interface.write_text(text if text.startswith("%module") else "%module refused\n" + text)
    with pytest.raises(bindings.BuildError) as refused:
        bindings.build(interface, kind, swig_flags=swig, flags=["-w", *flags])
    return str(refused.value)


@pytest.mark.parametrize("kind", ["proxies", pytest.param("builtin", marks=pytest.mark.long)])
def test_what_would_crash_does_not_compile(kind: str, tmp_path: Path) -> None:
    said = refusal(KIT + "\n".join(WRONG), kind, tmp_path, "-fsyntax-only")
    for message in WRONG.values():
        assert message in said
    assert said.count("CALLBACKS_STOP_is_missing") >= 2


@pytest.mark.long
@pytest.mark.parametrize("text", WRONG)
def test_each_by_itself_does_not_compile(text: str, tmp_path: Path) -> None:
    assert WRONG[text] in refusal(KIT + text, "proxies", tmp_path, "-fsyntax-only")


def test_declarations_before_the_kit_are_refused(tmp_path: Path) -> None:
    said = refusal("%inline %{ void early(int) {} %}\n" + KIT, "proxies", tmp_path, "-fsyntax-only")
    assert "include_the_kit_before_the_declarations_that_it_is_to_cover" in said


@pytest.mark.parametrize(
    ("text", "swig", "flag", "message"),
    [
        (KIT, ("-threads",), "-E", "the kit releases the GIL itself"),
        (
            '%module(directors="1") refused\n' + KIT,
            (),
            "-E",
            "a module with directors needs",
        ),
        (KIT, (), "-std=c++14", "the kit needs C++17"),
    ],
    ids=["-threads", "directors without threads", "an old C++"],
)
def test_flags_that_do_not_go_with_the_kit_are_refused(
    text: str, swig: tuple[str, ...], flag: str, message: str, tmp_path: Path
) -> None:
    assert message in refusal(text, "proxies", tmp_path, "-E", flag, swig=swig)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("%module refused\n" + KIT, ["-python"], "C++ mode, for SDKs in C as well"),
        ("%module refused\n" + KIT, ["-ruby", "-c++"], "the kit is for Python"),
    ],
    ids=["C mode", "another language"],
)
def test_swig_says_what_is_missing(
    text: str, options: list[str], message: str, tmp_path: Path
) -> None:
    interface = tmp_path / "refused.i"
    interface.write_text(text)
    include = f"-I{hwsim.get_swig_include()}"
    with pytest.raises(bindings.BuildError) as refused:
        bindings.run(bindings.swig(), *options, include, "-outdir", tmp_path, interface)
    assert message in str(refused.value)


def test_names_that_no_function_has_are_refused(tmp_path: Path) -> None:
    """A directive with a typing error would do nothing, and nobody would know."""
    interface = tmp_path / "wrong.i"
    kit = "%module wrong\n" + KIT
    code = "%inline %{ namespace a { template <class T> struct b { void read() {} }; } %}"
    interface.write_text(
        kit
        + "%quick(a::b<int>::read, *::read)\n%wakes(0, a::b::raed)\n"
        + code
        + "\n%template(b) a::b<int>;"
    )
    folder = bindings.build(interface, "proxies", flags=["-w"])
    script = run_script("import sys; sys.path.insert(0, sys.argv[1]); import wrong", str(folder))
    assert "names a::b::raed, but no function of the module has this name in C++" in script.stderr


def test_sealing_the_classes_of_all_modules_is_refused(tmp_path: Path) -> None:
    said = refusal(KIT + "%seal_classes", "builtin", tmp_path, "-fsyntax-only")
    assert "compile with -DSWIG_TYPE_TABLE" in said


def test_files_beside_the_interface_are_not_taken_for_the_kits(tmp_path: Path) -> None:
    """SWIG looks in the current folder first."""
    for name in ("errors", "gil", "module"):
        (tmp_path / f"{name}.i").write_text("%inline %{ void bogus() {} %}")
    (tmp_path / "own.i").write_text("%module own\n" + KIT)
    wrapper = tmp_path / "own_wrap.cpp"
    command = f"cd {tmp_path} && {bindings.swig()} {shlex.join(hwsim.get_swig_flags())}"
    bindings.run("sh", "-c", f"{command} -o {wrapper} own.i")
    assert "bogus" not in wrapper.read_text()


EXITS = """
    import sys, threading
    sys.path.insert(0, sys.argv[1])
    import scope
    devices = [scope.scope(f"scope{i}") for i in range(4)]
    called = threading.Event()
    for device in devices:
        device.subscribe(lambda samples: called.set())
    assert called.wait(60)
"""


@pytest.mark.parametrize("times", [4, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", bindings.KINDS)
def test_exit_with_live_callbacks_is_clean(kind: str, times: int) -> None:
    folder = bindings.module("vendor_sdk", kind)
    for _ in range(times):
        run_script(textwrap.dedent(EXITS), folder).check()
