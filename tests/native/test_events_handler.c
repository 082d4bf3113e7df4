/* Handlers on the timer thread: their calls and batches, on every clock, and those that are too
 * slow. Nothing here waits for time: a handler is held in its call until the test lets it go. */
#include "witness.h"

#include <signal.h>

/* ------------------------------------------------------------------------------------- calls -- */

static void a_handler_gets_all_in_order(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  for (int i = 0; i < 1000; i++)
    trigger(device, i);
  witness_await(self, 1000);
  check_triggers(self, 0, 1000);
  witness_finish(self, device);
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
  witness_finish(self, device);
}

static void events_of_a_handler_cannot_be_read(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  hwsim_event event;
  size_t count;
  CHECK_FAILS(hwsim_subscription_next(self->subscription, 1, &at_once, &event, &count),
              HWSIM_ESTATE);
  CHECK_MESSAGE("handler");
  witness_finish(self, device);
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
  witness_finish(first, one);
  witness_finish(second, two);
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
  witness_finish(self, device);
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
  witness_finish(self, device);
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
  witness_finish(self, device);
}

/* -------------------------------------------------------------------------------- the clocks -- */

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
  witness_finish(self, device);
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
  witness_finish(self, device);
}

static void the_timer_thread_looks_at_comparators(void) {
  hwsim_device *device = open_device("hwsim://d?rate=10kHz");
  witness *self = witness_start(device, KIND(THRESHOLD), NULL);
  CHECK_OK(hwsim_threshold_set(device, 1, 0, 0.1));
  witness_await(self, 4);
  CHECK_EQUAL(self->events[3].channel, 1);
  witness_finish(self, device);
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
  witness_finish(self, device);
}

/* --------------------------------------------------------------------------- a slow consumer -- */

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
  witness_finish(self, device);
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
  witness_finish(self, device);
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
  witness_finish(self, device);
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
  witness_finish(slow, device);
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
};
CHECK_MAIN(tests)
