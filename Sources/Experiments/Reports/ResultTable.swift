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

  /// One row for each model, one column for each measured metric; stages without a model have rows of their own. What is
  /// wider than `width` columns becomes one row for each model and stage, or for each metric.
  public static func text(_ result: JSON, folder: String, width: Int = 120) -> String {
    let stages = (result["stages"]?.array ?? []).compactMap { StageResult($0) }
    let times = (result["timings"]?.members ?? []).filter { !StagePart.contains($0.key) }
    func seconds(_ model: String, _ label: String? = nil) -> String {
      let own = times.filter { model.isEmpty || $0.key.hasPrefix("\(model).") }
      let stage = own.filter { label == nil || $0.key == (model.isEmpty ? label! : "\(model).\(label!)") }
      return decimals(stage.reduce(0) { $0 + ($1.value.double ?? 0) }, 1) + " s"
    }
    let found = stages.map { s in (stage: s, metrics: s.metrics.filter { shown($0.name, of: s.stage) }) }
      .filter { !$0.metrics.isEmpty }
    let forms: [() -> TextTable] = [
      { byModel(found, seconds: { seconds($0) }) }, { byStage(found, seconds: { seconds($0, $1) }) },
      { byMetric(found) },
    ]
    var text = "\(result["name"]?.string ?? ""), seed \(result["seed"]?.int ?? 0)\n\n"
    if !found.isEmpty {
      let tables = forms.lazy.map { $0().text() }
      text += (tables.first { $0.prefix { $0 != "\n" }.count <= width } ?? forms[2]().text()) + "\n\n"
    }
    return text + "Results: \(folder)"
  }

  private typealias Found = [(stage: StageResult, metrics: [(name: String, value: Double)])]

  private static func named(_ model: String) -> String { model.isEmpty ? "–" : model }

  private static func byModel(_ found: Found, seconds: (String) -> String) -> TextTable {
    var models: [String] = []
    var columns: [String] = []
    var cells: [String: [String: Double]] = [:]
    for (s, metrics) in found {
      for m in metrics {
        let column = "\(s.label) \(m.name)"
        if !models.contains(s.model) { models.append(s.model) }
        if !columns.contains(column) { columns.append(column) }
        cells[s.model, default: [:]][column] = m.value
      }
    }
    var table = TextTable(header: ["model"] + columns + ["time"])
    table.rows = models.map { m in
      [named(m)] + columns.map { c in cells[m]?[c].map { readable(c, $0) } ?? "" } + [seconds(m)]
    }
    return table
  }

  private static func byStage(_ found: Found, seconds: (String, String) -> String) -> TextTable {
    var columns: [String] = []
    for (_, metrics) in found { for m in metrics where !columns.contains(m.name) { columns.append(m.name) } }
    var table = TextTable(header: ["model", "stage"] + columns + ["time"])
    table.leftColumns = [0, 1]
    table.rows = found.map { s, metrics in
      [named(s.model), s.label]
        + columns.map { c in metrics.last { $0.name == c }.map { readable(c, $0.value) } ?? "" }
        + [seconds(s.model, s.label)]
    }
    return table
  }

  private static func byMetric(_ found: Found) -> TextTable {
    var table = TextTable(header: ["model", "stage", "metric", "value"])
    table.leftColumns = [0, 1, 2]
    table.rows = found.flatMap { s, metrics in
      metrics.map { [named(s.model), s.label, $0.name, readable($0.name, $0.value)] }
    }
    return table
  }
}
