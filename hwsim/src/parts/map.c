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

/* ---------------------------------------------------------------------------- by its address -- */

static int compare(const void *address, const void *entry) {
  uint32_t a = *(const uint32_t *)address, b = ((const hwsim_register *)entry)->address;
  return (a > b) - (a < b);
}

const hwsim_register *map_find(const hwsim_model *model, uint32_t address) {
  if (!model->register_count)
    return NULL;
  return bsearch(&address, model->registers, model->register_count, sizeof *model->registers,
                 compare);
}

const hwsim_memory *map_memory_holding(const hwsim_model *model, uint32_t address) {
  for (size_t i = 0; i < model->memory_count; i++) {
    const hwsim_memory *each = &model->memories[i];
    if (address >= each->address && (address - each->address) / map_size(each->bits) < each->words)
      return each;
  }
  return NULL;
}

const hwsim_memory *map_find_memory(const hwsim_model *model, uint32_t address) {
  const hwsim_memory *found = map_memory_holding(model, address);
  return found && (address - found->address) % map_size(found->bits) == 0 ? found : NULL;
}

hwsim_error map_fail_access(const char *name, uint32_t address, const char *device,
                            const char *operation, const char *reason) {
  return error_set(HWSIM_EACCESS, device, operation, "%s at 0x%02X is %s", name, address, reason);
}

/* The register that an address lies in, or the one below it; NULL: it is below all. */
static const hwsim_register *register_before(const hwsim_model *model, uint32_t address) {
  size_t from = 0, to = model->register_count;
  while (from < to) {
    size_t middle = (from + to) / 2;
    if (model->registers[middle].address <= address)
      from = middle + 1;
    else
      to = middle;
  }
  return from ? &model->registers[from - 1] : NULL;
}

const hwsim_register *map_holding(const hwsim_model *model, uint32_t address) {
  const hwsim_register *near = register_before(model, address);
  return near && address - near->address < map_size(near->bits) ? near : NULL;
}

hwsim_error map_check_address(const hwsim_model *model, const char *device, const char *operation,
                              uint32_t address) {
  const hwsim_register *near = register_before(model, address);
  if ((near && near->address == address) || map_find_memory(model, address))
    return HWSIM_OK;
  uint32_t size = near ? map_size(near->bits) : 4;
  if (near && address - near->address < size)
    return error_set(
        HWSIM_EADDRESS, device, operation,
        "address must be a multiple of %u, got 0x%02X; the nearest register is at 0x%02X", size,
        address, near->address);
  return error_set(HWSIM_EADDRESS, device, operation, "there is no register at 0x%02X", address);
}

hwsim_error map_check_readable(const hwsim_model *model, const char *device, const char *operation,
                               uint32_t address) {
  hwsim_error error = map_check_address(model, device, operation, address);
  if (error)
    return error;
  const hwsim_register *entry = map_find(model, address);
  if (!entry)
    return error_set(HWSIM_EADDRESS, device, operation,
                     "there is a memory at 0x%02X, and no register", address);
  return entry->access == HWSIM_ACCESS_WO
             ? map_fail_access(entry->name, address, device, operation, "write-only")
             : HWSIM_OK;
}

/* ------------------------------------------------------------------------------- by its name -- */

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
      model->register_count
          ? nearest(name, &model->registers->name, model->register_count, sizeof *model->registers)
          : NULL;
  return error_set(HWSIM_ENOTFOUND, "", operation, "no register is named '%.64s'%s%s", name,
                   near ? "; the nearest is " : "", near ? near : "");
}

/* -------------------------------------------------------------------------- whether it is right --
 */

static const char *operation_name(void) { return OPERATION(device, open)->name; }

static bool is_size(uint32_t bits) {
  return !bits || bits == 8 || bits == 16 || bits == 32 || bits == 64;
}

