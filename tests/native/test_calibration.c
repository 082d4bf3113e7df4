/* Calibration: the same numbers every time, and an end at every checkpoint.
 *
 * Reports and polls are due every 20 and 50 ms. The tests replace the clock that the library reads
 * by one that can be made to jump, so that they are due at every checkpoint. */
#include "threads.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#define SAMPLES (1 << 18)
#define WHOLE (6 * SAMPLES) /* what is reported as total: five passes of the fit, a histogram */
#define PIECE 16384         /* samples at most from checkpoint to checkpoint: well below 10 ms */
#define CHECKPOINTS (WHOLE / PIECE)

static atomic_llong jump_ns, jumped_ns; /* at each reading; so far */

#ifdef __linux__
int clock_gettime(clockid_t clock, struct timespec *time) {
  long result = syscall(SYS_clock_gettime, clock, time);
  long long jumped = atomic_fetch_add(&jumped_ns, jump_ns) + time->tv_nsec;
  time->tv_sec += jumped / S;
  time->tv_nsec = jumped % S;
  return (int)result;
}
#endif

static hwsim_device *open_bad_converter(const char *uri) {
  hwsim_device *device = open_device(uri);
  hwsim_signal signal;
  CHECK_OK(hwsim_signal_default(device, 0, &signal));
  signal.waveform = HWSIM_WAVEFORM_DC;
  signal.offset_v = 5;
  signal.gain_error = 0.02;
  signal.offset_error_v = -0.3;
  signal.inl_lsb = 12;
  signal.noise_v = 0;
  CHECK_OK(hwsim_signal_set(device, 0, &signal, NULL, 0));
  return device;
}

static double read_voltage(hwsim_device *device) {
  double volts = 0;
  CHECK_OK(hwsim_signal_read(device, 0, &forever, &volts));
  return volts;
}

static void check_corrected(hwsim_device *device) { CHECK_NEAR(read_voltage(device), 5, 0.002); }

static hwsim_error calibrate(hwsim_device *device, const hwsim_call *call,
                             const hwsim_progress *progress, hwsim_calibration *result_out) {
  return hwsim_calibrate(device, 0, SAMPLES, call, progress, result_out, NULL, NULL);
}

/* ----------------------------------------------------------------------------------- numbers -- */

static void it_corrects_what_is_read(void) {
  hwsim_device *device = open_bad_converter("hwsim://c?latency=0s");
  hwsim_calibration result;
  double raw = read_voltage(device);
  CHECK(fabs(raw - 5) > 0.1);
  CHECK_OK(calibrate(device, NULL, NULL, &result));
  check_corrected(device);
  CHECK_NEAR(result.gain_error, 0.02, 0.001);
  CHECK_NEAR(result.offset_v, -0.3, 0.001);
  CHECK_NEAR(result.inl_lsb, 12, 1);
  CHECK_OK(hwsim_calibration_clear(device, 0));
  CHECK_NEAR(read_voltage(device), raw, 0);
  hwsim_device_free(device);
}

typedef struct measurement {
  hwsim_calibration result;
  double inl[HWSIM_CODES], dnl[HWSIM_CODES];
} measurement;

static void measure(int index, void *shared) {
  measurement *self = (measurement *)shared + index;
  char uri[64];
  snprintf(uri, sizeof uri, "hwsim://c%d?latency=0s&seed=4", index);
  hwsim_device *device = open_bad_converter(uri);
  memset(self, 0, sizeof *self);
  CHECK_OK(hwsim_calibrate(device, 0, SAMPLES, NULL, NULL, &self->result, self->inl, self->dnl));
  hwsim_device_free(device);
}

static void threads_and_repetitions_get_the_same(void) {
  enum { THREADS = 4 };
  measurement *all = calloc(THREADS + 1, sizeof *all);
  measure(THREADS, all);
  in_parallel(THREADS, measure, all);
  for (int i = 0; i < THREADS; i++)
    CHECK(memcmp(&all[i], &all[THREADS], sizeof *all) == 0);
  free(all);
}

static hwsim_device *shared_device;

static void calibrate_shared(int index, void *shared) {
  (void)index;
  hwsim_calibration result;
  CHECK_OK(calibrate(shared_device, NULL, NULL, &result));
  check_corrected(shared_device);
  CHECK_OK(calibrate(shared_device, NULL, NULL, (hwsim_calibration *)shared + index));
}

/* Readers of the correction see the old or the new one, whole. */
static void threads_may_calibrate_one_channel_while_it_is_read(void) {
  hwsim_calibration results[3];
  shared_device = open_bad_converter("hwsim://c?latency=0s");
  in_parallel(3, calibrate_shared, results);
  CHECK(memcmp(&results[0], &results[1], sizeof *results) == 0);
  CHECK(memcmp(&results[0], &results[2], sizeof *results) == 0);
  hwsim_device_free(shared_device);
}

