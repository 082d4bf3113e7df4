/* Time: the four clocks, and that no wait ends before its time. */
#include "check.h"

#include <time.h>

static int64_t monotonic(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * S + now.tv_nsec;
}

/* The device time between two readings is no less than the real time between them, and no more than
 * the real time around them. */
static void check_pace(const char *uri, double scale) {
  hwsim_device *device = open_device(uri);
  int64_t outer_start = monotonic(), start = now(device), inner_start = monotonic();
  while (monotonic() < inner_start + 5 * MS)
    ;
  int64_t inner_end = monotonic(), end = now(device), outer_end = monotonic();
  CHECK((double)(end - start) >= (double)(inner_end - inner_start) * scale - scale - 1);
  CHECK((double)(end - start) <= (double)(outer_end - outer_start) * scale + scale + 1);
  hwsim_device_free(device);
}

static void a_real_clock_follows_real_time(void) { check_pace("hwsim://d?clock=real", 1); }

static void a_scaled_clock_runs_faster_or_slower(void) {
  check_pace("hwsim://d?clock=1000x", 1000);
  check_pace("hwsim://d?clock=0.01x", 0.01);
}

/* 10 us is a spinning wait, 1 ms one on a condition variable. */
static void check_never_early(const char *uri, int64_t cost_ns, int64_t real_cost_ns) {
  hwsim_device *device = open_device(uri);
  for (int i = 0; i < 20; i++) {
    int64_t start = now(device), real_start = monotonic();
    CHECK_OK(read_once(device));
    CHECK(now(device) - start >= cost_ns);
    CHECK(monotonic() - real_start >= real_cost_ns);
  }
  hwsim_device_free(device);
}

static void a_wait_never_ends_early(void) {
  check_never_early("hwsim://d?latency=10us", 10 * US, 10 * US);
  check_never_early("hwsim://d?latency=1ms", MS, MS);
  check_never_early("hwsim://d?latency=1s&clock=1000x", S, MS - 2);
  check_never_early("hwsim://d?latency=1us&clock=0.01x", US, 100 * US - 2);
}

static void a_virtual_wait_jumps_to_its_end(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=3600s&timeout=inf");
  CHECK_EQUAL(now(device), 0);
  for (int hours = 1; hours <= 1000; hours++) {
    CHECK_OK(read_once(device));
    CHECK_EQUAL(now(device), hours * 3600 * S);
  }
  hwsim_device_free(device);
}

static void a_virtual_timeout_jumps_to_the_deadline(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  const hwsim_call call = {40 * S, NULL};
  uint32_t value;
  CHECK_FAILS(hwsim_register_wait(device, 0x40, 1, 1, &call, &value), HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), 40 * S);
  hwsim_device_free(device);
}

static void a_manual_clock_stands_until_it_is_advanced(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  CHECK_EQUAL(now(device), 0);
  advance(device, 0);
  advance(device, 5);
  CHECK_EQUAL(now(device), 5);
  hwsim_device_free(device);
}

static void only_a_manual_clock_can_be_advanced(void) {
  static const char *const uris[] = {"hwsim://d?clock=real", "hwsim://d?clock=virtual",
                                     "hwsim://d?clock=10x"};
  for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
    hwsim_device *device = open_device(uris[i]);
    CHECK_FAILS(hwsim_clock_advance(device, 1), HWSIM_ESTATE);
    CHECK_MESSAGE("clock=manual");
    hwsim_device_free(device);
  }
}

static void time_does_not_go_back_or_past_its_end(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  CHECK_FAILS(hwsim_clock_advance(device, -1), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_clock_advance(device, INT64_MAX), HWSIM_EINVALID);
  advance(device, INT64_MAX - 1);
  CHECK_FAILS(hwsim_clock_advance(device, 1), HWSIM_EINVALID);
  CHECK_EQUAL(now(device), INT64_MAX - 1);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(a_real_clock_follows_real_time),
    TEST(a_scaled_clock_runs_faster_or_slower),
    TEST(a_wait_never_ends_early),
    TEST(a_virtual_wait_jumps_to_its_end),
    TEST(a_virtual_timeout_jumps_to_the_deadline),
    TEST(a_manual_clock_stands_until_it_is_advanced),
    TEST(only_a_manual_clock_can_be_advanced),
    TEST(time_does_not_go_back_or_past_its_end),
};
CHECK_MAIN(tests)
