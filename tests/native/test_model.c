/* Models: a device is what its model says. A thermometer made by hand has its registers at other
 * addresses than the built-in model, sparse ones among them, and leaves out most roles. */
#include "check.h"

enum {
  CELSIUS = 0x10,
  LIMIT = 0x14,
  MS_UP = 0x18,
  GO = 0x1C,
  ALARMS = 0x4000,
  SERIAL = 0xFFFFFFFC
};

static const hwsim_register registers[] = {
    {"CELSIUS", CELSIUS, HWSIM_ACCESS_RO, 21, 0, "temperature", HWSIM_ROLE_NONE},
    {"LIMIT", LIMIT, HWSIM_ACCESS_RW, 30, 0xFF, "alarm limit", HWSIM_ROLE_NONE},
    {"MS_UP", MS_UP, HWSIM_ACCESS_RO, 0, 0, "time", HWSIM_ROLE_UPTIME},
    {"GO", GO, HWSIM_ACCESS_WO, 0, 1, "reset", HWSIM_ROLE_COMMAND},
    {"ALARMS", ALARMS, HWSIM_ACCESS_RC, 0, 0, "faults", HWSIM_ROLE_FAULT_COUNT},
    {"SERIAL", SERIAL, HWSIM_ACCESS_RO, 0xABCD, 0, "at the end of the space", HWSIM_ROLE_NONE},
};
static const hwsim_signal signals[] = {
    {.waveform = HWSIM_WAVEFORM_DC, .offset_v = 0.25, .range_v = 1},
    {.waveform = HWSIM_WAVEFORM_DC, .offset_v = -0.5, .range_v = 1},
};
static const hwsim_model thermometer = {.name = "thermometer",
                                        .registers = registers,
                                        .register_count = sizeof registers / sizeof *registers,
                                        .channels = 2,
                                        .signals = signals};

static hwsim_device *open_thermometer(const char *uri) {
  hwsim_device *device;
  CHECK_OK(hwsim_device_open_model(&thermometer, uri, &device));
  return device;
}

static uint32_t get(hwsim_device *device, uint32_t address) {
  uint32_t value;
  CHECK_OK(hwsim_register_read(device, address, NULL, &value));
  return value;
}

static void a_device_says_which_model_it_is_of(void) {
  hwsim_device *device = open_thermometer("hwsim://t"), *daq = open_device("hwsim://d");
  CHECK(hwsim_device_model(device) == &thermometer);
  CHECK(hwsim_device_model(daq) == &hwsim_daq);
  CHECK_EQUAL(hwsim_device_config(device)->channels, 2);
  hwsim_device_free(device);
  hwsim_device_free(daq);
}

static void its_registers_are_those_of_the_model(void) {
  hwsim_device *device = open_thermometer("hwsim://t?latency=0s");
  uint32_t value, old;
  CHECK_EQUAL(get(device, CELSIUS), 21);
  CHECK_EQUAL(get(device, SERIAL), 0xABCD);
  CHECK_OK(hwsim_register_write(device, LIMIT, 0x1FF, NULL));
  CHECK_EQUAL(get(device, LIMIT), 0xFF);
  CHECK_OK(hwsim_register_update(device, LIMIT, 0xF, 0, NULL, &old));
  CHECK_EQUAL(get(device, LIMIT), 0xF0);
  CHECK_FAILS(hwsim_register_read(device, 0x40, NULL, &value), HWSIM_EADDRESS);
  CHECK_FAILS(hwsim_register_read(device, LIMIT + 1, NULL, &value), HWSIM_EADDRESS);
  CHECK_FAILS(hwsim_register_read(device, GO, NULL, &value), HWSIM_EACCESS);
  CHECK_FAILS(hwsim_register_write(device, CELSIUS, 1, NULL), HWSIM_EACCESS);
  CHECK_MESSAGE("CELSIUS at 0x10 is read-only");
  hwsim_device_free(device);
}

static void a_block_ends_where_the_addresses_do(void) {
  hwsim_device *device = open_thermometer("hwsim://t?latency=0s");
  uint32_t values[4] = {0};
  CHECK_OK(hwsim_register_read_block(device, CELSIUS, 3, NULL, values));
  CHECK_EQUAL(values[0], 21);
  CHECK_EQUAL(values[1], 30);
  CHECK_FAILS(hwsim_register_read_block(device, CELSIUS, 4, NULL, values), HWSIM_EACCESS);
  CHECK_FAILS(hwsim_register_read_block(device, ALARMS, 2, NULL, values), HWSIM_EADDRESS);
  CHECK_MESSAGE("no register at 0x4004");
  CHECK_FAILS(hwsim_register_read_block(device, SERIAL, 2, NULL, values), HWSIM_EADDRESS);
  CHECK_FAILS(hwsim_register_read_block(device, CELSIUS, SIZE_MAX, NULL, values), HWSIM_EADDRESS);
  hwsim_device_free(device);
}

