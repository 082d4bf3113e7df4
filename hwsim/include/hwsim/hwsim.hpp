// hwsim for C++17: the C interface with RAII, and exceptions instead of error codes.
// Header-only. What each function does, when it blocks and how it can fail stands in hwsim.h.
#ifndef HWSIM_HPP
#define HWSIM_HPP

#include "hwsim/hwsim.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace hwsim {

// ------------------------------------------------------------------------------------- errors --

class error : public std::runtime_error {
public:
  explicit error(const hwsim_error_info &info)
      : std::runtime_error(info.message), code_(info.code), device_(info.device),
        operation_(info.operation), reason_(info.reason) {}

  // Of a stream's read: the samples that are in the caller's memory nevertheless. Otherwise null.
  const hwsim_block *partial() const noexcept { return has_partial_ ? &partial_ : nullptr; }
  void set_partial(const hwsim_block &partial) noexcept {
    partial_ = partial;
    has_partial_ = true;
  }

  hwsim_error code() const noexcept { return code_; }
  const std::string &device() const noexcept { return device_; }       // "" when there is none
  const std::string &operation() const noexcept { return operation_; } // "read_register", ...
  void *reason() const noexcept { return reason_; } // what a behaviour that failed has given

private:
  hwsim_error code_;
  hwsim_block partial_{};
  bool has_partial_ = false;
  std::string device_, operation_;
  void *reason_;
};

// One class for each family of codes, named after the first of them.
template <hwsim_error First> struct error_family : error {
  using error::error;
};
using timeout_error = error_family<HWSIM_ETIMEOUT>;
using transfer_error = error_family<HWSIM_EBUS>; // and ECRC
using busy_error = error_family<HWSIM_EBUSY>;
using disconnected_error = error_family<HWSIM_EDISCONNECTED>;
using closed_error = error_family<HWSIM_ECLOSED>;
using cancelled_error = error_family<HWSIM_ECANCELLED>;
using not_found_error = error_family<HWSIM_ENOTFOUND>;
using in_use_error = error_family<HWSIM_EINUSE>;
using register_error = error_family<HWSIM_EADDRESS>; // and EACCESS
using argument_error = error_family<HWSIM_EINVALID>;
using overrun_error = error_family<HWSIM_EOVERRUN>;
using firmware_error = error_family<HWSIM_EFIRMWARE>;
using state_error = error_family<HWSIM_ESTATE>;
using memory_error = error_family<HWSIM_ENOMEM>;
using forked_error = error_family<HWSIM_EFORKED>;
using internal_error = error_family<HWSIM_EINTERNAL>;

// What the fault `foreign` makes a call throw: deliberately no std::exception, as vendors' SDKs do.
struct foreign_exception {};

[[noreturn]] inline void raise(const hwsim_error_info &info) {
  if (info.fault == HWSIM_FAULT_FOREIGN)
    throw foreign_exception{};
  switch (info.code) {
  case HWSIM_ETIMEOUT: throw timeout_error(info);
  case HWSIM_EBUS:
  case HWSIM_ECRC: throw transfer_error(info);
  case HWSIM_EBUSY: throw busy_error(info);
  case HWSIM_EDISCONNECTED: throw disconnected_error(info);
  case HWSIM_ECLOSED: throw closed_error(info);
  case HWSIM_ECANCELLED: throw cancelled_error(info);
  case HWSIM_ENOTFOUND: throw not_found_error(info);
  case HWSIM_EINUSE: throw in_use_error(info);
  case HWSIM_EADDRESS:
  case HWSIM_EACCESS: throw register_error(info);
  case HWSIM_EINVALID: throw argument_error(info);
  case HWSIM_EOVERRUN: throw overrun_error(info);
  case HWSIM_EFIRMWARE: throw firmware_error(info);
  case HWSIM_ESTATE: throw state_error(info);
  case HWSIM_ENOMEM: throw memory_error(info);
  case HWSIM_EFORKED: throw forked_error(info);
  case HWSIM_OK:
  case HWSIM_EPENDING:
  case HWSIM_EINTERNAL: break;
  }
  throw internal_error(info);
}

