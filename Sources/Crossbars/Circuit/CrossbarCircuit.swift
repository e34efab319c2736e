import LinearAlgebra

/// The circuit of a crossbar: what currents leave it for what voltages.
///
/// An array of linear cells is one [rows, columns] matrix between its drivers and its sense nodes, `I = V·G_eff`, whatever lies
/// between. The matrix is found once per programming of the cells; every read after that is a product.
///
/// ```swift
/// let circuit = try CrossbarCircuit(CircuitParameters(wireResistance: 2, driverResistance: 100, senseResistance: 100))
/// let effective = try circuit.effectiveMatrix(conductance)            // [rows, columns]
/// let reversed = try circuit.effectiveMatrix(conductance, .backward)  // [columns, rows]
/// ```
///
/// Method: nested dissection with subtraction-free elimination; see `CircuitPlan` and `CircuitFront`. Each element of
/// the result is right to about 1e-14 of itself for any mixture of wire, terminal and cell conductances. For a few
/// vectors `readCurrents` solves for the cells' currents instead (`CellCurrents`), and so it does for cells with another
/// law than Ohm's, of which there is no matrix (`NewtonReads`).
///
/// The value is immutable and may be shared by threads; give each thread its own workspace.
public struct CrossbarCircuit: Sendable, Equatable {
  public let parameters: CircuitParameters
  /// The law of every cell.
  public let cell: CellLaw

  /// - Throws: `CircuitError` if a resistance is negative, not a number, or beyond what Float64 can hold, or a parameter
  ///   of the cells means nothing.
  public init(_ parameters: CircuitParameters, cell: CellLaw = .linear) throws {
    try parameters.validate()
    try cell.validate()
    self.parameters = parameters
    self.cell = cell
  }

  /// A line that leads nowhere: no current leaves the array.
  var hasInfiniteResistance: Bool {
    [parameters.wireResistance, parameters.driverResistance, parameters.senseResistance].contains(.infinity)
  }

  /// The effective matrix of an array.
  ///
  /// - Parameters:
  ///   - conductance: G [rows, columns], in siemens, not negative; 0 is an open cell, infinity a tie of the two lines.
  ///   - direction: which terminals are driven.
  ///   - workspace: scratch to use again; without it one is made for the call, which costs several times the solution.
  /// - Returns: G_eff in siemens, [rows, columns] for a forward and [columns, rows] for a backward read: inputs × outputs.
  ///   With equal driver and sense resistance one is the transpose of the other (reciprocity).
  /// - Throws: `CircuitError` if a cell is negative or NaN, the cells are not linear, or the circuit is singular.
  public func effectiveMatrix(
    _ conductance: Matrix, _ direction: ReadDirection = .forward, workspace: CircuitWorkspace? = nil
  ) throws -> Matrix {
    let (rows, columns) = (conductance.rows, conductance.columns)
    guard rows > 0 && columns > 0 else { return direction == .forward ? conductance : conductance.transposed }
    let workspace = workspace ?? CircuitWorkspace(rows: rows, columns: columns)
    var result = direction == .forward ? Matrix(rows: rows, columns: columns) : Matrix(rows: columns, columns: rows)
    let resultStride = result.columns
    try conductance.values.withUnsafeBufferPointer { source in
      try result.values.withUnsafeMutableBufferPointer { target in
        try effectiveMatrix(
          of: source.baseAddress!, stride: columns, rows: rows, columns: columns, direction,
          into: target.baseAddress!, stride: resultStride, workspace: workspace)
      }
    }
    return result
  }

