/* Events that are read: what causes which, when, in which order, with which numbers, and what a
 * full queue loses. Time is manual wherever it matters, so every sequence is exact. */
#include "events.h"

#define MANUAL "hwsim://d?clock=manual&latency=0s&timeout=inf"
#define SCRATCH0 HWSIM_REGISTER_SCRATCH0

static uint64_t transactions(hwsim_device *device) {
  uint64_t count;
  CHECK_OK(hwsim_device_transactions(device, &count));
  return count;
}

static void end(hwsim_subscription *subscription, hwsim_device *device) {
  hwsim_subscription_free(subscription);
  hwsim_device_free(device);
}

/* ------------------------------------------------------------------------- names and arguments */

static void every_kind_has_a_name_that_finds_it(void) {
  for (int kind = 0; kind <= HWSIM_EVENT_THRESHOLD; kind++) {
    hwsim_event_kind found;
    CHECK_OK(hwsim_event_find(hwsim_event_name((hwsim_event_kind)kind), &found));
    CHECK_EQUAL(found, kind);
  }
  CHECK_TEXT(hwsim_event_name(HWSIM_EVENT_TIMER), "timer");
  CHECK(!hwsim_event_name((hwsim_event_kind)(HWSIM_EVENT_THRESHOLD + 1)));
  CHECK(!hwsim_event_name((hwsim_event_kind)-1));
}

static void an_unknown_name_gets_the_nearest(void) {
  hwsim_event_kind kind;
  CHECK_FAILS(hwsim_event_find("treshold", &kind), HWSIM_EINVALID);
  CHECK_MESSAGE("threshold");
  CHECK_FAILS(hwsim_event_find("", &kind), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_event_find(NULL, &kind), HWSIM_EINVALID);
}

static void check_refused(hwsim_device *device, uint32_t kinds, uint32_t queue, int overflow,
                          const char *field) {
  hwsim_subscription_config config = {kinds, queue, (hwsim_overflow)overflow, {0}};
  hwsim_subscription *subscription;
  CHECK_FAILS(hwsim_subscription_new(device, &config, &subscription), HWSIM_EINVALID);
  CHECK_MESSAGE(field);
}

static void a_bad_subscription_names_its_field(void) {
  hwsim_device *device = open_device(MANUAL);
  check_refused(device, 0, 1, HWSIM_OVERFLOW_DROP, "kinds");
  check_refused(device, ALL_KINDS + 1, 1, HWSIM_OVERFLOW_DROP, "kinds");
  check_refused(device, ALL_KINDS, 0, HWSIM_OVERFLOW_DROP, "queue");
  check_refused(device, ALL_KINDS, (1 << 20) + 1, HWSIM_OVERFLOW_DROP, "queue");
  check_refused(device, ALL_KINDS, 1, 2, "overflow");
  hwsim_subscription_free(subscribe(device, ALL_KINDS, 1 << 20));
  hwsim_subscription_free(NULL);
  hwsim_device_free(device);
}

static void a_bad_period_is_refused(void) {
  static const int64_t bad[] = {-1, 1, 999, 3600 * S + 1, INT64_MIN, INT64_MAX};
  hwsim_device *device = open_device(MANUAL), *none;
  int64_t period_ns;
  for (size_t i = 0; i < LENGTH(bad); i++) {
    CHECK_FAILS(hwsim_timer_set(device, bad[i]), HWSIM_EINVALID);
    CHECK_MESSAGE("timer");
  }
  CHECK_OK(hwsim_timer_set(device, 3600 * S));
  CHECK_OK(hwsim_timer_set(device, 1000));
  CHECK_FAILS(hwsim_timer_set(device, 5), HWSIM_EINVALID);
  CHECK_OK(hwsim_timer_get(device, &period_ns)); /* what was refused has changed nothing */
  CHECK_EQUAL(period_ns, 1000);
  CHECK_FAILS(hwsim_device_open("hwsim://e?timer=500ns", &none), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_device_open("hwsim://e?timer=2h", &none), HWSIM_EINVALID);
  hwsim_device_free(device);
}

static void bad_reads_are_refused(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, ALL_KINDS, 4);
  const hwsim_call bad = {-2, NULL};
  hwsim_event event;
  size_t count;
  trigger(device, 1);
  CHECK_FAILS(hwsim_subscription_next(subscription, 0, NULL, &event, &count), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, &bad, &event, &count), HWSIM_EINVALID);
  CHECK_STATUS(subscription, 1, 0, 0);
  end(subscription, device);
}

