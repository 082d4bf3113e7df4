/* Signals: what a channel measures. Sample n is a function of (seed, channel, n), computed in
 * 32-bit integers and floats without contraction, so that every compiler and vector width gives the
 * same. */
#include "internal.h"

#include <math.h>
#include <stdlib.h>

/* A signal as connected: never changes, so it is read without a lock by whoever holds a reference.
 */
struct signal_source {
  atomic_int references;
  hwsim_signal config;
  uint64_t phase, phase_step; /* in 2^-64 turns */
  float *table;
  size_t table_length;
};

/* ---------------------------------------------------------------------------------- one sample --
 */

/* sin(pi q / 2^31) for |q| <= 2^30: a minimax polynomial, 2e-7 off at most. */
static float sine_of(int32_t q) {
  float x = (float)q * 0x1p-31f, z = x * x;
  float p = 0.07722013f;
  p = p * z - 0.5980452f;
  p = p * z + 2.5500314f;
  p = p * z - 5.167707f;
  p = p * z + 3.1415926f;
  return p * x;
}

/* Maps the circle onto its rising half, where sine and triangle are what they are on the other. */
static int32_t fold(uint32_t turn) {
  uint32_t quarter = UINT32_C(1) << 30;
  return (int32_t)(turn + quarter < 2 * quarter ? turn : 2 * quarter - turn);
}

static float waveform(const signal_source *source, uint64_t n) {
  uint32_t turn = (uint32_t)((source->phase + n * source->phase_step) >> 32);
  size_t length = source->table_length;
  switch (source->config.waveform) {
  case HWSIM_WAVEFORM_DC: return 0;
  case HWSIM_WAVEFORM_SINE: return sine_of(fold(turn));
  case HWSIM_WAVEFORM_SQUARE: return turn < UINT32_C(1) << 31 ? 1 : -1;
  case HWSIM_WAVEFORM_TRIANGLE: return (float)fold(turn) * 0x1p-30f;
  case HWSIM_WAVEFORM_TABLE: return source->table[n % length];
  case HWSIM_WAVEFORM_TABLE_ONCE: return source->table[n < length ? n : length - 1];
  }
  return 0;
}

static uint32_t scramble(uint32_t x, uint32_t key) {
  /* Wellons' lowbias32 (Hash Prospector, 2018), with a key added half-way. */
  x = (x ^ (x >> 16)) * UINT32_C(0x7FEB352D) + key;
  x = (x ^ (x >> 15)) * UINT32_C(0x846CA68B);
  return x ^ (x >> 16);
}

/* Unit variance, mean 0: the sum of four uniform 16-bit numbers (Irwin-Hall). */
static float noise(uint64_t seed, uint32_t channel, uint64_t n) {
  uint64_t keys = random_bits(seed, RANDOM_NOISE + ((uint64_t)channel << 8), n >> 32);
  uint32_t low = (uint32_t)keys, high = (uint32_t)(keys >> 32);
  uint32_t a = scramble((uint32_t)n ^ low, high), b = scramble((uint32_t)n ^ high, low);
  int32_t sum = (int32_t)((a & 0xFFFF) + (a >> 16) + (b & 0xFFFF) + (b >> 16));
  return (float)(sum - 2 * 0xFFFF) * (1 / 37837.2f); /* sqrt(4 (2^32 - 1) / 12) */
}

static double sample(const signal_source *source, uint64_t seed, uint32_t channel, uint64_t n) {
  const hwsim_signal *config = &source->config;
  float input = (float)config->amplitude_v * waveform(source, n) + (float)config->offset_v;
  if (config->noise_v > 0)
    input += (float)config->noise_v * noise(seed, channel, n);
  float gain = (float)((1 + config->gain_error) / config->range_v);
  float x = input * gain + (float)(config->offset_error_v / config->range_v);
  float inside = fminf(fmaxf(x, -1), 1);
  float bend = (float)(2.598076 * config->inl_lsb) * inside * (1 - inside * inside);
  float code = rintf(fminf(fmaxf(32768 * x + bend, -32768), 32767));
  return (double)code * config->range_v / 32768;
}

