/* Firmware: programming over the bus, page by page, into the bank that does not run. The commit is
 * one last write, so whatever ends an update before it leaves the old firmware running. */
#include "parts/firmware.h"

#include "base/error.h"
#include "base/handle.h"
#include "events/occurrence.h"
#include "parts/flash.h"
#include "timeline/bus.h"
#include "timeline/call.h"
#include "timeline/job.h"
#include "timeline/work.h"

#include <stdlib.h>
#include <string.h>

#define PAGE HWSIM_FIRMWARE_PAGE

struct firmware {
  flash *flash;     /* NULL: never programmed */
  uint32_t version; /* that runs */
  bool programming;
};

size_t firmware_size(void) { return sizeof(firmware); }

void firmware_boot(hwsim_device *device) {
  firmware *self = device->firmware;
  self->flash = flash_find(device->config.name);
  self->version = self->flash ? flash_running(self->flash)->version : FACTORY_VERSION;
}

uint32_t firmware_version(const hwsim_device *device) { return device->firmware->version; }

hwsim_error hwsim_firmware_version(hwsim_device *device, uint32_t *version_out) {
  hwsim_error error = timeline_lock_any(device, OPERATION(device, firmware_version));
  if (error)
    return error;
  *version_out = firmware_version(device);
  timeline_unlock(device);
  return HWSIM_OK;
}

/* ------------------------------------------------------------------------------------ images -- */

static uint32_t read_uint32(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
         (uint32_t)bytes[3] << 24;
}

static hwsim_error bad_image(const char *device, const char *format, uint32_t got,
                             uint32_t expected) {
  return error_set(HWSIM_EFIRMWARE, device, OPERATION(device, program_firmware)->name, format, got,
                   expected);
}

static hwsim_error check_image(const char *device, const uint8_t *image, size_t size) {
  if (!image || size < HWSIM_FIRMWARE_HEADER)
    return error_set(HWSIM_EFIRMWARE, device, OPERATION(device, program_firmware)->name,
                     "the image is truncated: it has %zu bytes, the header alone has %d", size,
                     HWSIM_FIRMWARE_HEADER);
  if (memcmp(image, HWSIM_FIRMWARE_MAGIC, 8) != 0)
    return error_set(HWSIM_EFIRMWARE, device, OPERATION(device, program_firmware)->name,
                     "this is no firmware image: it does not begin with " HWSIM_FIRMWARE_MAGIC);
  uint32_t header_crc = hwsim_crc32(image, 20), payload = read_uint32(image + 12);
  if (header_crc != read_uint32(image + 20))
    return bad_image(device, "the header is damaged: its CRC-32 is 0x%08X, it should be 0x%08X",
                     header_crc, read_uint32(image + 20));
  if (payload == 0 || payload > HWSIM_FIRMWARE_LARGEST)
    return bad_image(device, "the payload must have from 1 byte, got %u, to %u", payload,
                     HWSIM_FIRMWARE_LARGEST);
  if (size - HWSIM_FIRMWARE_HEADER != payload)
    return bad_image(device, "the payload has %u bytes, the header says %u",
                     (uint32_t)(size - HWSIM_FIRMWARE_HEADER), payload);
  if (read_uint32(image + 24) || read_uint32(image + 28))
    return error_set(HWSIM_EFIRMWARE, device, OPERATION(device, program_firmware)->name,
                     "bytes 24 to 31 of the header must be 0: the image is of a later format");
  uint32_t crc = hwsim_crc32(image + HWSIM_FIRMWARE_HEADER, payload);
  if (crc != read_uint32(image + 16))
    return bad_image(device, "the payload is damaged: its CRC-32 is 0x%08X, it should be 0x%08X",
                     crc, read_uint32(image + 16));
  return HWSIM_OK;
}

hwsim_error hwsim_firmware_check(const void *image, size_t size, uint32_t *version_out) {
  hwsim_error error = check_image("", image, size);
  if (!error)
    *version_out = read_uint32((const uint8_t *)image + 8);
  return error;
}

/* -------------------------------------------------------------------- operations on one page -- */

typedef struct page_op {
  op base;
  bank *bank;
  size_t offset, size;
  const uint8_t *input; /* write */
  bool matches;         /* verify */
} page_op;

static hwsim_error apply_erase(hwsim_device *device, op *base, int64_t at_ns) {
  (void)device, (void)at_ns;
  page_op *self = (page_op *)base;
  memset(self->bank->data + self->offset, 0xFF, self->size);
  return HWSIM_OK;
}

static hwsim_error apply_write(hwsim_device *device, op *base, int64_t at_ns) {
  (void)device, (void)at_ns;
  page_op *self = (page_op *)base;
  memcpy(self->bank->data + self->offset, self->input, self->size);
  if (base->fate.corrupt)
    self->bank->data[self->offset + base->number % self->size] ^= 0x10;
  return HWSIM_OK;
}

