/* Leaks memory: the buffer of each call that succeeds is never freed. */
#define FREES_SCRATCH(failed) (failed)
#include "control.h"
