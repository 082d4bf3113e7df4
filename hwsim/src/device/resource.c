/* Resource strings: hwsim://NAME?key=value&... -> a configuration and faults.
 * Whatever is wrong is named, with what would be right. */
#include "device/resource.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "events/ticks.h"
#include "parts/faults.h"
#include "timeline/operation.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME "hwsim://"
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

#define MICRO "\xc2\xb5" /* in UTF-8 */

typedef struct unit {
  const char *text;
  double factor;
} unit;

static const unit time_units[] = {{"ns", 1},   {"us", 1e3}, {MICRO "s", 1e3},
                                  {"ms", 1e6}, {"s", 1e9},  {0}};
static const unit rate_units[] = {{"mHz", 1e-3}, {"Hz", 1},    {"kHz", 1e3},
                                  {"MHz", 1e6},  {"GHz", 1e9}, {0}};
static const unit voltage_units[] = {{"uV", 1e-6}, {MICRO "V", 1e-6}, {"mV", 1e-3}, {"V", 1}, {0}};
static const unit bandwidth_units[] = {
    {"B/s", 1}, {"kB/s", 1e3}, {"MB/s", 1e6}, {"GB/s", 1e9}, {0}};
static const unit factor_units[] = {{"x", 1}, {0}};
static const unit no_units[] = {{"", 1}, {0}};

static const char *operation_name(void) { return OPERATION(device, open)->name; }

/* What is being read, for the messages. */
typedef struct context {
  const hwsim_model *model;
  const char *device;
  const char *key;
  const char *value;
} context;

static hwsim_error check(bool good, const context *where, const char *allowed) {
  if (good)
    return HWSIM_OK;
  return error_set(HWSIM_EINVALID, where->device, operation_name(), "%s must be %s; got '%.80s'",
                   where->key, allowed, where->value);
}

static bool is_name(const char *text, size_t length) {
  return length && length < sizeof((hwsim_config *)0)->name &&
         strspn(text, NAME_CHARACTERS) >= length;
}

/* ------------------------------------------------------------------------- numbers and units -- */

/* A decimal number, whatever the locale's decimal point is; returns what follows it, NULL: none. */
static const char *parse_decimal(const char *text, double *value_out) {
  double mantissa = 0;
  int digits = 0, decimals = 0, exponent = 0, length = 0;
  bool point = false;
  for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
    if (*text == '.') {
      point = true;
      continue;
    }
    mantissa = 10 * mantissa + (*text - '0');
    digits++;
    decimals += point;
  }
  bool has_exponent = *text == 'e' && strspn(text + 1 + strspn(text + 1, "+-"), "0123456789");
  if (has_exponent && text[1] != ' ' && sscanf(text, "e%3d%n", &exponent, &length) == 1)
    text += length;
  int scale = exponent - decimals;
  *value_out = scale < 0 ? mantissa / pow(10, -scale) : mantissa * pow(10, scale);
  return digits ? text : NULL;
}

/* A number and its unit; in the base unit of `units` (ns, Hz, V, B/s, none). */
static bool parse_quantity(const char *text, const unit *units, double *value_out) {
  double value;
  text = parse_decimal(text, &value);
  text = text ? text + strspn(text, " ") : NULL;
  for (; text && units->text; units++)
    if (strcmp(text, units->text) == 0) {
      *value_out = value * units->factor;
      return true;
    }
  return false;
}

static bool parse_within(const char *text, const unit *units, double lowest, double highest,
                         double *value_out) {
  double value;
  if (!parse_quantity(text, units, &value) || !(value >= lowest && value <= highest))
    return false;
  *value_out = value;
  return true;
}

/* What is not 0 does not become 0, which often means something else. */
static bool parse_time(const char *text, double highest_ns, int64_t *time_ns_out) {
  double value;
  if (!parse_within(text, time_units, 0, highest_ns, &value))
    return false;
  *time_ns_out = value > 0 && value < 1 ? 1 : (int64_t)llround(value);
  return true;
}

