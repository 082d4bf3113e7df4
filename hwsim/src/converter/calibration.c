/* Calibration: measures a converter with a reference sine, after IEEE Std 1241-2010, and corrects
 * it.
 *
 * Two tests: a four-parameter sine fit (gain, offset, SINAD, ENOB) and a code-density test (INL,
 * DNL, missing codes). The record is not stored: each pass over it generates its samples again. */
#include "base/error.h"
#include "base/handle.h"
#include "converter/signal.h"
#include "timeline/bus.h"
#include "timeline/job.h"
#include "timeline/work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
#define LAST_CODE (HWSIM_CODES - 1)
enum { PIECE = 16384, FIT_PASSES = 4, PASSES = FIT_PASSES + 2 };

/* ------------------------------------------------------------------ the run of a calibration -- */

typedef struct run {
  hwsim_device *device;
  uint32_t channel;
  uint64_t samples, cycles; /* coherent sampling: relatively prime */
  signal_source reference;  /* lives here, so it is not counted */
  signal_plan plan;
  work work;
  int16_t codes[PIECE];
  uint32_t histogram[HWSIM_CODES];
  double inl[HWSIM_CODES], dnl[HWSIM_CODES]; /* index k: at the transition from code k - 1 to k */
} run;

static void set_reference(run *self, double amplitude_v) {
  self->reference.config.amplitude_v = amplitude_v;
  self->plan = signal_plan_for(&self->reference, self->device->config.seed, self->channel,
                               (double)self->samples);
}

/* The next piece of the record, from sample n on; returns its length, 0: stopped. */
static size_t next_piece(run *self, uint64_t n, hwsim_error *error_out) {
  size_t count = self->samples - n < PIECE ? (size_t)(self->samples - n) : PIECE;
  *error_out = work_step(&self->work, count);
  if (*error_out)
    return 0;
  signal_codes(&self->plan, n, count, self->codes);
  return count;
}

/* ------------------------------------------------------------------------------ the sine fit -- */

/* y = a cos + b sin + c: the standard's least-squares fits to sine-wave data, with three parameters
 * (known frequency) and with four (iterated). t runs from -1/2 to 1/2 over the record, which keeps
 * the equations well conditioned. */
typedef struct sine_fit {
  double a, b, c, cycles;
} sine_fit;

static void solve(size_t order, double matrix[4][5]) {
  for (size_t column = 0; column < order; column++) {
    size_t pivot = column;
    for (size_t row = column + 1; row < order; row++)
      if (fabs(matrix[row][column]) > fabs(matrix[pivot][column]))
        pivot = row;
    for (size_t j = 0; j < 5; j++) {
      double swapped = matrix[column][j];
      matrix[column][j] = matrix[pivot][j];
      matrix[pivot][j] = swapped;
    }
    for (size_t row = 0; row < order; row++) {
      double factor = row == column ? 0 : matrix[row][column] / matrix[column][column];
      for (size_t j = column; j < 5; j++)
        matrix[row][j] -= factor * matrix[column][j];
    }
  }
  for (size_t row = 0; row < order; row++)
    matrix[row][4] /= matrix[row][row];
}

/* One pass: a least-squares step of `order` parameters, 3 or 4. */
static hwsim_error fit_pass(run *self, size_t order, sine_fit *fit) {
  double matrix[4][5] = {{0}};
  hwsim_error error = HWSIM_OK;
  size_t count;
  for (uint64_t n = 0; n < self->samples; n += count) {
    if (!(count = next_piece(self, n, &error)))
      return error;
    for (size_t i = 0; i < count; i++) {
      double t = (double)(n + i) / (double)self->samples - 0.5, angle = 2 * PI * fit->cycles * t;
      double cosine = cos(angle), sine = sin(angle);
      double column[5] = {cosine, sine, 1, 2 * PI * t * (fit->b * cosine - fit->a * sine),
                          self->codes[i]};
      for (size_t row = 0; row < order; row++)
        for (size_t j = row; j < 5; j++)
          matrix[row][j] += column[row] * column[j];
    }
  }
  for (size_t row = 0; row < order; row++)
    for (size_t j = 0; j < row; j++)
      matrix[row][j] = matrix[j][row];
  solve(order, matrix);
  fit->a = matrix[0][4];
  fit->b = matrix[1][4];
  fit->c = matrix[2][4];
  fit->cycles += order == 4 ? matrix[3][4] : 0;
  return HWSIM_OK;
}

static hwsim_error residual_pass(run *self, const sine_fit *fit, double *rms_out) {
  double sum = 0;
  hwsim_error error = HWSIM_OK;
  size_t count;
  for (uint64_t n = 0; n < self->samples; n += count) {
    if (!(count = next_piece(self, n, &error)))
      return error;
    for (size_t i = 0; i < count; i++) {
      double t = (double)(n + i) / (double)self->samples - 0.5, angle = 2 * PI * fit->cycles * t;
      double rest = self->codes[i] - fit->a * cos(angle) - fit->b * sin(angle) - fit->c;
      sum += rest * rest;
    }
  }
  *rms_out = sqrt(sum / (double)self->samples);
  return HWSIM_OK;
}

