/* A model: what a kind of device is, as data. Included by hwsim.h.
 *
 * Every device is one of a model, which hwsim_device_open_model() is given; hwsim_device_open()
 * uses the built-in one, hwsim_daq. A model is a description: plain structures, which the library
 * checks and copies. hwsim_model_new() does so once for any number of devices. */
#ifndef HWSIM_MODEL_H
#define HWSIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum hwsim_access {
  HWSIM_ACCESS_RW = 0,
  HWSIM_ACCESS_RO = 1,
  HWSIM_ACCESS_WO = 2,
  HWSIM_ACCESS_W1C = 3, /* a written 1 clears its bit */
  HWSIM_ACCESS_RC = 4   /* read-only, reading clears it */
} hwsim_access;

/* X(NAME, value, text, meaning): what a register has to do with the rest of the device. A model
 * uses each role but NONE at most once; what it leaves out the device has not. */
#define HWSIM_ROLES(X)                                                                             \
  X(NONE, 0, "", "holds a value, no more")                                                         \
  X(FIRMWARE_VERSION, 1, "firmware_version", "reads the version of the firmware that runs")        \
  X(CONVERTERS, 2, "converters", "bit 0 enables the converters; without it they always are")       \
  X(STATUS, 3, "status", "bit 0: converters ready; bit 1: EVENT_STATUS & EVENT_MASK not 0")        \
  X(UPTIME, 4, "uptime", "reads milliseconds since open, reset or power-on, modulo 2^32")          \
  X(FAULT_COUNT, 5, "fault_count", "counts the faults that operations have suffered")              \
  X(EVENT_MASK, 6, "event_mask", "which events set bit 1 of STATUS")                               \
  X(EVENT_STATUS, 7, "event_status", "bit n is set by an event of kind n, see hwsim_event")        \
  X(COMMAND, 8, "command", "writing 1 is a software reset")                                        \
  X(CHANNELS, 9, "channels", "reads the number of channels")

typedef enum hwsim_role {
#define HWSIM_X(name, value, text, meaning) HWSIM_ROLE_##name = value,
  HWSIM_ROLES(HWSIM_X)
#undef HWSIM_X
} hwsim_role;

/* X(NAME, value, text, meaning): what a read does to the bits of a field; names as in SystemRDL. */
#define HWSIM_ONREADS(X)                                                                           \
  X(NONE, 0, "", "nothing")                                                                        \
  X(CLEAR, 1, "rclr", "clears them")                                                               \
  X(SET, 2, "rset", "sets them")

/* X(NAME, value, text, meaning): what a write does to the bits of a field. */
#define HWSIM_ONWRITES(X)                                                                          \
  X(VALUE, 0, "", "stores them")                                                                   \
  X(ONE_SETS, 1, "woset", "a written 1 sets its bit")                                              \
  X(ONE_CLEARS, 2, "woclr", "a written 1 clears its bit")                                          \
  X(ONE_TOGGLES, 3, "wot", "a written 1 inverts its bit")                                          \
  X(ZERO_SETS, 4, "wzs", "a written 0 sets its bit")                                               \
  X(ZERO_CLEARS, 5, "wzc", "a written 0 clears its bit")                                           \
  X(ZERO_TOGGLES, 6, "wzt", "a written 0 inverts its bit")                                         \
  X(CLEARS, 7, "wclr", "any write clears them")                                                    \
  X(SETS, 8, "wset", "any write sets them")

typedef enum hwsim_onread {
#define HWSIM_X(name, value, text, meaning) HWSIM_ONREAD_##name = value,
  HWSIM_ONREADS(HWSIM_X)
#undef HWSIM_X
} hwsim_onread;

typedef enum hwsim_onwrite {
#define HWSIM_X(name, value, text, meaning) HWSIM_ONWRITE_##name = value,
  HWSIM_ONWRITES(HWSIM_X)
#undef HWSIM_X
} hwsim_onwrite;

