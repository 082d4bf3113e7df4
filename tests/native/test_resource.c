/* Resource strings: what they set, and what the error says when they are wrong. */
#include "check.h"

#include <locale.h>

/* The configuration of a device opened with these settings. */
static hwsim_config config_of(const char *settings) {
  char uri[512];
  snprintf(uri, sizeof uri, "hwsim://d?%s", settings);
  hwsim_device *device = open_device(uri);
  hwsim_config config = *hwsim_device_config(device);
  hwsim_device_free(device);
  return config;
}

/* Opening fails with EINVALID, and the message contains all of these. */
static void check_refused(const char *uri, const char *part, const char *other_part) {
  hwsim_device *device = NULL;
  hwsim_error error = hwsim_device_open(uri, &device);
  if (error != HWSIM_EINVALID || device)
    check_failed(__FILE__, __LINE__, uri, hwsim_error_name(error));
  CHECK_TEXT(hwsim_error_last()->operation, "open");
  CHECK_MESSAGE(part);
  CHECK_MESSAGE(other_part);
}

static void without_settings_all_are_default(void) {
  hwsim_config config = config_of("");
  CHECK_TEXT(config.name, "d");
  CHECK_EQUAL(config.latency_ns, 1000000);
  CHECK_EQUAL(config.jitter_ns, 0);
  CHECK(isinf(config.bandwidth_bps));
  CHECK_EQUAL(config.channels, 4);
  CHECK_EQUAL(config.seed, 0);
  CHECK_EQUAL(config.clock, HWSIM_CLOCK_REAL);
  CHECK_EQUAL(config.timeout_ns, 1000000000);
  CHECK_NEAR(config.sample_rate_hz, 1000, 0);
  CHECK_NEAR(config.range_v, 10, 0);
  CHECK_NEAR(config.noise_v, 1e-3, 0);
}

static void every_key_sets_its_field(void) {
  hwsim_config config =
      config_of("latency=2ms&jitter=200us&bandwidth=12MB/s&channels=7&seed=0xFF&clock=10x&"
                "timeout=2.5s&rate=48kHz&range=2.5V&noise=300uV");
  CHECK_EQUAL(config.latency_ns, 2000000);
  CHECK_EQUAL(config.jitter_ns, 200000);
  CHECK_NEAR(config.bandwidth_bps, 12e6, 0);
  CHECK_EQUAL(config.channels, 7);
  CHECK_EQUAL(config.seed, 255);
  CHECK_EQUAL(config.clock, HWSIM_CLOCK_SCALED);
  CHECK_NEAR(config.clock_scale, 10, 0);
  CHECK_EQUAL(config.timeout_ns, 2500000000);
  CHECK_NEAR(config.sample_rate_hz, 48000, 0);
  CHECK_NEAR(config.range_v, 2.5, 0);
  CHECK_NEAR(config.noise_v, 300e-6, 1e-18);
}

static void every_unit_scales(void) {
  static const char *const times[] = {"7000000000ns", "7000000us", "7e3ms",
                                      "7s",           "7.000s",    "0.7e1s"};
  for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
    char settings[64];
    snprintf(settings, sizeof settings, "latency=%s", times[i]);
    CHECK_EQUAL(config_of(settings).latency_ns, 7000000000);
  }
  CHECK_NEAR(config_of("rate=250mHz").sample_rate_hz, 0.25, 0);
  CHECK_NEAR(config_of("rate=1GHz").sample_rate_hz, 1e9, 0);
  CHECK_NEAR(config_of("range=500mV").range_v, 0.5, 1e-15);
  CHECK_NEAR(config_of("bandwidth=1.5GB/s").bandwidth_bps, 1.5e9, 0);
  CHECK_NEAR(config_of("bandwidth=9B/s").bandwidth_bps, 9, 0);
}

static void inf_means_without_limit(void) {
  CHECK_EQUAL(config_of("timeout=inf").timeout_ns, HWSIM_TIMEOUT_NEVER);
  CHECK(isinf(config_of("bandwidth=inf").bandwidth_bps));
}

