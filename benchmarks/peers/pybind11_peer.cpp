/* pybind11: its call guard releases the GIL. */
#include <pybind11/pybind11.h>

#include "device.hpp"

namespace py = pybind11;
using release = py::call_guard<py::gil_scoped_release>;

PYBIND11_MODULE(pybind11_peer, module, py::mod_gil_not_used()) {
  py::class_<Device>(module, "Device")
      .def(py::init<const std::string &>())
      .def("read_register", &Device::read_register, release())
      .def("write_register", &Device::write_register, release());
}
