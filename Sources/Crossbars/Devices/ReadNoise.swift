import LinearAlgebra

/// Noise of a read, whose sources add up. All are off at 0.
///
///     thermal    variance of a bit line's current 4·k·T·B·Σ_i G_i, A² (Johnson and Nyquist)
///     flicker    each device's conductance by a factor 1 + σ·N(0,1) per read, σ² = K·ln(f_high/f_low)·(G/G_max)^(−2η)
///     telegraph  a device of those that are affected reads G·(1 − amplitude) in the share `occupancy` of epochs
public struct ReadNoise: Equatable, Sendable {
  /// T, kelvin.
  public var temperature = 300.0
  /// B, hertz: bandwidth of the sense amplifier; 0 turns thermal noise off.
  public var bandwidth = 0.0
  /// K of flicker noise: S_G/G² = K/f (Hooge's α/N), no unit; 0 turns it off.
  public var flicker = 0.0
  /// η: how the relative noise grows towards small conductances; 0 is not at all, ½ is Hooge's law, where S_G/G² goes as
  /// the inverse of the number of carriers.
  public var flickerExponent = 0.0
  /// The largest σ that flicker noise may have, relative.
  public var flickerLimit = 1.0
  /// The band over which flicker noise is collected, hertz: from the inverse of the time since calibration to the
  /// bandwidth of the read.
  public var lowFrequency = 1.0
  public var highFrequency = 1e6
  public var telegraph: Telegraph?

  public init() {}

  /// Random telegraph noise: a trap beside the filament, full or empty.
  public struct Telegraph: Equatable, Sendable {
    /// Share of devices that have a trap.
    public var fraction: Double
    /// ΔG/G while the trap is full.
    public var amplitude: Double
    /// Probability of finding the trap full.
    public var occupancy: Double
    public init(fraction: Double = 1, amplitude: Double, occupancy: Double = 0.5) {
      self.fraction = fraction
      self.amplitude = amplitude
      self.occupancy = occupancy
    }
  }

  /// Boltzmann's constant, joule per kelvin (exact since 2019).
  public static let boltzmann = 1.380649e-23

  /// σ of the current of a bit line, ampere.
  /// - Parameter conductance: Σ_i G_i of its cells, siemens.
  public func thermalDeviation(conductance: Double) -> Double {
    (4 * Self.boltzmann * temperature * bandwidth * conductance).squareRoot()
  }

  /// σ of the conductance from read to read, relative, of a device at G_max; of every device where η is 0.
  public var flickerDeviation: Double { flickerDeviation(at: 1) }

  /// The same of a device anywhere.
  /// - Parameter relativeConductance: G/G_max of the device.
  public func flickerDeviation(at relativeConductance: Double) -> Double {
    guard flicker > 0 else { return 0 }
    let band = (flicker * Elementary.log(highFrequency / lowFrequency)).squareRoot()
    if flickerExponent == 0 { return min(flickerLimit, band) }
    return min(flickerLimit, band * Elementary.pow(max(relativeConductance, 1e-7), -flickerExponent))
  }

  public var isEmpty: Bool { bandwidth == 0 && flicker == 0 && telegraph == nil }
}
