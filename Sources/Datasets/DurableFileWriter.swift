import Glibc

/// A file being written in pieces; nothing is visible under its name before `commit`. See `DurableFile`.
///
/// A writer that is dropped without `commit` removes its temporary file.
public final class DurableFileWriter {
  /// The name the file will have.
  public let path: String
  /// Bytes given to `write` so far.
  public private(set) var count = 0

  private let folder: String
  private let temporary: String
  private var descriptor: Int32
  /// Small pieces are gathered here, so that a file of many small tensors takes few system calls.
  private var gathered: [UInt8] = []
  private static let gatheredSize = 1 << 16

  /// Creates the temporary file beside `path`.
  /// - Throws: `DataError` if it cannot be created: missing or read-only folder, full disk.
  public init(path: String) throws {
    let name: String
    (folder, name) = Self.split(path)
    guard !name.isEmpty else { throw DataError("\"\(path)\": cannot write here, the path has no file name") }
    self.path = path
    let stem = "\(folder)/\(Self.stem(name))\(getpid())-"
    for attempt in 0..<10_000 {
      let candidate = stem + "\(attempt)" + DurableFile.temporarySuffix
      let opened = retryingOnInterrupt { open(candidate, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
      if opened >= 0 {
        (temporary, descriptor) = (candidate, opened)
        return
      }
      guard errno == EEXIST else { throw DataError.system(path, "cannot create a file in its folder", errno: errno) }
    }
    throw DataError(
      "\(path): its folder holds 10000 unfinished files of this process; remove *\(DurableFile.temporarySuffix)")
  }

  deinit { abandon() }

  /// The folder of a path, and the file's name in it.
  static func split(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    return (slash == path.startIndex ? "/" : String(path[..<slash]), String(path[path.index(after: slash)...]))
  }

  /// How the temporary names of the file `name` begin. A name may have 255 bytes; the temporary one must not outgrow a
  /// name that just fits.
  static func stem(_ name: String) -> String { "." + String(decoding: name.utf8.prefix(80), as: UTF8.self) + "." }

  /// Appends `bytes`.
  /// - Throws: `DataError`; the temporary file is then already gone and the writer is of no more use.
  public func write(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try write($0) }
  }

  /// Appends `bytes`.
  /// - Throws: `DataError`; the temporary file is then already gone and the writer is of no more use.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    guard descriptor >= 0 else { throw DataError("\(path): cannot be written to after it was committed or abandoned") }
    count += bytes.count
    if gathered.count + bytes.count > Self.gatheredSize { try flush() }
    if bytes.count > Self.gatheredSize { try put(bytes) } else { gathered += bytes }
  }

  private func flush() throws {
    guard !gathered.isEmpty else { return }
    try gathered.withUnsafeBytes { try put($0) }
    gathered.removeAll(keepingCapacity: true)
  }

  /// Hands `bytes` to the system, in as many calls as it takes.
  private func put(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest)
      let written = retryingOnInterrupt { Glibc.write(descriptor, piece.baseAddress, min(piece.count, 1 << 30)) }
      guard written > 0 else {
        let code = written < 0 ? errno : ENOSPC
        throw failure("cannot be written", code)
      }
      rest = rest.dropFirst(written)
    }
  }

  /// Makes the bytes durable and gives the file its name.
  /// - Parameter synchronizesFolder: whether the name is made durable too.
  /// - Throws: `DataError`. Unless it speaks of the folder's fsync, the old file (or none) is still in place; in that
  ///   one case the new file is in place, whole, but might not outlive a power cut.
  public func commit(synchronizesFolder: Bool = true) throws {
    guard descriptor >= 0 else { throw DataError("\(path): cannot be committed twice") }
    try flush()
    guard retryingOnInterrupt({ fsync(descriptor) }) == 0 else {
      throw failure("cannot be made durable (fsync)", errno)
    }
    let closed = close(descriptor)
    descriptor = -1
    // Linux has closed the descriptor even when a signal came; the bytes are safe since the fsync.
    guard closed == 0 || errno == EINTR else { throw failure("cannot be closed", errno) }
    guard retryingOnInterrupt({ rename(temporary, path) }) == 0 else {
      throw failure("cannot get its name (rename)", errno)
    }
    if synchronizesFolder { try DurableFile.synchronizeFolder(folder, for: path) }
  }

  /// Removes the temporary file; does nothing after `commit`.
  public func abandon() {
    guard descriptor >= 0 else { return }
    close(descriptor)
    descriptor = -1
    unlink(temporary)
  }

  private func failure(_ sentence: String, _ code: Int32) -> DataError {
    abandon()
    unlink(temporary)
    return DataError.system(path, sentence, errno: code)
  }
}
