/* cancel.i: cancel tokens. A call takes one as `cancel`, or None; or, from aio.h, an operation, which
 * makes it a call that does not block. */
%typemap(in, pytype="CancelToken | None") const hwsim::cancel_token *cancel (void *pointer = 0) {
  if (!aio::is_operation($input, &pointer) &&
      !arguments::convert($input, "$1_name", $1_descriptor, true, &pointer)) SWIG_fail;
  $1 = static_cast<hwsim::cancel_token *>(pointer);
}
%typemap(argout) const hwsim::cancel_token *cancel {
  if (aio::goes_on($1)) {
    Py_CLEAR($result);
    SWIG_fail;
  }
}

%feature("docstring") hwsim::cancel_token::cancel
  "Stops every call that has this token, and those that start later. Never blocks.";

namespace hwsim {

class cancel_token {
public:
  cancel_token();
  void cancel();
  bool is_cancelled() const;
};

} // namespace hwsim
