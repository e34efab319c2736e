/// Options of an architecture; each says which it takes.
public struct ArchitectureOptions: Equatable, Sendable {
  /// Factor of the convolutions' outputs (VGG-8).
  public var width: Double
  public var batchNorm: Bool?
  /// Sizes of the hidden layers (MLP).
  public var hidden: [Int]
  /// Sizes of fully connected layers before the classifier (VGG-16, VGG-mini).
  public var head: [Int]
  /// Option A (identity) or B (projection) at a residual network's changes of size.
  public var shortcut: Shortcut
  public var dropout: Double

  public enum Shortcut: String, CaseIterable, Sendable {
    case projection
    /// Subsampled and padded with zero channels: no parameters (He et al., arXiv 1512.03385, option A).
    case identity
  }

  public init(
    width: Double = 1, batchNorm: Bool? = nil, hidden: [Int] = [256, 128], head: [Int] = [],
    shortcut: Shortcut = .projection, dropout: Double = 0
  ) {
    self.width = width
    self.batchNorm = batchNorm
    self.hidden = hidden
    self.head = head
    self.shortcut = shortcut
    self.dropout = dropout
  }
}

/// A network that a configuration can name.
public struct Architecture: Sendable {
  public let name: String
  public let summary: String
  /// The input it was made for, when a user asks for its description without a data set.
  public let usualInput: Shape
  public let usualClasses: Int
  /// - Throws: `ModelError` when the input is too small for it.
  public let make: @Sendable (_ input: Shape, _ classes: Int, _ options: ArchitectureOptions) throws -> Model

  /// All architectures, by name.
  public static let all: [Architecture] =
    [
      Architecture(
        name: "lenet5", summary: "LeNet-5: two 5×5 convolutions of 6 and 16, fully connected 120, 84",
        usualInput: Shape(height: 28, width: 28, channels: 1), usualClasses: 10, make: makeLeNet5),
      Architecture(
        name: "mlp", summary: "fully connected layers with ReLU between; sizes by `hidden` (256, 128)",
        usualInput: Shape(height: 28, width: 28, channels: 1), usualClasses: 10, make: makeMLP),
      Architecture(
        name: "vgg8",
        summary: "3×3 convolutions 64-64-M-128-128-M-256-256-M, fully connected 1024; `width`, `batchNorm`",
        usualInput: Shape(height: 32, width: 32, channels: 3), usualClasses: 10, make: makeVGG8),
      Architecture(
        name: "vgg16", summary: "thirteen 3×3 convolutions of 64 to 512 with batch-norm, one classifier; `head`",
        usualInput: Shape(height: 32, width: 32, channels: 3), usualClasses: 10, make: makeVGG16),
      Architecture(
        name: "vgg-mini",
        summary: "six 3×3 convolutions 16-16-M-32-32-M-64-64-M with batch-norm, one classifier; `width`, `head`",
        usualInput: Shape(height: 32, width: 32, channels: 3), usualClasses: 10, make: makeVGGMini),
      Architecture(
        name: "resnet18", summary: "ResNet-18: 64/128/256/512, two basic blocks each; a 3×3 stem below 64×64 pixels",
        usualInput: Shape(height: 32, width: 32, channels: 3), usualClasses: 10, make: makeResNet18),
    ]
    + [20, 32, 56, 110].map { depth in
      Architecture(
        name: "resnet\(depth)",
        summary: "CIFAR ResNet-\(depth): 16/32/64, \((depth - 2) / 6) basic blocks each; `shortcut`",
        usualInput: Shape(height: 32, width: 32, channels: 3), usualClasses: 10,
        make: { try makeCIFARResNet(depth: depth, $0, $1, $2) })
    }

  public static func named(_ name: String) -> Architecture? { all.first { $0.name == name } }
}

extension ModelBuilder {
  /// Flattens if need be and adds a fully connected layer that knows the shape it flattened.
  @discardableResult
  mutating func addLinear(_ name: String, _ outputs: Int, bias: Bool = true) throws -> Int {
    let before = shape
    if before.pixels > 1 { try add("\(name).flatten", Flatten()) }
    return try add(name, Linear(input: before, outputs: outputs, bias: bias))
  }

  mutating func addDropout(_ name: String, _ rate: Double) throws {
    if rate > 0 { try add(name, Dropout(rate: Float(rate))) }
  }

