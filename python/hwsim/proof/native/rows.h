/* What was counted of each C callable: a table for each thread, which only that thread writes. */
#ifndef HWSIM_PROOF_ROWS_H
#define HWSIM_PROOF_ROWS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "thread.h"

/* A C callable; or in a trace, a method of one object whose type names its calls. Times in
 * nanoseconds. */
typedef struct row {
  const void *key;
  PyObject *self;  /* the object, if it is of one; NULL: of all */
  PyObject *owner; /* keeps the key alive where it is an object; or NULL */
  PyObject *module, *name;
  PyObject *label; /* what the object's type calls this call; NULL: nothing of its own */
  bool labels;     /* the type does that */
  bool own;        /* it is part of the interpreter's own object file */
  int64_t calls, wall;
  sums sums;
  PyObject *code; /* that made the call with the longest hold; NULL: none yet */
  int place;      /* in it */
} row;

typedef struct rows {
  row *rows;
  int n, room, objects_n;
  int *index; /* hash table; -1: free */
  int index_size;
} rows;

/* Returns the row of a callable, or -1: no memory. May run Python code, which names the call.
 *   first    its first argument; NULL: unknown, or none
 *   labelled whether objects are told apart whose type has __trace_label__(method) */
int rows_find(rows *rows, PyObject *callable, PyObject *first, bool labelled);

/* What audit_stop() returns of a row; see _trace.pyi. */
PyObject *row_described(const row *row, long thread, int index);

void rows_forget(rows *rows);

#endif
