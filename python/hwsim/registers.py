"""The registers of a device by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, Self, overload

import numpy as np
import numpy.typing as npt

from hwsim import _native, markup
from hwsim.arguments import UINT32_MAX, integer
from hwsim.cancel import CancelToken
from hwsim.errors import NotFound
from hwsim.models import FieldInfo, Map, RegisterInfo


class Field:
    """Bits of a register of a device.

    Attributes:
        name: Such as ``"ENABLE"``.
        register: The register that it is in.
        info: What the model says of it.
    """

    __slots__ = ("info", "name", "register")

    def __init__(self, register: Register, info: FieldInfo) -> None:
        self.register, self.info, self.name = register, info, info.name

    def read(self, *, timeout: float | None = None, cancel: CancelToken | None = None) -> int:
        """Reads the register, with what that does to its other fields; returns these bits."""
        return self._of(self.register.read(timeout=timeout, cancel=cancel))

    def write(
        self, value: int | str, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Writes these bits, atomically, in one operation.

        A register that is ``"RW"`` keeps its other bits. Of one that is not, all is written, the
        other bits as 0.

        Args:
            value: From 0, as the bits have room for; or the name of a value.
            timeout: In seconds; None: the device's.
            cancel: A token that stops the call.

        Raises:
            ValueError: A number that does not fit, or no name of a value.
        """
        number, register = self._number(value) << self.info.lsb, self.register
        address, lsb = register._place
        if register.access == "RW":
            register._device._update_register(
                address, self.info.mask << lsb, number << lsb, timeout, cancel
            )
        else:
            register.write(number, timeout=timeout, cancel=cancel)

    def wait(
        self, value: int | str, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Waits until these bits have a value; see :meth:`Device.wait_register`."""
        number, register = self._number(value) << self.info.lsb, self.register
        address, lsb = register._place
        register._device._wait_register(
            address, self.info.mask << lsb, number << lsb, timeout, cancel
        )

    def _of(self, value: int) -> int:
        return (value & self.info.mask) >> self.info.lsb

    def _number(self, value: int | str) -> int:
        where = f"{self.register.name}.{self.name}"
        if not isinstance(value, str):
            return integer(where, value, 0, (1 << self.info.width) - 1)
        for name, number, _ in self.info.enum:
            if name == value:
                return number
        names = ", ".join(one.name for one in self.info.enum) or "a number, it has no names"
        raise ValueError(f"{where} must be one of {names}; got {value!r}")

    def __repr__(self) -> str:
        low, high = self.info.lsb, self.info.lsb + self.info.width - 1
        bits = f"bit {low}" if low == high else f"bits {high}..{low}"
        return f"<hwsim.Field {self.register.name}.{self.name}, {bits}, {self.info.access}>"


class Register:
    """One register of a device. Its fields are attributes, too: ``register.ENABLE.write(1)``.

    Attributes:
        name: Such as ``"CONTROL"``.
        address: In bytes.
        bits: Its size: 8, 16, 32 or 64.
        access: ``"RW"``, ``"RO"``, ``"WO"``, ``"W1C"`` (write 1 to clear) or ``"RC"`` (reading
            clears).
        reset_value: Its value at power-on and after a reset.
        writable: Mask of the bits that a write can change.
        description: What it is for.
    """

    __slots__ = ("_device", "_info", "access", "address", "name")

    def __init__(self, device: Any, info: RegisterInfo) -> None:
        self._device, self._info = device, info  # a Device
        self.name, self.address, self.access = info.name, info.address, info.access

    @property
    def bits(self) -> int:
        """Its size."""
        return self._info.bits

    @property
    def reset_value(self) -> int:
        """Its value at power-on and after a reset."""
        return self._info.reset_value

    @property
    def writable(self) -> int:
        """Mask of the bits that a write can change."""
        return self._info.changeable

    @property
    def description(self) -> str:
        """What it is for."""
        return self._info.description

    @property
    def _place(self) -> tuple[int, int]:
        """The address of the register that holds its bits, and the lowest of them there."""
        return self._info.inside or (self.address, 0)

    @property
    def fields(self) -> Mapping[str, Field]:
        """Its fields by name, from the lowest bit on."""
        found = sorted(self._info.fields, key=lambda field: field.lsb)
        return {field.name: Field(self, field) for field in found}

    def read(self, *, timeout: float | None = None, cancel: CancelToken | None = None) -> int:
        """Reads the register; see :meth:`Device.read_register`."""
        if self._info.inside:
            data: bytes = self._device.read_bytes(
                self.address, self.bits // 8, timeout=timeout, cancel=cancel
            )
            return int.from_bytes(data, self._device.map.byte_order)
        value: int = self._device.read_register(self.address, timeout=timeout, cancel=cancel)
        return value

    def write(
        self, value: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Writes the register; see :meth:`Device.write_register`."""
        if self._info.inside:
            number = integer("value", value, 0, (1 << self.bits) - 1)
            data = number.to_bytes(self.bits // 8, self._device.map.byte_order)
            self._device.write_bytes(self.address, data, timeout=timeout, cancel=cancel)
            return
        self._device.write_register(self.address, value, timeout=timeout, cancel=cancel)

    def __getattr__(self, name: str) -> Field:
        for field in self._info.fields if not name.startswith("_") else ():
            if field.name == name:
                return Field(self, field)
        names = ", ".join(field.name for field in self._info.fields) or "none"
        raise AttributeError(f"{self.name} has no field {name!r}; its fields: {names}", name=name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(field.name for field in self._info.fields)]

    def __repr__(self) -> str:
        names = ", ".join(self.fields)
        fields = f", fields {names}" if names else ""
        return f"<hwsim.Register {self.name} at 0x{self.address:02X}, {self.access}{fields}>"


class Registers(Mapping[str, Register]):
    """The registers of a device by name, in the order of their addresses.

    Those whose names allow it are attributes as well, and so are the parts of names with dots:
    ``device.registers.CONTROL``, ``device.registers.TIMER.COUNT`` for ``"TIMER.COUNT"``.
    """

    def __init__(self, device: _native.Device, entries: Map, prefix: str = "") -> None:
        self._device = device
        self._map = entries
        self._prefix = prefix

    def __getitem__(self, name: str) -> Register:
        if not isinstance(name, str):
            raise NotFound(f"registers are found by name, a string; got {name!r}")
        found = self._map.registers.get(self._prefix + name)
        if found is None:
            self._device._find_register(self._prefix + name)  # says which name is near
            raise NotFound(f"no register is named {self._prefix + name!r}")
        return Register(self._device, found)

    def __iter__(self) -> Iterator[str]:
        start = len(self._prefix)
        return (name[start:] for name in self._map.registers if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getattr__(self, name: str) -> Any:  # a Register, or Registers
        if not name.startswith("_"):
            whole = self._prefix + name
            if whole in self._map.registers:
                return Register(self._device, self._map.registers[whole])
            if any(each.startswith(whole + ".") for each in self._map.registers):
                return Registers(self._device, self._map, whole + ".")
        raise AttributeError(f"there is no register {self._prefix + name!r}", name=name)

    def __dir__(self) -> list[str]:
        names = {name.partition(".")[0] for name in self}
        return [*super().__dir__(), *(name for name in names if name.isidentifier())]

    def __repr__(self) -> str:
        return f"<hwsim.Registers of {self._device._name()!r}: {', '.join(self)}>"

    def _repr_html_(self) -> str:
        """For notebooks; reads no register."""
        rows = [
            (
                one.name,
                f"0x{one.address:02X}",
                one.access,
                f"0x{one.reset_value:0{one.bits // 4}X}",
                f"0x{one.writable:0{one.bits // 4}X}",
                one.description,
            )
            for one in self.values()
        ]
        headings = ("register", "address", "access", "reset value", "writable bits", "description")
        return markup.table(f"Registers of {self._device._name()}", rows, headings)

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
        return self if device is None else Registers(device, device.map)

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
