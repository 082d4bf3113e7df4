/* Cancel tokens: a latched flag, and the calls that run with it now.
 *
 * No wake-up can be lost: a call is attached, then looks at the flag under the mutex with which it
 * waits, then waits. Setting raises the flag first and then visits every attached call under that
 * mutex. */
#include "timeline/cancel.h"

#include "base/error.h"
#include "base/handle.h"
#include "timeline/bus.h"

#include <stdlib.h>

struct hwsim_cancel {
  atomic_bool set;
  unsigned generation;
  pthread_mutex_t mutex;
  list calls; /* guarded by the mutex */
};

hwsim_error hwsim_cancel_new(hwsim_cancel **token_out) {
  hwsim_cancel *token = calloc(1, sizeof *token);
  if (!token)
    return error_no_memory("", "cancel");
  token->generation = fork_generation;
  pthread_mutex_init(&token->mutex, NULL);
  list_init(&token->calls);
  *token_out = token;
  return HWSIM_OK;
}

void hwsim_cancel_free(hwsim_cancel *token) {
  if (token && token->generation == fork_generation)
    pthread_mutex_destroy(&token->mutex);
  free(token);
}

bool hwsim_cancel_is_set(const hwsim_cancel *token) { return atomic_load(&token->set); }

void cancel_operation(cancel_link *link) {
  op *self = ELEMENT(link, op, cancel);
  hwsim_device *device = self->cancelled_on;
  if (handle_is_forked(device))
    return; /* the call will say so */
  pthread_mutex_lock(timeline_mutex(device));
  timeline_update(device); /* what is due is not cancelled */
  if (op_is_pending(self))
    bus_abort(device, self, HWSIM_ECANCELLED);
  timeline_unlock(device);
}

void hwsim_cancel_set(hwsim_cancel *token) {
  if (!token)
    return;
  atomic_store(&token->set, true);
  if (token->generation != fork_generation)
    return; /* the operations and maybe the locked mutex are the parent's */
  pthread_mutex_lock(&token->mutex);
  for (list_link *each = list_first(&token->calls); each; each = list_next(&token->calls, each)) {
    cancel_link *call = ELEMENT(each, cancel_link, link);
    call->set(call);
  }
  pthread_mutex_unlock(&token->mutex);
}

hwsim_error cancel_attach(hwsim_cancel *token, cancel_link *self, void (*set)(cancel_link *self)) {
  self->token = NULL;
  if (!token)
    return HWSIM_OK;
  if (token->generation != fork_generation)
    return HWSIM_EFORKED;
  if (hwsim_cancel_is_set(token))
    return HWSIM_ECANCELLED;
  self->token = token;
  self->set = set;
  pthread_mutex_lock(&token->mutex);
  list_append(&token->calls, &self->link);
  pthread_mutex_unlock(&token->mutex);
  return HWSIM_OK;
}

void cancel_detach(cancel_link *self) {
  hwsim_cancel *token = self->token;
  if (!token || token->generation != fork_generation)
    return;
  pthread_mutex_lock(&token->mutex);
  list_remove(&self->link);
  pthread_mutex_unlock(&token->mutex);
}
