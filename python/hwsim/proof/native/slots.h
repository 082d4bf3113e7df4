/* The import slots of all loaded objects: where a call from one object to another looks up its
 * target. Writing another address there is seen by every extension, without its cooperation. */
#ifndef HWSIM_PROOF_SLOTS_H
#define HWSIM_PROOF_SLOTS_H

#include <stdbool.h>

/* A function to be redirected. */
typedef struct slot_target {
  const char *name;
  void *hook; /* called in its place */
  void *real; /* set by slots_resolve(); NULL: this process has no such function */
} slot_target;

/* Whether this system is one whose slots are known. */
bool slots_supported(void);

/* Finds the real functions. To be called once, before all that follows. */
void slots_resolve(slot_target *targets, int targets_n);

/* Redirects all slots of all loaded objects; again: those of objects loaded since. Returns 0, or an
 * errno, and then the first time leaves nothing redirected. Thread-safe. */
int slots_redirect(const slot_target *targets, int targets_n);

/* Restores what every slot of an object that is still loaded was before. Returns 0 or an errno. */
int slots_restore(const slot_target *targets, int targets_n);

/* How many slots are redirected. */
int slots_redirected(void);

#endif