/* -------------------------------------------------------------------------- sources, channels --
 */

static void source_release(signal_source *source) {
  if (!source || atomic_fetch_sub(&source->references, 1) > 1)
    return;
  free(source->table);
  free(source);
}

/* Fractions of a turn in 2^-64; exact, for ldexp only moves the exponent. */
static uint64_t to_phase(double turns) {
  double fraction = turns - floor(turns);
  return fraction < 1 ? (uint64_t)ldexp(fraction, 64) : 0;
}

static signal_source *source_new(const hwsim_device *device, const hwsim_signal *config,
                                 const double *table_v, size_t table_length) {
  signal_source *source = calloc(1, sizeof *source);
  if (!source)
    return NULL;
  atomic_init(&source->references, 1);
  source->config = *config;
  source->phase = to_phase(config->phase_turns);
  source->phase_step = to_phase(config->frequency_hz / device->config.sample_rate_hz);
  if (table_length) {
    if (table_length <= SIZE_MAX / sizeof(float))
      source->table = malloc(table_length * sizeof(float));
    if (!source->table) {
      source_release(source);
      return NULL;
    }
    for (size_t i = 0; i < table_length; i++)
      source->table[i] = (float)table_v[i];
    source->table_length = table_length;
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
    device->channels[i].source = source_new(device, &config, NULL, 0);
    if (!device->channels[i].source)
      return error_no_memory(device->config.name, "open");
  }
  return HWSIM_OK;
}

void signals_close(hwsim_device *device) {
  for (uint32_t i = 0; device->channels && i < device->config.channels; i++)
    source_release(device->channels[i].source);
  free(device->channels);
}

/* ---------------------------------------------------------------------------- public functions --
 */

static hwsim_error check_channel(const hwsim_device *device, const char *operation,
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
  hwsim_error error = check_channel(device, "default_signal", channel);
  if (!error)
    *signal_out = default_signal(&device->config, channel);
  return error;
}

hwsim_error hwsim_signal_set(hwsim_device *device, uint32_t channel, const hwsim_signal *signal,
                             const double *table_v, size_t table_length) {
  const char *name = "set_signal";
  hwsim_error error = check_channel(device, name, channel);
  if (!error)
    error = check_signal(device, name, signal);
  if (!error)
    error = check_table(device, name, signal->waveform, table_v, table_length);
  if (error)
    return error;
  signal_source *source = source_new(device, signal, table_v, table_length);
  if (!source)
    return error_no_memory(device->config.name, name);
  error = device_lock(device, name);
  if (error) {
    source_release(source);
    return error;
  }
  bus_settle(device, clock_now(device)); /* conversions done by now measured the old signal */
  channel_state *target = &device->channels[channel];
  signal_source *old = target->source;
  *target = (channel_state){.source = source};
  device_unlock(device);
  source_release(old);
  return HWSIM_OK;
}

hwsim_error hwsim_signal_get(hwsim_device *device, uint32_t channel, hwsim_signal *signal_out,
                             size_t *table_length_out) {
  hwsim_error error = check_channel(device, "get_signal", channel);
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
  self->source = channel->source;
  atomic_fetch_add(&self->source->references, 1);
  self->n = channel->next_sample++;
  return HWSIM_OK;
}

hwsim_error hwsim_signal_read(hwsim_device *device, uint32_t channel, const hwsim_call *call,
                              double *volts_out) {
  hwsim_error error = check_channel(device, "read_voltage", channel);
  if (error)
    return error;
  conversion_op self = {.base = {.name = "read_voltage", .apply = apply_conversion, .bytes = 2},
                        .channel = channel};
  error = bus_run(device, &self.base, call);
  if (!error)
    *volts_out = sample(self.source, device->config.seed, channel, self.n);
  source_release(self.source);
  return error;
}
