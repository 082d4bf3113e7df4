"""ctypes: functions of a ``CDLL`` release the GIL; ``errcheck`` turns errors into exceptions."""

from ctypes import CDLL, POINTER, Structure, byref, c_char, c_char_p, c_int, c_uint32, c_void_p
from importlib.util import find_spec


class ErrorInfo(Structure):
    """``hwsim_error_info``."""

    _fields_ = (
        ("code", c_int),
        ("fault", c_int),
        ("device", c_char * 64),
        ("operation", c_char * 32),
        ("message", c_char * 320),
    )


def check(error: int, function: object, arguments: object) -> None:
    """Raises what the library reports."""
    if error:
        raise RuntimeError(lib.hwsim_error_last().contents.message.decode())


lib = CDLL(find_spec("_ctypes_peer").origin)
lib.hwsim_error_last.restype = POINTER(ErrorInfo)
lib.hwsim_device_open.argtypes = c_char_p, POINTER(c_void_p)
lib.hwsim_device_open.errcheck = check
lib.hwsim_device_free.argtypes = (c_void_p,)
lib.hwsim_device_free.restype = None
lib.hwsim_register_read.argtypes = c_void_p, c_uint32, c_void_p, POINTER(c_uint32)
lib.hwsim_register_read.errcheck = check
lib.hwsim_register_write.argtypes = c_void_p, c_uint32, c_uint32, c_void_p
lib.hwsim_register_write.errcheck = check


class Device:
    """The peer."""

    def __init__(self, uri: str) -> None:
        self._device = c_void_p()
        lib.hwsim_device_open(uri.encode(), byref(self._device))

    def __del__(self) -> None:
        lib.hwsim_device_free(self._device)

    def read_register(self, address: int) -> int:
        """Reads a register."""
        value = c_uint32()
        lib.hwsim_register_read(self._device, address, None, byref(value))
        return value.value

    def write_register(self, address: int, value: int) -> None:
        """Writes a register."""
        lib.hwsim_register_write(self._device, address, value, None)
