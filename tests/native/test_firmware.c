/* Firmware: images, and updates that end at any of their operations. The old or the new firmware
 * runs afterwards, never neither.
 *
 * The image has three pages: erase, write and verify of each, and the commit: ten operations. */
#include "threads.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#define FACTORY 0x00010000
#define NEW 0x00020001
#define NEWER 0x00030000
#define SIZE (2 * HWSIM_FIRMWARE_PAGE + 300)
enum { OPERATIONS = 3 * 3 + 1, REPORTS = 5 };

static const hwsim_firmware_options verified = {true, 3, false}, unverified = {false, 0, false},
                                    exclusive = {true, 3, true};

/* Polls are due every 50 ms; with a clock that jumps they always are. */
static atomic_llong jump_ns, jumped_ns; /* at each reading; so far */

#ifdef __linux__
int clock_gettime(clockid_t clock, struct timespec *time) {
  long result = syscall(SYS_clock_gettime, clock, time);
  long long jumped = atomic_fetch_add(&jumped_ns, jump_ns) + time->tv_nsec;
  time->tv_sec += jumped / S;
  time->tv_nsec = jumped % S;
  return (int)result;
}
#endif

typedef struct image {
  uint8_t bytes[HWSIM_FIRMWARE_HEADER + SIZE];
} image;

static void put(uint8_t *bytes, uint32_t value) {
  for (int i = 0; i < 4; i++)
    bytes[i] = (uint8_t)(value >> 8 * i);
}

static image make_image(uint32_t version) {
  image self = {{0}};
  uint8_t *payload = self.bytes + HWSIM_FIRMWARE_HEADER;
  for (size_t i = 0; i < SIZE; i++)
    payload[i] = (uint8_t)(i * 7 + version);
  memcpy(self.bytes, "HWSIMFW1", 8);
  put(self.bytes + 8, version);
  put(self.bytes + 12, SIZE);
  put(self.bytes + 16, hwsim_crc32(payload, SIZE));
  put(self.bytes + 20, hwsim_crc32(self.bytes, 20));
  return self;
}

static hwsim_error program_as(hwsim_device *device, uint32_t version,
                              const hwsim_firmware_options *options, const hwsim_call *call,
                              const hwsim_progress *progress) {
  image made = make_image(version);
  return hwsim_firmware_program(device, made.bytes, sizeof made.bytes, options, call, progress);
}

static hwsim_error program(hwsim_device *device, uint32_t version) {
  return program_as(device, version, &verified, NULL, NULL);
}

/* The version that runs; the register says the same. */
static uint32_t running(hwsim_device *device) {
  uint32_t version;
  uint64_t value;
  CHECK_OK(hwsim_firmware_version(device, &version));
  CHECK_OK(hwsim_register_read(device, HWSIM_REGISTER_VERSION, NULL, &value));
  CHECK_EQUAL(value, version);
  return version;
}

static void inject_at(hwsim_device *device, hwsim_fault_kind kind, uint64_t at) {
  hwsim_fault fault;
  CHECK_OK(hwsim_fault_init(kind, &fault));
  fault.at = at;
  CHECK_OK(hwsim_fault_inject(device, &fault));
}

/* Flash lives as long as the process: a device that nobody has programmed yet has a new name. */
static hwsim_device *open_fresh(const char *settings) {
  static int number;
  char uri[96];
  snprintf(uri, sizeof uri, "hwsim://f%d?%s", number++, settings);
  return open_device(uri);
}

static hwsim_device *reopen(hwsim_device *device) {
  char uri[96];
  snprintf(uri, sizeof uri, "hwsim://%s?clock=virtual", hwsim_device_config(device)->name);
  hwsim_device_free(device);
  return open_device(uri);
}

/* The old firmware runs, also after switching off and on, and an update works. Frees the device. */
static void check_old_and_free(hwsim_device *device, uint32_t old) {
  device = reopen(device);
  CHECK_EQUAL(running(device), old);
  CHECK_OK(program(device, NEWER));
  CHECK_EQUAL(running(device), NEWER);
  device = reopen(device);
  CHECK_EQUAL(running(device), NEWER);
  hwsim_device_free(device);
}

