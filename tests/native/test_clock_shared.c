/* Devices on one clock: one time, one order of what happens, and outputs that drive what another
 * device measures. */
#include "events.h"

#include <stdatomic.h>
#include <sys/wait.h>

#define VIRTUAL "clock=virtual:bench&latency=1ms&noise=0V&rate=1kHz"
#define MANUAL_BENCH "clock=manual:bench&latency=0s&noise=0V&rate=1kHz&timeout=inf"
#define LSB (10.0 / 32768)

static hwsim_device *open_as(const char *name, const char *settings) {
  char uri[128];
  snprintf(uri, sizeof uri, "hwsim://%s?%s", name, settings);
  return open_device(uri);
}

static void read_it(hwsim_device *device) { CHECK_OK(read_once(device)); }

static double measure(hwsim_device *device, uint32_t channel) {
  double volts = NAN;
  CHECK_OK(hwsim_signal_read(device, channel, &forever, &volts));
  return volts;
}

static void set(hwsim_device *device, uint32_t number, double volts) {
  CHECK_OK(hwsim_output_set(device, number, volts, &forever));
}

static void wire(hwsim_device *device, hwsim_device *to, uint32_t channel,
                 hwsim_connection connection) {
  CHECK_OK(hwsim_output_connect(device, to, channel, &connection, NULL, 0));
}

static const hwsim_connection plain = {.gain = 1};

static uint64_t uptime(hwsim_device *device) {
  uint64_t value;
  CHECK_OK(hwsim_register_read(device, HWSIM_REGISTER_UPTIME, &forever, &value));
  return value;
}

/* -------------------------------------------------------------------------------------- time -- */

static void they_have_one_time(void) {
  hwsim_device *a = open_as("a", VIRTUAL), *b = open_as("b", VIRTUAL);
  hwsim_device *other = open_as("c", "clock=virtual:other"), *own = open_as("d", "clock=virtual");
  read_it(a);
  CHECK_EQUAL(now(b), 1 * MS);
  read_it(b);
  read_it(a);
  CHECK_EQUAL(now(a), 3 * MS);
  CHECK_EQUAL(now(b), 3 * MS);
  CHECK_EQUAL(now(other), 0);
  CHECK_EQUAL(now(own), 0);
  hwsim_device_free(a);
  CHECK_EQUAL(now(b), 3 * MS);
  hwsim_device_free(b);
  hwsim_device_free(other);
  hwsim_device_free(own);
}

static void any_of_them_advances_a_manual_clock(void) {
  hwsim_device *a = open_as("a", "clock=manual:bench&latency=2ms&timeout=inf");
  hwsim_device *b = open_as("b", "clock=manual:bench&latency=3ms&timeout=inf");
  operation first = {.device = a, .run = run_read}, second = {.device = b, .run = run_read};
  operation_start(&first);
  operation_start(&second);
  advance(b, 2 * MS);
  CHECK_OK(operation_join(&first));
  CHECK_EQUAL(pending(b), 1);
  advance(a, 1 * MS);
  CHECK_OK(operation_join(&second));
  hwsim_device_free(a);
  hwsim_device_free(b);
}

static void a_real_clock_is_shared_as_well(void) {
  hwsim_device *a = open_as("a", "clock=1000x:bench&latency=1ms&noise=0V"), *b;
  read_it(a);
  b = open_as("b", "clock=1000x:bench&latency=1ms&noise=0V");
  int64_t before = now(a), between = now(b), after = now(a);
  CHECK(before >= 1 * MS && before <= between && between <= after);
  wire(a, b, 2, plain);
  set(a, 0, 4);
  CHECK_NEAR(measure(b, 2), 4, 2 * LSB);
  hwsim_device_free(a);
  hwsim_device_free(b);
}

