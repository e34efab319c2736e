import CKernels
import LinearAlgebra

/// 3×3 convolution by Winograd's F(2×2, 3×3) (Lavin and Gray, arXiv 1509.09308), for digital weights.
///
/// Two by two outputs want sixteen multiplications for each pair of channels instead of thirty-six. The matrices stand
/// in `CKernels/winograd.h`; per tile, with U = G g Gᵀ made once a pass,
///
/// - V = Bᵀ d B  [16, tiles, channels],  M = V · U  [16, tiles, outputs],  y = Aᵀ M A + b
/// - Z = A dy Aᵀ [16, tiles, outputs],   dU = Zᵀ · V,  dg = Gᵀ dU G,   dV = Z · Uᵀ,  dx = Σ B dV Bᵀ
///
/// Tiles are taken in blocks of whole rows of tiles whose planes stay in the second-level cache, through the samples of
/// a piece. All factors are 0, ±½, ±1, so the error stays within about twice that of the plain sum; the larger
/// F(4×4, 3×3) would not do that.
extension Conv2D {
  private static let blockTiles = 64

  private var tileRows: Int { (geometry.output.height + 1) / 2 }
  private var tileColumns: Int { (geometry.output.width + 1) / 2 }
  /// Rows of tiles of a block.
  private var blockRows: Int { max(1, min(Self.blockTiles / tileColumns, Workspace.pieceSize * tileRows)) }
  // Planes are shifted against each other by a cache line, or they would all fall onto the same sets.
  private var inputPlane: Int { blockRows * tileColumns * channels + 16 }
  private var outputPlane: Int { blockRows * tileColumns * outputs + 16 }
  private var weightPlane: Int { outputs * channels + 16 }
  private var forwardSet: Int { kernels.panelFloats(Int32(channels), Int32(outputs)) }
  private var backwardSet: Int { kernels.panelFloats(Int32(outputs), Int32(channels)) }
  private var array: DigitalArray { unsafeDowncast(weight.arrays[0], to: DigitalArray.self) }

  func winogradMemory() -> LayerMemory {
    var m = LayerMemory()
    m.sharedFloats = 16 * (forwardSet + backwardSet)
    m.scratchFloats = 16 * (inputPlane + outputPlane + weightPlane) + 3 * Self.slack
    return m
  }

  private static let preparedOutputs = 16
  var winogradTasks: Int { (outputs + Self.preparedOutputs - 1) / Self.preparedOutputs }

  func winogradPrepare(task: Int, backward: Bool, _ shared: UnsafeMutablePointer<Float>) {
    let first = task * Self.preparedOutputs
    kernels.winogradWeights(
      Int32(outputs), Int32(channels), Int32(first), Int32(min(outputs, first + Self.preparedOutputs)),
      backward ? 1 : 0, array.plainWeights, backward ? shared + 16 * forwardSet : shared,
      backward ? backwardSet : forwardSet)
  }

  /// V for `rows` rows of tiles from row `first` of the piece's.
  private func transformInput(_ p: Piece, _ first: Int, _ rows: Int, _ planes: UnsafeMutablePointer<Float>) {
    let g = geometry
    for r in 0..<rows {
      let (sample, row) = (first + r).quotientAndRemainder(dividingBy: tileRows)
      kernels.winogradInput(
        Int32(g.input.height), Int32(g.input.width), Int32(channels), Int32(2 * row - padding), Int32(-padding),
        Int32(tileColumns), p.input() + sample * g.input.count, planes + r * tileColumns * channels, inputPlane,
        channels)
    }
  }

  func winogradForward(_ p: Piece) {
    let g = geometry
    let v = p.scratch!
    let m = v + 16 * inputPlane + Self.slack
    let total = p.samples * tileRows
    for first in Swift.stride(from: 0, to: total, by: blockRows) {
      let rows = min(blockRows, total - first)
      transformInput(p, first, rows, v)
      for e in 0..<16 {
        kernels.multiplyPanels(
          Int32(rows * tileColumns), v + e * inputPlane, channels, 1, Int32(channels), 0, p.shared + e * forwardSet,
          Int32(outputs), m + e * outputPlane, outputs, Int32(outputs))
      }
      for r in 0..<rows {
        let (sample, row) = (first + r).quotientAndRemainder(dividingBy: tileRows)
        kernels.winogradOutput(
          Int32(g.output.height), Int32(g.output.width), Int32(outputs), Int32(2 * row), Int32(tileColumns),
          m + r * tileColumns * outputs, outputPlane, outputs, bias?.values, p.output + sample * g.output.count)
      }
    }
    array.countReads(forward: p.samples * g.output.pixels, worker: p.worker)
  }

