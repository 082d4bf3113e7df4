/* model.i: models, as nested tuples; model.h converts them. */
%include "structs.i"

%{
#include "model.h"
%}

%typemap(in, pytype="tuple[Any, ...]") const hwsim_model & (models::description value) {
  if (!models::parse($input, &value)) SWIG_fail;
  $1 = &value.model;
}
%typemap(out, pytype="tuple[Any, ...]") PyObject *describe "$result = $1;"
%typemap(out, pytype="tuple[Any, ...]") PyObject *description "$result = $1;"
%apply SWIGTYPE *OPTIONAL { const hwsim::model *model };

namespace hwsim {

class model {
public:
  explicit model(const hwsim_model &description);
  %extend {
    PyObject *description() const { return models::describe(*$self->get()); }
  }
};

} // namespace hwsim
