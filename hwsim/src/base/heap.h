/* What comes first: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan: The Pairing Heap,
 * Algorithmica 1986), whose nodes are part of the elements. Nothing is allocated, so that nothing
 * can fail; put and first cost a few instructions, removing costs O(log n) on average. */
#ifndef HWSIM_BASE_HEAP_H
#define HWSIM_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct heap_node {
  int64_t time_ns; /* the first one is the one with the earliest time */
  uint64_t order;  /* ... and at the same time the one with the lowest order */
  struct heap_node *child, *next;
  struct heap_node *previous; /* or the parent of a first child; the root's is itself; NULL: in no
                                 heap */
} heap_node;

typedef struct heap {
  heap_node *root; /* the first one, or NULL */
} heap;

static inline bool heap_holds(const heap_node *node) { return node->previous != NULL; }

void heap_put(heap *self, heap_node *node); /* which must be in no heap */
void heap_remove(heap *self, heap_node *node);

#endif
