import CKernels
import LinearAlgebra

/// Convolution without patches, for digital weights with few outputs.
///
/// The patches under a line of outputs overlap in the image: pixel x's is the run of kernelWidth · channels floats that
/// starts at x · stride, on each of kernelHeight lines. The products in `CKernels/products.h` take their rows from
/// there, with the weights packed once a pass:
///
/// - y    [pixels, outputs]: rows from the padded image, times Wᵀ; the bias is where the sums begin
/// - dWᵀ  [patch, outputs]:  outer products of the padded image's runs and dy, over a sample in registers
/// - d(patches) [pixels, patch]: dy · W for one sample, then folded: each input pixel adds up its own
extension Conv2D {
  /// Row length of d(patches): whole vectors, so that no row is stored element by element.
  private var patchLine: Int { (weight.inputs + 7) / 8 * 8 }
  private var run: Int { kernelSize.width * channels }
  private var array: DigitalArray { unsafeDowncast(weight.arrays[0], to: DigitalArray.self) }

  func directMemory() -> LayerMemory {
    var m = LayerMemory()
    m.sharedFloats =
      kernels.panelFloats(Int32(weight.inputs), Int32(outputs))
      + kernels.panelFloats(Int32(outputs), Int32(weight.inputs))
    m.scratchFloats = geometry.paddedFloats + weight.count + geometry.output.pixels * patchLine + 3 * Self.slack
    return m
  }

  func directPrepare(backward: Bool, _ shared: UnsafeMutablePointer<Float>) {
    let w = array.plainWeights!
    let n = weight.inputs
    if backward {
      kernels.packPanels(
        Int32(outputs), Int32(n), w, n, 1, nil, shared + kernels.panelFloats(Int32(n), Int32(outputs)))
    } else {
      kernels.packPanels(Int32(n), Int32(outputs), w, 1, n, bias?.values, shared)
    }
  }

  /// The s-th sample in its frame.
  private func framed(_ p: Piece, _ s: Int) -> UnsafePointer<Float> {
    let image = UnsafePointer(p.input() + s * geometry.input.count)
    if padding == 0 { return image }
    pad(image, into: p.scratch)
    return UnsafePointer(p.scratch)
  }

  func directForward(_ p: Piece) {
    let g = geometry
    let line = g.paddedWidth * channels
    for s in 0..<p.samples {
      let image = framed(p, s)
      for oy in 0..<g.output.height {
        kernels.multiplyPanels(
          Int32(g.output.width), image + oy * stride * line, stride * channels, Int32(kernelSize.height), Int32(run),
          line, p.shared, Int32(outputs), p.output + (s * g.output.pixels + oy * g.output.width) * outputs, outputs,
          Int32(outputs))
      }
    }
    array.countReads(forward: p.samples * g.output.pixels, worker: p.worker)
  }

  /// The bias's gradient has been added already.
  func directBackward(_ p: Piece) {
    let g = geometry
    let n = weight.inputs
    let transposed = p.scratch + g.paddedFloats + Self.slack
    let patches = transposed + weight.count + Self.slack
    let panels = p.shared + kernels.panelFloats(Int32(n), Int32(outputs))
    let dW = p.gradient(weight)
    let dx = p.inputGradient()
    if let dW { directWeightGradient(p, dW, transposed: transposed) }
    for s in 0..<p.samples {
      let dy = UnsafePointer(p.outputGradient + s * g.output.count)
      if let dx {
        kernels.multiplyPanels(
          Int32(g.output.pixels), dy, outputs, 1, Int32(outputs), 0, panels, Int32(n), patches, patchLine,
          Int32(patchLine))
        kernels.foldPatches(
          Int32(g.input.height), Int32(g.input.width), Int32(channels), Int32(kernelSize.height),
          Int32(kernelSize.width), Int32(stride), Int32(padding), Int32(g.output.height), Int32(g.output.width),
          patches, Int32(patchLine), dx + s * g.input.count)
      }
    }
    if dx != nil { array.countReads(backward: p.samples * g.output.pixels, worker: p.worker) }
  }

  /// Whether the weights' gradient is taken from the image in place, whatever the array.
  var takesGradientInPlace: Bool {
    groups == 1 && dilation == 1 && kernelSize != (1, 1) && outputs <= 64 && weight.inputs <= 1024
  }

  /// dW (+)= the outer products of the padded images' runs and dy.
  /// - transposed: scratch for [patch, outputs]; frames go to the start of the piece's scratch.
  func directWeightGradient(_ p: Piece, _ dW: UnsafeMutablePointer<Float>, transposed: UnsafeMutablePointer<Float>) {
    let g = geometry
    let line = g.paddedWidth * channels
    let n = weight.inputs
    for s in 0..<p.samples {
      let dy = UnsafePointer(p.outputGradient + s * g.output.count)
      let image = framed(p, s)
      for ky in 0..<kernelSize.height {
        kernels.outerProducts(
          Int32(run), Int32(outputs), Int32(g.output.height), stride * line, g.output.width * outputs,
          Int32(g.output.width), image + ky * line, stride * channels, dy, outputs,
          transposed + ky * run * outputs, outputs, s == 0 ? 1 : 0)
      }
    }
    for o in 0..<outputs {
      let to = dW + o * n
      if p.startsGradient {
        for k in 0..<n { to[k] = transposed[k * outputs + o] }
      } else {
        for k in 0..<n { to[k] += transposed[k * outputs + o] }
      }
    }
  }
}
