"""How fast do samples reach the caller's memory, and do two threads get twice as many?

``python -m benchmarks.stream [--json] [--quick]``. Blocks of 1 Mi samples of one channel, as int16,
on virtual clocks, so that nothing waits. A ratio is a case's speed over that of the first. Two
threads need two idle processors: where others run, too, only the best of many short turns (the
column max) tells what they can do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

import hwsim
from benchmarks import harness

SAMPLES = 1 << 20
Run = Callable[[], float]


def open_stream(name: str, signal: object, **options: float) -> hwsim.Stream:
    """Returns a stream that never lags."""
    device = hwsim.open(f"hwsim://{name}?latency=0s&clock=virtual&rate=1MHz&range=1V")
    device.set_signal(0, signal, **options)
    return device.stream(1e6, buffer=2**40)


def speed(call: Callable[[], object], calls: int) -> Run:
    """Samples a second of a call that makes SAMPLES of them."""

    def run() -> float:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return SAMPLES * calls / (time.perf_counter() - start)

    return run


def together(name: str, streams: int, calls: int) -> Run:
    """Samples a second of all the streams, each read by a thread of its own."""
    work = []
    for i in range(streams):
        stream = open_stream(f"{name}{i}", "sine", noise=0.01)
        work.append((stream, np.empty(SAMPLES, dtype=np.int16)))

    def run() -> float:
        barrier = threading.Barrier(streams + 1)

        def read(stream: hwsim.Stream, out: object) -> None:
            barrier.wait()
            for _ in range(calls):
                stream.read_into(out)

        threads = [threading.Thread(target=read, args=pair) for pair in work]
        for thread in threads:
            thread.start()
        start = time.perf_counter()
        barrier.wait()
        for thread in threads:
            thread.join()
        return SAMPLES * calls * streams / (time.perf_counter() - start)

    return run


def synthesis() -> dict[str, Callable[[], object]]:
    """A sine plus noise; NumPy is given the phases, and the codes are an extra for it."""
    out = np.empty(SAMPLES, dtype=np.int16)
    phases = np.arange(SAMPLES) * (2 * np.pi * 12345.678 / 1e6)
    generator = np.random.default_rng(0)
    stream = open_stream("synthesis", "sine", frequency=12345.678, noise=0.01)

    def volts() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.sin(phases) + 0.01 * generator.standard_normal(SAMPLES)

    def codes() -> None:
        np.clip(np.rint(volts() * 32768), -32768, 32767).astype(np.int16, copy=False)

    return {
        "NumPy, sin + standard_normal": volts,
        "NumPy, the same as int16 codes": codes,
        "hwsim, read_into": lambda: stream.read_into(out),
        "hwsim, read": lambda: stream.read(SAMPLES),
    }


def playback() -> dict[str, Callable[[], object]]:
    """A table without noise, against the least that must be done: copying it."""
    out = np.empty(SAMPLES, dtype=np.int16)
    volts = np.sin(np.arange(SAMPLES) * 0.001) * 0.9
    codes = np.rint(volts * 32768).astype(np.int16)
    stream = open_stream("playback", volts, noise=0)
    return {
        "np.copyto": lambda: np.copyto(out, codes),
        "hwsim, read_into": lambda: stream.read_into(out),
    }


def main() -> None:
    """Measures and prints."""
    options = harness.options(__doc__)
    repeats, calls = (5, 4) if options.quick else (21, 20)

    def question(cases: dict[str, Callable[[], object]], more: int) -> harness.Figures:
        runs = {name: speed(call, calls * more) for name, call in cases.items()}
        return harness.take_turns(runs, repeats)

    one, two = together("alone", 1, 10), together("pair", 2, 10)

    def held() -> float:
        with hwsim.gil.policy("hold"):
            return two()

    threads = {
        "one stream, one thread": one,
        "two streams, two threads": two,
        "the same, GIL held": held,
    }
    questions = {
        "sine plus noise": question(synthesis(), 1),
        "a table, played": question(playback(), 10),
        "all streams together": harness.take_turns(threads, repeats * 20),
    }
    harness.report(questions, "Msample/s", 1e-6, options.json)


if __name__ == "__main__":
    main()
