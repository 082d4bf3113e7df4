/* Hangs in the child of a fork that happens during a call: the call holds the driver's lock, and
 * in the child nobody is left who would unlock it. Idle, it can be forked. It obeys Ctrl-C. */
#define ENTER(seconds) lock()
#define LEAVE(seconds) unlock(seconds)
static int lock(void);
static double unlock(double seconds);
#include "control.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int lock(void) {
  while (pthread_mutex_trylock(&mutex)) {
    if (pause_and_look())
      return -1;
  }
  return 0;
}

static double unlock(double seconds) {
  pthread_mutex_unlock(&mutex);
  return seconds;
}
