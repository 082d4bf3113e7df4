/* Streams: every sample once and in order, every lost one counted, and the same samples however
 * they are read. On a manual clock operation_start() fixes the order of readers, and samples come
 * with advance(); on a virtual one a read ends at once. */
#include "threads.h"

#define MS INT64_C(1000000)
#define MANUAL "hwsim://d?clock=manual&latency=0s&timeout=inf"
#define VIRTUAL "hwsim://d?clock=virtual&latency=0s&timeout=inf"
enum { RAMP = 32768, FIRST_INDICES = 5 };

static const uint32_t one_channel[] = {0}, three_channels[] = {2, 0, 1};
/* Counters wrap right behind these. */
static const uint64_t first_indices[FIRST_INDICES] = {0, (UINT64_C(1) << 31) - 3,
                                                      (UINT64_C(1) << 32) - 3,
                                                      (UINT64_C(1) << 53) - 3, UINT64_C(1) << 62};

/* 1 kHz, so that a sample comes each millisecond. */
static hwsim_stream_config config_of(uint64_t buffer, uint64_t total, hwsim_overrun overrun) {
  return (hwsim_stream_config){.rate_hz = 1000,
                               .channels = one_channel,
                               .channel_count = 1,
                               .buffer = buffer,
                               .total = total,
                               .overrun = overrun};
}

static hwsim_stream *start_with(hwsim_device *device, hwsim_stream_config config) {
  hwsim_stream *stream = NULL;
  CHECK_OK(hwsim_stream_start(device, &config, &stream));
  return stream;
}

static hwsim_stream *start(hwsim_device *device) {
  return start_with(device, config_of(1 << 30, 0, HWSIM_OVERRUN_ERROR));
}

/* Sample n of channel 0 has the code n % RAMP, for whoever samples at this rate. */
static hwsim_device *open_ramp_at(const char *uri, double rate_hz) {
  static double table[RAMP];
  hwsim_device *device = open_device(uri);
  const hwsim_signal signal = {
      .waveform = HWSIM_WAVEFORM_TABLE, .amplitude_v = 1, .range_v = 1, .rate_hz = rate_hz};
  for (int i = 0; i < RAMP; i++)
    table[i] = i / 32768.0;
  CHECK_OK(hwsim_signal_set(device, 0, &signal, table, RAMP));
  return device;
}

static hwsim_device *open_ramp(const char *uri) { return open_ramp_at(uri, 1000); }

static void check_ramp(const int16_t *codes, uint64_t first_index, size_t count) {
  for (size_t i = 0; i < count; i++)
    CHECK_EQUAL(codes[i], (first_index + i) % RAMP);
}

static void check_block(hwsim_block block, uint64_t first_index, size_t count, uint64_t lost) {
  CHECK_EQUAL(block.first_index, first_index);
  CHECK_EQUAL(block.count, count);
  CHECK_EQUAL(block.lost, lost);
}

static void check_status(hwsim_stream *stream, uint64_t available, uint64_t read, uint64_t lost,
                         bool running) {
  hwsim_stream_status status;
  CHECK_OK(hwsim_stream_get_status(stream, &status));
  CHECK_EQUAL(status.available, available);
  CHECK_EQUAL(status.read, read);
  CHECK_EQUAL(status.lost, lost);
  CHECK_EQUAL(status.running, running);
}

/* Up to 1000 codes of a ramp, which must be there or come by themselves. */
static hwsim_block read_ramp(hwsim_stream *stream, size_t count) {
  int16_t codes[1000];
  hwsim_block block;
  CHECK_OK(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, count, NULL, codes, &block));
  check_ramp(codes, block.first_index, block.count);
  return block;
}

static void end(hwsim_stream *stream, hwsim_device *device) {
  hwsim_stream_free(stream);
  hwsim_device_free(device);
}

/* A read of a ramp on a thread of its own. */
typedef struct reading {
  operation base;
  hwsim_stream *stream;
  size_t count;
  int16_t codes[1000];
  hwsim_block block;
} reading;

static hwsim_error run_reading(operation *base) {
  reading *self = (reading *)base;
  return hwsim_stream_read(self->stream, HWSIM_FORMAT_INT16, self->count, base->call, self->codes,
                           &self->block);
}

/* Returns when it waits. */
static void reading_prepare(reading *self, hwsim_device *device, hwsim_stream *stream, size_t count,
                            const hwsim_call *call) {
  self->base = (operation){.device = device, .run = run_reading, .call = call};
  self->stream = stream;
  self->count = count;
}

static void reading_start(reading *self, hwsim_device *device, hwsim_stream *stream, size_t count,
                          const hwsim_call *call) {
  reading_prepare(self, device, stream, count, call);
  operation_start(&self->base);
}

