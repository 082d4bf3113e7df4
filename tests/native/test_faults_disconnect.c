/* Disconnect and reconnect: at once or at an operation, with others waiting; and what a fault does
 * to operations that are queued before or behind the one it hits. */
#include "threads.h"

#define SCRATCH0 HWSIM_REGISTER_SCRATCH0

static uint64_t get(hwsim_device *device, uint32_t address) {
  uint64_t value;
  CHECK_OK(hwsim_register_read(device, address, &forever, &value));
  return value;
}

static hwsim_fault of(hwsim_fault_kind kind) {
  hwsim_fault fault;
  CHECK_OK(hwsim_fault_init(kind, &fault));
  return fault;
}

static void inject(hwsim_device *device, hwsim_fault fault) {
  CHECK_OK(hwsim_fault_inject(device, &fault));
}

static void a_disconnect_at_once_ends_all_that_waits(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms");
  operation waiters[4];
  for (int i = 0; i < 4; i++) {
    waiters[i] = (operation){.device = device,
                             .run = i % 2 ? run_wait : run_read,
                             .address = SCRATCH0,
                             .mask = 1,
                             .value = 1,
                             .call = &forever};
    operation_start(&waiters[i]);
  }
  advance(device, 2 * MS); /* the first two are done; one of them is armed */
  inject(device, of(HWSIM_FAULT_DISCONNECT));
  CHECK_EQUAL(operation_join(&waiters[0]), HWSIM_OK);
  for (int i = 1; i < 4; i++)
    CHECK_EQUAL(operation_join(&waiters[i]), HWSIM_EDISCONNECTED);
  CHECK_FAILS(read_once(device), HWSIM_EDISCONNECTED);
  hwsim_device_free(device);
}

static void a_disconnect_at_n_ends_those_behind_it(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms&fault=disconnect@2");
  operation all[4];
  for (int i = 0; i < 4; i++) {
    all[i] = (operation){.device = device, .run = run_read, .call = &forever};
    operation_start(&all[i]);
  }
  advance(device, 2 * MS);
  CHECK_EQUAL(operation_join(&all[0]), HWSIM_OK);
  for (int i = 1; i < 4; i++)
    CHECK_EQUAL(operation_join(&all[i]), HWSIM_EDISCONNECTED);
  CHECK_EQUAL(all[1].info.fault, HWSIM_FAULT_DISCONNECT);
  CHECK_EQUAL(all[2].info.fault, 0);
  hwsim_device_free(device);
}

/* A letter for each read: D fails with EDISCONNECTED, . succeeds. */
static void check_pattern(const char *faults, const char *expected) {
  char uri[128];
  snprintf(uri, sizeof uri, "hwsim://d?clock=virtual&%s", faults);
  hwsim_device *device = open_device(uri);
  for (; *expected; expected++)
    CHECK_EQUAL(read_once(device), *expected == 'D' ? HWSIM_EDISCONNECTED : HWSIM_OK);
  hwsim_device_free(device);
}

static void it_stays_disconnected_until_a_reconnect(void) {
  check_pattern("fault=disconnect@2", ".DDDDDDD");
  check_pattern("fault=disconnect@2&fault=reconnect@5", ".DDD....");
  check_pattern("fault=disconnect@2&fault=reconnect@5&fault=disconnect@6", ".DDD.DDD");
}

static void a_reconnect_finds_the_registers_reset(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  CHECK_OK(hwsim_register_write(device, SCRATCH0, 5, NULL));
  inject(device, of(HWSIM_FAULT_RECONNECT)); /* it is connected: nothing happens */
  CHECK_EQUAL(get(device, SCRATCH0), 5);
  inject(device, of(HWSIM_FAULT_DISCONNECT));
  CHECK_FAILS(read_once(device), HWSIM_EDISCONNECTED);
  inject(device, of(HWSIM_FAULT_RECONNECT));
  CHECK_EQUAL(get(device, SCRATCH0), 0);
  CHECK_EQUAL(get(device, HWSIM_REGISTER_EVENT_STATUS) & 4, 4);
  hwsim_device_free(device);
}

static void the_disconnect_can_be_seen_after_the_reconnect(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  inject(device, of(HWSIM_FAULT_DISCONNECT));
  inject(device, of(HWSIM_FAULT_RECONNECT));
  CHECK_EQUAL(get(device, HWSIM_REGISTER_EVENT_STATUS) & 6, 6);
  hwsim_device_free(device);
}

static void a_disconnected_device_can_be_closed_and_opened_again(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=disconnect@1");
  CHECK_FAILS(read_once(device), HWSIM_EDISCONNECTED);
  CHECK(hwsim_device_is_open(device));
  hwsim_device_free(device);
  device = open_device("hwsim://d?clock=virtual");
  CHECK_OK(read_once(device));
  hwsim_device_free(device);
}

