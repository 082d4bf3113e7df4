/* Faults: what fails, and when. A fault is a function of the operation's number and the seed. */
#include "threads.h"

#define SCRATCH0 HWSIM_REGISTER_SCRATCH0
#define SCRATCH1 HWSIM_REGISTER_SCRATCH1

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

/* A letter for each of `count` reads: '.' for success, otherwise the first of the error's name. */
static const char *pattern(hwsim_device *device, int count) {
  static char letters[1024];
  for (int i = 0; i < count; i++) {
    hwsim_error error = read_once(device);
    letters[i] = error ? hwsim_error_name(error)[1] : '.';
  }
  letters[count] = '\0';
  return letters;
}

static void check_pattern(const char *faults, const char *expected) {
  char uri[256];
  snprintf(uri, sizeof uri, "hwsim://d?clock=virtual&%s", faults);
  hwsim_device *device = open_device(uri);
  CHECK_TEXT(pattern(device, (int)strlen(expected)), expected);
  hwsim_device_free(device);
}

/* ------------------------------------------------------------------------------------- kinds -- */

/* `error` as the list of faults has it. */
static void check_kind(hwsim_fault_kind kind, const char *text, hwsim_error error) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  hwsim_fault_kind found;
  CHECK_TEXT(hwsim_fault_name(kind), text);
  CHECK_OK(hwsim_fault_find(text, &found));
  CHECK_EQUAL(found, kind);
  hwsim_fault fault = of(kind);
  fault.at = 1;
  inject(device, fault);
  if (error) {
    CHECK_FAILS(read_once(device), error);
    CHECK_EQUAL(hwsim_error_last()->fault, kind);
    CHECK_MESSAGE(text);
  } else {
    CHECK_OK(read_once(device));
  }
  inject(device, of(HWSIM_FAULT_RECONNECT));
  CHECK_OK(read_once(device));
  hwsim_device_free(device);
}

static void every_kind_fails_with_its_error(void) {
#define HWSIM_X(name, value, text, error) check_kind(HWSIM_FAULT_##name, text, HWSIM_##error);
  HWSIM_FAULTS(HWSIM_X)
#undef HWSIM_X
}

