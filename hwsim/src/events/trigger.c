/* The software trigger: an operation that does nothing but cause an event. */
#include "events/occurrence.h"
#include "timeline/call.h"

typedef struct trigger_op {
  op base;
  double value;
} trigger_op;

static hwsim_error apply(hwsim_device *device, op *base, int64_t at_ns) {
  double value = ((trigger_op *)base)->value;
  observers_tell(
      device,
      &(occurrence){.kind = HWSIM_EVENT_TRIGGER, .at_ns = at_ns, .value = value, .cause = base});
  return HWSIM_OK;
}

hwsim_error hwsim_event_trigger(hwsim_device *device, double value, const hwsim_call *call) {
  static const op_kind kind = {.row = OPERATION(device, trigger), .apply = apply, .timed = true};
  trigger_op self;
  op_prepare(&self.base, &kind);
  self.value = value;
  return call_run(device, &self.base, sizeof self, call);
}
