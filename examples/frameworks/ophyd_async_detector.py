"""Eight instruments as detectors of ophyd-async, counted by bluesky.

bluesky triggers all detectors at once, and then reads one after another. So the conversion is in
``trigger()``, where they overlap; ``read()`` returns what it left. Whatever ends a plan, such as
Ctrl-C or ``RE.abort()``, unstages the detectors: that cancels what waits on the instrument, so that
it is not on the bus any more when the next plan begins.

Needs ophyd-async and bluesky.
"""

from __future__ import annotations

import time

from bluesky import RunEngine
from bluesky.plans import count
from bluesky.protocols import Triggerable
from ophyd_async.core import (
    DEFAULT_TIMEOUT,
    AsyncStatus,
    DeviceMock,
    NotConnectedError,
    StandardReadable,
    StandardReadableFormat,
    soft_signal_r_and_setter,
)
from ophyd_async.plan_stubs import ensure_connected

import hwsim.aio


class Voltmeter(StandardReadable, Triggerable):
    """One channel of an instrument.

    bluesky stages the outermost device: one that holds several of these has to pass that on, as a
    StandardReadable does and a DeviceVector does not.

    Args:
        uri: Its resource string.
        channel: From 0.
        name: In the documents that bluesky emits.
    """

    device: hwsim.aio.Device | None = None  # until it is connected, and of a mock

    def __init__(self, uri: str, channel: int = 0, name: str = "") -> None:
        self.uri, self.channel, self.is_mock = uri, channel, False
        with self.add_children_as_readables(StandardReadableFormat.HINTED_SIGNAL):
            self.volts, self._set_volts = soft_signal_r_and_setter(float, units="V")
        super().__init__(name)

    async def connect(
        self,
        mock: bool | DeviceMock = False,
        timeout: float = DEFAULT_TIMEOUT,
        force_reconnect: bool = False,
    ) -> None:
        """Opens the instrument, and waits while another detector has it."""
        await super().connect(mock, timeout, force_reconnect)
        self.is_mock = bool(mock)
        if mock or force_reconnect:
            self.close()
        if self.device is None and not mock:
            self.device = await hwsim.aio.open(self.uri, wait=timeout)

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        """Converts."""
        if self.device is not None:
            self._set_volts(await self.device.read_voltage(self.channel))
        elif not self.is_mock:
            raise NotConnectedError(f"{self.name} is not connected")

    def unstage(self) -> AsyncStatus:
        """Ends a conversion that goes on; its trigger fails with OperationCancelled."""
        if self.device is not None:
            self.device.cancel()  # now: an engine that is aborted may not wait for the status
        return super().unstage()

    def close(self) -> None:
        """Closes the instrument."""
        if self.device is not None:
            self.device.close()
            self.device = None


def main() -> None:
    """Counts one of them, then all."""
    engine = RunEngine()
    meters = [Voltmeter(f"hwsim://meter{i}?latency=200ms", name=f"meter{i}") for i in range(8)]
    engine(ensure_connected(*meters))
    readings = []
    engine.subscribe(lambda _, document: readings.append(document["data"]), "event")
    for some in (meters[:1], meters):
        start = time.perf_counter()
        engine(count(some))
        print(f"{len(some)} in {time.perf_counter() - start:.2f} s: {len(readings[-1])} values")
    for meter in meters:
        meter.close()


if __name__ == "__main__":
    main()
