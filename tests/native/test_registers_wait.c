/* Waiting until a register has a value: it is written, or comes with time (UPTIME). */
#include "threads.h"

#define UPTIME HWSIM_REGISTER_UPTIME
#define SCRATCH0 HWSIM_REGISTER_SCRATCH0

static void set(hwsim_device *device, uint32_t address, uint32_t value) {
  CHECK_OK(hwsim_register_write(device, address, value, &forever));
}

static operation waiter(hwsim_device *device, uint32_t address, uint32_t mask, uint32_t expected) {
  return (operation){.device = device,
                     .run = run_wait,
                     .address = address,
                     .mask = mask,
                     .value = expected,
                     .call = &forever};
}

static void a_value_that_is_there_ends_the_wait_at_once(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms");
  uint64_t value;
  CHECK_OK(hwsim_register_wait(device, HWSIM_REGISTER_ID, 0xFF, 0x49, NULL, &value));
  CHECK_EQUAL(value, 0x48575349);
  CHECK_EQUAL(now(device), MS);
  hwsim_device_free(device);
}

static void another_threads_write_ends_the_wait(void) {
  static const char *const uris[] = {"hwsim://d?clock=virtual", "hwsim://d?latency=10us",
                                     "hwsim://d?latency=0s"};
  for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
    hwsim_device *device = open_device(uris[i]);
    operation wait = waiter(device, SCRATCH0, 0xF0, 0x70);
    operation_start(&wait);
    set(device, SCRATCH0, 0x7);
    set(device, SCRATCH0, 0x12345678);
    CHECK_EQUAL(operation_join(&wait), HWSIM_OK);
    CHECK_EQUAL(wait.value, 0x12345678);
    hwsim_device_free(device);
  }
}

static void a_value_that_passes_by_is_not_missed(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=0s");
  operation waits[8];
  for (uint32_t i = 0; i < 8; i++) {
    waits[i] = waiter(device, SCRATCH0, UINT32_MAX, i + 1);
    operation_start(&waits[i]);
  }
  for (uint32_t i = 0; i < 8; i++)
    set(device, SCRATCH0, i + 1);
  set(device, SCRATCH0, 0);
  for (int i = 0; i < 8; i++)
    CHECK_EQUAL(operation_join(&waits[i]), HWSIM_OK);
  hwsim_device_free(device);
}

static void a_wait_leaves_the_bus_free(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms");
  operation wait = waiter(device, SCRATCH0, 1, 1), read = wait;
  read.run = run_read;
  operation_start(&wait);
  operation_start(&read);
  advance(device, 2 * MS);
  CHECK_EQUAL(operation_join(&read), HWSIM_OK);
  hwsim_device_close(device);
  CHECK_EQUAL(operation_join(&wait), HWSIM_ECLOSED);
  hwsim_device_free(device);
}

static void of_a_register_that_reading_clears_only_the_match_is_read(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=spike@2*3&timeout=inf");
  operation wait = waiter(device, HWSIM_REGISTER_FAULT_COUNT, UINT32_MAX, 2);
  operation_start(&wait);
  uint64_t value;
  CHECK_OK(hwsim_register_read(device, 0, NULL, &value));
  CHECK_OK(hwsim_register_read(device, 0, NULL, &value));
  CHECK_EQUAL(operation_join(&wait), HWSIM_OK);
  CHECK_EQUAL(wait.value, 2);
  CHECK_OK(hwsim_register_read(device, HWSIM_REGISTER_FAULT_COUNT, NULL, &value));
  CHECK_EQUAL(value, 1); /* its own */
  hwsim_device_free(device);
}

static void a_reset_wakes_those_who_wait_for_it(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  set(device, SCRATCH0, 1);
  operation wait = waiter(device, SCRATCH0, 1, 0);
  operation_start(&wait);
  CHECK_OK(hwsim_device_reset(device, NULL));
  CHECK_EQUAL(operation_join(&wait), HWSIM_OK);
  hwsim_device_free(device);
}

static void bits_outside_the_mask_are_refused(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  uint64_t value;
  CHECK_FAILS(hwsim_register_wait(device, SCRATCH0, 0xF, 0x10, NULL, &value), HWSIM_EINVALID);
  CHECK_MESSAGE("0x00000010");
  CHECK_FAILS(hwsim_register_wait(device, HWSIM_REGISTER_COMMAND, 1, 1, NULL, &value),
              HWSIM_EACCESS);
  hwsim_device_free(device);
}

/* ------------------------------------------------------------------------------------ UPTIME -- */

static void uptime_counts_milliseconds(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=0s");
  uint64_t value;
  advance(device, 5 * MS - 1);
  CHECK_OK(hwsim_register_read(device, UPTIME, NULL, &value));
  CHECK_EQUAL(value, 4);
  advance(device, 1);
  CHECK_OK(hwsim_register_read(device, UPTIME, NULL, &value));
  CHECK_EQUAL(value, 5);
  hwsim_device_free(device);
}

static uint64_t next_match_by_trying(uint64_t from, uint32_t mask, uint32_t expected) {
  while (((uint32_t)from & mask) != expected)
    from++;
  return from;
}

