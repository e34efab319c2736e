import CKernels
import LinearAlgebra
import Testing

@testable import NeuralNetworks

/// A pooling window and a batch to run it on.
struct PoolingCase: CustomTestStringConvertible, Sendable {
  var height = 8
  var width = 8
  var channels = 6
  var size = 2
  var stride = 2
  var padding = 0
  var samples = 3
  var testDescription: String {
    "\(height)×\(width)×\(channels), window \(size), stride \(stride), padding \(padding), \(samples) samples"
  }
  var shape: Shape { Shape(height: height, width: width, channels: channels) }

  static let all: [PoolingCase] =
    [1, 2, 3, 6, 8, 16, 19].flatMap { c in
      [
        PoolingCase(channels: c, samples: 18), PoolingCase(height: 7, width: 9, channels: c),
        PoolingCase(channels: c, stride: 1), PoolingCase(height: 9, width: 8, channels: c, stride: 3),
        PoolingCase(height: 2, width: 2, channels: c, samples: 33),
        PoolingCase(height: 9, width: 7, channels: c, size: 3, stride: 2, padding: 1),
        PoolingCase(height: 6, width: 7, channels: c, size: 2, stride: 2, padding: 1, samples: 17),
      ]
    }
}

@Suite("Layers") struct LayerTests {
  /// Both poolings from the definition; `largest` chooses which.
  private func naivePooling(_ c: PoolingCase, x: [Float], dy: (Int) -> [Float], largest: Bool) -> ([Double], [Double]) {
    let oh = (c.height + 2 * c.padding - c.size) / c.stride + 1
    let ow = (c.width + 2 * c.padding - c.size) / c.stride + 1
    let count = c.samples * oh * ow * c.channels
    let g = dy(count)
    var y = [Double](repeating: 0, count: count)
    var dx = [Double](repeating: 0, count: x.count)
    for s in 0..<c.samples {
      for oy in 0..<oh {
        for ox in 0..<ow {
          for k in 0..<c.channels {
            let at = ((s * oh + oy) * ow + ox) * c.channels + k
            var winner = -1
            for ky in 0..<c.size {
              for kx in 0..<c.size {
                let iy = oy * c.stride + ky - c.padding
                let ix = ox * c.stride + kx - c.padding
                guard iy >= 0, ix >= 0, iy < c.height, ix < c.width else { continue }
                let from = ((s * c.height + iy) * c.width + ix) * c.channels + k
                if winner < 0 || x[from] > x[winner] { winner = from }
                if !largest {
                  y[at] += Double(x[from]) / Double(c.size * c.size)
                  dx[from] += Double(g[at]) / Double(c.size * c.size)
                }
              }
            }
            if largest {
              y[at] = Double(x[winner])
              dx[winner] += Double(g[at])
            }
          }
        }
      }
    }
    return (y, dx)
  }

  @Test("pooling agrees with its definition, forward and backward; ties go to the first", arguments: PoolingCase.all)
  func pooling(_ c: PoolingCase) throws {
    // Few distinct values, so that there are ties.
    let x = uniform(c.samples * c.shape.count, 1).map { ($0 * 4).rounded() / 4 }
    let dy = { uniform($0, 2) }
    let window = try PoolingWindow(size: c.size, stride: c.stride, padding: c.padding)
    for largest in [true, false] {
      let layer: any Layer = largest ? MaxPool(window) : AveragePool(window)
      let run = try LayerRun(layer, input: c.shape, x: x, samples: c.samples, threads: 3, dy: dy)
      let (y, dx) = naivePooling(c, x: x, dy: dy, largest: largest)
      #expect(relativeDifference(run.y, y) < 1e-6)
      #expect(relativeDifference(run.dx, dx) < 1e-6)
    }
  }

  @Test("a linear layer agrees with its definition", arguments: [(5, 3, 1), (400, 120, 64), (17, 1, 19), (64, 33, 16)])
  func linear(inputs: Int, outputs: Int, samples: Int) throws {
    let layer = Linear(input: Shape(features: inputs), outputs: outputs)
    let x = uniform(samples * inputs, 1)
    let w = uniform(outputs * inputs, 2)
    let b = uniform(outputs, 3)
    let dy = { uniform($0, 4) }
    let run = try LayerRun(
      layer, input: Shape(features: inputs), x: x, samples: samples, weights: w, vectors: [b], dy: dy)
    let c = ConvolutionCase(height: 1, width: 1, channels: inputs, outputs: outputs, kernel: (1, 1), samples: samples)
    let expected = NaiveConvolution(c, x: x, w: w, b: b, dy: dy)
    #expect(relativeDifference(run.y, expected.y) < 1e-6)
    #expect(relativeDifference(run.dx, expected.dx) < 1e-6)
    let weights = layer.weights[0].offset
    let bias = layer.parameters[0].offset
    #expect(relativeDifference(Array(run.gradient[weights..<weights + w.count]), expected.dW) < 1e-6)
    #expect(relativeDifference(Array(run.gradient[bias..<bias + b.count]), expected.db) < 1e-6)
  }

