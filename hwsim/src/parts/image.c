/* Images of models: the copy, in one block of memory, and the index. */
#include "parts/image.h"

#include "base/error.h"
#include "parts/map.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------- the copy -- */

/* Bytes one after the other; without a start they are only counted, and nothing is changed. */
typedef struct arena {
  char *start;
  size_t used;
} arena;

static void *keep(arena *self, const void *from, size_t size, size_t alignment) {
  self->used = (self->used + alignment - 1) / alignment * alignment;
  void *to = self->start ? self->start + self->used : NULL;
  self->used += size;
  return to && size ? memcpy(to, from, size) : to;
}

/* Each of these takes a pointer to it along, if there is a start. */
#define KEEP_ARRAY(target, member, count)                                                          \
  do {                                                                                             \
    void *kept =                                                                                   \
        keep(self, (target)->member, (count) * sizeof *(target)->member, _Alignof(max_align_t));   \
    if (self->start)                                                                               \
      (target)->member = (count) ? kept : NULL;                                                    \
  } while (0)

static void keep_text(arena *self, const char **text) {
  if (!*text)
    return;
  char *kept = keep(self, *text, strlen(*text) + 1, 1);
  if (kept)
    *text = kept;
}

static void keep_fields(arena *self, hwsim_register *entry) {
  KEEP_ARRAY(entry, fields, entry->field_count);
  for (uint32_t i = 0; i < entry->field_count; i++) {
    hwsim_field *field = (hwsim_field *)&entry->fields[i];
    keep_text(self, &field->name);
    keep_text(self, &field->description);
    KEEP_ARRAY(field, enumerators, field->enumerator_count);
    for (uint32_t k = 0; k < field->enumerator_count; k++) {
      hwsim_enumerator *each = (hwsim_enumerator *)&field->enumerators[k];
      keep_text(self, &each->name);
      keep_text(self, &each->description);
    }
  }
}

/* Twice: first to count, then into the memory that it takes. */
static void keep_model(arena *self, hwsim_model *model) {
  size_t channels = model->signals ? model->channels : 0;
  keep_text(self, &model->name);
  KEEP_ARRAY(model, registers, model->register_count);
  KEEP_ARRAY(model, memories, model->memory_count);
  KEEP_ARRAY(model, signals, channels);
  for (size_t i = 0; i < model->register_count; i++) {
    hwsim_register *entry = (hwsim_register *)&model->registers[i];
    if (!entry->bits && self->start)
      entry->bits = 32;
    keep_text(self, &entry->name);
    keep_text(self, &entry->description);
    keep_fields(self, entry);
  }
  KEEP_ARRAY(model, fifos, model->fifo_count);
  for (size_t i = 0; i < model->fifo_count; i++) {
    hwsim_fifo *entry = (hwsim_fifo *)&model->fifos[i];
    const char **texts[] = {&entry->name, &entry->data,     &entry->level,    &entry->empty,
                            &entry->full, &entry->overflow, &entry->underflow};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
      keep_text(self, texts[k]);
  }
  KEEP_ARRAY(model, rules, model->rule_count);
  for (size_t i = 0; i < model->rule_count; i++) {
    hwsim_rule *entry = (hwsim_rule *)&model->rules[i];
    const char **texts[] = {&entry->on, &entry->target, &entry->source, &entry->fifo};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
      keep_text(self, texts[k]);
    KEEP_ARRAY(entry, conditions, entry->condition_count);
    for (size_t k = 0; k < entry->condition_count; k++) {
      hwsim_condition *each = (hwsim_condition *)&entry->conditions[k];
      keep_text(self, &each->part);
      keep_text(self, &each->than);
    }
  }
  KEEP_ARRAY(model, claims, model->claim_count);
  for (size_t i = 0; i < model->claim_count; i++) {
    hwsim_claim *entry = (hwsim_claim *)&model->claims[i];
    keep_text(self, &entry->on);
  }
  KEEP_ARRAY(model, outputs, model->output_count);
  for (size_t i = 0; i < model->output_count; i++) {
    hwsim_output *entry = (hwsim_output *)&model->outputs[i];
    keep_text(self, &entry->name);
    keep_text(self, &entry->source);
  }
  for (size_t i = 0; i < model->memory_count; i++) {
    hwsim_memory *entry = (hwsim_memory *)&model->memories[i];
    if (!entry->bits && self->start)
      entry->bits = 32;
    keep_text(self, &entry->name);
    keep_text(self, &entry->description);
  }
}

