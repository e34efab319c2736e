import Configuration
import Datasets
import Foundation
import LinearAlgebra
import Testing

@testable import Crossbars
@testable import Experiments
@testable import NeuralNetworks

@Suite("Stages do what they say")
struct StageTests {
  let lab: Bench
  init() throws { lab = try Bench() }

  private let mlp = "\"model\": { \"architecture\": \"mlp\", \"hidden\": [12] }"
  private let train = "{ \"train\": { \"epochs\": 3, \"batchSize\": 8, \"optimizer\": { \"learningRate\": 0.1 } } }"

  private func floats(_ path: String) throws -> [Float] { try Npy.read(path).floats }
  private func state(_ run: (json: JSON, folder: String), _ model: String = "main") throws -> [String: [Float]] {
    let file = try Safetensors.read("\(run.folder)/models/\(model).safetensors")
    return Dictionary(file.tensors.map { ($0.name, $0.array.tensor.values) }) { a, _ in a }
  }
  private func largest(_ a: [Float], _ b: [Float]) -> Float {
    #expect(a.count == b.count)
    return zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
  }

  @Test("training leaves one value of each series for each epoch, the last of which are its metrics")
  func series() throws {
    let (json, folder) = try lab.run(lab.text(mlp, "{ \"train\": { \"epochs\": 5, \"batchSize\": 10 } }"))
    let stage = try json.stage("train")
    for name in ["learningRate", "trainLoss", "trainAccuracy", "testLoss", "testAccuracy"] {
      #expect(stage.series(name).count == 5, "\(name)")
      #expect(stage.series(name).last == stage["metrics"]?[name]?.double)
    }
    #expect(try String(contentsOfFile: folder + "/epochs.csv", encoding: .utf8).split(separator: "\n").count == 6)
  }

  @Test("the part that is measured is the one asked for")
  func measured() throws {
    let held = lab.data.dropLast() + ", \"validation\": 8 }"
    func series(_ measure: String) throws -> Set<String> {
      let text =
        "{ \"name\": \"a\", \"figures\": false, \(held), \(mlp), \"stages\": [{ \"train\": { \"epochs\": 1, \"measure\": \"\(measure)\" } }] }"
      return Set(try lab.run(text).json.stage("train")["series"]?.members?.map(\.key) ?? [])
    }
    #expect(try series("auto").contains("validationAccuracy") && !series("auto").contains("testAccuracy"))
    #expect(try series("test").contains("testAccuracy"))
    #expect(try series("none") == ["learningRate", "trainLoss", "trainAccuracy"])
  }

