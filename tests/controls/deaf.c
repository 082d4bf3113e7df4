/* Deaf to Ctrl-C: releases the GIL, but the SDK's wait goes on when a signal comes and nobody calls
 * PyErr_CheckSignals. KeyboardInterrupt comes when the call has ended by itself. */
#define LOOKS_FOR_SIGNALS 0
#include "control.h"