/* ------------------------------------------------------------------------------------ images -- */

static void the_crc_is_that_of_ieee_802_3(void) {
  CHECK_EQUAL(hwsim_crc32("123456789", 9), 0xCBF43926);
  CHECK_EQUAL(hwsim_crc32("", 0), 0);
}

static void every_bit_and_every_length_of_an_image_counts(void) {
  image made = make_image(NEW), damaged;
  uint32_t version = 0;
  CHECK_OK(hwsim_firmware_check(made.bytes, sizeof made.bytes, &version));
  CHECK_EQUAL(version, NEW);
  for (size_t bit = 0; bit < 8 * sizeof made.bytes; bit++) {
    if (bit / 8 >= 24 && bit / 8 < HWSIM_FIRMWARE_HEADER)
      continue; /* zeros that fill the header */
    damaged = made;
    damaged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    CHECK_FAILS(hwsim_firmware_check(damaged.bytes, sizeof damaged.bytes, &version),
                HWSIM_EFIRMWARE);
    bit += bit > 8 * 64 ? 61 : 0; /* in the payload some of them will do */
  }
  for (size_t size = 0; size < sizeof made.bytes; size++)
    CHECK_FAILS(hwsim_firmware_check(made.bytes, size, &version), HWSIM_EFIRMWARE);
  CHECK_FAILS(hwsim_firmware_check(NULL, 0, &version), HWSIM_EFIRMWARE);
  CHECK_MESSAGE("truncated");
  CHECK_EQUAL(version, NEW); /* untouched */
}

static void a_bad_image_is_refused_before_anything_is_erased(void) {
  hwsim_device *device = open_fresh("clock=virtual");
  image made = make_image(NEW);
  made.bytes[sizeof made.bytes - 1] ^= 1;
  CHECK_FAILS(hwsim_firmware_program(device, made.bytes, sizeof made.bytes, &verified, NULL, NULL),
              HWSIM_EFIRMWARE);
  CHECK_MESSAGE("the payload is damaged");
  CHECK_FAILS(program(device, FACTORY - 1), HWSIM_EFIRMWARE);
  CHECK_MESSAGE("older than 0x00010000");
  const hwsim_firmware_options many = {true, 101, false};
  CHECK_FAILS(program_as(device, NEW, &many, NULL, NULL), HWSIM_EINVALID);
  const hwsim_call negative = {-2, NULL, NULL};
  CHECK_FAILS(program_as(device, NEW, &verified, &negative, NULL), HWSIM_EINVALID);
  CHECK_EQUAL(transactions(device), 0);
  CHECK_EQUAL(running(device), FACTORY);
  hwsim_device_free(device);
}

/* ----------------------------------------------------------------------------------- updates -- */

typedef struct witness {
  hwsim_device *device;
  int stop_at; /* the report, from 1; 0: none */
  int count;
  uint32_t versions[REPORTS];
} witness;

static int witness_report(void *user, uint64_t done, uint64_t total) {
  witness *self = user;
  CHECK(self->count < REPORTS);
  CHECK_EQUAL(done, self->count);
  CHECK_EQUAL(total, REPORTS - 1);
  CHECK_OK(hwsim_firmware_version(self->device, &self->versions[self->count]));
  return ++self->count == self->stop_at;
}

static void an_update_reports_each_page_and_runs_from_its_end_on(void) {
  witness self = {.device = open_fresh("clock=virtual")};
  const hwsim_progress progress = {witness_report, &self};
  CHECK_OK(program_as(self.device, NEW, &verified, NULL, &progress));
  CHECK_EQUAL(transactions(self.device), OPERATIONS);
  CHECK_EQUAL(self.count, REPORTS);
  CHECK_EQUAL(self.versions[REPORTS - 2], FACTORY);
  CHECK_EQUAL(self.versions[REPORTS - 1], NEW);
  CHECK_EQUAL(running(self.device), NEW);
  hwsim_device_free(self.device);
}

