/* Behaviours: code that is called in the middle of an operation, and what becomes of that. */
#include "check.h"
#include "threads.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum {
  DATA = 0x00,
  SUM = 0x04,
  CTRL = 0x08,
  COUNT = 0x0C,
  PLAIN = 0x10,
  WIDE = 0x18,
  FAULTS = 0x20
};
enum { DATA_WRITES, SUM_READS, CTRL_ACCESSES, WIDE_WRITES };

static const hwsim_field ctrl_fields[] = {
    {.name = "GO", .lsb = 0, .width = 1, .readable = true, .writable = true, .pulse = true},
    {.name = "MODE", .lsb = 4, .width = 4, .readable = true, .writable = true},
};
static const hwsim_register registers[] = {
    {.name = "DATA", .address = DATA, .writable = UINT32_MAX},
    {.name = "SUM", .address = SUM, .access = HWSIM_ACCESS_RO},
    {.name = "CTRL", .address = CTRL, .fields = ctrl_fields, .field_count = 2},
    {.name = "COUNT", .address = COUNT, .access = HWSIM_ACCESS_RO},
    {.name = "PLAIN", .address = PLAIN, .writable = UINT32_MAX},
    {.name = "WIDE", .address = WIDE, .bits = 64, .writable = UINT64_MAX},
    {.name = "FAULTS",
     .address = FAULTS,
     .access = HWSIM_ACCESS_RO,
     .role = HWSIM_ROLE_FAULT_COUNT},
};
static const hwsim_claim claims[] = {{.on = "DATA", .writes = true},
                                     {.on = "SUM", .reads = true},
                                     {.on = "CTRL", .reads = true, .writes = true},
                                     {.on = "WIDE", .writes = true}};
static const hwsim_model model = {.name = "adder",
                                  .registers = registers,
                                  .register_count = LENGTH(registers),
                                  .channels = 1,
                                  .claims = claims,
                                  .claim_count = LENGTH(claims)};

/* What the code does with the next write of DATA, and what it saw. */
typedef struct adder {
  hwsim_device *device;
  hwsim_error fails;
  int64_t spends_ns;
  void (*meanwhile)(struct adder *self, hwsim_transaction *transaction);
  hwsim_device *other, *like_it; /* without a behaviour, and of the same model */
  hwsim_transaction *transaction;
  void *reason;
  atomic_int inside, calls, released;
  uint64_t seen, resets;
  int64_t at_ns;
  atomic_bool entered, leave;
} adder;

static uint64_t get(hwsim_transaction *transaction, uint32_t address) {
  uint64_t value;
  CHECK_OK(hwsim_transaction_get(transaction, address, &value));
  return value;
}

static void set(hwsim_transaction *transaction, uint32_t address, uint64_t value) {
  CHECK_OK(hwsim_transaction_set(transaction, address, UINT32_MAX, value));
}

static hwsim_error on_read(void *user, hwsim_transaction *transaction, size_t claim,
                           uint64_t *value_io) {
  adder *self = user;
  CHECK_EQUAL(self->inside++, 0);
  self->calls++;
  if (claim == SUM_READS)
    *value_io += 1000;
  CHECK(claim == SUM_READS || claim == CTRL_ACCESSES);
  CHECK_OK(hwsim_transaction_now(transaction, &self->at_ns));
  self->inside--;
  return HWSIM_OK;
}

static hwsim_error on_write(void *user, hwsim_transaction *transaction, size_t claim,
                            uint64_t value) {
  adder *self = user;
  CHECK_EQUAL(self->inside++, 0);
  self->calls++;
  self->seen = value;
  if (claim == DATA_WRITES) {
    CHECK_EQUAL(get(transaction, DATA), value);
    set(transaction, SUM, get(transaction, SUM) + value);
    set(transaction, COUNT, get(transaction, COUNT) + 1);
    CHECK_OK(hwsim_transaction_spend(transaction, self->spends_ns));
  }
  if (self->meanwhile)
    self->meanwhile(self, transaction);
  CHECK_OK(hwsim_transaction_now(transaction, &self->at_ns));
  CHECK_OK(hwsim_transaction_resets(transaction, &self->resets));
  if (self->fails && self->reason)
    hwsim_transaction_fail(transaction, self->reason);
  self->inside--;
  return self->fails;
}

static void on_release(void *user) { ((adder *)user)->released++; }

static hwsim_device *open_as(const hwsim_model *kind, const char *uri, adder *self) {
  CHECK_OK(hwsim_device_open_model(kind, uri, &self->device));
  const hwsim_behaviour behaviour = {
      .read = on_read, .write = on_write, .release = on_release, .user = self};
  CHECK_OK(hwsim_behaviour_set(self->device, &behaviour));
  CHECK_FAILS(hwsim_behaviour_set(self->device, &behaviour), HWSIM_ESTATE);
  return self->device;
}

static hwsim_device *open_adder(const char *uri, adder *self) { return open_as(&model, uri, self); }

static void close_adder(adder *self) {
  hwsim_device_free(self->device);
  CHECK_EQUAL(self->released, 1);
}

static uint64_t read_at(hwsim_device *device, uint32_t address) {
  uint64_t value;
  CHECK_OK(hwsim_register_read(device, address, &forever, &value));
  return value;
}

