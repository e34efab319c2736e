import Configuration
import Datasets
import Glibc

/// An experiment read from a file, checked.
public struct LoadedExperiment {
  public let experiment: ExperimentConfiguration
  /// The folder that relative input paths start from.
  public let folder: String
  public let warnings: Diagnostics

  /// Reads, extends and checks a configuration.
  ///
  /// - Parameters:
  ///   - options: `path=value` of the command line, laid over the file.
  ///   - seed: replaces the configuration's.
  ///   - refusesSweep: whether a configuration with a sweep is refused, with a hint.
  /// - Throws: `Diagnostics` with every error at once; `DataError` when the file cannot be read.
  public init(
    path: String, options: [String] = [], seed: UInt64? = nil, refusesSweep: Bool = false
  ) throws {
    let bytes = try FileBytes.read(path, limit: 64 << 20)
    folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    var json = try Self.document(bytes, path, options)
    if let seed { json.set("seed", .integer(Int(clamping: seed))) }
    let decoded = ExperimentConfiguration.decode(json)
    var diagnostics = decoded.diagnostics
    diagnostics.footer = "Schema: Configs/schema.json · try: simengine list"
    guard let experiment = decoded.value else { throw diagnostics }
    self.experiment = experiment
    var errors = Self.missingFiles(experiment, json, folder)
    if refusesSweep && !experiment.sweep.isEmpty {
      errors.append(
        Diagnostic(
          "the configuration is a sweep; run one point of it with --set, or all with `simengine sweep`", path: "sweep",
          at: json.member("sweep")?.keyPosition ?? .none))
    }
    if !errors.isEmpty { throw Diagnostics(errors: errors, footer: diagnostics.footer) }
    warnings = diagnostics
  }

  private static func document(_ bytes: [UInt8], _ path: String, _ options: [String]) throws -> JSON {
    do throws(Diagnostic) {
      var json = try JSON.parse(bytes, file: path)
      json = try json.extended(load: base)
      for option in options { json = try json.setting(option: option) }
      return json
    } catch {
      throw Diagnostics(errors: [error])
    }
  }

  private static func base(_ name: String, _ from: Source?) throws(Diagnostic) -> JSON {
    let folder = from?.name.lastIndex(of: "/").map { String((from?.name ?? "")[..<$0]) } ?? "."
    let path = name.hasPrefix("/") ? name : "\(folder)/\(name)"
    let bytes: [UInt8]
    do { bytes = try FileBytes.read(path, limit: 64 << 20) } catch { throw Diagnostic("\(error)", path: "extends") }
    return try JSON.parse(bytes, file: path)
  }

  /// One error for each input file that is not there.
  private static func missingFiles(_ e: ExperimentConfiguration, _ json: JSON, _ folder: String) -> [Diagnostic] {
    var wanted: [(key: String, path: String)] = []
    if let data = e.data { wanted += data.paths.map { ("data.\($0.key)", $0.path) } }
    for (name, set) in e.datasets { wanted += set.paths.map { ("datasets.\(name).\($0.key)", $0.path) } }
    for (name, m) in e.models {
      guard let file = m.initialWeights else { continue }
      wanted.append((json["model"] != nil && name == "main" ? "model.initialWeights" : "models.\(name).initialWeights", file))
    }
    for (i, s) in e.stages.enumerated() {
      wanted += s.body.inputPaths.map { ("stages.\(i).\(s.body.kind).\($0.key)", $0.path) }
    }
    return wanted.compactMap { key, path in
      let full = path.hasPrefix("/") ? path : "\(folder)/\(path)"
      guard access(full, R_OK) != 0 else { return nil }
      let position = json.value(at: key)?.position ?? .none
      return Diagnostic("\(full): \(String(cString: strerror(errno)))", path: key, at: position)
    }
  }
}

/// CSV tables, written whole or not at all.
enum CSVText {
  static func write(_ header: [String], _ rows: [[String]], to path: String) throws {
    try CSV.write(CSVTable(header: header, rows: rows), to: path)
  }
}
