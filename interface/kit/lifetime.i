/* lifetime.i: makes SWIG's objects safe against any order of calls. Reusable: it names nothing of any
 * library.
 *
 *  - A method of an object whose __init__ has not run raises ValueError, instead of using a null
 *    pointer.
 *  - %initialise_once(CLASS::CLASS): a second __init__ raises RuntimeError, instead of leaking the
 *    C++ object it makes. The constructor's policy is hold (gil.i), so that no other thread gets in
 *    between.
 *  - Instances of a Python subclass have a __dict__ that the garbage collector sees. SWIG's own one
 *    is hidden from it, so an object that refers to itself would never be collected.
 *  - A class made of two wrapped ones is a TypeError, as with other types of C, and so is one of
 *    SWIG's own base class. Neither can be had by assigning to __bases__ or __class__.
 *  - %seal_classes does that, and removes the methods by which Python code
 *    could take over or chain C++ objects (disown, acquire, own, append, next, thisown), and what
 *    shows the pointer (this, int(object)). Each object owns what it made. Its attributes are found
 *    as those of any object are, and show that they are: notebooks complete nothing otherwise.
 *    Compile with -DSWIG_TYPE_TABLE=<your module>, lest another module's objects lose them.
 * Python classes, which SWIG makes without -builtin, have the first two; the rest is about what they
 * are not.
 */
#ifndef KIT_LIFETIME_I
#define KIT_LIFETIME_I

%include "../kit/gil.i"

#ifdef SWIGPYTHON_BUILTIN
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

[[maybe_unused]] static void fail(PyObject *self, PyObject *type, const char *message) {
  PyErr_Format(type, "%s %s", Py_TYPE(self)->tp_name, message);
}

[[maybe_unused]] static void remove(PyTypeObject *type, const char *name) {
  if (type && PyDict_DelItemString(type->tp_dict, name))
    PyErr_Clear(); /* another version of SWIG has no such method */
  if (type)
    PyType_Modified(type);
}

[[maybe_unused]] static void hide_pointer(PyTypeObject *type) {
  if (type->tp_as_number)
    type->tp_as_number->nb_int = nullptr;
}

/* CPython refuses to combine types, or to turn an object of one into another, if each has more in
 * its objects than their common base. SWIG's have not, though each points to an object of its own
 * class. So each gets room for a pointer that nothing uses. */
[[maybe_unused]] static void keep_apart(PyTypeObject *type) {
  Py_ssize_t size = SwigPyObject_Type()->tp_basicsize;
  for (PyTypeObject *each = type; each != SwigPyObject_Type(); each = each->tp_base)
    size += static_cast<Py_ssize_t>(sizeof(void *));
  type->tp_basicsize = size;
  PyType_Modified(type);
}

/* A type of SWIG's, which only SWIG makes objects of. */
[[maybe_unused]] static void close(PyTypeObject *type) {
  type->tp_flags &= ~Py_TPFLAGS_BASETYPE;
  type->tp_flags |= Py_TPFLAGS_DISALLOW_INSTANTIATION;
  type->tp_new = nullptr;
  PyType_Modified(type);
}

#ifdef SWIG_TYPE_TABLE
constexpr bool own_table = true;
#else
constexpr bool own_table = false;
#endif

/* Once the module has been made. */
[[maybe_unused]] static bool close_all(PyObject *) {
  for (const char *name :
       {"disown", "acquire", "own", "append", "next", "__int__", "__getattribute__"})
    remove(SwigPyObject_Type(), name);
  hide_pointer(SwigPyObject_Type());
  module::each_type([](const SwigPyClientData *data) {
    if (!data->pytype || data->pytype == SwigPyObject_Type())
      return;
    for (const char *name : {"this", "thisown"})
      remove(data->pytype, name);
    hide_pointer(data->pytype);
    data->pytype->tp_dictoffset = 0;
    keep_apart(data->pytype);
  });
  for (PyTypeObject *type : {SwigPyObject_Type(), SwigPyPacked_Type(), SwigVarLink_Type(),
                             SwigPyStaticVar_Type()})
    close(type);
  return true;
}

template <bool OwnTable = own_table> static void seal() {
  static_assert(OwnTable, "%seal_classes changes all modules of SWIG's that share a type table: "
                          "compile with -DSWIG_TYPE_TABLE=<your module>");
  module::finishings().push_back(close_all);
}

} // namespace lifetime
%}

%define %initialise_once(NAME)
%exception NAME {
  if (reinterpret_cast<SwigPyObject *>(self)->ptr) {
    lifetime::fail(self, PyExc_RuntimeError, "has been initialised already: make a new one");
    SWIG_fail;
  }
  %gil_frame(hold, true, unsaid, nothing)
}
%init %{
  gil::declared()[#NAME] = gil::hold;
%}
%enddef

%define %seal_classes
%init %{
  lifetime::seal();
%}
%enddef

#else // Python classes
%define %initialise_once(NAME)
%pythonprepend NAME %{
        if "this" in self.__dict__:
            raise RuntimeError(f"{type(self).__qualname__} has been initialised already: make a new one")
%}
%enddef
%define %seal_classes
%enddef
#endif

#endif
