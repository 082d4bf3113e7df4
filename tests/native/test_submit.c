/* Submitted operations: each ends once, in order, and is told of its end; nobody has to wait. */
#include "threads.h"

#include "base/time.h"
#include "timeline/operation.h"
#include "timeline/submit.h"
#include "timeline/timeline.h"

/* An operation that notes when it took effect, and when it ended. */
typedef struct noted {
  op base;
  int effects, ends;
  int64_t at_ns;
  hwsim_error result;
  int order; /* of its end, from 1 */
} noted;

static int ended; /* so many so far */

static hwsim_error apply(hwsim_device *device, op *base, int64_t at_ns) {
  noted *self = (noted *)base;
  (void)device;
  self->effects++;
  self->at_ns = at_ns;
  return HWSIM_OK;
}

static const op_kind kind = {.row = OPERATION(device, read_register), .apply = apply};

static void note(op *base, void *user) {
  noted *self = (noted *)base;
  CHECK(user == &ended);
  self->ends++;
  self->result = base->result;
  self->order = ++ended;
}

static hwsim_error submit(hwsim_device *device, noted *self, const hwsim_call *call) {
  memset(self, 0, sizeof *self);
  op_prepare(&self->base, &kind);
  return hwsim_submit(device, &self->base, call, note, NULL, &ended);
}

static void check_ended(const noted *self, hwsim_error result, int effects) {
  CHECK_EQUAL(self->ends, 1);
  CHECK_EQUAL(self->result, result);
  CHECK_EQUAL(self->effects, effects);
}

static void end_all(hwsim_device *device, noted *all, int count) {
  for (int i = 0; i < count; i++)
    submit_end(device, &all[i].base);
}

enum { COUNT = 5 };

static void they_end_in_order_when_time_comes(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms");
  noted all[COUNT];
  ended = 0;
  for (int i = 0; i < COUNT; i++)
    CHECK_OK(submit(device, &all[i], NULL));
  CHECK_EQUAL(pending(device), COUNT);
  advance(device, 1 * MS - 1);
  CHECK_EQUAL(ended, 0);
  advance(device, 1);
  CHECK_EQUAL(ended, 1);
  advance(device, 100 * MS);
  for (int i = 0; i < COUNT; i++) {
    check_ended(&all[i], HWSIM_OK, 1);
    CHECK_EQUAL(all[i].order, i + 1);
    CHECK_EQUAL(all[i].at_ns, (i + 1) * MS);
  }
  end_all(device, all, COUNT);
  hwsim_device_free(device);
}

static void one_that_costs_no_time_has_ended_already(void) {
  hwsim_device *device = open_device("hwsim://d?latency=0s");
  noted self;
  CHECK_OK(submit(device, &self, NULL));
  check_ended(&self, HWSIM_OK, 1);
  submit_end(device, &self.base);
  hwsim_device_free(device);
}

static void one_that_is_refused_never_ends(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  const hwsim_call wrong = {-2, NULL, NULL};
  noted self;
  CHECK_FAILS(submit(device, &self, &wrong), HWSIM_EINVALID);
  hwsim_device_close(device);
  CHECK_FAILS(submit(device, &self, NULL), HWSIM_ECLOSED);
  CHECK_EQUAL(self.ends, 0);
  hwsim_device_free(device);
}

static void close_ends_those_that_are_pending(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms");
  noted all[COUNT];
  for (int i = 0; i < COUNT; i++)
    CHECK_OK(submit(device, &all[i], NULL));
  advance(device, 1 * MS);
  hwsim_device_close(device);
  for (int i = 0; i < COUNT; i++)
    check_ended(&all[i], i ? HWSIM_ECLOSED : HWSIM_OK, !i);
  end_all(device, all, COUNT);
  hwsim_device_free(device);
}

/* It keeps the device for its own use until submit_end(). */
static void the_owner_may_free_the_device_meanwhile(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms");
  noted self;
  CHECK_OK(submit(device, &self, NULL));
  hwsim_device_free(device);
  CHECK_EQUAL(self.ends, 0);
  submit_end(device, &self.base); /* the last owner: the device closes */
  check_ended(&self, HWSIM_ECLOSED, 0);
}

static void a_token_ends_its_own_without_effect(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms");
  hwsim_cancel *token;
  CHECK_OK(hwsim_cancel_new(&token));
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  noted all[COUNT];
  for (int i = 0; i < COUNT; i++)
    CHECK_OK(submit(device, &all[i], i % 2 ? &call : NULL));
  hwsim_cancel_set(token);
  CHECK_EQUAL(pending(device), 3);
  advance(device, 3 * MS); /* those behind them have moved up */
  for (int i = 0; i < COUNT; i++)
    check_ended(&all[i], i % 2 ? HWSIM_ECANCELLED : HWSIM_OK, i % 2 == 0);
  CHECK_EQUAL(all[4].at_ns, 3 * MS);
  end_all(device, all, COUNT);
  CHECK_FAILS(submit(device, &all[0], &call), HWSIM_ECANCELLED);
  hwsim_cancel_free(token);
  hwsim_device_free(device);
}

