/* Back-pressure: what a full queue holds back comes later, all of it, in order and with its own
 * time; and what waits for room can time out, be cancelled or closed without having happened. */
#include "events.h"

#define SLOW "hwsim://d?clock=manual&latency=1ms&timeout=inf"

/* --------------------------------------------------------------------------------- the ticks -- */

static void ticks_come_later_all_of_them(void) {
  for (uint32_t queue = 1; queue <= 4; queue++) {
    hwsim_device *device = open_device(MANUAL "&timer=1ms");
    hwsim_subscription *subscription = subscribe_waiting(device, KIND(TIMER), queue);
    advance(device, S);
    CHECK_STATUS(subscription, queue, 0, 0);
    for (uint64_t tick = 1; tick <= 1000; tick++)
      CHECK_EVENT(take_one(subscription), TIMER, (int64_t)tick * MS, tick - 1, 0, 0, (double)tick);
    CHECK_NO_MORE(subscription);
    advance(device, MS);
    CHECK_EVENT(take_one(subscription), TIMER, 1001 * MS, 1000, 0, 0, 1001);
    CHECK_STATUS(subscription, 0, 1001, 0);
    end(subscription, device);
  }
}

static void billions_of_ticks_can_wait(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1us");
  hwsim_subscription *subscription = subscribe_waiting(device, KIND(TIMER), 7);
  hwsim_event events[100];
  uint64_t tick = 0;
  advance(device, 3600 * S);
  while (tick < 1000)
    for (size_t i = 0, count = take(subscription, events, 100); i < count; i++, tick++)
      CHECK_EVENT(events[i], TIMER, (int64_t)(tick + 1) * US, tick, 0, 0, (double)(tick + 1));
  end(subscription, device);
}

/* The ticks of the old timer will not come any more: exactly those are lost. */
static void a_timer_set_anew_loses_the_ticks_that_waited(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe_waiting(device, KIND(TIMER), 2);
  advance(device, 10 * MS);
  CHECK_OK(hwsim_timer_set(device, 3 * MS));
  CHECK_EVENT(take_one(subscription), TIMER, MS, 0, 0, 0, 1);
  CHECK_EVENT(take_one(subscription), TIMER, 2 * MS, 1, 0, 0, 2);
  CHECK_NO_MORE(subscription);
  advance(device, 3 * MS);
  CHECK_EVENT(take_one(subscription), TIMER, 13 * MS, 10, 8, 0, 1);
  CHECK_STATUS(subscription, 0, 3, 8);
  end(subscription, device);
}

/* The ticks from before the disconnect wait; those without power are lost. */
static void a_disconnect_adds_no_ticks_to_those_that_wait(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe_waiting(device, KIND(TIMER), 2);
  hwsim_subscription_status status;
  uint64_t ticks = 0;
  advance(device, 10 * MS);
  disconnect(device);
  advance(device, 100 * MS);
  reconnect(device);
  advance(device, MS);
  hwsim_event event;
  while (take(subscription, &event, 1))
    ticks++;
  CHECK_OK(hwsim_subscription_get_status(subscription, &status));
  CHECK_EQUAL(ticks + status.lost, 111);
  CHECK_EVENT(event, TIMER, 111 * MS, 110, event.lost, 0, 1);
  end(subscription, device);
}

static void one_that_waits_holds_back_no_other(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *full = subscribe_waiting(device, KIND(TIMER), 1),
                     *roomy = subscribe_waiting(device, KIND(TIMER), 100),
                     *dropping = subscribe(device, KIND(TIMER), 1);
  advance(device, 50 * MS);
  CHECK_STATUS(full, 1, 0, 0);
  CHECK_STATUS(roomy, 50, 0, 0);
  CHECK_STATUS(dropping, 1, 0, 49);
  hwsim_subscription_free(full);
  hwsim_subscription_free(dropping);
  end(roomy, device);
}

static void ticks_that_wait_come_after_the_device_closed(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe_waiting(device, KIND(TIMER), 2);
  hwsim_event event;
  size_t count;
  advance(device, 5 * MS);
  hwsim_device_close(device);
  for (uint64_t tick = 1; tick <= 5; tick++) {
    CHECK_OK(hwsim_subscription_next(subscription, 1, &at_once, &event, &count));
    CHECK_EVENT(event, TIMER, (int64_t)tick * MS, tick - 1, 0, 0, (double)tick);
  }
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, &at_once, &event, &count), HWSIM_ECLOSED);
  end(subscription, device);
}

