/* Crashes when it is closed or destroyed in its callback: close() frees the state, and the run that
 * called the callback goes on with it. */
#define CLOSE_FREES 1
#include "control.h"
