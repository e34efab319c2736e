import LinearAlgebra
import NeuralNetworks

/// Two arrays of one weight matrix, w = γ·A + C: the fast one, A, takes every outer product; its columns are read in turn
/// and written to the slow one, C.
///
/// A device that steps up and down by different amounts drifts, under noise, towards the state where both steps are the
/// same. Here A stands there at zero weight, so that it forgets what does not come again and again, and C learns what
/// does: Tiki-Taka (T. Gokmen and W. Haensch, Front. Neurosci. 14, 103, 2020). Version 2 sums what was read of A digitally
/// in H and writes to C where H amounts to whole pulses (T. Gokmen, Front. Artif. Intell. 4, 699148, 2021).
///
///     every step:             A ← A − fastRate·rate·dyᵀ·x    by pulses
///     every n steps, input i: a = A·e_i, read through the converters;  C[:, i] ← C[:, i] + transferRate·rate·a
public final class TikiTakaArray: AgeingArray, PricedArray, FallibleReads, VerifiedArray {
  /// A and C.
  public let fast: CrossbarArray
  public let slow: CrossbarArray
  private let parameters: UpdateParameters
  private let sumsDigitally: Bool
  /// H, [outputs, inputs].
  private var sums: Storage
  /// A change of C of one column, [outputs, inputs]: all zero elsewhere.
  private var change: Storage
  private var unit: Storage
  private var column: Storage
  private var scratch: Storage

  /// - weights: [outputs, inputs], what C begins with; A begins at zero.
  /// - Throws: as `CrossbarArray`.
  public init(weights: Tensor, parameters: CrossbarParameters, owner: Int, seed: UInt64, pool: ThreadPool) throws {
    var inner = parameters
    self.parameters = parameters.update
    sumsDigitally = parameters.update.mode == .tikiTaka2
    inner.update.mode = .outerProduct
    slow = try CrossbarArray(weights: weights, parameters: inner, owner: owner, seed: seed, pool: pool)
    inner.weightRange = Double(slow.weightRange)
    fast = try CrossbarArray(
      weights: Tensor(shape: weights.shape), parameters: inner, owner: owner, plane: 64, seed: seed, pool: pool)
    sums = Storage(count: weights.count)
    change = Storage(count: weights.count)
    unit = Storage(count: slow.inputs)
    column = Storage(count: slow.outputs)
    scratch = Storage(count: fast.scratchFloats(rows: 1) + 64)
  }

  public var outputs: Int { slow.outputs }
  public var inputs: Int { slow.inputs }
  private var share: Float { Float(parameters.fastShare) }

  public func scratchFloats(rows: Int) -> Int {
    share == 0
      ? slow.scratchFloats(rows: rows)
      : slow.scratchFloats(rows: rows) + rows * max(inputs, outputs) + 64
  }

  public func prepare(step: Int, workers: Int, pool: ThreadPool) throws {
    try slow.prepare(step: step, workers: workers, pool: pool)
    try fast.prepare(step: step, workers: workers, pool: pool)
  }

  public func needsCalibration(training: Bool) -> Bool {
    slow.needsCalibration(training: training) || (share != 0 && fast.needsCalibration(training: training))
  }

  public func finishCalibration(training: Bool) {
    slow.finishCalibration(training: training)
    if share != 0 { fast.finishCalibration(training: training) }
  }

  public func forward(
    _ x: UnsafePointer<Float>, _ ldx: Int, rows: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int,
    _ context: ReadContext
  ) {
    slow.forward(x, ldx, rows: rows, y, ldy, context)
    addFast(rows, outputs, y, ldy, context) { fast.forward(x, ldx, rows: rows, $0, outputs, $1) }
  }

  public func backward(
    _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, _ dx: UnsafeMutablePointer<Float>, _ lddx: Int,
    _ context: ReadContext
  ) {
    slow.backward(dy, lddy, rows: rows, dx, lddx, context)
    addFast(rows, inputs, dx, lddx, context) { fast.backward(dy, lddy, rows: rows, $0, inputs, $1) }
  }

  /// y += γ · what the fast array reads.
  @inline(__always)
  private func addFast(
    _ rows: Int, _ to: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int, _ context: ReadContext,
    read: (UnsafeMutablePointer<Float>, ReadContext) -> Void
  ) {
    guard share != 0 else { return }
    let own = context.scratch
    var rest = context
    rest.scratch = own + (rows * to + 15) / 16 * 16
    read(own, rest)
    for r in 0..<rows { for j in 0..<to { y[r * ldy + j] += share * own[r * to + j] } }
  }

  public var unreachedWrites: Int? { slow.unreachedWrites.map { $0 + (fast.unreachedWrites ?? 0) } }

  public func takeReadFailure() -> ModelError? { slow.takeReadFailure() ?? fast.takeReadFailure() }

