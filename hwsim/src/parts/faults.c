/* Faults: what fails, and when. A fault is a function of the operation's number alone, so nothing
 * has to be counted down and no thread schedule can change who is hit. One that cannot hit yet
 * costs nothing. */
#include "parts/faults.h"

#include "base/array.h"
#include "base/error.h"
#include "base/handle.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/random.h"
#include "base/text.h"
#include "events/occurrence.h"
#include "parts/map.h"
#include "parts/registers.h"
#include "timeline/bus.h"

#include <stdlib.h>
#include <string.h>

typedef struct fault_entry {
  heap_node node; /* while it cannot hit yet; by the first operation that it can hit */
  struct fault_entry *next;
  hwsim_fault fault;
  uint64_t serial; /* its stream of random numbers */
} fault_entry;

struct faults {
  heap later;
  fault_entry *striking; /* operations; in the order of injection, as are */
  fault_entry *sticking; /* to registers */
  size_t count;          /* of all of them */
  uint64_t injected;
};

static const struct {
  const char *text;
  hwsim_fault_kind kind;
  hwsim_error result; /* of an operation that it hits */
} kinds[] = {
#define HWSIM_X(name, value, text, error) {text, HWSIM_FAULT_##name, HWSIM_##error},
    HWSIM_FAULTS(HWSIM_X)
#undef HWSIM_X
};

/* Its place in `kinds`; at their end: there is no such kind. */
static size_t place_of(hwsim_fault_kind kind) {
  size_t i = 0;
  while (i < ARRAY_LENGTH(kinds) && kinds[i].kind != kind)
    i++;
  return i;
}

const char *hwsim_fault_name(hwsim_fault_kind kind) {
  size_t place = place_of(kind);
  return place < ARRAY_LENGTH(kinds) ? kinds[place].text : NULL;
}

hwsim_error hwsim_fault_find(const char *text, hwsim_fault_kind *kind_out) {
  if (!text)
    return error_set(HWSIM_EINVALID, "", OPERATION(device, inject)->name,
                     "the kind of fault must not be null");
  for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
    if (strcmp(kinds[i].text, text) == 0) {
      *kind_out = kinds[i].kind;
      return HWSIM_OK;
    }
  const char *near = nearest(text, &kinds->text, ARRAY_LENGTH(kinds), sizeof *kinds);
  return error_set(HWSIM_EINVALID, "", OPERATION(device, inject)->name,
                   "no fault is called '%.64s'; %s%s", text, near ? "the nearest is " : "one is ",
                   near ? near : "timeout");
}

