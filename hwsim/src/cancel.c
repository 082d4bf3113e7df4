/* Cancel tokens: a latched flag, and the calls that run with it now.
 *
 * No wake-up can be lost: a call attaches itself, then looks at the flag under the device's mutex,
 * then waits. Setting raises the flag first and then visits every attached call under that mutex.
 */
#include "internal.h"

#include <stdlib.h>

struct hwsim_cancel {
  atomic_bool set;
  unsigned generation;
  pthread_mutex_t mutex;
  cancel_link *links; /* guarded by the mutex */
};

hwsim_error hwsim_cancel_new(hwsim_cancel **token_out) {
  hwsim_cancel *token = calloc(1, sizeof *token);
  if (!token)
    return error_no_memory("", "cancel");
  token->generation = fork_generation;
  pthread_mutex_init(&token->mutex, NULL);
  *token_out = token;
  return HWSIM_OK;
}

void hwsim_cancel_free(hwsim_cancel *token) {
  if (token && token->generation == fork_generation)
    pthread_mutex_destroy(&token->mutex);
  free(token);
}

bool hwsim_cancel_is_set(const hwsim_cancel *token) { return atomic_load(&token->set); }

void hwsim_cancel_set(hwsim_cancel *token) {
  if (!token)
    return;
  atomic_store(&token->set, true);
  if (token->generation != fork_generation)
    return; /* the calls and maybe the locked mutex are the parent's */
  pthread_mutex_lock(&token->mutex);
  for (cancel_link *link = token->links; link; link = link->next) {
    hwsim_device *device = link->device;
    if (device_is_forked(device))
      continue; /* the call will say so */
    pthread_mutex_lock(&device->mutex);
    bus_settle(device, clock_now(device)); /* what is due is not cancelled */
    if (link->op->list)
      bus_abort(device, link->op, HWSIM_ECANCELLED, clock_now(device));
    pthread_mutex_unlock(&device->mutex);
  }
  pthread_mutex_unlock(&token->mutex);
}

hwsim_error cancel_attach(hwsim_cancel *token, cancel_link *link) {
  if (token->generation != fork_generation)
    return HWSIM_EFORKED;
  if (hwsim_cancel_is_set(token))
    return HWSIM_ECANCELLED;
  pthread_mutex_lock(&token->mutex);
  link->next = token->links;
  if (link->next)
    link->next->previous = link;
  token->links = link;
  pthread_mutex_unlock(&token->mutex);
  return HWSIM_OK;
}

void cancel_detach(hwsim_cancel *token, cancel_link *link) {
  if (token->generation != fork_generation)
    return;
  pthread_mutex_lock(&token->mutex);
  *(link->previous ? &link->previous->next : &token->links) = link->next;
  if (link->next)
    link->next->previous = link->previous;
  pthread_mutex_unlock(&token->mutex);
}
