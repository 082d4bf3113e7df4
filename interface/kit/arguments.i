/* arguments.i: converts Python arguments, and says which one is wrong and what it must be.
 * Reusable: it names nothing of any library. Instead of SWIG's "in method 'Device_read', argument 2
 * of type 'uint32_t'" a user reads "address must be an integer from 0 to 4294967295, got -1".
 *
 * Covers 32 and 64-bit integers, size_t, double, bool, std::string, references to wrapped classes,
 * and pointers to them that may be None (%apply SWIGTYPE *OPTIONAL). Integers are anything with
 * __index__, numbers anything with __float__. The attribute pytype of a typemap says what is
 * accepted, for the generator of type stubs.
 */
#ifndef KIT_ARGUMENTS_I
#define KIT_ARGUMENTS_I

%include <stdint.i>
%include <std_string.i>

%{
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

namespace arguments {

/* TypeError, or ValueError: "NAME must be WHAT, got VALUE". Always false. */
static bool fail(PyObject *type, const char *name, const char *what, PyObject *got) {
  if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_TypeError) &&
      !PyErr_ExceptionMatches(PyExc_OverflowError))
    return false; /* raised by the argument's own code */
  PyErr_Clear();
  if (type == PyExc_TypeError)
    PyErr_Format(type, "%s must be %s, got %.200R (%s)", name, what, got, Py_TYPE(got)->tp_name);
  else
    PyErr_Format(type, "%s must be %s, got %.200R", name, what, got);
  return false;
}

template <class T> static bool in_range(PyObject *integer, T *value_out) {
  int overflow = 0;
  long long value = PyLong_AsLongLongAndOverflow(integer, &overflow);
  if (!overflow) {
    *value_out = static_cast<T>(value);
    return value >= 0 ? static_cast<unsigned long long>(value) <= std::numeric_limits<T>::max()
                      : value >= static_cast<long long>(std::numeric_limits<T>::min());
  }
  if (overflow < 0 || std::numeric_limits<T>::is_signed)
    return false;
  unsigned long long large = PyLong_AsUnsignedLongLong(integer);
  *value_out = static_cast<T>(large);
  return !PyErr_Occurred() && large <= std::numeric_limits<T>::max();
}

template <class T> static bool fail_integer(PyObject *type, const char *name, PyObject *got) {
  std::string what = "an integer from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
                     std::to_string(std::numeric_limits<T>::max());
  return fail(type, name, what.c_str(), got);
}

template <class T> static bool convert(PyObject *object, const char *name, T *value_out) {
  if (PyLong_Check(object))
    return in_range(object, value_out) || fail_integer<T>(PyExc_ValueError, name, object);
  PyObject *integer = PyNumber_Index(object);
  if (!integer)
    return fail_integer<T>(PyExc_TypeError, name, object);
  bool good = in_range(integer, value_out) || fail_integer<T>(PyExc_ValueError, name, integer);
  Py_DECREF(integer);
  return good;
}

static bool convert(PyObject *object, const char *name, double *value_out) {
  *value_out = PyFloat_AsDouble(object);
  if (*value_out == -1.0 && PyErr_Occurred())
    return fail(PyExc_TypeError, name, "a number", object);
  return true;
}

static bool convert(PyObject *object, const char *name, bool *value_out) {
  *value_out = object == Py_True;
  return PyBool_Check(object) || fail(PyExc_TypeError, name, "True or False", object);
}

static bool convert(PyObject *object, const char *name, std::string *value_out) {
  Py_ssize_t length = 0;
  const char *text = PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, &length) : nullptr;
  if (!text)
    return !PyErr_Occurred() && fail(PyExc_TypeError, name, "a string", object);
  if (std::strlen(text) != static_cast<size_t>(length))
    return fail(PyExc_ValueError, name, "a string without null characters", object);
  value_out->assign(text, static_cast<size_t>(length));
  return true;
}

/* The Python name of a wrapped class. */
static const char *class_name(swig_type_info *type) {
  const SwigPyClientData *data = static_cast<SwigPyClientData *>(type->clientdata);
  return data && data->pytype ? data->pytype->tp_name : SWIG_TypePrettyName(type);
}

/* Converts to a pointer; None is NULL where `none` allows it. */
static bool convert(PyObject *object, const char *name, swig_type_info *type, bool none,
                    void **pointer_out) {
  if (object == Py_None && none) {
    *pointer_out = nullptr;
    return true;
  }
  /* An object whose __init__ has not run has a null pointer and no type, which SWIG would follow.
   * */
  SwigPyObject *wrapped =
      SwigPyObject_Check(object) ? reinterpret_cast<SwigPyObject *>(object) : nullptr;
  if (wrapped && !wrapped->ptr) {
    PyErr_Format(PyExc_ValueError, "%s is a %s that has not been initialised: call __init__ first",
                 name, Py_TYPE(object)->tp_name);
    return false;
  }
  if (wrapped && SWIG_IsOK(SWIG_ConvertPtr(object, pointer_out, type, 0)) && *pointer_out)
    return true;
  std::string what = std::string("a ") + class_name(type) + (none ? " or None" : "");
  return fail(PyExc_TypeError, name, what.c_str(), object);
}

} // namespace arguments
%}

%define %argument(TYPE, PYTHON)
%typemap(in, pytype=PYTHON) TYPE {
  if (!arguments::convert($input, "$1_name", &$1)) SWIG_fail;
}
%enddef

%argument(uint32_t, "int")
%argument(int32_t, "int")
%argument(uint64_t, "int")
%argument(int64_t, "int")
%argument(size_t, "int")
%argument(double, "float")
%argument(bool, "bool")

%typemap(in, pytype="str") const std::string & (std::string text) {
  if (!arguments::convert($input, "$1_name", &text)) SWIG_fail;
  $1 = &text;
}
%typemap(freearg) const std::string & ""

%typemap(in, pytype="$1") SWIGTYPE & (void *pointer = 0) {
  if (!arguments::convert($input, "$1_name", $1_descriptor, false, &pointer)) SWIG_fail;
  $1 = reinterpret_cast<$1_ltype>(pointer);
}
%typemap(in, pytype="$1 | None") SWIGTYPE *OPTIONAL (void *pointer = 0) {
  if (!arguments::convert($input, "$1_name", $1_descriptor, true, &pointer)) SWIG_fail;
  $1 = reinterpret_cast<$1_ltype>(pointer);
}

#endif
