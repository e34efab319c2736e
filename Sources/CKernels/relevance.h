// Layer-wise relevance propagation by the αβ rule (NeuralNetworks/Relevance): included by body.h.

// Of one sample's z [pixels, 2n], n positive parts beside n negative ones: z⁺ ← alpha·r/z⁺ and z⁻ ← beta·r/z⁻, 0 where z
// is. Outputs one of whose parts is below `share` of the largest of its channel get 0 for both; numbers of those with
// relevance, in [pixels, n], go to `left`, which has room for all. Returns how many. `room`: 2n floats.
ATTRIBUTES static size_t NAME(relevanceShares)(size_t pixels, size_t n, float *restrict z, const float *restrict r,
                                               float alpha, float beta, float share, float *restrict room,
                                               uint32_t *restrict left) {
  typedef NAME(Vector) V;
  size_t count = 0;
  for (size_t i = 0; i < 2 * n; i++) room[i] = 0;
  for (size_t p = 0; p < pixels; p++) {
    const float *restrict row = z + p * 2 * n;
    for (size_t i = 0; i < 2 * n; i++) {
      const float a = fabsf(row[i]);
      room[i] = a > room[i] ? a : room[i];
    }
  }
  for (size_t i = 0; i < 2 * n; i++) room[i] *= share;
  for (size_t p = 0; p < pixels; p++, r += n)
    for (size_t i = 0; i < n; i += LANES) {
      const int m = n - i < LANES ? (int)(n - i) : LANES;
      float *plus = z + p * 2 * n + i, *minus = plus + n;
      const V a = NAME(part)(plus, m), b = NAME(part)(minus, m), relevance = NAME(part)(r + i, m);
      const V leastPlus = NAME(part)(room + i, m), leastMinus = NAME(part)(room + n + i, m);
      // Zeros where what is compared does not hold.
      const Lanes small = (Lanes)(a < leastPlus & a > -leastPlus) | (Lanes)(b < leastMinus & b > -leastMinus);
      const V s = alpha * relevance / a, t = beta * relevance / b;
      NAME(setPart)(plus, (V)((Lanes)s & ~(small | (Lanes)(a == 0))), m);
      NAME(setPart)(minus, (V)((Lanes)t & ~(small | (Lanes)(b == 0))), m);
      for (uint32_t bits = NAME(bits)(small & (Lanes)(relevance != 0)); bits; bits &= bits - 1)
        left[count++] = (uint32_t)(p * n + i) + (uint32_t)__builtin_ctz(bits);
    }
  return count;
}

// Relevance r of x + other handed to x: back = x·r/(x + other), the sum moved away from 0 by e.
ATTRIBUTES static void NAME(relevanceOfTerm)(size_t n, const float *restrict x, const float *restrict other,
                                             const float *restrict r, float e, float *restrict back) {
  for (size_t i = 0; i < n; i++) {
    const float sum = x[i] + other[i];
    back[i] = x[i] * (r[i] / (sum + (sum < 0 ? -e : e)));
  }
}

// y *= x
ATTRIBUTES static void NAME(multiplyEach)(size_t n, const float *restrict x, float *restrict y) {
  for (size_t i = 0; i < n; i++) y[i] *= x[i];
}