static void a_report_can_stop_it_but_not_the_last(void) {
  for (int at = 1; at <= REPORTS; at++) {
    witness self = {.device = open_fresh("clock=virtual"), .stop_at = at};
    const hwsim_progress progress = {witness_report, &self};
    CHECK_FAILS(program_as(self.device, NEW, &exclusive, NULL, &progress),
                at < REPORTS ? HWSIM_ECANCELLED : HWSIM_OK);
    CHECK_EQUAL(self.count, at);
    CHECK_EQUAL(transactions(self.device), at < REPORTS ? 3 * (at - 1) : OPERATIONS);
    check_old_and_free(self.device, at < REPORTS ? FACTORY : NEW);
  }
}

static void corruption_is_found_by_verify_and_at_the_commit(void) {
  hwsim_device *device = open_fresh("clock=virtual&fault=corrupt@2");
  CHECK_OK(program(device, NEW));
  CHECK_EQUAL(transactions(device), OPERATIONS + 3);
  hwsim_device_free(device);
  device = open_fresh("clock=virtual&fault=corrupt~1");
  CHECK_FAILS(program(device, NEW), HWSIM_EFIRMWARE);
  CHECK_MESSAGE("page 0 differs after 3 retries");
  CHECK_EQUAL(transactions(device), 3 * 4);
  CHECK_FAILS(program_as(device, NEW, &unverified, NULL, NULL), HWSIM_EFIRMWARE);
  CHECK_MESSAGE("the image in the device is damaged");
  CHECK_EQUAL(transactions(device), 3 * 4 + 7);
  check_old_and_free(device, FACTORY);
}

/* ------------------------------------------------------------------------ at every operation -- */

static void a_power_cut_leaves_the_old_firmware(void) {
  static const hwsim_fault_kind kinds[] = {HWSIM_FAULT_POWER, HWSIM_FAULT_DISCONNECT};
  for (int variant = 0; variant < 8; variant++)
    for (int at = 1; at <= OPERATIONS; at++) {
      bool again = variant & 1, reconnects = variant & 2;
      hwsim_device *device = open_fresh("clock=virtual");
      if (again) /* so that the update goes to the other bank */
        CHECK_OK(program(device, NEW));
      inject_at(device, kinds[variant >> 2], transactions(device) + (uint64_t)at);
      CHECK_FAILS(program(device, NEWER), HWSIM_EDISCONNECTED);
      CHECK_EQUAL(hwsim_error_last()->fault, kinds[variant >> 2]);
      if (reconnects) {
        CHECK_FAILS(program(device, NEWER), HWSIM_EDISCONNECTED);
        inject_at(device, HWSIM_FAULT_RECONNECT, 0);
        CHECK_EQUAL(running(device), again ? NEW : FACTORY);
        CHECK_OK(program(device, again ? NEW : FACTORY));
      }
      check_old_and_free(device, again ? NEW : FACTORY);
    }
}

static void a_fault_leaves_the_old_firmware_and_refuses_nobody(void) {
  static const hwsim_fault_kind kinds[] = {HWSIM_FAULT_TIMEOUT, HWSIM_FAULT_BUS, HWSIM_FAULT_CRC,
                                           HWSIM_FAULT_BUSY, HWSIM_FAULT_FIRMWARE};
  static const hwsim_error expected[] = {HWSIM_ETIMEOUT, HWSIM_EBUS, HWSIM_ECRC, HWSIM_EBUSY,
                                         HWSIM_EFIRMWARE};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    for (uint64_t at = 1; at <= OPERATIONS; at++) {
      hwsim_device *device = open_fresh("clock=virtual");
      inject_at(device, kinds[i], at);
      CHECK_FAILS(program_as(device, NEW, &exclusive, NULL, NULL), expected[i]);
      CHECK_EQUAL(hwsim_error_last()->fault, kinds[i]);
      CHECK_EQUAL(transactions(device), at);
      CHECK_OK(read_once(device));
      check_old_and_free(device, FACTORY);
    }
}

static void the_timeout_of_the_call_is_for_the_whole(void) {
  for (int at = 0; at <= OPERATIONS; at++) {
    hwsim_device *device = open_fresh("clock=virtual&latency=1s");
    const hwsim_call call = {at * S, NULL, NULL};
    CHECK_FAILS(program_as(device, NEW, &verified, &call, NULL),
                at < OPERATIONS ? HWSIM_ETIMEOUT : HWSIM_OK);
    check_old_and_free(device, at < OPERATIONS ? FACTORY : NEW);
  }
}

