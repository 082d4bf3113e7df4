/* Converters: the channels of a device, what is connected to them, and single conversions. */
#include "converter/signal.h"

#include "base/array.h"
#include "base/error.h"
#include "base/handle.h"
#include "base/memory.h"
#include "base/text.h"
#include "timeline/bus.h"
#include "timeline/call.h"
#include "timeline/timeline.h"

#include <math.h>
#include <stdlib.h>

typedef struct channel_state {
  signal_source *source;
  uint64_t next_sample;
  correction *correction; /* or NULL */
} channel_state;

struct converters {
  bool enabled;
  converters_listener *listener; /* or NULL */
  channel_state *channels;
};

static channel_state *channel_of(const hwsim_device *device, uint32_t channel) {
  return &device->converters->channels[channel];
}

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
  free(source->link);
  response_free(source->driven);
  free(source);
}

signal_source *signal_driven(response *driven, const hwsim_link *link) {
  signal_source *source = zeroed(sizeof *source);
  hwsim_link *copy = malloc(sizeof *copy);
  if (!source || !copy) {
    free(source);
    free(copy);
    return NULL;
  }
  atomic_init(&source->references, 1);
  source->driven = driven;
  source->link = memcpy(copy, link, sizeof *copy);
  return source;
}

/* The table, and where it repeats exactly also its codes. */
static bool copy_table(signal_source *source, const double *table_v, size_t length) {
  if (length > SIZE_MAX / sizeof(float))
    return false;
  source->table = malloc(length * sizeof *source->table);
  if (!source->table)
    return false;
  source->table_lowest = source->table_highest = (float)table_v[0];
  for (size_t i = 0; i < length; i++) {
    float volts = source->table[i] = (float)table_v[i];
    source->table_lowest = volts < source->table_lowest ? volts : source->table_lowest;
    source->table_highest = volts > source->table_highest ? volts : source->table_highest;
  }
  source->table_length = length;
  if (source->config.noise_v > 0)
    return true;
  int16_t *codes = malloc(length * sizeof *codes);
  if (!codes)
    return false;
  signal_plan plan = signal_plan_for(source, 0, 0, source->config.rate_hz);
  signal_codes(&plan, 0, length, codes);
  source->table_codes = codes;
  return true;
}

