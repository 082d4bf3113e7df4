/* The names of events, and the arguments of subscriptions, timers and reads that are refused. */
#include "events.h"

static void every_kind_has_a_name_that_finds_it(void) {
  for (int kind = 0; kind <= HWSIM_EVENT_THRESHOLD; kind++) {
    hwsim_event_kind found;
    CHECK_OK(hwsim_event_find(hwsim_event_name((hwsim_event_kind)kind), &found));
    CHECK_EQUAL(found, kind);
  }
  CHECK_TEXT(hwsim_event_name(HWSIM_EVENT_TIMER), "timer");
  CHECK(!hwsim_event_name((hwsim_event_kind)(HWSIM_EVENT_THRESHOLD + 1)));
  CHECK(!hwsim_event_name((hwsim_event_kind)-1));
}

static void an_unknown_name_gets_the_nearest(void) {
  hwsim_event_kind kind;
  CHECK_FAILS(hwsim_event_find("treshold", &kind), HWSIM_EINVALID);
  CHECK_MESSAGE("threshold");
  CHECK_FAILS(hwsim_event_find("", &kind), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_event_find(NULL, &kind), HWSIM_EINVALID);
}

static void check_refused(hwsim_device *device, uint32_t kinds, uint32_t queue, int overflow,
                          const char *field) {
  hwsim_subscription_config config = {kinds, queue, (hwsim_overflow)overflow, {0}};
  hwsim_subscription *subscription;
  CHECK_FAILS(hwsim_subscription_new(device, &config, &subscription), HWSIM_EINVALID);
  CHECK_MESSAGE(field);
}

static void a_bad_subscription_names_its_field(void) {
  hwsim_device *device = open_device(MANUAL);
  check_refused(device, 0, 1, HWSIM_OVERFLOW_DROP, "kinds");
  check_refused(device, ALL_KINDS + 1, 1, HWSIM_OVERFLOW_DROP, "kinds");
  check_refused(device, ALL_KINDS, 0, HWSIM_OVERFLOW_DROP, "queue");
  check_refused(device, ALL_KINDS, (1 << 20) + 1, HWSIM_OVERFLOW_DROP, "queue");
  check_refused(device, ALL_KINDS, 1, 2, "overflow");
  hwsim_subscription_free(subscribe(device, ALL_KINDS, 1 << 20));
  hwsim_subscription_free(NULL);
  hwsim_device_free(device);
}

static void a_bad_period_is_refused(void) {
  static const int64_t bad[] = {-1, 1, 999, 3600 * S + 1, INT64_MIN, INT64_MAX};
  hwsim_device *device = open_device(MANUAL), *none;
  int64_t period_ns;
  for (size_t i = 0; i < LENGTH(bad); i++) {
    CHECK_FAILS(hwsim_timer_set(device, bad[i]), HWSIM_EINVALID);
    CHECK_MESSAGE("timer");
  }
  CHECK_OK(hwsim_timer_set(device, 3600 * S));
  CHECK_OK(hwsim_timer_set(device, 1000));
  CHECK_FAILS(hwsim_timer_set(device, 5), HWSIM_EINVALID);
  CHECK_OK(hwsim_timer_get(device, &period_ns)); /* what was refused has changed nothing */
  CHECK_EQUAL(period_ns, 1000);
  CHECK_FAILS(hwsim_device_open("hwsim://e?timer=500ns", &none), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_device_open("hwsim://e?timer=2h", &none), HWSIM_EINVALID);
  hwsim_device_free(device);
}

static void bad_reads_are_refused(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, ALL_KINDS, 4);
  const hwsim_call bad = {-2, NULL, NULL};
  hwsim_event event;
  size_t count;
  trigger(device, 1);
  CHECK_FAILS(hwsim_subscription_next(subscription, 0, NULL, &event, &count), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, &bad, &event, &count), HWSIM_EINVALID);
  CHECK_STATUS(subscription, 1, 0, 0);
  end(subscription, device);
}

static void a_closed_device_takes_nothing(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription_config config = {ALL_KINDS, 1, HWSIM_OVERFLOW_DROP, {0}};
  hwsim_subscription *subscription;
  hwsim_device_close(device);
  CHECK_FAILS(hwsim_subscription_new(device, &config, &subscription), HWSIM_ECLOSED);
  CHECK_FAILS(hwsim_timer_set(device, MS), HWSIM_ECLOSED);
  CHECK_FAILS(hwsim_event_trigger(device, 1, NULL), HWSIM_ECLOSED);
  CHECK_FAILS(hwsim_threshold_set(device, 0, 0, 0), HWSIM_ECLOSED);
  CHECK_FAILS(hwsim_threshold_clear(device, 0), HWSIM_ECLOSED);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(every_kind_has_a_name_that_finds_it),
    TEST(an_unknown_name_gets_the_nearest),
    TEST(a_bad_subscription_names_its_field),
    TEST(a_bad_period_is_refused),
    TEST(bad_reads_are_refused),
    TEST(a_closed_device_takes_nothing),
};
CHECK_MAIN(tests)
