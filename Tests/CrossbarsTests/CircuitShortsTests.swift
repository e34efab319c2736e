import CBLAS
import LinearAlgebra
import Testing

@testable import Crossbars

/// Open and shorted cells, breaks, and what is singular.
struct CircuitShortsTests {
  /// As `CircuitOracleTests.oracle`, with the current of every cell as an unknown: (w − b) − i/G = 0, i = 0 if open.
  static func oracle(_ g: Matrix, _ parameters: CircuitParameters, _ direction: ReadDirection) throws -> Matrix {
    let (m, n) = (g.rows, g.columns)
    let cells = m * n
    let size = 5 * cells
    let isForward = direction == .forward
    let wire = parameters.wireResistance
    let atLeft = wire + (isForward ? parameters.driverResistance : parameters.senseResistance)
    let atBottom = wire + (isForward ? parameters.senseResistance : parameters.driverResistance)
    let inputs = isForward ? m : n
    // Column-major, as LAPACK has it.
    var a = [Double](repeating: 0, count: size * size)
    var b = [Double](repeating: 0, count: size * inputs)
    func add(_ row: Int, _ column: Int, _ value: Double) { a[column * size + row] += value }
    for i in 0..<m {
      for j in 0..<n {
        let word = i * n + j
        let (bit, cell, wordSegment, bitSegment) = (cells + word, 2 * cells + word, 3 * cells + word, 4 * cells + word)
        // Cell: from word to bit node.
        add(word, cell, 1)
        add(bit, cell, -1)
        if g[i, j] > 0 {
          add(cell, word, 1)
          add(cell, bit, -1)
          add(cell, cell, -1 / g[i, j])
        } else {
          add(cell, cell, 1)
        }
        // Segment ending at word node (i, j), then the one beginning at bit node (i, j).
        add(word, wordSegment, -1)
        add(wordSegment, word, -1)
        add(wordSegment, wordSegment, -(j > 0 ? wire : atLeft))
        if j > 0 {
          add(word - 1, wordSegment, 1)
          add(wordSegment, word - 1, 1)
        } else if isForward {
          b[i * size + wordSegment] = -1
        }
        add(bit, bitSegment, 1)
        add(bitSegment, bit, 1)
        add(bitSegment, bitSegment, -(i < m - 1 ? wire : atBottom))
        if i < m - 1 {
          add(bit + n, bitSegment, -1)
          add(bitSegment, bit + n, -1)
        } else if !isForward {
          b[j * size + bitSegment] = 1
        }
      }
    }
    var pivots = [Int32](repeating: 0, count: size)
    let status = LAPACKE_dgesv_work(
      LAPACK_COL_MAJOR, Int32(size), Int32(inputs), &a, Int32(size), &pivots, &b, Int32(size))
    try #require(status == 0)
    var result = Matrix(rows: inputs, columns: isForward ? n : m)
    for input in 0..<inputs {
      for output in 0..<result.columns {
        result[input, output] =
          isForward
          ? b[input * size + 4 * cells + (m - 1) * n + output] : -b[input * size + 3 * cells + output * n]
      }
    }
    return result
  }

  static func broken(_ rows: Int, _ columns: Int, shorts: Int, opens: Int, seed: UInt64) -> Matrix {
    var g = Matrix.uniform(rows, columns, 1e-6, 1e-4, seed: seed)
    var generator = CircuitTestGenerator(seed: seed + 1000)
    for k in 0..<shorts + opens {
      g.values[Int.random(in: 0..<rows * columns, using: &generator)] = k < shorts ? .infinity : 0
    }
    return g
  }

  static let shapes = [(1, 1), (1, 7), (7, 1), (3, 4), (8, 8), (9, 7), (10, 3)]

