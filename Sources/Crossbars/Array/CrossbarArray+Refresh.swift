import CKernels
import LinearAlgebra
import NeuralNetworks

extension CrossbarArray {
  public func prepare(step: Int, workers: Int, pool: ThreadPool) throws {
    precondition(workers <= Self.workers)
    reserveScratch(threads: max(workers, pool.threads))
    let interval = parameters.refreshInterval
    // A step before the last refresh: another run of training has begun to count.
    if step >= 0 && parameters.stepDuration > 0 && parameters.device.retention != nil {
      for slice in slices { for plane in slice.planes { plane.elapse(0..<count, seconds: parameters.stepDuration) } }
      computeEffectiveWeights()
    }
    if hasTelegraph && (step >= 0 || refreshedAt < 0) {
      telegraphEpoch = max(step, 0)
      drawTelegraph()
      factorsChanged()
    }
    defer { updateNoise() }
    let isDue =
      refreshedAt < 0 || (interval > 0 && step >= 0 && (step < refreshedAt || step - refreshedAt >= interval))
    guard isDue else { return }
    try refresh(step: step, isFirst: refreshedAt < 0, pool: pool)
    refreshedAt = max(step, 0)
    for slice in slices {
      if case .automatic = parameters.converters.adcRange, parameters.converters.adcBits > 0 {
        slice.ranges = (0, 0)
      }
    }
    if case .automatic = parameters.converters.dacRange { inputRanges = (0, 0) }
  }

  private var hasTelegraph: Bool { parameters.device.readNoise.telegraph != nil }

  func drawTelegraph() {
    for slice in slices { for plane in slice.planes { plane.telegraph(step: telegraphEpoch) } }
  }

  /// Brings what reads see up to date with the devices' own factors.
  func factorsChanged() {
    for slice in slices {
      combine(&slice.forward, slice)
      if slice.backward != nil { combine(&slice.backward!, slice) }
    }
    computeEffectiveWeights()
  }

  private func combine(_ matrix: inout EffectiveMatrix, _ slice: CrossbarSlice) {
    guard !matrix.distortions.isEmpty, slice.planes.allSatisfy({ $0.factors != nil }) else {
      matrix.combined = []
      return
    }
    if matrix.combined.isEmpty { matrix.combined = slice.planes.map { _ in Storage(count: count) } }
    for (p, plane) in slice.planes.enumerated() {
      let (c, d, f) = (matrix.combined[p].base, matrix.distortions[p].base, plane.factors!.base)
      for e in 0..<count { c[e] = d[e] * f[e] }
    }
  }

  /// Finds what turns conductances into effective ones anew from the devices as they are, where it must be.
  private func refresh(step: Int, isFirst: Bool, pool: ThreadPool) throws {
    let method = parameters.method
    if parameters.hasIdealCircuit { return computeEffectiveWeights() }
    while workspaces.count < pool.threads {
      workspaces.append(
        CircuitWorkspace(rows: min(parameters.rows, inputs), columns: min(parameters.columns, outputs)))
    }
    if isFirst || !method.isAdaptive {
      if method == .closedForm {
        for slice in slices { prepareMatrices(slice) }
        if parameters.mapping == .dummy { try solve(pool: pool) }
      } else {
        try solve(pool: pool)
      }
      computeEffectiveWeights()
      if method == .closedForm { try measure(step: step, pool: pool) }
      return
    }
    try measure(step: step, pool: pool)
    if method != .closedForm && circuitAccuracy.rms > parameters.tolerance {
      try solve(pool: pool)
      computeEffectiveWeights()
    }
  }

  private func prepareMatrices(_ slice: CrossbarSlice) {
    if parameters.isAsymmetric && slice.backward == nil { slice.backward = EffectiveMatrix(count: count) }
    for path in [\CrossbarSlice.forwardMatrix, \CrossbarSlice.backwardMatrix] {
      guard var matrix = slice[keyPath: path] else { continue }
      if !parameters.method.usesLineSums && matrix.distortions.isEmpty {
        matrix.distortions = slice.planes.map { _ in Storage(count: count) }
      }
      if parameters.mapping == .dummy && parameters.method != .corrected && matrix.dummy == nil {
        matrix.dummy = Storage(count: columnTiles * inputs)
      }
      slice[keyPath: path] = matrix
    }
  }

