import Configuration
import Crossbars
import Datasets
import LinearAlgebra
import NeuralNetworks

/// What a configuration can name.
public enum Catalogue: String, CaseIterable, Sendable {
  case models, datasets, devices, hardware, stages, layers, criteria

  public func listing(titled: Bool) -> String {
    var table = TextTable(header: [singular, "what it is"])
    table.leftColumns = [0, 1]
    table.rows = entries.map { [$0.name, $0.summary] }
    let problems = self == .devices ? DevicePresets.shipped.problems.map { "\n" + $0 }.joined() : ""
    return table.text() + problems + (titled ? "\n" : "")
  }

  var singular: String {
    switch self {
    case .hardware: "hardware"
    case .criteria: "criterion"
    default: String(rawValue.dropLast())
    }
  }

  var entries: [(name: String, summary: String)] {
    switch self {
    case .models: Architecture.all.map { ($0.name, $0.summary) }
    case .datasets: DatasetRegistry.all.map { ($0.name, $0.description) }
    case .devices:
      DevicePresets.shipped.presets.map { p in
        let d = p.file.device.device
        return (p.name, "\(p.file.summary); R_on \(brief(d.onResistance)) Ω, R_off \(brief(d.offResistance)) Ω")
      }
    case .hardware: hardwareVariants().map { ($0.title, $0.documentation) }
    case .stages: stageVariants().map { ($0.title, $0.documentation) }
    case .layers: layerVariants().map { ($0.title, $0.documentation) }
    case .criteria: criterionVariants().map { ($0.title, $0.documentation) }
    }
  }

  private func brief(_ x: Double) -> String { x == x.rounded() && abs(x) < 1e15 ? grouped(Int(x)) : "\(x)" }
}

/// What `simengine describe` says.
public enum Description {
  /// - Throws: `RunError` for a name nobody knows.
  public static func text(_ name: String, options: [String]) throws -> String {
    if name.hasSuffix(".json") { return try models(ofConfiguration: name, options: options) }
    if let a = Architecture.named(name) {
      var json = JSON.object([("architecture", .string(name))])
      do throws(Diagnostic) {
        for o in options { json = try json.setting(option: o) }
      } catch {
        throw Diagnostics(errors: [error])
      }
      let c = try ModelConfiguration.decode(json).get()
      guard c.architecture == name else { throw RunError("--set changes options of \(name), not which network it is") }
      return "\(a.name): \(a.summary)\n\n" + layers(of: try c.make(input: a.usualInput, classes: a.usualClasses))
    }
    if name == "device" { return DeviceReport.keys }
    if let d = DatasetRegistry.find(name) {
      return """
        \(d.name): \(d.description)

        samples   \(grouped(d.trainCount)) train, \(grouped(d.testCount)) test
        shape     \(d.sampleShape.map(String.init).joined(separator: "×"))
        classes   \(d.classes): \(d.classNames.prefix(12).joined(separator: ", "))\(d.classes > 12 ? ", …" : "")
        licence   \(d.licence)
        source    \(d.source)
        """
    }
    // One name may stand for several things (a linear layer, a linear device).
    let found = [Catalogue.stages, .hardware, .layers, .criteria, .devices].compactMap { kind in
      kind.entries.first { $0.name == name }.map {
        (kind == .devices ? DeviceReport.text(name) : nil)
          ?? "\(kind.singular) \($0.name): \($0.summary)" + keys(of: name, kind)
      }
    }
    if found.isEmpty, let keys = Self.part(name) { return keys }
    if !found.isEmpty {
      guard options.isEmpty else { throw RunError("--set changes the options of a model; \(name) is none") }
      return found.joined(separator: "\n\n")
    }
    let all = Catalogue.allCases.flatMap { $0.entries.map(\.name) } + parts.map(\.path)
    let hint = didYouMean(name, among: all)
    throw RunError(
      "\(name): nothing is called that"
        + (hint.hasPrefix("did") ? "; \(hint)" : "; `simengine list` shows all names, and a file ends in .json"))
  }

  static func keys(of name: String, _ kind: Catalogue) -> String {
    let entries: [KeyDescription]
    switch kind {
    case .stages: entries = stageVariants().first { $0.title == name }?.keys ?? []
    case .hardware: entries = hardwareVariants().first { $0.title == name }?.keys ?? []
    case .layers: entries = layerVariants().first { $0.title == name }?.keys ?? []
    case .criteria: entries = criterionVariants().first { $0.title == name }?.keys ?? []
    default: entries = []
    }
    return entries.isEmpty ? "" : "\n\n" + keyTable(entries) + further(name)
  }

