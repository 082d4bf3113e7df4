/* The built-in model: a data acquisition device. It is a model like any other. */
#include "base/array.h"

#include "hwsim/hwsim.h"

/* What each register has to do with the rest of the device. */
enum {
  ROLE_ID = HWSIM_ROLE_NONE,
  ROLE_VERSION = HWSIM_ROLE_FIRMWARE_VERSION,
  ROLE_CONTROL = HWSIM_ROLE_CONVERTERS,
  ROLE_STATUS = HWSIM_ROLE_STATUS,
  ROLE_UPTIME = HWSIM_ROLE_UPTIME,
  ROLE_FAULT_COUNT = HWSIM_ROLE_FAULT_COUNT,
  ROLE_EVENT_MASK = HWSIM_ROLE_EVENT_MASK,
  ROLE_EVENT_STATUS = HWSIM_ROLE_EVENT_STATUS,
  ROLE_COMMAND = HWSIM_ROLE_COMMAND,
  ROLE_CHANNELS = HWSIM_ROLE_CHANNELS,
  ROLE_SCRATCH0 = HWSIM_ROLE_NONE,
  ROLE_SCRATCH1 = HWSIM_ROLE_NONE,
  ROLE_SCRATCH2 = HWSIM_ROLE_NONE,
  ROLE_SCRATCH3 = HWSIM_ROLE_NONE,
  ROLE_SCRATCH4 = HWSIM_ROLE_NONE,
  ROLE_SCRATCH5 = HWSIM_ROLE_NONE,
  ROLE_SCRATCH6 = HWSIM_ROLE_NONE,
  ROLE_SCRATCH7 = HWSIM_ROLE_NONE,
  ROLE_OUTPUT0 = HWSIM_ROLE_NONE,
  ROLE_OUTPUT1 = HWSIM_ROLE_NONE
};

/* Of the registers of the outputs, which are the last ones. */
static const hwsim_field code[] = {
    {.name = "CODE", .width = 16, .readable = true, .writable = true}};
static const hwsim_output outputs[] = {{.name = "output0", .source = "OUTPUT0.CODE"},
                                       {.name = "output1", .source = "OUTPUT1.CODE"}};

#define HWSIM_X(name_, address_, access_, reset_, writable_, description_)                         \
  {.name = #name_,                                                                                 \
   .address = address_,                                                                            \
   .access = HWSIM_ACCESS_##access_,                                                               \
   .reset_value = reset_,                                                                          \
   .writable = writable_,                                                                          \
   .description = description_,                                                                    \
   .role = (hwsim_role)ROLE_##name_,                                                               \
   .fields = address_ >= HWSIM_REGISTER_OUTPUT0 ? code : NULL,                                     \
   .field_count = address_ >= HWSIM_REGISTER_OUTPUT0 ? ARRAY_LENGTH(code) : 0},
static const hwsim_register registers[] = {HWSIM_REGISTERS(HWSIM_X)};
#undef HWSIM_X

const hwsim_model hwsim_daq = {.name = "daq",
                               .registers = registers,
                               .register_count = ARRAY_LENGTH(registers),
                               .channels = 4,
                               .outputs = outputs,
                               .output_count = ARRAY_LENGTH(outputs)};

const hwsim_register *hwsim_register_map(size_t *count_out) {
  *count_out = hwsim_daq.register_count;
  return hwsim_daq.registers;
}

hwsim_error hwsim_register_find(const char *name, const hwsim_register **register_out) {
  return hwsim_model_find(&hwsim_daq, name, register_out);
}
