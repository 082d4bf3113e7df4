"""Arrays, NPY and WAV files: what is played, what is refused, and files made to do harm."""

from __future__ import annotations

import io
import json
import struct
import sys
import warnings
import wave
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwsim
from conftest import OpenDevice
from examples import examples
from hwsim import record, sidecar
from hwsim.signals import load, read

# ------------------------------------------------------------------------------------------ arrays


@pytest.mark.parametrize("shape", [(1, 5), (2, 1000)])
def test_array_that_is_wider_than_long_is_refused_until_told(shape: tuple[int, int]) -> None:
    array = np.arange(float(np.prod(shape))).reshape(shape)
    with pytest.raises(ValueError, match=r"channel_axis=0\) .*channel_axis=1 "):
        load(array)
    assert load(array, channel_axis=0).tolist() == array[0].tolist()
    assert load(array, channel_axis=1).tolist() == array[:, 0].tolist()
    assert read(array, channel_axis=0).samples.shape == shape[::-1]


def test_masked_values_are_refused() -> None:
    masked = np.ma.masked_array([1.0, 99.0, 3.0], mask=[False, True, False])
    with pytest.raises(ValueError, match=r"1 masked values; pass .filled\(VALUE\)"):
        load(masked)
    assert load(masked.filled(0)).tolist() == [1, 0, 3]
    assert load(np.ma.masked_array([1.0, 2.0], mask=False)).tolist() == [1, 2]


