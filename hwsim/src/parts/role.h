/* A role: what makes a register more than one that holds a value. Which there are is for models. */
#ifndef HWSIM_PARTS_ROLE_H
#define HWSIM_PARTS_ROLE_H

#include "timeline/operation.h"

/* What a role adds to a register that holds a value; each may be NULL. Mutex held. */
typedef struct register_behaviour {
  uint32_t (*read)(const hwsim_device *device, int64_t at_ns); /* instead of what it holds */
  /* When it will read as expected by itself, at or after `at_ns`; FOREVER: never. */
  int64_t (*match_ns)(const hwsim_device *device, uint32_t mask, uint32_t expected, int64_t at_ns);
  void (*changed)(hwsim_device *device, uint32_t value);
  /* It is written to and holds nothing. */
  void (*command)(hwsim_device *device, uint32_t value, const op *cause, int64_t at_ns);
  bool timed; /* what it reads, or does, depends on the time */
} register_behaviour;

#endif
