/* Thresholds: a comparator sees the samples that a stream of the same signal delivers, so an
 * independent scan of such a stream tells what it must say, and when. */
#include "events.h"

enum { MOST = 1 << 17 };

static void set(hwsim_device *device, uint32_t channel, double level_v, double hysteresis_v) {
  CHECK_OK(hwsim_threshold_set(device, channel, level_v, hysteresis_v));
}

/* What a comparator must say of a channel, from what a stream delivers. */
typedef struct scan {
  hwsim_device *device;
  uint32_t channel;
  double level_v, hysteresis_v;
  bool known, high;
  int64_t hz;
  hwsim_stream *stream;
  int64_t start_ns;
  hwsim_event *events;
  size_t count, compared;
} scan;

static scan scan_make(hwsim_device *device, uint32_t channel, double level_v, double hysteresis_v) {
  return (scan){.device = device,
                .channel = channel,
                .level_v = level_v,
                .hysteresis_v = hysteresis_v,
                .hz = (int64_t)hwsim_device_config(device)->sample_rate_hz,
                .events = malloc(MOST * sizeof(hwsim_event))};
}

static void scan_start(scan *self, uint64_t first_index) {
  const hwsim_stream_config config = {.rate_hz = (double)self->hz,
                                      .channels = &self->channel,
                                      .channel_count = 1,
                                      .buffer = 1 << 30,
                                      .first_index = first_index};
  CHECK_OK(hwsim_stream_start(self->device, &config, &self->stream));
  self->start_ns = now(self->device);
}

/* Looks at what has come since the start. */
static void scan_end(scan *self) {
  hwsim_stream_status status;
  hwsim_block block;
  CHECK_OK(hwsim_stream_get_status(self->stream, &status));
  double *volts = malloc((size_t)(status.available + 1) * sizeof *volts);
  if (status.available)
    CHECK_OK(hwsim_stream_read(self->stream, HWSIM_FORMAT_FLOAT64, (size_t)status.available, NULL,
                               volts, &block));
  for (int64_t n = 0; n < (int64_t)status.available; n++) {
    bool crossed = self->known && (self->high ? volts[n] < self->level_v - self->hysteresis_v
                                              : volts[n] >= self->level_v);
    if (!self->known)
      self->high = volts[n] >= self->level_v;
    self->known = true;
    if (!crossed)
      continue;
    self->high = !self->high;
    CHECK(self->count < MOST);
    self->events[self->count++] =
        (hwsim_event){.kind = HWSIM_EVENT_THRESHOLD,
                      .channel = self->channel,
                      .time_ns = self->start_ns + ((n + 1) * S + self->hz - 1) / self->hz,
                      .value = volts[n]};
  }
  free(volts);
  hwsim_stream_free(self->stream);
}

/* The events that are there are those that the scans found, merged in the order of time. Returns
 * how many. */
static size_t check_scans(hwsim_subscription *subscription, scan *scans, size_t count) {
  static hwsim_event events[MOST];
  size_t taken = take(subscription, events, MOST);
  for (size_t i = 0; i < taken; i++) {
    scan *from = NULL;
    for (size_t j = 0; j < count; j++)
      if (scans[j].compared < scans[j].count &&
          (!from ||
           scans[j].events[scans[j].compared].time_ns < from->events[from->compared].time_ns))
        from = &scans[j];
    CHECK(from);
    hwsim_event wanted = from->events[from->compared++];
    CHECK_EVENT(events[i], THRESHOLD, wanted.time_ns, i, 0, wanted.channel, wanted.value);
  }
  for (size_t j = 0; j < count; j++) {
    CHECK_EQUAL(scans[j].compared, scans[j].count);
    free(scans[j].events);
  }
  CHECK_STATUS(subscription, 0, taken, 0);
  return taken;
}

/* A reader that finds nothing makes the comparators look into the future. */
static void look_ahead(hwsim_subscription *subscription) {
  hwsim_event events[100];
  while (take(subscription, events, LENGTH(events)))
    ;
}

static double between(uint64_t *random, double low, double high) {
  return low + (high - low) * (double)(draw(random) % 1000001) / 1e6;
}

