/* Firmware: what runs on a device, and updates of it. */
#ifndef HWSIM_PARTS_FIRMWARE_H
#define HWSIM_PARTS_FIRMWARE_H

#include "hwsim/hwsim.h"

typedef struct firmware firmware;

size_t firmware_size(void);
/* Mutex held, or nobody else has the device. */
void firmware_boot(hwsim_device *device);
uint32_t firmware_version(const hwsim_device *device);

#endif
