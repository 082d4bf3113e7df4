/* Something that acts by itself at a known time: an operation whose slot ends or whose deadline
 * comes, the ticks of a timer, a signal that crosses a threshold. The timeline fires its sources in
 * the order of their times. */
#ifndef HWSIM_TIMELINE_SOURCE_H
#define HWSIM_TIMELINE_SOURCE_H

#include "base/heap.h"
#include "base/time.h"

#include "hwsim/hwsim.h"

/* Which comes first at the same time. What follows from the time alone has happened when an
 * operation takes effect, and an operation that is done in time does not time out. */
typedef enum source_rank {
  RANK_TICK,
  RANK_CROSSING,
  RANK_RULE,
  RANK_DONE,
  RANK_ARMED,
  RANK_DEADLINE,
  RANK_ARMED_DEADLINE
} source_rank;

typedef struct source {
  heap_node node;       /* the timeline's: when it acts next */
  hwsim_device *device; /* the timeline's: whose it is */
  /* It is time, and the source is not scheduled any more. Acts on what is due at `at_ns`; it may
   * act on all that is due by `until_ns`, before which no other source does. Mutex held. */
  void (*fire)(hwsim_device *device, struct source *self, int64_t at_ns, int64_t until_ns);
} source;

/* Something left to do when the present step is over, such as asking those who wait for what has
 * changed in it. */
typedef struct errand {
  void (*run)(hwsim_device *device, struct errand *self, int64_t at_ns); /* mutex held */
  bool deferred;
  hwsim_device *device; /* the timeline's, as is */
  struct errand *next;
} errand;

/* FOREVER: not by itself. */
static inline int64_t source_next_ns(const source *self) {
  return heap_holds(&self->node) ? self->node.time_ns : FOREVER;
}

#endif
