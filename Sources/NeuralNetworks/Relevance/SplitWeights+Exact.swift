import LinearAlgebra

/// Relevance through a convolution whose sums come from Winograd's algorithm.
///
/// F(2×2, 3×3) adds and subtracts the sixteen values under a tile; the error of a sum is that of the largest among them.
/// An output is divided by z⁺ and z⁻, so its share has the relative error of the smaller: of one that is a sixteenth of its
/// channel's largest some 1e-6 · 16. Below that, and where nothing but rounding is left, the output is done by itself.
extension SplitWeights {
  private static let smallShare: Float = 1.0 / 16

  /// z⁺ ← α·R/z⁺, z⁻ ← −β·R/z⁻; 0 for outputs whose z is too small for Winograd's sums, and where a channel has no
  /// weights of a sign.
  ///
  /// - z: [samples, pixels, 2 · outputs] and, behind it, `dividingFloats`.
  /// - Returns: numbers of the outputs that were left out, in [samples, pixels, outputs].
  func divideLarge(_ z: UnsafeMutablePointer<Float>, _ r: UnsafePointer<Float>, samples: Int, _ rule: RelevanceRule)
    -> UnsafeBufferPointer<UInt32>
  {
    let (n, pixels) = (output.channels, output.pixels)
    let room = z + samples * pixels * 2 * n
    let left = UnsafeMutableRawPointer(room + 2 * n).bindMemory(to: UInt32.self, capacity: samples * output.count)
    var count = 0
    for s in 0..<samples {
      let found = kernels.relevanceShares(
        pixels, n, z + s * pixels * 2 * n, r + s * output.count, rule.alpha, -rule.beta, Self.smallShare, room,
        left + count)
      for i in count..<count + found { left[i] += UInt32(s * output.count) }
      count += found
    }
    return UnsafeBufferPointer(start: left, count: count)
  }

  /// What `divideLarge` wants behind a block of z: the least that counts of each, and numbers of those below.
  static func dividingFloats(_ output: Shape, samples: Int) -> Int { 2 * output.channels + samples * output.count }

  /// Adds W⁺ᵀs⁺ + W⁻ᵀs⁻ of one output to that of its patch.
  ///
  /// - Parameters:
  ///   - o: its number in [samples, pixels, outputs].
  ///   - x: [samples, input]   - back: the same
  func addExact(
    _ o: Int, _ x: UnsafePointer<Float>, _ relevance: Float, _ rule: RelevanceRule,
    to back: UnsafeMutablePointer<Float>
  ) {
    guard let conv = twin as? Conv2D else { return }
    let (row, channel) = o.quotientAndRemainder(dividingBy: output.channels)
    let (sample, pixel) = row.quotientAndRemainder(dividingBy: output.pixels)
    let (oy, ox) = pixel.quotientAndRemainder(dividingBy: output.width)
    let c = input.channels
    let (height, width) = conv.kernelSize
    let plus = twin.weights[0].arrays[0].plainWeights! + channel * height * width * c
    let minus = plus + output.channels * height * width * c
    // On each line of the kernel the pixels that lie inside of the image are one run.
    let (y0, x0) = (oy * conv.stride - conv.padding, ox * conv.stride - conv.padding)
    let lines = max(0, -y0)..<min(height, input.height - y0)
    let (from, to) = (max(0, -x0), min(width, input.width - x0))
    let run = (to - from) * c
    func place(_ ky: Int) -> (image: Int, kernel: Int) {
      (sample * input.count + ((y0 + ky) * input.width + x0 + from) * c, (ky * width + from) * c)
    }
    var (zPlus, zMinus): (Float, Float) = (0, 0)
    for ky in lines {
      let (image, kernel) = place(ky)
      zPlus += dot(x + image, plus + kernel, run)
      zMinus += dot(x + image, minus + kernel, run)
    }
    let e = RelevanceRule.stabilizer
    let sPlus = rule.alpha * relevance / (zPlus + (zPlus < 0 ? -e : e))
    let sMinus = -rule.beta * relevance / (zMinus + (zMinus > 0 ? e : -e))
    for ky in lines {
      let (image, kernel) = place(ky)
      let (p, m, target) = (plus + kernel, minus + kernel, back + image)
      for i in 0..<run { target[i] += p[i] * sPlus + m[i] * sMinus }
    }
  }

  /// Σ a·b in eight sums side by side.
  private func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
    var sums = SIMD8<Float>.zero
    let whole = count / 8 * 8
    for i in stride(from: 0, to: whole, by: 8) {
      let u = UnsafeRawPointer(a + i).loadUnaligned(as: SIMD8<Float>.self)
      let v = UnsafeRawPointer(b + i).loadUnaligned(as: SIMD8<Float>.self)
      sums += u * v
    }
    var sum = sums.sum()
    for i in whole..<count { sum += a[i] * b[i] }
    return sum
  }
}
