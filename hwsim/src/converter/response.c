/* Responses: gain, a table, delay and a first-order lag, in closed form. Between two changes of the
 * output a response is one piece, which follows from how it begins and where it goes: no step of
 * time comes into it, and a sample is the same however it is asked for. */
#include "converter/response.h"

#include "base/memory.h"
#include "base/rate.h"

#include <math.h>

static double value_at(const piece *self, double tau_ns, int64_t at_ns) {
  double way = self->from_v - self->to_v;
  if (!(tau_ns > 0) || (!(way < 0) && !(way > 0)))
    return self->to_v;
  if (at_ns <= self->at_ns)
    return self->from_v;
  return self->to_v + way * exp(-(double)(at_ns - self->at_ns) / tau_ns);
}

static double target(const response *self, double volts) {
  if (self->table) {
    double span = self->highest_v - self->lowest_v, last = (double)(self->table_length - 1);
    double place = fmin(fmax((volts - self->lowest_v) / span * last, 0), last);
    double near = round(place);
    if (fabs(place - near) < 1e-6) /* what can be put out is a place of the table */
      place = near;
    size_t left = (size_t)place;
    double rest = place - (double)left;
    volts = self->table[left];
    if (rest > 0)
      volts += rest * (self->table[left + 1] - volts);
  }
  return self->offset_v + self->gain * volts;
}

/* -------------------------------------------------------------------------------- the pieces -- */

static piece *all_of(const response *self) { return self->pieces + self->first; }

response *response_new(const response *config, const double *table) {
  enum { FEW = 16 };
  response *self = zeroed(sizeof *self);
  if (!self)
    return NULL;
  *self = *config;
  self->table = table ? malloc(self->table_length * sizeof *table) : NULL;
  self->pieces = malloc(FEW * sizeof *self->pieces);
  if (!self->pieces || (table && !self->table)) {
    response_free(self);
    return NULL;
  }
  if (table)
    memcpy(self->table, table, self->table_length * sizeof *table);
  self->first = 0;
  self->count = 1;
  self->capacity = FEW;
  return self;
}

void response_begin(response *self, double volts, int64_t at_ns) {
  double rest_v = target(self, volts);
  self->pieces[0] = (piece){.at_ns = at_ns, .from_v = rest_v, .to_v = rest_v};
}

void response_free(response *self) {
  if (!self)
    return;
  free(self->table);
  free(self->pieces);
  free(self);
}

/* How many pieces begin by a time, or before it. */
static size_t count_by(const piece *pieces, size_t count, int64_t at_ns, bool before) {
  size_t from = 0, to = count;
  while (from < to) {
    size_t middle = (from + to) / 2;
    if (before ? pieces[middle].at_ns < at_ns : pieces[middle].at_ns <= at_ns)
      from = middle + 1;
    else
      to = middle;
  }
  return from;
}

static bool drop_oldest(response *self, int64_t now_ns) {
  if (self->count < 2 || all_of(self)[1].at_ns > now_ns)
    return false; /* what is seen now */
  self->first++;
  self->count--;
  return true;
}

/* Room for one more; false: there is none. */
static bool make_room(response *self, int64_t now_ns) {
  while (!self->readers && drop_oldest(self, now_ns))
    ;
  if (self->count >= RESPONSE_PIECES && !drop_oldest(self, now_ns))
    return false;
  if (self->first + self->count < self->capacity)
    return true;
  if (self->first < self->count) {
    piece *larger = realloc(self->pieces, 2 * self->capacity * sizeof *larger);
    if (larger) {
      self->pieces = larger;
      self->capacity *= 2;
      return true;
    }
    drop_oldest(self, now_ns);
  }
  if (!self->first)
    return false;
  memmove(self->pieces, all_of(self), self->count * sizeof *self->pieces);
  self->first = 0;
  return true;
}

void response_put(response *self, double volts, int64_t at_ns) {
  double to_v = target(self, volts);
  piece *last = all_of(self) + self->count - 1;
  int64_t begins_ns = time_after(at_ns, self->delay_ns);
  if (!(to_v < last->to_v) && !(to_v > last->to_v))
    return;
  if (last->at_ns < begins_ns && make_room(self, at_ns)) {
    last = all_of(self) + self->count++;
    last->at_ns = begins_ns;
    last->from_v = value_at(last - 1, self->tau_ns, begins_ns);
  }
  last->to_v = to_v;
}