static hwsim_signal any_signal(uint64_t *random, double rate_hz) {
  return (hwsim_signal){.waveform = (hwsim_waveform)(HWSIM_WAVEFORM_SINE + draw(random) % 3),
                        .amplitude_v = between(random, 0.1, 12),
                        .offset_v = between(random, -1, 1),
                        .frequency_hz =
                            between(random, 0, rate_hz / (double)(2 + draw(random) % 200)),
                        .phase_turns = between(random, 0, 1),
                        .noise_v = draw(random) % 3 ? between(random, 0, 1) : 0,
                        .gain_error = between(random, -0.1, 0.1),
                        .offset_error_v = between(random, -0.1, 0.1),
                        .inl_lsb = between(random, -100, 100),
                        .range_v = 10};
}

/* Or a table that is faster or slower than the device, or as fast. */
static void connect_any(hwsim_device *device, uint32_t channel, uint64_t *random, double rate_hz) {
  hwsim_signal signal = any_signal(random, rate_hz);
  double table[100];
  size_t length = draw(random) % 2 ? 1 + (size_t)draw(random) % LENGTH(table) : 0;
  for (size_t i = 0; i < length; i++)
    table[i] = between(random, -1, 1);
  if (length) {
    signal.waveform = (hwsim_waveform)(HWSIM_WAVEFORM_TABLE + draw(random) % 2);
    if (draw(random) % 4)
      signal.rate_hz = rate_hz * (double)(1 + draw(random) % 20) / (double)(1 + draw(random) % 200);
  }
  CHECK_OK(hwsim_signal_set(device, channel, &signal, length ? table : NULL, length));
}

/* ------------------------------------------------------------------------ against the stream -- */

static void crossings_are_those_of_a_stream(void) {
  static const int64_t rates_hz[] = {1000, 3, 44100, 1000000};
  size_t crossings = 0;
  for (uint64_t seed = 0; seed < 40; seed++) {
    char uri[160];
    uint64_t random = seed;
    int64_t hz = rates_hz[seed % LENGTH(rates_hz)];
    snprintf(uri, sizeof uri, MANUAL "&seed=%llu&rate=%lldHz", (unsigned long long)seed,
             (long long)hz);
    hwsim_device *device = open_device(uri);
    hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), MOST);
    advance(device, (int64_t)draw(&random) % S);
    uint32_t channels = 1 + (uint32_t)seed % 4;
    scan scans[4];
    for (uint32_t i = 0; i < channels; i++) {
      scans[i] = scan_make(device, i, between(&random, -2, 2),
                           draw(&random) % 2 ? between(&random, 0, 2) : 0);
      connect_any(device, i, &random, (double)hz);
      set(device, i, scans[i].level_v, scans[i].hysteresis_v);
      scan_start(&scans[i], 0);
    }
    int64_t samples = 3000 + (int64_t)(draw(&random) % 60000);
    for (int i = 0; i < 3; i++)
      advance(device, samples * S / hz / 3);
    for (uint32_t i = 0; i < channels; i++)
      scan_end(&scans[i]);
    crossings += check_scans(subscription, scans, channels);
    end(subscription, device);
  }
  CHECK(crossings > 10000);
}

/* The output stays as it is: the first sample of the new signal is compared with it. */
static void a_signal_connected_later_starts_at_its_sample_zero(void) {
  for (uint64_t seed = 0; seed < 30; seed++) {
    uint64_t random = seed;
    hwsim_device *device = open_device(MANUAL "&rate=10kHz");
    hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), MOST);
    hwsim_subscription *other = subscribe(device, KIND(THRESHOLD), MOST);
    scan self = scan_make(device, 2, 0.2, between(&random, 0, 0.5));
    set(device, 2, self.level_v, self.hysteresis_v);
    for (int part = 0; part < 8; part++) {
      if (part)
        connect_any(device, 2, &random, 10000);
      scan_start(&self, 0);
      int64_t longest_ns = draw(&random) % 3 ? 300 * MS : 200 * US;
      advance(device, (int64_t)(draw(&random) % (uint64_t)longest_ns) + 100 * US);
      scan_end(&self);
      if (seed % 2)
        look_ahead(other);
    }
    check_scans(subscription, &self, 1);
    hwsim_subscription_free(other);
    end(subscription, device);
  }
}

