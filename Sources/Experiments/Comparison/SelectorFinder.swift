import Configuration
import Glibc
import NeuralNetworks

/// Finds what a user's words name in a collection of runs; reads configurations only when they must be.
struct SelectorFinder {
  private(set) var collection: RunCollection

  init(_ collection: RunCollection) { self.collection = collection }

  /// Everything that runs are told apart by, seed included.
  var all: [Selector] {
    let labels: [Selector] = collection.runs.contains { $0.label != nil } ? [.label] : []
    return [.name] + labels + collection.paths.map { .path($0) } + [.seed]
  }

  /// - Throws: `RunError` for an end of several paths that a run has two of, or a path that no configuration has.
  mutating func find(_ text: String, _ option: String) throws -> Selector {
    switch text {
    case "seed": return .seed
    case "name", "experiment": return .name
    case "point" where collection.runs.contains { $0.label != nil }: return .label
    default: break
    }
    if let found = try named(text, among: collection.paths, "\(option) \(text)") { return found }
    if collection.isOneSweep, let found = try named(text, among: collection.sweeps[0].paths, "\(option) \(text)") {
      return found
    }
    // As `--set` finds it: a stage by its label, the one model as "model".
    if let path = differing(at: text) { return .path(path) }
    if try collection.lookUp(text) { return .path(text) }
    let leaves = collection.leaves
    if let found = try named(text, among: leaves, "\(option) \(text)") { return found }
    // Some keys may be left out, in a table as in a configuration: criterion for criterion.kind.
    let swept = collection.isOneSweep ? collection.sweeps[0].paths : []
    for key in JSON.shorthands {
      for paths in [collection.paths, swept, leaves] {
        guard let found = try named("\(text).\(key)", among: paths, "\(option) \(text)") else { continue }
        return .places(text, found.paths ?? [])
      }
    }
    let ends = leaves.compactMap { $0.split(separator: ".").last.map(String.init) }
    let last = text.split(separator: ".").last.map(String.init) ?? text
    let guess = didYouMean(last, among: Array(Set(ends)).sorted())
    throw RunError(
      "\(option) \(text): no run's configuration has a value at \(text)"
        + (guess.hasPrefix("did you mean") ? "; \(guess)" : "")
        + (access(text, F_OK) == 0 ? "; \(text) is a folder here, and folders stand before the options" : ""))
  }

  /// What a text names among some paths; nil if none ends in it.
  /// - Parameter asked: the option and its value, for the sentence.
  /// - Throws: `RunError` for several paths of which a run has two.
  private mutating func named(_ text: String, among paths: [String], _ asked: String) throws -> Selector? {
    let found = PathNames(paths: paths).named(text)
    // Those are known already, as far as they can be.
    for path in found where !collection.paths.contains(path) { try collection.lookUp(path) }
    guard found.count > 1 else { return found.first.map { .path($0) } }
    if collection.runs.allSatisfy({ run in found.count { run.whole(at: $0) != nil } < 2 }) {
      return .places(text, found)
    }
    throw RunError(
      "\(asked): is the end of \(found.count) paths: \(found.prefix(6).joined(separator: ", "))"
        + "\(found.count > 6 ? ", …" : ""); give more of it")
  }

  /// The differing path that names the same place, if there is one.
  private func differing(at path: String) -> String? {
    for config in collection.configurations {
      guard let place = config.place(of: config.resolvedPath(path)) else { continue }
      return collection.paths.first { config.place(of: config.resolvedPath($0)) == place }
    }
    return nil
  }

  /// Heads for people: shortened, with the unit of the key table.
  func heads(for selectors: [Selector]) -> [Selector: String] {
    let paths = selectors.compactMap { if case .path(let path) = $0 { path } else { nil } }
    let short = Dictionary(zip(paths, PathNames(paths: paths).short), uniquingKeysWith: { a, _ in a })
    let document =
      collection.runs.first(where: { $0.config != nil })?.config ?? collection.sweeps.first?.config ?? JSON(.null)
    return Dictionary(
      selectors.map { selector in
        guard let path = selector.paths?.first else { return (selector, selector.title) }
        let unit = unitSymbol(ExperimentConfiguration.unit(at: path, in: document))
        return (
          selector,
          (selector == .path(path) ? short[path] ?? path : selector.title) + (unit.isEmpty ? "" : " (\(unit))")
        )
      }, uniquingKeysWith: { a, _ in a })
  }
}

/// Which metrics a table shows.
enum MetricNames {
  /// Whether seconds are asked for, which are read from the runs' own files.
  static func needTimings(_ wanted: [String]) -> Bool { wanted.contains { $0.hasPrefix(ResultFile.timingsPrefix) } }

  /// - Parameter wanted: globs; empty: all accuracies, or everything when there are none.
  /// - Throws: `RunError` when no metric fits.
  static func chosen(_ wanted: [String], among names: [String]) throws -> [String] {
    if wanted.isEmpty {
      let accuracies = names.filter { $0.hasSuffix(".accuracy") }
      let others = names.filter { $0.hasSuffix("Accuracy") }
      return !accuracies.isEmpty ? accuracies : others.isEmpty ? names : others
    }
    for glob in wanted where !names.contains(where: { globMatches(glob, $0) }) {
      let guess = didYouMean(glob, among: names)
      let near = guess.hasPrefix("did you mean") ? guess + " there are" : "there are"
      throw RunError(
        "no metric fits \(glob); \(near): \(names.prefix(30).joined(separator: ", "))"
          + (names.count > 30 ? ", … (\(names.count) in all)" : ""))
    }
    return names.filter { n in wanted.contains { globMatches($0, n) } }
  }
}
