/* keywords.i: keyword arguments for hot methods of -builtin, at no cost for calls without them.
 * Reusable: it names nothing of any library.
 *
 * SWIG's fastest calls take exactly one argument (METH_O); a second one costs a tuple, and keyword
 * arguments cost more than a short call itself. Here the method is METH_FASTCALL: a call with just
 * its required arguments goes to one method that SWIG has made, NAME; any other has its arguments put
 * in order, None for those left out, and goes to a second one, _NAME (by %rename). Both have their
 * policy and error handling as ever.
 *
 *   %keyword_method(TYPE, NAME, REQUIRED, "name name ...", "docstring")
 *
 * REQUIRED arguments may be given by position or name, those after them by name only. The docstring
 * begins with a signature for inspect.signature(). NAME takes one argument, or two that come as one
 * array:
 *
 *   %argument_pair(uint32_t address, uint32_t value)
 *   void NAME(uint32_t address, uint32_t value);
 *   %clear (uint32_t address, uint32_t value);
 *
 * Python must not call that by itself: %keyword_method puts the method in its place.
 *
 *   %item_get(TYPE, NAME)     object[key], by the same methods: slots are the fastest calls that
 *   %item_set(TYPE, NAME)     object[key] = value    CPython has. Before the class is declared; NAME
 *                             has a %keyword_method
 *
 * A class in Python that derives from the wrapped one is decorated with bind_methods(): the
 * interpreter has a short cut for methods of the very class of an object, not for inherited ones.
 * Python classes of SWIG's have %feature("kwargs") instead.
 */
#ifndef KIT_KEYWORDS_I
#define KIT_KEYWORDS_I

%include "../kit/arguments.i"
%include "../kit/gil.i"

%{
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace keywords {

[[maybe_unused]] static std::vector<std::string> split(const char *words) {
  std::istringstream stream(words);
  return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

/* The arguments in the order of the parameters, as a new tuple; NULL with TypeError. */
[[maybe_unused]] static PyObject *arrange(const char *method, const char *parameter_names, size_t required,
                         PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
  const std::vector<std::string> parameters = split(parameter_names);
  std::vector<PyObject *> values(parameters.size(), nullptr);
  if (static_cast<size_t>(count) > required) {
    PyErr_Format(PyExc_TypeError, "%s() takes %zu positional arguments, got %zd", method, required,
                 count);
    return nullptr;
  }
  for (Py_ssize_t i = 0; i < count; i++)
    values[static_cast<size_t>(i)] = arguments[i];
  for (Py_ssize_t i = 0; i < (names ? PyTuple_GET_SIZE(names) : 0); i++) {
    PyObject *name = PyTuple_GET_ITEM(names, i);
    size_t k = 0;
    while (k < parameters.size() && PyUnicode_CompareWithASCIIString(name, parameters[k].c_str()))
      k++;
    if (k == parameters.size() || values[k]) {
      PyErr_Format(PyExc_TypeError, "%s() got %s argument '%U'", method,
                   k == parameters.size() ? "an unexpected keyword" : "multiple values for", name);
      return nullptr;
    }
    values[k] = arguments[count + i];
  }
  PyObject *tuple = PyTuple_New(static_cast<Py_ssize_t>(values.size()));
  for (size_t k = 0; tuple && k < values.size(); k++) {
    if (!values[k] && k < required) {
      PyErr_Format(PyExc_TypeError, "%s() misses the argument '%s'", method,
                   parameters[k].c_str());
      Py_CLEAR(tuple);
      break;
    }
    PyObject *value = values[k] ? values[k] : Py_None;
    Py_INCREF(value);
    PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(k), value);
  }
  return tuple;
}

/* Calls a SWIG wrapper of one argument, or of an %argument_pair. */
[[maybe_unused]] static inline PyObject *call_plain(PyCFunction plain, PyObject *self, PyObject *const *arguments,
                                   Py_ssize_t count) {
  return plain(self, count == 1 ? arguments[0]
                                : reinterpret_cast<PyObject *>(const_cast<PyObject **>(arguments)));
}

/* object[key] = value; del object[key] has no value. */
[[maybe_unused]] static inline int set_item(PyCFunction plain, PyObject *self, PyObject *key, PyObject *value) {
  if (!value) {
    PyErr_Format(PyExc_TypeError, "'%.200s' object doesn't support item deletion",
                 Py_TYPE(self)->tp_name);
    return -1;
  }
  PyObject *const pair[] = {key, value};
  PyObject *result = call_plain(plain, self, pair, 2);
  Py_XDECREF(result);
  return result ? 0 : -1;
}

struct declaration {
  PyTypeObject *owner;
  PyMethodDef *method;
};

[[maybe_unused]] static std::vector<declaration> &declared() {
  static std::vector<declaration> declarations;
  return declarations;
}

/* The two forms of a method, by the hash of its name. */
template <uint64_t Name> static PyCFunction plain = nullptr;
template <uint64_t Name> static PyCFunction full = nullptr;

/* What SWIG has made of a method of this name, or null with a Python error. */
[[maybe_unused]] static PyCFunction made(PyTypeObject *owner, const std::string &name) {
  PyObject *found = PyDict_GetItemString(owner->tp_dict, name.c_str());
  if (found && Py_IS_TYPE(found, &PyMethodDescr_Type))
    return reinterpret_cast<PyMethodDescrObject *>(found)->d_method->ml_meth;
  PyErr_Format(PyExc_SystemError, "%%keyword_method: %s has no method %s", owner->tp_name,
               name.c_str());
  return nullptr;
}

/* Finds both forms, and puts the method in the place of the first. */
[[maybe_unused]] static bool install(swig_type_info *type, PyMethodDef *method, PyCFunction *plain,
                                     PyCFunction *full) {
  PyTypeObject *owner = static_cast<SwigPyClientData *>(type->clientdata)->pytype;
  std::string name = method->ml_name;
  if (!(*plain = made(owner, name)) || !(*full = made(owner, "_" + name)))
    return false;
  PyObject *descriptor = PyDescr_NewMethod(owner, method);
  bool done = descriptor && !PyDict_SetItemString(owner->tp_dict, method->ml_name, descriptor);
  Py_XDECREF(descriptor);
  PyType_Modified(owner);
  declared().push_back({owner, method});
  return done;
}

/* Gives a class in Python the methods that it inherits as its own. */
[[maybe_unused]] static bool bind(PyObject *derived) {
  if (!PyType_Check(derived))
    return arguments::fail(PyExc_TypeError, "derived", "a class", derived);
  PyTypeObject *type = reinterpret_cast<PyTypeObject *>(derived);
  for (const declaration &each : declared()) {
    if (!PyType_IsSubtype(type, each.owner))
      continue;
    PyObject *name = PyUnicode_InternFromString(each.method->ml_name);
    PyObject *descriptor = name ? PyDescr_NewMethod(type, each.method) : nullptr;
    /* type's own, because SWIG's classes let nobody override what is wrapped. */
    bool done = descriptor && !PyType_Type.tp_setattro(derived, name, descriptor);
    Py_XDECREF(descriptor);
    Py_XDECREF(name);
    if (!done)
      return false;
  }
  return true;
}

} // namespace keywords
%}

