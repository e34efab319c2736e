import Configuration
import Glibc
import NeuralNetworks

/// A layer of a user-defined model.
public protocol LayerConfiguration: Configurable {
  /// What the user calls it; nil: after its kind and place.
  var name: String? { get }
  /// The stem of such a name.
  static var word: String { get }
  /// Adds the layer, or its nodes, after the last node. - Throws: `ModelError` when it does not fit.
  func add(to builder: inout ModelBuilder, name: String) throws
  /// How many weights it will have over such an input; looked at before any are made.
  func weightCount(input: Shape) -> Double
}

extension LayerConfiguration {
  public func weightCount(input: Shape) -> Double { 0 }
}

/// How a layer is written: `"relu"`, or an object whose `kind` says which.
let layerCodec = Codec<any LayerConfiguration>.tagged("Layer", shorthand: true, layerVariants())

/// Every layer, by its kind.
let layerVariants: @Sendable () -> [Variant<any LayerConfiguration>] = {
  [
    Variant("conv2d", ConvolutionConfiguration.self) { $0 },
    Variant("linear", LinearConfiguration.self) { $0 },
    Variant("batch-norm", BatchNormConfiguration.self) { $0 },
    Variant("relu", ReLUConfiguration.self) { $0 },
    Variant("dropout", DropoutConfiguration.self) { $0 },
    Variant("max-pool", MaxPoolConfiguration.self) { $0 },
    Variant("average-pool", AveragePoolConfiguration.self) { $0 },
    Variant("global-average-pool", GlobalPoolConfiguration.self) { $0 },
    Variant("flatten", FlattenConfiguration.self) { $0 },
    Variant("residual", ResidualConfiguration.self) { $0 },
    Variant("branch", BranchConfiguration.self) { $0 },
  ]
}

/// Adds a list of layers; unnamed ones are called after their kind and place.
func addLayers(_ layers: [any LayerConfiguration], to builder: inout ModelBuilder, prefix: String) throws {
  for (i, layer) in layers.enumerated() {
    let name = prefix + (layer.name ?? "\(type(of: layer).word)\(i + 1)")
    do {
      try requireMemory(values: layer.weightCount(input: builder.shape), "its weights")
      try layer.add(to: &builder, name: name)
    } catch let error as ModelError {
      // What is wrong inside of a block already names the inner layer.
      throw error.description.hasPrefix("layer ") ? error : ModelError("layer \(name): \(error.description)")
    }
  }
}

/// Refuses what this machine could never hold, rather than fall over when it is allocated.
/// - Throws: `ModelError`.
func requireMemory(values: Double, _ what: String) throws {
  let present = Double(sysconf(Int32(_SC_PHYS_PAGES))) * Double(sysconf(Int32(_SC_PAGESIZE)))
  guard 4 * values > present else { return }
  func gigabytes(_ bytes: Double) -> String { grouped(Int((bytes / 1e9).rounded(.up))) + " GB" }
  throw ModelError("\(what) would take \(gigabytes(4 * values)), this machine has \(gigabytes(present))")
}

private func nameField<T: Configurable>(_ path: WritableKeyPath<T, String?> & Sendable) -> Field<T> {
  Field("name", path, .optional(.text), "Name of the layer, and of its weights in files.")
}

