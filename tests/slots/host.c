/* Redirects two functions of its own in the objects that it loads: host OBJECT OBJECT. Prints what
 * is wrong, and then fails. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "slots.h"

int released(void) { return 1; }
int retaken(void) { return 2; }

static int other_released(void) { return 5; }
static int other_retaken(void) { return 7; }

static slot_target targets[] = {
    {"released", (void *)other_released, NULL},
    {"retaken", (void *)other_retaken, NULL},
};

static int failures;

static void expect(const char *when, const char *what, int value, int expected) {
  if (value != expected) {
    printf("%s: %s is %d, not %d\n", when, what, value, expected);
    failures++;
  }
}

static void expect_all(const char *when, void *object, int call, int address, int data) {
  const struct {
    const char *name;
    int expected;
  } ways[] = {{"by_call", call}, {"by_address", address}, {"by_data", data}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    int (*function)(void) = (int (*)(void))dlsym(object, ways[i].name);
    expect(when, ways[i].name, function(), ways[i].expected);
  }
}

static void *opened(const char *path) {
  void *object = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (!object) {
    printf("%s\n", dlerror());
    exit(2);
  }
  return object;
}

int main(int n, char **paths) {
  if (n != 3)
    return 2;
  void *object = opened(paths[1]);
  slots_resolve(targets, 2);
  expect("at first", "supported", slots_supported(), 1);
  expect_all("before", object, 21, 2, 1);
  for (int round = 0; round < 2; round++) {
    expect("redirect", "error", slots_redirect(targets, 2), 0);
    expect_all("redirected", object, 75, 7, 5);
    const int known = slots_redirected();
    void *later = opened(paths[2]);
    expect_all("loaded later", later, 21, 2, 1);
    expect("again", "error", slots_redirect(targets, 2), 0);
    expect_all("looked at again", later, 75, 7, 5);
    expect("again", "more slots", slots_redirected() > known, 1);
    dlclose(later); /* while its slots are redirected */
    expect("restore", "error", slots_restore(targets, 2), 0);
    expect("restore", "slots", slots_redirected(), 0);
    expect_all("restored", object, 21, 2, 1);
    later = opened(paths[2]);
    expect_all("loaded again", later, 21, 2, 1);
    dlclose(later);
  }
  return failures != 0;
}
