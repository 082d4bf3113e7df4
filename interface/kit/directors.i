/* directors.i: virtual methods that Python overrides. Reusable: it names nothing of any library.
 *
 * The module says %module(directors="1", threads="1") and %feature("director") for the class. A method
 * takes the GIL, on any thread. What it raises on the thread of a call ends that call and comes out of
 * it; it passes through the library as a C++ exception. On a thread of the library it is deferred to
 * the next call (errors.i), and the method returns a value of 0.
 *
 *   %director_returns(NAMES...)   their errors never pass through the library: the method returns a
 *                                 value of 0, and so does every other one until the call has ended.
 *                                 For methods that are noexcept, or called by code in C
 *
 * A module with callbacks from threads of the library needs CALLBACKS_STOP (threads.i).
 */
#ifndef KIT_DIRECTORS_I
#define KIT_DIRECTORS_I

%include "../kit/threads.i"

%{
#ifdef SWIG_DIRECTORS
namespace directors {

/* What a method returns where Python returned nothing. */
[[maybe_unused]] static void value(missing::nothing) {}
template <class T> static T value(T &result) { return result; }

/* In a method; not entered while an error waits either. */
class block : public threads::entry {
public:
  block() : foreign_(threads::is_foreign()) {
    if (*this && PyErr_Occurred())
      end();
  }

  /* After a method has raised: true if its error goes through the library. */
  bool throws(const char *method) {
    if (!foreign_) {
      errors::raised_inside = true;
      return true;
    }
    PyObject *where = PyUnicode_FromString(method);
    errors::defer(errors::take(), where);
    Py_XDECREF(where);
    return false;
  }

private:
  bool foreign_;
};

} // namespace directors

#undef SWIG_PYTHON_THREAD_BEGIN_BLOCK
#undef SWIG_PYTHON_THREAD_END_BLOCK
#define SWIG_PYTHON_THREAD_BEGIN_BLOCK                                                             \
  directors::block director_block;                                                                 \
  if (!director_block)                                                                             \
  return directors::value(c_result)
#define SWIG_PYTHON_THREAD_END_BLOCK director_block.end()
#endif
%}

%feature("director:except") {
  if (error) {
    if (director_block.throws("$symname"))
      throw Swig::DirectorMethodException();
    return directors::value(c_result);
  }
}

%define %director_returns_one(NAME)
%feature("director:except") NAME {
  if (error) {
    director_block.throws("$symname");
    return directors::value(c_result);
  }
}
%enddef
%define %director_returns(NAMES...)
%formacro(%director_returns_one, NAMES)
%enddef

#endif