/* Lowers the reference until nothing of its first cycles touches full scale. */
static hwsim_error choose_reference(run *self, hwsim_calibration *result) {
  double amplitude = 0.9 * self->reference.config.range_v;
  for (int attempt = 0; attempt < 8; attempt++, amplitude /= 1.5) {
    set_reference(self, amplitude);
    signal_codes(&self->plan, 0, PIECE, self->codes);
    bool clipped = false;
    for (size_t i = 0; i < PIECE; i++)
      clipped |= self->codes[i] == INT16_MIN || self->codes[i] == INT16_MAX;
    if (!clipped) {
      result->reference_v = amplitude;
      return HWSIM_OK;
    }
  }
  return error_set(HWSIM_ESTATE, self->device->config.name, OPERATION(device, calibrate)->name,
                   "channel %u saturates at every reference: its offset error is too large",
                   self->channel);
}

static hwsim_error fit_sine(run *self, hwsim_calibration *result) {
  hwsim_error error = choose_reference(self, result);
  sine_fit fit = {.cycles = (double)self->cycles};
  for (int pass = 0; pass < FIT_PASSES && !error; pass++)
    error = fit_pass(self, pass ? 4 : 3, &fit);
  double rms_lsb = 0;
  if (!error)
    error = residual_pass(self, &fit, &rms_lsb);
  if (error)
    return error;
  double lsb = signal_volts_per_code(&self->reference), amplitude = hypot(fit.a, fit.b);
  /* a cos + b sin = amplitude sin(angle + atan2(a, b)), with angle 0 in the middle of the record.
   */
  double phase = atan2(fit.a, fit.b) / (2 * PI) - fit.cycles / 2;
  result->amplitude_v = amplitude * lsb;
  result->offset_v = fit.c * lsb;
  result->phase_turns = phase - floor(phase);
  result->cycles = fit.cycles;
  result->gain_error = result->amplitude_v / result->reference_v - 1;
  result->sinad_db = 20 * log10(amplitude / sqrt(2) / rms_lsb);
  result->enob = 16 - log2(rms_lsb * sqrt(12));
  return HWSIM_OK;
}

/* --------------------------------------------------------------------- the code-density test -- */

/* The standard's sine-wave histogram: the sine goes a little beyond full scale, and the share of
 * samples below a code tells where on the sine its transition is, T[k] = -overdrive cos(pi share).
 */
static hwsim_error count_codes(run *self, hwsim_calibration *result) {
  double range = self->reference.config.range_v;
  result->overdrive_v = 1.02 * (range + fabs(result->offset_v)) / (1 + result->gain_error);
  set_reference(self, result->overdrive_v);
  hwsim_error error = HWSIM_OK;
  size_t count;
  for (uint64_t n = 0; n < self->samples; n += count) {
    if (!(count = next_piece(self, n, &error)))
      return error;
    for (size_t i = 0; i < count; i++)
      self->histogram[self->codes[i] + 32768]++;
  }
  return HWSIM_OK;
}

/* Terminal-based: the straight line goes through the first and the last transition. For the
 * correction, `transition` gives the input at each transition, in LSB. */
static void linearity(run *self, hwsim_calibration *result, double *transition) {
  double lsb = signal_volts_per_code(&self->reference);
  uint64_t below = 0;
  for (size_t k = 1; k < HWSIM_CODES; k++) {
    below += self->histogram[k - 1];
    transition[k] = -result->overdrive_v / lsb * cos(PI * (double)below / (double)self->samples);
  }
  double width = (transition[LAST_CODE] - transition[1]) / (LAST_CODE - 1);
  for (size_t k = 1; k < HWSIM_CODES; k++) {
    self->inl[k] = (transition[k] - transition[1]) / width - (double)(k - 1);
    result->inl_lsb = fmax(result->inl_lsb, fabs(self->inl[k]));
  }
  for (size_t k = 1; k < LAST_CODE; k++) {
    self->dnl[k] = (transition[k + 1] - transition[k]) / width - 1;
    result->dnl_lsb = fmax(result->dnl_lsb, fabs(self->dnl[k]));
    result->missing_codes += self->dnl[k] <= -0.9;
  }
}

/* -------------------------------------------------------------------------- public functions -- */

static hwsim_error set_correction(hwsim_device *device, const hwsim_operation *operation,
                                  uint32_t channel, correction *correction) {
  hwsim_error error = timeline_lock(device, operation);
  if (error) {
    correction_release(correction);
    return error;
  }
  timeline_update(device); /* conversions done by now were not corrected by it */
  struct correction *old = converters_set_correction(device, channel, correction);
  timeline_unlock(device);
  correction_release(old);
  return HWSIM_OK;
}

