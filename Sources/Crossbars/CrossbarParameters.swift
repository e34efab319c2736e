/// A resistive device at a cross point, by its conductance state x = (G − G_min)/(G_max − G_min) in 0…1.
///
/// One update of n pulses (n real, rounded stochastically) moves x by
///
///     up:   Δx = +n·p·e^(−ν·x)        down: Δx = −n·p·e^(−ν·(1−x))
///
/// plus a Gaussian of standard deviation updateNoise·p·√n: large steps far from the bound they move to, small ones near
/// it, and different up and down away from the middle. This is the project's pinned form of TxSim's asymmetric
/// non-linearity and write noise (arXiv 2002.11151).
public struct Device: Equatable, Sendable {
  /// R_on = 1/G_max, ohm.
  public var onResistance: Double
  /// R_off = 1/G_min, ohm.
  public var offResistance: Double
  /// p: change of x by one pulse at the far bound.
  public var pulseStep: Double
  /// ν: 0 is a linear device.
  public var updateNonlinearity: Double
  /// σ of one pulse's change, relative to p.
  public var updateNoise: Double
  /// σ of a programming event, as a fraction of the range.
  public var programmingNoise: Double
  /// Number of levels that programming can reach; 0 means any. Pulses move between levels.
  public var levels: Int
  /// σ of the device-to-device spread of conductance, relative; fixed by the chip's seed, cut at 3σ and never below a
  /// hundredth of the nominal conductance.
  public var variation: Double

  public init(
    onResistance: Double = 1e5, offResistance: Double = 1e6, pulseStep: Double = 1e-3, updateNonlinearity: Double = 0,
    updateNoise: Double = 0, programmingNoise: Double = 0, levels: Int = 0, variation: Double = 0
  ) {
    self.onResistance = onResistance
    self.offResistance = offResistance
    self.pulseStep = pulseStep
    self.updateNonlinearity = updateNonlinearity
    self.updateNoise = updateNoise
    self.programmingNoise = programmingNoise
    self.levels = levels
    self.variation = variation
  }

  /// G_max − G_min, siemens.
  public var conductanceRange: Double { 1 / onResistance - 1 / offResistance }
  /// G_min / (G_max − G_min).
  public var floor: Double { 1 / offResistance / conductanceRange }
}

/// Digital-to-analogue converters at the inputs, analogue-to-digital converters at the outputs of every tile; both
/// mid-tread (zero is a level).
public struct Converters: Equatable, Sendable {
  public enum InputRange: Equatable, Sendable {
    /// Each input vector is scaled by its own largest magnitude, restored digitally after the read.
    case vector
    /// A fixed range in units of the activation; larger inputs clip.
    case fixed(Double)
  }
  public enum OutputRange: Equatable, Sendable {
    /// Calibrated per layer and direction from the partial sums of one piece of a batch.
    case automatic(percentile: Double)
    /// A fixed range of the differential column current, ampere.
    case fixed(Double)
  }

  /// Bits including the sign; 0 means no quantization.
  public var dacBits: Int
  public var adcBits: Int
  public var dacRange: InputRange
  public var adcRange: OutputRange
  /// Voltage of a full-scale input, volt; relates weights to currents.
  public var readVoltage: Double

  public init(
    dacBits: Int = 8, adcBits: Int = 8, dacRange: InputRange = .vector,
    adcRange: OutputRange = .automatic(percentile: 0.9999), readVoltage: Double = 0.25
  ) {
    self.dacBits = dacBits
    self.adcBits = adcBits
    self.dacRange = dacRange
    self.adcRange = adcRange
    self.readVoltage = readVoltage
  }

  /// Positive steps of a signed mid-tread converter: 2^(bits−1) − 1.
  static func levels(_ bits: Int) -> Float { bits == 0 ? 0 : Float((1 << (bits - 1)) - 1) }
}

