/* Handlers on the timer thread: their batches, their end, and whoever ends what they use while they
 * run. Nothing here waits for time: a handler is held in its call until the test lets it go. */
#include "witness.h"

#include <signal.h>
#include <stdatomic.h>

#define MANUAL "hwsim://d?clock=manual&latency=0s&timeout=inf"

static void end(witness *self, hwsim_device *device) {
  witness_end(self);
  hwsim_device_free(device);
}

static void check_triggers(const witness *self, size_t from, size_t count) {
  for (size_t i = from; i < from + count; i++)
    CHECK_EVENT(self->events[i], TRIGGER, 0, i, 0, 0, (double)i);
}

/* --------------------------------------------------------------------------------------- calls */

static void a_handler_gets_all_in_order(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  for (int i = 0; i < 1000; i++)
    trigger(device, i);
  witness_await(self, 1000);
  check_triggers(self, 0, 1000);
  end(self, device);
}

static void what_has_gathered_comes_in_batches(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  for (int i = 1; i < 1000; i++)
    trigger(device, i);
  CHECK_STATUS(self->subscription, 999, 1, 0);
  witness_let_go(self);
  witness_await(self, 1000);
  check_triggers(self, 0, 1000);
  CHECK(witness_calls(self) <= 1 + 999 / 100);
  CHECK_STATUS(self->subscription, 0, 1000, 0);
  end(self, device);
}

static void events_of_a_handler_cannot_be_read(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  hwsim_event event;
  size_t count;
  CHECK_FAILS(hwsim_subscription_next(self->subscription, 1, &at_once, &event, &count),
              HWSIM_ESTATE);
  CHECK_MESSAGE("handler");
  end(self, device);
}

static void one_thread_serves_all_devices(void) {
  hwsim_device *one = open_device(MANUAL), *two = open_device("hwsim://e?latency=0s");
  witness *first = witness_start(one, KIND(TRIGGER), NULL),
          *second = witness_start(two, KIND(TRIGGER), NULL);
  trigger(one, 1);
  trigger(two, 2);
  witness_await_idle(first, 1);
  witness_await_idle(second, 1);
  CHECK(pthread_equal(first->handled_on, second->handled_on));
  CHECK(!pthread_equal(first->handled_on, pthread_self()));
  end(first, one);
  end(second, two);
}

static void look_at_the_signal_mask(witness *self, hwsim_subscription *subscription) {
  (void)self, (void)subscription;
  static const int signals[] = {SIGINT, SIGTERM, SIGALRM, SIGUSR1, SIGCHLD};
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, NULL, &blocked);
  for (size_t i = 0; i < LENGTH(signals); i++)
    CHECK(sigismember(&blocked, signals[i]));
}

static void signals_are_left_to_the_programs_threads(void) {
  hwsim_device *device = open_device(MANUAL);
  sigset_t before, after;
  pthread_sigmask(SIG_BLOCK, NULL, &before);
  witness *self = witness_start(device, KIND(TRIGGER), look_at_the_signal_mask);
  pthread_sigmask(SIG_BLOCK, NULL, &after);
  CHECK_EQUAL(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
  trigger(device, 1);
  witness_await_idle(self, 1);
  end(self, device);
}

/* No lock is held: whatever it calls on its own device works. */
static void use_everything(witness *self, hwsim_subscription *subscription) {
  hwsim_device *device = self->device;
  hwsim_subscription_status status;
  hwsim_event event;
  size_t count;
  if (self->calls > 1)
    return;
  CHECK_OK(hwsim_subscription_get_status(subscription, &status));
  CHECK(hwsim_subscription_is_open(subscription));
  CHECK_OK(read_once(device));
  CHECK_OK(hwsim_timer_set(device, MS));
  advance(device, MS);
  CHECK_OK(hwsim_threshold_set(device, 0, 0, 0));
  connect_dc(device, 0, 1);
  hwsim_subscription *own = subscribe(device, ALL_KINDS, 3);
  trigger(device, 77);
  CHECK_OK(hwsim_subscription_next(own, 1, &forever, &event, &count));
  CHECK_EQUAL(event.value, 77);
  hwsim_subscription_free(own);
  hwsim_device *other = open_device("hwsim://other?latency=100us");
  CHECK_OK(read_once(other));
  witness *nested = witness_start(other, KIND(TRIGGER), NULL);
  hwsim_subscription_free(nested->subscription);
  witness_destroy(nested); /* its release() has come */
  hwsim_device_free(other);
  CHECK_OK(hwsim_device_cancel(device));
}

static void a_handler_may_call_anything(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), use_everything);
  trigger(device, 1);
  witness_await_idle(self, 2);
  end(self, device);
}

