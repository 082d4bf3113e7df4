"""Calibration: its numbers against an independent computation, what the correction does, stopping.

The independent computation streams the same reference from a device that has not been calibrated,
and works on its raw codes with NumPy and SciPy, from the definitions of IEEE Std 1241-2010. Agreed
tolerances: 1e-6 LSB for amplitude, offset, INL and DNL of every code, 1e-6 bits for the ENOB.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import scipy.optimize

import hwsim
from conftest import LIMIT, OpenDevice, in_thread, parallelize, run_script
from hwsim.errors import (
    DeviceClosed,
    DeviceTimeout,
    InvalidArgument,
    OperationCancelled,
    StateError,
)

Floats = npt.NDArray[np.float64]
SMALLEST = 2**18  # samples
LARGEST = 2**26  # seconds of computing: what is stopped at once cannot have come to its end
CODES = 65536
SHAPE = 1.5 * math.sqrt(3)  # x (1 - x^2) times this has its peak at 1


class Converter(NamedTuple):
    """A channel of a device, and the errors of its converter."""

    seed: int
    channel: int
    range: float
    noise: float
    gain_error: float
    offset_error: float
    inl: float

    @property
    def lsb(self) -> float:
        return self.range / 32768

    def connect(self, device: hwsim.Device, source: Any = "sine", **signal: float) -> None:
        errors: dict[str, Any] = {**self._asdict(), **signal}
        del errors["seed"], errors["channel"]
        device.set_signal(self.channel, source, **errors)

    def open(self, open_device: OpenDevice, rate: int = 1000) -> hwsim.Device:
        device = open_device(f"latency=0s&clock=virtual&rate={rate}Hz&seed={self.seed}")
        self.connect(device)
        return device


def random_converter(seed: int) -> Converter:
    random = np.random.default_rng(seed)
    range_v = float(random.choice([0.5, 1.0, 2.5, 5.0, 10.0]))
    return Converter(
        seed=int(random.integers(2**63)),
        channel=int(random.integers(4)),
        range=range_v,
        noise=range_v * 10 ** random.uniform(-5, -2.5) * (seed % 6 != 0),
        gain_error=random.uniform(-0.05, 0.05),
        offset_error=range_v * random.uniform(-0.05, 0.05),
        inl=random.uniform(-30, 30) * (seed % 4 != 0),
    )


CONVERTERS = [random_converter(seed) for seed in range(12)]
IDEAL = Converter(seed=5, channel=0, range=10, noise=0, gain_error=0, offset_error=0, inl=0)
BAD = IDEAL._replace(noise=1e-3, gain_error=0.02, offset_error=-0.3, inl=12)


# --------------------------------------------------------------------- the independent computation


def cycles_of(samples: int) -> int:
    """Odd, about a 32nd of the samples, and no divisor in common with them."""
    cycles = samples // 32 | 1
    while math.gcd(cycles, samples) != 1:
        cycles += 2
    return cycles


def record(
    open_device: OpenDevice, converter: Converter, amplitude: float, samples: int
) -> npt.NDArray[np.int16]:
    """Streams the reference's codes, with a rate at which its cycles are exact."""
    device = converter.open(open_device, samples)
    converter.connect(device, amplitude=amplitude, frequency=cycles_of(samples))
    with device.stream(
        samples, channels=(converter.channel,), block=samples, total=samples
    ) as stream:
        codes: npt.NDArray[np.int16] = stream.read().data[:, 0].astype(np.int16)
    device.close()
    assert len(codes) == samples
    return codes


class Fit(NamedTuple):
    """A sine in codes; its phase at sample 0 in turns; what is left, RMS."""

    amplitude: float
    offset: float
    phase: float
    cycles: float
    rms: float


