/* lifetime.i: makes SWIG's -builtin objects safe against any order of calls. Reusable: it names
 * nothing of any library.
 *
 *  - A method of an object whose __init__ has not run raises ValueError, instead of using a null
 *    pointer.
 *  - %initialise_once(CLASS::CLASS): a second __init__ raises RuntimeError, instead of leaking the
 *    C++ object it makes. The constructor's policy is hold (gil.i), so that no other thread gets in
 *    between.
 *  - Instances of a Python subclass have a __dict__ that the garbage collector sees. SWIG's own one
 *    is hidden from it, so an object that refers to itself would never be collected.
 *  - %seal_classes, after the last class, does that, and removes the methods by which Python code
 *    could take over or chain C++ objects (disown, acquire, own, append, next, thisown), and what
 *    shows the pointer (this, int(object)). Each object owns what it made. Its attributes are found
 *    as those of any object are, and show that they are: notebooks complete nothing otherwise. Compile with -DSWIG_TYPE_TABLE=<your module>, lest another module's
 *    objects lose them.
 */
#ifndef KIT_LIFETIME_I
#define KIT_LIFETIME_I

%include "gil.i"

%typemap(in, noblock=1) SWIGTYPE *self {
  /* CPython has checked the type of self. */
  $1 = reinterpret_cast<$1_ltype>(reinterpret_cast<SwigPyObject *>($input)->ptr);
  if (!$1) {
    lifetime::fail($input, PyExc_ValueError, "has not been initialised: call __init__ first");
    SWIG_fail;
  }
}

%{
namespace lifetime {

static void fail(PyObject *self, PyObject *type, const char *message) {
  PyErr_Format(type, "%s %s", Py_TYPE(self)->tp_name, message);
}

static void remove(PyTypeObject *type, const char *name) {
  if (type && PyDict_DelItemString(type->tp_dict, name))
    PyErr_Clear(); /* another version of SWIG has no such method */
  if (type)
    PyType_Modified(type);
}

static void hide_pointer(PyTypeObject *type) {
  if (type->tp_as_number)
    type->tp_as_number->nb_int = nullptr;
}

} // namespace lifetime
%}

%define %initialise_once(NAME)
%exception NAME {
  if (reinterpret_cast<SwigPyObject *>(self)->ptr) {
    lifetime::fail(self, PyExc_RuntimeError, "has been initialised already: make a new one");
    SWIG_fail;
  }
  %gil_frame(hold)
}
%init %{
  gil::declared()[#NAME] = gil::hold;
%}
%enddef

%define %seal_classes
%init %{
  for (const char *name :
       {"disown", "acquire", "own", "append", "next", "__int__", "__getattribute__"})
    lifetime::remove(SwigPyObject_Type(), name);
  lifetime::hide_pointer(SwigPyObject_Type());
  for (swig_type_info *type : swig_type_initial)
    if (SwigPyClientData *data = static_cast<SwigPyClientData *>(type->clientdata)) {
      for (const char *name : {"this", "thisown"})
        lifetime::remove(data->pytype, name);
      if (data->pytype) {
        lifetime::hide_pointer(data->pytype);
        data->pytype->tp_dictoffset = 0;
      }
    }
%}
%enddef

#endif
