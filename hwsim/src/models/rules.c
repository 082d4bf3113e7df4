/* Rules at work: a source of the timeline, which fires those whose delay is over. What follows from
 * a rule without a delay happens within the step that sets it off, before the next rule; that this
 * comes to an end was checked with the model. */
#include "models/rules.h"

#include "base/error.h"
#include "base/handle.h"
#include "base/memory.h"
#include "base/random.h"
#include "converter/signal.h"
#include "events/occurrence.h"
#include "parts/agenda.h"
#include "parts/plan.h"
#include "timeline/bus.h"
#include "timeline/timeline.h"

/* A rule that waits for its time. */
typedef struct waiting {
  heap_node node;
  uint64_t count;   /* of times that it was set off, for its jitter */
  int64_t due_ns;   /* without jitter */
  uint64_t written; /* what set it off */
} waiting;

typedef struct fifo {
  uint32_t head, count;
  uint64_t *values;
} fifo;

struct rules {
  const plan *plan;
  agenda later;
  bool quiet; /* during a reset: nothing is a change */
  waiting *waiting;
  fifo *fifos;
};

static uint64_t value_of(const hwsim_device *device, const bits *where, int64_t at_ns) {
  return (registers_held(device, where->place, at_ns) & where->mask) >> where->lsb;
}

static void set_bits(hwsim_device *device, const bits *where, uint64_t value, const op *cause,
                     int64_t at_ns) {
  if (where->mask)
    registers_change(device, where->place, where->mask, value << where->lsb & where->mask, cause,
                     at_ns);
}

/* ------------------------------------------------------------------------------------- FIFOs -- */

static void show(hwsim_device *device, size_t number, const op *cause, int64_t at_ns) {
  const rules *self = device->rules;
  const fifo_plan *says = &self->plan->fifos[number];
  const fifo *each = &self->fifos[number];
  if (says->shows && each->count)
    set_bits(device, &says->data, each->values[each->head], cause, at_ns);
  set_bits(device, &says->level, each->count, cause, at_ns);
  set_bits(device, &says->empty, !each->count, cause, at_ns);
  set_bits(device, &says->full, each->count == says->depth, cause, at_ns);
}

static void push(hwsim_device *device, size_t number, uint64_t value, const op *cause,
                 int64_t at_ns) {
  const plan *all = device->rules->plan;
  const fifo_plan *says = &all->fifos[number];
  fifo *each = &device->rules->fifos[number];
  if (each->count == says->depth)
    set_bits(device, &says->overflow, 1, cause, at_ns);
  else
    each->values[(each->head + each->count++) % says->depth] = value;
  show(device, number, cause, at_ns);
  for (size_t i = 0; i < all->fifo_count; i++) /* the write has covered what another one shows */
    if (i != number && all->fifos[i].shows && says->data.mask &&
        all->fifos[i].data.place == says->data.place)
      show(device, i, cause, at_ns);
}

static void pop(hwsim_device *device, size_t number, const bits *target, const op *cause,
                int64_t at_ns) {
  const fifo_plan *says = &device->rules->plan->fifos[number];
  fifo *each = &device->rules->fifos[number];
  if (!each->count) {
    set_bits(device, &says->underflow, 1, cause, at_ns);
    return;
  }
  uint64_t value = each->values[each->head];
  each->head = (each->head + 1) % says->depth;
  each->count--;
  set_bits(device, target, value, cause, at_ns);
  show(device, number, cause, at_ns);
}

/* --------------------------------------------------------------------------------- what to do --
 */

/* A code in a field: of fewer bits the upper ones. */
static uint64_t encode(int16_t code, hwsim_code how, uint32_t width) {
  int64_t value = how == HWSIM_CODE_OFFSET     ? code + 32768
                  : how == HWSIM_CODE_UNIPOLAR ? (code < 0 ? 0 : 2 * (int64_t)code)
                                               : code;
  return (uint64_t)(width < 16 ? value >> (16 - width) : value);
}

