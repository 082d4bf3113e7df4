/* handles.i: what C knows only by a pointer, as a class in Python. Reusable: it names nothing of any
 * library.
 *
 *   %handle(TYPE, DESTROY)   a class whose objects own a TYPE *; DESTROY(handle) ends it. It has
 *                            close(), and works with `with`
 *   %opens(TYPE, (PARAMETERS), CALL, FAILED, MESSAGE, CLASS)
 *                            its constructor: CALL sets `opened`; the rest as for %status (status.i)
 *
 *   %handle(vendor_device, vendor_close)
 *   %opens(vendor_device, (const char *name), vendor_open(name, &opened),
 *          status != VENDOR_OK, vendor_strerror(status), VendorError)
 *   %extend vendor_device {
 *     vendor_status read(uint32_t address, uint32_t *value_out);   // calls vendor_device_read()
 *   }
 *
 *   %one_at_a_time(TYPE)     its library does not stand calls with the same handle from several
 *                            threads: they queue, with the GIL released
 *
 *   %functions(TYPE, PREFIX, NAMES...)
 *                            methods of these names call the functions of C that begin with PREFIX,
 *                            instead of with TYPE_: %functions(modbus_t, modbus_, connect, flush)
 *
 * All come after the block that includes the library's header, and before the declarations. A
 * parameter TYPE **handle_out of any function is a result: an object that owns the handle.
 *
 * Closed is closed: a second close() does nothing, any other call with the object raises ValueError.
 * close() waits for the calls that use the handle in other threads. So that those that block end early
 * there is %handle(TYPE, DESTROY, WAKE): a statement with `handle` that runs every 50 ms until then.
 * A handle that a callback closes or drops, on a thread of the library, is destroyed by a thread of
 * its own: what joins that thread would wait for itself. One cannot be closed by a callback during a
 * call that uses it.
 */
#ifndef KIT_HANDLES_I
#define KIT_HANDLES_I

%include "../kit/status.i"
%include "../kit/threads.i"

