/* Devices: the registry of open ones, their life, and what fork() does to them. */
#include "internal.h"

#include <math.h>
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
unsigned fork_generation;

static void before_fork(void) {
  pthread_mutex_lock(&registry_mutex);
  firmware_before_fork();
  timer_before_fork();
}

static void after_fork_in_parent(void) {
  timer_after_fork(false);
  firmware_after_fork();
  pthread_mutex_unlock(&registry_mutex);
}

static void after_fork_in_child(void) {
  fork_generation++;
  /* The parent's devices: their mutexes may be locked for good, never touch them. */
  for (size_t i = 0; i < registry.slot_count; i++)
    registry.slots[i] = NULL;
  registry.count = 0;
  timer_after_fork(true);
  firmware_after_fork();
  pthread_mutex_unlock(&registry_mutex); /* the thread that locked it is this one */
}

__attribute__((constructor)) static void initialise(void) {
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* The link to the device of this name, or where it would be appended. */
static hwsim_device **registry_find(const char *name) {
  uint32_t hash = 2166136261; /* FNV-1a */
  for (const char *c = name; *c; c++)
    hash = (hash ^ (unsigned char)*c) * 16777619;
  hwsim_device **link = &registry.slots[hash & (registry.slot_count - 1)];
  while (*link && strcmp((*link)->config.name, name) != 0)
    link = &(*link)->registry_next;
  return link;
}

/* Doubles the slots. False: there is no memory for that. */
static bool registry_grow(void) {
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
      *registry_find(device->config.name) = device;
    }
  free(old);
  return true;
}

static hwsim_error registry_add(hwsim_device *device) {
  hwsim_error error = HWSIM_OK;
  const char *name = device->config.name;
  pthread_mutex_lock(&registry_mutex);
  device->generation = fork_generation;
  if (registry.count == registry.slot_count && !registry_grow() && !registry.slots) {
    error = error_no_memory(name, "open");
  } else {
    hwsim_device **link = registry_find(name);
    if (*link) {
      error = error_set(HWSIM_EINUSE, name, "open",
                        "'%s' is in use: it is already open in this process; close it first", name);
    } else {
      *link = device;
      registry.count++;
    }
  }
  pthread_mutex_unlock(&registry_mutex);
  return error;
}

static void registry_remove(hwsim_device *device) {
  pthread_mutex_lock(&registry_mutex);
  *registry_find(device->config.name) = device->registry_next;
  registry.count--;
  pthread_mutex_unlock(&registry_mutex);
}

static void destroy(hwsim_device *device) {
  faults_free(device);
  signals_close(device);
  free(device->comparators);
  pthread_mutex_destroy(&device->mutex);
  free(device);
}

hwsim_error hwsim_device_open(const char *uri, hwsim_device **device_out) {
  resource_faults faults = {0};
  hwsim_device *device = calloc(1, sizeof *device);
  if (!device)
    return error_no_memory("", "open");
  pthread_mutex_init(&device->mutex, NULL);
  atomic_init(&device->references, 1);
  atomic_init(&device->holders, 1);
  hwsim_config *config = &device->config;
  hwsim_error error = resource_parse(uri, config, &faults);
  if (error)
    goto failed;
  device->epoch_ns = clock_monotonic_ns();
  device->timeout_ns = config->timeout_ns;
  device->timer_ns = config->timer_ns;
  device->instant = !config->latency_ns && !config->jitter_ns && isinf(config->bandwidth_bps);
  registers_reset(device, 0);
  error = signals_open(device);
  for (size_t i = 0; !error && i < faults.count; i++)
    error = faults_add(device, &faults.items[i]);
  if (!error)
    error = registry_add(device);
  if (error)
    goto failed;
  firmware_boot(device); /* from here on nobody else has the flash of this name */
  free(faults.items);
  *device_out = device;
  return HWSIM_OK;

failed:
  free(faults.items);
  destroy(device);
  return error;
}

bool device_is_forked(const hwsim_device *device) { return device->generation != fork_generation; }

void hwsim_device_close(hwsim_device *device) {
  if (!device || device_is_forked(device))
    return;
  pthread_mutex_lock(&device->mutex);
  if (!device->closed) {
    device->closed_ns = clock_now(device);
    device->closed = true;
    bus_settle(device, device->closed_ns); /* what was done in time keeps its result */
    registry_remove(device);               /* whoever is told that it is closed can open it again */
    bus_abort_all(device, HWSIM_ECLOSED);
  }
  pthread_mutex_unlock(&device->mutex);
}