static void trigger_the_next(witness *self, hwsim_subscription *subscription) {
  (void)subscription;
  if (self->count < 500)
    trigger(self->device, (double)self->count);
}

static void a_handler_may_cause_its_next_event(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), trigger_the_next);
  trigger(device, 0);
  witness_await_idle(self, 500);
  check_triggers(self, 0, 500);
  CHECK_EQUAL(self->calls, 500);
  end(self, device);
}

/* ---------------------------------------------------------------------------------- the clocks */

static void check_ticks(const char *uri, int64_t period_ns) {
  hwsim_device *device = open_device(uri);
  witness *self = witness_start(device, KIND(TIMER), NULL);
  witness_await(self, 50);
  hwsim_subscription_close(self->subscription);
  witness_await_release(self);
  for (size_t i = 0; i < 50; i++) {
    int64_t time_ns = self->events[i].time_ns;
    CHECK_EVENT(self->events[i], TIMER, time_ns, i, 0, 0, (double)(time_ns / period_ns));
    CHECK_EQUAL(time_ns, self->events[0].time_ns + (int64_t)i * period_ns);
    CHECK_EQUAL(time_ns % period_ns, 0);
  }
  end(self, device);
}

static void the_timer_thread_wakes_for_ticks(void) {
  check_ticks("hwsim://d?timer=100us", 100 * US);
  check_ticks("hwsim://d?timer=100ms&clock=1000x", 100 * MS);
}

static void a_timer_set_later_wakes_the_timer_thread(void) {
  hwsim_device *device = open_device("hwsim://d?timer=3600s");
  witness *self = witness_start(device, KIND(TIMER), NULL);
  CHECK_OK(hwsim_timer_set(device, 100 * US));
  witness_await(self, 3);
  CHECK_OK(hwsim_timer_set(device, 0));
  end(self, device);
}

static void the_timer_thread_looks_at_comparators(void) {
  hwsim_device *device = open_device("hwsim://d?rate=10kHz");
  witness *self = witness_start(device, KIND(THRESHOLD), NULL);
  CHECK_OK(hwsim_threshold_set(device, 1, 0, 0.1));
  witness_await(self, 4);
  CHECK_EQUAL(self->events[3].channel, 1);
  end(self, device);
}

static void a_virtual_clock_hands_over_what_operations_pass(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms&timer=500us");
  witness *self = witness_start(device, KIND(TIMER) | KIND(TRIGGER), NULL);
  for (int i = 0; i < 100; i++)
    trigger(device, i);
  witness_await_idle(self, 300);
  for (size_t i = 0; i < 100; i++) {
    int64_t time_ns = (int64_t)(i + 1) * MS;
    CHECK_EVENT(self->events[3 * i], TIMER, time_ns - MS / 2, 3 * i, 0, 0, (double)(2 * i + 1));
    CHECK_EVENT(self->events[3 * i + 1], TIMER, time_ns, 3 * i + 1, 0, 0, (double)(2 * i + 2));
    CHECK_EVENT(self->events[3 * i + 2], TRIGGER, time_ns, 3 * i + 2, 0, 0, (double)i);
  }
  CHECK_EQUAL(self->count, 300);
  end(self, device);
}

/* ------------------------------------------------------------------------------ a slow consumer */

