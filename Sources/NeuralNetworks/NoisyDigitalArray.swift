import LinearAlgebra

/// Weights in memory that are trained under noise, so that they bear the devices they will be written to: hardware-aware
/// training (Joshi et al., Nature Communications 11, 2473 (2020); AIHWKit's weight modifier `ADD_NORMAL`).
///
///     training reads:   W̃ = W + noise · max|W| · N(0, 1),   forward and backward
///     all other reads:  W
///     updates:          W ← W + ΔW, then cut at ± clip · σ(W)
///
/// The noise is drawn anew for every step, once for forward and backward, as a function of (seed, array, step, element):
/// it does not depend on threads, and a run that is resumed sees the same. max|W| and σ(W) are the array's own. The
/// gradient is taken at W̃ and changes W, which is all that is stored.
public final class NoisyDigitalArray: WeightArray {
  private let clean: DigitalArray
  private let noisy: DigitalArray
  /// σ of the noise, relative to max|W|.
  public let noise: Float
  /// Largest |W| after an update, in standard deviations of W; nil: not cut. AIHWKit's `LAYER_GAUSSIAN` clipping.
  public let clip: Float?
  private let owner: Int
  private let seed: UInt64
  /// The step that `noisy` was drawn for; nil: none, or the weights have changed since.
  private var drawnFor: Int?

  // What the drawing under way needs, so that its parallel loop captures nothing.
  private var step = 0
  private var deviation: Float = 0
  private static let block = 1 << 14

  /// - Parameters:
  ///   - weights: [outputs, inputs]
  ///   - noise: σ, relative to max|W|.
  ///   - clip: in standard deviations of W.
  ///   - owner, seed: key the noise.
  public init(_ weights: Tensor, noise: Float, clip: Float?, owner: Int, seed: UInt64) {
    clean = DigitalArray(weights)
    noisy = DigitalArray(weights)
    self.noise = noise
    self.clip = clip
    self.owner = owner
    self.seed = seed
  }

  public var outputs: Int { clean.outputs }
  public var inputs: Int { clean.inputs }
  public func scratchFloats(rows: Int) -> Int { clean.scratchFloats(rows: rows) }
  public func needsCalibration(training: Bool) -> Bool { false }
  public func finishCalibration(training: Bool) {}

  // MARK: Reads

  public func prepare(step: Int, workers: Int, pool: ThreadPool) throws {
    guard noise > 0, step >= 0, drawnFor != step else { return }
    let n = outputs * inputs
    let w = UnsafePointer(clean.plainWeights!)
    var largest: Float = 0
    for i in 0..<n { largest = max(largest, abs(w[i])) }
    self.step = step
    deviation = noise * largest
    pool.run(
      count: (n + Self.block - 1) / Self.block, context: Unmanaged.passUnretained(self).toOpaque()
    ) { context, item, _ in
      Unmanaged<NoisyDigitalArray>.fromOpaque(context).takeUnretainedValue().draw(item)
    }
    drawnFor = step
  }

  private func draw(_ item: Int) {
    let at = item * Self.block
    let n = min(Self.block, outputs * inputs - at)
    let from = clean.plainWeights! + at
    let to = noisy.plainWeights! + at
    RandomPurpose.weightNoise.stream(seed: seed, owner: owner, index: UInt64(step)).fillGaussian(
      to, count: n, first: at)
    for i in 0..<n { to[i] = from[i] + deviation * to[i] }
  }

  /// The weights that a read sees.
  @inline(__always) private func read(_ context: ReadContext) -> DigitalArray {
    context.training && noise > 0 ? noisy : clean
  }

  public func forward(
    _ x: UnsafePointer<Float>, _ ldx: Int, rows: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int,
    _ context: ReadContext
  ) {
    read(context).forward(x, ldx, rows: rows, y, ldy, context)
  }

  public func backward(
    _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, _ dx: UnsafeMutablePointer<Float>, _ lddx: Int,
    _ context: ReadContext
  ) {
    read(context).backward(dy, lddy, rows: rows, dx, lddx, context)
  }

  // MARK: Updates

  public var updatesInArray: Bool { false }

  public func outerProduct(_ gradient: UnsafePointer<Float>, rate: Float, step: Int, pool: ThreadPool) {
    clean.outerProduct(gradient, rate: rate, step: step, pool: pool)
    cut()
  }

  public func apply(delta: UnsafePointer<Float>, step: Int, pool: ThreadPool) {
    clean.apply(delta: delta, step: step, pool: pool)
    cut()
  }

  private func cut() {
    drawnFor = nil
    guard let clip else { return }
    let w = clean.plainWeights!
    let n = outputs * inputs
    var (sum, squares) = (0.0, 0.0)
    for i in 0..<n {
      let value = Double(w[i])
      sum += value
      squares += value * value
    }
    let mean = sum / Double(n)
    let bound = clip * Float(max(0, squares / Double(n) - mean * mean).squareRoot())
    for i in 0..<n { w[i] = min(bound, max(-bound, w[i])) }
  }

  // MARK: Weights and state

  public func program(_ weights: Tensor, pool: ThreadPool) throws {
    try clean.program(weights, pool: pool)
    drawnFor = nil
  }

  public var weights: Tensor { clean.weights }

  /// None: an optimizer must change the weights by `apply`, and layers must read through the array.
  public var plainWeights: UnsafeMutablePointer<Float>? { nil }

  public func select(outputs: [Int], inputs: [Int]) throws {
    try clean.select(outputs: outputs, inputs: inputs)
    try noisy.select(outputs: outputs, inputs: inputs)
    drawnFor = nil
  }

  public var state: [NamedTensor] { clean.state }

  public func restore(_ state: [String: Tensor]) throws {
    try clean.restore(state)
    drawnFor = nil
  }

  public var activity: Activity {
    get {
      var total = clean.activity
      total += noisy.activity
      return total
    }
    set {
      clean.activity = newValue
      noisy.activity = Activity()
    }
  }
}

/// Weights in memory, trained under noise.
public struct NoisyDigitalHardware: Hardware {
  public let noise: Float
  public let clip: Float?
  public let seed: UInt64

  /// - Parameters: as `NoisyDigitalArray`'s.
  public init(noise: Float, clip: Float?, seed: UInt64) {
    self.noise = noise
    self.clip = clip
    self.seed = seed
  }

  public func makeArray(weights: Tensor, name: String, owner: Int, pool: ThreadPool) throws -> any WeightArray {
    NoisyDigitalArray(weights, noise: noise, clip: clip, owner: owner, seed: seed)
  }
}
