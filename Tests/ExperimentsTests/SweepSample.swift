import Configuration
import Datasets
import Foundation

@testable import Experiments

/// Writes a sweep's folder as `simengine sweep` leaves it, without running anything: what became of a point is asked of
/// a closure.
struct SweepSample {
  enum Outcome {
    case done([(String, Double)])
    case diverged(String)
    case failed(String)
    case pending
  }
  typealias Values = [String: JSON]

  /// Adc is models.main.hardware.converters.adcBits, and so on.
  static let adc = "model.hardware.converters.adcBits"
  static let wire = "model.hardware.circuit.wireResistance"
  static let rate = "stages.train.optimizer.learningRate"

  let folder: String
  var name = "sample"
  var machine = SweepSample.machine("A")
  var version = "0.1.0"
  private(set) var ids: [String] = []
  private(set) var summary = CSVTable(header: ["run"])

  static func machine(_ processor: String, threads: Int = 1) -> JSON {
    [
      "processor": .string(processor), "cores": 2, "threads": .integer(threads), "blas": "OpenBLAS test",
      "kernels": "portable",
    ]
  }

  /// Taken instead of the usual configuration.
  var document: JSON?

  /// A configuration that the engine accepts: an MLP on crossbars, trained and tested.
  private func config(_ name: String) -> JSON {
    if let document { return document }
    return [
      "name": .string(name), "seed": 1, "data": "mnist-5k",
      "model": ["architecture": "mlp", "hardware": ["kind": "crossbar", "rows": 64, "columns": 64]],
      "stages": [["train": ["epochs": 4]], ["evaluate": ["split": "test"], "label": "test"]],
    ]
  }

  init(_ folder: String) { self.folder = folder }

