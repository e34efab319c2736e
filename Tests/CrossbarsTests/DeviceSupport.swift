import CKernels
import Glibc
import LinearAlgebra

@testable import Crossbars

/// What the tests of devices share.
enum Devices {
  /// The portable bodies and those of the instruction sets that the processor has.
  static let bodies: [(name: String, table: CKernels)] =
    [("portable", ckPortable.pointee)] + (ckAVX2().map { [("avx2", $0.pointee)] } ?? [])
    + (ckAVX512().map { [("avx512", $0.pointee)] } ?? [])

  static func uniforms(_ count: Int, seed: UInt64) -> [Float] { RandomStream(seed: seed, purpose: 1).uniforms(count) }
  static func gaussians(_ count: Int, seed: UInt64) -> [Float] { RandomStream(seed: seed, purpose: 2).gaussians(count) }

  static func plane(_ device: Device, count: Int, chip: UInt64 = 9, plane: Int = 0, faults: [Fault]? = nil)
    -> DevicePlane
  {
    DevicePlane(count: count, device: device, chipSeed: chip, owner: 3, plane: plane, faults: faults)
  }

  static func stream(_ index: UInt64 = 0, seed: UInt64 = 17) -> RandomStream {
    RandomStream(seed: seed, purpose: RandomStream.purpose(kind: 7, owner: 3), index: index)
  }

  static func states(_ plane: DevicePlane) -> [Float] {
    Array(UnsafeBufferPointer(start: plane.x.base, count: plane.count))
  }

  static func values(_ s: Storage?) -> [Double] {
    s.map { UnsafeBufferPointer(start: $0.base, count: $0.count).map { Double($0) } } ?? []
  }
}

/// Statistics of a sample against a stated distribution.
enum Sample {
  static func mean(_ x: [Double]) -> Double { x.reduce(0, +) / Double(x.count) }
  static func deviation(_ x: [Double]) -> Double {
    let m = mean(x)
    return (x.reduce(0) { $0 + ($1 - m) * ($1 - m) } / Double(x.count)).squareRoot()
  }
  static func correlation(_ x: [Double], _ y: [Double]) -> Double {
    let (a, b) = (mean(x), mean(y))
    return zip(x, y).reduce(0) { $0 + ($1.0 - a) * ($1.1 - b) } / Double(x.count) / deviation(x) / deviation(y)
  }

  static func normal(_ z: Double) -> Double { 0.5 * erfc(-z / 2.0.squareRoot()) }

  /// Kolmogorov and Smirnov's statistic D·√n; a sample of the distribution stays below 1.95 in 999 of 1,000 cases.
  static func kolmogorov(_ x: [Double], _ cumulative: (Double) -> Double = normal) -> Double {
    let sorted = x.sorted()
    let n = Double(sorted.count)
    var worst = 0.0
    for (i, value) in sorted.enumerated() {
      let f = cumulative(value)
      worst = max(worst, f - Double(i) / n, Double(i + 1) / n - f)
    }
    return worst * n.squareRoot()
  }
  static let kolmogorovLimit = 1.95

  /// Pearson's χ² of counts against probabilities that sum to 1.
  static func chiSquare(_ counts: [Int], _ probabilities: [Double]) -> Double {
    let n = Double(counts.reduce(0, +))
    return zip(counts, probabilities).reduce(0) { sum, pair in
      let expected = n * pair.1
      return sum + (Double(pair.0) - expected) * (Double(pair.0) - expected) / expected
    }
  }
  /// What χ² exceeds in 1 of 1,000 cases, by the degrees of freedom from 1 on.
  static let chiSquareLimit = [10.83, 13.82, 16.27, 18.47, 20.52]
}