static void who_comes_later_finds_the_time_that_it_is(void) {
  hwsim_device *a = open_as("a", VIRTUAL);
  for (int i = 0; i < 5; i++)
    read_it(a);
  hwsim_device *b = open_as("b", VIRTUAL "&timer=2ms");
  hwsim_subscription *ticks = subscribe(b, KIND(TIMER), 10);
  CHECK_EQUAL(now(b), 5 * MS);
  CHECK_EQUAL(uptime(b), 1); /* it has its own */
  hwsim_event tick = await_one(ticks);
  CHECK_EQUAL(tick.time_ns, 7 * MS);
  CHECK_EQUAL(uptime(a), 8);
  end(ticks, b);
  b = open_as("b", VIRTUAL); /* again */
  CHECK_EQUAL(now(b), 8 * MS);
  hwsim_device_close(a);
  read_it(b);
  CHECK_EQUAL(now(b), 9 * MS);
  CHECK_EQUAL(now(a), 8 * MS); /* its time stands */
  hwsim_device_close(b);
  hwsim_device *c = open_as("c", "clock=manual:bench"); /* the name is free */
  CHECK_EQUAL(now(c), 0);
  hwsim_device_free(a);
  hwsim_device_free(b);
  hwsim_device_free(c);
}

static void another_kind_of_clock_is_refused(void) {
  hwsim_device *a = open_as("a", "clock=2x:bench"), *b = NULL;
  const char *const uris[] = {"hwsim://b?clock=3x:bench", "hwsim://b?clock=real:bench",
                              "hwsim://b?clock=virtual:bench"};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    CHECK_FAILS(hwsim_device_open(uris[i], &b), HWSIM_EINVALID);
    CHECK_MESSAGE("'bench' as a clock of another kind");
  }
  CHECK_FAILS(hwsim_device_open("hwsim://a?clock=2x:bench", &b), HWSIM_EINUSE);
  hwsim_device_free(open_as("b", "clock=2x:bench"));
  hwsim_device_free(a);
  hwsim_device_free(open_as("b", "clock=3x:bench"));
}

static void what_a_rule_does_at_the_start_is_done_once(void) {
  static const hwsim_register registers[] = {
      {.name = "STARTS", .address = 0, .access = HWSIM_ACCESS_RO},
      {.name = "SECONDS", .address = 4, .access = HWSIM_ACCESS_RO}};
  static const hwsim_rule rules[] = {
      {.when = HWSIM_WHEN_STARTED, .then = HWSIM_THEN_ADD, .target = "STARTS", .value = 1},
      {.when = HWSIM_WHEN_EVERY,
       .delay_ns = S,
       .then = HWSIM_THEN_ADD,
       .target = "SECONDS",
       .value = 1}};
  static const hwsim_model model = {.name = "counter",
                                    .registers = registers,
                                    .register_count = 2,
                                    .channels = 1,
                                    .rules = rules,
                                    .rule_count = 2};
  hwsim_device *a = open_as("a", "clock=manual:bench"), *b = NULL;
  uint64_t value;
  advance(a, 1500 * MS);
  CHECK_OK(hwsim_device_open_model(&model, "hwsim://b?clock=manual:bench&latency=0s", &b));
  advance(a, 999 * MS);
  CHECK_OK(hwsim_register_read(b, 4, &forever, &value));
  CHECK_EQUAL(value, 0);
  advance(a, 1 * MS);
  CHECK_OK(hwsim_register_read(b, 4, &forever, &value));
  CHECK_EQUAL(value, 1);
  CHECK_OK(hwsim_register_read(b, 0, &forever, &value));
  CHECK_EQUAL(value, 1);
  hwsim_device_close(b); /* what was to come does not */
  advance(a, 10 * S);
  hwsim_device_free(b);
  advance(a, 10 * S);
  hwsim_device_free(a);
}

/* ------------------------------------------------------------------------------------ outputs --
 */

static void an_output_drives_another_device(void) {
  hwsim_device *supply = open_as("supply", VIRTUAL), *meter = open_as("meter", VIRTUAL);
  hwsim_connection connection = {.gain = 2, .offset_v = 1, .tau_s = 10e-3, .delay_ns = 5 * MS};
  wire(supply, meter, 1, connection);
  CHECK_NEAR(measure(meter, 1), 1, LSB);
  set(supply, 0, 2);
  int64_t set_ns = now(supply);
  for (int i = 0; i < 40; i++) {
    double volts = measure(meter, 1), since = (double)(now(meter) - set_ns) - 5e6;
    double expected = since <= 0 ? 1 : 5 - 4 * exp(-since / 10e6);
    CHECK_NEAR(volts, expected, 2 * LSB);
  }
  CHECK_NEAR(measure(meter, 0), measure(supply, 0), 4); /* its own signal */
  hwsim_signal signal;
  size_t length;
  CHECK_OK(hwsim_signal_get(meter, 1, &signal, &length));
  CHECK_EQUAL(signal.waveform, HWSIM_WAVEFORM_OUTPUT);
  CHECK_OK(hwsim_output_disconnect(meter, 1));
  CHECK_FAILS(hwsim_output_disconnect(supply, 1), HWSIM_ESTATE);
  hwsim_device_free(supply);
  hwsim_device_free(meter);
}

