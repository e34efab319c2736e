import LinearAlgebra

// Effective matrices that are not solved for, and how far off they are.

extension CrossbarCircuit {
  /// The effective matrix by line sums: each cell in series with what its lines lose to all cells that share them.
  ///
  ///     G_eff[i, j] ≈ G[i, j] / (1 + A[i, j] + B[i, j])
  ///     A[i, j] = Σ over the segments k of word line i up to column j of  r[k] · Σ over the columns l ≥ k of G[i, l]
  ///     B[i, j] = the same down bit line j, from row i to the sense node
  ///
  /// with r = R_wire, plus R_driver on the first segment of a word line and R_sense on the last of a bit line. A + B is
  /// what one volt on every cell would lose: R·G of `LineDrops`. The loss is thus taken as proportional to the cell's own
  /// voltage, which holds where the cells of a line see similar voltages, and sneak current is left out.
  ///
  /// - Returns: G_eff in siemens, inputs × outputs.
  /// - Throws: as `effectiveMatrix`.
  public func closedForm(_ conductance: Matrix, _ direction: ReadDirection = .forward) throws -> Matrix {
    guard cell == .linear else { throw noMatrix }
    try check(conductance)
    let (rows, columns) = (conductance.rows, conductance.columns)
    var result = Matrix(rows: rows, columns: columns)
    guard rows > 0 && columns > 0 && !hasInfiniteResistance else {
      return direction == .forward ? result : result.transposed
    }
    var cells = conductance
    if conductance.values.contains(.infinity) {
      if parameters.wireResistance == 0 { try lineNodes(conductance).refuseLoops(ends(direction)) }
      let short = shortConductance(above: conductance.values.reduce(0) { $1 == .infinity ? $0 : max($0, $1) })
      for k in cells.values.indices where cells.values[k] == .infinity { cells.values[k] = short }
    }
    let drops = LineDrops(rows: rows, columns: columns, parameters, direction)
    let (g, loss) = (drops.makePlane(), drops.makePlane())
    for i in 0..<rows {
      for j in 0..<columns { g[drops.row(i) + j] = cells.values[i * columns + j] }
    }
    _ = drops.apply(g, share: 0, g, trim: 0, into: loss) { _, _ in }
    for i in 0..<rows {
      for j in 0..<columns {
        result.values[i * columns + j] = g[drops.row(i) + j] / (1 + loss[drops.row(i) + j])
      }
    }
    return direction == .forward ? result : result.transposed
  }
}

/// Line sums, corrected by what they missed at an earlier state of the cells:
///
///     G_eff(G) ≈ closedForm(G) + (exact(G₀) − closedForm(G₀))
///
/// What is missed is added and not multiplied, for most of it is sneak current, which does not grow with the cell: at
/// open cells the ratio is 0/0, and at an on/off ratio of 1000 it is wrong by ten times as much
/// (Documentation/measurements-circuit.md).
public struct ClosedFormCorrection: Sendable, Equatable {
  public let circuit: CrossbarCircuit
  public let direction: ReadDirection
  /// exact(G₀) − closedForm(G₀), siemens, inputs × outputs.
  public let missed: Matrix

  /// - Parameter conductance: G₀, [rows, columns], in siemens.
  /// - Throws: as `effectiveMatrix`.
  public init(
    _ circuit: CrossbarCircuit, at conductance: Matrix, _ direction: ReadDirection = .forward,
    workspace: CircuitWorkspace? = nil
  ) throws {
    self.circuit = circuit
    self.direction = direction
    var missed = try circuit.effectiveMatrix(conductance, direction, workspace: workspace)
    let sums = try circuit.closedForm(conductance, direction)
    for k in missed.values.indices { missed.values[k] -= sums.values[k] }
    self.missed = missed
  }

  /// - Parameter conductance: G of the shape of G₀.
  /// - Returns: G_eff in siemens, inputs × outputs.
  /// - Throws: `CircuitError` if the shapes differ; else as `effectiveMatrix`.
  public func effectiveMatrix(_ conductance: Matrix) throws -> Matrix {
    var result = try circuit.closedForm(conductance, direction)
    try requireShape(result, missed)
    for k in result.values.indices { result.values[k] += missed.values[k] }
    return result
  }
}

