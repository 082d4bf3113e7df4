/* Samples: what a converter measures of a signal. */
#ifndef HWSIM_CONVERTER_SAMPLES_H
#define HWSIM_CONVERTER_SAMPLES_H

#include "base/rate.h"
#include "converter/correction.h"
#include "converter/response.h"

#include "hwsim/hwsim.h"

#include <stdatomic.h>

/* A signal as connected: never changes, so it is read without a lock by whoever holds a reference;
 * but for what an output drives, which the mutex guards. */
typedef struct signal_source {
  atomic_int references;
  hwsim_signal config;
  float *table;
  float table_lowest, table_highest;
  int16_t *table_codes; /* the table as measured, where no noise makes each round different */
  size_t table_length;
  hwsim_link *link;        /* of an output: what it says of itself; or NULL */
  response *driven;        /* of an output; or NULL */
  struct hwsim_device *on; /* what it drives: a channel of this device; NULL: none any more */
  uint32_t channel;
} signal_source;

/* A signal sampled at a rate: what its samples are a function of, besides n. */
typedef struct signal_plan {
  const signal_source *source;
  const correction *correction; /* or NULL */
  uint64_t seed;
  uint32_t channel;
  uint64_t phase, phase_step; /* in 2^-64 turns */
  /* Of a table: how many of its samples come for one that is taken, whole + rest / parts. */
  uint64_t whole, rest, parts;
  /* Of an output: what it makes of the times of the samples; without pieces `level_v`. */
  sampled driven;
  double level_v;
} signal_plan;

signal_plan signal_plan_for(const signal_source *source, uint64_t seed, uint32_t channel,
                            double rate_hz);
/* Which of the table's samples is there at sample n, counted on through all rounds. */
wide signal_place(const signal_plan *plan, uint64_t n);
/* Samples n to n + count - 1. Needs no lock. */
void signal_codes(const signal_plan *plan, uint64_t n, size_t count, int16_t *codes_out);
double signal_volts_per_code(const signal_source *source);

#endif
