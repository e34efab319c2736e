import Configuration
@testable import Datasets
import Foundation
import Testing

/// A temporary folder with small sweeps, and the engine as a process on them.
final class SweepLaboratory: Sendable {
  let crash: CrashLaboratory
  var folder: String { crash.folder }
  /// 24 circuits of 8×8, which need no data.
  let circuit: String
  /// Six trainings of the crash tests' small experiment, some hundredths of a second each.
  let training: String

  init() throws {
    crash = try CrashLaboratory()
    circuit = crash.folder + "/circuit.json"
    training = crash.folder + "/training.json"
    try DurableFile.write(
      """
      { "name": "circuits",
        "hardware": { "kind": "crossbar", "device": { "onResistance": 1e5, "offResistance": 1e6 },
          "circuit": { "wireResistance": 2.5, "driverResistance": 100, "senseResistance": 100 } },
        "stages": [ { "circuit": { "conductance": { "random": { "rows": 8, "columns": 8 } },
          "inputs": { "random": { "vectors": 4 } } } } ],
        "sweep": { "hardware.circuit.wireResistance": [0, 1, 2.5, 5],
          "stages.circuit.conductance.random.seed": [1, 2, 3, 4, 5, 6] } }
      """, to: circuit)
    try DurableFile.write(
      """
      { "extends": "tiny.json", "name": "trainings", "stages": [
          { "train": { "epochs": 3, "batchSize": 16 } }, { "evaluate": {}, "label": "test" } ],
        "sweep": { "stages.train.optimizer.learningRate": [0.02, 0.05], "seed": [1, 2, 3] } }
      """, to: training)
  }

  /// Starts `sweep` with the folder `<folder>/<name>`.
  func start(
    _ config: String, _ name: String, _ more: [String] = [], environment: [String: String] = [:],
    tracer: [String] = []
  ) throws -> EngineProcess {
    try EngineProcess(
      ["sweep", config, "--output", "\(folder)/\(name)", "--oversubscribe"] + more, tracer: tracer,
      logs: "\(folder)/\(name)", environment: environment)
  }

  @discardableResult
  func sweep(_ config: String, _ name: String, _ more: [String] = []) throws -> EngineProcess.Ended {
    try start(config, name, more).wait()
  }

  /// summary.csv.
  func summary(_ name: String) throws -> CSVTable { try CSV.read("\(folder)/\(name)/summary.csv") }

  /// An untouched sweep's files. - Throws: when it does not end with status 0.
  func reference(_ config: String, _ name: String, _ more: [String] = []) throws -> SweepFiles {
    let ended = try sweep(config, name, more)
    try #require(ended.status == 0, "\(ended.errors)")
    return try SweepFiles("\(folder)/\(name)")
  }
}

/// What is compared of a sweep's folder: everything but wall-clock times and the machine.
struct SweepFiles {
  /// Bytes of the sweep's own files.
  var own: [String: [UInt8]] = [:]
  /// Files of the runs.
  var runs: [String: RunFiles] = [:]
  /// Names that should not be there.
  var strange: [String] = []

  init(_ folder: String) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      let path = "\(folder)/\(name)"
      if DurableFile.isFolder(path) {
        runs[name] = try RunFiles(path)
      } else if name == "timings.csv" {
        own[name] = Array(
          try CSV.read(path).rows.map { $0[0] }.joined(separator: "\n").utf8)
      } else if ["summary.csv", "sweep.json"].contains(name) {
        own[name] = try FileBytes.read(path)
      } else if !name.hasSuffix(".lock") {
        strange.append(name)
      }
    }
  }

  /// Where two sweeps differ; empty when they do not.
  func differences(from other: SweepFiles) -> [String] {
    var found = strange.map { "\($0) should not be there" }
    for name in Set(own.keys).union(other.own.keys).sorted() where own[name] != other.own[name] {
      found.append("\(name) differs")
    }
    for name in Set(runs.keys).union(other.runs.keys).sorted() {
      guard let a = runs[name], let b = other.runs[name] else {
        found.append("run \(name) is \(runs[name] == nil ? "missing" : "one too many")")
        continue
      }
      found += a.differences(from: b).map { "\(name): \($0)" }
    }
    return found
  }
}
