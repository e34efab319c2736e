import CKernels
import LinearAlgebra
import NeuralNetworks

/// A weight matrix on crossbar tiles, two devices a weight (RxNN, arXiv 1809.00072; TxSim, arXiv 2002.11151).
///
///     w = S·(x⁺ − x⁻),  S = weightRange,  G± = G_min + x±·(G_max − G_min)
///
/// Inputs drive word lines, outputs are bit lines; W [outputs, inputs] is cut into tiles of `rows` inputs × `columns`
/// outputs, the plus and the minus devices on arrays of their own, their column currents subtracted before the ADC. A
/// pair is centred and moves push-pull. Wires, drivers and sense amplifiers turn G into G_eff (`CrossbarCircuit`); the
/// array keeps the distortion D = G_eff/G of the last refresh and reads with G(t) ∘ D, so that the devices themselves
/// always move at once. Where D exceeds 1 (a cell near G_min, which carries mostly sneak current) it is cut and the rest
/// of G_eff kept as a constant.
///
/// A read: inputs are scaled and converted (DAC), each tile's partial sums are converted (ADC), tiles are summed
/// digitally. One strip of tiles is one GEMM over its shared inputs, followed by one converter pass in the cache.
public final class CrossbarArray: WeightArray {
  public internal(set) var outputs: Int
  public internal(set) var inputs: Int
  public let parameters: CrossbarParameters
  /// S, in units of the weight.
  public private(set) var weightRange: Float
  let circuit: CrossbarCircuit
  /// Names the array's random numbers.
  let owner: Int
  let seed: UInt64

  // All [outputs, inputs].
  var xPlus: Storage
  var xMinus: Storage
  /// The chip's device-to-device spread, a factor on each conductance; nil when there is none.
  var spread: (plus: Storage, minus: Storage)?
  /// Distortions (with the devices' spread folded in), forward; nil while they are 1.
  var dPlus: Storage?
  var dMinus: Storage?
  /// The same for the backward read where driver and sense resistance differ; else the forward ones serve.
  var backPlus: Storage?
  var backMinus: Storage?
  /// S·(R⁺ − R⁻)/(G_max − G_min), R the part of G_eff at the last refresh that is sneak current; nil while there is none.
  var sneak: Storage?
  var backSneak: Storage?
  /// The weights that a read sees.
  var effective: Storage
  var effectiveBack: Storage?

  /// Step of the last refresh; −1 before the first and after programming.
  var refreshedAt = -1
  /// ADC full scales in units of weight × scaled input, forward and backward; 0 until calibrated.
  var forwardRange: Float = 0
  var backwardRange: Float = 0

  static let workers = 64
  let counters: UnsafeMutablePointer<Activity>
  private var workspaces: [CircuitWorkspace] = []

  // Arguments of the update under way, so that its parallel loop captures nothing.
  var updateGradient: UnsafePointer<Float>!
  var updateRate: Float = 0
  var updateStep = 0

  /// - Parameters:
  ///   - weights: [outputs, inputs]
  ///   - owner: number of the array within its model; keys its random numbers.
  ///   - seed: of the run; keys update and programming noise. The chip's own seed keys its variation.
  /// - Throws: `CircuitError` for impossible resistances, `ModelError` for weights that are not finite.
  public init(
    weights: Tensor, parameters: CrossbarParameters, owner: Int, seed: UInt64, pool: ThreadPool
  ) throws {
    guard weights.shape.count == 2, weights.count > 0 else {
      throw ModelError("weights of shape \(weights.shape) do not make an array; expected [outputs, inputs]")
    }
    outputs = weights.shape[0]
    inputs = weights.shape[1]
    self.parameters = parameters
    self.owner = owner
    self.seed = seed
    try parameters.validate()
    circuit = try CrossbarCircuit(parameters.circuit)
    let largest = weights.values.reduce(Float(0)) { max($0, abs($1)) }
    weightRange =
      parameters.weightRange.map { Float($0) } ?? max(Float(CrossbarParameters.weightRangeFactor) * largest, 1e-6)
    let n = weights.count
    xPlus = Storage(count: n)
    xMinus = Storage(count: n)
    effective = Storage(count: n)
    counters = .allocate(capacity: Self.workers)
    counters.initialize(repeating: Activity(), count: Self.workers)
    spread = drawSpread()
    try program(weights, pool: pool)
  }

