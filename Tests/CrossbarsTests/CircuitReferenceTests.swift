import Foundation
import LinearAlgebra
import Testing

@testable import Crossbars

/// Effective matrices against ngspice and against exact rational arithmetic.
struct CircuitReferenceTests {
  /// One crossbar of Fixtures/Circuit/xbar_*.json: column currents from ngspice 39.3, one operating point per case.
  struct Reference: Decodable {
    struct Case: Decodable {
      var r_wire: Double
      var r_driver: Double
      var r_sense: Double
      var ngspice_i_out: [Double]
    }
    var G: [[Double]]
    var V: [Double]
    var cases: [Case]
  }

  /// One circuit of Fixtures/Circuit/exact_circuits.json, made by the script beside it.
  struct Exact: Decodable {
    var G: [[Double]]
    var r_wire: Double
    var r_driver: Double
    var r_sense: Double
    var forward: [[Double]]
    var backward: [[Double]]
  }

  static func decode<T: Decodable>(_ type: T.Type, _ name: String) throws -> T {
    let url = try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures/Circuit/\(name)")
    return try JSONDecoder().decode(type, from: Data(contentsOf: url))
  }

  @Test("currents agree with ngspice to 1e-9", arguments: ["8x8", "12x7", "16x16", "32x32", "64x64"])
  func agreesWithSpice(size: String) throws {
    let reference = try Self.decode(Reference.self, "xbar_\(size).json")
    #expect(!reference.cases.isEmpty)
    let voltages = Matrix(rows: 1, columns: reference.V.count, values: reference.V)
    for item in reference.cases {
      let circuit = try CrossbarCircuit(
        CircuitParameters(
          wireResistance: item.r_wire, driverResistance: item.r_driver, senseResistance: item.r_sense))
      let currents = try circuit.readCurrents(Matrix(reference.G), voltages: voltages)
      for (current, spice) in zip(currents.values, item.ngspice_i_out) {
        #expect(abs(current - spice) <= 1e-9 * abs(spice))
      }
    }
  }

  /// Ratios of conductances reach 1e24 in these circuits, where a nodal solve in Float64 has no digit left.
  @Test("every element agrees with rational arithmetic to 1e-14 of itself, forward and backward")
  func agreesWithExactArithmetic() throws {
    let circuits = try Self.decode([Exact].self, "exact_circuits.json")
    #expect(circuits.count == 16)
    for item in circuits {
      let circuit = try CrossbarCircuit(
        CircuitParameters(
          wireResistance: item.r_wire, driverResistance: item.r_driver, senseResistance: item.r_sense))
      for (direction, expected) in [(ReadDirection.forward, item.forward), (.backward, item.backward)] {
        let effective = try circuit.effectiveMatrix(Matrix(item.G), direction)
        #expect(effective.rows == expected.count && effective.columns == expected[0].count)
        #expect(effective.largestRelativeDifference(from: Matrix(expected)) <= 1e-14)
      }
    }
  }

  @Test("one cell is five resistors in series")
  func oneCell() throws {
    let circuit = try CrossbarCircuit(
      CircuitParameters(wireResistance: 3, driverResistance: 20, senseResistance: 50))
    let effective = try circuit.effectiveMatrix(Matrix([[1e-3]]))
    #expect(abs(effective[0, 0] * (3 + 20 + 1000 + 50 + 3) - 1) < 1e-15)
  }
}

extension Matrix {
  init(_ rows: [[Double]]) {
    self.init(rows: rows.count, columns: rows.first?.count ?? 0, values: rows.flatMap { $0 })
  }

  /// Uniform in [low, high), the same for the same seed everywhere.
  static func uniform(_ rows: Int, _ columns: Int, _ low: Double, _ high: Double, seed: UInt64) -> Matrix {
    var generator = CircuitTestGenerator(seed: seed)
    return Matrix(
      rows: rows, columns: columns,
      values: (0..<rows * columns).map { _ in Double.random(in: low..<high, using: &generator) })
  }

  /// Largest |a − b| / |b| over the elements; elements that are 0 in both count as equal.
  func largestRelativeDifference(from other: Matrix) -> Double {
    precondition(rows == other.rows && columns == other.columns)
    return zip(values, other.values).map { $0 == $1 ? 0 : ($0 - $1).magnitude / $1.magnitude }.max() ?? 0
  }

  /// Largest |a − b| over the largest |b|.
  func difference(from other: Matrix) -> Double {
    precondition(rows == other.rows && columns == other.columns)
    let largest = other.values.map(\.magnitude).max() ?? 0
    return (zip(values, other.values).map { ($0 - $1).magnitude }.max() ?? 0) / largest
  }

  /// Both axes reversed.
  var reversed: Matrix { Matrix(rows: rows, columns: columns, values: values.reversed()) }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct CircuitTestGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
