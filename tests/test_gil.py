"""The GIL: which calls release it, when, and that this can be seen."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import hwsim
from calls import BLOCKING, IMAGE, LONG
from conftest import LIMIT, OpenDevice, in_thread, needs_gil, parallelize, run_script
from hwsim import _native, gil
from hwsim.device import FaultKind

Call = Callable[[hwsim.Device], object]


class Native(NamedTuple):
    """A wrapped function.

    Attributes:
        cpp: Its C++ name, as in gil.declared().
        policy: What is declared for it.
        call: One call; those that wait get a ``limit`` if it needs one to end.
    """

    cpp: str
    policy: str
    call: Call


def values() -> Any:
    return np.zeros(2, np.uint32)


def disconnect(device: hwsim.Device) -> None:
    with contextlib.suppress(hwsim.errors.StateError):  # nothing is connected
        device.disconnect(0)


def set_signal(device: hwsim.Device) -> None:
    device._set_signal(0, (0, 1, 0, 0, 0, 0, 0, 0, 0, 10, 0), None)


def read(device: hwsim.Device, timeout: float | None = None) -> None:
    """Reads a sample that is there at once, or with a timeout one that does not come."""
    device.stream(1e9 if timeout is None else 0.001).read(1, timeout=timeout)


def when_blocking(cpp: str, call: Call) -> Native:
    return Native(f"hwsim::device::{cpp}", "when blocking", call)


def hold(cpp: str, call: Call) -> Native:
    return Native(cpp, "hold", call)


def release(cpp: str, call: Call) -> Native:
    return Native(cpp, "release", call)


N: Any = _native.Device  # its methods, also those that device.py completes
NATIVE = {
    # What waits for the bus.
    "Device.read_register": when_blocking("read_register", lambda d: N.read_register(d, 0x40)),
    "Device._read_register": when_blocking(
        "read_register", lambda d: N._read_register(d, 0x40, None, None)
    ),
    "Device.write_register": when_blocking(
        "write_register", lambda d: N.write_register(d, 0x40, 1)
    ),
    "Device._write_register": when_blocking(
        "write_register", lambda d: N._write_register(d, 0x40, 1, None, None)
    ),
    "Device.__getitem__": when_blocking("read_register", lambda d: d[0x40]),
    "Device.__setitem__": when_blocking("write_register", lambda d: d.__setitem__(0x40, 1)),
    "Device._read_block": when_blocking("read_block", lambda d: d._read_block(0x40, values())),
    "Device._write_block": when_blocking("write_block", lambda d: d._write_block(0x40, values())),
    "Device._read_bytes": when_blocking("read_bytes", lambda d: d._read_bytes(0x40, bytearray(4))),
    "Device._write_bytes": when_blocking("write_bytes", lambda d: d._write_bytes(0x40, b"1234")),
    "Device._update_register": when_blocking(
        "update_register", lambda d: d._update_register(0x40, 1, 1)
    ),
    "Device._wait_register": when_blocking("wait_register", lambda d: d._wait_register(0x40, 0, 0)),
    "Device._read_voltage": when_blocking("read_voltage", lambda d: d._read_voltage(0)),
    "Device._read_voltages": when_blocking(
        "read_voltages", lambda d: d._read_voltages(np.zeros(1, np.uint32), np.zeros(1))
    ),
    "Device._set_output": when_blocking("set_output", lambda d: d._set_output(0, 1)),
    "Device._reset": when_blocking("reset", lambda d: d._reset()),
    "Device._wait_connected": when_blocking("wait_connected", lambda d: d._wait_connected(True)),
    "Device._wait_pending": when_blocking("wait_pending", lambda d: d._wait_pending(0)),
    "Device._program_firmware": when_blocking("program_firmware", LONG["program_firmware"]),
    "Device._trigger": when_blocking("trigger", lambda d: d._trigger(1)),
    "Device.advance": when_blocking("advance", lambda d: d.advance(0)),
    "Subscription._next": Native(
        "hwsim::subscription::next", "when blocking", lambda d: d.events().read(timeout=0)
    ),
    "wait_free": Native(
        "hwsim::wait_free", "when blocking", lambda d: _native.wait_free("nobody-has-it")
    ),
    "Stream._read": Native("hwsim::stream::read", "when blocking", lambda d: read(d)),
    # What can take long without waiting.
    "Device._calibrate": release("hwsim::device::calibrate", LONG["calibrate"]),
    "check_firmware": release("hwsim::check_firmware", lambda d: _native.check_firmware(IMAGE)),
    "Device._set_signal": release("hwsim::device::set_signal", set_signal),
    "Device._connect": release(
        "hwsim::device::connect", lambda d: d._connect(0, (0, 1, 0, 0, 0, 0), None, None)
    ),
    "list_devices": release("hwsim::list_devices", lambda d: _native.list_devices()),
    # What cannot block.
    "Device.__init__": hold("hwsim::device::device", lambda d: hwsim.open(f"{d.uri}-new")),
    "Device._find_register": hold("hwsim::device::find_register", lambda d: d._find_register("ID")),
    "Device._description": hold("hwsim::device::description", lambda d: d._description()),
    "Device._firmware_version": hold(
        "hwsim::device::firmware_version", lambda d: d._firmware_version()
    ),
    "Device.clear_calibration": hold(
        "hwsim::device::clear_calibration", lambda d: d.clear_calibration(0)
    ),
    "Device._output": hold("hwsim::device::output", lambda d: d._output(0)),
    "Device._output_scale": hold("hwsim::device::output_scale", lambda d: d._output_scale(0)),
    "Device._connections": hold("hwsim::device::connections", lambda d: d._connections()),
    "Device.disconnect": hold("hwsim::device::disconnect", disconnect),
    "Stream.__init__": hold("hwsim::stream::stream", lambda d: d.stream(1)),
    "Stream.stop": hold("hwsim::stream::stop", lambda d: d.stream(1).stop()),
    "Stream._status": hold("hwsim::stream::status", lambda d: d.stream(1)._status()),
    "Stream._volts_per_code": hold(
        "hwsim::stream::volts_per_code", lambda d: d.stream(1)._volts_per_code(0)
    ),
    "Stream._start_ns": hold("hwsim::stream::start_ns", lambda d: d.stream(1)._start_ns()),
    "Device._is_connected": hold("hwsim::device::is_connected", lambda d: d._is_connected()),
    "Device._timer": hold("hwsim::device::timer", lambda d: d._timer()),
    "Device._set_timer": hold("hwsim::device::set_timer", lambda d: d._set_timer(1)),
    "Device._set_threshold": hold(
        "hwsim::device::set_threshold", lambda d: d._set_threshold(0, 1, 0)
    ),
    "Device.clear_threshold": hold(
        "hwsim::device::clear_threshold", lambda d: d.clear_threshold(0)
    ),
    "Subscription.__init__": hold("hwsim::subscription::subscription", lambda d: d.events()),
    "Subscription.close": hold("hwsim::subscription::close", lambda d: d.events().close()),
    "Subscription._is_open": hold("hwsim::subscription::is_open", lambda d: d.events().is_open),
    "Subscription._status": hold("hwsim::subscription::status", lambda d: d.events().status),
    "Device.close": hold("hwsim::device::close", N.close),
    "Device.cancel": hold("hwsim::device::cancel", lambda d: d.cancel()),
    "Device.clear_faults": hold("hwsim::device::clear_faults", lambda d: d.clear_faults()),
    "Device._is_open": hold("hwsim::device::is_open", lambda d: d._is_open()),
    "Device._name": hold("hwsim::device::name", lambda d: d._name()),
    "Device._config": hold("hwsim::device::config", lambda d: d._config()),
    "Device._timeout": hold("hwsim::device::default_timeout", lambda d: d._timeout()),
    "Device._set_timeout": hold("hwsim::device::set_default_timeout", lambda d: d._set_timeout(1)),
    "Device._transactions": hold("hwsim::device::transactions", lambda d: d._transactions()),
    "Device._pending": hold("hwsim::device::pending", lambda d: d._pending()),
    "Device._now_ns": hold("hwsim::device::now_ns", lambda d: d._now_ns()),
    "Device._default_signal": hold("hwsim::device::default_signal", lambda d: d._default_signal(0)),
    "Device._signal": hold("hwsim::device::signal", lambda d: d._signal(0)),
    "Device._inject": hold(
        "hwsim::device::inject", lambda d: d._inject(("spike", 10**6, 1, 1, 1, 0x40, 0, 0))
    ),
    "Model.__init__": hold("hwsim::model::model", lambda d: _native.Model(d._description())),
    "Model._description": hold(
        "hwsim::model::description", lambda d: _native.Model(d._description())._description()
    ),
    "CancelToken.__init__": hold(
        "hwsim::cancel_token::cancel_token", lambda d: _native.CancelToken()
    ),
    "CancelToken.cancel": hold(
        "hwsim::cancel_token::cancel", lambda d: hwsim.CancelToken().cancel()
    ),
    "CancelToken._is_cancelled": hold(
        "hwsim::cancel_token::is_cancelled", lambda d: hwsim.CancelToken().cancelled
    ),
    "put_back_package": hold("put_back_package", lambda d: _native.put_back_package()),
    "bind_methods": hold("bind_methods", lambda d: _native.bind_methods(type("D", (N,), {}))),
    "operations": hold("operations", lambda d: _native.operations()),
    "Device._behave": hold("hwsim::device::behave", lambda d: d._behave(d, [])),
    "transaction_get": hold("transaction_get", lambda d: _native.transaction_get(d, 0)),
    "transaction_set": hold("transaction_set", lambda d: _native.transaction_set(d, 0, 1, 1)),
    "transaction_set_later": hold(
        "transaction_set_later", lambda d: _native.transaction_set_later(d, 0.1, 0, 1, 1)
    ),
    "transaction_spend": hold("transaction_spend", lambda d: _native.transaction_spend(d, 0.1)),
    "transaction_now_ns": hold("transaction_now_ns", lambda d: _native.transaction_now_ns(d)),
    "transaction_claim": hold("transaction_claim", lambda d: _native.transaction_claim(d)),
    "gil_set_policy": hold(
        "gil_set_policy", lambda d: _native.gil_set_policy(gil.current_policy())
    ),
    "gil_get_policy": hold("gil_get_policy", lambda d: _native.gil_get_policy()),
    "gil_releases": hold("gil_releases", lambda d: _native.gil_releases()),
    "gil_declared": hold("gil_declared", lambda d: _native.gil_declared()),
    "gil_default": hold("gil_default", lambda d: _native.gil_default()),
}
# By the operations' table: what the policy of an operation is.
POLICY = {
    "when blocking": "when blocking",
    "computes": "release",
    "copies": "release",
    "in slices": "when blocking",
}
NOT_WRAPPED = {f"__{name}__" for name in ("hash", "lt", "le", "eq", "ne", "gt", "ge", "delitem")}
WHEN_BLOCKING = [name for name, native in NATIVE.items() if native.policy == "when blocking"]
HOLD = [name for name, native in NATIVE.items() if native.policy == "hold"]
RELEASE = [name for name, native in NATIVE.items() if native.policy == "release"]
# How long these take nobody knows beforehand: they release whenever they have to wait at all.
OPEN_ENDED = {
    "Device._wait_connected",
    "Device._wait_pending",
    "Device._wait_register",
    "Subscription._next",
}
NOT_PENDING = {
    "Device._wait_connected",
    "Device._wait_pending",
    "Device.advance",
    "Stream._read",
    "Subscription._next",
    "wait_free",
}


def releases_of(call: Call, device: hwsim.Device) -> int:
    """How often the call releases the GIL, whatever comes of it."""
    before = gil.releases()
    with contextlib.suppress(hwsim.HwsimError):
        call(device)
    return gil.releases() - before


# ------------------------------------------------------------------------- what is declared


def test_every_native_function_is_in_the_table_of_this_test() -> None:
    found = set()
    for name, value in vars(_native).items():
        if isinstance(value, type):
            found |= {
                f"{name}.{method}"
                for method, function in vars(value).items()
                if callable(function) and method not in NOT_WRAPPED
            }
        elif callable(value) and name != "operation":  # only makes an object; see aio.h
            found.add(name)
    assert found == set(NATIVE)


def test_policies_are_those_of_the_table() -> None:
    declared, default = gil.declared(), gil.default_policy()
    assert default == "hold"
    assert {n.cpp: n.policy for n in NATIVE.values()} == {
        n.cpp: declared.get(n.cpp, default) for n in NATIVE.values()
    }


def test_policies_follow_from_the_operations() -> None:
    """Whatever waits, computes or copies has a row, and is wrapped under the name in it."""
    expected = {
        "::".join(["hwsim", *([] if op.noun == "library" else [op.noun]), op.name]): POLICY[
            op.waits
        ]
        for op in hwsim.operations()
        if op.waits != "never"
    }
    declared = {name: policy for name, policy in gil.declared().items() if policy != "hold"}
    assert declared == expected
    assert set(expected) <= {native.cpp for native in NATIVE.values()}


# ------------------------------------------------------------------------------- what is done


@pytest.mark.parametrize("policy", ["auto", "release", "hold"])
@pytest.mark.parametrize("name", HOLD)
def test_hold_never_releases(name: str, policy: gil.Policy, open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=manual")
    with gil.policy(policy):
        assert releases_of(NATIVE[name].call, device) == 0


@pytest.mark.parametrize(("policy", "expected"), [("auto", 1), ("release", 1), ("hold", 0)])
@pytest.mark.parametrize("name", RELEASE)
def test_release_releases_once(
    name: str, policy: gil.Policy, expected: int, open_device: OpenDevice
) -> None:
    device = open_device("latency=0s")
    with gil.policy(policy):
        assert releases_of(NATIVE[name].call, device) == expected


@pytest.mark.parametrize(("policy", "expected"), [("auto", 0), ("release", 1), ("hold", 0)])
@pytest.mark.parametrize(
    "settings", ["latency=0s", "latency=2ms&clock=virtual", "latency=20us&timeout=inf"]
)
@pytest.mark.parametrize("name", WHEN_BLOCKING)
def test_when_blocking_does_not_release_for_a_short_wait(
    name: str, settings: str, policy: gil.Policy, expected: int, open_device: OpenDevice
) -> None:
    """Getting the GIL back beside a busy thread costs far more than such a wait."""
    device = open_device(settings)
    with gil.policy(policy):
        count = releases_of(NATIVE[name].call, device)
    waits = name == "Device._wait_register" and "20us" in settings
    assert count == (1 if waits and policy == "auto" else expected)


@pytest.mark.parametrize("policy", ["auto", "release"])
@pytest.mark.parametrize("name", [n for n in WHEN_BLOCKING if n not in NOT_PENDING])
def test_when_blocking_releases_once_for_a_long_wait(
    name: str, policy: gil.Policy, open_device: OpenDevice
) -> None:
    """An hour's latency, on the real clock; the wait is cancelled as soon as it is seen."""
    device = open_device("latency=3600s&timeout=inf")
    with gil.policy(policy):
        future = in_thread(lambda: releases_of(NATIVE[name].call, device))
        device.wait_pending(1, timeout=LIMIT)
        device.cancel()
        assert future.result(LIMIT) == 1


