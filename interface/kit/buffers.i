/* buffers.i: C arrays as Python buffers (bytearray, array, memoryview, NumPy), without copies.
 * Reusable: it names nothing of any library, and needs no headers of NumPy.
 *
 *   %buffer_in(TYPE, (const TYPE *data, size_t count))            the call reads the buffer
 *   %buffer_in_or_none(TYPE, (const TYPE *data, size_t count))    None is a null pointer and 0
 *   %buffer_out(TYPE, (TYPE *data, size_t count))                 the call writes into it
 *   %buffer_in_bytes((const void *data, size_t bytes))            of any type; the count is in bytes
 *   %buffer_out_bytes((void *data, size_t bytes))
 *   %buffer_out_of((enum format format, void *data, size_t count), "int16 or float32",
 *                  %element(int16_t, FORMAT_INT16) %element(float, FORMAT_FLOAT32))
 *                                                                 of one of several types
 *
 * The pointer and the count may come in either order, and the count be of any integral type: a
 * buffer with more is a ValueError. Functions overloaded by the type of the array get the one that
 * fits.
 *
 * The buffer must be C-contiguous, aligned, and hold numbers of exactly this kind and size. It
 * stays locked until the call has returned (a bytearray cannot be resized meanwhile), so the GIL
 * may be released.
 */
#ifndef KIT_BUFFERS_I
#define KIT_BUFFERS_I

%include "../kit/gil.i"