/* Two devices on one clock measure what one device does that is given the same at the same times.
 */
static void it_is_the_same_as_on_one_device(void) {
  enum { SAMPLES = 400 };
  double data[2][SAMPLES];
  hwsim_event crossings[2][64];
  size_t counts[2];
  for (int apart = 0; apart < 2; apart++) {
    hwsim_device *meter = open_as("meter", MANUAL_BENCH "&seed=5");
    hwsim_device *supply = apart ? open_as("supply", MANUAL_BENCH) : meter;
    hwsim_connection connection = {
        .gain = 1.5, .tau_s = 3e-3, .delay_ns = 700 * US, .noise_v = 0.2};
    hwsim_stream_config config = {
        .rate_hz = 1000, .channels = (const uint32_t[]){0}, .channel_count = 1, .buffer = SAMPLES};
    hwsim_stream *stream;
    hwsim_block block;
    uint64_t state = 3;
    hwsim_subscription *events = subscribe(meter, KIND(THRESHOLD), 64);
    wire(supply, meter, 0, connection);
    CHECK_OK(hwsim_threshold_set(meter, 0, 2, 1));
    CHECK_OK(hwsim_stream_start(meter, &config, &stream));
    for (int64_t left = SAMPLES * MS; left > 0;) {
      int64_t step = (int64_t)(draw(&state) % (20 * MS));
      step = step < left ? step : left;
      left -= step;
      set(supply, 0, (double)(draw(&state) % 8) - 4);
      advance(draw(&state) % 2 ? supply : meter, step);
    }
    CHECK_OK(
        hwsim_stream_read(stream, HWSIM_FORMAT_FLOAT64, SAMPLES, &at_once, data[apart], &block));
    CHECK_EQUAL(block.count, SAMPLES);
    counts[apart] = take(events, crossings[apart], 64);
    hwsim_stream_free(stream);
    hwsim_subscription_free(events);
    hwsim_device_free(meter);
    if (apart)
      hwsim_device_free(supply);
  }
  CHECK(counts[0] > 4);
  CHECK_EQUAL(counts[0], counts[1]);
  for (size_t i = 0; i < counts[0]; i++)
    CHECK_EQUAL(crossings[0][i].time_ns, crossings[1][i].time_ns);
  CHECK(memcmp(data[0], data[1], sizeof data[0]) == 0);
}

static void a_wait_for_a_crossing_sees_the_other_device(void) {
  hwsim_device *supply = open_as("supply", VIRTUAL), *meter = open_as("meter", VIRTUAL);
  hwsim_subscription *events = subscribe(meter, KIND(THRESHOLD), 9);
  hwsim_connection connection = {.gain = 1, .tau_s = 100};
  CHECK_OK(hwsim_threshold_set(meter, 0, 1, 0));
  wire(supply, meter, 0, connection);
  set(supply, 0, 2);
  hwsim_event event = await_one(events);
  CHECK_NEAR((double)event.time_ns / 1e9, 100 * log(2), 0.02);
  CHECK_EQUAL(now(supply), event.time_ns);
  hwsim_subscription_free(events);
  hwsim_device_free(supply);
  hwsim_device_free(meter);
}