/* ---------------------------------------------------------------------------------- stopping -- */

typedef enum way { REPORT, TOKEN, DEVICE, CLOSE, TIMEOUT, POLL, WAYS } way;

typedef struct stopper {
  way way;
  hwsim_device *device;
  hwsim_cancel *token;
  int at, reports, polls; /* stops at the checkpoint `at`, from 1; 0: never */
  uint64_t done;
} stopper;

static int report(void *user, uint64_t done, uint64_t total) {
  stopper *self = user;
  CHECK_EQUAL(total, WHOLE);
  CHECK(done > self->done && done <= total);
  self->done = done;
  if (++self->reports != self->at)
    return 0;
  if (self->way == TOKEN)
    hwsim_cancel_set(self->token);
  else if (self->way == DEVICE)
    CHECK_OK(hwsim_device_cancel(self->device));
  else if (self->way == CLOSE)
    hwsim_device_close(self->device);
  else if (self->way == TIMEOUT)
    advance(self->device, S);
  return self->way == REPORT;
}

static void ignore_enter(void *user, int64_t expected_ns) { (void)user, (void)expected_ns; }
static void ignore_leave(void *user) { (void)user; }

static int poll_checkpoint(void *user) {
  stopper *self = user;
  return ++self->polls == self->at && self->way == POLL;
}

/* One calibration that is stopped at this checkpoint; it has had no effect, and the next one works.
 */
static void check_stop(way way, int at) {
  static const hwsim_error expected[WAYS] = {HWSIM_ECANCELLED, HWSIM_ECANCELLED, HWSIM_ECANCELLED,
                                             HWSIM_ECLOSED,    HWSIM_ETIMEOUT,   HWSIM_ECANCELLED};
  stopper self = {.way = way, .at = at};
  self.device = open_bad_converter("hwsim://c?latency=0s&clock=manual");
  CHECK_OK(hwsim_cancel_new(&self.token));
  const hwsim_call call = {S, self.token, NULL};
  const hwsim_progress progress = {report, &self};
  const hwsim_hooks hooks = {ignore_enter, ignore_leave, poll_checkpoint, &self};
  hwsim_calibration result, untouched;
  memset(&result, 0x5A, sizeof result);
  untouched = result;
  double raw = read_voltage(self.device);

  hwsim_hooks_set(&hooks);
  jump_ns = S;
  hwsim_error error = calibrate(self.device, &call, &progress, &result);
  jump_ns = jumped_ns = 0;
  hwsim_hooks_set(NULL);

  CHECK_FAILS(error, expected[way]);
  CHECK_TEXT(hwsim_error_last()->operation, "calibrate");
  CHECK_EQUAL(self.reports, at);
  CHECK_EQUAL(self.done, (uint64_t)at * PIECE);
  CHECK(memcmp(&result, &untouched, sizeof result) == 0);
  if (way != CLOSE)
    CHECK_NEAR(read_voltage(self.device), raw, 0);
  hwsim_device_free(self.device);
  hwsim_cancel_free(self.token);
}

static void it_can_be_stopped_at_every_checkpoint(void) {
#ifdef __linux__
  for (int at = 1; at <= CHECKPOINTS; at++)
    check_stop((way)(at % WAYS), at);
#endif
}

static void every_way_stops_it_at_the_first_and_at_the_last(void) {
#ifdef __linux__
  for (int i = 0; i < WAYS; i++) {
    check_stop((way)i, 1);
    check_stop((way)i, CHECKPOINTS);
  }
#endif
}

static void there_is_a_checkpoint_for_each_piece(void) {
#ifdef __linux__
  stopper self = {.way = REPORT};
  self.device = open_bad_converter("hwsim://c?latency=0s");
  const hwsim_progress progress = {report, &self};
  const hwsim_hooks hooks = {ignore_enter, ignore_leave, poll_checkpoint, &self};
  hwsim_calibration result;
  hwsim_hooks_set(&hooks);
  jump_ns = S;
  CHECK_OK(calibrate(self.device, &forever, &progress, &result));
  jump_ns = jumped_ns = 0;
  hwsim_hooks_set(NULL);
  CHECK_EQUAL(self.reports, CHECKPOINTS);
  CHECK_EQUAL(self.polls, CHECKPOINTS);
  CHECK_EQUAL(self.done, WHOLE);
  hwsim_device_free(self.device);
#endif
}

