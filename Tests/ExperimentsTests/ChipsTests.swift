import Configuration
import Datasets
import Foundation
import LinearAlgebra
import Testing

@testable import Crossbars
@testable import Experiments
@testable import NeuralNetworks

/// Many chips, ageing, costs, and training for them.
@Suite("Chips, ageing and costs")
struct ChipsTests {
  let lab: Bench
  init() throws { lab = try Bench() }

  private let mlp = "\"model\": { \"architecture\": \"mlp\", \"hidden\": [12] }"
  private let train = "{ \"train\": { \"epochs\": 3, \"batchSize\": 8, \"optimizer\": { \"learningRate\": 0.1 } } }"
  private func map(_ device: String, more: String = "") -> String {
    "{ \"map\": { \"hardware\": { \"kind\": \"crossbar\", \"rows\": 16, \"columns\": 16, \"device\": { \(device) }\(more) } } }"
  }
  private func table(_ stage: JSON, _ name: String) throws -> (columns: [String], rows: [[JSON]]) {
    let table = try #require(stage["tables"]?[name])
    return (
      (table["columns"]?.array ?? []).compactMap(\.string), (table["rows"]?.array ?? []).map { $0.array ?? [] }
    )
  }
  private func column(_ stage: JSON, _ name: String, of table: String = "chips") throws -> [Double] {
    let (columns, rows) = try self.table(stage, table)
    let i = try #require(columns.firstIndex(of: name))
    return rows.map { $0[i].double ?? .nan }
  }

  // MARK: Chips

  @Test(
    "chip 0 is the mapped model itself, the others differ from it, and it stays as it was",
    arguments: ["\"variation\": 0.2", "\"programmingNoise\": 0.1"])
  func chips(device: String) throws {
    let stages = """
      \(train), \(map(device)), { "predict": {}, "label": "before" }, { "evaluate": {}, "label": "one" },
      { "evaluate": { "chips": 4, "yieldAbove": 0.5 }, "label": "many" }, { "predict": {}, "label": "after" }
      """
    let (json, folder) = try lab.run(lab.text(mlp, stages))
    let losses = try column(json.stage("many"), "loss")
    #expect(losses.count == 4 && Set(losses).count == 4)
    #expect(try losses[0] == json.metric("one.loss"))
    #expect(try FileBytes.read(folder + "/main-before.npy") == FileBytes.read(folder + "/main-after.npy"))
  }

  /// Devices hold what they were given as well as they can; other chips are written with what was given.
  @Test("what a chip was given follows its model's channels")
  func givenWeights() throws {
    let lenet = try #require(Architecture.named("lenet5"))
    let pool = ThreadPool(threads: 1)
    let model = try lenet.make(lenet.usualInput, lenet.usualClasses, ArchitectureOptions())
    try model.initialize(.kaimingUniform, seed: 1, pool: pool)
    let part = RunModel("net", ModelConfiguration())
    part.model = model
    func twice(_ t: Tensor) -> Tensor { Tensor(shape: t.shape, values: t.values.map { 2 * $0 }) }
    for (_, weights) in model.weights {
      let bias = try #require(weights.bias)
      bias.tensor = Tensor(shape: [bias.count], values: (0..<bias.count).map { Float($0 + 1) })
    }
    part.givenWeights = model.weights.flatMap { node, weights in
      [weights.name: weights.matrix, weights.bias!.name: weights.bias!.tensor]
        .map { (name: "given/\(node.name).\($0)", tensor: twice($1)) }
    }
    part.follow(try model.select(["conv1": [0, 2, 5], "fc1": Array(stride(from: 1, to: 120, by: 2))]))
    for (node, weights) in model.weights {
      #expect(part.intendedWeights(node.name, weights) == twice(weights.matrix), "\(node.name)")
      let name = "given/\(node.name).\(weights.bias!.name)"
      #expect(part.givenWeights.first { $0.name == name }?.tensor == twice(weights.bias!.tensor), "\(node.name)")
    }
  }

  @Test("chips that are alike in everything give one loss: there is no noise but the devices'")
  func alike() throws {
    let (json, _) = try lab.run(lab.text(mlp, "\(train), \(map("")), { \"evaluate\": { \"chips\": 3 } }"))
    #expect(try Set(column(json.stage("evaluate"), "loss")).count == 1)
    #expect(try json.metric("evaluate.accuracyDeviation") == 0)
    #expect(json["metrics"]?["evaluate.yield"] == nil, "nobody said what a good chip is")
  }

