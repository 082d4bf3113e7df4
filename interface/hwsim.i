/* hwsim.i: the module hwsim._native. What is wrapped, under which name, and with which policy. */
%module(package="hwsim") _native

%{
#include "hwsim/hwsim.hpp"

/* At exit a callback that does not return is waited for so long. */
#define CALLBACKS_STOP (void)!hwsim_events_stop(INT64_C(5000000000))
#define GIL_HOOKS hwsim_hooks
#define GIL_INSTALL_HOOKS(hooks) hwsim_hooks_set(hooks)
#define ERRORS_OWN                                                                                 \
  catch (const hwsim::error &e) {                                                                  \
    static factory from_code("hwsim.errors", "from_code");                                         \
    const hwsim_block *partial = e.partial();                                                      \
    raise_new(from_code, partial ? "(iNss(KnK))" : "(iNss)", static_cast<int>(e.code()),           \
              text(e.what()), e.device().c_str(), e.operation().c_str(),                           \
              static_cast<unsigned long long>(partial ? partial->first_index : 0),                 \
              static_cast<Py_ssize_t>(partial ? partial->count : 0),                               \
              static_cast<unsigned long long>(partial ? partial->lost : 0));                       \
  }
%}

%include "errors.i"
%include "arguments.i"
%include "buffers.i"
%include "gil.i"
%include "callbacks.i"
%include "lifetime.i"
%include "keywords.i"

/* ----------------------------------------------------------------------------------- policies -- */

/* What waits for the bus. Zero-latency devices and virtual clocks never wait; on others most waits
 * are long, and then the GIL goes. */
%gil_when_blocking(hwsim::device::read_register)
%gil_when_blocking(hwsim::device::write_register)
%gil_when_blocking(hwsim::device::get_item)
%gil_when_blocking(hwsim::device::set_item)
%gil_when_blocking(hwsim::device::read_block)
%gil_when_blocking(hwsim::device::write_block)
%gil_when_blocking(hwsim::device::update_register)
%gil_when_blocking(hwsim::device::wait_register)
%gil_when_blocking(hwsim::device::read_voltage)
%gil_when_blocking(hwsim::device::reset)
%gil_when_blocking(hwsim::device::wait_pending)

%gil_when_blocking(hwsim::device::trigger)
%gil_when_blocking(hwsim::subscription::next)
%gil_when_blocking(hwsim::stream::read)
%gil_when_blocking(hwsim::device::program_firmware)

/* Never blocks: a critical section of the device, short by the library's own rule. */
%initialise_once(hwsim::device::device)
%gil_hold(hwsim::device::close)
%gil_hold(hwsim::device::~device)
%gil_hold(hwsim::device::cancel)
%gil_hold(hwsim::device::is_open)
%gil_hold(hwsim::device::config)
%gil_hold(hwsim::device::default_timeout)
%gil_hold(hwsim::device::set_default_timeout)
%gil_hold(hwsim::device::transactions)
%gil_hold(hwsim::device::pending)
%gil_hold(hwsim::device::now_ns)
%gil_hold(hwsim::device::advance)
%gil_hold(hwsim::device::signal)
%gil_hold(hwsim::device::firmware_version)
%gil_hold(hwsim::device::clear_calibration)
%gil_hold(hwsim::device::inject)
%gil_hold(hwsim::device::clear_faults)
%gil_hold(hwsim::device::timer)
%gil_hold(hwsim::device::set_timer)
%gil_hold(hwsim::device::set_threshold)
%gil_hold(hwsim::device::clear_threshold)
%initialise_once(hwsim::subscription::subscription)
%gil_hold(hwsim::subscription::~subscription)
%gil_hold(hwsim::subscription::close)
%gil_hold(hwsim::subscription::is_open)
%gil_hold(hwsim::subscription::status)
%initialise_once(hwsim::stream::stream)
%gil_hold(hwsim::stream::~stream)
%gil_hold(hwsim::stream::stop)
%gil_hold(hwsim::stream::status)
%gil_hold(hwsim::stream::volts_per_code)
%initialise_once(hwsim::cancel_token::cancel_token)
%gil_hold(hwsim::cancel_token::~cancel_token)
%gil_hold(hwsim::cancel_token::cancel)
%gil_hold(hwsim::cancel_token::is_cancelled)
/* Static data. */
%gil_hold(hwsim::find_register)
%gil_hold(register_map)

