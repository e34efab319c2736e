import Configuration
import NeuralNetworks

/// The hardware a model's products run on, as a configuration describes it. New hardware is one new conformance and one
/// line in `hardwareVariants`.
public protocol HardwareConfiguration: Configurable {
  /// - Parameters:
  ///   - seed: of the run; keys what happens in time (update and programming noise).
  ///   - resolve: makes a path of the configuration one of the process.
  /// - Throws: `InputProblem` when a file that the hardware is made from cannot be used.
  func hardware(seed: UInt64, resolve: (String) -> String) throws -> any Hardware
  /// Looks before anything runs into the files for an array of these sizes.
  /// - Throws: as `hardware(seed:resolve:)`.
  func checkInputs(outputs: Int, inputs: Int, resolve: (String) -> String) throws
  /// Hardware of some layers by name or glob, laid over this one.
  var layers: [String: JSON] { get }
  /// Whether weights learn in the array, without a digital optimizer's state.
  var updatesInArray: Bool { get }
  /// The key of a setting with which arrays can be read but not trained, and why; nil where there is none.
  var reasonNotToLearn: (key: String, sentence: String)? { get }
  /// Whether its arrays are devices: no two chips are alike, and they age.
  var hasDevices: Bool { get }
  /// The same design made once more: other device variation, faults and programming noise.
  ///
  /// - Parameters:
  ///   - number: of the chip; 0 is this one.
  ///   - array: what the first chip holds a layer's weights in; whatever was fixed when that was made stays.
  func chip(_ number: Int, like array: any WeightArray) -> any HardwareConfiguration
}

extension HardwareConfiguration {
  public var layers: [String: JSON] { [:] }
  public var updatesInArray: Bool { false }
  public var reasonNotToLearn: (key: String, sentence: String)? { nil }
  public var hasDevices: Bool { false }
  public func chip(_ number: Int, like array: any WeightArray) -> any HardwareConfiguration { self }

  /// Whether any layer of a model is on devices.
  func hasDevices(inLayers names: [String]) -> Bool {
    names.contains { (try? configuration(forLayer: $0).hasDevices) ?? false }
  }
  public func checkInputs(outputs: Int, inputs: Int, resolve: (String) -> String) throws {}

  /// The hardware of one layer: this one, or what the first glob that fits the layer's name lays over it.
  ///
  /// - Throws: `Diagnostics` when the overridden whole is not consistent.
  func configuration(forLayer name: String) throws -> any HardwareConfiguration {
    guard let pattern = pattern(forLayer: name), let patch = layers[pattern] else { return self }
    var holder = HardwareHolder()
    holder.hardware = self
    var whole = holder.resolved
    if let base = whole["hardware"] { whole.set("hardware", base.merging(patch, presetsStartOver: true)) }
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

/// A file named by a key of the configuration that cannot be used.
struct InputProblem: Error, CustomStringConvertible {
  /// From the object at hand, joined by dots.
  var key: String
  var description: String
}

/// Ideal products in memory; with noise on the weights in training, to prepare them for devices.
public struct DigitalConfiguration: HardwareConfiguration {
  public var weightNoise: Float = 0
  public var weightClip: Float?

  public init() {}
  public static let documentation = "Ideal products: one GEMM on OpenBLAS. weightNoise: hardware-aware training."
  public static let fields: [Field<DigitalConfiguration>] = [
    Field(
      "weightNoise", \.weightNoise, .number(0...10, usual: 0.005...0.3),
      "Gaussian noise on the weights that training reads, redrawn each step: σ relative to the layer's largest weight."),
    Field(
      "weightClip", \.weightClip, .optional(.number(.above(0, through: 100), usual: 1...5)),
      "Weights are cut after each update at so many standard deviations of the layer's weights; not at all if left out."
    ),
  ]

  /// Nothing stands between the weights and the memory they are in.
  var hasPlainWeights: Bool { weightNoise == 0 && weightClip == nil }

  public func hardware(seed: UInt64, resolve: (String) -> String) -> any Hardware {
    hasPlainWeights
      ? DigitalHardware() : NoisyDigitalHardware(noise: weightNoise, clip: weightClip, seed: seed)
  }
}
