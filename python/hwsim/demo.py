"""The demo: many devices, one thread each, with the GIL released and with the GIL held.

The same reads are done three times: by one device alone, by all at once with the GIL released while
their threads wait, and by all at once with the GIL held. Meanwhile the main thread does what a user
interface does: it waits for a moment, draws, and waits again; how late it comes back is measured.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

import numpy as np
from rich import box
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from hwsim import gil, signals
from hwsim.cancel import CancelToken
from hwsim.device import Device

BEAT_S = 0.01  # how long the main thread asks to wait, again and again
REDRAW_S = 0.1
DURATION_S = 12.0  # of the whole demo, unless the number of reads is given
MOST_READS = 1000  # unless given
HIGHEST_RANGE_V = 1000.0  # of a converter; see hwsim_config
LOWEST_RANGE_V = 0.001
STEPS = 32768  # of a converter, to each side


@dataclass
class Run:
    """The reads done once, and what was measured.

    Attributes:
        title: What is compared.
        policy: The policy for the GIL.
        values: In volts, a list for each device; they grow while the threads read.
        finished: Whether all is read.
        wall_s: Time from the start to the end of the last read.
        late_s: The longest time that the main thread was kept waiting longer than it asked.
        releases: How often the threads have released the GIL.
    """

    title: str
    policy: gil.Policy
    values: list[list[float]]
    finished: bool = False
    wall_s: float = 0.0
    late_s: float = 0.0
    releases: int = 0


class Recording:
    """Recorded data as the signal of all devices; each starts at another place in it.

    Args:
        path: A WAV, CSV or NPY file.

    Attributes:
        name: Of the file.
        factor: By which the data are multiplied, so that they fit into the widest range of a
            converter; mostly 1.
        range_v: Of the converters: the narrowest into which the data fit.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file holds no signal.
    """

    def __init__(self, path: Path) -> None:
        samples = signals.load(path)
        if not samples.size or not np.isfinite(samples).all():
            raise ValueError(f"{path} must hold finite numbers, and at least one")
        # The highest code is one less than full scale.
        full_scale = float(np.abs(samples).max()) * STEPS / (STEPS - 1)
        self.name = path.name
        self.factor = HIGHEST_RANGE_V / max(full_scale, HIGHEST_RANGE_V)
        self.range_v = max(full_scale * self.factor, LOWEST_RANGE_V)
        self._samples = samples * self.factor

    def part(self, index: int, count: int, length: int) -> signals.Samples:
        """Returns what device ``index`` of ``count`` plays; at the end it starts again."""
        start = index * self._samples.size // count
        return self._samples[np.arange(start, start + length) % self._samples.size]

    def deviation(self, run: Run) -> float:
        """Returns how far the values of a run are from the recording at most, in volts."""
        count = len(run.values)
        return max(
            float(np.abs(self.part(index, count, len(values)) - values).max())
            for index, values in enumerate(run.values)
        )


def demo(
    console: Console,
    *,
    devices: int = 8,
    latency: str = "20ms",
    reads: int | None = None,
    recorded: Path | None = None,
) -> float:
    """Runs the demo and shows it.

    Args:
        console: Where to. Not a terminal: in plain lines.
        devices: How many, from 1.
        latency: Of one read, as in a resource string.
        reads: For each device, from 1; None: as many as make the demo take about 12 s.
        recorded: A WAV, CSV or NPY file to replay; None: a sine.

    Returns:
        How many times as long the reads took with the GIL held as with the GIL released.

    Raises:
        HwsimError: A device failed, or the latency is wrong.
        OSError: The file cannot be read.
        ValueError: The file holds no signal.
    """
    recording = Recording(recorded) if recorded else None
    with ExitStack() as stack:
        bench = [
            stack.enter_context(
                Device(f"hwsim://demo{index}?latency={latency}&timeout=inf&seed={index}")
            )
            for index in range(devices)
        ]
        latency_s = bench[0].latency
        reads = reads or _reads_for(devices, latency_s)
        duration_s = float(f"{reads * latency_s * (devices + 2):.2g}")
        console.print(
            f"Devices: {devices}, each with a thread and {reads} reads of "
            f"{quantity(latency_s, 's')}; takes about {quantity(duration_s, 's')}",
            style="bold",
        )
        runs = [
            Run("one alone", "auto", [[]]),
            Run("GIL released", "auto", [[] for _ in bench]),
            Run("GIL held", "hold", [[] for _ in bench]),
        ]
        animated = console.is_terminal and not console.is_dumb_terminal
        with Live(console=console, auto_refresh=False) if animated else nullcontext() as live:
            display = _Screen(live, runs, reads) if live else _Log(console, reads)
            for run in runs:
                taking_part = bench[: len(run.values)]
                _connect(taking_part, recording, reads)
                _measure(run, taking_part, reads, display)
    return _report(console, runs, devices, recording)


def quantity(value: float, unit: str) -> str:
    """Writes a value with a metric prefix, such as ``20 ms``, as resource strings do."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u")):
        if factor <= abs(value) < float("inf"):
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value / 1e-9:.4g} n{unit}" if value and abs(value) < 1 else f"{value:g} {unit}"


