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
