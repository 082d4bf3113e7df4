/* What the library's own files share; nothing here is public.
 *
 * The idea everything follows from: a device is a function of time. An operation is appended to the
 * device's timeline and is done at a known time; whoever next holds the mutex *settles* the device,
 * which lets everything that is due take effect in order. Only events for handlers have a thread in
 * the background (timer.c).
 *
 * Locks: device->mutex guards everything in struct hwsim_device that is not constant after open. It
 * is held for short, bounded work only: never across a wait, a hook, a handler or the generation of
 * a block of samples. Order: a cancel token's mutex, a device's, the registry's, the flashes', the
 * timer's.
 */
#ifndef HWSIM_INTERNAL_H
#define HWSIM_INTERNAL_H

#include "hwsim/hwsim.h"

#include <pthread.h>
#include <stdatomic.h>

#define NS_PER_S INT64_C(1000000000)
#define HOUR_NS (3600 * NS_PER_S)
#define FOREVER INT64_MAX
#define ARRAY_LENGTH(array) (sizeof(array) / sizeof *(array))

typedef struct op op;
typedef struct op_list op_list;
typedef struct waiter waiter;
typedef struct signal_source signal_source;
typedef struct fault_entry fault_entry;
typedef struct flash flash;

/* ---------------------------------------------------------------- error.c: the error channel -- */

/* Record the details for hwsim_error_last() and return `code`. */
hwsim_error error_set(hwsim_error code, const char *device, const char *operation,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));
hwsim_error error_set_fault(hwsim_error code, int fault, const char *device, const char *operation);
hwsim_error error_restore(const hwsim_error_info *info); /* returns its code */
hwsim_error error_no_memory(const char *device, const char *operation);
/* Of `count` strings, `stride` bytes apart, the one nearest to `text`; NULL if none is near. */
const char *nearest(const char *text, const void *strings, size_t count, size_t stride);

/* ------------------------------------------------- bus.c: the timeline of pending operations -- */

/* An operation lives on its caller's stack; a noun embeds it as the first member of its own. */
struct op {
  op *next, *previous;
  op_list *list; /* NULL when finished */
  const char *name;
  /* Takes effect at device time `at_ns`, mutex held. OP_ARMED: not yet; asked again after each
   * effect on the device, and at op->wake_ns. */
  hwsim_error (*apply)(hwsim_device *device, op *self, int64_t at_ns);
  /* The power fails while it takes effect. Mutex held. May be NULL. */
  void (*tear)(hwsim_device *device, op *self);
  uint32_t bytes;   /* on the bus */
  bool maintenance; /* goes on while the device is programmed exclusively */
  bool timed;       /* what it does depends on the time */
  bool open_ended;  /* may be armed, so nobody knows how long it takes; then also timed */
  bool observer;    /* looks at the device, uses no bus, is not counted */
  uint64_t number;  /* of the transaction, from 1 */
  int64_t cost_ns;
  int64_t start_ns; /* its slot on the bus */
  int64_t done_ns;
  int64_t wake_ns; /* armed: when the condition comes true by itself, or FOREVER */
  int64_t timeout_ns, deadline_ns;
  hwsim_error result;
  uint32_t causes; /* bits of the kinds of events that it may cause; a fault adds its own */
  bool stalled;    /* it should be done, but there is no room for its events */
  int fault;       /* hwsim_fault_kind that makes it fail; 0: none */
  int first_hit;   /* hwsim_fault_kind; 0: none */
  uint32_t hits;   /* faults that it suffers */
  bool corrupt;    /* what it writes is damaged */
  bool mute;       /* the events that it causes are lost */
  bool reconnects; /* the device is back right before it */
  waiter *waiter;
  const hwsim_hooks *entered; /* whose enter has been called, and leave not yet; or NULL */
};
#define OP_ARMED ((hwsim_error) - 1)

struct op_list {
  op *first, *last;
};

