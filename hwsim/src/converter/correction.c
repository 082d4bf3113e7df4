/* Corrections: a table of codes, made from the transitions that a calibration has measured. */
#include "converter/correction.h"

#include "hwsim/hwsim.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#define LAST_CODE (HWSIM_CODES - 1)

struct correction {
  atomic_int references;
  int16_t codes[HWSIM_CODES]; /* by code + 32768 */
};

correction *correction_retain(correction *self) {
  if (self)
    atomic_fetch_add(&self->references, 1);
  return self;
}

void correction_release(correction *self) {
  if (self && atomic_fetch_sub(&self->references, 1) == 1)
    free(self);
}

void correction_apply(const correction *self, size_t count, int16_t *codes) {
  for (size_t i = 0; self && i < count; i++)
    codes[i] = self->codes[codes[i] + 32768];
}

/* What each code should have been: the middle between its transitions, averaged over neighbours
 * because a single code's is uncertain and the converter's curve is smooth. */
correction *correction_new(const double *transition) {
  enum { NEIGHBOURS = 256 };
  correction *self = malloc(sizeof *self);
  double *sums = malloc(HWSIM_CODES * sizeof *sums); /* of the deviations of codes below */
  if (!self || !sums) {
    free(self);
    free(sums);
    return NULL;
  }
  atomic_init(&self->references, 1);
  sums[1] = 0;
  for (size_t k = 1; k < LAST_CODE; k++) {
    double middle = (transition[k] + transition[k + 1]) / 2;
    sums[k + 1] = sums[k] + middle - ((double)k - 32768);
  }
  for (size_t k = 0; k < HWSIM_CODES; k++) {
    size_t center = k < 1 ? 1 : k > LAST_CODE - 1 ? LAST_CODE - 1 : k;
    size_t reach = center - 1 < LAST_CODE - 1 - center ? center - 1 : LAST_CODE - 1 - center;
    reach = reach < NEIGHBOURS ? reach : NEIGHBOURS;
    double deviation = (sums[center + reach + 1] - sums[center - reach]) / (double)(2 * reach + 1);
    double code = rint((double)k - 32768 + deviation);
    self->codes[k] = (int16_t)fmin(fmax(code, INT16_MIN), INT16_MAX);
  }
  free(sums);
  return self;
}
