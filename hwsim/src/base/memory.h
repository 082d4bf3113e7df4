/* Memory for what is made and freed often. */
#ifndef HWSIM_BASE_MEMORY_H
#define HWSIM_BASE_MEMORY_H

#include <stdlib.h>
#include <string.h>

/* As calloc(1, size), which in glibc before 2.41 passes by the thread's cache of free blocks. */
static inline void *zeroed(size_t size) {
  void *memory = malloc(size);
  __asm__("" : "+r"(memory)); /* or the compiler makes the two one calloc() */
  return memory ? memset(memory, 0, size) : NULL;
}

#endif
