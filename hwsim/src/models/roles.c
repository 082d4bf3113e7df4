/* Roles: firmware, converters, time, faults and events as registers show them. */
#include "models/roles.h"

#include "base/handle.h"
#include "converter/signal.h"
#include "parts/firmware.h"

#define NS_PER_MS INT64_C(1000000)

static uint32_t read_firmware_version(const hwsim_device *device, int64_t at_ns) {
  (void)at_ns;
  return firmware_version(device);
}

static uint32_t read_channels(const hwsim_device *device, int64_t at_ns) {
  (void)at_ns;
  return device->config.channels;
}

static uint32_t read_status(const hwsim_device *device, int64_t at_ns) {
  (void)at_ns;
  uint64_t events =
      registers_get(device, HWSIM_ROLE_EVENT_STATUS) & registers_get(device, HWSIM_ROLE_EVENT_MASK);
  return (converters_are_enabled(device) ? 1 : 0) + (events ? 2 : 0);
}

static void enable_converters(hwsim_device *device, uint32_t value) {
  converters_enable(device, value & 1);
}

static void command(hwsim_device *device, uint32_t value, const op *cause, int64_t at_ns) {
  if (value & 1)
    registers_reset(device, true, cause, at_ns);
}

/* ------------------------------------------------------------------------------------ uptime -- */

static uint32_t read_uptime(const hwsim_device *device, int64_t at_ns) {
  return (uint32_t)((at_ns - registers_reset_ns(device)) / NS_PER_MS);
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

static int64_t match_uptime(const hwsim_device *device, uint32_t mask, uint32_t expected,
                            int64_t at_ns) {
  uint32_t now_ms = read_uptime(device, at_ns);
  int64_t wait_ms = (int64_t)(next_match(now_ms, mask, expected) - now_ms);
  int64_t since_tick_ns = (at_ns - registers_reset_ns(device)) % NS_PER_MS;
  return add_saturated(at_ns, wait_ms * NS_PER_MS - since_tick_ns);
}

const register_behaviour role_behaviours[] = {
    [HWSIM_ROLE_FIRMWARE_VERSION] = {.read = read_firmware_version},
    [HWSIM_ROLE_CONVERTERS] = {.changed = enable_converters},
    [HWSIM_ROLE_STATUS] = {.read = read_status},
    [HWSIM_ROLE_UPTIME] = {.read = read_uptime, .match_ns = match_uptime, .timed = true},
    [HWSIM_ROLE_COMMAND] = {.command = command, .timed = true},
    [HWSIM_ROLE_CHANNELS] = {.read = read_channels},
};

/* ------------------------------------------------------------------------------------ events -- */

void roles_observe(hwsim_device *device, observer *self, const occurrence *what) {
  (void)self;
  if (what->kind <= HWSIM_EVENT_FIRMWARE) /* those after it have no bit in EVENT_STATUS */
    registers_set(device, HWSIM_ROLE_EVENT_STATUS,
                  registers_get(device, HWSIM_ROLE_EVENT_STATUS) | HWSIM_EVENT_BIT(what->kind),
                  what->at_ns);
  if (what->kind == HWSIM_EVENT_FAULT)
    registers_set(device, HWSIM_ROLE_FAULT_COUNT,
                  registers_get(device, HWSIM_ROLE_FAULT_COUNT) + what->cause->fate.hits,
                  what->at_ns);
  if (what->kind == HWSIM_EVENT_FIRMWARE)
    registers_touch(device);
}