/* The default, release, for what takes as long as its data: hwsim::list_devices, check_firmware,
 * device::set_signal (copies a table of any length) and device::calibrate (computes). */

/* -------------------------------------------------------------------------------- conversions -- */

%fragment("seconds", "header") %{
#include <cmath>

/* Seconds as a number to nanoseconds; math.inf to HWSIM_TIMEOUT_NEVER. */
static bool seconds_to_ns(PyObject *object, const char *name, const char *what, int64_t *ns_out) {
  double seconds = PyFloat_AsDouble(object);
  if (seconds == -1.0 && PyErr_Occurred())
    return arguments::fail(PyExc_TypeError, name, what, object);
  if (!(seconds >= 0))
    return arguments::fail(PyExc_ValueError, name, what, object);
  *ns_out = seconds >= 9.2e9 ? HWSIM_TIMEOUT_NEVER : std::llround(seconds * 1e9);
  return true;
}
%}

%typemap(in, fragment="seconds") hwsim::timeout {
  int64_t ns = 0;
  if ($input != Py_None) {
    if (!seconds_to_ns($input, "timeout", "None or a number of seconds from 0 to math.inf", &ns))
      SWIG_fail;
    $1 = std::chrono::nanoseconds(ns);
  }
}
%typemap(out) hwsim::timeout {
  int64_t ns = $1.ns();
  $result = PyFloat_FromDouble(ns == HWSIM_TIMEOUT_NEVER ? HUGE_VAL : static_cast<double>(ns) / 1e9);
}
%typemap(in, fragment="seconds") std::chrono::nanoseconds {
  int64_t ns = 0;
  const char *what = "a number of seconds from 0 to 9e9";
  if (!seconds_to_ns($input, "$1_name", what, &ns)) SWIG_fail;
  if (ns == HWSIM_TIMEOUT_NEVER && !arguments::fail(PyExc_ValueError, "$1_name", what, $input))
    SWIG_fail;
  $1 = std::chrono::nanoseconds(ns);
}
%apply SWIGTYPE *OPTIONAL { const hwsim::cancel_token *cancel };

%buffer_in(uint32_t, (const uint32_t *values, size_t count))
%buffer_in(uint32_t, (const uint32_t *channels, size_t channel_count))
%buffer_out(uint32_t, (uint32_t *values, size_t count))
%buffer_in_or_none(double, (const double *table_v, size_t table_length))
%buffer_in(uint8_t, (const uint8_t *image, size_t size))
%buffer_out(double, (double *inl, size_t inl_size))
%buffer_out(double, (double *dnl, size_t dnl_size))
%typemap(in) (hwsim_format format, void *out, size_t values) (buffers::lock buffer) {
  if (!buffer.acquire($input, true, "$2_name")) SWIG_fail;
  if (buffer.holds<int16_t>())
    $1 = HWSIM_FORMAT_INT16;
  else if (buffer.holds<float>())
    $1 = HWSIM_FORMAT_FLOAT32;
  else if (buffer.holds<double>())
    $1 = HWSIM_FORMAT_FLOAT64;
  else {
    buffer.fail_type("$2_name", "int16, float32 or float64");
    SWIG_fail;
  }
  $2 = buffer.data();
  $3 = buffer.count();
}

