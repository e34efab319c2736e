import LinearAlgebra

/// Newton's method for arrays of non-linear cells, one vector at a time.
///
/// Unknown are the currents c of the cells; the voltages u = v − R·c follow from them (`LineDrops`). What is wrong at
/// a cell is the current ρ = f(u) − c that its law would add. The correction δ solves the linear array of the slopes
/// g = f′(u), (g⁻¹ + R)·δ = g⁻¹·ρ. With κ and W = (g⁻¹ + κ)⁻¹ of `CellCurrents` it is found as
///
///     δ = η + d,     η = ρ/(1 + κ·g),     (g⁻¹ + R)·d = −(R − κ)·η
///
/// which neither divides by the slope of a saturated cell (g = 0: δ = ρ) nor loses digits at a steep one. A short has no
/// law and no ρ; its voltage has to go, so its right side is u − (R − κ)·η.
///
/// **Damping.** The operating point is the minimum of the co-content (W. Millar, Phil. Mag. 42, 1150, 1951), which is
/// convex. Along a step t its derivative is φ(t) = Σ (f(u + t·δu) − c − t·δ)·δu with δu = −R·δ, a rising function of t
/// that is negative at 0. The full step is taken if it leaves |φ| at 0.9 or less of what it was; else the zero of φ is
/// looked for between 0 and 1. So every step goes down, whatever the law.
///
/// **When to stop.** By the argument of `CellCurrents`, Σ (c + η) over output j is wrong by at most
/// √(Σ W over output j) · √(Σ W·((R − κ)·η)²) to first order in η; Newton's method makes the rest its square.
final class NewtonReads {
  let solver: CellCurrents
  let cell: CellLaw
  private let conductance: LineDrops.Plane
  /// c, u, ρ, η, c + η, δ, and one to compute in.
  private let currents: LineDrops.Plane
  private let voltages: LineDrops.Plane
  private let excess: LineDrops.Plane
  private let share: LineDrops.Plane
  private let improved: LineDrops.Plane
  private let step: LineDrops.Plane
  private let scratch: LineDrops.Plane
  /// Voltage across each cell as a share of what drives its line, for the start of a solution; nil: none was taken.
  private var shares: LineDrops.Plane?
  private let hasShorts: Bool
  private(set) var sweeps = 0
  private(set) var corrections = 0

  /// Part of the residual that the linear array of a correction is solved to.
  private static let innerTolerance = 1e-4

  init(_ solver: CellCurrents, _ cell: CellLaw, _ matrix: Matrix) {
    self.solver = solver
    self.cell = cell
    let drops = solver.drops
    conductance = drops.makePlane()
    currents = drops.makePlane()
    voltages = drops.makePlane()
    excess = drops.makePlane()
    share = drops.makePlane()
    improved = drops.makePlane()
    step = drops.makePlane()
    scratch = drops.makePlane()
    hasShorts = cell.infinityIsShort && matrix.values.contains(.infinity)
    for i in 0..<matrix.rows {
      let row = conductance + drops.row(i)
      for j in 0..<matrix.columns { row[j] = matrix.values[i * matrix.columns + j] }
    }
    solver.trim = 0.5 * drops.wire
  }

  /// Output currents of the law, ampere.
  private(set) var outputCurrents: [Double] = []
  func output(_ k: Int) -> Double { outputCurrents[k] }

  @inline(__always)
  private func isShort(_ g: Double) -> Bool { hasShorts && g == .infinity }

  /// Calls `body` with the offset of every cell.
  @inline(__always)
  private func forEachCell(_ body: (_ i: Int, _ j: Int, _ k: Int) -> Void) {
    for i in 0..<solver.drops.rows {
      let row = solver.drops.row(i)
      for j in 0..<solver.drops.columns { body(i, j, row + j) }
    }
  }

  /// W of a cell, and 1/(1 + κ·g).
  private func weight(_ k: Int, slope: Double) -> (weight: Double, part: Double) {
    let trim = solver.trim
    guard !isShort(conductance[k]) else { return (1 / trim, 0) }
    let bounded = min(slope, CircuitParameters.largestConductance)
    let part = 1 / (1 + trim * bounded)
    return (bounded * part, part)
  }

