import LinearAlgebra
import Testing

@testable import NeuralNetworks

/// A convolution and a batch to run it on.
struct ConvolutionCase: CustomTestStringConvertible, Sendable {
  var height = 8
  var width = 8
  var channels = 4
  var outputs = 5
  var kernel = (height: 3, width: 3)
  var stride = 1
  var padding = 0
  var dilation = 1
  var groups = 1
  var samples = 5
  var method: Conv2D.Method? = nil

  var testDescription: String {
    "\(height)×\(width)×\(channels) → \(outputs), kernel \(kernel.height)×\(kernel.width), stride \(stride), padding "
      + "\(padding), dilation \(dilation), groups \(groups), \(samples) samples, \(method.map { "\($0)" } ?? "chosen")"
  }

  func layer() throws -> Conv2D {
    let c = try Conv2D(
      channels: channels, outputs: outputs, kernel: kernel, stride: stride, padding: padding, dilation: dilation,
      groups: groups)
    c.requestedMethod = method
    return c
  }

  static let shapes: [ConvolutionCase] = [
    .init(), .init(padding: 1), .init(height: 9, width: 7, padding: 1, samples: 17),
    .init(height: 11, width: 9, stride: 2, padding: 1, samples: 16), .init(stride: 3, samples: 3),
    .init(height: 13, width: 10, kernel: (3, 2), padding: 2, dilation: 2), .init(groups: 1, samples: 33),
    .init(channels: 4, outputs: 6, padding: 1, groups: 2, samples: 18), .init(channels: 6, outputs: 6, groups: 6),
    .init(channels: 20, outputs: 9, kernel: (1, 1)), .init(channels: 3, outputs: 4, kernel: (1, 1), stride: 2),
    .init(height: 28, width: 28, channels: 1, outputs: 6, kernel: (5, 5), padding: 2, samples: 19),
    .init(height: 14, width: 14, channels: 6, outputs: 16, kernel: (5, 5), samples: 18),
    .init(height: 32, width: 32, channels: 3, outputs: 64, padding: 1, samples: 2),
    // Patches too many to be kept, in blocks of samples and in blocks of lines.
    .init(height: 16, width: 16, channels: 33, outputs: 70, stride: 2, padding: 1, samples: 18),
    .init(height: 40, width: 40, channels: 64, outputs: 66, stride: 1, padding: 0, dilation: 2, samples: 2),
    .init(height: 4, width: 5, channels: 5, outputs: 130, kernel: (4, 5), padding: 3, samples: 17),
    .init(height: 6, width: 6, channels: 16, outputs: 16, padding: 1, samples: 21),
    .init(height: 7, width: 9, channels: 19, outputs: 21, padding: 1, samples: 17),
    .init(height: 9, width: 8, channels: 24, outputs: 40, padding: 0, samples: 5),
    .init(height: 5, width: 5, channels: 64, outputs: 33, padding: 2, samples: 4),
  ]

  /// Every shape the way it is run, and all ways that take it.
  static let all: [ConvolutionCase] = shapes.flatMap { shape in
    var cases = [shape]
    var methods: [Conv2D.Method] = [.patches]
    if shape.groups == 1 && shape.dilation == 1 {
      methods.append(.direct)
      if shape.kernel == (3, 3) && shape.stride == 1 { methods.append(.winograd) }
    }
    for m in methods {
      var c = shape
      c.method = m
      cases.append(c)
    }
    return cases
  }
}

/// The convolution and its gradients in Float64, from the definition.
struct NaiveConvolution {
  var y: [Double]
  var dx: [Double]
  var dW: [Double]
  var db: [Double]

  init(_ c: ConvolutionCase, x: [Float], w: [Float], b: [Float], dy: (Int) -> [Float]) {
    let oh = (c.height + 2 * c.padding - c.dilation * (c.kernel.height - 1) - 1) / c.stride + 1
    let ow = (c.width + 2 * c.padding - c.dilation * (c.kernel.width - 1) - 1) / c.stride + 1
    let gc = c.channels / c.groups
    let go = c.outputs / c.groups
    let patch = c.kernel.height * c.kernel.width * gc
    let dy = dy(c.samples * oh * ow * c.outputs)
    y = [Double](repeating: 0, count: c.samples * oh * ow * c.outputs)
    dx = [Double](repeating: 0, count: x.count)
    dW = [Double](repeating: 0, count: w.count)
    db = [Double](repeating: 0, count: b.count)
    for s in 0..<c.samples {
      for oy in 0..<oh {
        for ox in 0..<ow {
          for o in 0..<c.outputs {
            let at = ((s * oh + oy) * ow + ox) * c.outputs + o
            let g = Double(dy[at])
            var sum = Double(b[o])
            db[o] += g
            for ky in 0..<c.kernel.height {
              let iy = oy * c.stride + ky * c.dilation - c.padding
              guard iy >= 0, iy < c.height else { continue }
              for kx in 0..<c.kernel.width {
                let ix = ox * c.stride + kx * c.dilation - c.padding
                guard ix >= 0, ix < c.width else { continue }
                let pixel = ((s * c.height + iy) * c.width + ix) * c.channels + o / go * gc
                let weight = o * patch + (ky * c.kernel.width + kx) * gc
                for i in 0..<gc {
                  sum += Double(x[pixel + i]) * Double(w[weight + i])
                  dx[pixel + i] += g * Double(w[weight + i])
                  dW[weight + i] += g * Double(x[pixel + i])
                }
              }
            }
            y[at] = sum
          }
        }
      }
    }
  }
}

