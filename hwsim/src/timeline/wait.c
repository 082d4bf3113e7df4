/* The one place where a thread waits.
 *
 * A wait ends when its operation has: by its time, its deadline, close, cancel, disconnect, or the
 * interrupt check of the caller's hooks. It waits on a condition variable of its own thread, with
 * the monotonic clock; never with sleep. */
#include "timeline/wait.h"

#include "base/handle.h"
#include "timeline/bus.h"
#include "timeline/callout.h"
#include "timeline/hooks.h"

#include <sched.h>

/* Below this a condition variable costs more than it waits (timer slack is 50 us on Linux), and the
 * thread spins instead. */
#define SPIN_NS 60000
/* How long those that want the mutex have to wake up. */
#define GIVE_WAY_NS 50000

typedef struct waiter {
  pthread_cond_t condition;
  atomic_bool woken;
  bool initialised;
} waiter;
static _Thread_local waiter thread_waiter;

void wait_init_condition(pthread_cond_t *condition) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
#ifndef __APPLE__
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}

void wait_on_condition(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ns) {
  if (until_ns == FOREVER) {
    pthread_cond_wait(condition, mutex);
    return;
  }
#ifdef __APPLE__
  int64_t rest = until_ns - monotonic_ns();
  struct timespec time = {.tv_sec = rest > 0 ? rest / NS_PER_S : 0,
                          .tv_nsec = rest > 0 ? rest % NS_PER_S : 0};
  pthread_cond_timedwait_relative_np(condition, mutex, &time);
#else
  struct timespec time = {.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};
  pthread_cond_timedwait(condition, mutex, &time);
#endif
}

void wait_give_way(pthread_mutex_t *mutex) {
  pthread_mutex_unlock(mutex);
  for (int64_t until_ns = monotonic_ns() + GIVE_WAY_NS; monotonic_ns() < until_ns;)
    sched_yield();
  pthread_mutex_lock(mutex);
}

/* The operation has ended, or its next event comes at another time. */
static void wake(op *self, void *user) {
  (void)self;
  waiter *waiting = user;
  atomic_store_explicit(&waiting->woken, true, memory_order_relaxed);
  pthread_cond_signal(&waiting->condition);
}

static waiter *own_waiter(void) {
  waiter *self = &thread_waiter;
  if (!self->initialised) {
    wait_init_condition(&self->condition);
    self->initialised = true;
  }
  atomic_store_explicit(&self->woken, false, memory_order_relaxed);
  return self;
}

static void spin(pthread_mutex_t *mutex, waiter *self, int64_t until_ns) {
  pthread_mutex_unlock(mutex);
  while (!atomic_load_explicit(&self->woken, memory_order_relaxed) && monotonic_ns() < until_ns)
    ;
  pthread_mutex_lock(mutex);
}

static void wait_until(pthread_mutex_t *mutex, waiter *self, int64_t until_ns) {
  if (!atomic_load_explicit(&self->woken, memory_order_relaxed)) {
    if (until_ns != FOREVER && until_ns - monotonic_ns() < SPIN_NS)
      spin(mutex, self, until_ns);
    else
      wait_on_condition(&self->condition, mutex, until_ns);
  }
  atomic_store_explicit(&self->woken, false, memory_order_relaxed);
}

void wait_while_held(hwsim_device *device) {
  waiter *own = own_waiter();
  op self = {.moved = wake, .user = own};
  bus_watch_held(device, &self);
  wait_until(timeline_mutex(device), own, monotonic_ns() + POLL_NS);
  bus_unwatch_held(&self);
}

/* Asks the caller's interrupt check, with no lock held. EFORKED: it forked; this is the child. */
static hwsim_error poll_interrupt(hwsim_device *device, op *self, const hwsim_hooks *hooks) {
  pthread_mutex_unlock(timeline_mutex(device));
  int interrupted = hooks->poll && hooks->poll(hooks->user);
  if (handle_is_forked(device))
    return HWSIM_EFORKED;
  pthread_mutex_lock(timeline_mutex(device));
  timeline_update(device); /* what is due is not interrupted */
  if (interrupted && op_is_pending(self))
    bus_abort(device, self, HWSIM_ECANCELLED);
  return HWSIM_OK;
}

typedef enum progress { WAITS, GOES_ON, IS_FORKED } progress;

/* What this thread can do for its end, for a slice: it lets a virtual clock jump, and calls
 * behaviours. */
static progress push_on(hwsim_device *device, const op *self) {
  int64_t slice_end_ns = 0;
  while (op_is_pending(self)) {
    if (!bus_jump(device, self)) {
      bus_call call = bus_make_call(device, self);
      if (call != CALL_MADE)
        return call == CALL_FORKED ? IS_FORKED : WAITS;
    }
    if (op_is_pending(self) && slice_is_over(&slice_end_ns))
      return GOES_ON;
  }
  return WAITS;
}

static hwsim_error wait_for_end(hwsim_device *device, op *self, waiter *own,
                                const hwsim_hooks *hooks) {
  pthread_mutex_t *mutex = timeline_mutex(device);
  int64_t poll_at = hooks && hooks->poll ? monotonic_ns() + POLL_NS : FOREVER;
  while (op_is_pending(self)) {
    progress made = push_on(device, self);
    if (made == IS_FORKED)
      return HWSIM_EFORKED;
    if (made == GOES_ON) { /* and it may be for ever */
      wait_give_way(mutex);
    } else if (op_is_pending(self)) {
      int64_t until = timeline_to_monotonic(device, bus_next_ns(device, self));
      wait_until(mutex, own, earlier(until, poll_at));
    }
    if (poll_at != FOREVER && monotonic_ns() >= poll_at) {
      if (poll_interrupt(device, self, hooks))
        return HWSIM_EFORKED;
      poll_at = monotonic_ns() + POLL_NS;
    }
    timeline_update(device);
    bus_expire_held(device, self);
  }
  return HWSIM_OK;
}

/* The real time that it will take at most. */
static int64_t expected_ns(hwsim_device *device, op *self) {
  if (callout_concerns(device))
    return HWSIM_EXPECTED_BEHAVIOUR;
  int64_t end_ns = timeline_to_monotonic(device, bus_next_ns(device, self));
  if (self->kind->open_ended || end_ns == FOREVER)
    return FOREVER;
  int64_t rest_ns = end_ns - monotonic_ns();
  return rest_ns > 0 ? rest_ns : 0;
}

hwsim_error wait_for(hwsim_device *device, op *self, const hwsim_hooks **entered_out) {
  waiter *own = own_waiter();
  self->done = self->moved = wake;
  self->user = own;
  progress made = push_on(device, self);
  if (made == IS_FORKED || !op_is_pending(self))
    return made == IS_FORKED ? HWSIM_EFORKED : HWSIM_OK;

  const hwsim_hooks *hooks = hooks_current();
  if (hooks) {
    int64_t expected = expected_ns(device, self);
    pthread_mutex_unlock(timeline_mutex(device));
    *entered_out = hooks_enter(expected);
    if (handle_is_forked(device))
      return HWSIM_EFORKED;
    pthread_mutex_lock(timeline_mutex(device));
  }
  return wait_for_end(device, self, own, hooks);
}
