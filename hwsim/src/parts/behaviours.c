/* Behaviours: the calls for an operation, and what they leave.
 *
 * There is one transaction a device, because operations have the bus one after the other: it is of
 * the one that has it, from its call until it has taken effect. While a call runs, it is its
 * thread's, except that the operation may have ended. */
#include "parts/behaviours.h"

#include "base/error.h"
#include "base/handle.h"
#include "base/memory.h"
#include "parts/agenda.h"
#include "parts/map.h"
#include "parts/registers.h"
#include "timeline/bus.h"

#include <stdlib.h>

#define SHORTEST_NS 1000
#define LONGEST_NS INT64_C(3600000000000)

/* Grows as needed, and stays as large as it was. */
typedef struct buffer {
  void *items;
  size_t count, room;
} buffer;

struct hwsim_transaction {
  hwsim_device *device;
  pthread_t thread; /* of the call */
  bool open;        /* during the call */
  uint64_t number;  /* of the operation */
  uint64_t resets;  /* before it */
};

struct behaviours {
  callout callout;
  hwsim_behaviour calls;
  hwsim_transaction transaction;
  buffer transfers, journal;
  bool no_memory; /* for the transfers */
  uint64_t resets;
  agenda later;
  size_t later_count;
};

/* NULL: no memory. */
static void *append(buffer *self, size_t size) {
  if (self->count == self->room) {
    size_t room = self->room ? 2 * self->room : 4;
    void *items = realloc(self->items, room * size);
    if (!items)
      return NULL;
    self->items = items;
    self->room = room;
  }
  return (char *)self->items + self->count++ * size;
}

static entry *add_entry(behaviours *self, entry what) {
  entry *added = append(&self->journal, sizeof *added);
  if (added)
    *added = what;
  return added;
}

/* ------------------------------------------------------------------------------ the operation --
 */

/* What a register holds for the transaction. */
static uint64_t held_by(const behaviours *self, const hwsim_device *device, size_t place) {
  const entry *journal = self->journal.items;
  place = registers_storage(device, place);
  for (size_t i = self->journal.count; i-- > 0;)
    if (registers_storage(device, journal[i].place) == place &&
        (journal[i].kind == ENTRY_WRITE || journal[i].kind == ENTRY_SET))
      return journal[i].held;
  return registers_held(device, place, self->callout.at_ns);
}

static hwsim_error make_transfer(hwsim_device *device, behaviours *self, const transfer *what) {
  const model_image *image = device->model->made;
  const claimed *claims = &image->claims[what->place];
  size_t claim = what->writes ? claims->write : claims->read;
  entry next = {.kind = what->writes ? ENTRY_WRITE : ENTRY_READ,
                .place = what->place,
                .mask = what->mask,
                .value = what->value};
  pthread_mutex_lock(timeline_mutex(device));
  uint64_t held = held_by(self, device, what->place);
  if (what->writes)
    next.held = registers_written(device, what->place, held, what->value, what->mask);
  else
    next.value = registers_peek(device, self->transaction.number, what->place, self->callout.at_ns);
  pthread_mutex_unlock(timeline_mutex(device));
  uint64_t value = what->writes ? (held & ~what->mask) | (what->value & what->mask) : next.value;
  size_t number = self->journal.count;
  if (!add_entry(self, next))
    return HWSIM_ENOMEM;
  if (claim == NOWHERE)
    return HWSIM_OK;
  if (what->writes)
    return self->calls.write ? self->calls.write(self->calls.user, &self->transaction, claim,
                                                 value & image->facts[what->place].all)
                             : HWSIM_OK;
  if (!self->calls.read)
    return HWSIM_OK;
  hwsim_error error = self->calls.read(self->calls.user, &self->transaction, claim, &value);
  entry *said = (entry *)self->journal.items + number;
  said->called = true;
  said->value = value;
  return error;
}

static void run(hwsim_device *device, callout *out) {
  behaviours *self = device->behaviours;
  const transfer *transfers = self->transfers.items;
  self->transaction.thread = pthread_self();
  self->transaction.open = true;
  out->result = self->no_memory ? HWSIM_ENOMEM : HWSIM_OK;
  for (size_t i = 0; !out->result && i < self->transfers.count && !handle_is_forked(device); i++)
    out->result = make_transfer(device, self, &transfers[i]);
  if ((unsigned)out->result > HWSIM_EINTERNAL)
    out->result = HWSIM_EINTERNAL; /* no code that an operation can fail with */
  self->transaction.open = false;
}

/* The last operation's, of which nothing has come. */
static void drop_journal(behaviours *self) {
  const entry *journal = self->journal.items;
  for (size_t i = 0; i < self->journal.count; i++)
    free(journal[i].later);
}

static callout *begin(hwsim_device *device, uint64_t number, int64_t at_ns) {
  behaviours *self = device->behaviours;
  drop_journal(self);
  self->journal.count = self->transfers.count = 0;
  self->no_memory = false;
  self->transaction.number = number;
  self->transaction.resets = self->resets;
  self->callout = (callout){.run = run, .at_ns = at_ns};
  return &self->callout;
}

