/* Rules and FIFOs: what a device does by itself. A converter with a start bit, a busy flag, a
 * result and a FIFO, and a pair of registers that feed a FIFO each. */
#include "check.h"
#include "events.h"
#include "threads.h"

enum {
  CTRL = 0x00,
  STATUS = 0x04,
  RESULT = 0x08,
  DATA = 0x0C,
  COUNT = 0x10,
  SETPOINT = 0x14,
  ACTUAL = 0x18,
  PORT = 0x1C
};

#define FLAG(name_, lsb_) {.name = name_, .lsb = lsb_, .width = 1, .readable = true}
static const hwsim_field ctrl_fields[] = {
    {.name = "START", .lsb = 0, .width = 1, .writable = true, .readable = true, .pulse = true},
    {.name = "EN", .lsb = 1, .width = 1, .writable = true, .readable = true},
};
static const hwsim_field status_fields[] = {
    FLAG("BUSY", 0),
    FLAG("EMPTY", 1),
    FLAG("FULL", 2),
    {.name = "LOST",
     .lsb = 3,
     .width = 1,
     .readable = true,
     .writable = true,
     .onwrite = HWSIM_ONWRITE_ONE_CLEARS},
    {.name = "LEVEL", .lsb = 8, .width = 4, .readable = true},
    FLAG("NONE", 16),
};
static const hwsim_register registers[] = {
    {.name = "CTRL", .address = CTRL, .fields = ctrl_fields, .field_count = 2},
    {.name = "STATUS", .address = STATUS, .fields = status_fields, .field_count = 6},
    {.name = "RESULT", .address = RESULT, .bits = 16, .access = HWSIM_ACCESS_RO},
    {.name = "DATA", .address = DATA, .bits = 16, .access = HWSIM_ACCESS_RO},
    {.name = "COUNT", .address = COUNT, .bits = 8, .writable = 0xFF},
    {.name = "SETPOINT", .address = SETPOINT, .writable = 0xFFFFFFFF},
    {.name = "ACTUAL", .address = ACTUAL, .access = HWSIM_ACCESS_RO},
    {.name = "PORT", .address = PORT, .bits = 8, .writable = 0xFF},
};
static const hwsim_fifo fifos[] = {
    {.name = "samples",
     .depth = 4,
     .data = "DATA",
     .pops = true,
     .level = "STATUS.LEVEL",
     .empty = "STATUS.EMPTY",
     .full = "STATUS.FULL",
     .overflow = "STATUS.LOST",
     .underflow = "STATUS.NONE"},
    {.name = "sent", .depth = 8, .data = "PORT", .pushes = true},
    {.name = "received", .depth = 8, .data = "PORT", .pops = true},
};
static const hwsim_condition to_0[] = {{.value = 0}}, to_1[] = {{.value = 1}};
static const hwsim_condition start[] = {{.value = 1}, {.part = "CTRL.EN", .value = 1}};
static const hwsim_rule rules[] = {
    {.when = HWSIM_WHEN_WRITTEN,
     .on = "CTRL.START",
     .conditions = start,
     .condition_count = 2,
     .then = HWSIM_THEN_SET,
     .target = "STATUS.BUSY",
     .value = 1},
    {.when = HWSIM_WHEN_CHANGED,
     .on = "STATUS.BUSY",
     .conditions = to_1,
     .condition_count = 1,
     .delay_ns = 2 * MS,
     .then = HWSIM_THEN_CONVERT,
     .target = "RESULT",
     .channel = 0},
    {.when = HWSIM_WHEN_CHANGED,
     .on = "STATUS.BUSY",
     .conditions = to_1,
     .condition_count = 1,
     .delay_ns = 2 * MS,
     .then = HWSIM_THEN_PUSH,
     .fifo = "samples",
     .source = "RESULT"},
    {.when = HWSIM_WHEN_CHANGED,
     .on = "STATUS.BUSY",
     .conditions = to_1,
     .condition_count = 1,
     .delay_ns = 2 * MS,
     .then = HWSIM_THEN_SET,
     .target = "STATUS.BUSY",
     .value = 0},
    {.when = HWSIM_WHEN_CHANGED,
     .on = "STATUS.BUSY",
     .conditions = to_0,
     .condition_count = 1,
     .then = HWSIM_THEN_ADD,
     .target = "COUNT",
     .value = 1},
    {.when = HWSIM_WHEN_CHANGED,
     .on = "STATUS.BUSY",
     .conditions = to_0,
     .condition_count = 1,
     .then = HWSIM_THEN_EVENT,
     .source = "COUNT"},
    {.when = HWSIM_WHEN_WRITTEN,
     .on = "SETPOINT",
     .delay_ns = 5 * MS,
     .jitter_ns = MS,
     .then = HWSIM_THEN_COPY,
     .target = "ACTUAL",
     .written = true},
};
static const hwsim_signal input[] = {
    {.waveform = HWSIM_WAVEFORM_DC, .offset_v = 0.5, .range_v = 1},
};
static const hwsim_model adc = {.name = "adc",
                                .registers = registers,
                                .register_count = sizeof registers / sizeof *registers,
                                .channels = 1,
                                .signals = input,
                                .fifos = fifos,
                                .fifo_count = 3,
                                .rules = rules,
                                .rule_count = sizeof rules / sizeof *rules};

