/* The device's timer. Its ticks follow from the time alone: nothing makes them until somebody
 * settles the device, and however many are due by then, those that would be dropped at once are
 * only counted. */
#ifndef HWSIM_EVENTS_TICKS_H
#define HWSIM_EVENTS_TICKS_H

#include "base/list.h"
#include "timeline/timeline.h"

#define SHORTEST_TIMER_NS 1000

/* Who wants the ticks. All of it: mutex held. */
typedef struct tick_follower {
  list_link link;
  uint64_t seen; /* ticks that it has been given, or that it has missed */
  /* Whether it has no room, and the ticks wait. */
  bool (*holds_back)(const struct tick_follower *self);
  /* Takes the ticks up to number `by_now`, as long as it has room. */
  void (*take)(hwsim_device *device, struct tick_follower *self, uint64_t by_now);
  /* So many that it has held back will not come any more. */
  void (*missed)(struct tick_follower *self, uint64_t count);
  /* The next tick comes at another time than before. */
  void (*rescheduled)(hwsim_device *device, struct tick_follower *self);
} tick_follower;

typedef struct ticks ticks;

size_t ticks_size(void);
void ticks_open(hwsim_device *device);
/* The rest: mutex held. */
void ticks_follow(hwsim_device *device, tick_follower *self);
void ticks_unfollow(hwsim_device *device, tick_follower *self);
/* The follower's next tick; FOREVER: none comes, or it is held back. */
int64_t ticks_next_ns(const hwsim_device *device, const tick_follower *self);
int64_t ticks_time(const hwsim_device *device, uint64_t tick);
/* A follower has, or may have, room again. */
void ticks_reschedule(hwsim_device *device);
void ticks_power_off(hwsim_device *device, int64_t at_ns);
void ticks_power_on(hwsim_device *device, int64_t at_ns);

#endif
