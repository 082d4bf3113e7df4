/* Outputs: what a device puts out, and the channels that are connected to it. A channel keeps what
 * an output has done to it as pieces of a response; here is who has to be told. */
#include "converter/output.h"

#include "base/array.h"
#include "base/error.h"
#include "base/handle.h"
#include "base/memory.h"
#include "base/text.h"
#include "converter/signal.h"
#include "timeline/bus.h"
#include "timeline/timeline.h"

#include <math.h>

/* What sees an output: a channel, also of another device on the same clock, or a stream of what was
 * connected to it before. The source alone knows the channel's device, until that is closed. */
typedef struct tap {
  uint32_t output;
  signal_source *source; /* a reference */
} tap;

struct outputs {
  tap *taps;
  size_t count, capacity;
  double volts[];
};

bool outputs_open(hwsim_device *device) {
  size_t count = device->model->output_count;
  device->outputs = count ? zeroed(sizeof(outputs) + count * sizeof(double)) : NULL;
  return !count || device->outputs;
}

void outputs_free(hwsim_device *device) {
  outputs *self = device->outputs;
  if (!self)
    return;
  for (size_t i = 0; i < self->count; i++)
    signal_release(self->taps[i].source);
  free(self->taps);
  free(self);
}

hwsim_error outputs_check(const hwsim_device *device, const hwsim_operation *operation,
                          uint32_t output) {
  size_t count = device->model->output_count;
  if (output < count)
    return HWSIM_OK;
  if (!count)
    return error_set(HWSIM_EINVALID, device->config.name, operation->name,
                     "the device has no outputs");
  return error_set(HWSIM_EINVALID, device->config.name, operation->name,
                   "output must be from 0 to %zu, got %u", count - 1, output);
}

/* Forgets what drives no channel any more, and is in no stream. */
static void prune(hwsim_device *device) {
  outputs *self = device->outputs;
  size_t kept = 0;
  for (size_t i = 0; i < self->count; i++)
    if (self->taps[i].source->on || self->taps[i].source->driven->readers)
      self->taps[kept++] = self->taps[i];
    else
      signal_release(self->taps[i].source);
  bus_add_detour(device, (int)kept - (int)self->count);
  self->count = kept;
}

void outputs_put(hwsim_device *device, uint32_t output, double volts, int64_t at_ns) {
  outputs *self = device->outputs;
  if (!(self->volts[output] < volts) && !(self->volts[output] > volts))
    return;
  self->volts[output] = volts;
  prune(device);
  for (size_t i = 0; i < self->count; i++) {
    const tap *each = &self->taps[i];
    if (each->output != output)
      continue;
    response_put(each->source->driven, volts, at_ns);
    converters_driven(each->source, at_ns);
  }
}

void outputs_power_off(hwsim_device *device, int64_t at_ns) {
  for (uint32_t i = 0; i < device->model->output_count; i++)
    outputs_put(device, i, 0, at_ns);
}

/* A signal that everybody who measures it has a reference to; false: no memory. */
static bool add_tap(hwsim_device *device, tap made) {
  outputs *self = device->outputs;
  prune(device);
  if (self->count == self->capacity) {
    size_t capacity = self->capacity ? 2 * self->capacity : 4;
    tap *larger = realloc(self->taps, capacity * sizeof *larger);
    if (!larger)
      return false;
    self->taps = larger;
    self->capacity = capacity;
  }
  self->taps[self->count++] = made;
  bus_add_detour(device, 1);
  return true;
}

/* -------------------------------------------------------------------------- public functions -- */

