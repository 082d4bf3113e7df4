/* A device: its parts, put together, and its life. */
#include "base/error.h"
#include "base/handle.h"
#include "base/memory.h"
#include "converter/output.h"
#include "converter/signal.h"
#include "converter/threshold.h"
#include "device/power.h"
#include "device/registry.h"
#include "device/resource.h"
#include "events/subscription.h"
#include "events/ticks.h"
#include "models/roles.h"
#include "models/rules.h"
#include "parts/behaviours.h"
#include "parts/faults.h"
#include "parts/firmware.h"
#include "parts/image.h"
#include "timeline/bus.h"
#include "timeline/call.h"

#include <stdlib.h>

/* --------------------------------------------------------------------------------- its parts -- */

/* All in one block of memory, the handle first; the registers, of which a model may have many, in
 * another. Smaller blocks are also those that malloc() has at hand. */
typedef struct block {
  hwsim_device handle;
  observer latches; /* for the registers whose role that is */
} block;

/* Takes the next `size` bytes of the block. */
static void *take(char **next, size_t size) {
  size_t unit = _Alignof(max_align_t);
  void *taken = *next;
  *next += (size + unit - 1) / unit * unit;
  return taken;
}

/* The size of the block; with a device, which is in one, also where its parts are. */
static size_t lay_out(hwsim_device *device) {
  hwsim_device nowhere;
  char *start = (char *)device, *next = start;
  hwsim_device *target = device ? device : &nowhere;
  take(&next, sizeof(block));
  target->timeline = take(&next, timeline_size());
  target->bus = take(&next, bus_size());
  target->observers = take(&next, observers_size());
  target->subscribers = take(&next, subscribers_size());
  target->ticks = take(&next, ticks_size());
  target->converters = take(&next, converters_size());
  target->comparators = take(&next, comparators_size());
  target->faults = take(&next, faults_size());
  target->firmware = take(&next, firmware_size());
  return (size_t)(next - start);
}

static void destroy(hwsim_device *device) {
  faults_clear(device);
  comparators_free(device);
  converters_free(device);
  behaviours_free(device);
  rules_free(device);
  registers_free(device);
  outputs_free(device);
  timeline_free(device);
  image_release(device->model->made);
  free(device);
}

static const handle_life life = {.end = hwsim_device_close, .destroy = destroy};

static const bus_host host = {.holds_back = subscribers_hold_back,
                              .decide = faults_decide,
                              .suffered = faults_suffered,
                              .power_off = power_off,
                              .power_on = power_on};

/* Its parts, before power-on. Errors: those of timeline_open(). */
static hwsim_error assemble(hwsim_device *device, model_image *image) {
  observer *latches = &((block *)(void *)device)->latches;
  hwsim_error error = timeline_open(device);
  device->life = &life;
  atomic_init(&device->references, 1);
  atomic_init(&device->holders, 1);
  bus_open(device, &host);
  observers_open(device);
  subscribers_open(device);
  ticks_open(device);
  comparators_open(device);
  bool good = converters_open(device);
  good = outputs_open(device) && good;
  good = registers_open(device, image) && good;
  latches->happened = roles_observe;
  observers_add(device, latches);
  good = good && rules_open(device);
  return error || good ? error
                       : error_no_memory(device->config.name, OPERATION(device, open)->name);
}

/* Nobody else has the name, so also its flash. */
static void start(hwsim_device *device) {
  firmware_boot(device);
  pthread_mutex_lock(timeline_mutex(device));
  int64_t now_ns = timeline_start(device);
  registers_reset(device, false, NULL, now_ns);
  ticks_power_on(device, now_ns);
  timeline_unlock(device);
}

/* -------------------------------------------------------------------------------------- life -- */

/* Opens a device of the model with this image, of which it takes over a reference. */
static hwsim_error open_image(model_image *image, const char *uri, hwsim_device **device_out) {
  hwsim_config config;
  resource_faults faults = {0};
  hwsim_device *device = NULL;
  hwsim_error error = resource_parse(uri, &image->model, &config, &faults);
  if (!error)
    error = rules_check_clock(image, &config);
  if (!error) {
    device = zeroed(lay_out(NULL));
    if (!device)
      error = error_no_memory(config.name, OPERATION(device, open)->name);
  }
  if (!device) {
    image_release(image);
    goto failed;
  }
  device->config = config;
  device->model = &image->model;
  lay_out(device);
  error = assemble(device, image);
  for (size_t i = 0; !error && i < faults.count; i++)
    error = faults_add(device, &faults.items[i]);
  if (!error)
    error = registry_add(device);
  if (error)
    goto failed;
  start(device);
  free(faults.items);
  *device_out = device;
  return HWSIM_OK;

failed:
  free(faults.items);
  if (device)
    destroy(device);
  return error;
}

hwsim_error hwsim_device_open_model(const hwsim_model *model, const char *uri,
                                    hwsim_device **device_out) {
  model_image *image;
  hwsim_error error = image_of(model, role_behaviours, &image);
  return error ? error : open_image(image, uri, device_out);
}

/* The image of the built-in model, made once: that takes longer than opening a device. A user's
 * model has it as well, from hwsim_model_new(). */
static hwsim_error built_in(model_image **image_out) {
  static _Atomic(model_image *) made;
  model_image *image = atomic_load_explicit(&made, memory_order_acquire), *other = NULL;
  hwsim_error error = HWSIM_OK;
  if (!image) {
    error = image_of(&hwsim_daq, role_behaviours, &image);
    if (!error && !atomic_compare_exchange_strong(&made, &other, image)) {
      image_release(image); /* another thread was first */
      image = other;
    }
  }
  if (!error)
    *image_out = image_retain(image);
  return error;
}

