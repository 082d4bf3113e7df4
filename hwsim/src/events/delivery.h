/* The delivery thread: it serves what has something to give to handlers, when that is due. */
#ifndef HWSIM_EVENTS_DELIVERY_H
#define HWSIM_EVENTS_DELIVERY_H

#include "base/heap.h"

typedef struct delivery delivery;

/* What is served, and how. `hold` is called with the thread's mutex held, the rest on the thread
 * with no lock held. */
typedef struct delivery_kind {
  void (*hold)(delivery *self);     /* it is needed until let_go() */
  int64_t (*serve)(delivery *self); /* returns when it is due again, a monotonic time or FOREVER */
  void (*end)(delivery *self);      /* it has been forgotten while it was served */
  void (*let_go)(delivery *self);
} delivery_kind;

struct delivery {
  const delivery_kind *kind;
  /* Guarded by the thread's mutex. */
  heap_node node;   /* when it is due; in no heap: not by itself */
  int64_t again_ns; /* when it has been scheduled for while it was served */
  bool served;      /* now */
  bool forgotten;
};

/* One more delivery: starts the thread. False: it cannot be had. */
bool delivery_expect(void);
/* Serve it then, at the latest: a monotonic time, or FOREVER. May hold a device's mutex. */
void delivery_schedule(delivery *self, int64_t due_ns);
/* Never serve it again. True: it is not being served; otherwise the thread calls end() after it. */
bool delivery_forget(delivery *self);
void delivery_before_fork(void);
void delivery_after_fork(bool in_child);

#endif
