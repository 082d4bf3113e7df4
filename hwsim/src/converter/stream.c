/* Streams: continuous acquisition. Nothing is stored: which samples are there follows from the
 * time, and their values from their indices, so a read only moves a position and generates its
 * samples straight into the caller's memory, without a lock. */
#include "base/error.h"
#include "base/handle.h"
#include "base/rate.h"
#include "base/text.h"
#include "converter/signal.h"
#include "events/occurrence.h"
#include "timeline/bus.h"
#include "timeline/call.h"
#include "timeline/hooks.h"

#include <stdlib.h>
#include <string.h>

struct hwsim_stream {
  /* Constant after the start. */
  hwsim_device *device;
  channel_view *views;
  signal_plan *plans;
  uint32_t channel_count;
  bool driven;       /* an output drives one of its channels */
  uint64_t rate_nhz; /* nano-hertz: exact arithmetic on times of any length */
  uint64_t buffer, first_index;
  hwsim_overrun overrun;
  int64_t start_ns;

  /* Guarded by the device's mutex. Counted from the start, not from first_index. */
  uint64_t position; /* the next sample to read */
  uint64_t lost;
  uint64_t gap;  /* lost right before the position and not reported yet */
  uint64_t end;  /* no samples from here on: the total, or where it was stopped */
  topic readers; /* who wait, in the order of their calls */
};

#define NO_END UINT64_MAX

/* Samples since the start at a time, end or not. */
static uint64_t produced(const hwsim_stream *stream, int64_t at_ns) {
  return at_ns > stream->start_ns ? rate_count(stream->rate_nhz, at_ns - stream->start_ns) : 0;
}

static uint64_t available(const hwsim_stream *stream, int64_t at_ns) {
  uint64_t there = produced(stream, at_ns);
  there = there < stream->end ? there : stream->end;
  return there > stream->position ? there - stream->position : 0;
}

/* When `count` samples have been produced. */
static int64_t time_of(const hwsim_stream *stream, uint64_t count) {
  return add_saturated(stream->start_ns, rate_time(stream->rate_nhz, count));
}

/* What an output has made of a channel is known for so long: samples by then are lost. */
static int64_t driven_ns(const hwsim_stream *stream) {
  int64_t forgotten_ns = 0;
  for (uint32_t i = 0; stream->driven && i < stream->channel_count; i++) {
    const response *driven = stream->views[i].source->driven;
    int64_t by_ns = driven ? response_forgotten_ns(driven) : 0;
    forgotten_ns = by_ns > forgotten_ns ? by_ns : forgotten_ns;
  }
  return forgotten_ns;
}

/* A reader that lags by more than the buffer has lost the oldest samples; and whoever has not read
 * them when the power fails has lost all, with those that would have come until it is back. */
static uint64_t overdue(const hwsim_stream *stream, int64_t at_ns) {
  uint64_t there = available(stream, at_ns);
  uint64_t forgotten = available(stream, bus_forgotten_ns(stream->device, at_ns));
  uint64_t unknown = available(stream, driven_ns(stream));
  uint64_t too_many = there > stream->buffer ? there - stream->buffer : 0;
  too_many = unknown > too_many ? unknown : too_many;
  return forgotten > too_many ? forgotten : too_many;
}

static void drop(hwsim_stream *stream, uint64_t dropped, int64_t at_ns) {
  stream->position += dropped;
  stream->lost += dropped;
  stream->gap += dropped;
  if (dropped)
    observers_tell(
        stream->device,
        &(occurrence){.kind = HWSIM_EVENT_OVERRUN, .at_ns = at_ns, .value = (double)dropped});
}

static void drop_overdue(hwsim_stream *stream, int64_t at_ns) {
  drop(stream, overdue(stream, at_ns), at_ns);
}

/* ---------------------------------------------------------------------------- start and stop -- */

