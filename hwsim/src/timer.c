/* The timer thread: the only thread that the library makes, one for the process, started when the
 * first subscription needs it. It sleeps until something is due for one of them, settles its
 * device, and gives the events to the handler with no lock held.
 *
 * Lock order: a device's mutex, then the timer's. The thread takes them one after the other. */
#include "internal.h"

#include <signal.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { BATCH = 256 };

/* Guarded by the mutex, which is held across fork(). */
static struct {
  pthread_mutex_t mutex;
  pthread_cond_t due;   /* the first due time has changed, or it has to stop */
  pthread_cond_t ended; /* the thread is about to end */
  pthread_t thread;
  bool initialised;
  bool exists;               /* made, and neither joined nor detached */
  bool running, stopping;    /* running: it looks at the heap, now or later */
  hwsim_subscription **heap; /* those that something is due for, a binary heap by due_ns */
  size_t count, room;
  size_t subscriptions; /* at most; as many have room */
} timer = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---------------------------------------------------------------------------------- the heap -- */

static void place(hwsim_subscription *self, size_t i) {
  timer.heap[i] = self;
  self->place = i + 1;
}

static void sift(hwsim_subscription *self, size_t i) {
  while (i && timer.heap[(i - 1) / 2]->due_ns > self->due_ns) {
    place(timer.heap[(i - 1) / 2], i);
    i = (i - 1) / 2;
  }
  for (size_t child; (child = 2 * i + 1) < timer.count; i = child) {
    if (child + 1 < timer.count && timer.heap[child + 1]->due_ns < timer.heap[child]->due_ns)
      child++;
    if (timer.heap[child]->due_ns >= self->due_ns)
      break;
    place(timer.heap[child], i);
  }
  place(self, i);
}

static void heap_remove(hwsim_subscription *self) {
  if (!self->place)
    return;
  size_t i = self->place - 1;
  self->place = 0;
  hwsim_subscription *last = timer.heap[--timer.count];
  if (last != self)
    sift(last, i);
}

static void heap_put(hwsim_subscription *self, int64_t due_ns) {
  self->due_ns = due_ns;
  if (!self->place)
    timer.count++;
  sift(self, self->place ? self->place - 1 : timer.count - 1);
  if (timer.heap[0] == self)
    pthread_cond_signal(&timer.due);
}

/* -------------------------------------------------------------------------------- the thread -- */

/* Gives what is there to the handler; returns when to look again. No mutex held. */
static int64_t serve(hwsim_subscription *self) {
  hwsim_device *device = self->device;
  hwsim_event events[BATCH];
  pthread_mutex_lock(&device->mutex);
  int64_t now_ns = clock_now(device);
  bus_settle(device, now_ns);
  size_t capacity = self->config.handler.handle ? BATCH : 0;
  size_t count = subscription_take(self, events, capacity, now_ns);
  bus_settle(device, now_ns);
  bool more = capacity && self->count;
  int64_t due_ns =
      more ? clock_monotonic_ns() : clock_to_monotonic(device, subscription_next_ns(self, now_ns));
  pthread_mutex_unlock(&device->mutex);
  if (count && hwsim_subscription_is_open(self))
    self->config.handler.handle(self->config.handler.user, self, events, count);
  return due_ns;
}

/* Mutex held on entry and exit, released meanwhile. False: a callback forked, and this is the
 * child, where nothing of this is to be touched any more. */
static bool run(hwsim_subscription *self) {
  heap_remove(self);
  self->due_ns = FOREVER;
  self->served = true;
  atomic_fetch_add(&self->references, 1);
  pthread_mutex_unlock(&timer.mutex);
  int64_t due_ns = serve(self);
  if (device_is_forked(self->device))
    return false;
  pthread_mutex_lock(&timer.mutex);
  self->served = false;
  due_ns = due_ns < self->due_ns ? due_ns : self->due_ns; /* scheduled meanwhile */
  bool forgotten = self->forgotten;
  if (!forgotten && due_ns != FOREVER)
    heap_put(self, due_ns);
  pthread_mutex_unlock(&timer.mutex);
  if (forgotten && self->config.handler.release)
    self->config.handler.release(self->config.handler.user);
  if (device_is_forked(self->device))
    return false;
  subscription_release(self);
  pthread_mutex_lock(&timer.mutex);
  return true;
}

