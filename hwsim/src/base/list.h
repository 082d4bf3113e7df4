/* Doubly linked lists whose links are part of the elements: nothing is allocated, and an element
 * leaves its list without knowing which it is. A list is a ring with one link that is no element.
 */
#ifndef HWSIM_BASE_LIST_H
#define HWSIM_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct list_link {
  struct list_link *next, *previous;
} list_link;

typedef struct list {
  list_link ring;
} list;

/* The element of this type whose member is `link`; NULL for NULL. */
#define ELEMENT(pointer, type, member)                                                             \
  ((pointer) ? (type *)(void *)((char *)(pointer) - offsetof(type, member)) : (type *)NULL)

static inline void list_init(list *self) { self->ring.next = self->ring.previous = &self->ring; }
static inline bool list_is_empty(const list *self) { return self->ring.next == &self->ring; }
static inline list_link *list_first(const list *self) {
  return list_is_empty(self) ? NULL : self->ring.next;
}
static inline list_link *list_last(const list *self) {
  return list_is_empty(self) ? NULL : self->ring.previous;
}
static inline list_link *list_next(const list *self, const list_link *element) {
  return element->next == &self->ring ? NULL : element->next;
}
static inline void list_append(list *self, list_link *element) {
  element->next = &self->ring;
  element->previous = self->ring.previous;
  self->ring.previous->next = element;
  self->ring.previous = element;
}
static inline void list_remove(list_link *element) {
  element->previous->next = element->next;
  element->next->previous = element->previous;
}

#endif
