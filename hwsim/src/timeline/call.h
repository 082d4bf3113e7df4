/* Calls: an operation submitted with a caller's options, and seen through. */
#ifndef HWSIM_TIMELINE_CALL_H
#define HWSIM_TIMELINE_CALL_H

#include "timeline/operation.h"

/* Sees the operation through: at once where it costs no time, otherwise submitted as by
 * hwsim_submit(), of which waiting for its end is one consumer. Blocks. */
hwsim_error call_run(hwsim_device *device, op *self, const hwsim_call *call);

/* Submits the operation and returns at once. OK: `done` is called once when it has ended, with the
 * device's mutex held, on whatever thread lets that happen, maybe this one before it returns; the
 * result is in self->result. After that call_end() is due, with no lock held. Another code: it was
 * refused, with details in hwsim_error_last(), and `done` is not called. */
hwsim_error hwsim_submit(hwsim_device *device, op *self, const hwsim_call *call, op_callback *done,
                         void *user);
/* Lets go of what the operation needed: the device, the token. */
void call_end(hwsim_device *device, op *self);

/* EINVALID: a timeout that no call may have. */
hwsim_error call_check_timeout(const hwsim_device *device, const hwsim_operation *operation,
                               int64_t timeout_ns);

#endif
