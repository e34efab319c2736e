import Configuration
import Datasets
import Glibc

/// A run that is refused before anything was changed: the command line asks for something that it must not do.
public struct Refusal: Error, CustomStringConvertible {
  public let description: String
  /// Whether it is only that another process is doing the same just now.
  public let isBusy: Bool
  public init(_ description: String, isBusy: Bool = false) { (self.description, self.isBusy) = (description, isBusy) }
}

/// A run's folder: what is in it, and that only one process works in it.
///
///     config.json, result.json, epochs.csv, timings.csv, models/, figures/    what a run leaves
///     state/checkpoint.safetensors                                            while it is unfinished
///     state/lock                                                              held (flock) by the process at work
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

  /// - Throws: `DataError` when a result.json is there but cannot be read, `Refusal` when it is not a run's.
  public func state() throws -> State {
    let isBegun = exists("config.json") || exists("state")
    guard exists("result.json") else { return isBegun ? .unfinished : .empty }
    let bytes = try FileBytes.read(file("result.json"))
    if let json = try? JSON.parse(bytes, file: "result.json", dialect: .strict), json["status"]?.string != nil {
      return .finished(json)
    }
    guard isBegun else {
      throw Refusal("\(file("result.json")): is not a run's result; give --output another folder")
    }
    return .unfinished
  }

  /// Makes the folder and takes it for this process; held until the object goes.
  ///
  /// - Returns: a warning when the file system knows no locks.
  /// - Throws: `DataError` when it cannot be written to, `Refusal` when another process has it.
  public func take() throws -> String? {
    var warning: String?
    for attempt in 0... {
      try DurableFile.makeFolders(file("state"))
      let opened = retryingOnInterrupt { open(file("state/lock"), O_CREAT | O_RDWR | O_CLOEXEC, 0o644) }
      guard opened >= 0 else {
        // The process that held it has just finished and removed the folder.
        let code = errno
        if code == ENOENT && attempt < 100 { continue }
        rmdir(file("state"))
        throw RunError("\(file("state/lock")): cannot be created: \(String(cString: strerror(code)))")
      }
      if retryingOnInterrupt({ flock(opened, LOCK_EX | LOCK_NB) }) != 0 {
        let code = errno
        guard code == ENOLCK || code == ENOSYS || code == EOPNOTSUPP else {
          close(opened)
          if code == EWOULDBLOCK { throw busy }
          throw RunError("\(file("state/lock")): cannot be locked: \(String(cString: strerror(code)))")
        }
        warning = "\(path): this file system has no locks; let only one process work here"
      }
      // A lock on a file that its last holder has removed keeps nobody out.
      if isStillNamed(opened, "state/lock") {
        lock = opened
        break
      }
      close(opened)
    }
    // Only now: what is unfinished here is nobody's.
    try DurableFile.removeStale(in: path)
    for sub in ["state", "models", "figures"] where exists(sub) { try DurableFile.removeStale(in: file(sub)) }
    return warning
  }

  /// Makes the folder without taking it; removes what killed processes left.
  /// - Throws: `DataError` when it cannot be written to.
  func prepare() throws {
    if mkdir(path, 0o777) == 0 { return try DurableFile.synchronizeFolder(Self.parent(of: path), for: path) }
    if errno != EEXIST { return try DurableFile.makeFolders(path) }
    try DurableFile.removeStale(in: path)
  }

  private static func parent(of path: String) -> String {
    path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
  }

  private var busy: Refusal {
    Refusal(
      "\(path): another process is running this experiment; wait for it, or give --output another folder", isBusy: true)
  }

  private func isStillNamed(_ descriptor: Int32, _ name: String) -> Bool {
    var (own, named) = (stat(), stat())
    return fstat(descriptor, &own) == 0 && stat(file(name), &named) == 0 && own.st_ino == named.st_ino
      && own.st_dev == named.st_dev
  }

  /// - Throws: `Refusal` when another process works here.
  public func requireIdle() throws {
    let opened = open(file("state/lock"), O_RDWR | O_CLOEXEC)
    guard opened >= 0 else { return }
    defer { close(opened) }
    if flock(opened, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK { throw busy }
  }

  /// Removes what a run leaves while it is under way.
  /// - Throws: `DataError` when that fails.
  public func clearState() throws {
    try DurableFile.remove(file("state/checkpoint.safetensors"))
    try DurableFile.remove(file("state/lock"))
    // Something of the user's in it may stay.
    guard rmdir(file("state")) == 0 || [ENOENT, ENOTEMPTY, EEXIST].contains(errno) else {
      throw DataError("\(file("state")): cannot be removed: \(String(cString: strerror(errno)))")
    }
    if lock >= 0 {
      close(lock)
      lock = -1
    }
  }

  /// Gives up a folder in which nothing was done, so that the next run is not told of an unfinished one.
  public func leave() {
    unlink(file("config.json"))
    if lock >= 0 { try? clearState() }
    rmdir(path)
  }

  /// Removes an earlier run's results, so that none of them can be taken for the new one's.
  ///
  /// - Parameter files: what that run wrote besides, from the folder. Its config.json stays until the new one replaces
  ///   it, so that a process killed in here is followed by one that knows the same files.
  /// - Throws: `DataError` when one cannot be removed.
  public func clearResults(_ files: [String]) throws {
    // result.json first: from then on nothing here claims to be whole.
    let names = ["result.json", "state/checkpoint.safetensors", "epochs.csv", "timings.csv"] + files
    for name in names where exists(name) { try DurableFile.remove(file(name)) }
    for name in try figures() { try DurableFile.remove(file("figures/\(name)")) }
    rmdir(file("figures"))
    rmdir(file("models"))
    try DurableFile.synchronizeFolder(path, for: path)
  }

  /// Figures with their scripts and data.
  private func figures() throws -> [String] {
    guard let stream = opendir(file("figures")) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix("."), [".svg", ".gp", ".csv"].contains(where: name.hasSuffix) { names.append(name) }
    }
    return names
  }
}
