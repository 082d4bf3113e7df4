/* The queue of a subscription: it keeps the newest events, and counts those that it loses. */
#include "events.h"

static void a_queue_of_one_keeps_the_newest(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 1);
  uint64_t sequence = 0;
  for (int count = 1; count <= 4; count++) {
    for (int i = 1; i <= count; i++)
      trigger(device, i);
    CHECK_EVENT(take_one(subscription), TRIGGER, 0, sequence + (uint64_t)count - 1,
                (uint64_t)count - 1, 0, count);
    sequence += (uint64_t)count;
    CHECK_NO_MORE(subscription);
  }
  CHECK_STATUS(subscription, 0, 4, 6);
  end(subscription, device);
}

static void a_batch_takes_what_is_there(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER), 10);
  hwsim_event events[10];
  for (int i = 0; i < 7; i++)
    trigger(device, i);
  CHECK_EQUAL(take(subscription, events, 3), 3);
  CHECK_EVENT(events[2], TRIGGER, 0, 2, 0, 0, 2);
  CHECK_STATUS(subscription, 4, 3, 0);
  CHECK_EQUAL(take(subscription, events, 10), 4);
  CHECK_EVENT(events[0], TRIGGER, 0, 3, 0, 0, 3);
  CHECK_EVENT(events[3], TRIGGER, 0, 6, 0, 0, 6);
  end(subscription, device);
}

/* Against a model: the queue is a list, and what does not fit drops the oldest. */
static void check_against_a_model(uint64_t seed) {
  enum { EVENTS = 100000, LARGEST = 64 };
  static hwsim_event model[EVENTS];
  uint64_t random = seed, expected = 0, delivered = 0;
  size_t first = 0, last = 0;
  uint32_t queue = 1 + (uint32_t)(draw(&random) % 9);
  hwsim_device *device = open_device(MANUAL "&timer=1ms");
  hwsim_subscription *subscription = subscribe(device, KIND(TRIGGER) | KIND(TIMER), queue);
  int64_t time_ns = 0;
  for (int step = 0; step < 400; step++) {
    if (draw(&random) % 2) {
      trigger(device, (double)step);
      model[last] = (hwsim_event){HWSIM_EVENT_TRIGGER, 0, time_ns, last, 0, (double)step};
      last++;
    } else {
      int64_t until_ns =
          time_ns + (int64_t)(draw(&random) % (uint64_t)((draw(&random) % 8 ? 3 : 99) * MS));
      advance(device, until_ns - time_ns);
      for (int64_t tick = time_ns / MS + 1; tick <= until_ns / MS; tick++, last++)
        model[last] = (hwsim_event){HWSIM_EVENT_TIMER, 0, tick * MS, last, 0, (double)tick};
      time_ns = until_ns;
    }
    CHECK(last < EVENTS - 200);
    first = last - first > queue ? last - queue : first;
    if (draw(&random) % 3)
      continue;
    hwsim_event events[LARGEST];
    size_t capacity = 1 + draw(&random) % (2 * queue), count = take(subscription, events, capacity);
    CHECK_EQUAL(count, last - first < capacity ? last - first : capacity);
    for (size_t i = 0; i < count; i++, first++) {
      hwsim_event wanted = model[first];
      check_event_at(__FILE__, __LINE__, events[i], wanted.kind, wanted.time_ns, first,
                     first - expected, 0, wanted.value);
      expected = first + 1;
    }
    delivered += count;
    CHECK_STATUS(subscription, last - first, delivered, first - delivered);
  }
  end(subscription, device);
}

static void the_queue_is_as_its_model(void) {
  for (uint64_t seed = 0; seed < 40; seed++)
    check_against_a_model(seed);
}

static const test tests[] = {
    TEST(a_queue_of_one_keeps_the_newest),
    TEST(a_batch_takes_what_is_there),
    TEST(the_queue_is_as_its_model),
};
CHECK_MAIN(tests)