static void expect(hwsim_device *device, const transfer *next) {
  behaviours *self = device->behaviours;
  transfer *added = append(&self->transfers, sizeof *added);
  if (added)
    *added = *next;
  self->no_memory |= !added;
}

static const entry *journal(const hwsim_device *device, size_t *count_out) {
  *count_out = device->behaviours->journal.count;
  return device->behaviours->journal.items;
}

/* ------------------------------------------------------------------------- what changes later --
 */

static void schedule(hwsim_device *device, int64_t at_ns) {
  behaviours *self = device->behaviours;
  entry *journal = self->journal.items;
  for (size_t i = 0; i < self->journal.count; i++) {
    change_later *later = journal[i].later;
    if (!later)
      continue;
    journal[i].later = NULL;
    agenda_put(&self->later, &later->node, add_saturated(at_ns, later->node.time_ns));
    self->later_count++;
  }
  agenda_reschedule(device, &device->behaviours->later);
}

static change_later *take_pending(behaviours *self) {
  heap_node *first = self->later.pending.root;
  if (!first)
    return NULL;
  heap_remove(&self->later.pending, first);
  self->later_count--;
  return ELEMENT(first, change_later, node);
}

static void fire(hwsim_device *device, source *source, int64_t at_ns, int64_t until_ns) {
  (void)source, (void)until_ns;
  change_later *later = take_pending(device->behaviours);
  registers_change(device, later->place, later->mask, later->value, NULL, at_ns);
  free(later);
  agenda_reschedule(device, &device->behaviours->later);
}

static void clear_pending(hwsim_device *device) {
  for (change_later *each; (each = take_pending(device->behaviours));)
    free(each);
  agenda_reschedule(device, &device->behaviours->later);
}

void behaviours_power_off(hwsim_device *device) {
  if (device->behaviours)
    clear_pending(device);
}

static int64_t next_ns(const hwsim_device *device) {
  return source_next_ns(&device->behaviours->later.source);
}

static void reset(hwsim_device *device) {
  device->behaviours->resets++;
  clear_pending(device);
}

static const journal_keeper keeper = {.expect = expect,
                                      .begin = begin,
                                      .journal = journal,
                                      .schedule = schedule,
                                      .next_ns = next_ns,
                                      .reset = reset};

/* ------------------------------------------------------------------------- for the behaviour -- */

static const char *operation_name(void) { return "transaction"; }

static hwsim_error check(const hwsim_transaction *self) {
  const char *name = self->device->config.name;
  if (handle_is_forked(self->device))
    return error_set_plain(HWSIM_EFORKED, name, operation_name());
  if (!self->open || !pthread_equal(self->thread, pthread_self()))
    return error_set(HWSIM_ESTATE, name, operation_name(),
                     "a transaction is only for its behaviour's call, on the thread of that");
  return HWSIM_OK;
}

/* EADDRESS, EACCESS: there is no register, or it has a role. */
static hwsim_error find(const hwsim_transaction *self, uint32_t address, size_t *place_out) {
  const char *name = self->device->config.name;
  hwsim_error error = check(self);
  if (error)
    return error;
  *place_out = registers_find(self->device, address);
  if (*place_out != NOWHERE)
    return HWSIM_OK;
  const hwsim_register *entry = map_find(self->device->model, address);
  return entry ? map_fail_access(entry->name, address, name, operation_name(),
                                 "one with a role, which a behaviour has no part in")
               : map_check_address(self->device->model, name, operation_name(), address);
}

hwsim_error hwsim_transaction_get(hwsim_transaction *transaction, uint32_t address,
                                  uint64_t *value_out) {
  size_t place;
  hwsim_device *device = transaction->device;
  hwsim_error error = find(transaction, address, &place);
  if (error)
    return error;
  pthread_mutex_lock(timeline_mutex(device));
  *value_out = held_by(device->behaviours, device, place);
  pthread_mutex_unlock(timeline_mutex(device));
  return HWSIM_OK;
}

/* Where to set bits of a register. */
static hwsim_error check_set(const hwsim_transaction *transaction, uint32_t address, uint64_t mask,
                             uint64_t value, size_t *place_out) {
  hwsim_device *device = transaction->device;
  hwsim_error error = find(transaction, address, place_out);
  if (error)
    return error;
  size_t place = *place_out;
  const hwsim_register *where = &device->model->registers[place];
  uint64_t all = device->model->made->facts[place].all;
  if ((mask | value) & ~all)
    return error_set(
        HWSIM_EINVALID, device->config.name, operation_name(),
        "%s has %u bits: mask and value must be from 0 to 0x%llX, got 0x%llX and 0x%llX",
        where->name, where->bits, (unsigned long long)all, (unsigned long long)mask,
        (unsigned long long)value);
  return HWSIM_OK;
}

