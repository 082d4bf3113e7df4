/* Outputs, and what channels see of them: a device with three converters for output, of which one
 * is wired to each kind of code. */
#include "check.h"
#include "events.h"
#include "threads.h"

enum { SIGNED = 0x0, OFFSET = 0x4, UNIPOLAR = 0x8, LATCH = 0xC };

static const hwsim_field fields[] = {
    {.name = "CODE", .lsb = 4, .width = 12, .readable = true, .writable = true}};
static const hwsim_register registers[] = {
    {.name = "SIGNED", .address = SIGNED, .bits = 16, .writable = 0xFFFF},
    {.name = "OFFSET", .address = OFFSET, .bits = 8, .writable = 0xFF, .reset_value = 0x80},
    {.name = "UNIPOLAR", .address = UNIPOLAR, .fields = fields, .field_count = 1},
    {.name = "LATCH", .address = LATCH, .access = HWSIM_ACCESS_RO, .bits = 16},
};
static const hwsim_output outputs[] = {
    {.name = "a", .source = "SIGNED", .code = HWSIM_CODE_SIGNED},
    {.name = "b", .source = "OFFSET", .code = HWSIM_CODE_OFFSET, .range_v = 1},
    {.name = "c", .source = "UNIPOLAR.CODE", .code = HWSIM_CODE_UNIPOLAR, .range_v = 5},
    {.name = "d", .source = "LATCH"},
};
static const hwsim_model dacs = {.name = "dacs",
                                 .registers = registers,
                                 .register_count = LENGTH(registers),
                                 .channels = 3,
                                 .outputs = outputs,
                                 .output_count = LENGTH(outputs)};

static hwsim_device *open_dacs(const char *uri) {
  hwsim_device *device = NULL;
  CHECK_OK(hwsim_device_open_model(&dacs, uri, &device));
  return device;
}

static double output(hwsim_device *device, uint32_t number) {
  double volts = NAN;
  CHECK_OK(hwsim_output_get(device, number, &volts));
  return volts;
}

static double measure(hwsim_device *device, uint32_t channel) {
  double volts = NAN;
  CHECK_OK(hwsim_signal_read(device, channel, &forever, &volts));
  return volts;
}

static void set(hwsim_device *device, uint32_t number, double volts) {
  CHECK_OK(hwsim_output_set(device, number, volts, &forever));
}

static hwsim_connection plain(void) { return (hwsim_connection){.gain = 1}; }

static void wire(hwsim_device *device, uint32_t channel, hwsim_connection connection) {
  CHECK_OK(hwsim_output_connect(device, NULL, channel, &connection, NULL, 0));
}

#define LSB (10.0 / 32768)

static void output_follows_its_register(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s");
  const struct {
    uint32_t number, address, code;
    double volts;
  } cases[] = {
      {0, SIGNED, 0x4000, 5},     {0, SIGNED, 0x8000, -10},   {0, SIGNED, 0xFFFF, -LSB},
      {1, OFFSET, 0x00, -1},      {1, OFFSET, 0xC0, 0.5},     {1, OFFSET, 0xFF, 1 - 1 / 128.0},
      {2, UNIPOLAR, 0x8000, 2.5}, {2, UNIPOLAR, 0x800F, 2.5}, {2, UNIPOLAR, 0x10, 5 / 4096.0},
  };
  for (size_t i = 0; i < 4; i++)
    CHECK_NEAR(output(device, (uint32_t)i), 0, 0);
  for (size_t i = 0; i < LENGTH(cases); i++) {
    CHECK_OK(hwsim_register_write(device, cases[i].address, cases[i].code, NULL));
    CHECK_NEAR(output(device, cases[i].number), cases[i].volts, 1e-12);
  }
  CHECK_OK(hwsim_device_reset(device, NULL));
  for (size_t i = 0; i < 4; i++)
    CHECK_NEAR(output(device, (uint32_t)i), 0, 0);
  hwsim_device_free(device);
}

