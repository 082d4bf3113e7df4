/* Plans: names looked up, and limits checked. */
#include "parts/plan.h"

#include "base/error.h"
#include "parts/map.h"
#include "timeline/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_FIFO = 65536, MOST_AT_ONCE = 1024 };
#define SHORTEST_NS 1000
#define LONGEST_NS INT64_C(3600000000000)

typedef struct maker {
  const hwsim_model *model;
  const register_behaviour *behaviours;
  const hwsim_register **sorted; /* by name */
  bits triggers;                 /* where an event that a rule emits is latched */
  plan *made;
  size_t condition_count;
  char where[64]; /* what is looked at, for errors */
} maker;

static hwsim_error refuse(const maker *self, const char *fault, const char *name) {
  return error_set(HWSIM_EINVALID, "", OPERATION(device, open)->name, "%s of the model: %s%s%.64s",
                   self->where, fault, name ? " " : "", name ? name : "");
}

/* ------------------------------------------------------------------------------------- names -- */

static int compare_names(const void *a, const void *b) {
  const hwsim_register *const *first = a, *const *second = b;
  return strcmp((*first)->name, (*second)->name);
}

static const hwsim_register *find_register(const maker *self, const char *name, size_t length) {
  size_t from = 0, to = self->model->register_count;
  while (from < to) {
    size_t middle = (from + to) / 2;
    const hwsim_register *entry = self->sorted[middle];
    int order = strncmp(name, entry->name, length);
    if (!order && !entry->name[length])
      return entry;
    if (order > 0)
      from = middle + 1;
    else
      to = middle;
  }
  return NULL;
}

/* What is to be done with a part. */
typedef enum use { ACCESSED, CHANGES, READ, SET, BOUND } use;

static hwsim_error check_role(const maker *self, const char *name, hwsim_role role, use use) {
#define HWSIM_X(name, value, text, meaning) [value] = text,
  static const char *const roles[] = {HWSIM_ROLES(HWSIM_X)};
#undef HWSIM_X
  const register_behaviour *what = &self->behaviours[role];
  const char *fault = NULL;
  if (use == BOUND)
    fault = "a FIFO or an output has no part in it; a rule can copy it to another register";
  else if (what->read && use == CHANGES)
    fault = "it is made up when it is read, so nothing tells of a change; put the rule on what it "
            "follows from, or let one that acts every so often ask for it";
  else if (what->read && use == SET)
    fault = "the device itself says what it reads, so a rule cannot set it";
  else if (what->command && (use == CHANGES || use == READ))
    fault = "it is a command, and holds nothing; a rule can act when it is written, or set it";
  if (!fault)
    return HWSIM_OK;
  return error_set(HWSIM_EINVALID, "", OPERATION(device, open)->name,
                   "%s of the model: %.64s has the role %s: %s", self->where, name, roles[role],
                   fault);
}

/* REGISTER, or REGISTER.FIELD; NULL: none. */
static hwsim_error find_bits(const maker *self, const char *name, use use, bits *out) {
  *out = (bits){0};
  if (!name)
    return HWSIM_OK;
  const hwsim_register *entry = find_register(self, name, strlen(name));
  const char *dot = strrchr(name, '.');
  const hwsim_field *field = NULL;
  uint32_t width = 0;
  if (entry) {
    width = entry->bits ? entry->bits : 32;
  } else if (dot && (entry = find_register(self, name, (size_t)(dot - name)))) {
    for (uint32_t i = 0; i < entry->field_count; i++)
      if (strcmp(entry->fields[i].name, dot + 1) == 0)
        field = &entry->fields[i];
    width = field ? field->width : 0;
  }
  if (!width)
    return refuse(self, "there is no register or field", name);
  if (entry->role) {
    hwsim_error error = check_role(self, name, entry->role, use);
    if (error)
      return error;
  }
  if (entry->is_alias && use == BOUND)
    return refuse(self, "is an alias; a FIFO or an output takes what that is of, not", name);
  if (entry->is_alias && use != ACCESSED)
    entry = map_find(self->model, entry->primary);
  out->place = (uint16_t)(entry - self->model->registers);
  out->lsb = field ? field->lsb : 0;
  out->width = (uint8_t)width;
  out->mask = UINT64_MAX >> (64 - width) << out->lsb;
  return HWSIM_OK;
}

static const register_behaviour *behaviour_of(const maker *self, const bits *where) {
  return &self->behaviours[self->model->registers[where->place].role];
}

static bool is_timed(const maker *self, const bits *where) {
  return where->mask && behaviour_of(self, where)->timed;
}

