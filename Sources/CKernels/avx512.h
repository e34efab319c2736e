// The bodies that pay on AVX-512, included by kernels.c; every other kernel is AVX2's.
//
// Each does for every element what the AVX2 body does, in the same order, sixteen elements at a time: the bits are the
// same, so that a result does not depend on which of the two a processor runs.

// The first n lanes.
INLINE __mmask16 lanesAVX512(int n) { return n >= 16 ? 0xFFFF : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

typedef float VectorAVX512 __attribute__((vector_size(64), aligned(4), may_alias));

AVX512 INLINE VectorAVX512 partAVX512(const float *p, int n) {
  return (VectorAVX512)_mm512_maskz_loadu_ps(lanesAVX512(n), p);
}

AVX512 INLINE void setPartAVX512(float *p, VectorAVX512 v, int n) {
  _mm512_mask_storeu_ps(p, lanesAVX512(n), (__m512)v);
}

// R rows of P panels of sixteen columns, from product to converted, as convertedBlock in products.h; the last vector
// has `columns` columns. `panel` is the distance between panels.
AVX512 INLINE uint32_t convertedBlockAVX512(const int R, const int P, const float *restrict a, size_t lda, int k,
                                         const float *restrict b, size_t panel, const float *restrict scales, float step,
                                         float levels, float gain, int first, float *restrict y, size_t ldy,
                                         int columns) {
  __m512 sum[24][2];
  UNROLL for (int r = 0; r < R; r++)
    UNROLL for (int p = 0; p < P; p++) sum[r][p] = _mm512_setzero_ps();
  for (int i = 0; i < k; i++, b += 16) {
    __m512 w[2];
    UNROLL for (int p = 0; p < P; p++) w[p] = _mm512_loadu_ps(b + p * panel);
    UNROLL for (int r = 0; r < R; r++) {
      const __m512 x = _mm512_set1_ps(a[r * lda + i]);
      UNROLL for (int p = 0; p < P; p++) sum[r][p] = _mm512_fmadd_ps(x, w[p], sum[r][p]);
    }
  }
  const __m512 inverse = _mm512_set1_ps(1.f / step), most = _mm512_set1_ps(levels), least = _mm512_set1_ps(-levels),
               magic = _mm512_set1_ps(MAGIC);
  const __mmask16 last = lanesAVX512(columns);
  uint32_t count = 0;
  UNROLL for (int r = 0; r < R; r++) {
    const __m512 s = _mm512_set1_ps(scales[r] * step * gain);
    float *to = y + r * ldy;
    UNROLL for (int p = 0; p < P; p++) {
      const __mmask16 used = p == P - 1 ? last : 0xFFFF;
      const __m512 t = _mm512_mul_ps(sum[r][p], inverse);
      // The second operand is the result where one is not a number.
      const __m512 within = _mm512_max_ps(least, _mm512_min_ps(most, t));
      count += (uint32_t)__builtin_popcount(_mm512_mask_cmp_ps_mask(used, within, t, _CMP_NEQ_UQ));
      const __m512 rounded = _mm512_sub_ps(_mm512_add_ps(within, magic), magic);
      if (first)
        _mm512_mask_storeu_ps(to + 16 * p, used, _mm512_mul_ps(rounded, s));
      else
        _mm512_mask_storeu_ps(to + 16 * p, used,
                              _mm512_add_ps(_mm512_maskz_loadu_ps(used, to + 16 * p), _mm512_mul_ps(rounded, s)));
    }
  }
  return count;
}

#define CONVERTED512(R) \
  case R: \
    return panels == 2 ? convertedBlockAVX512(R, 2, a, lda, k, b, panel, scales, step, levels, gain, first, y, ldy, columns) \
                       : convertedBlockAVX512(R, 1, a, lda, k, b, panel, scales, step, levels, gain, first, y, ldy, columns);
AVX512 static uint32_t convertedRowsAVX512(int rows, int panels, const float *a, size_t lda, int k, const float *b,
                                        size_t panel, const float *scales, float step, float levels, float gain,
                                        int first, float *y, size_t ldy, int columns) {
  switch (rows) {
    CONVERTED512(1) CONVERTED512(2) CONVERTED512(3) CONVERTED512(4) CONVERTED512(5) CONVERTED512(6) CONVERTED512(7)
    CONVERTED512(8) CONVERTED512(9) CONVERTED512(10) CONVERTED512(11) CONVERTED512(12)
  }
  return 0;
}
#undef CONVERTED512

AVX512 static uint64_t multiplyConvertedAVX512(int rows, const float *a, size_t lda, int k, const float *panels, int n,
                                            const float *scales, float step, float levels, float gain, int first,
                                            float *y, size_t ldy) {
  uint64_t clipped = 0;
  const int blocks = (rows + 11) / 12;
  const size_t panel = 16 * (size_t)(k + 1);
  // Two panels side by side, then one; a last one of eight columns or fewer is narrow (see `panel` in products.h).
  int j = 0;
  while (n - j > 8) {
    const int pair = n - j > 24, columns = n - j - (pair ? 16 : 0);
    for (int i = 0; i < blocks; i++) {
      const int from = rows * i / blocks, to = rows * (i + 1) / blocks;
      clipped += convertedRowsAVX512(to - from, pair ? 2 : 1, a + from * lda, lda, k, panels + j / 16 * panel + 16, panel,
                                  scales + from, step, levels, gain, first, y + (size_t)from * ldy + j, ldy, columns);
    }
    j += pair ? 32 : 16;
  }
  if (j < n)
    clipped += multiplyConvertedAVX2(rows, a, lda, k, panels + j / 16 * panel, n - j, scales, step, levels, gain, first,
                                     y + j, ldy);
  return clipped;
}

AVX512 static uint64_t quantizeRowsAVX512(size_t rows, size_t n, const float *restrict x, size_t ldx, float levels,
                                       float range, float *restrict q, size_t ldq, float *restrict scales) {
  if (levels == 0 || range != 0) return quantizeRowsAVX2(rows, n, x, ldx, levels, range, q, ldq, scales);
  const size_t whole = n / 16 * 16;
  const __mmask16 last = lanesAVX512((int)(n - whole));
  const __m512 down = _mm512_set1_ps(1.f / levels), magic = _mm512_set1_ps(MAGIC);
  for (size_t r = 0; r < rows; r++, x += ldx, q += ldq) {
    // What is not a number is no maximum: the second operand is the result.
    __m512 most = _mm512_setzero_ps(), other = most;
    size_t j = 0;
    for (; j + 32 <= whole; j += 32) {
      most = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(x + j)), most);
      other = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(x + j + 16)), other);
    }
    if (j < whole) other = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(x + j)), other);
    most = _mm512_max_ps(_mm512_abs_ps(_mm512_maskz_loadu_ps(last, x + whole)), most);
    const float scale = _mm512_reduce_max_ps(_mm512_max_ps(most, other));
    scales[r] = scale;
    const __m512 inverse = _mm512_set1_ps(scale > 0x1p-100f ? levels / scale : 0.f);
    for (j = 0; j < n; j += 16) {
      const __mmask16 used = j < whole ? 0xFFFF : last;
      const __m512 t = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(used, x + j), inverse, magic);
      _mm512_mask_storeu_ps(q + j, used, _mm512_mul_ps(_mm512_sub_ps(t, magic), down));
    }
  }
  return 0;
}