static void reading_end(reading *self, hwsim_error result, uint64_t first_index, size_t count) {
  CHECK_EQUAL(operation_join(&self->base), result);
  check_block(self->block, first_index, count, 0);
  check_ramp(self->codes, first_index, count);
}

/* ----------------------------------------------------------------------------------- samples -- */

static void blocks_follow_each_other(void) {
  enum { BLOCK = 65537, BLOCKS = 20 };
  static int16_t codes[BLOCK];
  hwsim_device *device = open_ramp(VIRTUAL);
  for (int i = 0; i < FIRST_INDICES; i++) {
    hwsim_stream_config config = config_of(1 << 30, 0, HWSIM_OVERRUN_ERROR);
    config.first_index = first_indices[i];
    hwsim_stream *stream = start_with(device, config);
    for (uint64_t index = config.first_index, end = index + (uint64_t)BLOCK * BLOCKS; index < end;
         index += BLOCK) {
      hwsim_block block;
      CHECK_OK(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, BLOCK, NULL, codes, &block));
      check_block(block, index, BLOCK, 0);
      check_ramp(codes, index, BLOCK);
    }
    hwsim_stream_free(stream);
  }
  hwsim_device_free(device);
}

enum { SAMPLES = 9001 }; /* more than two pieces, and no multiple of a vector */

/* In blocks of `step`. */
static void collect(hwsim_device *device, hwsim_stream_config config, hwsim_format format,
                    size_t sample_size, size_t step, char *data_out) {
  hwsim_stream *stream = start_with(device, config);
  for (size_t done = 0; done < SAMPLES; done += step) {
    size_t count = SAMPLES - done < step ? SAMPLES - done : step;
    hwsim_block block;
    CHECK_OK(hwsim_stream_read(stream, format, count, NULL, data_out + done * sample_size, &block));
    check_block(block, config.first_index + done, count, 0);
  }
  hwsim_stream_free(stream);
}

static void check_steps_agree(hwsim_device *device, hwsim_stream_config config,
                              hwsim_format format) {
  static const size_t sizes[] = {2, 4, 8};
  static char whole[SAMPLES * 3 * 8], parts[sizeof whole];
  size_t sample_size = sizes[format] * config.channel_count;
  collect(device, config, format, sample_size, SAMPLES, whole);
  for (size_t step = 1; step < SAMPLES; step = step * 5 + 2) {
    memset(parts, 0x55, sizeof parts);
    collect(device, config, format, sample_size, step, parts);
    CHECK(memcmp(whole, parts, SAMPLES * sample_size) == 0);
  }
}

/* Single samples are made by scalar code, many by vectors: every bit is the same. */
static void any_split_of_reads_gives_the_same_samples(void) {
  static const double table[] = {0.1, -0.7, 0.35, 0.001, -0.2};
  hwsim_device *device = open_device(VIRTUAL "&rate=1MHz");
  for (int waveform = HWSIM_WAVEFORM_DC; waveform <= HWSIM_WAVEFORM_TABLE_ONCE; waveform++)
    for (int kind = 0; kind < 4; kind++) {
      hwsim_signal signal = {.waveform = (hwsim_waveform)waveform,
                             .amplitude_v = 9,
                             .offset_v = 0.3,
                             .frequency_hz = 12345.678,
                             .phase_turns = 0.1,
                             .noise_v = kind & 1 ? 0.5 : 0,
                             .inl_lsb = kind & 2 ? 4 : 0,
                             .range_v = 10};
      size_t length = waveform >= HWSIM_WAVEFORM_TABLE ? LENGTH(table) : 0;
      signal.rate_hz = length && kind ? 300000.7 * kind : 0;
      hwsim_stream_config config = config_of(1 << 30, 0, HWSIM_OVERRUN_ERROR);
      config.rate_hz = 1e6;
      config.first_index = first_indices[kind + 1] & ~UINT64_C(0xFFF);
      config.first_index -= kind < 3 ? 0 : SAMPLES;
      CHECK_OK(hwsim_signal_set(device, 0, &signal, length ? table : NULL, length));
      check_steps_agree(device, config, HWSIM_FORMAT_INT16);
      config.channels = three_channels;
      config.channel_count = 3;
      check_steps_agree(device, config, (hwsim_format)(waveform % 3));
    }
  hwsim_device_free(device);
}

