"""The command ``hwsim``: what it shows, its exit status, and Ctrl-C.

The demo runs with few and short reads. That holding the GIL costs time is the only thing about
speed that is asserted, and by the demo's own measure.
"""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import wave
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

import hwsim
from hwsim.cli import main
from hwsim.cli.demo import demo
from hwsim.cli.quantity import quantity

SHORT = ["demo", "--devices", "3", "--latency", "1ms", "--reads", "4"]
ESCAPE = "\x1b"
HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()

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
    """Runs the command, which must fail with status 1; returns its message."""

    def fail(*arguments: str) -> str:
        assert main(arguments) == 1
        return capsys.readouterr().err

    return fail


def cells(output: str, first: str) -> list[str]:
    """Returns the cells of the table's row that begins with the cell ``first``."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]
    return next(row for row in rows if row[0] == first)


def test_the_command_is_installed() -> None:
    (command,) = entry_points(group="console_scripts", name="hwsim")
    assert command.load() is main


# ------------------------------------------------------------------------------------------- demo


def test_demo_does_every_read_in_each_run(run: Callable[..., str]) -> None:
    output = run(*SHORT)
    assert "one alone: 4 of 4 reads" in output
    assert "GIL released: 12 of 12 reads" in output
    assert "GIL held: 12 of 12 reads" in output


def test_demo_shows_the_last_value_of_every_device(run: Callable[..., str]) -> None:
    values = re.findall(r"^  (demo\d): last value (\S+) V$", run(*SHORT), re.MULTILINE)
    names = ["demo0", "demo1", "demo2"]
    assert [name for name, _ in values] == ["demo0", *names, *names]
    assert all(abs(float(value)) < 1.1 for _, value in values)


def test_demo_releases_the_gil_for_every_read_or_for_none(run: Callable[..., str]) -> None:
    output = run(*SHORT)
    assert cells(output, "at once, GIL released")[-1] == "12 times"
    assert cells(output, "at once, GIL held")[-1] == "0 times"


def test_demo_shows_wall_times_speed_ups_and_waits_of_the_main_thread(
    run: Callable[..., str],
) -> None:
    output = run(*SHORT)
    assert re.fullmatch(r"\d+\.\d\d s", cells(output, "one after another *")[1])
    for mode in ("released", "held"):
        _, wall, speed_up, wait, _ = cells(output, f"at once, GIL {mode}")
        assert re.fullmatch(r"\d+\.\d\d s", wall)
        assert re.fullmatch(r"\d+\.\d", speed_up)
        assert re.fullmatch(r"\d+\.\d ms", wait)
    assert re.search(r"^\* one device alone took \d+\.\d{3} s, times 3$", output, re.MULTILINE)
    assert re.search(r"takes? \d+\.\d times as long as with the GIL released", output)


@pytest.mark.skipif(not HAS_GIL, reason="there is no GIL to hold")
def test_demo_measures_that_holding_the_gil_takes_longer() -> None:
    assert demo(Console(file=io.StringIO()), devices=8, latency="10ms", reads=5) > 1.5


def test_demo_ends_with_a_timeline(run: Callable[..., str]) -> None:
    lines = run(*SHORT).splitlines()
    if lines[-1].startswith("not seen"):  # the lock at which the main thread waits
        lines[-1:] = []
        lines.insert(-5, "MainThread")
    names = [line.split()[0] for line in lines[-6:-2]]
    assert names[0] == "MainThread"
    assert {*names[1:]} == {"demo_0", "demo_1", "demo_2"}
    assert "released" in lines[-1]


def test_demo_leaves_out_a_timeline_that_takes_long() -> None:
    output = io.StringIO()
    demo(Console(file=output), devices=1, latency="1.1s&clock=virtual", reads=1)
    assert "reads each, with" not in output.getvalue()


def test_demo_makes_as_many_reads_as_take_about_twelve_seconds() -> None:
    output = io.StringIO()
    demo(Console(file=output), latency="20ms&clock=virtual")
    assert "60 reads of 20 ms; takes about 12 s" in output.getvalue()


def test_demo_says_when_reads_are_too_short_to_release_the_gil(run: Callable[..., str]) -> None:
    output = run("demo", "--devices", "2", "--latency", "0s", "--reads", "3")
    assert ("do not release the GIL" if HAS_GIL else "has no GIL") in output


def test_demo_leaves_policy_and_devices_as_they_were(run: Callable[..., str]) -> None:
    with hwsim.gil.policy("release"):
        run(*SHORT)
        assert hwsim.gil.current_policy() == "release"
    assert not [name for name, _, _ in hwsim.list_devices() if name.startswith("demo")]


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"])
def test_what_is_no_terminal_gets_no_escape_codes(
    variable: str, monkeypatch: pytest.MonkeyPatch, run: Callable[..., str]
) -> None:
    monkeypatch.setenv(variable, "1")
    assert ESCAPE not in run(*SHORT)


def test_a_terminal_gets_a_row_for_each_device_and_a_bar_for_each_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    output = io.StringIO()
    demo(Console(file=output, force_terminal=True), devices=2, latency="1ms", reads=4)
    assert ESCAPE in output.getvalue()
    assert "of 4 reads" not in output.getvalue()
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", output.getvalue())
    rows = [line for line in plain.splitlines() if line.startswith(" demo")]
    assert [len(re.findall("━+", row)) for row in rows[-2:]] == [3, 2]


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    output = io.StringIO()
    demo(Console(file=output, force_terminal=True), devices=1, latency="1ms", reads=1)
    assert "GIL held: 1 of 1 reads" in output.getvalue()


def test_a_device_that_fails_ends_the_demo(fail: Callable[..., str]) -> None:
    message = fail("demo", "--latency", "1ms&fault=crc@3", "--reads", "1000")
    assert message.startswith("hwsim: demo0 read_voltage: CRC error")
    assert hwsim.gil.current_policy() == "auto"


@pytest.mark.parametrize("when", ["one alone", "GIL released", "GIL held"])
def test_ctrl_c_ends_the_demo_with_130_and_no_traceback(when: str) -> None:
    arguments = ["demo", "--devices", "8", "--latency", "10ms", "--reads", "25"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any(line.startswith(when) for line in process.stdout)
        process.send_signal(signal.SIGINT)
        try:
            output, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, errors) == (130, "hwsim: interrupted\n")
    assert "times as long" not in output


INTERRUPTED_EVERYWHERE = """
import io, signal, sys
from rich.console import Console
from hwsim.cli import demo