  @Test("ReLU passes what is positive, and the gradient there", arguments: [1, 7, 37])
  func relu(features: Int) throws {
    let x = uniform(17 * features, 1)
    let run = try LayerRun(ReLU(), input: Shape(features: features), x: x, samples: 17) { uniform($0, 2) }
    let dy = uniform(x.count, 2)
    #expect(run.y == x.map { max(0, $0) })
    #expect(run.dx == zip(x, dy).map { $0 > 0 ? $1 : 0 })
  }

  @Test("dropout scales what it keeps, keeps the wanted share and lets the same gradients through")
  func dropout() throws {
    let rate: Float = 0.25
    let x = [Float](repeating: 1, count: 40 * 200)
    let run = try LayerRun(Dropout(rate: rate), input: Shape(features: 200), x: x, samples: 40) {
      [Float](repeating: 2, count: $0)
    }
    let kept = run.y.filter { $0 != 0 }
    #expect(kept.allSatisfy { $0 == 1 / (1 - rate) })
    #expect(abs(Double(kept.count) / Double(x.count) - 0.75) < 0.02)
    #expect(run.dx == run.y.map { 2 * $0 })
    let idle = try LayerRun(Dropout(rate: rate), input: Shape(features: 200), x: x, samples: 40, training: false) {
      [Float](repeating: 2, count: $0)
    }
    #expect(idle.y == x)
  }

  @Test("batch-norm agrees with its definition over the whole batch", arguments: [(1, 5), (3, 40), (19, 33), (64, 16)])
  func batchNorm(channels: Int, samples: Int) throws {
    let shape = Shape(height: 3, width: 5, channels: channels)
    let layer = BatchNorm(channels: channels)
    // An offset that would eat the digits of a careless variance.
    let x = uniform(samples * shape.count, 1).map { $0 + 20 }
    let gamma = uniform(channels, 2)
    let beta = uniform(channels, 3)
    let run = try LayerRun(layer, input: shape, x: x, samples: samples, vectors: [gamma, beta]) { uniform($0, 4) }
    let dy = uniform(x.count, 4)
    let rows = samples * shape.pixels
    var y = [Double](repeating: 0, count: x.count)
    var dx = y
    var dGamma = [Double](repeating: 0, count: channels)
    var dBeta = dGamma
    for c in 0..<channels {
      let v = (0..<rows).map { Double(x[$0 * channels + c]) }
      let g = (0..<rows).map { Double(dy[$0 * channels + c]) }
      let mean = v.reduce(0, +) / Double(rows)
      let variance = v.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(rows)
      let inverse = 1 / (variance + Double(layer.epsilon)).squareRoot()
      let normal = v.map { ($0 - mean) * inverse }
      dBeta[c] = g.reduce(0, +)
      dGamma[c] = zip(g, normal).reduce(0) { $0 + $1.0 * $1.1 }
      for r in 0..<rows {
        y[r * channels + c] = normal[r] * Double(gamma[c]) + Double(beta[c])
        dx[r * channels + c] =
          Double(gamma[c]) * inverse * (g[r] - (dBeta[c] + normal[r] * dGamma[c]) / Double(rows))
      }
    }
    #expect(relativeDifference(run.y, y) < 5e-6)
    #expect(relativeDifference(run.dx, dx) < 5e-6)
    let (scale, shift) = (layer.parameters[0].offset, layer.parameters[1].offset)
    #expect(relativeDifference(Array(run.gradient[scale..<scale + channels]), dGamma) < 5e-6)
    #expect(relativeDifference(Array(run.gradient[shift..<shift + channels]), dBeta) < 5e-6)
  }
}

@Suite("Kernel bodies") struct KernelBodyTests {
  private let bodies = [ckPortable, ckAVX2(), ckAVX512()].compactMap { $0?.pointee }

  /// Runs `body` with both sets and compares what it returns, bit for bit or to a relative error.
  private func compare(tolerance: Float, _ body: (CKernels) -> [Float]) {
    let results = bodies.map(body)
    for r in results.dropFirst() {
      if tolerance == 0 {
        #expect(r.map(\.bitPattern) == results[0].map(\.bitPattern))
      } else {
        #expect(relativeDifference(r, results[0].map(Double.init)) < Double(tolerance))
      }
    }
  }