static void a_slow_handler_loses_an_exact_count(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_make(device);
  witness_subscribe(self, KIND(TRIGGER), 5, HWSIM_OVERFLOW_DROP);
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  for (int i = 1; i <= 100; i++)
    trigger(device, i);
  CHECK_STATUS(self->subscription, 5, 1, 95);
  witness_let_go(self);
  witness_await_idle(self, 6);
  CHECK_EVENT(self->events[1], TRIGGER, 0, 96, 95, 0, 96);
  for (size_t i = 2; i < 6; i++)
    CHECK_EVENT(self->events[i], TRIGGER, 0, 95 + i, 0, 0, (double)(95 + i));
  CHECK_STATUS(self->subscription, 0, 6, 95);
  end(self, device);
}

static void trigger_many(int index, void *shared) {
  for (int i = 0; i < 200; i++)
    trigger(shared, 1000 * index + i);
}

static void a_slow_handler_can_hold_back_instead(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_make(device);
  witness_subscribe(self, KIND(TRIGGER), 3, HWSIM_OVERFLOW_WAIT);
  in_parallel(4, trigger_many, device);
  witness_await_idle(self, 800);
  int next[4] = {0};
  for (size_t i = 0; i < 800; i++) {
    int value = (int)self->events[i].value;
    CHECK_EQUAL(self->events[i].lost, 0);
    CHECK_EQUAL(value % 1000, next[value / 1000]++);
  }
  end(self, device);
}

static void a_held_handler_holds_back_an_operation(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_make(device);
  witness_subscribe(self, KIND(TRIGGER), 1, HWSIM_OVERFLOW_WAIT);
  operation waiting = {.device = device, .run = run_trigger, .volts = 2, .call = &forever};
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  trigger(device, 1); /* fills the queue */
  operation_start(&waiting);
  CHECK_EQUAL(pending(device), 1);
  witness_let_go(self);
  CHECK_EQUAL(operation_join(&waiting), HWSIM_OK);
  witness_await_idle(self, 3);
  check_triggers(self, 0, 3);
  end(self, device);
}

static void a_held_handler_delays_others_but_loses_nothing_of_theirs(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *slow = witness_start(device, KIND(TRIGGER), NULL);
  witness_hold(slow);
  trigger(device, 0);
  witness_await(slow, 1);
  witness *other = witness_start(device, KIND(TRIGGER) | KIND(REGISTER), NULL);
  for (int i = 0; i < 100; i++)
    trigger(device, i);
  CHECK_EQUAL(witness_count(other), 0);
  witness_let_go(slow);
  witness_await_idle(other, 100);
  check_triggers(other, 0, 100);
  witness_end(other);
  end(slow, device);
}

/* ---------------------------------------------------------------------------------- its release */

static void who_closes_an_idle_handler_releases_it(void) {
  hwsim_device *device = open_device(MANUAL);
  for (int by_free = 0; by_free < 2; by_free++) {
    witness *self = witness_start(device, KIND(TRIGGER), NULL);
    if (by_free)
      hwsim_subscription_free(self->subscription);
    else
      hwsim_subscription_close(self->subscription);
    CHECK_EQUAL(self->released, 1);
    CHECK(pthread_equal(self->released_on, pthread_self()));
    trigger(device, 1);
    if (!by_free) {
      hwsim_subscription_close(self->subscription);
      hwsim_subscription_free(self->subscription);
    }
    stop_events();
    CHECK_EQUAL(self->count, 0);
    witness_destroy(self);
  }
  hwsim_device_free(device);
}

static void what_was_not_made_is_not_released(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_make(device);
  hwsim_subscription_config config = witness_config(self, 0, 1, HWSIM_OVERFLOW_DROP);
  hwsim_subscription *subscription;
  CHECK_FAILS(hwsim_subscription_new(device, &config, &subscription), HWSIM_EINVALID);
  config.kinds = ALL_KINDS;
  hwsim_device_close(device);
  CHECK_FAILS(hwsim_subscription_new(device, &config, &subscription), HWSIM_ECLOSED);
  stop_events();
  CHECK_EQUAL(self->released, 0);
  self->released = 1;
  witness_destroy(self);
  hwsim_device_free(device);
}

