// Counts the heap allocations of the whole process: malloc and its relatives are interposed and go on to glibc's own.
#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H
// Allocations by all threads since the process began.
long allocationCount(void);
#endif
