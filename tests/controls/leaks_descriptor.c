/* Leaks a file descriptor: the port that each call opens is not closed. */
#define CLOSES_PORT 0
#include "control.h"
