import Configuration
import Datasets
import Glibc
import LinearAlgebra
import NeuralNetworks

/// The engine's version, in every result.
public let engineVersion = "0.1.0"

/// What the command line adds to a configuration; none of it changes a result.
public struct RunOptions {
  public var threads: Int
  public var output: String?
  public var resume = false
  public var force = false
  public var quiet = false
  /// What is kept beside config.json, result.json and epochs.csv.
  public var keeps = Set(KeptFiles.allCases)
  /// Seconds of work between checkpoints. A run that ends before the first makes no state/ folder and takes no lock of
  /// its own: a sweep's tiny runs spend more on those than on themselves, and the sweep's lock stands for all.
  public var checkpointInterval = 0.0
  /// Takes the folder's lock at once for all that: other processes may be at the same run.
  public var isShared = false

  public init(threads: Int? = nil) {
    self.threads = threads ?? Machine.cores
  }
}

/// Files that a run leaves for people and other programs, and a sweep of thousands only on request.
public enum KeptFiles: String, CaseIterable, Sendable {
  /// models/*.safetensors: the weights at the end.
  case models
  /// figures/: SVG with their data and scripts.
  case figures
  /// A circuit's currents.npy, where the configuration does not name the file.
  case currents
  /// timings.csv, which repeats result.json's timings.
  case timings

  /// The file or folder, in the run's own.
  var name: String {
    switch self {
    case .models, .figures: rawValue
    case .currents: "currents.npy"
    case .timings: "timings.csv"
    }
  }
}

/// How a run ended.
public enum RunOutcome {
  /// Its result.json; `already` when it had been finished before.
  case done(JSON, already: Bool)
  /// Training went astray: the sentence, and result.json with status "diverged".
  case diverged(String, JSON)
}

/// One model of a run.
final class RunModel {
  let name: String
  let configuration: ModelConfiguration
  /// nil for an ensemble.
  var model: Model?
  var members: [RunModel] = []
  /// What its weights are on now.
  private(set) var hardware: any HardwareConfiguration = DigitalConfiguration()
  /// The weights that its arrays were given, by layer, and the number of updates the model had then: devices hold them
  /// as well as they can.
  private var given: (weights: [NamedTensor], updates: Int)?
  var history = ModelHistory()

  init(_ name: String, _ configuration: ModelConfiguration) {
    self.name = name
    self.configuration = configuration
  }

  /// Moves the weights onto hardware. - Parameter seed: of the run.
  func place(
    on hardware: any HardwareConfiguration, seed: UInt64, resolve: (String) -> String, pool: ThreadPool
  ) throws {
    guard let model else { return }
    self.hardware = hardware
    given =
      hardware.hasDevices
      ? (
        model.weights.flatMap { node, weights -> [NamedTensor] in
          [("given/\(node.name).\(weights.name)", weights.matrix)]
            + (weights.bias.map { [("given/\(node.name).\($0.name)", $0.tensor)] } ?? [])
        }, model.updates
      ) : nil
    try model.place(pool: pool) {
      try hardware.configuration(forLayer: $0).hardware(seed: seed, resolve: resolve)
    }
  }

  /// The weights that were given to the model's arrays, for a checkpoint; none when it has learnt since.
  var givenWeights: [NamedTensor] {
    get { given.flatMap { $0.updates == model?.updates ? $0.weights : nil } ?? [] }
    set { given = newValue.isEmpty ? nil : (newValue, model?.updates ?? 0) }
  }

  /// Follows the model, which lost channels.
  func follow(_ moves: ChannelMoves?) {
    guard let moves, let (weights, updates) = given, updates == model?.updates else { return }
    given = (weights.map { ($0.name, moves.select($0.tensor, of: String($0.name.dropFirst("given/".count)))) }, updates)
  }

  /// What to write to another chip: the weights that this one was given or, if it has learnt since, those it holds.
  func intendedWeights(_ layer: String, _ weights: Weights) -> Tensor {
    let found = givenWeights.first { $0.name == "given/\(layer).\(weights.name)" }?.tensor
    return found.flatMap { $0.shape == [weights.outputs, weights.inputs] ? $0 : nil } ?? weights.matrix
  }

