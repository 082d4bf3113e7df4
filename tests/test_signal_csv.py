"""CSV files as instruments, spreadsheets and loggers write them: read right, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import OpenDevice
from hwsim.signals import load, read

Values = list[float]


@pytest.fixture
def csv(tmp_path: Path) -> Any:
    """Writes a file of this text, or these bytes."""

    def write(content: str | bytes, name: str = "a.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# ---------------------------------------------------------------------------- what is read right

RIGOL = "X,CH1,CH2,Start,Increment,\nSequence,Volt,Volt,-1.2e-03,2.000000e-06\n"
TEKTRONIX_TDS = """\
Record Length,2.500000e+03,,-0.000500,   0.0400,
Sample Interval,1.000000e-04,,-0.000400,   0.0800,
Source,CH1,,-0.000300,   0.1200,
,,,-0.000200,   0.1600,
,,,-0.000100,   0.2000,
"""
TEKTRONIX_MSO = """\
Model,MSO4104
Firmware Version,2.68
,
Waveform Type,ANALOG,,
Horizontal Units,s,,
Sample Interval,4e-09,,
Record Length,100000,,
Gating,0.0% to 100.0%,,
Vertical Units,V,,
Label,,,
TIME,CH1,
-8.0e-09,0.04,
-4.0e-09,0.08,
0.0,0.12,
"""
SIGLENT = """\
Record Length,Analog:3,
Sample Interval,Analog:5.000000E-05,
Vertical Units,CH3:V,,
Vertical Scale,CH3:1.00,,
Source,CH3,,
Second,Value
+1.240000E+01,+4.0E-02
+1.240005E+01,+5.0E-02
+1.240010E+01,+6.0E-02
"""
INFINIIUM = """\
Revision:,0
Type:,raw
Points:,3
XInc:,+1.0E-09
XOrg:,-2.5E-06
Data:,
0.5
0.25
0.125
"""
PICOSCOPE = "Time;Channel A;Channel B\n(ms);(mV);(V)\n\n-0,002;12,5;11,4\n-0,001;13,5;0\n0;1;2\n"
DIGILENT = """\
#Digilent WaveForms Oscilloscope Acquisition
#Sample rate: 1MHz
#Trigger: Source: Channel 1
Time (s),Channel 1 (V)
-1e-06,0.5
0,0.25
"""
RIGHT: dict[str, tuple[str | bytes, int | str | None, Values, float | None]] = {
    "byte order mark": ("\ufeff0.5\n0.7\n", None, [0.5, 0.7], None),
    "utf-16": ("v\n0.5\n0.7\n".encode("utf-16"), None, [0.5, 0.7], None),
    "utf-16, the other way round": ("\ufeff0.5\n".encode("utf-16-be"), None, [0.5], None),
    "carriage returns": ("TIME,CH1\r0.0,1\r0.1,2\r", None, [1, 2], 10),
    "mixed line ends": ("v\r\n1\n\r2\r", None, [1, 2], None),
    "decimal commas": ("1,5;2,5\n-0,25;1\n", 1, [2.5, 1], None),
    "decimal commas after tabs": ("a\tb\n1,5\t2\n2\t0,125\n", "b", [2, 0.125], None),
    "quoted": ('"a","b"\n"0.5","1"\n"0.7","2"\n', "a", [0.5, 0.7], None),
    "quoted decimal commas": ('"a";"b, c"\n"0,5";"1"\n"0,7";"2"\n', "a", [0.5, 0.7], None),
    "white space": ("  1.0   2.0\n -1.0   3.0\n", 1, [2, 3], None),
    "empty cell elsewhere": ("0.1,\n0.2,2\n0.3,3\n", 0, [0.1, 0.2, 0.3], None),
    "text elsewhere": ("v,w\n0.1,1\n0.2,bad\n", 0, [0.1, 0.2], None),
    "trailing comma": ("X,CH1,\n0,1.0,\n1,2.0,\n", None, [1, 2], None),
    "units row": ("X,CH1\nSecond,Volt\n0.0,1.5\n0.1,1.6\n", None, [1.5, 1.6], 10),
    "by name": ("a,b\n1,2\n3,4\n", "b", [2, 4], None),
    "by name without the unit": ("Time [s],CH 1 (V)\n0,2\n1,4\n", "ch 1", [2, 4], 1),
    "millivolts": ("Time (us),CH1 (mV)\n0,500\n1,250\n", None, [0.5, 0.25], 1e6),
    "a rate that is no time": ("a,T\n0.5,20\n0.25,19\n", "T", [20, 19], None),
    "x that does not rise": ("x,y\n0.5,1\n0.25,2\n", None, [0.5, 0.25], None),
    "counter and time": ("nr,time,ch1\n0,0,-0.16\n1,2e-05,-0.02\n", None, [-0.16, -0.02], 5e4),
    "date and time": (
        "Date,U\n2026-11-25 12:00:00.0,1\n2026-11-25 12:00:00.5,2\n", None, [1, 2], 2
    ),
    "time of day": ("t;U\n12:00:00,0;1,5\n12:00:00,1;2,5\n", None, [1.5, 2.5], 10),
    "recorded by hwsim": ("# daq0, 1000 Hz\nchannel 0 (V)\n0.5\n0.7\n", None, [0.5, 0.7], 1000),
    "sigrok": ("; CSV by sigrok\n; Samplerate: 1 MHz\nCH1\n0.5\n1\n", None, [0.5, 1], 1e6),
    "Rigol": (RIGOL + "0,4.72e+01,2.40e+00,\n1,4.64e+01,3.20e+00,\n", "CH2", [2.4, 3.2], 5e5),
    "Rigol with logic": (
        "X,CH1,D7-D0,Start,Increment,\nSequence,Volt,,-1e-03,2e-06\n0,0.5,0x00,\n1,1,0xff,\n",
        None, [0.5, 1], 5e5,
    ),
    "Rigol MSO": ("CH1(V),CH2(V),t0 = -5.0e-3, tInc = 1e-06,\n1,2,,,\n3,4,,,\n", 1, [2, 4], 1e6),
    "Tektronix TDS": (TEKTRONIX_TDS, None, [0.04, 0.08, 0.12, 0.16, 0.2], 1e4),
    "Tektronix MSO": (TEKTRONIX_MSO, None, [0.04, 0.08, 0.12], 2.5e8),
    "Keysight": (
        "x-axis,1,2\nsecond,Volt,Volt\n-2E-06,0.0E+00,4.70E+00\n-1E-06,+1.0E+00,4.99E+00\n",
        "2", [4.7, 4.99], 1e6,
    ),
    "Keysight Infiniium": (INFINIIUM, None, [0.5, 0.25, 0.125], 1e9),
    "Siglent": (SIGLENT, None, [0.04, 0.05, 0.06], 2e4),
    "PicoScope": (PICOSCOPE, None, [0.0125, 0.0135, 0.001], 1e6),
    "Rohde & Schwarz": ("in s,C1 in V\n-3E-1,1.7E-3\n-2E-1,1.8E-3\n", None, [1.7e-3, 1.8e-3], 10),
    "Saleae, analog": ("Time [s],Channel 0\n0,1\n0.5,0.25\n1,0\n", None, [1, 0.25, 0], 2),
    "minutes": ("Elapsed Time (min),T\n0,1\n1,2\n", None, [1, 2], 1 / 60),
    "a signal that rises": ("t,x\n0,1\n1,2\n", None, [1, 2], None),
    "unknown unit": ("Time (weeks),T\n0,1\n1,2\n", None, [1, 2], None),
    "LabVIEW": ("***End_of_Header***\t\nX_Value\tU\n0.0\t1.5\n0.1\t1.6\n", None, [1.5, 1.6], 10),
    "headings of several words": ("my volts\n1\n2\n", None, [1, 2], None),
    "Digilent": (DIGILENT, None, [0.5, 0.25], 1e6),
}  # fmt: skip


NOT_ALL = {"empty cell elsewhere", "text elsewhere", "Rigol with logic"}  # columns are numbers


@pytest.mark.parametrize("name", RIGHT)
def test_column_is_read_as_the_file_says(name: str, csv: Any) -> None:
    content, column, samples, _ = RIGHT[name]
    assert load(csv(content), column) == pytest.approx(samples)


@pytest.mark.parametrize("name", sorted({*RIGHT} - NOT_ALL))
def test_table_is_read_as_the_file_says(name: str, csv: Any) -> None:
    content, column, samples, rate = RIGHT[name]
    table = read(csv(content))
    assert table.column(column) == pytest.approx(samples)
    assert table.rate_hz == (rate and pytest.approx(rate))


@pytest.mark.parametrize("name", sorted(NOT_ALL))
def test_bad_column_is_refused_when_all_are_read(name: str, csv: Any) -> None:
    with pytest.raises(ValueError, match=r"a\.csv, line \d+, column \d"):
        read(csv(RIGHT[name][0]), time=False)


def test_table_has_all_signals_but_not_the_time(csv: Any) -> None:
    table = read(csv("Time (s),A (V),B (mV)\n0,1,2000\n0.5,3,4000\n"))
    assert (table.columns, table.numbers) == (("A (V)", "B (mV)"), (1, 2))
    assert table.samples.tolist() == [[1, 2], [3, 4]]
    assert table.rate_hz == 2
    assert table.column(2).tolist() == table.column("B").tolist() == [2, 4]


def test_device_plays_a_column_of_a_table(csv: Any, open_device: OpenDevice) -> None:
    device = open_device("latency=0s&noise=0V")
    device.set_signal(0, read(csv("a;b\n1,5;2,5\n")), column="b")
    assert device.read_voltage(0) == pytest.approx(2.5, abs=1e-3)


# ------------------------------------------------------------------------------ what is refused

LOGIC = "Time [s],Channel 0\n0.0,0\n0.1,1\n0.5,0\n"
REFUSED: dict[str, tuple[str | bytes, int | str | None, str]] = {
    "decimal comma": ("0,5\n0,7\n-1,25\n", None, r"line 1: .*delimiter=','.*decimal=','"),
    "decimal commas under headings": ("a,b\n0,5,1,5\n", None, "line 2: has 4 cells .* decimal=','"),
    "thousands": ("1,234.5\n1,235.5\n", None, "line 1: .*thousands"),
    "thousands later": ("999.5\n1,000.5\n", None, "line 2"),
    "thousands or decimals": ("1,234;2,345\n", None, "either 1.234 or 1234; pass decimal=','"),
    "both marks": ("a;b\n1.234,5;1\n", None, "line, 2, is 1.234,5"),
    "thousands with spaces": ("1 234.5\n1 235.5\n", None, "line 1: .*thousands"),
    "thousands with narrow spaces": ("1\u202f234\n", None, "no numbers"),
    "another minus": ("\u22121.5\n2\n", None, "line 1, column 1"),
    "uneven, with a zero": ("time\tV\n0\t1\n1e-3\t2\n3e-3\t1\n", None, "not even"),
    "uneven, in whole seconds": ("time,V\n0,1\n1,2\n4,1\n", None, "not even"),
    "transitions, one far away": ("Time [s],C\n0.0,0\n0.00125,1\n0.1,0\n", None, "not even"),
    "overload": ("OL\n0.2\n0.3\n", None, "line 1, column 1 .*'OL'"),
    "overload in the middle": ("CH1\n0.2\n-∞\n", None, "line 3, column 1 .*'-∞'"),
    "letter O": ("0.1O\n0.2\n0.3\n", None, "line 1, column 1"),
    "empty cell": ("0.1,\n0.2,2\n", 1, "line 1, column 2 .*empty"),
    "infinite": ("1\n1e999\n", None, "line 2, column 1"),
    "not a number": ("v\n1\nnan\n", None, "line 3, column 1"),
    "cut short": ("a,b\n1,2\n3\n", 0, "line 3: has 1 cells"),
    "the time": ("Time [s],CH1\n0,1\n1,0\n", 0, r"is the time; the signals are 1 \('CH1'\)"),
    "perhaps the time": ("0.0,1\n0.1,2\n", None, "rises in every line.*time=0 or time=False"),
    "transitions": (LOGIC, None, r"steps are from 0\.1 s to 0\.4 s; pass resample_hz="),
    "time that stands still": ("Time,v\n0,1\n0,2\n", None, "not even"),
    "no such name": ("a,b\n1,2\n", "c", r"no column 'c'; its columns are 0 \('a'\), 1 \('b'\)"),
    "a name twice": ("a,a\n1,2\n", "a", "more than one column 'a'"),
    "no numbers": ("a,b\n", None, "no numbers"),
    "old encoding": ("Zeit (µs),U\n0,1\n".encode("cp1252"), None, "line 1: .*encoding="),
    "no mark": ("1\n2\n".encode("utf-16-le"), None, "encoding='utf-16-le'"),
    "binary": (b"\0\1\2\xff\xfe", None, "is not"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "column", "message"), REFUSED.values(), ids=REFUSED)
def test_file_that_is_not_clear_is_refused(
    content: str | bytes, column: int | str | None, message: str, csv: Any
) -> None:
    with pytest.raises(ValueError, match=rf"(?s)a\.csv.*{message}"):
        load(csv(content), column)


@pytest.mark.parametrize(
    ("content", "reading", "samples"),
    [
        ("0,5\n0,7\n-1,25\n", {"decimal": ","}, [0.5, 0.7, -1.25]),
        ("0,5\n0,7\n", {"delimiter": ","}, [0, 0]),
        ("1,234;2\n", {"decimal": ","}, [1.234]),
        ("0.0,1\n0.1,2\n", {"time": 0}, [1, 2]),
        ("0.0,1\n0.1,2\n", {"time": False}, [0, 0.1]),
        ("OL\n0.2\n", {"skip": 1}, [0.2]),
        ("3|2\n1|4\n", {"delimiter": "|"}, [3, 1]),
        ("a,Clock (s)\n1,0\n2,1\n", {"time": "Clock (s)"}, [1, 2]),
    ],
)
def test_what_the_error_asks_for_decides(
    content: str, reading: Any, samples: Values, csv: Any
) -> None:
    assert load(csv(content), **reading).tolist() == samples


def test_encoding_can_be_told(csv: Any) -> None:
    path = csv("Zeit (µs),U\n0,1\n2,0\n".encode("cp1252"))
    table = read(path, encoding="cp1252")
    assert table.rate_hz == pytest.approx(5e5)
    assert table.samples.tolist() == [[1], [0]]


def test_transitions_are_held_at_even_times(csv: Any) -> None:
    table = read(csv(LOGIC), resample_hz=10, between="hold")
    assert table.samples[:, 0].tolist() == [0, 1, 1, 1, 1, 0]
    assert table.rate_hz == 10


def test_uneven_samples_are_joined_by_lines(csv: Any) -> None:
    samples = load(csv("time,v\n0,0\n1,1\n4,4\n"), resample_hz=2, between="linear")
    assert samples == pytest.approx(np.arange(9) / 2)


def test_times_of_few_digits_take_the_rate_above_them(csv: Any) -> None:
    """An oscilloscope writes a step of 0.4 us with six decimals."""
    rows = "".join(f"{n * 4e-7:.6f},{n}\n" for n in range(100))
    table = read(csv(f"Sample Interval,4e-07\nTime,CH1\n{rows}"))
    assert table.rate_hz == pytest.approx(2.5e6)


@pytest.mark.parametrize(
    ("first", "step", "rate_hz"),
    [
        (1700000000, 2, 0.5),
        (1700000000123, 20, 50),
        (1700000000123456, 500, 2000),
        (1700000000123456000, 1000000, 1000),
        (0, 20, 0.05),
    ],
)
@pytest.mark.parametrize("heading", ["timestamp", "Time", "time"])
def test_unix_times_without_a_unit_are_in_the_one_that_fits(
    heading: str, first: int, step: int, rate_hz: float, csv: Any
) -> None:
    rows = "".join(f"{first + n * step},{n}\n" for n in range(50))
    # A float has the nanoseconds of our days to 256.
    assert read(csv(f"{heading},volts\n{rows}")).rate_hz == pytest.approx(rate_hz, rel=1e-5)


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        ({"delimiter": "ab"}, "delimiter must be one character"),
        ({"delimiter": ",", "decimal": ","}, "must differ"),
        ({"decimal": "'"}, "decimal must be"),
        ({"encoding": "none"}, "encoding must be"),
        ({"skip": -1}, "skip must be"),
        ({"time": "x"}, "no column 'x'"),
        ({"resample_hz": 0.0, "between": "hold"}, "resample_hz must be"),
        ({"resample_hz": 1e15, "between": "hold"}, "1e\\+15 samples"),
        ({"resample_hz": 1.0}, "between must be"),
        ({"between": "hold"}, "between needs"),
        ({"channel_axis": 0}, "channel_axis says nothing"),
    ],
)
def test_bad_argument_is_refused_by_name(reading: Any, message: str, csv: Any) -> None:
    with pytest.raises(ValueError, match=message):
        read(csv("time,v\n0,0\n1,1\n"), **reading)


def test_unknown_argument_is_refused_with_those_there_are(csv: Any) -> None:
    with pytest.raises(TypeError, match=r"no argument comma, only .*decimal"):
        read(csv("1\n"), comma=True)  # type: ignore[call-arg]
