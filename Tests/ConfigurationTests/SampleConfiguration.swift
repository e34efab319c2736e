@testable import Configuration

// A small tree in the likeness of an experiment, with one of everything a table can say.

struct Sample: Configurable {
  var name = ""
  var seed: UInt64 = 1
  var model: Model?
  var models: [String: Model] = [:]
  var stages: [Stage] = []
  var sweep: [String: JSON] = [:]

  static let documentation = "An experiment."
  static let fields: [Field<Sample>] = [
    Field("name", \.name, .text, "Names the run's folder.", required: true, example: "lenet5"),
    Field("seed", \.seed, .seed, "Data order and initialisation."),
    Field("model", \.model, .optional(.object(shorthand: "architecture")), "Short for one model called main."),
    Field("models", \.models, .map(of: .object(shorthand: "architecture")), "The models by name."),
    Field("stages", \.stages, .list(of: .object()), "What is done, in order."),
    Field("sweep", \.sweep, .map(of: .any), "Values to try, by path."),
  ]

  mutating func check(_ report: inout Report) {
    guard let only = model else { return }
    if !models.isEmpty { report.error("stands beside \"models\"", at: "model", hint: "use one of the two") }
    models["main"] = only
    model = nil
  }
}

struct Model: Configurable {
  enum Architecture: String, CaseIterable { case lenet5, mlp }
  var architecture = Architecture.lenet5
  var hidden: [Int] = [256, 128]
  var hardware: any Hardware = Digital()

  static let fields: [Field<Model>] = [
    Field("architecture", \.architecture, .choice, "The network.", required: true),
    Field("hidden", \.hidden, .oneOrList(of: .integer(1...)), "Sizes of the hidden layers."),
    Field("hardware", \.hardware, hardwareCodec, "What the network runs on."),
  ]
}

protocol Hardware: Configurable {}

let hardwareCodec = Codec<any Hardware>.tagged(
  "Hardware", default: "digital", shorthand: true,
  [Variant("digital", Digital.self) { $0 }, Variant("crossbar", Crossbar.self) { $0 }])

struct Digital: Hardware {
  static let documentation = "Floating point."
  static let fields: [Field<Digital>] = []
}

enum Range: Equatable, Sendable {
  case automatic
  case value(Double)
}

struct Crossbar: Hardware {
  var rows = 64
  var adcRange = Range.automatic
  var noise: [Double] = [0]
  var device = Device()
  var layers: [String: JSON] = [:]

  static let documentation = "Resistive arrays."
  static let fields: [Field<Crossbar>] = [
    Field("rows", \.rows, .integer(1...4096), "Word lines of an array."),
    Field(
      "adcRange", \.adcRange,
      .either(
        .word("auto", .automatic),
        .form(.number(.above(0), unit: "ampere"), Range.value) { if case .value(let value) = $0 { value } else { nil } }
      ),
      "Full scale of the converters."),
    Field("noise", \.noise, .list(of: .number(0...1), count: 1...3), "Read noise."),
    Field("device", \.device, .object(), "The cell."),
    Field("layers", \.layers, .map(of: .patch(of: hardwareCodec)), "Overrides by layer."),
  ]
}

struct Device: Configurable {
  var preset: String?
  var onResistance = 1e5
  var offResistance = 1e6
  var leakage: Double?
  var isStuck = false

  static let presets = [Preset("ag-si", Device(onResistance: 2e5, offResistance: 3e6))]
  static let fields: [Field<Device>] = [
    .preset(\.preset, "A published device."),
    Field("onResistance", \.onResistance, .number(1...1e12, unit: "ohm", usual: 1e3...1e7), "Of a cell switched on."),
    Field("offResistance", \.offResistance, .number(1...1e12, unit: "ohm"), "Of a cell switched off."),
    Field("leakage", \.leakage, .optional(.number(0...1, unit: "siemens", usual: 1e-7...1e-3)), "To ground."),
    Field("isStuck", \.isStuck, .boolean, "Cannot be written."),
  ]

  mutating func check(_ report: inout Report) {
    if onResistance >= offResistance {
      report.error("\(brief(onResistance)) ohm is not below offResistance, \(brief(offResistance))", at: "onResistance")
    }
  }
}

struct Stage: Configurable {
  var label: String?
  var body: any StageBody = Evaluate()

  static let fields: [Field<Stage>] = [
    .oneKey(\.body, of: stageBodies),
    Field("label", \.label, .optional(.text), "Names the stage."),
  ]
}

protocol StageBody: Configurable {}

let stageBodies: [Variant<any StageBody>] = [
  Variant("train", Train.self) { $0 },
  Variant("evaluate", Evaluate.self) { $0 },
]

struct Train: StageBody {
  var epochs = 10
  var learningRate = 0.05
  var schedule = Schedule()
  static let documentation = "Trains."
  static let fields: [Field<Train>] = [
    Field("epochs", \.epochs, .integer(1...), "Passes over the data."),
    Field("learningRate", \.learningRate, .number(0...), "Step size."),
    Field("schedule", \.schedule, .object(shorthand: "kind"), "Of the learning rate."),
  ]
}

struct Schedule: Configurable {
  var kind = "constant"
  var warmup = 0
  static let fields: [Field<Schedule>] = [
    Field("kind", \.kind, .choice(["constant", "cosine"]), "Its course."),
    Field("warmup", \.warmup, .integer(0...), "Epochs to rise from 0."),
  ]
}

struct Evaluate: StageBody {
  var split = "test"
  static let documentation = "Measures."
  static let fields: [Field<Evaluate>] = [Field("split", \.split, .choice(["train", "test"]), "Which part.")]
}

let sampleTexts = [
  #"{ "name": "smallest" }"#,
  """
  // What does the wire cost?
  {
    "$schema": "schema.json",
    "name": "lenet5-on-crossbars", "seed": 3,
    "models": {
      "ideal": "lenet5",
      "crossbar": { "architecture": "mlp", "hidden": 64, "hardware": {
        "kind": "crossbar", "rows": 128, "adcRange": 1e-5, "noise": [0.1, 0],
        "device": { "preset": "ag-si", "onResistance": 1e4, "leakage": null },
        "layers": { "fc3": { "kind": "digital" }, "fc1": { "rows": 32, "device": { "isStuck": true } } },
      } },
    },
    "stages": [
      { "train": { "epochs": 20, "schedule": "cosine" } },
      { "evaluate": { "split": "test" }, "label": "test" },
      { "train": { "learningRate": 1e-3, "schedule": { "warmup": 2 } } },
    ],
    "sweep": { "models.crossbar.hardware.device.onResistance": [1e4, 1e5] },
  }
  """,
  """
  { name: 'short', model: { architecture: 'mlp', hardware: 'digital', hidden: [0x10, +8.0] },
    stages: [{evaluate: {}}] }
  """,
]
