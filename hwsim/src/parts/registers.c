/* Registers: access rules over any model's map, and the operations. */
#include "parts/registers.h"

#include "base/array.h"
#include "base/error.h"
#include "base/handle.h"
#include "base/memory.h"
#include "converter/output.h"
#include "events/subscription.h"
#include "parts/map.h"
#include "timeline/bus.h"
#include "timeline/call.h"
#include "timeline/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct registers {
  model_image *image;
  /* What it says, at hand. */
  const hwsim_register *map;
  const register_behaviour *behaviours;
  const fact *facts;
  const uint16_t *places;
  size_t count, slots;
  register_lens *lens;          /* or NULL */
  const register_hooks *hooks;  /* or NULL */
  const journal_keeper *keeper; /* or NULL */
  int64_t reset_ns;
  topic watchers;
  uint64_t *locked;  /* by effect: bits that have been written once */
  uint8_t *memories; /* one after the other; NULL: none */
  uint64_t values[]; /* by place in the map */
};

/* Bytes of the memories before this one. */
static size_t memory_offset(const hwsim_model *model, const hwsim_memory *memory) {
  size_t offset = 0;
  for (const hwsim_memory *each = model->memories; each && each != memory; each++)
    offset += (size_t)map_size(each->bits) * each->words;
  return offset;
}

bool registers_open(hwsim_device *device, model_image *image) {
  const hwsim_model *model = &image->model;
  size_t count = model->register_count;
  registers *self = zeroed(sizeof(registers) + (count + image->effect_count) * sizeof(uint64_t));
  device->registers = self;
  if (!self)
    return false;
  self->image = image;
  self->map = model->registers;
  self->behaviours = image->behaviours;
  self->facts = image->facts;
  self->places = image->places;
  self->count = count;
  self->slots = image->slots;
  self->locked = self->values + count;
  topic_init(&self->watchers, false);
  size_t bytes = memory_offset(model, model->memories + model->memory_count);
  if (model->memory_count)
    self->memories = calloc(1, bytes);
  return !model->memory_count || self->memories;
}

void registers_free(hwsim_device *device) {
  if (device->registers)
    free(device->registers->memories);
  free(device->registers);
}

/* Its place, or NOWHERE. */
static inline size_t place_of(const hwsim_device *device, uint32_t address) {
  const registers *self = device->registers;
  if (self->slots) {
    const model_image *image = self->image;
    uint32_t offset = address - image->first_address, slot = offset >> image->shift;
    return slot < self->slots && slot << image->shift == offset ? self->places[slot] : NOWHERE;
  }
  const hwsim_register *found = map_find(device->model, address);
  return found ? (size_t)(found - self->map) : NOWHERE;
}

static inline const register_behaviour *behaviour_of(const registers *self, size_t place) {
  return &self->behaviours[self->map[place].role];
}

/* Where the bits of a register are, which may be an alias. */
static inline size_t storage_of(const registers *self, size_t place) {
  return image_storage(self->image, place);
}

size_t registers_storage(const hwsim_device *device, size_t place) {
  return storage_of(device->registers, place);
}

/* ---------------------------------------------------------------------- what a register does -- */

uint64_t registers_get(const hwsim_device *device, hwsim_role role) {
  const registers *self = device->registers;
  size_t place = self->image->by_role[role];
  return place == NOWHERE ? 0 : self->values[place];
}

static void hold(hwsim_device *device, size_t place, uint64_t value) {
  registers *self = device->registers;
  if (self->values[place] == value)
    return;
  self->values[place] = value;
  const register_behaviour *behaviour = behaviour_of(self, place);
  if (behaviour->changed)
    behaviour->changed(device, (uint32_t)value);
  topic_touch(device, &self->watchers);
}

void registers_set(hwsim_device *device, hwsim_role role, uint64_t value, int64_t at_ns) {
  registers *self = device->registers;
  size_t place = self->image->by_role[role];
  if (place == NOWHERE)
    return;
  uint64_t held = self->values[place];
  value &= self->facts[place].all;
  hold(device, place, value);
  if (held != value && self->facts[place].flags & RULED)
    self->hooks->latched(device, place, held ^ value, at_ns);
}

/* The outputs that follow the register. */
__attribute__((noinline)) static void drive(hwsim_device *device, size_t place, int64_t at_ns) {
  const registers *self = device->registers;
  const plan *all = self->image->plan;
  for (uint32_t i = 0; all && i < all->output_count; i++) {
    const output_plan *each = &all->outputs[i];
    if (each->source.place != place)
      continue;
    hwsim_output_scale scale = outputs_scale(device, i);
    double step_v = (scale.highest_v - scale.lowest_v) / (double)((UINT64_C(1) << scale.bits) - 1);
    uint64_t code = (self->values[place] & each->source.mask) >> each->source.lsb;
    outputs_put(device, i, (double)plan_steps(each, code) * step_v, at_ns);
  }
}