  /// The same for a layer's bias, where arrays hold it.
  func intendedBias(_ layer: String, _ weights: Weights) -> Tensor? {
    guard let bias = weights.bias else { return nil }
    let found = givenWeights.first { $0.name == "given/\(layer).\(bias.name)" }?.tensor
    return weights.holdsBias ? found.flatMap { $0.count == bias.count ? $0 : nil } ?? bias.tensor : bias.tensor
  }

  /// The models whose networks are run: itself, or an ensemble's members.
  var parts: [RunModel] { model == nil ? members.flatMap(\.parts) : [self] }
  var networks: [Model] { parts.compactMap(\.model) }
}

/// Carries out an experiment: models and data, stage after stage, with a checkpoint after each piece of work.
public final class Run {
  let configuration: ExperimentConfiguration
  let resolved: JSON
  /// The first twelve hexadecimal digits of the SHA-256 of the canonical resolved configuration.
  public let id: String
  public let folder: RunFolder
  let options: RunOptions
  let pool: ThreadPool
  let progress: Progress
  /// Where relative input paths start.
  private let baseFolder: String
  var models: [RunModel] = []
  private var loaded: [String: ImageDataset] = [:]
  var checkpoint = Checkpoint()
  /// The piece of work under way.
  private var unit: (number: Int, unit: Unit)?
  /// A number that no other piece of work of this run has.
  var unitNumber: Int { unit?.number ?? 0 }
  private var savedAt = Progress.now()
  /// Whether the folder has a lock and a state/ folder of this run.
  private var isTaken = false

  /// - Parameter loaded: the configuration and the folder of its file.
  public init(_ loaded: LoadedExperiment, options: RunOptions) {
    configuration = loaded.experiment
    resolved = loaded.experiment.resolved
    self.loaded = loaded.cache.sets
    baseFolder = loaded.folder
    self.options = options
    id = String(SHA256.hex(of: Array(resolved.canonical.utf8)).prefix(12))
    folder = RunFolder(options.output ?? "Results/\(loaded.experiment.name)/\(id)")
    pool = ThreadPool(threads: options.threads)
    progress = Progress(quiet: options.quiet)
  }

  /// A path of the configuration, from the configuration's folder.
  func inputPath(_ path: String) -> String { path.hasPrefix("/") ? path : "\(baseFolder)/\(path)" }

  /// A path that a stage writes to, from the run's folder.
  ///
  /// Its folder is there afterwards, and without what a killed process left of this file.
  /// - Throws: `DataError` when the folder cannot be made or read.
  func outputPath(_ path: String) throws -> String {
    let full = path.hasPrefix("/") ? path : folder.file(path)
    if let slash = full.lastIndex(of: "/"), slash > full.startIndex {
      try DurableFile.makeFolders(String(full[..<slash]))
    }
    try DurableFile.removeStale(of: full)
    return full
  }

  // MARK: Running

  /// - Throws: `Interruption` on Ctrl-C (what was done is kept), `Refusal` when the command line must not do this,
  ///   anything else whose description is a sentence.
  public func run() throws -> RunOutcome {
    if let outcome = try earlierOutcome() { return outcome }
    var isNew = false
    switch try folder.state() {
    case .unfinished where !options.force && !options.resume:
      try folder.requireIdle()
      throw Refusal("\(folder.path): an unfinished run lies here; --resume goes on with it, --force starts over")
    case .empty: isNew = true
    default: break
    }
    if options.checkpointInterval == 0 || options.isShared || folder.exists("state") {
      try take()
      // Another process may have finished it in the meantime.
      if let outcome = try earlierOutcome() {
        if options.isShared { try folder.clearState() }
        return outcome
      }
    } else {
      try folder.prepare()
    }
    do {
      try begin()
    } catch {
      if isNew { folder.leave() } else { leaveLock() }
      throw error
    }
    do {
      try runStages()
    } catch let divergence as Divergence {
      progress.end()
      try writeEpochs()
      let result = resultJSON(status: "diverged", message: divergence.description)
      try DurableFile.write(result.written(pretty: true) + "\n", to: folder.file("result.json"))
      // Whether there is a checkpoint is a matter of time then, and what a run leaves must not be.
      if options.checkpointInterval > 0 && folder.exists("state") { try folder.clearState() }
      return .diverged(
        divergence.description
          + (folder.exists("state/checkpoint.safetensors")
            ? ". The last checkpoint is kept in \(folder.file("state"))" : ""),
        result)
    } catch {
      leaveLock()
      throw error
    }
    progress.end()
    let result = try finish()
    return .done(result, already: false)
  }

