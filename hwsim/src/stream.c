/* Streams: continuous acquisition. Nothing is stored: which samples are there follows from the
 * time, and their values from their indices, so a read only moves a position and generates its
 * samples straight into the caller's memory, without a lock. */
#include "internal.h"

#include <stdlib.h>

struct hwsim_stream {
  /* Constant after the start. */
  hwsim_device *device;
  signal_source **sources;
  code_correction **corrections;
  signal_plan *plans;
  uint32_t channel_count;
  uint64_t rate_uhz; /* micro-hertz: exact arithmetic on times of any length */
  uint64_t buffer, first_index;
  hwsim_overrun overrun;
  int64_t start_ns;

  /* Guarded by the device's mutex. Counted from the start, not from first_index. */
  uint64_t position; /* the next sample to read */
  uint64_t lost;
  uint64_t gap; /* lost right before the position and not reported yet */
  uint64_t end; /* no samples from here on: the total, or where it was stopped */
};

#define NO_END UINT64_MAX

/* Samples since the start at a time, end or not. */
static uint64_t produced(const hwsim_stream *stream, int64_t at_ns) {
  return rate_count(stream->rate_uhz, at_ns - stream->start_ns);
}

static uint64_t available(const hwsim_stream *stream, int64_t at_ns) {
  uint64_t there = produced(stream, at_ns);
  there = there < stream->end ? there : stream->end;
  return there > stream->position ? there - stream->position : 0;
}

/* When `count` samples have been produced. */
static int64_t time_of(const hwsim_stream *stream, uint64_t count) {
  return add_saturated(stream->start_ns, rate_time(stream->rate_uhz, count));
}

/* A reader that lags by more than the buffer has lost the oldest samples. */
static uint64_t overdue(const hwsim_stream *stream, int64_t at_ns) {
  uint64_t there = available(stream, at_ns);
  return there > stream->buffer ? there - stream->buffer : 0;
}

static void drop_overdue(hwsim_stream *stream, int64_t at_ns) {
  uint64_t dropped = overdue(stream, at_ns);
  stream->position += dropped;
  stream->lost += dropped;
  stream->gap += dropped;
  if (dropped)
    events_emit(stream->device, HWSIM_EVENT_OVERRUN, at_ns, 0, (double)dropped);
}

/* --------------------------------------------------------------------------------- start and stop
 * -- */

static hwsim_error check_config(const hwsim_device *device, const hwsim_stream_config *config) {
  const char *name = device->config.name, *operation = "stream";
  if (!(config->rate_hz >= 1e-3 && config->rate_hz <= 1e9))
    return error_set(HWSIM_EINVALID, name, operation, "rate must be from 0.001 to 1e9 Hz, got %g",
                     config->rate_hz);
  if (!config->channel_count || !config->channels)
    return error_set(HWSIM_EINVALID, name, operation, "channels must have at least one channel");
  uint64_t seen = 0;
  for (uint32_t i = 0; i < config->channel_count; i++) {
    uint32_t channel = config->channels[i];
    hwsim_error error = signal_check_channel(device, operation, channel);
    if (error)
      return error;
    if (seen & UINT64_C(1) << channel)
      return error_set(HWSIM_EINVALID, name, operation, "channels has channel %u twice", channel);
    seen |= UINT64_C(1) << channel;
  }
  if (!config->buffer || config->buffer > UINT64_C(1) << 40)
    return error_set(HWSIM_EINVALID, name, operation,
                     "buffer must be from 1 to 2^40 samples, got %llu",
                     (unsigned long long)config->buffer);
  if (config->first_index > UINT64_C(1) << 62 || config->total > UINT64_C(1) << 62)
    return error_set(HWSIM_EINVALID, name, operation,
                     "first_index and total must be at most 2^62, got %llu and %llu",
                     (unsigned long long)config->first_index, (unsigned long long)config->total);
  if (config->overrun != HWSIM_OVERRUN_ERROR && config->overrun != HWSIM_OVERRUN_SKIP)
    return error_set(HWSIM_EINVALID, name, operation, "there is no overrun policy %d",
                     (int)config->overrun);
  return HWSIM_OK;
}