static void hold_and_tell(hwsim_device *device, size_t place, uint64_t value, bool tells,
                          const op *cause, int64_t at_ns) {
  registers *self = device->registers;
  if (self->values[place] == value)
    return;
  hold(device, place, value);
  if (self->facts[place].flags & DRIVES)
    drive(device, place, at_ns);
  if (tells && subscribers_want(device, HWSIM_EVENT_REGISTER))
    observers_tell(device, &(occurrence){.kind = HWSIM_EVENT_REGISTER,
                                         .channel = self->map[place].address,
                                         .at_ns = at_ns,
                                         .value = (double)value,
                                         .cause = cause});
}

/* As what happens to a device while it runs. */
static inline void change(hwsim_device *device, size_t place, uint64_t value, const op *cause,
                          int64_t at_ns) {
  registers *self = device->registers;
  uint64_t bits = self->values[place] ^ value;
  if (!bits)
    return;
  hold_and_tell(device, place, value, true, cause, at_ns);
  if (self->facts[place].flags & RULED)
    self->hooks->changed(device, place, bits, cause, at_ns);
}

static inline uint64_t held_at(const hwsim_device *device, size_t place, int64_t at_ns) {
  const registers *self = device->registers;
  const register_behaviour *behaviour = behaviour_of(self, place);
  return behaviour->read ? behaviour->read(device, at_ns) & self->facts[place].all
                         : self->values[storage_of(self, place)];
}

uint64_t registers_held(const hwsim_device *device, size_t place, int64_t at_ns) {
  return held_at(device, place, at_ns);
}

void registers_change(hwsim_device *device, size_t place, uint64_t mask, uint64_t value,
                      const op *cause, int64_t at_ns) {
  const registers *self = device->registers;
  const register_behaviour *behaviour = behaviour_of(self, place);
  if (behaviour->command)
    behaviour->command(device, (uint32_t)(value & mask), cause, at_ns);
  else
    change(device, place, (self->values[place] & ~mask) | (value & mask), cause, at_ns);
}

void registers_set_keeper(hwsim_device *device, const journal_keeper *keeper) {
  device->registers->keeper = keeper;
}

void registers_set_hooks(hwsim_device *device, const register_hooks *hooks) {
  device->registers->hooks = hooks;
}

int64_t registers_reset_ns(const hwsim_device *device) { return device->registers->reset_ns; }

void registers_reset(hwsim_device *device, bool tells, const op *cause, int64_t at_ns) {
  registers *self = device->registers;
  self->reset_ns = at_ns;
  memset(self->locked, 0, self->image->effect_count * sizeof *self->locked);
  for (size_t i = 0; i < self->count; i++)
    if (!self->map[i].is_alias)
      hold_and_tell(device, i, self->map[i].reset_value, tells, cause, at_ns);
  for (size_t i = 0; i < self->count; i++) /* also what has had no power */
    if (self->facts[i].flags & DRIVES)
      drive(device, i, at_ns);
  topic_touch(device, &self->watchers);
  if (self->hooks)
    self->hooks->reset(device, at_ns);
  if (self->keeper)
    self->keeper->reset(device);
}

void registers_touch(hwsim_device *device) { topic_touch(device, &device->registers->watchers); }

void registers_set_lens(hwsim_device *device, register_lens *lens) {
  device->registers->lens = lens;
  registers_touch(device);
}

/* NULL: plain. */
static inline const effect *effect_of(const registers *self, size_t place) {
  uint16_t number = self->facts[place].effect;
  return number == NOWHERE ? NULL : &self->image->effects[number];
}

/* What operation `number` would read, without the side effect of reading. */
static inline uint64_t peek(const hwsim_device *device, uint64_t number, size_t place,
                            int64_t at_ns) {
  const registers *self = device->registers;
  const effect *what = effect_of(self, place);
  uint64_t value = held_at(device, place, at_ns);
  if (what)
    value &= what->readable;
  if (self->lens)
    value = self->lens(device, number, self->map[place].address, value) & self->facts[place].all;
  return value;
}

/* Apart from the short ways below, which would have to make room for it. */
__attribute__((noinline)) static uint64_t take(hwsim_device *device, const op *cause, size_t place,
                                               int64_t at_ns) {
  registers *self = device->registers;
  uint64_t value = peek(device, cause->number, place, at_ns);
  const effect *what = effect_of(self, place);
  if (what) {
    size_t storage = storage_of(self, place);
    uint64_t held = self->values[storage];
    uint64_t left = (held & ~what->cleared_by_read) | what->set_by_read;
    hold_and_tell(device, storage, left, false, cause, at_ns);
    if (held != left && self->facts[storage].flags & RULED)
      self->hooks->changed(device, storage, held ^ left, cause, at_ns);
  }
  if (self->facts[place].flags & RULED)
    self->hooks->was_read(device, place, cause, at_ns);
  return value;
}