/* --------------------------------------------------------------------------------- the index -- */

static uint64_t bits_of(const hwsim_field *field) {
  uint64_t ones = field->width >= 64 ? UINT64_MAX : (UINT64_C(1) << field->width) - 1;
  return ones << field->lsb;
}

/* What the access of a register says of bits in no field. */
static effect effect_of_access(const hwsim_register *entry, uint64_t all) {
  bool hides = entry->access == HWSIM_ACCESS_WO || (entry->is_alias && entry->field_count);
  effect self = {.readable = hides ? 0 : all};
  self.written[entry->access == HWSIM_ACCESS_W1C ? HWSIM_ONWRITE_ONE_CLEARS : HWSIM_ONWRITE_VALUE] =
      entry->writable;
  self.cleared_by_read = entry->access == HWSIM_ACCESS_RC ? all : 0;
  return self;
}

static void add_field(effect *self, const hwsim_register *entry, const hwsim_field *field) {
  uint64_t bits = bits_of(field);
  bool clears = entry->access == HWSIM_ACCESS_W1C && !field->onwrite;
  self->readable = field->readable ? self->readable | bits : self->readable & ~bits;
  for (int kind = 0; kind <= HWSIM_ONWRITE_SETS; kind++)
    self->written[kind] &= ~bits;
  self->written[clears ? HWSIM_ONWRITE_ONE_CLEARS : field->onwrite] |= field->writable ? bits : 0;
  self->cleared_by_read |= field->onread == HWSIM_ONREAD_CLEAR ? bits : 0;
  self->set_by_read |= field->onread == HWSIM_ONREAD_SET ? bits : 0;
  self->pulse |= field->pulse ? bits : 0;
  self->once |= field->once ? bits : 0;
}

static bool is_plain(const hwsim_register *entry, const effect *self, uint64_t all) {
  uint64_t others = self->cleared_by_read | self->set_by_read | self->pulse | self->once;
  for (int kind = HWSIM_ONWRITE_ONE_SETS; kind <= HWSIM_ONWRITE_SETS; kind++)
    others |= self->written[kind];
  return !others && (self->readable == all || entry->access == HWSIM_ACCESS_WO);
}

static unsigned access_flags(hwsim_access access) {
  return (access != HWSIM_ACCESS_WO ? READABLE : 0) |
         (access != HWSIM_ACCESS_RO && access != HWSIM_ACCESS_RC ? WRITABLE : 0);
}

static void add_fact(model_image *self, size_t place) {
  const hwsim_register *entry = &self->model.registers[place];
  uint64_t all = entry->bits == 64 ? UINT64_MAX : (UINT64_C(1) << entry->bits) - 1;
  effect what = effect_of_access(entry, all);
  for (uint32_t i = 0; i < entry->field_count; i++)
    add_field(&what, entry, &entry->fields[i]);
  bool plain = is_plain(entry, &what, all), constrained = false;
  for (uint32_t i = 0; i < entry->field_count; i++)
    constrained |= entry->fields[i].constraint != HWSIM_CONSTRAINT_NONE;
  bool direct = plain && !entry->role && !entry->is_alias;
  unsigned flags = access_flags(entry->access) | (direct ? PLAIN : 0) |
                   (self->behaviours[entry->role].timed ? TIMED : 0) |
                   (constrained ? CONSTRAINED : 0);
  self->facts[place] = (fact){.writable = what.written[HWSIM_ONWRITE_VALUE],
                              .all = all,
                              .bits = entry->bits,
                              .flags = (uint16_t)flags,
                              .effect = NOWHERE};
  if (!plain) {
    self->facts[place].effect = (uint16_t)self->effect_count;
    self->effects[self->effect_count++] = what;
  }
}

