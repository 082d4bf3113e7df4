"""The kit bound to a library that is not hwsim: its files work in any order, and by default."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest

import bindings
from conftest import run_script

ROOT = Path(__file__).parent.parent
KIT = ROOT / "tests/kit"
FILES = [
    *("module", "errors", "arguments", "buffers", "gil", "callbacks", "lifetime", "keywords"),
    *("signatures", "threads", "values", "status", "handles", "directors"),
]
ORDERS = {"as in all.i": ["all"], "in reverse": FILES[::-1], "each on its own": ["gil", "keywords"]}

# Whatever a file needs of another one it must include itself: the order is the test's.
MODULE = """
    %module foreign
    {includes}
    %gil_hold(vendor::thermometer::count)
    %errors_never_deferred(vendor::thermometer::close)
    %gil_hold(defer)
    %inline %{{
    #include <stdexcept>
    #include <string>
    namespace vendor {{
    static int alive = 0;
    class thermometer {{
    public:
      explicit thermometer(int number) {{
        if (number < 0) throw std::invalid_argument("no");
        alive++;
      }}
      ~thermometer() {{ alive--; }}
      double read() {{ return 21.5; }}
      void close() {{}}
      int count() {{ return alive; }}
    }};
    }}
    void defer(const std::string &text) {{
      PyErr_SetString(PyExc_KeyError, text.c_str());
      errors::defer(errors::take(), nullptr);
    }}
    %}}
"""
SCRIPT = """
    import sys
    sys.path.insert(0, sys.argv[1])
    import foreign

    def error_of(call, *arguments):
        try:
            call(*arguments)
        except Exception as error:
            return type(error).__name__
        return "none"

    first, second = foreign.thermometer(1), foreign.thermometer(2)
    print(first.read(), first.count(), foreign.gil_default(), foreign.gil_declared()[
        "vendor::thermometer::count"])
    print(error_of(foreign.thermometer, -1))
    before = foreign.gil_releases()
    first.read()
    print(foreign.gil_releases() - before)
    foreign.gil_set_policy("auto")
    foreign.defer("lost")
    del second  # a destructor does its work
    print(error_of(first.close))  # as said; the exception still waits
    print(error_of(first.read), error_of(first.read), first.count())
"""
EXPECTED = "21.5 2 release hold\nValueError\n1\nnone\nKeyError none 1\n"
SIGNED = """
    %module foreign
    %include "all.i"
    %typemap(doc, name="out") (int count, char *text) ""
    %typemap(in) (int count, char *text) "$1 = 0; $2 = nullptr;"
    %feature("docstring") probe::move "Moves it.\\nBlocks.";
    %inline %{
    const int FAR = 7;
    class probe {
    public:
      explicit probe(int number = 3) { (void)number; }
      int move(double to, double speed = 2.5, int how = FAR, probe *other = nullptr) {
        (void)to, (void)speed, (void)how, (void)other;
        return 1;
      }
      void fill(int count, char *text) { (void)count, (void)text; }
    };
    void stop(bool now = true) { (void)now; }
    %}
    %seal_classes

"""
SIGNATURES = """
    import inspect, sys
    sys.path.insert(0, sys.argv[1])
    import foreign
    for each in foreign.probe.move, foreign.probe.fill, foreign.stop, foreign.gil_set_policy:
        print(each.__name__, inspect.signature(each))
    print(inspect.signature(foreign.probe.__init__), [inspect.getdoc(foreign.probe.move)])
    probe = foreign.probe(1)
    print(probe.move(1, 2.0), hasattr(probe, "this"), "__int__" in dir(probe))
"""


def build(text: str, folder: Path) -> None:
    """Makes the module ``foreign`` of an interface file, in this folder."""
    swig = shutil.which("swig", path=sysconfig.get_path("scripts")) or shutil.which("swig")
    assert swig, "swig is not installed"
    source, wrapper = folder / "foreign.i", folder / "foreign_wrap.cpp"
    source.write_text(textwrap.dedent(text))
    kit = f"-I{ROOT / 'interface/kit'}"
    options = ["-python", "-c++", "-builtin", "-interface", "foreign"]
    options += ["-nogil"] if sysconfig.get_config_var("Py_GIL_DISABLED") else []
    subprocess.run([swig, *options, kit, "-outdir", folder, "-o", wrapper, source], check=True)
    target = folder / f"foreign{sysconfig.get_config_var('EXT_SUFFIX')}"
    flags = ["-std=c++17", "-O0", "-fPIC", "-DSWIG_TYPE_TABLE=foreign", "-shared"]
    flags += ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    python = f"-I{sysconfig.get_path('include')}"
    subprocess.run(["c++", *flags, python, wrapper, "-o", target], check=True)


@pytest.mark.parametrize(
    "order",
    [
        "in reverse",
        pytest.param("as in all.i", marks=pytest.mark.long),
        pytest.param("each on its own", marks=pytest.mark.long),
    ],
)
def test_kit_binds_another_library_in_any_order(order: str, tmp_path: Path) -> None:
    includes = "\n".join(f'%include "{name}.i"' for name in ORDERS[order])
    build(MODULE.format(includes=includes), tmp_path)
    assert run_script(SCRIPT, str(tmp_path)).stdout == EXPECTED


@pytest.mark.skipif(not shutil.which("clang++"), reason="clang is not installed")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("zoo", "proxies"),
        pytest.param("doors", "builtin", marks=pytest.mark.long),
        pytest.param("doors", "proxies", marks=pytest.mark.long),
        pytest.param("zoo", "builtin", marks=pytest.mark.long),
    ],
)
def test_clang_has_no_warnings_either(name: str, kind: str) -> None:
    """As gcc has none: what the tests bind is built with -Wall -Wextra -Werror."""
    bindings.build(KIT / f"{name}.i", kind, compiler="clang++", flags=["-fsyntax-only"])


def test_signatures_are_those_of_the_declarations(tmp_path: Path) -> None:
    build(SIGNED, tmp_path)
    assert run_script(SIGNATURES, str(tmp_path)).check().splitlines() == [
        "move (self, to, speed=2.5, how=Ellipsis, other=None, /)",
        "fill (self, out, /)",
        "stop (now=True, /)",
        "gil_set_policy (policy, /)",
        "(self, number=3, /) ['Moves it.\\nBlocks.']",
        "1 False False",
    ]
