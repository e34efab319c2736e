import Datasets
import Glibc

/// A table that grows by whole lines and is put in order at the end.
///
/// A line is one `write` to the end of the file, so that a process killed at any moment leaves whole lines; what a power
/// cut takes is made again from the runs' own folders. Nothing is proved by such a table: it is an index.
private final class GrowingTable {
  let path: String
  private var descriptor: Int32 = -1
  init(_ path: String) { self.path = path }
  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Replaces the file.
  func write(_ text: String) throws {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    try DurableFile.write(text, to: path)
  }

  func append(_ line: String) throws {
    if descriptor < 0 {
      descriptor = retryingOnInterrupt { open(path, O_WRONLY | O_APPEND | O_CLOEXEC) }
      guard descriptor >= 0 else { throw failure("cannot be opened") }
    }
    let bytes = Array(line.utf8)
    let written = retryingOnInterrupt { Glibc.write(descriptor, bytes, bytes.count) }
    guard written == bytes.count else {
      // A disk that filled up in the middle of a line.
      if written >= 0 { errno = ENOSPC }
      throw failure("cannot be written")
    }
  }

  private func failure(_ what: String) -> RunError { RunError("\(path): \(what): \(String(cString: strerror(errno)))") }
}

/// summary.csv and timings.csv of a sweep: a line for each point that ended.
final class SweepSummary {
  private let points: [SweepPoint]
  private let paths: [String]
  private let hasLabels: Bool
  private let table: GrowingTable
  private let timings: GrowingTable
  private var metrics: [String] = []
  private var known: Set<String> = []
  private(set) var results: [Int: SweepResult] = [:]
  /// Whether lines stand as they came and not in the sweep's order.
  private var isDisordered = false
  private var last = -1
  private var isBegun = false

  init(folder: String, plan: SweepPlan) {
    points = plan.points
    var paths: [String] = []
    for path in plan.axes.flatMap(\.paths) where !paths.contains(path) { paths.append(path) }
    self.paths = paths
    hasLabels = plan.axes.contains { $0.label != nil }
    table = GrowingTable("\(folder)/summary.csv")
    timings = GrowingTable("\(folder)/timings.csv")
  }

  /// Writes both tables anew.
  func write(_ results: [Int: SweepResult]) throws {
    self.results = results
    metrics = []
    known = []
    for (_, result) in results.sorted(by: { $0.key < $1.key }) { learn(result) }
    try write()
  }

  /// Adds a point that ended.
  func add(_ result: SweepResult, at point: Int) throws {
    let isOld = results.updateValue(result, forKey: point) != nil
    let isNew = learn(result)
    if !isBegun || isNew || isOld { return try write() }
    try table.append(line(point, result))
    if let seconds = result.seconds { try timings.append(timing(point, seconds)) }
    if point < last { isDisordered = true }
    last = max(last, point)
  }

  /// Puts lines and columns in the sweep's order.
  func finish() throws {
    let before = metrics
    (metrics, known) = ([], [])
    for (_, result) in results.sorted(by: { $0.key < $1.key }) { learn(result) }
    if isBegun && (isDisordered || metrics != before) { try write() }
  }

  /// - Returns: whether a metric was not among the columns.
  @discardableResult
  private func learn(_ result: SweepResult) -> Bool {
    var isNew = false
    for m in result.metrics where known.insert(m.name).inserted {
      metrics.append(m.name)
      isNew = true
    }
    return isNew
  }

  private func write() throws {
    var text = CSV.line(["run", "status"] + (hasLabels ? ["point"] : []) + paths + metrics + ["message"])
    var times = CSV.line(["run", "seconds"])
    for (point, result) in results.sorted(by: { $0.key < $1.key }) {
      text += line(point, result)
      if let seconds = result.seconds { times += timing(point, seconds) }
      last = point
    }
    try table.write(text)
    try timings.write(times)
    isDisordered = false
    isBegun = true
  }

  private func line(_ point: Int, _ result: SweepResult) -> String {
    let p = points[point]
    let values = Dictionary(p.values.map { ($0.path, $0.value) }, uniquingKeysWith: { _, b in b })
    let found = Dictionary(result.metrics.map { ($0.name, $0.value) }, uniquingKeysWith: { _, b in b })
    return CSV.line(
      [p.id, result.status.rawValue] + (hasLabels ? [p.label ?? ""] : [])
        + paths.map { values[$0].map { $0.string ?? $0.written() } ?? "" } + metrics.map { found[$0] ?? "" }
        + [result.message])
  }

  private func timing(_ point: Int, _ seconds: Double) -> String {
    CSV.line([points[point].id, "\((seconds * 1e4).rounded() / 1e4)"])
  }

  /// The seconds in a timings.csv, by run; what cannot be read is left out.
  static func seconds(in folder: String) -> [String: Double] {
    guard let bytes = try? FileBytes.read("\(folder)/timings.csv") else { return [:] }
    var seconds: [String: Double] = [:]
    // The last piece is empty, or a line cut short.
    for line in bytes.split(separator: 10, omittingEmptySubsequences: false).dropLast() {
      let fields = String(decoding: line, as: UTF8.self).split(separator: ",")
      if fields.count == 2, let value = Double(fields[1]) { seconds[String(fields[0])] = value }
    }
    return seconds
  }
}
