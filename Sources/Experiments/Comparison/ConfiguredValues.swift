import Configuration
import Datasets
import LinearAlgebra

/// What the runs of one sweep have at some paths, by their own config.json files, which alone are the truth: what a point
/// does not set follows from its kinds and presets, and from the version that ran it.
///
/// Ten thousand small files take a second or two; of each only what was asked for is kept.
struct ConfiguredValues {
  /// For each run its value at each path; nil where it has none.
  private(set) var values: [[JSON?]] = []
  /// The path of every scalar that any of them has, if that was asked for.
  private(set) var leaves: [String] = []

  /// - Throws: `RunError` if the configuration of a run cannot be had.
  init(
    at paths: [String], of runs: [RunRecord], in sweep: SweepRecord, findsLeaves: Bool = false
  ) throws(RunError) {
    // Pieces of 64, as runs are read in.
    let count = (runs.count + 63) / 64
    var pieces = [Result<Piece, RunError>?](repeating: nil, count: count)
    pieces.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let buffer = buffer
      ThreadPool(threads: max(1, min(Machine.cores, count, 8))).parallelFor(count) { piece, _ in
        let own = runs[(64 * piece)..<min(runs.count, 64 * piece + 64)]
        buffer[piece] = Result { () throws(RunError) in try Piece(own, sweep, paths, findsLeaves) }
      }
    }
    var known: Set<String> = []
    for case let outcome? in pieces {
      let piece = try outcome.get()
      values += piece.values
      leaves += piece.leaves.filter { known.insert($0).inserted }
    }
  }

  private struct Piece {
    var values: [[JSON?]] = []
    var leaves: [String] = []

    init(
      _ runs: ArraySlice<RunRecord>, _ sweep: SweepRecord, _ paths: [String], _ findsLeaves: Bool
    ) throws(RunError) {
      var known: [JSON] = []
      for run in runs {
        let configuration = try ConfiguredValues.configuration(of: run, in: sweep)
        values.append(
          paths.map { path in
            var value = configuration.resolvedValue(at: path)
            // A place holds the whole file's text.
            value?.place(at: .none)
            return value
          })
        // Most have the keys of one before them.
        if findsLeaves, !known.contains(where: { Self.haveSameKeys($0, configuration) }) { known.append(configuration) }
      }
      leaves = known.flatMap { ConfigurationDifferences.leaves($0).map(\.path) }
    }

    private static func haveSameKeys(_ a: JSON, _ b: JSON) -> Bool {
      if let first = a.members, let second = b.members {
        return first.count == second.count
          && zip(first, second).allSatisfy { $0.key == $1.key && haveSameKeys($0.value, $1.value) }
      }
      if let first = a.array, let second = b.array {
        return first.count == second.count && zip(first, second).allSatisfy(haveSameKeys)
      }
      return a.members == nil && b.members == nil && a.array == nil && b.array == nil
    }
  }

  /// A run's config.json; nil if it is not there, or is empty or damaged.
  static func file(of run: RunRecord) -> JSON? {
    guard let bytes = try? FileBytes.read("\(run.folder)/config.json"),
      let configuration = try? JSON.parse(bytes, dialect: .strict), configuration.members != nil
    else { return nil }
    return configuration
  }

  /// The resolved configuration of a sweep's run: what its folder says, or else what the sweep makes of its point.
  /// - Throws: `RunError` if neither can be had.
  static func configuration(of run: RunRecord, in sweep: SweepRecord) throws(RunError) -> JSON {
    if let configuration = file(of: run) ?? sweep.resolved(run.values) { return configuration }
    throw RunError(
      "\(run.folder): has no config.json that can be read, and this version refuses the sweep's configuration; remove the "
        + "folder to leave the run out")
  }
}

/// What tables call the values of runs that leave a path as configured, so that they stand with the runs that set it to
/// the same, and cells stay short.
///
///     "schedule": "cosine"                           cosine
///     "schedule": { "kind": "cosine", "minimum": 1 } cosine, unless another point sets "cosine", which means another thing
///     "hidden": [8]                                  8
///     "device": { "onResistance": 1e5 }              nothing, which fits everything
struct ConfiguredNames {
  /// What points set, as written, by the whole value that it means.
  private var written: [String: JSON] = [:]
  /// The whole values that each text or number means; what other axes set inside of them is left out.
  private var meanings: [String: Set<String>] = [:]
  /// Paths, from this one on, that other axes set inside.
  private let inner: [String]

  /// - Parameter values: of all runs, resolved.
  init(at path: String, of runs: [RunRecord], _ values: [JSON?], in sweep: SweepRecord) {
    func whole(_ path: String) -> String { (try? sweep.config.canonicalPath(path)) ?? path }
    let own = whole(path) + "."
    inner = sweep.paths.map(whole).filter { $0.hasPrefix(own) }.map { String($0.dropFirst(own.count)) }
    for (run, value) in zip(runs, values) {
      guard let set = run.values[path], let value else { continue }
      if written[value.canonical] == nil { written[value.canonical] = set }
      guard set.isScalar else { continue }
      let meaning = frame(value)
      meanings[set.canonical, default: []].insert(meaning)
    }
  }

  /// - Returns: nil if there is no name.
  func name(of value: JSON) -> JSON? {
    if let same = written[value.canonical] { return same }
    guard let short = value.inShort, let meant = meanings[short.canonical] else { return value.inShort }
    return meant == [frame(value)] ? short : nil
  }

  private func frame(_ value: JSON) -> String {
    if value.members == nil { return value.canonical }
    return inner.reduce(value) { json, path in (try? json.setting(path: path, to: nil)) ?? json }.canonical
  }
}
