/* Rules on registers with a role: on the built-in map, whose rules have no privilege either. */
#include "events.h"

#define R(name) HWSIM_REGISTER_##name
#define GIVEN(...) .conditions = (const hwsim_condition[]){__VA_ARGS__}, .condition_count = 1

enum { REGISTERS = 64 };

#define LATCH(name_)                                                                               \
  {.name = #name_,                                                                                 \
   .lsb = HWSIM_EVENT_##name_,                                                                     \
   .width = 1,                                                                                     \
   .readable = true,                                                                               \
   .writable = true,                                                                               \
   .onwrite = HWSIM_ONWRITE_ONE_CLEARS}
static const hwsim_field latches[] = {LATCH(FAULT), LATCH(DISCONNECT), LATCH(TRIGGER)};

/* The built-in map, with names for the events that are latched. */
static hwsim_model with_rules(const hwsim_rule *rules, size_t count) {
  static hwsim_register map[REGISTERS];
  hwsim_model model = hwsim_daq;
  memcpy(map, model.registers, model.register_count * sizeof *map);
  for (size_t i = 0; i < model.register_count; i++)
    if (map[i].role == HWSIM_ROLE_EVENT_STATUS) {
      map[i].access = HWSIM_ACCESS_RW;
      map[i].writable = 0;
      map[i].fields = latches;
      map[i].field_count = LENGTH(latches);
    }
  model.registers = map;
  model.made = NULL;
  model.rules = rules;
  model.rule_count = count;
  return model;
}

static hwsim_device *open_with(const hwsim_rule *rules, size_t count, const char *uri) {
  const hwsim_model model = with_rules(rules, count);
  hwsim_device *device;
  CHECK_OK(hwsim_device_open_model(&model, uri, &device));
  return device;
}

