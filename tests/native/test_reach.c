/* Reach: whatever is computed of the samples on one side of a level holds for the samples
 * themselves, and the search skips none of them. */
#include "check.h"

#include "base/random.h"
#include "converter/reach.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

static uint64_t draw(void) { return random_bits(1, 2, state++); }
static double between(double low, double high) { return low + (high - low) * random_unit(draw()); }

/* Signals of every shape, most of them within the range, some far beyond it. */
static signal_source any_source(const float *table, size_t length) {
  static const double frequencies[] = {0, 0.25, 0.5, 0.125, 1. / 3, 1e-3, 1e-7, 0.4999};
  static const double table_rates[] = {1, 1, 0.25, 0.1, 1. / 3, 2, 2.5, 37};
  double range = pow(10, between(-3, 3)), size = draw() % 8 ? 1 : between(1, 1000);
  signal_source self = {.config = {.waveform = (hwsim_waveform)(draw() % 6),
                                   .amplitude_v = range * size * between(-1.2, 1.2),
                                   .offset_v = range * size * between(-0.5, 0.5),
                                   .frequency_hz = draw() % 2 ? frequencies[draw() % 8]
                                                              : pow(10, between(-6, -0.302)),
                                   .phase_turns = draw() % 2 ? between(-2, 2) : 0.25,
                                   .noise_v = draw() % 2 ? 0 : range * pow(10, between(-6, 0)),
                                   .gain_error = between(-0.5, 0.5),
                                   .offset_error_v = range * between(-0.2, 0.2),
                                   .inl_lsb = draw() % 2 ? between(-1000, 1000) : 0,
                                   .range_v = range}};
  if (draw() % 16 == 0)
    self.config.amplitude_v = 0;
  if (self.config.waveform >= HWSIM_WAVEFORM_TABLE) {
    self.table = (float *)table;
    self.table_length = length;
    self.table_lowest = -1;
    self.table_highest = 1;
    self.config.rate_hz = draw() % 2 ? table_rates[draw() % 8] : pow(10, between(-3, 2));
  }
  return self;
}

/* A converter's correction that is no monotone function of the code. */
static correction *any_correction(void) {
  static double transition[HWSIM_CODES];
  for (size_t k = 0; k < HWSIM_CODES; k++)
    transition[k] = (double)k - 32768.5 + 300 * sin((double)k / 90) + between(-20, 20);
  return correction_new(transition);
}

/* A level of which one of the samples is just on the one side or the other, or any. */
static double any_level(const signal_plan *plan, const int16_t *codes, size_t count) {
  double volts_per_code = signal_volts_per_code(plan->source);
  if (draw() % 4 == 0)
    return between(-1.1, 1.1) * plan->source->config.range_v;
  return (codes[draw() % count] + (int)(draw() % 3) - 1) * volts_per_code;
}

