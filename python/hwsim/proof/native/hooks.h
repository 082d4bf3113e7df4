/* What is called in place of CPython's functions that release and retake the GIL. */
#ifndef HWSIM_PROOF_HOOKS_H
#define HWSIM_PROOF_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

/* Install and remove nest. Return 0 or an errno. Thread-safe. */
int hooks_install(void);
int hooks_remove(void);

/* Looks at objects that were loaded since, where that was not possible at once. */
void hooks_refresh(void);

/* Whether an address is in the object file that has CPython's functions. */
bool hooks_in_interpreter(const void *address);

/* How often the calling thread has released the GIL where that can be seen. */
uint64_t hooks_releases(void);

/* To be called once. */
void hooks_setup(void);

#endif
