/* Long work: what makes operations stoppable and observable that compute for long, or consist of
 * many operations on the bus. */
#ifndef HWSIM_TIMELINE_WORK_H
#define HWSIM_TIMELINE_WORK_H

#include "hwsim/hwsim.h"

typedef struct work {
  hwsim_device *device;
  const hwsim_operation *operation;
  hwsim_cancel *cancel;
  const hwsim_progress *progress;
  uint64_t done, total;
  int64_t timeout_ns, deadline_ns, report_every_ns, report_at_ns, poll_at_ns;
  uint64_t device_cancels; /* at its begin */
  const hwsim_hooks *entered;
} work;

/* expected_ns: FOREVER for what computes by itself; 0 for a series of operations on the bus, which
 * wait by themselves, and then each step is reported. No timeout unless the call has one. After
 * success work_end() must follow. All of it: no mutex held. */
hwsim_error work_begin(work *self, hwsim_device *device, const hwsim_operation *operation,
                       uint64_t total, int64_t expected_ns, const hwsim_call *call,
                       const hwsim_progress *progress);
/* `step` more have been done: reports, and says whether to go on. */
hwsim_error work_step(work *self, uint64_t step);
/* Whether to go on, without a report. */
hwsim_error work_check(work *self);
/* The error that it is not done in time. */
hwsim_error work_late(const work *self);
/* Reports the end, if there is one to report. A hook may end the thread here. */
void work_end(work *self, bool success);

#endif
