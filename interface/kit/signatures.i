/* signatures.i: inspect.signature(), help() and the completion of notebooks for what SWIG makes.
 * Reusable: it names nothing of any library.
 *
 * SWIG writes "read(self, address) -> uint32_t" at the beginning of a docstring; CPython understands
 * "read($self, address, /)\n--\n\n". When the module has been made, the one is turned into the
 * other. Parameters are positional, but for those of %feature("kwargs") and -keyword, and of a
 * %keyword_method, which says them itself.
 * Python classes have signatures anyway; there it is done for functions that are not in a class.
 * A parameter that stands for several in C++ gets the name of the first, or another one by
 *
 *   %typemap(doc, name="out") (size_t size, void *out) ""
 *
 * A default that Python would not understand is shown as ...
 */
#ifndef KIT_SIGNATURES_I
#define KIT_SIGNATURES_I

%include "../kit/module.i"

%feature("autodoc", "0");

%{
#include <cstring>
#include <string>

namespace signatures {

/* "limit={}" is limit=None in Python. */
[[maybe_unused]] static std::string parameter(const std::string &text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos)
    return text == "self" ? "$self" : text;
  std::string value = text.substr(equals + 1);
  if (value == "{}" || value == "nullptr")
    value = "None";
  bool plain = value == "None" || value == "True" || value == "False" ||
               value.find_first_not_of("0123456789.") == std::string::npos;
  return text.substr(0, equals + 1) + (plain ? value : "...");
}

/* The parameters in the parentheses that begin at `open`; `open` moves behind them. */
[[maybe_unused]] static std::string parameters(const std::string &text, bool by_name,
                                               size_t *open) {
  std::string all, one;
  int depth = 0;
  size_t at = *open;
  for (; at < text.size(); at++) {
    char c = text[at];
    depth += (std::strchr("([{", c) != nullptr) - (std::strchr(")]}", c) != nullptr);
    if (depth == 0 || (depth == 1 && c == ',')) {
      all += (all.empty() || one.empty() ? "" : ", ") + (one.empty() ? "" : parameter(one));
      one.clear();
    } else if (!(depth == 1 && (c == '(' || c == ' '))) {
      one += c;
    }
    if (depth == 0)
      break;
  }
  *open = at + 1;
  return all.empty() || by_name ? all : all + ", /";
}

/* For good: CPython keeps no copy of a docstring. */
[[maybe_unused]] static void rewrite(PyMethodDef *method) {
  std::string doc = method->ml_doc ? method->ml_doc : "", name = method->ml_name;
  doc.erase(doc.find_last_not_of('\n') + 1).erase(0, doc.find_first_not_of('\n'));
  size_t open = name.size();
  if (doc.compare(0, open + 1, name + "(") || doc.find("\n--\n\n") != std::string::npos)
    return;
  /* SWIG takes keywords for every __init__, to refuse them. */
  bool by_name = (method->ml_flags & METH_KEYWORDS) && name != "__init__";
  std::string signature = name + "(" + parameters(doc, by_name, &open) + ")\n--\n\n";
  size_t line = doc.find('\n', open);
  method->ml_doc = strdup((signature + (line < doc.size() ? doc.substr(line + 1) : "")).c_str());
}

[[maybe_unused]] static void rewrite_all(PyObject *dict) {
  PyObject *value;
  for (Py_ssize_t at = 0; PyDict_Next(dict, &at, nullptr, &value);)
    if (PyCFunction_Check(value))
      rewrite(reinterpret_cast<PyCFunctionObject *>(value)->m_ml);
    else if (Py_IS_TYPE(value, &PyMethodDescr_Type))
      rewrite(reinterpret_cast<PyMethodDescrObject *>(value)->d_method);
}

[[maybe_unused]] static bool finish(PyObject *module) {
  rewrite_all(PyModule_GetDict(module));
  module::each_type([](const SwigPyClientData *data) {
    if (data->pytype)
      rewrite_all(data->pytype->tp_dict);
  });
  return true;
}

} // namespace signatures
%}

%init %{
  module::finishings().push_back(signatures::finish);
%}

/* It needs no saying; interfaces that do say it may. */
%define %signatures
%enddef

#endif