static hwsim_error check(const hwsim_device *device, const hwsim_operation *operation,
                         const hwsim_connection *connection, const double *table, size_t length) {
  const char *name = device->config.name;
  const struct {
    const char *name;
    double value, lowest, highest;
  } limits[] = {
      {"gain", connection->gain, -1e6, 1e6},
      {"offset", connection->offset_v, -1e6, 1e6},
      {"delay", (double)connection->delay_ns / 1e9, 0, 3600},
      {"tau", connection->tau_s, 0, 1e9},
      {"noise", connection->noise_v, 0, 1e6},
  };
  for (size_t i = 0; i < ARRAY_LENGTH(limits); i++)
    if (!(limits[i].value >= limits[i].lowest && limits[i].value <= limits[i].highest))
      return error_set(HWSIM_EINVALID, name, operation->name, "%s must be from %s to %s, got %s",
                       limits[i].name, NUMBER(limits[i].lowest), NUMBER(limits[i].highest),
                       NUMBER(limits[i].value));
  if (!table != !length || length == 1 || length > HWSIM_FUNCTION_LARGEST)
    return error_set(HWSIM_EINVALID, name, operation->name,
                     "function must have from 2 to %d values, got %zu", HWSIM_FUNCTION_LARGEST,
                     length);
  for (size_t i = 0; i < length; i++)
    if (!(fabs(table[i]) <= 1e6)) {
      hwsim_output_scale scale = outputs_scale(device, connection->output);
      double volts =
          scale.lowest_v + (scale.highest_v - scale.lowest_v) * (double)i / (double)(length - 1);
      return error_set(HWSIM_EINVALID, name, operation->name,
                       "function must return numbers from -1e6 to 1e6, got %s at %s V",
                       NUMBER(table[i]), NUMBER(volts));
    }
  return HWSIM_OK;
}

static signal_source *new_source(const hwsim_device *device, const hwsim_connection *connection,
                                 const double *function, size_t length) {
  hwsim_output_scale scale = outputs_scale(device, connection->output);
  response config = {.gain = connection->gain,
                     .offset_v = connection->offset_v,
                     .tau_ns = connection->tau_s * 1e9,
                     .delay_ns = connection->delay_ns,
                     .lowest_v = scale.lowest_v,
                     .highest_v = scale.highest_v,
                     .table_length = length};
  hwsim_link link = {.gain = connection->gain,
                     .offset_v = connection->offset_v,
                     .delay_ns = connection->delay_ns,
                     .tau_s = connection->tau_s,
                     .noise_v = connection->noise_v,
                     .has_function = length > 0};
  strcpy(link.from, device->config.name);
  strncpy(link.output, device->model->outputs[connection->output].name, sizeof link.output - 1);
  response *driven = response_new(&config, function);
  signal_source *source = driven ? signal_driven(driven, &link) : NULL;
  if (driven && !source)
    response_free(driven);
  return source;
}

static hwsim_error check_open(hwsim_device *device) {
  hwsim_error error = timeline_lock(device, OPERATION(device, connect));
  if (!error)
    timeline_unlock(device);
  return error;
}

/* Whether an output of the device can drive a channel of another one. */
static hwsim_error check_target(hwsim_device *device, hwsim_device *to) {
  hwsim_error error = check_open(device);
  if (!error)
    error = check_open(to);
  if (error || timeline_is_one(device, to))
    return error;
  return error_set(HWSIM_EINVALID, device->config.name, OPERATION(device, connect)->name,
                   "to must be on the same clock, which %s is not; open both with one that has a "
                   "name, such as clock=virtual:bench",
                   to->config.name);
}

hwsim_error hwsim_output_connect(hwsim_device *device, hwsim_device *to, uint32_t channel,
                                 const hwsim_connection *connection, const double *function_v,
                                 size_t function_length) {
  const hwsim_operation *operation = OPERATION(device, connect);
  uint32_t output = connection->output;
  to = to ? to : device;
  hwsim_error error = outputs_check(device, operation, output);
  if (!error)
    error = converters_check_channel(to, operation, channel);
  if (!error)
    error = check(device, operation, connection, function_v, function_length);
  if (!error)
    error = check_target(device, to);
  if (error)
    return error;
  signal_source *source = new_source(device, connection, function_v, function_length), *old = NULL;
  if (!source)
    return error_no_memory(device->config.name, operation->name);
  error = timeline_lock(device, operation);
  if (!error && timeline_is_closed(to)) { /* meanwhile */
    timeline_unlock(device);
    error = error_set_plain(HWSIM_ECLOSED, to->config.name, operation->name);
  }
  if (!error) {
    int64_t now_ns = timeline_update(device);
    response_begin(source->driven, device->outputs->volts[output], now_ns);
    if (add_tap(device, (tap){.output = output, .source = source}))
      old = converters_connect(to, channel, signal_retain(source), connection->noise_v);
    else
      error = error_no_memory(device->config.name, operation->name);
    timeline_unlock(device);
  }
  signal_release(error ? source : old);
  return error;
}