@pytest.mark.parametrize(("policy", "expected"), [("auto", 1), ("release", 1), ("hold", 0)])
@pytest.mark.parametrize("name", sorted(OPEN_ENDED))
def test_wait_for_what_may_never_come_releases_once(
    name: str, policy: gil.Policy, expected: int, open_device: OpenDevice
) -> None:
    """Also if its timeout is short: nothing but another thread may be what ends it."""
    device = open_device("latency=0s")
    calls: dict[str, Call] = {
        "Device._wait_register": lambda d: d._wait_register(0x40, 1, 1, 50e-6),
        "Device._wait_connected": lambda d: d._wait_connected(False, 50e-6),
        "Device._wait_pending": lambda d: d._wait_pending(1, 50e-6),
        "Subscription._next": lambda d: d.events().read(timeout=50e-6),
    }
    with gil.policy(policy):
        assert releases_of(calls[name], device) == expected


@pytest.mark.parametrize("name", [n for n in WHEN_BLOCKING if n not in NOT_PENDING])
def test_override_hold_does_not_release_for_a_long_wait(name: str, open_device: OpenDevice) -> None:
    device = open_device("latency=1ms&timeout=inf")
    with gil.policy("hold"):
        assert releases_of(NATIVE[name].call, device) == 0


@pytest.mark.parametrize("policy", ["auto", "release"])
@pytest.mark.parametrize("kind", ["crc", "foreign", "disconnect"])
def test_wait_that_fails_releases_once(
    kind: FaultKind, policy: gil.Policy, open_device: OpenDevice
) -> None:
    device = open_device(f"latency=1s&clock=manual&timeout=inf&fault={kind}@1")
    with gil.policy(policy):

        def fails(device: hwsim.Device) -> None:
            with pytest.raises(RuntimeError if kind == "foreign" else hwsim.HwsimError):
                device.read_register(0x40)

        future = in_thread(lambda: releases_of(fails, device))
        device.wait_pending(1, timeout=math.inf)
        device.advance(1)
        assert future.result(LIMIT) == 1


