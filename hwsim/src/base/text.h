/* Text for messages: numbers as they are, and which name somebody may have meant. */
#ifndef HWSIM_BASE_TEXT_H
#define HWSIM_BASE_TEXT_H

#include <stddef.h>

/* Of `count` strings, `stride` bytes apart, the one nearest to `text`; NULL if none is near. */
const char *nearest(const char *text, const void *strings, size_t count, size_t stride);

/* A number with as few digits as tell it from its neighbours, for a message. */
const char *number_text(double number, char text_out[32]);
#define NUMBER(number) number_text(number, (char[32]){0})

#endif