static void what_another_channel_gets_changes_nothing(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), MOST);
  scan self = scan_make(device, 1, 0, 0.1);
  set(device, 1, 0, 0.1);
  scan_start(&self, 0);
  for (int i = 0; i < 50; i++) {
    advance(device, 7777777);
    connect_dc(device, 0, i % 2);
    set(device, 2, 5, 0);
  }
  scan_end(&self);
  CHECK(check_scans(subscription, &self, 1) > 5);
  end(subscription, device);
}

static void a_calibrated_converter_crosses_elsewhere(void) {
  enum { RATE = 10000 };
  hwsim_device *device = open_device(MANUAL "&rate=10kHz&noise=0V");
  hwsim_signal signal = {.waveform = HWSIM_WAVEFORM_SINE,
                         .amplitude_v = 5,
                         .frequency_hz = 33,
                         .gain_error = -0.2,
                         .offset_error_v = 0.4,
                         .noise_v = 0.001,
                         .range_v = 10};
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), MOST);
  hwsim_subscription *other = subscribe(device, KIND(THRESHOLD), MOST);
  hwsim_calibration calibration;
  scan self = scan_make(device, 0, 3, 0.1);
  CHECK_OK(hwsim_signal_set(device, 0, &signal, NULL, 0));
  set(device, 0, 3, 0.1);
  scan_start(&self, 0);
  advance(device, 200 * MS);
  scan_end(&self);
  look_ahead(other);
  CHECK_OK(hwsim_calibrate(device, 0, 1 << 18, NULL, NULL, &calibration, NULL, NULL));
  scan_start(&self, RATE / 5); /* the signal goes on, measured otherwise */
  advance(device, 300 * MS);
  scan_end(&self);
  look_ahead(other);
  CHECK_OK(hwsim_calibration_clear(device, 0));
  scan_start(&self, RATE / 2);
  advance(device, 300 * MS);
  scan_end(&self);
  CHECK(check_scans(subscription, &self, 1) > 30);
  hwsim_subscription_free(other);
  end(subscription, device);
}

/* ------------------------------------------------------------------------ exactly at a level -- */

static void connect_table(hwsim_device *device, const double *volts, size_t length) {
  const hwsim_signal signal = {
      .waveform = HWSIM_WAVEFORM_TABLE_ONCE, .amplitude_v = 1, .range_v = 1};
  CHECK_OK(hwsim_signal_set(device, 0, &signal, volts, length));
}

/* Each of its samples is looked at once, however many samples of the device it is held for. */
static void a_slow_table_takes_no_search(void) {
  static const double volts[] = {0, 0.5, 0.25, 1};
  hwsim_device *device = open_device("hwsim://d?clock=manual&latency=0s&timeout=inf&rate=1MHz");
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), 100);
  hwsim_signal signal = {
      .waveform = HWSIM_WAVEFORM_TABLE, .amplitude_v = 1, .range_v = 1, .rate_hz = 1e-3};
  CHECK_OK(hwsim_signal_set(device, 0, &signal, volts, LENGTH(volts)));
  set(device, 0, 0.5, 0);
  advance(device, 10000 * S); /* 10^10 samples */
  for (int64_t i = 1; i < 10; i++)
    CHECK_EVENT(take_one(subscription), THRESHOLD, i * 1000 * S + US, i - 1, 0, 0,
                i % 4 == 3 ? 1 - 1 / 32768. : volts[i % 4]);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void hysteresis_is_exact(void) {
  static const double volts[] = {0.25, 0.5, 0.25, 0.5, 0.25 - 1 / 32768., 0.5 - 1 / 32768., 0.5};
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), 100);
  connect_table(device, volts, LENGTH(volts));
  set(device, 0, 0.5, 0.25);
  advance(device, S);
  CHECK_EVENT(take_one(subscription), THRESHOLD, 2 * MS, 0, 0, 0, volts[1]);
  CHECK_EVENT(take_one(subscription), THRESHOLD, 5 * MS, 1, 0, 0, volts[4]);
  CHECK_EVENT(take_one(subscription), THRESHOLD, 7 * MS, 2, 0, 0, volts[6]);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void the_first_sample_is_no_crossing(void) {
  for (int level = -1; level <= 1; level++) {
    hwsim_device *device = open_device(MANUAL);
    hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), 100);
    connect_dc(device, 0, 0);
    set(device, 0, level, 0);
    advance(device, S);
    CHECK_NO_MORE(subscription);
    end(subscription, device);
  }
}