  /// Removes the state of a run that did not come to its end and has nothing in it but a lock that others asked for.
  private func leaveLock() {
    if options.isShared && !folder.exists("state/checkpoint.safetensors") { try? folder.clearState() }
  }

  private func take() throws {
    if let warning = try folder.take() { progress.say("warning: \(warning)") }
    isTaken = true
  }

  /// What the run that lies here ended in, if it has ended; a run is not repeated without --force.
  private func earlierOutcome() throws -> RunOutcome? {
    guard !options.force, case .finished(let result) = try folder.state() else { return nil }
    guard result["runID"]?.string == id else {
      throw Refusal(
        "\(folder.path): holds another experiment's results (run \(result["runID"]?.string ?? "?"), this is \(id)); "
          + "give --output another folder, or --force to replace them")
    }
    switch result["status"]?.string {
    case "done":
      // A run killed in its very last moment leaves its state behind.
      if folder.exists("state") {
        do {
          try folder.requireIdle()
          try folder.clearState()
        } catch is Refusal {} catch { progress.say("warning: \(error)") }
      }
      return .done(result, already: true)
    case "diverged":
      return .diverged(
        (result["message"]?.string ?? "training diverged") + " (found in \(folder.path); --force runs it again)", result
      )
    default: return nil
    }
  }

  /// Everything before the first stage: models in memory, as new or as the checkpoint has them.
  private func begin() throws {
    var saved: Checkpoint?
    if !options.force && folder.exists("state/checkpoint.safetensors") {
      let found = try Checkpoint.read(folder.file("state/checkpoint.safetensors"))
      guard found.run == id else {
        throw Refusal(
          "\(folder.path): the unfinished run there has another configuration (run \(found.run), this is \(id)); "
            + "--force starts over")
      }
      saved = found
    } else if folder.exists("config.json") || folder.exists("result.json") {
      try folder.clearResults(earlierFiles())
    }
    try DurableFile.write(
      resolved.written(pretty: true) + "\n", to: folder.file("config.json"), isLast: options.checkpointInterval == 0)
    try makeModels()
    if let saved { try restore(saved) }
  }

  /// The files that the run of the config.json in the folder writes for its stages and models.
  private func earlierFiles() -> [String] {
    guard let bytes = try? FileBytes.read(folder.file("config.json")),
      let json = try? JSON.parse(bytes, file: "config.json", dialect: .strict),
      let earlier = ExperimentConfiguration.decode(json).value
    else { return [] }
    var models = earlier.models.map(\.key)
    var files: [String] = []
    for (stage, label) in zip(earlier.stages, earlier.labels) {
      files += stage.body.outputPaths(label: label, models: stage.models ?? models)
      if let made = stage.result { models.append(made) }
    }
    // What lies outside the folder is not this run's to remove.
    return files.filter { !$0.hasPrefix("/") && !$0.split(separator: "/").contains("..") }
      + models.map { "models/\($0).safetensors" }
  }

  /// A stage on a model; the pieces of work between which a run can stop.
  private struct Unit {
    var stage: Int
    /// Its name; nil for a stage without a model.
    var model: String?
  }

  /// Every piece of work in order, each on the models that are there when its stage comes.
  ///
  /// Told by the configuration alone: a run that is resumed has later models in hand already, and must still count the
  /// pieces of work as it did before.
  private var plan: [Unit] {
    var known = configuration.models.map { (name: $0.key, isEnsemble: !$0.value.ensemble.isEmpty) }
    var units: [Unit] = []
    for (i, stage) in configuration.stages.enumerated() {
      if stage.body.needsModel {
        let chosen = stage.models.map { names in names.compactMap { n in known.first { $0.name == n } } } ?? known
        for m in chosen where !m.isEnsemble || stage.body is any EnsembleStage {
          units.append(Unit(stage: i, model: m.name))
        }
      } else {
        units.append(Unit(stage: i, model: nil))
      }
      if let made = stage.result { known.append((made, false)) }
    }
    return units
  }

