import CKernels
import LinearAlgebra

/// What reads in one direction multiply with, and what it was derived from.
struct EffectiveMatrix {
  /// Weights that a read sees, [outputs, inputs], the digital part of an offset mapping not subtracted.
  var weights: Storage
  /// For each plane what turns conductances into those of the last solution: D = G_eff/G, or C = exact / line sums; nil
  /// while they are 1.
  var corrections: [Storage] = []
  /// What a correction cannot hold, in units of the weight: sneak current of cells near G_min. nil while there is none.
  var sneak: Storage?
  /// G_eff of each tile's dummy line, [column tiles, inputs], in units of G_max − G_min; nil while it is ideal.
  var dummy: Storage?
  /// Of currents in units of the weight: Σ over a strip of tiles of G², [outputs, inputs] (flicker noise), and the
  /// thermal noise's variance at every ADC, [strips, lines]. nil while the devices have no such noise.
  var squares: Storage?
  var thermal: Storage?

  init(count: Int) { weights = Storage(count: count) }
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