  @Test("the metrics are mean, n − 1 deviation, extremes and yield of the table's chips")
  func statistics() throws {
    let stages = "\(train), \(map("\"variation\": 0.4")), { \"evaluate\": { \"chips\": 9, \"yieldAbove\": 0.75 } }"
    let (json, _) = try lab.run(lab.text(mlp, stages))
    let a = try column(json.stage("evaluate"), "accuracy")
    #expect(a.count == 9 && Set(a).count > 2)
    let mean = a.reduce(0, +) / 9
    let deviation = (a.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 8).squareRoot()
    #expect(try abs(json.metric("evaluate.accuracy") - mean) < 1e-12)
    #expect(try abs(json.metric("evaluate.accuracyDeviation") - deviation) < 1e-12)
    #expect(try json.metric("evaluate.accuracyMinimum") == a.min())
    #expect(try json.metric("evaluate.accuracyMaximum") == a.max())
    #expect(try json.metric("evaluate.yield") == Double(a.count { $0 >= 0.75 }) / 9)
    let confusion = try table(json.stage("evaluate"), "confusion").rows.flatMap { $0.dropFirst() }
    #expect(confusion.reduce(0) { $0 + ($1.int ?? 0) } == 9 * 24, "all chips together")
  }

  @Test("a chip is what hardware of the next seed is, where nothing but the chip's seed draws")
  func nextSeed() throws {
    func loss(seed: Int, chips: Int) throws -> [Double] {
      let stages =
        "\(train), \(map("\"variation\": 0.3", more: ", \"seed\": \(seed)")), { \"evaluate\": { \"chips\": \(chips) } }"
      return try column(lab.run(lab.text(mlp, stages)).json.stage("evaluate"), "loss")
    }
    let three = try loss(seed: 5, chips: 3)
    #expect(try loss(seed: 6, chips: 1)[0] == three[1] && loss(seed: 7, chips: 1)[0] == three[2])
  }

  @Test("a model that has learnt on its chip takes what it has learnt to the others, in the range of its devices")
  func learnt() throws {
    let model = """
      "model": { "architecture": "mlp", "hidden": [12],
        "hardware": { "kind": "crossbar", "rows": 16, "columns": 16, "device": { "variation": 0.02 },
          "converters": { "dacBits": "none", "adcBits": "none" } } }
      """
    let (json, _) = try lab.run(
      lab.text(
        model,
        "\(train), { \"evaluate\": {}, \"label\": \"own\" }, { \"evaluate\": { \"chips\": 3 }, \"label\": \"chips\" }"))
    let losses = try column(json.stage("chips"), "loss")
    // The same weights on the same devices: what is left is that distortions are found anew.
    #expect(try abs(losses[0] / json.metric("own.loss") - 1) < 0.01)
    #expect(losses.allSatisfy { $0 < 1.2 }, "untrained it is ln 4 = 1.386")
  }

  @Test("layers that stay digital are the same on every chip, and an ensemble's members each get theirs")
  func partly() throws {
    let models = """
      "models": {
        "a": { "architecture": "mlp", "hidden": [12], "seed": 1, "hardware": { "kind": "crossbar", "device": { "variation": 0.3 },
          "layers": { "fc2": { "kind": "digital" } } } },
        "b": { "architecture": "mlp", "hidden": [12], "seed": 2 },
        "both": { "ensemble": ["a", "b"] } }
      """
    let (json, _) = try lab.run(
      lab.text(models, "{ \"evaluate\": { \"chips\": 3 }, \"models\": [\"a\", \"both\"] }"))
    #expect(try Set(column(json.stage("evaluate", model: "a"), "loss")).count == 3)
    #expect(try Set(column(json.stage("evaluate", model: "both"), "loss")).count == 3)
    let rows = try table(json.stage("evaluate", model: "both"), "costs").rows
    #expect(rows.map { $0[0].string } == ["a.fc1", "total"])
  }

  @Test("chips do not depend on threads")
  func threads() throws {
    let text = lab.text(
      mlp, "\(train), \(map("\"variation\": 0.2, \"programmingNoise\": 0.05")), { \"evaluate\": { \"chips\": 3 } }")
    let losses = try [1, 3].map { try column(lab.run(text, threads: $0).json.stage("evaluate"), "loss") }
    #expect(losses[0] == losses[1])
  }

  // MARK: Ageing

  /// A digital array whose weights fade: W · (1 + t)^−0.5.
  private final class FadingArray: AgeingArray {
    private let fresh: DigitalArray
    private var now: DigitalArray
    private(set) var age = 0.0
    init(_ weights: Tensor) {
      fresh = DigitalArray(weights)
      now = DigitalArray(weights)
    }
    func age(seconds: Double, pool: ThreadPool) throws {
      age = seconds
      let factor = Float(pow(1 + seconds, -0.5))
      now = DigitalArray(Tensor(shape: [outputs, inputs], values: fresh.weights.values.map { factor * $0 }))
    }
    var outputs: Int { fresh.outputs }
    var inputs: Int { fresh.inputs }
    func scratchFloats(rows: Int) -> Int { 0 }
    func prepare(step: Int, workers: Int, pool: ThreadPool) throws {}
    func needsCalibration(training: Bool) -> Bool { false }
    func finishCalibration(training: Bool) {}
    func forward(
      _ x: UnsafePointer<Float>, _ ldx: Int, rows: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int,
      _ context: ReadContext
    ) { now.forward(x, ldx, rows: rows, y, ldy, context) }
    func backward(
      _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, _ dx: UnsafeMutablePointer<Float>, _ lddx: Int,
      _ context: ReadContext
    ) { now.backward(dy, lddy, rows: rows, dx, lddx, context) }
    var updatesInArray: Bool { false }
    func outerProduct(_ gradient: UnsafePointer<Float>, rate: Float, step: Int, pool: ThreadPool) {}
    func apply(delta: UnsafePointer<Float>, step: Int, pool: ThreadPool) {}
    func program(_ weights: Tensor, pool: ThreadPool) throws { try fresh.program(weights, pool: pool) }
    var weights: Tensor { fresh.weights }
    var plainWeights: UnsafeMutablePointer<Float>? { nil }
    func select(outputs: [Int], inputs: [Int]) throws {}
    var state: [NamedTensor] { fresh.state + [("age", Tensor(shape: [1], values: [Float(age)]))] }
    func restore(_ state: [String: Tensor]) throws {
      try fresh.restore(state)
      try age(seconds: Double(state["age"]?.values[0] ?? 0), pool: ThreadPool(threads: 1))
    }
    var activity = Activity()
  }
  private struct FadingHardware: Hardware {
    func makeArray(weights: Tensor, name: String, owner: Int, pool: ThreadPool) throws -> any WeightArray {
      FadingArray(weights)
    }
  }

  @Test("devices are measured at every age, after one settling read, and are then as old as before")
  func ageing() throws {
    let pool = ThreadPool(threads: 1)
    let model = try Architecture.named("mlp")!.make(
      Shape(height: 8, width: 8, channels: 1), 4, ArchitectureOptions(hidden: [6]))
    try model.initialize(.kaimingUniform, seed: 1, pool: pool)
    try model.place(pool: pool) { _ in FadingHardware() }
    let arrays = model.weights.flatMap(\.weights.arrays).compactMap { $0 as? FadingArray }
    try arrays[0].age(seconds: 3, pool: pool)
    func output() -> Float {
      let workspace = Workspace(model, batch: 1, pool: pool, gradients: false)
      for i in 0..<64 { workspace.input[i] = 1 }
      workspace.forward(samples: 1, training: false)
      return (0..<4).map { abs(workspace.output[$0]) }.max() ?? 0
    }
    let before = output()
    var events: [String] = []
    var outputs: [Float] = []
    try Ageing.run([model], "m", seconds: [0, 3, 99], pool: pool) {
      events.append("settled at \(arrays[0].age), \(arrays[1].age)")
    } _: { age in
      events.append("\(age)")
      #expect(arrays.allSatisfy { $0.age == age })
      outputs.append(output())
    }
    #expect(events == ["settled at 3.0, 0.0", "0.0", "3.0", "99.0"])
    #expect(outputs[0] > outputs[1] && outputs[1] > outputs[2])
    #expect(arrays[0].age == 3 && arrays[1].age == 0 && output() == before)
    // Also when measuring fails.
    #expect(throws: Interruption.self) {
      try Ageing.run([model], "m", seconds: [50], pool: pool) {
      } _: { _ in
        throw Interruption()
      }
    }
    #expect(arrays[0].age == 3 && output() == before)
    let digital = try Architecture.named("mlp")!.make(
      Shape(height: 8, width: 8, channels: 1), 4, ArchitectureOptions(hidden: [6]))
    #expect(throws: RunError.self) {
      try Ageing.run([digital], "m", seconds: [1], pool: pool) {
      } _: { _ in
      }
    }
  }

  // MARK: Bad input

  static let mistakes: [Mistake] = [
    Mistake(
      what: "chips of a digital model", model: "\"model\": \"mlp\"", stages: "{ \"evaluate\": { \"chips\": 20 } }",
      expected: [
        "stages.0.evaluate.chips: model main is on digital hardware, of which every chip is alike", "map stage",
      ]),
    Mistake(
      what: "chips of a model trained for them, but still digital",
      model: "\"model\": { \"architecture\": \"mlp\", \"hardware\": { \"kind\": \"digital\", \"weightNoise\": 0.1 } }",
      stages: "{ \"evaluate\": { \"chips\": 20 } }", expected: ["stages.0.evaluate.chips: model main is on digital"]),
    Mistake(
      what: "chips of a crossbar all of whose layers are digital",
      model:
        "\"model\": { \"architecture\": \"mlp\", \"hardware\": { \"kind\": \"crossbar\", \"layers\": { \"*\": \"digital\" } } }",
      stages: "{ \"evaluate\": { \"chips\": 2 } }", expected: ["model main is on digital hardware"]),
    Mistake(
      what: "chips of the model before it is mapped", model: "\"model\": \"mlp\"",
      stages: "{ \"map\": { \"hardware\": \"crossbar\" }, \"as\": \"x\" }, { \"evaluate\": { \"chips\": 2 } }",
      expected: ["stages.1.evaluate.chips: model main is on digital"]),
    Mistake(
      what: "ages of a digital model", model: "\"model\": \"mlp\"", stages: "{ \"evaluate\": { \"time\": 86400 } }",
      expected: ["stages.0.evaluate.time: model main is on digital hardware, which does not age"]),
    Mistake(
      what: "no chips", model: "\"model\": \"mlp\"", stages: "{ \"evaluate\": { \"chips\": 0 } }",
      expected: ["stages.0.evaluate.chips: found 0, expected a whole number 1 … 100000"]),
    Mistake(
      what: "half a chip", model: "\"model\": \"mlp\"", stages: "{ \"evaluate\": { \"chips\": 2.5 } }",
      expected: ["stages.0.evaluate.chips: found 2.5, expected a whole number"]),
    Mistake(
      what: "a yield above what cannot be", model: "\"model\": \"mlp\"",
      stages: "{ \"evaluate\": { \"chips\": 2, \"yieldAbove\": 95 } }",
      expected: ["stages.0.evaluate.yieldAbove: found 95, expected a number 0 … 1"]),
    Mistake(
      what: "a yield of no chips", model: "\"model\": \"mlp\"", stages: "{ \"evaluate\": { \"yieldAbove\": 0.9 } }",
      expected: ["stages.0.evaluate.yieldAbove: is a share of chips, and none are asked for", "\"chips\": 20"]),
    Mistake(
      what: "a time before the programming", model: "\"model\": \"mlp\"", stages: "{ \"evaluate\": { \"time\": -1 } }",
      expected: ["stages.0.evaluate.time: found -1, expected a number 0 … 1e12 second"]),
    Mistake(
      what: "times that fall", model: "\"model\": \"mlp\"", stages: "{ \"evaluate\": { \"time\": [0, 100, 10] } }",
      expected: ["stages.0.evaluate.time.2: 10 s does not come after 100 s", "devices only grow older"]),
    Mistake(
      what: "negative noise",
      model: "\"model\": { \"architecture\": \"mlp\", \"hardware\": { \"kind\": \"digital\", \"weightNoise\": -0.1 } }",
      stages: "{ \"train\": {} }", expected: ["model.hardware.weightNoise: found -0.1, expected a number 0 … 10"]),
    Mistake(
      what: "clipping everything",
      model: "\"model\": { \"architecture\": \"mlp\", \"hardware\": { \"kind\": \"digital\", \"weightClip\": 0 } }",
      stages: "{ \"train\": {} }", expected: ["model.hardware.weightClip: found 0, expected a number > 0, ≤ 100"]),
    Mistake(
      what: "a negative price",
      model:
        "\"model\": { \"architecture\": \"mlp\", \"hardware\": { \"kind\": \"crossbar\", \"costs\": { \"adcEnergyPerBit\": -1 } } }",
      stages: "{ \"train\": {} }",
      expected: ["model.hardware.costs.adcEnergyPerBit: found -1, expected a number 0 … 1 joule"]),
    Mistake(
      what: "no line for an ADC",
      model:
        "\"model\": { \"architecture\": \"mlp\", \"hardware\": { \"kind\": \"crossbar\", \"costs\": { \"columnsPerADC\": 0 } } }",
      stages: "{ \"train\": {} }", expected: ["model.hardware.costs.columnsPerADC: found 0"]),
  ]

  @Test("is refused before anything runs", arguments: mistakes)
  func refused(mistake: Mistake) {
    let sentence = lab.refusal(lab.text(mistake.model, mistake.stages, more: mistake.more))
    for part in mistake.expected { #expect(sentence.contains(part), "\(sentence)") }
  }

  // MARK: Costs

  @Test("an MLP's conversions and joules, made out by hand")
  func costsByHand() throws {
    // 64 → 12 → 4 on tiles of 16 × 16: fc1 is 4 × 1 tiles, fc2 1 × 1; 24 samples, one calibrating piece of 16 before them.
    let hardware = """
      "hardware": { "kind": "crossbar", "rows": 16, "columns": 16, "circuit": { "method": "ideal" },
        "converters": { "dacBits": 6, "adcBits": 8 } }
      """
    let (json, _) = try lab.run(
      lab.text("\"model\": { \"architecture\": \"mlp\", \"hidden\": [12], \(hardware) }", "{ \"evaluate\": {} }"))
    let vectors = 24.0 + 16
    let adc = 8 * 1.949e-13 + 256 * 4.2e-16
    let dac = 3.9e-13 + 62 * 4.2e-16
    let cell = 0.25 * 0.25 * 0.25 * 5.5e-6 * 1e-7
    let conversions = vectors * (12 * 4 + 4)
    let joules =
      conversions * (adc + 9.8e-16 + 2.08e-14) + vectors * (64 + 12) * dac + vectors * 2 * (768 + 48) * cell
    #expect(try abs(json.metric("evaluate.energy") / joules - 1) < 1e-6)
    #expect(try abs(json.metric("evaluate.energyPerSample") * 24 / joules - 1) < 1e-6)
    #expect(try json.metric("evaluate.tiles") == 5 && json.metric("evaluate.devices") == 1632)
    // Two layers, one after the other: the vectors of each follow at 100 ns, its last conversion takes 12 or 4 more.
    let time = 2 * vectors * 1e-7 + 16 / 1.2e9
    #expect(try abs(json.metric("evaluate.latency") * 24 / time - 1) < 1e-6)
    let squareMetres =
      1632 * 4 * 3.2e-8 * 3.2e-8 + 76 * (1.66e-13 + 62 * 2.134e-12)
      + 5 * (8 * 8.173e-11 + 256 * 2.134e-12 + 3e-11) + 52 * 3.9e-14
    #expect(try abs(json.metric("evaluate.area") / (squareMetres * 1e6) - 1) < 1e-6)
    let rows = try table(json.stage("evaluate"), "costs").rows
    #expect(rows.map { $0[0].string } == ["fc1", "fc2", "total"])
    let activity = try table(json.stage("evaluate"), "activity").rows
    #expect(activity.first { $0[0].string == "adcConversions" }?[1].int == Int(conversions))
  }

  @Test("learning costs pulses and backward reads; what is measured after an epoch is not charged")
  func trainingCosts() throws {
    let model = """
      "model": { "architecture": "mlp", "hidden": [12],
        "hardware": { "kind": "crossbar", "rows": 16, "columns": 16, "circuit": { "method": "ideal" } } }
      """
    func run(_ measure: String) throws -> JSON {
      try lab.run(lab.text(model, "{ \"train\": { \"epochs\": 2, \"batchSize\": 8, \"measure\": \"\(measure)\" } }"))
        .json
    }
    let (measured, not) = (try run("test"), try run("none"))
    #expect(try measured.metric("train.energy") == not.metric("train.energy"))
    #expect(try column(not.stage("train"), "pulses (J/sample)", of: "costs")[0] > 0)
    // Each sample passes two layers forward, the last of them back too; pulses come on top.
    #expect(try not.metric("train.latency") > 3 * 1e-7)
  }

  @Test("digital models have no such costs")
  func digital() throws {
    let (json, _) = try lab.run(lab.text(mlp, "\(train), { \"evaluate\": {} }"))
    #expect(json["metrics"]?["evaluate.energy"] == nil && json["metrics"]?["train.energy"] == nil)
  }

  @Test("a run's table shows energy beside accuracy with a prefix, and not what has a table of its own")
  func resultTable() throws {
    let (json, folder) = try lab.run(
      lab.text(mlp, "\(train), \(map("\"variation\": 0.1")), { \"evaluate\": { \"chips\": 2, \"yieldAbove\": 0.5 } }"))
    let text = ResultTable.text(json, folder: folder, width: 400)
    for part in ["evaluate accuracy", "evaluate energyPerSample", "evaluate yield", " nJ", " pJ"] {
      #expect(text.contains(part) || part == " nJ" || part == " pJ", "\(text)")
    }
    #expect(text.contains(" nJ") || text.contains(" pJ"), "\(text)")
    #expect(!text.contains("evaluate tiles"), "\(text)")
  }

  @Test("a table wider than the terminal has a row for each stage, or each metric", arguments: [140, 60])
  func narrowTable(width: Int) throws {
    let (json, folder) = try lab.run(
      lab.text(mlp, "\(train), \(map("\"variation\": 0.1")), { \"evaluate\": { \"chips\": 2, \"yieldAbove\": 0.5 } }"))
    let lines = ResultTable.text(json, folder: folder, width: width).split(separator: "\n").map(String.init)
    let rows = lines.filter { $0.contains("evaluate") }
    #expect(lines.dropFirst().dropLast().allSatisfy { $0.count <= width }, "\(lines)")
    #expect(rows.count == (width > 100 ? 1 : 5), "\(lines)")
    #expect(lines.contains { $0.contains("accuracyDeviation") } && lines.contains { $0.contains("trainLoss") })
  }

  @Test(
    "numbers with a prefix",
    arguments: [
      (4.336e-8, "43.4 nJ"), (9.996e-7, "1.00 µJ"), (0.0, "0 J"), (1.5, "1.50 J"), (2.5e-18, "0.00 fJ"),
      (123.4e-12, "123 pJ"),
    ])
  func prefixes(value: Double, text: String) { #expect(withPrefix(value, "J") == text) }

  // MARK: Training for devices

  @Test("training under noise helps against programming noise, and is the same for any number of threads")
  func hardwareAware() throws {
    let models = """
      "models": { "plain": { "architecture": "mlp", "hidden": [12] },
        "noisy": { "architecture": "mlp", "hidden": [12], "hardware": { "kind": "digital", "weightNoise": 0.3, "weightClip": 2 } } }
      """
    let stages = """
      { "train": { "epochs": 60, "batchSize": 8, "optimizer": { "learningRate": 0.1 } } },
      \(map("\"programmingNoise\": 0.15")), { "evaluate": { "chips": 10 }, "label": "chips" }
      """
    let run = try lab.run(lab.text(models, stages))
    let (plain, noisy) = (try run.json.metric("plain.chips.accuracy"), try run.json.metric("noisy.chips.accuracy"))
    #expect(noisy > plain + 0.03, "\(plain), \(noisy)")
    let other = try lab.run(lab.text(models, stages), threads: 3)
    for name in ["plain", "noisy"] {
      let file = "/models/\(name).safetensors"
      #expect(try FileBytes.read(run.folder + file) == FileBytes.read(other.folder + file))
    }
  }

  // MARK: Figures

  @Test("figures: a column of points for each model, and accuracy against the age with 0 a decade before the first")
  func figures() {
    var result = StageResult(stage: "evaluate", label: "e", model: "m")
    result.series = [("time", [0, 100, 1000]), ("accuracy", [0.9, 0.8, 0.7]), ("accuracyDeviation", [0, 0.1, 0.2])]
    result.tables = [
      (
        "chips", ["chip", "time (s)", "accuracy"],
        [[0, 0, 0.9], [0, 1000, 0.6], [1, 0, 0.9], [1, 1000, 0.8]].map { $0.map { JSON.number($0) } }
      )
    ]
    let figures = EvaluationFigures.figures(from: [result], yieldAbove: ["e": 0.7])
    #expect(figures.map(\.name) == ["e-chips", "e-time"])
    #expect(figures[0].lines[0].points.map(\.y) == [60, 80], "the last age")
    #expect(abs(figures[0].lines[1].points[0].y - 70) < 1e-9)
    #expect(abs((figures[0].lines[1].errors.first ?? 0) - 200.0.squareRoot()) < 1e-9)
    #expect(figures[0].threshold?.y == 70)
    #expect(figures[1].lines[0].points.map(\.x) == [10, 100, 1000] && figures[1].hasLogarithmicX)
    #expect(
      EvaluationFigures.figures(from: [StageResult(stage: "evaluate", label: "e", model: "m")], yieldAbove: [:]).isEmpty
    )
  }
}