%{
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace buffers {

/* A buffer held for one call. A thread that Python ends in that call has the GIL no more. */
class lock {
public:
  lock() { view_.obj = nullptr; }
  ~lock() {
    if (view_.obj && gil::is_held())
      PyBuffer_Release(&view_);
  }
  lock(const lock &) = delete;
  lock &operator=(const lock &) = delete;

  /* False with a Python error: no buffer, read-only, not contiguous, not aligned. */
  bool acquire(PyObject *object, bool writable, const char *name) {
    if (!PyObject_CheckBuffer(object)) {
      PyErr_Format(PyExc_TypeError, "%s must be a buffer such as an array, got %.200R (%s)", name,
                   object, Py_TYPE(object)->tp_name);
      return false;
    }
    if (PyObject_GetBuffer(object, &view_, PyBUF_FULL_RO)) {
      view_.obj = nullptr;
      return false;
    }
    const char *type = Py_TYPE(object)->tp_name;
    if (writable && view_.readonly) {
      PyErr_Format(PyExc_BufferError, "%s must be writable, got a read-only %s", name, type);
      return false;
    }
    if (!PyBuffer_IsContiguous(&view_, 'C')) {
      PyErr_Format(PyExc_ValueError, "%s must be C-contiguous, got a strided %s", name, type);
      return false;
    }
    if (view_.itemsize < 1 ||
        reinterpret_cast<uintptr_t>(view_.buf) % static_cast<size_t>(view_.itemsize)) {
      PyErr_Format(PyExc_ValueError, "%s must be aligned, got a %s at an odd address", name, type);
      return false;
    }
    return true;
  }

  /* Whether it holds numbers of this kind and size, in the machine's byte order. */
  template <class T> bool holds() const {
    const char *format = view_.format ? view_.format : "B";
    const char *code = *format && std::strchr(native_orders(), *format) ? format + 1 : format;
    const char *codes = std::is_floating_point<T>::value ? "efd"
                        : std::is_signed<T>::value       ? "bhilqn"
                                                         : "BHILQN";
    return *code && !code[1] && std::strchr(codes, *code) &&
           static_cast<size_t>(view_.itemsize) == sizeof(T);
  }

  /* False, with the error that it does not hold what it must. */
  bool fail_type(const char *name, const char *types) const {
    PyErr_Format(PyExc_ValueError, "%s must hold %s, got format '%s' of %zd bytes", name, types,
                 view_.format ? view_.format : "B", view_.itemsize);
    return false;
  }

  template <class T>
  bool acquire_of(PyObject *object, bool writable, const char *name, const char *type) {
    return acquire(object, writable, name) && (holds<T>() || fail_type(name, type));
  }

  void *data() const { return view_.buf; }
  size_t bytes() const { return static_cast<size_t>(view_.len); }
  size_t count() const { return static_cast<size_t>(view_.len / view_.itemsize); }

private:
  static const char *native_orders() {
    static const uint16_t probe = 1;
    return *reinterpret_cast<const uint8_t *>(&probe) ? "@=<" : "@=>!";
  }

  Py_buffer view_;
};

/* The count, if it fits. */
template <class Count>
static bool count_in(unsigned long long count, const char *name, Count *count_out) {
  static_assert(std::is_integral_v<Count>, "a buffer has a pointer and an integral count");
  *count_out = static_cast<Count>(count);
  unsigned long long most = static_cast<unsigned long long>(std::numeric_limits<Count>::max());
  if (count <= most)
    return true;
  PyErr_Format(PyExc_ValueError, "%s must hold at most %llu values, got %llu", name, most, count);
  return false;
}

/* Sets pointer and count, whichever comes first; elements of 0 bytes: the count is in bytes. */
template <class Pointer, class Count>
static bool put(const lock &buffer, size_t element, const char *name, Pointer **data_out,
                const char *, Count *count_out) {
  *data_out = static_cast<Pointer *>(buffer.data());
  return count_in(element ? buffer.count() : buffer.bytes(), name, count_out);
}
template <class Count, class Pointer>
static bool put(const lock &buffer, size_t element, const char *, Count *count_out,
                const char *name, Pointer **data_out) {
  return put(buffer, element, name, data_out, nullptr, count_out);
}

template <class T> static const char *pointer_name(T **, const char *name, const char *) {
  return name;
}
template <class T> static const char *pointer_name(T *, const char *, const char *name) {
  return name;
}

/* T is void where it may hold anything. */
template <class T, class First, class Second>
static bool take(lock &buffer, PyObject *object, bool writable, const char *type,
                 const char *first_name, First *first_out, const char *second_name,
                 Second *second_out) {
  const char *name = pointer_name(first_out, first_name, second_name);
  if constexpr (std::is_void_v<T>)
    return buffer.acquire(object, writable, name) &&
           put(buffer, 0, first_name, first_out, second_name, second_out);
  else
    return buffer.acquire_of<T>(object, writable, name, type) &&
           put(buffer, sizeof(T), first_name, first_out, second_name, second_out);
}

/* For overloads: whether it is a buffer of such. */
template <class T> static bool is(PyObject *object) {
  lock buffer;
  bool good = PyObject_CheckBuffer(object) && buffer.acquire(object, false, "");
  if constexpr (!std::is_void_v<T>)
    good = good && buffer.holds<T>();
  PyErr_Clear();
  return good;
}

} // namespace buffers
%}

