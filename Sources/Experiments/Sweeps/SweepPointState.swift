import Configuration
import Datasets
import Glibc

/// How a point ended: a line of summary.csv.
struct SweepResult {
  enum Status: String { case done, diverged, failed }
  var status: Status
  /// As JSON writes the values; empty where one is not finite.
  var metrics: [(name: String, value: String)] = []
  /// Why it diverged or failed.
  var message = ""
  /// Wall-clock time of the run, if it is known.
  var seconds: Double?

  init(_ status: Status, message: String = "", seconds: Double? = nil) {
    (self.status, self.message, self.seconds) = (status, message, seconds)
  }

  /// From result.json, or what a worker says in its likeness; nil when it is not one's.
  init?(_ json: JSON) {
    guard let text = json["status"]?.string, let status = Status(rawValue: text), status != .failed else { return nil }
    self.status = status
    metrics = (json["metrics"]?.members ?? []).map { ($0.key, $0.value.isNull ? "" : $0.value.written()) }
    message = json["message"]?.string ?? ""
  }
}

/// What a point's folder says of it.
enum SweepPointState {
  case missing
  case unfinished
  case ended(SweepResult)
  /// Its result cannot be used: a sentence.
  case corrupt(String)

  /// The truth about a point: result.json if it is whole, and nothing else, says that it is done.
  ///
  /// - Parameters:
  ///   - folder: of the run.
  ///   - id: the run that belongs there.
  init(folder: String, id: String) {
    let result = "\(folder)/result.json"
    if access(result, F_OK) == 0 {
      self = Self.read(result, id: id)
      // A power cut may keep a later name and lose an earlier one.
      if case .ended = self, access("\(folder)/config.json", F_OK) != 0 {
        self = .corrupt("\(folder): has a result.json, but lost its config.json")
      }
      return
    }
    if let failure = Self.failure(folder) {
      self = .ended(failure)
    } else if access("\(folder)/config.json", F_OK) == 0 || access("\(folder)/state", F_OK) == 0 {
      self = .unfinished
    } else {
      self = .missing
    }
  }

  private static func read(_ path: String, id: String) -> SweepPointState {
    let json: JSON
    do {
      json = try JSON.parse(try FileBytes.read(path), file: path, dialect: .strict)
    } catch let error as Diagnostic {
      return .corrupt("\(path): is damaged (line \(error.position.line): \(error.message))")
    } catch { return .corrupt("\(error)") }
    guard let found = json["runID"]?.string, var result = SweepResult(json) else {
      return .corrupt("\(path): is not a run's result")
    }
    guard found == id else { return .corrupt("\(path): is the result of another run (\(found))") }
    let timings = json["timings"]?.members ?? []
    result.seconds = timings.filter { !StagePart.contains($0.key) }.reduce(0) { $0 + ($1.value.double ?? 0) }
    return .ended(result)
  }

  private static func failure(_ folder: String) -> SweepResult? {
    let path = "\(folder)/failure.json"
    guard access(path, F_OK) == 0, let bytes = try? FileBytes.read(path),
      let json = try? JSON.parse(bytes, file: path, dialect: .strict), let message = json["message"]?.string
    else { return nil }
    return SweepResult(.failed, message: message)
  }
}
