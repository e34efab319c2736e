import LinearAlgebra
import NeuralNetworks

/// Word lines that hold a bias: in every read each is driven at the level b, so that b·Σ w over them is the bias.
struct BiasLines {
  var count: Int
  /// b, in units of the inputs.
  var level: Float

  /// Weights with the lines' devices behind the inputs' own, the bias shared evenly: [outputs, inputs + count].
  func extended(_ weights: Tensor, _ bias: Tensor) -> Tensor {
    let (outputs, inputs) = (weights.shape[0], weights.shape[1])
    var result = Tensor(shape: [outputs, inputs + count])
    let (w, b) = (weights.values, bias.values)
    result.withUnsafeMutableBufferPointer { to in
      for o in 0..<outputs {
        for i in 0..<inputs { to[o * (inputs + count) + i] = w[o * inputs + i] }
        for i in inputs..<inputs + count { to[o * (inputs + count) + i] = b[o] / (level * Float(count)) }
      }
    }
    return result
  }
}

/// Crossbars with a bias on word lines of their own, behind those of the inputs (AIHWKit's analogue bias has one, at
/// level 1).
///
///     y = W·x + level · Σ_lines w     every read drives the lines, converts them and loses voltage to them like any other
///
/// The lines' devices take part in every update: of an outer product their input is the level, so that each learns with
/// level · Σ dy. A change that was computed digitally is shared evenly among them. Of a backward read what arrives at the
/// lines is dropped.
public final class BiasLineArray: CrossbarHolder, BiasedArray {
  private let inner: any CrossbarHolder
  private let lines: BiasLines
  private var change: UnsafePointer<Float>?
  /// A gradient or change with the lines' columns, [outputs, inputs + lines].
  private var extended: Storage?
  /// Vectors with the lines' inputs, [rows, inputs + lines].
  private var vectors: Storage?

  init(_ inner: any CrossbarHolder, _ lines: BiasLines) {
    self.inner = inner
    self.lines = lines
  }

  public var crossbar: CrossbarArray { inner.crossbar }
  public var outputs: Int { inner.outputs }
  public var inputs: Int { inner.inputs - lines.count }
  private var wide: Int { inner.inputs }

  // MARK: Reads

  private func ownFloats(rows: Int) -> Int { (rows * wide + 31) / 16 * 16 }

  public func scratchFloats(rows: Int) -> Int { inner.scratchFloats(rows: rows) + ownFloats(rows: rows) }

  public func prepare(step: Int, workers: Int, pool: ThreadPool) throws {
    try inner.prepare(step: step, workers: workers, pool: pool)
  }
  public func needsCalibration(training: Bool) -> Bool { inner.needsCalibration(training: training) }
  public func finishCalibration(training: Bool) { inner.finishCalibration(training: training) }
  public func takeReadFailure() -> ModelError? { inner.takeReadFailure() }

  /// Vectors with the level on the lines behind them.
  private func extend(_ x: UnsafePointer<Float>, _ ldx: Int, _ rows: Int, into to: UnsafeMutablePointer<Float>) {
    let n = inputs
    for r in 0..<rows {
      (to + r * wide).update(from: x + r * ldx, count: n)
      (to + r * wide + n).update(repeating: lines.level, count: lines.count)
    }
  }

  public func forward(
    _ x: UnsafePointer<Float>, _ ldx: Int, rows: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int,
    _ context: ReadContext
  ) {
    var rest = context
    rest.scratch = context.scratch + ownFloats(rows: rows)
    extend(x, ldx, rows, into: context.scratch)
    inner.forward(context.scratch, wide, rows: rows, y, ldy, rest)
  }

  public func backward(
    _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, _ dx: UnsafeMutablePointer<Float>, _ lddx: Int,
    _ context: ReadContext
  ) {
    var rest = context
    rest.scratch = context.scratch + ownFloats(rows: rows)
    inner.backward(dy, lddy, rows: rows, context.scratch, wide, rest)
    for r in 0..<rows { (dx + r * lddx).update(from: context.scratch + r * wide, count: inputs) }
  }