  @Test("shorts between resistive wires agree with dense nodal analysis", arguments: shapes)
  func shorts(shape: (Int, Int)) throws {
    for (count, seed) in [(1, 41), (3, 42), (shape.0 * shape.1, 43)] as [(Int, UInt64)] {
      let g = Self.broken(shape.0, shape.1, shorts: count, opens: shape.0 * shape.1 > 4 ? 2 : 0, seed: seed)
      for parameters in CircuitOracleTests.resistances where parameters.wireResistance > 0 {
        let circuit = try CrossbarCircuit(parameters)
        for direction in ReadDirection.allCases {
          let expected = try Self.oracle(g, parameters, direction)
          let effective = try circuit.effectiveMatrix(g, direction)
          #expect(effective.difference(from: expected) <= 1e-11)
          let voltages = Matrix.uniform(1, effective.rows, -0.2, 0.3, seed: 44)
          let currents = CircuitFewVectorsTests.product(voltages.values, expected)
          let found = try circuit.readCurrents(g, voltages: voltages, direction)
          let largest = currents.map(\.magnitude).max()!
          #expect(CircuitFewVectorsTests.largestDifference(found.values, currents) <= 1e-11 * largest)
        }
      }
    }
  }

  /// Two lines with resistance in their terminals may be tied anywhere; so may one of them to one ideal terminal.
  @Test("shorts between ideal wires agree with dense nodal analysis where they are not singular")
  func shortsBetweenIdealWires() throws {
    var g = Matrix.uniform(5, 4, 1e-6, 1e-4, seed: 45)
    g[1, 2] = .infinity
    g[3, 0] = .infinity
    g[0, 0] = 0
    for (driver, sense) in [(100.0, 300.0), (0, 300), (100, 0)] {
      let parameters = CircuitParameters(wireResistance: 0, driverResistance: driver, senseResistance: sense)
      for direction in ReadDirection.allCases {
        let circuit = try CrossbarCircuit(parameters)
        let expected = try Self.oracle(g, parameters, direction)
        #expect(try circuit.effectiveMatrix(g, direction).difference(from: expected) <= 1e-11)
        let inputs = direction == .forward ? 5 : 4
        let voltages = Matrix.uniform(1, inputs, 0, 0.3, seed: 46)
        let currents = CircuitFewVectorsTests.product(voltages.values, expected)
        let found = try circuit.readCurrents(g, voltages: voltages, direction)
        #expect(CircuitFewVectorsTests.largestDifference(found.values, currents) <= 1e-11 * currents.max()!)
      }
    }
  }

