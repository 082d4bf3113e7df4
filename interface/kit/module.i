/* module.i: one module for a process. Reusable: it names nothing of any library.
 *
 * What SWIG makes is static: its types, the factories of exceptions, the threads of the library. So
 * a module is made once, by the main interpreter:
 *
 *  - In a sub-interpreter its import raises ImportError, before anything of SWIG's has run; so it
 *    does in an interpreter that is initialised after the first one was finalised.
 *  - Imported again, because somebody removed it from sys.modules, it is the same module. The
 *    modules of the package that it is part of are put back into sys.modules, too, so that no class
 *    comes to be twice; but not if the package was still being imported when this module was made.
 */
#ifndef KIT_MODULE_I
#define KIT_MODULE_I

%include "../kit/shared.i"

%{
#include <vector>

namespace module {

typedef int execution(PyObject *module);

static execution *make = nullptr;    /* SWIG's */
static PyObject *made = nullptr;     /* the module */
static PyObject *package = nullptr;  /* that it is part of */
static bool finalised = false;

[[maybe_unused]] static int refuse(PyObject *module, const char *reason) {
  PyObject *name = PyModule_GetNameObject(module);
  if (name)
    PyErr_Format(PyExc_ImportError, "%U %s", name, reason);
  Py_XDECREF(name);
  return -1;
}

/* Puts a module into sys.modules, and those below it that it has as attributes. */
[[maybe_unused]] static int put_back(PyObject *module) {
  PyObject *name = PyModule_GetNameObject(module), *key, *value;
  PyObject *attributes = name ? PyDict_Copy(PyModule_GetDict(module)) : nullptr;
  bool good = attributes && !PyDict_SetItem(PyImport_GetModuleDict(), name, module);
  for (Py_ssize_t at = 0; good && PyDict_Next(attributes, &at, &key, &value);) {
    if (!PyModule_Check(value))
      continue;
    PyObject *its_name = PyModule_GetNameObject(value);
    PyObject *below = its_name ? PyUnicode_FromFormat("%U.%S", name, key) : nullptr;
    if (!its_name)
      PyErr_Clear(); /* a module without a name is none of the package's */
    else
      good = below && (PyUnicode_Compare(its_name, below) || !put_back(value));
    Py_XDECREF(below);
    Py_XDECREF(its_name);
  }
  Py_XDECREF(attributes);
  Py_XDECREF(name);
  return good ? 0 : -1;
}

/* The import takes what stands in sys.modules when this has returned. */
[[maybe_unused]] static int same_again(PyObject *again) {
  PyObject *name = PyModule_GetNameObject(again);
  int status = name ? PyObject_SetItem(PyImport_GetModuleDict(), name, made) : -1;
  Py_XDECREF(name);
  return status || !package ? status : put_back(package);
}

[[maybe_unused]] static bool is_complete(PyObject *module) {
  PyObject *spec = PyObject_GetAttrString(module, "__spec__");
  PyObject *initializing = spec ? PyObject_GetAttrString(spec, "_initializing") : nullptr;
  bool complete = !initializing || PyObject_IsTrue(initializing) == 0;
  Py_XDECREF(initializing);
  Py_XDECREF(spec);
  PyErr_Clear();
  return complete;
}

/* The package that a module is part of: a new reference. Null, without an error: none to keep. */
[[maybe_unused]] static PyObject *package_of(PyObject *module) {
  PyObject *spec = PyObject_GetAttrString(module, "__spec__");
  PyObject *name = spec ? PyObject_GetAttrString(spec, "parent") : nullptr;
  PyObject *found = name ? PyImport_GetModule(name) : nullptr;
  if (found && !is_complete(found))
    Py_CLEAR(found);
  Py_XDECREF(name);
  Py_XDECREF(spec);
  PyErr_Clear();
  return found;
}

/* The types that SWIG has made for this module. */
template <class Visit> static void each_type(Visit visit) {
  for (size_t i = 0; i < swig_module.size; i++)
    if (SwigPyClientData *data =
            static_cast<SwigPyClientData *>(swig_module.type_initial[i]->clientdata))
      visit(data);
}

/* What is done to the module once everything of it has been made, in this order. */
typedef bool finishing(PyObject *module);
[[maybe_unused]] static std::vector<finishing *> &finishings() {
  static std::vector<finishing *> all;
  return all;
}

/* Has a function called when the interpreter begins to shut down. False with a Python error. */
[[maybe_unused]] static bool at_exit(PyMethodDef *definition) {
  PyObject *function = PyCFunction_New(definition, nullptr);
  PyObject *atexit = function ? PyImport_ImportModule("atexit") : nullptr;
  PyObject *result = atexit ? PyObject_CallMethod(atexit, "register", "O", function) : nullptr;
  Py_XDECREF(result);
  Py_XDECREF(atexit);
  Py_XDECREF(function);
  return result;
}

/* Modules are taken apart in an order that follows from who refers to them. */
[[maybe_unused]] static PyObject *let_go(PyObject *, PyObject *) {
  Py_CLEAR(package);
  Py_RETURN_NONE;
}

[[maybe_unused]] static int execute(PyObject *module) {
  static PyMethodDef exit_step = {"let_go", let_go, METH_NOARGS, nullptr};
  if (PyInterpreterState_Get() != PyInterpreterState_Main())
    return refuse(module, "works in the main interpreter alone, not in a sub-interpreter: use a "
                          "process of its own (with mod_wsgi: WSGIApplicationGroup %{GLOBAL})");
  if (finalised)
    return refuse(module, "cannot be imported again after the interpreter has been finalised: use "
                          "a new process");
  if (made)
    return same_again(module);
  if (make(module) || !at_exit(&exit_step))
    return -1;
  for (finishing *each : finishings())
    if (!each(module))
      return -1;
  made = Py_NewRef(module);
  package = package_of(module);
  return Py_AtExit([] { finalised = true; }) ? refuse(module, "found no room for Py_AtExit()") : 0;
}

/* What SWIG's PyInit function returns. */
[[maybe_unused]] static PyObject *define(PyModuleDef *definition) {
  for (PyModuleDef_Slot *slot = definition->m_slots; slot->slot; slot++)
    if (slot->slot == Py_mod_exec && !make) {
      make = reinterpret_cast<execution *>(slot->value);
      slot->value = reinterpret_cast<void *>(execute);
    }
  return PyModuleDef_Init(definition);
}
#define PyModuleDef_Init(definition) module::define(definition)

} // namespace module
%}

#endif
