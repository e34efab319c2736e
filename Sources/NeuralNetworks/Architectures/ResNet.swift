import LinearAlgebra

/// Every second pixel of the input, and zero channels appended: the parameter-free shortcut (option A).
///
/// Once channels are selected the zero ones are no longer carried: the sum that follows knows which are its own.
final class PaddedSubsample: Layer {
  let stride: Int
  private var outputs: Int
  private var carriesZeros = true
  private var input = Shape(features: 1)
  private var output = Shape(features: 1)

  init(stride: Int, outputs: Int) {
    self.stride = stride
    self.outputs = outputs
  }

  var kind: String { "padded-subsample" }

  func outputShape(_ inputs: [Shape]) throws -> Shape {
    input = inputs[0]
    guard outputs >= input.channels else { throw ModelError("an identity shortcut cannot lose channels") }
    output = Shape(
      height: (input.height + stride - 1) / stride, width: (input.width + stride - 1) / stride, channels: outputs)
    return output
  }

  /// New channels are added half before, half after, as in the original network.
  private var before: Int { carriesZeros ? (outputs - input.channels) / 2 : 0 }

  func channels(keeping inputs: [[Int]]) -> [Int]? { inputs[0].map { before + $0 } }

  func select(outputs: [Int], inputs: [[Int]]) throws {
    self.outputs = outputs.count
    carriesZeros = false
  }

  func forward(_ p: Piece) {
    let y = p.output!
    y.update(repeating: 0, count: p.samples * output.count)
    forEachPixel(p) { from, to in (y + to + before).update(from: p.input() + from, count: input.channels) }
  }

  func backward(_ p: Piece) {
    guard let dx = p.inputGradient() else { return }
    dx.update(repeating: 0, count: p.samples * input.count)
    forEachPixel(p) { from, to in (dx + from).update(from: p.outputGradient + to + before, count: input.channels) }
  }

  func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) { backward(p) }
  var passesRelevance: Bool { true }

  private func forEachPixel(_ p: Piece, _ body: (_ from: Int, _ to: Int) -> Void) {
    for s in 0..<p.samples {
      for y in 0..<output.height {
        for x in 0..<output.width {
          body(
            s * input.count + (y * stride * input.width + x * stride) * input.channels,
            s * output.count + (y * output.width + x) * output.channels)
        }
      }
    }
  }
}

extension ModelBuilder {
  /// Basic block (He et al., arXiv 1512.03385): 3×3 → norm → ReLU → 3×3 → norm, added to the shortcut, ReLU.
  mutating func addBasicBlock(
    _ name: String, outputs: Int, stride: Int, shortcut: ArchitectureOptions.Shortcut
  ) throws {
    let entry = last
    let channels = shape.channels
    try add(
      "\(name).conv1",
      Conv2D(channels: channels, outputs: outputs, kernel: (3, 3), stride: stride, padding: 1, bias: false))
    try add("\(name).bn1", BatchNorm(channels: outputs))
    try add("\(name).relu1", ReLU())
    try add("\(name).conv2", Conv2D(channels: outputs, outputs: outputs, kernel: (3, 3), padding: 1, bias: false))
    let branch = try add("\(name).bn2", BatchNorm(channels: outputs))
    var other = entry
    if stride != 1 || channels != outputs {
      switch shortcut {
      case .projection:
        try add(
          "\(name).downsample.0",
          Conv2D(channels: channels, outputs: outputs, kernel: (1, 1), stride: stride, bias: false), inputs: [entry])
        other = try add("\(name).downsample.1", BatchNorm(channels: outputs))
      case .identity:
        other = try add("\(name).shortcut", PaddedSubsample(stride: stride, outputs: outputs), inputs: [entry])
      }
    }
    try add("\(name).add", Add(), inputs: [branch, other])
    try add("\(name).relu2", ReLU())
  }
}

func makeCIFARResNet(depth: Int, _ input: Shape, _ classes: Int, _ options: ArchitectureOptions) throws -> Model {
  var b = ModelBuilder(inputShape: input)
  try b.add("conv1", Conv2D(channels: input.channels, outputs: 16, kernel: (3, 3), padding: 1, bias: false))
  try b.add("bn1", BatchNorm(channels: 16))
  try b.add("relu", ReLU())
  for (stage, outputs) in [16, 32, 64].enumerated() {
    for block in 0..<((depth - 2) / 6) {
      try b.addBasicBlock(
        "layer\(stage + 1).\(block)", outputs: outputs, stride: stage > 0 && block == 0 ? 2 : 1,
        shortcut: options.shortcut)
    }
  }
  try b.add("avgpool", AveragePool(nil))
  try b.addLinear("fc", classes)
  return try b.model()
}

/// torchvision's ResNet-18. Images below 64×64 pixels get a 3×3 stem without pooling, the usual form for CIFAR.
func makeResNet18(_ input: Shape, _ classes: Int, _ options: ArchitectureOptions) throws -> Model {
  var b = ModelBuilder(inputShape: input)
  let small = input.height < 64
  try b.add(
    "conv1",
    Conv2D(
      channels: input.channels, outputs: 64, kernel: small ? (3, 3) : (7, 7), stride: small ? 1 : 2,
      padding: small ? 1 : 3, bias: false))
  try b.add("bn1", BatchNorm(channels: 64))
  try b.add("relu", ReLU())
  if !small { try b.add("maxpool", MaxPool(PoolingWindow(size: 3, stride: 2, padding: 1))) }
  for (stage, outputs) in [64, 128, 256, 512].enumerated() {
    for block in 0..<2 {
      try b.addBasicBlock(
        "layer\(stage + 1).\(block)", outputs: outputs, stride: stage > 0 && block == 0 ? 2 : 1,
        shortcut: options.shortcut)
    }
  }
  try b.add("avgpool", AveragePool(nil))
  try b.addLinear("fc", classes)
  return try b.model()
}
