/* Submitting an operation with a caller's options: nobody waits. */
#include "timeline/submit.h"

#include "base/error.h"
#include "base/handle.h"
#include "timeline/bus.h"
#include "timeline/callout.h"
#include "timeline/cancel.h"

hwsim_error submit_check_timeout(const hwsim_device *device, const hwsim_operation *operation,
                                 int64_t timeout_ns) {
  if (timeout_ns >= HWSIM_TIMEOUT_DEFAULT)
    return HWSIM_OK;
  return error_set(HWSIM_EINVALID, device->config.name, operation->name,
                   "timeout must not be negative, got %g s", (double)timeout_ns / 1e9);
}

static hwsim_error attach(hwsim_device *device, op *self, hwsim_cancel *token) {
  self->cancelled_on = device;
  self->state = OP_ENDED; /* not on the timeline yet */
  hwsim_error error = cancel_attach(token, &self->cancel, cancel_operation);
  if (error == HWSIM_EFORKED)
    return error_set(error, device->config.name, op_name(self),
                     "the cancel token was made before fork(), in the parent process; make a new "
                     "one in this process");
  return error ? op_describe(device, self, error) : HWSIM_OK;
}

hwsim_error submit_locked(hwsim_device *device, op *self, const hwsim_call *call) {
  hwsim_cancel *token = call ? call->cancel : NULL;
  int64_t timeout_ns = call ? call->timeout_ns : HWSIM_TIMEOUT_DEFAULT;
  self->fate = (fate){0};
  if (callout_forbids(device))
    return callout_refuse(device, self->kind->row);
  hwsim_error error = submit_check_timeout(device, self->kind->row, timeout_ns);
  if (error || (error = attach(device, self, token)))
    return error;
  error = timeline_lock(device, self->kind->row);
  if (error) {
    cancel_detach(&self->cancel);
    return error;
  }
  if (timeout_ns == HWSIM_TIMEOUT_DEFAULT)
    timeout_ns = bus_default_timeout(device);
  if (token && hwsim_cancel_is_set(token)) { /* since it was attached */
    self->state = OP_ENDED;
    self->result = HWSIM_ECANCELLED;
  } else {
    bus_submit(device, self, timeout_ns);
  }
  return HWSIM_OK;
}

hwsim_error hwsim_submit(hwsim_device *device, op *self, const hwsim_call *call, op_callback *done,
                         op_callback *moved, void *user) {
  hwsim_error error = submit_locked(device, self, call);
  if (error)
    return error;
  handle_retain(device);
  self->done = done;
  self->moved = moved;
  self->user = user;
  self->asynchronous = true;
  if (!op_is_pending(self))
    done(self, user);
  else if (moved)
    moved(self, user);
  timeline_unlock(device);
  return HWSIM_OK;
}

void submit_end(hwsim_device *device, op *self) {
  cancel_detach(&self->cancel);
  handle_release(device);
}