/* Decimal, or hexadecimal after 0x. */
static bool parse_integer(const char *text, uint64_t *value_out) {
  bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  const char *digits = hexadecimal ? "0123456789abcdefABCDEF" : "0123456789";
  text += hexadecimal ? 2 : 0;
  if (!*text || text[strspn(text, digits)])
    return false;
  errno = 0;
  *value_out = strtoull(text, NULL, hexadecimal ? 16 : 10);
  return !errno;
}

static bool parse_uint32(const char *text, uint32_t *value_out) {
  uint64_t value;
  if (!parse_integer(text, &value) || value > UINT32_MAX)
    return false;
  *value_out = (uint32_t)value;
  return true;
}

/* -------------------------------------------------------------------------------------- keys -- */

static hwsim_error set_latency(const context *where, hwsim_config *config) {
  return check(parse_time(where->value, HOUR_NS, &config->latency_ns), where,
               "a time from 0s to 3600s, such as 2ms");
}

static hwsim_error set_jitter(const context *where, hwsim_config *config) {
  return check(parse_time(where->value, HOUR_NS, &config->jitter_ns), where,
               "a time from 0s to the latency, such as 200us");
}

static hwsim_error set_timeout(const context *where, hwsim_config *config) {
  bool never = strcmp(where->value, "inf") == 0;
  if (never)
    config->timeout_ns = HWSIM_TIMEOUT_NEVER;
  return check(never || parse_time(where->value, 1e18, &config->timeout_ns), where,
               "a time from 0s, such as 500ms, or inf");
}

static hwsim_error set_timer(const context *where, hwsim_config *config) {
  bool good = parse_time(where->value, HOUR_NS, &config->timer_ns) &&
              (!config->timer_ns || config->timer_ns >= SHORTEST_TIMER_NS);
  return check(good, where, "0s, or a time from 1us to 3600s, such as 10ms");
}

static hwsim_error set_bandwidth(const context *where, hwsim_config *config) {
  bool unlimited = strcmp(where->value, "inf") == 0;
  if (unlimited)
    config->bandwidth_bps = INFINITY;
  return check(unlimited ||
                   parse_within(where->value, bandwidth_units, 1, 1e15, &config->bandwidth_bps),
               where, "from 1B/s to 1000000GB/s, such as 12MB/s, or inf");
}

static hwsim_error set_channels(const context *where, hwsim_config *config) {
  return check(parse_uint32(where->value, &config->channels) && config->channels >= 1 &&
                   config->channels <= 64,
               where, "an integer from 1 to 64");
}

static hwsim_error set_seed(const context *where, hwsim_config *config) {
  return check(parse_integer(where->value, &config->seed), where,
               "an integer from 0 to 18446744073709551615");
}

static hwsim_error set_clock(const context *where, hwsim_config *config) {
  char text[32] = {0};
  const char *name = strchr(where->value, ':');
  size_t length = name ? (size_t)(name - where->value) : strlen(where->value);
  bool good = length < sizeof text && (!name || is_name(name + 1, strlen(name + 1)));
  if (good) {
    memcpy(text, where->value, length);
    strcpy(config->clock_name, name ? name + 1 : "");
  }
  if (strcmp(text, "real") == 0)
    config->clock = HWSIM_CLOCK_REAL;
  else if (strcmp(text, "virtual") == 0)
    config->clock = HWSIM_CLOCK_VIRTUAL;
  else if (strcmp(text, "manual") == 0)
    config->clock = HWSIM_CLOCK_MANUAL;
  else if (parse_within(text, factor_units, 1e-3, 1e6, &config->clock_scale))
    config->clock = HWSIM_CLOCK_SCALED;
  else
    good = false;
  return check(good, where,
               "real, virtual, manual, or a factor from 0.001x to 1000000x, and for a clock that "
               "devices share a name, such as virtual:bench");
}