  deinit { counters.deallocate() }

  // MARK: Geometry

  /// Strips of tiles along the inputs and along the outputs.
  public var rowTiles: Int { (inputs + parameters.rows - 1) / parameters.rows }
  public var columnTiles: Int { (outputs + parameters.columns - 1) / parameters.columns }

  /// The backward read needs matrices of its own.
  var isAsymmetric: Bool {
    parameters.method == .exact && parameters.circuit.driverResistance != parameters.circuit.senseResistance
  }

  // MARK: Refresh

  public func prepare(step: Int, workers: Int, pool: ThreadPool) throws {
    precondition(workers <= Self.workers)
    let interval = parameters.refreshInterval
    // A step before the last refresh: another run of training has begun to count.
    let isDue =
      refreshedAt < 0 || (interval > 0 && step >= 0 && (step < refreshedAt || step - refreshedAt >= interval))
    guard isDue else { return }
    try refresh(pool: pool)
    refreshedAt = max(step, 0)
    if case .automatic = parameters.converters.adcRange, parameters.converters.adcBits > 0 {
      forwardRange = 0
      backwardRange = 0
    }
  }

  /// Finds the distortion of every tile anew from the devices as they are.
  private func refresh(pool: ThreadPool) throws {
    let spreads = parameters.device.variation > 0
    guard parameters.method == .exact && !parameters.circuit.isIdeal || spreads else {
      computeEffectiveWeights(0..<xPlus.count)
      return
    }
    let n = xPlus.count
    if dPlus?.count != n {
      dPlus = Storage(count: n)
      dMinus = Storage(count: n)
      if isAsymmetric {
        backPlus = Storage(count: n)
        backMinus = Storage(count: n)
        effectiveBack = Storage(count: n)
      }
    }
    let spread = spread
    while workspaces.count < pool.threads {
      workspaces.append(CircuitWorkspace(rows: parameters.rows, columns: parameters.columns))
    }
    let (perColumn, tiles) = (rowTiles, rowTiles * columnTiles)
    var failures = [String?](repeating: nil, count: pool.threads)
    failures.withUnsafeMutableBufferPointer { failures in
      pool.parallelFor(2 * tiles) { item, worker in
        let tile = item / 2
        do {
          try refreshTile(
            outputTile: tile / perColumn, inputTile: tile % perColumn, isPlus: item % 2 == 0, spread: spread,
            workspace: workspaces[worker])
        } catch { failures[worker] = "\(error)" }
      }
    }
    if let failure = failures.compactMap({ $0 }).first { throw CircuitError(failure) }
    sneak = separateSneakCurrent(dPlus!, dMinus!)
    if let backPlus, let backMinus { backSneak = separateSneakCurrent(backPlus, backMinus) }
    computeEffectiveWeights(0..<n)
  }

  /// Cuts distortions at what the device alone can have, its spread. A cell near G_min carries mostly current of the
  /// paths around it, so that G_eff/G may be hundreds; that current does not grow with the cell, and under such a D a
  /// step of one hundredth would add several times G_max.
  ///
  /// - Returns: what was cut off, in units of the weight; nil if nothing was.
  private func separateSneakCurrent(_ dPlus: Storage, _ dMinus: Storage) -> Storage? {
    let floor = Float(parameters.device.floor)
    var rest: Storage?
    for (d, x, s, sign) in [(dPlus, xPlus, spread?.plus, weightRange), (dMinus, xMinus, spread?.minus, -weightRange)] {
      for e in 0..<d.count {
        let most = s?.base[e] ?? 1
        guard d.base[e] > most else { continue }
        if rest == nil { rest = Storage(count: d.count) }
        rest!.base[e] += sign * (x.base[e] + floor) * (d.base[e] - most)
        d.base[e] = most
      }
    }
    return rest
  }

