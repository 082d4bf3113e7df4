/* Events and fork(): the child has neither the parent's subscriptions nor its timer thread, and
 * gets a thread of its own when it needs one; the parent notices nothing. */
#include "witness.h"

#include <stdatomic.h>
#include <sys/wait.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZER_HINDERS_FORK 1 /* no threads in the child, or locks that do not survive it */
#else
#define SANITIZER_HINDERS_FORK 0
#endif

static int exit_status(pid_t child) {
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
  return WEXITSTATUS(status);
}

/* Exit status of `child_runs`, run in a child process; its failed checks give 1. */
static int in_a_child(void (*child_runs)(void *), void *argument) {
  pid_t child = fork();
  if (child == 0) {
    child_runs(argument);
    _exit(0);
  }
  return exit_status(child);
}

static bool skipped(void) {
  if (SANITIZER_HINDERS_FORK)
    puts("  skipped: the sanitizer does not survive such a fork");
  return SANITIZER_HINDERS_FORK;
}

static void use_inherited(void *argument) {
  hwsim_subscription *subscription = argument;
  hwsim_subscription_status status;
  hwsim_event event;
  size_t count;
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, &at_once, &event, &count), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_subscription_get_status(subscription, &status), HWSIM_EFORKED);
  CHECK(!hwsim_subscription_is_open(subscription));
  hwsim_subscription_close(subscription);
  hwsim_subscription_free(subscription);
}

static void use_inherited_device(void *argument) {
  hwsim_device *device = argument;
  hwsim_subscription_config config = {KIND(TRIGGER), 1, HWSIM_OVERFLOW_DROP, {0}};
  hwsim_subscription *subscription;
  int64_t period_ns;
  CHECK_FAILS(hwsim_subscription_new(device, &config, &subscription), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_timer_set(device, MS), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_timer_get(device, &period_ns), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_threshold_set(device, 0, 0, 0), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_threshold_clear(device, 0), HWSIM_EFORKED);
  CHECK_FAILS(hwsim_event_trigger(device, 0, NULL), HWSIM_EFORKED);
}

static void a_child_gets_eforked_from_inherited_subscriptions(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, ALL_KINDS, 10);
  trigger(device, 5);
  CHECK_EQUAL(in_a_child(use_inherited, subscription), 0);
  CHECK_EQUAL(in_a_child(use_inherited_device, device), 0);
  CHECK(hwsim_subscription_is_open(subscription));
  CHECK_EVENT(take_one(subscription), TRIGGER, 0, 0, 0, 0, 5);
  hwsim_subscription_free(subscription);
  hwsim_device_free(device);
}

static void leave_a_handler_alone(void *argument) {
  witness *inherited = argument;
  hwsim_subscription_close(inherited->subscription);
  hwsim_subscription_free(inherited->subscription);
  CHECK_OK(hwsim_events_stop(0)); /* there is no thread to wait for */
  CHECK_EQUAL(inherited->released, 0);
}

static void a_child_calls_no_inherited_handler(void) {
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  trigger(device, 0);
  witness_await_idle(self, 1);
  CHECK_EQUAL(in_a_child(leave_a_handler_alone, self), 0);
  trigger(device, 1);
  witness_await(self, 2);
  witness_end(self);
  hwsim_device_free(device);
}

static void listen_anew(void *argument) {
  if (argument)
    leave_a_handler_alone(argument);
  for (int i = 0; i < 3; i++) {
    hwsim_device *own = open_device("hwsim://d?latency=0s&timer=100us");
    witness *self = witness_start(own, KIND(TIMER) | KIND(TRIGGER), NULL);
    trigger(own, 7);
    witness_await(self, 5);
    if (i % 2)
      stop_events();
    witness_end(self);
    hwsim_device_free(own);
  }
}

static void a_childs_own_subscriptions_have_a_thread_of_their_own(void) {
  if (skipped())
    return;
  hwsim_device *device = open_device("hwsim://d?timer=100us");
  witness *self = witness_start(device, KIND(TIMER), NULL);
  for (int i = 0; i < 5; i++) {
    size_t before = witness_count(self);
    CHECK_EQUAL(in_a_child(listen_anew, self), 0);
    witness_await(self, before + 3); /* the parent goes on */
  }
  witness_end(self);
  hwsim_device_free(device);
}

static void fork_while_a_handler_is_held(void) {
  if (skipped())
    return;
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  witness_hold(self);
  trigger(device, 0);
  witness_await(self, 1);
  trigger(device, 1);
  CHECK_EQUAL(in_a_child(listen_anew, self), 0);
  CHECK_EQUAL(witness_released(self), 0);
  witness_let_go(self);
  witness_await(self, 2);
  witness_end(self);
  hwsim_device_free(device);
}

