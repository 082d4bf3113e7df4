/* Firmware: an update either happens as a whole or not at all, whatever ends it. Flash belongs to
 * the name of a device for the life of the process, so each test has a name of its own. */
#include "threads.h"

enum { PAGES = 5, SIZE = PAGES * HWSIM_FIRMWARE_PAGE - 100, FACTORY = 0x00010000 };

typedef struct image {
  uint8_t bytes[HWSIM_FIRMWARE_HEADER + SIZE];
} image;

static void put_uint32(uint8_t *bytes, uint32_t value) {
  for (int i = 0; i < 4; i++)
    bytes[i] = (uint8_t)(value >> 8 * i);
}

static image make_image(uint32_t version) {
  image made = {{0}};
  for (int i = 0; i < SIZE; i++)
    made.bytes[HWSIM_FIRMWARE_HEADER + i] = (uint8_t)(i * 7 + i / 256 + (int)version);
  memcpy(made.bytes, "HWSIMFW1", 8);
  put_uint32(made.bytes + 8, version);
  put_uint32(made.bytes + 12, SIZE);
  put_uint32(made.bytes + 16, hwsim_crc32(made.bytes + HWSIM_FIRMWARE_HEADER, SIZE));
  put_uint32(made.bytes + 20, hwsim_crc32(made.bytes, 20));
  return made;
}

static const hwsim_firmware_options verified = {.verify = true, .retries = 2};

static hwsim_error program(hwsim_device *device, uint32_t version,
                           const hwsim_firmware_options *options, const hwsim_progress *progress) {
  image made = make_image(version);
  return hwsim_firmware_program(device, made.bytes, sizeof made.bytes, options, NULL, progress);
}

static uint32_t version_of(hwsim_device *device) {
  uint32_t version, in_register;
  CHECK_OK(hwsim_firmware_version(device, &version));
  CHECK_OK(hwsim_register_read(device, HWSIM_REGISTER_VERSION, &forever, &in_register));
  CHECK_EQUAL(in_register, version);
  return version;
}

static uint32_t version_after_reopening(hwsim_device *device, const char *uri) {
  hwsim_device_free(device);
  device = open_device(uri);
  uint32_t version = version_of(device);
  hwsim_device_free(device);
  return version;
}

/* ----------------------------------------------------------------------------------- images -- */

static void crc32_is_the_usual_one(void) {
  CHECK_EQUAL(hwsim_crc32("123456789", 9), 0xCBF43926);
  CHECK_EQUAL(hwsim_crc32("", 0), 0);
}

static void a_good_image_passes(void) {
  image good = make_image(0x00020003);
  uint32_t version = 0;
  CHECK_OK(hwsim_firmware_check(good.bytes, sizeof good.bytes, &version));
  CHECK_EQUAL(version, 0x00020003);
}

static void no_damaged_byte_passes(void) {
  image good = make_image(0x00020000);
  uint32_t version = 77;
  for (size_t i = 0; i < sizeof good.bytes; i = i == 23 ? 32 : i + (i < 40 ? 1 : 61)) {
    image bad = good;
    bad.bytes[i] ^= 0x40;
    CHECK_FAILS(hwsim_firmware_check(bad.bytes, sizeof bad.bytes, &version), HWSIM_EFIRMWARE);
  }
  CHECK_EQUAL(version, 77);
}

static void no_wrong_size_passes(void) {
  static uint8_t bytes[sizeof(image) + 1];
  image good = make_image(0x00020000);
  uint32_t version;
  memcpy(bytes, good.bytes, sizeof good.bytes);
  for (size_t size = 0; size <= sizeof bytes; size += size < 64 ? 1 : 11)
    if (size != sizeof good.bytes)
      CHECK_FAILS(hwsim_firmware_check(bytes, size, &version), HWSIM_EFIRMWARE);
  CHECK_FAILS(hwsim_firmware_check(NULL, 0, &version), HWSIM_EFIRMWARE);
  CHECK_MESSAGE("truncated");
}

/* ---------------------------------------------------------------------------------- updates -- */

