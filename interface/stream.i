/* stream.i: streams, which write into any buffer of int16, float32 or float64. */
%include "structs.i"

%buffer_in(uint32_t, (const uint32_t *channels, size_t channel_count))
%buffer_out_of((hwsim_format format, void *out, size_t values), "int16, float32 or float64",
               %element(int16_t, HWSIM_FORMAT_INT16) %element(float, HWSIM_FORMAT_FLOAT32)
               %element(double, HWSIM_FORMAT_FLOAT64))

%typemap(doc, name="out") (hwsim_format format, void *out, size_t values) ""

%feature("docstring") hwsim::stream::stop
  "Ends the stream: reads that wait return what is there, later ones nothing.";

namespace hwsim {

class stream {
public:
  void stop();
  hwsim_stream_status status() const;
  double volts_per_code(uint32_t i) const;
  int64_t start_ns() const;

  %extend {
    stream(hwsim::device &device, const hwsim_stream_config &config, const uint32_t *channels,
           size_t channel_count) {
      hwsim_stream_config all = config;
      all.channels = channels;
      all.channel_count = static_cast<uint32_t>(channel_count);
      return new hwsim::stream(device, all);
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

} // namespace hwsim