static void write_to(hwsim_device *device, uint32_t address, uint64_t value) {
  CHECK_OK(hwsim_register_write(device, address, value, &forever));
}

static const char *const clocks[] = {"hwsim://adder?latency=0s", "hwsim://adder?latency=100us",
                                     "hwsim://adder?latency=2ms&clock=virtual",
                                     "hwsim://adder?latency=0s&clock=virtual"};

static void code_runs_in_the_middle_of_an_operation(void) {
  for (size_t i = 0; i < LENGTH(clocks); i++) {
    adder self = {0};
    hwsim_device *device = open_adder(clocks[i], &self);
    write_to(device, DATA, 5);
    write_to(device, DATA, 7);
    CHECK_EQUAL(read_at(device, DATA), 7);
    CHECK_EQUAL(read_at(device, SUM), 1012);
    CHECK_EQUAL(read_at(device, COUNT), 2);
    CHECK_EQUAL(self.calls, 3); /* a read of DATA or COUNT calls nothing */
    close_adder(&self);
  }
}

static void what_fails_had_no_effect(void) {
  for (size_t i = 0; i < LENGTH(clocks); i++) {
    adder self = {.fails = HWSIM_ECRC, .reason = &self};
    hwsim_device *device = open_adder(clocks[i], &self);
    CHECK_FAILS(hwsim_register_write(device, DATA, 5, &forever), HWSIM_ECRC);
    CHECK_MESSAGE("behaviour");
    CHECK(hwsim_error_last()->reason == &self);
    CHECK_TEXT(hwsim_error_last()->operation, "write_register");
    self.fails = HWSIM_EDISCONNECTED; /* says so, and is connected */
    CHECK_FAILS(hwsim_register_write(device, DATA, 5, &forever), HWSIM_EDISCONNECTED);
    self.fails = (hwsim_error)-1;
    CHECK_FAILS(hwsim_register_write(device, DATA, 5, &forever), HWSIM_EINTERNAL);
    CHECK_EQUAL(read_at(device, DATA), 0);
    CHECK_EQUAL(read_at(device, COUNT), 0);
    CHECK_FAILS(hwsim_register_write(device, SUM, 0, NULL), HWSIM_EACCESS);
    CHECK(hwsim_error_last()->reason == NULL);
    close_adder(&self);
  }
}

static void what_it_spends_is_the_operations_time(void) {
  adder self = {.spends_ns = 30 * MS};
  hwsim_device *device = open_adder("hwsim://adder?latency=2ms&clock=virtual", &self);
  write_to(device, DATA, 5);
  CHECK_EQUAL(now(device), 32 * MS);
  CHECK_EQUAL(self.at_ns, 32 * MS);
  const hwsim_call hasty = {.timeout_ns = 20 * MS};
  CHECK_FAILS(hwsim_register_write(device, DATA, 9, &hasty), HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), 52 * MS);
  CHECK_EQUAL(read_at(device, COUNT), 1);
  CHECK_EQUAL(now(device), 54 * MS);
  CHECK_EQUAL(self.calls, 2);
  close_adder(&self);
}

static void a_block_is_one_transaction(void) {
  adder self = {0};
  hwsim_device *device = open_adder("hwsim://adder?latency=1ms&clock=virtual", &self);
  uint32_t values[4] = {0};
  write_to(device, DATA, 3);
  CHECK_OK(hwsim_register_read_block(device, DATA, 4, &forever, values));
  CHECK_EQUAL(values[0], 3);
  CHECK_EQUAL(values[1], 1003);
  CHECK_EQUAL(values[2], 0);
  CHECK_EQUAL(values[3], 1);
  CHECK_EQUAL(self.calls, 3); /* for SUM and CTRL */
  write_to(device, WIDE, UINT64_MAX);
  CHECK(self.seen == UINT64_MAX);
  close_adder(&self);
}

static void see_go(adder *self, hwsim_transaction *transaction) {
  (void)self;
  CHECK_EQUAL(get(transaction, CTRL), 0x51);
}

static void an_update_is_a_write(void) {
  adder self = {.meanwhile = see_go};
  hwsim_device *device = open_adder("hwsim://adder?latency=0s", &self);
  uint64_t old;
  self.meanwhile = NULL;
  CHECK_OK(hwsim_register_update(device, CTRL, 0xF0, 0x50, &forever, &old));
  self.meanwhile = see_go;
  CHECK_OK(hwsim_register_update(device, CTRL, 1, 1, &forever, &old));
  CHECK_EQUAL(old, 0x50);
  CHECK_EQUAL(self.seen, 0x51);
  CHECK_EQUAL(read_at(device, CTRL), 0x50); /* a pulse */
  uint64_t value;
  CHECK_FAILS(hwsim_register_wait(device, SUM, 1, 1, &forever, &value), HWSIM_EACCESS);
  CHECK_MESSAGE("SUM at 0x04 is read by a behaviour");
  close_adder(&self);
}

