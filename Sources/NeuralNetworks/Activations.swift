import LinearAlgebra

/// y = max(0, x). Backward: dx = dy where y > 0, else 0. Runs in its input's memory where it can.
public final class ReLU: Layer {
  public init() {}
  public var kind: String { "relu" }
  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    shape = inputs[0]
    return shape
  }
  private var shape = Shape(features: 1)
  public var runsInPlace: Bool { true }
  public var readsOutputInBackward: Bool { true }

  public func forward(_ p: Piece) { kernels.relu(p.samples * shape.count, p.input(), p.output) }

  public func backward(_ p: Piece) {
    guard let dx = p.inputGradient() else { return }
    kernels.reluBackward(p.samples * shape.count, p.output, p.outputGradient, dx)
  }

  /// Relevance passes as it is.
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) {
    guard let r = p.inputGradient(), r != p.outputGradient else { return }
    r.update(from: p.outputGradient, count: p.samples * shape.count)
  }
  public var passesRelevance: Bool { true }
}

/// y = x · m / (1 − rate) with m = 0 at the given rate, else 1, while training; y = x otherwise.
/// (Srivastava et al., JMLR 15, 2014.) The mask is a function of (seed, layer, sample, element).
public final class Dropout: Layer {
  public let rate: Float
  /// Numbers the layer within the model; set when the model is wired.
  var owner = 0
  private var shape = Shape(features: 1)

  /// - Throws: `ModelError` unless 0 ≤ rate < 1.
  public init(rate: Float) throws {
    guard rate >= 0, rate < 1 else { throw ModelError("a dropout rate lies in 0 ..< 1, not \(rate)") }
    self.rate = rate
  }

  public var kind: String { "dropout" }
  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    shape = inputs[0]
    return shape
  }

  public func memory(inputs: [Shape], output: Shape) -> LayerMemory {
    var m = LayerMemory()
    m.savedFloats = output.count
    return m
  }

  public func forward(_ p: Piece) {
    let n = shape.count
    guard p.training, rate > 0 else {
      if p.output != p.input() { p.output.update(from: p.input(), count: p.samples * n) }
      return
    }
    let keep = 1 / (1 - rate)
    for s in 0..<p.samples {
      let mask = p.savedFloats + s * n
      RandomPurpose.dropout.stream(seed: p.seed, owner: owner, index: p.globalSample + UInt64(s))
        .fillUniform(mask, count: n)
      let x = p.input() + s * n
      let y = p.output + s * n
      for i in 0..<n {
        mask[i] = mask[i] < rate ? 0 : keep
        y[i] = x[i] * mask[i]
      }
    }
  }

  public func backward(_ p: Piece) {
    guard let dx = p.inputGradient() else { return }
    let count = p.samples * shape.count
    let dy = p.outputGradient!
    guard p.training, rate > 0 else {
      dx.update(from: dy, count: count)
      return
    }
    let mask = p.savedFloats!
    for i in 0..<count { dx[i] = dy[i] * mask[i] }
  }

  /// Outside of training the layer does nothing, to relevance neither.
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) { backward(p) }
  public var passesRelevance: Bool { true }
}