static void convert(hwsim_device *device, const rule_plan *rule, const op *cause, int64_t at_ns) {
  int16_t code;
  if (rule->says.channel >= device->config.channels || !converters_are_enabled(device))
    return;
  code = converters_take(device, rule->says.channel, at_ns);
  if (rule->has_fifo) {
    const bits *data = &device->rules->plan->fifos[rule->fifo].data;
    uint32_t width = data->mask ? data->width : 16;
    uint64_t mask = UINT64_MAX >> (64 - width);
    push(device, rule->fifo, encode(code, rule->says.code, width) & mask, cause, at_ns);
  } else {
    set_bits(device, &rule->target, encode(code, rule->says.code, rule->target.width), cause,
             at_ns);
  }
}

static void act(hwsim_device *device, const rule_plan *rule, uint64_t written, const op *cause,
                int64_t at_ns) {
  const hwsim_rule *says = &rule->says;
  uint64_t value = says->written       ? written
                   : rule->source.mask ? value_of(device, &rule->source, at_ns)
                                       : says->value;
  switch (says->then) {
  case HWSIM_THEN_SET:
  case HWSIM_THEN_COPY: set_bits(device, &rule->target, value, cause, at_ns); break;
  case HWSIM_THEN_ADD:
    set_bits(device, &rule->target, value_of(device, &rule->target, at_ns) + value, cause, at_ns);
    break;
  case HWSIM_THEN_CONVERT: convert(device, rule, cause, at_ns); break;
  case HWSIM_THEN_PUSH: push(device, rule->fifo, value, cause, at_ns); break;
  case HWSIM_THEN_POP: pop(device, rule->fifo, &rule->target, cause, at_ns); break;
  case HWSIM_THEN_EVENT:
    observers_tell(
        device, &(occurrence){.kind = HWSIM_EVENT_TRIGGER, .at_ns = at_ns, .value = (double)value});
  }
}

/* ------------------------------------------------------------------------------------ delays -- */

static void wait_until(hwsim_device *device, size_t number, int64_t due_ns) {
  rules *self = device->rules;
  const rule_plan *rule = &self->plan->rules[number];
  waiting *each = &self->waiting[number];
  if (heap_holds(&each->node))
    heap_remove(&self->later.pending, &each->node);
  each->due_ns = due_ns;
  int64_t at_ns = due_ns;
  if (rule->says.jitter_ns) {
    uint64_t stream = RANDOM_RULE + ((uint64_t)number << 8);
    double unit = random_unit(random_bits(device->config.seed, stream, each->count++));
    at_ns += (int64_t)((double)rule->says.jitter_ns * (2 * unit - 1));
  }
  agenda_put(&self->later, &each->node, at_ns);
}

static bool compares(hwsim_comparison how, bool equal, bool less) {
  switch (how) {
  case HWSIM_COMPARISON_EQUAL: return equal;
  case HWSIM_COMPARISON_UNEQUAL: return !equal;
  case HWSIM_COMPARISON_BELOW: return less;
  case HWSIM_COMPARISON_AT_MOST: return less || equal;
  case HWSIM_COMPARISON_ABOVE: return !less && !equal;
  case HWSIM_COMPARISON_AT_LEAST: return !less;
  }
  return false;
}

static int64_t with_sign(uint64_t value, uint32_t width) {
  uint64_t sign = UINT64_C(1) << (width - 1);
  return (int64_t)((value ^ sign) - sign);
}

static bool holds(const hwsim_device *device, const rule_plan *rule, const condition_plan *what,
                  uint64_t written, int64_t at_ns) {
  uint64_t value = what->part.mask ? value_of(device, &what->part, at_ns) : written;
  uint64_t other = what->than.mask ? value_of(device, &what->than, at_ns) : what->value;
  if (what->is_signed) {
    int64_t a = with_sign(value, what->part.mask ? what->part.width : rule->on.width);
    int64_t b = what->than.mask ? with_sign(other, what->than.width) : (int64_t)other;
    return compares(what->comparison, a == b, a < b);
  }
  value &= what->mask;
  other &= what->mask;
  return compares(what->comparison, value == other, value < other);
}

