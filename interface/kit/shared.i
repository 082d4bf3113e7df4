/* shared.i: what is one for the process, however many modules the kit is in. Reusable: it names
 * nothing of any library.
 *
 * An error that a callback has raised, whether Python is about to end, and the policy that overrides
 * what is declared. The modules find it by a capsule of the interpreter, whose name has the version
 * of the structure: one with another structure gets another version, and keeps to its own. What else is
 * static belongs to each module: the linker would unite it for all of them, of whatever version, where a
 * class is not hidden.
 */
#ifndef KIT_SHARED_I
#define KIT_SHARED_I

/* SWIG takes #error for a warning: what it does not know stops it. */
#ifndef __cplusplus
#error "the kit needs SWIG's C++ mode, for SDKs in C as well: run swig -c++ (hwsim.get_swig_flags())"
%the_kit_stops_here
#endif
#ifndef SWIGPYTHON
#error "the kit is for Python: run swig -python (hwsim.get_swig_flags())"
%the_kit_stops_here
#endif
#if SWIG_VERSION < 0x040500
#error "the kit needs SWIG 4.5 or later: pip install 'swig>=4.5,<4.6'"
%the_kit_stops_here
#endif

%{
#if defined(SWIG_DIRECTORS) && !defined(SWIG_PYTHON_THREADS)
#error "a module with directors needs %module(directors=\"1\", threads=\"1\"): SWIG lets them take the GIL only so, and the kit sees to it that nothing is released twice"
#elif !defined(SWIG_DIRECTORS) && defined(SWIG_PYTHON_THREADS)
#error "the kit releases the GIL itself: run swig without -threads, and take threads=\"1\" out of %module"
#endif
#if __cplusplus < 201703L
#error "the kit needs C++17: compile with -std=c++17"
#endif

#include <atomic>

/* A wrapper that comes before the kit is not covered by it. gil.i puts this right again. */
#undef SWIG_fail
#define SWIG_fail goto include_the_kit_before_the_declarations_that_it_is_to_cover

namespace shared {

struct state { /* of version 1, for good */
  std::atomic<int> policy{0};
  std::atomic<int> stopped{0};
  std::atomic<PyObject *> deferred{nullptr};
  std::atomic<int> deferring{0}; /* how many there are that may defer one */
};
static const char *const STATE = "hwsim.kit.1";

static state *the = nullptr;

/* With the GIL. False with a Python error. */
[[maybe_unused]] static bool find() {
  PyObject *all = PyInterpreterState_GetDict(PyInterpreterState_Get());
  PyObject *key = all ? PyUnicode_FromString(STATE) : nullptr;
  PyObject *made = key ? PyCapsule_New(new state, STATE, nullptr) : nullptr; /* for good */
  PyObject *found = made ? PyDict_SetDefault(all, key, made) : nullptr;
  if (found)
    the = static_cast<state *>(PyCapsule_GetPointer(found, STATE));
  Py_XDECREF(made);
  Py_XDECREF(key);
  return the;
}

} // namespace shared
%}

/* MACRO(WITH, each) for each. */
%define %_each_with(MACRO, WITH, FIRST, ...)MACRO(WITH, FIRST)
#if #__VA_ARGS__ != "__fordone__"
%_each_with(MACRO, WITH, __VA_ARGS__)
#endif
%enddef
%define %each_with(MACRO, WITH, ALL...)%_each_with(MACRO, WITH, ALL, __fordone__)%enddef

%init %{
  if (!shared::find())
    return -1;
%}

#endif
