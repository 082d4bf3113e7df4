/* Time, and the one place where a thread waits.
 *
 * A wait ends when its operation has: by its time, its deadline, close, cancel, disconnect, or the
 * interrupt check of the caller's hooks. It waits on a condition variable of its own thread, with
 * the monotonic clock; never with sleep. */
#include "internal.h"

#include <time.h>

/* Below this a condition variable costs more than it waits (timer slack is 50 us on Linux), and the
 * thread spins instead. */
#define SPIN_NS 60000
#define POLL_NS 50000000
/* Of a virtual clock, before a thread is taken to wait: an event may come after many, or never. */
#define JUMPS 1000

struct waiter {
  pthread_cond_t condition;
  atomic_bool woken;
  bool initialised;
};
static _Thread_local waiter thread_waiter;
static _Thread_local const hwsim_hooks *thread_hooks;

const hwsim_hooks *hwsim_hooks_set(const hwsim_hooks *hooks) {
  const hwsim_hooks *before = thread_hooks;
  thread_hooks = hooks;
  return before;
}

int64_t clock_monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t add_saturated(int64_t a, int64_t b) { return a > INT64_MAX - b ? INT64_MAX : a + b; }

static int64_t multiply_saturated(int64_t time_ns, double factor) {
  double product = (double)time_ns * factor;
  return product >= 0x1p63 ? INT64_MAX : (int64_t)product;
}

static bool follows_real_time(const hwsim_device *device) {
  return device->config.clock == HWSIM_CLOCK_REAL || device->config.clock == HWSIM_CLOCK_SCALED;
}

int64_t clock_now(const hwsim_device *device) {
  if (device->closed)
    return device->closed_ns;
  if (!follows_real_time(device))
    return device->clock_ns;
  int64_t elapsed = clock_monotonic_ns() - device->epoch_ns;
  if (device->config.clock == HWSIM_CLOCK_REAL)
    return elapsed;
  return multiply_saturated(elapsed, device->config.clock_scale);
}

int64_t clock_to_monotonic(const hwsim_device *device, int64_t time_ns) {
  if (time_ns == FOREVER || !follows_real_time(device))
    return FOREVER;
  if (device->config.clock == HWSIM_CLOCK_REAL)
    return add_saturated(device->epoch_ns, time_ns);
  int64_t elapsed = multiply_saturated(time_ns, 1 / device->config.clock_scale);
  return add_saturated(device->epoch_ns, add_saturated(elapsed, 1));
}

hwsim_error hwsim_clock_now(hwsim_device *device, int64_t *now_ns_out) {
  hwsim_error error = device_lock_any(device, "now");
  if (error)
    return error;
  *now_ns_out = clock_now(device);
  device_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_clock_advance(hwsim_device *device, int64_t step_ns) {
  const char *name = device->config.name;
  hwsim_error error = device_lock(device, "advance");
  if (error)
    return error;
  if (device->config.clock != HWSIM_CLOCK_MANUAL) {
    error = error_set(HWSIM_ESTATE, name, "advance",
                      "only a manual clock can be advanced; open the device with clock=manual");
  } else if (step_ns < 0 || step_ns > INT64_MAX - 1 - device->clock_ns) {
    error = error_set(HWSIM_EINVALID, name, "advance",
                      "the step must be from 0 to %lld ns, got %lld ns",
                      (long long)(INT64_MAX - 1 - device->clock_ns), (long long)step_ns);
  } else {
    device->clock_ns += step_ns;
    bus_settle(device, device->clock_ns);
  }
  device_unlock(device);
  return error;
}

void clock_init_condition(pthread_cond_t *condition) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
#ifndef __APPLE__
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}

void clock_wait_condition(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ns) {
  if (until_ns == FOREVER) {
    pthread_cond_wait(condition, mutex);
    return;
  }
#ifdef __APPLE__
  int64_t rest = until_ns - clock_monotonic_ns();
  struct timespec time = {.tv_sec = rest > 0 ? rest / NS_PER_S : 0,
                          .tv_nsec = rest > 0 ? rest % NS_PER_S : 0};
  pthread_cond_timedwait_relative_np(condition, mutex, &time);
#else
  struct timespec time = {.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};
  pthread_cond_timedwait(condition, mutex, &time);
#endif
}

static void spin(hwsim_device *device, waiter *self, int64_t until_ns) {
  pthread_mutex_unlock(&device->mutex);
  while (!atomic_load_explicit(&self->woken, memory_order_relaxed) &&
         clock_monotonic_ns() < until_ns)
    ;
  pthread_mutex_lock(&device->mutex);
}

