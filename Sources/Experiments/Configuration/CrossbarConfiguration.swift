import Configuration
import Crossbars
import NeuralNetworks

/// Resistive crossbars; the physics is `CrossbarArray`.
public struct CrossbarConfiguration: HardwareConfiguration {
  public var seed: UInt64 = 1
  public var rows = 64
  public var columns = 64
  var mapping = Mapping.differential
  public var device = DeviceConfiguration()
  public var circuit = CircuitConfiguration()
  public var converters = ConvertersConfiguration()
  public var update = UpdateConfiguration()
  public var slices: SlicingConfiguration?
  public var weightRange: Double?
  public var bias: BiasConfiguration?
  public var costs = CostsConfiguration()
  public var stepDuration = 0.0
  public var layers: [String: JSON] = [:]

  public init() {}
  public static let documentation = "Tiles of resistive devices: wires, converters, pulsed updates (RxNN, TxSim)."
  public static let fields: [Field<CrossbarConfiguration>] = [
    Field("seed", \.seed, .seed, "The chip: its device-to-device variation."),
    Field("rows", \.rows, .integer(1...4096), "Word lines of a tile: inputs."),
    Field("columns", \.columns, .integer(1...4096), "Bit lines of a tile: outputs."),
    Field(
      "mapping", \.mapping, .choice,
      "How a signed weight is held: by a pair of devices (differential), or by one whose middle is subtracted digitally "
        + "(offset) or as the current of a dummy line (dummy)."),
    Field(
      "slices", \.slices, .optional(.object()),
      "Bit slicing: a weight is cut into digits on devices of their own; null for one analogue value."),
    Field("device", \.device, .object(shorthand: "preset"), "The device at each cross point."),
    Field("circuit", \.circuit, .object(), "Wires, drivers and sense amplifiers."),
    Field("converters", \.converters, .object(), "Converters at the edges of each tile."),
    Field(
      "update", \.update, .object(shorthand: "mode"), "How weights learn."),
    Field(
      "weightRange", \.weightRange,
      .either(
        .word("auto", nil),
        .form(.number(1e-30...1e30), { Double?.some($0) }) { $0 }),
      "Largest weight that a pair of devices can hold; auto: 2.5 times the largest initial weight of the layer."),
    Field(
      "bias", \.bias, .optional(.object()),
      "Biases in the array, on word lines of their own; null: they are added digitally."),
    Field("costs", \.costs, .object(), "Energy, time and area of the parts."),
    Field(
      "stepDuration", \.stepDuration, .number(0...1e12, unit: "second", usual: 1e-7...10),
      "Time that passes with every training step, in which devices with retention lose their state."),
    Field("layers", \.layers, .map(of: .patch(of: hardwareCodec)), "Overrides by the layer's name or glob."),
  ]

  public var updatesInArray: Bool { update.parameters.mode.isInArray }

  /// - Parameter device: with what its files hold; nil takes the keys alone.
  public func parameters(device loaded: Device? = nil) -> CrossbarParameters {
    var parameters = CrossbarParameters(
      rows: rows, columns: columns, mapping: mapping,
      slicing: slices.map { WeightSlicing(bits: $0.bits, count: $0.count) }, device: loaded ?? device.device,
      method: circuit.method, refreshInterval: circuit.refreshInterval, tolerance: circuit.tolerance,
      circuit: circuit.parameters, converters: converters.converters, update: update.parameters,
      weightRange: weightRange, chipSeed: seed)
    parameters.stepDuration = stepDuration
    parameters.cell = circuit.cell
    parameters.biasLines = bias?.lines ?? 0
    parameters.biasLevel = bias?.level ?? 1
    parameters.checkedShare = circuit.checkedTiles ?? CrossbarParameters.usualCheckedShare
    return parameters
  }

  public mutating func check(_ report: inout Report) {
    if converters.converters.streamBits > 0 && converters.converters.dacBits == 0 {
      report.error("streams the bits of inputs that are not rounded", at: "converters", hint: "set dacBits")
    }
    let (c, u) = (converters.converters, update.parameters)
    for (key, isSet) in [("adcNoise", c.adcNoise > 0), ("boundManagement", c.boundManagement > 0)] {
      if isSet && c.adcBits == 0 {
        report.error("speaks of ADCs that there are none of", at: "converters.\(key)", hint: "set adcBits")
      }
    }
    // Keys that say nothing about the chosen way to learn.
    let plain = UpdateParameters()
    let isTikiTaka = u.mode == .tikiTaka || u.mode == .tikiTaka2
    let givesPulses = u.mode.isInArray
    for (key, isSet, matters) in [
      ("transferInterval", u.transferInterval != plain.transferInterval, isTikiTaka),
      ("fastRate", u.fastRate != plain.fastRate, isTikiTaka),
      ("transferRate", u.transferRate != plain.transferRate, isTikiTaka),
      ("fastShare", u.fastShare != plain.fastShare, isTikiTaka),
      ("pulses", u.pulses != plain.pulses, givesPulses),
      ("trainLength", u.trainLength != plain.trainLength, givesPulses && u.pulses == .trains),
    ] where isSet && !matters {
      report.warning("means nothing to \"\(u.mode.rawValue)\"", at: "update.\(key)")
    }
    if circuit.tolerance != CircuitConfiguration().tolerance
      && !(circuit.method == .corrected || circuit.method == .profile)
    {
      report.warning("means nothing to the method \"\(circuit.method.rawValue)\"", at: "circuit.tolerance")
    }
    if let slices, slices.count > 1, update.parameters.mode.isInArray {
      report.error(
        "\"\(update.parameters.mode.rawValue)\" cannot update sliced weights: a pulse cannot carry into the next slice",
        at: "update", hint: "use \"mixed-precision\" or \"programmed\"")
    }
    if let slices, slices.bits * slices.count > 32 {
      report.error("\(slices.count) slices of \(slices.bits) bits are more than the 32 bits of a weight", at: "slices")
    }
  }