/* Runs an operation to its end. Blocks. */
hwsim_error bus_run(hwsim_device *device, op *self, const hwsim_call *call);
/* As bus_run, but does not use the bus: `self` is armed at once. An observer is no transaction: no
 * fault can hit it. Blocks. */
hwsim_error bus_run_armed(hwsim_device *device, op *self, const hwsim_call *call);
/* The following: mutex held. */
void bus_ask_armed(hwsim_device *device, int64_t at_ns); /* something they wait for has changed */
void bus_settle(hwsim_device *device, int64_t now_ns);
void bus_abort(hwsim_device *device, op *self, hwsim_error result, int64_t now_ns);
void bus_resume(hwsim_device *device, int64_t now_ns); /* there is room for events again */
/* Those that use the bus fail with EDISCONNECTED, up to the first that brings a reconnect. */
void bus_disconnect(hwsim_device *device, int64_t at_ns);
void bus_abort_all(hwsim_device *device, hwsim_error result);
/* EFORKED for an inherited handle, ECLOSED for a closed one; otherwise locks the mutex. */
hwsim_error device_lock(hwsim_device *device, const char *operation);
/* As device_lock, but a closed device will do. */
hwsim_error device_lock_any(hwsim_device *device, const char *operation);
void device_unlock(hwsim_device *device);
bool device_is_forked(const hwsim_device *device);
/* Keep the memory of a device; its owners alone keep it open. */
void device_hold(hwsim_device *device);
void device_drop(hwsim_device *device);
/* Grows with each fork() on the way to this process. */
extern unsigned fork_generation;

/* -------------------------------------------------------- clock.c: time, and all the waiting -- */

int64_t clock_monotonic_ns(void);
int64_t clock_now(const hwsim_device *device); /* mutex held */
/* Until op->list is NULL. Mutex held on entry and exit, released meanwhile. Where it sets
 * op->entered, the caller must end with clock_end_work(). EFORKED: a hook forked, this is the
 * child, and the mutex is not held. */
hwsim_error clock_wait(hwsim_device *device, op *self);
void clock_wake(op *self); /* mutex held */
/* The monotonic time at which the device's clock shows `time_ns`; FOREVER if it may never. */
int64_t clock_to_monotonic(const hwsim_device *device, int64_t time_ns);
void clock_init_condition(pthread_cond_t *condition);
/* As pthread_cond_timedwait, until a monotonic time or FOREVER. */
void clock_wait_condition(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ns);
int64_t add_saturated(int64_t a, int64_t b); /* both from 0 */
/* Work that takes time but does not wait: for the thread's hooks it is the same. No mutex held.
 * clock_interrupted() asks their interrupt check if it is due, and sets when it will be again. */
const hwsim_hooks *clock_begin_work(int64_t expected_ns); /* to be given to clock_end_work() */
bool clock_interrupted(int64_t *poll_at_ns);
void clock_end_work(const hwsim_hooks *entered); /* may be NULL */

/* ------------------------------------------------------------------- cancel.c: cancel tokens -- */

/* Links the call to its token while it runs, so that hwsim_cancel_set() finds the operation. */
typedef struct cancel_link {
  struct cancel_link *next, *previous;
  hwsim_device *device;
  op *op;
} cancel_link;
hwsim_error cancel_attach(hwsim_cancel *token, cancel_link *link); /* mutex not held */
void cancel_detach(hwsim_cancel *token, cancel_link *link);        /* mutex not held */

/* --------------------------------------------------------------------- registers.c, signal.c -- */

void registers_reset(hwsim_device *device, int64_t at_ns);
void registers_count_faults(hwsim_device *device, uint32_t count);
bool registers_converters_enabled(const hwsim_device *device);
void registers_latch_event(hwsim_device *device, uint32_t bit);
/* Checks that `address` is that of a register which `operation` can read; otherwise error_set(). */
hwsim_error registers_check_readable(const char *device, const char *operation, uint32_t address);

