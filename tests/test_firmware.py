"""Firmware: images, updates, and what interrupts them. The old or the new one runs, never neither.

The image of most tests has three pages, so an update is ten operations on the bus: erase, write and
verify of each page, then the commit. Each operation is a stage at which something can go wrong.
"""

from __future__ import annotations

import math
import random
import struct
import traceback
import zlib
from collections.abc import Callable

import pytest

import hwsim
from conftest import LIMIT, OpenDevice, in_thread, run_script
from hwsim import errors
from hwsim.errors import (
    CRCError,
    DeviceBusy,
    DeviceClosed,
    DeviceDisconnected,
    DeviceTimeout,
    FirmwareError,
    InvalidArgument,
    OperationCancelled,
)
from hwsim.firmware import build_image, check_image

FACTORY, NEW, NEWER = 0x0001_0000, 0x0002_0001, 0x0003_0000
VERSION = 0x04  # the register
HEADER, PAGE = 32, 1024
PAYLOAD = bytes(random.Random(1).randbytes(2 * PAGE + 300))
IMAGE = build_image(NEW, PAYLOAD)
NEWER_IMAGE = build_image(NEWER, PAYLOAD[::-1])
OPERATIONS = 3 * 3 + 1
STAGES = range(1, OPERATIONS + 1)
REPORTS = [(done, 4) for done in range(5)]
VIRTUAL = "clock=virtual"


def runs(device: hwsim.Device) -> int:
    """The version that runs: what the device says and what its register says are the same."""
    version = device.firmware_version
    assert device.read_register(VERSION) == version
    return version


def reopened(device: hwsim.Device) -> hwsim.Device:
    """Closes the device, and opens one of the same name without faults."""
    device.close()
    return hwsim.open(f"hwsim://{device.name}?{VIRTUAL}")


# ------------------------------------------------------------------------------------------ images


def test_image_is_as_the_header_file_says() -> None:
    image = build_image(NEW, PAYLOAD)
    start = struct.pack("<8sIII", b"HWSIMFW1", NEW, len(PAYLOAD), zlib.crc32(PAYLOAD))
    assert image == start + struct.pack("<IQ", zlib.crc32(start), 0) + PAYLOAD


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [1, 2, PAGE - 1, PAGE, PAGE + 1, 2**18])
def test_good_image_passes_with_its_version(size: int, kind: Callable[[bytes], bytes]) -> None:
    """Its checksums are zlib's, and the library's own arithmetic must agree."""
    payload = random.Random(size).randbytes(size)
    assert check_image(kind(build_image(0xFFFF_FFFF, payload))) == 0xFFFF_FFFF
    assert build_image(0, kind(payload)) == build_image(0, payload)


