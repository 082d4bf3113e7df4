/* hwsim_events_stop(): the timer thread ends, and starts again with the next subscription. */
#include "witness.h"

#include <stdatomic.h>

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
  witness_finish(self, device);
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
  witness_finish(self, device);
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
  witness_finish(self, device);
}

static void *stop_thread(void *returned) {
  stop_events();
  *(atomic_bool *)returned = true;
  return NULL;
}

/* A stop that waits for the thread's end is told that there will be none. */
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
  witness_finish(self, device);
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
  witness_finish(self, device);
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
    witness_finish(self, device);
  }
}

static const test tests[] = {
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
