"""The commands ``hwsim flash`` and ``hwsim calibrate``: results, failures, progress, Ctrl-C."""

from __future__ import annotations

import argparse
import importlib
import io
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import hwsim
from hwsim.cli import calibrate, flash, main
from hwsim.firmware import build_image

SMALLEST = "262144"  # samples
ESCAPE = "\x1b"

# What a shell runs.
PROGRAM = """
import sys
from hwsim.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output that is no terminal has room for every table."""
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def image(tmp_path: Path) -> str:
    """A file with firmware 2.1, of three pages."""
    path = tmp_path / "firmware.img"
    path.write_bytes(build_image(0x0002_0001, bytes(2500)))
    return str(path)


@pytest.fixture
def uri(name: str) -> str:
    """A device of the test's own, on a virtual clock."""
    return f"hwsim://{name}?clock=virtual"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command, which must succeed; returns what it printed."""

    def run(*arguments: str) -> str:
        assert main(arguments) == 0
        output = capsys.readouterr()
        assert output.err == ""
        return output.out

    return run


@pytest.fixture
def fail(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command, which must fail with status 1; returns all it printed, and its message."""

    def fail(*arguments: str) -> str:
        assert main(arguments) == 1
        output = capsys.readouterr()
        assert output.err.startswith("hwsim: ") and output.err.count("\n") == 1
        return output.out + output.err

    return fail


def cells(output: str, first: str) -> list[str]:
    """Returns the cells of the table's row that begins with the cell ``first``."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]
    return next(row for row in rows if row[0] == first)


def on_terminal(*arguments: str) -> str:
    """Runs the command on a terminal; returns what it wrote there, also when it raised."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    flash.add_parser(commands)
    calibrate.add_parser(commands)
    parsed = parser.parse_args(arguments)
    output = io.StringIO()
    with suppress(hwsim.HwsimError):
        parsed.run(Console(file=output, force_terminal=True, width=100), parsed)
    return output.getvalue()


# ------------------------------------------------------------------------------------------- flash


def test_flash_shows_the_version_before_and_after(
    run: Callable[..., str], uri: str, image: str
) -> None:
    output = run("flash", uri, image)
    assert cells(output, "firmware before")[1] == "1.0"
    assert cells(output, "firmware after")[1] == "2.1"
    assert cells(output, "image")[1] == "2,532 bytes"
    assert cells(output, "bus operations")[1] == "10"
    assert cells(output, "time")[1] == "10 ms"
    with hwsim.open(uri) as device:
        assert device.firmware_version == 0x0002_0001


def test_flash_makes_the_image_of_a_payload(
    run: Callable[..., str], uri: str, tmp_path: Path
) -> None:
    payload = tmp_path / "payload.bin"
    payload.write_bytes(b"code")
    assert cells(run("flash", uri, str(payload), "--build", "3.42"), "firmware after")[1] == "3.42"
    with hwsim.open(uri) as device:
        assert device.firmware_version == 3 << 16 | 42


@pytest.mark.parametrize("version", ["3", "3.x", "-1.0", "1.2.3", "65536.0", "1.65536", ""])
def test_flash_refuses_a_version_that_is_none(
    version: str, uri: str, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["flash", uri, image, f"--build={version}"])
    assert caught.value.code == 2
    assert f"must be MAJOR.MINOR, each from 0 to 65535, got '{version}'" in capsys.readouterr().err


def test_flash_without_verify_takes_fewer_operations(
    run: Callable[..., str], uri: str, image: str
) -> None:
    assert cells(run("flash", uri, image, "--no-verify"), "bus operations")[1] == "7"


def test_flash_retries_as_often_as_asked(
    run: Callable[..., str], fail: Callable[..., str], uri: str, image: str
) -> None:
    faulty = f"{uri}&fault=corrupt@2&fault=corrupt@5"
    output = fail("flash", faulty, image, "--retries", "1")
    assert "page 0 differs after 1 retries" in output
    assert cells(run("flash", faulty, image, "--retries", "2"), "bus operations")[1] == "16"