static hwsim_error apply_verify(hwsim_device *device, op *base, int64_t at_ns) {
  (void)device, (void)at_ns;
  page_op *self = (page_op *)base;
  self->matches = memcmp(self->bank->data + self->offset, self->input, self->size) == 0;
  return HWSIM_OK;
}

/* The device checks the whole image before it will boot it. */
static hwsim_error apply_commit(hwsim_device *device, op *base, int64_t at_ns) {
  page_op *self = (page_op *)base;
  firmware *state = device->firmware;
  const bank *other = &state->flash->banks[self->bank == &state->flash->banks[0]];
  self->bank->commit = other->commit + 1;
  if (!flash_is_whole(self->bank)) {
    self->bank->commit = 0;
    return HWSIM_EFIRMWARE;
  }
  state->version = self->bank->version;
  observers_tell(device, &(occurrence){.kind = HWSIM_EVENT_FIRMWARE,
                                       .at_ns = at_ns,
                                       .value = state->version,
                                       .cause = base});
  return HWSIM_OK;
}

/* The power fails in the middle of the write. */
static void tear_write(hwsim_device *device, op *base) {
  (void)device;
  page_op *self = (page_op *)base;
  memcpy(self->bank->data + self->offset, self->input, self->size / 2);
}

static void tear_erase(hwsim_device *device, op *base) {
  (void)device;
  page_op *self = (page_op *)base;
  memset(self->bank->data + self->offset, 0xFF, self->size / 2);
}

/* The steps of an update. The bytes of those that carry a page are its size. */
static const hwsim_operation step = {.noun = "device", .name = "program_firmware", .bytes = 4};
static const hwsim_operation last_step = {.noun = "device",
                                          .name = "program_firmware",
                                          .bytes = 16,
                                          .causes = HWSIM_EVENT_BIT(HWSIM_EVENT_FIRMWARE)};
static const op_kind erase_page = {
    .row = &step, .apply = apply_erase, .tear = tear_erase, .maintenance = true};
static const op_kind write_page = {
    .row = &step, .apply = apply_write, .tear = tear_write, .maintenance = true};
static const op_kind verify_page = {.row = &step, .apply = apply_verify, .maintenance = true};
static const op_kind commit_image = {.row = &last_step, .apply = apply_commit, .maintenance = true};

/* -------------------------------------------------------------------------------- the update -- */

typedef struct update {
  hwsim_device *device;
  const uint8_t *payload;
  uint32_t size; /* the header is not asked again: another thread may write to the image */
  bank *bank;
  const hwsim_firmware_options *options;
  work work;
} update;

/* With what is left of the call's time, or the device's default for one operation. */
static hwsim_error run_page(update *self, page_op *page) {
  const work *whole = &self->work;
  hwsim_call call = {.timeout_ns = whole->timeout_ns, .cancel = whole->cancel};
  hwsim_error error = work_check(&self->work);
  if (error)
    return error;
  if (whole->deadline_ns != FOREVER) {
    int64_t now_ns;
    if ((error = hwsim_clock_now(self->device, &now_ns)))
      return error;
    call.timeout_ns = whole->deadline_ns > now_ns ? whole->deadline_ns - now_ns : 0;
  }
  error = call_run(self->device, &page->base, sizeof *page, &call);
  bool late = error == HWSIM_ETIMEOUT && whole->deadline_ns != FOREVER && !page->base.fate.fault;
  return late ? work_late(whole) : error;
}

static page_op page_at(const update *self, const op_kind *kind, size_t offset, size_t size) {
  page_op page = {
      .bank = self->bank, .offset = offset, .size = size, .input = self->payload + offset};
  op_prepare(&page.base, kind);
  return page; /* all else is 0, also its fate, where it is done at once */
}

static hwsim_error erase_and_write(update *self, size_t offset, size_t size, bool *matches_out) {
  page_op erase = page_at(self, &erase_page, offset, size);
  page_op write = page_at(self, &write_page, offset, size);
  page_op verify = page_at(self, &verify_page, offset, size);
  write.base.bytes = verify.base.bytes = (uint32_t)size;
  hwsim_error error = run_page(self, &erase);
  if (!error)
    error = run_page(self, &write);
  if (!error && self->options->verify)
    error = run_page(self, &verify);
  *matches_out = !self->options->verify || verify.matches;
  return error;
}

static hwsim_error program_page(update *self, size_t offset, size_t size) {
  bool matches = false;
  for (uint32_t attempt = 0; attempt <= self->options->retries && !matches; attempt++) {
    hwsim_error error = erase_and_write(self, offset, size, &matches);
    if (error)
      return error;
  }
  return matches ? HWSIM_OK
                 : error_set(HWSIM_EFIRMWARE, self->device->config.name, step.name,
                             "page %zu differs after %u retries; the old firmware keeps running",
                             offset / PAGE, self->options->retries);
}

static size_t page_count(size_t size) { return (size + PAGE - 1) / PAGE; }

