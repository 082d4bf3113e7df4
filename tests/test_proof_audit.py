"""The audit: whose calls held the GIL, in programs with threads, callbacks and other tools."""

from __future__ import annotations

import ctypes
import json
import sys
import threading
import time
import zlib
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

import controls
from conftest import Script, run_script
from hwsim import proof
from hwsim.proof.duration import milliseconds
from hwsim.proof.report import _full_name

_trace = pytest.importorskip("hwsim.proof._trace")
pytestmark = pytest.mark.skipif(not _trace.supported(), reason="no trace on this system")
HOLD = 0.06  # seconds; far more than what a busy machine takes away


def row(report: proof.Report, name: str) -> proof.Row:
    (found,) = [row for row in report.rows if row.callable == name]
    return found


@pytest.mark.parametrize(
    ("control", "verdict"), [("right", "released"), ("holds", "held"), ("half", "partly")]
)
def test_verdict_on_a_control(control: str, verdict: str) -> None:
    script = f"""
        import {control}
        from hwsim import proof

        with proof.audit() as report:
            {control}.wait(0.4)
        (row,) = [row for row in report.rows if row.callable == "{control}.wait"]
        assert row.calls == 1 and not row.own and row.wall_ms >= 400, row
        assert row.caller.endswith("script.py:7"), row
        print(row.verdict)
    """
    controls.build(control)
    path = f"import sys; sys.path.insert(0, {str(controls.folder())!r})\n"
    assert run_script(script, setup=path).check() == f"{verdict}\n"


def test_calls_are_counted_in_every_thread() -> None:
    started, go = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        go.wait()
        for _ in range(3):
            zlib.crc32(b"x")

    early = threading.Thread(target=work)
    early.start()
    started.wait()
    with proof.audit() as report:
        late = threading.Thread(target=work)
        late.start()
        go.set()
        early.join()
        late.join()
        zlib.crc32(b"x")
    assert row(report, "zlib.crc32").calls == 7


def test_python_code_that_a_callable_calls_is_not_charged_to_it() -> None:
    def key(value: int) -> int:
        until = time.perf_counter() + HOLD / 10
        while time.perf_counter() < until:
            pass
        return value

    with proof.audit() as report:
        sorted(range(10), key=key)
    found = row(report, "builtins.sorted")
    assert found.wall_ms >= HOLD * 1e3
    assert found.held_ms < 0.5 * found.wall_ms


def test_call_that_raises_is_counted() -> None:
    with proof.audit() as report:
        for _ in range(5):
            with pytest.raises(zlib.error):
                zlib.decompress(b"x")
    assert row(report, "zlib.decompress").calls == 5


def test_calls_from_generators_and_nested_calls_are_each_counted() -> None:
    def numbers() -> object:
        for i in range(4):
            yield zlib.crc32(bytes(i))

    with proof.audit() as report:
        assert len(list(numbers())) == 4  # type: ignore[call-overload]
        max(map(lambda i: zlib.crc32(b"x"), range(6)))
    assert row(report, "zlib.crc32").calls == 10


def test_audits_do_not_nest_and_leave_nothing_behind() -> None:
    with proof.audit(), pytest.raises(RuntimeError, match="going on already"), proof.audit():
        pass
    assert _trace.redirected() == 0
    assert sys.getprofile() is None
    with proof.audit() as again:
        zlib.crc32(b"x")
    assert row(again, "zlib.crc32").calls == 1


def test_what_a_block_raises_comes_out_and_the_report_is_complete() -> None:
    with pytest.raises(ZeroDivisionError), proof.audit() as report:
        zlib.crc32(b"x")
        _ = 1 / 0
    assert row(report, "zlib.crc32").calls == 1


def test_package_and_version_of_a_foreign_callable() -> None:
    import numpy as np

    with proof.audit() as report:
        np.empty(3).copy()
    found = row(report, "numpy.ndarray.copy")
    assert (found.package, found.version, found.own) == ("numpy", np.__version__, False)


