"""Lifelines: how the work on other threads, processes and machines learns that it is over.

Each work holds a line to whoever has started it. When it is told to stop, or the line breaks
because the other end has died, it closes its device, which ends whatever waits for that. Whoever
stops it waits until its end of the line is closed: then the device is.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from typing import NamedTuple

from hwsim.device import Device

PATIENCE = 10.0  # seconds until the other process must have answered


# ---------------------------------------------------------------------------- within a process


class Here:
    """The lines to threads of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._devices: set[Device] = set()
        self._stopped = False

    @property
    def line(self) -> Here:
        """Itself: it need not be sent anywhere."""
        return self

    @contextmanager
    def hold(self, device: Device) -> Iterator[None]:
        """Closes the device when it is time to stop, until the end of a ``with`` statement."""
        with self._lock:
            stopped = self._stopped
            self._devices.add(device)
        if stopped:
            device.close()
        try:
            yield
        finally:
            with self._lock:
                self._devices.discard(device)

    def stop(self, patience: float) -> None:
        """Closes the devices; the threads end by themselves."""
        del patience
        with self._lock:
            self._stopped = True
            devices = list(self._devices)
        for device in devices:
            device.close()

    def close(self) -> None:
        """Nothing is left."""


# --------------------------------------------------------------------------- between processes


class Remote(NamedTuple):
    """The way to the lines of another process; can be pickled."""

    host: str
    port: int

    @contextmanager
    def hold(self, device: Device) -> Iterator[None]:
        """Same as in :class:`Here`, and closes it at the end of the statement."""
        with socket.create_connection((self.host, self.port), PATIENCE) as line:
            ending, end = os.pipe()

            def watch() -> None:
                if line in wait([line, ending]):  # nothing is sent: it has been closed
                    device.close()

            watcher = threading.Thread(target=watch, name="hwsim-lifeline", daemon=True)
            watcher.start()
            try:
                yield
            finally:
                os.write(end, b"x")  # closing it would not do: a forked process may have it, too
                watcher.join()
                os.close(end)
                os.close(ending)
                device.close()  # before the other end hears that this one is


Line = Here | Remote  # what a work is given


class There:
    """The lines to other processes, on this or on other machines.

    Nothing is sent over a line: it is half-closed to stop the work, and closed when that has ended.

    Args:
        host: The address of this machine, as they see it.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = socket.create_server((host, 0), family=family, backlog=128)
        self.line = Remote(host, self._server.getsockname()[1])
        self._lock = threading.Lock()
        self._lines: list[socket.socket] = []
        self._stopped = False
        self._closing, self._close = os.pipe()
        self._thread = threading.Thread(target=self._accept, name="hwsim-lifelines", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while self._closing not in wait([self._server, self._closing]):
            try:
                line, _ = self._server.accept()
            except OSError:  # it has gone again
                continue
            with self._lock:
                over = set(wait(self._lines, 0))
                for each in self._lines:
                    if each in over:
                        each.close()
                self._lines = [line, *(each for each in self._lines if each not in over)]
                if self._stopped:
                    _half_close(line)

    def stop(self, patience: float) -> None:
        """Tells all of them to stop, and waits until they have closed their devices."""
        until = time.monotonic() + patience
        with self._lock:
            self._stopped = True
            for line in self._lines:
                _half_close(line)
        while (rest := until - time.monotonic()) > 0:
            with self._lock:
                waiting = list(self._lines)
            over = set(wait(waiting, 0)) if waiting else set()
            if len(over) == len(waiting):
                return
            wait([line for line in waiting if line not in over], rest)

    def close(self) -> None:
        """Gives back the port, and ends the thread."""
        os.write(self._close, b"x")
        self._thread.join()
        os.close(self._close)
        os.close(self._closing)
        self._server.close()
        for line in self._lines:
            line.close()


def _half_close(line: socket.socket) -> None:
    with suppress(OSError):  # the other end may be gone
        line.shutdown(socket.SHUT_WR)