hwsim_error signals_open(hwsim_device *device);
void signals_close(hwsim_device *device);
hwsim_error signal_check_channel(const hwsim_device *device, const char *operation,
                                 uint32_t channel);
signal_source *signal_retain(signal_source *source);
void signal_release(signal_source *source); /* may be NULL */
double signal_volts_per_code(const signal_source *source);

/* A signal as connected: never changes, so it is read without a lock by whoever holds a reference.
 */
struct signal_source {
  atomic_int references;
  hwsim_signal config;
  float *table;
  int16_t *table_codes; /* the table as measured, where no noise makes each round different */
  size_t table_length;
};

/* A signal sampled at a rate: what its samples are a function of, besides n. */
typedef struct signal_plan {
  const signal_source *source;
  const struct code_correction *correction; /* or NULL */
  uint64_t seed;
  uint32_t channel;
  uint64_t phase, phase_step; /* in 2^-64 turns */
} signal_plan;
signal_plan signal_plan_for(const signal_source *source, uint64_t seed, uint32_t channel,
                            double rate_hz);
/* Samples n to n + count - 1. Needs no lock. */
void signal_codes(const signal_plan *plan, uint64_t n, size_t count, int16_t *codes_out);

/* Samples at a rate, in micro-hertz: exact for times of any length. */
#define UHZ_NS 1000000000000000u /* 1 / (1 uHz * 1 ns) */
__extension__ typedef unsigned __int128 wide;
/* How many there are after a time; saturates at UINT64_MAX - 1. */
static inline uint64_t rate_count(uint64_t rate_uhz, int64_t elapsed_ns) {
  wide count = (wide)(uint64_t)elapsed_ns * rate_uhz / UHZ_NS;
  return count < UINT64_MAX ? (uint64_t)count : UINT64_MAX - 1;
}
/* After which time there are `count`; or FOREVER. */
static inline int64_t rate_time(uint64_t rate_uhz, uint64_t count) {
  wide time_ns = ((wide)count * UHZ_NS + rate_uhz - 1) / rate_uhz;
  return time_ns < (wide)FOREVER ? (int64_t)time_ns : FOREVER;
}

/* ------------------------------------------------------------------------- events.c, timer.c -- */

/* All of it: device's mutex held, unless it says otherwise. */
#define SHORTEST_TIMER_NS 1000
void events_emit(hwsim_device *device, hwsim_event_kind kind, int64_t at_ns, uint32_t channel,
                 double value);
bool events_wanted(const hwsim_device *device, hwsim_event_kind kind); /* by anybody */
/* Whether somebody's full queue holds back events of these kinds. */
bool events_hold(const hwsim_device *device, uint32_t kinds);
/* Puts what follows from the time into the queues. False: nothing was due. */
bool events_produce(hwsim_device *device, int64_t until_ns);
void events_reschedule(hwsim_device *device, int64_t now_ns);  /* the next ones may have changed */
void events_disconnected(hwsim_device *device, int64_t at_ns); /* right before it is */
void events_reconnected(hwsim_device *device, int64_t at_ns);

/* The first crossing by a time, which has happened now; false: there is none. */
typedef struct crossing {
  int64_t at_ns;
  uint32_t channel;
  double volts;
} crossing;
bool threshold_cross(hwsim_device *device, int64_t until_ns, crossing *crossing_out);
/* When there may be one: searches no more samples than it can in a moment. */
int64_t threshold_next_ns(const hwsim_device *device, int64_t now_ns);
void threshold_start(hwsim_device *device, int64_t now_ns); /* somebody watches from now on */
void threshold_power_on(hwsim_device *device, int64_t now_ns);
/* The samples from now on are others; the signal starts at sample 0, or only its correction is new.
 */
void threshold_signal_changed(hwsim_device *device, uint32_t channel, bool from_first_sample,
                              int64_t now_ns);

