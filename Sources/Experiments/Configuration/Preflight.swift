import Compression
import Configuration
import Datasets
import Glibc
import LinearAlgebra
import NeuralNetworks

/// Data sets that were read to look at their shapes; the run takes them from here.
public final class DataCache: @unchecked Sendable {
  /// By the key of `datasets`; empty for `data`.
  var sets: [String: ImageDataset] = [:]
  private let shelf: DataShelf?

  init(_ shelf: DataShelf? = nil) { self.shelf = shelf }

  /// The set of that key, read if it was not yet. - Throws: `DataError` naming the file.
  func set(_ key: String, _ data: DataConfiguration, resolve: (String) -> String) throws -> ImageDataset {
    if let set = sets[key] { return set }
    let name = key.isEmpty ? "data" : key
    let set = try shelf?.set(name, data, resolve: resolve) ?? data.load(name: name, resolve: resolve)
    sets[key] = set
    return set
  }
}

/// Data sets that a process keeps from one experiment to the next: the points of a sweep mostly share theirs.
final class DataShelf {
  private var kept: [(key: String, set: ImageDataset)] = []
  /// A sweep over the data must not gather all of them in memory.
  private static let capacity = 2

  func set(_ name: String, _ data: DataConfiguration, resolve: (String) -> String) throws -> ImageDataset {
    var read = data.resolved
    // What is done to samples as they are used is no part of what is read.
    for key in ["normalize", "augment"] { read.set(key, nil) }
    let key = "\(name) \(resolve("")) \(read.canonical)"
    if let found = kept.first(where: { $0.key == key }) { return found.set }
    let set = try data.load(name: name, resolve: resolve)
    kept = kept.suffix(Self.capacity - 1) + [(key, set)]
    return set
  }
}

/// What a network needs to know of its data.
struct DataFacts {
  var shape: Shape
  var classes: Int
  /// Samples that are left to learn from.
  var train: Int
  var test: Int
  var hasValidation: Bool
}

/// A stage that measures a part of its data set.
protocol MeasuringStage: Stage {
  /// The part, with the key that names it.
  var measured: (key: String, split: Split)? { get }
  /// Samples of one pass.
  var batchSize: Int { get }
  /// Values held for each activation: 2 when gradients are.
  var valuesPerActivation: Double { get }
}

extension MeasuringStage {
  var valuesPerActivation: Double { 1 }
}

extension LoadedExperiment {
  /// Looks at everything that can be known before a run: that data sets are there and can be read, networks fit them,
  /// initial weights fit the networks, layers named by hardware exist, optimizers suit the arrays, inputs of stages fit.
  ///
  /// - Parameter forRun: refuses a named data set that is not on this machine, which is a warning otherwise.
  /// - Returns: what is suspicious.
  /// - Throws: `Diagnostics` with everything that is wrong.
  @discardableResult
  public func preflight(forRun: Bool) throws -> Diagnostics {
    var check = Preflight(self, forRun: forRun)
    check.run()
    let found = Diagnostics(errors: check.errors, warnings: check.warnings, footer: Self.footer)
    if !found.errors.isEmpty { throw found }
    return found
  }
}

extension String {
  fileprivate func replacingPrefix(_ prefix: String, with other: String) -> String {
    hasPrefix(prefix) ? other + dropFirst(prefix.count) : self
  }
}

private struct Preflight {
  let loaded: LoadedExperiment
  let experiment: ExperimentConfiguration
  let forRun: Bool
  var errors: [Diagnostic] = []
  var warnings: [Diagnostic] = []
  /// By the key of `datasets`; empty for `data`. nil: not to be had, which was said.
  var facts: [String: DataFacts] = [:]
  /// Networks with their weights still zero, by the model's name.
  var networks: [String: Model] = [:]
  var hardware: [String: (configuration: any HardwareConfiguration, place: String)] = [:]
  /// Models that the stages looked at so far make.
  var made: [String] = []
  /// The form in which earlier stages hold channels of a model at zero.
  var masks: [String: PruningForm] = [:]
  /// Channels that earlier stages took by counts, by model: which layers they could take them from, and how many.
  var counted: [String: [(layers: Set<String>, count: Int)]] = [:]

  init(_ loaded: LoadedExperiment, forRun: Bool) {
    self.loaded = loaded
    experiment = loaded.experiment
    self.forRun = forRun
  }

