import Configuration
import Datasets
import Glibc
import LinearAlgebra

/// Runs found in folders, and the configuration paths in which they differ.
///
/// Where all runs are points of one sweep, sweep.json says in which paths they differ and summary.csv what they found; a
/// configuration is read only for what sweep.json does not say (`ConfiguredValues`). Otherwise the configurations
/// themselves are compared.
struct RunCollection {
  private(set) var runs: [RunRecord] = []
  private(set) var sweeps: [SweepRecord] = []
  /// Points of sweeps that have not been run yet.
  private(set) var pending = 0
  /// What was left out, or should be known, a sentence each.
  private(set) var notes: [String] = []
  /// Paths in which the runs differ, the seed and the name apart.
  private(set) var paths: [String] = []
  /// Whether every run is a point of the one sweep there is.
  private(set) var isOneSweep = false
  /// Paths at which the one sweep's configurations were read.
  private var lookedUp: Set<String> = []
  /// Every path that ends in its configurations, once it was asked for.
  private var foundLeaves: [String]?
  /// The sweeps' folders, by their one name.
  private var sweepPlaces: Set<String> = []
  /// Folders that lie too deep to be looked into.
  private var deep: [String] = []

  /// What runs are averaged over: the seed, and every other seed in which they differ, such as a chip's.
  var seeds: [Selector] { [Selector.seed] + paths.filter { $0.hasSuffix(".seed") }.map { Selector.path($0) } }

  /// Metric names in the order in which runs have them.
  var metricNames: [String] {
    var names: [String] = []
    var known: Set<String> = []
    for run in runs { for name in run.metricNames where known.insert(name).inserted { names.append(name) } }
    return names
  }

  /// - Parameter folders: runs, sweeps, or folders that hold them at any depth.
  /// - Throws: `RunError` when there is no run at all.
  init(_ folders: [String]) throws {
    var plain: [String] = []
    for folder in folders {
      guard access(folder, R_OK) == 0 else {
        let code = errno
        throw RunError(
          "\(folder): \(code == ENOENT ? "no such folder" : String(cString: strerror(code))); name a run, or a folder "
            + "that holds runs (`simengine run` makes Results)")
      }
      search(folder, &plain)
    }
    read(plain)
    if let first = deep.first {
      let what = deep.count == 1 ? "a folder" : "\(deep.count) folders"
      notes.append(
        "\(what) more than \(Self.depth) levels down: not looked into: \(first)\(deep.count > 1 ? ", …" : ""); name "
          + "\(deep.count == 1 ? "it" : "them") to read what is inside")
    }
    dropRepeated()
    guard !runs.isEmpty else {
      let none = pending > 0 ? "none of the \(pending) points has been run" : "no finished runs here"
      let hint = pending > 0 ? "`simengine sweep` runs them" : "`simengine run` makes them"
      throw RunError((notes + ["\(folders.joined(separator: ", ")): \(none); \(hint)"]).joined(separator: "\n"))
    }
    if pending > 0 { notes.append("\(pending) points of the sweep have not been run yet") }
    try findPaths()
    warnOfMixtures()
  }

  // MARK: Finding

  /// Levels below a named folder that are looked into.
  private static let depth = 6

  private mutating func search(_ folder: String, _ plain: inout [String], depth: Int = 0) {
    if access("\(folder)/result.json", F_OK) == 0 { return plain.append(folder) }
    guard depth <= Self.depth else { return deep.append(folder) }
    var names = Self.subfolders(folder)
    if access("\(folder)/sweep.json", F_OK) == 0 {
      // Named twice, it is one sweep all the same.
      guard sweepPlaces.insert(Self.place(folder)).inserted else { return }
      do {
        let sweep = try SweepRecord(folder)
        let outcome = sweep.outcome()
        sweeps.append(sweep)
        runs += outcome.runs
        notes += outcome.notes
        pending += outcome.pending.count
        let points = Set(sweep.points.map(\.id))
        names.removeAll { points.contains($0) }
      } catch { notes.append("\(error); its runs are taken one by one") }
    }
    for name in names { search("\(folder)/\(name)", &plain, depth: depth + 1) }
  }

  /// A folder's one name, from the root.
  private static func place(_ folder: String) -> String {
    guard let found = realpath(folder, nil) else { return folder }
    defer { free(found) }
    return String(cString: found)
  }