/* ---------------------------------------------------------------------------- the operations -- */

/* A trigger, what waits behind it, and what they wait for: room in a queue of one, which a first
 * trigger has filled at 1 ms. */
typedef struct stalled {
  hwsim_device *device;
  hwsim_subscription *subscription;
  operation trigger, write, read, last;
} stalled;

static void stall_with(stalled *self, const char *uri, const hwsim_call *call) {
  hwsim_device *device = open_device(uri);
  *self = (stalled){
      .device = device,
      .subscription = subscribe_waiting(device, KIND(TRIGGER), 1),
      .trigger = {.device = device, .run = run_trigger, .volts = 1, .call = call},
      .write =
          {.device = device, .run = run_write, .address = SCRATCH0, .value = 5, .call = &forever},
      .read = {.device = device, .run = run_read, .address = SCRATCH0, .call = &forever},
      .last = {.device = device, .run = run_trigger, .volts = 2, .call = &forever}};
  operation first = {.device = device, .run = run_trigger, .call = &forever};
  operation_start(&first);
  operation_start(&self->trigger);
  operation_start(&self->write);
  operation_start(&self->read);
  operation_start(&self->last);
  advance(device, 20 * MS);
  CHECK_EQUAL(operation_join(&first), HWSIM_OK);
  CHECK_EQUAL(pending(device), 4);
}

static void stall(stalled *self) { stall_with(self, SLOW, &forever); }

/* The operations behind it have gone on from this time, in order, a millisecond each. Frees all. */
static void check_the_rest(stalled *self, uint64_t sequence, int64_t from_ns) {
  advance(self->device, from_ns + 3 * MS - now(self->device));
  CHECK_EQUAL(operation_join(&self->write), HWSIM_OK);
  CHECK_EQUAL(operation_join(&self->read), HWSIM_OK);
  CHECK_EQUAL(self->read.value, 5);
  CHECK_EQUAL(operation_join(&self->last), HWSIM_OK);
  CHECK_EVENT(take_one(self->subscription), TRIGGER, from_ns + 3 * MS, sequence, 0, 0, 2);
  CHECK_NO_MORE(self->subscription);
  CHECK_STATUS(self->subscription, 0, sequence + 1, 0);
  end(self->subscription, self->device);
}

static void an_operation_waits_for_room_and_those_behind_it_too(void) {
  stalled self;
  stall(&self);
  CHECK_EVENT(take_one(self.subscription), TRIGGER, MS, 0, 0, 0, 0);
  CHECK_EQUAL(operation_join(&self.trigger), HWSIM_OK);
  CHECK_EQUAL(pending(self.device), 3);
  CHECK_EVENT(take_one(self.subscription), TRIGGER, 20 * MS, 1, 0, 0, 1); /* when room came */
  check_the_rest(&self, 2, 20 * MS);
}

static void what_comes_while_the_bus_stalls_waits_its_turn(void) {
  stalled self;
  stall(&self);
  operation late = {.device = self.device, .run = run_read, .address = SCRATCH0, .call = &forever};
  advance(self.device, MS);
  operation_start(&late);
  advance(self.device, S);
  CHECK_EQUAL(pending(self.device), 5);
  take_one(self.subscription);
  take_one(self.subscription);
  CHECK_EQUAL(operation_join(&self.trigger), HWSIM_OK);
  hwsim_device *device = hwsim_device_retain(self.device);
  check_the_rest(&self, 2, S + 21 * MS);
  CHECK_EQUAL(pending(device), 1);
  advance(device, MS);
  CHECK_EQUAL(operation_join(&late), HWSIM_OK);
  hwsim_device_free(device);
}