%{
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <vector>
#include <pthread.h>

namespace handles {

struct ignored {}; /* an argument */
struct same {};    /* the object itself */

/* Whether calls queue. */
template <class Handle> struct alone : std::false_type {};

/* How to destroy one, and to end the calls that use it: %handle says so of its type. */
template <class Handle> struct of;

/* The calls that use handles. The mutex is never held while anything needs the GIL; in the child of
 * a fork() it is free, and only the calls of the thread that forked go on. */
class [[gnu::visibility("hidden")]] uses {
public:
  /* A new handle; another one may have had the address before. */
  static void open(const void *handle) {
    std::lock_guard<std::mutex> lock(mutex());
    all().erase(handle);
  }
  /* Throws if it has been closed since it was found. */
  static void begin(const void *handle) {
    std::lock_guard<std::mutex> lock(mutex());
    use &one = all()[handle];
    if (one.closing)
      throw std::invalid_argument("the object has been closed by another thread");
    one.count++;
    mine().push_back(handle);
  }
  static void end(const void *handle) {
    std::lock_guard<std::mutex> lock(mutex());
    mine().pop_back();
    auto found = all().find(handle);
    if (found != all().end() && !--found->second.count && !found->second.closing)
      all().erase(found);
    changed().notify_all();
  }

  /* The calls that queue for a handle that is in use. Throws if this thread itself is in one. */
  static std::mutex &turn(const void *handle) {
    std::lock_guard<std::mutex> lock(mutex());
    int calls = 0;
    for (const void *own : mine())
      calls += own == handle;
    if (calls > 1)
      throw std::runtime_error("a callback cannot use what the call that it is part of uses");
    return all()[handle].turn;
  }

  /* Ends all use of an object's handle, and returns it; null: it is closed already. Throws if this
   * thread itself uses it. Without the GIL. */
  template <class Handle> static Handle *close(SwigPyObject *object, void (*wake)(Handle *)) {
    std::unique_lock<std::mutex> lock(mutex());
    Handle *handle = static_cast<Handle *>(object->ptr);
    if (!handle || all()[handle].closing)
      return nullptr;
    for (const void *own : mine())
      if (own == handle)
        throw std::runtime_error("a callback cannot close what the call that it is part of uses");
    use &one = all()[handle];
    one.closing = true; /* for good: a call may have found the handle, but not begun */
    while (one.count) {
      wake(handle);
      changed().wait_for(lock, std::chrono::milliseconds(50));
    }
    object->ptr = nullptr;
    object->own = 0;
    return handle;
  }

  static void survive_forks() {
    pthread_atfork([] { mutex().lock(); }, [] { mutex().unlock(); },
                   [] {
                     for (auto &each : all()) {
                       each.second.count = 0;
                       for (const void *own : mine())
                         each.second.count += own == each.first;
                       if (!each.second.count)
                         new (&each.second.turn) std::mutex; /* of a thread that is not here */
                     }
                     mutex().unlock();
                   });
  }

private:
  struct use {
    int count = 0;
    bool closing = false;
    std::mutex turn;
  };
  static std::mutex &mutex() {
    static std::mutex *mutex = new std::mutex; /* for good, as all of it */
    return *mutex;
  }
  static std::condition_variable &changed() {
    static std::condition_variable *changed = new std::condition_variable;
    return *changed;
  }
  static std::map<const void *, use> &all() {
    static std::map<const void *, use> *all = new std::map<const void *, use>;
    return *all;
  }
  static std::vector<const void *> &mine() { /* of this thread */
    static thread_local std::vector<const void *> mine;
    return mine;
  }
};

static thread_local SwigPyObject *closed_object = nullptr; /* by the call that this thread makes */

/* Whether it is what %handle adds to the class, which works on what is closed, too. */
[[maybe_unused]] static bool closes(const char *wrapper, swig_type_info *type) {
  const char *name = arguments::class_name(type), *dot = std::strrchr(name, '.');
  name = dot ? dot + 1 : name;
  size_t length = std::strlen(name);
  return std::strncmp(wrapper, name, length) == 0 &&
         (std::strcmp(wrapper + length, "_close") == 0 ||
          std::strcmp(wrapper + length, "___exit__") == 0);
}

/* False with a Python error. `wrapper` is SWIG's name for what is called. */
[[maybe_unused]] static bool find(PyObject *object, const char *name, const char *wrapper, swig_type_info *type,
                 void **handle_out) {
  SwigPyObject *own = object == Py_None ? nullptr : arguments::wrapped(object);
  if (!own || own->ty != type)
    return arguments::convert(object, name, type, false, handle_out);
  *handle_out = own->ptr;
  if (closes(wrapper, type)) {
    closed_object = own;
    return true;
  }
  if (own->ptr)
    return true;
  const char *type_name = Py_TYPE(object)->tp_name;
  if (std::strcmp(name, "self") == 0)
    PyErr_Format(PyExc_ValueError, "the %s is closed", type_name);
  else
    PyErr_Format(PyExc_ValueError, "%s is a %s that is closed", name, type_name);
  return false;
}

template <class Handle> static void destroy(Handle *handle) {
  if (threads::is_foreign())
    std::thread([handle] { of<Handle>::kit_destroy(handle); }).detach();
  else
    of<Handle>::kit_destroy(handle);
}

/* close(). The object, and not its handle, which may be gone, is what find() found. */
template <class Handle> static void close(SwigPyObject *object) {
  Handle *handle = uses::close<Handle>(object, of<Handle>::kit_wake);
  if (handle)
    destroy(handle);
}

/* A handle that a call makes; destroyed if the call fails afterwards. */
template <class Handle> class made {
public:
  made() = default;
  ~made() noexcept(false) {
    if (handle_ && gil::is_held()) /* not a thread that Python ends */
      gil::without([this] { destroy(handle_); });
  }
  made(const made &) = delete;
  made &operator=(const made &) = delete;

  Handle **out() { return &handle_; }
  PyObject *take(swig_type_info *type) {
    Handle *handle = handle_;
    handle_ = nullptr;
    uses::open(handle);
    return handle ? SWIG_Python_NewPointerObj(nullptr, handle, type, SWIG_POINTER_OWN)
                  : Py_NewRef(Py_None);
  }

private:
  Handle *handle_ = nullptr;
};

} // namespace handles

namespace gil {

template <class Handle>
struct use<Handle *, std::void_t<decltype(sizeof(handles::of<std::remove_const_t<Handle>>))>> {
  static constexpr bool ends = true;
  explicit use(const Handle *handle) : handle_(handle) {
    if (handle_)
      handles::uses::begin(handle_);
  }
  ~use() {
    if (handle_)
      handles::uses::end(handle_);
  }
  use(const use &) = delete;
  use &operator=(const use &) = delete;
  const Handle *handle_;
};

template <class Handle>
struct turn<Handle *, std::enable_if_t<handles::alone<std::remove_const_t<Handle>>::value>> {
  explicit turn(const Handle *handle) {
    if (!handle)
      return;
    lock_ = std::unique_lock<std::mutex>(handles::uses::turn(handle), std::try_to_lock);
    if (!lock_)
      gil::without([this] { lock_.lock(); });
  }
  std::unique_lock<std::mutex> lock_;
};

template <class Handle>
struct make<Handle *, std::void_t<decltype(sizeof(handles::of<std::remove_const_t<Handle>>))>> {
  static void of(const Handle *handle) { handles::uses::open(handle); }
};

} // namespace gil
%}