static void a_hit_operation_has_no_effect(void) {
#define HWSIM_X(name, value, text, error)                                                          \
  if (HWSIM_##error) {                                                                             \
    hwsim_device *device =                                                                         \
        open_device("hwsim://d?clock=virtual&fault=" text "@1&fault=reconnect@2");                 \
    CHECK_FAILS(hwsim_register_write(device, SCRATCH0, 1, NULL), HWSIM_##error);                   \
    CHECK_EQUAL(get(device, SCRATCH0), 0);                                                         \
    hwsim_device_free(device);                                                                     \
  }
  HWSIM_FAULTS(HWSIM_X)
#undef HWSIM_X
}

static void an_unknown_kind_is_refused(void) {
  hwsim_fault fault;
  hwsim_fault_kind kind;
  CHECK(!hwsim_fault_name((hwsim_fault_kind)0) && !hwsim_fault_name((hwsim_fault_kind)99));
  CHECK_FAILS(hwsim_fault_init((hwsim_fault_kind)99, &fault), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_fault_find("buss", &kind), HWSIM_EINVALID);
  CHECK_MESSAGE("'buss'; the nearest is bus");
  CHECK_FAILS(hwsim_fault_find(NULL, &kind), HWSIM_EINVALID);
}

static void hits_are_counted_and_noted_as_events(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=crc@1&fault=spike@2");
  CHECK_FAILS(read_once(device), HWSIM_ECRC);
  CHECK_OK(read_once(device));
  CHECK_EQUAL(get(device, HWSIM_REGISTER_FAULT_COUNT), 2);
  CHECK_EQUAL(get(device, HWSIM_REGISTER_EVENT_STATUS), 1);
  hwsim_device_free(device);
}

/* -------------------------------------------------------------------------------------- when -- */

static void at_and_count_say_which_operations(void) {
  check_pattern("fault=bus", "B....");
  check_pattern("fault=bus@3", "..B..");
  check_pattern("fault=bus*3", "BBB..");
  check_pattern("fault=bus@2*3", ".BBB..");
  check_pattern("fault=bus~1", "BBBBB");
  check_pattern("fault=bus@3~1", "..BBB");
  check_pattern("fault=bus~0", ".....");
}

static void the_fault_injected_first_wins(void) {
  check_pattern("fault=crc@2*2&fault=bus@1*4", "BCCB.");
  check_pattern("fault=bus@1*4&fault=crc@2*2", "BBBB.");
  check_pattern("fault=corrupt~1&fault=bus@2", ".B."); /* that one makes nothing fail */
}

static void injected_without_at_it_hits_the_next_operation(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  CHECK_TEXT(pattern(device, 3), "...");
  inject(device, of(HWSIM_FAULT_BUS));
  CHECK_TEXT(pattern(device, 3), "B..");
  hwsim_device_free(device);
}

static int hits_of(const char *uri, int count) {
  hwsim_device *device = open_device(uri);
  int hits = 0;
  for (const char *letter = pattern(device, count); *letter; letter++)
    hits += *letter != '.';
  hwsim_device_free(device);
  return hits;
}

static void probability_is_kept(void) {
  CHECK_NEAR(hits_of("hwsim://d?clock=virtual&fault=bus~0.3", 1000), 300, 45);
  CHECK_NEAR(hits_of("hwsim://d?clock=virtual&fault=bus~0.02&seed=9", 1000), 20, 14);
}

static void the_seed_makes_the_hits(void) {
  char first[1024];
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=bus~0.3&seed=1");
  strcpy(first, pattern(device, 500));
  hwsim_device_free(device);
  device = open_device("hwsim://d?clock=virtual&fault=bus~0.3&seed=1");
  CHECK_TEXT(pattern(device, 500), first);
  hwsim_device_free(device);
  device = open_device("hwsim://d?clock=virtual&fault=bus~0.3&seed=2");
  CHECK(strcmp(pattern(device, 500), first) != 0);
  hwsim_device_free(device);
}

/* Two faults of the same probability hit independently: one without the other is common. */
static void faults_draw_independently(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=bus~0.5&fault=crc~0.5");
  const char *letters = pattern(device, 400);
  int bus_hits = 0, crc_hits = 0;
  for (; *letters; letters++) {
    bus_hits += *letters == 'B';
    crc_hits += *letters == 'C';
  }
  CHECK_NEAR(bus_hits, 200, 50);
  CHECK_NEAR(crc_hits, 100, 40);
  hwsim_device_free(device);
}

typedef struct tally {
  hwsim_device *device;
  int hits[8];
} tally;

static void count_hits(int index, void *shared) {
  tally *self = shared;
  for (int i = 0; i < 100; i++)
    self->hits[index] += read_once(self->device) != HWSIM_OK;
}

static void no_thread_schedule_changes_how_many_are_hit(void) {
  const char *uri = "hwsim://d?clock=virtual&latency=0s&fault=bus~0.3&seed=4";
  int expected = hits_of(uri, 800), total = 0;
  tally self = {.device = open_device(uri)};
  in_parallel(8, count_hits, &self);
  for (int i = 0; i < 8; i++)
    total += self.hits[i];
  CHECK_EQUAL(total, expected);
  hwsim_device_free(self.device);
}

/* What cannot hit yet, or not any more, costs an operation nothing: this would take minutes. */
static void each_of_many_operations_has_a_fault_of_its_own(void) {
  enum { MANY = 100000 };
  hwsim_device *device = open_device("hwsim://d?latency=0s&clock=virtual");
  hwsim_fault fault;
  uint64_t value;
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_CRC, &fault));
  for (fault.at = 2 * MANY; fault.at; fault.at -= 2)
    inject(device, fault);
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_STUCK, &fault));
  fault.count = 1;
  fault.value = 7;
  for (fault.at = 1; fault.at < 2 * MANY; fault.at += 2)
    inject(device, fault);
  for (int i = 0; i < MANY; i++) {
    CHECK_OK(hwsim_register_read(device, HWSIM_REGISTER_SCRATCH0, NULL, &value));
    CHECK_EQUAL(value, 7);
    CHECK_FAILS(hwsim_register_read(device, HWSIM_REGISTER_SCRATCH0, NULL, &value), HWSIM_ECRC);
  }
  CHECK_OK(hwsim_register_read(device, HWSIM_REGISTER_SCRATCH0, NULL, &value));
  CHECK_EQUAL(value, 0);
  hwsim_device_free(device);
}

static void clear_disarms_every_fault(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=bus~1&fault=stuck:0x40/1=1");
  CHECK_FAILS(read_once(device), HWSIM_EBUS);
  CHECK_OK(hwsim_fault_clear(device));
  CHECK_EQUAL(get(device, SCRATCH0), 0);
  hwsim_device_free(device);
}

static void check_refused(hwsim_device *device, hwsim_fault fault, const char *field) {
  CHECK_FAILS(hwsim_fault_inject(device, &fault), HWSIM_EINVALID);
  CHECK_MESSAGE(field);
}

