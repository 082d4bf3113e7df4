/* Signals: what a channel measures, and its samples.
 *
 * Sample n is a function of (seed, channel, n), computed in 32-bit integers and floats without
 * contraction, so that every compiler, vector width and split of a block gives the same. */
#include "internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A signal as connected: never changes, so it is read without a lock by whoever holds a reference.
 */
struct signal_source {
  atomic_int references;
  hwsim_signal config;
  float *table;
  int16_t *table_codes; /* the table as measured, where no noise makes each round different */
  size_t table_length;
};

/* ------------------------------------------------------------------------------------- samples --
 */

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
  return (signal_plan){.source = source,
                       .seed = seed,
                       .channel = channel,
                       .phase = to_phase(config->phase_turns),
                       .phase_step = to_phase(config->frequency_hz / rate_hz)};
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

/* Table samples up to its end; returns how many. */
static uint32_t convert_round(const signal_source *source, span *at, uint64_t n, uint32_t count,
                              int16_t *codes_out) {
  size_t length = source->table_length, start = (size_t)(n % length);
  if (source->config.waveform == HWSIM_WAVEFORM_TABLE_ONCE && n >= length) {
    at->level = source->table[length - 1];
    convert_constant(at, count, codes_out);
    return count;
  }
  count = count < length - start ? count : (uint32_t)(length - start);
  at->table = source->table + start;
  if (source->table_codes)
    memcpy(codes_out, source->table_codes + start, count * sizeof *codes_out);
  else
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
    case HWSIM_WAVEFORM_TABLE_ONCE:
      part = convert_round(plan->source, &here, n, part, codes_out);
      break;
    }
    n += part;
    codes_out += part;
    count -= part;
  }
}

double signal_volts_per_code(const signal_source *source) { return source->config.range_v / 32768; }

/* -------------------------------------------------------------------------- sources, channels --
 */

signal_source *signal_retain(signal_source *source) {
  atomic_fetch_add(&source->references, 1);
  return source;
}

void signal_release(signal_source *source) {
  if (!source || atomic_fetch_sub(&source->references, 1) > 1)
    return;
  free(source->table_codes);
  free(source->table);
  free(source);
}

/* The table, and where it repeats exactly also its codes. */
static bool copy_table(signal_source *source, const double *table_v, size_t length) {
  if (length > SIZE_MAX / sizeof(float))
    return false;
  source->table = malloc(length * sizeof *source->table);
  if (!source->table)
    return false;
  for (size_t i = 0; i < length; i++)
    source->table[i] = (float)table_v[i];
  source->table_length = length;
  if (source->config.noise_v > 0)
    return true;
  int16_t *codes = malloc(length * sizeof *codes);
  if (!codes)
    return false;
  signal_plan plan = signal_plan_for(source, 0, 0, 1);
  signal_codes(&plan, 0, length, codes);
  source->table_codes = codes;
  return true;
}

static signal_source *source_new(const hwsim_signal *config, const double *table_v,
                                 size_t table_length) {
  signal_source *source = calloc(1, sizeof *source);
  if (!source)
    return NULL;
  atomic_init(&source->references, 1);
  source->config = *config;
  if (table_length && !copy_table(source, table_v, table_length)) {
    signal_release(source);
    return NULL;
  }
  return source;
}

static hwsim_signal default_signal(const hwsim_config *config, uint32_t channel) {
  double frequency = 10.0 * (channel + 1), highest = config->sample_rate_hz / 8;
  return (hwsim_signal){.waveform = HWSIM_WAVEFORM_SINE,
                        .amplitude_v = 1,
                        .frequency_hz = frequency < highest ? frequency : highest,
                        .noise_v = config->noise_v,
                        .range_v = config->range_v};
}

hwsim_error signals_open(hwsim_device *device) {
  uint32_t channels = device->config.channels;
  device->channels = calloc(channels, sizeof *device->channels);
  if (!device->channels)
    return error_no_memory(device->config.name, "open");
  for (uint32_t i = 0; i < channels; i++) {
    hwsim_signal config = default_signal(&device->config, i);
    device->channels[i].source = source_new(&config, NULL, 0);
    if (!device->channels[i].source)
      return error_no_memory(device->config.name, "open");
  }
  return HWSIM_OK;
}

void signals_close(hwsim_device *device) {
  for (uint32_t i = 0; device->channels && i < device->config.channels; i++)
    signal_release(device->channels[i].source);
  free(device->channels);
}

/* ---------------------------------------------------------------------------- public functions --
 */

hwsim_error signal_check_channel(const hwsim_device *device, const char *operation,
                                 uint32_t channel) {
  if (channel < device->config.channels)
    return HWSIM_OK;
  return error_set(HWSIM_EINVALID, device->config.name, operation,
                   "channel must be from 0 to %u, got %u", device->config.channels - 1, channel);
}