double response_at(const response *self, int64_t at_ns) {
  size_t begun = count_by(all_of(self), self->count, at_ns, false);
  return value_at(all_of(self) + (begun ? begun - 1 : 0), self->tau_ns, at_ns);
}

int64_t response_forgotten_ns(const response *self) { return all_of(self)->at_ns; }

void response_pieces(const response *self, int64_t from_ns, int64_t to_ns, sampled *out) {
  const piece *all = all_of(self);
  size_t first = count_by(all, self->count, from_ns, false);
  first -= first > 0;
  out->pieces = all + first;
  out->count = count_by(all, self->count, to_ns, true) - first;
  out->count += !out->count;
  out->tau_ns = self->tau_ns;
}

/* ----------------------------------------------------------------------------------- samples -- */

static int64_t time_of(const sampled *self, uint64_t n) {
  return add_saturated(self->base_ns, rate_time(self->rate_nhz, n - self->first + 1));
}

void sampled_values(const sampled *self, uint64_t n, size_t count, float *values_out) {
  int64_t at_ns = time_of(self, n);
  uint64_t step_ns = NHZ_NS / self->rate_nhz, rest = NHZ_NS % self->rate_nhz;
  /* The time is rounded up: what it is ahead of the exact one, in 1 / rate_nhz. */
  wide ahead = (wide)(uint64_t)(at_ns - self->base_ns) * self->rate_nhz -
               (wide)(n - self->first + 1) * NHZ_NS;
  size_t begun = count_by(self->pieces, self->count, at_ns, true);
  for (size_t i = 0; i < count; i++) {
    while (begun < self->count && self->pieces[begun].at_ns < at_ns)
      begun++;
    values_out[i] = (float)value_at(&self->pieces[begun ? begun - 1 : 0], self->tau_ns, at_ns);
    bool late = ahead < rest;
    at_ns = add_saturated(at_ns, (int64_t)step_ns + late);
    ahead = ahead + (late ? self->rate_nhz : 0) - rest;
  }
}

/* When a piece that goes to the level, or past it, comes there; early by a little. */
static int64_t crossing_ns(const piece *self, double tau_ns, double level_v) {
  double part = (self->from_v - self->to_v) / (level_v - self->to_v);
  double after_ns = part > 1 ? tau_ns * log(part) * (1 - 1e-12) - 2 : 0;
  if (!(after_ns < 0x1p62)) /* it only tends to it */
    return FOREVER;
  return add_saturated(self->at_ns, after_ns > 0 ? (int64_t)after_ns : 0);
}

uint64_t sampled_next(const sampled *self, uint64_t n, double level_v, bool above) {
  int64_t from_ns = time_of(self, n);
  size_t i = count_by(self->pieces, self->count, from_ns, true);
  for (i -= i > 0; i < self->count; i++) {
    const piece *each = &self->pieces[i];
    int64_t begin_ns = each->at_ns < from_ns ? from_ns : each->at_ns + 1;
    bool last = i + 1 == self->count;
    double at_begin_v = value_at(each, self->tau_ns, begin_ns), to_v = each->to_v;
    double at_end_v = last ? to_v : value_at(each, self->tau_ns, each[1].at_ns);
    int64_t found_ns = begin_ns;
    if (above ? at_begin_v < level_v : at_begin_v > level_v) {
      if (above ? at_end_v < level_v : at_end_v > level_v)
        continue;
      found_ns = crossing_ns(each, self->tau_ns, level_v);
      if (found_ns == FOREVER)
        continue;
      found_ns = found_ns > begin_ns ? found_ns : begin_ns;
    }
    uint64_t found = self->first + rate_count(self->rate_nhz, found_ns - 1 - self->base_ns);
    found = found > n ? found : n;
    if (last || time_of(self, found) <= each[1].at_ns)
      return found;
  }
  return UINT64_MAX;
}
