import Configuration
import Crossbars
import Datasets
import Foundation
import LinearAlgebra
import Testing

@testable import Experiments

/// The circuit stage: arrays of its own, methods and their errors, cell laws, and everything it can write.
struct CircuitStageTests {
  let lab: Bench
  init() throws { lab = try Bench() }

  static let random =
    "\"conductance\": { \"random\": { \"rows\": 12, \"columns\": 9, \"seed\": 3 } }, \"inputs\": { \"random\": { \"vectors\": 5 } }"

  /// Without figures: gnuplot is waited for on a thread that swift-testing runs its tests on.
  private func text(_ circuit: String, _ stage: String, figures: Bool = false) -> String {
    "{ \"name\": \"k\", \"figures\": \(figures), \"hardware\": { \"kind\": \"crossbar\", \"circuit\": { \(circuit) } }, "
      + "\"stages\": [{ \"circuit\": { \(stage) } }] }"
  }

  private func matrix(_ path: String) throws -> Matrix { try Npy.read(path).matrix(path) }

  private func largest(_ m: Matrix) -> Double { m.values.map(\.magnitude).max() ?? 0 }

  private func difference(_ a: Matrix, _ b: Matrix) -> Double {
    zip(a.values, b.values).map { ($0 - $1).magnitude }.max() ?? 0
  }