static void count_call(void *user, hwsim_subscription *subscription, const hwsim_event *events,
                       size_t count) {
  (void)subscription, (void)events;
  atomic_fetch_add((atomic_int *)user, (int)count);
}

static void release_may_be_null(void) {
  hwsim_device *device = open_device(MANUAL);
  atomic_int count = 0;
  const hwsim_subscription_config config = {
      KIND(TRIGGER), 10, HWSIM_OVERFLOW_DROP, {count_call, NULL, &count}};
  hwsim_subscription *subscription = subscribe_with(device, config);
  witness *fence = witness_start(device, KIND(TRIGGER), NULL); /* served after it */
  trigger(device, 1);
  witness_await(fence, 1);
  hwsim_subscription_free(subscription);
  end(fence, device);
  CHECK_EQUAL(count, 1);
}

static void close_it(witness *self, hwsim_subscription *subscription) {
  (void)self;
  hwsim_subscription_close(subscription);
  CHECK(!hwsim_subscription_is_open(subscription));
  hwsim_subscription_close(subscription);
}

static void a_handler_may_close_its_subscription(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), close_it);
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  trigger(device, 1);
  witness_let_go(self);
  witness_await_release(self); /* by itself, after the call that closed */
  CHECK(pthread_equal(self->released_on, self->handled_on));
  trigger(device, 2);
  stop_events();
  CHECK_EQUAL(self->calls, 1);
  end(self, device);
}

static void free_it(witness *self, hwsim_subscription *subscription) {
  (void)self;
  hwsim_subscription_free(subscription);
}

static void a_handler_may_free_its_subscription(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  witness *self = witness_start(device, KIND(TIMER), free_it);
  advance(device, S);
  witness_await_release(self);
  advance(device, S);
  stop_events();
  CHECK_EQUAL(self->calls, 1);
  witness_destroy(self);
  hwsim_device_free(device);
}

static void close_device(witness *self, hwsim_subscription *subscription) {
  hwsim_device_close(self->device);
  CHECK_FAILS(hwsim_event_trigger(self->device, 1, NULL), HWSIM_ECLOSED);
  CHECK(hwsim_subscription_is_open(subscription));
}

static void a_handler_may_close_the_device(void) {
  hwsim_device *device = open_device("hwsim://d?timer=100us");
  witness *self = witness_start(device, KIND(TIMER), close_device);
  witness_await_idle(self, 1);
  CHECK(!hwsim_device_is_open(device));
  hwsim_device_free(open_device("hwsim://d")); /* its name is free */
  CHECK_EQUAL(witness_released(self), 0);      /* it is still a subscription */
  end(self, device);
}

static void free_all(witness *self, hwsim_subscription *subscription) {
  hwsim_device_free(self->device);
  hwsim_subscription_free(subscription);
}

static void a_handler_may_free_all(void) {
  hwsim_device *device = open_device("hwsim://d?timer=100us");
  witness *self = witness_start(device, KIND(TIMER), free_all);
  witness_await_release(self);
  stop_events();
  hwsim_device_free(open_device("hwsim://d"));
  CHECK_EQUAL(self->calls, 1);
  witness_destroy(self);
}

static void the_subscription_is_the_last_to_keep_the_device(void) {
  hwsim_device *device = open_device("hwsim://d?timer=100us");
  witness *self = witness_start(device, KIND(TIMER), NULL);
  hwsim_device_free(device);
  witness_await(self, 5); /* alive, and open: it is an owner */
  witness_end(self);
  hwsim_device_free(open_device("hwsim://d"));
}

typedef struct two {
  hwsim_subscription *other;
} two;
static two neighbours;

static void close_the_neighbour(witness *self, hwsim_subscription *subscription) {
  (void)self, (void)subscription;
  hwsim_subscription_free(neighbours.other);
}

