"""Each directive of the kit does what it says, in every kind of module alike.

tests/kit/zoo.i has one of each kind of parameter, result, callback and class.
"""

from __future__ import annotations

import textwrap

import pytest

import bindings
from conftest import run_script

SETUP = """
    import array, gc, inspect, sys, threading
    sys.path.insert(0, sys.argv[1])
    import zoo

    def error(call, *arguments, **named):
        try:
            call(*arguments, **named)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        raise AssertionError("no error")

    lion = zoo.animal(4)
"""


@pytest.fixture(params=bindings.ALL_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def check(kind: str, source: str, name: str = "zoo", setup: str = SETUP) -> None:
    script = run_script(source, bindings.module(name, kind), setup=setup)
    assert (script.returncode, script.stderr) == (0, ""), script


def test_exceptions_of_the_library_become_classes_of_the_module(kind: str) -> None:
    check(
        kind,
        """
        assert error(lion.flee) == "Escaped: it is gone"
        assert error(lion.break_down) == "RuntimeError: Unexpected exception"
        assert zoo.Escaped.__mro__[1:4] == (zoo.ZooError, RuntimeError, LookupError)
        assert zoo.ZooError.__module__ == "zoo"
        """,
    )


RANGES = [
    ("half", 3, 1.5),
    ("half", 1e39, "ValueError: value must be a number from -3.4e38 to 3.4e38, got 1e+39"),
    ("half", "x", "TypeError: value must be a number, got 'x' (str)"),
    ("turn", 1j, -1),
    ("turn", "x", "TypeError: value must be a complex number, got 'x' (str)"),
    ("turn32", 1e39, "ValueError: value must be a complex number of parts up to 3.4e38, got 1e+39"),
    ("grow", 4, 4),
    ("grow", 2, "ValueError: how must be one of zoo::SMALL, zoo::LARGE (1, 4), got 2"),
    ("paint", 1, 1),
    ("paint", 2**31, f"ValueError: how must be an integer from {-(2**31)} to 2147483647, "),
    ("flip", True, False),
    ("flip", 1, "TypeError: value must be True or False, got 1 (int)"),
    ("tiny", -128, -128),
    ("tiny", 128, "ValueError: value must be an integer from -128 to 127, got 128"),
    ("huge", 2**64 - 1, 2**64 - 1),
    ("huge", -1, "ValueError: value must be an integer from 0 to 18446744073709551615, got -1"),
    ("plain", -(2**63), -(2**63)),
    ("by_reference", 5, 5),
    ("by_reference", 2**31, "ValueError: value must be an integer from -2147483648 to 2147483647"),
]


def test_arguments_are_converted_or_named_with_their_range(kind: str) -> None:
    source = f"""
        for name, value, expected in {RANGES!r}:
            if isinstance(expected, str):
                assert error(getattr(zoo, name), value).startswith(expected), (name, value)
            else:
                assert getattr(zoo, name)(value) == expected, (name, value)
    """
    check(kind, source)


def test_none_is_refused_unless_it_is_allowed(kind: str) -> None:
    check(
        kind,
        """
        assert zoo.note("a", None) == "a-" and zoo.note("a", "b") == "ab"
        assert error(zoo.note, None, None).startswith("TypeError: text must be a string, got None")
        assert error(zoo.note, "a\\0", None).startswith("ValueError: text must be a string without")
        assert zoo.meet(lion, None) == 4 and zoo.meet(lion, lion) == 8
        for call in (zoo.meet, None, lion), (zoo.meet, 3, None), (zoo.copy, None):
            assert error(*call).startswith(("TypeError: one must be a ")), error(*call)
        assert zoo.copy(lion) == 4
        assert zoo.measure(lion) == [True, 4]
        raw = zoo.animal.__new__(zoo.animal)
        assert "has not been initialised: call __init__ first" in error(raw.legs)
        assert "one is a" in error(zoo.meet, raw, None)
        """,
    )


def test_overloads_say_what_they_got_and_what_they_take(kind: str) -> None:
    check(
        kind,
        """
        assert zoo.find(5) == "number 5" and zoo.find("x") == "name x"
        message = error(zoo.find, -1)
        assert "uint32_t is from 0 to 4294967295" in message and "Got: (-1,)" in message, message
        """,
    )


def test_buffers_take_either_order_and_any_count(kind: str) -> None:
    check(
        kind,
        """
        for code, total in ("h", 3), ("f", 3.5), ("d", 3.5):
            values = array.array(code, [1, 2] if code == "h" else [1, 2.5])
            assert zoo.sum(values) == total
        for code, most in ("h", 32767), ("f", 255):
            message = error(zoo.sum, array.array(code, [0] * (most + 1)))
            assert message == f"ValueError: values must hold at most {most} values, got {most + 1}"
        assert zoo.weigh(None) == -1 and zoo.weigh(array.array("d", [1])) == 1
        data = array.array("i", [0])
        zoo.fill(data)
        assert data[0] == 0x07070707
        assert error(zoo.fill, b"x") == "BufferError: data must be writable, got a read-only bytes"
        """,
    )


def test_callables_are_functions_on_the_thread_of_the_call(kind: str) -> None:
    check(
        kind,
        """
        assert zoo.apply(lambda i: i / 2, 4) == 3
        calls = []
        def fails(i):
            calls.append(i)
            raise KeyError(i)
        assert error(zoo.apply, fails, 4) == "KeyError: 0" and calls == [0]
        assert error(zoo.apply, lambda i: "x", 1) == (
            "TypeError: the result of the callback must be a number, got 'x' (str)")
        heard = []
        zoo.whisper(lambda text: heard.append(bytes(text)))  # its user pointer is no void *
        assert heard == [b"grr"]
        assert error(zoo.apply, 5, 1).startswith("TypeError: function must be callable or None")
        """,
    )


def test_callables_are_functions_on_threads_of_the_library(kind: str) -> None:
    check(
        kind,
        """
        got = []
        zoo.on_thread(got.append)
        assert got == ["there"]
        zoo.on_thread(lambda text: 1 / 0)
        lion.legs(), lion.shut()  # quick, and it closes: they are not refused
        assert error(zoo.release_for, 1) == "ZeroDivisionError: division by zero"
        zoo.release_for(1)  # once
        """,
    )


def test_closing_joins_a_thread_that_calls_back(kind: str) -> None:
    """It has no need of the GIL for that, and is not refused by what the callback has raised."""
    check(
        kind,
        """
        sys.unraisablehook = lambda unraisable: None
        called = threading.Event()
        def fails(text):
            called.set()
            raise KeyError(text)
        for end in "shut", "destructor":
            called.clear()
            cricket = zoo.cricket(fails)
            assert called.wait(60)
            if end == "shut":
                cricket.shut()
            del cricket
            assert error(zoo.release_for, 1) == "KeyError: 'chirp'"
        """,
    )


def test_directors_take_the_gil_and_their_errors_come_out(kind: str) -> None:
    check(
        kind,
        """
        class Counts(zoo.visitor):
            calls = 0
            def enter(self, number, name):
                self.calls += 1
                return number + len(name)
        counts = Counts()
        assert zoo.visit(counts, 3) == 15 and counts.calls == 4
        assert zoo.visit_on_thread(counts) == 5

        class Fails(Counts):
            def enter(self, number, name):
                self.calls += 1
                raise KeyError(number)
        fails = Fails()
        assert error(zoo.visit, fails, 3) == "KeyError: 0" and fails.calls == 1
        assert zoo.visit_on_thread(fails) == 0  # deferred
        assert error(zoo.release_for, 1) == "KeyError: 1"
        zoo.release_for(1)

        class FailsInNoexcept(Counts):
            def leave(self):
                raise KeyError("leave")
        fails = FailsInNoexcept()
        assert error(zoo.visit, fails, 2) == "KeyError: 'leave'"
        assert fails.calls == 2  # what would be called after that is not
        """,
    )


def test_what_touches_python_has_the_gil(kind: str) -> None:
    check(
        kind,
        """
        before = zoo.gil_releases()
        zoo.pair(1), lion.legs()
        assert zoo.gil_releases() == before
        zoo.release_for(0)
        assert zoo.gil_releases() == before + 1
        assert zoo.held_inside() == 3

        class Target:
            on_error = "raise"
            got = []
            def callback(self, value):
                self.got.append(value)
        target = Target()
        listener = zoo.listener(target)  # its constructor makes a callbacks::target
        listener.tell()
        assert target.got == [42]
        """,
    )


def test_handles_are_results_beside_a_status(kind: str) -> None:
    check(
        kind,
        """
        made, number = doors.open_well(5)
        assert number == 6 and type(made) is doors.door
        made.close()
        assert error(made.knock).startswith("ValueError: the ")
        assert doors.open_well(0) == [None, 1]
        """,
        "doors",
        SETUP.replace("zoo", "doors").replace("lion = doors.animal(4)", ""),
    )


def test_text_of_a_handle_is_what_the_call_returned(kind: str) -> None:
    """Not what others have made of it meanwhile, or left of it."""
    check(
        kind,
        """
        import doors, os, signal
        sign = doors.sign("open")
        assert (sign.read(), sign.copy()) == ("open", "open")
        signal.signal(signal.SIGINT, lambda *arguments: sign.write("shut"))
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        assert sign.wait() == "open" and sign.read() == "shut"
        sign.write("")
        assert sign.read() is None
        """,
        "doors",
        "import sys, threading; sys.path.insert(0, sys.argv[1])",
    )


def test_signatures_and_docstrings(kind: str) -> None:
    names = "(text, note, /)" if kind.startswith("builtin") else "(text, note)"
    check(
        kind,
        f"""
        assert str(inspect.signature(zoo.note)) == "{names}"
        assert str(inspect.signature(zoo.named)) == "(first, second=2)"
        assert zoo.named(first=1) == 12 and zoo.named(1, second=5) == 15
        assert "Override the declared policies" in zoo.gil_set_policy.__doc__
        """,
    )


def test_modules_share_what_is_one_for_the_process() -> None:
    """An error deferred by one module, the policy, and exceptions that pass through another one."""
    builtin, proxies = bindings.module("zoo", "builtin"), bindings.module("vendor_sdk", "proxies")
    source = """
        sys.path.insert(0, sys.argv[2])
        import scope
        zoo.on_thread(lambda text: 1 / 0)
        assert error(scope.scope, "scope0") == "ZeroDivisionError: division by zero"
        device = scope.scope("scope0")
        scope.gil_set_policy("hold")
        assert zoo.gil_get_policy() == "hold"
        zoo.gil_set_policy("auto")

        def inner(done):
            zoo.animal(1).flee()
        assert error(device.self_test, inner) == "Escaped: it is gone"
        device.close()
    """
    script = run_script(textwrap.dedent(source), builtin, proxies, setup=SETUP)
    assert (script.returncode, script.stderr) == (0, ""), script
