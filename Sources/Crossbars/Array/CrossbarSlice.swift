import Glibc
import LinearAlgebra

/// What reads in one direction multiply with, and what it was derived from.
struct EffectiveMatrix {
  /// Weights that a read sees, [outputs, inputs], the digital part of an offset mapping not subtracted.
  var weights: Storage
  /// For each plane D = G_eff/G of the last solution, at most 1; empty where the method keeps none.
  var distortions: [Storage] = []
  /// The rest of the last solution, in units of the weight: sneak current of cells near G_min beside a distortion, or
  /// all that line sums do not hold. nil while there is none.
  var remainder: Storage?
  /// G_eff of each tile's dummy line, [column tiles, inputs], in units of G_max − G_min; nil while it is ideal or in the
  /// remainder.
  var dummy: Storage?
  /// The weights packed for products in registers: for forward reads and for backward reads, whose layouts differ even
  /// where they are of one size.
  let packed: (forward: PackedWeights, backward: PackedWeights)
  /// Distortions times the devices' own factors; empty where there are no distortions or no factors.
  var combined: [Storage] = []

  init(count: Int) {
    weights = Storage(count: count)
    packed = (PackedWeights(), PackedWeights())
  }

  func forgetPacked() {
    packed.forward.invalidate()
    packed.backward.invalidate()
  }
}

/// Effective weights in the layout of `CKernels.multiplyConverted`, packed when a read first wants them after a change.
///
/// A panel serves every read of a step, on every thread; the one that comes first packs it.
final class PackedWeights: @unchecked Sendable {
  private var lock = pthread_mutex_t()
  private var panels: Storage?
  private var isCurrent = false

  init() { pthread_mutex_init(&lock, nil) }
  deinit { pthread_mutex_destroy(&lock) }

  /// The weights have changed.
  func invalidate() { isCurrent = false }

  /// The panels, packed by `pack` if they are out of date.
  func get(count: Int, _ pack: (UnsafeMutablePointer<Float>) -> Void) -> UnsafeMutablePointer<Float> {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    if panels?.count != count {
      panels = Storage(count: count)
      isCurrent = false
    }
    if !isCurrent {
      pack(panels!.base)
      isCurrent = true
    }
    return panels!.base
  }
}

/// What went wrong first in reads on any thread, until someone asks.
final class ReadFailure: @unchecked Sendable {
  private var lock = pthread_mutex_t()
  private var sentence: String?

  init() { pthread_mutex_init(&lock, nil) }
  deinit { pthread_mutex_destroy(&lock) }

  func set(_ text: String) {
    pthread_mutex_lock(&lock)
    if sentence == nil { sentence = text }
    pthread_mutex_unlock(&lock)
  }

  func take() -> String? {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    defer { sentence = nil }
    return sentence
  }
}

/// The devices of one significance of every weight of an array, and what their circuit makes of them.
final class CrossbarSlice {
  /// c_k: the slice's share in the weight.
  let share: Double
  /// Plus and minus, or the only ones.
  var planes: [DevicePlane]
  var forward: EffectiveMatrix
  /// nil while the transposed forward matrix serves.
  var backward: EffectiveMatrix?
  /// Full scales of the ADCs in units of weight × full-scale input, forward and backward; 0 until calibrated.
  var ranges: (forward: Float, backward: Float) = (0, 0)
  /// nil while the devices have none.
  var noise: SliceNoise?

  init(share: Double, planes: [DevicePlane], count: Int) {
    self.share = share
    self.planes = planes
    forward = EffectiveMatrix(count: count)
  }

  /// Forgets what was solved: the devices sit on other lines now.
  func forgetCircuit(count: Int) {
    forward = EffectiveMatrix(count: count)
    backward = nil
  }
}

/// Where an array's tiles are.
struct TileGrid {
  var outputs: Int
  var inputs: Int
  var rows: Int
  var columns: Int

  /// Strips of tiles along the inputs and along the outputs.
  var rowTiles: Int { (inputs + rows - 1) / rows }
  var columnTiles: Int { (outputs + columns - 1) / columns }
  var count: Int { rowTiles * columnTiles }

  /// Lines of tile number `tile`, counted along the inputs first.
  func tile(_ tile: Int) -> (outputs: Range<Int>, inputs: Range<Int>) {
    let (o, i) = (tile / rowTiles * columns, tile % rowTiles * rows)
    return (o..<min(outputs, o + columns), i..<min(inputs, i + rows))
  }
}
