/* A device as every layer sees it: a configuration, and parts that are private to the files that
 * own them.
 *
 * A lower layer passes the handle on and reaches its own part of it; those above it are incomplete
 * types there. device/device.c puts them together. */
#ifndef HWSIM_BASE_HANDLE_H
#define HWSIM_BASE_HANDLE_H

#include "hwsim/hwsim.h"

#include <stdatomic.h>

/* What ends with the last owner, and with the last holder of the memory. */
typedef struct handle_life {
  void (*end)(hwsim_device *device);
  void (*destroy)(hwsim_device *device);
} handle_life;

struct hwsim_device {
  /* Constant after open. */
  hwsim_config config;
  const hwsim_model *model;
  unsigned generation; /* the fork generation of the process that opened it */
  const struct handle_life *life;

  struct timeline *timeline;
  struct bus *bus;
  struct observers *observers;
  struct ticks *ticks;
  struct subscribers *subscribers;
  struct converters *converters;
  struct comparators *comparators;
  struct outputs *outputs; /* NULL: the model has none */
  struct registers *registers;
  struct rules *rules;           /* NULL: the model has none */
  struct behaviours *behaviours; /* NULL: it has none */
  struct faults *faults;
  struct firmware *firmware;

  atomic_int references;       /* owners, who keep it open */
  atomic_int holders;          /* of the memory: all owners together, and each subscription */
  hwsim_device *registry_next; /* the registry's */
};

/* Grows with each fork() on the way to this process. */
extern unsigned fork_generation;

static inline bool handle_is_forked(const hwsim_device *device) {
  return device->generation != fork_generation;
}

/* One more owner; returns the device. */
hwsim_device *handle_retain(hwsim_device *device);
/* One owner less; the last one closes the device. In a forked child the copy is left as it is. */
void handle_release(hwsim_device *device);
/* Keep the memory, but not the device open. */
void handle_hold(hwsim_device *device);
void handle_drop(hwsim_device *device);

#endif
