"""Recordings: complete, gap-free or honest about the gaps, valid however they end."""

from __future__ import annotations

import argparse
import importlib.util
import io
import math
import os
import signal
import wave
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

import hwsim
from conftest import OpenDevice, run_script
from hwsim import signals
from hwsim.cli import main
from hwsim.cli.record import add_parser
from hwsim.errors import BusError
from hwsim.figure import Envelope
from hwsim.record import Recording, record

VIRTUAL = "latency=0s&clock=virtual&rate=20kHz&range=5V"
URI = "hwsim://recorder?clock=virtual&rate=20kHz"
FORMATS = [".npy", ".wav", ".csv"]
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


def streamed(device: hwsim.Device, count: int, **options: Any) -> npt.NDArray[np.float64]:
    """What a recording must hold: the same samples from a stream, in volts."""
    return device.stream(device.rate, buffer=10**7, **options).read(count).volts()


def volts(path: Path, column: int = 0) -> npt.NDArray[np.float64]:
    """What a file holds."""
    return signals.load(path, column)


# ------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("suffix", [*FORMATS, ".NPY"])
@pytest.mark.parametrize("channels", [(0,), (2, 0, 1)])
def test_recording_holds_every_sample(
    suffix: str, channels: tuple[int, ...], open_device: OpenDevice, tmp_path: Path
) -> None:
    device, path = open_device(VIRTUAL), tmp_path / f"recording{suffix}"
    assert record(device, path, seconds=0.7, channels=channels) == Recording(samples=14_000)
    expected = streamed(device, 14_000, channels=channels)
    for i in range(len(channels)):
        # Half of a code would be 76 uV.
        np.testing.assert_allclose(volts(path, i), expected[:, i], rtol=0, atol=1e-6)


@pytest.mark.parametrize("suffix", FORMATS)
def test_recording_can_be_played(suffix: str, open_device: OpenDevice, tmp_path: Path) -> None:
    """The converter gives the codes again, to the bit."""
    device, path = open_device(VIRTUAL), tmp_path / f"recording{suffix}"
    record(device, path, seconds=0.5)
    recorded = streamed(device, 10_000)
    device.set_signal(0, path, noise=0)
    assert np.array_equal(streamed(device, 10_000), recorded)


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_npy_holds_the_type_that_was_asked_for(
    dtype: Any, open_device: OpenDevice, tmp_path: Path
) -> None:
    device, path = open_device(VIRTUAL), tmp_path / "recording.npy"
    record(device, path, seconds=0.5, channels=(1, 0), dtype=dtype)
    samples = np.load(path, mmap_mode="r")
    assert (str(samples.dtype), samples.shape) == (dtype, (10_000, 2))
    expected = device.stream(20e3, channels=(1, 0), dtype=dtype).read(10_000).data
    assert np.array_equal(samples, expected)