  /// The objects within others that have keys of their own, by their paths.
  private static let parts: [(path: String, summary: String, keys: [KeyDescription])] = {
    func part<C: Configurable>(_ path: String, _ type: C.Type) -> (String, String, [KeyDescription]) {
      (path, C.documentation, C.keys)
    }
    return [
      part("crossbar.circuit", CircuitConfiguration.self), part("crossbar.converters", ConvertersConfiguration.self),
      part("crossbar.update", UpdateConfiguration.self), part("crossbar.slices", SlicingConfiguration.self),
      part("crossbar.costs", CostsConfiguration.self), part("train.optimizer", OptimizerConfiguration.self),
      part("train.schedule", ScheduleConfiguration.self), part("train.loss", LossConfiguration.self),
      part("train.prune", PruneConfiguration.self), part("data", DataConfiguration.self),
      part("data.normalize", DataConfiguration.Normalize.self), part("data.augment", DataConfiguration.Augment.self),
      part("data.imbalance", DataConfiguration.Imbalance.self), part("data.limit", DataConfiguration.Limit.self),
      part("model", ModelConfiguration.self),
    ]
  }()

  /// - Parameter name: a path, or its end.
  private static func part(_ name: String) -> String? {
    parts.first { $0.path == name || $0.path.hasSuffix(".\(name)") }.map { path, summary, keys in
      "\(path): \(summary)\n\n" + keyTable(keys) + further(path)
    }
  }

  /// Where to go on from a table of keys: the objects in it that have tables of their own.
  private static func further(_ name: String) -> String {
    let inner = parts.map(\.path).filter { $0.hasPrefix("\(name).") }
    return inner.isEmpty ? "" : "\n\nMore keys: " + inner.map { "`simengine describe \($0)`" }.joined(separator: ", ")
  }

  static func keyTable(_ entries: [KeyDescription]) -> String {
    var table = TextTable(header: ["key", "value", "default", "meaning"])
    table.leftColumns = [0, 1, 2, 3]
    table.limits = [1: 36, 2: 24, 3: 72]
    table.rows = entries.map { [$0.name, $0.value, $0.defaultValue, $0.documentation] }
    return table.text()
  }

  private static func models(ofConfiguration path: String, options: [String]) throws -> String {
    let loaded = try LoadedExperiment(path: path, options: options)
    return try loaded.models().map { name, model in "\(name)\n\n" + layers(of: model) }.joined(separator: "\n\n")
  }

  /// Layers, shapes, parameters and multiply–accumulates of a model.
  static func layers(of model: Model) -> String {
    var table = TextTable(header: ["layer", "kind", "output", "weights", "parameters", "MACs"])
    table.leftColumns = [0, 1]
    table.rows.append(["input", "", model.inputShape.description, "", "", ""])
    for node in model.nodes {
      let shapes = node.layer.weights.map { w in w.torchShape.map(String.init).joined(separator: "×") }
      table.rows.append([
        node.name, node.layer.kind, node.shape.description, shapes.joined(separator: ", "),
        node.parameterCount == 0 ? "" : grouped(node.parameterCount),
        node.multiplyAccumulates == 0 ? "" : grouped(node.multiplyAccumulates),
      ])
    }
    table.rows.append(["total", "", "", "", grouped(model.parameterCount), grouped(model.multiplyAccumulates)])
    return table.text()
  }
}

extension LoadedExperiment {
  /// The configuration's own networks, with the shapes that their data give them.
  /// - Throws: `ModelError` when a network does not fit the images, `DataError` when these cannot be read.
  func models() throws -> [(name: String, model: Model)] {
    try experiment.models.compactMap { name, c in
      guard c.from == nil && c.ensemble.isEmpty else { return nil }
      let (shape, classes) = try dataShape()
      do { return (name, try c.make(input: shape, classes: classes)) } catch let error as ModelError {
        throw RunError("models.\(name): \(error.description)")
      }
    }
  }

  private func dataShape() throws -> (Shape, Int) {
    guard let data = experiment.data ?? experiment.datasets.first?.value else {
      return (Shape(height: 28, width: 28, channels: 1), 10)
    }
    let (shape, classes): ([Int], Int)
    if let name = data.dataset, let named = DatasetRegistry.find(name) {
      (shape, classes) = (named.sampleShape, named.classes)
    } else {
      let set = try data.load(name: "data", resolve: resolve)
      (shape, classes) = (set.sampleShape, set.classes)
    }
    return (
      shape.count == 3
        ? Shape(height: shape[0], width: shape[1], channels: shape[2]) : Shape(features: shape.reduce(1, *)), classes
    )
  }

}

/// The JSON Schema of configurations.
public func experimentSchema() -> String {
  ExperimentConfiguration.schema(title: "simengine experiment").written(pretty: true)
}