/* What is held once the bits of `mask` have been written. */
static uint64_t write_to(const effect *self, uint64_t held, uint64_t value, uint64_t mask) {
  const uint64_t *by = self->written;
  uint64_t set = (by[HWSIM_ONWRITE_ONE_SETS] & value) | (by[HWSIM_ONWRITE_ZERO_SETS] & ~value) |
                 by[HWSIM_ONWRITE_SETS];
  uint64_t cleared = (by[HWSIM_ONWRITE_ONE_CLEARS] & value) |
                     (by[HWSIM_ONWRITE_ZERO_CLEARS] & ~value) | by[HWSIM_ONWRITE_CLEARS];
  uint64_t toggled =
      (by[HWSIM_ONWRITE_ONE_TOGGLES] & value) | (by[HWSIM_ONWRITE_ZERO_TOGGLES] & ~value);
  uint64_t stored = by[HWSIM_ONWRITE_VALUE] & mask;
  held = (held & ~stored) | (value & stored);
  return ((held | (set & mask)) & ~(cleared & mask)) ^ (toggled & mask);
}

size_t registers_find(const hwsim_device *device, uint32_t address) {
  size_t place = place_of(device, address);
  if (place == NOWHERE || device->registers->map[place].role)
    return NOWHERE;
  return registers_storage(device, place);
}

uint64_t registers_peek(const hwsim_device *device, uint64_t number, size_t place, int64_t at_ns) {
  return peek(device, number, place, at_ns);
}

uint64_t registers_written(const hwsim_device *device, size_t place, uint64_t held, uint64_t value,
                           uint64_t mask) {
  const registers *self = device->registers;
  const effect *what = effect_of(self, place);
  uint64_t stored = self->facts[place].writable & mask;
  return what ? write_to(what, held, value, mask & ~self->locked[self->facts[place].effect])
              : (held & ~stored) | (value & stored);
}

/* Writes the bits of `mask`. */
__attribute__((noinline)) static void put(hwsim_device *device, size_t place, uint64_t value,
                                          uint64_t mask, const op *cause, int64_t at_ns) {
  registers *self = device->registers;
  const register_behaviour *behaviour = behaviour_of(self, place);
  const effect *what = effect_of(self, place);
  size_t storage = storage_of(self, place);
  uint64_t held = self->values[storage], stored = self->facts[place].writable & mask;
  if (behaviour->command) {
    behaviour->command(device, (uint32_t)value, cause, at_ns);
  } else if (what) {
    uint64_t *locked = &self->locked[self->facts[place].effect];
    held = write_to(what, held, value, mask & ~*locked);
    *locked |= what->once & mask;
    change(device, storage, held, cause, at_ns);
  } else {
    change(device, storage, (held & ~stored) | (value & stored), cause, at_ns);
  }
  if (self->facts[place].flags & RULED)
    self->hooks->written(device, place, value, mask, cause, at_ns);
  if (what && what->pulse)
    change(device, storage, self->values[storage] & ~what->pulse, cause, at_ns);
}

/* ---------------------------------------------------------------------------- the operations -- */

typedef struct register_op {
  op base;
  size_t place, count;
  uint32_t *values;      /* of a block: to write, or that were read; NULL: one register */
  uint64_t value;        /* of one register: to write, or what was read */
  uint64_t mask, wanted; /* of update and wait */
  uint8_t *words;        /* of a memory */
  uint8_t *data;         /* bytes: to write, or that were read; NULL: whole registers or words */
  uint32_t start;        /* address of the first of them */
  size_t length;
} register_op;

/* ----------------------------------------------------------------------------------- as bytes --
 */

/* Where in its bytes a value has the one at an address: how far up its bits are. */
static uint32_t shift_of(const hwsim_device *device, uint32_t offset, uint32_t size) {
  return 8 * (device->model->big_endian ? size - 1 - offset : offset);
}

/* The byte of the operation that is byte `offset` of a register; NULL: it has none. */
static uint8_t *byte_at(const register_op *self, const hwsim_register *entry, uint32_t offset) {
  uint32_t index = entry->address + offset - self->start;
  return index < self->length ? &self->data[index] : NULL;
}

/* What a register read as, for the i-th read of the operation. */
static void give(const hwsim_device *device, register_op *self, size_t i, uint64_t value) {
  if (self->values) {
    self->values[i] = (uint32_t)value;
  } else if (self->data) {
    const hwsim_register *entry = &device->registers->map[self->place + i];
    for (uint32_t k = 0; k < map_size(entry->bits); k++) {
      uint8_t *byte = byte_at(self, entry, k);
      if (byte)
        *byte = (uint8_t)(value >> shift_of(device, k, map_size(entry->bits)));
    }
  } else {
    self->value = value;
  }
}

/* What is written to the i-th register, and which of its bits. */
static uint64_t given(const hwsim_device *device, const register_op *self, size_t i,
                      uint64_t *mask) {
  *mask = UINT64_MAX;
  if (!self->data)
    return self->values ? self->values[i] : self->value;
  const hwsim_register *entry = &device->registers->map[self->place + i];
  uint64_t value = *mask = 0;
  for (uint32_t k = 0; k < map_size(entry->bits); k++) {
    const uint8_t *byte = byte_at(self, entry, k);
    uint32_t shift = shift_of(device, k, map_size(entry->bits));
    value |= byte ? (uint64_t)*byte << shift : 0;
    *mask |= byte ? UINT64_C(0xFF) << shift : 0;
  }
  return value;
}

/* ---------------------------------------------------------------- with a behaviour in between --
 */

static inline bool is_called(const op *self) { return self->calls && self->called; }

