import Configuration
import Datasets

/// The page's table: a row for each setting, mean ± standard deviation over seeds.
struct ReportTable {
  private let report: ReportPage
  private let limit: Int

  init(_ report: ReportPage, limit: Int) { (self.report, self.limit) = (report, limit) }

  /// Drawn metrics and what they cost.
  private var metrics: [String] {
    let wanted = report.drawn
    let costs = report.names.filter { name in
      !wanted.contains(name) && ReportFigures.costs.prefix(4).contains(ReportFigures.lastPart(name))
        && wanted.contains(where: isShare)
    }
    let hasPerSample = costs.contains { $0.hasSuffix("energyPerSample") }
    return wanted + costs.filter { !(hasPerSample && ReportFigures.lastPart($0) == "energy") }.prefix(8)
  }

  var content: PageContent.Table {
    let groups = report.groups
    let metrics = metrics
    var selectors = report.axes.map(\.selector)
    var heads = report.axes.map(\.title)
    // What belongs to a label or walks along with an axis is still worth a column.
    if report.collection.isOneSweep {
      let seeds = report.collection.seeds
      let others = report.collection.paths.map { Selector.path($0) }.filter {
        !selectors.contains($0) && !seeds.contains($0)
      }
      let titles = SelectorFinder(report.collection).heads(for: others)
      selectors += others
      heads += others.map { titles[$0] ?? $0.title }
    }
    if Set(groups.compactMap { $0.example?.name }).count > 1, !selectors.contains(.name) {
      selectors.insert(.name, at: 0)
      heads.insert("experiment", at: 0)
    }
    let isNumeric = selectors.map { s in groups.allSatisfy { g in g.value(s).map { $0.double != nil } ?? true } }
    let hasLosses = groups.contains { !$0.losses.isEmpty }
    var table = PageContent.Table()
    table.heads = zip(heads, isNumeric).map { PageContent.Head(name: $0, isNumber: $1) }
    table.heads += metrics.map { PageContent.Head(name: $0, isNumber: true) }
    table.heads.append(PageContent.Head(name: "seeds", isNumber: true))
    if hasLosses { table.heads.append(PageContent.Head(name: "lost", isNumber: false)) }
    table.heads.append(PageContent.Head(name: "run", isNumber: false))

    let shown = chosen(groups, metrics.first)
    table.rows = shown.map { group in
      var cells: [PageContent.Cell] = []
      for (selector, isNumeric) in zip(selectors, isNumeric) {
        let value = group.value(selector)
        cells.append(
          isNumeric
            ? .number(value?.cell ?? "–", value?.double) : .text(value.map { clipped($0.cell, 60) } ?? "–"))
      }
      for metric in metrics {
        cells.append(
          .number(group.text(metric, of: metrics, report.uncertainty) ?? "–", group.spread(metric)?.mean))
      }
      let count = group.count(metrics)
      cells.append(.number("\(count)", Double(count)))
      if hasLosses { cells.append(.text(group.losses, kind: "lost")) }
      let id = group.example?.id ?? ""
      cells.append(.text(group.all.count > 1 ? "\(id)…" : id, kind: "id"))
      return PageContent.Row(cells: cells)
    }
    table.caption =
      groups.contains { $0.runs.count > 1 }
      ? "Mean ± \(report.uncertainty.name) over seeds; press a head to sort." : "Press a head to sort."
    if shown.count < groups.count {
      table.notes.append(
        "The \(shown.count) rows with the highest \(metrics.first ?? "value") of \(groups.count); all runs are in "
          + "summary.csv, and `simengine compare` shows any of them.")
    }
    return table
  }

  /// All groups, or the best where a page would be too long.
  private func chosen(_ groups: [RunGroup], _ metric: String?) -> [RunGroup] {
    guard groups.count > limit, let metric else { return groups }
    let keys = groups.map { $0.spread(metric)?.mean ?? -.infinity }
    let best = groups.indices.sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] > keys[$1] }.prefix(limit)
    return best.sorted().map { groups[$0] }
  }
}
