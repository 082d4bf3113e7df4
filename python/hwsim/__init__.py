"""hwsim: a simulated slow instrument, and a binding that releases the GIL around it.

>>> import hwsim
>>> with hwsim.open("hwsim://daq0?latency=2ms") as device:
...     device.write_register(0x40, 7)
...     device.read_register(0x40)
7

Its parts are imported when they are first used, so that one that needs no device, such as
``hwsim.proof``, loads neither the native library nor NumPy.
"""

from __future__ import annotations

import sys

__import__(f"{__name__}._interpreter")  # raises where hwsim cannot work

TYPE_CHECKING = False  # as in typing, which takes longer to import than all of this
if TYPE_CHECKING:
    from hwsim import aio as aio
    from hwsim import errors, firmware, gil, models
    from hwsim import fleet as fleet
    from hwsim import proof as proof
    from hwsim import record as record
    from hwsim.bench import DeviceInfo, list_devices
    from hwsim.binding import get_include, get_swig_flags, get_swig_include
    from hwsim.calibration import Calibration
    from hwsim.cancel import CancelToken
    from hwsim.device import Device
    from hwsim.errors import HwsimError
    from hwsim.events import Event
    from hwsim.models import Model
    from hwsim.opening import close_all, open
    from hwsim.operation import Operation, operations
    from hwsim.registers import Field, Register, Registers
    from hwsim.signals import Connection, Signal
    from hwsim.stream import Block, Stream
    from hwsim.subscription import Subscription

__version__: str
__all__ = [
    "Block",
    "Calibration",
    "CancelToken",
    "Connection",
    "Device",
    "DeviceInfo",
    "Event",
    "Field",
    "HwsimError",
    "Model",
    "Operation",
    "Register",
    "Registers",
    "Signal",
    "Stream",
    "Subscription",
    "close_all",
    "errors",
    "firmware",
    "get_include",
    "get_swig_flags",
    "get_swig_include",
    "gil",
    "list_devices",
    "models",
    "open",
    "operations",
]

# Are found as well; what they import is not what ``from hwsim import *`` asks for.
_PACKAGES = ("aio", "fleet", "proof", "record")
_MODULES = {
    "Block": "stream",
    "Calibration": "calibration",
    "CancelToken": "cancel",
    "Device": "device",
    "DeviceInfo": "bench",
    "Event": "events",
    "Field": "registers",
    "HwsimError": "errors",
    "Model": "models",
    "Operation": "operation",
    "Register": "registers",
    "Registers": "registers",
    "Connection": "signals",
    "Signal": "signals",
    "Stream": "stream",
    "Subscription": "subscription",
    "close_all": "opening",
    "get_include": "binding",
    "get_swig_flags": "binding",
    "get_swig_include": "binding",
    "list_devices": "bench",
    "open": "opening",
    "operations": "operation",
}


if not TYPE_CHECKING:  # to which a wrong name is an error

    def __getattr__(name: str) -> object:
        """Imports what is used for the first time."""
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415

            value = version("hwsim")
        elif name in _MODULES:
            value = getattr(_module(_MODULES[name]), name)
        elif name in {*__all__, *_PACKAGES, *_MODULES.values(), "_native"}:
            value = _module(name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def _module(name: str) -> object:
    # The native module comes first: where hwsim is imported again, it puts back what was there.
    # What a build asks for, and what judges other extensions, do without it, and without NumPy.
    path = f"{__name__}.{name}"
    for each in (path,) if name in ("binding", "proof") else (f"{__name__}._native", path):
        __import__(each)
    return sys.modules[path]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES, "__version__"})


if f"{__name__}._native" in sys.modules:  # only the package has been removed: put it back
    sys.modules[f"{__name__}._native"].put_back_package()
