/* Models made at run time. */
#include "models/roles.h"

hwsim_error hwsim_model_new(const hwsim_model *model, const hwsim_model **model_out) {
  model_image *image;
  hwsim_error error = image_of(model, role_behaviours, &image);
  if (!error)
    *model_out = &image->model;
  return error;
}
