/* Calls: an operation submitted with a caller's options, and seen through. */
#ifndef HWSIM_TIMELINE_CALL_H
#define HWSIM_TIMELINE_CALL_H

#include "timeline/operation.h"

/* Sees the operation through: at once where it costs no time, otherwise submitted as by
 * hwsim_submit(), of which waiting for its end is one consumer. Blocks, unless the call has a
 * request: then EPENDING is returned until it has ended, and `self`, `size` bytes of which `op` is
 * the first member, becomes what it was when it ended. Meanwhile a copy of it is on the timeline,
 * so it must not refer to memory of the caller's; see request_memory(). */
hwsim_error call_run(hwsim_device *device, op *self, size_t size, const hwsim_call *call);

#endif