static void destroy(hwsim_stream *stream) {
  for (uint32_t i = 0; stream->sources && i < stream->channel_count; i++)
    signal_release(stream->sources[i]);
  for (uint32_t i = 0; stream->corrections && i < stream->channel_count; i++)
    correction_release(stream->corrections[i]);
  free(stream->sources);
  free(stream->corrections);
  free(stream->plans);
  free(stream);
}

static hwsim_stream *allocate(const hwsim_stream_config *config) {
  hwsim_stream *stream = calloc(1, sizeof *stream);
  if (!stream)
    return NULL;
  stream->channel_count = config->channel_count;
  stream->rate_uhz = (uint64_t)(config->rate_hz * 1e6 + 0.5);
  stream->buffer = config->buffer;
  stream->first_index = config->first_index;
  stream->overrun = config->overrun;
  stream->end = config->total ? config->total : NO_END;
  stream->sources = calloc(config->channel_count, sizeof *stream->sources);
  stream->corrections = calloc(config->channel_count, sizeof(code_correction *));
  stream->plans = calloc(config->channel_count, sizeof *stream->plans);
  if (!stream->sources || !stream->corrections || !stream->plans) {
    destroy(stream);
    return NULL;
  }
  return stream;
}

hwsim_error hwsim_stream_start(hwsim_device *device, const hwsim_stream_config *config,
                               hwsim_stream **stream_out) {
  hwsim_error error = check_config(device, config);
  if (error)
    return error;
  hwsim_stream *stream = allocate(config);
  if (!stream)
    return error_no_memory(device->config.name, "stream");
  error = device_lock(device, "stream");
  if (error) {
    destroy(stream);
    return error;
  }
  if (!registers_converters_enabled(device)) {
    device_unlock(device);
    destroy(stream);
    return error_set(HWSIM_ESTATE, device->config.name, "stream",
                     "the converters are disabled; set bit 0 of CONTROL");
  }
  stream->start_ns = clock_now(device);
  for (uint32_t i = 0; i < config->channel_count; i++) {
    uint32_t channel = config->channels[i];
    stream->sources[i] = signal_retain(device->channels[channel].source);
    stream->plans[i] =
        signal_plan_for(stream->sources[i], device->config.seed, channel, config->rate_hz);
    stream->corrections[i] = correction_retain(device->channels[channel].correction);
    stream->plans[i].correction = stream->corrections[i];
  }
  stream->device = hwsim_device_retain(device);
  device_unlock(device);
  *stream_out = stream;
  return HWSIM_OK;
}

void hwsim_stream_stop(hwsim_stream *stream) {
  hwsim_device *device = stream->device;
  if (device_lock_any(device, "stop"))
    return; /* in a forked child: it is the parent's */
  int64_t now_ns = clock_now(device);
  if (!device->closed)
    bus_settle(device, now_ns);
  uint64_t there = produced(stream, now_ns);
  if (there < stream->end)
    stream->end = there > stream->position ? there : stream->position;
  bus_ask_armed(device, now_ns);
  device_unlock(device);
}

void hwsim_stream_free(hwsim_stream *stream) {
  if (!stream)
    return;
  hwsim_stream_stop(stream);
  hwsim_device_free(stream->device);
  destroy(stream);
}

uint32_t hwsim_stream_channel_count(const hwsim_stream *stream) { return stream->channel_count; }

double hwsim_stream_volts_per_code(const hwsim_stream *stream, uint32_t i) {
  return i < stream->channel_count ? signal_volts_per_code(stream->sources[i]) : 0;
}

/* ------------------------------------------------------------------------------------ generating
 * -- */

/* Codes are made in pieces that stay in the nearest cache on their way to the caller's memory. */
enum { PIECE = 4096, UNINTERRUPTED = 1 << 22 };

static void spread(const int16_t *codes, size_t count, double volts_per_code, hwsim_format format,
                   void *data_out, size_t stride) {
  int16_t *as_int16 = data_out;
  float *as_float = data_out, factor = (float)volts_per_code;
  double *as_double = data_out;
  switch (format) {
  case HWSIM_FORMAT_INT16:
    for (size_t i = 0; i < count; i++)
      as_int16[i * stride] = codes[i];
    break;
  case HWSIM_FORMAT_FLOAT32:
    for (size_t i = 0; i < count; i++)
      as_float[i * stride] = (float)codes[i] * factor;
    break;
  case HWSIM_FORMAT_FLOAT64:
    for (size_t i = 0; i < count; i++)
      as_double[i * stride] = codes[i] * volts_per_code;
    break;
  }
}

