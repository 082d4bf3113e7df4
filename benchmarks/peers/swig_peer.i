/* SWIG as it comes: proxy classes in Python; threads="1", that is -threads, releases the GIL. A
 * callback is a virtual method of a director class, which takes the GIL for each call; what it gets
 * refers to the event, and is valid during the call. */
%module(threads="1", directors="1") swig_peer

%{
#include "device.hpp"
%}

%include <exception.i>
%include <stdint.i>
%include <std_string.i>

%exception {
  try {
    $action
  } catch (const std::exception &e) {
    SWIG_exception(SWIG_RuntimeError, e.what());
  }
}

%feature("director") Listener;
%inline %{
class Listener {
public:
  virtual ~Listener() = default;
  virtual void on_event(const Event &event) = 0;
};
%}

%pythoncode %{
class Callback(Listener):
    """Has a callable in the place of the method."""

    def __init__(self, callback):
        super().__init__()
        self.on_event = callback
%}

%extend Device {
  void listen(Listener *listener) {
    $self->on_event([listener](const Event &event) { listener->on_event(event); });
  }
  %pythoncode %{
    def on_event(self, callback):
        """Calls the callback with each event."""
        self._listener = Callback(callback)
        self.listen(self._listener)
  %}
}

%ignore Device::on_event;
%immutable;
%include "device.hpp"
