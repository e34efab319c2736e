import Foundation
import LinearAlgebra
import Testing

@testable import Crossbars

/// Netlists, as text and as ngspice reads them.
struct CircuitNetlistTests {
  static let ngspice = ["/usr/bin/ngspice", "/usr/local/bin/ngspice"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  /// What ngspice prints for i(vs0), i(vs1), ….
  static func simulate(_ netlist: String) throws -> [Double] {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("crossbar-\(UUID().uuidString).cir")
    defer { try? FileManager.default.removeItem(at: file) }
    try netlist.write(to: file, atomically: true, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(ngspice))
    process.arguments = ["-b", file.path]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
    var currents: [Int: Double] = [:]
    for line in text.split(separator: "\n") where line.hasPrefix("i(vs") {
      let parts = line.dropFirst(4).split(separator: ")")
      currents[try #require(Int(parts[0]))] = try #require(
        Double(parts[1].drop { $0 == "=" || $0 == " " }.prefix { $0 != " " }))
    }
    return try (0..<currents.count).map { try #require(currents[$0]) }
  }

  static let cases: [(CircuitParameters, CellLaw)] = [
    (.init(wireResistance: 5, driverResistance: 100, senseResistance: 40), .linear),
    (.init(wireResistance: 0, driverResistance: 100, senseResistance: 40), .linear),
    (.init(wireResistance: 0, driverResistance: 0, senseResistance: 40), .linear),
    (.init(wireResistance: 2, driverResistance: 0, senseResistance: 0), .linear),
    (.init(wireResistance: 5, driverResistance: 100, senseResistance: 40), .sinh(voltage: 0.1)),
    (.init(wireResistance: 0, driverResistance: 100, senseResistance: 0), .transistor(.init(gateVoltage: 1))),
    (
      .init(wireResistance: 5, driverResistance: 0, senseResistance: 40), .selector(.init(current: 1e-9, voltage: 0.05))
    ),
  ]

  @Test(
    "ngspice runs a netlist as it is and prints the engine's currents",
    .enabled(if: ngspice != nil, "SKIPPED: apt-get install ngspice"), arguments: 0..<cases.count)
  func runs(index: Int) throws {
    let (parameters, law) = Self.cases[index]
    var g = Matrix.uniform(6, 5, 1e-6, 1e-4, seed: 81)
    g[2, 3] = 0
    g[4, 1] = 0
    if parameters.wireResistance > 0 || law == .linear && parameters.driverResistance > 0 { g[1, 2] = .infinity }
    let circuit = try CrossbarCircuit(parameters, cell: law)
    for direction in ReadDirection.allCases {
      let inputs = direction == .forward ? 6 : 5
      let voltages = Matrix.uniform(1, inputs, -0.3, 0.5, seed: 82)
      let spice = try Self.simulate(circuit.netlist(g, voltages: voltages.values, direction))
      let currents = try circuit.readCurrents(g, voltages: voltages, direction).values
      #expect(spice.count == currents.count)
      let largest = currents.map(\.magnitude).max()!
      #expect(CircuitFewVectorsTests.largestDifference(spice, currents) <= 1e-8 * largest, "\(parameters) \(direction)")
    }
  }

  @Test("a netlist has one element for each resistor, source and cell of the drawing")
  func text() throws {
    var g = Matrix([[1e-6, 0, 2e-6], [3e-6, .infinity, 4e-6]])
    let circuit = try CrossbarCircuit(CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 40))
    let lines = try circuit.netlist(g, voltages: [0.25, 0.5], title: "tile\nof a layer").split(separator: "\n").map(
      String.init)
    #expect(lines[0] == "* tile of a layer")
    #expect(lines.contains("vdw0 dw0 0 0.25") && lines.contains("rew0 dw0 w0_0 105.0"))
    #expect(lines.contains("rw1_2 w1_1 w1_2 5.0") && lines.contains("rb1_2 b0_2 b1_2 5.0"))
    #expect(lines.contains("reb2 sb2 b1_2 45.0") && lines.contains("vs2 sb2 0 0.0"))
    #expect(lines.contains("vc1_1 w1_1 b1_1 0") && !lines.contains { $0.contains("c0_1 ") })
    #expect(lines.filter { $0.hasPrefix("rc") }.count == 4)
    #expect(lines.filter { $0.hasPrefix("rw") }.count == 4 && lines.filter { $0.hasPrefix("rb") }.count == 3)
    #expect(lines.filter { $0.hasPrefix("print") } == ["print i(vs0)", "print i(vs1)", "print i(vs2)"])
    #expect(lines.last == ".end")
    g[0, 1] = -1
    #expect(throws: CircuitError.self) { try circuit.netlist(g, voltages: [0.25, 0.5]) }
    #expect(throws: CircuitError.self) { try circuit.netlist(Matrix([[1]]), voltages: [0.25, 0.5]) }
  }
}