/* X(NAME, value, text, meaning): which values an operation may write to a field. The one that it
 * resets to is always one of them. Rules and behaviours may do as they like. */
#define HWSIM_CONSTRAINTS(X)                                                                       \
  X(NONE, 0, "", "all")                                                                            \
  X(ENUMERATED, 1, "enumerated", "those of its enumerators")                                       \
  X(RANGE, 2, "range", "from `lowest` to `highest`")

typedef enum hwsim_constraint {
#define HWSIM_X(name, value, text, meaning) HWSIM_CONSTRAINT_##name = value,
  HWSIM_CONSTRAINTS(HWSIM_X)
#undef HWSIM_X
} hwsim_constraint;

/* A name for a value of a field. */
typedef struct hwsim_enumerator {
  const char *name;
  uint64_t value;
  const char *description; /* or NULL */
} hwsim_enumerator;

/* Bits of a register with a meaning of their own. */
typedef struct hwsim_field {
  const char *name;
  const char *description; /* or NULL */
  uint8_t lsb, width;      /* bits lsb to lsb + width - 1 of the register */
  bool readable;           /* otherwise its bits read as 0 */
  bool writable;           /* otherwise what is written to them is ignored */
  bool pulse; /* singlepulse: is 0 again when the write, and what it set off, is over */
  bool once;  /* it takes the first write after power-on or a reset, and no other */
  hwsim_onread onread;
  hwsim_onwrite onwrite;
  const hwsim_enumerator *enumerators;
  uint32_t enumerator_count;
  /* Another value is refused with EINVALID; a write of some of its bits only is not looked at. */
  hwsim_constraint constraint;
  uint64_t lowest, highest; /* of a range */
} hwsim_field;

/* Addresses are bytes. A register is aligned to its size and overlaps no other. */
typedef struct hwsim_register {
  const char *name;
  uint32_t address;
  hwsim_access access;
  uint64_t reset_value;    /* at power-on, too */
  uint64_t writable;       /* bits that a write can change; the others keep their value */
  const char *description; /* or NULL */
  hwsim_role role;
  uint32_t bits; /* 8, 16, 32 or 64; 0: 32 */
  /* What its fields do to their bits counts instead of `access` and `writable`; but those of a
   * register that is W1C or RC are cleared as it is. Only a register that is RW, RO or WO can have
   * fields that are anything but plain, and none whose role is that the device makes up what it
   * reads, or that it is a command. */
  const hwsim_field *fields;
  uint32_t field_count; /* each name and bit once */
  /* It holds nothing, and shows the bits of another register of its size: what is written through
   * one is read through the other, by the access and the effects of each. Of an alias with fields,
   * bits in no field read as 0. Neither has a role. */
  bool is_alias;
  uint32_t primary; /* of an alias: the address of that register, which is no alias */
} hwsim_register;

/* Words that hold what is written to them, 0 at first; a reset leaves them as they are. */
typedef struct hwsim_memory {
  const char *name;
  uint32_t address;    /* aligned to the size of a word */
  uint32_t bits;       /* of a word: 8, 16, 32 or 64; 0: 32 */
  uint32_t words;      /* from 1; all memories of a model together: HWSIM_MEMORY_LARGEST bytes */
  hwsim_access access; /* RW, RO or WO */
  const char *description; /* or NULL */
} hwsim_memory;

#define HWSIM_REGISTERS_LARGEST 65535           /* registers of a model */
#define HWSIM_MEMORY_LARGEST (INT64_C(1) << 28) /* bytes of memory of a device */

/* --------------------------------------------------------------------------- FIFOs and rules --
 * What follows names registers as "REGISTER" and fields as "REGISTER.FIELD"; NULL: none. One with a
 * role has no part in a FIFO or an output. */

