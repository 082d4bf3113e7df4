/* Behaviours: code that is not the library's, called for transfers to registers that the model
 * claims. An operation's transfers are listed, then the calls are made, which leaves a journal of
 * what is to happen; that is done when the operation takes effect. */
#ifndef HWSIM_PARTS_BEHAVIOURS_H
#define HWSIM_PARTS_BEHAVIOURS_H

#include "hwsim/hwsim.h"

typedef struct behaviours behaviours;

/* The device may have none. */
void behaviours_free(hwsim_device *device);
/* Mutex held: what was to change later will not. Power returns with a reset. */
void behaviours_power_off(hwsim_device *device);

#endif
