/* Gives one process the other's data: each answer comes through a pipe to the device, which parent
 * and child share after fork. Whoever reads first gets the answer that is first in it. */
#define ENTER(seconds) request(seconds)
#define LEAVE(seconds) response(seconds)
static int request(double seconds);
static double response(double seconds);
#include "control.h"

static int device[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void unlock_in_child(void) { pthread_mutex_init(&mutex, NULL); } /* this one is right */

static void open_device(void) {
  if (pipe(device) || fcntl(device[0], F_SETFL, O_NONBLOCK) ||
      pthread_atfork(NULL, NULL, unlock_in_child))
    abort();
}

static int request(double seconds) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_device);
  while (pthread_mutex_trylock(&mutex)) { /* in one process, a call at a time */
    if (pause_and_look())
      return -1;
  }
  if (write(device[1], &seconds, sizeof seconds) == sizeof seconds)
    return 0;
  pthread_mutex_unlock(&mutex);
  PyErr_SetFromErrno(PyExc_OSError);
  return -1;
}

static double response(double seconds) {
  if (read(device[0], &seconds, sizeof seconds) != sizeof seconds)
    seconds = 0; /* the other process was faster */
  pthread_mutex_unlock(&mutex);
  return seconds;
}