  /// Solves every tile of every plane.
  private func solve(pool: ThreadPool) throws {
    let perSlice = planesPerSlice * grid.count
    let directions = parameters.isAsymmetric ? 2 : 1
    // What corrections cannot hold, found tile by tile.
    let rests = (0..<slices.count * planesPerSlice * directions).map { _ in Storage(count: count) }
    for slice in slices { prepareMatrices(slice) }
    var failures = [String?](repeating: nil, count: pool.threads)
    failures.withUnsafeMutableBufferPointer { failures in
      pool.parallelFor(slices.count * perSlice) { item, worker in
        let (k, rest) = (item / perSlice, item % perSlice)
        let (plane, tile) = (rest / grid.count, rest % grid.count)
        do {
          for direction in 0..<directions {
            try store(
              solution(slice: k, plane: plane, tile: tile, direction == 0 ? .forward : .backward, worker: worker),
              slice: k, plane: plane, tile: tile, direction == 0 ? .forward : .backward,
              rest: rests[(k * planesPerSlice + plane) * directions + direction], worker: worker)
          }
        } catch { failures[worker] = "\(error)" }
      }
    }
    if let failure = failures.compactMap({ $0 }).first { throw CircuitError(failure) }
    circuitAccuracy.solutions += 1
    for (k, slice) in slices.enumerated() {
      for direction in 0..<directions {
        var remainder: Storage?
        for p in 0..<planesPerSlice {
          let rest = rests[(k * planesPerSlice + p) * directions + direction]
          let factor = p == 0 ? gain(slice) : -gain(slice)
          for e in 0..<count where rest.base[e] != 0 {
            if remainder == nil { remainder = Storage(count: count) }
            remainder!.base[e] += factor * rest.base[e]
          }
        }
        if direction == 0 { slice.forward.remainder = remainder } else { slice.backward?.remainder = remainder }
      }
      combine(&slice.forward, slice)
      if slice.backward != nil { combine(&slice.backward!, slice) }
    }
  }

  /// Weights are held by pairs of devices on arrays of their own.
  public var isPaired: Bool { planesPerSlice == 2 }

  /// The conductances of a tile as its circuit has them, a dummy line last: siemens, [word lines, bit lines].
  ///
  /// - Precondition: the array has the slice and the tile, and a minus array if that is asked for.
  public func conductance(slice: Int, isMinus: Bool, tileRow: Int, tileColumn: Int) -> Matrix {
    precondition(tileRow < rowTiles && tileColumn < columnTiles && (isPaired || !isMinus))
    return conductances(slice: slice, plane: isMinus ? 1 : 0, tile: tileColumn * rowTiles + tileRow)
  }

  /// The conductances of a tile as the circuit sees it, siemens, [word lines, bit lines], a dummy line last.
  func conductances(slice k: Int, plane: Int, tile: Int) -> Matrix {
    let (o, i) = grid.tile(tile)
    let plane = slices[k].planes[plane]
    let (x, s) = (plane.x.base, plane.factors?.base)
    let lowest = 1 / parameters.device.offResistance
    let range = parameters.device.conductanceRange
    // An open cell, and what rounding makes of it, has no conductance at all.
    let open = -Float(parameters.device.floor)
    let dummies = parameters.mapping == .dummy ? 1 : 0
    let columns = o.count + dummies
    var g = Matrix(rows: i.count, columns: columns)
    let inputs = inputs
    g.values.withUnsafeMutableBufferPointer { g in
      for (c, output) in o.enumerated() {
        for (r, input) in i.enumerated() {
          let e = output * inputs + input
          let own = x[e] <= open ? 0 : lowest + Double(x[e]) * range
          g[r * columns + c] = own * (s.map { Double($0[e]) } ?? 1)
        }
      }
      if dummies > 0 { for r in 0..<i.count { g[r * columns + o.count] = lowest + 0.5 * range } }
    }
    return g
  }

