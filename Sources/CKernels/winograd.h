// Winograd's minimal filtering F(2×2, 3×3) (Lavin and Gray, arXiv 1509.09308): included by body.h, and its transforms by
// kernels.c again with vectors of sixteen.
//
// A tile is 4 × 4 input pixels under 2 × 2 output pixels; element e = 4·row + column of the sixteen transformed ones has
// a plane of its own, [tiles, channels] with row length `ld`, planes `plane` floats apart. For a tile d, kernel g and
// outputs y, for every pair of channels,
//
//      ⎡1  0 −1  0⎤        ⎡ 1    0   0 ⎤        ⎡1  1  1  0⎤
// Bᵀ = ⎢0  1  1  0⎥    G = ⎢½    ½   ½ ⎥   Aᵀ = ⎣0  1 −1 −1⎦     y = Aᵀ [ (G g Gᵀ) ∘ (Bᵀ d B) ] A
//      ⎢0 −1  1  0⎥        ⎢½   −½   ½ ⎥
//      ⎣0  1  0 −1⎦        ⎣ 0    0   1 ⎦
//
// The gradients are the same matrices transposed: with Z = A dy Aᵀ,  dd = B [ U ∘ Z ] Bᵀ  and  dg = Gᵀ [ V ∘ Z ] G for
// U = G g Gᵀ, V = Bᵀ d B. Each function below does one row of tiles of one image.

typedef NAME(Vector) NAME(Line)[4];

// One step of B, of two factors, on four values: rows of Bᵀ.
#define BT(o, i) o[0] = i[0] - i[2]; o[1] = i[1] + i[2]; o[2] = i[2] - i[1]; o[3] = i[1] - i[3];
#define B_(o, i) o[0] = i[0]; o[1] = i[1] - i[2] + i[3]; o[2] = i[1] + i[2] - i[0]; o[3] = -i[3];

// Copies up to LANES channels, zeros beyond.
#if LANES == 16
ATTRIBUTES INLINE NAME(Vector) NAME(part)(const float *p, int n) {
  return (NAME(Vector))_mm512_maskz_loadu_ps(lanesAVX512(n), p);
}

ATTRIBUTES INLINE void NAME(setPart)(float *p, NAME(Vector) v, int n) {
  _mm512_mask_storeu_ps(p, lanesAVX512(n), (__m512)v);
}
#else
ATTRIBUTES INLINE NAME(Vector) NAME(part)(const float *p, int n) {
  if (n >= LANES) return *(const NAME(Vector) *)p;
  float t[LANES] = {0};
  for (int i = 0; i < n; i++) t[i] = p[i];
  return *(const NAME(Vector) *)t;
}

ATTRIBUTES INLINE void NAME(setPart)(float *p, NAME(Vector) v, int n) {
  if (n >= LANES) { *(NAME(Vector) *)p = v; return; }
  float t[LANES];
  *(NAME(Vector) *)t = v;
  for (int i = 0; i < n; i++) p[i] = t[i];
}
#endif

// V = Bᵀ d B. Tile i covers lines top … top+3 and pixels left+2i … left+2i+3; outside the image there are zeros.
ATTRIBUTES static void NAME(winogradInput)(int height, int width, int channels, int top, int left, int tiles,
                                           const float *image, float *planes, size_t plane, size_t ld) {
  for (int i = 0; i < tiles; i++, left += 2, planes += ld)
    for (int c = 0; c < channels; c += LANES) {
      const int n = channels - c;
      NAME(Line) d[4], rows[4];
      UNROLL for (int x = 0; x < 4; x++) {
        NAME(Vector) column[4];
        UNROLL for (int y = 0; y < 4; y++) {
          const int inside = (unsigned)(top + y) < (unsigned)height && (unsigned)(left + x) < (unsigned)width;
          column[y] = inside ? NAME(part)(image + ((ptrdiff_t)(top + y) * width + left + x) * channels + c, n)
                             : (NAME(Vector)){0};
        }
        NAME(Vector) t[4];
        BT(t, column)
        UNROLL for (int y = 0; y < 4; y++) rows[y][x] = t[y];
      }
      UNROLL for (int y = 0; y < 4; y++) {
        BT(d[y], rows[y])
        UNROLL for (int x = 0; x < 4; x++) NAME(setPart)(planes + (4 * y + x) * plane + c, d[y][x], n);
      }
    }
}

