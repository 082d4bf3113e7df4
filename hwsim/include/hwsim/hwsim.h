/* hwsim: a simulated slow instrument on a slow bus. The C interface.
 *
 * Rules that hold throughout
 *  - Every function that can fail returns hwsim_error: look at it. hwsim_error_last() says more.
 *  - Arguments: the device first, then inputs, then the call options, outputs last, named
 *    ..._out. An output is written only on HWSIM_OK.
 *  - Times are int64_t nanoseconds (..._ns) of the device's clock, voltages are volts (..._v).
 *  - "Blocks" means: waits for the simulated bus, holding no lock. Everything else returns at once,
 *    and never waits for more than a short critical section of another thread.
 *  - Every function may be called from any thread at any time. A handle must not be used after its
 *    owner freed it.
 *  - In the child of fork() a handle made by the parent gives HWSIM_EFORKED; open new ones there.
 */
#ifndef HWSIM_H
#define HWSIM_H

#include "hwsim/model.h"
#include "hwsim/operations.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With HWSIM_PRIVATE, what the library is linked into does not export it. */
#if defined(__GNUC__)
#ifdef HWSIM_PRIVATE
#define HWSIM_API __attribute__((visibility("hidden")))
#else
#define HWSIM_API __attribute__((visibility("default")))
#endif
#define HWSIM_CHECKED __attribute__((warn_unused_result))
#else
#define HWSIM_API
#define HWSIM_CHECKED
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------ errors -- */

/* X(name, value, message). Values are part of the ABI: never renumber, append only. */
#define HWSIM_ERRORS(X)                                                                            \
  X(OK, 0, "success")                                                                              \
  X(ETIMEOUT, 1, "the device did not answer in time")                                              \
  X(EBUS, 2, "bus error: the transfer failed")                                                     \
  X(ECRC, 3, "CRC error: the transferred data were corrupted")                                     \
  X(EBUSY, 4, "the device is busy")                                                                \
  X(EDISCONNECTED, 5, "the device is disconnected")                                                \
  X(ECLOSED, 6, "the device is closed")                                                            \
  X(ECANCELLED, 7, "the operation was cancelled")                                                  \
  X(ENOTFOUND, 8, "not found")                                                                     \
  X(EINUSE, 9, "the device is in use")                                                             \
  X(EADDRESS, 10, "no register at this address")                                                   \
  X(EACCESS, 11, "the register does not allow this access")                                        \
  X(EINVALID, 12, "invalid argument")                                                              \
  X(EOVERRUN, 13, "overrun: data were lost because they were not read in time")                    \
  X(EFIRMWARE, 14, "firmware error")                                                               \
  X(ESTATE, 15, "not possible in the device's present state")                                      \
  X(ENOMEM, 16, "out of memory")                                                                   \
  X(EFORKED, 17, "the handle belongs to the parent process")                                       \
  X(EINTERNAL, 18, "internal error")                                                               \
  X(EPENDING, 19, "the call goes on: make it again when its request has ended")

typedef enum hwsim_error {
#define HWSIM_X(name, value, message) HWSIM_##name = value,
  HWSIM_ERRORS(HWSIM_X)
#undef HWSIM_X
} hwsim_error;

/* What went wrong, for a person. `fault` is the hwsim_fault_kind that was injected, or 0. */
typedef struct hwsim_error_info {
  hwsim_error code;
  int fault;
  char device[64];    /* name of the device, or "" */
  char operation[32]; /* "read_register", ...; or "" */
  char message[320];
  void *reason; /* of a behaviour that has failed: as hwsim_transaction_fail() says; or NULL */
} hwsim_error_info;

/* "ETIMEOUT" and "the device did not answer in time"; for an unknown code "EUNKNOWN" and a remark.
 */
HWSIM_API const char *hwsim_error_name(hwsim_error code);
HWSIM_API const char *hwsim_error_message(hwsim_error code);

/* Details of the calling thread's most recent failed call; valid until its next one. Never NULL. */
HWSIM_API const hwsim_error_info *hwsim_error_last(void);

/* ------------------------------------------------------------------ call options, cancelling -- */

/* A cancel token is latched: once set it stops every call it is given to, those that wait now and
 * those that start later. There is no way back; make a new one. */
typedef struct hwsim_cancel hwsim_cancel;

/* Errors: ENOMEM. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_cancel_new(hwsim_cancel **token_out);
/* Stops every call that waits with this token (HWSIM_ECANCELLED). Returns at once. NULL is ignored.
 */
HWSIM_API void hwsim_cancel_set(hwsim_cancel *token);
HWSIM_API bool hwsim_cancel_is_set(const hwsim_cancel *token);
/* The token must not be in use by a call. NULL is ignored. */
HWSIM_API void hwsim_cancel_free(hwsim_cancel *token);

#define HWSIM_TIMEOUT_DEFAULT INT64_C(-1) /* the device's own: `timeout` in the resource string */
#define HWSIM_TIMEOUT_NEVER INT64_MAX

/* See "calls that do not block". */
typedef struct hwsim_request hwsim_request;

/* Options of one blocking call. A null pointer means { HWSIM_TIMEOUT_DEFAULT, NULL, NULL }.
 * Every function that takes them can also fail with ETIMEOUT, ECANCELLED, ECLOSED, EDISCONNECTED,
 * EFORKED, EINVALID (a timeout below -1), and with the error of an injected fault. An operation
 * that fails has had no effect on the device. */
typedef struct hwsim_call {
  int64_t timeout_ns;     /* from 0; time in the queue counts */
  hwsim_cancel *cancel;   /* or NULL */
  hwsim_request *request; /* or NULL: the call blocks; see "calls that do not block" */
} hwsim_call;

/* What a caller wants to know about the waits of its thread: a language binding releases its
 * interpreter lock in `enter`, retakes it in `leave`, looks for signals in `poll`.
 * The library calls them on the waiting thread and holds no lock meanwhile; they may call back into
 * the library. They must return normally (no exception, no longjmp). */
typedef struct hwsim_hooks {
  /* A wait, or work for long, begins; one may be nested in another. expected_ns: the real time it
   * will take at most, INT64_MAX if unknown. */
  void (*enter)(void *user, int64_t expected_ns);
  /* The wait has ended. One call for each enter. The library has left the device by then:
   * it may end the thread (pthread_exit). What hwsim_error_last() says must survive it. */
  void (*leave)(void *user);
  /* Called about every 50 ms during a wait; nonzero ends it with ECANCELLED. May be NULL. It is
   * read after enter, so that enter may decide. */
  int (*poll)(void *user);
  void *user;
} hwsim_hooks;
/* As `expected_ns`: another thread may be waited for that runs a behaviour, or will. What it needs
 * has to be released, or it never ends. */
#define HWSIM_EXPECTED_BEHAVIOUR INT64_C(-1)

/* Installs the calling thread's hooks and returns those before. NULL: none. `hooks` must stay valid
 * until others are installed. */
HWSIM_API const hwsim_hooks *hwsim_hooks_set(const hwsim_hooks *hooks);

/* ------------------------------------------------------------------- calls that do not block -- */

