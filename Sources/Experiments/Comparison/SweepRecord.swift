import Configuration
import Datasets
import Glibc

/// A sweep's folder as its readers see it: what was asked (sweep.json), and what has come of it.
///
/// summary.csv serves as an index: one file instead of one for each run. A line of it is believed only
///
/// - for a point that sweep.json lists,
/// - whose result.json (or failure.json) is there, and
/// - was last changed before summary.csv was, by the file system's clock.
///
/// Everything else is read from the run's folder, which alone is the truth. What this cannot see: a result.json that was
/// changed by hand and given back its old time, or was made again by another engine (`run --force`) while the sweep went
/// on to write later lines. Engine and machine are read from result.json itself in any case.
struct SweepRecord: Sendable {
  /// Paths that are given values together.
  struct Axis: Sendable {
    var paths: [String]
    var label: String?
  }
  struct Point: Sendable {
    var id: String
    var values: [String: JSON]
    var label: String?
  }

  let folder: String
  let name: String
  let version: String
  /// As written, without the sweep.
  let config: JSON
  /// As written.
  let sweep: JSON
  let axes: [Axis]
  let points: [Point]
  /// Folder of the configuration, from which relative paths in it start.
  let configFolder: String

  /// Every path that is given values, in order.
  let paths: [String]

  /// - Throws: `RunError` with a sentence if sweep.json is not one.
  init(_ folder: String) throws {
    let path = "\(folder)/sweep.json"
    let json: JSON
    do throws(Diagnostic) {
      let bytes: [UInt8]
      do { bytes = try FileBytes.read(path) } catch { throw Diagnostic("\(error)") }
      json = try JSON.parse(bytes, file: path, dialect: .strict)
    } catch {
      throw RunError("\(path): \(error.message)" + (error.position.line > 0 ? " (line \(error.position.line))" : ""))
    }
    guard let axes = json["axes"]?.array, let points = json["points"]?.array else {
      throw RunError("\(path): is no sweep's record: it lacks axes or points")
    }
    self.folder = folder
    name = json["name"]?.string ?? ""
    version = json["version"]?.string ?? ""
    config = json["config"] ?? .object([])
    sweep = json["sweep"] ?? .object([])
    configFolder = json["folder"]?.string ?? "."
    self.axes = axes.map { a in
      Axis(paths: (a["paths"]?.array ?? []).compactMap(\.string), label: a["label"]?.string)
    }
    var known: Set<String> = []
    paths = self.axes.flatMap(\.paths).filter { known.insert($0).inserted }
    var seen: Set<String> = []
    self.points = points.compactMap { p in
      guard let id = p["id"]?.string, seen.insert(id).inserted else { return nil }
      let values = (p["values"]?.members ?? []).map { ($0.key, $0.value) }
      return Point(
        id: id, values: Dictionary(values, uniquingKeysWith: { a, _ in a }), label: p["label"]?.string)
    }
  }

  /// What runs have that sets none.
  var seed: JSON {
    guard let seed = config["seed"], !seed.isNull else { return .integer(Int(ExperimentConfiguration().seed)) }
    return seed
  }

  /// A point's configuration with every default, as this version has them; nil if it refuses it.
  /// - Parameter values: what the point sets.
  func resolved(_ values: [String: JSON]) -> JSON? {
    let base = ExperimentConfiguration.expandingShorthands(in: config)
    let own = paths.compactMap { path in values[path].map { (path: path, value: $0) } }
    guard let document = try? SweepPlan.document(base, own) else { return nil }
    return ExperimentConfiguration.decode(document).value?.resolved
  }

  /// What has come of the points, in their order.
  struct Outcome {
    var runs: [RunRecord] = []
    /// Points of which nothing is there yet.
    var pending: [String] = []
    /// Runs that had to be read from their own folders because the index had them not, or not reliably.
    var readOneByOne = 0
    var notes: [String] = []
  }

