"""Figures as files, by matplotlib: an optional dependency, imported when a figure is wanted."""

from __future__ import annotations

import errno
import importlib
import os
from typing import Any

import numpy as np
import numpy.typing as npt


def new_figure(
    path: str | os.PathLike[str], width: float, height: float, *, overwrite: bool
) -> Any:
    """Returns an empty figure, in inches, that has been saved once.

    If the file cannot be written, then now, and not after the measurement.

    Raises:
        ValueError: matplotlib is not installed, or the suffix is none it knows.
        OSError: The file cannot be written; FileExistsError: it is there already.
    """
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(
            errno.EEXIST, "there is one already; draw to another file, or --overwrite it", str(path)
        )
    try:
        module = importlib.import_module("matplotlib.figure")
    except ImportError:
        raise ValueError(
            "a plot needs matplotlib, which is not installed: pip install 'hwsim[plot]'"
        ) from None
    figure = module.Figure(figsize=(width, height), layout="constrained")
    figure.savefig(path)
    return figure


class Envelope:
    """The least and the greatest value in each of up to 4096 equal stretches of the stream."""

    def __init__(self, channels: int, stretches: int = 4096) -> None:
        self.length = 1  # of a stretch, in samples; doubled when the recording outgrows them
        self.lowest = np.full((stretches, channels), np.inf)
        self.highest = -self.lowest

    def add(self, first_index: int, volts: npt.NDArray[np.float64]) -> None:
        """Adds samples; a gap before them stays empty."""
        while first_index + len(volts) > self.length * len(self.lowest):
            self._double()
        stretch = (first_index + np.arange(len(volts))) // self.length
        starts = np.flatnonzero(np.diff(stretch, prepend=-1))
        at = stretch[starts]
        self.lowest[at] = np.minimum(self.lowest[at], np.minimum.reduceat(volts, starts))
        self.highest[at] = np.maximum(self.highest[at], np.maximum.reduceat(volts, starts))

    def _double(self) -> None:
        self.length *= 2
        for values, join in ((self.lowest, np.minimum), (self.highest, np.maximum)):
            half = len(values) // 2
            values[:half] = join(values[::2], values[1::2])
            values[half:] = np.inf if join is np.minimum else -np.inf
