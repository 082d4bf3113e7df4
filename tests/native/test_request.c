/* Calls that do not block: each ends once, its result is that of the blocking call, and whatever
 * ends it has taken it off the bus. */
#include "threads.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define SCRATCH 0x40u

static bool readable(const hwsim_queue *queue, int timeout_ms) {
  struct pollfd fd = {.fd = hwsim_queue_fd(queue), .events = POLLIN};
  return poll(&fd, 1, timeout_ms) == 1;
}

static hwsim_queue *new_queue(void) {
  hwsim_queue *queue = NULL;
  CHECK_OK(hwsim_queue_new(&queue));
  return queue;
}

static hwsim_request *new_request(hwsim_queue *queue, void *user) {
  hwsim_request *request = NULL;
  CHECK_OK(hwsim_request_new(queue, user, &request));
  return request;
}

static hwsim_call with(hwsim_request *request) {
  return (hwsim_call){.timeout_ns = HWSIM_TIMEOUT_DEFAULT, .request = request};
}

/* Waits until one request has ended, and returns it. */
static hwsim_request *next_ended(hwsim_queue *queue) {
  for (;;) {
    hwsim_completion news;
    size_t count;
    CHECK(readable(queue, 10000));
    CHECK_OK(hwsim_queue_take(queue, 1, &news, &count));
    if (count && news.ended)
      return news.request;
  }
}

static size_t take(hwsim_queue *queue, hwsim_completion *news, size_t capacity) {
  size_t count;
  CHECK_OK(hwsim_queue_take(queue, capacity, news, &count));
  return count;
}

/* --------------------------------------------------------------------- every call that waits -- */

typedef struct bench {
  hwsim_device *device;
  hwsim_stream *stream;
  hwsim_subscription *subscription;
  hwsim_call call;
  uint64_t value; /* results */
  uint32_t words[4];
  double volts[2];
  int16_t codes[8];
  hwsim_block block;
  hwsim_event events[4];
  size_t count;
  hwsim_calibration calibration;
  uint8_t image[HWSIM_FIRMWARE_HEADER + 5000];
} bench;

static hwsim_error call_read(bench *b) {
  return hwsim_register_read(b->device, HWSIM_REGISTER_ID, &b->call, &b->value);
}
static hwsim_error call_write(bench *b) {
  return hwsim_register_write(b->device, SCRATCH, 7, &b->call);
}
static hwsim_error call_read_block(bench *b) {
  return hwsim_register_read_block(b->device, SCRATCH, 4, &b->call, b->words);
}
static hwsim_error call_write_block(bench *b) {
  uint32_t values[] = {1, 2, 3};
  hwsim_error error = hwsim_register_write_block(b->device, SCRATCH, values, 3, &b->call);
  memset(values, 0xFF, sizeof values); /* needed during the call only */
  return error;
}
static hwsim_error call_update(bench *b) {
  return hwsim_register_update(b->device, SCRATCH, 0xF0, 0x50, &b->call, &b->value);
}
static hwsim_error call_wait(bench *b) {
  return hwsim_register_wait(b->device, SCRATCH, 0, 0, &b->call, &b->value);
}
static hwsim_error call_convert(bench *b) {
  return hwsim_signal_read(b->device, 1, &b->call, b->volts);
}
static hwsim_error call_convert_many(bench *b) {
  uint32_t channels[] = {2, 0};
  hwsim_error error = hwsim_signal_read_many(b->device, channels, 2, &b->call, b->volts);
  memset(channels, 0xFF, sizeof channels);
  return error;
}
static hwsim_error call_reset(bench *b) { return hwsim_device_reset(b->device, &b->call); }
static hwsim_error call_trigger(bench *b) { return hwsim_event_trigger(b->device, 3, &b->call); }
static hwsim_error call_wait_pending(bench *b) {
  return hwsim_device_wait_pending(b->device, 0, &b->call);
}
static hwsim_error call_wait_connected(bench *b) {
  return hwsim_device_wait_connected(b->device, true, &b->call);
}
static hwsim_error call_stream(bench *b) {
  return hwsim_stream_read(b->stream, HWSIM_FORMAT_INT16, 8, &b->call, b->codes, &b->block);
}
static hwsim_error call_next(bench *b) {
  return hwsim_subscription_next(b->subscription, 4, &b->call, b->events, &b->count);
}
static hwsim_error call_calibrate(bench *b) {
  return hwsim_calibrate(b->device, 0, 1 << 18, &b->call, NULL, &b->calibration, NULL, NULL);
}
static hwsim_error call_program(bench *b) {
  const hwsim_firmware_options options = {.verify = true, .retries = 3};
  return hwsim_firmware_program(b->device, b->image, sizeof b->image, &options, &b->call, NULL);
}
static hwsim_error call_wait_free(bench *b) { return hwsim_wait_free("nobody", &b->call); }