  mutating func run() {
    if let data = experiment.data { look(at: data, key: "", place: "data") }
    for (name, set) in experiment.datasets { look(at: set, key: name, place: "datasets.\(name)") }
    for (name, model) in experiment.models { look(at: model, name: name) }
    for (i, stage) in experiment.stages.enumerated() { look(at: stage, place: "stages.\(i)") }
    sweep()
  }

  // MARK: Complaints

  private mutating func refuse(_ message: String, at path: String, hint: String = "") {
    errors.append(Diagnostic(message, hint: hint, path: path, at: loaded.position(of: path)))
  }

  private mutating func warn(_ message: String, at path: String, hint: String = "") {
    warnings.append(
      Diagnostic(message, hint: hint, path: path, at: loaded.position(of: path), severity: .warning))
  }

  private func place(ofModel name: String) -> String {
    loaded.document["model"] != nil && name == "main" ? "model" : "models.\(name)"
  }

  // MARK: Data

  private mutating func look(at data: DataConfiguration, key: String, place: String) {
    var isRead = true
    do {
      if let name = data.dataset, !forRun {
        let named = try DatasetRegistry.named(name)
        do { _ = try named.paths(folder: data.folder.map(loaded.resolve)) } catch {
          warn("\(error)", at: data.folder == nil ? "\(place).dataset" : "\(place).folder")
          isRead = false
        }
      }
      if isRead {
        _ = try loaded.cache.set(key, data, resolve: loaded.resolve)
      }
    } catch {
      // The set is called as the key that stands before the sentence.
      let sentence = "\(error)".replacingPrefix("\(key.isEmpty ? "data" : key): ", with: "")
      let file = data.paths.first { sentence.hasPrefix(loaded.resolve($0.path) + ":") }
      let key =
        sentence.contains("validation")
        ? "validation"
        : data.imbalance != nil && sentence.contains("class")
          ? "imbalance" : data.limit != nil && sentence.contains("limit") ? "limit" : "dataset"
      refuse(
        sentence,
        at: file.map { "\(place).\($0.key)" } ?? (data.dataset == nil && key == "dataset" ? place : "\(place).\(key)"))
      return
    }
    let found: (shape: [Int], classes: Int, train: Int, test: Int, hasValidation: Bool)
    if let set = loaded.cache.sets[key] {
      found = (set.sampleShape, set.classes, set.train.count, set.test.count, set.validation != nil)
    } else if let named = data.dataset.flatMap(DatasetRegistry.find) {
      found = (named.sampleShape, named.classes, named.trainCount, named.testCount, data.validation > 0)
    } else {
      return
    }
    facts[key] = DataFacts(
      shape: Run.inputShape(found.shape), classes: found.classes, train: found.train, test: found.test,
      hasValidation: found.hasValidation)
    checkNormalize(data, channels: found.shape.last ?? 1, place: place)
    checkAugment(data, found.shape, place: place)
    let available = found.train + (loaded.cache.sets[key]?.validation?.count ?? 0)
    for (part, limit, count) in [("train", data.limit?.train, available), ("test", data.limit?.test, found.test)] {
      // An imbalanced part has fewer samples than were taken.
      if let limit, limit > count, part == "test" || data.imbalance == nil {
        warn(
          "\(limit) is more than the \(count) samples there are", at: "\(place).limit.\(part)", hint: "all are taken")
      }
    }
  }

  private mutating func checkNormalize(_ data: DataConfiguration, channels: Int, place: String) {
    guard let normalize = data.normalize else { return }
    for (key, values) in [("mean", normalize.mean), ("deviation", normalize.deviation)]
    where values.count != 1 && values.count != channels {
      refuse(
        "found \(values.count) values, the samples have \(channels) channel\(channels == 1 ? "" : "s")",
        at: "\(place).normalize.\(key)", hint: channels == 1 ? "give one" : "give one, or one for each channel")
    }
  }

  private mutating func checkAugment(_ data: DataConfiguration, _ shape: [Int], place: String) {
    guard let augment = data.augment, augment.flip || augment.padding > 0 else { return }
    guard shape.count == 3 else {
      refuse("the samples are \(shape.reduce(1, *)) features, only images can be augmented", at: "\(place).augment")
      return
    }
    let side = max(shape[0], shape[1])
    if augment.padding > side {
      refuse(
        "\(augment.padding) pixels of padding around images of \(shape[0])×\(shape[1])", at: "\(place).augment.padding",
        hint: "expected at most \(side)")
    }
  }