def test_wav_says_its_rate_and_channels(open_device: OpenDevice, tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    record(open_device(VIRTUAL), path, seconds=0.1, rate_hz=44100, channels=(0, 1))
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (2, 2, 44100, 4410)
    assert path.stat().st_size == 44 + 4410 * 4


def test_csv_can_be_read_by_a_person(open_device: OpenDevice, tmp_path: Path) -> None:
    device, path = open_device(VIRTUAL), tmp_path / "recording.csv"
    device.set_signal(0, "dc", offset=1.25, noise=0)
    record(device, path, seconds=2, rate_hz=1, channels=(0,))
    lines = [f"# {device.name}, 1 Hz", "channel 0 (V)", "1.25", "1.25"]
    assert path.read_text().splitlines() == lines


def test_recording_goes_on_over_many_blocks(open_device: OpenDevice, tmp_path: Path) -> None:
    seen: list[int] = []
    recording = record(
        open_device(VIRTUAL),
        tmp_path / "recording.npy",
        seconds=3,
        on_block=lambda so_far: seen.append(so_far.samples),
    )
    assert seen == list(range(2000, 60_001, 2000))
    assert recording.samples == 60_000


def test_recording_says_when_it_began(open_device: OpenDevice, tmp_path: Path) -> None:
    device = open_device(VIRTUAL)
    device.stream(1000).read(500)
    before = datetime.now(UTC)
    recording = record(device, tmp_path / "x.npy", seconds=0.1)
    assert recording.start
    assert before <= recording.start <= datetime.now(UTC) + timedelta(seconds=1 / 20e3)
    assert recording.start_s == pytest.approx(0.5 + 1 / 20e3)


def test_memory_stays_flat() -> None:
    """240 MB go through it, and 960 MB through the plot's arithmetic."""
    script = """
        import resource, sys, tempfile, hwsim
        from hwsim.record import record
        device = hwsim.open("hwsim://x?clock=virtual&rate=1MHz")
        peaks = []
        def look(recording):
            if recording.samples % 1_000_000 == 0:
                peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        with tempfile.TemporaryDirectory() as folder:
            recording = record(device, folder + "/x.npy", seconds=60, on_block=look)
            assert (recording.samples, recording.lost) == (60_000_000, 0), recording
        unit = 1 if sys.platform == "darwin" else 1024
        print((peaks[-1] - peaks[0]) * unit < 4_000_000, len(peaks))
    """
    assert run_script(script).check() == "True 60\n"


# ----------------------------------------------------------------------------------- how it can end


def lag(device: hwsim.Device, at: int) -> Any:
    """Makes the recorder lose samples after so many: ten seconds pass, it may lag by 1.6."""

    def on_block(so_far: Recording) -> None:
        if so_far.samples == at:
            device.read_register(0x40, timeout=math.inf)

    return on_block


@pytest.mark.filterwarnings("ignore:.* samples are missing")
@pytest.mark.parametrize("suffix", FORMATS)
def test_gap_is_counted_and_placed(suffix: str, open_device: OpenDevice, tmp_path: Path) -> None:
    device, path = open_device(VIRTUAL.replace("0s", "10s")), tmp_path / f"recording{suffix}"
    recording = record(device, path, seconds=12, on_block=lag(device, 10_000))
    lost = 10 * 20_000 - 16 * 2000
    assert recording == Recording(240_000 - lost, lost, 1, [(10_000, lost)])
    everything = streamed(device, 240_000)[:, 0]
    kept = np.concatenate([everything[:10_000], everything[10_000 + lost :]])
    np.testing.assert_allclose(volts(path), kept, rtol=0, atol=1e-6)
    if suffix == ".csv":
        assert path.read_text().splitlines()[10_002] == f"# {lost} samples are missing here"


def test_only_the_first_gaps_are_kept() -> None:
    """However many there are, memory stays flat."""
    recording = Recording()
    for i in range(1000):
        block = hwsim.Block(np.zeros((5, 1), np.int16), i * 6 + 1, 1, 1e3, np.ones(1))
        recording.add(block)
    assert (recording.samples, recording.lost, recording.gap_count) == (5000, 1000, 1000)
    assert recording.gaps == [(0, 1), (5, 1), (10, 1), (15, 1), (20, 1)]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("blocks", [0, 3])
def test_error_leaves_a_valid_file(
    blocks: int, suffix: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    device, path = open_device(VIRTUAL), tmp_path / f"recording{suffix}"
    device.inject("bus", at=blocks + 1)
    with pytest.raises(BusError):
        record(device, path, seconds=1)
    if blocks:
        np.testing.assert_allclose(volts(path), streamed(device, 6000)[:, 0], rtol=0, atol=1e-6)
    elif suffix == ".csv":
        assert len(path.read_text().splitlines()) == 2
    else:
        assert len(volts(path)) == 0


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_an_interrupted_write_left_is_cut_off(
    suffix: str, open_device: OpenDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C may come in the middle of a write; then half a block is in the file."""
    write = os.pwrite

    def interrupted(fd: int, data: Any, at: int) -> int:
        if at < 50_000:
            return write(fd, data, at)
        write(fd, data[: len(data) // 2 - 1], at)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "pwrite", interrupted)
    device, path = open_device(VIRTUAL), tmp_path / f"recording{suffix}"
    with pytest.raises(KeyboardInterrupt):
        record(device, path, seconds=3)
    monkeypatch.undo()
    kept = volts(path)
    assert len(kept)
    assert len(kept) % 2000 == 0
    expected = streamed(device, 60_000)[: len(kept), 0]
    np.testing.assert_allclose(kept, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("suffix", FORMATS)
def test_ctrl_c_keeps_what_was_recorded(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"recording{suffix}"
    script = """
        import sys, threading
        from pathlib import Path
        from hwsim import cli
        path = Path(sys.argv[1])
        def tell():
            while not path.exists() or path.stat().st_size < 5000:
                pass
            print("recording", flush=True)
        threading.Thread(target=tell, daemon=True).start()
        sys.exit(cli.main([
            "record", "hwsim://x?rate=20kHz&range=5V", "--seconds", "inf", "-o", sys.argv[1]
        ]))
    """

    def interrupt(line: str, pid: int) -> None:
        if line == "recording":
            os.kill(pid, signal.SIGINT)

    done = run_script(script, str(path), on_line=interrupt)
    assert (done.returncode, done.stderr) == (130, "hwsim: interrupted\n"), done
    assert f"{path}: " in done.stdout
    recorded = volts(path)
    assert len(recorded) >= 500
    assert f"{len(recorded):,} samples" in done.stdout
    with hwsim.open(URI + "&range=5V") as device:
        np.testing.assert_allclose(
            recorded, streamed(device, len(recorded))[:, 0], rtol=0, atol=1e-6
        )


# ----------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("x.mp3", {}, "must be one of .npy, .wav, .csv, got"),
        ("x", {}, "must be one of"),
        ("x.wav", {"rate_hz": 0.5}, "whole number of hertz, got 0.5"),
        ("x.wav", {"seconds": 1e6}, "ends at 4 GiB"),
        ("x.wav", {"dtype": "float32"}, "a .wav file holds int16"),
        ("x.csv", {"dtype": "int16"}, "a .csv file holds float64"),
        ("x.npy", {"dtype": "int8"}, "dtype must be one of"),
        ("x.npy", {"seconds": 0}, "seconds must be more than 0"),
        ("x.npy", {"seconds": math.nan}, "seconds must be more than 0"),
        ("x.npy", {"rate_hz": 0}, "rate must be from"),
        ("x.npy", {"rate_hz": -1}, "rate must be from"),
        ("x.npy", {"rate_hz": 2e9}, "rate must be from"),
        ("x.npy", {"rate_hz": 1e300}, "rate must be from"),
        ("x.npy", {"rate_hz": math.inf}, "rate must be a number"),
        ("x.npy", {"rate_hz": math.nan}, "rate must be a number"),
        ("x.npy", {"rate_hz": 1e-6}, "rate must be from"),
        ("x.npy", {"channels": ()}, "at least one channel"),
        ("x.npy", {"channels": (7,)}, "channel must be from 0 to 3"),
    ],
)
def test_mistake_is_named_before_anything_is_written(
    name: str, options: Any, message: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    path = tmp_path / name
    with pytest.raises(ValueError, match=message):
        record(open_device(VIRTUAL), path, **{"seconds": 1, **options})
    assert not path.exists()


def test_manual_clock_is_refused(open_device: OpenDevice, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="manual clock stands still"):
        record(open_device("clock=manual"), tmp_path / "x.npy", seconds=1)


@pytest.mark.parametrize("suffix", FORMATS)
def test_folder_that_is_missing_is_named(
    suffix: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        record(open_device(VIRTUAL), tmp_path / "missing" / f"x{suffix}", seconds=1)


# --------------------------------------------------------------------------------------------- plot


@needs_matplotlib
def test_plot_is_a_picture(open_device: OpenDevice, tmp_path: Path) -> None:
    plot = tmp_path / "plot.png"
    record(open_device(VIRTUAL), tmp_path / "x.npy", seconds=2, channels=(0, 1), plot=plot)
    assert plot.read_bytes().startswith(b"\x89PNG\r\n")
    assert plot.stat().st_size > 20_000


@needs_matplotlib
def test_plot_shows_what_was_recorded_before_an_error(
    open_device: OpenDevice, tmp_path: Path
) -> None:
    device, plot = open_device(VIRTUAL), tmp_path / "plot.png"
    device.inject("bus", at=5)
    with pytest.raises(BusError):
        record(device, tmp_path / "x.npy", seconds=2, plot=plot)
    assert plot.stat().st_size > 20_000


@needs_matplotlib
@pytest.mark.parametrize("name", ["missing/plot.png", "plot.xyz"])
def test_plot_that_cannot_be_written_is_told_before_recording(
    name: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    path = tmp_path / "x.npy"
    with pytest.raises((OSError, ValueError)):
        record(open_device(VIRTUAL), path, seconds=1, plot=tmp_path / name)
    assert not path.exists()


def test_missing_matplotlib_is_told_before_recording(
    open_device: OpenDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str, *_: object) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}")

    path = tmp_path / "x.npy"
    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(ValueError, match=r"pip install 'hwsim\[plot\]'"):
        record(open_device(VIRTUAL), path, seconds=1, plot=tmp_path / "plot.png")
    assert not path.exists()


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_envelope_holds_the_extremes_of_each_stretch(block: int) -> None:
    values = np.random.default_rng(1).normal(size=(3000, 2))
    envelope = Envelope(2, stretches=64)
    for start in [n for n in range(0, 3000, block) if not 1000 <= n < 2000]:
        envelope.add(start, values[start : start + block])
    assert envelope.length == 64
    for i, (low, high) in enumerate(zip(envelope.lowest, envelope.highest, strict=True)):
        part = values[i * 64 : i * 64 + 64]
        if 17 <= i <= 29:
            assert (low > high).all()
        elif len(part) and not 15 <= i <= 32:
            assert np.array_equal(low, part.min(axis=0))
            assert np.array_equal(high, part.max(axis=0))


# -------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize("suffix", FORMATS)
def test_command_records(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"a long name [of a file]{suffix}"
    command = ["record", URI, "--rate", "1000", "--channels", "2,0", "--seconds", "3", "-o"]
    assert main([*command, str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{path}: 3,000 samples of 2 channels, 3 s\n"
    assert captured.err == ""
    assert len(signals.load(path, 1)) == 3000


def test_command_warns_of_lost_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(5000, 1234, 7, [(10, 1000), (20, 34)])
    monkeypatch.setattr("hwsim.record.record", lambda *_, on_block, **__: on_block(recording))
    assert main(["record", URI, "-o", str(tmp_path / "x.npy")]) == 0
    captured = capsys.readouterr()
    assert "5,000 samples" in captured.out
    assert captured.err == (
        "hwsim: warning: 1,234 samples of each channel were lost, because they could not be "
        "written in time: 1,000 before row 10, 34 before row 20, and more, at 7 places in all\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([URI], 2, "required: -o/--output"),
        ([URI, "-o", "x.npy", "--channels", "a"], 2, "from 0 to 63, such as 0-3,5, got 'a'"),
        ([URI, "-o", "x.npy", "--seconds", "long"], 2, "--seconds"),
        ([URI, "-o", "x.mp3"], 1, "must be one of"),
        ([URI, "-o", "x.npy", "--seconds", "-1"], 1, "seconds must be more than 0"),
        ([URI, "-o", "x.npy", "--channels", "9"], 1, "channel must be from 0 to 3"),
        ([URI, "-o", "/missing/x.npy"], 1, "No such file"),
        (["hwsim://x?latncy=1s", "-o", "x.npy"], 1, "latency"),
        ([URI + "&fault=bus@1", "-o", "x.npy"], 1, "bus error"),
    ],
)
def test_command_says_what_is_wrong(
    arguments: list[str],
    status: int,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        result: Any = main(["record", *arguments])
    except SystemExit as error:
        result = error.code
    assert result == status
    assert message in capsys.readouterr().err


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["record", URI, "--overwrite", "-o", str(tmp_path / "x.npy")])
    for terminal in (True, False):
        output = io.StringIO()
        console = Console(file=output, force_terminal=terminal, width=120)
        arguments.run(console, arguments)
        assert ("100%" in output.getvalue()) == terminal
        assert ("\x1b" in output.getvalue()) == terminal
        assert "200,000 samples" in output.getvalue()