static void *timer_main(void *unused) {
  (void)unused;
#ifdef __linux__
  prctl(PR_SET_TIMERSLACK, 1UL); /* wake when it is time, not up to 50 us later */
#endif
  pthread_mutex_lock(&timer.mutex);
  while (!timer.stopping) {
    hwsim_subscription *first = timer.count ? timer.heap[0] : NULL;
    if (!first || first->due_ns > clock_monotonic_ns())
      clock_wait_condition(&timer.due, &timer.mutex, first ? first->due_ns : FOREVER);
    else if (!run(first))
      return NULL; /* the end of the child, unless it has started other threads */
  }
  timer.running = timer.stopping = false;
  pthread_cond_broadcast(&timer.ended);
  pthread_mutex_unlock(&timer.mutex);
  return NULL;
}

/* No signal is handled on it: they are for the program's own threads. */
static bool start_thread(void) {
  sigset_t all, before;
  sigfillset(&all);
  if (timer.exists)
    pthread_detach(timer.thread); /* one that was late when it had to stop, and has ended since */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  timer.exists = pthread_create(&timer.thread, NULL, timer_main, NULL) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return timer.exists;
}

hwsim_error hwsim_events_stop(int64_t timeout_ns) {
  int64_t until_ns = add_saturated(clock_monotonic_ns(), timeout_ns > 0 ? timeout_ns : 0);
  hwsim_error error = HWSIM_OK;
  pthread_mutex_lock(&timer.mutex);
  if (timer.running) {
    timer.stopping = true;
    pthread_cond_signal(&timer.due);
    if (pthread_equal(timer.thread, pthread_self()))
      error = error_set(HWSIM_ESTATE, "", "stop", "the timer thread cannot wait for itself");
  }
  while (!error && timer.running && timer.stopping) {
    if (clock_monotonic_ns() >= until_ns)
      error = error_set(HWSIM_ETIMEOUT, "", "stop", "a handler has not returned within %g s",
                        (double)timeout_ns / 1e9);
    else
      clock_wait_condition(&timer.ended, &timer.mutex, until_ns);
  }
  bool joins = timer.exists && !timer.running;
  if (joins)
    timer.exists = false;
  pthread_t thread = timer.thread;
  pthread_mutex_unlock(&timer.mutex);
  if (joins)
    pthread_join(thread, NULL);
  return error;
}

void timer_before_fork(void) { pthread_mutex_lock(&timer.mutex); }

void timer_after_fork(bool in_child) {
  if (in_child) { /* the thread and its subscriptions are the parent's */
    timer.initialised = timer.exists = timer.running = timer.stopping = false;
    timer.count = timer.subscriptions = 0;
  }
  pthread_mutex_unlock(&timer.mutex);
}

/* ------------------------------------------------------------------------- for subscriptions -- */

static bool make_room(void) {
  if (timer.subscriptions < timer.room)
    return true;
  size_t room = 2 * timer.room + 16;
  hwsim_subscription **heap = realloc(timer.heap, room * sizeof(hwsim_subscription *));
  if (!heap)
    return false;
  timer.heap = heap;
  timer.room = room;
  return true;
}

bool timer_expect(void) {
  pthread_mutex_lock(&timer.mutex);
  if (!timer.initialised) {
    clock_init_condition(&timer.due);
    clock_init_condition(&timer.ended);
    timer.initialised = true;
  }
  if (timer.stopping) { /* not now */
    timer.stopping = false;
    pthread_cond_broadcast(&timer.ended);
  }
  if (!timer.running)
    timer.running = start_thread();
  bool good = timer.running && make_room();
  timer.subscriptions += good;
  pthread_mutex_unlock(&timer.mutex);
  return good;
}

void timer_schedule(hwsim_subscription *self, int64_t due_ns) {
  pthread_mutex_lock(&timer.mutex);
  if (self->served)
    self->due_ns = due_ns < self->due_ns ? due_ns : self->due_ns;
  else if (due_ns != FOREVER && !self->forgotten && (!self->place || due_ns < self->due_ns))
    heap_put(self, due_ns);
  pthread_mutex_unlock(&timer.mutex);
}

bool timer_forget(hwsim_subscription *self) {
  pthread_mutex_lock(&timer.mutex);
  heap_remove(self);
  self->forgotten = true;
  timer.subscriptions--;
  bool served = self->served;
  pthread_mutex_unlock(&timer.mutex);
  return !served;
}
