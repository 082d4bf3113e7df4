/* Cancel tokens: a latched flag, and the calls that run with it now. */
#ifndef HWSIM_TIMELINE_CANCEL_H
#define HWSIM_TIMELINE_CANCEL_H

#include "timeline/operation.h"

/* Links a call to its token while it runs, so that hwsim_cancel_set() finds it and calls `set`,
 * with the token's mutex held. No mutex is held here. A null token is none. Errors, without
 * details: EFORKED, ECANCELLED. */
hwsim_error cancel_attach(hwsim_cancel *token, cancel_link *self, void (*set)(cancel_link *self));
void cancel_detach(cancel_link *self);

/* `set` of an operation: ends it. */
void cancel_operation(cancel_link *self);

#endif