static hwsim_device *open_adc(const char *uri) {
  hwsim_device *device;
  CHECK_OK(hwsim_device_open_model(&adc, uri, &device));
  return device;
}

static uint64_t get(hwsim_device *device, uint32_t address) {
  uint64_t value;
  CHECK_OK(hwsim_register_read(device, address, &forever, &value));
  return value;
}

static void set(hwsim_device *device, uint32_t address, uint64_t value) {
  CHECK_OK(hwsim_register_write(device, address, value, &forever));
}

static void a_conversion_takes_its_time(void) {
  hwsim_device *device = open_adc("hwsim://a?clock=manual&latency=0s");
  CHECK_EQUAL(get(device, STATUS), 2);
  set(device, CTRL, 3);
  CHECK_EQUAL(get(device, CTRL), 2);
  CHECK_EQUAL(get(device, STATUS), 3);
  advance(device, 2 * MS - 1);
  CHECK_EQUAL(get(device, STATUS), 3);
  CHECK_EQUAL(get(device, COUNT), 0);
  advance(device, 1);
  CHECK_EQUAL(get(device, STATUS), 0x100);
  CHECK_EQUAL(get(device, RESULT), 0x4000);
  CHECK_EQUAL(get(device, COUNT), 1);
  CHECK_EQUAL(get(device, DATA), 0x4000);
  CHECK_EQUAL(get(device, STATUS), 2);
  hwsim_device_free(device);
}

static void a_rule_needs_what_is_given(void) {
  hwsim_device *device = open_adc("hwsim://a?clock=manual&latency=0s");
  set(device, CTRL, 1);
  CHECK_EQUAL(get(device, STATUS), 2);
  set(device, CTRL, 2);
  CHECK_EQUAL(get(device, STATUS), 2);
  hwsim_device_free(device);
}

