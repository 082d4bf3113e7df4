/* Roles: what the registers of any model have to do with the rest of the device. */
#ifndef HWSIM_MODELS_ROLES_H
#define HWSIM_MODELS_ROLES_H

#include "events/occurrence.h"
#include "parts/registers.h"

/* By role. */
extern const register_behaviour role_behaviours[HWSIM_ROLE_CHANNELS + 1];
/* Latches and counts events in the registers that have the role; an observer of each device. */
void roles_observe(hwsim_device *device, observer *self, const occurrence *what);

#endif
