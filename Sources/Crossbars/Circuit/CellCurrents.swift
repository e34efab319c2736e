/// The currents of an array's cells for one vector of inputs, by conjugate gradients.
///
/// With R of `LineDrops`, G the conductances and v the driving voltage of each cell's line, a linear array obeys
///
///     (G⁻¹ + R)·c = v
///
/// one equation for each cell, positive definite. Two bounds make it solvable in a known number of sweeps: R ⪰ 0, and
/// with wires R ⪰ R_wire/2 (each of its two parts is the inverse of a chain of conductances 1/R_wire, whose eigenvalues
/// stay below 4/R_wire). So with κ = R_wire/2 the diagonal matrix W = (G⁻¹ + κ)⁻¹ satisfies
///
///     (G⁻¹ + R)⁻¹ ⪯ W
///
/// and preconditioned by W the eigenvalues lie between 1 and 1 + ‖W½RW½‖, about 1 + 0.4·(m² + n²)·R_wire·G: an array
/// that loses half its voltage takes a dozen sweeps (M. R. Hestenes and E. Stiefel, J. Res. NBS 49, 409, 1952). Written
/// in y = W⁻¹c, nothing is divided by G: an open cell is W = 0, a short is W = 1/κ.
///
/// **When to stop.** Let r = v − (G⁻¹ + R)·c be what is left. The currents are wrong by e = (G⁻¹ + R)⁻¹·r, and the current
/// of output j by |1ⱼᵀe| ≤ √(1ⱼᵀ(G⁻¹ + R)⁻¹1ⱼ · rᵀ(G⁻¹ + R)⁻¹r) (Cauchy and Schwarz), hence
///
///     |ΔI[j]| ≤ √(Σ W over the cells of output j) · √(Σ W·r² over all cells)
///
/// which is computed from the residual of the final currents, not the recursive one, and compared with the largest
/// current.
///
/// One sweep costs some 16 additions and products a cell and memory traffic of 16 numbers.
final class CellCurrents {
  let drops: LineDrops
  let isForward: Bool
  /// W, siemens.
  let weight: LineDrops.Plane
  /// κ, ohm.
  var trim = 0.0
  /// y, volt: the cell's current is W·y.
  let solution: LineDrops.Plane
  /// r, volt.
  let residual: LineDrops.Plane
  /// W·y, or W times the search direction while iterating, ampere.
  let currents: LineDrops.Plane
  private let direction: LineDrops.Plane
  private let image: LineDrops.Plane
  private(set) var sweeps = 0

  init(rows: Int, columns: Int, _ parameters: CircuitParameters, _ direction: ReadDirection) {
    drops = LineDrops(rows: rows, columns: columns, parameters, direction)
    isForward = direction == .forward
    weight = drops.makePlane()
    solution = drops.makePlane()
    residual = drops.makePlane()
    currents = drops.makePlane()
    self.direction = drops.makePlane()
    image = drops.makePlane()
  }

  var outputs: Int { isForward ? drops.columns : drops.rows }

  /// The voltage that drives cell (i, j) of a vector of inputs.
  @inline(__always)
  func drive(_ voltages: UnsafePointer<Double>, _ i: Int, _ j: Int) -> Double { isForward ? voltages[i] : voltages[j] }

  // MARK: Setting up

  /// W from the conductances, rows of `source` one after the other; infinite ones need wires.
  func setWeights(_ source: UnsafePointer<Double>) {
    let (rows, columns) = (drops.rows, drops.columns)
    var largest = 0.0
    for k in 0..<rows * columns { largest = max(largest, source[k]) }
    // Where every cell resists far more than a segment, κ gains nothing.
    trim = largest * drops.wire > 1e-3 ? 0.5 * drops.wire : 0
    let trim = trim
    for i in 0..<rows {
      let (from, to) = (source + i * columns, weight + drops.row(i))
      if trim == 0 {
        to.update(from: from, count: columns)
      } else {
        for j in 0..<columns { to[j] = from[j] == .infinity ? 1 / trim : from[j] / (1 + trim * from[j]) }
      }
    }
  }

  /// Largest Σ W over the cells of one output, siemens.
  func largestOutputWeight() -> Double {
    let (rows, columns) = (drops.rows, drops.columns)
    var sums = [Double](repeating: 0, count: outputs)
    for i in 0..<rows {
      let w = weight + drops.row(i)
      for j in 0..<columns { sums[isForward ? j : i] += w[j] }
    }
    return sums.max() ?? 0
  }

