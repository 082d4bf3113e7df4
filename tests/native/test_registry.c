/* The registry: names in use, and waits until they are not. */
#include "threads.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static hwsim_error wait_free(operation *self) { return hwsim_wait_free("d", self->call); }

/* Returns once the hooks say that it waits. */
typedef struct watch {
  hwsim_hooks hooks;
  pthread_mutex_t mutex;
  pthread_cond_t entered;
  int waits, polls, interrupt_at;
} watch;

static void enter(void *user, int64_t expected_ns) {
  (void)expected_ns;
  watch *self = (watch *)user;
  pthread_mutex_lock(&self->mutex);
  self->waits++;
  pthread_cond_broadcast(&self->entered);
  pthread_mutex_unlock(&self->mutex);
}

static void leave(void *user) { (void)user; }

static int poll(void *user) {
  watch *self = (watch *)user;
  return ++self->polls == self->interrupt_at;
}

static void watch_open(watch *self) {
  *self = (watch){.hooks = {enter, leave, poll, self},
                  .mutex = PTHREAD_MUTEX_INITIALIZER,
                  .entered = PTHREAD_COND_INITIALIZER};
}

static void watch_wait(watch *self, int count) {
  pthread_mutex_lock(&self->mutex);
  while (self->waits < count)
    pthread_cond_wait(&self->entered, &self->mutex);
  pthread_mutex_unlock(&self->mutex);
}

static void a_name_that_nobody_uses_is_not_waited_for(void) {
  const hwsim_call at_once = {.timeout_ns = 0};
  CHECK_OK(hwsim_wait_free("d", &at_once));
  CHECK_OK(hwsim_wait_free("d", NULL));
  CHECK_OK(hwsim_wait_free("no name at all!", NULL));
}

static void closing_the_device_ends_all_waits_for_its_name(void) {
  hwsim_device *device = open_device("hwsim://d"), *other = open_device("hwsim://e");
  operation waits[5];
  watch seen;
  watch_open(&seen);
  for (int i = 0; i < 5; i++) {
    waits[i] = (operation){.run = wait_free, .call = &forever, .hooks = &seen.hooks};
    operation_launch(&waits[i]);
  }
  watch_wait(&seen, 5);
  hwsim_device_close(other);
  hwsim_device_close(device);
  for (int i = 0; i < 5; i++)
    CHECK_EQUAL(operation_join(&waits[i]), HWSIM_OK);
  hwsim_device_free(device);
  hwsim_device_free(other);
}

static void a_wait_ends_by_its_timeout_and_says_so(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  hwsim_call call = {.timeout_ns = 0};
  CHECK_FAILS(hwsim_wait_free("d", &call), HWSIM_ETIMEOUT);
  CHECK_TEXT(hwsim_error_last()->device, "d");
  CHECK_TEXT(hwsim_error_last()->operation, "wait_free");
  CHECK_TEXT(hwsim_error_last()->message, "'d' is in use, also after 0 s");
  call.timeout_ns = 20000000;
  int64_t begin = now(device);
  CHECK_FAILS(hwsim_wait_free("d", &call), HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), begin); /* it is real time */
  call.timeout_ns = -2;
  CHECK_FAILS(hwsim_wait_free("d", &call), HWSIM_EINVALID);
  hwsim_device_free(device);
}

static void a_wait_ends_by_its_token(void) {
  hwsim_device *device = open_device("hwsim://d");
  hwsim_cancel *token = NULL;
  CHECK_OK(hwsim_cancel_new(&token));
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  watch seen;
  watch_open(&seen);
  operation wait = {.run = wait_free, .call = &call, .hooks = &seen.hooks};
  operation_launch(&wait);
  watch_wait(&seen, 1);
  hwsim_cancel_set(token);
  CHECK_EQUAL(operation_join(&wait), HWSIM_ECANCELLED);
  CHECK_FAILS(hwsim_wait_free("d", &call), HWSIM_ECANCELLED); /* it is latched */
  hwsim_cancel_free(token);
  hwsim_device_free(device);
}