def fit_sine(codes: npt.NDArray[np.int16], cycles: int) -> Fit:
    """The least-squares fit of amplitude, offset, phase and frequency."""
    y = codes.astype(np.float64)
    t = np.arange(len(y)) / len(y) - 0.5
    angle = 2 * np.pi * cycles * t
    start = np.linalg.lstsq(
        np.column_stack([np.cos(angle), np.sin(angle), np.ones_like(t)]), y, rcond=None
    )[0]

    def residuals(p: Floats) -> Floats:
        turned = angle + 2 * np.pi * p[3] * t
        return np.asarray(p[0] * np.cos(turned) + p[1] * np.sin(turned) + p[2] - y)

    def jacobian(p: Floats) -> Floats:
        turned = angle + 2 * np.pi * p[3] * t
        cosine, sine = np.cos(turned), np.sin(turned)
        slope = 2 * np.pi * t * (p[1] * cosine - p[0] * sine)
        return np.column_stack([cosine, sine, np.ones_like(t), slope])

    found = scipy.optimize.least_squares(
        residuals, [*start, 0.0], jac=jacobian, method="lm", x_scale="jac", xtol=1e-15, ftol=1e-15
    )
    a, b, c, extra = found.x
    # a cos + b sin = amplitude sin(angle + atan2(a, b)), and angle is 0 in the middle.
    phase = math.atan2(a, b) / (2 * math.pi) - (cycles + extra) / 2
    rms = math.sqrt(np.mean(found.fun**2))
    return Fit(math.hypot(a, b), c, phase % 1, cycles + extra, rms)


def code_density(codes: npt.NDArray[np.int16], overdrive_lsb: float) -> tuple[Floats, Floats]:
    """INL at the transitions 1 to 65535 and DNL of the codes 1 to 65534, terminal-based."""
    counts = np.bincount(codes.astype(np.int64) + 32768, minlength=CODES)
    share_below = np.cumsum(counts)[:-1] / len(codes)
    transitions = -overdrive_lsb * np.cos(np.pi * share_below)
    width = (transitions[-1] - transitions[0]) / (CODES - 2)
    inl = (transitions - transitions[0]) / width - np.arange(CODES - 1)
    return inl, np.diff(transitions) / width - 1


def check_fit(result: hwsim.Calibration, fit: Fit, lsb: float) -> None:
    assert result.amplitude / lsb == pytest.approx(fit.amplitude, abs=1e-6)
    assert result.offset / lsb == pytest.approx(fit.offset, abs=1e-6)
    assert (result.phase - fit.phase + 0.5) % 1 - 0.5 == pytest.approx(0, abs=1e-9)
    assert result.cycles == pytest.approx(fit.cycles, abs=1e-9)
    assert result.gain_error == pytest.approx(fit.amplitude * lsb / result.reference - 1, abs=1e-9)
    assert result.enob == pytest.approx(16 - math.log2(fit.rms * math.sqrt(12)), abs=1e-6)
    sinad = 20 * math.log10(fit.amplitude / math.sqrt(2) / fit.rms)
    assert result.sinad == pytest.approx(sinad, abs=1e-5)


def check_density(result: hwsim.Calibration, inl: Floats, dnl: Floats) -> None:
    np.testing.assert_allclose(result.inl[1:], inl, rtol=0, atol=1e-6)
    np.testing.assert_allclose(result.dnl[1:-1], dnl, rtol=0, atol=1e-6)
    assert (result.inl[0], result.dnl[0], result.dnl[-1]) == (0, 0, 0)
    assert result.inl_max == pytest.approx(np.abs(inl).max(), abs=1e-6)
    assert result.dnl_max == pytest.approx(np.abs(dnl).max(), abs=1e-6)
    assert result.missing_codes == np.count_nonzero(dnl <= -0.9)


def check(open_device: OpenDevice, converter: Converter, samples: int) -> None:
    device = converter.open(open_device)
    result = device.calibrate(converter.channel, samples=samples)
    codes = record(open_device, converter, result.reference, samples)
    assert codes.min() > -32768 and codes.max() < 32767
    check_fit(result, fit_sine(codes, cycles_of(samples)), converter.lsb)
    codes = record(open_device, converter, result.overdrive, samples)
    assert codes.min() == -32768 and codes.max() == 32767
    check_density(result, *code_density(codes, result.overdrive / converter.lsb))


@pytest.mark.parametrize("converter", CONVERTERS, ids=range(len(CONVERTERS)))
def test_numbers_agree_with_numpy_and_scipy(converter: Converter, open_device: OpenDevice) -> None:
    check(open_device, converter, SMALLEST)


