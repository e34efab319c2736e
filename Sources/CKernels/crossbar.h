// Passes over the cells of crossbar arrays: included by body.h, once per instruction set.

// The closed form of a tile by line sums:
//
//   w (+)= gain · g / (1 + A + B),   g = (x + floor)·factor, in units of G_max − G_min
//   A = Σ along the word line, from the driver to the cell, of (segment resistance × all g beyond the segment)
//   B = Σ along the bit line, from the cell to the sense node, of (segment resistance × all g before the segment)
//
// Null factors mean 1. scratch holds wordLines rounded up to eight × (2·bitLines rounded up to eight + 3) floats, and
// bitLines rounded up to eight.
//
// With L the sum of g down a bit line up to and with a cell and Q = ΣL, B = sense·L_m + wire·(Q_m − Q + L). Eight bit lines
// go side by side, so that these sums need no lane of their own vector.
ATTRIBUTES static void NAME(lineSums)(const CKTile *t, const float *x, const float *factor, float *w, float *scratch) {
  typedef NAME(Vector) V;
  const int m = t->wordLines, n = t->bitLines, whole = m / LANES * LANES, padded = (m + LANES - 1) / LANES * LANES;
  const int paddedLines = (n + 7) / 8 * 8;
  const size_t ld = t->ld;
  const float wire = t->wire;
  float *total = scratch, *before = total + padded, *drop = before + padded, *constant = drop + padded,
        *g = constant + paddedLines, *b = g + (size_t)paddedLines * padded;
  memset(total, 0, (size_t)padded * sizeof *total);
  for (int j = 0; j < n; j += 8) {
    V lines = {0}, sums = {0};
    for (int i = 0; i < padded; i += LANES) {
      V v[8], sum = *(const V *)(total + i);
      UNROLL for (int h = 0; h < 8; h++) {
        const float *xj = x + (j + h) * ld + i, *fj = factor ? factor + (j + h) * ld + i : 0;
        if (j + h >= n)
          v[h] = (V){0};
        else if (i < whole) {
          v[h] = *(const V *)xj + t->floor;
          if (fj) v[h] *= *(const V *)fj;
        } else {
          float tail[LANES] = {0};
          for (int l = 0; l < m - i; l++) tail[l] = (xj[l] + t->floor) * (fj ? fj[l] : 1.f);
          v[h] = *(const V *)tail;
        }
        *(V *)(g + (size_t)(j + h) * padded + i) = v[h];
        sum += v[h];
      }
      *(V *)(total + i) = sum;
      NAME(transpose)(v);
      UNROLL for (int l = 0; l < LANES; l++)
        if (i + l < m) {
          lines += v[l];
          sums += lines;
          v[l] = lines - sums;
        }
      NAME(transpose)(v);
      UNROLL for (int h = 0; h < 8; h++) *(V *)(b + (size_t)(j + h) * padded + i) = v[h];
    }
    *(V *)(constant + j) = 1.f + t->sense * lines + wire * sums;
  }
  for (int i = 0; i < padded; i += LANES) {
    *(V *)(drop + i) = *(V *)(total + i) * t->driver;
    *(V *)(before + i) = (V){0};
  }
  for (int j = 0; j < n; j++) {
    const float *gj = g + (size_t)j * padded, *bj = b + (size_t)j * padded;
    float *wj = w + j * ld;
    for (int i = 0; i < padded; i += LANES) {
      const V v = *(const V *)(gj + i);
      const V a = *(V *)(drop + i) + wire * (*(V *)(total + i) - *(V *)(before + i));
      *(V *)(drop + i) = a;
      *(V *)(before + i) += v;
      V r = t->gain * v / (*(const V *)(bj + i) * wire + (a + constant[j]));
      if (i < whole) {
        if (t->accumulate) r += *(const V *)(wj + i);
        *(V *)(wj + i) = r;
      } else
        for (int l = 0; l < m - i; l++) wj[i + l] = t->accumulate ? wj[i + l] + r[l] : r[l];
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

// Signed pulses for wanted changes of source · factor pulses each. Returns the sum of |k|.
//
// slots = 0: stochastic rounding, mean and whole part exact. Element e is rounded up where U < f, f the fraction of what
// is wanted. The first eight bits of U are byte (e/32)%4 of word e%32 of the stream's group e/128; only where they leave
// the outcome open, once in 256, are further bits drawn, from the stream whose index has its highest bit set (word e%32 of
// group e/32). slots > 0: coincidences of stochastic trains of that many slots, a binomial of the wanted mean (at most
// `slots`) by inversion of uniform e. What is not a number stays so. `first` must be a multiple of 32.
ATTRIBUTES static double NAME(pulseCounts)(size_t n, const float *source, float factor, CKStream s, size_t first,
                                           int slots, float *k) {
  CKStream further = s;
  further.indexHigh |= 0x80000000u;
  uint32_t group = (uint32_t)(first / 32), words[32];
  double total = 0;
  for (size_t i = 0; i < n; i += 32, group++) {
    const size_t m = n - i < 32 ? n - i : 32;
    float v[32] = {0}, c[32];
    memcpy(v, source + i, m * sizeof *v);
    float sum = 0;
    if (slots == 0) {
      if (i == 0 || group % 4 == 0) NAME(philoxGroup)(s, group / 4, words);
      const uint32_t shift = 8 * (group % 4);
      float open[32];
      int32_t undecided = 0;
      for (int j = 0; j < 32; j++) {
        float want = __builtin_fabsf(v[j] * factor);
        want = want < 4e6f ? want : 4e6f;  // also where it is not a number
        const float whole = (float)(int32_t)want, f = (want - whole) * 256.f;
        const int32_t u = (int32_t)(words[j] >> shift & 255), t = (int32_t)f;
        c[j] = whole + (u < t ? 1.f : 0.f);
        open[j] = u == t ? f - (float)t : -1.f;
        undecided |= u == t && f > 0;
      }
      if (undecided) {
        uint32_t more[32];
        NAME(philoxGroup)(further, group, more);
        for (int j = 0; j < 32; j++) c[j] += (float)(int32_t)(more[j] >> 9) * 0x1p-23f < open[j] ? 1.f : 0.f;
      }
      for (int j = 0; j < 32; j++) sum += c[j];
    } else {
      uint32_t u[32];
      NAME(philoxGroup)(s, group, u);
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
