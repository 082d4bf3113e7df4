/* Firmware: programming over the bus, page by page, into the bank that does not run.
 *
 * Flash outlives the device handle: it belongs to the name, as it belongs to a real instrument, for
 * the life of the process. A device boots the newest bank that is committed and whole; the
 * commit is one last write, so whatever ends an update before it leaves the old firmware running.
 */
#include "internal.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#define PAGE HWSIM_FIRMWARE_PAGE
#define FACTORY_VERSION 0x00010000
#define MAGIC "HWSIMFW1"

typedef struct bank {
  uint32_t version, size, crc;
  /* Number of the commit, from 1; 0: none. The newest bank has the highest. Atomic, because a
   * fork() copies it whatever is going on. */
  _Atomic uint64_t commit;
  uint8_t *data; /* `size` bytes; NULL: the factory's firmware, which has none */
} bank;

/* Only the device that is open under this name uses it, under its mutex. */
struct flash {
  char name[64];
  bank banks[2];
};

static pthread_mutex_t flashes_mutex = PTHREAD_MUTEX_INITIALIZER;
static void *flashes; /* by name: a balanced tree (POSIX tsearch) */

void firmware_before_fork(void) { pthread_mutex_lock(&flashes_mutex); }
void firmware_after_fork(void) { pthread_mutex_unlock(&flashes_mutex); }

static int compare_names(const void *a, const void *b) {
  return strcmp(((const flash *)a)->name, ((const flash *)b)->name);
}

