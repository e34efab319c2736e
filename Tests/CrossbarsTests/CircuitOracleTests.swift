import CBLAS
import Glibc
import LinearAlgebra
import Testing

@testable import Crossbars

/// Effective matrices against a dense solution of the same circuit that shares nothing with the engine.
///
/// The oracle writes Kirchhoff's laws down branch by branch (modified nodal analysis): unknowns are the 2mn node voltages
/// and the current of every wire segment and terminal, so a resistance of 0 is an ordinary coefficient. LAPACK's dgesv
/// solves it.
struct CircuitOracleTests {
  static func oracle(_ g: Matrix, _ parameters: CircuitParameters, _ direction: ReadDirection) throws -> Matrix {
    let (m, n) = (g.rows, g.columns)
    let cells = m * n
    let size = 4 * cells
    let inputs = direction == .forward ? m : n
    let (driver, sense, wire) = (parameters.driverResistance, parameters.senseResistance, parameters.wireResistance)
    let atLeft = wire + (direction == .forward ? driver : sense)
    let atBottom = wire + (direction == .forward ? sense : driver)
    // Column-major, as LAPACK has it.
    var a = [Double](repeating: 0, count: size * size)
    var b = [Double](repeating: 0, count: size * inputs)
    func add(_ row: Int, _ column: Int, _ value: Double) { a[column * size + row] += value }

    for i in 0..<m {
      for j in 0..<n {
        let word = i * n + j
        let bit = cells + word
        for (p, q) in [(word, bit), (bit, word)] {
          add(p, p, g[i, j])
          add(p, q, -g[i, j])
        }
        // Word segment ending at (i, j), current towards it; bit segment beginning at (i, j), current away from it.
        let wordBranch = 2 * cells + word
        let bitBranch = 3 * cells + word
        add(word, wordBranch, -1)
        add(wordBranch, word, -1)
        add(wordBranch, wordBranch, -(j > 0 ? wire : atLeft))
        if j > 0 {
          add(word - 1, wordBranch, 1)
          add(wordBranch, word - 1, 1)
        } else if direction == .forward {
          b[i * size + wordBranch] = -1
        }
        add(bit, bitBranch, 1)
        add(bitBranch, bit, 1)
        add(bitBranch, bitBranch, -(i < m - 1 ? wire : atBottom))
        if i < m - 1 {
          add(bit + n, bitBranch, -1)
          add(bitBranch, bit + n, -1)
        } else if direction == .backward {
          b[j * size + bitBranch] = 1
        }
      }
    }
    var pivots = [Int32](repeating: 0, count: size)
    let status = LAPACKE_dgesv_work(
      LAPACK_COL_MAJOR, Int32(size), Int32(inputs), &a, Int32(size), &pivots, &b, Int32(size))
    try #require(status == 0)
    var result = Matrix(rows: inputs, columns: direction == .forward ? n : m)
    for input in 0..<inputs {
      for output in 0..<result.columns {
        result[input, output] =
          direction == .forward
          ? b[input * size + 3 * cells + (m - 1) * n + output] : -b[input * size + 2 * cells + output * n]
      }
    }
    return result
  }

  static let shapes = [
    (1, 1), (1, 2), (2, 1), (1, 12), (12, 1), (2, 3), (5, 4), (8, 8), (9, 7), (7, 9), (12, 12), (10, 3),
  ]

  static let resistances: [CircuitParameters] = [0, 2].flatMap { wire in
    [0, 100].flatMap { driver in
      [0, 300].map { CircuitParameters(wireResistance: wire, driverResistance: driver, senseResistance: $0) }
    }
  }

  @Test("all shapes and zero resistances agree with dense nodal analysis", arguments: shapes)
  func agreesWithDenseAnalysis(shape: (Int, Int)) throws {
    let g = Matrix.uniform(shape.0, shape.1, 1e-6, 1e-3, seed: 1)
    for parameters in Self.resistances {
      let circuit = try CrossbarCircuit(parameters)
      for direction in ReadDirection.allCases {
        let expected = try Self.oracle(g, parameters, direction)
        #expect(try circuit.effectiveMatrix(g, direction).difference(from: expected) <= 1e-11)
      }
    }
  }

  @Test("open cells, open rows and open columns agree with dense nodal analysis", arguments: shapes)
  func openCells(shape: (Int, Int)) throws {
    var generator = CircuitTestGenerator(seed: 5)
    var some = Matrix.uniform(shape.0, shape.1, 1e-6, 1e-3, seed: 2)
    for index in some.values.indices where Bool.random(using: &generator) { some.values[index] = 0 }
    var row = Matrix.uniform(shape.0, shape.1, 1e-6, 1e-3, seed: 3)
    for j in 0..<row.columns { row[row.rows / 2, j] = 0 }
    var column = Matrix.uniform(shape.0, shape.1, 1e-6, 1e-3, seed: 4)
    for i in 0..<column.rows { column[i, column.columns / 2] = 0 }
    for parameters in Self.resistances {
      let circuit = try CrossbarCircuit(parameters)
      for g in [some, row, column] where g.values.contains(where: { $0 > 0 }) {
        for direction in ReadDirection.allCases {
          let expected = try Self.oracle(g, parameters, direction)
          #expect(try circuit.effectiveMatrix(g, direction).difference(from: expected) <= 1e-11)
        }
      }
      let none = try circuit.effectiveMatrix(Matrix(rows: shape.0, columns: shape.1))
      #expect(none.values.allSatisfy { $0 == 0 })
    }
    #expect(try CrossbarCircuit(Self.resistances[7]).effectiveMatrix(row).values.count == row.values.count)
  }

  @Test("resistances and conductances spread over six decades agree with dense nodal analysis", arguments: 0..<40)
  func sixDecades(seed: Int) throws {
    var generator = CircuitTestGenerator(seed: UInt64(seed) + 100)
    func decades(_ low: Double, _ high: Double) -> Double {
      pow(10, Double.random(in: low..<high, using: &generator))
    }
    let (rows, columns) = (Int.random(in: 1...12, using: &generator), Int.random(in: 1...12, using: &generator))
    let parameters = CircuitParameters(
      wireResistance: decades(-3, 3), driverResistance: decades(-2, 4), senseResistance: decades(-2, 4))
    let g = Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in decades(-8, -2) })
    let circuit = try CrossbarCircuit(parameters)
    for direction in ReadDirection.allCases {
      let expected = try Self.oracle(g, parameters, direction)
      #expect(try circuit.effectiveMatrix(g, direction).difference(from: expected) <= 1e-10)
    }
  }
}