  /// The effective matrix of a tile inside a larger array; the arithmetic is Float64 whatever the element types.
  ///
  /// - Parameters:
  ///   - source: G[0, 0] of the tile; row i begins `sourceStride` elements after row i − 1. In siemens.
  ///   - target: receives G_eff as inputs × outputs, so [rows, columns] forward and [columns, rows] backward, with
  ///     `targetStride` elements from row to row. May be `source` itself for a forward read.
  /// - Throws: `CircuitError`, as the other form; `target` is then unchanged.
  public func effectiveMatrix<Source: BinaryFloatingPoint, Target: BinaryFloatingPoint>(
    of source: UnsafePointer<Source>, stride sourceStride: Int, rows: Int, columns: Int,
    _ direction: ReadDirection = .forward, into target: UnsafeMutablePointer<Target>, stride targetStride: Int,
    workspace: CircuitWorkspace
  ) throws {
    guard rows > 0 && columns > 0 else { return }
    guard cell == .linear else { throw noMatrix }
    let plan = workspace.plan(rows: rows, columns: columns)
    try load(source, stride: sourceStride, direction, plan, workspace)
    if hasInfiniteResistance {
      let (count, length) = direction == .forward ? (rows, columns) : (columns, rows)
      for i in 0..<count { (target + i * targetStride).update(repeating: 0, count: length) }
      return
    }
    let emptyRows = plan.paddedRows - rows

    let (atLeft, atBottom) = ends(direction)
    let result: UnsafePointer<Double>
    let resultStride: Int
    if parameters.wireResistance > 0 {
      let wire = parameters.wireResistance
      workspace.reduce(plan, wire: 1 / wire, left: 1 / (wire + atLeft), bottom: 1 / (wire + atBottom))
      result = UnsafePointer(workspace.arena) + plan.resultOffset + emptyRows * plan.resultStride
      resultStride = plan.resultStride
    } else {
      (result, resultStride) = workspace.reduceIdealLines(plan, leftResistance: atLeft, bottomResistance: atBottom)
    }

    var check = 0.0
    for i in 0..<rows { for j in 0..<columns { check += 0 * result[i * resultStride + j] } }
    guard check == 0 else {
      throw CircuitError(
        "the \(rows) × \(columns) circuit is singular in Float64: its conductances span too many orders of magnitude")
    }
    let isForward = direction == .forward
    for i in 0..<rows {
      let row = result + i * resultStride
      if isForward {
        for j in 0..<columns { target[i * targetStride + j] = Target(row[j]) }
      } else {
        for j in 0..<columns { target[j * targetStride + i] = Target(row[j]) }
      }
    }
  }

  var noMatrix: CircuitError {
    CircuitError("an array of \(cell.name) cells has no effective matrix: its currents do not add up")
  }

  /// What stands for an infinite conductance where it must be a number, in siemens.
  /// - Parameter largest: of the other cells.
  func shortConductance(above largest: Double) -> Double {
    let (wire, limit) = (parameters.wireResistance, CircuitParameters.largestConductance)
    let resistances = [wire, wire + parameters.driverResistance, wire + parameters.senseResistance]
    return 1e25 * resistances.reduce(max(largest, 1 / limit)) { $1 > 0 ? max($0, 1 / $1) : $0 }
  }

  /// The nodes that shorts make of lines without resistance.
  func lineNodes(_ conductance: Matrix) -> LineNodes {
    var nodes = LineNodes(rows: conductance.rows, columns: conductance.columns)
    for k in conductance.values.indices where conductance.values[k] == .infinity {
      _ = nodes.tie(k / conductance.columns, k % conductance.columns)
    }
    return nodes
  }

  /// The resistances between the ends of the word lines (left) and bit lines (bottom) and their terminals, in ohm; the
  /// backward read exchanges them.
  func ends(_ direction: ReadDirection) -> (left: Double, bottom: Double) {
    direction == .forward
      ? (parameters.driverResistance, parameters.senseResistance)
      : (parameters.senseResistance, parameters.driverResistance)
  }

