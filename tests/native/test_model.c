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

#define REGISTER(name_, address_, access_, reset_, writable_, description_, role_)                 \
  {.name = name_,                                                                                  \
   .address = address_,                                                                            \
   .access = access_,                                                                              \
   .reset_value = reset_,                                                                          \
   .writable = writable_,                                                                          \
   .description = description_,                                                                    \
   .role = role_}
static const hwsim_register registers[] = {
    REGISTER("CELSIUS", CELSIUS, HWSIM_ACCESS_RO, 21, 0, "temperature", HWSIM_ROLE_NONE),
    REGISTER("LIMIT", LIMIT, HWSIM_ACCESS_RW, 30, 0xFF, "alarm limit", HWSIM_ROLE_NONE),
    REGISTER("MS_UP", MS_UP, HWSIM_ACCESS_RO, 0, 0, "time", HWSIM_ROLE_UPTIME),
    REGISTER("GO", GO, HWSIM_ACCESS_WO, 0, 1, "reset", HWSIM_ROLE_COMMAND),
    REGISTER("ALARMS", ALARMS, HWSIM_ACCESS_RC, 0, 0, "faults", HWSIM_ROLE_FAULT_COUNT),
    REGISTER("SERIAL", SERIAL, HWSIM_ACCESS_RO, 0xABCD, 0, "at the end of the space",
             HWSIM_ROLE_NONE),
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

static uint64_t get(hwsim_device *device, uint32_t address) {
  uint64_t value;
  CHECK_OK(hwsim_register_read(device, address, NULL, &value));
  return value;
}

static void a_device_says_which_model_it_is_of(void) {
  hwsim_device *device = open_thermometer("hwsim://t"), *daq = open_device("hwsim://d");
  CHECK_TEXT(hwsim_device_model(device)->name, "thermometer");
  CHECK_TEXT(hwsim_device_model(daq)->name, "daq");
  CHECK_EQUAL(hwsim_device_config(device)->channels, 2);
  hwsim_device_free(device);
  hwsim_device_free(daq);
}

static void its_registers_are_those_of_the_model(void) {
  hwsim_device *device = open_thermometer("hwsim://t?latency=0s");
  uint64_t value, old;
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
  uint64_t value;
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
  uint64_t value;
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
  check_refused(bad, "no multiple of its size");
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
  CHECK_MESSAGE("up to 65535 registers, and one or a memory, got 0");
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
    many[i] = (hwsim_register)REGISTER(names[i], 4 * i, HWSIM_ACCESS_RW, 0, UINT32_MAX, "",
                                       HWSIM_ROLE_NONE);
    ones[i] = 1;
  }
  const hwsim_model model = {
      .name = "many", .registers = many, .register_count = MANY, .channels = 1};
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

/* -------------------------------------------------------------- sizes, fields, memories, lifetime
 */

static const hwsim_enumerator modes[] = {{"OFF", 0, NULL}, {"ON", 1, "runs"}};
#define FIELD(...) {.readable = true, .writable = true, __VA_ARGS__}
static const hwsim_field effects[] = {
    FIELD(.name = "SET1", .lsb = 0, .width = 4, .onwrite = HWSIM_ONWRITE_ONE_SETS),
    FIELD(.name = "CLR1", .lsb = 4, .width = 4, .onwrite = HWSIM_ONWRITE_ONE_CLEARS),
    FIELD(.name = "TOG1", .lsb = 8, .width = 4, .onwrite = HWSIM_ONWRITE_ONE_TOGGLES),
    FIELD(.name = "SET0", .lsb = 12, .width = 4, .onwrite = HWSIM_ONWRITE_ZERO_SETS),
    FIELD(.name = "CLR0", .lsb = 16, .width = 4, .onwrite = HWSIM_ONWRITE_ZERO_CLEARS),
    FIELD(.name = "TOG0", .lsb = 20, .width = 4, .onwrite = HWSIM_ONWRITE_ZERO_TOGGLES),
    FIELD(.name = "CLR", .lsb = 24, .width = 4, .onwrite = HWSIM_ONWRITE_CLEARS),
    FIELD(.name = "SET", .lsb = 28, .width = 4, .onwrite = HWSIM_ONWRITE_SETS),
};
static const hwsim_field mixed[] = {
    FIELD(.name = "MODE", .lsb = 0, .width = 2, .enumerators = modes, .enumerator_count = 2),
    FIELD(.name = "GO", .lsb = 2, .width = 1, .pulse = true),
    FIELD(.name = "KEY", .lsb = 4, .width = 4, .once = true),
    {.name = "SEEN", .lsb = 8, .width = 2, .readable = true, .onread = HWSIM_ONREAD_CLEAR},
    {.name = "GONE", .lsb = 10, .width = 2, .readable = true, .onread = HWSIM_ONREAD_SET},
    {.name = "SECRET", .lsb = 12, .width = 4, .writable = true},
};
static const hwsim_register chip_registers[] = {
    {.name = "B0", .address = 0x1000, .bits = 8, .writable = 0xFF, .reset_value = 0x12},
    {.name = "B1", .address = 0x1001, .bits = 8, .writable = 0x0F},
    {.name = "H", .address = 0x1002, .bits = 16, .writable = 0xFFFF},
    {.name = "EFFECTS",
     .address = 0x1004,
     .reset_value = 0x12345678,
     .fields = effects,
     .field_count = 8},
    {.name = "Q",
     .address = 0x1008,
     .bits = 64,
     .writable = UINT64_MAX,
     .reset_value = UINT64_C(0x0123456789ABCDEF)},
    {.name = "MIXED",
     .address = 0x1010,
     .bits = 16,
     .reset_value = 0x0300,
     .fields = mixed,
     .field_count = 6},
    {.name = "Q2", .address = 0x1018, .bits = 64, .writable = UINT64_MAX},
};
static const hwsim_memory chip_memories[] = {
    {.name = "RAM", .address = 0x2000, .bits = 16, .words = 8},
    {.name = "ROM", .address = 0xFFFFFFF8, .bits = 64, .words = 1, .access = HWSIM_ACCESS_RO},
};
static const hwsim_model chip = {
    .name = "chip",
    .registers = chip_registers,
    .register_count = sizeof chip_registers / sizeof *chip_registers,
    .channels = 1,
    .memories = chip_memories,
    .memory_count = 2,
};

static hwsim_device *open_chip(const char *uri) {
  hwsim_device *device;
  CHECK_OK(hwsim_device_open_model(&chip, uri, &device));
  return device;
}

static void registers_have_8_to_64_bits(void) {
  hwsim_device *device = open_chip("hwsim://c?latency=0s");
  uint64_t old;
  CHECK_EQUAL(get(device, 0x1000), 0x12);
  CHECK(get(device, 0x1008) == UINT64_C(0x0123456789ABCDEF));
  CHECK_OK(hwsim_register_write(device, 0x1001, 0xFF, NULL));
  CHECK_EQUAL(get(device, 0x1001), 0x0F);
  CHECK_OK(hwsim_register_write(device, 0x1008, UINT64_MAX, NULL));
  CHECK(get(device, 0x1008) == UINT64_MAX);
  CHECK_OK(hwsim_register_update(device, 0x1008, UINT64_C(1) << 63, 0, NULL, &old));
  CHECK(old == UINT64_MAX && get(device, 0x1008) == UINT64_MAX >> 1);
  CHECK_FAILS(hwsim_register_write(device, 0x1002, 0x10000, NULL), HWSIM_EINVALID);
  CHECK_MESSAGE("value must be from 0 to 0xFFFF: there are 16 bits at 0x1002; got 0x10000");
  CHECK_FAILS(hwsim_register_read(device, 0x1003, NULL, &old), HWSIM_EADDRESS);
  CHECK_MESSAGE("multiple of 2, got 0x1003; the nearest register is at 0x1002");
  CHECK_FAILS(hwsim_register_read(device, 0x100C, NULL, &old), HWSIM_EADDRESS);
  CHECK_MESSAGE("the nearest register is at 0x1008");
  CHECK_FAILS(hwsim_register_read(device, 0xFFF, NULL, &old), HWSIM_EADDRESS);
  hwsim_device_free(device);
}

static void a_block_has_registers_of_one_size(void) {
  hwsim_device *device = open_chip("hwsim://c?latency=0s");
  uint32_t values[3] = {1, 2, 3};
  CHECK_OK(hwsim_register_write_block(device, 0x1000, values, 2, NULL));
  CHECK_EQUAL(get(device, 0x1001), 2);
  CHECK_FAILS(hwsim_register_read_block(device, 0x1000, 3, NULL, values), HWSIM_EADDRESS);
  CHECK_MESSAGE("no register of this size at 0x1002");
  CHECK_FAILS(hwsim_register_read_block(device, 0x1008, 1, NULL, values), HWSIM_EINVALID);
  CHECK_MESSAGE("Q has 64 bits");
  values[1] = 0x100;
  CHECK_FAILS(hwsim_register_write_block(device, 0x1000, values, 2, NULL), HWSIM_EINVALID);
  CHECK_EQUAL(get(device, 0x1000), 1);
  hwsim_device_free(device);
}

/* B at 0 has 8 bits, C at 1 8, H at 2 16, Q at 8 64; the memory at 0x2000 has words of 16 bits. */
static void bytes_lie_as_the_model_says(void) {
  for (int big = 0; big < 2; big++) {
    static const hwsim_register map[] = {
        {.name = "B", .address = 0, .bits = 8, .reset_value = 0x01, .writable = 0xFF},
        {.name = "RO", .address = 1, .bits = 8, .access = HWSIM_ACCESS_RO, .reset_value = 2},
        {.name = "H", .address = 2, .bits = 16, .reset_value = 0x0304, .writable = 0xFFFF},
        {.name = "W", .address = 4, .reset_value = 0x05060708, .writable = UINT32_MAX},
        {.name = "Q", .address = 16, .bits = 64, .reset_value = UINT64_C(0x0102030405060708)}};
    static const hwsim_memory memory = {.name = "M", .address = 0x20, .bits = 16, .words = 4};
    const hwsim_model model = {.name = "bytes",
                               .registers = map,
                               .register_count = 5,
                               .memories = &memory,
                               .memory_count = 1,
                               .channels = 1,
                               .big_endian = big};
    hwsim_device *device;
    uint8_t data[8];
    CHECK_OK(hwsim_device_open_model(&model, "hwsim://b?latency=0s", &device));
    CHECK_OK(hwsim_register_read_bytes(device, 0, 8, NULL, data));
    CHECK(memcmp(data, big ? "\1\2\3\4\5\6\7\10" : "\1\2\4\3\10\7\6\5", 8) == 0);
    CHECK_OK(hwsim_register_read_bytes(device, 3, 2, NULL, data));
    CHECK(memcmp(data, big ? "\4\5" : "\3\10", 2) == 0);
    CHECK_OK(hwsim_register_read_bytes(device, 17, 3, NULL, data));
    CHECK(memcmp(data, big ? "\2\3\4" : "\7\6\5", 3) == 0);
    CHECK_OK(hwsim_register_write_bytes(device, 3, (const uint8_t *)"\xAA\xBB", 2, NULL));
    CHECK_EQUAL(get(device, 2), big ? 0x03AA : 0xAA04);
    CHECK_EQUAL(get(device, 4), big ? 0xBB060708 : 0x050607BB);
    CHECK_OK(hwsim_register_write_bytes(device, 0x21, (const uint8_t *)"\1\2\3", 3, NULL));
    CHECK_EQUAL(get(device, 0x20), big ? 1 : 0x100);
    CHECK_EQUAL(get(device, 0x22), big ? 0x203 : 0x302);
    CHECK_OK(hwsim_register_read_bytes(device, 0x20, 8, NULL, data));
    CHECK(memcmp(data, "\0\1\2\3\0\0\0\0", 8) == 0);
    CHECK_FAILS(hwsim_register_write_bytes(device, 0, data, 2, NULL), HWSIM_EACCESS);
    CHECK_MESSAGE("RO at 0x01 is read-only");
    CHECK_EQUAL(get(device, 0), 1);
    CHECK_FAILS(hwsim_register_read_bytes(device, 6, 3, NULL, data), HWSIM_EADDRESS);
    CHECK_MESSAGE("there is no register or memory at 0x08");
    CHECK_FAILS(hwsim_register_read_bytes(device, 0x21, 8, NULL, data), HWSIM_EADDRESS);
    CHECK_MESSAGE("there is no register or memory at 0x28");
    CHECK_FAILS(hwsim_register_read_bytes(device, 0xFFFFFFFF, 2, NULL, data), HWSIM_EADDRESS);
    CHECK_FAILS(hwsim_register_read_bytes(device, 0, 0, NULL, data), HWSIM_EINVALID);
    hwsim_device_free(device);
  }
}

static void values_that_a_field_does_not_take_are_refused(void) {
  static const hwsim_enumerator modes[] = {{.name = "OFF", .value = 1}, {.name = "ON", .value = 2}};
  static const hwsim_field fields[] = {{.name = "MODE",
                                        .width = 4,
                                        .readable = true,
                                        .writable = true,
                                        .enumerators = modes,
                                        .enumerator_count = 2,
                                        .constraint = HWSIM_CONSTRAINT_ENUMERATED},
                                       {.name = "RATE",
                                        .lsb = 4,
                                        .width = 4,
                                        .readable = true,
                                        .writable = true,
                                        .constraint = HWSIM_CONSTRAINT_RANGE,
                                        .lowest = 3,
                                        .highest = 5}};
  static const hwsim_register map[] = {
      {.name = "CTRL", .address = 0, .fields = fields, .field_count = 2}};
  const hwsim_model model = {
      .name = "limited", .registers = map, .register_count = 1, .channels = 1};
  hwsim_device *device;
  uint64_t old;
  CHECK_OK(hwsim_device_open_model(&model, "hwsim://l?latency=0s", &device));
  CHECK_OK(hwsim_register_write(device, 0, 0x52, NULL));
  CHECK_FAILS(hwsim_register_write(device, 0, 0x53, NULL), HWSIM_EINVALID);
  CHECK_MESSAGE("CTRL.MODE must be OFF = 0x1, ON = 0x2, or as after a reset, 0x0; got 0x3");
  CHECK_FAILS(hwsim_register_update(device, 0, 0xF0, 0x60, NULL, &old), HWSIM_EINVALID);
  CHECK_MESSAGE("CTRL.RATE must be from 0x3 to 0x5, or as after a reset, 0x0; got 0x6");
  CHECK_OK(hwsim_register_update(device, 0, 0xF0, 0x30, NULL, &old));
  CHECK_OK(hwsim_register_update(device, 0, 0x70, 0x70, NULL, &old)); /* not all of its bits */
  CHECK_FAILS(hwsim_register_write_bytes(device, 0, (const uint8_t *)"\x3F", 1, NULL),
              HWSIM_EINVALID);
  CHECK_EQUAL(get(device, 0), 0x72);
  hwsim_device_free(device);
}

static void an_access_costs_the_bytes_of_its_register(void) {
  hwsim_device *device = open_chip("hwsim://c?clock=virtual&latency=0s&bandwidth=1kB/s");
  get(device, 0x1000);
  CHECK_EQUAL(now(device), 1 * MS);
  get(device, 0x1008);
  CHECK_EQUAL(now(device), 9 * MS);
  get(device, 0x2002);
  CHECK_EQUAL(now(device), 11 * MS);
  hwsim_device_free(device);
}

static void each_field_does_what_its_kind_says(void) {
  hwsim_device *device = open_chip("hwsim://c?latency=0s");
  CHECK_OK(hwsim_register_write(device, 0x1004, 0x55555555, NULL));
  /* held 1 2 3 4 5 6 7 8, written 5 in each: wset 15, wclr 0, wzt 3^10, wzc 4&5, wzs 5|10, wot
   * 6^5, woclr 7&~5, woset 8|5 */
  CHECK_EQUAL(get(device, 0x1004), 0xF094F32D);
  hwsim_device_free(device);
}

static void only_the_bits_of_the_mask_are_written(void) {
  hwsim_device *device = open_chip("hwsim://c?latency=0s");
  uint64_t old;
  CHECK_OK(hwsim_register_update(device, 0x1004, 0xF0, 0x50, NULL, &old));
  CHECK_EQUAL(old, 0x12345678);
  CHECK_EQUAL(get(device, 0x1004), 0x12345628);
  hwsim_device_free(device);
}

static void fields_of_one_register_differ(void) {
  hwsim_device *device = open_chip("hwsim://c?latency=0s");
  CHECK_EQUAL(get(device, 0x1010), 0x0300); /* clears SEEN, sets GONE */
  CHECK_EQUAL(get(device, 0x1010), 0x0C00);
  CHECK_OK(hwsim_register_write(device, 0x1010, 0xF0F5, NULL));
  CHECK_EQUAL(get(device, 0x1010), 0x0CF1); /* GO has been, SECRET does not show */
  CHECK_OK(hwsim_register_write(device, 0x1010, 0x0002, NULL));
  CHECK_EQUAL(get(device, 0x1010), 0x0CF2); /* KEY takes no other write */
  CHECK_OK(hwsim_device_reset(device, NULL));
  CHECK_OK(hwsim_register_write(device, 0x1010, 0x0030, NULL));
  CHECK_EQUAL(get(device, 0x1010), 0x0330);
  hwsim_device_free(device);
}

static void a_wait_has_the_effects_of_one_read(void) {
  hwsim_device *device = open_chip("hwsim://c?clock=virtual");
  uint64_t value;
  CHECK_OK(hwsim_register_wait(device, 0x1010, 0x300, 0x300, NULL, &value));
  CHECK_EQUAL(value, 0x300);
  CHECK_EQUAL(get(device, 0x1010), 0x0C00);
  hwsim_device_free(device);
}

static void memories_hold_words(void) {
  hwsim_device *device = open_chip("hwsim://c?latency=0s");
  uint32_t values[8] = {1, 2, 3, 4, 5, 6, 7, 0xFFFF};
  uint64_t old;
  CHECK_OK(hwsim_register_write_block(device, 0x2000, values, 8, NULL));
  CHECK_OK(hwsim_register_write(device, 0x2004, 0xABCD, NULL));
  CHECK_EQUAL(get(device, 0x200E), 0xFFFF);
  CHECK_OK(hwsim_register_read_block(device, 0x2002, 3, NULL, values));
  CHECK(values[0] == 2 && values[1] == 0xABCD && values[2] == 4);
  CHECK_EQUAL(get(device, 0xFFFFFFF8), 0);
  CHECK_OK(hwsim_device_reset(device, NULL));
  CHECK_EQUAL(get(device, 0x2004), 0xABCD);
  CHECK_FAILS(hwsim_register_read_block(device, 0x2002, 8, NULL, values), HWSIM_EADDRESS);
  CHECK_MESSAGE("RAM has no more than 8 words");
  CHECK_FAILS(hwsim_register_write(device, 0x2000, 0x10000, NULL), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_register_write(device, 0xFFFFFFF8, 1, NULL), HWSIM_EACCESS);
  CHECK_MESSAGE("ROM at 0xFFFFFFF8 is read-only");
  CHECK_FAILS(hwsim_register_update(device, 0x2000, 1, 1, NULL, &old), HWSIM_EACCESS);
  CHECK_FAILS(hwsim_register_read(device, 0x2001, NULL, &old), HWSIM_EADDRESS);
  CHECK_FAILS(hwsim_register_read(device, 0x2010, NULL, &old), HWSIM_EADDRESS);
  hwsim_device_free(device);
}

/* Nothing of the description is needed any more. */
static void a_made_model_is_shared_by_its_devices(void) {
  char name[] = "R", title[] = "temporary";
  hwsim_register entry = {.name = name, .address = 4, .writable = 0xFF, .description = name};
  hwsim_model model = {.name = title, .registers = &entry, .register_count = 1, .channels = 1};
  const hwsim_model *made;
  hwsim_device *first, *second;
  CHECK_OK(hwsim_model_new(&model, &made));
  name[0] = title[0] = 'X';
  entry.address = 0;
  CHECK_OK(hwsim_device_open_model(made, "hwsim://a?latency=0s", &first));
  CHECK_OK(hwsim_device_open_model(made, "hwsim://b?latency=0s", &second));
  hwsim_model_free(made);
  hwsim_model_free(NULL);
  hwsim_model_free(&model);
  CHECK(hwsim_device_model(first) == hwsim_device_model(second));
  CHECK_TEXT(hwsim_device_model(first)->name, "temporary");
  CHECK_TEXT(hwsim_device_model(first)->registers->name, "R");
  hwsim_device_free(first);
  CHECK_EQUAL(get(second, 4), 0);
  hwsim_device_free(second);
}

/* What the second register of the chip is replaced by, and why that is refused. */
static void check_chip_refused(hwsim_register entry, const char *remark) {
  const hwsim_register pair[] = {chip_registers[0], entry};
  hwsim_model model = chip;
  const hwsim_model *made;
  model.registers = pair;
  model.register_count = 2;
  CHECK_FAILS(hwsim_model_new(&model, &made), HWSIM_EINVALID);
  CHECK_MESSAGE(remark);
}

static void check_field_refused(hwsim_field field, const char *remark) {
  const hwsim_field pair[] = {{.name = "OK", .lsb = 0, .width = 1, .readable = true}, field};
  hwsim_register entry = chip_registers[2];
  entry.fields = pair;
  entry.field_count = 2;
  check_chip_refused(entry, remark);
}

static void sizes_and_fields_that_make_no_sense_are_refused(void) {
  hwsim_register bad = chip_registers[2];
  bad.bits = 24;
  check_chip_refused(bad, "register 1 of the model, H, has a size that is none of 8, 16, 32");
  bad = chip_registers[2], bad.reset_value = 0x10000;
  check_chip_refused(bad, "that it has no room for");
  bad = chip_registers[2], bad.address = 0x1003;
  check_chip_refused(bad, "no multiple of its size");
  const hwsim_field good = {.name = "F", .lsb = 1, .width = 15, .readable = true};
  hwsim_field wrong = good;
  wrong.lsb = 2;
  check_field_refused(wrong, "register 1 of the model, H: field 1, F, has bits that");
  wrong = good, wrong.lsb = 0;
  check_field_refused(wrong, "shares bits with another");
  wrong = good, wrong.name = "OK";
  check_field_refused(wrong, "has the name of another");
  wrong = good, wrong.onwrite = (hwsim_onwrite)9;
  check_field_refused(wrong, "has an unknown effect");
  const hwsim_enumerator large = {"LARGE", 0x8000, NULL};
  wrong = good, wrong.enumerators = &large, wrong.enumerator_count = 1;
  check_field_refused(wrong, "whose value does not fit");
  bad = chip_registers[2], bad.access = HWSIM_ACCESS_WO, bad.fields = &good, bad.field_count = 1;
  check_chip_refused(bad, "can be read, but the register is WO");
}

static void a_model_may_have_memories_alone(void) {
  static const hwsim_memory memory = {.name = "M", .address = 0x100, .words = 4};
  hwsim_model model = {.name = "ram", .channels = 1, .memories = &memory, .memory_count = 1};
  const hwsim_register *found;
  hwsim_device *device;
  CHECK_OK(hwsim_device_open_model(&model, "hwsim://ram?latency=0s", &device));
  CHECK_OK(hwsim_register_write(device, 0x104, 7, NULL));
  CHECK_EQUAL(get(device, 0x104), 7);
  CHECK_OK(hwsim_device_reset(device, NULL));
  CHECK_EQUAL(get(device, 0x104), 7);
  CHECK_FAILS(hwsim_register_write(device, 0x110, 7, NULL), HWSIM_EADDRESS);
  CHECK_FAILS(hwsim_model_find(&model, "M", &found), HWSIM_ENOTFOUND);
  hwsim_device_free(device);

  const hwsim_rule rule = {.when = HWSIM_WHEN_WRITTEN, .on = "M"};
  model.rules = &rule;
  model.rule_count = 1;
  CHECK_FAILS(hwsim_device_open_model(&model, "hwsim://ram", &device), HWSIM_EINVALID);
  const hwsim_claim claim = {.on = "M", .reads = true};
  model.rule_count = 0;
  model.claims = &claim;
  model.claim_count = 1;
  CHECK_FAILS(hwsim_device_open_model(&model, "hwsim://ram", &device), HWSIM_EINVALID);
  CHECK_MESSAGE("there is no such register");
  model.claim_count = model.memory_count = 0;
  CHECK_FAILS(hwsim_device_open_model(&model, "hwsim://ram", &device), HWSIM_EINVALID);
  CHECK_MESSAGE("up to 65535 registers, and one or a memory, got 0 and 0");
}

/* FLAGS at 0 holds 8 bits of flags, and 8 others; CLEAR at 8 clears flags, SHOW at 0x10 is
 * read-only and clears when it is read. */
static const hwsim_field flags_plain[] = {
    {.name = "F", .lsb = 0, .width = 8, .readable = true, .writable = true},
    {.name = "X", .lsb = 8, .width = 8, .readable = true, .writable = true}};
static const hwsim_field flags_clear[] = {{.name = "F",
                                           .lsb = 0,
                                           .width = 8,
                                           .readable = true,
                                           .writable = true,
                                           .onwrite = HWSIM_ONWRITE_ONE_CLEARS}};
static const hwsim_field flags_show[] = {
    {.name = "F", .lsb = 0, .width = 8, .readable = true, .onread = HWSIM_ONREAD_CLEAR}};
static const hwsim_register flags[] = {
    {.name = "FLAGS", .reset_value = 0x1203, .fields = flags_plain, .field_count = 2},
    {.name = "COUNT", .address = 4, .writable = UINT32_MAX},
    {.name = "CLEAR",
     .address = 8,
     .is_alias = true,
     .primary = 0,
     .fields = flags_clear,
     .field_count = 1},
    {.name = "SHOW",
     .address = 0x10,
     .access = HWSIM_ACCESS_RO,
     .is_alias = true,
     .primary = 0,
     .fields = flags_show,
     .field_count = 1},
    {.name = "ALL", .address = 0x14, .is_alias = true, .writable = UINT32_MAX},
};

static void an_alias_shows_the_bits_of_another_register(void) {
  const hwsim_rule rules[] = {{.when = HWSIM_WHEN_CHANGED,
                               .on = "CLEAR.F",
                               .then = HWSIM_THEN_ADD,
                               .target = "COUNT",
                               .value = 1},
                              {.when = HWSIM_WHEN_WRITTEN,
                               .on = "CLEAR",
                               .then = HWSIM_THEN_ADD,
                               .target = "COUNT",
                               .value = 0x100},
                              {.when = HWSIM_WHEN_READ,
                               .on = "SHOW",
                               .then = HWSIM_THEN_SET,
                               .target = "ALL",
                               .value = 0x80}};
  hwsim_model model = {.name = "flags", .registers = flags, .register_count = 5, .channels = 1};
  model.rules = rules;
  model.rule_count = 3;
  hwsim_device *device;
  uint64_t old;
  CHECK_OK(hwsim_device_open_model(&model, "hwsim://flags?latency=0s", &device));
  CHECK_EQUAL(get(device, 0), 0x1203);
  CHECK_EQUAL(get(device, 8), 3);
  CHECK_OK(hwsim_register_write(device, 8, 1, NULL)); /* through one */
  CHECK_EQUAL(get(device, 0), 0x1202);                /* and read through the other */
  CHECK_EQUAL(get(device, 4), 0x101);
  CHECK_OK(hwsim_register_write(device, 0, 0x33FF, NULL));
  CHECK_EQUAL(get(device, 4), 0x102);
  CHECK_OK(hwsim_register_update(device, 8, 0xF0, 0xF0, NULL, &old));
  CHECK_EQUAL(old, 0xFF);
  CHECK_EQUAL(get(device, 0), 0x330F);
  CHECK_FAILS(hwsim_register_write(device, 0x10, 1, NULL), HWSIM_EACCESS);
  CHECK_EQUAL(get(device, 0x10), 0x0F);
  CHECK_EQUAL(get(device, 0), 0x80); /* by the rule */
  CHECK_OK(hwsim_register_write(device, 0x14, 0x12345678, NULL));
  CHECK_EQUAL(get(device, 0), 0x12345678);
  CHECK_EQUAL(get(device, 8), 0x78);
  CHECK_OK(hwsim_device_reset(device, NULL));
  CHECK_EQUAL(get(device, 0), 0x1203);
  CHECK_EQUAL(get(device, 0x14), 0x1203);
  hwsim_device_free(device);
}

static void an_alias_that_makes_no_sense_is_refused(void) {
  static const struct {
    uint32_t primary, bits;
    hwsim_role role;
    const char *remark;
  } cases[] = {{2, 32, 0, "ALL, is an alias of no register"},
               {8, 32, 0, "is an alias of an alias"},
               {0x14, 32, 0, "is an alias of an alias"},
               {0, 16, 0, "is an alias of a register of another size"},
               {0, 32, HWSIM_ROLE_UPTIME, "one of the two has a role"}};
  hwsim_register map[5];
  hwsim_model model = {.name = "flags", .registers = map, .register_count = 5, .channels = 1};
  const hwsim_model *made;
  memcpy(map, flags, sizeof map);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    map[4].primary = cases[i].primary;
    map[4].bits = cases[i].bits;
    map[4].writable = 0xFFFF;
    map[4].role = cases[i].role;
    CHECK_FAILS(hwsim_model_new(&model, &made), HWSIM_EINVALID);
    CHECK_MESSAGE(cases[i].remark);
  }
  map[4] = flags[4];
  const hwsim_output output = {.name = "O", .source = "CLEAR.F"};
  model.outputs = &output;
  model.output_count = 1;
  CHECK_FAILS(hwsim_model_new(&model, &made), HWSIM_EINVALID);
  CHECK_MESSAGE("is an alias; a FIFO or an output");
  /* Each sets off the other, through another name. */
  const hwsim_rule rule = {.when = HWSIM_WHEN_CHANGED,
                           .on = "FLAGS",
                           .then = HWSIM_THEN_ADD,
                           .target = "ALL",
                           .value = 1};
  model.output_count = 0;
  model.rules = &rule;
  model.rule_count = 1;
  CHECK_FAILS(hwsim_model_new(&model, &made), HWSIM_EINVALID);
}

