/* Responses: what a channel sees of an output that is connected to it, as a function of time. Knows
 * no device. Whoever has one guards it. */
#ifndef HWSIM_CONVERTER_RESPONSE_H
#define HWSIM_CONVERTER_RESPONSE_H

#include "base/time.h"

#include <stddef.h>

/* From a time until the next piece begins: to + (from - to) exp(-(t - at) / tau). */
typedef struct piece {
  int64_t at_ns;
  double from_v, to_v;
} piece;

/* The last changes that it keeps for streams that lag. */
#define RESPONSE_PIECES (1 << 17)

typedef struct response {
  /* Constant. */
  double gain, offset_v, tau_ns;
  int64_t delay_ns;
  double lowest_v, highest_v; /* what the table goes from and to */
  double *table;              /* or NULL: what is put out */
  size_t table_length;

  piece *pieces; /* in the order of their times */
  size_t first, count, capacity;
  unsigned readers; /* streams that may ask for the past */
} response;

/* The table is copied. NULL: no memory. */
response *response_new(const response *config, const double *table);
/* It begins, at rest, with `volts` put out. */
void response_begin(response *self, double volts, int64_t at_ns);
void response_free(response *self); /* may be NULL */
/* From now on another voltage is put out. Times never go back. */
void response_put(response *self, double volts, int64_t at_ns);
/* With the pieces that begin then: what an operation at this time sees. */
double response_at(const response *self, int64_t at_ns);
/* Nothing can be told of times up to this one. */
int64_t response_forgotten_ns(const response *self);

/* Pieces, sampled: sample n at base_ns + (n - first + 1) / rate, which sees what began before. */
typedef struct sampled {
  const piece *pieces;
  size_t count;
  double tau_ns;
  int64_t base_ns;
  uint64_t first, rate_nhz;
} sampled;

/* Those pieces that times after `from_ns`, up to `to_ns`, need. */
void response_pieces(const response *self, int64_t from_ns, int64_t to_ns, sampled *out);
/* Samples n to n + count - 1. */
void sampled_values(const sampled *self, uint64_t n, size_t count, float *values_out);
/* A sample from n on before which none is at or above the level, or none at or below; UINT64_MAX:
 * there is none. */
uint64_t sampled_next(const sampled *self, uint64_t n, double level_v, bool above);

#endif
