import LinearAlgebra

/// How the effective matrix of an array is found, and what is kept of a solution while the devices move on.
public enum CircuitMethod: String, CaseIterable, Sendable {
  /// Wires and terminals are perfect: G_eff = G.
  case ideal
  /// Solved exactly at every refresh. In between the devices move under the distortion D = G_eff/G of the last one, sneak
  /// current apart.
  case exact
  /// Never solved: line sums, G/(1 + A + B), follow every change of the devices (`CKernels.lineSums`).
  case closedForm = "closed-form"
  /// Line sums plus the difference of the exact solution to them at the last one; solved again where a sample of tiles is
  /// farther from exact than the tolerance.
  case corrected
  /// As `exact`, but solved again only where a sample of tiles is farther from exact than the tolerance (TxSim's
  /// interpolated Fast Crossbar Model, arXiv 2002.11151).
  case profile

  /// Line sums are part of it.
  var usesLineSums: Bool { self == .closedForm || self == .corrected }
  /// A refresh measures the error before it solves everything.
  var isAdaptive: Bool { self == .corrected || self == .profile || self == .closedForm }
}

/// How a signed weight is held.
public enum Mapping: String, CaseIterable, Sendable {
  /// A pair of devices on arrays of their own, centred and moved push-pull: w = S·(x⁺ − x⁻).
  case differential
  /// One device, w = S·(2x − 1); the constant is subtracted digitally after the ADC, as a multiple of the sum of the
  /// inputs.
  case offset
  /// One device, w = S·(2x − 1); the constant is the current of an additional bit line of devices at x = ½ in every tile,
  /// subtracted before the ADC.
  case dummy
}

/// Weights cut into digits, each on devices of its own, added digitally with their significance.
///
/// A weight of bits·count bits is U = Σ_k U_k·2^(bits·(count−1−k)); a device of slice k is at U_k/(2^bits − 1).
public struct WeightSlicing: Equatable, Sendable {
  /// Bits of a device.
  public var bits: Int
  /// Devices of a weight (of each sign, for pairs).
  public var count: Int

  public init(bits: Int, count: Int) {
    self.bits = bits
    self.count = count
  }

  var base: Double { Double(1 << bits) }
  /// Largest U.
  var largest: Double { Elementary.pow(base, Double(count)) - 1 }
  /// c_k: share of slice k in the weight, Σ c_k = 1.
  func share(_ k: Int) -> Double { Elementary.pow(base, Double(count - 1 - k)) * (base - 1) / largest }
}

/// How the weights of a layer learn.
public enum UpdateMode: String, CaseIterable, Sendable {
  /// By outer products in the array, summed over the batch: plain stochastic gradient descent by pulses.
  case outerProduct = "outer-product"
  /// By an outer product in the array for every vector, one after another.
  case perSample = "per-sample"
  /// The change is computed digitally and programmed.
  case programmed
  /// The change is summed digitally; what amounts to whole pulses (or steps of a sliced weight) is written
  /// (S. R. Nandakumar et al., Front. Neurosci. 14, 406, 2020).
  case mixedPrecision = "mixed-precision"
  /// Outer products go to a fast array, whose columns are read in turn and written to a slow one (T. Gokmen and
  /// W. Haensch, Front. Neurosci. 14, 103, 2020).
  case tikiTaka = "tiki-taka"
  /// As Tiki-Taka, with a digital sum between the two (T. Gokmen, Front. Artif. Intell. 4, 699148, 2021).
  case tikiTaka2 = "tiki-taka-2"

  /// Learning is plain stochastic gradient descent in the array.
  public var isInArray: Bool { self != .programmed && self != .mixedPrecision }
}

/// How a wanted change becomes a whole number of pulses.
public enum PulseScheme: String, CaseIterable, Sendable {
  /// The wanted number, rounded stochastically.
  case rounded
  /// Coincidences of stochastic pulse trains: binomial, at most as many as the trains have slots.
  case trains
}

/// How weights learn.
public struct UpdateParameters: Equatable, Sendable {
  public var mode: UpdateMode
  public var pulses: PulseScheme
  /// Slots of a stochastic pulse train (BL in AIHWKit).
  public var trainLength: Int
  /// Of Tiki-Taka: steps between two transfers of a column.
  public var transferInterval: Int
  /// Of Tiki-Taka: factor of the rate with which the fast array learns.
  public var fastRate: Double
  /// Of Tiki-Taka: factor of a transferred column.
  public var transferRate: Double
  /// Of Tiki-Taka: γ, the fast array's share in the weight, w = γ·A + C.
  public var fastShare: Double

  public init(
    mode: UpdateMode = .outerProduct, pulses: PulseScheme = .rounded, trainLength: Int = 31, transferInterval: Int = 1,
    fastRate: Double = 1, transferRate: Double = 1, fastShare: Double = 0
  ) {
    self.mode = mode
    self.pulses = pulses
    self.trainLength = trainLength
    self.transferInterval = transferInterval
    self.fastRate = fastRate
    self.transferRate = transferRate
    self.fastShare = fastShare
  }
}