static void formats_agree_and_columns_are_the_channels(void) {
  enum { COUNT = 5000 };
  static int16_t codes[COUNT][3], alone[COUNT];
  static float floats[COUNT][3];
  static double doubles[COUNT][3];
  hwsim_device *device = open_device(VIRTUAL "&range=5V&noise=1V");
  hwsim_stream_config config = config_of(1 << 30, 0, HWSIM_OVERRUN_ERROR);
  config.channels = three_channels;
  config.channel_count = 3;
  void *const outputs[] = {codes, floats, doubles};
  for (int format = HWSIM_FORMAT_INT16; format <= HWSIM_FORMAT_FLOAT64; format++) {
    hwsim_stream *stream = start_with(device, config);
    hwsim_block block;
    CHECK_EQUAL(hwsim_stream_channel_count(stream), 3);
    CHECK_NEAR(hwsim_stream_volts_per_code(stream, 2), 5 / 32768.0, 0);
    CHECK_NEAR(hwsim_stream_volts_per_code(stream, 3), 0, 0);
    CHECK_OK(hwsim_stream_read(stream, (hwsim_format)format, COUNT, NULL, outputs[format], &block));
    hwsim_stream_free(stream);
  }
  for (uint32_t column = 0; column < 3; column++) {
    config.channels = &three_channels[column];
    config.channel_count = 1;
    hwsim_stream *stream = start_with(device, config);
    hwsim_block block;
    CHECK_OK(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, COUNT, NULL, alone, &block));
    hwsim_stream_free(stream);
    for (int i = 0; i < COUNT; i++) {
      CHECK_EQUAL(codes[i][column], alone[i]);
      CHECK_NEAR(doubles[i][column], alone[i] * (5 / 32768.0), 0);
      CHECK_NEAR(floats[i][column], doubles[i][column], 1e-6);
    }
  }
  hwsim_device_free(device);
}

/* -------------------------------------------------------------------------------------- time -- */

static void a_sample_is_there_when_its_time_has_come(void) {
  static const double rates[] = {0.001, 0.7, 3, 44100, 1e6 / 3, 999999.999999, 1e9};
  hwsim_device *device = open_device(VIRTUAL);
  for (size_t i = 0; i < LENGTH(rates); i++) {
    hwsim_stream_config config = config_of(1 << 30, 0, HWSIM_OVERRUN_ERROR);
    config.rate_hz = rates[i];
    hwsim_stream *stream = start_with(device, config);
    int64_t begin = now(device);
    CHECK_EQUAL(hwsim_stream_start_ns(stream), begin);
    uint64_t rate_uhz = (uint64_t)(rates[i] * 1e6 + 0.5);
    int16_t codes[7];
    for (uint64_t n = 7; n <= 70; n += 7) {
      hwsim_block block;
      CHECK_OK(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, 7, NULL, codes, &block));
      CHECK_EQUAL(now(device) - begin, (n * UINT64_C(1000000000000000) + rate_uhz - 1) / rate_uhz);
      check_status(stream, 0, n, 0, true);
    }
    hwsim_stream_free(stream);
  }
  hwsim_device_free(device);
}

static void the_default_timeout_begins_when_the_samples_are_due(void) {
  hwsim_device *device = open_ramp("hwsim://d?clock=virtual&latency=0s&timeout=1s");
  hwsim_stream *stream = start(device);
  hwsim_fault fault;
  int16_t codes[1000];
  hwsim_block block;
  for (int i = 0; i < 5; i++)
    check_block(read_ramp(stream, 1000), (uint64_t)i * 1000, 1000, 0);
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_TIMEOUT, &fault));
  CHECK_OK(hwsim_fault_inject(device, &fault));
  CHECK_FAILS(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, 500, NULL, codes, &block),
              HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), 6500 * MS);
  check_block(block, 5000, 500, 0);
  hwsim_call half_a_second = {500 * MS, NULL, NULL};
  check_block(read_ramp(stream, 1000), 5000, 1000, 0);
  check_block(read_ramp(stream, 500), 6000, 500, 0);
  CHECK_FAILS(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, 1000, &half_a_second, codes, &block),
              HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), 7000 * MS);
  check_block(block, 6500, 500, 0);
  end(stream, device);
}

/* ----------------------------------------------------------------------------------- overrun -- */