@pytest.mark.parametrize("policy", ["auto", "release"])
def test_looking_for_signals_during_a_wait_is_no_second_release(
    policy: gil.Policy, open_device: OpenDevice
) -> None:
    """The main thread looks every 50 ms, which takes the GIL back for a moment."""
    device = open_device("latency=120ms&timeout=inf")
    with gil.policy(policy):
        assert releases_of(lambda d: d.read_register(0x40), device) == 1


def test_destructors_do_not_release(name: str) -> None:
    device = hwsim.open(f"hwsim://{name}?latency=0s")
    token = hwsim.CancelToken()
    before = gil.releases()
    del device, token
    assert gil.releases() == before


def test_releases_are_counted_for_each_thread(open_device: OpenDevice) -> None:
    device = open_device("latency=0s")

    def work(i: int) -> int:
        before = gil.releases()
        for _ in range(i):
            set_signal(device)
        return gil.releases() - before

    assert parallelize(work, 6) == [0, 1, 2, 3, 4, 5]


# --------------------------------------------------------------------------------- the override


def test_policy_is_auto_unless_overridden() -> None:
    assert gil.current_policy() == "auto"


def test_policy_comes_back_at_the_end_of_the_block() -> None:
    with gil.policy("hold"):
        with gil.policy("release"):
            assert gil.current_policy() == "release"
        assert gil.current_policy() == "hold"
    assert gil.current_policy() == "auto"


