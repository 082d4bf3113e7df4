/* Samples: what a converter measures of a signal.
 *
 * Sample n is a function of (seed, channel, n), computed in 32-bit integers and floats without
 * contraction, so that every compiler, vector width and split of a block gives the same. */
#include "converter/samples.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

/* Compiled once more for wider vectors, chosen when the program is loaded. Sanitizers cannot work
 * with such functions. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) &&                 \
    !defined(__SANITIZE_THREAD__)
#define VECTORISED __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define VECTORISED
#endif
#define INLINE static inline __attribute__((always_inline))

/* sin(pi q / 2^31) for |q| <= 2^30: a minimax polynomial, 2e-7 off at most. */
INLINE float sine_of(int32_t q) {
  float x = (float)q * 0x1p-31f, z = x * x;
  float p = 0.07722013f;
  p = p * z - 0.5980452f;
  p = p * z + 2.5500314f;
  p = p * z - 5.167707f;
  p = p * z + 3.1415926f;
  return p * x;
}

/* Maps the circle onto its rising half, where sine and triangle are what they are on the other. */
INLINE int32_t fold(uint32_t turn) {
  uint32_t quarter = UINT32_C(1) << 30;
  return (int32_t)(turn + quarter < 2 * quarter ? turn : 2 * quarter - turn);
}

INLINE uint32_t scramble(uint32_t x, uint32_t key) {
  /* Wellons' lowbias32 (Hash Prospector, 2018), with a key added half-way. */
  x = (x ^ (x >> 16)) * UINT32_C(0x7FEB352D) + key;
  x = (x ^ (x >> 15)) * UINT32_C(0x846CA68B);
  return x ^ (x >> 16);
}

/* Unit variance, mean 0: the sum of four uniform 16-bit numbers (Irwin-Hall). */
INLINE float noise_of(uint32_t n, uint32_t key, uint32_t other_key) {
  uint32_t a = scramble(n ^ key, other_key), b = scramble(n ^ other_key, key);
  int32_t sum = (int32_t)((a & 0xFFFF) + (a >> 16) + (b & 0xFFFF) + (b >> 16));
  return (float)(sum - 2 * 0xFFFF) * (1 / 37837.2f); /* sqrt(4 (2^32 - 1) / 12) */
}

/* What a loop over consecutive samples needs; n does not cross a multiple of 2^32 in it. */
typedef struct span {
  uint64_t phase, phase_step; /* in 2^-64 turns, at the first sample */
  uint32_t n, key, other_key; /* of the noise */
  float amplitude, offset, noise, gain, bias, bend;
  float level;        /* CONSTANT: what the waveform is */
  const float *table; /* TABLE: at the first sample */
} span;
#define MOST_AT_ONCE (UINT32_C(1) << 30)
enum shape { CONSTANT, SINE, SQUARE, TRIANGLE, TABLE };

/* `shape`, `noisy` and `bent` are constants where this is inlined. */
INLINE void convert(const span *at, uint32_t count, int16_t *codes_out, enum shape shape,
                    bool noisy, bool bent) {
  uint32_t step_low = (uint32_t)at->phase_step, step_high = (uint32_t)(at->phase_step >> 32);
  uint64_t low = (uint32_t)at->phase;
  uint32_t high = (uint32_t)(at->phase >> 32);
  for (uint32_t i = 0; i < count; i++) {
    /* The upper half of phase + i * phase_step, in products of 32 bits. */
    uint32_t turn = high + i * step_high + (uint32_t)((low + (uint64_t)i * step_low) >> 32);
    float wave = shape == SINE       ? sine_of(fold(turn))
                 : shape == SQUARE   ? (turn >> 31 ? -1.0f : 1.0f)
                 : shape == TRIANGLE ? (float)fold(turn) * 0x1p-30f
                 : shape == TABLE    ? at->table[i]
                                     : at->level;
    float input = at->amplitude * wave + at->offset;
    if (noisy)
      input += at->noise * noise_of(at->n + i, at->key, at->other_key);
    float x = input * at->gain + at->bias, code = 32768 * x;
    if (bent) {
      float inside = x < -1 ? -1 : x > 1 ? 1 : x;
      code += at->bend * inside * (1 - inside * inside);
    }
    code = code < -32768 ? -32768 : code > 32767 ? 32767 : code;
    codes_out[i] = (int16_t)(int32_t)rintf(code);
  }
}

INLINE void convert_as(const span *at, uint32_t count, int16_t *codes_out, enum shape shape) {
  bool noisy = at->noise > 0, bent = at->bend < 0 || at->bend > 0;
  if (noisy && bent)
    convert(at, count, codes_out, shape, true, true);
  else if (noisy)
    convert(at, count, codes_out, shape, true, false);
  else if (bent)
    convert(at, count, codes_out, shape, false, true);
  else
    convert(at, count, codes_out, shape, false, false);
}

VECTORISED static void convert_constant(const span *at, uint32_t count, int16_t *codes_out) {
  convert_as(at, count, codes_out, CONSTANT);
}
VECTORISED static void convert_sine(const span *at, uint32_t count, int16_t *codes_out) {
  convert_as(at, count, codes_out, SINE);
}
VECTORISED static void convert_square(const span *at, uint32_t count, int16_t *codes_out) {
  convert_as(at, count, codes_out, SQUARE);
}
VECTORISED static void convert_triangle(const span *at, uint32_t count, int16_t *codes_out) {
  convert_as(at, count, codes_out, TRIANGLE);
}
VECTORISED static void convert_table(const span *at, uint32_t count, int16_t *codes_out) {
  convert_as(at, count, codes_out, TABLE);
}

/* Fractions of a turn in 2^-64; exact, for ldexp only moves the exponent. */
static uint64_t to_phase(double turns) {
  double fraction = turns - floor(turns);
  return fraction < 1 ? (uint64_t)ldexp(fraction, 64) : 0;
}