  private func refreshTile(
    outputTile: Int, inputTile: Int, isPlus: Bool, spread: (plus: Storage, minus: Storage)?, workspace: CircuitWorkspace
  ) throws {
    let (o0, i0) = (outputTile * parameters.columns, inputTile * parameters.rows)
    let columns = min(parameters.columns, outputs - o0)
    let rows = min(parameters.rows, inputs - i0)
    let x = (isPlus ? xPlus : xMinus).base
    let s = isPlus ? spread?.plus.base : spread?.minus.base
    let lowest = 1 / parameters.device.offResistance
    let range = parameters.device.conductanceRange
    // The tile as the circuit sees it: G [word lines, bit lines].
    var g = Matrix(rows: rows, columns: columns)
    g.values.withUnsafeMutableBufferPointer { g in
      for j in 0..<columns {
        for i in 0..<rows {
          let e = (o0 + j) * inputs + i0 + i
          g[i * columns + j] = (lowest + Double(x[e]) * range) * (s.map { Double($0[e]) } ?? 1)
        }
      }
    }
    func store(_ effective: Matrix, transposed: Bool, into d: Storage) {
      effective.values.withUnsafeBufferPointer { r in
        for j in 0..<columns {
          for i in 0..<rows {
            let e = (o0 + j) * inputs + i0 + i
            let value = transposed ? r[j * rows + i] : r[i * columns + j]
            d.base[e] = Float(value / (lowest + Double(x[e]) * range))
          }
        }
      }
    }
    let isReal = parameters.method == .exact && !parameters.circuit.isIdeal
    let forward = isReal ? try circuit.effectiveMatrix(g, .forward, workspace: workspace) : g
    store(forward, transposed: false, into: (isPlus ? dPlus : dMinus)!)
    if let back = isPlus ? backPlus : backMinus {
      store(try circuit.effectiveMatrix(g, .backward, workspace: workspace), transposed: true, into: back)
    }
  }

  /// A truncated Gaussian for each device, from the chip's seed.
  private func drawSpread() -> (plus: Storage, minus: Storage)? {
    let sigma = Float(parameters.device.variation)
    guard sigma > 0 else { return nil }
    func draw(_ sign: UInt64) -> Storage {
      let s = Storage(count: xPlus.count)
      RandomPurpose.deviceVariation.stream(seed: parameters.chipSeed, owner: owner, index: sign)
        .fillGaussian(s.base, count: s.count)
      for i in 0..<s.count { s.base[i] = max(0.01, 1 + sigma * min(3, max(-3, s.base[i]))) }
      return s
    }
    return (draw(0), draw(1))
  }

  /// Recomputes what reads see from the devices and the distortions, for some elements.
  func computeEffectiveWeights(_ range: Range<Int>) {
    let (at, n) = (range.lowerBound, range.count)
    let floor = Float(parameters.device.floor)
    kernels.effectiveWeights(
      n, weightRange, floor, xPlus.base + at, xMinus.base + at, dPlus.map { UnsafePointer($0.base + at) },
      dMinus.map { UnsafePointer($0.base + at) }, effective.base + at)
    if let sneak { for e in range { effective.base[e] += sneak.base[e] } }
    if let back = effectiveBack {
      kernels.effectiveWeights(
        n, weightRange, floor, xPlus.base + at, xMinus.base + at, backPlus.map { UnsafePointer($0.base + at) },
        backMinus.map { UnsafePointer($0.base + at) }, back.base + at)
      if let backSneak { for e in range { back.base[e] += backSneak.base[e] } }
    }
  }

  // MARK: Weights and state

  public var weights: Tensor {
    var result = Tensor(shape: [outputs, inputs])
    result.withUnsafeMutableBufferPointer { w in
      for i in 0..<w.count { w[i] = weightRange * (xPlus.base[i] - xMinus.base[i]) }
    }
    return result
  }

  /// The weights that a forward read sees, before converters: distortion and spread included.
  /// - Returns: [outputs, inputs]
  public var effectiveWeights: Tensor {
    Tensor(shape: [outputs, inputs], values: Array(UnsafeBufferPointer(start: effective.base, count: effective.count)))
  }

  public var plainWeights: UnsafeMutablePointer<Float>? { nil }

  public var activity: Activity {
    get {
      var total = Activity()
      for worker in 0..<Self.workers { total += counters[worker] }
      total.multiplyAccumulates = (total.forwardReads + total.backwardReads) * UInt64(outputs * inputs)
      total.cellReads = 2 * total.multiplyAccumulates
      total.shiftAdds = total.adcConversions
      return total
    }
    set {
      counters.update(repeating: Activity(), count: Self.workers)
      counters[0] = newValue
      counters[0].multiplyAccumulates = 0
      counters[0].cellReads = 0
      counters[0].shiftAdds = 0
    }
  }

