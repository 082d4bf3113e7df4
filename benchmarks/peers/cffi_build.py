"""Writes the C source of the extension that ``cffi_peer`` uses to the path it is given."""

import sys

from cffi import FFI

ffi = FFI()
ffi.set_source(
    "_cffi_peer",
    """
#include "source.h"

static void on_event(const hwsim_event *event);
static void on_batch(const hwsim_event *events, size_t count);

static void call_event(void *user, const hwsim_event *event) { on_event(event); }
static void call_batch(void *user, hwsim_subscription *subscription, const hwsim_event *events,
                       size_t count) {
  on_batch(events, count);
}
""",
)
ffi.cdef("""
typedef struct hwsim_device hwsim_device;
typedef struct hwsim_call hwsim_call;
typedef struct { const char message[320]; ...; } hwsim_error_info;
const hwsim_error_info *hwsim_error_last(void);
int hwsim_device_open(const char *uri, hwsim_device **device_out);
void hwsim_device_free(hwsim_device *device);
int hwsim_register_read(hwsim_device *device, uint32_t address, const hwsim_call *call,
                        uint64_t *value_out);
int hwsim_register_write(hwsim_device *device, uint32_t address, uint64_t value,
                         const hwsim_call *call);
int hwsim_clock_advance(hwsim_device *device, int64_t step_ns);

typedef struct {
  int kind;
  uint32_t channel;
  int64_t time_ns;
  uint64_t sequence;
  uint64_t lost;
  double value;
  ...;
} hwsim_event;
typedef struct hwsim_subscription hwsim_subscription;
typedef struct event_source event_source;
int event_source_new(hwsim_device *device, void (*each)(void *, const hwsim_event *),
                     void (*batch)(void *, hwsim_subscription *, const hwsim_event *, size_t),
                     void *user, event_source **source_out);
void event_source_free(event_source *source);
void call_event(void *user, const hwsim_event *event);
void call_batch(void *user, hwsim_subscription *subscription, const hwsim_event *events,
                size_t count);
extern "Python" void on_event(const hwsim_event *event);
extern "Python" void on_batch(const hwsim_event *events, size_t count);
""")
ffi.emit_c_code(sys.argv[1])