  private func facts(of stage: StageConfiguration?) -> DataFacts? {
    if let name = stage?.dataset { return facts[name] }
    return experiment.data != nil ? facts[""] : experiment.datasets.first.flatMap { facts[$0.key] }
  }

  // MARK: Models

  private mutating func look(at model: ModelConfiguration, name: String) {
    let at = place(ofModel: name)
    hardware[name] = (model.hardware, "\(at).hardware")
    if let from = model.from {
      networks[name] = networks[from]
    } else if model.ensemble.isEmpty {
      // Without data the shape is not known: an export of a network that needs none is the only use.
      let data = facts(of: nil)
      if data == nil && (experiment.data != nil || !experiment.datasets.isEmpty) { return }
      guard let data else {
        refuse("the network's input is not known without data", at: at, hint: "give \"data\", such as \"mnist-5k\"")
        return
      }
      do {
        networks[name] = try model.make(input: data.shape, classes: data.classes)
      } catch {
        refuse("\(error)", at: model.architecture == nil ? "\(at).layers" : at)
        return
      }
      if let file = model.initialWeights { checkWeights(file, name, at: "\(at).initialWeights") }
      if let file = model.structure, let network = networks[name] {
        do { try WeightFile.shrink(network, to: loaded.resolve(file)) } catch {
          refuse("\(error)", at: "\(at).structure")
        }
      }
    } else {
      let members = model.ensemble.compactMap { networks[$0] }
      networks[name] = members.first
      for (i, member) in members.enumerated() where member.output.shape != members[0].output.shape {
        refuse("gives \(member.output.shape), the first member \(members[0].output.shape)", at: "\(at).ensemble.\(i)")
      }
      return
    }
    checkLayers(of: name)
  }

  private mutating func checkWeights(_ file: String, _ name: String, at path: String) {
    guard let network = networks[name] else { return }
    do { try WeightFile.load(loaded.resolve(file), into: network, pool: ThreadPool(threads: 1)) } catch {
      refuse("\(error)", at: path)
    }
  }