static void a_wait_ends_by_the_interrupt_check(void) {
  hwsim_device *device = open_device("hwsim://d");
  watch seen;
  watch_open(&seen);
  seen.interrupt_at = 2;
  operation wait = {.run = wait_free, .hooks = &seen.hooks};
  operation_launch(&wait);
  CHECK_EQUAL(operation_join(&wait), HWSIM_ECANCELLED);
  CHECK_EQUAL(seen.polls, 2);
  hwsim_device_free(device);
}

static int poll_and_fork(void *user) {
  watch *self = (watch *)user;
  pid_t child = self->polls++ ? -1 : fork();
  if (child == 0)
    self->interrupt_at = 1;
  return 0;
}

static void a_check_that_forks_leaves_a_child_that_waits_for_nothing(void) {
  hwsim_device *device = open_device("hwsim://d");
  pid_t parent = getpid();
  watch seen;
  watch_open(&seen);
  seen.hooks.poll = poll_and_fork;
  hwsim_hooks_set(&seen.hooks);
  const hwsim_call call = {.timeout_ns = 200000000};
  hwsim_error error = hwsim_wait_free("d", &call);
  hwsim_hooks_set(NULL);
  if (getpid() != parent) {
    hwsim_device *own = NULL;
    _exit(error || hwsim_device_open("hwsim://d", &own) || hwsim_wait_free("e", NULL) ? 1 : 42);
  }
  CHECK_EQUAL(error, HWSIM_ETIMEOUT);
  int status = 0;
  CHECK(wait(&status) > 0 && WIFEXITED(status));
  CHECK_EQUAL(WEXITSTATUS(status), 42);
  hwsim_device_free(device);
}

/* Each opens the one name, many times, with the others in its way. */
static void take_turns(int index, void *shared) {
  (void)index;
  for (int i = 0; i < 50; i++) {
    hwsim_device *device = NULL;
    while (hwsim_device_open("hwsim://d?latency=0s", &device) == HWSIM_EINUSE)
      CHECK_OK(hwsim_wait_free("d", &forever));
    CHECK(!atomic_flag_test_and_set((atomic_flag *)shared));
    atomic_flag_clear((atomic_flag *)shared);
    hwsim_device_free(device);
  }
}

static void threads_that_wait_take_turns(void) {
  atomic_flag open = ATOMIC_FLAG_INIT;
  in_parallel(8, take_turns, &open);
}

/* Half of them give up all the time. */
static void take_turns_or_give_up(int index, void *shared) {
  (void)shared;
  for (int i = 0; i < 50; i++) {
    hwsim_device *device = NULL;
    hwsim_cancel *token = NULL;
    CHECK_OK(hwsim_cancel_new(&token));
    if (index % 2)
      hwsim_cancel_set(token);
    const hwsim_call call = {1000000, token, NULL};
    if (hwsim_device_open("hwsim://d?latency=0s", &device) == HWSIM_EINUSE) {
      hwsim_error error = hwsim_wait_free("d", &call);
      CHECK(!error || error == HWSIM_ETIMEOUT || error == HWSIM_ECANCELLED);
    }
    hwsim_device_free(device);
    hwsim_cancel_free(token);
  }
}

static void threads_that_give_up_disturb_no_others(void) {
  in_parallel(8, take_turns_or_give_up, NULL);
}

static const test tests[] = {
    TEST(a_name_that_nobody_uses_is_not_waited_for),
    TEST(closing_the_device_ends_all_waits_for_its_name),
    TEST(a_wait_ends_by_its_timeout_and_says_so),
    TEST(a_wait_ends_by_its_token),
    TEST(a_wait_ends_by_the_interrupt_check),
    TEST(a_check_that_forks_leaves_a_child_that_waits_for_nothing),
    TEST(threads_that_wait_take_turns),
    TEST(threads_that_give_up_disturb_no_others),
};
CHECK_MAIN(tests)
