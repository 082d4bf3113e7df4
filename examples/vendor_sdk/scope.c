#include "scope.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct scope {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  double range;
  uint64_t cancels; /* how often */
  pthread_t thread;
  bool subscribed, ending;
  scope_handler handler;
  void *user;
};

const char *scope_message(scope_status status) {
  switch (status) {
  case SCOPE_OK: return "no error";
  case SCOPE_TIMEOUT: return "the signal has not crossed 0 in time";
  case SCOPE_CANCELLED: return "cancelled";
  case SCOPE_OUT_OF_RANGE: return "a value is out of range";
  case SCOPE_NOT_FOUND: return "there is no such scope";
  case SCOPE_NO_MEMORY: return "no memory";
  }
  return "unknown status";
}

scope_status scope_open(const char *name, scope **scope_out) {
  if (strlen(name) != 6 || strncmp(name, "scope", 5) != 0 || name[5] < '0' || name[5] > '9')
    return SCOPE_NOT_FOUND;
  scope *made = calloc(1, sizeof *made);
  if (!made)
    return SCOPE_NO_MEMORY;
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&made->mutex, NULL);
  pthread_cond_init(&made->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  made->range = 1;
  *scope_out = made;
  return SCOPE_OK;
}

scope_status scope_set_range(scope *scope, double volts) {
  if (!(volts >= 0.001 && volts <= 10))
    return SCOPE_OUT_OF_RANGE;
  pthread_mutex_lock(&scope->mutex);
  scope->range = volts;
  pthread_mutex_unlock(&scope->mutex);
  return SCOPE_OK;
}

scope_status scope_range(const scope *scope, double *volts_out) {
  pthread_mutex_t *mutex = (pthread_mutex_t *)&scope->mutex;
  pthread_mutex_lock(mutex);
  *volts_out = scope->range;
  pthread_mutex_unlock(mutex);
  return SCOPE_OK;
}

/* Waits that long: false if it has been cancelled, or `scope` is ending. */
static bool wait_ms(scope *scope, uint64_t ms) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  uint64_t ns = (uint64_t)until.tv_nsec + ms * 1000000;
  until.tv_sec += (time_t)(ns / 1000000000);
  until.tv_nsec = (long)(ns % 1000000000);
  pthread_mutex_lock(&scope->mutex);
  uint64_t before = scope->cancels;
  int failed = 0;
  while (scope->cancels == before && !scope->ending && failed != ETIMEDOUT)
    failed = pthread_cond_timedwait(&scope->changed, &scope->mutex, &until);
  bool good = scope->cancels == before && !scope->ending;
  pthread_mutex_unlock(&scope->mutex);
  return good;
}

scope_status scope_wait(scope *scope, scope_edge edge, uint32_t crossings, int timeout_ms) {
  if ((edge != SCOPE_RISING && edge != SCOPE_FALLING) || timeout_ms < 0)
    return SCOPE_OUT_OF_RANGE;
  uint64_t needed = 2 * (uint64_t)crossings, limit = (uint64_t)timeout_ms;
  if (!wait_ms(scope, needed < limit ? needed : limit))
    return SCOPE_CANCELLED;
  return needed <= limit ? SCOPE_OK : SCOPE_TIMEOUT;
}

/* A triangle of 200 samples. */
static double triangle(size_t i) {
  return (double)(i % 200 < 100 ? i % 200 : 200 - i % 200) / 50 - 1;
}

scope_status scope_read(scope *scope, float *volts, int count) {
  double range = 0;
  if (count < 0)
    return SCOPE_OUT_OF_RANGE;
  if (!wait_ms(scope, (uint64_t)count))
    return SCOPE_CANCELLED;
  scope_range(scope, &range);
  for (int i = 0; i < count; i++)
    volts[i] = (float)(range * triangle((size_t)i));
  return SCOPE_OK;
}

void scope_cancel(scope *scope) {
  pthread_mutex_lock(&scope->mutex);
  scope->cancels++;
  pthread_cond_broadcast(&scope->changed);
  pthread_mutex_unlock(&scope->mutex);
}

scope_status scope_self_test(scope *scope, scope_progress report, void *user) {
  for (int step = 1; step <= 100; step++)
    if (!wait_ms(scope, 1) || (report && report(step / 100.0, user)))
      return SCOPE_CANCELLED;
  return SCOPE_OK;
}

static void *deliver(void *argument) {
  scope *scope = argument;
  int16_t samples[100];
  for (size_t i = 0; i < 100; i++)
    samples[i] = (int16_t)(32767 * triangle(i));
  for (;;) {
    wait_ms(scope, 10);
    pthread_mutex_lock(&scope->mutex);
    bool ending = scope->ending;
    scope_handler handler = scope->handler;
    void *user = scope->user;
    pthread_mutex_unlock(&scope->mutex);
    if (ending)
      return NULL;
    if (handler)
      handler(samples, 100, user);
  }
}

scope_status scope_subscribe(scope *scope, scope_handler handler, void *user) {
  scope_status status = SCOPE_OK;
  pthread_mutex_lock(&scope->mutex);
  if (handler && !scope->subscribed) {
    scope->subscribed = pthread_create(&scope->thread, NULL, deliver, scope) == 0;
    status = scope->subscribed ? SCOPE_OK : SCOPE_NO_MEMORY;
  }
  scope->handler = handler;
  scope->user = user;
  pthread_mutex_unlock(&scope->mutex);
  return status;
}

void scope_close(scope *scope) {
  pthread_mutex_lock(&scope->mutex);
  scope->ending = true;
  pthread_cond_broadcast(&scope->changed);
  pthread_mutex_unlock(&scope->mutex);
  if (scope->subscribed)
    pthread_join(scope->thread, NULL);
  pthread_cond_destroy(&scope->changed);
  pthread_mutex_destroy(&scope->mutex);
  free(scope);
}
