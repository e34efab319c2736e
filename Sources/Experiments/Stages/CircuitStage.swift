import Configuration
import Crossbars
import Datasets
import LinearAlgebra

/// A crossbar's circuit without a network: conductances and voltages in, currents out.
public struct CircuitStage: Stage {
  public enum Direction: String, CaseIterable, Sendable { case forward, backward }
  var conductance = ConductanceSource.file("")
  var inputs = VoltageSource.file("")
  var reference: ReferenceSource?
  public var direction = Direction.forward
  public var output = "currents.npy"
  public var effectiveMatrix: String?
  public var vector = 0
  public var nodeVoltages: String?
  public var netlist: String?
  public var maps: String?

  public init() {}
  public static let documentation =
    "Reads one crossbar: G [rows, columns] in siemens, V [vectors, rows] in volts, I [vectors, columns] in amperes."
  public static let fields: [Field<CircuitStage>] = [
    Field(
      "conductance", \.conductance, ConductanceSource.codec,
      "File of G, .npy, siemens, [rows, columns], 0 an open cell and inf a short; or { \"random\": {…} }.",
      required: true, example: "conductance.npy"),
    Field(
      "inputs", \.inputs, VoltageSource.codec,
      "File of V, .npy, volts, [vectors, rows], backward [vectors, columns]; or { \"random\": {…} }.",
      required: true, example: "voltages.npy"),
    Field(
      "reference", \.reference, .optional(ReferenceSource.codec),
      "For the methods corrected and profile: file of the earlier conductances that the correction is taken from, or "
        + "{ \"moved\": 0.05 }: the array's own, moved.", example: "earlier.npy"),
    Field("direction", \.direction, .choice, "Which terminals are driven."),
    Field("output", \.output, .text, "File of I in the run's folder, .npy, amperes."),
    Field(
      "effectiveMatrix", \.effectiveMatrix, .optional(.text),
      "File in the run's folder for G_eff, .npy, siemens, inputs × outputs."),
    Field(
      "vector", \.vector, .integer(0...1_000_000_000),
      "Which vector nodeVoltages, netlist and the map of cell voltages are of."),
    Field(
      "nodeVoltages", \.nodeVoltages, .optional(.text),
      "File in the run's folder for the voltages of all nodes, .npy, volts, [2, rows, columns]: word lines, bit lines.",
      example: "nodes.npy"),
    Field(
      "netlist", \.netlist, .optional(.text),
      "File in the run's folder for an ngspice netlist that prints the currents of that vector.", example: "tile.cir"),
    Field(
      "maps", \.maps, .optional(.text),
      "Folder in the run's folder for maps of the conductance, the effective matrix, the IR drop and the cell voltages, "
        + ".npy and .svg.", example: "maps"),
  ]

  public var kind: String { "circuit" }
  public var needsModel: Bool { false }
  public var needsData: Bool { false }
  public var inputPaths: [(key: String, path: String)] {
    var paths: [(key: String, path: String)] = []
    if case .file(let path) = conductance { paths.append(("conductance", path)) }
    if case .file(let path) = inputs { paths.append(("inputs", path)) }
    if case .file(let path) = reference { paths.append(("reference", path)) }
    return paths
  }

  public func outputPaths(label: String, models: [String]) -> [String] {
    var paths = [output] + [effectiveMatrix, nodeVoltages, netlist].compactMap { $0 }
    // Those of an array of linear cells, which has most.
    if let maps { paths += ArrayMaps.names(isLinear: true, hasVector: true).flatMap { HeatMap.files("\(maps)/\($0)") } }
    return paths
  }

  public func checkInputs(in experiment: ExperimentConfiguration, resolve: (String) -> String) throws {
    guard let crossbar = experiment.hardware as? CrossbarConfiguration else { return }
    _ = try arrays(crossbar, resolve: resolve)
  }

