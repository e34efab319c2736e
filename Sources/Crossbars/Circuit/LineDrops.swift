/// What the lines of an array do to the currents of its cells, and scratch to do it in.
///
/// Forward, with c[i, j] the current through cell (i, j) and u[i, j] the voltage across it,
///
///     u[i, j] = V[i] − (R·c)[i, j]
///     (R·c)[i, j] = Σₖ P[j, k]·c[i, k] + Σₖ Q[i, k]·c[k, j]
///     P[j, k] = left + min(j, k)·wire              resistance that the paths to columns j and k share on word line i
///     Q[i, k] = bottom + (m − 1 − max(i, k))·wire   the same on bit line j, on the way to the sense node
///
/// with left = R_driver + R_wire and bottom = R_sense + R_wire; backward V[i] becomes V[j], and driver and sense
/// resistance change places. R is symmetric and positive definite, and R·c is two pairs of running sums: the current
/// of each segment, then the voltage it costs.
///
/// Arrays here are padded with cells that carry nothing: rows above, to a multiple of 4, and columns to the right, to a
/// multiple of 8. Both ends are open, so that nothing changes.
final class LineDrops {
  typealias Lanes = SIMD8<Double>
  typealias Plane = UnsafeMutablePointer<Double>

  let rows: Int
  let columns: Int
  let paddedRows: Int
  /// Elements from row to row of a plane; a multiple of 8.
  let stride: Int
  let wire: Double
  let left: Double
  let bottom: Double
  private var planes: [Plane] = []
  /// Σⱼ c[i, j] and Σᵢ c[i, j] of the currents last given to `apply`.
  let rowTotals: Plane
  let columnTotals: Plane
  private let carried: Plane
  private let drops: Plane

  /// - Precondition: rows and columns are positive, resistances finite.
  init(rows: Int, columns: Int, _ parameters: CircuitParameters, _ direction: ReadDirection) {
    self.rows = rows
    self.columns = columns
    paddedRows = (rows + 3) / 4 * 4
    stride = (columns + 7) / 8 * 8
    wire = parameters.wireResistance
    let isForward = direction == .forward
    left = wire + (isForward ? parameters.driverResistance : parameters.senseResistance)
    bottom = wire + (isForward ? parameters.senseResistance : parameters.driverResistance)
    rowTotals = LineDrops.allocate(paddedRows)
    columnTotals = LineDrops.allocate(stride)
    carried = LineDrops.allocate(stride)
    drops = LineDrops.allocate(stride)
  }

  deinit {
    for plane in planes { plane.deallocate() }
    for scratch in [rowTotals, columnTotals, carried, drops] { scratch.deallocate() }
  }

  private static func allocate(_ count: Int) -> Plane {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(count, 8) * 8, alignment: 64)
    let plane = memory.bindMemory(to: Double.self, capacity: max(count, 8))
    plane.initialize(repeating: 0, count: max(count, 8))
    return plane
  }

  /// A new plane of zeros, which lives as long as this object.
  func makePlane() -> Plane {
    let plane = LineDrops.allocate(paddedRows * stride)
    planes.append(plane)
    return plane
  }

  /// Offset of cell (i, 0) in a plane.
  func row(_ i: Int) -> Int { (paddedRows - rows + i) * stride }

  /// Vectors of 8 in a plane.
  var laneCount: Int { paddedRows * stride / 8 }

  @inline(__always)
  static func lanes(_ plane: Plane) -> UnsafeMutablePointer<Lanes> {
    UnsafeMutableRawPointer(plane).assumingMemoryBound(to: Lanes.self)
  }

  /// result = R·currents + share·other − trim·currents
  ///
  /// - Parameters:
  ///   - prepare: called with the first element and the length of every four rows of `currents` before they are read.
  ///   - other: may be `currents`; not read where `share` is 0 and it is `currents`.
  /// - Returns: Σ currents·result.
  @inline(__always)
  func apply(
    _ currents: Plane, share: Double, _ other: Plane, trim: Double, into result: Plane,
    prepare: (_ first: Int, _ count: Int) -> Void
  ) -> Double {
    let lanesPerRow = stride / 8
    let sums = LineDrops.lanes(columnTotals)
    for k in 0..<lanesPerRow { sums[k] = .zero }
    let (wire, left, bottom) = (wire, left, bottom)

    for first in Swift.stride(from: 0, to: paddedRows, by: 4) {
      prepare(first * stride, 4 * stride)
      let c0 = currents + first * stride
      let (c1, c2, c3) = (c0 + stride, c0 + 2 * stride, c0 + 3 * stride)
      let (l0, l1, l2, l3) = (
        LineDrops.lanes(c0), LineDrops.lanes(c1), LineDrops.lanes(c2), LineDrops.lanes(c3)
      )
      var (t0, t1, t2, t3) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
      for k in 0..<lanesPerRow {
        let (a, b, c, d) = (l0[k], l1[k], l2[k], l3[k])
        t0 += a
        t1 += b
        t2 += c
        t3 += d
        sums[k] += (a + b) + (c + d)
      }
      var (s0, s1, s2, s3) = (t0.sum(), t1.sum(), t2.sum(), t3.sum())
      (rowTotals[first], rowTotals[first + 1], rowTotals[first + 2], rowTotals[first + 3]) = (s0, s1, s2, s3)
      // Four lines side by side: each is a chain of dependent additions.
      let (q0, q1, q2, q3) = (
        result + first * stride, result + (first + 1) * stride, result + (first + 2) * stride,
        result + (first + 3) * stride
      )
      var (d0, d1, d2, d3) = (0.0, 0.0, 0.0, 0.0)
      var segment = left
      for j in 0..<columns {
        d0 += segment * s0
        d1 += segment * s1
        d2 += segment * s2
        d3 += segment * s3
        q0[j] = d0
        q1[j] = d1
        q2[j] = d2
        q3[j] = d3
        s0 -= c0[j]
        s1 -= c1[j]
        s2 -= c2[j]
        s3 -= c3[j]
        segment = wire
      }
    }

    let (t, d) = (LineDrops.lanes(carried), LineDrops.lanes(drops))
    for k in 0..<lanesPerRow {
      t[k] = sums[k]
      d[k] = .zero
    }
    var dot = Lanes.zero
    var segment = Lanes(repeating: bottom)
    let (share, trim) = (Lanes(repeating: share), Lanes(repeating: trim))
    for i in (0..<paddedRows).reversed() {
      let c = LineDrops.lanes(currents + i * stride)
      let p = LineDrops.lanes(other + i * stride)
      let q = LineDrops.lanes(result + i * stride)
      for k in 0..<lanesPerRow {
        let own = c[k]
        let drop = d[k] + segment * t[k]
        d[k] = drop
        t[k] -= own
        let value = (q[k] + drop) + (share * p[k] - trim * own)
        q[k] = value
        dot += own * value
      }
      segment = Lanes(repeating: wire)
    }
    return dot.sum()
  }

  /// The part of R·currents that the word lines cost, element by element, in `result`.
  func wordLineDrops(_ currents: Plane, into result: Plane) {
    for i in 0..<paddedRows {
      let (c, q) = (currents + i * stride, result + i * stride)
      var beyond = 0.0
      for j in (0..<columns).reversed() {
        beyond += c[j]
        q[j] = beyond
      }
      var drop = 0.0
      for j in 0..<columns {
        drop += (j == 0 ? left : wire) * q[j]
        q[j] = drop
      }
    }
  }
}