  /// Copies a tile into the workspace's padded array.
  ///
  /// A short becomes a conductance 1e25 times as large as any other. That is exact in Float64: the elimination never
  /// subtracts, so each element is right to a few units in its last place whatever the ratios, and the resistance of
  /// 1e-25 changes it by less than 1e-19 of itself.
  private func load<Source: BinaryFloatingPoint>(
    _ source: UnsafePointer<Source>, stride: Int, _ direction: ReadDirection, _ plan: CircuitPlan,
    _ workspace: CircuitWorkspace
  ) throws {
    let emptyRows = plan.paddedRows - plan.rows
    let columns = plan.columns
    var overall = 0.0
    var hasShorts = false
    for i in 0..<plan.rows {
      let row = source + i * stride
      let padded = workspace.conductance + (emptyRows + i) * plan.paddedColumns
      // A NaN, an infinity or a negative number makes `fault` other than 0.
      var fault = 0.0
      var largest = 0.0
      for j in 0..<columns {
        let value = Double(row[j])
        padded[j] = value
        fault += value.magnitude - value + 0 * value
        largest = value > largest ? value : largest
      }
      if !(fault == 0 && largest <= CircuitParameters.largestConductance) {
        largest = 0
        for j in 0..<columns where padded[j] != .infinity {
          guard padded[j] >= 0 && padded[j] <= CircuitParameters.largestConductance else {
            throw CrossbarCircuit.refusal(padded[j], row: i, column: j)
          }
          largest = max(largest, padded[j])
        }
        hasShorts = true
      }
      overall = max(overall, largest)
      for j in columns..<plan.paddedColumns { padded[j] = 0 }
    }
    for i in 0..<emptyRows {
      (workspace.conductance + i * plan.paddedColumns).update(repeating: 0, count: plan.paddedColumns)
    }
    guard hasShorts else { return }
    let cells = workspace.conductance + emptyRows * plan.paddedColumns
    if parameters.wireResistance == 0 {
      var nodes = LineNodes(rows: plan.rows, columns: columns)
      for i in 0..<plan.rows {
        for j in 0..<columns where cells[i * plan.paddedColumns + j] == .infinity { _ = nodes.tie(i, j) }
      }
      try nodes.refuseLoops(ends(direction))
    }
    let short = shortConductance(above: overall)
    for i in 0..<plan.rows {
      let row = cells + i * plan.paddedColumns
      for j in 0..<columns where row[j] == .infinity { row[j] = short }
    }
  }

  /// Vectors up to which `readCurrents` solves for each instead of the whole matrix, which costs about what this many
  /// vectors do.
  static let fewVectors = 8
  /// Sweeps after which a single vector costs more than the matrix.
  static let fewSweeps = 60

  /// The currents of a batch of reads.
  ///
  /// A few vectors are solved one by one (`CellCurrents`), more through the effective matrix, and so are a few where the
  /// sweeps do not settle soon: where lines lose nearly all of their voltage. Non-linear cells are solved one by one.
  ///
  /// - Parameters:
  ///   - conductance: G [rows, columns], in siemens, not negative; 0 is an open cell, infinity a tie of the two lines.
  ///   - voltages: [vectors, inputs], in volt; inputs are rows for a forward and columns for a backward read.
  ///   - tolerance: proven error of a current that is not read through the matrix, relative to the largest of its vector.
  ///   - workspace: scratch for the matrix to use again.
  /// - Returns: [vectors, outputs], in ampere, positive out of the array.
  /// - Throws: `CircuitError` if the circuit cannot be solved, or the voltages have another number of inputs or are not
  ///   finite.
  public func readCurrents(
    _ conductance: Matrix, voltages: Matrix, _ direction: ReadDirection = .forward,
    tolerance: Double? = nil, workspace: CircuitWorkspace? = nil
  ) throws -> Matrix {
    let inputs = direction == .forward ? conductance.rows : conductance.columns
    let outputs = direction == .forward ? conductance.columns : conductance.rows
    try check(voltages, for: conductance, direction)
    var currents = Matrix(rows: voltages.rows, columns: outputs)
    if cell != .linear || voltages.rows <= CrossbarCircuit.fewVectors {
      try check(conductance)
      guard voltages.rows > 0 && inputs > 0 && outputs > 0 && !hasInfiniteResistance else { return currents }
      if try readOneByOne(conductance, voltages, direction, tolerance ?? defaultTolerance, into: &currents) {
        return currents
      }
    }
    let effective = try effectiveMatrix(conductance, direction, workspace: workspace)
    return CrossbarCircuit.currents(voltages, through: effective)
  }

