/* Registers: access rules over any model's map, and the operations. */
#include "parts/registers.h"

#include "base/error.h"
#include "base/handle.h"
#include "base/memory.h"
#include "events/subscription.h"
#include "parts/map.h"
#include "timeline/bus.h"
#include "timeline/call.h"
#include "timeline/request.h"

#include <stdlib.h>
#include <string.h>

enum { NOWHERE = UINT16_MAX };

/* What an access has to know at once. */
enum {
  READABLE = 1,
  WRITABLE = 2,
  PLAIN = 4, /* an access does nothing else, and it has no role */
  TIMED = 8
};

static const unsigned flags_by_access[] = {[HWSIM_ACCESS_RW] = READABLE | WRITABLE | PLAIN,
                                           [HWSIM_ACCESS_RO] = READABLE | PLAIN,
                                           [HWSIM_ACCESS_WO] = WRITABLE | PLAIN,
                                           [HWSIM_ACCESS_W1C] = READABLE | WRITABLE,
                                           [HWSIM_ACCESS_RC] = READABLE};

typedef struct fact {
  uint32_t writable;
  unsigned flags;
} fact;

struct register_index {
  const hwsim_model *model;
  const register_behaviour *behaviours;
  size_t count, words; /* of the two arrays; see words_of() */
  fact *facts;         /* by place in the map */
  uint16_t *places;    /* by address / 4, NOWHERE where there is no register */
  uint16_t by_role[HWSIM_ROLE_CHANNELS + 1]; /* NOWHERE: in no register */
};

struct registers {
  register_index *index;
  bool own_index; /* freed with the device */
  /* What the index says, at hand. */
  const hwsim_register *map;
  const register_behaviour *behaviours;
  const fact *facts;
  const uint16_t *places;
  size_t count, words;
  register_lens *lens; /* or NULL */
  int64_t reset_ns;
  topic watchers;
  uint32_t values[]; /* by place in the map */
};

/* A table of addresses is worth it unless it is mostly gaps; 0: it is, and the map is searched. */
static size_t words_of(const hwsim_model *model) {
  size_t words = (size_t)model->registers[model->register_count - 1].address / 4 + 1;
  return words <= 8 * model->register_count + 64 ? words : 0;
}

register_index *register_index_new(const hwsim_model *model, const register_behaviour *behaviours) {
  size_t count = model->register_count, words = words_of(model);
  register_index *self = malloc(sizeof *self + count * sizeof(fact) + words * sizeof(uint16_t));
  if (!self)
    return NULL;
  *self =
      (register_index){.model = model, .behaviours = behaviours, .count = count, .words = words};
  self->facts = (fact *)(void *)(self + 1);
  self->places = (uint16_t *)(void *)(self->facts + count);
  memset(self->places, 0xFF, words * sizeof *self->places); /* NOWHERE */
  memset(self->by_role, 0xFF, sizeof self->by_role);
  for (size_t i = 0; i < count; i++) {
    const hwsim_register *entry = &model->registers[i];
    unsigned allowed = entry->role ? ~(unsigned)PLAIN : ~0U;
    self->facts[i] = (fact){.writable = entry->writable,
                            .flags = (flags_by_access[entry->access] & allowed) |
                                     (behaviours[entry->role].timed ? TIMED : 0)};
    if (entry->role)
      self->by_role[entry->role] = (uint16_t)i;
    if (words)
      self->places[entry->address / 4] = (uint16_t)i;
  }
  return self;
}

bool registers_open(hwsim_device *device, register_index *index, bool own) {
  registers *self = zeroed(sizeof(registers) + index->count * sizeof(uint32_t));
  device->registers = self;
  if (!self) {
    if (own)
      free(index);
    return false;
  }
  self->index = index;
  self->own_index = own;
  self->map = index->model->registers;
  self->behaviours = index->behaviours;
  self->facts = index->facts;
  self->places = index->places;
  self->count = index->count;
  self->words = index->words;
  topic_init(&self->watchers, false);
  registers_reset(device, NULL, 0);
  return true;
}