/* To be settled afterwards: what was held back has room. */
size_t subscription_take(hwsim_subscription *self, hwsim_event *events_out, size_t capacity,
                         int64_t now_ns);
/* When something may come by itself. */
int64_t subscription_next_ns(const hwsim_subscription *self, int64_t now_ns);
void subscription_release(hwsim_subscription *self); /* one owner less; mutex not held */

bool timer_expect(void); /* one more subscription: starts the thread */
void timer_schedule(hwsim_subscription *self, int64_t due_ns); /* look at it then, at the latest */
/* Never look at it again. True: the handler is not running; otherwise the timer thread calls
 * release() after it. */
bool timer_forget(hwsim_subscription *self);
void timer_before_fork(void);
void timer_after_fork(bool in_child);

struct hwsim_subscription {
  /* Constant. */
  hwsim_device *device;
  hwsim_subscription_config config;
  size_t room; /* of the ring */
  atomic_int references;
  atomic_bool open;

  /* Guarded by the device's mutex. */
  hwsim_subscription *next; /* of the device */
  hwsim_event *ring;
  size_t head, count;
  uint64_t sequence; /* of the next event */
  uint64_t expected; /* by whoever reads: that of the next event unless some were lost */
  uint64_t delivered;
  uint64_t ticks; /* of the device's timer, that have been put into the queue or lost */

  /* Guarded by the timer's mutex. */
  size_t place;   /* in the heap, from 1; 0: not there */
  int64_t due_ns; /* monotonic; when to look at it */
  bool served;    /* by the timer thread now */
  bool forgotten;
};

/* -------------------------------------------------------------------------- faults.c, random -- */

/* Decides what hits operation `self`, whose number is set. Mutex held. */
void faults_decide(hwsim_device *device, op *self, int64_t now_ns);
/* The operation has suffered them. Mutex held. */
void faults_record(hwsim_device *device, op *self, int64_t at_ns);
/* What a read of `address` by operation `number` sees instead of `value`. Mutex held. */
uint32_t faults_stick(const hwsim_device *device, uint64_t number, uint32_t address,
                      uint32_t value);
/* The device's side of DISCONNECT and RECONNECT. Mutex held. */
void faults_disconnect(hwsim_device *device, int64_t at_ns);
void faults_reconnect(hwsim_device *device, int64_t at_ns);
void faults_free(hwsim_device *device);
hwsim_error faults_add(hwsim_device *device, const hwsim_fault *fault);
hwsim_error fault_check(const char *device, const char *operation, const hwsim_fault *fault);

/* Streams of random numbers that no order of drawing can change: number `n` of stream `stream`. */
enum { RANDOM_JITTER = 1, RANDOM_NOISE = 2, RANDOM_FAULT = 3 };
static inline uint64_t random_mix(uint64_t x) {
  /* The finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable PRNGs, OOPSLA 2014). */
  x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
  return x ^ (x >> 31);
}
static inline uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t n) {
  return random_mix(random_mix(random_mix(seed) + stream * UINT64_C(0x9E3779B97F4A7C15)) + n);
}
static inline double random_unit(uint64_t bits) {
  return (double)(bits >> 11) * 0x1p-53;
} /* [0, 1) */

/* ------------------------------------------------------ progress.c: operations that compute for
 * long -- */

typedef struct long_operation {
  hwsim_device *device;
  const char *name;
  hwsim_cancel *cancel;
  const hwsim_progress *progress;
  uint64_t done, total;
  int64_t timeout_ns, deadline_ns, report_every_ns, report_at_ns, poll_at_ns;
  uint64_t device_cancels; /* at its begin */
  const hwsim_hooks *entered;
} long_operation;
/* expected_ns: FOREVER for what computes by itself; 0 for a series of operations on the bus, which
 * wait by themselves, and then each step is reported. No timeout unless the call has one. After
 * success long_operation_end() must follow. */