// EPENDING is no failure: what the call returns then has no meaning.
inline void check(hwsim_error code) {
  if (code != HWSIM_OK && code != HWSIM_EPENDING)
    raise(*hwsim_error_last());
}

// ------------------------------------------------------------------------------- call options --

// How long a call may take: the device's own timeout unless given.
class timeout {
public:
  timeout() = default;
  template <class Rep, class Period>
  timeout(std::chrono::duration<Rep, Period> time)
      : ns_(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()) {
    if (ns_ < 0)
      ns_ = INT64_MIN; // refused by the call; -1 would be the default
  }
  static timeout never() { return timeout(std::chrono::nanoseconds(HWSIM_TIMEOUT_NEVER)); }
  std::int64_t ns() const noexcept { return ns_; }

private:
  std::int64_t ns_ = HWSIM_TIMEOUT_DEFAULT;
};

// Latched: once set it stops every call that it is given to, now and later. Any thread may set it;
// it must outlive the calls that use it.
class cancel_token {
public:
  cancel_token() {
    hwsim_cancel *token = nullptr;
    check(hwsim_cancel_new(&token));
    token_.reset(token);
  }
  void cancel() noexcept {
    if (request_)
      hwsim_request_cancel(request_.get());
    else
      hwsim_cancel_set(token_.get());
  }
  bool is_cancelled() const noexcept { return token_ && hwsim_cancel_is_set(token_.get()); }
  hwsim_cancel *get() const noexcept { return token_.get(); }
  hwsim_call call(timeout limit) const noexcept {
    return {limit.ns(), request_ ? other_ : token_.get(), request_.get()};
  }
  // Whether it is a request whose call is pending.
  bool goes_on() const noexcept { return request_ && hwsim_request_is_pending(request_.get()); }

protected:
  explicit cancel_token(hwsim_request *request) noexcept : request_(request) {}
  struct deleter {
    void operator()(hwsim_cancel *token) const noexcept { hwsim_cancel_free(token); }
    void operator()(hwsim_request *request) const noexcept { hwsim_request_free(request); }
  };
  std::unique_ptr<hwsim_cancel, deleter> token_;
  std::unique_ptr<hwsim_request, deleter> request_; // of a request, which has no token of its own
  hwsim_cancel *other_ = nullptr;
};

inline hwsim_call options(timeout limit, const cancel_token *cancel) noexcept {
  return cancel ? cancel->call(limit) : hwsim_call{limit.ns(), nullptr, nullptr};
}

// ---------------------------------------------------------------------- calls that do not block --

// Where requests are found that have ended.
class queue {
public:
  queue() {
    hwsim_queue *made = nullptr;
    check(hwsim_queue_new(&made));
    handle_.reset(made);
  }
  int fd() const noexcept { return hwsim_queue_fd(get()); }
  // What take() does first: it lets happen what is due, until there are so many news.
  void settle(std::size_t news) { check(hwsim_queue_settle(get(), news)); }
  // ... and then.
  std::size_t news(std::size_t capacity, hwsim_completion *completions) {
    std::size_t count = 0;
    check(hwsim_queue_news(get(), capacity, completions, &count));
    return count;
  }
  std::size_t take(std::size_t capacity, hwsim_completion *completions) {
    std::size_t count = 0;
    check(hwsim_queue_take(get(), capacity, completions, &count));
    return count;
  }
  hwsim_queue *get() const noexcept { return handle_.get(); }

private:
  struct deleter {
    void operator()(hwsim_queue *queue) const noexcept { hwsim_queue_free(queue); }
  };
  std::unique_ptr<hwsim_queue, deleter> handle_;
};