/* Every function that takes a hwsim_call and blocks has a form that does not: the same one, with a
 * request in its call. It returns
 *
 *   EPENDING      it goes on. When the request has ended, the same call with the same arguments and
 *                 the same request returns its result, at once.
 *   anything else its result: it has failed, or had to wait for nothing.
 *
 * So a loop of events makes the call, waits until the descriptor of the request's queue is
 * readable, takes from the queue, and makes the call again for each request that has ended.
 * Arguments, also those that are memory, are needed during the two calls only, a cancel token from
 * one to the other; streams and subscriptions must not be freed in between. A request serves one
 * call at a time, and then the next. What makes blocking calls end, ends these, too:
 * hwsim_device_close() with ECLOSED, hwsim_device_cancel() and tokens with ECANCELLED. No thread is
 * needed for operations on the bus; what computes or is a series of operations has one of its own:
 * hwsim_calibrate(), hwsim_firmware_program(), hwsim_wait_free(). Their progress is in the queue,
 * and `progress` is not called.
 *
 * A virtual clock jumps when somebody takes from a queue in which there is no news: to the next
 * time at which one of its requests may end. */

/* Where requests are found that have ended. */
typedef struct hwsim_queue hwsim_queue;

/* Errors: ENOMEM (also: no descriptor left). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_queue_new(hwsim_queue **queue_out);
/* Requests keep it alive. NULL is ignored. */
HWSIM_API void hwsim_queue_free(hwsim_queue *queue);
/* Readable, for poll() and its like, when it is worth while to take from the queue, and as long as
 * it is; one wake-up for any number of requests. Nothing can be read from it. It belongs to the
 * queue. */
HWSIM_API int hwsim_queue_fd(const hwsim_queue *queue);

typedef struct hwsim_completion {
  hwsim_request *request;
  void *user;           /* that of hwsim_request_new() */
  bool ended;           /* make its call again for the result */
  bool reported;        /* there is progress: */
  uint64_t done, total; /* as hwsim_progress says */
} hwsim_completion;

/* Lets happen what is due, until there is news of so many requests. Never waits, but calls the
 * behaviours that their operations need. Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_queue_settle(hwsim_queue *queue, size_t news);
/* Takes the news of up to `capacity` requests, in the order in which they ended; *count_out may be
 * 0. Lets nothing happen, and calls nothing. One thread should take at a time. Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_queue_news(hwsim_queue *queue, size_t capacity,
                                                     hwsim_completion *completions_out,
                                                     size_t *count_out);
/* hwsim_queue_settle(), then hwsim_queue_news(). Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_queue_take(hwsim_queue *queue, size_t capacity,
                                                     hwsim_completion *completions_out,
                                                     size_t *count_out);

/* Errors: ENOMEM, EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_request_new(hwsim_queue *queue, void *user,
                                                      hwsim_request **request_out);
HWSIM_API bool hwsim_request_is_pending(const hwsim_request *request);
/* Ends its call with ECANCELLED, unless that has ended already: when this returns, the operation
 * has left the bus, and is without effect if its result is an error. A call that computes is waited
 * for: 10 ms. */
HWSIM_API void hwsim_request_cancel(hwsim_request *request);
/* Cancels, too. The result is lost. Not while another thread makes a call with it, or takes from
 * its queue. NULL is ignored. */
HWSIM_API void hwsim_request_free(hwsim_request *request);

/* -------------------------------------------------------------------------------- operations -- */

/* How long a call may keep its thread; see operations.h. */
typedef enum hwsim_waits {
  HWSIM_WAITS_never = 0,
  HWSIM_WAITS_when_blocking = 1,
  HWSIM_WAITS_computes = 2,
  HWSIM_WAITS_copies = 3,
  HWSIM_WAITS_in_slices = 4
} hwsim_waits;

/* A row of HWSIM_OPERATIONS in operations.h. */
typedef struct hwsim_operation {
  const char *noun, *name;
  hwsim_waits waits;
  uint32_t bytes;
  uint32_t causes; /* HWSIM_EVENT_BIT()s */
  const char *summary;
} hwsim_operation;

/* *count_out rows of static data. */
HWSIM_API const hwsim_operation *hwsim_operations(size_t *count_out);
/* "never", "when blocking", "computes", "copies", "in slices"; NULL for an unknown value. */
HWSIM_API const char *hwsim_waits_name(hwsim_waits waits);

/* ------------------------------------------------------------------------------------ device -- */

typedef struct hwsim_device hwsim_device;

typedef enum hwsim_clock {
  HWSIM_CLOCK_REAL = 0,    /* monotonic time */
  HWSIM_CLOCK_SCALED = 1,  /* monotonic time, faster or slower by a factor */
  HWSIM_CLOCK_VIRTUAL = 2, /* a wait jumps straight to its end */
  HWSIM_CLOCK_MANUAL = 3   /* stands until hwsim_clock_advance() */
} hwsim_clock;

/* A device's configuration, as its resource string set it. */
typedef struct hwsim_config {
  char name[64];
  int64_t latency_ns;    /* latency:   of one operation; 0 to 1 h; default 1 ms */
  int64_t jitter_ns;     /* jitter:    +- around it, uniform; 0 to latency; default 0 */
  double bandwidth_bps;  /* bandwidth: bytes a second, from 1; INFINITY (inf) by default */
  uint32_t channels;     /* channels:  1 to 64; default 4 */
  uint64_t seed;         /* seed:      of noise, jitter and faults; default 0 */
  hwsim_clock clock;     /* clock:     real (default), virtual, manual or a factor such as 10x */
  double clock_scale;    /*            device seconds in a real one: 0.001x to 1000000x */
  char clock_name[64];   /*            behind a colon, as in virtual:bench; "": its own clock */
  int64_t timeout_ns;    /* timeout:   of an operation, from 0; INT64_MAX (inf) is never; 1 s */
  double sample_rate_hz; /* rate:      of the converters; 1 mHz to 1 GHz; default 1 kHz */
  double range_v;        /* range:     of the converters, +-; 1 mV to 1 kV; default 10 V */
  double noise_v;        /* noise:     of the converters, RMS; 0 to 1 kV; default 1 mV */
  int64_t timer_ns;      /* timer:     period of the timer events, 1 us to 1 h; default 0s, off */
} hwsim_config;

/* Devices share a clock by its name, as in clock=virtual:bench, and an output of one of them can
 * drive channels of others; see hwsim_output_connect(). Of a virtual clock each wait jumps for all
 * of them, a manual one is advanced by any of them, and all wait while a behaviour of one is
 * called. It begins with the first device that is opened on it, and ends with the last that is
 * closed: who opens a device later, or again, finds the time that it is.
 *
 * Opens the device that a resource string names, at power-on state, for this process alone:
 *   hwsim://NAME?latency=2ms&jitter=200us&bandwidth=12MB/s&channels=4&seed=7&clock=virtual&fault=...
 * NAME: 1 to 63 of A-Z a-z 0-9 _ . -    Units: ns us ms s; Hz kHz MHz GHz; uV mV V; B/s kB/s MB/s
 * GB/s. fault=KIND[@N][*COUNT][~PROBABILITY][:ARGUMENT], may be repeated; see hwsim_fault. Errors:
 * EINVALID (what is wrong, with the nearest valid key), EINUSE (already open here), ENOMEM. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_open(const char *uri, hwsim_device **device_out);

/* As hwsim_device_open(), a device of this model, of which it keeps a copy, or, if it comes from
 * hwsim_model_new(), that one. EINVALID also if the model breaks one of its rules. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_open_model(const hwsim_model *model,
                                                            const char *uri,
                                                            hwsim_device **device_out);
/* The model of hwsim_device_open(): a data acquisition device. */
HWSIM_API extern const hwsim_model hwsim_daq;

