/* cancel.i: cancel tokens. A call takes one as `cancel`, or None. */
%apply SWIGTYPE *OPTIONAL { const hwsim::cancel_token *cancel };

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
