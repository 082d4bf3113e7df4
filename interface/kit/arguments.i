/* arguments.i: converts Python arguments, and says which one is wrong and what it must be.
 * Reusable: it names nothing of any library. Instead of SWIG's "in method 'Device_read', argument 2
 * of type 'uint32_t'" a user reads "address must be an integer from 0 to 4294967295, got -1".
 *
 * Covers integers of every size, float and double, std::complex, bool, enumerations, const char *,
 * std::string, and pointers and references to wrapped classes. Integers are anything with __index__,
 * numbers anything with __float__.
 *
 *   %nullable(TYPE, NAMES...)     parameters of these names may be None: a null pointer. Others may
 *                                 not. TYPE is const char, or a wrapped class
 *   %choices(ENUM, VALUES...)     these are all values of the enumeration that are allowed
 *   %output(TYPE, NAMES...)       TYPE *NAME is not a parameter but a result
 *   %limits(TYPE, NAME, LOW, HIGH)
 *                                 the library takes an integer only from LOW to HIGH, and says so
 *                                 of others; where one does not even fit TYPE, so does the error.
 *                                 C++ expressions, evaluated for that alone; arg1 is the object
 *
 * Where no form of an overloaded function takes the arguments, the error shows them, and the ranges.
 * The attribute pytype of a typemap says what is accepted, for the generator of type stubs.
 */
#ifndef KIT_ARGUMENTS_I
#define KIT_ARGUMENTS_I

%include "../kit/shared.i"
%include <stdint.i>
%include <std_string.i>
%include <std_complex.i>
%include <typemaps.i>

