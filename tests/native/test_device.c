/* Devices: their names and life, and how they end while threads wait on them. */
#include "threads.h"

enum { WAITERS = 16, STORM = 32, ROUNDS = 12 };
/* ------------------------------------------------------------------------------------- names -- */

static void a_name_is_in_use_until_close(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual"), *second;
  CHECK_FAILS(hwsim_device_open("hwsim://d", &second), HWSIM_EINUSE);
  CHECK_TEXT(hwsim_error_last()->device, "d");
  CHECK_TEXT(hwsim_error_last()->operation, "open");
  hwsim_device_close(device);
  second = open_device("hwsim://d?clock=virtual");
  CHECK_OK(read_once(second));
  hwsim_device_free(device); /* must not take the name from its successor */
  CHECK_FAILS(hwsim_device_open("hwsim://d", &device), HWSIM_EINUSE);
  hwsim_device_free(second);
}

static void a_failed_open_does_not_take_the_name(void) {
  hwsim_device *device;
  CHECK_FAILS(hwsim_device_open("hwsim://d?seed=x", &device), HWSIM_EINVALID);
  hwsim_device_free(open_device("hwsim://d"));
}

static bool listed(const char *name, bool *in_use_out) {
  size_t count, found = 0;
  hwsim_listing *listing;
  CHECK_OK(hwsim_device_list(&count, &listing));
  for (size_t i = 0; i < count; i++) {
    CHECK(i == 0 || strcmp(listing[i - 1].name, listing[i].name) < 0);
    if (strcmp(listing[i].name, name) == 0) {
      *in_use_out = listing[i].in_use;
      found++;
    }
  }
  free(listing);
  CHECK(found <= 1);
  return found;
}

static void the_list_has_the_bench_and_what_is_open(void) {
  bool in_use = true;
  CHECK(listed("daq0", &in_use) && !in_use);
  CHECK(listed("daq7", &in_use) && !in_use);
  CHECK(!listed("extra", &in_use));
  hwsim_device *bench = open_device("hwsim://daq7"), *extra = open_device("hwsim://extra");
  CHECK(listed("daq7", &in_use) && in_use);
  CHECK(listed("extra", &in_use) && in_use);
  hwsim_device_free(bench);
  hwsim_device_close(extra);
  CHECK(listed("daq7", &in_use) && !in_use);
  CHECK(!listed("extra", &in_use));
  hwsim_device_free(extra);
}

typedef struct storm {
  hwsim_device *won[STORM];
  bool distinct;
} storm;

static void open_in_storm(int index, void *shared) {
  storm *self = shared;
  char uri[64];
  snprintf(uri, sizeof uri, self->distinct ? "hwsim://d%d" : "hwsim://d", index);
  self->won[index] = NULL;
  hwsim_error error = hwsim_device_open(uri, &self->won[index]);
  if (error)
    CHECK_FAILS(error, HWSIM_EINUSE);
}

static void of_many_that_open_a_name_one_wins(void) {
  for (int round = 0; round < ROUNDS; round++) {
    storm self = {.distinct = false};
    in_parallel(STORM, open_in_storm, &self);
    int winners = 0;
    for (int i = 0; i < STORM; i++) {
      winners += self.won[i] != NULL;
      hwsim_device_free(self.won[i]);
    }
    CHECK_EQUAL(winners, 1);
  }
}

static void many_open_names_of_their_own_at_once(void) {
  for (int round = 0; round < ROUNDS; round++) {
    storm self = {.distinct = true};
    in_parallel(STORM, open_in_storm, &self);
    for (int i = 0; i < STORM; i++) {
      CHECK(self.won[i]);
      hwsim_device_free(self.won[i]);
    }
  }
}

/* ----------------------------------------------------------------------- close, free, cancel -- */

static void start_waiters(operation *waiters, hwsim_device *device) {
  for (int i = 0; i < WAITERS; i++) {
    waiters[i] = (operation){.device = device,
                             .run = i % 2 ? run_wait : run_read,
                             .address = HWSIM_REGISTER_SCRATCH0,
                             .mask = 1,
                             .value = 1,
                             .call = &forever};
    operation_start(&waiters[i]);
  }
}

static void close_wakes_every_waiter(void) {
  operation waiters[WAITERS];
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  start_waiters(waiters, device);
  hwsim_device_close(device);
  for (int i = 0; i < WAITERS; i++)
    CHECK_EQUAL(operation_join(&waiters[i]), HWSIM_ECLOSED);
  hwsim_device_free(device);
}

