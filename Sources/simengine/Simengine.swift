import ArgumentParser
import Configuration
import Experiments
@preconcurrency import Glibc
import LinearAlgebra

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
    BLAS.restartWithFittingKernels()
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
      complain(unknownCommand(text) ?? text)
      exit(2)
    }
  }

  /// Says which command was probably meant.
  private static func unknownCommand(_ text: String) -> String? {
    guard let word = CommandLine.arguments.dropFirst().first, !word.hasPrefix("-"),
      text.contains("Unexpected argument '\(word)'") || text.contains("unexpected arguments: '\(word)'")
    else { return nil }
    var names: [String] = []
    for command in Simengine.configuration.subcommands where command.configuration.shouldDisplay {
      if let name = command.configuration.commandName { names.append(name) }
    }
    guard !names.contains(word) else { return nil }
    return "\(word): no such command; \(didYouMean(word, among: names)) · simengine --help"
  }

  /// What is suspicious in a configuration that is accepted.
  static func warn(_ all: Diagnostics...) {
    let warnings = all.flatMap(\.warnings)
    if !warnings.isEmpty { complain("\(Diagnostics(errors: [], warnings: warnings))") }
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