  // MARK: Updates

  public var updatesInArray: Bool { inner.updatesInArray }
  public var updatesPerVector: Bool { inner.updatesPerVector }
  public func setBias(change: UnsafePointer<Float>) { self.change = change }

  /// [outputs, inputs] with the lines' columns: the bias's change times `factor`.
  private func extend(_ matrix: UnsafePointer<Float>, factor: Float) -> UnsafePointer<Float> {
    if extended?.count != outputs * wide { extended = Storage(count: outputs * wide) }
    let to = extended!.base
    let n = inputs
    for o in 0..<outputs {
      (to + o * wide).update(from: matrix + o * n, count: n)
      (to + o * wide + n).update(repeating: factor * (change?[o] ?? 0), count: lines.count)
    }
    change = nil
    return UnsafePointer(to)
  }

  public func outerProduct(_ gradient: UnsafePointer<Float>, rate: Float, step: Int, pool: ThreadPool) {
    inner.outerProduct(extend(gradient, factor: lines.level), rate: rate, step: step, pool: pool)
  }

  public func outerProducts(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, first: Int, rate: Float,
    step: Int, pool: ThreadPool
  ) {
    if (vectors?.count ?? 0) < rows * wide { vectors = Storage(count: rows * wide) }
    extend(x, ldx, rows, into: vectors!.base)
    inner.outerProducts(vectors!.base, wide, dy, lddy, rows: rows, first: first, rate: rate, step: step, pool: pool)
  }

  public func finishOuterProducts(pool: ThreadPool) { inner.finishOuterProducts(pool: pool) }

  public func apply(delta: UnsafePointer<Float>, step: Int, pool: ThreadPool) {
    inner.apply(delta: extend(delta, factor: 1 / (lines.level * Float(lines.count))), step: step, pool: pool)
  }

  // MARK: Weights and state

  public func program(_ weights: Tensor, bias: Tensor, pool: ThreadPool) throws {
    guard weights.shape == [outputs, inputs], bias.count == outputs else {
      throw ModelError(
        "weights of shape \(weights.shape) and \(bias.count) biases do not fit an array of [\(outputs), \(inputs)]")
    }
    try inner.program(lines.extended(weights, bias), pool: pool)
  }

  /// The bias stays what the devices hold of it.
  public func program(_ weights: Tensor, pool: ThreadPool) throws {
    var bias = Tensor(shape: [outputs])
    bias.withUnsafeMutableBufferPointer { readBias(into: $0.baseAddress!) }
    try program(weights, bias: bias, pool: pool)
  }

  public func readBias(into bias: UnsafeMutablePointer<Float>) {
    let all = inner.weights
    all.withUnsafeBufferPointer { w in
      for o in 0..<outputs {
        var sum: Float = 0
        for i in inputs..<wide { sum += w[o * wide + i] }
        bias[o] = lines.level * sum
      }
    }
  }

  public var weights: Tensor {
    let all = inner.weights.values
    return Tensor(shape: [outputs, inputs], values: (0..<outputs).flatMap { all[$0 * wide..<$0 * wide + inputs] })
  }

  public var plainWeights: UnsafeMutablePointer<Float>? { nil }

  /// The lines stay.
  public func select(outputs: [Int], inputs: [Int]) throws {
    try inner.select(outputs: outputs, inputs: inputs + (self.inputs..<wide))
    (extended, vectors, change) = (nil, nil, nil)
  }

  public var state: [NamedTensor] { inner.state }
  public func restore(_ state: [String: Tensor]) throws { try inner.restore(state) }

  public var activity: Activity {
    get { inner.activity }
    set { inner.activity = newValue }
  }

  public func age(seconds: Double, pool: ThreadPool) throws { try inner.age(seconds: seconds, pool: pool) }
  public var unreachedWrites: Int? { inner.unreachedWrites }
  public var design: CrossbarDesign { inner.design }
}