static void an_update_runs_at_once_and_after_reopening(void) {
  hwsim_device *device = open_device("hwsim://f1?clock=virtual");
  CHECK_EQUAL(version_of(device), FACTORY);
  CHECK_OK(program(device, 0x00020000, &verified, NULL));
  CHECK_EQUAL(version_of(device), 0x00020000);
  CHECK_OK(program(device, 0x00020000, &verified, NULL));
  CHECK_OK(program(device, 0x00030000, &verified, NULL));
  CHECK_EQUAL(version_after_reopening(device, "hwsim://f1?clock=virtual"), 0x00030000);
}

static void an_older_image_is_refused(void) {
  hwsim_device *device = open_device("hwsim://f2?clock=virtual");
  CHECK_FAILS(program(device, FACTORY - 1, &verified, NULL), HWSIM_EFIRMWARE);
  CHECK_MESSAGE("older");
  CHECK_EQUAL(version_of(device), FACTORY);
  hwsim_device_free(device);
}

/* Erase, write, verify for each page, and the commit; the last operation is number 3 PAGES + 1. */
static void whatever_ends_it_the_old_firmware_runs(void) {
  static const char *const ends[] = {"crc", "timeout", "busy", "power", "disconnect"};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    for (int at = 1; at <= 3 * PAGES + 1; at++) {
      char uri[128];
      snprintf(uri, sizeof uri, "hwsim://f3?clock=virtual&fault=%s@%d", ends[i], at);
      hwsim_device *device = open_device(uri);
      uint32_t version = 0;
      CHECK(program(device, 0x00020000, &verified, NULL) != HWSIM_OK);
      CHECK_OK(hwsim_firmware_version(device, &version));
      CHECK_EQUAL(version, FACTORY);
      CHECK_EQUAL(version_after_reopening(device, "hwsim://f3?clock=virtual"), FACTORY);
    }
}

static void after_an_end_it_can_be_programmed_again(void) {
  hwsim_device *device = open_device("hwsim://f4?clock=virtual&fault=power@5&fault=reconnect@6");
  CHECK_FAILS(program(device, 0x00020000, &verified, NULL), HWSIM_EDISCONNECTED);
  CHECK_OK(program(device, 0x00020000, &verified, NULL));
  CHECK_EQUAL(version_of(device), 0x00020000);
  hwsim_device_free(device);
}

static void a_page_written_wrong_is_written_again(void) {
  hwsim_device *device = open_device("hwsim://f5?clock=virtual&fault=corrupt@2");
  CHECK_OK(program(device, 0x00020000, &verified, NULL));
  hwsim_device_free(device);
}

static void a_page_that_stays_wrong_is_an_error(void) {
  const hwsim_firmware_options unverified = {.verify = false};
  hwsim_device *device = open_device("hwsim://f6?clock=virtual&fault=corrupt~1");
  CHECK_FAILS(program(device, 0x00020000, &verified, NULL), HWSIM_EFIRMWARE);
  CHECK_MESSAGE("page 0");
  CHECK_FAILS(program(device, 0x00020000, &unverified, NULL), HWSIM_EFIRMWARE); /* by the commit */
  CHECK_EQUAL(version_of(device), FACTORY);
  hwsim_device_free(device);
}

static void the_timeout_is_for_the_whole(void) {
  hwsim_device *device = open_device("hwsim://f7?clock=virtual&latency=1ms");
  image made = make_image(0x00020000);
  const hwsim_call brief = {(3 * PAGES + 1) * MS - 1, NULL}, enough = {(3 * PAGES + 1) * MS, NULL};
  CHECK_FAILS(
      hwsim_firmware_program(device, made.bytes, sizeof made.bytes, &verified, &brief, NULL),
      HWSIM_ETIMEOUT);
  CHECK_OK(hwsim_firmware_program(device, made.bytes, sizeof made.bytes, &verified, &enough, NULL));
  hwsim_device_free(device);
}

static void wrong_options_are_refused(void) {
  hwsim_device *device = open_device("hwsim://f8?clock=virtual");
  const hwsim_firmware_options endless = {.retries = 101};
  CHECK_FAILS(program(device, 0x00020000, &endless, NULL), HWSIM_EINVALID);
  CHECK_MESSAGE("retries");
  hwsim_device_free(device);
}

/* ------------------------------------------------------------------------- progress, others -- */

/* Acts at the report number `act_at`. */
typedef struct witness {
  hwsim_device *device;
  uint64_t last_done, total, reports, act_at;
  int (*act)(struct witness *self);
} witness;

