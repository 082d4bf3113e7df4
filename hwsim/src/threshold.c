/* Thresholds: a comparator for each channel. Its crossings follow from the samples, which follow
 * from the time, so the next one can be found before it happens. */
#include "internal.h"

#include <stdlib.h>

enum {
  LOOK_AHEAD = 1 << 16, /* samples that are searched at once, in a moment */
  PIECE = 2048
};

static uint64_t rate_uhz(const hwsim_device *device) {
  return (uint64_t)(device->config.sample_rate_hz * 1e6 + 0.5);
}

/* When sample n of a comparator is there; a stream started with it would have it then. */
static int64_t sample_time(const hwsim_device *device, const comparator *self, uint64_t n) {
  return add_saturated(self->base_ns, rate_time(rate_uhz(device), n + 1));
}

static uint64_t samples_by(const hwsim_device *device, const comparator *self, int64_t at_ns) {
  return rate_count(rate_uhz(device), at_ns - self->base_ns);
}

/* Looks at the samples before `end`, until one makes the output change. Samples are a function of
 * their number, so it may look into the future. */
static void scan(const hwsim_device *device, uint32_t channel, uint64_t end) {
  const channel_state *state = &device->channels[channel];
  comparator *self = &device->comparators[channel];
  signal_plan plan =
      signal_plan_for(state->source, device->config.seed, channel, device->config.sample_rate_hz);
  plan.correction = state->correction;
  double volts_per_code = signal_volts_per_code(state->source);
  int16_t codes[PIECE];
  while (!self->found && self->n < end) {
    size_t count = end - self->n < PIECE ? (size_t)(end - self->n) : PIECE;
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
  }
}

static bool are_watched(const hwsim_device *device) {
  return device->comparators && !device->disconnected &&
         events_wanted(device, HWSIM_EVENT_THRESHOLD);
}

bool threshold_cross(hwsim_device *device, int64_t until_ns, crossing *crossing_out) {
  *crossing_out = (crossing){.at_ns = FOREVER};
  for (uint32_t i = 0; are_watched(device) && i < device->config.channels; i++) {
    const comparator *self = &device->comparators[i];
    if (!self->enabled)
      continue;
    scan(device, i, samples_by(device, self, until_ns));
    int64_t at_ns = self->found ? sample_time(device, self, self->n - 1) : FOREVER;
    if (at_ns <= until_ns && at_ns < crossing_out->at_ns)
      *crossing_out = (crossing){.at_ns = at_ns, .channel = i, .volts = self->found_v};
  }
  if (crossing_out->at_ns == FOREVER)
    return false;
  comparator *crossed = &device->comparators[crossing_out->channel];
  crossed->high = !crossed->high;
  crossed->found = false;
  return true;
}

int64_t threshold_next_ns(const hwsim_device *device, int64_t now_ns) {
  int64_t first_ns = FOREVER;
  for (uint32_t i = 0; are_watched(device) && i < device->config.channels; i++) {
    comparator *self = &device->comparators[i];
    if (!self->enabled)
      continue;
    uint64_t by_now = samples_by(device, self, now_ns);
    if (!self->found && self->n < by_now + LOOK_AHEAD / 2)
      scan(device, i, by_now + LOOK_AHEAD);
    int64_t at_ns = sample_time(device, self, self->n - 1);
    if (at_ns < first_ns)
      first_ns = at_ns;
  }
  return first_ns;
}

/* Forgets what it knows of samples that will not come, because from now on they are others. */
static void rewind_to(const hwsim_device *device, comparator *self, int64_t now_ns) {
  self->n = samples_by(device, self, now_ns);
  self->known &= self->known_ns <= now_ns;
  self->found = false;
}

static void restart(comparator *self, int64_t now_ns) {
  self->base_ns = now_ns;
  self->n = 0;
  self->known = self->found = false;
}

void threshold_power_on(hwsim_device *device, int64_t now_ns) {
  for (uint32_t i = 0; device->comparators && i < device->config.channels; i++)
    restart(&device->comparators[i], now_ns);
}

void threshold_start(hwsim_device *device, int64_t now_ns) {
  for (uint32_t i = 0; device->comparators && i < device->config.channels; i++) {
    rewind_to(device, &device->comparators[i], now_ns);
    device->comparators[i].known = false;
  }
}

void threshold_signal_changed(hwsim_device *device, uint32_t channel, bool from_first_sample,
                              int64_t now_ns) {
  if (!device->comparators || !device->comparators[channel].enabled)
    return;
  comparator *self = &device->comparators[channel];
  rewind_to(device, self, now_ns);
  if (from_first_sample) {
    self->base_ns = now_ns;
    self->n = 0;
  }
  events_reschedule(device, now_ns);
}

static hwsim_error set_comparator(hwsim_device *device, const char *operation, uint32_t channel,
                                  comparator made) {
  hwsim_error error = device_lock(device, operation);
  if (error)
    return error;
  int64_t now_ns = clock_now(device);
  bus_settle(device, now_ns);
  if (!device->comparators)
    device->comparators = calloc(device->config.channels, sizeof *device->comparators);
  if (device->comparators) {
    device->comparators[channel] = made;
    restart(&device->comparators[channel], now_ns);
    events_reschedule(device, now_ns);
  } else {
    error = error_no_memory(device->config.name, operation);
  }
  device_unlock(device);
  return error;
}

hwsim_error hwsim_threshold_set(hwsim_device *device, uint32_t channel, double level_v,
                                double hysteresis_v) {
  const char *name = device->config.name, *operation = "set_threshold";
  hwsim_error error = signal_check_channel(device, operation, channel);
  if (error)
    return error;
  if (!(level_v >= -1e6 && level_v <= 1e6))
    return error_set(HWSIM_EINVALID, name, operation, "level must be from -1e6 to 1e6 V, got %g",
                     level_v);
  if (!(hysteresis_v >= 0 && hysteresis_v <= 1e6))
    return error_set(HWSIM_EINVALID, name, operation, "hysteresis must be from 0 to 1e6 V, got %g",
                     hysteresis_v);
  if (device->config.sample_rate_hz * device->config.clock_scale > 1e6)
    return error_set(HWSIM_ESTATE, name, operation,
                     "a comparator looks at up to 1e6 samples a second, and this device has %g; "
                     "open it with a lower rate or clock",
                     device->config.sample_rate_hz * device->config.clock_scale);
  return set_comparator(
      device, operation, channel,
      (comparator){.enabled = true, .level_v = level_v, .hysteresis_v = hysteresis_v});
}

hwsim_error hwsim_threshold_clear(hwsim_device *device, uint32_t channel) {
  const char *operation = "clear_threshold";
  hwsim_error error = signal_check_channel(device, operation, channel);
  return error ? error : set_comparator(device, operation, channel, (comparator){0});
}