static hwsim_error check_config(const hwsim_device *device, const hwsim_stream_config *config) {
  const hwsim_operation *row = OPERATION(device, stream);
  const char *name = device->config.name, *operation = row->name;
  if (!(config->rate_hz >= 1e-3 && config->rate_hz <= 1e9))
    return error_set(HWSIM_EINVALID, name, operation, "rate must be from 0.001 to 1e9 Hz, got %s",
                     NUMBER(config->rate_hz));
  if (!config->channel_count || !config->channels)
    return error_set(HWSIM_EINVALID, name, operation, "channels must have at least one channel");
  uint64_t seen = 0;
  for (uint32_t i = 0; i < config->channel_count; i++) {
    uint32_t channel = config->channels[i];
    hwsim_error error = converters_check_channel(device, row, channel);
    if (error)
      return error;
    if (seen & UINT64_C(1) << channel)
      return error_set(HWSIM_EINVALID, name, operation, "channels has channel %u twice", channel);
    seen |= UINT64_C(1) << channel;
  }
  if (!config->buffer || config->buffer > HWSIM_STREAM_LARGEST_BUFFER)
    return error_set(
        HWSIM_EINVALID, name, operation, "buffer must be from 1 to %llu samples, got %llu",
        (unsigned long long)HWSIM_STREAM_LARGEST_BUFFER, (unsigned long long)config->buffer);
  bool is_late = config->first_index > HWSIM_STREAM_LARGEST_INDEX;
  if (is_late || config->total > HWSIM_STREAM_LARGEST_INDEX)
    return error_set(HWSIM_EINVALID, name, operation, "%s must be from 0 to 2^62, got %llu",
                     is_late ? "first_index" : "total",
                     (unsigned long long)(is_late ? config->first_index : config->total));
  if (config->overrun != HWSIM_OVERRUN_ERROR && config->overrun != HWSIM_OVERRUN_SKIP)
    return error_set(HWSIM_EINVALID, name, operation, "there is no overrun policy %d",
                     (int)config->overrun);
  return HWSIM_OK;
}

static void destroy(hwsim_stream *stream) {
  for (uint32_t i = 0; stream->views && i < stream->channel_count; i++)
    channel_release(&stream->views[i]);
  free(stream->views);
  free(stream->plans);
  free(stream);
}

static hwsim_stream *allocate(const hwsim_stream_config *config) {
  hwsim_stream *stream = calloc(1, sizeof *stream);
  if (!stream)
    return NULL;
  stream->channel_count = config->channel_count;
  stream->rate_nhz = (uint64_t)rate_from_hz(config->rate_hz);
  stream->buffer = config->buffer;
  stream->first_index = config->first_index;
  stream->overrun = config->overrun;
  stream->end = config->total ? config->total : NO_END;
  topic_init(&stream->readers, true);
  stream->views = calloc(config->channel_count, sizeof *stream->views);
  stream->plans = calloc(config->channel_count, sizeof *stream->plans);
  if (!stream->views || !stream->plans) {
    destroy(stream);
    return NULL;
  }
  return stream;
}

hwsim_error hwsim_stream_start(hwsim_device *device, const hwsim_stream_config *config,
                               hwsim_stream **stream_out) {
  const hwsim_operation *operation = OPERATION(device, stream);
  hwsim_error error = check_config(device, config);
  if (error)
    return error;
  hwsim_stream *stream = allocate(config);
  if (!stream)
    return error_no_memory(device->config.name, operation->name);
  error = timeline_lock(device, operation);
  if (error) {
    destroy(stream);
    return error;
  }
  stream->start_ns = timeline_update(device);
  bool off = bus_is_off(device);
  if (off || !converters_are_enabled(device)) {
    timeline_unlock(device);
    destroy(stream);
    return off ? error_set_plain(HWSIM_EDISCONNECTED, device->config.name, operation->name)
               : converters_say_disabled(device, operation);
  }
  for (uint32_t i = 0; i < config->channel_count; i++) {
    stream->views[i] = converters_view(device, config->channels[i]);
    stream->plans[i] =
        converters_plan(device, config->channels[i], config->rate_hz, stream->start_ns);
    stream->plans[i].driven.first = config->first_index;
    stream->plans[i].driven.count = 0; /* they change: each block has its own */
    if (stream->views[i].source->driven) {
      stream->views[i].source->driven->readers++;
      stream->driven = true;
    }
  }
  stream->device = handle_retain(device);
  timeline_unlock(device);
  *stream_out = stream;
  return HWSIM_OK;
}