  /// - Returns: the bound of the error of any current, ampere. The solver's `currents` hold those of the cells.
  /// - Throws: `CircuitError` if the currents do not settle.
  func solve(_ inputs: UnsafePointer<Double>, tolerance: Double) throws -> Double {
    let (drops, solver, cell) = (solver.drops, solver, cell)
    (sweeps, corrections) = (0, 0)
    start(inputs)
    while true {
      // u = v − R·c, then ρ, W and η.
      _ = drops.apply(currents, share: 0, currents, trim: 0, into: scratch) { _, _ in }
      var isFinite = true
      forEachCell { i, j, k in
        let u = solver.drive(inputs, i, j) - scratch[k]
        voltages[k] = u
        var (f, slope) = (currents[k], 0.0)
        if !isShort(conductance[k]) { (f, slope) = cell.evaluate(conductance: conductance[k], voltage: u) }
        let (weight, part) = weight(k, slope: slope)
        solver.weight[k] = weight
        excess[k] = f - currents[k]
        share[k] = part * excess[k]
        improved[k] = currents[k] + share[k]
        if !excess[k].isFinite { isFinite = false }
      }
      guard isFinite else {
        throw CircuitError(
          "correction \(corrections): a \(cell.name) cell would carry more than Float64 holds: its voltage is far "
            + "beyond the law's")
      }
      _ = drops.apply(improved, share: 0, improved, trim: 0, into: scratch) { _, _ in }
      outputCurrents = (0..<solver.outputs).map { solver.output($0) }
      let largest = outputCurrents.reduce(0) { max($0, $1.magnitude) }
      _ = drops.apply(share, share: 0, share, trim: solver.trim, into: scratch) { _, _ in }
      forEachCell { _, _, k in
        solver.residual[k] = (isShort(conductance[k]) ? voltages[k] : 0) - scratch[k]
        solver.solution[k] = 0
      }
      let norm = solver.weightedNorm(solver.residual)
      let bound = (solver.largestOutputWeight() * norm).squareRoot()
      if bound <= tolerance * (largest - bound) || bound == 0 {
        solver.currents.update(from: improved, count: drops.paddedRows * drops.stride)
        return bound
      }
      guard corrections < CrossbarCircuit.correctionLimit && sweeps < CrossbarCircuit.sweepLimit && bound.isFinite
      else {
        throw CircuitError(
          "the currents through the \(cell.name) cells did not settle: after \(corrections) corrections they may still "
            + "be off by \(bound) A, where the largest is \(largest) A and \(tolerance) of it was asked for")
      }
      correct(norm)
      corrections += 1
    }
  }

  /// Solves for a vector, from whose cells' voltages the following solutions start.
  /// - Throws: as `solve`.
  func takeReference(_ inputs: [Double]) throws {
    shares = nil
    _ = try solve(inputs, tolerance: 1e-3)
    let plane = solver.drops.makePlane()
    forEachCell { i, j, k in plane[k] = max(0, min(1, voltages[k] / solver.drive(inputs, i, j))) }
    shares = plane
  }

  /// The array of the chords at full voltage: each cell as the resistor that carries what its law does there.
  private func start(_ inputs: UnsafePointer<Double>) {
    let solver = solver
    if let shares {
      // Each cell at its share: the currents that would leave the least to correct if the lines lost as much as then.
      forEachCell { i, j, k in
        guard !isShort(conductance[k]) else { return currents[k] = 0 }
        let v = solver.drive(inputs, i, j) * shares[k]
        currents[k] = cell.evaluate(conductance: conductance[k], voltage: v).current
      }
      return
    }
    forEachCell { i, j, k in
      let v = solver.drive(inputs, i, j)
      let (f, slope) = isShort(conductance[k]) ? (0, 0) : cell.evaluate(conductance: conductance[k], voltage: v)
      solver.weight[k] = weight(k, slope: v == 0 ? slope : f / v).weight
    }
    let isUseful = solver.solve(inputs, tolerance: 1e-3, limit: CrossbarCircuit.startLimit) != nil
    sweeps += solver.sweeps
    // Chords of exponentials far beyond their voltage are no array that can be solved; no current is a start as well.
    forEachCell { _, _, k in currents[k] = isUseful ? solver.currents[k] : 0 }
  }

  /// One correction of `currents`.
  private func correct(_ norm: Double) {
    let (drops, solver) = (solver.drops, solver)
    let before = solver.sweeps
    let inner = NewtonReads.innerTolerance
    _ = solver.iterate(target: inner * inner * norm, limit: CrossbarCircuit.sweepLimit - sweeps)
    sweeps += solver.sweeps - before
    forEachCell { _, _, k in step[k] = share[k] + solver.weight[k] * solver.solution[k] }
    _ = drops.apply(step, share: 0, step, trim: 0, into: scratch) { _, _ in }

    // φ along δu = −R·δ.
    func derivative(_ t: Double) -> Double {
      var sum = 0.0
      forEachCell { _, _, k in
        guard !isShort(conductance[k]) else { return }
        let move = -scratch[k]
        let f = cell.evaluate(conductance: conductance[k], voltage: voltages[k] + t * move).current
        sum += (f - currents[k] - t * step[k]) * move
      }
      // Beyond what Float64 holds is too far.
      return sum.isFinite ? sum : .infinity
    }
    var begin = 0.0
    forEachCell { _, _, k in begin -= excess[k] * scratch[k] }
    var t = 1.0
    if begin < 0 {
      var value = derivative(1)
      var (low, high) = ((t: 0.0, value: begin), (t: 1.0, value: value))
      var trial = 0
      while value.magnitude > 0.9 * begin.magnitude && value > 0 && trial < 60 {
        // Secant where it means something, else bisection.
        let width = high.t - low.t
        let secant = low.t - low.value * width / (high.value - low.value)
        let isUseful = trial % 2 == 0 && high.value.isFinite && secant > low.t + 0.01 * width && secant < high.t
        t = isUseful ? secant : low.t + 0.5 * width
        value = derivative(t)
        if value > 0 { high = (t, value) } else { low = (t, value) }
        trial += 1
      }
    }
    forEachCell { _, _, k in currents[k] += t * step[k] }
  }
}
