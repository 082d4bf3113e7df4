"""The bindings in examples/: an SDK of ours, sqlite and libmodbus, each in both kinds of module."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bindings
from conftest import run_script
from hwsim import proof

EXAMPLES = Path(__file__).parent.parent / "examples"
LINES = {"vendor_sdk/scope.i": 40, "sqlite/sqlite.i": 49, "modbus/modbus.i": 74}
SETUP = """
    import array, gc, os, signal, sys, threading, time
    sys.path[:0] = sys.argv[1:]

    def error(call, *arguments):
        try:
            call(*arguments)
        except BaseException as error:
            return error
        raise AssertionError("no error")

    def interrupt(seconds=0.2):
        pid = os.getpid()
        threading.Timer(seconds, os.kill, (pid, signal.SIGINT)).start()
"""


OTHERS = [kind for kind in bindings.FLAGS if kind != "proxies"]


@pytest.fixture(params=bindings.ALL_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def check(name: str, kind: str, source: str) -> None:
    folder = bindings.module(name, kind)
    script = run_script(source, folder, str(EXAMPLES / name), setup=SETUP)
    assert (script.returncode, script.stderr) == (0, ""), script


@pytest.mark.parametrize("path", LINES)
def test_interface_is_short(path: str) -> None:
    assert len((EXAMPLES / path).read_text().splitlines()) <= LINES[path]


def test_scope_raises_what_its_statuses_say(kind: str) -> None:
    check(
        "vendor_sdk",
        kind,
        """
        import scope
        failed = error(scope.scope, "nope")
        assert (type(failed), str(failed), failed.code) == (
            scope.ScopeError, "there is no such scope", -4)
        device = scope.scope("scope0")
        assert device.set_range(2.0) is None and device.range() == 2.0
        assert error(device.wait, scope.SCOPE_RISING, 5, 1).code == -1
        assert isinstance(error(device.wait, scope.SCOPE_RISING, 5, 1), TimeoutError)
        assert str(error(device.wait, 7, 1, 1)).endswith("(1, 2), got 7")
        volts = array.array("f", [0] * 4)
        device.read(volts)
        assert volts[0] == -2.0
        """,
    )


def test_scope_calls_back(kind: str) -> None:
    check(
        "vendor_sdk",
        kind,
        """
        import scope
        device = scope.scope("scope0")
        done = []
        device.self_test(done.append)
        assert len(done) == 100 and done[-1] == 1.0
        assert isinstance(error(device.self_test, lambda done: 1 / 0), ZeroDivisionError)
        got, called = [], threading.Event()
        device.subscribe(lambda samples: (got.append(samples), called.set()))
        assert called.wait(60)
        assert got[0].format == "h" and len(got[0]) == 100
        device.subscribe(None)

        failed = threading.Event()
        def fails(samples):
            device.subscribe(None)
            failed.set()
            raise KeyError("late")
        device.subscribe(fails)
        assert failed.wait(60)
        while not isinstance(raised := error(device.wait, 1, 5, 1), KeyError):
            assert isinstance(raised, scope.ScopeTimeout)
        """,
    )


def test_scope_closes_whatever_goes_on(kind: str) -> None:
    """An error that waits does not refuse it; the thread that calls back is joined."""
    check(
        "vendor_sdk",
        kind,
        """
        import scope, weakref
        sys.unraisablehook = lambda unraisable: None
        device = scope.scope("scope0")
        called = threading.Event()
        def fails(samples):
            called.set()
            raise KeyError
        device.subscribe(fails)
        assert called.wait(60)
        device.close()
        device.close()
        assert isinstance(error(device.range), ValueError)
        assert isinstance(error(scope.scope, "scope1"), KeyError)

        device = scope.scope("scope1")  # closed by another thread, in a call
        threading.Timer(0.1, device.close).start()
        assert isinstance(error(device.wait, 1, 10**9, 2**31 - 1), (scope.ScopeError, ValueError))

        closed = threading.Event()  # closed in its own callback
        device = scope.scope("scope2")
        device.subscribe(lambda samples: (device.close(), closed.set()))
        assert closed.wait(60)
        assert "closed" in str(error(device.range))

        device = scope.scope("scope3")
        assert isinstance(error(device.self_test, lambda done: device.close()), RuntimeError)
        with device:
            pass
        assert "closed" in str(error(device.range))

        class Handler:  # what it was given is let go
            def __call__(self, samples):
                pass
        handler = Handler()
        known = weakref.ref(handler)
        device = scope.scope("scope4")
        device.subscribe(handler)
        del handler, device
        gc.collect()
        assert known() is None
        """,
    )


def test_scope_obeys_ctrl_c(kind: str) -> None:
    check(
        "vendor_sdk",
        kind,
        """
        import scope
        device = scope.scope("scope0")
        interrupt()
        assert isinstance(error(device.wait, 1, 10**9, 2**31 - 1), KeyboardInterrupt)
        device.wait(1, 1, 1000)
        """,
    )


LONG = "with recursive c(x) as (select 1 union all select x+1 from c) select count(*) from c"


def test_sqlite(kind: str) -> None:
    check(
        "sqlite",
        kind,
        f"""
        import sqlite
        failed = error(sqlite.Connection, "/no/such/folder/x")
        assert (str(failed), failed.code) == ("unable to open database file", 14)
        db = sqlite.Connection(":memory:")
        db.execute("create table t (a)")
        assert str(error(db.execute, "nonsense")) == 'near "nonsense": syntax error'
        rows = []
        db.on_update(lambda operation, database, table, row: rows.append((table, row)))
        db.execute("insert into t values (5), (6)")
        assert rows == [("t", 1), ("t", 2)] and db.changes() == 2
        db.on_update(lambda *arguments: 1 / 0)
        assert isinstance(error(db.execute, "insert into t values (7)"), ZeroDivisionError)
        db.on_update(None)
        query = sqlite.Statement(db, "select a, a * 1.5, 'x' from t")
        assert query.step() == 100
        assert (query.column_int64(0), query.column_double(1)) == (5, 7.5)
        assert query.column_text(2) == "x"
        query.close()
        for call in db.execute, lambda sql: sqlite.Statement(db, sql).step():
            interrupt()
            assert isinstance(error(call, "{LONG}"), KeyboardInterrupt)
        threading.Timer(0.1, db.close).start()
        assert isinstance(error(db.execute, "{LONG}"), (sqlite.SqliteError, ValueError))
        assert "closed" in str(error(db.execute, "select 1"))
        """,
    )


@pytest.mark.parametrize(
    "kind", ["proxies", *(pytest.param(kind, marks=pytest.mark.long) for kind in OTHERS)]
)
def test_modbus(kind: str) -> None:
    check(
        "modbus",
        kind,
        """
        import modbus, server
        slave = server.Server()
        def connect():
            made = modbus.Connection("127.0.0.1", slave.port)
            made.connect()
            return made
        refused = error(modbus.Connection("127.0.0.1", 1).connect)
        assert isinstance(refused, modbus.ModbusError) and refused.code != 0
        connection, values = connect(), array.array("H", [0] * 4)
        connection.write_registers(2, array.array("H", [7, 8]))
        connection.write_register(0, 65535)
        connection.read_registers(0, values)
        assert list(values) == [65535, 0, 7, 8]
        bits = bytearray(3)
        connection.write_bits(1, b"\\1\\1")
        connection.read_bits(0, bits)
        assert bits == b"\\0\\1\\1"
        assert "illegal data address" in str(error(connection.read_registers, 99, values)).lower()

        def read(i):  # the library does not stand it: calls queue
            for _ in range(50):
                one = array.array("H", [0])
                connection.read_registers(i, one)
                wrong.extend([one[0]] if one[0] != values[i] else [])
        wrong = []
        threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
        [thread.start() for thread in threads], [thread.join() for thread in threads]
        assert not wrong

        slave.delay = 30
        connection.set_response_timeout(0, 50_000)
        assert isinstance(error(connection.read_registers, 0, values), TimeoutError)
        connection = connect()
        connection.set_response_timeout(600, 0)
        interrupt()
        assert isinstance(error(connection.read_registers, 0, values), KeyboardInterrupt)
        connection = connect()
        connection.set_response_timeout(600, 0)
        threading.Timer(0.1, connection.close).start()
        assert isinstance(error(connection.read_registers, 0, values), (OSError, ValueError))
        """,
    )


# The setup; calls that take long, and short ones; arguments for which those raise.
SUBJECTS: dict[str, tuple[Any, ...]] = {
    "vendor_sdk": (
        "import scope; device = scope.scope('scope0')",
        ("device.wait", 1, 400, 2**31 - 1),
        ("device.set_range", 1.0),
        [(99.0,), ("x",)],
    ),
    "sqlite": (
        "import sqlite; db = sqlite.Connection(':memory:')",
        ("db.execute", LONG.replace("from c)", "from c limit 2000000)")),
        ("db.execute", "select 1"),
        [("oops",), (5,)],
    ),
    "modbus": (
        "import array, modbus, server; slave = server.Server(); values = array.array('H', [0])\n"
        "def connection(delay):\n"
        "    made = modbus.Connection('127.0.0.1', slave.port); made.connect()\n"
        "    made.set_response_timeout(600, 0); slave.delay = delay; return made\n"
        "def read(delay): connection(delay).read_registers(0, values)\n"
        "one = connection(0)",
        ("read", 0.8),
        ("one.write_register", 0, 5),
        [(0, -1)],
    ),
}


# In every kind of module; one of each is enough for every day.
PROVED = [
    pytest.param(name, kind, marks=[] if kind == usual else pytest.mark.long)
    for name, usual in [("vendor_sdk", "builtin"), ("sqlite", "proxies"), ("modbus", "proxies")]
    for kind in bindings.FLAGS
]


def subject(name: str, kind: str) -> tuple[Any, ...]:
    imports, *calls = SUBJECTS[name]
    paths = [bindings.module(name, kind), str(EXAMPLES / name)]
    return f"import sys; sys.path[:0] = {paths!r}\n{imports}", *calls


@pytest.mark.parametrize(("name", "kind"), PROVED)
def test_calls_of_an_example_release_the_gil_and_obey_ctrl_c(name: str, kind: str) -> None:
    setup, long, _, _ = subject(name, kind)
    proof.assert_releases_gil(*long, setup=setup)
    proof.assert_interruptible(*long, setup=setup)


@pytest.mark.parametrize(("name", "kind"), PROVED)
def test_exit_in_a_call_of_an_example_is_clean(name: str, kind: str) -> None:
    setup, long, _, _ = subject(name, kind)
    proof.assert_exits_cleanly(*long, setup=setup)


@pytest.mark.parametrize(("name", "kind"), PROVED)
def test_calls_of_an_example_leak_nothing(name: str, kind: str) -> None:
    setup, _, short, errors = subject(name, kind)
    proof.assert_no_leak(*short, errors=errors, setup=setup)


# The others have locks of their own, which a child does not get free.
@pytest.mark.parametrize(("name", "kind"), PROVED[: len(bindings.FLAGS)])
def test_calls_of_the_scope_survive_fork_and_its_callbacks_are_safe(name: str, kind: str) -> None:
    setup, _, short, _ = subject(name, kind)
    proof.assert_survives_fork(*short, setup=setup)
    setup += """
def subscribe(handler): device.subscribe(handler); return device
def wait(device): device.wait(1, 50, 1000)
def close(device): device.close()
"""
    proof.assert_callbacks_safe("subscribe", run="wait", close="close", setup=setup)


@pytest.mark.long
@pytest.mark.parametrize("name", ["vendor_sdk", "sqlite"])
def test_example_is_built_by_setuptools(name: str, tmp_path: Path) -> None:
    """Module and extension, at the first time, with the flags of the installed package."""
    module = bindings.example(name)["interface"].stem
    shutil.copytree(EXAMPLES / name, tmp_path / name)
    path = f"{Path(bindings.swig()).parent}{os.pathsep}{os.environ['PATH']}"
    built = subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-lib", tmp_path / "out"],
        cwd=tmp_path / name,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    source = (
        f"import sys; sys.path.insert(0, sys.argv[1]); import {module}; print({module}.__file__)"
    )
    found = run_script(source, str(tmp_path / "out")).check()
    assert found.strip() == str(tmp_path / "out" / f"{module}.py")
