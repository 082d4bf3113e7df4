/* Hangs when the interpreter ends during a call: the SDK's clean-up at exit waits for the calls
 * that are under way, but their threads ask for the GIL and never come back. */
#include "at_exit.h"

static void clean_up(void) {
  while (atomic_load(&active))
    nap_until(now() + SLICE);
}
