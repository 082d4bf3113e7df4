/* A model: what a kind of device is, as data. Included by hwsim.h.
 *
 * Every device is one of a model, which hwsim_device_open_model() is given; hwsim_device_open()
 * uses the built-in one, hwsim_daq. A model is constant, and outlives every device of it. */
#ifndef HWSIM_MODEL_H
#define HWSIM_MODEL_H

#include <stddef.h>
#include <stdint.h>

typedef enum hwsim_access {
  HWSIM_ACCESS_RW = 0,
  HWSIM_ACCESS_RO = 1,
  HWSIM_ACCESS_WO = 2,
  HWSIM_ACCESS_W1C = 3, /* a written 1 clears its bit */
  HWSIM_ACCESS_RC = 4   /* read-only, reading clears it */
} hwsim_access;

/* X(name, value, meaning): what a register has to do with the rest of the device. A model uses each
 * role but NONE at most once; what it leaves out the device has not. */
#define HWSIM_ROLES(X)                                                                             \
  X(NONE, 0, "holds a value, no more")                                                             \
  X(FIRMWARE_VERSION, 1, "reads the version of the firmware that runs")                            \
  X(CONVERTERS, 2, "bit 0 enables the converters; without this role they always are")              \
  X(STATUS, 3, "bit 0: converters ready; bit 1: EVENT_STATUS & EVENT_MASK not 0")                  \
  X(UPTIME, 4, "reads milliseconds since open, reset or power-on, modulo 2^32")                    \
  X(FAULT_COUNT, 5, "counts the faults that operations have suffered")                             \
  X(EVENT_MASK, 6, "which events set bit 1 of STATUS")                                             \
  X(EVENT_STATUS, 7, "bit n is set by an event of kind n, see hwsim_event")                        \
  X(COMMAND, 8, "writing 1 is a software reset")                                                   \
  X(CHANNELS, 9, "reads the number of channels")

typedef enum hwsim_role {
#define HWSIM_X(name, value, meaning) HWSIM_ROLE_##name = value,
  HWSIM_ROLES(HWSIM_X)
#undef HWSIM_X
} hwsim_role;

typedef struct hwsim_register {
  const char *name;
  uint32_t address; /* bytes; registers are 32 bits wide and aligned to 4 */
  hwsim_access access;
  uint32_t reset_value; /* at power-on, too */
  uint32_t writable;    /* bits that a write can change; the others keep their value */
  const char *description;
  hwsim_role role;
} hwsim_register;

struct hwsim_signal;

typedef struct hwsim_model {
  const char *name;                /* of the kind, such as "daq" */
  const hwsim_register *registers; /* sorted by address, each address and name once */
  size_t register_count;           /* from 1 */
  uint32_t channels;               /* 1 to 64, unless the resource string says otherwise */
  /* What is connected at power-on to each of `channels` channels; NULL: hwsim_signal_default(). */
  const struct hwsim_signal *signals;
} hwsim_model;

#endif