static void a_closed_device_takes_nothing(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription_config config = {ALL_KINDS, 1, HWSIM_OVERFLOW_DROP, {0}};
  hwsim_subscription *subscription;
  hwsim_device_close(device);
  CHECK_FAILS(hwsim_subscription_new(device, &config, &subscription), HWSIM_ECLOSED);
  CHECK_FAILS(hwsim_timer_set(device, MS), HWSIM_ECLOSED);
  CHECK_FAILS(hwsim_event_trigger(device, 1, NULL), HWSIM_ECLOSED);
  CHECK_FAILS(hwsim_threshold_set(device, 0, 0, 0), HWSIM_ECLOSED);
  CHECK_FAILS(hwsim_threshold_clear(device, 0), HWSIM_ECLOSED);
  hwsim_device_free(device);
}

/* ---------------------------------------------------------------------------------- the causes */

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
  const hwsim_call brief = {MS / 2, NULL};
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
  uint32_t old;
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
  CHECK_FAILS(program(device, 0x20000, 10), HWSIM_EFIRMWARE); /* not whole: nothing happens */
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
    CHECK_NO_MORE(subscription); /* nobody has found it yet */
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

/* ------------------------------------------------------------------------------------ the timer */

static void ticks_come_at_each_period(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  int64_t period_ns;
  advance(device, 123);
  CHECK_NO_MORE(subscription);
  CHECK_OK(hwsim_timer_set(device, 3 * MS));
  CHECK_OK(hwsim_timer_get(device, &period_ns));
  CHECK_EQUAL(period_ns, 3 * MS);
  advance(device, 3 * MS - 1);
  CHECK_NO_MORE(subscription);
  advance(device, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 123 + 3 * MS, 0, 0, 0, 1);
  CHECK_NO_MORE(subscription);
  advance(device, 6 * MS);
  CHECK_EVENT(take_one(subscription), TIMER, 123 + 6 * MS, 1, 0, 0, 2);
  CHECK_EVENT(take_one(subscription), TIMER, 123 + 9 * MS, 2, 0, 0, 3);
  end(subscription, device);
}

static void the_resource_string_sets_the_timer_from_time_zero(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&timer=10ms");
  CHECK_EQUAL(hwsim_device_config(device)->timer_ns, 10 * MS);
  advance(device, 25 * MS);
  hwsim_subscription *late = subscribe(device, KIND(TIMER), 10);
  advance(device, 5 * MS);
  hwsim_subscription *exact = subscribe(device, KIND(TIMER), 10);
  advance(device, 10 * MS);
  CHECK_EVENT(take_one(late), TIMER, 30 * MS, 0, 0, 0, 3); /* its own numbers, the timer's value */
  CHECK_EVENT(take_one(late), TIMER, 40 * MS, 1, 0, 0, 4);
  CHECK_EVENT(take_one(exact), TIMER, 40 * MS, 0, 0, 0, 4); /* 30 ms were over when it came */
  hwsim_subscription_free(exact);
  end(late, device);
}

