/* device.i: the device, and what is done with it. */
%include "structs.i"
%include "kit/callbacks.i"
%include "model.i"
%include "behaviours.i"

%buffer_in(uint32_t, (const uint32_t *values, size_t count))
%buffer_out(uint32_t, (uint32_t *values, size_t count))
%buffer_in(uint8_t, (const uint8_t *data, size_t count))
%buffer_out(uint8_t, (uint8_t *data, size_t count))
%buffer_in_or_none(double, (const double *table_v, size_t table_length))
%buffer_in_or_none(double, (const double *function_v, size_t function_length))
%buffer_in(uint8_t, (const uint8_t *image, size_t size))
%buffer_out(double, (double *volts, size_t volts_size))
%buffer_out(double, (double *inl, size_t inl_size))
%buffer_out(double, (double *dnl, size_t dnl_size))

%nullable(const hwsim::device, to)
%limits(uint32_t, channel, 0, arg1->config().channels - 1)
%limits(uint64_t, samples, HWSIM_CALIBRATION_SHORTEST, HWSIM_CALIBRATION_LONGEST)

/* Progress is a callable, or None. */
%{
static int report_progress(void *callable, uint64_t done, uint64_t total) {
  return !callbacks::call(static_cast<PyObject *>(callable), "(KK)",
                          static_cast<unsigned long long>(done),
                          static_cast<unsigned long long>(total));
}
%}
%typemap(in, pytype="Callable[[int, int], object] | None")
    const hwsim_progress *progress (hwsim_progress local) {
  if (!callbacks::check($input, "$1_name")) SWIG_fail;
  local = {report_progress, $input};
  $1 = $input == Py_None ? nullptr : &local;
}
%typemap(argout) const hwsim_progress *progress {
  if (PyErr_Occurred()) SWIG_fail;
}

/* device[address] */
%item_get(hwsim::device, read_register)
%item_set(hwsim::device, write_register)

/* A call with options has a name of its own; hot.i puts the two together. */
%rename("%s") hwsim::device::read_register(uint32_t);
%rename("%s") hwsim::device::write_register(uint32_t, uint64_t);

%feature("docstring") hwsim::device::cancel
  "Ends every operation that waits on the device with OperationCancelled. Never blocks.";
%feature("docstring") hwsim::device::advance
  "Moves a manual clock on; what is due by then takes effect. StateError: another clock.";
%feature("docstring") hwsim::device::clear_faults
  "Disarms every fault; a disconnected device stays so.";
%feature("docstring") hwsim::device::clear_threshold "Removes the comparator of a channel.";
%feature("docstring") hwsim::device::disconnect
  "Takes an output away from a channel: its power-on signal is back.";
%feature("docstring") hwsim::device::clear_calibration "Removes the correction of a channel.";

namespace hwsim {

class device {
public:
  explicit device(const std::string &uri, const hwsim::model *model = nullptr);
  void close();
  void cancel();
  bool is_open() const;
  const hwsim_config &config() const;
  void reset(hwsim::timeout limit = {}, const hwsim::cancel_token *cancel = nullptr);
  hwsim::timeout default_timeout() const;
  void set_default_timeout(hwsim::timeout limit);
  uint64_t transactions() const;
  uint32_t pending() const;
  bool is_connected() const;
  void wait_connected(bool connected, hwsim::timeout limit = {},
                      const hwsim::cancel_token *cancel = nullptr);
  void wait_pending(uint32_t count, hwsim::timeout limit = {},
                    const hwsim::cancel_token *cancel = nullptr);

  int64_t now_ns() const;
  void advance(std::chrono::nanoseconds seconds);

