/* Releases the GIL for the first half of the call and holds it for the second: the transfer is
 * wrapped, the conversion that follows is not. */
#define KEEPS_GIL(waited, total) ((waited) >= (total) / 2)
#include "control.h"