static void either_may_be_closed_first(void) {
  for (int freed = 0; freed < 2; freed++) {
    hwsim_device *supply = open_as("supply", VIRTUAL), *meter = open_as("meter", VIRTUAL);
    wire(supply, meter, 0, plain);
    set(supply, 0, 3);
    hwsim_device_close(supply);
    if (freed)
      hwsim_device_free(supply);
    CHECK_NEAR(measure(meter, 0), 3, LSB); /* what it put out last */
    hwsim_device *again = open_as("supply", VIRTUAL);
    set(again, 0, 5); /* nothing is connected to the new one */
    CHECK_NEAR(measure(meter, 0), 3, LSB);
    wire(again, meter, 0, plain);
    CHECK_NEAR(measure(meter, 0), 5, LSB);
    hwsim_stream_config config = {
        .rate_hz = 1000, .channels = (const uint32_t[]){0}, .channel_count = 1, .buffer = 100};
    hwsim_stream *stream;
    CHECK_OK(hwsim_stream_start(meter, &config, &stream));
    hwsim_device_close(meter);
    if (freed)
      hwsim_device_free(meter); /* the stream keeps it */
    set(again, 0, 1);
    hwsim_stream_free(stream);
    set(again, 0, 2);
    meter = freed ? NULL : meter;
    hwsim_device *other = open_as("meter", VIRTUAL);
    set(again, 0, 6);
    CHECK_NEAR(measure(other, 0), 0, 2); /* its own signal */
    hwsim_device_free(again);
    hwsim_device_free(other);
    if (!freed)
      hwsim_device_free(supply);
    hwsim_device_free(meter);
  }
}

static void inject(hwsim_device *device, const char *kind) {
  hwsim_fault_kind found;
  hwsim_fault fault;
  CHECK_OK(hwsim_fault_find(kind, &found));
  CHECK_OK(hwsim_fault_init(found, &fault));
  CHECK_OK(hwsim_fault_inject(device, &fault));
}

static void power_is_that_of_each_device(void) {
  hwsim_device *supply = open_as("supply", VIRTUAL), *meter = open_as("meter", VIRTUAL);
  hwsim_connection connection = {.gain = 1, .offset_v = 1};
  wire(supply, meter, 0, connection);
  set(supply, 0, 3);
  CHECK_NEAR(measure(meter, 0), 4, LSB);
  inject(supply, "disconnect");
  CHECK_FAILS(read_once(supply), HWSIM_EDISCONNECTED);
  CHECK_NEAR(measure(meter, 0), 1, LSB);
  inject(supply, "reconnect");
  set(supply, 0, 3);
  CHECK_NEAR(measure(meter, 0), 4, LSB);
  inject(meter, "disconnect");
  CHECK_FAILS(read_once(meter), HWSIM_EDISCONNECTED);
  set(supply, 0, 2);
  inject(meter, "reconnect");
  CHECK_NEAR(measure(meter, 0), 3, LSB); /* the cable to the supply has stayed */
  CHECK_OK(hwsim_device_reset(supply, &forever));
  CHECK_NEAR(measure(meter, 0), 1, LSB);
  hwsim_device_free(supply);
  hwsim_device_free(meter);
}

static void connections_are_listed(void) {
  hwsim_device *supply = open_as("supply", VIRTUAL), *meter = open_as("meter", VIRTUAL);
  hwsim_connection connection = {.output = 1, .gain = 2, .offset_v = 3, .delay_ns = 4, .tau_s = 5};
  const double table[2] = {0, 1};
  hwsim_link *links;
  size_t count;
  CHECK_OK(hwsim_output_list(supply, &count, &links));
  CHECK_EQUAL(count, 0);
  free(links);
  wire(supply, meter, 3, plain);
  CHECK_OK(hwsim_output_connect(supply, meter, 1, &connection, table, 2));
  wire(supply, NULL, 2, plain);
  wire(meter, supply, 0, plain);
  CHECK_OK(hwsim_output_list(supply, &count, &links));
  const struct {
    const char *from, *output, *to;
    uint32_t channel;
  } expected[] = {{"meter", "output0", "supply", 0},
                  {"supply", "output0", "supply", 2},
                  {"supply", "output0", "meter", 3},
                  {"supply", "output1", "meter", 1}};
  CHECK_EQUAL(count, LENGTH(expected));
  for (size_t i = 0; i < count; i++) {
    CHECK_TEXT(links[i].from, expected[i].from);
    CHECK_TEXT(links[i].output, expected[i].output);
    CHECK_TEXT(links[i].to, expected[i].to);
    CHECK_EQUAL(links[i].channel, expected[i].channel);
  }
  CHECK(links[3].has_function && !links[2].has_function);
  CHECK_NEAR(links[3].gain, 2, 0);
  CHECK_NEAR(links[3].offset_v, 3, 0);
  CHECK_EQUAL(links[3].delay_ns, 4);
  CHECK_NEAR(links[3].tau_s, 5, 0);
  free(links);
  wire(meter, NULL, 3, plain); /* instead */
  CHECK_OK(hwsim_output_disconnect(meter, 1));
  hwsim_device_close(meter);
  CHECK_OK(hwsim_output_list(supply, &count, &links));
  CHECK_EQUAL(count, 2);
  CHECK_TEXT(links[0].from, "meter"); /* it stays at what it was */
  free(links);
  CHECK_OK(hwsim_output_list(meter, &count, &links));
  CHECK_EQUAL(count, 1);
  CHECK_TEXT(links[0].to, "supply");
  free(links);
  hwsim_device_free(supply);
  hwsim_device_free(meter);
}