  /// The exact effective matrix of a tile, siemens, [word lines, bit lines] whatever the direction.
  private func solution(slice: Int, plane: Int, tile: Int, _ direction: ReadDirection, worker: Int) throws -> Matrix {
    let r = try circuit.effectiveMatrix(
      conductances(slice: slice, plane: plane, tile: tile), direction, workspace: workspaces[worker])
    return direction == .forward ? r : r.transposed
  }

  /// Takes from a tile's solution what the method keeps of it.
  ///
  /// - `corrected`: the difference to the line sums. Added, not multiplied: a ratio to a cell near G_min, or to an open
  ///   one, says nothing about how the cell's current changes with it (measured in Documentation/crossbars.md).
  /// - `exact`, `profile`: the distortion G_eff/G. A cell near G_min carries mostly current of the paths around it, so
  ///   that it may be hundreds; that current does not grow with the cell, and under such a D a step of one hundredth would
  ///   add several times G_max. So D is cut at what the device alone can have, and the rest kept as a constant.
  private func store(
    _ solution: Matrix, slice k: Int, plane p: Int, tile: Int, _ direction: ReadDirection, rest: Storage, worker: Int
  ) throws {
    let (o, i) = grid.tile(tile)
    let slice = slices[k]
    let plane = slice.planes[p]
    let (x, s) = (plane.x.base, plane.factors?.base)
    let matrix = direction == .forward ? slice.forward : slice.backward!
    let range = parameters.device.conductanceRange
    let columns = solution.columns
    let inputs = inputs
    let floor = floor
    let isCorrected = parameters.method == .corrected
    if isCorrected {
      lineSums(
        o, i, x: x, factor: s, isForward: direction == .forward, gain: 1, accumulate: false, into: rest.base,
        worker: worker)
    }
    solution.values.withUnsafeBufferPointer { r in
      if isCorrected {
        let hasDummy = parameters.mapping == .dummy
        for (c, output) in o.enumerated() {
          for (row, input) in i.enumerated() {
            let e = output * inputs + input
            let dummy = hasDummy ? r[row * columns + o.count] : 0
            rest.base[e] = Float((r[row * columns + c] - dummy) / range) - rest.base[e]
          }
        }
      } else if !matrix.distortions.isEmpty {
        let d = matrix.distortions[p].base
        for (c, output) in o.enumerated() {
          for (row, input) in i.enumerated() {
            let e = output * inputs + input
            let effective = Float(r[row * columns + c] / range)
            let nominal = x[e] + floor
            let most = nominal * (s?[e] ?? 1)
            // All of an open cell is current of the paths around.
            d[e] = most > 0 ? min(effective, most) / most : 0
            rest.base[e] = most > 0 ? max(0, effective - most) : effective
          }
        }
      }
      if let dummy = matrix.dummy {
        let base = dummy.base + tile / grid.rowTiles * inputs
        for (row, input) in i.enumerated() { base[input] = Float(r[row * columns + o.count] / range) }
      }
    }
  }

  // MARK: Accuracy

  /// Tiles of each plane that a check looks at.
  private var sampledTiles: Int { max(1, Int(Double(grid.count) * parameters.checkedShare)) }

  /// Measures the error of G_eff on some tiles, other ones every time.
  private func measure(step: Int, pool: ThreadPool) throws {
    let stream = RandomPurpose.tileSample.stream(seed: seed, owner: owner, index: UInt64(max(step, 0)))
    let tiles = Array(stream.permutation(grid.count).prefix(sampledTiles))
    let total = slices.count * tiles.count
    var sums = [(squares: Double, reference: Double, largest: Double)](repeating: (0, 0, 0), count: total)
    var failures = [String?](repeating: nil, count: pool.threads)
    failures.withUnsafeMutableBufferPointer { failures in
      sums.withUnsafeMutableBufferPointer { sums in
        pool.parallelFor(total) { item, worker in
          do {
            sums[item] = try error(slice: item / tiles.count, tile: tiles[item % tiles.count], worker: worker)
          } catch { failures[worker] = "\(error)" }
        }
      }
    }
    if let failure = failures.compactMap({ $0 }).first { throw CircuitError(failure) }
    var worst = 0.0
    var largest = 0.0
    for s in sums where s.reference > 0 {
      worst = max(worst, (s.squares / s.reference).squareRoot())
      largest = max(largest, s.largest)
    }
    circuitAccuracy.add(rms: worst, largest: largest)
  }

