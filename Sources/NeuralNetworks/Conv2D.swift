import CKernels
import LinearAlgebra

/// y[o] = Σ_patch x[patch] · W[o, patch] + b[o], by patches as rows of one matrix product.
///
/// - x: [batch, height, width, channels]   - W: [outputs, kernelHeight · kernelWidth · channels / groups]
/// - y: [batch, outHeight, outWidth, outputs], out = (in + 2·padding − dilation·(kernel − 1) − 1) / stride + 1
///
/// Backward: dW = dyᵀ · patches, db = Σ dy, d(patches) = dy · W, scattered back into dx. Patches are made for a block
/// of rows that stays in the cache; small ones are kept from forward to backward instead of being made twice.
///
/// An array reads patches; that is the way for every array that has a physics. Where the weights are plain memory the
/// same sums are had faster: by Winograd's algorithm (`Winograd.swift`) for 3×3 kernels over many channels, or by
/// products that read the image in place (`DirectConvolution.swift`) where outputs are few.
public final class Conv2D: Layer {
  public private(set) var outputs: Int
  public let kernelSize: (height: Int, width: Int)
  public let stride: Int
  public let padding: Int
  public let dilation: Int
  public private(set) var groups: Int
  private(set) var channels: Int
  let weight: Weights
  let bias: Parameter?

  /// Floats of a block of patches: large enough for an efficient product, small enough for the second-level cache.
  static let blockFloats = 96 << 10
  /// Rows that a block has at least where an array reads them: its weights pass through the cache once a block.
  static let blockVectors = 128
  /// Patches of a sample up to this size are kept from forward to backward.
  static let keptFloats = 24 << 10

  /// - Throws: `ModelError` when channels or outputs do not divide by groups, or a size is not positive.
  public init(
    channels: Int, outputs: Int, kernel: (height: Int, width: Int), stride: Int = 1, padding: Int = 0,
    dilation: Int = 1, groups: Int = 1, bias: Bool = true
  ) throws {
    guard channels > 0, outputs > 0, kernel.height > 0, kernel.width > 0, stride > 0, padding >= 0, dilation > 0,
      groups > 0
    else { throw ModelError("a convolution wants positive channels, outputs, kernel, stride, dilation and groups") }
    guard channels % groups == 0, outputs % groups == 0 else {
      throw ModelError("\(channels) channels and \(outputs) outputs cannot be divided into \(groups) groups")
    }
    self.channels = channels
    self.outputs = outputs
    self.kernelSize = kernel
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
    self.groups = groups
    isDepthwise = groups > 1 && groups == channels
    weight = Weights(
      "weight", outputs: outputs, patch: Shape(height: kernel.height, width: kernel.width, channels: channels / groups),
      groups: groups, isConvolution: true)
    self.bias = bias ? Parameter("bias", count: outputs) : nil
    weight.bias = self.bias
  }

