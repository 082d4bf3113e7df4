%module scope
%include "all.i"
%{
#include "scope.h"
#define CALLBACKS_STOP // nothing to join: close() does, and nothing is called once Python ends
%}

%error_class(ScopeError, RuntimeError)
%error_class(ScopeTimeout, ScopeError, TimeoutError)
%status(scope_status, status != SCOPE_OK, scope_message(status),
        status == SCOPE_TIMEOUT ? ScopeTimeout : ScopeError)

%wakes(scope_cancel(arg1), scope::wait, scope::read, scope::self_test)
%quick(scope::range, scope::set_range, scope::cancel)

%choices(scope_edge, SCOPE_RISING, SCOPE_FALLING)
%output(double, volts_out)
%buffer_out(float, (float *volts, int count))
%calls_back((scope_progress report, void *user), 1)
%keeps_callback((scope_handler handler, void *user))

typedef enum { SCOPE_RISING = 1, SCOPE_FALLING = 2 } scope_edge;
%handle(scope, scope_close, scope_cancel(handle))
%opens(scope, (const char *name), scope_open(name, &opened), status != SCOPE_OK,
       scope_message(status), ScopeError)
%extend scope {
  scope_status set_range(double volts);
  scope_status range(double *volts_out) const;
  scope_status wait(scope_edge edge, uint32_t crossings, int timeout_ms);
  scope_status read(float *volts, int count);
  void cancel();
  scope_status self_test(scope_progress report, void *user);
  scope_status subscribe(scope_handler handler, void *user);
}
