import Configuration
import Crossbars

/// The circuit between the devices.
public struct CircuitConfiguration: Configurable {
  public var method = CircuitMethod.exact
  public var refreshInterval = 50
  public var tolerance = 1e-3
  public var checkedTiles: Double?
  public var wireResistance = 1.0
  public var driverResistance = 100.0
  public var senseResistance = 100.0
  public var cell = CellLaw.linear

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
      "checkedTiles", \.checkedTiles, .optional(.number(.above(0, through: 1))),
      "Of corrected and profile (and closed-form, which reports it): share of a layer's tiles that a check looks at, at "
        + "least one; 1/16 if left out."),
    Field(
      "wireResistance", \.wireResistance, resistance(usual: 0.1...100),
      "Resistance of a wire segment between neighbouring cells; \"infinite\" for a break."),
    Field(
      "driverResistance", \.driverResistance, resistance(usual: 1...1e4),
      "Output resistance of a word line's driver; \"infinite\" for a break."),
    Field(
      "senseResistance", \.senseResistance, resistance(usual: 1...1e4),
      "Input resistance of a bit line's sense amplifier; \"infinite\" for a break."),
    Field(
      "cell", \.cell, cellLawCodec,
      "Current of a cell against its voltage; with other laws than linear each vector is solved, and networks are read, "
        + "not trained."),
  ]

  public var parameters: CircuitParameters {
    CircuitParameters(
      wireResistance: wireResistance, driverResistance: driverResistance, senseResistance: senseResistance)
  }

  private static func resistance(usual: ClosedRange<Double>) -> Codec<Double> {
    .either(
      .word("infinite", Double.infinity),
      .form(.number(0...1e9, unit: "ohm", usual: usual), { $0 }) { $0.isFinite ? $0 : nil })
  }
}

/// How the law of a cell is written: `"linear"`, or an object whose `kind` says which; the physics is `CellLaw`.
let cellLawCodec = Codec<CellLaw>.tagged("Cell", default: "linear", shorthand: true, cellLawVariants())

private let cellLawVariants: @Sendable () -> [Variant<CellLaw>] = {
  [
    Variant("linear", LinearCellConfiguration.self, { _ in .linear }) {
      $0 == .linear ? LinearCellConfiguration() : nil
    },
    Variant("sinh", SinhCellConfiguration.self, { .sinh(voltage: $0.voltage) }) {
      guard case .sinh(let voltage) = $0 else { return nil }
      var body = SinhCellConfiguration()
      body.voltage = voltage
      return body
    },
    Variant("transistor", TransistorCellConfiguration.self, { .transistor($0.transistor) }) {
      guard case .transistor(let transistor) = $0 else { return nil }
      var body = TransistorCellConfiguration()
      body.transistor = transistor
      return body
    },
    Variant("selector", SelectorCellConfiguration.self, { .selector($0.selector) }) {
      guard case .selector(let selector) = $0 else { return nil }
      var body = SelectorCellConfiguration()
      body.selector = selector
      return body
    },
  ]
}

/// Ohm's law.
struct LinearCellConfiguration: Configurable {
  static let documentation = "I = G·V."
  static let fields: [Field<LinearCellConfiguration>] = []
}

/// Tunnelling through a gap.
struct SinhCellConfiguration: Configurable {
  /// The Stanford–PKU model's V0 (Verilog-A model 1.0.0, doi 10.4231/D37H1DN48).
  var voltage = 0.25
  static let documentation = "I = G·V₀·sinh(V/V₀), G at low voltage (Guan, Yu and Wong, IEEE EDL 33, 1405, 2012)."
  static let fields: [Field<SinhCellConfiguration>] = [
    Field(
      "voltage", \.voltage, .number(1e-6...1e6, unit: "volt", usual: 0.01...10),
      "V₀, at which the current is 1.18 times that of the resistance.")
  ]
}

/// A resistor behind a transistor.
struct TransistorCellConfiguration: Configurable {
  var transistor = CellLaw.AccessTransistor()
  static let documentation =
    "A transistor in series, by the square law; defaults: Sedra and Smith's 0.5 µm NMOS at W/L = 1 and 3.3 V."
  static let fields: [Field<TransistorCellConfiguration>] = [
    Field(
      "transconductance", \.transistor.transconductance,
      .number(1e-30...1e30, unit: "ampere/volt²", usual: 1e-6...1e-2), "β = µ·C_ox·W/L."),
    Field(
      "gateVoltage", \.transistor.gateVoltage, .number(-1e6...1e6, unit: "volt", usual: -10...10),
      "V_GS, gate to source."),
    Field(
      "thresholdVoltage", \.transistor.thresholdVoltage, .number(-1e6...1e6, unit: "volt", usual: -10...10),
      "V_T; at or above gateVoltage the transistor is off."),
  ]
  mutating func check(_ report: inout Report) {
    if transistor.gateVoltage <= transistor.thresholdVoltage {
      report.warning(
        "\(inWords(transistor.gateVoltage)) V is not above thresholdVoltage, "
          + "\(inWords(transistor.thresholdVoltage)) V: no cell conducts", at: "gateVoltage")
    }
  }
}

/// A resistor behind a selector.
struct SelectorCellConfiguration: Configurable {
  var selector = CellLaw.Selector()
  static let documentation =
    "A selector in series, I = I_s·sinh(V/V_s); defaults: a mixed-conduction selector (Shenoy et al., Semicond. Sci. "
    + "Technol. 29, 104005, 2014), read near 1 V."
  static let fields: [Field<SelectorCellConfiguration>] = [
    Field(
      "current", \.selector.current, .number(1e-100...1e6, unit: "ampere", usual: 1e-18...1e-3),
      "I_s, the scale of the selector's current."),
    Field(
      "voltage", \.selector.voltage, .number(1e-6...1e6, unit: "volt", usual: 0.01...1),
      "V_s; the current grows tenfold in 2.3 times this."),
  ]
}