static signal_source *source_new(const hwsim_signal *config, const double *table_v,
                                 size_t table_length) {
  signal_source *source = zeroed(sizeof *source);
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

static hwsim_signal power_on_signal(const hwsim_device *device, uint32_t channel) {
  const hwsim_config *config = &device->config;
  if (device->model->signals && channel < device->model->channels)
    return device->model->signals[channel];
  double frequency = 10.0 * (channel + 1), highest = config->sample_rate_hz / 8;
  return (hwsim_signal){.waveform = HWSIM_WAVEFORM_SINE,
                        .amplitude_v = 1,
                        .frequency_hz = frequency < highest ? frequency : highest,
                        .noise_v = config->noise_v,
                        .range_v = config->range_v};
}

size_t converters_size(void) { return sizeof(converters); }

bool converters_open(hwsim_device *device) {
  uint32_t channels = device->config.channels;
  converters *self = device->converters;
  self->enabled = true;
  self->channels = zeroed(channels * sizeof *self->channels);
  if (!self->channels)
    return false;
  for (uint32_t i = 0; i < channels; i++) {
    hwsim_signal config = power_on_signal(device, i);
    self->channels[i].source = source_new(&config, NULL, 0);
    if (!self->channels[i].source)
      return false;
  }
  return true;
}

void converters_close(hwsim_device *device) {
  for (uint32_t i = 0; i < device->config.channels; i++)
    channel_of(device, i)->source->on = NULL;
}

void converters_free(hwsim_device *device) {
  channel_state *channels = device->converters->channels;
  for (uint32_t i = 0; channels && i < device->config.channels; i++) {
    signal_release(channels[i].source);
    correction_release(channels[i].correction);
  }
  free(channels);
}

/* --------------------------------------------------------------------- for those who measure -- */

hwsim_error converters_check_channel(const hwsim_device *device, const hwsim_operation *operation,
                                     uint32_t channel) {
  if (channel < device->config.channels)
    return HWSIM_OK;
  return error_set(HWSIM_EINVALID, device->config.name, operation->name,
                   "channel must be from 0 to %u, got %u", device->config.channels - 1, channel);
}

hwsim_error converters_say_disabled(const hwsim_device *device, const hwsim_operation *operation) {
  return error_set(HWSIM_ESTATE, device->config.name, operation->name,
                   "the converters are disabled; set bit 0 of CONTROL");
}

void converters_enable(hwsim_device *device, bool enabled) {
  device->converters->enabled = enabled;
}

bool converters_are_enabled(const hwsim_device *device) { return device->converters->enabled; }

const signal_source *converters_source(const hwsim_device *device, uint32_t channel) {
  return channel_of(device, channel)->source;
}

channel_view converters_view(const hwsim_device *device, uint32_t channel) {
  const channel_state *state = channel_of(device, channel);
  return (channel_view){.source = signal_retain(state->source),
                        .correction = correction_retain(state->correction)};
}

static double level_at(const signal_source *source, int64_t at_ns) {
  return source->driven ? response_at(source->driven, at_ns) : 0;
}

int16_t converters_take(hwsim_device *device, uint32_t channel, int64_t at_ns) {
  channel_state *state = channel_of(device, channel);
  signal_plan plan =
      signal_plan_for(state->source, device->config.seed, channel, device->config.sample_rate_hz);
  int16_t code;
  plan.correction = state->correction;
  plan.level_v = level_at(state->source, at_ns);
  signal_codes(&plan, state->next_sample++, 1, &code);
  return code;
}

void channel_release(channel_view *view) {
  signal_release(view->source);
  correction_release(view->correction);
}

signal_plan converters_plan(const hwsim_device *device, uint32_t channel, double rate_hz,
                            int64_t base_ns) {
  const channel_state *state = channel_of(device, channel);
  signal_plan plan = signal_plan_for(state->source, device->config.seed, channel, rate_hz);
  plan.correction = state->correction;
  if (state->source->driven)
    response_pieces(state->source->driven, base_ns, FOREVER, &plan.driven);
  plan.driven.base_ns = base_ns;
  plan.driven.rate_nhz = (uint64_t)rate_from_hz(rate_hz);
  return plan;
}

void converters_set_listener(hwsim_device *device, converters_listener *listener) {
  device->converters->listener = listener;
}

static void tell_changed(hwsim_device *device, uint32_t channel, bool from_first_sample,
                         int64_t at_ns) {
  if (device->converters->listener)
    device->converters->listener(device, channel, from_first_sample, at_ns);
}

void converters_driven(const signal_source *source, int64_t at_ns) {
  if (source->on)
    tell_changed(source->on, source->channel, false, at_ns);
}

/* From now on; returns the one before. What an output drives depends on the time, so no operation
 * takes the short way. */
static signal_source *replace(hwsim_device *device, uint32_t channel, signal_source *source) {
  channel_state *target = channel_of(device, channel);
  signal_source *old = target->source;
  bus_add_detour(device, (source->driven != NULL) - (old->driven != NULL));
  old->on = NULL;
  source->on = device;
  source->channel = channel;
  target->source = source;
  target->next_sample = 0;
  return old;
}

signal_source *converters_connect(hwsim_device *device, uint32_t channel, signal_source *source,
                                  double noise_v) {
  const hwsim_signal *before = &channel_of(device, channel)->source->config;
  source->config = (hwsim_signal){.waveform = HWSIM_WAVEFORM_OUTPUT,
                                  .amplitude_v = 1,
                                  .noise_v = noise_v,
                                  .gain_error = before->gain_error,
                                  .offset_error_v = before->offset_error_v,
                                  .inl_lsb = before->inl_lsb,
                                  .range_v = before->range_v};
  signal_source *old = replace(device, channel, source);
  tell_changed(device, channel, true, timeline_now(device));
  return old;
}

correction *converters_set_correction(hwsim_device *device, uint32_t channel, correction *set) {
  correction *old = channel_of(device, channel)->correction;
  channel_of(device, channel)->correction = set;
  tell_changed(device, channel, false, timeline_now(device));
  return old;
}

/* -------------------------------------------------------------------------- public functions -- */

static hwsim_error check_signal(const hwsim_device *device, const hwsim_operation *operation,
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
      return error_set(HWSIM_EINVALID, device->config.name, operation->name,
                       "%s must be from %s to %s, got %s", limits[i].name, NUMBER(limits[i].lowest),
                       NUMBER(limits[i].highest), NUMBER(limits[i].value));
  return HWSIM_OK;
}

static hwsim_error check_table(const hwsim_device *device, const char *operation,
                               const hwsim_signal *signal, const double *table_v, size_t length) {
  const char *name = device->config.name;
  bool wanted =
      signal->waveform == HWSIM_WAVEFORM_TABLE || signal->waveform == HWSIM_WAVEFORM_TABLE_ONCE;
  bool rate_given = !(signal->rate_hz >= 0 && signal->rate_hz <= 0);
  if (wanted && (!table_v || !length))
    return error_set(HWSIM_EINVALID, name, operation, "table must have at least one sample");
  if (!wanted && (length || rate_given))
    return error_set(HWSIM_EINVALID, name, operation, "a %s needs the waveform table or table_once",
                     length ? "table" : "rate");
  if (rate_given && !(signal->rate_hz >= 1e-6 && signal->rate_hz <= 1e11))
    return error_set(HWSIM_EINVALID, name, operation, "rate must be from 1e-06 to 1e+11 Hz, got %s",
                     NUMBER(signal->rate_hz));
  for (size_t i = 0; i < length; i++)
    if (!(fabs(table_v[i]) <= 1e6))
      return error_set(HWSIM_EINVALID, name, operation,
                       "table must hold numbers from -1e6 to 1e6, got %s at index %zu",
                       NUMBER(table_v[i]), i);
  return HWSIM_OK;
}

hwsim_error hwsim_signal_default(const hwsim_device *device, uint32_t channel,
                                 hwsim_signal *signal_out) {
  hwsim_error error = converters_check_channel(device, OPERATION(device, default_signal), channel);
  if (!error)
    *signal_out = power_on_signal(device, channel);
  return error;
}

hwsim_error hwsim_signal_set(hwsim_device *device, uint32_t channel, const hwsim_signal *signal,
                             const double *table_v, size_t table_length) {
  const hwsim_operation *operation = OPERATION(device, set_signal);
  hwsim_error error = converters_check_channel(device, operation, channel);
  if (!error)
    error = check_signal(device, operation, signal);
  if (!error)
    error = check_table(device, operation->name, signal, table_v, table_length);
  if (error)
    return error;
  hwsim_signal config = *signal;
  if (table_length && !(config.rate_hz > 0))
    config.rate_hz = device->config.sample_rate_hz;
  signal_source *source = source_new(&config, table_v, table_length);
  if (!source)
    return error_no_memory(device->config.name, operation->name);
  error = timeline_lock(device, operation);
  if (error) {
    signal_release(source);
    return error;
  }
  timeline_update(device); /* conversions done by now measured the old signal */
  channel_state *target = channel_of(device, channel);
  signal_source *old = replace(device, channel, source);
  correction *stale = NULL;
  if (old->config.range_v < source->config.range_v ||
      old->config.range_v > source->config.range_v) {
    stale = target->correction; /* it is that of another range */
    target->correction = NULL;
  }
  tell_changed(device, channel, true, timeline_now(device));
  timeline_unlock(device);
  signal_release(old);
  correction_release(stale);
  return HWSIM_OK;
}

hwsim_error hwsim_signal_get(hwsim_device *device, uint32_t channel, hwsim_signal *signal_out,
                             size_t *table_length_out) {
  const hwsim_operation *operation = OPERATION(device, get_signal);
  hwsim_error error = converters_check_channel(device, operation, channel);
  if (!error)
    error = timeline_lock_any(device, operation);
  if (error)
    return error;
  *signal_out = channel_of(device, channel)->source->config;
  *table_length_out = channel_of(device, channel)->source->table_length;
  timeline_unlock(device);
  return HWSIM_OK;
}

/* ------------------------------------------------------------------------ single conversions -- */

enum { MOST_CHANNELS = 64 };

typedef struct conversion_op {
  op base;
  size_t count;
  struct {
    uint32_t channel;
    channel_view view; /* once applied */
  } measured[MOST_CHANNELS];
} conversion_op;

/* Only notes what was measured; the samples are computed without the lock. */
static hwsim_error apply_conversion(hwsim_device *device, op *base, int64_t at_ns) {
  conversion_op *self = (conversion_op *)base;
  if (!converters_are_enabled(device))
    return HWSIM_ESTATE;
  for (size_t i = 0; i < self->count; i++) {
    uint32_t channel = self->measured[i].channel;
    channel_view *view = &self->measured[i].view;
    *view = converters_view(device, channel);
    view->n = channel_of(device, channel)->next_sample++;
    view->level_v = level_at(view->source, at_ns);
  }
  return HWSIM_OK;
}

static void drop_conversion(op *base) {
  conversion_op *self = (conversion_op *)base;
  for (size_t i = 0; i < self->count; i++)
    channel_release(&self->measured[i].view);
}

/* Of `count` channels, each of which there is, once. */
static hwsim_error convert(hwsim_device *device, const op_kind *kind, const uint32_t *channels,
                           size_t count, const hwsim_call *call, double *volts_out) {
  uint64_t seed = device->config.seed; /* the device may be freed as soon as the wait is over */
  double rate_hz = device->config.sample_rate_hz;
  conversion_op self;
  op_prepare(&self.base, kind);
  self.base.bytes = kind->row->bytes * (uint32_t)count;
  self.count = count;
  for (size_t i = 0; i < count; i++)
    self.measured[i].channel = channels[i];
  size_t size = offsetof(conversion_op, measured) + count * sizeof *self.measured;
  hwsim_error error = call_run(device, &self.base, size, call);
  for (size_t i = 0; i < count && !error; i++) {
    channel_view *view = &self.measured[i].view;
    signal_plan plan = signal_plan_for(view->source, seed, channels[i], rate_hz);
    plan.correction = view->correction;
    plan.level_v = view->level_v;
    int16_t code;
    signal_codes(&plan, view->n, 1, &code);
    volts_out[i] = code * signal_volts_per_code(view->source);
    channel_release(view);
  }
  return error;
}

hwsim_error hwsim_signal_read(hwsim_device *device, uint32_t channel, const hwsim_call *call,
                              double *volts_out) {
  static const op_kind kind = {
      .row = OPERATION(device, read_voltage), .apply = apply_conversion, .drop = drop_conversion};
  hwsim_error error = converters_check_channel(device, kind.row, channel);
  return error ? error : convert(device, &kind, &channel, 1, call, volts_out);
}

hwsim_error hwsim_signal_read_many(hwsim_device *device, const uint32_t *channels, size_t count,
                                   const hwsim_call *call, double *volts_out) {
  static const op_kind kind = {
      .row = OPERATION(device, read_voltages), .apply = apply_conversion, .drop = drop_conversion};
  uint64_t seen = 0;
  if (!count)
    return error_set(HWSIM_EINVALID, device->config.name, kind.row->name,
                     "channels must have at least one channel");
  for (size_t i = 0; i < count; i++) {
    hwsim_error error = converters_check_channel(device, kind.row, channels[i]);
    if (error)
      return error;
    if (seen & UINT64_C(1) << channels[i])
      return error_set(HWSIM_EINVALID, device->config.name, kind.row->name,
                       "channels has channel %u twice", channels[i]);
    seen |= UINT64_C(1) << channels[i];
  }
  return convert(device, &kind, channels, count, call, volts_out);
}