// Rows become columns.
AVX512 INLINE void transposeAVX512(__m512 *r) {
  __m512 s[16];
  UNROLL for (int i = 0; i < 16; i += 2) {
    s[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    s[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  UNROLL for (int i = 0; i < 16; i += 4) {
    UNROLL for (int h = 0; h < 2; h++) {
      const __m512d a = _mm512_castps_pd(s[i + h]), b = _mm512_castps_pd(s[i + h + 2]);
      r[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      r[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  }
  // Row 4a + c now holds, in its quarter q, column 4q + c of rows 4a … 4a + 3.
  UNROLL for (int c = 0; c < 4; c++) {
    const __m512 t0 = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88), t1 = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xDD);
    const __m512 t2 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88),
                 t3 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xDD);
    s[c] = _mm512_shuffle_f32x4(t0, t2, 0x88);
    s[8 + c] = _mm512_shuffle_f32x4(t0, t2, 0xDD);
    s[4 + c] = _mm512_shuffle_f32x4(t1, t3, 0x88);
    s[12 + c] = _mm512_shuffle_f32x4(t1, t3, 0xDD);
  }
  UNROLL for (int i = 0; i < 16; i++) r[i] = s[i];
}

// scratch holds what lineSums in crossbar.h wants, with sixteen for eight.
AVX512 static void lineSumsAVX512(const CKTile *t, const float *x, const float *factor, float *w, float *scratch) {
  const int m = t->wordLines, n = t->bitLines, padded = (m + 15) / 16 * 16, paddedLines = (n + 15) / 16 * 16;
  const size_t ld = t->ld;
  const __m512 wire = _mm512_set1_ps(t->wire), floor = _mm512_set1_ps(t->floor), gain = _mm512_set1_ps(t->gain),
               driver = _mm512_set1_ps(t->driver), sense = _mm512_set1_ps(t->sense);
  float *total = scratch, *before = total + padded, *drop = before + padded, *constant = drop + padded,
        *g = constant + paddedLines, *b = g + (size_t)paddedLines * padded;
  memset(total, 0, (size_t)padded * sizeof *total);
  for (int j = 0; j < n; j += 16) {
    __m512 lines = _mm512_setzero_ps(), sums = lines;
    for (int i = 0; i < padded; i += 16) {
      const __mmask16 used = lanesAVX512(m - i);
      __m512 v[16], sum = _mm512_loadu_ps(total + i);
      UNROLL for (int h = 0; h < 16; h++) {
        v[h] = _mm512_setzero_ps();
        if (j + h < n) {
          v[h] = _mm512_maskz_add_ps(used, _mm512_maskz_loadu_ps(used, x + (j + h) * ld + i), floor);
          if (factor) v[h] = _mm512_mul_ps(v[h], _mm512_maskz_loadu_ps(used, factor + (j + h) * ld + i));
        }
        _mm512_storeu_ps(g + (size_t)(j + h) * padded + i, v[h]);
        sum = _mm512_add_ps(sum, v[h]);
      }
      _mm512_storeu_ps(total + i, sum);
      transposeAVX512(v);
      UNROLL for (int l = 0; l < 16; l++)
        if (i + l < m) {
          lines = _mm512_add_ps(lines, v[l]);
          sums = _mm512_add_ps(sums, lines);
          v[l] = _mm512_sub_ps(lines, sums);
        }
      transposeAVX512(v);
      UNROLL for (int h = 0; h < 16; h++) _mm512_storeu_ps(b + (size_t)(j + h) * padded + i, v[h]);
    }
    _mm512_storeu_ps(constant + j, _mm512_fmadd_ps(wire, sums, _mm512_fmadd_ps(sense, lines, _mm512_set1_ps(1.f))));
  }
  for (int i = 0; i < padded; i += 16) {
    _mm512_storeu_ps(drop + i, _mm512_mul_ps(_mm512_loadu_ps(total + i), driver));
    _mm512_storeu_ps(before + i, _mm512_setzero_ps());
  }
  for (int j = 0; j < n; j++) {
    const float *gj = g + (size_t)j * padded, *bj = b + (size_t)j * padded;
    float *wj = w + j * ld;
    for (int i = 0; i < padded; i += 16) {
      const __mmask16 used = lanesAVX512(m - i);
      const __m512 v = _mm512_loadu_ps(gj + i), ahead = _mm512_loadu_ps(before + i);
      const __m512 a =
          _mm512_fmadd_ps(wire, _mm512_sub_ps(_mm512_loadu_ps(total + i), ahead), _mm512_loadu_ps(drop + i));
      _mm512_storeu_ps(drop + i, a);
      _mm512_storeu_ps(before + i, _mm512_add_ps(ahead, v));
      const __m512 below =
          _mm512_fmadd_ps(_mm512_loadu_ps(bj + i), wire, _mm512_add_ps(a, _mm512_set1_ps(constant[j])));
      __m512 r = _mm512_div_ps(_mm512_mul_ps(gain, v), below);
      if (t->accumulate) r = _mm512_add_ps(r, _mm512_maskz_loadu_ps(used, wj + i));
      _mm512_mask_storeu_ps(wj + i, used, r);
    }
  }
}

AVX512 INLINE uint32_t commonAVX512(const uint32_t *words, uint32_t own) {
  const __m512i bits = _mm512_set1_epi32((int)own);
  return (uint32_t)_mm512_test_epi32_mask(_mm512_loadu_si512(words), bits) |
         (uint32_t)_mm512_test_epi32_mask(_mm512_loadu_si512(words + 16), bits) << 16;
}

AVX512 INLINE void multiplyHighLowAVX512(__m512i a, __m512i m, __m512i *high, __m512i *low) {
  const __m512i even = _mm512_mul_epu32(a, m), odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), m);
  *low = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
  *high = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
}

