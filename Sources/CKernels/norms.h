// Batch normalisation of x [rows, n], n channels: included by body.h.
//
// Short rows are taken eight at a time: with what belongs to a channel written out eight times, eight rows are one of 8n
// values, which is whole vectors whatever n is. Networks that were pruned have channels of any number.

#define SHORT 128

// Of columns NV vectors wide: Σ x, Σ (x − centre)², or Σ dy and Σ dy·(x − centre). Thirty-two rows are summed in float,
// and those sums in double.
ATTRIBUTES INLINE void NAME(sumVectors)(const int NV, const Sums what, size_t rows, size_t ld, const float *x,
                                        const float *dy, const float *centre, double *first, double *second) {
  typedef NAME(Vector) V;
  for (size_t r0 = 0; r0 < rows; r0 += 32) {
    const size_t end = rows - r0 < 32 ? rows : r0 + 32;
    V a[4], b[4], c[4];
    UNROLL for (int v = 0; v < NV; v++) {
      a[v] = b[v] = (V){0};
      c[v] = what == SUM ? (V){0} : *(const V *)(centre + v * LANES);
    }
    for (size_t r = r0; r < end; r++)
      UNROLL for (int v = 0; v < NV; v++) {
        const V t = *(const V *)(x + r * ld + v * LANES);
        if (what == SUM) {
          a[v] += t;
        } else if (what == SQUARES) {
          const V d = t - c[v];
          a[v] += d * d;
        } else {
          const V d = *(const V *)(dy + r * ld + v * LANES);
          a[v] += d;
          b[v] += d * (t - c[v]);
        }
      }
    UNROLL for (int v = 0; v < NV; v++)
      for (int l = 0; l < LANES; l++) {
        first[v * LANES + l] += a[v][l];
        if (what == GRADIENT) second[v * LANES + l] += b[v][l];
      }
  }
}

ATTRIBUTES INLINE void NAME(sumColumns)(const Sums what, size_t rows, size_t n, size_t ld, const float *x,
                                        const float *dy, const float *centre, double *first, double *second) {
  size_t j = 0;
#define COLUMNS(NV) NAME(sumVectors)(NV, what, rows, ld, x + j, dy + j, centre + j, first + j, second + j)
  for (; j + 4 * LANES <= n; j += 4 * LANES) COLUMNS(4);
  for (; j + LANES <= n; j += LANES) COLUMNS(1);
#undef COLUMNS
  for (size_t r0 = 0; j < n && r0 < rows; r0 += 32) {
    const size_t end = rows - r0 < 32 ? rows : r0 + 32;
    for (size_t k = j; k < n; k++) {
      float a = 0, b = 0;
      for (size_t r = r0; r < end; r++) {
        const float t = x[r * ld + k], d = what == SUM ? 0 : t - centre[k];
        if (what == SUM) a += t;
        else if (what == SQUARES) a += d * d;
        else a += dy[r * ld + k], b += dy[r * ld + k] * d;
      }
      first[k] += a;
      if (what == GRADIENT) second[k] += b;
    }
  }
}

INLINE void NAME(spread)(size_t n, const float *values, float *to) {
  for (int r = 0; r < 8; r++) memcpy(to + r * n, values, n * sizeof *to);
}

// Adds to first and second, of n columns.
ATTRIBUTES INLINE void NAME(sums)(const Sums what, size_t rows, size_t n, const float *x, const float *dy,
                                  const float *centre, double *first, double *second) {
  if (n % LANES && n <= SHORT) {
    const size_t whole = rows / 8;
    float spread[8 * SHORT];
    double a[8 * SHORT], b[8 * SHORT];
    memset(a, 0, 8 * n * sizeof *a);
    memset(b, 0, 8 * n * sizeof *b);
    NAME(spread)(n, centre, spread);
    NAME(sumColumns)(what, whole, 8 * n, 8 * n, x, dy, spread, a, b);
    for (size_t i = 0; i < 8 * n; i++) {
      first[i % n] += a[i];
      if (what == GRADIENT) second[i % n] += b[i];
    }
    x += 8 * whole * n;
    dy += 8 * whole * n;
    rows -= 8 * whole;
  }
  NAME(sumColumns)(what, rows, n, n, x, dy, centre, first, second);
}

