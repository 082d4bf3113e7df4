/* The bus: a timeline of pending operations, settled in order.
 *
 * An operation takes the next free slot, `latency +- jitter + bytes / bandwidth` long, and takes
 * effect at its end. One that is cancelled, times out or is closed before that leaves the timeline
 * without effect; the rest of its slot goes back to the bus, and those behind it move up. */
#include "internal.h"

#include <math.h>

static void list_append(op_list *list, op *self) {
  self->list = list;
  self->next = NULL;
  self->previous = list->last;
  *(list->last ? &list->last->next : &list->first) = self;
  list->last = self;
}

static void list_remove(op *self) {
  *(self->previous ? &self->previous->next : &self->list->first) = self->next;
  *(self->next ? &self->next->previous : &self->list->last) = self->previous;
  self->list = NULL;
}

static void finish(hwsim_device *device, op *self, hwsim_error result) {
  list_remove(self);
  if (!self->observer)
    device->pending--;
  self->result = result;
  clock_wake(self);
}

/* Asks the armed operations whether what they wait for has come, in the order of their arming. */
void bus_ask_armed(hwsim_device *device, int64_t at_ns) {
  for (op *self = device->armed.first; self;) {
    int64_t wake_ns = self->wake_ns;
    hwsim_error result = self->apply(device, self, at_ns);
    if (result == OP_ARMED) {
      if (self->wake_ns != wake_ns)
        clock_wake(self); /* it has to wait for another time */
      self = self->next;
    } else {
      finish(device, self, result);
      self = device->armed.first; /* it may have changed what others wait for */
    }
  }
}

static void arm(hwsim_device *device, op *self) {
  if (self->list)
    list_remove(self);
  list_append(&device->armed, self);
  clock_wake(self); /* its next event has changed */
}

static hwsim_error fault_result(int fault) {
  switch (fault) {
#define HWSIM_X(name, value, text, error)                                                          \
  case value: return HWSIM_##error;
    HWSIM_FAULTS(HWSIM_X)
#undef HWSIM_X
  default: return HWSIM_OK;
  }
}

/* Those from `self` on get the slots from `free_ns` on. */
static void move_up(op *self, int64_t free_ns) {
  for (; self; self = self->next) {
    self->start_ns = free_ns;
    self->done_ns = free_ns = add_saturated(free_ns, self->cost_ns);
    clock_wake(self);
  }
}

/* The operation's slot has ended. */
static void complete(hwsim_device *device, op *self, int64_t at_ns) {
  hwsim_error result = fault_result(self->fault);
  device->current = self;
  faults_record(device, self, at_ns);
  if (self->fault == HWSIM_FAULT_POWER && self->tear)
    self->tear(device, self);
  if (result == HWSIM_EDISCONNECTED)
    faults_disconnect(device, at_ns);
  else if (!result)
    result = self->apply(device, self, at_ns);
  device->current = NULL;
  if (result == OP_ARMED)
    arm(device, self);
  else if (self->list)
    finish(device, self, result);
  bus_ask_armed(device, at_ns);
}

/* No room for the events of the first operation on the bus: it goes on when bus_resume() says so.
 */
static void stall(op *self) {
  self->stalled = true;
  self->done_ns = FOREVER;
  move_up(self->next, FOREVER);
}

void bus_resume(hwsim_device *device, int64_t now_ns) {
  op *first = device->queue.first;
  if (!first || !first->stalled)
    return;
  first->stalled = false;
  first->done_ns = now_ns;
  clock_wake(first);
  move_up(first->next, now_ns);
}

void bus_abort(hwsim_device *device, op *self, hwsim_error result, int64_t now_ns) {
  op *behind = self->list == &device->queue ? self->next : NULL;
  int64_t free_ns = self->start_ns > now_ns ? self->start_ns : now_ns;
  finish(device, self, result);
  move_up(behind, free_ns);
  bus_ask_armed(device, now_ns); /* one may have waited for its turn behind this one */
}

void bus_abort_all(hwsim_device *device, hwsim_error result) {
  while (device->queue.first)
    finish(device, device->queue.first, result);
  while (device->armed.first)
    finish(device, device->armed.first, result);
}

void bus_disconnect(hwsim_device *device, int64_t at_ns) {
  for (op *self = device->armed.first, *next; self; self = next) {
    next = self->next;
    if (!self->observer)
      finish(device, self, HWSIM_EDISCONNECTED);
  }
  while (device->queue.first && !device->queue.first->reconnects)
    finish(device, device->queue.first, HWSIM_EDISCONNECTED);
  if (!device->queue.first)
    return;
  faults_reconnect(device, at_ns); /* right before the operation that it was injected for */
  move_up(device->queue.first, at_ns);
}

