import LinearAlgebra

/// Pixels to features: the same memory, read as one vector (height, width, channels).
///
/// Where the memory cannot be shared (the model's input, or a node that others read too) the values are copied.
public final class Flatten: Layer {
  private var count = 1
  public init() {}
  public var kind: String { "flatten" }
  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    count = inputs[0].count
    return Shape(features: count)
  }
  public var isView: Bool { true }
  public func forward(_ p: Piece) { p.output.update(from: p.input(), count: p.samples * count) }
  public func backward(_ p: Piece) { p.inputGradient()?.update(from: p.outputGradient, count: p.samples * count) }
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) { backward(p) }
  public var passesRelevance: Bool { true }
}

/// y = Σ inputs, all of one shape: the end of a residual block. Backward: every input's gradient is dy.
public final class Add: Layer {
  private var shape = Shape(features: 1)
  private var terms = 2
  public init() {}
  public var kind: String { "add" }

  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    guard inputs.allSatisfy({ $0 == inputs[0] }) else {
      throw ModelError("branches of shapes \(inputs.map(\.description).joined(separator: ", ")) cannot be added")
    }
    shape = inputs[0]
    terms = inputs.count
    return shape
  }

  public func forward(_ p: Piece) {
    let n = p.samples * shape.count
    let y = p.output!
    let a = p.input(0)
    let b = p.input(min(1, terms - 1))
    for i in 0..<n { y[i] = a[i] + b[i] }
    if terms > 2 {
      for t in 2..<terms {
        let c = p.input(t)
        for i in 0..<n { y[i] += c[i] }
      }
    }
  }

  public func backward(_ p: Piece) {
    let n = p.samples * shape.count
    for t in 0..<terms { p.inputGradient(t)?.update(from: p.outputGradient, count: n) }
  }

  /// R_t = x_t / Σx · R: in proportion to the terms. (What the next layer has made of the sum in its place is not read.)
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) {
    let n = p.samples * shape.count
    let e = RelevanceRule.stabilizer
    let r = UnsafePointer(p.outputGradient!)
    for t in 0..<terms {
      guard let back = p.inputGradient(t) else { continue }
      let x = p.input(t)
      if terms == 2 {
        let other = p.input(1 - t)
        for i in 0..<n {
          let sum = x[i] + other[i]
          back[i] = x[i] * (r[i] / (sum + (sum < 0 ? -e : e)))
        }
      } else {
        for i in 0..<n {
          var sum: Float = 0
          for u in 0..<terms { sum += p.input(u)[i] }
          back[i] = x[i] * (r[i] / (sum + (sum < 0 ? -e : e)))
        }
      }
    }
  }
  public var passesRelevance: Bool { true }
}

/// Joins the channels of branches of one height and width.
public final class Concatenate: Layer {
  private var shapes: [Shape] = []
  public init() {}
  public var kind: String { "concatenate" }

  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    let first = inputs[0]
    guard inputs.allSatisfy({ $0.height == first.height && $0.width == first.width }) else {
      throw ModelError("branches of shapes \(inputs.map(\.description).joined(separator: ", ")) cannot be joined")
    }
    shapes = inputs
    return Shape(height: first.height, width: first.width, channels: inputs.reduce(0) { $0 + $1.channels })
  }

  public func forward(_ p: Piece) { move(p, forward: true) }
  public func backward(_ p: Piece) { move(p, forward: false) }
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) { move(p, forward: false) }
  public var passesRelevance: Bool { true }

  private func move(_ p: Piece, forward: Bool) {
    let total = shapes.reduce(0) { $0 + $1.channels }
    let pixels = p.samples * shapes[0].pixels
    var offset = 0
    for t in 0..<shapes.count {
      let c = shapes[t].channels
      if forward {
        let x = p.input(t)
        for i in 0..<pixels { (p.output + i * total + offset).update(from: x + i * c, count: c) }
      } else if let dx = p.inputGradient(t) {
        for i in 0..<pixels { (dx + i * c).update(from: p.outputGradient + i * total + offset, count: c) }
      }
      offset += c
    }
  }
}
