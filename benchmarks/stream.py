"""How fast do samples reach the caller's memory, and do two threads get twice as many?

``python -m benchmarks.stream [--json] [--quick]``. Blocks of one channel, on virtual clocks, so
that nothing waits. Two threads need two idle processors: where others run, too, only the best of
many short turns (the column max) tells what they can do.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import harness
from benchmarks.harness import Goal, Question, Run, Unavailable

SAMPLES = 1 << 20  # a block
SIDE = 1 << 12  # pixels: of the largest image that pypylon emulates, 16 MiB


def rate(call: Callable[[], object], amount: float) -> Run:
    """How often a second the call is done, times what it moves."""

    def run() -> float:
        calls, start = 0, time.perf_counter()
        while (now := time.perf_counter()) - start < 0.1:
            call()
            calls += 1
        return amount * calls / (now - start)

    return run


def open_stream(name: str, signal: object, **options: float) -> Any:
    """Returns a stream that never lags."""
    import hwsim

    device = hwsim.open(f"hwsim://{name}?latency=0s&clock=virtual&rate=1MHz&range=1V")
    device.set_signal(0, signal, **options)
    return device.stream(1e6, buffer=2**40)


def reading(stream: Any, samples: int, into: bool) -> Callable[[], object]:
    """Returns a function that reads a block, each into the same array or into a new one."""
    import numpy as np

    out = np.empty(samples, dtype=np.int16)
    return partial(stream.read_into, out) if into else partial(stream.read, samples)


def synthesis(into: bool) -> Run:
    """A sine plus noise, as int16 codes."""
    stream = open_stream("synthesis", "sine", frequency=12345.678, noise=0.01)
    return rate(reading(stream, SAMPLES, into), SAMPLES / 1e6)


def numpy_synthesis(codes: bool) -> Run:
    """The same by NumPy, which is given the phases; the codes are an extra for it."""
    import numpy as np

    phases = np.arange(SAMPLES) * (2 * np.pi * 12345.678 / 1e6)
    generator = np.random.default_rng(0)

    def call() -> None:
        volts = np.sin(phases) + 0.01 * generator.standard_normal(SAMPLES)
        if codes:
            np.clip(np.rint(volts * 32768), -32768, 32767).astype(np.int16, copy=False)

    return rate(call, SAMPLES / 1e6)


def playback(samples: int, into: bool, unit: float = 1e6) -> Run:
    """A table without noise; samples a second, in ``unit``."""
    import numpy as np

    stream = open_stream("playback", np.sin(np.arange(samples) * 0.001) * 0.9, noise=0)
    return rate(reading(stream, samples, into), samples / unit)


def copy() -> Run:
    """The least that must be done to play a table: copying it."""
    import numpy as np

    codes, out = np.zeros(SAMPLES, dtype=np.int16), np.empty(SAMPLES, dtype=np.int16)
    return rate(lambda: np.copyto(out, codes), SAMPLES / 1e6)


def pypylon(into: bool) -> Run:
    """Images of an emulated camera, with the settings and the number of buffers best for it."""
    os.environ["PYLON_CAMEMU"] = "1"
    try:
        from pypylon import pylon
    except ImportError:
        raise Unavailable("pypylon is not installed: pip install pypylon") from None
    camera = pylon.InstantCamera(pylon.TlFactory.GetInstance().CreateFirstDevice())
    camera.Open()
    camera.TestImageSelector.Value = "Testimage1"
    camera.PixelFormat.Value = "Mono8"
    camera.Width.Value = camera.Height.Value = SIDE
    camera.AcquisitionFrameRateEnable.Value = True
    camera.AcquisitionFrameRateAbs.Value = camera.AcquisitionFrameRateAbs.Max
    camera.ExposureTimeAbs.Value = camera.ExposureTimeAbs.Min
    camera.MaxNumBuffer.Value = 3

    def zero_copy() -> None:
        with camera.RetrieveResult(5000) as result, result.GetArrayZeroCopy():
            pass

    def array() -> None:
        with camera.RetrieveResult(5000) as result:
            result.Array  # noqa: B018 - a property that copies

    grab = rate(zero_copy if into else array, SIDE * SIDE / 1e9)

    def run() -> float:
        camera.StartGrabbing(pylon.GrabStrategy_OneByOne)
        try:
            return grab()
        finally:
            camera.StopGrabbing()

    return run


def together(streams: int, policy: str) -> Run:
    """All the streams, each read by a thread of its own."""
    import hwsim

    hwsim.gil.policy(policy)
    calls = 100
    work = [
        reading(open_stream(f"together{i}", "sine", noise=0.01), SAMPLES, True)
        for i in range(streams)
    ]

    def run() -> float:
        barrier = threading.Barrier(streams + 1)

        def read(call: Callable[[], object]) -> None:
            barrier.wait()
            for _ in range(calls):
                call()

        threads = [threading.Thread(target=read, args=(call,)) for call in work]
        for thread in threads:
            thread.start()
        start = time.perf_counter()
        barrier.wait()
        for thread in threads:
            thread.join()
        return SAMPLES / 1e6 * calls * streams / (time.perf_counter() - start)

    return run


QUESTIONS = [
    Question(
        "sine plus noise, blocks of 1 Mi samples",
        "Msample/s",
        {
            "NumPy, sin + standard_normal": partial(numpy_synthesis, False),
            "NumPy, the same as int16 codes": partial(numpy_synthesis, True),
            "hwsim, read_into": partial(synthesis, True),
            "hwsim, read": partial(synthesis, False),
        },
        turns=21,
        quick=3,
        goals=[Goal("hwsim, read_into", 25, "NumPy, sin + standard_normal", at_least=True)],
    ),
    Question(
        "a table, blocks of 1 Mi samples",
        "Msample/s",
        {"np.copyto": copy, "hwsim, read_into": partial(playback, SAMPLES, True)},
        turns=21,
        quick=3,
        goals=[Goal("hwsim, read_into", 0.7, "np.copyto", at_least=True)],
    ),
    Question(
        "a table and a test image, blocks of 16 MiB",
        "GB/s",
        {
            "pypylon, Array": partial(pypylon, False),
            "pypylon, GetArrayZeroCopy": partial(pypylon, True),
            "hwsim, read": partial(playback, SIDE * SIDE // 2, False, 0.5e9),
            "hwsim, read_into": partial(playback, SIDE * SIDE // 2, True, 0.5e9),
        },
        turns=21,
        quick=3,
        goals=[
            Goal("hwsim, read", 1.5, "pypylon, Array", at_least=True),
            Goal("hwsim, read_into", 1.5, "pypylon, GetArrayZeroCopy", at_least=True),
        ],
    ),
    Question(
        "all streams together",
        "Msample/s",
        {
            "one stream, one thread": partial(together, 1, "auto"),
            "two streams, two threads": partial(together, 2, "auto"),
            "the same, GIL held": partial(together, 2, "hold"),
        },
        turns=100,
        quick=20,
        goals=[Goal("two streams, two threads", 1.8, "one stream, one thread", at_least=True)],
    ),
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
