/* A descriptor that becomes readable at a given time: what a loop of events waits on. Nothing is
 * read from it, and no thread is needed for it. */
#ifndef HWSIM_BASE_WAKEUP_H
#define HWSIM_BASE_WAKEUP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct wakeup {
  int fd;
  int64_t at_ns;
#ifdef __linux__
  int timer_fd, now_fd;
  bool now;
#endif
} wakeup;

/* Readable at no time. False: the process has no descriptor left. */
bool wakeup_open(wakeup *self);
void wakeup_close(wakeup *self);
/* Readable from this time of monotonic_ns() on, until it is set again; FOREVER: not at all. */
void wakeup_set(wakeup *self, int64_t at_ns);

#endif
