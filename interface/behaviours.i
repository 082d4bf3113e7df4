/* behaviours.i: what a behaviour in Python does with its transaction: functions of the object whose
 * method it is. */
%include "times.i"
%include "model.i"

%{
#include "behaviours.h"
%}

%typemap(in, pytype="object") PyObject *object "$1 = $input;"
%typemap(in, pytype="list[tuple[str | None, str | None, int]]") PyObject *methods "$1 = $input;"

%inline %{
uint64_t transaction_get(PyObject *object, uint32_t address) {
  uint64_t value = 0;
  hwsim::check(
      hwsim_transaction_get(behaviours::frame_of(object).transaction, address, &value));
  return value;
}
void transaction_set(PyObject *object, uint32_t address, uint64_t mask, uint64_t value) {
  hwsim::check(
      hwsim_transaction_set(behaviours::frame_of(object).transaction, address, mask, value));
}
void transaction_set_later(PyObject *object, std::chrono::nanoseconds seconds, uint32_t address,
                           uint64_t mask, uint64_t value) {
  hwsim::check(hwsim_transaction_set_later(behaviours::frame_of(object).transaction,
                                           seconds.count(), address, mask, value));
}
void transaction_spend(PyObject *object, std::chrono::nanoseconds seconds) {
  hwsim::check(
      hwsim_transaction_spend(behaviours::frame_of(object).transaction, seconds.count()));
}
int64_t transaction_now_ns(PyObject *object) {
  int64_t now_ns = 0;
  hwsim::check(hwsim_transaction_now(behaviours::frame_of(object).transaction, &now_ns));
  return now_ns;
}
size_t transaction_claim(PyObject *object) { return behaviours::frame_of(object).claim; }
%}