static int note_report(void *user, uint64_t done, uint64_t total) {
  witness *self = user;
  CHECK(done <= total && (!self->reports || done > self->last_done));
  self->last_done = done;
  self->total = total;
  return ++self->reports == self->act_at && self->act ? self->act(self) : 0;
}

static int stop(witness *self) {
  (void)self;
  return 1;
}

static int use_others_busy(witness *self) {
  CHECK_FAILS(read_once(self->device), HWSIM_EBUSY);
  CHECK_FAILS(program(self->device, 0x00030000, &verified, NULL), HWSIM_EBUSY);
  return 0;
}

static int use_others_welcome(witness *self) {
  CHECK_OK(read_once(self->device));
  CHECK_FAILS(program(self->device, 0x00030000, &verified, NULL), HWSIM_EBUSY);
  return 0;
}

static int free_device(witness *self) {
  hwsim_device_free(self->device);
  return 0;
}

static void progress_grows_to_its_total(void) {
  witness self = {.device = open_device("hwsim://f9?clock=virtual")};
  const hwsim_progress progress = {note_report, &self};
  CHECK_OK(program(self.device, 0x00020000, &verified, &progress));
  CHECK_EQUAL(self.last_done, self.total);
  hwsim_device_free(self.device);
}

static void progress_may_stop_it_until_the_commit(void) {
  witness self = {.device = open_device("hwsim://f10?clock=virtual"), .act_at = 1, .act = stop};
  const hwsim_progress progress = {note_report, &self};
  CHECK_FAILS(program(self.device, 0x00020000, &verified, &progress), HWSIM_ECANCELLED);
  CHECK_EQUAL(version_of(self.device), FACTORY);
  hwsim_device_free(self.device);
}

static void others_take_turns_unless_it_is_exclusive(void) {
  witness self = {
      .device = open_device("hwsim://f11?clock=virtual"), .act_at = 1, .act = use_others_welcome};
  const hwsim_progress progress = {note_report, &self};
  hwsim_firmware_options exclusive = verified;
  exclusive.exclusive = true;
  CHECK_OK(program(self.device, 0x00020000, &verified, &progress));
  self = (witness){.device = self.device, .act_at = 1, .act = use_others_busy};
  CHECK_OK(program(self.device, 0x00020000, &exclusive, &progress));
  CHECK_OK(read_once(self.device));
  hwsim_device_free(self.device);
}

static void a_device_freed_meanwhile_lives_until_it_returns(void) {
  witness self = {
      .device = open_device("hwsim://f12?latency=1us"), .act_at = 1, .act = free_device};
  const hwsim_progress progress = {note_report, &self};
  hwsim_error error = program(self.device, 0x00020000, &verified, &progress);
  CHECK(error == HWSIM_OK || error == HWSIM_ECLOSED);
  hwsim_device_free(open_device("hwsim://f12"));
}

static void program_or_open(int index, void *shared) {
  hwsim_device *second;
  for (uint32_t i = 0; i < 100; i++)
    if (index == 0)
      CHECK_OK(program(shared, 0x00020000 + i, &verified, NULL));
    else
      CHECK_FAILS(hwsim_device_open("hwsim://f13", &second), HWSIM_EINUSE);
}

static void an_open_that_fails_leaves_the_flash_alone(void) {
  hwsim_device *device = open_device("hwsim://f13?clock=virtual");
  in_parallel(3, program_or_open, device);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(crc32_is_the_usual_one),
    TEST(a_good_image_passes),
    TEST(no_damaged_byte_passes),
    TEST(no_wrong_size_passes),
    TEST(an_update_runs_at_once_and_after_reopening),
    TEST(an_older_image_is_refused),
    TEST(whatever_ends_it_the_old_firmware_runs),
    TEST(after_an_end_it_can_be_programmed_again),
    TEST(a_page_written_wrong_is_written_again),
    TEST(a_page_that_stays_wrong_is_an_error),
    TEST(the_timeout_is_for_the_whole),
    TEST(wrong_options_are_refused),
    TEST(progress_grows_to_its_total),
    TEST(progress_may_stop_it_until_the_commit),
    TEST(others_take_turns_unless_it_is_exclusive),
    TEST(a_device_freed_meanwhile_lives_until_it_returns),
    TEST(an_open_that_fails_leaves_the_flash_alone),
};
CHECK_MAIN(tests)
