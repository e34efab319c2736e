#include "allocation_counter.h"
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_long count;
long allocationCount(void) { return atomic_load(&count); }

#if defined(__GLIBC__)
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static void add(void) { atomic_fetch_add_explicit(&count, 1, memory_order_relaxed); }
void *malloc(size_t n) { add(); return __libc_malloc(n); }
void *calloc(size_t m, size_t n) { add(); return __libc_calloc(m, n); }
void *realloc(void *p, size_t n) { add(); return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { add(); return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { add(); return __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) {
  add();
  *p = __libc_memalign(a, n);
  return *p ? 0 : ENOMEM;
}
#endif
