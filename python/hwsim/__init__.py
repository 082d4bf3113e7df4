"""hwsim: a simulated slow instrument, and a binding that releases the GIL around it.

>>> import hwsim
>>> with hwsim.open("hwsim://daq0?latency=2ms") as device:
...     device.write_register(0x40, 7)
...     device.read_register(0x40)
7
"""

from __future__ import annotations

from typing import NamedTuple

from hwsim import _native, errors, firmware, gil
from hwsim.calibration import Calibration
from hwsim.cancel import CancelToken
from hwsim.device import Device
from hwsim.errors import HwsimError
from hwsim.events import Event
from hwsim.opening import close_all, open
from hwsim.operation import Operation, operations
from hwsim.registers import Register, Registers
from hwsim.signals import Signal
from hwsim.stream import Block, Stream
from hwsim.subscription import Subscription

__version__: str  # see __getattr__
__all__ = [
    "Block",
    "Calibration",
    "CancelToken",
    "Device",
    "DeviceInfo",
    "Event",
    "HwsimError",
    "Operation",
    "Register",
    "Registers",
    "Signal",
    "Stream",
    "Subscription",
    "close_all",
    "errors",
    "firmware",
    "gil",
    "list_devices",
    "open",
    "operations",
]


def __getattr__(name: str) -> str:
    """Looks up ``__version__`` on demand: importlib.metadata is slow to import."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415

    return version("hwsim")


class DeviceInfo(NamedTuple):
    """A device that can be opened.

    Attributes:
        name: Its name.
        uri: The resource string that opens it with default settings.
        in_use: Whether it is open in this process.
    """

    name: str
    uri: str
    in_use: bool


def list_devices() -> list[DeviceInfo]:
    """Returns the devices on the bench, sorted by name.

    They are daq0 to daq7, which are always there, and every other device that is open in this
    process. Any other name can be opened, too.
    """
    return [DeviceInfo(name, f"hwsim://{name}", in_use) for name, in_use in _native.list_devices()]