static void at_the_level_is_high(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), 100);
  connect_dc(device, 0, 0);
  set(device, 0, 0, 0);
  advance(device, 5 * MS);
  connect_dc(device, 0, -5);
  advance(device, 5 * MS);
  connect_dc(device, 0, 0);
  advance(device, 5 * MS);
  CHECK_EVENT(take_one(subscription), THRESHOLD, 6 * MS, 0, 0, 0, -5);
  CHECK_EVENT(take_one(subscription), THRESHOLD, 11 * MS, 1, 0, 0, 0);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void channels_that_cross_together_come_in_their_order(void) {
  hwsim_device *device = open_device(MANUAL "&timer=2ms");
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD) | KIND(TIMER), 100);
  for (uint32_t channel = 4; channel-- > 0;) {
    connect_dc(device, channel, -1);
    set(device, channel, 0, 0);
  }
  advance(device, MS);
  for (uint32_t channel = 4; channel-- > 0;)
    connect_dc(device, channel, 0);
  advance(device, 2 * MS);
  CHECK_EVENT(take_one(subscription), TIMER, 2 * MS, 0, 0, 0, 1); /* due at the same time */
  for (uint32_t channel = 0; channel < 4; channel++)
    CHECK_EVENT(take_one(subscription), THRESHOLD, 2 * MS, 1 + channel, 0, channel, 0);
  end(subscription, device);
}

/* ---------------------------------------------------------------------- beginning and ending -- */

static void a_threshold_taken_away_says_nothing(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), 100);
  connect_dc(device, 0, 0);
  set(device, 0, 0.5, 0);
  advance(device, 5 * MS);
  CHECK_OK(hwsim_threshold_clear(device, 0));
  CHECK_OK(hwsim_threshold_clear(device, 0));
  connect_dc(device, 0, 1);
  advance(device, 5 * MS);
  set(device, 0, 0.5, 0); /* starts on the side that it finds */
  advance(device, 5 * MS);
  CHECK_NO_MORE(subscription);
  connect_dc(device, 0, 0);
  advance(device, 5 * MS);
  CHECK_EVENT(take_one(subscription), THRESHOLD, 16 * MS, 0, 0, 0, 0);
  end(subscription, device);
}

static void a_threshold_set_anew_starts_anew(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), MOST);
  set(device, 0, 0.5, 0);
  advance(device, 30500 * US);
  size_t before = take(subscription, (hwsim_event[100]){{0}}, 100);
  scan self = scan_make(device, 0, -0.3, 0.2);
  set(device, 0, -0.3, 0.2);
  scan_start(&self, 0);
  advance(device, S);
  scan_end(&self);
  CHECK(self.count > 10);
  for (size_t i = 0; i < self.count; i++)
    CHECK_EVENT(take_one(subscription), THRESHOLD, self.events[i].time_ns, before + i, 0, 0,
                self.events[i].value);
  CHECK_NO_MORE(subscription);
  free(self.events);
  end(subscription, device);
}

/* Without a subscription no sample is looked at; a new one starts with the next sample. */
static void comparators_work_while_somebody_subscribes(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), 100);
  connect_dc(device, 0, 0);
  set(device, 0, 0.5, 0);
  advance(device, 5 * MS);
  hwsim_subscription_close(subscription);
  connect_dc(device, 0, 1);
  advance(device, 5500 * US);
  hwsim_subscription *later = subscribe(device, KIND(THRESHOLD), 100);
  advance(device, 5 * MS);
  CHECK_NO_MORE(later); /* it was high when it came */
  connect_dc(device, 0, 0);
  advance(device, 2 * MS);
  CHECK_EVENT(take_one(later), THRESHOLD, 16500 * US, 0, 0, 0, 0);
  hwsim_subscription_free(later);
  end(subscription, device);
}