static callout *begin(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  bool writes = base->kind->row != OPERATION(device, read_register) &&
                base->kind->row != OPERATION(device, read_block) &&
                base->kind->row != OPERATION(device, read_bytes);
  const journal_keeper *keeper = device->registers->keeper;
  bool updates = base->kind->row == OPERATION(device, update_register);
  callout *out = keeper->begin(device, base->number, at_ns);
  for (size_t i = 0; i < self->count; i++) {
    transfer each = {.place = (uint16_t)(self->place + i), .writes = writes, .mask = UINT64_MAX};
    if (updates) {
      each.mask = self->mask;
      each.value = self->wanted;
    } else if (writes) {
      each.value = given(device, self, i, &each.mask);
    }
    keeper->expect(device, &each);
  }
  return out;
}

/* Takes effect as its transaction says. */
static hwsim_error replay(hwsim_device *device, register_op *self, int64_t at_ns) {
  const registers *all = device->registers;
  size_t count, reads = 0;
  const entry *journal = all->keeper->journal(device, &count);
  for (const entry *each = journal; each < journal + count; each++) {
    switch (each->kind) {
    case ENTRY_READ: {
      uint64_t value = take(device, &self->base, each->place, at_ns);
      if (each->called) {
        uint32_t address = all->map[each->place].address;
        value = each->value;
        if (all->lens)
          value = all->lens(device, self->base.number, address, value);
        value &= all->facts[each->place].all;
      }
      give(device, self, reads++, value);
      break;
    }
    case ENTRY_WRITE: put(device, each->place, each->value, each->mask, &self->base, at_ns); break;
    case ENTRY_SET:
      registers_change(device, each->place, each->mask, each->value, &self->base, at_ns);
      break;
    case ENTRY_LATER: break;
    }
  }
  all->keeper->schedule(device, at_ns);
  return HWSIM_OK;
}

static hwsim_error apply_read(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  if (is_called(base))
    return replay(device, self, at_ns);
  for (size_t i = 0; i < self->count; i++)
    give(device, self, i, take(device, base, self->place + i, at_ns));
  return HWSIM_OK;
}

/* The same for one register, which is mostly a plain one. */
static hwsim_error apply_read_one(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  const registers *all = device->registers;
  if ((all->facts[self->place].flags & PLAIN) && !all->lens)
    self->value = all->values[self->place];
  else if (is_called(base))
    return replay(device, self, at_ns);
  else
    self->value = take(device, base, self->place, at_ns);
  return HWSIM_OK;
}

static hwsim_error apply_write(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  if (is_called(base))
    return replay(device, self, at_ns);
  for (size_t i = 0; i < self->count; i++) {
    uint64_t mask, value = given(device, self, i, &mask);
    put(device, self->place + i, value, mask, base, at_ns);
  }
  return HWSIM_OK;
}

static hwsim_error apply_write_one(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  const registers *all = device->registers;
  const fact *target = &all->facts[self->place];
  uint64_t held = all->values[self->place], changed = (held ^ self->value) & target->writable;
  if (!(target->flags & PLAIN) && is_called(base))
    return replay(device, self, at_ns);
  if (!(target->flags & PLAIN))
    put(device, self->place, self->value, UINT64_MAX, base, at_ns);
  else if (changed)
    hold_and_tell(device, self->place, held ^ changed, true, base, at_ns);
  return HWSIM_OK;
}

static hwsim_error apply_update(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  uint64_t old = peek(device, base->number, self->place, at_ns);
  if (is_called(base))
    replay(device, self, at_ns);
  else
    put(device, self->place, self->wanted, self->mask, base, at_ns);
  self->value = old;
  return HWSIM_OK;
}

/* When the register, with its stuck bits, will read by itself as the operation wants it to. */
static int64_t match_ns(const hwsim_device *device, const register_op *self, int64_t at_ns) {
  const registers *all = device->registers;
  const register_behaviour *behaviour = behaviour_of(all, self->place);
  if (!behaviour->match_ns)
    return FOREVER;
  uint64_t zeros = 0, ones = UINT64_MAX;
  uint32_t address = all->map[self->place].address;
  if (all->lens) {
    zeros = all->lens(device, self->base.number, address, 0);
    ones = all->lens(device, self->base.number, address, UINT64_MAX);
  }
  uint64_t stuck = ~(zeros ^ ones), free_mask = self->mask & ~stuck;
  if ((zeros ^ self->wanted) & stuck & self->mask || (self->wanted & free_mask) > UINT32_MAX)
    return FOREVER;
  return behaviour->match_ns(device, (uint32_t)free_mask, (uint32_t)(self->wanted & free_mask),
                             at_ns);
}

static hwsim_error apply_wait(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  uint64_t value = peek(device, base->number, self->place, at_ns);
  if ((value & self->mask) == self->wanted) {
    self->value = take(device, base, self->place, at_ns);
    return HWSIM_OK;
  }
  base->wake_ns = match_ns(device, self, at_ns);
  if (device->registers->hooks)
    base->wake_ns = earlier(base->wake_ns, device->registers->hooks->next_ns(device));
  if (device->registers->keeper)
    base->wake_ns = earlier(base->wake_ns, device->registers->keeper->next_ns(device));
  return OP_ARMED;
}