static void every_clock_has_its_name(void) {
  CHECK_EQUAL(config_of("clock=real").clock, HWSIM_CLOCK_REAL);
  CHECK_EQUAL(config_of("clock=virtual").clock, HWSIM_CLOCK_VIRTUAL);
  CHECK_EQUAL(config_of("clock=manual").clock, HWSIM_CLOCK_MANUAL);
  CHECK_EQUAL(config_of("clock=0.5x").clock, HWSIM_CLOCK_SCALED);
}

static void the_ends_of_a_range_are_allowed(void) {
  static const char *const allowed[] = {"latency=0s",
                                        "latency=3600s",
                                        "latency=1ms&jitter=1ms",
                                        "bandwidth=1B/s",
                                        "channels=1",
                                        "channels=64",
                                        "seed=18446744073709551615",
                                        "clock=0.001x",
                                        "clock=1000000x",
                                        "timeout=0s",
                                        "rate=1mHz",
                                        "range=1mV",
                                        "range=1000V",
                                        "noise=0V",
                                        "noise=1000V",
                                        "seed=0xffffffffffffffff"};
  for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
    config_of(allowed[i]);
}

static void a_bad_value_is_named_with_its_key(void) {
  static const char *const refused[][2] = {
      {"latency", "2"},      {"latency", "-1ms"},  {"latency", "3601s"},
      {"latency", ""},       {"latency", "ms"},    {"latency", "nans"},
      {"latency", "2 m s"},  {"latency", "2ms "},  {"latency", "0x10ms"},
      {"latency", "1.2.3s"}, {"latency", "2MS"},   {"latency", "1,5ms"},
      {"bandwidth", "0B/s"}, {"bandwidth", "12"},  {"channels", "0"},
      {"channels", "65"},    {"channels", "4.0"},  {"channels", "-4"},
      {"seed", "1.5"},       {"seed", "0x"},       {"seed", "-1"},
      {"clock", "vitual"},   {"clock", "0x"},      {"clock", "2e6x"},
      {"timeout", "-1s"},    {"timeout", "never"}, {"rate", "2GHz"},
      {"rate", "0Hz"},       {"range", "0V"},      {"range", "1001V"},
      {"noise", "-1mV"},     {"noise", "1001V"},   {"seed", "18446744073709551616"},
      {"latency", "1e 3ms"}, {"latency", "1e"},    {"noise", "infV"}};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    char uri[128], quoted[64];
    snprintf(uri, sizeof uri, "hwsim://d?%s=%s", refused[i][0], refused[i][1]);
    snprintf(quoted, sizeof quoted, "'%s'", refused[i][1]);
    check_refused(uri, refused[i][0], quoted);
  }
}

static void an_unknown_key_is_named_with_the_nearest(void) {
  static const char *const typos[][2] = {
      {"latncy", "latency"},   {"jiter", "jitter"}, {"bandwith", "bandwidth"},
      {"chanels", "channels"}, {"sed", "seed"},     {"clok", "clock"},
      {"timout", "timeout"},   {"Rate", "rate"},    {"ranges", "range"},
      {"nois", "noise"},       {"faults", "fault"}};
  for (size_t i = 0; i < sizeof typos / sizeof *typos; i++) {
    char uri[64], advice[64];
    snprintf(uri, sizeof uri, "hwsim://d?%s=12", typos[i][0]);
    snprintf(advice, sizeof advice, "'%s' (value '12'); the nearest is %s", typos[i][0],
             typos[i][1]);
    check_refused(uri, advice, "unknown key");
  }
}

static void nothing_near_gives_no_advice(void) {
  check_refused("hwsim://d?wavelength=5nm", "wavelength", "5nm");
  CHECK(!strstr(hwsim_error_last()->message, "nearest"));
}

static void a_key_twice_is_refused(void) {
  check_refused("hwsim://d?seed=1&seed=1", "seed", "twice");
}

static void a_setting_without_value_is_refused(void) {
  check_refused("hwsim://d?seed", "seed", "key=value");
}

