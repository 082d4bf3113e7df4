/* Signals: sample n of channel c is a function of (seed, c, n). Read on a device without latency,
 * so that a sample costs nothing; the range of 32768 mV makes a code one millivolt. */
#include "threads.h"

__extension__ typedef unsigned __int128 wide;

#define LSB 1e-3
#define URI "hwsim://d?clock=virtual&latency=0s&range=32768mV&rate=1kHz"
#define TURN 6.283185307179586

static double sample(hwsim_device *device, uint32_t channel) {
  double volts;
  CHECK_OK(hwsim_signal_read(device, channel, NULL, &volts));
  return volts;
}

/* 10 V at 100 Hz, which are ten samples a period; free of noise and errors. */
static hwsim_signal of(hwsim_waveform waveform) {
  return (hwsim_signal){
      .waveform = waveform, .amplitude_v = 10, .frequency_hz = 100, .range_v = 32.768};
}

static hwsim_device *connected(const char *uri, hwsim_signal signal) {
  hwsim_device *device = open_device(uri);
  CHECK_OK(hwsim_signal_set(device, 0, &signal, NULL, 0));
  return device;
}

/* --------------------------------------------------------------------------------- waveforms -- */

static void the_default_is_a_sine_per_channel(void) {
  hwsim_device *device = open_device("hwsim://d?rate=1kHz&channels=64&range=5V&noise=2mV");
  hwsim_signal standard, present;
  size_t length = 99;
  for (uint32_t channel = 0; channel < 64; channel++) {
    CHECK_OK(hwsim_signal_default(device, channel, &standard));
    CHECK_OK(hwsim_signal_get(device, channel, &present, &length));
    CHECK(memcmp(&standard, &present, sizeof present) == 0 && length == 0);
    CHECK_EQUAL(standard.waveform, HWSIM_WAVEFORM_SINE);
    CHECK_NEAR(standard.amplitude_v, 1, 0);
    CHECK_NEAR(standard.frequency_hz, channel < 12 ? 10 * (channel + 1) : 125, 1e-9);
    CHECK_NEAR(standard.range_v, 5, 0);
    CHECK_NEAR(standard.noise_v, 2e-3, 1e-18);
  }
  hwsim_device_free(device);
}

static void a_sine_is_libms_within_half_a_code(void) {
  static const double frequencies[] = {0, 1, 10, 33.3, 123.456789, 499, 500};
  for (size_t i = 0; i < sizeof frequencies / sizeof *frequencies; i++) {
    hwsim_signal signal = of(HWSIM_WAVEFORM_SINE);
    signal.frequency_hz = frequencies[i];
    signal.phase_turns = -0.3;
    hwsim_device *device = connected(URI, signal);
    for (int n = 0; n < 5000; n++)
      CHECK_NEAR(sample(device, 0), 10 * sin(TURN * (frequencies[i] * n / 1000 - 0.3)), 0.51 * LSB);
    hwsim_device_free(device);
  }
}

/* One period of ten samples. */
static void check_period(hwsim_waveform waveform, double phase_turns, const double *expected) {
  hwsim_signal signal = of(waveform);
  signal.phase_turns = phase_turns;
  hwsim_device *device = connected(URI, signal);
  for (int n = 0; n < 20; n++)
    CHECK_NEAR(sample(device, 0), expected[n % 10], 0.51 * LSB);
  hwsim_device_free(device);
}

static void a_square_is_high_first(void) {
  static const double expected[] = {10, 10, 10, 10, 10, -10, -10, -10, -10, -10};
  check_period(HWSIM_WAVEFORM_SQUARE, 0.05, expected);
}

static void a_triangle_rises_from_zero(void) {
  static const double expected[] = {0, 4, 8, 8, 4, 0, -4, -8, -8, -4};
  check_period(HWSIM_WAVEFORM_TRIANGLE, 0, expected);
}

static void dc_is_its_offset(void) {
  hwsim_signal signal = of(HWSIM_WAVEFORM_DC);
  signal.offset_v = -1.2344;
  hwsim_device *device = connected(URI, signal);
  CHECK_NEAR(sample(device, 0), -1.234, 1e-12);
  hwsim_device_free(device);
}

static const double table[] = {0.1, -0.2, 0.3};

