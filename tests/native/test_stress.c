/* Every public call, at random, from many threads at once, on real clocks with tiny latencies. What
 * is checked: nothing crashes, hangs or races (run it with the sanitizers), every result is one
 * that the call may have, and what was opened can be closed. Bounded by a number of calls. */
#include "threads.h"

#include <stdatomic.h>

enum { THREADS = 8, CALLS = 12000, SLOTS = 3 };

/* A slot holds a device that any thread may use, or replace by a new one under the same name. */
typedef struct slot {
  pthread_mutex_t mutex; /* guards `device` */
  hwsim_device *device;
  const char *uri;
} slot;

/* One a thread, which alone uses and renews it; any thread may set it. */
typedef struct token {
  pthread_mutex_t mutex; /* guards `cancel` */
  hwsim_cancel *cancel;
} token;

typedef struct stage {
  slot slots[SLOTS];
  token tokens[THREADS];
} stage;

typedef struct player {
  stage *stage;
  uint64_t random;
  hwsim_call call;
} player;

static uint32_t random_below(player *self, uint32_t end) {
  self->random = self->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(self->random >> 33) % end;
}

static hwsim_device *borrow(slot *self) {
  pthread_mutex_lock(&self->mutex);
  hwsim_device *device = hwsim_device_retain(self->device);
  pthread_mutex_unlock(&self->mutex);
  return device;
}

/* The name is free once the old device is closed, unless open_another() has just taken it. */
static void replace(slot *self) {
  hwsim_error error;
  pthread_mutex_lock(&self->mutex);
  hwsim_device_close(self->device);
  hwsim_device_free(self->device);
  while ((error = hwsim_device_open(self->uri, &self->device)))
    CHECK_FAILS(error, HWSIM_EINUSE);
  pthread_mutex_unlock(&self->mutex);
}

static void renew(token *self) {
  pthread_mutex_lock(&self->mutex);
  hwsim_cancel_free(self->cancel);
  CHECK_OK(hwsim_cancel_new(&self->cancel));
  pthread_mutex_unlock(&self->mutex);
}

static void set_token(token *self) {
  pthread_mutex_lock(&self->mutex);
  hwsim_cancel_set(self->cancel);
  pthread_mutex_unlock(&self->mutex);
}

static uint32_t random_address(player *self) { return 4 * random_below(self, 26); }

static hwsim_fault_kind random_kind(player *self) {
  static const hwsim_fault_kind kinds[] = {
#define HWSIM_X(name, value, text, error) HWSIM_FAULT_##name,
      HWSIM_FAULTS(HWSIM_X)
#undef HWSIM_X
  };
  return kinds[random_below(self, sizeof kinds / sizeof *kinds)];
}

static hwsim_error inject_random(player *self, hwsim_device *device) {
  hwsim_fault fault;
  CHECK_OK(hwsim_fault_init(random_kind(self), &fault));
  fault.probability = random_below(self, 2) ? 1 : 0.1;
  fault.extra_ns = fault.kind == HWSIM_FAULT_SPIKE ? 20 * US : 0;
  if (fault.kind == HWSIM_FAULT_DISCONNECT || fault.kind == HWSIM_FAULT_POWER) { /* not for long */
    hwsim_error error = hwsim_fault_inject(device, &fault);
    fault.kind = HWSIM_FAULT_RECONNECT;
    fault.probability = 1;
    return error ? error : hwsim_fault_inject(device, &fault);
  }
  return hwsim_fault_inject(device, &fault);
}

static hwsim_error set_random_signal(player *self, hwsim_device *device) {
  double table[16] = {0};
  hwsim_signal signal;
  CHECK_OK(hwsim_signal_default(device, 0, &signal));
  signal.waveform = (hwsim_waveform)random_below(self, 6);
  bool has_table = signal.waveform >= HWSIM_WAVEFORM_TABLE;
  return hwsim_signal_set(device, random_below(self, 4), &signal, has_table ? table : NULL,
                          has_table ? 1 + random_below(self, 16) : 0);
}

