/* Registers: what they hold, what reading and writing does to each kind of access, and the
 * operations on them. */
#ifndef HWSIM_PARTS_REGISTERS_H
#define HWSIM_PARTS_REGISTERS_H

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

/* What operation `number` sees of a register instead of its value. */
typedef uint32_t register_lens(const hwsim_device *device, uint64_t number, uint32_t address,
                               uint32_t value);

typedef struct registers registers;

/* What follows from a model that has been checked, for any number of devices. */
typedef struct register_index register_index;

/* `behaviours`: by role, constant. To be freed with free(); NULL: no memory. */
register_index *register_index_new(const hwsim_model *model, const register_behaviour *behaviours);

/* An index that is the device's own is freed with the registers, also if this fails: no memory. */
bool registers_open(hwsim_device *device, register_index *index, bool own);
void registers_free(hwsim_device *device);

/* The rest: mutex held. A role that the model does not use holds 0. */
uint32_t registers_get(const hwsim_device *device, hwsim_role role);
void registers_set(hwsim_device *device, hwsim_role role, uint32_t value);
int64_t registers_reset_ns(const hwsim_device *device); /* when they were reset */
/* Each change is an event, unless the cause is NULL. */
void registers_reset(hwsim_device *device, const op *cause, int64_t at_ns);
/* What one of them reads may have changed, apart from what it holds. */
void registers_touch(hwsim_device *device);
void registers_set_lens(hwsim_device *device, register_lens *lens); /* NULL: none */

#endif
