/* Streams of random numbers that no order of drawing can change: number `n` of stream `stream`. */
#ifndef HWSIM_BASE_RANDOM_H
#define HWSIM_BASE_RANDOM_H

#include <stdint.h>

enum { RANDOM_JITTER = 1, RANDOM_NOISE = 2, RANDOM_FAULT = 3, RANDOM_RULE = 4 };

/* The finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable PRNGs, OOPSLA 2014). */
static inline uint64_t random_mix(uint64_t x) {
  x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
  return x ^ (x >> 31);
}

static inline uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t n) {
  return random_mix(random_mix(random_mix(seed) + stream * UINT64_C(0x9E3779B97F4A7C15)) + n);
}

/* In [0, 1). */
static inline double random_unit(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }

#endif