static void a_table_repeats_or_stays_at_its_end(void) {
  hwsim_device *device = open_device(URI);
  hwsim_signal signal = of(HWSIM_WAVEFORM_TABLE);
  size_t length;
  CHECK_OK(hwsim_signal_set(device, 0, &signal, table, 3));
  for (int n = 0; n < 9; n++)
    CHECK_NEAR(sample(device, 0), 10 * table[n % 3], 0.51 * LSB);
  signal.waveform = HWSIM_WAVEFORM_TABLE_ONCE;
  CHECK_OK(hwsim_signal_set(device, 0, &signal, table, 3));
  for (int n = 0; n < 9; n++)
    CHECK_NEAR(sample(device, 0), 10 * table[n < 3 ? n : 2], 0.51 * LSB);
  CHECK_OK(hwsim_signal_get(device, 0, &signal, &length));
  CHECK_EQUAL(length, 3);
  hwsim_device_free(device);
}

/* Sample n of whoever takes `hz` a second is what the table holds at n / hz. */
static void a_table_has_a_rate_of_its_own(void) {
  enum { COUNT = 5000, LENGTH_OF_TABLE = 7 };
  static const int64_t table_mhz[] = {1000000, 999999, 250000, 333, 3000000, 1500000, 12345678901};
  static const int64_t stream_hz[] = {1000, 1, 8000, 44100, 250, 1000000000};
  static const uint64_t first[] = {0, 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
  static const uint32_t channel = 0;
  static int16_t codes[COUNT];
  double volts[LENGTH_OF_TABLE];
  for (size_t i = 0; i < LENGTH_OF_TABLE; i++)
    volts[i] = (double)(i * i) / 32768;
  hwsim_device *device = open_device(URI);
  for (size_t round = 0; round < 2 * LENGTH(table_mhz) * LENGTH(stream_hz) * LENGTH(first);
       round++) {
    bool once = round % 2;
    int64_t mhz = table_mhz[round / 2 % LENGTH(table_mhz)];
    int64_t hz = stream_hz[round / 2 / LENGTH(table_mhz) % LENGTH(stream_hz)];
    hwsim_signal signal = {.waveform = once ? HWSIM_WAVEFORM_TABLE_ONCE : HWSIM_WAVEFORM_TABLE,
                           .amplitude_v = 1,
                           .range_v = 1,
                           .rate_hz = (double)mhz / 1000};
    CHECK_OK(hwsim_signal_set(device, 0, &signal, volts, LENGTH_OF_TABLE));
    const hwsim_stream_config config = {
        .rate_hz = (double)hz,
        .channels = &channel,
        .channel_count = 1,
        .buffer = COUNT,
        .first_index = first[round / 2 / LENGTH(table_mhz) / LENGTH(stream_hz)]};
    hwsim_stream *stream;
    hwsim_block block;
    CHECK_OK(hwsim_stream_start(device, &config, &stream));
    CHECK_OK(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, COUNT, NULL, codes, &block));
    hwsim_stream_free(stream);
    for (uint64_t i = 0; i < COUNT; i++) {
      wide place = (wide)(config.first_index + i) * (uint64_t)mhz / ((uint64_t)hz * 1000);
      uint64_t at = once && place >= LENGTH_OF_TABLE ? LENGTH_OF_TABLE - 1
                                                     : (uint64_t)(place % LENGTH_OF_TABLE);
      CHECK_EQUAL(codes[i], at * at);
    }
  }
  hwsim_device_free(device);
}

static void a_table_without_a_rate_has_the_devices(void) {
  hwsim_device *device =
      open_device("hwsim://d?clock=virtual&latency=0s&range=32768mV&rate=1500Hz");
  hwsim_signal signal = of(HWSIM_WAVEFORM_TABLE);
  size_t length;
  CHECK_OK(hwsim_signal_set(device, 0, &signal, table, 3));
  CHECK_OK(hwsim_signal_get(device, 0, &signal, &length));
  CHECK_NEAR(signal.rate_hz, 1500, 0);
  signal.rate_hz = 750;
  CHECK_OK(hwsim_signal_set(device, 0, &signal, table, 3));
  for (int n = 0; n < 9; n++)
    CHECK_NEAR(sample(device, 0), 10 * table[n / 2 % 3], 0.51 * LSB);
  hwsim_device_free(device);
}

static void the_table_is_copied(void) {
  hwsim_device *device = open_device(URI);
  hwsim_signal signal = of(HWSIM_WAVEFORM_TABLE);
  double own[] = {0.5};
  CHECK_OK(hwsim_signal_set(device, 0, &signal, own, 1));
  own[0] = 7;
  CHECK_NEAR(sample(device, 0), 5, 0.51 * LSB);
  hwsim_device_free(device);
}

/* ----------------------------------------------------------------------------- the converter -- */