hwsim_error hwsim_device_open(const char *uri, hwsim_device **device_out) {
  model_image *image;
  hwsim_error error = built_in(&image);
  return error ? error : open_image(image, uri, device_out);
}

void hwsim_device_close(hwsim_device *device) {
  if (!device || timeline_lock_any(device, OPERATION(device, close)))
    return; /* an inherited handle */
  if (timeline_close(device)) {
    registry_remove(device); /* whoever is told that it is closed can open it again */
    converters_close(device);
    bus_close(device);
  }
  timeline_unlock(device);
}

hwsim_device *hwsim_device_retain(hwsim_device *device) { return handle_retain(device); }

void hwsim_device_free(hwsim_device *device) {
  if (device)
    handle_release(device);
}

hwsim_error hwsim_device_cancel(hwsim_device *device) {
  hwsim_error error = timeline_lock(device, OPERATION(device, cancel));
  if (error)
    return error;
  timeline_update(device);
  bus_cancel_all(device);
  timeline_unlock(device);
  return HWSIM_OK;
}

static hwsim_error apply_reset(hwsim_device *device, op *self, int64_t at_ns) {
  registers_reset(device, true, self, at_ns);
  return HWSIM_OK;
}

hwsim_error hwsim_device_reset(hwsim_device *device, const hwsim_call *call) {
  static const op_kind kind = {
      .row = OPERATION(device, reset), .apply = apply_reset, .timed = true};
  op self;
  op_prepare(&self, &kind);
  return call_run(device, &self, sizeof self, call);
}

/* --------------------------------------------------------------------- what it says of itself --
 */

bool hwsim_device_is_open(hwsim_device *device) {
  if (handle_is_forked(device))
    return false;
  pthread_mutex_lock(timeline_mutex(device));
  bool is_open = !timeline_is_closed(device);
  pthread_mutex_unlock(timeline_mutex(device));
  return is_open;
}

const hwsim_config *hwsim_device_config(const hwsim_device *device) { return &device->config; }

const hwsim_model *hwsim_device_model(const hwsim_device *device) { return device->model; }

hwsim_error hwsim_device_get_timeout(hwsim_device *device, int64_t *timeout_ns_out) {
  hwsim_error error = timeline_lock_any(device, OPERATION(device, timeout));
  if (error)
    return error;
  *timeout_ns_out = bus_default_timeout(device);
  timeline_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_device_set_timeout(hwsim_device *device, int64_t timeout_ns) {
  const hwsim_operation *operation = OPERATION(device, timeout);
  if (timeout_ns < 0)
    return error_set(HWSIM_EINVALID, device->config.name, operation->name,
                     "timeout must not be negative, got %g s", (double)timeout_ns / 1e9);
  hwsim_error error = timeline_lock_any(device, operation);
  if (error)
    return error;
  bus_set_default_timeout(device, timeout_ns);
  timeline_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_device_transactions(hwsim_device *device, uint64_t *transactions_out) {
  hwsim_error error = timeline_lock_any(device, OPERATION(device, transactions));
  if (error)
    return error;
  *transactions_out = bus_transactions(device);
  timeline_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_device_pending(hwsim_device *device, uint32_t *pending_out) {
  hwsim_error error = timeline_lock_any(device, OPERATION(device, pending));
  if (error)
    return error;
  timeline_update(device);
  *pending_out = bus_pending(device);
  timeline_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_device_is_connected(hwsim_device *device, bool *connected_out) {
  hwsim_error error = timeline_lock_any(device, OPERATION(device, connected));
  if (error)
    return error;
  timeline_update(device);
  *connected_out = !bus_is_off(device);
  timeline_unlock(device);
  return HWSIM_OK;
}

typedef struct wait_connected_op {
  op base;
  bool connected;
} wait_connected_op;

static hwsim_error apply_wait_connected(hwsim_device *device, op *self, int64_t at_ns) {
  (void)at_ns;
  self->wake_ns = FOREVER;
  return bus_is_off(device) != ((wait_connected_op *)self)->connected ? HWSIM_OK : OP_ARMED;
}

hwsim_error hwsim_device_wait_connected(hwsim_device *device, bool connected,
                                        const hwsim_call *call) {
  static const op_kind kind = {.row = OPERATION(device, wait_connected),
                               .apply = apply_wait_connected,
                               .off_bus = true,
                               .observer = true,
                               .timed = true,
                               .open_ended = true};
  wait_connected_op self;
  op_prepare(&self.base, &kind);
  self.base.topic = bus_connection_topic(device);
  self.connected = connected;
  return call_run(device, &self.base, sizeof self, call);
}

typedef struct wait_pending_op {
  op base;
  uint32_t count;
} wait_pending_op;

static hwsim_error apply_wait_pending(hwsim_device *device, op *self, int64_t at_ns) {
  (void)at_ns;
  return bus_pending(device) >= ((wait_pending_op *)self)->count ? HWSIM_OK : OP_ARMED;
}

hwsim_error hwsim_device_wait_pending(hwsim_device *device, uint32_t count,
                                      const hwsim_call *call) {
  static const op_kind kind = {.row = OPERATION(device, wait_pending),
                               .apply = apply_wait_pending,
                               .off_bus = true,
                               .observer = true,
                               .timed = true,
                               .open_ended = true};
  wait_pending_op self;
  op_prepare(&self.base, &kind);
  self.base.topic = bus_pending_topic(device);
  self.count = count;
  return call_run(device, &self.base, sizeof self, call);
}
