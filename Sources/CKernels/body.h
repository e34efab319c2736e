// One body of every kernel: included once per instruction set by kernels.c, which defines NAME and ATTRIBUTES.

typedef int32_t NAME(Mask) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#include "products.h"
#include "winograd.h"

// ---- Random numbers. `first` must be a multiple of 32.

ATTRIBUTES static void NAME(randomBits)(CKStream s, size_t first, size_t n, uint32_t *out) {
  uint32_t group = (uint32_t)(first / 32), u[32];
  for (size_t i = 0; i < n; i += 32, group++) {
    NAME(philoxGroup)(s, group, u);
    size_t m = n - i < 32 ? n - i : 32;
    memcpy(out + i, u, m * sizeof *out);
  }
}

// Uniform on (0, 1): the top 24 bits plus a half, so that neither end is ever reached.
ATTRIBUTES static void NAME(uniform)(CKStream s, size_t first, size_t n, float *out) {
  uint32_t group = (uint32_t)(first / 32), u[32];
  for (size_t i = 0; i < n; i += 32, group++) {
    NAME(philoxGroup)(s, group, u);
    float v[32];
    for (int j = 0; j < 32; j++) v[j] = (float)(int32_t)(u[j] >> 9) * 0x1p-23f + 0x1p-24f;
    size_t m = n - i < 32 ? n - i : 32;
    memcpy(out + i, v, m * sizeof *out);
  }
}

// Standard normal by Box and Muller from lanes (0, 1) and (2, 3) of a block.
ATTRIBUTES INLINE void NAME(gaussianGroup)(CKStream s, uint32_t group, float *v) {
  uint32_t u[32];
  NAME(philoxGroup)(s, group, u);
  for (int pair = 0; pair < 2; pair++)
    for (int j = 0; j < 8; j++) {
      float a = (float)(int32_t)(u[16 * pair + j] >> 9) * 0x1p-23f + 0x1p-24f;
      float turn = (float)(int32_t)(u[16 * pair + 8 + j] >> 9) * 0x1p-23f;
      float r = __builtin_elementwise_sqrt(-2.f * logarithmOf(a)), sine, cosine;
      sineCosineOfTurn(turn, &sine, &cosine);
      v[16 * pair + j] = r * cosine;
      v[16 * pair + 8 + j] = r * sine;
    }
}

ATTRIBUTES static void NAME(gaussian)(CKStream s, size_t first, size_t n, float *out) {
  uint32_t group = (uint32_t)(first / 32);
  for (size_t i = 0; i < n; i += 32, group++) {
    float v[32];
    NAME(gaussianGroup)(s, group, v);
    size_t m = n - i < 32 ? n - i : 32;
    memcpy(out + i, v, m * sizeof *out);
  }
}

ATTRIBUTES static void NAME(exponential)(size_t n, const float *x, float *y) {
  for (size_t i = 0; i < n; i++) y[i] = exponentialOf(x[i]);
}

// ---- Convolution by patches.

// Copies n floats; may write up to seven floats past the end (the next copy overwrites them; buffers have slack).
ATTRIBUTES INLINE void NAME(copySloppy)(const float *from, float *to, int n) {
  for (int i = 0; i < n; i += 8) {
    float v[8];
    memcpy(v, from + i, sizeof v);
    memcpy(to + i, v, sizeof v);
  }
}

// patches[row] = the kernelHeight × kernelWidth × groupChannels values under output pixel `row`.
// Image and patches need seven floats of slack after their ends.
ATTRIBUTES static void NAME(gatherPatches)(const CKPatches *g, const float *image, int firstRow, int rows,
                                           float *patches, int ld) {
  const int C = g->channels, GC = g->groupChannels, KH = g->kernelHeight, KW = g->kernelWidth, OW = g->outputWidth;
  const int whole = GC == C && g->dilation == 1, run = KW * C;
  const size_t line = (size_t)g->width * C;
  for (int oy = firstRow; oy < firstRow + rows; oy++)
    for (int ox = 0; ox < OW; ox++, patches += ld) {
      const float *corner = image + (size_t)oy * g->stride * line + (size_t)ox * g->stride * C + g->firstChannel;
      float *to = patches;
      if (whole && run <= 8)
        for (int ky = 0; ky < KH; ky++, to += run) NAME(copySloppy)(corner + ky * line, to, 8);
      else if (whole)
        for (int ky = 0; ky < KH; ky++, to += run) NAME(copySloppy)(corner + ky * line, to, run);
      else
        for (int ky = 0; ky < KH; ky++)
          for (int kx = 0; kx < KW; kx++, to += GC)
            NAME(copySloppy)(corner + ky * g->dilation * line + (size_t)kx * g->dilation * C, to, GC);
    }
}

