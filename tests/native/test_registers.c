/* Registers: what each kind does on reads and writes, what is atomic, and waiting for a value. */
#include "threads.h"

#define UPTIME HWSIM_REGISTER_UPTIME
#define SCRATCH(n) (HWSIM_REGISTER_SCRATCH0 + 4u * (uint32_t)(n))

static uint64_t get(hwsim_device *device, uint32_t address) {
  uint64_t value;
  CHECK_OK(hwsim_register_read(device, address, &forever, &value));
  return value;
}

static void set(hwsim_device *device, uint32_t address, uint32_t value) {
  CHECK_OK(hwsim_register_write(device, address, value, &forever));
}

static void inject(hwsim_device *device, hwsim_fault_kind kind) {
  hwsim_fault fault;
  CHECK_OK(hwsim_fault_init(kind, &fault));
  CHECK_OK(hwsim_fault_inject(device, &fault));
}

/* ----------------------------------------------------------------------------- map and kinds -- */

static void the_map_is_sorted_and_can_be_searched(void) {
  size_t count;
  const hwsim_register *map = hwsim_register_map(&count), *found;
  CHECK_EQUAL(count, 20);
  for (size_t i = 0; i < count; i++) {
    CHECK(i == 0 || map[i - 1].address < map[i].address);
    CHECK_OK(hwsim_register_find(map[i].name, &found));
    CHECK(found == &map[i]);
    CHECK(*found->description);
  }
  CHECK_FAILS(hwsim_register_find("CONTRL", &found), HWSIM_ENOTFOUND);
  CHECK_MESSAGE("CONTROL");
  CHECK_FAILS(hwsim_register_find(NULL, &found), HWSIM_EINVALID);
}

static void every_access_kind_has_its_name(void) {
  static const char *const names[] = {"RW", "RO", "WO", "W1C", "RC", "unknown"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    CHECK_TEXT(hwsim_access_name((hwsim_access)i), names[i]);
}

static void after_open_registers_have_their_reset_values(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&channels=9&latency=0s");
  size_t count;
  const hwsim_register *map = hwsim_register_map(&count);
  for (size_t i = 0; i < count; i++)
    if (map[i].address != HWSIM_REGISTER_CHANNELS && map[i].address != HWSIM_REGISTER_STATUS &&
        map[i].access != HWSIM_ACCESS_WO)
      CHECK_EQUAL(get(device, map[i].address), map[i].reset_value);
  CHECK_EQUAL(get(device, HWSIM_REGISTER_CHANNELS), 9);
  CHECK_EQUAL(get(device, HWSIM_REGISTER_STATUS), 1);
  hwsim_device_free(device);
}

static void writes_change_the_writable_bits_alone(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  size_t count;
  const hwsim_register *map = hwsim_register_map(&count);
  for (size_t i = 0; i < count; i++) {
    if (map[i].access != HWSIM_ACCESS_RW)
      continue;
    set(device, map[i].address, UINT32_MAX);
    CHECK_EQUAL(get(device, map[i].address), map[i].reset_value | map[i].writable);
    set(device, map[i].address, 0);
    CHECK_EQUAL(get(device, map[i].address), map[i].reset_value & ~map[i].writable);
  }
  hwsim_device_free(device);
}

static void an_access_that_the_kind_forbids_fails(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  size_t count;
  uint64_t value;
  const hwsim_register *map = hwsim_register_map(&count);
  for (size_t i = 0; i < count; i++) {
    hwsim_access access = map[i].access;
    if (access == HWSIM_ACCESS_WO)
      CHECK_FAILS(hwsim_register_read(device, map[i].address, NULL, &value), HWSIM_EACCESS);
    if (access == HWSIM_ACCESS_RO || access == HWSIM_ACCESS_RC)
      CHECK_FAILS(hwsim_register_write(device, map[i].address, 0, NULL), HWSIM_EACCESS);
    if (access != HWSIM_ACCESS_RW)
      CHECK_FAILS(hwsim_register_update(device, map[i].address, 1, 0, NULL, &value), HWSIM_EACCESS);
    if (access != HWSIM_ACCESS_RW)
      CHECK(access == HWSIM_ACCESS_W1C || strstr(hwsim_error_last()->message, map[i].name));
  }
  hwsim_device_free(device);
}

static void addresses_without_a_register_fail(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  static const uint32_t wrong[] = {0x01, 0x42, 0x28, 0x3C, 0x68, 0x1000, 0xFFFFFFFC, 0xFFFFFFFF};
  uint64_t value;
  uint32_t values[40] = {0};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK_FAILS(hwsim_register_read(device, wrong[i], NULL, &value), HWSIM_EADDRESS);
    CHECK_FAILS(hwsim_register_write(device, wrong[i], 0, NULL), HWSIM_EADDRESS);
    CHECK_FAILS(hwsim_register_update(device, wrong[i], 0, 0, NULL, &value), HWSIM_EADDRESS);
    CHECK_FAILS(hwsim_register_wait(device, wrong[i], 0, 0, NULL, &value), HWSIM_EADDRESS);
  }
  CHECK_FAILS(hwsim_register_read_block(device, 0x1C, 3, NULL, values), HWSIM_EACCESS);
  CHECK_FAILS(hwsim_register_read_block(device, 0x24, 2, NULL, values), HWSIM_EADDRESS);
  CHECK_FAILS(hwsim_register_read_block(device, SCRATCH(0), 11, NULL, values), HWSIM_EADDRESS);
  CHECK_FAILS(hwsim_register_read_block(device, SCRATCH(0), SIZE_MAX, NULL, values),
              HWSIM_EADDRESS);
  CHECK_FAILS(hwsim_register_read_block(device, SCRATCH(0), 0, NULL, values), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_register_write_block(device, SCRATCH(0), values, 0, NULL), HWSIM_EINVALID);
  hwsim_device_free(device);
}

