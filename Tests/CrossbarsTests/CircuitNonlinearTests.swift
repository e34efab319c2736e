import Foundation
import LinearAlgebra
import Testing

@testable import Crossbars

/// Cells that do not obey Ohm's law: their laws, and arrays of them against ngspice.
struct CircuitNonlinearTests {
  /// Fixtures/Circuit/nonlinear_circuits.json, made by the script beside it.
  struct Reference: Decodable {
    struct Cell: Decodable {
      var kind: String
      var voltage: Double?
      var current: Double?
      var transconductance: Double?
      var gateVoltage: Double?
      var thresholdVoltage: Double?

      var law: CellLaw {
        get throws {
          switch kind {
          case "sinh": return .sinh(voltage: try #require(voltage))
          case "selector": return .selector(.init(current: try #require(current), voltage: try #require(voltage)))
          default:
            return .transistor(
              .init(
                transconductance: try #require(transconductance), gateVoltage: try #require(gateVoltage),
                thresholdVoltage: try #require(thresholdVoltage)))
          }
        }
      }
    }
    struct Case: Decodable {
      var cell: Cell
      var forward: [Double]
      var backward: [Double]
    }
    struct Circuit: Decodable {
      var G: [[Double]]
      var r_wire: Double
      var r_driver: Double
      var r_sense: Double
      var forward_voltages: [Double]
      var backward_voltages: [Double]
      var cases: [Case]

      /// −1 in the file is a short.
      var conductance: Matrix {
        var g = Matrix(G)
        for k in g.values.indices where g.values[k] < 0 { g.values[k] = .infinity }
        return g
      }
      var parameters: CircuitParameters {
        CircuitParameters(wireResistance: r_wire, driverResistance: r_driver, senseResistance: r_sense)
      }
    }
    var circuits: [Circuit]
  }

  /// ngspice itself stops at 1e-11 of a current or 1e-14 V.
  @Test("currents agree with ngspice to 1e-9 of the largest, forward and backward", arguments: 0..<4)
  func agreesWithSpice(index: Int) throws {
    let reference = try CircuitReferenceTests.decode(Reference.self, "nonlinear_circuits.json")
    #expect(reference.circuits.count == 4)
    let item = reference.circuits[index]
    #expect(item.cases.count >= 3)
    for one in item.cases {
      let circuit = try CrossbarCircuit(item.parameters, cell: one.cell.law)
      for (direction, voltages, spice) in [
        (ReadDirection.forward, item.forward_voltages, one.forward), (.backward, item.backward_voltages, one.backward),
      ] {
        let point = try circuit.operatingPoint(item.conductance, voltages: voltages, direction)
        let largest = spice.map(\.magnitude).max()!
        let error = CircuitFewVectorsTests.largestDifference(point.currents, spice) / largest
        #expect(error <= 1e-9, "\(one.cell.kind) \(direction)")
        #expect(point.errorBound <= 1e-10 * largest)
        let read = try circuit.readCurrents(
          item.conductance, voltages: Matrix(rows: 1, columns: voltages.count, values: voltages), direction)
        #expect(read.values == point.currents)
      }
    }
  }

  static let laws: [CellLaw] = [
    .linear, .sinh(voltage: 0.25), .sinh(voltage: 0.02), .transistor(.init()),
    .transistor(.init(transconductance: 1e-5, gateVoltage: 0.8, thresholdVoltage: 0.6)), .selector(.init()),
    .selector(.init(current: 1e-7, voltage: 0.05)),
  ]

  @Test("a law is odd, rises, and its slope is its derivative", arguments: laws)
  func law(law: CellLaw) {
    for g in [1e-9, 1e-6, 1e-4, 1e-2] {
      var previous = -1.0
      for u in [0, 1e-6, 1e-3, 0.01, 0.1, 0.19, 0.3, 0.7, 1.3] {
        let (i, slope) = law.evaluate(conductance: g, voltage: u)
        let reversed = law.evaluate(conductance: g, voltage: -u)
        #expect(reversed.current == -i && reversed.slope == slope)
        #expect(i >= previous && slope >= 0)
        previous = i
        guard u > 0 else { continue }
        let h = 1e-5 * u
        let quotient =
          (law.evaluate(conductance: g, voltage: u + h).current - law.evaluate(conductance: g, voltage: u - h).current)
          / (2 * h)
        #expect(abs(quotient - slope) <= 1e-5 * slope + 1e-9 * i / u, "\(law) at \(g) S, \(u) V")
      }
    }
    #expect(law.evaluate(conductance: 0, voltage: 1) == (0, 0))
  }

  @Test("a series element and its resistor carry one current and share the voltage")
  func series() {
    for g in [1e-8, 1e-6, 1e-4, 1e-2] {
      for u in [1e-4, 0.01, 0.2, 0.9, 3] {
        for selector in [CellLaw.Selector(), .init(current: 1e-7, voltage: 0.05), .init(current: 1e-3, voltage: 1)] {
          let i = CellLaw.selector(selector).evaluate(conductance: g, voltage: u).current
          let across = selector.voltage * asinh(i / selector.current)
          #expect(abs(across + i / g - u) <= 1e-13 * u + 1e-14 * selector.voltage)
        }
        for transistor in [CellLaw.AccessTransistor(), .init(transconductance: 1e-5, gateVoltage: 0.8)] {
          let i = CellLaw.transistor(transistor).evaluate(conductance: g, voltage: u).current
          let (w, b) = (transistor.overdrive, transistor.transconductance)
          let x = u - i / g
          let expected = x < w ? b * (w * x - x * x / 2) : b * w * w / 2
          // x is a difference: its rounding comes back through the slope.
          #expect(abs(i - expected) <= 1e-12 * i + 1e-15 * b * w * u)
        }
      }
    }
    // Without a resistor only the series element is left.
    let alone = CellLaw.selector(.init(current: 1e-7, voltage: 0.05)).evaluate(conductance: .infinity, voltage: 0.1)
    #expect(abs(alone.current / (1e-7 * sinh(2)) - 1) <= 1e-14)
    let off = CellLaw.transistor(.init(gateVoltage: 0.5)).evaluate(conductance: 1e-5, voltage: 1)
    #expect(off == (0, 0))
  }

  @Test("laws that are nearly straight give the linear array's currents", arguments: ReadDirection.allCases)
  func linearLimit(direction: ReadDirection) throws {
    let parameters = CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 40)
    let g = Matrix.uniform(12, 17, 1e-6, 1e-4, seed: 61)
    let voltages = Matrix.uniform(2, direction == .forward ? 12 : 17, -0.2, 0.25, seed: 62)
    let linear = try CrossbarCircuit(parameters).readCurrents(g, voltages: voltages, direction)
    for law in [
      CellLaw.sinh(voltage: 1e4), .transistor(.init(transconductance: 1e6, gateVoltage: 1e3, thresholdVoltage: 0)),
      .selector(.init(current: 1e6, voltage: 1e-3)),
    ] {
      let found = try CrossbarCircuit(parameters, cell: law).readCurrents(g, voltages: voltages, direction)
      #expect(found.difference(from: linear) <= 1e-9)
    }
  }

  @Test("one cell between its resistors, by hand")
  func oneCell() throws {
    let circuit = try CrossbarCircuit(
      CircuitParameters(wireResistance: 10, driverResistance: 1000, senseResistance: 500), cell: .sinh(voltage: 0.1))
    let point = try circuit.operatingPoint(Matrix([[1e-4]]), voltages: [0.7], tolerance: 1e-13)
    let i = point.currents[0]
    #expect(abs(0.1 * asinh(i / (1e-4 * 0.1)) + i * 1520 - 0.7) <= 1e-12)
    #expect(abs(point.cellVoltages[0, 0] - (0.7 - i * 1520)) <= 1e-15)
  }

  @Test("steep laws settle by damped steps, and each cell then obeys its law")
  func steep() throws {
    let g = Matrix.uniform(20, 30, 1e-4, 1e-3, seed: 63)
    let voltages = Matrix.uniform(1, 20, -2, 5, seed: 64).values
    for wire in [0.0, 1, 20] {
      let parameters = CircuitParameters(wireResistance: wire, driverResistance: 100, senseResistance: 100)
      for law in [CellLaw.sinh(voltage: 0.25), .selector(.init()), .transistor(.init(gateVoltage: 1))] {
        // Between ideal wires the exponential of 5 V is held by the terminals alone.
        if wire == 0 && law == .sinh(voltage: 0.25) { continue }
        let point = try CrossbarCircuit(parameters, cell: law).operatingPoint(g, voltages: voltages, tolerance: 1e-9)
        let largest = point.currents.map(\.magnitude).max()!
        #expect(point.corrections > 0 && point.errorBound <= 1e-9 * largest)
        let u = point.cellVoltages
        for k in g.values.indices {
          let (i, slope) = law.evaluate(conductance: g.values[k], voltage: u.values[k])
          #expect(abs(i - point.cellCurrents.values[k]) <= 1e-9 * largest + 1e-14 * slope)
        }
      }
    }
  }

  @Test("what the method cannot do is refused in a sentence")
  func refusals() throws {
    let parameters = CircuitParameters(wireResistance: 0, driverResistance: 1, senseResistance: 1)
    let g = Matrix.uniform(4, 4, 1e-3, 1e-2, seed: 65)
    let ones = [Double](repeating: 5, count: 4)
    let steep = try CrossbarCircuit(parameters, cell: .sinh(voltage: 1e-3))
    let error = #expect(throws: CircuitError.self) { try steep.operatingPoint(g, voltages: ones) }
    #expect(error?.description.contains("would carry more than Float64 holds") == true, "\(String(describing: error))")
    #expect(throws: CircuitError("an array of sinh cells has no effective matrix: its currents do not add up")) {
      try steep.effectiveMatrix(g)
    }
    let lost = #expect(throws: CircuitError.self) {
      try steep.readCurrents(g, voltages: Matrix(rows: 1, columns: 4, values: ones))
    }
    #expect(lost?.description.hasPrefix("vector 0: ") == true)
    var shorted = g
    shorted[1, 1] = .infinity
    #expect(throws: CrossbarCircuit.undefinedShorts) { try steep.operatingPoint(shorted, voltages: ones) }
  }

  static let badLaws: [(CellLaw, String)] = [
    (.sinh(voltage: 0), "voltage of the sinh cell is 0.0 V; expected 1e-06 to 1000000.0"),
    (.sinh(voltage: .nan), "voltage of the sinh cell is nan V; expected 1e-06 to 1000000.0"),
    (
      .transistor(.init(transconductance: -1)),
      "transconductance of the transistor cell is -1.0 A/V²; expected 1e-30 to 1e+30"
    ),
    (.selector(.init(current: 0)), "current of the selector cell is 0.0 A; expected 1e-100 to 1000000.0"),
  ]

  @Test("parameters that mean nothing are refused", arguments: badLaws)
  func refusesLaws(law: CellLaw, sentence: String) {
    #expect(throws: CircuitError(sentence)) { try CrossbarCircuit(CircuitParameters(wireResistance: 1), cell: law) }
  }
}
