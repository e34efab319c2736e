/// Eliminates the inner nodes of a small block of cells, several blocks at a time, one in each SIMD lane.
///
/// A block of a × b cells is a resistor network with up to 2a + 2b ports. Its inner nodes go one by one by the
/// star–mesh transform (A. Rosen, J. IEE 62, 916, 1924): node k with conductances g[k,·] to its neighbours is replaced by
///
///     g[i,j] += g[k,i]·g[k,j] / Σₗ g[k,l]        for every pair of neighbours i, j.
///
/// Nothing is ever subtracted, so every conductance is right to a few units in its last place whatever the ratio of
/// wire to cell conductance. (In terms of matrices: Cholesky elimination of a Laplacian whose pivots are summed from
/// the off-diagonal elements, after Grassmann, Taksar and Heyman, Oper. Res. 33, 1107, 1985.)
///
/// Which conductances exist depends on the block's shape alone. So the elimination is written once, as a list of
/// operations on numbered slots (a slot is one conductance, its lanes the blocks), and played for all blocks:
///
///     degree d, d neighbour slots,
///     then for each neighbour i but the last:   count, then (slot of g[k,j], slot of g[i,j]) pairs to add to,
///                                               count, then such pairs whose g[i,j] did not exist before.
struct CircuitLeaf {
  /// Blocks eliminated together.
  typealias Lanes = SIMD8<Double>

  let rows: Int
  let columns: Int
  /// Ports in the order top (bit nodes of row 0), right (word nodes of the last column), left, bottom.
  let ports: Int
  let slotCount: Int
  /// Slot of cell (i, j) at i·columns + j.
  private(set) var cellSlots: [Int32] = []
  private(set) var leftSlots: [Int32] = []
  private(set) var bottomSlots: [Int32] = []
  private(set) var wireSlots: [Int32] = []
  private(set) var program: [Int32] = []
  /// Slot of the conductance between ports p < q, rows of the upper triangle one after the other; −1 for none.
  private(set) var portSlots: [Int32] = []
  /// Multiplications of the program, for one block.
  private(set) var multiplications = 0

  /// - Parameters:
  ///   - keepsTop: false at the array's top edge, where bit lines end and nothing can be joined.
  ///   - keepsRight: false at the array's right edge, where word lines end.
  init(rows: Int, columns: Int, keepsTop: Bool, keepsRight: Bool) {
    self.rows = rows
    self.columns = columns
    ports = (keepsTop ? columns : 0) + (keepsRight ? rows : 0) + rows + columns

    // Nodes: word (i, j), bit (i, j), left ends, bottom ends.
    let cells = rows * columns
    func word(_ i: Int, _ j: Int) -> Int { j < 0 ? 2 * cells + i : i * columns + j }
    func bit(_ i: Int, _ j: Int) -> Int { i == rows ? 2 * cells + rows + j : cells + i * columns + j }
    var slots = SlotTable(nodes: 2 * cells + rows + columns)
    for i in 0..<rows {
      for j in 0..<columns {
        let left = slots.make(word(i, j - 1), word(i, j)).slot
        let bottom = slots.make(bit(i, j), bit(i + 1, j)).slot
        if j == 0 { leftSlots.append(left) } else { wireSlots.append(left) }
        if i == rows - 1 { bottomSlots.append(bottom) } else { wireSlots.append(bottom) }
        cellSlots.append(slots.make(word(i, j), bit(i, j)).slot)
      }
    }

    var portNodes: [Int] = []
    if keepsTop { portNodes += (0..<columns).map { bit(0, $0) } }
    if keepsRight { portNodes += (0..<rows).map { word($0, columns - 1) } }
    portNodes += (0..<rows).map { word($0, -1) }
    portNodes += (0..<columns).map { bit(rows, $0) }

    // Minimum degree: always the inner node with the fewest neighbours.
    var inner = Set(0..<2 * cells).subtracting(portNodes)
    while let node = inner.min(by: { (slots.degree($0), $0) < (slots.degree($1), $1) }) {
      inner.remove(node)
      let neighbours = slots.neighbours(node)
      program.append(Int32(neighbours.count))
      program += neighbours.map { slots[node, $0] }
      for (position, i) in neighbours.dropLast().enumerated() {
        var added: [Int32] = []
        var created: [Int32] = []
        for j in neighbours[(position + 1)...] {
          let target = slots.make(i, j)
          if target.isNew { created += [slots[node, j], target.slot] } else { added += [slots[node, j], target.slot] }
        }
        program += [Int32(added.count / 2)] + added + [Int32(created.count / 2)] + created
        multiplications += (added.count + created.count) / 2
      }
      slots.remove(node)
    }
    for (position, p) in portNodes.enumerated() {
      for q in portNodes[(position + 1)...] { portSlots.append(slots.find(p, q)) }
    }
    slotCount = slots.count
  }