/* Ends every operation on the device with ECLOSED, also those that wait now, and gives its name
 * back. Closing twice, or an inherited handle after fork(), does nothing. NULL is ignored. */
HWSIM_API void hwsim_device_close(hwsim_device *device);

/* One more owner. Returns the device. */
HWSIM_API hwsim_device *hwsim_device_retain(hwsim_device *device);
/* One owner less; the last one closes the device. Calls that wait keep it alive until they return.
 * NULL is ignored. */
HWSIM_API void hwsim_device_free(hwsim_device *device);

/* Ends every operation that waits on the device now with ECANCELLED; later ones are not affected.
 */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_cancel(hwsim_device *device);

/* Registers return to their reset values, as when 1 is written to a register that is the command;
 * but that is not written. One operation on the bus. Blocks. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_reset(hwsim_device *device,
                                                       const hwsim_call *call);

HWSIM_API bool hwsim_device_is_open(hwsim_device *device);
/* Valid as long as the handle; also after close. */
HWSIM_API const hwsim_config *hwsim_device_config(const hwsim_device *device);
/* What the device is: a copy of the model that it was opened with; valid as long as the handle. */
HWSIM_API const hwsim_model *hwsim_device_model(const hwsim_device *device);
/* The default timeout of the device's operations. Errors: EFORKED; set: EINVALID (negative). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_get_timeout(hwsim_device *device,
                                                             int64_t *timeout_ns_out);
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_set_timeout(hwsim_device *device,
                                                             int64_t timeout_ns);
/* Operations put on the bus since open: the N of fault=KIND@N. Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_transactions(hwsim_device *device,
                                                              uint64_t *transactions_out);
/* Operations that wait now. Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_pending(hwsim_device *device,
                                                         uint32_t *pending_out);
/* Waits until at least `count` operations wait: what a test needs before it advances a manual
 * clock. Takes no time on the bus and is not counted as pending itself. Blocks. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_wait_pending(hwsim_device *device, uint32_t count,
                                                              const hwsim_call *call);

/* Waits until no device of this name is open in this process, so that it can be opened, unless
 * another thread is faster. Blocks, in real time; a timeout of -1 is none. May be called with the
 * name of any device, or of none. Errors: EINVALID (a timeout below -1), ETIMEOUT, ECANCELLED,
 * EFORKED (the token is the parent's). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_wait_free(const char *name, const hwsim_call *call);

/* Whether the device is connected: no fault has cut it off. Works on a closed device.
 * Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_is_connected(hwsim_device *device,
                                                              bool *connected_out);
/* Waits until the device is connected, or with `connected` false until it is not. Takes no time on
 * the bus, and is not counted as pending. Blocks. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_wait_connected(hwsim_device *device,
                                                                bool connected,
                                                                const hwsim_call *call);

/* The devices that can be seen: the bench, daq0 to daq7, which is always there, and every other
 * device open in this process; sorted by name. hwsim_device_list(): an array of *count_out entries,
 * to be released with free(). Errors: ENOMEM. */
typedef struct hwsim_listing {
  char name[64];
  bool in_use; /* open in this process */
} hwsim_listing;
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_device_list(size_t *count_out,
                                                      hwsim_listing **listing_out);

/* ------------------------------------------------------------------------------------- clock -- */

/* Device time since open; it stops at close. Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_clock_now(hwsim_device *device, int64_t *now_ns_out);
/* Moves a manual clock on; what is due by then takes effect, in order. If that is so much that it
 * takes more than 2 ms, it is done in slices, between which others have their turn: the clock
 * stands at intermediate times then, and when the call is ended early, where it came to. Errors:
 * ESTATE (another clock), EINVALID (negative, or past INT64_MAX - 1), ECANCELLED
 * (hwsim_device_cancel(), or an interruption), ECLOSED, EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_clock_advance(hwsim_device *device, int64_t step_ns);

/* --------------------------------------------------------------------------------- registers -- */

/* X(name, address, access, reset value, writable bits, description): the registers of the built-in
 * model, hwsim_daq. Append only. */
#define HWSIM_REGISTERS(X)                                                                         \
  X(ID, 0x00, RO, 0x48575349, 0, "'HWSI'")                                                         \
  X(VERSION, 0x04, RO, 0x00010000, 0, "of the firmware: major << 16 | minor")                      \
  X(CONTROL, 0x08, RW, 0x1, 0x1, "bit 0: converters enabled")                                      \
  X(STATUS, 0x0C, RO, 0, 0, "bit 0: converters ready; bit 1: EVENT_STATUS & EVENT_MASK not 0")     \
  X(UPTIME, 0x10, RO, 0, 0, "milliseconds since open or reset, modulo 2^32")                       \
  X(FAULT_COUNT, 0x14, RC, 0, 0, "faults since the last read; reading clears it")                  \
  X(EVENT_MASK, 0x18, RW, 0, 0x3F, "which events set STATUS bit 1")                                \
  X(EVENT_STATUS, 0x1C, W1C, 0, 0x3F, "bit n: event of kind n, see hwsim_event; write 1 clears")   \
  X(COMMAND, 0x20, WO, 0, 0x1, "write 1: software reset")                                          \
  X(CHANNELS, 0x24, RO, 0, 0, "number of channels")                                                \
  X(SCRATCH0, 0x40, RW, 0, 0xFFFFFFFF, "free for use")                                             \
  X(SCRATCH1, 0x44, RW, 0, 0xFFFFFFFF, "free for use")                                             \
  X(SCRATCH2, 0x48, RW, 0, 0xFFFFFFFF, "free for use")                                             \
  X(SCRATCH3, 0x4C, RW, 0, 0xFFFFFFFF, "free for use")                                             \
  X(SCRATCH4, 0x50, RW, 0, 0xFFFFFFFF, "free for use")                                             \
  X(SCRATCH5, 0x54, RW, 0, 0xFFFFFFFF, "free for use")                                             \
  X(SCRATCH6, 0x58, RW, 0, 0xFFFFFFFF, "free for use")                                             \
  X(SCRATCH7, 0x5C, RW, 0, 0xFFFFFFFF, "free for use")                                             \
  X(OUTPUT0, 0x60, RW, 0, 0xFFFF, "code of output 0, two's complement: 0x8000 is -range")          \
  X(OUTPUT1, 0x64, RW, 0, 0xFFFF, "code of output 1")

#define HWSIM_X(name, address, ...) HWSIM_REGISTER_##name = address,
enum { HWSIM_REGISTERS(HWSIM_X) };
#undef HWSIM_X

/* Checks a model and makes a copy of it, with all that its pointers lead to, which any number of
 * devices can share. A model of 10,000 registers takes some 2 ms. Any thread may use it.
 * Errors: EINVALID (which register or field breaks which rule of model.h), ENOMEM. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_model_new(const hwsim_model *model,
                                                    const hwsim_model **model_out);
/* Gives it back. The devices that were opened with it keep it alive. NULL, and a model that
 * hwsim_model_new() has not made, are ignored. */
HWSIM_API void hwsim_model_free(const hwsim_model *model);
/* A register of a model by its name. Errors: ENOTFOUND (with the nearest name), EINVALID (a null
 * name). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_model_find(const hwsim_model *model, const char *name,
                                                     const hwsim_register **register_out);
/* "RW", "RO", "WO", "W1C", "RC". */
HWSIM_API const char *hwsim_access_name(hwsim_access access);

