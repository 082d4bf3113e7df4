/* Long operations: what makes them stoppable and observable while they compute. */
#include "internal.h"

#define REPORT_NS 20000000

hwsim_error long_operation_begin(long_operation *self, hwsim_device *device, const char *name,
                                 uint64_t total, int64_t expected_ns, const hwsim_call *call,
                                 const hwsim_progress *progress) {
  int64_t timeout_ns = call ? call->timeout_ns : HWSIM_TIMEOUT_DEFAULT;
  if (timeout_ns < HWSIM_TIMEOUT_DEFAULT)
    return error_set(HWSIM_EINVALID, device->config.name, name,
                     "timeout must not be negative, got %g s", (double)timeout_ns / 1e9);
  *self = (long_operation){.device = device,
                           .name = name,
                           .cancel = call ? call->cancel : NULL,
                           .progress = progress,
                           .total = total,
                           .report_every_ns = expected_ns ? REPORT_NS : 0,
                           .timeout_ns = timeout_ns,
                           .deadline_ns = FOREVER};
  hwsim_error error = device_lock(device, name);
  if (error)
    return error;
  if (timeout_ns != HWSIM_TIMEOUT_DEFAULT)
    self->deadline_ns = add_saturated(clock_now(device), timeout_ns);
  self->device_cancels = device->cancels;
  device_unlock(device);
  self->entered = clock_begin_work(expected_ns);
  return HWSIM_OK;
}

static hwsim_error fail(const long_operation *self, hwsim_error code) {
  return error_set(code, self->device->config.name, self->name, "%s", hwsim_error_message(code));
}

static hwsim_error report(long_operation *self) {
  if (!self->progress || !self->progress->report)
    return HWSIM_OK;
  int64_t now_ns = clock_monotonic_ns();
  if (now_ns < self->report_at_ns && self->done < self->total)
    return HWSIM_OK;
  self->report_at_ns = now_ns + self->report_every_ns;
  return self->progress->report(self->progress->user, self->done, self->total)
             ? fail(self, HWSIM_ECANCELLED)
             : HWSIM_OK;
}

hwsim_error long_operation_step(long_operation *self, uint64_t step) {
  self->done += step;
  hwsim_error error = report(self);
  return error ? error : long_operation_check(self);
}

hwsim_error long_operation_check(long_operation *self) {
  if (clock_interrupted(&self->poll_at_ns) || (self->cancel && hwsim_cancel_is_set(self->cancel)))
    return fail(self, HWSIM_ECANCELLED);
  hwsim_device *device = self->device;
  hwsim_error error = device_lock(device, self->name);
  if (error)
    return error;
  bool cancelled = device->cancels != self->device_cancels;
  bool late = self->deadline_ns != FOREVER && clock_now(device) >= self->deadline_ns;
  device_unlock(device);
  if (cancelled)
    return fail(self, HWSIM_ECANCELLED);
  return late ? long_operation_late(self) : HWSIM_OK;
}

hwsim_error long_operation_late(const long_operation *self) {
  return error_set(HWSIM_ETIMEOUT, self->device->config.name, self->name,
                   "not done within the timeout of %g s", (double)self->timeout_ns / 1e9);
}

void long_operation_end(long_operation *self, bool success) {
  if (success && self->done < self->total) {
    self->done = self->total;
    (void)report(self); /* it is done: too late to stop it */
  }
  clock_end_work(self->entered);
}
