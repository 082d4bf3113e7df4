/* Holds the GIL for the whole call: every other thread of the program stands still. It does obey
 * Ctrl-C, as a poll loop around an SDK's call does that forgot Py_BEGIN_ALLOW_THREADS.
 * On a free-threaded build the call stays attached: whoever collects garbage waits for it. */
#define KEEPS_GIL(waited, total) 1
#include "control.h"