/// The largest difference, relative to the largest magnitude of `b`.
func relativeDifference(_ a: [Float], _ b: [Double]) -> Double {
  #expect(a.count == b.count)
  var worst = 0.0
  var largest = 0.0
  for i in 0..<min(a.count, b.count) {
    guard a[i].isFinite else { return .infinity }
    worst = max(worst, abs(Double(a[i]) - b[i]))
    largest = max(largest, abs(b[i]))
  }
  return largest == 0 ? worst : worst / largest
}

func uniform(_ n: Int, _ index: UInt64) -> [Float] {
  RandomStream(seed: 5, purpose: 1, index: index).uniforms(n).map { 2 * $0 - 1 }
}

/// One layer run forward and backward, for tests.
struct LayerRun {
  var y: [Float]
  var dx: [Float]
  /// The flat gradient.
  var gradient: [Float]
  let model: Model

  init(
    _ layer: any Layer, input: Shape, x: [Float], samples: Int, threads: Int = 2, training: Bool = true,
    capacity: Int? = nil, weights: [Float]? = nil, vectors: [[Float]] = [], dy: (Int) -> [Float]
  ) throws {
    var b = ModelBuilder(inputShape: input)
    try b.add("layer", layer)
    model = try b.model()
    let pool = ThreadPool(threads: threads)
    if let weights, let w = layer.weights.first {
      try w.program(Tensor(shape: [w.outputs, w.inputs], values: weights), pool: pool)
    }
    for (p, v) in zip(layer.parameters, vectors) { p.tensor = Tensor(shape: [v.count], values: v) }
    let workspace = Workspace(model, batch: capacity ?? samples, pool: pool, gradients: true)
    // Memory that was used before must not matter: the second of two passes counts.
    var result: ([Float], [Float], [Float]) = ([], [], [])
    for _ in 0..<2 {
      for i in 0..<x.count { workspace.input[i] = x[i] }
      workspace.forward(samples: samples, training: training)
      let count = samples * model.output.shape.count
      let y = Array(UnsafeBufferPointer(start: workspace.output, count: count))
      let g = dy(count)
      for i in 0..<count { workspace.outputGradient![i] = g[i] }
      workspace.backward(wantsInputGradient: true)
      result = (
        y, Array(UnsafeBufferPointer(start: workspace.inputGradient, count: x.count)),
        Array(UnsafeBufferPointer(start: workspace.gradient, count: model.gradientCount))
      )
    }
    (y, dx, gradient) = result
  }
}

@Suite("Convolution") struct ConvolutionTests {
  @Test(
    "every way of convolving agrees with the definition in Float64, forward and backward",
    arguments: ConvolutionCase.all)
  func agreesWithDefinition(_ c: ConvolutionCase) throws {
    let layer = try c.layer()
    let shape = Shape(height: c.height, width: c.width, channels: c.channels)
    let x = uniform(c.samples * shape.count, 1)
    let w = uniform(layer.weight.count, 2)
    let b = uniform(c.outputs, 3)
    let dy = { uniform($0, 4) }
    let run = try LayerRun(layer, input: shape, x: x, samples: c.samples, weights: w, vectors: [b], dy: dy)
    let expected = NaiveConvolution(c, x: x, w: w, b: b, dy: dy)
    #expect(relativeDifference(run.y, expected.y) < 2e-6)
    #expect(relativeDifference(run.dx, expected.dx) < 2e-6)
    let dW = Array(run.gradient[layer.weight.offset..<layer.weight.offset + w.count])
    let offset = layer.bias!.offset
    #expect(relativeDifference(dW, expected.dW) < 2e-6)
    #expect(relativeDifference(Array(run.gradient[offset..<offset + c.outputs]), expected.db) < 2e-6)
    let reads = layer.weight.arrays.map(\.activity).reduce(into: Activity()) { $0 += $1 }
    let rows = UInt64(2 * c.samples * layer.geometry.output.pixels * c.groups)
    #expect(reads.forwardReads == rows && reads.backwardReads == rows)
  }

  @Test("what is chosen for the usual networks")
  func chosenMethods() throws {
    func method(_ c: ConvolutionCase) throws -> Conv2D.Method {
      let layer = try c.layer()
      _ = try layer.outputShape([Shape(height: c.height, width: c.width, channels: c.channels)])
      return layer.geometry.method
    }
    #expect(try method(.init(height: 28, width: 28, channels: 1, outputs: 6, kernel: (5, 5), padding: 2)) == .direct)
    #expect(try method(.init(height: 14, width: 14, channels: 6, outputs: 16, kernel: (5, 5))) == .direct)
    #expect(try method(.init(height: 32, width: 32, channels: 64, outputs: 64, padding: 1)) == .winograd)
    #expect(try method(.init(height: 32, width: 32, channels: 64, outputs: 128, stride: 2, padding: 1)) == .patches)
    #expect(try method(.init(channels: 64, outputs: 64, padding: 1, groups: 2)) == .patches)
  }
}
