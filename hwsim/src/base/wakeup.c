/* A descriptor that becomes readable at a given time: on Linux an epoll over a timerfd and an
 * eventfd, for to set a timer to the past takes longer than all else that a burst of news costs; a
 * kqueue elsewhere. */
#include "base/wakeup.h"

#include "base/time.h"

#include <unistd.h>

#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static bool watch(wakeup *self, int fd) {
  struct epoll_event readable = {.events = EPOLLIN};
  return fd >= 0 && !epoll_ctl(self->fd, EPOLL_CTL_ADD, fd, &readable);
}

bool wakeup_open(wakeup *self) {
  self->at_ns = FOREVER;
  self->now = false;
  self->fd = epoll_create1(EPOLL_CLOEXEC);
  self->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  self->now_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (self->fd >= 0 && watch(self, self->timer_fd) && watch(self, self->now_fd))
    return true;
  wakeup_close(self);
  return false;
}

void wakeup_close(wakeup *self) {
  const int descriptors[] = {self->fd, self->timer_fd, self->now_fd};
  for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
    if (descriptors[i] >= 0)
      close(descriptors[i]);
}

void wakeup_set(wakeup *self, int64_t at_ns) {
  bool now = at_ns <= monotonic_ns();
  if (now != self->now) {
    self->now = now;
    eventfd_t count;
    (void)(now ? eventfd_write(self->now_fd, 1) : eventfd_read(self->now_fd, &count));
  }
  if (now || at_ns == self->at_ns)
    return; /* the timer may be what it was */
  self->at_ns = at_ns;
  struct itimerspec when = {.it_value = {0}}; /* never */
  if (at_ns != FOREVER)
    when.it_value = (struct timespec){.tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S};
  timerfd_settime(self->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
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

void wakeup_close(wakeup *self) { close(self->fd); }
#endif
