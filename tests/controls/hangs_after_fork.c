/* Hangs after fork: a thread of the driver answers each request. fork copies the driver's state but
 * not its thread, so that the child waits for ever for an answer. It does obey Ctrl-C. */
#define ENTER(seconds) ask()
static int ask(void);
#include "control.h"

static atomic_int requests, answers;

static void *answer(void *unused) {
  (void)unused;
  for (;;) {
    nap_until(now() + SLICE / 10);
    atomic_store(&answers, atomic_load(&requests));
  }
  return NULL;
}

static void start_thread(void) {
  pthread_t thread;
  if (!pthread_create(&thread, NULL, answer, NULL))
    pthread_detach(thread);
}

static int ask(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start_thread);
  const int mine = atomic_fetch_add(&requests, 1) + 1;
  while (atomic_load(&answers) - mine < 0) {
    if (pause_and_look())
      return -1;
  }
  return 0;
}