static void gain_offset_and_inl_bend_the_transfer(void) {
  hwsim_device *device = open_device(URI);
  for (double input = -30; input <= 30; input += 0.617) {
    hwsim_signal signal = of(HWSIM_WAVEFORM_DC);
    signal.offset_v = input;
    signal.gain_error = 0.01;
    signal.offset_error_v = -0.25;
    signal.inl_lsb = 20;
    CHECK_OK(hwsim_signal_set(device, 0, &signal, NULL, 0));
    double x = (input * 1.01 - 0.25) / 32.768;
    double code = 32768 * x + 20 * 2.598 * x * (1 - x * x);
    CHECK_NEAR(sample(device, 0), code * LSB, 0.51 * LSB);
  }
  hwsim_device_free(device);
}

static void the_largest_deviation_is_the_inl(void) {
  hwsim_device *device = open_device(URI);
  double largest = 0;
  for (double input = -32; input <= 32; input += 0.25) {
    hwsim_signal signal = of(HWSIM_WAVEFORM_DC);
    signal.offset_v = input;
    signal.inl_lsb = 100;
    CHECK_OK(hwsim_signal_set(device, 0, &signal, NULL, 0));
    largest = fmax(largest, fabs(sample(device, 0) - input));
  }
  CHECK_NEAR(largest, 100 * LSB, LSB);
  hwsim_device_free(device);
}

static void beyond_the_range_it_saturates(void) {
  hwsim_signal signal = of(HWSIM_WAVEFORM_SQUARE);
  signal.amplitude_v = 1e6;
  signal.phase_turns = 0.05;
  signal.inl_lsb = 1000;
  hwsim_device *device = connected(URI, signal);
  for (int n = 0; n < 10; n++)
    CHECK_NEAR(sample(device, 0), n < 5 ? 32.767 : -32.768, 1e-12);
  hwsim_device_free(device);
}

static void the_converter_must_be_enabled(void) {
  hwsim_device *device = open_device(URI);
  double volts;
  CHECK_OK(hwsim_register_write(device, HWSIM_REGISTER_CONTROL, 0, NULL));
  CHECK_FAILS(hwsim_signal_read(device, 0, NULL, &volts), HWSIM_ESTATE);
  CHECK_MESSAGE("CONTROL");
  CHECK_OK(hwsim_register_write(device, HWSIM_REGISTER_CONTROL, 1, NULL));
  sample(device, 0);
  hwsim_device_free(device);
}

/* ------------------------------------------------------------------------- which sample is n -- */

static void a_new_signal_starts_at_its_sample_zero(void) {
  hwsim_signal signal = of(HWSIM_WAVEFORM_TRIANGLE);
  hwsim_device *device = connected(URI, signal);
  CHECK_NEAR(sample(device, 0), 0, 0.51 * LSB);
  CHECK_NEAR(sample(device, 0), 4, 0.51 * LSB);
  CHECK_OK(hwsim_signal_set(device, 0, &signal, NULL, 0));
  CHECK_NEAR(sample(device, 0), 0, 0.51 * LSB);
  hwsim_device_free(device);
}

static void a_failed_conversion_takes_no_sample(void) {
  hwsim_signal signal = of(HWSIM_WAVEFORM_TRIANGLE);
  hwsim_device *device = connected("hwsim://d?clock=virtual&range=32768mV&fault=crc@2", signal);
  const hwsim_call brief = {1, NULL, NULL};
  double volts;
  CHECK_NEAR(sample(device, 0), 0, 0.51 * LSB);
  CHECK_FAILS(hwsim_signal_read(device, 0, NULL, &volts), HWSIM_ECRC);
  CHECK_FAILS(hwsim_signal_read(device, 0, &brief, &volts), HWSIM_ETIMEOUT);
  CHECK_NEAR(sample(device, 0), 4, 0.51 * LSB);
  hwsim_device_free(device);
}

static void a_pending_conversion_measures_what_is_connected_at_its_end(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&range=32768mV");
  hwsim_signal signal = of(HWSIM_WAVEFORM_DC);
  operation before = {.device = device, .run = run_convert}, after = before;
  signal.offset_v = 1;
  CHECK_OK(hwsim_signal_set(device, 0, &signal, NULL, 0));
  operation_start(&before);
  operation_start(&after);
  advance(device, MS);
  signal.offset_v = 2;
  CHECK_OK(hwsim_signal_set(device, 0, &signal, NULL, 0));
  advance(device, MS);
  CHECK_EQUAL(operation_join(&before), HWSIM_OK);
  CHECK_EQUAL(operation_join(&after), HWSIM_OK);
  CHECK_NEAR(before.volts, 1, 0.51 * LSB);
  CHECK_NEAR(after.volts, 2, 0.51 * LSB);
  hwsim_device_free(device);
}