void registers_free(hwsim_device *device) {
  if (device->registers && device->registers->own_index)
    free(device->registers->index);
  free(device->registers);
}

/* Its place, or NOWHERE. */
static inline size_t place_of(const hwsim_device *device, uint32_t address) {
  const registers *self = device->registers;
  if (self->words)
    return address / 4 < self->words && address % 4 == 0 ? self->places[address / 4] : NOWHERE;
  const hwsim_register *found = map_find(device->model, address);
  return found ? (size_t)(found - self->map) : NOWHERE;
}

static inline const register_behaviour *behaviour_of(const registers *self, size_t place) {
  return &self->behaviours[self->map[place].role];
}

/* ---------------------------------------------------------------------- what a register does -- */

uint32_t registers_get(const hwsim_device *device, hwsim_role role) {
  const registers *self = device->registers;
  size_t place = self->index->by_role[role];
  return place == NOWHERE ? 0 : self->values[place];
}

static void hold(hwsim_device *device, size_t place, uint32_t value) {
  registers *self = device->registers;
  if (self->values[place] == value)
    return;
  self->values[place] = value;
  const register_behaviour *behaviour = behaviour_of(self, place);
  if (behaviour->changed)
    behaviour->changed(device, value);
  topic_touch(device, &self->watchers);
}

void registers_set(hwsim_device *device, hwsim_role role, uint32_t value) {
  size_t place = device->registers->index->by_role[role];
  if (place != NOWHERE)
    hold(device, place, value);
}

static void hold_and_tell(hwsim_device *device, size_t place, uint32_t value, const op *cause,
                          int64_t at_ns) {
  registers *self = device->registers;
  if (self->values[place] == value)
    return;
  hold(device, place, value);
  if (cause && subscribers_want(device, HWSIM_EVENT_REGISTER))
    observers_tell(device, &(occurrence){.kind = HWSIM_EVENT_REGISTER,
                                         .channel = self->map[place].address,
                                         .at_ns = at_ns,
                                         .value = value,
                                         .cause = cause});
}

int64_t registers_reset_ns(const hwsim_device *device) { return device->registers->reset_ns; }

void registers_reset(hwsim_device *device, const op *cause, int64_t at_ns) {
  registers *self = device->registers;
  self->reset_ns = at_ns;
  for (size_t i = 0; i < self->count; i++)
    hold_and_tell(device, i, self->map[i].reset_value, cause, at_ns);
  topic_touch(device, &self->watchers);
}

void registers_touch(hwsim_device *device) { topic_touch(device, &device->registers->watchers); }

void registers_set_lens(hwsim_device *device, register_lens *lens) {
  device->registers->lens = lens;
  registers_touch(device);
}

/* What operation `number` would read, without the side effect of reading. */
static inline uint32_t peek(const hwsim_device *device, uint64_t number, size_t place,
                            int64_t at_ns) {
  const registers *self = device->registers;
  const register_behaviour *behaviour = behaviour_of(self, place);
  uint32_t value = behaviour->read ? behaviour->read(device, at_ns) : self->values[place];
  return self->lens ? self->lens(device, number, self->map[place].address, value) : value;
}

/* Apart from the short ways below, which would have to make room for it. */
__attribute__((noinline)) static uint32_t take(hwsim_device *device, uint64_t number, size_t place,
                                               int64_t at_ns) {
  uint32_t value = peek(device, number, place, at_ns);
  if (device->registers->map[place].access == HWSIM_ACCESS_RC)
    hold(device, place, 0);
  return value;
}

__attribute__((noinline)) static void put(hwsim_device *device, size_t place, uint32_t value,
                                          const op *cause, int64_t at_ns) {
  const registers *self = device->registers;
  const register_behaviour *behaviour = behaviour_of(self, place);
  uint32_t held = self->values[place], writable = self->facts[place].writable;
  if (behaviour->command)
    behaviour->command(device, value, cause, at_ns);
  else if (self->map[place].access == HWSIM_ACCESS_W1C)
    hold_and_tell(device, place, held & ~(value & writable), cause, at_ns);
  else
    hold_and_tell(device, place, (held & ~writable) | (value & writable), cause, at_ns);
}

