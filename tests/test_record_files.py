"""Files of recordings survive what ends them, are never overwritten unasked, and continue."""

from __future__ import annotations

import errno
import os
import signal
import threading
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import hwsim
from conftest import LIMIT, OpenDevice, in_thread, run_script
from hwsim import sidecar, signals
from hwsim.cli import main
from hwsim.record import Recording, record
from hwsim.record.files import File

VIRTUAL = "latency=0s&clock=virtual&rate=20kHz&range=5V"
FORMATS = [".npy", ".wav", ".csv"]


def samples_of(device: hwsim.Device, count: int, **options: Any) -> npt.NDArray[np.float64]:
    """What a recording must hold: the same samples from a stream, in volts."""
    return device.stream(device.rate, buffer=10**7, **options).read(count).volts()


def volts(path: Path, column: int = 0) -> npt.NDArray[np.float64]:
    """What a file holds."""
    if path.suffix == ".wav":
        with wave.open(str(path)) as file:
            codes = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            return codes.reshape(-1, file.getnchannels())[:, column] * (5 / 32768)
    return signals.load(path, column)


def known(path: Path) -> sidecar.Sidecar:
    """What the sidecar says."""
    found = sidecar.read(path)
    assert found
    return found


# ------------------------------------------------------------------------------ a disk that is full

LIMITED = """
    import resource, signal, sys, hwsim
    from hwsim.record import record
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    device = hwsim.open("hwsim://x?latency=0s&clock=virtual&rate=20kHz&range=5V")
    try:
        record(device, sys.argv[1], seconds=100, channels=(0, 1))
    except OSError as error:
        print(error.errno, error)
"""


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("limit", [70_000, 200_001])
def test_full_disk_leaves_the_whole_blocks_and_says_how_many(
    suffix: str, limit: int, open_device: OpenDevice, tmp_path: Path
) -> None:
    path = tmp_path / f"x{suffix}"
    said = run_script(LIMITED, str(path), str(limit)).check()
    expected = samples_of(open_device(VIRTUAL), 100_000, channels=(0, 1))
    for column in (0, 1):
        recorded = volts(path, column)
        assert len(recorded) % 2000 == 0
        np.testing.assert_allclose(recorded, expected[: len(recorded), column], rtol=0, atol=1e-6)
    assert len(recorded) >= 2000
    assert said.startswith(f"{errno.EFBIG} ")
    assert f"the file holds {len(recorded):,} samples of each channel: {str(path)!r}" in said
    assert (known(path).samples, known(path).complete) == (len(recorded), True)


@pytest.mark.parametrize("suffix", FORMATS)
def test_disk_that_is_full_at_once_leaves_no_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    said = run_script(LIMITED, str(path), "20").check()
    assert said.startswith(f"{errno.EFBIG} ")
    assert repr(str(path)) in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", FORMATS)
