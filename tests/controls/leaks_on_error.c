/* Leaks memory on the error path only: an early return passes the free(). */
#define FREES_SCRATCH(failed) (!(failed))
#include "control.h"
