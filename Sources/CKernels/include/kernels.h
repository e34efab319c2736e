// The few loops that Swift cannot vectorize: counter-based random numbers, patch gathering, converters, device updates.
//
// Each kernel has a portable body and an AVX2 body made from the same source (body.h), chosen once at start; a few have an
// AVX-512 body, whose bits are AVX2's (avx512.h, products512.h). Portable and AVX2 agree bit for bit where the operation is exact (copies,
// integers, maxima, rounding); where it is not they differ by rounding only. Sizes are counts of elements; pointers need no alignment.
#ifndef CKERNELS_H
#define CKERNELS_H
#include <stddef.h>
#include <stdint.h>

// A stream of random numbers: Philox4x32-10 (Salmon et al., SC'11) with key = seed and
// counter = (block, index low, index high, purpose). Element e is output lane (e/8)%4 of block 8·(e/32) + e%8,
// so that eight blocks fill thirty-two elements without a shuffle.
typedef struct {
  uint32_t seedLow, seedHigh, indexLow, indexHigh, purpose;
} CKStream;

// Geometry of one 2-D patch gathering; the image is [height, width, channels] and already padded.
typedef struct {
  int width;          // padded width, pixels
  int channels;       // channels of the image (the pixel stride)
  int firstChannel;   // first channel of the group
  int groupChannels;  // channels of the group
  int kernelHeight, kernelWidth, stride, dilation;
  int outputWidth;
} CKPatches;

// One plane of devices of a tile, for the closed form by line sums. Lengths in cells; x, factors and weights
// lie bit line by bit line, `ld` floats apart.
typedef struct {
  int wordLines, bitLines;
  size_t ld;
  float floor;                 // G_min / (G_max − G_min)
  float wire, driver, sense;   // resistances, ohm × (G_max − G_min)
  float gain;                  // weight of a conductance of G_max − G_min
  int accumulate;              // add to w instead of setting it
} CKTile;

// How pulses change the state x of devices. f(u) is the step in units of p, u the way from the bound that is left (0) to
// the bound ahead (1); f is cut at 0.
typedef struct {
  int form;  // 0: a + b·u   1: a + b·e^(c·u)   2: b·(1 − u)^c   3: a table
  float up[3], down[3];  // a, b, c
  const float *table;    // form 3: f at u = 0, 1/cells, … 1, those up, then those down
  int cells;
  float step;   // p
  float noise;  // σ of one pulse, relative to p
  int noiseFollowsStep;  // relative to the local step instead
  float writeNoise;      // σ of the shown state about the persistent one
  float least;           // the lowest state that can be shown
} CKStepLaw;

// What differs from device to device; null means 1, 1, 0, 1.
typedef struct {
  const float *stepUp, *stepDown;  // factors of p
  const float *lower, *upper;      // bounds of x
} CKDevices;