  uint64_t read_register(uint32_t address);
  %argument_pair(uint32_t address, uint64_t value)
  void write_register(uint32_t address, uint64_t value);
  %clear (uint32_t address, uint64_t value);
  uint64_t read_register(uint32_t address, hwsim::timeout limit,
                         const hwsim::cancel_token *cancel);
  void write_register(uint32_t address, uint64_t value, hwsim::timeout limit,
                      const hwsim::cancel_token *cancel);
  void read_block(uint32_t address, uint32_t *values, size_t count, hwsim::timeout limit = {},
                  const hwsim::cancel_token *cancel = nullptr);
  void write_block(uint32_t address, const uint32_t *values, size_t count,
                   hwsim::timeout limit = {}, const hwsim::cancel_token *cancel = nullptr);
  void read_bytes(uint32_t address, uint8_t *data, size_t count, hwsim::timeout limit = {},
                  const hwsim::cancel_token *cancel = nullptr);
  void write_bytes(uint32_t address, const uint8_t *data, size_t count, hwsim::timeout limit = {},
                   const hwsim::cancel_token *cancel = nullptr);
  uint64_t update_register(uint32_t address, uint64_t mask, uint64_t value,
                           hwsim::timeout limit = {}, const hwsim::cancel_token *cancel = nullptr);
  uint64_t wait_register(uint32_t address, uint64_t mask, uint64_t expected,
                         hwsim::timeout limit = {}, const hwsim::cancel_token *cancel = nullptr);

  hwsim_signal default_signal(uint32_t channel) const;
  hwsim_signal signal(uint32_t channel) const;
  void set_signal(uint32_t channel, const hwsim_signal &signal, const double *table_v,
                  size_t table_length);
  double output(uint32_t number) const;
  hwsim_output_scale output_scale(uint32_t number) const;
  void set_output(uint32_t number, double volts, hwsim::timeout limit = {},
                  const hwsim::cancel_token *cancel = nullptr);
  void connect(uint32_t channel, const hwsim_connection &connection, const double *function_v,
               size_t function_length, const device *to);
  void disconnect(uint32_t channel);
  std::vector<hwsim_link> connections() const;
  double read_voltage(uint32_t channel, hwsim::timeout limit = {},
                      const hwsim::cancel_token *cancel = nullptr);
  hwsim::timeout timer() const;
  void set_timer(std::chrono::nanoseconds timer);
  void set_threshold(uint32_t channel, double level, double hysteresis);
  void clear_threshold(uint32_t channel);
  void trigger(double value, hwsim::timeout limit = {},
               const hwsim::cancel_token *cancel = nullptr);
  void inject(const hwsim_fault &fault);
  void clear_faults();
  void clear_calibration(uint32_t channel);
  uint32_t firmware_version() const;

  %extend {
    std::string name() const { return $self->config().name; }
    void behave(PyObject *object, PyObject *methods) {
      behaviours::set(*$self, object, methods);
    }
    PyObject *description() const { return models::describe($self->description()); }
    const hwsim_register &find_register(const std::string &name) const {
      const hwsim_register *found = nullptr;
      hwsim::check(hwsim_model_find(&$self->description(), name.c_str(), &found));
      return *found;
    }
    void read_voltages(const uint32_t *values, size_t count, double *volts, size_t volts_size,
                       hwsim::timeout limit = {}, const hwsim::cancel_token *cancel = nullptr) {
      if (volts_size != count)
        throw std::invalid_argument("volts must hold one value for each channel");
      $self->read_voltages(values, count, volts, limit, cancel);
    }

    hwsim_calibration calibrate(uint32_t channel, uint64_t samples, double *inl, size_t inl_size,
                                double *dnl, size_t dnl_size, hwsim::timeout limit,
                                const hwsim::cancel_token *cancel, const hwsim_progress *progress) {
      if (inl_size != HWSIM_CODES || dnl_size != HWSIM_CODES)
        throw std::invalid_argument("inl and dnl must hold 65536 values each");
      return hwsim::calibrate(*$self, channel, samples, inl, dnl, limit, cancel, progress);
    }
    void program_firmware(const uint8_t *image, size_t size, const hwsim_firmware_options &options,
                          hwsim::timeout limit, const hwsim::cancel_token *cancel,
                          const hwsim_progress *progress) {
      hwsim::program_firmware(*$self, image, size, options, limit, cancel, progress);
    }
  }
};

} // namespace hwsim