/* --------------------------------------------------------------------------------- pipelined -- */

/* What an operation does to the device it does in its slot, not when it is put on the bus. */
static void a_fault_is_not_counted_before_its_operation(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms&fault=crc@2");
  operation before = {.device = device,
                      .run = run_read,
                      .address = HWSIM_REGISTER_FAULT_COUNT,
                      .call = &forever},
            hit = before;
  operation_start(&before);
  operation_start(&hit);
  advance(device, 2 * MS);
  CHECK_EQUAL(operation_join(&before), HWSIM_OK);
  CHECK_EQUAL(operation_join(&hit), HWSIM_ECRC);
  CHECK_EQUAL(before.value, 0);
  hwsim_device_free(device);
}

/* A stream's read has no slot on the bus, but its fault is one all the same. */
static void a_fault_on_a_stream_wakes_who_waits_for_faults(void) {
  static const uint32_t channel = 0;
  const hwsim_stream_config config = {
      .rate_hz = 1000, .channels = &channel, .channel_count = 1, .buffer = 100};
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=crc@2");
  operation watcher = {.device = device,
                       .run = run_wait,
                       .address = HWSIM_REGISTER_EVENT_STATUS,
                       .mask = 1,
                       .value = 1,
                       .call = &forever};
  hwsim_stream *stream;
  hwsim_block block;
  int16_t code;
  operation_start(&watcher);
  CHECK_OK(hwsim_stream_start(device, &config, &stream));
  CHECK_FAILS(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, 1, NULL, &code, &block), HWSIM_ECRC);
  CHECK_EQUAL(pending(device), 0);
  CHECK_EQUAL(operation_join(&watcher), HWSIM_OK);
  hwsim_stream_free(stream);
  hwsim_device_free(device);
}

static void a_reconnect_queued_behind_the_disconnect_is_not_lost(void) {
  hwsim_device *device =
      open_device("hwsim://d?clock=manual&latency=1ms&fault=disconnect@1&fault=reconnect@2");
  operation first = {.device = device, .run = run_read, .call = &forever}, second = first;
  operation_start(&first);
  operation_start(&second);
  advance(device, 2 * MS);
  CHECK_EQUAL(operation_join(&first), HWSIM_EDISCONNECTED);
  operation_join(&second);
  const hwsim_call at_once = {0, NULL, NULL};
  uint64_t value;
  CHECK_FAILS(hwsim_register_read(device, 0, &at_once, &value), HWSIM_ETIMEOUT); /* connected */
  hwsim_device_free(device);
}

static hwsim_error run_wait_connected(operation *self) {
  return hwsim_device_wait_connected(self->device, self->value, self->call);
}

static bool is_connected(hwsim_device *device) {
  bool connected = false;
  CHECK_OK(hwsim_device_is_connected(device, &connected));
  return connected;
}

static void one_can_wait_for_a_device_to_come_and_go(void) {
  static const hwsim_fault_kind kinds[] = {HWSIM_FAULT_DISCONNECT, HWSIM_FAULT_RECONNECT};
  const hwsim_call at_once = {0, NULL, NULL};
  hwsim_device *device = open_device("hwsim://d?latency=0s");
  for (int wanted = 0; wanted < 2; wanted++) {
    operation self = {
        .device = device, .run = run_wait_connected, .value = (uint32_t)wanted, .call = &forever};
    hwsim_fault fault;
    CHECK(is_connected(device) == !wanted);
    CHECK_OK(hwsim_device_wait_connected(device, !wanted, &at_once));
    CHECK_FAILS(hwsim_device_wait_connected(device, wanted, &at_once), HWSIM_ETIMEOUT);
    operation_launch(&self);
    CHECK_OK(hwsim_fault_init(kinds[wanted], &fault));
    CHECK_OK(hwsim_fault_inject(device, &fault));
    CHECK_OK(operation_join(&self));
    CHECK(is_connected(device) == wanted);
  }
  hwsim_device_close(device);
  CHECK_FAILS(hwsim_device_wait_connected(device, false, &forever), HWSIM_ECLOSED);
  CHECK(is_connected(device));
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(one_can_wait_for_a_device_to_come_and_go),
    TEST(a_disconnect_at_once_ends_all_that_waits),
    TEST(a_disconnect_at_n_ends_those_behind_it),
    TEST(it_stays_disconnected_until_a_reconnect),
    TEST(a_reconnect_finds_the_registers_reset),
    TEST(the_disconnect_can_be_seen_after_the_reconnect),
    TEST(a_disconnected_device_can_be_closed_and_opened_again),
    TEST(a_fault_is_not_counted_before_its_operation),
    TEST(a_fault_on_a_stream_wakes_who_waits_for_faults),
    TEST(a_reconnect_queued_behind_the_disconnect_is_not_lost),
};
CHECK_MAIN(tests)