// A token for one call at a time, which does not block: given to it as `cancel`. While it is
// pending after that, what the call has returned means nothing; when it has ended, the same call
// with the same arguments returns its result. Its cancel() has the effect of
// hwsim_request_cancel().
class request : public cancel_token {
public:
  explicit request(queue &ended, void *user = nullptr) : cancel_token(make(ended, user)) {}
  // Another token that can stop the call; it must outlive that. Null: none.
  void obey(const cancel_token *other) noexcept { other_ = other ? other->get() : nullptr; }
  bool is_pending() const noexcept { return goes_on(); }

private:
  static hwsim_request *make(queue &ended, void *user) {
    hwsim_request *made = nullptr;
    check(hwsim_request_new(ended.get(), user, &made));
    return made;
  }
};

// ------------------------------------------------------------------------------------- models --

// What a kind of device is: a copy of a description, for any number of devices, which keep it
// alive.
class model {
public:
  explicit model(const hwsim_model &description) {
    const hwsim_model *made = nullptr;
    check(hwsim_model_new(&description, &made));
    handle_.reset(made);
  }
  const hwsim_model *get() const noexcept { return handle_.get(); }

private:
  struct deleter {
    void operator()(const hwsim_model *made) const noexcept { hwsim_model_free(made); }
  };
  std::unique_ptr<const hwsim_model, deleter> handle_;
};

// ------------------------------------------------------------------------------------- device --

// A device, open from construction to close() or destruction. Every member may be called from any
// thread, all at once; those that take a timeout block.
class device {
public:
  // Without a model: the built-in one.
  explicit device(const std::string &uri, const model *made = nullptr) {
    hwsim_device *opened = nullptr;
    check(made ? hwsim_device_open_model(made->get(), uri.c_str(), &opened)
               : hwsim_device_open(uri.c_str(), &opened));
    handle_.reset(opened);
  }

  void close() noexcept { hwsim_device_close(get()); }
  void cancel() { check(hwsim_device_cancel(get())); }
  bool is_open() const noexcept { return hwsim_device_is_open(get()); }
  const hwsim_config &config() const noexcept { return *hwsim_device_config(get()); }
  // What it is; valid as long as the device.
  const hwsim_model &description() const noexcept { return *hwsim_device_model(get()); }
  hwsim_device *get() const noexcept { return handle_.get(); }

  // The code that its model's claims call; it is copied.
  void set_behaviour(const hwsim_behaviour &behaviour) {
    check(hwsim_behaviour_set(get(), &behaviour));
  }
  void reset(timeout limit = {}, const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    check(hwsim_device_reset(get(), &call));
  }
  timeout default_timeout() const {
    std::int64_t ns = 0;
    check(hwsim_device_get_timeout(get(), &ns));
    return std::chrono::nanoseconds(ns);
  }
  void set_default_timeout(timeout limit) { check(hwsim_device_set_timeout(get(), limit.ns())); }
  std::uint64_t transactions() const {
    std::uint64_t count = 0;
    check(hwsim_device_transactions(get(), &count));
    return count;
  }
  std::uint32_t firmware_version() const {
    std::uint32_t version = 0;
    check(hwsim_firmware_version(get(), &version));
    return version;
  }
  void clear_calibration(std::uint32_t channel) { check(hwsim_calibration_clear(get(), channel)); }
  std::uint32_t pending() const {
    std::uint32_t count = 0;
    check(hwsim_device_pending(get(), &count));
    return count;
  }
  bool is_connected() const {
    bool connected = false;
    check(hwsim_device_is_connected(get(), &connected));
    return connected;
  }
  void wait_connected(bool connected = true, timeout limit = {},
                      const cancel_token *cancel = nullptr) {
    const hwsim_call call = options(limit, cancel);
    check(hwsim_device_wait_connected(get(), connected, &call));
  }
  void wait_pending(std::uint32_t count, timeout limit = {}, const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    check(hwsim_device_wait_pending(get(), count, &call));
  }

  std::int64_t now_ns() const {
    std::int64_t now = 0;
    check(hwsim_clock_now(get(), &now));
    return now;
  }
  void advance(std::chrono::nanoseconds step) { check(hwsim_clock_advance(get(), step.count())); }