static hwsim_error program_pages(update *self) {
  size_t size = self->bank->size, pages = page_count(size);
  for (size_t i = 0; i < pages; i++) {
    hwsim_error error = work_step(&self->work, i ? 1 : 0);
    if (!error)
      error = program_page(self, i * PAGE, size - i * PAGE < PAGE ? size - i * PAGE : PAGE);
    if (error)
      return error;
  }
  page_op commit = page_at(self, &commit_image, 0, 0);
  hwsim_error error = work_step(&self->work, 1);
  return error ? error : run_page(self, &commit);
}

/* Takes the bank that does not run. Nothing on it is valid from here on. */
static hwsim_error begin(update *self, const uint8_t *image) {
  hwsim_device *device = self->device;
  const hwsim_operation *operation = OPERATION(device, program_firmware);
  const char *name = device->config.name;
  firmware *state = device->firmware;
  uint32_t version = read_uint32(image + 8), size = self->size;
  uint8_t *data = malloc(size);
  hwsim_error error = timeline_lock(device, operation);
  if (error) {
    free(data);
    return error;
  }
  if (!state->flash)
    state->flash = flash_make(name);
  flash *memory = state->flash;
  if (!memory || !data)
    error = error_no_memory(name, operation->name);
  else if (state->programming)
    error = error_set(HWSIM_EBUSY, name, operation->name, "the device is being programmed already");
  else if (version < state->version)
    error = error_set(HWSIM_EFIRMWARE, name, operation->name,
                      "the image has version 0x%08X, older than 0x%08X that runs", version,
                      state->version);
  if (error) {
    timeline_unlock(device);
    free(data);
    return error;
  }
  state->programming = true;
  bus_set_exclusive(device, self->options->exclusive);
  self->bank = &memory->banks[flash_running(memory) == &memory->banks[0]];
  memset(data, 0xFF, size);
  uint8_t *old = self->bank->data;
  self->bank->commit = 0; /* first: the rest is not valid from here on */
  self->bank->version = version;
  self->bank->size = size;
  self->bank->crc = read_uint32(image + 16);
  self->bank->data = data;
  free(old);
  timeline_unlock(device);
  return HWSIM_OK;
}

/* In a forked child the update is the parent's, and there is no lock to be had. */
static void end(update *self) {
  hwsim_error_info info = *hwsim_error_last();
  if (!timeline_lock_any(self->device, self->work.operation)) {
    self->device->firmware->programming = false;
    bus_set_exclusive(self->device, false);
    timeline_unlock(self->device);
  }
  error_restore(&info);
}

/* The arguments of a call that does not block. */
typedef struct update_job {
  hwsim_firmware_options options;
  size_t size;
  uint8_t image[];
} update_job;

static hwsim_error run_job(hwsim_device *device, void *data, const hwsim_call *call,
                           const hwsim_progress *progress) {
  update_job *self = data;
  return hwsim_firmware_program(device, self->image, self->size, &self->options, call, progress);
}

static hwsim_error program_for_request(hwsim_device *device, const void *image, size_t size,
                                       const hwsim_firmware_options *options,
                                       const hwsim_call *call) {
  void *data;
  bool ended = false;
  hwsim_error error = job_begin(call, device->config.name, OPERATION(device, program_firmware),
                                run_job, sizeof(update_job) + size, &data, &ended);
  if (error || ended)
    return error ? error : job_end(call);
  update_job *job = data;
  job->options = *options;
  job->size = size;
  memcpy(job->image, image, size);
  return job_start(device, call);
}

hwsim_error hwsim_firmware_program(hwsim_device *device, const void *image, size_t size,
                                   const hwsim_firmware_options *options, const hwsim_call *call,
                                   const hwsim_progress *progress) {
  const hwsim_operation *operation = OPERATION(device, program_firmware);
  const char *name = device->config.name;
  hwsim_error error = check_image(name, image, size);
  if (error)
    return error;
  if (options->retries > HWSIM_FIRMWARE_MOST_RETRIES)
    return error_set(HWSIM_EINVALID, name, operation->name, "retries must be from 0 to %d, got %u",
                     HWSIM_FIRMWARE_MOST_RETRIES, options->retries);
  if (request_of(call))
    return program_for_request(device, image, size, options, call);
  update self = {.device = device,
                 .payload = (const uint8_t *)image + HWSIM_FIRMWARE_HEADER,
                 .size = (uint32_t)(size - HWSIM_FIRMWARE_HEADER),
                 .options = options};
  handle_retain(device); /* its owner may free it meanwhile */
  uint64_t steps = page_count(size - HWSIM_FIRMWARE_HEADER) + 1;
  error = work_begin(&self.work, device, operation, steps, 0, call, progress);
  if (error)
    goto done;
  error = begin(&self, image);
  if (!error) {
    error = program_pages(&self);
    end(&self);
  }
  hwsim_error_info info = *hwsim_error_last();
  work_end(&self.work, !error);
  error = error ? error_restore(&info) : HWSIM_OK;
done:
  handle_release(device);
  return error;
}
