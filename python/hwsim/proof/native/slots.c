/* Linux on x86-64 and aarch64: ELF relocations with addends, and the loader's list of objects. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr() */
#endif
#include "slots.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __x86_64__
enum { JUMP_SLOT = R_X86_64_JUMP_SLOT, GLOB_DAT = R_X86_64_GLOB_DAT, ABSOLUTE = R_X86_64_64 };
#else
enum { JUMP_SLOT = R_AARCH64_JUMP_SLOT, GLOB_DAT = R_AARCH64_GLOB_DAT, ABSOLUTE = R_AARCH64_ABS64 };
#endif

typedef struct saved {
  void **slot;
  void *before, *hook;
} saved;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static saved *table;
static size_t table_n, table_room;
/* Objects that were scanned. One that is unloaded can leave its place to another. */
static const void **seen;
static size_t seen_n, seen_room;
static unsigned long long seen_subs;

/* An object, as the loader describes it. */
typedef struct object {
  uintptr_t base;
  const ElfW(Sym) * symbols;
  const char *strings;
  struct {
    const ElfW(Rela) * first;
    size_t n;
  } relocations[2];
  uintptr_t sealed, sealed_end; /* read-only since it was relocated (RELRO) */
  bool unsealed;
} object;

typedef struct scan {
  const slot_target *targets;
  int targets_n;
  bool restores;
  int error;
} scan;

bool slots_supported(void) { return true; }

static int room_for(void **array, size_t n, size_t *room, size_t size) {
  if (n < *room)
    return 0;
  const size_t wanted = *room ? 2 * *room : 256;
  void *grown = realloc(*array, wanted * size);
  if (!grown)
    return ENOMEM;
  *array = grown;
  *room = wanted;
  return 0;
}

static int protect(const object *object, int protection) {
  const size_t size = object->sealed_end - object->sealed;
  return mprotect((void *)object->sealed, size, protection) ? errno : 0;
}

static int write_slot(object *object, void **slot, void *value) {
  const uintptr_t at = (uintptr_t)slot;
  if (at >= object->sealed && at < object->sealed_end && !object->unsealed) {
    const int error = protect(object, PROT_READ | PROT_WRITE);
    if (error)
      return error;
    object->unsealed = true;
  }
  __atomic_store_n(slot, value, __ATOMIC_RELEASE);
  return 0;
}

static saved *find(void **slot) {
  for (size_t i = 0; i < table_n; i++) {
    if (table[i].slot == slot)
      return &table[i];
  }
  return NULL;
}

static int redirect(object *object, void **slot, const slot_target *target) {
  void *before = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
  if (before == target->hook)
    return 0;
  saved *entry = find(slot); /* of an object that was here before this one */
  if (!entry) {
    const int error = room_for((void **)&table, table_n, &table_room, sizeof *table);
    if (error)
      return error;
  }
  const int error = write_slot(object, slot, target->hook);
  if (error)
    return error;
  if (!entry)
    entry = &table[table_n++];
  *entry = (saved){slot, before, target->hook};
  return 0;
}

static const slot_target *target_of(const scan *scan, const char *name) {
  for (int i = 0; i < scan->targets_n; i++) {
    const slot_target *target = &scan->targets[i];
    if (target->real && name[0] == target->name[0] && !strcmp(name, target->name))
      return target;
  }
  return NULL;
}

static int restore(object *object, void **slot, const scan *scan) {
  void *now = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
  for (int i = 0; i < scan->targets_n; i++) {
    if (now != scan->targets[i].hook)
      continue;
    const saved *entry = find(slot);
    return write_slot(object, slot, entry ? entry->before : scan->targets[i].real);
  }
  return 0;
}

static int visit_relocations(object *object, const scan *scan) {
  for (int part = 0; part < 2; part++) {
    const ElfW(Rela) *relocation = object->relocations[part].first;
    for (size_t i = 0; i < object->relocations[part].n; i++, relocation++) {
      const uint32_t type = ELF64_R_TYPE(relocation->r_info);
      if (type != JUMP_SLOT && type != GLOB_DAT && type != ABSOLUTE)
        continue;
      if (relocation->r_addend)
        continue;
      const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(relocation->r_info)];
      const slot_target *target = target_of(scan, object->strings + symbol->st_name);
      if (!target)
        continue;
      void **slot = (void **)(object->base + relocation->r_offset);
      const int error =
          scan->restores ? restore(object, slot, scan) : redirect(object, slot, target);
      if (error)
        return error;
    }
  }
  return 0;
}

static const void *address_in(const object *object, uintptr_t value) {
  /* Some loaders relocate these, others do not. */
  return (const void *)(value < object->base ? object->base + value : value);
}

