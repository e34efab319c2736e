import CKernels
import LinearAlgebra
import NeuralNetworks

extension CrossbarArray {
  public var updatesInArray: Bool { parameters.update.mode.isInArray }
  public var updatesPerVector: Bool { parameters.update.mode == .perSample }

  /// Pulses for a change of one unit of weight: one pulse to every device of a slice, push-pull, changes it by
  /// 2·S·c·pulseStep where the step is the nominal one. In-array updates know one slice only.
  var pulsesPerWeight: Float {
    Float(1 / (2 * Double(weightRange) * slices[0].share * parameters.device.pulseStep))
  }

  var slots: Int32 { parameters.update.pulses == .trains ? Int32(parameters.update.trainLength) : 0 }

  /// Random numbers of a plane's devices for what `purpose` says; lane 0 belongs to the array.
  func stream(_ purpose: RandomPurpose, index: UInt64, plane: Int?) -> RandomStream {
    let s = purpose.stream(seed: seed, owner: owner, index: index)
    return RandomStream(
      seed: seed, purpose: s.purpose + UInt32(firstPlane) + UInt32(plane.map { $0 + 1 } ?? 0), index: index)
  }

  // MARK: In the array

  public func outerProduct(_ gradient: UnsafePointer<Float>, rate: Float, step: Int, pool: ThreadPool) {
    updateGradient = gradient
    updateRate = rate
    updateStep = step
    reserveScratch(threads: pool.threads)
    let blocks = (count + Self.updateBlock - 1) / Self.updateBlock
    pool.run(count: blocks, context: Unmanaged.passUnretained(self).toOpaque()) { context, item, worker in
      Unmanaged<CrossbarArray>.fromOpaque(context).takeUnretainedValue().updateBlock(item, worker)
    }
    recompute(pool: pool)
  }

  private func updateBlock(_ item: Int, _ worker: Int) {
    let at = item * Self.updateBlock
    let n = min(Self.updateBlock, count - at)
    let pulses = workerScratch[worker].base
    let index = UInt64(updateStep)
    let total = kernels.pulseCounts(
      n, updateGradient + at, -updateRate * pulsesPerWeight, stream(.pulseUpdate, index: index, plane: nil).c, at,
      slots,
      pulses)
    // NaN must reach the devices; a block without pulses leaves them alone.
    guard total != 0 else { return }
    let planes = slices[0].planes
    if total > 0 { counters[worker].pulses += UInt64(total) * UInt64(planes.count) }
    for (p, plane) in planes.enumerated() {
      plane.applyPulses(
        at..<at + n, pulses: pulses, sign: p == 0 ? 1 : -1, stream: stream(.pulseUpdate, index: index, plane: p),
        first: at)
    }
  }

  public func finishOuterProducts(pool: ThreadPool) { recompute(pool: pool) }

  /// Recomputes what reads see, a column of tiles at a time on all threads.
  func recompute(pool: ThreadPool) {
    forgetDerived()
    reserveScratch(threads: pool.threads)
    pool.run(count: columnTiles, context: Unmanaged.passUnretained(self).toOpaque()) { context, item, worker in
      Unmanaged<CrossbarArray>.fromOpaque(context).takeUnretainedValue().computeEffectiveWeights(
        columnTile: item, worker: worker)
    }
  }

  // MARK: By programming

  public func apply(delta: UnsafePointer<Float>, step: Int, pool: ThreadPool) {
    let index = UInt64(step) + 1
    if let pending {
      writePending(pending.base, delta, index: index)
    } else {
      // Devices of a weight that does not change are left alone.
      var targets = heldWeights
      for e in 0..<count { targets[e] += delta[e] }
      write(targets, where: { delta[$0] != 0 }, index: index)
    }
    recompute(pool: pool)
  }

  /// The weights that a change is added to: of sliced ones those of the digits that the devices stand nearest to. The
  /// noise of a high digit must not be taken for a value of the low ones: it would be added at every change.
  private var heldWeights: [Float] {
    guard let slicing = parameters.slicing else { return weights.values }
    let n = count
    var codes = [Double](repeating: 0, count: n)
    let most = Float(slicing.base - 1)
    for (k, slice) in slices.enumerated() {
      let unit = Elementary.pow(slicing.base, Double(slicing.count - 1 - k))
      let plus = slice.planes[0].x.base
      let minus = slice.planes.count > 1 ? slice.planes[1].x.base : nil
      for e in 0..<n {
        let x = minus.map { 0.5 * (plus[e] + 1 - $0[e]) } ?? plus[e]
        codes[e] += unit * Double(min(most, max(0, (x * most).rounded(.toNearestOrEven))))
      }
    }
    let range = Double(weightRange)
    return codes.map { Float(range * (2 * $0 / slicing.largest - 1)) }
  }

  /// Mixed precision: what the sums amount to in whole steps is written, the rest stays.
  private func writePending(_ sums: UnsafeMutablePointer<Float>, _ delta: UnsafePointer<Float>, index: UInt64) {
    let n = count
    guard let slicing = parameters.slicing else {
      // One step is a pulse; pulses are given blindly.
      let pulses = Storage(count: n)
      let perWeight = pulsesPerWeight
      var given = 0.0
      for e in 0..<n {
        sums[e] += delta[e]
        let k = (sums[e] * perWeight).rounded(.towardZero)
        pulses.base[e] = k
        sums[e] -= k / perWeight
        if k.isFinite { given += Double(abs(k)) }
      }
      counters[0].pulses += UInt64(given) * UInt64(planesPerSlice)
      for (p, plane) in slices[0].planes.enumerated() {
        plane.applyPulses(
          0..<n, pulses: pulses.base, sign: p == 0 ? 1 : -1, stream: stream(.pulseUpdate, index: index, plane: p),
          first: 0)
      }
      return
    }
    // One step is the least significant one; the weight is read, and the digits that change are programmed.
    let step = Float(2 * Double(weightRange) / slicing.largest)
    var targets = heldWeights
    var changes = [Bool](repeating: false, count: n)
    for e in 0..<n {
      sums[e] += delta[e]
      let k = (sums[e] / step).rounded(.towardZero)
      sums[e] -= k * step
      changes[e] = k != 0
      targets[e] += k * step
    }
    write(targets, where: { changes[$0] }, index: index)
  }

