import Configuration
import Crossbars

/// A resistive device: a preset's keys, and the user's laid over them. The physics is `Device`.
public struct DeviceConfiguration: Configurable {
  public var preset: String?
  public var keys = DeviceKeys()

  public init() {}
  init(_ keys: DeviceKeys) { self.keys = keys }

  public static let documentation = "The device at each cross point."
  /// The presets that lie in the data folders.
  public static let presets = DevicePresets.shipped.presets.map {
    Preset($0.name, DeviceConfiguration($0.file.device))
  }
  public static let fields: [Field<DeviceConfiguration>] =
    [.preset(\.preset, "Defaults of a named device (`simengine list devices`).")]
    + DeviceKeys.fields.map { $0.inside(\.keys) }

  public mutating func check(_ report: inout Report) { keys.check(&report) }

  /// What the keys say, without what their files hold.
  public var device: Device { keys.device }

  /// The device with its measured curves, levels and fault map.
  /// - Parameter resolve: makes a path of the configuration one of the process.
  /// - Throws: `InputProblem`
  public func loaded(resolve: (String) -> String) throws -> Device { try DeviceFiles.load(keys, resolve: resolve) }
}

/// The keys of a device, as a configuration or a preset's file gives them.
public struct DeviceKeys: Configurable {
  public var device = Device()
  var family: any StepFamily = TxSimFamily()
  var pulseCurve: PulseCurveFiles?
  var conductanceTable: String?
  var faultMap: String?

  public init() {}

  public static let documentation = "A resistive device; x is its conductance state, 0 at G_min and 1 at G_max."
  public static let fields: [Field<DeviceKeys>] = [
    Field(
      "onResistance", \.device.onResistance, .number(1...1e12, unit: "ohm", usual: 1e3...1e8),
      "Resistance of a device in its most conducting state."),
    Field(
      "offResistance", \.device.offResistance, .number(1...1e12, unit: "ohm", usual: 1e3...1e10),
      "Resistance of a device in its least conducting state."),
    Field(
      "family", \.family, stepFamilyCodec,
      "How the step of a pulse depends on the state; another than txsim has its parameters in an object."),
    Field(
      "pulseCurve", \.pulseCurve, .optional(PulseCurveFiles.codec),
      "Measured pulse response, a CSV file with columns pulses, conductance up, conductance down (siemens), or an object "
        + "with a file for each direction. Takes the place of family, pulseStep, onResistance and offResistance.",
      example: "curve.csv"),
    Field(
      "pulseStep", \.device.pulseStep, .number(.above(0, through: 1), usual: 1e-5...0.3),
      "Change of x by one pulse where the family's relative step is 1."),
    Field(
      "updateNonlinearity", \.device.updateNonlinearity, .number(0...20),
      "ν of the family txsim: Δx ∝ e^(−ν·x) up, e^(−ν·(1−x)) down; 0 is a linear device."),
    Field(
      "asymmetry", \.device.asymmetry, .number(-1...1),
      "β: the step up is (1 + β) times, the step down (1 − β) times what the family says."),
    Field(
      "updateNoise", \.device.updateNoise, .number(0...100),
      "Cycle to cycle: standard deviation of one pulse's change, relative to pulseStep."),
    Field(
      "updateNoiseOf", \.noiseOf, .choice,
      "What updateNoise is relative to: pulseStep, or the step at the present state (multiplicative noise)."),
    Field(
      "writeNoise", \.device.writeNoise, .number(0...1),
      "Standard deviation, in x, of what a device shows about its persistent state, drawn anew at each update."),
    Field(
      "variation", \.device.variation, .number(0...1),
      "Device-to-device spread of conductance, relative standard deviation; fixed by the chip's seed."),
    Field(
      "stepVariation", \.device.stepVariation, .number(0...10),
      "Device-to-device spread of the step, relative standard deviation; of its logarithm if log-normal."),
    Field("stepDistribution", \.stepDistribution, .choice, "How the step is distributed over the devices."),
    Field(
      "asymmetryVariation", \.device.asymmetryVariation, .number(0...10),
      "Device-to-device spread of the imbalance β, standard deviation."),
    Field(
      "boundVariation", \.boundVariation,
      .either(
        .form(.number(0...10), { BoundVariation($0, $0) }) { $0.lower == $0.upper ? $0.lower : nil },
        .form(.object(), { $0 }) { $0 }),
      "Device-to-device spread of the bounds of x, standard deviation: a number, or an object with lower and upper."),
    Field(
      "programmingNoise", \.programmingNoise,
      .either(
        .form(.number(0...1), { [$0] }) { $0.count == 1 ? $0[0] : nil },
        .form(.list(of: .number(-100...100), count: 1...8), { $0 }) { $0 }),
      "Standard deviation of a programming event as a fraction of the range: a number, or the coefficients of 1, x, x², … "
        + "where it depends on the state."),
    Field(
      "levels", \.device.levels,
      .either(.word("continuous", 0), .form(.integer(2...65536), { $0 }) { $0 == 0 ? nil : $0 }),
      "Conductance levels that programming can reach, evenly spaced."),
    Field(
      "conductanceTable", \.conductanceTable, .optional(.text),
      "Measured levels that programming can reach, a CSV file with columns conductance and, if known, standard deviation "
        + "(siemens). Takes the place of levels and programmingNoise, and without a pulseCurve of the resistances.",
      example: "levels.csv"),
    Field(
      "writeVerify", \.writeVerify, .optional(.object()),
      "Programming reads back and repeats; without it, it is open-loop."),
    Field("faults", \.faults, .object(), "Devices that do not move, as fractions of all or by a map."),
    Field("readNoise", \.readNoise, .object(), "Noise of every read."),
    Field("drift", \.drift, .optional(.object()), "Power-law drift of the conductance after programming."),
    Field("retention", \.retention, .optional(.object()), "Exponential loss of the state."),
  ]

