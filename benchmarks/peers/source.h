/* Ticks for the peers. The library gives a handler its events in batches; the callbacks that the
 * manuals of these tools show take one event a call, and that is how this native source calls. */
#pragma once

#include "hwsim/hwsim.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct event_source event_source;
typedef void (*event_callback)(void *user, const hwsim_event *event);
typedef void (*batch_callback)(void *user, hwsim_subscription *subscription,
                               const hwsim_event *events, size_t count);

/* Subscribes to the ticks of a device. On the library's thread `each` is called with each of them;
 * instead, `batch` with as many as there are, as the library does it. The other one is NULL. */
HWSIM_API hwsim_error event_source_new(hwsim_device *device, event_callback each,
                                       batch_callback batch, void *user, event_source **source_out);

/* Ends the subscription, and waits for a callback that runs: to be called without the GIL. NULL is
 * ignored. */
HWSIM_API void event_source_free(event_source *source);

#ifdef __cplusplus
}
#endif
