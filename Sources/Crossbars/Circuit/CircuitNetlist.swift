import LinearAlgebra

extension CrossbarCircuit {
  /// The array and the sources of one read as a netlist that `ngspice -b` runs as it is; it prints the output currents
  /// as i(vs0), i(vs1), … in ampere, positive out of the array.
  ///
  /// Nodes: w<i>_<j> and b<i>_<j> are those of word line i and bit line j at cell (i, j), dw<i> or db<j> the drivers.
  /// Where wires have no resistance, a line is the one node w<i> or b<j>. Open cells are left out.
  ///
  /// - Parameters:
  ///   - conductance: G [rows, columns], in siemens, not negative; 0 is an open cell, infinity a tie of the two lines.
  ///   - voltages: one for each input, in volt.
  ///   - title: the first line.
  /// - Throws: `CircuitError` if something is out of range, the circuit is singular, or a resistance is infinite.
  public func netlist(
    _ conductance: Matrix, voltages: [Double], _ direction: ReadDirection = .forward, title: String = "crossbar"
  ) throws -> String {
    try check(conductance)
    try check(Matrix(rows: 1, columns: voltages.count, values: voltages), for: conductance, direction)
    if hasInfiniteResistance {
      throw CircuitError("a netlist cannot hold lines that an infinite resistance leaves open")
    }
    let (rows, columns) = (conductance.rows, conductance.columns)
    let wire = parameters.wireResistance
    let isForward = direction == .forward
    let ends = ends(direction)
    if wire == 0 && cell.infinityIsShort { try lineNodes(conductance).refuseLoops(ends) }
    func word(_ i: Int, _ j: Int) -> String { wire == 0 ? "w\(i)" : "w\(i)_\(j)" }
    func bit(_ i: Int, _ j: Int) -> String { wire == 0 ? "b\(j)" : "b\(i)_\(j)" }

    // A title must not begin a line of its own.
    var lines = ["* " + title.split(whereSeparator: \.isNewline).joined(separator: " ")]
    lines.append("* \(rows) word lines, \(columns) bit lines, \(direction) read, \(cell.name) cells")
    lines.append(
      "* wires \(wire) ohm a segment, drivers \(parameters.driverResistance) ohm, sense amplifiers "
        + "\(parameters.senseResistance) ohm")
    /// Source or ammeter of a line, and what stands before its first node.
    func terminal(_ line: String, _ index: Int, isDriven: Bool, node: String, resistance: Double) {
      let name = isDriven ? "d\(line)" : "s"
      let end = resistance == 0 ? node : isDriven ? "d\(line)\(index)" : "s\(line)\(index)"
      lines.append("v\(name)\(index) \(end) 0 \(isDriven ? voltages[index] : 0)")
      if resistance > 0 { lines.append("re\(line)\(index) \(end) \(node) \(resistance)") }
    }
    for i in 0..<rows where columns > 0 {
      terminal("w", i, isDriven: isForward, node: word(i, 0), resistance: ends.left + wire)
      for j in 1..<max(columns, 1) where wire > 0 {
        lines.append("rw\(i)_\(j) \(word(i, j - 1)) \(word(i, j)) \(wire)")
      }
    }
    for j in 0..<columns where rows > 0 {
      for i in 1..<max(rows, 1) where wire > 0 { lines.append("rb\(i)_\(j) \(bit(i - 1, j)) \(bit(i, j)) \(wire)") }
      terminal("b", j, isDriven: !isForward, node: bit(rows - 1, j), resistance: ends.bottom + wire)
    }
    var nodes = LineNodes(rows: rows, columns: columns)
    for i in 0..<rows {
      for j in 0..<columns where conductance[i, j] > 0 {
        let g = conductance[i, j]
        // A short between lines that are one node already would be a loop of sources.
        if g == .infinity && cell.infinityIsShort && wire == 0 && !nodes.tie(i, j) { continue }
        lines += cell.netlist("\(i)_\(j)", word(i, j), bit(i, j), conductance: g)
      }
    }
    lines += [".options reltol=1e-11 abstol=1e-16 vntol=1e-14 gmin=1e-30 itl1=2000", ".control", "set numdgt=16", "op"]
    lines += (0..<(isForward ? columns : rows)).map { "print i(vs\($0))" }
    lines += ["quit 0", ".endc", ".end"]
    return lines.joined(separator: "\n") + "\n"
  }
}

extension CellLaw {
  /// The elements of one cell between two nodes.
  fileprivate func netlist(_ name: String, _ word: String, _ bit: String, conductance: Double) -> [String] {
    let isShort = conductance == .infinity
    if isShort && infinityIsShort { return ["vc\(name) \(word) \(bit) 0"] }
    switch self {
    case .linear: return ["rc\(name) \(word) \(bit) \(1 / conductance)"]
    case .sinh(let scale):
      return ["bc\(name) \(word) \(bit) i=\(conductance * scale)*sinh(v(\(word),\(bit))/\(scale))"]
    case .transistor, .selector: break
    }
    let inner = isShort ? bit : "x\(name)"
    let across = "v(\(word),\(inner))"
    let law: String
    if case .transistor(let t) = self {
      let drain = "min(abs(\(across)),\(t.overdrive))"
      law = "sgn(\(across))*\(t.transconductance)*(\(t.overdrive)*\(drain)-0.5*\(drain)*\(drain))"
    } else if case .selector(let s) = self {
      law = "\(s.current)*sinh(\(across)/\(s.voltage))"
    } else {
      return []
    }
    return ["bc\(name) \(word) \(inner) i=\(law)"] + (isShort ? [] : ["rc\(name) \(inner) \(bit) \(1 / conductance)"])
  }
}