/* ---------------------------------------------------------------------------- the operations -- */

typedef struct register_op {
  op base;
  size_t place, count;
  uint32_t *values;      /* of a block: to write, or that were read */
  uint32_t value;        /* of one register: to write, or what was read */
  uint32_t mask, wanted; /* of update and wait */
} register_op;

static hwsim_error apply_read(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  for (size_t i = 0; i < self->count; i++)
    self->values[i] = take(device, base->number, self->place + i, at_ns);
  return HWSIM_OK;
}

/* The same for one register, which is mostly a plain one. */
static hwsim_error apply_read_one(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  const registers *all = device->registers;
  if ((all->facts[self->place].flags & PLAIN) && !all->lens)
    self->value = all->values[self->place];
  else
    self->value = take(device, base->number, self->place, at_ns);
  return HWSIM_OK;
}

static hwsim_error apply_write(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  for (size_t i = 0; i < self->count; i++)
    put(device, self->place + i, self->values[i], base, at_ns);
  return HWSIM_OK;
}

static hwsim_error apply_write_one(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  const registers *all = device->registers;
  const fact *target = &all->facts[self->place];
  uint32_t held = all->values[self->place], changed = (held ^ self->value) & target->writable;
  if (!(target->flags & PLAIN))
    put(device, self->place, self->value, base, at_ns);
  else if (changed)
    hold_and_tell(device, self->place, held ^ changed, base, at_ns);
  return HWSIM_OK;
}

static hwsim_error apply_update(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  uint32_t old = take(device, base->number, self->place, at_ns);
  put(device, self->place, (old & ~self->mask) | (self->wanted & self->mask), base, at_ns);
  self->value = old;
  return HWSIM_OK;
}

/* When the register, with its stuck bits, will read by itself as the operation wants it to. */
static int64_t match_ns(const hwsim_device *device, const register_op *self, int64_t at_ns) {
  const registers *all = device->registers;
  const register_behaviour *behaviour = behaviour_of(all, self->place);
  if (!behaviour->match_ns)
    return FOREVER;
  uint32_t zeros = 0, ones = UINT32_MAX, address = all->map[self->place].address;
  if (all->lens) {
    zeros = all->lens(device, self->base.number, address, 0);
    ones = all->lens(device, self->base.number, address, UINT32_MAX);
  }
  uint32_t stuck = ~(zeros ^ ones), free_mask = self->mask & ~stuck;
  if ((zeros ^ self->wanted) & stuck & self->mask)
    return FOREVER;
  return behaviour->match_ns(device, free_mask, self->wanted & free_mask, at_ns);
}

static hwsim_error apply_wait(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  uint32_t value = peek(device, base->number, self->place, at_ns);
  if ((value & self->mask) == self->wanted) {
    self->value = take(device, base->number, self->place, at_ns);
    return HWSIM_OK;
  }
  base->wake_ns = match_ns(device, self, at_ns);
  return OP_ARMED;
}

static const op_kind read_one = {.row = OPERATION(device, read_register), .apply = apply_read_one};
static const op_kind write_one = {.row = OPERATION(device, write_register),
                                  .apply = apply_write_one};
static const op_kind read_many = {.row = OPERATION(device, read_block), .apply = apply_read};
static const op_kind write_many = {.row = OPERATION(device, write_block), .apply = apply_write};
static const op_kind update_one = {.row = OPERATION(device, update_register),
                                   .apply = apply_update};
static const op_kind wait_one = {.row = OPERATION(device, wait_register),
                                 .apply = apply_wait,
                                 .timed = true,
                                 .open_ended = true};

