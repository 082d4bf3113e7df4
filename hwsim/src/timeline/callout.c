/* Which threads are in a call that the library makes in the middle of an operation. */
#include "timeline/callout.h"

#include "base/error.h"

static _Thread_local unsigned depth;

void callout_enter(void) { depth++; }
void callout_leave(void) { depth--; }
bool callout_is_inside(void) { return depth > 0; }

hwsim_error callout_refuse(const hwsim_device *device, const hwsim_operation *operation) {
  return error_set(
      HWSIM_ESTATE, device->config.name, operation->name,
      "called in a behaviour, which it could wait for; there a transaction has what "
      "its own device's registers hold, and devices with behaviours, or on a clock that has a "
      "name, take no operation");
}