  private func context(_ unit: Unit) -> StageContext {
    let stage = configuration.stages[unit.stage]
    let label = configuration.labels[unit.stage]
    return StageContext(
      run: self, stage: stage, label: label, target: models.first { $0.name == unit.model },
      result: StageResult(stage: stage.body.kind, label: label, model: unit.model ?? ""))
  }

  /// The model that a piece of work changes: what its stage makes, or the one that it is done to.
  private func changed(by unit: Unit) -> Model? {
    let name = configuration.stages[unit.stage].result ?? unit.model
    return models.first { $0.name == name }?.model
  }

  private func runStages() throws {
    for (number, unit) in plan.enumerated() where number >= checkpoint.unitsDone {
      let context = context(unit)
      if number == checkpoint.unitsDone, let current = checkpoint.current { context.result = current }
      self.unit = (number, unit)
      try InterruptionFlag.check()
      let start = Progress.now()
      try context.stage.body.run(context)
      progress.end()
      addTiming(unit.model.map { "\($0).\(context.label)" } ?? context.label, Progress.now() - start)
      checkpoint.results.append(context.result)
      checkpoint.unitsDone = number + 1
      checkpoint.current = nil
      checkpoint.epochsDone = 0
      checkpoint.optimizer = []
      checkpoint.spent = []
      try save()
    }
  }

  func addTiming(_ name: String, _ seconds: Double) {
    if let i = checkpoint.timings.firstIndex(where: { $0.name == name }) {
      checkpoint.timings[i].seconds += seconds
    } else {
      checkpoint.timings.append((name, seconds))
    }
  }

  /// Writes the checkpoint, and epochs.csv as far as it goes.
  func save() throws {
    // Kept for the next checkpoint, even where this one is not due: later pieces of work change the structure again.
    if let (number, unit) = unit { checkpoint.structures[number] = changed(by: unit)?.structure }
    // What came before counts as done only when a checkpoint says so.
    guard Progress.now() - savedAt >= options.checkpointInterval else { return }
    if !isTaken { try take() }
    checkpoint.run = id
    checkpoint.models = models.compactMap { m in m.model.map { (m.name, $0.checkpoint + m.givenWeights) } }
    checkpoint.histories = models.filter { $0.model != nil }.map { ($0.name, $0.history) }
    try checkpoint.write(to: folder.file("state/checkpoint.safetensors"))
    try writeEpochs()
    savedAt = Progress.now()
  }

  private func restore(_ saved: Checkpoint) throws {
    // Stages that changed a model's hardware or shape do so again; its values come from the checkpoint.
    let units = plan
    for (number, unit) in units.prefix(saved.unitsDone).enumerated() {
      let context = context(unit)
      context.recorded = saved.structures[number]
      if let remake = context.stage.body as? any RestructuringStage { try remake.restructure(context) }
    }
    // The piece of work under way may have shrunk its model by now.
    if saved.unitsDone < units.count, let structure = saved.structures[saved.unitsDone] {
      try changed(by: units[saved.unitsDone])?.select(structure)
    }
    for (name, tensors) in saved.models {
      guard let found = models.first(where: { $0.name == name }), let model = found.model else {
        throw RunError(
          "\(folder.path): the checkpoint holds a model \(name) that the configuration does not; --force starts over")
      }
      try model.restore(Dictionary(tensors.map { ($0.name, $0.tensor) }, uniquingKeysWith: { a, _ in a }))
      found.givenWeights = tensors.filter { $0.name.hasPrefix("given/") }
    }
    for (name, history) in saved.histories { models.first { $0.name == name }?.history = history }
    checkpoint = saved
    progress.say(
      "resuming \(folder.path) after \(saved.unitsDone) stages"
        + (saved.epochsDone > 0 ? ", \(saved.epochsDone) epochs" : ""))
  }

  // MARK: Models and data

