/* Cancel tokens: a latched flag, and the operations that run with it now. */
#ifndef HWSIM_TIMELINE_CANCEL_H
#define HWSIM_TIMELINE_CANCEL_H

#include "timeline/operation.h"

/* Links the operation to its token while it runs, so that hwsim_cancel_set() finds it. Neither a
 * device's mutex nor the token's is held. A null token is none. Errors, without details: EFORKED,
 * ECANCELLED. */
hwsim_error cancel_attach(hwsim_cancel *token, hwsim_device *device, op *self);
void cancel_detach(op *self);

#endif
