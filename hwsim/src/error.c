/* The error channel: codes, names, and the details of a thread's last failure. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

hwsim_error error_set_fault(hwsim_error code, int fault, const char *device,
                            const char *operation) {
  set_origin(code, fault, device, operation);
  const char *name = hwsim_fault_name((hwsim_fault_kind)fault);
  snprintf(last_error.message, sizeof last_error.message, "%s (injected fault: %s)",
           hwsim_error_message(code), name ? name : "unknown");
  return code;
}

hwsim_error error_restore(const hwsim_error_info *info) {
  last_error = *info;
  return info->code;
}

hwsim_error error_no_memory(const char *device, const char *operation) {
  return error_set(HWSIM_ENOMEM, device, operation, "%s", hwsim_error_message(HWSIM_ENOMEM));
}

/* Levenshtein's distance, ignoring case; long strings are far from everything. */
static size_t edit_distance(const char *a, const char *b) {
  enum { LONGEST = 32 };
  size_t length_a = strlen(a), length_b = strlen(b), row[LONGEST + 1];
  if (length_a > LONGEST || length_b > LONGEST)
    return LONGEST;
  for (size_t j = 0; j <= length_b; j++)
    row[j] = j;
  for (size_t i = 1; i <= length_a; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= length_b; j++) {
      size_t replace = diagonal + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
      diagonal = row[j];
      size_t shift = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
      row[j] = replace < shift ? replace : shift;
    }
  }
  return row[length_b];
}

const char *nearest(const char *text, const void *strings, size_t count, size_t stride) {
  const char *best = NULL;
  size_t best_distance = strlen(text) / 2 + 2;
  for (size_t i = 0; i < count; i++) {
    const char *candidate = *(const char *const *)((const char *)strings + i * stride);
    size_t distance = edit_distance(text, candidate);
    if (distance < best_distance && distance < strlen(candidate)) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}