static hwsim_error (*const calls[])(bench *b) = {
    call_read,    call_write,    call_read_block,   call_write_block,    call_update,
    call_wait,    call_convert,  call_convert_many, call_reset,          call_trigger,
    call_stream,  call_next,     call_wait_pending, call_wait_connected, call_calibrate,
    call_program, call_wait_free};
enum { CALLS = sizeof calls / sizeof *calls };

static void put_uint32(uint8_t *bytes, uint32_t value) {
  for (int i = 0; i < 4; i++)
    bytes[i] = (uint8_t)(value >> 8 * i);
}

static void set_up(bench *b, const char *uri) {
  memset(b, 0, sizeof *b);
  b->device = open_device(uri);
  const uint32_t channel = 0;
  const hwsim_stream_config stream = {
      .rate_hz = 1000, .channels = &channel, .channel_count = 1, .buffer = 1000};
  const hwsim_subscription_config events = {.kinds = HWSIM_EVENT_BIT(HWSIM_EVENT_TIMER),
                                            .queue = 16};
  CHECK_OK(hwsim_stream_start(b->device, &stream, &b->stream));
  CHECK_OK(hwsim_subscription_new(b->device, &events, &b->subscription));
  CHECK_OK(hwsim_timer_set(b->device, 10 * MS));
  memcpy(b->image, "HWSIMFW1", 8);
  put_uint32(b->image + 8, 0x00020000);
  put_uint32(b->image + 12, 5000);
  put_uint32(b->image + 16, hwsim_crc32(b->image + HWSIM_FIRMWARE_HEADER, 5000));
  put_uint32(b->image + 20, hwsim_crc32(b->image, 20));
}

static void tear_down(bench *b) {
  hwsim_stream_free(b->stream);
  hwsim_subscription_free(b->subscription);
  hwsim_device_free(b->device);
}

static void forget_handles(bench *b) {
  b->device = NULL;
  b->stream = NULL;
  b->subscription = NULL;
  b->call = (hwsim_call){0};
}

static void results_are_those_of_the_blocking_call(void) {
  for (int i = 0; i < CALLS; i++) {
    static bench blocking, other;
    set_up(&blocking, "hwsim://d?clock=virtual&latency=1ms&seed=3");
    blocking.call = with(NULL);
    CHECK_OK(calls[i](&blocking));
    int64_t blocking_ns = now(blocking.device);
    tear_down(&blocking);

    hwsim_queue *queue = new_queue();
    set_up(&other, "hwsim://d?clock=virtual&latency=1ms&seed=3");
    other.call = with(new_request(queue, NULL));
    hwsim_error error = calls[i](&other);
    if (error == HWSIM_EPENDING) {
      CHECK(next_ended(queue) == other.call.request);
      CHECK(!hwsim_request_is_pending(other.call.request));
      error = calls[i](&other);
    }
    CHECK_OK(error);
    CHECK_EQUAL(now(other.device), blocking_ns);
    CHECK(!readable(queue, 0));
    hwsim_request_free(other.call.request);
    hwsim_queue_free(queue);
    tear_down(&other);
    forget_handles(&blocking);
    forget_handles(&other);
    CHECK(memcmp(&blocking, &other, sizeof other) == 0);
  }
}