static void setting_an_output_sets_its_register(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s");
  uint64_t value = 0;
  hwsim_output_scale scale;
  CHECK_OK(hwsim_register_write(device, UNIPOLAR, 0xF, NULL));
  for (uint32_t number = 0; number < 4; number++) {
    CHECK_OK(hwsim_output_get_scale(device, number, &scale));
    double step_v = (scale.highest_v - scale.lowest_v) / (pow(2, scale.bits) - 1);
    for (int i = 0; i <= 100; i++) {
      double volts = scale.lowest_v + (scale.highest_v - scale.lowest_v) * i / 100;
      set(device, number, volts);
      CHECK_NEAR(output(device, number), volts, step_v * 0.5001);
    }
    set(device, number, scale.highest_v + step_v); /* full scale */
    CHECK_NEAR(output(device, number), scale.highest_v, 1e-12);
    CHECK_FAILS(hwsim_output_set(device, number, scale.highest_v + 2 * step_v, NULL),
                HWSIM_EINVALID);
    CHECK_FAILS(hwsim_output_set(device, number, scale.lowest_v - step_v, NULL), HWSIM_EINVALID);
    CHECK_FAILS(hwsim_output_set(device, number, NAN, NULL), HWSIM_EINVALID);
    CHECK_MESSAGE("volts must be from");
  }
  set(device, 2, 2.5);
  CHECK_OK(hwsim_register_read(device, UNIPOLAR, NULL, &value));
  CHECK_EQUAL(value, 0x8000); /* what is in no field cannot be written */
  CHECK_FAILS(hwsim_output_set(device, 4, 0, NULL), HWSIM_EINVALID);
  CHECK_MESSAGE("output must be from 0 to 3, got 4");
  hwsim_device_free(device);
  device = open_device("hwsim://plain");
  double volts;
  CHECK_OK(hwsim_output_get(device, 1, &volts)); /* the built-in device has two */
  CHECK_FAILS(hwsim_output_get(device, 2, &volts), HWSIM_EINVALID);
  hwsim_device_free(device);
}

