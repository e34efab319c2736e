import Foundation
import LinearAlgebra
import Testing

@testable import Crossbars

/// Line sums, corrections and profiles against the exact matrix.
struct CircuitApproximationTests {
  static let parameters = CircuitParameters(wireResistance: 1, driverResistance: 100, senseResistance: 100)
  /// On and off conductance of the arrays here, siemens.
  static let (low, high) = (1e-6, 1e-5)

  struct Trained: Decodable {
    var outputs: Int
    var inputs: Int
    var weights: String
  }

  /// The plus array of a trained layer's tile, G = G_off + (½ + w/2S)·(G_on − G_off) with S = 2.5 × the largest weight.
  static func trained(_ size: Int) throws -> Matrix {
    let file = try CircuitReferenceTests.decode(Trained.self, "trained_tile.json")
    let digits = Array(file.weights.utf8)
    try #require(digits.count == 2 * file.outputs * file.inputs && size <= min(file.outputs, file.inputs))
    var g = Matrix(rows: size, columns: size)
    for output in 0..<size {
      for input in 0..<size {
        let k = 2 * (output * file.inputs + input)
        let byte = try #require(UInt8(String(decoding: digits[k..<k + 2], as: UTF8.self), radix: 16))
        let weight = Double(Int8(bitPattern: byte)) / 127
        g[input, output] = low + (0.5 + weight / 5) * (high - low)
      }
    }
    return g
  }

  /// Arrays of every kind; which cells are stuck.
  static func array(_ kind: String, _ size: Int) throws -> (g: Matrix, stuck: [Bool]) {
    var g = kind == "trained" ? try trained(size) : Matrix.uniform(size, size, low, high, seed: 71)
    var stuck = [Bool](repeating: false, count: g.values.count)
    var generator = CircuitTestGenerator(seed: 72)
    for k in g.values.indices {
      let draw = Double.random(in: 0..<1, using: &generator)
      switch kind {
      case "half-zero": if draw < 0.5 { g.values[k] = low }
      case "half-open" where draw < 0.5: (g.values[k], stuck[k]) = (0, true)
      case "stuck" where draw < 0.1: (g.values[k], stuck[k]) = (draw < 0.05 ? high : low, true)
      case "failed" where draw < 0.04: (g.values[k], stuck[k]) = (draw < 0.02 ? 1e-3 : 0, true)
      default: break
      }
    }
    return (g, stuck)
  }

  /// Every cell that is not stuck moved by up to `share` of half the range.
  static func moved(_ g: Matrix, _ stuck: [Bool], by share: Double) -> Matrix {
    var moved = g
    var generator = CircuitTestGenerator(seed: 73)
    for k in g.values.indices {
      let step = Double.random(in: -1..<1, using: &generator) * share * 0.5 * (high - low)
      if !stuck[k] { moved.values[k] = min(high, max(low, g.values[k] + step)) }
    }
    return moved
  }

  @Test("line sums are the formula, forward and backward, whatever is zero", arguments: [(1, 1), (7, 5), (12, 19)])
  func formula(shape: (Int, Int)) throws {
    let (m, n) = shape
    let g = Matrix.uniform(m, n, 0, 1e-3, seed: 74)
    for parameters in CircuitFewVectorsTests.resistances {
      let circuit = try CrossbarCircuit(parameters)
      for direction in ReadDirection.allCases {
        let isForward = direction == .forward
        let (left, bottom) =
          isForward
          ? (parameters.driverResistance, parameters.senseResistance)
          : (parameters.senseResistance, parameters.driverResistance)
        let found = try circuit.closedForm(g, direction)
        for i in 0..<m {
          for j in 0..<n {
            var loss = 0.0
            for k in 0...j {
              let resistance = parameters.wireResistance + (k == 0 ? left : 0)
              for l in k..<n { loss += resistance * g[i, l] }
            }
            for k in i..<m {
              let resistance = parameters.wireResistance + (k == m - 1 ? bottom : 0)
              for l in 0...k { loss += resistance * g[l, j] }
            }
            let expected = g[i, j] / (1 + loss)
            #expect(abs((isForward ? found[i, j] : found[j, i]) - expected) <= 1e-13 * expected)
          }
        }
      }
    }
  }