/* What goes out comes in again, and is too much at 6 V. */
static void a_trip_cuts_the_output_and_the_converters(void) {
  const hwsim_rule rules[] = {
      {.when = HWSIM_WHEN_EVERY,
       .delay_ns = MS,
       .then = HWSIM_THEN_CONVERT,
       .target = "SCRATCH0",
       .channel = 0},
      {.when = HWSIM_WHEN_CHANGED,
       .on = "SCRATCH0",
       GIVEN({.comparison = HWSIM_COMPARISON_ABOVE, .than = "SCRATCH1", .is_signed = true}),
       .then = HWSIM_THEN_COPY,
       .target = "SCRATCH2",
       .source = "UPTIME"},
      {.when = HWSIM_WHEN_CHANGED, .on = "SCRATCH2", .then = HWSIM_THEN_SET, .target = "OUTPUT0"},
      {.when = HWSIM_WHEN_CHANGED, .on = "SCRATCH2", .then = HWSIM_THEN_SET, .target = "CONTROL"},
      {.when = HWSIM_WHEN_CHANGED,
       .on = "CONTROL",
       GIVEN({.value = 0}),
       .then = HWSIM_THEN_EVENT,
       .source = "SCRATCH0"},
  };
  hwsim_device *device = open_with(rules, LENGTH(rules), MANUAL "&noise=0V");
  hwsim_connection connection = {.gain = 1};
  double volts;
  CHECK_OK(hwsim_output_connect(device, NULL, 0, &connection, NULL, 0));
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 4);
  write_value(device, R(SCRATCH1), 19661); /* 6 V */
  CHECK_OK(hwsim_output_set(device, 0, 5, &forever));
  advance(device, 5 * MS);
  CHECK_EQUAL(read_value(device, R(SCRATCH0)), 16384);
  CHECK_OK(hwsim_output_set(device, 0, -9, &forever));
  advance(device, 2 * MS);
  CHECK_EQUAL(read_value(device, R(CONTROL)), 1);
  CHECK_OK(hwsim_output_set(device, 0, 7, &forever));
  advance(device, 10 * MS);
  CHECK_EQUAL(read_value(device, R(SCRATCH2)), 8);
  CHECK_OK(hwsim_output_get(device, 0, &volts));
  CHECK_NEAR(volts, 0, 0);
  CHECK_EQUAL(read_value(device, R(OUTPUT0)), 0);
  CHECK_EQUAL(read_value(device, R(CONTROL)), 0);
  CHECK_EQUAL(read_value(device, R(STATUS)), 0);
  CHECK_EQUAL(read_value(device, R(SCRATCH0)), 22938); /* nothing is converted any more */
  CHECK_EVENT(take_one(subscription), TRIGGER, 8 * MS, 0, 0, 0, 22938);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void any_register_sets_rules_off_when_it_is_accessed(void) {
  const hwsim_rule rules[] = {
      {.when = HWSIM_WHEN_WRITTEN,
       .on = "COMMAND",
       .then = HWSIM_THEN_COPY,
       .target = "SCRATCH0",
       .written = true},
      {.when = HWSIM_WHEN_WRITTEN,
       .on = "EVENT_STATUS",
       .then = HWSIM_THEN_COPY,
       .target = "SCRATCH1",
       .written = true},
      {.when = HWSIM_WHEN_READ,
       .on = "UPTIME",
       .then = HWSIM_THEN_ADD,
       .target = "SCRATCH2",
       .value = 1},
      {.when = HWSIM_WHEN_READ,
       .on = "FAULT_COUNT",
       .then = HWSIM_THEN_COPY,
       .target = "SCRATCH3",
       .source = "FAULT_COUNT"},
      {.when = HWSIM_WHEN_CHANGED,
       .on = "FAULT_COUNT",
       GIVEN({.comparison = HWSIM_COMPARISON_ABOVE}),
       .then = HWSIM_THEN_ADD,
       .target = "SCRATCH4",
       .value = 1},
  };
  hwsim_device *device = open_with(rules, LENGTH(rules), MANUAL);
  uint32_t values[4];
  uint64_t value;
  write_value(device, R(SCRATCH5), 5);
  write_value(device, R(COMMAND), 1);
  CHECK_EQUAL(read_value(device, R(SCRATCH0)), 1); /* after the reset, which is its effect */
  CHECK_EQUAL(read_value(device, R(SCRATCH5)), 0);
  trigger(device, 1);
  write_value(device, R(EVENT_STATUS), 0x15);
  CHECK_EQUAL(read_value(device, R(SCRATCH1)), 0x15);
  CHECK_EQUAL(read_value(device, R(EVENT_STATUS)), KIND(TRIGGER));
  write_value(device, R(EVENT_STATUS), KIND(TRIGGER));
  CHECK_EQUAL(read_value(device, R(EVENT_STATUS)), 0);
  CHECK_OK(hwsim_register_read_block(device, R(CONTROL), 4, &forever, values));
  CHECK_OK(hwsim_register_wait(device, R(UPTIME), 0, 0, &forever, &value));
  CHECK_EQUAL(read_value(device, R(SCRATCH2)), 2);
  inject_at(device, HWSIM_FAULT_CRC, 0);
  CHECK_FAILS(hwsim_register_read(device, R(ID), &forever, &value), HWSIM_ECRC);
  CHECK_EQUAL(read_value(device, R(FAULT_COUNT)), 1);
  CHECK_EQUAL(read_value(device, R(SCRATCH3)), 0); /* once the read has its effect */
  CHECK_EQUAL(read_value(device, R(SCRATCH4)), 1);
  hwsim_device_free(device);
}