static void a_timer_set_anew_starts_then(void) {
  hwsim_device *device = open_device(MANUAL "&timer=2ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  advance(device, 5 * MS); /* ticks at 2 and 4 */
  CHECK_OK(hwsim_timer_set(device, 3 * MS));
  advance(device, 7 * MS); /* at 8 and 11 */
  CHECK_OK(hwsim_timer_set(device, 0));
  advance(device, S);
  CHECK_OK(hwsim_timer_set(device, MS));
  advance(device, MS);
  CHECK_EVENT(take_one(subscription), TIMER, 2 * MS, 0, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 4 * MS, 1, 0, 0, 2);
  CHECK_EVENT(take_one(subscription), TIMER, 8 * MS, 2, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 11 * MS, 3, 0, 0, 2);
  CHECK_EVENT(take_one(subscription), TIMER, S + 13 * MS, 4, 0, 0, 1);
  CHECK_NO_MORE(subscription);
  CHECK_STATUS(subscription, 0, 5, 0);
  end(subscription, device);
}

/* Also the same period starts anew. A tick due at that very time comes before. */
static void a_timer_set_at_its_tick_keeps_it(void) {
  hwsim_device *device = open_device(MANUAL "&timer=2ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  advance(device, 4 * MS);
  CHECK_OK(hwsim_timer_set(device, 2 * MS));
  advance(device, 2 * MS);
  CHECK_EVENT(take_one(subscription), TIMER, 2 * MS, 0, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 4 * MS, 1, 0, 0, 2);
  CHECK_EVENT(take_one(subscription), TIMER, 6 * MS, 2, 0, 0, 1);
  end(subscription, device);
}

static void a_disconnected_device_does_not_tick(void) {
  hwsim_device *device = open_device(MANUAL "&timer=2ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER) | KIND(RECONNECT), 100);
  advance(device, 5 * MS);
  disconnect(device);
  advance(device, 6 * MS);
  hwsim_subscription *joined = subscribe(device, KIND(TIMER), 100);
  advance(device, 10 * MS);
  CHECK_STATUS(subscription, 2, 0, 0);
  reconnect(device); /* at 21 */
  advance(device, 4 * MS);
  CHECK_EVENT(take_one(subscription), TIMER, 2 * MS, 0, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 4 * MS, 1, 0, 0, 2);
  CHECK_EVENT(take_one(subscription), RECONNECT, 21 * MS, 2, 0, 0, 0);
  CHECK_EVENT(take_one(subscription), TIMER, 23 * MS, 3, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 25 * MS, 4, 0, 0, 2);
  CHECK_STATUS(subscription, 0, 5, 0);
  CHECK_EVENT(take_one(joined), TIMER, 23 * MS, 0, 0, 0, 1);
  CHECK_STATUS(joined, 1, 1, 0);
  hwsim_subscription_free(joined);
  end(subscription, device);
}

static void a_timer_set_while_disconnected_starts_at_the_reconnect(void) {
  hwsim_device *device = open_device(MANUAL "&timer=3ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 100);
  disconnect(device);
  advance(device, 10 * MS);
  CHECK_OK(hwsim_timer_set(device, MS));
  advance(device, 10 * MS + 5);
  reconnect(device);
  advance(device, MS);
  CHECK_EVENT(take_one(subscription), TIMER, 21 * MS + 5, 0, 0, 0, 1);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void billions_of_ticks_are_lost_with_an_exact_count(void) {
  enum { QUEUE = 10 };
  const uint64_t due = UINT64_C(3600000000);
  hwsim_device *device = open_device(MANUAL "&timer=1us");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), QUEUE);
  hwsim_event events[2 * QUEUE];
  uint64_t sequence = 0;
  for (int hour = 1; hour <= 3; hour++) {
    advance(device, 3600 * S);
    CHECK_EQUAL(take(subscription, events, 2 * QUEUE), QUEUE);
    sequence += due - QUEUE;
    for (uint64_t i = 0; i < QUEUE; i++, sequence++)
      CHECK_EVENT(events[i], TIMER, (int64_t)(sequence + 1) * US, sequence, i ? 0 : due - QUEUE, 0,
                  (double)(sequence + 1));
    CHECK_STATUS(subscription, 0, (uint64_t)hour * QUEUE, (uint64_t)hour * (due - QUEUE));
  }
  end(subscription, device);
}

static void ticks_go_on_to_the_end_of_time(void) {
  const uint64_t last = (INT64_MAX - 1) / US;
  hwsim_device *device = open_device(MANUAL "&timer=1us");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 1);
  advance(device, INT64_MAX - 1);
  CHECK_EVENT(take_one(subscription), TIMER, (int64_t)last * US, last - 1, last - 1, 0,
              (double)last);
  CHECK_NO_MORE(subscription);
  CHECK_OK(hwsim_timer_set(device, 3600 * S)); /* the next tick would be after the end */
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

/* ------------------------------------------------------------------------------------ the order */

/* Operations end at 1.5, 3.0, ... ms, ticks come at 1, 2, ... ms; at the same time the tick is
 * first. */
static void ticks_and_operations_come_in_the_order_of_time(void) {
  enum { OPERATIONS = 6 };
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1500us&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER) | KIND(TRIGGER), 100);
  operation triggers[OPERATIONS];
  for (int i = 0; i < OPERATIONS; i++) {
    triggers[i] = (operation){.device = device, .run = run_trigger, .volts = i, .call = &forever};
    operation_start(&triggers[i]);
  }
  advance(device, 10 * MS);
  for (int i = 0; i < OPERATIONS; i++)
    CHECK_EQUAL(operation_join(&triggers[i]), HWSIM_OK);
  uint64_t sequence = 0;
  for (int64_t half = 1; half <= 20; half++) {
    int64_t time_ns = half * MS / 2;
    if (half % 2 == 0)
      CHECK_EVENT(take_one(subscription), TIMER, time_ns, sequence++, 0, 0, (double)(half / 2));
    if (half % 3 == 0 && half / 3 <= OPERATIONS)
      CHECK_EVENT(take_one(subscription), TRIGGER, time_ns, sequence++, 0, 0,
                  (double)(half / 3 - 1));
  }
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void each_subscription_has_its_own_numbers(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *ticks = subscribe(device, KIND(TIMER), 100),
                     *triggers = subscribe(device, KIND(TRIGGER), 100),
                     *both = subscribe(device, KIND(TIMER) | KIND(TRIGGER), 100),
                     *changes = subscribe(device, KIND(REGISTER), 100),
                     *few = subscribe(device, ALL_KINDS, 1);
  for (int i = 0; i < 20; i++) {
    advance(device, MS);
    trigger(device, i);
  }
  for (uint64_t i = 0; i < 20; i++) {
    int64_t time_ns = (int64_t)(i + 1) * MS;
    CHECK_EVENT(take_one(ticks), TIMER, time_ns, i, 0, 0, (double)(i + 1));
    CHECK_EVENT(take_one(triggers), TRIGGER, time_ns, i, 0, 0, (double)i);
    CHECK_EVENT(take_one(both), TIMER, time_ns, 2 * i, 0, 0, (double)(i + 1));
    CHECK_EVENT(take_one(both), TRIGGER, time_ns, 2 * i + 1, 0, 0, (double)i);
  }
  CHECK_EVENT(take_one(few), TRIGGER, 20 * MS, 39, 39, 0, 19);
  CHECK_NO_MORE(changes);
  hwsim_subscription_free(ticks);
  hwsim_subscription_free(triggers);
  hwsim_subscription_free(both);
  hwsim_subscription_free(changes);
  end(few, device);
}

/* A scenario with everything that follows from the time, at times that nothing else has: however
 * the time in between is cut into steps, and however often somebody looks, the events are the same.
 */
typedef struct history {
  hwsim_event events[20000];
  size_t count;
} history;

typedef struct scenario {
  hwsim_device *device;
  hwsim_subscription *subscription;
  uint64_t *steps; /* of the generator; NULL: in one step */
  history *history;
} scenario;

static void look(scenario *self) {
  size_t room = LENGTH(self->history->events) - self->history->count;
  CHECK(room > 0);
  self->history->count +=
      take(self->subscription, &self->history->events[self->history->count], room);
}

static void pass(scenario *self, int64_t time_ns) {
  while (self->steps && time_ns > 0) {
    uint64_t scale = (uint64_t)time_ns >> (draw(self->steps) % 24);
    int64_t step_ns = (int64_t)(draw(self->steps) % (scale + 1)) + 1;
    step_ns = step_ns < time_ns ? step_ns : time_ns;
    advance(self->device, step_ns);
    time_ns -= step_ns;
    if (draw(self->steps) % 4 == 0)
      look(self);
  }
  advance(self->device, time_ns);
}

static void play(uint64_t seed, uint64_t *steps, history *history_out) {
  enum { OPERATIONS = 5 };
  char uri[160];
  snprintf(uri, sizeof uri,
           "hwsim://d?clock=manual&latency=3ms&jitter=2ms&noise=100mV&seed=%llu&timer=700us&"
           "fault=spike@2:10ms&fault=crc@4&timeout=inf",
           (unsigned long long)seed);
  scenario self = {open_device(uri), NULL, steps, history_out};
  hwsim_device *device = self.device;
  history_out->count = 0;
  self.subscription = subscribe(device, ALL_KINDS, 1 << 15);
  hwsim_subscription *other = subscribe(device, KIND(TIMER), 1);
  operation operations[OPERATIONS];
  for (int i = 0; i < OPERATIONS; i++) {
    operations[i] = (operation){.device = device,
                                .run = i % 2 ? run_trigger : run_write,
                                .address = SCRATCH0,
                                .value = (uint32_t)i + 1,
                                .volts = i,
                                .call = &forever};
    operation_start(&operations[i]);
  }
  CHECK_OK(hwsim_threshold_set(device, 0, 0.5, 0.1));
  pass(&self, 12345678);
  CHECK_OK(hwsim_threshold_set(device, 1, 0, 0));
  pass(&self, 60 * MS + 1);
  CHECK_OK(hwsim_timer_set(device, 1234567));
  pass(&self, 100 * MS);
  for (int i = 0; i < OPERATIONS; i++)
    CHECK_EQUAL(operation_join(&operations[i]), i == 3 ? HWSIM_ECRC : HWSIM_OK);
  disconnect(device);
  pass(&self, 20 * MS + 7);
  reconnect(device);
  pass(&self, 33 * MS);
  connect_dc(device, 0, 1);
  pass(&self, 33 * MS);
  connect_dc(device, 0, 0.45);
  pass(&self, 33 * MS);
  CHECK_OK(hwsim_threshold_clear(device, 1));
  CHECK_OK(hwsim_timer_set(device, 1000));
  pass(&self, 5 * MS);
  look(&self);
  CHECK_STATUS(self.subscription, 0, history_out->count, 0);
  hwsim_subscription_free(other);
  end(self.subscription, device);
}

static void check_same_history(const history *actual, const history *expected) {
  CHECK_EQUAL(actual->count, expected->count);
  for (size_t i = 0; i < expected->count; i++) {
    hwsim_event wanted = expected->events[i];
    check_event_at(__FILE__, __LINE__, actual->events[i], wanted.kind, wanted.time_ns,
                   wanted.sequence, wanted.lost, wanted.channel, wanted.value);
  }
}

static void any_split_of_the_time_gives_the_same_events(void) {
  static history in_one_step, in_many;
  for (uint64_t seed = 0; seed < 6; seed++) {
    play(seed, NULL, &in_one_step);
    uint32_t seen = 0;
    for (size_t i = 0; i < in_one_step.count; i++) {
      seen |= HWSIM_EVENT_BIT(in_one_step.events[i].kind);
      CHECK_EQUAL(in_one_step.events[i].sequence, i);
      CHECK(!i || in_one_step.events[i].time_ns >= in_one_step.events[i - 1].time_ns);
    }
    CHECK_EQUAL(seen, ALL_KINDS & ~(KIND(OVERRUN) | KIND(FIRMWARE)));
    for (uint64_t split = 0; split < 5; split++) {
      uint64_t steps = 1000 * seed + split;
      play(seed, &steps, &in_many);
      check_same_history(&in_many, &in_one_step);
    }
  }
}

/* ------------------------------------------------------------------------------------ the queue */

static void a_queue_of_one_keeps_the_newest(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 1);
  uint64_t sequence = 0;
  for (int count = 1; count <= 4; count++) {
    for (int i = 1; i <= count; i++)
      trigger(device, i);
    CHECK_EVENT(take_one(subscription), TRIGGER, 0, sequence + (uint64_t)count - 1,
                (uint64_t)count - 1, 0, count);
    sequence += (uint64_t)count;
    CHECK_NO_MORE(subscription);
  }
  CHECK_STATUS(subscription, 0, 4, 6);
  end(subscription, device);
}

static void a_batch_takes_what_is_there(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 10);
  hwsim_event events[10];
  for (int i = 0; i < 7; i++)
    trigger(device, i);
  CHECK_EQUAL(take(subscription, events, 3), 3);
  CHECK_EVENT(events[2], TRIGGER, 0, 2, 0, 0, 2);
  CHECK_STATUS(subscription, 4, 3, 0);
  CHECK_EQUAL(take(subscription, events, 10), 4);
  CHECK_EVENT(events[0], TRIGGER, 0, 3, 0, 0, 3);
  CHECK_EVENT(events[3], TRIGGER, 0, 6, 0, 0, 6);
  end(subscription, device);
}

