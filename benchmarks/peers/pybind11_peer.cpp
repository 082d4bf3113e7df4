/* pybind11: its call guard releases the GIL. A callback is a std::function, which takes the GIL for
 * each call; it gets a copy of the event, so that it may keep it. */
#include <pybind11/functional.h>
#include <pybind11/pybind11.h>

#include "device.hpp"

namespace py = pybind11;
using release = py::call_guard<py::gil_scoped_release>;

PYBIND11_MODULE(pybind11_peer, module, py::mod_gil_not_used()) {
  py::class_<Event>(module, "Event")
      .def_readonly("kind", &Event::kind)
      .def_readonly("time_s", &Event::time_s)
      .def_readonly("sequence", &Event::sequence)
      .def_readonly("channel", &Event::channel)
      .def_readonly("value", &Event::value)
      .def_readonly("lost", &Event::lost);
  py::class_<Device>(module, "Device")
      .def(py::init<const std::string &>())
      .def("read_register", &Device::read_register, release())
      .def("write_register", &Device::write_register, release())
      .def("advance", &Device::advance, release())
      .def("on_event", &Device::on_event)
      .def("close", &Device::close, release());
}