  private func transformOutputGradient(_ p: Piece, _ first: Int, _ rows: Int, _ planes: UnsafeMutablePointer<Float>) {
    let g = geometry
    for r in 0..<rows {
      let (sample, row) = (first + r).quotientAndRemainder(dividingBy: tileRows)
      kernels.winogradOutputGradient(
        Int32(g.output.height), Int32(g.output.width), Int32(outputs), Int32(2 * row), Int32(tileColumns),
        p.outputGradient + sample * g.output.count, planes + r * tileColumns * outputs, outputPlane, outputs)
    }
  }

  /// dU (+)= Zᵀ · V of a block of tiles.
  private func addProducts(
    _ tiles: Int32, _ v: UnsafePointer<Float>, _ z: UnsafePointer<Float>, _ dU: UnsafeMutablePointer<Float>,
    isFirst: Bool
  ) {
    for e in 0..<16 {
      kernels.outerProducts(
        Int32(outputs), Int32(channels), 1, 0, 0, tiles, z + e * outputPlane, outputs, v + e * inputPlane, channels,
        dU + e * weightPlane, channels, isFirst ? 1 : 0)
    }
  }

  private func transformGradient(_ p: Piece, _ dU: UnsafePointer<Float>, _ dW: UnsafeMutablePointer<Float>) {
    for o in 0..<outputs {
      kernels.winogradWeightGradient(
        Int32(channels), dU + o * channels, weightPlane, dW + o * 9 * channels, p.startsGradient ? 1 : 0)
    }
  }

  /// The gradient of the weights alone.
  func winogradGradient(_ p: Piece, _ dW: UnsafeMutablePointer<Float>) {
    let v = p.scratch!
    let z = v + 16 * inputPlane + Self.slack
    let dU = z + 16 * outputPlane + Self.slack
    let total = p.samples * tileRows
    for first in Swift.stride(from: 0, to: total, by: blockRows) {
      let rows = min(blockRows, total - first)
      transformOutputGradient(p, first, rows, z)
      transformInput(p, first, rows, v)
      addProducts(Int32(rows * tileColumns), v, z, dU, isFirst: first == 0)
    }
    transformGradient(p, dU, dW)
  }

  /// The bias's gradient has been added already.
  func winogradBackward(_ p: Piece) {
    let g = geometry
    let v = p.scratch!
    let z = v + 16 * inputPlane + Self.slack
    let dU = z + 16 * outputPlane + Self.slack
    let panels = p.shared + 16 * forwardSet
    let dW = p.gradient(weight)
    let dx = p.inputGradient()
    dx?.update(repeating: 0, count: p.samples * g.input.count)
    let total = p.samples * tileRows
    for first in Swift.stride(from: 0, to: total, by: blockRows) {
      let rows = min(blockRows, total - first)
      let tiles = Int32(rows * tileColumns)
      transformOutputGradient(p, first, rows, z)
      if dW != nil {
        transformInput(p, first, rows, v)
        addProducts(tiles, v, z, dU, isFirst: first == 0)
      }
      guard let dx else { continue }
      for e in 0..<16 {
        kernels.multiplyPanels(
          tiles, z + e * outputPlane, outputs, 1, Int32(outputs), 0, panels + e * backwardSet, Int32(channels),
          v + e * inputPlane, channels, Int32(channels))
      }
      for r in 0..<rows {
        let (sample, row) = (first + r).quotientAndRemainder(dividingBy: tileRows)
        kernels.winogradInputGradient(
          Int32(g.input.height), Int32(g.input.width), Int32(channels), Int32(2 * row - padding), Int32(-padding),
          Int32(tileColumns), v + r * tileColumns * channels, inputPlane, channels, dx + sample * g.input.count)
      }
    }
    if dx != nil { array.countReads(backward: p.samples * g.output.pixels, worker: p.worker) }
    if let dW { transformGradient(p, dU, dW) }
  }
}
