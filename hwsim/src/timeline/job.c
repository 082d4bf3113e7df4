/* Jobs: blocking calls that run on a thread of their own for a request.
 *
 * The thread ends with the call. It is stopped by a token of the job's own, which the caller's
 * token sets, too. */
#include "timeline/job.h"

#include "base/error.h"
#include "base/handle.h"
#include "base/memory.h"
#include "timeline/bus.h"
#include "timeline/cancel.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

typedef struct running {
  job base;
  hwsim_request *request;
  hwsim_device *device; /* kept; or NULL */
  const hwsim_operation *operation;
  job_function *function;
  hwsim_cancel *token;
  cancel_link link; /* to the caller's token */
  int64_t timeout_ns;
  uint64_t device_cancels; /* when it was started */
  hwsim_error result;
  hwsim_error_info info; /* of an error */
  size_t size;
  max_align_t data[];
} running;

static void stop(job *self) { hwsim_cancel_set(((running *)self)->token); }

static void stop_with_callers(cancel_link *link) {
  hwsim_cancel_set(ELEMENT(link, running, link)->token);
}

static void destroy(job *base) {
  running *self = (running *)base;
  cancel_detach(&self->link);
  hwsim_cancel_free(self->token);
  free(self);
}

hwsim_error job_begin(const hwsim_call *call, const char *device, const hwsim_operation *operation,
                      job_function *function, size_t size, void **data_out, bool *ended_out) {
  hwsim_request *request = call->request;
  hwsim_error error = request_look(request, device, operation->name, ended_out);
  if (error)
    return error;
  running *self = (running *)request_job(request);
  if (*ended_out && (!self || self->function != function || self->size < size))
    return error_set(HWSIM_ESTATE, device, operation->name,
                     "the request has the result of another call, which nobody has taken");
  if (!*ended_out) {
    self = zeroed(sizeof *self + size);
    hwsim_cancel *token = NULL;
    if (!self || hwsim_cancel_new(&token)) {
      free(self);
      return error_no_memory(device, operation->name);
    }
    *self = (running){.base = {.stop = stop, .destroy = destroy},
                      .request = request,
                      .operation = operation,
                      .function = function,
                      .token = token,
                      .timeout_ns = call->timeout_ns,
                      .size = size};
    request_set_job(request, &self->base);
  }
  *data_out = self->data;
  return HWSIM_OK;
}

/* Nonzero: hwsim_device_cancel() has ended it, perhaps before its thread had begun. */
static int report(void *user, uint64_t done, uint64_t total) {
  const running *self = user;
  request_report(self->request, done, total);
  if (timeline_lock_any(self->device, self->operation))
    return 0;
  bool cancelled = bus_cancels(self->device) != self->device_cancels;
  timeline_unlock(self->device);
  return cancelled;
}

static void *thread_main(void *argument) {
  running *self = argument;
  const hwsim_call call = {.timeout_ns = self->timeout_ns, .cancel = self->token};
  const hwsim_progress progress = {.report = report, .user = self};
  self->result = self->function(self->device, self->data, &call, &progress);
  if (self->result)
    self->info = *hwsim_error_last();
  if (self->device)
    handle_release(self->device);
  request_finish(self->request); /* it may free this */
  return NULL;
}

/* No signal is handled on it: they are for the program's own threads. */
static bool start_thread(running *self) {
  sigset_t all, before;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool good = pthread_create(&thread, NULL, thread_main, self) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (good)
    pthread_detach(thread);
  return good;
}

hwsim_error job_start(hwsim_device *device, const hwsim_call *call) {
  running *self = (running *)request_job(call->request);
  const char *name = device ? device->config.name : "", *operation = self->operation->name;
  hwsim_error error = cancel_attach(call->cancel, &self->link, stop_with_callers);
  if (error) {
    request_set_job(call->request, NULL);
    return error_set_plain(error, name, operation);
  }
  if (device) {
    if ((error = timeline_lock(device, self->operation))) {
      request_set_job(call->request, NULL);
      return error;
    }
    self->device_cancels = bus_cancels(device);
    timeline_unlock(device);
    self->device = handle_retain(device);
  }
  request_start(call->request);
  if (start_thread(self))
    return HWSIM_EPENDING;
  if (device)
    handle_release(device);
  request_unstart(call->request);
  return error_no_memory(name, operation);
}

hwsim_error job_end(const hwsim_call *call) {
  running *self = (running *)request_job(call->request);
  hwsim_error error = self->result ? error_restore(&self->info) : HWSIM_OK;
  request_set_job(call->request, NULL);
  return error;
}