public struct ConvolutionConfiguration: LayerConfiguration {
  public static var word: String { "conv" }
  public var name: String?
  public init() {}
  var outputs = 1
  var kernel = [3]
  var stride = 1
  var padding = 0
  var dilation = 1
  var groups = 1
  var bias = true
  public static let documentation = "A convolution: stride, padding, dilation, groups."
  public static let fields: [Field<ConvolutionConfiguration>] = [
    nameField(\.name),
    Field("outputs", \.outputs, .integer(1...65536), "Output channels.", required: true),
    Field(
      "kernel", \.kernel, .oneOrList(of: .integer(1...64)), "Size of the kernel, or [height, width].", required: true),
    Field("stride", \.stride, .integer(1...64), "Pixels from one output to the next."),
    Field("padding", \.padding, .integer(0...64), "Zeros around the image."),
    Field("dilation", \.dilation, .integer(1...64), "Pixels from one kernel element to the next."),
    Field("groups", \.groups, .integer(1...65536), "Groups of channels that do not see each other."),
    Field("bias", \.bias, .boolean, "Whether outputs have a bias."),
  ]
  public mutating func check(_ report: inout Report) {
    if kernel.count > 2 { report.error("has \(kernel.count) sizes, expected one or [height, width]", at: "kernel") }
  }
  public func weightCount(input: Shape) -> Double {
    Double(outputs) * Double(input.channels) / Double(groups) * Double(kernel[0]) * Double(kernel[kernel.count - 1])
  }
  public func add(to b: inout ModelBuilder, name: String) throws {
    try b.add(
      name,
      Conv2D(
        channels: b.shape.channels, outputs: outputs, kernel: (kernel[0], kernel[kernel.count - 1]), stride: stride,
        padding: padding, dilation: dilation, groups: groups, bias: bias))
  }
}

public struct LinearConfiguration: LayerConfiguration {
  public static var word: String { "fc" }
  public var name: String?
  public init() {}
  var outputs = 1
  var bias = true
  public static let documentation = "A fully connected layer; flattens images before it."
  public static let fields: [Field<LinearConfiguration>] = [
    nameField(\.name),
    Field("outputs", \.outputs, .integer(1...1_000_000), "Output features.", required: true),
    Field("bias", \.bias, .boolean, "Whether outputs have a bias."),
  ]
  public func weightCount(input: Shape) -> Double { Double(outputs) * Double(input.count) }
  public func add(to b: inout ModelBuilder, name: String) throws {
    // A flatten of the user's own keeps the shape that it flattened, so that weights keep PyTorch's order.
    let input = b.flattened ?? b.shape
    if b.shape.pixels > 1 { try b.add("\(name).flatten", Flatten()) }
    try b.add(name, Linear(input: input, outputs: outputs, bias: bias))
  }
}

public struct BatchNormConfiguration: LayerConfiguration {
  public static var word: String { "bn" }
  public var name: String?
  public init() {}
  var epsilon: Float = 1e-5
  var momentum: Float = 0.1
  public static let documentation = "Batch normalisation, digital."
  public static let fields: [Field<BatchNormConfiguration>] = [
    nameField(\.name),
    Field("epsilon", \.epsilon, .number(.above(0, through: 1)), "Added to the variance."),
    Field("momentum", \.momentum, .number(.above(0, through: 1)), "Share of a batch in the running statistics."),
  ]
  public func add(to b: inout ModelBuilder, name: String) throws {
    try b.add(name, BatchNorm(channels: b.shape.channels, epsilon: epsilon, momentum: momentum))
  }
}

public struct ReLUConfiguration: LayerConfiguration {
  public static var word: String { "relu" }
  public var name: String?
  public init() {}
  public static let documentation = "max(0, x)."
  public static let fields: [Field<ReLUConfiguration>] = [nameField(\.name)]
  public func add(to b: inout ModelBuilder, name: String) throws { try b.add(name, ReLU()) }
}

public struct DropoutConfiguration: LayerConfiguration {
  public static var word: String { "dropout" }
  public var name: String?
  public init() {}
  var rate: Float = 0.5
  public static let documentation = "Zeroes activations at random while training."
  public static let fields: [Field<DropoutConfiguration>] = [
    nameField(\.name), Field("rate", \.rate, .number(0..<1), "Share of activations that is zeroed."),
  ]
  public func add(to b: inout ModelBuilder, name: String) throws { try b.add(name, Dropout(rate: rate)) }
}

/// A layer that slides a window over the pixels.
protocol WindowConfiguration: LayerConfiguration {
  var name: String? { get set }
  var size: Int { get set }
  var stride: Int? { get set }
  var padding: Int { get set }
}

extension WindowConfiguration {
  public static var word: String { "pool" }
  static var windowFields: [Field<Self>] {
    [
      nameField(\.name),
      Field("size", \.size, .integer(1...15), "Side of the window."),
      Field(
        "stride", \.stride, .optional(.integer(1...64)),
        "Pixels from one window to the next; the window's size if left out."),
      Field("padding", \.padding, .integer(0...7), "Padding around the image."),
    ]
  }
  func window() throws -> PoolingWindow { try PoolingWindow(size: size, stride: stride, padding: padding) }
}