/* Structures come as dictionaries or tuples: copies, which no pointer can outlive. */
%typemap(out) const hwsim_config & {
  static const char *const clocks[] = {"real", "scaled", "virtual", "manual"};
  $result = Py_BuildValue("{sssLsLsdsIsKsssdsdsdsd}", "name", $1->name, "latency_ns",
                          (long long)$1->latency_ns, "jitter_ns", (long long)$1->jitter_ns,
                          "bandwidth_bps", $1->bandwidth_bps, "channels", $1->channels, "seed",
                          (unsigned long long)$1->seed, "clock", clocks[$1->clock], "clock_scale",
                          $1->clock_scale, "sample_rate_hz", $1->sample_rate_hz, "range_v",
                          $1->range_v, "noise_v", $1->noise_v);
}
%typemap(out) hwsim_signal {
  const hwsim_signal &signal = $1;
  $result = Py_BuildValue("(iddddddddd)", static_cast<int>(signal.waveform), signal.amplitude_v,
                          signal.offset_v, signal.frequency_hz, signal.phase_turns, signal.noise_v,
                          signal.gain_error, signal.offset_error_v, signal.inl_lsb, signal.range_v);
}
%typemap(out) hwsim_block {
  $result = Py_BuildValue("(KnK)", static_cast<unsigned long long>($1.first_index),
                          static_cast<Py_ssize_t>($1.count),
                          static_cast<unsigned long long>($1.lost));
}
%typemap(out) hwsim_stream_status {
  $result = Py_BuildValue("(KKKN)", static_cast<unsigned long long>($1.available),
                          static_cast<unsigned long long>($1.read),
                          static_cast<unsigned long long>($1.lost), PyBool_FromLong($1.running));
}
%typemap(out) hwsim_calibration {
  $result = Py_BuildValue("(dddddddddIdd)", $1.amplitude_v, $1.offset_v, $1.phase_turns, $1.cycles,
                          $1.gain_error, $1.sinad_db, $1.enob, $1.inl_lsb, $1.dnl_lsb,
                          $1.missing_codes, $1.reference_v, $1.overdrive_v);
}
%fragment("progress", "header") %{
static int report_progress(void *callable, uint64_t done, uint64_t total) {
  return !callbacks::call(static_cast<PyObject *>(callable), "(KK)",
                          static_cast<unsigned long long>(done),
                          static_cast<unsigned long long>(total));
}
%}
%typemap(in, fragment="progress") const hwsim_progress *progress (hwsim_progress local) {
  if (!callbacks::check($input, "$1_name")) SWIG_fail;
  local = {report_progress, $input};
  $1 = $input == Py_None ? nullptr : &local;
}
%typemap(argout) const hwsim_progress *progress {
  if (PyErr_Occurred()) SWIG_fail;
}
%typemap(out) hwsim_subscription_status {
  $result = Py_BuildValue("(KKK)", static_cast<unsigned long long>($1.queued),
                          static_cast<unsigned long long>($1.delivered),
                          static_cast<unsigned long long>($1.lost));
}
%typemap(in, fragment="as_object") hwsim::subscription::handler {
  if ($input != Py_None) {
    if (callbacks::stopped) {
      PyErr_SetString(PyExc_RuntimeError, "no callbacks any more: the interpreter is shutting down");
      SWIG_fail;
    }
    std::shared_ptr<callbacks::target> target;
    try {
      target = std::make_shared<callbacks::target>($input);
    }
    ERRORS_CATCH
    $1 = [target](hwsim::event_batch &batch) {
      target->deliver([&batch]() -> PyObject * {
        const hwsim_event *event = batch.next();
        return event ? as_object(*event) : nullptr;
      });
    };
  }
}
%fragment("as_object", "header") %{
/* The name of a kind, which is made once. */
static PyObject *kind_name(hwsim_event_kind kind) {
  static const std::vector<PyObject *> names = [] {
    std::vector<PyObject *> made;
    for (int k = 0; const char *name = hwsim_event_name(static_cast<hwsim_event_kind>(k)); k++)
      made.push_back(PyUnicode_InternFromString(name));
    return made;
  }();
  return Py_XNewRef(names[static_cast<size_t>(kind)]);
}

/* An hwsim.events.Event: a named tuple, made without running Python code. */
static PyObject *as_object(const hwsim_event &event) {
  static errors::factory event_class("hwsim.events", "Event");
  PyTypeObject *type = reinterpret_cast<PyTypeObject *>(event_class.get());
  PyObject *items[] = {kind_name(event.kind),
                       PyFloat_FromDouble(static_cast<double>(event.time_ns) / 1e9),
                       PyLong_FromUnsignedLongLong(event.sequence),
                       PyLong_FromUnsignedLong(event.channel),
                       PyFloat_FromDouble(event.value),
                       PyLong_FromUnsignedLongLong(event.lost)};
  PyObject *result = type ? type->tp_alloc(type, std::size(items)) : nullptr;
  for (size_t i = 0; i < std::size(items); i++) {
    if (result)
      PyTuple_SET_ITEM(result, static_cast<Py_ssize_t>(i), items[i]);
    else
      Py_XDECREF(items[i]);
  }
  if (PyErr_Occurred())
    Py_CLEAR(result);
  return result;
}
static PyObject *as_object(const hwsim_register &entry) {
  return Py_BuildValue("(sIsIIs)", entry.name, entry.address, hwsim_access_name(entry.access),
                       entry.reset_value, entry.writable, entry.description);
}
static PyObject *as_object(const hwsim_listing &entry) {
  return Py_BuildValue("(sN)", entry.name, PyBool_FromLong(entry.in_use));
}
template <class Entry> static PyObject *as_list(const std::vector<Entry> &entries) {
  PyObject *list = PyList_New(0);
  for (const Entry &entry : entries) {
    PyObject *item = list ? as_object(entry) : nullptr;
    if (!item || PyList_Append(list, item)) Py_CLEAR(list);
    Py_XDECREF(item);
  }
  return list;
}
%}
%typemap(out, fragment="as_object") const hwsim_register & { $result = as_object(*$1); }
%typemap(out, fragment="as_object") std::vector<hwsim_register> { $result = as_list<hwsim_register>($1); }
%typemap(out, fragment="as_object") std::vector<hwsim_event> { $result = as_list<hwsim_event>($1); }
%typemap(out, fragment="as_object") std::vector<hwsim_listing> { $result = as_list<hwsim_listing>($1); }