  /// - Parameters:
  ///   - axes: crossed, the last fastest.
  ///   - epochs: rows of epochs.csv under trainLoss, trainAccuracy and testAccuracy.
  ///   - points: an axis of explicit points before the others.
  mutating func write(
    axes: [(path: String, values: [JSON])], points: [(label: String?, values: Values)] = [],
    epochs: ((Values) -> [(Double, Double, Double)])? = nil, outcome: (Values) -> Outcome
  ) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let base = config(name)
    var combinations: [(label: String?, values: Values)] =
      points.isEmpty ? [(nil, [:])] : points.map { ($0.label, $0.values) }
    for axis in axes {
      combinations = combinations.flatMap { c in
        axis.values.map { v in (c.label, c.values.merging([axis.path: v]) { _, new in new }) }
      }
    }
    var pointPaths: [String] = []
    for p in points { for path in p.values.keys.sorted() where !pointPaths.contains(path) { pointPaths.append(path) } }
    let paths = pointPaths + axes.map(\.path)
    var listed: [JSON] = []
    var rows:
      [(id: String, status: String, label: String?, values: Values, metrics: [(String, Double)], message: String)] =
        []
    for c in combinations {
      var document = ExperimentConfiguration.expandingShorthands(in: base)
      for path in paths { if let value = c.values[path] { document = try document.setting(path: path, to: value) } }
      let resolved = try ExperimentConfiguration.decode(document).get().resolved
      let id = String(SHA256.hex(of: Array(resolved.canonical.utf8)).prefix(12))
      ids.append(id)
      var point = JSON.object([
        ("id", .string(id)), ("values", .object(paths.compactMap { p in c.values[p].map { (p, $0) } })),
      ])
      if let label = c.label { point.set("label", .string(label)) }
      listed.append(point)
      let run = "\(folder)/\(id)"
      let outcome = outcome(c.values)
      if case .pending = outcome { continue }
      try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
      try (resolved.written(pretty: true) + "\n").write(
        toFile: run + "/config.json", atomically: false, encoding: .utf8)
      if let epochs {
        let table = CSVTable(
          header: ["model", "stage", "epoch", "learningRate", "trainLoss", "trainAccuracy", "testAccuracy"],
          rows: epochs(c.values).enumerated().map { e, v in
            ["main", "train", "\(e + 1)", "0.1", "\(v.0)", "\(v.1)", "\(v.2)"]
          })
        try Data(CSV.encode(table)).write(to: URL(fileURLWithPath: run + "/epochs.csv"))
      }
      switch outcome {
      case .done(let metrics):
        try writeResult(run, id, resolved, "done", metrics, "")
        rows.append((id, "done", c.label, c.values, metrics, ""))
      case .diverged(let message):
        try writeResult(run, id, resolved, "diverged", [], message)
        rows.append((id, "diverged", c.label, c.values, [], message))
      case .failed(let message):
        let failure: JSON = ["status": "failed", "message": .string(message), "point": .object([])]
        try failure.written(pretty: true).write(toFile: run + "/failure.json", atomically: false, encoding: .utf8)
        rows.append((id, "failed", c.label, c.values, [], message))
      case .pending: break
      }
    }
    let labelled = points.contains { $0.label != nil }
    let axisList: [JSON] =
      (points.isEmpty
        ? [] : [.object([("paths", .array(pointPaths.map { .string($0) }))] + (labelled ? [("label", "point")] : []))])
      + axes.map { ["paths": [.string($0.path)]] }
    var sweep = JSON.object(axes.map { ($0.path, .array($0.values)) })
    let written = points.map { p -> JSON in
      let values = p.values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
      return .object((p.label.map { [("label", .string($0))] } ?? []) + values)
    }
    if !written.isEmpty { sweep.set("points", .array(written)) }
    let record: JSON = [
      "name": .string(name), "version": .string(version), "folder": ".", "config": base, "sweep": sweep,
      "axes": .array(axisList), "points": .array(listed),
    ]
    try record.written(pretty: true).write(toFile: folder + "/sweep.json", atomically: false, encoding: .utf8)
    var names: [String] = []
    for r in rows { for m in r.metrics where !names.contains(m.0) { names.append(m.0) } }
    summary = CSVTable(header: ["run", "status"] + (labelled ? ["point"] : []) + paths + names + ["message"])
    for r in rows {
      let values = Dictionary(r.metrics, uniquingKeysWith: { a, _ in a })
      summary.rows.append(
        [r.id, r.status] + (labelled ? [r.label ?? ""] : [])
          + paths.map { r.values[$0].map { $0.string ?? $0.written() } ?? "" }
          + names.map { values[$0].map { CSV.number($0) } ?? "" } + [r.message])
    }
    try writeSummary()
    let timings = CSVTable(header: ["run", "seconds"], rows: rows.map { [$0.id, "1.5"] })
    try Data(CSV.encode(timings)).write(to: URL(fileURLWithPath: folder + "/timings.csv"))
  }

  /// The index, newer than every result.
  func writeSummary() throws {
    let path = folder + "/summary.csv"
    try Data(CSV.encode(summary)).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: 2)], ofItemAtPath: path)
  }

  /// In the order of keys in which the engine writes it.
  func writeResult(
    _ run: String, _ id: String, _ config: JSON, _ status: String, _ metrics: [(String, Double)], _ message: String
  ) throws {
    var json = JSON.object([
      ("name", config["name"] ?? JSON(.null)), ("runID", .string(id)), ("status", .string(status)),
      ("seed", config["seed"] ?? 1), ("version", .string(version)), ("config", config),
      (
        "stages", [["stage": "train", "label": "train", "model": "main", "metrics": [:], "series": [:], "tables": [:]]]
      ),
      ("metrics", .object(metrics.map { ($0.0, .number($0.1)) })), ("machine", machine),
      ("timings", ["main.train": 1.25, "main.test": 0.25]),
    ])
    if !message.isEmpty { json.set("message", .string(message)) }
    try (json.written(pretty: true) + "\n").write(toFile: run + "/result.json", atomically: false, encoding: .utf8)
  }
}

/// A folder that goes when the test ends.
final class Scratch {
  let folder: String
  init() throws {
    folder = FileManager.default.temporaryDirectory.path + "/simengine-scratch-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: folder) }
}
