/* Thresholds: a comparator for each channel. Its crossings follow from the samples, which follow
 * from the time, so the next one can be found before it happens. Where it can be is computed; only
 * there it is looked for. */
#include "converter/threshold.h"

#include "base/error.h"
#include "base/handle.h"
#include "base/rate.h"
#include "base/text.h"
#include "converter/reach.h"
#include "converter/signal.h"
#include "events/subscription.h"
#include "timeline/bus.h"

#include <stdlib.h>

enum {
  LOOK_AHEAD = 1 << 16, /* samples that are searched at once, in a moment */
  SHORTEST_PIECE = 16,
  PIECE = 2048
};

typedef struct comparator {
  bool enabled;
  double level_v, hysteresis_v;
  int64_t base_ns;  /* when the signal began */
  uint64_t n;       /* the next sample to look at; may be in the future, or NO_SAMPLE */
  uint64_t since;   /* where the search began that has not found a crossing */
  bool reaches;     /* `rise` and `fall` are those of the present signal */
  reach rise, fall; /* where the output may go high, and low */
  bool known;       /* a sample has been looked at, and `high` says something */
  int64_t known_ns; /* when that sample comes, or came */
  bool high;        /* its output */
  bool found;       /* sample n - 1 will change it */
  double found_v;
} comparator;

struct comparators {
  producer producer;
  comparator *all; /* of each channel; NULL: none was ever set */
};

static comparator *comparator_of(const hwsim_device *device, uint32_t channel) {
  return &device->comparators->all[channel];
}

static uint64_t rate_nhz(const hwsim_device *device) {
  return (uint64_t)rate_from_hz(device->config.sample_rate_hz);
}

/* When sample n of a comparator is there; a stream started with it would have it then. */
static int64_t sample_time(const hwsim_device *device, const comparator *self, uint64_t n) {
  return add_saturated(self->base_ns, rate_time(rate_nhz(device), n + 1));
}

static uint64_t samples_by(const hwsim_device *device, const comparator *self, int64_t at_ns) {
  return rate_count(rate_nhz(device), at_ns - self->base_ns);
}

/* The next sample that is worth a look. */
static uint64_t next_candidate(comparator *self, const signal_plan *plan) {
  if (!self->known)
    return self->n;
  if (!self->reaches) {
    self->rise = reach_of(plan, self->level_v, true);
    self->fall = reach_of(plan, self->level_v - self->hysteresis_v, false);
    self->reaches = true;
  }
  if (self->n - self->since >= signal_period(plan, self->since))
    return NO_SAMPLE;
  return reach_next(self->high ? &self->fall : &self->rise, plan, self->n);
}

/* Looks at the samples before `end`, until one makes the output change. Samples are a function of
 * their number, so it may look into the future. */
static void scan(const hwsim_device *device, uint32_t channel, uint64_t end) {
  comparator *self = comparator_of(device, channel);
  signal_plan plan = converters_plan(device, channel, device->config.sample_rate_hz, self->base_ns);
  double volts_per_code = signal_volts_per_code(plan.source);
  int16_t codes[PIECE];
  size_t piece = SHORTEST_PIECE;
  while (!self->found && (self->n = next_candidate(self, &plan)) < end) {
    uint64_t change = signal_next_change(&plan, self->n);
    bool is_slow = change - self->n > SHORTEST_PIECE;
    size_t count = is_slow ? 1 : end - self->n < piece ? (size_t)(end - self->n) : piece;
    piece = piece < PIECE ? 2 * piece : PIECE;
    signal_codes(&plan, self->n, count, codes);
    for (size_t i = 0; i < count && !self->found; i++, self->n++) {
      double volts = codes[i] * volts_per_code;
      bool high = volts >= self->level_v - (self->high ? self->hysteresis_v : 0);
      if (!self->known) {
        self->known = true;
        self->known_ns = sample_time(device, self, self->n);
        self->high = high = volts >= self->level_v;
      }
      self->found = high != self->high;
      self->found_v = volts;
    }
    if (is_slow && !self->found) /* those until then read the same */
      self->n = change;
  }
}

static bool are_watched(const hwsim_device *device) {
  return device->comparators->all && subscribers_want(device, HWSIM_EVENT_THRESHOLD);
}

/* Acts next at the first crossing, or where the search for it has to go on. */
static void look_ahead(hwsim_device *device, int64_t now_ns) {
  int64_t first_ns = FOREVER;
  for (uint32_t i = 0; are_watched(device) && i < device->config.channels; i++) {
    comparator *self = comparator_of(device, i);
    if (!self->enabled)
      continue;
    uint64_t by_now = samples_by(device, self, now_ns);
    if (!self->found && self->n < by_now + LOOK_AHEAD / 2)
      scan(device, i, by_now + LOOK_AHEAD);
    first_ns = earlier(first_ns, sample_time(device, self, self->n - 1));
  }
  timeline_schedule(device, &device->comparators->producer.source, RANK_CROSSING, first_ns);
}