/* Values one after the other. Empty at power-on and after a reset. */
typedef struct hwsim_fifo {
  const char *name;
  uint32_t depth;        /* values, 1 to 65536 */
  const char *data;      /* shows the oldest value, unless the FIFO only takes what is written */
  bool pops;             /* a read of `data` takes that value out */
  bool pushes;           /* what is written to `data` goes in */
  const char *level;     /* how many values there are */
  const char *empty;     /* 1 while there is none */
  const char *full;      /* 1 while there is no room */
  const char *overflow;  /* set to 1 when a value finds no room, and is lost */
  const char *underflow; /* set to 1 when there is nothing to take out */
} hwsim_fifo;

/* X(NAME, value, text, meaning): what sets a rule off. */
#define HWSIM_WHENS(X)                                                                             \
  X(WRITTEN, 0, "written", "an operation writes it, once the write has its effect")                \
  X(READ, 1, "read", "an operation reads it, once that has its effect")                            \
  X(CHANGED, 2, "changed", "it becomes another value, by whatever but a reset")                    \
  X(EVERY, 3, "every", "the time: each `delay_ns` after power-on or the last reset")               \
  X(STARTED, 4, "started", "power-on, or a reset")

/* X(NAME, value, text, meaning): what a rule does. */
#define HWSIM_THENS(X)                                                                             \
  X(SET, 0, "set", "the target becomes `value`")                                                   \
  X(COPY, 1, "copy", "the target becomes what the source holds")                                   \
  X(ADD, 2, "add", "`value` is added to the target, modulo its size")                              \
  X(CONVERT, 3, "convert", "the target, or the FIFO, gets the next sample of `channel`")           \
  X(PUSH, 4, "push", "the FIFO gets what the source holds, or `value`")                            \
  X(POP, 5, "pop", "the oldest value leaves the FIFO, for the target")                             \
  X(EVENT, 6, "event", "a trigger event, with what the source holds, or `value`")

/* X(NAME, value, text, meaning): how a sample stands in bits, of which fewer than 16 have the upper
 * ones of the code. Nothing is converted while the converters are off. */
#define HWSIM_CODES_OF_RULES(X)                                                                    \
  X(SIGNED, 0, "signed", "two's complement")                                                       \
  X(OFFSET, 1, "offset", "0 is the most negative code")                                            \
  X(UNIPOLAR, 2, "unipolar", "0 is 0 V and below")

/* X(NAME, value, text, meaning): how a condition compares. */
#define HWSIM_COMPARISONS(X)                                                                       \
  X(EQUAL, 0, "==", "is the same")                                                                 \
  X(UNEQUAL, 1, "!=", "is another")                                                                \
  X(BELOW, 2, "<", "is less")                                                                      \
  X(AT_MOST, 3, "<=", "is less, or the same")                                                      \
  X(ABOVE, 4, ">", "is more")                                                                      \
  X(AT_LEAST, 5, ">=", "is more, or the same")

typedef enum hwsim_when {
#define HWSIM_X(name, value, text, meaning) HWSIM_WHEN_##name = value,
  HWSIM_WHENS(HWSIM_X)
#undef HWSIM_X
} hwsim_when;

typedef enum hwsim_then {
#define HWSIM_X(name, value, text, meaning) HWSIM_THEN_##name = value,
  HWSIM_THENS(HWSIM_X)
#undef HWSIM_X
} hwsim_then;

typedef enum hwsim_code {
#define HWSIM_X(name, value, text, meaning) HWSIM_CODE_##name = value,
  HWSIM_CODES_OF_RULES(HWSIM_X)
#undef HWSIM_X
} hwsim_code;

typedef enum hwsim_comparison {
#define HWSIM_X(name, value, text, meaning) HWSIM_COMPARISON_##name = value,
  HWSIM_COMPARISONS(HWSIM_X)
#undef HWSIM_X
} hwsim_comparison;

