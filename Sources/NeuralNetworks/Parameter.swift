import LinearAlgebra

/// A digital vector of a layer: a bias, a batch-norm scale or shift.
public final class Parameter {
  public let name: String
  public private(set) var storage: Storage
  /// Whether weight decay applies, when the optimizer leaves biases and norms out of it.
  public let decays: Bool
  /// The weights whose bias it is.
  weak var holder: Weights?
  /// Lives in its layer's arrays (`Weights.holdsBias`): no digital addition, no digital update.
  public var isInArray: Bool { holder?.holdsBias ?? false }
  /// Offset of this parameter in the model's flat gradient; set when the model is wired.
  public internal(set) var offset = 0

  public init(_ name: String, count: Int, fill: Float = 0, decays: Bool = false) {
    self.name = name
    self.decays = decays
    storage = Storage(count: count)
    storage.base.update(repeating: fill, count: count)
  }

  public var count: Int { storage.count }
  public var values: UnsafeMutablePointer<Float> { storage.base }

  /// Keeps the given values, in their order.
  func select(_ kept: [Int]) {
    let old = storage
    storage = Storage(count: kept.count)
    for (i, k) in kept.enumerated() { storage.base[i] = old.base[k] }
  }

  public var tensor: Tensor {
    get { Tensor(shape: [count], values: Array(UnsafeBufferPointer(start: storage.base, count: count))) }
    set {
      if newValue.count != count { storage = Storage(count: newValue.count) }
      newValue.withUnsafeBufferPointer { storage.base.update(from: $0.baseAddress!, count: $0.count) }
    }
  }
}

/// The weight matrix of a layer, in one array per group: W [outputs, inputs] with the groups' outputs one below another.
///
/// Inside, an input is counted (y, x, channel), channels innermost, as patches are; PyTorch counts (channel, y, x).
/// `patch` is what converts: the kernel's height and width and the channels of a group, or for a linear layer the
/// shape that was flattened before it.
public final class Weights {
  public let name: String
  public internal(set) var arrays: [any WeightArray] {
    didSet { holdsBias = bias != nil && arrays.allSatisfy { $0 is any BiasedArray } }
  }
  /// The layer's bias, if it has one. Where the arrays hold it, its values show what the devices hold.
  public internal(set) var bias: Parameter? { didSet { bias?.holder = self } }
  /// The bias is in the arrays: reads add it, and updates of the arrays move it.
  public private(set) var holdsBias = false
  public internal(set) var patch: Shape
  public internal(set) var offset = 0
  /// PyTorch's shape of this tensor for the given number of outputs: [out, in, kh, kw] or [out, in].
  private let isConvolution: Bool

  public init(_ name: String, outputs: Int, patch: Shape, groups: Int = 1, isConvolution: Bool) {
    self.name = name
    self.patch = patch
    self.isConvolution = isConvolution
    arrays = (0..<groups).map { _ in DigitalArray(Tensor(shape: [outputs / groups, patch.count])) }
  }

  public var outputs: Int { arrays.reduce(0) { $0 + $1.outputs } }
  /// Inputs of each group.
  public var inputs: Int { arrays[0].inputs }
  public var count: Int { outputs * inputs }
  /// Outputs that an input reaches, as torch.nn.init counts them: every output of a convolution at every kernel pixel.
  var fanOut: Int { isConvolution ? outputs * patch.pixels : outputs }

  /// All groups, [outputs, inputs] in the engine's own order.
  public var matrix: Tensor {
    if arrays.count == 1 { return arrays[0].weights }
    return Tensor(shape: [outputs, inputs], values: arrays.flatMap { $0.weights.values })
  }

  /// Outputs of group `g` in a vector over all of them.
  private func part(_ g: Int) -> Range<Int> {
    let first = arrays[..<g].reduce(0) { $0 + $1.outputs }
    return first..<first + arrays[g].outputs
  }

  /// The bias of a group's outputs; nil where the layer has none.
  public func biasPart(_ g: Int) -> Tensor? {
    bias.map { bias in
      let part = part(g)
      return Tensor(shape: [part.count], values: part.map { bias.values[$0] })
    }
  }

  /// Brings the bias's values up to what the arrays hold.
  func readBias() {
    guard holdsBias, let bias else { return }
    for g in arrays.indices { (arrays[g] as? any BiasedArray)?.readBias(into: bias.values + part(g).lowerBound) }
  }

  /// Programs every group's array from [outputs, inputs] in the engine's own order, and the bias where they hold it.
  public func program(_ matrix: Tensor, pool: ThreadPool) throws {
    let rows = outputs / arrays.count
    let values = matrix.values
    for (g, array) in arrays.enumerated() {
      let part = Tensor(shape: [rows, inputs], values: Array(values[g * rows * inputs..<(g + 1) * rows * inputs]))
      if let array = array as? any BiasedArray, let bias = biasPart(g) {
        try array.program(part, bias: bias, pool: pool)
      } else {
        try array.program(part, pool: pool)
      }
    }
    readBias()
  }

