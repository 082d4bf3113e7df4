/* Leaks a thread: each call starts one that never ends. */
#define ENTER(seconds) start_thread()
static int start_thread(void);
#include "control.h"

static void *idle(void *unused) {
  (void)unused;
  for (;;)
    pause();
  return NULL;
}

static int start_thread(void) {
  pthread_attr_t small;
  pthread_t thread;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 65536);
  pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  errno = pthread_create(&thread, &small, idle, NULL);
  pthread_attr_destroy(&small);
  if (!errno)
    return 0;
  PyErr_SetFromErrno(PyExc_OSError);
  return -1;
}