/// A layer's array of crossbar tiles (design.md 4.5).
public struct CrossbarParameters: Equatable, Sendable {
  /// Word lines (inputs) and bit lines (outputs) of a tile.
  public var rows: Int
  public var columns: Int
  public var mapping: Mapping
  /// nil: a weight is one analogue value.
  public var slicing: WeightSlicing?
  public var device: Device
  public var method: CircuitMethod
  /// Steps of training between refreshes of the effective matrices; 0 means only after programming.
  public var refreshInterval: Int
  /// Error of G_eff, rms over rms, beyond which an adaptive method solves anew.
  public var tolerance: Double
  /// Share of a layer's tiles that a check of an adaptive method looks at; at least one is.
  public var checkedShare = CrossbarParameters.usualCheckedShare
  public static let usualCheckedShare = 0.0625
  public var circuit: CircuitParameters
  /// The law of every cell. Other than linear ones are solved vector by vector in forward reads.
  public var cell = CellLaw.linear
  public var converters: Converters
  public var update: UpdateParameters
  /// Seconds that pass with every step of training, in which devices lose their state (`Device.Retention`).
  public var stepDuration = 0.0
  /// Word lines that hold the layer's bias; 0: biases are digital.
  public var biasLines = 0
  /// What bias lines are driven with in every read, in units of the inputs.
  public var biasLevel = 1.0
  /// Largest weight that the devices can hold; nil: `weightRangeFactor` × max|w₀|.
  public var weightRange: Double?
  public static let weightRangeFactor = 2.5
  /// The chip: its device variation and faults.
  public var chipSeed: UInt64

  public init(
    rows: Int = 64, columns: Int = 64, mapping: Mapping = .differential, slicing: WeightSlicing? = nil,
    device: Device = Device(), method: CircuitMethod = .exact, refreshInterval: Int = 50, tolerance: Double = 1e-3,
    circuit: CircuitParameters = CircuitParameters(wireResistance: 0), converters: Converters = Converters(),
    update: UpdateParameters = UpdateParameters(), weightRange: Double? = nil, chipSeed: UInt64 = 1
  ) {
    self.rows = rows
    self.columns = columns
    self.mapping = mapping
    self.slicing = slicing
    self.device = device
    self.method = method
    self.refreshInterval = refreshInterval
    self.tolerance = tolerance
    self.circuit = circuit
    self.converters = converters
    self.update = update
    self.weightRange = weightRange
    self.chipSeed = chipSeed
  }

  /// The array reads exactly what the devices hold, element by element.
  var hasIdealCircuit: Bool { method == .ideal || circuit.isIdeal }
  /// The backward read needs matrices of its own.
  var isAsymmetric: Bool { !hasIdealCircuit && circuit.driverResistance != circuit.senseResistance }

  /// - Throws: `CircuitError` naming the first parameter, other than the circuit's own, that means nothing.
  public func validate() throws {
    func require(_ name: String, _ value: Double, _ range: ClosedRange<Double>, _ meaning: String) throws {
      guard range.contains(value) else { throw CircuitError("\(name) is \(value); expected \(meaning)") }
    }
    try require("rows", Double(rows), 1...1e9, "at least one word line")
    try require("columns", Double(columns), 1...1e9, "at least one bit line")
    try device.validate()
    try cell.validate()
    try require("stepDuration", stepDuration, 0...1e12, "seconds, not below 0")
    try require("tolerance", tolerance, 0...1e6, "a number not below 0")
    try require("checkedShare", checkedShare, 0...1, "a share of the tiles, 0 to 1")
    for (name, bits) in [("dacBits", converters.dacBits), ("adcBits", converters.adcBits)] where bits != 0 {
      try require(name, Double(bits), 2...16, "0 (no rounding) or 2 to 16 bits")
    }
    let range = "a number above 0 that Float32 can hold"
    if case .fixed(let value) = converters.dacRange { try require("dacRange", value, 1e-30...1e30, range) }
    if case .fixed(let value) = converters.adcRange { try require("adcRange", value, 1e-30...1e30, range) }
    try require("readVoltage", converters.readVoltage, 1e-30...1e30, "a voltage above 0")
    try require("adcNoise", converters.adcNoise, 0...1e6, "a number not below 0")
    try require("boundManagement", Double(converters.boundManagement), 0...16, "0 to 16 repetitions")
    if converters.streamBits != 0 {
      guard converters.dacBits > 0 else {
        throw CircuitError("streamBits is \(converters.streamBits), but the inputs are not rounded; set dacBits")
      }
      try require("streamBits", Double(converters.streamBits), 1...15, "0 (all bits at once) or 1 to 15 bits")
    }
    if converters.adcBits == 0 && (converters.adcNoise > 0 || converters.boundManagement > 0) {
      throw CircuitError("adcNoise and boundManagement speak of ADCs, but adcBits is 0")
    }
    try require("biasLines", Double(biasLines), 0...4096, "0 (digital biases) to 4096 lines")
    try require("biasLevel", biasLevel, 1e-30...1e30, range)
    if let weightRange { try require("weightRange", weightRange, 1e-30...1e30, range) }
    try require("trainLength", Double(update.trainLength), 1...1023, "1 to 1023 slots")
    try require("transferInterval", Double(update.transferInterval), 1...1e9, "at least 1 step")
    if let slicing {
      try require("slices.bits", Double(slicing.bits), 1...8, "1 to 8 bits")
      try require("slices.count", Double(slicing.count), 1...16, "1 to 16 devices")
      try require("slices", Double(slicing.bits * slicing.count), 1...32, "at most 32 bits a weight")
      if slicing.count > 1 && update.mode.isInArray {
        throw CircuitError(
          "\"update\": \"\(update.mode.rawValue)\" on sliced weights: a pulse cannot carry into the next slice; use "
            + "\"mixed-precision\" or \"programmed\"")
      }
    }
  }
}