static void an_overrun_is_exact(void) {
  hwsim_device *device = open_ramp(MANUAL);
  hwsim_stream *strict = start_with(device, config_of(10, 0, HWSIM_OVERRUN_ERROR)),
               *lenient = start_with(device, config_of(10, 0, HWSIM_OVERRUN_SKIP));
  int16_t codes[10];
  hwsim_block block;
  advance(device, 10 * MS);
  check_block(read_ramp(strict, 1), 0, 1, 0); /* full is not too full */
  check_block(read_ramp(lenient, 1), 0, 1, 0);
  advance(device, 10 * MS);
  check_status(strict, 10, 1, 9, true);
  CHECK_FAILS(hwsim_stream_read(strict, HWSIM_FORMAT_INT16, 4, NULL, codes, &block),
              HWSIM_EOVERRUN);
  CHECK_MESSAGE("9 samples were lost");
  check_block(block, 10, 4, 9);
  check_ramp(codes, 10, 4);
  check_block(read_ramp(strict, 4), 10, 4, 0);
  check_block(read_ramp(lenient, 4), 10, 4, 9);
  check_block(read_ramp(lenient, 4), 14, 4, 0);
  check_status(strict, 6, 5, 9, true);
  check_status(lenient, 2, 9, 9, true);
  hwsim_stream_free(strict);
  end(lenient, device);
}

static void what_a_reader_waits_for_is_not_lost(void) {
  hwsim_device *device = open_ramp(MANUAL);
  hwsim_stream *stream = start_with(device, config_of(5, 0, HWSIM_OVERRUN_ERROR));
  reading large, next;
  reading_start(&large, device, stream, 100, &forever);
  reading_start(&next, device, stream, 900, &forever);
  advance(device, 1000 * MS);
  reading_end(&large, HWSIM_OK, 0, 100);
  reading_end(&next, HWSIM_OK, 100, 900);
  check_status(stream, 0, 1000, 0, true);
  end(stream, device);
}

static void a_lag_of_centuries_is_exact(void) {
  hwsim_device *device = open_ramp_at(MANUAL, 1e9);
  hwsim_stream_config config = config_of(10, 0, HWSIM_OVERRUN_SKIP);
  config.rate_hz = 1e9;
  config.first_index = UINT64_C(1) << 62;
  hwsim_stream *stream = start_with(device, config);
  advance(device, INT64_C(9000000000) * 1000 * MS);
  uint64_t lost = UINT64_C(9000000000000000000) - 10;
  check_block(read_ramp(stream, 10), config.first_index + lost, 10, lost);
  end(stream, device);
}

/* ----------------------------------------------------------------------------------- readers -- */

static void readers_are_served_in_the_order_of_their_calls(void) {
  static const size_t counts[] = {5, 1, 7, 3, 4};
  static reading readings[LENGTH(counts)];
  hwsim_device *device = open_ramp(MANUAL);
  hwsim_stream *stream = start(device);
  uint64_t index = 0;
  for (size_t i = 0; i < LENGTH(counts); i++)
    reading_start(&readings[i], device, stream, counts[i], &forever);
  for (size_t i = 0; i < LENGTH(counts); index += counts[i++]) {
    advance(device, (int64_t)counts[i] * MS);
    reading_end(&readings[i], HWSIM_OK, index, counts[i]);
  }
  end(stream, device);
}

static void a_reader_that_is_stopped_gives_its_place_to_the_next(void) {
  hwsim_device *device = open_ramp(MANUAL);
  hwsim_stream *stream = start(device);
  hwsim_cancel *token;
  CHECK_OK(hwsim_cancel_new(&token));
  const hwsim_call stoppable = {HWSIM_TIMEOUT_NEVER, token, NULL},
                   short_call = {20 * MS, NULL, NULL};
  reading cancelled, late, lucky;
  reading_start(&cancelled, device, stream, 1000, &stoppable);
  reading_start(&late, device, stream, 1000, &short_call);
  reading_start(&lucky, device, stream, 10, &forever);
  advance(device, 15 * MS);
  hwsim_cancel_set(token);
  reading_end(&cancelled, HWSIM_ECANCELLED, 0, 15);
  advance(device, 5 * MS); /* the time of the second */
  CHECK_EQUAL(operation_join(&late.base), HWSIM_ETIMEOUT);
  reading_end(&lucky, HWSIM_OK, 0, 10);
  check_block(read_ramp(stream, 10), 10, 10, 0);
  hwsim_cancel_free(token);
  end(stream, device);
}

/* On a real clock its thread must learn that it is first now, and how long it has to wait. */
static void the_next_reader_ends_by_itself(void) {
  hwsim_device *device = open_ramp("hwsim://d?latency=0s");
  hwsim_stream *stream = start(device);
  reading first, second;
  reading_start(&first, device, stream, 100, &forever);
  /* While the first waits, on all but slow machines: the clock is real. */
  reading_prepare(&second, device, stream, 50, &forever);
  operation_launch(&second.base);
  reading_end(&first, HWSIM_OK, 0, 100);
  reading_end(&second, HWSIM_OK, 100, 50);
  end(stream, device);
}

typedef struct crowd {
  hwsim_stream *stream;
  uint8_t *seen;
} crowd;

