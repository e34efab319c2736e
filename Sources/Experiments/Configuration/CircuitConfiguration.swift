import Configuration
import Crossbars

/// The circuit between the devices.
public struct CircuitConfiguration: Configurable {
  public var method = CircuitMethod.exact
  public var refreshInterval = 50
  public var tolerance = 1e-3
  public var wireResistance = 1.0
  public var driverResistance = 100.0
  public var senseResistance = 100.0

  public init() {}
  public static let documentation = "Wires, drivers and sense amplifiers of an array, and how they are solved."
  public static let fields: [Field<CircuitConfiguration>] = [
    Field(
      "method", \.method, .choice,
      "How effective matrices are found: ideal (no parasitics); exact, at every refresh; closed-form (line sums, never "
        + "solved); corrected (line sums plus a stored correction) or profile (a stored distortion), both solved anew "
        + "where a sample of tiles is off by more than the tolerance."),
    Field(
      "refreshInterval", \.refreshInterval, .integer(0...1_000_000_000),
      "Training steps between refreshes (or checks) of the effective matrices; 0: only after programming."),
    Field(
      "tolerance", \.tolerance, .number(0...10, usual: 1e-6...0.1),
      "Of corrected and profile: rms error of the effective matrix, relative, beyond which it is solved anew."),
    Field(
      "wireResistance", \.wireResistance, .number(0...1e9, unit: "ohm", usual: 0.1...100),
      "Resistance of a wire segment between neighbouring cells."),
    Field(
      "driverResistance", \.driverResistance, .number(0...1e9, unit: "ohm", usual: 1...1e4),
      "Output resistance of a word line's driver."),
    Field(
      "senseResistance", \.senseResistance, .number(0...1e9, unit: "ohm", usual: 1...1e4),
      "Input resistance of a bit line's sense amplifier."),
  ]

  public var parameters: CircuitParameters {
    CircuitParameters(
      wireResistance: wireResistance, driverResistance: driverResistance, senseResistance: senseResistance)
  }
}
