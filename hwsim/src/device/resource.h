/* Resource strings: hwsim://NAME?key=value&... */
#ifndef HWSIM_DEVICE_RESOURCE_H
#define HWSIM_DEVICE_RESOURCE_H

#include "hwsim/hwsim.h"

/* The faults of a resource string; the caller frees `items`. */
typedef struct resource_faults {
  hwsim_fault *items;
  size_t count;
} resource_faults;

/* The configuration of a device of this model. EINVALID, with details, ENOMEM. */
hwsim_error resource_parse(const char *uri, const hwsim_model *model, hwsim_config *config_out,
                           resource_faults *faults_out);

#endif
