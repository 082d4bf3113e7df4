"""Tables of numbers as text: of spreadsheets, oscilloscopes, loggers and logic analysers.

Three steps: :mod:`lines` says what a cell is, :mod:`header` where the numbers begin and what the
columns are called, and this file which columns are the time, and what is in the wanted ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np

from hwsim.signals import header as headers
from hwsim.signals import lines as texts
from hwsim.signals import units
from hwsim.signals.header import TIME_OF_DAY, Header
from hwsim.signals.lines import NUMBER, Lines, place
from hwsim.signals.table import Column, Reading, Samples, Table, Wanted, choose, of_columns

_TIMES = {
    "time",
    "times",
    "timestamp",
    "x_value",
    "seconds",
    "second",
    "sec",
    "date",
    "datetime",
    "elapsed",
}
_COUNTERS = {"x", "t", "x-axis", "nr", "no", "n", "#", "index", "sample", "samples", "sequence"}
_COUNTERS |= {"point", "points", "i", "row", "sample number", "record"}
_ABSCISSAS = {"x", "t", "x-axis"}  # right of these are signals, whatever their names
_UNEVEN = 0.01  # of a step; more is no rounding
_ROUNDED = 0.1  # of a step: more could be uneven as well
# Seconds of computers' clocks, from 2001 to 2103; often given in finer units, of which no other
# time has as many.
_UNIX_TIMES = (1e9, 4.2e9)
_MOST = 2**28  # samples that are made of others


def read(path: Path, wanted: Wanted | Literal["all"], reading: Reading) -> Table:
    """Reads the wanted columns of a CSV file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such file, or can be read in two ways; with line and column.
    """
    lines = texts.read(path, reading)
    header = headers.find(lines, reading)
    body = _Body(lines, header)
    columns = _columns(body, wanted, reading)
    signals = [column for column in columns if not column.is_time]
    chosen = signals if wanted == "all" else [choose(lines.name, columns, wanted)]
    samples = np.column_stack([body.volts(column) for column in chosen] or [np.empty(0)])
    rate_hz = header.rate_hz
    times = [column for column in columns if column.is_time]
    clock = next((column for column in times if body.step_s(column)), None)
    if clock:
        samples, rate_hz = _evenly(body, clock, samples, reading)
    elif "resample_hz" in reading:
        raise ValueError(f"{lines.name} has no column of times; pass time= to say which it is")
    if not chosen:
        raise ValueError(f"{lines.name} has no column but the time")
    return of_columns(lines.name, samples, chosen, "all", rate_hz)


class _Body:
    """The lines with samples."""

    def __init__(self, lines: Lines, header: Header) -> None:
        self.lines, self.header = lines, header
        self.rows = lines.texts[header.first :]
        self._known: dict[int, Samples] = {}
        self._check_counts()

    def _check_counts(self) -> None:
        """A line that is cut short, or has a comma too many, would give other columns."""
        lines, first = self.lines, self.header.first
        mark = lines.delimiter
        if not mark:
            return
        quoted = any('"' in row for row in self.rows)
        if mark == " " or quoted:
            counts = [len(lines.cells(first + n)) for n in range(len(self.rows))]
        else:
            counts = [row.count(mark) + 1 for row in self.rows]
        wrong = next((n for n, count in enumerate(counts) if count != counts[0]), None)
        if wrong is not None:
            raise ValueError(
                f"{lines.name}, line {lines.numbers[first + wrong]}: has {counts[wrong]} cells, "
                f"line {lines.numbers[first]} has {counts[0]}"
            )

    def heading(self, number: int) -> tuple[str, str, str]:
        """Returns a column's heading as the file has it, and its name and unit."""
        names, below = self.header.names, self.header.units
        heading = names[number] if number < len(names) else ""
        name, unit = units.split(heading)
        if number < len(below):
            unit = below[number].strip().strip("()[]").strip()
        return heading, name, unit

    def step_s(self, column: Column) -> float | None:
        """Returns what a step of one in a column of times is, in seconds; None: it counts."""
        heading, name, unit = self.heading(column.number)
        if TIME_OF_DAY.fullmatch(self.cell(0, column.number)):
            return 1.0
        if not heading and not unit:
            return self._since_epoch_s(column)
        unknown = unit or units.bare(heading) != heading.strip().lower()
        counts = name.lower() in _COUNTERS and name.lower() not in _TIMES
        return units.seconds(unit) or (None if counts or unknown else self._since_epoch_s(column))

    def _since_epoch_s(self, column: Column) -> float:
        """Returns what a step is in times without a unit: 1, unless they are finer Unix times."""
        try:
            first = self.numbers(column.number)[0]
        except ValueError:
            return 1.0
        low, high = _UNIX_TIMES
        return next((unit for unit in (1e-3, 1e-6, 1e-9) if low <= first * unit < high), 1.0)

    def volts(self, column: Column) -> Samples:
        """Returns the samples of a column."""
        return self.numbers(column.number) * units.volts(self.heading(column.number)[2])

    def cell(self, row: int, number: int) -> str:
        """Returns a cell; empty where the line has none."""
        cells = self.lines.cells(self.header.first + row)
        return cells[number] if number < len(cells) else ""

    def numbers(self, number: int) -> Samples:
        """Returns a column.

        Raises:
            ValueError: A cell is no number; the error says which.
        """
        if number not in self._known:
            self._known[number] = self._parse(number)
        return self._known[number]

    def _parse(self, number: int) -> Samples:
        lines = self.lines
        rows = self.rows
        if lines.decimal == "," and not any("." in row for row in rows):
            rows = [row.replace(",", ".") for row in rows]
        if lines.decimal == "." or rows is not self.rows:
            try:
                values = self._fast(rows, number)
            except (ValueError, TypeError, IndexError, OverflowError):
                values = None  # some cell is no number: which one?
            if values is not None and len(values) == len(rows) and np.isfinite(values).all():
                return values
        return np.array([self._number(row, number) for row in range(len(rows))])

    def _fast(self, rows: Sequence[str], number: int) -> Samples:
        mark = self.lines.delimiter
        return np.loadtxt(
            rows,
            delimiter=None if mark == " " else mark or ",",
            usecols=number if mark else 0,
            comments=None,
            quotechar='"',
            ndmin=1,
        )

    def _number(self, row: int, number: int) -> float:
        cell = self.cell(row, number)
        value = self.lines.number(cell)
        if value is None or not np.isfinite(value):
            where = place(self.lines, self.header.first + row, number, self.heading(number)[0])
            raise ValueError(f"{where}: {_wrong(cell, self.lines.decimal)}")
        return value

    def times(self, column: Column) -> Samples:
        """Returns a column of times, in seconds from any start."""
        if TIME_OF_DAY.fullmatch(self.cell(0, column.number)):
            return np.array([self._time(row, column.number) for row in range(len(self.rows))])
        times: Samples = self.numbers(column.number)
        times = times - times[0]  # Unix times in ns have many digits
        return times * (self.step_s(column) or 1.0)

    def _time(self, row: int, number: int) -> float:
        cell = self.cell(row, number).replace(",", ".").replace("/", "-")
        try:
            if "-" not in cell:
                hours, minutes, seconds = cell.split(":")
                return int(hours) * 3600.0 + int(minutes) * 60.0 + float(seconds)
            moment = datetime.fromisoformat(cell).replace(tzinfo=None)
            return (moment - datetime(1970, 1, 1)) / timedelta(seconds=1)
        except ValueError:
            where = place(self.lines, self.header.first + row, number, self.heading(number)[0])
            raise ValueError(f"{where}: {cell!r} is not a time; pass time=False") from None

    def rounding_s(self, column: Column) -> float:
        """Returns the finest decimal place of the times as they are written, in seconds."""
        cells = [self.cell(row, column.number) for row in range(len(self.rows))]
        if not all(NUMBER.fullmatch(cell.replace(",", ".")) for cell in cells):
            return 0.0
        places = min(int(Decimal(cell.replace(",", ".")).as_tuple().exponent) for cell in cells)
        return float(10.0**places) * (self.step_s(column) or 1.0)