static void cancel_wakes_every_waiter_and_no_later_one(void) {
  operation waiters[WAITERS];
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  start_waiters(waiters, device);
  CHECK_OK(hwsim_device_cancel(device));
  for (int i = 0; i < WAITERS; i++)
    CHECK_EQUAL(operation_join(&waiters[i]), HWSIM_ECANCELLED);
  operation later = {.device = device, .run = run_read, .call = &forever};
  operation_start(&later);
  advance(device, MS);
  CHECK_EQUAL(operation_join(&later), HWSIM_OK);
  hwsim_device_free(device);
}

static void closing_twice_does_nothing(void) {
  hwsim_device *device = open_device("hwsim://d");
  hwsim_device_close(device);
  hwsim_device *successor = open_device("hwsim://d?clock=virtual");
  hwsim_device_close(device);
  CHECK(hwsim_device_is_open(successor));
  CHECK_OK(read_once(successor));
  hwsim_device_free(successor);
  hwsim_device_free(device);
}

static void null_is_ignored(void) {
  hwsim_device_close(NULL);
  hwsim_device_free(NULL);
}

static void close_in_parallel(int index, void *device) {
  (void)index;
  hwsim_device_close(device);
}

static void many_may_close_at_once(void) {
  for (int round = 0; round < ROUNDS; round++) {
    hwsim_device *device = open_device("hwsim://d");
    in_parallel(8, close_in_parallel, device);
    hwsim_device_free(device);
  }
}

static void every_call_fails_after_close(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  uint32_t values[2] = {0, 0};
  uint64_t value;
  double volts;
  hwsim_signal signal;
  hwsim_fault fault;
  CHECK_OK(hwsim_signal_default(device, 0, &signal));
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_BUS, &fault));
  hwsim_device_close(device);
#define CHECK_CLOSED(call, name)                                                                   \
  CHECK_FAILS(call, HWSIM_ECLOSED);                                                                \
  CHECK_TEXT(hwsim_error_last()->device, "d");                                                     \
  CHECK_TEXT(hwsim_error_last()->operation, name)
  CHECK_CLOSED(hwsim_register_read(device, 0x40, NULL, &value), "read_register");
  CHECK_CLOSED(hwsim_register_write(device, 0x40, 1, NULL), "write_register");
  CHECK_CLOSED(hwsim_register_read_block(device, 0x40, 2, NULL, values), "read_block");
  CHECK_CLOSED(hwsim_register_write_block(device, 0x40, values, 2, NULL), "write_block");
  CHECK_CLOSED(hwsim_register_update(device, 0x40, 1, 1, NULL, &value), "update_register");
  CHECK_CLOSED(hwsim_register_wait(device, 0x40, 1, 0, NULL, &value), "wait_register");
  CHECK_CLOSED(hwsim_signal_read(device, 0, NULL, &volts), "read_voltage");
  CHECK_CLOSED(hwsim_signal_set(device, 0, &signal, NULL, 0), "set_signal");
  CHECK_CLOSED(hwsim_device_reset(device, NULL), "reset");
  CHECK_CLOSED(hwsim_device_cancel(device), "cancel");
  CHECK_CLOSED(hwsim_device_wait_pending(device, 1, NULL), "wait_pending");
  CHECK_CLOSED(hwsim_clock_advance(device, 1), "advance");
  CHECK_CLOSED(hwsim_fault_inject(device, &fault), "inject");
  hwsim_device_free(device);
}

static void a_closed_device_still_tells_its_state(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  uint64_t transactions;
  int64_t time_ns;
  CHECK_OK(read_once(device));
  hwsim_device_close(device);
  CHECK(!hwsim_device_is_open(device));
  CHECK_TEXT(hwsim_device_config(device)->name, "d");
  CHECK_OK(hwsim_device_transactions(device, &transactions));
  CHECK_EQUAL(transactions, 1);
  CHECK_EQUAL(pending(device), 0);
  CHECK_EQUAL(now(device), MS);
  CHECK_OK(hwsim_device_get_timeout(device, &time_ns));
  CHECK_OK(hwsim_fault_clear(device));
  hwsim_device_free(device);
}

static void the_last_owner_closes(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual"), *second;
  CHECK(hwsim_device_retain(device) == device);
  hwsim_device_free(device);
  CHECK(hwsim_device_is_open(device));
  CHECK_FAILS(hwsim_device_open("hwsim://d", &second), HWSIM_EINUSE);
  hwsim_device_free(device);
  hwsim_device_free(open_device("hwsim://d"));
}