static void a_refused_block_writes_nothing(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  const uint32_t values[11] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  CHECK_FAILS(hwsim_register_write_block(device, SCRATCH(0), values, 11, NULL), HWSIM_EADDRESS);
  CHECK_FAILS(hwsim_register_write_block(device, HWSIM_REGISTER_CONTROL, values, 2, NULL),
              HWSIM_EACCESS);
  CHECK_EQUAL(get(device, SCRATCH(0)), 0);
  hwsim_device_free(device);
}

static uint32_t events(hwsim_device *device) {
  return get(device, HWSIM_REGISTER_EVENT_STATUS) & 5; /* fault, reconnect */
}

static void a_written_one_clears_its_event(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  inject(device, HWSIM_FAULT_DISCONNECT);
  inject(device, HWSIM_FAULT_RECONNECT);
  inject(device, HWSIM_FAULT_SPIKE);
  CHECK_EQUAL(events(device), 5);
  set(device, HWSIM_REGISTER_EVENT_STATUS, 0);
  CHECK_EQUAL(events(device), 5);
  set(device, HWSIM_REGISTER_EVENT_STATUS, 4);
  CHECK_EQUAL(events(device), 1);
  set(device, HWSIM_REGISTER_EVENT_STATUS, UINT32_MAX);
  CHECK_EQUAL(get(device, HWSIM_REGISTER_EVENT_STATUS), 0);
  hwsim_device_free(device);
}

static void reading_clears_the_fault_count(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=crc@1*3");
  uint64_t value;
  for (int i = 0; i < 3; i++)
    CHECK_FAILS(hwsim_register_read(device, 0, NULL, &value), HWSIM_ECRC);
  CHECK_EQUAL(get(device, HWSIM_REGISTER_FAULT_COUNT), 3);
  CHECK_EQUAL(get(device, HWSIM_REGISTER_FAULT_COUNT), 0);
  hwsim_device_free(device);
}

static void status_shows_the_masked_events(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=spike@1");
  CHECK_EQUAL(get(device, HWSIM_REGISTER_STATUS), 1);
  set(device, HWSIM_REGISTER_EVENT_MASK, 1);
  CHECK_EQUAL(get(device, HWSIM_REGISTER_STATUS), 3);
  set(device, HWSIM_REGISTER_CONTROL, 0);
  CHECK_EQUAL(get(device, HWSIM_REGISTER_STATUS), 2);
  set(device, HWSIM_REGISTER_EVENT_STATUS, 1);
  CHECK_EQUAL(get(device, HWSIM_REGISTER_STATUS), 0);
  hwsim_device_free(device);
}

