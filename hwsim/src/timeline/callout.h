/* Which threads are in a call that the library makes in the middle of an operation. */
#ifndef HWSIM_TIMELINE_CALLOUT_H
#define HWSIM_TIMELINE_CALLOUT_H

#include "base/handle.h"
#include "timeline/timeline.h"

#include <stdbool.h>

void callout_enter(void);
void callout_leave(void);
/* Whether this thread is in one. */
bool callout_is_inside(void);

/* Whether an operation on the device may wait for such a call, of its own or of a device on its
 * clock. */
static inline bool callout_concerns(const hwsim_device *device) {
  return device->model->claim_count || timeline_is_shared(device);
}
/* Whether what this thread is about to wait for could be its own call. */
static inline bool callout_forbids(const hwsim_device *device) {
  return callout_concerns(device) && callout_is_inside();
}
/* ESTATE, with details. */
hwsim_error callout_refuse(const hwsim_device *device, const hwsim_operation *operation);

#endif