  /// Hardware that speaks of layers by name must find them, and be consistent for each.
  private mutating func checkLayers(of name: String) {
    guard let network = networks[name], let (configuration, at) = hardware[name] else { return }
    let names = network.weights.map(\.node.name)
    checkFiles(of: configuration, name, at: at) { configuration.pattern(forLayer: $0) == nil }
    for pattern in configuration.layers.keys.sorted() {
      let path = "\(at).layers.\(pattern.contains(".") ? "\"\(pattern)\"" : pattern)"
      guard names.contains(where: { globMatches(pattern, $0) }) else {
        refuse("no layer with weights is called that", at: path, hint: didYouMean(pattern, among: names))
        continue
      }
      guard let one = names.first(where: { configuration.pattern(forLayer: $0) == pattern }) else { continue }
      do {
        let own = try configuration.configuration(forLayer: one)
        checkFiles(of: own, name, at: path) { configuration.pattern(forLayer: $0) == pattern }
      } catch let found as Diagnostics {
        for d in found.errors { refuse(d.message, at: path, hint: d.hint) }
      } catch { refuse("\(error)", at: path) }
    }
  }

  /// Files that the hardware of some layers is made from.
  private mutating func checkFiles(
    of configuration: any HardwareConfiguration, _ name: String, at path: String, for isMeant: (String) -> Bool
  ) {
    guard let network = networks[name] else { return }
    let layers = network.weights.filter { isMeant($0.node.name) }
    if layers.isEmpty { return }
    do {
      for layer in layers {
        let array = layer.weights.arrays[0]
        do {
          try configuration.checkInputs(outputs: array.outputs, inputs: array.inputs, resolve: loaded.resolve)
        } catch let problem as InputProblem where layers.count > 1 && problem.key.hasSuffix("map") {
          throw InputProblem(key: problem.key, description: "layer \(layer.node.name): \(problem.description)")
        }
      }
    } catch let problem as InputProblem {
      refuse(problem.description, at: "\(path).\(problem.key)")
    } catch { refuse("\(error)", at: path) }
  }

  // MARK: Stages

  private mutating func look(at stage: StageConfiguration, place at: String) {
    let body = stage.body
    let path = "\(at).\(body.kind)"
    do { try body.checkInputs(in: experiment, resolve: loaded.resolve) } catch { refuse("\(error)", at: path) }
    guard body.needsModel else { return }
    let targets = (stage.models ?? experiment.models.map(\.key) + made).filter {
      body is any EnsembleStage || !isEnsemble($0)
    }
    if let name = stage.result { made.append(name) }
    if let map = body as? MapStage {
      for target in targets {
        let name = stage.result ?? target
        networks[name] = networks[target]
        hardware[name] = (map.hardware, "\(path).hardware")
        masks[name] = masks[target]
        counted[name] = counted[target]
        checkLayers(of: name)
      }
    }
    if let train = body as? TrainStage {
      checkOptimizer(train, targets, at: path)
      checkLearning(targets, at: path)
      if let prune = train.prune {
        let schedule = prune.schedule(epochs: train.epochs)
        checkPruning(prune.choice, events: schedule.events, targets, stage, at: "\(path).prune")
        if prune.removeAtEnd { for target in targets { masks[target] = nil } }
      } else {
        checkMasks(targets, at: path)
      }
    }
    if let prune = body as? PruneStage { checkPruning(prune.choice, events: 1, targets, stage, at: path) }
    if let relevance = body as? RelevanceStage { checkRelevance(relevance, targets, stage, at: path) }
    if body is ReinitializeStage { checkReinitialized(targets, stage, at: path) }
    if let evaluate = body as? EvaluateStage { checkDevices(evaluate, targets, at: path) }
    guard body.needsData, let data = facts(of: stage) else { return }
    for target in targets {
      guard let network = networks[target] else { continue }
      guard network.inputShape == data.shape, network.output.shape.count == data.classes else {
        refuse(
          "samples of \(data.shape) in \(data.classes) classes, but model \(target) takes \(network.inputShape) and gives "
            + "\(network.output.shape.count) classes", at: stage.dataset == nil ? at : "\(at).dataset",
          hint: "models take their shape from `data`")
        continue
      }
      if let measuring = body as? any MeasuringStage { checkMemory(measuring, network, data, at: path) }
    }
    if let measured = (body as? any MeasuringStage)?.measured, measured.split == .validation, !data.hasValidation {
      refuse(
        "the data have no validation part", at: "\(path).\(measured.key)",
        hint: "hold one out of the training part: \"validation\": 0.1 in the data")
    }
  }

  private func isEnsemble(_ name: String) -> Bool {
    experiment.models.first { $0.key == name }.map { !$0.value.ensemble.isEmpty } ?? false
  }

  private mutating func checkOptimizer(_ train: TrainStage, _ targets: [String], at path: String) {
    guard let stateful = train.optimizer.stateful else { return }
    for target in targets {
      guard let network = networks[target], let (configuration, _) = hardware[target] else { continue }
      let layer = network.weights.map(\.node.name).first {
        (try? configuration.configuration(forLayer: $0).updatesInArray) ?? false
      }
      guard let layer else { continue }
      refuse(
        TrainStage.sentence(stateful.what, model: target, layer: layer), at: "\(path).optimizer.\(stateful.key)",
        hint: TrainStage.arrayHint)
    }
  }

  private mutating func checkRelevance(
    _ relevance: RelevanceStage, _ targets: [String], _ stage: StageConfiguration, at path: String
  ) {
    for target in targets {
      guard let network = networks[target] else { continue }
      do { try relevance.check(network, name: target) } catch { refuse("\(error)", at: path) }
    }
    if let inputs = relevance.inputs, let set = loaded.cache.sets[stage.dataset ?? ""],
      let count = try? set.part(relevance.split.split).count, let i = inputs.firstIndex(where: { $0 >= count })
    {
      refuse("there is no sample \(inputs[i])", at: "\(path).inputs.\(i)", hint: "the part has \(count), from 0")
    }
    if let wanted = relevance.samples { warnOfSamples(wanted, relevance.split.split, stage, at: path) }
    let first = relevance.samples.map { wanted in { (count: Int) in Array(0..<min(wanted, count)) } }
    checkClasses(split: relevance.split.split, { "first \($0)" }, first, stage, at: path)
  }

  private mutating func checkClasses(of keys: PruningChoice, _ stage: StageConfiguration, at path: String) {
    guard keys.criterion is RelevanceConfiguration else { return }
    let seed = experiment.seed
    let drawn = keys.samples.map { wanted in
      { (count: Int) in ScoredSamples.chosen(wanted, of: count, seed: seed) }
    }
    checkClasses(split: keys.split == .train ? .train : .validation, { "\($0) drawn" }, drawn, stage, at: path)
  }

  private mutating func warnOfSamples(_ wanted: Int, _ split: Split, _ stage: StageConfiguration, at path: String) {
    guard let set = loaded.cache.sets[stage.dataset ?? ""], let part = try? set.part(split), part.count < wanted else {
      return
    }
    warn(
      "\(wanted) is more than the \(part.count) samples of the \(split.rawValue) part", at: "\(path).samples",
      hint: "all are taken")
  }

  /// Means over classes want samples of each.
  ///
  /// - Parameters:
  ///   - naming: what so many samples are called where they are a part only.
  ///   - chosen: of so many samples, those that are looked at; nil for all.
  private mutating func checkClasses(
    split: Split, _ naming: (Int) -> String, _ chosen: ((Int) -> [Int])?, _ stage: StageConfiguration, at path: String
  ) {
    guard let set = loaded.cache.sets[stage.dataset ?? ""], let part = try? set.part(split) else { return }
    let looked = chosen?(part.count) ?? Array(0..<part.count)
    let present = Set(looked.map { part.labels[$0] })
    guard let missing = (0..<set.classes).first(where: { !present.contains(numericCast($0)) }) else { return }
    let isPart = looked.count < part.count
    refuse(
      "there are no samples of class \(missing) (\(set.classNames[missing])) among the "
        + "\(isPart ? naming(looked.count) : "\(part.count)") of the \(split.rawValue) part, and relevance is a mean "
        + "over classes", at: isPart ? "\(path).samples" : "\(path).split", hint: isPart ? "take more" : "")
  }

  /// Some arrays can be read only.
  private mutating func checkLearning(_ targets: [String], at path: String) {
    for target in targets {
      guard let network = networks[target], let (configuration, _) = hardware[target] else { continue }
      for layer in network.weights.map(\.node.name) {
        guard let own = try? configuration.configuration(forLayer: layer), let reason = own.reasonNotToLearn else {
          continue
        }
        refuse(
          "layer \(layer) of model \(target) cannot be trained with its \(reason.key): \(reason.sentence)", at: path,
          hint:
            "train on other hardware and put the weights on this one by a map stage, or digital layers by \"layers\"")
        break
      }
    }
  }

  private mutating func checkPruning(
    _ keys: PruningChoice, events: Int, _ targets: [String], _ stage: StageConfiguration, at path: String
  ) {
    var found: [(key: String, sentence: String, hint: String)] = []
    for target in targets {
      let made = stage.result ?? target
      if made != target {
        networks[made] = networks[target]
        hardware[made] = hardware[target]
        masks[made] = masks[target]
        counted[made] = counted[target]
      }
      if let held = masks[target], held != keys.form {
        found.append(
          (
            "form", Pruner.whyFormsDiffer(held, keys.form) + " in model \(target)",
            "use one form in all stages, or \"removeAtEnd\": true in the first"
          ))
      }
      guard let network = networks[target] else { continue }
      let taken = keys.check(network, events: events, gone: counted[target] ?? []) { found.append(($0, $1, $2)) }
      if let taken { counted[made, default: []].append(taken) }
      if keys.form != .removed && keys.share != 0 { masks[made] = keys.form }
      guard keys.form != .removed, let (configuration, _) = hardware[target] else { continue }
      if let layer = layerWithoutZeros(network, configuration) {
        found.append(
          (
            "form",
            "\(keys.form.rawValue) channels are held at zero, but layer \(layer) of model \(target) is on an array "
              + "that is no digital memory", "form \"removed\" works on every array"
          ))
      }
    }
    if keys.split == .validation, keys.needsSamples, let data = facts(of: stage), !data.hasValidation {
      found.append(
        (
          "split", "the data have no validation part",
          "hold one out of the training part: \"validation\": 0.1 in the data"
        ))
    }
    if let wanted = keys.samples, keys.needsSamples {
      warnOfSamples(wanted, keys.split == .train ? .train : .validation, stage, at: path)
    }
    var said: Set<String> = []
    for (key, sentence, hint) in found where said.insert(sentence).inserted {
      refuse(sentence, at: "\(path).\(key)", hint: hint)
    }
    checkClasses(of: keys, stage, at: path)
  }

  /// What earlier stages hold at zero must be held while the model learns on.
  private mutating func checkMasks(_ targets: [String], at path: String) {
    for target in targets {
      guard let form = masks[target], let network = networks[target], let (configuration, _) = hardware[target] else {
        continue
      }
      guard let layer = layerWithoutZeros(network, configuration) else { continue }
      refuse(
        "channels of model \(target) are held at zero (form \"\(form.rawValue)\"), but its layer \(layer) is on an array "
          + "that is no digital memory", at: path, hint: "prune in form \"removed\", which works on every array")
    }
  }

  /// A layer whose array holds no exact zeros.
  private func layerWithoutZeros(_ network: Model, _ configuration: any HardwareConfiguration) -> String? {
    network.weights.map(\.node.name).first {
      guard let own = try? configuration.configuration(forLayer: $0) else { return false }
      return (own as? DigitalConfiguration)?.hasPlainWeights != true
    }
  }

  private mutating func checkReinitialized(_ targets: [String], _ stage: StageConfiguration, at path: String) {
    for target in targets {
      if let form = masks[target] {
        refuse(
          "channels of model \(target) are held at zero (form \"\(form.rawValue)\"), and drawing all weights anew would "
            + "bring them back", at: path, hint: "prune in form \"removed\" for a control of the same shape")
      }
      let made = stage.result ?? target
      networks[made] = networks[target]
      hardware[made] = hardware[target]
      counted[made] = counted[target]
    }
  }

  /// Chips and ages are for hardware of devices.
  private mutating func checkDevices(_ evaluate: EvaluateStage, _ targets: [String], at path: String) {
    guard let (key, reason) = evaluate.deviceKey else { return }
    for target in targets {
      let parts = members(of: target)
      let known = parts.filter { networks[$0] != nil && hardware[$0] != nil }
      guard known.count == parts.count else { continue }
      let isOnDevices = known.contains { part in
        guard let network = networks[part], let (configuration, _) = hardware[part] else { return false }
        return configuration.hasDevices(inLayers: network.weights.map(\.node.name))
      }
      if !isOnDevices {
        refuse(
          "model \(target) is on digital hardware, \(reason)", at: "\(path).\(key)",
          hint: "write it to crossbars first with a map stage, or name with \"models\" those that are on crossbars")
      }
    }
  }

  /// The model itself, or all that an ensemble is made of.
  private func members(of name: String) -> [String] {
    let members = experiment.models.first { $0.key == name }?.value.ensemble ?? []
    return members.isEmpty ? [name] : members.flatMap { self.members(of: $0) }
  }

  private mutating func checkMemory(_ stage: any MeasuringStage, _ network: Model, _ data: DataFacts, at path: String) {
    let samples = Double(min(stage.batchSize, max(data.train, data.test)))
    let activations = network.nodes.reduce(Double(network.inputShape.count)) { $0 + Double($1.shape.count) }
    do {
      try requireMemory(values: samples * activations * stage.valuesPerActivation, "activations of such a batch")
    } catch { refuse("\(error)", at: "\(path).batchSize") }
  }

  // MARK: Sweep

  /// A sweep is its points: each must be a configuration, and find what it needs. What is wrong with the configuration
  /// itself is wrong if a point has it as well.
  private mutating func sweep() {
    guard !experiment.sweep.isEmpty else { return }
    do {
      let plan = try SweepPlan(document: loaded.document, folder: loaded.folder)
      let suspicious = plan.warnings.warnings.filter { !Self.contains(loaded.warnings.warnings, $0) }
      // A run takes the configuration as it stands.
      if forRun { return warnings += suspicious }
      let found = try Self.points(of: plan)
      errors = Self.merged(errors, found.errors)
      warnings = Self.merged(warnings, found.warnings) + suspicious
    } catch let found as Diagnostics { errors += found.errors } catch { refuse("\(error)", at: "sweep") }
  }

  private static func points(of plan: SweepPlan) throws -> Diagnostics {
    do { return try plan.preflight(Array(plan.points.indices), forRun: false) } catch let found as Diagnostics {
      return found
    }
  }

  /// What points have, in the words of the configuration itself where it has it too.
  private static func merged(_ own: [Diagnostic], _ points: [Diagnostic]) -> [Diagnostic] {
    own.filter { contains(points, $0) } + points.filter { !contains(own, $0) }
  }

  private static func contains(_ list: [Diagnostic], _ found: Diagnostic) -> Bool {
    list.contains { $0.path == found.path && $0.position.offset == found.position.offset }
  }
}
