import CKernels
import LinearAlgebra
import NeuralNetworks

/// A weight matrix on crossbar tiles (RxNN, arXiv 1809.00072; TxSim, arXiv 2002.11151).
///
///     w = S·Σ_k c_k·d_k,   d = x⁺ − x⁻ (a pair of devices) or 2x − 1 (one),   G = G_min + x·(G_max − G_min)
///
/// S = weightRange; k counts the slices of a sliced weight, else there is one and c = 1. Inputs drive word lines, outputs
/// are bit lines; W [outputs, inputs] is cut into tiles of `rows` inputs × `columns` outputs, each slice and each sign on
/// arrays of their own. The column currents of a pair are subtracted before the ADC. A pair is centred and moves
/// push-pull. Wires, drivers and sense amplifiers turn G into G_eff (`CrossbarCircuit`); see `CircuitMethod` for what is
/// kept of a solution while the devices move.
///
/// A read: inputs are scaled and converted (DAC), each tile's partial sums are converted (ADC), tiles, slices and streams
/// are summed digitally. One strip of tiles is one GEMM over its shared inputs, followed by one converter pass in the
/// cache.
public final class CrossbarArray: AgeingArray, VerifiedArray {
  var grid: TileGrid
  public let parameters: CrossbarParameters
  /// S, in units of the weight.
  public internal(set) var weightRange: Float
  let circuit: CrossbarCircuit
  /// Names the array's random numbers.
  let owner: Int
  let seed: UInt64

  /// Most significant first.
  var slices: [CrossbarSlice] = []
  /// What mixed precision has summed and not yet written, [outputs, inputs].
  var pending: Storage?
  /// Step of the last refresh; −1 before the first and after programming.
  var refreshedAt = -1
  /// Full scales of the DACs, forward and backward, where they are calibrated; 0 until then.
  var inputRanges: (forward: Float, backward: Float) = (0, 0)
  /// Epoch of the telegraph noise in the devices' factors; −1 before the first.
  var telegraphEpoch = -1
  /// The variances of read noise are those of the devices as they are.
  var noiseIsCurrent = false
  /// Of cells that are solved vector by vector.
  let readFailure = ReadFailure()
  /// What to go back to from an age.
  var fresh: FreshCircuit?
  /// Writes that a write–verify loop gave up, off their level, since the weights were last written as a whole.
  var givenUp = 0
  /// Counted work beyond (modulo 2⁶⁴) that of all reads at the present size: of reads before a `select`.
  private var earlierWork: (multiplyAccumulates: UInt64, cellReads: UInt64) = (0, 0)
  /// How well the circuit's method kept to the exact solution.
  public internal(set) var circuitAccuracy = CircuitAccuracy()

  static let workers = 64
  let counters: UnsafeMutablePointer<Activity>
  var workspaces: [CircuitWorkspace] = []
  /// A worker's memory for line sums and pulse counts.
  var workerScratch: [Storage] = []

  // Arguments of the update under way, so that its parallel loops capture nothing.
  var updateGradient: UnsafePointer<Float>!
  var updateRate: Float = 0
  var updateStep = 0
  var updateVectors = VectorPairs()
  /// The lines' trains of the vectors under way.
  var trainMemory: Storage?

  /// - Parameters:
  ///   - weights: [outputs, inputs]
  ///   - owner: number of the array within its model; keys its random numbers.
  ///   - plane: number of the first plane of devices, where several arrays share an owner.
  ///   - seed: of the run; keys update and programming noise. The chip's own seed keys its variation.
  /// - Throws: `CircuitError` for impossible resistances, `ModelError` for weights that are not finite.
  public init(
    weights: Tensor, parameters: CrossbarParameters, owner: Int, plane: Int = 0, seed: UInt64, pool: ThreadPool
  ) throws {
    guard weights.shape.count == 2, weights.count > 0 else {
      throw ModelError("weights of shape \(weights.shape) do not make an array; expected [outputs, inputs]")
    }
    grid = TileGrid(
      outputs: weights.shape[0], inputs: weights.shape[1], rows: parameters.rows, columns: parameters.columns)
    self.parameters = parameters
    self.owner = owner
    self.seed = seed
    firstPlane = plane
    try parameters.validate()
    circuit = try CrossbarCircuit(parameters.circuit)
    let largest = weights.values.reduce(Float(0)) { max($0, abs($1)) }
    weightRange =
      parameters.weightRange.map { Float($0) } ?? max(Float(CrossbarParameters.weightRangeFactor) * largest, 1e-6)
    counters = .allocate(capacity: Self.workers)
    counters.initialize(repeating: Activity(), count: Self.workers)
    var device = parameters.device
    if let slicing = parameters.slicing { device.levels = 1 << slicing.bits }
    let n = weights.count
    for k in 0..<(parameters.slicing?.count ?? 1) {
      var planes: [DevicePlane] = []
      for p in k * planesPerSlice..<(k + 1) * planesPerSlice {
        planes.append(
          DevicePlane(
            count: n, device: device, chipSeed: parameters.chipSeed, owner: owner, plane: plane + p,
            faults: try device.faults.map?.plane(p, outputs: weights.shape[0], inputs: weights.shape[1])))
      }
      slices.append(CrossbarSlice(share: parameters.slicing?.share(k) ?? 1, planes: planes, count: n))
    }
    if parameters.update.mode == .mixedPrecision { pending = Storage(count: n) }
    reserveScratch(threads: pool.threads)
    try program(weights, pool: pool)
  }