static void errors_are_those_of_the_blocking_call(void) {
  hwsim_queue *queue = new_queue();
  for (int i = 0; i < CALLS; i++) {
    static bench b;
    if (calls[i] == call_wait_free || calls[i] == call_calibrate || calls[i] == call_wait_pending ||
        calls[i] == call_wait_connected)
      continue; /* no fault hits them */
    if (calls[i] == call_next)
      continue;
    set_up(&b, "hwsim://d?clock=virtual&latency=1ms&fault=crc*1000");
    b.call = with(new_request(queue, NULL));
    hwsim_error error = calls[i](&b);
    if (error == HWSIM_EPENDING) {
      next_ended(queue);
      error = calls[i](&b);
    }
    CHECK_EQUAL(error, HWSIM_ECRC);
    CHECK_EQUAL(hwsim_error_last()->code, HWSIM_ECRC);
    CHECK_TEXT(hwsim_error_last()->device, "d");
    CHECK(*hwsim_error_last()->operation);
    hwsim_request_free(b.call.request);
    tear_down(&b);
  }
  hwsim_queue_free(queue);
}

/* ---------------------------------------------------------------------------------- in order -- */

enum { COUNT = 100 };

static void a_burst_is_one_wake_up_and_is_taken_in_batches_in_order(void) {
  hwsim_queue *queue = new_queue();
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms");
  hwsim_call all[COUNT];
  uint64_t value;
  for (int i = 0; i < COUNT; i++) {
    all[i] = with(new_request(queue, &all[i]));
    CHECK_EQUAL(hwsim_register_read(device, HWSIM_REGISTER_ID, &all[i], &value), HWSIM_EPENDING);
  }
  CHECK(!readable(queue, 0));
  advance(device, COUNT * MS);
  for (int taken = 0; taken < COUNT;) {
    hwsim_completion news[30];
    CHECK(readable(queue, 0));
    size_t count = take(queue, news, 30);
    CHECK_EQUAL(count, COUNT - taken < 30 ? COUNT - taken : 30);
    for (size_t i = 0; i < count; i++)
      CHECK(news[i].user == &all[taken++] && news[i].ended);
  }
  CHECK(!readable(queue, 0));
  for (int i = 0; i < COUNT; i++) {
    CHECK_OK(hwsim_register_read(device, HWSIM_REGISTER_ID, &all[i], &value));
    hwsim_request_free(all[i].request);
  }
  hwsim_device_free(device);
  hwsim_queue_free(queue);
}

static void one_that_waits_for_nothing_has_its_result_at_once(void) {
  hwsim_queue *queue = new_queue();
  hwsim_device *device = open_device("hwsim://d?latency=0s");
  const hwsim_call call = with(new_request(queue, NULL));
  uint64_t value = 0;
  for (int i = 0; i < 2; i++)
    CHECK_OK(hwsim_register_read(device, HWSIM_REGISTER_ID, &call, &value));
  CHECK(value);
  CHECK(!readable(queue, 0));
  hwsim_request_free(call.request);
  hwsim_device_free(device);
  hwsim_queue_free(queue);
}

static void the_descriptor_is_readable_when_the_first_one_is_due(void) {
  hwsim_queue *queue = new_queue();
  hwsim_device *slow = open_device("hwsim://slow?latency=3600s&timeout=inf");
  hwsim_device *fast = open_device("hwsim://fast?latency=20ms");
  hwsim_call first = with(new_request(queue, NULL)), second = with(new_request(queue, NULL));
  uint64_t value;
  CHECK_EQUAL(hwsim_register_read(slow, HWSIM_REGISTER_ID, &first, &value), HWSIM_EPENDING);
  CHECK_EQUAL(hwsim_register_read(fast, HWSIM_REGISTER_ID, &second, &value), HWSIM_EPENDING);
  CHECK(!readable(queue, 0));
  CHECK(next_ended(queue) == second.request);
  CHECK(now(fast) >= 20 * MS);
  CHECK_OK(hwsim_register_read(fast, HWSIM_REGISTER_ID, &second, &value));
  CHECK(!readable(queue, 0));
  hwsim_request_free(first.request);
  CHECK_EQUAL(pending(slow), 0);
  hwsim_request_free(second.request);
  hwsim_device_free(slow);
  hwsim_device_free(fast);
  hwsim_queue_free(queue);
}

/* One waits for what the other does; a clock that jumped to the end of the first wait would let it
 * time out. */
