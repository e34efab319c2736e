import Configuration
import Datasets
import Foundation
import LinearAlgebra
import Testing

@testable import Experiments

/// A mistake, and what the refusal must say: the place, what was found, what to do.
struct Mistake: Sendable, CustomTestStringConvertible {
  let what: String
  let model: String
  let stages: String
  var more = ""
  let expected: [String]
  var testDescription: String { what }
}

@Suite("Bad configurations are refused with a sentence before anything runs")
struct BadInputTests {
  let lab: Bench
  init() throws { lab = try Bench() }

  private static let mlp = "\"model\": \"mlp\""
  private static func crossbar(_ more: String) -> String {
    "\"model\": { \"architecture\": \"mlp\", \"hardware\": { \"kind\": \"crossbar\"\(more) } }"
  }
  private static func layers(_ list: String) -> String { "\"model\": { \"layers\": [\(list)] }" }
  private static let end = "{ \"kind\": \"linear\", \"outputs\": 4 }"
  private static let train = "{ \"train\": {} }"

  static let mistakes: [Mistake] = [
    Mistake(
      what: "a typo in a stage's key", model: mlp, stages: "{ \"train\": { \"epoch\": 1 } }",
      expected: [
        "c.json:1:", "stages.0.train.epoch: unknown key",
        "^^^^^^^ did you mean \"epochs\" (whole number, 1 … 1000000)?",
      ]),
    Mistake(
      what: "a key in the wrong place", model: mlp, stages: "{ \"train\": { \"learningRate\": 1 } }",
      expected: ["stages.0.train.learningRate: unknown key", "belongs inside `optimizer`"]),
    Mistake(
      what: "a stage nobody knows", model: mlp, stages: "{ \"trian\": {} }",
      expected: ["stages.0.trian: unknown key", "did you mean \"train\""]),
    Mistake(
      what: "two kinds of stage in one", model: mlp, stages: "{ \"train\": {}, \"evaluate\": {} }",
      expected: ["stages.0.evaluate: a second key beside \"train\""]),
    Mistake(
      what: "a text for a number", model: mlp, stages: "{ \"train\": { \"epochs\": \"3\" } }",
      expected: ["stages.0.train.epochs: found \"3\", expected a whole number", "(default 10)"]),
    Mistake(
      what: "a number out of range", model: mlp, stages: "{ \"train\": { \"batchSize\": 0 } }",
      expected: ["stages.0.train.batchSize: found 0, expected a whole number 1 … 65536"]),
    Mistake(
      what: "an architecture nobody knows", model: "\"model\": \"lenet\"", stages: train,
      expected: ["model.architecture: found \"lenet\"", "did you mean \"lenet5\"?"]),
    Mistake(
      what: "R_on not below R_off", model: crossbar(", \"device\": { \"onResistance\": 1e6, \"offResistance\": 1e5 }"),
      stages: train,
      expected: ["model.hardware.device.onResistance: 1e6 ohm is not below offResistance, 1e5 ohm"]),
    Mistake(
      what: "momentum of an array that updates itself", model: crossbar(""),
      stages: "{ \"train\": { \"optimizer\": { \"momentum\": 0.9 } } }",
      expected: ["stages.0.train.optimizer.momentum: momentum 0.9 keeps a velocity", "\"update\": \"programmed\""]),
    Mistake(
      what: "adam of such an array", model: crossbar(""), stages: "{ \"train\": { \"optimizer\": \"adam\" } }",
      expected: ["stages.0.train.optimizer.kind: adam keeps means and squares"]),
    Mistake(
      what: "momentum of one such layer",
      model: crossbar(", \"update\": \"programmed\", \"layers\": { \"fc2\": { \"update\": \"outer-product\" } }"),
      stages: "{ \"train\": { \"optimizer\": { \"momentum\": 0.9 } } }",
      expected: ["stages.0.train.optimizer.momentum", "layer fc2 of model main learns by outer products"]),
    Mistake(
      what: "momentum of a mapped copy", model: mlp,
      stages:
        "{ \"map\": { \"hardware\": \"crossbar\" }, \"as\": \"x\" }, { \"train\": { \"optimizer\": { \"momentum\": 0.9 } }, \"models\": [\"x\"] }",
      expected: ["stages.1.train.optimizer.momentum", "model x learns by outer products"]),
    Mistake(
      what: "hardware for a layer that is not there", model: crossbar(", \"layers\": { \"fc9\": \"digital\" }"),
      stages: train,
      expected: ["model.hardware.layers.fc9: no layer with weights is called that", "did you mean \"fc1\"?"]),
    Mistake(
      what: "a typo in a layer's hardware", model: crossbar(", \"layers\": { \"fc1\": { \"rowz\": 3 } }"),
      stages: train,
      expected: ["model.hardware.layers.fc1.rowz: unknown key", "did you mean \"rows\""]),
    Mistake(
      what: "a layer's hardware that is inconsistent with the rest",
      model: crossbar(", \"layers\": { \"fc1\": { \"device\": { \"onResistance\": 5e6 } } }"), stages: train,
      expected: ["model.hardware.layers.fc1: 5e6 ohm is not below offResistance, 1e6 ohm"]),
    Mistake(
      what: "top-level hardware that no stage reads", model: mlp, stages: train, more: ", \"hardware\": \"crossbar\"",
      expected: ["hardware: is for stages without a model (circuit)", "put it inside of the model"]),
    Mistake(
      what: "a model nobody named", model: mlp, stages: "{ \"train\": {}, \"models\": [\"mian\"] }",
      expected: ["stages.0.models.0: \"mian\" is no model", "did you mean \"main\"?"]),
    Mistake(
      what: "a stage of no model", model: mlp, stages: "{ \"train\": {}, \"models\": [] }",
      expected: ["stages.0.models: names no model", "leave the key out"]),
    Mistake(
      what: "training an ensemble", model: "\"models\": { \"a\": \"mlp\", \"e\": { \"ensemble\": [\"a\"] } }",
      stages: "{ \"train\": {}, \"models\": [\"e\"] }",
      expected: ["stages.0.models.0: \"e\" is an ensemble, which train cannot work on", "a"]),
    Mistake(
      what: "an ensemble before its members", model: "\"models\": { \"e\": { \"ensemble\": [\"a\"] }, \"a\": \"mlp\" }",
      stages: train,
      expected: ["models.e.ensemble.0: \"a\" is named after this model", "put it first"]),
    Mistake(
      what: "a copy of nothing", model: "\"models\": { \"a\": \"mlp\", \"b\": { \"from\": \"aa\" } }", stages: train,
      expected: ["models.b.from: \"aa\" is no model"]),
    Mistake(
      what: "a copy with initial weights",
      model: "\"models\": { \"a\": \"mlp\", \"b\": { \"from\": \"a\", \"initialWeights\": \"x.npy\" } }",
      stages: train, expected: ["models.b.initialWeights: a copy of another model has no initial weights of its own"]),
    Mistake(
      what: "two networks in one model", model: "\"model\": { \"architecture\": \"mlp\", \"layers\": [\"relu\"] }",
      stages: train,
      expected: ["model: names 2 networks", "exactly one of"]),
    Mistake(
      what: "\"as\" on a stage that makes nothing", model: mlp, stages: "{ \"evaluate\": {}, \"as\": \"x\" }",
      expected: ["stages.0.as: a stage of kind evaluate makes nothing to name"]),
    Mistake(
      what: "\"as\" with a name that is taken", model: mlp,
      stages: "{ \"map\": { \"hardware\": \"digital\" }, \"as\": \"main\" }",
      expected: ["stages.0.as: \"main\" is already a model"]),
    Mistake(
      what: "\"as\" with a name that is no file", model: mlp,
      stages: "{ \"map\": { \"hardware\": \"digital\" }, \"as\": \"a/b\" }",
      expected: ["stages.0.as: \"a/b\" cannot name a model", "no dots or slashes"]),
    Mistake(
      what: "\"as\" for two models", model: "\"models\": { \"a\": \"mlp\", \"b\": \"mlp\" }",
      stages: "{ \"map\": { \"hardware\": \"digital\" }, \"as\": \"x\" }",
      expected: ["stages.0.as: names one model, but the stage works on 2", "give \"models\""]),
    Mistake(
      what: "labels that collide", model: mlp,
      stages:
        "{ \"evaluate\": {}, \"label\": \"a\" }, { \"evaluate\": {}, \"label\": \"a-2\" }, { \"evaluate\": {}, \"label\": \"a\" }",
      expected: ["stages.2.label: \"a-2\" already names another stage"]),
    Mistake(
      what: "an output that leaves the run's folder", model: mlp,
      stages: "{ \"predict\": { \"output\": \"../x.npy\" } }",
      expected: ["stages.0.predict: \"../x.npy\" leaves the run's folder"]),
    Mistake(
      what: "an output over the run's own file", model: mlp, stages: "{ \"predict\": { \"output\": \"result.json\" } }",
      expected: ["stages.0.predict: \"result.json\" is written by the run itself"]),
    Mistake(
      what: "one output of two stages", model: mlp,
      stages: "{ \"predict\": { \"output\": \"o\" } }, { \"export\": { \"output\": \"o\" } }",
      expected: ["stages.1.export: \"o\" is written by stage predict too"]),
    Mistake(
      what: "a validation part that is not there", model: mlp,
      stages: "{ \"evaluate\": { \"split\": \"validation\" } }",
      expected: ["stages.0.evaluate.split: the data have no validation part", "\"validation\": 0.1"]),
    Mistake(
      what: "a data set nobody named", model: mlp, stages: "{ \"evaluate\": {}, \"dataset\": \"d\" }",
      expected: ["stages.0.dataset: \"d\" is none of the experiment's `datasets`", "leave the key out"]),
    Mistake(
      what: "data of another shape", model: mlp, stages: "{ \"evaluate\": {}, \"dataset\": \"d\" }",
      more: ", \"datasets\": { \"d\": \"mnist-5k\" }",
      expected: ["stages.0.dataset: samples of 28×28×1 in 10 classes, but model main takes 8×8×1 and gives 4 classes"]),
    Mistake(
      what: "an architecture too large for the images", model: "\"model\": \"lenet5\"", stages: train,
      expected: ["model: layer conv2: a 5×5 kernel does not fit into 4×4×6"]),
    Mistake(
      what: "a last layer that does not give the classes", model: layers("{ \"kind\": \"linear\", \"outputs\": 9 }"),
      stages: train,
      expected: ["model.layers: layer fc1: gives 9 values as the last layer, the data have 4 classes"]),
    Mistake(
      what: "a branch whose shapes cannot be joined",
      model: layers(
        "{ \"kind\": \"branch\", \"branches\": [[{ \"kind\": \"conv2d\", \"outputs\": 2, \"kernel\": 3 }], [\"relu\"]] }, \(end)"
      ),
      stages: train, expected: ["model.layers: layer branch1: branches of shapes 6×6×2, 8×8×1 cannot be joined"]),
    Mistake(
      what: "a residual block that changes the shape",
      model: layers(
        "{ \"kind\": \"residual\", \"layers\": [{ \"kind\": \"conv2d\", \"outputs\": 2, \"kernel\": 3, \"padding\": 1 }] }, \(end)"
      ),
      stages: train, expected: ["model.layers: layer block1.add: branches of shapes 8×8×2, 8×8×1 cannot be added"]),
    Mistake(
      what: "groups that do not divide the channels, in a layer inside a block",
      model: layers(
        "{ \"kind\": \"residual\", \"layers\": [{ \"kind\": \"conv2d\", \"outputs\": 4, \"kernel\": 3, \"groups\": 3 }] }, \(end)"
      ),
      stages: train,
      expected: ["model.layers: layer block1.conv1: 1 channels and 4 outputs cannot be divided into 3 groups"]),
    Mistake(
      what: "two layers of one name",
      model: layers("{ \"kind\": \"relu\", \"name\": \"a\" }, { \"kind\": \"relu\", \"name\": \"a\" }, \(end)"),
      stages: train,
      expected: ["model.layers: two layers are named a"]),
    Mistake(
      what: "a network larger than the machine",
      model: layers(
        "{ \"kind\": \"linear\", \"outputs\": 1000000 }, { \"kind\": \"linear\", \"outputs\": 1000000 }, \(end)"),
      stages: train, expected: ["model.layers: layer fc2: its weights would take 4,000 GB, this machine has"]),
    Mistake(
      what: "a sweep over a key that is not there", model: mlp, stages: train,
      more:
        ", \"sweep\": { \"sede\": [1, 2], \"stages.tran.epochs\": [1], \"stages.train.epochs\": [1, 0], \"name\": \"x\" }",
      expected: [
        "sweep.\"sede\": sede: unknown key", "did you mean \"seed\"", "did you mean \"train\"?",
        "sweep.\"stages.train.epochs\": stages.0.train.epochs: found 0", "sweep.\"name\": found one value",
      ]),
  ]