/* Against a model: the queue is a list, and what does not fit drops the oldest. */
static void check_against_a_model(uint64_t seed) {
  enum { EVENTS = 100000, LARGEST = 64 };
  static hwsim_event model[EVENTS];
  uint64_t random = seed, expected = 0, delivered = 0;
  size_t first = 0, last = 0;
  uint32_t queue = 1 + (uint32_t)(draw(&random) % 9);
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER) | KIND(TIMER), queue);
  int64_t time_ns = 0;
  for (int step = 0; step < 400; step++) {
    if (draw(&random) % 2) {
      trigger(device, (double)step);
      model[last] = (hwsim_event){HWSIM_EVENT_TRIGGER, 0, time_ns, last, 0, (double)step};
      last++;
    } else {
      int64_t until_ns =
          time_ns + (int64_t)(draw(&random) % (uint64_t)((draw(&random) % 8 ? 3 : 99) * MS));
      advance(device, until_ns - time_ns);
      for (int64_t tick = time_ns / MS + 1; tick <= until_ns / MS; tick++, last++)
        model[last] = (hwsim_event){HWSIM_EVENT_TIMER, 0, tick * MS, last, 0, (double)tick};
      time_ns = until_ns;
    }
    CHECK(last < EVENTS - 200);
    first = last - first > queue ? last - queue : first;
    if (draw(&random) % 3)
      continue;
    hwsim_event events[LARGEST];
    size_t capacity = 1 + draw(&random) % (2 * queue), count = take(subscription, events, capacity);
    CHECK_EQUAL(count, last - first < capacity ? last - first : capacity);
    for (size_t i = 0; i < count; i++, first++) {
      hwsim_event wanted = model[first];
      check_event_at(__FILE__, __LINE__, events[i], wanted.kind, wanted.time_ns, first,
                     first - expected, 0, wanted.value);
      expected = first + 1;
    }
    delivered += count;
    CHECK_STATUS(subscription, last - first, delivered, first - delivered);
  }
  end(subscription, device);
}