hwsim_error hwsim_output_disconnect(hwsim_device *device, uint32_t channel) {
  const hwsim_operation *operation = OPERATION(device, disconnect);
  hwsim_signal connected;
  size_t length;
  hwsim_error error = converters_check_channel(device, operation, channel);
  if (!error)
    error = timeline_lock(device, operation);
  if (error)
    return error;
  timeline_unlock(device); /* it is open, and its error would have the name of this operation */
  error = hwsim_signal_get(device, channel, &connected, &length);
  if (error)
    return error;
  if (connected.waveform != HWSIM_WAVEFORM_OUTPUT)
    return error_set(HWSIM_ESTATE, device->config.name, operation->name,
                     "no output is connected to channel %u", channel);
  error = hwsim_signal_default(device, channel, &connected);
  return error ? error : hwsim_signal_set(device, channel, &connected, NULL, 0);
}

static void list_one(const signal_source *source, hwsim_link *links_out, size_t *count_io) {
  hwsim_link *next = links_out ? &links_out[*count_io] : NULL;
  ++*count_io;
  if (!next)
    return;
  *next = *source->link;
  strcpy(next->to, source->on->config.name);
  next->channel = source->channel;
}

/* How many there are; NULL: they are only counted. Mutex held. */
static size_t list_all(const hwsim_device *device, hwsim_link *links_out) {
  const outputs *self = device->outputs;
  size_t count = 0;
  for (uint32_t i = 0; i < device->config.channels; i++) {
    const signal_source *source = converters_source(device, i);
    if (source->driven && source->on)
      list_one(source, links_out, &count);
  }
  for (size_t i = 0; self && i < self->count; i++)
    if (self->taps[i].source->on && self->taps[i].source->on != device)
      list_one(self->taps[i].source, links_out, &count);
  return count;
}

hwsim_error hwsim_output_list(hwsim_device *device, size_t *count_out, hwsim_link **links_out) {
  const hwsim_operation *operation = OPERATION(device, connections);
  hwsim_error error = timeline_lock_any(device, operation);
  if (error)
    return error;
  size_t count = list_all(device, NULL);
  hwsim_link *links = malloc((count + 1) * sizeof *links);
  if (links)
    list_all(device, links);
  timeline_unlock(device);
  if (!links)
    return error_no_memory(device->config.name, operation->name);
  *count_out = count;
  *links_out = links;
  return HWSIM_OK;
}

hwsim_error hwsim_output_get(hwsim_device *device, uint32_t output, double *volts_out) {
  const hwsim_operation *operation = OPERATION(device, output);
  hwsim_error error = outputs_check(device, operation, output);
  if (!error)
    error = timeline_lock_any(device, operation);
  if (error)
    return error;
  timeline_update(device);
  *volts_out = device->outputs->volts[output];
  timeline_unlock(device);
  return HWSIM_OK;
}

hwsim_output_scale outputs_scale(const hwsim_device *device, uint32_t output) {
  const hwsim_output *says = &device->model->outputs[output];
  double full_v = says->range_v > 0 ? says->range_v : device->config.range_v;
  double lowest_v = says->code == HWSIM_CODE_UNIPOLAR ? 0 : -full_v;
  return (hwsim_output_scale){.lowest_v = lowest_v,
                              .highest_v = full_v - ldexp(full_v - lowest_v, -(int)says->bits),
                              .bits = says->bits};
}

hwsim_error hwsim_output_get_scale(const hwsim_device *device, uint32_t output,
                                   hwsim_output_scale *scale_out) {
  hwsim_error error = outputs_check(device, OPERATION(device, output), output);
  if (!error)
    *scale_out = outputs_scale(device, output);
  return error;
}
