/* The heap behind the timeline: whatever is put in and taken out, the first one is the earliest,
 * and among equals the one with the lowest order. */
#include "check.h"

#include "base/heap.h"
#include "base/random.h"

enum { NODES = 300, STEPS = 20000 };

static heap_node nodes[NODES];

static const heap_node *earliest(void) {
  const heap_node *best = NULL;
  for (int i = 0; i < NODES; i++) {
    const heap_node *node = &nodes[i];
    bool earlier = !best || node->time_ns < best->time_ns ||
                   (node->time_ns == best->time_ns && node->order < best->order);
    if (heap_holds(node) && earlier)
      best = node;
  }
  return best;
}

static void the_first_is_the_earliest_whatever_is_removed(void) {
  heap heap = {0};
  memset(nodes, 0, sizeof nodes);
  for (uint64_t step = 0; step < STEPS; step++) {
    uint64_t bits = random_bits(1, 1, step);
    heap_node *node = &nodes[bits % NODES];
    if (heap_holds(node)) {
      heap_remove(&heap, node);
      CHECK(!heap_holds(node));
    } else {
      node->time_ns = (int64_t)(bits >> 32 & 31); /* few times: many are equal */
      node->order = step;
      heap_put(&heap, node);
    }
    CHECK(heap.root == earliest());
  }
}

static void they_come_out_in_order(void) {
  heap heap = {0};
  memset(nodes, 0, sizeof nodes);
  for (int i = 0; i < NODES; i++) {
    nodes[i].time_ns = (int64_t)(random_bits(2, 1, (uint64_t)i) % 100);
    nodes[i].order = (uint64_t)i;
    heap_put(&heap, &nodes[i]);
  }
  int64_t time_ns = -1;
  uint64_t order = 0;
  for (int i = 0; i < NODES; i++) {
    heap_node *first = heap.root;
    CHECK(first->time_ns > time_ns || (first->time_ns == time_ns && first->order > order));
    time_ns = first->time_ns;
    order = first->order;
    heap_remove(&heap, first);
  }
  CHECK(!heap.root);
}

static const test tests[] = {
    TEST(the_first_is_the_earliest_whatever_is_removed),
    TEST(they_come_out_in_order),
};
CHECK_MAIN(tests)
