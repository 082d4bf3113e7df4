"""``hwsim demo``: what it is worth that the GIL is released, as a picture that moves.

The same reads are done three times: by one device alone, by all at once with the GIL released while
their threads wait, and by all at once with the GIL held.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from hwsim.cli import command
from hwsim.cli.lanes import draw
from hwsim.cli.quantity import quantity
from hwsim.cli.table import empty_table
from hwsim.demo import STEPS, Replay, Run, connect, measure
from hwsim.device import Device
from hwsim.gil import Policy
from hwsim.proof.timeline import trace

REDRAW_S = 0.1
DURATION_S = 12.0  # of the whole demo, unless the number of reads is given
MOST_READS = 1000  # unless given
DRAWN_READS, DRAWN_S = 3, 2.0  # for each device in the timeline; it is left out if it takes longer


def add_parser(commands: Any) -> None:
    """Adds ``hwsim demo``."""
    parser = command.add(
        commands,
        "demo",
        _run,
        help="read many devices from threads, with the GIL released and with the GIL held",
        description="Reads many devices from one thread each: one alone, all at once with the GIL "
        "released while a thread waits for its device, and all at once with the GIL held. Shows "
        "how long each took, and how long the main thread was kept waiting.",
    )
    parser.add_argument(
        "--devices",
        type=command.bounded(1, 64),
        default=8,
        metavar="N",
        help="how many, 1 to 64 (default: %(default)s)",
    )
    parser.add_argument(
        "--latency",
        default="20ms",
        metavar="TIME",
        help="of one read, with a unit: ns, us, ms or s (default: %(default)s)",
    )
    parser.add_argument(
        "--reads",
        type=command.bounded(1),
        metavar="N",
        help="for each device, from 1 (default: as many as make the demo take about 12 s)",
    )
    parser.add_argument(
        "--signal",
        type=command.path,
        metavar="FILE",
        help="recorded data that the devices replay, a sample a read: WAV, CSV or NPY, in volts "
        "(default: a sine)",
    )


def _run(console: Console, arguments: argparse.Namespace) -> None:
    demo(
        console,
        devices=arguments.devices,
        latency=arguments.latency,
        reads=arguments.reads,
        recorded=arguments.signal,
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
    replay = Replay(recorded) if recorded else None
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
            show = _Screen(live, runs, reads).show if live else _Log(console, reads).show
            for run in runs:
                taking_part = bench[: len(run.values)]
                connect(taking_part, replay, reads)
                measure(run, taking_part, reads, show)
        ratio = _report(console, runs, devices, replay)
        if latency_s * DRAWN_READS * (devices + 1) <= DRAWN_S:
            _draw(console, bench)
    return ratio


def _reads_for(devices: int, latency_s: float) -> int:
    # Alone and released take as long as one device, held as long as all of them.
    fitting = DURATION_S / (devices + 2) / latency_s if latency_s else MOST_READS
    return max(1, min(MOST_READS, round(fitting)))


def _report(console: Console, runs: list[Run], devices: int, replay: Replay | None) -> float:
    """Shows what was measured; returns the ratio of the wall times, held : released."""
    alone, released, held = runs
    serial_s = alone.wall_s * devices
    table = empty_table("reads of all devices")
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
    if replay is not None:
        deviation = max(replay.deviation(run) for run in runs)
        scale = f" times {replay.factor:.4g}" if replay.factor != 1 else ""
        console.print(
            f"{replay.name}{scale}: measured to within {quantity(deviation, 'V')}; "
            f"a step of the converters is {quantity(replay.range_v / STEPS, 'V')}"
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


def _draw(console: Console, bench: list[Device]) -> None:
    """Draws a few more reads: with the GIL released, and then with the GIL held."""
    with ExitStack() as stack:
        try:
            timeline = stack.enter_context(trace())
        except (OSError, RuntimeError) as reason:  # another system, or another profiler
            console.print(f"No timeline: {reason}")
            return
        policies: tuple[Policy, ...] = ("auto", "hold")
        for policy in policies:
            run = Run(policy, policy, [[] for _ in bench])
            measure(run, bench, DRAWN_READS, lambda run: None)
    console.print(f"\n{DRAWN_READS} reads each, with the GIL released and then with the GIL held:")
    draw(console, timeline.by_name())


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
        table = empty_table("device", padding=(0, 1, 0, 0), expand=True)
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
