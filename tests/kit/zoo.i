/* One of each kind of what SDKs in C++ have, for tests of the kit: no directive has an exception. */
%module(directors="1", threads="1") zoo
%include "all.i"
%{
#include <atomic>
#include <chrono>
#include <complex>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#define CALLBACKS_STOP

namespace zoo {
struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct escaped : error {
  using error::error;
};
} // namespace zoo
%}
%error_class(ZooError, RuntimeError)
%error_class(Escaped, ZooError, LookupError)
%error_from(zoo::escaped, Escaped)
%error_from(zoo::error, ZooError)

%choices(zoo::size, zoo::SMALL, zoo::LARGE)
%nullable(const char, note)
%nullable(zoo::animal, friend_or_none)
%output(int, legs_out)
%buffer_in(int16_t, (const int16_t *values, short count))
%buffer_in(float, (unsigned char count, const float *values))
%buffer_in(double, (const double *values, size_t count))
%buffer_in_or_none(double, (const double *weights, int count))
%buffer_out_bytes((void *data, long long size))
%callable(std::function<double(int)>)
%callable(std::function<void(std::string)>)
%quick(zoo::animal::legs)
%closes(*::shut)
%computes(zoo::sum(const int16_t *, short))
%feature("director") zoo::visitor;
%calls_back((zoo::murmur how, unsigned char *user))
%feature("kwargs") zoo::named;
%director_returns(zoo::visitor::leave)

%inline %{
namespace zoo {
enum size { SMALL = 1, LARGE = 4 };
enum class colour { RED, BLUE };

class animal {
public:
  explicit animal(int legs) : legs_(legs) {}
  int legs() const { return legs_; }
  void shut() {}
  void flee() { throw escaped("it is gone"); }
  void break_down() { throw 5; }

private:
  int legs_;
};

class visitor {
public:
  virtual ~visitor() {}
  virtual int enter(int number, const std::string &name) { return number + (int)name.size(); }
  virtual void leave() noexcept {}
};
inline int visit(visitor *who, int times) {
  int sum = 0;
  for (int i = 0; i < times; i++)
    sum += who->enter(i, "lion");
  who->leave();
  return sum + who->enter(0, "");
}
inline int visit_on_thread(visitor *who) {
  int result = 0;
  std::thread thread([&] { result = who->enter(1, "bear"); });
  thread.join();
  return result;
}

inline float half(float value) { return value / 2; }
inline std::complex<double> turn(std::complex<double> value) { return value * std::complex<double>(0, 1); }
inline std::complex<float> turn32(std::complex<float> value) { return value; }
inline int grow(size how) { return how; }
inline int paint(colour how) { return (int)how; }
inline bool flip(bool value) { return !value; }
inline signed char tiny(signed char value) { return value; }
inline unsigned long long huge(unsigned long long value) { return value; }
inline long plain(long value) { return value; }
inline int by_reference(const int &value) { return value; }
inline std::string note(const char *text, const char *note) { return std::string(text) + (note ? note : "-"); }
inline int meet(animal *one, animal *friend_or_none) { return one->legs() + (friend_or_none ? friend_or_none->legs() : 0); }
inline int copy(animal one) { return one.legs(); }
inline bool measure(const animal &one, int *legs_out) { *legs_out = one.legs(); return true; }
inline std::string find(uint32_t number) { return "number " + std::to_string(number); }
inline std::string find(const std::string &name) { return "name " + name; }
inline int sum(const int16_t *values, short count) { int sum = 0; while (count) sum += values[--count]; return sum; }
inline float sum(unsigned char count, const float *values) { float sum = 0; while (count) sum += values[--count]; return sum; }
inline double sum(const double *values, size_t count) { double sum = 0; while (count) sum += values[--count]; return sum; }
inline int weigh(const double *weights, int count) { return weights ? count : -1; }
inline void fill(void *data, long long size) { for (long long i = 0; i < size; i++) static_cast<char *>(data)[i] = 7; }
inline int named(int first, int second = 2) { return 10 * first + second; }
typedef void (*murmur)(const unsigned char *text, int count, unsigned char *user);
inline void whisper(murmur how, unsigned char *user) { how((const unsigned char *)"grr", 3, user); }
inline double apply(std::function<double(int)> function, int times) { double sum = 0; for (int i = 0; i < times; i++) sum += function(i); return sum; }
inline void on_thread(const std::function<void(std::string)> &function) { std::thread([&] { function("there"); }).join(); }
/* Python in a function: what shows it keeps the GIL, and a target takes it. */
inline PyObject *pair(PyObject *first) { return Py_BuildValue("(OO)", first, first); }
inline void release_for(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }
class listener {
public:
  explicit listener(PyObject *object) : target_(object) {}
  void tell() {
    std::thread([this] {
      bool told = false;
      target_.deliver([&]() -> PyObject * {
        PyObject *argument = told ? nullptr : PyLong_FromLong(42);
        told = true;
        return argument;
      });
    }).join();
  }

private:
  callbacks::target target_;
};
/* Calls on a thread of its own, which its end joins. */
class cricket {
public:
  explicit cricket(std::function<void(std::string)> chirp)
      : thread_([this, chirp] { while (!ended_) chirp("chirp"); }) {}
  ~cricket() { shut(); }
  void shut() {
    ended_ = true;
    if (thread_.joinable())
      thread_.join();
  }

private:
  std::atomic<bool> ended_{false};
  std::thread thread_;
};
inline int held_inside() {
  gil::held held;
  PyObject *list = PyList_New(3);
  int size = (int)PyList_Size(list);
  Py_DECREF(list);
  return size;
}
} // namespace zoo
%}