static void what_cannot_be_connected_is_named(void) {
  hwsim_device *supply = open_as("supply", VIRTUAL), *meter = open_as("meter", VIRTUAL);
  hwsim_device *others[] = {open_as("x", "clock=virtual:x"), open_as("y", "clock=virtual"),
                            open_as("z", "")};
  for (size_t i = 0; i < LENGTH(others); i++) {
    CHECK_FAILS(hwsim_output_connect(supply, others[i], 0, &plain, NULL, 0), HWSIM_EINVALID);
    CHECK_MESSAGE("to must be on the same clock");
    CHECK_TEXT(hwsim_error_last()->device, "supply");
    CHECK_FAILS(hwsim_output_connect(others[i], supply, 0, &plain, NULL, 0), HWSIM_EINVALID);
    hwsim_device_free(others[i]);
  }
  CHECK_FAILS(hwsim_output_connect(supply, meter, 4, &plain, NULL, 0), HWSIM_EINVALID);
  CHECK_MESSAGE("channel must be from 0 to 3, got 4");
  CHECK_TEXT(hwsim_error_last()->device, "meter");
  CHECK_TEXT(hwsim_error_last()->operation, "connect");
  CHECK_OK(hwsim_output_connect(supply, supply, 0, &plain, NULL, 0));
  hwsim_device_close(meter);
  CHECK_FAILS(hwsim_output_connect(supply, meter, 0, &plain, NULL, 0), HWSIM_ECLOSED);
  CHECK_TEXT(hwsim_error_last()->device, "meter");
  CHECK_FAILS(hwsim_output_connect(meter, supply, 0, &plain, NULL, 0), HWSIM_ECLOSED);
  hwsim_device_free(supply);
  hwsim_device_free(meter);
}

/* ----------------------------------------------------------------------------------- behaviours --
 */

static const hwsim_register data[] = {{.name = "DATA", .address = 0, .writable = UINT32_MAX}};
static const hwsim_claim claims[] = {{.on = "DATA", .writes = true}};
static const hwsim_model claiming = {.name = "claiming",
                                     .registers = data,
                                     .register_count = 1,
                                     .channels = 1,
                                     .claims = claims,
                                     .claim_count = 1};

typedef struct code {
  hwsim_device *other;
  atomic_bool entered, leave;
  atomic_int released;
} code;

static hwsim_error on_write(void *user, hwsim_transaction *transaction, size_t claim,
                            uint64_t value) {
  code *self = user;
  (void)transaction, (void)claim;
  if (value == 1) {
    CHECK_FAILS(read_once(self->other), HWSIM_ESTATE);
    CHECK_FAILS(hwsim_clock_advance(self->other, 1), HWSIM_ESTATE);
  }
  self->entered = true;
  while (value == 2 && !self->leave)
    sched_yield();
  return HWSIM_OK;
}

static void on_release(void *user) { ((code *)user)->released++; }

static hwsim_device *open_claiming(const char *uri, code *self) {
  hwsim_device *device = NULL;
  CHECK_OK(hwsim_device_open_model(&claiming, uri, &device));
  const hwsim_behaviour behaviour = {.write = on_write, .release = on_release, .user = self};
  CHECK_OK(hwsim_behaviour_set(device, &behaviour));
  return device;
}

static void wait_until_entered(code *self) {
  while (!self->entered)
    sched_yield();
}

static void a_behaviour_uses_no_device_on_its_clock(void) {
  for (int instant = 0; instant < 2; instant++) {
    code self = {.other = open_as("b", instant ? "clock=manual:bench&latency=0s"
                                               : "clock=manual:bench&latency=1ms")};
    hwsim_device *a = open_claiming("hwsim://a?clock=manual:bench&latency=0s", &self);
    CHECK_OK(hwsim_register_write(a, 0, 1, &forever));
    CHECK(self.entered);
    hwsim_device_free(a);
    CHECK_EQUAL(self.released, 1);
    hwsim_device_free(self.other);
  }
}

