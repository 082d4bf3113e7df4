/* Signals: what is connected to the channels, and single conversions of it. */
#include "internal.h"

#include <math.h>
#include <stdlib.h>

/* ------------------------------------------------------------------------- sources, channels -- */

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
  for (uint32_t i = 0; device->channels && i < device->config.channels; i++)
    correction_release(device->channels[i].correction);
  free(device->channels);
}

/* -------------------------------------------------------------------------- public functions -- */

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
  int64_t now_ns = clock_now(device);
  bus_settle(device, now_ns); /* conversions done by now measured the old signal */
  channel_state *target = &device->channels[channel];
  signal_source *old = target->source;
  target->source = source;
  target->next_sample = 0;
  code_correction *stale = NULL;
  if (old->config.range_v < source->config.range_v ||
      old->config.range_v > source->config.range_v) {
    stale = target->correction; /* it is that of another range */
    target->correction = NULL;
  }
  threshold_signal_changed(device, channel, true, now_ns);
  device_unlock(device);
  signal_release(old);
  correction_release(stale);
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
  struct code_correction *correction;
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
  self->correction = correction_retain(channel->correction);
  self->n = channel->next_sample++;
  return HWSIM_OK;
}

hwsim_error hwsim_signal_read(hwsim_device *device, uint32_t channel, const hwsim_call *call,
                              double *volts_out) {
  hwsim_error error = signal_check_channel(device, "read_voltage", channel);
  if (error)
    return error;
  hwsim_config config = device->config; /* the device may be freed as soon as the wait is over */
  conversion_op self = {.base = {.name = "read_voltage", .apply = apply_conversion, .bytes = 2},
                        .channel = channel};
  error = bus_run(device, &self.base, call);
  if (!error) {
    signal_plan plan = signal_plan_for(self.source, config.seed, channel, config.sample_rate_hz);
    plan.correction = self.correction;
    int16_t code;
    signal_codes(&plan, self.n, 1, &code);
    *volts_out = code * signal_volts_per_code(self.source);
  }
  signal_release(self.source);
  correction_release(self.correction);
  return error;
}
