"""Several devices on one clock, and outputs that drive channels of another device.

The native tests have the times, the orders and the threads; here is what Python adds, and that a
control loop over two devices comes out the same however it is written.
"""

from __future__ import annotations

import asyncio
import queue
import runpy
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import hwsim
from conftest import run_script
from hwsim import aio, gil
from hwsim.errors import DeviceClosed, InvalidArgument, StateError
from hwsim.models import Register, on_write

BENCH = "clock=virtual:bench&latency=1ms&jitter=200us"
LSB = 10 / 32768
EXAMPLE = runpy.run_path(str(Path(__file__).parent.parent / "examples/supply_and_meter.py"))


@pytest.fixture
def supply() -> Iterator[hwsim.Device]:
    with hwsim.open(f"hwsim://supply?{BENCH}&seed=1") as opened:
        yield opened


@pytest.fixture
def meter(supply: hwsim.Device) -> Iterator[hwsim.Device]:
    with hwsim.open(f"hwsim://meter?{BENCH}&noise=0V&seed=2") as opened:
        yield opened


def test_clock_has_a_name() -> None:
    for clock in ("real", "virtual", "manual", "10x"):
        with (
            hwsim.open(f"hwsim://one?clock={clock}") as one,
            hwsim.open(f"hwsim://two?clock={clock}:bench.1") as two,
        ):
            assert (one.clock, one.clock_name) == (clock, "")
            assert (two.clock, two.clock_name) == (clock, "bench.1")
            assert repr(one).endswith(f"{clock} clock>")
            assert repr(two).endswith(f"{clock} clock 'bench.1'>")
            assert f"{clock}:bench.1" in two._repr_html_()


@pytest.mark.parametrize(
    "clock", ["virtual:", "virtual:a b", ":bench", "bench", f"real:{'x' * 64}"]
)
def test_wrong_name_is_refused(clock: str) -> None:
    with pytest.raises(InvalidArgument, match="such as virtual:bench"):
        hwsim.open(f"hwsim://one?clock={clock}")


def test_device_that_fails_to_open_leaves_the_clock() -> None:
    with hwsim.open("hwsim://one?clock=virtual:bench"):
        for uri in ("hwsim://one?clock=virtual:bench", "hwsim://two?clock=manual:bench"):
            with pytest.raises((hwsim.errors.DeviceInUse, InvalidArgument)):
                hwsim.open(uri)
    with hwsim.open("hwsim://two?clock=manual:bench") as two:
        assert two.now == 0


def test_output_drives_another_device(supply: hwsim.Device, meter: hwsim.Device) -> None:
    supply.connect(1, 2, to=meter, gain=2.0, function=lambda volts: volts + 1)
    assert meter.signal(2).waveform == "output"
    assert meter.signal(2).noise == 0.0  # the meter's own
    supply.set_output(1, 1.5)
    assert meter.read_voltage(2) == pytest.approx(5.0, abs=2 * LSB)
    assert supply.now == meter.now > 0
    supply.connect(1, 2, to=supply)  # which is the same as without `to`
    assert supply.signal(2).waveform == "output"
    meter.disconnect(2)
    with pytest.raises(StateError, match="no output is connected to channel 2"):
        meter.disconnect(2)


def test_connections_are_listed(supply: hwsim.Device, meter: hwsim.Device) -> None:
    assert supply.connections == []
    supply.connect(1, 2, to=meter, gain=2.0, offset=0.5, delay=1e-3, tau=0.25, noise=1e-3)
    supply.connect("output0", 0, to=meter, function=abs)
    first = hwsim.Connection("supply", "output0", "meter", 0, 1.0, 0.0, 0.0, 0.0, 0.0, True)
    second = hwsim.Connection("supply", "output1", "meter", 2, 2.0, 0.5, 1e-3, 0.25, 1e-3, False)
    assert meter.connections == aio.Device(meter).connections == [first, second]
    assert supply.connections == [second, first]
    supply.close()
    assert meter.connections == [first, second]
    meter.set_signal(0, "dc")
    assert meter.connections == supply.connections == [second]
    meter.close()
    assert meter.connections == supply.connections == []