static const op_kind read_one = {
    .row = OPERATION(device, read_register), .apply = apply_read_one, .begin = begin};
static const op_kind write_one = {
    .row = OPERATION(device, write_register), .apply = apply_write_one, .begin = begin};
static const op_kind read_many = {
    .row = OPERATION(device, read_block), .apply = apply_read, .begin = begin};
static const op_kind write_many = {
    .row = OPERATION(device, write_block), .apply = apply_write, .begin = begin};
static const op_kind read_bytes = {
    .row = OPERATION(device, read_bytes), .apply = apply_read, .begin = begin};
static const op_kind write_bytes = {
    .row = OPERATION(device, write_bytes), .apply = apply_write, .begin = begin};
static const op_kind update_one = {
    .row = OPERATION(device, update_register), .apply = apply_update, .begin = begin};
static const op_kind wait_one = {.row = OPERATION(device, wait_register),
                                 .apply = apply_wait,
                                 .timed = true,
                                 .open_ended = true};

/* ---------------------------------------------------------------------------------- memories -- */

static uint64_t get_word(const uint8_t *from, uint32_t size) {
  uint64_t word = 0;
  for (uint32_t i = 0; i < size; i++)
    word |= (uint64_t)from[i] << 8 * i;
  return word;
}

static void set_word(uint8_t *to, uint32_t size, uint64_t word) {
  for (uint32_t i = 0; i < size; i++)
    to[i] = (uint8_t)(word >> 8 * i);
}

static hwsim_error apply_read_words(hwsim_device *device, op *base, int64_t at_ns) {
  (void)device, (void)at_ns;
  register_op *self = (register_op *)base;
  uint32_t size = base->bytes / (uint32_t)self->count;
  if (!self->values)
    self->value = get_word(self->words, size);
  for (size_t i = 0; self->values && i < self->count; i++)
    self->values[i] = (uint32_t)get_word(self->words + i * size, size);
  return HWSIM_OK;
}

static hwsim_error apply_write_words(hwsim_device *device, op *base, int64_t at_ns) {
  (void)device, (void)at_ns;
  register_op *self = (register_op *)base;
  uint32_t size = base->bytes / (uint32_t)self->count;
  if (!self->values)
    set_word(self->words, size, self->value);
  for (size_t i = 0; self->values && i < self->count; i++)
    set_word(self->words + i * size, size, self->values[i]);
  return HWSIM_OK;
}

static const op_kind read_word = {.row = OPERATION(device, read_register),
                                  .apply = apply_read_words};
static const op_kind write_word = {.row = OPERATION(device, write_register),
                                   .apply = apply_write_words};
static const op_kind read_words = {.row = OPERATION(device, read_block), .apply = apply_read_words};
static const op_kind write_words = {.row = OPERATION(device, write_block),
                                    .apply = apply_write_words};

/* The byte of a memory that is at `words[i]` where the order is that of the device. */
static uint8_t *memory_byte(const hwsim_device *device, const register_op *self, size_t i) {
  uint32_t size = map_size((uint32_t)self->wanted);
  size_t offset = (size_t)self->value + i, first = offset / size * size;
  return &self->words[first + shift_of(device, (uint32_t)(offset - first), size) / 8];
}

static hwsim_error apply_memory_bytes(hwsim_device *device, op *base, int64_t at_ns) {
  (void)at_ns;
  register_op *self = (register_op *)base;
  for (size_t i = 0; i < self->length; i++) {
    uint8_t *byte = memory_byte(device, self, i);
    if (base->kind->row == OPERATION(device, read_bytes))
      self->data[i] = *byte;
    else
      *byte = self->data[i];
  }
  return HWSIM_OK;
}

static const op_kind read_memory = {.row = OPERATION(device, read_bytes),
                                    .apply = apply_memory_bytes};
static const op_kind write_memory = {.row = OPERATION(device, write_bytes),
                                     .apply = apply_memory_bytes};

/* --------------------------------------------------------------------------------- the calls -- */

/* EADDRESS: not all of them exist. EACCESS: one of them does not allow it. EINVALID: a block of
 * what is too wide. */
static hwsim_error say_why(const hwsim_device *device, const char *operation, uint32_t address,
                           size_t count, unsigned access) {
  const registers *self = device->registers;
  const char *name = device->config.name;
  size_t place = place_of(device, address);
  if (place == NOWHERE)
    return map_check_address(device->model, name, operation, address);
  uint32_t size = map_size(self->map[place].bits);
  for (size_t i = 0; i < count; i++) {
    uint64_t at = address + (uint64_t)size * i;
    if (place + i >= self->count || self->map[place + i].address != at ||
        map_size(self->map[place + i].bits) != size)
      return error_set(HWSIM_EADDRESS, name, operation, "there is no register%s at 0x%02llX",
                       size == 4 ? "" : " of this size", (unsigned long long)at);
  }
  while (self->facts[place].flags & access)
    place++;
  return map_fail_access(self->map[place].name, self->map[place].address, name, operation,
                         access == READABLE ? "write-only" : "read-only");
}

