extension CircuitWorkspace {
  /// The effective matrix for a wire resistance of exactly 0: every line is one node.
  ///
  /// ```
  ///  V[i] ── R_driver ──● a[i] ── G[i, j] ── b[j] ●── R_sense ── ⏚ I[j]
  /// ```
  ///
  /// With gd = 1/R_driver, gs = 1/R_sense, row sums r[i] = Σⱼ G[i, j] and column sums c[j] = Σᵢ G[i, j]:
  ///
  /// - both 0:       G_eff = G;
  /// - R_driver = 0: a = V, so G_eff[i, j] = G[i, j] · gs/(gs + c[j]);
  /// - R_sense = 0:  b = 0, so G_eff[i, j] = gd/(gd + r[i]) · G[i, j];
  /// - neither: star–mesh of every word line, p[i] = gd + r[i], leaves conductances Σᵢ G[i, j]·G[i, k]/p[i] among the bit
  ///   lines and gd·G[i, j]/p[i] from driver i to bit line j; the bit lines are then eliminated as one `CircuitFront`.
  ///
  /// - Parameters: resistances in series with the word lines (left) and bit lines (bottom), in ohm.
  /// - Returns: G_eff of the unpadded array and its row stride; memory of this workspace.
  func reduceIdealLines(
    _ plan: CircuitPlan, leftResistance: Double, bottomResistance: Double
  ) -> (UnsafePointer<Double>, Int) {
    let (rows, columns, stride) = (plan.rows, plan.columns, plan.paddedColumns)
    let cells = conductance + (plan.paddedRows - rows) * stride
    if leftResistance > 0 && bottomResistance > 0 {
      return reduceEquipotential(
        cells, stride, rows, columns, left: 1 / leftResistance, bottom: 1 / bottomResistance)
    }
    if leftResistance > 0 {
      for i in 0..<rows {
        let row = cells + i * stride
        var sum = 0.0
        for j in 0..<columns { sum += row[j] }
        let share = 1 / (1 + leftResistance * sum)
        for j in 0..<columns { row[j] *= share }
      }
    } else if bottomResistance > 0 {
      reserveArena(columns)
      let sums = arena
      sums.update(repeating: 0, count: columns)
      for i in 0..<rows { for j in 0..<columns { sums[j] += cells[i * stride + j] } }
      for j in 0..<columns { sums[j] = 1 / (1 + bottomResistance * sums[j]) }
      for i in 0..<rows { for j in 0..<columns { cells[i * stride + j] *= sums[j] } }
    }
    return (UnsafePointer(cells), stride)
  }

  /// Nodes of the front: bit lines, drivers, sense nodes.
  private func reduceEquipotential(
    _ cells: UnsafeMutablePointer<Double>, _ stride: Int, _ rows: Int, _ columns: Int, left: Double, bottom: Double
  ) -> (UnsafePointer<Double>, Int) {
    let nodes = 2 * columns + rows
    let front = CircuitFront(
      pivots: columns, inner: 0, leftTerminals: rows, bottomTerminals: columns, stride: (nodes + 7) / 8 * 8)
    reserveArena(nodes * front.stride)
    let matrix = arena
    for p in 0..<nodes { (matrix + p * front.stride).update(repeating: 0, count: nodes) }
    for i in 0..<rows {
      let row = cells + i * stride
      var pivot = left
      for j in 0..<columns { pivot += row[j] }
      for j in 0..<columns {
        let share = row[j] / pivot
        let target = matrix + j * front.stride
        for k in j + 1..<max(columns, j + 1) { target[k] += share * row[k] }
        target[columns + i] = share * left
      }
    }
    for j in 0..<columns { matrix[j * front.stride + columns + rows + j] = bottom }
    eliminate(front)
    return (UnsafePointer(matrix) + columns * front.stride + columns + rows, front.stride)
  }
}