/* -------------------------------------------------------------------------------- what is wrapped -- */

/* An underscore: device.py completes it. */
%rename(Device) hwsim::device;
%rename(Stream) hwsim::stream;
%rename(Subscription) hwsim::subscription;
%rename(_is_open) hwsim::subscription::is_open;
%rename(_status) hwsim::subscription::status;
%rename(_next) hwsim::subscription::next;
%rename(_timer) hwsim::device::timer;
%rename(_set_timer) hwsim::device::set_timer;
%rename(_trigger) hwsim::device::trigger;
%rename(_set_threshold) hwsim::device::set_threshold;
%rename(_status) hwsim::stream::status;
%rename(_read) hwsim::stream::read;
%rename(_volts_per_code) hwsim::stream::volts_per_code;
%rename(_is_open) hwsim::device::is_open;
%rename(_config) hwsim::device::config;
%rename(_reset) hwsim::device::reset;
%rename(_timeout) hwsim::device::default_timeout;
%rename(_set_timeout) hwsim::device::set_default_timeout;
%rename(_transactions) hwsim::device::transactions;
%rename(_pending) hwsim::device::pending;
%rename(_wait_pending) hwsim::device::wait_pending;
%rename(_now_ns) hwsim::device::now_ns;
%rename(_read_block) hwsim::device::read_block;
%rename(_write_block) hwsim::device::write_block;
%rename(_update_register) hwsim::device::update_register;
%rename(_wait_register) hwsim::device::wait_register;
%rename(_signal) hwsim::device::signal;
%rename(_set_signal) hwsim::device::set_signal;
%rename(_read_voltage) hwsim::device::read_voltage;
%rename(_calibrate) hwsim::device::calibrate;
%rename(_program_firmware) hwsim::device::program_firmware;
%rename(_firmware_version) hwsim::device::firmware_version;
%rename(_inject) hwsim::device::inject;
%rename(_is_cancelled) hwsim::cancel_token::is_cancelled;
%rename(CancelToken) hwsim::cancel_token;
%feature("compactdefaultargs");
%feature("python:slot", "mp_subscript", functype="binaryfunc") hwsim::device::get_item;
%feature("python:slot", "mp_ass_subscript", functype="objobjargproc") hwsim::device::set_item;
%rename(_get_item) hwsim::device::get_item;
%rename(_set_item) hwsim::device::set_item;

