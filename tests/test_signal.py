"""Signals: what a channel measures, against NumPy, and recordings from arrays and files."""

from __future__ import annotations

import importlib.util
import math
import re
import wave
from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwsim
from conftest import OpenDevice, parallelize
from examples import examples
from hwsim.errors import InvalidArgument, StateError

Floats = npt.NDArray[np.float64]
RANGE = 2.0
LSB = RANGE / 32768
RATE = 1000
# Half a code, and the error of a sample in float32 on its way.
CLOSE = LSB / 2 + 4e-7 * RANGE


@pytest.fixture
def device(open_device: OpenDevice) -> hwsim.Device:
    return open_device(f"latency=0s&range={RANGE}V&noise=0V&rate={RATE}Hz&channels=4")


def record(device: hwsim.Device, count: int, channel: int = 0) -> Floats:
    return np.array([device.read_voltage(channel) for _ in range(count)])


@pytest.fixture(scope="module")
def ecg() -> Floats:
    """An electrocardiogram of 1,024 samples, from PyWavelets; in millivolts as large as 1 V."""
    package = importlib.util.find_spec("pywt")
    assert package and package.submodule_search_locations
    with np.load(Path(package.submodule_search_locations[0], "data", "ecg.npz")) as file:
        samples = file["data"].astype(np.float64)
    assert len(samples) == 1024 and np.ptp(samples) > 0
    return np.asarray(samples / np.abs(samples).max())


# ----------------------------------------------------------------------------------- waveforms

t = np.arange(400) / RATE


@pytest.mark.parametrize("phase", [0, 0.25, 0.4, -0.1, 7.3])
@pytest.mark.parametrize("frequency", [0, 3, 12.5, 123.4, 500])
def test_sine_is_numpys(frequency: float, phase: float, device: hwsim.Device) -> None:
    device.set_signal(0, "sine", amplitude=1.5, offset=0.25, frequency=frequency, phase=phase)
    expected = 1.5 * np.sin(2 * np.pi * (frequency * t + phase)) + 0.25
    assert record(device, len(t)) == pytest.approx(expected, abs=CLOSE)


def test_triangle_starts_at_zero_and_rises(device: hwsim.Device) -> None:
    device.set_signal(0, "triangle", amplitude=1.5, frequency=10)
    turns = (10 * t) % 1
    expected = 1.5 * np.interp(turns, [0, 0.25, 0.75, 1], [0, 1, -1, 0])
    assert record(device, len(t)) == pytest.approx(expected, abs=CLOSE)


def test_square_is_high_in_its_first_half(device: hwsim.Device) -> None:
    device.set_signal(0, "square", amplitude=1.5, frequency=7.8125)  # a period of 128 samples
    expected = np.where(np.arange(len(t)) % 128 < 64, 1.5, -1.5)
    assert record(device, len(t)) == pytest.approx(expected, abs=CLOSE)


def test_dc_is_its_offset(device: hwsim.Device) -> None:
    device.set_signal(0, "dc", offset=-1.25, amplitude=99)
    assert record(device, 10) == pytest.approx([-1.25] * 10, abs=CLOSE)


def test_default_is_a_sine_of_ten_hertz_times_the_channel(device: hwsim.Device) -> None:
    for channel in range(4):
        expected = np.sin(2 * np.pi * 10 * (channel + 1) * t)
        assert record(device, len(t), channel) == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize("rate", ["40Hz", "1kHz"])
def test_set_signal_without_settings_is_the_default(rate: str, open_device: OpenDevice) -> None:
    device = open_device(f"latency=0s&rate={rate}")
    before = [device.signal(channel) for channel in range(4)]
    for channel in range(4):
        device.set_signal(channel)
    assert [device.signal(channel) for channel in range(4)] == before


def test_signal_tells_what_was_set(device: hwsim.Device) -> None:
    device.set_signal(
        1, "triangle", amplitude=0.5, offset=0.1, frequency=20, phase=0.25, noise=0.01,
        gain_error=0.02, offset_error=0.03, inl=4, range=5,
    )  # fmt: skip
    assert device.signal(1) == hwsim.Signal("triangle", 0.5, 0.1, 20, 0.25, 0.01, 0.02, 0.03, 4, 5)


