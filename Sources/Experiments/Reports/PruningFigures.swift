/// What pruning left: a figure for each stage that prunes, with the channels of every layer as built and as they are.
enum PruningFigures {
  static func figures(from results: [StageResult], several: Bool) -> [Figure] {
    var labels: [String] = []
    let pruned = results.filter { $0.tables.contains { $0.name == "channels" } }
    for r in pruned where !labels.contains(r.label) { labels.append(r.label) }
    return labels.compactMap { label in channels(pruned.filter { $0.label == label }, label, several: several) }
  }

  private static func channels(_ results: [StageResult], _ label: String, several: Bool) -> Figure? {
    var lines: [Figure.Line] = []
    var names: [(name: String, x: Double)] = []
    for (i, r) in results.enumerated() {
      guard let table = r.tables.first(where: { $0.name == "channels" }) else { continue }
      for (column, title, isDashed) in [(1, "as built", true), (2, "left", false)] {
        lines.append(
          Figure.Line(
            title: several ? "\(r.model), \(title)" : title,
            points: table.rows.enumerated().map { (Double($0 + 1), $1[column].double ?? .nan) }, isDashed: isDashed,
            colour: i))
      }
      // Names of many layers would hide one another: they are numbered in the table's order.
      if table.rows.count <= 16, table.rows.count > names.count {
        names = table.rows.enumerated().map { ($1[0].string ?? "", Double($0 + 1)) }
      }
    }
    guard !lines.isEmpty else { return nil }
    var figure = Figure(
      name: "\(label)-channels", title: "Channels", xLabel: names.isEmpty ? "prunable layer" : "", yLabel: "channels",
      lines: lines)
    figure.xNames = names
    figure.showsNumbers = names.isEmpty
    return figure
  }
}
