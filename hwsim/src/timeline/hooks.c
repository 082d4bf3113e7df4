/* The hooks of the calling thread. */
#include "timeline/hooks.h"

#include "base/time.h"

static _Thread_local const hwsim_hooks *thread_hooks;

const hwsim_hooks *hwsim_hooks_set(const hwsim_hooks *hooks) {
  const hwsim_hooks *before = thread_hooks;
  thread_hooks = hooks;
  return before;
}

const hwsim_hooks *hooks_current(void) { return thread_hooks; }

const hwsim_hooks *hooks_enter(int64_t expected_ns) {
  const hwsim_hooks *hooks = thread_hooks;
  if (hooks)
    hooks->enter(hooks->user, expected_ns);
  return hooks;
}

void hooks_leave(const hwsim_hooks *entered) {
  if (entered)
    entered->leave(entered->user);
}

bool hooks_interrupted(int64_t *poll_at_ns) {
  const hwsim_hooks *hooks = thread_hooks;
  int64_t now_ns = monotonic_ns();
  if (!hooks || !hooks->poll || now_ns < *poll_at_ns)
    return false;
  *poll_at_ns = now_ns + POLL_NS;
  return hooks->poll(hooks->user) != 0;
}