/* ----------------------------------------------------------------------------- what is said -- */

static bool fits(const bits *where, uint64_t value) {
  return !where->mask || value <= where->mask >> where->lsb;
}

static hwsim_error check_numbers(const maker *self, const rule_plan *rule) {
  const hwsim_rule *says = &rule->says;
  bool by_time = says->when == HWSIM_WHEN_EVERY || says->when == HWSIM_WHEN_STARTED;
  if ((unsigned)says->when > HWSIM_WHEN_STARTED || (unsigned)says->then > HWSIM_THEN_EVENT)
    return refuse(self, "unknown kind", NULL);
  if (by_time == (rule->on.mask != 0))
    return refuse(self, by_time ? "must not be on a register" : "must be on a register", NULL);
  if ((says->delay_ns && says->delay_ns < SHORTEST_NS) || says->delay_ns > LONGEST_NS ||
      (says->when == HWSIM_WHEN_EVERY && !says->delay_ns))
    return refuse(self, "delay must be 0, or from 1 us to 1 h; a period must not be 0", NULL);
  if (says->jitter_ns < 0 || (says->jitter_ns && says->delay_ns - says->jitter_ns < SHORTEST_NS))
    return refuse(self, "jitter must leave at least 1 us of the delay", NULL);
  if (says->written && says->when != HWSIM_WHEN_WRITTEN)
    return refuse(self, "nothing is written that it could use", NULL);
  if (says->channel >= 64)
    return refuse(self, "channel must be from 0 to 63", NULL);
  if ((unsigned)says->code > HWSIM_CODE_UNIPOLAR)
    return refuse(self, "unknown code", NULL);
  return HWSIM_OK;
}

static hwsim_error check_parts(const maker *self, const rule_plan *rule) {
  bool target = rule->target.mask, source = rule->source.mask || rule->says.written;
  switch (rule->says.then) {
  case HWSIM_THEN_SET:
  case HWSIM_THEN_ADD:
    if (!target || !fits(&rule->target, rule->says.value))
      return refuse(self, "needs a target that its value fits into", NULL);
    break;
  case HWSIM_THEN_COPY:
    if (!target || !source)
      return refuse(self, "needs a target and a source", NULL);
    break;
  case HWSIM_THEN_CONVERT:
    if (target == rule->has_fifo)
      return refuse(self, "needs a target, or a FIFO", NULL);
    break;
  case HWSIM_THEN_PUSH:
  case HWSIM_THEN_POP:
    if (!rule->has_fifo)
      return refuse(self, "needs a FIFO", NULL);
    break;
  case HWSIM_THEN_EVENT: break;
  }
  return HWSIM_OK;
}

static bool fits_signed(uint32_t width, uint64_t value) {
  int64_t highest = (int64_t)(UINT64_MAX >> (65 - width)), number = (int64_t)value;
  return number <= highest && number >= -highest - 1;
}

static hwsim_error plan_condition(const maker *self, const rule_plan *rule,
                                  const hwsim_condition *says, condition_plan *out) {
  const char *name = says->part ? says->part : rule->says.on;
  bool gets_value = rule->says.when == HWSIM_WHEN_WRITTEN || rule->says.when == HWSIM_WHEN_CHANGED;
  hwsim_error error = find_bits(self, says->part, READ, &out->part);
  if (!error)
    error = find_bits(self, says->than, READ, &out->than);
  if (error)
    return error;
  const bits *part = says->part ? &out->part : &rule->on;
  out->comparison = says->comparison;
  out->value = says->value;
  out->mask = says->mask ? says->mask : UINT64_MAX;
  out->is_signed = says->is_signed;
  if ((unsigned)says->comparison > HWSIM_COMPARISON_AT_LEAST)
    return refuse(self, "unknown comparison of", name);
  if (!says->part && !gets_value)
    return refuse(self, "nothing is written or changes that a condition could be of", NULL);
  if (says->mask && says->is_signed)
    return refuse(self, "a mask leaves no sign to compare with, of", name);
  if (says->mask && !fits(part, says->mask))
    return refuse(self, "the mask of a condition does not fit into", name);
  if (says->than && says->value)
    return refuse(self, "is compared with a value, or with a part, but not both:", name);
  if (says->is_signed ? !fits_signed(part->width, says->value)
                      : !fits(part, says->value) || says->value & ~out->mask)
    return refuse(self, "the value of a condition does not fit into", name);
  return HWSIM_OK;
}

