/* Faults: what fails, and when. A fault is a function of the operation's number alone, so nothing
 * has to be counted down and no thread schedule can change who is hit. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

struct fault_entry {
  fault_entry *next;
  hwsim_fault fault;
  uint64_t serial; /* its stream of random numbers */
};

typedef struct kind_text {
  const char *text;
  hwsim_fault_kind kind;
} kind_text;

static const kind_text kinds[] = {
#define HWSIM_X(name, value, text, error) {text, HWSIM_FAULT_##name},
    HWSIM_FAULTS(HWSIM_X)
#undef HWSIM_X
};

const char *hwsim_fault_name(hwsim_fault_kind kind) {
  for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
    if (kinds[i].kind == kind)
      return kinds[i].text;
  return NULL;
}

hwsim_error hwsim_fault_find(const char *text, hwsim_fault_kind *kind_out) {
  if (!text)
    return error_set(HWSIM_EINVALID, "", "inject", "the kind of fault must not be null");
  for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
    if (strcmp(kinds[i].text, text) == 0) {
      *kind_out = kinds[i].kind;
      return HWSIM_OK;
    }
  const char *near = nearest(text, &kinds->text, ARRAY_LENGTH(kinds), sizeof *kinds);
  return error_set(HWSIM_EINVALID, "", "inject", "no fault is called '%.64s'; %s%s", text,
                   near ? "the nearest is " : "one is ", near ? near : "timeout");
}

hwsim_error hwsim_fault_init(hwsim_fault_kind kind, hwsim_fault *fault_out) {
  if (!hwsim_fault_name(kind))
    return error_set(HWSIM_EINVALID, "", "inject", "there is no fault of kind %d", (int)kind);
  *fault_out = (hwsim_fault){.kind = kind, .count = 1, .probability = 1};
  if (kind == HWSIM_FAULT_STUCK) {
    fault_out->count = 0;
    fault_out->address = HWSIM_REGISTER_SCRATCH0;
    fault_out->mask = UINT32_MAX;
  } else if (kind == HWSIM_FAULT_SPIKE) {
    fault_out->extra_ns = 10000000;
  }
  return HWSIM_OK;
}

hwsim_error fault_check(const char *device, const char *operation, const hwsim_fault *fault) {
  if (!hwsim_fault_name(fault->kind))
    return error_set(HWSIM_EINVALID, device, operation, "there is no fault of kind %d",
                     (int)fault->kind);
  if (!(fault->probability >= 0 && fault->probability <= 1))
    return error_set(HWSIM_EINVALID, device, operation, "probability must be from 0 to 1, got %g",
                     fault->probability);
  if (fault->kind == HWSIM_FAULT_SPIKE && (fault->extra_ns < 0 || fault->extra_ns > HOUR_NS))
    return error_set(HWSIM_EINVALID, device, operation, "extra must be from 0 to 3600 s, got %g s",
                     (double)fault->extra_ns / 1e9);
  if (fault->kind != HWSIM_FAULT_STUCK)
    return HWSIM_OK;
  if (fault->value & ~fault->mask)
    return error_set(HWSIM_EINVALID, device, operation,
                     "value must have no bits outside mask 0x%08X, got 0x%08X", fault->mask,
                     fault->value);
  if (!registers_check_readable(device, operation, fault->address))
    return HWSIM_OK;
  hwsim_error_info info = *hwsim_error_last();
  return error_set(HWSIM_EINVALID, device, operation,
                   "address must be that of a register that can be read: %s", info.message);
}

/* ---------------------------------------------------------------------- on the device's side -- */

static bool hits(const hwsim_device *device, const fault_entry *entry, uint64_t number) {
  const hwsim_fault *fault = &entry->fault;
  if (number < fault->at || (fault->count && number - fault->at >= fault->count))
    return false;
  uint64_t stream = RANDOM_FAULT + (entry->serial << 8);
  return random_unit(random_bits(device->config.seed, stream, number)) < fault->probability;
}

