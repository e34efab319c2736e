import LinearAlgebra

/// Pixels to features: the same memory, read as one vector (height, width, channels).
///
/// Where the memory cannot be shared (the model's input, or a node that others read too) the values are copied.
public final class Flatten: Layer {
  private var input = Shape(features: 1)
  private var count: Int { input.count }
  public init() {}
  public var kind: String { "flatten" }
  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    input = inputs[0]
    return Shape(features: count)
  }
  public func channels(keeping inputs: [[Int]]) -> [Int]? {
    (0..<input.pixels).flatMap { pixel in inputs[0].map { pixel * input.channels + $0 } }
  }
  public var isView: Bool { true }
  public func forward(_ p: Piece) { p.output.update(from: p.input(), count: p.samples * count) }
  public func backward(_ p: Piece) { p.inputGradient()?.update(from: p.outputGradient, count: p.samples * count) }
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) { backward(p) }
  public var passesRelevance: Bool { true }
}

/// y = Σ inputs, all of one shape: the end of a residual block. Backward: every input's gradient is dy.
///
/// Where channels of some inputs were pruned and those of others were not, each input is added into the channels of the
/// sum that are its own; the sum has every channel that an input has.
public final class Add: Layer {
  private var shape = Shape(features: 1)
  private var terms = 2
  /// The channel of the sum that each channel of each input is added to; nil: all inputs have all channels.
  private var places: [[Int]]?
  private var channels = 0
  public init() {}
  public var kind: String { "add" }

  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    let fits =
      places.map { places in
        zip(inputs, places).allSatisfy { $0.channels == $1.count && $0.pixels == inputs[0].pixels }
      } ?? inputs.allSatisfy { $0 == inputs[0] }
    guard fits else {
      throw ModelError("branches of shapes \(inputs.map(\.description).joined(separator: ", ")) cannot be added")
    }
    shape =
      places == nil ? inputs[0] : Shape(height: inputs[0].height, width: inputs[0].width, channels: channels)
    terms = inputs.count
    return shape
  }

  public func channels(keeping inputs: [[Int]]) -> [Int]? {
    var kept = [Bool](repeating: false, count: shape.channels)
    for (t, list) in inputs.enumerated() { for c in list { kept[places?[t][c] ?? c] = true } }
    return kept.indices.filter { kept[$0] }
  }

  public func select(outputs: [Int], inputs: [[Int]]) throws {
    let place = Dictionary(uniqueKeysWithValues: outputs.enumerated().map { ($1, $0) })
    let moved = inputs.enumerated().map { t, list in list.compactMap { place[places?[t][$0] ?? $0] } }
    channels = outputs.count
    places = moved.allSatisfy { $0.count == outputs.count } ? nil : moved
  }

  /// Each input into its channels of the sum; the first that has them all is copied.
  private func scatter(_ p: Piece, _ places: [[Int]]) {
    let c = shape.channels
    let pixels = p.samples * shape.pixels
    let y = p.output!
    let whole = places.firstIndex { $0.count == c }
    if let whole {
      y.update(from: p.input(whole), count: pixels * c)
    } else {
      y.update(repeating: 0, count: pixels * c)
    }
    for t in 0..<terms where t != whole {
      let own = places[t].count
      var x = p.input(t)
      var to = y
      places[t].withUnsafeBufferPointer { place in
        for _ in 0..<pixels {
          for i in 0..<own { to[place[i]] += x[i] }
          x += own
          to += c
        }
      }
    }
  }

  private func gather(_ p: Piece, _ places: [[Int]]) {
    let c = shape.channels
    let pixels = p.samples * shape.pixels
    for t in 0..<terms {
      guard var dx = p.inputGradient(t) else { continue }
      let own = places[t].count
      var dy = UnsafePointer(p.outputGradient!)
      places[t].withUnsafeBufferPointer { place in
        for _ in 0..<pixels {
          for i in 0..<own { dx[i] = dy[place[i]] }
          dx += own
          dy += c
        }
      }
    }
  }

  public func forward(_ p: Piece) {
    if let places { return scatter(p, places) }
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
    if let places { return gather(p, places) }
    let n = p.samples * shape.count
    for t in 0..<terms { p.inputGradient(t)?.update(from: p.outputGradient, count: n) }
  }

  /// R_t = x_t / Σx · R: in proportion to the terms. (What the next layer has made of the sum in its place is not read.)
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) {
    let c = shape.channels
    let e = RelevanceRule.stabilizer
    if places == nil && terms == 2 {
      let r = p.outputGradient!
      for t in 0..<2 {
        guard let back = p.inputGradient(t) else { continue }
        kernels.relevanceOfTerm(p.samples * shape.count, p.input(t), p.input(1 - t), r, e, back)
      }
      return
    }
    let share = p.scratch!
    let lists = places ?? (0..<terms).map { _ in Array(0..<c) }
    let counts = lists.map(\.count)
    lists.flatMap { $0 }.withUnsafeBufferPointer { all in
      for pixel in 0..<p.samples * shape.pixels {
        share.update(repeating: 0, count: c)
        var place = all.baseAddress!
        for t in 0..<terms {
          let x = p.input(t) + pixel * counts[t]
          for i in 0..<counts[t] { share[place[i]] += x[i] }
          place += counts[t]
        }
        let r = p.outputGradient + pixel * c
        for i in 0..<c { share[i] = r[i] / (share[i] + (share[i] < 0 ? -e : e)) }
        place = all.baseAddress!
        for t in 0..<terms {
          if let back = p.inputGradient(t) {
            let (x, to) = (p.input(t) + pixel * counts[t], back + pixel * counts[t])
            for i in 0..<counts[t] { to[i] = x[i] * share[place[i]] }
          }
          place += counts[t]
        }
      }
    }
  }
  public var passesRelevance: Bool { true }

  /// The channel of the sum that a channel of the t-th input is added to.
  public func place(ofChannel channel: Int, ofInput t: Int) -> Int { places?[t][channel] ?? channel }
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

  public func channels(keeping inputs: [[Int]]) -> [Int]? {
    var offset = 0
    var kept: [Int] = []
    for (shape, list) in zip(shapes, inputs) {
      kept += list.map { offset + $0 }
      offset += shape.channels
    }
    return kept
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