static hwsim_error plan_conditions(maker *self, const hwsim_rule *says, rule_plan *out) {
  condition_plan *next = self->made->conditions + self->condition_count;
  out->conditions = next;
  self->condition_count += says->condition_count;
  hwsim_error error = HWSIM_OK;
  for (size_t i = 0; !error && i < says->condition_count; i++) {
    error = plan_condition(self, out, &says->conditions[i], &next[i]);
    out->timed |= is_timed(self, &next[i].part) || is_timed(self, &next[i].than);
  }
  return error;
}

static hwsim_error plan_rule(maker *self, const hwsim_rule *says, rule_plan *out) {
  *out = (rule_plan){.says = *says};
  use on = says->when == HWSIM_WHEN_CHANGED ? CHANGES : ACCESSED;
  hwsim_error error = find_bits(self, says->on, on, &out->on);
  if (!error)
    error = find_bits(self, says->target, SET, &out->target);
  if (!error && says->then == HWSIM_THEN_ADD) /* to what it holds */
    error = find_bits(self, says->target, READ, &out->target);
  if (!error)
    error = find_bits(self, says->source, READ, &out->source);
  for (size_t i = 0; !error && says->fifo && i < self->model->fifo_count; i++)
    if (strcmp(says->fifo, self->model->fifos[i].name) == 0) {
      out->fifo = (uint16_t)i;
      out->has_fifo = true;
    }
  if (!error && says->fifo && !out->has_fifo)
    error = refuse(self, "there is no FIFO", says->fifo);
  out->commands = out->target.mask && behaviour_of(self, &out->target)->command;
  out->timed = is_timed(self, &out->target) || is_timed(self, &out->source);
  self->made->resets |= out->commands;
  if (!error)
    error = check_numbers(self, out);
  if (!error)
    error = plan_conditions(self, says, out);
  return error ? error : check_parts(self, out);
}

static hwsim_error plan_fifo(maker *self, size_t i) {
  const hwsim_fifo *says = &self->model->fifos[i];
  fifo_plan *out = &self->made->fifos[i];
  snprintf(self->where, sizeof self->where, "fifo %zu, %.40s,", i, says->name ? says->name : "");
  if (!says->name || !*says->name)
    return refuse(self, "has no name", NULL);
  for (size_t k = 0; k < i; k++)
    if (strcmp(says->name, self->model->fifos[k].name) == 0)
      return refuse(self, "has the name of another", NULL);
  if (!says->depth || says->depth > LARGEST_FIFO)
    return refuse(self, "depth must be from 1 to 65536", NULL);
  if ((says->pops || says->pushes) && !says->data)
    return refuse(self, "needs data", NULL);
  out->depth = says->depth;
  out->shows = says->data && (says->pops || !says->pushes);
  const struct {
    const char *name;
    bits *out;
  } parts[] = {{says->data, &out->data},         {says->level, &out->level},
               {says->empty, &out->empty},       {says->full, &out->full},
               {says->overflow, &out->overflow}, {says->underflow, &out->underflow}};
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
    hwsim_error error = find_bits(self, parts[k].name, BOUND, parts[k].out);
    if (error)
      return error;
  }
  return fits(&out->level, says->depth) ? HWSIM_OK
                                        : refuse(self, "its depth does not fit into level", NULL);
}

static hwsim_error plan_output(maker *self, size_t i) {
  const hwsim_output *says = &self->model->outputs[i];
  output_plan *out = &self->made->outputs[i];
  snprintf(self->where, sizeof self->where, "output %zu, %.40s,", i, says->name ? says->name : "");
  if (!says->name || !*says->name)
    return refuse(self, "has no name", NULL);
  for (size_t k = 0; k < i; k++)
    if (strcmp(says->name, self->model->outputs[k].name) == 0)
      return refuse(self, "has the name of another", NULL);
  if ((unsigned)says->code > HWSIM_CODE_UNIPOLAR)
    return refuse(self, "unknown code", NULL);
  if (!(says->range_v >= 0 && says->range_v <= 0) &&
      !(says->range_v >= 1e-3 && says->range_v <= 1e3))
    return refuse(self, "range must be from 0.001 to 1000 V, or 0: that of the device", NULL);
  hwsim_error error = find_bits(self, says->source, BOUND, &out->source);
  if (!error && (!out->source.mask || out->source.width > 32))
    error = refuse(self, "needs a source of up to 32 bits", NULL);
  out->code = says->code;
  return error;
}

int64_t plan_steps(const output_plan *self, uint64_t code) {
  int64_t half = INT64_C(1) << (self->source.width - 1), steps = (int64_t)code;
  if (self->code == HWSIM_CODE_OFFSET)
    return steps - half;
  return self->code == HWSIM_CODE_SIGNED && steps >= half ? steps - 2 * half : steps;
}

