/* Moving a manual clock: what is due by then takes effect, in slices, between which others have
 * their turn. */
#include "base/error.h"
#include "base/handle.h"
#include "timeline/bus.h"
#include "timeline/callout.h"
#include "timeline/wait.h"
#include "timeline/work.h"

/* Moves the clock for a slice; *left_ns_io is what is left of the step. Mutex held. */
static hwsim_error advance(hwsim_device *device, const hwsim_operation *operation,
                           int64_t *left_ns_io) {
  int64_t from_ns = timeline_now(device), longest_ns = END_NS - from_ns;
  if (device->config.clock != HWSIM_CLOCK_MANUAL)
    return error_set(HWSIM_ESTATE, device->config.name, operation->name,
                     "only a manual clock can be advanced; open the device with clock=manual");
  if (*left_ns_io < 0 || *left_ns_io > longest_ns)
    return error_set(HWSIM_EINVALID, device->config.name, operation->name,
                     "the step must be from 0 to %lld ns, got %lld ns", (long long)longest_ns,
                     (long long)*left_ns_io);
  timeline_move(device, from_ns + *left_ns_io);
  *left_ns_io -= timeline_now(device) - from_ns;
  return HWSIM_OK;
}

/* What one slice was not enough for, and what waits for a behaviour. */
static hwsim_error go_on(hwsim_device *device, const hwsim_operation *operation, int64_t left_ns) {
  work work;
  hwsim_error error = work_begin(&work, device, operation, 0, FOREVER, NULL, NULL);
  if (error)
    return error;
  handle_retain(device); /* its owner may free it meanwhile */
  bool more = true;
  while (more && !(error = work_check(&work)) && !(error = timeline_lock(device, operation))) {
    if (bus_make_call(device, NULL) == CALL_FORKED) {
      error = error_set_plain(HWSIM_EFORKED, device->config.name, operation->name);
      break;
    }
    error = advance(device, operation, &left_ns);
    more = !error && (left_ns || timeline_is_held(device));
    if (more && timeline_is_held(device))
      wait_while_held(device);
    else if (more)
      wait_give_way(timeline_mutex(device));
    timeline_unlock(device);
    if (error)
      break;
  }
  handle_release(device);
  work_end(&work, !error);
  return error;
}

hwsim_error hwsim_clock_advance(hwsim_device *device, int64_t step_ns) {
  const hwsim_operation *operation = OPERATION(device, advance);
  int64_t left_ns = step_ns;
  if (callout_forbids(device))
    return callout_refuse(device, operation);
  hwsim_error error = timeline_lock(device, operation);
  if (error)
    return error;
  error = advance(device, operation, &left_ns);
  bool held = timeline_is_held(device);
  timeline_unlock(device);
  return error || (!left_ns && !held) ? error : go_on(device, operation, left_ns);
}