def test_set_signal_starts_at_its_first_sample(device: hwsim.Device) -> None:
    record(device, 5)
    device.set_signal(0, [0.0, 1.0])
    assert record(device, 2) == pytest.approx([0, 1], abs=CLOSE)


def test_channels_are_independent(device: hwsim.Device) -> None:
    device.set_signal(0, [0.25, 0.5])
    device.set_signal(3, [1.0, 1.5])
    assert record(device, 1, 3) == pytest.approx([1], abs=CLOSE)
    assert record(device, 2, 0) == pytest.approx([0.25, 0.5], abs=CLOSE)
    assert record(device, 1, 3) == pytest.approx([1.5], abs=CLOSE)


def test_voltages_are_whole_codes(device: hwsim.Device) -> None:
    codes = record(device, 200) / LSB
    assert np.array_equal(codes, np.round(codes))


def test_converters_can_be_switched_off(device: hwsim.Device) -> None:
    device.registers["CONTROL"].write(0)
    with pytest.raises(StateError, match="CONTROL"):
        device.read_voltage(0)
    device.registers["CONTROL"].write(1)
    device.read_voltage(0)


def test_no_sample_is_lost_or_read_twice_by_threads(device: hwsim.Device) -> None:
    table = np.arange(800) / 800
    device.set_signal(0, table)
    parts = parallelize(lambda _: record(device, 100), 8)
    assert np.sort(np.concatenate(parts)) == pytest.approx(table, abs=CLOSE)


# ------------------------------------------------------------------------- errors of converters


def test_range_saturates(device: hwsim.Device) -> None:
    with pytest.warns(UserWarning, match="saturate"):
        device.set_signal(0, [-5.0, -2.0, 2.0, 5.0, 1e6, -1e6])
    top = RANGE - LSB
    assert record(device, 6).tolist() == [-RANGE, -RANGE, top, top, top, -RANGE]


def test_range_can_be_a_channels_own(device: hwsim.Device) -> None:
    with pytest.warns(UserWarning, match="saturate"):
        device.set_signal(0, [0.5, 1.0, 3.0], range=1)
    assert record(device, 3).tolist() == [0.5, 1 - 1 / 32768, 1 - 1 / 32768]


def test_gain_and_offset_error_are_those_of_the_formula(device: hwsim.Device) -> None:
    ramp = np.linspace(-1, 1, 101)
    device.set_signal(0, ramp, gain_error=0.05, offset_error=0.125)
    assert record(device, 101) == pytest.approx(ramp * 1.05 + 0.125, abs=CLOSE)


@pytest.mark.parametrize("inl", [8, -20])
def test_inl_bends_by_that_many_codes_at_most(inl: float, device: hwsim.Device) -> None:
    ramp = np.linspace(-RANGE * 0.999, RANGE * 0.999, 2001)
    device.set_signal(0, ramp, inl=inl)
    x = ramp / RANGE
    deviation = (record(device, len(ramp)) - ramp) / LSB
    assert deviation == pytest.approx(inl * 2.598 * x * (1 - x * x), abs=0.6)
    assert np.abs(deviation).max() == pytest.approx(abs(inl), abs=0.6)


