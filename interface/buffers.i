/* buffers.i: C arrays as Python buffers (bytearray, array, memoryview, NumPy), without copies.
 * Reusable: it names nothing of any library, and needs no headers of NumPy.
 *
 *   %buffer_in(TYPE, FORMATS, (const TYPE *data, size_t count))    the call reads the buffer
 *   %buffer_out(TYPE, FORMATS, (TYPE *data, size_t count))         the call writes into it
 *
 * FORMATS: the characters of Python's struct module that the element may have; the size is compared
 * as well. The buffer must be C-contiguous. It stays locked until the call has returned (a bytearray
 * cannot be resized meanwhile), so the GIL may be released. None is a null pointer and 0 for
 * %buffer_in.
 */
%{
#include <cstring>

namespace buffers {

/* A buffer held for one call. */
class lock {
public:
  lock() { view_.obj = nullptr; }
  ~lock() { PyBuffer_Release(&view_); }
  lock(const lock &) = delete;
  lock &operator=(const lock &) = delete;

  bool acquire(PyObject *object, bool writable, const char *name, const char *type,
               const char *formats, size_t size) {
    if (!PyObject_CheckBuffer(object)) {
      PyErr_Format(PyExc_TypeError, "%s must be a buffer of %s, got %.200R (%s)", name, type, object,
                   Py_TYPE(object)->tp_name);
      return false;
    }
    if (PyObject_GetBuffer(object, &view_, PyBUF_FULL_RO)) {
      view_.obj = nullptr;
      return false;
    }
    if (writable && view_.readonly) {
      PyErr_Format(PyExc_BufferError, "%s must be writable, got a read-only %s", name,
                   Py_TYPE(object)->tp_name);
      return false;
    }
    if (!PyBuffer_IsContiguous(&view_, 'C')) {
      PyErr_Format(PyExc_ValueError, "%s must be C-contiguous, got a strided %s", name,
                   Py_TYPE(object)->tp_name);
      return false;
    }
    const char *format = view_.format ? view_.format : "B";
    const char *code = *format == '@' || *format == '=' ? format + 1 : format;
    bool same = *code && !code[1] && std::strchr(formats, *code);
    if (!same || static_cast<size_t>(view_.itemsize) != size) {
      PyErr_Format(PyExc_ValueError, "%s must hold %s, got format '%s' of %zd bytes", name, type,
                   format, view_.itemsize);
      return false;
    }
    return true;
  }

  void *data() const { return view_.buf; }
  size_t count() const { return static_cast<size_t>(view_.len / view_.itemsize); }

private:
  Py_buffer view_;
};

} // namespace buffers
%}

%define %buffer_in(TYPE, FORMATS, PARAMETERS...)
%typemap(in) PARAMETERS (buffers::lock buffer) {
  $1 = nullptr;
  $2 = 0;
  if ($input != Py_None) {
    if (!buffer.acquire($input, false, "$1_name", #TYPE, FORMATS, sizeof(TYPE))) SWIG_fail;
    $1 = static_cast<$1_ltype>(buffer.data());
    $2 = buffer.count();
  }
}
%enddef

%define %buffer_out(TYPE, FORMATS, PARAMETERS...)
%typemap(in) PARAMETERS (buffers::lock buffer) {
  if (!buffer.acquire($input, true, "$1_name", #TYPE, FORMATS, sizeof(TYPE))) SWIG_fail;
  $1 = static_cast<$1_ltype>(buffer.data());
  $2 = buffer.count();
}
%enddef