def test_policy_comes_back_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), gil.policy("hold"):
        raise ZeroDivisionError
    assert gil.current_policy() == "auto"


def test_policy_without_a_block_stays() -> None:
    gil.policy("release")
    try:
        assert gil.current_policy() == "release"
    finally:
        gil.policy("auto")
    assert gil.current_policy() == "auto"


def test_unknown_policy_is_refused_and_changes_nothing() -> None:
    with pytest.raises(ValueError, match="'auto', 'release' or 'hold', got 'sometimes'"):
        gil.policy("sometimes")  # type: ignore[arg-type]
    assert gil.current_policy() == "auto"


def test_policy_may_change_during_a_call(open_device: OpenDevice) -> None:
    """Each call keeps to the policy it started with; a mix would release or retake twice."""
    device = open_device("latency=3600s&timeout=inf")
    for started, changed in ("auto", "hold"), ("release", "hold"), ("release", "auto"):
        with gil.policy(started):  # type: ignore[arg-type]
            future = in_thread(lambda: releases_of(lambda d: d.read_register(0x40), device))
            device.wait_pending(1, timeout=LIMIT)
            gil.policy(changed)  # type: ignore[arg-type]
            device.cancel()
            assert future.result(LIMIT) == 1


# ------------------------------------------------------------------------------------ the proof

