import Glibc
import LinearAlgebra
import Testing

@testable import Crossbars

/// Single vectors, solved for the cells' currents, against the effective matrix and against Kirchhoff's laws.
struct CircuitFewVectorsTests {
  static let shapes = [(1, 1), (1, 30), (30, 1), (5, 4), (17, 40), (40, 17), (64, 64), (65, 33), (9, 130)]

  static let resistances: [CircuitParameters] = [0, 2].flatMap { wire in
    [0, 100].flatMap { driver in
      [0, 300].map { CircuitParameters(wireResistance: wire, driverResistance: driver, senseResistance: $0) }
    }
  }

  /// Σₖ V[k]·G_eff[k, j].
  static func product(_ voltages: [Double], _ effective: Matrix) -> [Double] {
    (0..<effective.columns).map { j in (0..<effective.rows).reduce(0) { $0 + voltages[$1] * effective[$1, j] } }
  }

  static func largestDifference(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).map { ($0 - $1).magnitude }.max() ?? 0
  }

  @Test("one vector gives the matrix's currents to 1e-12 of the largest, whatever is zero", arguments: shapes)
  func agreesWithMatrix(shape: (Int, Int)) throws {
    var g = Matrix.uniform(shape.0, shape.1, 1e-6, 1e-5, seed: 31)
    for sparse in [false, true] {
      if sparse { for k in g.values.indices where k % 3 == 0 { g.values[k] = 0 } }
      for parameters in Self.resistances {
        let circuit = try CrossbarCircuit(parameters)
        for direction in ReadDirection.allCases {
          let inputs = direction == .forward ? shape.0 : shape.1
          let effective = try circuit.effectiveMatrix(g, direction)
          for range in [0.0..<0.25, -0.25..<0.25] {
            let voltages = Matrix.uniform(1, inputs, range.lowerBound, range.upperBound, seed: 32)
            let expected = Self.product(voltages.values, effective)
            let found = try circuit.readCurrents(g, voltages: voltages, direction)
            let largest = expected.map(\.magnitude).max()!
            #expect(Self.largestDifference(found.values, expected) <= 1.1e-12 * largest)
          }
        }
      }
    }
  }

  /// The bound is what a result is accepted by, so it must hold at every tolerance and for every kind of array.
  @Test("no current is farther off than the proven bound", arguments: 0..<30)
  func bound(seed: Int) throws {
    var generator = CircuitTestGenerator(seed: UInt64(seed) + 500)
    func decades(_ low: Double, _ high: Double) -> Double {
      pow(10, Double.random(in: low..<high, using: &generator))
    }
    let (rows, columns) = (Int.random(in: 1...40, using: &generator), Int.random(in: 1...40, using: &generator))
    let parameters = CircuitParameters(
      wireResistance: seed % 5 == 0 ? 0 : decades(-2, 2), driverResistance: decades(-1, 3),
      senseResistance: decades(-1, 3))
    var g = Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in decades(-7, -3) })
    for k in g.values.indices where Double.random(in: 0..<1, using: &generator) < 0.1 { g.values[k] = 0 }
    if parameters.wireResistance > 0 { g.values[g.values.count / 2] = .infinity }
    let circuit = try CrossbarCircuit(parameters)
    for direction in ReadDirection.allCases {
      let inputs = direction == .forward ? rows : columns
      let voltages = (0..<inputs).map { _ in Double.random(in: -1..<1, using: &generator) }
      let exact = Self.product(voltages, try circuit.effectiveMatrix(g, direction))
      let largest = exact.map(\.magnitude).max()!
      for tolerance in [1e-2, 1e-5, 1e-9] {
        let point = try circuit.operatingPoint(g, voltages: voltages, direction, tolerance: tolerance)
        #expect(point.errorBound <= tolerance * largest)
        #expect(Self.largestDifference(point.currents, exact) <= point.errorBound + 1e-14 * largest)
      }
    }
  }

  @Test("node voltages and cell currents obey Kirchhoff's laws at every node", arguments: ReadDirection.allCases)
  func kirchhoff(direction: ReadDirection) throws {
    let (m, n) = (13, 21)
    var g = Matrix.uniform(m, n, 1e-6, 1e-4, seed: 33)
    g[3, 4] = 0
    g[7, 11] = 0
    let parameters = CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 40)
    let isForward = direction == .forward
    let inputs = isForward ? m : n
    let voltages = Matrix.uniform(1, inputs, -0.2, 0.25, seed: 34).values
    let point = try CrossbarCircuit(parameters).operatingPoint(g, voltages: voltages, direction)
    let (w, b) = (point.wordVoltages, point.bitVoltages)
    let gw = 1 / parameters.wireResistance
    let left = 1 / (5 + (isForward ? parameters.driverResistance : parameters.senseResistance))
    let bottom = 1 / (5 + (isForward ? parameters.senseResistance : parameters.driverResistance))
    let largest = point.currents.map(\.magnitude).max()!
    for i in 0..<m {
      for j in 0..<n {
        let cell = g[i, j] * (w[i, j] - b[i, j])
        let before =
          j > 0 ? gw * (w[i, j - 1] - w[i, j]) : left * ((isForward ? voltages[i] : 0) - w[i, 0])
        let after = j < n - 1 ? gw * (w[i, j] - w[i, j + 1]) : 0
        #expect(abs(before - after - cell) <= 1e-10 * largest)
        let above = i > 0 ? gw * (b[i - 1, j] - b[i, j]) : 0
        let below = i < m - 1 ? gw * (b[i, j] - b[i + 1, j]) : bottom * (b[i, j] - (isForward ? 0 : voltages[j]))
        #expect(abs(above + cell - below) <= 1e-10 * largest)
        #expect(abs(point.cellCurrents[i, j] - (isForward ? cell : -cell)) <= 1e-10 * largest)
        #expect(abs(point.cellVoltages[i, j] - (isForward ? 1 : -1) * (w[i, j] - b[i, j])) <= 1e-15)
      }
    }
    for k in point.currents.indices {
      let out = isForward ? bottom * b[m - 1, k] : left * w[k, 0]
      #expect(abs(point.currents[k] - out) <= 1e-10 * largest)
    }
  }

  @Test("an array that loses nearly everything is left to the matrix, or takes more sweeps")
  func heavyLoss() throws {
    let g = Matrix.uniform(64, 64, 1e-4, 1e-3, seed: 35)
    let circuit = try CrossbarCircuit(
      CircuitParameters(wireResistance: 1e4, driverResistance: 100, senseResistance: 100))
    let voltages = Matrix.uniform(1, 64, 0, 0.25, seed: 36)
    let exact = Self.product(voltages.values, try circuit.effectiveMatrix(g))
    let largest = exact.max()!
    let found = try circuit.readCurrents(g, voltages: voltages)
    #expect(Self.largestDifference(found.values, exact) <= 1e-14 * largest)
    let point = try circuit.operatingPoint(g, voltages: voltages.values, tolerance: 1e-9)
    #expect(point.sweeps > CrossbarCircuit.fewSweeps)
    #expect(Self.largestDifference(point.currents, exact) <= 1e-9 * largest)
  }

  @Test("vectors of zeros, few vectors and many give what the matrix gives")
  func counts() throws {
    let g = Matrix.uniform(30, 20, 1e-6, 1e-4, seed: 37)
    let circuit = try CrossbarCircuit(CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 40))
    let effective = try circuit.effectiveMatrix(g)
    for count in [0, 1, 3, CrossbarCircuit.fewVectors, CrossbarCircuit.fewVectors + 1, 40] {
      var voltages = Matrix.uniform(count, 30, -0.2, 0.2, seed: 38)
      if count > 1 { for i in 0..<30 { voltages[1, i] = 0 } }
      let found = try circuit.readCurrents(g, voltages: voltages)
      #expect(found.rows == count && found.columns == 20)
      for k in 0..<count {
        let expected = Self.product((0..<30).map { voltages[k, $0] }, effective)
        let row = (0..<20).map { found[k, $0] }
        #expect(Self.largestDifference(row, expected) <= 1.1e-12 * (expected.map(\.magnitude).max() ?? 0))
      }
    }
  }

  @Test("what does not settle is refused in a sentence")
  func refusals() throws {
    let g = Matrix.uniform(20, 20, 1e-6, 1e-4, seed: 39)
    let voltages = Matrix.uniform(1, 20, 0, 0.2, seed: 40).values
    let circuit = try CrossbarCircuit(CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 40))
    let error = #expect(throws: CircuitError.self) {
      try circuit.operatingPoint(g, voltages: voltages, tolerance: 1e-18)
    }
    #expect(error?.description.hasPrefix("the currents did not settle to 1e-18 of the largest in ") == true)
    let open = try CrossbarCircuit(CircuitParameters(wireResistance: 5, driverResistance: .infinity))
    #expect(throws: CircuitError.self) { try open.operatingPoint(g, voltages: voltages) }
    #expect(throws: CircuitError("the voltages have 19 columns; a forward read of a 20 × 20 array takes 20")) {
      try circuit.operatingPoint(g, voltages: Array(voltages.dropLast()))
    }
  }
}
