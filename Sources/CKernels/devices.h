// Pulses that move devices: included by body.h.

// Thirty-two devices or fewer that got k·sign pulses each: x += n·p·f(u) in their direction + σ·√n·N(0, 1), within the
// bounds. `at` says where they are; `normal` and `written` hold their random numbers.
ATTRIBUTES INLINE void NAME(movedDevices)(const int form, const int varied, size_t m, const CKStepLaw *p,
                                          const CKDevices *d, const uint32_t *at, const float *k, float sign,
                                          const float *normal, const float *written, float *x, float *shown) {
  const float step = p->step, sigma = p->noise * p->step, follows = p->noiseFollowsStep ? 1.f : 0.f;
  const float ua = p->up[0], ub = p->up[1], uc = p->up[2], da = p->down[0], db = p->down[1], dc = p->down[2];
  float state[32] = {0}, factorUp[32], factorDown[32], lower[32], upper[32], left[32], right[32], part[32];
  for (size_t j = 0; j < m; j++) state[j] = x[at[j]];
  if (varied) {
    for (int j = 0; j < 32; j++) {
      factorUp[j] = factorDown[j] = upper[j] = 1;
      lower[j] = 0;
    }
    if (d->stepUp) for (size_t j = 0; j < m; j++) factorUp[j] = d->stepUp[at[j]];
    if (d->stepDown) for (size_t j = 0; j < m; j++) factorDown[j] = d->stepDown[at[j]];
    if (d->lower) for (size_t j = 0; j < m; j++) lower[j] = d->lower[at[j]];
    if (d->upper) for (size_t j = 0; j < m; j++) upper[j] = d->upper[at[j]];
  }
  if (form == 3) {
    // Apart from the rest, because its loads do not vectorize.
    const float cells = (float)p->cells;
    const int last = p->cells - 1;
    int cell[32];
    for (int j = 0; j < 32; j++) {
      const int rises = k[j] * sign > 0;
      const float low = varied ? lower[j] : 0.f, high = varied ? upper[j] : 1.f;
      float place = (rises ? state[j] - low : high - state[j]) * cells;
      if (varied) place /= high - low;
      place = place > 0 ? place : 0;  // also where the state is not a number
      place = place < cells ? place : cells;
      const int below = (int)place < last ? (int)place : last;
      part[j] = place - (float)below;
      cell[j] = below + (rises ? 0 : last + 2);
    }
    for (int j = 0; j < 32; j++) {
      left[j] = p->table[cell[j]];
      right[j] = p->table[cell[j] + 1];
    }
  }
  for (int j = 0; j < 32; j++) {
    const int rises = k[j] * sign > 0;
    float count = __builtin_fabsf(k[j] * sign);
    count = count < 4e6f ? count : 4e6f;  // also where it is not a number
    const float low = varied ? lower[j] : 0.f, high = varied ? upper[j] : 1.f;
    float u = rises ? state[j] - low : high - state[j];
    if (varied) u /= high - low;
    const float a = rises ? ua : da, b = rises ? ub : db, c = rises ? uc : dc;
    float f;
    if (form == 0) {
      f = a + b * u;
    } else if (form == 1) {
      f = a + b * exponentialOf(c * u);
    } else if (form == 2) {
      float t = 1.f - u;
      t = t > 1e-30f ? t : 1e-30f;
      f = b * exponentialOf(c * logarithmOf(t));
    } else {
      f = left[j] + part[j] * (right[j] - left[j]);
    }
    f = f > 0 ? f : 0;
    if (varied) {
      const float up = factorUp[j], down = factorDown[j];  // both read, so that the loop vectorizes
      f *= rises ? up : down;
    }
    const float local = count * step * f;
    const float spread = __builtin_elementwise_sqrt(count) * sigma * (follows > 0 ? f : 1.f);
    float moved = state[j] + (rises ? local : -local) + spread * normal[j];
    moved = moved > high ? high : moved;
    moved = moved < low ? low : moved;
    // A count that is not a number must show: the next loss is then none either, and training stops.
    state[j] = k[j] == k[j] ? moved : k[j];
  }
  for (size_t j = 0; j < m; j++) x[at[j]] = state[j];
  if (shown)
    for (size_t j = 0; j < m; j++) {
      const float t = state[j] + p->writeNoise * written[j];
      shown[at[j]] = t < p->least ? p->least : t;
    }
}