@pytest.mark.parametrize("samples", [2**18 + 1, 300_000, 360_360, 2**20])
def test_numbers_agree_with_any_number_of_samples(samples: int, open_device: OpenDevice) -> None:
    check(open_device, BAD, samples)


# --------------------------------------------------------------- the errors that were given to it


@pytest.mark.parametrize("gain_error", [-0.3, -0.01, 0.0, 0.004, 0.4])
@pytest.mark.parametrize("offset_error", [-2.0, 0.0, 0.7])
def test_gain_and_offset_are_found(
    gain_error: float, offset_error: float, open_device: OpenDevice
) -> None:
    """To 1e-6 and a hundredth of a code: the converters compute in single precision."""
    converter = IDEAL._replace(gain_error=gain_error, offset_error=offset_error)
    result = converter.open(open_device).calibrate(0, samples=SMALLEST)
    assert result.gain_error == pytest.approx(gain_error, abs=1e-6)
    assert result.offset == pytest.approx(offset_error, abs=0.01 * converter.lsb)


@pytest.mark.parametrize("noise_lsb", [0.0, 0.5, 3.0, 40.0])
def test_enob_is_that_of_quantisation_and_noise(noise_lsb: float, open_device: OpenDevice) -> None:
    converter = IDEAL._replace(noise=noise_lsb * IDEAL.lsb)
    result = converter.open(open_device).calibrate(0, samples=SMALLEST)
    # A quantisation error of 1/12 LSB^2, and of an ideal converter 16 bits.
    assert result.enob == pytest.approx(16 - math.log2(1 + 12 * noise_lsb**2) / 2, abs=0.01)


@pytest.mark.parametrize("inl", [-25.0, 8.0])
def test_inl_has_the_shape_that_was_given(inl: float, open_device: OpenDevice) -> None:
    """Where codes come out too high, their transitions are too low."""
    converter = IDEAL._replace(inl=inl, noise=1e-3)
    result = converter.open(open_device).calibrate(0, samples=2**22)
    x = np.arange(-32768, 32768) / 32768
    smooth = np.convolve(result.inl, np.full(513, 1 / 513), mode="same")
    inside = slice(512, -512)
    expected = -inl * SHAPE * x * (1 - x**2)
    np.testing.assert_allclose(smooth[inside], expected[inside], rtol=0, atol=0.5)
    assert result.inl_max == pytest.approx(abs(inl), abs=1.5)


def test_more_samples_make_dnl_more_certain(open_device: OpenDevice) -> None:
    """A single code's is uncertain by 1 / sqrt(samples / 2**17), of a converter that has none."""
    device = IDEAL._replace(noise=1e-3).open(open_device)
    for samples in (2**18, 2**20, 2**22):
        result = device.calibrate(0, samples=samples)
        # The sine meets the middle of its range least often.
        deviation = np.std(result.dnl[24576:40960])
        assert deviation == pytest.approx(math.sqrt(2**17 / samples), rel=0.25)


# ---------------------------------------------------------------------------------- the correction

LEVELS = np.linspace(-0.9, 0.9, 61)  # of the range


def errors_lsb(device: hwsim.Device, converter: Converter) -> Floats:
    """How wrong readings of known voltages are, in LSB."""
    errors = []
    for level in LEVELS * converter.range:
        converter.connect(device, "dc", offset=level, noise=0)
        errors.append((device.read_voltage(converter.channel) - level) / converter.lsb)
    return np.array(errors)


@pytest.mark.parametrize("converter", CONVERTERS[:6], ids=range(6))
def test_readings_are_right_after_it(converter: Converter, open_device: OpenDevice) -> None:
    """Two roundings make an LSB; the rest is what 2**20 samples leave uncertain."""
    device = converter.open(open_device)
    before = errors_lsb(device, converter)
    converter.connect(device)
    device.calibrate(converter.channel, samples=2**20)
    after = errors_lsb(device, converter)
    noise_lsb = converter.noise / converter.lsb
    assert np.abs(after).max() < 1.5 + 0.04 * noise_lsb
    assert np.abs(before).max() > 20 * np.abs(after).max()