static hwsim_error run_update(operation *self) {
  return program_as(self->device, self->value, self->mask ? &exclusive : &verified, self->call,
                    NULL);
}

typedef enum way { TOKEN, DEVICE, CLOSE, DISCONNECT, POLL, WAYS } way;

static int polled(void *user) { return atomic_load((atomic_int *)user); }
static void ignore_enter(void *user, int64_t expected_ns) { (void)user, (void)expected_ns; }
static void ignore_leave(void *user) { (void)user; }

/* While operation `at` of the update waits on the bus. */
static void check_stop(way way, int at) {
  static const hwsim_error expected[WAYS] = {HWSIM_ECANCELLED, HWSIM_ECANCELLED, HWSIM_ECLOSED,
                                             HWSIM_EDISCONNECTED, HWSIM_ECANCELLED};
  hwsim_device *device = open_fresh("clock=manual&latency=1s&timeout=inf");
  hwsim_cancel *token;
  CHECK_OK(hwsim_cancel_new(&token));
  atomic_int interrupt = 0;
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  const hwsim_hooks hooks = {ignore_enter, ignore_leave, polled, &interrupt};
  operation update = {
      .device = device, .run = run_update, .value = NEW, .call = &call, .hooks = &hooks};
  operation_start(&update);
  for (int i = 1; i < at; i++) {
    advance(device, S);
    CHECK_OK(hwsim_device_wait_pending(device, 1, &forever));
  }
  CHECK_FAILS(program(device, NEWER), HWSIM_EBUSY);
  if (way == TOKEN)
    hwsim_cancel_set(token);
  else if (way == DEVICE)
    CHECK_OK(hwsim_device_cancel(device));
  else if (way == CLOSE)
    hwsim_device_close(device);
  else if (way == DISCONNECT)
    inject_at(device, HWSIM_FAULT_DISCONNECT, 0);
  else
    atomic_store(&interrupt, 1);
  CHECK_EQUAL(operation_join(&update), expected[way]);
  CHECK_TEXT(update.info.operation, "program_firmware");
  CHECK_EQUAL(transactions(device), at);
  CHECK_EQUAL(pending(device), 0);
  hwsim_cancel_free(token);
  check_old_and_free(device, FACTORY);
}

static void another_thread_can_stop_it(void) {
  for (int i = 0; i < WAYS; i++)
    for (int at = 1; at <= OPERATIONS; at++)
      check_stop((way)i, at);
}

/* No wait of a virtual clock lasts long enough to be polled: it is asked between operations. */
typedef struct counter {
  int polls, stop_at;
} counter;

static int count_poll(void *user) {
  counter *self = user;
  return ++self->polls == self->stop_at;
}

static void it_is_polled_between_its_operations(void) {
#ifdef __linux__
  for (int at = 1;; at++) {
    hwsim_device *device = open_fresh("clock=virtual&fault=corrupt@2");
    counter self = {.stop_at = at};
    const hwsim_hooks hooks = {ignore_enter, ignore_leave, count_poll, &self};
    hwsim_hooks_set(&hooks);
    jump_ns = S;
    hwsim_error error = program(device, NEW);
    jump_ns = jumped_ns = 0;
    hwsim_hooks_set(NULL);
    if (!error) {
      CHECK(self.polls >= OPERATIONS + 3); /* one page was written twice */
      hwsim_device_free(device);
      return;
    }
    CHECK_FAILS(error, HWSIM_ECANCELLED);
    CHECK_EQUAL(self.polls, at);
    check_old_and_free(device, FACTORY);
  }
#endif
}

/* ----------------------------------------------------------------------------- other threads -- */

static void an_exclusive_update_refuses_others(void) {
  hwsim_device *device = open_fresh("clock=manual&latency=1s&timeout=inf");
  operation update = {
      .device = device, .run = run_update, .value = NEW, .mask = 1, .call = &forever};
  operation_launch(&update);
  for (int at = 1; at <= OPERATIONS; at++) {
    CHECK_OK(hwsim_device_wait_pending(device, 1, &forever));
    CHECK_FAILS(read_once(device), HWSIM_EBUSY);
    CHECK_MESSAGE("the device is being programmed");
    advance(device, S);
  }
  CHECK_EQUAL(operation_join(&update), HWSIM_OK);
  CHECK_EQUAL(transactions(device), OPERATIONS);
  hwsim_device_free(device);
}

