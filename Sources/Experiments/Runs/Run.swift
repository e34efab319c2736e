import Configuration
import Datasets
import Glibc
import LinearAlgebra
import NeuralNetworks

/// The engine's version, in every result.
public let engineVersion = "0.1.0"

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
  var loaded: [String: ImageDataset] = [:]
  var checkpoint = Checkpoint()
  /// The piece of work under way.
  private var unit: (number: Int, unit: Unit)?
  /// A number that no other piece of work of this run has.
  var unitNumber: Int { unit?.number ?? 0 }
  private var savedAt = Progress.now()
  /// Up to when the piece of work under way has its seconds in the timings.
  private var timedUntil = Progress.now()
  /// Whether the folder has a lock and a state/ folder of this run.
  private(set) var isTaken = false

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
      timedUntil = Progress.now()
      try context.stage.body.run(context)
      progress.end()
      addUnitTiming()
      checkpoint.results.append(context.result)
      checkpoint.unitsDone = number + 1
      checkpoint.current = nil
      checkpoint.epochsDone = 0
      checkpoint.optimizer = []
      checkpoint.spent = []
      try save()
    }
  }

  /// Adds what the piece of work under way took since this was last called.
  private func addUnitTiming() {
    guard let (_, unit) = unit else { return }
    let label = configuration.labels[unit.stage]
    addTiming(unit.model.map { "\($0).\(label)" } ?? label, Progress.now() - timedUntil)
    timedUntil = Progress.now()
  }

  /// - Parameter part: of the stage, on its model.
  func addTiming(_ part: StagePart, of context: StageContext, _ seconds: Double) {
    addTiming("\(context.target?.name ?? "").\(context.label).\(part.rawValue)", seconds)
  }

  private func addTiming(_ name: String, _ seconds: Double) {
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
    addUnitTiming()
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
}