/* Also on the short way of an operation, which needs no clock. */
static void the_time_that_a_rule_reads_is_right(void) {
  const hwsim_rule rules[] = {
      {.when = HWSIM_WHEN_WRITTEN,
       .on = "SCRATCH0",
       .then = HWSIM_THEN_COPY,
       .target = "SCRATCH1",
       .source = "UPTIME"},
      {.when = HWSIM_WHEN_WRITTEN,
       .on = "SCRATCH2",
       GIVEN({.part = "UPTIME", .comparison = HWSIM_COMPARISON_AT_LEAST, .value = 10}),
       .then = HWSIM_THEN_SET,
       .target = "SCRATCH3",
       .value = 1},
      {.when = HWSIM_WHEN_WRITTEN,
       .on = "SCRATCH4",
       GIVEN({.part = "SCRATCH4", .comparison = HWSIM_COMPARISON_BELOW, .than = "UPTIME"}),
       .then = HWSIM_THEN_COPY,
       .target = "SCRATCH5",
       .source = "VERSION"},
  };
  hwsim_device *device = open_with(rules, LENGTH(rules), MANUAL);
  advance(device, 9 * MS);
  write_value(device, R(SCRATCH0), 1);
  write_value(device, R(SCRATCH2), 1);
  write_value(device, R(SCRATCH4), 9);
  CHECK_EQUAL(read_value(device, R(SCRATCH1)), 9);
  CHECK_EQUAL(read_value(device, R(SCRATCH3)), 0);
  CHECK_EQUAL(read_value(device, R(SCRATCH5)), 0);
  advance(device, MS);
  write_value(device, R(SCRATCH2), 1);
  write_value(device, R(SCRATCH4), 9);
  CHECK_EQUAL(read_value(device, R(SCRATCH3)), 1);
  CHECK_EQUAL(read_value(device, R(SCRATCH5)), 0x00010000);
  hwsim_device_free(device);
}

static void a_mask_that_a_rule_sets_is_one(void) {
  const hwsim_rule rules[] = {
      {.when = HWSIM_WHEN_STARTED,
       .delay_ns = 5 * MS,
       .then = HWSIM_THEN_SET,
       .target = "EVENT_MASK",
       .value = KIND(TRIGGER)},
      {.when = HWSIM_WHEN_EVERY,
       .delay_ns = 10 * MS,
       GIVEN({.part = "STATUS", .mask = 2, .value = 2}),
       .then = HWSIM_THEN_ADD,
       .target = "SCRATCH0",
       .value = 1},
      {.when = HWSIM_WHEN_WRITTEN,
       .on = "SCRATCH1",
       .then = HWSIM_THEN_SET,
       .target = "EVENT_STATUS"},
  };
  hwsim_device *device = open_with(rules, LENGTH(rules), "hwsim://d?clock=virtual&latency=0s");
  uint64_t value;
  trigger(device, 1);
  CHECK_EQUAL(read_value(device, R(STATUS)), 1);
  CHECK_OK(hwsim_register_wait(device, R(STATUS), 2, 2, &forever, &value));
  CHECK_EQUAL(now(device), 5 * MS);
  CHECK_OK(hwsim_register_wait(device, R(SCRATCH0), UINT32_MAX, 3, &forever, &value));
  CHECK_EQUAL(now(device), 30 * MS);
  write_value(device, R(SCRATCH1), 1);
  CHECK_EQUAL(read_value(device, R(STATUS)), 1);
  hwsim_device_free(device);
}