def test_what_cannot_be_connected_is_named(supply: hwsim.Device, meter: hwsim.Device) -> None:
    with pytest.raises(TypeError, match="to must be a Device, got 'meter'"):
        supply.connect(0, 0, to="meter")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="channel must be from 0 to 3, got 4") as caught:
        supply.connect(0, 4, to=meter)
    assert (caught.value.device, caught.value.operation) == ("meter", "connect")
    with hwsim.open("hwsim://wide?channels=8&clock=virtual:lab") as wide:
        for noise in (None, 0.0):
            with pytest.raises(TypeError, match="channel must be an integer from 0 to 7, got 'x'"):
                supply.connect(0, "x", to=wide, noise=noise)  # type: ignore[arg-type]
    for clock in ("clock=virtual", "clock=real", "clock=virtual:other"):
        with hwsim.open(f"hwsim://other?{clock}") as other:
            for noise in (None, 0.0):
                with pytest.raises(InvalidArgument, match="to must be on the same clock, which"):
                    supply.connect(0, 0, to=other, noise=noise)
    meter.close()
    with pytest.raises(DeviceClosed) as closed:
        supply.connect(0, 0, to=meter)
    assert (closed.value.device, closed.value.operation) == ("meter", "connect")


def test_neither_keeps_the_other_open(supply: hwsim.Device, meter: hwsim.Device) -> None:
    supply.connect(0, 0, to=meter)
    supply.set_output(0, 4.0)
    name = supply.name
    supply.close()
    assert meter.read_voltage(0) == pytest.approx(4.0, abs=LSB)
    with hwsim.open(f"hwsim://{name}?{BENCH}") as again:
        again.set_output(0, 1.0)
        assert meter.read_voltage(0) == pytest.approx(4.0, abs=LSB)
        again.connect(0, 0, to=meter)
        assert meter.read_voltage(0) == pytest.approx(1.0, abs=LSB)
        meter.close()
        again.set_output(0, 2.0)


def test_unplugged_supply_puts_out_nothing(supply: hwsim.Device, meter: hwsim.Device) -> None:
    supply.connect(0, 0, to=meter, offset=0.5)
    supply.set_output(0, 4.0)
    supply.inject("disconnect")
    with pytest.raises(hwsim.errors.DeviceDisconnected):
        supply.read_register(0)
    assert meter.read_voltage(0) == pytest.approx(0.5, abs=LSB)


# ---------------------------------------------------------------------------------- control loops

STEPS = 60


def step(volts: float, shown: float) -> float:
    return min(max(volts + 0.4 * (5.0 - shown), -10.0), 10.0)


def in_one_thread(supply: hwsim.Device, meter: hwsim.Device) -> list[float]:
    shown, volts = [], 0.0
    for _ in range(STEPS):
        supply.set_output(0, volts)
        shown.append(meter.read_voltage(0))
        volts = step(volts, shown[-1])
    return shown


def in_two_threads(supply: hwsim.Device, meter: hwsim.Device) -> list[float]:
    """Each has one of the devices."""
    shown: list[float] = []
    wanted: queue.Queue[float] = queue.Queue()
    measured: queue.Queue[float] = queue.Queue()

    def measure() -> None:
        for _ in range(STEPS):
            wanted.get()
            measured.put(meter.read_voltage(0))

    with ThreadPoolExecutor(1) as pool:
        measuring, volts = pool.submit(measure), 0.0
        for _ in range(STEPS):
            supply.set_output(0, volts)
            wanted.put(volts)
            shown.append(measured.get())
            volts = step(volts, shown[-1])
        measuring.result()
    return shown


def awaited(supply: hwsim.Device, meter: hwsim.Device) -> list[float]:
    async def main() -> list[float]:
        shown, volts = [], 0.0
        for _ in range(STEPS):
            await aio.Device(supply).set_output(0, volts)
            shown.append(await aio.Device(meter).read_voltage(0))
            volts = step(volts, shown[-1])
        return shown

    return asyncio.run(main())


def test_loop_comes_out_the_same_however_it_is_written() -> None:
    ends = []
    for run in (in_one_thread, in_two_threads, awaited, in_one_thread):
        with (
            hwsim.open(f"hwsim://supply?{BENCH}&seed=1") as supply,
            hwsim.open(f"hwsim://meter?{BENCH}&seed=2&noise=2mV") as meter,
        ):
            supply.connect(0, 0, to=meter, gain=0.9, tau=2e-3, delay=1e-3)
            ends.append((run(supply, meter), supply.now))
    assert ends[0][0][-1] == pytest.approx(5.0, abs=0.02)
    assert all(end == ends[0] for end in ends)


