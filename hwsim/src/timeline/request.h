/* Requests: calls that do not block, and the queue of those that have ended. */
#ifndef HWSIM_TIMELINE_REQUEST_H
#define HWSIM_TIMELINE_REQUEST_H

#include "timeline/operation.h"

typedef struct job job;

static inline hwsim_request *request_of(const hwsim_call *call) {
  return call ? call->request : NULL;
}

/* As call_run(), of a call with a request: submits a copy of the operation, or says how it ended.
 */
hwsim_error request_run(hwsim_device *device, op *self, size_t size, const hwsim_call *call);

/* Where an operation may leave its data, or find them: *memory_io is the caller's own, and stays
 * that if the call blocks; otherwise it becomes `size` bytes of the request's, which last until the
 * next call that needs some. They are zero, except where the operation has ended and left something
 * there. Errors: ENOMEM, ESTATE (it is pending). */
hwsim_error request_memory(const hwsim_call *call, const hwsim_device *device,
                           const hwsim_operation *operation, size_t size, void **memory_io);

/* ------------------------------------------------------- for job.c: what runs on a thread -- */

/* A job as a request sees it; no lock held. */
struct job {
  void (*stop)(job *self);    /* let it end soon */
  void (*destroy)(job *self); /* it has ended, or has never begun */
};

/* With details: the request is the parent's, or pending. OK: it has ended, *ended_out, and has this
 * job; or it is free. */
hwsim_error request_look(const hwsim_request *self, const char *device, const char *operation,
                         bool *ended_out);
job *request_job(const hwsim_request *self);
/* Only while it is free; it destroys the one before. */
void request_set_job(hwsim_request *self, job *job);
/* It is pending from now on, with its job, and keeps itself alive until it has ended. */
void request_start(hwsim_request *self);
/* The job could not be started after all. */
void request_unstart(hwsim_request *self);
void request_report(hwsim_request *self, uint64_t done, uint64_t total);
/* The last that the job does with it. */
void request_finish(hwsim_request *self);
#endif
