import Crossbars
import Foundation
import LinearAlgebra

/// How far approximate effective matrices are from exact ones, on arrays of several kinds; prints the tables of
/// Documentation/measurements-circuit.md.
struct CircuitErrors {
  /// On and off conductance, siemens.
  private static let (low, high) = (1e-6, 1e-5)
  private static let kinds = ["random", "trained", "half-zero", "half-open", "stuck", "failed", "on/off 1000"]
  private static let moves = [0.01, 0.05, 0.2]

  /// Weights of a trained layer in −1…1, [outputs, inputs]: Tests/CrossbarsTests/Fixtures/Circuit/trained_tile.json.
  private let trained: Matrix

  init() throws {
    struct Tile: Decodable {
      var outputs: Int
      var inputs: Int
      var weights: String
    }
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../../Tests/CrossbarsTests/Fixtures/Circuit/trained_tile.json").standardized
    let tile = try JSONDecoder().decode(Tile.self, from: Data(contentsOf: file))
    let digits = Array(tile.weights.utf8)
    trained = Matrix(
      rows: tile.outputs, columns: tile.inputs,
      values: (0..<tile.outputs * tile.inputs).map { k in
        let byte = UInt8(String(decoding: digits[2 * k..<2 * k + 2], as: UTF8.self), radix: 16) ?? 0
        return Double(Int8(bitPattern: byte)) / 127
      })
  }

  /// An array, its range, and which cells cannot move.
  private func array(_ kind: String, _ size: Int) -> (g: Matrix, low: Double, stuck: [Bool]) {
    var draws = RandomSequence(RandomStream(seed: 1, purpose: RandomStream.purpose(kind: 200)))
    let low = kind == "on/off 1000" ? CircuitErrors.high / 1000 : CircuitErrors.low
    let range = CircuitErrors.high - low
    var g = Matrix(rows: size, columns: size)
    var stuck = [Bool](repeating: false, count: g.values.count)
    for k in g.values.indices {
      let (state, fate) = (draws.uniform(), draws.uniform())
      g.values[k] = low + state * range
      switch kind {
      // The plus array of a pair, centred: x = ½ + w/2S, S 2.5 times the largest weight.
      case "trained": g.values[k] = low + (0.5 + trained[k % size, k / size] / 5) * range
      case "half-zero": if fate < 0.5 { g.values[k] = low }
      case "half-open" where fate < 0.5: (g.values[k], stuck[k]) = (0, true)
      case "stuck" where fate < 0.1: (g.values[k], stuck[k]) = (fate < 0.05 ? CircuitErrors.high : low, true)
      case "failed" where fate < 0.04: (g.values[k], stuck[k]) = (fate < 0.02 ? 1e-3 : 0, true)
      default: break
      }
    }
    return (g, low, stuck)
  }

  private func moved(_ g: Matrix, _ low: Double, _ stuck: [Bool], by share: Double) -> Matrix {
    var draws = RandomSequence(RandomStream(seed: 2, purpose: RandomStream.purpose(kind: 200)))
    var moved = g
    for k in g.values.indices {
      let step = (2 * draws.uniform() - 1) * share * 0.5 * (CircuitErrors.high - low)
      if !stuck[k] { moved.values[k] = min(CircuitErrors.high, max(low, g.values[k] + step)) }
    }
    return moved
  }

  func run() throws {
    for size in [32, 64, 128] {
      var draws = RandomSequence(RandomStream(seed: 3, purpose: RandomStream.purpose(kind: 200)))
      let voltages = Matrix(
        rows: 256, columns: size, values: (0..<256 * size).map { _ in 0.25 * draws.uniform() })
      for wire in [1.0, 5] {
        let circuit = try CrossbarCircuit(
          CircuitParameters(wireResistance: wire, driverResistance: 100, senseResistance: 100))
        print("\n\(size) × \(size), \(format(wire)) Ω:\n")
        print(
          "| array | loss | ideal | line sums | corrected, 1 / 5 / 20 % | ratio instead, 1 / 5 / 20 % | profile, 1 / 5 / 20 % |"
        )
        print("|---|---|---|---|---|---|---|")
        for kind in CircuitErrors.kinds {
          let (g, low, stuck) = array(kind, size)
          let exact = try circuit.effectiveMatrix(g)
          let sums = try circuit.closedForm(g)
          let correction = try ClosedFormCorrection(circuit, at: g)
          let profile = try DistortionProfile(circuit, at: g)
          func error(_ found: Matrix, _ exact: Matrix) -> String {
            let e = EffectiveMatrixError(of: found, against: exact, voltages: voltages)
            return "\(short(e.currentRMS)), \(short(e.currentMax))"
          }
          var columns: [[String]] = [[], [], []]
          for share in CircuitErrors.moves {
            let later = moved(g, low, stuck, by: share)
            let truth = try circuit.effectiveMatrix(later)
            columns[0].append(error(try correction.effectiveMatrix(later), truth))
            // Line sums times the stored ratio: what `corrected` would be if it multiplied.
            var ratio = try circuit.closedForm(later)
            for k in ratio.values.indices where sums.values[k] > 0 {
              ratio.values[k] *= exact.values[k] / sums.values[k]
            }
            columns[1].append(error(ratio, truth))
            columns[2].append(error(try profile.effectiveMatrix(later), truth))
          }
          let loss = 1 - exact.values.reduce(0, +) / g.values.reduce(0, +)
          print(
            "| \(kind) | \(format(100 * loss, 1)) % | \(error(g, exact)) | \(error(sums, exact)) | "
              + columns.map { $0.joined(separator: " / ") }.joined(separator: " | ") + " |")
        }
      }
    }
  }

  private func short(_ x: Double) -> String { String(format: "%.0e", x).replacingOccurrences(of: "e-0", with: "e-") }
}
