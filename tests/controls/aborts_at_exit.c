/* Aborts when the interpreter ends during a call: the SDK's clean-up at exit asserts that nobody
 * uses it, as the destructor of a joinable std::thread does by std::terminate. */
#define ENTER(seconds) begin()
#define LEAVE(seconds) end(seconds)
static int begin(void);
static double end(double seconds);
#include "control.h"

static atomic_int active;

static void clean_up(void) {
  if (atomic_load(&active))
    abort();
}

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