static void check_resets(void (*reset)(hwsim_device *)) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=10ms");
  set(device, SCRATCH(7), 7);
  set(device, HWSIM_REGISTER_CONTROL, 0);
  reset(device);
  CHECK_EQUAL(get(device, UPTIME), 10);
  CHECK_EQUAL(get(device, SCRATCH(7)), 0);
  CHECK_EQUAL(get(device, HWSIM_REGISTER_CONTROL), 1);
  hwsim_device_free(device);
}

static void reset_by_call(hwsim_device *device) { CHECK_OK(hwsim_device_reset(device, NULL)); }
static void reset_by_command(hwsim_device *device) { set(device, HWSIM_REGISTER_COMMAND, 1); }

static void reset_restores_the_registers_and_uptime(void) {
  check_resets(reset_by_call);
  check_resets(reset_by_command);
}

static void a_command_of_zero_does_nothing(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  set(device, SCRATCH(0), 1);
  set(device, HWSIM_REGISTER_COMMAND, 0xFFFFFFFE);
  CHECK_EQUAL(get(device, SCRATCH(0)), 1);
  hwsim_device_free(device);
}

/* --------------------------------------------------------------------------------- atomicity -- */

/* Even threads write all registers alike, odd ones must never see them differ. */
static void write_or_read_block(int index, void *device) {
  uint32_t values[8];
  for (uint32_t round = 0; round < 200; round++) {
    for (int i = 0; i < 8; i++)
      values[i] = round * 16 + (uint32_t)index;
    if (index % 2 == 0)
      CHECK_OK(hwsim_register_write_block(device, SCRATCH(0), values, 8, &forever));
    else
      CHECK_OK(hwsim_register_read_block(device, SCRATCH(0), 8, &forever, values));
    for (int i = 1; i < 8; i++)
      CHECK_EQUAL(values[i], values[0]);
  }
}

static void a_block_is_atomic(void) {
  static const char *const uris[] = {"hwsim://d?latency=0s", "hwsim://d?latency=1us&timeout=inf"};
  for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
    hwsim_device *device = open_device(uris[i]);
    in_parallel(8, write_or_read_block, device);
    hwsim_device_free(device);
  }
}

/* Each thread counts in a field of 4 bits of its own; a lost update would show there. */
static void count_in_own_field(int index, void *device) {
  uint32_t shift = 4 * (uint32_t)index, mask = UINT32_C(15) << shift;
  uint64_t old;
  for (uint32_t i = 0; i < 200; i++) {
    uint32_t next = (i + 1) << shift & mask;
    CHECK_OK(hwsim_register_update(device, SCRATCH(3), mask, next, &forever, &old));
    CHECK_EQUAL((old & mask) >> shift, i % 16);
  }
}

static void an_update_is_atomic(void) {
  static const char *const uris[] = {"hwsim://d?latency=0s", "hwsim://d?latency=1us&timeout=inf",
                                     "hwsim://d?latency=1us&clock=virtual"};
  for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
    hwsim_device *device = open_device(uris[i]);
    in_parallel(8, count_in_own_field, device);
    CHECK_EQUAL(get(device, SCRATCH(3)), 0x88888888);
    hwsim_device_free(device);
  }
}

static const test tests[] = {
    TEST(the_map_is_sorted_and_can_be_searched),
    TEST(every_access_kind_has_its_name),
    TEST(after_open_registers_have_their_reset_values),
    TEST(writes_change_the_writable_bits_alone),
    TEST(an_access_that_the_kind_forbids_fails),
    TEST(addresses_without_a_register_fail),
    TEST(a_refused_block_writes_nothing),
    TEST(a_written_one_clears_its_event),
    TEST(reading_clears_the_fault_count),
    TEST(status_shows_the_masked_events),
    TEST(reset_restores_the_registers_and_uptime),
    TEST(a_command_of_zero_does_nothing),
    TEST(a_block_is_atomic),
    TEST(an_update_is_atomic),
};
CHECK_MAIN(tests)
