#include "kernels.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// Rounds half to even without a rounding instruction, for |x| < 2^22.
#define MAGIC 12582912.f

// Eight floats anywhere in memory.
typedef float Eight __attribute__((vector_size(32), aligned(4), may_alias));

// What comparing them gives: all bits or none of each.
typedef int32_t Lanes __attribute__((vector_size(32)));

INLINE float asFloat(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
INLINE uint32_t asBits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }

// e^x for |x| < 87, Cephes polynomial, relative error below 2e-7.
INLINE float exponentialOf(float x) {
  x = x > 87.f ? 87.f : x;
  x = x < -87.f ? -87.f : x;
  float t = x * 1.44269504f + MAGIC;
  uint32_t exponent = asBits(t) << 23;
  t -= MAGIC;
  float r = x - t * 0.693359375f;
  r = r + t * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  return asFloat(asBits(p) + exponent);
}

// ln x for positive normal x, Cephes polynomial.
INLINE float logarithmOf(float x) {
  uint32_t u = asBits(x) - 0x3f3504f3u;
  int32_t e = (int32_t)u >> 23;
  float m = asFloat((u & 0x007fffffu) + 0x3f3504f3u) - 1.f;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  float z = m * m;
  return p * m * z - 0.5f * z + m + (float)e * 0.69314718f;
}

// sin and cos of 2πv for v in [0, 1).
INLINE void sineCosineOfTurn(float v, float *sine, float *cosine) {
  float t = v * 4.f + MAGIC;
  uint32_t quadrant = asBits(t);
  t -= MAGIC;
  float r = (v * 4.f - t) * 1.57079633f, z = r * r;
  float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
  float c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.f;
  uint32_t swap = 0u - (quadrant & 1u);
  uint32_t a = (asBits(c) & swap) | (asBits(s) & ~swap), b = (asBits(s) & swap) | (asBits(c) & ~swap);
  *sine = asFloat(a ^ ((quadrant & 2u) << 30));
  *cosine = asFloat(b ^ (((quadrant + 1u) & 2u) << 30));
}

INLINE void philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1, uint32_t *o0,
                   uint32_t *o1, uint32_t *o2, uint32_t *o3) {
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  *o0 = c0;
  *o1 = c1;
  *o2 = c2;
  *o3 = c3;
}

void ckPhilox(const uint32_t c[4], const uint32_t k[2], uint32_t out[4]) {
  philox(c[0], c[1], c[2], c[3], k[0], k[1], out, out + 1, out + 2, out + 3);
}

// Thirty-two elements of a stream: eight blocks, lane-major.
INLINE void philoxGroupPortable(CKStream s, uint32_t group, uint32_t *o) {
  for (uint32_t b = 0; b < 8; b++)
    philox(8 * group + b, s.indexLow, s.indexHigh, s.purpose, s.seedLow, s.seedHigh, o + b, o + 8 + b, o + 16 + b,
           o + 24 + b);
}

// Which of the first 32 (or fewer) floats are not zero.
INLINE uint32_t nonzeroPortable(const float *x, size_t n) {
  uint32_t result = 0;
  for (size_t i = 0; i < n && i < 32; i++) result |= (uint32_t)(x[i] != 0) << i;
  return result;
}

// Which of thirty-two words have a bit in common with `own`.
INLINE uint32_t commonPortable(const uint32_t *words, uint32_t own) {
  uint32_t result = 0;
  for (uint32_t i = 0; i < 32; i++) result |= (uint32_t)((words[i] & own) != 0) << i;
  return result;
}

// Two groups of a stream.
INLINE void philoxPairPortable(CKStream s, uint32_t group, uint32_t *o) {
  philoxGroupPortable(s, group, o);
  philoxGroupPortable(s, group + 1, o + 32);
}

// Each lane held within ±most; what is not a number stays so.
INLINE Eight clampPortable(Eight t, float most) {
  for (int l = 0; l < 8; l++) {
    t[l] = t[l] > most ? most : t[l];
    t[l] = t[l] < -most ? -most : t[l];
  }
  return t;
}

// The first n floats, zeros beyond.
INLINE Eight partPortable(const float *p, int n) {
  if (n >= 8) return *(const Eight *)p;
  float t[8] = {0};
  for (int i = 0; i < n; i++) t[i] = p[i];
  return *(const Eight *)t;
}

INLINE void setPartPortable(float *p, Eight v, int n) {
  for (int i = 0; i < n && i < 8; i++) p[i] = v[i];
}

// Which lanes hold.
INLINE uint32_t bitsPortable(Lanes l) {
  uint32_t result = 0;
  for (int i = 0; i < 8; i++) result |= (uint32_t)(l[i] != 0) << i;
  return result;
}

// Vectors of eight floats in both bodies, so that both add in the same order.
#define LANES 8
#define ROWS 6
// Devices that an update gathers before it moves them.
#define GATHERED 256

// What norms.h sums.
typedef enum { SUM, SQUARES, GRADIENT } Sums;

// Vectors are passed to inlined functions only.
#pragma clang diagnostic ignored "-Wpsabi"

