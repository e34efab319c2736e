import CKernels
import Glibc
import LinearAlgebra
import Testing

/// The converters' kernels, both bodies, against Float64 and against each other; the devices' are in DeviceKernelTests.
struct CrossbarKernelTests {
  /// The portable body and, where the processor has it, the AVX2 body.
  static let bodies: [(name: String, table: CKernels)] =
    [("portable", ckPortable.pointee)] + (ckAVX2().map { [("avx2", $0.pointee)] } ?? [])

  static func uniforms(_ count: Int, seed: UInt64) -> [Float] { RandomStream(seed: seed, purpose: 1).uniforms(count) }
  static func gaussians(_ count: Int, seed: UInt64) -> [Float] { RandomStream(seed: seed, purpose: 2).gaussians(count) }

  // MARK: Converters

  /// The AVX2 body fuses a product and a sum, so that the nearest of ties may differ.
  @Test(
    "both bodies convert inputs alike, but for ties", arguments: [Float(0), 1, 127, 32767],
    [(Float(0), 37), (0.7, 37), (0, 5), (0, 16)])
  func inputsAgree(levels: Float, item: (range: Float, n: Int)) throws {
    guard Self.bodies.count == 2 else { return }
    let (range, n) = item
    let (rows, stride) = (9, 41)
    var x = Self.gaussians(rows * stride, seed: 7)
    for j in 0..<n { x[3 * stride + j] = 0 }
    for j in 0..<n { x[4 * stride + j] *= 1e-40 }
    let results = Self.bodies.map { body in
      var q = [Float](repeating: 9, count: rows * n)
      var scales = [Float](repeating: 9, count: rows)
      let clips = body.table.quantizeRows(rows, n, x, stride, levels, range, &q, n, &scales)
      return (q, scales, clips)
    }
    #expect(results[0].1 == results[1].1 && results[0].2 == results[1].2)
    let gaps = zip(results[0].0, results[1].0).map { abs($0 - $1) }.filter { $0 > 1e-6 }
    #expect(gaps.count <= 2 && gaps.allSatisfy { $0 < 1.01 / max(levels, 1) })
    let (q, scales, clips) = results[0]
    #expect(q.allSatisfy { abs($0) <= 1.000_001 })
    #expect(
      clips
        == (range == 0
          ? 0
          : UInt64(
            (0..<rows).reduce(0) { sum, r in
              sum + (0..<n).filter { abs(x[r * stride + $0]) > range }.count
            })))
    for r in 0..<rows {
      let largest = x[r * stride..<r * stride + n].map { abs($0) }.max()!
      #expect(scales[r] == (range == 0 ? largest : range))
    }
  }

  @Test(
    "outputs are converted as written: round half to even, clip, count; both bodies agree", arguments: [0, 1],
    [53, 5, 8, 1])
  func outputs(first: Int32, n: Int) {
    let rows = 7
    let levels: Float = 7
    let step: Float = 0.125
    // Multiples of a quarter step: ties included, all exact.
    let partial = Self.gaussians(rows * n, seed: 8).map { ($0 * 20).rounded() * step / 4 }
    let scales: [Float] = [1, 0.5, 2, 4, 0, 0.25, 8]
    for (name, table) in Self.bodies {
      var y = [Float](repeating: 3, count: rows * n)
      let clips = table.accumulateConverted(rows, n, partial, n, scales, step, levels, first, &y, n)
      var expected = UInt64(0)
      for e in 0..<(rows * n) {
        let t = partial[e] / step
        if abs(t) > levels { expected += 1 }
        let value = min(levels, max(-levels, t.rounded(.toNearestOrEven))) * step * scales[e / n]
        #expect(y[e] == (first == 1 ? value : 3 + value), "\(name)")
      }
      #expect(clips == expected && (clips > 10 || n < 53))
    }
  }

  @Test("effective weights of both bodies agree with Float64", arguments: [false, true])
  func effective(distorted: Bool) {
    let n = 77
    let (plus, minus) = (Self.uniforms(n, seed: 2), Self.uniforms(n, seed: 3))
    let (a, b) = (Self.uniforms(n, seed: 4), Self.uniforms(n, seed: 5))
    for (name, table) in Self.bodies {
      var w = [Float](repeating: 0, count: n)
      if distorted {
        table.effectiveWeights(n, 3, 0.1, plus, minus, a, b, &w)
      } else {
        table.effectiveWeights(n, 3, 0.1, plus, minus, nil, nil, &w)
      }
      for e in 0..<n {
        let (p, m) = (Double(plus[e]), Double(minus[e]))
        let expected =
          distorted
          ? 3 * ((p + Double(Float(0.1))) * Double(a[e]) - (m + Double(Float(0.1))) * Double(b[e])) : 3 * (p - m)
        #expect(abs(Double(w[e]) - expected) < 1e-6, "\(name)")
      }
    }
  }
}