/// The distortion of an earlier state of the cells (TxSim's interpolated Fast Crossbar Model, arXiv 2002.11151):
///
///     G_eff(G) ≈ G ∘ D + S,     D = min(1, exact(G₀)/G₀),     S = exact(G₀) − G₀ ∘ D
///
/// S is the sneak current of cells that carry more of it than of their own; it stays.
public struct DistortionProfile: Sendable, Equatable {
  public let direction: ReadDirection
  /// D and S (siemens), inputs × outputs.
  public let distortion: Matrix
  public let sneak: Matrix

  /// - Parameter conductance: G₀, [rows, columns], in siemens.
  /// - Throws: as `effectiveMatrix`.
  public init(
    _ circuit: CrossbarCircuit, at conductance: Matrix, _ direction: ReadDirection = .forward,
    workspace: CircuitWorkspace? = nil
  ) throws {
    self.direction = direction
    let exact = try circuit.effectiveMatrix(conductance, direction, workspace: workspace)
    let g = direction == .forward ? conductance : conductance.transposed
    var (distortion, sneak) = (exact, exact)
    for k in exact.values.indices {
      let cell = g.values[k]
      let d = cell > 0 && cell.isFinite ? min(1, exact.values[k] / cell) : 0
      distortion.values[k] = d
      if d > 0 { sneak.values[k] = max(0, exact.values[k] - cell * d) }
    }
    (self.distortion, self.sneak) = (distortion, sneak)
  }

  /// - Parameter conductance: G of the shape of G₀, [rows, columns].
  /// - Returns: G_eff in siemens, inputs × outputs.
  /// - Throws: `CircuitError` if the shapes differ, or a cell that was none has become a short.
  public func effectiveMatrix(_ conductance: Matrix) throws -> Matrix {
    var result = direction == .forward ? conductance : conductance.transposed
    try requireShape(result, distortion)
    for k in result.values.indices {
      let d = distortion.values[k]
      guard d == 0 || result.values[k].isFinite else {
        throw CircuitError("a cell of finite conductance has become a short; its distortion says nothing of that")
      }
      result.values[k] = (d == 0 ? 0 : result.values[k] * d) + sneak.values[k]
    }
    return result
  }
}

private func requireShape(_ found: Matrix, _ expected: Matrix) throws {
  guard found.rows == expected.rows && found.columns == expected.columns else {
    throw CircuitError(
      "the array has \(found.rows) inputs and \(found.columns) outputs; the earlier one had \(expected.rows) and "
        + "\(expected.columns)")
  }
}

/// How far an effective matrix is from the exact one.
public struct EffectiveMatrixError: Sendable, Equatable {
  /// Of the elements: rms error over rms element, and largest error over largest element.
  public let elementRMS: Double
  public let elementMax: Double
  /// Of the currents of given inputs, likewise.
  public let currentRMS: Double
  public let currentMax: Double

  /// - Parameters:
  ///   - found: an effective matrix, inputs × outputs.
  ///   - exact: the exact one.
  ///   - voltages: [vectors, inputs].
  /// - Precondition: the shapes fit.
  public init(of found: Matrix, against exact: Matrix, voltages: Matrix) {
    (elementRMS, elementMax) = EffectiveMatrixError.compare(found.values, exact.values)
    (currentRMS, currentMax) = EffectiveMatrixError.compare(
      CrossbarCircuit.currents(voltages, through: found).values,
      CrossbarCircuit.currents(voltages, through: exact).values)
  }

  private static func compare(_ found: [Double], _ exact: [Double]) -> (rms: Double, largest: Double) {
    precondition(found.count == exact.count)
    var (squares, reference, gap, largest) = (0.0, 0.0, 0.0, 0.0)
    for (a, b) in zip(found, exact) {
      squares += (a - b) * (a - b)
      reference += b * b
      gap = max(gap, (a - b).magnitude)
      largest = max(largest, b.magnitude)
    }
    return (gap == 0 ? 0 : (squares / reference).squareRoot(), gap == 0 ? 0 : gap / largest)
  }
}
