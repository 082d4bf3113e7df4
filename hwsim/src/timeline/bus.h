/* The bus of a device: the operations on it, and those that wait beside it for something to happen.
 * All of it: the device's mutex held, unless it says otherwise. */
#ifndef HWSIM_TIMELINE_BUS_H
#define HWSIM_TIMELINE_BUS_H

#include "timeline/operation.h"
#include "timeline/timeline.h"

typedef struct bus bus;

/* What a bus asks of the layers above it. All of it: mutex held. */
typedef struct bus_host {
  /* Whether somebody's full queue holds back events of these kinds. */
  bool (*holds_back)(const hwsim_device *device, uint32_t causes);
  /* Decides what hits the operation, whose number is set: fills in op->fate. */
  void (*decide)(hwsim_device *device, op *self);
  /* It has suffered op->fate.hits faults. */
  void (*suffered)(hwsim_device *device, const op *self, int64_t at_ns);
  /* A fault that befell it has cut the device off; its fate brings the device back. */
  void (*power_off)(hwsim_device *device, const op *cause, int64_t at_ns);
  void (*power_on)(hwsim_device *device, int64_t at_ns);
} bus_host;

size_t bus_size(void);
void bus_open(hwsim_device *device, const bus_host *host);

/* -------------------------------------------------------------------------------- operations -- */

/* The short way for an operation that costs no time, while nothing stands before its effect: takes
 * the mutex for it, which must not be held. False: it has to be submitted. */
bool bus_run_at_once(hwsim_device *device, op *self);
/* Puts the operation on the timeline; afterwards it is pending, or it has ended with the result
 * that is returned. */
hwsim_error bus_submit(hwsim_device *device, op *self, int64_t timeout_ns);
/* When something may happen to a pending operation that nobody else would do, as far as is known.
 */
int64_t bus_next_ns(hwsim_device *device, op *self);
/* Moves a virtual clock to the operation's next event, and settles. False: another clock, or there
 * is no such time. */
bool bus_jump(hwsim_device *device, const op *self);
/* An operation that calls a behaviour has the bus, and time stands still, until the call has been
 * made, on a thread that waits for it; if nobody does, on whichever comes. If there is such a call
 * for this thread, which waits for `waiting`, or for none (NULL), it is made: without the mutex.
 * CALL_FORKED: by a fork() in it, this is the child, and the mutex is not held. */
typedef enum bus_call { CALL_NONE, CALL_MADE, CALL_FORKED } bus_call;
bus_call bus_make_call(hwsim_device *device, const op *waiting);
/* Meanwhile others wait no longer than they said. */
void bus_expire_held(hwsim_device *device, op *self);
/* The operation's `moved` is called when time goes on; it need not have been submitted. */
void bus_watch_held(hwsim_device *device, op *self);
void bus_unwatch_held(op *self);
void bus_abort(hwsim_device *device, op *self, hwsim_error result);
void bus_abort_all(hwsim_device *device, hwsim_error result);
/* The device has been closed. */
void bus_close(hwsim_device *device);
/* Counts hwsim_device_cancel(), for operations that are not on the timeline all the time. */
void bus_cancel_all(hwsim_device *device);
uint64_t bus_cancels(const hwsim_device *device);
uint64_t bus_transactions(const hwsim_device *device);
uint32_t bus_pending(const hwsim_device *device);
/* Of operations that wait for a number of pending ones. */
topic *bus_pending_topic(const hwsim_device *device);
int64_t bus_default_timeout(const hwsim_device *device);
void bus_set_default_timeout(hwsim_device *device, int64_t timeout_ns);

/* ---------------------------------------------------------------------- the state of the bus -- */

/* Asks the host to cut the device off, or to bring it back. */
void bus_power_off(hwsim_device *device, const op *cause, int64_t at_ns);
void bus_power_on(hwsim_device *device, int64_t at_ns);
/* What the host does to the bus then. */
bool bus_is_off(const hwsim_device *device);
/* What came by this time is lost unless it was taken: the device has had no power since. */
int64_t bus_forgotten_ns(const hwsim_device *device, int64_t now_ns);
/* Of operations that wait for the device to come or go. */
topic *bus_connection_topic(const hwsim_device *device);
/* Operations fail with EDISCONNECTED, up to the first that brings the device back. True: there is
 * one, and bus_restart() must follow. */
bool bus_off(hwsim_device *device);
void bus_on(hwsim_device *device, int64_t at_ns);
void bus_restart(hwsim_device *device, int64_t at_ns);
/* There is room for events again: an operation that was held back takes effect. */
void bus_resume(hwsim_device *device, int64_t now_ns);
/* While it is set, operations other than maintenance fail with EBUSY. */
void bus_set_exclusive(hwsim_device *device, bool exclusive);
/* One reason more, or one less, why no operation can take the short way: a fault that may hit it,
 * somebody who wants to know of it. */
void bus_add_detour(hwsim_device *device, int by);

/* ------------------------------------------------------------------------------------ topics -- */

void topic_init(topic *self, bool takes_turns);
/* The first of the operations that wait for it; or NULL. */
op *topic_first(const topic *self);
op *topic_next(const topic *self, const op *before);
/* It has changed: those that wait for it are asked when the present step is over. */
void topic_touch(hwsim_device *device, topic *self);

#endif