/* Whoever does not write in time is reset, and that is seen as if it had been written. */
static void a_watchdog_resets_the_device(void) {
  const hwsim_rule rules[] = {
      {.when = HWSIM_WHEN_WRITTEN,
       .on = "SCRATCH0",
       .delay_ns = 10 * MS,
       .then = HWSIM_THEN_SET,
       .target = "COMMAND",
       .value = 1},
      {.when = HWSIM_WHEN_STARTED, .then = HWSIM_THEN_COPY, .target = "SCRATCH2", .source = "ID"},
      {.when = HWSIM_WHEN_WRITTEN,
       .on = "SCRATCH3",
       .then = HWSIM_THEN_COPY,
       .target = "COMMAND",
       .written = true},
      {.when = HWSIM_WHEN_WRITTEN,
       .on = "SCRATCH3",
       .then = HWSIM_THEN_COPY,
       .target = "SCRATCH4",
       .written = true},
  };
  hwsim_device *device = open_with(rules, LENGTH(rules), MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(REGISTER), 8);
  CHECK_EQUAL(read_value(device, R(SCRATCH2)), 0x48575349);
  for (int i = 0; i < 3; i++) {
    write_value(device, R(SCRATCH0), 7);
    advance(device, 9 * MS);
  }
  CHECK_EQUAL(read_value(device, R(SCRATCH0)), 7);
  CHECK_EQUAL(read_value(device, R(UPTIME)), 27);
  advance(device, 11 * MS);
  CHECK_EQUAL(read_value(device, R(SCRATCH0)), 0);
  CHECK_EQUAL(read_value(device, R(SCRATCH2)), 0x48575349);
  CHECK_EQUAL(read_value(device, R(UPTIME)), 10);
  CHECK_EVENT(take_one(subscription), REGISTER, 0, 0, 0, R(SCRATCH0), 7);
  CHECK_EVENT(take_one(subscription), REGISTER, 28 * MS, 1, 0, R(SCRATCH0), 0);
  write_value(device, R(SCRATCH3), 2); /* no reset, but a rule further on is set off */
  CHECK_EQUAL(read_value(device, R(SCRATCH4)), 2);
  write_value(device, R(SCRATCH3), 3); /* a reset, within the write; then that rule */
  CHECK_EQUAL(read_value(device, R(SCRATCH3)), 0);
  CHECK_EQUAL(read_value(device, R(SCRATCH4)), 3);
  end(subscription, device);
}

/* --------------------------------------------------------------------- what happens to a device --
 */

static const hwsim_rule after_faults[] = {
    {.when = HWSIM_WHEN_CHANGED,
     .on = "FAULT_COUNT",
     .then = HWSIM_THEN_ADD,
     .target = "SCRATCH0",
     .value = 1},
    {.when = HWSIM_WHEN_CHANGED,
     .on = "EVENT_STATUS.FAULT",
     GIVEN({.value = 1}),
     .then = HWSIM_THEN_SET,
     .target = "CONTROL"},
    {.when = HWSIM_WHEN_CHANGED,
     .on = "EVENT_STATUS.TRIGGER",
     GIVEN({.value = 1}),
     .delay_ns = 2 * MS,
     .then = HWSIM_THEN_COPY,
     .target = "SCRATCH1",
     .source = "EVENT_STATUS"},
    {.when = HWSIM_WHEN_CHANGED,
     .on = "EVENT_STATUS.DISCONNECT",
     GIVEN({.value = 1}),
     .then = HWSIM_THEN_ADD,
     .target = "SCRATCH2",
     .value = 1},
    {.when = HWSIM_WHEN_CHANGED,
     .on = "CONTROL",
     .then = HWSIM_THEN_EVENT,
     .source = "FAULT_COUNT"},
};

static void faults_and_events_set_rules_off(void) {
  hwsim_device *device = open_with(after_faults, LENGTH(after_faults), MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(FAULT) | KIND(TRIGGER), 8);
  uint64_t value;
  hwsim_fault fault;
  advance(device, 5 * MS);
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_CRC, &fault));
  fault.count = 3;
  CHECK_OK(hwsim_fault_inject(device, &fault));
  for (int i = 0; i < 3; i++) /* at one time */
    CHECK_FAILS(hwsim_register_read(device, R(ID), &forever, &value), HWSIM_ECRC);
  CHECK_EQUAL(read_value(device, R(SCRATCH0)), 3);
  CHECK_EQUAL(read_value(device, R(CONTROL)), 0);
  CHECK_EVENT(take_one(subscription), FAULT, 5 * MS, 0, 0, HWSIM_FAULT_CRC, 1);
  CHECK_EVENT(take_one(subscription), TRIGGER, 5 * MS, 1, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), FAULT, 5 * MS, 2, 0, HWSIM_FAULT_CRC, 2);
  advance(device, 2 * MS - 1);
  CHECK_EQUAL(read_value(device, R(SCRATCH1)), 0);
  advance(device, 1);
  CHECK_EQUAL(read_value(device, R(SCRATCH1)), KIND(FAULT) | KIND(TRIGGER));
  end(subscription, device);
}