static void the_queue_is_as_its_model(void) {
  for (uint64_t seed = 0; seed < 40; seed++)
    check_against_a_model(seed);
}

/* ---------------------------------------------------------------------------------- the readers */

static void a_reader_waits_for_an_event(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER) | KIND(TRIGGER), 10);
  reader waiting;
  reader_start(&waiting, subscription, 8, &forever);
  trigger(device, 5);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_OK);
  CHECK_EQUAL(waiting.count, 1);
  CHECK_EVENT(waiting.events[0], TRIGGER, 0, 0, 0, 0, 5);
  reader_start(&waiting, subscription, 8, &forever);
  advance(device, 3 * MS);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_OK);
  CHECK_EVENT(waiting.events[0], TIMER, MS, 1, 0, 0, 1);
  end(subscription, device);
}

static void readers_take_turns(void) {
  enum { READERS = 4 };
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 10);
  reader waiting[READERS];
  for (int i = 0; i < READERS; i++)
    reader_start(&waiting[i], subscription, 8, &forever);
  for (int i = 0; i < READERS; i++) {
    trigger(device, i);
    CHECK_EQUAL(reader_join(&waiting[i]), HWSIM_OK);
    CHECK_EQUAL(waiting[i].count, 1);
    CHECK_EVENT(waiting[i].events[0], TRIGGER, 0, (uint64_t)i, 0, 0, i);
  }
  end(subscription, device);
}