static void use_others(adder *self, hwsim_transaction *transaction) {
  uint64_t value;
  CHECK_FAILS(hwsim_register_read(self->device, PLAIN, &forever, &value), HWSIM_ESTATE);
  CHECK_MESSAGE("called in a behaviour");
  CHECK_FAILS(hwsim_device_wait_pending(self->device, 9, &forever), HWSIM_ESTATE);
  CHECK_FAILS(hwsim_clock_advance(self->device, 1), HWSIM_ESTATE);
  CHECK_MESSAGE("called in a behaviour");
  CHECK_OK(hwsim_register_read(self->other, HWSIM_REGISTER_ID, &forever, &value));
  CHECK_FAILS(hwsim_register_read(self->like_it, PLAIN, NULL, &value), HWSIM_ESTATE);
  CHECK_EQUAL(pending(self->device), 1);
  CHECK(hwsim_device_is_open(self->device));
  CHECK_FAILS(hwsim_transaction_get(transaction, 0x123, &value), HWSIM_EADDRESS);
  CHECK_FAILS(hwsim_transaction_spend(transaction, -1), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_transaction_spend(transaction, 3601 * S), HWSIM_EINVALID);
}

static void in_it_nothing_waits_that_could_wait_for_it(void) {
  adder self = {.meanwhile = use_others, .other = open_device("hwsim://plain?latency=1ms")};
  CHECK_OK(hwsim_device_open_model(&model, "hwsim://like_it?latency=0s", &self.like_it));
  write_to(open_adder("hwsim://adder?latency=1ms", &self), DATA, 1);
  close_adder(&self);
  hwsim_device_free(self.like_it);
  hwsim_device_free(self.other);
}

static hwsim_error use_elsewhere(operation *operation) {
  const adder *self = operation->hooks->user;
  return hwsim_transaction_get(self->transaction, SUM, &operation->value);
}

static void ignore_enter(void *user, int64_t expected_ns) { (void)user, (void)expected_ns; }
static void ignore_leave(void *user) { (void)user; }

static void use_in_another_thread(adder *self, hwsim_transaction *transaction) {
  const hwsim_hooks hooks = {.enter = ignore_enter, .leave = ignore_leave, .user = self};
  operation get = {.run = use_elsewhere, .hooks = &hooks};
  self->transaction = transaction;
  operation_launch(&get);
  CHECK_EQUAL(operation_join(&get), HWSIM_ESTATE);
}

static void a_transaction_is_for_its_call_alone(void) {
  adder self = {.meanwhile = use_in_another_thread};
  uint64_t value;
  write_to(open_adder("hwsim://adder?latency=0s", &self), DATA, 1);
  CHECK_FAILS(hwsim_transaction_get(self.transaction, SUM, &value), HWSIM_ESTATE);
  CHECK_FAILS(hwsim_transaction_spend(self.transaction, 1), HWSIM_ESTATE);
  close_adder(&self);
}

/* A hook of the thread that waits, such as a handler of signals, which uses the device, too. */
static int read_in_poll(void *user) {
  adder *self = user;
  if (!self->entered) {
    self->entered = true;
    CHECK_EQUAL(hwsim_hooks_set(NULL) != NULL, true);
    self->seen = read_at(self->device, COUNT);
  }
  return 0;
}

static void a_nested_wait_makes_the_call_of_the_outer_one(void) {
  adder self = {0};
  const hwsim_hooks hooks = {
      .enter = ignore_enter, .leave = ignore_leave, .poll = read_in_poll, .user = &self};
  hwsim_device *device = open_adder("hwsim://adder?latency=150ms", &self);
  CHECK(hwsim_hooks_set(&hooks) == NULL);
  write_to(device, DATA, 1);
  hwsim_hooks_set(NULL);
  CHECK_EQUAL(self.seen, 1);
  close_adder(&self);
}

static void cancel(adder *self, hwsim_transaction *transaction) {
  (void)transaction;
  CHECK_OK(hwsim_device_cancel(self->device));
}

static void close_it(adder *self, hwsim_transaction *transaction) {
  uint64_t value;
  hwsim_device_close(self->device);
  CHECK_OK(hwsim_transaction_get(transaction, SUM, &value)); /* it may go on */
}

static void it_can_cancel_and_close_its_own_device(void) {
  for (size_t i = 0; i < LENGTH(clocks); i++) {
    adder self = {.meanwhile = cancel};
    hwsim_device *device = open_adder(clocks[i], &self);
    CHECK_FAILS(hwsim_register_write(device, DATA, 5, &forever), HWSIM_ECANCELLED);
    CHECK_EQUAL(read_at(device, COUNT), 0);
    self.meanwhile = close_it;
    CHECK_FAILS(hwsim_register_write(device, DATA, 5, &forever), HWSIM_ECLOSED);
    CHECK_FAILS(hwsim_register_write(device, DATA, 5, &forever), HWSIM_ECLOSED);
    close_adder(&self);
  }
}

/* Stays inside until it is told to leave. */
static void stay(adder *self, hwsim_transaction *transaction) {
  (void)transaction;
  self->entered = true;
  while (!self->leave)
    usleep(100);
}

static void wait_until_entered(adder *self) {
  while (!self->entered)
    usleep(100);
}

