/* Handles: calls that are in the library while Python ends, each of which retakes the GIL in another
 * place; and text that belongs to a handle. There is no CALLBACKS_STOP: nothing calls back on threads of
 * the library. */
%module doors
%include "all.i"
%{
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#if PY_VERSION_HEX < 0x030D0000
#define Py_IsFinalizing _Py_IsFinalizing
#endif

static void breathe() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

static std::atomic<int> late{0}; /* threads that came too late, until they have ended */
static void wait_for_exit() {
  struct lateness {
    lateness() { late++; }
    ~lateness() { late--; }
  };
  static thread_local lateness here;
  (void)&here;
  while (!Py_IsFinalizing())
    breathe();
}
/* The last thing that the process does. */
static void wait_for_late() {
#if PY_VERSION_HEX < 0x030E0000 /* later they stay for good */
  for (int i = 0; late && i < 10000; i++)
    breathe();
#endif
}

struct door {
  bool is_slow;
};
static void destroy(door *handle) {
  if (handle->is_slow)
    wait_for_exit();
  delete handle;
}
struct sign {
  char text[16];
  std::atomic<int> woken;
};
static void remove_sign(sign *handle) { delete handle; }
%}
%init %{
  Py_AtExit(wait_for_late);
%}

%error_class(DoorError, RuntimeError)
%status(door_status, status, "it is stuck", DoorError)
%output(int, number_out)
%calls_back((door_progress report, void *user))
%handle(door, destroy)
%one_at_a_time(door)
%opens(door, (bool is_slow), (opened = new door{is_slow}, 0), status, "", DoorError)
%quick(door::knock)
%extend door {
  void knock() { (void)$self; }
  void pass() { (void)$self; wait_for_exit(); }
  void stay() { (void)$self; breathe(); }
}
%wakes(arg1->woken++, sign::wait)
%handle(sign, remove_sign)
%opens(sign, (const char *text), (opened = new sign{}, strncpy(opened->text, text, 15), 0), status, "",
       DoorError)
%newobject sign::copy;
%extend sign {
  void write(const char *text) { strncpy($self->text, text, 15); }
  const char *read() { return *$self->text ? $self->text : nullptr; }
  const char *wait() {
    while ($self->woken < 3) // as what comes to wait too late for the first one
      breathe();
    return $self->text;
  }
  char *copy() { return strdup($self->text); }
}
%inline %{
typedef int door_status;
typedef int (*door_progress)(void *user);
door_status open_badly(door **made) {
  *made = new door{true};
  return 1;
}
door_status open_well(int number, door **made, int *number_out) {
  *made = number ? new door{} : nullptr;
  *number_out = number + 1;
  return 0;
}
int call_back(door_progress report, void *user) { return report(user); }
void wait() { wait_for_exit(); }
%}