// Two groups of a stream: sixteen blocks side by side.
AVX512 INLINE void philoxPairAVX512(CKStream s, uint32_t group, uint32_t *o) {
  const __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512i c0 = _mm512_add_epi32(_mm512_set1_epi32((int)(8 * group)), places);
  __m512i c1 = _mm512_set1_epi32((int)s.indexLow), c2 = _mm512_set1_epi32((int)s.indexHigh),
          c3 = _mm512_set1_epi32((int)s.purpose);
  const __m512i m0 = _mm512_set1_epi32((int)0xD2511F53u), m1 = _mm512_set1_epi32((int)0xCD9E8D57u);
  uint32_t k0 = s.seedLow, k1 = s.seedHigh;
  for (int round = 0; round < 10; round++) {
    __m512i h0, l0, h1, l1;
    multiplyHighLowAVX512(c0, m0, &h0, &l0);
    multiplyHighLowAVX512(c2, m1, &h1, &l1);
    c0 = _mm512_xor_si512(_mm512_xor_si512(h1, c1), _mm512_set1_epi32((int)k0));
    c2 = _mm512_xor_si512(_mm512_xor_si512(h0, c3), _mm512_set1_epi32((int)k1));
    c1 = l1;
    c3 = l0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  const __m512i lanes[4] = {c0, c1, c2, c3};
  for (int l = 0; l < 4; l++) {
    _mm256_storeu_si256((__m256i *)(o + 8 * l), _mm512_castsi512_si256(lanes[l]));
    _mm256_storeu_si256((__m256i *)(o + 32 + 8 * l), _mm512_extracti64x4_epi64(lanes[l], 1));
  }
}