static void conditions_compare_registers_with_each_other(void) {
  static const hwsim_condition above[] = {
      {.part = "LEVEL", .comparison = HWSIM_COMPARISON_ABOVE, .than = "LIMIT", .is_signed = true},
      {.comparison = HWSIM_COMPARISON_UNEQUAL, .mask = 6}};
  static const hwsim_register map[] = {
      {.name = "LEVEL", .address = 0, .bits = 16, .writable = 0xFFFF},
      {.name = "LIMIT", .address = 2, .bits = 8, .reset_value = 0xFE, .writable = 0xFF},
      {.name = "GO", .address = 4, .bits = 8, .writable = 0xFF},
      {.name = "COUNT", .address = 5, .bits = 8}};
  static const hwsim_rule rule = {.when = HWSIM_WHEN_WRITTEN,
                                  .on = "GO",
                                  .conditions = above,
                                  .condition_count = 2,
                                  .then = HWSIM_THEN_ADD,
                                  .target = "COUNT",
                                  .value = 1};
  const hwsim_model model = {.name = "compare",
                             .registers = map,
                             .register_count = 4,
                             .channels = 1,
                             .rules = &rule,
                             .rule_count = 1};
  hwsim_device *device;
  CHECK_OK(hwsim_device_open_model(&model, "hwsim://c?latency=0s", &device));
  CHECK_EQUAL(hwsim_device_model(device)->rules[0].conditions[0].comparison,
              HWSIM_COMPARISON_ABOVE);
  set(device, 4, 6); /* 0 > -2 */
  CHECK_EQUAL(get(device, 5), 1);
  set(device, 4, 9); /* neither bit 1 nor bit 2 */
  CHECK_EQUAL(get(device, 5), 1);
  set(device, 0, 0xFFFE);
  set(device, 4, 4); /* -2 > -2 */
  CHECK_EQUAL(get(device, 5), 1);
  set(device, 2, 0xFD);
  set(device, 4, 4);
  CHECK_EQUAL(get(device, 5), 2);
  hwsim_device_free(device);
}

static void a_wait_ends_when_the_rule_has_acted(void) {
  static const char *const uris[] = {"hwsim://a?clock=virtual&latency=1ms",
                                     "hwsim://a?latency=10us&timeout=5s"};
  for (int i = 0; i < 2; i++) {
    hwsim_device *device = open_adc(uris[i]);
    uint64_t value;
    set(device, CTRL, 3);
    int64_t start = now(device);
    CHECK_OK(hwsim_register_wait(device, STATUS, 1, 0, NULL, &value));
    CHECK_EQUAL(value, 0x100);
    CHECK(i || now(device) - start == 2 * MS);
    hwsim_device_free(device);
  }
}

/* The waiter came before there was anything to wait for. */
static void a_wait_hears_of_a_rule_that_is_set_off_later(void) {
  hwsim_device *device = open_adc("hwsim://a?latency=10us&timeout=10s");
  operation wait = {
      .run = run_wait, .device = device, .address = STATUS, .mask = 0x100, .value = 0x100};
  operation_start(&wait);
  set(device, CTRL, 3);
  CHECK_OK(operation_join(&wait));
  hwsim_device_free(device);
}

static void a_fifo_keeps_the_order_and_counts_what_is_lost(void) {
  hwsim_device *device = open_adc("hwsim://a?clock=manual&latency=0s");
  for (int i = 0; i < 5; i++) {
    set(device, CTRL, 3);
    advance(device, 2 * MS);
  }
  CHECK_EQUAL(get(device, STATUS), 0x40C);
  set(device, STATUS, 8);
  CHECK_EQUAL(get(device, STATUS), 0x404);
  for (int i = 0; i < 4; i++)
    CHECK_EQUAL(get(device, DATA), 0x4000);
  CHECK_EQUAL(get(device, STATUS), 2);
  get(device, DATA);
  CHECK_EQUAL(get(device, STATUS), 0x10002);
  CHECK_OK(hwsim_device_reset(device, NULL));
  CHECK_EQUAL(get(device, STATUS), 2);
  hwsim_device_free(device);
}

static void a_port_has_a_fifo_each_way(void) {
  hwsim_device *device = open_adc("hwsim://a?latency=0s");
  set(device, PORT, 7);
  CHECK_EQUAL(get(device, PORT), 7); /* nothing has been received that it could show */
  hwsim_device_free(device);
}

/* What was written when it was set off; a later write starts the delay anew. */
static void a_delayed_copy_takes_the_last_write(void) {
  hwsim_device *device = open_adc("hwsim://a?clock=manual&latency=0s&seed=1");
  set(device, SETPOINT, 1);
  advance(device, 3 * MS);
  set(device, SETPOINT, 2);
  advance(device, 4 * MS - 1);
  CHECK_EQUAL(get(device, ACTUAL), 0);
  advance(device, 2 * MS + 1);
  CHECK_EQUAL(get(device, ACTUAL), 2);
  hwsim_device_free(device);
}