/* ------------------------------------------------------------------------------- behaviours --
 * What rules cannot say is code: a device can be given a behaviour, which is called for the
 * accesses that its model claims. */

/* An operation on its way through a behaviour: what its code may do meanwhile. Valid during the
 * call, and for its thread. Nothing of this waits.
 *
 * All that is set takes effect together, and in this order, when the operation does: after the
 * time that the code has spent. It has no effect if the operation fails: because the code says so,
 * or because it times out, is cancelled or the device is closed meanwhile. Errors: EADDRESS;
 * EACCESS (a register with a role); EINVALID; ENOMEM; ESTATE (another thread than that of the
 * call); EFORKED. */
typedef struct hwsim_transaction hwsim_transaction;

/* All of it is called on a thread that waits in the library: that of the operation, if it blocks.
 * An operation that does not block is called for by whoever takes from its queue, advances a
 * manual clock or waits for another operation on the device, whatever comes first. No lock is held.
 *
 * Calls for one device come one at a time, in the order in which the operations have the bus, and
 * the device's time stands still meanwhile: nothing else happens on it. Other operations wait, but
 * not beyond their own timeouts; the device's clock, if it runs by itself, is caught up on after
 * the call. The code's own running time costs the operation nothing; see hwsim_transaction_spend().
 *
 * The code may call anything that does not block. What blocks is refused with ESTATE on every
 * device whose model has claims, because that could wait for this very call; so is
 * hwsim_clock_advance(). It may cancel and close its own device. It must not wait for another
 * thread that uses the device, and must return normally (no longjmp). An error that it returns is
 * what the operation fails with. */
typedef struct hwsim_behaviour {
  /* A register is read; *value_io is what it would read as. NULL: it does. */
  hwsim_error (*read)(void *user, hwsim_transaction *transaction, size_t claim, uint64_t *value_io);
  /* A register is written: `value` is all of it, for an update with the other bits as they were.
   * The transaction shows the write's effect already. NULL: no more happens. */
  hwsim_error (*write)(void *user, hwsim_transaction *transaction, size_t claim, uint64_t value);
  /* The last call: the device is gone. No lock is held. Not in a forked child. May be NULL. */
  void (*release)(void *user);
  void *user;
} hwsim_behaviour;

/* Gives a device, which has just been opened and is not in use yet, what its model's claims call;
 * once. The structure is copied. Without it, the claims call nothing. Errors: ESTATE (it has one,
 * or its model has no claims), ENOMEM, ECLOSED, EFORKED; release() has not been called. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_behaviour_set(hwsim_device *device,
                                                        const hwsim_behaviour *behaviour);
/* What a register holds now, with what this transaction has set; not what a read would do to it. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_transaction_get(hwsim_transaction *transaction,
                                                          uint32_t address, uint64_t *value_out);
/* Bits of a register become others, whatever a write could do to them. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_transaction_set(hwsim_transaction *transaction,
                                                          uint32_t address, uint64_t mask,
                                                          uint64_t value);
/* The same by itself, so long after the operation has taken effect: 1 us to 1 h. It sets off rules,
 * and is an event. A reset, and the loss of power, end what waits for its time. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_transaction_set_later(hwsim_transaction *transaction,
                                                                int64_t delay_ns, uint32_t address,
                                                                uint64_t mask, uint64_t value);
#define HWSIM_LATER_LARGEST 65536 /* of a device */
/* The operation takes so much longer, 0 to 1 h, and the bus is busy for as long. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_transaction_spend(hwsim_transaction *transaction,
                                                            int64_t time_ns);
/* The device's time at which it was called, and what has been spent since. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_transaction_now(hwsim_transaction *transaction,
                                                          int64_t *now_ns_out);
/* How often the registers have been reset since the device was opened, by reset or loss of power:
 * what the code remembers may have to be, too. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_transaction_resets(hwsim_transaction *transaction,
                                                             uint64_t *resets_out);
/* If the code now returns an error, this is hwsim_error_info.reason of the operation's. The library
 * only hands it on, once, or never if the operation has ended by itself, or nobody takes its
 * result.
 */
HWSIM_API void hwsim_transaction_fail(hwsim_transaction *transaction, void *reason);

/* The built-in model's registers, and one of them by its name. */
HWSIM_API const hwsim_register *hwsim_register_map(size_t *count_out);
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_register_find(const char *name,
                                                        const hwsim_register **register_out);

/* All of these are one operation on the bus, and block. Errors, before the bus is touched: EADDRESS
 * (no register or word of a memory begins there), EACCESS (reads of WO, writes of RO and RC),
 * EINVALID (a value with more bits than the register). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_register_read(hwsim_device *device, uint32_t address,
                                                        const hwsim_call *call,
                                                        uint64_t *value_out);
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_register_write(hwsim_device *device, uint32_t address,
                                                         uint64_t value, const hwsim_call *call);
/* `count` registers of one size that follow each other without a gap, or words of one memory,
 * atomically; EINVALID if count is 0 or they are 64 bits wide, EADDRESS if one of them does not
 * exist, and then nothing is read or written. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_register_read_block(hwsim_device *device,
                                                              uint32_t address, size_t count,
                                                              const hwsim_call *call,
                                                              uint32_t *values_out);
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_register_write_block(hwsim_device *device,
                                                               uint32_t address,
                                                               const uint32_t *values, size_t count,
                                                               const hwsim_call *call);
/* `count` bytes from 1, of registers of any sizes that follow each other without a gap, or of one
 * memory, atomically. How a value lies in them is the model's byte order. A register of which some
 * bytes are read is read as a whole; of one that is written, the other bytes stay as they are.
 * Errors as for a block. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_register_read_bytes(hwsim_device *device,
                                                              uint32_t address, size_t count,
                                                              const hwsim_call *call,
                                                              uint8_t *data_out);
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_register_write_bytes(hwsim_device *device,
                                                               uint32_t address,
                                                               const uint8_t *data, size_t count,
                                                               const hwsim_call *call);
/* Writes only the bits of the mask, atomically: new = (old & ~mask) | (value & mask), if that is
 * what a write does to them. Gives the old value. Only RW registers (EACCESS). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_register_update(hwsim_device *device, uint32_t address,
                                                          uint64_t mask, uint64_t value,
                                                          const hwsim_call *call,
                                                          uint64_t *old_value_out);
/* Waits until (value & mask) == expected, and gives that value. The device watches the register
 * itself: one operation on the bus, which leaves it free for others meanwhile. With a register that
 * reading clears, only the value that matches is read. EINVALID: expected has bits outside mask. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_register_wait(hwsim_device *device, uint32_t address,
                                                        uint64_t mask, uint64_t expected,
                                                        const hwsim_call *call,
                                                        uint64_t *value_out);

/* ----------------------------------------------------------------------------------- signals -- */

typedef enum hwsim_waveform {
  HWSIM_WAVEFORM_DC = 0,         /* offset_v */
  HWSIM_WAVEFORM_SINE = 1,       /* starts at its zero crossing, rising */
  HWSIM_WAVEFORM_SQUARE = 2,     /* +amplitude for the first half of the period, then -amplitude */
  HWSIM_WAVEFORM_TRIANGLE = 3,   /* starts at zero, rising */
  HWSIM_WAVEFORM_TABLE = 4,      /* samples in volts, times amplitude_v; each held until the next */
  HWSIM_WAVEFORM_TABLE_ONCE = 5, /* as TABLE, but the last sample stays instead of a new round */
  HWSIM_WAVEFORM_OUTPUT = 6      /* an output drives it: hwsim_output_connect() */
} hwsim_waveform;