  public var updatesInArray: Bool { true }

  public func outerProduct(_ gradient: UnsafePointer<Float>, rate: Float, step: Int, pool: ThreadPool) {
    fast.outerProduct(gradient, rate: rate * Float(parameters.fastRate), step: step, pool: pool)
    guard (step + 1) % parameters.transferInterval == 0 else { return }
    transfer(input: (step + 1) / parameters.transferInterval % inputs, rate: rate, step: step, pool: pool)
  }

  /// Reads one column of A through the converters and writes it to C.
  private func transfer(input: Int, rate: Float, step: Int, pool: ThreadPool) {
    unit.base[input] = 1
    defer { unit.base[input] = 0 }
    // Keyed apart from the samples of a batch, which begin at 0.
    let context = ReadContext(worker: 0, sample: 1 << 62 | UInt64(step), scratch: scratch.base)
    // A begins at zero and grows: no column read before says how large the next may be.
    fast.widenRanges(forUnitInput: input)
    fast.forward(unit.base, inputs, rows: 1, column.base, outputs, context)
    let factor = rate * Float(parameters.transferRate)
    let pulse = 2 * slow.weightRange * Float(slow.parameters.device.pulseStep)
    for o in 0..<outputs {
      let e = o * inputs + input
      var amount = factor * column.base[o]
      if sumsDigitally {
        sums.base[e] += amount
        amount = (sums.base[e] / pulse).rounded(.towardZero) * pulse
        sums.base[e] -= amount
      }
      change.base[e] = -amount
    }
    slow.outerProduct(change.base, rate: 1, step: step, pool: pool)
    for o in 0..<outputs { change.base[o * inputs + input] = 0 }
  }

  public func apply(delta: UnsafePointer<Float>, step: Int, pool: ThreadPool) {
    slow.apply(delta: delta, step: step, pool: pool)
  }

  public func program(_ weights: Tensor, pool: ThreadPool) throws {
    try slow.program(weights, pool: pool)
    try fast.program(Tensor(shape: [outputs, inputs]), pool: pool)
    sums.base.update(repeating: 0, count: sums.count)
  }

  public var weights: Tensor {
    var w = slow.weights
    guard share != 0 else { return w }
    let a = fast.weights
    w.withUnsafeMutableBufferPointer { w in
      a.withUnsafeBufferPointer { a in for i in 0..<w.count { w[i] += share * a[i] } }
    }
    return w
  }

  /// The slow array's, with the devices of both.
  public var design: CrossbarDesign {
    var design = slow.design
    design.devices += fast.devices
    return design
  }

  /// As `CrossbarArray.age(seconds:pool:)`.
  public func age(seconds: Double, pool: ThreadPool) throws {
    try slow.age(seconds: seconds, pool: pool)
    try fast.age(seconds: seconds, pool: pool)
  }

  public var plainWeights: UnsafeMutablePointer<Float>? { nil }

  public func select(outputs: [Int], inputs: [Int]) throws {
    let old = self.inputs
    try slow.select(outputs: outputs, inputs: inputs)
    try fast.select(outputs: outputs, inputs: inputs)
    let kept = Storage(count: outputs.count * inputs.count)
    for (r, o) in outputs.enumerated() {
      for (c, i) in inputs.enumerated() { kept.base[r * inputs.count + c] = sums.base[o * old + i] }
    }
    sums = kept
    change = Storage(count: kept.count)
    unit = Storage(count: inputs.count)
    column = Storage(count: outputs.count)
    scratch = Storage(count: fast.scratchFloats(rows: 1) + 64)
  }

  public var state: [NamedTensor] {
    let h = Tensor(shape: [sums.count], values: Array(UnsafeBufferPointer(start: sums.base, count: sums.count)))
    return slow.state.map { ("slow.\($0.name)", $0.tensor) } + fast.state.map { ("fast.\($0.name)", $0.tensor) }
      + [("sums", h)]
  }

  public func restore(_ state: [String: Tensor]) throws {
    func part(_ prefix: String) -> [String: Tensor] {
      var own: [String: Tensor] = [:]
      for (name, tensor) in state where name.hasPrefix(prefix) { own[String(name.dropFirst(prefix.count))] = tensor }
      return own
    }
    try slow.restore(part("slow."))
    try fast.restore(part("fast."))
    guard let h = state["sums"], h.count == sums.count else {
      throw ModelError("the checkpoint holds no sums of Tiki-Taka for [\(outputs), \(inputs)]")
    }
    h.withUnsafeBufferPointer { sums.base.update(from: $0.baseAddress!, count: sums.count) }
  }

  /// Both arrays' work; setting it sets the slow one's and clears the fast one's.
  public var activity: Activity {
    get {
      var total = slow.activity
      total += fast.activity
      return total
    }
    set {
      slow.activity = newValue
      fast.activity = Activity()
    }
  }
}