def _wrong(cell: str, decimal: str) -> str:
    if not cell:
        return "is empty"
    if decimal == "," and "." in cell:
        return f"{cell!r} has a point, but the decimal mark is a comma"
    if "," in cell:
        return f"{cell!r} is not a number: remove thousands separators, or pass decimal=','"
    return f"{cell!r} is not a finite number"


def _columns(body: _Body, wanted: Wanted | Literal["all"], reading: Reading) -> list[Column]:
    """Returns the columns, and which of them are times or counters."""
    header, name = body.header, body.lines.name
    plain = [Column(n, body.heading(n)[0]) for n in range(header.left, header.width)]
    told = reading.get("time")
    if told is False:
        return plain
    if told is not None:
        time = choose(name, plain, told)
        return [replace(column, is_time=column == time) for column in plain]
    if not header.names and header.rate_hz and _steps_by(body, plain[0], 1 / header.rate_hz):
        return [replace(plain[0], is_time=True), *plain[1:]]  # no headings, but its step is said
    found = []
    leading = True  # counters, and units without a name, count only at the left
    for column in plain:
        is_time = _is_time(body, column, leading)
        leading = leading and is_time and units.bare(column.name) in _COUNTERS - _ABSCISSAS
        found.append(replace(column, is_time=is_time))
    unsaid = wanted in (None, "all") and not header.names and not found[0].is_time
    if unsaid and len(plain) > 1 and _rises(body, plain[0]):
        raise ValueError(
            f"{name} has no headings, and its column {plain[0]} rises in every line, as times "
            f"do; pass time={plain[0]} or time=False to hwsim.signals.read(), or column="
        )
    return found