/* What is connected to a channel, and how its converter measures it. Sample n is a function of
 * (seed, channel, n) alone:
 *   input  = waveform(n / rate) + offset_v + noise(seed, channel, n)
 *   waveform(t) of a table = its sample floor(t * rate_hz), exactly
 *   x      = (input (1 + gain_error) + offset_error_v) / range_v
 *   code   = round(32768 x + inl_lsb * 2.598 x (1 - x^2)), limited to -32768 .. 32767
 *   volts  = code range_v / 32768
 * (gain, offset and integral non-linearity as IEEE Std 1241 names them; inl_lsb is the largest
 * deviation from the straight line.) Computed in single precision, which is good to 0.01 of a code.
 * Noise is Gaussian in good approximation: a sum of four uniform numbers, so within +-3.46 noise_v.
 */
typedef struct hwsim_signal {
  hwsim_waveform waveform;
  double amplitude_v;  /* peak; a table's factor */
  double offset_v;     /* all of these: finite, |x| at most 1 MV */
  double frequency_hz; /* 0 to rate / 2 (otherwise it would alias; EINVALID) */
  double phase_turns;  /* at n = 0; 0.25 is a quarter period */
  double noise_v;      /* RMS, from 0 */
  double gain_error;   /* relative, -0.5 to 0.5 */
  double offset_error_v;
  double inl_lsb; /* -1000 to 1000 */
  double range_v; /* +- full scale, 1 mV to 1 kV */
  double rate_hz; /* of a table's samples, 1 uHz to 100 GHz; 0: the device's. Else 0 */
} hwsim_signal;

/* The power-on signal of a channel: a sine of 1 V at 10 Hz times (channel + 1), or an eighth of the
 * rate where that is lower, with the noise and range of the resource string, no errors.
 * Errors: EINVALID (no such channel). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_signal_default(const hwsim_device *device,
                                                         uint32_t channel,
                                                         hwsim_signal *signal_out);
/* Connects a signal; its sample 0 is the channel's next one. The table, for the TABLE waveforms,
 * is copied; for others it must be NULL and 0. It has a rate of its own, at which streams of any
 * rate, thresholds and single conversions all see it: who samples faster sees each of its samples
 * several times, who samples more slowly leaves some out. Does not use the bus.
 * Errors: EINVALID (names the field), ENOMEM, ECLOSED, EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_signal_set(hwsim_device *device, uint32_t channel,
                                                     const hwsim_signal *signal,
                                                     const double *table_v, size_t table_length);
/* The signal that is connected; *table_length_out is 0 when it has no table, and rate_hz then too,
 * otherwise it says the rate that was taken. Errors: EINVALID,
 * EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_signal_get(hwsim_device *device, uint32_t channel,
                                                     hwsim_signal *signal_out,
                                                     size_t *table_length_out);
/* --------------------------------------------------------------------------- outputs, plant -- */

/* What an output can put out: 2^bits voltages, equally far apart. */
typedef struct hwsim_output_scale {
  double lowest_v, highest_v;
  uint32_t bits;
} hwsim_output_scale;

/* Errors: EINVALID (no such output). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_output_get_scale(const hwsim_device *device,
                                                           uint32_t output,
                                                           hwsim_output_scale *scale_out);
/* What it puts out now. Does not use the bus. Errors: EINVALID (no such output), EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_output_get(hwsim_device *device, uint32_t output,
                                                     double *volts_out);
/* Puts the code into the bits of the register that is nearest to a voltage, whatever the access of
 * the register: rules that wait for a change of them follow. One operation on the bus. Blocks.
 * volts: from the lowest to full scale, which is one code more than the highest.
 * Errors: EINVALID (no such output, volts). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_output_set(hwsim_device *device, uint32_t output,
                                                     double volts, const hwsim_call *call);

/* How a channel sees an output: with u(t) put out,
 *   goal(t)   = offset_v + gain f(u(t - delay)), f: the table of the function, or u itself
 *   tau dx/dt = goal(t) - x, computed in closed form; x = goal at once where tau is 0
 * and x is at rest when it is connected. The converter that follows is the channel's own, with its
 * errors of gain, offset and linearity. A conversion sees what has been put out before it, a sample
 * of a stream, or of a threshold, what was put out before its time. So each of them follows from
 * the seed and from what was written when, and from nothing else.
 *
 * For streams that lag a channel keeps the last 131072 changes of its output; samples before them
 * are lost, and counted. Of more than that within one delay, the last ones become one. */
typedef struct hwsim_connection {
  uint32_t output;
  double gain;      /* -1e6 to 1e6 */
  double offset_v;  /* -1e6 to 1e6 */
  int64_t delay_ns; /* 0 to 1 h */
  double tau_s;     /* time constant, in seconds of the device's clock: 0 to 1e9 */
  double noise_v;   /* RMS at the channel, 0 to 1e6; as that of a signal */
} hwsim_connection;

#define HWSIM_FUNCTION_LARGEST (1 << 20) /* values of a function's table */

/* Connects an output to a channel of another device on the same clock, or of its own (NULL). It
 * takes the place of what was connected to that; whatever is connected later takes its place in
 * turn: hwsim_signal_set(), or another output. An output can drive any number of channels. Streams
 * that run are not changed, as by hwsim_signal_set(). The table, or NULL and 0, has the function's
 * values at equal distances from lowest_v to highest_v, and is linear between them; it is copied. A
 * reset and a power failure end no connection. Neither device keeps the other open. One that is
 * closed puts out what it did last.
 * Errors: EINVALID (names the argument; another clock), ENOMEM; ECLOSED, EFORKED (either device).
 */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_output_connect(hwsim_device *device, hwsim_device *to,
                                                         uint32_t channel,
                                                         const hwsim_connection *connection,
                                                         const double *function_v,
                                                         size_t function_length);
/* A connection that there is. */
typedef struct hwsim_link {
  char from[64];   /* the device whose output it is, also if that is closed by now */
  char output[64]; /* its name in that device's model; a longer one is cut */
  char to[64];     /* the device whose channel it is */
  uint32_t channel;
  double gain, offset_v; /* these five as in hwsim_connection */
  int64_t delay_ns;
  double tau_s, noise_v;
  bool has_function;
} hwsim_link;

/* The connections of a device: those that drive its channels, by their numbers, and then those by
 * which its outputs drive channels of others, in the order in which they were made; an array of
 * *count_out, to be released with free(). The channels of a device that is closed have none.
 * Errors: ENOMEM, EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_output_list(hwsim_device *device, size_t *count_out,
                                                      hwsim_link **links_out);
/* The power-on signal comes back. Errors: EINVALID (no such channel), ESTATE (no output is
 * connected to it), ECLOSED, EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_output_disconnect(hwsim_device *device, uint32_t channel);

/* One conversion: the channel's next sample, in volts. One operation on the bus. Blocks.
 * Errors: EINVALID (no such channel), ESTATE (CONTROL bit 0 is off). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_signal_read(hwsim_device *device, uint32_t channel,
                                                      const hwsim_call *call, double *volts_out);

/* One conversion of each of `count` channels, all at the same instant: volts_out[i] is the next
 * sample of channels[i]. One operation on the bus. Blocks.
 * Errors: EINVALID (no channel, no such channel, or one of them twice), ESTATE (CONTROL bit 0 is
 * off). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_signal_read_many(hwsim_device *device,
                                                           const uint32_t *channels, size_t count,
                                                           const hwsim_call *call,
                                                           double *volts_out);

/* ----------------------------------------------------------------------------------- streams -- */

