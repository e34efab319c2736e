import Configuration
import Crossbars
import NeuralNetworks

/// The hardware a model's products run on, as a configuration describes it. New hardware is one new conformance and one
/// line in `hardwareVariants`.
public protocol HardwareConfiguration: Configurable {
  /// - Parameter seed: of the run; keys what happens in time (update and programming noise).
  func hardware(seed: UInt64) -> any Hardware
  /// Hardware of some layers by name or glob, laid over this one.
  var layers: [String: JSON] { get }
  /// Whether weights learn in the array, without a digital optimizer's state.
  var updatesInArray: Bool { get }
}

extension HardwareConfiguration {
  public var layers: [String: JSON] { [:] }
  public var updatesInArray: Bool { false }

  /// The hardware of one layer: this one, or what the first glob that fits the layer's name lays over it.
  ///
  /// - Throws: `Diagnostics` when the overridden whole is not consistent.
  func configuration(forLayer name: String) throws -> any HardwareConfiguration {
    guard let pattern = pattern(forLayer: name), let patch = layers[pattern] else { return self }
    var holder = HardwareHolder()
    holder.hardware = self
    var whole = holder.resolved
    if let base = whole["hardware"] { whole.set("hardware", base.merging(patch)) }
    return try HardwareHolder.decode(whole).get().hardware
  }
}

extension HardwareConfiguration {
  /// The key of `layers` that speaks of a layer: an exact name goes before a glob, a longer glob before a shorter.
  func pattern(forLayer name: String) -> String? {
    layers.keys.sorted { ($0.contains("*") ? 1 : 0, -$0.count, $0) < ($1.contains("*") ? 1 : 0, -$1.count, $1) }
      .first { globMatches($0, name) }
  }
}

/// Every kind of hardware, by the name a configuration gives it.
let hardwareVariants: @Sendable () -> [Variant<any HardwareConfiguration>] = {
  [
    Variant("digital", DigitalConfiguration.self) { $0 },
    Variant("crossbar", CrossbarConfiguration.self) { $0 },
  ]
}

/// How hardware is written: `"digital"`, or an object whose `kind` says which.
public let hardwareCodec = Codec<any HardwareConfiguration>.tagged(
  "Hardware", default: "digital", shorthand: true, hardwareVariants())

private struct HardwareHolder: Configurable {
  var hardware: any HardwareConfiguration = DigitalConfiguration()
  static let fields: [Field<HardwareHolder>] = [
    Field("hardware", \.hardware, hardwareCodec, "The layer's hardware.")
  ]
}

/// Ideal products in memory.
public struct DigitalConfiguration: HardwareConfiguration {
  public init() {}
  public static let documentation = "Ideal products: one GEMM on OpenBLAS."
  public static let fields: [Field<DigitalConfiguration>] = []
  public func hardware(seed: UInt64) -> any Hardware { DigitalHardware() }
}

/// A resistive device's keys; the physics is `Device`.
public struct DeviceConfiguration: Configurable {
  public var preset: String?
  public var device = Device()

  public init() {}
  init(_ device: Device) { self.device = device }