static void others_wait_and_are_not_kept_longer_than_they_said(void) {
  static const char *const uris[] = {"hwsim://adder?latency=0s", "hwsim://adder?latency=1ms",
                                     "hwsim://adder?latency=10ms&clock=10x"};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    adder self = {.meanwhile = stay};
    hwsim_device *device = open_adder(uris[i], &self);
    operation first = {.device = device, .run = run_write, .address = DATA, .call = &forever};
    operation second = {.device = device, .run = run_read, .address = COUNT, .call = &forever};
    operation_launch(&first);
    wait_until_entered(&self);
    uint64_t value;
    const hwsim_call patient = {.timeout_ns = 50 * MS};
    CHECK_FAILS(hwsim_register_read(device, PLAIN, &patient, &value), HWSIM_ETIMEOUT);
    operation_start(&second);
    self.leave = true;
    CHECK_OK(operation_join(&first));
    CHECK_OK(operation_join(&second));
    CHECK_EQUAL(second.value, 1);
    close_adder(&self);
  }
}

static void an_operation_can_end_while_its_code_runs(void) {
  static const char *const uris[] = {"hwsim://adder?latency=0s",
                                     "hwsim://adder?latency=1ms&clock=virtual"};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    adder self = {.meanwhile = stay};
    hwsim_device *device = open_adder(uris[i], &self);
    hwsim_cancel *token;
    CHECK_OK(hwsim_cancel_new(&token));
    const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
    operation first = {.device = device, .run = run_write, .address = DATA, .call = &call};
    operation second = {
        .device = device, .run = run_write, .address = DATA, .value = 4, .call = &forever};
    operation_launch(&first);
    wait_until_entered(&self);
    operation_start(&second);
    hwsim_cancel_set(token);
    CHECK_EQUAL(pending(device), 1);
    CHECK_EQUAL(self.calls, 1); /* the second one's code begins when the first one's has ended */
    self.leave = true;
    CHECK_EQUAL(operation_join(&first), HWSIM_ECANCELLED);
    CHECK_OK(operation_join(&second));
    CHECK_EQUAL(read_at(device, COUNT), 1);
    hwsim_cancel_free(token);
    close_adder(&self);
  }
}

static void nothing_happens_until_its_code_has_returned(void) {
  adder self = {.meanwhile = stay};
  hwsim_device *device = open_adder("hwsim://adder?latency=0s", &self);
  operation first = {.device = device, .run = run_write, .address = DATA, .call = &forever};
  const hwsim_call hasty = {.timeout_ns = 20 * MS};
  uint64_t value;
  operation_launch(&first);
  wait_until_entered(&self);
  CHECK_OK(hwsim_device_cancel(device));
  CHECK_EQUAL(pending(device), 0);
  CHECK_FAILS(hwsim_register_read(device, PLAIN, &hasty, &value), HWSIM_ETIMEOUT);
  operation second = {.device = device, .run = run_read, .address = COUNT, .call = NULL};
  operation_start(&second);
  self.leave = true;
  CHECK_EQUAL(operation_join(&first), HWSIM_ECANCELLED);
  CHECK_OK(operation_join(&second));
  close_adder(&self);
}

static void closing_ends_what_waits_for_it(void) {
  adder self = {.meanwhile = stay};
  hwsim_device *device = open_adder("hwsim://adder?latency=1ms&clock=virtual", &self);
  operation all[3];
  for (size_t i = 0; i < LENGTH(all); i++) {
    all[i] = (operation){.device = device, .run = run_write, .address = DATA, .call = &forever};
    operation_start(&all[i]);
  }
  wait_until_entered(&self);
  hwsim_device_close(device);
  CHECK_EQUAL(operation_join(&all[1]) | operation_join(&all[2]), HWSIM_ECLOSED);
  self.leave = true;
  CHECK_EQUAL(operation_join(&all[0]), HWSIM_ECLOSED);
  close_adder(&self);
}

/* ------------------------------------------------------------------------------ many threads -- */

enum { WRITES = 320 };
typedef struct crowd {
  hwsim_device *device;
  int threads;
} crowd;

static void write_share(int index, void *shared) {
  const crowd *self = shared;
  for (int i = index; i < WRITES; i += self->threads)
    write_to(self->device, DATA, (uint64_t)i);
}

static void any_number_of_threads_comes_to_the_same(void) {
  static const char *const uris[] = {"hwsim://adder?latency=0s", "hwsim://adder?latency=20us",
                                     "hwsim://adder?latency=1ms&jitter=1ms&clock=virtual"};
  static const int counts[] = {1, 2, 8, 32};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    int64_t end_ns = 0;
    for (size_t k = 0; k < LENGTH(counts); k++) {
      adder self = {.spends_ns = 1000};
      crowd all = {open_adder(uris[i], &self), counts[k]};
      in_parallel(counts[k], write_share, &all);
      CHECK_EQUAL(self.calls, WRITES);
      CHECK_EQUAL(read_at(all.device, SUM), 1000 + WRITES * (WRITES - 1) / 2);
      CHECK_EQUAL(read_at(all.device, COUNT), WRITES);
      if (i == 2 && k == 0)
        end_ns = now(all.device);
      else if (i == 2)
        CHECK_EQUAL(now(all.device), end_ns);
      close_adder(&self);
    }
  }
}

/* ------------------------------------------------------------- calls that do not block, clocks --
 */

