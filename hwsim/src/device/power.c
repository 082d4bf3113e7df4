/* Power: switches the parts of a device off and on, each in its turn.
 *
 * A device gets its power through the cable: who is disconnected has none. Without power nothing
 * happens, and what would have come is counted as lost: samples that had not been read, ticks,
 * crossings. With the power it boots: its registers are reset, and all that runs starts anew. */
#include "device/power.h"

#include "converter/output.h"
#include "converter/threshold.h"
#include "events/occurrence.h"
#include "events/ticks.h"
#include "models/rules.h"
#include "parts/behaviours.h"
#include "parts/firmware.h"
#include "parts/registers.h"
#include "timeline/bus.h"

void power_off(hwsim_device *device, const op *cause, int64_t at_ns) {
  if (!bus_is_off(device)) {
    ticks_power_off(device, at_ns);
    behaviours_power_off(device);
    outputs_power_off(device, at_ns);
    observers_tell(device,
                   &(occurrence){.kind = HWSIM_EVENT_DISCONNECT, .at_ns = at_ns, .cause = cause});
    rules_power_off(device); /* also those that this event has set off */
  }
  if (bus_off(device)) { /* right before the operation that a reconnect was injected for */
    power_on(device, at_ns);
    bus_restart(device, at_ns);
  }
}

void power_on(hwsim_device *device, int64_t at_ns) {
  if (!bus_is_off(device))
    return;
  bus_on(device, at_ns);
  firmware_boot(device);
  registers_reset(device, false, NULL, at_ns);
  /* Also in registers that have just been reset it can be seen what has happened. */
  registers_set(device, HWSIM_ROLE_EVENT_STATUS,
                registers_get(device, HWSIM_ROLE_EVENT_STATUS) |
                    HWSIM_EVENT_BIT(HWSIM_EVENT_DISCONNECT),
                at_ns);
  ticks_power_on(device, at_ns);
  comparators_power_on(device, at_ns);
  observers_tell(device, &(occurrence){.kind = HWSIM_EVENT_RECONNECT, .at_ns = at_ns});
}
