"""Errors: every code through the public API, whole, in the right thread, and what follows."""

from __future__ import annotations

import copy
import pickle
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import hwsim
from calls import BLOCKING
from conftest import LIMIT, OpenDevice, in_thread, parallelize, run_script
from hwsim import errors
from hwsim.errors import HwsimError

VIRTUAL = "latency=1ms&clock=virtual"
Producer = Callable[[OpenDevice], object]


def forked() -> HwsimError:
    """The error of an inherited device, from the child to here."""
    output = run_script("""
        import os, pickle
        import hwsim

        device = hwsim.open("hwsim://parent?latency=0s")
        if os.fork() == 0:
            try:
                device.read_register(0x40)
            except hwsim.HwsimError as error:
                print(pickle.dumps(error).hex(), flush=True)
            os._exit(0)
        os.wait()
    """).check()
    error = pickle.loads(bytes.fromhex(output))
    assert isinstance(error, HwsimError)
    return error


def injected(kind: str) -> Producer:
    return lambda open_device: open_device(f"{VIRTUAL}&fault={kind}").read_register(0x40)


def closed(open_device: OpenDevice) -> object:
    device = open_device()
    device.close()
    return device.read_register(0x40)


def cancelled(open_device: OpenDevice) -> object:
    token = hwsim.CancelToken()
    token.cancel()
    return open_device().read_register(0x40, cancel=token)


def raise_forked(_: OpenDevice) -> object:
    raise forked()


# code: class, builtin base, operation, message, how to get it
EXPECTED: dict[int, tuple[type[HwsimError], type[Exception], str, str, Producer]] = {
    1: (errors.DeviceTimeout, TimeoutError, "read_register", "answer", injected("timeout")),
    2: (errors.BusError, OSError, "read_register", "bus error", injected("bus")),
    3: (errors.CRCError, OSError, "read_register", "CRC error", injected("crc")),
    4: (errors.DeviceBusy, OSError, "read_register", "busy", injected("busy")),
    5: (
        errors.DeviceDisconnected,
        ConnectionError,
        "read_register",
        "disconnected",
        injected("disconnect"),
    ),
    6: (errors.DeviceClosed, ConnectionError, "read_register", "is closed", closed),
    7: (errors.OperationCancelled, RuntimeError, "read_register", "cancelled", cancelled),
    8: (
        errors.NotFound,
        KeyError,
        "find_register",
        "'NOPE'",
        lambda open_device: open_device().registers["NOPE"],
    ),
    9: (
        errors.DeviceInUse,
        OSError,
        "open",
        "already open",
        lambda open_device: hwsim.open(open_device().uri),
    ),
    10: (errors.AddressError, IndexError, "read_register", "0x28", lambda o: o()[0x28]),
    11: (
        errors.AccessError,
        PermissionError,
        "write_register",
        "ID .*read-only",
        lambda o: o().write_register(0, 1),
    ),
    12: (
        errors.InvalidArgument,
        ValueError,
        "set_signal",
        "amplitude",
        lambda o: o().set_signal(0, amplitude=1e9),
    ),
    13: (errors.Overrun, OSError, "read_register", "lost", injected("overrun")),
    14: (errors.FirmwareError, RuntimeError, "read_register", "firmware", injected("firmware")),
    15: (errors.StateError, RuntimeError, "advance", "manual", lambda o: o().advance(1)),
    16: (errors.OutOfMemory, MemoryError, "read_register", "memory", injected("memory")),
    17: (errors.DeviceForked, RuntimeError, "read_register", "open it again", raise_forked),
    18: (errors.InternalError, RuntimeError, "read_register", "internal", injected("internal")),
}
WITHOUT_DEVICE = {8}  # found in the map of every device


def subclasses(cls: type[HwsimError]) -> list[type[HwsimError]]:
    return [leaf for child in cls.__subclasses__() for leaf in [child, *subclasses(child)]]


def codes_of_the_c_header() -> dict[str, int]:
    header = Path(__file__).parents[1] / "hwsim" / "include" / "hwsim" / "hwsim.h"
    text = header.read_text(encoding="utf-8")
    table = text[text.index("#define HWSIM_ERRORS(X)") : text.index("typedef enum hwsim_error")]
    return {name: int(code) for name, code in re.findall(r"X\((\w+), (\d+),", table)}


def test_every_code_of_the_c_interface_has_a_class_and_a_test() -> None:
    header = codes_of_the_c_header()
    codes = set(header.values()) - {header["OK"], header["EPENDING"]}  # neither is an error
    assert len(codes) == 18
    assert codes == set(EXPECTED)
    assert codes == {cls.code for cls in subclasses(HwsimError)} - {0}


@pytest.mark.parametrize("code", EXPECTED)
def test_error_of_each_code_is_complete(code: int, open_device: OpenDevice) -> None:
    cls, builtin, operation, message, produce = EXPECTED[code]
    with pytest.raises(HwsimError) as caught:
        produce(open_device)
    error = caught.value
    assert type(error) is cls and isinstance(error, builtin)
    assert (error.code, error.operation) == (code, operation)
    assert re.search(message, error.message, re.IGNORECASE)
    named = [device.name for device in open_device.devices] or ["parent"]
    assert error.device == ("" if code in WITHOUT_DEVICE else named[0])
    origin = f"{error.device} {operation}".strip()
    assert str(error) == f"{origin}: {error.message}"
    assert error.args == (error.message,)


