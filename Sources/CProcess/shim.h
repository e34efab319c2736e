// What Swift's Glibc does not offer: variadic functions, and GNU's own. No header is included, so that nothing of
// Glibc's becomes this module's.

extern int prctl(int option, ...);
extern int sched_getaffinity(int process, unsigned long size, void *mask);

/// Has the kernel send `signal` to this process when the thread that started it ends. 0 for success.
static inline int cpDieWithParent(int signal) {
  // PR_SET_PDEATHSIG
  return prctl(1, (unsigned long)signal, 0UL, 0UL, 0UL);
}

/// The processors that this process may run on (taskset, cpusets, a scheduler's binding); 0 when they are not known.
static inline int cpAvailableProcessors(void) {
  unsigned long mask[128] = {0};
  if (sched_getaffinity(0, sizeof mask, mask) < 0) return 0;
  int count = 0;
  for (int i = 0; i < 128; ++i) count += __builtin_popcountl(mask[i]);
  return count;
}
