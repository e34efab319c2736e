// OpenBLAS's CBLAS interface and LAPACKE. Debian's OpenBLAS is built without LAPACKE symbols, so lapacke is linked beside it.
#include <cblas.h>
#include <lapacke.h>