  public var kind: String { "conv2d" }
  public var weights: [Weights] { [weight] }
  public var parameters: [Parameter] { bias.map { [$0] } ?? [] }

  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    let x = inputs[0]
    guard x.channels == channels else {
      throw ModelError("a convolution over \(channels) channels cannot follow an output of \(x)")
    }
    let h = x.height + 2 * padding - dilation * (kernelSize.height - 1) - 1
    let w = x.width + 2 * padding - dilation * (kernelSize.width - 1) - 1
    guard h >= 0, w >= 0 else {
      throw ModelError(
        "a \(kernelSize.height)×\(kernelSize.width) kernel does not fit into \(x) with padding \(padding)")
    }
    geometry = Geometry(self, x, Shape(height: h / stride + 1, width: w / stride + 1, channels: outputs))
    geometry.method = chooseMethod(geometry.output)
    return geometry.output
  }

  // MARK: Geometry

  /// The ways to the same sums.
  enum Method {
    /// Rows of patches through the array's reads.
    case patches
    /// Digital weights, few outputs: products that read the padded image in place.
    case direct
    /// Digital weights, 3×3, stride 1, many channels: Winograd's F(2×2, 3×3).
    case winograd
  }

  /// The way chosen when a model is wired, unless a test asks for one.
  var requestedMethod: Method?

  private func chooseMethod(_ output: Shape) -> Method {
    guard groups == 1, dilation == 1, weight.arrays[0] is DigitalArray else { return .patches }
    let winograd = kernelSize == (3, 3) && stride == 1
    if let requestedMethod { return requestedMethod == .winograd && !winograd ? .patches : requestedMethod }
    if winogradPays(output) { return .winograd }
    return kernelSize != (1, 1) && outputs <= 64 && weight.inputs <= 1024 ? .direct : .patches
  }

  /// Winograd's algorithm is possible and faster than patches.
  private func winogradPays(_ output: Shape) -> Bool {
    groups == 1 && dilation == 1 && kernelSize == (3, 3) && stride == 1 && channels >= 16 && outputs >= 16
      && output.height >= 4 && output.width >= 4
  }

  /// The weights' gradient is formed by Winograd's algorithm although an array reads patches: the charge collected at a
  /// cross point does not depend on how the sum is formed.
  var takesGradientByWinograd: Bool {
    geometry.method == .patches && requestedMethod == nil && !takesGradientInPlace && winogradPays(geometry.output)
  }

  /// How the patches of one sample are cut into blocks.
  struct Geometry {
    var method = Method.patches
    var input = Shape(features: 1)
    var output = Shape(features: 1)
    /// The patches are the input itself (1×1, stride 1).
    var isPlain = false
    var paddedWidth = 0
    var paddedFloats = 0
    /// Values of a patch of one group.
    var patch = 0
    var keeps = false
    /// Whole samples of a block, or 1 with `blockLines` output lines of it.
    var blockSamples = 1
    var blockLines = 0
    var blockRows: Int { blockSamples * blockLines * output.width }

    init() {}

    init(_ c: Conv2D, _ input: Shape, _ output: Shape) {
      self.input = input
      self.output = output
      isPlain = c.kernelSize == (1, 1) && c.stride == 1 && c.padding == 0 && c.groups == 1
      paddedWidth = input.width + 2 * c.padding
      paddedFloats = (input.height + 2 * c.padding) * paddedWidth * input.channels
      patch = c.weight.patch.count
      let perLine = output.width * patch
      let perSample = output.height * perLine
      let blockFloats = max(
        Conv2D.blockFloats, c.weight.arrays[0] is DigitalArray ? 0 : Conv2D.blockVectors * patch)
      keeps = !isPlain && !c.takesGradientInPlace && perSample * c.groups <= Conv2D.keptFloats
      if keeps {
        // A kept piece is one block: its rows lie together.
        blockSamples = Workspace.pieceSize
        blockLines = output.height
      } else if perSample <= blockFloats {
        blockSamples = min(Workspace.pieceSize, max(1, blockFloats / perSample))
        blockLines = output.height
      } else {
        blockLines = min(output.height, max(1, blockFloats / perLine))
      }
    }
  }

  /// Set when the model is wired (`outputShape`).
  private(set) var geometry = Geometry()

  private var patches: CKPatches {
    CKPatches(
      width: Int32(geometry.paddedWidth), channels: Int32(channels), firstChannel: 0,
      groupChannels: Int32(channels / groups), kernelHeight: Int32(kernelSize.height),
      kernelWidth: Int32(kernelSize.width), stride: Int32(stride), dilation: Int32(dilation),
      outputWidth: Int32(geometry.output.width))
  }

  /// Seven floats may be written past a block of patches.
  static let slack = 16

  public func memory(inputs: [Shape], output: Shape) -> LayerMemory {
    let g = geometry
    var m = LayerMemory()
    switch g.method {
    case .direct: return directMemory()
    case .winograd: return winogradMemory()
    case .patches: break
    }
    let array = weight.arrays.map {
      $0.scratchFloats(rows: g.isPlain ? Workspace.pieceSize * output.pixels : g.blockRows)
    }
    let block = g.blockRows * g.patch + Self.slack
    m.scratchFloats = (array.max() ?? 0) + max(2 * block, weight.count + 2 * Self.slack) + g.paddedFloats + Self.slack
    if takesGradientByWinograd { m.scratchFloats = max(m.scratchFloats, winogradMemory().scratchFloats) }
    if g.keeps { m.savedFloats = output.pixels * g.patch * groups }
    return m
  }

  public func preparationTasks(backward: Bool) -> Int {
    switch geometry.method {
    case .patches: 0
    case .direct: 1
    case .winograd: winogradTasks
    }
  }

  public func prepare(task: Int, backward: Bool, shared: UnsafeMutablePointer<Float>) {
    switch geometry.method {
    case .patches: break
    case .direct: directPrepare(backward: backward, shared)
    case .winograd: winogradPrepare(task: task, backward: backward, shared)
    }
  }

  // MARK: Forward and backward

  /// Copies one sample into the middle of a frame of zeros.
  func pad(_ x: UnsafePointer<Float>, into padded: UnsafeMutablePointer<Float>) {
    let line = geometry.input.width * channels
    let paddedLine = geometry.paddedWidth * channels
    padded.update(repeating: 0, count: padding * paddedLine)
    var to = padded + padding * paddedLine
    for y in 0..<geometry.input.height {
      to.update(repeating: 0, count: padding * channels)
      (to + padding * channels).update(from: x + y * line, count: line)
      (to + padding * channels + line).update(repeating: 0, count: padding * channels)
      to += paddedLine
    }
    to.update(repeating: 0, count: padding * paddedLine)
  }

  /// Adds or copies the middle of a frame out of it.
  private func unpad(_ padded: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>) {
    let line = geometry.input.width * channels
    let paddedLine = geometry.paddedWidth * channels
    for y in 0..<geometry.input.height {
      (dx + y * line).update(from: padded + (y + padding) * paddedLine + padding * channels, count: line)
    }
  }

  public func forward(_ p: Piece) {
    let g = geometry
    switch g.method {
    case .direct: return directForward(p)
    case .winograd: return winogradForward(p)
    case .patches: break
    }
    let y = p.output!
    if g.isPlain {
      weight.arrays[0].forward(
        p.input(), channels, rows: p.samples * g.output.pixels, y, outputs,
        p.readContext(scratch: p.scratch, rowsPerSample: g.output.pixels))
    } else {
      var geometryOfGroup = patches
      let padded = p.scratch!
      let block = padded + g.paddedFloats + Self.slack
      let arrayScratch = block + 2 * (g.blockRows * g.patch + Self.slack)
      let groupOutputs = outputs / groups
      var sample = 0
      while sample < p.samples {
        let count = min(g.blockSamples, p.samples - sample)
        var line = 0
        while line < g.output.height {
          let lines = min(g.blockLines, g.output.height - line)
          let rows = count * lines * g.output.width
          let firstRow = sample * g.output.pixels + line * g.output.width
          for group in 0..<groups {
            geometryOfGroup.firstChannel = Int32(group * channels / groups)
            let col =
              g.keeps
              ? p.savedFloats + group * p.samples * g.output.pixels * g.patch : block
            for s in 0..<count {
              var image = UnsafePointer(p.input() + (sample + s) * g.input.count)
              if padding > 0 {
                // With groups the frame of the last sample is still there only when a block holds one sample.
                if line == 0 && group == 0 || count > 1 { pad(image, into: padded) }
                image = UnsafePointer(padded)
              }
              kernels.gatherPatches(
                &geometryOfGroup, image, Int32(line), Int32(lines), col + s * lines * g.output.width * g.patch,
                Int32(g.patch))
            }
            weight.arrays[group].forward(
              col, g.patch, rows: rows, y + firstRow * outputs + group * groupOutputs, outputs,
              p.readContext(
                scratch: arrayScratch, sample: sample, row: line * g.output.width, rowsPerSample: g.output.pixels))
          }
          line += lines
        }
        sample += count
      }
    }
    if let bias, !weight.holdsBias { kernels.addBias(p.samples * g.output.pixels, outputs, bias.values, y, outputs) }
  }

  public func backward(_ p: Piece) {
    let g = geometry
    let dy = p.outputGradient!
    if let bias, let db = p.gradient(bias) {
      kernels.columnSums(p.samples * g.output.pixels, outputs, dy, outputs, db)
    }
    switch g.method {
    case .direct: return directBackward(p)
    case .winograd: return winogradBackward(p)
    case .patches: break
    }
    let dW = p.gradient(weight)
    let dx = p.inputGradient()
    if g.isPlain {
      let rows = p.samples * g.output.pixels
      if let dW {
        BLAS.gemm(
          true, false, m: outputs, n: channels, k: rows, dy, outputs, p.input(), channels,
          beta: p.startsGradient ? 0 : 1, dW, channels)
      }
      if let dx {
        weight.arrays[0].backward(
          dy, outputs, rows: rows, dx, channels, p.readContext(scratch: p.scratch, rowsPerSample: g.output.pixels))
      }
      return
    }
    var geometryOfGroup = patches
    let frame = p.scratch!
    let block = frame + g.paddedFloats + Self.slack
    let gradientBlock = block + g.blockRows * g.patch + Self.slack
    let arrayScratch = gradientBlock + g.blockRows * g.patch + Self.slack
    let groupOutputs = outputs / groups
    let groupWeights = groupOutputs * g.patch
    let ahead = takesGradientInPlace || takesGradientByWinograd
    if let dW, ahead {
      if takesGradientInPlace { directWeightGradient(p, dW, transposed: block) } else { winogradGradient(p, dW) }
    }
    var isFirst = p.startsGradient
    var sample = 0
    while sample < p.samples {
      let count = min(g.blockSamples, p.samples - sample)
      // Gradient of the weights: patches again (or as kept), then dyᵀ · patches.
      if let dW, !ahead {
        var line = 0
        while line < g.output.height {
          let lines = min(g.blockLines, g.output.height - line)
          let rows = count * lines * g.output.width
          let firstRow = sample * g.output.pixels + line * g.output.width
          for group in 0..<groups {
            geometryOfGroup.firstChannel = Int32(group * channels / groups)
            var col = block
            if g.keeps {
              col = p.savedFloats + group * p.samples * g.output.pixels * g.patch
            } else {
              for s in 0..<count {
                var image = UnsafePointer(p.input() + (sample + s) * g.input.count)
                if padding > 0 {
                  if line == 0 && group == 0 || count > 1 { pad(image, into: frame) }
                  image = UnsafePointer(frame)
                }
                kernels.gatherPatches(
                  &geometryOfGroup, image, Int32(line), Int32(lines), col + s * lines * g.output.width * g.patch,
                  Int32(g.patch))
              }
            }
            BLAS.gemm(
              true, false, m: groupOutputs, n: g.patch, k: rows, dy + firstRow * outputs + group * groupOutputs,
              outputs, col, g.patch, beta: isFirst ? 0 : 1, dW + group * groupWeights, g.patch)
          }
          isFirst = false
          line += lines
        }
      }
      // Gradient of the input: dy · W, scattered into a frame, one sample's frame at a time.
      if let dx {
        var line = 0
        while line < g.output.height {
          let lines = min(g.blockLines, g.output.height - line)
          let rows = count * lines * g.output.width
          let firstRow = sample * g.output.pixels + line * g.output.width
          let rowsPerSample = lines * g.output.width
          for group in 0..<groups {
            geometryOfGroup.firstChannel = Int32(group * channels / groups)
            weight.arrays[group].backward(
              dy + firstRow * outputs + group * groupOutputs, outputs, rows: rows, gradientBlock, g.patch,
              p.readContext(
                scratch: arrayScratch, sample: sample, row: line * g.output.width, rowsPerSample: g.output.pixels))
            for s in 0..<count {
              let target = padding > 0 ? frame : dx + (sample + s) * g.input.count
              if count == 1 {
                // The frame lives through all lines and groups of its sample.
                if line == 0 && group == 0 { target.update(repeating: 0, count: g.paddedFloats) }
              } else if padding > 0 && group > 0 {
                // The frame is taken up again where the last group left it.
                pad(dx + (sample + s) * g.input.count, into: frame)
              } else if group == 0 {
                target.update(repeating: 0, count: padding > 0 ? g.paddedFloats : g.input.count)
              }
              kernels.scatterPatches(
                &geometryOfGroup, gradientBlock + s * rowsPerSample * g.patch, Int32(g.patch), Int32(line),
                Int32(lines), target)
              if padding > 0 && count > 1 { unpad(frame, into: dx + (sample + s) * g.input.count) }
            }
          }
          line += lines
        }
        if padding > 0 && count == 1 { unpad(frame, into: dx + sample * g.input.count) }
      }
      sample += count
    }
  }

  /// The αβ rule.
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) { split?.relevance(p, rule) }
  public var passesRelevance: Bool { true }

  public func makeSplitTwin() throws -> (any Layer)? {
    let twin = try Conv2D(
      channels: channels, outputs: 2 * outputs, kernel: kernelSize, stride: stride, padding: padding,
      dilation: dilation, groups: groups, bias: false)
    twin.requestedMethod = requestedMethod
    return twin
  }

  public func updateArrays(
    batch: Int, input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, rate: Float, step: Int,
    scratch: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    guard weight.arrays[0].updatesPerVector else { return }
    let g = geometry
    var geometryOfGroup = patches
    let frame = scratch
    let block = frame + g.paddedFloats + Self.slack
    let groupOutputs = outputs / groups
    // As many lines as fit a block of one sample.
    let lines = g.blockSamples > 1 ? g.output.height : g.blockLines
    for group in 0..<groups {
      geometryOfGroup.firstChannel = Int32(group * channels / groups)
      for sample in 0..<batch {
        var image = input + sample * g.input.count
        if padding > 0 {
          pad(image, into: frame)
          image = UnsafePointer(frame)
        }
        for line in Swift.stride(from: 0, to: g.output.height, by: lines) {
          let count = min(lines, g.output.height - line)
          let first = sample * g.output.pixels + line * g.output.width
          if !g.isPlain {
            kernels.gatherPatches(&geometryOfGroup, image, Int32(line), Int32(count), block, Int32(g.patch))
          }
          weight.arrays[group].outerProducts(
            g.isPlain ? image + line * g.output.width * channels : UnsafePointer(block), g.patch,
            outputGradient + first * outputs + group * groupOutputs, outputs, rows: count * g.output.width,
            first: first,
            rate: rate, step: step, pool: pool)
        }
      }
      weight.arrays[group].finishOuterProducts(pool: pool)
    }
  }

  public func multiplyAccumulates(inputs: [Shape], output: Shape) -> Int { output.pixels * weight.count }

  // MARK: Channels

  /// Each group was built to read one channel: an output goes with its input. (Groups that shrank to one do not count: their
  /// outputs went, and go, by themselves.)
  public let isDepthwise: Bool

  public func channels(keeping inputs: [[Int]]) -> [Int]? {
    guard isDepthwise else { return nil }
    let each = outputs / groups
    return inputs[0].flatMap { $0 * each..<($0 + 1) * each }
  }

  public func select(outputs: [Int], inputs: [[Int]]) throws {
    try weight.select(outputs: outputs, inputs: inputs[0])
    bias?.select(outputs)
    self.outputs = outputs.count
    channels = inputs[0].count
    groups = weight.arrays.count
  }
}
