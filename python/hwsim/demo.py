"""What ``hwsim demo`` measures: reads of many devices, one thread each, timed.

Meanwhile the main thread does what a user interface does: it waits for a moment, draws, and waits
again; how late it comes back is measured.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np

from hwsim import gil, signals
from hwsim.calibration import CODES
from hwsim.cancel import CancelToken
from hwsim.device import Device

BEAT_S = 0.01  # how long the main thread asks to wait, again and again
HIGHEST_RANGE_V = 1000.0  # of a converter; see hwsim_config
LOWEST_RANGE_V = 0.001
STEPS = CODES // 2  # of a converter, to each side


@dataclass
class Run:
    """The reads done once, and what was measured.

    Attributes:
        title: What is compared.
        policy: What is done with the GIL.
        values: In volts, a list for each device; they grow while the threads read.
        finished: Whether all reads are done.
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


class Replay:
    """Recorded data as the signal of all devices; each starts somewhere else in it.

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
        if not samples.size:
            raise ValueError(f"{path} must hold at least one sample")
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
        """Returns the largest distance of a run's values from the recording, in volts."""
        count = len(run.values)
        return max(
            float(np.abs(self.part(index, count, len(values)) - values).max())
            for index, values in enumerate(run.values)
        )


def connect(devices: list[Device], replay: Replay | None, reads: int) -> None:
    """Makes the next read of each device the first sample of its signal."""
    count = len(devices)
    for index, device in enumerate(devices):
        if replay is None:
            device.set_signal(0, frequency=device.rate / 16, phase=index / count)
        else:
            part = replay.part(index, count, reads)
            device.set_signal(0, part, noise=0, range=replay.range_v)


def measure(run: Run, devices: list[Device], reads: int, show: Callable[[Run], None]) -> None:
    """Does the reads of a run, and keeps the main thread's heartbeat meanwhile.

    Args:
        run: Takes the values and the times.
        devices: One for each list of values.
        reads: For each device.
        show: Called with the run at each beat of the main thread.

    Raises:
        HwsimError: A device failed; the threads of the others have ended.
        KeyboardInterrupt: At the end, when all threads have ended.
    """
    start, stop = threading.Event(), CancelToken()

    def read(device: Device, values: list[float]) -> tuple[float, int]:
        start.wait()
        for _ in range(reads):
            values.append(device.read_voltage(0, cancel=stop))
        return time.perf_counter(), gil.releases()

    with (
        _interrupted_by(stop),
        gil.policy(run.policy),
        ThreadPoolExecutor(len(devices), thread_name_prefix="demo") as pool,
    ):
        try:
            pending = {
                pool.submit(read, device, values)
                for device, values in zip(devices, run.values, strict=True)
            }
            show(run)
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
                show(run)
        finally:  # a device failed: the threads of the others must not go on
            stop.cancel()
            start.set()


@contextmanager
def _interrupted_by(token: CancelToken) -> Iterator[None]:
    """Makes Ctrl-C cancel a token; the interrupt itself is raised at the end of the block.

    A KeyboardInterrupt inside the locks of an event or a thread pool, which are written in Python,
    can leave one of them locked, and the thread that needs it next would wait forever.
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
