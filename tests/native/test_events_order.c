/* Events come in the order of their times, however time passes and however often they are read. */
#include "events.h"

/* Operations end at 1.5, 3.0, ... ms, ticks come at 1, 2, ... ms; at the same time the tick is
 * first. */
static void ticks_and_operations_come_in_the_order_of_time(void) {
  enum { OPERATIONS = 6 };
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1500us&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TIMER) | KIND(TRIGGER), 100);
  operation triggers[OPERATIONS];
  for (int i = 0; i < OPERATIONS; i++) {
    triggers[i] = (operation){.device = device, .run = run_trigger, .volts = i, .call = &forever};
    operation_start(&triggers[i]);
  }
  advance(device, 10 * MS);
  for (int i = 0; i < OPERATIONS; i++)
    CHECK_EQUAL(operation_join(&triggers[i]), HWSIM_OK);
  uint64_t sequence = 0;
  for (int64_t half = 1; half <= 20; half++) {
    int64_t time_ns = half * MS / 2;
    if (half % 2 == 0)
      CHECK_EVENT(take_one(subscription), TIMER, time_ns, sequence++, 0, 0, (double)(half / 2));
    if (half % 3 == 0 && half / 3 <= OPERATIONS)
      CHECK_EVENT(take_one(subscription), TRIGGER, time_ns, sequence++, 0, 0,
                  (double)(half / 3 - 1));
  }
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void each_subscription_has_its_own_numbers(void) {
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *ticks = subscribe(device, KIND(TIMER), 100),
                     *triggers = subscribe(device, KIND(TRIGGER), 100),
                     *both = subscribe(device, KIND(TIMER) | KIND(TRIGGER), 100),
                     *changes = subscribe(device, KIND(REGISTER), 100),
                     *few = subscribe(device, ALL_KINDS, 1);
  for (int i = 0; i < 20; i++) {
    advance(device, MS);
    trigger(device, i);
  }
  for (uint64_t i = 0; i < 20; i++) {
    int64_t time_ns = (int64_t)(i + 1) * MS;
    CHECK_EVENT(take_one(ticks), TIMER, time_ns, i, 0, 0, (double)(i + 1));
    CHECK_EVENT(take_one(triggers), TRIGGER, time_ns, i, 0, 0, (double)i);
    CHECK_EVENT(take_one(both), TIMER, time_ns, 2 * i, 0, 0, (double)(i + 1));
    CHECK_EVENT(take_one(both), TRIGGER, time_ns, 2 * i + 1, 0, 0, (double)i);
  }
  CHECK_EVENT(take_one(few), TRIGGER, 20 * MS, 39, 39, 0, 19);
  CHECK_NO_MORE(changes);
  hwsim_subscription_free(ticks);
  hwsim_subscription_free(triggers);
  hwsim_subscription_free(both);
  hwsim_subscription_free(changes);
  end(few, device);
}

/* A scenario with everything that depends on time, each at a time of its own: however the time in
 * between is cut into steps, and however often the queue is read, the events are the same. */
typedef struct history {
  hwsim_event events[20000];
  size_t count;
} history;

typedef struct scenario {
  hwsim_device *device;
  hwsim_subscription *subscription;
  uint64_t *steps; /* of the generator; NULL: in one step */
  history *history;
} scenario;

static void look(scenario *self) {
  size_t room = LENGTH(self->history->events) - self->history->count;
  CHECK(room > 0);
  self->history->count +=
      take(self->subscription, &self->history->events[self->history->count], room);
}

static void pass(scenario *self, int64_t time_ns) {
  while (self->steps && time_ns > 0) {
    uint64_t scale = (uint64_t)time_ns >> (draw(self->steps) % 24);
    int64_t step_ns = (int64_t)(draw(self->steps) % (scale + 1)) + 1;
    step_ns = step_ns < time_ns ? step_ns : time_ns;
    advance(self->device, step_ns);
    time_ns -= step_ns;
    if (draw(self->steps) % 4 == 0)
      look(self);
  }
  advance(self->device, time_ns);
}

