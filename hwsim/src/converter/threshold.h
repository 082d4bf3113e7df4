/* Thresholds: a comparator for each channel. */
#ifndef HWSIM_CONVERTER_THRESHOLD_H
#define HWSIM_CONVERTER_THRESHOLD_H

#include "hwsim/hwsim.h"

typedef struct comparators comparators;

size_t comparators_size(void);
void comparators_open(hwsim_device *device);
void comparators_free(hwsim_device *device);
/* Mutex held. */
void comparators_power_on(hwsim_device *device, int64_t at_ns);

#endif