static bool may_act(const hwsim_device *device, const rule_plan *rule, uint64_t written,
                    int64_t at_ns) {
  for (size_t i = 0; i < rule->says.condition_count; i++)
    if (!holds(device, rule, &rule->conditions[i], written, at_ns))
      return false;
  return true;
}

/* `soon`: not now, but at this very time. */
static void set_off(hwsim_device *device, size_t number, uint64_t written, bool soon,
                    const op *cause, int64_t at_ns) {
  rules *self = device->rules;
  const rule_plan *rule = &self->plan->rules[number];
  if (!may_act(device, rule, written, at_ns))
    return;
  if (!rule->says.delay_ns && !soon) {
    act(device, rule, written, cause, at_ns);
  } else if (!rule->says.ignore_again || !heap_holds(&self->waiting[number].node)) {
    self->waiting[number].written = written;
    wait_until(device, number, add_saturated(at_ns, rule->says.delay_ns));
    agenda_reschedule(device, &device->rules->later);
  }
}

static void fire(hwsim_device *device, source *source, int64_t at_ns, int64_t until_ns) {
  (void)source, (void)until_ns;
  rules *self = device->rules;
  heap_node *first = self->later.pending.root;
  size_t number = (size_t)(ELEMENT(first, waiting, node) - self->waiting);
  const rule_plan *rule = &self->plan->rules[number];
  uint64_t written = self->waiting[number].written;
  heap_remove(&self->later.pending, first);
  if (rule->says.when == HWSIM_WHEN_EVERY) {
    wait_until(device, number, add_saturated(self->waiting[number].due_ns, rule->says.delay_ns));
    if (may_act(device, rule, written, at_ns))
      act(device, rule, written, NULL, at_ns);
  } else {
    act(device, rule, written, NULL, at_ns);
  }
  agenda_reschedule(device, &device->rules->later);
}

/* ------------------------------------------------------------------- what registers tell it -- */

static void trigger(hwsim_device *device, hwsim_when when, size_t place, uint64_t mask,
                    uint64_t value, bool soon, const op *cause, int64_t at_ns) {
  const plan *all = device->rules->plan;
  const watch *found = device->rules->quiet ? NULL : plan_watch(all, place);
  for (size_t i = 0; found && i < found->count; i++) {
    size_t number = all->watched[found->first + i];
    const rule_plan *rule = &all->rules[number];
    uint64_t part = (value & rule->on.mask) >> rule->on.lsb;
    if (rule->says.when == when && (rule->on.mask & mask))
      set_off(device, number, part, soon, cause, at_ns);
  }
}

static void written(hwsim_device *device, size_t place, uint64_t value, uint64_t mask,
                    const op *cause, int64_t at_ns) {
  trigger(device, HWSIM_WHEN_WRITTEN, place, mask, value, false, cause, at_ns);
}

static void was_read(hwsim_device *device, size_t place, const op *cause, int64_t at_ns) {
  trigger(device, HWSIM_WHEN_READ, place, UINT64_MAX, 0, false, cause, at_ns);
}

static void changed(hwsim_device *device, size_t place, uint64_t mask, const op *cause,
                    int64_t at_ns) {
  uint64_t value = registers_held(device, place, at_ns);
  trigger(device, HWSIM_WHEN_CHANGED, place, mask, value, false, cause, at_ns);
}

/* Others have still to be told of what happens, and without power nothing follows from it. */
static void latched(hwsim_device *device, size_t place, uint64_t mask, int64_t at_ns) {
  uint64_t value = registers_held(device, place, at_ns);
  if (!bus_is_off(device))
    trigger(device, HWSIM_WHEN_CHANGED, place, mask, value, true, NULL, at_ns);
}

