/* The device's timer, a source of the timeline. */
#include "events/ticks.h"

#include "base/error.h"
#include "base/handle.h"
#include "base/text.h"
#include "timeline/operation.h"

struct ticks {
  int64_t period_ns, base_ns; /* ticks at base + k * period, from k = 1 on; period 0: none */
  bool powered;
  list followers;
  source source;
};

static tick_follower *from_list(list_link *element) {
  return ELEMENT(element, tick_follower, link);
}

int64_t ticks_time(const hwsim_device *device, uint64_t tick) {
  const ticks *self = device->ticks;
  uint64_t most = (uint64_t)(FOREVER - self->base_ns) / (uint64_t)self->period_ns;
  return tick > most ? FOREVER : self->base_ns + (int64_t)tick * self->period_ns;
}

/* Ticks from the timer's start until a time, also those that would have come. */
static uint64_t ticks_by(const ticks *self, int64_t at_ns) {
  return self->period_ns ? (uint64_t)((at_ns - self->base_ns) / self->period_ns) : 0;
}

int64_t ticks_next_ns(const hwsim_device *device, const tick_follower *self) {
  bool comes = device->ticks->period_ns && device->ticks->powered && !self->holds_back(self);
  return comes ? ticks_time(device, self->seen + 1) : FOREVER;
}

void ticks_reschedule(hwsim_device *device) {
  ticks *self = device->ticks;
  int64_t next_ns = FOREVER;
  for (list_link *each = list_first(&self->followers); each;
       each = list_next(&self->followers, each))
    next_ns = earlier(next_ns, ticks_next_ns(device, from_list(each)));
  timeline_schedule(device, &self->source, RANK_TICK, next_ns);
}

static void fire(hwsim_device *device, source *source, int64_t at_ns, int64_t until_ns) {
  (void)source, (void)at_ns;
  ticks *self = device->ticks;
  uint64_t by_now = ticks_by(self, until_ns);
  for (list_link *each = list_first(&self->followers); each;
       each = list_next(&self->followers, each))
    if (ticks_next_ns(device, from_list(each)) <= until_ns)
      from_list(each)->take(device, from_list(each), by_now);
  ticks_reschedule(device);
}

size_t ticks_size(void) { return sizeof(ticks); }

void ticks_open(hwsim_device *device) {
  *device->ticks =
      (ticks){.period_ns = device->config.timer_ns, .powered = true, .source = {.fire = fire}};
  list_init(&device->ticks->followers);
}

void ticks_follow(hwsim_device *device, tick_follower *self) {
  self->seen = ticks_by(device->ticks, timeline_now(device));
  list_append(&device->ticks->followers, &self->link);
  ticks_reschedule(device);
}

void ticks_unfollow(hwsim_device *device, tick_follower *self) {
  list_remove(&self->link);
  ticks_reschedule(device);
}

/* Ticks that are still held back, or for which there was no power, will not come any more. */
static void stop(hwsim_device *device, int64_t now_ns) {
  ticks *self = device->ticks;
  uint64_t by_now = ticks_by(self, now_ns);
  for (list_link *each = list_first(&self->followers); each;
       each = list_next(&self->followers, each)) {
    tick_follower *follower = from_list(each);
    if (by_now > follower->seen)
      follower->missed(follower, by_now - follower->seen);
    follower->seen = by_now;
  }
}

static void start(hwsim_device *device, int64_t now_ns) {
  ticks *self = device->ticks;
  self->base_ns = now_ns;
  for (list_link *each = list_first(&self->followers); each;
       each = list_next(&self->followers, each))
    from_list(each)->seen = 0;
  ticks_reschedule(device);
  for (list_link *each = list_first(&self->followers); each;
       each = list_next(&self->followers, each))
    from_list(each)->rescheduled(device, from_list(each));
}

void ticks_power_off(hwsim_device *device, int64_t at_ns) {
  stop(device, at_ns);
  device->ticks->powered = false;
  ticks_reschedule(device);
}

void ticks_power_on(hwsim_device *device, int64_t at_ns) {
  device->ticks->powered = true;
  stop(device, at_ns);
  start(device, at_ns);
}

hwsim_error hwsim_timer_set(hwsim_device *device, int64_t period_ns) {
  const hwsim_operation *operation = OPERATION(device, timer);
  if (period_ns && (period_ns < SHORTEST_TIMER_NS || period_ns > HOUR_NS))
    return error_set(HWSIM_EINVALID, device->config.name, operation->name,
                     "timer must be 0 or from 1e-06 to 3600 s, got %s s",
                     NUMBER((double)period_ns / 1e9));
  hwsim_error error = timeline_lock(device, operation);
  if (error)
    return error;
  int64_t now_ns = timeline_update(device);
  stop(device, now_ns);
  device->ticks->period_ns = period_ns;
  start(device, now_ns);
  timeline_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_timer_get(hwsim_device *device, int64_t *period_ns_out) {
  hwsim_error error = timeline_lock_any(device, OPERATION(device, timer));
  if (error)
    return error;
  *period_ns_out = device->ticks->period_ns;
  timeline_unlock(device);
  return HWSIM_OK;
}
