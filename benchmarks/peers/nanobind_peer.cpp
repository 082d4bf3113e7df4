/* nanobind: its call guard releases the GIL; unnamed arguments take its fastest path. */
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "device.hpp"

namespace nb = nanobind;
using release = nb::call_guard<nb::gil_scoped_release>;

NB_MODULE(nanobind_peer, module) {
  nb::class_<Device>(module, "Device")
      .def(nb::init<const std::string &>())
      .def("read_register", &Device::read_register, release())
      .def("write_register", &Device::write_register, release());
}
