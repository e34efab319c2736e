// Matrix products in registers: included by body.h, once per instruction set, which defines NAME, ATTRIBUTES, LANES
// (floats of a vector) and ROWS (rows of a register block two vectors wide).
//
// They exist for the shapes at which a BLAS call spends its time packing: few columns, rows that overlap (the patches
// of an image read in place) or a right-hand side that is packed once a step and multiplied by thousands of rows.
// The sum of every element runs over k in order, whatever the block it falls into.

typedef float NAME(Vector) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define UNROLL _Pragma("clang loop unroll(full)")

// The panels of a right-hand side B [k, n]: columns two vectors at a time (one where one will do for the rest), each
// panel a row of biases and then k rows, zeros where there are no columns. Offset of row 0 of the panel of `column`.
ATTRIBUTES INLINE size_t NAME(panel)(int k, int n, int column, int *width) {
  const int p = column / (2 * LANES);
  *width = n - p * 2 * LANES > LANES ? 2 * LANES : LANES;
  return (size_t)p * 2 * LANES * (size_t)(k + 1);
}

ATTRIBUTES static size_t NAME(panelFloats)(int k, int n) {
  return (size_t)(n + LANES - 1) / LANES * LANES * (size_t)(k + 1);
}

// Rows become columns.
ATTRIBUTES INLINE void NAME(transpose)(NAME(Vector) *r) {
  NAME(Vector) s[8], t[8];
  UNROLL for (int i = 0; i < 8; i += 2) {
    s[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  UNROLL for (int i = 0; i < 8; i += 4)
    UNROLL for (int h = 0; h < 2; h++) {
      t[i + 2 * h] = __builtin_shufflevector(s[i + h], s[i + h + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      t[i + 2 * h + 1] = __builtin_shufflevector(s[i + h], s[i + h + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  UNROLL for (int i = 0; i < 4; i++) {
    r[i] = __builtin_shufflevector(t[i], t[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[i + 4] = __builtin_shufflevector(t[i], t[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// B[i][j] = b[i · strideK + j · strideN]; bias may be null.
ATTRIBUTES static void NAME(packPanels)(int k, int n, const float *b, size_t strideK, size_t strideN, const float *bias,
                                        float *panels) {
  for (int j0 = 0; j0 < n; j0 += 2 * LANES) {
    int width;
    float *to = panels + NAME(panel)(k, n, j0, &width);
    const int m = n - j0 < width ? n - j0 : width;
    for (int j = 0; j < width; j++) to[j] = bias && j < m ? bias[j0 + j] : 0.f;
    int i = 0;
    // Columns that lie in memory one after another: squares of them become rows.
    for (; strideK == 1 && i + LANES <= k; i += LANES, to += LANES * width)
      for (int v = 0; v < width; v += LANES) {
        NAME(Vector) square[LANES];
        UNROLL for (int j = 0; j < LANES; j++)
          square[j] = v + j < m ? *(const NAME(Vector) *)(b + (size_t)(j0 + v + j) * strideN + i) : (NAME(Vector)){0};
        NAME(transpose)(square);
        UNROLL for (int j = 0; j < LANES; j++) *(NAME(Vector) *)(to + (j + 1) * width + v) = square[j];
      }
    for (; i < k; i++) {
      to += width;
      for (int j = 0; j < m; j++) to[j] = b[i * strideK + (size_t)(j0 + j) * strideN];
      for (int j = m; j < width; j++) to[j] = 0.f;
    }
  }
}

// R rows of C, NV vectors wide, kept in registers; `bias` is where the sums begin, rows of b are `step` floats apart.
ATTRIBUTES INLINE void NAME(panelBlock)(const int R, const int NV, const float *restrict a, ptrdiff_t rowStride, int runs,
                                        int run, ptrdiff_t runStride, const float *restrict bias,
                                        const float *restrict b, ptrdiff_t step, float *restrict c, size_t ldc,
                                        int columns, int exact) {
  NAME(Vector) sum[12][2];
  UNROLL for (int r = 0; r < R; r++)
    UNROLL for (int v = 0; v < NV; v++)
      sum[r][v] = bias ? *(const NAME(Vector) *)(bias + v * LANES) : (NAME(Vector)){0};
  for (int i = 0; i < runs; i++, a += runStride) {
    for (int k = 0; k < run; k++, b += step) {
      NAME(Vector) w[2];
      UNROLL for (int v = 0; v < NV; v++) w[v] = *(const NAME(Vector) *)(b + v * LANES);
      UNROLL for (int r = 0; r < R; r++) {
        const float x = a[r * rowStride + k];
        UNROLL for (int v = 0; v < NV; v++) sum[r][v] += x * w[v];
      }
    }
  }
  UNROLL for (int r = 0; r < R; r++) {
    if (columns == NV * LANES || (r < R - exact)) {
      UNROLL for (int v = 0; v < NV; v++) *(NAME(Vector) *)(c + r * ldc + v * LANES) = sum[r][v];
    } else {
      float last[2 * LANES];
      UNROLL for (int v = 0; v < NV; v++) *(NAME(Vector) *)(last + v * LANES) = sum[r][v];
      for (int j = 0; j < columns; j++) c[r * ldc + j] = last[j];
    }
  }
}

#define PANEL(R, NV) \
  case R: \
    NAME(panelBlock)(R, NV, a, rowStride, runs, run, runStride, b, b + NV * LANES, NV * LANES, c, ldc, columns, exact); \
    break;
#define ROWS_OF(R, NV) \
  case R: NAME(panelBlock)(R, NV, a, lda, 1, k, 0, NULL, b, ldb, c, ldc, NV * LANES, 0); break;
#if ROWS > 6
#define UP_TO_ROWS(M) M(1, 2) M(2, 2) M(3, 2) M(4, 2) M(5, 2) M(6, 2) M(7, 2) M(8, 2) M(9, 2) M(10, 2) M(11, 2) M(12, 2)
#else
#define UP_TO_ROWS(M) M(1, 2) M(2, 2) M(3, 2) M(4, 2) M(5, 2) M(6, 2)
#endif
#define UP_TO_12(M) \
  M(1, 1) M(2, 1) M(3, 1) M(4, 1) M(5, 1) M(6, 1) M(7, 1) M(8, 1) M(9, 1) M(10, 1) M(11, 1) M(12, 1)

ATTRIBUTES static void NAME(panelRows1)(int rows, const float *a, ptrdiff_t rowStride, int runs, int run,
                                        ptrdiff_t runStride, const float *b, float *c, size_t ldc, int columns,
                                        int exact) {
  switch (rows) { UP_TO_12(PANEL) }
}

ATTRIBUTES static void NAME(panelRows2)(int rows, const float *a, ptrdiff_t rowStride, int runs, int run,
                                        ptrdiff_t runStride, const float *b, float *c, size_t ldc, int columns,
                                        int exact) {
  switch (rows) { UP_TO_ROWS(PANEL) }
}

ATTRIBUTES static void NAME(plainRows1)(int rows, int k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                                        size_t ldc) {
  switch (rows) { UP_TO_12(ROWS_OF) }
}

ATTRIBUTES static void NAME(plainRows2)(int rows, int k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                                        size_t ldc) {
  switch (rows) { UP_TO_ROWS(ROWS_OF) }
}
#undef PANEL
#undef ROWS_OF

// C = A · B for plain row-major matrices too small for packing to pay. The last columns are done by a vector that ends
// with them: some are written twice, with the same value.
ATTRIBUTES static void NAME(multiplySmall)(int rows, int n, int k, const float *a, size_t lda, const float *b, size_t ldb,
                                           float *c, size_t ldc) {
  if (n < LANES) {
    for (int r = 0; r < rows; r++)
      for (int j = 0; j < n; j++) {
        float sum = 0;
        for (int i = 0; i < k; i++) sum += a[r * lda + i] * b[i * ldb + j];
        c[r * ldc + j] = sum;
      }
    return;
  }
  for (int j = 0; j < n;) {
    const int wide = n - j >= 2 * LANES, from = n - j < LANES ? n - LANES : j;
    const int most = wide ? ROWS : 12, blocks = (rows + most - 1) / most;
    for (int i = 0; i < blocks; i++) {
      const size_t first = (size_t)rows * i / blocks, end = (size_t)rows * (i + 1) / blocks;
      (wide ? NAME(plainRows2) : NAME(plainRows1))((int)(end - first), k, a + first * lda, lda, b + from, ldb,
                                                   c + first * ldc + from, ldc);
    }
    j = from + (wide ? 2 * LANES : LANES);
  }
}

// C[r][j] = bias[j] + Σ_i Σ_k A(r, i, k) · B[i · run + k][j], A(r, i, k) = a[r · rowStride + i · runStride + k]: a plain
// matrix with one run, the patches along a line of an image with a run for every line of the kernel.
// n as packed; the first `columns` of them are stored.
ATTRIBUTES static void NAME(multiplyPanels)(int rows, const float *a, ptrdiff_t rowStride, int runs, int run,
                                            ptrdiff_t runStride, const float *panels, int n, float *c, size_t ldc,
                                            int columns) {
  // Rows are written in order, so a single narrow panel may spill into the row below, which is written next.
  const int spills = n <= 2 * LANES && ldc == (size_t)columns;
  for (int j = 0; j < columns; j += 2 * LANES) {
    int width;
    const float *b = panels + NAME(panel)(runs * run, n, j, &width);
    const int most = width == LANES ? 12 : ROWS, blocks = (rows + most - 1) / most;
    const int stored = columns - j < width ? columns - j : width;
    // A vector may reach beyond the end by less than its own length: that many last rows are stored element by element.
    const int tail = stored < width ? (width + stored - 1) / stored - 1 : 0;
    for (int i = 0; i < blocks; i++) {
      const int from = rows * i / blocks, to = rows * (i + 1) / blocks;
      int exact = to - from;
      if (spills) exact = to + tail > rows ? to + tail - rows : 0;
      if (exact > to - from) exact = to - from;
      (width == LANES ? NAME(panelRows1) : NAME(panelRows2))(
          to - from, a + from * rowStride, rowStride, runs, run, runStride, b, c + (size_t)from * ldc + j, ldc, stored,
          exact);
    }
  }
}

// R rows of a strip's partial sums, NV vectors wide, from product to converted: the sums never leave the registers.
ATTRIBUTES INLINE uint32_t NAME(convertedBlock)(const int R, const int NV, const float *restrict a, size_t lda, int k,
                                                const float *restrict b, const float *restrict scales, float step,
                                                float inverse, float levels, float gain, int first,
                                                float *restrict y, size_t ldy, int columns, int exact) {
  typedef NAME(Vector) V;
  V sum[12][2];
  UNROLL for (int r = 0; r < R; r++)
    UNROLL for (int v = 0; v < NV; v++) sum[r][v] = (V){0};
  // A tile is short: an end that is foreseen is worth more here than in a long product.
  _Pragma("clang loop unroll_count(4)") for (int i = 0; i < k; i++, b += NV * LANES) {
    V w[2];
    UNROLL for (int v = 0; v < NV; v++) w[v] = *(const V *)(b + v * LANES);
    UNROLL for (int r = 0; r < R; r++) {
      const float x = a[r * lda + i];
      UNROLL for (int v = 0; v < NV; v++) sum[r][v] += x * w[v];
    }
  }
  NAME(Mask) clipped = {0};
  // Nearly all blocks are whole and add to what other strips gave: for them no vector asks where it ends.
  if (columns == NV * LANES && !first) {
    UNROLL for (int r = 0; r < R; r++) {
      const float s = scales[r] * step * gain;
      float *to = y + r * ldy;
      UNROLL for (int v = 0; v < NV; v++) {
        const V t = sum[r][v] * inverse;
        const V within = (V)NAME(clamp)((Eight)t, levels);
        clipped -= within != t;
        const V converted = ((within + MAGIC) - MAGIC) * s;
        *(V *)(to + v * LANES) += converted;
      }
    }
  } else UNROLL for (int r = 0; r < R; r++) {
    const float s = scales[r] * step * gain;
    float *to = y + r * ldy;
    UNROLL for (int v = 0; v < NV; v++) {
      V t = sum[r][v] * inverse;
      const V within = (V)NAME(clamp)((Eight)t, levels);
      clipped -= within != t;
      t = within;
      t = ((t + MAGIC) - MAGIC) * s;
      V *out = (V *)(to + v * LANES);
      if (columns >= (v + 1) * LANES) {
        *out = first ? t : *out + t;
      } else if (r < R - exact) {
        *out = t;
      } else {
        for (int j = v * LANES; j < columns; j++) to[j] = first ? t[j - v * LANES] : to[j] + t[j - v * LANES];
      }
    }
  }
  uint32_t count = 0;
  for (int l = 0; l < LANES; l++) count += (uint32_t)clipped[l];
  return count;
}

#define CONVERTED(R, NV) \
  case R: \
    for (; blocks > 0; blocks--, a += R * lda, scales += R, y += R * ldy) \
      clipped += NAME(convertedBlock)(R, NV, a, lda, k, b, scales, step, inverse, levels, gain, first, y, ldy, columns, \
                                      exact); \
    break;
ATTRIBUTES static uint32_t NAME(convertedRows1)(int rows, int blocks, const float *a, size_t lda, int k, const float *b,
                                                const float *scales, float step, float inverse, float levels, float gain,
                                                int first, float *y, size_t ldy, int columns, int exact) {
  uint32_t clipped = 0;
  switch (rows) { UP_TO_12(CONVERTED) }
  return clipped;
}
ATTRIBUTES static uint32_t NAME(convertedRows2)(int rows, int blocks, const float *a, size_t lda, int k, const float *b,
                                                const float *scales, float step, float inverse, float levels, float gain,
                                                int first, float *y, size_t ldy, int columns, int exact) {
  uint32_t clipped = 0;
  switch (rows) { UP_TO_ROWS(CONVERTED) }
  return clipped;
}
#undef CONVERTED

// One strip of tiles read and converted: y[r] (+)= scales[r] · gain · clip(round(a[r] · B / step), ±levels) · step, B in
// panels of k rows and n columns. Returns how many values were clipped.
ATTRIBUTES static uint64_t NAME(multiplyConverted)(int rows, const float *a, size_t lda, int k, const float *panels,
                                                   int n, const float *scales, float step, float levels, float gain,
                                                   int first, float *y, size_t ldy) {
  uint64_t clipped = 0;
  const float inverse = 1.f / step;
  // Rows are written in order, so a single narrow panel may spill into the row below, which is written next.
  const int spills = first && n <= 2 * LANES && ldy == (size_t)n;
  for (int j = 0; j < n; j += 2 * LANES) {
    int width;
    const float *b = panels + NAME(panel)(k, n, j, &width) + width;
    const int most = width == LANES ? 12 : ROWS, blocks = (rows + most - 1) / most;
    const int stored = n - j < width ? n - j : width;
    // Blocks of as many rows, then blocks of one row less; those of which elements are stored one by one are by themselves.
    const int least = blocks > 0 ? rows / blocks : 0, more = rows - least * blocks;
    // That many last rows are stored element by element.
    const int tail = stored < width ? (width + stored - 1) / stored - 1 : 0;
    for (int i = 0, from = 0; i < blocks;) {
      const int size = i < more ? least + 1 : least;
      const int run = stored < width ? 1 : i < more ? more : blocks - i;
      int exact = size;
      if (spills) exact = from + size + tail > rows ? from + size + tail - rows : 0;
      if (exact > size) exact = size;
      clipped += (width == LANES ? NAME(convertedRows1) : NAME(convertedRows2))(
          size, run, a + from * lda, lda, k, b, scales + from, step, inverse, levels, gain, first,
          y + (size_t)from * ldy + j, ldy, stored, exact);
      i += run;
      from += run * size;
    }
  }
  return clipped;
}

// T rows of G, NV vectors wide, kept in registers; U rows of the sums are taken side by side where T is small.
ATTRIBUTES INLINE void NAME(outerBlock)(const int T, const int NV, const int U, int lines, ptrdiff_t xLine,
                                        ptrdiff_t yLine, int rows, const float *restrict x, ptrdiff_t xStride,
                                        const float *restrict y, ptrdiff_t yStride, float *restrict g, size_t ldg,
                                        int columns, int overwrite) {
  NAME(Vector) sum[2][12][2];
  UNROLL for (int u = 0; u < U; u++)
    UNROLL for (int t = 0; t < T; t++)
      UNROLL for (int v = 0; v < NV; v++) sum[u][t][v] = (NAME(Vector)){0};
  for (int line = 0; line < lines; line++, x += xLine, y += yLine) {
    const float *p = x, *q = y;
    int r = 0;
    for (; r + U <= rows; r += U)
      UNROLL for (int u = 0; u < U; u++, p += xStride, q += yStride) {
        NAME(Vector) w[2];
        UNROLL for (int v = 0; v < NV; v++) w[v] = *(const NAME(Vector) *)(q + v * LANES);
        UNROLL for (int t = 0; t < T; t++) {
          const float s = p[t];
          UNROLL for (int v = 0; v < NV; v++) sum[u][t][v] += s * w[v];
        }
      }
    for (; r < rows; r++, p += xStride, q += yStride)
      UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < NV; v++) sum[0][t][v] += p[t] * *(const NAME(Vector) *)(q + v * LANES);
  }
  UNROLL for (int t = 0; t < T; t++) {
    if (U == 2) UNROLL for (int v = 0; v < NV; v++) sum[0][t][v] += sum[1][t][v];
    float *to = g + t * ldg;
    if (columns == NV * LANES) {
      UNROLL for (int v = 0; v < NV; v++) {
        NAME(Vector) *out = (NAME(Vector) *)(to + v * LANES);
        *out = overwrite ? sum[0][t][v] : *out + sum[0][t][v];
      }
    } else {
      float last[2 * LANES];
      UNROLL for (int v = 0; v < NV; v++) *(NAME(Vector) *)(last + v * LANES) = sum[0][t][v];
      for (int j = 0; j < columns; j++) to[j] = overwrite ? last[j] : to[j] + last[j];
    }
  }
}

#define TAPS(T, NV) \
  case T: \
    NAME(outerBlock)(T, NV, NV == 1 && T <= 6 ? 2 : 1, lines, xLine, yLine, rows, x, xStride, y, yStride, g, ldg, columns, \
                     overwrite); \
    break;

ATTRIBUTES static void NAME(outerTaps1)(int taps, int lines, ptrdiff_t xLine, ptrdiff_t yLine, int rows, const float *x,
                                        ptrdiff_t xStride, const float *y, ptrdiff_t yStride, float *g, size_t ldg,
                                        int columns, int overwrite) {
  switch (taps) { UP_TO_12(TAPS) }
}

ATTRIBUTES static void NAME(outerTaps2)(int taps, int lines, ptrdiff_t xLine, ptrdiff_t yLine, int rows, const float *x,
                                        ptrdiff_t xStride, const float *y, ptrdiff_t yStride, float *g, size_t ldg,
                                        int columns, int overwrite) {
  switch (taps) { UP_TO_ROWS(TAPS) }
}
#undef TAPS
#undef UP_TO_12
#undef UP_TO_ROWS

// G[t][j] (+)= Σ_line Σ_r x[line · xLine + r · xStride + t] · y[line · yLine + r · yStride + j], t < taps, j < n: the
// gradient of a product's weights. y may be read up to two vectors past its end.
ATTRIBUTES static void NAME(outerProducts)(int taps, int n, int lines, ptrdiff_t xLine, ptrdiff_t yLine, int rows,
                                           const float *x, ptrdiff_t xStride, const float *y, ptrdiff_t yStride,
                                           float *g, size_t ldg, int overwrite) {
  for (int j = 0; j < n; j += 2 * LANES) {
    const int columns = n - j < 2 * LANES ? n - j : 2 * LANES, single = columns <= LANES;
    const int most = single ? 12 : ROWS, blocks = (taps + most - 1) / most;
    for (int i = 0; i < blocks; i++) {
      const int from = taps * i / blocks, to = taps * (i + 1) / blocks;
      (single ? NAME(outerTaps1) : NAME(outerTaps2))(to - from, lines, xLine, yLine, rows, x + from, xStride, y + j,
                                                     yStride, g + from * ldg + j, ldg, columns, overwrite);
    }
  }
}
