"""Writes the C source of the extension that ``cffi_peer`` uses to the path it is given."""

import sys

from cffi import FFI

ffi = FFI()
ffi.set_source("_cffi_peer", '#include "hwsim/hwsim.h"')
ffi.cdef("""
typedef struct hwsim_device hwsim_device;
typedef struct hwsim_call hwsim_call;
typedef struct { const char message[320]; ...; } hwsim_error_info;
const hwsim_error_info *hwsim_error_last(void);
int hwsim_device_open(const char *uri, hwsim_device **device_out);
void hwsim_device_free(hwsim_device *device);
int hwsim_register_read(hwsim_device *device, uint32_t address, const hwsim_call *call,
                        uint32_t *value_out);
int hwsim_register_write(hwsim_device *device, uint32_t address, uint32_t value,
                         const hwsim_call *call);
""")
ffi.emit_c_code(sys.argv[1])