/* Continuous acquisition: every channel is sampled at a rate from the start on, by the device's
 * clock: floor(elapsed * rate) samples are there after a time, and each has an index. The device
 * keeps the newest `buffer` samples of each channel for a reader that lags; whoever lags more loses
 * the oldest, and is told exactly how many. What a reader has asked for and waits for is not lost.
 */
typedef struct hwsim_stream hwsim_stream;

typedef enum hwsim_overrun {
  HWSIM_OVERRUN_ERROR = 0, /* the next read fails once with EOVERRUN, then goes on behind the gap */
  HWSIM_OVERRUN_SKIP = 1   /* the next read starts behind the gap and reports it */
} hwsim_overrun;

typedef enum hwsim_format {
  HWSIM_FORMAT_INT16 = 0,   /* codes */
  HWSIM_FORMAT_FLOAT32 = 1, /* volts */
  HWSIM_FORMAT_FLOAT64 = 2  /* volts */
} hwsim_format;

#define HWSIM_STREAM_LARGEST_BUFFER (UINT64_C(1) << 40) /* samples of each channel */
#define HWSIM_STREAM_LARGEST_INDEX (UINT64_C(1) << 62)

typedef struct hwsim_stream_config {
  double rate_hz;           /* samples a second and channel, 1 mHz to 1 GHz */
  const uint32_t *channels; /* each at most once */
  uint32_t channel_count;   /* 1 to the device's channels */
  uint64_t buffer;          /* samples of each channel, 1 to 2^40 */
  uint64_t total;           /* samples of each channel, then the stream ends; 0: without end */
  uint64_t first_index;     /* of the first sample; to go on where a recording ended. Up to 2^62 */
  hwsim_overrun overrun;
} hwsim_stream_config;

typedef struct hwsim_block {
  uint64_t first_index; /* of its first sample */
  size_t count;         /* samples of each channel */
  uint64_t lost;        /* samples of each channel lost right before it */
} hwsim_block;

typedef struct hwsim_stream_status {
  uint64_t available; /* samples of each channel that can be read at once */
  uint64_t read;      /* ... that have been read */
  uint64_t lost;      /* ... that have been lost */
  bool running;       /* not stopped, and not at its end */
} hwsim_stream_status;

/* Starts a stream of the signals that are connected now; those connected later do not change it.
 * Any number of streams may run on a device. The stream keeps the device alive, not open. Does not
 * block. Errors: EINVALID (names the field), ESTATE (CONTROL bit 0 is off), ENOMEM, ECLOSED,
 * EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_stream_start(hwsim_device *device,
                                                       const hwsim_stream_config *config,
                                                       hwsim_stream **stream_out);
/* Ends the stream: reads that wait return what is there, later ones nothing. Stopping twice is
 * fine. */
HWSIM_API void hwsim_stream_stop(hwsim_stream *stream);
/* Stops the stream, too. It must not be in use by a call. NULL is ignored. */
HWSIM_API void hwsim_stream_free(hwsim_stream *stream);
/* Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_stream_get_status(hwsim_stream *stream,
                                                            hwsim_stream_status *status_out);
HWSIM_API uint32_t hwsim_stream_channel_count(const hwsim_stream *stream);
/* Volts of one code of the stream's channel number `i`. */
HWSIM_API double hwsim_stream_volts_per_code(const hwsim_stream *stream, uint32_t i);
/* When it was started, by the device's clock. The sample with index `i` is there, as the event of a
 * threshold that it crosses is, at this time + (i - first_index + 1) / rate. */
HWSIM_API int64_t hwsim_stream_start_ns(const hwsim_stream *stream);

/* Reads `count` samples of each channel, interleaved (sample 0 of all channels, sample 1 of all
 * channels, ...), into `data_out`, which has room for count * channels values of the format. Blocks
 * until they are there, without using the bus; counts as a transaction, so that faults can hit it.
 * The device's default timeout begins when they should be there, one given in `call` at once.
 * Fewer are read, or none, only at the end of the stream. Several readers of a stream get their
 * samples in the order of their calls, each its own.
 * When it fails, nothing has been read, and the samples that were there already are in `data_out`
 * and *block_out nevertheless: the next read gives them again. Errors: EINVALID (count 0), EOVERRUN
 * (*block_out has the number lost), and as hwsim_call. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_stream_read(hwsim_stream *stream, hwsim_format format,
                                                      size_t count, const hwsim_call *call,
                                                      void *data_out, hwsim_block *block_out);

/* --------------------------------------------------------------------------- long operations -- */

/* Told how far a long operation is: `done` of `total` (calibration: at most every 20 ms). It is
 * called on the calling thread with no lock held, and may call back into the library. Nonzero stops
 * the operation, with ECANCELLED. */
typedef struct hwsim_progress {
  int (*report)(void *user, uint64_t done, uint64_t total);
  void *user;
} hwsim_progress;

#define HWSIM_CODES 65536 /* of a converter */

/* A converter's errors, by the methods of IEEE Std 1241 (Terminology and Test Methods for
 * Analog-to- Digital Converters): the four-parameter sine fit and the sine-wave histogram. */
typedef struct hwsim_calibration {
  double amplitude_v, offset_v; /* of the reference as measured: the sine fit */
  double phase_turns, cycles;   /* ... at sample 0, and in the whole record */
  double gain_error;            /* amplitude_v against the reference's, relative */
  double sinad_db;              /* signal to noise and distortion */
  double enob;             /* effective number of bits: 16 - log2(rms error / (LSB / sqrt(12))) */
  double inl_lsb, dnl_lsb; /* largest deviations, terminal-based */
  uint32_t missing_codes;  /* with DNL <= -0.9 */
  double reference_v;      /* amplitude of the reference in the sine fit */
  double overdrive_v;      /* ... in the code-density test */
} hwsim_calibration;

#define HWSIM_CALIBRATION_SHORTEST (1 << 18) /* samples in each test */
#define HWSIM_CALIBRATION_LONGEST (1 << 26)

/* Measures the converter of a channel and corrects it from then on: what is read has the errors of
 * gain, offset and linearity taken out. Instead of the connected signal the converter measures a
 * reference sine: `samples` of it for a four-parameter sine fit, and as many for a code-density
 * test. samples: HWSIM_CALIBRATION_SHORTEST to _LONGEST; the DNL of a code is uncertain by about 1
 * / sqrt(samples / 2^17). The reference has samples / 32 + 1 cycles (made odd) in them and starts
 * at its zero crossing; its noise is that of (seed, channel, n), as if it were connected and
 * streamed. CPU-heavy: seconds of computing, no bus. Ends within 10 ms of cancel, close, or an
 * interruption; there is no default timeout. inl_out and dnl_out: HWSIM_CODES values in LSB each,
 * or NULL. The correction stays until hwsim_calibration_clear(), or a signal with another range.
 * Errors: EINVALID, ESTATE (the converter saturates whatever the reference, or CONTROL bit 0 is
 * off), as hwsim_call. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_calibrate(hwsim_device *device, uint32_t channel,
                                                    uint64_t samples, const hwsim_call *call,
                                                    const hwsim_progress *progress,
                                                    hwsim_calibration *calibration_out,
                                                    double *inl_out, double *dnl_out);
/* Takes the correction away again. Errors: EINVALID, ECLOSED, EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_calibration_clear(hwsim_device *device, uint32_t channel);

/* Firmware images: a header of 32 bytes, little-endian, and the payload:
 *   0 HWSIM_FIRMWARE_MAGIC   8 version   12 size of the payload   16 CRC-32 (IEEE 802.3) of the
 * payload 20 CRC-32 of bytes 0 to 19   24 zeros The device has two banks. It runs the newest one
 * that is whole, and programs the other. */
