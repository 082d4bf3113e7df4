# cython: language_level=3
# cython: freethreading_compatible=True
# cython: c_string_type=str, c_string_encoding=ascii
"""Cython: ``with nogil`` releases the GIL.

A callback is a C function ``with gil``, which takes it for each call. It gets an extension type;
what is not looked at is not converted.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "source.h":
    ctypedef struct hwsim_device
    ctypedef struct hwsim_call
    ctypedef struct hwsim_error_info:
        const char *message
    ctypedef int hwsim_event_kind
    ctypedef struct hwsim_event:
        hwsim_event_kind kind
        uint32_t channel
        int64_t time_ns
        uint64_t sequence
        uint64_t lost
        double value
    ctypedef struct event_source
    ctypedef void (*event_callback)(void *user, const hwsim_event *event) noexcept
    ctypedef void (*batch_callback)()
    const hwsim_error_info *hwsim_error_last()
    int hwsim_device_open(const char *uri, hwsim_device **device_out)
    void hwsim_device_free(hwsim_device *device)
    int hwsim_register_read(
        hwsim_device *device, uint32_t address, const hwsim_call *call, uint64_t *value_out
    ) nogil
    int hwsim_register_write(
        hwsim_device *device, uint32_t address, uint64_t value, const hwsim_call *call
    ) nogil
    int hwsim_clock_advance(hwsim_device *device, int64_t step_ns) nogil
    const char *hwsim_event_name(hwsim_event_kind kind)
    int event_source_new(
        hwsim_device *device, event_callback each, batch_callback batch, void *user,
        event_source **source_out
    )
    void event_source_free(event_source *source) nogil


cdef object failure():
    return RuntimeError(hwsim_error_last().message)


cdef class Event:
    cdef readonly const char *kind
    cdef readonly double time_s
    cdef readonly uint64_t sequence
    cdef readonly uint32_t channel
    cdef readonly double value
    cdef readonly uint64_t lost


cdef void call(void *callback, const hwsim_event *native) noexcept with gil:
    cdef Event event = Event.__new__(Event)
    event.kind = hwsim_event_name(native.kind)
    event.time_s = native.time_ns / 1e9
    event.sequence = native.sequence
    event.channel = native.channel
    event.value = native.value
    event.lost = native.lost
    (<object>callback)(event)


cdef class Device:
    cdef hwsim_device *handle
    cdef event_source *source
    cdef object callback

    def __init__(self, str uri):
        if hwsim_device_open(uri.encode(), &self.handle):
            raise failure()

    def __dealloc__(self):
        hwsim_device_free(self.handle)

    def read_register(self, uint32_t address):
        cdef uint64_t value
        cdef int error
        with nogil:
            error = hwsim_register_read(self.handle, address, NULL, &value)
        if error:
            raise failure()
        return value

    def write_register(self, uint32_t address, uint64_t value):
        cdef int error
        with nogil:
            error = hwsim_register_write(self.handle, address, value, NULL)
        if error:
            raise failure()

    def advance(self, double seconds):
        cdef int64_t step_ns = round(seconds * 1e9)
        cdef int error
        with nogil:
            error = hwsim_clock_advance(self.handle, step_ns)
        if error:
            raise failure()

    def on_event(self, callback):
        self.callback = callback
        if event_source_new(self.handle, call, NULL, <void *>callback, &self.source):
            raise failure()

    def close(self):
        with nogil:
            event_source_free(self.source)
        self.source = NULL