@pytest.mark.parametrize(
    ("version", "size", "message"),
    [
        (-1, 1, "version must be from 0 to 4294967295, got -1"),
        (2**32, 1, "version must be from 0 to 4294967295, got 4294967296"),
        (1, 0, "payload must have from 1 to 262144 bytes, got 0"),
        (1, 2**18 + 1, "payload must have from 1 to 262144 bytes, got 262145"),
    ],
)
def test_image_that_cannot_be_is_not_built(version: int, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_image(version, bytes(size))


def test_every_bit_of_an_image_counts() -> None:
    """But the zeros that fill the header."""
    image = build_image(NEW, b"firmware")
    for byte in [*range(24), *range(HEADER, len(image))]:
        for bit in range(8):
            damaged = bytearray(image)
            damaged[byte] ^= 1 << bit
            with pytest.raises(FirmwareError):
                check_image(damaged)


def test_every_other_length_is_refused() -> None:
    image = build_image(NEW, b"firmware")
    for length in range(len(image)):
        with pytest.raises(FirmwareError, match=r"truncated|the payload has"):
            check_image(image[:length])
    with pytest.raises(FirmwareError, match="the payload has 9 bytes, the header says 8"):
        check_image(image + b"!")


def with_size(size: int) -> bytes:
    """A header whose checksum is right, and which announces a payload of this size."""
    start = struct.pack("<8sIII", b"HWSIMFW1", NEW, size, zlib.crc32(b""))
    return start + struct.pack("<IQ", zlib.crc32(start), 0)


BAD_IMAGES = {
    "empty": (b"", "the image is truncated: it has 0 bytes"),
    "no-header": (IMAGE[:31], "the image is truncated: it has 31 bytes"),
    "another-file": (b"\x7fELF" + IMAGE[4:], "this is no firmware image"),
    "header": (IMAGE[:9] + b"\x01" + IMAGE[10:], "the header is damaged"),
    "no-payload": (with_size(0), "the payload must have from 1 byte, got 0"),
    "huge": (with_size(2**18 + 1), "the payload must have .* got 262145"),
    "truncated": (IMAGE[:-1], "the payload has 2347 bytes, the header says 2348"),
    "longer": (IMAGE + b"\x00", "the payload has 2349 bytes, the header says 2348"),
    "payload": (IMAGE[:-1] + b"?", "the payload is damaged"),
    "older": (build_image(FACTORY - 1, PAYLOAD), "older than 0x00010000 that runs"),
}


@pytest.mark.parametrize("which", BAD_IMAGES)
def test_bad_image_is_refused_before_anything_is_erased(
    which: str, open_device: OpenDevice
) -> None:
    device = open_device(VIRTUAL)
    image, message = BAD_IMAGES[which]
    reports: list[tuple[int, int]] = []
    with pytest.raises(FirmwareError, match=message):
        device.program_firmware(image, progress=lambda *report: reports.append(report))
    assert (device.transactions, reports) == (0, [])
    assert runs(device) == FACTORY


def test_what_is_no_image_is_a_type_error(open_device: OpenDevice) -> None:
    device = open_device()
    for wrong in ("text", 5, [1, 2]):
        with pytest.raises(TypeError, match="image must be bytes, or have a buffer"):
            device.program_firmware(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="progress must be callable or None"):
        device.program_firmware(IMAGE, progress=1)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="retries must be from 0 to 100, got 101"):
        device.program_firmware(IMAGE, retries=101)
    assert device.transactions == 0


# ---------------------------------------------------------------------------------- a good update


