/* Threads for the tests: one operation on a thread of its own, and one function on many at once.
 *
 * Nothing here sleeps: operation_start() returns once the operation is on the device's timeline,
 * so on a manual clock the order of starting is the order on the bus. */
#ifndef THREADS_H
#define THREADS_H

#include "check.h"

#include <pthread.h>
#include <stdlib.h>

/* An operation that another thread performs. Set what `run` needs; read the rest after joining. */
typedef struct operation {
  hwsim_device *device;
  hwsim_error (*run)(struct operation *self);
  uint32_t address, mask;
  uint64_t value; /* in: to write or to wait for; out: what was read */
  const hwsim_call *call;
  const hwsim_hooks *hooks;
  hwsim_error result;
  hwsim_error_info info; /* when it failed */
  double volts;
  pthread_t thread;
} operation;

static inline hwsim_error run_read(operation *self) {
  return hwsim_register_read(self->device, self->address, self->call, &self->value);
}

static inline hwsim_error run_write(operation *self) {
  return hwsim_register_write(self->device, self->address, self->value, self->call);
}

static inline hwsim_error run_wait(operation *self) {
  return hwsim_register_wait(self->device, self->address, self->mask, self->value, self->call,
                             &self->value);
}

static inline hwsim_error run_convert(operation *self) {
  return hwsim_signal_read(self->device, self->address, self->call, &self->volts);
}

static inline void *operation_thread(void *argument) {
  operation *self = (operation *)argument;
  hwsim_hooks_set(self->hooks);
  self->result = self->run(self);
  if (self->result)
    self->info = *hwsim_error_last();
  return NULL;
}

/* Starts the thread and returns at once. */
static inline void operation_launch(operation *self) {
  CHECK(pthread_create(&self->thread, NULL, operation_thread, self) == 0);
}

/* Returns when one operation more than before waits on the device. */
static inline void operation_start(operation *self) {
  uint32_t before = pending(self->device);
  operation_launch(self);
  CHECK_OK(hwsim_device_wait_pending(self->device, before + 1, &forever));
}

static inline hwsim_error operation_join(operation *self) {
  CHECK(pthread_join(self->thread, NULL) == 0);
  return self->result;
}

/* function(index, shared) on `count` threads, which start together behind a gate; returns when all
 * have returned. */
typedef struct gate {
  pthread_mutex_t mutex;
  pthread_cond_t opened;
  int missing;
} gate;

typedef struct gated_thread {
  pthread_t thread;
  gate *gate;
  void (*function)(int index, void *shared);
  int index;
  void *shared;
} gated_thread;

static inline void *run_behind_gate(void *argument) {
  gated_thread *self = (gated_thread *)argument;
  pthread_mutex_lock(&self->gate->mutex);
  if (--self->gate->missing == 0)
    pthread_cond_broadcast(&self->gate->opened);
  while (self->gate->missing)
    pthread_cond_wait(&self->gate->opened, &self->gate->mutex);
  pthread_mutex_unlock(&self->gate->mutex);
  self->function(self->index, self->shared);
  return NULL;
}

static inline void in_parallel(int count, void (*function)(int index, void *shared), void *shared) {
  gate common = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, count};
  gated_thread *threads = (gated_thread *)calloc((size_t)count, sizeof *threads);
  for (int i = 0; i < count; i++) {
    threads[i] = (gated_thread){0, &common, function, i, shared};
    CHECK(pthread_create(&threads[i].thread, NULL, run_behind_gate, &threads[i]) == 0);
  }
  for (int i = 0; i < count; i++)
    CHECK(pthread_join(threads[i].thread, NULL) == 0);
  free(threads);
}

#endif
