import Datasets
import Foundation

extension Comparison {
  /// Draws the table into files: the first path of the rows lies along x, and whatever else keeps rows apart, columns and
  /// metrics are lines, with error bars.
  ///
  /// - Parameter paths: NAME.svg is drawn by gnuplot; NAME.gp is the script with its data, to be restyled.
  /// - Returns: what is in the table and not in the figure, a sentence each.
  /// - Throws: `RunError` for another ending, for a table that is no figure, without gnuplot, or when a file cannot be
  ///   written; scripts are written first.
  @discardableResult
  public func draw(into paths: [String]) throws(RunError) -> [String] {
    for path in paths where !path.hasSuffix(".svg") && !path.hasSuffix(".gp") {
      throw RunError("--figure \(path): expected NAME.svg, a picture, or NAME.gp, its script for gnuplot")
    }
    guard let first = paths.first else { return [] }
    let script = try figure("--figure \(first)").script
    for path in paths.filter({ $0.hasSuffix(".gp") }) + paths.filter({ $0.hasSuffix(".svg") }) {
      do { try DurableFile.write(path.hasSuffix(".gp") ? Array(script.utf8) : try picture(script), to: path) } catch {
        throw RunError("--figure \(path): \(error)")
      }
    }
    let left = rows.count { row in wanted.first.flatMap(row.group.value) == nil }
    guard left > 0, let axis = wanted.first else { return [] }
    return ["\(left) of \(rows.count) rows have no \(axis.title), and are not in the figure"]
  }

  private func picture(_ script: String) throws -> [UInt8] {
    let work = FileManager.default.temporaryDirectory.path + "/simengine-figure-\(UUID().uuidString).gp"
    defer { unlink(work) }
    try DurableFile.write(script, to: work)
    switch Gnuplot.svg(ofScript: work) {
    case .success(let bytes): return bytes
    case .failure(let problem): throw RunError(problem.sentence)
    }
  }

  func figure(_ option: String) throws(RunError) -> Figure {
    guard let axis = wanted.first else {
      throw RunError("\(option): --rows PATH says what lies along x; \(example)")
    }
    let kinds = Set(metrics.map(ReportFigures.lastPart))
    let means = metrics.compactMap { m in rows.compactMap { $0.group.spread(m)?.mean.magnitude }.max().map { (m, $0) } }
    guard let largest = means.max(by: { $0.1 < $1.1 })?.0 else {
      throw RunError("\(option): no row has a value to draw; its runs diverged or failed")
    }
    guard kinds.count == 1 else {
      throw RunError(
        "\(option): one axis cannot show \(kinds.sorted().prefix(4).joined(separator: ", ")) together; choose with --metric"
      )
    }
    let groups = rows.map(\.group)
    guard let along = ReportAxis(axis, title: heads[axis] ?? axis.title, groups: groups) else {
      throw RunError("\(option): all rows have the same \(axis.title), there is no axis")
    }
    let figures = ReportFigures(
      groups: groups, axes: [along], averaged: averaged, metrics: metrics, uncertainty: uncertainty)
    let scale = figures.scale(largest, called: metrics.count > 1 ? ReportFigures.lastPart(largest) : largest)
    var figure = Figure(name: "", title: "", xLabel: "", yLabel: scale.label, lines: [])
    along.apply(to: &figure)
    // What follows from what is named already says nothing new.
    var apart = (showsName ? [.name] : []) + columns
    for selector in selectors where selector != axis {
      if wanted.contains(selector) || !RunGroup.isDetermined(selector, by: [axis] + apart, in: groups) {
        apart.append(selector)
      }
    }
    var counts: Set<Int> = []
    let lines = lines(groups, apart)
    for metric in metrics {
      for (title, own) in lines {
        guard var line = figures.line(metric, of: own, along: along, factor: scale.factor, &counts) else { continue }
        line.title = metrics.count == 1 ? title : title.isEmpty ? metric : "\(title), \(metric)"
        let index = figure.lines.count
        (line.dash, line.colour) = (index % 5 + 1, index)
        figure.lines.append(line)
      }
    }
    standApart(&figure.lines, along)
    figure.title = "\(scale.label) against \(along.title)"
    if let most = counts.max(), most > 1 {
      let least = counts.min() ?? most
      figure.title += ", mean ± \(uncertainty.name) over \(least == most ? "" : "\(least) to ")\(most) seeds"
    }
    let keyRows = (figure.lines.count * (60 + 8 * (figure.lines.map(\.title.count).max() ?? 0)) + 699) / 700
    figure.size.height += 18 * keyRows + (figure.lines.count > 5 ? 120 : 0)
    return figure
  }

  /// Moves lines side by side, over four tenths of the least distance between two places, so that error bars do not hide
  /// each other; on an axis of numbers no further than the frame has room, a twentieth of the axis.
  private func standApart(_ lines: inout [Figure.Line], _ axis: ReportAxis) {
    let x = axis.positions.map { axis.isLogarithmic ? log($0) : $0 }
    guard lines.count > 1, let first = x.first, let last = x.last,
      let least = zip(x.dropFirst(), x).map({ $0 - $1 }).min()
    else { return }
    let step = axis.isNumeric ? min(least, 0.2 * (last - first)) : least
    for i in lines.indices {
      let shift = 0.4 * step * (Double(i) / Double(lines.count - 1) - 0.5)
      lines[i].shift = axis.isLogarithmic ? exp(shift) : shift
    }
  }

  /// Groups that one line goes through, under what tells it from others; in the order that columns have.
  private func lines(_ groups: [RunGroup], _ apart: [Selector]) -> [(title: String, groups: [RunGroup])] {
    let ranks = apart.map { selector in Self.ranks(groups.map { $0.value(selector) }) }
    let keyed = Dictionary(grouping: groups.indices) { i in ranks.map { $0[i] } }
    let lines = keyed.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { _, own in own.map { groups[$0] } }
    func title(_ line: [RunGroup], inFull: Bool) -> String {
      apart.compactMap { selector in
        let value = line[0].value(selector)
        if !inFull, value == nil || value?.string != nil || value?["kind"] != nil { return value?.cell }
        return "\(heads[selector] ?? selector.title) \(value?.cell ?? "–")"
      }.joined(separator: ", ")
    }
    // A text or a kind speaks for itself, unless another path says the same.
    let short = lines.map { title($0, inFull: false) }
    let isUnique = Set(short).count == short.count && (short.count == 1 || !short.contains(""))
    return zip(lines, short).map { line, short in (isUnique ? short : title(line, inFull: true), line) }
  }

  /// What may be asked for, as a hint.
  private var example: String {
    let path = selectors.first { $0 != .name && $0 != .label }.map { heads[$0] ?? $0.title } ?? "PATH"
    return "such as --rows \(path.split(separator: " ").first ?? "PATH")"
  }
}