static uint64_t ones(uint32_t count) {
  return count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

static bool is_plain(const hwsim_field *field) {
  return !field->onread && !field->onwrite && !field->pulse && !field->once;
}

/* What is wrong with a field, beside those before it; NULL: nothing. */
static const char *fault_of_field(const hwsim_register *entry, uint32_t i,
                                  const register_behaviour *role) {
  const hwsim_field *field = &entry->fields[i];
  if (!field->name || !*field->name)
    return "has no name";
  if (!field->width || field->lsb + field->width > map_size(entry->bits) * 8)
    return "has bits that the register has not";
  if ((unsigned)field->onread > HWSIM_ONREAD_SET || (unsigned)field->onwrite > HWSIM_ONWRITE_SETS)
    return "has an unknown effect";
  if (field->readable && entry->access == HWSIM_ACCESS_WO)
    return "can be read, but the register is WO";
  if (field->writable && entry->access == HWSIM_ACCESS_RO)
    return "can be written, but the register is RO";
  if (!is_plain(field) && entry->access > HWSIM_ACCESS_WO)
    return "has effects, but the register is W1C or RC";
  if (!is_plain(field) && (role->read || role->command))
    return "has effects, but the register has a role with which it holds nothing";
  for (uint32_t k = 0; k < i; k++) {
    const hwsim_field *other = &entry->fields[k];
    if (strcmp(field->name, other->name) == 0)
      return "has the name of another";
    if (field->lsb < other->lsb + other->width && other->lsb < field->lsb + field->width)
      return "shares bits with another";
  }
  if (field->enumerator_count && !field->enumerators)
    return "has no enumerators";
  if ((unsigned)field->constraint > HWSIM_CONSTRAINT_RANGE)
    return "has an unknown constraint";
  if (field->constraint && !field->writable)
    return "has a constraint, but cannot be written";
  if (field->constraint == HWSIM_CONSTRAINT_ENUMERATED && !field->enumerator_count)
    return "takes the values of its enumerators, but has none";
  if (field->constraint == HWSIM_CONSTRAINT_RANGE &&
      (field->lowest > field->highest || field->highest & ~ones(field->width)))
    return "has a range that is empty, or does not fit";
  for (uint32_t k = 0; k < field->enumerator_count; k++)
    if (!field->enumerators[k].name || field->enumerators[k].value & ~ones(field->width))
      return "has an enumerator without a name, or whose value does not fit";
  return NULL;
}

/* What is wrong with a register, beside the one before it; NULL: nothing. */
static const char *fault_of(const hwsim_model *model, size_t i) {
  const hwsim_register *entry = &model->registers[i];
  if (!entry->name || !*entry->name)
    return "has no name";
  if (!is_size(entry->bits))
    return "has a size that is none of 8, 16, 32 and 64 bits";
  if (entry->address % map_size(entry->bits))
    return "has an address that is no multiple of its size";
  if (i && entry->address <= entry[-1].address)
    return "has an address that is not higher than the one before";
  if (i && entry->address - entry[-1].address < map_size(entry[-1].bits))
    return "overlaps the one before";
  if ((entry->reset_value | entry->writable) & ~ones(map_size(entry->bits) * 8))
    return "has a reset value or writable bits that it has no room for";
  if ((unsigned)entry->access > HWSIM_ACCESS_RC)
    return "has an unknown access";
  if ((unsigned)entry->role > HWSIM_ROLE_CHANNELS)
    return "has an unknown role";
  if (entry->field_count && (!entry->fields || entry->field_count > 64))
    return "has no fields, or more than 64";
  return NULL;
}

static hwsim_error fail(const char *kind, size_t i, const char *name, const char *fault) {
  return error_set(HWSIM_EINVALID, "", operation_name(), "%s %zu of the model, %.64s, %s", kind, i,
                   name ? name : "", fault);
}

static hwsim_error check_register(const hwsim_model *model, size_t i, uint32_t *roles,
                                  const register_behaviour *behaviours) {
  const hwsim_register *entry = &model->registers[i];
  const char *fault = fault_of(model, i);
  if (!fault && entry->role && *roles & UINT32_C(1) << entry->role)
    fault = "has the role of another";
  if (fault)
    return fail("register", i, entry->name, fault);
  *roles |= UINT32_C(1) << entry->role;
  for (uint32_t k = 0; k < entry->field_count; k++) {
    fault = fault_of_field(entry, k, &behaviours[entry->role]);
    const char *name = entry->fields[k].name;
    if (fault)
      return error_set(HWSIM_EINVALID, "", operation_name(),
                       "register %zu of the model, %.64s: field %u, %.64s, %s", i, entry->name, k,
                       name ? name : "", fault);
  }
  return HWSIM_OK;
}

static int compare_names(const void *a, const void *b) {
  const hwsim_register *const *first = a, *const *second = b;
  int order = strcmp((*first)->name, (*second)->name);
  return order ? order : (*first > *second) - (*first < *second);
}

/* Sorted, so that a model of many registers is checked in no time. */
static hwsim_error check_names(const hwsim_model *model) {
  if (!model->register_count)
    return HWSIM_OK;
  const hwsim_register **sorted = malloc(model->register_count * sizeof *sorted);
  hwsim_error error = sorted ? HWSIM_OK : error_no_memory("", operation_name());
  for (size_t i = 0; !error && i < model->register_count; i++)
    sorted[i] = &model->registers[i];
  if (!error)
    qsort(sorted, model->register_count, sizeof *sorted, compare_names);
  for (size_t i = 1; !error && i < model->register_count; i++)
    if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
      error = fail("register", (size_t)(sorted[i] - model->registers), sorted[i]->name,
                   "has the name of another");
  free(sorted);
  return error;
}

/* What is wrong with the register whose bits an alias shows; NULL: nothing. */
static const char *fault_of_alias(const hwsim_model *model, const hwsim_register *entry) {
  const hwsim_register *primary = map_find(model, entry->primary);
  if (!primary)
    return "is an alias of no register";
  if (primary->is_alias)
    return "is an alias of an alias";
  if (map_size(primary->bits) != map_size(entry->bits))
    return "is an alias of a register of another size";
  if (primary->role || entry->role)
    return "is an alias, but one of the two has a role";
  return NULL;
}

static hwsim_error check_aliases(const hwsim_model *model) {
  for (size_t i = 0; i < model->register_count; i++) {
    const hwsim_register *entry = &model->registers[i];
    const char *fault = entry->is_alias ? fault_of_alias(model, entry) : NULL;
    if (fault)
      return fail("register", i, entry->name, fault);
  }
  return HWSIM_OK;
}

/* Whether registers lie in these bytes. */
static bool is_taken(const hwsim_model *model, uint64_t from, uint64_t to) {
  uint32_t last = to > UINT32_MAX ? UINT32_MAX : (uint32_t)(to - 1);
  const hwsim_register *near = register_before(model, last);
  return near && (uint64_t)near->address + map_size(near->bits) > from;
}

static hwsim_error check_memory(const hwsim_model *model, size_t i, int64_t *left) {
  const hwsim_memory *entry = &model->memories[i];
  const char *fault = NULL;
  uint64_t size = is_size(entry->bits) ? map_size(entry->bits) : 1;
  uint64_t end = entry->address + size * entry->words;
  if (!entry->name || !*entry->name)
    fault = "has no name";
  else if (!is_size(entry->bits))
    fault = "has words that are none of 8, 16, 32 and 64 bits";
  else if (entry->address % size)
    fault = "has an address that is no multiple of the size of its words";
  else if (!entry->words || end > UINT64_C(1) << 32)
    fault = "has no words, or more than there are addresses";
  else if ((*left -= (int64_t)(size * entry->words)) < 0)
    fault = "makes it more than 256 MiB";
  else if ((unsigned)entry->access > HWSIM_ACCESS_WO)
    fault = "must be RW, RO or WO";
  else if (i && entry->address <
                    entry[-1].address + (uint64_t)map_size(entry[-1].bits) * entry[-1].words)
    fault = "overlaps the one before, or is not sorted";
  else if (is_taken(model, entry->address, end))
    fault = "overlaps a register";
  return fault ? fail("memory", i, entry->name, fault) : HWSIM_OK;
}

hwsim_error map_check(const hwsim_model *model, const register_behaviour *behaviours) {
  if (!model)
    return error_set(HWSIM_EINVALID, "", operation_name(), "model must not be null");
  if (!model->name)
    return error_set(HWSIM_EINVALID, "", operation_name(), "a model must have a name");
  bool described =
      (model->registers || !model->register_count) && (model->memories || !model->memory_count);
  if (!described || model->register_count > HWSIM_REGISTERS_LARGEST ||
      !(model->register_count || model->memory_count))
    return error_set(HWSIM_EINVALID, "", operation_name(),
                     "a model must have up to %d registers, and one or a memory, got %zu and %zu",
                     HWSIM_REGISTERS_LARGEST, described ? model->register_count : 0,
                     described ? model->memory_count : 0);
  if (model->channels < 1 || model->channels > 64)
    return error_set(HWSIM_EINVALID, "", operation_name(),
                     "a model must have from 1 to 64 channels, got %u", model->channels);
  uint32_t roles = 0;
  hwsim_error error = HWSIM_OK;
  for (size_t i = 0; !error && i < model->register_count; i++) {
    error = check_register(model, i, &roles, behaviours);
    roles &= ~UINT32_C(1); /* NONE */
  }
  if (!error)
    error = check_names(model);
  if (!error)
    error = check_aliases(model);
  int64_t left = HWSIM_MEMORY_LARGEST;
  for (size_t i = 0; !error && i < model->memory_count; i++)
    error = check_memory(model, i, &left);
  return error;
}