static void others_take_turns_with_an_update(void) {
  hwsim_device *device = open_fresh("clock=manual&latency=1s&timeout=inf");
  operation update = {.device = device, .run = run_update, .value = NEW, .call = &forever};
  operation_start(&update);
  for (int at = 1; at <= OPERATIONS; at++) {
    operation other = {.device = device, .run = run_read, .call = &forever};
    CHECK_OK(hwsim_device_wait_pending(device, 1, &forever));
    operation_start(&other);
    advance(device, S);
    CHECK_OK(hwsim_device_wait_pending(device, at < OPERATIONS ? 2 : 1, &forever));
    advance(device, S);
    CHECK_EQUAL(operation_join(&other), HWSIM_OK);
  }
  CHECK_EQUAL(operation_join(&update), HWSIM_OK);
  CHECK_EQUAL(transactions(device), 2 * OPERATIONS);
  hwsim_device_free(device);
}

static hwsim_error run_updates(operation *self) {
  hwsim_error error = HWSIM_OK;
  for (uint32_t i = 0; i < 100 && !error; i++)
    error = program(self->device, NEW + i);
  return error;
}

/* A second open of the name must not look at the flash that is being programmed. */
static void opening_a_device_that_is_being_programmed_is_harmless(void) {
  hwsim_device *device = open_fresh("latency=0s"), *second;
  char uri[96];
  snprintf(uri, sizeof uri, "hwsim://%s?latency=0s", hwsim_device_config(device)->name);
  operation updates = {.device = device, .run = run_updates};
  operation_launch(&updates);
  for (int i = 0; i < 1000; i++)
    CHECK_FAILS(hwsim_device_open(uri, &second), HWSIM_EINUSE);
  CHECK_EQUAL(operation_join(&updates), HWSIM_OK);
  CHECK_EQUAL(running(device), NEW + 99);
  hwsim_device_free(device);
}

typedef struct owner {
  hwsim_device *device;
  int result; /* of the report in which it frees the device */
} owner;

static int free_device(void *user, uint64_t done, uint64_t total) {
  (void)total;
  owner *self = user;
  if (done != 1)
    return 0;
  hwsim_device_free(self->device);
  return self->result;
}

static void its_owner_may_free_the_device_meanwhile(void) {
  for (int stops = 0; stops < 2; stops++) {
    owner self = {open_device("hwsim://f?latency=1us"), stops};
    const hwsim_progress progress = {free_device, &self};
    hwsim_error error = program_as(self.device, NEW, &verified, NULL, &progress);
    CHECK_EQUAL(error, stops ? HWSIM_ECANCELLED : HWSIM_OK);
    self.device = open_device("hwsim://f"); /* the name is free */
    CHECK_EQUAL(running(self.device), NEW);
    hwsim_device_free(self.device);
  }
}

static const test tests[] = {
    TEST(the_crc_is_that_of_ieee_802_3),
    TEST(every_bit_and_every_length_of_an_image_counts),
    TEST(a_bad_image_is_refused_before_anything_is_erased),
    TEST(an_update_reports_each_page_and_runs_from_its_end_on),
    TEST(a_report_can_stop_it_but_not_the_last),
    TEST(corruption_is_found_by_verify_and_at_the_commit),
    TEST(a_power_cut_leaves_the_old_firmware),
    TEST(a_fault_leaves_the_old_firmware_and_refuses_nobody),
    TEST(the_timeout_of_the_call_is_for_the_whole),
    TEST(another_thread_can_stop_it),
    TEST(it_is_polled_between_its_operations),
    TEST(an_exclusive_update_refuses_others),
    TEST(others_take_turns_with_an_update),
    TEST(opening_a_device_that_is_being_programmed_is_harmless),
    TEST(its_owner_may_free_the_device_meanwhile),
};
CHECK_MAIN(tests)