static void a_bad_output_is_refused(void) {
  const struct {
    hwsim_output output;
    const char *message;
  } cases[] = {
      {{.source = "SIGNED"}, "has no name"},
      {{.name = "x"}, "needs a source of up to 32 bits"},
      {{.name = "x", .source = "NOWHERE"}, "there is no register or field NOWHERE"},
      {{.name = "x", .source = "SIGNED", .range_v = -1}, "range must be from"},
      {{.name = "x", .source = "SIGNED", .range_v = NAN}, "range must be from"},
      {{.name = "x", .source = "SIGNED", .code = (hwsim_code)7}, "unknown code"},
      {{.name = "a", .source = "SIGNED"}, "has the name of another"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    hwsim_output both[] = {outputs[0], cases[i].output};
    hwsim_model model = dacs;
    hwsim_device *device;
    model.outputs = both;
    model.output_count = 2;
    CHECK_FAILS(hwsim_device_open_model(&model, "hwsim://d", &device), HWSIM_EINVALID);
    CHECK_MESSAGE(cases[i].message);
  }
}

/* ------------------------------------------------------------------------------ the response -- */

static void a_channel_follows_at_once(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&noise=0V");
  hwsim_connection connection = {.output = 0, .gain = -2, .offset_v = 1};
  wire(device, 1, connection);
  for (double volts = -4; volts <= 4; volts += 0.5) {
    set(device, 0, volts);
    CHECK_NEAR(measure(device, 1), 1 - 2 * volts, LSB);
  }
  CHECK_OK(hwsim_register_write(device, SIGNED, 0x1000, NULL));
  CHECK_NEAR(measure(device, 1), 1 - 2 * 1.25, LSB);
  CHECK_OK(hwsim_device_reset(device, NULL));
  CHECK_NEAR(measure(device, 1), 1, LSB);
  hwsim_device_free(device);
}

/* The same by steps that are so small that their error does not matter. */
static double by_steps(const int64_t *times, const double *volts, size_t count,
                       hwsim_connection connection, int64_t at_ns) {
  double x = connection.offset_v, step_ns = 1000;
  for (int64_t t = 0; t < at_ns; t += (int64_t)step_ns) {
    double u = 0;
    for (size_t i = 0; i < count && times[i] + connection.delay_ns <= t; i++)
      u = volts[i];
    double goal = connection.offset_v + connection.gain * u;
    x += (goal - x) * step_ns / (connection.tau_s * 1e9);
  }
  return x;
}

static void a_response_has_lag_and_delay(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&noise=0V&clock=manual");
  hwsim_connection connection = {
      .gain = 1.5, .offset_v = -1, .delay_ns = 3 * MS, .tau_s = 20e-3, .output = 0};
  const int64_t times[] = {5 * MS, 6 * MS, 30 * MS, 31 * MS, 80 * MS};
  const double volts[] = {4, -2, 3, 0, 1};
  size_t next = 0;
  wire(device, 0, connection);
  for (int64_t at_ns = 0; at_ns <= 120 * MS; at_ns += MS) {
    if (next < LENGTH(times) && times[next] == at_ns)
      set(device, 0, volts[next++]);
    CHECK_NEAR(measure(device, 0), by_steps(times, volts, LENGTH(times), connection, at_ns), 1e-3);
    advance(device, MS);
  }
  hwsim_device_free(device);
}

static void a_function_bends_it(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&noise=0V");
  double table[256];
  for (int i = 0; i < 256; i++)
    table[i] = i % 2 ? 1 : 3; /* each code of the output by itself */
  hwsim_connection connection = {.output = 1, .gain = 2, .offset_v = 0.5};
  CHECK_OK(hwsim_output_connect(device, NULL, 0, &connection, table, LENGTH(table)));
  for (uint32_t code = 0; code < 256; code++) {
    CHECK_OK(hwsim_register_write(device, OFFSET, code, NULL));
    CHECK_NEAR(measure(device, 0), code % 2 ? 2.5 : 6.5, LSB);
  }
  const double line[] = {0, 0, 4}; /* linear between */
  CHECK_OK(hwsim_output_connect(device, NULL, 0, &connection, line, LENGTH(line)));
  set(device, 1, -0.75);
  CHECK_NEAR(measure(device, 0), 0.5, LSB);
  set(device, 1, 0.5);
  CHECK_NEAR(measure(device, 0), 0.5 + 2 * 4 * 0.5, 0.05);
  hwsim_device_free(device);
}

static void what_makes_no_sense_is_refused(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s");
  double table[] = {0, 1, NAN, 1, 0};
  const struct {
    hwsim_connection connection;
    const char *message;
  } cases[] = {
      {{.gain = NAN}, "gain must be from"},     {{.offset_v = 2e6}, "offset must be from"},
      {{.delay_ns = -1}, "delay must be from"}, {{.delay_ns = 3601 * S}, "delay must be from"},
      {{.tau_s = -1}, "tau must be from"},      {{.tau_s = INFINITY}, "tau must be from"},
      {{.noise_v = -1}, "noise must be from"},  {{.output = 4}, "output must be from 0 to 3"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    CHECK_FAILS(hwsim_output_connect(device, NULL, 0, &cases[i].connection, NULL, 0),
                HWSIM_EINVALID);
    CHECK_MESSAGE(cases[i].message);
  }
  hwsim_connection connection = plain();
  CHECK_FAILS(hwsim_output_connect(device, NULL, 3, &connection, NULL, 0), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_output_connect(device, NULL, 0, &connection, table, 1), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_output_connect(device, NULL, 0, &connection, NULL, 2), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_output_connect(device, NULL, 0, &connection, table, LENGTH(table)),
              HWSIM_EINVALID);
  CHECK_MESSAGE("function must return numbers from -1e6 to 1e6, got nan at ");
  CHECK_FAILS(hwsim_output_disconnect(device, 0), HWSIM_ESTATE);
  CHECK_FAILS(hwsim_output_disconnect(device, 3), HWSIM_EINVALID);
  hwsim_device_close(device);
  CHECK_FAILS(hwsim_output_connect(device, NULL, 0, &connection, NULL, 0), HWSIM_ECLOSED);
  hwsim_device_free(device);
}

static void the_last_that_is_connected_counts(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&noise=0V");
  hwsim_signal signal, dc = {.offset_v = 3, .range_v = 5, .gain_error = 0.5};
  size_t length;
  CHECK_OK(hwsim_signal_set(device, 0, &dc, NULL, 0));
  wire(device, 0, plain());
  CHECK_OK(hwsim_signal_get(device, 0, &signal, &length));
  CHECK_EQUAL(signal.waveform, HWSIM_WAVEFORM_OUTPUT);
  set(device, 0, 2);
  CHECK_NEAR(measure(device, 0), 3, LSB); /* the converter's error has stayed */
  dc.gain_error = 0;
  CHECK_OK(hwsim_signal_set(device, 0, &dc, NULL, 0));
  set(device, 0, 1);
  CHECK_NEAR(measure(device, 0), 3, LSB);
  wire(device, 0, plain());
  CHECK_NEAR(measure(device, 0), 1, LSB); /* at rest with what is put out */
  CHECK_OK(hwsim_output_disconnect(device, 0));
  CHECK_OK(hwsim_signal_get(device, 0, &signal, &length));
  CHECK_EQUAL(signal.waveform, HWSIM_WAVEFORM_SINE);
  CHECK_FAILS(hwsim_output_disconnect(device, 0), HWSIM_ESTATE);
  CHECK_FAILS(hwsim_signal_set(device, 0,
                               &(hwsim_signal){.waveform = HWSIM_WAVEFORM_OUTPUT, .range_v = 1},
                               NULL, 0),
              HWSIM_EINVALID);
  hwsim_device_free(device);
}

static void without_power_nothing_is_put_out(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&noise=0V");
  hwsim_fault fault;
  wire(device, 0, plain());
  set(device, 0, 5);
  set(device, 1, 0.5);
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_DISCONNECT, &fault));
  CHECK_OK(hwsim_fault_inject(device, &fault));
  CHECK_NEAR(output(device, 0), 0, 0);
  CHECK_NEAR(output(device, 1), 0, 0);
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_RECONNECT, &fault));
  CHECK_OK(hwsim_fault_inject(device, &fault));
  CHECK_NEAR(output(device, 0), 0, 0);
  CHECK_NEAR(output(device, 1), 0, 0);
  set(device, 0, 4);
  CHECK_NEAR(measure(device, 0), 4, LSB); /* still connected */
  hwsim_device_free(device);
}

