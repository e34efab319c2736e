import Configuration
import Datasets

extension Comparison {
  /// The tables.
  public func text(_ format: Format) -> String {
    if !columns.isEmpty { return Pivot(self).text(format) }
    switch format {
    case .table: return table.text()
    case .markdown: return table.markdown
    case .csv: return csv
    case .json: return JSON.array(rows.map(json)).written(pretty: true)
    }
  }

  /// Whether rows must be told apart by their experiments' names.
  var showsName: Bool {
    !(selectors + columns).contains(.name) && Set(rows.compactMap { $0.group.example?.name }).count > 1
  }
  var losses: Bool { rows.contains { !$0.group.losses.isEmpty } }

  private var table: TextTable {
    let showsName = showsName || selectors.isEmpty
    let losses = losses
    // Many differences do not fit a page: then the run's id stands for those that were not asked for.
    let shown = selectors.count <= 6 ? selectors : selectors.filter { $0 == .label || wanted.contains($0) }
    var header = (showsName ? ["experiment"] : []) + shown.map { heads[$0] ?? $0.title } + ["run", "seeds"]
    if losses { header.append("lost") }
    for m in metrics { header += [m] + (hasBaseline ? ["difference" + (isShare(m) ? " (points)" : ""), "p"] : []) }
    var table = TextTable(header: header)
    // Numbers to the right, words and run ids to the left.
    let offset = showsName ? 1 : 0
    let words = shown.indices.filter { i in rows.contains { $0.group.value(shown[i]).map { $0.double == nil } ?? false }
    }
    table.leftColumns = Set((showsName ? [0] : []) + words.map { $0 + offset } + [offset + shown.count])
    table.rows = rows.map { row in
      let group = row.group
      var cells = showsName ? [group.example?.name ?? ""] : []
      cells += shown.map { group.value($0)?.cell ?? "–" }
      let id = group.example?.id ?? ""
      cells += [group.all.count == 1 ? id : "\(id)…", "\(group.count(metrics))"]
      if losses { cells.append(group.losses) }
      for m in metrics {
        cells.append(group.text(m, of: metrics, uncertainty) ?? (group.runs.isEmpty ? "–" : ""))
        guard hasBaseline else { continue }
        let test = test(row, m)
        cells += [test?.text(m) ?? (isBaseline(row) ? "baseline" : "–"), test?.significance ?? ""]
      }
      return cells
    }
    return table
  }

  private var csv: String {
    let tested = hasBaseline ? ["difference", "low", "high", "p", "pairs"] : []
    // A metric that some runs lack has a number of its own.
    let counted = Set(metrics.filter { m in rows.contains { $0.group.values(m).count != $0.group.count(metrics) } })
    let names = selectors.contains(.name) ? [] : ["experiment"]
    let header =
      names + ["runs", "seeds", "diverged", "failed"] + selectors.map(\.title)
      + metrics.flatMap { m in
        [m, "\(m) \(uncertainty.column)"] + (counted.contains(m) ? ["\(m) n"] : []) + tested.map { "\(m) \($0)" }
      }
    let lines = rows.map { row -> [String] in
      let group = row.group
      var cells = names.map { _ in group.example?.name ?? "" } + [group.all.map(\.id).joined(separator: " ")]
      cells += [group.count(metrics), group.diverged.count, group.failed.count].map(String.init)
      cells += selectors.map { group.value($0)?.plain ?? "" }
      for m in metrics {
        let spread = group.spread(m)
        cells += [spread?.mean, spread?.width(uncertainty)].map { $0.map(CSV.number) ?? "" }
        if counted.contains(m) { cells.append("\(spread?.count ?? 0)") }
        guard hasBaseline else { continue }
        let test = test(row, m)
        cells += [test?.difference, test?.interval?.low, test?.interval?.high, test?.p].map { $0.map(CSV.number) ?? "" }
        cells.append(test.map { "\($0.count)" } ?? "")
      }
      return cells
    }
    return CSVTable(header: header, rows: lines).text
  }

  private func json(_ row: Row) -> JSON {
    let group = row.group
    let found = metrics.compactMap { m in group.spread(m).map { (m, self.json($0, test(row, m))) } }
    var json = JSON.object([
      ("experiment", .string(group.example?.name ?? "")), ("runs", .array(group.all.map { .string($0.id) })),
      ("differences", .object(selectors.compactMap { s in group.value(s).map { (s.title, .string($0.plain)) } })),
      ("diverged", .integer(group.diverged.count)), ("failed", .integer(group.failed.count)),
      ("metrics", .object(found)),
    ])
    let messages = (group.diverged + group.failed).map { ($0.id, JSON.string($0.message)) }
    if !messages.isEmpty { json.set("messages", .object(messages)) }
    if hasBaseline { json.set("isBaseline", .bool(isBaseline(row))) }
    return json
  }

  func json(_ spread: Spread, _ test: PairedTest?) -> JSON {
    var json = JSON.object([
      ("mean", .number(spread.mean)), ("sd", spread.deviation.map { .number($0) } ?? nil),
      ("n", .integer(spread.count)),
    ])
    if uncertainty != .deviation {
      json.set(uncertainty.column, spread.width(uncertainty).map { .number($0) } ?? nil)
    }
    if let test {
      json.set(
        "difference",
        .object([
          ("mean", .number(test.difference)),
          ("interval", test.interval.map { .array([.number($0.low), .number($0.high)]) } ?? nil),
          ("p", test.p.map { .number($0) } ?? nil), ("pairs", .integer(test.count)),
        ]))
    }
    return json
  }
}

extension JSON {
  /// A value for a program: a text as it is, everything else as JSON.
  var plain: String { string ?? written() }
}

extension CSVTable {
  /// The table without the end of its last line, for `print`.
  var text: String { String(decoding: CSV.encode(self).dropLast(), as: UTF8.self) }
}