#define NAME(x) x##Portable
#define WIDE(x) NAME(x)
#define ATTRIBUTES
#include "body.h"
#include "trains.h"
#include "table.h"
#undef NAME
#undef ATTRIBUTES

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,fma")))

AVX2 INLINE void multiplyHighLow(__m256i a, __m256i m, __m256i *high, __m256i *low) {
  __m256i even = _mm256_mul_epu32(a, m), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), m);
  *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}

AVX2 INLINE void philoxGroupAVX2(CKStream s, uint32_t group, uint32_t *o) {
  __m256i c0 = _mm256_add_epi32(_mm256_set1_epi32((int)(8 * group)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  __m256i c1 = _mm256_set1_epi32((int)s.indexLow), c2 = _mm256_set1_epi32((int)s.indexHigh),
          c3 = _mm256_set1_epi32((int)s.purpose);
  const __m256i m0 = _mm256_set1_epi32((int)0xD2511F53u), m1 = _mm256_set1_epi32((int)0xCD9E8D57u);
  uint32_t k0 = s.seedLow, k1 = s.seedHigh;
  for (int round = 0; round < 10; round++) {
    __m256i h0, l0, h1, l1;
    multiplyHighLow(c0, m0, &h0, &l0);
    multiplyHighLow(c2, m1, &h1, &l1);
    c0 = _mm256_xor_si256(_mm256_xor_si256(h1, c1), _mm256_set1_epi32((int)k0));
    c2 = _mm256_xor_si256(_mm256_xor_si256(h0, c3), _mm256_set1_epi32((int)k1));
    c1 = l1;
    c3 = l0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  _mm256_storeu_si256((__m256i *)o, c0);
  _mm256_storeu_si256((__m256i *)(o + 8), c1);
  _mm256_storeu_si256((__m256i *)(o + 16), c2);
  _mm256_storeu_si256((__m256i *)(o + 24), c3);
}

AVX2 INLINE uint32_t nonzeroAVX2(const float *x, size_t n) {
  if (n < 32) return nonzeroPortable(x, n);
  uint32_t result = 0;
  for (int i = 0; i < 32; i += 8) {
    const __m256 differs = _mm256_cmp_ps(_mm256_loadu_ps(x + i), _mm256_setzero_ps(), _CMP_NEQ_UQ);
    result |= (uint32_t)_mm256_movemask_ps(differs) << i;
  }
  return result;
}

AVX2 INLINE uint32_t commonAVX2(const uint32_t *words, uint32_t own) {
  const __m256i bits = _mm256_set1_epi32((int)own);
  uint32_t result = 0;
  for (int i = 0; i < 32; i += 8) {
    const __m256i both = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(words + i)), bits);
    const __m256i none = _mm256_cmpeq_epi32(both, _mm256_setzero_si256());
    result |= (uint32_t)(~_mm256_movemask_ps(_mm256_castsi256_ps(none)) & 255) << i;
  }
  return result;
}

AVX2 INLINE void philoxPairAVX2(CKStream s, uint32_t group, uint32_t *o) {
  philoxGroupAVX2(s, group, o);
  philoxGroupAVX2(s, group + 1, o + 32);
}

// The second operand is the result where one is not a number.
AVX2 INLINE Eight clampAVX2(Eight t, float most) {
  return (Eight)_mm256_max_ps(_mm256_set1_ps(-most), _mm256_min_ps(_mm256_set1_ps(most), (__m256)t));
}

AVX2 INLINE __m256i lanesAVX2(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

AVX2 INLINE Eight partAVX2(const float *p, int n) {
  return n >= 8 ? *(const Eight *)p : (Eight)_mm256_maskload_ps(p, lanesAVX2(n));
}

AVX2 INLINE void setPartAVX2(float *p, Eight v, int n) {
  if (n >= 8)
    *(Eight *)p = v;
  else
    _mm256_maskstore_ps(p, lanesAVX2(n), (__m256)v);
}

AVX2 INLINE uint32_t bitsAVX2(Lanes l) { return (uint32_t)_mm256_movemask_ps((__m256)l); }

#define NAME(x) x##AVX2
#define ATTRIBUTES AVX2
#pragma STDC FP_CONTRACT ON
#include "body.h"
#include "trains.h"
#include "table.h"

// What is not AVX-512's own is AVX2's.
#define AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")))
#undef WIDE
#define WIDE(x) x##AVX512
#undef ATTRIBUTES
#define ATTRIBUTES AVX512
#include "avx512.h"
#include "products512.h"
#undef NAME
#undef LANES
#define NAME(x) x##AVX512
#define LANES 16
#include "winograd.h"
#undef NAME
#undef LANES
#define NAME(x) x##AVX2
#define LANES 8
#include "trains.h"
#include "table.h"

const CKernels *ckAVX2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &tableAVX2 : NULL;
}
const CKernels *ckAVX512(void) {
  return ckAVX2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
             ? &tableAVX512
             : NULL;
}
#else
const CKernels *ckAVX2(void) { return NULL; }
const CKernels *ckAVX512(void) { return NULL; }
#endif

const CKernels *const ckPortable = &tablePortable;
const CKernels *ckBest(void) {
  const CKernels *wide = ckAVX512(), *fast = ckAVX2();
  return wide ? wide : fast ? fast : ckPortable;
}
