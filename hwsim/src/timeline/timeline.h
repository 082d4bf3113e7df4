/* The timeline of a device: its mutex, its clock, and whatever acts by itself.
 *
 * The idea everything follows from: a device is a function of time. An operation is done at a known
 * time; whoever next holds the mutex *settles* the device, which lets everything that is due take
 * effect, in order. The mutex is held for short, bounded work only: never across a wait, a hook, a
 * handler or the generation of a block of samples. Lock order: a cancel token's mutex, a device's,
 * then the registry's, the clocks', the flashes' and the delivery thread's.
 *
 * Devices can share a clock, by its name. They are then one function of time: they have one line,
 * with one mutex, one clock and one heap of sources, which are settled in the order of their times,
 * whosever they are. So what one of them does to another, as an output that drives a channel, is
 * done under the mutex that the caller has anyway, at its time, and there is no second lock whose
 * order could be wrong; two devices are as one with two threads on it. Who waits for one of them
 * lets a virtual clock jump, whoever advances one of them moves a manual clock, and while a
 * behaviour of one is called the time of all stands still. A device leaves the line when it is
 * closed: its time stands, and what is left to do for it concerns nobody else. A clock begins with
 * the first device that is opened on it, and ends with the last that is closed. */
#ifndef HWSIM_TIMELINE_TIMELINE_H
#define HWSIM_TIMELINE_TIMELINE_H

#include "timeline/source.h"

#include <pthread.h>

typedef struct timeline timeline;

/* -------------------------------------------------------------------------------------- life -- */

size_t timeline_size(void);
/* With a clock of its own, or that of the name in its configuration. EINVALID: others have that
 * with another kind of clock; ENOMEM. Then timeline_free() is needed as well. */
hwsim_error timeline_open(hwsim_device *device);
void timeline_free(hwsim_device *device);
/* When the device begins, which is now. Mutex held. */
int64_t timeline_start(hwsim_device *device);
/* Its time stands still after settling; false: it is closed already. Mutex held. */
bool timeline_close(hwsim_device *device);

/* Whether the clock has a name, and other devices may have it, too; whether two have the same. */
bool timeline_is_shared(const hwsim_device *device);
bool timeline_is_one(const hwsim_device *device, const hwsim_device *other);
/* In the child the parent's clocks are left as they are. */
void timelines_before_fork(void);
void timelines_after_fork(bool in_child);

/* -------------------------------------------------------------------------------------- lock -- */

/* EFORKED for an inherited handle, ECLOSED for a closed one; otherwise locks the mutex. */
hwsim_error timeline_lock(hwsim_device *device, const hwsim_operation *operation);
/* Also when it is closed. */
hwsim_error timeline_lock_any(hwsim_device *device, const hwsim_operation *operation);
/* After the errands. */
void timeline_unlock(hwsim_device *device);
pthread_mutex_t *timeline_mutex(const hwsim_device *device);

/* The rest: mutex held. */

/* -------------------------------------------------------------------------------------- time -- */

int64_t timeline_now(const hwsim_device *device);
int64_t timeline_to_monotonic(const hwsim_device *device, int64_t time_ns);
bool timeline_is_closed(const hwsim_device *device);
/* Lets everything that is due take effect. */
void timeline_settle(hwsim_device *device, int64_t now_ns);
/* Settles until now, which it returns. */
int64_t timeline_update(hwsim_device *device);
/* Moves a clock that does not run by itself towards a time, unless it is past that: as far as what
 * happens on the way can be settled in a slice. */
void timeline_move(hwsim_device *device, int64_t to_ns);
/* Moves a virtual clock. False: another clock, or the time is FOREVER. */
bool timeline_jump(hwsim_device *device, int64_t to_ns);

/* The source acts next at this time, or FOREVER. Of sources of one rank with the same time the one
 * scheduled first comes first. */
void timeline_schedule(hwsim_device *device, source *self, source_rank rank, int64_t at_ns);

/* Time stands still at `at_ns` until it is released: nothing that is due takes effect, only errands
 * are run. A clock that runs by itself is caught up on later. */
void timeline_hold(hwsim_device *device, int64_t at_ns);
void timeline_release(hwsim_device *device);
/* Who holds it: this device, or another one on its clock; NULL: it is not held. */
hwsim_device *timeline_holder(const hwsim_device *device);
bool timeline_is_held(const hwsim_device *device);
/* When the clock will show that it has been held for as long as it was until this time. */
int64_t timeline_held_until(const hwsim_device *device, int64_t time_ns);

/* The errand is run when the present step is over: before the next operation takes its effect, and
 * before the mutex is released. */
void timeline_defer(hwsim_device *device, errand *self);

#endif