/* The table of addresses, in steps of the smallest register; it is worth it unless it is mostly
 * gaps. */
static void plan_places(model_image *self) {
  const hwsim_model *model = &self->model;
  if (!model->register_count)
    return;
  uint32_t smallest = 8;
  for (size_t i = 0; i < model->register_count; i++) {
    uint32_t size = map_size(model->registers[i].bits);
    smallest = size < smallest ? size : smallest;
  }
  while (1U << self->shift < smallest)
    self->shift++;
  const hwsim_register *last = &model->registers[model->register_count - 1];
  self->first_address = model->registers->address;
  self->slots = (size_t)((last->address - self->first_address) >> self->shift) + 1;
  if (self->slots > 8 * model->register_count + 64)
    self->slots = 0;
}

/* What rules and outputs make of the registers that they watch. */
static void add_rules(model_image *self) {
  const plan *made = self->plan;
  for (size_t i = 0; made && i < made->output_count; i++) {
    const output_plan *output = &made->outputs[i];
    ((hwsim_output *)&self->model.outputs[i])->bits = output->source.width;
    self->facts[output->source.place].flags |= DRIVES;
  }
  for (size_t i = 0; made && i < made->rule_count; i++) {
    const rule_plan *rule = &made->rules[i];
    fact *watched = rule->on.mask ? &self->facts[rule->on.place] : NULL;
    if (watched)
      watched->flags = (uint16_t)((watched->flags & ~PLAIN) | RULED | (rule->timed ? TIMED : 0));
  }
}

static void claim_accesses(uint16_t *number, fact *claimed, bool reads, size_t i) {
  *number = (uint16_t)i;
  claimed->flags =
      (uint16_t)((claimed->flags & ~PLAIN) | TIMED | (reads ? CLAIMED_READ : CLAIMED_WRITE));
}

/* EINVALID, with details, ENOMEM. */
static hwsim_error add_claim(model_image *self, size_t i) {
  const hwsim_claim *claim = &self->model.claims[i];
  const char *name = claim->on ? claim->on : "";
  const hwsim_register *entry = self->model.registers, *end = entry + self->model.register_count;
  while (entry < end && strcmp(entry->name, name) != 0)
    entry++;
  const char *fault = NULL;
  size_t place = (size_t)(entry - self->model.registers);
  if (entry == end)
    fault = "there is no such register";
  else if (entry->role)
    fault = "a register with a role has no behaviour";
  else if (!claim->reads && !claim->writes)
    fault = "must be of reads, or of writes";
  else if (claim->reads && (self->facts[place].flags & CLAIMED_READ))
    fault = "its reads are claimed already";
  else if (claim->writes && (self->facts[place].flags & CLAIMED_WRITE))
    fault = "its writes are claimed already";
  else if (claim->reads && !(self->facts[place].flags & READABLE))
    fault = "it cannot be read";
  else if (claim->writes && !(self->facts[place].flags & WRITABLE))
    fault = "it cannot be written";
  if (fault)
    return error_set(HWSIM_EINVALID, "", OPERATION(device, open)->name,
                     "claim %zu of the model, on %.64s: %s", i, name, fault);
  if (claim->reads)
    claim_accesses(&self->claims[place].read, &self->facts[place], true, i);
  if (claim->writes)
    claim_accesses(&self->claims[place].write, &self->facts[place], false, i);
  return HWSIM_OK;
}