/* ----------------------------------------------------------------- streams and comparators -- */

static hwsim_stream *start(hwsim_device *device, double rate_hz, uint64_t first_index) {
  static const uint32_t channels[] = {0, 1};
  hwsim_stream_config config = {.rate_hz = rate_hz,
                                .channels = channels,
                                .channel_count = 2,
                                .buffer = 1 << 30,
                                .first_index = first_index,
                                .overrun = HWSIM_OVERRUN_SKIP};
  hwsim_stream *stream = NULL;
  CHECK_OK(hwsim_stream_start(device, &config, &stream));
  return stream;
}

static hwsim_block read_block(hwsim_stream *stream, size_t count, double *data) {
  hwsim_block block;
  CHECK_OK(hwsim_stream_read(stream, HWSIM_FORMAT_FLOAT64, count, &forever, data, &block));
  return block;
}

enum { SAMPLES = 400 };

/* What happens in 400 ms, the same each time; the stream is read when it is asked for. */
static void play(hwsim_device *device, unsigned seed, int piece, double *data) {
  hwsim_connection connection = {.gain = 2, .delay_ns = 2 * MS, .tau_s = 0.01, .noise_v = 0.01};
  unsigned random = seed;
  wire(device, 0, connection);
  hwsim_stream *stream = start(device, 1000, 77);
  int done = 0;
  for (int ms = 1; ms <= SAMPLES; ms++) {
    random = random * 1664525 + 1013904223;
    int64_t part_ns = random % MS;
    advance(device, part_ns);
    set(device, 0, (double)(random >> 20) / 1024 - 2);
    advance(device, MS - part_ns);
    if (ms % piece == 0 || ms == SAMPLES) {
      hwsim_block block = read_block(stream, (size_t)(ms - done), data + 2 * done);
      CHECK_EQUAL(block.first_index, 77 + done);
      CHECK_EQUAL(block.count, ms - done);
      done = ms;
    }
  }
  hwsim_stream_free(stream);
}