  @Test("refused:", arguments: mistakes)
  func refused(mistake: Mistake) {
    let sentence = lab.refusal(lab.text(mistake.model, mistake.stages, more: mistake.more))
    for part in mistake.expected { #expect(sentence.contains(part), "\(sentence)") }
    #expect(sentence.contains("c.json:1:"), "names the file, line and column: \(sentence)")
    #expect(sentence.contains("^"), "shows the place: \(sentence)")
  }

  @Test("all errors are listed at once, with their count")
  func allAtOnce() {
    let sentence = lab.refusal(
      "{ \"nmae\": 1, \"data\": \"mnst-5k\", \"model\": \"mpl\", \"stages\": [{ \"train\": { \"epochs\": 0 } }] }")
    for part in ["nmae", "data.dataset", "model.architecture", "stages.0.train.epochs", "4 errors."] {
      #expect(sentence.contains(part), "\(sentence)")
    }
  }

  @Test(
    "--set errors name the option",
    arguments: [
      ("stages.tran.epochs=2", "stages has no item \"tran\"; did you mean \"train\"?"),
      ("stages.train.epoch=2", "did you mean \"epochs\""),
      ("stages.7.train.epochs=2", "its items are 0 … 0"), ("seed=abc", "found \"abc\", expected a whole number"),
      ("seed", "expected path=value"), ("=3", "expected path=value"), ("..=3", "is no path"),
      ("seed.x=3", "which has nothing inside"),
    ])
  func options(option: String, part: String) {
    let sentence = lab.refusal(
      "{ \"name\": \"a\", \"seed\": 1, \"data\": \"digits\", \"model\": \"mlp\", \"stages\": [{ \"train\": {} }] }",
      [option])
    #expect(sentence.contains("--set \(option)") && sentence.contains(part), "\(sentence)")
  }

  @Test("what has no effect is warned of")
  func warnings() throws {
    let text = """
      { "name": "a", "data": { "dataset": "digits", "limit": 5000 }, "model": { "architecture": "mlp", "width": 2 },
        "stages": [{ "train": {} }] }
      """
    let warnings = try lab.warnings(text)
    #expect(warnings.contains("warning: data.limit.train: 5000 is more than the 1437 samples there are"))
    #expect(warnings.contains("warning: model.width: has no effect on mlp"))
  }

  @Test("a batch larger than the data takes no memory for the rest")
  func largeBatch() throws {
    let (json, _) = try lab.run(
      lab.text(
        Self.mlp, "{ \"train\": { \"epochs\": 1, \"batchSize\": 65536 } }, { \"evaluate\": { \"batchSize\": 65536 } }"))
    let (small, _) = try lab.run(
      lab.text(Self.mlp, "{ \"train\": { \"epochs\": 1, \"batchSize\": 48 } }, { \"evaluate\": { \"batchSize\": 24 } }")
    )
    #expect(try json.metric("evaluate.loss") == small.metric("evaluate.loss"))
  }

  // MARK: Files

  private func npyText(images: String = "x.npy", labels: String = "y.npy", more: String = "") -> String {
    """
    { "name": "a", "data": { "format": "npy", "train": { "images": "\(images)", "labels": "\(labels)" },
      "test": { "images": "tx.npy", "labels": "ty.npy" }\(more) }, "model": "mlp", "stages": [{ "evaluate": {} }] }
    """
  }

  @Test("a missing file names its key, and where paths start")
  func missing() throws {
    let sentence = lab.refusal(npyText(images: "nothing.npy"))
    #expect(sentence.contains("data.train.images: \(lab.folder)/nothing.npy: no such file"))
    #expect(sentence.contains("paths start from the configuration's folder"))
    let two = lab.refusal(npyText(images: "nothing.npy", labels: "neither.npy"))
    #expect(two.contains("2 errors."))
  }

  @Test("input files are found from the configuration's folder, not the working directory")
  func relative() throws {
    #expect(FileManager.default.currentDirectoryPath != lab.folder)
    try lab.load(npyText()).preflight(forRun: true)
  }

  @Test("data files that lie are refused under their key")
  func lying() throws {
    var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: lab.folder + "/x.npy")))
    try Data(bytes.prefix(500)).write(to: URL(fileURLWithPath: lab.folder + "/short.npy"))
    let place = try #require(bytes.indices.first { bytes[$0...].starts(with: Array("48, 8".utf8)) })
    bytes.replaceSubrange(place..<place + 2, with: Array("99".utf8))
    try Data(bytes).write(to: URL(fileURLWithPath: lab.folder + "/lie.npy"))
    try Data("nothing of the kind".utf8).write(to: URL(fileURLWithPath: lab.folder + "/text.npy"))
    var images = Bench.samples(48, salt: 1).images
    images[64 * 3 + 5] = .nan
    try Npy.write(Tensor(shape: [48, 8, 8], values: images), to: lab.folder + "/nan.npy")
    try Npy.write(
      NumericArray(shape: [48], elements: .int64((0..<48).map { $0 == 2 ? -1 : 1 })), to: lab.folder + "/negative.npy")
    try Npy.write(
      NumericArray(shape: [48], elements: .float64((0..<48).map { Double($0) })), to: lab.folder + "/float.npy")
    try Npy.write(
      NumericArray(shape: [40], elements: .int64((0..<40).map { Int64($0 % 4) })), to: lab.folder + "/fewer.npy")
    try Npy.write(
      NumericArray(shape: [48], elements: .int64((0..<48).map { Int64($0) * 1000 })), to: lab.folder + "/huge.npy")
    for (file, part) in [
      ("short", "the file is cut short"), ("lie", "the file is cut short"), ("text", "is not an .npy file"),
      ("nan", "sample 3 holds NaN or infinity"),
    ] {
      let sentence = lab.refusal(npyText(images: file + ".npy"))
      #expect(
        sentence.contains("data.train.images: ") && sentence.contains(part) && sentence.contains("\(file).npy"),
        "\(sentence)")
    }
    for (file, key, part) in [
      ("negative", "data.train.labels", "label 2 is -1, expected 0 to "),
      ("float", "data.train.labels", "labels must be integers"),
      ("fewer", "data.train.images", "has 48 images"),
      ("huge", "data: ", "makes 47001 classes, at most 10000 are supported"),
    ] {
      let sentence = lab.refusal(npyText(labels: file + ".npy"))
      #expect(sentence.contains(key) && sentence.contains(part), "\(sentence)")
    }
  }

  @Test("arrays of other element types are read as numbers")
  func types() throws {
    let images = Bench.samples(48, salt: 1).images
    try Npy.write(
      NumericArray(shape: [48, 8, 8], elements: .float64(images.map(Double.init))), to: lab.folder + "/f8.npy")
    try Npy.write(
      NumericArray(shape: [48], elements: .uint8(Bench.samples(48, salt: 1).labels.map { UInt8($0) })),
      to: lab.folder + "/u1.npy")
    let stages = "\"stages\": [{ \"train\": { \"epochs\": 1 } }, { \"evaluate\": {} }]"
    func loss(_ text: String) throws -> Double {
      try lab.run(text.replacingOccurrences(of: "\"stages\": [{ \"evaluate\": {} }]", with: stages)).json.metric(
        "evaluate.loss")
    }
    #expect(try loss(npyText(images: "f8.npy", labels: "u1.npy")) == loss(npyText()))
  }

  @Test(
    "parts that the samples do not have are refused",
    arguments: [
      (", \"validation\": 48", "data.validation: ", "expected 1 to 47"),
      (", \"validation\": 1.5", "data.validation: ", "neither a share"),
      (", \"normalize\": { \"mean\": [1, 2] }", "data.normalize.mean: ", "found 2 values, the samples have 1 channel"),
      (", \"normalize\": { \"deviation\": 0 }", "data.normalize.deviation", "expected"),
      (", \"augment\": { \"padding\": 9 }", "data.augment.padding: ", "expected at most 8"),
    ])
  func parts(more: String, key: String, part: String) {
    let sentence = lab.refusal(npyText(more: more))
    #expect(sentence.contains(key) && sentence.contains(part), "\(sentence)")
  }

  @Test("initial weights that do not fit are refused, naming the tensor")
  func weights() throws {
    let good = try lab.run(lab.text(Self.mlp, "{ \"export\": { \"output\": \"w.safetensors\" } }"))
    let file = try Safetensors.read(good.folder + "/w.safetensors")
    func write(_ name: String, _ change: (String, Tensor) -> Tensor?, extra: Bool = false) throws {
      var arrays = file.tensors.compactMap { t in
        change(t.name, t.array.tensor).map { Safetensors.NamedArray(t.name, $0) }
      }
      if extra { arrays.append(Safetensors.NamedArray("more", Tensor(shape: [2]))) }
      try Safetensors.write(arrays, to: "\(lab.folder)/\(name).safetensors")
    }
    try write("nan") { name, t in
      var t = t
      if name == "fc2.weight" { t[3, 5] = .nan }
      return t
    }
    try write("missing") { name, t in name == "fc2.bias" ? nil : t }
    try write("turned") { name, t in name == "fc2.weight" ? t.reshaped([256, 128]) : t }
    try write("extra", { _, t in t }, extra: true)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: good.folder + "/w.safetensors"))
    try bytes.dropLast(100).write(to: URL(fileURLWithPath: lab.folder + "/short.safetensors"))
    for (name, part) in [
      ("nan", "tensor fc2.weight holds NaN"), ("missing", "fc2.bias: not in the file"),
      ("turned", "fc2.weight: the file holds shape [256, 128], the model wants [128, 256]"),
      ("extra", "more: in the file but not in the model"), ("short", "the file is cut short"), ("none", "no such file"),
    ] {
      let sentence = lab.refusal(
        lab.text("\"model\": { \"architecture\": \"mlp\", \"initialWeights\": \"\(name).safetensors\" }", Self.train))
      #expect(sentence.contains("model.initialWeights: ") && sentence.contains(part), "\(sentence)")
    }
  }

  // MARK: Circuits

  @Test(
    "circuits whose arrays do not fit are refused",
    arguments: [
      ("g.npy", "turned.npy", "did you mean \"direction\": \"backward\"?"),
      ("g.npy", "flat.npy", "a matrix (two axes) was expected"),
      ("nan.npy", "v.npy", "cell (1, 2) has a conductance of nan S"),
      ("negative.npy", "v.npy", "cell (0, 1) has a conductance of -1e-06 S"),
      ("g.npy", "infinite.npy", "vector 1, voltage 3 is not a finite number"),
      ("g.npy", "none.npy", "holds no vectors"),
      ("missing.npy", "v.npy", "no such file"),
    ])
  func circuit(g: String, v: String, part: String) throws {
    let base = Matrix(rows: 4, columns: 3, values: (0..<12).map { 1e-6 * Double($0 + 1) })
    func write(_ name: String, _ m: Matrix, _ change: (inout [Double]) -> Void = { _ in }) throws {
      var m = m
      change(&m.values)
      try Npy.write(m, to: "\(lab.folder)/\(name).npy")
    }
    let volts = Matrix(rows: 2, columns: 4, values: [Double](repeating: 0.1, count: 8))
    try write("g", base)
    try write("nan", base) { $0[5] = .nan }
    try write("negative", base) { $0[1] = -1e-6 }
    try write("v", volts)
    try write("infinite", volts) { $0[7] = .infinity }
    try write("turned", Matrix(rows: 2, columns: 3))
    try write("none", Matrix(rows: 0, columns: 4))
    try Npy.write(Tensor(shape: [4]), to: lab.folder + "/flat.npy")
    let sentence = lab.refusal(
      "{ \"name\": \"k\", \"hardware\": \"crossbar\", \"stages\": [{ \"circuit\": { \"conductance\": \"\(g)\", \"inputs\": \"\(v)\" } }] }"
    )
    #expect(sentence.contains("stages.0.circuit") && sentence.contains(part), "\(sentence)")
  }

  @Test("a circuit needs the crossbar's hardware, and no models")
  func circuitConfiguration() throws {
    let stage = "\"stages\": [{ \"circuit\": { \"conductance\": \"x.npy\", \"inputs\": \"x.npy\" }"
    #expect(lab.refusal("{ \"name\": \"k\", \(stage) }] }").contains("stages.0.circuit: needs the crossbar's circuit"))
    #expect(
      lab.refusal("{ \"name\": \"k\", \"hardware\": \"crossbar\", \(stage), \"models\": [\"a\"] }] }")
        .contains("stages.0.models: a stage of kind circuit works on no model"))
  }
}