static hwsim_completion take(hwsim_queue *queue) {
  hwsim_completion news;
  size_t count = 0;
  struct pollfd readable = {.fd = hwsim_queue_fd(queue), .events = POLLIN};
  while (!count) {
    CHECK_EQUAL(poll(&readable, 1, 10000), 1);
    CHECK_OK(hwsim_queue_take(queue, 1, &news, &count));
  }
  return news;
}

static void calls_that_do_not_block_are_called_for_by_the_queue(void) {
  for (size_t i = 0; i < LENGTH(clocks); i++) {
    adder self = {.spends_ns = 1 * MS};
    hwsim_device *device = open_adder(clocks[i], &self);
    hwsim_queue *queue;
    hwsim_request *requests[3];
    CHECK_OK(hwsim_queue_new(&queue));
    for (size_t k = 0; k < LENGTH(requests); k++) {
      CHECK_OK(hwsim_request_new(queue, NULL, &requests[k]));
      const hwsim_call call = {HWSIM_TIMEOUT_NEVER, NULL, requests[k]};
      CHECK_EQUAL(hwsim_register_write(device, DATA, k + 1, &call), HWSIM_EPENDING);
    }
    CHECK_EQUAL(self.calls, 0);
    for (size_t k = 0; k < LENGTH(requests); k++) {
      CHECK(take(queue).request == requests[k]);
      const hwsim_call call = {HWSIM_TIMEOUT_NEVER, NULL, requests[k]};
      CHECK_OK(hwsim_register_write(device, DATA, k + 1, &call));
    }
    CHECK_EQUAL(read_at(device, SUM), 1006);
    self.fails = HWSIM_EBUS;
    const hwsim_call call = {HWSIM_TIMEOUT_NEVER, NULL, requests[0]};
    CHECK_EQUAL(hwsim_register_write(device, DATA, 1, &call), HWSIM_EPENDING);
    take(queue);
    CHECK_FAILS(hwsim_register_write(device, DATA, 1, &call), HWSIM_EBUS);
    /* One that nobody takes is called for by whoever waits behind it. */
    self.fails = HWSIM_OK;
    CHECK_EQUAL(hwsim_register_write(device, DATA, 1, &call), HWSIM_EPENDING);
    CHECK_EQUAL(read_at(device, COUNT), 4);
    CHECK_OK(hwsim_register_write(device, DATA, 1, &call));
    /* One that is cancelled is not called for. */
    int calls = self.calls;
    CHECK_EQUAL(hwsim_register_write(device, DATA, 1, &call), HWSIM_EPENDING);
    hwsim_request_cancel(requests[0]);
    CHECK_FAILS(hwsim_register_write(device, DATA, 1, &call), HWSIM_ECANCELLED);
    CHECK_EQUAL(read_at(device, COUNT), 4);
    CHECK_EQUAL(self.calls, calls);
    write_to(device, DATA, 1);
    CHECK_EQUAL(self.calls, calls + 1);
    for (size_t k = 0; k < LENGTH(requests); k++)
      hwsim_request_free(requests[k]);
    hwsim_queue_free(queue);
    close_adder(&self);
  }
}

static void one_that_another_thread_has_called_for_ends_in_its_queue(void) {
  adder self = {.spends_ns = 30 * MS};
  hwsim_device *device = open_adder("hwsim://adder?latency=1ms", &self);
  hwsim_queue *queue;
  hwsim_request *request;
  CHECK_OK(hwsim_queue_new(&queue));
  CHECK_OK(hwsim_request_new(queue, NULL, &request));
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, NULL, request}, hasty = {.timeout_ns = 5 * MS};
  CHECK_EQUAL(hwsim_register_write(device, DATA, 1, &call), HWSIM_EPENDING);
  uint64_t value;
  CHECK_FAILS(hwsim_register_read(device, PLAIN, &hasty, &value), HWSIM_ETIMEOUT);
  CHECK_EQUAL(self.calls, 1);
  CHECK(take(queue).request == request);
  CHECK_OK(hwsim_register_write(device, DATA, 1, &call));
  hwsim_request_free(request);
  hwsim_queue_free(queue);
  close_adder(&self);
}

static void they_wait_no_longer_than_they_said_either(void) {
  adder self = {.meanwhile = stay};
  hwsim_device *device = open_adder("hwsim://adder?latency=0s", &self);
  operation first = {.device = device, .run = run_write, .address = DATA, .call = &forever};
  hwsim_queue *queue;
  hwsim_request *request;
  uint64_t value;
  CHECK_OK(hwsim_queue_new(&queue));
  CHECK_OK(hwsim_request_new(queue, NULL, &request));
  operation_launch(&first);
  wait_until_entered(&self);
  const hwsim_call call = {20 * MS, NULL, request};
  CHECK_EQUAL(hwsim_register_read(device, COUNT, &call, &value), HWSIM_EPENDING);
  CHECK(take(queue).request == request);
  CHECK_FAILS(hwsim_register_read(device, COUNT, &call, &value), HWSIM_ETIMEOUT);
  self.leave = true;
  CHECK_OK(operation_join(&first));
  hwsim_request_free(request);
  hwsim_queue_free(queue);
  close_adder(&self);
}

static void *settle(void *queue) {
  CHECK_OK(hwsim_queue_settle(queue, 1));
  return NULL;
}