uint64_t plan_code(const output_plan *self, int64_t steps) {
  int64_t half = INT64_C(1) << (self->source.width - 1);
  return (uint64_t)(self->code == HWSIM_CODE_OFFSET ? steps + half : steps) &
         (UINT64_MAX >> (64 - self->source.width));
}

/* What accesses of the data of a FIFO do to it. */
static void add_access(plan *made, const fifo_plan *fifo, size_t i, hwsim_when when,
                       hwsim_then then) {
  made->rules[made->rule_count++] =
      (rule_plan){.says = {.when = when, .then = then, .written = when == HWSIM_WHEN_WRITTEN},
                  .on = fifo->data,
                  .fifo = (uint16_t)i,
                  .has_fifo = true};
}

/* ------------------------------------------------------------------- what follows from what -- */

static bool touches(const bits *changed, const rule_plan *next) {
  return next->says.when == HWSIM_WHEN_CHANGED && changed->place == next->on.place &&
         (changed->mask & next->on.mask);
}

/* Whether one rule, when it acts, sets off the other. */
static bool leads_to(const maker *self, const rule_plan *rule, const rule_plan *next) {
  if (rule->target.mask && touches(&rule->target, next))
    return true;
  if (rule->commands && next->says.when == HWSIM_WHEN_STARTED)
    return true;
  if (rule->says.then == HWSIM_THEN_EVENT && touches(&self->triggers, next))
    return true;
  if (!rule->has_fifo)
    return false;
  const fifo_plan *fifo = &self->made->fifos[rule->fifo];
  return touches(&fifo->data, next) || touches(&fifo->level, next) || touches(&fifo->empty, next) ||
         touches(&fifo->full, next) || touches(&fifo->overflow, next) ||
         touches(&fifo->underflow, next);
}

/* How many actions follow at once, itself included; 0: not known yet, -1: being counted. */
static int count_actions(const maker *self, int *counts, size_t i) {
  plan *made = self->made;
  if (counts[i])
    return counts[i];
  counts[i] = -1;
  int sum = 1;
  made->rules[i].timed |= made->rules[i].says.then == HWSIM_THEN_EVENT;
  for (size_t k = 0; k < made->rule_count; k++) {
    const rule_plan *next = &made->rules[k];
    if (!leads_to(self, &made->rules[i], next))
      continue;
    if (next->says.delay_ns) {
      made->rules[i].timed = true;
      continue;
    }
    int more = count_actions(self, counts, k);
    if (more < 0 || (sum += more) > MOST_AT_ONCE)
      return -1;
    made->rules[i].timed |= next->timed;
  }
  return counts[i] = sum;
}

static hwsim_error check_chains(maker *self) {
  plan *made = self->made;
  int *counts = calloc(made->rule_count + 1, sizeof *counts);
  if (!counts)
    return error_no_memory("", OPERATION(device, open)->name);
  hwsim_error error = HWSIM_OK;
  for (size_t i = 0; !error && i < made->rule_count; i++) {
    snprintf(self->where, sizeof self->where, "rule %zu", i);
    if (count_actions(self, counts, i) < 0)
      error = refuse(self, "sets itself off without a delay, or more than 1024 others", NULL);
    made->rules[i].timed |= made->rules[i].says.delay_ns > 0;
  }
  free(counts);
  return error;
}

/* ------------------------------------------------------------------------------- the watches -- */

static void make_watches(plan *self, size_t register_count) {
  size_t used = 0;
  for (size_t place = 0; place < register_count; place++) {
    size_t first = used;
    for (size_t i = 0; i < self->rule_count; i++)
      if (self->rules[i].on.mask && self->rules[i].on.place == place)
        self->watched[used++] = (uint16_t)i;
    if (used > first)
      self->watches[self->watch_count++] = (watch){
          .place = (uint16_t)place, .first = (uint16_t)first, .count = (uint16_t)(used - first)};
  }
}

static int compare_place(const void *key, const void *entry) {
  size_t a = *(const size_t *)key, b = ((const watch *)entry)->place;
  return (a > b) - (a < b);
}

const watch *plan_watch(const plan *self, size_t place) {
  return bsearch(&place, self->watches, self->watch_count, sizeof *self->watches, compare_place);
}

/* -------------------------------------------------------------------------------------- life -- */