/* Nobody has subscribed, so nothing else needs the time. */
static void an_event_without_subscribers_sets_rules_off_at_its_time(void) {
  hwsim_device *device = open_with(after_faults, LENGTH(after_faults), MANUAL);
  advance(device, 5 * MS);
  trigger(device, 1);
  advance(device, 2 * MS - 1);
  CHECK_EQUAL(read_value(device, R(SCRATCH1)), 0);
  advance(device, 1);
  CHECK_EQUAL(read_value(device, R(SCRATCH1)), KIND(TRIGGER));
  hwsim_device_free(device);
}

static void a_rule_waits_for_power(void) {
  hwsim_device *device = open_with(after_faults, LENGTH(after_faults), MANUAL);
  uint64_t value;
  trigger(device, 1);
  disconnect(device);
  inject_at(device, HWSIM_FAULT_CRC, 0);
  CHECK_FAILS(hwsim_register_read(device, R(ID), &forever, &value), HWSIM_EDISCONNECTED);
  advance(device, 5 * MS);
  reconnect(device);
  advance(device, 5 * MS);
  CHECK_EQUAL(read_value(device, R(SCRATCH1)), 0);
  CHECK_EQUAL(read_value(device, R(SCRATCH0)), 0);
  CHECK_EQUAL(read_value(device, R(CONTROL)), 1);
  CHECK_EQUAL(read_value(device, R(SCRATCH2)), 1); /* once for all that happened at that time */
  hwsim_device_free(device);

  device = open_with(after_faults, LENGTH(after_faults), MANUAL);
  inject_at(device, HWSIM_FAULT_DISCONNECT, 1); /* a fault, in the middle of an operation */
  CHECK_FAILS(hwsim_register_read(device, R(ID), &forever, &value), HWSIM_EDISCONNECTED);
  advance(device, 5 * MS);
  reconnect(device);
  CHECK_EQUAL(read_value(device, R(SCRATCH0)), 0);
  CHECK_EQUAL(read_value(device, R(CONTROL)), 1);
  hwsim_device_free(device);
}

/* --------------------------------------------------------------------------- what is not allowed
 * --
 */

static void check_refused(hwsim_rule rule, const char *remark) {
  const hwsim_model model = with_rules(&rule, 1), *made;
  CHECK_FAILS(hwsim_model_new(&model, &made), HWSIM_EINVALID);
  CHECK_MESSAGE(remark);
}

static void what_has_no_meaning_is_refused(void) {
  static const char *const computed[][2] = {{"VERSION", "firmware_version"},
                                            {"STATUS", "status"},
                                            {"UPTIME", "uptime"},
                                            {"CHANNELS", "channels"}};
  const hwsim_rule good = {
      .when = HWSIM_WHEN_WRITTEN, .on = "CONTROL", .then = HWSIM_THEN_SET, .target = "SCRATCH0"};
  hwsim_rule bad = good;
  char said[160];
  for (size_t i = 0; i < LENGTH(computed); i++) {
    bad = good, bad.when = HWSIM_WHEN_CHANGED, bad.on = computed[i][0];
    snprintf(said, sizeof said,
             "rule 0 of the model: %s has the role %s: it is made up when it is read, so nothing "
             "tells of a change; put the rule on what it follows from",
             computed[i][0], computed[i][1]);
    check_refused(bad, said);
    bad = good, bad.target = computed[i][0];
    snprintf(said, sizeof said, "%s has the role %s: the device itself says what it reads",
             computed[i][0], computed[i][1]);
    check_refused(bad, said);
    bad.then = HWSIM_THEN_ADD;
    check_refused(bad, said);
  }
  const char *holds_nothing = "COMMAND has the role command: it is a command, and holds nothing";
  bad = good, bad.when = HWSIM_WHEN_CHANGED, bad.on = "COMMAND";
  check_refused(bad, holds_nothing);
  bad = good, bad.then = HWSIM_THEN_COPY, bad.source = "COMMAND";
  check_refused(bad, holds_nothing);
  bad = good, bad.then = HWSIM_THEN_ADD, bad.target = "COMMAND";
  check_refused(bad, holds_nothing);
  const hwsim_condition conditions[] = {{.part = "COMMAND"},
                                        {.part = "SCRATCH1", .than = "COMMAND"}};
  for (size_t i = 0; i < 2; i++) {
    bad = good, bad.conditions = &conditions[i], bad.condition_count = 1;
    check_refused(bad, holds_nothing);
  }
}

