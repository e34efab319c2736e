/// Builds the joins of a plan, depth first.
///
/// A front is needed from its assembly until its parent's. So the fronts of depth d share two places, one for first and
/// one for second children; offsets are relative to their place until `place` lays all places out.
struct CircuitDissection {
  enum Side: Int, CaseIterable { case top, right, left, bottom }

  struct Region {
    var rows: Range<Int>
    var columns: Range<Int>
  }

  /// A network reduced to its ports: where they are in its matrix, and where that is.
  struct Block {
    /// Index of its place, −1 for leaves, whose offsets are absolute.
    var slot: Int
    var offset: Int
    var stride: Int
    /// Range of ports of each side, in the order of `Side`.
    var sides: [Range<Int>]

    subscript(_ side: Side) -> (first: Int, count: Int) {
      (sides[side.rawValue].lowerBound, sides[side.rawValue].count)
    }
  }

  let leafRows: Int
  let leafColumns: Int
  let gridRows: Int
  let gridColumns: Int
  private(set) var merges: [CircuitPlan.Merge] = []
  private(set) var moves: [CircuitPlan.Move] = []
  private var mergeSlots: [Int] = []
  private var moveSlots: [(source: Int, target: Int)] = []
  private var slotSizes: [Int] = []

  init(leafRows: Int, leafColumns: Int, gridRows: Int, gridColumns: Int) {
    self.leafRows = leafRows
    self.leafColumns = leafColumns
    self.gridRows = gridRows
    self.gridColumns = gridColumns
  }

  /// Lays the places out behind the leaves and makes all offsets absolute.
  mutating func place(after start: Int) -> (slots: [Int], end: Int) {
    var end = start
    var slots: [Int] = []
    for size in slotSizes {
      slots.append(end)
      end += size
    }
    for i in merges.indices { merges[i].offset += slots[mergeSlots[i]] }
    for i in moves.indices {
      if moveSlots[i].source >= 0 { moves[i].source += slots[moveSlots[i].source] }
      moves[i].target += slots[moveSlots[i].target]
    }
    return (slots, end)
  }

  mutating func build(_ region: Region, depth: Int, child: Int) -> Block {
    let height = region.rows.count * leafRows
    let width = region.columns.count * leafColumns
    if region.rows.count == 1 && region.columns.count == 1 { return leafBlock(region) }

    let isVertical = region.columns.count == 1 || (region.rows.count > 1 && height >= width)
    var regions = [region, region]
    if isVertical {
      let middle = region.rows.lowerBound + region.rows.count / 2
      regions[0].rows = region.rows.lowerBound..<middle
      regions[1].rows = middle..<region.rows.upperBound
    } else {
      let middle = region.columns.lowerBound + (region.columns.count + 1) / 2
      regions[0].columns = region.columns.lowerBound..<middle
      regions[1].columns = middle..<region.columns.upperBound
    }
    let children = [
      build(regions[0], depth: depth + 1, child: 0), build(regions[1], depth: depth + 1, child: 1),
    ]
    return join(children, isVertical: isVertical, region, slot: 2 * depth + child)
  }

  private func leafBlock(_ region: Region) -> Block {
    let stride = 2 * (leafRows + leafColumns)
    let index = region.rows.lowerBound * gridColumns + region.columns.lowerBound
    let counts = [
      region.rows.lowerBound > 0 ? leafColumns : 0, region.columns.upperBound < gridColumns ? leafRows : 0, leafRows,
      leafColumns,
    ]
    var sides: [Range<Int>] = []
    var next = 0
    for count in counts {
      sides.append(next..<next + count)
      next += count
    }
    return Block(slot: -1, offset: index * stride * stride, stride: stride, sides: sides)
  }