static hwsim_error fill(maker *self) {
  const hwsim_model *model = self->model;
  plan *made = self->made;
  hwsim_error error = HWSIM_OK;
  for (size_t i = 0; !error && i < model->fifo_count; i++)
    error = plan_fifo(self, i);
  for (size_t i = 0; !error && i < model->output_count; i++)
    error = plan_output(self, i);
  for (size_t i = 0; !error && i < model->rule_count; i++) {
    snprintf(self->where, sizeof self->where, "rule %zu", i);
    error = plan_rule(self, &model->rules[i], &made->rules[made->rule_count++]);
  }
  for (size_t i = 0; !error && i < model->fifo_count; i++) {
    if (model->fifos[i].pops)
      add_access(made, &made->fifos[i], i, HWSIM_WHEN_READ, HWSIM_THEN_POP);
    if (model->fifos[i].pushes)
      add_access(made, &made->fifos[i], i, HWSIM_WHEN_WRITTEN, HWSIM_THEN_PUSH);
  }
  if (!error)
    error = check_chains(self);
  if (!error)
    make_watches(made, model->register_count);
  return error;
}

hwsim_error plan_new(const hwsim_model *model, const register_behaviour *behaviours,
                     plan **plan_out) {
  *plan_out = NULL;
  if (!model->rule_count && !model->fifo_count && !model->output_count)
    return HWSIM_OK;
  maker self = {.model = model, .behaviours = behaviours};
  if (model->rule_count > HWSIM_RULES_LARGEST || model->fifo_count > HWSIM_FIFOS_LARGEST)
    return error_set(HWSIM_EINVALID, "", OPERATION(device, open)->name,
                     "a model must have up to %d rules and %d FIFOs, got %zu and %zu",
                     HWSIM_RULES_LARGEST, HWSIM_FIFOS_LARGEST, model->rule_count,
                     model->fifo_count);
  if (model->output_count > HWSIM_OUTPUTS_LARGEST)
    return error_set(HWSIM_EINVALID, "", OPERATION(device, open)->name,
                     "a model must have up to %d outputs, got %zu", HWSIM_OUTPUTS_LARGEST,
                     model->output_count);
  size_t rules = model->rule_count + 2 * model->fifo_count, conditions = 0;
  for (size_t i = 0; i < model->rule_count; i++) {
    size_t count = model->rules[i].condition_count;
    if (count > HWSIM_CONDITIONS_LARGEST || (count && !model->rules[i].conditions))
      return error_set(HWSIM_EINVALID, "", OPERATION(device, open)->name,
                       "rule %zu of the model must have up to %d conditions, got %zu", i,
                       HWSIM_CONDITIONS_LARGEST, model->rules[i].conditions ? count : 0);
    conditions += count;
  }
  self.made = calloc(1, sizeof *self.made);
  self.sorted = malloc((model->register_count + 1) * sizeof *self.sorted);
  hwsim_error error = self.made && self.sorted ? HWSIM_OK : HWSIM_ENOMEM;
  if (!error) {
    self.made->fifo_count = model->fifo_count;
    self.made->output_count = model->output_count;
    self.made->outputs = calloc(model->output_count + 1, sizeof *self.made->outputs);
    self.made->conditions = calloc(conditions + 1, sizeof *self.made->conditions);
    self.made->rules = calloc(rules + 1, sizeof *self.made->rules);
    self.made->fifos = calloc(model->fifo_count + 1, sizeof *self.made->fifos);
    self.made->watched = calloc(rules + 1, sizeof *self.made->watched);
    self.made->watches = calloc(rules + 1, sizeof *self.made->watches);
    if (!self.made->outputs || !self.made->conditions || !self.made->rules || !self.made->fifos ||
        !self.made->watched || !self.made->watches)
      error = HWSIM_ENOMEM;
  }
  if (error) {
    error_no_memory("", OPERATION(device, open)->name);
  } else {
    for (size_t i = 0; i < model->register_count; i++) {
      self.sorted[i] = &model->registers[i];
      if (model->registers[i].role == HWSIM_ROLE_EVENT_STATUS)
        self.triggers = (bits){.place = (uint16_t)i, .mask = HWSIM_EVENT_BIT(HWSIM_EVENT_TRIGGER)};
    }
    qsort(self.sorted, model->register_count, sizeof *self.sorted, compare_names);
    error = fill(&self);
  }
  free(self.sorted);
  if (error)
    plan_free(self.made);
  else
    *plan_out = self.made;
  return error;
}

void plan_free(plan *self) {
  if (!self)
    return;
  free(self->conditions);
  free(self->rules);
  free(self->fifos);
  free(self->outputs);
  free(self->watched);
  free(self->watches);
  free(self);
}
