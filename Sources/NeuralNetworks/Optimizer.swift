import LinearAlgebra

/// How gradients become changes of parameters.
public enum OptimizerKind: Equatable, Sendable {
  /// v ← momentum·v + g + decay·w; Δ = −rate·v, or −rate·(g + decay·w + momentum·v) with Nesterov.
  case sgd(momentum: Float, nesterov: Bool)
  /// Adam with decay added to the gradient (arXiv 1412.6980), or decoupled from it: AdamW (arXiv 1711.05101).
  case adam(beta1: Float, beta2: Float, epsilon: Float, decoupled: Bool)
}

/// A digital optimizer over all of a model's parameters.
///
/// Arrays that update themselves (`WeightArray.updatesInArray`) get their gradient as an outer product, plain
/// stochastic gradient descent; for all others the change is computed digitally and written by `apply`.
public final class Optimizer {
  public let kind: OptimizerKind
  /// Factor of the weights added to their gradient (decoupled: subtracted from them).
  public let weightDecay: Float
  /// Whether biases and batch-norm vectors decay too (PyTorch's default).
  public let decaysVectors: Bool
  public let model: Model
  private(set) var first: Storage?
  private(set) var second: Storage?
  private var weightCopy: Storage
  /// Updates made so far; Adam's bias correction depends on it.
  public private(set) var updates = 0
  private var modelVersion: Int
  /// The model's vectors and arrays with their offsets in the flat gradient, in the order of its layers.
  private var vectors: [Parameter]
  private var arrays: [(array: any WeightArray, offset: Int)]
  /// Biases that arrays hold: the arrays with the places of their parts in the flat gradient.
  private var biased: [(array: any BiasedArray, offset: Int)]
  private var holders: [Weights]

  /// - Throws: `ModelError` when momentum is asked of arrays that update themselves: they have no place to keep it.
  public init(_ kind: OptimizerKind, weightDecay: Float = 0, decaysVectors: Bool = true, model: Model) throws {
    self.kind = kind
    self.weightDecay = weightDecay
    self.decaysVectors = decaysVectors
    self.model = model
    modelVersion = model.version
    vectors = model.nodes.flatMap(\.layer.parameters)
    arrays = Self.arrays(of: model)
    (holders, biased) = Self.biases(of: model)
    let inArray = model.weights.first { $0.weights.arrays.contains { $0.updatesInArray } }
    if let inArray {
      var reason: String?
      if case .sgd(let momentum, _) = kind, momentum != 0 { reason = "momentum \(momentum)" }
      if case .adam = kind { reason = "Adam" }
      if weightDecay != 0 { reason = reason ?? "weight decay \(weightDecay)" }
      if let reason {
        throw ModelError(
          "\(reason) asked of layer \(inArray.node.name), whose array updates itself by outer products: devices hold no "
            + "optimizer state. Use plain SGD, or \"update\": \"programmed\" to compute the change digitally and "
            + "program it.")
      }
    }
    switch kind {
    case .sgd(let momentum, _): if momentum != 0 { first = Storage(count: model.gradientCount) }
    case .adam:
      first = Storage(count: model.gradientCount)
      second = Storage(count: model.gradientCount)
    }
    weightCopy = Storage(count: model.weights.map(\.weights.count).max() ?? 0)
  }

  private static func arrays(of model: Model) -> [(array: any WeightArray, offset: Int)] {
    model.weights.flatMap { _, weights in
      var offset = weights.offset
      return weights.arrays.map { array in
        defer { offset += array.outputs * array.inputs }
        return (array, offset)
      }
    }
  }

  private static func biases(of model: Model) -> ([Weights], [(array: any BiasedArray, offset: Int)]) {
    let holders = model.weights.map(\.weights).filter(\.holdsBias)
    let biased = holders.flatMap { weights in
      var offset = weights.bias?.offset ?? 0
      return weights.arrays.compactMap { array -> (array: any BiasedArray, offset: Int)? in
        defer { offset += array.outputs }
        return (array as? any BiasedArray).map { ($0, offset) }
      }
    }
    return (holders, biased)
  }

  /// Goes on with the model as it is now, with state as long as its gradient, or longer.
  func adopt(first: Storage?, second: Storage?) {
    (self.first, self.second) = (first, second)
    modelVersion = model.version
    vectors = model.nodes.flatMap(\.layer.parameters)
    arrays = Self.arrays(of: model)
    (holders, biased) = Self.biases(of: model)
  }

  private static let block = 1 << 15

