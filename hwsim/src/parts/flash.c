/* Flash memory, by the name of the device. */
#include "parts/flash.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t flashes_mutex = PTHREAD_MUTEX_INITIALIZER;
static void *flashes; /* by name: a balanced tree (POSIX tsearch) */

void flash_before_fork(void) { pthread_mutex_lock(&flashes_mutex); }
void flash_after_fork(void) { pthread_mutex_unlock(&flashes_mutex); }

static int compare_names(const void *a, const void *b) {
  return strcmp(((const flash *)a)->name, ((const flash *)b)->name);
}

uint32_t hwsim_crc32(const void *data, size_t size) {
  static const uint32_t nibbles[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC,
                                       0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
                                       0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
  uint32_t crc = UINT32_MAX;
  for (const uint8_t *byte = data; size--; byte++) {
    crc = crc >> 4 ^ nibbles[(crc ^ *byte) & 15];
    crc = crc >> 4 ^ nibbles[(crc ^ *byte >> 4) & 15];
  }
  return ~crc;
}

bool flash_is_whole(const bank *self) {
  return self->commit && (!self->data || hwsim_crc32(self->data, self->size) == self->crc);
}

bank *flash_running(flash *self) {
  bank *a = &self->banks[0], *b = &self->banks[1];
  return flash_is_whole(b) && (!flash_is_whole(a) || b->commit > a->commit) ? b : a;
}

flash *flash_find(const char *name) {
  flash key = {0};
  strcpy(key.name, name);
  pthread_mutex_lock(&flashes_mutex);
  flash **found = tfind(&key, &flashes, compare_names);
  pthread_mutex_unlock(&flashes_mutex);
  return found ? *found : NULL;
}

flash *flash_make(const char *name) {
  flash *made = calloc(1, sizeof *made);
  if (!made)
    return NULL;
  strcpy(made->name, name);
  made->banks[0].version = FACTORY_VERSION;
  made->banks[0].commit = 1;
  pthread_mutex_lock(&flashes_mutex);
  flash **found = tsearch(made, &flashes, compare_names);
  pthread_mutex_unlock(&flashes_mutex);
  if (!found) {
    free(made);
    return NULL;
  }
  return *found;
}