  /// Reads the runs of all points.
  func outcome() -> Outcome {
    var outcome = Outcome()
    let index = SummaryIndex(folder, swept: Set(paths), notes: &outcome.notes)
    var vanished = 0
    var machines: [String: String] = [:]
    for point in points {
      let place = "\(folder)/\(point.id)"
      let result = modified("\(place)/result.json")
      let failure = result == nil ? modified("\(place)/failure.json") : nil
      guard let written = result ?? failure else {
        if index.lines[point.id] != nil { vanished += 1 }
        outcome.pending.append(point.id)
        continue
      }
      var run: RunRecord
      if let listed = index.run(point.id, in: place, writtenAt: written, failed: result == nil) {
        run = listed
        if run.status != .failed {
          guard let origin = ResultFile.origin(place, known: &machines) ?? (try? ResultFile.read(place))?.origin else {
            outcome.notes.append("\(place)/result.json: left out: it is not a whole result any more")
            continue
          }
          run.origin = origin
        }
      } else {
        outcome.readOneByOne += 1
        do { run = try result == nil ? Self.failure(point.id, place) : ResultFile.read(place) } catch {
          outcome.notes.append("\(place)/\(result == nil ? "failure" : "result").json: left out: \(error)")
          continue
        }
      }
      run.name = run.name.isEmpty ? name : run.name
      run.label = point.label
      run.isPoint = true
      run.values = point.values
      run.config = nil
      outcome.runs.append(run)
    }
    if vanished > 0 {
      outcome.notes.append(
        "\(folder)/summary.csv: lists \(vanished) runs whose results are gone from the folder; they count as not run")
    }
    return outcome
  }

  private static func failure(_ id: String, _ folder: String) throws(RunError) -> RunRecord {
    let json: JSON
    do { json = try JSON.parse(FileBytes.read("\(folder)/failure.json"), dialect: .strict) } catch {
      throw RunError("it is no whole JSON text")
    }
    var run = RunRecord(folder: folder, id: id)
    run.status = .failed
    run.message = json["message"]?.string ?? "no message"
    return run
  }
}

/// When a file was last changed, in nanoseconds; nil if it is not there.
private func modified(_ path: String) -> Int? {
  var status = stat()
  guard stat(path, &status) == 0 else { return nil }
  return status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
}

/// The lines of summary.csv by run.
private struct SummaryIndex {
  private(set) var lines: [String: [String]] = [:]
  private var status = 0
  private var message: Int?
  private var metrics: [(column: Int, name: String)] = []
  private var writtenAt = 0

  init(_ folder: String, swept: Set<String>, notes: inout [String]) {
    let path = "\(folder)/summary.csv"
    // Looked at before it is read: one replaced in between seems older than it is, which costs time alone.
    guard let time = modified(path) else { return }
    let table: CSVTable
    do {
      // While a sweep runs, the last line may be on its way.
      let bytes = try FileBytes.read(path)
      table = try CSV.parse(Array(bytes.prefix((bytes.lastIndex(of: 0x0a) ?? bytes.count - 1) + 1)), name: path)
    } catch {
      notes.append("\(error); the runs' own files are read instead")
      return
    }
    guard let run = table.header.firstIndex(of: "run"), let status = table.header.firstIndex(of: "status") else {
      notes.append("\(path): has no columns run and status; the runs' own files are read instead")
      return
    }
    writtenAt = time
    self.status = status
    message = table.header.lastIndex(of: "message")
    let others = swept.union(["run", "status", "point", "message"])
    metrics = table.header.enumerated().filter { !others.contains($0.element) }.map { ($0.offset, $0.element) }
    lines = Dictionary(table.rows.map { ($0[run], $0) }, uniquingKeysWith: { _, later in later })
  }

  /// The run as its line has it; nil where the line is not to be believed.
  ///
  /// Strictly before: the clock of a file system ticks in milliseconds, and within a tick a result may have been replaced.
  func run(_ id: String, in folder: String, writtenAt time: Int, failed: Bool) -> RunRecord? {
    guard time < writtenAt, let line = lines[id], let status = RunStatus(rawValue: line[status]),
      (status == .failed) == failed
    else { return nil }
    var run = RunRecord(folder: folder, id: id)
    run.status = status
    run.message = message.map { line[$0] } ?? ""
    for (column, name) in metrics {
      guard let value = Double(line[column]) else { continue }
      run.metrics[name] = value
      run.metricNames.append(name)
    }
    return run
  }
}
