/* A descriptor that becomes readable at a given time: a timerfd on Linux, a kqueue elsewhere. */
#include "base/wakeup.h"

#include "base/time.h"

#include <unistd.h>

#ifdef __linux__
#include <sys/timerfd.h>

bool wakeup_open(wakeup *self) {
  self->at_ns = FOREVER;
  self->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  return self->fd >= 0;
}

void wakeup_set(wakeup *self, int64_t at_ns) {
  if (at_ns == self->at_ns)
    return;
  self->at_ns = at_ns;
  struct itimerspec when = {.it_value = {0}}; /* never */
  if (at_ns != FOREVER) {
    at_ns = at_ns > 0 ? at_ns : 1; /* 0 is never */
    when.it_value = (struct timespec){.tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S};
  }
  timerfd_settime(self->fd, TFD_TIMER_ABSTIME, &when, NULL);
}
#else
#include <fcntl.h>
#include <sys/event.h>

bool wakeup_open(wakeup *self) {
  self->at_ns = FOREVER;
  self->fd = kqueue();
  if (self->fd >= 0)
    fcntl(self->fd, F_SETFD, FD_CLOEXEC);
  return self->fd >= 0;
}

void wakeup_set(wakeup *self, int64_t at_ns) {
  if (at_ns == self->at_ns)
    return;
  struct kevent change;
  if (self->at_ns != FOREVER) { /* also what has come already */
    EV_SET(&change, 1, EVFILT_TIMER, EV_DELETE, 0, 0, 0);
    (void)kevent(self->fd, &change, 1, NULL, 0, NULL);
  }
  self->at_ns = at_ns;
  if (at_ns == FOREVER)
    return;
  int64_t rest_ns = at_ns - monotonic_ns();
  EV_SET(&change, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_NSECONDS, rest_ns > 0 ? rest_ns : 0,
         0);
  (void)kevent(self->fd, &change, 1, NULL, 0, NULL);
}
#endif

void wakeup_close(wakeup *self) { close(self->fd); }