def test_noise_is_gaussian_of_its_rms_and_white(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&range=10V")
    device.set_signal(0, "dc", noise=0.5)
    noise = record(device, 20_000)
    assert noise.mean() == pytest.approx(0, abs=0.5 * 5 / math.sqrt(20_000))
    assert noise.std() == pytest.approx(0.5, rel=0.03)
    assert np.mean(np.abs(noise) < 0.5) == pytest.approx(0.683, abs=0.02)
    assert np.abs(noise).max() <= 3.47 * 0.5
    neighbours = np.corrcoef(noise[:-1], noise[1:])[0, 1]
    assert abs(neighbours) < 0.05


def test_noise_differs_between_channels_and_seeds_and_is_that_of_the_seed(
    open_device: OpenDevice,
) -> None:
    def noise(seed: int, channel: int) -> list[float]:
        device = open_device(f"latency=0s&noise=1V&seed={seed}")
        device.set_signal(channel, "dc")
        return list(record(device, 50, channel))

    assert noise(1, 0) == noise(1, 0)
    assert noise(1, 0) != noise(1, 1)
    assert noise(1, 0) != noise(2, 0)


# ---------------------------------------------------------------------------------- recordings


def test_recording_comes_back_within_quantisation(ecg: Floats, device: hwsim.Device) -> None:
    device.set_signal(2, ecg)
    assert record(device, len(ecg), 2) == pytest.approx(ecg, abs=CLOSE)


def test_recording_loops(ecg: Floats, device: hwsim.Device) -> None:
    device.set_signal(0, ecg[:10])
    assert record(device, 25) == pytest.approx(np.resize(ecg[:10], 25), abs=CLOSE)
    assert device.signal(0).waveform == "table"


def test_recording_without_loop_holds_its_last_sample(device: hwsim.Device) -> None:
    device.set_signal(0, [0.1, 0.2, 0.3], loop=False)
    assert record(device, 6) == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.3, 0.3], abs=CLOSE)
    assert device.signal(0).waveform == "table_once"


def test_amplitude_and_offset_scale_a_recording(ecg: Floats, device: hwsim.Device) -> None:
    device.set_signal(0, ecg, amplitude=0.5, offset=0.25)
    assert record(device, 100) == pytest.approx(ecg[:100] * 0.5 + 0.25, abs=CLOSE)


# ------------------------------------------------------------------- the rate of a recording


