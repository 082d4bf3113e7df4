/* Right in everything: what each oracle must pass. */
#include "control.h"
