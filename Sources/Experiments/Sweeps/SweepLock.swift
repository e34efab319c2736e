import Configuration
import Datasets
import Glibc

/// One of the slices that a sweep is cut into for several machines: `3/8` is the third of eight.
///
/// Slices are interleaved, so that each gets its part of the slow end of an axis.
public struct SweepShard: Sendable, Equatable, CustomStringConvertible {
  /// From 1.
  public let number: Int
  public let count: Int
  public var description: String { "\(number)/\(count)" }

  public func contains(_ point: Int) -> Bool { point % count == number - 1 }

  /// `3/8`, or `auto`: what Slurm, LSF, PBS or Kubernetes say in the environment.
  /// - Throws: `RunError` with what was expected.
  public init(_ text: String, environment: (String) -> String? = { getenv($0).map { String(cString: $0) } }) throws {
    guard text == "auto" else {
      let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
      guard parts.count == 2, let number = parts[0], let count = parts[1], count >= 1, (1...count).contains(number)
      else { throw RunError("--shard \(text): expected I/N with I from 1 to N, such as 3/8, or auto") }
      (self.number, self.count) = (number, count)
      return
    }
    func whole(_ name: String) -> Int? { environment(name).flatMap { Int($0) } }
    for (index, first, count, last) in Self.schedulers {
      guard let i = whole(index) else { continue }
      // An array of which a few tasks are submitted again calls these the whole, so that the user's word goes first.
      let given = whole("SIMENGINE_SHARDS")
      let lowest =
        whole("SIMENGINE_FIRST_SHARD") ?? (given == nil ? first.flatMap(whole) : nil)
        ?? (index == "JOB_COMPLETION_INDEX" ? 0 : 1)
      guard let n = given ?? count.flatMap(whole) ?? last.flatMap(whole).map({ $0 - lowest + 1 }) else {
        throw RunError(
          "--shard auto: \(index) is \(i), but nothing says of how many; set SIMENGINE_SHARDS in the job's script")
      }
      guard i >= lowest, i - lowest < n else {
        throw RunError(
          "--shard auto: \(index) is \(i), which is none of the \(n) from \(lowest); where the first is another, set "
            + "SIMENGINE_FIRST_SHARD in the job's script")
      }
      (self.number, self.count) = (i - lowest + 1, n)
      return
    }
    throw RunError(
      "--shard auto: none of \(Self.schedulers.map(\.index).joined(separator: ", ")) is set; give it as I/N")
  }

  /// The variables that hold an array job's index, its first index, how many there are, the last index.
  private static let schedulers: [(index: String, first: String?, count: String?, last: String?)] = [
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MAX"),
    ("LSB_JOBINDEX", nil, nil, "LSB_JOBINDEX_END"), ("PBS_ARRAY_INDEX", nil, nil, nil), ("PBS_ARRAYID", nil, nil, nil),
    ("JOB_COMPLETION_INDEX", nil, nil, nil),
  ]
}

/// Who works in a sweep's folder: a whole sweep alone, or any number of shards, each once.
///
/// `sweep.lock` is locked (flock) by a whole sweep for itself, by shards and who collects what they do together. Each
/// shard has `sweep-<I>-of-<N>.lock` for itself besides, or `sweep-<I>-of-<N>-<hash>.lock` where `--only` picks points:
/// shards of other points are others. Who collects has `sweep-follower.lock`: two would write each other's tables.
/// Workers inherit the locks: while one that outlives its parent still writes, nobody else begins.
///
/// Shards that have a point in common (of other numbers, or of overlapping picks) are kept apart by that run's own lock
/// (`RunFolder`): a shard's runs take it from their start, and leave alone what another has.
final class SweepLock {
  /// To be handed to workers.
  private(set) var descriptors: [Int32] = []
  private var files: [String] = []
  /// A warning, when the file system knows no locks.
  private(set) var warning: String?

  /// For one who has others run the sweep's points, and writes the tables: a follower, or `--collect`.
  /// - Throws: as the other.
  init(follower folder: String) throws {
    try take("\(folder)/sweep.lock", exclusive: false)
    try take("\(folder)/sweep-follower.lock", exclusive: true)
  }

  /// - Parameter points: the ids that the shard is a slice of, where they are not all.
  /// - Throws: `Refusal` that says who has it; `RunError` when a lock cannot be made.
  init(folder: String, shard: SweepShard?, of points: [String]? = nil) throws {
    try take("\(folder)/sweep.lock", exclusive: shard == nil)
    guard let shard else { return }
    let pick = points.map { "-" + SHA256.hex(of: Array($0.joined(separator: "\n").utf8)).prefix(8) } ?? ""
    try take("\(folder)/sweep-\(shard.number)-of-\(shard.count)\(pick).lock", exclusive: true)
  }

  private func take(_ path: String, exclusive: Bool) throws {
    let started = Progress.now()
    while true {
      let opened = retryingOnInterrupt { open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o644) }
      guard opened >= 0 else { throw RunError("\(path): cannot be created: \(String(cString: strerror(errno)))") }
      if retryingOnInterrupt({ flock(opened, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) }) != 0 {
        let code = errno
        guard code == EWOULDBLOCK else {
          guard code == ENOLCK || code == ENOSYS || code == EOPNOTSUPP else {
            close(opened)
            throw RunError("\(path): cannot be locked: \(String(cString: strerror(code)))")
          }
          warning = "\(path): this file system has no locks; let only one sweep work here"
          descriptors.append(opened)
          return
        }
        let holder = Self.holder(opened)
        close(opened)
        // Workers of a parent that was killed end with it, but not in the same instant.
        if holder?.isDead ?? true, Progress.now() - started < 5 {
          usleep(20_000)
          continue
        }
        throw Refusal(
          "\(path): the sweep is being run by \(holder?.text ?? "another process"); wait for it, or give --output "
            + "another folder")
      }
      // A lock on a file that its last holder has removed keeps nobody out.
      var (own, named) = (stat(), stat())
      if fstat(opened, &own) == 0, stat(path, &named) == 0, own.st_ino == named.st_ino, own.st_dev == named.st_dev {
        descriptors.append(opened)
        files.append(path)
        // Shards share it: the first one's name is as good as any.
        if exclusive || own.st_size == 0 {
          let text = Array("\(Self.host) \(getpid())\n".utf8)
          if ftruncate(opened, 0) != 0 || pwrite(opened, text, text.count, 0) != text.count {
            throw RunError("\(path): cannot be written: \(String(cString: strerror(errno)))")
          }
        }
        return
      }
      close(opened)
    }
  }

  private static func holder(_ descriptor: Int32) -> (text: String, isDead: Bool)? {
    var buffer = [UInt8](repeating: 0, count: 512)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    let words = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).split { $0 == " " || $0 == "\n" }
    guard words.count == 2, let process = Int32(words[1]) else { return nil }
    return ("process \(process) on \(words[0])", words[0] == host && kill(process, 0) != 0 && errno == ESRCH)
  }

  private static var host: String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Gives the folder up; the lock files go with the last who needs them.
  func release() {
    for (descriptor, path) in zip(descriptors, files) where flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
    for descriptor in descriptors { close(descriptor) }
    (descriptors, files) = ([], [])
  }

  deinit { release() }
}