static void a_wrong_field_is_named(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  check_refused(device, (hwsim_fault){.kind = (hwsim_fault_kind)77}, "77");
  check_refused(device, (hwsim_fault){.kind = HWSIM_FAULT_BUS, .probability = 1.1}, "probability");
  check_refused(device, (hwsim_fault){.kind = HWSIM_FAULT_BUS, .probability = NAN}, "probability");
  check_refused(device, (hwsim_fault){.kind = HWSIM_FAULT_SPIKE, .extra_ns = -1}, "extra");
  check_refused(device, (hwsim_fault){.kind = HWSIM_FAULT_STUCK, .mask = 1, .value = 2}, "value");
  check_refused(device, (hwsim_fault){.kind = HWSIM_FAULT_STUCK, .address = 0x30}, "address");
  check_refused(device, (hwsim_fault){.kind = HWSIM_FAULT_STUCK, .address = 0x20}, "address");
  CHECK_OK(read_once(device));
  hwsim_device_free(device);
}

/* --------------------------------------------------------------------- spike, timeout, stuck -- */

static void spikes_add_up(void) {
  hwsim_device *device =
      open_device("hwsim://d?clock=virtual&latency=1ms&fault=spike@2:20ms&fault=spike@2*2:5ms");
  int64_t expected[] = {1, 26, 6, 1}, before = 0;
  for (int i = 0; i < 4; i++) {
    CHECK_OK(read_once(device));
    CHECK_EQUAL(now(device) - before, expected[i] * MS);
    before = now(device);
  }
  hwsim_device_free(device);
}

static void a_timeout_holds_the_bus_until_it_is_given_up(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms&fault=timeout@1");
  const hwsim_call call = {50 * MS, NULL, NULL};
  operation hung = {.device = device, .run = run_read, .call = &call}, behind = hung;
  behind.call = &forever;
  operation_start(&hung);
  operation_start(&behind);
  advance(device, 50 * MS - 1);
  CHECK_EQUAL(pending(device), 2);
  advance(device, 1);
  CHECK_EQUAL(operation_join(&hung), HWSIM_ETIMEOUT);
  advance(device, MS);
  CHECK_EQUAL(operation_join(&behind), HWSIM_OK);
  hwsim_device_free(device);
}

static void stuck_bits_read_as_given(void) {
  hwsim_device *device = open_device(
      "hwsim://d?clock=virtual&fault=stuck:0x40/0xff=0x0f&fault=stuck:0x40/0xf00=0xa00");
  CHECK_OK(hwsim_register_write(device, SCRATCH0, 0x12345678, NULL));
  CHECK_EQUAL(get(device, SCRATCH0), 0x12345A0F);
  CHECK_EQUAL(get(device, SCRATCH1), 0);
  uint64_t old;
  CHECK_OK(hwsim_register_wait(device, SCRATCH0, 0xFF, 0x0F, NULL, &old));
  CHECK_FAILS(hwsim_register_wait(device, SCRATCH0, 0xFF, 0x78, NULL, &old), HWSIM_ETIMEOUT);
  CHECK_OK(hwsim_fault_clear(device));
  CHECK_EQUAL(get(device, SCRATCH0), 0x12345678);
  hwsim_device_free(device);
}

static void stuck_bits_can_be_limited(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=stuck@2*2:0x40/1=1");
  static const uint32_t expected[] = {0, 1, 1, 0};
  for (int i = 0; i < 4; i++)
    CHECK_EQUAL(get(device, SCRATCH0), expected[i]);
  hwsim_device_free(device);
}

static void clearing_stuck_bits_shows_a_waiter_the_true_value(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=stuck:0x40/1=0");
  CHECK_OK(hwsim_register_write(device, SCRATCH0, 1, NULL));
  operation wait = {.device = device,
                    .run = run_wait,
                    .address = SCRATCH0,
                    .mask = 1,
                    .value = 1,
                    .call = &forever};
  operation_start(&wait);
  CHECK_OK(hwsim_fault_clear(device));
  CHECK_EQUAL(pending(device), 0);
  CHECK_EQUAL(operation_join(&wait), HWSIM_OK);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(every_kind_fails_with_its_error),
    TEST(a_hit_operation_has_no_effect),
    TEST(an_unknown_kind_is_refused),
    TEST(hits_are_counted_and_noted_as_events),
    TEST(at_and_count_say_which_operations),
    TEST(the_fault_injected_first_wins),
    TEST(injected_without_at_it_hits_the_next_operation),
    TEST(probability_is_kept),
    TEST(the_seed_makes_the_hits),
    TEST(faults_draw_independently),
    TEST(no_thread_schedule_changes_how_many_are_hit),
    TEST(each_of_many_operations_has_a_fault_of_its_own),
    TEST(clear_disarms_every_fault),
    TEST(a_wrong_field_is_named),
    TEST(spikes_add_up),
    TEST(a_timeout_holds_the_bus_until_it_is_given_up),
    TEST(stuck_bits_read_as_given),
    TEST(stuck_bits_can_be_limited),
    TEST(clearing_stuck_bits_shows_a_waiter_the_true_value),
};
CHECK_MAIN(tests)
