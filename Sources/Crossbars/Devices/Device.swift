import LinearAlgebra

/// A resistive device at a cross point, by its conductance state x = (G − G_min)/(G_max − G_min), nominally 0…1.
///
/// One update of n pulses (n real or whole) moves x by n·p·f(u) in its direction, f the `law`, plus a Gaussian of
/// standard deviation updateNoise·p·√n (or, with `noiseFollowsStep`, updateNoise times the local step times √n).
/// Without a law it is the project's pinned form of TxSim's asymmetric non-linearity and write noise (arXiv 2002.11151):
///
///     up:   Δx = +n·p·e^(−ν·x)        down: Δx = −n·p·e^(−ν·(1−x))
///
/// The defaults are an ideal device but for its resistances and the size of its step.
public struct Device: Equatable, Sendable {
  /// R_on = 1/G_max, ohm.
  public var onResistance: Double
  /// R_off = 1/G_min, ohm.
  public var offResistance: Double

  // MARK: Pulses

  /// p: change of x by one pulse where the law is 1 (in TxSim's form at the bound that is left).
  public var pulseStep: Double
  /// ν of TxSim's form; 0 is a linear device. Means nothing beside a `law`.
  public var updateNonlinearity: Double
  /// Another family than TxSim's form.
  public var law: StepLaw?
  /// β: systematic imbalance of the directions; the step up is (1 + β)·p, down (1 − β)·p.
  public var asymmetry = 0.0
  /// Cycle to cycle: σ of one pulse's change, relative to p.
  public var updateNoise: Double
  /// `updateNoise` is relative to the step at the present state (multiplicative noise) instead of to p.
  public var noiseFollowsStep = false
  /// σ, in x, of what a device shows about its persistent state; drawn anew whenever pulses reach it. The next pulses
  /// start from the persistent state.
  public var writeNoise = 0.0

  // MARK: From device to device

  /// σ of the spread of conductance, relative; fixed by the chip's seed, cut at 3σ and never below a hundredth of the
  /// nominal conductance.
  public var variation: Double
  /// σ of the step, relative (normal, cut at 3σ and at a hundredth) or of its logarithm.
  public var stepVariation = 0.0
  /// The step of devices is distributed log-normally with a median of 1 (and never cut).
  public var stepIsLogNormal = false
  /// σ of the imbalance β between the directions.
  public var asymmetryVariation = 0.0
  /// σ, in x, of the lower and of the upper bound of a device; cut at 3σ.
  public var lowerBoundVariation = 0.0
  public var upperBoundVariation = 0.0
  public var faults = Faults()

  // MARK: Programming

  /// σ of a programming event, as a fraction of the range; with `programmingNoiseTerms` at x = 0.
  public var programmingNoise: Double
  /// c₁, c₂, … where the noise depends on the state: σ(x) = programmingNoise + c₁·x + c₂·x² + …, not below 0.
  public var programmingNoiseTerms: [Double] = []
  /// Number of levels that programming can reach; 0 means any. Pulses move between levels.
  public var levels: Int
  /// Measured levels that programming can reach, in order of x, each with its own σ; takes the place of `levels` and
  /// `programmingNoise`.
  public var levelTable: [Level] = []
  /// Programming that reads back and repeats; nil is open-loop.
  public var writeVerify: WriteVerify?

  // MARK: Time and reads

  public var drift: Drift?
  public var retention: Retention?
  public var readNoise = ReadNoise()

  public init(
    onResistance: Double = 1e5, offResistance: Double = 1e6, pulseStep: Double = 1e-3, updateNonlinearity: Double = 0,
    updateNoise: Double = 0, programmingNoise: Double = 0, levels: Int = 0, variation: Double = 0,
    law: StepLaw? = nil
  ) {
    self.onResistance = onResistance
    self.offResistance = offResistance
    self.pulseStep = pulseStep
    self.updateNonlinearity = updateNonlinearity
    self.updateNoise = updateNoise
    self.programmingNoise = programmingNoise
    self.levels = levels
    self.variation = variation
    self.law = law
  }

  /// G_max − G_min, siemens.
  public var conductanceRange: Double { 1 / onResistance - 1 / offResistance }
  /// G_min / (G_max − G_min): G = (x + floor)·(G_max − G_min), and x = −floor is an open cell.
  public var floor: Double { 1 / offResistance / conductanceRange }
  /// σ of a programming event that aims at x, as a fraction of the range.
  public func programmingDeviation(at x: Double) -> Double {
    guard !programmingNoiseTerms.isEmpty else { return programmingNoise }
    return max(0, programmingNoise + x * programmingNoiseTerms.reversed().reduce(0) { $0 * x + $1 })
  }

  /// The law in force.
  public var stepLaw: StepLaw { law ?? .txsim(nonlinearity: updateNonlinearity) }

