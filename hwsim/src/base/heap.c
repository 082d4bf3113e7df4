/* A pairing heap: a tree of which each node is earlier than its children. */
#include "base/heap.h"

static bool is_earlier(const heap_node *a, const heap_node *b) {
  return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->order < b->order);
}

/* Makes the later of two roots the first child of the other, which is returned. */
static heap_node *meld(heap_node *a, heap_node *b) {
  if (!a || !b)
    return a ? a : b;
  heap_node *root = is_earlier(b, a) ? b : a, *child = root == a ? b : a;
  child->next = root->child;
  if (child->next)
    child->next->previous = child;
  child->previous = root;
  root->child = child;
  return root;
}

static void set_root(heap *self, heap_node *root) {
  self->root = root;
  if (!root)
    return;
  root->next = NULL;
  root->previous = root;
}

void heap_put(heap *self, heap_node *node) {
  node->child = node->next = NULL;
  node->previous = node;
  set_root(self, meld(self->root, node));
}

/* One root of a list of siblings: melds them in pairs, and then the pairs from the last on. */
static heap_node *meld_siblings(heap_node *first) {
  heap_node *pairs = NULL, *root = NULL;
  while (first) {
    heap_node *a = first, *b = a->next;
    first = b ? b->next : NULL;
    a->next = NULL;
    if (b)
      b->next = NULL;
    heap_node *pair = meld(a, b);
    pair->next = pairs;
    pairs = pair;
  }
  while (pairs) {
    heap_node *pair = pairs;
    pairs = pair->next;
    pair->next = NULL;
    root = meld(root, pair);
  }
  return root;
}

void heap_remove(heap *self, heap_node *node) {
  heap_node *orphans = meld_siblings(node->child);
  if (self->root == node) {
    set_root(self, orphans);
  } else {
    if (node->previous->child == node)
      node->previous->child = node->next;
    else
      node->previous->next = node->next;
    if (node->next)
      node->next->previous = node->previous;
    set_root(self, meld(self->root, orphans));
  }
  node->child = node->next = node->previous = NULL;
}