static void read_to_the_end(int index, void *shared) {
  const crowd *self = shared;
  for (hwsim_block block; (block = read_ramp(self->stream, 50 + (size_t)index)).count;)
    for (size_t i = 0; i < block.count; i++)
      CHECK(!self->seen[block.first_index + i]++);
}

static void each_sample_goes_to_one_of_many_readers(void) {
  enum { TOTAL = 40000 };
  static uint8_t seen[TOTAL];
  static const char *const uris[] = {VIRTUAL, "hwsim://d?clock=100x&latency=0s&timeout=inf"};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    hwsim_device *device = open_ramp_at(uris[i], 10000);
    hwsim_stream_config config = config_of(TOTAL, TOTAL, HWSIM_OVERRUN_ERROR);
    config.rate_hz = 10000;
    crowd self = {start_with(device, config), seen};
    memset(seen, 0, sizeof seen);
    in_parallel(8, read_to_the_end, &self);
    CHECK(!memchr(seen, 0, sizeof seen));
    check_status(self.stream, 0, TOTAL, 0, false);
    end(self.stream, device);
  }
}

/* --------------------------------------------------------------------------------------- end -- */

static void a_finite_stream_ends_with_a_short_block_and_then_empty_ones(void) {
  hwsim_device *device = open_ramp(VIRTUAL);
  hwsim_stream *stream = start_with(device, config_of(100, 10, HWSIM_OVERRUN_ERROR));
  check_block(read_ramp(stream, 8), 0, 8, 0);
  check_block(read_ramp(stream, 8), 8, 2, 0);
  check_block(read_ramp(stream, 8), 10, 0, 0);
  check_block(read_ramp(stream, 8), 10, 0, 0);
  CHECK_EQUAL(now(device), 10 * MS);
  check_status(stream, 0, 10, 0, false);
  end(stream, device);
}

static void stop_ends_the_readers_with_what_is_there(void) {
  hwsim_device *device = open_ramp(MANUAL);
  hwsim_stream *stream = start(device);
  reading first, second;
  reading_start(&first, device, stream, 10, &forever);
  reading_start(&second, device, stream, 10, &forever);
  advance(device, 4 * MS);
  hwsim_stream_stop(stream);
  reading_end(&first, HWSIM_OK, 0, 4);
  reading_end(&second, HWSIM_OK, 4, 0);
  advance(device, 100 * MS);
  check_block(read_ramp(stream, 10), 4, 0, 0);
  check_status(stream, 0, 4, 0, false);
  hwsim_stream_stop(stream);
  end(stream, device);
}

static void what_was_there_at_the_stop_can_be_read(void) {
  hwsim_device *device = open_ramp(MANUAL);
  hwsim_stream *stream = start(device);
  advance(device, 15 * MS);
  hwsim_stream_stop(stream);
  advance(device, 100 * MS);
  check_status(stream, 15, 0, 0, false);
  check_block(read_ramp(stream, 10), 0, 10, 0);
  check_block(read_ramp(stream, 10), 10, 5, 0);
  end(stream, device);
}

static void a_stream_keeps_its_device_and_the_last_owner_closes_it(void) {
  hwsim_device *device = open_ramp(VIRTUAL);
  hwsim_stream *stream = start(device);
  hwsim_device_free(device);
  check_block(read_ramp(stream, 5), 0, 5, 0);
  hwsim_stream_free(stream);
  hwsim_stream_free(NULL);
  hwsim_device_free(open_device("hwsim://d")); /* the name is free again */
}

static void later_signals_do_not_change_a_stream(void) {
  hwsim_device *device = open_ramp(VIRTUAL);
  hwsim_stream *stream = start(device);
  hwsim_signal signal;
  CHECK_OK(hwsim_signal_default(device, 0, &signal));
  CHECK_OK(hwsim_signal_set(device, 0, &signal, NULL, 0));
  check_block(read_ramp(stream, 1000), 0, 1000, 0);
  end(stream, device);
}

/* ---------------------------------------------------------------------------------- failures -- */

static void disconnect(hwsim_device *device) {
  hwsim_fault fault;
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_DISCONNECT, &fault));
  CHECK_OK(hwsim_fault_inject(device, &fault));
}

static void cancel(hwsim_device *device) { CHECK_OK(hwsim_device_cancel(device)); }

