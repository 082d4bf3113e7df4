/* Samples at a rate, in micro-hertz: exact for times of any length. */
#ifndef HWSIM_BASE_RATE_H
#define HWSIM_BASE_RATE_H

#include "base/time.h"

#define UHZ_NS 1000000000000000u /* 1 / (1 uHz * 1 ns) */
__extension__ typedef unsigned __int128 wide;

static inline uint64_t rate_from_hz(double hz) { return (uint64_t)(hz * 1e6 + 0.5); }

/* How many there are after a time; saturates at UINT64_MAX - 1. */
static inline uint64_t rate_count(uint64_t rate_uhz, int64_t elapsed_ns) {
  wide count = (wide)(uint64_t)elapsed_ns * rate_uhz / UHZ_NS;
  return count < UINT64_MAX ? (uint64_t)count : UINT64_MAX - 1;
}

/* After which time there are `count`; or FOREVER. */
static inline int64_t rate_time(uint64_t rate_uhz, uint64_t count) {
  wide time_ns = ((wide)count * UHZ_NS + rate_uhz - 1) / rate_uhz;
  return time_ns < (wide)FOREVER ? (int64_t)time_ns : FOREVER;
}

#endif
