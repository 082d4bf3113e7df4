/* Subscribers: queues of events, read by a call or emptied by the delivery thread. */
#ifndef HWSIM_EVENTS_SUBSCRIPTION_H
#define HWSIM_EVENTS_SUBSCRIPTION_H

#include "events/occurrence.h"

/* A part above that makes events of one kind which follow from the time alone. */
typedef struct producer {
  hwsim_event_kind kind;
  source source; /* when the next one may come */
  /* The first subscriber to the kind has come. Mutex held. */
  void (*watched)(hwsim_device *device, struct producer *self);
  /* The last one has gone. Mutex held. */
  void (*unwatched)(hwsim_device *device, struct producer *self);
} producer;

typedef struct subscribers subscribers;

size_t subscribers_size(void);
void subscribers_open(hwsim_device *device);
/* The rest: mutex held. There is one producer at most. */
void subscribers_set_producer(hwsim_device *device, producer *self);
/* A source whose actions may cause events of registers and triggers; there are two at most. */
void subscribers_add_background(hwsim_device *device, const source *self);
/* What the producer makes comes at another time than before. */
void subscribers_reschedule(hwsim_device *device);
bool subscribers_want(const hwsim_device *device, hwsim_event_kind kind);
/* Whether somebody's full queue holds back events of these kinds. */
bool subscribers_hold_back(const hwsim_device *device, uint32_t kinds);

#endif
