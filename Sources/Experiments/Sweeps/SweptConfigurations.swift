import Configuration
import Datasets

/// The resolved configurations of a sweep's points, for what points do not set themselves.
///
/// What a key is by default follows from names, switches, objects, and what is there at all (a kind, a preset, an
/// optional part), never from a number. So one resolved configuration stands for all points that differ in numbers
/// alone, whose own are laid over it: of ten thousand points a few are decoded, and none where nothing is asked.
final class SweptConfigurations {
  private let base: JSON
  /// Every path that the sweep gives values, in order.
  private let paths: [String]
  private var examples: [String: Example] = [:]
  /// One for each shape of point that was asked about, in that order.
  private(set) var resolved: [JSON] = []

  private struct Example {
    var configuration: JSON
    /// What was asked for before: the value here, and the swept paths whose numbers are part of it.
    var found: [String: (value: JSON?, parts: [String])] = [:]
  }

  /// - Parameter base: the configuration without its sweep.
  init(base: JSON, paths: [String]) {
    self.base = ExperimentConfiguration.expandingShorthands(in: base)
    self.paths = paths
  }

  /// The value at a path for a point: its own, that of the configuration, or the default; nil where it has none.
  ///
  /// - Parameters:
  ///   - values: what the point sets.
  ///   - folder: of its run, whose config.json is read where today's keys refuse the configuration.
  /// - Throws: `RunError` when the configuration cannot be had.
  func value(at path: String, of values: [String: JSON], folder: String? = nil) throws(RunError) -> JSON? {
    if let value = values[path] { return value }
    let shape = shape(of: values)
    if examples[shape] == nil {
      let configuration = try configuration(of: values, folder)
      examples[shape] = Example(configuration: configuration)
      resolved.append(configuration)
    }
    guard let example = examples[shape] else { return nil }
    let found = example.found[path] ?? find(path, in: example.configuration)
    if example.found[path] == nil { examples[shape]?.found[path] = found }
    let own = found.parts.filter { values[$0]?.double != nil }
    if own.isEmpty { return found.value }
    var configuration = example.configuration
    for part in own {
      guard let value = values[part] else { continue }
      configuration = (try? configuration.setting(path: configuration.resolvedPath(part), to: value)) ?? configuration
    }
    return configuration.resolvedValue(at: path)
  }

  /// What the sweep makes of a point; nil if today's keys refuse it.
  /// - Parameter isTaken: which of its values are set.
  func resolved(_ values: [String: JSON], where isTaken: (JSON) -> Bool = { _ in true }) -> JSON? {
    var json = base
    for path in paths {
      guard let value = values[path], isTaken(value) else { continue }
      guard let next = try? json.setting(path: path, to: value) else { return nil }
      json = next
    }
    return ExperimentConfiguration.decode(json).value?.resolved
  }

  private func configuration(of values: [String: JSON], _ folder: String?) throws(RunError) -> JSON {
    // Numbers that do not go together are no reason to have no defaults: conditions are asked before points are checked.
    if let found = resolved(values) ?? resolved(values, where: { $0.double == nil }) { return found }
    if let folder, let bytes = try? FileBytes.read("\(folder)/config.json"),
      let found = try? JSON.parse(bytes, dialect: .strict)
    {
      return found
    }
    throw RunError(
      "\(folder ?? "sweep"): has no config.json that can be read, and this version refuses the sweep's configuration; "
        + "remove the folder to leave the run out")
  }

  /// What points that share a configuration have in common: everything but their numbers.
  private func shape(of values: [String: JSON]) -> String {
    paths.map { path in values[path].map { $0.double == nil ? $0.canonical : "#" } ?? "" }.joined(separator: "\u{1f}")
  }

  private func find(_ path: String, in configuration: JSON) -> (value: JSON?, parts: [String]) {
    guard let place = configuration.place(of: configuration.resolvedPath(path)) else { return (nil, []) }
    let parts = paths.filter { configuration.place(of: configuration.resolvedPath($0))?.starts(with: place) == true }
    return (configuration.resolvedValue(at: path), parts)
  }
}

extension JSON {
  /// A value of a resolved configuration.
  func resolvedValue(at path: String) -> JSON? { value(at: resolvedPath(path)) }

  /// A path in a resolved configuration, in which the one model is called main whatever the user wrote.
  func resolvedPath(_ path: String) -> String {
    guard path == "model" || path.hasPrefix("model."), value(at: path) == nil else { return path }
    return "models.main" + path.dropFirst("model".count)
  }
}