  /// The same run counts once: of copies in several folders the best, done before diverged before failed.
  private mutating func dropRepeated() {
    var places: [String: Int] = [:]
    var kept: [RunRecord] = []
    var copies = 0
    for run in runs {
      guard let place = places[run.id] else {
        places[run.id] = kept.count
        kept.append(run)
        continue
      }
      let other = kept[place]
      if Self.place(run.folder) != Self.place(other.folder) { copies += 1 }
      guard run.status.rank < other.status.rank else { continue }
      kept[place] = run
      // A copy is the sweep's point as well: its id says that it has the same configuration.
      if other.isPoint && !run.isPoint {
        (kept[place].isPoint, kept[place].label, kept[place].values) = (true, other.label, other.values)
        kept[place].config = nil
      }
    }
    runs = kept
    if copies > 0 {
      notes.append(
        "\(copies == 1 ? "a run lies" : "\(copies) runs lie") in another folder as well and "
          + "\(copies == 1 ? "counts" : "count") once: done before diverged, diverged before failed")
    }
  }

  private static func subfolders(_ folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix("."), entry.pointee.d_type != UInt8(DT_REG) { names.append(name) }
    }
    return names.sorted()
  }

  private mutating func read(_ folders: [String]) {
    var found = [Result<RunRecord, RunError>?](repeating: nil, count: folders.count)
    // Pieces of 64, so that starting one costs nothing beside its work.
    let pieces = (folders.count + 63) / 64
    found.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let buffer = buffer
      ThreadPool(threads: max(1, min(Machine.cores, pieces, 8))).parallelFor(pieces) { piece, _ in
        for i in (64 * piece)..<min(folders.count, 64 * piece + 64) {
          buffer[i] = Result { () throws(RunError) in try ResultFile.read(folders[i]) }
        }
      }
    }
    for (folder, outcome) in zip(folders, found) {
      switch outcome {
      case .success(let run): runs.append(run)
      case .failure(let problem): notes.append("\(folder)/result.json: left out: \(problem)")
      case nil: break
      }
    }
  }

  /// Makes every run's seconds metrics of it, under `timings.`: no index has them.
  mutating func readTimings() {
    for i in runs.indices {
      for (name, seconds) in ResultFile.timings(runs[i].folder) where runs[i].metrics[name] == nil {
        runs[i].metrics[name] = seconds
        runs[i].metricNames.append(name)
      }
    }
  }

  // MARK: Configurations

  /// A sample of the configurations, for the ways to name a path: of one sweep the first run's.
  var configurations: [JSON] {
    guard isOneSweep else { return runs.prefix(1000).compactMap(\.config) }
    return runs.prefix(1).compactMap { try? ConfiguredValues.configuration(of: $0, in: sweeps[0]) }
  }

  /// Makes the value at a path known for every run.
  ///
  /// - Returns: whether any has one.
  /// - Throws: `RunError` if a configuration cannot be had; nothing has changed then.
  @discardableResult
  mutating func lookUp(_ path: String) throws -> Bool {
    if isOneSweep, !lookedUp.contains(path), runs.contains(where: { $0.values[path] == nil }) {
      // What the first run has under such an end is what will be asked for next: one pass over the files for both.
      let first = configurations.flatMap { ConfigurationDifferences.leaves($0).map(\.path) }
      let likely = PathNames(paths: first).named(path)
      let isNew = likely.count == 1 && likely[0] != path && !lookedUp.contains(likely[0])
      let paths = [path] + (isNew ? likely : [])
      let found = try ConfiguredValues(at: paths, of: runs, in: sweeps[0], findsLeaves: foundLeaves == nil)
      take(found, at: paths)
      if foundLeaves == nil { foundLeaves = found.leaves }
    }
    return runs.contains { $0.whole(at: path) != nil }
  }

  /// The path of every scalar in any of the configurations, which `lookUp` has read.
  var leaves: [String] {
    if let foundLeaves { return foundLeaves }
    var known: Set<String> = []
    return configurations.flatMap { ConfigurationDifferences.leaves($0).map(\.path) }
      .filter { known.insert($0).inserted }
  }

  private mutating func take(_ found: ConfiguredValues, at paths: [String]) {
    for (k, path) in paths.enumerated() {
      let names = ConfiguredNames(at: path, of: runs, found.values.map { $0[k] }, in: sweeps[0])
      for i in runs.indices where runs[i].values[path] == nil {
        runs[i].configured[path] = found.values[i][k].map { .init(value: $0, name: names.name(of: $0)) }
      }
      lookedUp.insert(path)
    }
  }

  /// Reads the runs' configurations.
  /// - Throws: `RunError` if one cannot be had: which runs it is alike would be a guess.
  private mutating func loadConfigurations() throws {
    for i in runs.indices where runs[i].config == nil {
      let run = runs[i]
      if let config = ConfiguredValues.file(of: run) {
        runs[i].config = config
      } else if let config = try? ResultFile.read(run.folder).config {
        runs[i].config = config
      } else if let sweep = sweeps.first(where: { run.folder.hasPrefix($0.folder + "/") }),
        let config = sweep.resolved(run.values)
      {
        runs[i].config = config
      } else {
        throw RunError("\(run.folder): has no config.json that can be read; remove the folder to leave the run out")
      }
    }
  }

  private mutating func findPaths() throws {
    isOneSweep = sweeps.count == 1 && runs.allSatisfy(\.isPoint)
    if isOneSweep {
      let sweep = sweeps[0]
      // The one key that every table asks for: no need to read a file.
      for i in runs.indices where runs[i].values["seed"] == nil {
        runs[i].configured["seed"] = .init(value: sweep.seed, name: sweep.seed)
      }
      lookedUp.insert("seed")
      // What a point leaves as configured has the value of its configuration, for rows, baselines and pairs. Where one
      // cannot be had, none of the points has it.
      let left = sweep.paths.filter { path in path != "seed" && runs.contains { $0.values[path] == nil } }
      if !left.isEmpty {
        do { take(try ConfiguredValues(at: left, of: runs, in: sweep), at: left) } catch {
          notes.append(
            "\(error), or \(PathNames(paths: left).short.joined(separator: ", ")) will not be known where a point does not "
              + "set it")
        }
      }
      paths = sweep.paths.filter { path in
        path != "seed" && path != "name" && Set(runs.map { $0.value(at: path)?.canonical ?? "" }).count > 1
      }
      return
    }
    try loadConfigurations()
    let differences = ConfigurationDifferences(runs.map { $0.config ?? JSON(.null) })
    // What a sweep was asked is no part of what a run does.
    let kept = differences.paths.indices.filter {
      let path = differences.paths[$0]
      return path != "seed" && path != "name" && path != "sweep" && !path.hasPrefix("sweep.")
    }
    paths = kept.map { differences.paths[$0] }
    for i in runs.indices {
      runs[i].values = [:]
      for k in kept { runs[i].values[differences.paths[k]] = differences.values[i][k] }
    }
  }

  private mutating func warnOfMixtures() {
    func list(_ what: String, _ values: [String], _ why: String) {
      var counts: [String: Int] = [:]
      for v in values where !v.isEmpty { counts[v, default: 0] += 1 }
      guard counts.count > 1 else { return }
      let parts = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(4).map { "\($0.key) (\($0.value))" }
      notes.append(
        "warning: runs of \(counts.count) \(what) are mixed: \(parts.joined(separator: "; "))"
          + "\(counts.count > 4 ? "; …" : ""); \(why)")
    }
    let origins = Dictionary(grouping: runs.filter { $0.status != .failed }, by: \.origin)
    let types = Dictionary(uniqueKeysWithValues: origins.keys.map { ($0.machine, $0.machineType) }.uniqued)
    let finished = origins.flatMap { $0.value.map(\.origin) }
    list("machine types", finished.map { types[$0.machine] ?? "" }, "results are the same to the bit on one type only")
    list("engine versions", finished.map(\.version), "a difference between rows may be the engine's")
  }
}

extension Array where Element == (String, String) {
  /// The first pair of each first.
  fileprivate var uniqued: [Element] {
    var seen: Set<String> = []
    return filter { seen.insert($0.0).inserted }
  }
}

extension RunStatus {
  /// Which of two copies counts: the lower.
  fileprivate var rank: Int {
    switch self {
    case .done: 0
    case .diverged: 1
    case .failed: 2
    }
  }
}
