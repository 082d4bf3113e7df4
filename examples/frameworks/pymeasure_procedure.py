"""A PyMeasure procedure that ends at once when it is aborted.

Aborting, by the button of a ManagedWindow or ``worker.stop()``, sets what ``should_stop()``
returns: a procedure that waits for its instrument meanwhile would go on until that answers. Here a
token takes the operation off the bus.

Needs pymeasure.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pymeasure.experiment import IntegerParameter, Parameter, Procedure, Results, Worker

import hwsim


@contextmanager
def cancelled_by(
    should_stop: Callable[[], bool], every: float = 0.05
) -> Iterator[hwsim.CancelToken]:
    """Yields a token for the calls of a ``with`` block; ends the block when it is time to stop.

    Args:
        should_stop: The procedure's.
        every: Seconds after which it is asked again.
    """
    token, over = hwsim.CancelToken(), threading.Event()

    def watch() -> None:
        while not over.wait(every):
            if should_stop():
                token.cancel()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield token
    except hwsim.errors.OperationCancelled:
        if not should_stop():
            raise
    finally:
        over.set()
        watcher.join()


class VoltageLog(Procedure):
    """Reads a channel again and again."""

    uri = Parameter("Resource", default="hwsim://daq0?latency=20ms")
    points = IntegerParameter("Points", default=10, minimum=1)
    DATA_COLUMNS: ClassVar = ["Point", "Voltage (V)"]
    device: hwsim.Device | None = None

    def startup(self) -> None:
        """Opens the instrument."""
        self.device = hwsim.open(self.uri)

    def execute(self) -> None:
        """Measures."""
        assert self.device
        with cancelled_by(self.should_stop) as token:
            for point in range(self.points):
                volts = self.device.read_voltage(0, cancel=token)
                self.emit("results", {"Point": point, "Voltage (V)": volts})
                self.emit("progress", 100 * (point + 1) / self.points)

    def shutdown(self) -> None:
        """Closes the instrument, also after an error."""
        if self.device is not None:
            self.device.close()


def start(procedure: Procedure, folder: str) -> Worker:
    """Starts a procedure as PyMeasure's windows do."""
    worker = Worker(Results(procedure, str(Path(folder, "results.csv"))))
    worker.start()
    return worker


def main() -> None:
    """Runs one to its end, and aborts another that waits for an answer that does not come.

    ``join()`` of a worker would stop it.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = start(VoltageLog(), folder)
        threading.Thread.join(done)
        print(f"{Procedure.STATUS_STRINGS[done.procedure.status]}: {len(done.results.data)} points")

    with tempfile.TemporaryDirectory() as folder:
        silent = start(VoltageLog(uri="hwsim://daq0?latency=3600s&timeout=inf"), folder)
        time.sleep(0.2)
        silent.stop()
        began = time.perf_counter()
        threading.Thread.join(silent)
        print(
            f"{Procedure.STATUS_STRINGS[silent.procedure.status]}, "
            f"{time.perf_counter() - began:.2f} s after the abort"
        )


if __name__ == "__main__":
    main()
