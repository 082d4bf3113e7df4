/* Plans: the rules and FIFOs of a model, with their names looked up. */
#ifndef HWSIM_PARTS_PLAN_H
#define HWSIM_PARTS_PLAN_H

#include "parts/role.h"

/* Bits of a register. */
typedef struct bits {
  uint64_t mask; /* 0: none */
  uint16_t place;
  uint8_t lsb, width;
} bits;

typedef struct condition_plan {
  bits part, than; /* without a mask: what sets the rule off; `value` */
  hwsim_comparison comparison;
  uint64_t value, mask;
  bool is_signed;
} condition_plan;

typedef struct rule_plan {
  hwsim_rule says; /* its texts and conditions are not to be used */
  bits on, target, source;
  const condition_plan *conditions; /* says.condition_count of them */
  uint16_t fifo;                    /* from 0, where there is one */
  bool has_fifo;
  bool timed;    /* what it does, or sets off, depends on the time */
  bool commands; /* its target is a command, of a reset */
} rule_plan;

typedef struct fifo_plan {
  bits data, level, empty, full, overflow, underflow;
  uint32_t depth;
  bool shows; /* its front in `data` */
} fifo_plan;

typedef struct output_plan {
  bits source;
  hwsim_code code;
} output_plan;

/* The rules that something about one register can set off. */
typedef struct watch {
  uint16_t place;
  uint16_t first, count; /* in `watched` */
} watch;

typedef struct plan {
  condition_plan *conditions; /* of all rules */
  rule_plan *rules;           /* the model's, then those that follow from its FIFOs */
  size_t rule_count;
  fifo_plan *fifos;
  size_t fifo_count;
  output_plan *outputs;
  size_t output_count;
  uint16_t *watched; /* rules, by register and then in their order */
  watch *watches;    /* by place */
  size_t watch_count;
  bool resets; /* some rule commands it */
} plan;

/* The behaviours are by role; what a register may have to do with rules follows from them. NULL in
 * *plan_out: the model has none of them. EINVALID, with details, ENOMEM. */
hwsim_error plan_new(const hwsim_model *model, const register_behaviour *behaviours,
                     plan **plan_out);
void plan_free(plan *self); /* may be NULL */
/* What a code is in whole steps of an output, from the lowest or from 0. */
int64_t plan_steps(const output_plan *self, uint64_t code);
uint64_t plan_code(const output_plan *self, int64_t steps);
const watch *plan_watch(const plan *self, size_t place); /* NULL: none */

#endif