def test_sidecar_that_cannot_be_written_hides_no_other_error(
    suffix: str, open_device: OpenDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk has no room for either."""
    device, path = open_device(VIRTUAL), tmp_path / f"x{suffix}"
    real = os.pwrite

    def full(fd: int, data: Any, at: int) -> int:
        if at > 50_000:
            monkeypatch.setattr(sidecar.Sidecar, "write", fail)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data, at)

    def fail(self: object, path: object) -> None:
        raise OSError(errno.ENOSPC, "another one")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left on device; the file holds"):
        record(device, path, seconds=10)
    recorded = volts(path)
    np.testing.assert_allclose(recorded, samples_of(device, len(recorded))[:, 0], rtol=0, atol=1e-6)
    assert not known(path).complete


# ------------------------------------------------------------------------- a process that is ended

ENDLESS = """
    import sys, threading
    from hwsim import cli
    from hwsim.record import files
    written = files.File.write
    def write(self, *arguments):
        written(self, *arguments)
        if self.rows > 6000:
            print(self.rows, flush=True)
    files.File.write = write
    sys.exit(cli.main([
        "record", "hwsim://x?rate=20kHz&range=5V", "--seconds", "inf", "-o", sys.argv[1]
    ]))
"""


def end_with(number: int, path: Path) -> tuple[Any, int]:
    """Sends a signal when the recording says that rows have been written; also how many."""
    rows = 0

    def on_line(line: str, pid: int) -> None:
        nonlocal rows
        if not rows and line.isdigit():
            rows = int(line)
            os.kill(pid, number)

    return run_script(ENDLESS, str(path), on_line=on_line), rows


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_was_written_before_a_kill_can_be_read(
    suffix: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    path = tmp_path / f"x{suffix}"
    done, rows = end_with(signal.SIGKILL, path)
    assert done.returncode == -signal.SIGKILL
    recorded = volts(path)
    assert len(recorded) >= rows > 6000
    expected = samples_of(open_device(VIRTUAL), len(recorded))[:, 0]
    np.testing.assert_allclose(recorded, expected, rtol=0, atol=1e-6)
    assert (known(path).rate_hz, known(path).complete) == (20e3, False)


@pytest.mark.parametrize(
    ("number", "status", "text"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
    ],
)
def test_signal_ends_the_recording_in_good_order(
    number: int, status: int, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.wav"
    done, _ = end_with(number, path)
    assert (done.returncode, done.stderr) == (status, f"hwsim: {text}\n")
    assert f"{path}: {len(volts(path)):,} samples" in done.stdout
    assert (known(path).samples, known(path).complete) == (len(volts(path)), True)


def test_hangup_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """As ``nohup`` does it."""
    script = """
        import os, signal, sys
        from hwsim import cli
        from hwsim.record import files
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        written = files.File.write
        def write(self, *arguments):
            os.kill(os.getpid(), signal.SIGHUP)
            written(self, *arguments)
        files.File.write = write
        uri = "hwsim://x?clock=virtual&rate=1kHz"
        sys.exit(cli.main(["record", uri, "--seconds", "1", "-o", sys.argv[1]]))
    """
    assert "1,000 samples" in run_script(script, str(tmp_path / "x.npy")).check()


def test_terminal_that_goes_away_ends_the_recording_in_good_order(tmp_path: Path) -> None:
    """Then there is nothing to write to, either."""
    script = """
        import os, pty, sys
        path = sys.argv[1]
        command = ["hwsim.cli", "record", "hwsim://x?rate=20kHz&range=5V", "--seconds", "inf"]
        child, terminal = pty.fork()
        if not child:
            os.execv(sys.executable, [sys.executable, "-m", *command, "-o", path])
        while not os.path.exists(path) or os.path.getsize(path) < 20_000:
            os.read(terminal, 1000)
        os.close(terminal)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    path = tmp_path / "x.wav"
    assert run_script(script, str(path)).check() == "129\n"
    assert (known(path).samples, known(path).complete) == (len(volts(path)), True)


def test_command_gives_the_handlers_back(tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    uri = "hwsim://handlers?clock=virtual&fault=bus@2"
    assert main(["record", uri, "-o", str(tmp_path / "x.npy")]) == 1
    assert [signal.getsignal(number) for number in numbers] == before


def test_command_records_in_any_thread(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    command = ["record", "hwsim://thread?clock=virtual", "--seconds", "0.1", "-o", str(path)]
    assert in_thread(lambda: main(command)).result(LIMIT) == 0
    assert len(volts(path)) == known(path).samples > 0


def test_what_another_thread_cancels_is_no_interrupt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = File.write

    def write(self: File, *arguments: Any) -> None:
        written(self, *arguments)
        token.cancel()

    token = hwsim.CancelToken()
    monkeypatch.setattr(File, "write", write)
    monkeypatch.setattr("hwsim.cli.record.CancelToken", lambda: token)
    command = ["record", "hwsim://thread?clock=virtual", "-o", str(tmp_path / "x.npy")]
    assert main(command) == 1
    assert "cancelled" in capsys.readouterr().err


# ---------------------------------------------------------------------------- files that are there


@pytest.mark.parametrize("name", ["x.npy", "x.npy.json"])
def test_file_that_is_there_is_refused(name: str, open_device: OpenDevice, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(FileExistsError, match="--overwrite, --append, --numbered"):
        record(open_device(VIRTUAL), tmp_path / "x.npy", seconds=1)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_link_to_nothing_is_refused(open_device: OpenDevice, tmp_path: Path) -> None:
    (tmp_path / "x.npy").symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(FileExistsError):
        record(open_device(VIRTUAL), tmp_path / "x.npy", seconds=1)
    assert not (tmp_path / "elsewhere.npy").exists()


def test_plot_that_is_there_is_refused(open_device: OpenDevice, tmp_path: Path) -> None:
    plot = tmp_path / "x.png"
    plot.write_text("precious")
    with pytest.raises(FileExistsError, match=r"x\.png"):
        record(open_device(VIRTUAL), tmp_path / "x.npy", seconds=1, plot=plot)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_overwrite_replaces(suffix: str, open_device: OpenDevice, tmp_path: Path) -> None:
    device, path = open_device(VIRTUAL), tmp_path / f"x{suffix}"
    for seconds in (2, 0.5):
        record(device, path, seconds=seconds, if_exists="overwrite")
    np.testing.assert_allclose(volts(path), samples_of(device, 10_000)[:, 0], rtol=0, atol=1e-6)
    assert known(path).samples == 10_000


@pytest.mark.parametrize("suffix", FORMATS)
def test_append_continues_with_the_next_sample(
    suffix: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    device, path = open_device(VIRTUAL), tmp_path / f"x{suffix}"
    for seconds in (0.5, 0.25, 0.25):
        record(device, path, seconds=seconds, if_exists="append", channels=(1, 0))
    expected = samples_of(device, 20_000, channels=(1, 0))
    for column in (0, 1):
        np.testing.assert_allclose(volts(path, column), expected[:, column], rtol=0, atol=1e-6)
    found = known(path)
    assert (found.samples, found.lost, found.complete) == (20_000, 0, True)
    assert [each.row for each in found.resumed] == [10_000, 15_000]
    assert [each.start_s for each in found.resumed] == pytest.approx([0.50005, 0.75005])


@pytest.mark.parametrize("suffix", FORMATS)
def test_append_cuts_off_what_a_kill_left(
    suffix: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    """And counts the rows that the sidecar does not know of yet."""
    device, path = open_device(VIRTUAL), tmp_path / f"x{suffix}"
    record(device, path, seconds=0.5)
    stale = known(path)
    stale.samples, stale.complete = 4000, False
    stale.write(path)
    with path.open("ab") as file:
        file.write(b"1.2")
    record(device, path, seconds=0.5, if_exists="append")
    np.testing.assert_allclose(volts(path), samples_of(device, 20_000)[:, 0], rtol=0, atol=1e-6)
    assert known(path).samples == 20_000


def test_append_keeps_the_type_of_the_file(open_device: OpenDevice, tmp_path: Path) -> None:
    device, path = open_device(VIRTUAL), tmp_path / "x.npy"
    record(device, path, seconds=0.1, dtype="int16")
    record(device, path, seconds=0.1, if_exists="append")
    assert np.load(path).dtype == np.int16


def test_append_after_a_gap_counts_it(open_device: OpenDevice, tmp_path: Path) -> None:
    device, path = open_device(VIRTUAL), tmp_path / "x.npy"
    record(device, path, seconds=0.5)
    found = known(path)
    found.lost = 1000
    found.write(path)
    record(device, path, seconds=0.5, if_exists="append")
    np.testing.assert_allclose(
        volts(path)[10_000:], samples_of(device, 21_000)[11_000:, 0], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate_hz": 1000}, r"its rate_hz is 20000\.0, not 1000\.0"),
        ({"channels": (1,)}, r"its channels is \[0\], not \[1\]"),
        ({"dtype": "int16"}, "its dtype is 'float32', not 'int16'"),
    ],
)
def test_append_to_another_recording_is_refused(
    options: Any, message: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    device, path = open_device(VIRTUAL), tmp_path / "x.npy"
    record(device, path, seconds=0.1)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        record(device, path, seconds=0.1, if_exists="append", **options)
    assert path.read_bytes() == before
    assert known(path).complete


def test_append_to_another_range_is_refused(open_device: OpenDevice, tmp_path: Path) -> None:
    device, path = open_device(VIRTUAL), tmp_path / "x.wav"
    record(device, path, seconds=0.1)
    device.set_signal(0, range=1.0)
    with pytest.raises(ValueError, match=r"full_scale_volts is \[5\.0\], not \[1\.0\]"):
        record(device, path, seconds=0.1, if_exists="append")


@pytest.mark.parametrize("suffix", FORMATS)
def test_append_to_what_is_no_recording_is_refused(
    suffix: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    device, path = open_device(VIRTUAL), tmp_path / f"x{suffix}"
    record(device, path, seconds=0.1)
    path.write_bytes(b"something else, and longer than any header of a recording is, by far" * 9)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="cannot be continued"):
        record(device, path, seconds=0.1, if_exists="append")
    assert path.read_bytes() == before
    Path(sidecar.path_beside(path)).unlink()
    with pytest.raises(ValueError, match=r"x\.\w+\.json, which says how it was recorded"):
        record(device, path, seconds=0.1, if_exists="append")


@pytest.mark.parametrize("if_exists", ["overwrite", "append"])
def test_second_recording_to_a_file_in_use_is_refused(
    if_exists: Any, open_device: OpenDevice, tmp_path: Path
) -> None:
    device, other, path = open_device(VIRTUAL), open_device(VIRTUAL), tmp_path / "x.npy"

    def on_block(so_far: Recording) -> None:
        if so_far.samples == 2000:
            path_now = path.read_bytes()
            with pytest.raises((OSError, ValueError), match=r"another recording|its device"):
                record(other, path, seconds=1, if_exists=if_exists)
            assert path.read_bytes() == path_now

    record(device, path, seconds=0.3, on_block=on_block)
    assert len(volts(path)) == 6000


# ---------------------------------------------------------------------------------------- numbers


def test_numbered_takes_the_first_number_that_is_free(
    open_device: OpenDevice, tmp_path: Path
) -> None:
    device, path = open_device(VIRTUAL), tmp_path / "x.npy"
    (tmp_path / "x-0007.npy.json").write_text("{}")
    (tmp_path / "y-0009.npy").write_text("")
    names = [
        recorded.name
        for _ in range(2)
        for recorded in record(device, path, seconds=0.1, if_exists="number").paths
    ]
    assert names == ["x-0008.npy", "x-0009.npy"]


def test_recordings_at_once_get_numbers_of_their_own(
    open_device: OpenDevice, tmp_path: Path
) -> None:
    device, barrier = open_device(VIRTUAL), threading.Barrier(4)

    def run() -> list[Path]:
        barrier.wait(LIMIT)
        return record(device, tmp_path / "x.csv", seconds=0.01, if_exists="number").paths

    paths = [path for future in [in_thread(run) for _ in range(4)] for path in future.result(LIMIT)]
    assert sorted(path.name for path in paths) == [f"x-000{n}.csv" for n in range(1, 5)]


@pytest.mark.parametrize("suffix", FORMATS)
def test_parts_hold_the_recording_and_say_when_each_began(
    suffix: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    device = open_device(VIRTUAL)
    recording = record(device, tmp_path / f"x{suffix}", seconds=2, part_bytes=40_000)
    assert recording.paths == sorted(tmp_path.glob(f"x-????{suffix}"))
    assert len(recording.paths) > 2
    assert all(path.stat().st_size <= 40_000 for path in recording.paths)
    everything = np.concatenate([volts(path) for path in recording.paths])
    np.testing.assert_allclose(everything, samples_of(device, 40_000)[:, 0], rtol=0, atol=1e-6)
    row = 0
    for path in recording.paths:
        found = known(path)
        assert (found.first_index, found.complete) == (row, True)
        assert found.start_s == pytest.approx((row + 1) / 20e3)
        row += found.samples


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_smallest_part_holds_a_row(
    suffix: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    device, path = open_device(VIRTUAL), tmp_path / f"x{suffix}"
    with pytest.raises(ValueError, match=r"part_bytes must be at least \d+ here, got 1") as caught:
        record(device, path, seconds=1, part_bytes=1)
    assert list(tmp_path.iterdir()) == []
    least = int(str(caught.value).split()[5])
    recording = record(device, path, seconds=0.001, part_bytes=least)
    assert 4 <= len(recording.paths) <= 20
    assert sum(len(volts(part)) for part in recording.paths) == 20


@pytest.mark.parametrize("if_exists", ["overwrite", "append"])
def test_parts_are_numbered_only(if_exists: Any, open_device: OpenDevice, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="parts are numbered files"):
        record(
            open_device(VIRTUAL),
            tmp_path / "x.npy",
            seconds=1,
            if_exists=if_exists,
            part_bytes=10**6,
        )


def test_command_has_an_option_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.wav"
    command = ["record", "hwsim://x?clock=virtual&rate=20kHz&range=5V", "--seconds", "1"]
    command += ["-o", str(path)]
    assert main(command) == 0
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--append"]) == 0
    assert len(volts(path)) == 40_000
    assert main([*command, "--overwrite"]) == 0
    assert len(volts(path)) == 20_000
    capsys.readouterr()
    assert main([*command, "--numbered", "--part-size", "10kB"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{tmp_path / 'x-0001.wav'} to {tmp_path / 'x-0005.wav'}: 20,000 ")


# ------------------------------------------------------------------------- a device that goes away


def test_disconnect_ends_the_recording(open_device: OpenDevice, tmp_path: Path) -> None:
    device, path = open_device(VIRTUAL + "&fault=disconnect@4"), tmp_path / "x.npy"
    with pytest.raises(hwsim.errors.DeviceDisconnected):
        record(device, path, seconds=1)
    assert len(volts(path)) == known(path).samples == 6000


@pytest.mark.filterwarnings("ignore:.* samples are missing")
@pytest.mark.parametrize("suffix", FORMATS)
def test_reconnect_continues_after_the_gap(
    suffix: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    """The device is away for longer than its buffer lasts."""
    device = open_device(VIRTUAL + "&fault=disconnect@4&fault=reconnect@30")
    path = tmp_path / f"x{suffix}"
    recording = record(device, path, seconds=5, reconnect=True)
    assert recording.samples + recording.lost == 100_000
    assert recording.disconnects == 1
    assert recording.lost > 0
    (row, lost), *others = recording.gaps
    assert (row, others) == (6000, [])
    everything = samples_of(device, 100_000)[:, 0]
    kept = np.concatenate([everything[:row], everything[row + lost :]])
    np.testing.assert_allclose(volts(path), kept, rtol=0, atol=1e-6)
    found = known(path)
    assert found.gaps == [(row, lost)]
    assert found.time_s(row - 1) == pytest.approx((row - 1) / 20e3)
    assert found.time_s(row) == pytest.approx((row + lost) / 20e3)


def test_device_that_stays_away_counts_as_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.npy"
    uri = "hwsim://away?clock=virtual&rate=20kHz&fault=disconnect@4"
    assert main(["record", uri, "--seconds", "1", "--reconnect", "-o", str(path)]) == 0
    assert "or the device was disconnected: 14,000 before row 6,000" in capsys.readouterr().err
    assert (known(path).samples, known(path).gaps) == (6000, [(6000, 14_000)])


def test_wait_for_a_device_can_be_cancelled(open_device: OpenDevice, tmp_path: Path) -> None:
    device, path = open_device("rate=20kHz&fault=disconnect@4"), tmp_path / "x.npy"
    token, away = hwsim.CancelToken(), device.events(kinds=["disconnect"])
    recording = in_thread(
        lambda: record(device, path, seconds=float("inf"), reconnect=True, cancel=token)
    )
    assert away.read(timeout=LIMIT)
    token.cancel()
    with pytest.raises(hwsim.errors.OperationCancelled):
        recording.result(LIMIT)
    assert len(volts(path)) == known(path).samples == 6000