/* The output of the first channel that has a crossing by now changes. */
static void cross(hwsim_device *device, int64_t now_ns) {
  occurrence first = {.kind = HWSIM_EVENT_THRESHOLD, .at_ns = FOREVER, .lost = bus_is_off(device)};
  for (uint32_t i = 0; i < device->config.channels; i++) {
    const comparator *self = comparator_of(device, i);
    int64_t at_ns = self->found ? sample_time(device, self, self->n - 1) : FOREVER;
    if (self->enabled && at_ns <= now_ns && at_ns < first.at_ns) {
      first.at_ns = at_ns;
      first.channel = i;
      first.value = self->found_v;
    }
  }
  if (first.at_ns == FOREVER)
    return;
  comparator *crossed = comparator_of(device, first.channel);
  crossed->high = !crossed->high;
  crossed->found = false;
  crossed->since = crossed->n;
  observers_tell(device, &first);
}

static void fire(hwsim_device *device, source *source, int64_t at_ns, int64_t until_ns) {
  (void)source, (void)until_ns;
  cross(device, at_ns);
  look_ahead(device, at_ns);
}

/* Forgets what it knows of samples that will not come, because from now on they are others. */
static void rewind_to(const hwsim_device *device, comparator *self, int64_t now_ns) {
  self->n = self->since = samples_by(device, self, now_ns);
  self->known &= self->known_ns <= now_ns;
  self->found = self->reaches = false;
}

static void restart(comparator *self, int64_t now_ns) {
  self->base_ns = now_ns;
  self->n = self->since = 0;
  self->known = self->found = self->reaches = false;
}

/* The first subscriber has come: what happened before is of no interest. */
static void watched(hwsim_device *device, producer *producer) {
  (void)producer;
  int64_t now_ns = timeline_now(device);
  for (uint32_t i = 0; device->comparators->all && i < device->config.channels; i++) {
    rewind_to(device, comparator_of(device, i), now_ns);
    comparator_of(device, i)->known = false;
  }
  look_ahead(device, now_ns);
}

static void unwatched(hwsim_device *device, producer *producer) {
  timeline_schedule(device, &producer->source, RANK_CROSSING, FOREVER);
}

static void signal_changed(hwsim_device *device, uint32_t channel, bool from_first_sample,
                           int64_t now_ns) {
  if (!device->comparators->all || !comparator_of(device, channel)->enabled)
    return;
  comparator *self = comparator_of(device, channel);
  rewind_to(device, self, now_ns);
  if (from_first_sample) {
    self->base_ns = now_ns;
    self->n = self->since = 0;
  }
  look_ahead(device, now_ns);
  subscribers_reschedule(device);
}

size_t comparators_size(void) { return sizeof(comparators); }

void comparators_open(hwsim_device *device) {
  device->comparators->producer = (producer){.kind = HWSIM_EVENT_THRESHOLD,
                                             .source = {.fire = fire},
                                             .watched = watched,
                                             .unwatched = unwatched};
  subscribers_set_producer(device, &device->comparators->producer);
  converters_set_listener(device, signal_changed);
}

void comparators_free(hwsim_device *device) { free(device->comparators->all); }

void comparators_power_on(hwsim_device *device, int64_t at_ns) {
  for (uint32_t i = 0; device->comparators->all && i < device->config.channels; i++)
    restart(comparator_of(device, i), at_ns);
  look_ahead(device, at_ns);
  subscribers_reschedule(device);
}

static hwsim_error set_comparator(hwsim_device *device, const hwsim_operation *operation,
                                  uint32_t channel, comparator made) {
  hwsim_error error = timeline_lock(device, operation);
  if (error)
    return error;
  int64_t now_ns = timeline_update(device);
  comparators *self = device->comparators;
  if (!self->all)
    self->all = calloc(device->config.channels, sizeof *self->all);
  if (self->all) {
    self->all[channel] = made;
    restart(&self->all[channel], now_ns);
    look_ahead(device, now_ns);
    subscribers_reschedule(device);
  } else {
    error = error_no_memory(device->config.name, operation->name);
  }
  timeline_unlock(device);
  return error;
}

hwsim_error hwsim_threshold_set(hwsim_device *device, uint32_t channel, double level_v,
                                double hysteresis_v) {
  const hwsim_operation *row = OPERATION(device, set_threshold);
  const char *name = device->config.name, *operation = row->name;
  hwsim_error error = converters_check_channel(device, row, channel);
  if (error)
    return error;
  if (!(level_v >= -1e6 && level_v <= 1e6))
    return error_set(HWSIM_EINVALID, name, operation, "level must be from -1e6 to 1e6 V, got %s",
                     NUMBER(level_v));
  if (!(hysteresis_v >= 0 && hysteresis_v <= 1e6))
    return error_set(HWSIM_EINVALID, name, operation, "hysteresis must be from 0 to 1e6 V, got %s",
                     NUMBER(hysteresis_v));
  if (device->config.sample_rate_hz * device->config.clock_scale > 1e6)
    return error_set(HWSIM_ESTATE, name, operation,
                     "a comparator looks at up to 1e6 samples a second, and this device has %g; "
                     "open it with a lower rate or clock",
                     device->config.sample_rate_hz * device->config.clock_scale);
  return set_comparator(
      device, row, channel,
      (comparator){.enabled = true, .level_v = level_v, .hysteresis_v = hysteresis_v});
}

hwsim_error hwsim_threshold_clear(hwsim_device *device, uint32_t channel) {
  const hwsim_operation *operation = OPERATION(device, clear_threshold);
  hwsim_error error = converters_check_channel(device, operation, channel);
  return error ? error : set_comparator(device, operation, channel, (comparator){0});
}
