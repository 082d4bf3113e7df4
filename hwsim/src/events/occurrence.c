/* What happens on a device: the kinds of events, and who is told of them. */
#include "events/occurrence.h"

#include "base/array.h"
#include "base/error.h"
#include "base/handle.h"
#include "base/text.h"

#include <string.h>

struct observers {
  list all;
};

#define HWSIM_X(name, value, text) [value] = text,
static const char *const names[] = {HWSIM_EVENTS(HWSIM_X)};
#undef HWSIM_X

const char *hwsim_event_name(hwsim_event_kind kind) {
  return (unsigned)kind < ARRAY_LENGTH(names) ? names[kind] : NULL;
}

hwsim_error hwsim_event_find(const char *text, hwsim_event_kind *kind_out) {
  for (unsigned kind = 0; text && kind < ARRAY_LENGTH(names); kind++)
    if (strcmp(names[kind], text) == 0) {
      *kind_out = (hwsim_event_kind)kind;
      return HWSIM_OK;
    }
  const char *near = text ? nearest(text, names, ARRAY_LENGTH(names), sizeof *names) : NULL;
  return error_set(HWSIM_EINVALID, "", OPERATION(device, subscribe)->name,
                   "there is no kind of event '%.40s'%s%s", text ? text : "",
                   near ? "; the nearest is " : "", near ? near : "");
}

size_t observers_size(void) { return sizeof(observers); }

void observers_open(hwsim_device *device) { list_init(&device->observers->all); }

void observers_add(hwsim_device *device, observer *added) {
  list_append(&device->observers->all, &added->link);
}

void observers_remove(observer *removed) { list_remove(&removed->link); }

void observers_tell(hwsim_device *device, const occurrence *what) {
  const list *all = &device->observers->all;
  for (list_link *each = list_first(all); each; each = list_next(all, each)) {
    observer *told = ELEMENT(each, observer, link);
    told->happened(device, told, what);
  }
}
