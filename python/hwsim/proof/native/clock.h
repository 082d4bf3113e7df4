/* The time, in nanoseconds. Read twice for each release of the GIL: where the processor counts
 * steadily, its counter is asked, which takes half as long as the system's clock. */
#ifndef HWSIM_PROOF_CLOCK_H
#define HWSIM_PROOF_CLOCK_H

#include <stdint.h>
#include <time.h>

#ifdef __x86_64__
#include <x86intrin.h>
#endif

/* What the counter was at a moment, and nanoseconds a tick times 2^32; 0: the clock is asked. */
typedef struct ticks {
  uint64_t start, scale;
  int64_t start_ns;
} ticks;

extern ticks clock_ticks;

/* Compares the two clocks; takes 2 ms, once. */
void clock_setup(void);

static inline int64_t clock_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline int64_t now_ns(void) {
#ifdef __x86_64__
  if (clock_ticks.scale) {
    const unsigned __int128 ticks = __rdtsc() - clock_ticks.start;
    return clock_ticks.start_ns + (int64_t)(ticks * clock_ticks.scale >> 32);
  }
#endif
  return clock_ns();
}

#endif