typedef struct {
  void (*randomBits)(CKStream s, size_t first, size_t n, uint32_t *out);
  void (*uniform)(CKStream s, size_t first, size_t n, float *out);
  void (*gaussian)(CKStream s, size_t first, size_t n, float *out);
  void (*exponential)(size_t n, const float *x, float *y);
  void (*gatherPatches)(const CKPatches *g, const float *image, int firstRow, int rows, float *patches, int ld);
  void (*scatterPatches)(const CKPatches *g, const float *patches, int ld, int firstRow, int rows, float *image);
  void (*addBias)(size_t rows, size_t n, const float *bias, float *y, size_t ld);
  void (*columnSums)(size_t rows, size_t n, const float *y, size_t ld, float *sums);
  void (*relu)(size_t n, const float *x, float *y);
  void (*reluBackward)(size_t n, const float *y, const float *dy, float *dx);
  void (*maxPool)(int channels, int width, int kernel, int stride, int outputWidth, int rows, const float *image,
                  float *y, uint8_t *winner);
  void (*maxPoolBackward)(int channels, int width, int kernel, int stride, int outputWidth, int rows, const float *dy,
                          const uint8_t *winner, float *dimage);
  uint64_t (*quantizeRows)(size_t rows, size_t n, const float *x, size_t ldx, float levels, float range, float *q, size_t ldq,
                       float *scales);
  uint64_t (*accumulateConverted)(size_t rows, size_t n, const float *partial, size_t ldp, const float *scales,
                                  float step, float levels, float gain, int first, float *y, size_t ldy);
  void (*accumulateScaled)(size_t rows, size_t n, const float *partial, size_t ldp, const float *scales, int first,
                           float *y, size_t ldy);
  void (*applyPulses)(size_t n, const CKStepLaw *law, const CKDevices *d, CKStream s, size_t first, const float *pulses,
                      float sign, float *x, float *shown);
  // Passes over the cells of crossbar arrays (crossbar.h).
  void (*lineSums)(const CKTile *t, const float *x, const float *factor, float *w, float *scratch);
  void (*effectiveWeights)(size_t n, float scale, float floor, float offset, const float *xPlus, const float *xMinus,
                           const float *dPlus, const float *dMinus, float *w);
  double (*pulseCounts)(size_t n, const float *source, float factor, CKStream s, size_t first, int slots, float *k);
  // Trains of lines (trains.h).
  int (*pulseLines)(size_t nx, const float *x, size_t ny, const float *dy, float perSlot, float *p);
  void (*pulseTrains)(size_t n, const float *v, int slots, CKStream s, size_t first, uint32_t *out, size_t ld);
  size_t (*coincidences)(size_t n, const uint32_t *trains, size_t ld, const uint32_t *own, size_t ownLd, int words,
                         const float *x, float sign, uint32_t *at, float *k);
  void (*applyPulsesAt)(size_t m, const CKStepLaw *law, const CKDevices *d, CKStream s, size_t first, uint32_t *at,
                        float *k, float sign, float *x, float *shown);
  void (*streamDigits)(size_t n, const float *q, float levels, int first, int bits, float *out);
  void (*addNoise)(size_t n, CKStream s, size_t first, const float *variance, float *y);
  // Batch normalisation (norms.h).
  void (*moments)(size_t rows, size_t n, const float *x, float *centre, double *mean, double *squares);
  void (*normSums)(size_t rows, size_t n, const float *x, const float *dy, const float *mean, const float *inverse,
                   double *sums);
  void (*norm)(size_t rows, size_t n, const float *x, const float *factor, const float *offset, float *y);
  void (*normGradient)(size_t rows, size_t n, const float *x, const float *dy, const float *mean, const float *a,
                       const float *b, const float *d, float *dx);
  void (*sgd)(size_t n, float rate, float momentum, float decay, int nesterov, const float *w, float *m, float *g);
  void (*adam)(size_t n, float rate, float beta1, float beta2, float epsilon, float correction1, float correction2,
               float decay, float decoupledDecay, const float *w, float *m, float *v, float *g);
  void (*foldPatches)(int height, int width, int channels, int kernelHeight, int kernelWidth, int stride, int padding,
                      int outputHeight, int outputWidth, const float *patches, int ld, float *dx);
  // Products in registers (products.h).
  size_t (*panelFloats)(int k, int n);
  void (*packPanels)(int k, int n, const float *b, size_t strideK, size_t strideN, const float *bias, float *panels);
  void (*multiplyPanels)(int rows, const float *a, ptrdiff_t rowStride, int runs, int run, ptrdiff_t runStride,
                         const float *panels, int n, float *c, size_t ldc, int columns);
  uint64_t (*multiplyConverted)(int rows, const float *a, size_t lda, int k, const float *panels, int n,
                                const float *scales, float step, float levels, float gain, int first, float *y,
                                size_t ldy);
  void (*multiplySmall)(int rows, int n, int k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                        size_t ldc);
  void (*outerProducts)(int taps, int n, int lines, ptrdiff_t xLine, ptrdiff_t yLine, int rows, const float *x,
                        ptrdiff_t xStride, const float *y, ptrdiff_t yStride, float *g, size_t ldg, int overwrite);
  // Winograd's F(2×2, 3×3) (winograd.h).
  void (*winogradInput)(int height, int width, int channels, int top, int left, int tiles, const float *image,
                        float *planes, size_t plane, size_t ld);
  void (*winogradOutput)(int height, int width, int channels, int top, int tiles, const float *planes, size_t plane,
                         size_t ld, const float *bias, float *y);
  void (*winogradOutputGradient)(int height, int width, int channels, int top, int tiles, const float *dy,
                                 float *planes, size_t plane, size_t ld);
  void (*winogradInputGradient)(int height, int width, int channels, int top, int left, int tiles, const float *planes,
                                size_t plane, size_t ld, float *image);
  void (*winogradWeights)(int outputs, int channels, int first, int last, int backward, const float *w, float *panels,
                          size_t set);
  void (*winogradWeightGradient)(int channels, const float *u, size_t plane, float *g, int overwrite);
  // Layer-wise relevance propagation (relevance.h).
  size_t (*relevanceShares)(size_t pixels, size_t n, float *z, const float *r, float alpha, float beta, float share,
                            float *room, uint32_t *left);
  void (*relevanceOfTerm)(size_t n, const float *x, const float *other, const float *r, float e, float *back);
  void (*multiplyEach)(size_t n, const float *x, float *y);
} CKernels;

// The bodies chosen for this processor, and each by name (null where the processor lacks the instructions).
extern const CKernels *const ckPortable;
const CKernels *ckAVX2(void);
const CKernels *ckAVX512(void);
const CKernels *ckBest(void);

// Tells the processor that this thread waits in a loop.
static inline void ckPause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// One Philox4x32-10 block, for known-answer tests.
void ckPhilox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
