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

%include "signatures.i"

%{
namespace module {

typedef int execution(PyObject *module);

static execution *make = nullptr;    /* SWIG's */
static PyObject *made = nullptr;     /* the module */
static PyObject *package = nullptr;  /* that it is part of */
static bool finalised = false;

static int refuse(PyObject *module, const char *reason) {
  PyObject *name = PyModule_GetNameObject(module);
  if (name)
    PyErr_Format(PyExc_ImportError, "%U %s", name, reason);
  Py_XDECREF(name);
  return -1;
}

/* Puts a module into sys.modules, and those below it that it has as attributes. */
static int put_back(PyObject *module) {
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
static int same_again(PyObject *again) {
  PyObject *name = PyModule_GetNameObject(again);
  int status = name ? PyObject_SetItem(PyImport_GetModuleDict(), name, made) : -1;
  Py_XDECREF(name);
  return status || !package ? status : put_back(package);
}

static bool is_complete(PyObject *module) {
  PyObject *spec = PyObject_GetAttrString(module, "__spec__");
  PyObject *initializing = spec ? PyObject_GetAttrString(spec, "_initializing") : nullptr;
  bool complete = !initializing || PyObject_IsTrue(initializing) == 0;
  Py_XDECREF(initializing);
  Py_XDECREF(spec);
  PyErr_Clear();
  return complete;
}

/* The package that a module is part of: a new reference. Null, without an error: none to keep. */
static PyObject *package_of(PyObject *module) {
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

/* Has a function called when the interpreter begins to shut down. False with a Python error. */
static bool at_exit(PyMethodDef *definition) {
  PyObject *function = PyCFunction_New(definition, nullptr);
  PyObject *atexit = function ? PyImport_ImportModule("atexit") : nullptr;
  PyObject *result = atexit ? PyObject_CallMethod(atexit, "register", "O", function) : nullptr;
  Py_XDECREF(result);
  Py_XDECREF(atexit);
  Py_XDECREF(function);
  return result;
}

/* Modules are taken apart in an order that follows from who refers to them. */
static PyObject *let_go(PyObject *, PyObject *) {
  Py_CLEAR(package);
  Py_RETURN_NONE;
}

static int execute(PyObject *module) {
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
  made = Py_NewRef(module);
  package = package_of(module);
  return Py_AtExit([] { finalised = true; }) ? refuse(module, "found no room for Py_AtExit()") : 0;
}

/* What SWIG's PyInit function returns. */
static PyObject *define(PyModuleDef *definition) {
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

%feature("docstring") put_back_package
  "Puts the modules of the package that this one is part of back into sys.modules.";
%typemap(out, pytype="None") int put_back_package "$result = $1 ? nullptr : Py_NewRef(Py_None);"
%inline %{
int put_back_package() { return module::package ? module::put_back(module::package) : 0; }
%}
%clear int put_back_package;

#endif
