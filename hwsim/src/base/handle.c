/* The life of a device: who keeps it open, and who keeps its memory. */
#include "base/handle.h"

unsigned fork_generation;

hwsim_device *handle_retain(hwsim_device *device) {
  atomic_fetch_add(&device->references, 1);
  return device;
}

void handle_release(hwsim_device *device) {
  if (atomic_fetch_sub(&device->references, 1) > 1)
    return;
  if (handle_is_forked(device))
    return; /* its locks and lists may be in any state: leave the copy to the end of the process */
  device->life->end(device);
  handle_drop(device);
}

void handle_hold(hwsim_device *device) { atomic_fetch_add(&device->holders, 1); }

void handle_drop(hwsim_device *device) {
  if (atomic_fetch_sub(&device->holders, 1) == 1)
    device->life->destroy(device);
}
