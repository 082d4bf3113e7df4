/* nanobind: its call guard releases the GIL; unnamed arguments take its fastest path. A callback is
 * a std::function, which takes the GIL for each call; it gets a copy of the event, so that it may
 * keep it. */
#include <nanobind/nanobind.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/string.h>

#include "device.hpp"

namespace nb = nanobind;
using release = nb::call_guard<nb::gil_scoped_release>;

NB_MODULE(nanobind_peer, module) {
  nb::class_<Event>(module, "Event")
      .def_ro("kind", &Event::kind)
      .def_ro("time_s", &Event::time_s)
      .def_ro("sequence", &Event::sequence)
      .def_ro("channel", &Event::channel)
      .def_ro("value", &Event::value)
      .def_ro("lost", &Event::lost);
  nb::class_<Device>(module, "Device")
      .def(nb::init<const std::string &>())
      .def("read_register", &Device::read_register, release())
      .def("write_register", &Device::write_register, release())
      .def("advance", &Device::advance, release())
      .def("on_event", &Device::on_event)
      .def("close", &Device::close, release());
}
