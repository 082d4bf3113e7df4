"""Thresholds: comparators that find every crossing in the samples of a stream."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import OpenDevice
from events import MANUAL, sequences, there, values
from examples import examples
from hwsim import Event
from hwsim.errors import StateError
from hwsim.signals import Waveform


def crossings(codes: list[float], level: float, hysteresis: float) -> list[tuple[int, float]]:
    """What a comparator must find: index and volts of each sample that changes its output."""
    high = codes[0] >= level
    found = []
    for n, volts in enumerate(codes):
        if (volts >= level) if not high else (volts < level - hysteresis):
            high = not high
            found.append((n, volts))
    return found


@given(
    samples=st.lists(st.integers(-20, 20), min_size=2, max_size=60),
    level=st.integers(-22, 22),
    hysteresis=st.integers(0, 10),
    steps=st.lists(st.integers(1, 25), max_size=5),
)
@examples
def test_threshold_finds_every_crossing(
    samples: list[int], level: int, hysteresis: int, steps: list[int], open_device: OpenDevice
) -> None:
    """In exactly the samples that a stream would deliver, however the time is split."""
    with open_device(MANUAL + "&rate=1kHz&range=32V") as device:
        events = device.events(kinds=["threshold"])
        device.set_signal(1, np.array(samples), noise=0, loop=False)
        device.set_threshold(1, level, hysteresis=hysteresis)
        stream = device.stream(1000, channels=[1], dtype="float64")
        found: list[Event] = []
        for step in [*steps, 100]:
            device.advance(step / 1000)
            found += there(events)
        volts = stream.read(sum(steps) + 100).data[:, 0].tolist()
        assert [(round(e.time_s * 1000) - 1, e.value) for e in found] == crossings(
            volts, level, hysteresis
        )
        assert sequences(found) == list(range(len(found)))
        assert {e.channel for e in found} <= {1}


@given(
    waveform=st.sampled_from(["dc", "sine", "square", "triangle"]),
    amplitude=st.floats(-20, 20),
    offset=st.floats(-10, 10),
    frequency=st.one_of(st.sampled_from([0.0, 125.0, 250.0, 500.0]), st.floats(0.01, 500)),
    phase=st.one_of(st.just(0.25), st.floats(-1, 1)),
    noise=st.sampled_from([0.0, 0.0, 0.01]),
    gain_error=st.floats(-0.5, 0.5),
    inl=st.floats(-1000, 1000),
    level=st.floats(-11, 11),
    hysteresis=st.sampled_from([0.0, 0.001, 0.5]),
    steps=st.lists(st.integers(1, 900), max_size=4),
)
@examples
def test_crossings_of_a_generated_signal_are_those_of_its_samples(
    waveform: Waveform,
    amplitude: float,
    offset: float,
    frequency: float,
    phase: float,
    noise: float,
    gain_error: float,
    inl: float,
    level: float,
    hysteresis: float,
    steps: list[int],
    open_device: OpenDevice,
) -> None:
    """They are computed, not looked for, and still the same."""
    with open_device(MANUAL + "&rate=1kHz&range=10V") as device:
        events = device.events(kinds=["threshold"], queue=10**4)
        device.set_signal(
            0,
            waveform,
            amplitude=amplitude,
            offset=offset,
            frequency=frequency,
            phase=phase,
            noise=noise,
            gain_error=gain_error,
            inl=inl,
        )
        device.set_threshold(0, level, hysteresis=hysteresis)
        stream = device.stream(1000, dtype="float64")
        found: list[Event] = []
        for step in [*steps, 1000]:
            device.advance(step / 1000)
            found += there(events)
        volts = stream.read(sum(steps) + 1000).data[:, 0].tolist()
        assert [(round(e.time_s * 1000) - 1, e.value) for e in found] == crossings(
            volts, level, hysteresis
        )


def test_crossings_of_years_are_computed(open_device: OpenDevice) -> None:
    """Nothing looks at all these samples: it would take days."""
    device = open_device("latency=0s&clock=manual&rate=1MHz")
    device.set_signal(0, "sine", frequency=1e-8, noise=0)
    device.set_threshold(0, 0.5)
    for channel, source in enumerate(("sine", "triangle", "square"), 1):  # never
        device.set_signal(channel, source, noise=1e-3)
        device.set_threshold(channel, 1.004)
    events = device.events(kinds=["threshold"])
    device.advance(9e9)
    found = there(events)
    assert {e.channel for e in found} == {0}
    assert [e.value >= 0.5 for e in found] == [n % 2 == 0 for n in range(180)]
    assert found[0].time_s == pytest.approx(1e8 / 12, abs=2000)


def test_hysteresis_keeps_noise_away(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=manual&rate=1kHz&seed=3")
    device.set_signal(0, "sine", frequency=1, amplitude=1, noise=0.05)
    device.set_signal(1, "sine", frequency=1, amplitude=1, noise=0.05)
    device.set_threshold(0, 0.25, hysteresis=0.5)
    device.set_threshold(1, 0.25)
    events = device.events(kinds=["threshold"], queue=2**16)
    device.advance(10)
    found = there(events)
    assert len([e for e in found if e.channel == 0]) == 20
    assert len([e for e in found if e.channel == 1]) > 40
    assert [e.time_s for e in found] == sorted(e.time_s for e in found)


def test_threshold_wakes_a_reader_on_every_clock(open_device: OpenDevice) -> None:
    for clock in ("real", "virtual", "10x"):
        device = open_device(f"latency=0s&clock={clock}&rate=10kHz&timeout=inf")
        device.set_signal(0, "square", frequency=100, noise=0)
        device.set_threshold(0, 0.0)
        events = device.events()
        found = list(itertools.islice(events, 4))
        assert {e.kind for e in found} == {"threshold"}
        steps = np.diff([e.time_s for e in found])
        assert steps == pytest.approx([0.005] * 3)
        assert sorted(np.sign(values(found[:2]))) == [-1, 1]


def test_threshold_that_is_cleared_finds_nothing(open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&rate=1kHz")
    device.set_signal(0, "square", frequency=100, noise=0)
    device.set_threshold(0, 0.0)
    events = device.events()
    device.advance(0.02)
    assert [e.time_s for e in there(events)] == [0.006, 0.011, 0.016]
    device.clear_threshold(0)
    device.clear_threshold(0)
    device.advance(1)
    assert there(events) == []


def test_ticks_and_crossings_come_in_the_order_of_their_times(open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&rate=1kHz&timer=3ms")
    for channel, frequency in enumerate((100, 70, 33)):
        device.set_signal(channel, "square", frequency=frequency, noise=0)
        device.set_threshold(channel, 0.0)
    events = device.events(kinds=["timer", "threshold"], queue=10**4)
    device.advance(2)
    found = there(events)
    assert len(found) > 800
    assert [e.time_s for e in found] == sorted(e.time_s for e in found)
    assert sequences(found) == list(range(len(found)))


def test_comparator_that_cannot_keep_up_is_refused(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&rate=1MHz&clock=10x")
    with pytest.raises(StateError, match=r"looks at up to 1e6 samples a second.*1e.07"):
        device.set_threshold(0, 1.0)
