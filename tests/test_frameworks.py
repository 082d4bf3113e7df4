"""The examples for other people's frameworks do what these expect, also when a run is aborted.

A test is skipped where its framework is not installed; ``make frameworks`` installs all of them.
"""

from __future__ import annotations

import enum
import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hwsim
from conftest import LIMIT, in_thread, run_script
from hwsim.models import Field, Register

FOLDER = Path(__file__).parent.parent / "examples/frameworks"
NEEDS = {
    "ophyd_async_detector": ("ophyd_async", "bluesky"),
    "qcodes_instrument": ("qcodes",),
    "pymeasure_procedure": ("pymeasure",),
}


def example(name: str) -> Any:
    """The module, if what it needs is there."""
    for package in NEEDS[name]:
        pytest.importorskip(package)
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


def test_every_example_is_known() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted(NEEDS)


@pytest.mark.parametrize("name", NEEDS)
def test_example_runs(name: str) -> None:
    for package in NEEDS[name]:
        pytest.importorskip(package)
    assert run_script((FOLDER / f"{name}.py").read_text(encoding="utf-8")).check()


# ---------------------------------------------------------------------------------- ophyd-async


def connected(count: int, settings: str) -> tuple[Any, list[Any]]:
    """An engine for any thread, and its detectors."""
    found = example("ophyd_async_detector")
    engine = importlib.import_module("bluesky").RunEngine(context_managers=[])
    meters = [
        found.Voltmeter(f"hwsim://meter{i}?{settings}&seed={i}", name=f"meter{i}")
        for i in range(count)
    ]
    engine(found.ensure_connected(*meters))
    return engine, meters


def test_detectors_convert_at_once() -> None:
    """All eight wait at the same time: counting them takes as long as one."""
    engine, meters = connected(8, "latency=1ms&clock=manual")
    count = importlib.import_module("bluesky.plans").count
    events: list[dict[str, float]] = []
    engine.subscribe(lambda _, document: events.append(document["data"]), "event")
    done = in_thread(lambda: engine(count(meters)))
    try:
        for meter in meters:
            meter.device.blocking.wait_pending(1, timeout=LIMIT)
        for meter in meters:
            meter.device.advance(0.001)
        done.result(LIMIT)
        assert [meter.device.transactions for meter in meters] == [1] * 8
    finally:
        for meter in meters:
            meter.close()
    expected = []
    for i in range(8):
        with hwsim.open(f"hwsim://meter{i}?latency=1ms&clock=virtual&seed={i}") as device:
            expected.append(device.read_voltage(0))
    assert list(events[0].values()) == expected


def test_plan_that_is_aborted_leaves_the_bus() -> None:
    engine, meters = connected(2, "latency=3600s&timeout=inf")
    count = importlib.import_module("bluesky.plans").count
    utils = importlib.import_module("bluesky.utils")
    done = in_thread(lambda: engine(count(meters)))
    try:
        for meter in meters:
            meter.device.blocking.wait_pending(1, timeout=LIMIT)
        engine.abort()
        with pytest.raises((utils.RunEngineInterrupted, utils.FailedStatus)):
            done.result(LIMIT)
        assert [meter.device.pending for meter in meters] == [0, 0]
    finally:
        for meter in meters:
            meter.close()


def test_detector_that_is_no_detector_yet_says_so() -> None:
    found = example("ophyd_async_detector")
    meter = found.Voltmeter("hwsim://meter0", name="meter")
    engine = importlib.import_module("bluesky").RunEngine(context_managers=[])
    trigger = importlib.import_module("bluesky.plan_stubs").trigger
    with pytest.raises(Exception, match="meter is not connected"):
        engine(trigger(meter, wait=True))


# --------------------------------------------------------------------------------------- QCoDeS


class Mode(enum.IntEnum):
    OFF = 0
    FAST = 2


class Counter(hwsim.Model):
    class CTRL(Register, at=0):
        EN = Field(0)
        MODE = Field(1, 2, enum=Mode)

    class STATUS(Register, at=4, access="RO"):
        COUNT = Field(8, 8, onread="rclr", reset=3)

    class KEY(Register, at=8, access="WO"):
        pass


@pytest.fixture
def instrument() -> Iterator[Any]:
    found = example("qcodes_instrument")
    made = found.Simulated("counter", "hwsim://counter?clock=virtual", model=Counter)
    device = made.device
    yield made
    made.close()
    assert not device.is_open


def test_registers_are_parameters(instrument: Any) -> None:
    assert {"ctrl", "ctrl_mode", "status", "key", "voltage0"} <= set(instrument.parameters)
    instrument.ctrl(1)
    instrument.ctrl_mode("FAST")
    assert (instrument.ctrl(), instrument.ctrl_mode()) == (5, "FAST")
    assert not instrument.key.gettable
    assert not instrument.status.settable
    with pytest.raises(ValueError, match="SLOW"):
        instrument.ctrl_mode("SLOW")


def test_snapshot_changes_nothing(instrument: Any) -> None:
    instrument.ctrl(1)
    before = instrument.device.transactions
    snapshot = instrument.snapshot(update=True)
    assert snapshot["parameters"]["ctrl"]["value"] == 1
    assert instrument.device.transactions == before
    assert [instrument.status() >> 8 for _ in range(2)] == [3, 0]


def test_instrument_that_cannot_be_opened_leaves_its_name_free() -> None:
    found = example("qcodes_instrument")
    with pytest.raises(hwsim.errors.InvalidArgument):
        found.Simulated("daq", "hwsim://daq?latency=no")
    found.Simulated("daq", "hwsim://daq").close()


# ------------------------------------------------------------------------------------ PyMeasure


class Started:
    """A procedure that a worker runs."""

    def __init__(self, uri: str, folder: Path) -> None:
        found = example("pymeasure_procedure")
        opened = threading.Event()

        class Log(found.VoltageLog):  # type: ignore[name-defined,misc]
            def startup(self) -> None:
                super().startup()
                opened.set()

        self.procedure = Log(uri=uri, points=3)
        self.worker = found.start(self.procedure, str(folder))
        assert opened.wait(LIMIT)

    def end(self) -> tuple[str, int]:
        """How it ended, and how many points it has."""
        threading.Thread.join(self.worker, LIMIT)  # its own join() would stop it
        assert not self.worker.is_alive()
        assert not self.procedure.device.is_open
        status = self.procedure.STATUS_STRINGS[self.procedure.status]
        return status, len(self.worker.results.data)


def test_procedure_ends_by_itself(tmp_path: Path) -> None:
    assert Started("hwsim://log?clock=virtual", tmp_path).end() == ("Finished", 3)


def test_abort_of_a_procedure_ends_the_call(tmp_path: Path) -> None:
    threads = threading.active_count()
    started = Started("hwsim://log?latency=1ms&clock=manual", tmp_path)
    started.procedure.device.wait_pending(1, timeout=LIMIT)
    started.procedure.device.advance(0.001)
    started.procedure.device.wait_pending(1, timeout=LIMIT)
    started.worker.stop()
    assert started.end() == ("Aborted", 1)
    assert threading.active_count() <= threads


def test_procedure_fails_with_an_error_of_the_device(tmp_path: Path) -> None:
    assert Started("hwsim://log?clock=virtual&fault=crc@2", tmp_path).end() == ("Failed", 1)


def test_cancel_that_is_no_abort_fails(tmp_path: Path) -> None:
    started = Started("hwsim://log?latency=1ms&clock=manual", tmp_path)
    started.procedure.device.wait_pending(1, timeout=LIMIT)
    started.procedure.device.cancel()
    assert started.end() == ("Failed", 0)
