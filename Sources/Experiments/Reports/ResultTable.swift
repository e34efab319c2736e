import Configuration

/// The table that a run ends in.
public enum ResultTable {
  /// What of a stage's metrics fits a table for people; result.json has them all.
  private static func shown(_ metric: String, of stage: String) -> Bool {
    let pruning = ["pruned", "multiplyAccumulateShare"]
    if stage == "train" { return (["trainLoss", "trainAccuracy", "trainingCost"] + pruning).contains(metric) }
    if stage == "prune" { return pruning.contains(metric) }
    return !["energy", "latency", "area", "tiles", "devices", "accuracyMinimum", "accuracyMaximum"].contains(metric)
  }

  /// Timings of what is a part of a stage.
  private static let parts = [".epochs", ".scoring", ".pruning", ".inferenceOf1000"]

  /// One row for each model, one column for each measured metric; stages without a model have rows of their own.
  public static func text(_ result: JSON, folder: String) -> String {
    let stages = (result["stages"]?.array ?? []).compactMap { StageResult($0) }
    var models: [String] = []
    var columns: [String] = []
    var cells: [String: [String: Double]] = [:]
    for s in stages {
      for m in s.metrics where shown(m.name, of: s.stage) {
        let column = "\(s.label) \(m.name)"
        if !models.contains(s.model) { models.append(s.model) }
        if !columns.contains(column) { columns.append(column) }
        cells[s.model, default: [:]][column] = m.value
      }
    }
    let timings = result["timings"]
    func seconds(_ model: String) -> Double {
      (timings?.members ?? []).filter {
        time in (time.key.hasPrefix("\(model).") || model.isEmpty) && !Self.parts.contains { time.key.hasSuffix($0) }
      }
      .reduce(0) { $0 + ($1.value.double ?? 0) }
    }
    let name = result["name"]?.string ?? ""
    var text = "\(name), seed \(result["seed"]?.int ?? 0)\n\n"
    if !columns.isEmpty {
      var table = TextTable(header: ["model"] + columns + ["time"])
      for m in models {
        table.rows.append(
          [m.isEmpty ? "–" : m] + columns.map { c in cells[m]?[c].map { readable(c, $0) } ?? "" }
            + [decimals(seconds(m), 1) + " s"])
      }
      text += table.text() + "\n\n"
    }
    return text + "Results: \(folder)"
  }
}