signal_plan signal_plan_for(const signal_source *source, uint64_t seed, uint32_t channel,
                            double rate_hz) {
  const hwsim_signal *config = &source->config;
  signal_plan plan = {.source = source,
                      .seed = seed,
                      .channel = channel,
                      .phase = to_phase(config->phase_turns),
                      .phase_step = to_phase(config->frequency_hz / rate_hz)};
  if (source->table_length) {
    wide table_nhz = rate_from_hz(config->rate_hz);
    plan.parts = (uint64_t)rate_from_hz(rate_hz);
    plan.whole = (uint64_t)(table_nhz / plan.parts);
    plan.rest = (uint64_t)(table_nhz % plan.parts);
  }
  return plan;
}

wide signal_place(const signal_plan *plan, uint64_t n) {
  return (wide)n * plan->whole + (wide)n * plan->rest / plan->parts;
}

static span span_at(const signal_plan *plan, uint64_t n) {
  const hwsim_signal *config = &plan->source->config;
  uint64_t keys = random_bits(plan->seed, RANDOM_NOISE + ((uint64_t)plan->channel << 8), n >> 32);
  return (span){.phase = plan->phase + n * plan->phase_step,
                .phase_step = plan->phase_step,
                .n = (uint32_t)n,
                .key = (uint32_t)keys,
                .other_key = (uint32_t)(keys >> 32),
                .amplitude = (float)config->amplitude_v,
                .offset = (float)config->offset_v,
                .noise = (float)config->noise_v,
                .gain = (float)((1 + config->gain_error) / config->range_v),
                .bias = (float)(config->offset_error_v / config->range_v),
                .bend = (float)(2.598076 * config->inl_lsb)};
}

/* Of a table with a rate of its own; each of its samples is held until the next. Returns how many
 * it has done. */
static uint32_t convert_held(const signal_plan *plan, span *at, uint64_t n, uint32_t count,
                             int16_t *codes_out) {
  enum { PIECE = 1024 };
  const signal_source *source = plan->source;
  bool once = source->config.waveform == HWSIM_WAVEFORM_TABLE_ONCE;
  size_t length = source->table_length, place = (size_t)(signal_place(plan, n) % length);
  uint64_t whole = once && plan->whole >= length ? length : plan->whole % length;
  uint64_t part = (uint64_t)((wide)n * plan->rest % plan->parts);
  float held[PIECE];
  count = count < PIECE ? count : PIECE;
  for (uint32_t i = 0; i < count; i++) {
    held[i] = source->table[place];
    place += whole;
    part += plan->rest;
    if (part >= plan->parts) {
      part -= plan->parts;
      place++;
    }
    if (place >= length)
      place = once ? length - 1 : place - length;
  }
  at->table = held;
  convert_table(at, count, codes_out);
  return count;
}

/* Table samples up to its end; returns how many. */
static uint32_t convert_round(const signal_plan *plan, span *at, uint64_t n, uint32_t count,
                              int16_t *codes_out) {
  const signal_source *source = plan->source;
  size_t length = source->table_length;
  if (source->config.waveform == HWSIM_WAVEFORM_TABLE_ONCE && signal_place(plan, n) >= length) {
    at->level = source->table[length - 1];
    convert_constant(at, count, codes_out);
    return count;
  }
  if (plan->whole != 1 || plan->rest)
    return convert_held(plan, at, n, count, codes_out);
  size_t start = (size_t)(n % length);
  count = count < length - start ? count : (uint32_t)(length - start);
  at->table = source->table + start;
  if (source->table_codes)
    memcpy(codes_out, source->table_codes + start, count * sizeof *codes_out);
  else
    convert_table(at, count, codes_out);
  return count;
}

/* What an output does to the channel; returns how many samples it has done. */
static uint32_t convert_driven(const signal_plan *plan, span *at, uint64_t n, uint32_t count,
                               int16_t *codes_out) {
  enum { PIECE = 1024 };
  float values[PIECE];
  if (!plan->driven.count) {
    at->level = (float)plan->level_v;
    convert_constant(at, count, codes_out);
    return count;
  }
  count = count < PIECE ? count : PIECE;
  sampled_values(&plan->driven, n, count, values);
  at->table = values;
  convert_table(at, count, codes_out);
  return count;
}

void signal_codes(const signal_plan *plan, uint64_t n, size_t count, int16_t *codes_out) {
  while (count) {
    uint64_t to_carry = (UINT64_C(1) << 32) - (n & UINT32_MAX);
    uint32_t part = MOST_AT_ONCE;
    part = count < part ? (uint32_t)count : part;
    part = to_carry < part ? (uint32_t)to_carry : part;
    span here = span_at(plan, n);
    switch (plan->source->config.waveform) {
    case HWSIM_WAVEFORM_DC: convert_constant(&here, part, codes_out); break;
    case HWSIM_WAVEFORM_SINE: convert_sine(&here, part, codes_out); break;
    case HWSIM_WAVEFORM_SQUARE: convert_square(&here, part, codes_out); break;
    case HWSIM_WAVEFORM_TRIANGLE: convert_triangle(&here, part, codes_out); break;
    case HWSIM_WAVEFORM_TABLE:
    case HWSIM_WAVEFORM_TABLE_ONCE: part = convert_round(plan, &here, n, part, codes_out); break;
    case HWSIM_WAVEFORM_OUTPUT: part = convert_driven(plan, &here, n, part, codes_out); break;
    }
    correction_apply(plan->correction, part, codes_out);
    n += part;
    codes_out += part;
    count -= part;
  }
}

double signal_volts_per_code(const signal_source *source) { return source->config.range_v / 32768; }