@pytest.mark.parametrize("verify", [True, False])
def test_update_runs_from_its_end_on(verify: bool, open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    seen: list[tuple[int, int, int]] = []
    device.program_firmware(
        IMAGE,
        verify=verify,
        progress=lambda *report: seen.append((*report, device.firmware_version)),
    )
    assert device.transactions == (OPERATIONS if verify else 7)
    assert [report[:2] for report in seen] == REPORTS
    assert [version for *_, version in seen] == [FACTORY] * 4 + [NEW]
    assert runs(device) == NEW


@pytest.mark.parametrize("size", [1, PAGE, PAGE + 1, 2**18])
def test_pages_and_time_are_those_of_the_payload(size: int, open_device: OpenDevice) -> None:
    device = open_device("clock=virtual&latency=1us&bandwidth=1MB/s")
    device.program_firmware(build_image(NEW, bytes(size)))
    pages = -(-size // PAGE)
    assert device.transactions == 3 * pages + 1
    # Written and read back at 1 us a byte, 4 bytes for an erase, 16 for the commit.
    assert device.now == pytest.approx((2 * size + 4 * pages + 16 + 3 * pages + 1) * 1e-6)


def test_same_version_may_be_programmed_again_but_no_older_one(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device.program_firmware(NEWER_IMAGE)
    device.program_firmware(NEWER_IMAGE)
    with pytest.raises(FirmwareError, match="0x00020001, older than 0x00030000"):
        device.program_firmware(IMAGE)
    assert runs(device) == NEWER


def test_firmware_survives_close_and_a_reset(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device.program_firmware(IMAGE)
    device.reset()
    assert runs(device) == NEW
    with reopened(device) as again:
        assert runs(again) == NEW
        again.program_firmware(NEWER_IMAGE)
    with reopened(again) as again:
        assert runs(again) == NEWER
    assert runs(open_device(VIRTUAL)) == FACTORY  # another name, another instrument
    assert device.firmware_version == NEW  # of the closed handle


def test_registers_and_calibration_work_on_after_an_update(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device[0x40] = 5
    device.program_firmware(IMAGE)
    assert device[0x40] == 5


# ------------------------------------------------------------------------------------- power cuts


@pytest.mark.parametrize("back", ["reopen", "reconnect"])
@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("kind", ["power", "disconnect"])
@pytest.mark.parametrize("start", [FACTORY, NEW], ids=["first-bank", "second-bank"])
def test_power_cut_at_every_operation(
    start: int, kind: hwsim.device.FaultKind, verify: bool, back: str, open_device: OpenDevice
) -> None:
    """The old firmware runs after it, and the update can be done again."""
    for stage in STAGES if verify else range(1, 8):
        device = open_device(VIRTUAL)
        if start == NEW:
            device.program_firmware(IMAGE)
        device.inject(kind, at=device.transactions + stage)
        with pytest.raises(DeviceDisconnected):
            device.program_firmware(NEWER_IMAGE, verify=verify)
        assert device.firmware_version == start
        if back == "reopen":
            device = reopened(device)
        else:
            with pytest.raises(DeviceDisconnected):
                device.program_firmware(NEWER_IMAGE)
            device.inject("reconnect")
        assert runs(device) == start
        device.program_firmware(NEWER_IMAGE)
        assert runs(device) == NEWER
        with reopened(device) as device:
            assert runs(device) == NEWER


def test_power_cut_right_after_the_commit_leaves_the_new_firmware(open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault=power@{OPERATIONS + 1}")
    device.program_firmware(IMAGE)
    with pytest.raises(DeviceDisconnected):
        device.read_register(VERSION)
    device.inject("reconnect")
    assert runs(device) == NEW


@pytest.mark.parametrize("seed", range(20))
def test_any_history_of_updates_and_faults_leaves_old_or_new(
    seed: int, open_device: OpenDevice
) -> None:
    """A model of one line: what a call that returned has programmed runs, and nothing else."""
    choose = random.Random(seed)
    kinds: list[hwsim.device.FaultKind | None]
    kinds = ["power", "disconnect", "crc", "bus", "timeout", "corrupt", None]
    device, version = open_device(VIRTUAL), FACTORY
    for _ in range(30):
        kind = choose.choice(kinds)
        if kind:
            device.inject(kind, at=device.transactions + choose.randint(1, 12))
        image = build_image(version + choose.randint(0, 3), choose.randbytes(3 * PAGE - 5))
        try:
            device.program_firmware(
                image, verify=choose.random() < 0.8, retries=choose.randint(0, 1)
            )
            version = check_image(image)
        except hwsim.HwsimError:
            pass
        assert device.firmware_version == version
        device.clear_faults()
        device.inject("reconnect")
        if choose.random() < 0.3:
            device = reopened(device)
            open_device.devices.append(device)
        assert runs(device) == version


# ---------------------------------------------------------------------- faults of single operations

FAULTS: dict[hwsim.device.FaultKind, type[Exception]] = {
    "timeout": DeviceTimeout,
    "bus": errors.BusError,
    "crc": CRCError,
    "busy": DeviceBusy,
    "overrun": errors.Overrun,
    "firmware": FirmwareError,
    "memory": errors.OutOfMemory,
    "internal": errors.InternalError,
    "foreign": RuntimeError,
}


@pytest.mark.parametrize("kind", FAULTS)
def test_fault_at_any_operation_keeps_the_old_firmware(
    kind: hwsim.device.FaultKind, open_device: OpenDevice
) -> None:
    for stage in STAGES:
        device = open_device(f"{VIRTUAL}&fault={kind}@{stage}")
        with pytest.raises(FAULTS[kind]) as caught:
            device.program_firmware(IMAGE, exclusive=True)
        assert kind == "foreign" or getattr(caught.value, "operation", "") == "program_firmware"
        assert device.transactions == stage
        assert runs(device) == FACTORY  # and nobody is refused any more
        device.program_firmware(IMAGE)
        assert runs(device) == NEW


@pytest.mark.parametrize("seed", range(10))
def test_crc_faults_by_probability_end_attempts_until_one_has_none(
    seed: int, open_device: OpenDevice
) -> None:
    """The same seed needs the same number of attempts."""
    attempts = []
    for _ in range(2):
        device = open_device(f"{VIRTUAL}&seed={seed}&fault=crc~0.15")
        attempts.append(1)
        while device.firmware_version == FACTORY:
            try:
                device.program_firmware(IMAGE)
            except CRCError:
                assert device.firmware_version == FACTORY
                attempts[-1] += 1
        assert device.firmware_version == NEW
    assert attempts[0] == attempts[1]


@pytest.mark.parametrize("page", range(3))
def test_corrupted_page_is_found_and_written_again(page: int, open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault=corrupt@{3 * page + 2}")
    device.program_firmware(IMAGE)
    assert device.transactions == OPERATIONS + 3
    assert runs(device) == NEW


@pytest.mark.parametrize("retries", [0, 1, 3, 100])
def test_page_that_stays_corrupted_is_an_error(retries: int, open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault=corrupt~1")
    with pytest.raises(FirmwareError, match=f"page 0 differs after {retries} retries; the old"):
        device.program_firmware(IMAGE, retries=retries)
    assert device.transactions == 3 * (retries + 1)
    device.clear_faults()
    assert runs(device) == FACTORY


@pytest.mark.parametrize("retries", [1, 2, 3])
def test_as_many_retries_as_asked_for(retries: int, open_device: OpenDevice) -> None:
    """The last page is corrupted one time less than it may be, and once more."""
    last = 8  # its write
    for corrupted, good in ((retries, True), (retries + 1, False)):
        device = open_device(VIRTUAL)
        for attempt in range(corrupted):
            device.inject("corrupt", at=last + 3 * attempt)
        if good:
            device.program_firmware(IMAGE, retries=retries)
        else:
            with pytest.raises(FirmwareError, match=f"page 2 differs after {retries} retries"):
                device.program_firmware(IMAGE, retries=retries)
        assert runs(device) == (NEW if good else FACTORY)


@pytest.mark.parametrize("page", range(3))
def test_unverified_corruption_is_found_at_the_commit(page: int, open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault=corrupt@{2 * page + 2}")
    with pytest.raises(FirmwareError, match="the image in the device is damaged; the old firmware"):
        device.program_firmware(IMAGE, verify=False)
    assert device.transactions == 7
    assert runs(device) == FACTORY
    with reopened(device) as device:
        assert runs(device) == FACTORY
        device.program_firmware(IMAGE, verify=False)
        assert runs(device) == NEW


def test_image_that_changes_meanwhile_is_found_at_the_commit(open_device: OpenDevice) -> None:
    """The caller's buffer is in use until the call returns."""
    device, image = open_device(VIRTUAL), bytearray(IMAGE)

    def spoil(done: int, total: int) -> None:
        with pytest.raises(BufferError):
            image.append(0)
        image[HEADER + 5] ^= (done == 0) * 1

    with pytest.raises(FirmwareError, match="damaged"):
        device.program_firmware(image, progress=spoil)
    assert runs(device) == FACTORY


# ------------------------------------------------------------------------- the progress callback


@pytest.mark.parametrize("stage", range(5))
@pytest.mark.parametrize("exclusive", [False, True])
def test_exception_of_the_callback_ends_the_update(
    exclusive: bool, stage: int, open_device: OpenDevice
) -> None:
    """It reaches the caller as it is. At the last report the update is done: the new one runs."""
    device = open_device(VIRTUAL)
    mine = LookupError("mine")
    reports: list[tuple[int, int]] = []

    def fail_here(done: int, total: int) -> None:
        reports.append((done, total))
        if done == stage:
            raise mine

    with pytest.raises(LookupError) as caught:
        device.program_firmware(IMAGE, progress=fail_here, exclusive=exclusive)
    assert caught.value is mine
    assert mine.__context__ is None and mine.__cause__ is None
    assert [frame.name for frame in traceback.extract_tb(mine.__traceback__)][-1] == "fail_here"
    assert reports == REPORTS[: stage + 1]
    assert device.transactions == (OPERATIONS if stage == 4 else 3 * stage)
    assert runs(device) == (NEW if stage == 4 else FACTORY)
    device.program_firmware(NEWER_IMAGE)
    assert runs(device) == NEWER


@pytest.mark.parametrize("stage", range(4))
@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("token", OperationCancelled),
        ("device", OperationCancelled),
        ("close", DeviceClosed),
        ("disconnect", DeviceDisconnected),
        ("power", DeviceDisconnected),
    ],
)
def test_stopped_in_the_callback(
    how: str, error: type[Exception], stage: int, open_device: OpenDevice
) -> None:
    device, token = open_device(VIRTUAL), hwsim.CancelToken()
    actions: dict[str, Callable[[], object]] = {
        "token": token.cancel,
        "device": device.cancel,
        "close": device.close,
        "disconnect": lambda: device.inject("disconnect"),
        "power": lambda: device.inject("power"),
    }
    reports: list[tuple[int, int]] = []

    def act(done: int, total: int) -> None:
        reports.append((done, total))
        if done == stage:
            actions[how]()

    with pytest.raises(error, match="program_firmware"):
        device.program_firmware(IMAGE, progress=act, cancel=token)
    assert reports == REPORTS[: stage + 1]
    with reopened(device) as device:
        assert runs(device) == FACTORY
        device.program_firmware(IMAGE)
        assert runs(device) == NEW


@pytest.mark.parametrize("how", ["token", "device", "close", "disconnect"])
def test_stopped_in_the_last_report_it_is_done(how: str, open_device: OpenDevice) -> None:
    device, token = open_device(VIRTUAL), hwsim.CancelToken()
    actions: dict[str, Callable[[], object]] = {
        "token": token.cancel,
        "device": device.cancel,
        "close": device.close,
        "disconnect": lambda: device.inject("disconnect"),
    }
    device.program_firmware(
        IMAGE,
        progress=lambda done, total: actions[how]() if done == total else None,
        cancel=token,
    )
    assert device.firmware_version == NEW
    with reopened(device) as device:
        assert runs(device) == NEW


def test_callback_may_use_the_device(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)

    def act(done: int, total: int) -> None:
        device[0x40] = done
        assert device[0x40] == done
        device.read_voltage(0)
        if done < total:
            assert runs(device) == FACTORY
            with pytest.raises(DeviceBusy, match="the device is being programmed already"):
                device.program_firmware(NEWER_IMAGE)

    device.program_firmware(IMAGE, progress=act)
    assert runs(device) == NEW


def test_callback_may_program_again_when_it_is_done(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)

    def act(done: int, total: int) -> None:
        if done == total:
            device.program_firmware(NEWER_IMAGE, exclusive=True)

    device.program_firmware(IMAGE, progress=act, exclusive=True)
    assert runs(device) == NEWER


def test_exclusive_update_refuses_its_own_callback_as_well(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)

    def act(done: int, total: int) -> None:
        if done == total:
            assert runs(device) == NEW
            return
        before = device.transactions
        for call in (lambda: device[0x40], device.reset, lambda: device.read_voltage(0)):
            with pytest.raises(DeviceBusy, match="the device is being programmed"):
                call()
        assert device.transactions == before
        assert device.firmware_version == FACTORY

    device.program_firmware(IMAGE, progress=act, exclusive=True)
    assert device.transactions == OPERATIONS + 1


# ----------------------------------------------------------------------------------- other threads

MANUAL = "clock=manual&latency=1s&timeout=inf"


def to_stage(device: hwsim.Device, stage: int) -> None:
    """Lets an update on a manual clock go on until its operation ``stage`` waits."""
    for _ in range(stage - 1):
        device.wait_pending(1, timeout=math.inf)
        device.advance(1)
    device.wait_pending(1, timeout=math.inf)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("token", OperationCancelled),
        ("device", OperationCancelled),
        ("close", DeviceClosed),
        ("disconnect", DeviceDisconnected),
        ("power", DeviceDisconnected),
    ],
)
def test_stopped_from_another_thread_at_every_operation(
    how: str, error: type[Exception], open_device: OpenDevice
) -> None:
    for stage in STAGES:
        device, token = open_device(MANUAL), hwsim.CancelToken()
        update = in_thread(lambda d=device, t=token: d.program_firmware(IMAGE, cancel=t))  # type: ignore[misc]
        to_stage(device, stage)
        actions: dict[str, Callable[[], object]] = {
            "token": token.cancel,
            "device": device.cancel,
            "close": device.close,
            "disconnect": lambda d=device: d.inject("disconnect"),  # type: ignore[misc]
            "power": lambda d=device: d.inject("power"),  # type: ignore[misc]
        }
        actions[how]()
        with pytest.raises(error):
            update.result(LIMIT)
        assert device.transactions == stage
        with reopened(device) as device:
            assert runs(device) == FACTORY
            device.program_firmware(IMAGE)
            assert runs(device) == NEW


def test_other_threads_take_turns_with_an_update(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    update = in_thread(lambda: device.program_firmware(IMAGE))
    for stage in STAGES:
        device.wait_pending(1, timeout=math.inf)
        other = in_thread(lambda s=stage: device.write_register(0x40, s))  # type: ignore[misc]
        device.wait_pending(2, timeout=math.inf)
        device.advance(1)  # the update's operation
        assert not other.done()
        device.wait_pending(1 if stage == OPERATIONS else 2, timeout=math.inf)
        device.advance(1)  # the other's, before the update's next one
        other.result(LIMIT)
    update.result(LIMIT)
    assert device.transactions == 2 * OPERATIONS
    assert device.firmware_version == NEW


def test_exclusive_update_refuses_other_threads_at_every_operation(
    open_device: OpenDevice,
) -> None:
    device = open_device(MANUAL)
    update = in_thread(lambda: device.program_firmware(IMAGE, exclusive=True))
    for _ in STAGES:
        device.wait_pending(1, timeout=math.inf)
        with pytest.raises(DeviceBusy, match="the device is being programmed"):
            device.read_register(0)
        device.advance(1)
    update.result(LIMIT)
    after = in_thread(lambda: device.read_register(VERSION))
    device.wait_pending(1, timeout=math.inf)
    device.advance(1)
    assert after.result(LIMIT) == NEW
    assert device.transactions == OPERATIONS + 1


@pytest.mark.parametrize("exclusive", [False, True])
def test_second_update_at_once_is_refused_and_disturbs_nothing(
    exclusive: bool, open_device: OpenDevice
) -> None:
    device = open_device(MANUAL)
    update = in_thread(lambda: device.program_firmware(IMAGE, exclusive=exclusive))
    for _ in STAGES:
        device.wait_pending(1, timeout=math.inf)
        with pytest.raises(DeviceBusy, match="the device is being programmed already"):
            device.program_firmware(NEWER_IMAGE)
        device.advance(1)
    update.result(LIMIT)
    assert device.firmware_version == NEW


def test_updates_of_many_devices_overlap(open_device: OpenDevice) -> None:
    """Each thread has its own; one timeline does not wait for another."""
    devices = [open_device(MANUAL) for _ in range(8)]
    updates = [in_thread(lambda d=d: d.program_firmware(IMAGE)) for d in devices]  # type: ignore[misc]
    for _ in STAGES:
        for device in devices:
            device.wait_pending(1, timeout=math.inf)
        for device in devices:
            device.advance(1)
    for update in updates:
        update.result(LIMIT)
    assert {device.firmware_version for device in devices} == {NEW}


@pytest.mark.parametrize("policy", ["auto", "release"])
def test_gil_is_released_while_an_update_waits(
    policy: hwsim.gil.Policy, open_device: OpenDevice
) -> None:
    device = open_device(MANUAL)

    def program() -> int:
        before = hwsim.gil.releases()
        device.program_firmware(IMAGE)
        return hwsim.gil.releases() - before

    with hwsim.gil.policy(policy):
        update = in_thread(program)
        for _ in STAGES:
            device.wait_pending(1, timeout=math.inf)
            device.advance(1)
        assert update.result(LIMIT) == 1  # from the first wait to the end


# ---------------------------------------------------------------------------------------- timeouts


def test_timeout_is_for_the_whole_update(open_device: OpenDevice) -> None:
    """Ten operations of a second each; the device's default of 1.5 s is for each of them."""
    device = open_device("clock=virtual&latency=1s&timeout=1500ms")
    device.program_firmware(IMAGE)
    device.program_firmware(IMAGE, timeout=10)
    for timeout in (0.0, 0.5, 5.0, 9.999):
        with pytest.raises(DeviceTimeout, match=f"not done within the timeout of {timeout:g} s"):
            device.program_firmware(NEWER_IMAGE, timeout=timeout)
        assert runs(device) == NEW
    device.program_firmware(NEWER_IMAGE, timeout=math.inf)
    assert runs(device) == NEWER


def test_default_timeout_is_for_each_operation(open_device: OpenDevice) -> None:
    device = open_device("clock=virtual&latency=1s&timeout=1500ms&fault=spike@5:600ms")
    with pytest.raises(DeviceTimeout, match=r"no answer within the timeout of 1\.5 s"):
        device.program_firmware(IMAGE)
    assert device.transactions == 5
    assert runs(device) == FACTORY


def test_endless_timeout_is_not_the_default(open_device: OpenDevice) -> None:
    device = open_device("clock=virtual&latency=2s&timeout=1s")
    with pytest.raises(DeviceTimeout):
        device.program_firmware(IMAGE)
    device.program_firmware(IMAGE, timeout=math.inf)
    assert device.firmware_version == NEW


# ------------------------------------------------------------------------------------------ Ctrl-C


@pytest.mark.parametrize("policy", ["auto", "release", "hold"])
def test_ctrl_c_in_the_progress_callback_at_every_stage(policy: str) -> None:
    output = run_script(
        """
        import signal, sys
        import hwsim
        from test_firmware import IMAGE, VIRTUAL

        hwsim.gil.policy(sys.argv[1])
        for stage in range(5):
            def progress(done, total):
                if done == stage:
                    signal.raise_signal(signal.SIGINT)

            with hwsim.open(f"hwsim://stage{stage}?{VIRTUAL}") as device:
                try:
                    device.program_firmware(IMAGE, progress=progress)
                except KeyboardInterrupt:
                    print(stage, hex(device.firmware_version), device.transactions)
                assert device[0x04] == device.firmware_version
                device.program_firmware(IMAGE)
        """,
        policy,
    ).check()
    expected = [f"{stage} 0x10000 {3 * stage}" for stage in range(4)] + ["4 0x20001 10"]
    assert output.splitlines() == expected


@pytest.mark.parametrize("policy", ["auto", "release"])
def test_ctrl_c_while_it_waits_at_every_operation(policy: str) -> None:
    output = run_script(
        """
        import os, signal, sys, threading
        import hwsim
        from test_firmware import IMAGE, MANUAL, STAGES, reopened, runs, to_stage

        hwsim.gil.policy(sys.argv[1])

        def kill(device, stage):
            to_stage(device, stage)
            os.kill(os.getpid(), signal.SIGINT)

        for stage in STAGES:
            device = hwsim.open(f"hwsim://stage{stage}?{MANUAL}")
            killer = threading.Thread(target=kill, args=(device, stage))
            killer.start()
            try:
                device.program_firmware(IMAGE)
            except KeyboardInterrupt:
                print(stage, hex(device.firmware_version), device.transactions, device.pending)
            killer.join()
            with reopened(device) as device:
                assert runs(device) == 0x10000
                device.program_firmware(IMAGE)
        """,
        policy,
    ).check()
    assert output.splitlines() == [f"{stage} 0x10000 {stage} 0" for stage in STAGES]


@pytest.mark.parametrize("latency", ["1ms", "30ms"])
def test_ctrl_c_is_obeyed_between_operations_too_short_to_look_for_it(latency: str) -> None:
    """Each wait is shorter than the 50 ms after which one looks for signals itself."""
    output = run_script(
        f"""
        import os, signal, threading
        import hwsim

        device = hwsim.open("hwsim://short?latency={latency}")

        def kill():
            while device.transactions < 4:
                device.wait_pending(1)
            os.kill(os.getpid(), signal.SIGINT)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            device.program_firmware(hwsim.firmware.build_image(0x20000, bytes(2**18)))
        except KeyboardInterrupt:
            print(hex(device.firmware_version), device.transactions < 200)
        killer.join()
        """
    ).check()
    assert output == "0x10000 True\n"


# --------------------------------------------------------------------------------------- processes

FORK = """
    import os, sys, warnings
    import hwsim
    from hwsim.errors import DeviceForked
    from test_firmware import FACTORY, IMAGE, MANUAL, NEW, NEWER, NEWER_IMAGE, VIRTUAL
    from test_firmware import runs, to_stage

    warnings.simplefilter("ignore", DeprecationWarning)

    def in_child(func):
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            func()
            sys.stdout.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
"""


def test_child_has_a_copy_of_the_flash() -> None:
    """What the parent programmed before the fork; after it, each programs its own."""
    output = run_script(
        """
        device = hwsim.open(f"hwsim://flash?{VIRTUAL}")
        device.program_firmware(IMAGE)

        def child():
            for call in (lambda: device.program_firmware(IMAGE), lambda: device.firmware_version):
                try:
                    call()
                except DeviceForked:
                    print("forked")
            with hwsim.open(f"hwsim://flash?{VIRTUAL}") as mine:
                assert runs(mine) == NEW
                mine.program_firmware(NEWER_IMAGE)
                assert runs(mine) == NEWER

        in_child(child)
        assert runs(device) == NEW
        device.program_firmware(IMAGE)
        """,
        setup=FORK,
    ).check()
    assert output == "forked\nforked\n"


def test_fork_in_the_progress_callback() -> None:
    """The update is the parent's and goes on; in the child it ends at once."""
    output = run_script(
        """
        for stage in range(4):
            device = hwsim.open(f"hwsim://stage{stage}?{VIRTUAL}")
            children = []

            def progress(done, total):
                if done == stage:
                    sys.stdout.flush()
                    children.append(os.fork())

            try:
                device.program_firmware(IMAGE, progress=progress)
            except DeviceForked:
                assert children == [0]
                with hwsim.open(f"hwsim://stage{stage}?{VIRTUAL}") as mine:
                    assert runs(mine) == FACTORY
                    mine.program_firmware(NEWER_IMAGE)
                    print("child", runs(mine) == NEWER, flush=True)
                os._exit(0)
            assert os.waitpid(children[0], 0)[1] == 0
            print("parent", runs(device) == NEW)
        """,
        setup=FORK,
    ).check()
    assert output == "child True\nparent True\n" * 4


def test_fork_while_another_thread_programs() -> None:
    output = run_script(
        """
        import threading

        for stage in (1, 2, 5, 10):
            device = hwsim.open(f"hwsim://stage{stage}?{MANUAL}")
            update = threading.Thread(target=device.program_firmware, args=(IMAGE,))
            update.start()
            to_stage(device, stage)

            def child():
                with hwsim.open(f"hwsim://stage{stage}?{VIRTUAL}") as mine:
                    assert runs(mine) == FACTORY
                    mine.program_firmware(IMAGE)
                    print(runs(mine) == NEW)

            in_child(child)
            for _ in range(stage, 11):
                device.wait_pending(1)
                device.advance(1)
            update.join()
            assert device.firmware_version == NEW
        """,
        setup=FORK,
    ).check()
    assert output == "True\n" * 4


def test_process_that_ends_during_an_update_ends_at_once() -> None:
    run_script("""
        import threading
        import hwsim
        from test_firmware import IMAGE, MANUAL, to_stage

        device = hwsim.open(f"hwsim://exit?{MANUAL}")
        threading.Thread(target=device.program_firmware, args=(IMAGE,), daemon=True).start()
        to_stage(device, 5)
    """).check()