static void a_handler_may_free_another_subscription(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *first = witness_start(device, KIND(TRIGGER), close_the_neighbour);
  witness *second = witness_start(device, KIND(REGISTER), NULL);
  neighbours.other = second->subscription;
  trigger(device, 1);
  witness_await_release(second);
  CHECK(pthread_equal(second->released_on, first->handled_on));
  stop_events();
  witness_destroy(second);
  end(first, device);
}

static void events_from_before_the_close_are_handed_over(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  for (int i = 1; i < 10; i++)
    trigger(device, i);
  hwsim_device_close(device);
  witness_let_go(self);
  witness_await_idle(self, 10);
  check_triggers(self, 0, 10);
  end(self, device);
}

/* -------------------------------------------------------------- the handler waits for the closer
 */

/* What the closer does while it holds a lock that the handler, in its call, waits for. */
static void close_subscription(witness *self) { hwsim_subscription_close(self->subscription); }
static void close_and_free_device(witness *self) {
  hwsim_device_close(self->device);
  hwsim_device_free(hwsim_device_retain(self->device));
  hwsim_subscription_close(self->subscription);
}
static void use_device(witness *self) {
  hwsim_subscription_status status;
  trigger(self->device, 1);
  CHECK_OK(read_once(self->device));
  CHECK_OK(hwsim_subscription_get_status(self->subscription, &status));
  CHECK_OK(hwsim_timer_set(self->device, MS));
  advance(self->device, MS);
  hwsim_subscription_free(subscribe(self->device, ALL_KINDS, 1));
  CHECK_FAILS(hwsim_events_stop(0), HWSIM_ETIMEOUT);
  hwsim_subscription_close(self->subscription);
}

static pthread_mutex_t common_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool got_the_lock;

static void take_the_common_lock(witness *self, hwsim_subscription *subscription) {
  (void)self, (void)subscription;
  pthread_mutex_lock(&common_lock);
  got_the_lock = true;
  pthread_mutex_unlock(&common_lock);
}

static void check_no_deadlock(void (*act)(witness *)) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), take_the_common_lock);
  got_the_lock = false;
  pthread_mutex_lock(&common_lock);
  trigger(device, 0);
  witness_await(self, 1); /* it is in its call, and will not return before the lock is free */
  act(self);
  CHECK(!got_the_lock);
  CHECK_EQUAL(witness_released(self), 0);
  pthread_mutex_unlock(&common_lock);
  witness_await_release(self);
  CHECK(got_the_lock);
  CHECK(pthread_equal(self->released_on, self->handled_on));
  stop_events();
  CHECK_EQUAL(self->calls, 1);
  end(self, device);
}

static void closing_does_not_wait_for_a_handler(void) {
  check_no_deadlock(close_subscription);
  check_no_deadlock(close_and_free_device);
  check_no_deadlock(use_device);
}

static void freeing_does_not_wait_for_a_handler(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  hwsim_subscription_free(self->subscription);
  hwsim_device_free(device);
  CHECK_EQUAL(witness_released(self), 0);
  witness_let_go(self);
  witness_await_release(self);
  stop_events();
  CHECK_EQUAL(self->calls, 1);
  witness_destroy(self);
}

/* Who has freed all can open it again, though a handler has not returned yet. */
static void the_timer_thread_is_no_owner(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  hwsim_subscription_free(self->subscription);
  hwsim_device_free(device);
  hwsim_device_free(open_device(MANUAL));
  witness_let_go(self);
  witness_await_release(self);
  stop_events();
  witness_destroy(self);
}

static void close_in_turn(int index, void *shared) {
  (void)index;
  hwsim_subscription_close(((witness *)shared)->subscription);
}

static void many_closers_release_once(void) {
  for (int i = 0; i < 100; i++) {
    hwsim_device *device = open_device("hwsim://d?latency=0s&timer=1us");
    witness *self = witness_start(device, KIND(TIMER), i % 2 ? close_it : NULL);
    if (i % 4)
      witness_await(self, 1);
    in_parallel(4, close_in_turn, self);
    end(self, device);
  }
}

