import CBLAS

/// Eliminates the leading nodes of a dense resistor network.
///
/// `front` holds conductances g[p, q] in the upper triangle of a row-major matrix; its diagonal and lower triangle are
/// never read. Its nodes are, in this order,
///
///     pivots (to be eliminated) | inner (kept, eliminated some time later) | left terminals | bottom terminals
///
/// On return the part behind the pivots holds the network seen from the other nodes. Conductances among left terminals
/// and among bottom terminals are not formed: terminals are never eliminated, so nobody asks.
///
/// With A = diag(Σ_q g[k, q]) − g on the pivots, A = L·Lᵀ and X = L⁻¹·g[pivots, rest], the rest gains XᵀX (star–mesh
/// transform of many nodes at once). The pivots of L are sums of conductances, never differences: all operations but
/// the square roots and divisions are additions and products of numbers that are not negative, so each result is right
/// to a small multiple of the machine precision relative to itself (Grassmann, Taksar and Heyman, Oper. Res. 33, 1107,
/// 1985). A node without any conductance gives 0/0, which reaches every result as NaN.
///
/// Cost: pivots·rest² + pivots²·rest + pivots³/3 operations, in panels on dtrsm, dsyrk and dgemm when large.
struct CircuitFront {
  let pivots: Int
  let inner: Int
  let leftTerminals: Int
  let bottomTerminals: Int
  let stride: Int

  var nodes: Int { pivots + inner + leftTerminals + bottomTerminals }

  /// Pivots eliminated together.
  private static let panel = 32

  func eliminate(_ front: UnsafeMutablePointer<Double>, sums: UnsafeMutablePointer<Double>) {
    var first = 0
    while first < pivots {
      let end = min(first + CircuitFront.panel, pivots)
      factor(front, first, end, sums)
      solve(front, first, end)
      update(front, first, end)
      first = end
    }
  }

  /// Replaces the upper triangle of the panel by Lᵀ.
  private func factor(
    _ front: UnsafeMutablePointer<Double>, _ first: Int, _ end: Int, _ sums: UnsafeMutablePointer<Double>
  ) {
    for k in first..<end {
      let row = front + k * stride
      var sum = 0.0
      var other = 0.0
      var q = end
      while q + 1 < nodes {
        sum += row[q]
        other += row[q + 1]
        q += 2
      }
      if q < nodes { sum += row[q] }
      sums[k - first] = sum + other
    }
    for k in first..<end {
      let row = front + k * stride
      var pivot = sums[k - first]
      for q in k + 1..<max(end, k + 1) { pivot += row[q] }
      let resistance = 1 / pivot
      for i in k + 1..<max(end, k + 1) {
        let share = row[i] * resistance
        sums[i - first] += share * sums[k - first]
        let target = front + i * stride
        for q in i + 1..<max(end, i + 1) { target[q] += share * row[q] }
      }
      let root = pivot.squareRoot()
      row[k] = root
      for q in k + 1..<max(end, k + 1) { row[q] /= -root }
    }
  }

  /// X = L⁻¹·g[panel, rest], in place.
  private func solve(_ front: UnsafeMutablePointer<Double>, _ first: Int, _ end: Int) {
    let panel = front + first * stride
    cblas_dtrsm(
      CblasRowMajor, CblasLeft, CblasUpper, CblasTrans, CblasNonUnit, blasint(end - first), blasint(nodes - end), 1,
      panel + first, blasint(stride), panel + end, blasint(stride))
  }

  /// g[rest, rest] += XᵀX, without the pairs that are not formed.
  private func update(_ front: UnsafeMutablePointer<Double>, _ first: Int, _ end: Int) {
    let x = front + first * stride
    let count = blasint(end - first)
    let symmetric = pivots + inner - end
    let terminals = leftTerminals + bottomTerminals
    let left = pivots + inner
    let bottom = left + leftTerminals
    let ld = blasint(stride)
    if symmetric > 0 {
      cblas_dsyrk(
        CblasRowMajor, CblasUpper, CblasTrans, blasint(symmetric), count, 1, x + end, ld, 1, front + end * stride + end,
        ld)
      if terminals > 0 {
        cblas_dgemm(
          CblasRowMajor, CblasTrans, CblasNoTrans, blasint(symmetric), blasint(terminals), count, 1, x + end, ld,
          x + left, ld, 1, front + end * stride + left, ld)
      }
    }
    if leftTerminals > 0 && bottomTerminals > 0 {
      cblas_dgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, blasint(leftTerminals), blasint(bottomTerminals), count, 1, x + left,
        ld, x + bottom, ld, 1, front + left * stride + bottom, ld)
    }
  }
}