  deinit { counters.deallocate() }

  let firstPlane: Int

  // MARK: Geometry

  public var outputs: Int { grid.outputs }
  public var inputs: Int { grid.inputs }
  public var rowTiles: Int { grid.rowTiles }
  public var columnTiles: Int { grid.columnTiles }
  var count: Int { grid.outputs * grid.inputs }
  var planesPerSlice: Int { parameters.mapping == .differential ? 2 : 1 }
  /// Digits of a weight.
  public var sliceCount: Int { slices.count }
  /// Planes of devices: each is an array of tiles.
  public var planes: Int { slices.count * planesPerSlice }
  /// Devices, those of dummy lines included.
  public var devices: Int {
    planes * count + (parameters.mapping == .dummy ? slices.count * columnTiles * inputs : 0)
  }
  /// Arrays of at most rows × columns devices.
  public var tiles: Int { planes * grid.count }

  /// Weight of a conductance of G_max − G_min in a slice.
  func gain(_ slice: CrossbarSlice) -> Float {
    Float(Double(weightRange) * slice.share * (parameters.mapping == .differential ? 1 : 2))
  }
  var floor: Float { Float(parameters.device.floor) }

  /// Elements of one task of an update; a multiple of 32, so that random numbers fall on whole groups.
  static let updateBlock = 4096

  func reserveScratch(threads: Int) {
    // Line sums of a tile; pulse counts of a block; places and counts of one output's pulses.
    let padded = (min(parameters.rows, inputs) + 15) / 16 * 16
    let paddedLines = (min(parameters.columns, outputs) + 15) / 16 * 16
    let lines = parameters.method.usesLineSums ? (2 * paddedLines + 3) * padded + paddedLines : 0
    let wanted = max(lines, Self.updateBlock, 2 * ((inputs + 31) / 32 * 32 + 32), inputs + outputs) + 64
    while workerScratch.count < threads { workerScratch.append(Storage(count: wanted)) }
  }

  // MARK: Weights and state

  public var weights: Tensor {
    var result = Tensor(shape: [outputs, inputs])
    let isPair = parameters.mapping == .differential
    result.withUnsafeMutableBufferPointer { w in
      for slice in slices {
        let gain = gain(slice)
        let plus = slice.planes[0].x.base
        if isPair {
          let minus = slice.planes[1].x.base
          for i in 0..<w.count { w[i] += gain * (plus[i] - minus[i]) }
        } else {
          for i in 0..<w.count { w[i] += gain * (plus[i] - 0.5) }
        }
      }
    }
    return result
  }

  /// The weights that a forward read sees, before converters: distortion and spread included.
  /// - Returns: [outputs, inputs]
  public var effectiveWeights: Tensor {
    var result = Tensor(shape: [outputs, inputs])
    let constant = offsetConstant
    result.withUnsafeMutableBufferPointer { w in
      for slice in slices {
        let e = slice.forward.weights.base
        for i in 0..<w.count { w[i] += e[i] }
      }
      if constant != 0 { for i in 0..<w.count { w[i] -= constant } }
    }
    return result
  }

  /// What an offset mapping subtracts digitally for each unit of input.
  var offsetConstant: Float { parameters.mapping == .offset ? weightRange * (1 + 2 * floor) : 0 }

  public var plainWeights: UnsafeMutablePointer<Float>? { nil }

  public var unreachedWrites: Int? { parameters.device.writeVerify == nil ? nil : givenUp }