  public mutating func check(_ report: inout Report) {
    device.law = family.law(pulseStep: device.pulseStep)
    if device.law != nil, device.updateNonlinearity != 0 {
      report.error(
        "ν means something to the family txsim only", at: "updateNonlinearity", hint: "set it to 0, or leave it out")
    }
    for problem in device.problems {
      if problem.key == "onResistance", device.onResistance >= device.offResistance {
        report.error(
          "\(inWords(device.onResistance)) ohm is not below offResistance, \(inWords(device.offResistance)) ohm",
          at: "onResistance", hint: "the on state is the conducting one")
        continue
      }
      // The place says which key it is.
      let name = problem.key.split(separator: ".").last.map(String.init) ?? ""
      var sentence = problem.sentence
      for prefix in [problem.key, name] where sentence.hasPrefix(prefix + " is ") {
        sentence = "found " + sentence.dropFirst(prefix.count + 4)
      }
      report.error(sentence, at: problem.key)
    }
  }

  // MARK: Views of the device as keys write it

  enum NoiseOf: String, CaseIterable, Sendable { case pulseStep = "pulse-step", localStep = "local-step" }
  enum Distribution: String, CaseIterable, Sendable { case normal, logNormal = "log-normal" }

  var noiseOf: NoiseOf {
    get { device.noiseFollowsStep ? .localStep : .pulseStep }
    set { device.noiseFollowsStep = newValue == .localStep }
  }
  var stepDistribution: Distribution {
    get { device.stepIsLogNormal ? .logNormal : .normal }
    set { device.stepIsLogNormal = newValue == .logNormal }
  }
  var boundVariation: BoundVariation {
    get { BoundVariation(device.lowerBoundVariation, device.upperBoundVariation) }
    set { (device.lowerBoundVariation, device.upperBoundVariation) = (newValue.lower, newValue.upper) }
  }
  var programmingNoise: [Double] {
    get { [device.programmingNoise] + device.programmingNoiseTerms }
    set { (device.programmingNoise, device.programmingNoiseTerms) = (newValue[0], Array(newValue.dropFirst())) }
  }
  var writeVerify: WriteVerifyConfiguration? {
    get { device.writeVerify.map(WriteVerifyConfiguration.init) }
    set { device.writeVerify = newValue?.value }
  }
  var faults: FaultsConfiguration {
    get { FaultsConfiguration(faults: device.faults, map: faultMap) }
    set { (device.faults, faultMap) = (newValue.faults, newValue.map) }
  }
  var readNoise: ReadNoiseConfiguration {
    get { ReadNoiseConfiguration(device.readNoise) }
    set { device.readNoise = newValue.value }
  }
  var drift: DriftConfiguration? {
    get { device.drift.map(DriftConfiguration.init) }
    set { device.drift = newValue?.value }
  }
  var retention: RetentionConfiguration? {
    get { device.retention.map(RetentionConfiguration.init) }
    set { device.retention = newValue?.value }
  }
}