  private func makeModels() throws {
    for (name, c) in configuration.models {
      let made = RunModel(name, c)
      if !c.ensemble.isEmpty {
        made.members = c.ensemble.compactMap { n in models.first { $0.name == n } }
        _ = try Ensemble(made.networks, c.combine)
      } else if let from = c.from, let original = models.first(where: { $0.name == from }) {
        made.model = try copy(of: original)
        try place(made, on: c.hardware)
      } else {
        let set = try dataset(nil)
        let model = try c.make(input: inputShape(set), classes: set.classes)
        if let file = c.structure { try WeightFile.shrink(model, to: inputPath(file)) }
        try model.initialize(c.initialization, seed: c.seed ?? configuration.seed, pool: pool)
        if let file = c.initialWeights { try WeightFile.load(inputPath(file), into: model, pool: pool) }
        made.model = model
        try place(made, on: c.hardware)
      }
      models.append(made)
    }
  }

  /// A digital model of the same network and values.
  func copy(of original: RunModel) throws -> Model {
    guard let source = original.model else {
      throw RunError("model \(original.name) is an ensemble and cannot be copied")
    }
    let copy = try network(of: original, source)
    try copy.select(source.structure)
    try copy.load(source.stateDictionary, pool: pool)
    return copy
  }

  /// The network that a model was built as, with all its channels; weights zero and digital.
  func network(of original: RunModel, _ model: Model) throws -> Model {
    var network = original.configuration
    while let from = network.from, let base = models.first(where: { $0.name == from }) { network = base.configuration }
    return try network.make(input: model.inputShape, classes: model.output.shape.count)
  }

  func place(_ model: RunModel, on hardware: any HardwareConfiguration) throws {
    try model.place(on: hardware, seed: configuration.seed, resolve: inputPath, pool: pool)
  }

  func inputShape(_ set: ImageDataset) -> Shape { Self.inputShape(set.sampleShape) }

  static func inputShape(_ s: [Int]) -> Shape {
    s.count == 3 ? Shape(height: s[0], width: s[1], channels: s[2]) : Shape(features: s.reduce(1, *))
  }

  /// The configuration of a data set: a named one of `datasets`, or `data`.
  func dataConfiguration(_ name: String?) throws -> DataConfiguration {
    if let name, let found = configuration.datasets.first(where: { $0.key == name }) { return found.value }
    guard let data = configuration.data ?? configuration.datasets.first?.value else {
      throw RunError("the experiment names no data")
    }
    return data
  }

  /// A data set, read once.
  func dataset(_ name: String?) throws -> ImageDataset {
    let key = name ?? ""
    if let set = loaded[key] { return set }
    let set = try dataConfiguration(name).load(name: name ?? "data", resolve: inputPath)
    loaded[key] = set
    return set
  }

  // MARK: Results

  /// Every metric under its name: <model>.<label>.<metric>, the model left out when there is only one.
  private var metrics: [(name: String, value: Double)] {
    let several = models.count > 1
    return checkpoint.results.flatMap { r in
      r.metrics.map { m in ((several && !r.model.isEmpty ? "\(r.model)." : "") + "\(r.label).\(m.name)", m.value) }
    }
  }

  private func resultJSON(status: String, message: String? = nil) -> JSON {
    var json = JSON.object([
      ("name", .string(configuration.name)), ("runID", .string(id)), ("status", .string(status)),
      ("seed", .integer(Int(clamping: configuration.seed))), ("version", .string(engineVersion)), ("config", resolved),
      (
        "stages",
        .array(checkpoint.results.map(\.json) + (status == "done" ? [] : [checkpoint.current?.json].compactMap { $0 }))
      ),
      ("metrics", .object(metrics.map { ($0.name, .number($0.value)) })),
      ("machine", Machine.description(threads: options.threads)),
      ("timings", .object(checkpoint.timings.map { ($0.name, .number(($0.seconds * 1000).rounded() / 1000)) })),
    ])
    if let message { json.set("message", .string(message)) }
    return json
  }