// y = Aᵀ m A + bias, for output lines top, top+1 and pixels 2i, 2i+1 as far as the image goes; bias may be null.
ATTRIBUTES static void NAME(winogradOutput)(int height, int width, int channels, int top, int tiles,
                                            const float *planes, size_t plane, size_t ld, const float *bias, float *y) {
  for (int i = 0; i < tiles; i++, planes += ld)
    for (int c = 0; c < channels; c += LANES) {
      const int n = channels - c;
      NAME(Vector) rows[2][4];
      UNROLL for (int x = 0; x < 4; x++) {
        NAME(Vector) m[4];
        UNROLL for (int r = 0; r < 4; r++) m[r] = NAME(part)(planes + (4 * r + x) * plane + c, n);
        rows[0][x] = m[0] + m[1] + m[2];
        rows[1][x] = m[1] - m[2] - m[3];
      }
      const NAME(Vector) b = bias ? NAME(part)(bias + c, n) : (NAME(Vector)){0};
      UNROLL for (int r = 0; r < 2; r++) {
        if (top + r >= height) break;
        float *to = y + ((size_t)(top + r) * width + 2 * i) * channels + c;
        NAME(setPart)(to, rows[r][0] + rows[r][1] + rows[r][2] + b, n);
        if (2 * i + 1 < width) NAME(setPart)(to + channels, rows[r][1] - rows[r][2] - rows[r][3] + b, n);
      }
    }
}

// Z = A dy Aᵀ, the transpose of winogradOutput.
ATTRIBUTES static void NAME(winogradOutputGradient)(int height, int width, int channels, int top, int tiles,
                                                    const float *dy, float *planes, size_t plane, size_t ld) {
  for (int i = 0; i < tiles; i++, planes += ld)
    for (int c = 0; c < channels; c += LANES) {
      const int n = channels - c;
      NAME(Vector) rows[4][2];
      UNROLL for (int x = 0; x < 2; x++) {
        NAME(Vector) d[2];
        UNROLL for (int r = 0; r < 2; r++)
          d[r] = top + r < height && 2 * i + x < width
                     ? NAME(part)(dy + ((size_t)(top + r) * width + 2 * i + x) * channels + c, n)
                     : (NAME(Vector)){0};
        rows[0][x] = d[0];
        rows[1][x] = d[0] + d[1];
        rows[2][x] = d[0] - d[1];
        rows[3][x] = -d[1];
      }
      UNROLL for (int r = 0; r < 4; r++) {
        float *to = planes + 4 * r * plane + c;
        NAME(setPart)(to, rows[r][0], n);
        NAME(setPart)(to + plane, rows[r][0] + rows[r][1], n);
        NAME(setPart)(to + 2 * plane, rows[r][0] - rows[r][1], n);
        NAME(setPart)(to + 3 * plane, -rows[r][1], n);
      }
    }
}

// dd = B m Bᵀ, added into the image: the transpose of winogradInput.
ATTRIBUTES static void NAME(winogradInputGradient)(int height, int width, int channels, int top, int left, int tiles,
                                                   const float *planes, size_t plane, size_t ld, float *image) {
  for (int i = 0; i < tiles; i++, left += 2, planes += ld)
    for (int c = 0; c < channels; c += LANES) {
      const int n = channels - c;
      NAME(Line) rows[4];
      UNROLL for (int x = 0; x < 4; x++) {
        NAME(Vector) m[4], t[4];
        UNROLL for (int r = 0; r < 4; r++) m[r] = NAME(part)(planes + (4 * r + x) * plane + c, n);
        B_(t, m)
        UNROLL for (int r = 0; r < 4; r++) rows[r][x] = t[r];
      }
      UNROLL for (int y = 0; y < 4; y++) {
        if ((unsigned)(top + y) >= (unsigned)height) continue;
        NAME(Vector) d[4];
        B_(d, rows[y])
        UNROLL for (int x = 0; x < 4; x++) {
          if ((unsigned)(left + x) >= (unsigned)width) continue;
          float *to = image + ((ptrdiff_t)(top + y) * width + left + x) * channels + c;
          NAME(setPart)(to, NAME(part)(to, n) + d[x], n);
        }
      }
    }
}

