/* The error channel: every code, its name, and the details of a thread's last failure. */
#include "threads.h"

#include <sys/wait.h>

/* Opens a device with this resource string, reads a register, and closes it. */
static hwsim_error read_from(const char *uri, const hwsim_call *call) {
  uint64_t value;
  hwsim_device *device = open_device(uri);
  hwsim_error error = hwsim_register_read(device, HWSIM_REGISTER_ID, call, &value);
  hwsim_device_free(device);
  return error;
}

static hwsim_error read_after_close(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  hwsim_device_close(device);
  hwsim_error error = read_once(device);
  hwsim_device_free(device);
  return error;
}

static hwsim_error read_with_cancelled_token(void) {
  hwsim_cancel *token;
  CHECK_OK(hwsim_cancel_new(&token));
  hwsim_cancel_set(token);
  const hwsim_call call = {HWSIM_TIMEOUT_DEFAULT, token, NULL};
  hwsim_error error = read_from("hwsim://d?clock=virtual", &call);
  hwsim_cancel_free(token);
  return error;
}

static hwsim_error open_twice(void) {
  hwsim_device *device = open_device("hwsim://d"), *second;
  hwsim_error error = hwsim_device_open("hwsim://d", &second);
  hwsim_device_free(device);
  return error;
}

static hwsim_error read_address(uint32_t address) {
  uint64_t value;
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  hwsim_error error = hwsim_register_read(device, address, NULL, &value);
  hwsim_device_free(device);
  return error;
}

static hwsim_error advance_a_virtual_clock(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  hwsim_error error = hwsim_clock_advance(device, 1);
  hwsim_device_free(device);
  return error;
}

/* The child hands its error over as its exit status. */
static hwsim_error read_with_a_request(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  hwsim_queue *queue = NULL;
  hwsim_call call = {.timeout_ns = HWSIM_TIMEOUT_DEFAULT};
  uint64_t value;
  CHECK_OK(hwsim_queue_new(&queue));
  CHECK_OK(hwsim_request_new(queue, NULL, &call.request));
  hwsim_error error = hwsim_register_read(device, HWSIM_REGISTER_ID, &call, &value);
  hwsim_request_free(call.request);
  hwsim_queue_free(queue);
  hwsim_device_free(device);
  return error;
}

static hwsim_error read_in_a_child(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  int status = 0;
  pid_t child = fork();
  if (child == 0)
    _exit(read_once(device) == hwsim_error_last()->code ? (int)hwsim_error_last()->code : HWSIM_OK);
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
  hwsim_device_free(device);
  return (hwsim_error)WEXITSTATUS(status);
}

static hwsim_error produce(hwsim_error code) {
  const hwsim_call hurried = {1, NULL, NULL};
  const hwsim_register *found;
  hwsim_device *device;
  switch (code) {
  case HWSIM_OK: return read_from("hwsim://d?clock=virtual", NULL);
  case HWSIM_ETIMEOUT: return read_from("hwsim://d?clock=virtual", &hurried);
  case HWSIM_EBUS: return read_from("hwsim://d?clock=virtual&fault=bus", NULL);
  case HWSIM_ECRC: return read_from("hwsim://d?clock=virtual&fault=crc", NULL);
  case HWSIM_EBUSY: return read_from("hwsim://d?clock=virtual&fault=busy", NULL);
  case HWSIM_EDISCONNECTED: return read_from("hwsim://d?clock=virtual&fault=disconnect", NULL);
  case HWSIM_ECLOSED: return read_after_close();
  case HWSIM_ECANCELLED: return read_with_cancelled_token();
  case HWSIM_ENOTFOUND: return hwsim_register_find("NONE", &found);
  case HWSIM_EINUSE: return open_twice();
  case HWSIM_EADDRESS: return read_address(0x1000);
  case HWSIM_EACCESS: return read_address(HWSIM_REGISTER_COMMAND);
  case HWSIM_EINVALID: return hwsim_device_open("daq0", &device);
  case HWSIM_EOVERRUN: return read_from("hwsim://d?clock=virtual&fault=overrun", NULL);
  case HWSIM_EFIRMWARE: return read_from("hwsim://d?clock=virtual&fault=firmware", NULL);
  case HWSIM_ESTATE: return advance_a_virtual_clock();
  case HWSIM_ENOMEM: return read_from("hwsim://d?clock=virtual&fault=memory", NULL);
  case HWSIM_EFORKED: return read_in_a_child();
  case HWSIM_EPENDING: return read_with_a_request();
  case HWSIM_EINTERNAL: return read_from("hwsim://d?clock=virtual&fault=internal", NULL);
  }
  return (hwsim_error)-1; /* a new code: add how to produce it */
}