void hwsim_stream_stop(hwsim_stream *stream) {
  hwsim_device *device = stream->device;
  if (timeline_lock_any(device, OPERATION(stream, stop)))
    return; /* in a forked child: it is the parent's */
  int64_t now_ns = timeline_update(device);
  uint64_t there = produced(stream, now_ns);
  if (there < stream->end)
    stream->end = there > stream->position ? there : stream->position;
  topic_touch(device, &stream->readers);
  timeline_unlock(device);
}

/* Outputs need not keep for it what they have driven. */
static void forget(hwsim_stream *stream) {
  if (timeline_lock_any(stream->device, OPERATION(stream, stop)))
    return;
  for (uint32_t i = 0; i < stream->channel_count; i++)
    if (stream->views[i].source->driven)
      stream->views[i].source->driven->readers--;
  timeline_unlock(stream->device);
}

void hwsim_stream_free(hwsim_stream *stream) {
  if (!stream)
    return;
  hwsim_stream_stop(stream);
  if (stream->driven)
    forget(stream);
  handle_release(stream->device);
  destroy(stream);
}

uint32_t hwsim_stream_channel_count(const hwsim_stream *stream) { return stream->channel_count; }

double hwsim_stream_volts_per_code(const hwsim_stream *stream, uint32_t i) {
  return i < stream->channel_count ? signal_volts_per_code(stream->views[i].source) : 0;
}

int64_t hwsim_stream_start_ns(const hwsim_stream *stream) { return stream->start_ns; }

/* -------------------------------------------------------------------------------- generating -- */

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

static void generate(const hwsim_stream *stream, const signal_plan *plans, hwsim_format format,
                     uint64_t index, size_t count, char *data_out) {
  size_t channels = stream->channel_count, size = size_of(format);
  if (channels == 1 && format == HWSIM_FORMAT_INT16) {
    signal_codes(&plans[0], index, count, (int16_t *)(void *)data_out);
    return;
  }
  int16_t codes[PIECE];
  for (size_t done = 0, part; done < count; done += part) {
    part = count - done < PIECE ? count - done : PIECE;
    for (size_t i = 0; i < channels; i++) {
      signal_codes(&plans[i], index + done, part, codes);
      spread(codes, part, signal_volts_per_code(stream->views[i].source), format,
             data_out + (done * channels + i) * size, channels);
    }
  }
}

/* About what one value costs; the hooks decide by it whether to let others run meanwhile. */
#define VALUE_NS 1

/* False: interrupted by the caller's hooks, or cancelled. The token may be NULL. */
static bool generate_all(const hwsim_stream *stream, const signal_plan *plans, hwsim_format format,
                         const hwsim_block *block, const hwsim_cancel *cancel, char *data_out) {
  size_t channels = stream->channel_count, step = UNINTERRUPTED / channels + 1;
  bool interrupted = false;
  const hwsim_hooks *entered = hooks_enter((int64_t)(block->count * channels * VALUE_NS));
  int64_t poll_at_ns = block->count > step ? monotonic_ns() : FOREVER;
  for (size_t done = 0, part; done < block->count && !interrupted; done += part) {
    part = block->count - done < step ? block->count - done : step;
    generate(stream, plans, format, stream->first_index + block->first_index + done, part,
             data_out + done * channels * size_of(format));
    interrupted = poll_at_ns != FOREVER && hooks_interrupted(&poll_at_ns);
    interrupted |= cancel && done + part < block->count && hwsim_cancel_is_set(cancel);
  }
  hooks_leave(entered);
  return !interrupted;
}

/* ----------------------------------------------------------------------------------- reading -- */

typedef struct read_op {
  op base;
  hwsim_stream *stream;
  uint64_t count;
  hwsim_block block; /* first_index counted from the start */
  /* What outputs do to the channels in this block, which changes meanwhile; NULL: nothing. The
   * plans, and behind them the pieces. */
  signal_plan *plans;
} read_op;

