/* Registers: the map, what reads and writes do to each kind, and the operations on them. */
#include "internal.h"

#include <string.h>

#define HWSIM_X(name, address, access, reset, writable, description)                               \
  {#name, address, HWSIM_ACCESS_##access, reset, writable, description},
static const hwsim_register map[] = {HWSIM_REGISTERS(HWSIM_X)};
#undef HWSIM_X

/* The same by address / 4, to find one at once; gaps have no name. */
#define SLOTS ARRAY_LENGTH(((hwsim_device *)0)->registers)
#define HWSIM_X(name, address, access, reset, writable, description)                               \
  [(address) / 4] = {#name, address, HWSIM_ACCESS_##access, reset, writable, description},
static const hwsim_register slots[SLOTS] = {HWSIM_REGISTERS(HWSIM_X)};
#undef HWSIM_X
#define SLOT(name) (HWSIM_REGISTER_##name / 4)

#define NS_PER_MS INT64_C(1000000)

const hwsim_register *hwsim_register_map(size_t *count_out) {
  *count_out = ARRAY_LENGTH(map);
  return map;
}

const char *hwsim_access_name(hwsim_access access) {
  static const char *const names[] = {"RW", "RO", "WO", "W1C", "RC"};
  return (unsigned)access < ARRAY_LENGTH(names) ? names[access] : "unknown";
}

hwsim_error hwsim_register_find(const char *name, const hwsim_register **register_out) {
  if (!name)
    return error_set(HWSIM_EINVALID, "", "find_register", "name must not be null");
  for (size_t i = 0; i < ARRAY_LENGTH(map); i++)
    if (strcmp(name, map[i].name) == 0) {
      *register_out = &map[i];
      return HWSIM_OK;
    }
  const char *near = nearest(name, &map->name, ARRAY_LENGTH(map), sizeof *map);
  return error_set(HWSIM_ENOTFOUND, "", "find_register", "no register is named '%.64s'%s%s", name,
                   near ? "; the nearest is " : "", near ? near : "");
}

/* ---------------------------------------------------------------------- what a register does -- */

void registers_reset(hwsim_device *device, int64_t at_ns) {
  for (size_t slot = 0; slot < SLOTS; slot++)
    device->registers[slot] = slots[slot].reset_value;
  device->registers[SLOT(CHANNELS)] = device->config.channels;
  device->reset_ns = at_ns;
}

void registers_count_faults(hwsim_device *device, uint32_t count) {
  device->registers[SLOT(FAULT_COUNT)] += count;
}

void registers_latch_event(hwsim_device *device, uint32_t bit) {
  device->registers[SLOT(EVENT_STATUS)] |= bit;
}

bool registers_converters_enabled(const hwsim_device *device) {
  return device->registers[SLOT(CONTROL)] & 1;
}

static uint32_t uptime_ms(const hwsim_device *device, int64_t at_ns) {
  return (uint32_t)((at_ns - device->reset_ns) / NS_PER_MS);
}

/* What operation `number` would read, without the side effect of reading. */
static uint32_t peek(const hwsim_device *device, uint64_t number, size_t slot, int64_t at_ns) {
  const uint32_t *registers = device->registers;
  uint32_t value = registers[slot];
  if (slot == SLOT(STATUS))
    value = (registers[SLOT(CONTROL)] & 1) +
            (registers[SLOT(EVENT_STATUS)] & registers[SLOT(EVENT_MASK)] ? 2 : 0);
  else if (slot == SLOT(UPTIME))
    value = uptime_ms(device, at_ns);
  else if (slot == SLOT(VERSION))
    value = device->firmware_version;
  return device->faults ? faults_stick(device, number, slots[slot].address, value) : value;
}

static uint32_t take(hwsim_device *device, uint64_t number, size_t slot, int64_t at_ns) {
  uint32_t value = peek(device, number, slot, at_ns);
  if (slots[slot].access == HWSIM_ACCESS_RC)
    device->registers[slot] = 0;
  return value;
}

static void put_quietly(hwsim_device *device, size_t slot, uint32_t value, int64_t at_ns) {
  uint32_t *target = &device->registers[slot], writable = slots[slot].writable;
  if (slot == SLOT(COMMAND)) {
    if (value & 1)
      registers_reset(device, at_ns);
  } else if (slots[slot].access == HWSIM_ACCESS_W1C) {
    *target &= ~(value & writable);
  } else {
    *target = (*target & ~writable) | (value & writable);
  }
}

/* An event for each register that has changed. */
static void report_changes(hwsim_device *device, const uint32_t *before, int64_t at_ns) {
  for (size_t slot = 0; slot < SLOTS; slot++)
    if (device->registers[slot] != before[slot])
      events_emit(device, HWSIM_EVENT_REGISTER, at_ns, slots[slot].address,
                  device->registers[slot]);
}

static void put(hwsim_device *device, size_t slot, uint32_t value, int64_t at_ns) {
  uint32_t before[SLOTS];
  if (device->subscriptions)
    memcpy(before, device->registers, sizeof before);
  put_quietly(device, slot, value, at_ns);
  if (device->subscriptions)
    report_changes(device, before, at_ns);
}

#define CAUSES_CHANGES HWSIM_EVENT_BIT(HWSIM_EVENT_REGISTER)

/* ---------------------------------------------------------------------------- the operations -- */

typedef struct register_op {
  op base;
  size_t slot, count;
  const uint32_t *input;
  uint32_t *output;
  uint32_t mask, value; /* of update and wait */
} register_op;

static hwsim_error apply_read(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  for (size_t i = 0; i < self->count; i++)
    self->output[i] = take(device, base->number, self->slot + i, at_ns);
  return HWSIM_OK;
}

static hwsim_error apply_write(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  for (size_t i = 0; i < self->count; i++)
    put(device, self->slot + i, self->input[i], at_ns);
  return HWSIM_OK;
}

static hwsim_error apply_update(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  uint32_t old = take(device, base->number, self->slot, at_ns);
  put(device, self->slot, (old & ~self->mask) | (self->value & self->mask), at_ns);
  *self->output = old;
  return HWSIM_OK;
}

/* The smallest t from `from` on, counting past 2^32, with (t & mask) == expected: either `from`
 * itself, or a number that first exceeds it at some bit and is as small as possible below; the
 * lower that bit, the smaller the number. */
static uint64_t next_match(uint32_t from, uint32_t mask, uint32_t expected) {
  if ((from & mask) == expected)
    return from;
  for (int bit = 0; bit < 32; bit++) {
    uint32_t one = UINT32_C(1) << bit, above = ~(one | (one - 1));
    bool prefix_matches = ((from ^ expected) & mask & above) == 0;
    bool bit_can_be_one = !(mask & one) || (expected & one);
    if (!(from & one) && bit_can_be_one && prefix_matches)
      return (from & above) | one | (expected & (one - 1));
  }
  return (UINT64_C(1) << 32) + expected;
}

/* When UPTIME, with its stuck bits, will read as the operation wants it to. */
static int64_t uptime_match(const hwsim_device *device, const register_op *self, int64_t at_ns) {
  uint64_t number = self->base.number;
  uint32_t zeros = faults_stick(device, number, HWSIM_REGISTER_UPTIME, 0);
  uint32_t ones = faults_stick(device, number, HWSIM_REGISTER_UPTIME, UINT32_MAX);
  uint32_t stuck = ~(zeros ^ ones), free_mask = self->mask & ~stuck;
  if ((zeros ^ self->value) & stuck & self->mask)
    return FOREVER;
  uint32_t now_ms = uptime_ms(device, at_ns);
  int64_t wait_ms = (int64_t)(next_match(now_ms, free_mask, self->value & free_mask) - now_ms);
  int64_t since_tick_ns = (at_ns - device->reset_ns) % NS_PER_MS;
  return add_saturated(at_ns, wait_ms * NS_PER_MS - since_tick_ns);
}

static hwsim_error apply_wait(hwsim_device *device, op *base, int64_t at_ns) {
  register_op *self = (register_op *)base;
  uint32_t value = peek(device, base->number, self->slot, at_ns);
  if ((value & self->mask) == self->value) {
    *self->output = take(device, base->number, self->slot, at_ns);
    return HWSIM_OK;
  }
  base->wake_ns = self->slot == SLOT(UPTIME) ? uptime_match(device, self, at_ns) : FOREVER;
  return OP_ARMED;
}

static hwsim_error apply_reset(hwsim_device *device, op *self, int64_t at_ns) {
  (void)self;
  put(device, SLOT(COMMAND), 1, at_ns);
  return HWSIM_OK;
}

static hwsim_error fail_access(const char *device, const char *operation, size_t slot,
                               const char *reason) {
  return error_set(HWSIM_EACCESS, device, operation, "%s at 0x%02X is %s", slots[slot].name,
                   slots[slot].address, reason);
}

static hwsim_error check_address(const char *device, const char *operation, uint32_t address,
                                 size_t count) {
  if (address % 4)
    return error_set(
        HWSIM_EADDRESS, device, operation,
        "address must be a multiple of 4, got 0x%02X; the nearest register is at 0x%02X", address,
        address & ~UINT32_C(3));
  for (size_t i = 0; i < count; i++)
    if (i >= SLOTS || address / 4 + i >= SLOTS || !slots[address / 4 + i].name)
      return error_set(HWSIM_EADDRESS, device, operation, "there is no register at 0x%02llX",
                       (unsigned long long)address + 4 * i);
  return HWSIM_OK;
}

static hwsim_error check_readable(const char *device, const char *operation, uint32_t address,
                                  size_t count) {
  hwsim_error error = check_address(device, operation, address, count);
  for (size_t slot = address / 4; !error && slot < address / 4 + count; slot++)
    if (slots[slot].access == HWSIM_ACCESS_WO)
      error = fail_access(device, operation, slot, "write-only");
  return error;
}

static hwsim_error check_writable(const char *device, const char *operation, uint32_t address,
                                  size_t count) {
  hwsim_error error = check_address(device, operation, address, count);
  for (size_t slot = address / 4; !error && slot < address / 4 + count; slot++)
    if (slots[slot].access == HWSIM_ACCESS_RO || slots[slot].access == HWSIM_ACCESS_RC)
      error = fail_access(device, operation, slot, "read-only");
  return error;
}

hwsim_error registers_check_readable(const char *device, const char *operation, uint32_t address) {
  return check_readable(device, operation, address, 1);
}

static hwsim_error check_count(const hwsim_device *device, const char *operation, size_t count) {
  return count ? HWSIM_OK
               : error_set(HWSIM_EINVALID, device->config.name, operation,
                           "count must be at least 1, got 0");
}

/* Does the range contain a register whose value depends on the time, or that acts at a time? */
static bool is_timed(size_t slot, size_t count) {
  return (slot <= SLOT(UPTIME) && slot + count > SLOT(UPTIME)) ||
         (slot <= SLOT(COMMAND) && slot + count > SLOT(COMMAND));
}

static hwsim_error run_read(hwsim_device *device, const char *name, uint32_t address, size_t count,
                            const hwsim_call *call, uint32_t *values_out) {
  hwsim_error error = check_readable(device->config.name, name, address, count);
  if (error)
    return error;
  register_op self = {.base = {.name = name,
                               .apply = apply_read,
                               .bytes = (uint32_t)(4 * count),
                               .timed = is_timed(address / 4, count)},
                      .slot = address / 4,
                      .count = count,
                      .output = values_out};
  return bus_run(device, &self.base, call);
}

static hwsim_error run_write(hwsim_device *device, const char *name, uint32_t address,
                             const uint32_t *values, size_t count, const hwsim_call *call) {
  hwsim_error error = check_writable(device->config.name, name, address, count);
  if (error)
    return error;
  register_op self = {.base = {.name = name,
                               .apply = apply_write,
                               .bytes = (uint32_t)(4 * count),
                               .timed = is_timed(address / 4, count),
                               .causes = CAUSES_CHANGES},
                      .slot = address / 4,
                      .count = count,
                      .input = values};
  return bus_run(device, &self.base, call);
}

hwsim_error hwsim_register_read(hwsim_device *device, uint32_t address, const hwsim_call *call,
                                uint32_t *value_out) {
  return run_read(device, "read_register", address, 1, call, value_out);
}

hwsim_error hwsim_register_write(hwsim_device *device, uint32_t address, uint32_t value,
                                 const hwsim_call *call) {
  return run_write(device, "write_register", address, &value, 1, call);
}

hwsim_error hwsim_register_read_block(hwsim_device *device, uint32_t address, size_t count,
                                      const hwsim_call *call, uint32_t *values_out) {
  hwsim_error error = check_count(device, "read_block", count);
  return error ? error : run_read(device, "read_block", address, count, call, values_out);
}

hwsim_error hwsim_register_write_block(hwsim_device *device, uint32_t address,
                                       const uint32_t *values, size_t count,
                                       const hwsim_call *call) {
  hwsim_error error = check_count(device, "write_block", count);
  return error ? error : run_write(device, "write_block", address, values, count, call);
}

hwsim_error hwsim_register_update(hwsim_device *device, uint32_t address, uint32_t mask,
                                  uint32_t value, const hwsim_call *call, uint32_t *old_value_out) {
  const char *name = "update_register";
  hwsim_error error = check_address(device->config.name, name, address, 1);
  if (error)
    return error;
  if (slots[address / 4].access != HWSIM_ACCESS_RW)
    return fail_access(device->config.name, name, address / 4, "not RW");
  register_op self = {
      .base = {.name = name, .apply = apply_update, .bytes = 8, .causes = CAUSES_CHANGES},
      .slot = address / 4,
      .mask = mask,
      .value = value,
      .output = old_value_out};
  return bus_run(device, &self.base, call);
}

hwsim_error hwsim_register_wait(hwsim_device *device, uint32_t address, uint32_t mask,
                                uint32_t expected, const hwsim_call *call, uint32_t *value_out) {
  const char *name = "wait_register";
  hwsim_error error = check_readable(device->config.name, name, address, 1);
  if (error)
    return error;
  if (expected & ~mask)
    return error_set(HWSIM_EINVALID, device->config.name, name,
                     "expected must have no bits outside mask 0x%08X, got 0x%08X", mask, expected);
  register_op self = {
      .base = {.name = name, .apply = apply_wait, .bytes = 4, .timed = true, .open_ended = true},
      .slot = address / 4,
      .mask = mask,
      .value = expected,
      .output = value_out};
  return bus_run(device, &self.base, call);
}

hwsim_error hwsim_device_reset(hwsim_device *device, const hwsim_call *call) {
  op self = {
      .name = "reset", .apply = apply_reset, .bytes = 4, .timed = true, .causes = CAUSES_CHANGES};
  return bus_run(device, &self, call);
}
