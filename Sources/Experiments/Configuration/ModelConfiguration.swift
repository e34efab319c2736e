import Configuration
import NeuralNetworks

/// A model: an architecture by name, the user's own layers, a copy of another model, or an ensemble.
public struct ModelConfiguration: Configurable {
  public var architecture: String?
  public var layers: [any LayerConfiguration] = []
  public var from: String?
  public var ensemble: [String] = []
  public var combine = Ensemble.Combination.meanProbability
  public var width = 1.0
  public var batchNorm: Bool?
  public var hidden = [256, 128]
  public var head: [Int]?
  public var shortcut = ArchitectureOptions.Shortcut.projection
  public var dropout = 0.0
  public var initialization = Initialization.kaimingUniform
  public var seed: UInt64?
  public var initialWeights: String?
  public var structure: String?
  public var hardware: any HardwareConfiguration = DigitalConfiguration()

  public init() {}

  public static let documentation = "A model: exactly one of architecture, layers, from, ensemble."
  public static let fields: [Field<ModelConfiguration>] = [
    Field(
      "architecture", \.architecture, .optional(.choice(Architecture.all.map(\.name))),
      "A network by name (`simengine list models`)."),
    Field("layers", \.layers, .list(of: layerCodec), "The network's layers, in order; the last gives the classes."),
    Field("from", \.from, .optional(.text), "Starts as a copy of another model, as it is when the run begins."),
    Field("ensemble", \.ensemble, .list(of: .text), "Models that answer together; evaluated, never trained."),
    Field("combine", \.combine, .choice, "How an ensemble's members are combined."),
    Field("width", \.width, .number(.above(0, through: 16)), "Factor of the convolutions' outputs (vgg8, vgg-mini)."),
    Field(
      "batchNorm", \.batchNorm, .optional(.boolean),
      "Batch-norm after convolutions (vgg8: off, vgg16 and vgg-mini: on if left out)."
    ),
    Field("hidden", \.hidden, .oneOrList(of: .integer(1...1_000_000)), "Sizes of the hidden layers (mlp)."),
    Field(
      "head", \.head, .optional(.list(of: .integer(1...1_000_000), count: 1...)),
      "Sizes of fully connected layers before the classifier (vgg16, vgg-mini)."),
    Field(
      "shortcut", \.shortcut, .choice, "Where a residual network changes size: projection, or identity (option A)."),
    Field(
      "dropout", \.dropout, .number(0..<1),
      "Dropout before the classifier, or after fully connected layers (lenet5, mlp, vgg8)."),
    Field("initialization", \.initialization, .choice, "The law by which initial weights are drawn."),
    Field(
      "seed", \.seed, .optional(.seed),
      "Keys the initial weights, so that an ensemble's members differ; the experiment's if left out."),
    Field(
      "initialWeights", \.initialWeights, .optional(.text),
      "Starts from a safetensors file with PyTorch's names and layouts."),
    Field(
      "structure", \.structure, .optional(.text),
      "Has only the channels of the pruned network in this safetensors file, whose own weights are not taken."),
    Field("hardware", \.hardware, hardwareCodec, "Where the weights live and products are done."),
  ]

  public mutating func check(_ report: inout Report) {
    let given = [architecture != nil, !layers.isEmpty, from != nil, !ensemble.isEmpty].filter { $0 }.count
    if given != 1 {
      report.error(
        given == 0 ? "names no network" : "names \(given) networks",
        hint: "give exactly one of \"architecture\", \"layers\", \"from\", \"ensemble\"")
      return
    }
    let own = from != nil ? "a copy of another model" : ensemble.isEmpty ? nil : "an ensemble"
    if let own, structure != nil {
      report.error(
        "\(own) has the structure of what it is made of", at: "structure", hint: "give it to the model it is made of")
    }
    if structure != nil && initialWeights != nil {
      report.error(
        "stands beside \"initialWeights\"", at: "structure",
        hint: "a pruned network's weights bring its structure along")
    }
    if let own, initialWeights != nil {
      report.error(
        "\(own) has no initial weights of its own", at: "initialWeights", hint: "give them to the model it is made of")
    }
    if !ensemble.isEmpty && !(hardware is DigitalConfiguration) {
      report.error("an ensemble has no hardware of its own", at: "hardware", hint: "give it to the members")
    }
    let used = architecture.map { Self.options[$0] ?? ["shortcut"] } ?? []
    let plain = ArchitectureOptions()
    for (key, isSet) in [
      ("width", width != plain.width), ("batchNorm", batchNorm != plain.batchNorm), ("hidden", hidden != plain.hidden),
      ("head", head != nil),
      ("shortcut", shortcut != plain.shortcut), ("dropout", dropout != plain.dropout),
    ] where isSet && !used.contains(key) {
      let what = architecture ?? own ?? "a model of your own layers"
      report.warning(
        "has no effect on \(what)", at: key, hint: used.isEmpty ? "" : "its options: \(used.joined(separator: ", "))")
    }
  }

  /// The options that an architecture takes; residual networks take the shortcut.
  private static let options = [
    "lenet5": ["dropout"], "mlp": ["hidden", "dropout"], "vgg8": ["width", "batchNorm", "dropout"],
    "vgg16": ["batchNorm", "head", "dropout"], "vgg-mini": ["width", "batchNorm", "head", "dropout"],
  ]

  var options: ArchitectureOptions {
    ArchitectureOptions(
      width: width, batchNorm: batchNorm, hidden: hidden, head: head ?? [], shortcut: shortcut, dropout: dropout)
  }

  /// The network for a data set's images and classes, weights still zero and digital.
  /// - Throws: `ModelError` when it does not fit the images.
  func make(input: Shape, classes: Int) throws -> Model {
    if let architecture, let found = Architecture.named(architecture) {
      if architecture == "mlp" {
        let sizes = [input.count] + hidden + [classes]
        try requireMemory(
          values: zip(sizes, sizes.dropFirst()).reduce(0) { $0 + Double($1.0) * Double($1.1) }, "its weights")
      }
      return try found.make(input, classes, options)
    }
    var builder = ModelBuilder(inputShape: input)
    try addLayers(layers, to: &builder, prefix: "")
    let model = try builder.model()
    guard model.output.shape.count == classes else {
      throw ModelError(
        "layer \(model.output.name): gives \(model.output.shape) values as the last layer, the data have \(classes) classes"
      )
    }
    return model
  }
}
