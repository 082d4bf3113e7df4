/* subscription.i: subscriptions to events, for a queue or for a Python object with a callback. */
%include "structs.i"
%include "kit/callbacks.i"

%limits(uint32_t, queue, 1, HWSIM_EVENTS_LARGEST_QUEUE)

%typemap(in, pytype="object") hwsim::subscription::handler {
  if ($input != Py_None) {
    if (threads::stopped()) {
      PyErr_SetString(PyExc_RuntimeError,
                      "no callbacks any more: the interpreter is shutting down");
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
        return event ? structs::as_object(*event) : nullptr;
      });
    };
  }
}

namespace hwsim {

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

} // namespace hwsim