static void memories_that_make_no_sense_are_refused(void) {
  static const struct {
    hwsim_memory memory;
    const char *remark;
  } cases[] = {
      {{.name = "M", .address = 0x2001, .words = 1}, "no multiple of the size of its words"},
      {{.name = "M", .address = 0x0FF0, .words = 100}, "memory 0 of the model, M, overlaps a reg"},
      {{.name = "M", .address = 0x2000, .words = 0}, "has no words"},
      {{.name = "M", .address = 0xFFFFFFF0, .words = 5}, "more than there are addresses"},
      {{.name = "M", .address = 0x2000, .words = 1 << 27}, "more than 256 MiB"},
      {{.name = "M", .address = 0x2000, .words = 1, .access = HWSIM_ACCESS_RC}, "RW, RO or WO"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    hwsim_model model = chip;
    const hwsim_model *made;
    model.memories = &cases[i].memory;
    model.memory_count = 1;
    CHECK_FAILS(hwsim_model_new(&model, &made), HWSIM_EINVALID);
    CHECK_MESSAGE(cases[i].remark);
  }
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
    TEST(registers_have_8_to_64_bits),
    TEST(a_block_has_registers_of_one_size),
    TEST(bytes_lie_as_the_model_says),
    TEST(values_that_a_field_does_not_take_are_refused),
    TEST(an_access_costs_the_bytes_of_its_register),
    TEST(each_field_does_what_its_kind_says),
    TEST(only_the_bits_of_the_mask_are_written),
    TEST(fields_of_one_register_differ),
    TEST(a_wait_has_the_effects_of_one_read),
    TEST(memories_hold_words),
    TEST(a_made_model_is_shared_by_its_devices),
    TEST(sizes_and_fields_that_make_no_sense_are_refused),
    TEST(a_model_may_have_memories_alone),
    TEST(an_alias_shows_the_bits_of_another_register),
    TEST(an_alias_that_makes_no_sense_is_refused),
    TEST(memories_that_make_no_sense_are_refused),
};
CHECK_MAIN(tests)