  std::uint64_t read_register(std::uint32_t address) {
    std::uint64_t value = 0;
    check(hwsim_register_read(get(), address, nullptr, &value));
    return value;
  }
  std::uint64_t read_register(std::uint32_t address, timeout limit,
                              const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    std::uint64_t value = 0;
    check(hwsim_register_read(get(), address, &call, &value));
    return value;
  }
  void write_register(std::uint32_t address, std::uint64_t value) {
    check(hwsim_register_write(get(), address, value, nullptr));
  }
  void write_register(std::uint32_t address, std::uint64_t value, timeout limit,
                      const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    check(hwsim_register_write(get(), address, value, &call));
  }
  void read_block(std::uint32_t address, std::uint32_t *values, std::size_t count,
                  timeout limit = {}, const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    check(hwsim_register_read_block(get(), address, count, &call, values));
  }
  void write_block(std::uint32_t address, const std::uint32_t *values, std::size_t count,
                   timeout limit = {}, const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    check(hwsim_register_write_block(get(), address, values, count, &call));
  }
  void read_bytes(std::uint32_t address, std::uint8_t *data, std::size_t count, timeout limit = {},
                  const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    check(hwsim_register_read_bytes(get(), address, count, &call, data));
  }
  void write_bytes(std::uint32_t address, const std::uint8_t *data, std::size_t count,
                   timeout limit = {}, const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    check(hwsim_register_write_bytes(get(), address, data, count, &call));
  }
  std::uint64_t update_register(std::uint32_t address, std::uint64_t mask, std::uint64_t value,
                                timeout limit = {}, const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    std::uint64_t old = 0;
    check(hwsim_register_update(get(), address, mask, value, &call, &old));
    return old;
  }
  std::uint64_t wait_register(std::uint32_t address, std::uint64_t mask, std::uint64_t expected,
                              timeout limit = {}, const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    std::uint64_t value = 0;
    check(hwsim_register_wait(get(), address, mask, expected, &call, &value));
    return value;
  }

  hwsim_signal default_signal(std::uint32_t channel) const {
    hwsim_signal signal{};
    check(hwsim_signal_default(get(), channel, &signal));
    return signal;
  }
  hwsim_signal signal(std::uint32_t channel) const {
    hwsim_signal signal{};
    std::size_t length = 0;
    check(hwsim_signal_get(get(), channel, &signal, &length));
    return signal;
  }
  void set_signal(std::uint32_t channel, const hwsim_signal &signal,
                  const double *table_v = nullptr, std::size_t table_length = 0) {
    check(hwsim_signal_set(get(), channel, &signal, table_v, table_length));
  }
  double output(std::uint32_t number) const {
    double volts = 0;
    check(hwsim_output_get(get(), number, &volts));
    return volts;
  }
  hwsim_output_scale output_scale(std::uint32_t number) const {
    hwsim_output_scale scale{};
    check(hwsim_output_get_scale(get(), number, &scale));
    return scale;
  }
  void set_output(std::uint32_t number, double volts, timeout limit = {},
                  const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    check(hwsim_output_set(get(), number, volts, &call));
  }
  // To a channel of another device on the same clock, or of this one (null).
  void connect(std::uint32_t channel, const hwsim_connection &connection,
               const double *function_v = nullptr, std::size_t function_length = 0,
               const device *to = nullptr) {
    check(hwsim_output_connect(get(), to ? to->get() : nullptr, channel, &connection, function_v,
                               function_length));
  }
  void disconnect(std::uint32_t channel) { check(hwsim_output_disconnect(get(), channel)); }
  std::vector<hwsim_link> connections() const {
    std::size_t count = 0;
    hwsim_link *links = nullptr;
    check(hwsim_output_list(get(), &count, &links));
    std::unique_ptr<hwsim_link, decltype(&std::free)> owner(links, &std::free);
    return std::vector<hwsim_link>(links, links + count);
  }
  double read_voltage(std::uint32_t channel, timeout limit = {},
                      const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    double volts = 0;
    check(hwsim_signal_read(get(), channel, &call, &volts));
    return volts;
  }

