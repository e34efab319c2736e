import Glibc

/// A program that is run and waited for on the calling thread.
///
/// Not swift-subprocess: the engine is synchronous, and awaiting an asynchronous child from a thread of Swift's
/// cooperative pool (which tests run on) blocks for ever once all its threads, two on two cores, wait so.
enum ChildProcess {
  struct Result {
    /// Exit status; −1 when it could not be started or was ended by a signal.
    var status: Int32
    var output: [UInt8] = []
    /// Last line that the program wrote to its standard error.
    var complaint: String?
    /// The program is not installed.
    var isMissing = false
  }

  /// - Parameter name: looked for on the PATH.
  static func run(_ name: String, _ arguments: [String]) -> Result {
    var output: [Int32] = [-1, -1]
    var errors: [Int32] = [-1, -1]
    guard pipe(&output) == 0 else { return Result(status: -1, complaint: reason(errno)) }
    guard pipe(&errors) == 0 else {
      for end in output { close(end) }
      return Result(status: -1, complaint: reason(errno))
    }
    for end in output + errors { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output[1], 1)
    posix_spawn_file_actions_adddup2(&actions, errors[1], 2)
    var words: [UnsafeMutablePointer<CChar>?] = ([name] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var child: pid_t = 0
    let failure = posix_spawnp(&child, name, &actions, nil, &words, environ)
    close(output[1])
    close(errors[1])
    guard failure == 0 else {
      close(output[0])
      close(errors[0])
      return Result(status: -1, complaint: reason(failure), isMissing: failure == ENOENT)
    }
    let (out, err) = read(output[0], errors[0])
    close(output[0])
    close(errors[0])
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 && errno == EINTR {}
    let hasExited = status & 0x7F == 0
    return Result(
      status: hasExited ? status >> 8 & 0xFF : -1, output: out,
      complaint: String(decoding: err, as: UTF8.self).split(separator: "\n").last.map(String.init))
  }

  /// Reads both to their ends, whichever has something: a full pipe would stop the program.
  private static func read(_ first: Int32, _ second: Int32) -> ([UInt8], [UInt8]) {
    var read: [[UInt8]] = [[], []]
    var polled = [first, second].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while polled.contains(where: { $0.fd >= 0 }) {
      if poll(&polled, 2, -1) < 0 {
        if errno == EINTR { continue }
        break
      }
      for i in 0..<2 where polled[i].fd >= 0 && polled[i].revents != 0 {
        let count = Glibc.read(polled[i].fd, &buffer, buffer.count)
        if count > 0 {
          read[i] += buffer[..<count]
        } else if count == 0 || errno != EINTR {
          // poll leaves a negative descriptor out.
          polled[i].fd = -1
        }
      }
    }
    return (read[0], read[1])
  }

  private static func reason(_ number: Int32) -> String { String(cString: strerror(number)) }
}