  /// Of the currents, largest error over largest current; beside each, what was measured (measurements-circuit.md).
  @Test(
    "errors against exact at 64 × 64, 1 Ω stay where they were measured",
    arguments: [
      ("random", 1.2e-3, 8e-5, 6e-4), ("trained", 1.2e-3, 8e-5, 2e-3), ("half-zero", 1.2e-3, 8e-5, 1.2e-3),
      ("half-open", 1.2e-3, 8e-5, 1.2e-3), ("stuck", 1.2e-3, 8e-5, 6e-4), ("failed", 0.2, 5e-4, 2e-3),
    ])
  func errors(kind: String, closed: Double, corrected: Double, profile: Double) throws {
    let (g0, stuck) = try Self.array(kind, 64)
    let circuit = try CrossbarCircuit(Self.parameters)
    let g = Self.moved(g0, stuck, by: 0.05)
    for direction in ReadDirection.allCases {
      let exact = try circuit.effectiveMatrix(g, direction)
      let voltages = Matrix.uniform(256, 64, 0, 0.25, seed: 75)
      func error(_ found: Matrix) -> EffectiveMatrixError {
        EffectiveMatrixError(of: found, against: exact, voltages: voltages)
      }
      let ideal = error(direction == .forward ? g : g.transposed)
      let sums = try error(circuit.closedForm(g, direction))
      let correction = try error(ClosedFormCorrection(circuit, at: g0, direction).effectiveMatrix(g))
      let kept = try error(DistortionProfile(circuit, at: g0, direction).effectiveMatrix(g))
      #expect(sums.currentMax <= closed && sums.currentMax <= 0.5 * ideal.currentMax)
      #expect(correction.currentMax <= corrected && correction.currentMax <= 0.2 * sums.currentMax)
      #expect(kept.currentMax <= profile && kept.currentMax >= correction.currentMax)
      for e in [sums, correction, kept] {
        #expect(e.currentRMS > 0 && e.currentRMS <= e.currentMax && e.elementRMS > 0 && e.elementMax > 0)
      }
    }
  }

  @Test("where nothing has moved, correction and profile are exact", arguments: ["random", "half-open", "failed"])
  func unmoved(kind: String) throws {
    var g = try Self.array(kind, 33).g
    g[3, 4] = .infinity
    let circuit = try CrossbarCircuit(CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 20))
    for direction in ReadDirection.allCases {
      let exact = try circuit.effectiveMatrix(g, direction)
      let correction = try ClosedFormCorrection(circuit, at: g, direction)
      let profile = try DistortionProfile(circuit, at: g, direction)
      #expect(try correction.effectiveMatrix(g).difference(from: exact) <= 1e-15)
      #expect(try profile.effectiveMatrix(g).difference(from: exact) <= 1e-15)
      #expect(profile.distortion.values.allSatisfy { $0 >= 0 && $0 <= 1 })
    }
  }

  @Test("errors are what they say, by hand")
  func errorByHand() {
    let exact = Matrix([[1, 2], [3, 4]])
    let found = Matrix([[1, 2.5], [3, 3]])
    let error = EffectiveMatrixError(of: found, against: exact, voltages: Matrix([[1, 0], [1, 1]]))
    #expect(abs(error.elementRMS - (1.25 / 30).squareRoot()) <= 1e-15)
    #expect(error.elementMax == 0.25)
    // Currents (1, 2), (4, 6); found (1, 2.5), (4, 5.5).
    #expect(abs(error.currentRMS - (0.5 / 57).squareRoot()) <= 1e-15)
    #expect(error.currentMax == 0.5 / 6)
    let none = EffectiveMatrixError(of: exact, against: exact, voltages: Matrix([[1, 0]]))
    #expect(none.elementRMS == 0 && none.elementMax == 0 && none.currentRMS == 0 && none.currentMax == 0)
  }

  @Test("arrays of another shape, and cells shorted since, are refused")
  func refusals() throws {
    let circuit = try CrossbarCircuit(Self.parameters)
    let g = Matrix.uniform(5, 4, Self.low, Self.high, seed: 76)
    let other = Matrix.uniform(4, 4, Self.low, Self.high, seed: 77)
    let sentence = "the array has 4 inputs and 4 outputs; the earlier one had 5 and 4"
    #expect(throws: CircuitError(sentence)) { try ClosedFormCorrection(circuit, at: g).effectiveMatrix(other) }
    #expect(throws: CircuitError(sentence)) { try DistortionProfile(circuit, at: g).effectiveMatrix(other) }
    var shorted = g
    shorted[2, 2] = .infinity
    #expect(throws: CircuitError.self) { try DistortionProfile(circuit, at: g).effectiveMatrix(shorted) }
    #expect(try ClosedFormCorrection(circuit, at: g).effectiveMatrix(shorted).values.allSatisfy { $0.isFinite })
  }
}