%{
#include <cctype>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>

namespace arguments {

/* TypeError, or ValueError: "NAME must be WHAT, got VALUE". Always false. */
[[maybe_unused]] static bool fail(PyObject *type, const char *name, const char *what, PyObject *got) {
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
  *value_out = T();
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

template <class Low, class High>
static bool fail_integer(PyObject *type, const char *name, PyObject *got, Low low, High high) {
  std::string what = "an integer from " + std::to_string(low) + " to " + std::to_string(high);
  return fail(type, name, what.c_str(), got);
}

/* fail_in_range(type, name, got) says what integers are allowed. */
template <class T, class Fail>
static bool convert(PyObject *object, const char *name, T *value_out, Fail fail_in_range) {
  *value_out = T();
  if (PyLong_Check(object))
    return in_range(object, value_out) || fail_in_range(PyExc_ValueError, name, object);
  PyObject *integer = PyNumber_Index(object);
  if (!integer)
    return fail_in_range(PyExc_TypeError, name, object);
  bool good = in_range(integer, value_out) || fail_in_range(PyExc_ValueError, name, integer);
  Py_DECREF(integer);
  return good;
}

template <class T> static bool convert(PyObject *object, const char *name, T *value_out) {
  return convert(object, name, value_out, [](PyObject *type, const char *name, PyObject *got) {
    return fail_integer(type, name, got, std::numeric_limits<T>::min(),
                        std::numeric_limits<T>::max());
  });
}

[[maybe_unused]] static bool convert(PyObject *object, const char *name, double *value_out) {
  *value_out = PyFloat_AsDouble(object);
  if (*value_out == -1.0 && PyErr_Occurred())
    return PyErr_ExceptionMatches(PyExc_OverflowError)
               ? fail(PyExc_ValueError, name, "a number that fits into a double", object)
               : fail(PyExc_TypeError, name, "a number", object);
  return true;
}

[[maybe_unused]] static bool convert(PyObject *object, const char *name, float *value_out) {
  double value = 0;
  if (!convert(object, name, &value))
    return false;
  *value_out = static_cast<float>(value);
  return !std::isinf(*value_out) || std::isinf(value) ||
         fail(PyExc_ValueError, name, "a number from -3.4e38 to 3.4e38", object);
}

template <class T>
static bool convert(PyObject *object, const char *name, std::complex<T> *value_out) {
  Py_complex value = PyComplex_AsCComplex(object);
  if (value.real == -1.0 && PyErr_Occurred())
    return fail(PyExc_TypeError, name, "a complex number", object);
  *value_out = {static_cast<T>(value.real), static_cast<T>(value.imag)};
  bool fits = std::isinf(std::abs(value.real)) || std::isinf(std::abs(value.imag)) ||
              (!std::isinf(value_out->real()) && !std::isinf(value_out->imag()));
  return fits || fail(PyExc_ValueError, name, "a complex number of parts up to 3.4e38", object);
}

[[maybe_unused]] static bool convert(PyObject *object, const char *name, bool *value_out) {
  *value_out = object == Py_True;
  return PyBool_Check(object) || fail(PyExc_TypeError, name, "True or False", object);
}

/* UTF-8 that lives as long as the object. */
[[maybe_unused]] static bool convert(PyObject *object, const char *name, const char **text_out) {
  Py_ssize_t length = 0;
  *text_out = PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, &length) : nullptr;
  if (!*text_out)
    return !PyErr_Occurred() && fail(PyExc_TypeError, name, "a string", object);
  if (std::strlen(*text_out) != static_cast<size_t>(length))
    return fail(PyExc_ValueError, name, "a string without null characters", object);
  return true;
}

[[maybe_unused]] static bool convert(PyObject *object, const char *name, std::string *value_out) {
  const char *text = nullptr;
  if (!convert(object, name, &text))
    return false;
  value_out->assign(text);
  return true;
}

/* The number is one of these; `names` are theirs, as the interface spells them. */
template <class Enum>
static bool choose(PyObject *object, const char *name, const char *names,
                   std::initializer_list<Enum> allowed, Enum *value_out) {
  long long number = 0;
  *value_out = Enum();
  if (!convert(object, name, &number))
    return false;
  for (Enum each : allowed)
    if (static_cast<long long>(each) == number) {
      *value_out = each;
      return true;
    }
  std::string what = "one of ";
  for (const char *at = names; *at; at++)
    what += *at == ',' && at[1] != ' ' ? std::string(", ") : std::string(1, *at);
  what += " (";
  for (Enum each : allowed)
    what += (what.back() == '(' ? "" : ", ") + std::to_string(static_cast<long long>(each));
  return fail(PyExc_ValueError, name, (what + ")").c_str(), object);
}

/* What SWIG says of an overloaded function, with the arguments and the ranges of its types. */
[[maybe_unused]] static void fail_overloaded(const char *message, PyObject *arguments) {
  struct range {
    const char *type, *values;
  };
  static const range ranges[] = {
      {"uint8_t", "0 to 255"},
      {"int8_t", "-128 to 127"},
      {"uint16_t", "0 to 65535"},
      {"int16_t", "-32768 to 32767"},
      {"uint32_t", "0 to 4294967295"},
      {"int32_t", "-2147483648 to 2147483647"},
      {"uint64_t", "0 to 18446744073709551615"},
      {"int64_t", "-9223372036854775808 to 9223372036854775807"},
      {"unsigned int", "0 to 4294967295"},
      {"int", "-2147483648 to 2147483647"},
      {"size_t", "0 to 18446744073709551615"},
  };
  if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_TypeError))
    return;
  PyErr_Clear();
  std::string text = message, told;
  for (const range &each : ranges) {
    size_t at = text.find(each.type), end = at + std::strlen(each.type);
    while (at != std::string::npos &&
           (std::isalnum(text[at - 1]) || text[at - 1] == '_' ||
            text.compare(at > 9 ? at - 9 : 0, 9, "unsigned ") == 0 || std::isalnum(text[end]) ||
            text[end] == '_')) {
      at = text.find(each.type, at + 1);
      end = at + std::strlen(each.type);
    }
    if (at != std::string::npos)
      told += std::string("  ") + each.type + " is from " + each.values + "\n";
  }
  PyErr_Format(PyExc_TypeError, "%s%sGot: %.500R", message, told.c_str(),
               arguments ? arguments : Py_None);
}

