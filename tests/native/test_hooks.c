/* The hooks of a thread that waits: a language binding lives in them. They are called on that
 * thread with no lock held, so they may use the library, also the very device that is waited for.
 */
#include "threads.h"

/* Writes down what it is told; may do something in each hook. */
typedef struct witness {
  hwsim_hooks hooks;
  pthread_t thread;
  hwsim_device *device;
  int entered, left, polled;
  int64_t expected_ns;
  int poll_result;
  void (*in_each)(struct witness *self);
} witness;

static void note(witness *self) {
  CHECK(pthread_equal(pthread_self(), self->thread));
  if (self->in_each)
    self->in_each(self);
}

static void note_enter(void *user, int64_t expected_ns) {
  witness *self = user;
  CHECK_EQUAL(self->entered++, self->left);
  self->expected_ns = expected_ns;
  note(self);
}

static void note_leave(void *user) {
  witness *self = user;
  CHECK_EQUAL(++self->left, self->entered);
  note(self);
}

static int note_poll(void *user) {
  witness *self = user;
  CHECK_EQUAL(self->left, self->entered - 1);
  self->polled++;
  note(self);
  return self->poll_result;
}

static void install(witness *self, hwsim_device *device) {
  self->hooks = (hwsim_hooks){note_enter, note_leave, note_poll, self};
  self->thread = pthread_self();
  self->device = device;
  CHECK(!hwsim_hooks_set(&self->hooks));
}

static void remove_and_free(witness *self) {
  CHECK(hwsim_hooks_set(NULL) == &self->hooks);
  hwsim_device_free(self->device);
}

static void a_wait_enters_and_leaves_once_on_its_thread(void) {
  witness self = {0};
  install(&self, open_device("hwsim://d?latency=2ms"));
  CHECK_OK(read_once(self.device));
  CHECK_OK(read_once(self.device));
  CHECK_EQUAL(self.entered, 2);
  CHECK_EQUAL(self.left, 2);
  remove_and_free(&self);
}

static void who_does_not_wait_calls_no_hooks(void) {
  witness self = {0};
  install(&self, open_device("hwsim://d?clock=virtual"));
  CHECK_OK(read_once(self.device));
  remove_and_free(&self);
  install(&self, open_device("hwsim://d?latency=0s"));
  CHECK_OK(read_once(self.device));
  remove_and_free(&self);
  CHECK_EQUAL(self.entered, 0);
}

static void hooks_belong_to_their_thread(void) {
  witness self = {0};
  install(&self, open_device("hwsim://d?latency=1ms"));
  operation elsewhere = {.device = self.device, .run = run_read, .call = &forever};
  operation_launch(&elsewhere);
  CHECK_EQUAL(operation_join(&elsewhere), HWSIM_OK);
  CHECK_EQUAL(self.entered, 0);
  remove_and_free(&self);
}

static void enter_is_told_how_long_it_will_take(void) {
  witness self = {0};
  install(&self, open_device("hwsim://d?latency=50ms"));
  CHECK_OK(read_once(self.device));
  CHECK(self.expected_ns > 0 && self.expected_ns <= 50 * MS);
  remove_and_free(&self);
  install(&self, open_device("hwsim://d?latency=50s&clock=1000x&timeout=inf"));
  CHECK_OK(read_once(self.device));
  CHECK(self.expected_ns > 0 && self.expected_ns <= 50 * MS + 1);
  const hwsim_call brief = {50 * S, NULL, NULL};
  uint64_t value;
  CHECK_FAILS(hwsim_register_wait(self.device, 0x40, 1, 1, &brief, &value), HWSIM_ETIMEOUT);
  CHECK_EQUAL(self.expected_ns, INT64_MAX);
  remove_and_free(&self);
}

/* Uses the very device that waits, and the same thread's waiting: hangs if a lock is held. */
static void call_back(witness *self) {
  const hwsim_hooks *before = hwsim_hooks_set(NULL);
  pending(self->device);
  now(self->device);
  hwsim_device_free(open_device("hwsim://another"));
  if (self->left)
    CHECK_OK(read_once(self->device));
  hwsim_device *other = open_device("hwsim://other?latency=100us");
  CHECK_OK(read_once(other));
  hwsim_device_free(other);
  hwsim_hooks_set(before);
}

