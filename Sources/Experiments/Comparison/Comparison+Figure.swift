import Datasets
import Foundation

extension Comparison {
  /// Draws the table into files: the first path of the rows lies along x, and whatever else keeps rows apart, columns and
  /// metrics are lines, with error bars.
  ///
  /// - Parameter paths: NAME.svg is drawn by gnuplot; NAME.gp is the script with its data, to be restyled.
  /// - Throws: `RunError` for another ending, for a table that is no figure, without gnuplot, or when a file cannot be
  ///   written.
  public func draw(into paths: [String]) throws(RunError) {
    for path in paths where !path.hasSuffix(".svg") && !path.hasSuffix(".gp") {
      throw RunError("--figure \(path): expected NAME.svg, a picture, or NAME.gp, its script for gnuplot")
    }
    guard let first = paths.first else { return }
    let script = try figure("--figure \(first)").script
    for path in paths {
      do { try DurableFile.write(path.hasSuffix(".gp") ? Array(script.utf8) : try picture(script), to: path) } catch {
        throw RunError("--figure \(path): \(error)")
      }
    }
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
    guard let axis else {
      throw RunError("\(option): --rows PATH says what lies along x; \(example)")
    }
    let kinds = Set(metrics.map(ReportFigures.lastPart))
    guard kinds.count == 1, let first = metrics.first else {
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
    let scale = figures.scale(first, called: metrics.count > 1 ? ReportFigures.lastPart(first) : first)
    var figure = Figure(name: "", title: "", xLabel: "", yLabel: scale.label, lines: [])
    along.apply(to: &figure)
    let apart = (showsName ? [.name] : []) + selectors.filter { $0 != axis } + columns
    var counts: Set<Int> = []
    for metric in metrics {
      for (words, own) in lines(groups, apart) {
        guard var line = figures.line(metric, of: own, along: along, factor: scale.factor, &counts) else { continue }
        line.title = (words + (metrics.count > 1 ? [metric] : [])).joined(separator: ", ")
        let index = figure.lines.count
        (line.dash, line.colour) = (index % 5 + 1, index)
        figure.lines.append(line)
      }
    }
    figure.title = "\(scale.label) against \(along.title)"
    if let most = counts.max(), most > 1 {
      let least = counts.min() ?? most
      figure.title += ", mean ± \(uncertainty.name) over \(least == most ? "" : "\(least) to ")\(most) seeds"
    }
    let keyRows = (figure.lines.count * (60 + 8 * (figure.lines.map(\.title.count).max() ?? 0)) + 699) / 700
    figure.size.height += 18 * keyRows
    return figure
  }

  /// Groups that one line goes through, under the words that tell it from others; in the order that columns have.
  private func lines(_ groups: [RunGroup], _ apart: [Selector]) -> [(words: [String], groups: [RunGroup])] {
    let ranks = apart.map { selector in Self.ranks(groups.map { $0.value(selector) }) }
    let keyed = Dictionary(grouping: groups.indices) { i in ranks.map { $0[i] } }
    return keyed.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { _, own in
      let words = apart.compactMap { selector in
        groups[own[0]].value(selector).map { $0.string ?? "\(heads[selector] ?? selector.title) \($0.cell)" }
      }
      return (words, own.map { groups[$0] })
    }
  }

  /// What may be asked for, as a hint.
  private var example: String {
    let path = selectors.first { $0 != .name && $0 != .label }.map { heads[$0] ?? $0.title } ?? "PATH"
    return "such as --rows \(path.split(separator: " ").first ?? "PATH")"
  }
}