static hwsim_error set_rate(const context *where, hwsim_config *config) {
  return check(parse_within(where->value, rate_units, 1e-3, 1e9, &config->sample_rate_hz), where,
               "from 1mHz to 1GHz, such as 10kHz");
}

static hwsim_error set_range(const context *where, hwsim_config *config) {
  return check(parse_within(where->value, voltage_units, 1e-3, 1e3, &config->range_v), where,
               "from 1mV to 1000V, such as 2.5V");
}

static hwsim_error set_noise(const context *where, hwsim_config *config) {
  return check(parse_within(where->value, voltage_units, 0, 1e3, &config->noise_v), where,
               "from 0V to 1000V, such as 1mV");
}

static const struct {
  const char *name;
  hwsim_error (*set)(const context *, hwsim_config *);
} keys[] = {
    {"latency", set_latency},   {"jitter", set_jitter}, {"bandwidth", set_bandwidth},
    {"channels", set_channels}, {"seed", set_seed},     {"clock", set_clock},
    {"timeout", set_timeout},   {"rate", set_rate},     {"range", set_range},
    {"noise", set_noise},       {"timer", set_timer},   {"fault", NULL},
};

/* ------------------------------------------------------------------------------------ faults -- */

/* Cuts `text` at `mark` and returns what follows it, or NULL. */
static char *cut(char *text, char mark) {
  char *found = strchr(text, mark);
  if (found)
    *found++ = '\0';
  return found;
}

/* ADDRESS/MASK=VALUE */
static bool parse_stuck(char *text, hwsim_fault *fault) {
  char *value = cut(text, '='), *mask = cut(text, '/');
  return mask && value && parse_uint32(text, &fault->address) &&
         parse_integer(mask, &fault->mask) && parse_integer(value, &fault->value);
}

/* The last error, with the setting in front. */
static hwsim_error fail_fault(const context *where) {
  hwsim_error_info info = *hwsim_error_last();
  return error_set(info.code, where->device, operation_name(), "fault=%.80s: %.200s", where->value,
                   info.message);
}

/* KIND[@at][*count][~probability][:argument], taken apart from the right. `text` is overwritten. */
static hwsim_error parse_fault(const context *where, char *text, hwsim_fault *fault) {
  char *argument = cut(text, ':'), *probability = cut(text, '~');
  char *count = cut(text, '*'), *at = cut(text, '@');
  hwsim_fault_kind kind = HWSIM_FAULT_TIMEOUT;
  hwsim_error error = hwsim_fault_find(text, &kind);
  if (!error)
    error = hwsim_fault_init(kind, fault);
  if (error)
    return fail_fault(where);
  if (probability)
    fault->count = 0;
  bool good = (!at || (parse_integer(at, &fault->at) && fault->at)) &&
              (!count || (parse_integer(count, &fault->count) && fault->count)) &&
              (!probability || parse_within(probability, no_units, 0, 1, &fault->probability));
  if (!good)
    return check(false, where, "KIND[@N][*COUNT][~PROBABILITY][:ARGUMENT], such as crc@100*3~0.5");
  if (argument && kind == HWSIM_FAULT_SPIKE)
    error = check(parse_time(argument, HOUR_NS, &fault->extra_ns), where,
                  "spike:TIME with a time from 0s to 3600s, such as spike~0.1:20ms");
  else if (argument && kind == HWSIM_FAULT_STUCK)
    error = check(parse_stuck(argument, fault), where,
                  "stuck:ADDRESS/MASK=VALUE, such as stuck:0x40/0xff=0x0f");
  else if (argument)
    error = check(false, where, "without :ARGUMENT unless it is spike or stuck");
  if (error)
    return error;
  return fault_check(where->model, where->device, operation_name(), fault) ? fail_fault(where)
                                                                           : HWSIM_OK;
}