static void a_behaviour_holds_the_time_of_all(void) {
  static const char *const clocks[] = {"virtual", "manual", "real"};
  for (size_t i = 0; i < LENGTH(clocks); i++) {
    char uri[2][96];
    for (int k = 0; k < 2; k++)
      snprintf(uri[k], sizeof uri[k], "hwsim://%c?clock=%s:bench&latency=%s&timeout=inf", "ab"[k],
               clocks[i], i == 1 ? "0s" : "1us");
    code self = {.other = NULL};
    hwsim_device *a = open_claiming(uri[0], &self), *b = open_device(uri[1]);
    operation write = {.device = a, .run = run_write, .value = 2, .call = &forever};
    operation read = {.device = b, .run = run_convert, .call = &forever};
    CHECK_OK(hwsim_threshold_set(b, 0, 1, 0));
    hwsim_subscription *events = subscribe(b, KIND(REGISTER), 9); /* no short way */
    operation_launch(&write);
    wait_until_entered(&self);
    int64_t held_ns = now(b);
    operation_start(&read);
    CHECK_EQUAL(pending(b), 1);
    if (i < 2)
      CHECK_EQUAL(now(b), held_ns);
    self.leave = true;
    CHECK_OK(operation_join(&write));
    CHECK_OK(operation_join(&read));
    end(events, b);
    hwsim_device_free(a);
  }
}

/* The call of a request is made by whoever waits for a device on the clock; its own one may be gone
 * by then. */
static void a_device_is_kept_while_another_makes_its_call(void) {
  for (int closed = 0; closed < 2; closed++) {
    code self = {.other = NULL};
    hwsim_device *a = open_claiming("hwsim://a?clock=virtual:bench&latency=0s", &self);
    hwsim_device *b = open_as("b", VIRTUAL);
    hwsim_queue *queue;
    hwsim_request *request;
    CHECK_OK(hwsim_queue_new(&queue));
    CHECK_OK(hwsim_request_new(queue, NULL, &request));
    const hwsim_call call = {HWSIM_TIMEOUT_NEVER, NULL, request};
    const uint32_t two = 2;
    CHECK_EQUAL(hwsim_register_write_block(a, 0, &two, 1, &call), HWSIM_EPENDING);
    operation read = {.device = b, .run = run_read, .call = &forever};
    operation_launch(&read);
    wait_until_entered(&self);
    if (closed)
      hwsim_device_close(a);
    hwsim_request_free(request);
    hwsim_device_free(a);
    hwsim_queue_free(queue);
    self.leave = true;
    CHECK_OK(operation_join(&read));
    CHECK_EQUAL(self.released, 1);
    hwsim_device_free(b);
  }
}

/* -------------------------------------------------------------------------------- many threads --
 */

static void drive_each_other(int index, void *shared) {
  hwsim_device **devices = shared, *own = devices[index % 2], *other = devices[1 - index % 2];
  hwsim_connection connection = {.gain = 0.5, .tau_s = 1e-3, .delay_ns = US};
  for (int i = 0; i < 200; i++) {
    double volts;
    connection.output = (uint32_t)i % 2;
    CHECK_OK(
        hwsim_output_connect(own, i % 3 ? other : NULL, (uint32_t)index % 4, &connection, NULL, 0));
    CHECK_OK(hwsim_output_set(own, 0, i % 7, &forever));
    CHECK_OK(hwsim_signal_read(other, (uint32_t)index % 4, &forever, &volts));
    CHECK_OK(hwsim_output_get(other, 0, &volts));
    (void)!hwsim_output_disconnect(other, (uint32_t)i % 4);
  }
}

static void any_thread_may_do_it_in_either_direction(void) {
  static const char *const clocks[] = {"clock=virtual:bench&latency=1us",
                                       "clock=real:bench&latency=1us",
                                       "clock=1000x:bench&latency=0s"};
  for (size_t i = 0; i < LENGTH(clocks); i++) {
    hwsim_device *devices[] = {open_as("a", clocks[i]), open_as("b", clocks[i])};
    in_parallel(4, drive_each_other, devices);
    hwsim_device_free(devices[0]);
    hwsim_device_free(devices[1]);
  }
}

