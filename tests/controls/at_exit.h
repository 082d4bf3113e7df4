/* A driver that counts the calls under way, and cleans up when the process ends: the control
 * defines clean_up(), which looks at `active`. */
#define ENTER(seconds) begin()
#define LEAVE(seconds) end(seconds)
static int begin(void);
static double end(double seconds);
#include "control.h"

static atomic_int active;

static void clean_up(void);

static void register_clean_up(void) { atexit(clean_up); }

static int begin(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, register_clean_up);
  atomic_fetch_add(&active, 1);
  return 0;
}

static double end(double seconds) {
  atomic_fetch_sub(&active, 1);
  return seconds;
}
