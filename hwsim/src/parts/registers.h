/* Registers: what they hold, what reading and writing does to each kind of access, and the
 * operations on them. */
#ifndef HWSIM_PARTS_REGISTERS_H
#define HWSIM_PARTS_REGISTERS_H

#include "parts/image.h"
#include "parts/journal.h"

/* What operation `number` sees of a register instead of its value. */
typedef uint64_t register_lens(const hwsim_device *device, uint64_t number, uint32_t address,
                               uint64_t value);

typedef struct registers registers;

/* Who is told of accesses and changes of the registers that are RULED. Mutex held. */
typedef struct register_hooks {
  void (*written)(hwsim_device *device, size_t place, uint64_t value, uint64_t mask,
                  const op *cause, int64_t at_ns);
  void (*was_read)(hwsim_device *device, size_t place, const op *cause, int64_t at_ns);
  void (*changed)(hwsim_device *device, size_t place, uint64_t bits, const op *cause,
                  int64_t at_ns);
  /* The same, while something happens that has to be over before anything follows from it. */
  void (*latched)(hwsim_device *device, size_t place, uint64_t bits, int64_t at_ns);
  void (*reset)(hwsim_device *device, int64_t at_ns);
  int64_t (*next_ns)(const hwsim_device *device); /* when something changes by itself */
} register_hooks;

/* Before their first reset. False: no memory. The image is kept, also if this fails. */
bool registers_open(hwsim_device *device, model_image *image);
void registers_free(hwsim_device *device);

/* The rest: mutex held. A role that the model does not use holds 0. */
uint64_t registers_get(const hwsim_device *device, hwsim_role role);
void registers_set(hwsim_device *device, hwsim_role role, uint64_t value, int64_t at_ns);
int64_t registers_reset_ns(const hwsim_device *device); /* when they were reset */
/* If it `tells`, each change is an event. */
void registers_reset(hwsim_device *device, bool tells, const op *cause, int64_t at_ns);
/* By place in the map: what it holds, or makes up when it is asked, without faults; and bits of it
 * become others, which is an event, or are a command. */
uint64_t registers_held(const hwsim_device *device, size_t place, int64_t at_ns);
void registers_change(hwsim_device *device, size_t place, uint64_t mask, uint64_t value,
                      const op *cause, int64_t at_ns);
void registers_set_hooks(hwsim_device *device, const register_hooks *hooks);
/* What one of them reads may have changed, apart from what it holds. */
void registers_touch(hwsim_device *device);
/* The place of what holds its bits. */
size_t registers_storage(const hwsim_device *device, size_t place);
/* What a behaviour sees, and its transaction does. NOWHERE: there is no register, or it has a role.
 */
size_t registers_find(const hwsim_device *device, uint32_t address);
uint64_t registers_peek(const hwsim_device *device, uint64_t number, size_t place, int64_t at_ns);
/* Bits of one become others by a write. What it would hold then: */
uint64_t registers_written(const hwsim_device *device, size_t place, uint64_t held, uint64_t value,
                           uint64_t mask);
/* Of a device with behaviours. */
void registers_set_keeper(hwsim_device *device, const journal_keeper *keeper);
void registers_set_lens(hwsim_device *device, register_lens *lens); /* NULL: none */

#endif