  public func program(_ weights: Tensor, pool: ThreadPool) throws {
    guard weights.shape == [outputs, inputs] else {
      throw ModelError("weights of shape \(weights.shape) do not fit an array of [\(outputs), \(inputs)]")
    }
    let bad = weights.withUnsafeBufferPointer { $0.firstIndex { !$0.isFinite } }
    if let bad {
      throw ModelError(
        "weight [\(bad / inputs), \(bad % inputs)] is \(weights.values[bad]); a device can be programmed to finite weights "
          + "only")
    }
    write(weights.values, where: { _ in true }, index: 0, all: true)
    pending?.base.update(repeating: 0, count: count)
    refreshedAt = -1
    setFixedRange()
    computeEffectiveWeights()
  }

  /// Programs weights, cut into digits where they are sliced.
  /// - Parameter all: devices are written even if they are at their target.
  private func write(_ weights: [Float], where isWritten: (Int) -> Bool, index: UInt64, all: Bool = false) {
    if all { givenUp = 0 }
    let n = count
    let range = Double(weightRange)
    var targets = [Float](repeating: 0, count: n)
    var mask = [Bool](repeating: false, count: n)
    var rest = [Double](repeating: 0, count: parameters.slicing == nil ? 0 : n)
    if let slicing = parameters.slicing {
      for e in 0..<n {
        let u = (Double(weights[e]) / range + 1) / 2 * slicing.largest
        rest[e] = min(slicing.largest, max(0, u.rounded(.toNearestOrEven)))
      }
    }
    for (k, slice) in slices.enumerated() {
      if let slicing = parameters.slicing {
        let unit = Elementary.pow(slicing.base, Double(slicing.count - 1 - k))
        for e in 0..<n {
          let digit = (rest[e] / unit).rounded(.down)
          rest[e] -= digit * unit
          targets[e] = Float(digit / (slicing.base - 1))
        }
      } else {
        for e in 0..<n { targets[e] = Float((Double(weights[e]) / range + 1) / 2) }
      }
      for (p, plane) in slice.planes.enumerated() {
        if p == 1 { for e in 0..<n { targets[e] = 1 - targets[e] } }
        let half = parameters.slicing.map { Float(0.5 / ($0.base - 1)) }
        var written = 0
        for e in 0..<n {
          // A digit that is there already, as far as it can be told from its neighbours, is not written again.
          mask[e] = isWritten(e) && (all || half.map { abs(plane.x.base[e] - targets[e]) >= $0 } ?? true)
          if mask[e] { written += 1 }
        }
        let numbers = stream(.programming, index: index, plane: k * planesPerSlice + p)
        let done = mask.withUnsafeBufferPointer {
          plane.program(0..<n, targets: targets, mask: all ? nil : $0.baseAddress, stream: numbers)
        }
        counters[0].programmedDevices += UInt64(all ? n : written)
        counters[0].pulses += UInt64(max(0, done.pulses - (all ? n : written)))
        givenUp += done.failed
      }
    }
  }
}

/// Crossbars as the place for a model's weights.
public struct CrossbarHardware: Hardware {
  public let parameters: CrossbarParameters
  /// Keys update and programming noise.
  public let seed: UInt64

  public init(_ parameters: CrossbarParameters, seed: UInt64) {
    self.parameters = parameters
    self.seed = seed
  }

  public func makeArray(weights: Tensor, name: String, owner: Int, pool: ThreadPool) throws -> any WeightArray {
    try makeCrossbars(weights, name: name, owner: owner, pool: pool)
  }

  public func makeArray(
    weights: Tensor, bias: Tensor?, name: String, owner: Int, pool: ThreadPool
  ) throws -> any WeightArray {
    guard let bias, parameters.biasLines > 0 else {
      return try makeArray(weights: weights, name: name, owner: owner, pool: pool)
    }
    let lines = BiasLines(count: parameters.biasLines, level: Float(parameters.biasLevel))
    return BiasLineArray(
      try makeCrossbars(lines.extended(weights, bias), name: name, owner: owner, pool: pool), lines)
  }

  private func makeCrossbars(
    _ weights: Tensor, name: String, owner: Int, pool: ThreadPool
  ) throws -> any CrossbarHolder {
    do {
      switch parameters.update.mode {
      case .tikiTaka, .tikiTaka2:
        return try TikiTakaArray(weights: weights, parameters: parameters, owner: owner, seed: seed, pool: pool)
      default:
        return try CrossbarArray(weights: weights, parameters: parameters, owner: owner, seed: seed, pool: pool)
      }
    } catch let error as CircuitError { throw ModelError("layer \(name): \(error.description)") }
  }
}

/// What holds a layer's weights on crossbars.
public protocol CrossbarHolder: AgeingArray, PricedArray, FallibleReads, VerifiedArray {
  /// The array that reads go through; of Tiki-Taka the slow one.
  var crossbar: CrossbarArray { get }
}

extension CrossbarArray: CrossbarHolder {
  public var crossbar: CrossbarArray { self }
}

extension TikiTakaArray: CrossbarHolder {
  public var crossbar: CrossbarArray { slow }
}
