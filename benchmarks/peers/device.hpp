/* The C library as a class that throws: what a C++ tool binds. No option that the benchmarks do not
 * use, so that it costs nothing. */
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

#include "source.h"

/* As hwsim.Event; what is not looked at is not converted. */
struct Event {
  const char *kind;
  double time_s;
  uint64_t sequence;
  uint32_t channel;
  double value;
  uint64_t lost;
};

class Device {
public:
  explicit Device(const std::string &uri) { check(hwsim_device_open(uri.c_str(), &handle)); }
  ~Device() { hwsim_device_free(handle); } /* close() it before, if it has a callback */
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  uint64_t read_register(uint32_t address) {
    uint64_t value;
    check(hwsim_register_read(handle, address, nullptr, &value));
    return value;
  }

  void write_register(uint32_t address, uint64_t value) {
    check(hwsim_register_write(handle, address, value, nullptr));
  }

  void advance(double seconds) { check(hwsim_clock_advance(handle, std::llround(seconds * 1e9))); }

  void on_event(std::function<void(const Event &)> function) {
    callback = std::move(function);
    check(event_source_new(handle, call, nullptr, this, &source));
  }

  void close() {
    event_source_free(source);
    source = nullptr;
    callback = nullptr;
  }

private:
  static void check(hwsim_error error) {
    if (error)
      throw std::runtime_error(hwsim_error_last()->message);
  }

  static void call(void *user, const hwsim_event *event) {
    static_cast<Device *>(user)->callback(
        Event{hwsim_event_name(event->kind), static_cast<double>(event->time_ns) / 1e9,
              event->sequence, event->channel, event->value, event->lost});
  }

  hwsim_device *handle = nullptr;
  event_source *source = nullptr;
  std::function<void(const Event &)> callback;
};