static void a_failed_read_shows_what_is_there_and_takes_nothing(void) {
  static const struct {
    hwsim_error error;
    void (*act)(hwsim_device *device);
    uint64_t left; /* of what was there */
  } failures[] = {{HWSIM_ECANCELLED, cancel, 3},
                  {HWSIM_EDISCONNECTED, disconnect, 0}, /* nothing, without power */
                  {HWSIM_ECLOSED, hwsim_device_close, 3}};
  for (size_t i = 0; i < LENGTH(failures); i++) {
    hwsim_device *device = open_ramp(MANUAL);
    hwsim_stream *stream = start(device);
    reading read;
    advance(device, 2 * MS);
    check_block(read_ramp(stream, 2), 0, 2, 0);
    reading_start(&read, device, stream, 10, &forever);
    advance(device, 3 * MS);
    failures[i].act(device);
    uint64_t left = failures[i].left;
    reading_end(&read, failures[i].error, 5 - left, left);
    CHECK_TEXT(read.base.info.operation, "read");
    check_status(stream, left, 2, 3 - left, failures[i].error != HWSIM_ECLOSED);
    end(stream, device);
  }
}

static void reconnect(hwsim_device *device) {
  hwsim_fault fault;
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_RECONNECT, &fault));
  CHECK_OK(hwsim_fault_inject(device, &fault));
}

/* What had not been read, and what would have come: exactly, and the indices are those of the time.
 */
static void without_power_samples_are_lost(void) {
  hwsim_device *device = open_ramp(MANUAL);
  hwsim_stream_config config = config_of(1000, 0, HWSIM_OVERRUN_SKIP);
  hwsim_stream *stream = start_with(device, config), *another = NULL;
  hwsim_stream_status status;
  advance(device, 20 * MS);
  check_block(read_ramp(stream, 2), 0, 2, 0);
  disconnect(device);
  check_status(stream, 0, 2, 18, true);
  advance(device, 100 * MS);
  check_status(stream, 0, 2, 118, true);
  CHECK_FAILS(hwsim_stream_start(device, &config, &another), HWSIM_EDISCONNECTED);
  reconnect(device);
  advance(device, 5 * MS);
  check_status(stream, 5, 2, 118, true);
  check_block(read_ramp(stream, 5), 120, 5, 118);
  disconnect(device);
  reconnect(device); /* and nothing is lost in no time */
  advance(device, 3 * MS);
  check_block(read_ramp(stream, 3), 125, 3, 0);
  CHECK_OK(hwsim_stream_get_status(stream, &status));
  CHECK_EQUAL(status.lost, 118);
  end(stream, device);
}

static void a_stream_may_end_while_there_is_no_power(void) {
  hwsim_device *device = open_ramp(MANUAL);
  hwsim_stream *stream = start_with(device, config_of(1000, 50, HWSIM_OVERRUN_SKIP));
  advance(device, 20 * MS);
  disconnect(device);
  advance(device, 100 * MS);
  reconnect(device);
  check_block(read_ramp(stream, 5), 50, 0, 50);
  check_status(stream, 0, 0, 50, false);
  end(stream, device);
}

static void a_fault_loses_nothing(void) {
  hwsim_device *device = open_ramp(VIRTUAL);
  hwsim_stream *stream = start(device);
  for (int kind = HWSIM_FAULT_BUS; kind <= HWSIM_FAULT_FOREIGN; kind++) {
    hwsim_fault fault;
    int16_t codes[10];
    hwsim_block block, before = read_ramp(stream, 10);
    CHECK_OK(hwsim_fault_init((hwsim_fault_kind)kind, &fault));
    if (kind == HWSIM_FAULT_DISCONNECT)
      kind = HWSIM_FAULT_SPIKE; /* those in between do not fail an operation */
    else {
      CHECK_OK(hwsim_fault_inject(device, &fault));
      CHECK(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, 10, NULL, codes, &block) != HWSIM_OK);
      check_block(block, before.first_index + 10, 0, 0);
    }
    check_block(read_ramp(stream, 10), before.first_index + 10, 10, 0);
  }
  end(stream, device);
}

static void a_closed_device_starts_and_reads_no_stream(void) {
  hwsim_device *device = open_ramp_at("hwsim://d?latency=0s", 1e9);
  hwsim_stream_config config = config_of(10, 0, HWSIM_OVERRUN_ERROR);
  config.rate_hz = 1e9;
  hwsim_stream *stream = start_with(device, config), *another = NULL;
  hwsim_stream_status status;
  int16_t code;
  hwsim_block block;
  hwsim_device_close(device);
  CHECK_FAILS(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, 1, NULL, &code, &block), HWSIM_ECLOSED);
  CHECK_FAILS(hwsim_stream_start(device, &config, &another), HWSIM_ECLOSED);
  CHECK_OK(hwsim_stream_get_status(stream, &status)); /* time stands still, also on a real clock */
  check_status(stream, status.available, 0, status.lost, false);
  hwsim_stream_stop(stream);
  end(stream, device);
}

