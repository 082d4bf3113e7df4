/* The bus: one timeline a device. Operations are done in the order of their arrival, one that is
 * aborted has no effect and gives its slot back, and no step of time is too long.
 *
 * On a manual clock operation_start() fixes the order, and nothing moves until advance(). */
#include "threads.h"

enum { A = HWSIM_REGISTER_SCRATCH0, B = HWSIM_REGISTER_SCRATCH1, C = HWSIM_REGISTER_SCRATCH2 };

static operation writer(hwsim_device *device, uint32_t address, uint32_t value) {
  return (operation){
      .device = device, .run = run_write, .address = address, .value = value, .call = &forever};
}

static operation reader(hwsim_device *device, uint32_t address) {
  return (operation){.device = device, .run = run_read, .address = address, .call = &forever};
}

/* What a register holds; for an idle bus, so that nothing else is delayed. */
static uint32_t look(hwsim_device *device, uint32_t address) {
  operation look = reader(device, address);
  operation_start(&look);
  advance(device, 3600 * S);
  CHECK_EQUAL(operation_join(&look), HWSIM_OK);
  return look.value;
}

/* ------------------------------------------------------------------------------------- order -- */

static void operations_end_one_by_one_in_order(void) {
  operation writers[8];
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms");
  for (uint32_t i = 0; i < 8; i++) {
    writers[i] = writer(device, A, i + 1);
    operation_start(&writers[i]);
  }
  for (uint32_t i = 0; i < 8; i++) {
    advance(device, MS);
    CHECK_EQUAL(pending(device), 7 - i);
    CHECK_EQUAL(operation_join(&writers[i]), HWSIM_OK);
  }
  CHECK_EQUAL(look(device, A), 8);
  hwsim_device_free(device);
}

static void operations_due_together_take_effect_in_order(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms");
  operation all[6];
  for (int i = 0; i < 6; i++) {
    all[i] = i % 2 ? reader(device, A) : writer(device, A, (uint32_t)i + 10);
    operation_start(&all[i]);
  }
  advance(device, 100 * MS);
  for (int i = 0; i < 6; i++)
    CHECK_EQUAL(operation_join(&all[i]), HWSIM_OK);
  CHECK_EQUAL(all[1].value, 10);
  CHECK_EQUAL(all[3].value, 12);
  CHECK_EQUAL(all[5].value, 14);
  hwsim_device_free(device);
}

static void nothing_happens_before_its_time(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms");
  operation write = writer(device, A, 1);
  operation_start(&write);
  advance(device, MS - 1);
  CHECK_EQUAL(pending(device), 1);
  advance(device, 1);
  CHECK_EQUAL(pending(device), 0);
  CHECK_EQUAL(operation_join(&write), HWSIM_OK);
  hwsim_device_free(device);
}

static void devices_do_not_wait_for_each_other(void) {
  hwsim_device *slow = open_device("hwsim://slow?clock=manual"),
               *quick = open_device("hwsim://quick?clock=manual");
  operation blocked = reader(slow, A), free_to_go = reader(quick, A);
  operation_start(&blocked);
  operation_start(&free_to_go);
  advance(quick, MS);
  CHECK_EQUAL(operation_join(&free_to_go), HWSIM_OK);
  CHECK_EQUAL(pending(slow), 1);
  advance(slow, MS);
  CHECK_EQUAL(operation_join(&blocked), HWSIM_OK);
  hwsim_device_free(slow);
  hwsim_device_free(quick);
}

/* -------------------------------------------------------------------------------------- cost -- */

static void an_operation_costs_latency_and_its_bytes(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=2ms&bandwidth=1kB/s");
  uint32_t values[4] = {0};
  uint64_t old;
  double volts;
  int64_t start = now(device);
  CHECK_OK(hwsim_register_read(device, A, NULL, &old));
  CHECK_EQUAL(now(device) - start, 6 * MS);
  CHECK_OK(hwsim_register_write_block(device, A, values, 4, NULL));
  CHECK_EQUAL(now(device) - start, (6 + 18) * MS);
  CHECK_OK(hwsim_signal_read(device, 0, NULL, &volts));
  CHECK_EQUAL(now(device) - start, (6 + 18 + 4) * MS);
  CHECK_OK(hwsim_register_update(device, A, 1, 1, NULL, &old));
  CHECK_EQUAL(now(device) - start, (6 + 18 + 4 + 10) * MS);
  hwsim_device_free(device);
}

