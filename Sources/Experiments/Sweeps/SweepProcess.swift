import Configuration
import Glibc

/// A worker process, seen from the parent: pipes to its standard input, output and errors.
final class SweepProcess {
  let pid: pid_t
  private(set) var input: Int32
  let output: Int32
  let errors: Int32
  /// The point it is at, and since when.
  var point: Int?
  var startedAt = 0.0
  /// Points it has ended.
  var count = 0
  /// Why it was killed by the parent; what its death is reported with.
  var sentence: String?
  var exceededMemory = false
  /// It was waited for.
  var hasDied = false
  /// It was waited for, and had ended by itself, in order.
  private(set) var hasLeft = false
  /// It was waited for, and had ended by SIGTERM.
  private(set) var isTerminated = false
  private var received: [UInt8] = []
  private var said: [UInt8] = []
  private var status: Int32?

  /// - Parameters:
  ///   - locks: descriptors that it shall hold as long as it lives.
  /// - Throws: `RunError` when it cannot be started.
  init(executable: String, arguments: [String], locks: [Int32]) throws {
    var pipes: [[Int32]] = []
    func closeAll() { for end in pipes.flatMap({ $0 }) { close(end) } }
    for _ in 0..<3 {
      var ends: [Int32] = [-1, -1]
      guard pipe(&ends) == 0 else {
        let code = errno
        closeAll()
        throw RunError("a worker cannot be started: \(String(cString: strerror(code)))")
      }
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      pipes.append(ends)
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, pipes[0][0], 0)
    posix_spawn_file_actions_adddup2(&actions, pipes[1][1], 1)
    posix_spawn_file_actions_adddup2(&actions, pipes[2][1], 2)
    // A number of its own for each: what is duplicated onto itself would be closed on exec.
    for (i, lock) in locks.enumerated() { posix_spawn_file_actions_adddup2(&actions, lock, 100 + Int32(i)) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var words: [UnsafeMutablePointer<CChar>?] = (["simengine", "worker"] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var environment = Self.environment()
    defer { for entry in environment { free(entry) } }
    var child: pid_t = 0
    let failure = posix_spawn(&child, executable, &actions, &attributes, &words, &environment)
    guard failure == 0 else {
      closeAll()
      throw RunError("a worker cannot be started: \(String(cString: strerror(failure)))")
    }
    for end in [pipes[0][0], pipes[1][1], pipes[2][1]] { close(end) }
    (pid, input, output, errors) = (child, pipes[0][1], pipes[1][0], pipes[2][0])
    for end in [output, errors] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
  }

  /// This process's own, but that OpenBLAS starts no threads of its own, which no array uses: they cost a tenth of a
  /// short run.
  private static func environment() -> [UnsafeMutablePointer<CChar>?] {
    var entries: [UnsafeMutablePointer<CChar>?] = []
    var next = environ
    while let entry = next.pointee {
      if strncmp(entry, "OPENBLAS_NUM_THREADS=", 21) != 0 { entries.append(strdup(entry)) }
      next += 1
    }
    return entries + [strdup("OPENBLAS_NUM_THREADS=1"), nil]
  }

  deinit {
    closeInput()
    close(output)
    close(errors)
  }

  /// Hands it a point; false when it is not there any more.
  func send(_ task: JSON, point: Int) -> Bool {
    let bytes = Array((task.written() + "\n").utf8)
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { write(input, $0.baseAddress! + sent, $0.count - sent) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return false }
      sent += count
    }
    self.point = point
    startedAt = Progress.now()
    return true
  }

  /// It will take no further point.
  func closeInput() {
    if input >= 0 { close(input) }
    input = -1
  }

  /// What it has said since: whole lines of JSON. - Parameter hasEnded: whether it closed its output.
  func receive() -> (replies: [JSON], hasEnded: Bool) {
    var hasEnded = false
    drain(errors, into: &said, atEnd: {})
    // Its last words are enough.
    if said.count > 1 << 14 { said.removeFirst(said.count - 1 << 13) }
    drain(output, into: &received, atEnd: { hasEnded = true })
    var replies: [JSON] = []
    while let end = received.firstIndex(of: 10) {
      if let json = try? JSON.parse(Array(received[..<end]), dialect: .strict) { replies.append(json) }
      received.removeSubrange(...end)
    }
    return (replies, hasEnded)
  }

  private func drain(_ descriptor: Int32, into bytes: inout [UInt8], atEnd: () -> Void) {
    var buffer = [UInt8](repeating: 0, count: 1 << 14)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count > 0 {
        bytes += buffer[..<count]
      } else if count == 0 {
        return atEnd()
      } else if errno != EINTR {
        return
      }
    }
  }

  /// Resident memory in bytes; 0 when it is not known.
  var memory: Int {
    guard let file = fopen("/proc/\(pid)/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
    let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
      separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
  }

  /// Waits for its end and says what it was, in a sentence.
  func death() -> String {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    hasLeft = status == 0
    isTerminated = status & 0x7F == SIGTERM
    if let sentence { return sentence }
    let lines = String(decoding: said, as: UTF8.self).split(separator: "\n")
    // A trap says what it is in the first of its lines; what follows is a trace.
    let words = lines.last { $0.contains("Fatal error") } ?? lines.last
    let signal = status & 0x7F
    let end =
      signal == 0
      ? "the process ended with status \(status >> 8 & 0xFF)"
      : "the process was ended by signal \(signal) (\(String(cString: strsignal(signal))))"
    return words.map { "\(end): \($0)" } ?? end
  }
}
