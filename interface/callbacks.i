/* callbacks.i: Python callables that C++ calls. Reusable: it names nothing of any library.
 *
 * callbacks::call() is for a callback on the calling thread, such as a progress report: it takes the GIL
 * back for the call, whether gil.i has released it or not, and lets it go again. When the callable
 * raises, the error stays set and the result is false; the library then ends the operation, and
 * errors.i passes the exception on as it is. A typemap for the parameter checks that it is callable:
 *
 *   if (!callbacks::check($input, "$1_name")) SWIG_fail;
 *
 * and, for a callable that raises when the operation has succeeded already, an argout typemap says
 *
 *   if (PyErr_Occurred()) SWIG_fail;
 */
%{
#include <cstdarg>

namespace callbacks {

/* Callable, or None; otherwise false with TypeError. */
static bool check(PyObject *object, const char *name) {
  if (object == Py_None || PyCallable_Check(object))
    return true;
  PyErr_Format(PyExc_TypeError, "%s must be callable or None, got %.200R (%s)", name, object,
               Py_TYPE(object)->tp_name);
  return false;
}

/* Calls with arguments as to Py_BuildValue("(...)"). False: it raised, now or in a call before. */
static bool call(PyObject *callable, const char *format, ...) {
  PyGILState_STATE state = PyGILState_Ensure();
  if (!PyErr_Occurred()) {
    va_list list;
    va_start(list, format);
    PyObject *arguments = Py_VaBuildValue(format, list);
    va_end(list);
    PyObject *result = arguments ? PyObject_CallObject(callable, arguments) : nullptr;
    Py_XDECREF(arguments);
    Py_XDECREF(result);
  }
  bool good = !PyErr_Occurred();
  PyGILState_Release(state);
  return good;
}

} // namespace callbacks
%}