%quick(bind_methods)
%typemap(in, pytype="Class") PyObject *derived "$1 = $input;"
%typemap(out, pytype="Class") PyObject *bind_methods "$result = $1;"
%inline %{
PyObject *bind_methods(PyObject *derived) {
  return keywords::bind(derived) ? Py_NewRef(derived) : nullptr;
}
%}

%define %argument_pair(FIRST, SECOND)
%typemap(in) (FIRST, SECOND) {
  PyObject *const *pair = reinterpret_cast<PyObject *const *>($input);
  if (!arguments::convert(pair[0], "$1_name", &$1)) SWIG_fail;
  if (!arguments::convert(pair[1], "$2_name", &$2)) SWIG_fail;
}
%enddef

%define %item_slot(TYPE, SLOT, FUNCTION)
%feature("python:" #SLOT) TYPE #FUNCTION;
%enddef

%define %item_get(TYPE, NAME)
%item_slot(TYPE, mp_subscript, keyword_get_##NAME)
%header %{
static PyObject *keyword_get_##NAME(PyObject *self, PyObject *key) {
  return keywords::plain<errors::name(#NAME)>(self, key);
}
%}
%enddef

%define %item_set(TYPE, NAME)
%item_slot(TYPE, mp_ass_subscript, keyword_set_##NAME)
%header %{
static int keyword_set_##NAME(PyObject *self, PyObject *key, PyObject *value) {
  return keywords::set_item(keywords::plain<errors::name(#NAME)>, self, key, value);
}
%}
%enddef

%define %keyword_method(TYPE, NAME, REQUIRED, PARAMETERS, DOC)
%wrapper %{
static PyObject *keyword_##NAME(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                                PyObject *names) {
  if (count == REQUIRED && !names)
    return keywords::call_plain(keywords::plain<errors::name(#NAME)>, self, arguments, count);
  PyObject *tuple =
      keywords::arrange(#NAME, PARAMETERS, REQUIRED, arguments, count, names);
  PyObject *result = tuple ? keywords::full<errors::name(#NAME)>(self, tuple) : nullptr;
  Py_XDECREF(tuple);
  return result;
}
static PyMethodDef keyword_##NAME##_method = {
    #NAME, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(keyword_##NAME)),
    METH_FASTCALL | METH_KEYWORDS, DOC};
%}
%init %{
  module::finishings().push_back([](PyObject *) {
    return keywords::install(SWIG_TypeQuery(#TYPE " *"), &keyword_##NAME##_method,
                             &keywords::plain<errors::name(#NAME)>, &keywords::full<errors::name(#NAME)>);
  });
%}
%enddef

#endif