static void an_operation_that_waits_for_room_times_out_without_effect(void) {
  stalled self;
  const hwsim_call until_30ms = {30 * MS, NULL, NULL};
  stall_with(&self, SLOW, &until_30ms);
  advance(self.device, 10 * MS - 1);
  CHECK_EQUAL(pending(self.device), 4);
  advance(self.device, 1);
  CHECK_EQUAL(operation_join(&self.trigger), HWSIM_ETIMEOUT);
  CHECK_EVENT(take_one(self.subscription), TRIGGER, MS, 0, 0, 0, 0);
  check_the_rest(&self, 1, 30 * MS);
}

static void an_operation_that_waits_for_room_can_be_cancelled(void) {
  stalled self;
  hwsim_cancel *token;
  CHECK_OK(hwsim_cancel_new(&token));
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  stall_with(&self, SLOW, &call);
  hwsim_cancel_set(token);
  CHECK_EQUAL(operation_join(&self.trigger), HWSIM_ECANCELLED);
  CHECK_EVENT(take_one(self.subscription), TRIGGER, MS, 0, 0, 0, 0);
  check_the_rest(&self, 1, 20 * MS);
  hwsim_cancel_free(token);
}

static void cancelling_one_behind_changes_nothing_for_the_first(void) {
  stalled self;
  hwsim_cancel *token;
  CHECK_OK(hwsim_cancel_new(&token));
  const hwsim_call call = {HWSIM_TIMEOUT_NEVER, token, NULL};
  stall(&self);
  operation late = {.device = self.device, .run = run_read, .call = &call};
  operation_start(&late);
  hwsim_cancel_set(token);
  CHECK_EQUAL(operation_join(&late), HWSIM_ECANCELLED);
  advance(self.device, S);
  CHECK_EQUAL(pending(self.device), 4);
  take_one(self.subscription);
  CHECK_EQUAL(operation_join(&self.trigger), HWSIM_OK);
  take_one(self.subscription);
  check_the_rest(&self, 2, S + 20 * MS);
  hwsim_cancel_free(token);
}

static void closing_the_subscription_lets_them_go_on(void) {
  for (int by_free = 0; by_free < 2; by_free++) {
    stalled self;
    stall(&self);
    hwsim_subscription *other = subscribe(self.device, KIND(TRIGGER), 10);
    if (by_free)
      hwsim_subscription_free(self.subscription);
    else
      hwsim_subscription_close(self.subscription);
    CHECK_EQUAL(operation_join(&self.trigger), HWSIM_OK);
    CHECK_EVENT(take_one(other), TRIGGER, 20 * MS, 0, 0, 0, 1);
    if (!by_free)
      hwsim_subscription_free(self.subscription);
    self.subscription = other;
    check_the_rest(&self, 1, 20 * MS);
  }
}

static void all_of_it_ends(stalled *self, hwsim_error error) {
  CHECK_EQUAL(operation_join(&self->trigger), error);
  CHECK_EQUAL(operation_join(&self->write), error);
  CHECK_EQUAL(operation_join(&self->read), error);
  CHECK_EQUAL(operation_join(&self->last), error);
  CHECK_EVENT(take_one(self->subscription), TRIGGER, MS, 0, 0, 0, 0);
  CHECK_STATUS(self->subscription, 0, 1, 0);
}

static void a_disconnect_ends_what_waits_for_room(void) {
  stalled self;
  stall(&self);
  disconnect(self.device);
  all_of_it_ends(&self, HWSIM_EDISCONNECTED);
  reconnect(self.device);
  CHECK_EQUAL(pending(self.device), 0);
  self.read.value = 77;
  operation_start(&self.read);
  advance(self.device, MS);
  CHECK_EQUAL(operation_join(&self.read), HWSIM_OK);
  CHECK_EQUAL(self.read.value, 0); /* the write had no effect */
  end(self.subscription, self.device);
}

static void cancelling_all_ends_what_waits_for_room(void) {
  stalled self;
  stall(&self);
  CHECK_OK(hwsim_device_cancel(self.device));
  all_of_it_ends(&self, HWSIM_ECANCELLED);
  end(self.subscription, self.device);
}

static void closing_the_device_ends_what_waits_for_room(void) {
  stalled self;
  stall(&self);
  hwsim_device_close(self.device);
  all_of_it_ends(&self, HWSIM_ECLOSED);
  end(self.subscription, self.device);
}

