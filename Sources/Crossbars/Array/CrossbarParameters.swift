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