/* The SwigPyObject of a wrapped object, or null. SWIG's own search formats a name before it looks
 * at a Python class. */
[[maybe_unused]] static SwigPyObject *wrapped(PyObject *object) {
#ifdef SWIGPYTHON_BUILTIN
  return SwigPyObject_Check(object) ? reinterpret_cast<SwigPyObject *>(object) : nullptr;
#else
  if (Py_IS_TYPE(object, SwigPyObject_Type()))
    return reinterpret_cast<SwigPyObject *>(object);
  PyObject *own = PyObject_GetAttr(object, SWIG_This());
  if (!own) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError))
      PyErr_Clear();
    return nullptr;
  }
  Py_DECREF(own); /* the object keeps it */
  return Py_IS_TYPE(own, SwigPyObject_Type()) ? reinterpret_cast<SwigPyObject *>(own)
                                              : SWIG_Python_GetSwigThis(object);
#endif
}

/* The Python name of a wrapped class. */
[[maybe_unused]] static const char *class_name(swig_type_info *type) {
  const SwigPyClientData *data = static_cast<SwigPyClientData *>(type->clientdata);
  if (data && data->pytype)
    return data->pytype->tp_name;
  if (data && data->klass && PyType_Check(data->klass))
    return reinterpret_cast<PyTypeObject *>(data->klass)->tp_name;
  return SWIG_TypePrettyName(type);
}

/* An object of the right Python class without a C++ one. */
[[maybe_unused]] static bool is_uninitialised(PyObject *object, swig_type_info *type) {
  const SwigPyClientData *data = static_cast<SwigPyClientData *>(type->clientdata);
  return !PyErr_Occurred() && data && data->klass && PyType_Check(data->klass) &&
         PyType_IsSubtype(Py_TYPE(object), reinterpret_cast<PyTypeObject *>(data->klass));
}

/* Converts to a pointer; None is NULL where `none` allows it. */
[[maybe_unused]] static bool convert(PyObject *object, const char *name, swig_type_info *type, bool none,
                    void **pointer_out) {
  if (object == Py_None && none) {
    *pointer_out = nullptr;
    return true;
  }
  SwigPyObject *own = wrapped(object);
  if (own && own->ty == type && own->ptr) { /* nearly always */
    *pointer_out = own->ptr;
    return true;
  }
  /* An object whose __init__ has not run has a null pointer and no type, which SWIG would follow. */
  if (own ? !own->ptr : is_uninitialised(object, type)) {
    const char *type_name = Py_TYPE(object)->tp_name;
    if (std::strcmp(name, "self") == 0)
      PyErr_Format(PyExc_ValueError, "%s has not been initialised: call __init__ first", type_name);
    else
      PyErr_Format(PyExc_ValueError,
                   "%s is a %s that has not been initialised: call __init__ first", name, type_name);
    return false;
  }
  if (own && SWIG_IsOK(SWIG_ConvertPtr(reinterpret_cast<PyObject *>(own), pointer_out, type, 0)) &&
      *pointer_out)
    return true;
  std::string what = std::string("a ") + class_name(type) + (none ? " or None" : "");
  return fail(PyExc_TypeError, name, what.c_str(), object);
}

} // namespace arguments
%}

/* Where no form of an overloaded function fits. After the wrappers' runtime, which defines it. */
%wrapper %{
#define SWIG_Python_RaiseOrModifyTypeError(message) arguments::fail_overloaded(message, args)
%}

%define %argument(TYPE, PYTHON)
%typemap(in, pytype=PYTHON) TYPE {
  if (!arguments::convert($input, "$1_name", &$1)) SWIG_fail;
}
%typemap(in, pytype=PYTHON) const TYPE & ($*1_ltype value) {
  if (!arguments::convert($input, "$1_name", &value)) SWIG_fail;
  $1 = &value;
}
%enddef