static hwsim_error say_too_wide(const hwsim_device *device, const char *operation,
                                const char *register_name) {
  return error_set(HWSIM_EINVALID, device->config.name, operation,
                   "%s has 64 bits: registers of a block have up to 32; access each by itself",
                   register_name);
}

/* An operation on `count` words of a memory, or an error if there is none. */
static hwsim_error prepare_words(register_op *self, const op_kind *kind, hwsim_device *device,
                                 uint32_t address, size_t count, unsigned access) {
  const char *name = device->config.name, *operation = kind->row->name;
  const hwsim_memory *memory = map_find_memory(device->model, address);
  if (!memory)
    return say_why(device, operation, address, count, access);
  static const op_kind *const variants[][2] = {{&read_one, &read_word},
                                               {&write_one, &write_word},
                                               {&read_many, &read_words},
                                               {&write_many, &write_words}};
  const op_kind *variant = NULL;
  for (size_t i = 0; i < ARRAY_LENGTH(variants); i++)
    variant = variants[i][0] == kind ? variants[i][1] : variant;
  uint32_t size = map_size(memory->bits);
  size_t first = (address - memory->address) / size;
  if (!variant)
    return map_fail_access(memory->name, address, name, operation, "a memory, not a register");
  if (count > memory->words - first)
    return error_set(HWSIM_EADDRESS, name, operation, "%s has no more than %u words", memory->name,
                     memory->words);
  if (memory->access == (access == READABLE ? HWSIM_ACCESS_WO : HWSIM_ACCESS_RO))
    return map_fail_access(memory->name, address, name, operation,
                           access == READABLE ? "write-only" : "read-only");
  if (size == 8 && (kind == &read_many || kind == &write_many))
    return say_too_wide(device, operation, memory->name);
  op_prepare(&self->base, variant);
  self->base.bytes = size * (uint32_t)count;
  self->count = count;
  self->words = device->registers->memories + memory_offset(device->model, memory) + first * size;
  self->values = NULL;
  return HWSIM_OK;
}

/* An operation on `count` registers, all of which it can access. */
static inline hwsim_error prepare(register_op *self, const op_kind *kind, hwsim_device *device,
                                  uint32_t address, size_t count, unsigned access) {
  const registers *all = device->registers;
  size_t place = place_of(device, address);
  unsigned flags = 0;
  if (place == NOWHERE)
    return prepare_words(self, kind, device, address, count, access);
  uint32_t bits = all->facts[place].bits;
  for (size_t i = 0; i < count; i++) {
    if (place + i >= all->count || all->facts[place + i].bits != bits ||
        (i && all->map[place + i].address != address + (uint64_t)bits / 8 * i) ||
        !(all->facts[place + i].flags & access))
      return say_why(device, kind->row->name, address, count, access);
    flags |= all->facts[place + i].flags;
  }
  op_prepare(&self->base, kind);
  self->base.bytes = kind->row->bytes * (uint32_t)count * bits / 32;
  self->base.timed |= (flags & TIMED) != 0;
  self->base.calls = (flags & (access & WRITABLE ? CLAIMED_WRITE : CLAIMED_READ)) && all->keeper;
  self->place = place;
  self->count = count;
  self->values = NULL;
  self->data = NULL;
  return HWSIM_OK;
}

static hwsim_error say_access(const hwsim_device *device, const op_kind *kind, const char *name,
                              uint32_t address, unsigned access) {
  return map_fail_access(name, address, device->config.name, kind->row->name,
                         access == READABLE ? "write-only" : "read-only");
}

/* An operation on bytes: those of registers without a gap, or of a memory. */
static hwsim_error prepare_bytes(register_op *self, const op_kind *kind, hwsim_device *device,
                                 uint32_t address, size_t count, unsigned access) {
  const registers *all = device->registers;
  const hwsim_register *entry = map_holding(device->model, address);
  const hwsim_memory *memory = entry ? NULL : map_memory_holding(device->model, address);
  uint64_t end = address + (uint64_t)(count < UINT32_MAX ? count : UINT32_MAX), at = address;
  unsigned flags = 0;
  op_prepare(&self->base, kind);
  self->base.bytes = (uint32_t)count;
  self->start = address;
  self->length = count;
  self->count = 0;
  self->values = NULL;
  if (memory) {
    uint64_t bytes = (uint64_t)map_size(memory->bits) * memory->words;
    if (memory->access == (access == READABLE ? HWSIM_ACCESS_WO : HWSIM_ACCESS_RO))
      return say_access(device, kind, memory->name, address, access);
    self->base.kind = access == READABLE ? &read_memory : &write_memory;
    self->words = all->memories + memory_offset(device->model, memory);
    self->value = address - memory->address;
    self->wanted = memory->bits;
    at = memory->address + bytes;
  }
  self->place = entry ? (size_t)(entry - all->map) : 0;
  for (; entry && at < end; self->count++) {
    size_t place = self->place + self->count;
    if (place == all->count || all->map[place].address > at)
      break;
    if (!(all->facts[place].flags & access))
      return say_access(device, kind, all->map[place].name, all->map[place].address, access);
    flags |= all->facts[place].flags;
    at = all->map[place].address + (uint64_t)map_size(all->map[place].bits);
  }
  if (at < end || (!entry && !memory))
    return error_set(HWSIM_EADDRESS, device->config.name, kind->row->name,
                     "there is no register or memory at 0x%02llX", (unsigned long long)at);
  self->base.timed |= (flags & TIMED) != 0;
  self->base.calls = (flags & (access & WRITABLE ? CLAIMED_WRITE : CLAIMED_READ)) && all->keeper;
  return HWSIM_OK;
}

