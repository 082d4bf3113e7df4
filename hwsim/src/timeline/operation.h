/* An operation: what a call asks a device to do, on its way over the bus and through time. */
#ifndef HWSIM_TIMELINE_OPERATION_H
#define HWSIM_TIMELINE_OPERATION_H

#include "base/list.h"
#include "timeline/source.h"

/* A row of operations.h: OPERATION(device, read_register). */
#define HWSIM_X(noun, name, ...) OPERATION_##noun##_##name,
enum { HWSIM_OPERATIONS(HWSIM_X) OPERATION_COUNT };
#undef HWSIM_X
extern const hwsim_operation operations[OPERATION_COUNT];
#define OPERATION(noun, name) (&operations[OPERATION_##noun##_##name])

typedef struct op op;

/* A call into code that is not the library's, in the middle of an operation; see bus.h. */
typedef struct callout {
  op *op; /* NULL: it has ended meanwhile, and has no effect */
  bool running;
  int64_t at_ns;      /* when it came to that */
  int64_t spent_ns;   /* how much longer the operation takes, */
  hwsim_error result; /* what it fails with, */
  void *reason;       /* and why: what the call has said */
  /* Makes the call. No lock is held. */
  void (*run)(hwsim_device *device, struct callout *self);
} callout;

/* The constant half: one for each kind of operation. */
typedef struct op_kind {
  const hwsim_operation *row; /* name, bytes, what it causes */
  /* Takes effect at device time `at_ns`, mutex held. OP_ARMED: not yet; it is asked again when its
   * topic has been touched, and at op->wake_ns. */
  hwsim_error (*apply)(hwsim_device *device, op *self, int64_t at_ns);
  /* Of one that `calls`: what has to be called before it takes effect, from its `op` on; NULL:
   * nothing. Mutex held. */
  callout *(*begin)(hwsim_device *device, op *self, int64_t at_ns);
  /* The power fails while it takes effect. Mutex held. May be NULL. */
  void (*tear)(hwsim_device *device, op *self);
  /* Frees what a successful end has left in it, when nobody takes the result. No lock is held. May
   * be NULL. */
  void (*drop)(op *self);
  bool off_bus;     /* armed at once, without a slot on the bus */
  bool observer;    /* looks at the device, is not counted, and no fault can hit it; also off_bus */
  bool timed;       /* what it does depends on the time */
  bool open_ended;  /* may be armed, so nobody knows how long it takes; also timed */
  bool maintenance; /* goes on while the device is programmed exclusively */
} op_kind;
#define OP_ARMED ((hwsim_error) - 1)

/* Something that armed operations wait for. Whoever owns it touches it when it has changed. */
typedef struct topic {
  errand errand;
  list ops;
  bool takes_turns; /* only the first operation is asked, until it has ended */
} topic;

/* What is going to happen to an operation, decided when it is submitted. */
typedef struct fate {
  hwsim_error result;     /* it fails with that; OK: it takes effect */
  int fault;              /* hwsim_fault_kind that makes it fail; 0: none */
  const char *fault_name; /* of `fault` */
  int first_hit;          /* hwsim_fault_kind; 0: none */
  uint32_t hits;          /* faults that it suffers */
  uint32_t causes;        /* kinds of events that they cause */
  int64_t delay_ns;
  bool unanswered;  /* holds the bus until it times out */
  bool power_fails; /* in the middle of its effect */
  bool corrupt;     /* what it writes is damaged */
  bool mute;        /* the events that it causes are lost */
  bool reconnects;  /* the device is back right before it */
  bool said;        /* a behaviour has said what it fails with, and */
  void *reason;     /* this about it */
} fate;

/* Links a call to its cancel token; see cancel.h. */
typedef struct cancel_link {
  list_link link;
  hwsim_cancel *token; /* NULL: none */
  void (*set)(struct cancel_link *self);
} cancel_link;

typedef enum op_state { OP_ENDED, OP_ON_BUS, OP_CALLING, OP_WAITING } op_state;

/* The first thing that happens to it after it has been submitted, or its end; mutex held, so it
 * must be short and call nothing of the device. */
typedef void op_callback(op *self, void *user);

/* Lives with whoever submits it, until it has ended; a noun embeds it as the first member of its
 * own. Only what op_prepare() sets is defined before it is submitted: nothing is zeroed in vain. */
struct op {
  const op_kind *kind;
  uint32_t bytes;
  bool timed;
  bool calls;   /* a behaviour has a say in it; also timed */
  topic *topic; /* that it waits for when it is armed */

  op_state state;
  hwsim_error result;
  uint64_t number; /* of the transaction, from 1; 0: an observer */
  fate fate;
  source source;
  list_link on_list; /* the bus's queue, or all that are armed */
  list_link on_topic;
  int64_t cost_ns;
  int64_t start_ns; /* its slot on the bus, once it is the first there; armed: when it began */
  int64_t done_ns;  /* the end of that slot; while others are before it what is expected */
  int64_t wake_ns;  /* armed: when the condition comes true by itself, or FOREVER */
  int64_t timeout_ns, deadline_ns;
  bool stalled;      /* it should be done, but there is no room for its events */
  bool called;       /* the behaviour has been */
  bool asynchronous; /* nobody waits for it */
  bool held_up;      /* to be told when the device's time goes on: */
  list_link on_hold;
  op_callback *done, *moved; /* it has ended; its next event comes earlier than expected */
  void *user;
  cancel_link cancel;
  hwsim_device *cancelled_on; /* whose operation it is, where it has a token */
};

/* `bytes`: what crosses the bus, if that is not what its row says; see op_bytes(). */
static inline void op_prepare(op *self, const op_kind *kind) {
  self->kind = kind;
  self->bytes = kind->row->bytes;
  self->timed = kind->timed;
  self->calls = false;
  self->topic = NULL;
}

static inline bool op_is_pending(const op *self) { return self->state != OP_ENDED; }

static inline const char *op_name(const op *self) { return self->kind->row->name; }

/* Kinds of events that it may cause, HWSIM_EVENT_BIT()s. */
static inline uint32_t op_causes(const op *self) {
  return self->kind->row->causes | self->fate.causes;
}

/* Says with error_set() why it failed. */
hwsim_error op_describe(const hwsim_device *device, const op *self, hwsim_error code);

#endif