  /// Where an output stands: its group, and its place there.
  func place(ofOutput o: Int) -> (group: Int, row: Int) {
    let rows = outputs / arrays.count
    return (o / rows, o % rows)
  }

  /// The columns of a group's array that belong to channels of its patch, in the order of the patch; of a linear
  /// layer, to inputs.
  func columns(ofChannels kept: [Int]) -> [Int] {
    isConvolution ? (0..<patch.pixels).flatMap { pixel in kept.map { pixel * patch.channels + $0 } } : kept
  }

  /// What each group keeps of a selection, groups that keep nothing left out.
  ///
  /// - Parameters:
  ///   - outputs: rising numbers of outputs.
  ///   - inputs: rising numbers of channels (of a linear layer: of inputs) over all groups.
  /// - Throws: `ModelError` when groups would differ in size, or an input loses some of its pixels.
  func parts(outputs: [Int], inputs: [Int]) throws -> [(group: Int, rows: [Int], columns: [Int])] {
    let size = isConvolution ? patch.channels : self.inputs
    var rows = [[Int]](repeating: [], count: arrays.count)
    var channels = rows
    for o in outputs {
      let (group, row) = place(ofOutput: o)
      rows[group].append(row)
    }
    for i in inputs { channels[i / size].append(i % size) }
    let left = arrays.indices.filter { !rows[$0].isEmpty || !channels[$0].isEmpty }
    guard let first = left.first, !rows[first].isEmpty, !channels[first].isEmpty else {
      throw ModelError("a selection must keep at least one output and one input")
    }
    guard left.allSatisfy({ rows[$0].count == rows[first].count && channels[$0].count == channels[first].count }) else {
      throw ModelError("the \(arrays.count) groups of a convolution must keep equally many outputs and inputs")
    }
    let flattened = patch.pixels
    guard isConvolution || flattened == 1 || channels[0].count % flattened == 0 else {
      throw ModelError("a linear layer over \(patch) must keep whole channels")
    }
    return left.map { ($0, rows[$0], columns(ofChannels: channels[$0])) }
  }

  /// Keeps the given outputs and channels (of a linear layer: inputs), rising; devices that stay keep their state.
  /// - Throws: as `parts`; what the arrays throw.
  func select(outputs: [Int], inputs: [Int]) throws {
    let kept = try parts(outputs: outputs, inputs: inputs)
    for part in kept { try arrays[part.group].select(outputs: part.rows, inputs: part.columns) }
    arrays = kept.map { arrays[$0.group] }
    patch = Shape(height: patch.height, width: patch.width, channels: kept[0].columns.count / patch.pixels)
  }

  /// Moves the weights onto other hardware. `owner` numbers the first array, `layer` is the name of theirs.
  public func place(on hardware: any Hardware, layer: String, owner: Int, pool: ThreadPool) throws {
    arrays = try arrays.enumerated().map { g, array in
      try hardware.makeArray(
        weights: array.weights, bias: biasPart(g), name: layer, owner: owner + g, pool: pool)
    }
    readBias()
  }

  /// PyTorch's shape of the tensor.
  public var torchShape: [Int] {
    isConvolution ? [outputs, patch.channels, patch.height, patch.width] : [outputs, inputs]
  }

  /// Reorders [outputs, inputs] between the two orders of inputs.
  public func torch(from matrix: Tensor) -> Tensor { permuted(matrix, toTorch: true).reshaped(torchShape) }
  public func matrix(fromTorch tensor: Tensor, layer: String? = nil) throws -> Tensor {
    guard tensor.shape == torchShape else {
      throw ModelError(
        "\(layer.map { "\($0)." } ?? "")\(name): the file holds shape \(tensor.shape), the model wants \(torchShape)")
    }
    return permuted(tensor.reshaped([outputs, inputs]), toTorch: false)
  }

  private func permuted(_ matrix: Tensor, toTorch: Bool) -> Tensor {
    if patch.pixels == 1 { return matrix }
    var result = Tensor(shape: matrix.shape)
    let pixels = patch.pixels
    let channels = patch.channels
    let n = patch.count
    result.withUnsafeMutableBufferPointer { out in
      matrix.withUnsafeBufferPointer { source in
        for o in 0..<(matrix.count / n) {
          for p in 0..<pixels {
            for c in 0..<channels {
              let own = o * n + p * channels + c
              let theirs = o * n + c * pixels + p
              if toTorch { out[theirs] = source[own] } else { out[own] = source[theirs] }
            }
          }
        }
      }
    }
    return result
  }
}