static hwsim_error list_devices(void) {
  size_t count;
  hwsim_listing *listing;
  hwsim_error error = hwsim_device_list(&count, &listing);
  if (!error)
    free(listing);
  return error;
}

static hwsim_error open_another(player *self, const hwsim_device *device) {
  char uri[128];
  hwsim_device *other;
  bool same_name = random_below(self, 2);
  snprintf(uri, sizeof uri, "hwsim://%s?fault=bus~0.5",
           same_name ? hwsim_device_config(device)->name : "another");
  hwsim_error error = hwsim_device_open(uri, &other);
  if (!error)
    hwsim_device_free(other);
  return error;
}

static hwsim_error stream_a_little(player *self, hwsim_device *device) {
  const uint32_t channels[] = {0, 3};
  hwsim_stream_config config = {.rate_hz = 1e6,
                                .channels = channels,
                                .channel_count = 1 + random_below(self, 2),
                                .buffer = 64,
                                .overrun = (hwsim_overrun)random_below(self, 2)};
  hwsim_stream *stream;
  hwsim_block block;
  hwsim_stream_status status;
  float volts[2 * 100];
  hwsim_error error = hwsim_stream_start(device, &config, &stream);
  if (error)
    return error;
  for (int i = 0; i < 3 && !error; i++)
    error = hwsim_stream_read(stream, HWSIM_FORMAT_FLOAT32, 1 + random_below(self, 100),
                              &self->call, volts, &block);
  CHECK_OK(hwsim_stream_get_status(stream, &status));
  hwsim_stream_free(stream);
  return error;
}

static hwsim_error call_at_random(player *self, slot *slot, hwsim_device *device) {
  uint32_t address = random_address(self), value = random_below(self, 16), values[8] = {0};
  uint64_t result;
  size_t count = 1 + random_below(self, 8), length;
  double volts;
  int64_t time_ns;
  uint64_t transactions;
  hwsim_signal signal;
  switch (random_below(self, 31)) {
  case 0: return hwsim_register_read_block(device, address, count, &self->call, values);
  case 1: return hwsim_register_write_block(device, address, values, count, &self->call);
  case 2: return hwsim_register_update(device, address, 0xF, value, &self->call, &result);
  case 3: return hwsim_register_wait(device, address, 0xF, value, &self->call, &result);
  case 4: return hwsim_device_wait_pending(device, 1 + value % 4, &self->call);
  case 5: return hwsim_device_reset(device, &self->call);
  case 6: return set_random_signal(self, device);
  case 7: return hwsim_signal_get(device, value % 5, &signal, &length);
  case 8: return inject_random(self, device);
  case 9: return hwsim_fault_clear(device);
  case 10: return hwsim_device_set_timeout(device, 100 * US);
  case 11: return hwsim_device_get_timeout(device, &time_ns);
  case 12: return hwsim_device_transactions(device, &transactions);
  case 13: return hwsim_device_pending(device, &value);
  case 14: return hwsim_clock_now(device, &time_ns);
  case 15: return hwsim_clock_advance(device, 20 * US);
  case 16: return list_devices();
  case 17: return open_another(self, device);
  case 18:
    if (value == 0)
      replace(slot);
    return HWSIM_OK;
  case 19: set_token(&self->stage->tokens[random_below(self, THREADS)]); return HWSIM_OK;
  case 20: return value < 4 ? hwsim_device_cancel(device) : HWSIM_OK;
  case 21: return stream_a_little(self, device);
  case 22: return hwsim_device_is_open(device) ? HWSIM_OK : HWSIM_ECLOSED;
  case 23:
  case 24:
  case 25: return hwsim_signal_read(device, value % 4, &self->call, &volts);
  case 26:
  case 27: return hwsim_register_write(device, address, value, &self->call);
  default: return hwsim_register_read(device, address, &self->call, &result);
  }
}