  // `volts` has room for `count` values.
  void read_voltages(const std::uint32_t *channels, std::size_t count, double *volts,
                     timeout limit = {}, const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    check(hwsim_signal_read_many(get(), channels, count, &call, volts));
  }

  timeout timer() const {
    std::int64_t ns = 0;
    check(hwsim_timer_get(get(), &ns));
    return std::chrono::nanoseconds(ns);
  }
  void set_timer(std::chrono::nanoseconds period) { check(hwsim_timer_set(get(), period.count())); }
  void set_threshold(std::uint32_t channel, double level, double hysteresis = 0) {
    check(hwsim_threshold_set(get(), channel, level, hysteresis));
  }
  void clear_threshold(std::uint32_t channel) { check(hwsim_threshold_clear(get(), channel)); }
  void trigger(double value, timeout limit = {}, const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    check(hwsim_event_trigger(get(), value, &call));
  }

  void inject(const hwsim_fault &fault) { check(hwsim_fault_inject(get(), &fault)); }
  void clear_faults() { check(hwsim_fault_clear(get())); }

private:
  struct deleter {
    void operator()(hwsim_device *device) const noexcept { hwsim_device_free(device); }
  };
  std::unique_ptr<hwsim_device, deleter> handle_;
};

// A running acquisition of a device; it stops at the end of its life. Every member may be called
// from any thread.
class stream {
public:
  stream(device &source, const hwsim_stream_config &config) {
    hwsim_stream *started = nullptr;
    check(hwsim_stream_start(source.get(), &config, &started));
    handle_.reset(started);
  }
  void stop() noexcept { hwsim_stream_stop(handle_.get()); }
  hwsim_stream_status status() const {
    hwsim_stream_status status{};
    check(hwsim_stream_get_status(handle_.get(), &status));
    return status;
  }
  std::uint32_t channel_count() const noexcept { return hwsim_stream_channel_count(handle_.get()); }
  double volts_per_code(std::uint32_t i) const noexcept {
    return hwsim_stream_volts_per_code(handle_.get(), i);
  }
  std::int64_t start_ns() const noexcept { return hwsim_stream_start_ns(handle_.get()); }
  // `data` has room for count * channel_count() values.
  hwsim_block read(hwsim_format format, void *data, std::size_t count, timeout limit = {},
                   const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    hwsim_block block{};
    hwsim_error code = hwsim_stream_read(handle_.get(), format, count, &call, data, &block);
    try {
      check(code);
    } catch (error &failed) {
      failed.set_partial(block);
      throw;
    }
    return block;
  }

private:
  struct deleter {
    void operator()(hwsim_stream *stream) const noexcept { hwsim_stream_free(stream); }
  };
  std::unique_ptr<hwsim_stream, deleter> handle_;
};

// The events that a handler is called with.
class event_batch {
public:
  event_batch(const hwsim_subscription *subscription, const hwsim_event *events,
              std::size_t count) noexcept
      : subscription_(subscription), next_(events), end_(events + count) {}
  // One after another; null after the last one, and as soon as the subscription is closed.
  const hwsim_event *next() noexcept {
    return next_ != end_ && hwsim_subscription_is_open(subscription_) ? next_++ : nullptr;
  }

private:
  const hwsim_subscription *subscription_;
  const hwsim_event *next_, *end_;
};

// A subscription to events of a device; it closes at the end of its life. Every member may be
// called from any thread, also in the handler.
class subscription {
public:
  // Called on the timer thread of the library; must not throw. It is destroyed there too if it runs
  // when the subscription closes.
  using handler = std::function<void(event_batch &)>;

