/* Registers: what they hold, what reading and writing does to each kind of access, and the
 * operations on them. */
#ifndef HWSIM_PARTS_REGISTERS_H
#define HWSIM_PARTS_REGISTERS_H

#include "parts/image.h"

/* What operation `number` sees of a register instead of its value. */
typedef uint64_t register_lens(const hwsim_device *device, uint64_t number, uint32_t address,
                               uint64_t value);

typedef struct registers registers;

/* False: no memory. The image is kept, also if this fails. */
bool registers_open(hwsim_device *device, model_image *image);
void registers_free(hwsim_device *device);

/* The rest: mutex held. A role that the model does not use holds 0. */
uint64_t registers_get(const hwsim_device *device, hwsim_role role);
void registers_set(hwsim_device *device, hwsim_role role, uint64_t value);
int64_t registers_reset_ns(const hwsim_device *device); /* when they were reset */
/* Each change is an event, unless the cause is NULL. */
void registers_reset(hwsim_device *device, const op *cause, int64_t at_ns);
/* What one of them reads may have changed, apart from what it holds. */
void registers_touch(hwsim_device *device);
void registers_set_lens(hwsim_device *device, register_lens *lens); /* NULL: none */

#endif