static void jitter_above_the_latency_is_refused(void) {
  check_refused("hwsim://d?latency=1ms&jitter=2ms", "jitter", "0.002");
  check_refused("hwsim://d?jitter=2ms&latency=1ms", "latency", "0.001");
}

static void the_scheme_is_needed(void) {
  check_refused("daq0", "hwsim://", "daq0");
  check_refused("", "hwsim://", "''");
  check_refused(NULL, "hwsim://", "''");
}

static void a_name_is_needed_and_checked(void) {
  char longest[80] = "hwsim://";
  memset(longest + strlen(longest), 'n', 63);
  hwsim_device_free(open_device(longest));
  strcat(longest, "n");
  check_refused(longest, "name", "nnnn");
  check_refused("hwsim://", "name", "''");
  check_refused("hwsim://?seed=1", "name", "''");
  check_refused("hwsim://a/b", "name", "'a/b'");
  hwsim_device_free(open_device("hwsim://A-z_0.9"));
}

static void faults_may_be_repeated(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=bus@1&fault=crc@2");
  uint64_t value;
  CHECK_FAILS(hwsim_register_read(device, 0, NULL, &value), HWSIM_EBUS);
  CHECK_FAILS(hwsim_register_read(device, 0, NULL, &value), HWSIM_ECRC);
  CHECK_OK(hwsim_register_read(device, 0, NULL, &value));
  hwsim_device_free(device);
}

static void a_bad_fault_is_named_with_its_value(void) {
  static const char *const refused[] = {
      "crc@0",   "crc@",    "crc*0",   "crc~2",     "crc~",         "crc~-0.1",
      "crc@1@2", "crc*3@1", "crc:1ms", "spike:1",   "spike:3601s",  "stuck:0x40",
      "stuck:=", "crc~nan", "crc@-1",  "spike:-1s", "stuck:0x40/1", "stuck:64/zz=1"};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    char uri[64], quoted[64];
    snprintf(uri, sizeof uri, "hwsim://d?fault=%s", refused[i]);
    snprintf(quoted, sizeof quoted, "'%s'", refused[i]);
    check_refused(uri, "fault", quoted);
  }
}

static void an_unknown_fault_is_named_with_the_nearest(void) {
  check_refused("hwsim://d?fault=tiemout@100", "'tiemout", "timeout");
  CHECK_TEXT(hwsim_error_last()->device, "d");
}

static void stuck_bits_need_a_readable_register(void) {
  check_refused("hwsim://d?fault=stuck:0x99/1=1", "fault", "0x99");
  check_refused("hwsim://d?fault=stuck:0x20/1=1", "fault", "0x20");
}

static void the_locale_does_not_matter(void) {
  if (!setlocale(LC_ALL, "de_DE.UTF-8"))
    puts("  skipped: no locale with a decimal comma");
  CHECK_EQUAL(config_of("latency=1.5ms").latency_ns, 1500000);
  setlocale(LC_ALL, "C");
}

static const test tests[] = {
    TEST(without_settings_all_are_default),
    TEST(every_key_sets_its_field),
    TEST(every_unit_scales),
    TEST(inf_means_without_limit),
    TEST(every_clock_has_its_name),
    TEST(the_ends_of_a_range_are_allowed),
    TEST(a_bad_value_is_named_with_its_key),
    TEST(an_unknown_key_is_named_with_the_nearest),
    TEST(nothing_near_gives_no_advice),
    TEST(a_key_twice_is_refused),
    TEST(a_setting_without_value_is_refused),
    TEST(jitter_above_the_latency_is_refused),
    TEST(the_scheme_is_needed),
    TEST(a_name_is_needed_and_checked),
    TEST(faults_may_be_repeated),
    TEST(a_bad_fault_is_named_with_its_value),
    TEST(an_unknown_fault_is_named_with_the_nearest),
    TEST(stuck_bits_need_a_readable_register),
    TEST(the_locale_does_not_matter),
};
CHECK_MAIN(tests)
