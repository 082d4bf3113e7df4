/* The clock of a device: monotonic time, faster or slower, or one that jumps or stands still. */
#include "timeline/clock.h"

#include "base/time.h"

clock_state clock_start(const hwsim_config *config) {
  return (clock_state){
      .kind = config->clock, .scale = config->clock_scale, .epoch_ns = monotonic_ns()};
}

static bool follows_real_time(const clock_state *self) {
  return self->kind == HWSIM_CLOCK_REAL || self->kind == HWSIM_CLOCK_SCALED;
}

int64_t clock_read(const clock_state *self) {
  if (!follows_real_time(self))
    return self->time_ns;
  int64_t elapsed_ns = monotonic_ns() - self->epoch_ns;
  return self->kind == HWSIM_CLOCK_REAL
             ? elapsed_ns
             : earlier(multiply_saturated(elapsed_ns, self->scale), END_NS);
}

int64_t clock_to_monotonic(const clock_state *self, int64_t time_ns) {
  if (time_ns == FOREVER || !follows_real_time(self))
    return FOREVER;
  if (self->kind == HWSIM_CLOCK_REAL)
    return add_saturated(self->epoch_ns, time_ns);
  int64_t elapsed_ns = multiply_saturated(time_ns, 1 / self->scale);
  return add_saturated(self->epoch_ns, add_saturated(elapsed_ns, 1));
}