static void a_role_works_at_any_address(void) {
  hwsim_device *device = open_thermometer("hwsim://t?clock=manual&latency=0s&fault=crc@1");
  uint32_t value;
  CHECK_FAILS(hwsim_register_read(device, CELSIUS, NULL, &value), HWSIM_ECRC);
  CHECK_EQUAL(get(device, ALARMS), 1);
  CHECK_EQUAL(get(device, ALARMS), 0);
  CHECK_OK(hwsim_register_write(device, LIMIT, 7, NULL));
  advance(device, 1500 * MS);
  CHECK_EQUAL(get(device, MS_UP), 1500);
  CHECK_OK(hwsim_register_write(device, GO, 1, NULL));
  CHECK_EQUAL(get(device, MS_UP), 0);
  CHECK_EQUAL(get(device, LIMIT), 30);
  hwsim_device_free(device);
}

static void a_wait_for_a_role_ends_at_its_time(void) {
  hwsim_device *device = open_thermometer("hwsim://t?clock=virtual&latency=1ms");
  uint32_t value;
  CHECK_OK(hwsim_register_wait(device, MS_UP, UINT32_MAX, 100, NULL, &value));
  CHECK_EQUAL(now(device), 100 * MS);
  hwsim_device_free(device);
}

/* Without the role nothing can switch them off. */
static void its_converters_measure_what_the_model_connects(void) {
  hwsim_device *device = open_thermometer("hwsim://t?latency=0s");
  hwsim_signal connected;
  double volts;
  CHECK_OK(hwsim_signal_read(device, 1, NULL, &volts));
  CHECK_NEAR(volts, -0.5, 1e-4);
  CHECK_OK(hwsim_signal_default(device, 0, &connected));
  CHECK_NEAR(connected.offset_v, 0.25, 0);
  CHECK_FAILS(hwsim_signal_read(device, 2, NULL, &volts), HWSIM_EINVALID);
  hwsim_device_free(device);

  device = open_thermometer("hwsim://t?latency=0s&channels=3&rate=1kHz");
  CHECK_OK(hwsim_signal_default(device, 2, &connected));
  CHECK_EQUAL(connected.waveform, HWSIM_WAVEFORM_SINE);
  hwsim_device_free(device);
}

static void a_reconnect_brings_the_power_on_state(void) {
  hwsim_device *device = open_thermometer("hwsim://t?latency=0s");
  hwsim_fault fault;
  CHECK_OK(hwsim_register_write(device, LIMIT, 7, NULL));
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_DISCONNECT, &fault));
  CHECK_OK(hwsim_fault_inject(device, &fault));
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_RECONNECT, &fault));
  CHECK_OK(hwsim_fault_inject(device, &fault));
  CHECK_EQUAL(get(device, LIMIT), 30);
  hwsim_device_free(device);
}

static void stuck_bits_are_those_of_its_own_registers(void) {
  hwsim_device *device = open_thermometer("hwsim://t?latency=0s&fault=stuck:0x14/0xff=0x2a");
  CHECK_EQUAL(get(device, LIMIT), 42);
  hwsim_device_free(device);
  CHECK_FAILS(hwsim_device_open_model(&thermometer, "hwsim://t?fault=stuck:0x40/1=0", &device),
              HWSIM_EINVALID);
  CHECK_MESSAGE("no register at 0x40");
}

static void a_register_is_found_by_its_name(void) {
  const hwsim_register *found;
  CHECK_OK(hwsim_model_find(&thermometer, "LIMIT", &found));
  CHECK_EQUAL(found->address, LIMIT);
  CHECK_FAILS(hwsim_model_find(&thermometer, "LIMITS", &found), HWSIM_ENOTFOUND);
  CHECK_MESSAGE("nearest is LIMIT");
}

