/* The delivery thread: the only thread that the library makes, one for the process, started when
 * something first needs it. It sleeps until one of its deliveries is due, and serves it with no
 * lock held. */
#include "events/delivery.h"

#include "base/error.h"
#include "base/handle.h"
#include "base/time.h"
#include "timeline/operation.h"
#include "timeline/wait.h"

#include <signal.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

/* Guarded by the mutex, which is held across fork(). */
static struct {
  pthread_mutex_t mutex;
  pthread_cond_t due;   /* the first due time has changed, or it has to stop */
  pthread_cond_t ended; /* the thread is about to end */
  pthread_t thread;
  bool initialised;
  bool exists;            /* made, and neither joined nor detached */
  bool running, stopping; /* running: it looks at the heap, now or later */
  heap due_ones;
} courier = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static delivery *first_due(void) { return ELEMENT(courier.due_ones.root, delivery, node); }

static void take_out(delivery *self) {
  if (heap_holds(&self->node))
    heap_remove(&courier.due_ones, &self->node);
}

static void put(delivery *self, int64_t due_ns) {
  take_out(self);
  self->node.time_ns = due_ns;
  heap_put(&courier.due_ones, &self->node);
  if (courier.due_ones.root == &self->node)
    pthread_cond_signal(&courier.due);
}

/* -------------------------------------------------------------------------------- the thread -- */

/* Mutex held on entry and exit, released meanwhile. False: a callback forked, and this is the
 * child, where nothing of this is to be touched any more. */
static bool run(delivery *self) {
  const delivery_kind *kind = self->kind;
  unsigned generation = fork_generation;
  take_out(self);
  self->again_ns = FOREVER;
  self->served = true;
  kind->hold(self);
  pthread_mutex_unlock(&courier.mutex);
  int64_t due_ns = kind->serve(self);
  if (fork_generation != generation)
    return false;
  pthread_mutex_lock(&courier.mutex);
  self->served = false;
  due_ns = earlier(due_ns, self->again_ns);
  bool forgotten = self->forgotten;
  if (!forgotten && due_ns != FOREVER)
    put(self, due_ns);
  pthread_mutex_unlock(&courier.mutex);
  if (forgotten)
    kind->end(self);
  if (fork_generation != generation)
    return false;
  kind->let_go(self);
  pthread_mutex_lock(&courier.mutex);
  return true;
}

static void *thread_main(void *unused) {
  (void)unused;
#ifdef __linux__
  prctl(PR_SET_TIMERSLACK, 1UL); /* wake when it is time, not up to 50 us later */
  prctl(PR_SET_NAME, "hwsim-events");
#elif defined(__APPLE__)
  pthread_setname_np("hwsim-events");
#endif
  pthread_mutex_lock(&courier.mutex);
  while (!courier.stopping) {
    delivery *first = first_due();
    if (!first || first->node.time_ns > monotonic_ns())
      wait_on_condition(&courier.due, &courier.mutex, first ? first->node.time_ns : FOREVER);
    else if (!run(first))
      return NULL; /* the end of the child, unless it has started other threads */
  }
  courier.running = courier.stopping = false;
  pthread_cond_broadcast(&courier.ended);
  pthread_mutex_unlock(&courier.mutex);
  return NULL;
}

/* No signal is handled on it: they are for the program's own threads. */
static bool start_thread(void) {
  sigset_t all, before;
  sigfillset(&all);
  if (courier.exists)
    pthread_detach(courier.thread); /* one that was late when it had to stop, and has ended since */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  courier.exists = pthread_create(&courier.thread, NULL, thread_main, NULL) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return courier.exists;
}

hwsim_error hwsim_events_stop(int64_t timeout_ns) {
  const hwsim_operation *operation = OPERATION(library, stop);
  int64_t until_ns = add_saturated(monotonic_ns(), timeout_ns > 0 ? timeout_ns : 0);
  hwsim_error error = HWSIM_OK;
  pthread_mutex_lock(&courier.mutex);
  if (courier.running) {
    courier.stopping = true;
    pthread_cond_signal(&courier.due);
    if (pthread_equal(courier.thread, pthread_self()))
      error =
          error_set(HWSIM_ESTATE, "", operation->name, "the timer thread cannot wait for itself");
  }
  while (!error && courier.running && courier.stopping) {
    if (monotonic_ns() >= until_ns)
      error = error_set(HWSIM_ETIMEOUT, "", operation->name,
                        "a handler has not returned within %g s", (double)timeout_ns / 1e9);
    else
      wait_on_condition(&courier.ended, &courier.mutex, until_ns);
  }
  bool joins = courier.exists && !courier.running;
  if (joins)
    courier.exists = false;
  pthread_t thread = courier.thread;
  pthread_mutex_unlock(&courier.mutex);
  if (joins)
    pthread_join(thread, NULL);
  return error;
}

void delivery_before_fork(void) { pthread_mutex_lock(&courier.mutex); }

void delivery_after_fork(bool in_child) {
  if (in_child) { /* the thread and what it serves are the parent's */
    courier.initialised = courier.exists = courier.running = courier.stopping = false;
    courier.due_ones.root = NULL;
  }
  pthread_mutex_unlock(&courier.mutex);
}

/* ---------------------------------------------------------------------------- for deliveries -- */

bool delivery_expect(void) {
  pthread_mutex_lock(&courier.mutex);
  if (!courier.initialised) {
    wait_init_condition(&courier.due);
    wait_init_condition(&courier.ended);
    courier.initialised = true;
  }
  if (courier.stopping) { /* not now */
    courier.stopping = false;
    pthread_cond_broadcast(&courier.ended);
  }
  if (!courier.running)
    courier.running = start_thread();
  bool good = courier.running;
  pthread_mutex_unlock(&courier.mutex);
  return good;
}

void delivery_schedule(delivery *self, int64_t due_ns) {
  pthread_mutex_lock(&courier.mutex);
  bool sooner = !heap_holds(&self->node) || due_ns < self->node.time_ns;
  if (self->served)
    self->again_ns = earlier(due_ns, self->again_ns);
  else if (due_ns != FOREVER && !self->forgotten && sooner)
    put(self, due_ns);
  pthread_mutex_unlock(&courier.mutex);
}

bool delivery_forget(delivery *self) {
  pthread_mutex_lock(&courier.mutex);
  take_out(self);
  self->forgotten = true;
  bool served = self->served;
  pthread_mutex_unlock(&courier.mutex);
  return !served;
}