/* Returns whether it has anything to relocate by name. */
static bool describe(const struct dl_phdr_info *info, object *object) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  const ElfW(Dyn) *dynamic = NULL;
  *object = (struct object){.base = info->dlpi_addr};
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    const uintptr_t start = object->base + header->p_vaddr;
    if (header->p_type == PT_DYNAMIC)
      dynamic = (const void *)start;
    if (header->p_type == PT_GNU_RELRO) {
      object->sealed = start & ~(page - 1);
      object->sealed_end = (start + header->p_memsz) & ~(page - 1);
    }
  }
  if (!dynamic || strstr(info->dlpi_name, "linux-vdso") || strstr(info->dlpi_name, "/ld-linux")) {
    return false;
  }
  bool with_addends = true;
  for (; dynamic->d_tag != DT_NULL; dynamic++) {
    const uintptr_t value = dynamic->d_un.d_ptr;
    switch (dynamic->d_tag) {
    case DT_SYMTAB: object->symbols = address_in(object, value); break;
    case DT_STRTAB: object->strings = address_in(object, value); break;
    case DT_RELA: object->relocations[0].first = address_in(object, value); break;
    case DT_JMPREL: object->relocations[1].first = address_in(object, value); break;
    case DT_RELASZ: object->relocations[0].n = value / sizeof(ElfW(Rela)); break;
    case DT_PLTRELSZ: object->relocations[1].n = value / sizeof(ElfW(Rela)); break;
    case DT_PLTREL: with_addends = value == DT_RELA; break;
    default: break;
    }
  }
  for (int part = 0; part < 2; part++) {
    if (!object->relocations[part].first)
      object->relocations[part].n = 0;
  }
  return object->symbols && object->strings && with_addends;
}

static bool was_seen(const void *headers) {
  for (size_t i = 0; i < seen_n; i++) {
    if (seen[i] == headers)
      return true;
  }
  return false;
}

/* Called by the loader under its own lock: nothing is unloaded meanwhile. */
static int visit(struct dl_phdr_info *info, size_t size, void *argument) {
  (void)size;
  scan *scan = argument;
  if (info->dlpi_subs != seen_subs) {
    seen_subs = info->dlpi_subs;
    seen_n = 0;
  }
  if (!scan->restores && was_seen(info->dlpi_phdr))
    return 0;
  object object;
  if (describe(info, &object)) {
    scan->error = visit_relocations(&object, scan);
    if (object.unsealed) {
      const int error = protect(&object, PROT_READ);
      if (!scan->error)
        scan->error = error;
    }
  }
  if (!scan->restores && !scan->error) {
    scan->error = room_for((void **)&seen, seen_n, &seen_room, sizeof *seen);
    if (!scan->error)
      seen[seen_n++] = info->dlpi_phdr;
  }
  return scan->error;
}

static int restore_all(const slot_target *targets, int targets_n) {
  scan scan = {targets, targets_n, true, 0};
  dl_iterate_phdr(visit, &scan);
  if (!scan.error)
    table_n = 0;
  seen_n = 0;
  return scan.error;
}

/* fork() must not happen while the table is half written. */
static void lock(void) { pthread_mutex_lock(&mutex); }
static void unlock(void) { pthread_mutex_unlock(&mutex); }
static void survive_fork(void) { pthread_atfork(lock, unlock, unlock); }

void slots_resolve(slot_target *targets, int targets_n) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, survive_fork);
  for (int i = 0; i < targets_n; i++)
    targets[i].real = dlsym(RTLD_DEFAULT, targets[i].name);
}

int slots_redirect(const slot_target *targets, int targets_n) {
  lock();
  const bool first = table_n == 0;
  scan scan = {targets, targets_n, false, 0};
  dl_iterate_phdr(visit, &scan);
  if (scan.error && first)
    restore_all(targets, targets_n);
  unlock();
  return scan.error;
}

int slots_restore(const slot_target *targets, int targets_n) {
  lock();
  const int error = restore_all(targets, targets_n);
  unlock();
  return error;
}

int slots_redirected(void) {
  lock();
  const int n = (int)table_n;
  unlock();
  return n;
}

#else

#include <errno.h>
#include <stddef.h>

bool slots_supported(void) { return false; }

void slots_resolve(slot_target *targets, int targets_n) { (void)targets, (void)targets_n; }

int slots_redirect(const slot_target *targets, int targets_n) {
  (void)targets, (void)targets_n;
  return ENOSYS;
}

int slots_restore(const slot_target *targets, int targets_n) {
  (void)targets, (void)targets_n;
  return 0;
}

int slots_redirected(void) { return 0; }

#endif
