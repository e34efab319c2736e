import Glibc

/// The only way this engine writes files: whole or not at all, whatever happens.
///
///     create  .<name>.<pid>-<n>.simengine-partial   in the same folder
///     write   all bytes
///     fsync   the file        (its bytes are on the disk)
///     rename  to its name     (atomic: readers see the old file or the new one)
///     fsync   the folder      (the name is on the disk)
///
/// On any error the temporary file is removed and a sentence names the path. A failed fsync is never tried again: the
/// kernel may already have dropped the pages, and a second call would report a success that did not happen.
public enum DurableFile {
  /// How the names of unfinished files end. A killed process leaves such a file; `removeStale` sweeps it away.
  public static let temporarySuffix = ".simengine-partial"

  /// Writes `bytes` to `path`, replacing what was there.
  /// - Parameter isLast: false leaves the folder's fsync, which makes the name durable, to a later file of the folder.
  ///   The file is whole or absent all the same.
  /// - Throws: `DataError` naming the path and the system's reason.
  public static func write(_ bytes: [UInt8], to path: String, isLast: Bool = true) throws {
    try write(to: path, isLast: isLast) { try $0.write(bytes) }
  }

  /// Writes `text` as UTF-8 to `path`, replacing what was there.
  public static func write(_ text: String, to path: String, isLast: Bool = true) throws {
    try write(Array(text.utf8), to: path, isLast: isLast)
  }

  /// Streams a file: `body` writes pieces; the file appears when `body` returns, and never if it throws.
  public static func write(to path: String, isLast: Bool = true, _ body: (DurableFileWriter) throws -> Void) throws {
    let writer = try DurableFileWriter(path: path)
    do {
      try body(writer)
    } catch {
      writer.abandon()
      throw error
    }
    try writer.commit(synchronizesFolder: isLast)
  }

  /// Makes the folder `path` and those above it that are missing, and makes their names durable.
  /// - Throws: `DataError` if one cannot be made or something else has its name.
  public static func makeFolders(_ path: String) throws {
    guard !path.isEmpty else { throw DataError("cannot make a folder with an empty name") }
    var prefix = path.hasPrefix("/") ? "/" : ""
    for component in path.split(separator: "/") {
      let parent = prefix.isEmpty ? "." : prefix
      prefix += (prefix.isEmpty || prefix.hasSuffix("/") ? "" : "/") + component
      if mkdir(prefix, 0o777) == 0 {
        try synchronizeFolder(parent, for: prefix)
      } else {
        let failure = errno
        guard !isFolder(prefix) else { continue }
        if failure == EEXIST { throw DataError("\(prefix): is a file, a folder was expected") }
        throw DataError.system(prefix, "cannot make this folder", errno: failure)
      }
    }
  }

  /// Removes what killed processes left unfinished in `folder` (not below it) and returns how many files that were.
  ///
  /// Call it at the start of a run, by the one process that owns the folder: it would also remove a file that another
  /// process is writing just now.
  /// - Throws: `DataError` if the folder cannot be read or a file cannot be removed.
  @discardableResult
  public static func removeStale(in folder: String) throws -> Int { try removeStale(in: folder) { _ in true } }

  /// Removes what killed processes left of the one file `path`, in a folder that other processes use as well: only
  /// where no process of that number lives any more.
  /// - Throws: `DataError` if the folder cannot be read or a file cannot be removed.
  @discardableResult
  public static func removeStale(of path: String) throws -> Int {
    let (folder, name) = DurableFileWriter.split(path)
    let stem = DurableFileWriter.stem(name)
    return try removeStale(in: folder) { found in
      guard found.hasPrefix(stem) else { return false }
      let numbers = found.dropFirst(stem.count).dropLast(temporarySuffix.count).split(separator: "-")
      guard numbers.count == 2, let process = Int32(numbers[0]), Int(numbers[1]) != nil, process > 0 else {
        return false
      }
      return process != getpid() && kill(process, 0) != 0 && errno == ESRCH
    }
  }

  private static func removeStale(in folder: String, where isWanted: (String) -> Bool) throws -> Int {
    guard let stream = opendir(folder) else { throw DataError.system(folder, "cannot read this folder", errno: errno) }
    defer { closedir(stream) }
    var removed = 0
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard name.hasPrefix("."), name.hasSuffix(temporarySuffix), isWanted(name) else { continue }
      let path = folder + "/" + name
      guard unlink(path) == 0 || errno == ENOENT else {
        throw DataError.system(path, "cannot remove this unfinished file", errno: errno)
      }
      removed += 1
    }
    return removed
  }

  /// Removes the file `path` if it is there; `synchronizeFolder` makes that durable.
  /// - Throws: `DataError` naming the path and the system's reason.
  public static func remove(_ path: String) throws {
    guard unlink(path) == 0 || errno == ENOENT else { throw DataError.system(path, "cannot be removed", errno: errno) }
  }

  /// Whether `path` is a folder (links are followed).
  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Whether `path` is something other than a folder that can be opened.
  static func isFile(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFDIR
  }

  /// Puts the names in `folder` on the disk. File systems that cannot synchronize a folder say EINVAL; they are
  /// believed to be safe without.
  public static func synchronizeFolder(_ folder: String, for path: String) throws {
    let descriptor = retryingOnInterrupt { open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard descriptor >= 0 else {
      throw DataError.system(path, "cannot open its folder to make it durable", errno: errno)
    }
    defer { close(descriptor) }
    guard retryingOnInterrupt({ fsync(descriptor) }) == 0 || errno == EINVAL else {
      throw DataError.system(path, "cannot make its name durable (fsync of the folder)", errno: errno)
    }
  }
}
