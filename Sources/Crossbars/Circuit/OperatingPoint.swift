import LinearAlgebra

/// Everything in an array while it is read with one vector.
public struct OperatingPoint: Sendable, Equatable {
  public var direction: ReadDirection
  /// Output currents, ampere, positive out of the array.
  public var currents: [Double]
  /// Currents through the cells, ampere, [rows, columns], positive in the direction of the read (forward: from word to
  /// bit line).
  public var cellCurrents: Matrix
  /// Voltages of the word-line nodes, volt, [rows, columns].
  public var wordVoltages: Matrix
  /// Voltages of the bit-line nodes, volt, [rows, columns].
  public var bitVoltages: Matrix
  /// Bound of the error of any output current, ampere. Proven for linear cells (`CellCurrents`); for others it bounds
  /// the next correction of Newton's method, whose square is what remains.
  public var errorBound: Double
  /// Sweeps over the array, and corrections by Newton's method (0 for linear cells).
  public var sweeps: Int
  public var corrections: Int

  /// Voltages across the cells, volt, positive in the direction of the read.
  public var cellVoltages: Matrix {
    let isForward = direction == .forward
    var u = isForward ? wordVoltages : bitVoltages
    let other = isForward ? bitVoltages : wordVoltages
    for k in u.values.indices { u.values[k] -= other.values[k] }
    return u
  }
}

extension CrossbarCircuit {
  /// Relative error that reads of single vectors are solved to, unless the caller asks for another. The last correction
  /// of Newton's method usually goes far below.
  public var defaultTolerance: Double { cell == .linear ? 1e-12 : 1e-10 }
  /// Sweeps after which an operating point is given up.
  static let sweepLimit = 20_000
  /// Sweeps after which Newton's method begins without the chords.
  static let startLimit = 500
  /// Corrections after which Newton's method is given up.
  static let correctionLimit = 200

  /// Currents and node voltages of one read.
  ///
  /// - Parameters:
  ///   - conductance: G [rows, columns], in siemens, not negative; 0 is an open cell, infinity a tie of the two lines.
  ///   - voltages: one for each input, in volt.
  ///   - tolerance: error of any current, relative to the largest.
  /// - Throws: `CircuitError` if something is out of range, the circuit is singular, leaves lines without a defined
  ///   voltage, or the tolerance is not reached.
  public func operatingPoint(
    _ conductance: Matrix, voltages: [Double], _ direction: ReadDirection = .forward,
    tolerance: Double? = nil
  ) throws -> OperatingPoint {
    let tolerance = tolerance ?? defaultTolerance
    let (rows, columns) = (conductance.rows, conductance.columns)
    try check(conductance)
    try check(Matrix(rows: 1, columns: voltages.count, values: voltages), for: conductance, direction)
    guard rows > 0 && columns > 0 else {
      let none = Matrix(rows: rows, columns: columns)
      let outputs = direction == .forward ? columns : rows
      return OperatingPoint(
        direction: direction, currents: .init(repeating: 0, count: outputs), cellCurrents: none, wordVoltages: none,
        bitVoltages: none,
        errorBound: 0, sweeps: 0, corrections: 0)
    }
    if hasInfiniteResistance {
      throw CircuitError("an infinite resistance leaves lines without a source, so that their voltages are not defined")
    }
    if parameters.wireResistance == 0 && cell.infinityIsShort && conductance.values.contains(.infinity) {
      throw CrossbarCircuit.undefinedShorts
    }
    let solver = CellCurrents(rows: rows, columns: columns, parameters, direction)
    let currents = solver.currents
    var point = OperatingPoint(
      direction: direction, currents: [], cellCurrents: Matrix(rows: rows, columns: columns),
      wordVoltages: Matrix(rows: rows, columns: columns), bitVoltages: Matrix(rows: rows, columns: columns),
      errorBound: 0, sweeps: 0, corrections: 0)
    let newton = cell == .linear ? nil : NewtonReads(solver, cell, conductance)
    try voltages.withUnsafeBufferPointer { voltages in
      if let newton {
        point.errorBound = try newton.solve(voltages.baseAddress!, tolerance: tolerance)
        (point.sweeps, point.corrections) = (newton.sweeps, newton.corrections)
        point.currents = (0..<solver.outputs).map { newton.output($0) }
      } else {
        conductance.values.withUnsafeBufferPointer { solver.setWeights($0.baseAddress!) }
        guard
          let bound = solver.solve(voltages.baseAddress!, tolerance: tolerance, limit: CrossbarCircuit.sweepLimit)
        else {
          throw CircuitError(
            "the currents did not settle to \(tolerance) of the largest in \(solver.sweeps) sweeps: the lines of this "
              + "\(rows) × \(columns) array lose almost all of the voltage, or the tolerance is beyond Float64")
        }
        point.errorBound = bound
        point.sweeps = solver.sweeps
        point.currents = (0..<solver.outputs).map { solver.output($0) }
      }
      // Word lines and bit lines apart.
      let drops = solver.drops
      let (all, word) = (drops.makePlane(), drops.makePlane())
      _ = drops.apply(currents, share: 0, currents, trim: 0, into: all) { _, _ in }
      drops.wordLineDrops(currents, into: word)
      for i in 0..<rows {
        let at = drops.row(i)
        for j in 0..<columns {
          let drive = solver.drive(voltages.baseAddress!, i, j)
          let alongWord = word[at + j]
          let alongBit = all[at + j] - alongWord
          point.cellCurrents[i, j] = currents[at + j]
          point.wordVoltages[i, j] = solver.isForward ? drive - alongWord : alongWord
          point.bitVoltages[i, j] = solver.isForward ? alongBit : drive - alongBit
        }
      }
    }
    return point
  }
}
