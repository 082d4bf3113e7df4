/* The native source of the peers' callbacks. */
#include "source.h"

#include <stdlib.h>

enum { QUEUE = 1 << 16 }; /* more than a turn of the benchmark makes */

struct event_source {
  event_callback each;
  void *user;
  hwsim_subscription *subscription;
};

static void call_each(void *user, hwsim_subscription *subscription, const hwsim_event *events,
                      size_t count) {
  const event_source *self = user;
  for (size_t i = 0; i < count && hwsim_subscription_is_open(subscription); i++)
    self->each(self->user, &events[i]);
}

hwsim_error event_source_new(hwsim_device *device, event_callback each, batch_callback batch,
                             void *user, event_source **source_out) {
  event_source *self = malloc(sizeof *self);
  if (!self)
    return HWSIM_ENOMEM;
  self->each = each;
  self->user = user;
  const hwsim_subscription_config config = {
      .kinds = HWSIM_EVENT_BIT(HWSIM_EVENT_TIMER),
      .queue = QUEUE,
      .handler = {.handle = batch ? batch : call_each, .user = batch ? user : self}};
  hwsim_error error = hwsim_subscription_new(device, &config, &self->subscription);
  if (error)
    free(self);
  else
    *source_out = self;
  return error;
}

void event_source_free(event_source *self) {
  if (!self)
    return;
  hwsim_subscription_free(self->subscription);
  hwsim_error error = hwsim_events_stop(HWSIM_TIMEOUT_NEVER);
  if (!error) /* otherwise the callback closes it itself, and still uses it */
    free(self);
}