namespace hwsim {

class cancel_token {
public:
  cancel_token();
  void cancel();
  bool is_cancelled() const;
};

class device {
public:
  explicit device(const std::string &uri);
  void close();
  void cancel();
  bool is_open() const;
  const hwsim_config &config() const;
  void reset(hwsim::timeout limit = {}, const hwsim::cancel_token *cancel = nullptr);
  hwsim::timeout default_timeout() const;
  void set_default_timeout(hwsim::timeout limit);
  uint64_t transactions() const;
  uint32_t pending() const;
  void wait_pending(uint32_t count, hwsim::timeout limit = {},
                    const hwsim::cancel_token *cancel = nullptr);

  int64_t now_ns() const;
  void advance(std::chrono::nanoseconds seconds);

  uint32_t read_register(uint32_t address);
  void write_register(uint32_t address, uint32_t value);
  %rename(_read_register) read_register(uint32_t, hwsim::timeout, const hwsim::cancel_token *);
  %rename(_write_register) write_register(uint32_t, uint32_t, hwsim::timeout,
                                          const hwsim::cancel_token *);
  uint32_t read_register(uint32_t address, hwsim::timeout limit,
                         const hwsim::cancel_token *cancel);
  void write_register(uint32_t address, uint32_t value, hwsim::timeout limit,
                      const hwsim::cancel_token *cancel);
  void read_block(uint32_t address, uint32_t *values, size_t count, hwsim::timeout limit = {},
                  const hwsim::cancel_token *cancel = nullptr);
  void write_block(uint32_t address, const uint32_t *values, size_t count,
                   hwsim::timeout limit = {}, const hwsim::cancel_token *cancel = nullptr);
  uint32_t update_register(uint32_t address, uint32_t mask, uint32_t value,
                           hwsim::timeout limit = {}, const hwsim::cancel_token *cancel = nullptr);
  uint32_t wait_register(uint32_t address, uint32_t mask, uint32_t expected,
                         hwsim::timeout limit = {}, const hwsim::cancel_token *cancel = nullptr);

  hwsim_signal signal(uint32_t channel) const;
  double read_voltage(uint32_t channel, hwsim::timeout limit = {},
                      const hwsim::cancel_token *cancel = nullptr);
  hwsim::timeout timer() const;
  void set_timer(std::chrono::nanoseconds timer);
  void set_threshold(uint32_t channel, double level, double hysteresis);
  void clear_threshold(uint32_t channel);
  void trigger(double value, hwsim::timeout limit = {},
               const hwsim::cancel_token *cancel = nullptr);
  void clear_faults();
  void clear_calibration(uint32_t channel);
  uint32_t firmware_version() const;

  %extend {
    hwsim_calibration calibrate(uint32_t channel, uint64_t samples, double *inl, size_t inl_size,
                                double *dnl, size_t dnl_size, hwsim::timeout limit,
                                const hwsim::cancel_token *cancel, const hwsim_progress *progress) {
      if (inl_size != HWSIM_CODES || dnl_size != HWSIM_CODES)
        throw std::invalid_argument("inl and dnl must hold 65536 values each");
      return hwsim::calibrate(*$self, channel, samples, inl, dnl, limit, cancel, progress);
    }
    void program_firmware(const uint8_t *image, size_t size, bool verify, uint32_t retries,
                          bool exclusive, hwsim::timeout limit, const hwsim::cancel_token *cancel,
                          const hwsim_progress *progress) {
      const hwsim_firmware_options options = {verify, retries, exclusive};
      hwsim::program_firmware(*$self, image, size, options, limit, cancel, progress);
    }

    uint32_t get_item(uint32_t address) { return $self->read_register(address); }
    void set_item(uint32_t address, uint32_t value) { $self->write_register(address, value); }

    void set_signal(uint32_t channel, int32_t waveform, double amplitude, double offset,
                    double frequency, double phase, double noise, double gain_error,
                    double offset_error, double inl, double range, const double *table_v,
                    size_t table_length) {
      const hwsim_signal signal = {static_cast<hwsim_waveform>(waveform), amplitude, offset,
                                   frequency, phase, noise, gain_error, offset_error, inl, range};
      $self->set_signal(channel, signal, table_v, table_length);
    }
    void inject(const std::string &kind, uint64_t at, uint64_t count, double probability,
                std::chrono::nanoseconds extra, uint32_t address, uint32_t mask, uint32_t value) {
      hwsim_fault fault = hwsim::make_fault(kind);
      fault.at = at;
      fault.count = count;
      fault.probability = probability;
      fault.extra_ns = extra.count();
      fault.address = address;
      fault.mask = mask;
      fault.value = value;
      $self->inject(fault);
    }
  }
};

class stream {
public:
  void stop();
  hwsim_stream_status status() const;
  double volts_per_code(uint32_t i) const;