  public var activity: Activity {
    get {
      var total = Activity()
      for worker in 0..<Self.workers { total += counters[worker] }
      let reads = total.forwardReads + total.backwardReads
      total.multiplyAccumulates = earlierWork.multiplyAccumulates &+ reads &* UInt64(count)
      total.cellReads = earlierWork.cellReads &+ reads &* UInt64(devices * parameters.converters.streams)
      return total
    }
    set {
      counters.update(repeating: Activity(), count: Self.workers)
      counters[0] = newValue
      counters[0].multiplyAccumulates = 0
      counters[0].cellReads = 0
      let reads = newValue.forwardReads &+ newValue.backwardReads
      earlierWork = (
        newValue.multiplyAccumulates &- reads &* UInt64(count),
        newValue.cellReads &- reads &* UInt64(devices * parameters.converters.streams)
      )
    }
  }

  public var state: [NamedTensor] {
    func tensor(_ s: Storage) -> Tensor {
      Tensor(shape: [s.count], values: Array(UnsafeBufferPointer(start: s.base, count: s.count)))
    }
    var result: [NamedTensor] = []
    for (k, slice) in slices.enumerated() {
      for (p, plane) in slice.planes.enumerated() {
        result += plane.state.map { ("slice\(k).plane\(p).\($0.name)", $0.tensor) }
      }
      for (direction, matrix) in [("forward", slice.forward), ("backward", slice.backward)] {
        guard let matrix else { continue }
        let prefix = "slice\(k).\(direction)."
        for (p, d) in matrix.distortions.enumerated() { result.append((prefix + "distortion\(p)", tensor(d))) }
        if let s = matrix.remainder { result.append((prefix + "remainder", tensor(s))) }
        if let s = matrix.dummy { result.append((prefix + "dummy", tensor(s))) }
      }
      result.append(("slice\(k).ranges", Tensor(shape: [2], values: [slice.ranges.forward, slice.ranges.backward])))
      if slice.backward != nil { result.append(("slice\(k).backward", Tensor(shape: [1], values: [1]))) }
    }
    if let pending { result.append(("pending", tensor(pending))) }
    let (refreshed, epoch) = (refreshedAt + 1, telegraphEpoch + 1)
    result.append(
      (
        "scalars",
        Tensor(
          shape: [7],
          values: [
            Float(refreshed & 0xFF_FFFF), Float(refreshed >> 24), weightRange, inputRanges.forward,
            inputRanges.backward,
            Float(epoch & 0xFF_FFFF), Float(epoch >> 24),
          ])
      ))
    result.append(("circuitAccuracy", circuitAccuracy.tensor))
    if parameters.device.writeVerify != nil {
      result.append(
        ("givenUp", Tensor(shape: [2], values: [Float(givenUp & 0xFF_FFFF), Float(givenUp >> 24)])))
    }
    return result
  }

  public func restore(_ state: [String: Tensor]) throws {
    func storage(_ name: String, count wanted: Int) throws -> Storage? {
      guard let tensor = state[name] else { return nil }
      guard tensor.count == wanted else {
        throw ModelError("the checkpoint's \(name) holds \(tensor.count) values, not \(wanted)")
      }
      let s = Storage(count: tensor.count)
      tensor.withUnsafeBufferPointer { s.base.update(from: $0.baseAddress!, count: s.count) }
      return s
    }
    guard let scalars = state["scalars"], scalars.count == 7 else {
      throw ModelError("the checkpoint holds no device states of [\(outputs), \(inputs)]")
    }
    let values = scalars.values
    // Fixed by the weights that were mapped: a model that was trained before has another than its initial weights.
    guard values[2] > 0, values[2].isFinite else { throw ModelError("the checkpoint's weight range is \(values[2])") }
    weightRange = values[2]
    for (k, slice) in slices.enumerated() {
      for (p, plane) in slice.planes.enumerated() {
        let prefix = "slice\(k).plane\(p)."
        var own: [String: Tensor] = [:]
        for (name, tensor) in state where name.hasPrefix(prefix) { own[String(name.dropFirst(prefix.count))] = tensor }
        try plane.restore(own)
        guard plane.count == count else {
          throw ModelError(
            "the checkpoint's array has \(plane.count) devices a plane, this one [\(outputs), \(inputs)]")
        }
      }
      func matrix(_ direction: String) throws -> EffectiveMatrix {
        let prefix = "slice\(k).\(direction)."
        var m = EffectiveMatrix(count: count)
        for p in 0..<planesPerSlice {
          if let d = try storage(prefix + "distortion\(p)", count: count) { m.distortions.append(d) }
        }
        guard m.distortions.isEmpty || m.distortions.count == planesPerSlice else {
          throw ModelError("the checkpoint lacks a distortion of \(prefix)")
        }
        m.remainder = try storage(prefix + "remainder", count: count)
        m.dummy = try storage(prefix + "dummy", count: columnTiles * inputs)
        return m
      }
      guard let ranges = state["slice\(k).ranges"], ranges.count == 2 else {
        throw ModelError("the checkpoint lacks slice \(k)")
      }
      slice.ranges = (ranges.values[0], ranges.values[1])
      slice.forward = try matrix("forward")
      slice.backward = state["slice\(k).backward"] == nil ? nil : try matrix("backward")
    }
    if pending != nil {
      guard let s = try storage("pending", count: count) else {
        throw ModelError("the checkpoint lacks the sums of mixed precision")
      }
      pending = s
    }
    fresh = nil
    telegraphEpoch = Int(values[5]) + Int(values[6]) << 24 - 1
    if telegraphEpoch >= 0 { drawTelegraph() }
    factorsChanged()
    refreshedAt = Int(values[0]) + Int(values[1]) << 24 - 1
    inputRanges = (values[3], values[4])
    if let parts = state["givenUp"], parts.count == 2 {
      givenUp = Int(parts.values[0]) + Int(parts.values[1]) << 24
    }
    if let accuracy = state["circuitAccuracy"] { circuitAccuracy = try CircuitAccuracy(accuracy) }
  }

