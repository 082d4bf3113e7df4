"""What every reader of samples returns: a table, and how one of its columns is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from hwsim.arguments import integer

Samples = npt.NDArray[np.float64]
Wanted = int | str | None


class Reading(TypedDict, total=False):
    """What a file or an array does not say itself.

    Attributes:
        delimiter: Between the cells of a CSV file: one character; a space: any white space.
        decimal: The decimal mark of a CSV file, ``"."`` or ``","``.
        encoding: Of a CSV file without a byte order mark; default ``"utf-8"``.
        skip: How many lines of a CSV file come before the numbers.
        time: Number or name of the column of a CSV file that is the time; False: none is.
        resample_hz: Samples a second that are made of samples with uneven times.
        between: What the signal does between two of these: ``"hold"`` (logic) or ``"linear"``.
        channel_axis: Which axis of a two-dimensional array counts the channels, 0 or 1.
    """

    delimiter: str
    decimal: Literal[".", ","]
    encoding: str
    skip: int
    time: int | str | Literal[False]
    resample_hz: float
    between: Literal["hold", "linear"]
    channel_axis: Literal[0, 1]


@dataclass(frozen=True)
class Column:
    """A column of a file: its number from 0, its name (empty: none), and whether it is the time."""

    number: int
    name: str = ""
    is_time: bool = False

    def __str__(self) -> str:
        return f"{self.number} ({self.name!r})" if self.name else str(self.number)

    def is_called(self, name: str) -> bool:
        """Whether that is its name, with or without the unit."""
        bare = self.name.split("(")[0].split("[")[0].split(" in ")[0]
        return name.strip().lower() in (self.name.strip().lower(), bare.strip().lower())


@dataclass(frozen=True, eq=False)
class Table:
    """Samples as :func:`read` found them; :meth:`hwsim.Device.set_signal` plays a column.

    Attributes:
        name: Of the file; ``"the array"`` for an array.
        samples: In volts, shape ``(samples, columns)``.
        columns: The names of the columns; empty strings where there are none.
        numbers: The number of each column in the file, from 0; the time has one too.
        rate_hz: Samples a second, if the file says so.
    """

    name: str
    samples: Samples
    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    rate_hz: float | None = None

    def column(self, column: Wanted = None) -> Samples:
        """Returns the samples of a column, contiguous.

        Args:
            column: Its number in the file, or its name; None: the first.

        Raises:
            ValueError: There is no such column.
        """
        named = [Column(*each) for each in zip(self.numbers, self.columns, strict=True)]
        chosen = choose(self.name, named, column)
        return np.ascontiguousarray(self.samples[:, named.index(chosen)])


def choose(name: str, columns: Sequence[Column], wanted: Wanted) -> Column:
    """Returns the column of a file that is wanted; None: the first that is not the time.

    Raises:
        ValueError: There is no such column, more than one, or it is the time.
        TypeError: It is neither a number nor a name.
    """
    signals = [column for column in columns if not column.is_time]
    there = ", ".join(map(str, signals)) or "none"
    if wanted is None:
        found = signals[:1]
    elif isinstance(wanted, str):
        found = [column for column in columns if column.name.strip() == wanted.strip()]
        found = found or [column for column in columns if column.is_called(wanted)]
    else:
        number = integer("column", wanted, -math.inf, math.inf)
        found = [column for column in columns if column.number == number]
        highest = max((column.number for column in columns), default=-1)
        if not found and len(columns) == highest + 1:
            raise ValueError(f"column must be from 0 to {highest} for {name}, got {wanted}")
    if len(found) != 1:
        what = "no column" if not found else "more than one column"
        raise ValueError(f"{name} has {what} {wanted!r}; its columns are {there}")
    if found[0].is_time:
        raise ValueError(
            f"column {found[0]} of {name} is the time; the signals are {there} "
            f"(hwsim.signals.read(..., time=False) takes it as a signal)"
        )
    return found[0]


def of_array(name: str, data: Any, wanted: Wanted | Literal["all"], reading: Reading) -> Table:
    """Makes a table of what NumPy takes as an array.

    Raises:
        ValueError: It does not hold samples, or not clearly.
    """
    if np.ma.isMaskedArray(data) and (masked := int(np.ma.getmaskarray(data).sum())):
        raise ValueError(
            f"{name} has {masked:,} masked values; pass .filled(VALUE) or .compressed() of it"
        )
    try:
        array = np.asarray(data)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} must hold real numbers: {error}") from None
    if array.dtype.names:
        names = ", ".join(map(repr, array.dtype.names))
        raise ValueError(f"{name} has the fields {names}; pass an array of one of them")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} must have one or two dimensions, got shape {array.shape}")
    axis = reading.get("channel_axis")
    if axis is None and array.ndim == 2 and 0 < array.shape[0] < array.shape[1]:
        raise ValueError(
            f"{name} has the shape {array.shape}: {array.shape[0]} samples of {array.shape[1]} "
            f"channels, or the reverse? hwsim.signals.read(..., channel_axis=0) takes its rows as "
            f"channels, channel_axis=1 its columns"
        )
    if axis not in (None, 0, 1):
        raise ValueError(f"channel_axis must be 0 or 1, got {axis!r}")
    columns = array.reshape(-1, 1) if array.ndim == 1 else array.T if axis == 0 else array
    return of_columns(name, columns, [Column(number) for number in range(columns.shape[1])], wanted)


def of_columns(
    name: str,
    array: npt.NDArray[Any],
    columns: Sequence[Column],
    wanted: Wanted | Literal["all"],
    rate_hz: float | None = None,
) -> Table:
    """Makes a table of the columns that are wanted, and checks their samples."""
    chosen = list(columns) if wanted == "all" else [choose(name, columns, wanted)]
    places = [list(columns).index(column) for column in chosen]
    with np.errstate(over="ignore"):
        samples = np.ascontiguousarray(array[:, places], dtype=np.float64)
    if not np.isfinite(samples).all():
        row, place = np.argwhere(~np.isfinite(samples))[0]
        raise ValueError(
            f"{name} must hold finite numbers, got {samples[row, place]} at index {row}"
            + (f" of column {chosen[place]}" if len(columns) > 1 else "")
        )
    names, numbers = zip(*((each.name, each.number) for each in chosen), strict=True)
    return Table(name, samples, names, numbers, rate_hz)
