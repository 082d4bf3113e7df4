/* The timeline of a device: its mutex, its clock, the operations on its bus and whatever else acts
 * by itself.
 *
 * The idea everything follows from: a device is a function of time. An operation is done at a known
 * time; whoever next holds the mutex *settles* the device, which lets everything that is due take
 * effect, in order. The mutex is held for short, bounded work only: never across a wait, a hook, a
 * handler or the generation of a block of samples. Lock order: a cancel token's mutex, a device's,
 * then the registry's, the flashes' and the delivery thread's. */
#ifndef HWSIM_TIMELINE_TIMELINE_H
#define HWSIM_TIMELINE_TIMELINE_H

#include "timeline/operation.h"

#include <pthread.h>

typedef struct timeline timeline;

/* What a timeline asks of the layers above it. All of it: mutex held. */
typedef struct timeline_host {
  /* Whether somebody's full queue holds back events of these kinds. */
  bool (*holds_back)(const hwsim_device *device, uint32_t causes);
  /* Decides what hits the operation, whose number is set: fills in op->fate. */
  void (*decide)(hwsim_device *device, op *self);
  /* It has suffered op->fate.hits faults. */
  void (*suffered)(hwsim_device *device, const op *self, int64_t at_ns);
  /* A fault that befell it has cut the device off; its fate brings the device back. */
  void (*power_off)(hwsim_device *device, const op *cause, int64_t at_ns);
  void (*power_on)(hwsim_device *device, int64_t at_ns);
} timeline_host;

/* ------------------------------------------------------------------------------------- life -- */

size_t timeline_size(void);
void timeline_open(hwsim_device *device, const timeline_host *host);
void timeline_free(hwsim_device *device);
/* Stops the clock after settling; false: it is closed already. Mutex held. */
bool timeline_close(hwsim_device *device);

/* ------------------------------------------------------------------------------------- lock -- */

/* EFORKED for an inherited handle, ECLOSED for a closed one; otherwise locks the mutex. */
hwsim_error timeline_lock(hwsim_device *device, const hwsim_operation *operation);
/* Also when it is closed. */
hwsim_error timeline_lock_any(hwsim_device *device, const hwsim_operation *operation);
/* What armed operations wait for and has been touched is looked after first. */
void timeline_unlock(hwsim_device *device);
pthread_mutex_t *timeline_mutex(const hwsim_device *device);

/* The rest: mutex held. */

/* ------------------------------------------------------------------------------------- time -- */

int64_t timeline_now(const hwsim_device *device);
int64_t timeline_to_monotonic(const hwsim_device *device, int64_t time_ns);
bool timeline_is_closed(const hwsim_device *device);
/* Lets everything that is due take effect. */
void timeline_settle(hwsim_device *device, int64_t now_ns);
/* Settles until now, which it returns. */
int64_t timeline_update(hwsim_device *device);
/* Moves a virtual clock to the operation's next event, and settles. False: another clock, or there
 * is no such time. */
bool timeline_jump(hwsim_device *device, const op *self);

/* The source acts next at this time, or FOREVER. Of sources of one rank with the same time the one
 * scheduled first comes first. */
void timeline_schedule(hwsim_device *device, source *self, source_rank rank, int64_t at_ns);

/* ------------------------------------------------------------------------------- operations -- */

/* The short way for an operation that costs no time, while nothing stands before its effect: takes
 * the mutex for it, which must not be held. False: it has to be submitted. */
bool timeline_run_at_once(hwsim_device *device, op *self);
/* Puts the operation on the timeline; afterwards it is pending, or it has ended with the result
 * that is returned. */
hwsim_error timeline_submit(hwsim_device *device, op *self, int64_t timeout_ns);
/* When something may happen to a pending operation that nobody else would do, as far as is known.
 */
int64_t timeline_next_ns(const hwsim_device *device, const op *self);
void timeline_abort(hwsim_device *device, op *self, hwsim_error result);
void timeline_abort_all(hwsim_device *device, hwsim_error result);
/* Counts hwsim_device_cancel(), for operations that are not on the timeline all the time. */
void timeline_cancel_all(hwsim_device *device);
uint64_t timeline_cancels(const hwsim_device *device);
uint64_t timeline_transactions(const hwsim_device *device);
uint32_t timeline_pending(const hwsim_device *device);
/* Of operations that wait for a number of pending ones. */
topic *timeline_pending_topic(const hwsim_device *device);
int64_t timeline_default_timeout(const hwsim_device *device);
void timeline_set_default_timeout(hwsim_device *device, int64_t timeout_ns);

void topic_init(topic *self, bool takes_turns);
/* The first of the operations that wait for it; or NULL. */
op *topic_first(const topic *self);
op *topic_next(const topic *self, const op *before);
/* It has changed: those that wait for it are asked as soon as the present step is over. */
void timeline_touch(hwsim_device *device, topic *self);

/* ------------------------------------------------------------------------- the state of the bus --
 */

/* Asks the host to cut the device off, or to bring it back. */
void timeline_power_off(hwsim_device *device, const op *cause, int64_t at_ns);
void timeline_power_on(hwsim_device *device, int64_t at_ns);
/* What the host does to the bus then. */
bool timeline_is_off(const hwsim_device *device);
/* Operations fail with EDISCONNECTED, up to the first that brings the device back. True: there is
 * one, and timeline_restart() must follow. */
bool timeline_off(hwsim_device *device);
void timeline_on(hwsim_device *device);
void timeline_restart(hwsim_device *device, int64_t at_ns);
/* There is room for events again: an operation that was held back takes effect. */
void timeline_resume(hwsim_device *device, int64_t now_ns);
/* While it is set, operations other than maintenance fail with EBUSY. */
void timeline_set_exclusive(hwsim_device *device, bool exclusive);
/* One reason more, or one less, why no operation can take the short way: a fault that may hit it,
 * somebody who wants to know of it. */
void timeline_add_detour(hwsim_device *device, int by);

#endif