static void a_stream_is_the_same_however_it_is_read(void) {
  static double first[2 * SAMPLES], other[2 * SAMPLES];
  const int pieces[] = {1, 7, 64, SAMPLES};
  for (size_t i = 0; i < LENGTH(pieces); i++) {
    hwsim_device *device = open_dacs("hwsim://d?latency=0s&clock=manual&seed=5");
    play(device, 3, pieces[i], i ? other : first);
    CHECK(!i || memcmp(first, other, sizeof first) == 0);
    hwsim_device_free(device);
  }
}

/* Also where a sample takes no whole number of nanoseconds. */
static void samples_come_at_their_exact_times(void) {
  enum { COUNT = 3000 };
  static double whole[2 * COUNT], parts[2 * COUNT];
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&clock=manual&noise=0V");
  hwsim_connection connection = {.gain = 1, .tau_s = 1e-6};
  wire(device, 0, connection);
  hwsim_stream *one = start(device, 7e8, 0), *other = start(device, 7e8, 0);
  set(device, 0, 9);
  advance(device, S);
  read_block(one, COUNT, whole);
  for (int i = 0; i < COUNT; i++)
    read_block(other, 1, parts + 2 * i);
  CHECK(memcmp(whole, parts, sizeof whole) == 0);
  hwsim_stream_free(one);
  hwsim_stream_free(other);
  hwsim_device_free(device);
}

static void a_stream_sees_what_conversions_see(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&clock=manual&noise=0V");
  hwsim_connection connection = {.gain = 1, .tau_s = 0.05};
  double measured[200], data[400];
  wire(device, 0, connection);
  hwsim_stream *stream = start(device, 1000, 0);
  for (int i = 0; i < 200; i++) {
    advance(device, MS);
    measured[i] = measure(device, 0);
    if (i % 40 == 5)
      set(device, 0, i / 40 - 2);
  }
  read_block(stream, 200, data);
  for (int i = 0; i < 200; i++)
    CHECK_NEAR(data[2 * i], measured[i], 0);
  hwsim_stream_free(stream);
  hwsim_device_free(device);
}

/* A sample that is there sees nothing that comes later at the same time. */
static void a_sample_is_not_changed_by_what_comes_at_its_time(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&clock=manual&noise=0V");
  double data[4];
  wire(device, 0, plain());
  hwsim_stream *one = start(device, 1000, 0), *other = start(device, 1000, 0);
  advance(device, MS);
  read_block(one, 1, data);
  set(device, 0, 5);
  CHECK_NEAR(measure(device, 0), 5, LSB); /* a conversion comes after it */
  advance(device, MS);
  read_block(other, 2, data);
  CHECK_NEAR(data[0], 0, 0);
  CHECK_NEAR(data[2], 5, LSB);
  hwsim_stream_free(one);
  hwsim_stream_free(other);
  hwsim_device_free(device);
}

static void a_stream_keeps_what_it_was_started_with(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&clock=manual&noise=0V");
  hwsim_signal dc = {.offset_v = 3, .range_v = 10};
  double data[6];
  wire(device, 0, plain());
  hwsim_stream *stream = start(device, 1000, 0);
  set(device, 0, 1);
  advance(device, MS);
  CHECK_OK(hwsim_signal_set(device, 0, &dc, NULL, 0));
  set(device, 0, 2);
  advance(device, MS);
  hwsim_connection other = {.output = 1, .gain = 1};
  wire(device, 0, other);
  set(device, 0, 3);
  advance(device, MS);
  read_block(stream, 3, data);
  for (int i = 0; i < 3; i++)
    CHECK_NEAR(data[2 * i], i + 1, LSB);
  hwsim_stream_free(stream);
  set(device, 0, 4); /* nobody sees it */
  hwsim_device_free(device);
}