static hwsim_error add_fault(const context *where, resource_faults *faults) {
  hwsim_fault *items = realloc(faults->items, (faults->count + 1) * sizeof *items);
  if (!items)
    return error_no_memory(where->device, operation_name());
  faults->items = items;
  char *copy = strdup(where->value);
  if (!copy)
    return error_no_memory(where->device, operation_name());
  hwsim_error error = parse_fault(where, copy, &items[faults->count]);
  free(copy);
  if (!error)
    faults->count++;
  return error;
}

/* --------------------------------------------------------------------------------- the whole -- */

static hwsim_error parse_name(const char *uri, hwsim_config *config) {
  if (!uri || strncmp(uri, SCHEME, strlen(SCHEME)) != 0)
    return error_set(HWSIM_EINVALID, "", operation_name(),
                     "a resource string starts with hwsim://, such as hwsim://daq0?latency=2ms; "
                     "got '%.80s'",
                     uri ? uri : "");
  const char *name = uri + strlen(SCHEME);
  size_t length = strcspn(name, "?");
  if (!is_name(name, length))
    return error_set(HWSIM_EINVALID, "", operation_name(),
                     "the name of a device is 1 to 63 of A-Z a-z 0-9 _ . -, got '%.*s'",
                     (int)(length < 80 ? length : 80), name);
  memcpy(config->name, name, length);
  return HWSIM_OK;
}

/* One key=value; `text` is overwritten. */
static hwsim_error parse_setting(char *text, const hwsim_model *model, unsigned *seen,
                                 hwsim_config *config, resource_faults *faults) {
  char *value = cut(text, '=');
  if (!value)
    return error_set(HWSIM_EINVALID, config->name, operation_name(),
                     "settings are key=value, joined by '&'; got '%.80s'", text);
  context where = {.model = model, .device = config->name, .key = text, .value = value};
  for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
    if (strcmp(keys[i].name, text) != 0)
      continue;
    if (!keys[i].set)
      return add_fault(&where, faults);
    if (*seen & 1u << i)
      return error_set(HWSIM_EINVALID, config->name, operation_name(), "%s is given twice", text);
    *seen |= 1u << i;
    return keys[i].set(&where, config);
  }
  const char *near = nearest(text, &keys->name, ARRAY_LENGTH(keys), sizeof *keys);
  return error_set(HWSIM_EINVALID, config->name, operation_name(),
                   "unknown key '%.80s' (value '%.80s')%s%s", text, value,
                   near ? "; the nearest is " : "", near ? near : "");
}

hwsim_error resource_parse(const char *uri, const hwsim_model *model, hwsim_config *config_out,
                           resource_faults *faults_out) {
  *config_out = (hwsim_config){.latency_ns = 1000000,
                               .bandwidth_bps = INFINITY,
                               .channels = model->channels,
                               .clock_scale = 1,
                               .timeout_ns = NS_PER_S,
                               .sample_rate_hz = 1000,
                               .range_v = 10,
                               .noise_v = 1e-3};
  hwsim_error error = parse_name(uri, config_out);
  const char *query = error ? NULL : strchr(uri, '?');
  if (!query)
    return error;
  char *copy = strdup(query + 1), *rest = NULL;
  if (!copy)
    return error_no_memory(config_out->name, operation_name());
  unsigned seen = 0;
  for (char *text = strtok_r(copy, "&", &rest); text && !error; text = strtok_r(NULL, "&", &rest))
    error = parse_setting(text, model, &seen, config_out, faults_out);
  free(copy);
  if (!error && config_out->jitter_ns > config_out->latency_ns)
    error = error_set(HWSIM_EINVALID, config_out->name, operation_name(),
                      "jitter must not exceed latency; got jitter %g s, latency %g s",
                      (double)config_out->jitter_ns / 1e9, (double)config_out->latency_ns / 1e9);
  return error;
}