static size_t size_of(hwsim_format format) {
  static const size_t sizes[] = {sizeof(int16_t), sizeof(float), sizeof(double)};
  return sizes[format];
}

static void generate(const hwsim_stream *stream, hwsim_format format, uint64_t index, size_t count,
                     char *data_out) {
  size_t channels = stream->channel_count, size = size_of(format);
  if (channels == 1 && format == HWSIM_FORMAT_INT16) {
    signal_codes(&stream->plans[0], index, count, (int16_t *)(void *)data_out);
    return;
  }
  int16_t codes[PIECE];
  for (size_t done = 0, part; done < count; done += part) {
    part = count - done < PIECE ? count - done : PIECE;
    for (size_t i = 0; i < channels; i++) {
      signal_codes(&stream->plans[i], index + done, part, codes);
      spread(codes, part, signal_volts_per_code(stream->sources[i]), format,
             data_out + (done * channels + i) * size, channels);
    }
  }
}

/* About what one value costs; the hooks decide by it whether to let others run meanwhile. */
#define VALUE_NS 1

/* False: interrupted by the caller's hooks. */
static bool generate_all(const hwsim_stream *stream, hwsim_format format, const hwsim_block *block,
                         char *data_out) {
  size_t channels = stream->channel_count, step = UNINTERRUPTED / channels + 1;
  bool interrupted = false;
  const hwsim_hooks *entered = clock_begin_work((int64_t)(block->count * channels * VALUE_NS));
  int64_t poll_at_ns = block->count > step ? clock_monotonic_ns() : FOREVER;
  for (size_t done = 0, part; done < block->count && !interrupted; done += part) {
    part = block->count - done < step ? block->count - done : step;
    generate(stream, format, stream->first_index + block->first_index + done, part,
             data_out + done * channels * size_of(format));
    interrupted = poll_at_ns != FOREVER && clock_interrupted(&poll_at_ns);
  }
  clock_end_work(entered);
  return !interrupted;
}

/* ----------------------------------------------------------------------------------------- reading
 * -- */

typedef struct read_op {
  op base;
  hwsim_stream *stream;
  uint64_t count;
  hwsim_block block; /* first_index counted from the start */
} read_op;

static hwsim_error apply_read(hwsim_device *device, op *base, int64_t at_ns);

/* Readers wait in the order of their calls. */
static const op *first_reader(const hwsim_stream *stream) {
  const op *other = stream->device->armed.first;
  while (other && (other->apply != apply_read || ((const read_op *)other)->stream != stream))
    other = other->next;
  return other;
}

static void take(read_op *self, uint64_t count) {
  hwsim_stream *stream = self->stream;
  self->block =
      (hwsim_block){.first_index = stream->position, .count = (size_t)count, .lost = stream->gap};
  stream->position += count;
  stream->gap = 0;
}

static hwsim_error apply_read(hwsim_device *device, op *base, int64_t at_ns) {
  (void)device;
  read_op *self = (read_op *)base;
  hwsim_stream *stream = self->stream;
  int64_t earliest_ns = add_saturated(base->start_ns, base->cost_ns); /* a spike */
  base->wake_ns = FOREVER;
  if (base->fault == HWSIM_FAULT_TIMEOUT || first_reader(stream) != base)
    return OP_ARMED;
  if (at_ns <= base->start_ns) {
    drop_overdue(stream, at_ns);
    if (stream->gap && stream->overrun == HWSIM_OVERRUN_ERROR) {
      self->block.lost = stream->gap;
      stream->gap = 0; /* told */
      return HWSIM_EOVERRUN;
    }
  }
  uint64_t left = stream->end > stream->position ? stream->end - stream->position : 0;
  uint64_t wanted = self->count < left ? self->count : left;
  int64_t due_ns = time_of(stream, stream->position + wanted);
  due_ns = due_ns > earliest_ns ? due_ns : earliest_ns;
  if (at_ns < due_ns) {
    base->wake_ns = due_ns;
    return OP_ARMED;
  }
  take(self, wanted);
  return HWSIM_OK;
}