/* ----------------------------------------------------------------------------- coming and going */

enum { THREADS = 8, CYCLES = 1250 };

typedef struct crowd {
  hwsim_device *device;
  atomic_int made, released, missed;
  atomic_bool done;
} crowd;

/* Allocated for one subscription and freed by its release(): a call after that is seen by the
 * sanitizers. */
typedef struct visitor {
  crowd *crowd;
  uint64_t next;
  bool frees;
  atomic_int *seen; /* of whoever waits; or NULL */
} visitor;

static void visitor_handle(void *user, hwsim_subscription *subscription, const hwsim_event *events,
                           size_t count) {
  visitor *self = user;
  for (size_t i = 0; i < count; i++) {
    CHECK_EQUAL(events[i].sequence, self->next + events[i].lost);
    self->next = events[i].sequence + 1;
  }
  if (self->frees && self->next) {
    self->frees = false;
    hwsim_subscription_free(subscription);
  }
}

static void visitor_release(void *user) {
  visitor *self = user;
  atomic_fetch_add(&self->crowd->released, 1);
  free(self);
}

static void come_and_go(int index, void *shared) {
  crowd *self = shared;
  for (int i = 0; i < CYCLES; i++) {
    visitor *guest = calloc(1, sizeof *guest);
    *guest = (visitor){.crowd = self, .frees = (i + index) % 3 == 0};
    bool frees_itself = guest->frees;
    const hwsim_subscription_config config = {frees_itself ? KIND(TRIGGER)
                                                           : KIND(TIMER) | KIND(TRIGGER),
                                              1 + (uint32_t)i % 5,
                                              HWSIM_OVERFLOW_DROP,
                                              {visitor_handle, visitor_release, guest}};
    hwsim_subscription *subscription = subscribe_with(self->device, config);
    atomic_fetch_add(&self->made, 1);
    if (frees_itself || i % 2)
      trigger(self->device, i);
    if (!frees_itself)
      hwsim_subscription_free(subscription);
  }
}

static void eight_threads_subscribe_and_unsubscribe(void) {
  crowd self = {.device = open_device("hwsim://d?latency=0s&timer=20us")};
  in_parallel(THREADS, come_and_go, &self);
  witness *fence = witness_start(self.device, KIND(TRIGGER), NULL);
  trigger(self.device, 0);
  witness_await(fence, 1); /* those that free themselves were due before it */
  end(fence, self.device);
  CHECK_EQUAL(self.made, THREADS * CYCLES);
  CHECK_EQUAL(self.released, THREADS * CYCLES);
}

static void come_go_or_stop(int index, void *shared) {
  crowd *self = shared;
  if (index) {
    for (int i = 0; i < 300; i++) {
      visitor *guest = calloc(1, sizeof *guest);
      *guest = (visitor){.crowd = self};
      const hwsim_subscription_config config = {KIND(TIMER) | KIND(TRIGGER),
                                                4,
                                                HWSIM_OVERFLOW_DROP,
                                                {visitor_handle, visitor_release, guest}};
      hwsim_subscription *subscription = subscribe_with(self->device, config);
      trigger(self->device, i);
      hwsim_subscription_free(subscription);
    }
    atomic_fetch_add(&self->made, 1);
  } else {
    while (atomic_load(&self->made) < 4)
      stop_events();
  }
}

static void the_thread_may_be_stopped_amid_them(void) {
  crowd self = {.device = open_device("hwsim://d?latency=0s&timer=20us")};
  in_parallel(5, come_go_or_stop, &self);
  stop_events();
  CHECK_EQUAL(self.released, 4 * 300);
  hwsim_device_free(self.device);
}

