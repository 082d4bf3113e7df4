/* Deaf to Ctrl-C, and then fails: the SDK's wait ends with its own time-out error, and the signal
 * is looked at when that has been raised. */
#define LOOKS_FOR_SIGNALS 0
#define ENTER(seconds) time_out(seconds)
static int time_out(double seconds);
#include "control.h"

static int time_out(double seconds) {
  if (seconds < 0.1)
    return 0; /* short calls work */
  wait_for(seconds);
  PyErr_SetString(PyExc_TimeoutError, "the device did not answer");
  return -1;
}