/* After a failure: what was there already, without taking it. Mutex not held. */
static void look(read_op *self) {
  hwsim_stream *stream = self->stream;
  hwsim_device *device = stream->device;
  self->block.count = 0;
  if (device_is_forked(device) || device_lock_any(device, "read"))
    return;
  int64_t now_ns = clock_now(device);
  if (!first_reader(stream))
    drop_overdue(stream, now_ns);
  uint64_t there = available(stream, now_ns);
  self->block.first_index = stream->position;
  self->block.count = (size_t)(there < self->count ? there : self->count);
  device_unlock(device);
}

/* The caller was interrupted while its samples were generated: gives them back if no one has read
 * on meanwhile, and otherwise counts them as lost. */
static hwsim_error give_back(read_op *self) {
  hwsim_stream *stream = self->stream;
  const char *name = stream->device->config.name;
  if (device_lock_any(stream->device, "read"))
    return HWSIM_EFORKED;
  if (stream->position == self->block.first_index + self->block.count) {
    stream->position = self->block.first_index;
    stream->gap = self->block.lost;
  } else {
    stream->lost += self->block.count;
  }
  device_unlock(stream->device);
  return error_set(HWSIM_ECANCELLED, name, "read", "%s", hwsim_error_message(HWSIM_ECANCELLED));
}

/* The device's default timeout counts from when the samples should be there. */
static hwsim_error resolve_timeout(const read_op *self, hwsim_call *call) {
  if (call->timeout_ns != HWSIM_TIMEOUT_DEFAULT)
    return HWSIM_OK;
  const hwsim_stream *stream = self->stream;
  hwsim_device *device = stream->device;
  hwsim_error error = device_lock_any(device, "read");
  if (error)
    return error;
  int64_t now_ns = clock_now(device);
  uint64_t dropped = first_reader(stream) ? 0 : overdue(stream, now_ns);
  uint64_t last = stream->position + dropped + self->count;
  for (const op *other = device->armed.first; other; other = other->next)
    if (other->apply == apply_read && ((const read_op *)other)->stream == stream)
      last += ((const read_op *)other)->count;
  int64_t due_ns = time_of(stream, last);
  call->timeout_ns = add_saturated(device->timeout_ns, due_ns > now_ns ? due_ns - now_ns : 0);
  device_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_stream_read(hwsim_stream *stream, hwsim_format format, size_t count,
                              const hwsim_call *call, void *data_out, hwsim_block *block_out) {
  const char *name = stream->device->config.name;
  if (!count)
    return error_set(HWSIM_EINVALID, name, "read", "count must be at least 1, got 0");
  if ((unsigned)format > HWSIM_FORMAT_FLOAT64)
    return error_set(HWSIM_EINVALID, name, "read", "there is no format %d", (int)format);
  read_op self = {.base = {.name = "read", .apply = apply_read, .timed = true},
                  .stream = stream,
                  .count = count};
  hwsim_call options = call ? *call : (hwsim_call){.timeout_ns = HWSIM_TIMEOUT_DEFAULT};
  hwsim_error error = resolve_timeout(&self, &options);
  if (!error)
    error = bus_run_armed(stream->device, &self.base, &options);
  if (error) {
    look(&self);
    if (self.block.lost)
      error_set(error, name, "read",
                "%llu samples were lost: they were not read in time; read more often, or use a "
                "larger buffer",
                (unsigned long long)self.block.lost);
  }
  if (self.block.count && !generate_all(stream, format, &self.block, data_out)) {
    if (!error)
      error = give_back(&self);
    self.block.count = 0;
  }
  *block_out = self.block;
  block_out->first_index += stream->first_index;
  return error;
}

hwsim_error hwsim_stream_get_status(hwsim_stream *stream, hwsim_stream_status *status_out) {
  hwsim_device *device = stream->device;
  hwsim_error error = device_lock_any(device, "status");
  if (error)
    return error;
  int64_t now_ns = clock_now(device);
  if (!device->closed)
    bus_settle(device, now_ns);
  uint64_t dropped = first_reader(stream) ? 0 : overdue(stream, now_ns);
  *status_out =
      (hwsim_stream_status){.available = available(stream, now_ns) - dropped,
                            .read = stream->position - stream->lost,
                            .lost = stream->lost + dropped,
                            .running = !device->closed && produced(stream, now_ns) < stream->end};
  device_unlock(device);
  return HWSIM_OK;
}
