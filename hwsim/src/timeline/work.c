/* Long work, in steps that can be stopped and are reported. */
#include "timeline/work.h"

#include "base/error.h"
#include "base/handle.h"
#include "timeline/bus.h"
#include "timeline/callout.h"
#include "timeline/hooks.h"
#include "timeline/submit.h"

#define REPORT_NS 20000000

hwsim_error work_begin(work *self, hwsim_device *device, const hwsim_operation *operation,
                       uint64_t total, int64_t expected_ns, const hwsim_call *call,
                       const hwsim_progress *progress) {
  int64_t timeout_ns = call ? call->timeout_ns : HWSIM_TIMEOUT_DEFAULT;
  hwsim_error error = submit_check_timeout(device, operation, timeout_ns);
  if (error)
    return error;
  *self = (work){.device = device,
                 .operation = operation,
                 .cancel = call ? call->cancel : NULL,
                 .progress = progress,
                 .total = total,
                 .report_every_ns = expected_ns ? REPORT_NS : 0,
                 .timeout_ns = timeout_ns,
                 .deadline_ns = FOREVER};
  error = timeline_lock(device, operation);
  if (error)
    return error;
  if (timeout_ns != HWSIM_TIMEOUT_DEFAULT)
    self->deadline_ns = time_after(timeline_now(device), timeout_ns);
  self->device_cancels = bus_cancels(device);
  timeline_unlock(device);
  self->entered = hooks_enter(callout_concerns(device) ? HWSIM_EXPECTED_BEHAVIOUR : expected_ns);
  return HWSIM_OK;
}

static hwsim_error fail(const work *self, hwsim_error code) {
  return error_set_plain(code, self->device->config.name, self->operation->name);
}

static hwsim_error report(work *self) {
  if (!self->progress || !self->progress->report)
    return HWSIM_OK;
  int64_t now_ns = monotonic_ns();
  if (now_ns < self->report_at_ns && self->done < self->total)
    return HWSIM_OK;
  self->report_at_ns = now_ns + self->report_every_ns;
  return self->progress->report(self->progress->user, self->done, self->total)
             ? fail(self, HWSIM_ECANCELLED)
             : HWSIM_OK;
}

hwsim_error work_step(work *self, uint64_t step) {
  self->done += step;
  hwsim_error error = report(self);
  return error ? error : work_check(self);
}

hwsim_error work_check(work *self) {
  if (hooks_interrupted(&self->poll_at_ns) || (self->cancel && hwsim_cancel_is_set(self->cancel)))
    return fail(self, HWSIM_ECANCELLED);
  hwsim_device *device = self->device;
  hwsim_error error = timeline_lock(device, self->operation);
  if (error)
    return error;
  bool cancelled = bus_cancels(device) != self->device_cancels;
  bool late = self->deadline_ns != FOREVER && timeline_now(device) >= self->deadline_ns;
  timeline_unlock(device);
  if (cancelled)
    return fail(self, HWSIM_ECANCELLED);
  return late ? work_late(self) : HWSIM_OK;
}

hwsim_error work_late(const work *self) {
  return error_set(HWSIM_ETIMEOUT, self->device->config.name, self->operation->name,
                   "not done within the timeout of %g s", (double)self->timeout_ns / 1e9);
}

void work_end(work *self, bool success) {
  if (success && self->done < self->total) {
    self->done = self->total;
    (void)report(self); /* it is done: too late to stop it */
  }
  hooks_leave(self->entered);
}
