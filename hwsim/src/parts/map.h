/* Register maps: what a model says of its registers. */
#ifndef HWSIM_PARTS_MAP_H
#define HWSIM_PARTS_MAP_H

#include "parts/role.h"

/* EINVALID, with details, if the model breaks a rule of model.h; ENOMEM. */
hwsim_error map_check(const hwsim_model *model, const register_behaviour *behaviours);
/* The register that begins at an address, or the memory that has a word there; NULL: none. */
const hwsim_register *map_find(const hwsim_model *model, uint32_t address);
const hwsim_memory *map_find_memory(const hwsim_model *model, uint32_t address);
/* The register that an address lies in, or the memory; NULL: none. */
const hwsim_register *map_holding(const hwsim_model *model, uint32_t address);
const hwsim_memory *map_memory_holding(const hwsim_model *model, uint32_t address);
/* In bytes. */
static inline uint32_t map_size(uint32_t bits) { return bits ? bits / 8 : 4; }
/* These set the error: whether there is a register at an address, and whether it can be read. */
hwsim_error map_check_address(const hwsim_model *model, const char *device, const char *operation,
                              uint32_t address);
hwsim_error map_check_readable(const hwsim_model *model, const char *device, const char *operation,
                               uint32_t address);
hwsim_error map_fail_access(const char *name, uint32_t address, const char *device,
                            const char *operation, const char *reason);

#endif