/* The wait for room can itself be the jump of a virtual clock. */
static void on_a_virtual_clock_it_times_out_at_once(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms&timeout=10ms");
  hwsim_subscription *subscription = subscribe_waiting(device, KIND(TRIGGER) | KIND(REGISTER), 1);
  trigger(device, 0);
  CHECK_FAILS(hwsim_event_trigger(device, 1, NULL), HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), 11 * MS);
  CHECK_FAILS(hwsim_register_write(device, SCRATCH0, 1, NULL), HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), 21 * MS);
  CHECK_EQUAL(read_value(device, SCRATCH0), 0); /* causes no event, and need not wait */
  CHECK_EQUAL(now(device), 22 * MS);
  CHECK_EVENT(take_one(subscription), TRIGGER, MS, 0, 0, 0, 0);
  trigger(device, 2);
  CHECK_EVENT(take_one(subscription), TRIGGER, 23 * MS, 1, 0, 0, 2);
  end(subscription, device);
}

static void on_a_virtual_clock_one_behind_it_times_out_too(void) {
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms&timeout=10ms");
  hwsim_subscription *subscription = subscribe_waiting(device, KIND(TRIGGER), 1);
  operation waiting = {.device = device, .run = run_trigger, .volts = 1, .call = &forever};
  trigger(device, 0);
  operation_start(&waiting);
  while (now(device) < 2 * MS) /* until it has jumped to the end of its slot */
    CHECK_EQUAL(pending(device), 1);
  CHECK_FAILS(read_once(device), HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), 12 * MS);
  take_one(subscription);
  CHECK_EQUAL(operation_join(&waiting), HWSIM_OK);
  CHECK_EVENT(take_one(subscription), TRIGGER, 12 * MS, 1, 0, 0, 1);
  end(subscription, device);
}

static void only_the_kinds_of_a_full_queue_wait(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *ticks = subscribe_waiting(device, KIND(TIMER), 1),
                     *others = subscribe(device, ALL_KINDS & ~KIND(TIMER), 10);
  advance(device, 10 * MS);
  trigger(device, 1);
  write_value(device, SCRATCH0, 2);
  CHECK_EVENT(take_one(others), TRIGGER, 10 * MS, 0, 0, 0, 1);
  CHECK_EVENT(take_one(others), REGISTER, 10 * MS, 1, 0, SCRATCH0, 2);
  hwsim_subscription_free(ticks);
  end(others, device);
}

static void every_cause_waits_for_room(void) {
  static const struct {
    hwsim_fault_kind fault;
    hwsim_error result;
    uint32_t kinds;
  } cases[] = {{HWSIM_FAULT_CRC, HWSIM_ECRC, KIND(FAULT)},
               {HWSIM_FAULT_SPIKE, HWSIM_OK, KIND(FAULT)},
               {HWSIM_FAULT_DISCONNECT, HWSIM_EDISCONNECTED, KIND(DISCONNECT)},
               {HWSIM_FAULT_POWER, HWSIM_EDISCONNECTED, KIND(DISCONNECT)}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    hwsim_device *device = open_device(SLOW);
    hwsim_subscription *subscription = subscribe_waiting(device, KIND(TRIGGER) | cases[i].kinds, 1);
    operation first = {.device = device, .run = run_trigger, .call = &forever},
              hit = {.device = device, .run = run_read, .call = &forever};
    inject_at(device, cases[i].fault, 2);
    operation_start(&first);
    operation_start(&hit);
    advance(device, S);
    CHECK_EQUAL(operation_join(&first), HWSIM_OK);
    CHECK_EQUAL(pending(device), 1);
    CHECK_EVENT(take_one(subscription), TRIGGER, MS, 0, 0, 0, 0);
    CHECK_EQUAL(operation_join(&hit), cases[i].result);
    hwsim_event event = take_one(subscription);
    CHECK_EQUAL(HWSIM_EVENT_BIT(event.kind), cases[i].kinds);
    CHECK_EQUAL(event.time_ns, S);
    CHECK_EQUAL(event.sequence, 1);
    end(subscription, device);
  }
}

/* Room for one is enough for all the events of one operation: none is lost, the next one waits
 * until there is room again. */
