#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

atomic_uint threads_session = 1;
atomic_bool threads_recording;
_Thread_local thread *thread_self_known THREAD_LOCAL_MODEL;
static _Atomic(thread *)
    first; /* the list only grows; the places of ended threads are used again */
static pthread_key_t key;

static long system_id(void) {
#ifdef __linux__
  return syscall(SYS_gettid);
#else
  return (long)(intptr_t)pthread_self();
#endif
}

/* The thread ends. It may still release the GIL once more, and is then made anew. */
static void end(void *argument) {
  thread *thread = argument;
  thread_self_known = NULL;
  atomic_store(&thread->ended, true);
}

/* Only the thread that forked lives in the child. */
static void forget_others(void) {
  for (thread *thread = atomic_load(&first); thread; thread = thread->next) {
    if (thread != thread_self_known)
      atomic_store(&thread->ended, true);
  }
  if (thread_self_known)
    thread_self_known->id = system_id();
}

int threads_setup(void) {
  const int error = pthread_key_create(&key, end);
  return error ? error : pthread_atfork(NULL, NULL, forget_others);
}

thread *threads_first(void) { return atomic_load(&first); }

/* Takes the place of a thread that ended before this session; NULL: there is none. */
static thread *reuse(void) {
  for (thread *old = atomic_load(&first); old; old = old->next) {
    bool ended = true;
    if (!atomic_load(&old->ended) || old->session == atomic_load(&threads_session))
      continue;
    if (atomic_compare_exchange_strong(&old->ended, &ended, false))
      return old;
  }
  return NULL;
}

static thread *add(void) {
  thread *made = calloc(1, sizeof *made);
  if (!made)
    return NULL;
  made->next = atomic_load(&first);
  while (!atomic_compare_exchange_weak(&first, &made->next, made)) {
  }
  return made;
}

thread *thread_make(void) {
  const int before = errno;
  thread *made = reuse();
  if (!made)
    made = add();
  if (made && pthread_setspecific(key, made)) {
    atomic_store(&made->ended, true);
    made = NULL;
  }
  if (made) {
    made->id = system_id();
    thread_self_known = made;
    thread_begin(made);
  }
  errno = before;
  return made;
}

void thread_begin(thread *self) {
  self->passing = false;
  self->released_at = 0;
  self->caller = NULL;
  self->call = -1;
  self->since = now_ns();
  self->sums = (sums){0};
  atomic_store(&self->spans_n, 0);
  atomic_store(&self->lost, 0);
  self->session = atomic_load_explicit(&threads_session, memory_order_relaxed);
}

void threads_restart(void) { atomic_fetch_add(&threads_session, 1); }

void thread_keep(thread *self, span span) {
  const unsigned n = atomic_load_explicit(&self->spans_n, memory_order_relaxed);
  const unsigned place = n / BLOCK_SPANS;
  if (place < MOST_BLOCKS && !self->blocks[place]) {
    const int before = errno;
    self->blocks[place] = malloc(BLOCK_SPANS * sizeof span);
    errno = before;
  }
  if (place >= MOST_BLOCKS || !self->blocks[place]) {
    atomic_fetch_add(&self->lost, 1);
    return;
  }
  self->blocks[place][n % BLOCK_SPANS] = span;
  atomic_store_explicit(&self->spans_n, n + 1, memory_order_release);
}