  /// Plays the program on `slots`, whose cell, wire, left and bottom slots have been filled.
  func eliminate(_ slots: UnsafeMutablePointer<Lanes>) {
    program.withUnsafeBufferPointer { program in
      var next = program.baseAddress!
      let end = next + program.count
      while next < end {
        let degree = Int(next[0])
        let neighbours = next + 1
        next = neighbours + degree
        var sum = slots[Int(neighbours[0])]
        for i in 1..<max(degree, 1) { sum += slots[Int(neighbours[i])] }
        let resistance = 1 / sum
        for i in 0..<max(degree - 1, 0) {
          let share = slots[Int(neighbours[i])] * resistance
          var count = Int(next[0])
          next += 1
          for _ in 0..<count {
            slots[Int(next[1])] += share * slots[Int(next[0])]
            next += 2
          }
          count = Int(next[0])
          next += 1
          for _ in 0..<count {
            slots[Int(next[1])] = share * slots[Int(next[0])]
            next += 2
          }
        }
      }
    }
  }

  /// Writes the conductances between the ports of the block in `lane` into the upper triangle of `target`.
  func extract(_ slots: UnsafePointer<Lanes>, lane: Int, into target: UnsafeMutablePointer<Double>, stride: Int) {
    let values = UnsafeRawPointer(slots).assumingMemoryBound(to: Double.self) + lane
    portSlots.withUnsafeBufferPointer { portSlots in
      var next = 0
      for p in 0..<ports {
        let row = target + p * stride
        for q in p + 1..<max(ports, p + 1) {
          let slot = Int(portSlots[next])
          row[q] = slot < 0 ? 0 : values[slot * Lanes.scalarCount]
          next += 1
        }
      }
    }
  }
}

/// Numbers the conductances that exist during an elimination, giving freed numbers out again to keep the slots in cache.
private struct SlotTable {
  private var adjacency: [[Int: Int32]]
  private var free: [Int32] = []
  private(set) var count = 0

  init(nodes: Int) { adjacency = Array(repeating: [:], count: nodes) }

  subscript(_ i: Int, _ j: Int) -> Int32 { adjacency[i][j]! }

  func find(_ i: Int, _ j: Int) -> Int32 { adjacency[i][j] ?? -1 }
  func degree(_ node: Int) -> Int { adjacency[node].count }
  func neighbours(_ node: Int) -> [Int] { adjacency[node].keys.sorted() }

  mutating func make(_ i: Int, _ j: Int) -> (slot: Int32, isNew: Bool) {
    if let slot = adjacency[i][j] { return (slot, false) }
    let slot = free.popLast() ?? Int32(count)
    if slot == Int32(count) { count += 1 }
    adjacency[i][j] = slot
    adjacency[j][i] = slot
    return (slot, true)
  }

  mutating func remove(_ node: Int) {
    for (neighbour, slot) in adjacency[node] {
      adjacency[neighbour][node] = nil
      free.append(slot)
    }
    free.sort(by: >)
    adjacency[node] = [:]
  }
}