static void an_operation_brings_all_its_events(void) {
  static const uint32_t values[] = {1, 2, 3, 4, 5, 6, 7, 8};
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe_waiting(device, KIND(REGISTER) | KIND(TRIGGER), 2);
  operation waiting = {.device = device, .run = run_trigger, .volts = 9, .call = &forever};
  trigger(device, 0);
  CHECK_OK(hwsim_register_write_block(device, SCRATCH0, values, 8, NULL));
  CHECK_STATUS(subscription, 9, 0, 0);
  operation_start(&waiting);
  CHECK_EVENT(take_one(subscription), TRIGGER, 0, 0, 0, 0, 0);
  for (uint32_t i = 0; i < 8; i++) {
    CHECK_EQUAL(pending(device), i < 7);
    CHECK_EVENT(take_one(subscription), REGISTER, 0, 1 + i, 0, SCRATCH0 + 4 * i, i + 1);
  }
  CHECK_EQUAL(operation_join(&waiting), HWSIM_OK);
  CHECK_EVENT(take_one(subscription), TRIGGER, 0, 9, 0, 0, 9);
  CHECK_STATUS(subscription, 0, 10, 0);
  end(subscription, device);
}

static void all_who_wait_must_have_room(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *one = subscribe_waiting(device, KIND(TRIGGER), 1),
                     *two = subscribe_waiting(device, KIND(TRIGGER), 2);
  operation waiting = {.device = device, .run = run_trigger, .volts = 3, .call = &forever};
  trigger(device, 1);
  take_one(one);
  trigger(device, 2);
  operation_start(&waiting);
  take_one(one);
  CHECK_EQUAL(pending(device), 1); /* the other one is still full */
  take_one(two);
  CHECK_EQUAL(operation_join(&waiting), HWSIM_OK);
  CHECK_EVENT(take_one(one), TRIGGER, 0, 2, 0, 0, 3);
  CHECK_STATUS(two, 2, 1, 0);
  hwsim_subscription_free(one);
  end(two, device);
}

/* The ticks that were due before the operation come before it. */
static void ticks_and_operations_that_wait_keep_their_order(void) {
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=2500us&timeout=inf&timer=1ms");
  hwsim_subscription *subscription = subscribe_waiting(device, KIND(TIMER) | KIND(TRIGGER), 1);
  operation waiting = {.device = device, .run = run_trigger, .volts = 7, .call = &forever};
  operation_start(&waiting);
  advance(device, 4 * MS);
  int64_t last_ns = 0;
  for (uint64_t i = 0, tick = 1; i < 5; i++) {
    hwsim_event event = take_one(subscription);
    CHECK(event.time_ns >= last_ns);
    last_ns = event.time_ns;
    CHECK_EQUAL(event.sequence, i);
    CHECK_EQUAL(event.lost, 0);
    if (event.kind == HWSIM_EVENT_TIMER)
      CHECK_EQUAL(event.time_ns, (int64_t)tick++ * MS);
  }
  CHECK_NO_MORE(subscription);
  CHECK_EQUAL(operation_join(&waiting), HWSIM_OK);
  end(subscription, device);
}

static void what_cannot_wait_is_lost_and_counted(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription =
      subscribe_waiting(device, KIND(THRESHOLD) | KIND(DISCONNECT) | KIND(RECONNECT), 1);
  connect_dc(device, 0, 0);
  CHECK_OK(hwsim_threshold_set(device, 0, 2.5, 0));
  for (int i = 1; i <= 5; i++) {
    advance(device, 2 * MS);
    connect_dc(device, 0, i % 2 ? 5 : 0);
  }
  advance(device, 2 * MS);
  CHECK_STATUS(subscription, 1, 0, 4);
  disconnect(device);
  reconnect(device);
  CHECK_STATUS(subscription, 1, 0, 6);
  CHECK_EVENT(take_one(subscription), THRESHOLD, 3 * MS, 0, 0, 0, 5);
  disconnect(device);
  CHECK_EVENT(take_one(subscription), DISCONNECT, 12 * MS, 7, 6, 0, 0);
  CHECK_STATUS(subscription, 0, 2, 6);
  end(subscription, device);
}