@given(
    table_mhz=st.one_of(st.sampled_from([1_000_000, 8_000_000]), st.integers(1, 10**8)),
    stream_hz=st.sampled_from([1, 125, 1000, 1001, 8000, 44100]),
    loop=st.booleans(),
)
@examples
def test_every_stream_sees_a_recording_in_its_own_time(
    table_mhz: int, stream_hz: int, loop: bool, open_device: OpenDevice
) -> None:
    """Sample n is what the recording holds at n / rate, to the last sample."""
    with open_device("latency=0s&clock=virtual&noise=0V&range=1V") as device:
        table = np.arange(50)
        device.set_signal(0, table / 32768, rate=table_mhz / 1000, loop=loop)
        place = [n * table_mhz // (stream_hz * 1000) for n in range(300)]
        expected = [k % 50 if loop else min(k, 49) for k in place]
        stream = device.stream(stream_hz, dtype="int16")
        assert stream.read(300).data[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("rate", "rate_hz", "edge"), [(None, 1000, 0.1), (400, 400, 0.25), ("2 kHz", 2000, 0.05)]
)
@pytest.mark.parametrize("stream_hz", [1000, 8000, 20_000])
def test_streams_thresholds_and_conversions_see_one_signal(
    rate: float | str | None, rate_hz: float, edge: float, stream_hz: int, open_device: OpenDevice
) -> None:
    device = open_device("latency=0s&noise=0V&clock=virtual&rate=1kHz")
    device.set_signal(0, np.repeat([0.0, 1.0], 100), rate=rate)
    assert device.signal(0).rate == rate_hz
    device.set_threshold(0, 0.5)
    events = device.events(kinds=["threshold"])
    codes = device.stream(stream_hz).read(stream_hz).data[:, 0]
    assert (codes > 0).argmax() == edge * stream_hz
    # A sample is there when its interval has passed.
    assert events.read(1)[0].time_s == pytest.approx(edge + 1 / device.rate)
    low = round(edge * device.rate)
    assert (record(device, low + 1) > 0.5).tolist() == [False] * low + [True]


def test_file_that_says_its_rate_is_played_at_it(tmp_path: Path, open_device: OpenDevice) -> None:
    device = open_device("latency=0s&noise=0V&rate=1kHz")
    (tmp_path / "a.csv").write_text("time (ms),volts\n0,0.0\n4,1.0\n8,2.0\n")
    read = hwsim.signals.read(tmp_path / "a.csv")
    for source in (tmp_path / "a.csv", read):
        device.set_signal(0, source)
        assert device.signal(0).rate == 250
        assert record(device, 9) == pytest.approx([0] * 4 + [1] * 4 + [2], abs=1e-3)
        device.set_signal(0, source, rate=device.rate)
        assert record(device, 3) == pytest.approx([0, 1, 2], abs=1e-3)


def test_signal_without_samples_has_no_rate(device: hwsim.Device) -> None:
    assert device.signal(0).rate is None
    with pytest.raises(InvalidArgument, match="a rate needs the waveform table"):
        device.set_signal(0, "sine", rate=1000)


@pytest.mark.parametrize("rate", ["", "10 furlongs", "kHz", "1e3 V"])
def test_rate_that_is_none_is_refused(rate: str, device: hwsim.Device) -> None:
    with pytest.raises(ValueError, match=re.escape(f"'10kHz', got {rate!r}")):
        device.set_signal(0, [1.0], rate=rate)


def test_recording_is_copied(device: hwsim.Device) -> None:
    """Memory that is only referred to would change, or be gone, under the device."""
    samples = np.full(3, 0.5)
    device.set_signal(0, samples)
    samples[:] = 1
    del samples
    assert record(device, 3) == pytest.approx([0.5] * 3, abs=CLOSE)


@pytest.mark.parametrize(
    "samples",
    [
        [0, 1, -1],
        (0.0, 1.0, -1.0),
        range(0, 2),
        np.array([True, False]),
        np.array([0, 1], dtype=np.uint8),
        np.array([0, 0.5, 1], dtype=np.float16),
        np.array([0, 0.5, 1], dtype=">f8"),
        np.arange(6, dtype=np.float32)[::3] / 6,
        np.array([[0.5], [1.0]]),
        np.asfortranarray([[0.5, 0.1], [1.0, 0.2]]),
        array("d", [0.5, 1.0]),
    ],
    ids=repr,
)
def test_samples_can_be_any_real_numbers(samples: npt.ArrayLike, device: hwsim.Device) -> None:
    device.set_signal(0, samples)
    expected = np.asarray(samples, dtype=np.float64)
    if expected.ndim == 2:
        expected = expected[:, 0]
    assert record(device, len(expected)) == pytest.approx(expected, abs=CLOSE)


# --------------------------------------------------------------------------------------- files


def write_wav(path: Path, width: int, columns: list[npt.NDArray[np.int64]]) -> None:
    """As the format defines: 8 bits unsigned, more of them signed and little-endian."""
    shift = 128 if width == 1 else 0
    frames = b"".join(
        int(value + shift).to_bytes(width, "little", signed=width > 1)
        for values in zip(*columns, strict=True)
        for value in values
    )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(columns))
        file.setsampwidth(width)
        file.setframerate(RATE)
        file.writeframes(frames)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_wav_file_of_any_width(
    channels: int, width: int, tmp_path: Path, ecg: Floats, device: hwsim.Device
) -> None:
    full = 2 ** (8 * width - 1)
    codes = np.round(ecg[:200] * (full - 1)).astype(np.int64)
    columns = [np.roll(codes, k) for k in range(channels)]
    path = tmp_path / "recording.WAV"
    write_wav(path, width, columns)
    for column in range(channels):
        device.set_signal(column, path, column=column)
        assert record(device, 200, column) == pytest.approx(columns[column] / full, abs=CLOSE)


def test_wav_file_reaches_both_ends_of_its_scale(tmp_path: Path, device: hwsim.Device) -> None:
    for width in 1, 2, 3, 4:
        full = 2 ** (8 * width - 1)
        path = tmp_path / f"{width}.wav"
        write_wav(path, width, [np.array([-full, full - 1, 0])])
        device.set_signal(0, path)
        assert record(device, 3) == pytest.approx([-1, 1 - 1 / full, 0], abs=CLOSE)


@pytest.mark.parametrize(
    "text",
    [
        "0.5,1\n0.25,2\n",
        "volts,other\n0.5,1\n0.25,2\n",
        "# made by hand\n\nvolts,other\n# more\n0.5,1\n0.25,2",
        "0.5, 1\r\n0.25, 2\r\n",
        "5e-1,1\n2.5e-1,2\n",
    ],
)
def test_csv_file_may_have_headings_and_comments(
    text: str, tmp_path: Path, device: hwsim.Device
) -> None:
    path = tmp_path / "recording.csv"
    path.write_text(text, encoding="utf-8", newline="")
    device.set_signal(0, path)
    device.set_signal(1, str(path), column=1)
    assert record(device, 2, 0) == pytest.approx([0.5, 0.25], abs=CLOSE)
    assert record(device, 2, 1) == pytest.approx([1, RANGE - LSB], abs=CLOSE)