/* What happens next on the device, and when; NULL: nothing before someone acts. */
static op *next_event(const hwsim_device *device, int64_t *at_ns_out) {
  op *next = device->queue.first;
  int64_t at_ns = next ? next->done_ns : FOREVER;
  for (op *self = device->armed.first; self; self = self->next)
    if (self->wake_ns < at_ns) {
      next = self;
      at_ns = self->wake_ns;
    }
  const op_list *lists[] = {&device->queue, &device->armed};
  for (size_t i = 0; i < ARRAY_LENGTH(lists); i++)
    for (op *self = lists[i]->first; self; self = self->next)
      if (self->deadline_ns < at_ns) { /* at the same time, what is done wins */
        next = self;
        at_ns = self->deadline_ns;
      }
  *at_ns_out = at_ns;
  return at_ns == FOREVER ? NULL : next;
}

static void expire(hwsim_device *device, op *self, int64_t at_ns) {
  if (self->list == &device->queue && self->fault == HWSIM_FAULT_TIMEOUT)
    faults_record(device, self, at_ns);
  bus_abort(device, self, HWSIM_ETIMEOUT, at_ns);
}

void bus_settle(hwsim_device *device, int64_t now_ns) {
  for (;;) {
    int64_t at_ns;
    op *self = next_event(device, &at_ns);
    bool due = self && at_ns <= now_ns;
    if (device->subscriptions && events_produce(device, due ? at_ns : now_ns))
      continue; /* somebody may have waited for that */
    if (!due)
      return;
    if (self->list == &device->armed && self->wake_ns <= at_ns)
      bus_ask_armed(device, at_ns);
    else if (self->list == &device->queue && self->done_ns <= at_ns)
      if (events_hold(device, self->causes))
        stall(self);
      else
        complete(device, self, at_ns);
    else
      expire(device, self, at_ns);
  }
}

/* Time on the bus, with the jitter of this operation. */
static int64_t cost(const hwsim_device *device, const op *self) {
  const hwsim_config *config = &device->config;
  int64_t cost_ns = config->latency_ns;
  if (config->jitter_ns) {
    double unit = random_unit(random_bits(config->seed, RANDOM_JITTER, self->number));
    cost_ns += (int64_t)((double)config->jitter_ns * (2 * unit - 1));
  }
  if (!isinf(config->bandwidth_bps))
    cost_ns = add_saturated(cost_ns, (int64_t)ceil(self->bytes * 1e9 / config->bandwidth_bps));
  return cost_ns;
}

static void set_deadline(op *self, int64_t now_ns) {
  self->deadline_ns = add_saturated(now_ns, self->timeout_ns);
}

/* While the firmware is programmed exclusively. */
static bool is_refused(const hwsim_device *device, const op *self) {
  return device->exclusive && !self->maintenance && !self->observer;
}

/* Puts the operation on the timeline. An error: it never got there. */
static hwsim_error append(hwsim_device *device, op *self) {
  if (is_refused(device, self))
    return HWSIM_EBUSY;
  self->number = ++device->transactions;
  bool idle = !device->queue.first && !device->armed.first;
  if (idle && device->instant && !device->faults && !device->subscriptions && !self->timed) {
    /* Done at once, whatever the time is: reading the clock would cost more than all the rest. */
    return device->disconnected ? HWSIM_EDISCONNECTED : self->apply(device, self, 0);
  }

  int64_t now_ns = clock_now(device);
  bus_settle(device, now_ns);
  faults_decide(device, self, now_ns);
  if (device->disconnected) {
    faults_record(device, self, now_ns);
    return HWSIM_EDISCONNECTED;
  }
  self->cost_ns = add_saturated(self->cost_ns, cost(device, self));
  if (self->fault == HWSIM_FAULT_TIMEOUT)
    self->cost_ns = FOREVER;
  self->start_ns = device->queue.last ? device->queue.last->done_ns : now_ns;
  self->done_ns = add_saturated(self->start_ns, self->cost_ns);
  set_deadline(self, now_ns);
  list_append(&device->queue, self);
  device->pending++;
  bus_ask_armed(device, now_ns); /* one may wait for pending operations */
  bus_settle(device, now_ns);
  return HWSIM_OK;
}

