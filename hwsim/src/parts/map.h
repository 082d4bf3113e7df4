/* Register maps: what a model says of its registers. */
#ifndef HWSIM_PARTS_MAP_H
#define HWSIM_PARTS_MAP_H

#include "hwsim/hwsim.h"

enum { MAP_LARGEST = 65535 }; /* registers of a model */

/* EINVALID, with details, if the model breaks a rule of model.h. */
hwsim_error map_check(const hwsim_model *model, const char *device);
/* The register at an address; NULL: there is none. */
const hwsim_register *map_find(const hwsim_model *model, uint32_t address);
/* These set the error: whether there is a register at an address, and whether it can be read. */
hwsim_error map_check_address(const hwsim_model *model, const char *device, const char *operation,
                              uint32_t address);
hwsim_error map_check_readable(const hwsim_model *model, const char *device, const char *operation,
                               uint32_t address);
hwsim_error map_fail_access(const hwsim_register *entry, const char *device, const char *operation,
                            const char *reason);

#endif