  public var state: [NamedTensor] {
    func tensor(_ s: Storage) -> Tensor {
      Tensor(shape: [outputs, inputs], values: Array(UnsafeBufferPointer(start: s.base, count: s.count)))
    }
    var result: [NamedTensor] = [("xPlus", tensor(xPlus)), ("xMinus", tensor(xMinus))]
    for (name, s) in [
      ("dPlus", dPlus), ("dMinus", dMinus), ("backPlus", backPlus), ("backMinus", backMinus),
      ("sneak", sneak), ("backSneak", backSneak), ("spreadPlus", spread?.plus), ("spreadMinus", spread?.minus),
    ] {
      if let s { result.append((name, tensor(s))) }
    }
    let refreshed = refreshedAt + 1
    result.append(
      (
        "scalars",
        Tensor(
          shape: [5],
          values: [Float(refreshed & 0xFF_FFFF), Float(refreshed >> 24), forwardRange, backwardRange, weightRange])
      ))
    return result
  }

  public func restore(_ state: [String: Tensor]) throws {
    func storage(_ name: String) throws -> Storage? {
      guard let tensor = state[name] else { return nil }
      guard tensor.shape == [outputs, inputs] else {
        throw ModelError("the checkpoint's \(name) has shape \(tensor.shape), not [\(outputs), \(inputs)]")
      }
      let s = Storage(count: tensor.count)
      tensor.withUnsafeBufferPointer { s.base.update(from: $0.baseAddress!, count: s.count) }
      return s
    }
    guard let plus = try storage("xPlus"), let minus = try storage("xMinus"), let scalars = state["scalars"],
      scalars.count == 5
    else { throw ModelError("the checkpoint holds no device states of [\(outputs), \(inputs)]") }
    let values = scalars.values
    // Fixed by the weights that were mapped: a model that was trained before has another than its initial weights.
    guard values[4] > 0, values[4].isFinite else { throw ModelError("the checkpoint's weight range is \(values[4])") }
    weightRange = values[4]
    xPlus = plus
    xMinus = minus
    (dPlus, dMinus) = (try storage("dPlus"), try storage("dMinus"))
    (backPlus, backMinus) = (try storage("backPlus"), try storage("backMinus"))
    (sneak, backSneak) = (try storage("sneak"), try storage("backSneak"))
    effectiveBack = backPlus.map { Storage(count: $0.count) }
    if let plus = try storage("spreadPlus"), let minus = try storage("spreadMinus") { spread = (plus, minus) }
    refreshedAt = Int(values[0]) + Int(values[1]) << 24 - 1
    (forwardRange, backwardRange) = (values[2], values[3])
    computeEffectiveWeights(0..<xPlus.count)
  }

  public func select(outputs keptOutputs: [Int], inputs keptInputs: [Int]) throws {
    guard keptOutputs.allSatisfy({ $0 >= 0 && $0 < outputs }), keptInputs.allSatisfy({ $0 >= 0 && $0 < inputs }),
      !keptOutputs.isEmpty, !keptInputs.isEmpty
    else { throw ModelError("a selection must keep at least one output and input, all of them within the array") }
    let old = inputs
    func kept(_ s: Storage) -> Storage {
      let result = Storage(count: keptOutputs.count * keptInputs.count)
      for (r, o) in keptOutputs.enumerated() {
        for (c, i) in keptInputs.enumerated() { result.base[r * keptInputs.count + c] = s.base[o * old + i] }
      }
      return result
    }
    (xPlus, xMinus) = (kept(xPlus), kept(xMinus))
    spread = spread.map { (kept($0.plus), kept($0.minus)) }
    (dPlus, dMinus, backPlus, backMinus, effectiveBack) = (nil, nil, nil, nil, nil)
    (sneak, backSneak) = (nil, nil)
    outputs = keptOutputs.count
    inputs = keptInputs.count
    effective = Storage(count: outputs * inputs)
    // The devices sit on other lines now: their circuit is another.
    refreshedAt = -1
    computeEffectiveWeights(0..<xPlus.count)
  }
}
