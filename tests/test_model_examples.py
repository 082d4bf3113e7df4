"""The devices that the examples describe do what such devices do, beyond what the examples show."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hwsim

EXAMPLES = Path(__file__).parent.parent / "examples"
SUPPLY = runpy.run_path(str(EXAMPLES / "power_supply.py"))
AXIS = runpy.run_path(str(EXAMPLES / "motor_axis.py"))
METER = runpy.run_path(str(EXAMPLES / "command_port.py"))
OVEN = runpy.run_path(str(EXAMPLES / "thermostat.py"))
MS = 1e-3


def supply(clock: str = "manual") -> hwsim.Device:
    return hwsim.open(f"hwsim://psu?clock={clock}&latency=0s", model=SUPPLY["PowerSupply"])


def axis(settings: str = "clock=virtual&latency=0s") -> hwsim.Device:
    return hwsim.open(f"hwsim://axis?{settings}", model=AXIS["Axis"])


def ramp(psu: hwsim.Device, milliseconds: int) -> list[int]:
    """What the output is after each millisecond."""
    seen = []
    for _ in range(milliseconds):
        psu.advance(MS)
        seen.append(psu.registers.MEASURED.read())
    return seen


# ---------------------------------------------------------------------------------- power supply


@pytest.mark.parametrize("setpoint", [0, 1, 50, 255])
def test_output_rises_to_the_setpoint_and_stays(setpoint: int) -> None:
    with supply() as psu:
        psu.registers.SETPOINT.write(setpoint)
        assert ramp(psu, 3) == [0, 0, 0]
        psu.registers.OUTPUT.EN.write(1)
        assert psu.registers.STATUS.RAMPING.read() == (setpoint > 0)
        assert ramp(psu, 300) == [min(step, setpoint) for step in range(1, 301)]
        assert psu.registers.STATUS.read() == 0


def test_output_that_is_switched_off_falls_and_starts_anew() -> None:
    with supply() as psu:
        for _ in range(2):
            psu.registers.OUTPUT.EN.write(1)
            assert ramp(psu, 20) == list(range(1, 21))
            psu.registers.OUTPUT.EN.write(0)
            assert ramp(psu, 20) == [0] * 20


def test_trip_is_latched_until_a_1_is_written() -> None:
    with supply() as psu, psu.events(kinds=["trigger"]) as events:
        registers = psu.registers
        registers.OUTPUT.EN.write(1)
        psu.advance(0.06)
        registers.LOAD.OVER.write(1)
        psu.advance(SUPPLY["BLANKING"])
        assert (registers.STATUS.TRIP.read(), registers.OUTPUT.EN.read()) == (1, 0)
        assert registers.MEASURED.read() == 0
        event = next(iter(events))
        assert event.value == 50.0
        assert event.time_s == pytest.approx(0.062)

        registers.LOAD.OVER.write(0)
        registers.STATUS.TRIP.write(0)
        registers.OUTPUT.EN.write(1)
        assert ramp(psu, 10) == [0] * 10
        assert (registers.STATUS.TRIP.read(), registers.OUTPUT.EN.read()) == (1, 0)

        registers.STATUS.TRIP.write(1)
        assert registers.STATUS.TRIP.read() == 0
        registers.OUTPUT.EN.write(1)
        assert ramp(psu, 10) == list(range(1, 11))


def test_short_overload_does_not_trip() -> None:
    with supply() as psu:
        psu.registers.OUTPUT.EN.write(1)
        for _ in range(5):
            psu.registers.LOAD.OVER.write(1)
            psu.advance(SUPPLY["BLANKING"] / 2)
            psu.registers.LOAD.OVER.write(0)
            psu.advance(SUPPLY["BLANKING"] / 4)
        psu.advance(0.1)
        assert psu.registers.STATUS.TRIP.read() == 0
        assert psu.registers.MEASURED.read() == 50


def test_load_of_an_output_that_is_off_trips_when_it_is_switched_on() -> None:
    with supply("virtual") as psu:
        psu.registers.LOAD.OVER.write(1)
        assert psu.registers.STATUS.read() == 0
        psu.registers.OUTPUT.EN.write(1)
        psu.registers.STATUS.TRIP.wait(1)
        assert psu.now == pytest.approx(SUPPLY["BLANKING"])


# ------------------------------------------------------------------------------------ motor axis


def command(device: hwsim.Device, name: str, steps: int = 0) -> tuple[int, int, int]:
    """Position, LIMIT and HOMED at the end of a command."""
    registers = device.registers
    registers.STEPS.write(steps)
    registers.CTRL.fields[name].write(1)
    registers.STATUS.BUSY.wait(0)
    status = registers.STATUS
    return registers.POSITION.read(), status.LIMIT.read(), status.HOMED.read()


def test_homing_ends_at_0() -> None:
    with axis() as device:
        assert device.registers.STATUS.HOMED.read() == 0
        assert command(device, "HOME") == (0, 1, 1)
        assert device.now == pytest.approx(37 * MS)
        assert command(device, "HOME") == (0, 1, 1)
        assert device.now == pytest.approx(37 * MS)


def test_lower_limit_alone_is_no_homing() -> None:
    with axis() as device:
        assert command(device, "MOVE_DOWN") == (0, 1, 0)
        assert command(device, "HOME") == (0, 1, 1)


def test_limits_stop_the_axis() -> None:
    with axis() as device:
        command(device, "HOME")
        assert command(device, "MOVE_DOWN", 5) == (0, 1, 1)
        assert command(device, "MOVE_UP", 99) == (99, 0, 1)
        assert command(device, "MOVE_UP", 60) == (100, 1, 1)
        assert command(device, "MOVE_UP", 60) == (100, 1, 1)
        assert command(device, "MOVE_DOWN", 25) == (75, 0, 1)
        assert command(device, "MOVE_DOWN", 500) == (0, 1, 1)


def test_axis_is_busy_while_it_moves_and_stops_when_told() -> None:
    with axis("clock=manual&latency=0s") as device:
        registers = device.registers
        registers.STEPS.write(20)
        registers.CTRL.MOVE_UP.write(1)
        seen = []
        for _ in range(10):
            assert registers.STATUS.BUSY.read() == 1
            device.advance(MS)
            seen.append(registers.POSITION.read())
        assert seen == list(range(38, 48))
        registers.CTRL.STOP.write(1)
        device.advance(1)
        assert (registers.STATUS.BUSY.read(), registers.POSITION.read()) == (0, 47)
        assert registers.STEPS.read() == 10


def test_power_on_state_is_back_after_a_reset() -> None:
    with axis() as device:
        command(device, "HOME")
        device.reset()
        assert device.registers.POSITION.read() == 37
        assert device.registers.STATUS.read() == 0


# ------------------------------------------------------------------------------------------ both


def axis_times(seed: int) -> list[Any]:
    with axis(f"clock=virtual&latency=100us&jitter=90us&seed={seed}") as device:
        moves = ("HOME", 0), ("MOVE_UP", 60), ("MOVE_DOWN", 7), ("MOVE_UP", 500)
        return [(command(device, *move), device.now) for move in moves]


def supply_times(seed: int) -> list[Any]:
    uri = f"hwsim://psu?clock=virtual&latency=100us&jitter=90us&seed={seed}"
    with hwsim.open(uri, model=SUPPLY["PowerSupply"]) as psu:
        psu.registers.OUTPUT.EN.write(1)
        volts = [psu.registers.MEASURED.read() for _ in range(200)]
        psu.registers.LOAD.OVER.write(1)
        psu.registers.STATUS.TRIP.wait(1)
        return [*volts, psu.now]


@pytest.mark.parametrize("run", [axis_times, supply_times])
def test_same_seed_gives_the_same(run: Callable[[int], list[Any]]) -> None:
    assert run(1) == run(1)
    assert run(1) != run(2)


def test_jitter_of_a_bus_does_not_change_where_the_axis_ends() -> None:
    ends = [[end for end, _ in axis_times(seed)] for seed in range(5)]
    assert ends == [[(0, 1, 1), (60, 0, 1), (53, 0, 1), (100, 1, 1)]] * 5


# ------------------------------------------------------------------------------------------ meter


def meter(settings: str = "clock=virtual&latency=1us") -> hwsim.Device:
    return hwsim.open(f"hwsim://meter?{settings}", model=METER["Meter"])


def test_commands_are_answered_and_measuring_takes_time() -> None:
    ask = METER["ask"]
    with meter() as device:
        assert ask(device, "*IDN?") == "hwsim,meter,0,1\n"
        assert device.now < MS
        assert ask(device, "MEAS?") == "1.230\n"
        assert device.now > METER["MEASURING"]
        assert ask(device, "RANGE 100") == ""
        assert ask(device, "MEAS?") == "12.300\n"
        with pytest.raises(ValueError, match="MEASURE"):
            ask(device, "MEASURE")
        assert device.registers.RX.read() == 0


def test_command_that_times_out_left_no_answer() -> None:
    with meter() as device:
        for byte in b"MEAS?":
            device.registers.TX.write(byte)
        with pytest.raises(hwsim.errors.DeviceTimeout):
            device.registers.TX.write(ord("\n"), timeout=MS)
        assert device.registers.STATUS.read() == 0
        assert METER["ask"](device, "*IDN?") == "hwsim,meter,0,1\n"


def test_reset_forgets_what_was_sent() -> None:
    with meter() as device:
        device.registers.TX.write(ord("X"))
        device.reset()
        assert METER["ask"](device, "MEAS?") == "1.230\n"


# ------------------------------------------------------------------------------------ thermostat


def bake(seconds: float = 600.0, uri: str = "clock=virtual&latency=1ms&jitter=100us&seed=1") -> Any:
    with hwsim.open(f"hwsim://oven?range=2V&{uri}", model=OVEN["Oven"]) as device:
        OVEN["build_oven"](device)
        return OVEN["control"](device, OVEN["PID"](), seconds)


def test_thermostat_reaches_and_holds_each_temperature() -> None:
    run = bake()
    assert run[0].measured == pytest.approx(OVEN["AMBIENT"], abs=0.5)
    for begin, wanted in OVEN["STEPS"]:
        held = [one.measured for one in run if begin + 100 <= one.time < begin + 200]
        assert max(abs(measured - wanted) for measured in held) < 1.0
        near = [one.measured for one in run if begin <= one.time < begin + 200]
        overshoot = max(near) - wanted if wanted != 50 else wanted - min(near)
        assert overshoot < 3.0


def test_thermostat_at_rest_gives_the_power_that_the_oven_loses() -> None:
    held = [one.watts for one in bake(199.0) if one.time > 120]
    expected = (OVEN["STEPS"][0][1] - OVEN["AMBIENT"]) / OVEN["KELVIN_PER_WATT"]
    assert sum(held) / len(held) == pytest.approx(expected, abs=0.2)


def test_thermostat_comes_out_the_same_for_the_same_seed() -> None:
    first = bake(60.0)
    assert bake(60.0) == first
    assert bake(60.0, "clock=virtual&latency=1ms&jitter=100us&seed=2") != first


def test_picture_of_the_thermostat_is_current() -> None:
    committed = (EXAMPLES.parent / "docs/thermostat.svg").read_text("utf-8")
    assert OVEN["picture"](bake()) == committed