def test_correction_is_of_its_channel_and_of_streams_that_start_later(
    open_device: OpenDevice,
) -> None:
    device = open_device("latency=0s&clock=virtual")
    for channel in range(4):
        BAD._replace(channel=channel).connect(device, "dc", offset=5.0, noise=0)
    raw = [device.read_voltage(channel) for channel in range(4)]

    def first(stream: hwsim.Stream) -> float:
        return float(stream.read(1).volts()[0, 0])

    with device.stream(1000, channels=(1,)) as running:
        device.calibrate(1, samples=SMALLEST)
        assert first(running) == raw[1]
    with device.stream(1000, channels=(1,)) as later:
        assert first(later) == device.read_voltage(1) == pytest.approx(5, abs=5 * BAD.lsb)
    assert [device.read_voltage(channel) for channel in (0, 2, 3)] == [raw[0], raw[2], raw[3]]


def test_correction_can_be_taken_away(open_device: OpenDevice) -> None:
    device = open_device()
    BAD.connect(device, "dc", offset=5.0, noise=0)
    raw = device.read_voltage(0)
    device.calibrate(0, samples=SMALLEST)
    assert device.read_voltage(0) != raw
    device.clear_calibration(0)
    assert device.read_voltage(0) == raw
    device.clear_calibration(0)
    with pytest.raises(InvalidArgument, match="channel must be from 0 to 3, got 4"):
        device.clear_calibration(4)


def test_corrected_converter_is_measured_as_it_is(open_device: OpenDevice) -> None:
    """The second calibration starts from the raw codes, and corrects the same."""
    device = BAD.open(open_device)
    first = device.calibrate(0, samples=SMALLEST)
    second = device.calibrate(0, samples=SMALLEST)
    assert (first.gain_error, first.enob) == (second.gain_error, second.enob)
    assert np.array_equal(first.inl, second.inl) and np.array_equal(first.dnl, second.dnl)


def test_connected_signal_goes_on_undisturbed(open_device: OpenDevice) -> None:
    """It takes no sample of the signal, no transaction and no time of the device."""
    device, twin = (open_device("clock=virtual&seed=3") for _ in range(2))
    expected = [twin.read_voltage(0) for _ in range(8)]
    values = [device.read_voltage(0) for _ in range(4)]
    before = device.transactions, device.now
    device.calibrate(0, samples=SMALLEST)
    device.clear_calibration(0)
    assert (device.transactions, device.now) == before
    assert values + [device.read_voltage(0) for _ in range(4)] == expected


# ------------------------------------------------------------------------------------- determinism


def numbers(result: hwsim.Calibration) -> tuple[object, ...]:
    return (
        result.amplitude, result.offset, result.phase, result.cycles, result.gain_error,
        result.sinad, result.enob, result.inl_max, result.dnl_max, result.missing_codes,
        result.reference, result.overdrive, result.inl.tobytes(), result.dnl.tobytes(),
    )  # fmt: skip


def test_result_is_the_same_whatever_is_connected(open_device: OpenDevice) -> None:
    results = set()
    for source in ("sine", "dc", "square", [0.5, -0.5, 0.25]):
        device = open_device("latency=0s&seed=9")
        BAD.connect(device, source, offset=1.5, amplitude=0.3, phase=0.1)
        results.add(numbers(device.calibrate(0, samples=SMALLEST)))
    assert len(results) == 1


def test_noise_is_that_of_seed_and_channel(open_device: OpenDevice) -> None:
    results = set()
    for seed, channel in ((1, 0), (2, 0), (1, 1)):
        device = BAD._replace(seed=seed, channel=channel).open(open_device)
        results.add(numbers(device.calibrate(channel, samples=SMALLEST)))
    assert len(results) == 3


@pytest.mark.parametrize("shared", [False, True], ids=["devices", "one-device"])
def test_threads_get_the_same_as_one(shared: bool, open_device: OpenDevice) -> None:
    """Synchronization: none required, also where the threads share a device and a channel."""
    devices = [BAD.open(open_device) for _ in range(1 if shared else 4)]
    results = parallelize(
        lambda i: devices[i % len(devices)].calibrate(0, samples=SMALLEST),
        4,
    )
    assert len(set(map(numbers, results))) == 1
    BAD.connect(devices[0], "dc", offset=5.0, noise=0)
    assert devices[0].read_voltage(0) == pytest.approx(5, abs=5 * BAD.lsb)


