import Configuration
import Crossbars
import Datasets
import LinearAlgebra
import NeuralNetworks

/// Shows tiles of a network on crossbars as circuits: maps of conductance, effective matrix and IR drop, and a netlist.
public struct InspectStage: Stage {
  public enum Sign: String, CaseIterable, Sendable { case plus, minus }
  public var layer = ""
  public var group = 0
  public var slice = 0
  public var sign = Sign.plus
  public var tileRow = 0
  public var tileColumn = 0
  public var netlist: String?
  public var voltage: Double?

  public init() {}
  public static let documentation =
    "Shows one tile of a layer on crossbars: maps of conductance, effective matrix, IR drop and cell voltages (.npy, "
    + ".svg), and an ngspice netlist of it."
  public static let fields: [Field<InspectStage>] = [
    Field("layer", \.layer, .text, "The layer, by its name in the model.", required: true, example: "fc1"),
    Field("group", \.group, .integer(0...65535), "Which group of a grouped convolution."),
    Field("slice", \.slice, .integer(0...15), "Which digit of sliced weights, the most significant first."),
    Field("sign", \.sign, .choice, "Which array of a pair; arrays of single devices are all plus."),
    Field("tileRow", \.tileRow, .integer(0...1_000_000), "The tile's place along the inputs."),
    Field("tileColumn", \.tileColumn, .integer(0...1_000_000), "The tile's place along the outputs."),
    Field(
      "netlist", \.netlist, .optional(.text),
      "File in the run's folder for an ngspice netlist that prints the tile's currents.", example: "tile.cir"),
    Field(
      "voltage", \.voltage, .optional(.number(-10...10, unit: "volt", usual: -1...1)),
      "On every word line, for cell voltages and the netlist; the read voltage if left out."),
  ]

  public var kind: String { "inspect" }
  public var needsData: Bool { false }

  private func folder(_ label: String, _ model: String) -> String { "maps/\(model)-\(label)" }

  public func outputPaths(label: String, models: [String]) -> [String] {
    [netlist].compactMap { $0 }
      + models.flatMap { model in
        ArrayMaps.names(isLinear: true, hasVector: true).flatMap { HeatMap.files("\(folder(label, model))/\($0)") }
      }
  }

  public func check(
    _ models: [(name: String, model: ModelConfiguration)], in experiment: ExperimentConfiguration, at path: String,
    _ report: inout Report
  ) {
    if let netlist, models.count > 1 {
      report.error(
        "\"\(netlist)\" would be written by each of \(models.count) models", at: "\(path).netlist",
        hint: "give the stage one of the models")
    }
  }

  public func run(_ context: StageContext) throws {
    let run = context.run
    let model = try context.model()
    let name = context.target?.name ?? "model"
    guard let weights = model.weights.first(where: { $0.node.name == layer })?.weights else {
      let names = model.weights.map(\.node.name)
      throw RunError("\(context.label): model \(name) has no layer \"\(layer)\" with weights; it has \(list(names))")
    }
    guard group < weights.arrays.count else {
      throw RunError("\(context.label): layer \(layer) has \(weights.arrays.count) groups; group is \(group)")
    }
    let array = weights.arrays[group]
    guard let crossbar = (array as? any CrossbarHolder)?.crossbar else {
      throw RunError("\(context.label): layer \(layer) of model \(name) is not on a crossbar")
    }
    // Devices may be read before the model ever was.
    try crossbar.prepare(step: -1, workers: run.pool.threads, pool: run.pool)
    guard tileRow < crossbar.rowTiles, tileColumn < crossbar.columnTiles else {
      throw RunError(
        "\(context.label): layer \(layer) is \(crossbar.rowTiles) × \(crossbar.columnTiles) tiles; tile (\(tileRow), "
          + "\(tileColumn)) is not one of them")
    }
    guard slice < crossbar.sliceCount else {
      throw RunError("\(context.label): layer \(layer) has \(crossbar.sliceCount) slices; slice is \(slice)")
    }
    guard sign == .plus || crossbar.isPaired else {
      throw RunError(
        "\(context.label): the weights of layer \(layer) are held by single devices; there is no minus array")
    }
    let g = crossbar.conductance(slice: slice, isMinus: sign == .minus, tileRow: tileRow, tileColumn: tileColumn)
    let circuit = try CrossbarCircuit(
      crossbar.parameters.method == .ideal ? CircuitParameters(wireResistance: 0) : crossbar.parameters.circuit,
      cell: crossbar.parameters.cell)
    let voltages = [Double](repeating: voltage ?? crossbar.parameters.converters.readVoltage, count: g.rows)
    let title = "\(name), \(layer), tile (\(tileRow), \(tileColumn)), \(sign.rawValue)"
    let place = folder(context.label, name)
    var problem: String?
    // Of non-linear cells at low voltage.
    let effective = try CrossbarCircuit(circuit.parameters).effectiveMatrix(g)
    for map in try ArrayMaps.maps(g, circuit, effective: effective, voltages: voltages, title: title) {
      let found = try map.write(drawn: run.configuration.figures) { try run.outputPath("\(place)/\($0)") }
      problem = problem ?? found
    }
    if let problem { run.progress.say("warning: \(problem)") }
    if let netlist {
      try DurableFile.write(
        try circuit.netlist(g, voltages: voltages, title: title), to: try run.outputPath(netlist))
    }
    var losses: [Double] = []
    for (a, b) in zip(effective.values, g.values) where b > 0 { losses.append(1 - a / b) }
    context.result.metrics = [
      ("rows", Double(g.rows)), ("columns", Double(g.columns)),
      ("meanConductance", g.values.reduce(0, +) / Double(max(1, g.values.count))),
      ("meanLoss", losses.reduce(0, +) / Double(max(1, losses.count))), ("maxLoss", losses.max() ?? 0),
    ]
  }

  private func list(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ", ") }
}