static hwsim_error check_signal(const hwsim_device *device, const char *operation,
                                const hwsim_signal *signal) {
  const struct {
    const char *name;
    double value, lowest, highest;
  } limits[] = {
      {"waveform", signal->waveform, 0, HWSIM_WAVEFORM_TABLE_ONCE},
      {"amplitude", signal->amplitude_v, -1e6, 1e6},
      {"offset", signal->offset_v, -1e6, 1e6},
      {"frequency", signal->frequency_hz, 0, device->config.sample_rate_hz / 2},
      {"phase", signal->phase_turns, -1e6, 1e6},
      {"noise", signal->noise_v, 0, 1e6},
      {"gain_error", signal->gain_error, -0.5, 0.5},
      {"offset_error", signal->offset_error_v, -1e6, 1e6},
      {"inl", signal->inl_lsb, -1000, 1000},
      {"range", signal->range_v, 1e-3, 1e3},
  };
  for (size_t i = 0; i < ARRAY_LENGTH(limits); i++)
    if (!(limits[i].value >= limits[i].lowest && limits[i].value <= limits[i].highest))
      return error_set(HWSIM_EINVALID, device->config.name, operation,
                       "%s must be from %g to %g, got %g", limits[i].name, limits[i].lowest,
                       limits[i].highest, limits[i].value);
  return HWSIM_OK;
}

static hwsim_error check_table(const hwsim_device *device, const char *operation,
                               hwsim_waveform waveform, const double *table_v, size_t length) {
  const char *name = device->config.name;
  bool wanted = waveform == HWSIM_WAVEFORM_TABLE || waveform == HWSIM_WAVEFORM_TABLE_ONCE;
  if (wanted && (!table_v || !length))
    return error_set(HWSIM_EINVALID, name, operation, "table must have at least one sample");
  if (!wanted && length)
    return error_set(HWSIM_EINVALID, name, operation,
                     "a table needs the waveform table or table_once");
  for (size_t i = 0; i < length; i++)
    if (!(fabs(table_v[i]) <= 1e6))
      return error_set(HWSIM_EINVALID, name, operation,
                       "table must hold numbers from -1e6 to 1e6, got %g at index %zu", table_v[i],
                       i);
  return HWSIM_OK;
}

hwsim_error hwsim_signal_default(const hwsim_device *device, uint32_t channel,
                                 hwsim_signal *signal_out) {
  hwsim_error error = signal_check_channel(device, "default_signal", channel);
  if (!error)
    *signal_out = default_signal(&device->config, channel);
  return error;
}

hwsim_error hwsim_signal_set(hwsim_device *device, uint32_t channel, const hwsim_signal *signal,
                             const double *table_v, size_t table_length) {
  const char *name = "set_signal";
  hwsim_error error = signal_check_channel(device, name, channel);
  if (!error)
    error = check_signal(device, name, signal);
  if (!error)
    error = check_table(device, name, signal->waveform, table_v, table_length);
  if (error)
    return error;
  signal_source *source = source_new(signal, table_v, table_length);
  if (!source)
    return error_no_memory(device->config.name, name);
  error = device_lock(device, name);
  if (error) {
    signal_release(source);
    return error;
  }
  bus_settle(device, clock_now(device)); /* conversions done by now measured the old signal */
  channel_state *target = &device->channels[channel];
  signal_source *old = target->source;
  *target = (channel_state){.source = source};
  device_unlock(device);
  signal_release(old);
  return HWSIM_OK;
}

hwsim_error hwsim_signal_get(hwsim_device *device, uint32_t channel, hwsim_signal *signal_out,
                             size_t *table_length_out) {
  hwsim_error error = signal_check_channel(device, "get_signal", channel);
  if (!error)
    error = device_lock_any(device, "get_signal");
  if (error)
    return error;
  *signal_out = device->channels[channel].source->config;
  *table_length_out = device->channels[channel].source->table_length;
  device_unlock(device);
  return HWSIM_OK;
}

typedef struct conversion_op {
  op base;
  uint32_t channel;
  signal_source *source; /* a reference, once applied */
  uint64_t n;
} conversion_op;

/* Only notes what was measured; the sample is computed without the lock. */
static hwsim_error apply_conversion(hwsim_device *device, op *base, int64_t at_ns) {
  (void)at_ns;
  conversion_op *self = (conversion_op *)base;
  if (!registers_converters_enabled(device))
    return HWSIM_ESTATE;
  channel_state *channel = &device->channels[self->channel];
  self->source = signal_retain(channel->source);
  self->n = channel->next_sample++;
  return HWSIM_OK;
}

hwsim_error hwsim_signal_read(hwsim_device *device, uint32_t channel, const hwsim_call *call,
                              double *volts_out) {
  hwsim_error error = signal_check_channel(device, "read_voltage", channel);
  if (error)
    return error;
  conversion_op self = {.base = {.name = "read_voltage", .apply = apply_conversion, .bytes = 2},
                        .channel = channel};
  error = bus_run(device, &self.base, call);
  if (!error) {
    const hwsim_config *config = &device->config;
    signal_plan plan = signal_plan_for(self.source, config->seed, channel, config->sample_rate_hz);
    int16_t code;
    signal_codes(&plan, self.n, 1, &code);
    *volts_out = code * signal_volts_per_code(self.source);
  }
  signal_release(self.source);
  return error;
}