/* EINVALID: a value with bits that there are not. */
static inline hwsim_error check_fits(const hwsim_device *device, const op_kind *kind,
                                     uint32_t address, const char *name, uint64_t value,
                                     uint32_t bits) {
  uint64_t highest = UINT64_MAX >> (64 - bits);
  if (value <= highest)
    return HWSIM_OK;
  return error_set(HWSIM_EINVALID, device->config.name, kind->row->name,
                   "%s must be from 0 to 0x%llX: there are %u bits at 0x%02X; got 0x%llX", name,
                   (unsigned long long)highest, bits, address, (unsigned long long)value);
}

static bool is_allowed(const hwsim_field *field, uint64_t value) {
  if (field->constraint == HWSIM_CONSTRAINT_RANGE)
    return value >= field->lowest && value <= field->highest;
  bool found = field->constraint == HWSIM_CONSTRAINT_NONE;
  for (uint32_t i = 0; !found && i < field->enumerator_count; i++)
    found = field->enumerators[i].value == value;
  return found;
}

static void describe_allowed(const hwsim_field *field, char *text, size_t size) {
  if (field->constraint == HWSIM_CONSTRAINT_RANGE) {
    snprintf(text, size, "from 0x%llX to 0x%llX", (unsigned long long)field->lowest,
             (unsigned long long)field->highest);
    return;
  }
  size_t used = 0;
  for (uint32_t i = 0; i < field->enumerator_count && used < size; i++) {
    const hwsim_enumerator *each = &field->enumerators[i];
    used += (size_t)snprintf(text + used, size - used, "%s%.40s = 0x%llX", i ? ", " : "",
                             each->name, (unsigned long long)each->value);
  }
  if (used >= size)
    memcpy(text + size - 4, "...", 4);
}

/* EINVALID: a value that a field does not take. */
static hwsim_error check_allowed(const hwsim_device *device, const op_kind *kind, size_t place,
                                 uint64_t value, uint64_t mask) {
  const hwsim_register *entry = &device->registers->map[place];
  if (!(device->registers->facts[place].flags & CONSTRAINED))
    return HWSIM_OK;
  for (uint32_t i = 0; i < entry->field_count; i++) {
    const hwsim_field *field = &entry->fields[i];
    uint64_t ones = UINT64_MAX >> (64 - field->width), bits = value >> field->lsb & ones;
    uint64_t reset = entry->reset_value >> field->lsb & ones;
    if ((mask >> field->lsb & ones) != ones || bits == reset || is_allowed(field, bits))
      continue;
    char allowed[128];
    describe_allowed(field, allowed, sizeof allowed);
    return error_set(HWSIM_EINVALID, device->config.name, kind->row->name,
                     "%.64s.%.64s must be %s, or as after a reset, 0x%llX; got 0x%llX", entry->name,
                     field->name, allowed, (unsigned long long)reset, (unsigned long long)bits);
  }
  return HWSIM_OK;
}

hwsim_error hwsim_register_read(hwsim_device *device, uint32_t address, const hwsim_call *call,
                                uint64_t *value_out) {
  register_op self;
  hwsim_error error = prepare(&self, &read_one, device, address, 1, READABLE);
  if (error)
    return error;
  error = call_run(device, &self.base, sizeof self, call);
  if (!error)
    *value_out = self.value;
  return error;
}

hwsim_error hwsim_register_write(hwsim_device *device, uint32_t address, uint64_t value,
                                 const hwsim_call *call) {
  register_op self;
  hwsim_error error = prepare(&self, &write_one, device, address, 1, WRITABLE);
  if (!error)
    error = check_fits(device, &write_one, address, "value", value, self.base.bytes * 8);
  if (!error && self.base.kind == &write_one)
    error = check_allowed(device, &write_one, self.place, value, UINT64_MAX);
  if (error)
    return error;
  self.value = value;
  return call_run(device, &self.base, sizeof self, call);
}

static hwsim_error check_count(const hwsim_device *device, const op_kind *kind, size_t count) {
  return count ? HWSIM_OK
               : error_set(HWSIM_EINVALID, device->config.name, kind->row->name,
                           "count must be at least 1, got 0");
}