/* One broken rule each. */
static void check_refused(hwsim_register entry, const char *remark) {
  hwsim_register pair[] = {registers[0], entry};
  hwsim_model model = thermometer;
  hwsim_device *device;
  model.registers = pair;
  model.register_count = 2;
  CHECK_FAILS(hwsim_device_open_model(&model, "hwsim://t", &device), HWSIM_EINVALID);
  CHECK_MESSAGE(remark);
}

static void a_model_that_makes_no_sense_is_refused(void) {
  hwsim_register good = registers[1], bad = good;
  bad.name = "";
  check_refused(bad, "register 1 of the model, , has no name");
  bad = good, bad.name = "CELSIUS";
  check_refused(bad, "has the name of another");
  bad = good, bad.address = 0x13;
  check_refused(bad, "no multiple of 4");
  bad = good, bad.address = CELSIUS;
  check_refused(bad, "LIMIT, has an address that is not higher");
  bad = good, bad.access = (hwsim_access)9;
  check_refused(bad, "unknown access");
  bad = good, bad.role = (hwsim_role)99;
  check_refused(bad, "unknown role");
  hwsim_model model = thermometer;
  hwsim_device *device;
  model.register_count = 0;
  CHECK_FAILS(hwsim_device_open_model(&model, "hwsim://t", &device), HWSIM_EINVALID);
  CHECK_MESSAGE("from 1 to 65535 registers, got 0");
  model = thermometer, model.channels = 65;
  CHECK_FAILS(hwsim_device_open_model(&model, "hwsim://t", &device), HWSIM_EINVALID);
  CHECK_MESSAGE("from 1 to 64 channels, got 65");
  CHECK_FAILS(hwsim_device_open_model(NULL, "hwsim://t", &device), HWSIM_EINVALID);
}

static void two_registers_cannot_have_one_role(void) {
  hwsim_register pair[] = {registers[2], registers[2]};
  hwsim_model model = thermometer;
  hwsim_device *device;
  pair[1].name = "OTHER";
  pair[1].address = 0x20;
  model.registers = pair;
  model.register_count = 2;
  CHECK_FAILS(hwsim_device_open_model(&model, "hwsim://t", &device), HWSIM_EINVALID);
  CHECK_MESSAGE("has the role of another");
}

/* More registers than a queue has room for: what does not fit is counted. */
static void a_reset_of_many_registers_loses_no_count(void) {
  enum { MANY = 100 };
  static hwsim_register many[MANY];
  static char names[MANY][8];
  uint32_t ones[MANY];
  for (uint32_t i = 0; i < MANY; i++) {
    snprintf(names[i], sizeof names[i], "R%u", i);
    many[i] =
        (hwsim_register){names[i], 4 * i, HWSIM_ACCESS_RW, 0, UINT32_MAX, "", HWSIM_ROLE_NONE};
    ones[i] = 1;
  }
  const hwsim_model model = {"many", many, MANY, 1, NULL};
  hwsim_device *device;
  hwsim_subscription *subscription;
  hwsim_subscription_status status;
  const hwsim_subscription_config config = {
      .kinds = HWSIM_EVENT_BIT(HWSIM_EVENT_REGISTER), .queue = 16, .overflow = HWSIM_OVERFLOW_WAIT};
  CHECK_OK(hwsim_device_open_model(&model, "hwsim://many?latency=0s", &device));
  CHECK_OK(hwsim_register_write_block(device, 0, ones, MANY, NULL));
  CHECK_OK(hwsim_subscription_new(device, &config, &subscription));
  CHECK_OK(hwsim_device_reset(device, NULL));
  CHECK_OK(hwsim_subscription_get_status(subscription, &status));
  CHECK_EQUAL(status.queued + status.lost, MANY);
  CHECK_EQUAL(status.queued, 16 + HWSIM_EVENTS_AT_ONCE);
  hwsim_subscription_free(subscription);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(a_device_says_which_model_it_is_of),
    TEST(its_registers_are_those_of_the_model),
    TEST(a_block_ends_where_the_addresses_do),
    TEST(a_role_works_at_any_address),
    TEST(a_wait_for_a_role_ends_at_its_time),
    TEST(its_converters_measure_what_the_model_connects),
    TEST(a_reconnect_brings_the_power_on_state),
    TEST(stuck_bits_are_those_of_its_own_registers),
    TEST(a_register_is_found_by_its_name),
    TEST(a_model_that_makes_no_sense_is_refused),
    TEST(two_registers_cannot_have_one_role),
    TEST(a_reset_of_many_registers_loses_no_count),
};
CHECK_MAIN(tests)