/* What a rule asks for. */
typedef struct hwsim_condition {
  const char *part; /* this holds a value; NULL: what is written to `on`, or what that becomes */
  hwsim_comparison comparison;
  uint64_t value;   /* that compares so with this; of two's complement, all 64 bits of it */
  const char *than; /* or with what this holds */
  uint64_t mask;    /* these bits of both; 0: all */
  bool is_signed;   /* both are two's complement, without a mask */
} hwsim_condition;

/* What a device does by itself. Rules that are set off at once act in their order; what follows
 * from one without a delay comes before the next. Such a chain must end, after 1024 actions at
 * most. A change that a rule makes is an event, as that of a write is.
 *
 * A register with a role takes part as far as it has a value. What is made up when it is read
 * (FIRMWARE_VERSION, STATUS, UPTIME, CHANNELS) can be read and compared, and an access of it sets
 * rules off; but nothing tells that it changes, and no rule sets it. To set COMMAND is to write it,
 * and it holds nothing. A fault or an event that changes FAULT_COUNT or EVENT_STATUS sets rules off
 * at its time, as soon as it is over, and once for all changes till then; without power none. */
typedef struct hwsim_rule {
  hwsim_when when;
  const char *on;                    /* NULL for EVERY and STARTED */
  const hwsim_condition *conditions; /* all of which must hold when it is set off */
  size_t condition_count;
  int64_t delay_ns;  /* until it acts: 0, or 1 us to 1 h */
  int64_t jitter_ns; /* +- around that, uniform, by the seed; leaves at least 1 us */
  bool ignore_again; /* set off again while it waits: nothing; otherwise the delay starts over */
  hwsim_then then;
  const char *target, *source;
  const char *fifo; /* by its name */
  bool written;     /* instead of a source: what was written to `on` */
  uint64_t value;
  uint32_t channel;
  hwsim_code code;
} hwsim_rule;

/* A digital-to-analogue converter: what it puts out follows from bits of a register, however they
 * change. Without power it is 0 V. See hwsim_output_connect(). */
typedef struct hwsim_output {
  const char *name;   /* each once */
  const char *source; /* up to 32 bits */
  hwsim_code code;    /* how they stand for volts: as those of a sample */
  double range_v;     /* full scale, 1 mV to 1 kV; 0: that of the device's converters */
  uint32_t bits;      /* the library says how many the source has */
} hwsim_output;

#define HWSIM_OUTPUTS_LARGEST 64    /* outputs of a model */
#define HWSIM_RULES_LARGEST 1024    /* rules of a model */
#define HWSIM_FIFOS_LARGEST 64      /* FIFOs of a model */
#define HWSIM_CONDITIONS_LARGEST 16 /* conditions of a rule */

/* Operations on a register for which the device's behaviour is called; see hwsim_behaviour. */
typedef struct hwsim_claim {
  const char *on; /* a register without a role */
  bool reads;     /* reads, also of a block */
  bool writes;    /* writes, also of a block, and updates */
} hwsim_claim;

#define HWSIM_CLAIMS_LARGEST 4096 /* claims of a model; each register's reads and writes once */

struct hwsim_signal;

typedef struct hwsim_model {
  const char *name;                /* of the kind, such as "daq" */
  const hwsim_register *registers; /* sorted by address, each address and name once */
  size_t register_count;           /* 0 if it has memories alone */
  uint32_t channels;               /* 1 to 64, unless the resource string says otherwise */
  /* What is connected at power-on to each of `channels` channels; NULL: hwsim_signal_default(). */
  const struct hwsim_signal *signals;
  const hwsim_memory *memories; /* sorted by address, apart from each other and from registers */
  size_t memory_count;
  const hwsim_fifo *fifos;
  size_t fifo_count;
  const hwsim_rule *rules;
  size_t rule_count;
  const hwsim_claim *claims;
  size_t claim_count;
  const hwsim_output *outputs;
  size_t output_count;
  bool big_endian;          /* how a value lies in the bytes at its address */
  struct model_image *made; /* the library's own: leave it NULL */
} hwsim_model;

#endif