// As movedDevices, for the law's form and for devices that differ or not.
ATTRIBUTES static void NAME(moved)(size_t m, const CKStepLaw *p, const CKDevices *d, const uint32_t *at, const float *k,
                                   float sign, const float *normal, const float *written, float *x, float *shown) {
  const int varied = d->stepUp || d->stepDown || d->lower || d->upper;
  switch (2 * p->form + varied) {
    case 0: NAME(movedDevices)(0, 0, m, p, d, at, k, sign, normal, written, x, shown); break;
    case 1: NAME(movedDevices)(0, 1, m, p, d, at, k, sign, normal, written, x, shown); break;
    case 2: NAME(movedDevices)(1, 0, m, p, d, at, k, sign, normal, written, x, shown); break;
    case 3: NAME(movedDevices)(1, 1, m, p, d, at, k, sign, normal, written, x, shown); break;
    case 4: NAME(movedDevices)(2, 0, m, p, d, at, k, sign, normal, written, x, shown); break;
    case 5: NAME(movedDevices)(2, 1, m, p, d, at, k, sign, normal, written, x, shown); break;
    case 6: NAME(movedDevices)(3, 0, m, p, d, at, k, sign, normal, written, x, shown); break;
    default: NAME(movedDevices)(3, 1, m, p, d, at, k, sign, normal, written, x, shown); break;
  }
}

// The m devices at[0], at[1], … by k[i]·sign pulses each, positive up. Gaussian i of the stream from `first` on belongs to
// the i-th of them. With `shown`, x is the persistent state, and what is read is drawn about it anew for every device that
// got pulses, from the stream whose index has its highest bit set. Writes to at and k beyond m, up to a multiple of 32.
ATTRIBUTES static void NAME(applyPulsesAt)(size_t m, const CKStepLaw *p, const CKDevices *d, CKStream s, size_t first,
                                           uint32_t *at, float *k, float sign, float *x, float *shown) {
  uint32_t group = (uint32_t)(first / 32);
  CKStream write = s;
  write.indexHigh |= 0x80000000u;
  float normal[32] = {0}, written[32] = {0};
  for (size_t i = m; i % 32 > 0; i++) {
    at[i] = 0;
    k[i] = 0;
  }
  for (size_t i = 0; i < m; i += 32, group++) {
    if (p->noise > 0) NAME(gaussianGroup)(s, group, normal);
    if (shown) NAME(gaussianGroup)(write, group, written);
    NAME(moved)(m - i < 32 ? m - i : 32, p, d, at + i, k + i, sign, normal, written, x, shown);
  }
}

// The same for pulses[i]·sign pulses of every one of n devices. Pulses are rare: the devices that get some are gathered,
// a block at a time.
ATTRIBUTES static void NAME(applyPulses)(size_t n, const CKStepLaw *p, const CKDevices *d, CKStream s, size_t first,
                                         const float *pulses, float sign, float *x, float *shown) {
  uint32_t at[GATHERED + 32];
  float k[GATHERED + 32];
  size_t have = 0, done = 0;
  for (size_t i = 0; i < n; i += 32) {
    // Also counts that are not numbers.
    uint32_t some = NAME(nonzero)(pulses + i, n - i);
    for (; some; some &= some - 1) {
      const uint32_t j = (uint32_t)__builtin_ctz(some);
      at[have] = (uint32_t)i + j;
      k[have++] = pulses[i + j];
    }
    if (have < GATHERED && i + 32 < n) continue;
    // Whole groups of Gaussians, until the last.
    const size_t m = i + 32 < n ? have / 32 * 32 : have, rest = have - m;
    uint32_t nextAt[32];
    float nextK[32];
    memcpy(nextAt, at + m, rest * sizeof *at);
    memcpy(nextK, k + m, rest * sizeof *k);
    NAME(applyPulsesAt)(m, p, d, s, first + done, at, k, sign, x, shown);
    done += m;
    have = rest;
    memcpy(at, nextAt, rest * sizeof *at);
    memcpy(k, nextK, rest * sizeof *k);
  }
}