ATTRIBUTES INLINE void NAME(addRun)(const float *restrict from, float *restrict to, int n) {
  int i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; j++) to[i + j] += from[i + j];
  if (i + 4 <= n) {
    for (int j = 0; j < 4; j++) to[i + j] += from[i + j];
    i += 4;
  }
  for (; i < n; i++) to[i] += from[i];
}

// The transpose of gatherPatches: adds every patch into the padded image.
ATTRIBUTES static void NAME(scatterPatches)(const CKPatches *g, const float *patches, int ld, int firstRow, int rows,
                                            float *image) {
  const int C = g->channels, GC = g->groupChannels, KH = g->kernelHeight, KW = g->kernelWidth, OW = g->outputWidth;
  const int whole = GC == C && g->dilation == 1, run = KW * C;
  const size_t line = (size_t)g->width * C;
  for (int oy = firstRow; oy < firstRow + rows; oy++)
    for (int ox = 0; ox < OW; ox++, patches += ld) {
      float *corner = image + (size_t)oy * g->stride * line + (size_t)ox * g->stride * C + g->firstChannel;
      const float *from = patches;
      if (whole)
        for (int ky = 0; ky < KH; ky++, from += run) NAME(addRun)(from, corner + ky * line, run);
      else
        for (int ky = 0; ky < KH; ky++)
          for (int kx = 0; kx < KW; kx++, from += GC)
            NAME(addRun)(from, corner + ky * g->dilation * line + (size_t)kx * g->dilation * C, GC);
    }
}

// The transpose of gatherPatches for whole images without groups or dilation: dx[iy][ix] = the sum of all that patches
// hold for the pixel. Reads up to seven floats past the patches; the image is unpadded and written once.
ATTRIBUTES static void NAME(foldPatches)(int height, int width, int channels, int kernelHeight, int kernelWidth,
                                         int stride, int padding, int outputHeight, int outputWidth,
                                         const float *patches, int ld, float *dx) {
  const float *end = dx + (size_t)height * width * channels;
  const ptrdiff_t lineStep = (ptrdiff_t)outputWidth * ld - (ptrdiff_t)stride * kernelWidth * channels;
  const ptrdiff_t step = ld - (ptrdiff_t)stride * channels;
  for (int iy = 0; iy < height; iy++) {
    // The outputs whose window holds the line (and below, the pixel); for the first of them it is farthest down.
    const int y = iy + padding, lastY = y / stride < outputHeight ? y / stride : outputHeight - 1;
    const int firstY = y < kernelHeight ? 0 : (y - kernelHeight) / stride + 1;
    for (int ix = 0; ix < width; ix++, dx += channels) {
      const int x = ix + padding, lastX = x / stride < outputWidth ? x / stride : outputWidth - 1;
      const int firstX = x < kernelWidth ? 0 : (x - kernelWidth) / stride + 1;
      const float *corner = patches + ((ptrdiff_t)firstY * outputWidth + firstX) * ld +
                            ((ptrdiff_t)(y - firstY * stride) * kernelWidth + x - firstX * stride) * channels;
      for (int c = 0; c < channels; c += LANES, corner += LANES) {
        NAME(Vector) sum = {0};
        const float *line = corner;
        for (int oy = firstY; oy <= lastY; oy++, line += lineStep) {
          const float *p = line;
          for (int ox = firstX; ox <= lastX; ox++, p += step) sum += *(const NAME(Vector) *)p;
        }
        // What is written past a pixel's channels is overwritten by the next pixels.
        NAME(setPart)(dx + c, sum, end - dx - c < LANES ? channels - c : LANES);
      }
    }
  }
}

