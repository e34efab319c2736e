import Configuration
import Crossbars
import Datasets
import LinearAlgebra

/// A crossbar's circuit without a network: conductances and voltages in, currents out.
public struct CircuitStage: Stage {
  public enum Direction: String, CaseIterable, Sendable { case forward, backward }
  public var conductance = ""
  public var inputs = ""
  public var direction = Direction.forward
  public var output = "currents.npy"
  public var effectiveMatrix: String?

  public init() {}
  public static let documentation =
    "Reads one crossbar: G [rows, columns] in siemens, V [vectors, rows] in volts, I [vectors, columns] in amperes."
  public static let fields: [Field<CircuitStage>] = [
    Field("conductance", \.conductance, .text, "File of G, .npy, siemens, [rows, columns].", required: true),
    Field(
      "inputs", \.inputs, .text, "File of V, .npy, volts, [vectors, rows]; backward: [vectors, columns].",
      required: true),
    Field("direction", \.direction, .choice, "Which terminals are driven."),
    Field("output", \.output, .text, "File of I in the run's folder, .npy, amperes."),
    Field(
      "effectiveMatrix", \.effectiveMatrix, .optional(.text),
      "File in the run's folder for G_eff, .npy, siemens, inputs × outputs."),
  ]

  public var kind: String { "circuit" }
  public var needsModel: Bool { false }
  public var needsData: Bool { false }
  public var inputPaths: [(key: String, path: String)] { [("conductance", conductance), ("inputs", inputs)] }

  public func outputPaths(label: String, models: [String]) -> [String] {
    [output] + [effectiveMatrix].compactMap { $0 }
  }

  public func checkInputs(in experiment: ExperimentConfiguration, resolve: (String) -> String) throws {
    _ = try arrays(resolve(conductance), resolve(inputs))
  }

  /// G and V, which fit each other. - Throws: `RunError` or `DataError` naming the file.
  private func arrays(_ gPath: String, _ vPath: String) throws -> (g: Matrix, v: Matrix) {
    let g = try Npy.read(gPath).matrix(gPath)
    let v = try Npy.read(vPath).matrix(vPath)
    guard g.rows > 0 && g.columns > 0 else {
      throw RunError("\(gPath): has the shape \(g.rows)×\(g.columns), no cell at all")
    }
    guard v.rows > 0 else { throw RunError("\(vPath): holds no vectors, at least one was expected") }
    let isForward = direction == .forward
    let lines = isForward ? g.rows : g.columns
    guard v.columns == lines else {
      let turned = v.columns == (isForward ? g.columns : g.rows)
      throw RunError(
        "\(vPath): has \(v.columns) voltages a vector, the array of \(gPath) has \(lines) \(isForward ? "word" : "bit") lines"
          + (turned ? "; did you mean \"direction\": \"\(isForward ? "backward" : "forward")\"?" : ""))
    }
    if let bad = v.values.firstIndex(where: { !$0.isFinite }) {
      throw RunError("\(vPath): vector \(bad / v.columns), voltage \(bad % v.columns) is not a finite number")
    }
    if let bad = g.values.firstIndex(where: { !$0.isFinite || $0 < 0 }) {
      throw RunError(
        "\(gPath): cell (\(bad / g.columns), \(bad % g.columns)) has a conductance of \(g.values[bad]) S, expected a finite "
          + "number of at least 0")
    }
    return (g, v)
  }

  public func check(
    _ models: [(name: String, model: ModelConfiguration)], in experiment: ExperimentConfiguration, at path: String,
    _ report: inout Report
  ) {
    if !(experiment.hardware is CrossbarConfiguration) {
      report.error(
        "needs the crossbar's circuit", at: path,
        hint: "give the experiment \"hardware\": { \"kind\": \"crossbar\", … }")
    }
  }

  public func run(_ context: StageContext) throws {
    let run = context.run
    guard let crossbar = run.configuration.hardware as? CrossbarConfiguration else {
      throw RunError("stage \(context.label): needs \"hardware\": { \"kind\": \"crossbar\", … }")
    }
    let gPath = run.inputPath(conductance)
    let vPath = run.inputPath(inputs)
    let (g, v) = try arrays(gPath, vPath)
    let isForward = direction == .forward
    if let largest = g.values.max(), largest > 1 {
      run.progress.say(
        "warning: \(gPath): conductances up to \(inWords(largest)) S; are these ohms instead of siemens?")
    }
    let parameters =
      crossbar.circuit.method == .ideal ? CircuitParameters(wireResistance: 0) : crossbar.circuit.parameters
    let circuit = try CrossbarCircuit(parameters)
    let read: ReadDirection = isForward ? .forward : .backward
    let effective: Matrix
    do { effective = try circuit.effectiveMatrix(g, read) } catch let error as CircuitError {
      throw RunError("\(gPath): \(error.description)")
    }
    let currents = product(v, effective)
    try Npy.write(currents, to: try run.outputPath(output))
    if let effectiveMatrix { try Npy.write(effective, to: try run.outputPath(effectiveMatrix)) }
    // What the parasitics take, against V · G.
    let ideal = product(v, isForward ? g : g.transposed)
    var losses: [Double] = []
    for (i, j) in zip(currents.values, ideal.values) where j != 0 { losses.append(1 - i / j) }
    context.result.metrics = [
      ("vectors", Double(v.rows)), ("meanLoss", losses.isEmpty ? 0 : losses.reduce(0, +) / Double(losses.count)),
      ("maxLoss", losses.max() ?? 0), ("largestCurrent", currents.values.map(abs).max() ?? 0),
    ]
  }

  private func product(_ a: Matrix, _ b: Matrix) -> Matrix {
    var c = Matrix(rows: a.rows, columns: b.columns)
    BLAS.useOneThread()
    a.values.withUnsafeBufferPointer { pa in
      b.values.withUnsafeBufferPointer { pb in
        c.values.withUnsafeMutableBufferPointer { pc in
          guard let x = pa.baseAddress, let y = pb.baseAddress, let z = pc.baseAddress else { return }
          BLAS.gemm(false, false, m: a.rows, n: b.columns, k: a.columns, x, a.columns, y, b.columns, z, b.columns)
        }
      }
    }
    return c
  }
}
