"""The file beside a recording that says what its samples are: ``NAME.json`` beside ``NAME``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, get_args

from hwsim import _kinds

FORMAT = "hwsim recording"
VERSION = 1
GAPS_KEPT = 10_000  # a recording that never keeps up would have millions
LARGEST = 2**24  # bytes that are read; more than 10,000 gaps need


class Gap(NamedTuple):
    """A place where samples are missing.

    Attributes:
        row: The row of the file before which they are missing.
        lost: How many samples of each channel.
    """

    row: int
    lost: int


class Resumption(NamedTuple):
    """A place where the recording had ended and was continued.

    Attributes:
        row: The first row of the continuation.
        start: When that sample was taken, by the computer's clock, as in :class:`Sidecar`.
        start_s: The same in seconds of the clock of the device as it was opened then.
    """

    row: int
    start: str
    start_s: float


@dataclass
class Sidecar:
    """What is known of a recording besides its samples; a key of the JSON file each.

    Attributes:
        device: Name of the device.
        start: When the first sample was taken, by the computer's clock: a time in UTC as ISO 8601
            writes it.
        start_s: The same in seconds of the device's clock, which may be a simulated one.
        rate_hz: Samples a second of each channel.
        channels: The channels, in the order of the columns.
        full_scale_volts: Of each channel: the volts of code 32768 of int16 samples.
        dtype: ``"int16"`` codes, or ``"float32"`` or ``"float64"`` volts.
        first_index: Index of the first sample in its stream.
        samples: Samples of each channel in the file.
        lost: Samples of each channel that are missing from it.
        gap_count: At how many places samples are missing.
        gaps: The first 10,000 of these places.
        resumed: Where the file was continued by another recording.
        complete: False while it is being recorded, and from then on if the process is killed;
            then the file may have more samples than are counted here.
    """

    device: str
    start: str
    start_s: float
    rate_hz: float
    channels: list[int]
    full_scale_volts: list[float]
    dtype: _kinds.Format
    first_index: int = 0
    samples: int = 0
    lost: int = 0
    gap_count: int = 0
    gaps: list[Gap] = field(default_factory=list, repr=False)
    resumed: list[Resumption] = field(default_factory=list)
    complete: bool = False

    def add(self, samples: int, lost: int) -> None:
        """Counts rows of the file, and samples missing right before them."""
        if lost:
            self.lost += lost
            self.gap_count += 1
            if len(self.gaps) < GAPS_KEPT:
                self.gaps.append(Gap(self.samples, lost))
        self.samples += samples

    @property
    def next_index(self) -> int:
        """Index of the sample that would come next."""
        return self.first_index + self.samples + self.lost

    def time_s(self, row: int) -> float:
        """Returns when the sample in a row was taken, in seconds since the first one.

        In a file that was continued, the time between two recordings is that of the computer's
        clock.
        """
        first, seconds = 0, 0.0
        for each in self.resumed:
            if each.row <= row:
                begin = datetime.fromisoformat(self.start)
                first = each.row
                seconds = (datetime.fromisoformat(each.start) - begin).total_seconds()
        missing = sum(gap.lost for gap in self.gaps if first < gap.row <= row)
        return seconds + (row - first + missing) / self.rate_hz

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the file beside the recording at ``path``.

        At any moment it is a whole one, unless the process is killed while the disk is full.

        Raises:
            OSError: It cannot be written.
        """
        everything = {"format": FORMAT, "version": VERSION, **vars(self)}
        everything["gaps"] = [gap._asdict() for gap in self.gaps]
        everything["resumed"] = [each._asdict() for each in self.resumed]
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in everything.items()]
        text = ("{\n " + ",\n ".join(lines) + "\n}\n").encode()
        target = path_beside(path)
        temporary = f"{target}.new"
        try:
            with open(temporary, "wb") as file:
                file.write(text)
            os.replace(temporary, target)
        except OSError as error:
            with suppress(OSError):
                os.unlink(temporary)
            try:  # a disk that is full has room for it in its own place
                with open(target, "r+b") as file:
                    file.write(text)
                    file.truncate()
            except OSError:
                raise OSError(error.errno, error.strerror, target) from None


def path_beside(path: str | os.PathLike[str]) -> str:
    """Returns the name of the file beside a recording."""
    return f"{os.fspath(path)}.json"


def read(path: str | os.PathLike[str]) -> Sidecar | None:
    """Returns what is known of the recording at ``path``; None: there is no such file beside it.

    Raises:
        ValueError: It cannot be understood; the error says where.
        OSError: It cannot be read.
    """
    name = path_beside(path)
    try:
        with open(name, "rb") as file:
            raw = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return None  # somebody else's
    if found.get("version") != VERSION:
        raise ValueError(f"{name}: version {found.get('version')!r} is not known, only {VERSION}")
    for key, (what, good) in _RULES.items():
        if not good(found.get(key)):
            raise ValueError(f"{name}: {key} must be {what}, got {found.get(key)!r:.200}")
    values: dict[str, Any] = {key: found[key] for key in _RULES}
    values["gaps"] = [Gap(**_only(Gap, gap)) for gap in found["gaps"]]
    values["resumed"] = [Resumption(**_only(Resumption, each)) for each in found["resumed"]]
    sidecar = Sidecar(**values)
    if len(sidecar.full_scale_volts) != len(sidecar.channels):
        raise ValueError(
            f"{name}: full_scale_volts must have a number for each of the "
            f"{len(sidecar.channels)} channels, got {len(sidecar.full_scale_volts)}"
        )
    return sidecar


# ------------------------------------------------------------------------------------------ checks


def _only(cls: Any, found: dict[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in cls._fields}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**64


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_list(value: Any, good: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(good(item) for item in value)


def _is_gap(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_count(value.get(key)) for key in Gap._fields)


def _is_resumption(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_count(value.get("row"))
        and _is_time(value.get("start"))
        and _is_number(value.get("start_s"))
    )


_COUNT = ("a number from 0", _is_count)
_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "device": ("a name", lambda value: isinstance(value, str)),
    "start": ("a time with its zone, as in ISO 8601", _is_time),
    "start_s": ("a number of seconds", _is_number),
    "rate_hz": ("a number above 0", lambda value: _is_number(value) and value > 0),
    "channels": ("a list of numbers", lambda value: _is_list(value, _is_count) and bool(value)),
    "full_scale_volts": (
        "a list of numbers above 0",
        lambda value: _is_list(value, lambda item: _is_number(item) and item > 0),
    ),
    "dtype": (f"one of {', '.join(get_args(_kinds.Format))}", get_args(_kinds.Format).__contains__),
    "first_index": _COUNT,
    "samples": _COUNT,
    "lost": _COUNT,
    "gap_count": _COUNT,
    "gaps": ("a list of objects with row and lost", lambda value: _is_list(value, _is_gap)),
    "resumed": (
        "a list of objects with row, start and start_s",
        lambda value: _is_list(value, _is_resumption),
    ),
    "complete": ("true or false", lambda value: isinstance(value, bool)),
}
