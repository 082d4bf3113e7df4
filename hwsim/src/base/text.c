/* Text for messages. */
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Levenshtein's distance, ignoring case; long strings are far from everything. */
static size_t edit_distance(const char *a, const char *b) {
  enum { LONGEST = 32 };
  size_t length_a = strlen(a), length_b = strlen(b), row[LONGEST + 1];
  if (length_a > LONGEST || length_b > LONGEST)
    return LONGEST;
  for (size_t j = 0; j <= length_b; j++)
    row[j] = j;
  for (size_t i = 1; i <= length_a; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= length_b; j++) {
      size_t replace = diagonal + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
      diagonal = row[j];
      size_t shift = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
      row[j] = replace < shift ? replace : shift;
    }
  }
  return row[length_b];
}

/* How many mistakes two words may differ by: one in three letters, at least one. */
static size_t mistakes(const char *a, const char *b) {
  size_t length_a = strlen(a), length_b = strlen(b);
  return ((length_a > length_b ? length_a : length_b) + 1) / 3;
}

/* Whether `text` is the beginning of `whole`, of three letters at least. */
static bool abbreviates(const char *text, const char *whole) {
  size_t length = strlen(text);
  return length >= 3 && strncasecmp(text, whole, length) == 0;
}

const char *nearest(const char *text, const void *strings, size_t count, size_t stride) {
  const char *best = NULL;
  size_t best_distance = SIZE_MAX;
  for (size_t i = 0; i < count; i++) {
    const char *candidate = *(const char *const *)((const char *)strings + i * stride);
    size_t distance = edit_distance(text, candidate);
    bool near = distance <= mistakes(text, candidate) || abbreviates(text, candidate);
    if (near && distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

const char *number_text(double number, char text_out[32]) {
  char text[32]; /* the compiler cannot know that text_out is not NULL */
  int digits = 6;
  do
    snprintf(text, sizeof text, "%.*g", digits, number);
  while ((strtod(text, NULL) < number || strtod(text, NULL) > number) && digits++ < 17);
  return memcpy(text_out, text, sizeof text);
}
