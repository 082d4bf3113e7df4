"""The exceptions of hwsim.

Each is a :class:`HwsimError` and the builtin exception that people already catch::

    HwsimError
    ├── DeviceTimeout        TimeoutError      the device did not answer in time
    ├── TransferError        OSError           a transfer failed; retrying may help
    │   ├── BusError
    │   └── CRCError
    ├── DeviceBusy           OSError           retry later
    ├── DeviceDisconnected   ConnectionError   until it is reconnected
    ├── DeviceClosed         ConnectionError   for good: open it again
    ├── OperationCancelled   RuntimeError      by a cancel token or Device.cancel()
    ├── NotFound             KeyError
    ├── DeviceInUse          OSError           open already in this process
    ├── AddressError         IndexError        no register at this address
    ├── AccessError          PermissionError   the register does not allow it
    ├── InvalidArgument      ValueError
    ├── Overrun              OSError           data were lost
    ├── FirmwareError        RuntimeError
    ├── StateError           RuntimeError      not in the device's present state
    ├── OutOfMemory          MemoryError
    ├── DeviceForked         RuntimeError      the device belongs to the parent process
    └── InternalError        RuntimeError

An operation that failed has had no effect on the device. All of them can be pickled.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hwsim import _native


class HwsimError(Exception):
    """Base of all errors that the device or its library reports.

    Attributes:
        code: The number of the error in the C interface (``hwsim_error``).
        device: Name of the device, or ``""``.
        operation: What was called, such as ``"read_register"``, or ``""``.
        partial: What had been read when the error occurred, if anything.
    """

    code: ClassVar[int] = 0

    def __init__(
        self, message: str, device: str = "", operation: str = "", partial: object = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.device = device
        self.operation = operation
        self.partial = partial

    def __str__(self) -> str:
        origin = " ".join(part for part in (self.device, self.operation) if part)
        return f"{origin}: {self.message}" if origin else self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = (self.message, self.device, self.operation, self.partial)
        return type(self), arguments, self.__dict__  # which has what add_note() added


class DeviceTimeout(HwsimError, TimeoutError):
    """The device did not answer in time."""

    code = 1


class TransferError(HwsimError, OSError):
    """A transfer over the bus failed; retrying may help."""


class BusError(TransferError):
    """The transfer failed."""

    code = 2


class CRCError(TransferError):
    """The transferred data were corrupted."""

    code = 3


class DeviceBusy(HwsimError, OSError):
    """The device is busy; retry later."""

    code = 4


class DeviceDisconnected(HwsimError, ConnectionError):
    """The device is disconnected, until it is reconnected."""

    code = 5


class DeviceClosed(HwsimError, ConnectionError):
    """The device has been closed, perhaps during the operation."""

    code = 6


class OperationCancelled(HwsimError, RuntimeError):
    """A cancel token or ``Device.cancel()`` ended the operation."""

    code = 7


class NotFound(HwsimError, KeyError):
    """There is nothing of this name."""

    code = 8


class DeviceInUse(HwsimError, OSError):
    """The device is already open in this process."""

    code = 9


class AddressError(HwsimError, IndexError):
    """There is no register at this address."""

    code = 10


class AccessError(HwsimError, PermissionError):
    """The register does not allow this kind of access."""

    code = 11


class InvalidArgument(HwsimError, ValueError):
    """An argument or a setting of a resource string has a bad value."""

    code = 12


class Overrun(HwsimError, OSError):
    """Data were lost because they were not read in time."""

    code = 13


class FirmwareError(HwsimError, RuntimeError):
    """The firmware, or an update of it, failed."""

    code = 14


class StateError(HwsimError, RuntimeError):
    """The device's present state does not allow the operation."""

    code = 15


class OutOfMemory(HwsimError, MemoryError):
    """Memory ran out, in the device or its library."""

    code = 16


class DeviceForked(HwsimError, RuntimeError):
    """The device was opened before ``fork()``, by the parent process; open it again in this one."""

    code = 17


class InternalError(HwsimError, RuntimeError):
    """An error inside the device or its library."""

    code = 18


def _subclasses(cls: type[HwsimError]) -> list[type[HwsimError]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in _subclasses(child))]


# Reloaded, or imported again by itself, this module keeps its classes: `except` knows no others.
_CLASSES: dict[str, type[HwsimError]] = vars(_native).setdefault(
    "_error_classes", {cls.__name__: cls for cls in _subclasses(HwsimError)}
)
globals().update(_CLASSES)
_BY_CODE = {cls.code: cls for cls in _CLASSES.values()}


def from_code(
    code: int, message: str, device: str, operation: str, partial: object = None
) -> HwsimError:
    """Makes the exception for an error code of the C interface; the binding calls this."""
    return _BY_CODE.get(code, InternalError)(message, device, operation, partial)
