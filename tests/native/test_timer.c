/* The timer: a tick at each period, at exactly its time, and none is missing. */
#include "events.h"

static void ticks_come_at_each_period(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  int64_t period_ns;
  advance(device, 123);
  CHECK_NO_MORE(subscription);
  CHECK_OK(hwsim_timer_set(device, 3 * MS));
  CHECK_OK(hwsim_timer_get(device, &period_ns));
  CHECK_EQUAL(period_ns, 3 * MS);
  advance(device, 3 * MS - 1);
  CHECK_NO_MORE(subscription);
  advance(device, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 123 + 3 * MS, 0, 0, 0, 1);
  CHECK_NO_MORE(subscription);
  advance(device, 6 * MS);
  CHECK_EVENT(take_one(subscription), TIMER, 123 + 6 * MS, 1, 0, 0, 2);
  CHECK_EVENT(take_one(subscription), TIMER, 123 + 9 * MS, 2, 0, 0, 3);
  end(subscription, device);
}

static void the_resource_string_sets_the_timer_from_time_zero(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&timer=10ms");
  CHECK_EQUAL(hwsim_device_config(device)->timer_ns, 10 * MS);
  advance(device, 25 * MS);
  hwsim_subscription *late = subscribe(device, KIND(TIMER), 10);
  advance(device, 5 * MS);
  hwsim_subscription *exact = subscribe(device, KIND(TIMER), 10);
  advance(device, 10 * MS);
  CHECK_EVENT(take_one(late), TIMER, 30 * MS, 0, 0, 0, 3); /* its own numbers, the timer's value */
  CHECK_EVENT(take_one(late), TIMER, 40 * MS, 1, 0, 0, 4);
  CHECK_EVENT(take_one(exact), TIMER, 40 * MS, 0, 0, 0, 4); /* 30 ms were over when it came */
  hwsim_subscription_free(exact);
  end(late, device);
}

static void a_timer_set_anew_starts_then(void) {
  hwsim_device *device = open_device(MANUAL "&timer=2ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  advance(device, 5 * MS); /* ticks at 2 and 4 */
  CHECK_OK(hwsim_timer_set(device, 3 * MS));
  advance(device, 7 * MS); /* at 8 and 11 */
  CHECK_OK(hwsim_timer_set(device, 0));
  advance(device, S);
  CHECK_OK(hwsim_timer_set(device, MS));
  advance(device, MS);
  CHECK_EVENT(take_one(subscription), TIMER, 2 * MS, 0, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 4 * MS, 1, 0, 0, 2);
  CHECK_EVENT(take_one(subscription), TIMER, 8 * MS, 2, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 11 * MS, 3, 0, 0, 2);
  CHECK_EVENT(take_one(subscription), TIMER, S + 13 * MS, 4, 0, 0, 1);
  CHECK_NO_MORE(subscription);
  CHECK_STATUS(subscription, 0, 5, 0);
  end(subscription, device);
}

/* Setting the same period starts it anew, too. A tick that is due at that time comes first. */
static void a_timer_set_at_its_tick_keeps_it(void) {
  hwsim_device *device = open_device(MANUAL "&timer=2ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  advance(device, 4 * MS);
  CHECK_OK(hwsim_timer_set(device, 2 * MS));
  advance(device, 2 * MS);
  CHECK_EVENT(take_one(subscription), TIMER, 2 * MS, 0, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 4 * MS, 1, 0, 0, 2);
  CHECK_EVENT(take_one(subscription), TIMER, 6 * MS, 2, 0, 0, 1);
  end(subscription, device);
}

static void a_disconnected_device_does_not_tick(void) {
  hwsim_device *device = open_device(MANUAL "&timer=2ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER) | KIND(RECONNECT), 100);
  advance(device, 5 * MS);
  disconnect(device);
  advance(device, 6 * MS);
  hwsim_subscription *joined = subscribe(device, KIND(TIMER), 100);
  advance(device, 10 * MS);
  CHECK_STATUS(subscription, 2, 0, 0);
  reconnect(device); /* at 21 */
  advance(device, 4 * MS);
  CHECK_EVENT(take_one(subscription), TIMER, 2 * MS, 0, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 4 * MS, 1, 0, 0, 2);
  CHECK_EVENT(take_one(subscription), RECONNECT, 21 * MS, 10, 8, 0, 0);
  CHECK_EVENT(take_one(subscription), TIMER, 23 * MS, 11, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 25 * MS, 12, 0, 0, 2);
  CHECK_STATUS(subscription, 0, 5, 8);
  CHECK_EVENT(take_one(joined), TIMER, 23 * MS, 5, 5, 0, 1);
  CHECK_STATUS(joined, 1, 1, 5);
  hwsim_subscription_free(joined);
  end(subscription, device);
}

static void a_timer_set_while_disconnected_starts_at_the_reconnect(void) {
  hwsim_device *device = open_device(MANUAL "&timer=3ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 100);
  disconnect(device);
  advance(device, 10 * MS);
  CHECK_OK(hwsim_timer_set(device, MS));
  advance(device, 10 * MS + 5);
  reconnect(device);
  advance(device, MS);
  CHECK_EVENT(take_one(subscription), TIMER, 21 * MS + 5, 13, 13, 0, 1);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void billions_of_ticks_are_lost_with_an_exact_count(void) {
  enum { QUEUE = 10 };
  const uint64_t due = UINT64_C(3600000000);
  hwsim_device *device = open_device(MANUAL "&timer=1us");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), QUEUE);
  hwsim_event events[2 * QUEUE];
  uint64_t sequence = 0;
  for (int hour = 1; hour <= 3; hour++) {
    advance(device, 3600 * S);
    CHECK_EQUAL(take(subscription, events, 2 * QUEUE), QUEUE);
    sequence += due - QUEUE;
    for (uint64_t i = 0; i < QUEUE; i++, sequence++)
      CHECK_EVENT(events[i], TIMER, (int64_t)(sequence + 1) * US, sequence, i ? 0 : due - QUEUE, 0,
                  (double)(sequence + 1));
    CHECK_STATUS(subscription, 0, (uint64_t)hour * QUEUE, (uint64_t)hour * (due - QUEUE));
  }
  end(subscription, device);
}

static void ticks_go_on_to_the_end_of_time(void) {
  const uint64_t last = (INT64_MAX - 1) / US;
  hwsim_device *device = open_device(MANUAL "&timer=1us");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 1);
  advance(device, INT64_MAX - 1);
  CHECK_EVENT(take_one(subscription), TIMER, (int64_t)last * US, last - 1, last - 1, 0,
              (double)last);
  CHECK_NO_MORE(subscription);
  CHECK_OK(hwsim_timer_set(device, 3600 * S)); /* the next tick would be after the end */
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static const test tests[] = {
    TEST(ticks_come_at_each_period),
    TEST(the_resource_string_sets_the_timer_from_time_zero),
    TEST(a_timer_set_anew_starts_then),
    TEST(a_timer_set_at_its_tick_keeps_it),
    TEST(a_disconnected_device_does_not_tick),
    TEST(a_timer_set_while_disconnected_starts_at_the_reconnect),
    TEST(billions_of_ticks_are_lost_with_an_exact_count),
    TEST(ticks_go_on_to_the_end_of_time),
};
CHECK_MAIN(tests)
