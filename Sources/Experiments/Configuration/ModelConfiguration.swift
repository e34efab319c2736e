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
  public var shortcut = ArchitectureOptions.Shortcut.projection
  public var dropout = 0.0
  public var initialization = Initialization.kaimingUniform
  public var initialWeights: String?
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
    Field("width", \.width, .number(.above(0, through: 16)), "Factor of the convolutions' outputs (vgg8)."),
    Field("batchNorm", \.batchNorm, .optional(.boolean), "Batch-norm after convolutions (vgg8: off, vgg16: on if left out)."),
    Field("hidden", \.hidden, .oneOrList(of: .integer(1...1_000_000)), "Sizes of the hidden layers (mlp)."),
    Field("shortcut", \.shortcut, .choice, "Where a residual network changes size: projection, or identity (option A)."),
    Field("dropout", \.dropout, .number(0..<1), "Dropout after fully connected layers (lenet5, mlp, vgg8, vgg16)."),
    Field("initialization", \.initialization, .choice, "The law by which initial weights are drawn."),
    Field(
      "initialWeights", \.initialWeights, .optional(.text),
      "Starts from a safetensors file with PyTorch's names and layouts."),
    Field("hardware", \.hardware, hardwareCodec, "Where the weights live and products are done."),
  ]

  public mutating func check(_ report: inout Report) {
    let given = [architecture != nil, !layers.isEmpty, from != nil, !ensemble.isEmpty].filter { $0 }.count
    if given != 1 {
      report.error(
        given == 0 ? "names no network" : "names \(given) networks",
        hint: "give exactly one of \"architecture\", \"layers\", \"from\", \"ensemble\"")
    }
  }

  var options: ArchitectureOptions {
    ArchitectureOptions(width: width, batchNorm: batchNorm, hidden: hidden, shortcut: shortcut, dropout: dropout)
  }

  /// The network for a data set's images and classes, weights still zero and digital.
  /// - Throws: `ModelError` when it does not fit the images.
  func make(input: Shape, classes: Int) throws -> Model {
    if let architecture, let found = Architecture.named(architecture) {
      return try found.make(input, classes, options)
    }
    var builder = ModelBuilder(inputShape: input)
    try addLayers(layers, to: &builder, prefix: "")
    let model = try builder.model()
    guard model.output.shape.count == classes else {
      throw ModelError("the last layer gives \(model.output.shape) values, the data have \(classes) classes")
    }
    return model
  }
}
