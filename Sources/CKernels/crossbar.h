// Passes over the cells of crossbar arrays: included by body.h, once per instruction set.

// The inclusive prefix sum of a vector's lanes.
ATTRIBUTES INLINE NAME(Vector) NAME(prefixSum)(NAME(Vector) v) {
  const NAME(Vector) zero = {0};
  v += __builtin_shufflevector(zero, v, 0, 8, 9, 10, 11, 12, 13, 14);
  v += __builtin_shufflevector(zero, v, 0, 0, 8, 9, 10, 11, 12, 13);
  v += __builtin_shufflevector(zero, v, 0, 0, 0, 0, 8, 9, 10, 11);
  return v;
}

// The closed form of a tile by line sums, times a stored correction C:
//
//   w (+)= gain · g·C / (1 + A + B),   g = (x + floor)·factor, in units of G_max − G_min
//   A = Σ along the word line, from the driver to the cell, of (segment resistance × all g beyond the segment)
//   B = Σ along the bit line, from the cell to the sense node, of (segment resistance × all g before the segment)
//
// Null factors and corrections mean 1. scratch holds 2·bitLines + 3 rows of wordLines rounded up to eight.
ATTRIBUTES static void NAME(lineSums)(const CKTile *t, const float *x, const float *factor, const float *correction,
                                      float *w, float *scratch) {
  typedef NAME(Vector) V;
  const int m = t->wordLines, n = t->bitLines, whole = m / LANES * LANES, padded = (m + LANES - 1) / LANES * LANES;
  const size_t ld = t->ld;
  const float wire = t->wire;
  float *total = scratch, *before = total + padded, *drop = before + padded, *g = drop + padded,
        *b = g + (size_t)n * padded;
  const V ramp = {1, 2, 3, 4, 5, 6, 7, 8};
  memset(total, 0, (size_t)padded * sizeof *total);
  for (int j = 0; j < n; j++) {
    const float *xj = x + j * ld, *fj = factor ? factor + j * ld : 0;
    float *gj = g + (size_t)j * padded, *bj = b + (size_t)j * padded;
    float lines = 0, sums = 0;
    for (int i = 0; i < padded; i += LANES) {
      V v;
      if (i < whole) {
        v = *(const V *)(xj + i) + t->floor;
        if (fj) v *= *(const V *)(fj + i);
      } else {
        v = NAME(part)(xj + i, m - i);
        for (int l = 0; l < LANES; l++) v[l] = i + l < m ? (v[l] + t->floor) * (fj ? fj[i + l] : 1.f) : 0.f;
      }
      *(V *)(gj + i) = v;
      *(V *)(total + i) += v;
      const V line = NAME(prefixSum)(v), sum = NAME(prefixSum)(line);
      // L and Q = ΣL up to and with each cell.
      *(V *)(bj + i) = (line + lines) - (sum + lines * ramp + sums);
      sums += sum[LANES - 1] + (float)LANES * lines;
      lines += line[LANES - 1];
    }
    // B = sense·L_m + wire·(Q_m − Q_i + L_i)
    const float constant = 1.f + t->sense * lines + wire * (lines - bj[m - 1]);
    for (int i = 0; i < padded; i += LANES) *(V *)(bj + i) = *(V *)(bj + i) * wire + constant;
  }
  for (int i = 0; i < padded; i += LANES) {
    *(V *)(drop + i) = *(V *)(total + i) * t->driver;
    *(V *)(before + i) = (V){0};
  }
  for (int j = 0; j < n; j++) {
    const float *gj = g + (size_t)j * padded, *bj = b + (size_t)j * padded, *cj = correction ? correction + j * ld : 0;
    float *wj = w + j * ld;
    for (int i = 0; i < padded; i += LANES) {
      const V v = *(const V *)(gj + i);
      const V a = *(V *)(drop + i) + wire * (*(V *)(total + i) - *(V *)(before + i));
      *(V *)(drop + i) = a;
      *(V *)(before + i) += v;
      V r = t->gain * v / (*(const V *)(bj + i) + a);
      if (i < whole) {
        if (cj) r *= *(const V *)(cj + i);
        if (t->accumulate) r += *(const V *)(wj + i);
        *(V *)(wj + i) = r;
      } else
        for (int l = 0; l < m - i; l++) {
          const float value = r[l] * (cj ? cj[i + l] : 1.f);
          wj[i + l] = t->accumulate ? wj[i + l] + value : value;
        }
    }
  }
}

