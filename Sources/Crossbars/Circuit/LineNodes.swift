/// Which lines are one node, where wires have no resistance: a forest of word lines, then bit lines (B. A. Galler and
/// M. J. Fisher, Commun. ACM 7, 301, 1964).
struct LineNodes {
  let rows: Int
  private var parent: [Int]

  init(rows: Int, columns: Int) {
    self.rows = rows
    parent = Array(0..<rows + columns)
  }

  func node(of line: Int) -> Int {
    var line = line
    while parent[line] != line { line = parent[line] }
    return line
  }

  /// Ties a word line to a bit line.
  /// - Returns: false if they were one node already.
  mutating func tie(_ row: Int, _ column: Int) -> Bool {
    let (a, b) = (node(of: row), node(of: rows + column))
    parent[a] = b
    return a != b
  }

  private func name(_ line: Int) -> String { line < rows ? "word line \(line)" : "bit line \(line - rows)" }

  /// Refuses nodes with two terminals without resistance.
  ///
  /// - Parameter ends: what stands between word lines (left) and bit lines (bottom) and their terminals, in ohm.
  /// - Throws: `CircuitError` naming two lines.
  func refuseLoops(_ ends: (left: Double, bottom: Double)) throws {
    var terminals: [Int: Int] = [:]
    for line in parent.indices where (line < rows ? ends.left : ends.bottom) == 0 {
      guard let other = terminals.updateValue(line, forKey: node(of: line)) else { continue }
      throw CircuitError(
        "shorted cells tie \(name(other)) to \(name(line)) without any resistance between their terminals: the current "
          + "is infinite or undefined")
    }
  }
}