static void hooks_may_call_the_library(void) {
  witness self = {.in_each = call_back};
  install(&self, open_device("hwsim://d?latency=150ms"));
  CHECK_OK(read_once(self.device));
  CHECK(self.polled >= 1);
  remove_and_free(&self);
}

static void poll_nonzero_ends_the_wait(void) {
  witness self = {.poll_result = 1};
  install(&self, open_device("hwsim://d?clock=manual"));
  CHECK_FAILS(hwsim_register_write(self.device, 0x40, 7, &forever), HWSIM_ECANCELLED);
  CHECK_EQUAL(self.polled, 1);
  CHECK_EQUAL(self.left, 1);
  hwsim_hooks_set(NULL);
  operation look = {.device = self.device, .run = run_read, .address = 0x40, .call = &forever};
  operation_start(&look);
  advance(self.device, MS);
  CHECK_EQUAL(operation_join(&look), HWSIM_OK);
  CHECK_EQUAL(look.value, 0);
  hwsim_device_free(self.device);
}

static void every_endless_wait_is_polled(void) {
  static const char *const uris[] = {"hwsim://d?clock=virtual", "hwsim://d?clock=manual",
                                     "hwsim://d?latency=0s", "hwsim://d?clock=1000x"};
  for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
    witness self = {.poll_result = 1};
    uint64_t value;
    install(&self, open_device(uris[i]));
    CHECK_FAILS(hwsim_register_wait(self.device, 0x40, 1, 1, &forever, &value), HWSIM_ECANCELLED);
    CHECK_FAILS(hwsim_device_wait_pending(self.device, 1, &forever), HWSIM_ECANCELLED);
    remove_and_free(&self);
  }
}

static void finish_on_third_poll(witness *self) {
  if (self->polled == 3)
    advance(self->device, MS);
}

static void poll_zero_lets_it_go_on(void) {
  witness self = {.in_each = finish_on_third_poll};
  install(&self, open_device("hwsim://d?clock=manual"));
  CHECK_OK(read_once(self.device));
  CHECK_EQUAL(self.polled, 3);
  remove_and_free(&self);
}

static void close_device(witness *self) { hwsim_device_close(self->device); }

static void a_hook_may_close_the_device_that_waits(void) {
  witness self = {.in_each = close_device};
  install(&self, open_device("hwsim://d?clock=manual"));
  CHECK_FAILS(read_once(self.device), HWSIM_ECLOSED);
  remove_and_free(&self);
}

static void decide_not_to_poll(witness *self) { self->hooks.poll = NULL; }

static void enter_decides_whether_poll_is_called(void) {
  witness self = {.in_each = decide_not_to_poll};
  install(&self, open_device("hwsim://d?latency=60ms"));
  CHECK_OK(read_once(self.device));
  CHECK_EQUAL(self.polled, 0);
  remove_and_free(&self);
}

static void end_thread(void *user) {
  (void)user;
  pthread_exit(NULL);
}

static void ignore_enter(void *user, int64_t expected_ns) { (void)user, (void)expected_ns; }

/* As a language runtime does that shuts down: nothing of the call may be left behind. */
static void leave_may_end_the_thread(void) {
  const hwsim_hooks hooks = {.enter = ignore_enter, .leave = end_thread};
  hwsim_cancel *token;
  CHECK_OK(hwsim_cancel_new(&token));
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  operation ended = {.device = device, .run = run_read, .call = &call, .hooks = &hooks};
  operation_start(&ended);
  advance(device, MS);
  operation_join(&ended);
  CHECK_EQUAL(pending(device), 0);
  hwsim_cancel_set(token);
  hwsim_cancel_free(token);
  hwsim_device_free(device);
  hwsim_device_free(open_device("hwsim://d"));
}

static const test tests[] = {
    TEST(a_wait_enters_and_leaves_once_on_its_thread),
    TEST(who_does_not_wait_calls_no_hooks),
    TEST(hooks_belong_to_their_thread),
    TEST(enter_is_told_how_long_it_will_take),
    TEST(hooks_may_call_the_library),
    TEST(poll_nonzero_ends_the_wait),
    TEST(every_endless_wait_is_polled),
    TEST(poll_zero_lets_it_go_on),
    TEST(a_hook_may_close_the_device_that_waits),
    TEST(leave_may_end_the_thread),
    TEST(enter_decides_whether_poll_is_called),
};
CHECK_MAIN(tests)
