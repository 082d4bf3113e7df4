/* The registry: open devices by name, the list of those that can be seen, and what fork() does to
 * all of them. */
#include "device/registry.h"

#include "base/array.h"
#include "base/error.h"
#include "base/handle.h"
#include "base/time.h"
#include "events/delivery.h"
#include "parts/flash.h"
#include "timeline/cancel.h"
#include "timeline/hooks.h"
#include "timeline/job.h"
#include "timeline/operation.h"
#include "timeline/timeline.h"
#include "timeline/wait.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char *const bench[] = {"daq0", "daq1", "daq2", "daq3", "daq4", "daq5", "daq6", "daq7"};

/* Open devices by name: a hash table, whose slots are lists. A balanced tree would cost each device
 * more, the more there are. Guarded by registry_mutex, which is held across fork() so that the
 * child finds it free and the table whole. */
static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed; /* a name is in use no more, or a wait for that is cancelled */
static struct {
  hwsim_device **slots; /* a power of two of them, at least as many as devices if memory allows */
  size_t slot_count, count;
} registry;

static void before_fork(void) {
  pthread_mutex_lock(&registry_mutex);
  timelines_before_fork();
  flash_before_fork();
  delivery_before_fork();
}

static void after_fork_in_parent(void) {
  delivery_after_fork(false);
  flash_after_fork();
  timelines_after_fork(false);
  pthread_mutex_unlock(&registry_mutex);
}

static void after_fork_in_child(void) {
  fork_generation++;
  /* The parent's devices: their mutexes may be locked for good, never touch them. */
  for (size_t i = 0; i < registry.slot_count; i++)
    registry.slots[i] = NULL;
  registry.count = 0;
  wait_init_condition(&freed); /* it has no waiters here */
  delivery_after_fork(true);
  flash_after_fork();
  timelines_after_fork(true);
  pthread_mutex_unlock(&registry_mutex); /* the thread that locked it is this one */
}

__attribute__((constructor)) static void initialise(void) {
  wait_init_condition(&freed);
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
  pthread_cond_broadcast(&freed);
  pthread_mutex_unlock(&registry_mutex);
}

static bool is_in_use(const char *name) { return registry.slots && *find(name); }

/* A wait for a name. All of it is guarded by the registry's mutex. */
typedef struct name_wait {
  cancel_link cancel;
  bool cancelled;
} name_wait;

/* The token's mutex is held. */
static void cancel_wait(cancel_link *link) {
  pthread_mutex_lock(&registry_mutex);
  ELEMENT(link, name_wait, cancel)->cancelled = true;
  pthread_cond_broadcast(&freed);
  pthread_mutex_unlock(&registry_mutex);
}

static hwsim_error wait_until_free(name_wait *self, const char *name, int64_t until_ns) {
  const hwsim_hooks *hooks = hooks_current();
  int64_t poll_at_ns = hooks && hooks->poll ? monotonic_ns() + POLL_NS : FOREVER;
  hwsim_error error = HWSIM_OK;
  pthread_mutex_lock(&registry_mutex);
  while (!error && is_in_use(name)) {
    int64_t now_ns = monotonic_ns();
    if (self->cancelled) {
      error = HWSIM_ECANCELLED;
    } else if (now_ns >= until_ns) {
      error = HWSIM_ETIMEOUT;
    } else if (now_ns < poll_at_ns) {
      wait_on_condition(&freed, &registry_mutex, earlier(until_ns, poll_at_ns));
    } else { /* it may fork: in the child no name is in use */
      pthread_mutex_unlock(&registry_mutex);
      bool interrupted = hooks_interrupted(&poll_at_ns);
      pthread_mutex_lock(&registry_mutex);
      error = interrupted && is_in_use(name) ? HWSIM_ECANCELLED : HWSIM_OK;
    }
  }
  pthread_mutex_unlock(&registry_mutex);
  return error;
}

static hwsim_error run_job(hwsim_device *device, void *name, const hwsim_call *call,
                           const hwsim_progress *progress) {
  (void)device, (void)progress;
  return hwsim_wait_free(name, call);
}

static hwsim_error wait_for_request(const char *name, const hwsim_call *call) {
  void *data;
  bool ended = false;
  size_t size = strlen(name) + 1;
  hwsim_error error =
      job_begin(call, name, OPERATION(library, wait_free), run_job, size, &data, &ended);
  if (error || ended)
    return error ? error : job_end(call);
  memcpy(data, name, size);
  return job_start(NULL, call);
}

hwsim_error hwsim_wait_free(const char *name, const hwsim_call *call) {
  const char *operation = OPERATION(library, wait_free)->name;
  int64_t timeout_ns = call ? call->timeout_ns : HWSIM_TIMEOUT_DEFAULT;
  if (timeout_ns < HWSIM_TIMEOUT_DEFAULT)
    return error_set(HWSIM_EINVALID, name, operation, "timeout must not be negative, got %g s",
                     (double)timeout_ns / 1e9);
  if (request_of(call))
    return wait_for_request(name, call);
  if (timeout_ns == HWSIM_TIMEOUT_DEFAULT)
    timeout_ns = HWSIM_TIMEOUT_NEVER;
  name_wait self = {.cancelled = false};
  hwsim_error error = cancel_attach(call ? call->cancel : NULL, &self.cancel, cancel_wait);
  if (error)
    return error_set_plain(error, name, operation);
  pthread_mutex_lock(&registry_mutex);
  bool waits = is_in_use(name);
  pthread_mutex_unlock(&registry_mutex);
  const hwsim_hooks *entered = waits ? hooks_enter(timeout_ns) : NULL;
  if (waits)
    error = wait_until_free(&self, name, add_saturated(monotonic_ns(), timeout_ns));
  cancel_detach(&self.cancel);
  if (error == HWSIM_ETIMEOUT)
    error_set(error, name, operation, "'%s' is in use, also after %g s", name,
              (double)timeout_ns / 1e9);
  else if (error)
    error_set_plain(error, name, operation);
  hooks_leave(entered);
  return error;
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
    if (!is_in_use(bench[i]))
      strcpy(listing[count++].name, bench[i]);
  pthread_mutex_unlock(&registry_mutex);
  if (!listing)
    return error_no_memory("", OPERATION(library, list_devices)->name);
  qsort(listing, count, sizeof *listing, compare_listings);
  *count_out = count;
  *listing_out = listing;
  return HWSIM_OK;
}