struct BoundVariation: Configurable, Equatable {
  var lower = 0.0
  var upper = 0.0
  init() {}
  init(_ lower: Double, _ upper: Double) { (self.lower, self.upper) = (lower, upper) }

  static let documentation = "Spread of the bounds of x."
  static let fields: [Field<BoundVariation>] = [
    Field("lower", \.lower, .number(0...10), "Standard deviation of the lower bound, in x."),
    Field("upper", \.upper, .number(0...10), "Standard deviation of the upper bound, in x."),
  ]
}

struct WriteVerifyConfiguration: Configurable {
  var value = Device.WriteVerify()
  init() {}
  init(_ value: Device.WriteVerify) { self.value = value }

  static let documentation = "Write, read back, write again until the state is near enough."
  static let fields: [Field<WriteVerifyConfiguration>] = [
    Field(
      "tolerance", \.value.tolerance, .number(.above(0, through: 1)),
      "|x − target| that is near enough, as a fraction of the range."),
    Field("maxIterations", \.value.maxIterations, .integer(1...32_767), "Programming events after which it gives up."),
  ]
}

struct FaultsConfiguration: Configurable {
  var faults = Device.Faults()
  var map: String?
  init() {}
  init(faults: Device.Faults, map: String?) { (self.faults, self.map) = (faults, map) }

  static let documentation = "Devices that do not move."
  static let fields: [Field<FaultsConfiguration>] = [
    Field("stuckOn", \.faults.stuckOn, .number(0...1), "Fraction of devices held at G_max (x = 1)."),
    Field("stuckOff", \.faults.stuckOff, .number(0...1), "Fraction of devices held at G_min (x = 0)."),
    Field("open", \.faults.open, .number(0...1), "Fraction of devices without a connection (G = 0)."),
    Field(
      "map", \.map, .optional(.text),
      "An .npy file of 0 (works), 1 (stuck on), 2 (stuck off), 3 (open): [outputs, inputs] of the layer's array, or "
        + "[planes, outputs, inputs]; fractions are drawn among the devices that work.", example: "faults.npy"),
  ]
}

struct ReadNoiseConfiguration: Configurable {
  var value = ReadNoise()
  init() {}
  init(_ value: ReadNoise) { self.value = value }

  var telegraph: TelegraphConfiguration? {
    get { value.telegraph.map(TelegraphConfiguration.init) }
    set { value.telegraph = newValue?.value }
  }

  static let documentation = "Noise of reads: thermal, 1/f, telegraph; each is off at its default."
  static let fields: [Field<ReadNoiseConfiguration>] = [
    Field("temperature", \.value.temperature, .number(0...2000, unit: "kelvin", usual: 77...500), "For thermal noise."),
    Field(
      "bandwidth", \.value.bandwidth, .number(0...1e15, unit: "hertz", usual: 1e3...1e10),
      "B of the sense amplifier; thermal noise has a variance of 4kTB·ΣG on a bit line. 0 turns it off."),
    Field(
      "flicker", \.value.flicker, .number(0...1),
      "K of 1/f noise, S_G/G² = K/f: a device reads with a relative deviation √(K·ln(highFrequency/lowFrequency))."),
    Field(
      "flickerExponent", \.value.flickerExponent, .number(0...4),
      "η: the relative deviation goes as (G/G_max)^−η."),
    Field("flickerLimit", \.value.flickerLimit, .number(0...1), "Largest relative deviation by 1/f noise."),
    Field(
      "lowFrequency", \.value.lowFrequency, .number(.above(0, through: 1e15), unit: "hertz"),
      "Lower end of the 1/f band: the inverse of the time over which a read is compared."),
    Field(
      "highFrequency", \.value.highFrequency, .number(.above(0, through: 1e15), unit: "hertz"),
      "Upper end of the 1/f band: about half the inverse of a read's duration."),
    Field("telegraph", \.telegraph, .optional(.object()), "Random telegraph noise."),
  ]
}