  public static let documentation = "The device at each cross point."
  public static let presets = [
    Preset("linear", DeviceConfiguration(Device())),
    // TxSim's set-up: Ag/Si, R_min 100 kΩ, R_max 1 MΩ (arXiv 2002.11151); the update's figures are ours.
    Preset(
      "ag-si",
      DeviceConfiguration(
        Device(
          onResistance: 1e5, offResistance: 1e6, pulseStep: 1e-3, updateNonlinearity: 1, updateNoise: 0.3))),
  ]
  public static let fields: [Field<DeviceConfiguration>] = [
    .preset(\.preset, "Defaults of a named device."),
    Field(
      "onResistance", \.device.onResistance, .number(1...1e12, unit: "ohm", usual: 1e3...1e7),
      "Resistance of a device in its most conducting state."),
    Field(
      "offResistance", \.device.offResistance, .number(1...1e12, unit: "ohm", usual: 1e4...1e9),
      "Resistance of a device in its least conducting state."),
    Field(
      "pulseStep", \.device.pulseStep, .number(.above(0, through: 1), usual: 1e-5...0.1),
      "Change of the conductance state (0 … 1) by one pulse at the far bound."),
    Field(
      "updateNonlinearity", \.device.updateNonlinearity, .number(0...20),
      "ν in Δx ∝ e^(−ν·x) up, e^(−ν·(1−x)) down; 0 is a linear device."),
    Field(
      "updateNoise", \.device.updateNoise, .number(0...100),
      "Standard deviation of one pulse's change, relative to pulseStep."),
    Field(
      "programmingNoise", \.device.programmingNoise, .number(0...1),
      "Standard deviation of a programming event, as a fraction of the conductance range."),
    Field(
      "levels", \.device.levels,
      .either(.word("continuous", 0), .form(.integer(2...65536), { $0 }) { $0 == 0 ? nil : $0 }),
      "Conductance levels that programming can reach."),
    Field(
      "variation", \.device.variation, .number(0...1),
      "Device-to-device spread of conductance, relative standard deviation; fixed by the chip's seed."),
  ]

  public mutating func check(_ report: inout Report) {
    if device.onResistance >= device.offResistance {
      report.error(
        "\(inWords(device.onResistance)) ohm is not below offResistance, \(inWords(device.offResistance)) ohm",
        at: "onResistance",
        hint: "the on state is the conducting one")
    }
  }
}

/// The circuit between the devices.
public struct CircuitConfiguration: Configurable {
  public var method = CircuitMethod.exact
  public var refreshInterval = 50
  public var wireResistance = 1.0
  public var driverResistance = 100.0
  public var senseResistance = 100.0

