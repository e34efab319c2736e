import Configuration
import Datasets
import LinearAlgebra
import NeuralNetworks

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
  /// What is masked in the unit under way.
  var masks = ModelStructure()

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
      ("masks", WeightFile.json(masks)),
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
    c.masks = json["masks"].flatMap(WeightFile.structure) ?? ModelStructure()
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