static hwsim_error prepare(run *self, const hwsim_operation *operation) {
  hwsim_device *device = self->device;
  hwsim_error error = timeline_lock(device, operation);
  if (error)
    return error;
  self->reference.config = converters_plan(device, self->channel, 1, 0).source->config;
  bool off = bus_is_off(device), enabled = converters_are_enabled(device);
  timeline_unlock(device);
  if (off)
    return error_set_plain(HWSIM_EDISCONNECTED, device->config.name, operation->name);
  if (!enabled)
    return converters_say_disabled(device, operation);
  hwsim_signal *config = &self->reference.config;
  self->cycles = self->samples / 32 | 1;
  while (greatest_common_divisor(self->samples, self->cycles) != 1)
    self->cycles += 2;
  config->waveform = HWSIM_WAVEFORM_SINE;
  config->frequency_hz = (double)self->cycles;
  config->phase_turns = 0;
  config->offset_v = 0;
  return HWSIM_OK;
}

/* The arguments of a call that does not block, and its results. */
typedef struct calibration_job {
  uint32_t channel;
  uint64_t samples;
  hwsim_calibration result;
  double inl[HWSIM_CODES], dnl[HWSIM_CODES];
} calibration_job;

static hwsim_error run_job(hwsim_device *device, void *data, const hwsim_call *call,
                           const hwsim_progress *progress) {
  calibration_job *self = data;
  return hwsim_calibrate(device, self->channel, self->samples, call, progress, &self->result,
                         self->inl, self->dnl);
}

static hwsim_error calibrate_for_request(hwsim_device *device, uint32_t channel, uint64_t samples,
                                         const hwsim_call *call, hwsim_calibration *calibration_out,
                                         double *inl_out, double *dnl_out) {
  void *data;
  bool ended = false;
  hwsim_error error = job_begin(call, device->config.name, OPERATION(device, calibrate), run_job,
                                sizeof(calibration_job), &data, &ended);
  if (error)
    return error;
  calibration_job *job = data;
  if (!ended) {
    job->channel = channel;
    job->samples = samples;
    return job_start(device, call);
  }
  *calibration_out = job->result;
  if (inl_out)
    memcpy(inl_out, job->inl, sizeof job->inl);
  if (dnl_out)
    memcpy(dnl_out, job->dnl, sizeof job->dnl);
  return job_end(call);
}

hwsim_error hwsim_calibrate(hwsim_device *device, uint32_t channel, uint64_t samples,
                            const hwsim_call *call, const hwsim_progress *progress,
                            hwsim_calibration *calibration_out, double *inl_out, double *dnl_out) {
  const hwsim_operation *operation = OPERATION(device, calibrate);
  const char *name = operation->name;
  hwsim_error error = converters_check_channel(device, operation, channel);
  if (error)
    return error;
  if (samples < HWSIM_CALIBRATION_SHORTEST || samples > HWSIM_CALIBRATION_LONGEST)
    return error_set(HWSIM_EINVALID, device->config.name, name,
                     "samples must be from %d to %d, got %llu", HWSIM_CALIBRATION_SHORTEST,
                     HWSIM_CALIBRATION_LONGEST, (unsigned long long)samples);
  if (request_of(call))
    return calibrate_for_request(device, channel, samples, call, calibration_out, inl_out, dnl_out);
  handle_retain(device); /* its owner may free it meanwhile */
  run *self = calloc(1, sizeof *self);
  double *transition = calloc(HWSIM_CODES, sizeof *transition);
  hwsim_calibration result = {0};
  if (!self || !transition) {
    error = error_no_memory(device->config.name, name);
    goto done;
  }
  self->device = device;
  self->channel = channel;
  self->samples = samples;
  error = prepare(self, operation);
  if (error)
    goto done;
  error = work_begin(&self->work, device, operation, PASSES * samples, FOREVER, call, progress);
  if (error)
    goto done;
  error = fit_sine(self, &result);
  if (!error)
    error = count_codes(self, &result);
  work_end(&self->work, !error);
  if (error)
    goto done;
  linearity(self, &result, transition);
  correction *correction = correction_new(transition);
  error = correction ? set_correction(device, operation, channel, correction)
                     : error_no_memory(device->config.name, name);
  if (error)
    goto done;
  *calibration_out = result;
  if (inl_out)
    memcpy(inl_out, self->inl, sizeof self->inl);
  if (dnl_out)
    memcpy(dnl_out, self->dnl, sizeof self->dnl);
done:
  free(transition);
  free(self);
  handle_release(device);
  return error;
}

hwsim_error hwsim_calibration_clear(hwsim_device *device, uint32_t channel) {
  const hwsim_operation *operation = OPERATION(device, clear_calibration);
  hwsim_error error = converters_check_channel(device, operation, channel);
  return error ? error : set_correction(device, operation, channel, NULL);
}