// Mean and Σ (x − mean)² of each column, by a second pass about the mean; centre has room for n floats.
ATTRIBUTES static void NAME(moments)(size_t rows, size_t n, const float *x, float *centre, double *mean,
                                     double *squares) {
  memset(mean, 0, n * sizeof *mean);
  memset(squares, 0, n * sizeof *squares);
  memset(centre, 0, n * sizeof *centre);
  NAME(sums)(SUM, rows, n, x, x, centre, mean, mean);
  for (size_t j = 0; j < n; j++) {
    mean[j] /= (double)rows;
    centre[j] = (float)mean[j];
  }
  NAME(sums)(SQUARES, rows, n, x, x, centre, squares, squares);
}

// Σ dy and Σ dy·(x − mean)·inverse of each column: sums [2, n].
ATTRIBUTES static void NAME(normSums)(size_t rows, size_t n, const float *x, const float *dy, const float *mean,
                                      const float *inverse, double *sums) {
  memset(sums, 0, 2 * n * sizeof *sums);
  NAME(sums)(GRADIENT, rows, n, x, dy, mean, sums, sums + n);
  for (size_t j = 0; j < n; j++) sums[n + j] *= inverse[j];
}

ATTRIBUTES INLINE void NAME(normRows)(size_t rows, size_t n, const float *x, const float *factor, const float *offset,
                                      float *y) {
  typedef NAME(Vector) V;
  for (size_t r = 0; r < rows; r++, x += n, y += n) {
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
      *(V *)(y + j) = *(const V *)(x + j) * *(const V *)(factor + j) + *(const V *)(offset + j);
    for (; j < n; j++) y[j] = x[j] * factor[j] + offset[j];
  }
}

// y = factor·x + offset for each column.
ATTRIBUTES static void NAME(norm)(size_t rows, size_t n, const float *x, const float *factor, const float *offset,
                                  float *y) {
  if (n % LANES && n <= SHORT) {
    const size_t whole = rows / 8;
    float f[8 * SHORT], o[8 * SHORT];
    NAME(spread)(n, factor, f);
    NAME(spread)(n, offset, o);
    NAME(normRows)(whole, 8 * n, x, f, o, y);
    x += 8 * whole * n;
    y += 8 * whole * n;
    rows -= 8 * whole;
  }
  NAME(normRows)(rows, n, x, factor, offset, y);
}

ATTRIBUTES INLINE void NAME(normGradientRows)(size_t rows, size_t n, const float *x, const float *dy, const float *mean,
                                              const float *a, const float *b, const float *d, float *dx) {
  typedef NAME(Vector) V;
  for (size_t r = 0; r < rows; r++, x += n, dy += n, dx += n) {
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
      *(V *)(dx + j) = *(const V *)(a + j) * *(const V *)(dy + j) +
                       (*(const V *)(b + j) * (*(const V *)(x + j) - *(const V *)(mean + j)) + *(const V *)(d + j));
    for (; j < n; j++) dx[j] = a[j] * dy[j] + (b[j] * (x[j] - mean[j]) + d[j]);
  }
}

// dx = a·dy + b·(x − mean) + d for each column.
ATTRIBUTES static void NAME(normGradient)(size_t rows, size_t n, const float *x, const float *dy, const float *mean,
                                          const float *a, const float *b, const float *d, float *dx) {
  if (n % LANES && n <= SHORT) {
    const size_t whole = rows / 8;
    float m[8 * SHORT], p[8 * SHORT], q[8 * SHORT], o[8 * SHORT];
    NAME(spread)(n, mean, m);
    NAME(spread)(n, a, p);
    NAME(spread)(n, b, q);
    NAME(spread)(n, d, o);
    NAME(normGradientRows)(whole, 8 * n, x, dy, m, p, q, o, dx);
    x += 8 * whole * n;
    dy += 8 * whole * n;
    dx += 8 * whole * n;
    rows -= 8 * whole;
  }
  NAME(normGradientRows)(rows, n, x, dy, mean, a, b, d, dx);
}
#undef SHORT