  public func check(
    _ models: [(name: String, model: ModelConfiguration)], in experiment: ExperimentConfiguration, at path: String,
    _ report: inout Report
  ) {
    guard let crossbar = experiment.hardware as? CrossbarConfiguration else {
      report.error(
        "needs the crossbar's circuit", at: path,
        hint: "give the experiment \"hardware\": { \"kind\": \"crossbar\", … }")
      return
    }
    let circuit = crossbar.circuit
    let method = circuit.method
    if needsReference(method) != (reference != nil) {
      if reference == nil {
        report.error(
          "the method \"\(method.rawValue)\" takes its correction from an earlier state of the cells, and none is given",
          at: "\(path).reference", hint: "give a file of conductances, or { \"moved\": 0.05 }")
      } else {
        report.error(
          "the method \"\(method.rawValue)\" takes nothing from earlier conductances", at: "\(path).reference",
          hint: "it is for \"corrected\" and \"profile\"")
      }
    }
    guard circuit.cell != .linear else { return }
    if method != .exact && method != .ideal {
      report.error(
        "the method \"\(method.rawValue)\" is for linear cells", at: path,
        hint: "solve \"\(circuit.cell.name)\" cells with \"method\": \"exact\"")
    }
    if effectiveMatrix != nil {
      report.error(
        "\"\(circuit.cell.name)\" cells have no effective matrix: their currents do not add up",
        at: "\(path).effectiveMatrix")
    }
  }

  func needsReference(_ method: CircuitMethod) -> Bool { method == .corrected || method == .profile }

  // MARK: Arrays

  /// G, V and the reference, which fit each other, and what they are called.
  struct Arrays {
    var g: Matrix
    var v: Matrix
    var reference: Matrix?
    /// The files, or what is drawn.
    var gName: String
    var vName: String
  }

  /// - Throws: anything whose description is a sentence, naming the file.
  func arrays(_ crossbar: CrossbarConfiguration, resolve: (String) -> String) throws -> Arrays {
    let device = try crossbar.device.loaded(resolve: resolve)
    let (off, on) = (1 / device.offResistance, 1 / device.onResistance)
    let isForward = direction == .forward
    var arrays = Arrays(
      g: Matrix(rows: 0, columns: 0), v: Matrix(rows: 0, columns: 0), gName: "the random array",
      vName: "the random inputs")
    switch conductance {
    case .file(let path):
      arrays.gName = resolve(path)
      arrays.g = try read(arrays.gName)
    case .random(let random): arrays.g = random.matrix(off: off, on: on)
    }
    let g = arrays.g
    guard g.rows > 0 && g.columns > 0 else {
      throw RunError("\(arrays.gName): has the shape \(g.rows)×\(g.columns), no cell at all")
    }
    let lines = isForward ? g.rows : g.columns
    switch inputs {
    case .file(let path):
      arrays.vName = resolve(path)
      arrays.v = try Npy.read(arrays.vName).matrix(arrays.vName)
    case .random(let random):
      arrays.v = random.matrix(inputs: lines, readVoltage: Double(crossbar.converters.converters.readVoltage))
    }
    let v = arrays.v
    guard v.rows > 0 else { throw RunError("\(arrays.vName): holds no vectors, at least one was expected") }
    guard v.columns == lines else {
      let turned = v.columns == (isForward ? g.columns : g.rows)
      throw RunError(
        "\(arrays.vName): has \(v.columns) voltages a vector, the array of \(arrays.gName) has \(lines) "
          + "\(isForward ? "word" : "bit") lines"
          + (turned ? "; did you mean \"direction\": \"\(isForward ? "backward" : "forward")\"?" : ""))
    }
    if let bad = v.values.firstIndex(where: { !$0.isFinite }) {
      throw RunError("\(arrays.vName): vector \(bad / v.columns), voltage \(bad % v.columns) is not a finite number")
    }
    guard vector < v.rows else {
      throw RunError("vector \(vector): \(arrays.vName) holds \(v.rows), counted from 0")
    }
    switch reference {
    case .file(let path):
      let name = resolve(path)
      let earlier = try read(name)
      guard earlier.rows == g.rows && earlier.columns == g.columns else {
        throw RunError(
          "\(name): has \(earlier.rows)×\(earlier.columns) cells, the array of \(arrays.gName) \(g.rows)×\(g.columns)")
      }
      arrays.reference = earlier
    case .moved(let moved): arrays.reference = moved.matrix(g, off: off, on: on)
    case nil: break
    }
    return arrays
  }

  private func read(_ path: String) throws -> Matrix {
    let g = try Npy.read(path).matrix(path)
    if let bad = g.values.firstIndex(where: { !($0 >= 0) }) {
      throw RunError(
        "\(path): cell (\(bad / g.columns), \(bad % g.columns)) has a conductance of \(g.values[bad]) S, expected a "
          + "number of at least 0, or inf for a short")
    }
    return g
  }
}
