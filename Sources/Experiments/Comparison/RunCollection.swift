import Configuration
import Datasets
import Glibc
import LinearAlgebra

/// Runs found in folders, and the configuration paths in which they differ.
///
/// Where all runs are points of one sweep, sweep.json says in which paths they differ and summary.csv what they found; no
/// configuration is read. Otherwise the configurations themselves are compared.
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
    // The same run found twice counts once.
    var seen: Set<String> = []
    runs = runs.filter { seen.insert($0.id).inserted }
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

  private mutating func search(_ folder: String, _ plain: inout [String], depth: Int = 0) {
    if access("\(folder)/result.json", F_OK) == 0 { return plain.append(folder) }
    guard depth < 6 else { return }
    var names = Self.subfolders(folder)
    if access("\(folder)/sweep.json", F_OK) == 0 {
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

  // MARK: Configurations

  /// Reads the configurations that were not needed so far.
  /// - Throws: `RunError` if one cannot be had: which runs it is alike would be a guess.
  mutating func loadConfigurations() throws {
    for i in runs.indices where runs[i].config == nil {
      let run = runs[i]
      if let bytes = try? FileBytes.read("\(run.folder)/config.json"),
        let config = try? JSON.parse(bytes, dialect: .strict)
      {
        runs[i].config = config
      } else if let config = try? ResultFile.read(run.folder).config {
        runs[i].config = config
      } else if let sweep = sweeps.first(where: { run.folder.hasPrefix($0.folder + "/") }),
        let config = sweep.resolved(run.swept)
      {
        runs[i].config = config
      } else {
        throw RunError("\(run.folder): has no config.json that can be read; remove the folder to leave the run out")
      }
    }
  }

  private mutating func findPaths() throws {
    isOneSweep = sweeps.count == 1 && runs.allSatisfy { !$0.swept.isEmpty }
    if isOneSweep {
      paths = sweeps[0].paths.filter { path in
        path != "seed" && path != "name" && Set(runs.map { $0.swept[path]?.canonical ?? "" }).count > 1
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
      runs[i].swept = [:]
      for k in kept { runs[i].swept[differences.paths[k]] = differences.values[i][k] }
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

extension SweepRecord {
  /// The resolved configuration of a point, made as the sweep made it; nil if today's keys refuse it.
  func resolved(_ values: [String: JSON]) -> JSON? {
    var json = ExperimentConfiguration.expandingShorthands(in: config)
    for path in paths {
      guard let value = values[path] else { continue }
      guard let next = try? json.setting(path: path, to: value) else { return nil }
      json = next
    }
    return ExperimentConfiguration.decode(json).value?.resolved
  }
}