  /// V · G_eff.
  ///
  /// - Parameters:
  ///   - voltages: [vectors, inputs], in volt.
  ///   - effective: an effective matrix, inputs × outputs, in siemens.
  /// - Returns: [vectors, outputs], in ampere.
  public static func currents(_ voltages: Matrix, through effective: Matrix) -> Matrix {
    precondition(voltages.columns == effective.rows, "\(voltages.columns) voltages, \(effective.rows) inputs")
    var currents = Matrix(rows: voltages.rows, columns: effective.columns)
    guard !currents.values.isEmpty && effective.rows > 0 else { return currents }
    BLAS.useOneThread()
    currents.values.withUnsafeMutableBufferPointer {
      BLAS.gemm(
        false, false, m: voltages.rows, n: effective.columns, k: effective.rows, voltages.values, effective.rows,
        effective.values, effective.columns, $0.baseAddress!, effective.columns)
    }
    return currents
  }

  /// - Returns: false where the matrix does better.
  private func readOneByOne(
    _ conductance: Matrix, _ voltages: Matrix, _ direction: ReadDirection, _ tolerance: Double,
    into currents: inout Matrix
  ) throws -> Bool {
    let (rows, columns) = (conductance.rows, conductance.columns)
    let hasShorts = cell.infinityIsShort && conductance.values.contains(.infinity)
    if hasShorts && parameters.wireResistance == 0 {
      guard cell != .linear else { return false }
      throw CrossbarCircuit.undefinedShorts
    }
    let solver = CellCurrents(rows: rows, columns: columns, parameters, direction)
    let newton = cell == .linear ? nil : NewtonReads(solver, cell, conductance)
    if newton == nil { conductance.values.withUnsafeBufferPointer { solver.setWeights($0.baseAddress!) } }
    let (inputs, outputs) = (voltages.columns, currents.columns)
    return try voltages.values.withUnsafeBufferPointer { voltages in
      for k in 0..<currents.rows {
        let vector = voltages.baseAddress! + k * inputs
        if let newton {
          _ = try CrossbarCircuit.naming(vector: k) { try newton.solve(vector, tolerance: tolerance) }
          for j in 0..<outputs { currents.values[k * outputs + j] = newton.output(j) }
        } else {
          guard solver.solve(vector, tolerance: tolerance, limit: CrossbarCircuit.fewSweeps) != nil else {
            return false
          }
          for j in 0..<outputs { currents.values[k * outputs + j] = solver.output(j) }
        }
      }
      return true
    }
  }

  private static func naming<Result>(vector: Int, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as CircuitError { throw CircuitError("vector \(vector): \(error)") }
  }

  static let undefinedShorts = CircuitError(
    "cells of infinite conductance between wires without resistance share their current in an undefined way; give "
      + "wireResistance a small value, such as 1e-6 ohm")

  // MARK: Refusing

  /// - Throws: `CircuitError` naming the first cell that is negative, NaN or beyond the largest conductance but finite.
  func check(_ conductance: Matrix) throws {
    let limit = CircuitParameters.largestConductance
    if let bad = conductance.values.firstIndex(where: { !($0 >= 0 && ($0 <= limit || $0 == .infinity)) }) {
      throw CrossbarCircuit.refusal(
        conductance.values[bad], row: bad / conductance.columns, column: bad % conductance.columns)
    }
  }

  /// - Throws: `CircuitError` if the voltages do not fit the array or are not finite.
  func check(_ voltages: Matrix, for conductance: Matrix, _ direction: ReadDirection) throws {
    let inputs = direction == .forward ? conductance.rows : conductance.columns
    guard voltages.columns == inputs else {
      throw CircuitError(
        "the voltages have \(voltages.columns) columns; a \(direction) read of a \(conductance.rows) × "
          + "\(conductance.columns) array takes \(inputs)")
    }
    if let bad = voltages.values.firstIndex(where: { !$0.isFinite }) {
      throw CircuitError(
        "voltage \(bad % inputs) of vector \(bad / inputs) is \(voltages.values[bad]) V; expected a finite number")
    }
  }

  private static func refusal(_ value: Double, row: Int, column: Int) -> CircuitError {
    CircuitError(
      "cell (\(row), \(column)) has a conductance of \(value) S; expected a number from 0 to "
        + "\(CircuitParameters.largestConductance), or infinity for a short")
  }
}
