/* Aborts when the interpreter ends during a call: the SDK's clean-up at exit asserts that nobody
 * uses it, as the destructor of a joinable std::thread does by std::terminate. */
#include "at_exit.h"

static void clean_up(void) {
  if (atomic_load(&active))
    abort();
}
