/* The registry: open devices by name. */
#ifndef HWSIM_DEVICE_REGISTRY_H
#define HWSIM_DEVICE_REGISTRY_H

#include "hwsim/hwsim.h"

/* EINUSE, with details: another device has the name. */
hwsim_error registry_add(hwsim_device *device);
void registry_remove(hwsim_device *device);

#endif
