import ArgumentParser
import Experiments
@preconcurrency import Glibc

/// The command line: what each command is called and takes; the work is in Experiments.
struct Simengine: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simengine",
    abstract: "What happens to my network on this hardware?",
    discussion: """
      Trains, maps and measures deep networks whose every matrix product runs on a simulated array: ideal, or a crossbar \
      of resistive devices with its wires, converters and imperfect updates.

      Start with: simengine run Configs/quickstart.json
      """,
    version: engineVersion,
    subcommands: [
      RunCommand.self, ValidateCommand.self, CompareCommand.self, ListCommand.self, DescribeCommand.self,
      DataCommand.self, SchemaCommand.self,
    ])
}

/// Ends the process with the documented status: 1 the run failed, 2 wrong use or a wrong configuration, 130 interrupted.
struct Failure: Error {
  let status: Int32
  let message: String
}

@main enum Main {
  static func main() {
    // A reader that went away (simengine … | head) is no reason to die without a word.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try Simengine.parseAsRoot()
      try command.run()
      finishOutput()
    } catch let failure as Failure {
      if !failure.message.isEmpty { complain(failure.message) }
      exit(failure.status)
    } catch {
      let status = Simengine.exitCode(for: error)
      let text = Simengine.fullMessage(for: error)
      if status == .success {
        print(text)
        finishOutput()
        exit(0)
      }
      complain(text)
      exit(2)
    }
  }

  /// Ends with status 1 when not all of the output could be written: a table cut short on a full disk is not a success.
  /// A reader that has seen enough (simengine … | head) is no failure.
  static func finishOutput() {
    errno = 0
    guard fflush(stdout) != 0 || ferror(stdout) != 0 else { return }
    let code = errno
    var output = pollfd(fd: 1, events: Int16(POLLOUT), revents: 0)
    if code == EPIPE || (poll(&output, 1, 0) == 1 && output.revents & Int16(POLLERR) != 0) { return }
    complain("standard output: cannot be written" + (code == 0 ? "" : ": \(String(cString: strerror(code)))"))
    exit(1)
  }

  static func complain(_ text: String) {
    var bytes = Array((text + "\n").utf8)
    _ = write(2, &bytes, bytes.count)
  }
}
