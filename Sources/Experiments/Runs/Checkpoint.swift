import Compression
import Configuration
import Datasets
import LinearAlgebra
import NeuralNetworks

/// What became of a model in its run so far, beyond its shape and values.
struct ModelHistory {
  /// What is held at zero in it from now on.
  var mask: ChannelMask?
  /// Multiply-accumulates that all its training took, that of the model it was copied from included.
  var multiplyAccumulates = 0.0

  init() {}

  var json: JSON {
    var json = JSON.object([("multiplyAccumulates", .number(multiplyAccumulates))])
    if let mask {
      json.set("form", .string(mask.form.rawValue))
      json.set("mask", WeightFile.json(mask.structure))
    }
    return json
  }

  init(_ json: JSON) {
    multiplyAccumulates = json["multiplyAccumulates"]?.double ?? 0
    if let form = json["form"]?.string.flatMap(PruningForm.init(rawValue:)),
      let structure = json["mask"].flatMap(WeightFile.structure)
    {
      mask = ChannelMask(form: form, structure: structure)
    }
  }
}

/// Where a run is: everything it needs to go on as if it had never stopped, in one file that is replaced whole.
struct Checkpoint {
  /// Of which run it is: a run id.
  var run = ""
  /// Units (a stage on a model) that are done.
  var unitsDone = 0
  /// What they found.
  var results: [StageResult] = []
  /// Inside the unit under way: its own figures so far and counters; nil between units.
  var current: StageResult?
  var epochsDone = 0
  /// Wall-clock seconds; kept out of everything that is compared.
  var timings: [(name: String, seconds: Double)] = []
  /// Every model's state, and the optimizer's of the unit under way.
  var models: [(name: String, tensors: [NamedTensor])] = []
  var optimizer: [NamedTensor] = []
  /// What the arrays did in the unit under way.
  var spent: [NamedTensor] = []
  /// The shape of the model that each unit left, by the unit's number; the last may be under way.
  var structures: [Int: ModelStructure] = [:]
  /// What a model's values do not tell of it, by its name.
  var histories: [(name: String, history: ModelHistory)] = []

  /// - Throws: `DataError` when the file cannot be written; the one before it then still stands.
  func write(to path: String) throws {
    var tensors: [Safetensors.NamedArray] = []
    for (model, state) in models {
      for t in state { tensors.append(Safetensors.NamedArray("models/\(model)/\(t.name)", t.tensor)) }
    }
    for t in optimizer { tensors.append(Safetensors.NamedArray("optimizer/\(t.name)", t.tensor)) }
    for t in spent { tensors.append(Safetensors.NamedArray("spent/\(t.name)", t.tensor)) }
    let progress = JSON.object([
      ("run", .string(run)), ("unitsDone", .integer(unitsDone)), ("results", .array(results.map(\.json))),
      ("current", current?.json ?? nil),
      ("epochsDone", .integer(epochsDone)),
      ("timings", .object(timings.map { ($0.name, .number($0.seconds)) })),
      (
        "structures",
        .object(
          structures.sorted { $0.key < $1.key }.filter { !$1.isWhole }.map { ("\($0)", WeightFile.json($1)) })
      ),
      ("histories", .object(histories.map { ($0.name, $0.history.json) })),
    ])
    try Safetensors.write(tensors, metadata: ["progress": progress.written()], to: path)
  }

  /// - Throws: `RunError` when the file is not a checkpoint, `DataError` when it cannot be read.
  static func read(_ path: String) throws -> Checkpoint {
    let file = try Safetensors.read(path)
    guard let text = file.metadata["progress"], let json = try? JSON.parse(text, file: path, dialect: .strict),
      let units = json["unitsDone"]?.int, let epochs = json["epochsDone"]?.int,
      let run = json["run"]?.string
    else { throw RunError("\(path): not a checkpoint; start over with --force") }
    var c = Checkpoint()
    c.run = run
    (c.unitsDone, c.epochsDone) = (units, epochs)
    c.results = (json["results"]?.array ?? []).compactMap { StageResult($0) }
    c.current = json["current"].flatMap { $0.isNull ? nil : StageResult($0) }
    c.timings = (json["timings"]?.members ?? []).map { ($0.key, $0.value.double ?? 0) }
    for member in json["structures"]?.members ?? [] {
      guard let unit = Int(member.key) else { continue }
      c.structures[unit] = WeightFile.structure(member.value)
    }
    c.histories = (json["histories"]?.members ?? []).map { ($0.key, ModelHistory($0.value)) }
    for t in file.tensors {
      let tensor = t.array.tensor
      if t.name.hasPrefix("optimizer/") {
        c.optimizer.append((String(t.name.dropFirst("optimizer/".count)), tensor))
      } else if t.name.hasPrefix("spent/") {
        c.spent.append((String(t.name.dropFirst("spent/".count)), tensor))
      } else if t.name.hasPrefix("models/") {
        let rest = t.name.dropFirst("models/".count)
        guard let slash = rest.firstIndex(of: "/") else { continue }
        let (model, name) = (String(rest[..<slash]), String(rest[rest.index(after: slash)...]))
        if let i = c.models.firstIndex(where: { $0.name == model }) {
          c.models[i].tensors.append((name, tensor))
        } else {
          c.models.append((model, [(name, tensor)]))
        }
      }
    }
    return c
  }
}