static void what_has_no_end_is_refused(void) {
  const char *endless = "rule 0 of the model: sets itself off without a delay";
  check_refused(
      (hwsim_rule){.when = HWSIM_WHEN_CHANGED, .on = "EVENT_STATUS", .then = HWSIM_THEN_EVENT},
      endless);
  const hwsim_rule resetting = {
      .when = HWSIM_WHEN_STARTED, .then = HWSIM_THEN_SET, .target = "COMMAND", .value = 1};
  check_refused(resetting, endless);
  hwsim_rule later = resetting;
  later.delay_ns = 1000;
  hwsim_device *device = open_with(&later, 1, MANUAL);
  advance(device, 5 * MS);
  CHECK_EQUAL(read_value(device, R(UPTIME)), 0);
  hwsim_device_free(device);
  const hwsim_model model = with_rules(&later, 1);
  CHECK_FAILS(hwsim_device_open_model(&model, "hwsim://d?clock=10x", &device), HWSIM_EINVALID);
  CHECK_MESSAGE("rule 0 of the model would act every 1e-07 s of real time");
}

static void fifos_and_outputs_have_no_role(void) {
  const hwsim_fifo fifo = {.name = "f", .depth = 2, .level = "EVENT_MASK"};
  const hwsim_output output = {.name = "o", .source = "CONTROL"};
  hwsim_model model = with_rules(NULL, 0);
  const hwsim_model *made;
  model.fifos = &fifo, model.fifo_count = 1;
  CHECK_FAILS(hwsim_model_new(&model, &made), HWSIM_EINVALID);
  CHECK_MESSAGE("fifo 0, f, of the model: EVENT_MASK has the role event_mask: a FIFO or an output");
  model = with_rules(NULL, 0);
  model.outputs = &output, model.output_count = 1;
  CHECK_FAILS(hwsim_model_new(&model, &made), HWSIM_EINVALID);
  CHECK_MESSAGE("output 0, o, of the model: CONTROL has the role converters");
}

/* A value has the bits that its register has, also where the device makes it up. */
static void narrow_registers_with_a_role_stay_narrow(void) {
  const hwsim_register map[] = {
      {.name = "MS", .address = 0, .bits = 8, .access = HWSIM_ACCESS_RO, .role = HWSIM_ROLE_UPTIME},
      {.name = "FAULTS", .address = 1, .bits = 8, .role = HWSIM_ROLE_FAULT_COUNT},
      {.name = "EVENTS", .address = 2, .bits = 8, .role = HWSIM_ROLE_EVENT_STATUS}};
  const hwsim_model model = {
      .name = "narrow", .registers = map, .register_count = 3, .channels = 1};
  hwsim_device *device;
  hwsim_fault fault;
  uint64_t value;
  CHECK_OK(hwsim_device_open_model(&model, MANUAL, &device));
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_CRC, &fault));
  fault.count = 258;
  CHECK_OK(hwsim_fault_inject(device, &fault));
  for (int i = 0; i < 258; i++)
    CHECK_FAILS(hwsim_register_read(device, 0, &forever, &value), HWSIM_ECRC);
  advance(device, 300 * MS);
  CHECK_EQUAL(read_value(device, 0), 300 - 256);
  CHECK_EQUAL(read_value(device, 1), 2);
  CHECK_EQUAL(read_value(device, 2), 1);
  hwsim_device_free(device);
}

