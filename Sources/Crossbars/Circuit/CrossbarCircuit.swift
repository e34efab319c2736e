import LinearAlgebra

/// The exact linear circuit of a crossbar, reduced to one matrix.
///
/// A linear array is one [rows, columns] matrix between its drivers and its sense nodes, `I = V·G_eff`, whatever lies
/// between. The matrix is found once per programming of the cells; every read after that is a product.
///
/// ```swift
/// let circuit = try CrossbarCircuit(CircuitParameters(wireResistance: 2, driverResistance: 100, senseResistance: 100))
/// let effective = try circuit.effectiveMatrix(conductance)            // [rows, columns]
/// let reversed = try circuit.effectiveMatrix(conductance, .backward)  // [columns, rows]
/// ```
///
/// Method: nested dissection with subtraction-free elimination; see `CircuitPlan` and `CircuitFront`. Each element of
/// the result is right to about 1e-14 of itself for any mixture of wire, terminal and cell conductances.
///
/// The value is immutable and may be shared by threads; give each thread its own workspace.
public struct CrossbarCircuit: Sendable, Equatable {
  public let parameters: CircuitParameters

  /// - Throws: `CircuitError` if a resistance is negative, not a number, or beyond what Float64 can hold.
  public init(_ parameters: CircuitParameters) throws {
    try parameters.validate()
    self.parameters = parameters
  }

  /// The effective matrix of an array.
  ///
  /// - Parameters:
  ///   - conductance: G [rows, columns], in siemens, finite and not negative; 0 is an open cell.
  ///   - direction: which terminals are driven.
  ///   - workspace: scratch to use again; without it one is made for the call, which costs several times the solution.
  /// - Returns: G_eff in siemens, [rows, columns] for a forward and [columns, rows] for a backward read: inputs × outputs.
  ///   With equal driver and sense resistance one is the transpose of the other (reciprocity).
  /// - Throws: `CircuitError` if a cell is negative, infinite or NaN, or the circuit is singular in Float64.
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
    let plan = workspace.plan(rows: rows, columns: columns)
    let emptyRows = plan.paddedRows - rows
    for i in 0..<rows {
      let row = source + i * sourceStride
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
      guard fault == 0 && largest <= CircuitParameters.largestConductance else {
        throw CrossbarCircuit.refusal(padded, row: i, columns: columns)
      }
      for j in columns..<plan.paddedColumns { padded[j] = 0 }
    }
    for i in 0..<emptyRows {
      (workspace.conductance + i * plan.paddedColumns).update(repeating: 0, count: plan.paddedColumns)
    }

    // The backward read exchanges the resistances at the two ends; reciprocity does the rest.
    let (atLeft, atBottom) =
      direction == .forward
      ? (parameters.driverResistance, parameters.senseResistance)
      : (parameters.senseResistance, parameters.driverResistance)
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

  /// The currents of a batch of reads.
  ///
  /// There is one path, for one vector as for many: the effective matrix, then a product. The matrix costs about what
  /// two to four vectors cost by line Gauss–Seidel sweeps, and unlike these it does not slow down with resistive wires.
  ///
  /// - Parameters:
  ///   - conductance: G [rows, columns], in siemens.
  ///   - voltages: [vectors, inputs], in volt; inputs are rows for a forward and columns for a backward read.
  /// - Returns: [vectors, outputs], in ampere, positive out of the array.
  /// - Throws: `CircuitError` if the circuit cannot be solved, or the voltages have another number of inputs or are not
  ///   finite.
  public func readCurrents(
    _ conductance: Matrix, voltages: Matrix, _ direction: ReadDirection = .forward, workspace: CircuitWorkspace? = nil
  ) throws -> Matrix {
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
    let effective = try effectiveMatrix(conductance, direction, workspace: workspace)
    var currents = Matrix(rows: voltages.rows, columns: effective.columns)
    guard voltages.rows > 0 && inputs > 0 && effective.columns > 0 else { return currents }
    BLAS.useOneThread()
    currents.values.withUnsafeMutableBufferPointer {
      BLAS.gemm(
        false, false, m: voltages.rows, n: effective.columns, k: inputs, voltages.values, inputs, effective.values,
        effective.columns, $0.baseAddress!, effective.columns)
    }
    return currents
  }

  private static func refusal(_ values: UnsafePointer<Double>, row: Int, columns: Int) -> CircuitError {
    let limit = CircuitParameters.largestConductance
    let column = (0..<columns).first { !(values[$0] >= 0 && values[$0] <= limit) } ?? 0
    return CircuitError(
      "cell (\(row), \(column)) has a conductance of \(values[column]) S; expected a number from 0 to \(limit)")
  }
}