  // MARK: Iterating

  /// Conjugate gradients from `solution`, whose residual is in `residual`, until Σ W·r² is at most `target`.
  ///
  /// - Returns: Σ W·r² by the recursion.
  func iterate(target: Double, limit: Int) -> Double {
    let count = drops.laneCount
    let (w, y, r) = (LineDrops.lanes(weight), LineDrops.lanes(solution), LineDrops.lanes(residual))
    let (p, s, q) = (LineDrops.lanes(direction), LineDrops.lanes(currents), LineDrops.lanes(image))
    var norm = weightedNorm(residual)
    var ratio = LineDrops.Lanes.zero
    for k in 0..<count { p[k] = .zero }
    var left = limit
    while norm > target && left > 0 {
      let curvature = drops.apply(currents, share: 1, direction, trim: trim, into: image) { first, length in
        for k in first / 8..<(first + length) / 8 {
          let next = r[k] + ratio * p[k]
          p[k] = next
          s[k] = w[k] * next
        }
      }
      guard curvature > 0 else { break }
      let step = LineDrops.Lanes(repeating: norm / curvature)
      var sum = LineDrops.Lanes.zero
      for k in 0..<count {
        y[k] += step * p[k]
        let next = r[k] - step * q[k]
        r[k] = next
        sum += w[k] * next * next
      }
      let next = sum.sum()
      ratio = .init(repeating: next / norm)
      norm = next
      sweeps += 1
      left -= 1
      guard norm.isFinite else { break }
    }
    return norm
  }

  func weightedNorm(_ plane: LineDrops.Plane) -> Double {
    let (w, r) = (LineDrops.lanes(weight), LineDrops.lanes(plane))
    var sum = LineDrops.Lanes.zero
    for k in 0..<drops.laneCount { sum += w[k] * r[k] * r[k] }
    return sum.sum()
  }

  /// Currents of `solution`, and its true residual against the driving voltages.
  func evaluate(_ voltages: UnsafePointer<Double>) {
    let count = drops.laneCount
    let (w, y, s) = (LineDrops.lanes(weight), LineDrops.lanes(solution), LineDrops.lanes(currents))
    for k in 0..<count { s[k] = w[k] * y[k] }
    _ = drops.apply(currents, share: 1, solution, trim: trim, into: image) { _, _ in }
    for i in 0..<drops.rows {
      let (r, q) = (residual + drops.row(i), image + drops.row(i))
      for j in 0..<drops.columns { r[j] = drive(voltages, i, j) - q[j] }
    }
  }

  /// Current of output k of what was given to `drops` last, ampere.
  func output(_ k: Int) -> Double {
    isForward ? drops.columnTotals[k] : drops.rowTotals[drops.paddedRows - drops.rows + k]
  }

  var largestOutput: Double {
    var largest = 0.0
    for k in 0..<outputs { largest = max(largest, output(k).magnitude) }
    return largest
  }

  /// Solves the linear array of the weights for one vector.
  ///
  /// - Parameter tolerance: of the largest current.
  /// - Returns: the proven bound of the error of any current, ampere; nil if the tolerance was not reached in `limit`
  ///   sweeps. `currents`, `solution` and `output` hold what was found.
  func solve(_ voltages: UnsafePointer<Double>, tolerance: Double, limit: Int) -> Double? {
    sweeps = 0
    // From the ideal array: every cell at its full voltage.
    for i in 0..<drops.rows {
      let y = solution + drops.row(i)
      for j in 0..<drops.columns { y[j] = drive(voltages, i, j) }
    }
    evaluate(voltages)
    let outputWeight = largestOutputWeight()
    var largest = largestOutput
    for attempt in 0..<4 {
      // Short of the true current: the ideal one is larger, and the recursion drifts.
      let aim = (attempt == 0 ? 0.25 : 0.1) * tolerance * largest
      _ = iterate(target: outputWeight > 0 ? aim * aim / outputWeight : 0, limit: limit - sweeps)
      evaluate(voltages)
      let bound = (outputWeight * weightedNorm(residual)).squareRoot()
      largest = largestOutput
      guard bound.isFinite && largest.isFinite else { return nil }
      if bound <= tolerance * (largest - bound) || bound == 0 { return bound }
      if sweeps >= limit { return nil }
    }
    return nil
  }
}
