// Products of sixteen columns at a time, as in products.h, of whose panels they are: included by kernels.c.

// R rows of P panels, from their biases on; the last panel has `columns` columns.
AVX512 INLINE void panelBlockAVX512(const int R, const int P, const float *restrict a, ptrdiff_t rowStride, int runs,
                                    int run, ptrdiff_t runStride, const float *restrict b, size_t panel,
                                    float *restrict c, size_t ldc, int columns) {
  __m512 sum[12][2];
  UNROLL for (int p = 0; p < P; p++) {
    const __m512 bias = _mm512_loadu_ps(b + p * panel);
    UNROLL for (int r = 0; r < R; r++) sum[r][p] = bias;
  }
  b += 16;
  for (int i = 0; i < runs; i++, a += runStride)
    for (int k = 0; k < run; k++, b += 16) {
      __m512 w[2];
      UNROLL for (int p = 0; p < P; p++) w[p] = _mm512_loadu_ps(b + p * panel);
      UNROLL for (int r = 0; r < R; r++) {
        const __m512 x = _mm512_set1_ps(a[r * rowStride + k]);
        UNROLL for (int p = 0; p < P; p++) sum[r][p] = _mm512_fmadd_ps(x, w[p], sum[r][p]);
      }
    }
  const __mmask16 last = lanesAVX512(columns);
  UNROLL for (int r = 0; r < R; r++)
    UNROLL for (int p = 0; p < P; p++)
      _mm512_mask_storeu_ps(c + r * ldc + 16 * p, p == P - 1 ? last : 0xFFFF, sum[r][p]);
}

#define PANEL512(R) \
  case R: \
    if (panels == 2) panelBlockAVX512(R, 2, a, rowStride, runs, run, runStride, b, panel, c, ldc, columns); \
    else panelBlockAVX512(R, 1, a, rowStride, runs, run, runStride, b, panel, c, ldc, columns); \
    break;
#define UP_TO_12(M) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12)
AVX512 static void panelRowsAVX512(int rows, int panels, const float *a, ptrdiff_t rowStride, int runs, int run,
                                   ptrdiff_t runStride, const float *b, size_t panel, float *c, size_t ldc,
                                   int columns) {
  switch (rows) { UP_TO_12(PANEL512) }
}
#undef PANEL512

AVX512 static void multiplyPanelsAVX512(int rows, const float *a, ptrdiff_t rowStride, int runs, int run,
                                        ptrdiff_t runStride, const float *panels, int n, float *c, size_t ldc,
                                        int columns) {
  const int blocks = (rows + 11) / 12;
  const size_t panel = 16 * (size_t)(runs * run + 1);
  // A last panel of eight columns or fewer is narrow (see `panel` in products.h).
  int j = 0;
  while (j < columns && n - j > 8) {
    const int pair = n - j > 24 && columns - j > 16, left = columns - j - (pair ? 16 : 0);
    for (int i = 0; i < blocks; i++) {
      const int from = rows * i / blocks, to = rows * (i + 1) / blocks;
      panelRowsAVX512(to - from, pair ? 2 : 1, a + from * rowStride, rowStride, runs, run, runStride,
                      panels + j / 16 * panel, panel, c + (size_t)from * ldc + j, ldc, left < 16 ? left : 16);
    }
    j += pair ? 32 : 16;
  }
  if (j < columns)
    multiplyPanelsAVX2(rows, a, rowStride, runs, run, runStride, panels + j / 16 * panel, n - j, c + j, ldc, columns - j);
}

// T taps of V vectors, the last of `columns` columns.
AVX512 INLINE void outerBlockAVX512(const int T, const int V, int lines, ptrdiff_t xLine, ptrdiff_t yLine, int rows,
                                    const float *restrict x, ptrdiff_t xStride, const float *restrict y,
                                    ptrdiff_t yStride, float *restrict g, size_t ldg, int columns, int overwrite) {
  const __mmask16 last = lanesAVX512(columns);
  __m512 sum[12][2];
  UNROLL for (int t = 0; t < T; t++)
    UNROLL for (int v = 0; v < V; v++) sum[t][v] = _mm512_setzero_ps();
  for (int line = 0; line < lines; line++, x += xLine, y += yLine) {
    const float *p = x, *q = y;
    for (int r = 0; r < rows; r++, p += xStride, q += yStride) {
      __m512 w[2];
      UNROLL for (int v = 0; v < V; v++) w[v] = _mm512_maskz_loadu_ps(v == V - 1 ? last : 0xFFFF, q + 16 * v);
      UNROLL for (int t = 0; t < T; t++) {
        const __m512 s = _mm512_set1_ps(p[t]);
        UNROLL for (int v = 0; v < V; v++) sum[t][v] = _mm512_fmadd_ps(s, w[v], sum[t][v]);
      }
    }
  }
  UNROLL for (int t = 0; t < T; t++)
    UNROLL for (int v = 0; v < V; v++) {
      const __mmask16 used = v == V - 1 ? last : 0xFFFF;
      float *to = g + t * ldg + 16 * v;
      _mm512_mask_storeu_ps(to, used,
                            overwrite ? sum[t][v] : _mm512_add_ps(_mm512_maskz_loadu_ps(used, to), sum[t][v]));
    }
}

#define TAPS512(T) \
  case T: \
    if (vectors == 2) outerBlockAVX512(T, 2, lines, xLine, yLine, rows, x, xStride, y, yStride, g, ldg, columns, overwrite); \
    else outerBlockAVX512(T, 1, lines, xLine, yLine, rows, x, xStride, y, yStride, g, ldg, columns, overwrite); \
    break;
AVX512 static void outerTapsAVX512(int taps, int vectors, int lines, ptrdiff_t xLine, ptrdiff_t yLine, int rows,
                                   const float *x, ptrdiff_t xStride, const float *y, ptrdiff_t yStride, float *g,
                                   size_t ldg, int columns, int overwrite) {
  switch (taps) { UP_TO_12(TAPS512) }
}
#undef TAPS512
#undef UP_TO_12

AVX512 static void outerProductsAVX512(int taps, int n, int lines, ptrdiff_t xLine, ptrdiff_t yLine, int rows,
                                       const float *x, ptrdiff_t xStride, const float *y, ptrdiff_t yStride, float *g,
                                       size_t ldg, int overwrite) {
  const int blocks = (taps + 11) / 12;
  int j = 0;
  // Eight columns or fewer are summed in another order.
  while (n - j > 8) {
    const int pair = n - j > 24, left = n - j - (pair ? 16 : 0);
    for (int i = 0; i < blocks; i++) {
      const int from = taps * i / blocks, to = taps * (i + 1) / blocks;
      outerTapsAVX512(to - from, pair ? 2 : 1, lines, xLine, yLine, rows, x + from, xStride, y + j, yStride,
                      g + from * ldg + j, ldg, left < 16 ? left : 16, overwrite);
    }
    j += pair ? 32 : 16;
  }
  if (j < n)
    outerProductsAVX2(taps, n - j, lines, xLine, yLine, rows, x, xStride, y + j, yStride, g + j, ldg, overwrite);
}
