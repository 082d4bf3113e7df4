"""The registers of a device by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, Self, overload

import numpy as np
import numpy.typing as npt

from hwsim import _native, markup
from hwsim.arguments import UINT32_MAX
from hwsim.cancel import CancelToken
from hwsim.errors import NotFound

Entry = tuple[str, int, str, int, int, str]  # what a model says of a register


class Register:
    """One register of a device.

    Attributes:
        name: Such as ``"CONTROL"``.
        address: In bytes; a multiple of 4.
        access: ``"RW"``, ``"RO"``, ``"WO"``, ``"W1C"`` (write 1 to clear) or ``"RC"`` (reading
            clears).
        reset_value: Its value at power-on and after a reset.
        writable: Mask of the bits that a write can change.
        description: What it is for.
    """

    __slots__ = ("_device", "access", "address", "description", "name", "reset_value", "writable")

    def __init__(self, device: _native.Device, entry: Entry) -> None:
        self._device = device
        (
            self.name,
            self.address,
            self.access,
            self.reset_value,
            self.writable,
            self.description,
        ) = entry

    def read(self, *, timeout: float | None = None, cancel: CancelToken | None = None) -> int:
        """Reads the register; see :meth:`Device.read_register`."""
        return self._device.read_register(self.address, timeout=timeout, cancel=cancel)

    def write(
        self, value: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Writes the register; see :meth:`Device.write_register`."""
        self._device.write_register(self.address, value, timeout=timeout, cancel=cancel)

    def __repr__(self) -> str:
        return f"<hwsim.Register {self.name} at 0x{self.address:02X}, {self.access}>"


class Registers(Mapping[str, Register]):
    """The registers of a device by name, in the order of their addresses."""

    def __init__(self, device: _native.Device, entries: Mapping[str, Entry]) -> None:
        self._device = device
        self._map = entries

    def __getitem__(self, name: str) -> Register:
        if not isinstance(name, str):
            raise NotFound(f"registers are found by name, a string; got {name!r}")
        return Register(self._device, self._map.get(name) or self._device._find_register(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def __len__(self) -> int:
        return len(self._map)

    def __repr__(self) -> str:
        return f"<hwsim.Registers of {self._device._config()['name']!r}: {', '.join(self)}>"

    def _repr_html_(self) -> str:
        """For notebooks; reads no register."""
        rows = [
            (name, f"0x{address:02X}", access, f"0x{reset:08X}", f"0x{writable:08X}", text)
            for name, address, access, reset, writable, text in self._map.values()
        ]
        headings = ("register", "address", "access", "reset value", "writable bits", "description")
        return markup.table(f"Registers of {self._device._config()['name']}", rows, headings)

    def _ipython_key_completions_(self) -> list[str]:
        """What IPython offers after ``device.registers[``."""
        return list(self)


class RegistersOf:
    """The registers by name: ``device.registers["CONTROL"].read()``."""

    # No property: notebooks complete nothing after one, as it might do anything.

    @overload
    def __get__(self, device: None, owner: type) -> Self: ...
    @overload
    def __get__(self, device: Any, owner: type) -> Registers: ...
    def __get__(self, device: Any, owner: type) -> Self | Registers:
        return self if device is None else Registers(device, device._entries)

    def __set__(self, device: object, value: object) -> NoReturn:
        raise AttributeError(f"registers of {device!r} cannot be set; write to one by its name")


def as_uint32(values: npt.ArrayLike) -> npt.NDArray[np.uint32]:
    """Checks and converts the values of a block of registers."""
    if isinstance(values, (str, bytes, bytearray)):
        raise TypeError(
            f"values must be a sequence of integers from 0 to {UINT32_MAX}, got {values!r:.200}"
        )
    array: npt.NDArray[Any] = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"values must be one-dimensional and not empty, got shape {array.shape}")
    if array.dtype.kind not in "iu" and not (array.dtype == object and _all_integers(array)):
        raise TypeError(f"values must be integers, got dtype {array.dtype}")
    lowest, highest = int(array.min()), int(array.max())
    if lowest < 0 or highest > UINT32_MAX:
        wrong = lowest if lowest < 0 else highest
        raise ValueError(f"values must be from 0 to {UINT32_MAX}, got {wrong}")
    return np.ascontiguousarray(array, dtype=np.uint32)


def _all_integers(array: npt.NDArray[Any]) -> bool:
    return all(isinstance(item, int) for item in array)