static void come_and_go(int index, void *shared) {
  hwsim_device *stays = shared;
  char name[8];
  snprintf(name, sizeof name, "t%d", index);
  for (int i = 0; i < 60; i++) {
    hwsim_device *device = open_as(name, "clock=virtual:bench&latency=1us&timer=1ms");
    hwsim_subscription *ticks = subscribe(device, KIND(TIMER) | KIND(THRESHOLD), 4);
    CHECK_OK(hwsim_output_connect(stays, device, 0, &plain, NULL, 0));
    CHECK_OK(hwsim_output_connect(device, stays, (uint32_t)index, &plain, NULL, 0));
    CHECK_OK(hwsim_output_set(device, 0, 1, &forever));
    CHECK_OK(hwsim_output_set(stays, 0, i % 5, &forever));
    (void)measure(device, 0);
    if (i % 2)
      hwsim_device_close(device);
    CHECK_OK(hwsim_output_set(stays, 0, i % 3, &forever));
    end(ticks, device);
  }
}

static void devices_come_and_go(void) {
  hwsim_device *stays = open_as("stays", "clock=virtual:bench&latency=1us");
  in_parallel(4, come_and_go, stays);
  hwsim_device_free(stays);
}

static void begin_and_end(int index, void *shared) {
  (void)shared;
  char name[8];
  snprintf(name, sizeof name, "t%d", index);
  for (int i = 0; i < 300; i++) {
    hwsim_device *device = open_as(name, "clock=virtual:bench&latency=1us");
    read_it(device);
    hwsim_device_free(device);
  }
}

static void a_clock_begins_and_ends_on_any_thread(void) { in_parallel(4, begin_and_end, NULL); }

/* -------------------------------------------------------------------------------------- fork -- */

static void a_child_has_clocks_of_its_own(void) {
  hwsim_device *supply = open_as("supply", VIRTUAL), *meter = open_as("meter", VIRTUAL);
  wire(supply, meter, 0, plain);
  read_it(supply);
  pid_t child = fork();
  if (child == 0) {
    hwsim_device *own = open_as("meter", "clock=manual:bench&latency=0s");
    CHECK_EQUAL(now(own), 0);
    CHECK_FAILS(hwsim_output_connect(own, supply, 0, &plain, NULL, 0), HWSIM_EFORKED);
    CHECK_TEXT(hwsim_error_last()->device, "supply");
    CHECK_FAILS(hwsim_output_connect(supply, own, 0, &plain, NULL, 0), HWSIM_EFORKED);
    CHECK_FAILS(hwsim_output_disconnect(meter, 0), HWSIM_EFORKED);
    hwsim_device_free(supply);
    hwsim_device_free(meter);
    wire(own, NULL, 1, plain);
    set(own, 0, 2);
    CHECK_NEAR(measure(own, 1), 2, 10 * LSB);
    hwsim_device_free(own);
    _exit(0);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  set(supply, 0, 3);
  CHECK_NEAR(measure(meter, 0), 3, LSB);
  hwsim_device_free(supply);
  hwsim_device_free(meter);
}

static const test tests[] = {
    TEST(they_have_one_time),
    TEST(any_of_them_advances_a_manual_clock),
    TEST(a_real_clock_is_shared_as_well),
    TEST(who_comes_later_finds_the_time_that_it_is),
    TEST(another_kind_of_clock_is_refused),
    TEST(what_a_rule_does_at_the_start_is_done_once),
    TEST(an_output_drives_another_device),
    TEST(it_is_the_same_as_on_one_device),
    TEST(a_wait_for_a_crossing_sees_the_other_device),
    TEST(either_may_be_closed_first),
    TEST(power_is_that_of_each_device),
    TEST(connections_are_listed),
    TEST(what_cannot_be_connected_is_named),
    TEST(a_behaviour_uses_no_device_on_its_clock),
    TEST(a_behaviour_holds_the_time_of_all),
    TEST(a_device_is_kept_while_another_makes_its_call),
    TEST(any_thread_may_do_it_in_either_direction),
    TEST(devices_come_and_go),
    TEST(a_clock_begins_and_ends_on_any_thread),
    TEST(a_child_has_clocks_of_its_own),
};
CHECK_MAIN(tests)