  @Test("an array drawn by the stage lies between off and on, differs by seed, and is what the maps show")
  func randomArrays() throws {
    let run = try lab.run(text("\"wireResistance\": 5", Self.random + ", \"maps\": \"m\""))
    let g = try matrix(run.folder + "/m/conductance.npy")
    #expect(g.rows == 12 && g.columns == 9)
    #expect(g.values.allSatisfy { $0 > 1e-6 && $0 < 1e-5 } && Set(g.values).count == 108)
    let effective = try matrix(run.folder + "/m/effective-matrix.npy")
    let circuit = try CrossbarCircuit(
      CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 100))
    #expect(try effective == circuit.effectiveMatrix(g))
    let drop = try matrix(run.folder + "/m/ir-drop.npy")
    for k in g.values.indices { #expect(drop.values[k] == 1 - effective.values[k] / g.values[k]) }
    let u = try matrix(run.folder + "/m/cell-voltage.npy")
    #expect(u.rows == 12 && u.values.allSatisfy { $0 > 0 && $0 < 0.25 })
    #expect(!FileManager.default.fileExists(atPath: run.folder + "/m/ir-drop.svg"))
    let other = try lab.run(
      text("\"wireResistance\": 5", Self.random.replacing("\"seed\": 3", with: "\"seed\": 4") + ", \"maps\": \"m\""))
    #expect(try matrix(other.folder + "/m/conductance.npy") != g)
    let faulty = try lab.run(
      text(
        "\"wireResistance\": 5",
        Self.random.replacing("\"seed\": 3", with: "\"seed\": 3, \"open\": 0.3, \"shorted\": 0.1") + ", \"maps\": \"m\""
      ))
    let f = try matrix(faulty.folder + "/m/conductance.npy")
    let (open, shorted) = (f.values.count { $0 == 0 }, f.values.count { $0 == .infinity })
    #expect((15...50).contains(open) && (3...22).contains(shorted))
    // Sound cells are those of the sound array; an open cell has no loss to show.
    for k in f.values.indices where f.values[k] > 0 && f.values[k].isFinite { #expect(f.values[k] == g.values[k]) }
    let holes = try matrix(faulty.folder + "/m/ir-drop.npy")
    #expect(holes.values.count { $0.isNaN } == open)
  }

  @Test(
    "pictures have a title, axes and a colour bar with its unit; open cells are left out",
    .enabled(if: Engine.binary != nil, "SKIPPED: no simengine binary: make build, or set SIMENGINE_BINARY"))
  func pictures() throws {
    let stage = Self.random.replacing("\"seed\": 3", with: "\"seed\": 3, \"open\": 0.2") + ", \"maps\": \"m\""
    try lab.write(text("\"wireResistance\": 5", stage, figures: true))
    let outcome = try Engine.run(["run", "c.json", "--output", "run"], in: lab.folder)
    #expect(outcome.status == 0, "\(outcome.errors)")
    for (name, label) in [
      ("conductance", "conductance (µS)"), ("effective-matrix", "effective conductance (µS)"),
      ("ir-drop", "relative loss (%)"), ("cell-voltage", "voltage (mV)"),
    ] {
      let script = try String(contentsOfFile: "\(lab.folder)/run/m/\(name).gp", encoding: .utf8)
      #expect(script.contains("set cblabel \"\(label)\"") && script.contains("set xlabel \"bit line\""))
      #expect(script.contains("set ylabel \"word line\"") && script.contains("set title \"k, circuit: "))
      let picture = "\(lab.folder)/run/m/\(name).svg"
      guard FileManager.default.fileExists(atPath: picture) else {
        #expect(outcome.errors.contains("gnuplot was not found"), "\(outcome.errors)")
        continue
      }
      let svg = try String(contentsOfFile: picture, encoding: .utf8)
      #expect(svg.contains(label) && svg.contains("word line") && svg.contains("</svg>"))
    }
  }

  @Test("approximations report the errors that they have", arguments: ["closed-form", "corrected", "profile"])
  func approximations(method: String) throws {
    let reference = method == "closed-form" ? "" : ", \"reference\": { \"moved\": 0.2, \"seed\": 5 }"
    for direction in ["forward", "backward"] {
      let stage =
        "\(Self.random)\(reference), \"direction\": \"\(direction)\", \"effectiveMatrix\": \"e.npy\", \"maps\": \"m\""
      let circuit = "\"wireResistance\": 5, \"driverResistance\": 300"
      let found = try lab.run(text("\"method\": \"\(method)\", \(circuit)", stage))
      let exact = try lab.run(
        text(circuit, stage.replacing(reference, with: "")))
      let (a, b) = try (matrix(found.folder + "/e.npy"), matrix(exact.folder + "/e.npy"))
      let (i, j) = try (matrix(found.folder + "/currents.npy"), matrix(exact.folder + "/currents.npy"))
      #expect(a.rows == (direction == "forward" ? 12 : 9))
      func near(_ metric: String, _ expected: Double) throws {
        let value = try found.json.metric("circuit.\(metric)")
        #expect(value > 0 && abs(value / expected - 1) <= 1e-6, "\(metric): \(value), expected \(expected)")
      }
      try near("elementMaxError", difference(a, b) / largest(b))
      try near("currentMaxError", difference(i, j) / largest(j))
      func rms(_ m: Matrix, _ n: Matrix) -> Double {
        (zip(m.values, n.values).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
          / n.values.reduce(0) { $0 + $1 * $1 }).squareRoot()
      }
      try near("elementRmsError", rms(a, b))
      try near("currentRmsError", rms(i, j))
      #expect(try found.json.metric("circuit.currentMaxError") < 5e-3)
      #expect(exact.json["metrics"]?["circuit.currentMaxError"] == nil)
    }
  }

  @Test("a reference may be a file; from where nothing has moved the correction is exact")
  func referenceFile() throws {
    let g = Matrix(rows: 5, columns: 3, values: (0..<15).map { 1e-6 * Double($0 % 7 + 1) })
    try Npy.write(g, to: lab.folder + "/G.npy")
    let run = try lab.run(
      text(
        "\"method\": \"corrected\", \"wireResistance\": 50",
        "\"conductance\": \"G.npy\", \"inputs\": { \"random\": { \"vectors\": 4 } }, \"reference\": \"G.npy\""))
    #expect(try run.json.metric("circuit.currentMaxError") <= 1e-14)
    try Npy.write(g.transposed, to: lab.folder + "/T.npy")
    let sentence = lab.refusal(
      text(
        "\"method\": \"profile\"",
        "\"conductance\": \"G.npy\", \"inputs\": { \"random\": { \"vectors\": 4 } }, \"reference\": \"T.npy\""))
    #expect(sentence.contains("T.npy: has 3×5 cells, the array of ") && sentence.contains("G.npy 5×3"))
  }

  @Test("shorts in a file are read; node voltages and the netlist are of the chosen vector")
  func details() throws {
    var g = Matrix(rows: 5, columns: 3, values: (0..<15).map { 1e-6 * Double($0 % 7 + 1) })
    g[2, 1] = .infinity
    g[0, 0] = 0
    let v = Matrix(rows: 2, columns: 5, values: (0..<10).map { 0.02 * Double($0) - 0.05 })
    try Npy.write(g, to: lab.folder + "/G.npy")
    try Npy.write(v, to: lab.folder + "/V.npy")
    for cell in ["linear", "sinh"] {
      let run = try lab.run(
        text(
          "\"cell\": \"\(cell)\", \"wireResistance\": 5, \"senseResistance\": 40",
          "\"conductance\": \"G.npy\", \"inputs\": \"V.npy\", \"vector\": 1, \"nodeVoltages\": \"n.npy\", \"netlist\": \"t.cir\""
        ))
      let circuit = try CrossbarCircuit(
        CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 40),
        cell: cell == "linear" ? .linear : .sinh(voltage: 0.25))
      let vector = Array(v.values[5..<10])
      let point = try circuit.operatingPoint(g, voltages: vector)
      let nodes = try Npy.read(run.folder + "/n.npy")
      #expect(nodes.shape == [2, 5, 3])
      #expect(nodes.doubles == point.wordVoltages.values + point.bitVoltages.values)
      let netlist = try String(contentsOfFile: run.folder + "/t.cir", encoding: .utf8)
      #expect(try netlist == circuit.netlist(g, voltages: vector, title: "k, circuit, vector 1"))
      let currents = try matrix(run.folder + "/currents.npy")
      for j in 0..<3 { #expect(abs(currents[1, j] - point.currents[j]) <= 1e-9 * abs(point.currents[j])) }
      #expect(try run.json.metric("circuit.corrections") == Double(point.corrections))
      #expect(try run.json.metric("circuit.errorBound") <= 1e-10)
    }
  }

  @Test("cell laws are read with their parameters, and results do not depend on threads")
  func cells() throws {
    let laws: [(String, CellLaw)] = [
      ("{ \"kind\": \"sinh\", \"voltage\": 0.1 }", .sinh(voltage: 0.1)),
      (
        "{ \"kind\": \"transistor\", \"gateVoltage\": 1, \"transconductance\": 1e-5 }",
        .transistor(.init(transconductance: 1e-5, gateVoltage: 1))
      ),
      (
        "{ \"kind\": \"selector\", \"current\": 1e-8, \"voltage\": 0.05 }",
        .selector(.init(current: 1e-8, voltage: 0.05))
      ),
      ("\"transistor\"", .transistor(.init())),
    ]
    for (json, law) in laws {
      let config = text(
        "\"cell\": \(json), \"wireResistance\": 5", Self.random + ", \"maps\": \"m\"")
      let one = try lab.run(config)
      let two = try lab.run(config, threads: 2)
      let currents = try matrix(one.folder + "/currents.npy")
      #expect(try currents == matrix(two.folder + "/currents.npy"))
      let g = try matrix(one.folder + "/m/conductance.npy")
      let circuit = try CrossbarCircuit(
        CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 100), cell: law)
      #expect(!FileManager.default.fileExists(atPath: one.folder + "/m/effective-matrix.npy"))
      let u = try matrix(one.folder + "/m/cell-voltage.npy")
      var sums = [Double](repeating: 0, count: 9)
      for i in 0..<12 {
        for j in 0..<9 { sums[j] += circuit.cell.evaluate(conductance: g[i, j], voltage: u[i, j]).current }
      }
      for j in 0..<9 { #expect(abs(sums[j] - currents[0, j]) <= 1e-8 * largest(currents)) }
    }
  }

  static let refused: [(String, String, String)] = [
    (
      "\"method\": \"corrected\"", random,
      "reference: the method \"corrected\" takes its correction from an earlier state"
    ),
    (
      "\"method\": \"exact\"", random + ", \"reference\": { \"moved\": 0.1 }",
      "\"exact\" takes nothing from earlier conductances"
    ),
    ("\"method\": \"closed-form\", \"cell\": \"sinh\"", random, "the method \"closed-form\" is for linear cells"),
    (
      "\"cell\": \"selector\"", random + ", \"effectiveMatrix\": \"e.npy\"",
      "\"selector\" cells have no effective matrix"
    ),
    ("\"cell\": \"snih\"", random, "did you mean \"sinh\"?"),
    ("\"cell\": { \"kind\": \"sinh\", \"voltage\": 0 }", random, "circuit.cell.voltage: found 0"),
    ("\"cell\": { \"kind\": \"sinh\", \"current\": 1 }", random, "circuit.cell.current: unknown key"),
    ("\"wireResistance\": -1", random, "circuit.wireResistance: found -1"),
    ("\"wireResistance\": \"infinit\"", random, "did you mean \"infinite\"?"),
    ("\"wireResistance\": 1", random + ", \"vector\": 5", "vector 5: the random inputs holds 5, counted from 0"),
    ("\"wireResistance\": 1", random + ", \"maps\": \"../m\"", "leaves the run's folder"),
    ("\"wireResistance\": 1", random + ", \"maps\": \"figures\"", "is written by the run itself"),
    ("\"wireResistance\": 1", random + ", \"maps\": \"m\", \"netlist\": \"m/ir-drop.svg\"", "is written twice"),
    (
      "\"wireResistance\": 1", random.replacing("\"seed\": 3", with: "\"open\": 0.6, \"shorted\": 0.6"),
      "more than all cells together"
    ),
    (
      "\"wireResistance\": 1", random.replacing("\"rows\": 12", with: "\"rows\": 0"), "conductance.random.rows: found 0"
    ),
  ]

  @Test("what cannot be run is refused before it starts", arguments: refused)
  func refusals(circuit: String, stage: String, part: String) {
    let sentence = lab.refusal(text(circuit, stage))
    #expect(sentence.contains(part), "\(sentence)")
  }

  @Test("networks take no broken lines, and are not trained on non-linear cells")
  func networks() {
    for (circuit, part) in [
      ("\"cell\": \"sinh\"", "cannot be trained with its circuit.cell: \"sinh\" cells are solved vector by vector"),
      ("\"senseResistance\": \"infinite\"", "senseResistance: is infinite: no current would leave the arrays"),
    ] {
      let model =
        "\"model\": { \"layers\": [{ \"kind\": \"linear\", \"outputs\": 4 }], \"hardware\": { \"kind\": \"crossbar\", \"circuit\": { \(circuit) } } }"
      let sentence = lab.refusal(lab.text(model, "{ \"train\": { \"epochs\": 1 } }"))
      #expect(sentence.contains(part), "\(sentence)")
    }
  }

  @Test("a network is read on non-linear cells, with its bias in the arrays and on many chips")
  func networkOfCells() throws {
    let model = "\"model\": { \"layers\": [{ \"kind\": \"linear\", \"outputs\": 4 }] }"
    func map(_ cell: String, _ name: String) -> String {
      "{ \"map\": { \"hardware\": { \"kind\": \"crossbar\", \"device\": { \"variation\": 0.02, \"writeVerify\": {} }, "
        + "\"bias\": {}, \"circuit\": { \"cell\": \(cell) } } }, \"models\": [\"main\"], \"as\": \"\(name)\" }"
    }
    let stages = [
      "{ \"train\": { \"epochs\": 20, \"optimizer\": { \"learningRate\": 0.1 } } }", map("\"linear\"", "resistors"),
      map("{ \"kind\": \"sinh\", \"voltage\": 0.5 }", "cells"),
      "{ \"evaluate\": { \"chips\": 2 } , \"models\": [\"resistors\", \"cells\"] }",
      "{ \"predict\": {} }",
    ]
    let (json, _) = try lab.run(lab.text(model, stages.joined(separator: ", ")))
    let (resistors, cells) = (try json.metric("resistors.evaluate.loss"), try json.metric("cells.evaluate.loss"))
    #expect(resistors != cells && abs(resistors - cells) < 0.2, "\(resistors) \(cells)")
    #expect(try json.metric("cells.evaluate.accuracy") > 0.9)
    #expect(try json.metric("cells.evaluate.unreachedWrites") == 0)
    #expect(try json.metric("main.map-2.devices") == Double(2 * 4 * 65))
  }

  @Test("a circuit that is singular or does not settle ends the run with a sentence")
  func failures() throws {
    let shorted = Self.random.replacing("\"seed\": 3", with: "\"seed\": 3, \"shorted\": 0.2")
    for (circuit, part) in [
      ("\"method\": \"ideal\"", "the random array: shorted cells tie "),
      (
        "\"wireResistance\": 0, \"driverResistance\": 1, \"senseResistance\": 1, \"cell\": { \"kind\": \"sinh\", \"voltage\": 1e-4 }",
        "would carry more than Float64 holds"
      ),
    ] {
      let stage = circuit.contains("sinh") ? Self.random : shorted
      var message = ""
      do { _ = try lab.run(text(circuit, stage)) } catch { message = "\(error)" }
      #expect(message.contains(part), "\(message)")
    }
    let broken = try lab.run(text("\"driverResistance\": \"infinite\"", Self.random))
    #expect(try broken.json.metric("circuit.largestCurrent") == 0)
  }
}