def _reads_for(devices: int, latency_s: float) -> int:
    # Alone and released take as long as one device, held as long as all of them.
    fitting = DURATION_S / (devices + 2) / latency_s if latency_s else MOST_READS
    return max(1, min(MOST_READS, round(fitting)))


def _connect(devices: list[Device], recording: Recording | None, reads: int) -> None:
    """Makes the next read of each device the first sample of its signal."""
    count = len(devices)
    for index, device in enumerate(devices):
        if recording is None:
            device.set_signal(0, frequency=device.rate / 16, phase=index / count)
        else:
            part = recording.part(index, count, reads)
            device.set_signal(0, part, noise=0, range=recording.range_v)


def _measure(run: Run, devices: list[Device], reads: int, display: _Display) -> None:
    """Does the reads of a run, and keeps the main thread's heartbeat meanwhile."""
    start, stop = threading.Event(), CancelToken()

    def read(device: Device, values: list[float]) -> tuple[float, int]:
        start.wait()
        for _ in range(reads):
            values.append(device.read_voltage(0, cancel=stop))
        return time.perf_counter(), gil.releases()

    with (
        _interrupted_by(stop),
        gil.policy(run.policy),
        ThreadPoolExecutor(len(devices)) as pool,
    ):
        try:
            pending = {
                pool.submit(read, device, values)
                for device, values in zip(devices, run.values, strict=True)
            }
            display.show(run)
            started = time.perf_counter()
            start.set()
            while pending:
                asked = time.perf_counter()
                done, pending = wait(pending, timeout=BEAT_S, return_when=FIRST_EXCEPTION)
                run.late_s = max(run.late_s, time.perf_counter() - asked - BEAT_S)
                for ended, releases in (future.result() for future in done):
                    run.wall_s = max(run.wall_s, ended - started)
                    run.releases += releases
                run.finished = not pending
                display.show(run)
        finally:  # a device failed: the threads of the others must not go on
            stop.cancel()
            start.set()


@contextmanager
def _interrupted_by(token: CancelToken) -> Iterator[None]:
    """Makes Ctrl-C cancel a token; the interrupt itself is raised at the end of the block.

    A KeyboardInterrupt inside the locks of an event or a thread pool, which are written in Python,
    can leave one of them locked; the thread that needs it next would wait for ever.
    """
    previous = signal.getsignal(signal.SIGINT)
    if not callable(previous) or threading.current_thread() is not threading.main_thread():
        yield  # Ctrl-C interrupts nothing here
        return
    interrupts: list[tuple[int, FrameType | None]] = []

    def cancel(number: int, frame: FrameType | None) -> None:
        interrupts.append((number, frame))
        token.cancel()

    signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if interrupts:
            previous(*interrupts[0])


