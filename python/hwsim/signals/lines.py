"""The lines of a CSV file, and how they fall into cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hwsim.signals.table import Reading

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_WHITE = re.compile(r"[ \t]+")  # and no other: a narrow space separates thousands
_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_PERHAPS_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


@dataclass
class Lines:
    """The lines that hold cells.

    Attributes:
        name: Of the file.
        texts: The lines.
        numbers: The number of each in the file, from 1.
        comments: The first of the other lines, without their mark.
        delimiter: Between the cells; a space: any white space; empty: each line is one cell.
        decimal: The decimal mark.
    """

    name: str
    texts: list[str]
    numbers: list[int]
    comments: list[str] = field(default_factory=list)
    delimiter: str = ","
    decimal: str = "."

    def cells(self, index: int) -> list[str]:
        """Returns the cells of a line, without white space around them."""
        text = self.texts[index]
        if self.delimiter == " ":
            return [cell for cell in _WHITE.split(text) if cell]
        if not self.delimiter:
            return [text.strip().strip('"').strip()]
        if '"' not in text:
            return [cell.strip() for cell in text.split(self.delimiter)]
        row = next(csv.reader([text], delimiter=self.delimiter, skipinitialspace=True))
        return [cell.strip() for cell in row]

    def number(self, cell: str) -> float | None:
        """Returns the number in a cell, or None."""
        if self.decimal == ",":
            cell = "" if "." in cell else cell.replace(",", ".")
        return float(cell) if NUMBER.fullmatch(cell) else None


def read(path: Path, reading: Reading) -> Lines:
    """Returns the lines of a file, and how their cells are separated.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no text, or can be taken apart in two ways.
    """
    name = str(path)
    text = _decode(name, path.read_bytes(), reading.get("encoding"))
    everything = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = [(n, text) for n, text in enumerate(everything, start=1) if text.strip(" \t\x1a")]
    marks = "#%"
    if reading.get("delimiter") != ";" and not any(
        ";" in line and not line.lstrip().startswith((";", "#", "%")) for _, line in kept
    ):
        marks = "#%;"
    comments = [text for _, text in kept if text.lstrip(' "').startswith(tuple(marks))]
    kept = [(n, text) for n, text in kept if not text.lstrip(' "').startswith(tuple(marks))]
    lines = Lines(
        name,
        [text for _, text in kept],
        [number for number, _ in kept],
        [comment.lstrip(' "' + marks).strip() for comment in comments[:100]],
    )
    lines.delimiter = _delimiter(lines, reading)
    lines.decimal = _decimal(lines, reading)
    return lines


def place(lines: Lines, index: int, number: int, heading: str = "") -> str:
    """Says where a cell is: in the file, and as a column."""
    column = f"column={number}" + (f", {heading!r}" if heading else "")
    return f"{lines.name}, line {lines.numbers[index]}, column {number + 1} ({column})"


def _decode(name: str, raw: bytes, encoding: str | None) -> str:
    mark = next((mark for mark in _BOMS if raw.startswith(mark)), None)
    used = _BOMS[mark] if mark else encoding or "utf-8"
    try:
        text = raw.decode(used)
    except LookupError:
        raise ValueError(f"encoding must be one that Python knows, got {encoding!r}") from None
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = raw.count(b"\n", 0, start) + 1
        raise ValueError(
            f"{name}, line {line}: is not {used} text; pass encoding=, such as 'cp1252' for files "
            "of older Windows programs, if it is text at all"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(
            f"{name}, line {line}: is not text, or UTF-16 without a byte order mark: then pass "
            "encoding='utf-16-le'"
        )
    return text


def _delimiter(lines: Lines, reading: Reading) -> str:
    told = reading.get("delimiter")
    if told is not None:
        if not isinstance(told, str) or len(told) != 1 or told.isalnum() or told in '.+-"\n\r':
            raise ValueError(f"delimiter must be one character such as ',' or ';', got {told!r}")
        if told == reading.get("decimal"):
            raise ValueError(f"delimiter and decimal must differ, got {told!r} for both")
        return told
    body = lines.texts[-100:]  # what comes before the numbers may hold anything
    marks = ";\t" if reading.get("decimal") == "," else ";\t,"
    for mark in marks:
        if any(mark in line for line in body):
            return mark
    return " " if body and len(_WHITE.split(body[-1].strip())) > 1 else ""


def _decimal(lines: Lines, reading: Reading) -> str:
    told = reading.get("decimal")
    if told is not None:
        if told not in (".", ","):
            raise ValueError(f"decimal must be '.' or ',', got {told!r}")
        return told
    if lines.delimiter in (",", ""):
        return "."
    doubtful = None
    for index, text in enumerate(lines.texts):
        if "," not in text:
            continue
        for cell in lines.cells(index):
            if not _COMMA.fullmatch(cell):
                continue
            if not _PERHAPS_THOUSANDS.fullmatch(cell):
                return ","
            doubtful = doubtful or (index, cell)
    if doubtful:
        index, cell = doubtful
        raise ValueError(
            f"{lines.name}, line {lines.numbers[index]}: {cell!r} is either "
            f"{cell.replace(',', '.')} or {cell.replace(',', '')}; pass decimal=',' to "
            "hwsim.signals.read() for the first, or remove the thousands separators"
        )
    return "."


_PAIRS = re.compile(r"\s*[+-]?\d+\s*,\s*\d+\s*(,\s*[+-]?\d+\s*,\s*\d+\s*)*")
_THOUSANDS = re.compile(r"\s*[+-]?\d{1,3}([, ])\d{3}(\1\d{3})*([.,]\d*)?\s*")


def check_delimiter(lines: Lines, texts: Sequence[str], index: int) -> None:
    """Refuses rows without headings whose commas or spaces can be something else."""
    mark = {",": "commas", " ": "spaces"}[lines.delimiter]
    for pattern, what, advice in (
        (_THOUSANDS, "thousands separators", "remove these"),
        (_PAIRS, "decimal marks", "decimal=','"),
    ):
        if all(pattern.fullmatch(text) for text in texts):
            raise ValueError(
                f"{lines.name}, line {lines.numbers[index]}: the {mark} in {texts[0].strip():.40} "
                f"are either delimiters or {what}; pass delimiter={lines.delimiter!r} to "
                f"hwsim.signals.read() for the first, {advice} for the second"
            )
