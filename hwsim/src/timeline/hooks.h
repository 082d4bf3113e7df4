/* The hooks of the calling thread: what is told of its waits and of its long work. */
#ifndef HWSIM_TIMELINE_HOOKS_H
#define HWSIM_TIMELINE_HOOKS_H

#include "hwsim/hwsim.h"

#define POLL_NS 50000000 /* how often a caller's interrupt check is asked */

const hwsim_hooks *hooks_current(void); /* or NULL */
/* A wait, or work that takes time; no mutex held. What it returns goes to hooks_leave(). */
const hwsim_hooks *hooks_enter(int64_t expected_ns);
void hooks_leave(const hwsim_hooks *entered); /* may be NULL; may end the thread */
/* Asks the interrupt check if it is due, and sets when it will be again. No mutex held. */
bool hooks_interrupted(int64_t *poll_at_ns);

#endif