def _is_time(body: _Body, column: Column, leading: bool) -> bool:
    if TIME_OF_DAY.fullmatch(body.cell(0, column.number)):
        return True
    heading, _, unit = body.heading(column.number)
    name = units.bare(heading)
    words = name.split() if leading else [name]  # "elapsed time", but not "the rise time"
    if not _TIMES.isdisjoint(words) or (leading and units.seconds(unit) is not None):
        return True
    return leading and (name in _COUNTERS or unit.lower() == "sequence") and _rises(body, column)


def _rises(body: _Body, column: Column) -> bool:
    try:
        values = body.numbers(column.number)
    except ValueError:
        return False
    return len(values) > 1 and bool((np.diff(values) > 0).all())


def _steps_by(body: _Body, column: Column, step_s: float) -> bool:
    if not _rises(body, column):
        return False
    steps = np.diff(body.numbers(column.number))
    return bool((np.abs(steps / step_s - 1) < _UNEVEN).all())


def _evenly(
    body: _Body, clock: Column, samples: Samples, reading: Reading
) -> tuple[Samples, float | None]:
    """Returns samples at even times, and how many a second."""
    name = body.lines.name
    times = body.times(clock)
    rate_hz, between = reading.get("resample_hz"), reading.get("between")
    if rate_hz is None and between is not None:
        raise ValueError("between needs resample_hz")
    if rate_hz is None:
        return samples, _rate(body, clock, times)
    if not 0 < rate_hz < np.inf:
        raise ValueError(f"resample_hz must be a number of hertz above 0, got {rate_hz}")
    if between not in ("hold", "linear"):
        raise ValueError(f"between must be hold or linear, got {between!r}")
    if (np.diff(times) < 0).any():
        row = int(np.argmax(np.diff(times) < 0)) + 1
        where = place(body.lines, body.header.first + row, clock.number, clock.name)
        raise ValueError(f"{where}: the time goes back; pass time=False to ignore it")
    count = (times[-1] - times[0]) * rate_hz
    if count >= _MOST:
        raise ValueError(
            f"{name} would have {count:.3g} samples at {rate_hz:g} Hz; at most {_MOST}"
        )
    grid = times[0] + np.arange(int(count + 1e-6) + 1) / rate_hz
    if between == "linear":
        columns = [np.interp(grid, times, samples[:, n]) for n in range(samples.shape[1])]
        return np.column_stack(columns), float(rate_hz)
    rows = np.searchsorted(times, grid + 1e-6 / rate_hz, side="right") - 1
    return samples[rows], float(rate_hz)


def _rate(body: _Body, clock: Column, times: Samples) -> float | None:
    if len(times) < 2:
        return body.header.rate_hz
    step = (times[-1] - times[0]) / (len(times) - 1)
    if step > 0:
        ideal = times[0] + np.arange(len(times)) * step
        worst = np.abs(times - ideal).max()
        if worst <= _UNEVEN * step:
            return float(1 / step)
        rounding, said = body.rounding_s(clock), body.header.rate_hz
        if said and np.abs(times - times[0] - np.arange(len(times)) / said).max() <= rounding:
            return said
        if worst <= rounding <= _ROUNDED * step:
            return float(1 / step)
    steps = np.diff(times)
    raise ValueError(
        f"{body.lines.name}: the times in column {clock} are not even: the steps are from "
        f"{steps.min():.4g} s to {steps.max():.4g} s; pass resample_hz= and between='hold' (logic) "
        "or 'linear' to hwsim.signals.read(), or time=False to ignore them"
    )