PROOF = """
    import math, sys, threading
    import hwsim
    from calls import BLOCKING, IMAGE, LONG, UNSEEN

    hwsim.gil.policy(sys.argv[1])
    for name in sys.argv[2].split(","):
        device = hwsim.open("hwsim://proof?latency=0s&timeout=inf")

        def endless():
            if name not in ("wait_register", *UNSEEN):
                device.inject("timeout")
            try:
                BLOCKING[name](device)
            except hwsim.errors.DeviceClosed:
                print(name, "closed", flush=True)

        thread = threading.Thread(target=endless)
        print("started", flush=True)
        thread.start()
        if name not in UNSEEN:
            device.wait_pending(1, timeout=math.inf)
        device.close()
        thread.join()
"""


@pytest.mark.parametrize("policy", ["auto", "release"])
def test_endless_call_lets_other_threads_run(policy: str) -> None:
    """Without any timing: the main thread ends the call, or neither ever ends."""
    result = run_script(PROOF, policy, "wait_register")
    assert result.check().split("\n") == ["started", "wait_register closed", ""]


@needs_gil
def test_endless_call_that_holds_the_gil_stops_the_program() -> None:
    """The negative of the proof: the same program must not end. Otherwise it proves nothing."""
    result = run_script(PROOF, "hold", "wait_register", limit_after=("started", 3))
    assert (result.returncode, result.stdout) == (None, "started\n")


@pytest.mark.parametrize("policy", ["auto", "release"])
def test_every_blocking_call_lets_other_threads_run(policy: str) -> None:
    names = list(BLOCKING)
    output = run_script(PROOF, policy, ",".join(names)).check()
    assert [line for line in output.splitlines() if line != "started"] == [
        f"{name} closed" for name in names
    ]


def test_two_threads_wait_for_each_other(open_device: OpenDevice) -> None:
    """Each endless wait is ended by the other thread, 200 times; one held GIL would stop both."""
    one, other = open_device(), open_device()

    def serve(_: int) -> None:
        for n in range(1, 200):
            one[0x40] = n
            other.wait_register(0x40, 0xFFFF, n, timeout=math.inf)

    def answer(_: int) -> None:
        for n in range(1, 200):
            one.wait_register(0x40, 0xFFFF, n, timeout=math.inf)
            other[0x40] = n

    parallelize(lambda i: (serve, answer)[i](i), 2)
