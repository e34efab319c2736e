import Foundation

/// A peer in a process of its own, which times work on request (peers/*.py): a line of words in, a JSON object out.
///
/// It says first what it is; a request it cannot serve is answered with an error, which `run` throws.
final class PeerProcess {
  /// Rates in samples per second: by the median step or pass, the fastest, all samples over all time; by wall clock and
  /// by processor time of all its threads.
  struct Answer: Decodable {
    var samplesPerSecond: Double?
    var best: Double?
    var mean: Double?
    var cpuSamplesPerSecond: Double?
    var cpuMean: Double?
    /// Largest |peer − exact| / |exact| of the outputs, where the peer knows them.
    var relativeError: Double?
    /// In the first answer: the peer's name and version.
    var peer: String?
    var error: String?
  }

  private let process = Process()
  private let requests = Pipe()
  private let answers = Pipe()
  private var buffer = Data()
  private(set) var name = ""

  /// - Parameter script: a file of Benchmarks/peers.
  /// - Throws: when the peer does not start; the message is its own.
  init(python: String, script: String, arguments: [String] = []) throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../peers/\(script)").standardized.path
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = [file] + arguments
    process.standardInput = requests
    process.standardOutput = answers
    try process.run()
    name = try answer().peer ?? "?"
  }

  private func answer() throws -> Answer {
    while true {
      if let end = buffer.firstIndex(of: 10) {
        let line = buffer[buffer.startIndex..<end]
        buffer = Data(buffer[(end + 1)...])
        let answer = try JSONDecoder().decode(Answer.self, from: line)
        if let error = answer.error { throw PeerError(description: error) }
        return answer
      }
      let more = answers.fileHandleForReading.availableData
      if more.isEmpty { throw PeerError(description: "the peer ended without an answer") }
      buffer.append(more)
    }
  }

  func run(_ words: Any...) throws -> Answer {
    let line = "run " + words.map { "\($0)" }.joined(separator: " ") + "\n"
    requests.fileHandleForWriting.write(Data(line.utf8))
    return try answer()
  }

  func quit() {
    requests.fileHandleForWriting.write(Data("quit\n".utf8))
    process.waitUntilExit()
  }
}

struct PeerError: Error, CustomStringConvertible {
  var description: String
}
