import LinearAlgebra

/// A window that slides over the pixels of each channel.
public struct PoolingWindow: Equatable, Sendable {
  public let size: Int
  public let stride: Int
  public let padding: Int

  /// - Throws: `ModelError` unless size and stride are positive and padding is at most half the size.
  public init(size: Int, stride: Int? = nil, padding: Int = 0) throws {
    let stride = stride ?? size
    guard size > 0, size <= 15, stride > 0, padding >= 0, 2 * padding <= size else {
      throw ModelError(
        "a pooling window wants a size in 1 … 15, a positive stride and a padding of at most half its size")
    }
    self.size = size
    self.stride = stride
    self.padding = padding
  }

  func output(_ x: Shape) throws -> Shape {
    let h = x.height + 2 * padding - size
    let w = x.width + 2 * padding - size
    guard h >= 0, w >= 0 else { throw ModelError("a \(size)×\(size) pooling window does not fit into \(x)") }
    return Shape(height: h / stride + 1, width: w / stride + 1, channels: x.channels)
  }
}

/// y = the largest value in each window; a tie goes to the first, row by row, as in PyTorch. Padding never wins.
public final class MaxPool: Layer {
  public let window: PoolingWindow
  private var input = Shape(features: 1)
  private var output = Shape(features: 1)

  public init(_ window: PoolingWindow) { self.window = window }
  public var kind: String { "max-pool" }

  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    input = inputs[0]
    output = try window.output(input)
    return output
  }

  private var frameWidth: Int { input.width + 2 * window.padding }
  private var frameFloats: Int { (input.height + 2 * window.padding) * frameWidth * input.channels }

  public func memory(inputs: [Shape], output: Shape) -> LayerMemory {
    var m = LayerMemory()
    m.savedBytes = output.count
    if window.padding > 0 { m.scratchFloats = frameFloats }
    return m
  }

  public func forward(_ p: Piece) {
    for s in 0..<p.samples {
      var image = UnsafePointer(p.input() + s * input.count)
      if window.padding > 0 {
        p.scratch.update(repeating: -.infinity, count: frameFloats)
        let line = input.width * input.channels
        for y in 0..<input.height {
          (p.scratch + ((y + window.padding) * frameWidth + window.padding) * input.channels)
            .update(from: image + y * line, count: line)
        }
        image = UnsafePointer(p.scratch)
      }
      kernels.maxPool(
        Int32(input.channels), Int32(frameWidth), Int32(window.size), Int32(window.stride), Int32(output.width),
        Int32(output.height), image, p.output + s * output.count, p.savedBytes + s * output.count)
    }
  }

  public func backward(_ p: Piece) {
    guard let dx = p.inputGradient() else { return }
    // Disjoint windows that cover the input write every pixel themselves.
    let covers = window.size == 2 && window.stride == 2 && input.height % 2 == 0 && input.width % 2 == 0
    for s in 0..<p.samples {
      let image = dx + s * input.count
      let frame = window.padding > 0 ? p.scratch! : image
      if !covers || window.padding > 0 { frame.update(repeating: 0, count: frameFloats) }
      kernels.maxPoolBackward(
        Int32(input.channels), Int32(frameWidth), Int32(window.size), Int32(window.stride), Int32(output.width),
        Int32(output.height), p.outputGradient + s * output.count, p.savedBytes + s * output.count, frame)
      if window.padding > 0 {
        let line = input.width * input.channels
        for y in 0..<input.height {
          (image + y * line)
            .update(from: frame + ((y + window.padding) * frameWidth + window.padding) * input.channels, count: line)
        }
      }
    }
  }

  /// The largest value of a window has its relevance.
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) { backward(p) }
  public var passesRelevance: Bool { true }
}

/// y = the mean of each window; padding counts as zeros, as in PyTorch. A nil window means the whole image.
public final class AveragePool: Layer {
  private let window: PoolingWindow?
  private var input = Shape(features: 1)
  private var output = Shape(features: 1)

  public init(_ window: PoolingWindow?) { self.window = window }
  public var kind: String { window == nil ? "global-average-pool" : "average-pool" }

  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    input = inputs[0]
    output = try window?.output(input) ?? Shape(features: input.channels)
    return output
  }

  public func forward(_ p: Piece) {
    let c = input.channels
    let area = window.map { $0.size * $0.size } ?? input.pixels
    let factor = 1 / Float(area)
    for s in 0..<p.samples {
      let image = UnsafePointer(p.input() + s * input.count)
      for oy in 0..<output.height {
        for ox in 0..<output.width {
          let y = p.output + s * output.count + (oy * output.width + ox) * c
          let (ys, xs) = pixels(oy, ox)
          y.update(repeating: 0, count: c)
          for iy in ys {
            for ix in xs {
              let pixel = image + (iy * input.width + ix) * c
              for i in 0..<c { y[i] += pixel[i] }
            }
          }
          for i in 0..<c { y[i] *= factor }
        }
      }
    }
  }

  public func backward(_ p: Piece) {
    guard let dx = p.inputGradient() else { return }
    dx.update(repeating: 0, count: p.samples * input.count)
    let c = input.channels
    let area = window.map { $0.size * $0.size } ?? input.pixels
    let factor = 1 / Float(area)
    for s in 0..<p.samples {
      for oy in 0..<output.height {
        for ox in 0..<output.width {
          let dy = p.outputGradient + s * output.count + (oy * output.width + ox) * c
          let (ys, xs) = pixels(oy, ox)
          for y in ys {
            for x in xs {
              let d = dx + s * input.count + (y * input.width + x) * c
              for i in 0..<c { d[i] += factor * dy[i] }
            }
          }
        }
      }
    }
  }

  /// R_i = Σ_windows x_i / Σx · R: in proportion to the values.
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) {
    guard let r = p.inputGradient() else { return }
    r.update(repeating: 0, count: p.samples * input.count)
    let c = input.channels
    let share = p.scratch!
    let e = RelevanceRule.stabilizer
    for s in 0..<p.samples {
      let image = UnsafePointer(p.input() + s * input.count)
      let back = r + s * input.count
      for oy in 0..<output.height {
        for ox in 0..<output.width {
          let relevance = UnsafePointer(p.outputGradient + s * output.count + (oy * output.width + ox) * c)
          let (ys, xs) = pixels(oy, ox)
          share.update(repeating: 0, count: c)
          for y in ys {
            for x in xs {
              let pixel = image + (y * input.width + x) * c
              for i in 0..<c { share[i] += pixel[i] }
            }
          }
          for i in 0..<c { share[i] = relevance[i] / (share[i] + (share[i] < 0 ? -e : e)) }
          for y in ys {
            for x in xs {
              let pixel = (y * input.width + x) * c
              for i in 0..<c { back[pixel + i] += image[pixel + i] * share[i] }
            }
          }
        }
      }
    }
  }
  public var passesRelevance: Bool { true }

  /// Rows and columns of the input under an output pixel, the padding left out.
  private func pixels(_ oy: Int, _ ox: Int) -> (Range<Int>, Range<Int>) {
    guard let w = window else { return (0..<input.height, 0..<input.width) }
    let y = oy * w.stride - w.padding
    let x = ox * w.stride - w.padding
    return (max(0, y)..<min(input.height, y + w.size), max(0, x)..<min(input.width, x + w.size))
  }
}
