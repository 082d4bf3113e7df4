/* Times in nanoseconds: real ones, and arithmetic that saturates instead of wrapping. */
#ifndef HWSIM_BASE_TIME_H
#define HWSIM_BASE_TIME_H

#include <stdint.h>

#define NS_PER_S INT64_C(1000000000)
#define HOUR_NS (3600 * NS_PER_S)
#define FOREVER INT64_MAX

int64_t monotonic_ns(void);

/* Both from 0. */
static inline int64_t add_saturated(int64_t a, int64_t b) {
  return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static inline int64_t multiply_saturated(int64_t time_ns, double factor) {
  double product = (double)time_ns * factor;
  return product >= 0x1p63 ? INT64_MAX : (int64_t)product;
}

static inline int64_t earlier(int64_t a_ns, int64_t b_ns) { return a_ns < b_ns ? a_ns : b_ns; }

#endif