// w = scale · ((x⁺ + floor)·d⁺ − (x⁻ + floor)·d⁻) + offset, with floor = G_min / (G_max − G_min): the weight that the
// distorted devices realise. Null distortions mean 1; a null x⁻ means no second device.
ATTRIBUTES static void NAME(effectiveWeights)(size_t n, float scale, float floor, float offset,
                                              const float *restrict xPlus, const float *restrict xMinus,
                                              const float *restrict dPlus, const float *restrict dMinus,
                                              float *restrict w) {
  if (!xMinus && !dPlus)
    for (size_t i = 0; i < n; i++) w[i] = scale * (xPlus[i] + floor) + offset;
  else if (!xMinus)
    for (size_t i = 0; i < n; i++) w[i] = scale * ((xPlus[i] + floor) * dPlus[i]) + offset;
  else if (!dPlus)
    for (size_t i = 0; i < n; i++) w[i] = scale * (xPlus[i] - xMinus[i]) + offset;
  else
    for (size_t i = 0; i < n; i++)
      w[i] = scale * ((xPlus[i] + floor) * dPlus[i] - (xMinus[i] + floor) * dMinus[i]) + offset;
}

// Signed pulses for wanted changes of source · factor pulses each.
//
// slots = 0: stochastic rounding, mean and whole part exact. slots > 0: coincidences of stochastic trains of that many
// slots, a binomial of the wanted mean (at most `slots`). What is not a number stays so. Uniform i of the stream belongs
// to element i. Returns the sum of |k|.
ATTRIBUTES static double NAME(pulseCounts)(size_t n, const float *source, float factor, CKStream s, size_t first,
                                           int slots, float *k) {
  uint32_t group = (uint32_t)(first / 32);
  double total = 0;
  for (size_t i = 0; i < n; i += 32, group++) {
    const size_t m = n - i < 32 ? n - i : 32;
    float v[32] = {0}, c[32];
    uint32_t u[32];
    memcpy(v, source + i, m * sizeof *v);
    NAME(philoxGroup)(s, group, u);
    float sum = 0;
    if (slots == 0) {
      for (int j = 0; j < 32; j++) {
        float want = __builtin_fabsf(v[j] * factor);
        want = want < 4e6f ? want : 4e6f;  // also where it is not a number
        c[j] = (float)(int32_t)(want + (float)(int32_t)(u[j] >> 9) * 0x1p-23f);
        sum += c[j];
      }
    } else {
      float left[32], term[32], odds[32], most = 0;
      int32_t flipped[32], active[32];
      for (int j = 0; j < 32; j++) {
        float p = __builtin_fabsf(v[j] * factor) / (float)slots;
        p = p < 1.f ? p : 1.f;
        flipped[j] = p > 0.5f;
        p = flipped[j] ? 1.f - p : p;
        left[j] = (float)(int32_t)(u[j] >> 9) * 0x1p-23f + 0x1p-24f;
        term[j] = exponentialOf((float)slots * logarithmOf(1.f - p));
        odds[j] = p / (1.f - p);
        c[j] = 0;
        active[j] = 1;
        most = left[j] > term[j] ? 1.f : most;
      }
      for (int t = 0; t < slots && most > 0; t++) {
        const float step = (float)(slots - t) / (float)(t + 1);
        most = 0;
        for (int j = 0; j < 32; j++) {
          active[j] = active[j] & (left[j] > term[j]);
          left[j] -= active[j] ? term[j] : 0.f;
          c[j] += active[j] ? 1.f : 0.f;
          term[j] *= odds[j] * step;
          most = active[j] ? 1.f : most;
        }
      }
      for (int j = 0; j < 32; j++) {
        c[j] = flipped[j] ? (float)slots - c[j] : c[j];
        sum += c[j];
      }
    }
    total += sum;
    for (int j = 0; j < 32; j++) {
      const float want = v[j] * factor;
      c[j] = want == want ? (want < 0 ? -c[j] : c[j]) : want;
    }
    memcpy(k + i, c, m * sizeof *c);
  }
  return total;
}

// Stream t of converted inputs: the bits first … first + bits − 1 of |q|·levels, with the sign of q, in units of the full
// scale of a stream.
ATTRIBUTES static void NAME(streamDigits)(size_t n, const float *restrict q, float levels, int first, int bits,
                                          float *restrict out) {
  const int32_t mask = (1 << bits) - 1;
  const float unit = 1.f / (float)mask;
  for (size_t i = 0; i < n; i++) {
    const int32_t code = (int32_t)(__builtin_fabsf(q[i]) * levels + 0.5f);
    const float digit = (float)((code >> first) & mask) * unit;
    out[i] = q[i] < 0 ? -digit : digit;
  }
}

// y += √variance · N(0, 1); Gaussian first + j of the stream belongs to element j. `first` must be a multiple of 32.
ATTRIBUTES static void NAME(addNoise)(size_t n, CKStream s, size_t first, const float *variance, float *y) {
  uint32_t group = (uint32_t)(first / 32);
  for (size_t i = 0; i < n; i += 32, group++) {
    float v[32];
    NAME(gaussianGroup)(s, group, v);
    const size_t m = n - i < 32 ? n - i : 32;
    for (size_t j = 0; j < m; j++) y[i + j] += __builtin_elementwise_sqrt(variance[i + j]) * v[j];
  }
}