static void a_request_can_be_freed_while_its_code_runs(void) {
  adder self = {.meanwhile = stay};
  hwsim_device *device = open_adder("hwsim://adder?latency=0s", &self);
  hwsim_queue *queue;
  hwsim_request *request;
  pthread_t thread;
  CHECK_OK(hwsim_queue_new(&queue));
  CHECK_OK(hwsim_request_new(queue, NULL, &request));
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, NULL, request};
  const uint32_t values[2] = {1, 0};
  CHECK_EQUAL(hwsim_register_write_block(device, DATA, values, 1, &call), HWSIM_EPENDING);
  CHECK_EQUAL(pthread_create(&thread, NULL, settle, queue), 0);
  wait_until_entered(&self);
  hwsim_request_free(request);
  self.leave = true;
  pthread_join(thread, NULL);
  hwsim_queue_free(queue);
  self.meanwhile = NULL;
  CHECK_EQUAL(read_at(device, COUNT), 0);
  write_to(device, DATA, 1);
  close_adder(&self);
}

static void a_manual_clock_waits_for_it(void) {
  adder self = {.spends_ns = 3 * MS};
  hwsim_device *device = open_adder("hwsim://adder?latency=2ms&clock=manual", &self);
  operation write = {.device = device, .run = run_write, .address = DATA, .call = &forever};
  operation_start(&write);
  advance(device, 2 * MS);
  CHECK_EQUAL(self.calls, 1);
  CHECK_EQUAL(pending(device), 1);
  advance(device, 10 * MS);
  CHECK_OK(operation_join(&write));
  CHECK_EQUAL(now(device), 12 * MS);
  /* The thread that advances calls it itself, if nobody waits. */
  hwsim_queue *queue;
  hwsim_request *request;
  CHECK_OK(hwsim_queue_new(&queue));
  CHECK_OK(hwsim_request_new(queue, NULL, &request));
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, NULL, request};
  CHECK_EQUAL(hwsim_register_write(device, DATA, 1, &call), HWSIM_EPENDING);
  advance(device, 5 * MS);
  CHECK_EQUAL(self.calls, 2);
  CHECK_OK(hwsim_register_write(device, DATA, 1, &call));
  hwsim_request_free(request);
  hwsim_queue_free(queue);
  close_adder(&self);
}

static void count_ticks(adder *self, hwsim_transaction *transaction) {
  self->seen = get(transaction, PLAIN);
}

static void time_stands_still_while_it_runs(void) {
  static const hwsim_rule tick = {.when = HWSIM_WHEN_EVERY,
                                  .delay_ns = 1 * MS,
                                  .then = HWSIM_THEN_ADD,
                                  .target = "PLAIN",
                                  .value = 1};
  hwsim_model ticking = model;
  ticking.rules = &tick;
  ticking.rule_count = 1;
  adder self = {.meanwhile = count_ticks};
  hwsim_device *device = open_as(&ticking, "hwsim://adder?latency=2500us&clock=manual", &self);
  operation write = {.device = device, .run = run_write, .address = DATA, .call = &forever};
  operation read = {.device = device, .run = run_read, .address = PLAIN, .call = &forever};
  operation_start(&write);
  operation_start(&read);
  advance(device, 100 * MS);
  CHECK_OK(operation_join(&write));
  CHECK_OK(operation_join(&read));
  CHECK_EQUAL(self.seen, 2);
  CHECK_EQUAL(read.value, 5);
  close_adder(&self);
}

/* --------------------------------------------------------------------------- what changes later --
 */

static void change_later(adder *self, hwsim_transaction *transaction) {
  uint64_t before = get(transaction, PLAIN);
  (void)self;
  CHECK_OK(hwsim_transaction_set_later(transaction, 5 * MS, PLAIN, UINT32_MAX, 50));
  CHECK_OK(hwsim_transaction_set_later(transaction, 2 * MS, PLAIN, 0xFF, 20));
  CHECK_EQUAL(get(transaction, PLAIN), before);
  CHECK_FAILS(hwsim_transaction_set_later(transaction, 999, PLAIN, 1, 1), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_transaction_set_later(transaction, 3601 * S, PLAIN, 1, 1), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_transaction_set_later(transaction, MS, CTRL, 0, INT64_C(1) << 32),
              HWSIM_EINVALID);
  CHECK_FAILS(hwsim_transaction_set_later(transaction, MS, FAULTS, 1, 1), HWSIM_EACCESS);
}

static void registers_change_later_by_themselves(void) {
  adder self = {.meanwhile = change_later, .spends_ns = 1 * MS};
  hwsim_device *device = open_adder("hwsim://adder?latency=1ms&clock=virtual", &self);
  uint64_t value;
  write_to(device, DATA, 1);
  CHECK_EQUAL(now(device), 2 * MS);
  CHECK_OK(hwsim_register_wait(device, PLAIN, UINT32_MAX, 20, &forever, &value));
  CHECK_EQUAL(now(device), 4 * MS);
  CHECK_OK(hwsim_register_wait(device, PLAIN, UINT32_MAX, 50, &forever, &value));
  CHECK_EQUAL(now(device), 7 * MS);
  /* Not of an operation that fails, and not after a reset. */
  self.fails = HWSIM_EBUS;
  CHECK_FAILS(hwsim_register_write(device, DATA, 1, &forever), HWSIM_EBUS);
  self.fails = HWSIM_OK;
  write_to(device, DATA, 1);
  CHECK_OK(hwsim_device_reset(device, &forever));
  const hwsim_call hasty = {.timeout_ns = 100 * MS};
  CHECK_FAILS(hwsim_register_wait(device, PLAIN, UINT32_MAX, 20, &hasty, &value), HWSIM_ETIMEOUT);
  CHECK_EQUAL(read_at(device, PLAIN), 0);
  /* What waits when the device is freed goes with it. */
  write_to(device, DATA, 1);
  close_adder(&self);
}