  %extend {
    stream(hwsim::device &device, double rate, const uint32_t *channels, size_t channel_count,
           uint64_t buffer, uint64_t total, uint64_t first_index, int32_t overrun) {
      const hwsim_stream_config config = {rate, channels, static_cast<uint32_t>(channel_count),
                                          buffer, total, first_index,
                                          static_cast<hwsim_overrun>(overrun)};
      return new hwsim::stream(device, config);
    }
    hwsim_block read(hwsim_format format, void *out, size_t values, hwsim::timeout limit = {},
                     const hwsim::cancel_token *cancel = nullptr) {
      size_t channels = $self->channel_count();
      if (!values || values % channels)
        throw std::invalid_argument("out must hold a multiple of " + std::to_string(channels) +
                                    " values, one for each channel; got " + std::to_string(values));
      return $self->read(format, out, values / channels, limit, cancel);
    }
  }
};

class subscription {
public:
  void close();
  bool is_open() const;
  hwsim_subscription_status status() const;
  std::vector<hwsim_event> next(size_t count, hwsim::timeout limit = {},
                                const hwsim::cancel_token *cancel = nullptr);

  %extend {
    subscription(hwsim::device &device, uint32_t kinds, uint32_t queue, int32_t overflow,
                 hwsim::subscription::handler handler) {
      return new hwsim::subscription(device, kinds, queue, static_cast<hwsim_overflow>(overflow),
                                     std::move(handler));
    }
  }
};

const hwsim_register &find_register(const std::string &name);
std::vector<hwsim_listing> list_devices();

} // namespace hwsim

%inline %{
uint32_t check_firmware(const uint8_t *image, size_t size) {
  return hwsim::check_firmware(image, size);
}

std::vector<hwsim_register> register_map() {
  size_t count = 0;
  const hwsim_register *map = hwsim_register_map(&count);
  return std::vector<hwsim_register>(map, map + count);
}
%}

%seal_classes
%keyword_method(hwsim::device, read_register, 1, _wrap_Device_read_register,
                _wrap_Device__read_register, "address timeout cancel",
  "read_register($self, address, *, timeout=None, cancel=None)\n--\n\n"
  "Reads the register at ``address``. Blocks; may be called from any thread.\n\n"
  "Args:\n"
  "    address: In bytes, a multiple of 4.\n"
  "    timeout: In seconds; None: the device's.\n"
  "    cancel: A CancelToken that stops the call.\n\n"
  "Raises:\n"
  "    AddressError: There is no register at this address.\n"
  "    AccessError: The register is write-only.\n")
%keyword_method(hwsim::device, write_register, 2, _wrap_Device_write_register,
                _wrap_Device__write_register, "address value timeout cancel",
  "write_register($self, address, value, *, timeout=None, cancel=None)\n--\n\n"
  "Writes the register at ``address``. Blocks; may be called from any thread.\n\n"
  "Args:\n"
  "    address: In bytes, a multiple of 4.\n"
  "    value: From 0 to 4294967295.\n"
  "    timeout: In seconds; None: the device's.\n"
  "    cancel: A CancelToken that stops the call.\n\n"
  "Raises:\n"
  "    AddressError: There is no register at this address.\n"
  "    AccessError: The register is read-only.\n")