/* Of `count` samples at the position. False: no memory. */
static bool keep_driven(read_op *self, uint64_t count) {
  const hwsim_stream *stream = self->stream;
  if (!stream->driven || !count)
    return true;
  int64_t from_ns = time_of(stream, stream->position + 1) - 1;
  int64_t to_ns = time_of(stream, stream->position + count);
  size_t channels = stream->channel_count, pieces = 0;
  sampled found[64];
  for (size_t i = 0; i < channels; i++) {
    found[i] = stream->plans[i].driven;
    if (stream->views[i].source->driven)
      response_pieces(stream->views[i].source->driven, from_ns, to_ns, &found[i]);
    pieces += found[i].count;
  }
  self->plans = malloc(channels * sizeof *self->plans + pieces * sizeof(piece));
  if (!self->plans)
    return false;
  piece *next = (piece *)(void *)(self->plans + channels);
  for (size_t i = 0; i < channels; i++) {
    size_t size = found[i].count * sizeof *next;
    self->plans[i] = stream->plans[i];
    self->plans[i].driven = found[i];
    self->plans[i].driven.pieces = size ? memcpy(next, found[i].pieces, size) : NULL;
    next += found[i].count;
  }
  return true;
}

static void drop_read(op *base) { free(((read_op *)base)->plans); }

static void take(read_op *self, uint64_t count) {
  hwsim_stream *stream = self->stream;
  self->block =
      (hwsim_block){.first_index = stream->position, .count = (size_t)count, .lost = stream->gap};
  stream->position += count;
  stream->gap = 0;
}

static hwsim_error apply_read(hwsim_device *device, op *base, int64_t at_ns) {
  read_op *self = (read_op *)base;
  hwsim_stream *stream = self->stream;
  int64_t earliest_ns = add_saturated(base->start_ns, base->cost_ns); /* a spike */
  base->wake_ns = FOREVER;
  if (base->fate.unanswered || topic_first(&stream->readers) != base)
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
  if (due_ns == FOREVER)
    return HWSIM_ETIMEOUT; /* nobody lives to see it */
  due_ns = due_ns > earliest_ns ? due_ns : earliest_ns;
  if (at_ns < due_ns) {
    base->wake_ns = due_ns;
    return OP_ARMED;
  }
  if (at_ns > base->start_ns && available(stream, driven_ns(stream))) {
    drop(stream, available(stream, driven_ns(stream)), at_ns); /* while it waited */
    if (stream->overrun == HWSIM_OVERRUN_ERROR) {
      self->block.lost = stream->gap;
      stream->gap = 0;
      return HWSIM_EOVERRUN;
    }
    return apply_read(device, base, at_ns);
  }
  if (!keep_driven(self, wanted))
    return HWSIM_ENOMEM;
  take(self, wanted);
  return HWSIM_OK;
}

/* After a failure: what was there already, without taking it. Mutex not held. */
static void look(read_op *self) {
  hwsim_stream *stream = self->stream;
  hwsim_device *device = stream->device;
  self->block.count = 0;
  if (handle_is_forked(device) || timeline_lock_any(device, OPERATION(stream, read)))
    return;
  int64_t now_ns = timeline_now(device);
  if (!topic_first(&stream->readers))
    drop_overdue(stream, now_ns);
  uint64_t there = available(stream, now_ns);
  self->block.first_index = stream->position;
  self->block.count = (size_t)(there < self->count ? there : self->count);
  if (!keep_driven(self, self->block.count))
    self->block.count = 0;
  timeline_unlock(device);
}

/* The caller was interrupted or cancelled while its samples were generated: gives them back if no
 * one has read on meanwhile, and otherwise counts them as lost. */
static hwsim_error give_back(read_op *self) {
  hwsim_stream *stream = self->stream;
  const char *name = stream->device->config.name;
  if (timeline_lock_any(stream->device, OPERATION(stream, read)))
    return HWSIM_EFORKED;
  if (stream->position == self->block.first_index + self->block.count) {
    stream->position = self->block.first_index;
    stream->gap = self->block.lost;
  } else {
    stream->lost += self->block.count;
  }
  timeline_unlock(stream->device);
  return error_set_plain(HWSIM_ECANCELLED, name, OPERATION(stream, read)->name);
}

