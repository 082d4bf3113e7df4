/* Cancel tokens: latched, so a call that starts after the token was set is stopped as well. */
#include "threads.h"

static hwsim_cancel *new_token(void) {
  hwsim_cancel *token = NULL;
  CHECK_OK(hwsim_cancel_new(&token));
  return token;
}

static void a_new_token_is_not_set(void) {
  hwsim_cancel *token = new_token();
  CHECK(!hwsim_cancel_is_set(token));
  hwsim_cancel_set(token);
  CHECK(hwsim_cancel_is_set(token));
  hwsim_cancel_set(token);
  CHECK(hwsim_cancel_is_set(token));
  hwsim_cancel_free(token);
}

static void null_is_ignored(void) {
  hwsim_cancel_set(NULL);
  hwsim_cancel_free(NULL);
}

static void set_before_the_call_it_stops_every_call(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=0s");
  hwsim_cancel *token = new_token();
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  uint32_t values[2] = {0, 0};
  uint64_t value;
  double volts;
  hwsim_cancel_set(token);
  CHECK_FAILS(hwsim_register_read(device, 0x40, &call, &value), HWSIM_ECANCELLED);
  CHECK_FAILS(hwsim_register_write(device, 0x40, 1, &call), HWSIM_ECANCELLED);
  CHECK_FAILS(hwsim_register_read_block(device, 0x40, 2, &call, values), HWSIM_ECANCELLED);
  CHECK_FAILS(hwsim_register_write_block(device, 0x40, values, 2, &call), HWSIM_ECANCELLED);
  CHECK_FAILS(hwsim_register_update(device, 0x40, 1, 1, &call, &value), HWSIM_ECANCELLED);
  CHECK_FAILS(hwsim_register_wait(device, 0x40, 1, 0, &call, &value), HWSIM_ECANCELLED);
  CHECK_FAILS(hwsim_signal_read(device, 0, &call, &volts), HWSIM_ECANCELLED);
  CHECK_FAILS(hwsim_device_reset(device, &call), HWSIM_ECANCELLED);
  CHECK_FAILS(hwsim_device_wait_pending(device, 0, &call), HWSIM_ECANCELLED);
  CHECK_EQUAL(transactions(device), 0);
  CHECK_OK(hwsim_register_read(device, 0x40, NULL, &value));
  CHECK_EQUAL(value, 0);
  hwsim_cancel_free(token);
  hwsim_device_free(device);
}

static void set_during_the_call_it_stops_the_wait(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  hwsim_cancel *token = new_token();
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  operation queued = {.device = device, .run = run_read, .call = &call};
  operation_start(&queued);
  hwsim_cancel_set(token);
  CHECK_EQUAL(operation_join(&queued), HWSIM_ECANCELLED);
  CHECK_TEXT(queued.info.device, "d");
  CHECK_TEXT(queued.info.operation, "read_register");
  hwsim_cancel_free(token);
  hwsim_device_free(device);
}

static void it_stops_a_call_that_waits_for_a_register(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  hwsim_cancel *token = new_token();
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  operation armed = {
      .device = device, .run = run_wait, .address = 0x40, .mask = 1, .value = 1, .call = &call};
  operation_start(&armed);
  hwsim_cancel_set(token);
  CHECK_EQUAL(operation_join(&armed), HWSIM_ECANCELLED);
  hwsim_cancel_free(token);
  hwsim_device_free(device);
}

static hwsim_error run_wait_pending(operation *self) {
  return hwsim_device_wait_pending(self->device, 1000, self->call);
}

static void it_stops_a_call_that_waits_for_pending_ones(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  hwsim_cancel *token = new_token();
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  operation observer = {.device = device, .run = run_wait_pending, .call = &call};
  operation_launch(&observer);
  hwsim_cancel_set(token);
  CHECK_EQUAL(operation_join(&observer), HWSIM_ECANCELLED);
  hwsim_cancel_free(token);
  hwsim_device_free(device);
}

static void one_token_stops_calls_on_many_devices(void) {
  enum { DEVICES = 8 };
  hwsim_cancel *token = new_token();
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  operation waiters[DEVICES];
  for (int i = 0; i < DEVICES; i++) {
    char uri[64];
    snprintf(uri, sizeof uri, "hwsim://d%d?clock=manual", i);
    waiters[i] = (operation){.device = open_device(uri), .run = run_read, .call = &call};
    operation_start(&waiters[i]);
  }
  hwsim_cancel_set(token);
  for (int i = 0; i < DEVICES; i++) {
    CHECK_EQUAL(operation_join(&waiters[i]), HWSIM_ECANCELLED);
    hwsim_device_free(waiters[i].device);
  }
  hwsim_cancel_free(token);
}

