import Glibc

/// Reading whole files.
public enum FileBytes {
  /// 4 GiB: far above every data set that is read whole, far below a mistake such as a disk image.
  public static let defaultLimit = 1 << 32

  /// All bytes of the file at `path`.
  ///
  /// Pipes and devices are read up to `limit` as well. A regular file that ends before its announced size (it was cut
  /// while being read) is refused.
  /// - Throws: `DataError` if the file is missing, not readable, a folder, cut short, or larger than `limit` bytes.
  public static func read(_ path: String, limit: Int = defaultLimit) throws -> [UInt8] {
    let descriptor = retryingOnInterrupt { open(path, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else {
      switch errno {
      case ENOENT: throw DataError("\(path): no such file")
      case EACCES, EPERM: throw DataError("\(path): may not be read by this user (permission denied)")
      default: throw DataError.system(path, "cannot be opened", errno: errno)
      }
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw DataError.system(path, "cannot be examined", errno: errno) }
    let kind = status.st_mode & S_IFMT
    if kind == S_IFDIR { throw DataError("\(path): is a folder, a file was expected") }
    let announced = kind == S_IFREG ? Int(status.st_size) : 0
    if announced > limit { throw tooLarge(path, limit, found: "has \(announced) bytes") }
    return try drain(descriptor, path, announced: announced, limit: limit)
  }

  /// Reads to the end of the file in steps, the first of which holds all that `announced` promises and one byte more,
  /// so that the usual file takes two calls and no growth.
  private static func drain(_ descriptor: Int32, _ path: String, announced: Int, limit: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(announced)
    var step = max(announced, 1 << 16)
    while true {
      var failure: Int32 = 0
      let chunk = [UInt8](unsafeUninitializedCapacity: step) { buffer, count in
        let got = retryingOnInterrupt { Glibc.read(descriptor, buffer.baseAddress, min(step, 1 << 30)) }
        failure = got < 0 ? errno : 0
        count = max(got, 0)
      }
      if failure != 0 { throw DataError.system(path, "cannot be read", errno: failure) }
      if chunk.isEmpty { break }
      if bytes.isEmpty { bytes = chunk } else { bytes += chunk }
      if bytes.count > limit { throw tooLarge(path, limit, found: "has more") }
      step = max(announced - bytes.count, 1 << 16)
    }
    guard bytes.count >= announced else {
      throw DataError(
        "\(path): ended after \(bytes.count) bytes, its size was \(announced): it was cut while being read")
    }
    return bytes
  }

  private static func tooLarge(_ path: String, _ limit: Int, found: String) -> DataError {
    DataError("\(path): \(found), at most \(limit) were expected")
  }
}

/// Repeats a system call while a signal interrupts it.
package func retryingOnInterrupt<T: SignedInteger>(_ call: () -> T) -> T {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}
