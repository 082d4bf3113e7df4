// The C++ facade: every error becomes its class, with code, device and operation; handles are RAII.
#include "hwsim/hwsim.hpp"

#include "check.h"

#include <functional>
#include <sys/wait.h>
#include <thread>
#include <type_traits>

using namespace std::chrono_literals;

namespace {

const char *const URI = "hwsim://d?clock=virtual";

hwsim::device with_fault(const std::string &kind) {
  return hwsim::device(std::string(URI) + "&fault=" + kind);
}

// ------------------------------------------------------------------------------------- errors --

// The call throws this class, with this code and origin.
template <class Expected>
void check_throws(hwsim_error code, const char *device, const char *operation,
                  const std::function<void()> &call) {
  try {
    call();
    check_failed(__FILE__, __LINE__, hwsim_error_name(code), "nothing was thrown");
  } catch (const Expected &error) {
    CHECK_TEXT(hwsim_error_name(error.code()), hwsim_error_name(code));
    CHECK_TEXT(error.device().c_str(), device);
    CHECK_TEXT(error.operation().c_str(), operation);
    CHECK(*error.what() != 0);
  } catch (const std::exception &error) {
    check_failed(__FILE__, __LINE__, hwsim_error_name(code), error.what());
  }
}

template <class Expected> void check_fault(hwsim_error code, const char *kind) {
  check_throws<Expected>(code, "d", "read_register", [&] { with_fault(kind).read_register(0); });
}

// In the child the inherited device throws; its exit status says so.
void check_forked() {
  hwsim::device device(URI);
  int status = -1;
  pid_t child = fork();
  if (child == 0) {
    check_throws<hwsim::forked_error>(HWSIM_EFORKED, "d", "read_register",
                                      [&] { device.read_register(0); });
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void check_thrown(hwsim_error code) {
  switch (code) {
  case HWSIM_OK: return hwsim::check(HWSIM_OK);
  case HWSIM_ETIMEOUT: return check_fault<hwsim::timeout_error>(code, "timeout");
  case HWSIM_EBUS: return check_fault<hwsim::transfer_error>(code, "bus");
  case HWSIM_ECRC: return check_fault<hwsim::transfer_error>(code, "crc");
  case HWSIM_EBUSY: return check_fault<hwsim::busy_error>(code, "busy");
  case HWSIM_EDISCONNECTED: return check_fault<hwsim::disconnected_error>(code, "disconnect");
  case HWSIM_ECLOSED:
    return check_throws<hwsim::closed_error>(code, "d", "reset", [] {
      hwsim::device device(URI);
      device.close();
      device.reset();
    });
  case HWSIM_ECANCELLED:
    return check_throws<hwsim::cancelled_error>(code, "d", "wait_register", [] {
      hwsim::cancel_token token;
      token.cancel();
      hwsim::device(URI).wait_register(0x40, 1, 1, 1s, &token);
    });
  case HWSIM_ENOTFOUND:
    return check_throws<hwsim::not_found_error>(code, "", "find_register",
                                                [] { hwsim::find_register("NONE"); });
  case HWSIM_EINUSE:
    return check_throws<hwsim::in_use_error>(code, "d", "open", [] {
      hwsim::device first(URI);
      hwsim::device second(URI);
    });
  case HWSIM_EADDRESS:
    return check_throws<hwsim::register_error>(
        code, "d", "write_register", [] { hwsim::device(URI).write_register(0x1000, 1); });
  case HWSIM_EACCESS:
    return check_throws<hwsim::register_error>(code, "d", "update_register",
                                               [] { hwsim::device(URI).update_register(0, 1, 1); });
  case HWSIM_EINVALID:
    return check_throws<hwsim::argument_error>(code, "", "open", [] { hwsim::device("daq0"); });
  case HWSIM_EOVERRUN: return check_fault<hwsim::overrun_error>(code, "overrun");
  case HWSIM_EFIRMWARE: return check_fault<hwsim::firmware_error>(code, "firmware");
  case HWSIM_ESTATE:
    return check_throws<hwsim::state_error>(code, "d", "advance",
                                            [] { hwsim::device(URI).advance(1ms); });
  case HWSIM_ENOMEM: return check_fault<hwsim::memory_error>(code, "memory");
  case HWSIM_EFORKED: return check_forked();
  case HWSIM_EPENDING: return; // no failure: see test_request.c
  case HWSIM_EINTERNAL: return check_fault<hwsim::internal_error>(code, "internal");
  }
  check_failed(__FILE__, __LINE__, "a new code", "add how to produce it");
}

void every_code_throws_the_class_of_its_family() {
#define HWSIM_X(name, value, message) check_thrown(HWSIM_##name);
  HWSIM_ERRORS(HWSIM_X)
#undef HWSIM_X
}

void every_class_is_an_error_and_a_runtime_error() {
  static_assert(std::is_base_of_v<std::runtime_error, hwsim::error>);
  static_assert(std::is_base_of_v<hwsim::error, hwsim::timeout_error>);
  check_throws<hwsim::error>(HWSIM_EBUS, "d", "read_register",
                             [] { with_fault("bus").read_register(0); });
}

void the_foreign_fault_throws_what_is_no_std_exception() {
  static_assert(!std::is_base_of_v<std::exception, hwsim::foreign_exception>);
  hwsim::device device = with_fault("foreign@2");
  device.write_register(0x40, 1);
  bool caught = false;
  try {
    device.write_register(0x40, 2);
  } catch (const hwsim::foreign_exception &) {
    caught = true;
  }
  CHECK(caught);
  CHECK_EQUAL(device.read_register(0x40), 1);
}

// --------------------------------------------------------------------------------------- RAII --

void a_device_can_be_moved_not_copied() {
  static_assert(!std::is_copy_constructible_v<hwsim::device>);
  static_assert(!std::is_copy_assignable_v<hwsim::device>);
  static_assert(std::is_nothrow_move_constructible_v<hwsim::device>);
  static_assert(std::is_nothrow_move_assignable_v<hwsim::device>);
  static_assert(!std::is_copy_constructible_v<hwsim::cancel_token>);
  static_assert(std::is_nothrow_move_constructible_v<hwsim::cancel_token>);
  hwsim::device first(URI);
  first.write_register(0x40, 7);
  hwsim::device second(std::move(first));
  CHECK_EQUAL(second.read_register(0x40), 7);
  second = hwsim::device("hwsim://other?clock=virtual");
  CHECK_TEXT(second.config().name, "other");
  hwsim::device again(URI); // the assignment closed it
}

void destruction_closes_the_device() {
  {
    hwsim::device device(URI);
  }
  hwsim::device again(URI);
  CHECK(again.is_open());
}

void an_exception_on_the_way_closes_the_device() {
  try {
    hwsim::device device(URI);
    device.read_register(0x1000);
  } catch (const hwsim::register_error &) {
  }
  hwsim::device again(URI);
}

void a_closed_device_stays_a_valid_object() {
  hwsim::device device(URI);
  device.close();
  device.close();
  CHECK(!device.is_open());
  CHECK_TEXT(device.config().name, "d");
}

// ---------------------------------------------------------------------------------- the calls --

void registers_are_read_and_written() {
  hwsim::device device(URI);
  std::uint32_t out[2] = {1, 2}, in[2] = {};
  device.write_block(0x40, out, 2);
  device.read_block(0x40, in, 2, 1s);
  CHECK(in[0] == 1 && in[1] == 2);
  CHECK_EQUAL(device.update_register(0x40, 0xF0, 0x30), 1);
  CHECK_EQUAL(device.read_register(0x40, 1s), 0x31);
  CHECK_EQUAL(device.wait_register(0x40, 1, 1), 0x31);
  device.write_register(0x40, 0, 1s);
  device.reset();
  CHECK_EQUAL(hwsim::find_register("SCRATCH1").address, 0x44);
  CHECK_EQUAL(device.transactions(), 7);
  CHECK_EQUAL(device.pending(), 0);
  CHECK_EQUAL(device.now_ns(), 7000000);
}

void signals_are_set_and_read() {
  hwsim::device device("hwsim://d?clock=virtual&noise=0V&range=1V");
  hwsim_signal signal = device.default_signal(1);
  signal.waveform = HWSIM_WAVEFORM_TABLE;
  const double table[] = {0.25, -0.5};
  device.set_signal(1, signal, table, 2);
  CHECK_EQUAL(device.signal(1).waveform, HWSIM_WAVEFORM_TABLE);
  CHECK_NEAR(device.read_voltage(1), 0.25, 1e-12);
  CHECK_NEAR(device.read_voltage(1), -0.5, 1e-12);
}

void a_stream_gives_blocks_and_what_a_failed_read_left() {
  hwsim::device device("hwsim://d?clock=virtual&fault=crc@2");
  const std::uint32_t channels[] = {0, 1};
  hwsim_stream_config config{};
  config.rate_hz = 1000;
  config.channels = channels;
  config.channel_count = 2;
  config.buffer = 100;
  hwsim::stream stream(device, config);
  std::vector<float> data(2 * 50);
  hwsim_block block = stream.read(HWSIM_FORMAT_FLOAT32, data.data(), 20);
  CHECK(block.first_index == 0 && block.count == 20);
  check_throws<hwsim::transfer_error>(HWSIM_ECRC, "d", "read",
                                      [&] { stream.read(HWSIM_FORMAT_FLOAT32, data.data(), 20); });
  try {
    stream.read(HWSIM_FORMAT_FLOAT32, data.data(), 50, 30ms);
    CHECK(!"it must time out");
  } catch (const hwsim::timeout_error &error) {
    CHECK(error.partial() && error.partial()->first_index == 20 && error.partial()->count == 30);
  }
  CHECK_EQUAL(stream.channel_count(), 2);
  CHECK_NEAR(stream.volts_per_code(0), 10.0 / 32768, 1e-15);
  CHECK_EQUAL(stream.start_ns(), 0);
  stream.stop();
  CHECK(!stream.status().running);
}

// Keeps the last value that was written; refuses 13.
struct keeper {
  std::uint64_t last;
  int unlucky, released;
};

hwsim_error keep(void *user, hwsim_transaction *transaction, std::size_t claim,
                 std::uint64_t value) {
  auto *self = static_cast<keeper *>(user);
  CHECK_EQUAL(claim, 0);
  if (value == 13)
    hwsim_transaction_fail(transaction, &self->unlucky);
  self->last = value;
  return value == 13 ? HWSIM_EBUS : HWSIM_OK;
}

void a_behaviour_is_called_and_gives_the_reason_of_a_failure() {
  hwsim_register data{};
  data.name = "DATA";
  data.bits = 32;
  data.access = HWSIM_ACCESS_RW;
  data.writable = 0xFFFFFFFF;
  hwsim_claim claim{};
  claim.on = "DATA";
  claim.writes = true;
  hwsim_model says{};
  says.name = "keeper";
  says.registers = &data;
  says.register_count = 1;
  says.claims = &claim;
  says.claim_count = 1;
  says.channels = 1;
  keeper self{};
  {
    hwsim::model made(says);
    hwsim::device device("hwsim://d?latency=0s", &made);
    device.set_behaviour(
        {nullptr, keep, [](void *user) { static_cast<keeper *>(user)->released++; }, &self});
    check_throws<hwsim::state_error>(HWSIM_ESTATE, "d", "open", [&] {
      device.set_behaviour({nullptr, keep, nullptr, nullptr});
    });
    device.write_register(0, 7);
    CHECK_EQUAL(self.last, 7);
    try {
      device.write_register(0, 13);
      CHECK(!"it must fail");
    } catch (const hwsim::transfer_error &error) {
      CHECK(error.reason() == &self.unlucky);
    }
    CHECK_EQUAL(device.read_register(0), 7);
    CHECK_EQUAL(self.released, 0);
  }
  CHECK_EQUAL(self.released, 1);
  hwsim::device plain("hwsim://d");
  check_throws<hwsim::state_error>(HWSIM_ESTATE, "d", "open",
                                   [&] { plain.set_behaviour({nullptr, keep, nullptr, nullptr}); });
}

void faults_are_made_injected_and_cleared() {
  hwsim::device device(URI);
  hwsim_fault fault = hwsim::make_fault("crc");
  fault.count = 0;
  device.inject(fault);
  check_throws<hwsim::transfer_error>(HWSIM_ECRC, "d", "reset", [&] { device.reset(); });
  device.clear_faults();
  device.reset();
}

void timeouts_are_durations() {
  hwsim::device device("hwsim://d?clock=virtual&latency=2ms");
  CHECK_EQUAL(device.default_timeout().ns(), 1000000000);
  device.set_default_timeout(1ms);
  check_throws<hwsim::timeout_error>(HWSIM_ETIMEOUT, "d", "read_register",
                                     [&] { device.read_register(0); });
  device.read_register(0, 2ms);
  device.set_default_timeout(hwsim::timeout::never());
  device.read_register(0);
}

void a_cancel_token_stops_a_call_on_another_thread() {
  hwsim::device device("hwsim://d?clock=manual&timeout=inf");
  hwsim::cancel_token token;
  std::thread waiter([&] {
    check_throws<hwsim::cancelled_error>(HWSIM_ECANCELLED, "d", "read_voltage", [&] {
      device.read_voltage(0, hwsim::timeout::never(), &token);
    });
  });
  device.wait_pending(1);
  token.cancel();
  waiter.join();
  CHECK(token.is_cancelled());
}

void close_and_cancel_wake_another_thread() {
  hwsim::device device("hwsim://d?clock=manual&timeout=inf");
  std::thread first([&] {
    check_throws<hwsim::cancelled_error>(HWSIM_ECANCELLED, "d", "reset", [&] { device.reset(); });
  });
  device.wait_pending(1);
  device.cancel();
  first.join();
  std::thread second([&] {
    check_throws<hwsim::closed_error>(HWSIM_ECLOSED, "d", "reset", [&] { device.reset(); });
  });
  device.wait_pending(1);
  device.close();
  second.join();
}

void devices_are_listed() {
  hwsim::device device("hwsim://zz");
  std::vector<hwsim_listing> devices = hwsim::list_devices();
  CHECK_EQUAL(devices.size(), 9);
  CHECK_TEXT(devices.back().name, "zz");
  CHECK(devices.back().in_use && !devices.front().in_use);
}

const test tests[] = {
    TEST(every_code_throws_the_class_of_its_family),
    TEST(every_class_is_an_error_and_a_runtime_error),
    TEST(the_foreign_fault_throws_what_is_no_std_exception),
    TEST(a_device_can_be_moved_not_copied),
    TEST(destruction_closes_the_device),
    TEST(an_exception_on_the_way_closes_the_device),
    TEST(a_closed_device_stays_a_valid_object),
    TEST(registers_are_read_and_written),
    TEST(signals_are_set_and_read),
    TEST(a_stream_gives_blocks_and_what_a_failed_read_left),
    TEST(a_behaviour_is_called_and_gives_the_reason_of_a_failure),
    TEST(faults_are_made_injected_and_cleared),
    TEST(timeouts_are_durations),
    TEST(a_cancel_token_stops_a_call_on_another_thread),
    TEST(close_and_cancel_wake_another_thread),
    TEST(devices_are_listed),
};

} // namespace

CHECK_MAIN(tests)