  /// conv [→ batch-norm] → ReLU under the names conv<n>, bn<n>, relu<n>; the convolution has a bias unless a norm follows.
  mutating func addConvolutionBlock(_ n: Int, _ outputs: Int, batchNorm: Bool) throws {
    try add(
      "conv\(n)",
      Conv2D(channels: shape.channels, outputs: outputs, kernel: (3, 3), padding: 1, bias: !batchNorm))
    if batchNorm { try add("bn\(n)", BatchNorm(channels: outputs)) }
    try add("relu\(n)", ReLU())
  }
}

func makeLeNet5(_ input: Shape, _ classes: Int, _ options: ArchitectureOptions) throws -> Model {
  var b = ModelBuilder(inputShape: input)
  try b.add("conv1", Conv2D(channels: input.channels, outputs: 6, kernel: (5, 5), padding: 2))
  try b.add("relu1", ReLU())
  try b.add("pool1", MaxPool(PoolingWindow(size: 2)))
  try b.add("conv2", Conv2D(channels: 6, outputs: 16, kernel: (5, 5)))
  try b.add("relu2", ReLU())
  try b.add("pool2", MaxPool(PoolingWindow(size: 2)))
  try b.addLinear("fc1", 120)
  try b.add("relu3", ReLU())
  try b.addDropout("dropout1", options.dropout)
  try b.addLinear("fc2", 84)
  try b.add("relu4", ReLU())
  try b.addLinear("fc3", classes)
  return try b.model()
}

func makeMLP(_ input: Shape, _ classes: Int, _ options: ArchitectureOptions) throws -> Model {
  var b = ModelBuilder(inputShape: input)
  for (i, size) in options.hidden.enumerated() {
    guard size > 0 else { throw ModelError("a hidden layer cannot have \(size) features") }
    try b.addLinear("fc\(i + 1)", size)
    try b.add("relu\(i + 1)", ReLU())
    try b.addDropout("dropout\(i + 1)", options.dropout)
  }
  try b.addLinear("fc\(options.hidden.count + 1)", classes)
  return try b.model()
}

/// Pairs of convolutions with a pooling behind each pair.
private func addPairs(
  _ sizes: [Int], to b: inout ModelBuilder, batchNorm: Bool, _ options: ArchitectureOptions
) throws {
  for (i, outputs) in sizes.enumerated() {
    let scaled = Int((Double(outputs) * options.width).rounded())
    guard scaled > 0 else { throw ModelError("a width of \(options.width) leaves a convolution without outputs") }
    try b.addConvolutionBlock(i + 1, scaled, batchNorm: batchNorm)
    if i % 2 == 1 { try b.add("pool\(i / 2 + 1)", MaxPool(PoolingWindow(size: 2))) }
  }
}

/// Fully connected layers fc1, fc2, … as `head` has them, and the classifier fc with dropout before it.
private func addHead(to b: inout ModelBuilder, _ classes: Int, _ options: ArchitectureOptions) throws {
  for (i, size) in options.head.enumerated() {
    guard size > 0 else { throw ModelError("a fully connected layer cannot have \(size) features") }
    try b.addLinear("fc\(i + 1)", size)
    try b.add("fc\(i + 1).relu", ReLU())
  }
  try b.addDropout("dropout1", options.dropout)
  try b.addLinear("fc", classes)
}

/// VGG's form at a size that many runs of a study can afford: 9.9 million multiply-accumulates on 32×32.
func makeVGGMini(_ input: Shape, _ classes: Int, _ options: ArchitectureOptions) throws -> Model {
  var b = ModelBuilder(inputShape: input)
  try addPairs([16, 16, 32, 32, 64, 64], to: &b, batchNorm: options.batchNorm ?? true, options)
  try addHead(to: &b, classes, options)
  return try b.model()
}

func makeVGG8(_ input: Shape, _ classes: Int, _ options: ArchitectureOptions) throws -> Model {
  var b = ModelBuilder(inputShape: input)
  try addPairs([64, 64, 128, 128, 256, 256], to: &b, batchNorm: options.batchNorm ?? false, options)
  try b.addLinear("fc1", 1024)
  try b.add("relu7", ReLU())
  try b.addDropout("dropout1", options.dropout)
  try b.addLinear("fc2", classes)
  return try b.model()
}

func makeVGG16(_ input: Shape, _ classes: Int, _ options: ArchitectureOptions) throws -> Model {
  var b = ModelBuilder(inputShape: input)
  var n = 0
  for (stage, (outputs, count)) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)].enumerated() {
    for _ in 0..<count {
      n += 1
      try b.addConvolutionBlock(n, outputs, batchNorm: options.batchNorm ?? true)
    }
    try b.add("pool\(stage + 1)", MaxPool(PoolingWindow(size: 2)))
  }
  try addHead(to: &b, classes, options)
  return try b.model()
}