def test_csv_file_of_one_column(tmp_path: Path, ecg: Floats, device: hwsim.Device) -> None:
    path = tmp_path / "recording.csv"
    np.savetxt(path, ecg[:50], header="volts")
    device.set_signal(0, path)
    assert record(device, 50) == pytest.approx(ecg[:50], abs=CLOSE)


@pytest.mark.parametrize("dtype", ["f8", ">f4", "i2", "u1", "?"])
def test_npy_file(dtype: str, tmp_path: Path, device: hwsim.Device) -> None:
    path = tmp_path / "recording.npy"
    np.save(path, np.array([[0, 1], [1, 0]], dtype=dtype))
    device.set_signal(0, path, column=1)
    assert record(device, 2) == pytest.approx([1, 0], abs=CLOSE)


# ---------------------------------------------------------------------------------- bad sources

WriteFile = Callable[[Path], object]


@pytest.mark.parametrize(
    ("file", "write", "error", "message"),
    [
        ("none.wav", None, FileNotFoundError, "none.wav"),
        ("none.csv", None, FileNotFoundError, "none.csv"),
        ("none.npy", None, FileNotFoundError, "none.npy"),
        ("a.mp3", None, ValueError, r"\.wav, \.csv, \.npy.*a\.mp3"),
        ("a.wav", lambda p: p.write_bytes(b"no wav at all"), ValueError, r"a\.wav.*WAV"),
        ("a.wav", lambda p: p.write_bytes(b""), ValueError, r"a\.wav"),
        ("a.wav", lambda p: write_wav(p, 2, [np.array([], np.int64)]), ValueError, "sample"),
        ("a.csv", lambda p: p.write_text(""), ValueError, r"a\.csv.*no numbers"),
        ("a.csv", lambda p: p.write_text("volts\n"), ValueError, r"a\.csv.*no numbers"),
        ("a.csv", lambda p: p.write_text("1\nx\n"), ValueError, r"a\.csv.*x"),
        ("a.csv", lambda p: p.write_text("1,2\n3\n"), ValueError, r"a\.csv"),
        ("a.csv", lambda p: p.write_bytes(b"\xff\xfe\x00"), ValueError, r"a\.csv|decode"),
        ("a.csv", lambda p: p.write_text("1\nnan\n"), ValueError, r"line 2, .*'nan'"),
        ("a.npy", lambda p: p.write_bytes(b"no array"), ValueError, r"a\.npy"),
        ("a.npy", lambda p: p.write_bytes(b""), ValueError, r"a\.npy"),
        ("a.npy", lambda p: np.save(p, [{}], allow_pickle=True), ValueError, "[Oo]bject"),  # type: ignore[arg-type]
        ("a.npy", lambda p: np.save(p, [1j]), ValueError, "complex"),
        ("a.npy", lambda p: np.save(p, ["x"]), ValueError, "<U1"),
        ("a.npy", lambda p: np.save(p, 5.0), ValueError, "dimensions"),
        ("a.npy", lambda p: np.save(p, np.zeros((2, 2, 2))), ValueError, r"\(2, 2, 2\)"),
    ],
)
def test_bad_file_is_refused_with_its_reason(
    file: str,
    write: WriteFile | None,
    error: type[Exception],
    message: str,
    tmp_path: Path,
    device: hwsim.Device,
) -> None:
    path = tmp_path / file
    if write:
        write(path)
    before = device.signal(0)
    with pytest.raises(error, match=message):
        device.set_signal(0, path)
    assert device.signal(0) == before


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "at least one sample"),
        (np.zeros((0, 2)), "at least one sample"),
        ([0.0, math.nan], "nan at index 1"),
        ([math.inf], "inf at index 0"),
        ([0, 0, -2e6], "-2e\\+06 at index 2"),
        ([1j], "complex128"),
        (["a"], "<U1"),
        ([None], "object"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (5.0, r"shape \(\)"),
        ("sinus", "'sinus'"),
        ("table", "'table'"),
        (np.array(["2020-01-01"], dtype="M8"), "datetime64"),
    ],
)
def test_bad_samples_are_refused(
    samples: npt.ArrayLike, message: str, device: hwsim.Device
) -> None:
    with pytest.raises(ValueError, match=message):
        device.set_signal(0, samples)