static void free_leaves_a_waiting_owner_alone(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  operation waiter = {.device = hwsim_device_retain(device), .run = run_read, .call = &forever};
  operation_start(&waiter);
  hwsim_device_free(device);
  advance(waiter.device, MS);
  CHECK_EQUAL(operation_join(&waiter), HWSIM_OK);
  CHECK_EQUAL(waiter.value, 0x48575349);
  hwsim_device_free(waiter.device);
}

/* The owner frees the device while a call waits, and then the call ends: what the call still reads
 * of the device must be alive. Both happen in the hook that says that the wait begins. */
static void end_and_free(void *user, int64_t expected_ns) {
  (void)expected_ns;
  advance(user, 3600 * S);
  hwsim_device_free(user);
}

static void ignore(void *user) { (void)user; }

static void check_survives_free(operation waiter, hwsim_error expected) {
  waiter.device = open_device("hwsim://d?clock=manual");
  hwsim_hooks hooks = {.enter = end_and_free, .leave = ignore, .user = waiter.device};
  waiter.hooks = &hooks;
  operation_launch(&waiter);
  CHECK_EQUAL(operation_join(&waiter), expected);
  hwsim_device_free(open_device("hwsim://d"));
}

static void a_wait_keeps_a_freed_device_until_it_succeeds(void) {
  check_survives_free((operation){.run = run_read}, HWSIM_OK);
  check_survives_free((operation){.run = run_convert}, HWSIM_OK);
}

static void a_wait_keeps_a_freed_device_until_it_fails(void) {
  const hwsim_call brief = {1, NULL, NULL};
  check_survives_free((operation){.run = run_read, .call = &brief}, HWSIM_ETIMEOUT);
}

/* ------------------------------------------------------------------------ timeouts, counting -- */

static void the_default_timeout_can_be_changed(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&timeout=250ms");
  int64_t timeout_ns;
  CHECK_OK(hwsim_device_get_timeout(device, &timeout_ns));
  CHECK_EQUAL(timeout_ns, 250000000);
  CHECK_OK(hwsim_device_set_timeout(device, 999999));
  CHECK_FAILS(read_once(device), HWSIM_ETIMEOUT);
  CHECK_FAILS(hwsim_device_set_timeout(device, -1), HWSIM_EINVALID);
  CHECK_OK(hwsim_device_set_timeout(device, HWSIM_TIMEOUT_NEVER));
  CHECK_OK(read_once(device));
  hwsim_device_free(device);
}

static void transactions_count_what_was_put_on_the_bus(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=crc@2");
  uint64_t transactions;
  uint64_t value;
  CHECK_OK(read_once(device));
  CHECK_FAILS(read_once(device), HWSIM_ECRC);
  CHECK_FAILS(hwsim_register_read(device, 0x1000, NULL, &value), HWSIM_EADDRESS);
  CHECK_OK(hwsim_device_wait_pending(device, 0, NULL));
  CHECK_OK(hwsim_device_transactions(device, &transactions));
  CHECK_EQUAL(transactions, 2);
  hwsim_device_free(device);
}

static void waiting_for_pending_ends_by_timeout_too(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  CHECK_FAILS(hwsim_device_wait_pending(device, 1, NULL), HWSIM_ETIMEOUT);
  CHECK_EQUAL(pending(device), 0);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(a_name_is_in_use_until_close),
    TEST(a_failed_open_does_not_take_the_name),
    TEST(the_list_has_the_bench_and_what_is_open),
    TEST(of_many_that_open_a_name_one_wins),
    TEST(many_open_names_of_their_own_at_once),
    TEST(close_wakes_every_waiter),
    TEST(cancel_wakes_every_waiter_and_no_later_one),
    TEST(closing_twice_does_nothing),
    TEST(null_is_ignored),
    TEST(many_may_close_at_once),
    TEST(every_call_fails_after_close),
    TEST(a_closed_device_still_tells_its_state),
    TEST(the_last_owner_closes),
    TEST(free_leaves_a_waiting_owner_alone),
    TEST(a_wait_keeps_a_freed_device_until_it_succeeds),
    TEST(a_wait_keeps_a_freed_device_until_it_fails),
    TEST(the_default_timeout_can_be_changed),
    TEST(transactions_count_what_was_put_on_the_bus),
    TEST(waiting_for_pending_ends_by_timeout_too),
};
CHECK_MAIN(tests)