static void virtual_clocks_jump_to_what_comes_first(void) {
  hwsim_queue *queue = new_queue();
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=1ms");
  hwsim_call waiting = with(new_request(queue, NULL)), writing = with(new_request(queue, NULL));
  uint64_t value;
  CHECK_EQUAL(hwsim_register_wait(device, SCRATCH, 1, 1, &waiting, &value), HWSIM_EPENDING);
  CHECK_EQUAL(hwsim_register_write(device, SCRATCH, 1, &writing), HWSIM_EPENDING);
  CHECK(next_ended(queue) == writing.request);
  CHECK(next_ended(queue) == waiting.request);
  CHECK_OK(hwsim_register_wait(device, SCRATCH, 1, 1, &waiting, &value));
  CHECK_OK(hwsim_register_write(device, SCRATCH, 1, &writing));
  CHECK_EQUAL(now(device), 2 * MS);
  hwsim_request_free(waiting.request);
  hwsim_request_free(writing.request);
  hwsim_device_free(device);
  hwsim_queue_free(queue);
}

/* ------------------------------------------------------------------------------ what ends them --
 */

static void cancel_takes_it_off_the_bus_without_effect(void) {
  hwsim_queue *queue = new_queue();
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=1ms");
  hwsim_call first = with(new_request(queue, NULL)), second = with(new_request(queue, NULL));
  uint64_t value;
  CHECK_EQUAL(hwsim_register_write(device, SCRATCH, 1, &first), HWSIM_EPENDING);
  CHECK_EQUAL(hwsim_register_read(device, SCRATCH, &second, &value), HWSIM_EPENDING);
  hwsim_request_cancel(first.request);
  CHECK_EQUAL(pending(device), 1);
  CHECK(!hwsim_request_is_pending(first.request));
  CHECK_FAILS(hwsim_register_write(device, SCRATCH, 1, &first), HWSIM_ECANCELLED);
  advance(device, 1 * MS);
  hwsim_request_cancel(second.request); /* too late */
  CHECK_OK(hwsim_register_read(device, SCRATCH, &second, &value));
  CHECK_EQUAL(value, 0);
  CHECK_EQUAL(hwsim_register_write(device, SCRATCH, 2, &first), HWSIM_EPENDING); /* once more */
  hwsim_request_free(first.request);
  hwsim_request_free(second.request);
  CHECK_EQUAL(pending(device), 0);
  hwsim_device_free(device);
  hwsim_queue_free(queue);
}

static void close_cancel_and_tokens_end_them(void) {
  for (int how = 0; how < 3; how++)
    for (int i = 0; i < CALLS; i++) {
      static bench b;
      hwsim_queue *queue = new_queue();
      hwsim_cancel *token;
      CHECK_OK(hwsim_cancel_new(&token));
      set_up(&b, "hwsim://d?clock=manual&latency=1ms");
      b.call = with(new_request(queue, NULL));
      b.call.cancel = token;
      if (calls[i](&b) == HWSIM_EPENDING) {
        if (how == 0)
          hwsim_device_close(b.device);
        else if (how == 1)
          CHECK_OK(hwsim_device_cancel(b.device));
        else
          hwsim_cancel_set(token);
        CHECK(next_ended(queue) == b.call.request);
        hwsim_error error = calls[i](&b);
        if (calls[i] != call_wait_free && (calls[i] != call_calibrate || error))
          CHECK_EQUAL(error, how ? HWSIM_ECANCELLED : HWSIM_ECLOSED);
      }
      hwsim_request_free(b.call.request);
      hwsim_cancel_free(token);
      tear_down(&b);
      hwsim_queue_free(queue);
    }
}

static void freeing_one_in_any_state_ends_it(void) {
  for (int state = 0; state < 3; state++)
    for (int i = 0; i < CALLS; i++) {
      static bench b;
      hwsim_queue *queue = new_queue();
      set_up(&b, "hwsim://d?clock=manual&latency=1ms");
      b.call = with(new_request(queue, NULL));
      bool waits = calls[i](&b) == HWSIM_EPENDING;
      if (waits && state && calls[i] != call_calibrate && calls[i] != call_program)
        advance(b.device, 10 * MS);
      hwsim_completion news;
      if (state == 2)
        take(queue, &news, 1);
      hwsim_request_free(b.call.request);
      CHECK_EQUAL(pending(b.device), 0);
      CHECK(!readable(queue, 0));
      tear_down(&b);
      hwsim_queue_free(queue);
    }
}

static void the_device_may_be_freed_meanwhile(void) {
  hwsim_queue *queue = new_queue();
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  const hwsim_call call = with(new_request(queue, NULL));
  uint64_t value;
  CHECK_EQUAL(hwsim_register_read(device, SCRATCH, &call, &value), HWSIM_EPENDING);
  hwsim_device_free(device);
  hwsim_queue_free(queue);
  hwsim_request_free(call.request);
  hwsim_device_free(open_device("hwsim://d"));
}

