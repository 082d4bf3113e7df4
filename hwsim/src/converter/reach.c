/* Reach: which samples of a signal may be above a level, or below it.
 *
 * A code grows with the waveform's value, so the samples on one side of a level are those whose
 * phase lies on an arc of the period. The arc is computed in double precision and made wider by
 * more than the error of a sample in single precision: whoever looks at a sample there decides.
 * Which sample comes to an arc next is a question about multiples in a ring, with the answer of
 * Euclid's algorithm. */
#include "converter/reach.h"

#include "base/rate.h"

#include <math.h>

#define PI 3.14159265358979323846
#define MOST_NOISE 3.4642  /* times its RMS: the most that four uniform numbers sum up to */
#define PRECISION 2e-6     /* relative: several roundings of a float, and the sine's polynomial */
#define ARC_PRECISION 4e-9 /* turns: those of phases */

/* ------------------------------------------------------------------- from a level to an arc -- */

static int place_of(bool above, int i) { return above ? INT16_MIN + i : INT16_MAX - i; }

static bool is_wanted(const signal_plan *plan, double level_v, bool above, int i) {
  int16_t code = (int16_t)place_of(above, i);
  correction_apply(plan->correction, 1, &code);
  return (code * signal_volts_per_code(plan->source) >= level_v) == above;
}

/* The lowest code that reads as the level or more, or the highest that reads as less. False: none.
 */
static bool find_code(const signal_plan *plan, double level_v, bool above, int *code_out) {
  int first = 0, end = HWSIM_CODES; /* counted from the far end */
  if (plan->correction) {           /* which need not rise everywhere */
    while (first < end && !is_wanted(plan, level_v, above, first))
      first++;
  } else {
    while (first < end) {
      int middle = (first + end) / 2;
      bool wanted = is_wanted(plan, level_v, above, middle);
      end = wanted ? middle : end;
      first = wanted ? first : middle + 1;
    }
  }
  *code_out = place_of(above, first);
  return first < HWSIM_CODES;
}

/* What the converter is to be given, relative to its range, to come to `code` before rounding: the
 * inverse of 32768 x + inl 2.598 x (1 - x^2), which rises everywhere. */
static double uncurve(const hwsim_signal *config, double code) {
  double low = -2, high = 2;
  for (int i = 0; i < 60; i++) {
    double x = (low + high) / 2, inside = fmin(fmax(x, -1), 1);
    double y = 32768 * x + 2.598076 * config->inl_lsb * inside * (1 - inside * inside);
    *(y < code ? &low : &high) = x;
  }
  return (low + high) / 2;
}

static reach arc(double from_turns, double to_turns) {
  double width = to_turns - from_turns + 2 * ARC_PRECISION, from = from_turns - ARC_PRECISION;
  if (width >= 1)
    return (reach){.where = EVERYWHERE};
  return (reach){.where = ARC,
                 .from = (uint64_t)ldexp(from - floor(from), 64),
                 .width = (uint64_t)ldexp(width, 64)};
}

/* Where the waveform is at least `wave`, or at most. */
static reach where_wave_is(const signal_source *source, double wave, bool at_least) {
  double lowest = -1, highest = 1, quarter = 0;
  switch (source->config.waveform) {
  case HWSIM_WAVEFORM_DC: lowest = highest = 0; break;
  case HWSIM_WAVEFORM_TABLE:
  case HWSIM_WAVEFORM_TABLE_ONCE:
    lowest = source->table_lowest;
    highest = source->table_highest;
    break;
  default: break;
  }
  if (at_least ? wave > highest : wave < lowest)
    return (reach){.where = NOWHERE};
  if (at_least ? wave <= lowest : wave >= highest)
    return (reach){.where = EVERYWHERE};
  switch (source->config.waveform) {
  case HWSIM_WAVEFORM_SINE: quarter = asin(wave) / (2 * PI); break;
  case HWSIM_WAVEFORM_TRIANGLE: quarter = wave / 4; break;
  case HWSIM_WAVEFORM_SQUARE: break;
  default: return (reach){.where = EVERYWHERE}; /* a table is looked at */
  }
  return at_least ? arc(quarter, 0.5 - quarter) : arc(0.5 - quarter, 1 + quarter);
}

reach reach_of(const signal_plan *plan, double level_v, bool above) {
  const hwsim_signal *config = &plan->source->config;
  int code, saturated = above ? INT16_MIN : INT16_MAX;
  if (!find_code(plan, level_v, above, &code))
    return (reach){.where = NOWHERE};
  if (code == saturated)
    return (reach){.where = EVERYWHERE};
  double gain = (1 + config->gain_error) / config->range_v;
  double bias = config->offset_error_v / config->range_v;
  double input = (uncurve(config, code + (above ? -0.5 : 0.5)) - bias) / gain - config->offset_v;
  bool driven = config->waveform == HWSIM_WAVEFORM_OUTPUT;
  double wave_v = driven ? fabs(input) : fabs(config->amplitude_v);
  double size = wave_v + fabs(config->offset_v) + 4 * config->noise_v;
  double margin = MOST_NOISE * config->noise_v + PRECISION * (size + (1 + fabs(bias)) / gain);
  input += above ? -margin : margin;
  if (driven)
    return (reach){.where = BEYOND, .level_v = input, .above = above};
  double amplitude = config->amplitude_v;
  if (amplitude < 0 || amplitude > 0)
    return where_wave_is(plan->source, input / amplitude, above == (amplitude > 0));
  return (reach){.where = (above ? input <= 0 : input >= 0) ? EVERYWHERE : NOWHERE};
}

