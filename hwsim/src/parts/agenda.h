/* What will happen to registers by itself, in the order of its times: what rules and behaviours
 * wait with. Mutex held. */
#ifndef HWSIM_PARTS_AGENDA_H
#define HWSIM_PARTS_AGENDA_H

#include "base/heap.h"
#include "timeline/source.h"

typedef struct agenda {
  source source;
  heap pending;
  uint64_t order;
  bool detour; /* something waits, so that no operation takes the short way */
} agenda;

/* `fire` takes the first of `pending` out, lets it happen, and reschedules. */
void agenda_open(hwsim_device *device, agenda *self,
                 void (*fire)(hwsim_device *, source *, int64_t at_ns, int64_t until_ns));
/* Of the same time, what was put first happens first. */
void agenda_put(agenda *self, heap_node *node, int64_t at_ns);
/* After each change of it. Who waits is told when something will happen by itself. */
void agenda_reschedule(hwsim_device *device, agenda *self);

#endif
