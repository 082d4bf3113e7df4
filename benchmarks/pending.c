/* Many operations pending on one device: nanoseconds an operation to submit them, and then to let
 * them happen, or to cancel each by a token of its own. Uses inner parts of the library. */
#include "base/time.h"
#include "timeline/submit.h"

#include <stdlib.h>

static hwsim_error apply(hwsim_device *device, op *self, int64_t at_ns) {
  (void)device, (void)self, (void)at_ns;
  return HWSIM_OK;
}

static const op_kind kind = {.row = OPERATION(device, read_register), .apply = apply};

static void count(op *self, void *user) {
  (void)self;
  ++*(size_t *)user;
}

static void cancel_each(hwsim_cancel **tokens, size_t many, int from_the_end) {
  for (size_t i = 0; i < many; i++)
    hwsim_cancel_set(tokens[from_the_end ? many - 1 - i : i]);
}

/* how: 0 settle, 1 cancel from the first on, 2 from the last on. A negative result: it failed. */
__attribute__((visibility("default"))) double pending(size_t many, int how) {
  hwsim_device *device = NULL;
  op *all = calloc(many, sizeof *all);
  hwsim_cancel **tokens = calloc(many, sizeof(hwsim_cancel *));
  size_t ended = 0, made = 0, submitted = 0;
  bool good = all && tokens &&
              !hwsim_device_open("hwsim://pending?clock=manual&latency=1us&timeout=inf", &device);
  while (good && made < many && !hwsim_cancel_new(&tokens[made]))
    made++;
  good = good && made == many;
  int64_t start_ns = monotonic_ns();
  for (; good && submitted < many; submitted++) {
    const hwsim_call call = {HWSIM_TIMEOUT_DEFAULT, how ? tokens[submitted] : NULL, NULL};
    op_prepare(&all[submitted], &kind);
    if (hwsim_submit(device, &all[submitted], &call, count, NULL, &ended))
      break;
  }
  good = good && submitted == many;
  if (good && how)
    cancel_each(tokens, many, how == 2);
  else if (good)
    good = !hwsim_clock_advance(device, HOUR_NS);
  int64_t end_ns = monotonic_ns();
  hwsim_device_close(device);
  good = good && ended == many;
  for (size_t i = 0; i < submitted; i++)
    submit_end(device, &all[i]);
  for (size_t i = 0; i < made; i++)
    hwsim_cancel_free(tokens[i]);
  hwsim_device_free(device);
  free(tokens);
  free(all);
  return good ? (double)(end_ns - start_ns) / (double)many : -1;
}
