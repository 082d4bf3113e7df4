"""What is on the bench: the devices that can be opened."""

from __future__ import annotations

from typing import NamedTuple

from hwsim import _native


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
