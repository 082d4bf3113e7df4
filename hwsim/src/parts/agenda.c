#include "parts/agenda.h"

#include "events/subscription.h"
#include "parts/registers.h"
#include "timeline/bus.h"
#include "timeline/timeline.h"

void agenda_open(hwsim_device *device, agenda *self,
                 void (*fire)(hwsim_device *, source *, int64_t at_ns, int64_t until_ns)) {
  self->source.fire = fire;
  subscribers_add_background(device, &self->source);
}

void agenda_put(agenda *self, heap_node *node, int64_t at_ns) {
  node->time_ns = at_ns;
  node->order = self->order++;
  heap_put(&self->pending, node);
}

void agenda_reschedule(hwsim_device *device, agenda *self) {
  const heap_node *first = self->pending.root;
  if (self->detour != (first != NULL)) {
    self->detour = first;
    bus_add_detour(device, first ? 1 : -1);
  }
  int64_t next_ns = first ? first->time_ns : FOREVER;
  if (source_next_ns(&self->source) == next_ns)
    return;
  timeline_schedule(device, &self->source, RANK_RULE, next_ns);
  registers_touch(device);
  subscribers_reschedule(device);
}
