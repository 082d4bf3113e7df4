/* Reading events from a queue, on every clock: who waits, for how long, and what ends the wait. */
#include "events.h"

/* ------------------------------------------------------------------------------- the readers -- */

static void a_reader_waits_for_an_event(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER) | KIND(TRIGGER), 10);
  reader waiting;
  reader_start(&waiting, subscription, 8, &forever);
  trigger(device, 5);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_OK);
  CHECK_EQUAL(waiting.count, 1);
  CHECK_EVENT(waiting.events[0], TRIGGER, 0, 0, 0, 0, 5);
  reader_start(&waiting, subscription, 8, &forever);
  advance(device, 3 * MS);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_OK);
  CHECK_EVENT(waiting.events[0], TIMER, MS, 1, 0, 0, 1);
  end(subscription, device);
}

static void readers_take_turns(void) {
  enum { READERS = 4 };
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 10);
  reader waiting[READERS];
  for (int i = 0; i < READERS; i++)
    reader_start(&waiting[i], subscription, 8, &forever);
  for (int i = 0; i < READERS; i++) {
    trigger(device, i);
    CHECK_EQUAL(reader_join(&waiting[i]), HWSIM_OK);
    CHECK_EQUAL(waiting[i].count, 1);
    CHECK_EVENT(waiting[i].events[0], TRIGGER, 0, (uint64_t)i, 0, 0, i);
  }
  end(subscription, device);
}

static void a_read_times_out_at_its_time(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=0s&timeout=30ms&timer=1s");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER) | KIND(TRIGGER), 10);
  const hwsim_call brief = {7 * MS, NULL, NULL}, until_tick = {963 * MS, NULL, NULL};
  hwsim_event event;
  size_t count = 77;
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, &brief, &event, &count), HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), 7 * MS);
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, NULL, &event, &count), HWSIM_ETIMEOUT);
  CHECK_MESSAGE("no event");
  CHECK_EQUAL(now(device), 37 * MS);
  CHECK_EQUAL(count, 77);
  /* What comes at the very end is in time. */
  CHECK_OK(hwsim_subscription_next(subscription, 1, &until_tick, &event, &count));
  CHECK_EVENT(event, TIMER, S, 0, 0, 0, 1);
  end(subscription, device);
}

static void a_read_can_be_cancelled(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  hwsim_cancel *token;
  hwsim_event event;
  size_t count;
  CHECK_OK(hwsim_cancel_new(&token));
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  reader waiting;
  reader_start(&waiting, subscription, 1, &call);
  hwsim_cancel_set(token);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_ECANCELLED);
  reader_start(&waiting, subscription, 1, &forever);
  CHECK_OK(hwsim_device_cancel(device));
  CHECK_EQUAL(reader_join(&waiting), HWSIM_ECANCELLED);
  advance(device, MS);
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, &call, &event, &count), HWSIM_ECANCELLED);
  CHECK_EVENT(take_one(subscription), TIMER, MS, 0, 0, 0, 1); /* nothing has been taken */
  hwsim_cancel_free(token);
  end(subscription, device);
}

static void a_disconnect_does_not_end_a_read(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(RECONNECT), 10);
  reader waiting;
  reader_start(&waiting, subscription, 1, &forever);
  disconnect(device);
  reconnect(device);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_OK);
  CHECK_EVENT(waiting.events[0], RECONNECT, 0, 0, 0, 0, 0);
  end(subscription, device);
}

static void reading_does_not_use_the_bus(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms&fault=crc@2~1&timer=1s");
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER) | KIND(TIMER), 10);
  trigger(device, 0);
  CHECK_EQUAL(now(device), MS);
  await_one(subscription);
  CHECK_EVENT(await_one(subscription), TIMER, S, 1, 0, 0, 1);
  CHECK_EQUAL(now(device), S);
  CHECK_EQUAL(transactions(device), 1);
  end(subscription, device);
}

static void closing_the_subscription_ends_its_readers(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 10),
                     *other = subscribe(device, KIND(TRIGGER), 10);
  reader waiting[2], elsewhere;
  hwsim_event event;
  size_t count;
  for (int i = 0; i < 2; i++)
    reader_start(&waiting[i], subscription, 1, &forever);
  reader_start(&elsewhere, other, 1, &forever);
  CHECK(hwsim_subscription_is_open(subscription));
  hwsim_subscription_close(subscription);
  CHECK(!hwsim_subscription_is_open(subscription));
  for (int i = 0; i < 2; i++)
    CHECK_EQUAL(reader_join(&waiting[i]), HWSIM_ECLOSED);
  hwsim_subscription_close(subscription);
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, NULL, &event, &count), HWSIM_ECLOSED);
  CHECK_MESSAGE("subscription is closed");
  trigger(device, 3);
  CHECK_EQUAL(reader_join(&elsewhere), HWSIM_OK);
  hwsim_subscription_free(other);
  end(subscription, device);
}

