// Stochastic pulse trains of lines and their coincidences: included once per instruction set, which defines WIDE and
// ATTRIBUTES, by kernels.c.

// The probabilities of a pulse in a slot for nx word lines and then ny bit lines, a·|x| and b·|dy| with a·b = perSlot and
// a·max|x| = b·max|dy|; all 0 where a vector is. Returns 0, with all 0, where something is not finite.
ATTRIBUTES static int WIDE(pulseLines)(size_t nx, const float *restrict x, size_t ny, const float *restrict dy,
                                       float perSlot, float *restrict p) {
  // Largest magnitudes by their bits, which order infinities and what is not a number above all numbers.
  int32_t mostX = 0, mostY = 0;
  for (size_t i = 0; i < nx; i++) {
    const int32_t bits = (int32_t)(asBits(x[i]) & 0x7FFFFFFFu);
    mostX = bits > mostX ? bits : mostX;
  }
  for (size_t i = 0; i < ny; i++) {
    const int32_t bits = (int32_t)(asBits(dy[i]) & 0x7FFFFFFFu);
    mostY = bits > mostY ? bits : mostY;
  }
  const float a = asFloat((uint32_t)mostX), b = asFloat((uint32_t)mostY), both = perSlot * a * b;
  const int finite = both < __builtin_inff();
  const float root = finite && both > 0 ? __builtin_sqrtf(both) : 0.f;
  const float fx = root > 0 ? root / a : 0.f, fy = root > 0 ? root / b : 0.f;
  for (size_t i = 0; i < nx; i++) p[i] = finite ? __builtin_fabsf(x[i]) * fx : 0.f;
  for (size_t i = 0; i < ny; i++) p[nx + i] = finite ? __builtin_fabsf(dy[i]) * fy : 0.f;
  return finite;
}

// Stochastic pulse trains of lines: bit t%32 of out[t/32 · ld + i] says whether slot t of line i has a pulse, which it has
// with probability min(1, |v[i]|), to 24 bits.
//
// Each slot's uniform number is compared with the probability digit by digit, all slots of a word side by side; digits are
// drawn while some slot of thirty-two lines is undecided. Digit r of word w of line i: word i%32 of group
// ((first + i)/32 · words + w) · 24 + r. `first` must be a multiple of 32; out is written up to a multiple of 32 lines.
ATTRIBUTES static void WIDE(pulseTrains)(size_t n, const float *v, int slots, CKStream s, size_t first,
                                         uint32_t *out, size_t ld) {
  const int words = (slots + 31) / 32;
  for (size_t i = 0; i < n; i += 32) {
    const size_t m = n - i < 32 ? n - i : 32;
    uint32_t p[32] = {0};
    for (size_t j = 0; j < m; j++) {
      const float t = __builtin_fabsf(v[i + j]);
      p[j] = (uint32_t)(int32_t)((t < 1.f ? t : 1.f) * 0x1p24f + 0.5f);
    }
    for (int w = 0; w < words; w++) {
      const uint32_t all = slots - 32 * w >= 32 ? 0xFFFFFFFFu : (1u << (slots - 32 * w)) - 1;
      uint32_t group = (uint32_t)(((first + i) / 32 * (size_t)words + (size_t)w) * 24), *to = out + (size_t)w * ld + i;
      uint32_t open[32], left[32], u[64], some = 0;
      for (int j = 0; j < 32; j++) {
        to[j] = p[j] >> 24 ? all : 0;
        open[j] = p[j] >> 24 ? 0 : all;
        left[j] = p[j] << 8;
        some |= left[j] ? open[j] : 0;
      }
      // Two digits at a time.
      for (; some; group += 2) {
        WIDE(philoxPair)(s, group, u);
        some = 0;
        for (int j = 0; j < 32; j++) {
          uint32_t digit = (uint32_t)((int32_t)left[j] >> 31), undecided = open[j];
          to[j] |= undecided & digit & ~u[j];
          undecided &= ~(digit ^ u[j]);
          left[j] <<= 1;
          digit = (uint32_t)((int32_t)left[j] >> 31);
          to[j] |= undecided & digit & ~u[32 + j];
          open[j] = undecided & ~(digit ^ u[32 + j]);
          left[j] <<= 1;
          // Where no digit is left the number drawn is not below the probability.
          some |= left[j] ? open[j] : 0;
        }
      }
    }
  }
}

// The coincidences of one line's train with those of n lines that cross it: `at` gets the lines that have some, `k` how
// many, with the sign of sign · x. Returns how many lines. at and k have room for n + 32.
ATTRIBUTES static size_t WIDE(coincidences)(size_t n, const uint32_t *trains, size_t ld, const uint32_t *own,
                                            size_t ownLd, int words, const float *x, float sign, uint32_t *at, float *k) {
  size_t have = 0;
  for (size_t i = 0; i < n; i += 32) {
    uint32_t some = 0;
    for (int w = 0; w < words; w++)
      if (own[(size_t)w * ownLd]) some |= WIDE(common)(trains + (size_t)w * ld + i, own[(size_t)w * ownLd]);
    if (n - i < 32) some &= (1u << (n - i)) - 1;
    for (; some; some &= some - 1) {
      const size_t line = i + (size_t)__builtin_ctz(some);
      int count = 0;
      for (int w = 0; w < words; w++)
        count += __builtin_popcount(trains[(size_t)w * ld + line] & own[(size_t)w * ownLd]);
      at[have] = (uint32_t)line;
      k[have++] = x[line] * sign < 0 ? -(float)count : (float)count;
    }
  }
  return have;
}

