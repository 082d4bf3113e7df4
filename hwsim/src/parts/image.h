/* The image of a model: a copy that has been checked, and what follows from it for any number of
 * devices. Constant, and counted. */
#ifndef HWSIM_PARTS_IMAGE_H
#define HWSIM_PARTS_IMAGE_H

#include "parts/plan.h"
#include "parts/role.h"

#include <stdatomic.h>

enum { NOWHERE = UINT16_MAX };

/* What an access has to know at once. */
enum {
  READABLE = 1,
  WRITABLE = 2,
  PLAIN = 4, /* an access does nothing else, and it has no role */
  TIMED = 8,
  RULED = 16, /* an access, or a change, can set off rules */
  CLAIMED_READ = 32,
  CLAIMED_WRITE = 64, /* a behaviour is called for it */
  DRIVES = 128,       /* an output follows it */
  CONSTRAINED = 256   /* some values are refused */
};

/* The numbers of the claims on a register; NOWHERE: none. */
typedef struct claimed {
  uint16_t read, write;
} claimed;

typedef struct fact {
  uint64_t writable;
  uint64_t all;  /* bits that it has */
  uint32_t bits; /* how many */
  uint16_t flags;
  uint16_t effect; /* its place in `effects`, or NOWHERE */
} fact;

/* What an access does to the bits of a register that has more than plain ones. */
typedef struct effect {
  uint64_t readable; /* the others read as 0 */
  uint64_t cleared_by_read, set_by_read;
  uint64_t written[HWSIM_ONWRITE_SETS + 1]; /* bits by what a write does to them */
  uint64_t pulse, once;
} effect;

typedef struct model_image {
  atomic_int references;
  hwsim_model model;
  const register_behaviour *behaviours; /* by role, constant */
  fact *facts;                          /* by place in the map */
  effect *effects;
  size_t effect_count;
  struct plan *plan; /* NULL: it has no rules */
  claimed *claims;   /* by place; NULL: none */
  uint16_t *storage; /* by place: of what holds its bits; NULL: each does itself */
  /* By (address - first_address) >> shift, NOWHERE where there is no register; none if the map is
   * mostly gaps. */
  uint16_t *places;
  size_t slots;
  uint32_t first_address;
  unsigned shift;
  uint16_t by_role[HWSIM_ROLE_CHANNELS + 1]; /* NOWHERE: in no register */
} model_image;

/* The place of the register that holds the bits of one: its own, unless it is an alias. */
static inline size_t image_storage(const model_image *self, size_t place) {
  return self->storage ? self->storage[place] : place;
}

/* An image of a model, or one reference more to the one that it is the model of. EINVALID, with
 * details, ENOMEM. */
hwsim_error image_of(const hwsim_model *model, const register_behaviour *behaviours,
                     model_image **image_out);
model_image *image_retain(model_image *self);
void image_release(model_image *self); /* may be NULL */

#endif