/* ------------------------------------------------------------------------------------- misuse --
 */

static void a_pending_request_serves_no_other_call(void) {
  hwsim_queue *queue = new_queue();
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  const hwsim_call call = with(new_request(queue, NULL));
  static bench b;
  set_up(&b, "hwsim://other?clock=manual");
  b.call = call;
  uint64_t value;
  CHECK_EQUAL(hwsim_register_read(device, SCRATCH, &call, &value), HWSIM_EPENDING);
  for (int i = 0; i < CALLS; i++)
    CHECK_FAILS(calls[i](&b), HWSIM_ESTATE);
  hwsim_request_cancel(call.request);
  for (int i = 0; i < CALLS; i++)
    CHECK_FAILS(calls[i](&b), HWSIM_ESTATE); /* it has the result of the other */
  CHECK_FAILS(hwsim_register_read(device, SCRATCH, &call, &value), HWSIM_ECANCELLED);
  hwsim_request_free(call.request);
  tear_down(&b);
  hwsim_device_free(device);
  hwsim_queue_free(queue);
}

static void refused_arguments_leave_it_free(void) {
  hwsim_queue *queue = new_queue();
  hwsim_device *device = open_device("hwsim://d?clock=manual");
  hwsim_call call = with(new_request(queue, NULL));
  uint64_t value;
  CHECK_FAILS(hwsim_register_read(device, 0x41, &call, &value), HWSIM_EADDRESS);
  call.timeout_ns = -2;
  CHECK_FAILS(hwsim_register_read(device, SCRATCH, &call, &value), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_wait_free("d", &call), HWSIM_EINVALID);
  CHECK(!hwsim_request_is_pending(call.request));
  hwsim_request_free(call.request);
  hwsim_queue_free(NULL);
  hwsim_request_free(NULL);
  hwsim_device_free(device);
  hwsim_queue_free(queue);
}

static void a_forked_child_has_none_of_it(void) {
  hwsim_queue *queue = new_queue();
  hwsim_device *device = open_device("hwsim://d?latency=20ms");
  const hwsim_call call = with(new_request(queue, NULL)), job = with(new_request(queue, NULL));
  static bench b;
  set_up(&b, "hwsim://e");
  b.call = job;
  uint64_t value;
  CHECK_EQUAL(hwsim_register_read(device, HWSIM_REGISTER_ID, &call, &value), HWSIM_EPENDING);
  CHECK_EQUAL(call_calibrate(&b), HWSIM_EPENDING);
  fflush(NULL);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    hwsim_completion news;
    size_t count;
    hwsim_request *other;
    CHECK_FAILS(hwsim_queue_take(queue, 1, &news, &count), HWSIM_EFORKED);
    CHECK_FAILS(hwsim_request_new(queue, NULL, &other), HWSIM_EFORKED);
    CHECK_FAILS(hwsim_register_read(device, HWSIM_REGISTER_ID, &call, &value), HWSIM_EFORKED);
    CHECK_FAILS(call_calibrate(&b), HWSIM_EFORKED);
    CHECK(!hwsim_request_is_pending(call.request));
    hwsim_request_cancel(call.request);
    hwsim_request_cancel(job.request);
    hwsim_request_free(call.request);
    hwsim_request_free(job.request);
    hwsim_queue_free(queue);
    queue = new_queue(); /* its own work */
    hwsim_device *own = open_device("hwsim://d?clock=virtual");
    const hwsim_call again = with(new_request(queue, NULL));
    CHECK_EQUAL(hwsim_register_read(own, HWSIM_REGISTER_ID, &again, &value), HWSIM_EPENDING);
    CHECK(next_ended(queue) == again.request);
    CHECK_OK(hwsim_register_read(own, HWSIM_REGISTER_ID, &again, &value));
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK_EQUAL(status, 0);
  for (int i = 0; i < 2; i++)
    next_ended(queue);
  CHECK_OK(hwsim_register_read(device, HWSIM_REGISTER_ID, &call, &value));
  CHECK_OK(call_calibrate(&b));
  hwsim_request_free(call.request);
  hwsim_request_free(job.request);
  tear_down(&b);
  hwsim_device_free(device);
  hwsim_queue_free(queue);
}

