import Foundation
import LinearAlgebra

/// Solutions of crossbar circuits beside SciPy's SuperLU and ngspice, in turn, on one thread; prints one table.
struct CircuitComparison {
  /// nil leaves SuperLU out.
  var python: String?
  var rounds: Int

  private struct Row {
    var what: String
    var unit = 1e3
    var ours: [Double] = []
    var processor: [Double] = []
    var peer = ""
    var theirs: [Double] = []
    /// Largest time in seconds, least ratio.
    var most: Double?
    var least: Double?
    var note = ""

    var cells: [String] {
      let time = median(ours)
      let ratio = theirs.isEmpty ? nil : median(theirs) / time
      var bars: [String] = []
      if let most { bars.append("≤ \(format(most * 1e3, 1)) ms: \(time <= most ? "met" : "MISSED")") }
      if let least {
        bars.append("≥ \(compact(least)) ×: \((ratio ?? .nan) >= least ? "met" : ratio == nil ? "?" : "MISSED")")
      }
      return [
        what, "\(digits(time * 1e3)) (\(digits(median(processor) * 1e3)))",
        theirs.isEmpty ? "–" : "\(peer) \(digits(median(theirs) * 1e3))", ratio.map(compact) ?? "–",
        bars.joined(separator: ", "), note,
      ]
    }

    private func digits(_ ms: Double) -> String { format(ms, ms < 0.01 ? 5 : ms < 1 ? 3 : ms < 100 ? 2 : 0) }
    private func compact(_ x: Double) -> String { x < 1e4 ? format(x, x < 100 ? 1 : 0) : String(format: "%.1e", x) }
  }

  func run() throws {
    var rows: [Row] = []
    for size in [32, 64, 128] {
      let (most, least): (Double?, Double?) = size == 64 ? (6e-3, 13) : size == 128 ? (45e-3, nil) : (nil, nil)
      rows.append(Row(what: "effective matrix \(size)×\(size)", peer: "SuperLU", most: most, least: least))
    }
    for size in [64, 256] {
      rows.append(Row(what: "one vector \(size)×\(size), to 1e-9", peer: "SuperLU", most: size == 64 ? 0.3e-3 : 8e-3))
    }
    rows.append(Row(what: "a vector of 256, 64×64, matrix included", peer: "ngspice", least: 1e5))
    rows.append(Row(what: "line sums 64×64 (Float64)"))
    rows.append(Row(what: "one vector 64×64, sinh cells, V₀ 0.25 V"))
    rows.append(Row(what: "one vector 64×64, selectors, 85 mV a decade"))

    let netlist = try CircuitBenchmark(size: 64, wire: 2)
    let text = try netlist.circuit.netlist(netlist.conductance, voltages: netlist.voltages(1).values)
    for round in 0..<max(rounds, 1) {
      say("circuit: round \(round + 1) of \(rounds)")
      for (k, size) in [32, 64, 128].enumerated() {
        let benchmark = try CircuitBenchmark(size: size, wire: 2)
        try add(benchmark.matrix(repeats: 21), to: &rows[k])
        if let peer = try superLU(size, oneVector: false) {
          rows[k].theirs.append(peer.total)
          rows[k].note = "mean loss \(format(try benchmark.meanLoss(), 5)), \(format(peer.meanLoss, 5))"
        }
      }
      for (k, size) in [64, 256].enumerated() {
        // The slowest wire counts.
        var slowest = (wall: 0.0, processor: 0.0)
        var error = 0.0
        for wire in [1.0, 2, 5] {
          let benchmark = try CircuitBenchmark(size: size, wire: wire)
          let lap = try benchmark.vector(repeats: size == 64 ? 201 : 31)
          if lap.wall > slowest.wall { slowest = lap }
          error = max(error, try benchmark.vectorError())
        }
        add(slowest, to: &rows[3 + k])
        rows[3 + k].note = String(format: "error %.1e, slowest of 1, 2, 5 Ω", error)
        // At 256 a factorization takes seconds: once is enough.
        if size == 64 || round == 0, let peer = try superLU(size, oneVector: true) {
          rows[3 + k].theirs.append(peer.total)
        }
      }
      try add(netlist.batch(repeats: 11), to: &rows[5])
      if let spice = try ngspice(text) { rows[5].theirs.append(spice) }
      try add(netlist.closedForm(repeats: 201), to: &rows[6])
      try add(CircuitBenchmark(size: 64, wire: 2, cell: .sinh(voltage: 0.25)).vector(repeats: 21), to: &rows[7])
      try add(
        CircuitBenchmark(size: 64, wire: 2, cell: .selector(.init(current: 1e-9))).vector(repeats: 21), to: &rows[8])
    }
    print(
      "Circuits, one thread, \(rounds) rounds, medians: ms of wall clock (of processor time); load \(format(loadAverage(), 1))\n"
    )
    print("| what | ours, ms | peer, ms | ratio | bar | |\n|---|---|---|---|---|---|")
    for row in rows { print("| " + row.cells.joined(separator: " | ") + " |") }
    if python == nil { print("\nSuperLU was left out: no Python with scipy was given.") }
    if rows[5].theirs.isEmpty { print("\nngspice was left out: apt-get install ngspice") }
  }

  private func add(_ lap: (wall: Double, processor: Double), to row: inout Row) {
    row.ours.append(lap.wall)
    row.processor.append(lap.processor)
  }

  private struct Answer: Decodable {
    var total: Double
    var meanLoss: Double
  }

  private func superLU(_ size: Int, oneVector: Bool) throws -> Answer? {
    guard let python else { return nil }
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../peers/circuit_superlu.py").standardized.path
    let (text, status) = try output(
      of: python,
      [script, "--sizes", "\(size)", "--repeats", size > 128 ? "1" : "3"] + (oneVector ? ["--one-vector"] : []))
    guard status == 0, let line = text.split(separator: "\n").last else {
      throw PeerError(description: "circuit_superlu.py gave no figures for \(size)")
    }
    return try JSONDecoder().decode(Answer.self, from: Data(line.utf8))
  }

  /// Seconds that ngspice takes for one vector.
  private func ngspice(_ netlist: String) throws -> Double? {
    guard let path = ["/usr/bin/ngspice", "/usr/local/bin/ngspice"].first(where: FileManager.default.isExecutableFile)
    else { return nil }
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("crossbar-\(UUID().uuidString).cir")
    defer { try? FileManager.default.removeItem(at: file) }
    try netlist.write(to: file, atomically: true, encoding: .utf8)
    let start = seconds()
    let (text, status) = try output(of: path, ["-b", file.path])
    guard status == 0, text.contains("i(vs63) = ") else {
      throw PeerError(description: "ngspice did not solve the array")
    }
    return seconds() - start
  }

  private func output(of path: String, _ arguments: [String]) throws -> (text: String, status: Int32) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (String(decoding: data, as: UTF8.self), process.terminationStatus)
  }
}
