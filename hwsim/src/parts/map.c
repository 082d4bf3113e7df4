/* Register maps: a model's registers by address and by name, and whether they make sense. */
#include "parts/map.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "timeline/operation.h"

#include <stdlib.h>
#include <string.h>

const char *hwsim_access_name(hwsim_access access) {
  static const char *const names[] = {"RW", "RO", "WO", "W1C", "RC"};
  return (unsigned)access < ARRAY_LENGTH(names) ? names[access] : "unknown";
}

static int compare(const void *address, const void *entry) {
  uint32_t a = *(const uint32_t *)address, b = ((const hwsim_register *)entry)->address;
  return (a > b) - (a < b);
}

const hwsim_register *map_find(const hwsim_model *model, uint32_t address) {
  return bsearch(&address, model->registers, model->register_count, sizeof *model->registers,
                 compare);
}

hwsim_error map_fail_access(const hwsim_register *entry, const char *device, const char *operation,
                            const char *reason) {
  return error_set(HWSIM_EACCESS, device, operation, "%s at 0x%02X is %s", entry->name,
                   entry->address, reason);
}

hwsim_error map_check_address(const hwsim_model *model, const char *device, const char *operation,
                              uint32_t address) {
  if (address % 4)
    return error_set(
        HWSIM_EADDRESS, device, operation,
        "address must be a multiple of 4, got 0x%02X; the nearest register is at 0x%02X", address,
        address & ~UINT32_C(3));
  if (!map_find(model, address))
    return error_set(HWSIM_EADDRESS, device, operation, "there is no register at 0x%02X", address);
  return HWSIM_OK;
}

hwsim_error map_check_readable(const hwsim_model *model, const char *device, const char *operation,
                               uint32_t address) {
  hwsim_error error = map_check_address(model, device, operation, address);
  if (error)
    return error;
  const hwsim_register *entry = map_find(model, address);
  return entry->access == HWSIM_ACCESS_WO ? map_fail_access(entry, device, operation, "write-only")
                                          : HWSIM_OK;
}

hwsim_error hwsim_model_find(const hwsim_model *model, const char *name,
                             const hwsim_register **register_out) {
  const char *operation = OPERATION(library, find_register)->name;
  if (!name)
    return error_set(HWSIM_EINVALID, "", operation, "name must not be null");
  for (size_t i = 0; i < model->register_count; i++)
    if (strcmp(name, model->registers[i].name) == 0) {
      *register_out = &model->registers[i];
      return HWSIM_OK;
    }
  const char *near =
      nearest(name, &model->registers->name, model->register_count, sizeof *model->registers);
  return error_set(HWSIM_ENOTFOUND, "", operation, "no register is named '%.64s'%s%s", name,
                   near ? "; the nearest is " : "", near ? near : "");
}

/* What is wrong with a register, beside those before it; NULL: nothing. */
static const char *fault_of(const hwsim_model *model, size_t i) {
  const hwsim_register *entry = &model->registers[i];
  if (!entry->name || !*entry->name)
    return "has no name";
  if (entry->address % 4)
    return "has an address that is no multiple of 4";
  if (i && entry->address <= entry[-1].address)
    return "has an address that is not higher than the one before";
  if ((unsigned)entry->access > HWSIM_ACCESS_RC)
    return "has an unknown access";
  if ((unsigned)entry->role > HWSIM_ROLE_CHANNELS)
    return "has an unknown role";
  for (size_t k = 0; k < i; k++) {
    if (strcmp(entry->name, model->registers[k].name) == 0)
      return "has the name of another";
    if (entry->role && entry->role == model->registers[k].role)
      return "has the role of another";
  }
  return NULL;
}

hwsim_error map_check(const hwsim_model *model, const char *device) {
  const char *operation = OPERATION(device, open)->name;
  if (!model)
    return error_set(HWSIM_EINVALID, device, operation, "model must not be null");
  if (!model->registers || !model->register_count || model->register_count > MAP_LARGEST)
    return error_set(HWSIM_EINVALID, device, operation,
                     "a model must have from 1 to %d registers, got %zu", MAP_LARGEST,
                     model->registers ? model->register_count : 0);
  if (model->channels < 1 || model->channels > 64)
    return error_set(HWSIM_EINVALID, device, operation,
                     "a model must have from 1 to 64 channels, got %u", model->channels);
  for (size_t i = 0; i < model->register_count; i++) {
    const char *fault = fault_of(model, i);
    if (fault)
      return error_set(HWSIM_EINVALID, device, operation, "register %zu of the model, %.64s, %s", i,
                       model->registers[i].name ? model->registers[i].name : "", fault);
  }
  return HWSIM_OK;
}
