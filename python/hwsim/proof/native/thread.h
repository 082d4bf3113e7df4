/* What is known of each thread: whether it holds the GIL (on free-threaded Python: is attached),
 * and for how long it did. Written by the thread itself, without locks. */
#ifndef HWSIM_PROOF_THREAD_H
#define HWSIM_PROOF_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

#ifdef __GLIBC__
/* It leaves room for a pointer of a library that is loaded later; other C libraries do not. */
#define THREAD_LOCAL_MODEL __attribute__((tls_model("initial-exec")))
#else
#define THREAD_LOCAL_MODEL
#endif

struct calls; /* see calls.c */

/* A span of a thread's time without the GIL, and then waiting for it; or, with `asked` 0, with it
 * in a C function, from `released` to `retaken`. In nanoseconds. */
typedef struct span {
  int64_t released, asked, retaken; /* released 0: before the trace began */
  const void *caller;               /* the instruction that released it; NULL: unknown */
  int call; /* the C call in which it happened, a row of the audit; -1: unknown */
} span;

enum { BLOCK_SPANS = 1024, MOST_BLOCKS = 256 };
enum { KEPT_NS = 20000 }; /* of a hold that the trace keeps */

/* What happened until the present hold began, or the present release. In nanoseconds. */
typedef struct sums {
  int64_t held, longest;  /* the sum and the longest of the holds */
  int64_t released, wait; /* without the GIL, and waiting to have it again */
  uint64_t releases, checks;
} sums;

typedef struct thread {
  struct thread *next; /* in the list of all; constant */
  long id;             /* the system's */
  atomic_bool ended;
  bool passing;        /* inside one of CPython's functions that may call another of them */
  uint32_t session;    /* see threads_session */
  int64_t released_at; /* since when it is without the GIL; 0: it has it, or it is unknown */
  const void *caller;  /* that released it */
  int call;            /* the row of the call that is going on; -1: none is known */
  int64_t since;       /* when the present hold began */
  sums sums;
  struct calls *calls;       /* of the audit; NULL: none yet */
  span *blocks[MOST_BLOCKS]; /* of the trace, BLOCK_SPANS each, allocated when needed */
  atomic_uint spans_n;       /* those before are complete */
  atomic_uint lost;          /* spans for which there was no room */
} thread;

/* Counts the times that threads have started anew: what a thread knows from before is void. */
extern atomic_uint threads_session;
extern atomic_bool threads_recording; /* whether spans are kept */
extern _Thread_local thread *thread_self_known THREAD_LOCAL_MODEL;

/* Returns the calling thread; NULL: no memory. */
thread *thread_make(void);

/* Returns the first in the list of all threads; NULL: none. What is in it stays valid for good, and
 * concerns the session if it has its number. */
thread *threads_first(void);

/* Lets all threads start anew. */
void threads_restart(void);

/* To be called once. Returns 0 or an errno. */
int threads_setup(void);

/* Keeps a span, if there is room. */
void thread_keep(thread *thread, span span);

void thread_begin(thread *thread);

static inline thread *thread_self(void) {
  thread *self = thread_self_known;
  if (__builtin_expect(!self, 0))
    self = thread_make();
  if (self &&
      __builtin_expect(
          self->session != atomic_load_explicit(&threads_session, memory_order_relaxed), 0)) {
    thread_begin(self);
  }
  return self;
}

/* A hold ends now, or is interrupted by what is charged to others. */
static inline void hold_ends(thread *self, int64_t now) {
  const int64_t hold = now - self->since;
  self->sums.held += hold;
  if (hold > self->sums.longest)
    self->sums.longest = hold;
  if (hold >= KEPT_NS && self->call >= 0 &&
      atomic_load_explicit(&threads_recording, memory_order_relaxed)) {
    thread_keep(self, (span){self->since, 0, now, NULL, self->call});
  }
}

#endif