static void nothing_on_the_wanted_side_is_skipped(void) {
  enum { COUNT = 4000, LENGTH = 37 };
  static int16_t codes[COUNT];
  float table[LENGTH];
  size_t hits = 0, skipped = 0, in_vain = 0;
  correction *corrected = any_correction();
  for (size_t i = 0; i < LENGTH; i++)
    table[i] = (float)between(-1, 1);
  for (int round = 0; round < 4000; round++) {
    signal_source source = any_source(table, LENGTH);
    signal_plan plan = signal_plan_for(&source, (uint64_t)round, 3, 1);
    plan.correction = draw() % 8 ? NULL : corrected;
    uint64_t start = draw() % 3 ? 0 : draw() >> 20;
    signal_codes(&plan, start, COUNT, codes);
    double level_v = any_level(&plan, codes, COUNT);
    bool above = draw() % 2;
    reach self = reach_of(&plan, level_v, above);
    for (uint64_t i = 0; i < COUNT; i++) {
      uint64_t next = reach_next(&self, &plan, start + i);
      CHECK(next >= start + i);
      for (; i < COUNT && start + i < next; i++, skipped++)
        CHECK((codes[i] * signal_volts_per_code(&source) >= level_v) != above);
      bool hit = i < COUNT && (codes[i] * signal_volts_per_code(&source) >= level_v) == above;
      bool exact = !source.table && !plan.correction && !(source.config.noise_v > 0);
      hits += hit;
      in_vain += i < COUNT && !hit && exact;
    }
    for (uint64_t i = 0, change; i < COUNT; i = change - start) {
      change = signal_next_change(&plan, start + i);
      CHECK(change > start + i);
      for (uint64_t j = i + 1; j < COUNT && start + j < change; j++)
        CHECK_EQUAL(codes[j], codes[i]);
      if (change - start >= COUNT)
        break;
    }
    uint64_t period = signal_period(&plan, start);
    static bool seen[HWSIM_CODES];
    memset(seen, 0, sizeof seen);
    for (uint64_t i = 0; i < COUNT; i++) {
      if (i < period)
        seen[codes[i] - INT16_MIN] = true;
      CHECK(seen[codes[i] - INT16_MIN]);
    }
  }
  correction_release(corrected);
  CHECK(hits > 1000000);
  CHECK(skipped > 4000000);
  CHECK(in_vain < hits / 50);
}

/* However far away; by the sample before it and by its own. */
static void the_next_one_is_found_far_away(void) {
  for (int round = 0; round < 20000; round++) {
    signal_source source = {.config = {.waveform = HWSIM_WAVEFORM_SINE,
                                       .amplitude_v = 1,
                                       .frequency_hz = pow(10, between(-12, -0.31)),
                                       .range_v = 10}};
    signal_plan plan = signal_plan_for(&source, 0, 0, 1);
    double level_v = between(-0.99, 0.99);
    reach self = reach_of(&plan, level_v, true);
    uint64_t start = draw() >> 8, next = reach_next(&self, &plan, start);
    CHECK(next != NO_SAMPLE);
    uint64_t period = (uint64_t)(1 / source.config.frequency_hz) + 2;
    if (source.config.frequency_hz < 0.01) { /* it takes no round without a sample there */
      CHECK(next - start <= period);
      int16_t codes[2];
      signal_codes(&plan, next ? next - 1 : 0, 2, codes);
      double volts_per_code = signal_volts_per_code(&source);
      CHECK(next == start || codes[0] * volts_per_code < level_v);
    }
  }
}

static void what_no_sample_comes_to_is_never(void) {
  signal_source source = {
      .config = {.waveform = HWSIM_WAVEFORM_SINE, .amplitude_v = 1, .range_v = 10}};
  source.config.frequency_hz = 0.25; /* its samples are 0, 1, 0, -1 */
  signal_plan plan = signal_plan_for(&source, 0, 0, 1);
  for (int above = 0; above < 2; above++) {
    reach beyond = reach_of(&plan, above ? 1.01 : -1.01, above);
    CHECK_EQUAL(reach_next(&beyond, &plan, 0), NO_SAMPLE);
    reach within = reach_of(&plan, above ? 0.5 : -0.5, above);
    CHECK_EQUAL(reach_next(&within, &plan, 4), above ? 5 : 7);
  }
  source.config.frequency_hz = 0.5; /* always 0, but for the sign of nothing */
  plan = signal_plan_for(&source, 0, 0, 1);
  reach half = reach_of(&plan, 0.5, true);
  CHECK_EQUAL(reach_next(&half, &plan, 3), NO_SAMPLE);
  source.config.noise_v = 0.001; /* which never is as large as 4 times its RMS */
  reach noisy = reach_of(&plan, 1.004, true);
  CHECK_EQUAL(reach_next(&noisy, &plan, 0), NO_SAMPLE);
}

static const test tests[] = {
    TEST(nothing_on_the_wanted_side_is_skipped),
    TEST(the_next_one_is_found_far_away),
    TEST(what_no_sample_comes_to_is_never),
};
CHECK_MAIN(tests)
