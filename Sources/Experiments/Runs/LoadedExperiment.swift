import Configuration
import Datasets
import Glibc

/// An experiment read from a file, checked.
public struct LoadedExperiment {
  public let experiment: ExperimentConfiguration
  /// The folder that relative input paths start from.
  public let folder: String
  public let warnings: Diagnostics
  /// The document as it was written, with `extends` and `--set` carried out: where things stand.
  let document: JSON
  /// What was read on the way, for the run.
  let cache = DataCache()

  static let footer = "Schema: Configs/schema.json · try: simengine list"

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
    document = json
    let decoded = ExperimentConfiguration.decode(json)
    var diagnostics = decoded.diagnostics
    diagnostics.footer = Self.footer
    guard let experiment = decoded.value else { throw diagnostics }
    self.experiment = experiment
    var errors = Self.missingFiles(experiment, json, folder)
    if refusesSweep && !experiment.sweep.isEmpty {
      errors.append(
        Diagnostic(
          "the configuration is a sweep, and run does one experiment",
          hint: "`simengine sweep` runs every point; --set 'sweep={}' leaves the sweep out", path: "sweep",
          at: json.member("sweep")?.keyPosition ?? .none))
    }
    if !errors.isEmpty { throw Diagnostics(errors: errors, footer: diagnostics.footer) }
    warnings = diagnostics
  }

  private static func document(_ bytes: [UInt8], _ path: String, _ options: [String]) throws -> JSON {
    do throws(Diagnostic) {
      var json = try JSON.parse(bytes, file: path)
      json = try json.extended(load: base)
      if !options.isEmpty { json = ExperimentConfiguration.expandingShorthands(in: json) }
      for option in options { json = try json.setting(option: option) }
      return json
    } catch {
      throw Diagnostics(errors: [error])
    }
  }

  private static func base(_ name: String, _ from: Source?) throws(Diagnostic) -> JSON {
    let path = path(name, from: from?.name.lastIndex(of: "/").map { String((from?.name ?? "")[..<$0]) } ?? ".")
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
      let place = json["model"] != nil && name == "main" ? "model" : "models.\(name)"
      if let file = m.initialWeights { wanted.append(("\(place).initialWeights", file)) }
      if let file = m.structure { wanted.append(("\(place).structure", file)) }
    }
    for (i, s) in e.stages.enumerated() {
      wanted += s.body.inputPaths.map { ("stages.\(i).\(s.body.kind).\($0.key)", $0.path) }
    }
    return wanted.compactMap { key, path in
      let full = Self.path(path, from: folder)
      guard access(full, R_OK) != 0 else { return nil }
      let code = errno
      let found = code == ENOENT ? "no such file" : String(cString: strerror(code))
      var hint = ""
      if full != path {
        hint = "paths start from the configuration's folder"
        if access(path, R_OK) == 0 { hint += ", not from the working directory, where there is one" }
      }
      return Diagnostic("\(full): \(found)", hint: hint, path: key, at: Self.position(of: key, in: json))
    }
  }

  /// A path of the configuration, from the configuration's folder.
  func resolve(_ path: String) -> String { Self.path(path, from: folder) }

  private static func path(_ path: String, from folder: String) -> String {
    path.hasPrefix("/") || folder == "." ? path : "\(folder)/\(path)"
  }

  /// Where the value at a path of the configuration stands, or what is nearest to it.
  func position(of path: String) -> Position { Self.position(of: path, in: document) }

  private static func position(of path: String, in json: JSON) -> Position {
    var keys = path.split(separator: ".").map(String.init)
    while !keys.isEmpty {
      if let value = json.value(at: keys.joined(separator: ".")) { return value.position }
      keys.removeLast()
    }
    return json.position
  }
}

/// CSV tables, written whole or not at all.
enum CSVText {
  static func write(_ header: [String], _ rows: [[String]], to path: String) throws {
    try CSV.write(CSVTable(header: header, rows: rows), to: path)
  }
}