@pytest.mark.parametrize("column", [2, -1, 100])
def test_column_that_is_not_there_is_refused(column: int, device: hwsim.Device) -> None:
    with pytest.raises(ValueError, match=f"column must be from 0 to 1 .*got {column}"):
        device.set_signal(0, [[1.0, 2.0], [3.0, 4.0]], column=column)


def test_column_of_one_dimension_is_refused_too(device: hwsim.Device) -> None:
    with pytest.raises(ValueError, match="column"):
        device.set_signal(0, [1.0, 2.0], column=5)


@pytest.mark.parametrize(
    ("setting", "value", "bounds"),
    [
        ("amplitude", 2e6, "-1e+06 to 1e+06"),
        ("offset", -2e6, "-1e+06 to 1e+06"),
        ("frequency", 501, "0 to 500"),
        ("frequency", -1, "0 to 500"),
        ("phase", 2e6, "-1e+06 to 1e+06"),
        ("noise", -0.1, "0 to 1e+06"),
        ("gain_error", 0.6, "-0.5 to 0.5"),
        ("offset_error", 2e6, "-1e+06 to 1e+06"),
        ("inl", 1001, "-1000 to 1000"),
        ("range", 0, "0.001 to 1000"),
        ("range", 1001, "0.001 to 1000"),
    ],
)
@pytest.mark.parametrize("bad", [None, math.nan, math.inf])
def test_bad_setting_is_refused_by_name_and_bounds(
    setting: str, value: float, bounds: str, bad: float | None, device: hwsim.Device
) -> None:
    before = device.signal(0)
    got = value if bad is None else bad
    with pytest.raises(InvalidArgument) as caught:
        device.set_signal(0, "sine", **{setting: got})  # type: ignore[arg-type]
    assert f"{setting} must be from {bounds}, got {got:g}" in caught.value.message
    assert device.signal(0) == before


@pytest.mark.parametrize("call", ["read_voltage", "signal", "set_signal"])
def test_channel_that_is_not_there_is_refused(call: str, device: hwsim.Device) -> None:
    with pytest.raises(InvalidArgument, match="channel must be from 0 to 3, got 4"):
        getattr(device, call)(4)


# ---------------------------------------------------------------------------- several channels


def test_several_channels_are_converted_in_one_transaction(open_device: OpenDevice) -> None:
    device = open_device("latency=1ms&clock=virtual&noise=0V")
    for channel in range(4):
        device.set_signal(channel, "dc", offset=channel)
    volts = device.read_voltages([3, 0, 2])
    assert volts == pytest.approx([3, 0, 2], abs=1e-3)
    assert volts.shape == (3,)
    assert device.transactions == 1
    assert device.now == pytest.approx(1e-3)


def test_each_channel_gives_its_next_sample(open_device: OpenDevice) -> None:
    one, other = open_device("latency=0s"), open_device("latency=0s")
    one.read_voltage(1)
    other.read_voltage(1)
    assert list(one.read_voltages([0, 1])) == [other.read_voltage(0), other.read_voltage(1)]
    assert one.read_voltage(1) == other.read_voltage(1)


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ([], "at least one channel"),
        ([0, 4], "channel must be from 0 to 3, got 4"),
        ([1, 0, 1], "channel 1 twice"),
        ([-1], "channels must be from 0"),
    ],
)
def test_a_bad_list_of_channels_is_refused(
    channels: list[int], message: str, open_device: OpenDevice
) -> None:
    device = open_device()
    with pytest.raises(ValueError, match=message):
        device.read_voltages(channels)
    assert device.transactions == 0


def test_channels_are_not_converted_while_the_converters_are_off(open_device: OpenDevice) -> None:
    device = open_device("latency=0s")
    device.registers["CONTROL"].write(0)
    with pytest.raises(hwsim.errors.StateError, match="converters are disabled"):
        device.read_voltages([0, 1])