static void closing_the_subscription_drops_what_is_queued(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 3);
  hwsim_subscription_status status;
  hwsim_event event;
  size_t count;
  for (int i = 0; i < 5; i++)
    trigger(device, i);
  take_one(subscription);
  CHECK_STATUS(subscription, 2, 1, 2);
  hwsim_subscription_close(subscription);
  trigger(device, 6);
  CHECK_OK(hwsim_subscription_get_status(subscription, &status));
  CHECK(!status.open);
  CHECK_STATUS(subscription, 0, 1, 2); /* what is dropped on request is not lost */
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, NULL, &event, &count), HWSIM_ECLOSED);
  end(subscription, device);
}

static void what_came_before_the_device_closed_can_be_read(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  hwsim_subscription_status status;
  hwsim_event events[10];
  size_t count;
  advance(device, 3 * MS + 1);
  hwsim_device_close(device);
  CHECK_OK(hwsim_subscription_get_status(subscription, &status));
  CHECK(!status.open);
  CHECK_EQUAL(status.queued, 3);
  CHECK_EVENT(take_one(subscription), TIMER, MS, 0, 0, 0, 1);
  CHECK_OK(hwsim_subscription_next(subscription, 10, NULL, events, &count));
  CHECK_EQUAL(count, 2);
  CHECK_EVENT(events[1], TIMER, 3 * MS, 2, 0, 0, 3);
  CHECK_FAILS(hwsim_subscription_next(subscription, 10, NULL, events, &count), HWSIM_ECLOSED);
  end(subscription, device);
}

static void closing_the_device_ends_a_read(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  reader waiting;
  reader_start(&waiting, subscription, 1, &forever);
  hwsim_device_close(device);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_ECLOSED);
  end(subscription, device);
}

static void a_subscription_outlives_its_device_handle(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  hwsim_device_retain(device);
  hwsim_device_free(device);
  advance(device, MS);
  hwsim_device_close(device); /* kept alive, not open */
  hwsim_device_free(device);
  hwsim_device_free(open_device(MANUAL));
  CHECK_EVENT(take_one(subscription), TIMER, MS, 0, 0, 0, 1);
  hwsim_subscription_free(subscription);
}

/* -------------------------------------------------------------------------- the other clocks -- */

static void a_virtual_clock_jumps_to_the_next_event(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms&timer=400us");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER) | KIND(TRIGGER), 100);
  CHECK_EVENT(await_one(subscription), TIMER, 400 * US, 0, 0, 0, 1);
  CHECK_EQUAL(now(device), 400 * US);
  trigger(device, 9);
  CHECK_EQUAL(now(device), 1400 * US);
  CHECK_EVENT(await_one(subscription), TIMER, 800 * US, 1, 0, 0, 2);
  CHECK_EVENT(await_one(subscription), TIMER, 1200 * US, 2, 0, 0, 3);
  CHECK_EVENT(await_one(subscription), TRIGGER, 1400 * US, 3, 0, 0, 9);
  for (uint64_t tick = 4; tick < 5000; tick++)
    CHECK_EVENT(await_one(subscription), TIMER, (int64_t)tick * 400 * US, tick, 0, 0, (double)tick);
  end(subscription, device);
}

/* Nothing comes by itself, but another thread may act. */
static void a_virtual_clock_waits_for_others(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 100);
  reader waiting;
  reader_start(&waiting, subscription, 1, &forever);
  trigger(device, 4);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_OK);
  CHECK_EVENT(waiting.events[0], TRIGGER, MS, 0, 0, 0, 4);
  end(subscription, device);
}

/* Whenever it is read, a tick has the time at which it was due, and none is missing. */
static void check_real_ticks(const char *uri, int64_t period_ns) {
  hwsim_device *device = open_device(uri);
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 1 << 20);
  for (uint64_t i = 0; i < 20; i++) {
    hwsim_event event = await_one(subscription);
    CHECK(now(device) >= event.time_ns);
    CHECK_EQUAL(event.time_ns, (int64_t)event.value * period_ns);
    CHECK_EQUAL(event.sequence, i);
    CHECK_EQUAL(event.lost, 0);
  }
  end(subscription, device);
}

static void a_real_clock_ticks(void) { check_real_ticks("hwsim://d?timer=200us", 200 * US); }

static void a_scaled_clock_ticks(void) {
  check_real_ticks("hwsim://d?clock=1000x&timer=1s&timeout=inf", S);
  check_real_ticks("hwsim://d?clock=0.01x&timer=5us&timeout=inf", 5 * US);
}

static const test tests[] = {
    TEST(a_reader_waits_for_an_event),
    TEST(readers_take_turns),
    TEST(a_read_times_out_at_its_time),
    TEST(a_read_can_be_cancelled),
    TEST(a_disconnect_does_not_end_a_read),
    TEST(reading_does_not_use_the_bus),
    TEST(closing_the_subscription_ends_its_readers),
    TEST(closing_the_subscription_drops_what_is_queued),
    TEST(what_came_before_the_device_closed_can_be_read),
    TEST(closing_the_device_ends_a_read),
    TEST(a_subscription_outlives_its_device_handle),
    TEST(a_virtual_clock_jumps_to_the_next_event),
    TEST(a_virtual_clock_waits_for_others),
    TEST(a_real_clock_ticks),
    TEST(a_scaled_clock_ticks),
};
CHECK_MAIN(tests)