static void a_read_times_out_at_its_time(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=0s&timeout=30ms&timer=1s");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER) | KIND(TRIGGER), 10);
  const hwsim_call brief = {7 * MS, NULL}, until_tick = {963 * MS, NULL};
  hwsim_event event;
  size_t count = 77;
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, &brief, &event, &count), HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), 7 * MS);
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, NULL, &event, &count), HWSIM_ETIMEOUT);
  CHECK_MESSAGE("no event");
  CHECK_EQUAL(now(device), 37 * MS);
  CHECK_EQUAL(count, 77);
  /* What comes at the very end is in time. */
  CHECK_OK(hwsim_subscription_next(subscription, 1, &until_tick, &event, &count));
  CHECK_EVENT(event, TIMER, S, 0, 0, 0, 1);
  end(subscription, device);
}

static void a_read_can_be_cancelled(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  hwsim_cancel *token;
  hwsim_event event;
  size_t count;
  CHECK_OK(hwsim_cancel_new(&token));
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token};
  reader waiting;
  reader_start(&waiting, subscription, 1, &call);
  hwsim_cancel_set(token);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_ECANCELLED);
  reader_start(&waiting, subscription, 1, &forever);
  CHECK_OK(hwsim_device_cancel(device));
  CHECK_EQUAL(reader_join(&waiting), HWSIM_ECANCELLED);
  advance(device, MS);
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, &call, &event, &count), HWSIM_ECANCELLED);
  CHECK_EVENT(take_one(subscription), TIMER, MS, 0, 0, 0, 1); /* nothing has been taken */
  hwsim_cancel_free(token);
  end(subscription, device);
}

