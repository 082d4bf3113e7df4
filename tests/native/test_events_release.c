/* The end of a handler: its subscription or its device is closed or freed, by itself or while it
 * runs. release() is called once, after its last call, and closing never waits for it. */
#include "witness.h"

#include <stdatomic.h>

/* ------------------------------------------------------------------------------- its release -- */

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
  witness_finish(fence, device);
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
  witness_finish(self, device);
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
  witness_finish(self, device);
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
  witness_finish(first, device);
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
  witness_finish(self, device);
}

/* ---------------------------------------------------------- the handler waits for the closer -- */

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
  witness_finish(self, device);
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

/* A name that has been freed can be opened again, although a handler has not returned yet. */
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
    witness_finish(self, device);
  }
}

static const test tests[] = {
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
};
CHECK_MAIN(tests)
