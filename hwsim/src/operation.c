/* The operations' table, as data. */
#include "internal.h"

#define BITS_OF_NOTHING 0
#define BITS_OF_REGISTER HWSIM_EVENT_BIT(HWSIM_EVENT_REGISTER)
#define BITS_OF_TRIGGER HWSIM_EVENT_BIT(HWSIM_EVENT_TRIGGER)
#define BITS_OF_FIRMWARE HWSIM_EVENT_BIT(HWSIM_EVENT_FIRMWARE)

#define HWSIM_X(noun, name, waits, bytes, causes, summary)                                         \
  {#noun, #name, HWSIM_WAITS_##waits, bytes, BITS_OF_##causes, summary},
static const hwsim_operation operations[] = {HWSIM_OPERATIONS(HWSIM_X)};
#undef HWSIM_X

const hwsim_operation *hwsim_operations(size_t *count_out) {
  *count_out = ARRAY_LENGTH(operations);
  return operations;
}

const char *hwsim_waits_name(hwsim_waits waits) {
  static const char *const names[] = {"never", "when blocking", "computes", "copies"};
  return (unsigned)waits < ARRAY_LENGTH(names) ? names[waits] : NULL;
}