  /// Changes every parameter by the gradient; the gradient's memory is used up.
  ///
  /// - gradient: flat, as `Workspace.gradient`
  /// - step: number of the update over the model's whole training; keys arrays' random numbers.
  public func step(gradient: UnsafeMutablePointer<Float>, rate: Float, pool: ThreadPool, step: Int) {
    precondition(model.version == modelVersion, "the model changed after its optimizer was made")
    updates += 1
    for i in 0..<vectors.count {
      let p = vectors[i]
      let g = gradient + p.offset
      if p.isInArray {
        // An array that updates itself wants the gradient, another one the change.
        if !(p.holder!.arrays[0].updatesInArray) {
          change(p.values, g, p.offset, p.count, rate, decaysVectors || p.decays ? weightDecay : 0)
        }
        continue
      }
      change(p.values, g, p.offset, p.count, rate, decaysVectors || p.decays ? weightDecay : 0)
      let w = p.values
      for j in 0..<p.count { w[j] += g[j] }
    }
    for i in 0..<biased.count { biased[i].array.setBias(change: gradient + biased[i].offset) }
    for i in 0..<arrays.count {
      let (array, offset) = arrays[i]
      let count = array.outputs * array.inputs
      let g = gradient + offset
      if array.updatesPerVector { continue }
      if array.updatesInArray {
        array.outerProduct(g, rate: rate, step: step, pool: pool)
      } else if let plain = array.plainWeights {
        changePlain(plain, g, offset, count, rate, pool)
      } else {
        if weightDecay != 0 {
          array.weights.withUnsafeBufferPointer { weightCopy.base.update(from: $0.baseAddress!, count: count) }
        }
        change(weightCopy.base, g, offset, count, rate, weightDecay)
        array.apply(delta: g, step: step, pool: pool)
      }
    }
    for i in 0..<holders.count { holders[i].readBias() }
  }

  // The large case in blocks on all threads; fields instead of captures, so that nothing is allocated.
  private var blockWeights: UnsafeMutablePointer<Float>!
  private var blockGradient: UnsafeMutablePointer<Float>!
  private var blockOffset = 0
  private var blockCount = 0
  private var blockRate: Float = 0

  private func changePlain(
    _ w: UnsafeMutablePointer<Float>, _ g: UnsafeMutablePointer<Float>, _ offset: Int, _ count: Int, _ rate: Float,
    _ pool: ThreadPool
  ) {
    blockWeights = w
    blockGradient = g
    blockOffset = offset
    blockCount = count
    blockRate = rate
    let blocks = (count + Self.block - 1) / Self.block
    pool.run(count: blocks, context: Unmanaged.passUnretained(self).toOpaque()) { context, item, _ in
      Unmanaged<Optimizer>.fromOpaque(context).takeUnretainedValue().changeBlock(item)
    }
  }

  private func changeBlock(_ item: Int) {
    let from = item * Self.block
    let n = min(Self.block, blockCount - from)
    let w = blockWeights + from
    let g = blockGradient + from
    change(w, g, blockOffset + from, n, blockRate, weightDecay)
    for j in 0..<n { w[j] += g[j] }
  }

  private func change(
    _ w: UnsafePointer<Float>, _ g: UnsafeMutablePointer<Float>, _ offset: Int, _ n: Int, _ rate: Float, _ decay: Float
  ) {
    switch kind {
    case .sgd(let momentum, let nesterov):
      kernels.sgd(n, rate, momentum, decay, nesterov ? 1 : 0, w, first.map { $0.base + offset }, g)
    case .adam(let beta1, let beta2, let epsilon, let decoupled):
      let t = Double(updates)
      kernels.adam(
        n, rate, beta1, beta2, epsilon, Float(1 - Elementary.pow(Double(beta1), t)),
        Float(1 - Elementary.pow(Double(beta2), t)), decoupled ? 0 : decay, decoupled ? decay : 0, w,
        first!.base + offset, second!.base + offset, g)
    }
  }

  /// What a checkpoint must hold.
  public var state: [NamedTensor] {
    var result: [NamedTensor] = [("updates", Tensor(shape: [2], values: Self.split(updates)))]
    for (name, s) in [("first", first), ("second", second)] {
      if let s {
        let count = model.gradientCount
        result.append((name, Tensor(shape: [count], elements: UnsafeBufferPointer(start: s.base, count: count))))
      }
    }
    return result
  }

  /// - Throws: `ModelError` when the state is another optimizer's.
  public func restore(_ state: [String: Tensor]) throws {
    guard let counter = state["updates"], counter.count == 2 else {
      throw ModelError("the checkpoint holds no optimizer state")
    }
    updates = Self.join(counter.values)
    for (name, s) in [("first", first), ("second", second)] {
      guard let s else { continue }
      guard let tensor = state[name], tensor.count == model.gradientCount else {
        throw ModelError("the checkpoint's optimizer state does not fit this model and optimizer")
      }
      tensor.withUnsafeBufferPointer { s.base.update(from: $0.baseAddress!, count: $0.count) }
    }
  }

  // A Float32 holds integers to 2²⁴ exactly: counters are stored as two halves.
  static func split(_ n: Int) -> [Float] { [Float(n & 0xFF_FFFF), Float(n >> 24)] }
  static func join(_ v: [Float]) -> Int { Int(v[0]) | Int(v[1]) << 24 }
}
