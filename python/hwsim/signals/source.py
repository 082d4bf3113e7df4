"""Reading samples: which reader a file needs, and what the file beside a recording adds."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_type_hints

import numpy as np
import numpy.typing as npt

from hwsim.signals.table import Column, Reading, Samples, Table, Wanted, of_array, of_columns

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".wav", ".csv", ".npy")
_OPTIONS = {".csv": {*get_type_hints(Reading)} - {"channel_axis"}, ".npy": {"channel_axis"}}
_Which = Wanted | Literal["all"]
Source = npt.ArrayLike | str | os.PathLike[str] | Table


def read(source: Source, **reading: Unpack[Reading]) -> Table:
    """Reads all signals of a file or an array, with the rate if the file says one.

    Nothing is guessed: what can be meant in two ways is refused, and the error says which of the
    arguments decides.

    Args:
        source: An array, one-dimensional or of shape ``(samples, channels)``, or the path of a
            ``.wav``, ``.csv`` or ``.npy`` file. With a sidecar beside it a recording is in volts;
            full scale of any other WAV file is 1.0.
        **reading: What the source does not say itself; see :class:`Reading`.

    Raises:
        OSError: The file cannot be read, such as FileNotFoundError.
        ValueError: It is another kind of file, or does not hold samples, or not clearly; the error
            has the file's name, and the line and column in a CSV file.
        TypeError: There is no such argument.

    **Thread safety:** may be called from any thread; holds the GIL.
    """
    return table_of(source, "all", reading)


def load(
    source: Source,
    column: Wanted = None,
    **reading: Unpack[Reading],
) -> Samples:
    """Returns one signal of a file or an array as a contiguous array of float64.

    Args:
        source: Same as in :func:`read`.
        column: Number of the column, from 0 (the time has a number too), or its heading; None: the
            first that is not the time. Other columns may hold anything.
        **reading: Same as in :func:`read`.

    Raises:
        OSError: Same as in :func:`read`.
        ValueError: Same as in :func:`read`; there is no such column, or it is the time.
        TypeError: There is no such argument.
    """
    return table_of(source, column, reading).samples[:, 0]


def table_of(source: Any, wanted: _Which, reading: Reading) -> Table:
    """Returns the signals of a source that are wanted, with their rate; see :func:`load`."""
    if unknown := {*reading} - {*get_type_hints(Reading)}:
        names = ", ".join(get_type_hints(Reading))
        raise TypeError(f"there is no argument {min(unknown)}, only column, {names}")
    if isinstance(source, Table):
        if reading:
            raise ValueError(f"{min(reading)} comes too late: {source.name} has been read")
        return source if wanted == "all" else _one(source, wanted)
    if not isinstance(source, (str, os.PathLike)):
        _refuse_others("the array", ".npy", reading)
        return of_array("the array", source, wanted, reading)
    # Imported here: pathlib is the slowest import that the package would need besides NumPy.
    from pathlib import Path  # noqa: PLC0415

    path = Path(source)
    with suppress(RuntimeError):  # ~ without a home
        path = path.expanduser()
    try:
        return _file(path, wanted, reading)
    except MemoryError:
        raise ValueError(f"{path} needs more memory than there is") from None


def _one(table: Table, wanted: Wanted) -> Table:
    columns = [Column(*each) for each in zip(table.numbers, table.columns, strict=True)]
    return of_columns(table.name, table.samples, columns, wanted, table.rate_hz)


def _file(path: Path, wanted: _Which, reading: Reading) -> Table:
    suffix, name = path.suffix.lower(), str(path)
    if suffix in (".csv", ".txt", ".tsv", ".dat"):
        from hwsim.signals import csv  # noqa: PLC0415

        _refuse_others(name, ".csv", reading)
        return _described(path, csv.read(path, wanted, reading))
    if suffix in (".npy", ".npz"):
        from hwsim.signals import npy  # noqa: PLC0415

        _refuse_others(name, ".npy", reading)
        from hwsim import sidecar  # noqa: PLC0415

        data = npy.read(path)
        if data.ndim == 2 and sidecar.read(path):
            reading = {"channel_axis": 1, **reading}
        codes = 32768.0 if data.dtype == np.int16 else None
        return _described(path, of_array(name, data, wanted, reading), codes)
    if suffix in (".wav", ".wave"):
        from hwsim.signals import wav  # noqa: PLC0415

        _refuse_others(name, ".wav", reading)
        data, rate_hz = wav.read(path)
        columns = [Column(number) for number in range(data.shape[1])]
        return _described(path, of_columns(name, data, columns, wanted, rate_hz), 1.0)
    raise ValueError(
        f"a signal file must be one of {', '.join(SUFFIXES)}, got {name!r}; "
        "pass an array, or convert it"
    )


def _refuse_others(name: str, kind: str, reading: Reading) -> None:
    for option in reading:
        if option not in _OPTIONS.get(kind, ()):
            raise ValueError(f"{option} says nothing about {name}")


def _described(path: Path, table: Table, full_scale: float | None = None) -> Table:
    """Adds what the file beside a recording says: its rate, its channels, and its full scale.

    ``full_scale`` is what the int16 code 32768 has become in the table; None: it has no codes.
    """
    from hwsim import sidecar  # noqa: PLC0415

    about = sidecar.read(path)
    if about is None:
        return table
    beside = sidecar.path_beside(path)
    if max(table.numbers) >= len(about.channels) or (about.dtype == "int16") != bool(full_scale):
        raise ValueError(
            f"{beside} describes {len(about.channels)} channels of {about.dtype}, which {path} "
            f"does not hold; remove it if it belongs to another recording"
        )
    if about.gap_count:
        warnings.warn(
            f"{path}: {about.lost:,} samples are missing at {about.gap_count:,} "
            f"place{'s' if about.gap_count > 1 else ''}; what follows a gap is played right after "
            f"what comes before it",
            stacklevel=5,
        )
    samples = table.samples
    if full_scale:
        volts = [about.full_scale_volts[number] for number in table.numbers]
        samples = samples * (np.array(volts) / full_scale)
    names = tuple(
        name or f"channel {about.channels[number]}"
        for name, number in zip(table.columns, table.numbers, strict=True)
    )
    return Table(table.name, samples, names, table.numbers, float(about.rate_hz))