/* ------------------------------------------------------------------------------------ errors -- */

static void check_refused(hwsim_device *device, hwsim_signal signal, const char *field) {
  CHECK_FAILS(hwsim_signal_set(device, 0, &signal, NULL, 0), HWSIM_EINVALID);
  CHECK_MESSAGE(field);
}

static void a_wrong_field_is_named(void) {
  hwsim_device *device = open_device(URI);
#define WITH(field, wrong) (hwsim_signal){.range_v = 1, .field = wrong}
  check_refused(device, WITH(waveform, (hwsim_waveform)6), "waveform");
  check_refused(device, WITH(waveform, (hwsim_waveform)-1), "waveform");
  check_refused(device, WITH(amplitude_v, NAN), "amplitude");
  check_refused(device, WITH(offset_v, INFINITY), "offset");
  check_refused(device, WITH(frequency_hz, 500.0001), "frequency");
  check_refused(device, WITH(frequency_hz, -1), "frequency");
  check_refused(device, WITH(phase_turns, 1e7), "phase");
  check_refused(device, WITH(noise_v, -1e-9), "noise");
  check_refused(device, WITH(gain_error, 0.6), "gain_error");
  check_refused(device, WITH(offset_error_v, -2e6), "offset_error");
  check_refused(device, WITH(inl_lsb, 1001), "inl");
  check_refused(device, (hwsim_signal){.range_v = 0}, "range");
  hwsim_device_free(device);
}

static void a_table_must_fit_its_waveform(void) {
  hwsim_device *device = open_device(URI);
  hwsim_signal wanted = of(HWSIM_WAVEFORM_TABLE), unwanted = of(HWSIM_WAVEFORM_SINE);
  const double bad[] = {0, NAN};
  CHECK_FAILS(hwsim_signal_set(device, 0, &wanted, NULL, 0), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_signal_set(device, 0, &wanted, bad, 0), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_signal_set(device, 0, &unwanted, table, 3), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_signal_set(device, 0, &wanted, bad, 2), HWSIM_EINVALID);
  CHECK_MESSAGE("index 1");
  const double bad_rates[] = {NAN, -1, 0.999e-6, 1.001e11};
  for (size_t i = 0; i < LENGTH(bad_rates); i++) {
    wanted.rate_hz = bad_rates[i];
    CHECK_FAILS(hwsim_signal_set(device, 0, &wanted, table, 3), HWSIM_EINVALID);
    CHECK_MESSAGE("rate must be from 1e-06 to 1e+11 Hz");
  }
  unwanted.rate_hz = 1;
  CHECK_FAILS(hwsim_signal_set(device, 0, &unwanted, NULL, 0), HWSIM_EINVALID);
  CHECK_MESSAGE("a rate needs the waveform table");
  hwsim_device_free(device);
}

static void a_channel_that_is_not_there_is_refused(void) {
  hwsim_device *device = open_device("hwsim://d?channels=2&clock=virtual");
  hwsim_signal signal = of(HWSIM_WAVEFORM_DC);
  size_t length;
  double volts;
  CHECK_FAILS(hwsim_signal_default(device, 2, &signal), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_signal_set(device, 2, &signal, NULL, 0), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_signal_get(device, 2, &signal, &length), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_signal_read(device, 2, NULL, &volts), HWSIM_EINVALID);
  CHECK_MESSAGE("from 0 to 1, got 2");
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(the_default_is_a_sine_per_channel),
    TEST(a_sine_is_libms_within_half_a_code),
    TEST(a_square_is_high_first),
    TEST(a_triangle_rises_from_zero),
    TEST(dc_is_its_offset),
    TEST(a_table_repeats_or_stays_at_its_end),
    TEST(a_table_has_a_rate_of_its_own),
    TEST(a_table_without_a_rate_has_the_devices),
    TEST(the_table_is_copied),
    TEST(gain_offset_and_inl_bend_the_transfer),
    TEST(the_largest_deviation_is_the_inl),
    TEST(beyond_the_range_it_saturates),
    TEST(the_converter_must_be_enabled),
    TEST(a_new_signal_starts_at_its_sample_zero),
    TEST(a_failed_conversion_takes_no_sample),
    TEST(a_pending_conversion_measures_what_is_connected_at_its_end),
    TEST(a_wrong_field_is_named),
    TEST(a_table_must_fit_its_waveform),
    TEST(a_channel_that_is_not_there_is_refused),
};
CHECK_MAIN(tests)
