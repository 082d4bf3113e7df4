/* What causes an event, and what the event says: its kind, time, number and value. Time is manual
 * wherever it matters, so every sequence is exact. */
#include "events.h"

static void a_trigger_carries_its_value(void) {
  static const double values[] = {0, 1.5, -1e300, 0.1};
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=2ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 10);
  for (size_t i = 0; i < LENGTH(values); i++)
    trigger(device, values[i]);
  for (size_t i = 0; i < LENGTH(values); i++)
    CHECK_EVENT(take_one(subscription), TRIGGER, (int64_t)(i + 1) * 2 * MS, i, 0, 0, values[i]);
  CHECK_EQUAL(transactions(device), LENGTH(values));
  end(subscription, device);
}

static void a_trigger_that_fails_has_not_happened(void) {
  hwsim_device *device =
      open_device("hwsim://d?clock=virtual&latency=1ms&fault=crc@1&fault=timeout@2");
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 10);
  const hwsim_call brief = {MS / 2, NULL, NULL};
  CHECK_FAILS(hwsim_event_trigger(device, 1, NULL), HWSIM_ECRC);
  CHECK_FAILS(hwsim_event_trigger(device, 2, NULL), HWSIM_ETIMEOUT);
  CHECK_FAILS(hwsim_event_trigger(device, 3, &brief), HWSIM_ETIMEOUT);
  disconnect(device);
  CHECK_FAILS(hwsim_event_trigger(device, 4, NULL), HWSIM_EDISCONNECTED);
  CHECK_NO_MORE(subscription);
  CHECK_STATUS(subscription, 0, 0, 0);
  CHECK_EQUAL(transactions(device), 4);
  end(subscription, device);
}

