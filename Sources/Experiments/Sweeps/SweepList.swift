import Datasets

/// A file of runs' ids, a line each: what `--only @FILE` reads.
enum SweepList {
  /// - Throws: `DataError` when it cannot be read, `Refusal` when it names no run, or one that is none of the plan's.
  static func read(_ path: String, plan: SweepPlan) throws -> [String] {
    let ids = ids(try FileBytes.read(path))
    if ids.isEmpty { throw Refusal("--only @\(path): the file names no run; expected the id of one in each line") }
    let known = Set(plan.points.map(\.id))
    if let unknown = ids.first(where: { !known.contains($0) }) {
      throw Refusal("--only @\(path): the sweep has no run \(unknown); was the list made for another sweep or version?")
    }
    return ids
  }

  static func ids(_ bytes: [UInt8]) -> [String] {
    bytes.split(separator: 10).map { String(decoding: $0, as: UTF8.self).filter { !$0.isWhitespace } }
      .filter { !$0.isEmpty }
  }
}