static hwsim_error describe(const hwsim_device *device, const op *self, hwsim_error code) {
  const char *name = device->config.name;
  if (code == HWSIM_EBUSY && !self->fault)
    return error_set(code, name, self->name, "the device is being programmed");
  if (self->fault && code == fault_result(self->fault))
    return error_set_fault(code, self->fault, name, self->name);
  if (code == HWSIM_EFIRMWARE)
    return error_set(code, name, self->name,
                     "the image in the device is damaged; the old firmware keeps running");
  if (code == HWSIM_ETIMEOUT)
    return error_set(code, name, self->name, "no answer within the timeout of %g s",
                     (double)self->timeout_ns / 1e9);
  if (code == HWSIM_ESTATE)
    return error_set(code, name, self->name, "the converters are disabled; set bit 0 of CONTROL");
  return error_set(code, name, self->name, "%s", hwsim_error_message(code));
}

/* Starts the operation with `start` and sees it through, with the caller's options. */
static hwsim_error run(hwsim_device *device, op *self, const hwsim_call *call,
                       hwsim_error (*start)(hwsim_device *, op *)) {
  hwsim_cancel *cancel = call ? call->cancel : NULL;
  int64_t timeout_ns = call ? call->timeout_ns : HWSIM_TIMEOUT_DEFAULT;
  if (timeout_ns < HWSIM_TIMEOUT_DEFAULT)
    return error_set(HWSIM_EINVALID, device->config.name, self->name,
                     "timeout must not be negative, got %g s", (double)timeout_ns / 1e9);

  cancel_link link = {.device = device, .op = self};
  bool waits = false;
  hwsim_error error;
  if (cancel && (error = cancel_attach(cancel, &link)))
    return error == HWSIM_EFORKED
               ? error_set(error, device->config.name, self->name,
                           "the cancel token was made before fork(), in the parent process; make a "
                           "new one in this process")
               : describe(device, self, error);
  error = device_lock(device, self->name);
  if (error)
    goto detach;
  self->timeout_ns = timeout_ns == HWSIM_TIMEOUT_DEFAULT ? device->timeout_ns : timeout_ns;
  if (cancel && hwsim_cancel_is_set(cancel)) /* since it was attached */
    error = HWSIM_ECANCELLED;
  else
    error = start(device, self);
  waits = !error && self->list;
  if (waits) {
    hwsim_device_retain(device); /* its owner may free it meanwhile */
    error = clock_wait(device, self);
  }
  if (error != HWSIM_EFORKED) /* otherwise this is a forked child, and the device is the parent's */
    device_unlock(device);
  if (!error)
    error = self->result;
  if (error)
    describe(device, self, error);
detach:
  if (cancel)
    cancel_detach(cancel, &link);
  if (waits)
    hwsim_device_free(device);
  clock_end_work(
      self->entered); /* last, because a hook may end the thread: CPython does when it shuts down */
  return error;
}

hwsim_error bus_run(hwsim_device *device, op *self, const hwsim_call *call) {
  return run(device, self, call, append);
}

/* What a fault does to an operation that has no slot on the bus. */
static hwsim_error suffer(hwsim_device *device, const op *self, int64_t at_ns) {
  if (device->disconnected)
    return HWSIM_EDISCONNECTED;
  if (self->fault == HWSIM_FAULT_DISCONNECT || self->fault == HWSIM_FAULT_POWER)
    faults_disconnect(device, at_ns);
  return self->fault == HWSIM_FAULT_TIMEOUT ? HWSIM_OK : fault_result(self->fault);
}

static hwsim_error append_armed(hwsim_device *device, op *self) {
  if (is_refused(device, self))
    return HWSIM_EBUSY;
  int64_t now_ns = clock_now(device);
  bus_settle(device, now_ns);
  if (!self->observer) {
    self->number = ++device->transactions;
    faults_decide(device, self, now_ns);
    faults_record(device, self, now_ns);
    hwsim_error error = suffer(device, self, now_ns);
    bus_ask_armed(device, now_ns); /* one may wait for the fault */
    if (error)
      return error;
    device->pending++;
  }
  self->start_ns = now_ns;
  self->wake_ns = FOREVER;
  set_deadline(self, now_ns);
  list_append(&device->armed, self);
  bus_ask_armed(device, now_ns);
  bus_settle(device, now_ns);
  return HWSIM_OK;
}

hwsim_error bus_run_armed(hwsim_device *device, op *self, const hwsim_call *call) {
  return run(device, self, call, append_armed);
}