/* More changes than are kept. */
static void a_stream_that_lags_too_much_is_told(void) {
  enum { CHANGES = 140000, KEPT = 131072 };
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&clock=manual&noise=0V");
  static double data[2 * CHANGES];
  hwsim_stream_status status;
  wire(device, 0, plain());
  hwsim_stream *stream = start(device, 1e6, 0), *reader = start(device, 1e6, 0);
  for (int i = 0; i < CHANGES; i++) {
    set(device, 0, i % 2 ? 1 : 2);
    advance(device, US);
    if (i % 1000 == 999) {
      hwsim_block block = read_block(reader, 1000, data);
      CHECK_EQUAL(block.lost, 0);
    }
  }
  CHECK_OK(hwsim_stream_get_status(stream, &status));
  CHECK_EQUAL(status.available + status.lost, CHANGES);
  CHECK(status.lost >= CHANGES - KEPT - 1 && status.lost <= CHANGES - KEPT + 1);
  hwsim_block block = read_block(stream, (size_t)status.available, data);
  CHECK_EQUAL(block.lost, status.lost);
  for (size_t i = 0; i < block.count; i++)
    CHECK_NEAR(data[2 * i], (block.first_index + i) % 2 ? 1 : 2, LSB);
  hwsim_stream_free(stream);
  hwsim_stream_free(reader);
  hwsim_device_free(device);
}

/* One that waits meanwhile is told, too. */
static void *wait_for_a_block(void *stream) {
  static double data[2 * 140000];
  hwsim_block block;
  CHECK_OK(hwsim_stream_read(stream, HWSIM_FORMAT_FLOAT64, 135000, &forever, data, &block));
  CHECK_EQUAL(block.count, 135000);
  CHECK(block.lost > 0);
  return NULL;
}

static void a_reader_that_waits_for_too_many_changes_is_told(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&clock=manual&noise=0V");
  wire(device, 0, plain());
  hwsim_stream *stream = start(device, 1e6, 0);
  pthread_t reader;
  CHECK(pthread_create(&reader, NULL, wait_for_a_block, stream) == 0);
  CHECK_OK(hwsim_device_wait_pending(device, 1, &forever));
  for (int i = 0; pending(device); i++) {
    CHECK(i < 300000);
    if (i < 140000)
      set(device, 0, i % 2 ? 1 : 2);
    advance(device, US);
  }
  CHECK(pthread_join(reader, NULL) == 0);
  hwsim_stream_free(stream);
  hwsim_device_free(device);
}

/* Crossings are those of the samples, each looked at. */
static void thresholds_are_those_of_the_samples(void) {
  for (unsigned seed = 1; seed <= 40; seed++) {
    hwsim_device *device = open_dacs("hwsim://d?latency=0s&clock=manual&rate=1kHz&seed=5");
    static double data[2 * SAMPLES];
    hwsim_subscription *events = NULL;
    hwsim_subscription_config config = {.kinds = HWSIM_EVENT_BIT(HWSIM_EVENT_THRESHOLD),
                                        .queue = 4096};
    hwsim_connection connection = {.gain = 1,
                                   .delay_ns = seed % 3 * 700 * US,
                                   .tau_s = seed % 4 * 0.004,
                                   .noise_v = seed % 5 ? 0 : 0.01};
    unsigned random = seed;
    double level = 0.1 * (seed % 7), hysteresis = seed % 2 * 0.3;
    CHECK_OK(hwsim_threshold_set(device, 0, level, hysteresis));
    CHECK_OK(hwsim_subscription_new(device, &config, &events));
    wire(device, 0, connection);
    hwsim_stream *stream = start(device, 1000, 0);
    for (int i = 0; i < 30; i++) {
      random = random * 1664525 + 1013904223;
      advance(device, random % (12 * MS));
      set(device, 0, (double)(random >> 20) / 1024 - 2);
    }
    advance(device, SAMPLES * MS - now(device));
    read_block(stream, SAMPLES, data);
    hwsim_event found[4096];
    size_t count = 0, crossings = 0;
    hwsim_call at_once = {0, NULL, NULL};
    if (hwsim_subscription_next(events, LENGTH(found), &at_once, found, &count))
      count = 0;
    bool high = data[0] >= level;
    for (int i = 1; i < SAMPLES; i++) {
      if (high == (data[2 * i] >= level - (high ? hysteresis : 0)))
        continue;
      high = !high;
      CHECK(crossings < count);
      CHECK_EQUAL(found[crossings].time_ns, (i + 1) * MS);
      CHECK_NEAR(found[crossings].value, data[2 * i], 0);
      crossings++;
    }
    CHECK_EQUAL(count, crossings);
    CHECK(crossings > 0 || seed % 4 == 3);
    hwsim_subscription_free(events);
    hwsim_stream_free(stream);
    hwsim_device_free(device);
  }
}

