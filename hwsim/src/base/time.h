/* Times in nanoseconds: real ones, and arithmetic that saturates instead of wrapping. */
#ifndef HWSIM_BASE_TIME_H
#define HWSIM_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S INT64_C(1000000000)
#define HOUR_NS (3600 * NS_PER_S)
#define FOREVER INT64_MAX
#define END_NS (FOREVER - 1) /* of every clock: nothing comes later */

int64_t monotonic_ns(void);

/* Whether work has taken so long that others should have their turn. Starts with the first call,
 * for *end_ns being 0. */
bool slice_is_over(int64_t *end_ns);

/* Both from 0. */
static inline int64_t add_saturated(int64_t a, int64_t b) {
  return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* The time `span_ns` after another, at the latest the end of the clock; FOREVER if one of them is.
 */
static inline int64_t time_after(int64_t at_ns, int64_t span_ns) {
  if (at_ns == FOREVER || span_ns == FOREVER)
    return FOREVER;
  return at_ns > END_NS - span_ns ? END_NS : at_ns + span_ns;
}

static inline int64_t multiply_saturated(int64_t time_ns, double factor) {
  double product = (double)time_ns * factor;
  return product >= 0x1p63 ? INT64_MAX : (int64_t)product;
}

static inline int64_t earlier(int64_t a_ns, int64_t b_ns) { return a_ns < b_ns ? a_ns : b_ns; }

#endif