static void *wait_for_two_events(void *events) {
  hwsim_event all[2];
  size_t count = 0, more;
  for (; count < 2; count += more)
    CHECK_OK(hwsim_subscription_next(events, 2 - count, &forever, all + count, &more));
  CHECK_EQUAL(all[1].value, 50);
  return NULL;
}

/* Also to those that wait already, when nothing else changes, and to operations that cost no time.
 */
static void what_changes_later_is_not_missed(void) {
  adder self = {.meanwhile = change_later};
  hwsim_device *device = open_adder("hwsim://adder?latency=0s", &self);
  write_to(device, CTRL, 0);
  while (read_at(device, PLAIN) != 50)
    ;
  write_to(device, PLAIN, 0);
  const hwsim_subscription_config config = {.kinds = HWSIM_EVENT_BIT(HWSIM_EVENT_REGISTER),
                                            .queue = 10};
  hwsim_subscription *events;
  pthread_t reader;
  CHECK_OK(hwsim_subscription_new(device, &config, &events));
  CHECK_EQUAL(pthread_create(&reader, NULL, wait_for_two_events, events), 0);
  operation wait = {.device = device,
                    .run = run_wait,
                    .address = PLAIN,
                    .mask = UINT32_MAX,
                    .value = 20,
                    .call = &forever};
  operation_start(&wait);
  write_to(device, CTRL, 0);
  CHECK_OK(operation_join(&wait));
  CHECK_EQUAL(pthread_join(reader, NULL), 0);
  hwsim_subscription_free(events);
  close_adder(&self);
}

/* An event of it comes at its time, to whoever waits for that. */
static void what_changes_later_is_an_event(void) {
  static const char *const uris[] = {"hwsim://adder?latency=0s",
                                     "hwsim://adder?latency=1ms&clock=virtual"};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    adder self = {.meanwhile = change_later};
    hwsim_device *device = open_adder(uris[i], &self);
    const hwsim_subscription_config config = {.kinds = HWSIM_EVENT_BIT(HWSIM_EVENT_REGISTER),
                                              .queue = 10};
    hwsim_subscription *events;
    CHECK_OK(hwsim_subscription_new(device, &config, &events));
    write_to(device, DATA, 1);
    hwsim_event all[8];
    size_t count = 0, more;
    while (count < 5) { /* DATA, SUM, COUNT, and PLAIN twice */
      CHECK_OK(hwsim_subscription_next(events, LENGTH(all) - count, &forever, all + count, &more));
      count += more;
    }
    CHECK_EQUAL(all[3].channel, PLAIN);
    CHECK_EQUAL(all[3].value, 20);
    CHECK_EQUAL(all[4].value, 50);
    CHECK_EQUAL(all[3].time_ns - all[2].time_ns, 2 * MS);
    CHECK_EQUAL(all[4].time_ns - all[2].time_ns, 5 * MS);
    hwsim_subscription_free(events);
    close_adder(&self);
  }
}

/* -------------------------------------------------------------------------------- the device -- */

static void see_role(adder *self, hwsim_transaction *transaction) {
  uint64_t value;
  (void)self;
  CHECK_FAILS(hwsim_transaction_get(transaction, FAULTS, &value), HWSIM_EACCESS);
  CHECK_MESSAGE("FAULTS at 0x20 is one with a role");
}

static void faults_hit_before_the_code_is_called(void) {
  adder self = {0};
  hwsim_device *device = open_adder("hwsim://adder?latency=1ms&clock=virtual&fault=crc", &self);
  CHECK_FAILS(hwsim_register_write(device, DATA, 5, &forever), HWSIM_ECRC);
  CHECK_EQUAL(self.calls, 0);
  write_to(device, DATA, 5);
  hwsim_fault stuck;
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_STUCK, &stuck));
  stuck.address = SUM;
  stuck.mask = 1;
  stuck.value = 0;
  CHECK_OK(hwsim_fault_inject(device, &stuck));
  CHECK_EQUAL(read_at(device, SUM), 1004);
  CHECK_EQUAL(read_at(device, FAULTS), 1);
  hwsim_fault spike;
  CHECK_OK(hwsim_fault_init(HWSIM_FAULT_SPIKE, &spike));
  CHECK_OK(hwsim_fault_clear(device));
  CHECK_OK(hwsim_fault_inject(device, &spike));
  self.spends_ns = 1 * MS;
  write_to(device, DATA, 5);
  CHECK_EQUAL(read_at(device, FAULTS), 2); /* it was suffered once */
  self.meanwhile = see_role;
  write_to(device, DATA, 5);
  close_adder(&self);
}