static hwsim_error add_claims(model_image *self) {
  const hwsim_model *model = &self->model;
  if (!model->claim_count)
    return HWSIM_OK;
  if (model->claim_count > HWSIM_CLAIMS_LARGEST)
    return error_set(HWSIM_EINVALID, "", OPERATION(device, open)->name,
                     "a model must have up to %d claims, got %zu", HWSIM_CLAIMS_LARGEST,
                     model->claim_count);
  size_t size = model->register_count * sizeof *self->claims;
  self->claims = malloc(size);
  if (!self->claims)
    return error_no_memory("", OPERATION(device, open)->name);
  memset(self->claims, 0xFF, size); /* NOWHERE */
  for (size_t i = 0; i < model->claim_count; i++) {
    hwsim_error error = add_claim(self, i);
    if (error)
      return error;
  }
  return HWSIM_OK;
}

/* False: no memory. */
static bool find_storage(model_image *self) {
  const hwsim_register *entries = self->model.registers;
  size_t count = self->model.register_count, aliases = 0;
  for (size_t i = 0; i < count; i++)
    aliases += entries[i].is_alias;
  if (!aliases)
    return true;
  self->storage = malloc(count * sizeof *self->storage);
  for (size_t i = 0; self->storage && i < count; i++)
    self->storage[i] =
        (uint16_t)(entries[i].is_alias ? map_find(&self->model, entries[i].primary) - entries
                                       : (ptrdiff_t)i);
  return self->storage;
}

static bool make_index(model_image *self) {
  size_t count = self->model.register_count;
  plan_places(self);
  self->facts = malloc((count + 1) * sizeof *self->facts);
  self->effects = malloc((count + 1) * sizeof *self->effects);
  self->places = malloc((self->slots + 1) * sizeof *self->places);
  if (!self->facts || !self->effects || !self->places || !find_storage(self))
    return false;
  memset(self->places, 0xFF, self->slots * sizeof *self->places); /* NOWHERE */
  memset(self->by_role, 0xFF, sizeof self->by_role);
  for (size_t i = 0; i < count; i++) {
    const hwsim_register *entry = &self->model.registers[i];
    add_fact(self, i);
    if (entry->role)
      self->by_role[entry->role] = (uint16_t)i;
    if (self->slots)
      self->places[(entry->address - self->first_address) >> self->shift] = (uint16_t)i;
  }
  add_rules(self);
  effect *fitting = realloc(self->effects, (self->effect_count + 1) * sizeof *fitting);
  self->effects = fitting ? fitting : self->effects;
  return true;
}

/* -------------------------------------------------------------------------------------- life -- */

static hwsim_error make(const hwsim_model *model, const register_behaviour *behaviours,
                        model_image **image_out) {
  plan *rules = NULL;
  hwsim_error error = map_check(model, behaviours);
  if (!error)
    error = plan_new(model, behaviours, &rules);
  if (error)
    return error;
  hwsim_model copy = *model;
  arena counted = {NULL, sizeof(model_image)};
  keep_model(&counted, &copy);
  model_image *self = malloc(counted.used);
  if (self) {
    *self = (model_image){.model = *model, .behaviours = behaviours, .plan = rules};
    atomic_init(&self->references, 1);
    arena filled = {(char *)self, sizeof(model_image)};
    keep_model(&filled, &self->model);
    self->model.made = self;
  }
  if (!self || !make_index(self)) {
    if (!self)
      plan_free(rules);
    image_release(self);
    return error_no_memory("", OPERATION(device, open)->name);
  }
  if ((error = add_claims(self))) {
    image_release(self);
    return error;
  }
  *image_out = self;
  return HWSIM_OK;
}

hwsim_error image_of(const hwsim_model *model, const register_behaviour *behaviours,
                     model_image **image_out) {
  if (!model || !model->made)
    return make(model, behaviours, image_out);
  *image_out = image_retain(model->made);
  return HWSIM_OK;
}

model_image *image_retain(model_image *self) {
  atomic_fetch_add(&self->references, 1);
  return self;
}

void image_release(model_image *self) {
  if (!self || atomic_fetch_sub(&self->references, 1) > 1)
    return;
  plan_free(self->plan);
  free(self->claims);
  free(self->storage);
  free(self->places);
  free(self->effects);
  free(self->facts);
  free(self);
}

void hwsim_model_free(const hwsim_model *model) {
  if (model)
    image_release(model->made);
}