  @Test("shuffle: false keeps the data's order: one epoch over two batches is two epochs' steps by hand")
  func order() throws {
    // The first 24 samples, then the last 24, learned as two data sets one after the other give the same weights.
    let (images, labels) = Bench.samples(48, salt: 1)
    for (name, range) in [("first", 0..<24), ("last", 24..<48)] {
      try Npy.write(
        Tensor(shape: [24, 8, 8], values: Array(images[range.lowerBound * 64..<range.upperBound * 64])),
        to: "\(lab.folder)/\(name)x.npy")
      try Npy.write(NumericArray(shape: [24], elements: .int64(Array(labels[range]))), to: "\(lab.folder)/\(name)y.npy")
    }
    func set(_ name: String) -> String {
      "\"\(name)\": { \"format\": \"npy\", \"train\": { \"images\": \"\(name)x.npy\", \"labels\": \"\(name)y.npy\" }, \"test\": { \"images\": \"tx.npy\", \"labels\": \"ty.npy\" } }"
    }
    func stage(_ shuffle: Bool, _ set: String = "") -> String {
      "{ \"train\": { \"epochs\": 1, \"batchSize\": 24, \"shuffle\": \(shuffle) }\(set.isEmpty ? "" : ", \"dataset\": \"\(set)\"") }"
    }
    let sets = ", \"datasets\": { \(set("first")), \(set("last")) }"
    let whole = try state(lab.run(lab.text(mlp, stage(false), more: sets)))
    let parts = try state(lab.run(lab.text(mlp, "\(stage(false, "first")), \(stage(false, "last"))", more: sets)))
    let shuffled = try state(lab.run(lab.text(mlp, stage(true), more: sets)))
    #expect(whole == parts)
    #expect(whole != shuffled)
  }

  @Test("accuracy and confusion are what counting over the predicted logits gives")
  func counts() throws {
    let (json, folder) = try lab.run(
      lab.text(mlp, "\(train), { \"predict\": {} }, { \"evaluate\": {}, \"label\": \"test\" }"))
    let logits = try floats(folder + "/main-predict.npy")
    let labels = Bench.samples(24, salt: 7).labels.map { Int($0) }
    #expect(logits.count == 24 * 4)
    var confusion = [[Int]](repeating: [Int](repeating: 0, count: 4), count: 4)
    var loss = 0.0
    for (i, label) in labels.enumerated() {
      let row = Array(logits[i * 4..<(i + 1) * 4])
      confusion[label][try #require(row.firstIndex(of: row.max() ?? 0))] += 1
      let sum = row.reduce(0) { $0 + exp(Double($1)) }
      loss -= Double(row[label]) - log(sum)
    }
    let correct = (0..<4).reduce(0) { $0 + confusion[$1][$1] }
    #expect(try json.metric("test.accuracy") == Double(correct) / 24)
    #expect(try json.metric("predict.accuracy") == Double(correct) / 24)
    #expect(try abs(json.metric("test.loss") - loss / 24) < 1e-5)
    let table = try #require(json.stage("test")["tables"]?["confusion"])
    #expect(table["columns"]?.array?.compactMap(\.string) == ["actual", "0", "1", "2", "3"])
    let rows = (table["rows"]?.array ?? []).map { ($0.array ?? []).dropFirst().compactMap(\.int) }
    #expect(rows == confusion)
    #expect(rows.map { $0.reduce(0, +) } == (0..<4).map { c in labels.count { $0 == c } })
  }

  @Test("training learns the tiny problem")
  func learns() throws {
    let stage = "{ \"train\": { \"epochs\": 15, \"batchSize\": 8, \"optimizer\": { \"learningRate\": 0.2 } } }"
    let (json, _) = try lab.run(lab.text(mlp, "\(stage), { \"evaluate\": {}, \"label\": \"test\" }"))
    #expect(try json.metric("test.accuracy") == 1)
  }

  @Test("map with \"as\" makes a copy and leaves the original untouched")
  func mapAs() throws {
    let coarse = """
      { "map": { "hardware": { "kind": "crossbar", "device": { "levels": 4 }, "circuit": { "method": "ideal" } } }, "as": "x" }
      """
    let run = try lab.run(
      lab.text(
        mlp,
        "\(train), { \"predict\": {}, \"label\": \"before\" }, \(coarse), { \"predict\": {}, \"label\": \"after\" }"))
    let before = try floats(run.folder + "/main-before.npy")
    #expect(try floats(run.folder + "/main-after.npy") == before)
    #expect(try floats(run.folder + "/x-after.npy") != before)
    #expect(try state(run) != state(run, "x"))
    #expect(try run.json.metric("main.map.weightError") > 0.01, "four levels cannot hold the weights")
  }

  @Test("map without \"as\" changes the model itself")
  func mapInPlace() throws {
    let coarse =
      "{ \"map\": { \"hardware\": { \"kind\": \"crossbar\", \"device\": { \"levels\": 4 }, \"circuit\": { \"method\": \"ideal\" } } } }"
    let run = try lab.run(
      lab.text(mlp, "{ \"predict\": {}, \"label\": \"before\" }, \(coarse), { \"predict\": {}, \"label\": \"after\" }"))
    #expect(try floats(run.folder + "/main-after.npy") != floats(run.folder + "/main-before.npy"))
  }

  @Test("foldBatchNorm keeps the logits to 1e-4 of the largest")
  func fold() throws {
    let model = """
      "model": { "layers": [
        { "kind": "conv2d", "outputs": 4, "kernel": 3, "padding": 1 }, "batch-norm", "relu",
        { "kind": "linear", "outputs": 6 }, "batch-norm", "relu", { "kind": "linear", "outputs": 4 }] }
      """
    let run = try lab.run(
      lab.text(
        model,
        "\(train), { \"predict\": {}, \"label\": \"before\" }, { \"map\": { \"hardware\": \"digital\", \"foldBatchNorm\": true }, \"as\": \"f\" }, { \"predict\": {}, \"label\": \"after\" }"
      ))
    let before = try floats(run.folder + "/main-before.npy")
    let scale = before.map(abs).max() ?? 0
    #expect(scale > 0.1)
    #expect(try largest(before, floats(run.folder + "/f-after.npy")) < 1e-4 * scale)
    #expect(try largest(before, floats(run.folder + "/main-after.npy")) == 0)
    let names = try state(run, "f").keys
    #expect(
      try state(run).keys.contains("bn2.weight") && !names.contains("bn2.weight") || names.contains("bn2.running_var"))
  }

  @Test("an ensemble answers with its members' mean, by outputs, probabilities or votes")
  func ensemble() throws {
    let models = """
      "models": { "a": { "architecture": "mlp", "hidden": 6, "seed": 1 }, "b": { "architecture": "mlp", "hidden": 6, "seed": 2 },
        "mean": { "ensemble": ["a", "b"], "combine": "mean-output" }, "prob": { "ensemble": ["a", "b"] },
        "vote": { "ensemble": ["a", "b", "a"], "combine": "vote" } }
      """
    let run = try lab.run(lab.text(models, "\(train), { \"predict\": {} }, { \"evaluate\": {}, \"label\": \"test\" }"))
    let (a, b) = try (floats(run.folder + "/a-predict.npy"), floats(run.folder + "/b-predict.npy"))
    #expect(a != b, "seeds of their own give members of their own")
    #expect(try largest(floats(run.folder + "/mean-predict.npy"), zip(a, b).map { ($0 + $1) / 2 }) < 1e-6)
    func softmax(_ v: [Float]) -> [Float] {
      stride(from: 0, to: v.count, by: 4).flatMap { i -> [Float] in
        let e = v[i..<i + 4].map { exp($0) }
        return e.map { $0 / e.reduce(0, +) }
      }
    }
    #expect(
      try largest(floats(run.folder + "/prob-predict.npy"), zip(softmax(a), softmax(b)).map { ($0 + $1) / 2 }) < 1e-6)
    for name in ["a", "b", "mean", "prob", "vote"] { _ = try run.json.metric("\(name).test.accuracy") }
    #expect(try run.json.metric("vote.test.accuracy") == run.json.metric("a.test.accuracy"), "two votes of three")
    // The loss of an ensemble is that of its probabilities; votes have none.
    let probabilities = try floats(run.folder + "/prob-predict.npy")
    let labels = Bench.samples(24, salt: 7).labels.map { Int($0) }
    let loss = labels.enumerated().reduce(0.0) { $0 - log(Double(probabilities[$1.offset * 4 + $1.element])) } / 24
    #expect(try abs(run.json.metric("prob.test.loss") - loss) < 1e-5)
    #expect(run.json["metrics"]?["vote.test.loss"] == nil)
    #expect(run.json["metrics"]?["mean.train.trainLoss"] == nil, "ensembles are not trained")
  }

  @Test("export and initialWeights give identical logits")
  func roundTrip() throws {
    let first = try lab.run(
      lab.text(mlp, "\(train), { \"export\": { \"output\": \"w.safetensors\" } }, { \"predict\": {} }"))
    try FileManager.default.copyItem(atPath: first.folder + "/w.safetensors", toPath: lab.folder + "/w.safetensors")
    let model = mlp.replacingOccurrences(of: "[12]", with: "[12], \"initialWeights\": \"w.safetensors\"")
    let second = try lab.run(lab.text(model, "{ \"predict\": {} }"), seed: 77)
    #expect(try floats(first.folder + "/main-predict.npy") == floats(second.folder + "/main-predict.npy"))
    #expect(
      try Safetensors.read(first.folder + "/w.safetensors").names == [
        "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
      ])
  }

  @Test("\"from\" starts as a copy, and goes its own way")
  func from() throws {
    let models = "\"models\": { \"a\": { \"architecture\": \"mlp\", \"hidden\": 6 }, \"b\": { \"from\": \"a\" } }"
    let run = try lab.run(
      lab.text(
        models,
        "{ \"predict\": {}, \"label\": \"before\" }, { \"train\": { \"epochs\": 1 }, \"models\": [\"b\"] }, { \"predict\": {}, \"label\": \"after\" }"
      ))
    let before = try floats(run.folder + "/a-before.npy")
    #expect(try floats(run.folder + "/b-before.npy") == before)
    #expect(try floats(run.folder + "/a-after.npy") == before)
    #expect(try floats(run.folder + "/b-after.npy") != before)
  }

  @Test("hardware is overridden by a layer's name and by glob, the exact name first")
  func layers() throws {
    let text = lab.text(
      """
      "model": { "architecture": "mlp", "hidden": [9, 9], "hardware": { "kind": "crossbar", "rows": 64,
        "layers": { "fc*": { "rows": 16 }, "fc2": { "kind": "digital" } } } }
      """, "{ \"evaluate\": {} }")
    let loaded = try lab.load(text)
    let hardware = try #require(loaded.experiment.models.first?.value.hardware)
    #expect((try hardware.configuration(forLayer: "fc1") as? CrossbarConfiguration)?.rows == 16)
    #expect(try hardware.configuration(forLayer: "fc2") is DigitalConfiguration)
    #expect((try hardware.configuration(forLayer: "conv1") as? CrossbarConfiguration)?.rows == 64)
    let network = try #require(try loaded.models().first?.model)
    try network.place(pool: ThreadPool(threads: 1)) {
      try hardware.configuration(forLayer: $0).hardware(seed: 1, resolve: { $0 })
    }
    #expect(network.weights.map { $0.weights.arrays[0] is CrossbarArray } == [true, false, true])
  }

  @Test("layers of one's own: residual over the input, residual with a shortcut, branches; all learn")
  func ownLayers() throws {
    let model = """
      "model": { "layers": [
        { "kind": "residual", "layers": [{ "kind": "conv2d", "outputs": 1, "kernel": 3, "padding": 1 }] },
        { "kind": "branch", "branches": [[{ "kind": "conv2d", "outputs": 2, "kernel": 1 }], [{ "kind": "conv2d", "outputs": 3, "kernel": 3, "padding": 1 }, "relu"]] },
        { "kind": "residual", "name": "r", "layers": [{ "kind": "conv2d", "outputs": 4, "kernel": 3, "stride": 2, "padding": 1 }, "batch-norm"],
          "shortcut": [{ "kind": "conv2d", "outputs": 4, "kernel": 1, "stride": 2 }] },
        "relu", { "kind": "linear", "outputs": 4 }] }
      """
    let stage = "{ \"train\": { \"epochs\": 15, \"batchSize\": 8, \"optimizer\": { \"learningRate\": 0.1 } } }"
    let run = try lab.run(lab.text(model, "\(stage), { \"evaluate\": {}, \"label\": \"test\" }"))
    #expect(try run.json.metric("test.accuracy") == 1)
    let names = try state(run).keys
    for name in [
      "block1.conv1.weight", "branch2.0.conv1.weight", "branch2.1.conv1.weight", "r.bn2.running_mean",
      "r.shortcut.conv1.weight", "fc5.weight",
    ] {
      #expect(names.contains(name), "\(names.sorted())")
    }
  }

  @Test("threads do not change a bit of result.json")
  func threads() throws {
    let text = lab.text(mlp, "\(train), { \"evaluate\": {} }")
    var (one, two) = try (lab.run(text, threads: 1).json, lab.run(text, threads: 3).json)
    for key in ["timings", "machine"] {
      one.set(key, nil)
      two.set(key, nil)
    }
    #expect(one.written() == two.written())
  }

  @Test("training that diverges says where, keeps the last good checkpoint, and is reported as diverged")
  func divergence() throws {
    // The rate grows step by step over the warm-up: some epochs end well before it is too much.
    let stage = """
      { "train": { "epochs": 40, "batchSize": 8, "loss": "mean-squared-error", "optimizer": { "learningRate": 1000 },
          "schedule": { "kind": "constant", "warmup": 4000 } } }
      """
    let run = try lab.run(
      lab.text(
        "\"model\": { \"layers\": [{ \"kind\": \"linear\", \"outputs\": 8 }, { \"kind\": \"linear\", \"outputs\": 4 }] }",
        stage))
    #expect(run.json["status"] == "diverged")
    let message = try #require(run.json["message"]?.string)
    #expect(message.contains("training of main diverged at step ") && message.contains("layer fc"))
    #expect(message.contains("not a finite number") && message.contains("lower the learning rate"))
    let saved = try Checkpoint.read(run.folder + "/state/checkpoint.safetensors")
    #expect(saved.epochsDone > 0)
    #expect(saved.models.allSatisfy { $0.tensors.allSatisfy { $0.tensor.values.allSatisfy(\.isFinite) } })
  }

  // MARK: Circuits

  private func matrix(_ json: JSON?) throws -> Matrix {
    let rows = try #require(json?.array).map { ($0.array ?? []).compactMap(\.double) }
    return Matrix(rows: rows.count, columns: rows.first?.count ?? 0, values: rows.flatMap { $0 })
  }

  @Test(
    "a circuit stage needs no model, and reads what the published solver gives",
    arguments: ["8x8", "12x7", "16x16", "32x32"])
  func circuit(size: String) throws {
    let path = "\(Bench.package)/Tests/CrossbarsTests/Fixtures/Circuit/xbar_\(size).json"
    let reference = try JSON.parse([UInt8](Data(contentsOf: URL(fileURLWithPath: path))), file: path, dialect: .strict)
    let g = try matrix(reference["G"])
    try Npy.write(g, to: "\(lab.folder)/G.npy")
    let voltages = try #require(reference["V"])
    var given = try matrix(voltages[0]?.array == nil ? .array([voltages]) : voltages)
    if given.columns != g.rows { given = given.transposed }
    try Npy.write(given, to: "\(lab.folder)/V.npy")
    let v = try Npy.read(lab.folder + "/V.npy").matrix("V")
    for (wire, driver, sense) in [(2.5, 100.0, 50.0), (0, 0, 0), (0, 10, 1)] {
      let text = """
        { "name": "k", "hardware": { "kind": "crossbar", "circuit":
          { "wireResistance": \(wire), "driverResistance": \(driver), "senseResistance": \(sense) } },
          "stages": [{ "circuit": { "conductance": "G.npy", "inputs": "V.npy", "output": "I.npy", "effectiveMatrix": "E.npy" } }] }
        """
      let run = try lab.run(text)
      let circuit = try CrossbarCircuit(
        CircuitParameters(wireResistance: wire, driverResistance: driver, senseResistance: sense))
      let expected = try circuit.readCurrents(g, voltages: v)
      let found = try Npy.read(run.folder + "/I.npy").matrix("I")
      #expect(found.rows == v.rows && found.columns == g.columns)
      let scale = expected.values.map(abs).max() ?? 0
      for (a, b) in zip(found.values, expected.values) { #expect(abs(a - b) <= 1e-12 * scale) }
      #expect(try Npy.read(run.folder + "/E.npy").matrix("E") == circuit.effectiveMatrix(g))
      #expect(try run.json.metric("circuit.vectors") == Double(v.rows))
    }
  }

  @Test("a backward read is the forward read of the turned array; rows and columns change places")
  func backward() throws {
    let g = Matrix(rows: 5, columns: 3, values: (0..<15).map { 1e-6 * Double($0 % 7 + 1) })
    let v = Matrix(rows: 2, columns: 3, values: [0.1, 0.2, -0.3, 0.05, 0, 0.2])
    try Npy.write(g, to: lab.folder + "/G.npy")
    try Npy.write(v, to: lab.folder + "/V.npy")
    // Both axes reversed and transposed.
    var turned = Matrix(rows: 3, columns: 5)
    for i in 0..<5 { for j in 0..<3 { turned.values[(2 - j) * 5 + (4 - i)] = g.values[i * 3 + j] } }
    var reversed = v
    for k in 0..<2 { for j in 0..<3 { reversed.values[k * 3 + j] = v.values[k * 3 + 2 - j] } }
    try Npy.write(turned, to: lab.folder + "/T.npy")
    try Npy.write(reversed, to: lab.folder + "/R.npy")
    let text = """
      { "name": "k", "hardware": { "kind": "crossbar", "circuit": { "wireResistance": 5, "driverResistance": 100, "senseResistance": 30 } },
        "stages": [{ "circuit": { "conductance": "G.npy", "inputs": "V.npy", "direction": "backward", "output": "b.npy" } },
                   { "circuit": { "conductance": "T.npy", "inputs": "R.npy", "output": "f.npy" } }] }
      """
    let run = try lab.run(text)
    let (b, f) = try (Npy.read(run.folder + "/b.npy").matrix("b"), Npy.read(run.folder + "/f.npy").matrix("f"))
    #expect(b.rows == 2 && b.columns == 5)
    for k in 0..<2 { for i in 0..<5 { #expect(abs(b.values[k * 5 + i] - f.values[k * 5 + 4 - i]) < 1e-17) } }
    #expect(b.values.contains { abs($0) > 1e-9 })
  }

  // MARK: Extending

  @Test(
    "a stage of one's own is a structure with keys: it decodes, runs without a model, and its metrics are in the result"
  )
  func ownStage() throws {
    let stage = try Tally.decode(JSON.parse("{ upTo: 10 }")).get()
    #expect(stage.upTo == 10 && !stage.needsModel && !stage.makesModel)
    #expect(Tally.decode(try JSON.parse("{ upto: 10 }")).diagnostics.errors.first?.hint.contains("upTo") == true)
    let loaded = try lab.load(lab.text(mlp, train))
    let run = Run(loaded, options: RunOptions(threads: 1))
    let context = StageContext(
      run: run, stage: StageConfiguration(), label: "tally", target: nil,
      result: StageResult(stage: "tally", label: "tally", model: ""))
    try stage.run(context)
    #expect(context.result.metrics.first?.value == 55)
    #expect(StageResult(context.result.json)?.metrics.first?.name == "sum")
    #expect(throws: RunError.self) { try context.model() }
  }

  @Test("every registered stage has its key's name as kind, and documentation for every key")
  func registered() {
    for variant in stageVariants() {
      #expect(!variant.documentation.isEmpty)
      for key in variant.keys { #expect(!key.documentation.isEmpty, "\(variant.title).\(key.name)") }
      #expect(Catalogue.stages.entries.contains { $0.name == variant.title })
    }
    #expect(stageVariants().map(\.title).contains(TrainStage().kind))
    #expect(stageVariants().map(\.title).contains(CircuitStage().kind))
  }
}

private struct Tally: Stage {
  var upTo = 1
  static let documentation = "Adds numbers."
  static let fields: [Field<Tally>] = [Field("upTo", \.upTo, .integer(1...100), "The last one.")]
  var kind: String { "tally" }
  var needsModel: Bool { false }
  var needsData: Bool { false }
  func run(_ context: StageContext) throws { context.result.metrics = [("sum", Double((1...upTo).reduce(0, +)))] }
}
