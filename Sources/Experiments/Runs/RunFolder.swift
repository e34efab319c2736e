import Configuration
import Datasets
import Glibc

/// A run's folder: what is in it, and that only one process works in it.
public final class RunFolder {
  public let path: String
  private var lock: Int32 = -1

  public init(_ path: String) { self.path = path }
  deinit { if lock >= 0 { close(lock) } }

  public func file(_ name: String) -> String { "\(path)/\(name)" }
  public func exists(_ name: String) -> Bool { access(file(name), F_OK) == 0 }

  /// The status of the run that lies here: result.json if it is whole, "unfinished" if only its beginnings are there,
  /// nil for an empty or missing folder.
  public enum State {
    case empty
    case unfinished
    case finished(JSON)
  }

  public var state: State {
    if let bytes = try? FileBytes.read(file("result.json")),
      let json = try? JSON.parse(bytes, file: "result.json", dialect: .strict), json["status"]?.string != nil
    {
      return .finished(json)
    }
    return exists("config.json") || exists("state") ? .unfinished : .empty
  }

  /// Makes the folder and takes it for this process; held until the object goes.
  ///
  /// - Throws: `DataError` when it cannot be written to, `RunError` when another process has it.
  public func take() throws {
    try DurableFile.makeFolders(file("state"))
    _ = try DurableFile.removeStale(in: path)
    for sub in ["state", "models", "figures"] where exists(sub) { _ = try DurableFile.removeStale(in: file(sub)) }
    lock = open(file("state/lock"), O_CREAT | O_RDWR | O_CLOEXEC, 0o644)
    guard lock >= 0 else { throw RunError("\(file("state/lock")): \(String(cString: strerror(errno)))") }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      throw RunError("\(path): another process is running this experiment; wait for it, or give --output another folder")
    }
  }

  /// Removes what a run leaves while it is under way.
  public func clearState() {
    unlink(file("state/checkpoint.safetensors"))
    unlink(file("state/lock"))
    rmdir(file("state"))
    if lock >= 0 {
      close(lock)
      lock = -1
    }
  }

  /// Removes an earlier run's results, so that none of them can be taken for the new one's.
  public func clearResults() throws {
    for name in ["result.json", "epochs.csv", "timings.csv", "state/checkpoint.safetensors"] where exists(name) {
      guard unlink(file(name)) == 0 else { throw RunError("\(file(name)): \(String(cString: strerror(errno)))") }
    }
  }
}
