import Configuration
import Datasets
import Foundation
import NeuralNetworks
import Testing

@testable import Experiments

@Suite("Pruning in a run")
struct PruningRunTests {
  let bench: Bench
  init() throws { bench = try Bench() }

  private let network = """
    { "layers": [ { "kind": "conv2d", "outputs": 8, "kernel": 3, "padding": 1, "bias": false }, "batch-norm", "relu", "max-pool",
      { "kind": "conv2d", "outputs": 16, "kernel": 3, "padding": 1, "bias": false }, "batch-norm", "relu", "max-pool",
      { "kind": "linear", "outputs": 4 } ] }
    """
  private func train(_ prune: String, epochs: Int = 4, more: String = "") -> String {
    "{ \"train\": { \"epochs\": \(epochs), \"batchSize\": 16, \"optimizer\": { \"momentum\": 0.9 }, \"prune\": { \(prune) } }\(more) }"
  }

  @Test("a schedule prunes at the ends of its epochs, and the run says what that saved")
  func schedule() throws {
    let (json, folder) = try bench.run(
      bench.text(
        "\"model\": \(network)",
        train("\"share\": 0.5, \"start\": 1, \"interval\": 1, \"end\": 2, \"layers\": [\"conv*\"]")))
    let stage = try json.stage("train")
    #expect(stage.series("channels") == [18, 12, 12, 12])
    #expect(try json.metric("train.channels") == 12)
    #expect(try json.metric("train.pruned") == 0.5)
    // conv1 8×8, conv5 4×4, fc; two channels of four and four of sixteen go at the first event.
    let shapes = [(8, 16), (6, 12), (4, 8), (4, 8)].map { a, b in 64 * 9 * a + 16 * 9 * a * b + 4 * 4 * b }
    let expected = shapes.map { 3.0 * 48 * Double($0) }
    #expect(stage.series("epochMultiplyAccumulates") == expected)
    #expect(abs(try json.metric("train.trainingCost") - expected.reduce(0, +) / (4 * expected[0])) < 1e-12)
    #expect(try json.metric("train.multiplyAccumulateShare") == Double(shapes[2]) / Double(shapes[0]))
    let events = try #require(stage["tables"]?["events"]?["rows"]?.array)
    #expect(
      events.map { $0.array?.map { $0.int ?? -1 } ?? [] }.map { Array($0[..<4]) } == [[1, 1, 6, 18], [2, 2, 12, 12]])
    let file = try Safetensors.read("\(folder)/models/main.safetensors")
    #expect(file["conv5.weight"]?.shape == [8, 4, 3, 3])
    #expect(try json.metric("train.bytes") == Double(try FileBytes.read("\(folder)/models/main.safetensors").count))
  }

  @Test("a pruned network's file brings its structure along, and lends it to fresh weights")
  func files() throws {
    let (json, folder) = try bench.run(
      bench.text(
        "\"model\": \(network)",
        train("\"criterion\": \"random\", \"share\": 0.5, \"end\": 2, \"layers\": [\"conv*\"]")
          + ", { \"evaluate\": {} }"))
    try FileManager.default.copyItem(
      atPath: "\(folder)/models/main.safetensors", toPath: "\(bench.folder)/pruned.safetensors")
    let inner = network.dropLast(2).trimmingCharacters(in: .whitespacesAndNewlines)
    let (again, _) = try bench.run(
      bench.text("\"model\": \(inner), \"initialWeights\": \"pruned.safetensors\" }", "{ \"evaluate\": {} }"))
    #expect(try again.metric("evaluate.loss") == json.metric("evaluate.loss"))
    let (fresh, other) = try bench.run(
      bench.text("\"model\": \(inner), \"structure\": \"pruned.safetensors\" }", "{ \"evaluate\": {} }"))
    #expect(try fresh.metric("evaluate.loss") != json.metric("evaluate.loss"))
    #expect(try Safetensors.read("\(other)/models/main.safetensors")["conv5.weight"]?.shape == [8, 4, 3, 3])
    #expect(
      bench.refusal(
        bench.text(
          "\"model\": { \"architecture\": \"mlp\", \"structure\": \"pruned.safetensors\" }", "{ \"evaluate\": {} }")
      ).contains("the structure names a layer conv1 that the network does not have"))
  }

  @Test("pruned at once, retrained, and from scratch: three networks of one shape")
  func arms() throws {
    let (json, folder) = try bench.run(
      bench.text(
        "\"models\": { \"net\": \(network) }",
        """
        { "train": { "epochs": 2, "batchSize": 16 } },
        { "prune": { "criterion": "taylor", "share": 0.5, "layers": ["conv*"] }, "models": ["net"], "as": "small" },
        { "train": { "epochs": 1, "batchSize": 16 }, "models": ["small"], "label": "retrain" },
        { "reinitialize": { "seed": 9 }, "models": ["small"], "as": "scratch" },
        { "evaluate": {} }
        """))
    let shapes = try ["net", "small", "scratch"].map { name in
      try Safetensors.read("\(folder)/models/\(name).safetensors")["conv5.weight"]?.shape
    }
    #expect(shapes == [[16, 8, 3, 3], [8, 4, 3, 3], [8, 4, 3, 3]])
    #expect(try json.metric("scratch.evaluate.loss") != json.metric("small.evaluate.loss"))
    #expect(try json.metric("net.prune.multiplyAccumulateShare") < 0.5)
  }

  private func crossbar(_ more: String = "") -> String {
    """
    { "layers": [ { "kind": "conv2d", "outputs": 16, "kernel": 3, "padding": 1 }, "relu", "max-pool",
        { "kind": "conv2d", "outputs": 16, "kernel": 3, "padding": 1 }, "relu", "max-pool", { "kind": "linear", "outputs": 4 } ],
      "hardware": { "kind": "crossbar", "rows": 16, "columns": 8,
        "device": { "onResistance": 1e5, "offResistance": 1e6, "pulseStep": 1e-2, "updateNoise": 0.3 },
        "circuit": { "method": "exact", "refreshInterval": 3, "wireResistance": 2.5, "driverResistance": 100, "senseResistance": 100 },
        "converters": { "dacBits": 8, "adcBits": 8 }\(more) } }
    """
  }

  @Test(
    "pruning while training on crossbars ends with fewer tiles and less energy a sample",
    arguments: [
      "", ", \"mapping\": \"offset\"", ", \"slices\": { \"count\": 2, \"bits\": 4 }, \"update\": \"programmed\"",
      ", \"update\": { \"mode\": \"tiki-taka\" }", ", \"update\": \"mixed-precision\"",
    ])
  func tiles(_ more: String) throws {
    let text = { (prune: String) in
      bench.text(
        "\"model\": \(crossbar(more))",
        "{ \"train\": { \"epochs\": 3, \"batchSize\": 16\(prune) } }, { \"evaluate\": {}, \"label\": \"test\" }")
    }
    let (whole, _) = try bench.run(text(""))
    let (pruned, _) = try bench.run(
      text(", \"prune\": { \"share\": 0.5, \"start\": 1, \"end\": 2, \"layers\": [\"conv*\"] }"))
    // 9 × 16 inputs of 16: 1 + 9 strips by two columns of tiles, and 4 strips of the classifier; then half each way.
    #expect(try pruned.metric("test.tiles") < 0.5 * whole.metric("test.tiles"))
    #expect(try pruned.metric("test.energyPerSample") < 0.6 * whole.metric("test.energyPerSample"))
    // Energy of training lies between: what the larger arrays did is priced as theirs.
    let ratio = try pruned.metric("train.energy") / whole.metric("train.energy")
    #expect(ratio > 0.3 && ratio < 1)
    #expect(try pruned.metric("test.accuracy") >= 0)
  }

  @Test("converters of arrays that shrank do not look at the images that are measured")
  func calibration() throws {
    let text = bench.text(
      "\"model\": \(crossbar())",
      "{ \"train\": { \"epochs\": 3, \"batchSize\": 16, \"prune\": { \"share\": 0.5, \"start\": 1, \"end\": 1 } } }")
    let other = text.replacingOccurrences(of: "\"tx.npy\"", with: "\"x.npy\"")
      .replacingOccurrences(of: "\"ty.npy\"", with: "\"y.npy\"")
    #expect(text != other)
    let (a, b) = (try bench.run(text).json.stage("train"), try bench.run(other).json.stage("train"))
    #expect(a.series("testLoss") != b.series("testLoss"))
    #expect(a.series("trainLoss") == b.series("trainLoss"))
  }

  @Test("what was masked while training can be removed at its end")
  func maskedThenRemoved() throws {
    func run(_ more: String) throws -> (json: JSON, folder: String) {
      try bench.run(
        bench.text(
          "\"model\": \(network)",
          train("\"share\": 0.5, \"form\": \"masked\", \"end\": 2, \"layers\": [\"conv*\"]" + more)
            + ", { \"evaluate\": {} }"))
    }
    let (masked, removed) = (try run(""), try run(", \"removeAtEnd\": true"))
    #expect(try masked.json.metric("train.multiplyAccumulateShare") == 1)
    #expect(try removed.json.metric("train.multiplyAccumulateShare") < 0.5)
    #expect(try removed.json.metric("train.trainingCost") == 1)
    let (a, b) = (try masked.json.metric("evaluate.loss"), try removed.json.metric("evaluate.loss"))
    #expect(abs(a - b) < 1e-5 * a)
    #expect(
      try Safetensors.read("\(removed.folder)/models/main.safetensors")["conv5.weight"]?.shape == [8, 4, 3, 3])
  }

  @Test("what is masked stays zero through later stages")
  func masksLast() throws {
    let text = bench.text(
      "\"models\": { \"net\": \(network) }",
      """
      { "prune": { "share": 0.5, "form": "masked", "layers": ["conv1"] }, "as": "small" },
      { "train": { "epochs": 3, "batchSize": 16, "optimizer": { "momentum": 0.9, "weightDecay": 1e-3 } }, "models": ["small"] },
      { "train": { "epochs": 3, "batchSize": 16, "optimizer": { "momentum": 0.9 },
          "prune": { "share": 0.5, "form": "masked", "end": 2, "layers": ["conv5"] } }, "models": ["small"], "label": "more" },
      { "evaluate": {} }
      """)
    let (json, folder) = try bench.run(text)
    let file = try Safetensors.read("\(folder)/models/small.safetensors")
    for (name, count) in [("conv1", 8), ("conv5", 16)] {
      let tensor = try #require(file["\(name).weight"]?.tensor)
      let n = tensor.count / count
      #expect((0..<count).count { c in tensor.values[c * n..<(c + 1) * n].allSatisfy { $0 == 0 } } == count / 2)
    }
    #expect(try json.metric("small.more.channels") == 8)
    #expect(try json.metric("small.train.trainingMultiplyAccumulates") > 0)
    let first = try json.metric("small.train.trainingMultiplyAccumulates")
    #expect(try json.metric("small.more.totalTrainingMultiplyAccumulates") == 2 * first)
  }

  @Test("every arm says what it cost, from its first epoch on")
  func costs() throws {
    let (json, _) = try bench.run(
      bench.text(
        "\"models\": { \"net\": \(network) }",
        """
        { "train": { "epochs": 4, "batchSize": 16 } },
        { "prune": { "share": 0.5, "layers": ["conv*"] }, "as": "small" },
        { "train": { "epochs": 2, "batchSize": 16 }, "models": ["small"], "label": "retrain" },
        { "reinitialize": {}, "models": ["small"], "as": "scratch" },
        { "train": { "epochs": 4, "batchSize": 16 }, "models": ["scratch"], "label": "train-scratch" }
        """))
    let shape = { (a: Int, b: Int) in Double(64 * 9 * a + 16 * 9 * a * b + 4 * 4 * b) }
    let (whole, half) = (3 * 48 * shape(8, 16), 3 * 48 * shape(4, 8))
    #expect(try json.metric("net.train.trainingMultiplyAccumulates") == 4 * whole)
    #expect(try json.metric("small.retrain.trainingMultiplyAccumulates") == 2 * half)
    #expect(try json.metric("small.retrain.totalTrainingMultiplyAccumulates") == 4 * whole + 2 * half)
    #expect(try json.metric("scratch.train-scratch.trainingMultiplyAccumulates") == 4 * half)
    #expect(abs(try json.metric("scratch.train-scratch.trainingCost") - half / whole) < 1e-12)
    #expect(json["metrics"]?["scratch.train-scratch.totalTrainingMultiplyAccumulates"] == nil)
  }

  @Test("masks that cannot be held, and controls that would lose them, are refused before anything runs")
  func maskRefusals() {
    let prune = "{ \"prune\": { \"share\": 0.5, \"form\": \"masked\", \"layers\": [\"conv*\"] } }"
    func refusal(_ stages: String) -> String {
      bench.refusal(bench.text("\"model\": \(network)", "\(prune), \(stages)"))
    }
    #expect(refusal("{ \"reinitialize\": {} }").contains("drawing all weights anew would bring them back"))
    #expect(
      refusal("{ \"prune\": { \"share\": 0.7, \"layers\": [\"conv*\"] } }").contains(
        "form \"removed\" is asked for where channels of form \"masked\" are held at zero already in model main"))
    #expect(
      refusal(
        "{ \"map\": { \"hardware\": { \"kind\": \"crossbar\", \"device\": { \"onResistance\": 1e5, \"offResistance\": 1e6 } } } }, "
          + "{ \"train\": { \"epochs\": 1 } }"
      ).contains("are held at zero (form \"masked\"), but its layer conv1 is on an array that is no digital memory"))
    let count = "{ \"prune\": { \"count\": 10, \"layers\": [\"conv*\"] } }"
    #expect(
      bench.refusal(bench.text("\"model\": \(network)", "\(count), \(count), \(count)")).contains(
        "1 event of 10 channels would leave layers empty: 2 of the 4 can go"))
    #expect(
      bench.refusal(
        bench.text(
          "\"model\": \(network)",
          train("\"count\": 1, \"criterion\": \"relevance\", \"samples\": 3, \"layers\": [\"conv*\"]"))
      ).contains("among the 3 drawn of the train part, and relevance is a mean over classes"))
  }

  @Test("validate looks at the points of a sweep, not at values that they all replace")
  func sweptSamples() throws {
    func found(_ samples: Int, _ sweep: String) throws -> String {
      let stage = train("\"count\": 1, \"criterion\": \"relevance\", \"samples\": \(samples), \"layers\": [\"conv*\"]")
      let text = bench.text("\"model\": \(network), \"sweep\": { \(sweep) }", stage)
      do { return "\(try bench.load(text).preflight(forRun: false))" } catch { return "\(error)" }
    }
    let path = "stages.train.prune.samples"
    #expect(try found(3, "\"seed\": [1, 2]").contains("among the 3 drawn of the train part"))
    #expect(try !found(3, "\"\(path)\": [100, 150]").contains("drawn of the train part"))
    // Layers of a network that no point has.
    let stage = "{ \"prune\": { \"share\": 0.5, \"layers\": [\"conv*\"] } }"
    let other = bench.text("\"model\": \"mlp\", \"sweep\": { \"model\": [\(network)] }", stage)
    try bench.load(other).preflight(forRun: false)
    #expect(throws: Diagnostics.self) { try bench.load(other).preflight(forRun: true) }
    let small = try found(100, "\"\(path)\": [100, 3]")
    #expect(small.contains("among the 3 drawn of the train part") && small.contains("(at prune.samples=3)"), "\(small)")
  }

  @Test("checks before a run know of copies that stages make, and of what they took")
  func copies() throws {
    let masked = "{ \"prune\": { \"share\": 0.5, \"form\": \"masked\", \"layers\": [\"conv*\"] }, \"as\": \"small\" }"
    let crossbar = """
      { "map": { "hardware": { "kind": "crossbar", "device": { "onResistance": 1e5, "offResistance": 1e6 } } } }
      """
    func text(_ stages: String) -> String { bench.text("\"models\": { \"net\": \(network) }", stages) }
    #expect(
      bench.refusal(text("\(masked), { \"reinitialize\": {} }")).contains("channels of model small are held at zero"))
    #expect(
      bench.refusal(text("\(masked), \(crossbar), { \"train\": { \"epochs\": 1 } }")).contains(
        "channels of model small are held at zero"))
    func count(_ n: Int, _ layer: String, _ more: String = "") -> String {
      "{ \"prune\": { \"count\": \(n), \"layers\": [\"\(layer)\"] }\(more) }"
    }
    #expect(
      bench.refusal(text("\(count(12, "conv5", ", \"as\": \"small\"")), \(count(12, "conv5"))")).contains(
        "1 event of 12 channels would leave layers empty: 3 of the 4 can go"))
    // Layers that a stage before did not touch have all of theirs; nothing is held by a share of nothing.
    try bench.load(text("\(count(12, "conv5")), \(count(7, "conv1"))")).preflight(forRun: true)
    try bench.load(
      text("{ \"prune\": { \"share\": 0, \"form\": \"masked\", \"layers\": [\"conv*\"] } }, { \"reinitialize\": {} }")
    ).preflight(forRun: true)
  }

  @Test("what hardly can be meant is said before anything runs")
  func warnings() throws {
    func warnings(_ prune: String, epochs: Int = 4) throws -> [String] {
      let loaded = try bench.load(bench.text("\"model\": \(network)", train(prune, epochs: epochs)))
      return try (loaded.warnings.warnings + loaded.preflight(forRun: true).warnings).map(\.message)
    }
    #expect(
      try warnings("\"share\": 0.5, \"start\": 1, \"interval\": 3, \"end\": 3").contains {
        $0.contains("there is one event")
      })
    #expect(try warnings("\"share\": 0.5, \"start\": 2, \"end\": 4").contains { $0.contains("after the last epoch") })
    #expect(try warnings("\"count\": 2, \"scope\": \"layer\"").contains { $0.contains("no effect beside \"count\"") })
    #expect(
      try warnings("\"share\": 0.5, \"criterion\": \"taylor\", \"samples\": 100000").contains {
        $0.contains("100000 is more than")
      })
    #expect(try warnings("\"share\": 0.5, \"end\": 2") == [])
  }

  @Test("what a form leaves alive is reported, behind a batch-norm and without one")
  func shifts() throws {
    let (plain, _) = try bench.run(
      bench.text(
        """
        "model": { "layers": [ { "kind": "conv2d", "outputs": 4, "kernel": 3 }, "relu",
          { "kind": "conv2d", "outputs": 8, "kernel": 3 }, "relu", "flatten", { "kind": "linear", "outputs": 4 } ] }
        """,
        train(
          "\"share\": 0.5, \"form\": \"weights-only\", \"start\": 1, \"end\": 1, \"layers\": [\"conv3\"]", epochs: 2)))
    #expect(try plain.metric("train.shiftsLeft") == 4)
    let (json, _) = try bench.run(
      bench.text(
        "\"model\": { \"architecture\": \"resnet20\" }",
        train("\"share\": 0.5, \"form\": \"weights-only\", \"start\": 1, \"end\": 1", epochs: 2)))
    #expect(try json.metric("train.shiftsLeft") > 0)
    #expect(try json.metric("train.shiftEffect") > 0)
    #expect(try json.metric("train.multiplyAccumulateShare") == 1)
  }

  @Test("what cannot be is refused in a sentence before anything runs")
  func refusals() {
    func refusal(_ prune: String, epochs: Int = 4, model: String? = nil) -> String {
      bench.refusal(bench.text("\"model\": \(model ?? network)", train(prune, epochs: epochs)))
    }
    #expect(refusal("\"share\": 1").contains("a share of 1.0 leaves every layer empty"))
    #expect(
      refusal("\"share\": 0.97").contains("a share of 0.97 leaves none of the 16 channels of layer conv5"))
    #expect(
      refusal("\"count\": 9, \"end\": 4").contains(
        "4 events of 9 channels would leave layers empty: 15 of the 16 can go"))
    #expect(refusal("\"share\": 0.5, \"interval\": 5").contains("5 epochs between events, but the run has 4"))
    #expect(refusal("\"share\": 0.5, \"start\": 7").contains("the first event comes after 7 epochs, but the run has 4"))
    #expect(refusal("\"share\": 0.5, \"end\": 9").contains("9 epochs are more than the run's 4"))
    #expect(refusal("\"share\": 0.5, \"start\": 3, \"end\": 2").contains("no event comes: the first is after 3 epochs"))
    #expect(refusal("\"criterion\": \"l1\"").contains("says not how much is pruned"))
    #expect(refusal("\"share\": 0.5, \"count\": 3").contains("stands beside \"share\""))
    #expect(
      refusal("\"share\": 0.5, \"layers\": [\"fc*\"]").contains("which is protected: its outputs are the network's"))
    #expect(refusal("\"share\": 0.5, \"layers\": [\"dense\"]").contains("names no layer that makes channels"))
    #expect(
      refusal("\"share\": 0.5, \"layers\": [\"*\"], \"protect\": [\"cnv2\"]").contains(
        "prune.protect: \"cnv2\" names no"))
    #expect(refusal("\"share\": 0.01").contains("a share of 0.01 takes no channel: the widest layer has 16"))
    #expect(
      refusal("\"share\": 0.5, \"criterion\": \"taylor\", \"split\": \"validation\"")
        .contains("the data have no validation part"))
    let plain = """
      { "layers": [ { "kind": "conv2d", "outputs": 4, "kernel": 3 }, { "kind": "conv2d", "outputs": 4, "kernel": 3 },
        { "kind": "linear", "outputs": 4 } ] }
      """
    #expect(
      refusal("\"share\": 0.5, \"criterion\": \"batch-norm-scale\"", model: plain)
        .contains("batch-norm-scale looks at the batch-norm behind layer conv2, which has none"))
    #expect(
      refusal(
        "\"share\": 0.5, \"residual\": \"group\", \"layers\": [\"layer1.0.conv2\"]",
        model: "{ \"architecture\": \"resnet20\" }"
      ).contains(
        "their channels go together: name all of conv1, layer1.0.conv2, layer1.1.conv2, layer1.2.conv2, or none"))
    #expect(
      refusal(
        "\"share\": 0.5, \"form\": \"masked\", \"layers\": [\"conv*\"]", model: crossbar(", \"update\": \"programmed\"")
      )
      .contains("is on an array that is no digital memory"))
    #expect(refusal("\"share\": 0.5, \"criterion\": \"l2\"").contains("did you mean"))
    #expect(
      refusal("\"share\": 0.5, \"form\": \"weights-only\", \"removeAtEnd\": true")
        .contains("a constant is a bias for each position, not for each channel"))
  }
}