hwsim_error hwsim_transaction_set(hwsim_transaction *transaction, uint32_t address, uint64_t mask,
                                  uint64_t value) {
  size_t place;
  hwsim_device *device = transaction->device;
  hwsim_error error = check_set(transaction, address, mask, value, &place);
  if (error)
    return error;
  pthread_mutex_lock(timeline_mutex(device));
  uint64_t held = held_by(device->behaviours, device, place);
  pthread_mutex_unlock(timeline_mutex(device));
  const entry next = {.kind = ENTRY_SET,
                      .place = (uint16_t)place,
                      .mask = mask,
                      .value = value,
                      .held = (held & ~mask) | (value & mask)};
  return add_entry(device->behaviours, next)
             ? HWSIM_OK
             : error_no_memory(device->config.name, operation_name());
}

hwsim_error hwsim_transaction_set_later(hwsim_transaction *transaction, int64_t delay_ns,
                                        uint32_t address, uint64_t mask, uint64_t value) {
  size_t place;
  hwsim_device *device = transaction->device;
  behaviours *self = device->behaviours;
  const char *name = device->config.name;
  hwsim_error error = check_set(transaction, address, mask, value, &place);
  if (error)
    return error;
  if (delay_ns < SHORTEST_NS || delay_ns > LONGEST_NS)
    return error_set(HWSIM_EINVALID, name, operation_name(),
                     "a register can change 1 us to 1 h later, got %g s", (double)delay_ns / 1e9);
  pthread_mutex_lock(timeline_mutex(device));
  size_t pending = self->later_count + self->journal.count;
  pthread_mutex_unlock(timeline_mutex(device));
  if (pending >= HWSIM_LATER_LARGEST)
    return error_set(HWSIM_EINVALID, name, operation_name(),
                     "up to %d changes of registers can wait for their time", HWSIM_LATER_LARGEST);
  change_later *later = zeroed(sizeof *later);
  const entry next = {.kind = ENTRY_LATER, .place = (uint16_t)place, .later = later};
  if (!later || !add_entry(self, next)) {
    free(later);
    return error_no_memory(name, operation_name());
  }
  later->node.time_ns = delay_ns;
  later->place = (uint16_t)place;
  later->mask = mask;
  later->value = value;
  return HWSIM_OK;
}

hwsim_error hwsim_transaction_spend(hwsim_transaction *transaction, int64_t time_ns) {
  hwsim_error error = check(transaction);
  if (error)
    return error;
  callout *out = &transaction->device->behaviours->callout;
  if (time_ns < 0 || time_ns > LONGEST_NS - out->spent_ns)
    return error_set(HWSIM_EINVALID, transaction->device->config.name, operation_name(),
                     "a behaviour can spend from 0 to 3600 s in all, got %g s",
                     (double)time_ns / 1e9);
  out->spent_ns += time_ns;
  return HWSIM_OK;
}

hwsim_error hwsim_transaction_now(hwsim_transaction *transaction, int64_t *now_ns_out) {
  hwsim_error error = check(transaction);
  const callout *out = &transaction->device->behaviours->callout;
  if (!error)
    *now_ns_out = add_saturated(out->at_ns, out->spent_ns);
  return error;
}

hwsim_error hwsim_transaction_resets(hwsim_transaction *transaction, uint64_t *resets_out) {
  hwsim_error error = check(transaction);
  if (!error)
    *resets_out = transaction->resets;
  return error;
}

void hwsim_transaction_fail(hwsim_transaction *transaction, void *reason) {
  if (!check(transaction))
    transaction->device->behaviours->callout.reason = reason;
}

/* -------------------------------------------------------------------------------------- life -- */

hwsim_error hwsim_behaviour_set(hwsim_device *device, const hwsim_behaviour *behaviour) {
  const hwsim_operation *operation = OPERATION(device, open);
  behaviours *self = zeroed(sizeof *self);
  if (!self)
    return error_no_memory(device->config.name, operation->name);
  self->calls = *behaviour;
  self->transaction.device = device;
  hwsim_error error = timeline_lock(device, operation);
  if (error) {
    free(self);
    return error;
  }
  bool has_one = device->behaviours;
  bool good = !has_one && device->model->claim_count;
  if (good) {
    device->behaviours = self;
    agenda_open(device, &self->later, fire);
    registers_set_keeper(device, &keeper);
  }
  timeline_unlock(device);
  if (good)
    return HWSIM_OK;
  free(self);
  return error_set(HWSIM_ESTATE, device->config.name, operation->name,
                   has_one ? "the device has a behaviour" : "the device's model has no claims");
}

void behaviours_free(hwsim_device *device) {
  behaviours *self = device->behaviours;
  if (!self)
    return;
  if (self->calls.release && !handle_is_forked(device))
    self->calls.release(self->calls.user);
  for (change_later *each; (each = take_pending(self));)
    free(each);
  drop_journal(self);
  free(self->transfers.items);
  free(self->journal.items);
  free(self);
}