static void every_code_can_be_produced(void) {
#define HWSIM_X(name, value, message)                                                              \
  CHECK_TEXT(hwsim_error_name(produce(HWSIM_##name)), #name);                                      \
  if (HWSIM_##name != HWSIM_OK && HWSIM_##name != HWSIM_EFORKED && HWSIM_##name != HWSIM_EPENDING) \
    CHECK_EQUAL(hwsim_error_last()->code, HWSIM_##name);
  HWSIM_ERRORS(HWSIM_X)
#undef HWSIM_X
}

static void codes_keep_their_numbers(void) {
  static const char *const names[] = {
      "OK",         "ETIMEOUT",  "EBUS",   "ECRC",     "EBUSY",     "EDISCONNECTED", "ECLOSED",
      "ECANCELLED", "ENOTFOUND", "EINUSE", "EADDRESS", "EACCESS",   "EINVALID",      "EOVERRUN",
      "EFIRMWARE",  "ESTATE",    "ENOMEM", "EFORKED",  "EINTERNAL", "EPENDING"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    CHECK_TEXT(hwsim_error_name((hwsim_error)i), names[i]);
}

static void every_code_has_a_message(void) {
#define HWSIM_X(name, value, message) CHECK_TEXT(hwsim_error_message(HWSIM_##name), message);
  HWSIM_ERRORS(HWSIM_X)
#undef HWSIM_X
}

static void unknown_codes_are_named_so(void) {
  CHECK_TEXT(hwsim_error_name((hwsim_error)9999), "EUNKNOWN");
  CHECK_TEXT(hwsim_error_name((hwsim_error)-1), "EUNKNOWN");
  CHECK(*hwsim_error_message((hwsim_error)9999));
}

static void details_name_device_operation_and_fault(void) {
  CHECK_FAILS(read_from("hwsim://d?clock=virtual&fault=crc", NULL), HWSIM_ECRC);
  const hwsim_error_info *last = hwsim_error_last();
  CHECK_TEXT(last->device, "d");
  CHECK_TEXT(last->operation, "read_register");
  CHECK_EQUAL(last->fault, HWSIM_FAULT_CRC);
  CHECK_MESSAGE("crc");
}

static void an_error_without_a_fault_names_none(void) {
  CHECK_FAILS(produce(HWSIM_ECRC), HWSIM_ECRC);
  CHECK_FAILS(produce(HWSIM_ETIMEOUT), HWSIM_ETIMEOUT);
  CHECK_EQUAL(hwsim_error_last()->fault, 0);
}

static void success_leaves_the_details_alone(void) {
  CHECK_FAILS(produce(HWSIM_EBUS), HWSIM_EBUS);
  CHECK_OK(produce(HWSIM_OK));
  CHECK_EQUAL(hwsim_error_last()->code, HWSIM_EBUS);
}

static void fail_on_this_thread(int index, void *shared) {
  hwsim_device *device = shared;
  CHECK_EQUAL(hwsim_error_last()->code, HWSIM_OK);
  CHECK_TEXT(hwsim_error_last()->message, "");
  uint64_t value;
  for (int i = 0; i < 100; i++) {
    uint32_t address = index % 2 ? 0x1000 + 4 * (uint32_t)index : HWSIM_REGISTER_COMMAND;
    hwsim_error error = hwsim_register_read(device, address, NULL, &value);
    CHECK_FAILS(error, index % 2 ? HWSIM_EADDRESS : HWSIM_EACCESS);
  }
}

static void every_thread_has_its_own_last_error(void) {
  hwsim_device *device = open_device("hwsim://d?latency=0s");
  CHECK_FAILS(produce(HWSIM_ENOTFOUND), HWSIM_ENOTFOUND);
  in_parallel(8, fail_on_this_thread, device);
  CHECK_EQUAL(hwsim_error_last()->code, HWSIM_ENOTFOUND);
  hwsim_device_free(device);
}

static void long_input_is_cut_not_overrun(void) {
  static char uri[20000] = "hwsim://d?";
  hwsim_device *device;
  memset(uri + strlen(uri), 'k', sizeof uri - strlen(uri) - 1);
  CHECK_FAILS(hwsim_device_open(uri, &device), HWSIM_EINVALID);
  const hwsim_error_info *last = hwsim_error_last();
  CHECK(memchr(last->message, 0, sizeof last->message));
  CHECK_MESSAGE("kkkk");
}

static void outputs_are_written_only_on_success(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&fault=bus@1*1000"), *second = NULL;
  uint64_t value = 77;
  uint32_t values[3] = {77, 77, 77};
  double volts = 77;
  const hwsim_register *found = NULL;
  CHECK_FAILS(hwsim_register_read(device, 0x40, NULL, &value), HWSIM_EBUS);
  CHECK_FAILS(hwsim_register_update(device, 0x40, 1, 1, NULL, &value), HWSIM_EBUS);
  CHECK_FAILS(hwsim_register_wait(device, 0x40, 1, 0, NULL, &value), HWSIM_EBUS);
  CHECK_FAILS(hwsim_register_read_block(device, 0x40, 3, NULL, values), HWSIM_EBUS);
  CHECK_FAILS(hwsim_signal_read(device, 0, NULL, &volts), HWSIM_EBUS);
  CHECK_FAILS(hwsim_device_open("hwsim://d", &second), HWSIM_EINUSE);
  CHECK_FAILS(hwsim_register_find("NONE", &found), HWSIM_ENOTFOUND);
  CHECK(value == 77 && values[0] == 77 && values[1] == 77 && values[2] == 77);
  CHECK(volts == 77 && !second && !found);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(every_code_can_be_produced),
    TEST(codes_keep_their_numbers),
    TEST(every_code_has_a_message),
    TEST(unknown_codes_are_named_so),
    TEST(details_name_device_operation_and_fault),
    TEST(an_error_without_a_fault_names_none),
    TEST(success_leaves_the_details_alone),
    TEST(every_thread_has_its_own_last_error),
    TEST(long_input_is_cut_not_overrun),
    TEST(outputs_are_written_only_on_success),
};
CHECK_MAIN(tests)
