import Configuration
import Datasets
import Foundation
import LinearAlgebra
import Testing

@testable import Experiments

/// A folder with tiny data, in which configurations are written, loaded and run; it goes when the test ends.
///
/// The data: 48 training and 24 test images of 8×8 in 4 classes, one bright quarter each, with noise from a fixed rule.
final class Bench {
  let folder: String
  static let classes = 4
  static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// The data's part of a configuration.
  let data = """
    "data": { "format": "npy", "train": { "images": "x.npy", "labels": "y.npy" }, "test": { "images": "tx.npy", "labels": "ty.npy" } }
    """

  init() throws {
    folder = FileManager.default.temporaryDirectory.path + "/simengine-bench-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (prefix, count, salt) in [("", 48, 1), ("t", 24, 7)] {
      let (images, labels) = Self.samples(count, salt: salt)
      try Npy.write(Tensor(shape: [count, 8, 8], values: images), to: "\(folder)/\(prefix)x.npy")
      try Npy.write(NumericArray(shape: [count], elements: .int64(labels)), to: "\(folder)/\(prefix)y.npy")
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  static func samples(_ count: Int, salt: Int) -> (images: [Float], labels: [Int64]) {
    var images: [Float] = []
    var labels: [Int64] = []
    for i in 0..<count {
      let label = (i * 7 + salt) % classes
      for y in 0..<8 {
        for x in 0..<8 {
          let noise = Float((i * 131 + y * 29 + x * 53 + salt * 17) % 97) / 97
          images.append((y / 4 * 2 + x / 4 == label ? 0.6 : 0) + 0.4 * noise)
        }
      }
      labels.append(Int64(label))
    }
    return (images, labels)
  }

  @discardableResult
  func write(_ text: String, _ name: String = "c.json") throws -> String {
    try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
    return "\(folder)/\(name)"
  }

  /// A model and stages over the tiny data.
  func text(_ model: String, _ stages: String, more: String = "") -> String {
    "{ \"name\": \"lab\", \"figures\": false, \(data), \(model), \"stages\": [\(stages)]\(more) }"
  }

  func load(_ text: String, _ options: [String] = [], seed: UInt64? = nil) throws -> LoadedExperiment {
    try LoadedExperiment(path: write(text), options: options, seed: seed)
  }

  /// Runs in this process.
  /// - Returns: result.json, and the run's folder.
  func run(_ text: String, _ options: [String] = [], seed: UInt64? = nil, threads: Int = 1) throws -> (
    json: JSON, folder: String
  ) {
    let loaded = try load(text, options, seed: seed)
    try loaded.preflight(forRun: true)
    var runOptions = RunOptions(threads: threads)
    runOptions.output = "\(folder)/run-\(UUID().uuidString)"
    runOptions.quiet = true
    let run = Run(loaded, options: runOptions)
    switch try run.run() {
    case .done(let json, _), .diverged(_, let json): return (json, run.folder.path)
    }
  }

  /// What a configuration is refused with, before anything runs; records an issue if it is accepted.
  func refusal(_ text: String, _ options: [String] = [], sourceLocation: SourceLocation = #_sourceLocation) -> String {
    do {
      try load(text, options).preflight(forRun: true)
      Issue.record("was accepted: \(text)", sourceLocation: sourceLocation)
      return ""
    } catch { return "\(error)" }
  }

  /// The warnings of a configuration that is accepted.
  func warnings(_ text: String) throws -> String {
    let loaded = try load(text)
    return "\(loaded.warnings)\(try loaded.preflight(forRun: true))"
  }
}

extension JSON {
  /// The entry of result.json's "stages" with that label.
  func stage(_ label: String, model: String? = nil) throws -> JSON {
    try #require(
      self["stages"]?.array?.first { $0["label"]?.string == label && (model == nil || $0["model"]?.string == model) })
  }

  func metric(_ name: String) throws -> Double { try #require(self["metrics"]?[name]?.double, "\(name)") }
  func series(_ name: String) -> [Double] { (self["series"]?[name]?.array ?? []).compactMap(\.double) }
}

/// The engine as a process, for what only a process has: exit status and two streams.
struct Engine {
  /// SIMENGINE_BINARY, the binary built beside these tests, or the one `make build` left; nil if there is none.
  static let binary: String? = {
    var candidates = [ProcessInfo.processInfo.environment["SIMENGINE_BINARY"]].compactMap { $0 }
    for argument in ["/proc/self/exe"] + CommandLine.arguments where argument.contains("/") {
      let url = URL(fileURLWithPath: argument).resolvingSymlinksInPath().deletingLastPathComponent()
      candidates.append(url.appendingPathComponent("simengine").path)
    }
    candidates += [".build-tests/release", ".build/release"].map { "\(Bench.package)/\($0)/simengine" }
    var isFolder: ObjCBool = false
    return candidates.first {
      FileManager.default.isExecutableFile(atPath: $0)
        && FileManager.default.fileExists(atPath: $0, isDirectory: &isFolder) && !isFolder.boolValue
    }
  }()

  struct Outcome {
    var status: Int32
    var output: String
    var errors: String
  }

  /// Runs the engine in `folder` until it ends.
  /// - Parameter interruptAfter: it gets an interrupt once this file is there.
  static func run(_ arguments: [String], in folder: String, interruptAfter file: String? = nil) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(binary))
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    let stem = "\(folder)/streams-\(UUID().uuidString)"
    for name in [".out", ".err"] { FileManager.default.createFile(atPath: stem + name, contents: nil) }
    process.standardOutput = try #require(FileHandle(forWritingAtPath: stem + ".out"))
    process.standardError = try #require(FileHandle(forWritingAtPath: stem + ".err"))
    process.standardInput = FileHandle.nullDevice
    try process.run()
    if let file {
      let path = "\(folder)/\(file)"
      while process.isRunning && !FileManager.default.fileExists(atPath: path) { Thread.sleep(forTimeInterval: 0.05) }
      process.interrupt()
      // An engine that does not hear it must not hold up the tests for ever.
      let patience = Date(timeIntervalSinceNow: 60)
      while process.isRunning && Date() < patience { Thread.sleep(forTimeInterval: 0.05) }
      if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }
    process.waitUntilExit()
    func text(_ name: String) throws -> String { try String(contentsOfFile: stem + name, encoding: .utf8) }
    return try Outcome(status: process.terminationStatus, output: text(".out"), errors: text(".err"))
  }
}