static void at_real_speed_it_reports_its_end_once(void) {
  stopper self = {.way = REPORT};
  self.device = open_bad_converter("hwsim://c?latency=0s");
  const hwsim_progress progress = {report, &self};
  hwsim_calibration result;
  CHECK_OK(calibrate(self.device, NULL, &progress, &result));
  CHECK_EQUAL(self.done, WHOLE);
  check_corrected(self.device);
  hwsim_device_free(self.device);
}

/* ----------------------------------------------------------------------- from another thread -- */

static hwsim_error run_endless(operation *self) {
  hwsim_calibration result;
  return hwsim_calibrate(self->device, 0, 1 << 26, self->call, NULL, &result, NULL, NULL);
}

static void other_threads_stop_it(void) {
  for (int i = 0; i < 3; i++) {
    hwsim_device *device = open_bad_converter("hwsim://c?latency=0s");
    hwsim_cancel *token;
    CHECK_OK(hwsim_cancel_new(&token));
    const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
    operation endless = {.device = device, .run = run_endless, .call = &call};
    operation_launch(&endless);
    for (int j = 0; j < 100; j++) /* the device serves others meanwhile */
      read_voltage(device);
    if (i == 0)
      hwsim_cancel_set(token);
    else
      hwsim_device_close(device);
    CHECK_EQUAL(operation_join(&endless), i == 0 ? HWSIM_ECANCELLED : HWSIM_ECLOSED);
    hwsim_device_free(device);
    hwsim_cancel_free(token);
  }
}

static int free_device(void *user, uint64_t done, uint64_t total) {
  (void)done, (void)total;
  hwsim_device **device = user;
  hwsim_device_free(*device);
  *device = NULL;
  return 1;
}

static void its_owner_may_free_the_device_meanwhile(void) {
  hwsim_device *device = open_bad_converter("hwsim://c?latency=0s");
  const hwsim_progress progress = {free_device, &device};
  hwsim_calibration result;
  CHECK_FAILS(calibrate(device, NULL, &progress, &result), HWSIM_ECANCELLED);
  CHECK_TEXT(hwsim_error_last()->device, "c");
  device = open_bad_converter("hwsim://c?latency=0s"); /* the name is free */
  hwsim_device_free(device);
}

/* --------------------------------------------------------------------------------- arguments -- */

static void bad_arguments_are_named(void) {
  hwsim_device *device = open_bad_converter("hwsim://c?latency=0s");
  hwsim_calibration result;
  static const uint64_t samples[] = {0, SAMPLES - 1, (1 << 26) + 1, UINT64_MAX};
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    CHECK_FAILS(hwsim_calibrate(device, 0, samples[i], NULL, NULL, &result, NULL, NULL),
                HWSIM_EINVALID);
    CHECK_MESSAGE("samples must be from 262144 to 67108864");
  }
  CHECK_FAILS(hwsim_calibrate(device, 4, SAMPLES, NULL, NULL, &result, NULL, NULL), HWSIM_EINVALID);
  CHECK_MESSAGE("channel must be from 0 to 3, got 4");
  const hwsim_call negative = {-2, NULL, NULL};
  CHECK_FAILS(calibrate(device, &negative, NULL, &result), HWSIM_EINVALID);
  CHECK_MESSAGE("timeout must not be negative");
  CHECK_FAILS(hwsim_calibration_clear(device, 4), HWSIM_EINVALID);
  hwsim_device_close(device);
  CHECK_FAILS(calibrate(device, NULL, NULL, &result), HWSIM_ECLOSED);
  CHECK_FAILS(hwsim_calibration_clear(device, 0), HWSIM_ECLOSED);
  hwsim_device_free(device);
}

static void a_saturated_converter_is_not_measured(void) {
  hwsim_device *device = open_bad_converter("hwsim://c?latency=0s");
  hwsim_signal signal;
  hwsim_calibration result;
  CHECK_OK(hwsim_signal_default(device, 0, &signal));
  signal.offset_error_v = 20;
  CHECK_OK(hwsim_signal_set(device, 0, &signal, NULL, 0));
  CHECK_FAILS(calibrate(device, NULL, NULL, &result), HWSIM_ESTATE);
  CHECK_MESSAGE("saturates at every reference");
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(it_corrects_what_is_read),
    TEST(threads_and_repetitions_get_the_same),
    TEST(threads_may_calibrate_one_channel_while_it_is_read),
    TEST(it_can_be_stopped_at_every_checkpoint),
    TEST(every_way_stops_it_at_the_first_and_at_the_last),
    TEST(there_is_a_checkpoint_for_each_piece),
    TEST(at_real_speed_it_reports_its_end_once),
    TEST(other_threads_stop_it),
    TEST(its_owner_may_free_the_device_meanwhile),
    TEST(bad_arguments_are_named),
    TEST(a_saturated_converter_is_not_measured),
};
CHECK_MAIN(tests)