static int64_t time_of_copy(const char *uri) {
  hwsim_device *device = open_adc(uri);
  uint64_t value;
  set(device, SETPOINT, 9);
  CHECK_OK(hwsim_register_wait(device, ACTUAL, UINT32_MAX, 9, &forever, &value));
  int64_t at = now(device);
  hwsim_device_free(device);
  return at;
}

static void jitter_follows_the_seed(void) {
  int64_t first = time_of_copy("hwsim://a?clock=virtual&latency=0s&seed=1");
  CHECK(first >= 4 * MS && first <= 6 * MS);
  CHECK_EQUAL(time_of_copy("hwsim://a?clock=virtual&latency=0s&seed=1"), first);
  CHECK(time_of_copy("hwsim://a?clock=virtual&latency=0s&seed=2") != first);
}

static void what_rules_do_are_events(void) {
  hwsim_device *device = open_adc("hwsim://a?clock=virtual&latency=0s");
  const hwsim_subscription_config config = {.kinds = HWSIM_EVENT_BIT(HWSIM_EVENT_TRIGGER),
                                            .queue = 16};
  hwsim_subscription *subscription;
  hwsim_event event;
  size_t count;
  CHECK_OK(hwsim_subscription_new(device, &config, &subscription));
  set(device, CTRL, 3);
  CHECK_OK(hwsim_subscription_next(subscription, 1, NULL, &event, &count));
  CHECK(event.kind == HWSIM_EVENT_TRIGGER && event.value == 1);
  CHECK_EQUAL(event.time_ns, 2 * MS);
  CHECK_EQUAL(now(device), 2 * MS);
  hwsim_subscription_free(subscription);
  hwsim_device_free(device);
}

static void without_power_nothing_happens(void) {
  hwsim_device *device = open_adc("hwsim://a?clock=manual&latency=0s");
  hwsim_fault fault;
  set(device, CTRL, 3);
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_DISCONNECT, &fault));
  CHECK_OK(hwsim_fault_inject(device, &fault));
  advance(device, 5 * MS);
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_RECONNECT, &fault));
  CHECK_OK(hwsim_fault_inject(device, &fault));
  CHECK_EQUAL(get(device, STATUS), 2);
  CHECK_EQUAL(get(device, COUNT), 0);
  hwsim_device_free(device);
}

/* ------------------------------------------------------------------------------- by the time -- */

static const hwsim_register clock_registers[] = {
    {.name = "TICKS", .address = 0, .writable = UINT32_MAX},
    {.name = "ON", .address = 4, .writable = 1, .reset_value = 1},
    {.name = "READY", .address = 8, .writable = 1},
    {.name = "READS", .address = 12, .writable = UINT32_MAX},
};
static const hwsim_condition on[] = {{.part = "ON", .value = 1}};
static const hwsim_rule clock_rules[] = {
    {.when = HWSIM_WHEN_EVERY,
     .delay_ns = MS,
     .conditions = on,
     .condition_count = 1,
     .then = HWSIM_THEN_ADD,
     .target = "TICKS",
     .value = 1},
    {.when = HWSIM_WHEN_STARTED,
     .delay_ns = 10 * MS,
     .then = HWSIM_THEN_SET,
     .target = "READY",
     .value = 1},
    {.when = HWSIM_WHEN_READ, .on = "READS", .then = HWSIM_THEN_ADD, .target = "READS", .value = 1},
};
static const hwsim_model ticker = {.name = "ticker",
                                   .registers = clock_registers,
                                   .register_count = 4,
                                   .channels = 1,
                                   .rules = clock_rules,
                                   .rule_count = 3};

