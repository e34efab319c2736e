import LinearAlgebra

/// The memory of one solving thread: scratch and the plans of the shapes it has met.
///
/// Make one per thread and keep it: solving a shape seen before allocates nothing. A workspace takes arrays of any
/// shape; `rows` and `columns` only say which one to prepare for. It must not be used by two threads at once; results
/// do not depend on what it was used for before.
///
/// Memory: 2 MB for 64 × 64, 8 MB for 128 × 128, 32 MB for 256 × 256.
public final class CircuitWorkspace {
  /// What a tile takes, about, whatever its size.
  public static let bytesPerCell = 512.0

  private var plans: [CircuitPlan] = []
  private(set) var arena: UnsafeMutablePointer<Double>
  private var arenaCount: Int
  /// Conductances of the padded array.
  private(set) var conductance: UnsafeMutablePointer<Double>
  private var conductanceCount: Int
  private var lanes: UnsafeMutablePointer<CircuitLeaf.Lanes>
  private var laneCount: Int
  private var sums: UnsafeMutablePointer<Double>

  /// - Parameters:
  ///   - rows: word lines of the array to prepare for, at least 1.
  ///   - columns: bit lines of that array, at least 1.
  public init(rows: Int, columns: Int) {
    BLAS.useOneThread()
    (arenaCount, conductanceCount, laneCount) = (0, 0, 0)
    arena = allocateDoubles(0)
    conductance = allocateDoubles(0)
    lanes = .allocate(capacity: 0)
    sums = allocateDoubles(64)
    _ = plan(rows: rows, columns: columns)
  }

  deinit {
    arena.deallocate()
    conductance.deallocate()
    lanes.deallocate()
    sums.deallocate()
  }

  /// The plan for a shape, with the scratch memory grown to hold it.
  func plan(rows: Int, columns: Int) -> CircuitPlan {
    for plan in plans where plan.rows == rows && plan.columns == columns { return plan }
    let plan = CircuitPlan(rows: rows, columns: columns)
    plans.append(plan)
    reserveArena(plan.arenaCount)
    reserveConductance(plan.paddedRows * plan.paddedColumns)
    let slots = plan.leafGroups.map(\.leaf.slotCount).max() ?? 0
    if slots > laneCount {
      lanes.deallocate()
      lanes = .allocate(capacity: slots)
      lanes.initialize(repeating: .zero, count: slots)
      laneCount = slots
    }
    return plan
  }

  func reserveArena(_ count: Int) {
    guard count > arenaCount else { return }
    arena.deallocate()
    arena = allocateDoubles(count)
    arenaCount = count
  }

  private func reserveConductance(_ count: Int) {
    guard count > conductanceCount else { return }
    conductance.deallocate()
    conductance = allocateDoubles(count)
    conductanceCount = count
  }

  /// Reduces the circuit to its terminals: afterwards the arena holds G_eff at the plan's result offset.
  ///
  /// `conductance` holds the padded array.
  ///
  /// - Parameters:
  ///   - wire: conductance of a wire segment, in siemens.
  ///   - left: conductance between word line and driver (forward), in siemens.
  ///   - bottom: conductance between bit line and sense node (forward), in siemens.
  func reduce(_ plan: CircuitPlan, wire: Double, left: Double, bottom: Double) {
    for group in plan.leafGroups { reduceLeaves(plan, group, wire: wire, left: left, bottom: bottom) }
    let arena = self.arena
    let sums = self.sums
    plan.merges.withUnsafeBufferPointer { merges in
      plan.moves.withUnsafeBufferPointer { moves in
        for merge in merges {
          for index in merge.moves { moves[index].perform(in: arena) }
          merge.front.eliminate(arena + merge.offset, sums: sums)
        }
      }
    }
  }

  /// Eliminates the front at the start of the arena.
  func eliminate(_ front: CircuitFront) { front.eliminate(arena, sums: sums) }

  private func reduceLeaves(
    _ plan: CircuitPlan, _ group: CircuitPlan.LeafGroup, wire: Double, left: Double, bottom: Double
  ) {
    let leaf = group.leaf
    let lanes = self.lanes
    let values = UnsafeMutableRawPointer(lanes).assumingMemoryBound(to: Double.self)
    let laneCount = CircuitLeaf.Lanes.scalarCount
    let cellSlots = leaf.cellSlots
    let members = group.members
    var first = 0
    while first < members.count {
      for slot in leaf.wireSlots { lanes[Int(slot)] = .init(repeating: wire) }
      for lane in 0..<laneCount {
        // Spare lanes repeat the last block.
        let member = members[min(first + lane, members.count - 1)]
        let cells = conductance + member.row * plan.paddedColumns + member.column
        cellSlots.withUnsafeBufferPointer { slots in
          for i in 0..<leaf.rows {
            for j in 0..<leaf.columns {
              values[Int(slots[i * leaf.columns + j]) * laneCount + lane] = cells[i * plan.paddedColumns + j]
            }
          }
        }
        let leftEnd = member.column == 0 ? left : wire
        let bottomEnd = member.row + leaf.rows == plan.paddedRows ? bottom : wire
        for slot in leaf.leftSlots { values[Int(slot) * laneCount + lane] = leftEnd }
        for slot in leaf.bottomSlots { values[Int(slot) * laneCount + lane] = bottomEnd }
      }
      leaf.eliminate(lanes)
      for lane in 0..<min(laneCount, members.count - first) {
        leaf.extract(lanes, lane: lane, into: arena + members[first + lane].offset, stride: group.stride)
      }
      first += laneCount
    }
  }
}

/// Zeroed memory on a cache line's boundary.
private func allocateDoubles(_ count: Int) -> UnsafeMutablePointer<Double> {
  let memory = UnsafeMutableRawPointer.allocate(byteCount: max(count, 8) * MemoryLayout<Double>.stride, alignment: 64)
  let doubles = memory.bindMemory(to: Double.self, capacity: max(count, 8))
  doubles.initialize(repeating: 0, count: max(count, 8))
  return doubles
}

extension CircuitPlan.Move {
  func perform(in arena: UnsafeMutablePointer<Double>) {
    let from = arena + source
    let to = arena + target
    switch kind {
    case .copy:
      for i in 0..<rows { (to + i * targetStride).update(from: from + i * sourceStride, count: columns) }
    case .copyTriangle:
      for i in 0..<rows {
        (to + i * targetStride + i).update(from: from + i * sourceStride + i, count: columns - i)
      }
    case .copyTransposed:
      for i in 0..<rows {
        let row = from + i * sourceStride
        for j in 0..<columns { to[j * targetStride + i] = row[j] }
      }
    case .addTriangle:
      for i in 0..<rows {
        let row = from + i * sourceStride
        let sum = to + i * targetStride
        for j in i..<columns { sum[j] += row[j] }
      }
    case .zero:
      for i in 0..<rows { (to + i * targetStride).update(repeating: 0, count: columns) }
    }
  }
}