#define HWSIM_FIRMWARE_MAGIC "HWSIMFW1"
#define HWSIM_FIRMWARE_HEADER 32
#define HWSIM_FIRMWARE_PAGE 1024         /* bytes */
#define HWSIM_FIRMWARE_LARGEST (1 << 18) /* bytes of payload */
#define HWSIM_FIRMWARE_MOST_RETRIES 100

typedef struct hwsim_firmware_options {
  bool verify;      /* read each page back; one that differs is written again */
  uint32_t retries; /* ... so many times before it is an error; to _MOST_RETRIES */
  bool exclusive;   /* operations of others meanwhile fail with EBUSY; otherwise they take turns */
} hwsim_firmware_options;

HWSIM_API uint32_t hwsim_crc32(const void *data, size_t size);
/* Checks an image, whatever the device. Errors: EFIRMWARE (what is wrong with it). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_firmware_check(const void *image, size_t size,
                                                         uint32_t *version_out);
/* Programs an image: erases, writes and verifies each page, and commits when all are right; from
 * then on the device runs it (register VERSION). Several operations on the bus for each page:
 * blocks. Whatever ends it before the commit (an error, cancel, close, a cut of the power), the old
 * firmware keeps running, and after a cut of the power so it does when the device is opened or
 * reconnected again. The timeout in `call` is for the whole; the device's default is for each
 * operation. Errors: EFIRMWARE (a bad image, or one older than what runs: nothing has been erased;
 * or a page that verify finds wrong after all retries), EBUSY (being programmed already), EINVALID
 * (retries). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_firmware_program(hwsim_device *device, const void *image,
                                                           size_t size,
                                                           const hwsim_firmware_options *options,
                                                           const hwsim_call *call,
                                                           const hwsim_progress *progress);
/* The version that runs: what register VERSION reads. Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_firmware_version(hwsim_device *device,
                                                           uint32_t *version_out);

/* ------------------------------------------------------------------------------------ events -- */

/* X(name, value, text): what happens on a device, and what `channel` and `value` say about it */
#define HWSIM_EVENTS(X)                                                                            \
  X(FAULT, 0, "fault") /* an operation was hit: hwsim_fault_kind; number of the operation */       \
  X(DISCONNECT, 1, "disconnect") /* 0; 0 */                                                        \
  X(RECONNECT, 2, "reconnect")   /* 0; 0 */                                                        \
  X(TRIGGER, 3, "trigger")       /* hwsim_event_trigger(): 0; the value given */                   \
  X(OVERRUN, 4, "overrun")       /* a stream's reader finds that it was late: 0; samples lost */   \
  X(FIRMWARE, 5, "firmware")     /* new firmware runs: 0; its version */                           \
  X(REGISTER, 6, "register")     /* a write, update or reset changed it: address; new value */     \
  X(TIMER, 7, "timer")           /* 0; number of the tick since the timer was set, from 1 */       \
  X(THRESHOLD, 8, "threshold")   /* the signal crossed it: channel; volts */

typedef enum hwsim_event_kind {
#define HWSIM_X(name, value, text) HWSIM_EVENT_##name = value,
  HWSIM_EVENTS(HWSIM_X)
#undef HWSIM_X
} hwsim_event_kind;
#define HWSIM_EVENT_BIT(kind) (UINT32_C(1) << (kind))

typedef struct hwsim_event {
  hwsim_event_kind kind;
  uint32_t channel;  /* see HWSIM_EVENTS */
  int64_t time_ns;   /* when it happened */
  uint64_t sequence; /* its number in the subscription, from 0; lost ones count */
  uint64_t lost;     /* events of the subscription that were lost right before it */
  double value;      /* see HWSIM_EVENTS */
} hwsim_event;

/* "timer", ...; NULL for an unknown kind. */
HWSIM_API const char *hwsim_event_name(hwsim_event_kind kind);
/* Errors: EINVALID (with the nearest name). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_event_find(const char *text, hwsim_event_kind *kind_out);

/* Ticks every `period_ns` from now on; 0: none. 1 us to 1 h. The timer starts again when a
 * disconnected device reconnects; the ticks until then are counted as lost.
 * Errors: EINVALID, ECLOSED, EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_timer_set(hwsim_device *device, int64_t period_ns);
/* Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_timer_get(hwsim_device *device, int64_t *period_ns_out);

/* Gives a channel a comparator: it looks at each sample that the converters would take at the
 * device's sample rate. Its output goes high at the first sample >= level_v, low at the first one
 * < level_v - hysteresis_v; each change is an event. It starts with the next sample, at whatever
 * side that is on, and works while somebody subscribes to thresholds. A signal connected later
 * starts for it at its sample 0. level_v: -1e6 to 1e6. hysteresis_v: 0 to 1e6.
 * Errors: EINVALID, ESTATE (sample rate times clock factor exceeds 1 MHz), ECLOSED, EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_threshold_set(hwsim_device *device, uint32_t channel,
                                                        double level_v, double hysteresis_v);
/* Takes it away. Errors: EINVALID (no such channel), ECLOSED, EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_threshold_clear(hwsim_device *device, uint32_t channel);

/* A software trigger: an event with this value. One operation on the bus. Blocks. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_event_trigger(hwsim_device *device, double value,
                                                        const hwsim_call *call);

/* Somebody who wants to know of events: a queue, read with hwsim_subscription_next() or, if there
 * is a handler, by that. */
typedef struct hwsim_subscription hwsim_subscription;

/* What happens to an event for which the queue has no room. */
typedef enum hwsim_overflow {
  HWSIM_OVERFLOW_DROP = 0, /* the oldest one in the queue is lost, and counted */
  HWSIM_OVERFLOW_WAIT = 1  /* back-pressure: it does not happen yet. Ticks come later, all of them;
                            * an operation that would cause an event takes effect, and gives the bus
                            * free, when there is room: never, if ticks come faster than they are
                            * read. What cannot wait is lost, and counted: a crossed threshold, an
                            * overrun, a reconnect, the fault of an operation that times out, and
                            * what  hwsim_fault_inject() does at once. */
} hwsim_overflow;

/* Where events go without being asked for. Both functions are called on the library's timer thread,
 * one thread for all devices of the process, which starts with the first subscription that needs
 * it; no lock is held, and they may call anything, also close or free this very subscription. A
 * handler that takes long delays the others; the queue fills meanwhile. They must return normally.
 */
typedef struct hwsim_handler {
  /* 1 or more events in order; those after a close during the call are of no interest. */
  void (*handle)(void *user, hwsim_subscription *subscription, const hwsim_event *events,
                 size_t count);
  /* The last call: `user` is not needed any more. On the timer thread if it is in handle() when the
   * subscription closes, otherwise on the thread that closes. Not called in a forked child. May be
   * NULL. */
  void (*release)(void *user);
  void *user;
} hwsim_handler;

