import Configuration
import Crossbars
import NeuralNetworks

extension StageResult {
  /// How near approximate circuits kept to the exact ones, a row for each layer whose tiles were measured: rms and largest
  /// error of G_eff relative to its rms, at the last check and the worst of all.
  mutating func addCircuitAccuracy(of model: Model) {
    var rows: [[JSON]] = []
    var worst = CircuitAccuracy()
    for (node, weights) in model.weights {
      for array in weights.arrays {
        guard let crossbar = (array as? any CrossbarHolder)?.crossbar else { continue }
        let a = crossbar.circuitAccuracy
        guard a.checks > 0 else { continue }
        rows.append([
          .string(node.name), .string(crossbar.parameters.method.rawValue), .integer(a.checks), .integer(a.solutions),
          .number(a.rms), .number(a.largest), .number(a.worstRms), .number(a.worstLargest),
        ])
        worst.rms = max(worst.rms, a.worstRms)
        worst.largest = max(worst.largest, a.worstLargest)
      }
    }
    guard !rows.isEmpty else { return }
    metrics += [("circuitRmsError", worst.rms), ("circuitMaxError", worst.largest)]
    tables.append(
      (
        "circuit",
        ["layer", "method", "checks", "solutions", "rmsError", "maxError", "worstRmsError", "worstMaxError"], rows
      ))
  }
}
