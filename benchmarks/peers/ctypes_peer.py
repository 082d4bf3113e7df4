"""ctypes: functions of a ``CDLL`` release the GIL; ``errcheck`` turns errors into exceptions.

A callback is a ``CFUNCTYPE``, which takes the GIL for each call. It gets a pointer to the event,
which is valid during the call.
"""

from collections.abc import Callable
from ctypes import (
    CDLL,
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_char,
    c_char_p,
    c_double,
    c_int,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
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


class Event(Structure):
    """``hwsim_event``."""

    _fields_ = (
        ("kind", c_int),
        ("channel", c_uint32),
        ("time_ns", c_int64),
        ("sequence", c_uint64),
        ("lost", c_uint64),
        ("value", c_double),
    )


EventCallback = CFUNCTYPE(None, c_void_p, POINTER(Event))
BatchCallback = CFUNCTYPE(None, c_void_p, c_void_p, POINTER(Event), c_size_t)


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
lib.hwsim_register_read.argtypes = c_void_p, c_uint32, c_void_p, POINTER(c_uint64)
lib.hwsim_register_read.errcheck = check
lib.hwsim_register_write.argtypes = c_void_p, c_uint32, c_uint64, c_void_p
lib.hwsim_register_write.errcheck = check
lib.hwsim_clock_advance.argtypes = c_void_p, c_int64
lib.hwsim_clock_advance.errcheck = check
lib.event_source_new.argtypes = c_void_p, EventCallback, BatchCallback, c_void_p, POINTER(c_void_p)
lib.event_source_new.errcheck = check
lib.event_source_free.argtypes = (c_void_p,)
lib.event_source_free.restype = None


class Device:
    """The peer."""

    def __init__(self, uri: str) -> None:
        self._device = c_void_p()
        self._source = c_void_p()
        lib.hwsim_device_open(uri.encode(), byref(self._device))

    def __del__(self) -> None:
        lib.hwsim_device_free(self._device)

    def read_register(self, address: int) -> int:
        """Reads a register."""
        value = c_uint64()
        lib.hwsim_register_read(self._device, address, None, byref(value))
        return value.value

    def write_register(self, address: int, value: int) -> None:
        """Writes a register."""
        lib.hwsim_register_write(self._device, address, value, None)

    def advance(self, seconds: float) -> None:
        """Moves a manual clock on."""
        lib.hwsim_clock_advance(self._device, round(seconds * 1e9))

    def on_event(self, callback: Callable[[Event], object]) -> None:
        """Calls the callback with each event."""

        def each(user: None, event: object) -> None:
            callback(event.contents)

        self._listen(EventCallback(each), BatchCallback())

    def on_batch(self, callback: Callable[[Event], object]) -> None:
        """The same, in a loop over what the library gives at once."""

        def batch(user: None, subscription: int, events: object, count: int) -> None:
            for i in range(count):
                callback(events[i])

        self._listen(EventCallback(), BatchCallback(batch))

    def _listen(self, *functions: object) -> None:
        self._functions = functions  # C has no reference to them
        lib.event_source_new(self._device, *functions, None, byref(self._source))

    def close(self) -> None:
        """Ends the callbacks."""
        lib.event_source_free(self._source)
        self._source.value = None
