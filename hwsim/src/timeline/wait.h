/* The one place where a thread waits. */
#ifndef HWSIM_TIMELINE_WAIT_H
#define HWSIM_TIMELINE_WAIT_H

#include "timeline/operation.h"

#include <pthread.h>

/* Until the operation has ended. Mutex held on entry and exit, released meanwhile. Where it sets
 * *entered_out, the caller ends with hooks_leave() of it. EFORKED: a hook forked, this is the
 * child, and the mutex is not held. */
hwsim_error wait_for(hwsim_device *device, op *self, const hwsim_hooks **entered_out);

/* While the device's time stands still, until it is time to ask whether to go on waiting. Mutex
 * held on entry and exit, released meanwhile. */
void wait_while_held(hwsim_device *device);

void wait_init_condition(pthread_cond_t *condition);
/* Lets others have the mutex for a moment: whoever only unlocks it is mostly the next to lock it.
 */
void wait_give_way(pthread_mutex_t *mutex);
/* As pthread_cond_timedwait, until a monotonic time or FOREVER. */
void wait_on_condition(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ns);

#endif