  /// Σ (w − w_exact)² and Σ (gain·G_eff)² over a tile's planes, and the largest error relative to the rms of G_eff.
  private func error(slice k: Int, tile: Int, worker: Int) throws -> (
    squares: Double, reference: Double, largest: Double
  ) {
    let (o, i) = grid.tile(tile)
    let slice = slices[k]
    let gain = Double(gain(slice)) / parameters.device.conductanceRange
    var squares = 0.0
    var reference = 0.0
    var largest = 0.0
    let exact = try (0..<planesPerSlice).map { try solution(slice: k, plane: $0, tile: tile, .forward, worker: worker) }
    let columns = exact[0].columns
    for (c, output) in o.enumerated() {
      for (r, input) in i.enumerated() {
        var w = exact[0].values[r * columns + c]
        reference += w * w
        if exact.count > 1 {
          let minus = exact[1].values[r * columns + c]
          reference += minus * minus
          w -= minus
        } else if parameters.mapping == .dummy {
          w -= exact[0].values[r * columns + o.count]
        }
        let gap = Double(slice.forward.weights.base[output * inputs + input]) - w * gain
        squares += gap * gap
        largest = max(largest, abs(gap))
      }
    }
    reference *= gain * gain
    let rms = (reference / Double(o.count * i.count)).squareRoot()
    return (squares, reference, rms > 0 ? largest / rms : 0)
  }

  // MARK: What reads see

  /// What was derived from the effective weights no longer holds. Called on one thread, before they are recomputed on many.
  func forgetDerived() {
    noiseIsCurrent = false
    for slice in slices {
      slice.forward.forgetPacked()
      slice.backward?.forgetPacked()
    }
  }

  /// Recomputes the effective weights of everything from the devices and the corrections.
  func computeEffectiveWeights() {
    forgetDerived()
    for tile in 0..<columnTiles { computeEffectiveWeights(columnTile: tile, worker: 0) }
  }

  /// True when an element of the effective weights depends on its own devices only.
  var isElementwise: Bool { !parameters.method.usesLineSums || parameters.hasIdealCircuit }

  /// Recomputes the effective weights of the outputs of one column of tiles.
  func computeEffectiveWeights(columnTile: Int, worker: Int) {
    let first = columnTile * parameters.columns
    let o = first..<min(outputs, first + parameters.columns)
    for slice in slices {
      computeEffectiveWeights(slice, slice.forward, o, isForward: true, worker: worker)
      if let backward = slice.backward {
        computeEffectiveWeights(slice, backward, o, isForward: false, worker: worker)
      }
    }
  }

  private func computeEffectiveWeights(
    _ slice: CrossbarSlice, _ matrix: EffectiveMatrix, _ o: Range<Int>, isForward: Bool, worker: Int
  ) {
    let all = o.lowerBound * inputs..<o.upperBound * inputs
    if isElementwise {
      elementwise(slice, matrix, all)
    } else {
      for i in stride(from: 0, to: inputs, by: parameters.rows) {
        for (p, plane) in slice.planes.enumerated() {
          lineSums(
            o, i..<min(inputs, i + parameters.rows), x: plane.x.base, factor: plane.factors?.base, isForward: isForward,
            gain: p == 0 ? gain(slice) : -gain(slice), accumulate: p > 0, into: matrix.weights.base, worker: worker)
        }
      }
    }
    if let remainder = matrix.remainder {
      let (w, r) = (matrix.weights.base, remainder.base)
      for e in all { w[e] += r[e] }
    }
    if let dummy = matrix.dummy {
      let d = dummy.base + o.lowerBound / parameters.columns * inputs
      let gain = gain(slice)
      for output in o {
        let w = matrix.weights.base + output * inputs
        for i in 0..<inputs { w[i] -= gain * d[i] }
      }
    }
  }