hwsim_error long_operation_begin(long_operation *self, hwsim_device *device, const char *name,
                                 uint64_t total, int64_t expected_ns, const hwsim_call *call,
                                 const hwsim_progress *progress);
/* `step` more have been done: reports, and says whether to go on. No mutex held. */
hwsim_error long_operation_step(long_operation *self, uint64_t step);
hwsim_error long_operation_check(long_operation *self); /* the same without a report */
hwsim_error long_operation_late(const long_operation *self);
/* Reports the end, if there is one to report. A hook may end the thread here, as in hooks->leave.
 */
void long_operation_end(long_operation *self, bool success);

/* ------------------------------------------------------------- calibration.c: corrected converters
 * -- */

typedef struct code_correction code_correction;                  /* never changes; counted */
code_correction *correction_retain(code_correction *correction); /* may be NULL */
void correction_release(code_correction *correction);            /* may be NULL */
void correction_apply(const code_correction *correction, size_t count, int16_t *codes);

/* ---------------------------------------------------------------- firmware.c: two banks of flash
 * -- */

void firmware_boot(hwsim_device *device); /* mutex held, or nobody else has the device */
void firmware_before_fork(void);
void firmware_after_fork(void);

/* ----------------------------------------------------------------- resource.c: URI -> config -- */

/* The faults of a resource string; the caller frees `items`. */
typedef struct resource_faults {
  hwsim_fault *items;
  size_t count;
} resource_faults;
hwsim_error resource_parse(const char *uri, hwsim_config *config_out, resource_faults *faults_out);

/* ------------------------------------------------------------------------------------ the device
 * -- */

typedef struct comparator {
  bool enabled;
  double level_v, hysteresis_v;
  int64_t base_ns;  /* when the signal began */
  uint64_t n;       /* the next sample to look at; may be in the future */
  bool known;       /* a sample has been looked at, and `high` says something */
  int64_t known_ns; /* when that sample comes, or came */
  bool high;        /* its output */
  bool found;       /* sample n - 1 will change it */
  double found_v;
} comparator;

typedef struct channel_state {
  signal_source *source;
  uint64_t next_sample;
  struct code_correction *correction; /* or NULL */
} channel_state;

struct hwsim_device {
  /* The registry's list, under its mutex. Beside the name, which is read with it. */
  hwsim_device *registry_next;

  /* Constant after open. */
  hwsim_config config;
  int64_t epoch_ns; /* monotonic time at open */
  bool instant;     /* no latency, no jitter, no limit of bandwidth */
  unsigned generation;
  atomic_int references; /* owners */
  atomic_int holders;    /* of the memory: all owners together, and each subscription */
  pthread_mutex_t mutex;

  /* Guarded by the mutex. */
  bool closed, disconnected;
  bool programming, exclusive; /* firmware, and whether others are refused meanwhile */
  flash *flash;                /* NULL: never programmed */
  uint32_t firmware_version;   /* that runs */
  int64_t timeout_ns;
  int64_t clock_ns;  /* of a virtual or manual clock */
  int64_t closed_ns; /* when the clock stopped */
  uint64_t transactions;
  uint32_t pending;
  op_list queue; /* on the bus, in order */
  op_list armed; /* off the bus, waiting for a condition */
  fault_entry *faults;
  uint64_t faults_injected;
  uint64_t cancels;       /* calls of hwsim_device_cancel() */
  int64_t reset_ns;       /* where UPTIME counts from */
  uint32_t registers[24]; /* by address / 4 */
  channel_state *channels;
  hwsim_subscription *subscriptions; /* open ones */
  op *current;                       /* whose effect this is; or NULL */
  int64_t timer_ns, timer_base_ns;   /* ticks at base + k * timer_ns, from k = 1 on; 0: none */
  comparator *comparators;           /* of each channel; NULL: none was ever set */
};

#endif