def test_tasks_wait_for_each_others_devices(supply: hwsim.Device, meter: hwsim.Device) -> None:
    """One waits for a crossing on the meter that another causes on the supply."""

    async def main() -> float:
        psu, dmm = aio.Device(supply), aio.Device(meter)
        psu.connect(0, 0, to=dmm, tau=60.0)
        dmm.set_threshold(0, 1.0)

        async def crossed() -> float:
            async with dmm.events(kinds=["threshold"]) as events:
                return (await events.read(timeout=1000.0))[0].time_s

        crossing = asyncio.ensure_future(crossed())
        await psu.set_output(0, 2.0)
        return await crossing

    assert asyncio.run(main()) == pytest.approx(60 * 0.6931, abs=0.01)
    assert supply.now == meter.now


def test_supply_and_meter_regulate() -> None:
    bench = EXAMPLE["open_bench"]()
    with bench.supply, bench.meter:
        shown = EXAMPLE["regulate"](bench, 12.0, 30.0)
        assert shown[0] < 11.5
        assert max(abs(volts - 12.0) for volts in shown[-100:]) < 0.01
        assert bench.meter.read_voltage(0) == pytest.approx(12.0 / EXAMPLE["WIRES"], abs=0.05)


# ------------------------------------------------------------------------------------- behaviours


class Slow(hwsim.Model):
    class DATA(Register, at=0x0):
        """Calls a function."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None

    @on_write(DATA)
    def call(self, _: int) -> None:
        self.meanwhile()


def open_slow(settings: str) -> tuple[hwsim.Device, Any]:
    device = hwsim.open(f"hwsim://slow?{settings}", model=Slow)
    return device, device.model


@pytest.mark.parametrize("clock", ["virtual", "manual", "real"])
def test_behaviour_uses_no_device_on_its_clock(clock: str) -> None:
    slow, model = open_slow(f"clock={clock}:bench&latency=0s")
    with (
        slow,
        hwsim.open(f"hwsim://same?clock={clock}:bench&latency=0s") as same,
        hwsim.open("hwsim://other?latency=0s") as other,
    ):

        def use() -> None:
            with pytest.raises(StateError, match="or on a clock that has a name"):
                same.read_register(0)
            with pytest.raises(StateError, match="called in a behaviour"):
                same.read_voltage(0)
            assert other.read_register(0) == same.pending + other.read_register(0)

        model.meanwhile = use
        slow.write_register(0, 1)


def test_time_of_all_stands_still_in_a_behaviour() -> None:
    slow, model = open_slow("clock=virtual:bench&latency=1ms")
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        leave.wait()

    model.meanwhile = stay
    with slow, hwsim.open("hwsim://other?clock=virtual:bench&latency=1s") as other:
        with ThreadPoolExecutor(2) as pool:
            write = pool.submit(slow.write_register, 0, 1)
            entered.wait()
            read = pool.submit(other.read_voltage, 0)
            other.wait_pending(1, timeout=float("inf"))
            assert other.now == slow.now == 1e-3
            leave.set()
            write.result()
            read.result()
        assert other.now == pytest.approx(1.001)


@pytest.mark.parametrize("policy", ["auto", "release", "hold"])
@pytest.mark.parametrize("clock", ["virtual:bench&latency=1us", "real:bench&latency=20us"])
def test_no_policy_locks_up_who_waits_for_a_behaviour(policy: gil.Policy, clock: str) -> None:
    """Also who waits for another device on its clock lets it run."""
    slow, model = open_slow(f"clock={clock}")
    model.meanwhile = lambda: sum(range(2000))
    with slow, hwsim.open(f"hwsim://other?clock={clock}") as other:

        def use(number: int) -> None:
            if number % 2:
                slow.write_register(0, number, timeout=60)
            else:
                other.read_voltage(0, timeout=60)

        with gil.policy(policy), ThreadPoolExecutor(4) as pool:
            list(pool.map(use, range(200)))
        assert slow.transactions == other.transactions == 100


def test_child_of_a_fork_has_clocks_of_its_own() -> None:
    script = """
        import os
        import hwsim

        supply = hwsim.open("hwsim://supply?clock=virtual:bench")
        meter = hwsim.open("hwsim://meter?clock=virtual:bench")
        supply.connect(0, 0, to=meter)
        supply.set_output(0, 1.0)
        child = os.fork()
        if child == 0:
            with hwsim.open("hwsim://own?clock=manual:bench&latency=0s") as own:
                for source, to in ((own, meter), (supply, own)):
                    try:
                        source.connect(0, 0, to=to)
                    except hwsim.errors.DeviceForked as error:
                        print(error.device, own.now, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(round(meter.read_voltage(0), 1), supply.now == meter.now)
    """
    assert run_script(script).stdout.splitlines() == [
        "meter 0.0",
        "supply 0.0",
        "1.0 True",
    ]
