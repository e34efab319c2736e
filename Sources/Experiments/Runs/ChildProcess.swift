import Foundation

/// A program that is run and waited for on the calling thread.
///
/// Foundation's, not swift-subprocess: the engine is synchronous, and awaiting an asynchronous child from a thread of
/// Swift's cooperative pool (which tests run on) blocks for ever once all its threads, two on two cores, wait so.
enum ChildProcess {
  struct Result {
    var status: Int32
    var output: Data
    /// Last line that the program wrote to its standard error.
    var complaint: String?
    /// The program is not installed.
    var isMissing: Bool { status == 127 }
  }

  /// - Parameter name: looked for on the PATH.
  static func run(_ name: String, _ arguments: [String]) -> Result {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [name] + arguments
    process.standardInput = FileHandle.nullDevice
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    do { try process.run() } catch { return Result(status: 127, output: Data(), complaint: "\(error)") }
    // Both are read at the same time: a full pipe would stop the program.
    let complaints = Complaints()
    let isRead = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      complaints.data = errors.fileHandleForReading.readDataToEndOfFile()
      isRead.signal()
    }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    isRead.wait()
    process.waitUntilExit()
    let text = String(decoding: complaints.data, as: UTF8.self)
    return Result(
      status: process.terminationReason == .exit ? process.terminationStatus : -1, output: data,
      complaint: text.split(separator: "\n").last.map(String.init))
  }

  private final class Complaints: @unchecked Sendable { var data = Data() }
}
