import Configuration
import Crossbars

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
