/* What an operation does to registers when a behaviour has a say in it: the transfers that it
 * consists of, and the journal that its calls leave. */
#ifndef HWSIM_PARTS_JOURNAL_H
#define HWSIM_PARTS_JOURNAL_H

#include "timeline/operation.h"

/* One register of an operation. */
typedef struct transfer {
  uint16_t place;
  bool writes;
  uint64_t mask, value; /* of a write */
} transfer;

typedef enum entry_kind { ENTRY_READ, ENTRY_WRITE, ENTRY_SET, ENTRY_LATER } entry_kind;

/* Bits of a register that become others by themselves. */
typedef struct change_later {
  heap_node node; /* when */
  uint16_t place;
  uint64_t mask, value;
} change_later;

typedef struct entry {
  entry_kind kind;
  uint16_t place;
  bool called;          /* a read: the value is what the behaviour says */
  uint64_t mask, value; /* to write or to set */
  uint64_t held;        /* what the register holds then; of a write, or a change at once */
  change_later *later;  /* its own; with the delay for its time */
} entry;

/* Whoever makes the calls. Mutex held. */
typedef struct journal_keeper {
  /* For the operation of this number: what makes its calls. Its transfers follow, each by itself.
   */
  callout *(*begin)(hwsim_device *device, uint64_t number, int64_t at_ns);
  void (*expect)(hwsim_device *device, const transfer *next);
  /* Of the last calls that were made. */
  const entry *(*journal)(const hwsim_device *device, size_t *count_out);
  /* The operation has taken its effect, and changes registers later. */
  void (*schedule)(hwsim_device *device, int64_t at_ns);
  int64_t (*next_ns)(const hwsim_device *device); /* when one of them comes */
  /* The registers have been. */
  void (*reset)(hwsim_device *device);
} journal_keeper;

#endif