  /// Elements that depend on their own devices only.
  private func elementwise(_ slice: CrossbarSlice, _ matrix: EffectiveMatrix, _ range: Range<Int>) {
    let (at, n) = (range.lowerBound, range.count)
    func factor(_ p: Int) -> UnsafePointer<Float>? {
      let s =
        !matrix.combined.isEmpty
        ? matrix.combined[p] : matrix.distortions.isEmpty ? slice.planes[p].factors : matrix.distortions[p]
      return s.map { UnsafePointer($0.base + at) }
    }
    let gain = gain(slice)
    let isPair = slice.planes.count > 1
    // An ideal dummy line carries exactly the middle.
    let offset = parameters.mapping == .dummy && matrix.dummy == nil ? -gain * (0.5 + floor) : 0
    kernels.effectiveWeights(
      n, gain, floor, offset, slice.planes[0].x.base + at, isPair ? slice.planes[1].x.base + at : nil, factor(0),
      isPair ? factor(1) : nil, matrix.weights.base + at)
  }

  /// Line sums of one tile of one plane.
  private func lineSums(
    _ o: Range<Int>, _ i: Range<Int>, x: UnsafePointer<Float>, factor: UnsafePointer<Float>?, isForward: Bool,
    gain: Float, accumulate: Bool, into w: UnsafeMutablePointer<Float>, worker: Int
  ) {
    let c = parameters.circuit
    let range = parameters.device.conductanceRange
    let at = o.lowerBound * inputs + i.lowerBound
    // A backward read senses word lines and drives bit lines.
    let (driver, sense) =
      isForward ? (c.driverResistance, c.senseResistance) : (c.senseResistance, c.driverResistance)
    var tile = CKTile(
      wordLines: Int32(i.count), bitLines: Int32(o.count), ld: inputs, floor: floor,
      wire: Float(c.wireResistance * range),
      driver: Float(driver * range), sense: Float(sense * range), gain: gain, accumulate: accumulate ? 1 : 0)
    kernels.lineSums(&tile, x + at, factor.map { $0 + at }, w + at, workerScratch[worker].base)
  }
}

// MARK: Ageing

/// What an array is when it has not aged, to be put back.
struct FreshCircuit {
  var matrices: [(forward: EffectiveMatrix, backward: EffectiveMatrix?, ranges: (forward: Float, backward: Float))]
  var refreshedAt: Int
  var inputRanges: (forward: Float, backward: Float)
  var accuracy: CircuitAccuracy
}

extension CrossbarArray {
  /// Shows the devices as they are some seconds after programming (drift, retention); 0 brings back exactly what was
  /// before. While it is aged an array can be read, not updated or stored.
  ///
  /// - Throws: `CircuitError` if the aged circuit cannot be solved.
  public func age(seconds: Double, pool: ThreadPool) throws {
    precondition(seconds >= 0)
    if fresh == nil {
      guard seconds > 0 else { return }
      fresh = FreshCircuit(
        matrices: slices.map { ($0.forward, $0.backward, $0.ranges) }, refreshedAt: refreshedAt,
        inputRanges: inputRanges, accuracy: circuitAccuracy)
    }
    for slice in slices { for plane in slice.planes { plane.age(seconds: seconds) } }
    if seconds == 0, let before = fresh {
      for (slice, b) in zip(slices, before.matrices) {
        (slice.forward, slice.backward, slice.ranges) = (b.forward, b.backward, b.ranges)
      }
      (refreshedAt, inputRanges, circuitAccuracy) = (before.refreshedAt, before.inputRanges, before.accuracy)
      fresh = nil
      computeEffectiveWeights()
      updateNoise()
      return
    }
    // Converters keep the ranges that they were calibrated to.
    for slice in slices {
      let ranges = slice.ranges
      slice.forgetCircuit(count: count)
      slice.ranges = ranges
    }
    refreshedAt = -1
    let (inputs, converters) = (inputRanges, slices.map(\.ranges))
    try prepare(step: -1, workers: 1, pool: pool)
    inputRanges = inputs
    for (slice, ranges) in zip(slices, converters) { slice.ranges = ranges }
  }
}

extension CrossbarSlice {
  var forwardMatrix: EffectiveMatrix? {
    get { forward }
    set { if let newValue { forward = newValue } }
  }
  var backwardMatrix: EffectiveMatrix? {
    get { backward }
    set { backward = newValue }
  }
}
