import LinearAlgebra
import NeuralNetworks

/// Forward reads of arrays whose cells follow another law than Ohm's: sinh, behind a transistor or a selector.
///
/// Such an array has no effective matrix. Every vector is solved in every tile and plane for its operating point
/// (`NewtonReads`), from a start that takes each cell's share of its line's voltage from one reference vector, so that a
/// sum depends on nothing but its own vector. What a current means stays what it is for linear cells,
///
///     partial sum = gain · (I⁺ − I⁻) / (V_read · (G_max − G_min)),
///
/// G being the law's conductance at low voltage (of a series device: of the resistor). Gradients are those of the linear
/// array: a backward read multiplies with its effective matrix.
extension CrossbarArray {
  var hasNonlinearCells: Bool { parameters.cell != .linear }

  /// Error of an output current relative to the largest of its vector: a thirtieth of a step of a 16-bit converter.
  static let cellTolerance = 1e-6

  /// Partial sums of one strip of tiles.
  ///
  /// - x: word-line voltages in units of the full scale, [rows, inputs], row length `ldx`; the strip's begin at `line`
  /// - y: [rows, outputs], row length `ldy`
  func cellSums(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ rows: Int, _ line: Int, slice k: Int, _ y: UnsafeMutablePointer<Float>,
    _ ldy: Int
  ) {
    let slice = slices[k]
    let voltage = parameters.converters.readVoltage
    let unit = Double(gain(slice)) / (voltage * parameters.device.conductanceRange)
    let lines = min(parameters.rows, inputs - line)
    var drive = [Double](repeating: 0, count: lines)
    for r in 0..<rows { (y + r * ldy).update(repeating: 0, count: outputs) }
    for columnTile in 0..<columnTiles {
      let tile = columnTile * rowTiles + line / parameters.rows
      let (o, _) = grid.tile(tile)
      for p in slice.planes.indices {
        let factor = p == 0 ? unit : -unit
        do {
          let newton = try cellSolver(conductances(slice: k, plane: p, tile: tile), voltage)
          for r in 0..<rows {
            var isDriven = false
            for i in 0..<lines {
              drive[i] = voltage * Double(x[r * ldx + line + i])
              isDriven = isDriven || drive[i] != 0
            }
            guard isDriven else { continue }
            _ = try newton.solve(drive, tolerance: Self.cellTolerance)
            // A dummy line comes last.
            let dummy = parameters.mapping == .dummy ? newton.output(o.count) : 0
            for (c, output) in o.enumerated() { y[r * ldy + output] += Float(factor * (newton.output(c) - dummy)) }
          }
        } catch {
          readFailure.set("a read of tile \(tile): \(error)")
          for r in 0..<rows { for output in o { y[r * ldy + output] = .nan } }
        }
      }
    }
  }

  private func cellSolver(_ conductance: Matrix, _ voltage: Double) throws -> NewtonReads {
    let ideal = CircuitParameters(wireResistance: 0, driverResistance: 0, senseResistance: 0)
    let circuit = parameters.hasIdealCircuit ? ideal : parameters.circuit
    let solver = CellCurrents(rows: conductance.rows, columns: conductance.columns, circuit, .forward)
    let newton = NewtonReads(solver, parameters.cell, conductance)
    // The usual vector drives half of the lines, at half of the full scale.
    try newton.takeReference([Double](repeating: 0.25 * voltage, count: conductance.rows))
    return newton
  }
}

extension CrossbarArray: FallibleReads {
  public func takeReadFailure() -> ModelError? { readFailure.take().map { ModelError($0) } }
}
