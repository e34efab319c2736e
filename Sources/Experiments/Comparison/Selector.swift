import Configuration

/// What rows are told apart by: a configuration path, the seed, the experiment's name, or a sweep point's label.
enum Selector: Hashable {
  case path(String)
  /// What a user's word names at several places, of which no run has two: share of stages.0.train.prune in one experiment,
  /// of stages.1.prune in another.
  case places(String, [String])
  case name
  case label

  static let seed = Selector.path("seed")

  /// Whether it says all that another says: the same, or of the other's places.
  func covers(_ other: Selector) -> Bool {
    if self == other { return true }
    guard let own = paths, let others = other.paths else { return false }
    return others.allSatisfy(own.contains)
  }

  /// The configuration paths that it reads.
  var paths: [String]? {
    switch self {
    case .path(let path): [path]
    case .places(_, let paths): paths
    case .name, .label: nil
    }
  }

  func value(_ run: RunRecord) -> JSON? {
    switch self {
    case .path(let path): run.value(at: path)
    case .places(_, let paths): paths.lazy.compactMap { run.value(at: $0) }.first
    case .name: .string(run.name)
    case .label: run.label.map { .string($0) }
    }
  }

  /// What a condition compares: the whole value, where tables have a short name for it or none.
  func whole(_ run: RunRecord) -> JSON? {
    switch self {
    case .path(let path): run.whole(at: path)
    case .places(_, let paths): paths.lazy.compactMap { run.whole(at: $0) }.first
    case .name, .label: value(run)
    }
  }

  /// In a CSV's head.
  var title: String {
    switch self {
    case .path(let path): path
    case .places(let word, _): word
    case .name: "experiment"
    case .label: "point"
    }
  }
}

/// Runs that differ in their seed (and in what else is averaged over) alone.
struct RunGroup {
  /// Done, in the order of their seeds, so that sums do not depend on where runs were found.
  var runs: [RunRecord] = []
  var diverged: [RunRecord] = []
  var failed: [RunRecord] = []

  var all: [RunRecord] { runs + diverged + failed }
  /// Any of them: they are alike in everything but what is averaged over.
  var example: RunRecord? { runs.first ?? diverged.first ?? failed.first }

  func value(_ selector: Selector) -> JSON? { example.flatMap(selector.value) }
  func values(_ metric: String) -> [Double] { runs.compactMap { $0.metrics[metric] } }
  func spread(_ metric: String) -> Spread? { Spread(values(metric)) }
  /// How many runs have any of these metrics: those that a table's means are over.
  func count(_ metrics: [String]) -> Int { runs.count { run in metrics.contains { run.metrics[$0] != nil } } }

  /// A metric's mean as people read it; with its own number of runs where the row has more.
  func text(_ metric: String, of metrics: [String], _ uncertainty: Uncertainty) -> String? {
    guard let spread = spread(metric) else { return nil }
    return spread.text(metric, uncertainty) + (spread.count < count(metrics) ? " (\(spread.count))" : "")
  }

  /// Its runs that fulfil a condition.
  func filter(_ keeps: (RunRecord) -> Bool) -> RunGroup {
    RunGroup(runs: runs.filter(keeps), diverged: diverged.filter(keeps), failed: failed.filter(keeps))
  }

  /// "2 diverged, 1 failed"; empty if all are done.
  var losses: String {
    [(diverged.count, "diverged"), (failed.count, "failed")].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
      .joined(separator: ", ")
  }

  /// Groups in the order in which the first run of each was found.
  /// - Parameters:
  ///   - selectors: what tells groups apart.
  ///   - averaged: what does not, but orders the runs of a group.
  static func groups(_ runs: [RunRecord], by selectors: [Selector], averaged: [Selector]) -> [RunGroup] {
    var places: [String: Int] = [:]
    var groups: [RunGroup] = []
    for run in runs {
      let key = selectors.map { $0.value(run)?.canonical ?? "" }.joined(separator: "\u{1f}")
      let place = places[key] ?? groups.count
      if place == groups.count {
        places[key] = place
        groups.append(RunGroup())
      }
      switch run.status {
      case .done: groups[place].runs.append(run)
      case .diverged: groups[place].diverged.append(run)
      case .failed: groups[place].failed.append(run)
      }
    }
    for i in groups.indices {
      let keyed = groups[i].runs.map { run in (run, averaged.map { $0.value(run) }) }
      groups[i].runs = keyed.sorted { a, b in
        for (x, y) in zip(a.1, b.1) where x != y { return ordered(x, y) }
        return a.0.id < b.0.id
      }.map(\.0)
    }
    return groups
  }

  /// Numbers by value, then texts.
  static func ordered(_ a: JSON?, _ b: JSON?) -> Bool {
    switch (a?.double, b?.double) {
    case (let x?, let y?): x < y
    case (_?, nil): true
    case (nil, _?): false
    default: (a?.cell ?? "") < (b?.cell ?? "")
    }
  }

  /// Whether a selector's value follows from those of others, over all of these groups: paths that were zipped, or what
  /// lies inside of a labelled point.
  static func isDetermined(_ selector: Selector, by others: [Selector], in groups: [RunGroup]) -> Bool {
    var seen: [String: JSON?] = [:]
    for group in groups {
      let key = others.map { group.value($0)?.canonical ?? "" }.joined(separator: "\u{1f}")
      let value = group.value(selector)
      if let known = seen.updateValue(value, forKey: key), known != value { return false }
    }
    return true
  }
}
