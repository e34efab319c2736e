import Configuration
import NeuralNetworks

/// Runs side by side: those that differ in their seed alone are one row, mean ± standard deviation.
///
/// A row's numbers are those of its own runs; what else is shown or hidden does not enter.
public struct Comparison {
  public enum Format: String, CaseIterable, Sendable { case table, markdown, csv, json }

  /// What to compare, and how to lay it out. Paths may be shortened to an end that is unique.
  public struct Request: Sendable {
    /// Globs over metric names, or over `timings.` and those of seconds; empty: all accuracies, or everything when there are
    /// none.
    public var metrics: [String] = []
    /// `path=value`, also with != < <= > >=: which runs are shown.
    public var conditions: [String] = []
    /// A metric (the largest first) or a path (the smallest first); a - before it turns the order round.
    public var sort: String?
    /// Paths that name the rows, in this order.
    public var rows: [String] = []
    /// Paths whose values are columns: a table for each metric.
    public var columns: [String] = []
    /// `path=value[,path=value]`, a point's label, an experiment's name, or the beginning of a run id.
    public var baseline: String?
    /// Paths to average over, besides seeds.
    public var averaged: [String] = []
    public var uncertainty = Uncertainty.deviation
    public init() {}
  }

  /// Rows as they are shown, with the groups they are of.
  struct Row {
    var group: RunGroup
    /// Place of its baseline among `groups`.
    var baseline: Int?
  }

  var rows: [Row] = []
  /// All groups, hidden ones too: baselines are looked for in all of them.
  let groups: [RunGroup]
  var metrics: [String] = []
  /// What rows are told apart by, as far as shown rows differ.
  var selectors: [Selector] = []
  /// Heads of columns for people: shortened, with units.
  var heads: [Selector: String] = [:]
  let averaged: [Selector]
  let columns: [Selector]
  /// The paths asked for as rows.
  let wanted: [Selector]
  let hasBaseline: Bool
  let uncertainty: Uncertainty
  /// What was found and left out, a sentence each.
  public internal(set) var notes: [String] = []

  /// - Parameter folders: runs, sweeps, or folders that hold them at any depth.
  /// - Throws: `RunError` when there is nothing to compare, or the request names what is not there.
  public init(folders: [String], _ request: Request) throws {
    var found = try RunCollection(folders)
    if MetricNames.needTimings(request.metrics) { found.readTimings() }
    var finder = SelectorFinder(found)
    let conditions = try request.conditions.map { try Condition($0) }
    let tests = try conditions.map { ($0, try finder.find($0.path, "--where")) }
    let wanted = try request.rows.map { try finder.find($0, "--rows") }
    self.wanted = wanted
    columns = try request.columns.map { try finder.find($0, "--columns") }
    let laidOut = wanted + columns
    let further = try request.averaged.map { try finder.find($0, "--average") }
    // A seed that was asked for by name is kept apart.
    let averaged = finder.collection.seeds.filter { seed in !laidOut.contains { $0.covers(seed) } } + further
    self.averaged = averaged
    hasBaseline = request.baseline != nil
    uncertainty = request.uncertainty
    if let wrong = laidOut.first(where: { l in further.contains { $0.covers(l) || l.covers($0) } }) {
      throw RunError(
        "\(wrong.title): is averaged over, it cannot name rows or columns; --where chooses one of its values")
    }
    let parsed = try request.baseline.map { try finder.baseline($0) }
    let sortSelector = try Self.sortSelector(request.sort, &finder)
    let collection = finder.collection
    notes = collection.notes

    // What tells runs apart decides the rows, whatever is shown of them.
    let all = finder.all.filter { s in !averaged.contains { $0.covers(s) } }
    groups = RunGroup.groups(collection.runs, by: all, averaged: averaged)
    let baselines = parsed.map { BaselineFinder($0, in: groups, selectors: all) }
    for group in groups {
      let visible = group.filter { run in tests.allSatisfy { $0.0.holds($0.1.whole(run)) } }
      if visible.example == nil { continue }
      rows.append(Row(group: visible, baseline: baselines?.place(for: group)))
    }
    if rows.isEmpty { throw Self.refusal(tests, collection.runs) }
    metrics = try Self.chosen(request.metrics, among: rows, collection)
    // A run that measured none of this is no row; one that could not is.
    let shown = metrics
    rows.removeAll { row in
      row.group.losses.isEmpty && !row.group.runs.contains { run in shown.contains { run.metrics[$0] != nil } }
    }
    let visible = rows.map(\.group)
    let differing = all.filter { s in s != .name && Set(visible.map { $0.value(s)?.canonical }).count > 1 }
    selectors = wanted + differing.filter { s in !laidOut.contains { $0.covers(s) } }
    if !laidOut.isEmpty { arrange() }
    heads = finder.heads(for: selectors + columns)
    if parsed != nil { noteBaselines() }
    noteLosses()
    try sort(request.sort, sortSelector)
  }

  // MARK: Rows