def interrupted_at_call(number):
    calls = 0
    def trace(frame, event, argument):
        nonlocal calls
        calls += 1
        if calls == number:
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)
    def traced(run, *arguments):
        if run.title == "GIL released":
            sys.settrace(trace)
        try:
            measure(run, *arguments)
        finally:
            sys.settrace(None)
    measure, demo.measure = demo.measure, traced
    try:
        demo.demo(Console(file=io.StringIO()), devices=2, latency="1us", reads=1)
        return False
    except KeyboardInterrupt:
        return True
    finally:
        demo.measure = measure

number, step = 1, int(sys.argv[1])
while interrupted_at_call(number):
    number += step
print(number)
"""


@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.long)])
def test_ctrl_c_ends_the_demo_wherever_it_strikes(step: int) -> None:
    # Also between taking and giving back the lock of an event or a future.
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_EVERYWHERE, str(step)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(done.stdout) > 50


# -------------------------------------------------------------------------------- recorded signals

Samples = npt.NDArray[np.float64]
HALF = 0.51  # the converters compute in single precision


def write_wav(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def write_csv(path: Path, samples: Samples) -> None:
    np.savetxt(path, samples, header="volts")


def write_npy(path: Path, samples: Samples) -> None:
    np.save(path, samples)


def measured(output: str, name: str) -> tuple[float, float]:
    """Returns the deviation that the demo shows, and a step of the converters, in volts."""
    pattern = rf"^{re.escape(name)}: measured to within (.+); a step of the converters is (.+)$"
    match = re.search(pattern, output, re.MULTILINE)
    assert match
    scales = {"nV": 1e-9, "uV": 1e-6, "mV": 1e-3, "V": 1.0}
    number, unit = match[1].split()
    step, step_unit = match[2].split()
    return float(number) * scales[unit], float(step) * scales[step_unit]


@pytest.mark.parametrize(
    ("name", "write"), [("a.wav", write_wav), ("a.csv", write_csv), ("a.npy", write_npy)]
)
def test_a_recording_comes_back_within_half_a_step(
    name: str, write: Callable[[Path, Samples], None], tmp_path: Path, run: Callable[..., str]
) -> None:
    write(tmp_path / name, np.sin(np.arange(1000) / 30))
    deviation, step = measured(run(*SHORT, "--signal", str(tmp_path / name)), name)
    assert 0 < deviation < HALF * step
    assert step == pytest.approx(1 / 32768, rel=1e-3)


@pytest.mark.parametrize(
    ("samples", "shown", "range_v"),
    [
        pytest.param([0.0, 250.0, -250.0], "a.npy", 250, id="250 V"),
        pytest.param([0.0, 32767.0, 1.0], "a.npy times 0.03052", 1000, id="counts"),
        pytest.param([1e-6, -1e-6], "a.npy", 0.001, id="microvolts"),
        pytest.param([0.0], "a.npy", 0.001, id="silence, shorter than the run"),
    ],
)
def test_the_range_is_chosen_so_that_the_recording_fits(
    samples: list[float], shown: str, range_v: float, tmp_path: Path, run: Callable[..., str]
) -> None:
    np.save(tmp_path / "a.npy", samples)
    deviation, step = measured(run(*SHORT, "--signal", str(tmp_path / "a.npy")), shown)
    assert deviation < HALF * step
    assert step == pytest.approx(range_v / 32768, rel=1e-3)


@pytest.mark.parametrize(
    ("samples", "message"),
    [([], "at least one sample"), ([1.0, np.nan], "finite numbers"), ([np.inf], "finite numbers")],
)
def test_a_recording_must_be_finite_numbers(
    samples: list[float], message: str, tmp_path: Path, fail: Callable[..., str]
) -> None:
    np.save(tmp_path / "a.npy", samples)
    assert message in fail(*SHORT, "--signal", str(tmp_path / "a.npy"))


def test_a_missing_recording_is_named(fail: Callable[..., str]) -> None:
    assert "missing.wav" in fail(*SHORT, "--signal", "missing.wav")


# ------------------------------------------------------------------------------------ list, info


def test_list_shows_names_uris_and_what_is_in_use(run: Callable[..., str]) -> None:
    with hwsim.open("hwsim://daq1"):
        output = run("list")
    assert cells(output, "daq0") == ["daq0", "hwsim://daq0", "no"]
    assert cells(output, "daq1") == ["daq1", "hwsim://daq1", "yes"]


def test_info_shows_the_settings_of_the_resource_string(run: Callable[..., str]) -> None:
    uri = "hwsim://bench?latency=2ms&jitter=200us&bandwidth=12MB/s&seed=7&clock=virtual&rate=8kHz"
    output = run("info", uri)
    expected = {
        "name": "bench",
        "latency": "2 ms",
        "jitter": "200 us",
        "bandwidth": "12 MB/s",
        "timeout": "1 s",
        "clock": "virtual",
        "rate": "8 kHz",
        "channels": "4",
        "seed": "7",
    }
    assert {name: cells(output, name)[1] for name in expected} == expected


def test_info_shows_the_signal_of_every_channel(run: Callable[..., str]) -> None:
    output = run("info", "hwsim://bench?channels=2&clock=virtual&range=5V&noise=2mV")
    assert cells(output, "0") == ["0", "sine", "1 V", "10 Hz", "0 V", "2 mV", "5 V"]
    assert cells(output, "1") == ["1", "sine", "1 V", "20 Hz", "0 V", "2 mV", "5 V"]


def test_info_reads_all_registers_but_those_that_reading_clears_or_forbids(
    run: Callable[..., str],
) -> None:
    output = run("info", "hwsim://bench?clock=virtual&channels=3")
    with hwsim.open("hwsim://bench") as device:
        for register in device.registers.values():
            _, name, access, value, *_ = cells(output, f"0x{register.address:02X}")
            assert (name, access) == (register.name, register.access)
            assert (value == "-") == (access in ("WO", "RC"))
    assert cells(output, "0x00")[3] == "0x48575349"
    assert cells(output, "0x24")[3] == "0x00000003"


def test_info_opens_the_first_device_of_the_bench_by_default(run: Callable[..., str]) -> None:
    assert cells(run("info"), "name") == ["name", "daq0"]


def test_info_does_not_wait_for_a_clock_that_stands_still(run: Callable[..., str]) -> None:
    assert cells(run("info", "hwsim://bench?clock=manual"), "0x00")[3] == "-"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 s"),
        (2e-9, "2 ns"),
        (0.5e-9, "0.5 ns"),
        (2e-4, "200 us"),
        (0.02, "20 ms"),
        (-1.5, "-1.5 s"),
        (3600.0, "3.6 ks"),
        (2e9, "2 Gs"),
        (float("inf"), "inf s"),
    ],
)
def test_a_quantity_has_a_metric_prefix(value: float, text: str) -> None:
    assert quantity(value, "s") == text


# ------------------------------------------------------------------------------------ exit status


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["demo", "--devices", "0"],
        ["demo", "--devices", "65"],
        ["demo", "--devices", "many"],
        ["demo", "--reads", "0"],
        ["info", "hwsim://daq0", "hwsim://daq1"],
    ],
)
def test_wrong_arguments_exit_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: hwsim" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "--latency", "20xs"], "latency must be a time"),
        (["info", "hwsim://daq0?latenc=2ms"], "the nearest is latency"),
        (["info", "hwsim://daq0?clock=virtual&fault=crc"], "CRC error"),
        (["info", "daq0"], "a resource string starts with hwsim://"),
    ],
)
def test_errors_exit_with_1_and_a_message_of_one_line(
    arguments: list[str], message: str, fail: Callable[..., str]
) -> None:
    error = fail(*arguments)
    assert error.startswith("hwsim: ")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["--version"]])
def test_help_and_version_exit_with_0(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(arguments)
    assert "hwsim" in capsys.readouterr().out
