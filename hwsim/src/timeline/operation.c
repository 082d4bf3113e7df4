/* The operations' table as data, and what their errors say. */
#include "timeline/operation.h"

#include "base/array.h"
#include "base/error.h"
#include "base/handle.h"

#define BITS_OF_NOTHING 0
#define BITS_OF_REGISTER HWSIM_EVENT_BIT(HWSIM_EVENT_REGISTER)
#define BITS_OF_TRIGGER HWSIM_EVENT_BIT(HWSIM_EVENT_TRIGGER)
#define BITS_OF_FIRMWARE HWSIM_EVENT_BIT(HWSIM_EVENT_FIRMWARE)

#define HWSIM_X(noun, name, waits, bytes, causes, summary)                                         \
  {#noun, #name, HWSIM_WAITS_##waits, bytes, BITS_OF_##causes, summary},
const hwsim_operation operations[OPERATION_COUNT] = {HWSIM_OPERATIONS(HWSIM_X)};
#undef HWSIM_X

const hwsim_operation *hwsim_operations(size_t *count_out) {
  *count_out = OPERATION_COUNT;
  return operations;
}

const char *hwsim_waits_name(hwsim_waits waits) {
  static const char *const names[] = {"never", "when blocking", "computes", "copies", "in slices"};
  return (unsigned)waits < ARRAY_LENGTH(names) ? names[waits] : NULL;
}

hwsim_error op_describe(const hwsim_device *device, const op *self, hwsim_error code) {
  const char *name = device->config.name, *operation = op_name(self);
  if (self->fate.said && code == self->fate.result)
    return error_set_reason(code, self->fate.reason, name, operation);
  if (code == HWSIM_EBUSY && !self->fate.fault)
    return error_set(code, name, operation, "the device is being programmed");
  if (self->fate.fault && code == self->fate.result)
    return error_set_fault(code, self->fate.fault, self->fate.fault_name, name, operation);
  if (code == HWSIM_EFIRMWARE)
    return error_set(code, name, operation,
                     "the image in the device is damaged; the old firmware keeps running");
  if (code == HWSIM_ETIMEOUT)
    return error_set(code, name, operation, "no answer within the timeout of %g s",
                     (double)self->timeout_ns / 1e9);
  if (code == HWSIM_ESTATE)
    return error_set(code, name, operation, "the converters are disabled; set bit 0 of CONTROL");
  return error_set_plain(code, name, operation);
}