%argument(signed char, "int")
%argument(unsigned char, "int")
%argument(short, "int")
%argument(unsigned short, "int")
%argument(int, "int")
%argument(unsigned int, "int")
%argument(long, "int")
%argument(unsigned long, "int")
%argument(long long, "int")
%argument(unsigned long long, "int")
%argument(int8_t, "int")
%argument(uint8_t, "int")
%argument(int16_t, "int")
%argument(uint16_t, "int")
%argument(int32_t, "int")
%argument(uint32_t, "int")
%argument(int64_t, "int")
%argument(uint64_t, "int")
%argument(size_t, "int")
%argument(ptrdiff_t, "int")
%argument(float, "float")
%argument(double, "float")
%argument(bool, "bool")
%argument(std::complex<float>, "complex")
%argument(std::complex<double>, "complex")
%argument(std::string, "str")
%typemap(freearg) const std::string & ""

%typemap(in, pytype="int") enum SWIGTYPE (int number) {
  if (!arguments::convert($input, "$1_name", &number)) SWIG_fail;
  $1 = static_cast<$1_ltype>(number);
}
%define %choices(ENUM, VALUES...)
%typemap(in, pytype="int") ENUM {
  if (!arguments::choose<ENUM>($input, "$1_name", #VALUES, {VALUES}, &$1)) SWIG_fail;
}
%enddef

%typemap(in, pytype="str") const char * (const char *text = nullptr) {
  if (!arguments::convert($input, "$1_name", &text)) SWIG_fail;
  $1 = const_cast<$1_ltype>(text);
}
%typemap(freearg) const char * ""
%typemap(in, pytype="str | None") const char *OPTIONAL (const char *text = nullptr) {
  if ($input != Py_None && !arguments::convert($input, "$1_name", &text)) SWIG_fail;
  $1 = const_cast<$1_ltype>(text);
}
%typemap(freearg) const char *OPTIONAL ""

%typemap(in, pytype="$1") SWIGTYPE *, SWIGTYPE & {
  void *pointer = nullptr;
  if (!arguments::convert($input, "$1_name", $1_descriptor, false, &pointer)) SWIG_fail;
  $1 = reinterpret_cast<$1_ltype>(pointer);
}
%typemap(in, pytype="$1 | None") SWIGTYPE *OPTIONAL {
  void *pointer = nullptr;
  if (!arguments::convert($input, "$1_name", $1_descriptor, true, &pointer)) SWIG_fail;
  $1 = reinterpret_cast<$1_ltype>(pointer);
}
%typemap(in, pytype="$1") SWIGTYPE {
  void *pointer = nullptr;
  if (!arguments::convert($input, "$1_name", $&1_descriptor, false, &pointer)) SWIG_fail;
  $1 = *reinterpret_cast<$&1_ltype>(pointer);
}

%define %limits(TYPE, NAME, LOW, HIGH)
%typemap(in, pytype="int") TYPE NAME {
  auto fail_in_range = [&](PyObject *type, const char *name, PyObject *got) {
    return arguments::fail_integer(type, name, got, LOW, HIGH);
  };
  if (!arguments::convert($input, "$1_name", &$1, fail_in_range)) SWIG_fail;
}
%enddef

%define %nullable_one(TYPE, NAME)
#if #TYPE == "const char"
%apply const char *OPTIONAL { const char *NAME };
#else
%apply SWIGTYPE *OPTIONAL { TYPE *NAME };
#endif
%enddef
%define %nullable(TYPE, NAMES...)
%each_with(%nullable_one, TYPE, NAMES)
%enddef
%define %output_one(TYPE, NAME)
%apply TYPE *OUTPUT { TYPE *NAME };
%enddef
%define %output(TYPE, NAMES...)
%each_with(%output_one, TYPE, NAMES)
%enddef

#endif
