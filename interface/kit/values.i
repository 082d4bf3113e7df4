/* values.i: C's values as Python's, for callbacks (callbacks.i). Reusable: it names nothing of any
 * library.
 *
 * Numbers, bool, enumerations, text, and arrays of numbers (a pointer to const and a count) are
 * converted, arrays as a copy in a memoryview. For a type of the library's own define
 *
 *   static PyObject *to_python(const vendor_sample *sample);
 *
 * beside it.
 */
#ifndef KIT_VALUES_I
#define KIT_VALUES_I

%include "../kit/errors.i"

%{
#include <string>
#include <tuple>
#include <type_traits>

namespace callbacks {

/* C's values in Python, each a new reference. */
namespace values {
[[maybe_unused]] static PyObject *to_python(const char *text) {
  return text ? errors::text(text) : Py_NewRef(Py_None);
}
[[maybe_unused]] static PyObject *to_python(char *text) {
  return to_python(static_cast<const char *>(text));
}
[[maybe_unused]] static PyObject *to_python(const std::string &text) {
  return errors::text(text.c_str());
}
template <class T, std::enable_if_t<std::is_arithmetic_v<T> || std::is_enum_v<T>, int> = 0>
static PyObject *to_python(T value) {
  if constexpr (std::is_same_v<T, bool>)
    return PyBool_FromLong(value);
  else if constexpr (std::is_floating_point_v<T>)
    return PyFloat_FromDouble(static_cast<double>(value));
  else if constexpr (std::is_unsigned_v<T>)
    return PyLong_FromUnsignedLongLong(value);
  else
    return PyLong_FromLongLong(static_cast<long long>(value));
}

template <class T> constexpr const char *format() {
  if constexpr (std::is_same_v<T, bool>)
    return "?";
  else if constexpr (std::is_floating_point_v<T>)
    return sizeof(T) == 4 ? "f" : "d";
  else if constexpr (std::is_signed_v<T>)
    return sizeof(T) == 1 ? "b" : sizeof(T) == 2 ? "h" : sizeof(T) == 4 ? "i" : "q";
  else
    return sizeof(T) == 1 ? "B" : sizeof(T) == 2 ? "H" : sizeof(T) == 4 ? "I" : "Q";
}

/* A copy, because the library's memory lives no longer than the call. */
template <class T> static PyObject *array(const T *data, unsigned long long count) {
  constexpr size_t size = [] {
    if constexpr (std::is_void_v<T>)
      return size_t{1};
    else
      return sizeof(T);
  }();
  PyObject *bytes = PyBytes_FromStringAndSize(reinterpret_cast<const char *>(data),
                                              static_cast<Py_ssize_t>(data ? count * size : 0));
  if constexpr (std::is_void_v<T>) {
    return bytes;
  } else {
    PyObject *view = bytes ? PyMemoryView_FromObject(bytes) : nullptr;
    PyObject *result = view ? PyObject_CallMethod(view, "cast", "s", format<T>()) : nullptr;
    Py_XDECREF(view);
    Py_XDECREF(bytes);
    return result;
  }
}

template <class T>
constexpr bool is_data =
    std::is_pointer_v<T> && std::is_const_v<std::remove_pointer_t<T>> &&
    !std::is_same_v<std::remove_cv_t<std::remove_pointer_t<T>>, char> &&
    (std::is_void_v<std::remove_pointer_t<T>> || std::is_arithmetic_v<std::remove_pointer_t<T>>);
template <class T> constexpr bool is_count = std::is_integral_v<T> && !std::is_same_v<T, bool>;
} // namespace values

/* Appends the arguments from I on to the list; the user pointer, at Skip, is none. */
template <int Skip, size_t I = 0, class Tuple> static bool append(PyObject *list, Tuple &all) {
  using values::to_python;
  if constexpr (I >= std::tuple_size_v<Tuple>) {
    return true;
  } else if constexpr (static_cast<int>(I) == Skip) {
    return append<Skip, I + 1>(list, all);
  } else {
    constexpr bool pair = [] {
      if constexpr (I + 1 < std::tuple_size_v<Tuple>)
        return values::is_data<std::decay_t<std::tuple_element_t<I, Tuple>>> &&
               values::is_count<std::decay_t<std::tuple_element_t<I + 1, Tuple>>>;
      else
        return false;
    }();
    PyObject *value;
    if constexpr (pair)
      value = values::array(std::get<I>(all), static_cast<unsigned long long>(std::get<I + 1>(all)));
    else
      value = to_python(std::get<I>(all));
    bool good = value && !PyList_Append(list, value);
    Py_XDECREF(value);
    return good && append<Skip, I + (pair ? 2 : 1)>(list, all);
  }
}

} // namespace callbacks
%}

#endif