static int64_t next_ns(const hwsim_device *device) {
  return source_next_ns(&device->rules->later.source);
}

static void reset(hwsim_device *device, int64_t at_ns) {
  rules *self = device->rules;
  for (heap_node *first; (first = self->later.pending.root);)
    heap_remove(&self->later.pending, first);
  self->quiet = true;
  for (size_t i = 0; i < self->plan->fifo_count; i++) {
    self->fifos[i].head = self->fifos[i].count = 0;
    show(device, i, NULL, at_ns);
  }
  self->quiet = false;
  for (size_t i = 0; i < self->plan->rule_count; i++) {
    const hwsim_rule *says = &self->plan->rules[i].says;
    if (says->when == HWSIM_WHEN_EVERY)
      wait_until(device, i, add_saturated(at_ns, says->delay_ns));
    else if (says->when == HWSIM_WHEN_STARTED)
      set_off(device, i, 0, false, NULL, at_ns);
  }
  agenda_reschedule(device, &device->rules->later);
}

static const register_hooks hooks = {.written = written,
                                     .was_read = was_read,
                                     .changed = changed,
                                     .latched = latched,
                                     .reset = reset,
                                     .next_ns = next_ns};

/* -------------------------------------------------------------------------------------- life -- */

hwsim_error rules_check_clock(const model_image *image, const hwsim_config *config) {
  const plan *all = image->plan;
  bool runs = config->clock == HWSIM_CLOCK_REAL || config->clock == HWSIM_CLOCK_SCALED;
  for (size_t i = 0; runs && all && i < all->rule_count; i++) {
    const hwsim_rule *says = &all->rules[i].says;
    bool repeats = says->when == HWSIM_WHEN_EVERY || says->when == HWSIM_WHEN_CHANGED ||
                   (says->when == HWSIM_WHEN_STARTED && all->resets);
    double real_ns = (double)(says->delay_ns - says->jitter_ns) / config->clock_scale;
    if (repeats && says->delay_ns && real_ns < 1000)
      return error_set(HWSIM_EINVALID, config->name, OPERATION(device, open)->name,
                       "rule %zu of the model would act every %g s of real time; with this clock "
                       "it must be at least 1 us",
                       i, real_ns / 1e9);
  }
  return HWSIM_OK;
}

bool rules_open(hwsim_device *device) {
  const plan *all = device->model->made->plan;
  if (!all || !(all->rule_count + all->fifo_count))
    return true;
  size_t values = 0;
  for (size_t i = 0; i < all->fifo_count; i++)
    values += all->fifos[i].depth;
  rules *self = zeroed(sizeof *self);
  device->rules = self;
  if (!self)
    return false;
  self->plan = all;
  self->waiting = zeroed((all->rule_count + 1) * sizeof *self->waiting);
  self->fifos = zeroed((all->fifo_count + 1) * sizeof *self->fifos + values * sizeof(uint64_t));
  if (!self->waiting || !self->fifos)
    return false;
  uint64_t *next = (uint64_t *)(void *)(self->fifos + all->fifo_count + 1);
  for (size_t i = 0; i < all->fifo_count; i++) {
    self->fifos[i].values = next;
    next += all->fifos[i].depth;
  }
  registers_set_hooks(device, &hooks);
  agenda_open(device, &self->later, fire);
  return true;
}

void rules_free(hwsim_device *device) {
  if (!device->rules)
    return;
  free(device->rules->waiting);
  free(device->rules->fifos);
  free(device->rules);
}

void rules_power_off(hwsim_device *device) {
  rules *self = device->rules;
  if (!self)
    return;
  for (heap_node *first; (first = self->later.pending.root);)
    heap_remove(&self->later.pending, first);
  agenda_reschedule(device, &device->rules->later);
}
