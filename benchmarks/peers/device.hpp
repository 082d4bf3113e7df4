/* The C library as a class that throws: what a C++ tool binds. No option that the benchmarks do not
 * use, so that it costs nothing. */
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "hwsim/hwsim.h"

class Device {
public:
  explicit Device(const std::string &uri) { check(hwsim_device_open(uri.c_str(), &handle)); }
  ~Device() { hwsim_device_free(handle); }
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  uint32_t read_register(uint32_t address) {
    uint32_t value;
    check(hwsim_register_read(handle, address, nullptr, &value));
    return value;
  }

  void write_register(uint32_t address, uint32_t value) {
    check(hwsim_register_write(handle, address, value, nullptr));
  }

private:
  static void check(hwsim_error error) {
    if (error)
      throw std::runtime_error(hwsim_error_last()->message);
  }

  hwsim_device *handle = nullptr;
};