@pytest.mark.parametrize("operation", range(1, 11))
def test_flash_that_fails_says_which_firmware_runs(
    operation: int, fail: Callable[..., str], uri: str, image: str, name: str
) -> None:
    output = fail("flash", f"{uri}&fault=power@{operation}", image)
    assert f"{name}: runs firmware 1.0\n" in output
    assert "the device is disconnected (injected fault: power)" in output


def test_flash_refuses_bad_images_and_missing_files(
    fail: Callable[..., str], uri: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.img"
    path.write_bytes(b"no image")
    assert "the image is truncated" in fail("flash", uri, str(path))
    path.write_bytes(b"")
    assert "payload must have from 1 to" in fail("flash", uri, str(path), "--build", "2.0")
    path.write_bytes(build_image(1, b"old"))
    assert "older than 0x00010000 that runs" in fail("flash", uri, str(path))
    assert "missing.img" in fail("flash", uri, str(tmp_path / "missing.img"))


def test_flash_does_not_wait_for_a_clock_that_stands_still(
    fail: Callable[..., str], image: str
) -> None:
    assert "a manual clock stands still" in fail("flash", "hwsim://still?clock=manual", image)


# --------------------------------------------------------------------------------------- calibrate


def test_calibrate_shows_the_errors_that_were_given(run: Callable[..., str], uri: str) -> None:
    arguments = ["--gain-error", "0.01", "--offset-error", "-0.05", "--inl", "20", "--noise", "0"]
    output = run("calibrate", uri, "--samples", SMALLEST, *arguments)
    gain_error = float(cells(output, "gain error")[1].rstrip("%"))
    assert gain_error == pytest.approx(1.06, abs=0.01)  # non-linearity makes the sine larger, too
    offset_lsb = float(cells(output, "offset")[1].split(", ")[1].removesuffix(" LSB"))
    assert offset_lsb == pytest.approx(-0.05 / 10 * 32768, abs=0.2)
    assert float(cells(output, "INL")[1].split()[0]) == pytest.approx(20, abs=1)
    assert float(cells(output, "ENOB")[1].split()[0]) < 12
    assert cells(output, "one LSB")[1] == "305.2 uV"


def test_calibrate_uses_channel_and_settings_of_the_device(
    run: Callable[..., str], uri: str, name: str
) -> None:
    output = run("calibrate", f"{uri}&range=5V&noise=0V", "--channel", "2", "--samples", SMALLEST)
    assert f"{name}, channel 2" in output
    assert cells(output, "reference")[1] == "4.5 V, 8,193 cycles"
    assert cells(output, "ENOB")[1] == "16.00 bits"


def test_calibrate_measures_the_first_device_of_the_bench_by_default(
    run: Callable[..., str],
) -> None:
    assert "daq0, channel 0" in run("calibrate", "--samples", SMALLEST)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--channel", "4"], "channel must be from 0 to 3, got 4"),
        (["--samples", "5"], "samples must be from 262144 to 67108864, got 5"),
        (["--gain-error", "2"], "gain_error must be from -0.5 to 0.5, got 2"),
        (["--offset-error", "50"], "channel 0 saturates at every reference"),
        (["--noise", "-1"], "noise must be from 0"),
    ],
)
def test_calibrate_names_what_is_wrong(
    arguments: list[str], message: str, fail: Callable[..., str], uri: str
) -> None:
    assert message in fail("calibrate", uri, *arguments)