/* The values are at *values_io, or where a call that does not block keeps them. */
static hwsim_error run_block(hwsim_device *device, const op_kind *kind, uint32_t address,
                             size_t count, unsigned access, const hwsim_call *call,
                             const uint32_t *input, void **values_io) {
  register_op self;
  hwsim_error error = check_count(device, kind, count);
  if (!error)
    error = prepare(&self, kind, device, address, count, access);
  if (!error && self.base.kind == kind && device->registers->facts[self.place].bits > 32)
    error = say_too_wide(device, kind->row->name, device->registers->map[self.place].name);
  for (size_t i = 0; !error && input && i < count; i++)
    error = check_fits(device, kind, address, "values", input[i],
                       self.base.bytes / (uint32_t)count * 8);
  for (size_t i = 0; !error && input && self.base.kind == kind && i < count; i++)
    error = check_allowed(device, kind, self.place + i, input[i], UINT64_MAX);
  if (!error)
    error = request_memory(call, device, kind->row, count * sizeof *input, values_io);
  if (error)
    return error;
  if (input && *values_io != input)
    memcpy(*values_io, input, count * sizeof *input);
  self.values = *values_io;
  return call_run(device, &self.base, sizeof self, call);
}

hwsim_error hwsim_register_read_block(hwsim_device *device, uint32_t address, size_t count,
                                      const hwsim_call *call, uint32_t *values_out) {
  void *values = values_out;
  hwsim_error error = run_block(device, &read_many, address, count, READABLE, call, NULL, &values);
  if (!error && values != values_out)
    memcpy(values_out, values, count * sizeof *values_out);
  return error;
}

hwsim_error hwsim_register_write_block(hwsim_device *device, uint32_t address,
                                       const uint32_t *values, size_t count,
                                       const hwsim_call *call) {
  union {
    const uint32_t *input;
    void *memory; /* which the operation only reads */
  } all = {.input = values};
  return run_block(device, &write_many, address, count, WRITABLE, call, values, &all.memory);
}

static hwsim_error run_bytes(hwsim_device *device, const op_kind *kind, uint32_t address,
                             size_t count, unsigned access, const hwsim_call *call,
                             const uint8_t *input, void **data_io) {
  register_op self;
  hwsim_error error = check_count(device, kind, count);
  if (!error)
    error = prepare_bytes(&self, kind, device, address, count, access);
  self.data = *data_io;
  for (size_t i = 0; !error && input && i < self.count; i++) {
    uint64_t mask, value = given(device, &self, i, &mask);
    error = check_allowed(device, kind, self.place + i, value, mask);
  }
  if (!error)
    error = request_memory(call, device, kind->row, count, data_io);
  if (error)
    return error;
  if (input && *data_io != input)
    memcpy(*data_io, input, count);
  self.data = *data_io;
  return call_run(device, &self.base, sizeof self, call);
}

hwsim_error hwsim_register_read_bytes(hwsim_device *device, uint32_t address, size_t count,
                                      const hwsim_call *call, uint8_t *data_out) {
  void *data = data_out;
  hwsim_error error = run_bytes(device, &read_bytes, address, count, READABLE, call, NULL, &data);
  if (!error && data != data_out)
    memcpy(data_out, data, count);
  return error;
}

hwsim_error hwsim_register_write_bytes(hwsim_device *device, uint32_t address, const uint8_t *data,
                                       size_t count, const hwsim_call *call) {
  union {
    const uint8_t *input;
    void *memory; /* which the operation only reads */
  } all = {.input = data};
  return run_bytes(device, &write_bytes, address, count, WRITABLE, call, data, &all.memory);
}

hwsim_error hwsim_register_update(hwsim_device *device, uint32_t address, uint64_t mask,
                                  uint64_t value, const hwsim_call *call, uint64_t *old_value_out) {
  register_op self;
  hwsim_error error = prepare(&self, &update_one, device, address, 1, READABLE | WRITABLE);
  if (error)
    return error;
  const hwsim_register *entry = &device->registers->map[self.place];
  if (entry->access != HWSIM_ACCESS_RW)
    return map_fail_access(entry->name, address, device->config.name, op_name(&self.base),
                           "not RW");
  error = check_fits(device, &update_one, address, "mask", mask, entry->bits);
  if (!error)
    error = check_fits(device, &update_one, address, "value", value, entry->bits);
  if (!error)
    error = check_allowed(device, &update_one, self.place, value, mask);
  if (error)
    return error;
  self.mask = mask;
  self.wanted = value;
  error = call_run(device, &self.base, sizeof self, call);
  if (!error)
    *old_value_out = self.value;
  return error;
}

hwsim_error hwsim_register_wait(hwsim_device *device, uint32_t address, uint64_t mask,
                                uint64_t expected, const hwsim_call *call, uint64_t *value_out) {
  register_op self;
  hwsim_error error = prepare(&self, &wait_one, device, address, 1, READABLE);
  if (error)
    return error;
  if (self.base.calls) {
    const hwsim_register *entry = &device->registers->map[self.place];
    return map_fail_access(entry->name, address, device->config.name, op_name(&self.base),
                           "read by a behaviour, which nothing can wait for");
  }
  if (expected & ~mask)
    return error_set(HWSIM_EINVALID, device->config.name, op_name(&self.base),
                     "expected must have no bits outside mask 0x%08llX, got 0x%08llX",
                     (unsigned long long)mask, (unsigned long long)expected);
  self.base.topic = &device->registers->watchers;
  self.mask = mask;
  self.wanted = expected;
  error = call_run(device, &self.base, sizeof self, call);
  if (!error)
    *value_out = self.value;
  return error;
}
