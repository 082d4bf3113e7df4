/* Noise: Gaussian enough, of the wanted strength, and its own for each seed, channel and sample. */
#include "check.h"

enum { SAMPLES = 40000 };

static double noise_of_channel[4][SAMPLES];

/* Noise of 1 V on all channels of a device with this seed. */
static void record_noise(const char *seed) {
  char uri[128];
  snprintf(uri, sizeof uri, "hwsim://d?clock=virtual&latency=0s&seed=%s", seed);
  hwsim_device *device = open_device(uri);
  const hwsim_signal signal = {.waveform = HWSIM_WAVEFORM_DC, .noise_v = 1, .range_v = 10};
  for (uint32_t channel = 0; channel < 4; channel++) {
    CHECK_OK(hwsim_signal_set(device, channel, &signal, NULL, 0));
    for (int n = 0; n < SAMPLES; n++)
      CHECK_OK(hwsim_signal_read(device, channel, NULL, &noise_of_channel[channel][n]));
  }
  hwsim_device_free(device);
}

static double mean_product(const double *a, const double *b, int count) {
  double sum = 0;
  for (int n = 0; n < count; n++)
    sum += a[n] * b[n];
  return sum / count;
}

static void noise_has_its_rms_and_no_mean(void) {
  static double ones[SAMPLES];
  for (int n = 0; n < SAMPLES; n++)
    ones[n] = 1;
  record_noise("5");
  for (int channel = 0; channel < 4; channel++) {
    const double *noise = noise_of_channel[channel];
    CHECK_NEAR(mean_product(noise, ones, SAMPLES), 0, 0.02);
    CHECK_NEAR(sqrt(mean_product(noise, noise, SAMPLES)), 1, 0.02);
    for (int n = 0; n < SAMPLES; n++)
      CHECK_NEAR(noise[n], 0, 3.47);
  }
}

static void channels_are_uncorrelated(void) {
  record_noise("5");
  for (int a = 0; a < 4; a++)
    for (int b = 0; b < a; b++)
      CHECK_NEAR(mean_product(noise_of_channel[a], noise_of_channel[b], SAMPLES), 0, 0.02);
}

static void samples_are_uncorrelated(void) {
  record_noise("5");
  for (int lag = 1; lag <= 64; lag++)
    CHECK_NEAR(mean_product(noise_of_channel[0], noise_of_channel[0] + lag, SAMPLES - lag), 0,
               0.025);
}

static void the_seed_makes_the_noise(void) {
  static double first[SAMPLES];
  record_noise("5");
  memcpy(first, noise_of_channel[0], sizeof first);
  record_noise("5");
  CHECK(memcmp(first, noise_of_channel[0], sizeof first) == 0);
  record_noise("6");
  CHECK_NEAR(mean_product(first, noise_of_channel[0], SAMPLES), 0, 0.02);
}

static const test tests[] = {
    TEST(noise_has_its_rms_and_no_mean),
    TEST(channels_are_uncorrelated),
    TEST(samples_are_uncorrelated),
    TEST(the_seed_makes_the_noise),
};
CHECK_MAIN(tests)
