/* The monotonic clock, which no administrator sets back, and what is measured with it. */
#include "base/time.h"

#include <time.h>

#define SLICE_NS 2000000

int64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

bool slice_is_over(int64_t *end_ns) {
  int64_t now_ns = monotonic_ns();
  if (!*end_ns)
    *end_ns = now_ns + SLICE_NS;
  return now_ns >= *end_ns;
}
