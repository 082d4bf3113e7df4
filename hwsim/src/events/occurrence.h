/* What happens on a device, and who is told of it: the queues of subscribers, the registers that
 * latch or count events. */
#ifndef HWSIM_EVENTS_OCCURRENCE_H
#define HWSIM_EVENTS_OCCURRENCE_H

#include "timeline/operation.h"

typedef struct occurrence {
  hwsim_event_kind kind;
  uint32_t channel; /* see HWSIM_EVENTS */
  int64_t at_ns;
  double value;
  bool lost;       /* it would have happened, had there been power */
  const op *cause; /* whose effect it is, so that it has found room; NULL: nobody's, and it cannot
                      wait for room */
} occurrence;

typedef struct observer {
  list_link link;
  /* Mutex held. */
  void (*happened)(hwsim_device *device, struct observer *self, const occurrence *what);
} observer;

typedef struct observers observers;

size_t observers_size(void);
void observers_open(hwsim_device *device);
/* The rest: mutex held. They are told in the order of their coming. */
void observers_add(hwsim_device *device, observer *added);
void observers_remove(observer *removed);
void observers_tell(hwsim_device *device, const occurrence *what);

#endif
