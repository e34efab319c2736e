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

// g (+)= Gᵀ U G for one output: U's element e at u + e · plane, g [3, 3, channels].
ATTRIBUTES static void NAME(winogradWeightGradient)(int channels, const float *u, size_t plane, float *g, int overwrite) {
  for (int c = 0; c < channels; c += LANES, u += LANES) {
    const int n = channels - c;
    NAME(Vector) t[3][4];
    UNROLL for (int x = 0; x < 4; x++) {
      NAME(Vector) m[4];
      UNROLL for (int y = 0; y < 4; y++) m[y] = NAME(part)(u + (4 * y + x) * plane, n);
      const NAME(Vector) sum = 0.5f * (m[1] + m[2]);
      t[0][x] = m[0] + sum;
      t[1][x] = 0.5f * (m[1] - m[2]);
      t[2][x] = sum + m[3];
    }
    UNROLL for (int y = 0; y < 3; y++) {
      const NAME(Vector) sum = 0.5f * (t[y][1] + t[y][2]);
      const NAME(Vector) r[3] = {t[y][0] + sum, 0.5f * (t[y][1] - t[y][2]), sum + t[y][3]};
      UNROLL for (int x = 0; x < 3; x++) {
        float *to = g + (3 * y + x) * channels + c;
        NAME(setPart)(to, overwrite ? r[x] : NAME(part)(to, n) + r[x], n);
      }
    }
  }
}

#if LANES == 8
// U = G g Gᵀ for outputs first ..< last of w [outputs, 3, 3, channels], into sixteen sets of panels of `set` floats
// each: k = channels, n = outputs for the forward pass; k = outputs, n = channels for the backward pass. `first` is a
// multiple of LANES. Rows of biases and columns that are none become zero.
ATTRIBUTES static void NAME(winogradWeights)(int outputs, int channels, int first, int last, int backward,
                                             const float *w, float *panels, size_t set) {
  for (int o = first; o < last; o += LANES)
    for (int c = 0; c < channels; c += LANES) {
      const int rows = last - o < LANES ? last - o : LANES, columns = channels - c < LANES ? channels - c : LANES;
      // A panel's rows lie along outputs forward, along channels backward: whole vectors of them are written.
      NAME(Vector) g[9][LANES];
      for (int tap = 0; tap < 9; tap++) {
        for (int r = 0; r < LANES; r++)
          g[tap][r] = r < rows ? NAME(part)(w + ((size_t)(o + r) * 9 + tap) * channels + c, columns) : (NAME(Vector)){0};
        if (!backward) NAME(transpose)(g[tap]);
      }
      int width;
      float *to = panels + (backward ? NAME(panel)(outputs, channels, c, &width) + (size_t)(o + 1) * width + c % (2 * LANES)
                                     : NAME(panel)(channels, outputs, o, &width) + (size_t)(c + 1) * width + o % (2 * LANES));
      if ((backward ? o : c) == 0)
        for (int e = 0; e < 16; e++) *(NAME(Vector) *)(to - width + e * set) = (NAME(Vector)){0};
      for (int l = 0; l < (backward ? rows : columns); l++, to += width) {
        NAME(Vector) t[4][3];
        UNROLL for (int x = 0; x < 3; x++) {
          const NAME(Vector) sum = 0.5f * (g[x][l] + g[6 + x][l]), middle = 0.5f * g[3 + x][l];
          t[0][x] = g[x][l];
          t[1][x] = sum + middle;
          t[2][x] = sum - middle;
          t[3][x] = g[6 + x][l];
        }
        UNROLL for (int y = 0; y < 4; y++) {
          const NAME(Vector) sum = 0.5f * (t[y][0] + t[y][2]), middle = 0.5f * t[y][1];
          float *line = to + 4 * y * set;
          *(NAME(Vector) *)line = t[y][0];
          *(NAME(Vector) *)(line + set) = sum + middle;
          *(NAME(Vector) *)(line + 2 * set) = sum - middle;
          *(NAME(Vector) *)(line + 3 * set) = t[y][2];
        }
      }
    }
}
#endif
#undef BT
#undef B_