static void wait_until(hwsim_device *device, waiter *self, int64_t until_ns) {
  if (!atomic_load_explicit(&self->woken, memory_order_relaxed)) {
    if (until_ns != FOREVER && until_ns - clock_monotonic_ns() < SPIN_NS)
      spin(device, self, until_ns);
    else
      clock_wait_condition(&self->condition, &device->mutex, until_ns);
  }
  atomic_store_explicit(&self->woken, false, memory_order_relaxed);
}

void clock_wake(op *self) {
  if (!self->waiter)
    return;
  atomic_store_explicit(&self->waiter->woken, true, memory_order_relaxed);
  pthread_cond_signal(&self->waiter->condition);
}

static waiter *own_waiter(void) {
  waiter *self = &thread_waiter;
  if (!self->initialised) {
    clock_init_condition(&self->condition);
    self->initialised = true;
  }
  atomic_store_explicit(&self->woken, false, memory_order_relaxed);
  return self;
}

/* When something may happen to the operation that nobody else would do. */
static int64_t next_event(const hwsim_device *device, const op *self) {
  int64_t due = self->list == &device->armed ? self->wake_ns : self->done_ns;
  return due < self->deadline_ns ? due : self->deadline_ns;
}

/* A virtual clock moves to the end of the wait instead; true when it could. */
static bool jump(hwsim_device *device, op *self) {
  int64_t next = next_event(device, self);
  if (device->config.clock != HWSIM_CLOCK_VIRTUAL || next == FOREVER)
    return false;
  if (device->clock_ns < next)
    device->clock_ns = next;
  bus_settle(device, device->clock_ns);
  return true;
}

/* Asks the caller's interrupt check, with no lock held. EFORKED: it forked, and this is the child.
 */
static hwsim_error poll_interrupt(hwsim_device *device, op *self, const hwsim_hooks *hooks) {
  pthread_mutex_unlock(&device->mutex);
  int interrupted = hooks->poll && hooks->poll(hooks->user);
  if (device_is_forked(device))
    return HWSIM_EFORKED;
  pthread_mutex_lock(&device->mutex);
  bus_settle(device, clock_now(device)); /* what is due is not interrupted */
  if (interrupted && self->list)
    bus_abort(device, self, HWSIM_ECANCELLED, clock_now(device));
  return HWSIM_OK;
}

static hwsim_error wait_for_end(hwsim_device *device, op *self, const hwsim_hooks *hooks) {
  int64_t poll_at = hooks && hooks->poll ? clock_monotonic_ns() + POLL_NS : FOREVER;
  while (self->list) {
    if (jump(device, self)) { /* once more, and it may be for ever: let others in */
      pthread_mutex_unlock(&device->mutex);
      pthread_mutex_lock(&device->mutex);
    } else {
      int64_t until = clock_to_monotonic(device, next_event(device, self));
      wait_until(device, self->waiter, until < poll_at ? until : poll_at);
    }
    if (poll_at != FOREVER && clock_monotonic_ns() >= poll_at) {
      if (poll_interrupt(device, self, hooks))
        return HWSIM_EFORKED;
      poll_at = clock_monotonic_ns() + POLL_NS;
    }
    bus_settle(device, clock_now(device));
  }
  return HWSIM_OK;
}

hwsim_error clock_wait(hwsim_device *device, op *self) {
  for (int i = 0; i < JUMPS && self->list && jump(device, self); i++)
    ;
  if (!self->list)
    return HWSIM_OK;

  int64_t end = self->open_ended ? FOREVER : clock_to_monotonic(device, next_event(device, self));
  waiter *own = own_waiter();
  const hwsim_hooks *hooks = thread_hooks;
  self->waiter = own;
  if (hooks) {
    int64_t expected = end == FOREVER ? FOREVER : end - clock_monotonic_ns();
    pthread_mutex_unlock(&device->mutex);
    hooks->enter(hooks->user, expected > 0 ? expected : 0);
    self->entered = hooks;
    if (device_is_forked(device))
      return HWSIM_EFORKED;
    pthread_mutex_lock(&device->mutex);
  }
  hwsim_error error = wait_for_end(device, self, hooks);
  self->waiter = NULL;
  return error;
}

const hwsim_hooks *clock_begin_work(int64_t expected_ns) {
  const hwsim_hooks *hooks = thread_hooks;
  if (hooks)
    hooks->enter(hooks->user, expected_ns);
  return hooks;
}

bool clock_interrupted(int64_t *poll_at_ns) {
  const hwsim_hooks *hooks = thread_hooks;
  int64_t now_ns = clock_monotonic_ns();
  if (!hooks || !hooks->poll || now_ns < *poll_at_ns)
    return false;
  *poll_at_ns = now_ns + POLL_NS;
  return hooks->poll(hooks->user) != 0;
}

void clock_end_work(const hwsim_hooks *entered) {
  if (entered)
    entered->leave(entered->user);
}
