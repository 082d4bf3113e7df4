/* Cancel tokens: a latched flag, and the operations that run with it now.
 *
 * No wake-up can be lost: an operation is attached, then looks at the flag under the device's
 * mutex, then waits. Setting raises the flag first and then visits every attached operation under
 * that mutex. */
#include "timeline/cancel.h"

#include "base/error.h"
#include "base/handle.h"
#include "timeline/bus.h"

#include <stdlib.h>

struct hwsim_cancel {
  atomic_bool set;
  unsigned generation;
  pthread_mutex_t mutex;
  list operations; /* guarded by the mutex */
};

hwsim_error hwsim_cancel_new(hwsim_cancel **token_out) {
  hwsim_cancel *token = calloc(1, sizeof *token);
  if (!token)
    return error_no_memory("", "cancel");
  token->generation = fork_generation;
  pthread_mutex_init(&token->mutex, NULL);
  list_init(&token->operations);
  *token_out = token;
  return HWSIM_OK;
}

void hwsim_cancel_free(hwsim_cancel *token) {
  if (token && token->generation == fork_generation)
    pthread_mutex_destroy(&token->mutex);
  free(token);
}

bool hwsim_cancel_is_set(const hwsim_cancel *token) { return atomic_load(&token->set); }

static void cancel(op *self) {
  hwsim_device *device = self->cancel.device;
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
  for (list_link *each = list_first(&token->operations); each;
       each = list_next(&token->operations, each))
    cancel(ELEMENT(each, op, cancel.link));
  pthread_mutex_unlock(&token->mutex);
}

hwsim_error cancel_attach(hwsim_cancel *token, hwsim_device *device, op *self) {
  self->cancel.token = NULL;
  if (!token)
    return HWSIM_OK;
  if (token->generation != fork_generation)
    return HWSIM_EFORKED;
  if (hwsim_cancel_is_set(token))
    return HWSIM_ECANCELLED;
  self->cancel.device = device;
  self->cancel.token = token;
  self->state = OP_ENDED; /* not on the timeline yet */
  pthread_mutex_lock(&token->mutex);
  list_append(&token->operations, &self->cancel.link);
  pthread_mutex_unlock(&token->mutex);
  return HWSIM_OK;
}

void cancel_detach(op *self) {
  hwsim_cancel *token = self->cancel.token;
  if (!token || token->generation != fork_generation)
    return;
  pthread_mutex_lock(&token->mutex);
  list_remove(&self->cancel.link);
  pthread_mutex_unlock(&token->mutex);
}