static void bad_settings_are_named(void) {
  static const uint32_t twice[] = {1, 0, 1}, missing[] = {4};
  const hwsim_stream_config good = config_of(10, 0, HWSIM_OVERRUN_ERROR);
  struct {
    hwsim_stream_config config;
    const char *message;
  } bad[] = {{good, "rate must be from 0.001 to 1e9 Hz, got 0"},
             {good, "rate must be from"},
             {good, "rate must be from"},
             {good, "at least one channel"},
             {good, "at least one channel"},
             {good, "channel 1 twice"},
             {good, "channel must be from 0 to 3, got 4"},
             {good, "buffer must be from 1 to 1099511627776 samples, got 0"},
             {good, "buffer must be from"},
             {good, "total must be from 0 to 2^62"},
             {good, "first_index must be from 0 to 2^62"},
             {good, "no overrun policy 7"}};
  bad[0].config.rate_hz = 0;
  bad[1].config.rate_hz = 1.1e9;
  bad[2].config.rate_hz = NAN;
  bad[3].config.channel_count = 0;
  bad[4].config.channels = NULL;
  bad[5].config.channels = twice;
  bad[5].config.channel_count = 3;
  bad[6].config.channels = missing;
  bad[7].config.buffer = 0;
  bad[8].config.buffer = (UINT64_C(1) << 40) + 1;
  bad[9].config.total = (UINT64_C(1) << 62) + 1;
  bad[10].config.first_index = (UINT64_C(1) << 62) + 1;
  bad[11].config.overrun = (hwsim_overrun)7;
  hwsim_device *device = open_device(VIRTUAL);
  for (size_t i = 0; i < LENGTH(bad); i++) {
    hwsim_stream *stream = NULL;
    CHECK_FAILS(hwsim_stream_start(device, &bad[i].config, &stream), HWSIM_EINVALID);
    CHECK_MESSAGE(bad[i].message);
    CHECK(!stream);
  }
  hwsim_stream *stream = start_with(device, good);
  hwsim_block block;
  int16_t code;
  CHECK_FAILS(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, 0, NULL, &code, &block),
              HWSIM_EINVALID);
  CHECK_FAILS(hwsim_stream_read(stream, (hwsim_format)3, 1, NULL, &code, &block), HWSIM_EINVALID);
  const hwsim_call negative = {-2, NULL, NULL};
  CHECK_FAILS(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, 1, &negative, &code, &block),
              HWSIM_EINVALID);
  end(stream, device);
}

/* ------------------------------------------------------------------------------------- hooks -- */

enum { LARGE = 10000000 }; /* codes: more than are made without a look at the hooks */

typedef struct watch {
  int entered, left, polls;
  int64_t expected_ns;
  int interrupt_at;     /* the poll that interrupts */
  hwsim_stream *stream; /* if set, the interrupting poll reads from it */
  hwsim_cancel *cancel; /* if set, the poll sets it instead of interrupting */
} watch;

static void watch_enter(void *user, int64_t expected_ns) {
  watch *self = user;
  self->entered++;
  self->expected_ns = expected_ns;
}

static void watch_leave(void *user) { ((watch *)user)->left++; }

static int watch_poll(void *user) {
  watch *self = user;
  if (++self->polls < self->interrupt_at)
    return 0;
  if (self->stream)
    read_ramp(self->stream, 10);
  if (self->cancel)
    hwsim_cancel_set(self->cancel);
  return !self->cancel;
}

static hwsim_error read_watched(hwsim_stream *stream, size_t count, watch *self,
                                hwsim_block *block_out) {
  static int16_t codes[LARGE];
  const hwsim_hooks hooks = {watch_enter, watch_leave, watch_poll, self};
  hwsim_hooks_set(&hooks);
  const hwsim_call call = {HWSIM_TIMEOUT_DEFAULT, self->cancel, NULL};
  hwsim_error error = hwsim_stream_read(stream, HWSIM_FORMAT_INT16, count, &call, codes, block_out);
  hwsim_hooks_set(NULL);
  CHECK_EQUAL(self->entered, self->left);
  if (!error)
    check_ramp(codes, block_out->first_index, block_out->count);
  return error;
}

static void hooks_are_told_of_the_work(void) {
  hwsim_device *device = open_ramp(VIRTUAL);
  hwsim_stream *stream = start(device);
  hwsim_block block;
  watch few = {.interrupt_at = 1}, many = {.interrupt_at = 1000000};
  CHECK_OK(read_watched(stream, 10, &few, &block));
  CHECK_EQUAL(few.entered, 1);
  CHECK_EQUAL(few.polls, 0);
  CHECK(few.expected_ns < 1000);
  CHECK_OK(read_watched(stream, LARGE, &many, &block));
  CHECK_EQUAL(many.entered, 1);
  CHECK(many.polls >= 1);
  CHECK(many.expected_ns > MS);
  end(stream, device);
}