static void a_disconnect_does_not_end_a_read(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(RECONNECT), 10);
  reader waiting;
  reader_start(&waiting, subscription, 1, &forever);
  disconnect(device);
  reconnect(device);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_OK);
  CHECK_EVENT(waiting.events[0], RECONNECT, 0, 0, 0, 0, 0);
  end(subscription, device);
}

static void reading_does_not_use_the_bus(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms&fault=crc@2~1&timer=1s");
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER) | KIND(TIMER), 10);
  trigger(device, 0);
  CHECK_EQUAL(now(device), MS);
  await_one(subscription);
  CHECK_EVENT(await_one(subscription), TIMER, S, 1, 0, 0, 1);
  CHECK_EQUAL(now(device), S);
  CHECK_EQUAL(transactions(device), 1);
  end(subscription, device);
}

static void closing_the_subscription_ends_its_readers(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 10),
                     *other = subscribe(device, KIND(TRIGGER), 10);
  reader waiting[2], elsewhere;
  hwsim_event event;
  size_t count;
  for (int i = 0; i < 2; i++)
    reader_start(&waiting[i], subscription, 1, &forever);
  reader_start(&elsewhere, other, 1, &forever);
  CHECK(hwsim_subscription_is_open(subscription));
  hwsim_subscription_close(subscription);
  CHECK(!hwsim_subscription_is_open(subscription));
  for (int i = 0; i < 2; i++)
    CHECK_EQUAL(reader_join(&waiting[i]), HWSIM_ECLOSED);
  hwsim_subscription_close(subscription);
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, NULL, &event, &count), HWSIM_ECLOSED);
  CHECK_MESSAGE("subscription is closed");
  trigger(device, 3);
  CHECK_EQUAL(reader_join(&elsewhere), HWSIM_OK);
  hwsim_subscription_free(other);
  end(subscription, device);
}

static void closing_the_subscription_drops_what_is_queued(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 3);
  hwsim_subscription_status status;
  hwsim_event event;
  size_t count;
  for (int i = 0; i < 5; i++)
    trigger(device, i);
  take_one(subscription);
  CHECK_STATUS(subscription, 2, 1, 2);
  hwsim_subscription_close(subscription);
  trigger(device, 6);
  CHECK_OK(hwsim_subscription_get_status(subscription, &status));
  CHECK(!status.open);
  CHECK_STATUS(subscription, 0, 1, 2); /* who drops on request has lost nothing */
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, NULL, &event, &count), HWSIM_ECLOSED);
  end(subscription, device);
}

static void what_came_before_the_device_closed_can_be_read(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  hwsim_subscription_status status;
  hwsim_event events[10];
  size_t count;
  advance(device, 3 * MS + 1);
  hwsim_device_close(device);
  CHECK_OK(hwsim_subscription_get_status(subscription, &status));
  CHECK(!status.open);
  CHECK_EQUAL(status.queued, 3);
  CHECK_EVENT(take_one(subscription), TIMER, MS, 0, 0, 0, 1);
  CHECK_OK(hwsim_subscription_next(subscription, 10, NULL, events, &count));
  CHECK_EQUAL(count, 2);
  CHECK_EVENT(events[1], TIMER, 3 * MS, 2, 0, 0, 3);
  CHECK_FAILS(hwsim_subscription_next(subscription, 10, NULL, events, &count), HWSIM_ECLOSED);
  end(subscription, device);
}

static void closing_the_device_ends_a_read(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  reader waiting;
  reader_start(&waiting, subscription, 1, &forever);
  hwsim_device_close(device);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_ECLOSED);
  end(subscription, device);
}

static void a_subscription_outlives_its_device_handle(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 10);
  hwsim_device_retain(device);
  hwsim_device_free(device);
  advance(device, MS);
  hwsim_device_close(device); /* kept alive, not open */
  hwsim_device_free(device);
  hwsim_device_free(open_device(MANUAL));
  CHECK_EVENT(take_one(subscription), TIMER, MS, 0, 0, 0, 1);
  hwsim_subscription_free(subscription);
}

/* ----------------------------------------------------------------------------- the other clocks */