/* ---------------------------------------------------------------------------------- threads -- */

enum { THREADS = 32, ROUNDS = 100 };

static const hwsim_rule busy[] = {
    {.when = HWSIM_WHEN_WRITTEN,
     .on = "SCRATCH0",
     .then = HWSIM_THEN_COPY,
     .target = "EVENT_MASK",
     .source = "UPTIME"},
    {.when = HWSIM_WHEN_CHANGED,
     .on = "EVENT_STATUS",
     .then = HWSIM_THEN_ADD,
     .target = "SCRATCH1",
     .value = 1},
    {.when = HWSIM_WHEN_CHANGED,
     .on = "SCRATCH1",
     .delay_ns = 2000,
     .jitter_ns = 500,
     .then = HWSIM_THEN_SET,
     .target = "EVENT_STATUS"},
    {.when = HWSIM_WHEN_READ,
     .on = "STATUS",
     .then = HWSIM_THEN_ADD,
     .target = "SCRATCH2",
     .value = 1},
    {.when = HWSIM_WHEN_WRITTEN,
     .on = "SCRATCH3",
     .delay_ns = 5000,
     .then = HWSIM_THEN_SET,
     .target = "COMMAND",
     .value = 1},
};

static void use(int index, void *context) {
  hwsim_device *device = context;
  uint64_t value;
  for (uint64_t i = 0; i < ROUNDS; i++)
    switch (index % 4) {
    case 0: write_value(device, R(SCRATCH0), i); break;
    case 1: trigger(device, 1); break;
    case 2: CHECK_OK(hwsim_register_read(device, R(STATUS), &forever, &value)); break;
    default: CHECK_OK(hwsim_register_write(device, R(SCRATCH3), i, &forever));
    }
}

static void many_threads_may_use_it(void) {
  static const char *const uris[] = {"hwsim://d?latency=0s", "hwsim://d?clock=virtual&latency=3us"};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    hwsim_device *device = open_with(busy, LENGTH(busy), uris[i]);
    in_parallel(THREADS, use, device);
    hwsim_device_free(device);
  }
}

static void close_after_some(int index, void *context) {
  hwsim_device *device = context;
  uint64_t value;
  hwsim_error error = HWSIM_OK;
  for (uint64_t i = 0; !error; i++) {
    error = index % 2 ? hwsim_event_trigger(device, 1, &forever)
                      : hwsim_register_write(device, R(SCRATCH0) + 12 * (i % 2), i, &forever);
    if (!error)
      error = hwsim_register_read(device, R(STATUS), &forever, &value);
    if (!index && i == ROUNDS)
      hwsim_device_close(device);
  }
  CHECK_EQUAL(error, HWSIM_ECLOSED);
}

static void it_may_be_closed_in_between(void) {
  hwsim_device *device = open_with(busy, LENGTH(busy), "hwsim://d?clock=virtual&latency=1us");
  in_parallel(8, close_after_some, device);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(a_trip_cuts_the_output_and_the_converters),
    TEST(any_register_sets_rules_off_when_it_is_accessed),
    TEST(the_time_that_a_rule_reads_is_right),
    TEST(a_mask_that_a_rule_sets_is_one),
    TEST(a_watchdog_resets_the_device),
    TEST(faults_and_events_set_rules_off),
    TEST(an_event_without_subscribers_sets_rules_off_at_its_time),
    TEST(a_rule_waits_for_power),
    TEST(what_has_no_meaning_is_refused),
    TEST(what_has_no_end_is_refused),
    TEST(fifos_and_outputs_have_no_role),
    TEST(narrow_registers_with_a_role_stay_narrow),
    TEST(many_threads_may_use_it),
    TEST(it_may_be_closed_in_between),
};
CHECK_MAIN(tests)