static void an_interrupted_large_read_gives_its_samples_back(void) {
  hwsim_device *device = open_ramp(VIRTUAL);
  hwsim_stream *stream = start(device);
  hwsim_block block;
  watch impatient = {.interrupt_at = 1};
  CHECK_FAILS(read_watched(stream, LARGE, &impatient, &block), HWSIM_ECANCELLED);
  check_block(block, 0, 0, 0);
  check_status(stream, LARGE, 0, 0, true);
  check_block(read_ramp(stream, 10), 0, 10, 0);
  end(stream, device);
}

static void a_cancelled_large_read_gives_its_samples_back(void) {
  hwsim_device *device = open_ramp(VIRTUAL);
  hwsim_stream *stream = start(device);
  hwsim_block block;
  watch other = {.interrupt_at = 1};
  CHECK_OK(hwsim_cancel_new(&other.cancel));
  CHECK_FAILS(read_watched(stream, LARGE, &other, &block), HWSIM_ECANCELLED);
  CHECK_EQUAL(block.count, 0);
  check_status(stream, LARGE, 0, 0, true);
  check_block(read_ramp(stream, 10), 0, 10, 0);
  hwsim_cancel_free(other.cancel);
  end(stream, device);
}

/* The gap before them is reported again, too. */
static void an_interrupted_large_read_gives_its_gap_back(void) {
  hwsim_device *device = open_ramp_at("hwsim://d?clock=virtual&latency=20s&timeout=inf", 1e6);
  hwsim_stream_config config = config_of(2 * LARGE, 0, HWSIM_OVERRUN_SKIP);
  config.rate_hz = 1e6;
  hwsim_stream *stream = start_with(device, config);
  hwsim_block block;
  watch impatient = {.interrupt_at = 1};
  for (int i = 0; i < 2; i++) /* 40 million samples come meanwhile */
    CHECK_OK(read_once(device));
  CHECK_FAILS(read_watched(stream, LARGE, &impatient, &block), HWSIM_ECANCELLED);
  check_status(stream, 2 * LARGE, 0, 2 * LARGE, true);
  check_block(read_ramp(stream, 10), 2 * LARGE, 10, 2 * LARGE);
  end(stream, device);
}

static void samples_behind_which_another_read_on_count_as_lost(void) {
  hwsim_device *device = open_ramp(VIRTUAL);
  hwsim_stream *stream = start(device);
  hwsim_block block;
  watch rude = {.interrupt_at = 1, .stream = stream};
  CHECK_FAILS(read_watched(stream, LARGE, &rude, &block), HWSIM_ECANCELLED);
  check_status(stream, 0, 10, LARGE, true);
  check_block(read_ramp(stream, 10), LARGE + 10, 10, 0);
  end(stream, device);
}

static const test tests[] = {
    TEST(blocks_follow_each_other),
    TEST(any_split_of_reads_gives_the_same_samples),
    TEST(formats_agree_and_columns_are_the_channels),
    TEST(a_sample_is_there_when_its_time_has_come),
    TEST(the_default_timeout_begins_when_the_samples_are_due),
    TEST(an_overrun_is_exact),
    TEST(what_a_reader_waits_for_is_not_lost),
    TEST(a_lag_of_centuries_is_exact),
    TEST(readers_are_served_in_the_order_of_their_calls),
    TEST(a_reader_that_is_stopped_gives_its_place_to_the_next),
    TEST(the_next_reader_ends_by_itself),
    TEST(each_sample_goes_to_one_of_many_readers),
    TEST(a_finite_stream_ends_with_a_short_block_and_then_empty_ones),
    TEST(stop_ends_the_readers_with_what_is_there),
    TEST(what_was_there_at_the_stop_can_be_read),
    TEST(a_stream_keeps_its_device_and_the_last_owner_closes_it),
    TEST(later_signals_do_not_change_a_stream),
    TEST(a_failed_read_shows_what_is_there_and_takes_nothing),
    TEST(without_power_samples_are_lost),
    TEST(a_stream_may_end_while_there_is_no_power),
    TEST(a_fault_loses_nothing),
    TEST(a_closed_device_starts_and_reads_no_stream),
    TEST(bad_settings_are_named),
    TEST(hooks_are_told_of_the_work),
    TEST(an_interrupted_large_read_gives_its_samples_back),
    TEST(a_cancelled_large_read_gives_its_samples_back),
    TEST(an_interrupted_large_read_gives_its_gap_back),
    TEST(samples_behind_which_another_read_on_count_as_lost),
};
CHECK_MAIN(tests)