/* A device for each thread, so that its lock does not order them. */
static void open_listen_close(int index, void *shared) {
  char uri[64];
  for (int i = 0; i < 60; i++) {
    snprintf(uri, sizeof uri, "hwsim://own%d?latency=0s&timer=10us", index);
    hwsim_device *device = open_device(uri);
    visitor *guest = calloc(1, sizeof *guest);
    *guest = (visitor){.crowd = shared};
    const hwsim_subscription_config config = {
        i % 3 ? ALL_KINDS : KIND(TRIGGER), /* ticks that wait could come faster than they go */
        8,
        i % 3 ? HWSIM_OVERFLOW_DROP : HWSIM_OVERFLOW_WAIT,
        {visitor_handle, visitor_release, guest}};
    hwsim_subscription *subscription = subscribe_with(device, config);
    for (int j = 0; j < 10; j++)
      CHECK_OK(hwsim_event_trigger(device, j, &forever));
    if (i % 2) {
      hwsim_device_close(device);
      hwsim_subscription_free(subscription);
    } else {
      hwsim_subscription_free(subscription);
      hwsim_device_close(device); /* a handler that is not done yet still owns it */
    }
    hwsim_device_free(device);
  }
}

static void many_devices_come_and_go(void) {
  crowd self = {0};
  in_parallel(THREADS, open_listen_close, &self);
  stop_events();
  CHECK_EQUAL(self.released, THREADS * 60);
}

/* ------------------------------------------------------------------------------------- the stop */

static void stopping_nothing_is_fine(void) {
  stop_events();
  CHECK_OK(hwsim_events_stop(0));
  CHECK_OK(hwsim_events_stop(-5));
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *read = subscribe(device, KIND(TRIGGER), 5); /* needs no thread */
  trigger(device, 3);
  CHECK_OK(hwsim_events_stop(0));
  CHECK_EVENT(take_one(read), TRIGGER, 0, 0, 0, 0, 3);
  hwsim_subscription_free(read);
  hwsim_device_free(device);
}

static void after_a_stop_nothing_is_handled_until_the_next_subscription(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  for (int i = 0; i < 3; i++) {
    size_t before = (size_t)i * 5;
    stop_events();
    for (size_t j = before; j < before + 5; j++)
      trigger(device, (double)j);
    CHECK_STATUS(self->subscription, 5, before, 0);
    witness *next = witness_start(device, KIND(TRIGGER), NULL);
    witness_await_idle(self, before + 5);
    witness_end(next);
  }
  check_triggers(self, 0, 15);
  end(self, device);
}

static void a_subscription_can_be_closed_after_a_stop(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  stop_events();
  trigger(device, 1);
  hwsim_subscription_free(self->subscription);
  CHECK_EQUAL(self->released, 1);
  CHECK_EQUAL(self->count, 0);
  witness_destroy(self);
  hwsim_device_free(device);
}

static void a_stop_waits_for_a_handler(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  trigger(device, 1);
  CHECK_FAILS(hwsim_events_stop(0), HWSIM_ETIMEOUT);
  CHECK_FAILS(hwsim_events_stop(MS), HWSIM_ETIMEOUT);
  CHECK_MESSAGE("handler");
  witness_let_go(self);
  stop_events();
  CHECK_EQUAL(self->count, 1); /* it ended with the call that it was in */
  CHECK(!self->inside);
  witness *next = witness_start(device, KIND(TRIGGER), NULL);
  witness_await(self, 2);
  witness_end(next);
  end(self, device);
}

static void a_new_subscription_overrules_a_stop_that_came_too_late(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  CHECK_FAILS(hwsim_events_stop(0), HWSIM_ETIMEOUT);
  witness *next = witness_start(device, KIND(TRIGGER), NULL);
  trigger(device, 1);
  witness_let_go(self);
  witness_await_idle(self, 2);
  witness_await_idle(next, 1);
  witness_end(next);
  end(self, device);
}

static void *stop_thread(void *returned) {
  stop_events();
  *(atomic_bool *)returned = true;
  return NULL;
}