/* The device's default timeout counts from when the samples should be there. */
static hwsim_error resolve_timeout(const read_op *self, hwsim_call *call) {
  if (call->timeout_ns != HWSIM_TIMEOUT_DEFAULT)
    return HWSIM_OK;
  const hwsim_stream *stream = self->stream;
  hwsim_device *device = stream->device;
  hwsim_error error = timeline_lock_any(device, OPERATION(stream, read));
  if (error)
    return error;
  int64_t now_ns = timeline_now(device);
  uint64_t dropped = topic_first(&stream->readers) ? 0 : overdue(stream, now_ns);
  uint64_t last = stream->position + dropped + self->count;
  for (const op *other = topic_first(&stream->readers); other;
       other = topic_next(&stream->readers, other))
    last += ((const read_op *)other)->count;
  int64_t due_ns = time_of(stream, last);
  int64_t rest_ns = due_ns > now_ns ? earlier(due_ns, END_NS) - now_ns : 0;
  call->timeout_ns = time_after(bus_default_timeout(device), rest_ns);
  timeline_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_stream_read(hwsim_stream *stream, hwsim_format format, size_t count,
                              const hwsim_call *call, void *data_out, hwsim_block *block_out) {
  static const op_kind kind = {.row = OPERATION(stream, read),
                               .apply = apply_read,
                               .drop = drop_read,
                               .off_bus = true,
                               .timed = true};
  const char *name = stream->device->config.name, *operation = kind.row->name;
  if (!count)
    return error_set(HWSIM_EINVALID, name, operation, "count must be at least 1, got 0");
  if ((unsigned)format > HWSIM_FORMAT_FLOAT64)
    return error_set(HWSIM_EINVALID, name, operation, "there is no format %d", (int)format);
  read_op self;
  op_prepare(&self.base, &kind);
  self.base.topic = &stream->readers;
  self.stream = stream;
  self.count = count;
  self.block = (hwsim_block){0};
  self.plans = NULL;
  hwsim_call options = call ? *call : (hwsim_call){.timeout_ns = HWSIM_TIMEOUT_DEFAULT};
  hwsim_error error = resolve_timeout(&self, &options);
  if (!error)
    error = call_run(stream->device, &self.base, sizeof self, &options);
  if (error == HWSIM_EPENDING)
    return error;
  if (error) {
    look(&self);
    if (error == HWSIM_ETIMEOUT && options.timeout_ns == HWSIM_TIMEOUT_NEVER)
      error_set(error, name, operation, "the device's clock ends before the last sample comes");
    if (self.block.lost)
      error_set(error, name, operation,
                "%llu samples were lost: they were not read in time, or the device had no power; "
                "read more often, or use a larger buffer",
                (unsigned long long)self.block.lost);
  }
  const hwsim_cancel *cancel =
      error ? NULL : options.cancel; /* a failed read shows what is there */
  const signal_plan *plans = self.plans ? self.plans : stream->plans;
  if (self.block.count && !generate_all(stream, plans, format, &self.block, cancel, data_out)) {
    if (!error)
      error = give_back(&self);
    self.block.count = 0;
  }
  free(self.plans);
  *block_out = self.block;
  block_out->first_index += stream->first_index;
  return error;
}

hwsim_error hwsim_stream_get_status(hwsim_stream *stream, hwsim_stream_status *status_out) {
  hwsim_device *device = stream->device;
  hwsim_error error = timeline_lock_any(device, OPERATION(stream, status));
  if (error)
    return error;
  int64_t now_ns = timeline_update(device);
  uint64_t dropped = topic_first(&stream->readers) ? 0 : overdue(stream, now_ns);
  *status_out = (hwsim_stream_status){.available = available(stream, now_ns) - dropped,
                                      .read = stream->position - stream->lost,
                                      .lost = stream->lost + dropped,
                                      .running = !timeline_is_closed(device) &&
                                                 produced(stream, now_ns) < stream->end};
  timeline_unlock(device);
  return HWSIM_OK;
}