/* SWIG drops overloads that it takes for the same: each type has a rank of its own. */
%define %_buffer_rank(RANK, CHECK, PARAMETERS...)
%typemap(typecheck, precedence=RANK) PARAMETERS {
  $1 = CHECK;
}
%enddef
%define %_buffer_check(TYPE, CHECK, PARAMETERS...)
#if #TYPE == "int8_t"
%_buffer_rank(1100, %arg(CHECK), PARAMETERS)
#elif #TYPE == "uint8_t"
%_buffer_rank(1101, %arg(CHECK), PARAMETERS)
#elif #TYPE == "int16_t"
%_buffer_rank(1102, %arg(CHECK), PARAMETERS)
#elif #TYPE == "uint16_t"
%_buffer_rank(1103, %arg(CHECK), PARAMETERS)
#elif #TYPE == "int32_t"
%_buffer_rank(1104, %arg(CHECK), PARAMETERS)
#elif #TYPE == "uint32_t"
%_buffer_rank(1105, %arg(CHECK), PARAMETERS)
#elif #TYPE == "int64_t"
%_buffer_rank(1106, %arg(CHECK), PARAMETERS)
#elif #TYPE == "uint64_t"
%_buffer_rank(1107, %arg(CHECK), PARAMETERS)
#elif #TYPE == "float"
%_buffer_rank(1108, %arg(CHECK), PARAMETERS)
#elif #TYPE == "double"
%_buffer_rank(1109, %arg(CHECK), PARAMETERS)
#elif #TYPE == "char"
%_buffer_rank(1110, %arg(CHECK), PARAMETERS)
#elif #TYPE == "signed char"
%_buffer_rank(1111, %arg(CHECK), PARAMETERS)
#elif #TYPE == "unsigned char"
%_buffer_rank(1112, %arg(CHECK), PARAMETERS)
#elif #TYPE == "short"
%_buffer_rank(1113, %arg(CHECK), PARAMETERS)
#elif #TYPE == "unsigned short"
%_buffer_rank(1114, %arg(CHECK), PARAMETERS)
#elif #TYPE == "int"
%_buffer_rank(1115, %arg(CHECK), PARAMETERS)
#elif #TYPE == "unsigned int"
%_buffer_rank(1116, %arg(CHECK), PARAMETERS)
#elif #TYPE == "long"
%_buffer_rank(1117, %arg(CHECK), PARAMETERS)
#elif #TYPE == "unsigned long"
%_buffer_rank(1118, %arg(CHECK), PARAMETERS)
#else
%_buffer_rank(1090, %arg(CHECK), PARAMETERS)
#endif
%enddef

%define %buffer_of(TYPE, WRITABLE, PYTHON, PARAMETERS...)
%typemap(in, pytype=PYTHON) PARAMETERS (buffers::lock buffer) {
  if (!buffers::take<TYPE>(buffer, $input, WRITABLE, #TYPE, "$1_name", &$1, "$2_name", &$2))
    SWIG_fail;
}
%typemap(freearg) PARAMETERS ""
%_buffer_check(TYPE, buffers::is<TYPE>($input), PARAMETERS)
%enddef

%define %buffer_in(TYPE, PARAMETERS...)
%buffer_of(TYPE, false, "Buffer[" #TYPE "]", PARAMETERS)
%enddef
%define %buffer_out(TYPE, PARAMETERS...)
%buffer_of(TYPE, true, "Buffer[" #TYPE "]", PARAMETERS)
%enddef
%define %buffer_in_bytes(PARAMETERS...)
%buffer_of(void, false, "Any", PARAMETERS)
%enddef
%define %buffer_out_bytes(PARAMETERS...)
%buffer_of(void, true, "Any", PARAMETERS)
%enddef

%define %buffer_in_or_none(TYPE, PARAMETERS...)
%typemap(in, pytype="Buffer[" #TYPE "] | None") PARAMETERS (buffers::lock buffer) {
  $1 = 0;
  $2 = 0;
  if ($input != Py_None &&
      !buffers::take<TYPE>(buffer, $input, false, #TYPE, "$1_name", &$1, "$2_name", &$2))
    SWIG_fail;
}
%typemap(freearg) PARAMETERS ""
%_buffer_check(TYPE, $input == Py_None || buffers::is<TYPE>($input), PARAMETERS)
%enddef

%define %element(TYPE, CODE)
if (buffer.holds<TYPE>()) {
  $1 = CODE;
} else
%enddef
%define %buffer_out_of(PARAMETERS, TYPES, ELEMENTS)
%typemap(in, pytype="Any") PARAMETERS (buffers::lock buffer) {
  if (!buffer.acquire($input, true, "$2_name")) SWIG_fail;
  ELEMENTS {
    buffer.fail_type("$2_name", TYPES);
    SWIG_fail;
  }
  if (!buffers::put(buffer, 1, "$2_name", &$2, "$3_name", &$3)) SWIG_fail;
}
%typemap(freearg) PARAMETERS ""
%enddef

#endif