static void a_changed_register_is_an_event(void) {
  static const uint32_t block[] = {7, 0, 9, 7};
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(REGISTER), 100);
  uint64_t old;
  advance(device, 3 * MS);
  write_value(device, SCRATCH0, 7);
  write_value(device, SCRATCH0, 7);                    /* no change */
  write_value(device, HWSIM_REGISTER_CONTROL, 0xFFFF); /* bit 0 is 1 already, others are fixed */
  CHECK_OK(hwsim_register_update(device, SCRATCH0, 0xF0, 0x50, NULL, &old));
  CHECK_OK(hwsim_register_update(device, SCRATCH0, 0xF0, 0x50, NULL, &old));
  CHECK_OK(hwsim_register_write_block(device, SCRATCH0, block, 4, NULL));
  CHECK_EVENT(take_one(subscription), REGISTER, 3 * MS, 0, 0, SCRATCH0, 7);
  CHECK_EVENT(take_one(subscription), REGISTER, 3 * MS, 1, 0, SCRATCH0, 0x57);
  CHECK_EVENT(take_one(subscription), REGISTER, 3 * MS, 2, 0, SCRATCH0, 7);
  CHECK_EVENT(take_one(subscription), REGISTER, 3 * MS, 3, 0, SCRATCH0 + 8, 9);
  CHECK_EVENT(take_one(subscription), REGISTER, 3 * MS, 4, 0, SCRATCH0 + 12, 7);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void clearing_a_flag_changes_a_register_reading_does_not(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=0s&fault=crc@1");
  hwsim_subscription *subscription = subscribe(device, KIND(REGISTER), 100);
  CHECK_FAILS(read_once(device), HWSIM_ECRC);
  trigger(device, 1);
  CHECK_EQUAL(read_value(device, HWSIM_REGISTER_FAULT_COUNT), 1); /* and clears it */
  CHECK_EQUAL(read_value(device, HWSIM_REGISTER_EVENT_STATUS),
              KIND(FAULT) | KIND(TRIGGER)); /* set by the device itself */
  write_value(device, HWSIM_REGISTER_EVENT_STATUS, KIND(FAULT));
  write_value(device, HWSIM_REGISTER_EVENT_STATUS, KIND(FAULT));
  CHECK_EVENT(take_one(subscription), REGISTER, 0, 0, 0, HWSIM_REGISTER_EVENT_STATUS,
              KIND(TRIGGER));
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void a_reset_tells_what_it_changed(void) {
  for (int by_command = 0; by_command < 2; by_command++) {
    hwsim_device *device = open_device(MANUAL);
    write_value(device, SCRATCH0 + 4, 3);
    write_value(device, HWSIM_REGISTER_CONTROL, 0);
    hwsim_subscription *subscription = subscribe(device, ALL_KINDS, 100);
    if (by_command)
      write_value(device, HWSIM_REGISTER_COMMAND, 1);
    else
      CHECK_OK(hwsim_device_reset(device, NULL));
    CHECK_EVENT(take_one(subscription), REGISTER, 0, 0, 0, HWSIM_REGISTER_CONTROL, 1);
    CHECK_EVENT(take_one(subscription), REGISTER, 0, 1, 0, SCRATCH0 + 4, 0);
    CHECK_NO_MORE(subscription);
    end(subscription, device);
  }
}

static void a_fault_tells_its_kind_and_operation(void) {
  static const hwsim_fault_kind kinds[] = {
      HWSIM_FAULT_BUS,    HWSIM_FAULT_CRC,      HWSIM_FAULT_BUSY,    HWSIM_FAULT_SPIKE,
      HWSIM_FAULT_MEMORY, HWSIM_FAULT_INTERNAL, HWSIM_FAULT_FIRMWARE};
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms");
  hwsim_subscription *subscription = subscribe(device, ALL_KINDS, 100);
  for (uint64_t i = 0; i < LENGTH(kinds); i++) {
    inject_at(device, kinds[i], 2 * i + 2);
    CHECK_OK(read_once(device));
    hwsim_error error = read_once(device);
    CHECK_EQUAL(error == HWSIM_OK, kinds[i] == HWSIM_FAULT_SPIKE);
    CHECK_EVENT(take_one(subscription), FAULT, now(device), i, 0, kinds[i], (double)(2 * i + 2));
  }
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void a_fault_is_told_when_the_operation_ends(void) {
  hwsim_device *device = open_device(
      "hwsim://d?clock=virtual&latency=1ms&timeout=50ms&fault=timeout@1&fault=spike@2:5ms");
  hwsim_subscription *subscription = subscribe(device, KIND(FAULT), 10);
  CHECK_FAILS(read_once(device), HWSIM_ETIMEOUT);
  CHECK_OK(read_once(device));
  CHECK_EVENT(take_one(subscription), FAULT, 50 * MS, 0, 0, HWSIM_FAULT_TIMEOUT, 1);
  CHECK_EVENT(take_one(subscription), FAULT, 56 * MS, 1, 0, HWSIM_FAULT_SPIKE, 2);
  end(subscription, device);
}

static void a_fault_that_has_not_come_is_no_event(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms&fault=crc@1");
  hwsim_subscription *subscription = subscribe(device, ALL_KINDS, 10);
  operation cancelled = {.device = device, .run = run_read, .call = &forever};
  operation_start(&cancelled);
  CHECK_OK(hwsim_device_cancel(device));
  CHECK_EQUAL(operation_join(&cancelled), HWSIM_ECANCELLED);
  advance(device, S);
  CHECK_NO_MORE(subscription);
  CHECK_STATUS(subscription, 0, 0, 0);
  end(subscription, device);
}

static void several_faults_on_an_operation_are_one_event(void) {
  hwsim_device *device =
      open_device("hwsim://d?clock=virtual&latency=1ms&fault=spike@1:1ms&fault=bus@1&fault=crc@1");
  hwsim_subscription *subscription = subscribe(device, ALL_KINDS, 10);
  CHECK_FAILS(read_once(device), HWSIM_EBUS);
  CHECK_EVENT(take_one(subscription), FAULT, 2 * MS, 0, 0, HWSIM_FAULT_BUS, 1);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void disconnect_and_reconnect_are_told_once(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, ALL_KINDS, 10);
  reconnect(device); /* it is connected */
  advance(device, 5);
  disconnect(device);
  disconnect(device);
  CHECK_FAILS(read_once(device), HWSIM_EDISCONNECTED);
  advance(device, 5);
  reconnect(device);
  reconnect(device);
  CHECK_EVENT(take_one(subscription), DISCONNECT, 5, 0, 0, 0, 0);
  CHECK_EVENT(take_one(subscription), RECONNECT, 10, 1, 0, 0, 0);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void a_disconnect_at_an_operation_follows_its_fault(void) {
  static const hwsim_fault_kind kinds[] = {HWSIM_FAULT_DISCONNECT, HWSIM_FAULT_POWER};
  for (size_t i = 0; i < LENGTH(kinds); i++) {
    hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms");
    hwsim_subscription *subscription = subscribe(device, ALL_KINDS, 10);
    inject_at(device, kinds[i], 2);
    inject_at(device, HWSIM_FAULT_RECONNECT, 4);
    CHECK_OK(read_once(device));
    CHECK_FAILS(read_once(device), HWSIM_EDISCONNECTED);
    CHECK_FAILS(read_once(device), HWSIM_EDISCONNECTED);
    CHECK_OK(read_once(device));
    CHECK_EVENT(take_one(subscription), FAULT, 2 * MS, 0, 0, kinds[i], 2);
    CHECK_EVENT(take_one(subscription), DISCONNECT, 2 * MS, 1, 0, 0, 0);
    CHECK_EVENT(take_one(subscription), RECONNECT, 2 * MS, 2, 0, 0, 0);
    CHECK_NO_MORE(subscription);
    end(subscription, device);
  }
}

/* An image of one page. */
static hwsim_error program(hwsim_device *device, uint32_t version, size_t size) {
  const hwsim_firmware_options options = {true, 3, false};
  uint8_t image[HWSIM_FIRMWARE_HEADER + 4] = "HWSIMFW1";
  const uint32_t fields[] = {version, 4, hwsim_crc32(image + HWSIM_FIRMWARE_HEADER, 4)};
  memcpy(image + 8, fields, sizeof fields);
  const uint32_t header = hwsim_crc32(image, 20);
  memcpy(image + 20, &header, 4);
  return hwsim_firmware_program(device, image, size ? size : sizeof image, &options, NULL, NULL);
}

static void new_firmware_is_told_when_it_runs(void) {
  hwsim_device *device = open_device("hwsim://flashed?clock=virtual&latency=1ms");
  hwsim_subscription *subscription = subscribe(device, ALL_KINDS, 10);
  CHECK_FAILS(program(device, 0x20000, 10), HWSIM_EFIRMWARE); /* incomplete: nothing happens */
  inject_at(device, HWSIM_FAULT_CRC, 1);
  CHECK_FAILS(program(device, 0x20000, 0), HWSIM_ECRC);
  CHECK_EVENT(take_one(subscription), FAULT, MS, 0, 0, HWSIM_FAULT_CRC, 1);
  CHECK_NO_MORE(subscription);
  CHECK_OK(program(device, 0x20000, 0));
  CHECK_EVENT(take_one(subscription), FIRMWARE, now(device), 1, 0, 0, 0x20000);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void an_overrun_tells_how_many_samples_are_lost(void) {
  static const uint32_t channel = 0;
  for (int policy = HWSIM_OVERRUN_ERROR; policy <= HWSIM_OVERRUN_SKIP; policy++) {
    const hwsim_stream_config config = {.rate_hz = 1000,
                                        .channels = &channel,
                                        .channel_count = 1,
                                        .buffer = 10,
                                        .overrun = (hwsim_overrun)policy};
    hwsim_device *device = open_device(MANUAL);
    hwsim_subscription *subscription = subscribe(device, ALL_KINDS, 10);
    hwsim_stream *stream;
    hwsim_block block;
    int16_t code;
    CHECK_OK(hwsim_stream_start(device, &config, &stream));
    advance(device, 100 * MS);
    CHECK_NO_MORE(subscription); /* no reader has found it yet */
    hwsim_error error = hwsim_stream_read(stream, HWSIM_FORMAT_INT16, 1, NULL, &code, &block);
    CHECK_EQUAL(error, policy == HWSIM_OVERRUN_ERROR ? HWSIM_EOVERRUN : HWSIM_OK);
    CHECK_EQUAL(block.lost, 90);
    CHECK_EVENT(take_one(subscription), OVERRUN, 100 * MS, 0, 0, 0, 90);
    CHECK_OK(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, 1, NULL, &code, &block));
    CHECK_NO_MORE(subscription);
    hwsim_stream_free(stream);
    end(subscription, device);
  }
}

/* Bit n of EVENT_STATUS is set by kind n, also when nobody has subscribed. */
static void event_status_latches_the_first_six_kinds(void) {
  hwsim_device *device = open_device("hwsim://latched?clock=virtual&latency=0s&timer=1ms");
  const uint32_t address = HWSIM_REGISTER_EVENT_STATUS;
  CHECK_OK(hwsim_threshold_set(device, 0, 0, 0));
  for (int subscribed = 0; subscribed < 2; subscribed++) {
    hwsim_subscription *subscription =
        subscribed ? subscribe(device, KIND(TIMER) | KIND(THRESHOLD), 1) : NULL;
    CHECK_EQUAL(read_value(device, address), 0);
    inject_at(device, HWSIM_FAULT_CRC, 0);
    CHECK_FAILS(read_once(device), HWSIM_ECRC);
    CHECK_EQUAL(read_value(device, address), KIND(FAULT));
    write_value(device, address, KIND(FAULT));
    trigger(device, 0);
    CHECK_EQUAL(read_value(device, address), KIND(TRIGGER));
    write_value(device, address, KIND(TRIGGER));
    CHECK_OK(program(device, 0x20000 + (uint32_t)subscribed, 0));
    CHECK_EQUAL(read_value(device, address), KIND(FIRMWARE));
    write_value(device, address, KIND(FIRMWARE));
    disconnect(device);
    reconnect(device);
    CHECK_EQUAL(read_value(device, address), KIND(DISCONNECT) | KIND(RECONNECT));
    write_value(device, address, KIND(DISCONNECT) | KIND(RECONNECT));
    write_value(device, SCRATCH0, 1);
    if (subscribed)
      await_one(subscription);
    CHECK_EQUAL(read_value(device, address), 0);
    hwsim_subscription_free(subscription);
  }
  hwsim_device_free(device);
}

static void event_mask_shows_an_event_in_status(void) {
  hwsim_device *device = open_device(MANUAL);
  write_value(device, HWSIM_REGISTER_EVENT_MASK, KIND(TRIGGER));
  disconnect(device);
  reconnect(device);
  write_value(device, HWSIM_REGISTER_EVENT_MASK, KIND(TRIGGER));
  CHECK_EQUAL(read_value(device, HWSIM_REGISTER_STATUS), 1);
  trigger(device, 0);
  CHECK_EQUAL(read_value(device, HWSIM_REGISTER_STATUS), 3);
  hwsim_device_free(device);
}

static void a_trigger_wakes_who_waits_for_its_flag(void) {
  hwsim_device *device = open_device(MANUAL);
  operation watcher = {.device = device,
                       .run = run_wait,
                       .address = HWSIM_REGISTER_EVENT_STATUS,
                       .mask = KIND(TRIGGER),
                       .value = KIND(TRIGGER),
                       .call = &forever};
  operation_start(&watcher);
  trigger(device, 0);
  CHECK_EQUAL(operation_join(&watcher), HWSIM_OK);
  hwsim_device_free(device);
}

static void lost_events_are_counted_but_did_happen(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=0s&fault=lost@2*2");
  hwsim_subscription *all = subscribe(device, ALL_KINDS, 10),
                     *triggers = subscribe(device, KIND(TRIGGER), 10);
  for (int i = 1; i <= 4; i++)
    trigger(device, i);
  CHECK_EVENT(take_one(all), TRIGGER, 0, 0, 0, 0, 1);
  CHECK_EVENT(take_one(all), TRIGGER, 0, 5, 4, 0, 4); /* two faults and two triggers are missing */
  CHECK_STATUS(all, 0, 2, 4);
  CHECK_EVENT(take_one(triggers), TRIGGER, 0, 0, 0, 0, 1);
  CHECK_EVENT(take_one(triggers), TRIGGER, 0, 3, 2, 0, 4);
  CHECK_STATUS(triggers, 0, 2, 2);
  CHECK_EQUAL(read_value(device, HWSIM_REGISTER_EVENT_STATUS), KIND(TRIGGER) | KIND(FAULT));
  CHECK_EQUAL(read_value(device, HWSIM_REGISTER_FAULT_COUNT), 2);
  hwsim_subscription_free(triggers);
  end(all, device);
}

static void lost_hits_every_event_of_its_operation_alone(void) {
  static const uint32_t ones[] = {1, 1, 1}, twos[] = {2, 2, 2};
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=0s&timer=1ms&fault=lost@1");
  hwsim_subscription *subscription = subscribe(device, KIND(REGISTER) | KIND(TIMER), 10);
  advance(device, MS);
  CHECK_OK(hwsim_register_write_block(device, SCRATCH0, ones, 3, NULL));
  CHECK_EQUAL(read_value(device, SCRATCH0), 1); /* the effect itself is not lost */
  advance(device, MS);
  CHECK_OK(hwsim_register_write_block(device, SCRATCH0, twos, 3, NULL));
  CHECK_EVENT(take_one(subscription), TIMER, MS, 0, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 2 * MS, 4, 3, 0, 2);
  for (uint32_t i = 0; i < 3; i++)
    CHECK_EVENT(take_one(subscription), REGISTER, 2 * MS, 5 + i, 0, SCRATCH0 + 4 * i, 2);
  CHECK_STATUS(subscription, 0, 5, 3);
  end(subscription, device);
}

static const test tests[] = {
    TEST(a_trigger_carries_its_value),
    TEST(a_trigger_that_fails_has_not_happened),
    TEST(a_changed_register_is_an_event),
    TEST(clearing_a_flag_changes_a_register_reading_does_not),
    TEST(a_reset_tells_what_it_changed),
    TEST(a_fault_tells_its_kind_and_operation),
    TEST(a_fault_is_told_when_the_operation_ends),
    TEST(a_fault_that_has_not_come_is_no_event),
    TEST(several_faults_on_an_operation_are_one_event),
    TEST(disconnect_and_reconnect_are_told_once),
    TEST(a_disconnect_at_an_operation_follows_its_fault),
    TEST(new_firmware_is_told_when_it_runs),
    TEST(an_overrun_tells_how_many_samples_are_lost),
    TEST(event_status_latches_the_first_six_kinds),
    TEST(event_mask_shows_an_event_in_status),
    TEST(a_trigger_wakes_who_waits_for_its_flag),
    TEST(lost_events_are_counted_but_did_happen),
    TEST(lost_hits_every_event_of_its_operation_alone),
};
CHECK_MAIN(tests)