  @Test("portable and AVX2 products agree to rounding", arguments: [(1, 1, 1), (13, 7, 6), (28, 25, 16), (9, 30, 41)])
  func products(rows: Int, k: Int, n: Int) {
    let a = uniform(rows * k + 16, 1)
    let b = uniform(k * n + 16, 2)
    let bias = uniform(n, 3)
    compare(tolerance: 1e-6) { body in
      var panels = [Float](repeating: 0, count: body.panelFloats(Int32(k), Int32(n)))
      body.packPanels(Int32(k), Int32(n), b, n, 1, bias, &panels)
      var c = [Float](repeating: 7, count: rows * n + 8)
      body.multiplyPanels(Int32(rows), a, k, 1, Int32(k), 0, panels, Int32(n), &c, n, Int32(n))
      #expect(c.suffix(8).allSatisfy { $0 == 7 }, "nothing is written past the end")
      return c
    }
    compare(tolerance: 1e-6) { body in
      var c = [Float](repeating: 0, count: rows * n)
      body.multiplySmall(Int32(rows), Int32(n), Int32(k), a, k, b, n, &c, n)
      return c
    }
    compare(tolerance: 1e-6) { body in
      let y = uniform(rows * n + 32, 4)
      var g = uniform(k * n + 8, 5)
      body.outerProducts(Int32(k), Int32(n), 1, 0, 0, Int32(rows), a, k, y, n, &g, n, 0)
      return g
    }
  }

  /// Shapes with whole and partial panels, narrow last ones, and more rows or taps than a block has.
  static let wide: [(Int, Int, Int)] = [
    (1, 3, 9), (13, 7, 16), (25, 30, 24), (30, 25, 25), (12, 9, 32), (7, 64, 40), (29, 13, 47), (5, 17, 64), (3, 4, 75),
  ]