static void a_virtual_clock_jumps_to_the_next_event(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms&timer=400us");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER) | KIND(TRIGGER), 100);
  CHECK_EVENT(await_one(subscription), TIMER, 400 * US, 0, 0, 0, 1);
  CHECK_EQUAL(now(device), 400 * US);
  trigger(device, 9);
  CHECK_EQUAL(now(device), 1400 * US);
  CHECK_EVENT(await_one(subscription), TIMER, 800 * US, 1, 0, 0, 2);
  CHECK_EVENT(await_one(subscription), TIMER, 1200 * US, 2, 0, 0, 3);
  CHECK_EVENT(await_one(subscription), TRIGGER, 1400 * US, 3, 0, 0, 9);
  for (uint64_t tick = 4; tick < 5000; tick++)
    CHECK_EVENT(await_one(subscription), TIMER, (int64_t)tick * 400 * US, tick, 0, 0, (double)tick);
  end(subscription, device);
}

/* Nothing will ever come by itself, but somebody else may act. */
static void a_virtual_clock_waits_for_others(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 100);
  reader waiting;
  reader_start(&waiting, subscription, 1, &forever);
  trigger(device, 4);
  CHECK_EQUAL(reader_join(&waiting), HWSIM_OK);
  CHECK_EVENT(waiting.events[0], TRIGGER, MS, 0, 0, 0, 4);
  end(subscription, device);
}

/* Whenever it is read, a tick has the time it was due, and none is missing. */
static void check_real_ticks(const char *uri, int64_t period_ns) {
  hwsim_device *device = open_device(uri);
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER), 1 << 20);
  for (uint64_t i = 0; i < 20; i++) {
    hwsim_event event = await_one(subscription);
    CHECK(now(device) >= event.time_ns);
    CHECK_EQUAL(event.time_ns, (int64_t)event.value * period_ns);
    CHECK_EQUAL(event.sequence, i);
    CHECK_EQUAL(event.lost, 0);
  }
  end(subscription, device);
}

static void a_real_clock_ticks(void) { check_real_ticks("hwsim://d?timer=200us", 200 * US); }

static void a_scaled_clock_ticks(void) {
  check_real_ticks("hwsim://d?clock=1000x&timer=1s&timeout=inf", S);
  check_real_ticks("hwsim://d?clock=0.01x&timer=5us&timeout=inf", 5 * US);
}

static const test tests[] = {
    TEST(every_kind_has_a_name_that_finds_it),
    TEST(an_unknown_name_gets_the_nearest),
    TEST(a_bad_subscription_names_its_field),
    TEST(a_bad_period_is_refused),
    TEST(bad_reads_are_refused),
    TEST(a_closed_device_takes_nothing),
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
    TEST(ticks_come_at_each_period),
    TEST(the_resource_string_sets_the_timer_from_time_zero),
    TEST(a_timer_set_anew_starts_then),
    TEST(a_timer_set_at_its_tick_keeps_it),
    TEST(a_disconnected_device_does_not_tick),
    TEST(a_timer_set_while_disconnected_starts_at_the_reconnect),
    TEST(billions_of_ticks_are_lost_with_an_exact_count),
    TEST(ticks_go_on_to_the_end_of_time),
    TEST(ticks_and_operations_come_in_the_order_of_time),
    TEST(each_subscription_has_its_own_numbers),
    TEST(any_split_of_the_time_gives_the_same_events),
    TEST(a_queue_of_one_keeps_the_newest),
    TEST(a_batch_takes_what_is_there),
    TEST(the_queue_is_as_its_model),
    TEST(a_reader_waits_for_an_event),
    TEST(readers_take_turns),
    TEST(a_read_times_out_at_its_time),
    TEST(a_read_can_be_cancelled),
    TEST(a_disconnect_does_not_end_a_read),
    TEST(reading_does_not_use_the_bus),
    TEST(closing_the_subscription_ends_its_readers),
    TEST(closing_the_subscription_drops_what_is_queued),
    TEST(what_came_before_the_device_closed_can_be_read),
    TEST(closing_the_device_ends_a_read),
    TEST(a_subscription_outlives_its_device_handle),
    TEST(a_virtual_clock_jumps_to_the_next_event),
    TEST(a_virtual_clock_waits_for_others),
    TEST(a_real_clock_ticks),
    TEST(a_scaled_clock_ticks),
};
CHECK_MAIN(tests)