#define HWSIM_EVENTS_LARGEST_QUEUE (1 << 20)
/* One operation causes fewer events. A queue that lets others wait has so much room beyond its
 * size. */
#define HWSIM_EVENTS_AT_ONCE 32

typedef struct hwsim_subscription_config {
  uint32_t kinds; /* HWSIM_EVENT_BIT()s, at least one */
  uint32_t queue; /* events, 1 to 2^20 */
  hwsim_overflow overflow;
  hwsim_handler handler; /* handle NULL: none, and release is not called either */
} hwsim_subscription_config;

typedef struct hwsim_subscription_status {
  uint64_t queued;    /* events in the queue */
  uint64_t delivered; /* ... that have been read, or given to the handler */
  uint64_t lost;      /* ... that have been lost */
  bool open;
} hwsim_subscription_status;

/* Subscribes to what happens from now on. Keeps the device alive, not open. Does not block.
 * Errors: EINVALID (names the field), ENOMEM, ECLOSED, EFORKED; release() has not been called. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_subscription_new(hwsim_device *device,
                                                           const hwsim_subscription_config *config,
                                                           hwsim_subscription **subscription_out);
/* Waits for at least one event, and takes up to `capacity` of those that are in the queue. Does not
 * use the bus. Several readers take turns. Blocks. Events from before the device was closed can
 * still be read; then ECLOSED. Errors: EINVALID (capacity 0), ESTATE (it has a handler), ECLOSED.
 */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_subscription_next(hwsim_subscription *subscription,
                                                            size_t capacity, const hwsim_call *call,
                                                            hwsim_event *events_out,
                                                            size_t *count_out);
/* Ends it: readers that wait get ECLOSED, what is in the queue is dropped. Never waits for a
 * handler that runs: no handle() begins after it, but one may still be under way in another thread.
 * May be called in the handler. Closing twice is fine. */
HWSIM_API void hwsim_subscription_close(hwsim_subscription *subscription);
/* Closes, too. It must not be in use by a call of hwsim_subscription_next(). NULL is ignored. */
HWSIM_API void hwsim_subscription_free(hwsim_subscription *subscription);
HWSIM_API bool hwsim_subscription_is_open(const hwsim_subscription *subscription);
/* Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_subscription_get_status(
    hwsim_subscription *subscription, hwsim_subscription_status *status_out);

/* Stops the timer thread, and waits until it has ended: for up to timeout_ns, if a handler does not
 * return. For the end of a program, or before the code of the handlers is unloaded. The next
 * subscription that needs the thread starts it again; if that happens meanwhile, it goes on, and
 * this returns OK. Errors: ETIMEOUT (it ends when the handler returns), ESTATE (called in a
 * handler: it ends after it). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_events_stop(int64_t timeout_ns);

/* ------------------------------------------------------------------------------------ faults -- */

/* X(name, value, text, error): `error` is what a hit operation fails with; OK: it does not fail. */
#define HWSIM_FAULTS(X)                                                                            \
  X(TIMEOUT, 1, "timeout", ETIMEOUT) /* never answers: holds the bus until it times out */         \
  X(BUS, 2, "bus", EBUS)                                                                           \
  X(CRC, 3, "crc", ECRC)                                                                           \
  X(BUSY, 4, "busy", EBUSY)                                                                        \
  X(DISCONNECT, 5, "disconnect", EDISCONNECTED) /* the cable, and the power with it */             \
  X(RECONNECT, 6, "reconnect", OK)              /* back, registers reset */                        \
  X(STUCK, 7, "stuck", OK)                      /* bits of a register read as given */             \
  X(SPIKE, 8, "spike", OK)                      /* one operation takes extra_ns longer */          \
  X(OVERRUN, 9, "overrun", EOVERRUN)                                                               \
  X(FIRMWARE, 10, "firmware", EFIRMWARE)                                                           \
  X(MEMORY, 11, "memory", ENOMEM)                                                                  \
  X(INTERNAL, 12, "internal", EINTERNAL)                                                           \
  X(POWER, 14, "power", EDISCONNECTED) /* cut: torn writes; disconnected until a reconnect */      \
  X(CORRUPT, 15, "corrupt", OK)        /* a page of firmware is written wrong */                   \
  X(LOST, 16, "lost", OK)              /* the events that the operation causes are lost */         \
  X(FOREIGN, 13, "foreign", EINTERNAL) /* C++ facade: throws what is no std::exception */

typedef enum hwsim_fault_kind {
#define HWSIM_X(name, value, text, error) HWSIM_FAULT_##name = value,
  HWSIM_FAULTS(HWSIM_X)
#undef HWSIM_X
} hwsim_fault_kind;

/* A disconnected device has no power: it gets that through the cable. Without power nothing
 * happens, and what would have come is counted as lost: samples of a stream that had not been read,
 * and those until it reconnects; ticks; crossings. Operations fail, also new streams. Queues of
 * events are on this side of the cable: what was in them can be read. When it reconnects, its
 * registers are at their reset values, timer and comparators start anew, and streams go on with the
 * indices that belong to the time. */

/* When and how the device fails. Operations on the bus are counted from 1 since open. A fault hits
 * each of the operations at .. at + count - 1 with its probability, drawn from the device's seed
 * and the operation's number: no thread schedule changes it. An operation suffers every spike and
 * stuck bit that hits it, and of the kinds that make it fail the one injected first. In a resource
 * string: fault=KIND[@at][*count][~probability][:ARGUMENT], ARGUMENT being the extra time for spike
 * (spike~0.1:20ms) and ADDRESS/MASK=VALUE for stuck (stuck:0x40/0xff=0x0f); with a probability or
 * stuck bits, the count is without end unless given; otherwise 1. */
typedef struct hwsim_fault {
  hwsim_fault_kind kind;
  uint64_t at;        /* the first operation that it can hit; 0: the next one */
  uint64_t count;     /* how many operations it can hit; 0: without end */
  double probability; /* 0 to 1 */
  int64_t extra_ns;   /* spike: 0 to 1 h */
  uint32_t address;   /* stuck: a readable register */
  uint64_t mask;      /* stuck: its stuck bits; 0: none */
  uint64_t value;     /* stuck: what they read as; bits of the mask */
} hwsim_fault;

/* A fault of this kind with the usual values: the next operation, certainly, once; stuck: without
 * end, SCRATCH0, all bits 0; spike: 10 ms. Errors: EINVALID (no such kind). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_fault_init(hwsim_fault_kind kind, hwsim_fault *fault_out);
/* Errors: EINVALID (with the nearest name). */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_fault_find(const char *text, hwsim_fault_kind *kind_out);
/* "timeout", ...; NULL for an unknown kind. */
HWSIM_API const char *hwsim_fault_name(hwsim_fault_kind kind);
/* Arms a fault. DISCONNECT and RECONNECT with `at` 0 and probability 1 happen at once, and then a
 * disconnect ends every operation that waits.
 * Errors: EINVALID (names the field), ENOMEM, ECLOSED, EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_fault_inject(hwsim_device *device,
                                                       const hwsim_fault *fault);
/* Disarms every fault; a disconnected device stays so. Errors: EFORKED. */
HWSIM_API HWSIM_CHECKED hwsim_error hwsim_fault_clear(hwsim_device *device);

#ifdef __cplusplus
}
#endif
#endif
