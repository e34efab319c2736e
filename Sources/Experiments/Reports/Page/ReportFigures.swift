import Configuration

/// Which figures a report has: each metric against each axis, over each pair of axes, and against its cost.
struct ReportFigures {
  let groups: [RunGroup]
  let axes: [ReportAxis]
  let averaged: [Selector]
  /// The metrics that are drawn.
  let metrics: [String]
  /// How long error bars are.
  let uncertainty: Uncertainty

  struct Entry {
    var drawing: any Drawing
    /// What is shown, in a sentence or two.
    var caption: String
  }

  /// At most so many of each kind: a page of a hundred pictures is read by nobody.
  static let limit = (lines: 12, maps: 6, curves: 4, fronts: 3)

  /// What a set of runs has of a metric: the mean for each seed over everything else, and the spread of that over seeds.
  func spread(_ metric: String, _ chosen: [RunGroup]) -> Spread? {
    if chosen.count == 1 { return chosen[0].spread(metric) }
    var keys: [String] = []
    var bySeed: [String: [Double]] = [:]
    for group in chosen {
      for run in group.runs {
        guard let value = run.metrics[metric] else { continue }
        let key = averaged.map { $0.value(run)?.canonical ?? "" }.joined(separator: "\u{1f}")
        if bySeed[key] == nil { keys.append(key) }
        bySeed[key, default: []].append(value)
      }
    }
    return Spread(keys.compactMap { bySeed[$0].flatMap { Spread($0)?.mean } })
  }

