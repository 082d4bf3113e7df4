/* Jobs: blocking calls that run on a thread of their own for a request: those that compute, and
 * those that are a series of operations. */
#ifndef HWSIM_TIMELINE_JOB_H
#define HWSIM_TIMELINE_JOB_H

#include "timeline/request.h"

/* Makes the blocking call with what is in `data`, and leaves there what it returns. */
typedef hwsim_error job_function(hwsim_device *device, void *data, const hwsim_call *call,
                                 const hwsim_progress *progress);

/* Of a call with a request. The first time *data_out is memory for its arguments, in zeros, and
 * job_start() is to follow; when it has ended, *ended_out is true, *data_out what the function has
 * left there, and job_end() is to follow. With details: ENOMEM, EFORKED, ESTATE. */
hwsim_error job_begin(const hwsim_call *call, const char *device, const hwsim_operation *operation,
                      job_function *function, size_t size, void **data_out, bool *ended_out);
/* EPENDING, or an error with details. `device` may be NULL; it is kept. */
hwsim_error job_start(hwsim_device *device, const hwsim_call *call);
/* Frees it; returns the result, with details. */
hwsim_error job_end(const hwsim_call *call);

#endif