def test_structured_array_is_refused_with_its_fields() -> None:
    with pytest.raises(ValueError, match="the fields 'time', 'volts'"):
        load(np.zeros(3, dtype=[("time", "f8"), ("volts", "f8")]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_number_that_is_not_finite_is_refused_with_its_place(bad: float) -> None:
    with pytest.raises(ValueError, match=r"the array .*finite.* at index 2"):
        load([0.0, 1.0, bad])


# -------------------------------------------------------------------------------------- saturation


@pytest.fixture
def device(open_device: OpenDevice) -> hwsim.Device:
    return open_device("latency=0s&noise=0V&range=10V")


@pytest.mark.parametrize("source", [[0.0, 20.0], [0.0, -32768.0], np.array([30000], "i2")])
def test_saturation_is_said_with_a_factor_that_fits(source: Any, device: hwsim.Device) -> None:
    with pytest.warns(UserWarning, match=r"range of 10 V, and saturate; amplitude=") as caught:
        device.set_signal(0, source)
    factor = float(str(caught[0].message).split("amplitude=")[1].split()[0])
    wide = float(str(caught[0].message).split("range=")[1].split()[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        device.set_signal(0, source, amplitude=factor)
        if wide <= 1000:
            device.set_signal(0, source, range=wide)


def test_samples_that_fit_are_played_without_a_warning(device: hwsim.Device) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        device.set_signal(0, [-10.0, 10.0])
        device.set_signal(0, [-20.0, 20.0], amplitude=0.25, offset=5)


def test_warning_names_the_line_that_sets_the_signal(device: hwsim.Device) -> None:
    with pytest.warns(UserWarning) as caught:
        device.set_signal(0, [99.0])
    assert caught[0].filename == __file__


# -------------------------------------------------------------------------------------- recordings


@pytest.mark.parametrize("name", ["a.npy", "a.wav", "a.csv"])
def test_recording_is_played_in_volts_by_itself(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with hwsim.open(f"hwsim://files-{name}?clock=virtual&range=5V&noise=0V&rate=2kHz") as device:
        dtype: Literal["int16"] | None = "int16" if name == "a.npy" else None
        record.record(device, path, seconds=0.1, channels=(2, 3), dtype=dtype)
        table = read(path)
        assert table.rate_hz == 2000
        assert [name.split(" (")[0] for name in table.columns] == ["channel 2", "channel 3"]
        device.set_signal(0, path, column=1)
        played = device.stream(2000, channels=(0,), total=200).read(200).volts()[:, 0]
    assert np.abs(table.samples).max() == pytest.approx(1, abs=0.02)
    assert played == pytest.approx(table.samples[:, 1], abs=2e-4)


def test_gap_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with hwsim.open("hwsim://files-gap?clock=virtual") as device:
        record.record(device, path, seconds=0.1)
    about = sidecar.read(path)
    assert about
    about.lost, about.gap_count, about.gaps = 7, 1, [sidecar.Gap(5, 7)]
    about.write(path)
    with pytest.warns(UserWarning, match=r"a\.npy: 7 samples are missing at 1 place"):
        load(path)


def test_sidecar_of_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with hwsim.open("hwsim://files-other?clock=virtual") as device:
        record.record(device, path, seconds=0.1, dtype="int16")
    np.save(path, np.zeros(5))
    with pytest.raises(ValueError, match=r"a\.npy\.json describes 1 channels of int16"):
        load(path)


def test_home_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "a.npy", [1.0, 2.0])
    assert load("~/a.npy").tolist() == [1, 2]


# ------------------------------------------------------------------------------------- WAV formats


def riff(
    tag: int, channels: int, bits: int, data: bytes, *, rate: int = 8000, more: bytes = b""
) -> bytes:
    """A WAV file of any format."""
    block = channels * bits // 8 & 0xFFFF
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


PCM = bytes.fromhex("0100000000001000800000aa00389b71")  # the kind in an extensible header
FLOATS = np.array([0.5, -0.25, 1.5], "<f4").tobytes()
EXTENSIBLE = struct.pack("<HHI", 22, 16, 0) + PCM
OTHERS = {
    "float": (riff(3, 1, 32, FLOATS), [0.5, -0.25, 1.5]),
    "double": (riff(3, 1, 64, np.array([0.5, 2.0]).tobytes()), [0.5, 2.0]),
    "extensible": (
        riff(0xFFFE, 1, 16, np.array([16384, -8192], "<i2").tobytes(), more=EXTENSIBLE),
        [0.5, -0.25],
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_wav_files_are_read_by_soundfile(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    content, samples = OTHERS[kind]
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    table = read(path)
    assert table.samples[:, 0].tolist() == samples
    assert table.rate_hz == 8000


def test_rf64_is_read(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.wav"
    soundfile.write(path, [0.5, -0.25], 8000, format="RF64", subtype="PCM_16")
    assert path.read_bytes()[:4] == b"RF64"
    assert load(path).tolist() == [0.5, -0.25]


@pytest.mark.parametrize("kind", ["float", "extensible"])
def test_without_soundfile_the_kind_and_the_command_are_said(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    path = tmp_path / "a.wav"
    path.write_bytes(OTHERS[kind][0])
    with pytest.raises(ValueError, match=rf"a\.wav is .*{kind}.*pip install 'hwsim\[wav\]'"):
        load(path)


# ------------------------------------------------------------------------------------ hostile files


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    """An NPY file with this header."""
    text = header.encode("latin-1") + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s,)}"


def archive() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=[1.0])
    return buffer.getvalue()


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", npy(HEADER % 10**15), "cut short"),
        ("a.npy", npy(HEADER % 2, bytes(8)), "cut short"),
        ("a.npy", npy(HEADER % 1, bytes(9)), "damaged"),
        ("a.npy", npy(HEADER % -1, bytes(8)), "a.npy"),
        ("a.npy", npy("(" * 3000), "not an NPY"),
        ("a.npy", npy("{'descr': '"), "not an NPY"),
        ("a.npy", npy("{" + "[" * 900), "not an NPY"),
        ("a.npy", npy(HEADER % 1 + " " * 20_000, bytes(8)), "not an NPY"),
        ("a.npy", npy(HEADER % 1, bytes(8), version=9), "not an NPY"),
        ("a.npy", npy("{'descr': 'V0', 'fortran_order': False, 'shape': (9,)}"), "a.npy"),
        ("a.npy", npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", bytes(8)), "real"),
        ("a.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': ()}", bytes(8)), "dim"),
        ("a.npy", archive(), "archive"),
        ("a.npz", archive(), "archive"),
        ("a.npy", pickled(), "any program"),
        ("a.wav", riff(1, 0, 16, bytes(8)), "a.wav"),
        ("a.wav", riff(1, 1, 0, bytes(8)), "a.wav"),
        ("a.wav", riff(1, 1, 16, bytes(8))[:-3], "cut short"),
        ("a.wav", b"RIFF\4\0\0\0WAVE", "no fmt chunk"),
        ("a.wav", riff(1, 1, 16, b"")[:30], "a.wav"),
        ("a.wav", riff(3, 1, 32, np.array([np.nan], "<f4").tobytes()), "finite|soundfile"),
        ("a.wav", riff(1, 1, 48, bytes(12)), "a.wav"),
        ("a.wav", riff(0x1234, 1, 16, bytes(8)), "a.wav"),
        ("a.mat", b"", "one of .wav, .csv, .npy"),
    ],
)  # fmt: skip
def test_hostile_file_is_refused_by_name(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("descr", [">f8", "<f8", ">i2", "<f2"])
@pytest.mark.parametrize("order", "CF")
def test_array_of_any_layout_is_read(descr: str, order: Any, tmp_path: Path) -> None:
    array = np.array([[1, 2], [3, 4], [5, 6]], dtype=descr, order=order)
    np.save(tmp_path / "a.npy", array)
    assert load(tmp_path / "a.npy", 1).tolist() == [2, 4, 6]


def valid() -> dict[str, bytes]:
    """A good file of each kind."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(64)))
    return {
        ".npy": npy(HEADER % 4, np.arange(4.0).tobytes()),
        ".wav": buffer.getvalue(),
        ".csv": b'Sample Interval,1e-3\n"Time (ms)",CH1\n0,0.5\n1,-1.5e3\n2,"3"\n',
    }


VALID = valid()
damage = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 6)), max_size=4)


def damaged(content: bytes, changes: list[tuple[float, bytes, int]]) -> bytes:
    """Bytes replaced, inserted and removed at some places."""
    for where, new, removed in changes:
        place = int(where * len(content))
        content = content[:place] + new + content[place + removed :]
    return content


def check_read(path: Path) -> None:
    """It is read, or refused by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert np.isfinite(read(path).samples).all()
        except ValueError as error:
            assert str(path) in str(error)


@examples
@given(suffix=st.sampled_from(sorted(VALID)), changes=damage)
def test_damaged_file_is_read_or_refused_by_name(
    suffix: str, changes: list[tuple[float, bytes, int]], tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(damaged(VALID[suffix], changes))
    check_read(path)


@examples
@given(content=st.binary(max_size=200), suffix=st.sampled_from(sorted(VALID)))
def test_any_bytes_are_read_or_refused_by_name(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    check_read(path)


@examples
@given(text=st.text(alphabet='0123456789.,;\t "\n\r+-eE#%:/Ttimesaxµ∞\ufeff', max_size=80))
def test_any_text_is_read_or_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8", newline="")
    check_read(path)


@examples
@given(header=st.text(alphabet="{}[]()'\"descrfotan_shp:,<f8 0123456789\\\n", max_size=60))
def test_any_header_is_read_or_refused_by_name(header: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(npy(header, bytes(16)))
    check_read(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@examples
@given(data=st.data())
def test_damaged_sidecar_is_refused_by_name(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((4, 1), "i2"))
    good = sidecar.Sidecar("daq0", "2026-11-25T12:00:00+00:00", 0.0, 1e3, [0], [5.0], "int16")
    good.write(path)
    beside = Path(sidecar.path_beside(path))
    found = json.loads(beside.read_text("utf-8"))
    key = data.draw(st.sampled_from(sorted(found)))
    found[key] = data.draw(json_values)
    beside.write_text(json.dumps(found), encoding="utf-8")
    check_read(path)