#if LANES == 8
// U = G g Gᵀ for outputs first ..< last of w [outputs, 3, 3, channels], into sixteen sets of panels of `panels` floats
// each: k = channels, n = outputs for the forward pass; k = outputs, n = channels for the backward pass. What no weight
// reaches must be zero already.
ATTRIBUTES static void NAME(winogradWeights)(int outputs, int channels, int first, int last, int backward,
                                             const float *w, float *panels, size_t set) {
  for (int o = first; o < last; o++)
    for (int c0 = 0; c0 < channels; c0 += 16) {
      const int m = channels - c0 < 16 ? channels - c0 : 16;
      float u[16][16];
      const float *g = w + (size_t)o * 9 * channels + c0;
      for (int c = 0; c < m; c++) {
        float t[4][3];
        UNROLL for (int x = 0; x < 3; x++) {
          const float a = g[x * channels + c], b = g[(3 + x) * channels + c], d = g[(6 + x) * channels + c];
          t[0][x] = a;
          t[1][x] = 0.5f * (a + d) + 0.5f * b;
          t[2][x] = 0.5f * (a + d) - 0.5f * b;
          t[3][x] = d;
        }
        UNROLL for (int y = 0; y < 4; y++) {
          u[4 * y][c] = t[y][0];
          u[4 * y + 1][c] = 0.5f * (t[y][0] + t[y][2]) + 0.5f * t[y][1];
          u[4 * y + 2][c] = 0.5f * (t[y][0] + t[y][2]) - 0.5f * t[y][1];
          u[4 * y + 3][c] = t[y][2];
        }
      }
      int panel;
      for (int e = 0; e < 16; e++) {
        float *to = panels + e * set;
        if (backward) {
          for (int c = 0; c < m; c++) {
            const size_t at = NAME(panel)(outputs, channels, c0 + c, &panel);
            to[at + (size_t)(o + 1) * panel + (c0 + c) % (2 * LANES)] = u[e][c];
          }
        } else {
          const size_t at = NAME(panel)(channels, outputs, o, &panel) + o % (2 * LANES);
          for (int c = 0; c < m; c++) to[at + (size_t)(c0 + c + 1) * panel] = u[e][c];
        }
      }
    }
}

// g (+)= Gᵀ U G for `count` values of each element of U.
ATTRIBUTES static void NAME(winogradWeightGradient)(int channels, const float *restrict u, size_t plane,
                                                    float *restrict g, int overwrite) {
  for (int c = 0; c < channels; c++) {
    float t[3][4];
    UNROLL for (int x = 0; x < 4; x++) {
      const float a = u[x * plane + c], b = u[(4 + x) * plane + c], d = u[(8 + x) * plane + c], e = u[(12 + x) * plane + c];
      t[0][x] = a + 0.5f * (b + d);
      t[1][x] = 0.5f * (b - d);
      t[2][x] = 0.5f * (b + d) + e;
    }
    UNROLL for (int y = 0; y < 3; y++) {
      const float r0 = t[y][0] + 0.5f * (t[y][1] + t[y][2]), r1 = 0.5f * (t[y][1] - t[y][2]),
                  r2 = 0.5f * (t[y][1] + t[y][2]) + t[y][3];
      float *to = g + 3 * y * channels + c;
      to[0] = overwrite ? r0 : to[0] + r0;
      to[channels] = overwrite ? r1 : to[channels] + r1;
      to[2 * channels] = overwrite ? r2 : to[2 * channels] + r2;
    }
  }
}
#endif
#undef BT
#undef B_
