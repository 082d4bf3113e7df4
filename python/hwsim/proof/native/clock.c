#include "clock.h"

ticks clock_ticks;

#ifdef __x86_64__

#include <cpuid.h>
#include <stdbool.h>

enum { COMPARED_NS = 2000000 };

/* Whether the counter has one rate, in every state of the processor and on all cores. */
static bool is_steady(void) {
  unsigned a, b, c, d;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1u << 8;
}

/* Both clocks at one moment: the closest of some readings. */
static int64_t both(uint64_t *counter) {
  int64_t best = 0;
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < 8; i++) {
    const uint64_t before = __rdtsc();
    const int64_t ns = clock_ns();
    const uint64_t took = __rdtsc() - before;
    if (took >= least)
      continue;
    least = took;
    best = ns;
    *counter = before + took / 2;
  }
  return best;
}

void clock_setup(void) {
  if (clock_ticks.scale || !is_steady())
    return;
  uint64_t start = 0, end = 0;
  const int64_t start_ns = both(&start);
  while (clock_ns() < start_ns + COMPARED_NS) {
  }
  const int64_t end_ns = both(&end);
  if (end <= start)
    return;
  clock_ticks.start = start;
  clock_ticks.start_ns = start_ns;
  clock_ticks.scale = ((uint64_t)(end_ns - start_ns) << 32) / (end - start);
}

#else

void clock_setup(void) {}

#endif