/// How the effective matrix of an array is found.
public enum CircuitMethod: String, CaseIterable, Sendable {
  /// Wires and terminals are perfect: G_eff = G.
  case ideal
  /// The exact matrix at every refresh; in between the devices move under the distortion D = G_eff/G of the last one,
  /// sneak current apart.
  case exact
}

/// How the weights of a layer learn.
public enum UpdateMode: String, CaseIterable, Sendable {
  /// By outer products in the array: plain stochastic gradient descent by pulses.
  case outerProduct = "outer-product"
  /// The change is computed digitally and programmed.
  case programmed
}

/// A layer's array of crossbar tiles (design.md 4.5).
public struct CrossbarParameters: Equatable, Sendable {
  /// Word lines (inputs) and bit lines (outputs) of a tile.
  public var rows: Int
  public var columns: Int
  public var device: Device
  public var method: CircuitMethod
  /// Steps of training between refreshes of the effective matrices; 0 means only after programming.
  public var refreshInterval: Int
  public var circuit: CircuitParameters
  public var converters: Converters
  public var update: UpdateMode
  /// Largest weight that a pair can hold; nil: `weightRangeFactor` × max|w₀|.
  public var weightRange: Double?
  public static let weightRangeFactor = 2.5
  /// The chip: its device variation.
  public var chipSeed: UInt64

  public init(
    rows: Int = 64, columns: Int = 64, device: Device = Device(), method: CircuitMethod = .exact,
    refreshInterval: Int = 50, circuit: CircuitParameters = CircuitParameters(wireResistance: 0),
    converters: Converters = Converters(), update: UpdateMode = .outerProduct, weightRange: Double? = nil,
    chipSeed: UInt64 = 1
  ) {
    self.rows = rows
    self.columns = columns
    self.device = device
    self.method = method
    self.refreshInterval = refreshInterval
    self.circuit = circuit
    self.converters = converters
    self.update = update
    self.weightRange = weightRange
    self.chipSeed = chipSeed
  }

  /// - Throws: `CircuitError` naming the first parameter, other than the circuit's own, that means nothing.
  public func validate() throws {
    func require(_ name: String, _ value: Double, _ range: ClosedRange<Double>, _ meaning: String) throws {
      guard range.contains(value) else { throw CircuitError("\(name) is \(value); expected \(meaning)") }
    }
    let most = CircuitParameters.largestConductance
    try require("rows", Double(rows), 1...1e9, "at least one word line")
    try require("columns", Double(columns), 1...1e9, "at least one bit line")
    try require("onResistance", device.onResistance, 1 / most...most, "a positive number of ohm")
    try require("offResistance", device.offResistance, 1 / most...most, "a positive number of ohm")
    guard device.onResistance < device.offResistance else {
      throw CircuitError(
        "onResistance, \(device.onResistance) ohm, is not below offResistance, \(device.offResistance) ohm")
    }
    try require("pulseStep", device.pulseStep, 1e-30...1, "a fraction of the conductance range, above 0")
    try require("updateNonlinearity", device.updateNonlinearity, 0...80, "a number from 0 to 80")
    try require("updateNoise", device.updateNoise, 0...1e6, "a number not below 0")
    try require("programmingNoise", device.programmingNoise, 0...1e6, "a number not below 0")
    try require("variation", device.variation, 0...1e6, "a number not below 0")
    for (name, bits) in [("dacBits", converters.dacBits), ("adcBits", converters.adcBits)] where bits != 0 {
      try require(name, Double(bits), 2...16, "0 (no rounding) or 2 to 16 bits")
    }
    let range = "a number above 0 that Float32 can hold"
    if case .fixed(let value) = converters.dacRange { try require("dacRange", value, 1e-30...1e30, range) }
    if case .fixed(let value) = converters.adcRange { try require("adcRange", value, 1e-30...1e30, range) }
    try require("readVoltage", converters.readVoltage, 1e-30...1e30, "a voltage above 0")
    if let weightRange { try require("weightRange", weightRange, 1e-30...1e30, range) }
  }
}
