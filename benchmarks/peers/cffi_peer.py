"""cffi in API mode: functions of ``lib`` release the GIL."""

from _cffi_peer import ffi, lib


def check(error: int) -> None:
    """Raises what the library reports."""
    if error:
        raise RuntimeError(ffi.string(lib.hwsim_error_last().message).decode())


class Device:
    """The peer."""

    def __init__(self, uri: str) -> None:
        device = ffi.new("hwsim_device **")
        check(lib.hwsim_device_open(uri.encode(), device))
        self._device = ffi.gc(device[0], lib.hwsim_device_free)

    def read_register(self, address: int) -> int:
        """Reads a register."""
        value = ffi.new("uint32_t *")
        check(lib.hwsim_register_read(self._device, address, ffi.NULL, value))
        return value[0]

    def write_register(self, address: int, value: int) -> None:
        """Writes a register."""
        check(lib.hwsim_register_write(self._device, address, value, ffi.NULL))