/* ----------------------------------------------------------------------------- jobs, threads -- */

static void progress_is_news(void) {
  hwsim_queue *queue = new_queue();
  static bench b;
  set_up(&b, "hwsim://d?clock=virtual&latency=1ms");
  b.call = with(new_request(queue, NULL));
  CHECK_EQUAL(call_program(&b), HWSIM_EPENDING);
  uint64_t done = 0, total = 0;
  for (bool has_ended = false; !has_ended;) {
    hwsim_completion news;
    CHECK(readable(queue, 10000));
    if (!take(queue, &news, 1))
      continue;
    if (news.reported) {
      CHECK(news.done >= done && news.done <= news.total);
      done = news.done;
      total = news.total;
    }
    has_ended = news.ended;
  }
  CHECK_OK(call_program(&b));
  CHECK(total > 1);
  CHECK_EQUAL(done, total);
  hwsim_request_free(b.call.request);
  tear_down(&b);
  hwsim_queue_free(queue);
}

typedef struct crowd {
  hwsim_device *devices[3];
  hwsim_queue *queues[4];
  atomic_int effects; /* successful writes */
  atomic_bool over;
} crowd;

/* Each thread has a queue, makes calls of all devices, and cancels some; one cancels a device's. */
static void make_calls(int index, void *shared) {
  enum { CALLS_OF_A_THREAD = 300 };
  crowd *self = shared;
  uint32_t random = 12345u + (uint32_t)index;
  hwsim_queue *queue = self->queues[index];
  for (int i = 0; i < CALLS_OF_A_THREAD; i++) {
    hwsim_call all[8];
    hwsim_device *on[8];
    for (int k = 0; k < 8; k++) {
      random = random * 1664525 + 1013904223;
      on[k] = self->devices[random >> 16 & 1];
      all[k] = with(new_request(queue, NULL));
      hwsim_error error = hwsim_register_write(on[k], SCRATCH, random, &all[k]);
      if (error == HWSIM_OK)
        atomic_fetch_add(&self->effects, 1);
      else
        CHECK(error == HWSIM_EPENDING || error == HWSIM_ECANCELLED);
      if (random >> 20 & 1)
        hwsim_request_cancel(all[k].request);
      if ((random >> 21 & 31) == 0)
        CHECK_OK(hwsim_device_cancel(on[k]));
    }
    for (int k = 0; k < 8; k++) {
      while (hwsim_request_is_pending(all[k].request)) {
        hwsim_completion news[3];
        CHECK(readable(queue, 10000));
        take(queue, news, 3);
      }
      hwsim_request_free(all[k].request);
    }
  }
}

static void many_threads_share_devices(void) {
  crowd self = {.devices = {open_device("hwsim://a?latency=20us&jitter=20us"),
                            open_device("hwsim://b?latency=1ms&clock=virtual")}};
  for (int i = 0; i < 4; i++)
    self.queues[i] = new_queue();
  in_parallel(4, make_calls, &self);
  for (int i = 0; i < 4; i++)
    hwsim_queue_free(self.queues[i]);
  CHECK_EQUAL(pending(self.devices[0]), 0);
  CHECK_EQUAL(pending(self.devices[1]), 0);
  hwsim_device_free(self.devices[0]);
  hwsim_device_free(self.devices[1]);
}

static const test tests[] = {
    TEST(results_are_those_of_the_blocking_call),
    TEST(errors_are_those_of_the_blocking_call),
    TEST(a_burst_is_one_wake_up_and_is_taken_in_batches_in_order),
    TEST(one_that_waits_for_nothing_has_its_result_at_once),
    TEST(the_descriptor_is_readable_when_the_first_one_is_due),
    TEST(virtual_clocks_jump_to_what_comes_first),
    TEST(cancel_takes_it_off_the_bus_without_effect),
    TEST(close_cancel_and_tokens_end_them),
    TEST(freeing_one_in_any_state_ends_it),
    TEST(the_device_may_be_freed_meanwhile),
    TEST(a_pending_request_serves_no_other_call),
    TEST(refused_arguments_leave_it_free),
    TEST(a_forked_child_has_none_of_it),
    TEST(progress_is_news),
    TEST(many_threads_share_devices),
};
CHECK_MAIN(tests)
