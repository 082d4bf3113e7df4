/* Hangs when it is closed in its callback: close() waits until no callback is being called, and the
 * callback waits for close(). */
#define CLOSE_WAITS 1
#include "control.h"
