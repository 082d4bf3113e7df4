/* What every test file needs: checks that say what they saw, and a main() over a table of tests.
 *
 * A failed check ends the program with exit code 1, from whatever thread it is on. For C and C++.
 */
#ifndef CHECK_H
#define CHECK_H

#include "hwsim/hwsim.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct test {
  const char *name;
  void (*run)(void);
} test;
#define TEST(function) {#function, function}

#define LENGTH(array) (sizeof(array) / sizeof *(array))

#define CHECK(condition)                                                                           \
  ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, "is false"))
/* Integers of any type. */
#define CHECK_EQUAL(actual, expected)                                                              \
  check_equal(__FILE__, __LINE__, #actual, (long long)(actual), (long long)(expected))
#define CHECK_NEAR(actual, expected, tolerance)                                                    \
  check_near(__FILE__, __LINE__, #actual, (actual), (expected), (tolerance))
/* The call succeeds; the call fails with this code and records it. */
#define CHECK_OK(call) check_code(__FILE__, __LINE__, #call, (call), HWSIM_OK)
#define CHECK_FAILS(call, code) check_code(__FILE__, __LINE__, #call, (call), (code))
/* The last error's message contains `part`. */
#define CHECK_MESSAGE(part) check_contains(__FILE__, __LINE__, hwsim_error_last()->message, (part))
#define CHECK_TEXT(actual, expected) check_text(__FILE__, __LINE__, #actual, (actual), (expected))

static inline void check_failed(const char *file, int line, const char *expression,
                                const char *remark) {
  fprintf(stderr, "%s:%d: %s: %s\n", file, line, expression, remark);
  fflush(NULL);
  _exit(1);
}

static inline void check_equal(const char *file, int line, const char *expression, long long actual,
                               long long expected) {
  char remark[128];
  if (actual == expected)
    return;
  snprintf(remark, sizeof remark, "is %lld (0x%llX), expected %lld (0x%llX)", actual,
           (unsigned long long)actual, expected, (unsigned long long)expected);
  check_failed(file, line, expression, remark);
}

static inline void check_near(const char *file, int line, const char *expression, double actual,
                              double expected, double tolerance) {
  char remark[128];
  if (fabs(actual - expected) <= tolerance)
    return;
  snprintf(remark, sizeof remark, "is %.9g, expected %.9g +- %.3g", actual, expected, tolerance);
  check_failed(file, line, expression, remark);
}

static inline void check_code(const char *file, int line, const char *expression,
                              hwsim_error actual, hwsim_error expected) {
  const hwsim_error_info *last = hwsim_error_last();
  char remark[512];
  if (actual == expected && (expected == HWSIM_OK || last->code == expected))
    return;
  snprintf(remark, sizeof remark, "gives %s, expected %s; last error: %s: %s",
           hwsim_error_name(actual), hwsim_error_name(expected), hwsim_error_name(last->code),
           last->message);
  check_failed(file, line, expression, remark);
}

static inline void check_contains(const char *file, int line, const char *text, const char *part) {
  if (!strstr(text, part))
    check_failed(file, line, part, text);
}

static inline void check_text(const char *file, int line, const char *expression,
                              const char *actual, const char *expected) {
  char remark[4096];
  if (strcmp(actual, expected) == 0)
    return;
  snprintf(remark, sizeof remark, "is \"%s\", expected \"%s\"", actual, expected);
  check_failed(file, line, expression, remark);
}

/* Runs those tests that are named on the command line; all when none is. */
static inline int check_run(const test *tests, size_t count, int argc, char **argv) {
  for (size_t i = 0; i < count; i++) {
    int wanted = argc < 2;
    for (int j = 1; j < argc; j++)
      wanted |= strcmp(tests[i].name, argv[j]) == 0;
    if (!wanted)
      continue;
    printf("%s\n", tests[i].name); /* before it runs, so that one that hangs can be named */
    fflush(stdout);
    tests[i].run();
  }
  return 0;
}
#define CHECK_MAIN(tests)                                                                          \
  int main(int argc, char **argv) {                                                                \
    return check_run((tests), sizeof(tests) / sizeof *(tests), argc, argv);                        \
  }

/* ------------------------------------------------------------------------------- on a device -- */

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

static const hwsim_call forever = {HWSIM_TIMEOUT_NEVER, NULL, NULL};

/* A device whose opening must succeed. */
static inline hwsim_device *open_device(const char *uri) {
  hwsim_device *device = NULL;
  CHECK_OK(hwsim_device_open(uri, &device));
  return device;
}

static inline int64_t now(hwsim_device *device) {
  int64_t now_ns = 0;
  CHECK_OK(hwsim_clock_now(device, &now_ns));
  return now_ns;
}

static inline void advance(hwsim_device *device, int64_t step_ns) {
  CHECK_OK(hwsim_clock_advance(device, step_ns));
}

static inline uint32_t pending(hwsim_device *device) {
  uint32_t count = 0;
  CHECK_OK(hwsim_device_pending(device, &count));
  return count;
}

static inline uint64_t transactions(hwsim_device *device) {
  uint64_t count;
  CHECK_OK(hwsim_device_transactions(device, &count));
  return count;
}

/* Any operation, for tests that need just one. */
static inline hwsim_error read_once(hwsim_device *device) {
  uint64_t value;
  return hwsim_register_read(device, HWSIM_REGISTER_ID, NULL, &value);
}

#endif