%init %{
  handles::uses::survive_forks();
%}

%typemap(in) handles::ignored ""
#ifdef SWIGPYTHON_BUILTIN
%typemap(out) handles::same "$result = Py_NewRef(self);"
#else
%typemap(out) handles::same "$result = Py_NewRef(swig_obj[0]);"
#endif

%define %handle(TYPE, DESTROY, WAKE...)
%{
namespace handles {
template <> struct of<TYPE> {
  static void kit_destroy(TYPE *handle) { DESTROY(handle); } /* yours may be called destroy */
  static void kit_wake([[maybe_unused]] TYPE *handle) { WAKE; }
};
}
%}
/* Not as locals, which SWIG leaves out for the self of -builtin. */
%typemap(in, pytype="$1") TYPE *, const TYPE *, TYPE *self {
  void *handle = nullptr;
  if (!handles::find($input, "$1_name", "$symname", $1_descriptor, &handle)) SWIG_fail;
  $1 = reinterpret_cast<$1_ltype>(handle);
}
%typemap(in, numinputs=0, pytype="$1") TYPE ** (handles::made<TYPE> made) "$1 = made.out();"
%typemap(argout) TYPE ** {
  $result = results::append($result, made$argnum.take($*1_descriptor), $isvoid);
}
%exception TYPE::kit_close { %gil_frame(release, true, never, handle) }
%exception TYPE::__exit__ { %gil_frame(release, true, never, handle) }
%quick(TYPE::__enter__)
%rename(close) TYPE::kit_close;
%feature("docstring") TYPE::kit_close
  "Waits for the calls that use it, and closes it; nothing if it is closed already.";
%nodefaultctor TYPE;
struct TYPE {};
%extend TYPE {
  ~TYPE() {
    handles::destroy($self);
  }
  void kit_close() {
    (void)$self;
    handles::close<TYPE>(handles::closed_object);
  }
  handles::same __enter__() {
    (void)$self;
    return {};
  }
  void __exit__(handles::ignored type, handles::ignored value, handles::ignored traceback) {
    (void)$self, (void)type, (void)value, (void)traceback;
    handles::close<TYPE>(handles::closed_object);
  }
}
%enddef

%define %opens(TYPE, PARAMETERS, CALL, FAILED, MESSAGE, CLASS, CODE...)
%extend TYPE {
  TYPE PARAMETERS {
    using namespace python_errors;
    TYPE *opened = nullptr;
    auto status = CALL;
    if (!(FAILED)) return opened;
#if #CODE == ""
    errors::failure failure{CLASS, results::code(status), MESSAGE};
#else
    errors::failure failure{CLASS, results::code(status, CODE), MESSAGE};
#endif
    if (opened) handles::destroy(opened);
    throw failure;
  }
}
%enddef

%define %one_at_a_time(TYPE)
%{
namespace handles {
template <> struct alone<TYPE> : std::true_type {};
}
%}
%enddef

%define %_function(TYPE, PREFIX, NAME)
%{
[[maybe_unused]] static constexpr auto TYPE##_##NAME = PREFIX##NAME;
%}
%enddef
%define %_functions(TYPE, PREFIX, FIRST, ...)
%_function(TYPE, PREFIX, FIRST)
#if #__VA_ARGS__ != "__fordone__"
%_functions(TYPE, PREFIX, __VA_ARGS__)
#endif
%enddef
%define %functions(TYPE, PREFIX, NAMES...)
%_functions(TYPE, PREFIX, NAMES, __fordone__)
%enddef

#endif
