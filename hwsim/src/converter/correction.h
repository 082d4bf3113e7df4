/* Corrections: what a calibrated converter makes of each code. */
#ifndef HWSIM_CONVERTER_CORRECTION_H
#define HWSIM_CONVERTER_CORRECTION_H

#include <stddef.h>
#include <stdint.h>

typedef struct correction correction; /* never changes; counted */

/* `transition[k]`: the input at the transition from code k - 1 to k, in codes, counted from the
 * lowest code; HWSIM_CODES of them, the first one is not used. NULL: no memory. */
correction *correction_new(const double *transition);
correction *correction_retain(correction *self); /* may be NULL, which corrects nothing */
void correction_release(correction *self);       /* may be NULL */
void correction_apply(const correction *self, size_t count, int16_t *codes);

#endif
