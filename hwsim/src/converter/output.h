/* Outputs: what a device puts out, and which channels see it. */
#ifndef HWSIM_CONVERTER_OUTPUT_H
#define HWSIM_CONVERTER_OUTPUT_H

#include "hwsim/hwsim.h"

typedef struct outputs outputs;

/* As many as the model has, at 0 V. False: no memory. */
bool outputs_open(hwsim_device *device);
void outputs_free(hwsim_device *device);
/* EINVALID, with details, unless there is such an output. No lock needed. */
hwsim_error outputs_check(const hwsim_device *device, const hwsim_operation *operation,
                          uint32_t output);
/* Mutex held: another voltage from now on. */
void outputs_put(hwsim_device *device, uint32_t output, double volts, int64_t at_ns);
/* Mutex held: nothing puts out anything. */
void outputs_power_off(hwsim_device *device, int64_t at_ns);

hwsim_output_scale outputs_scale(const hwsim_device *device, uint32_t output);

#endif
