import CKernels

/// A stream of random numbers that is a pure function of (seed, purpose, index): Philox4x32-10 (Salmon, Moraes, Dror,
/// Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11).
///
/// Nothing is ever advanced: element e of a stream is the same whoever asks for it and in whatever order, which is what
/// makes results independent of threads, pieces and resumption. `purpose` says what the numbers are for (and, for
/// devices, of which array), `index` is a global sample number, a step or an epoch.
public struct RandomStream: Sendable, Equatable {
  public let seed: UInt64
  public let purpose: UInt32
  public let index: UInt64

  public init(seed: UInt64, purpose: UInt32, index: UInt64 = 0) {
    self.seed = seed
    self.purpose = purpose
    self.index = index
  }

  /// A purpose made of a kind (0…255) and an owner, such as a layer or an array (0…65,535); 256 consecutive
  /// purposes belong to each.
  public static func purpose(kind: Int, owner: Int = 0) -> UInt32 {
    precondition((0..<256).contains(kind) && (0..<65_536).contains(owner))
    return UInt32(kind) << 24 | UInt32(owner) << 8
  }

  @inlinable public var c: CKStream {
    CKStream(
      seedLow: UInt32(truncatingIfNeeded: seed), seedHigh: UInt32(truncatingIfNeeded: seed >> 32),
      indexLow: UInt32(truncatingIfNeeded: index), indexHigh: UInt32(truncatingIfNeeded: index >> 32), purpose: purpose)
  }

  /// Elements first..<first + count as raw 32-bit numbers. `first` is a multiple of 32.
  public func fillBits(_ out: UnsafeMutablePointer<UInt32>, count: Int, first: Int = 0) {
    precondition(first % 32 == 0)
    kernels.randomBits(c, first, count, out)
  }

  /// Elements uniform on the open interval (0, 1). `first` is a multiple of 32.
  public func fillUniform(_ out: UnsafeMutablePointer<Float>, count: Int, first: Int = 0) {
    precondition(first % 32 == 0)
    kernels.uniform(c, first, count, out)
  }

  /// Standard normal elements (Box and Muller on 23-bit uniforms: |x| < 5.8). `first` is a multiple of 32.
  public func fillGaussian(_ out: UnsafeMutablePointer<Float>, count: Int, first: Int = 0) {
    precondition(first % 32 == 0)
    kernels.gaussian(c, first, count, out)
  }

  public func uniforms(_ count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      if count > 0 { fillUniform(buffer.baseAddress!, count: count) }
      filled = count
    }
  }

  public func gaussians(_ count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      if count > 0 { fillGaussian(buffer.baseAddress!, count: count) }
      filled = count
    }
  }

  /// A random order of 0..<count (Fisher and Yates with unbiased bounded draws).
  public func permutation(_ count: Int) -> [Int] {
    var generator = RandomSequence(self)
    var order = Array(0..<count)
    if count > 1 {
      for i in stride(from: count - 1, through: 1, by: -1) { order.swapAt(i, generator.below(i + 1)) }
    }
    return order
  }
}

/// Draws taken one after another from a `RandomStream`, for set-up work and rare events; hot loops fill arrays instead.
public struct RandomSequence: RandomNumberGenerator {
  private let stream: CKStream
  private var block: UInt32 = 0
  private var words: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
  private var used = 4
  private var spare: Double?

  public init(_ stream: RandomStream) { self.stream = stream.c }

  private mutating func word() -> UInt32 {
    if used == 4 {
      let counter = [block, stream.indexLow, stream.indexHigh, stream.purpose]
      let key = [stream.seedLow, stream.seedHigh]
      withUnsafeMutableBytes(of: &words) { ckPhilox(counter, key, $0.bindMemory(to: UInt32.self).baseAddress!) }
      block &+= 1
      used = 0
    }
    defer { used += 1 }
    switch used {
    case 0: return words.0
    case 1: return words.1
    case 2: return words.2
    default: return words.3
    }
  }

  public mutating func next() -> UInt64 {
    let low = word()
    return UInt64(word()) << 32 | UInt64(low)
  }

  /// Uniform on 0..<bound, without bias.
  public mutating func below(_ bound: Int) -> Int { Int(next(upperBound: UInt64(bound))) }

  /// Uniform on the open interval (0, 1), 53 bits.
  public mutating func uniform() -> Double { (Double(next() >> 12) + 0.5) * 0x1p-52 }

  /// Standard normal (polar method of Marsaglia).
  public mutating func gaussian() -> Double {
    if let value = spare {
      spare = nil
      return value
    }
    while true {
      let u = 2 * uniform() - 1
      let v = 2 * uniform() - 1
      let s = u * u + v * v
      guard s < 1, s > 0 else { continue }
      let factor = (-2 * Elementary.log(s) / s).squareRoot()
      spare = v * factor
      return u * factor
    }
  }

  /// True with the given probability.
  public mutating func bernoulli(_ probability: Double) -> Bool { uniform() < probability }

  /// Number of successes in `trials` independent trials of the given probability.
  ///
  /// Inversion where the mean is small, else the transformed rejection BTRS of Hörmann (J. Stat. Comput. Simul. 46,
  /// 1993), exact in distribution, a constant number of draws for any `trials`.
  public mutating func binomial(_ trials: Int, _ probability: Double) -> Int {
    precondition(trials >= 0 && probability >= 0 && probability <= 1)
    if probability > 0.5 { return trials - binomial(trials, 1 - probability) }
    if trials == 0 || probability == 0 { return 0 }
    let n = Double(trials)
    let q = 1 - probability
    if n * probability < 10 {
      let s = probability / q
      var term = Elementary.pow(q, n)
      var u = uniform()
      var k = 0
      while u > term && k < trials {
        u -= term
        k += 1
        term *= s * (n - Double(k) + 1) / Double(k)
      }
      return k
    }
    let deviation = (n * probability * q).squareRoot()
    let b = 1.15 + 2.53 * deviation
    let a = -0.0873 + 0.0248 * b + 0.01 * probability
    let centre = n * probability + 0.5
    let vr = 0.92 - 4.2 / b
    let alpha = (2.83 + 5.1 / b) * deviation
    let logOdds = Elementary.log(probability / q)
    let mode = ((n + 1) * probability).rounded(.down)
    let h = Elementary.lgamma(mode + 1) + Elementary.lgamma(n - mode + 1)
    while true {
      let u = uniform() - 0.5
      let v = uniform()
      let us = 0.5 - abs(u)
      let k = ((2 * a / us + b) * u + centre).rounded(.down)
      if k < 0 || k > n { continue }
      if us >= 0.07 && v <= vr { return Int(k) }
      let accept = h - Elementary.lgamma(k + 1) - Elementary.lgamma(n - k + 1) + (k - mode) * logOdds
      if Elementary.log(v * alpha / (a / (us * us) + b)) <= accept { return Int(k) }
    }
  }
}