static void fork_after_a_stop(void) {
  if (skipped())
    return;
  hwsim_device *device = open_device(MANUAL);
  witness *self = witness_start(device, KIND(TRIGGER), NULL);
  stop_events();
  CHECK_EQUAL(in_a_child(listen_anew, self), 0);
  witness_end(self);
  hwsim_device_free(device);
}

static void listen_in_a_grandchild(void *inherited) {
  listen_anew(inherited);
  CHECK_EQUAL(in_a_child(listen_anew, NULL), 0);
}

static void a_grandchild_can_listen_too(void) {
  if (!skipped())
    CHECK_EQUAL(in_a_child(listen_in_a_grandchild, NULL), 0);
}

/* --------------------------------------------------------------------- fork() in the handler -- */

static _Atomic pid_t handlers_child;

static void fork_and_listen(void *user, hwsim_subscription *subscription, const hwsim_event *events,
                            size_t count) {
  (void)user, (void)events, (void)count;
  if (handlers_child)
    return;
  pid_t child = fork();
  if (child == 0) {
    hwsim_subscription_status status;
    CHECK_FAILS(hwsim_subscription_get_status(subscription, &status), HWSIM_EFORKED);
    CHECK(!hwsim_subscription_is_open(subscription));
    hwsim_subscription_close(subscription);
    listen_anew(NULL);
    _exit(0);
  }
  handlers_child = child;
}

static void exit_quickly(void) { _exit(0); }

/* What the parent's other threads hold looks like a leak in the child. */
static void fork_for_the_handler(void) {
  pid_t child = fork();
  if (child)
    handlers_child = child;
  else
    atexit(exit_quickly);
}

static void fork_and_return(void *user, hwsim_subscription *subscription, const hwsim_event *events,
                            size_t count) {
  static pid_t caller;
  (void)user, (void)subscription, (void)events, (void)count;
  if (caller && caller != getpid())
    _exit(3); /* called in the child */
  caller = getpid();
  if (!handlers_child)
    fork_for_the_handler();
}

static void check_fork_in(void (*handle)(void *, hwsim_subscription *, const hwsim_event *,
                                         size_t)) {
  hwsim_device *device = open_device("hwsim://d?timer=200us");
  const hwsim_subscription_config config = {
      KIND(TIMER), 10, HWSIM_OVERFLOW_DROP, {handle, NULL, NULL}};
  handlers_child = 0;
  hwsim_subscription *subscription = subscribe_with(device, config);
  witness *fence = witness_start(device, KIND(TIMER), NULL);
  while (!handlers_child)
    witness_await(fence, witness_count(fence) + 1);
  CHECK_EQUAL(exit_status(handlers_child), 0);
  witness_await(fence, witness_count(fence) + 3);
  hwsim_subscription_free(subscription);
  witness_end(fence);
  hwsim_device_free(device);
}

static void a_handler_may_fork(void) {
  if (!skipped())
    check_fork_in(fork_and_listen);
}

/* The child's only thread is a timer thread without anything to do: it ends, and so does the child.
 */
static void a_child_that_returns_from_the_handler_ends(void) { check_fork_in(fork_and_return); }

static void close_it(void *user, hwsim_subscription *subscription, const hwsim_event *events,
                     size_t count) {
  (void)user, (void)events, (void)count;
  hwsim_subscription_close(subscription);
}

static void fork_in_release(void *user) {
  (void)user;
  fork_for_the_handler();
}

static void a_child_that_returns_from_release_ends(void) {
  hwsim_device *device = open_device("hwsim://d?timer=200us");
  const hwsim_subscription_config config = {
      KIND(TIMER), 10, HWSIM_OVERFLOW_DROP, {close_it, fork_in_release, NULL}};
  handlers_child = 0;
  hwsim_subscription *subscription = subscribe_with(device, config);
  witness *fence = witness_start(device, KIND(TIMER), NULL);
  while (!handlers_child)
    witness_await(fence, witness_count(fence) + 1);
  CHECK_EQUAL(exit_status(handlers_child), 0);
  witness_await(fence, witness_count(fence) + 3);
  hwsim_subscription_free(subscription);
  witness_end(fence);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(a_child_gets_eforked_from_inherited_subscriptions),
    TEST(a_child_calls_no_inherited_handler),
    TEST(a_childs_own_subscriptions_have_a_thread_of_their_own),
    TEST(fork_while_a_handler_is_held),
    TEST(fork_after_a_stop),
    TEST(a_grandchild_can_listen_too),
    TEST(a_handler_may_fork),
    TEST(a_child_that_returns_from_the_handler_ends),
    TEST(a_child_that_returns_from_release_ends),
};
CHECK_MAIN(tests)