static void rules_act_when_it_is_time(void) {
  hwsim_device *device;
  uint64_t value;
  CHECK_OK(hwsim_device_open_model(&ticker, "hwsim://t?clock=manual&latency=0s", &device));
  advance(device, 10 * MS - 1);
  CHECK_EQUAL(get(device, 0), 9);
  CHECK_EQUAL(get(device, 8), 0);
  advance(device, 1);
  CHECK_EQUAL(get(device, 0), 10);
  CHECK_EQUAL(get(device, 8), 1);
  set(device, 4, 0);
  advance(device, 5 * MS);
  CHECK_EQUAL(get(device, 0), 10);
  for (uint64_t i = 0; i < 3; i++)
    CHECK_EQUAL(get(device, 12), i);
  CHECK_OK(hwsim_device_reset(device, NULL));
  CHECK_EQUAL(get(device, 8), 0);
  advance(device, 2 * MS);
  CHECK_EQUAL(get(device, 0), 2);
  hwsim_device_free(device);

  CHECK_OK(hwsim_device_open_model(&ticker, "hwsim://t?clock=virtual&latency=0s", &device));
  CHECK_OK(hwsim_register_wait(device, 0, UINT32_MAX, 100, NULL, &value));
  CHECK_EQUAL(now(device), 100 * MS);
  hwsim_device_free(device);
  CHECK_FAILS(hwsim_device_open_model(&ticker, "hwsim://t?clock=10000x", &device), HWSIM_EINVALID);
  CHECK_MESSAGE("rule 0 of the model would act every 1e-07 s of real time");
}

/* ------------------------------------------------------------------------ what is not allowed --
 */

static void check_refused(hwsim_rule rule, const char *remark) {
  hwsim_model model = adc;
  const hwsim_model *made;
  model.rules = &rule;
  model.rule_count = 1;
  CHECK_FAILS(hwsim_model_new(&model, &made), HWSIM_EINVALID);
  CHECK_MESSAGE(remark);
}