  /// How a metric is drawn: shares in per cent, energies and times with the prefix that suits them.
  ///
  /// - Parameter name: what the axis calls it; the metric if nil.
  func scale(_ metric: String, called name: String? = nil) -> (factor: Double, label: String) {
    let name = name ?? metric
    if isShare(metric) { return (100, "\(name) (%)") }
    let units = ["energy": "J", "energyPerSample": "J", "latency": "s"]
    let last = Self.lastPart(metric)
    if last == "area" { return (1, "\(name) (mm²)") }
    guard let unit = units[last] else { return (1, name) }
    let most = groups.reduce(0) { max($0, abs($1.spread(metric)?.mean ?? 0)) }
    let prefixes = [(1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f")]
    let (size, prefix) = prefixes.first { most >= $0.0 } ?? (1, "")
    return (1 / size, "\(name) (\(prefix)\(unit))")
  }

  // MARK: Against one axis

  var lines: [Entry] {
    var entries: [Entry] = []
    for axis in axes {
      if axis.isScattered {
        entries += metrics.map { scatter($0, axis) }
      } else if let other = partner(of: axis) {
        entries += metrics.map { metric in
          figure(axis, [metric], other: other)
        }
      } else {
        // Several models measured alike stand in one figure.
        var families: [(String, [String])] = []
        for m in metrics {
          let last = m.split(separator: ".").last.map(String.init) ?? m
          if let i = families.firstIndex(where: { $0.0 == last }) {
            families[i].1.append(m)
          } else {
            families.append((last, [m]))
          }
        }
        entries += families.map { figure(axis, $0.1, other: nil) }
      }
    }
    return entries
  }

  /// The axis whose values are lines: the first other one with few enough.
  private func partner(of axis: ReportAxis) -> ReportAxis? {
    axes.first { $0.selector != axis.selector && !$0.isScattered && $0.values.count <= 7 }
  }

  private func figure(_ axis: ReportAxis, _ metrics: [String], other: ReportAxis?) -> Entry {
    let subject = metrics.count > 1 ? Self.lastPart(metrics[0]) : metrics[0]
    let scale = scale(metrics[0], called: subject)
    var figure = Figure(name: "", title: "", xLabel: "", yLabel: scale.label, lines: [])
    axis.apply(to: &figure)
    var counts: Set<Int> = []
    let others = other.map { o in o.values.indices.map { Optional($0) } } ?? [nil]
    for metric in metrics {
      for place in others {
        let mine = groups.filter { g in place.map { other?.place(g) == $0 } ?? true }
        guard var line = line(metric, of: mine, along: axis, factor: scale.factor, &counts) else { continue }
        let index = figure.lines.count
        line.title = place.map { clipped(other?.name($0) ?? "", 24) } ?? (metrics.count > 1 ? metric : "")
        (line.dash, line.colour) = (index % 5 + 1, index)
        figure.lines.append(line)
      }
    }
    figure.keyTitle = other?.title ?? ""
    figure.title = "\(subject) against \(axis.title)"
    figure.name = Self.slug("\(subject)-\(axis.selector.title)")
    figure = Self.laidOut(figure)
    var caption = seeds(counts)
    let rest = axes.filter { $0.selector != axis.selector && $0.selector != other?.selector }
    if !rest.isEmpty { caption += " Averaged over \(rest.map(\.title).joined(separator: ", "))." }
    return Entry(drawing: figure, caption: caption)
  }

  /// A metric of some groups along an axis, with error bars; nil where none has it.
  ///
  /// - Parameter counts: takes the numbers of seeds that means are over.
  func line(
    _ metric: String, of groups: [RunGroup], along axis: ReportAxis, factor: Double, _ counts: inout Set<Int>
  ) -> Figure.Line? {
    let byPlace = Dictionary(grouping: groups) { axis.place($0) ?? -1 }
    var line = Figure.Line(title: "", points: [], style: axis.isNumeric ? .lineWithErrors : .errors)
    for k in axis.values.indices {
      guard let spread = spread(metric, byPlace[k] ?? []) else { continue }
      line.points.append((axis.positions[k], factor * spread.mean))
      line.errors.append(factor * (spread.width(uncertainty) ?? 0))
      counts.insert(spread.count)
    }
    return line.points.isEmpty ? nil : line
  }

  private func scatter(_ metric: String, _ axis: ReportAxis) -> Entry {
    let scale = scale(metric)
    var figure = Figure(name: "", title: "\(metric) against \(axis.title)", xLabel: "", yLabel: scale.label, lines: [])
    axis.apply(to: &figure)
    figure.name = Self.slug("\(metric)-\(axis.selector.title)")
    var points = groups.compactMap { g -> (x: Double, y: Double)? in
      guard let place = axis.place(g), let mean = g.spread(metric)?.mean else { return nil }
      return (axis.positions[place], scale.factor * mean)
    }
    var caption = "A point for each of \(points.count) settings, everything else varying as well."
    if points.count > 2000 {
      points = Self.binned(points, logarithmic: axis.isLogarithmic)
      caption = "Means of \(groups.count) settings in \(points.count) bins along the axis."
    }
    figure.lines = [Figure.Line(title: "", points: points, style: .points)]
    return Entry(drawing: Self.laidOut(figure), caption: caption)
  }

  /// Means of 200 equal parts of the axis.
  private static func binned(_ points: [(x: Double, y: Double)], logarithmic: Bool) -> [(x: Double, y: Double)] {
    let sorted = points.sorted { $0.x < $1.x }
    let size = (sorted.count + 199) / 200
    return stride(from: 0, to: sorted.count, by: size).map { start in
      let part = sorted[start..<min(sorted.count, start + size)]
      return (part.map(\.x).reduce(0, +) / Double(part.count), part.map(\.y).reduce(0, +) / Double(part.count))
    }
  }

  // MARK: Over two axes

  var maps: [Entry] {
    var entries: [Entry] = []
    for (i, x) in axes.enumerated() {
      for y in axes.dropFirst(i + 1) {
        let (columns, rows) = (x.values.count, y.values.count)
        guard columns <= 40, rows <= 40, columns * rows >= 6 else { continue }
        // The axis with more values lies across.
        for metric in metrics {
          if let entry = rows > columns ? map(metric, y, x) : map(metric, x, y) { entries.append(entry) }
        }
      }
    }
    return entries
  }

  private func map(_ metric: String, _ x: ReportAxis, _ y: ReportAxis) -> Entry? {
    let scale = scale(metric)
    var cells: [Int: [RunGroup]] = [:]
    for g in groups {
      guard let i = x.place(g), let j = y.place(g) else { continue }
      cells[j * x.values.count + i, default: []].append(g)
    }
    // Samples that fill a plane thinly are no map.
    guard cells.count * 2 >= x.values.count * y.values.count else { return nil }
    var values: [[Double?]] = []
    var texts: [[String]] = []
    let showsTexts = x.values.count <= 10 && y.values.count <= 16
    for j in y.values.indices {
      var row: [Double?] = []
      var line: [String] = []
      for i in x.values.indices {
        let cell = cells[j * x.values.count + i] ?? []
        let mean = spread(metric, cell)?.mean
        row.append(mean.map { scale.factor * $0 })
        let lost = cell.contains { !$0.losses.isEmpty }
        line.append(mean.map { showsTexts ? Self.brief(metric, $0) + (lost ? "*" : "") : "" } ?? (lost ? "lost" : ""))
      }
      values.append(row)
      texts.append(line)
    }
    guard values.contains(where: { $0.contains { $0 != nil } }) else { return nil }
    let title = "\(metric) over \(x.title) and \(y.title)"
    let map = GridMap(
      name: Self.slug("\(metric)-\(x.selector.title)-\(y.selector.title)"), title: title, xLabel: x.title,
      yLabel: y.title, xNames: x.values.indices.map { clipped(x.name($0), 16) },
      yNames: y.values.indices.map { clipped(y.name($0), 16) }, quantity: scale.label, values: values, texts: texts)
    let rest = axes.filter { $0.selector != x.selector && $0.selector != y.selector }
    var caption = "Means over seeds" + (rest.isEmpty ? "." : " and over \(rest.map(\.title).joined(separator: ", ")).")
    if texts.contains(where: { $0.contains { $0.hasSuffix("*") } }) { caption += " * some runs diverged or failed." }
    if texts.contains(where: { $0.contains("lost") }) { caption += " lost: all runs diverged or failed." }
    return Entry(drawing: map, caption: caption)
  }

  private static func brief(_ metric: String, _ value: Double) -> String {
    if isShare(metric) { return decimals(100 * value, 1) }
    return value != 0 && (abs(value) < 0.01 || abs(value) >= 1e4) ? ReportAxis.short(value) : decimals(value, 3)
  }

  // MARK: Common

  static func lastPart(_ metric: String) -> String { metric.split(separator: ".").last.map(String.init) ?? metric }

  func seeds(_ counts: Set<Int>) -> String {
    guard let least = counts.min(), let most = counts.max(), most > 1 else { return "One run for each point." }
    let number = least == most ? "\(most)" : "\(least) to \(most)"
    return "Mean over \(number) seeds; bars are the \(uncertainty.name)."
  }

  /// A figure for a column of the page: its title is the caption's, and its legend has room below.
  static func laidOut(_ figure: Figure) -> Figure {
    var figure = figure
    figure.showsTitle = false
    let shown = figure.lines.map(\.title).filter { !$0.isEmpty }
    let width = 58 + 8 * (shown.map(\.count).max() ?? 0)
    let columns = max(1, 470 / width)
    let rows = (shown.count + columns - 1) / columns + (figure.keyTitle.isEmpty || shown.isEmpty ? 0 : 1)
    figure.size = (480, 285 + 18 * rows)
    return figure
  }

  /// A file's name.
  static func slug(_ text: String) -> String {
    let mapped = text.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") ? $0 : "-" }
    return clippedSlug(String(mapped))
  }

  private static func clippedSlug(_ text: String) -> String {
    let trimmed = String(text.drop { $0 == "." || $0 == "-" })
    return trimmed.count <= 120 ? trimmed : String(trimmed.prefix(60) + "-" + trimmed.suffix(59))
  }
}