# --------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize("samples", [0, 1, SMALLEST - 1, LARGEST + 1, 2**63])
def test_samples_outside_the_limits_are_refused(samples: int, open_device: OpenDevice) -> None:
    with pytest.raises(InvalidArgument, match=f"from {SMALLEST} to {LARGEST}, got {samples}"):
        open_device().calibrate(0, samples=samples)


def test_channel_that_does_not_exist_is_refused(open_device: OpenDevice) -> None:
    with pytest.raises(InvalidArgument, match="channel must be from 0 to 3, got 4"):
        open_device().calibrate(4, samples=SMALLEST)


def test_progress_must_be_callable(open_device: OpenDevice) -> None:
    with pytest.raises(TypeError, match=r"progress must be callable or None, got 5 \(int\)"):
        open_device().calibrate(0, samples=SMALLEST, progress=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("errors", [{"offset_error": 30.0}, {"offset_error": -9.9}, {"noise": 50}])
def test_converter_that_always_saturates_cannot_be_measured(
    errors: dict[str, float], open_device: OpenDevice
) -> None:
    device = open_device()
    device.set_signal(0, **errors)  # type: ignore[arg-type]
    with pytest.raises(StateError, match="channel 0 saturates at every reference"):
        device.calibrate(0, samples=SMALLEST)


def test_closed_device_raises(open_device: OpenDevice) -> None:
    device = open_device()
    device.close()
    with pytest.raises(DeviceClosed):
        device.calibrate(0, samples=SMALLEST)
    with pytest.raises(DeviceClosed):
        device.clear_calibration(0)


# ----------------------------------------------------------------------------- progress, stopping


class Reports:
    """Writes down what is reported; acts at the first report from a share of the whole on."""

    def __init__(self, act: Callable[[], object] | None = None, share: float = 0) -> None:
        self.seen: list[tuple[int, int]] = []
        self.act, self.share = act, share
        self.started = threading.Event()
        self.threads: set[int] = set()

    def __call__(self, done: int, total: int) -> None:
        self.seen.append((done, total))
        self.threads.add(threading.get_ident())
        self.started.set()
        if self.act and done >= self.share * total:
            self.act()


def test_progress_rises_to_its_end_on_the_calling_thread(open_device: OpenDevice) -> None:
    reports = Reports()
    open_device().calibrate(0, samples=2**20, progress=reports)
    done = [seen for seen, _ in reports.seen]
    assert done == sorted(set(done)) and done[0] > 0
    assert reports.seen[-1] == (6 * 2**20, 6 * 2**20)
    assert {total for _, total in reports.seen} == {6 * 2**20}
    assert reports.threads == {threading.get_ident()}


STAGES = [0.0, 0.3, 0.75, 0.95, 1.0]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("token", OperationCancelled),
        ("device", OperationCancelled),
        ("close", DeviceClosed),
        ("advance", DeviceTimeout),
    ],
)
def test_stopped_in_its_progress_callback(
    how: str, error: type[Exception], stage: float, open_device: OpenDevice
) -> None:
    """At once: there is no further report. Nothing has been corrected."""
    device = open_device("latency=0s&clock=manual&timeout=inf")
    BAD.connect(device, "dc", offset=5.0, noise=0)
    raw = device.read_voltage(0)
    token = hwsim.CancelToken()
    act: dict[str, Callable[[], object]] = {
        "token": token.cancel,
        "device": device.cancel,
        "close": device.close,
        "advance": lambda: device.advance(1.0),
    }
    reports = Reports(act[how], stage)
    with pytest.raises(error, match="calibrate") as caught:
        device.calibrate(0, samples=SMALLEST, progress=reports, cancel=token, timeout=1.0)
    assert [done >= stage * total for done, total in reports.seen].count(True) == 1
    assert getattr(caught.value, "operation", None) == "calibrate"
    if how != "close":
        assert device.read_voltage(0) == raw
        device.calibrate(0, samples=SMALLEST)
        assert device.read_voltage(0) == pytest.approx(5, abs=5 * BAD.lsb)