  public func hardware(seed: UInt64, resolve: (String) -> String) throws -> any Hardware {
    CrossbarHardware(parameters(device: try device.loaded(resolve: resolve)), seed: seed)
  }

  public var reasonNotToLearn: (key: String, sentence: String)? {
    circuit.cell == .linear
      ? nil
      : (
        "circuit.cell",
        "\"\(circuit.cell.name)\" cells are solved vector by vector, which gives reads but no gradients of them"
      )
  }

  public func checkInputs(outputs: Int, inputs: Int, resolve: (String) -> String) throws {
    for (key, value) in [
      ("wireResistance", circuit.wireResistance), ("driverResistance", circuit.driverResistance),
      ("senseResistance", circuit.senseResistance),
    ] where value == .infinity {
      throw InputProblem(key: "circuit.\(key)", description: "is infinite: no current would leave the arrays")
    }
    if circuit.method != .ideal && !circuit.parameters.isIdeal {
      let (m, n) = (min(rows, inputs), min(columns, outputs))
      let wanted = Double(m * n) * CircuitWorkspace.bytesPerCell * Double(Machine.cores)
      if wanted > Machine.memory {
        throw InputProblem(
          key: m >= n ? "rows" : "columns",
          description:
            "a tile of \(m) × \(n) cells wants \(inWords((wanted / 1e9).rounded())) GB to be solved on \(Machine.cores) threads, "
            + "more than the machine's \(inWords((Machine.memory / 1e9).rounded())) GB; take smaller tiles, or the method "
            + "\"ideal\"")
      }
    }
    let map = try device.loaded(resolve: resolve).faults.map
    do { _ = try map?.plane(0, outputs: outputs, inputs: inputs) } catch {
      throw InputProblem(key: "device.faults.map", description: "\(error)")
    }
  }
}

/// Digits of a sliced weight.
public struct SlicingConfiguration: Configurable {
  public var bits = 2
  public var count = 4

  public init() {}
  public static let documentation = "Bit slicing of weights; the array adds the slices with their significance."
  public static let fields: [Field<SlicingConfiguration>] = [
    Field("bits", \.bits, .integer(1...8, unit: "bit"), "Bits of a device: it has 2^bits levels."),
    Field("count", \.count, .integer(1...16), "Devices of a weight (of each sign, for pairs)."),
  ]
}

/// Biases in the array; the arithmetic is `BiasLineArray`.
public struct BiasConfiguration: Configurable {
  public var lines = 1
  public var level = 1.0

  public init() {}
  public static let documentation =
    "Biases on word lines behind those of the inputs: every read drives them and every update reaches them."
  public static let fields: [Field<BiasConfiguration>] = [
    Field(
      "lines", \.lines, .integer(1...4096), "Word lines that share a bias: it is at most lines · level · weightRange."),
    Field(
      "level", \.level, .number(.above(0, through: 1e6), usual: 0.01...100),
      "What they are driven with, in units of the layer's inputs."),
  ]
}

/// How weights learn; the arithmetic is `UpdateParameters`.
public struct UpdateConfiguration: Configurable {
  public var parameters = UpdateParameters()

  public init() {}
  public static let documentation = "How the weights of an array learn."
  public static let fields: [Field<UpdateConfiguration>] = [
    Field(
      "mode", \.parameters.mode, .choice,
      "outer-product: in the array, once a batch; per-sample: in the array, vector by vector; programmed: digitally "
        + "computed changes are programmed; mixed-precision: they are summed digitally and written in whole pulses; "
        + "tiki-taka, tiki-taka-2: through a fast array."),
    Field(
      "pulses", \.parameters.pulses, .choice,
      "rounded: the wanted number, rounded stochastically; trains: coincidences of stochastic pulse trains."),
    Field("trainLength", \.parameters.trainLength, .integer(1...1023), "Slots of a stochastic pulse train."),
    Field(
      "transferInterval", \.parameters.transferInterval, .integer(1...1_000_000_000, unit: "step"),
      "Of tiki-taka: steps between transfers of a column."),
    Field(
      "fastRate", \.parameters.fastRate, .number(.above(0, through: 1e6)),
      "Of tiki-taka: the fast array learns with this factor of the rate."),
    Field(
      "transferRate", \.parameters.transferRate, .number(.above(0, through: 1e6)),
      "Of tiki-taka: a column is transferred with this factor of the rate."),
    Field("fastShare", \.parameters.fastShare, .number(0...1), "Of tiki-taka: share of the fast array in the weight."),
  ]
}