struct TelegraphConfiguration: Configurable {
  var value = ReadNoise.Telegraph(amplitude: 0.1)
  init() {}
  init(_ value: ReadNoise.Telegraph) { self.value = value }

  static let documentation = "Traps that are full or empty, drawn anew for every epoch of reads."
  static let fields: [Field<TelegraphConfiguration>] = [
    Field("fraction", \.value.fraction, .number(0...1), "Fraction of devices that have a trap."),
    Field(
      "amplitude", \.value.amplitude, .number(0...1), "ΔG/G while the trap is full: it reads G·(1 − amplitude).",
      required: true),
    Field("occupancy", \.value.occupancy, .number(0...1), "Probability that the trap is full."),
  ]
}

struct DriftConfiguration: Configurable {
  var value = Device.Drift(exponent: .init(0.05))
  init() {}
  init(_ value: Device.Drift) { self.value = value }

  static let documentation = "G(t) = G·((t + t₀)/t₀)^(−ν)."
  static let fields: [Field<DriftConfiguration>] = [
    Field(
      "exponent", \.value.exponent, coefficient,
      "Mean of ν; an object where it depends on the state: value + slope·ln(G/G_max) within limits.", required: true),
    Field("variation", \.value.variation, coefficient, "Standard deviation of ν from device to device, likewise."),
    Field(
      "referenceTime", \.value.referenceTime, .number(.above(0, through: 1e12), unit: "second", usual: 1e-9...1e4),
      "t₀: when, after programming, the conductances were what they were programmed to."),
  ]

  private static let coefficient = Codec<Device.Drift.Coefficient>.either(
    .form(.number(-1...1), { Device.Drift.Coefficient($0) }) { $0.slope == 0 ? $0.value : nil },
    .form(.object(), { (c: CoefficientConfiguration) in c.coefficient }) { CoefficientConfiguration($0) })
}

struct CoefficientConfiguration: Configurable {
  var value = 0.0
  var slope = 0.0
  var least = 0.0
  var most = 1.0
  init() {}
  init(_ c: Device.Drift.Coefficient) {
    (value, slope, least, most) = (c.value, c.slope, c.limits.lowerBound, c.limits.upperBound)
  }
  var coefficient: Device.Drift.Coefficient {
    Device.Drift.Coefficient(value, slope: slope, limits: least...max(least, most))
  }

  static let documentation = "value + slope·ln(G/G_max), within least … most."
  static let fields: [Field<CoefficientConfiguration>] = [
    Field("value", \.value, .number(-10...10), "At G_max.", required: true),
    Field("slope", \.slope, .number(-10...10), "By the natural logarithm of G/G_max."),
    Field("least", \.least, .number(-10...10), "Not below this."),
    Field("most", \.most, .number(-10...10), "Not above this."),
  ]

  mutating func check(_ report: inout Report) {
    if least > most { report.error("\(inWords(least)) is above most, \(inWords(most))", at: "least") }
  }
}

struct RetentionConfiguration: Configurable {
  var value = Device.Retention(timeConstant: 1)
  init() {}
  init(_ value: Device.Retention) { self.value = value }

  static let documentation = "x relaxes to a resting state as e^(−t/τ)."
  static let fields: [Field<RetentionConfiguration>] = [
    Field(
      "timeConstant", \.value.timeConstant, .number(.above(0, through: 1e30), unit: "second"), "τ.", required: true),
    Field("restingState", \.value.restingState, .number(0...1), "The state that is left in the end."),
  ]
}
