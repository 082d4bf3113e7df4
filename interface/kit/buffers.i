/* buffers.i: C arrays as Python buffers (bytearray, array, memoryview, NumPy), without copies.
 * Reusable: it names nothing of any library, and needs no headers of NumPy.
 *
 *   %buffer_in(TYPE, (const TYPE *data, size_t count))            the call reads the buffer
 *   %buffer_in_or_none(TYPE, (const TYPE *data, size_t count))    None is a null pointer and 0
 *   %buffer_out(TYPE, (TYPE *data, size_t count))                 the call writes into it
 *
 * The buffer must be C-contiguous, aligned, and hold numbers of exactly this kind and size. It
 * stays locked until the call has returned (a bytearray cannot be resized meanwhile), so the GIL
 * may be released. For arguments that take several types, use buffers::lock in a typemap of your
 * own.
 */
#ifndef KIT_BUFFERS_I
#define KIT_BUFFERS_I

%{
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace buffers {

/* A buffer held for one call. A thread that Python ends in that call has the GIL no more. */
class lock {
public:
  lock() { view_.obj = nullptr; }
  ~lock() {
    if (view_.obj && PyGILState_Check())
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
  size_t count() const { return static_cast<size_t>(view_.len / view_.itemsize); }

private:
  static const char *native_orders() {
    static const uint16_t probe = 1;
    return *reinterpret_cast<const uint8_t *>(&probe) ? "@=<" : "@=>!";
  }

  Py_buffer view_;
};

} // namespace buffers
%}

%define %buffer_in(TYPE, PARAMETERS...)
%typemap(in, pytype="Buffer[" #TYPE "]") PARAMETERS (buffers::lock buffer) {
  if (!buffer.acquire_of<TYPE>($input, false, "$1_name", #TYPE)) SWIG_fail;
  $1 = static_cast<$1_ltype>(buffer.data());
  $2 = buffer.count();
}
%enddef

%define %buffer_in_or_none(TYPE, PARAMETERS...)
%typemap(in, pytype="Buffer[" #TYPE "] | None") PARAMETERS (buffers::lock buffer) {
  $1 = nullptr;
  $2 = 0;
  if ($input != Py_None) {
    if (!buffer.acquire_of<TYPE>($input, false, "$1_name", #TYPE)) SWIG_fail;
    $1 = static_cast<$1_ltype>(buffer.data());
    $2 = buffer.count();
  }
}
%enddef

%define %buffer_out(TYPE, PARAMETERS...)
%typemap(in, pytype="Buffer[" #TYPE "]") PARAMETERS (buffers::lock buffer) {
  if (!buffer.acquire_of<TYPE>($input, true, "$1_name", #TYPE)) SWIG_fail;
  $1 = static_cast<$1_ltype>(buffer.data());
  $2 = buffer.count();
}
%enddef

#endif
