# cython: language_level=3, freethreading_compatible=True
"""Cython: ``with nogil`` releases the GIL."""

from libc.stdint cimport uint32_t


cdef extern from "hwsim/hwsim.h":
    ctypedef struct hwsim_device
    ctypedef struct hwsim_call
    ctypedef struct hwsim_error_info:
        const char *message
    const hwsim_error_info *hwsim_error_last()
    int hwsim_device_open(const char *uri, hwsim_device **device_out)
    void hwsim_device_free(hwsim_device *device)
    int hwsim_register_read(
        hwsim_device *device, uint32_t address, const hwsim_call *call, uint32_t *value_out
    ) nogil
    int hwsim_register_write(
        hwsim_device *device, uint32_t address, uint32_t value, const hwsim_call *call
    ) nogil


cdef object failure():
    return RuntimeError(hwsim_error_last().message.decode())


cdef class Device:
    cdef hwsim_device *handle

    def __init__(self, str uri):
        if hwsim_device_open(uri.encode(), &self.handle):
            raise failure()

    def __dealloc__(self):
        hwsim_device_free(self.handle)

    def read_register(self, uint32_t address):
        cdef uint32_t value
        cdef int error
        with nogil:
            error = hwsim_register_read(self.handle, address, NULL, &value)
        if error:
            raise failure()
        return value

    def write_register(self, uint32_t address, uint32_t value):
        cdef int error
        with nogil:
            error = hwsim_register_write(self.handle, address, value, NULL)
        if error:
            raise failure()