static void its_timeout_and_its_faults_reach_it(void) {
  hwsim_device *device =
      open_device("hwsim://d?clock=manual&latency=1ms&timeout=10ms&fault=crc@1&fault=timeout@2");
  noted all[3];
  for (int i = 0; i < 3; i++)
    CHECK_OK(submit(device, &all[i], NULL));
  advance(device, 10 * MS);
  check_ended(&all[0], HWSIM_ECRC, 0);
  check_ended(&all[1], HWSIM_ETIMEOUT, 0);
  check_ended(&all[2], HWSIM_ETIMEOUT, 0); /* it waited behind one that never answers */
  end_all(device, all, 3);
  hwsim_device_free(device);
}

static void a_blocking_call_takes_its_turn_among_them(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms");
  noted before;
  uint64_t value;
  CHECK_OK(submit(device, &before, NULL));
  CHECK_OK(hwsim_register_read(device, HWSIM_REGISTER_ID, NULL, &value));
  check_ended(&before, HWSIM_OK, 1);
  CHECK_EQUAL(now(device), 2 * MS);
  submit_end(device, &before.base);
  hwsim_device_free(device);
}

/* Each in turn, also when every other one has been cancelled, first to last or last to first. */
static void ten_thousand_end_each_in_its_turn(void) {
  enum { MANY = 10000 };
  static noted all[MANY];
  static hwsim_cancel *tokens[MANY];
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1us&timeout=inf");
  for (int backwards = 0; backwards < 2; backwards++) {
    int64_t start = now(device);
    for (int i = 0; i < MANY; i++) {
      CHECK_OK(hwsim_cancel_new(&tokens[i]));
      CHECK_OK(submit(device, &all[i], &(hwsim_call){HWSIM_TIMEOUT_DEFAULT, tokens[i], NULL}));
    }
    for (int i = 0; i < MANY; i += 2)
      hwsim_cancel_set(tokens[backwards ? MANY - 2 - i : i]);
    CHECK_EQUAL(pending(device), MANY / 2);
    advance(device, MANY / 2 * US);
    for (int i = 0; i < MANY; i++) {
      check_ended(&all[i], i % 2 ? HWSIM_OK : HWSIM_ECANCELLED, i % 2);
      if (i % 2)
        CHECK_EQUAL(all[i].at_ns, start + (i / 2 + 1) * US);
      submit_end(device, &all[i].base);
      hwsim_cancel_free(tokens[i]);
    }
  }
  hwsim_device_free(device);
}

static void *set_token(void *token) {
  hwsim_cancel_set(token);
  return NULL;
}

/* Between the call's first look at the token and the device. A call that has not come so far yet is
 * stopped, too. */
static void a_token_set_while_a_call_waits_for_the_device_stops_it(void) {
  for (int i = 0; i < 20; i++) {
    hwsim_device *device = open_device("hwsim://d?clock=manual");
    hwsim_cancel *token = NULL;
    CHECK_OK(hwsim_cancel_new(&token));
    const hwsim_call call = {0, token, NULL};
    operation queued = {.device = device, .run = run_read, .call = &call};
    pthread_t setter;
    pthread_mutex_lock(timeline_mutex(device));
    operation_launch(&queued);
    for (int64_t end = monotonic_ns() + MS; monotonic_ns() < end;)
      ;
    CHECK(pthread_create(&setter, NULL, set_token, token) == 0);
    while (!hwsim_cancel_is_set(token))
      ;
    pthread_mutex_unlock(timeline_mutex(device));
    CHECK_EQUAL(operation_join(&queued), HWSIM_ECANCELLED);
    CHECK(pthread_join(setter, NULL) == 0);
    hwsim_cancel_free(token);
    hwsim_device_free(device);
  }
}

static const test tests[] = {
    TEST(they_end_in_order_when_time_comes),
    TEST(one_that_costs_no_time_has_ended_already),
    TEST(one_that_is_refused_never_ends),
    TEST(close_ends_those_that_are_pending),
    TEST(the_owner_may_free_the_device_meanwhile),
    TEST(a_token_ends_its_own_without_effect),
    TEST(its_timeout_and_its_faults_reach_it),
    TEST(a_blocking_call_takes_its_turn_among_them),
    TEST(ten_thousand_end_each_in_its_turn),
    TEST(a_token_set_while_a_call_waits_for_the_device_stops_it),
};
CHECK_MAIN(tests)
