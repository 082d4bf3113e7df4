/* fork(): in the child a handle of the parent's is dead, everything else works. */
#include "threads.h"

#include <sys/wait.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZER_LOCKS_DIE_IN_FORK 1
#else
#define SANITIZER_LOCKS_DIE_IN_FORK 0
#endif

/* Exit status of `child_runs`, run in a child process; its failed checks give 1. */
static int in_a_child(int (*child_runs)(void *), void *argument) {
  int status = -1;
  pid_t child = fork();
  if (child == 0)
    _exit(child_runs(argument));
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
  return WEXITSTATUS(status);
}

static int use_inherited(void *argument) {
  hwsim_device *device = argument;
  uint64_t transactions;
  uint32_t pending;
  int64_t time_ns;
  CHECK_FAILS(read_once(device), HWSIM_EFORKED);
  CHECK_TEXT(hwsim_error_last()->device, "d");
  CHECK_FAILS(hwsim_device_reset(device, NULL), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_device_cancel(device), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_device_get_timeout(device, &time_ns), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_device_set_timeout(device, 1), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_device_transactions(device, &transactions), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_device_pending(device, &pending), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_device_wait_pending(device, 1, NULL), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_clock_now(device, &time_ns), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_clock_advance(device, 1), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_fault_clear(device), HWSIM_EFORKED);
  CHECK(!hwsim_device_is_open(device));
  hwsim_device_close(device);
  hwsim_device_free(device);
  return 0;
}

static int open_the_same_name(void *inherited) {
  hwsim_device *own = open_device("hwsim://d?clock=virtual");
  CHECK_OK(read_once(own));
  hwsim_device_close(inherited); /* the name is the child's own */
  CHECK(hwsim_device_is_open(own));
  hwsim_device_free(own);
  hwsim_device_free(open_device("hwsim://d"));
  return 0;
}

static void a_child_gets_eforked_from_inherited_handles(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  CHECK_EQUAL(in_a_child(use_inherited, device), 0);
  CHECK(hwsim_device_is_open(device));
  hwsim_device_free(device);
}

static void a_child_can_open_the_same_name_anew(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  CHECK_EQUAL(in_a_child(open_the_same_name, device), 0);
  CHECK_OK(read_once(device));
  hwsim_device_free(device);
}

static void fork_does_not_disturb_those_who_wait(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  operation reader = {.device = device, .run = run_read, .call = &forever}, watcher = reader;
  watcher.run = run_wait;
  watcher.mask = watcher.value = 1; /* of ID: true once it is looked at */
  operation_start(&reader);
  operation_start(&watcher);
  CHECK_EQUAL(in_a_child(use_inherited, device), 0);
  advance(device, 2 * MS);
  CHECK_EQUAL(operation_join(&reader), HWSIM_OK);
  CHECK_EQUAL(operation_join(&watcher), HWSIM_OK);
  hwsim_device_free(device);
}

/* A hook that forks, as an interpreter's signal handler may: in the child the wait is not its own.
 */
static pid_t hook_child;

static void fork_in_enter(void *user, int64_t expected_ns) {
  (void)user, (void)expected_ns;
  hook_child = fork();
}

static int fork_in_poll(void *user) {
  (void)user;
  hook_child = fork();
  return hook_child != 0; /* in the parent that is enough */
}

static void do_not_fork(void *user, int64_t expected_ns) { (void)user, (void)expected_ns; }
static void ignore(void *user) { (void)user; }

static void check_eforked_after(const char *uri, hwsim_hooks hooks, hwsim_error in_parent) {
  hwsim_device *device = open_device(uri);
  int status = -1;
  hwsim_hooks_set(&hooks);
  hwsim_error error = read_once(device);
  hwsim_hooks_set(NULL);
  if (hook_child == 0)
    _exit(error == HWSIM_EFORKED ? 0 : 2);
  CHECK_EQUAL(error, in_parent);
  CHECK(waitpid(hook_child, &status, 0) == hook_child && WIFEXITED(status));
  CHECK_EQUAL(WEXITSTATUS(status), 0);
  hwsim_device_free(device);
}

static void a_fork_in_poll_ends_the_childs_wait(void) {
  check_eforked_after("hwsim://d?latency=1s&timeout=inf",
                      (hwsim_hooks){do_not_fork, ignore, fork_in_poll, NULL}, HWSIM_ECANCELLED);
}

static void a_fork_in_enter_ends_the_childs_wait(void) {
  check_eforked_after("hwsim://d?latency=20ms", (hwsim_hooks){fork_in_enter, ignore, NULL, NULL},
                      HWSIM_OK);
}

static int use_inherited_token(void *token) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual");
  const hwsim_call call = {HWSIM_TIMEOUT_DEFAULT, token, NULL};
  uint64_t value;
  CHECK_FAILS(hwsim_register_read(device, 0, &call, &value), HWSIM_EFORKED);
  hwsim_cancel_set(token);
  hwsim_cancel_free(token);
  return 0;
}

static void an_inherited_token_gives_eforked(void) {
  hwsim_device *device = open_device("hwsim://first");
  hwsim_cancel *token;
  CHECK_OK(hwsim_cancel_new(&token));
  CHECK_EQUAL(in_a_child(use_inherited_token, token), 0);
  CHECK(!hwsim_cancel_is_set(token));
  hwsim_cancel_free(token);
  hwsim_device_free(device);
}

typedef struct busy {
  hwsim_device *device;
  int forks;
} busy;

/* One thread forks, while the others open, use and close devices as fast as they can. */
static void fork_or_work(int index, void *shared) {
  busy *self = shared;
  char uri[64];
  if (index == 0)
    for (int i = 0; i < self->forks; i++)
      CHECK_EQUAL(in_a_child(i % 2 ? use_inherited : open_the_same_name, self->device), 0);
  else
    for (int i = 0; i < 300; i++) {
      snprintf(uri, sizeof uri, "hwsim://worker%d?latency=0s", index);
      hwsim_device *own = open_device(uri);
      CHECK_OK(read_once(own));
      CHECK_OK(read_once(self->device));
      hwsim_device_free(own);
    }
}

static void fork_amid_busy_threads_leaves_a_child_that_works(void) {
  if (SANITIZER_LOCKS_DIE_IN_FORK) {
    puts("  skipped: the sanitizer's own locks do not survive such a fork");
    return;
  }
  busy self = {open_device("hwsim://d?latency=0s&clock=manual"), 20};
  in_parallel(4, fork_or_work, &self);
  hwsim_device_free(self.device);
}

static const test tests[] = {
    TEST(a_child_gets_eforked_from_inherited_handles),
    TEST(a_child_can_open_the_same_name_anew),
    TEST(fork_does_not_disturb_those_who_wait),
    TEST(a_fork_in_poll_ends_the_childs_wait),
    TEST(a_fork_in_enter_ends_the_childs_wait),
    TEST(an_inherited_token_gives_eforked),
    TEST(fork_amid_busy_threads_leaves_a_child_that_works),
};
CHECK_MAIN(tests)
