/* Rules: what registers do by themselves, when they are accessed and when it is time. */
#ifndef HWSIM_MODELS_RULES_H
#define HWSIM_MODELS_RULES_H

#include "parts/registers.h"

typedef struct rules rules;

/* EINVALID, with details: one of them would act too often for the clock of this configuration. */
hwsim_error rules_check_clock(const model_image *image, const hwsim_config *config);
/* After the registers; nothing if the model has none. False: no memory. */
bool rules_open(hwsim_device *device);
void rules_free(hwsim_device *device);
/* Mutex held: what waited for its time will not come. Power returns with a reset. */
void rules_power_off(hwsim_device *device);

#endif
