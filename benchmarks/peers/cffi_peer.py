"""cffi in API mode: functions of ``lib`` release the GIL.

A callback is an ``extern "Python"`` function: it takes the GIL for each call, in a thread state
that cffi keeps. It gets a pointer to the event, which is valid during the call. There is one of
each kind, for one device, which is the cheapest way; others would pass a handle along.
"""

from collections.abc import Callable

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
        self._source = ffi.new("event_source **")

    def read_register(self, address: int) -> int:
        """Reads a register."""
        value = ffi.new("uint64_t *")
        check(lib.hwsim_register_read(self._device, address, ffi.NULL, value))
        return value[0]

    def write_register(self, address: int, value: int) -> None:
        """Writes a register."""
        check(lib.hwsim_register_write(self._device, address, value, ffi.NULL))

    def advance(self, seconds: float) -> None:
        """Moves a manual clock on."""
        check(lib.hwsim_clock_advance(self._device, round(seconds * 1e9)))

    def on_event(self, callback: Callable[[object], object]) -> None:
        """Calls the callback with each event."""
        ffi.def_extern("on_event")(callback)
        self._listen(lib.call_event, ffi.NULL)

    def on_batch(self, callback: Callable[[object], object]) -> None:
        """The same, in a loop over what the library gives at once."""

        def each(events: object, count: int) -> None:
            for i in range(count):
                callback(events[i])

        ffi.def_extern("on_batch")(each)
        self._listen(ffi.NULL, lib.call_batch)

    def _listen(self, each: object, batch: object) -> None:
        check(lib.event_source_new(self._device, each, batch, ffi.NULL, self._source))

    def close(self) -> None:
        """Ends the callbacks."""
        lib.event_source_free(self._source[0])
        self._source[0] = ffi.NULL
