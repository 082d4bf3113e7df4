/* Which name somebody may have meant. */
#include "base/text.h"

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

const char *nearest(const char *text, const void *strings, size_t count, size_t stride) {
  const char *best = NULL;
  size_t best_distance = strlen(text) / 2 + 2;
  for (size_t i = 0; i < count; i++) {
    const char *candidate = *(const char *const *)((const char *)strings + i * stride);
    size_t distance = edit_distance(text, candidate);
    if (distance < best_distance && distance < strlen(candidate)) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}
