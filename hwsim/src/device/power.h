/* Power: all that a power failure, or a pulled cable, does to a device, and what its return does.
 */
#ifndef HWSIM_DEVICE_POWER_H
#define HWSIM_DEVICE_POWER_H

#include "timeline/operation.h"

/* Mutex held. `cause`: the operation that a fault has hit; NULL: it happens by itself. */
void power_off(hwsim_device *device, const op *cause, int64_t at_ns);
void power_on(hwsim_device *device, int64_t at_ns);

#endif