  @Test("what would carry an infinite or undefined current is refused")
  func singular() throws {
    let tail = " without any resistance between their terminals: the current is infinite or undefined"
    var g = Matrix.uniform(5, 4, 1e-6, 1e-4, seed: 47)
    g[1, 2] = .infinity
    func circuit(_ driver: Double, _ sense: Double) throws -> CrossbarCircuit {
      try CrossbarCircuit(CircuitParameters(wireResistance: 0, driverResistance: driver, senseResistance: sense))
    }
    let one = Matrix(rows: 1, columns: 5, values: [1, 0, 0, 0, 0])
    // An ideal driver on an ideal sense node.
    let both = CircuitError("shorted cells tie word line 1 to bit line 2" + tail)
    #expect(throws: both) { try circuit(0, 0).effectiveMatrix(g) }
    #expect(throws: both) { try circuit(0, 0).effectiveMatrix(g, .backward) }
    #expect(throws: both) { try circuit(0, 0).readCurrents(g, voltages: one) }
    #expect(throws: both) { try circuit(0, 0).closedForm(g) }
    #expect(throws: both) { try circuit(0, 0).netlist(g, voltages: one.values) }
    // Two ideal drivers on one bit line; read backward they are two ideal sense nodes, and the terminals change places.
    g[4, 2] = .infinity
    #expect(throws: CircuitError("shorted cells tie word line 1 to word line 4" + tail)) {
      try circuit(0, 50).effectiveMatrix(g)
    }
    #expect(throws: CircuitError("shorted cells tie word line 1 to word line 4" + tail)) {
      try circuit(50, 0).effectiveMatrix(g, .backward)
    }
    #expect(try circuit(50, 0).effectiveMatrix(g).values.allSatisfy { $0.isFinite })
    #expect(try circuit(0, 50).effectiveMatrix(g, .backward).values.allSatisfy { $0.isFinite })
    // The currents of the cells, not of the array, are undefined.
    #expect(throws: CrossbarCircuit.undefinedShorts) { try circuit(50, 50).operatingPoint(g, voltages: one.values) }
  }

  @Test(
    "a short is the limit of a large conductance, and an open cell of a small one", arguments: [(40, 33), (64, 64)])
  func limits(shape: (Int, Int)) throws {
    let parameters = CircuitParameters(wireResistance: 2, driverResistance: 100, senseResistance: 40)
    let circuit = try CrossbarCircuit(parameters)
    let g = Self.broken(shape.0, shape.1, shorts: 9, opens: 30, seed: 48)
    var near = g
    for k in g.values.indices {
      if g.values[k] == .infinity { near.values[k] = 1e12 }
      if g.values[k] == 0 { near.values[k] = 1e-25 }
    }
    for direction in ReadDirection.allCases {
      let effective = try circuit.effectiveMatrix(g, direction)
      #expect(try circuit.effectiveMatrix(near, direction).difference(from: effective) <= 1e-11)
      #expect(try circuit.closedForm(near, direction).difference(from: circuit.closedForm(g, direction)) <= 1e-8)
      let inputs = direction == .forward ? shape.0 : shape.1
      let voltages = Matrix.uniform(1, inputs, 0, 0.25, seed: 49)
      let expected = CircuitFewVectorsTests.product(voltages.values, effective)
      let point = try circuit.operatingPoint(g, voltages: voltages.values, direction)
      #expect(CircuitFewVectorsTests.largestDifference(point.currents, expected) <= 1e-12 * expected.max()!)
      // Both ends of a short are at one voltage.
      let u = point.cellVoltages
      for k in g.values.indices where g.values[k] == .infinity { #expect(abs(u.values[k]) <= 1e-11) }
      for k in g.values.indices where g.values[k] == 0 { #expect(point.cellCurrents.values[k] == 0) }
    }
  }

  @Test("Float32 tiles may hold shorts too")
  func floatTile() throws {
    let values: [Float] = [1e-6, .infinity, 0, 2e-6, 3e-6, 1e-5]
    let circuit = try CrossbarCircuit(CircuitParameters(wireResistance: 2, driverResistance: 10, senseResistance: 40))
    var found = [Double](repeating: 0, count: 6)
    try values.withUnsafeBufferPointer { source in
      try found.withUnsafeMutableBufferPointer {
        try circuit.effectiveMatrix(
          of: source.baseAddress!, stride: 3, rows: 2, columns: 3, into: $0.baseAddress!, stride: 3,
          workspace: CircuitWorkspace(rows: 2, columns: 3))
      }
    }
    let g = Matrix(rows: 2, columns: 3, values: values.map { Double($0) })
    #expect(try found == circuit.effectiveMatrix(g).values)
  }

  @Test("no current leaves an array with a break in every line", arguments: 0..<3)
  func breaks(which: Int) throws {
    var parameters = CircuitParameters(wireResistance: 2, driverResistance: 100, senseResistance: 40)
    switch which {
    case 0: parameters.wireResistance = .infinity
    case 1: parameters.driverResistance = .infinity
    default: parameters.senseResistance = .infinity
    }
    let g = Self.broken(6, 5, shorts: 2, opens: 2, seed: 50)
    for cell in [CellLaw.linear, .sinh(voltage: 0.25)] {
      let circuit = try CrossbarCircuit(parameters, cell: cell)
      let currents = try circuit.readCurrents(g, voltages: Matrix.uniform(2, 6, 0, 0.2, seed: 51))
      #expect(currents == Matrix(rows: 2, columns: 5))
    }
    let circuit = try CrossbarCircuit(parameters)
    #expect(try circuit.effectiveMatrix(g, .backward) == Matrix(rows: 5, columns: 6))
    #expect(try circuit.closedForm(g) == Matrix(rows: 6, columns: 5))
    #expect(throws: CircuitError.self) { try circuit.netlist(g, voltages: [Double](repeating: 0.1, count: 6)) }
  }

  @Test("an on/off ratio of 1e12 is as exact as any", arguments: ReadDirection.allCases)
  func anyRatio(direction: ReadDirection) throws {
    var g = Matrix.uniform(10, 9, 0, 1, seed: 52)
    for k in g.values.indices { g.values[k] = g.values[k] < 0.5 ? 1e-15 : 1e-3 }
    let parameters = CircuitParameters(wireResistance: 2, driverResistance: 100, senseResistance: 40)
    let circuit = try CrossbarCircuit(parameters)
    #expect(try circuit.effectiveMatrix(g, direction).difference(from: Self.oracle(g, parameters, direction)) <= 1e-11)
  }
}
