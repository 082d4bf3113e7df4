/* status.i: status codes of functions in C, and errno, as exceptions. Reusable: it names nothing of any
 * library.
 *
 *   %status(TYPE, FAILED, MESSAGE, CLASS)          what returns this type raises where it failed, and
 *                                                  returns nothing otherwise
 *   %status_or_value(TYPE, FAILED, MESSAGE, CLASS) it returns the number otherwise
 *
 * TYPE is a type, such as vendor_status or int, or one with the name of a function: int vendor_read.
 * FAILED and MESSAGE are expressions with `status`, the value of the call; errno is still that of the
 * library. CLASS is a class of %error_class (errors.i) or a PyObject *, or an expression that
 * chooses one. Its exceptions have the attribute code: the status, or what follows CLASS, such as
 * errno.
 *
 *   %error_class(VendorError, RuntimeError)
 *   %status(vendor_status, status != VENDOR_OK, vendor_strerror(status), VendorError)
 *
 * Results beside a status take its place: one is returned as it is, several as a list.
 */
#ifndef KIT_STATUS_I
#define KIT_STATUS_I

%include "../kit/gil.i"
%include "../kit/arguments.i"

%{
namespace results {

/* In the place of a status: results beside it come instead, and None if there are none. */
[[maybe_unused]] static PyObject *dropped() {
  static PyObject *the = PyObject_CallNoArgs(reinterpret_cast<PyObject *>(&PyBaseObject_Type));
  return Py_XNewRef(the);
}

[[maybe_unused]] static PyObject *none_if_dropped(PyObject *result) {
  PyObject *none = dropped();
  bool was = result == none;
  Py_XDECREF(none);
  if (!was)
    return result;
  Py_DECREF(result);
  return Py_NewRef(Py_None);
}

/* SWIG's, but for a status. */
[[maybe_unused]] static PyObject *append(PyObject *result, PyObject *value, int is_void) {
  PyObject *none = dropped();
  bool was = result && result == none;
  Py_XDECREF(none);
  if (was)
    Py_CLEAR(result);
  return SWIG_Python_AppendOutput(result, value, is_void);
}

template <class Status> static long long code(Status status) {
  return static_cast<long long>(status);
}
template <class Status> static long long code(Status *) { return 0; }
template <class Status> static long long code(Status, long long said) { return said; }

template <class Number> static PyObject *number(Number value) {
  if constexpr (std::is_unsigned_v<Number>)
    return PyLong_FromUnsignedLongLong(value);
  else
    return PyLong_FromLongLong(static_cast<long long>(value));
}

} // namespace results
%}

%wrapper %{
#define SWIG_Python_AppendOutput results::append
%}

%define %status_of(TYPE, FAILED, MESSAGE, RESULT, PYTHON, CLASS, CODE...)
%typemap(out, pytype=PYTHON) TYPE {
  using namespace python_errors;
  auto status = $1;
  if (FAILED) {
    try { /* what the message is asked of may be closed by another thread */
      [[maybe_unused]] gil::use<decltype(arg1)> in_use(arg1);
#if #CODE == ""
      errors::raise_status(CLASS, results::code(status), MESSAGE);
#else
      errors::raise_status(CLASS, results::code(status, CODE), MESSAGE);
#endif
      SWIG_fail;
    }
    ERRORS_CATCH
  }
  $result = RESULT;
}
%enddef

%define %status(TYPE, FAILED, MESSAGE, CLASS, CODE...)
%status_of(TYPE, FAILED, MESSAGE, results::dropped(), "None", CLASS, CODE)
%typemap(ret) TYPE "$result = results::none_if_dropped($result);"
%enddef

%define %status_or_value(TYPE, FAILED, MESSAGE, CLASS, CODE...)
%status_of(TYPE, FAILED, MESSAGE, results::number(status), "int", CLASS, CODE)
%typemap(ret) TYPE ""
%enddef

#endif
