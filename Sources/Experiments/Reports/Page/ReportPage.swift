import Configuration
import Datasets
import Foundation
import Mustache

/// One self-contained HTML page over runs: what was asked, what came of it, figures, configurations and machines.
public struct ReportPage {
  public struct Request: Sendable {
    /// Globs over metric names; empty: all accuracies, or everything when there are none. These are drawn, and stand in
    /// the table with what they cost.
    public var metrics: [String] = []
    /// The page's title; the experiment's name if nil.
    public var title: String?
    /// A folder to keep the figures' scripts, data and pictures in.
    public var figures: String?
    /// How long error bars are.
    public var uncertainty = Uncertainty.deviation
    public init() {}
  }

  private let folders: [String]
  private let request: Request
  var uncertainty: Uncertainty { request.uncertainty }
  let collection: RunCollection
  let groups: [RunGroup]
  let axes: [ReportAxis]
  private let seeds: [Selector]
  let names: [String]
  let drawn: [String]
  /// What was left out, or should be known, a sentence each.
  public private(set) var notes: [String]

  /// Rows in the table, at most.
  private static let rowLimit = 2500
  /// Metrics that are drawn where none was chosen, at most.
  private static let metricLimit = 4

  /// - Parameter folders: runs, sweeps, or folders that hold them at any depth.
  /// - Throws: `RunError` when there is nothing to report, or no metric of that name.
  public init(folders: [String], _ request: Request) throws {
    self.folders = folders
    self.request = request
    var collection = try RunCollection(folders)
    if MetricNames.needTimings(request.metrics) { collection.readTimings() }
    self.collection = collection
    notes = collection.notes
    names = collection.metricNames
    var chosen = try MetricNames.chosen(request.metrics, among: names)
    if chosen.count > Self.metricLimit {
      if request.metrics.isEmpty {
        notes.append(
          "the figures are of \(chosen.prefix(Self.metricLimit).joined(separator: ", ")), the first \(Self.metricLimit) of "
            + "\(chosen.count) metrics; --metric chooses others")
        chosen = Array(chosen.prefix(Self.metricLimit))
      }
    }
    drawn = chosen
    let finder = SelectorFinder(collection)
    let seeds = collection.seeds
    self.seeds = seeds
    let selectors = finder.all.filter { !seeds.contains($0) }
    groups = RunGroup.groups(collection.runs, by: selectors, averaged: seeds)
    axes = Self.axes(collection, finder, groups)
  }

  // MARK: Axes

  /// What the runs were swept over; for runs without a sweep, what they differ in and what does not follow from that.
  private static func axes(_ collection: RunCollection, _ finder: SelectorFinder, _ groups: [RunGroup]) -> [ReportAxis]
  {
    var wanted: [(selector: Selector, isLogarithmic: Bool?)] = []
    let hasLabels = collection.runs.contains { $0.label != nil }
    if collection.isOneSweep {
      let sweep = collection.sweeps[0]
      for axis in sweep.axes {
        let paths = axis.paths.filter { collection.paths.contains($0) && !$0.hasSuffix(".seed") }
        if hasLabels, axis.label != nil {
          wanted.append((.label, nil))
        } else if sweep.isRandom(axis) {
          wanted += paths.map { (.path($0), sweep.isLogarithmic($0)) }
        } else if let first = paths.first(where: { p in collection.runs.allSatisfy { $0.value(at: p)?.double != nil } })
          ?? paths.first
        {
          wanted.append((.path(first), sweep.isLogarithmic(first)))
        }
      }
    } else {
      // Many differences are different experiments, which no axis holds together.
      for path in collection.paths where !path.hasSuffix(".seed") {
        let selector = Selector.path(path)
        let values = groups.map { $0.value(selector) }
        guard values.count(where: { $0 != nil }) * 2 > values.count,
          !RunGroup.isDetermined(selector, by: wanted.map(\.selector), in: groups)
        else { continue }
        wanted.append((selector, nil))
        if wanted.count == 6 { break }
      }
      if Set(groups.compactMap { $0.example?.name }).count > 1 { wanted.insert((.name, nil), at: 0) }
    }
    let heads = finder.heads(for: wanted.map(\.selector))
    return wanted.compactMap { w in
      ReportAxis(
        w.selector, title: heads[w.selector] ?? w.selector.title, groups: groups, isLogarithmic: w.isLogarithmic)
    }
  }

  // MARK: Page

  /// Writes the page.
  /// - Throws: `DataError` when a file cannot be written.
  public mutating func write(to path: String) throws {
    let (entries, limits) = figureEntries()
    let pictures = try draw(entries)
    let page = try page(entries, pictures, limits)
    try DurableFile.write(page, to: path)
  }

