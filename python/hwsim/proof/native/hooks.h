/* What is called in place of CPython's functions that release and retake the GIL. */
#ifndef HWSIM_PROOF_HOOKS_H
#define HWSIM_PROOF_HOOKS_H

/* Install and remove nest; both need the GIL, or on free-threaded Python a lock of the caller's.
 * Return 0 or an errno. */
int hooks_install(void);
int hooks_remove(void);

/* Looks at objects that were loaded since, where that was not possible at once. */
void hooks_refresh(void);

/* To be called once. */
void hooks_setup(void);

#endif