  subscription(device &source, std::uint32_t kinds, std::uint32_t queue = 256,
               hwsim_overflow overflow = HWSIM_OVERFLOW_DROP, handler handle = nullptr)
      : room_(std::size_t{queue} + HWSIM_EVENTS_AT_ONCE) {
    hwsim_subscription_config config{kinds, queue, overflow, {}};
    std::unique_ptr<handler> user;
    if (handle) {
      user = std::make_unique<handler>(std::move(handle));
      config.handler = {call_handler, release_handler, user.get()};
    }
    hwsim_subscription *made = nullptr;
    check(hwsim_subscription_new(source.get(), &config, &made));
    user.release();
    handle_.reset(made);
  }

  void close() noexcept { hwsim_subscription_close(handle_.get()); }
  bool is_open() const noexcept { return hwsim_subscription_is_open(handle_.get()); }
  hwsim_subscription_status status() const {
    hwsim_subscription_status status{};
    check(hwsim_subscription_get_status(handle_.get(), &status));
    return status;
  }
  // At least one event, at most `capacity`.
  std::vector<hwsim_event> next(std::size_t capacity, timeout limit = {},
                                const cancel_token *cancel = nullptr) {
    hwsim_call call = options(limit, cancel);
    std::vector<hwsim_event> events(std::min(capacity, room_));
    std::size_t count = 0;
    check(hwsim_subscription_next(handle_.get(), events.size(), &call, events.data(), &count));
    events.resize(count);
    return events;
  }

private:
  static void call_handler(void *user, hwsim_subscription *subscription, const hwsim_event *events,
                           std::size_t count) {
    event_batch batch(subscription, events, count);
    (*static_cast<handler *>(user))(batch);
  }
  static void release_handler(void *user) { delete static_cast<handler *>(user); }
  struct deleter {
    void operator()(hwsim_subscription *subscription) const noexcept {
      hwsim_subscription_free(subscription);
    }
  };
  std::size_t room_;
  std::unique_ptr<hwsim_subscription, deleter> handle_;
};

// Long operations. `inl` and `dnl` have HWSIM_CODES values each, or are null.
inline hwsim_calibration calibrate(device &target, std::uint32_t channel, std::uint64_t samples,
                                   double *inl = nullptr, double *dnl = nullptr, timeout limit = {},
                                   const cancel_token *cancel = nullptr,
                                   const hwsim_progress *progress = nullptr) {
  hwsim_call call = options(limit, cancel);
  hwsim_calibration result{};
  check(hwsim_calibrate(target.get(), channel, samples, &call, progress, &result, inl, dnl));
  return result;
}

inline void program_firmware(device &target, const void *image, std::size_t size,
                             const hwsim_firmware_options &options, timeout limit = {},
                             const cancel_token *cancel = nullptr,
                             const hwsim_progress *progress = nullptr) {
  hwsim_call call = hwsim::options(limit, cancel);
  check(hwsim_firmware_program(target.get(), image, size, &options, &call, progress));
}

inline std::uint32_t check_firmware(const void *image, std::size_t size) {
  std::uint32_t version = 0;
  check(hwsim_firmware_check(image, size, &version));
  return version;
}

inline hwsim_fault make_fault(const std::string &kind) {
  hwsim_fault_kind found{};
  hwsim_fault fault{};
  check(hwsim_fault_find(kind.c_str(), &found));
  check(hwsim_fault_init(found, &fault));
  return fault;
}

inline const hwsim_register &find_register(const std::string &name) {
  const hwsim_register *found = nullptr;
  check(hwsim_register_find(name.c_str(), &found));
  return *found;
}

inline void wait_free(const std::string &name, timeout limit = {},
                      const cancel_token *cancel = nullptr) {
  hwsim_call call = options(limit, cancel);
  check(hwsim_wait_free(name.c_str(), &call));
}

inline std::vector<hwsim_listing> list_devices() {
  std::size_t count = 0;
  hwsim_listing *listing = nullptr;
  check(hwsim_device_list(&count, &listing));
  std::unique_ptr<hwsim_listing, decltype(&std::free)> owner(listing, &std::free);
  return std::vector<hwsim_listing>(listing, listing + count);
}

} // namespace hwsim
#endif