  /// All figures, each with a name of its own, and what was left out.
  private mutating func figureEntries() -> ([ReportFigures.Entry], [String]) {
    let figures = ReportFigures(
      groups: groups, axes: axes, averaged: seeds, metrics: drawn, uncertainty: uncertainty)
    let names = groups.map { g in
      axes.isEmpty
        ? g.example?.id ?? "" : axes.map { a in clipped(g.value(a.selector)?.cell ?? "–", 20) }.joined(separator: ", ")
    }
    let curves = TrainingCurves(
      groups, names: names, keyTitle: axes.map(\.title).joined(separator: ", "),
      uncertainty: uncertainty)
    notes += curves.notes.prefix(3)
    var limits: [String] = []
    func kept(_ entries: [ReportFigures.Entry], _ limit: Int, _ what: String) -> [ReportFigures.Entry] {
      if entries.count > limit {
        limits.append("\(limit) of \(entries.count) \(what) are shown; --metric chooses which metrics are drawn.")
      }
      return Array(entries.prefix(limit))
    }
    var all = kept(figures.lines, ReportFigures.limit.lines, "figures against one axis")
    all += kept(figures.maps, ReportFigures.limit.maps, "maps over two axes")
    all += kept(figures.fronts(among: self.names), ReportFigures.limit.fronts, "fronts")
    all += kept(curves.entries, ReportFigures.limit.curves, "training curves")
    var used: [String: Int] = [:]
    for i in all.indices {
      let name = all[i].drawing.name.isEmpty ? "figure" : all[i].drawing.name
      used[name, default: 0] += 1
      let number = used[name] ?? 1
      let unique = number == 1 ? name : "\(name)-\(number)"
      if var figure = all[i].drawing as? Figure {
        figure.name = unique
        all[i].drawing = figure
      } else if var map = all[i].drawing as? GridMap {
        map.name = unique
        all[i].drawing = map
      }
    }
    return (all, limits)
  }

  private mutating func draw(_ entries: [ReportFigures.Entry]) throws -> [String: [UInt8]] {
    guard !entries.isEmpty else { return [:] }
    let folder =
      request.figures ?? FileManager.default.temporaryDirectory.path + "/simengine-report-\(UUID().uuidString)"
    try DurableFile.makeFolders(folder)
    defer { if request.figures == nil { try? FileManager.default.removeItem(atPath: folder) } }
    let (pictures, problem) = try Gnuplot.drawTogether(entries.map(\.drawing), into: folder)
    if let problem { notes.append("warning: \(problem)") }
    return pictures
  }

  /// What tells a group apart, in words; empty if nothing does.
  func name(of group: RunGroup) -> String {
    let parts = axes.compactMap { $0.phrase(of: group) }
    if !parts.isEmpty { return parts.joined(separator: ", ") }
    return groups.count > 1 ? group.example?.id ?? "" : ""
  }

  private func page(_ entries: [ReportFigures.Entry], _ pictures: [String: [UInt8]], _ limits: [String]) throws
    -> String
  {
    var shown: [PageContent.Figure] = []
    for entry in entries {
      guard let picture = pictures[entry.drawing.name],
        let svg = InlineSVG.text(picture, prefix: "f\(shown.count + 1)", title: entry.drawing.title)
      else { continue }
      shown.append(PageContent.Figure(svg: svg, title: entry.drawing.title, caption: entry.caption))
    }
    var content = PageContent(self, title: title, source: folders.joined(separator: " "))
    content.figures = PageContent.Figures(isShown: !shown.isEmpty, entries: shown)
    content.figureNotes = shown.isEmpty ? [] : limits
    content.warnings = notes
    content.table = ReportTable(self, limit: Self.rowLimit).content
    content.finish()
    return try MustacheTemplate(string: PageTemplate.html).render(content)
  }

  private var title: String {
    if let title = request.title { return title }
    var names: [String] = []
    for run in collection.runs where !names.contains(run.name) { names.append(run.name) }
    return names.count <= 3 ? names.joined(separator: ", ") : "\(names.count) experiments"
  }
}

extension SweepRecord {
  /// Whether an axis is made of random samples, in which each path has values of its own.
  func isRandom(_ axis: Axis) -> Bool {
    guard let paths = sweep["random"]?["axes"]?.members?.map(\.key) else { return false }
    return axis.paths.contains { paths.contains($0) }
  }

  /// Whether a path's values were spaced logarithmically; nil where a list says nothing of it.
  func isLogarithmic(_ path: String) -> Bool? {
    var written = [sweep[path], sweep["random"]?["axes"]?[path]].compactMap { $0 }
    for group in sweep["zip"]?.array ?? [] { if let values = group[path] { written.append(values) } }
    guard let range = written.first, range.members != nil else { return nil }
    return range["scale"]?.string == "log"
  }
}