/* -------------------------------------------------------------------------- the next sample -- */

/* The smallest k with low <= k * step modulo `ring` <= high, where 0 < low <= high < ring and
 * step < ring; false: there is none. If no multiple of the step is in the first round, the rounds
 * are multiples of the ring that have to come to the same place modulo the step. */
static bool first_multiple(wide step, wide ring, wide low, wide high, wide *k_out) {
  if (!step)
    return false;
  wide rounds;
  *k_out = (low + step - 1) / step;
  if (*k_out * step <= high)
    return true;
  if (!first_multiple(ring % step, step, step - high % step, step - low % step, &rounds))
    return false;
  *k_out = (low + ring * rounds + step - 1) / step;
  return true;
}

uint64_t reach_next(const reach *self, const signal_plan *plan, uint64_t n) {
  if (self->where == BEYOND)
    return sampled_next(&plan->driven, n, self->level_v, self->above);
  if (self->where != ARC)
    return self->where == NOWHERE ? NO_SAMPLE : n;
  uint64_t here = plan->phase + n * plan->phase_step - self->from;
  if (here <= self->width)
    return n;
  wide low = UINT64_MAX - here + (wide)1, k;
  if (!first_multiple(plan->phase_step, (wide)1 << 64, low, low + self->width, &k))
    return NO_SAMPLE;
  return k < NO_SAMPLE - n ? n + (uint64_t)k : NO_SAMPLE;
}

/* The first sample at which a place of the table has come, or a later one. */
static uint64_t first_at(const signal_plan *plan, wide place) {
  wide whole = plan->whole, parts = plan->parts, step = whole * parts + plan->rest;
  wide n = place / step * parts; /* in two steps, for the product may have more than 128 bits */
  n += (place % step * parts + step - 1) / step;
  return n < NO_SAMPLE ? (uint64_t)n : NO_SAMPLE;
}

/* How many samples from n on have seen all of the table that they ever see. */
static uint64_t table_period(const signal_plan *plan, uint64_t n) {
  wide length = plan->source->table_length, parts = plan->parts;
  if (!plan->whole || (plan->whole == 1 && !plan->rest)) { /* none is left out */
    uint64_t end = first_at(plan, signal_place(plan, n) + length);
    return end < NO_SAMPLE ? end - n : NO_SAMPLE;
  }
  wide round = length * parts, step = plan->whole * parts + plan->rest;
  wide samples = round / greatest_common_divisor(step, round);
  return samples < NO_SAMPLE ? (uint64_t)samples : NO_SAMPLE;
}

uint64_t signal_period(const signal_plan *plan, uint64_t n) {
  const hwsim_signal *config = &plan->source->config;
  uint64_t step = plan->phase_step, end;
  if (config->noise_v > 0)
    return NO_SAMPLE;
  switch (config->waveform) {
  case HWSIM_WAVEFORM_TABLE: return table_period(plan, n);
  case HWSIM_WAVEFORM_TABLE_ONCE:
    end = first_at(plan, plan->source->table_length - 1);
    return n >= end ? 1 : end < NO_SAMPLE ? end - n + 1 : NO_SAMPLE;
  case HWSIM_WAVEFORM_DC: return 1;
  case HWSIM_WAVEFORM_OUTPUT: return NO_SAMPLE;
  default: break;
  }
  if (!step)
    return 1;
  uint64_t samples = UINT64_MAX / (step & -step); /* 2^64 / the step's power of two, less 1 */
  return samples < NO_SAMPLE ? samples + 1 : NO_SAMPLE;
}

uint64_t signal_next_change(const signal_plan *plan, uint64_t n) {
  const hwsim_signal *config = &plan->source->config;
  if (config->noise_v > 0)
    return n + 1;
  switch (config->waveform) {
  case HWSIM_WAVEFORM_DC: return NO_SAMPLE;
  case HWSIM_WAVEFORM_TABLE_ONCE:
    if (signal_place(plan, n) + 1 >= plan->source->table_length)
      return NO_SAMPLE;
    return first_at(plan, signal_place(plan, n) + 1);
  case HWSIM_WAVEFORM_TABLE: return first_at(plan, signal_place(plan, n) + 1);
  case HWSIM_WAVEFORM_OUTPUT: return n + 1;
  default: break;
  }
  if (!plan->phase_step)
    return NO_SAMPLE;
  /* Samples are computed from the upper half of the phase. */
  uint64_t phase = plan->phase + n * plan->phase_step;
  return n + 1 + (UINT32_MAX - (uint32_t)phase) / plan->phase_step;
}