/* A wait for an event that a response will cause jumps there, however slow it is. */
static void a_slow_response_crosses_when_it_should(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=0s&clock=virtual&noise=0V&rate=1kHz");
  hwsim_subscription *events = NULL;
  hwsim_subscription_config config = {.kinds = HWSIM_EVENT_BIT(HWSIM_EVENT_THRESHOLD), .queue = 9};
  hwsim_connection connection = {.gain = 1, .tau_s = 10000};
  hwsim_event event;
  size_t count;
  CHECK_OK(hwsim_threshold_set(device, 0, 1, 0));
  CHECK_OK(hwsim_subscription_new(device, &config, &events));
  wire(device, 0, connection);
  set(device, 0, 2);
  CHECK_OK(hwsim_subscription_next(events, 1, &forever, &event, &count));
  CHECK_NEAR((double)event.time_ns / 1e9, 10000 * log(2), 2);
  hwsim_subscription_free(events);
  hwsim_device_free(device);
}

/* Threads that do all of it at once; a sanitizer looks on. */
static void all_of_it(int index, void *device) {
  (void)index;
  hwsim_connection connection = {.gain = 1, .tau_s = 1e-5, .delay_ns = US};
  for (int i = 0; i < 300; i++) {
    double volts, data[32];
    hwsim_block block;
    connection.output = (uint32_t)i % 2;
    CHECK_OK(hwsim_output_connect(device, NULL, 0, &connection, NULL, 0));
    CHECK_OK(hwsim_output_set(device, 0, i % 7 * 0.5, &forever));
    CHECK_OK(hwsim_output_get(device, 0, &volts));
    CHECK_OK(hwsim_signal_read(device, 0, &forever, &volts));
    hwsim_stream *stream = start(device, 1e6, 0);
    CHECK_OK(hwsim_output_set(device, 1, i % 7 * 0.1, &forever));
    CHECK_OK(hwsim_stream_read(stream, HWSIM_FORMAT_FLOAT64, 16, &forever, data, &block));
    hwsim_stream_free(stream);
    (void)!hwsim_output_disconnect(device, 0);
  }
}

static void any_thread_may_do_it(void) {
  hwsim_device *device = open_dacs("hwsim://d?latency=1us&clock=virtual");
  in_parallel(4, all_of_it, device);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(output_follows_its_register),
    TEST(setting_an_output_sets_its_register),
    TEST(a_bad_output_is_refused),
    TEST(a_channel_follows_at_once),
    TEST(a_response_has_lag_and_delay),
    TEST(a_function_bends_it),
    TEST(what_makes_no_sense_is_refused),
    TEST(the_last_that_is_connected_counts),
    TEST(without_power_nothing_is_put_out),
    TEST(a_stream_is_the_same_however_it_is_read),
    TEST(samples_come_at_their_exact_times),
    TEST(a_stream_sees_what_conversions_see),
    TEST(a_sample_is_not_changed_by_what_comes_at_its_time),
    TEST(a_stream_keeps_what_it_was_started_with),
    TEST(a_stream_that_lags_too_much_is_told),
    TEST(a_reader_that_waits_for_too_many_changes_is_told),
    TEST(thresholds_are_those_of_the_samples),
    TEST(a_slow_response_crosses_when_it_should),
    TEST(any_thread_may_do_it),
};
CHECK_MAIN(tests)