  public func select(outputs keptOutputs: [Int], inputs keptInputs: [Int]) throws {
    guard keptOutputs.allSatisfy({ $0 >= 0 && $0 < outputs }), keptInputs.allSatisfy({ $0 >= 0 && $0 < inputs }),
      !keptOutputs.isEmpty, !keptInputs.isEmpty
    else { throw ModelError("a selection must keep at least one output and input, all of them within the array") }
    guard fresh == nil else { throw ModelError("an aged array cannot be made smaller; make it new again first") }
    let old = inputs
    let before = activity
    let kept = keptOutputs.flatMap { o in keptInputs.map { o * old + $0 } }
    grid.outputs = keptOutputs.count
    grid.inputs = keptInputs.count
    for slice in slices {
      for plane in slice.planes { plane.select(kept) }
      slice.forgetCircuit(count: kept.count)
    }
    if let s = pending {
      let result = Storage(count: kept.count)
      for (i, e) in kept.enumerated() { result.base[i] = s.base[e] }
      pending = result
    }
    activity = before
    // The devices sit on other lines now: their circuit is another.
    refreshedAt = -1
    computeEffectiveWeights()
  }
}

/// How well an approximate method kept to the exact solution, over an array's life.
///
/// Errors are those of G_eff of a sample of tiles when it was looked at, relative to the rms of G_eff.
public struct CircuitAccuracy: Equatable, Sendable {
  /// Refreshes that solved every tile; times a sample was measured.
  public var solutions = 0
  public var checks = 0
  /// Rms and largest error: at the last check, and the worst of all.
  public var rms = 0.0
  public var largest = 0.0
  public var worstRms = 0.0
  public var worstLargest = 0.0

  public init() {}

  mutating func add(rms: Double, largest: Double) {
    checks += 1
    self.rms = rms
    self.largest = largest
    worstRms = max(worstRms, rms)
    worstLargest = max(worstLargest, largest)
  }

  /// For a checkpoint, each number in three Float32 parts: all the digits of a Float64.
  var tensor: Tensor {
    var parts: [Float] = []
    for value in [Double(solutions), Double(checks), rms, largest, worstRms, worstLargest] {
      var rest = value
      for _ in 0..<3 {
        let part = Float(rest)
        parts.append(part)
        rest -= Double(part)
      }
    }
    return Tensor(shape: [6, 3], values: parts)
  }

  init(_ tensor: Tensor) throws {
    guard tensor.count == 18, tensor.values.allSatisfy(\.isFinite) else {
      throw ModelError("the circuit's accuracy is not eighteen numbers")
    }
    var v = [Double](repeating: 0, count: 6)
    for (i, part) in tensor.values.enumerated() { v[i / 3] += Double(part) }
    guard v[0] >= 0, v[0] < 0x1p53, v[1] >= 0, v[1] < 0x1p53 else {
      throw ModelError("the circuit's counts are no counts")
    }
    solutions = Int(v[0])
    checks = Int(v[1])
    (rms, largest, worstRms, worstLargest) = (v[2], v[3], v[4], v[5])
  }
}