static void an_overrun_cannot_wait(void) {
  static const uint32_t channel = 0;
  const hwsim_stream_config config = {.rate_hz = 1000,
                                      .channels = &channel,
                                      .channel_count = 1,
                                      .buffer = 10,
                                      .overrun = HWSIM_OVERRUN_SKIP};
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe_waiting(device, KIND(OVERRUN) | KIND(TRIGGER), 1);
  hwsim_stream *stream;
  hwsim_block block;
  int16_t code;
  trigger(device, 1);
  CHECK_OK(hwsim_stream_start(device, &config, &stream));
  advance(device, 100 * MS);
  CHECK_OK(hwsim_stream_read(stream, HWSIM_FORMAT_INT16, 1, NULL, &code, &block));
  CHECK_EQUAL(block.lost, 90);
  CHECK_STATUS(subscription, 1, 0, 1);
  take_one(subscription);
  trigger(device, 2);
  CHECK_EVENT(take_one(subscription), TRIGGER, 100 * MS, 2, 1, 0, 2);
  hwsim_stream_free(stream);
  end(subscription, device);
}

/* Triggers on several threads against a reader that is always late: none is lost. */
typedef struct flood {
  hwsim_device *device;
  hwsim_subscription *subscription;
} flood;
enum { FLOODERS = 4, FLOOD = 300 };

static void flood_or_read(int index, void *shared) {
  flood *self = shared;
  uint32_t next[FLOODERS] = {0};
  if (index < FLOODERS) {
    for (int i = 0; i < FLOOD; i++)
      trigger(self->device, index * FLOOD + i);
    return;
  }
  for (uint64_t i = 0; i < FLOODERS * FLOOD; i++) {
    hwsim_event event = await_one(self->subscription);
    uint32_t value = (uint32_t)event.value;
    CHECK_EQUAL(event.sequence, i);
    CHECK_EQUAL(event.lost, 0);
    CHECK_EQUAL(value % FLOOD, next[value / FLOOD]++); /* in the order of its thread */
  }
}

static void no_event_is_lost_between_threads(void) {
  static const char *const uris[] = {"hwsim://d?latency=0s&timeout=inf",
                                     "hwsim://d?latency=1us&timeout=inf",
                                     "hwsim://d?clock=virtual&timeout=inf"};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    hwsim_device *device = open_device(uris[i]);
    flood self = {device, subscribe_waiting(device, KIND(TRIGGER), 3)};
    in_parallel(FLOODERS + 1, flood_or_read, &self);
    CHECK_STATUS(self.subscription, 0, FLOODERS * FLOOD, 0);
    end(self.subscription, device);
  }
}

static const test tests[] = {
    TEST(ticks_come_later_all_of_them),
    TEST(billions_of_ticks_can_wait),
    TEST(a_timer_set_anew_loses_the_ticks_that_waited),
    TEST(a_disconnect_adds_no_ticks_to_those_that_wait),
    TEST(one_that_waits_holds_back_no_other),
    TEST(ticks_that_wait_come_after_the_device_closed),
    TEST(an_operation_waits_for_room_and_those_behind_it_too),
    TEST(what_comes_while_the_bus_stalls_waits_its_turn),
    TEST(an_operation_that_waits_for_room_times_out_without_effect),
    TEST(an_operation_that_waits_for_room_can_be_cancelled),
    TEST(cancelling_one_behind_changes_nothing_for_the_first),
    TEST(closing_the_subscription_lets_them_go_on),
    TEST(a_disconnect_ends_what_waits_for_room),
    TEST(cancelling_all_ends_what_waits_for_room),
    TEST(closing_the_device_ends_what_waits_for_room),
    TEST(on_a_virtual_clock_it_times_out_at_once),
    TEST(on_a_virtual_clock_one_behind_it_times_out_too),
    TEST(only_the_kinds_of_a_full_queue_wait),
    TEST(every_cause_waits_for_room),
    TEST(an_operation_brings_all_its_events),
    TEST(all_who_wait_must_have_room),
    TEST(ticks_and_operations_that_wait_keep_their_order),
    TEST(what_cannot_wait_is_lost_and_counted),
    TEST(an_overrun_cannot_wait),
    TEST(no_event_is_lost_between_threads),
};
CHECK_MAIN(tests)