static uint32_t random_state = 12345;
static uint32_t random_number(void) { return random_state = random_state * 1664525 + 1013904223; }

/* From the device's time on, with masks that are met within some thousand steps. */
static void check_matches(hwsim_device *device, int64_t reset_ns) {
  static const uint32_t shapes[] = {0xFF, 0xF0F, 0x1, 0x3FE, 0x800, 0xFFF, 0x555};
  for (int i = 0; i < 300; i++) {
    uint32_t mask = shapes[(random_number() >> 16) % (sizeof shapes / sizeof *shapes)];
    uint32_t expected = random_number() & mask;
    uint64_t value;
    uint64_t ms = (uint64_t)((now(device) - reset_ns) / MS);
    uint64_t match = next_match_by_trying(ms, mask, expected);
    CHECK_OK(hwsim_register_wait(device, UPTIME, mask, expected, &forever, &value));
    CHECK_EQUAL(value, (uint32_t)match);
    CHECK_EQUAL((uint64_t)((now(device) - reset_ns) / MS), match);
    CHECK(match == ms || (now(device) - reset_ns) % MS == 0);
  }
}

static void waiting_for_uptime_ends_at_the_next_match(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=0s");
  check_matches(device, 0);
  hwsim_device_free(device);
}

static void uptime_matches_across_its_wrap(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=0s");
  uint64_t value;
  CHECK_OK(hwsim_register_wait(device, UPTIME, UINT32_MAX, UINT32_MAX - 5000, &forever, &value));
  check_matches(device, 0);
  CHECK(now(device) / MS > UINT32_MAX);
  CHECK_OK(hwsim_register_wait(device, UPTIME, UINT32_MAX, 0, &forever, &value));
  CHECK_EQUAL(now(device), (int64_t)2 * 4294967296 * MS);
  hwsim_device_free(device);
}

static void uptime_matches_from_the_last_reset_on(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=700us");
  CHECK_OK(hwsim_device_reset(device, NULL));
  uint64_t value;
  CHECK_OK(hwsim_register_wait(device, UPTIME, UINT32_MAX, 3, NULL, &value));
  CHECK_EQUAL(now(device), 3 * MS + 700000);
  hwsim_device_free(device);
}

static void a_reset_moves_what_waits_for_uptime(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=0s");
  operation wait = waiter(device, UPTIME, UINT32_MAX, 10);
  operation_start(&wait);
  advance(device, 9 * MS);
  CHECK_OK(hwsim_device_reset(device, NULL));
  advance(device, 10 * MS - 1);
  CHECK_EQUAL(pending(device), 1);
  advance(device, 1);
  CHECK_EQUAL(operation_join(&wait), HWSIM_OK);
  CHECK_EQUAL(wait.value, 10);
  hwsim_device_free(device);
}

/* The wait ends when a read would show the value: with bit 11, for bit 10 always reads as 1. */
static void stuck_bits_can_make_uptime_match_earlier(void) {
  hwsim_device *device =
      open_device("hwsim://d?clock=virtual&latency=0s&fault=stuck:0x10/0x400=0x400");
  uint64_t value;
  CHECK_OK(hwsim_register_wait(device, UPTIME, 0xC00, 0xC00, &forever, &value));
  CHECK_EQUAL(now(device), 2048 * MS);
  hwsim_device_free(device);
}

static void uptime_ends_a_real_wait(void) {
  hwsim_device *device = open_device("hwsim://d?latency=0s");
  uint64_t value;
  CHECK_OK(hwsim_register_wait(device, UPTIME, UINT32_MAX, 20, NULL, &value));
  CHECK(now(device) >= 20 * MS);
  hwsim_device_free(device);
}

static void a_timeout_before_the_match_wins(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=0s");
  const hwsim_call brief = {10 * MS - 1, NULL, NULL}, enough = {10 * MS, NULL, NULL};
  uint64_t value;
  CHECK_FAILS(hwsim_register_wait(device, UPTIME, UINT32_MAX, 10, &brief, &value), HWSIM_ETIMEOUT);
  CHECK_OK(hwsim_register_wait(device, UPTIME, UINT32_MAX, 10, &enough, &value));
  CHECK_EQUAL(now(device), 10 * MS);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(a_value_that_is_there_ends_the_wait_at_once),
    TEST(another_threads_write_ends_the_wait),
    TEST(a_value_that_passes_by_is_not_missed),
    TEST(a_wait_leaves_the_bus_free),
    TEST(of_a_register_that_reading_clears_only_the_match_is_read),
    TEST(a_reset_wakes_those_who_wait_for_it),
    TEST(bits_outside_the_mask_are_refused),
    TEST(uptime_counts_milliseconds),
    TEST(waiting_for_uptime_ends_at_the_next_match),
    TEST(uptime_matches_across_its_wrap),
    TEST(uptime_matches_from_the_last_reset_on),
    TEST(a_reset_moves_what_waits_for_uptime),
    TEST(stuck_bits_can_make_uptime_match_earlier),
    TEST(uptime_ends_a_real_wait),
    TEST(a_timeout_before_the_match_wins),
};
CHECK_MAIN(tests)