static void calls_without_the_token_go_on(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  hwsim_cancel *token = new_token(), *other = new_token();
  const hwsim_call with = {HWSIM_TIMEOUT_NEVER, token, NULL},
                   with_other = {HWSIM_TIMEOUT_NEVER, other, NULL};
  operation stopped = {.device = device, .run = run_read, .call = &with}, free_to_go = stopped;
  free_to_go.call = &with_other;
  operation_start(&stopped);
  operation_start(&free_to_go);
  hwsim_cancel_set(token);
  advance(device, MS);
  CHECK_EQUAL(operation_join(&stopped), HWSIM_ECANCELLED);
  CHECK_EQUAL(operation_join(&free_to_go), HWSIM_OK);
  hwsim_cancel_free(token);
  hwsim_cancel_free(other);
  hwsim_device_free(device);
}

static void a_finished_call_keeps_its_result(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  hwsim_cancel *token = new_token();
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  operation done = {.device = device, .run = run_read, .call = &call};
  operation_start(&done);
  advance(device, MS);
  hwsim_cancel_set(token);
  CHECK_EQUAL(operation_join(&done), HWSIM_OK);
  hwsim_cancel_free(token);
  hwsim_device_free(device);
}

/* The hook that says that a wait begins, on the waiting thread. */
typedef struct late {
  hwsim_device *device;
  hwsim_cancel *token;
} late;

static void set_after_the_end(void *user, int64_t expected_ns) {
  (void)expected_ns;
  const late *self = user;
  for (int64_t end = now(self->device) + MS; now(self->device) < end;)
    ;
  hwsim_cancel_set(self->token);
}

static void ignore(void *user) { (void)user; }

/* As hwsim_device_cancel() and hwsim_device_close() do: the operation ended before it was stopped,
 * although nobody has looked at the device since. */
static void a_call_done_but_not_yet_settled_keeps_its_result(void) {
  late self = {open_device("hwsim://d?latency=1ms"), new_token()};
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, self.token, NULL};
  hwsim_hooks hooks = {.enter = set_after_the_end, .leave = ignore, .user = &self};
  uint64_t value;
  hwsim_hooks_set(&hooks);
  CHECK_OK(hwsim_register_read(self.device, 0, &call, &value));
  hwsim_hooks_set(NULL);
  hwsim_cancel_free(self.token);
  hwsim_device_free(self.device);
}

static hwsim_error run_endless(operation *self) {
  return hwsim_register_wait(self->device, 0x40, 1, 1, self->call, &self->value);
}

/* Set at any moment of the call: before, while it begins, while it waits. A lost one hangs. */
static void no_moment_of_setting_is_lost(void) {
  hwsim_device *device = open_device("hwsim://d?clock=real&latency=0s&timeout=inf");
  for (int round = 0; round < 300; round++) {
    hwsim_cancel *token = new_token();
    const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
    operation waiter = {.device = device, .run = run_endless, .call = &call};
    operation_launch(&waiter);
    for (volatile int delay = 0; delay < round * 100; delay++)
      ;
    hwsim_cancel_set(token);
    CHECK_EQUAL(operation_join(&waiter), HWSIM_ECANCELLED);
    hwsim_cancel_free(token);
  }
  hwsim_device_free(device);
}

typedef struct crowd {
  hwsim_device *device;
  hwsim_cancel *token;
} crowd;

static void set_or_wait(int index, void *shared) {
  const crowd *self = shared;
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, self->token, NULL};
  uint64_t value;
  if (index % 2)
    hwsim_cancel_set(self->token);
  else
    CHECK_FAILS(hwsim_register_wait(self->device, 0x40, 1, 1, &call, &value), HWSIM_ECANCELLED);
}

static void many_may_set_while_many_begin(void) {
  crowd self = {.device = open_device("hwsim://d?latency=5us")};
  for (int round = 0; round < 20; round++) {
    self.token = new_token();
    in_parallel(16, set_or_wait, &self);
    hwsim_cancel_free(self.token);
  }
  hwsim_device_free(self.device);
}

static const test tests[] = {
    TEST(a_new_token_is_not_set),
    TEST(null_is_ignored),
    TEST(set_before_the_call_it_stops_every_call),
    TEST(set_during_the_call_it_stops_the_wait),
    TEST(it_stops_a_call_that_waits_for_a_register),
    TEST(it_stops_a_call_that_waits_for_pending_ones),
    TEST(one_token_stops_calls_on_many_devices),
    TEST(calls_without_the_token_go_on),
    TEST(a_finished_call_keeps_its_result),
    TEST(a_call_done_but_not_yet_settled_keeps_its_result),
    TEST(no_moment_of_setting_is_lost),
    TEST(many_may_set_while_many_begin),
};
CHECK_MAIN(tests)
