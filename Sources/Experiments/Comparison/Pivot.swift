import Configuration
import Datasets

/// A table for each metric whose rows and columns are values of configuration paths.
struct Pivot {
  private let comparison: Comparison
  private let lines: [Line]
  private let columns: [Column]

  private struct Column {
    var values: [JSON?]
    /// adcBits (bit) 4, or just 4 where one path names the columns; a text speaks for itself.
    var head: String
  }
  private struct Line {
    var values: [JSON?]
    var name: String
    /// Places among the comparison's rows, a list for each column; more than one only if an experiment's name alone tells
    /// them apart.
    var cells: [Int: Int] = [:]
  }

  init(_ comparison: Comparison) {
    self.comparison = comparison
    let rows = comparison.rows
    let ranks = comparison.columns.map { selector in Comparison.ranks(rows.map { $0.group.value(selector) }) }
    var columnPlaces: [[Int]: Int] = [:]
    for i in rows.indices { columnPlaces[ranks.map { $0[i] }] = 0 }
    let order = columnPlaces.keys.sorted { $0.lexicographicallyPrecedes($1) }
    for (place, key) in order.enumerated() { columnPlaces[key] = place }
    var columns = [Column](repeating: Column(values: [], head: ""), count: order.count)
    var lines: [Line] = []
    var linePlaces: [String: Int] = [:]
    for (i, row) in rows.enumerated() {
      let column = columnPlaces[ranks.map { $0[i] }] ?? 0
      let values = comparison.columns.map { row.group.value($0) }
      columns[column] = Column(values: values, head: Self.head(values, comparison))
      let own = comparison.selectors.map { row.group.value($0) }
      let name = comparison.columns.contains(.name) ? "" : row.group.example?.name ?? ""
      let key = ([name] + own.map { $0?.canonical ?? "" }).joined(separator: "\u{1f}")
      let place = linePlaces[key] ?? lines.count
      if place == lines.count {
        linePlaces[key] = place
        lines.append(Line(values: own, name: name))
      }
      lines[place].cells[column] = i
    }
    self.columns = columns
    self.lines = lines
  }

  private static func head(_ values: [JSON?], _ comparison: Comparison) -> String {
    zip(comparison.columns, values).map { selector, value in
      guard let value else { return "–" }
      let text = value.cell
      return comparison.columns.count == 1 || value.string != nil
        ? text : "\(comparison.heads[selector] ?? selector.title) \(text)"
    }.joined(separator: ", ")
  }

  func text(_ format: Comparison.Format) -> String {
    switch format {
    case .table: return tables { $0.text() }
    case .markdown: return tables { $0.markdown }
    case .csv: return csv
    case .json: return json.written(pretty: true)
    }
  }

  // MARK: For people

  private func tables(_ written: (TextTable) -> String) -> String {
    comparison.metrics.map { metric in
      let counts = Set(comparison.rows.map { $0.group.values(metric).count }.filter { $0 > 0 })
      var title = metric + " by " + comparison.columns.map { comparison.heads[$0] ?? $0.title }.joined(separator: ", ")
      if counts.count == 1, let count = counts.first, count > 1 {
        title += ", mean ± \(comparison.uncertainty.name) over \(count) seeds"
      } else if counts.count > 1 {
        title += ", mean ± \(comparison.uncertainty.name) over seeds, their number in parentheses"
      }
      if comparison.hasBaseline {
        title += "; in brackets the difference to the baseline and its p"
      }
      return title + "\n\n" + written(table(metric, showsCounts: counts.count > 1))
    }.joined(separator: "\n\n")
  }

  private func table(_ metric: String, showsCounts: Bool) -> TextTable {
    let names = comparison.showsName ? ["experiment"] : []
    let heads = comparison.selectors.map { comparison.heads[$0] ?? $0.title }
    let lead = names + heads
    var table = TextTable(header: (lead.isEmpty ? [""] : lead) + columns.map(\.head))
    table.leftColumns = Set(0..<max(1, lead.count))
    table.rows = lines.map { line in
      var cells = (names.isEmpty ? [] : [line.name]) + line.values.map { $0?.cell ?? "–" }
      if cells.isEmpty { cells = [metric] }
      return cells + columns.indices.map { line.cells[$0].map { cell($0, metric, showsCounts) } ?? "" }
    }
    return table
  }

