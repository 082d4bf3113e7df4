/* The clock of a device: what time it is there, and when it will be later. */
#ifndef HWSIM_TIMELINE_CLOCK_H
#define HWSIM_TIMELINE_CLOCK_H

#include "hwsim/hwsim.h"

typedef struct clock_state {
  hwsim_clock kind;
  double scale;
  int64_t epoch_ns; /* monotonic time at open */
  int64_t time_ns;  /* of a virtual or manual clock */
} clock_state;

clock_state clock_start(const hwsim_config *config);
int64_t clock_read(const clock_state *self);
/* The monotonic time at which the clock shows `time_ns`; FOREVER if it may never. */
int64_t clock_to_monotonic(const clock_state *self, int64_t time_ns);

#endif