static void it_is_told_of_resets(void) {
  adder self = {0};
  hwsim_device *device = open_adder("hwsim://adder?latency=1ms&clock=virtual", &self);
  write_to(device, DATA, 5);
  uint64_t before = self.resets;
  CHECK_OK(hwsim_device_reset(device, &forever));
  write_to(device, DATA, 5);
  CHECK_EQUAL(self.resets, before + 1);
  CHECK_EQUAL(read_at(device, SUM), 1005);
  close_adder(&self);
}

static void without_code_claims_do_nothing(void) {
  hwsim_device *device;
  CHECK_OK(hwsim_device_open_model(&model, "hwsim://adder?latency=0s", &device));
  write_to(device, DATA, 5);
  CHECK_EQUAL(read_at(device, DATA), 5);
  CHECK_EQUAL(read_at(device, SUM), 0);
  hwsim_device_free(device);
  device = open_device("hwsim://plain");
  const hwsim_behaviour behaviour = {.read = on_read};
  CHECK_FAILS(hwsim_behaviour_set(device, &behaviour), HWSIM_ESTATE);
  hwsim_device_free(device);
}

static void refuse(hwsim_claim first, hwsim_claim second, const char *message) {
  const hwsim_claim both[] = {first, second};
  hwsim_model bad = model;
  const hwsim_model *made;
  bad.claims = both;
  bad.claim_count = 2;
  CHECK_FAILS(hwsim_model_new(&bad, &made), HWSIM_EINVALID);
  CHECK_MESSAGE(message);
}

static void claims_are_checked_with_the_model(void) {
  const hwsim_claim good = {.on = "DATA", .writes = true};
  refuse(good, good, "claim 1 of the model, on DATA: its writes are claimed already");
  refuse(good, (hwsim_claim){.on = "SUM", .writes = true}, "on SUM: it cannot be written");
  refuse(good, (hwsim_claim){.on = "NONE", .reads = true}, "on NONE: there is no such register");
  refuse(good, (hwsim_claim){.on = "SUM"}, "must be of reads, or of writes");
  refuse(good, (hwsim_claim){.reads = true}, "there is no such register");
}

static void fork_here(adder *self, hwsim_transaction *transaction) {
  pid_t child = fork();
  if (child == 0) {
    uint64_t value;
    CHECK_FAILS(hwsim_transaction_get(transaction, SUM, &value), HWSIM_EFORKED);
    self->at_ns = -1;
    return;
  }
  int status = 0;
  CHECK_EQUAL(waitpid(child, &status, 0), child);
  CHECK_EQUAL(status, 0);
}

static hwsim_error on_forking_write(void *user, hwsim_transaction *transaction, size_t claim,
                                    uint64_t value) {
  (void)claim, (void)value;
  fork_here(user, transaction);
  return HWSIM_OK;
}

static void a_child_of_a_fork_in_it_is_told_so(void) {
  adder self = {0};
  hwsim_device *device;
  CHECK_OK(hwsim_device_open_model(&model, "hwsim://adder?latency=1ms", &device));
  const hwsim_behaviour behaviour = {.write = on_forking_write, .user = &self};
  CHECK_OK(hwsim_behaviour_set(device, &behaviour));
  hwsim_error error = hwsim_register_write(device, DATA, 1, &forever);
  if (self.at_ns < 0) /* the child */
    _exit(error == HWSIM_EFORKED ? 0 : 1);
  CHECK_OK(error);
  CHECK_EQUAL(read_at(device, DATA), 1);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(code_runs_in_the_middle_of_an_operation),
    TEST(what_fails_had_no_effect),
    TEST(what_it_spends_is_the_operations_time),
    TEST(a_block_is_one_transaction),
    TEST(an_update_is_a_write),
    TEST(in_it_nothing_waits_that_could_wait_for_it),
    TEST(a_transaction_is_for_its_call_alone),
    TEST(a_nested_wait_makes_the_call_of_the_outer_one),
    TEST(it_can_cancel_and_close_its_own_device),
    TEST(others_wait_and_are_not_kept_longer_than_they_said),
    TEST(an_operation_can_end_while_its_code_runs),
    TEST(nothing_happens_until_its_code_has_returned),
    TEST(closing_ends_what_waits_for_it),
    TEST(any_number_of_threads_comes_to_the_same),
    TEST(calls_that_do_not_block_are_called_for_by_the_queue),
    TEST(one_that_another_thread_has_called_for_ends_in_its_queue),
    TEST(they_wait_no_longer_than_they_said_either),
    TEST(a_request_can_be_freed_while_its_code_runs),
    TEST(a_manual_clock_waits_for_it),
    TEST(time_stands_still_while_it_runs),
    TEST(registers_change_later_by_themselves),
    TEST(what_changes_later_is_an_event),
    TEST(what_changes_later_is_not_missed),
    TEST(faults_hit_before_the_code_is_called),
    TEST(it_is_told_of_resets),
    TEST(without_code_claims_do_nothing),
    TEST(claims_are_checked_with_the_model),
    TEST(a_child_of_a_fork_in_it_is_told_so),
};
CHECK_MAIN(tests)