static void play(uint64_t seed, uint64_t *steps, history *history_out) {
  enum { OPERATIONS = 5 };
  char uri[160];
  snprintf(uri, sizeof uri,
           "hwsim://d?clock=manual&latency=3ms&jitter=2ms&noise=100mV&seed=%llu&timer=700us&"
           "fault=spike@2:10ms&fault=crc@4&timeout=inf",
           (unsigned long long)seed);
  scenario self = {open_device(uri), NULL, steps, history_out};
  hwsim_device *device = self.device;
  history_out->count = 0;
  self.subscription = subscribe(device, ALL_KINDS, 1 << 15);
  hwsim_subscription *other = subscribe(device, KIND(TIMER), 1);
  operation operations[OPERATIONS];
  for (int i = 0; i < OPERATIONS; i++) {
    operations[i] = (operation){.device = device,
                                .run = i % 2 ? run_trigger : run_write,
                                .address = SCRATCH0,
                                .value = (uint32_t)i + 1,
                                .volts = i,
                                .call = &forever};
    operation_start(&operations[i]);
  }
  CHECK_OK(hwsim_threshold_set(device, 0, 0.5, 0.1));
  pass(&self, 12345678);
  CHECK_OK(hwsim_threshold_set(device, 1, 0, 0));
  pass(&self, 60 * MS + 1);
  CHECK_OK(hwsim_timer_set(device, 1234567));
  pass(&self, 100 * MS);
  for (int i = 0; i < OPERATIONS; i++)
    CHECK_EQUAL(operation_join(&operations[i]), i == 3 ? HWSIM_ECRC : HWSIM_OK);
  disconnect(device);
  pass(&self, 20 * MS + 7);
  reconnect(device);
  pass(&self, 33 * MS);
  connect_dc(device, 0, 1);
  pass(&self, 33 * MS);
  connect_dc(device, 0, 0.45);
  pass(&self, 33 * MS);
  CHECK_OK(hwsim_threshold_clear(device, 1));
  CHECK_OK(hwsim_timer_set(device, 1000));
  pass(&self, 5 * MS);
  look(&self);
  CHECK_STATUS(self.subscription, 0, history_out->count, 17); /* while there was no power */
  hwsim_subscription_free(other);
  end(self.subscription, device);
}

static void check_same_history(const history *actual, const history *expected) {
  CHECK_EQUAL(actual->count, expected->count);
  for (size_t i = 0; i < expected->count; i++) {
    hwsim_event wanted = expected->events[i];
    check_event_at(__FILE__, __LINE__, actual->events[i], wanted.kind, wanted.time_ns,
                   wanted.sequence, wanted.lost, wanted.channel, wanted.value);
  }
}

static void any_split_of_the_time_gives_the_same_events(void) {
  static history in_one_step, in_many;
  for (uint64_t seed = 0; seed < 6; seed++) {
    play(seed, NULL, &in_one_step);
    uint32_t seen = 0;
    uint64_t lost = 0;
    for (size_t i = 0; i < in_one_step.count; i++) {
      seen |= HWSIM_EVENT_BIT(in_one_step.events[i].kind);
      lost += in_one_step.events[i].lost;
      CHECK_EQUAL(in_one_step.events[i].sequence, i + lost);
      CHECK(!i || in_one_step.events[i].time_ns >= in_one_step.events[i - 1].time_ns);
    }
    CHECK_EQUAL(seen, ALL_KINDS & ~(KIND(OVERRUN) | KIND(FIRMWARE)));
    for (uint64_t split = 0; split < 5; split++) {
      uint64_t steps = 1000 * seed + split;
      play(seed, &steps, &in_many);
      check_same_history(&in_many, &in_one_step);
    }
  }
}

static const test tests[] = {
    TEST(ticks_and_operations_come_in_the_order_of_time),
    TEST(each_subscription_has_its_own_numbers),
    TEST(any_split_of_the_time_gives_the_same_events),
};
CHECK_MAIN(tests)