  @Test("AVX-512 products are AVX2's to the last bit", arguments: wide)
  func wideProducts(rows: Int, k: Int, n: Int) throws {
    guard let fast = ckAVX2()?.pointee, let wide = ckAVX512()?.pointee else { return }
    let (a, b, bias) = (uniform(rows * k + 16, 1), uniform(k * n + 16, 2), uniform(n, 3))
    func product(_ body: CKernels, columns: Int) -> [Float] {
      var panels = [Float](repeating: 0, count: body.panelFloats(Int32(k), Int32(n)))
      body.packPanels(Int32(k), Int32(n), b, n, 1, bias, &panels)
      var c = [Float](repeating: 7, count: rows * n + 8)
      // Overlapping rows in two runs, as an image is read.
      body.multiplyPanels(Int32(rows), a, 1, 1, Int32(k), 0, panels, Int32(n), &c, n, Int32(columns))
      body.multiplyPanels(Int32(rows), a, k, 1, Int32(k), 0, panels, Int32(n), &c, n, Int32(columns))
      return c
    }
    for columns in [n, n - 1] { #expect(product(fast, columns: columns) == product(wide, columns: columns)) }
    let y = uniform(rows * n + 32, 4)
    func outer(_ body: CKernels, overwrite: Int32) -> [Float] {
      var g = uniform(k * n + 8, 5)
      body.outerProducts(Int32(k), Int32(n), 2, 1, 1, Int32(rows - 1), a, k, y, n, &g, n, overwrite)
      return g
    }
    for overwrite in [0, 1] as [Int32] {
      #expect(outer(fast, overwrite: overwrite) == outer(wide, overwrite: overwrite))
    }
  }

  @Test("Winograd's transforms are the same to the last bit on every body", arguments: [1, 5, 8, 13, 16, 27, 40])
  func wideTransforms(channels: Int) throws {
    guard let fast = ckAVX2()?.pointee else { return }
    // An image of 5 × 7 pixels, padded by one: tiles hang over its end.
    let (height, width, tiles) = (5 as Int32, 7 as Int32, 4 as Int32)
    let plane = 4 * channels + 16
    let image = uniform(35 * channels, 1)
    let planes = uniform(16 * plane, 2)
    let bias = uniform(channels, 3)
    func all(_ body: CKernels) -> [Float] {
      let c = Int32(channels)
      var v = [Float](repeating: 7, count: 16 * plane)
      var y = [Float](repeating: 7, count: 35 * channels)
      var dx = image
      var result: [Float] = []
      for top in [-1, 1, 3] as [Int32] {
        body.winogradInput(height, width, c, top, -1, tiles, image, &v, plane, channels)
        body.winogradInputGradient(height, width, c, top, -1, tiles, planes, plane, channels, &dx)
        result += v
      }
      for top in [0, 2, 4] as [Int32] {
        body.winogradOutput(height, width, c, top, tiles, planes, plane, channels, bias, &y)
        body.winogradOutputGradient(height, width, c, top, tiles, image, &v, plane, channels)
        result += v
      }
      let gradient = [0, 1].flatMap { (overwrite: Int32) in
        var g = uniform(9 * channels, 4)
        body.winogradWeightGradient(c, planes, plane, &g, overwrite)
        return g
      }
      return result + y + dx + gradient
    }
    // Sums of products by ½ and 1 alone: a fused multiplication rounds as the two would.
    #expect(all(fast) == all(ckPortable.pointee))
    if let wide = ckAVX512()?.pointee { #expect(all(fast) == all(wide)) }
  }

  @Test(
    "Winograd's transforms of weights and of their gradient are those of the definition",
    arguments: [(1, 1), (3, 8), (16, 16), (17, 5), (20, 24), (40, 27), (24, 33)])
  func weightTransforms(outputs: Int, channels: Int) {
    let g: [[Double]] = [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]
    let weights = uniform(outputs * 9 * channels, 1)
    let plane = outputs * channels + 16
    let dU = uniform(16 * plane, 2)
    let before = uniform(outputs * 9 * channels, 3)
    func weight(_ o: Int, _ y: Int, _ x: Int, _ c: Int) -> Int { ((o * 3 + y) * 3 + x) * channels + c }
    for body in bodies {
      for backward in [false, true] {
        let (k, n) = backward ? (outputs, channels) : (channels, outputs)
        let set = body.panelFloats(Int32(k), Int32(n))
        // What lies behind is another's.
        var panels = [Float](repeating: 7, count: 16 * set + 1)
        for first in stride(from: 0, to: outputs, by: 16) {
          body.winogradWeights(
            Int32(outputs), Int32(channels), Int32(first), Int32(min(outputs, first + 16)), backward ? 1 : 0, weights,
            &panels, set)
        }
        #expect(panels.last == 7)
        for e in 0..<16 {
          var u = [Float](repeating: 0, count: k * n)
          for o in 0..<outputs {
            for c in 0..<channels {
              var sum = 0.0
              for y in 0..<3 {
                for x in 0..<3 { sum += g[e / 4][y] * g[e % 4][x] * Double(weights[weight(o, y, x, c)]) }
              }
              u[backward ? o * n + c : c * n + o] = Float(sum)
            }
          }
          var expected = [Float](repeating: 7, count: set)
          body.packPanels(Int32(k), Int32(n), u, n, 1, nil, &expected)
          let found = Array(panels[e * set..<(e + 1) * set])
          #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-6 }, "element \(e), backward: \(backward)")
        }
      }
      for overwrite in [true, false] {
        var result = before
        for o in 0..<outputs {
          dU.withUnsafeBufferPointer { u in
            result.withUnsafeMutableBufferPointer { to in
              body.winogradWeightGradient(
                Int32(channels), u.baseAddress! + o * channels, plane, to.baseAddress! + o * 9 * channels,
                overwrite ? 1 : 0)
            }
          }
        }
        var most = 0.0
        for o in 0..<outputs {
          for (y, x) in (0..<3).flatMap({ y in (0..<3).map { (y, $0) } }) {
            for c in 0..<channels {
              var sum = overwrite ? 0 : Double(before[weight(o, y, x, c)])
              for e in 0..<16 { sum += g[e / 4][y] * g[e % 4][x] * Double(dU[e * plane + o * channels + c]) }
              most = max(most, abs(sum - Double(result[weight(o, y, x, c)])))
            }
          }
        }
        #expect(most < 2e-6)
      }
    }
  }

  @Test("shares of relevance are those of the definition, the small ones left out", arguments: [1, 5, 8, 13, 32, 45])
  func relevanceShares(channels n: Int) {
    let (pixels, share) = (37, Float(1.0 / 16))
    var z = uniform(pixels * 2 * n, 1)
    var r = uniform(pixels * n, 2)
    for p in 0..<pixels {
      // The last channel has no negative weights; every third output has no relevance.
      z[p * 2 * n + 2 * n - 1] = 0
      for i in stride(from: p % 3, to: n, by: 3) { r[p * n + i] = 0 }
    }
    func part(_ p: Int, _ i: Int) -> Float { z[p * 2 * n + i] }
    let least = (0..<2 * n).map { i in share * (0..<pixels).map { abs(part($0, i)) }.max()! }
    var (expected, out) = (z, [UInt32]())
    for p in 0..<pixels {
      for i in 0..<n {
        let isSmall = abs(part(p, i)) < least[i] || abs(part(p, n + i)) < least[n + i]
        for (k, factor) in [(i, Float(2)), (n + i, -1)] {
          expected[p * 2 * n + k] = isSmall || part(p, k) == 0 ? 0 : factor * r[p * n + i] / part(p, k)
        }
        if isSmall && r[p * n + i] != 0 { out.append(UInt32(p * n + i)) }
      }
    }
    #expect(!out.isEmpty)
    for body in bodies {
      var found = z
      var room = [Float](repeating: 9, count: 2 * n)
      var left = [UInt32](repeating: .max, count: pixels * n)
      let count = body.relevanceShares(pixels, n, &found, r, 2, -1, share, &room, &left)
      #expect(found == expected)
      #expect(left.prefix(count) == out[...])
    }
  }

  @Test(
    "norms of any number of channels are those of the definition", arguments: [1, 3, 8, 13, 32, 45, 64, 127, 131, 260])
  func norms(channels n: Int) {
    for rows in [1, 7, 41, 300] {
      let (x, dy) = (uniform(rows * n, 1).map { 3 + $0 }, uniform(rows * n, 2))
      let (a, b) = (uniform(n, 3), uniform(n, 4))
      for body in bodies {
        var centre = [Float](repeating: 0, count: n)
        var (mean, squares) = ([Double](repeating: 9, count: n), [Double](repeating: 9, count: n))
        body.moments(rows, n, x, &centre, &mean, &squares)
        var sums = [Double](repeating: 9, count: 2 * n)
        body.normSums(rows, n, x, dy, centre, b, &sums)
        var (y, dx) = ([Float](repeating: 0, count: rows * n), [Float](repeating: 0, count: rows * n))
        body.norm(rows, n, x, a, b, &y)
        body.normGradient(rows, n, x, dy, centre, a, b, a, &dx)
        for c in 0..<n {
          let column = (0..<rows).map { Double(x[$0 * n + c]) }
          let gradient = (0..<rows).map { Double(dy[$0 * n + c]) }
          let m = column.reduce(0, +) / Double(rows)
          #expect(abs(mean[c] - m) < 1e-5 && abs(squares[c] - column.reduce(0) { $0 + ($1 - m) * ($1 - m) }) < 2e-4)
          #expect(abs(sums[c] - gradient.reduce(0, +)) < 1e-4)
          let product = zip(gradient, column).reduce(0) { $0 + $1.0 * ($1.1 - Double(centre[c])) } * Double(b[c])
          #expect(abs(sums[n + c] - product) < 2e-4)
        }
        for i in x.indices {
          let c = i % n
          #expect(abs(y[i] - (x[i] * a[c] + b[c])) < 1e-5)
          #expect(abs(dx[i] - (a[c] * dy[i] + b[c] * (x[i] - centre[c]) + a[c])) < 1e-5)
        }
      }
    }
  }

  @Test("portable and AVX2 pooling, ReLU, packing and folding agree bit for bit", arguments: [1, 3, 6, 8, 19])
  func exact(channels: Int) {
    let c = Int32(channels)
    let x = uniform(8 * 6 * channels + 16, 1)
    let dy = uniform(8 * 6 * channels + 16, 2)
    compare(tolerance: 0) { body in
      var y = [Float](repeating: 0, count: 4 * 3 * channels)
      var winner = [UInt8](repeating: 0, count: y.count + 16)
      body.maxPool(c, 6, 2, 2, 3, 4, x, &y, &winner)
      var dx = [Float](repeating: 0, count: 8 * 6 * channels)
      body.maxPoolBackward(c, 6, 2, 2, 3, 4, dy, winner, &dx)
      var r = [Float](repeating: 0, count: dx.count)
      body.relu(r.count, x, &r)
      body.reluBackward(r.count, x, dy, &r)
      return y + dx + r + winner.prefix(y.count).map(Float.init)
    }
    compare(tolerance: 0) { body in
      var sums = uniform(channels, 3)
      body.columnSums(48, channels, x, channels, &sums)
      var image = [Float](repeating: 0, count: 10 * 8 * channels)
      let patches = uniform(48 * 9 * channels + 16, 4)
      body.foldPatches(8, 6, c, 3, 3, 1, 1, 8, 6, patches, Int32(9 * channels), &image)
      return sums + image
    }
  }
}