  private func finish() throws -> JSON {
    let keepsModels = options.keeps.contains(.models)
    if !models.isEmpty && keepsModels { try DurableFile.makeFolders(folder.file("models")) }
    for m in models where keepsModels {
      guard let model = m.model else { continue }
      try WeightFile.write(model, to: folder.file("models/\(m.name).safetensors"))
    }
    // A run killed between its last checkpoint and epochs.csv comes straight here.
    try writeEpochs()
    if configuration.figures && options.keeps.contains(.figures) { try drawFigures() }
    let result = resultJSON(status: "done")
    if options.keeps.contains(.timings) {
      try CSVText.write(
        ["what", "seconds"], checkpoint.timings.map { [$0.name, "\(($0.seconds * 1000).rounded() / 1000)"] },
        to: folder.file("timings.csv"))
    }
    // Last of all: its presence says that everything else is there.
    try DurableFile.write(result.written(pretty: true) + "\n", to: folder.file("result.json"))
    if isTaken || folder.exists("state") { try folder.clearState() }
    return result
  }

  private func drawFigures() throws {
    var yieldAbove: [String: Double] = [:]
    for (stage, label) in zip(configuration.stages, configuration.labels) {
      yieldAbove[label] = (stage.body as? EvaluateStage)?.yieldAbove
    }
    let figures =
      TrainingFigures.figures(from: checkpoint.results, several: models.count > 1)
      + EvaluationFigures.figures(from: checkpoint.results, yieldAbove: yieldAbove)
      + PruningFigures.figures(from: checkpoint.results, several: models.count > 1)
    guard !figures.isEmpty else { return }
    try DurableFile.makeFolders(folder.file("figures"))
    guard let problem = try Gnuplot.draw(figures, into: folder.file("figures")) else { return }
    // Ctrl-C in a terminal reaches gnuplot as well.
    try InterruptionFlag.check()
    progress.say("warning: \(problem)")
  }

  /// One line for each model, training stage and epoch.
  private func writeEpochs() throws {
    let trained = (checkpoint.results + [checkpoint.current].compactMap { $0 }).filter { $0.stage == "train" }
    guard !trained.isEmpty else { return }
    var names: [String] = []
    for r in trained { for s in r.series where !names.contains(s.name) { names.append(s.name) } }
    var rows: [[String]] = []
    for r in trained {
      for epoch in 0..<(r.series.map(\.values.count).max() ?? 0) {
        rows.append(
          [r.model, r.label, "\(epoch + 1)"]
            + names.map { n in
              let values = r.series.first { $0.name == n }?.values ?? []
              // Not finite: empty, as it is null in result.json.
              return epoch < values.count && values[epoch].isFinite ? "\(values[epoch])" : ""
            })
      }
    }
    try CSVText.write(
      ["model", "stage", "epoch"] + names, rows, to: folder.file("epochs.csv"), isLast: options.checkpointInterval == 0)
  }
}

/// What a stage gets when it runs.
public final class StageContext {
  let run: Run
  let stage: StageConfiguration
  public let label: String
  let target: RunModel?
  /// What the stage finds; for a run that was resumed, what it had found.
  public var result: StageResult
  /// When a resumed run does a stage's restructuring again: the shape that it had left.
  var recorded: ModelStructure?

  init(run: Run, stage: StageConfiguration, label: String, target: RunModel?, result: StageResult) {
    (self.run, self.stage, self.label, self.target, self.result) = (run, stage, label, target, result)
  }

  /// The stage's model. - Throws: `RunError` for an ensemble or a stage without one.
  func model() throws -> Model {
    guard let model = target?.model else { throw RunError("stage \(label): works on a model, not on an ensemble") }
    return model
  }

  /// The stage's data. - Throws: `RunError` when they do not fit its model.
  func dataset() throws -> ImageDataset {
    let set = try run.dataset(stage.dataset)
    for network in target?.networks ?? []
    where network.inputShape != run.inputShape(set) || network.output.shape.count != set.classes {
      throw RunError(
        "stage \(label): samples of \(run.inputShape(set)) in \(set.classes) classes, but the model takes "
          + "\(network.inputShape) and gives \(network.output.shape.count) classes")
    }
    return set
  }
}

/// A stage that ensembles can be given to.
protocol EnsembleStage: Stage {}

/// A stage that changes a model's hardware or shape; does it again, without measuring, when a run is resumed.
protocol RestructuringStage: Stage {
  func restructure(_ context: StageContext) throws
}