static void jitter_stays_within_its_bounds_and_uses_them(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=2ms&jitter=1ms&seed=3");
  enum { COUNT = 2000 };
  int64_t before = 0, least = HWSIM_TIMEOUT_NEVER, most = 0;
  uint64_t value;
  for (int i = 0; i < COUNT; i++) {
    CHECK_OK(hwsim_register_read(device, A, NULL, &value));
    int64_t cost = now(device) - before;
    before += cost;
    least = cost < least ? cost : least;
    most = cost > most ? cost : most;
  }
  CHECK(least >= 1 * MS && least < 1.02 * MS);
  CHECK(most <= 3 * MS && most > 2.98 * MS);
  CHECK_NEAR((double)before / COUNT, 2 * MS, 0.04 * MS);
  hwsim_device_free(device);
}

/* ---------------------------------------------------------------------------------- aborting -- */

/* Three operations of 10 ms; one of them (`victim`) is aborted after 4 ms, in one of these ways. */
typedef enum abortion { BY_TOKEN, BY_TIMEOUT, ABORTIONS } abortion;

static void check_slot_comes_back(abortion how, int victim) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=10ms");
  hwsim_cancel *token;
  CHECK_OK(hwsim_cancel_new(&token));
  const hwsim_call doomed = {how == BY_TIMEOUT ? 4 * MS : HWSIM_TIMEOUT_NEVER, token, NULL};
  operation all[3] = {writer(device, A, 1), writer(device, B, 1), writer(device, C, 1)};
  all[victim].call = &doomed;
  for (int i = 0; i < 3; i++)
    operation_start(&all[i]);

  advance(device, 4 * MS);
  if (how == BY_TOKEN)
    hwsim_cancel_set(token);
  CHECK_EQUAL(operation_join(&all[victim]), how == BY_TOKEN ? HWSIM_ECANCELLED : HWSIM_ETIMEOUT);
  CHECK_EQUAL(pending(device), 2);

  /* The bus is used for 4 ms if the first operation was aborted, otherwise not at all. */
  int64_t end = victim == 0 ? 14 * MS : 10 * MS;
  for (int i = 0; i < 3; i++) {
    if (i == victim)
      continue;
    advance(device, end - 1 - now(device));
    uint32_t before = pending(device);
    advance(device, 1);
    CHECK_EQUAL(pending(device), before - 1);
    CHECK_EQUAL(operation_join(&all[i]), HWSIM_OK);
    end += 10 * MS;
  }
  CHECK_EQUAL(look(device, A), victim != 0);
  CHECK_EQUAL(look(device, B), victim != 1);
  CHECK_EQUAL(look(device, C), victim != 2);
  hwsim_cancel_free(token);
  hwsim_device_free(device);
}

static void an_aborted_operation_gives_its_slot_back(void) {
  for (int how = 0; how < ABORTIONS; how++)
    for (int victim = 0; victim < 3; victim++)
      check_slot_comes_back((abortion)how, victim);
}

static void device_cancel_frees_the_bus_at_once(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=10ms");
  operation all[3] = {writer(device, A, 1), writer(device, A, 2), writer(device, A, 3)};
  for (int i = 0; i < 3; i++)
    operation_start(&all[i]);
  advance(device, 4 * MS);
  CHECK_OK(hwsim_device_cancel(device));
  for (int i = 0; i < 3; i++)
    CHECK_EQUAL(operation_join(&all[i]), HWSIM_ECANCELLED);
  operation next = reader(device, A);
  operation_start(&next);
  advance(device, 10 * MS);
  CHECK_EQUAL(operation_join(&next), HWSIM_OK);
  CHECK_EQUAL(next.value, 0);
  hwsim_device_free(device);
}

/* ---------------------------------------------------------------------------------- timeouts -- */

static void a_timeout_counts_the_time_in_the_queue(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=10ms");
  const hwsim_call too_short = {20 * MS - 1, NULL, NULL};
  operation first = writer(device, A, 1), second = writer(device, A, 2);
  second.call = &too_short;
  operation_start(&first);
  operation_start(&second);
  advance(device, 100 * MS);
  CHECK_EQUAL(operation_join(&first), HWSIM_OK);
  CHECK_EQUAL(operation_join(&second), HWSIM_ETIMEOUT);
  CHECK_EQUAL(look(device, A), 1);
  hwsim_device_free(device);
}

static void done_just_in_time_is_no_timeout(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=10ms");
  const hwsim_call exact = {10 * MS, NULL, NULL}, short_of_it = {10 * MS - 1, NULL, NULL};
  CHECK_OK(hwsim_register_write(device, A, 1, &exact));
  CHECK_FAILS(hwsim_register_write(device, A, 2, &short_of_it), HWSIM_ETIMEOUT);
  hwsim_device_free(device);
}

