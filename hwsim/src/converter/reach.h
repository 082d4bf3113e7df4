/* Reach: which samples of a signal may be above a level, or below it; computed, not looked for. */
#ifndef HWSIM_CONVERTER_REACH_H
#define HWSIM_CONVERTER_REACH_H

#include "converter/samples.h"

#define NO_SAMPLE UINT64_MAX

/* Where on its period a signal may be on the wanted side, with the noise at its largest and the
 * arithmetic at its worst; the samples that are not there need no look. */
typedef struct reach {
  enum { NOWHERE, ARC, EVERYWHERE, BEYOND } where;
  uint64_t from, width; /* of the arc, in 2^-64 turns */
  double level_v;       /* BEYOND, of an output: at this level or above it, or below it */
  bool above;
} reach;

/* Of samples that read as `level_v` or more, or as less. */
reach reach_of(const signal_plan *plan, double level_v, bool above);
/* The first sample from n on that may be there; NO_SAMPLE if none is. */
uint64_t reach_next(const reach *self, const signal_plan *plan, uint64_t n);
/* How many samples from n on have every value that there will be, for what comes after them is the
 * same again; NO_SAMPLE: never. */
uint64_t signal_period(const signal_plan *plan, uint64_t n);
/* The first sample after n that may read otherwise; NO_SAMPLE: none. */
uint64_t signal_next_change(const signal_plan *plan, uint64_t n);

#endif