def test_calibrate_plots(run: Callable[..., str], uri: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "inl.png"
    output = run("calibrate", uri, "--samples", SMALLEST, "--inl", "5", "--plot", str(path))
    assert f"{path}: INL and DNL" in output.replace("\n", "")
    assert path.read_bytes().startswith(b"\x89PNG\r\n")
    assert path.stat().st_size > 20_000


def test_plot_is_overwritten_only_when_told(
    run: Callable[..., str], fail: Callable[..., str], uri: str, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "inl.png"
    path.write_text("mine")
    command = ("calibrate", uri, "--samples", SMALLEST, "--plot", str(path))
    output = fail(*command).replace("\n", " ")
    assert "there is one already" in output and "--overwrite" in output and "ENOB" not in output
    assert path.read_text() == "mine"
    run(*command, "--overwrite")
    assert path.read_bytes().startswith(b"\x89PNG\r\n")


def test_plot_that_cannot_be_written_fails_before_the_measurement(
    fail: Callable[..., str], uri: str, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "missing" / "inl.png"
    output = fail("calibrate", uri, "--samples", SMALLEST, "--plot", str(path))
    assert "missing" in output and "ENOB" not in output


def test_plot_without_matplotlib_says_how_to_install_it(
    fail: Callable[..., str], uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    output = fail("calibrate", uri, "--plot", str(tmp_path / "inl.png"))
    assert output.endswith("which is not installed: pip install 'hwsim[plot]'\n")
    assert "ENOB" not in output


# ---------------------------------------------------------------------------------------- terminal


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"])
def test_what_is_no_terminal_gets_no_escape_codes(
    variable: str, monkeypatch: pytest.MonkeyPatch, run: Callable[..., str], uri: str, image: str
) -> None:
    monkeypatch.setenv(variable, "1")
    assert ESCAPE not in run("flash", uri, image) + run("calibrate", uri, "--samples", SMALLEST)


@pytest.mark.parametrize("fault", ["", "&fault=bus@5"])
def test_a_terminal_gets_a_bar_that_ends_well(
    fault: str, uri: str, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full, or where it was stopped; and the cursor is shown again."""
    monkeypatch.setenv("TERM", "xterm")
    output = on_terminal("flash", uri + fault, image)
    assert output.count(f"{ESCAPE}[?25l") == output.count(f"{ESCAPE}[?25h") == 1
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", output)
    *_, bar = re.findall(r"^.*firmware\.img.*$", plain, re.MULTILINE)
    assert bool(fault) == ("firmware.img: stopped" in bar)
    assert ("25%" if fault else "100%") in bar
    assert ("runs firmware 1.0" if fault else "firmware after") in plain


def test_a_terminal_gets_a_bar_for_the_calibration(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    plain = re.sub(
        r"\x1b\[[\d;?]*[A-Za-z]", "", on_terminal("calibrate", uri, "--samples", SMALLEST)
    )
    assert re.search("channel 0.*100%", plain)
    assert "ENOB" in plain


# ------------------------------------------------------------------------------------------ Ctrl-C


def interrupted(*arguments: str) -> tuple[int, str, str]:
    """Sends SIGINT as soon as the command has written ``started``; its status and output."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTED + PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any(line == "started\n" for line in process.stdout)
        process.send_signal(signal.SIGINT)
        try:
            output, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    return process.returncode, output, errors


# Says when the first progress report has come; the long operation goes on for seconds yet.
STARTED = """
import contextlib
from hwsim.cli import calibrate, flash

original = flash.bar

@contextlib.contextmanager
def bar(console, title, **options):
    with original(console, title, **options) as progress:
        def report(done, total):
            if not reports:
                print("started", flush=True)
            reports.append(done)
            progress(done, total)

        yield report

reports = []
flash.bar = calibrate.bar = bar
"""


def test_ctrl_c_ends_flash_with_130_and_the_old_firmware(image: str) -> None:
    status, output, errors = interrupted("flash", "hwsim://slow?latency=10s&timeout=inf", image)
    assert (status, output, errors) == (
        130,
        "slow: runs firmware 1.0\n",
        "hwsim: interrupted\n",
    )


def test_ctrl_c_ends_calibrate_with_130_and_no_result() -> None:
    status, output, errors = interrupted("calibrate", "--samples", str(2**26))
    assert (status, output, errors) == (130, "", "hwsim: interrupted\n")
