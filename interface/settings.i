/* settings.i: what the kit has to know of hwsim, before it is included. */
%{
#include "hwsim/hwsim.hpp"

namespace behaviours {
static bool raise(void *reason); /* behaviours.h */
}
static PyObject *partial_to_python(const hwsim_block *partial); /* structs.h */

/* At exit a callback that does not return is waited for so long. */
#define CALLBACKS_STOP (void)!hwsim_events_stop(INT64_C(5000000000))
#define GIL_HOOKS hwsim_hooks
#define GIL_INSTALL_HOOKS(hooks) hwsim_hooks_set(hooks)
namespace aio {
static bool may_wait();
}
#define GIL_MAY_WAIT() aio::may_wait()
/* What can wait or takes long may raise what a callback raised: operations.i names it. */
#define ERRORS_DEFERRED_BY_DEFAULT false
#define ERRORS_OWN                                                                                 \
  catch (const hwsim::error &e) {                                                                  \
    static factory from_code("hwsim.errors", "from_code");                                         \
    if (!behaviours::raise(e.reason()))                                                            \
      raise_new(from_code, "(iNssN)", static_cast<int>(e.code()), text(e.what()),                  \
                e.device().c_str(), e.operation().c_str(), partial_to_python(e.partial()));        \
  }
%}