@pytest.mark.parametrize("stage", STAGES)
def test_exception_of_the_progress_callback_reaches_the_caller(
    stage: float, open_device: OpenDevice
) -> None:
    """The very same, with its traceback; also the one of the last report ends the calibration."""
    device = open_device()
    BAD.connect(device, "dc", offset=5.0, noise=0)
    raw = device.read_voltage(0)
    mine = LookupError("mine")

    def fail_here() -> None:
        raise mine

    reports = Reports(fail_here, stage)
    with pytest.raises(LookupError) as caught:
        device.calibrate(0, samples=SMALLEST, progress=reports)
    assert caught.value is mine
    assert mine.__context__ is None and mine.__cause__ is None
    assert [frame.name for frame in traceback.extract_tb(mine.__traceback__)][-1] == "fail_here"
    assert [done >= stage * total for done, total in reports.seen].count(True) == 1
    assert device.read_voltage(0) == raw


def test_progress_callback_may_use_the_device(open_device: OpenDevice) -> None:
    """Also for a calibration of its own."""
    device = BAD.open(open_device)
    inner: list[hwsim.Calibration] = []

    def act() -> None:
        device[0x40] = 7
        assert device[0x40] == 7
        device.read_voltage(1)
        device.set_signal(0, "dc")
        BAD.connect(device)
        if not inner:
            inner.append(device.calibrate(0, samples=SMALLEST))

    outer = device.calibrate(0, samples=SMALLEST, progress=Reports(act))
    assert numbers(outer) == numbers(inner[0])


@pytest.mark.parametrize(
    ("how", "error"),
    [("token", OperationCancelled), ("device", OperationCancelled), ("close", DeviceClosed)],
)
@pytest.mark.parametrize("policy", ["auto", "release"])
def test_stopped_from_another_thread(
    policy: hwsim.gil.Policy, how: str, error: type[Exception], open_device: OpenDevice
) -> None:
    """It would compute for seconds; the other thread could not run if the GIL were held."""
    device, token, reports = open_device(), hwsim.CancelToken(), Reports()
    act = {"token": token.cancel, "device": device.cancel, "close": device.close}[how]
    with hwsim.gil.policy(policy):
        call = in_thread(
            lambda: device.calibrate(0, samples=LARGEST, progress=reports, cancel=token)
        )
        assert reports.started.wait(LIMIT)
        act()
        with pytest.raises(error):
            call.result(LIMIT)
    done, total = reports.seen[-1]
    assert done < total


def test_gil_is_released_once_for_the_whole(open_device: OpenDevice) -> None:
    """A Python thread runs all the time: it, and nothing else, ends the calibration."""
    device, token, started = open_device(), hwsim.CancelToken(), threading.Event()

    def calibrate() -> int:
        before = hwsim.gil.releases()
        started.set()
        with pytest.raises(OperationCancelled):
            device.calibrate(0, samples=LARGEST, cancel=token)
        return hwsim.gil.releases() - before

    call = in_thread(calibrate)
    assert started.wait(LIMIT)
    assert sum(range(100_000)) and not call.done()
    token.cancel()
    assert call.result(LIMIT) == 1


def test_token_that_is_set_already_stops_it(open_device: OpenDevice) -> None:
    token = hwsim.CancelToken()
    token.cancel()
    with pytest.raises(OperationCancelled):
        open_device().calibrate(0, samples=LARGEST, cancel=token)


