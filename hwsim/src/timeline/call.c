/* Calls: an operation submitted with a caller's options, and seen through. */
#include "timeline/call.h"

#include "base/error.h"
#include "base/handle.h"
#include "timeline/bus.h"
#include "timeline/cancel.h"
#include "timeline/hooks.h"
#include "timeline/request.h"
#include "timeline/submit.h"
#include "timeline/wait.h"

/* Submits it and waits for its end. */
__attribute__((noinline)) static hwsim_error run_in_time(hwsim_device *device, op *self,
                                                         const hwsim_call *call) {
  hwsim_error error = submit_locked(device, self, call);
  if (error)
    return error;
  const hwsim_hooks *entered = NULL;
  bool waits = op_is_pending(self);
  if (waits) {
    handle_retain(device); /* its owner may free it meanwhile */
    error = wait_for(device, self, &entered);
  }
  if (error != HWSIM_EFORKED) /* otherwise this is a forked child, and the device is the parent's */
    timeline_unlock(device);
  if (!error)
    error = self->result;
  if (error)
    op_describe(device, self, error);
  if (waits)
    submit_end(device, self);
  else
    cancel_detach(&self->cancel);
  hooks_leave(entered); /* last: a hook may end the thread, as CPython does when it shuts down */
  return error;
}

hwsim_error call_run(hwsim_device *device, op *self, size_t size, const hwsim_call *call) {
  bool plain =
      !call || (!call->cancel && !call->request && call->timeout_ns >= HWSIM_TIMEOUT_DEFAULT);
  if (!plain || !bus_run_at_once(device, self))
    return call && call->request ? request_run(device, self, size, call)
                                 : run_in_time(device, self, call);
  if (!self->result)
    return HWSIM_OK;
  self->fate = (fate){0};
  return op_describe(device, self, self->result);
}
