"""Where the numbers of a CSV file begin, and what the lines above them say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from hwsim.arguments import UINT32_MAX, integer
from hwsim.signals import units
from hwsim.signals.lines import Lines, check_delimiter, place
from hwsim.signals.table import Reading

TIME_OF_DAY = re.compile(
    r"(\d{4}[-/]\d\d?[-/]\d\d?([T ]\d\d?:\d\d(:\d\d([.,]\d*)?)?(Z|[+-]\d\d:?\d\d)?)?"
    r"|\d\d?:\d\d:\d\d([.,]\d*)?)"
)
# What instruments and programs write where there is no reading.
_WORDS = """
ol -ol +ol o.l o.l. 0l 0.l ovld overload over ovfl overflow overrange nan -nan inf +inf -inf
infinity ∞ +∞ -∞ null none n/a na #n/a #n/v #value! err error open invalid - -- --- ---- ? * ***
"""
_NO_READING = set(_WORDS.split())
_INTERVALS = {"sampleinterval", "samplinginterval", "samplingperiod", "sampleperiod", "increment"}
_INTERVALS |= {"xinc", "xincr", "xincrement", "tinc", "dt", "deltat", "timeinterval"}
_RATES = {"samplerate", "samplingrate", "samplefrequency", "samplingfrequency", "fs"}
_LIKE_NUMBER = re.compile(r"[+\-\u2212\u2013]?[.,]?\d")
_OWN = re.compile(r".*, (\S+) Hz")


@dataclass
class Header:
    """What is known of the columns.

    Attributes:
        first: Index of the first line with samples.
        left: How many cells at the left of each such line are not samples.
        width: How many cells such a line has, empty ones at its end not counted.
        names: The headings, or nothing.
        units: The units below them, or nothing.
        rate_hz: Samples a second, if a line says so.
    """

    first: int
    left: int
    width: int
    names: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    rate_hz: float | None = None


def find(lines: Lines, reading: Reading) -> Header:
    """Finds the first line with samples, and what is above it.

    Raises:
        ValueError: There is none, or a line above is neither headings nor numbers.
    """
    first = _first(lines, reading)
    cells = lines.cells(first)
    left = next((n for n, cell in enumerate(cells) if cell), 0)
    while left and first and _begins(lines, lines.cells(first - 1)[left:]):
        first -= 1  # a line that has something else to the left of its samples
    body = range(first, min(first + 100, len(lines.texts)))
    header = Header(first, left, max(len(_trimmed(lines.cells(index))) for index in body))
    _check_above(lines, header, reading)
    _name(lines, header)
    if lines.delimiter in (",", " ") and not header.names and "delimiter" not in reading:
        check_delimiter(lines, lines.texts[first:], first)
    header.rate_hz = _rate(lines, header)
    return header


def _trimmed(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def _begins(lines: Lines, cells: list[str]) -> bool:
    """Whether these are the cells of a line with samples: the first one is a number or a time."""
    cell = next(filter(None, cells), "")
    return lines.number(cell) is not None or TIME_OF_DAY.fullmatch(cell) is not None


def _first(lines: Lines, reading: Reading) -> int:
    if "skip" in reading:
        skip = integer("skip", reading["skip"], 0, UINT32_MAX)
        found = (index for index, number in enumerate(lines.numbers) if number > skip)
    else:
        found = (index for index in range(len(lines.texts)) if _begins(lines, lines.cells(index)))
    first = next(found, None)
    if first is None:
        end = (
            ""
            if not lines.texts
            else (f": its last line, {lines.numbers[-1]}, is {lines.texts[-1].strip():.40}")
        )
        raise ValueError(f"{lines.name} holds no numbers{end}")
    return first


def _check_above(lines: Lines, header: Header, reading: Reading) -> None:
    """Refuses what only looks like headings: a reading of an instrument that is no number."""
    if "skip" in reading:
        return
    for index in range(header.first):
        cells = _trimmed(lines.cells(index))
        bad = [cell for cell in cells if cell.lower() in _NO_READING or _LIKE_NUMBER.match(cell)]
        if len(cells) == header.width and bad and len(bad) == len([*filter(None, cells)]):
            raise ValueError(
                f"{place(lines, index, cells.index(bad[0]))}: {bad[0]!r} is not a number; pass "
                f"skip={lines.numbers[index]} to hwsim.signals.read() if the numbers begin below"
            )


def _name(lines: Lines, header: Header) -> None:
    above = header.first - 1
    if header.left or above < 0:
        return
    row = lines.cells(above)
    cells = row[: header.width]
    if any(cells) and all(not cell or units.is_unit(cell) for cell in cells):
        header.units = cells
        header.names = _trimmed(lines.cells(above - 1)) if above else cells
    elif all(lines.number(cell) is None for cell in cells) and any(cells):
        header.names = _trimmed(row)
    if header.names and len(header.names) < header.width:
        commas = "; if its commas are decimal marks, pass decimal=','" * (lines.delimiter == ",")
        raise ValueError(
            f"{lines.name}, line {lines.numbers[header.first]}: has {header.width} cells below "
            f"{len(header.names)} headings{commas}"
        )


def _rate(lines: Lines, header: Header) -> float | None:
    """Looks for a sample interval or rate above the samples, or to the left of them."""
    facts: list[tuple[str, str]] = list(zip(header.names, header.units, strict=False))
    if header.units:
        below = lines.cells(header.first - 1)
        facts = list(zip(header.names, below, strict=False))[header.width :]
    tops = list(range(header.first - bool(header.units)))
    sides = range(header.first, len(lines.texts)) if header.left else ()
    rows = [lines.cells(index) for index in tops]
    for index in sides:
        if not any(row := lines.cells(index)[: header.left]):
            break
        rows.append(row)
    for row in [*rows, *([comment] for comment in lines.comments)]:
        facts += pairwise(row)
        facts += [(key, value) for cell in row for key, _, value in _split(cell)]
    for key, text in facts:
        name = re.sub(r"[^a-z]", "", units.split(key.rstrip(": "))[0].lower())
        value = text.replace(",", ".") if lines.decimal == "," else text
        if name in _INTERVALS and (interval := units.quantity(value, units.SECONDS)):
            return 1 / interval if interval > 0 else None
        if name in _RATES and (rate := units.quantity(value, units.HERTZ)):
            return rate if rate > 0 else None
    for comment in lines.comments:
        found = _OWN.fullmatch(comment)
        if found and (rate := units.quantity(found[1], units.HERTZ)):
            return rate if rate > 0 else None
    return None


def _split(cell: str) -> list[tuple[str, str, str]]:
    return [cell.partition(mark) for mark in ":=" if mark in cell]
