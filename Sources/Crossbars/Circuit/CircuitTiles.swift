import LinearAlgebra

/// A rectangle of Float32 conductances inside a larger array, and where its effective matrix goes.
///
/// The pointers are borrowed: they must stay valid, and targets of different tiles apart, for as long as the call that
/// takes them.
public struct CircuitTile {
  /// G[0, 0] of the tile, in siemens.
  public var source: UnsafePointer<Float>
  /// Elements from row to row at the source.
  public var sourceStride: Int
  public var rows: Int
  public var columns: Int
  /// Receives G_eff as inputs × outputs, in siemens.
  public var target: UnsafeMutablePointer<Float>
  /// Elements from row to row at the target.
  public var targetStride: Int

  public init(
    source: UnsafePointer<Float>, sourceStride: Int, rows: Int, columns: Int, target: UnsafeMutablePointer<Float>,
    targetStride: Int
  ) {
    self.source = source
    self.sourceStride = sourceStride
    self.rows = rows
    self.columns = columns
    self.target = target
    self.targetStride = targetStride
  }
}

extension CrossbarCircuit {
  /// Refreshes the effective matrices of many tiles, spread over the pool's threads.
  ///
  /// Each tile is solved by one thread, so the results are the same bit for bit in any order and for any number of
  /// threads.
  ///
  /// - Parameter workspaces: at least one for each thread of the pool. Keep them between calls: a tile of a shape seen before
  ///   allocates nothing.
  /// - Throws: `CircuitError` of the first tile, in the order given, that cannot be solved. All others are refreshed.
  public func refresh(
    _ tiles: [CircuitTile], _ direction: ReadDirection = .forward, pool: ThreadPool, workspaces: [CircuitWorkspace]
  ) throws {
    try solveAll(tiles.count, pool, workspaces) { index, workspace in
      let tile = tiles[index]
      try effectiveMatrix(
        of: tile.source, stride: tile.sourceStride, rows: tile.rows, columns: tile.columns, direction,
        into: tile.target, stride: tile.targetStride, workspace: workspace)
    }
  }

  /// The effective matrices of many arrays, in their order, spread over the pool's threads.
  ///
  /// - Throws: `CircuitError` of the first array that cannot be solved.
  public func effectiveMatrices(
    _ conductances: [Matrix], _ direction: ReadDirection = .forward, pool: ThreadPool
  ) throws -> [Matrix] {
    guard let first = conductances.first else { return [] }
    let workspaces = (0..<pool.threads).map { _ in
      CircuitWorkspace(rows: max(first.rows, 1), columns: max(first.columns, 1))
    }
    var results = conductances
    try results.withUnsafeMutableBufferPointer { results in
      try solveAll(conductances.count, pool, workspaces) { index, workspace in
        results[index] = try effectiveMatrix(conductances[index], direction, workspace: workspace)
      }
    }
    return results
  }

  private func solveAll(
    _ count: Int, _ pool: ThreadPool, _ workspaces: [CircuitWorkspace],
    _ solve: (_ index: Int, _ workspace: CircuitWorkspace) throws -> Void
  ) throws {
    precondition(
      workspaces.count >= pool.threads, "\(workspaces.count) workspaces do not serve \(pool.threads) threads")
    // The first failure each worker has met.
    var failures = [(index: Int, error: CircuitError)?](repeating: nil, count: pool.threads)
    failures.withUnsafeMutableBufferPointer { failures in
      pool.parallelFor(count) { index, worker in
        do {
          try solve(index, workspaces[worker])
        } catch {
          let known = failures[worker]?.index ?? Int.max
          if index < known { failures[worker] = (index, error as? CircuitError ?? CircuitError("\(error)")) }
        }
      }
    }
    if let failure = failures.compactMap({ $0 }).min(by: { $0.index < $1.index }) {
      throw CircuitError("tile \(failure.index): \(failure.error)")
    }
  }
}