def _report(console: Console, runs: list[Run], devices: int, recording: Recording | None) -> float:
    """Shows what was measured; returns the ratio of the wall times, held : released."""
    alone, released, held = runs
    serial_s = alone.wall_s * devices
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("reads of all devices")
    for title in ("wall time", "speed-up", "main thread kept\nwaiting at most", "GIL\nreleased"):
        table.add_column(title, justify="right", vertical="bottom")
    table.add_row("one after another *", f"{serial_s:.2f} s", "1.0", "", "")
    for run in (released, held):
        table.add_row(
            f"at once, {run.title}",
            f"{run.wall_s:.2f} s",
            f"{serial_s / run.wall_s:.1f}",
            f"{run.late_s * 1e3:.1f} ms",
            f"{run.releases} times",
        )
    console.print(table)
    console.print(f"* one device alone took {alone.wall_s:.3f} s, times {devices}")
    if recording is not None:
        deviation = max(recording.deviation(run) for run in runs)
        scale = f" times {recording.factor:.4g}" if recording.factor != 1 else ""
        console.print(
            f"{recording.name}{scale}: measured to within {quantity(deviation, 'V')}; "
            f"a step of the converters is {quantity(recording.range_v / STEPS, 'V')}"
        )
    ratio = held.wall_s / released.wall_s
    console.print(
        f"With the GIL held the reads take {ratio:.1f} times as long as with the GIL released.",
        style="bold",
    )
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        console.print("This Python has no GIL: no thread keeps another from running.")
    elif not released.releases:
        console.print("Waits as short as these do not release the GIL; try a longer --latency.")
    return ratio


class _Display(Protocol):
    def show(self, run: Run) -> None:
        """Shows the progress of the run that goes on; called at each beat of the main thread."""


class _Screen:
    """Draws the runs on a terminal: a row for each device, a bar for each run."""

    def __init__(self, live: Live, runs: list[Run], reads: int) -> None:
        self._live, self._runs, self._reads = live, runs, reads
        self._blocks = "_.-=oO#@" if live.console.options.ascii_only else "▁▂▃▄▅▆▇█"
        self._drawn = 0.0

    def show(self, run: Run) -> None:
        """Draws everything, unless that was done a moment ago."""
        now = time.perf_counter()
        if run.finished or now - self._drawn >= REDRAW_S:
            self._live.update(self._table(run), refresh=True)
            self._drawn = now

    def _table(self, run: Run) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
        table.add_column("device")
        for column in self._runs:
            table.add_column(column.title, ratio=1, min_width=12)
        table.add_column("volts", justify="right", min_width=7)
        table.add_column("last values", width=16)
        for index in range(len(self._runs[-1].values)):
            bars = [
                ProgressBar(self._reads, len(column.values[index]))
                if index < len(column.values)
                else ""
                for column in self._runs
            ]
            values = run.values[index][-16:] if index < len(run.values) else []
            last = f"{values[-1]:+#.4g}" if values else ""
            table.add_row(f"demo{index}", *bars, last, self._sparkline(values))
        return table

    def _sparkline(self, values: list[float]) -> str:
        lowest = min(values, default=0.0)
        step = (max(values, default=0.0) - lowest) / (len(self._blocks) - 1) or 1.0
        return "".join(self._blocks[round((value - lowest) / step)] for value in values)


class _Log:
    """Prints the runs as lines of text, for files and pipes: every quarter, and what came out."""

    def __init__(self, console: Console, reads: int) -> None:
        self._console, self._reads = console, reads
        self._shown: tuple[str, int] = ("", -1)

    def show(self, run: Run) -> None:
        """Prints a line if another quarter of the reads is done."""
        done = sum(map(len, run.values))
        total = self._reads * len(run.values)
        news = (run.title, 4 * done // total)
        if news != self._shown:
            self._shown = news
            self._console.print(f"{run.title}: {done} of {total} reads")
        if run.finished:
            for index, values in enumerate(run.values):
                self._console.print(f"  demo{index}: last value {values[-1]:+#.4g} V")