static void a_second_subscription_disturbs_no_comparator(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *first = subscribe(device, KIND(THRESHOLD), 100);
  connect_dc(device, 0, 0);
  set(device, 0, 0.5, 0);
  advance(device, 5 * MS);
  connect_dc(device, 0, 5); /* the output is low until the next sample */
  hwsim_subscription *second = subscribe(device, KIND(THRESHOLD), 100);
  advance(device, MS);
  CHECK_EVENT(take_one(first), THRESHOLD, 6 * MS, 0, 0, 0, 5);
  take_one(second);
  hwsim_subscription_free(second);
  end(first, device);
}

static void a_sample_that_never_came_is_not_remembered(void) {
  hwsim_device *device = open_device(MANUAL);
  connect_dc(device, 0, 0);
  set(device, 0, 0.5, 0);
  advance(device, 10500 * US);
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), 100);
  look_ahead(subscription);
  connect_dc(device, 0, 1); /* before it has seen any */
  advance(device, 10 * MS);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void two_signals_within_a_sample_do_not_hide_the_crossing(void) {
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), 100);
  connect_dc(device, 0, 0);
  set(device, 0, 5, 0);
  advance(device, 5 * MS);
  connect_dc(device, 0, 1);
  connect_dc(device, 0, 10);
  advance(device, 500 * US);
  connect_dc(device, 0, -10);
  connect_dc(device, 0, 7.5);
  advance(device, 5 * MS);
  CHECK_EVENT(take_one(subscription), THRESHOLD, 6500 * US, 0, 0, 0, 7.5);
  CHECK_NO_MORE(subscription);
  end(subscription, device);
}

static void a_disconnect_stops_comparators_and_a_reconnect_restarts_them(void) {
  enum { LOST = 36 }; /* at 40 Hz, in the time without power */
  static hwsim_event events[MOST];
  hwsim_device *device = open_device(MANUAL);
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), MOST);
  scan self = scan_make(device, 3, 0.1, 0.1);
  set(device, 3, 0.1, 0.1);
  scan_start(&self, 0);
  advance(device, 333333333);
  scan_end(&self);
  size_t before = self.count;
  disconnect(device);
  advance(device, 444444444);
  reconnect(device);
  self.known = false;
  scan_start(&self, 0);
  advance(device, S);
  scan_end(&self);
  CHECK(before > 10 && self.count > before + 50);
  CHECK_EQUAL(take(subscription, events, MOST), self.count);
  for (size_t i = 0; i < self.count; i++)
    CHECK_EVENT(events[i], THRESHOLD, self.events[i].time_ns, i + (i < before ? 0 : LOST),
                i == before ? LOST : 0, 3, self.events[i].value);
  free(self.events);
  end(subscription, device);
}

/* ------------------------------------------------------------------------------ far and wide -- */

static void a_crossing_far_away_is_found(void) {
  enum { FAR = 300000 };
  static double volts[FAR];
  static const int64_t hz = 1000000;
  volts[FAR - 1] = 0.5;
  hwsim_device *device = open_device("hwsim://d?clock=virtual&latency=0s&rate=1MHz");
  hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), 10);
  const hwsim_call brief = {S / 4, NULL, NULL};
  hwsim_event event;
  size_t count;
  connect_table(device, volts, FAR);
  set(device, 0, 0.5, 0);
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, &brief, &event, &count), HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), S / 4); /* looking ahead takes no time */
  CHECK_EVENT(await_one(subscription), THRESHOLD, FAR * S / hz, 0, 0, 0, 0.5);
  CHECK_EQUAL(now(device), FAR * S / hz);
  CHECK_FAILS(hwsim_subscription_next(subscription, 1, &brief, &event, &count), HWSIM_ETIMEOUT);
  CHECK_EQUAL(now(device), FAR * S / hz + S / 4);
  end(subscription, device);
}

