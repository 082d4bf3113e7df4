/* The error channel: codes, names, and the details of a thread's last failure. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local hwsim_error_info last_error;

const char *hwsim_error_name(hwsim_error code) {
  switch (code) {
#define HWSIM_X(name, value, message)                                                              \
  case HWSIM_##name: return #name;
    HWSIM_ERRORS(HWSIM_X)
#undef HWSIM_X
  }
  return "EUNKNOWN";
}

const char *hwsim_error_message(hwsim_error code) {
  switch (code) {
#define HWSIM_X(name, value, message)                                                              \
  case HWSIM_##name: return message;
    HWSIM_ERRORS(HWSIM_X)
#undef HWSIM_X
  }
  return "an error code that this version of hwsim does not know";
}

const hwsim_error_info *hwsim_error_last(void) { return &last_error; }

static void set_origin(hwsim_error code, int fault, const char *device, const char *operation) {
  last_error.code = code;
  last_error.fault = fault;
  last_error.reason = NULL;
  snprintf(last_error.device, sizeof last_error.device, "%s", device);
  snprintf(last_error.operation, sizeof last_error.operation, "%s", operation);
}

hwsim_error error_set(hwsim_error code, const char *device, const char *operation,
                      const char *format, ...) {
  set_origin(code, 0, device, operation);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(last_error.message, sizeof last_error.message, format, arguments);
  va_end(arguments);
  return code;
}

hwsim_error error_set_fault(hwsim_error code, int fault, const char *fault_name, const char *device,
                            const char *operation) {
  set_origin(code, fault, device, operation);
  snprintf(last_error.message, sizeof last_error.message, "%s (injected fault: %s)",
           hwsim_error_message(code), fault_name);
  return code;
}

hwsim_error error_set_reason(hwsim_error code, void *reason, const char *device,
                             const char *operation) {
  error_set(code, device, operation, "%s (said by a behaviour of the device)",
            hwsim_error_message(code));
  last_error.reason = reason;
  return code;
}

hwsim_error error_set_plain(hwsim_error code, const char *device, const char *operation) {
  return error_set(code, device, operation, "%s", hwsim_error_message(code));
}

hwsim_error error_restore(const hwsim_error_info *info) {
  last_error = *info;
  return info->code;
}

hwsim_error error_no_memory(const char *device, const char *operation) {
  return error_set_plain(HWSIM_ENOMEM, device, operation);
}