  private func cell(_ place: Int, _ metric: String, _ showsCounts: Bool) -> String {
    let row = comparison.rows[place]
    var parts: [String] = []
    if let spread = row.group.spread(metric) {
      parts.append(spread.text(metric, comparison.uncertainty) + (showsCounts ? " (\(spread.count))" : ""))
    }
    if comparison.isBaseline(row) {
      parts.append("[baseline]")
    } else if let test = comparison.test(row, metric) {
      let p = test.p == nil ? test.significance : "p \(test.significance)"
      let difference = PairedTest.bare(test, metric)
      parts.append("[\(difference), \(p)]")
    }
    if !row.group.losses.isEmpty { parts.append("(\(row.group.losses))") }
    return parts.joined(separator: " ")
  }

  // MARK: For programs

  private var csv: String {
    let tested = comparison.hasBaseline ? ["difference", "p"] : []
    // As a row or column of its own it is no key of the rows.
    let names = (comparison.selectors + comparison.columns).contains(.name) ? [] : ["experiment"]
    let header =
      ["metric"] + names + comparison.selectors.map(\.title)
      + columns.flatMap { c in
        let head = zip(comparison.columns, c.values).map { "\($0.title)=\($1?.plain ?? "")" }.joined(separator: ",")
        return [head, "\(head) \(comparison.uncertainty.column)", "\(head) n", "\(head) diverged", "\(head) failed"]
          + tested.map { "\(head) \($0)" }
      }
    var rows: [[String]] = []
    for metric in comparison.metrics {
      for line in lines {
        var cells = [metric] + names.map { _ in line.name } + line.values.map { $0?.plain ?? "" }
        for c in columns.indices {
          guard let place = line.cells[c] else {
            cells += [String](repeating: "", count: 5 + tested.count)
            continue
          }
          let row = comparison.rows[place]
          let spread = row.group.spread(metric)
          cells += [spread?.mean, spread?.width(comparison.uncertainty)].map { $0.map(CSV.number) ?? "" }
          cells += [spread?.count ?? 0, row.group.diverged.count, row.group.failed.count].map(String.init)
          guard comparison.hasBaseline else { continue }
          let test = comparison.test(row, metric)
          cells += [test?.difference, test?.p].map { $0.map(CSV.number) ?? "" }
        }
        rows.append(cells)
      }
    }
    return CSVTable(header: header, rows: rows).text
  }

  private var json: JSON {
    func object(_ selectors: [Selector], _ values: [JSON?]) -> JSON {
      .object(zip(selectors, values).compactMap { s, v in v.map { (s.title, $0) } })
    }
    return .array(
      comparison.metrics.map { metric in
        let cells = lines.flatMap { line in
          columns.indices.compactMap { c -> JSON? in
            guard let place = line.cells[c] else { return nil }
            let row = comparison.rows[place]
            var cell = JSON.object([
              ("experiment", .string(row.group.example?.name ?? "")),
              ("row", object(comparison.selectors, line.values)),
              ("column", object(comparison.columns, columns[c].values)),
              ("runs", .array(row.group.all.map { .string($0.id) })),
              ("diverged", .integer(row.group.diverged.count)), ("failed", .integer(row.group.failed.count)),
            ])
            if let spread = row.group.spread(metric) {
              for member in comparison.json(spread, comparison.test(row, metric)).members ?? [] {
                cell.set(member.key, member.value)
              }
            }
            return cell
          }
        }
        return .object([("metric", .string(metric)), ("cells", .array(cells))])
      })
  }
}

extension PairedTest {
  /// The difference without its interval, for a narrow cell.
  fileprivate static func bare(_ test: PairedTest, _ metric: String) -> String {
    var alone = test
    alone.interval = nil
    return alone.text(metric)
  }
}