static void play(int index, void *shared) {
  stage *stage = shared;
  player self = {.stage = stage, .random = (uint64_t)index * 7919 + 1};
  for (int i = 0; i < CALLS; i++) {
    token *token = &stage->tokens[index];
    if (hwsim_cancel_is_set(token->cancel))
      renew(token);
    slot *slot = &stage->slots[random_below(&self, SLOTS)];
    hwsim_device *device = borrow(slot);
    self.call = (hwsim_call){.timeout_ns = random_below(&self, 200) * US,
                             .cancel = random_below(&self, 2) ? token->cancel : NULL};
    hwsim_error error = call_at_random(&self, slot, device);
    CHECK(error != HWSIM_EFORKED && error != HWSIM_ENOTFOUND);
    CHECK(strcmp(hwsim_error_name(error), "EUNKNOWN") != 0);
    hwsim_device_free(device);
  }
}

static void check_nothing_is_open(void) {
  size_t count;
  hwsim_listing *listing;
  CHECK_OK(hwsim_device_list(&count, &listing));
  for (size_t i = 0; i < count; i++)
    CHECK(!listing[i].in_use);
  free(listing);
}

static void any_calls_from_any_threads_get_along(void) {
  stage stage = {.slots = {{.uri = "hwsim://s0?latency=0s&timeout=200us"},
                           {.uri = "hwsim://s1?latency=5us&jitter=5us&seed=1&timeout=200us"},
                           {.uri = "hwsim://s2?latency=1ms&clock=100x&timeout=10ms"}}};
  for (int i = 0; i < SLOTS; i++) {
    pthread_mutex_init(&stage.slots[i].mutex, NULL);
    stage.slots[i].device = open_device(stage.slots[i].uri);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_mutex_init(&stage.tokens[i].mutex, NULL);
    CHECK_OK(hwsim_cancel_new(&stage.tokens[i].cancel));
  }
  in_parallel(THREADS, play, &stage);
  for (int i = 0; i < THREADS; i++)
    hwsim_cancel_free(stage.tokens[i].cancel);
  for (int i = 0; i < SLOTS; i++)
    hwsim_device_free(stage.slots[i].device);
  check_nothing_is_open();
}

/* One thread's call keeps the device while the others free and cancel it, at nearly the same time
 * as it ends by itself. */
typedef struct parting {
  hwsim_device *device;
  hwsim_cancel *token;
  atomic_bool waiting;
  int round;
} parting;

static void note_waiting(void *user, int64_t expected_ns) {
  (void)expected_ns;
  atomic_store(&((parting *)user)->waiting, true);
}

static void ignore(void *user) { (void)user; }

static void wait_free_or_cancel(int index, void *shared) {
  parting *self = shared;
  if (index == 0) {
    const hwsim_hooks hooks = {.enter = note_waiting, .leave = ignore, .user = self};
    const hwsim_call call = {HWSIM_TIMEOUT_NEVER, self->token, NULL};
    uint64_t value;
    hwsim_hooks_set(&hooks);
    hwsim_error error = hwsim_register_read(self->device, 0, &call, &value);
    hwsim_hooks_set(NULL);
    CHECK(error == HWSIM_OK || error == HWSIM_ECANCELLED);
    return;
  }
  while (!atomic_load(&self->waiting))
    ;
  if (index == 1)
    hwsim_device_free(self->device);
  for (volatile int delay = 0; delay < self->round % 50 * 1000; delay++)
    ;
  if (index == 2)
    hwsim_cancel_set(self->token);
}

static void a_device_may_be_freed_and_cancelled_while_it_waits(void) {
  for (int round = 0; round < 500; round++) {
    parting self = {.device = open_device("hwsim://d?latency=50us"), .round = round};
    CHECK_OK(hwsim_cancel_new(&self.token));
    in_parallel(3, wait_free_or_cancel, &self);
    hwsim_cancel_free(self.token);
  }
  check_nothing_is_open();
}

static const test tests[] = {
    TEST(any_calls_from_any_threads_get_along),
    TEST(a_device_may_be_freed_and_cancelled_while_it_waits),
};
CHECK_MAIN(tests)