// ---- Element-wise passes.

ATTRIBUTES static void NAME(addBias)(size_t rows, size_t n, const float *restrict bias, float *restrict y, size_t ld) {
  for (size_t r = 0; r < rows; r++, y += ld)
    for (size_t j = 0; j < n; j++) y[j] += bias[j];
}

// sums[j] += Σ_r y[r][j]; blocks of 64 rows are summed first, so that long sums keep their digits.
ATTRIBUTES static void NAME(columnSums)(size_t rows, size_t n, const float *restrict y, size_t ld, float *restrict sums) {
  size_t j0 = 0;
  for (; j0 + 64 <= n; j0 += 64) {
    double total[64] = {0};
    for (size_t r0 = 0; r0 < rows; r0 += 64) {
      size_t end = rows - r0 < 64 ? rows : r0 + 64;
      float block[64] = {0};
      for (size_t r = r0; r < end; r++)
        for (size_t j = 0; j < 64; j++) block[j] += y[r * ld + j0 + j];
      for (size_t j = 0; j < 64; j++) total[j] += block[j];
    }
    for (size_t j = 0; j < 64; j++) sums[j0 + j] += (float)total[j];
  }
  // Narrow: a vector of columns, four rows side by side. The last row is read element by element.
  for (; j0 < n; j0 += LANES) {
    const size_t m = n - j0 < LANES ? n - j0 : LANES;
    double total[LANES] = {0};
    for (size_t r0 = 0; r0 < rows; r0 += 64) {
      const size_t end = rows - r0 < 64 ? rows : r0 + 64;
      const size_t whole = end < rows || m == LANES ? end : end - 1;
      NAME(Vector) block[4] = {{0}};
      const float *from = y + r0 * ld + j0;
      size_t r = r0;
      for (; r + 4 <= whole; r += 4, from += 4 * ld)
        UNROLL for (int q = 0; q < 4; q++) {
          block[q] += *(const NAME(Vector) *)(from + q * ld);
        }
      for (; r < end; r++, from += ld) block[0] += NAME(part)(from, r < whole ? LANES : (int)m);
      block[0] = (block[0] + block[1]) + (block[2] + block[3]);
      for (size_t j = 0; j < m; j++) total[j] += block[0][j];
    }
    for (size_t j = 0; j < m; j++) sums[j0 + j] += (float)total[j];
  }
}