  public init() {}
  public static let documentation = "Wires, drivers and sense amplifiers of an array, and how they are solved."
  public static let fields: [Field<CircuitConfiguration>] = [
    Field("method", \.method, .choice, "How effective matrices are found: ideal (no parasitics) or exact."),
    Field(
      "refreshInterval", \.refreshInterval, .integer(0...1_000_000_000),
      "Training steps between refreshes of the effective matrices; 0: only after programming."),
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

/// Converters at the array's edges; the arithmetic is `Converters`.
public struct ConvertersConfiguration: Configurable {
  public var converters = Converters()
  public var percentile = 0.9999
  public var automatic = true
  public var adcCurrent = 0.0

  enum Range: Equatable, Sendable {
    case automatic
    case ampere(Double)
  }
  var adcRange: Range {
    get { automatic ? .automatic : .ampere(adcCurrent) }
    set {
      switch newValue {
      case .automatic: automatic = true
      case .ampere(let value): (automatic, adcCurrent) = (false, value)
      }
    }
  }

  public init() {}
  public static let documentation = "Converters at the edges of each array."

  private static func bits() -> Codec<Int> {
    .either(.word("none", 0), .form(.integer(2...16, unit: "bit"), { $0 }) { $0 == 0 ? nil : $0 })
  }

  public static let fields: [Field<ConvertersConfiguration>] = [
    Field(
      "dacBits", \.converters.dacBits, bits(), "Resolution of the inputs, sign included; \"none\" for no rounding."),
    Field(
      "adcBits", \.converters.adcBits, bits(), "Resolution of the outputs, sign included; \"none\" for no rounding."),
    Field(
      "dacRange", \.converters.dacRange,
      .either(
        .word("vector", .vector),
        .form(.number(.above(0)), Converters.InputRange.fixed) { if case .fixed(let v) = $0 { v } else { nil } }),
      "Full scale of the inputs: each vector's own maximum, or a number in units of the activation."),
    Field(
      "adcRange", \.adcRange,
      .either(
        .word("auto", .automatic),
        .form(.number(.above(0), unit: "ampere", usual: 1e-9...1e-3), Range.ampere) {
          if case .ampere(let v) = $0 { v } else { nil }
        }),
      "Full scale of the differential column current: calibrated per layer and direction, or fixed."),
    Field(
      "adcPercentile", \.percentile, .number(.above(0.5, through: 1)),
      "Share of a calibrating batch's partial sums that \"auto\" keeps within range."),
    Field(
      "readVoltage", \.converters.readVoltage, .number(.above(0, through: 10), unit: "volt", usual: 0.01...1),
      "Voltage of a full-scale input."),
  ]

  public mutating func check(_ report: inout Report) {
    converters.adcRange = automatic ? .automatic(percentile: percentile) : .fixed(adcCurrent)
  }
}

/// Resistive crossbars; the physics is `CrossbarArray`.
public struct CrossbarConfiguration: HardwareConfiguration {
  enum Mapping: String, CaseIterable, Sendable { case differential }

  public var seed: UInt64 = 1
  public var rows = 64
  public var columns = 64
  var mapping = Mapping.differential
  public var device = DeviceConfiguration()
  public var circuit = CircuitConfiguration()
  public var converters = ConvertersConfiguration()
  public var update = UpdateMode.outerProduct
  public var weightRange: Double?
  public var layers: [String: JSON] = [:]

  public init() {}
  public static let documentation = "Tiles of resistive devices: wires, converters, pulsed updates (RxNN, TxSim)."
  public static let fields: [Field<CrossbarConfiguration>] = [
    Field("seed", \.seed, .seed, "The chip: its device-to-device variation."),
    Field("rows", \.rows, .integer(1...4096), "Word lines of a tile: inputs."),
    Field("columns", \.columns, .integer(1...4096), "Bit lines of a tile: outputs."),
    Field("mapping", \.mapping, .choice, "How a signed weight is held: a pair of devices, centred, moved push-pull."),
    Field("device", \.device, .object(shorthand: "preset"), "The device at each cross point."),
    Field("circuit", \.circuit, .object(), "Wires, drivers and sense amplifiers."),
    Field("converters", \.converters, .object(), "Converters at the edges of each tile."),
    Field(
      "update", \.update, .choice,
      "How weights learn: outer-product updates in the array by pulses, or programmed digitally computed changes."),
    Field(
      "weightRange", \.weightRange,
      .either(
        .word("auto", nil),
        .form(.number(.above(0)), { Double?.some($0) }) { $0 }),
      "Largest weight that a pair of devices can hold; auto: 2.5 times the largest initial weight of the layer."),
    Field("layers", \.layers, .map(of: .patch(of: hardwareCodec)), "Overrides by the layer's name or glob."),
  ]

  public var updatesInArray: Bool { update == .outerProduct }

  public var parameters: CrossbarParameters {
    CrossbarParameters(
      rows: rows, columns: columns, device: device.device, method: circuit.method,
      refreshInterval: circuit.refreshInterval, circuit: circuit.parameters, converters: converters.converters,
      update: update, weightRange: weightRange, chipSeed: seed)
  }

  public func hardware(seed: UInt64) -> any Hardware { CrossbarHardware(parameters, seed: seed) }
}

/// Whether a name fits a pattern in which `*` stands for any run of characters.
func globMatches(_ pattern: String, _ name: String) -> Bool {
  let (p, n) = (Array(pattern.utf8), Array(name.utf8))
  var (i, j) = (0, 0)
  var star: (pattern: Int, name: Int)?
  while j < n.count {
    if i < p.count, p[i] == UInt8(ascii: "*") {
      star = (i, j)
      i += 1
    } else if i < p.count, p[i] == n[j] {
      i += 1
      j += 1
    } else if let s = star {
      i = s.pattern + 1
      j = s.name + 1
      star = (s.pattern, s.name + 1)
    } else {
      return false
    }
  }
  while i < p.count, p[i] == UInt8(ascii: "*") { i += 1 }
  return i == p.count
}
