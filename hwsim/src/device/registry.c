/* The registry: open devices by name, the list of those that can be seen, and what fork() does to
 * all of them. */
#include "device/registry.h"

#include "base/array.h"
#include "base/error.h"
#include "base/handle.h"
#include "events/delivery.h"
#include "parts/flash.h"
#include "timeline/operation.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char *const bench[] = {"daq0", "daq1", "daq2", "daq3", "daq4", "daq5", "daq6", "daq7"};

/* Open devices by name: a hash table, whose slots are lists. A balanced tree would cost each device
 * more, the more there are. Guarded by registry_mutex, which is held across fork() so that the
 * child finds it free and the table whole. */
static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
  hwsim_device **slots; /* a power of two of them, at least as many as devices if memory allows */
  size_t slot_count, count;
} registry;

static void before_fork(void) {
  pthread_mutex_lock(&registry_mutex);
  flash_before_fork();
  delivery_before_fork();
}

static void after_fork_in_parent(void) {
  delivery_after_fork(false);
  flash_after_fork();
  pthread_mutex_unlock(&registry_mutex);
}

static void after_fork_in_child(void) {
  fork_generation++;
  /* The parent's devices: their mutexes may be locked for good, never touch them. */
  for (size_t i = 0; i < registry.slot_count; i++)
    registry.slots[i] = NULL;
  registry.count = 0;
  delivery_after_fork(true);
  flash_after_fork();
  pthread_mutex_unlock(&registry_mutex); /* the thread that locked it is this one */
}

__attribute__((constructor)) static void initialise(void) {
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* The link to the device of this name, or where it would be appended. */
static hwsim_device **find(const char *name) {
  uint32_t hash = 2166136261; /* FNV-1a */
  for (const char *c = name; *c; c++)
    hash = (hash ^ (unsigned char)*c) * 16777619;
  hwsim_device **link = &registry.slots[hash & (registry.slot_count - 1)];
  while (*link && strcmp((*link)->config.name, name) != 0)
    link = &(*link)->registry_next;
  return link;
}

/* Doubles the slots. False: there is no memory for that. */
static bool grow(void) {
  hwsim_device **old = registry.slots;
  size_t old_count = registry.slot_count, count = old_count ? 2 * old_count : 64;
  hwsim_device **slots = calloc(count, sizeof *slots);
  if (!slots)
    return false;
  registry.slots = slots;
  registry.slot_count = count;
  for (size_t i = 0; i < old_count; i++)
    for (hwsim_device *device = old[i], *next; device; device = next) {
      next = device->registry_next;
      device->registry_next = NULL;
      *find(device->config.name) = device;
    }
  free(old);
  return true;
}

hwsim_error registry_add(hwsim_device *device) {
  hwsim_error error = HWSIM_OK;
  const char *name = device->config.name, *operation = OPERATION(device, open)->name;
  pthread_mutex_lock(&registry_mutex);
  device->generation = fork_generation;
  if (registry.count == registry.slot_count && !grow() && !registry.slots) {
    error = error_no_memory(name, operation);
  } else {
    hwsim_device **link = find(name);
    if (*link) {
      error = error_set(HWSIM_EINUSE, name, operation,
                        "'%s' is in use: it is already open in this process; close it first", name);
    } else {
      *link = device;
      registry.count++;
    }
  }
  pthread_mutex_unlock(&registry_mutex);
  return error;
}

void registry_remove(hwsim_device *device) {
  pthread_mutex_lock(&registry_mutex);
  *find(device->config.name) = device->registry_next;
  registry.count--;
  pthread_mutex_unlock(&registry_mutex);
}

static int compare_listings(const void *a, const void *b) {
  return strcmp(((const hwsim_listing *)a)->name, ((const hwsim_listing *)b)->name);
}

hwsim_error hwsim_device_list(size_t *count_out, hwsim_listing **listing_out) {
  size_t count = 0;
  pthread_mutex_lock(&registry_mutex);
  hwsim_listing *listing = calloc(registry.count + ARRAY_LENGTH(bench), sizeof *listing);
  for (size_t i = 0; listing && i < registry.slot_count; i++)
    for (const hwsim_device *device = registry.slots[i]; device; device = device->registry_next) {
      memcpy(listing[count].name, device->config.name, sizeof listing->name);
      listing[count++].in_use = true;
    }
  for (size_t i = 0; listing && i < ARRAY_LENGTH(bench); i++)
    if (!registry.slots || !*find(bench[i]))
      strcpy(listing[count++].name, bench[i]);
  pthread_mutex_unlock(&registry_mutex);
  if (!listing)
    return error_no_memory("", OPERATION(library, list_devices)->name);
  qsort(listing, count, sizeof *listing, compare_listings);
  *count_out = count;
  *listing_out = listing;
  return HWSIM_OK;
}
