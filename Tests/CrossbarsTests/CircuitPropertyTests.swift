import Glibc
import LinearAlgebra
import Testing

@testable import Crossbars

/// What must hold for every crossbar, at sizes where no oracle is at hand.
struct CircuitPropertyTests {
  static let shapes = [(1, 30), (30, 1), (17, 40), (40, 17), (64, 64), (65, 33), (100, 9), (9, 130), (128, 128)]
  static let parameters = CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 40)

  @Test("a backward read is the forward read of the array turned round", arguments: shapes)
  func reversal(shape: (Int, Int)) throws {
    let g = Matrix.uniform(shape.0, shape.1, 1e-6, 1e-4, seed: 11)
    for wire in [0.0, 5.0] {
      var parameters = Self.parameters
      parameters.wireResistance = wire
      let circuit = try CrossbarCircuit(parameters)
      let backward = try circuit.effectiveMatrix(g, .backward)
      let turned = try circuit.effectiveMatrix(g.reversed.transposed).reversed
      #expect(backward.largestRelativeDifference(from: turned) <= 1e-12)
    }
  }

  /// The two sides eliminate the nodes in different orders, so this bounds the rounding error of both.
  @Test("the two orders of elimination agree to 1e-12 of each element over fifteen decades")
  func reversalOverManyDecades() throws {
    var generator = CircuitTestGenerator(seed: 12)
    var g = Matrix.uniform(64, 48, 0, 1, seed: 13)
    for index in g.values.indices {
      g.values[index] = Double.random(in: 0..<1, using: &generator) < 0.1 ? 0 : pow(10, -15 * g.values[index])
    }
    for wire in [1e-9, 1, 1e9] {
      let circuit = try CrossbarCircuit(
        CircuitParameters(wireResistance: wire, driverResistance: 1e4, senseResistance: 1e-5))
      let backward = try circuit.effectiveMatrix(g, .backward)
      let turned = try circuit.effectiveMatrix(g.reversed.transposed).reversed
      #expect(backward.largestRelativeDifference(from: turned) <= 1e-12)
    }
  }

  @Test("with equal terminals the backward matrix is the transpose (reciprocity)", arguments: shapes)
  func reciprocity(shape: (Int, Int)) throws {
    let g = Matrix.uniform(shape.0, shape.1, 1e-6, 1e-4, seed: 14)
    for wire in [0.0, 2.0] {
      let circuit = try CrossbarCircuit(
        CircuitParameters(wireResistance: wire, driverResistance: 100, senseResistance: 100))
      let forward = try circuit.effectiveMatrix(g)
      #expect(try circuit.effectiveMatrix(g, .backward).largestRelativeDifference(from: forward.transposed) <= 1e-12)
    }
  }

  @Test("a wire resistance of 0 is the limit of small ones, and exact")
  func idealWires() throws {
    let g = Matrix.uniform(20, 30, 1e-6, 1e-4, seed: 15)
    #expect(try CrossbarCircuit(CircuitParameters(wireResistance: 0)).effectiveMatrix(g) == g)
    for (driver, sense) in [(0.0, 0.0), (50, 0), (0, 70), (50, 70)] {
      func effective(_ wire: Double) throws -> Matrix {
        try CrossbarCircuit(
          CircuitParameters(wireResistance: wire, driverResistance: driver, senseResistance: sense)
        ).effectiveMatrix(g)
      }
      #expect(try effective(1e-13).largestRelativeDifference(from: effective(0)) <= 1e-12)
    }
    let sensed = try CrossbarCircuit(CircuitParameters(wireResistance: 0, senseResistance: 70)).effectiveMatrix(g)
    let driven = try CrossbarCircuit(CircuitParameters(wireResistance: 0, driverResistance: 50)).effectiveMatrix(g)
    for i in 0..<20 {
      for j in 0..<30 {
        let row = (0..<30).reduce(0) { $0 + g[i, $1] }
        let column = (0..<20).reduce(0) { $0 + g[$1, j] }
        #expect(abs(driven[i, j] / (g[i, j] / (1 + 50 * row)) - 1) <= 1e-14)
        #expect(abs(sensed[i, j] / (g[i, j] / (1 + 70 * column)) - 1) <= 1e-14)
      }
    }
  }

  /// With all drivers at 1 V no cell sees more than 1 V, so a bit line carries at most its column's sum of conductances;
  /// by reciprocity the same holds for rows.
  @Test("currents never exceed those of the ideal array, and fall as a wire resists more", arguments: shapes)
  func bounds(shape: (Int, Int)) throws {
    let g = Matrix.uniform(shape.0, shape.1, 0, 1e-4, seed: 16)
    func sums(_ matrix: Matrix) -> [Double] {
      let rows = (0..<matrix.rows).map { i in (0..<matrix.columns).reduce(0) { $0 + matrix[i, $1] } }
      return rows + (0..<matrix.columns).map { j in (0..<matrix.rows).reduce(0) { $0 + matrix[$1, j] } }
    }
    var previous = sums(g)
    for wire in [0, 0.5, 5, 50] {
      let circuit = try CrossbarCircuit(
        CircuitParameters(wireResistance: wire, driverResistance: wire, senseResistance: 2 * wire))
      let effective = try circuit.effectiveMatrix(g)
      #expect(effective.values.allSatisfy { $0 >= 0 })
      let current = sums(effective)
      for (now, before) in zip(current, previous) { #expect(now <= before * (1 + 1e-13)) }
      previous = current
    }
  }

  /// With all drivers at 1 V and all sense nodes at ground, what enters by the drivers must leave by the sense nodes. By
  /// reciprocity each total is the sum of all of G_eff, found here by two different eliminations.
  @Test("all sense nodes together draw what all drivers feed in")
  func conservation() throws {
    let g = Matrix.uniform(40, 56, 1e-6, 1e-4, seed: 17)
    let circuit = try CrossbarCircuit(Self.parameters)
    let exchanged = try CrossbarCircuit(
      CircuitParameters(wireResistance: 5, driverResistance: 40, senseResistance: 100))
    let ones = Matrix(rows: 1, columns: 56, values: .init(repeating: 1, count: 56))
    let out = try circuit.readCurrents(g, voltages: Matrix(rows: 1, columns: 40, values: .init(ones.values[..<40])))
    let fed = try exchanged.readCurrents(g.reversed.transposed, voltages: ones)
    #expect(abs(fed.values.reduce(0, +) / out.values.reduce(0, +) - 1) <= 1e-13)
  }

  @Test("a single word line is a ladder of resistors")
  func ladder() throws {
    let (wire, driver, sense) = (5.0, 100.0, 40.0)
    let g = Matrix.uniform(1, 30, 1e-6, 1e-4, seed: 18)
    let total = try CrossbarCircuit(Self.parameters).effectiveMatrix(g).values.reduce(0, +)
    var admittance = 0.0
    for j in (0..<30).reversed() {
      let node = admittance + 1 / (1 / g[0, j] + wire + sense)
      admittance = 1 / (1 / node + wire + (j == 0 ? driver : 0))
    }
    #expect(abs(total / admittance - 1) <= 1e-13)
  }

  @Test("currents superpose", arguments: ReadDirection.allCases)
  func superposition(direction: ReadDirection) throws {
    let g = Matrix.uniform(24, 31, 1e-6, 1e-4, seed: 19)
    let circuit = try CrossbarCircuit(Self.parameters)
    let inputs = direction == .forward ? 24 : 31
    var voltages = Matrix.uniform(3, inputs, -0.3, 0.3, seed: 20)
    for k in 0..<inputs { voltages[2, k] = 2 * voltages[0, k] - 3 * voltages[1, k] }
    let currents = try circuit.readCurrents(g, voltages: voltages, direction)
    let largest = currents.values.map(\.magnitude).max()!
    for j in 0..<currents.columns {
      #expect(abs(currents[2, j] - (2 * currents[0, j] - 3 * currents[1, j])) <= 1e-13 * largest)
    }
  }
}