def test_timeout_is_of_the_whole_and_there_is_none_by_default(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&timeout=0s")
    with pytest.raises(DeviceTimeout, match="not done within the timeout of 0 s"):
        device.calibrate(0, samples=SMALLEST, timeout=0)
    with pytest.raises(DeviceTimeout, match=r"not done within the timeout of 0\.001 s"):
        device.calibrate(0, samples=LARGEST, timeout=0.001)
    device.calibrate(0, samples=SMALLEST)
    device.calibrate(0, samples=SMALLEST, timeout=math.inf)


# ----------------------------------------------------------------------------------------- Ctrl-C

CTRL_C = """
    import os, signal, sys, threading
    import hwsim

    device = hwsim.open("hwsim://ctrl-c?latency=0s")
    device.set_signal(0, "dc", offset=5.0, gain_error=0.01, noise=0)
    raw = device.read_voltage(0)

    def works():
        assert device.read_voltage(0) == raw  # nothing corrected
        device.calibrate(0, samples=2**18)
        assert abs(device.read_voltage(0) - 5) < 0.001
        device.clear_calibration(0)
        print("works")
"""


def test_ctrl_c_in_its_progress_callback_at_every_stage() -> None:
    output = run_script(
        """
        for stage in map(float, sys.argv[1:]):
            def progress(done, total):
                assert not raised
                if done >= stage * total:
                    raised.append(done)
                    signal.raise_signal(signal.SIGINT)

            raised = []
            try:
                device.calibrate(0, samples=2**18, progress=progress)
            except KeyboardInterrupt:
                assert raised
                works()
        """,
        *map(str, STAGES),
        setup=CTRL_C,
    ).check()
    assert output == "works\n" * len(STAGES)


@pytest.mark.parametrize("policy", ["auto", "release", "hold"])
def test_ctrl_c_while_it_computes(policy: str) -> None:
    """From outside; it would compute for seconds yet."""

    def interrupt(line: str, process: int) -> None:
        if line == "computes":
            os.kill(process, signal.SIGINT)

    output = run_script(
        """
        hwsim.gil.policy(sys.argv[1])
        reports = []

        def progress(done, total):
            reports.append((done, total))
            if len(reports) == 1:
                print("computes", flush=True)

        try:
            device.calibrate(0, samples=2**26, progress=progress)
        except KeyboardInterrupt:
            done, total = reports[-1]
            assert done < total
            works()
        """,
        policy,
        setup=CTRL_C,
        on_line=interrupt,
    ).check()
    assert output == "computes\nworks\n"


def test_ctrl_c_while_it_computes_without_a_callback() -> None:
    """A signal that comes too early, before the GIL is released, is tried again."""

    def interrupt(line: str, process: int) -> None:
        if line == "computes":
            os.kill(process, signal.SIGINT)

    output = run_script(
        """
        while True:
            before = hwsim.gil.releases()
            try:
                print("computes", flush=True)
                device.calibrate(0, samples=2**26)
            except KeyboardInterrupt:
                if hwsim.gil.releases() != before:
                    break
        works()
        """,
        setup=CTRL_C,
        on_line=interrupt,
    ).check()
    assert output.splitlines()[-1] == "works"


def test_fork_in_its_progress_callback() -> None:
    """The child may not use the device, and is told so; the parent's goes on."""
    output = run_script(
        """
        import warnings
        from hwsim.errors import DeviceForked

        warnings.simplefilter("ignore", DeprecationWarning)
        parent, children = os.getpid(), []

        def progress(done, total):
            if not children:
                children.append(os.fork())

        try:
            device.calibrate(0, samples=2**18, progress=progress)
        except DeviceForked as error:
            assert os.getpid() != parent
            print(error.operation, "in the child", flush=True)
            os._exit(0)
        assert os.getpid() == parent
        assert os.waitpid(children[0], 0)[1] == 0
        assert abs(device.read_voltage(0) - 5) < 0.001
        print("done in the parent")
        """,
        setup=CTRL_C,
    ).check()
    assert output == "calibrate in the child\ndone in the parent\n"


def test_correction_ends_with_the_range_it_was_measured_in() -> None:
    with hwsim.open("hwsim://range-of-correction?clock=virtual&noise=0V") as device:
        device.set_signal(0, "dc", offset=1.0, offset_error=0.5)
        device.calibrate(0, samples=2**18)
        assert device.read_voltage(0) == pytest.approx(1.0, abs=0.01)
        device.set_signal(0, "dc", offset=1.0, offset_error=0.5)
        assert device.read_voltage(0) == pytest.approx(1.0, abs=0.01)
        device.set_signal(0, "dc", offset=1.0, offset_error=0.5, range=5)
        assert device.read_voltage(0) == pytest.approx(1.5, abs=0.01)


def test_device_that_cannot_convert_cannot_be_calibrated() -> None:
    with hwsim.open("hwsim://no-converter?clock=virtual") as device:
        device.registers["CONTROL"].write(0)
        with pytest.raises(hwsim.errors.StateError, match="CONTROL"):
            device.calibrate(0, samples=2**18)
        device.inject("disconnect")
        with pytest.raises(hwsim.errors.DeviceDisconnected):
            device.calibrate(0, samples=2**18)
