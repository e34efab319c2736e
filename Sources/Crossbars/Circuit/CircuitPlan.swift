/// How an array of one shape is taken apart: nested dissection (A. George, SIAM J. Numer. Anal. 10, 345, 1973).
///
/// The array is padded at its open ends (rows above, columns to the right) with open cells, whose dangling wires carry
/// no current, and cut into equal leaves of at most 8 × 8 cells. Each leaf is reduced to its ports (`CircuitLeaf`); then
/// neighbours are joined two by two, and the nodes they share eliminated (`CircuitFront`):
///
/// ```
///      T T T   T T T            T T T T T T        T  bit nodes of the block's top row
///    L┌─────┐R┌─────┐R         L┌─────────┐R       R  word nodes of its last column
///    L│  A  │ L  B  │R   ⟶     L│  A ∪ B  │R       L  left ends: R of the block to the left, or the drivers
///    L└─────┘R└─────┘R         L└─────────┘R       B  bottom ends: T of the block below, or the sense nodes
///      B B B   B B B            B B B B B B
/// ```
///
/// There is no T at the top edge and no R at the right edge of the array: these lines end. Once all is joined only
/// the drivers and the sense nodes are left, and the conductance between driver i and sense node j is G_eff[i, j].
///
/// An n × n array takes about 16·n³ multiplications (n = 64: 4 million), where eliminating line by line takes n⁴.
///
/// The plan is immutable: lists of block copies with offsets into a workspace's arena, made once per shape.
final class CircuitPlan: Sendable {
  let rows: Int
  let columns: Int
  let paddedRows: Int
  let paddedColumns: Int
  let leafRows: Int
  let leafColumns: Int
  let leafGroups: [LeafGroup]
  let merges: [Merge]
  let moves: [Move]
  /// Doubles in the arena.
  let arenaCount: Int
  /// Where the arena holds G_eff[0, 0] of the padded array in the end, and its row stride.
  let resultOffset: Int
  let resultStride: Int

  /// Leaves of one kind, reduced by the same program.
  struct LeafGroup: Sendable {
    let leaf: CircuitLeaf
    let members: [Member]
    let stride: Int

    struct Member: Sendable {
      let row: Int
      let column: Int
      let offset: Int
    }
  }

  /// One join: assemble the front from two children, then eliminate the shared nodes.
  struct Merge: Sendable {
    var moves: Range<Int>
    var offset: Int
    var front: CircuitFront
  }

  /// One rectangle on its way from a child's matrix into its parent's front.
  struct Move: Sendable {
    enum Kind: Sendable {
      case copy, copyTriangle, copyTransposed, addTriangle, zero
    }
    var kind: Kind
    var source = 0
    var sourceStride = 0
    var target: Int
    var targetStride: Int
    /// Extent in the source (in the target for `zero`).
    var rows: Int
    var columns: Int
  }

  static let leafLimit = 8

  /// - Precondition: rows and columns are positive.
  init(rows: Int, columns: Int, leafLimit: Int = CircuitPlan.leafLimit) {
    precondition(rows > 0 && columns > 0)
    self.rows = rows
    self.columns = columns
    let gridRows = (rows + leafLimit - 1) / leafLimit
    let gridColumns = (columns + leafLimit - 1) / leafLimit
    leafRows = (rows + gridRows - 1) / gridRows
    leafColumns = (columns + gridColumns - 1) / gridColumns
    paddedRows = gridRows * leafRows
    paddedColumns = gridColumns * leafColumns

    // Leaves, all at the start of the arena.
    let leafStride = 2 * (leafRows + leafColumns)
    var members: [[LeafGroup.Member]] = [[], [], [], []]
    for row in 0..<gridRows {
      for column in 0..<gridColumns {
        let kind = (row > 0 ? 1 : 0) + (column < gridColumns - 1 ? 2 : 0)
        members[kind].append(
          .init(
            row: row * leafRows, column: column * leafColumns,
            offset: (row * gridColumns + column) * leafStride * leafStride))
      }
    }
    var groups: [LeafGroup] = []
    for kind in 0..<4 where !members[kind].isEmpty {
      let leaf = CircuitLeaf(
        rows: leafRows, columns: leafColumns, keepsTop: kind & 1 != 0, keepsRight: kind & 2 != 0)
      groups.append(LeafGroup(leaf: leaf, members: members[kind], stride: leafStride))
    }
    leafGroups = groups

    var dissection = CircuitDissection(
      leafRows: leafRows, leafColumns: leafColumns, gridRows: gridRows, gridColumns: gridColumns)
    let root = dissection.build(
      CircuitDissection.Region(rows: 0..<gridRows, columns: 0..<gridColumns), depth: 0, child: 0)
    let offsets = dissection.place(after: gridRows * gridColumns * leafStride * leafStride)
    merges = dissection.merges
    moves = dissection.moves
    arenaCount = offsets.end
    resultStride = root.stride
    resultOffset =
      (root.slot < 0 ? 0 : offsets.slots[root.slot]) + root.offset + root[.left].first * root.stride
      + root[.bottom].first
  }
}