void faults_decide(hwsim_device *device, op *self, int64_t now_ns) {
  for (fault_entry **link = &device->faults, *entry; (entry = *link);) {
    hwsim_fault_kind kind = entry->fault.kind;
    if (entry->fault.count && self->number >= entry->fault.at &&
        self->number - entry->fault.at >= entry->fault.count && kind != HWSIM_FAULT_STUCK) {
      *link =
          entry->next; /* it can hit no more; stuck bits may still concern a waiting operation */
      free(entry);
      continue;
    }
    link = &entry->next;
    if (kind == HWSIM_FAULT_STUCK || !hits(device, entry, self->number))
      continue;
    if (kind == HWSIM_FAULT_RECONNECT) {
      faults_reconnect(device, now_ns);
      self->reconnects = true; /* an operation before it may yet disconnect the device */
      continue;
    }
    if (kind == HWSIM_FAULT_SPIKE)
      self->cost_ns = add_saturated(self->cost_ns, entry->fault.extra_ns);
    else if (kind == HWSIM_FAULT_CORRUPT)
      self->corrupt = true;
    else if (kind == HWSIM_FAULT_LOST)
      self->mute = true;
    else if (!self->fault)
      self->fault = (int)kind;
    else
      continue;
    self->hits++;
    self->first_hit = self->first_hit ? self->first_hit : (int)kind;
    self->causes |= HWSIM_EVENT_BIT(HWSIM_EVENT_FAULT);
  }
  if (self->fault == HWSIM_FAULT_DISCONNECT || self->fault == HWSIM_FAULT_POWER)
    self->causes |= HWSIM_EVENT_BIT(HWSIM_EVENT_DISCONNECT);
}

void faults_record(hwsim_device *device, op *self, int64_t at_ns) {
  if (!self->hits)
    return;
  op *current = device->current;
  device->current = self;
  registers_count_faults(device, self->hits);
  uint32_t kind = (uint32_t)(self->fault ? self->fault : self->first_hit);
  events_emit(device, HWSIM_EVENT_FAULT, at_ns, kind, (double)self->number);
  device->current = current;
}

uint32_t faults_stick(const hwsim_device *device, uint64_t number, uint32_t address,
                      uint32_t value) {
  for (const fault_entry *entry = device->faults; entry; entry = entry->next) {
    const hwsim_fault *fault = &entry->fault;
    if (fault->kind == HWSIM_FAULT_STUCK && fault->address == address &&
        hits(device, entry, number))
      value = (value & ~fault->mask) | fault->value;
  }
  return value;
}

void faults_disconnect(hwsim_device *device, int64_t at_ns) {
  if (!device->disconnected)
    events_disconnected(device, at_ns);
  device->disconnected = true;
  bus_disconnect(device, at_ns);
}

void faults_reconnect(hwsim_device *device, int64_t at_ns) {
  if (!device->disconnected)
    return;
  device->disconnected = false;
  firmware_boot(device);
  registers_reset(device, at_ns);
  registers_latch_event(device, HWSIM_EVENT_BIT(HWSIM_EVENT_DISCONNECT));
  events_reconnected(device, at_ns);
}

hwsim_error faults_add(hwsim_device *device, const hwsim_fault *fault) {
  fault_entry *entry = malloc(sizeof *entry);
  if (!entry)
    return error_no_memory(device->config.name, "inject");
  *entry = (fault_entry){.fault = *fault, .serial = device->faults_injected++};
  if (!fault->at)
    entry->fault.at = device->transactions + 1;
  fault_entry **link = &device->faults;
  while (*link)
    link = &(*link)->next;
  *link = entry;
  return HWSIM_OK;
}

void faults_free(hwsim_device *device) {
  for (fault_entry *entry; (entry = device->faults);) {
    device->faults = entry->next;
    free(entry);
  }
}

hwsim_error hwsim_fault_inject(hwsim_device *device, const hwsim_fault *fault) {
  hwsim_error error = fault_check(device->config.name, "inject", fault);
  if (!error)
    error = device_lock(device, "inject");
  if (error)
    return error;
  int64_t now_ns = clock_now(device);
  bus_settle(device, now_ns);
  bool at_once = !fault->at && fault->probability == 1;
  if ((fault->kind == HWSIM_FAULT_DISCONNECT || fault->kind == HWSIM_FAULT_POWER) && at_once)
    faults_disconnect(device, now_ns);
  else if (fault->kind == HWSIM_FAULT_RECONNECT && at_once)
    faults_reconnect(device, now_ns);
  else
    error = faults_add(device, fault);
  device_unlock(device);
  return error;
}

hwsim_error hwsim_fault_clear(hwsim_device *device) {
  hwsim_error error = device_lock_any(device, "clear_faults");
  if (error)
    return error;
  int64_t now_ns = clock_now(device);
  bus_settle(device, now_ns);
  faults_free(device);
  bus_ask_armed(device, now_ns); /* what stuck bits have hidden can be seen now */
  device_unlock(device);
  return HWSIM_OK;
}
