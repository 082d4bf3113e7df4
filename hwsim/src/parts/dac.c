/* Digital-to-analogue converters: an operation that finds the code of a voltage. */
#include "base/error.h"
#include "base/handle.h"
#include "base/text.h"
#include "converter/output.h"
#include "parts/registers.h"
#include "timeline/call.h"

#include <math.h>

typedef struct set_op {
  op base;
  bits source;
  uint64_t code;
} set_op;

static hwsim_error apply(hwsim_device *device, op *base, int64_t at_ns) {
  const set_op *self = (const set_op *)base;
  const bits *source = &self->source;
  registers_change(device, source->place, source->mask, self->code << source->lsb, base, at_ns);
  return HWSIM_OK;
}

hwsim_error hwsim_output_set(hwsim_device *device, uint32_t output, double volts,
                             const hwsim_call *call) {
  static const op_kind kind = {.row = OPERATION(device, set_output), .apply = apply};
  hwsim_error error = outputs_check(device, kind.row, output);
  if (error)
    return error;
  hwsim_output_scale scale = outputs_scale(device, output);
  const output_plan *plan = &device->model->made->plan->outputs[output];
  double last = (double)((UINT64_C(1) << scale.bits) - 1);
  double step_v = (scale.highest_v - scale.lowest_v) / last;
  double own_v = device->model->outputs[output].range_v;
  double full_v = own_v > 0 ? own_v : device->config.range_v;
  if (!(volts >= scale.lowest_v && volts <= full_v))
    return error_set(HWSIM_EINVALID, device->config.name, kind.row->name,
                     "volts must be from %s to %s, got %s", NUMBER(scale.lowest_v), NUMBER(full_v),
                     NUMBER(volts));
  double highest = round(scale.highest_v / step_v);
  set_op self;
  op_prepare(&self.base, &kind);
  self.source = plan->source;
  self.code = plan_code(plan, (int64_t)fmin(round(volts / step_v), highest));
  return call_run(device, &self.base, sizeof self, call);
}
