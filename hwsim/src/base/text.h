/* Which name somebody may have meant. */
#ifndef HWSIM_BASE_TEXT_H
#define HWSIM_BASE_TEXT_H

#include <stddef.h>

/* Of `count` strings, `stride` bytes apart, the one nearest to `text`; NULL if none is near. */
const char *nearest(const char *text, const void *strings, size_t count, size_t stride);

#endif