uint32_t hwsim_crc32(const void *data, size_t size) {
  static const uint32_t nibbles[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC,
                                       0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
                                       0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
  uint32_t crc = UINT32_MAX;
  for (const uint8_t *byte = data; size--; byte++) {
    crc = crc >> 4 ^ nibbles[(crc ^ *byte) & 15];
    crc = crc >> 4 ^ nibbles[(crc ^ *byte >> 4) & 15];
  }
  return ~crc;
}

/* --------------------------------------------------------------------------------- flash and boot
 * -- */

static bool is_whole(const bank *self) {
  return self->commit && (!self->data || hwsim_crc32(self->data, self->size) == self->crc);
}

static bank *running_bank(flash *self) {
  bank *a = &self->banks[0], *b = &self->banks[1];
  return is_whole(b) && (!is_whole(a) || b->commit > a->commit) ? b : a;
}

/* Finds the flash of this name, or NULL: it has never been programmed. */
static flash *find_flash(const char *name) {
  flash key = {0};
  strcpy(key.name, name);
  pthread_mutex_lock(&flashes_mutex);
  flash **found = tfind(&key, &flashes, compare_names);
  pthread_mutex_unlock(&flashes_mutex);
  return found ? *found : NULL;
}

static flash *make_flash(const char *name) {
  flash *made = calloc(1, sizeof *made);
  if (!made)
    return NULL;
  strcpy(made->name, name);
  made->banks[0].version = FACTORY_VERSION;
  made->banks[0].commit = 1;
  pthread_mutex_lock(&flashes_mutex);
  flash **found = tsearch(made, &flashes, compare_names);
  pthread_mutex_unlock(&flashes_mutex);
  if (!found) {
    free(made);
    return NULL;
  }
  return *found;
}

void firmware_boot(hwsim_device *device) {
  device->flash = find_flash(device->config.name);
  device->firmware_version = device->flash ? running_bank(device->flash)->version : FACTORY_VERSION;
}

hwsim_error hwsim_firmware_version(hwsim_device *device, uint32_t *version_out) {
  hwsim_error error = device_lock_any(device, "firmware_version");
  if (error)
    return error;
  *version_out = device->firmware_version;
  device_unlock(device);
  return HWSIM_OK;
}

/* ------------------------------------------------------------------------------------ images -- */

static uint32_t read_uint32(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
         (uint32_t)bytes[3] << 24;
}

static hwsim_error bad_image(const char *device, const char *format, uint32_t got,
                             uint32_t expected) {
  return error_set(HWSIM_EFIRMWARE, device, "program_firmware", format, got, expected);
}

static hwsim_error check_image(const char *device, const uint8_t *image, size_t size) {
  if (!image || size < HWSIM_FIRMWARE_HEADER)
    return error_set(HWSIM_EFIRMWARE, device, "program_firmware",
                     "the image is truncated: it has %zu bytes, the header alone has %d", size,
                     HWSIM_FIRMWARE_HEADER);
  if (memcmp(image, MAGIC, 8) != 0)
    return error_set(HWSIM_EFIRMWARE, device, "program_firmware",
                     "this is no firmware image: it does not begin with " MAGIC);
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
    return error_set(HWSIM_EFIRMWARE, device, "program_firmware",
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
  if (base->corrupt)
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
  const bank *other = &device->flash->banks[self->bank == &device->flash->banks[0]];
  self->bank->commit = other->commit + 1;
  if (!is_whole(self->bank)) {
    self->bank->commit = 0;
    return HWSIM_EFIRMWARE;
  }
  device->firmware_version = self->bank->version;
  events_emit(device, HWSIM_EVENT_FIRMWARE, at_ns, 0, device->firmware_version);
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

/* -------------------------------------------------------------------------------- the update -- */

typedef struct update {
  hwsim_device *device;
  const uint8_t *payload;
  uint32_t size; /* the header is not asked again: another thread may write to the image */
  bank *bank;
  const hwsim_firmware_options *options;
  long_operation operation;
} update;

/* With what is left of the call's time, or the device's default for one operation. */
static hwsim_error run_page(update *self, page_op *page) {
  const long_operation *whole = &self->operation;
  hwsim_call call = {.timeout_ns = whole->timeout_ns, .cancel = whole->cancel};
  hwsim_error error = long_operation_check(&self->operation);
  if (error)
    return error;
  if (whole->deadline_ns != FOREVER) {
    int64_t now_ns;
    if ((error = hwsim_clock_now(self->device, &now_ns)))
      return error;
    call.timeout_ns = whole->deadline_ns > now_ns ? whole->deadline_ns - now_ns : 0;
  }
  page->base.name = whole->name;
  page->base.maintenance = true;
  page->bank = self->bank;
  error = bus_run(self->device, &page->base, &call);
  bool late = error == HWSIM_ETIMEOUT && whole->deadline_ns != FOREVER && !page->base.fault;
  return late ? long_operation_late(whole) : error;
}

static hwsim_error erase_and_write(update *self, size_t offset, size_t size, bool *matches_out) {
  page_op erase = {.base = {.apply = apply_erase, .tear = tear_erase, .bytes = 4},
                   .offset = offset,
                   .size = size};
  page_op write = {.base = {.apply = apply_write, .tear = tear_write, .bytes = (uint32_t)size},
                   .offset = offset,
                   .size = size,
                   .input = self->payload + offset};
  page_op verify = {.base = {.apply = apply_verify, .bytes = (uint32_t)size},
                    .offset = offset,
                    .size = size,
                    .input = self->payload + offset};
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
                 : error_set(HWSIM_EFIRMWARE, self->device->config.name, "program_firmware",
                             "page %zu differs after %u retries; the old firmware keeps running",
                             offset / PAGE, self->options->retries);
}

static size_t page_count(size_t size) { return (size + PAGE - 1) / PAGE; }

static hwsim_error program_pages(update *self) {
  size_t size = self->bank->size, pages = page_count(size);
  for (size_t i = 0; i < pages; i++) {
    hwsim_error error = long_operation_step(&self->operation, i ? 1 : 0);
    if (!error)
      error = program_page(self, i * PAGE, size - i * PAGE < PAGE ? size - i * PAGE : PAGE);
    if (error)
      return error;
  }
  page_op commit = {.base = {.apply = apply_commit,
                             .bytes = 16,
                             .causes = HWSIM_EVENT_BIT(HWSIM_EVENT_FIRMWARE)}};
  hwsim_error error = long_operation_step(&self->operation, 1);
  return error ? error : run_page(self, &commit);
}

/* Takes the bank that does not run. Nothing on it is valid from here on. */
static hwsim_error begin(update *self, const uint8_t *image) {
  hwsim_device *device = self->device;
  const char *name = device->config.name, *operation = "program_firmware";
  uint32_t version = read_uint32(image + 8), size = self->size;
  uint8_t *data = malloc(size);
  hwsim_error error = device_lock(device, operation);
  if (error) {
    free(data);
    return error;
  }
  if (!device->flash)
    device->flash = make_flash(name);
  flash *memory = device->flash;
  if (!memory || !data)
    error = error_no_memory(name, operation);
  else if (device->programming)
    error = error_set(HWSIM_EBUSY, name, operation, "the device is being programmed already");
  else if (version < device->firmware_version)
    error = error_set(HWSIM_EFIRMWARE, name, operation,
                      "the image has version 0x%08X, older than 0x%08X that runs", version,
                      device->firmware_version);
  if (error) {
    device_unlock(device);
    free(data);
    return error;
  }
  device->programming = true;
  device->exclusive = self->options->exclusive;
  self->bank = &memory->banks[running_bank(memory) == &memory->banks[0]];
  memset(data, 0xFF, size);
  uint8_t *old = self->bank->data;
  self->bank->commit = 0; /* first: the rest is not valid from here on */
  self->bank->version = version;
  self->bank->size = size;
  self->bank->crc = read_uint32(image + 16);
  self->bank->data = data;
  free(old);
  device_unlock(device);
  return HWSIM_OK;
}

/* In a forked child the update is the parent's, and device_lock_any() fails. */
static void end(update *self) {
  hwsim_error_info info = *hwsim_error_last();
  if (!device_lock_any(self->device, self->operation.name)) {
    self->device->programming = self->device->exclusive = false;
    device_unlock(self->device);
  }
  error_restore(&info);
}

hwsim_error hwsim_firmware_program(hwsim_device *device, const void *image, size_t size,
                                   const hwsim_firmware_options *options, const hwsim_call *call,
                                   const hwsim_progress *progress) {
  const char *name = device->config.name, *operation = "program_firmware";
  hwsim_error error = check_image(name, image, size);
  if (error)
    return error;
  if (options->retries > 100)
    return error_set(HWSIM_EINVALID, name, operation, "retries must be from 0 to 100, got %u",
                     options->retries);
  update self = {.device = device,
                 .payload = (const uint8_t *)image + HWSIM_FIRMWARE_HEADER,
                 .size = (uint32_t)(size - HWSIM_FIRMWARE_HEADER),
                 .options = options};
  hwsim_device_retain(device); /* its owner may free it meanwhile */
  uint64_t steps = page_count(size - HWSIM_FIRMWARE_HEADER) + 1;
  error = long_operation_begin(&self.operation, device, operation, steps, 0, call, progress);
  if (error)
    goto done;
  error = begin(&self, image);
  if (!error) {
    error = program_pages(&self);
    end(&self);
  }
  hwsim_error_info info = *hwsim_error_last();
  long_operation_end(&self.operation, !error);
  error = error ? error_restore(&info) : HWSIM_OK;
done:
  hwsim_device_free(device);
  return error;
}