  private mutating func join(_ children: [Block], isVertical: Bool, _ region: Region, slot: Int) -> Block {
    let shared: (first: Side, second: Side) = isVertical ? (.bottom, .top) : (.right, .left)
    let leftIsTerminal = region.columns.lowerBound == 0
    let bottomIsTerminal = region.rows.upperBound == gridRows
    let order: [Side] = leftIsTerminal && !bottomIsTerminal ? [.top, .right, .bottom, .left] : Side.allCases

    // Front positions: the shared nodes, then each side, the first child's part before the second's.
    let pivots = children[0][shared.first].count
    var next = pivots
    var sides = Array(repeating: 0..<0, count: 4)
    var parts: [[Part]] = [[], []]
    for side in order {
      let start = next
      for (index, child) in children.enumerated() where side != (index == 0 ? shared.first : shared.second) {
        let (first, count) = child[side]
        let isTerminal = side == .left && leftIsTerminal || side == .bottom && bottomIsTerminal
        if count > 0 {
          parts[index].append(
            Part(source: first, target: next, count: count, side: side, isTerminal: isTerminal))
        }
        next += count
      }
      sides[side.rawValue] = start..<next
    }
    for (index, side) in [shared.first, shared.second].enumerated() {
      parts[index].append(
        Part(source: children[index][side].first, target: 0, count: pivots, side: nil, isTerminal: false))
    }

    let leftTerminals = leftIsTerminal ? sides[Side.left.rawValue].count : 0
    let bottomTerminals = bottomIsTerminal ? sides[Side.bottom.rawValue].count : 0
    let front = CircuitFront(
      pivots: pivots, inner: next - pivots - leftTerminals - bottomTerminals, leftTerminals: leftTerminals,
      bottomTerminals: bottomTerminals, stride: (next + 7) / 8 * 8)
    let firstMove = moves.count
    assemble(parts, children, front, slot)
    merges.append(.init(moves: firstMove..<moves.count, offset: 0, front: front))
    mergeSlots.append(slot)
    while slotSizes.count <= slot { slotSizes.append(0) }
    slotSizes[slot] = max(slotSizes[slot], front.nodes * front.stride)
    return Block(
      slot: slot, offset: pivots * front.stride + pivots, stride: front.stride,
      sides: sides.map { $0.lowerBound - pivots..<$0.upperBound - pivots })
  }

  /// Ports of one side of one child: first port there, first node in the front.
  private struct Part {
    var source: Int
    var target: Int
    var count: Int
    var side: Side?
    var isTerminal: Bool

    /// Pairs among terminals of one kind are never formed.
    func isUnformed(with other: Part) -> Bool { isTerminal && other.isTerminal && side == other.side }
  }

  private mutating func assemble(_ parts: [[Part]], _ children: [Block], _ front: CircuitFront, _ slot: Int) {
    for (index, child) in children.enumerated() {
      let sorted = parts[index].sorted { $0.source < $1.source }
      for (position, x) in sorted.enumerated() {
        for y in sorted[position...] where !x.isUnformed(with: y) {
          let isTransposed = x.target > y.target
          var kind: CircuitPlan.Move.Kind = isTransposed ? .copyTransposed : .copy
          if x.source == y.source { kind = index == 1 && x.side == nil ? .addTriangle : .copyTriangle }
          moves.append(
            .init(
              kind: kind, source: child.offset + x.source * child.stride + y.source, sourceStride: child.stride,
              target: min(x.target, y.target) * front.stride + max(x.target, y.target), targetStride: front.stride,
              rows: x.count, columns: y.count))
          moveSlots.append((child.slot, slot))
        }
      }
    }
    for x in parts[0] where x.side != nil {
      for y in parts[1] where y.side != nil && !x.isUnformed(with: y) {
        let (upper, lower) = x.target < y.target ? (x, y) : (y, x)
        moves.append(
          .init(
            kind: .zero, target: upper.target * front.stride + lower.target, targetStride: front.stride,
            rows: upper.count, columns: lower.count))
        moveSlots.append((-1, slot))
      }
    }
  }
}
