/* Flash memory: two banks, which outlive the device handle. They belong to the name, as they belong
 * to a real instrument, for the life of the process. */
#ifndef HWSIM_PARTS_FLASH_H
#define HWSIM_PARTS_FLASH_H

#include "hwsim/hwsim.h"

#define FACTORY_VERSION 0x00010000

typedef struct bank {
  uint32_t version, size, crc;
  /* Number of the commit, from 1; 0: none. The newest bank has the highest. Atomic, because a
   * fork() copies it whatever is going on. */
  _Atomic uint64_t commit;
  uint8_t *data; /* `size` bytes; NULL: the factory's firmware, which has none */
} bank;

/* Only the device that is open under this name uses it, under its mutex. */
typedef struct flash {
  char name[64];
  bank banks[2];
} flash;

/* The flash of this name; NULL: it has never been programmed. */
flash *flash_find(const char *name);
/* The flash of this name, made if need be; NULL: no memory. */
flash *flash_make(const char *name);
/* The newest bank that is committed and whole: the device boots it. */
bank *flash_running(flash *self);
bool flash_is_whole(const bank *self);
void flash_before_fork(void);
void flash_after_fork(void);

#endif
