/* Submitting an operation with a caller's options: nobody waits. */
#ifndef HWSIM_TIMELINE_SUBMIT_H
#define HWSIM_TIMELINE_SUBMIT_H

#include "timeline/operation.h"

/* With details. EINVALID: a timeout that no call may have. */
hwsim_error submit_check_timeout(const hwsim_device *device, const hwsim_operation *operation,
                                 int64_t timeout_ns);
/* Puts it on the timeline. OK: the mutex is held, and the operation is pending or has ended. */
hwsim_error submit_locked(hwsim_device *device, op *self, const hwsim_call *call);
/* Submits the operation and returns at once. OK: `done` is called once when it has ended, with the
 * device's mutex held, on whatever thread lets that happen, maybe this one before it returns; the
 * result is in self->result. Before that `moved` is called, if it is pending, and whenever its next
 * event comes at another time; it may be NULL. After it submit_end() is due, with no lock held.
 * Another code: it was refused, with details in hwsim_error_last(), and neither is called. */
hwsim_error hwsim_submit(hwsim_device *device, op *self, const hwsim_call *call, op_callback *done,
                         op_callback *moved, void *user);
/* Lets go of what the operation needed: the device, the token. */
void submit_end(hwsim_device *device, op *self);

#endif