/* EADDRESS: not all of them exist. EACCESS: one of them does not allow it. */
static hwsim_error say_why(const hwsim_device *device, const char *operation, uint32_t address,
                           size_t count, unsigned access) {
  const registers *self = device->registers;
  size_t place = place_of(device, address);
  if (place == NOWHERE)
    return map_check_address(device->model, device->config.name, operation, address);
  for (size_t i = 0; i < count; i++) {
    uint64_t at = (uint64_t)address + 4 * i;
    if (place + i >= self->count || self->map[place + i].address != at)
      return error_set(HWSIM_EADDRESS, device->config.name, operation,
                       "there is no register at 0x%02llX", (unsigned long long)at);
  }
  while (self->facts[place].flags & access)
    place++;
  return map_fail_access(&self->map[place], device->config.name, operation,
                         access == READABLE ? "write-only" : "read-only");
}

/* An operation on `count` registers, all of which it can access. */
static inline hwsim_error prepare(register_op *self, const op_kind *kind, hwsim_device *device,
                                  uint32_t address, size_t count, unsigned access) {
  const registers *all = device->registers;
  size_t place = place_of(device, address);
  unsigned timed = 0;
  for (size_t i = 0; i < count; i++) {
    if (place == NOWHERE || place + i >= all->count ||
        (i && all->map[place + i].address != (uint64_t)address + 4 * i) ||
        !(all->facts[place + i].flags & access))
      return say_why(device, kind->row->name, address, count, access);
    timed |= all->facts[place + i].flags & TIMED;
  }
  op_prepare(&self->base, kind);
  self->base.bytes = kind->row->bytes * (uint32_t)count;
  self->base.timed |= timed != 0;
  self->place = place;
  self->count = count;
  return HWSIM_OK;
}

hwsim_error hwsim_register_read(hwsim_device *device, uint32_t address, const hwsim_call *call,
                                uint32_t *value_out) {
  register_op self;
  hwsim_error error = prepare(&self, &read_one, device, address, 1, READABLE);
  if (!error)
    error = call_run(device, &self.base, sizeof self, call);
  if (!error)
    *value_out = self.value;
  return error;
}

hwsim_error hwsim_register_write(hwsim_device *device, uint32_t address, uint32_t value,
                                 const hwsim_call *call) {
  register_op self;
  hwsim_error error = prepare(&self, &write_one, device, address, 1, WRITABLE);
  if (error)
    return error;
  self.value = value;
  return call_run(device, &self.base, sizeof self, call);
}

/* The values are at *values_io, or where a call that does not block keeps them. */
static hwsim_error run_block(hwsim_device *device, const op_kind *kind, uint32_t address,
                             size_t count, unsigned access, const hwsim_call *call,
                             const uint32_t *input, void **values_io) {
  register_op self;
  if (!count)
    return error_set(HWSIM_EINVALID, device->config.name, kind->row->name,
                     "count must be at least 1, got 0");
  hwsim_error error = prepare(&self, kind, device, address, count, access);
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

hwsim_error hwsim_register_update(hwsim_device *device, uint32_t address, uint32_t mask,
                                  uint32_t value, const hwsim_call *call, uint32_t *old_value_out) {
  register_op self;
  hwsim_error error = prepare(&self, &update_one, device, address, 1, READABLE | WRITABLE);
  if (error)
    return error;
  const hwsim_register *entry = &device->registers->map[self.place];
  if (entry->access != HWSIM_ACCESS_RW)
    return map_fail_access(entry, device->config.name, op_name(&self.base), "not RW");
  self.mask = mask;
  self.wanted = value;
  error = call_run(device, &self.base, sizeof self, call);
  if (!error)
    *old_value_out = self.value;
  return error;
}

hwsim_error hwsim_register_wait(hwsim_device *device, uint32_t address, uint32_t mask,
                                uint32_t expected, const hwsim_call *call, uint32_t *value_out) {
  register_op self;
  hwsim_error error = prepare(&self, &wait_one, device, address, 1, READABLE);
  if (error)
    return error;
  if (expected & ~mask)
    return error_set(HWSIM_EINVALID, device->config.name, op_name(&self.base),
                     "expected must have no bits outside mask 0x%08X, got 0x%08X", mask, expected);
  self.base.topic = &device->registers->watchers;
  self.mask = mask;
  self.wanted = expected;
  error = call_run(device, &self.base, sizeof self, call);
  if (!error)
    *value_out = self.value;
  return error;
}