hwsim_error hwsim_fault_init(hwsim_fault_kind kind, hwsim_fault *fault_out) {
  if (!hwsim_fault_name(kind))
    return error_set(HWSIM_EINVALID, "", OPERATION(device, inject)->name,
                     "there is no fault of kind %d", (int)kind);
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

hwsim_error fault_check(const hwsim_model *model, const char *device, const char *operation,
                        const hwsim_fault *fault) {
  if (!hwsim_fault_name(fault->kind))
    return error_set(HWSIM_EINVALID, device, operation, "there is no fault of kind %d",
                     (int)fault->kind);
  if (!(fault->probability >= 0 && fault->probability <= 1))
    return error_set(HWSIM_EINVALID, device, operation, "probability must be from 0 to 1, got %s",
                     NUMBER(fault->probability));
  if (fault->kind == HWSIM_FAULT_SPIKE && (fault->extra_ns < 0 || fault->extra_ns > HOUR_NS))
    return error_set(HWSIM_EINVALID, device, operation, "extra must be from 0 to 3600 s, got %s s",
                     NUMBER((double)fault->extra_ns / 1e9));
  if (fault->kind != HWSIM_FAULT_STUCK)
    return HWSIM_OK;
  if (fault->value & ~fault->mask)
    return error_set(HWSIM_EINVALID, device, operation,
                     "value must have no bits outside mask 0x%08llX, got 0x%08llX",
                     (unsigned long long)fault->mask, (unsigned long long)fault->value);
  if (!map_check_readable(model, device, operation, fault->address)) {
    uint32_t bits = map_find(model, fault->address)->bits;
    uint64_t highest = UINT64_MAX >> (64 - bits);
    return fault->mask <= highest
               ? HWSIM_OK
               : error_set(HWSIM_EINVALID, device, operation,
                           "mask must be from 0 to 0x%llX: there are %u bits at 0x%02X",
                           (unsigned long long)highest, bits, fault->address);
  }
  hwsim_error_info info = *hwsim_error_last();
  return error_set(HWSIM_EINVALID, device, operation,
                   "address must be that of a register that can be read: %s", info.message);
}

/* ---------------------------------------------------------------------- on the device's side -- */

size_t faults_size(void) { return sizeof(faults); }

static bool hits(const hwsim_device *device, const fault_entry *entry, uint64_t number) {
  const hwsim_fault *fault = &entry->fault;
  if (number < fault->at || (fault->count && number - fault->at >= fault->count))
    return false;
  uint64_t stream = RANDOM_FAULT + (entry->serial << 8);
  return random_unit(random_bits(device->config.seed, stream, number)) < fault->probability;
}

static bool is_over(const fault_entry *entry, uint64_t number) {
  const hwsim_fault *fault = &entry->fault;
  return fault->count && number >= fault->at && number - fault->at >= fault->count;
}

static uint64_t stick(const hwsim_device *device, uint64_t number, uint32_t address,
                      uint64_t value) {
  for (const fault_entry *entry = device->faults->sticking; entry; entry = entry->next) {
    const hwsim_fault *fault = &entry->fault;
    if (fault->address == address && hits(device, entry, number))
      value = (value & ~fault->mask) | fault->value;
  }
  return value;
}

/* Operations have to take the long way, and reads a look at the stuck bits, while there are any. */
static void set_armed(hwsim_device *device, bool armed) {
  bus_add_detour(device, armed ? 1 : -1);
  registers_set_lens(device, armed ? stick : NULL);
}

static fault_entry *from_heap(heap_node *node) { return ELEMENT(node, fault_entry, node); }

/* Those that can hit from operation `number` on take their places in the lists: in one pass through
 * each, for they come sorted. */
static void wake(faults *self, uint64_t number) {
  heap woken = {NULL}; /* by the order of injection */
  for (heap_node *first; (first = self->later.root) && (uint64_t)first->time_ns <= number;) {
    heap_remove(&self->later, first);
    first->time_ns = 0;
    heap_put(&woken, first);
  }
  fault_entry **links[] = {&self->striking, &self->sticking};
  for (heap_node *first; (first = woken.root);) {
    fault_entry *entry = from_heap(first), ***link = &links[entry->fault.kind == HWSIM_FAULT_STUCK];
    heap_remove(&woken, first);
    while (**link && (**link)->serial < entry->serial)
      *link = &(**link)->next;
    entry->next = **link;
    **link = entry;
  }
}

static void drop(hwsim_device *device, fault_entry *entry) {
  free(entry);
  if (!--device->faults->count)
    set_armed(device, false);
}

static void drop_over(hwsim_device *device, fault_entry **link, uint64_t number) {
  for (fault_entry *entry; (entry = *link);) {
    if (is_over(entry, number)) {
      *link = entry->next;
      drop(device, entry);
    } else {
      link = &entry->next;
    }
  }
}

/* It hits the operation. Of the kinds that make it fail, only the first one does. */
static void strike(fate *self, const hwsim_fault *fault) {
  switch (fault->kind) {
  case HWSIM_FAULT_SPIKE: self->delay_ns = add_saturated(self->delay_ns, fault->extra_ns); break;
  case HWSIM_FAULT_CORRUPT: self->corrupt = true; break;
  case HWSIM_FAULT_LOST: self->mute = true; break;
  default:
    if (self->fault)
      return;
    self->fault = (int)fault->kind;
    self->fault_name = kinds[place_of(fault->kind)].text;
    self->result = kinds[place_of(fault->kind)].result;
    self->unanswered = fault->kind == HWSIM_FAULT_TIMEOUT;
    self->power_fails = fault->kind == HWSIM_FAULT_POWER;
  }
  self->hits++;
  self->first_hit = self->first_hit ? self->first_hit : (int)fault->kind;
  self->causes |= HWSIM_EVENT_BIT(HWSIM_EVENT_FAULT);
  if (self->result == HWSIM_EDISCONNECTED)
    self->causes |= HWSIM_EVENT_BIT(HWSIM_EVENT_DISCONNECT);
}

void faults_decide(hwsim_device *device, op *self) {
  faults *all = device->faults;
  wake(all, self->number);
  drop_over(device, &all->striking, self->number);
  if (!bus_pending(device)) /* stuck bits may concern an operation that has waited since */
    drop_over(device, &all->sticking, self->number);
  for (const fault_entry *entry = all->striking; entry; entry = entry->next) {
    if (!hits(device, entry, self->number))
      continue;
    if (entry->fault.kind == HWSIM_FAULT_RECONNECT)
      self->fate.reconnects = true;
    else
      strike(&self->fate, &entry->fault);
  }
}

void faults_suffered(hwsim_device *device, const op *self, int64_t at_ns) {
  const fate *fate = &self->fate;
  int kind = fate->fault ? fate->fault : fate->first_hit;
  observers_tell(device, &(occurrence){.kind = HWSIM_EVENT_FAULT,
                                       .at_ns = at_ns,
                                       .channel = (uint32_t)kind,
                                       .value = (double)self->number,
                                       .cause = self});
}

hwsim_error faults_add(hwsim_device *device, const hwsim_fault *fault) {
  fault_entry *entry = malloc(sizeof *entry);
  if (!entry)
    return error_no_memory(device->config.name, OPERATION(device, inject)->name);
  faults *self = device->faults;
  *entry = (fault_entry){.fault = *fault, .serial = self->injected++};
  if (!fault->at)
    entry->fault.at = bus_transactions(device) + 1;
  entry->node.time_ns = entry->fault.at < INT64_MAX ? (int64_t)entry->fault.at : INT64_MAX;
  entry->node.order = entry->serial;
  heap_put(&self->later, &entry->node);
  if (!self->count++)
    set_armed(device, true);
  return HWSIM_OK;
}

void faults_clear(hwsim_device *device) {
  faults *self = device->faults;
  wake(self, UINT64_MAX);
  fault_entry **lists[] = {&self->striking, &self->sticking};
  for (size_t i = 0; i < ARRAY_LENGTH(lists); i++)
    for (fault_entry *entry; (entry = *lists[i]);) {
      *lists[i] = entry->next;
      drop(device, entry);
    }
}

hwsim_error hwsim_fault_inject(hwsim_device *device, const hwsim_fault *fault) {
  const hwsim_operation *operation = OPERATION(device, inject);
  hwsim_error error = fault_check(device->model, device->config.name, operation->name, fault);
  if (!error)
    error = timeline_lock(device, operation);
  if (error)
    return error;
  int64_t now_ns = timeline_update(device);
  bool at_once = !fault->at && fault->probability == 1;
  if (at_once && kinds[place_of(fault->kind)].result == HWSIM_EDISCONNECTED)
    bus_power_off(device, NULL, now_ns);
  else if (at_once && fault->kind == HWSIM_FAULT_RECONNECT)
    bus_power_on(device, now_ns);
  else
    error = faults_add(device, fault);
  timeline_unlock(device);
  return error;
}

hwsim_error hwsim_fault_clear(hwsim_device *device) {
  hwsim_error error = timeline_lock_any(device, OPERATION(device, clear_faults));
  if (error)
    return error;
  timeline_update(device);
  faults_clear(device);
  timeline_unlock(device);
  return HWSIM_OK;
}