/* ... and tells whoever waits for the end that there will be none. */
static void a_new_subscription_ends_the_wait_of_a_stop(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  atomic_bool returned = false;
  pthread_t thread;
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  CHECK(pthread_create(&thread, NULL, stop_thread, &returned) == 0);
  while (!returned) { /* it may not have begun */
    witness *next = witness_start(device, KIND(TRIGGER), NULL);
    hwsim_subscription_free(next->subscription);
    witness_destroy(next);
  }
  CHECK(pthread_join(thread, NULL) == 0);
  witness_let_go(self);
  end(self, device);
}

static void stop_from_inside(witness *self, hwsim_subscription *subscription) {
  (void)self, (void)subscription;
  CHECK_FAILS(hwsim_events_stop(HWSIM_TIMEOUT_NEVER), HWSIM_ESTATE);
}

static void a_handler_cannot_wait_for_its_own_end(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), stop_from_inside);
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  trigger(device, 1);
  witness_let_go(self);
  witness_await_idle(self, 1);
  stop_events();
  CHECK_EQUAL(self->count, 1);                                /* it ended after the call */
  witness *next = witness_start(device, KIND(TRIGGER), NULL); /* and starts again */
  witness_await_idle(self, 2);
  witness_end(next);
  end(self, device);
}

static void stop_at_once(int index, void *shared) {
  (void)index, (void)shared;
  stop_events();
}

static void many_may_stop_it_at_once(void) {
  for (int i = 0; i < 50; i++) {
    hwsim_device *device = open_device("hwsim://d?timer=10us");
    witness *self = witness_start(device, KIND(TIMER), NULL);
    if (i % 2)
      witness_await(self, 1);
    in_parallel(4, stop_at_once, NULL);
    CHECK(!self->inside);
    end(self, device);
  }
}

static const test tests[] = {
    TEST(a_handler_gets_all_in_order),
    TEST(what_has_gathered_comes_in_batches),
    TEST(events_of_a_handler_cannot_be_read),
    TEST(one_thread_serves_all_devices),
    TEST(signals_are_left_to_the_programs_threads),
    TEST(a_handler_may_call_anything),
    TEST(a_handler_may_cause_its_next_event),
    TEST(the_timer_thread_wakes_for_ticks),
    TEST(a_timer_set_later_wakes_the_timer_thread),
    TEST(the_timer_thread_looks_at_comparators),
    TEST(a_virtual_clock_hands_over_what_operations_pass),
    TEST(a_slow_handler_loses_an_exact_count),
    TEST(a_slow_handler_can_hold_back_instead),
    TEST(a_held_handler_holds_back_an_operation),
    TEST(a_held_handler_delays_others_but_loses_nothing_of_theirs),
    TEST(who_closes_an_idle_handler_releases_it),
    TEST(what_was_not_made_is_not_released),
    TEST(release_may_be_null),
    TEST(a_handler_may_close_its_subscription),
    TEST(a_handler_may_free_its_subscription),
    TEST(a_handler_may_close_the_device),
    TEST(a_handler_may_free_all),
    TEST(the_subscription_is_the_last_to_keep_the_device),
    TEST(a_handler_may_free_another_subscription),
    TEST(events_from_before_the_close_are_handed_over),
    TEST(closing_does_not_wait_for_a_handler),
    TEST(freeing_does_not_wait_for_a_handler),
    TEST(the_timer_thread_is_no_owner),
    TEST(many_closers_release_once),
    TEST(eight_threads_subscribe_and_unsubscribe),
    TEST(the_thread_may_be_stopped_amid_them),
    TEST(many_devices_come_and_go),
    TEST(stopping_nothing_is_fine),
    TEST(after_a_stop_nothing_is_handled_until_the_next_subscription),
    TEST(a_subscription_can_be_closed_after_a_stop),
    TEST(a_stop_waits_for_a_handler),
    TEST(a_new_subscription_overrules_a_stop_that_came_too_late),
    TEST(a_new_subscription_ends_the_wait_of_a_stop),
    TEST(a_handler_cannot_wait_for_its_own_end),
    TEST(many_may_stop_it_at_once),
};
CHECK_MAIN(tests)