static void a_timeout_of_zero_only_takes_what_is_immediate(void) {
  const hwsim_call at_once = {0, NULL, NULL};
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ns");
  CHECK_FAILS(hwsim_register_write(device, A, 1, &at_once), HWSIM_ETIMEOUT);
  CHECK_EQUAL(pending(device), 0);
  hwsim_device *instant = open_device("hwsim://instant?clock=manual&latency=0s");
  CHECK_OK(hwsim_register_write(instant, A, 1, &at_once));
  hwsim_device_free(device);
  hwsim_device_free(instant);
}

static void a_negative_timeout_is_refused(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  const hwsim_call negative = {-2, NULL, NULL};
  CHECK_FAILS(hwsim_register_write(device, A, 1, &negative), HWSIM_EINVALID);
  CHECK_MESSAGE("timeout");
  hwsim_device_free(device);
}

/* ------------------------------------------------------------------------------- determinism -- */

/* A queue with timeouts, so that some move up. How each one ended, as a letter: T timed out, w
 * written, else what a read gave. */
static void run_queue(int64_t step_ns, char *letters_out) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=5ms&jitter=4ms&seed=11");
  static const int64_t limits_ms[] = {100, 7, 12, 9, 100, 21, 16, 100, 30, 26, 100, 30};
  enum { COUNT = sizeof limits_ms / sizeof *limits_ms };
  operation all[COUNT];
  hwsim_call calls[COUNT];
  for (int i = 0; i < COUNT; i++) {
    calls[i] = (hwsim_call){limits_ms[i] * MS, NULL, NULL};
    all[i] = i % 2 ? reader(device, A) : writer(device, A, (uint32_t)i + 1);
    all[i].call = &calls[i];
    operation_start(&all[i]);
  }
  while (pending(device))
    advance(device, step_ns);
  for (int i = 0; i < COUNT; i++) {
    hwsim_error error = operation_join(&all[i]);
    letters_out[i] = error ? 'T' : i % 2 ? (char)('0' + all[i].value) : 'w';
  }
  letters_out[COUNT] = '\0';
  hwsim_device_free(device);
}

static void a_long_step_has_the_outcome_of_many_short_ones(void) {
  char expected[16], outcome[16];
  run_queue(10000, expected);
  CHECK(strchr(expected, 'T') && strchr(expected, 'w') && strpbrk(expected, "13579"));
  run_queue(3 * MS, outcome);
  CHECK_TEXT(outcome, expected);
  run_queue(1000 * MS, outcome);
  CHECK_TEXT(outcome, expected);
}

/* A hash of the errors, times and samples of one run. */
static uint64_t fingerprint(const char *seed) {
  char uri[256];
  snprintf(
      uri, sizeof uri,
      "hwsim://d?clock=virtual&latency=2ms&jitter=2ms&fault=bus~0.1&fault=spike~0.1:5ms&seed=%s",
      seed);
  hwsim_device *device = open_device(uri);
  uint64_t hash = 0;
  for (int i = 0; i < 500; i++) {
    double volts = 0;
    hash = hash * 31 + (uint64_t)hwsim_signal_read(device, (uint32_t)i % 4, NULL, &volts);
    hash = hash * 31 + (uint64_t)now(device);
    hash = hash * 31 + (uint64_t)(int64_t)(volts * 1e6);
  }
  hwsim_device_free(device);
  return hash;
}

static void the_same_seed_gives_the_same_run(void) {
  CHECK_EQUAL(fingerprint("1"), fingerprint("1"));
  CHECK(fingerprint("1") != fingerprint("2"));
  CHECK(fingerprint("0") != fingerprint("18446744073709551615"));
}

static const test tests[] = {
    TEST(operations_end_one_by_one_in_order),
    TEST(operations_due_together_take_effect_in_order),
    TEST(nothing_happens_before_its_time),
    TEST(devices_do_not_wait_for_each_other),
    TEST(an_operation_costs_latency_and_its_bytes),
    TEST(jitter_stays_within_its_bounds_and_uses_them),
    TEST(an_aborted_operation_gives_its_slot_back),
    TEST(device_cancel_frees_the_bus_at_once),
    TEST(a_timeout_counts_the_time_in_the_queue),
    TEST(done_just_in_time_is_no_timeout),
    TEST(a_timeout_of_zero_only_takes_what_is_immediate),
    TEST(a_negative_timeout_is_refused),
    TEST(a_long_step_has_the_outcome_of_many_short_ones),
    TEST(the_same_seed_gives_the_same_run),
};
CHECK_MAIN(tests)