hwsim_device *hwsim_device_retain(hwsim_device *device) {
  atomic_fetch_add(&device->references, 1);
  return device;
}

void hwsim_device_free(hwsim_device *device) {
  if (!device || atomic_fetch_sub(&device->references, 1) > 1)
    return;
  if (device_is_forked(device))
    return; /* its locks and lists may be in any state: leave the copy to the end of the process */
  hwsim_device_close(device);
  device_drop(device);
}

void device_hold(hwsim_device *device) { atomic_fetch_add(&device->holders, 1); }

void device_drop(hwsim_device *device) {
  if (atomic_fetch_sub(&device->holders, 1) == 1)
    destroy(device);
}

hwsim_error device_lock_any(hwsim_device *device, const char *operation) {
  if (device_is_forked(device))
    return error_set(HWSIM_EFORKED, device->config.name, operation,
                     "the device was opened before fork(), in the parent process; "
                     "open it again in this one");
  pthread_mutex_lock(&device->mutex);
  return HWSIM_OK;
}

hwsim_error device_lock(hwsim_device *device, const char *operation) {
  hwsim_error error = device_lock_any(device, operation);
  if (!error && device->closed) {
    pthread_mutex_unlock(&device->mutex);
    error = error_set(HWSIM_ECLOSED, device->config.name, operation, "the device is closed");
  }
  return error;
}

void device_unlock(hwsim_device *device) { pthread_mutex_unlock(&device->mutex); }

hwsim_error hwsim_device_cancel(hwsim_device *device) {
  hwsim_error error = device_lock(device, "cancel");
  if (error)
    return error;
  bus_settle(device, clock_now(device));
  bus_abort_all(device, HWSIM_ECANCELLED);
  device->cancels++;
  device_unlock(device);
  return HWSIM_OK;
}

bool hwsim_device_is_open(hwsim_device *device) {
  if (device_is_forked(device))
    return false;
  pthread_mutex_lock(&device->mutex);
  bool is_open = !device->closed;
  pthread_mutex_unlock(&device->mutex);
  return is_open;
}

const hwsim_config *hwsim_device_config(const hwsim_device *device) { return &device->config; }

hwsim_error hwsim_device_get_timeout(hwsim_device *device, int64_t *timeout_ns_out) {
  hwsim_error error = device_lock_any(device, "timeout");
  if (error)
    return error;
  *timeout_ns_out = device->timeout_ns;
  device_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_device_set_timeout(hwsim_device *device, int64_t timeout_ns) {
  if (timeout_ns < 0)
    return error_set(HWSIM_EINVALID, device->config.name, "timeout",
                     "timeout must not be negative, got %g s", (double)timeout_ns / 1e9);
  hwsim_error error = device_lock_any(device, "timeout");
  if (error)
    return error;
  device->timeout_ns = timeout_ns;
  device_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_device_transactions(hwsim_device *device, uint64_t *transactions_out) {
  hwsim_error error = device_lock_any(device, "transactions");
  if (error)
    return error;
  *transactions_out = device->transactions;
  device_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_device_pending(hwsim_device *device, uint32_t *pending_out) {
  hwsim_error error = device_lock_any(device, "pending");
  if (error)
    return error;
  if (!device->closed)
    bus_settle(device, clock_now(device));
  *pending_out = device->pending;
  device_unlock(device);
  return HWSIM_OK;
}

typedef struct wait_pending_op {
  op base;
  uint32_t count;
} wait_pending_op;

static hwsim_error apply_wait_pending(hwsim_device *device, op *self, int64_t at_ns) {
  (void)at_ns;
  return device->pending >= ((wait_pending_op *)self)->count ? HWSIM_OK : OP_ARMED;
}

hwsim_error hwsim_device_wait_pending(hwsim_device *device, uint32_t count,
                                      const hwsim_call *call) {
  wait_pending_op self = {.base = {.name = "wait_pending",
                                   .apply = apply_wait_pending,
                                   .observer = true,
                                   .timed = true,
                                   .open_ended = true},
                          .count = count};
  return bus_run_armed(device, &self.base, call);
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
    if (!registry.slots || !*registry_find(bench[i]))
      strcpy(listing[count++].name, bench[i]);
  pthread_mutex_unlock(&registry_mutex);
  if (!listing)
    return error_no_memory("", "list_devices");
  qsort(listing, count, sizeof *listing, compare_listings);
  *count_out = count;
  *listing_out = listing;
  return HWSIM_OK;
}