static void a_rule_that_makes_no_sense_is_refused(void) {
  const hwsim_rule good = {
      .when = HWSIM_WHEN_WRITTEN, .on = "CTRL.EN", .then = HWSIM_THEN_SET, .target = "COUNT"};
  hwsim_rule bad = good;
  bad.on = "CTRL.ON";
  check_refused(bad, "rule 0 of the model: there is no register or field CTRL.ON");
  bad = good, bad.target = "CNT";
  check_refused(bad, "there is no register or field CNT");
  bad = good, bad.target = NULL;
  check_refused(bad, "needs a target");
  bad = good, bad.value = 256;
  check_refused(bad, "needs a target that its value fits into");
  bad = good, bad.delay_ns = 999;
  check_refused(bad, "delay must be 0, or from 1 us to 1 h");
  bad = good, bad.delay_ns = 2000, bad.jitter_ns = 1001;
  check_refused(bad, "jitter must leave at least 1 us");
  const struct {
    hwsim_condition condition;
    const char *said;
  } wrong[] = {
      {{.value = 2}, "rule 0 of the model: the value of a condition does not fit into CTRL.EN"},
      {{.part = "COUNT", .value = 256}, "does not fit into COUNT"},
      {{.part = "COUNT", .is_signed = true, .value = 128}, "does not fit into COUNT"},
      {{.part = "COUNT", .is_signed = true, .value = (uint64_t)-129}, "does not fit into COUNT"},
      {{.part = "COUNT", .mask = 0x100}, "the mask of a condition does not fit into COUNT"},
      {{.part = "COUNT", .mask = 1, .value = 2}, "the value of a condition does not fit"},
      {{.part = "COUNT", .mask = 1, .is_signed = true}, "leaves no sign to compare with, of COUNT"},
      {{.part = "COUNT", .than = "CNT"}, "there is no register or field CNT"},
      {{.part = "COUNT", .than = "PORT", .value = 1}, "but not both: COUNT"},
      {{.part = "COUNT", .comparison = (hwsim_comparison)6}, "unknown comparison of COUNT"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    bad = good, bad.conditions = &wrong[i].condition, bad.condition_count = 1;
    check_refused(bad, wrong[i].said);
  }
  bad = good, bad.when = HWSIM_WHEN_READ, bad.conditions = to_1, bad.condition_count = 1;
  check_refused(bad, "nothing is written or changes that a condition could be of");
  bad = good, bad.conditions = to_1, bad.condition_count = HWSIM_CONDITIONS_LARGEST + 1;
  check_refused(bad, "rule 0 of the model must have up to 16 conditions, got 17");
  bad = good, bad.when = HWSIM_WHEN_EVERY;
  check_refused(bad, "must not be on a register");
  bad = good, bad.on = NULL;
  check_refused(bad, "must be on a register");
  bad = good, bad.then = HWSIM_THEN_PUSH, bad.fifo = "nothing";
  check_refused(bad, "there is no FIFO nothing");
  bad = good, bad.then = (hwsim_then)7;
  check_refused(bad, "unknown kind");
  bad = good, bad.when = HWSIM_WHEN_CHANGED, bad.on = "COUNT", bad.then = HWSIM_THEN_ADD;
  bad.value = 1;
  check_refused(bad, "rule 0 of the model: sets itself off without a delay");
}

static void chains_that_grow_without_end_are_refused(void) {
  enum { LENGTH = 12 };
  static char names[LENGTH][8];
  hwsim_register chain[LENGTH];
  hwsim_rule doubling[2 * (LENGTH - 1)];
  for (uint32_t i = 0; i < LENGTH; i++) {
    snprintf(names[i], sizeof names[i], "R%02u", i);
    chain[i] = (hwsim_register){.name = names[i], .address = 4 * i, .writable = UINT32_MAX};
  }
  for (uint32_t i = 0; i < 2 * (LENGTH - 1); i++)
    doubling[i] = (hwsim_rule){.when = HWSIM_WHEN_CHANGED,
                               .on = names[i / 2],
                               .then = HWSIM_THEN_ADD,
                               .target = names[i / 2 + 1],
                               .value = 1};
  const hwsim_model model = {.name = "chain",
                             .registers = chain,
                             .register_count = LENGTH,
                             .channels = 1,
                             .rules = doubling,
                             .rule_count = 2 * (LENGTH - 1)};
  const hwsim_model *made;
  CHECK_FAILS(hwsim_model_new(&model, &made), HWSIM_EINVALID);
  CHECK_MESSAGE("more than 1024 others");
}

/* ---------------------------------------------------------------------------------- threads -- */

enum { THREADS = 8, ROUNDS = 200 };

static void start_and_read(int index, void *context) {
  hwsim_device *device = context;
  for (int i = 0; i < ROUNDS; i++) {
    if (index % 2)
      set(device, CTRL, 3);
    else
      get(device, DATA);
    get(device, STATUS);
  }
}

static void many_threads_may_use_it(void) {
  static const char *const uris[] = {"hwsim://a?latency=0s", "hwsim://a?clock=virtual&latency=3us"};
  for (int i = 0; i < 2; i++) {
    hwsim_device *device = open_adc(uris[i]);
    in_parallel(THREADS, start_and_read, device);
    CHECK((get(device, STATUS) >> 8 & 0xF) <= 4);
    hwsim_device_free(device);
  }
}

static const test tests[] = {
    TEST(a_conversion_takes_its_time),
    TEST(a_rule_needs_what_is_given),
    TEST(conditions_compare_registers_with_each_other),
    TEST(a_wait_ends_when_the_rule_has_acted),
    TEST(a_wait_hears_of_a_rule_that_is_set_off_later),
    TEST(a_fifo_keeps_the_order_and_counts_what_is_lost),
    TEST(a_port_has_a_fifo_each_way),
    TEST(a_delayed_copy_takes_the_last_write),
    TEST(jitter_follows_the_seed),
    TEST(what_rules_do_are_events),
    TEST(without_power_nothing_happens),
    TEST(rules_act_when_it_is_time),
    TEST(a_rule_that_makes_no_sense_is_refused),
    TEST(chains_that_grow_without_end_are_refused),
    TEST(many_threads_may_use_it),
};
CHECK_MAIN(tests)