@pytest.mark.parametrize("code", EXPECTED)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_error_of_each_code_survives_pickling(code: int, protocol: int) -> None:
    error = errors.from_code(code, "what went wrong", "daq0", "read_register")
    error.partial = [1, 2]
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert (again.code, again.device, again.operation, again.message, again.partial) == (
        code, "daq0", "read_register", "what went wrong", [1, 2],
    )  # fmt: skip
    assert (str(again), again.args) == (str(error), error.args)


def test_error_can_be_copied_with_its_notes() -> None:
    """Notes carry what a user's own code adds on the way, to the other side of a pool as well."""
    error = errors.BusError("message", "daq0", "reset")
    error.add_note("while the heater was on")
    for again in copy.copy(error), pickle.loads(pickle.dumps(error)):
        assert str(again) == str(error)
        assert again.__notes__ == ["while the heater was on"]


def test_unknown_code_is_an_internal_error() -> None:
    assert type(errors.from_code(999, "?", "", "")) is errors.InternalError


def test_error_without_origin_is_just_its_message() -> None:
    assert str(errors.NotFound("no such thing")) == "no such thing"


@pytest.mark.parametrize("cls", [errors.BusError, errors.CRCError])
def test_transfer_errors_have_a_base_of_their_own(cls: type[HwsimError]) -> None:
    assert issubclass(cls, errors.TransferError)


def test_os_errors_do_not_take_their_arguments_for_an_errno() -> None:
    error = errors.BusError("message", "daq0", "reset")
    assert (error.errno, error.filename) == (None, None)


# -------------------------------------------------------------------------- foreign exceptions


def test_foreign_exception_becomes_a_runtime_error(open_device: OpenDevice) -> None:
    with pytest.raises(RuntimeError) as caught:
        injected("foreign")(open_device)
    assert type(caught.value) is RuntimeError
    assert str(caught.value) == "Unexpected exception"


@pytest.mark.parametrize("policy", ["auto", "release", "hold"])
def test_interpreter_is_healthy_after_foreign_exceptions(
    policy: hwsim.gil.Policy, open_device: OpenDevice
) -> None:
    """A handler that runs without the GIL, or leaves it released, crashes or deadlocks here."""
    other = open_device("latency=0s")
    waiting = in_thread(lambda: other.wait_register(0x40, 1, 1, timeout=LIMIT))
    other.wait_pending(1, timeout=LIMIT)
    with hwsim.gil.policy(policy):
        device = open_device("latency=1ms&fault=foreign~1")
        for _ in range(20):
            with pytest.raises(RuntimeError, match=r"^Unexpected exception$"):
                device.read_register(0x40)
        device.clear_faults()
        before = hwsim.gil.releases()
        assert device[0x40] == 0
        assert hwsim.gil.releases() - before <= 1
    other[0x40] = 1
    assert waiting.result(LIMIT) == 1


def test_foreign_exceptions_in_many_threads(open_device: OpenDevice) -> None:
    def work(i: int) -> int:
        device = devices[i]
        caught = 0
        for n in range(200):
            try:
                device.write_register(0x40, n)
            except RuntimeError as error:
                assert str(error) == "Unexpected exception"
                caught += 1
        return caught

    devices = [open_device(f"latency=0s&fault=foreign~0.5&seed={i}") for i in range(8)]
    assert all(60 < caught < 140 for caught in parallelize(work, 8))


# -------------------------------------------------------------------------------- many threads


def test_each_thread_gets_its_own_error(open_device: OpenDevice) -> None:
    """16 threads fail at once, each in another way; a shared last error would mix them up."""
    kinds = {
        "bus": errors.BusError,
        "crc": errors.CRCError,
        "busy": errors.DeviceBusy,
        "overrun": errors.Overrun,
        "firmware": errors.FirmwareError,
        "memory": errors.OutOfMemory,
        "internal": errors.InternalError,
        "timeout": errors.DeviceTimeout,
    }
    classes = list(kinds.values()) * 2
    devices = [open_device(f"{VIRTUAL}&fault={kind}~1") for kind in [*kinds, *kinds]]

    def work(i: int) -> None:
        device = devices[i]
        for _ in range(30):
            for operation in "read_register", "write_block", "reset":
                with pytest.raises(HwsimError) as caught:
                    BLOCKING[operation](device)
                assert type(caught.value) is classes[i]
                assert (caught.value.device, caught.value.operation) == (device.name, operation)

    parallelize(work, 16)


def test_errors_at_one_moment_on_one_device_reach_all(open_device: OpenDevice) -> None:
    device = open_device("latency=1s&clock=manual&timeout=inf")
    barrier = threading.Barrier(9)

    def work(i: int) -> str:
        barrier.wait(LIMIT)
        with pytest.raises(errors.DeviceDisconnected) as caught:
            if i % 2:
                device.read_register(0x40)
            else:
                device.write_register(0x40, 1)
        return caught.value.operation

    futures = [in_thread(lambda i=i: work(i)) for i in range(8)]  # type: ignore[misc]
    barrier.wait(LIMIT)
    device.wait_pending(8, timeout=LIMIT)
    device.inject("disconnect")
    results = [future.result(LIMIT) for future in futures]
    assert results == ["write_register", "read_register"] * 4


def test_error_leaves_no_trace_in_the_next_call(open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault=crc@1")
    with pytest.raises(errors.CRCError):
        device.read_register(0x40)
    assert device.read_register(0x40) == 0
    with pytest.raises(errors.AddressError):
        device.read_register(0x28)


def test_repr_has_device_and_operation(open_device: OpenDevice) -> None:
    """It is all that some logs show."""
    device = open_device("latency=0s&fault=crc")
    with pytest.raises(hwsim.errors.CRCError) as caught:
        device.read_voltage(0)
    assert repr(caught.value).startswith(f"CRCError('{device.name} read_voltage: CRC error")
