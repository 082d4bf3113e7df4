/* times.i: seconds in Python, nanoseconds in C. */
%{
#include <cmath>

namespace times {

/* From a number of seconds; math.inf is HWSIM_TIMEOUT_NEVER. What is not 0 does not become 0. */
static bool from_python(PyObject *object, const char *name, const char *what, int64_t *ns_out) {
  double seconds = PyFloat_AsDouble(object);
  if (seconds == -1.0 && PyErr_Occurred()) {
    bool too_large = PyErr_ExceptionMatches(PyExc_OverflowError);
    return arguments::fail(too_large ? PyExc_ValueError : PyExc_TypeError, name, what, object);
  }
  if (!(seconds >= 0))
    return arguments::fail(PyExc_ValueError, name, what, object);
  *ns_out = seconds >= 9.2e9 ? HWSIM_TIMEOUT_NEVER : std::llround(seconds * 1e9);
  if (!*ns_out && seconds > 0)
    *ns_out = 1;
  return true;
}

/* Whatever the library allows: its own message says what that is. */
static bool from_python(PyObject *object, const char *name, int64_t *ns_out) {
  double seconds = PyFloat_AsDouble(object);
  if (!(seconds < 0) || PyErr_Occurred())
    return from_python(object, name, "a finite number of seconds", ns_out) &&
           (*ns_out != HWSIM_TIMEOUT_NEVER ||
            arguments::fail(PyExc_ValueError, name, "less than 9.2e9 s", object));
  *ns_out = seconds <= -9.2e9 ? INT64_MIN : std::llround(seconds * 1e9);
  *ns_out = *ns_out ? *ns_out : -1;
  return true;
}

static PyObject *to_python(int64_t ns) {
  return PyFloat_FromDouble(ns == HWSIM_TIMEOUT_NEVER ? HUGE_VAL : static_cast<double>(ns) / 1e9);
}

} // namespace times
%}

%typemap(in, pytype="float | None") hwsim::timeout {
  int64_t ns = 0;
  if ($input != Py_None) {
    const char *what = "None or a number of seconds from 0 to math.inf";
    if (!times::from_python($input, "timeout", what, &ns)) SWIG_fail;
    $1 = std::chrono::nanoseconds(ns);
  }
}
%typemap(out, pytype="float") hwsim::timeout "$result = times::to_python($1.ns());"
%typemap(in, pytype="float") std::chrono::nanoseconds {
  int64_t ns = 0;
  if (!times::from_python($input, "$1_name", &ns)) SWIG_fail;
  $1 = std::chrono::nanoseconds(ns);
}
