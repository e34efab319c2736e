/// What evaluations of many chips and of several ages look like; one figure for each stage, with all its models.
enum EvaluationFigures {
  /// - Parameter yieldAbove: the accuracy of a good chip, by the stage's label.
  static func figures(from results: [StageResult], yieldAbove: [String: Double]) -> [Figure] {
    var labels: [String] = []
    for r in results where r.stage == "evaluate" && !labels.contains(r.label) { labels.append(r.label) }
    return labels.flatMap { label in
      let stage = results.filter { $0.stage == "evaluate" && $0.label == label }
      return [chips(stage, label, yieldAbove[label]), ages(stage, label)].compactMap { $0 }
    }
  }

  /// A point for each chip in a column for each model, and their mean with its deviation.
  private static func chips(_ results: [StageResult], _ label: String, _ yieldAbove: Double?) -> Figure? {
    var lines: [Figure.Line] = []
    var names: [(name: String, x: Double)] = []
    for (i, r) in results.enumerated() {
      let values = lastChips(r)
      guard values.count > 1 else { continue }
      let x = Double(i)
      names.append((r.model, x))
      // Beside each other by the golden ratio, so that equal ones do not hide one another.
      let places = values.indices.map {
        x + 0.3 * ((Double($0) * 0.618_033_988_749_895).truncatingRemainder(dividingBy: 1) - 0.5)
      }
      lines.append(
        Figure.Line(
          title: "", points: zip(places, values).map { ($0, 100 * $1) }, style: .points, colour: lines.count / 2))
      let mean = values.reduce(0, +) / Double(values.count)
      let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      lines.append(
        Figure.Line(
          title: "\(r.model): mean and deviation of \(values.count) chips", points: [(x + 0.3, 100 * mean)],
          style: .errors, errors: [100 * (squares / Double(values.count - 1)).squareRoot()], colour: lines.count / 2))
    }
    guard !lines.isEmpty else { return nil }
    var figure = Figure(
      name: "\(label)-chips", title: "Chips", xLabel: "", yLabel: "accuracy (%)", lines: lines)
    figure.xNames = names
    figure.threshold = yieldAbove.map { ("good from \(readable("accuracy", $0))", 100 * $0) }
    figure.showsNumbers = false
    figure.xRange = -0.7...(names.map(\.x).max() ?? 0) + 0.7
    return figure
  }

  /// Accuracies of the chips at the last age.
  private static func lastChips(_ r: StageResult) -> [Double] {
    guard let table = r.tables.first(where: { $0.name == "chips" }),
      let accuracy = table.columns.firstIndex(of: "accuracy")
    else { return [] }
    let age = table.columns.firstIndex(of: "time (s)")
    let last = age.flatMap { a in table.rows.last?[a].double }
    return table.rows.filter { row in age.map { row[$0].double == last } ?? true }.compactMap { $0[accuracy].double }
  }

  private static func ages(_ results: [StageResult], _ label: String) -> Figure? {
    func series(_ r: StageResult, _ name: String) -> [Double] { r.series.first { $0.name == name }?.values ?? [] }
    let aged = results.filter { series($0, "time").count > 1 }
    guard let first = aged.first, let least = series(first, "time").first(where: { $0 > 0 }) else { return nil }
    // A logarithmic axis has no 0: the fresh device stands a decade before the first age.
    let fresh = least / 10
    var figure = Figure(
      name: "\(label)-time", title: "Ageing", xLabel: "seconds since programming", yLabel: "accuracy (%)",
      lines: aged.enumerated().map { i, r in
        let deviations = series(r, "accuracyDeviation").map { 100 * $0 }
        return Figure.Line(
          title: r.model,
          points: zip(series(r, "time"), series(r, "accuracy")).map { ($0 > 0 ? $0 : fresh, 100 * $1) },
          style: deviations.isEmpty ? .line : .lineWithErrors, errors: deviations, colour: i)
      })
    figure.hasLogarithmicX = true
    if series(first, "time").first == 0 { figure.xNames = [("0", fresh)] }
    return figure
  }
}
