/* Time: the four clocks, and that no wait ends before its time. */
#include "events.h"

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
  const hwsim_call call = {40 * S, NULL, NULL};
  uint64_t value;
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

/* ------------------------------------------------------------------- at the end of the clock -- */

/* What is to come after the end never comes, but a deadline that would be later is the end. */
static void a_timeout_ends_with_the_clock(void) {
  static const int64_t timeouts_ns[] = {INT64_MAX - S, 30000000 * S, S, 0, S};
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=0s");
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 10);
  uint64_t value;
  hwsim_event event;
  size_t count;
  for (size_t i = 0; i < LENGTH(timeouts_ns); i++) {
    const hwsim_call call = {timeouts_ns[i], NULL, NULL};
    CHECK_FAILS(hwsim_register_wait(device, SCRATCH0, 1, 1, &call, &value), HWSIM_ETIMEOUT);
    CHECK_FAILS(hwsim_subscription_next(subscription, 1, &call, &event, &count), HWSIM_ETIMEOUT);
    CHECK_FAILS(hwsim_device_wait_pending(device, 1, &call), HWSIM_ETIMEOUT);
  }
  CHECK_EQUAL(now(device), INT64_MAX - 1);
  CHECK_OK(hwsim_register_write(device, SCRATCH0, 1, NULL));
  end(subscription, device);
}

static void an_operation_is_done_by_the_end_of_the_clock(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=3600s&timeout=inf");
  const hwsim_call call = {INT64_MAX - 5 * S, NULL, NULL};
  uint64_t value;
  CHECK_FAILS(hwsim_register_wait(device, SCRATCH0, 1, 1, &call, &value), HWSIM_ETIMEOUT);
  CHECK_OK(hwsim_register_read(device, SCRATCH0, NULL, &value));
  CHECK_EQUAL(now(device), INT64_MAX - 1);
  hwsim_device_free(device);
}

static void a_sample_after_the_end_of_the_clock_is_not_waited_for(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=0s");
  const uint32_t channel = 0;
  const hwsim_stream_config config = {
      .rate_hz = 0.001, .channels = &channel, .channel_count = 1, .buffer = 1000};
  const int64_t timeouts_ns[] = {HWSIM_TIMEOUT_DEFAULT, HWSIM_TIMEOUT_NEVER};
  static int16_t codes[10000000];
  for (size_t i = 0; i < LENGTH(timeouts_ns); i++) {
    const hwsim_call call = {timeouts_ns[i], NULL, NULL};
    hwsim_stream *stream;
    hwsim_block block;
    CHECK_OK(hwsim_stream_start(device, &config, &stream));
    CHECK_FAILS(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, LENGTH(codes), &call, codes, &block),
                HWSIM_ETIMEOUT);
    hwsim_stream_free(stream);
  }
  hwsim_device_free(device);
}

/* ---------------------------------------------------------- when there is much to do at once -- */

/* A device whose comparators have to look at every sample, and never find a crossing. */
static hwsim_device *open_busy(const char *clock, hwsim_subscription **subscription_out) {
  char uri[100];
  snprintf(uri, sizeof uri, "hwsim://d?rate=1MHz&latency=0s&timeout=inf&clock=%s", clock);
  hwsim_device *device = open_device(uri);
  const hwsim_signal signal = {.noise_v = 1, .range_v = 10};
  for (uint32_t channel = 0; channel < 4; channel++) {
    CHECK_OK(hwsim_signal_set(device, channel, &signal, NULL, 0));
    CHECK_OK(hwsim_threshold_set(device, channel, 3.4635, 0)); /* seldom even for such noise */
  }
  *subscription_out = subscribe(device, KIND(THRESHOLD), 1);
  return device;
}

static hwsim_error run_advance(operation *self) {
  return hwsim_clock_advance(self->device, 1000000 * S);
}

static void close_it(hwsim_device *device) { hwsim_device_close(device); }
static void cancel_it(hwsim_device *device) { CHECK_OK(hwsim_device_cancel(device)); }

static const struct {
  void (*stop)(hwsim_device *device);
  hwsim_error result;
} endings[] = {{close_it, HWSIM_ECLOSED}, {cancel_it, HWSIM_ECANCELLED}};

typedef struct visits {
  int entered, left, polled;
} visits;
static void count_enter(void *user, int64_t expected_ns) {
  (void)expected_ns;
  ((visits *)user)->entered++;
}
static void count_leave(void *user) { ((visits *)user)->left++; }
static int interrupt_later(void *user) { return ++((visits *)user)->polled == 4; }

/* A call that would take hours; others see the clock go on meanwhile, and one of them ends it. */
static void check_stopped(const char *clock, hwsim_error (*run)(operation *self)) {
  for (size_t i = 0; i < LENGTH(endings); i++) {
    hwsim_subscription *subscription;
    hwsim_device *device = open_busy(clock, &subscription);
    const hwsim_call call = {1000000 * S, NULL, NULL};
    operation self = {
        .device = device, .run = run, .address = SCRATCH0, .mask = 1, .value = 1, .call = &call};
    operation_launch(&self);
    for (int64_t seen = 0; seen < 3;) {
      int64_t before = now(device);
      while (now(device) == before)
        ;
      seen++;
    }
    endings[i].stop(device);
    CHECK_EQUAL(operation_join(&self), endings[i].result);
    CHECK(now(device) < 1000000 * S);
    end(subscription, device);
  }
}

static void a_long_advance_lets_others_have_their_turn(void) {
  check_stopped("manual", run_advance);
}
static void a_long_jump_lets_others_have_their_turn(void) { check_stopped("virtual", run_wait); }

static void a_long_advance_can_be_interrupted(void) {
  hwsim_subscription *subscription;
  hwsim_device *device = open_busy("manual", &subscription);
  visits seen = {0};
  const hwsim_hooks hooks = {count_enter, count_leave, interrupt_later, &seen};
  const hwsim_hooks *before = hwsim_hooks_set(&hooks);
  CHECK_FAILS(hwsim_clock_advance(device, 1000000 * S), HWSIM_ECANCELLED);
  CHECK_EQUAL(seen.polled, 4);
  CHECK_EQUAL(seen.entered, 1);
  CHECK_EQUAL(seen.left, 1);
  CHECK(now(device) > 0 && now(device) < 1000000 * S);
  CHECK_OK(hwsim_clock_advance(device, 1));
  hwsim_hooks_set(before);
  end(subscription, device);
}

/* A step in slices is the same as one at once. */
static void a_long_advance_comes_to_its_end(void) {
  hwsim_subscription *subscription;
  hwsim_device *device = open_busy("manual", &subscription);
  CHECK_OK(hwsim_clock_advance(device, 20 * S + 1));
  CHECK_EQUAL(now(device), 20 * S + 1);
  end(subscription, device);
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
    TEST(a_timeout_ends_with_the_clock),
    TEST(an_operation_is_done_by_the_end_of_the_clock),
    TEST(a_sample_after_the_end_of_the_clock_is_not_waited_for),
    TEST(a_long_advance_lets_others_have_their_turn),
    TEST(a_long_jump_lets_others_have_their_turn),
    TEST(a_long_advance_can_be_interrupted),
    TEST(a_long_advance_comes_to_its_end),
};
CHECK_MAIN(tests)