def test_module_has_the_name_that_it_was_imported_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types of some extensions know only its last part, which tells nothing of the package."""

    def imported(name: str, file: str) -> None:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        sys.modules[name].__file__ = file

    imported("vendor._camera", f"_camera{EXTENSION_SUFFIXES[0]}")
    assert _full_name("_camera") == "vendor._camera"
    imported("python._camera", "_camera.py")
    assert _full_name("_camera") == "vendor._camera"
    imported("other._camera", f"_camera{EXTENSION_SUFFIXES[0]}")
    assert _full_name("_camera") == "_camera"


def test_function_that_is_bound_to_something_hidden_has_its_own_name() -> None:
    """Those of pybind11 are bound to a record of theirs."""

    class Definition(ctypes.Structure):
        _fields_ = (
            ("name", ctypes.c_char_p),
            ("function", ctypes.c_void_p),
            ("flags", ctypes.c_int),
            ("doc", ctypes.c_char_p),
        )

    function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.py_object)(max)
    takes_one_object = 8  # METH_O
    definition = Definition(b"wait", ctypes.cast(function, ctypes.c_void_p), takes_one_object)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, *[ctypes.py_object] * 2]
    wait = make(ctypes.addressof(definition), 3, "vendor")
    assert wait.__qualname__ == "int.wait"
    with proof.audit() as report:
        assert wait(5) == 5
    assert "vendor.wait" in {row.callable for row in report.rows}


def test_other_tools_go_on() -> None:
    seen = []

    def tracer(frame: FrameType, event: str, argument: Any) -> Any:
        seen.append(event)
        return tracer

    sys.settrace(tracer)
    try:
        with proof.audit() as report:
            threading.current_thread()
            zlib.crc32(b"x")
    finally:
        sys.settrace(None)
    assert "call" in seen
    assert row(report, "zlib.crc32").calls == 1


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="it has room for several tools")
def test_other_profiler_is_refused_by_name_and_goes_on() -> None:
    def profiler(frame: object, event: str, argument: object) -> None:
        pass

    sys.setprofile(profiler)
    try:
        with pytest.raises(RuntimeError, match="another profiler"), proof.audit():
            pass
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
    assert _trace.redirected() == 0


def test_objects_are_not_kept_alive() -> None:
    import io
    import weakref

    class File(io.BytesIO):
        pass

    with proof.audit():
        file = File()
        file.write(b"x")
        gone = weakref.ref(file)
        del file
        assert gone() is None


# ------------------------------------------------------------------------------- the commands

PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
import {control}
{control}.wait(0.15)
print(*sys.argv[1:])
"""


def audited(control: str, tmp_path: Path, *options: str) -> Script:
    controls.build(control)
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(folder=str(controls.folder()), control=control))
    script = "import sys; from hwsim.cli import main; sys.exit(main(['audit', *sys.argv[1:]]))"
    return run_script(script, *options, str(path), "--one", "two")


def test_command_shows_a_table(tmp_path: Path) -> None:
    done = audited("holds", tmp_path, "--fail-on", "10s")
    assert done.returncode == 0, done
    assert done.stdout.startswith("--one two\n")
    assert "holds.wait" in done.stdout
    assert "held" in done.stdout


def test_command_prints_json_alone(tmp_path: Path) -> None:
    done = audited("holds", tmp_path, "--json", "--fail-on", "100ms", "--allow", "holds.*")
    assert done.returncode == 0, done
    rows = json.loads(done.stdout)["rows"]
    assert rows[0]["module"] == "holds"
    assert rows[0]["verdict"] == "held"
    assert done.stderr == "--one two\n"


@pytest.mark.parametrize(("control", "status"), [("holds", 1), ("right", 0)])
def test_exit_status_for_ci(control: str, status: int, tmp_path: Path) -> None:
    """The tests above have calls that are allowed, and shorter ones than those that fail."""
    done = audited(control, tmp_path, "--fail-on", "100ms")
    assert done.returncode == status, done
    assert ("holds.wait held the GIL for" in done.stderr) == bool(status)


def test_command_runs_a_module_and_passes_its_status_on() -> None:
    script = "import sys; from hwsim.cli import main; sys.exit(main(['audit', *sys.argv[1:]]))"
    assert run_script(script, "-m", "no_such_module").returncode == 1
    assert "usage" in run_script(script, "-m", "json.tool", "--help").stdout
    assert run_script(script, "no-such-file.py").returncode == 1


SUITE = """
import sys
sys.path.insert(0, {folder!r})

def test_it():
    import holds
    holds.wait(0.15)
"""


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ([], 0),
        (["--gil-audit"], 0),
        (["--gil-audit-fail-on=100ms"], 1),
        (["--gil-audit-fail-on=100ms", "--gil-audit-allow=holds.*"], 0),
        (["--gil-audit-fail-on=100"], 4),
    ],
)
def test_pytest_plugin(options: list[str], status: int, tmp_path: Path) -> None:
    controls.build("holds")
    path = tmp_path / "test_suite.py"
    path.write_text(SUITE.format(folder=str(controls.folder())))
    script = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    alone = [f"--rootdir={tmp_path}", "-pno:cacheprovider", "-pno:hypothesispytest"]
    done = run_script(script, str(path), *alone, *options)
    assert done.returncode == status, done
    assert ("holds.wait" in done.stdout) == (bool(options) and status != 4)


@pytest.mark.parametrize(("text", "ms"), [("100ms", 100), ("0.1s", 100), ("50 us", 0.05)])
def test_duration(text: str, ms: float) -> None:
    assert milliseconds(text) == pytest.approx(ms)


@pytest.mark.parametrize("text", ["100", "ms", "-1ms", "1h", ""])
def test_wrong_duration(text: str) -> None:
    with pytest.raises(ValueError, match="with a unit"):
        milliseconds(text)
