/* Samples at a rate, in nano-hertz: exact for times of any length. */
#ifndef HWSIM_BASE_RATE_H
#define HWSIM_BASE_RATE_H

#include "base/time.h"

#define NHZ_NS UINT64_C(1000000000000000000) /* 1 / (1 nHz * 1 ns) */
__extension__ typedef unsigned __int128 wide;

/* Rounded to 1 nHz below 1 kHz and to 1 uHz above, so that decimal fractions are what they say.
 * Fits into 64 bits up to 10 GHz. */
static inline wide rate_from_hz(double hz) {
  return hz < 1e3 ? (wide)(hz * 1e9 + 0.5) : 1000 * (wide)(hz * 1e6 + 0.5);
}

/* How many there are after a time; saturates at UINT64_MAX - 1. */
static inline uint64_t rate_count(uint64_t rate_nhz, int64_t elapsed_ns) {
  wide count = (wide)(uint64_t)elapsed_ns * rate_nhz / NHZ_NS;
  return count < UINT64_MAX ? (uint64_t)count : UINT64_MAX - 1;
}

/* After which time there are `count`; or FOREVER. */
static inline int64_t rate_time(uint64_t rate_nhz, uint64_t count) {
  wide time_ns = ((wide)count * NHZ_NS + rate_nhz - 1) / rate_nhz;
  return time_ns < (wide)FOREVER ? (int64_t)time_ns : FOREVER;
}

static inline wide greatest_common_divisor(wide a, wide b) {
  while (b) {
    wide rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

#endif
