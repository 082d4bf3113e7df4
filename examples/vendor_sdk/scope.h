/* A small SDK in C of a made-up oscilloscope, as vendors ship them: status codes, calls that block,
 * a thread of its own that calls back, and a close that joins it. It knows nothing of Python.
 */
#ifndef SCOPE_H
#define SCOPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  SCOPE_OK = 0,
  SCOPE_TIMEOUT = -1,
  SCOPE_CANCELLED = -2,
  SCOPE_OUT_OF_RANGE = -3,
  SCOPE_NOT_FOUND = -4,
  SCOPE_NO_MEMORY = -5,
} scope_status;

typedef enum { SCOPE_RISING = 1, SCOPE_FALLING = 2 } scope_edge;

typedef struct scope scope;

/* Called on a thread of the SDK with each block of samples. */
typedef void (*scope_handler)(const int16_t *samples, size_t count, void *user);
/* Called on the thread of scope_self_test(); nonzero ends it with SCOPE_CANCELLED. */
typedef int (*scope_progress)(double done, void *user);

/* What a status means, in static memory. */
const char *scope_message(scope_status status);

/* Opens "scope0" to "scope9". Ends the thread of scope_subscribe() and frees all of it. */
scope_status scope_open(const char *name, scope **scope_out);
void scope_close(scope *scope);

/* From 0.001 to 10 V. */
scope_status scope_set_range(scope *scope, double volts);
scope_status scope_range(const scope *scope, double *volts_out);

/* Blocks until the signal crosses 0 that often, 2 ms each, or for timeout_ms. */
scope_status scope_wait(scope *scope, scope_edge edge, uint32_t crossings, int timeout_ms);

/* Blocks while it samples, at 1000 samples a second. */
scope_status scope_read(scope *scope, float *volts, int count);

/* From any thread: what blocks ends at once with SCOPE_CANCELLED. */
void scope_cancel(scope *scope);

/* Reports how far it is, in steps of 1 ms, 100 of them. */
scope_status scope_self_test(scope *scope, scope_progress report, void *user);

/* From now on handler gets 100 samples every 10 ms; NULL: nobody does. */
scope_status scope_subscribe(scope *scope, scope_handler handler, void *user);

#ifdef __cplusplus
}
#endif
#endif