  /// Lays rows out by the paths asked for; what else they differ in keeps them apart.
  private mutating func arrange() {
    let visible = rows.map(\.group)
    // Experiments have a column of their own, so that what they alone differ in needs none.
    let shown = wanted + columns + (showsName ? [.name] : [])
    let others = selectors.filter { s in
      !wanted.contains(s) && !RunGroup.isDetermined(s, by: shown, in: visible)
    }
    if !wanted.isEmpty && !others.isEmpty {
      let short = PathNames(paths: others.map(\.title)).short
      notes.append(
        "rows also differ in \(short.joined(separator: ", ")), and are kept apart; --where chooses a value, --average "
          + "takes the mean over all")
    }
    selectors = wanted + others
    let ranks = selectors.map { selector in Self.ranks(visible.map { $0.value(selector) }) }
    let order = rows.indices.sorted { a, b in
      for rank in ranks where rank[a] != rank[b] { return rank[a] < rank[b] }
      return a < b
    }
    rows = order.map { rows[$0] }
  }

  /// Numbers in their order, anything else in the order of its first appearance.
  static func ranks(_ values: [JSON?]) -> [Int] {
    var distinct: [JSON?] = []
    var known: [String: Int] = [:]
    let places = values.map { value -> Int in
      let key = value?.canonical ?? ""
      if let place = known[key] { return place }
      known[key] = distinct.count
      distinct.append(value)
      return distinct.count - 1
    }
    let order = distinct.indices.sorted { a, b in
      let (x, y) = (distinct[a]?.double, distinct[b]?.double)
      if let x, let y { return x < y }
      return a < b
    }
    // Numbers and texts mixed have no order of their own.
    guard distinct.allSatisfy({ $0?.double != nil }) else { return places }
    var rank = [Int](repeating: 0, count: distinct.count)
    for (r, place) in order.enumerated() { rank[place] = r }
    return places.map { rank[$0] }
  }

  private static func sortSelector(_ sort: String?, _ finder: inout SelectorFinder) throws -> Selector? {
    guard let sort, !finder.collection.metricNames.contains(where: { globMatches(bare(sort), $0) }) else { return nil }
    do { return try finder.find(bare(sort), "--sort") } catch { return nil }
  }

  private static func bare(_ sort: String) -> String { sort.hasPrefix("-") ? String(sort.dropFirst()) : sort }

  private mutating func sort(_ sort: String?, _ selector: Selector?) throws {
    guard let sort else { return }
    let isTurned = sort.hasPrefix("-")
    if let selector {
      let ranks = Self.ranks(rows.map { $0.group.value(selector) })
      let order = rows.indices.sorted { a, b in
        ranks[a] == ranks[b] ? a < b : (ranks[a] < ranks[b]) != isTurned
      }
      rows = order.map { rows[$0] }
      return
    }
    let wanted = Self.bare(sort)
    guard let metric = metrics.first(where: { globMatches(wanted, $0) }) else {
      throw RunError("--sort \(sort): not among the metrics shown: \(metrics.joined(separator: ", "))")
    }
    // What has no value stands last, whichever way.
    let keys = rows.map { row in row.group.spread(metric).map { isTurned ? -$0.mean : $0.mean } ?? -.infinity }
    rows = rows.indices.sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] > keys[$1] }.map { rows[$0] }
  }

  // MARK: Refusals and notes

  private static func chosen(_ wanted: [String], among rows: [Row], _ collection: RunCollection) throws -> [String] {
    let ids = Set(rows.flatMap { $0.group.all.map(\.id) })
    var known: Set<String> = []
    let names = collection.runs.filter { ids.contains($0.id) }.flatMap(\.metricNames).filter {
      known.insert($0).inserted
    }
    return try MetricNames.chosen(wanted, among: names)
  }

  /// Says whether it is the key or the value that no run has.
  private static func refusal(_ tests: [(Condition, Selector)], _ runs: [RunRecord]) -> RunError {
    var left = runs
    for (condition, selector) in tests {
      let before = left
      left = left.filter { condition.holds(selector.whole($0)) }
      guard left.isEmpty else { continue }
      let values = before.compactMap(selector.whole)
      if values.isEmpty {
        return RunError("--where \(condition.text): no run's configuration has a value at \(condition.path)")
      }
      return RunError("--where \(condition.text): no run has this value; there are: \(Condition.listed(values))")
    }
    return RunError("no run is left")
  }

  private mutating func noteLosses() {
    for (what, runs) in [("diverged", rows.flatMap(\.group.diverged)), ("failed", rows.flatMap(\.group.failed))] {
      guard !runs.isEmpty else { continue }
      let shown = runs.prefix(3).map { "\($0.id)\($0.message.isEmpty ? "" : ": \($0.message)")" }
      notes.append(
        "\(runs.count) \(runs.count == 1 ? "run" : "runs") \(what), counted in the table but in no mean: "
          + shown.joined(separator: "; ") + (runs.count > 3 ? "; …" : ""))
    }
  }
}