static void a_real_clock_crosses_at_the_samples_time(void) {
  static const char *const uris[] = {"hwsim://d?rate=10kHz&timeout=inf",
                                     "hwsim://d?rate=10Hz&clock=1000x&timeout=inf"};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    hwsim_device *device = open_device(uris[i]);
    int64_t step_ns = S / (int64_t)hwsim_device_config(device)->sample_rate_hz, base_ns = 0;
    hwsim_subscription *subscription = subscribe(device, KIND(THRESHOLD), 100);
    const hwsim_signal signal = {.waveform = HWSIM_WAVEFORM_SQUARE,
                                 .amplitude_v = 5,
                                 .frequency_hz = (double)S / (double)step_ns / 10,
                                 .range_v = 10};
    CHECK_OK(hwsim_signal_set(device, 0, &signal, NULL, 0));
    set(device, 0, 0, 0);
    for (uint64_t k = 0; k < 10; k++) { /* samples 5, 10, ... change */
      hwsim_event event = await_one(subscription);
      base_ns = k ? base_ns : event.time_ns - 6 * step_ns;
      CHECK_EVENT(event, THRESHOLD, base_ns + (int64_t)(5 * k + 6) * step_ns, k, 0, 0,
                  k % 2 ? 5 : -5);
      CHECK(now(device) >= event.time_ns);
    }
    hwsim_device_close(device); /* its name is for the next one */
    end(subscription, device);
  }
}

static void bad_thresholds_are_refused(void) {
  hwsim_device *device = open_device(MANUAL "&rate=1MHz");
  CHECK_FAILS(hwsim_threshold_set(device, 4, 0, 0), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_threshold_clear(device, 4), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_threshold_set(device, 0, 1.1e6, 0), HWSIM_EINVALID);
  CHECK_MESSAGE("level");
  CHECK_FAILS(hwsim_threshold_set(device, 0, -INFINITY, 0), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_threshold_set(device, 0, NAN, 0), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_threshold_set(device, 0, 0, -0.1), HWSIM_EINVALID);
  CHECK_MESSAGE("hysteresis");
  CHECK_FAILS(hwsim_threshold_set(device, 0, 0, 1.1e6), HWSIM_EINVALID);
  CHECK_FAILS(hwsim_threshold_set(device, 0, 0, NAN), HWSIM_EINVALID);
  set(device, 0, 1e6, 1e6);
  set(device, 0, -1e6, 0);
  hwsim_device_free(device);
}

static void a_comparator_cannot_be_faster_than_a_megahertz(void) {
  static const char *const uris[] = {"hwsim://d?clock=manual&rate=1.1MHz",
                                     "hwsim://d?rate=1kHz&clock=1001x"};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    hwsim_device *device = open_device(uris[i]);
    CHECK_FAILS(hwsim_threshold_set(device, 0, 0, 0), HWSIM_ESTATE);
    hwsim_device_free(device);
  }
  hwsim_device *device = open_device("hwsim://d?rate=1kHz&clock=1000x");
  set(device, 0, 0, 0);
  hwsim_device_free(device);
}

static const test tests[] = {
    TEST(crossings_are_those_of_a_stream),
    TEST(a_signal_connected_later_starts_at_its_sample_zero),
    TEST(what_another_channel_gets_changes_nothing),
    TEST(a_calibrated_converter_crosses_elsewhere),
    TEST(a_slow_table_takes_no_search),
    TEST(hysteresis_is_exact),
    TEST(the_first_sample_is_no_crossing),
    TEST(at_the_level_is_high),
    TEST(channels_that_cross_together_come_in_their_order),
    TEST(a_threshold_taken_away_says_nothing),
    TEST(a_threshold_set_anew_starts_anew),
    TEST(comparators_work_while_somebody_subscribes),
    TEST(a_second_subscription_disturbs_no_comparator),
    TEST(a_sample_that_never_came_is_not_remembered),
    TEST(two_signals_within_a_sample_do_not_hide_the_crossing),
    TEST(a_disconnect_stops_comparators_and_a_reconnect_restarts_them),
    TEST(a_crossing_far_away_is_found),
    TEST(a_real_clock_crosses_at_the_samples_time),
    TEST(bad_thresholds_are_refused),
    TEST(a_comparator_cannot_be_faster_than_a_megahertz),
};
CHECK_MAIN(tests)