  /// A programmable conductance level.
  public struct Level: Equatable, Sendable {
    public var x: Double
    /// Standard deviation of a programming event, in x.
    public var sigma: Double
    public init(x: Double, sigma: Double) { (self.x, self.sigma) = (x, sigma) }
  }

  /// Programming in a loop: write, read back, write again until |x − target| ≤ tolerance.
  public struct WriteVerify: Equatable, Sendable {
    /// As a fraction of the range.
    public var tolerance: Double
    public var maxIterations: Int
    public init(tolerance: Double = 0.01, maxIterations: Int = 20) {
      self.tolerance = tolerance
      self.maxIterations = maxIterations
    }
  }

  /// Devices that no longer move, as fractions of all (drawn from the chip's seed) or as a map.
  public struct Faults: Equatable, Sendable {
    /// Held at x = 1, at x = 0, or without a connection (G = 0).
    public var stuckOn = 0.0
    public var stuckOff = 0.0
    public var open = 0.0
    /// Devices that are given one by one, before any is drawn.
    public var map: FaultMap?
    public init(stuckOn: Double = 0, stuckOff: Double = 0, open: Double = 0, map: FaultMap? = nil) {
      (self.stuckOn, self.stuckOff, self.open, self.map) = (stuckOn, stuckOff, open, map)
    }
    public var isEmpty: Bool { stuckOn == 0 && stuckOff == 0 && open == 0 && map == nil }
  }

  /// Power-law drift: t seconds after programming G(t) = G·((t + t₀)/t₀)^(−ν); structural relaxation of phase-change
  /// memory (Ielmini et al., IEEE Trans. Electron Devices 54, 2007). ν differs from device to device.
  ///
  /// Mean and deviation of ν may depend on the state, as fitted for phase-change memory by Joshi et al. (Nat. Commun. 11,
  /// 2473, 2020) and Nandakumar et al. (ICECS 2019): value + slope·ln(G/G_max), within limits.
  public struct Drift: Equatable, Sendable {
    /// A number that depends on the logarithm of a device's conductance.
    public struct Coefficient: Equatable, Sendable {
      /// At G_max.
      public var value: Double
      public var slope: Double
      public var limits: ClosedRange<Double>
      public init(_ value: Double, slope: Double = 0, limits: ClosedRange<Double> = 0...1) {
        (self.value, self.slope, self.limits) = (value, slope, limits)
      }
      /// - Parameter relativeConductance: G/G_max.
      public func at(_ relativeConductance: Double) -> Double {
        if slope == 0 { return value }
        let raw = value + slope * Elementary.log(max(relativeConductance, 1e-7))
        return min(limits.upperBound, max(limits.lowerBound, raw))
      }
    }
    /// Mean of ν.
    public var exponent: Coefficient
    /// σ of ν from device to device; draws are cut at 3σ, and ν at 0.
    public var variation: Coefficient
    /// t₀, seconds: the time at which conductances were programmed and read.
    public var referenceTime: Double
    public init(exponent: Coefficient, variation: Coefficient = Coefficient(0), referenceTime: Double = 20) {
      self.exponent = exponent
      self.variation = variation
      self.referenceTime = referenceTime
    }
  }

  /// Loss of state: x relaxes to `restingState` as e^(−t/τ).
  public struct Retention: Equatable, Sendable {
    /// τ, seconds.
    public var timeConstant: Double
    public var restingState: Double
    public init(timeConstant: Double, restingState: Double = 0) {
      self.timeConstant = timeConstant
      self.restingState = restingState
    }
  }
}

/// What a device is not able to do.
public enum Fault: UInt8, Sendable, CaseIterable {
  case none = 0
  /// x = 1 for ever.
  case stuckOn = 1
  /// x = 0 for ever.
  case stuckOff = 2
  /// No connection: G = 0.
  case open = 3
}

/// Faults of a layer's devices one by one: [outputs, inputs] (the same on every plane of devices) or
/// [planes, outputs, inputs].
public struct FaultMap: Equatable, Sendable {
  public let shape: [Int]
  public let faults: [Fault]

  /// - Precondition: `faults.count` is the product of `shape`.
  public init(shape: [Int], faults: [Fault]) {
    precondition(faults.count == shape.reduce(1, *))
    self.shape = shape
    self.faults = faults
  }

  /// The faults of one plane of devices.
  /// - Throws: `CircuitError` if the map is of another shape.
  public func plane(_ plane: Int, outputs: Int, inputs: Int) throws -> [Fault] {
    let n = outputs * inputs
    if shape == [outputs, inputs] { return faults }
    guard shape.count == 3, shape[1] == outputs, shape[2] == inputs, plane < shape[0] else {
      throw CircuitError(
        "the fault map has shape \(shape); expected [\(outputs), \(inputs)], or [planes, \(outputs), \(inputs)] with at "
          + "least \(plane + 1) planes of devices (give each layer its own map under hardware.layers)")
    }
    return Array(faults[plane * n..<(plane + 1) * n])
  }
}