ATTRIBUTES static void NAME(relu)(size_t n, const float *x, float *y) {
  _Pragma("clang loop vectorize(assume_safety)")
  for (size_t i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

ATTRIBUTES static void NAME(reluBackward)(size_t n, const float *y, const float *dy, float *dx) {
  // dx may be dy or y itself: element by element that is no obstacle. The load is unconditional, so that it vectorizes.
  _Pragma("clang loop vectorize(assume_safety)")
  for (size_t i = 0; i < n; i++) {
    const float g = dy[i];
    dx[i] = y[i] > 0 ? g : 0.f;
  }
}

typedef uint8_t NAME(Bytes) __attribute__((vector_size(LANES), aligned(1), may_alias));

// The window of 2 × 2, LANES channels at a time. What is written past a pixel's channels is overwritten by the next
// pixels; the last ones are written exactly. Reads up to seven floats past the image.
ATTRIBUTES static void NAME(maxPool2)(int channels, int width, int stride, int outputWidth, int rows, const float *image,
                                      float *y, uint8_t *winner) {
  const size_t line = (size_t)width * channels;
  const float *end = y + (size_t)rows * outputWidth * channels;
  for (int oy = 0; oy < rows; oy++)
    for (int ox = 0; ox < outputWidth; ox++, y += channels, winner += channels) {
      const float *corner = image + (size_t)oy * stride * line + (size_t)ox * stride * channels;
      for (int c = 0; c < channels; c += LANES) {
        const float *p = corner + c;
        NAME(Mask) m = *(const NAME(Mask) *)p, w = {0};
        UNROLL for (int k = 1; k < 4; k++) {
          const NAME(Vector) v = *(const NAME(Vector) *)(p + (k >> 1) * line + (k & 1) * channels);
          const NAME(Mask) larger = v > (NAME(Vector))m;
          m = (larger & (NAME(Mask))v) | (~larger & m);
          w = (larger & k) | (~larger & w);
        }
        const NAME(Bytes) b = __builtin_convertvector(w, NAME(Bytes));
        if (end - y - c < LANES) {
          for (int j = 0; j < channels - c && j < LANES; j++) {
            y[c + j] = ((NAME(Vector))m)[j];
            winner[c + j] = b[j];
          }
        } else {
          *(NAME(Mask) *)(y + c) = m;
          *(NAME(Bytes) *)(winner + c) = b;
        }
      }
    }
}

// y[row][ox][c] = the largest of the kernel × kernel pixels; winner = its place in the window, row by row.
ATTRIBUTES static void NAME(maxPool)(int channels, int width, int kernel, int stride, int outputWidth, int rows,
                                     const float *restrict image, float *restrict y, uint8_t *restrict winner) {
  if (kernel == 2) {
    NAME(maxPool2)(channels, width, stride, outputWidth, rows, image, y, winner);
    return;
  }
  const size_t line = (size_t)width * channels;
  for (int oy = 0; oy < rows; oy++)
    for (int ox = 0; ox < outputWidth; ox++, y += channels, winner += channels) {
      const float *corner = image + (size_t)oy * stride * line + (size_t)ox * stride * channels;
      for (int j = 0; j < channels; j++) { y[j] = corner[j]; winner[j] = 0; }
      for (int ky = 0; ky < kernel; ky++)
        for (int kx = 0; kx < kernel; kx++) {
          const float *p = corner + ky * line + (size_t)kx * channels;
          const uint8_t place = (uint8_t)(ky * kernel + kx);
          for (int j = 0; j < channels; j++) {
            winner[j] = p[j] > y[j] ? place : winner[j];
            y[j] = p[j] > y[j] ? p[j] : y[j];
          }
        }
    }
}

// Disjoint windows of 2 × 2: every pixel of a window is written. The upper line of a row of windows comes first, so that
// the zeros written past a pixel's channels fall on what is written next, or on what is zero already.
ATTRIBUTES static void NAME(maxPoolBackward2)(int channels, int width, int stride, int outputWidth, int rows,
                                              const float *dy, const uint8_t *winner, float *dimage) {
  const size_t line = (size_t)width * channels;
  const size_t count = (size_t)rows * outputWidth * channels;
  // One past the last pixel of the last window.
  const float *end = dimage + ((size_t)(rows - 1) * stride + 1) * line + ((size_t)(outputWidth - 1) * stride + 2) * channels;
  NAME(Mask) lane;
  UNROLL for (int j = 0; j < LANES; j++) lane[j] = j;
  for (int oy = 0; oy < rows; oy++)
    for (int ky = 0; ky < 2; ky++) {
      float *pixel = dimage + ((size_t)oy * stride + ky) * line;
      size_t from = (size_t)oy * outputWidth * channels;
      for (int ox = 0; ox < outputWidth; ox++, pixel += (size_t)stride * channels, from += channels)
        for (int kx = 0; kx < 2; kx++)
          for (int c = 0; c < channels; c += LANES) {
            const int n = channels - c;
            float *to = pixel + kx * channels + c;
            NAME(Mask) g, w;
            if (from + c + LANES <= count) {
              g = *(const NAME(Mask) *)(dy + from + c);
              w = __builtin_convertvector(*(const NAME(Bytes) *)(winner + from + c), NAME(Mask));
            } else {
              UNROLL for (int j = 0; j < LANES; j++) {
                g[j] = j < n ? ((const NAME(Mask) *)(dy + from + c))[0][j] : 0;
                w[j] = j < n ? winner[from + c + j] : 0;
              }
            }
            g &= (lane < n) & (w == 2 * ky + kx);
            if (end - to >= LANES) {
              *(NAME(Mask) *)to = g;
            } else {
              for (int j = 0; j < n && j < LANES; j++) to[j] = ((NAME(Vector))g)[j];
            }
          }
    }
}

// Adds each output's gradient to the pixel that won; dimage must be zero (or hold what is to be added to).
ATTRIBUTES static void NAME(maxPoolBackward)(int channels, int width, int kernel, int stride, int outputWidth, int rows,
                                             const float *restrict dy, const uint8_t *restrict winner,
                                             float *restrict dimage) {
  if (kernel == 2 && stride >= 2) {
    NAME(maxPoolBackward2)(channels, width, stride, outputWidth, rows, dy, winner, dimage);
    return;
  }
  const size_t line = (size_t)width * channels;
  for (int oy = 0; oy < rows; oy++)
    for (int ox = 0; ox < outputWidth; ox++, dy += channels, winner += channels) {
      float *corner = dimage + (size_t)oy * stride * line + (size_t)ox * stride * channels;
      for (int j = 0; j < channels; j++) {
        int ky = winner[j] / kernel, kx = winner[j] % kernel;
        corner[ky * line + (size_t)kx * channels + j] += dy[j];
      }
    }
}

// ---- Converters.

// DAC: q[r] = x[r] rounded to 2·levels + 1 mid-tread steps of a range; the row's scale (volts restored digitally) is
// its largest magnitude when range is 0, else range. Values beyond a fixed range are clipped; returns how many were.
// levels = 0: no rounding. q is in units of the scale: |q| ≤ 1. A row below 2^-100, whose inverse would overflow, is
// converted as zeros.
ATTRIBUTES static uint64_t NAME(quantizeRows)(size_t rows, size_t n, const float *restrict x, size_t ldx, float levels,
                                          float range, float *restrict q, size_t ldq, float *restrict scales) {
  uint64_t clipped = 0;
  const float up = levels > 0 ? levels : 1.f, down = 1.f / up;
  const size_t whole = n / 8 * 8;
  for (size_t r = 0; r < rows; r++, x += ldx, q += ldq) {
    // A last, overlapping block of eight instead of a tail: patches are rarely multiples of eight.
    float scale = range;
    if (range == 0) {
      scale = 0;
      if (n >= 8) {
        Eight most = __builtin_elementwise_abs(*(const Eight *)(x + n - 8));
        for (size_t j = 0; j < whole; j += 8)
          most = __builtin_elementwise_max(most, __builtin_elementwise_abs(*(const Eight *)(x + j)));
        float m[8];
        *(Eight *)m = most;
        for (int l = 0; l < 4; l++) m[l] = m[l + 4] > m[l] ? m[l + 4] : m[l];
        for (int l = 0; l < 2; l++) m[l] = m[l + 2] > m[l] ? m[l + 2] : m[l];
        scale = m[1] > m[0] ? m[1] : m[0];
      } else
        for (size_t j = 0; j < n; j++) {
          float a = __builtin_fabsf(x[j]);
          scale = a > scale ? a : scale;
        }
    }
    scales[r] = scale;
    const float inverse = scale > 0x1p-100f ? up / scale : 0.f;
    if (levels > 0 && range == 0) {
      if (n >= 8) {
        const Eight last = ((*(const Eight *)(x + n - 8) * inverse + MAGIC) - MAGIC) * down;
        for (size_t j = 0; j < whole; j += 8)
          *(Eight *)(q + j) = ((*(const Eight *)(x + j) * inverse + MAGIC) - MAGIC) * down;
        *(Eight *)(q + n - 8) = last;
      } else
        for (size_t j = 0; j < n; j++) q[j] = ((x[j] * inverse + MAGIC) - MAGIC) * down;
    } else if (range == 0)
      for (size_t j = 0; j < n; j++) q[j] = x[j] * inverse;
    else {
      uint32_t count = 0;
      for (size_t j = 0; j < n; j++) {
        float t = x[j] * inverse;
        count += t > up || t < -up;
        t = t > up ? up : t;
        t = t < -up ? -up : t;
        q[j] = levels > 0 ? ((t + MAGIC) - MAGIC) * down : t * down;
      }
      clipped += count;
    }
  }
  return clipped;
}

// ADC: y[r] (+)= scales[r] · gain · clip(round(partial[r] / step), ±levels) · step; returns how many values were clipped.
ATTRIBUTES static uint64_t NAME(accumulateConverted)(size_t rows, size_t n, const float *restrict partial, size_t ldp,
                                                     const float *restrict scales, float step, float levels, float gain,
                                                     int first, float *restrict y, size_t ldy) {
  uint64_t clipped = 0;
  const float inverse = 1.f / step;
  for (size_t r = 0; r < rows; r++, partial += ldp, y += ldy) {
    const float s = scales[r] * step * gain;
    uint32_t count = 0;
    if (first && n < 8 && ldy == n && ldp == n && (rows - r) * n >= 8) {
      // Eight lanes of which the last belong to the next rows, which are written after this one.
      float converted[8];
      for (int l = 0; l < 8; l++) {
        float t = partial[l] * inverse;
        uint32_t isClipped = t > levels || t < -levels;
        count += isClipped & (uint32_t)((size_t)l < n);
        t = t > levels ? levels : t;
        t = t < -levels ? -levels : t;
        converted[l] = ((t + MAGIC) - MAGIC) * s;
      }
      memcpy(y, converted, sizeof converted);
    } else if (first)
      for (size_t j = 0; j < n; j++) {
        float t = partial[j] * inverse;
        count += t > levels || t < -levels;
        t = t > levels ? levels : t;
        t = t < -levels ? -levels : t;
        y[j] = ((t + MAGIC) - MAGIC) * s;
      }
    else
      for (size_t j = 0; j < n; j++) {
        float t = partial[j] * inverse;
        count += t > levels || t < -levels;
        t = t > levels ? levels : t;
        t = t < -levels ? -levels : t;
        y[j] += ((t + MAGIC) - MAGIC) * s;
      }
    clipped += count;
  }
  return clipped;
}

// No ADC: y[r] (+)= scales[r] · partial[r].
ATTRIBUTES static void NAME(accumulateScaled)(size_t rows, size_t n, const float *restrict partial, size_t ldp,
                                              const float *restrict scales, int first, float *restrict y, size_t ldy) {
  for (size_t r = 0; r < rows; r++, partial += ldp, y += ldy) {
    const float s = scales[r];
    if (first)
      for (size_t j = 0; j < n; j++) y[j] = s * partial[j];
    else
      for (size_t j = 0; j < n; j++) y[j] += s * partial[j];
  }
}

#include "devices.h"
#include "crossbar.h"
#include "norms.h"
#include "relevance.h"

// ---- Optimizers: the gradient g is replaced by the change of the weights.

// v ← momentum·v + (g + decay·w); Δ = −rate·v, or −rate·(g + decay·w + momentum·v) with Nesterov. m may be null.
ATTRIBUTES static void NAME(sgd)(size_t n, float rate, float momentum, float decay, int nesterov,
                                 const float *restrict w, float *restrict m, float *restrict g) {
  if (!m) {
    for (size_t i = 0; i < n; i++) g[i] = -rate * (g[i] + decay * w[i]);
    return;
  }
  if (nesterov)
    for (size_t i = 0; i < n; i++) {
      const float d = g[i] + decay * w[i];
      m[i] = momentum * m[i] + d;
      g[i] = -rate * (d + momentum * m[i]);
    }
  else
    for (size_t i = 0; i < n; i++) {
      m[i] = momentum * m[i] + (g[i] + decay * w[i]);
      g[i] = -rate * m[i];
    }
}

// Adam (Kingma and Ba, arXiv 1412.6980) and, with decoupledDecay, AdamW (Loshchilov and Hutter, arXiv 1711.05101).
// correction1 = 1 − β₁^t, correction2 = 1 − β₂^t.
ATTRIBUTES static void NAME(adam)(size_t n, float rate, float beta1, float beta2, float epsilon, float correction1,
                                  float correction2, float decay, float decoupledDecay, const float *restrict w,
                                  float *restrict m, float *restrict v, float *restrict g) {
  const float root = 1.f / __builtin_sqrtf(correction2), first = rate / correction1;
  for (size_t i = 0; i < n; i++) {
    const float d = g[i] + decay * w[i];
    m[i] = beta1 * m[i] + (1.f - beta1) * d;
    v[i] = beta2 * v[i] + (1.f - beta2) * d * d;
    g[i] = -first * m[i] / (__builtin_elementwise_sqrt(v[i]) * root + epsilon) - rate * decoupledDecay * w[i];
  }
}