public struct MaxPoolConfiguration: WindowConfiguration {
  public var name: String?
  public init() {}
  var size = 2
  var stride: Int?
  var padding = 0
  public static let documentation = "The largest value of each window."
  public static var fields: [Field<MaxPoolConfiguration>] { windowFields }
  public func add(to b: inout ModelBuilder, name: String) throws { try b.add(name, MaxPool(window())) }
}

public struct AveragePoolConfiguration: WindowConfiguration {
  public var name: String?
  public init() {}
  var size = 2
  var stride: Int?
  var padding = 0
  public static let documentation = "The mean of each window."
  public static var fields: [Field<AveragePoolConfiguration>] { windowFields }
  public func add(to b: inout ModelBuilder, name: String) throws { try b.add(name, AveragePool(window())) }
}

public struct GlobalPoolConfiguration: LayerConfiguration {
  public static var word: String { "pool" }
  public var name: String?
  public init() {}
  public static let documentation = "The mean over all pixels of each channel."
  public static let fields: [Field<GlobalPoolConfiguration>] = [nameField(\.name)]
  public func add(to b: inout ModelBuilder, name: String) throws { try b.add(name, AveragePool(nil)) }
}

public struct FlattenConfiguration: LayerConfiguration {
  public static var word: String { "flatten" }
  public var name: String?
  public init() {}
  public static let documentation = "Pixels to features."
  public static let fields: [Field<FlattenConfiguration>] = [nameField(\.name)]
  public func add(to b: inout ModelBuilder, name: String) throws { try b.add(name, Flatten()) }
}

public struct ResidualConfiguration: LayerConfiguration {
  public static var word: String { "block" }
  public var name: String?
  public init() {}
  var layers: [any LayerConfiguration] = []
  var shortcut: [any LayerConfiguration] = []
  public static let documentation = "Layers whose output is added to their input, or to what a shortcut makes of it."
  public static let fields: [Field<ResidualConfiguration>] = [
    nameField(\.name),
    Field("layers", \.layers, .list(of: layerCodec, count: 1...), "The layers of the branch.", required: true),
    Field("shortcut", \.shortcut, .list(of: layerCodec), "Layers of the shortcut; none: the input itself."),
  ]
  public func add(to b: inout ModelBuilder, name: String) throws {
    let entry = b.last
    try addLayers(layers, to: &b, prefix: "\(name).")
    let branch = b.last
    var other = entry
    if !shortcut.isEmpty {
      try b.continuing(after: entry) { try addLayers(shortcut, to: &$0, prefix: "\(name).shortcut.") }
      other = b.last
    }
    try b.add("\(name).add", Add(), inputs: [branch, other])
  }
}

public struct BranchConfiguration: LayerConfiguration {
  public enum Join: String, CaseIterable, Sendable { case concatenate, add }
  public static var word: String { "branch" }
  public var name: String?
  public init() {}
  var branches: [[any LayerConfiguration]] = []
  var join = Join.concatenate
  public static let documentation = "Several lists of layers over the same input, joined."
  public static let fields: [Field<BranchConfiguration>] = [
    nameField(\.name),
    Field(
      "branches", \.branches, .list(of: .list(of: layerCodec, count: 1...), count: 2...), "The lists of layers.",
      required: true),
    Field("join", \.join, .choice, "Whether the branches' channels are concatenated, or their values added."),
  ]
  public func add(to b: inout ModelBuilder, name: String) throws {
    let entry = b.last
    var ends: [Int] = []
    for (i, branch) in branches.enumerated() {
      try b.continuing(after: entry) { try addLayers(branch, to: &$0, prefix: "\(name).\(i).") }
      ends.append(b.last)
    }
    switch join {
    case .concatenate: try b.add(name, Concatenate(), inputs: ends)
    case .add: try b.add(name, Add(), inputs: ends)
    }
  }
}
