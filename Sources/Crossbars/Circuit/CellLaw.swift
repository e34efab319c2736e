import LinearAlgebra

/// The current through a cell against the voltage across it, from word line to bit line.
///
/// ```
///   linear, sinh           transistor                      selector
///
///   word ●──[G]──○ bit     word ●──[FET]──[G]──○ bit      word ●──[selector]──[G]──○ bit
/// ```
///
/// G is the cell's entry of the conductance matrix. All laws are odd, grow with the voltage and pass through the
/// origin, so that a circuit of them has one operating point, and no node of it leaves the range of its sources and
/// ground (R. J. Duffin, Bull. Am. Math. Soc. 53, 963, 1947).
public enum CellLaw: Sendable, Equatable {
  /// I = G·V.
  case linear
  /// I = G·V₀·sinh(V/V₀); G is the conductance at low voltage. `voltage`: V₀ in volt. Tunnelling through the gap of a
  /// filament, as in X. Guan, S. Yu and H.-S. P. Wong, IEEE Electron Device Lett. 33, 1405 (2012).
  case sinh(voltage: Double)
  /// A transistor in series.
  case transistor(AccessTransistor)
  /// A selector in series.
  case selector(Selector)

  /// An n-channel transistor by the square law (H. Shichman and D. A. Hodges, IEEE J. Solid-State Circuits 3, 285, 1968)
  /// without channel-length modulation. With x its drain–source voltage and W = V_GS − V_T:
  ///
  ///     I = β·(W·x − x²/2)   up to x = W,   then   I = β·W²/2;       reversed: −I(−x)
  ///
  /// V_GS stays what it is as the source moves. Defaults: the 0.5 µm model NMOS0P5 of A. S. Sedra and K. C. Smith,
  /// Microelectronic Circuits, 5th ed.: β = µ·C_ox = 460 cm²/(V·s) · 3.45e-11 F/m / 9.5 nm at W/L = 1; 3.3 V logic.
  public struct AccessTransistor: Sendable, Equatable {
    /// β, A/V².
    public var transconductance: Double
    /// V_GS, volt.
    public var gateVoltage: Double
    /// V_T, volt.
    public var thresholdVoltage: Double

    public init(transconductance: Double = 1.67e-4, gateVoltage: Double = 3.3, thresholdVoltage: Double = 0.7) {
      self.transconductance = transconductance
      self.gateVoltage = gateVoltage
      self.thresholdVoltage = thresholdVoltage
    }

    /// W, volt; 0 where the transistor is off.
    var overdrive: Double { max(0, gateVoltage - thresholdVoltage) }
    /// The current in saturation, ampere.
    public var saturationCurrent: Double { 0.5 * transconductance * overdrive * overdrive }
  }

  /// I = I_s·sinh(x/V_s), x the voltage across the selector: ohmic below V_s, then a decade for each V_s·ln 10.
  ///
  /// Defaults: a copper-ion mixed-conduction selector (R. S. Shenoy et al., Semicond. Sci. Technol. 29, 104005, 2014):
  /// 85 mV a decade, 10 nA at ±0.77 V (a voltage margin of 1.54 V). Such cells are read near 1 V: at 0.25 V it is off.
  public struct Selector: Sendable, Equatable {
    /// I_s, ampere.
    public var current: Double
    /// V_s, volt.
    public var voltage: Double

    public init(current: Double = 1.8e-17, voltage: Double = 0.0369) {
      self.current = current
      self.voltage = voltage
    }
  }

  /// The law's name, as a configuration has it.
  public var name: String {
    switch self {
    case .linear: "linear"
    case .sinh: "sinh"
    case .transistor: "transistor"
    case .selector: "selector"
    }
  }

  /// - Throws: `CircuitError` naming the first parameter that means nothing.
  public func validate() throws {
    func require(_ name: String, _ value: Double, _ range: ClosedRange<Double>, _ unit: String) throws {
      guard range.contains(value) else {
        throw CircuitError(
          "\(name) of the \(self.name) cell is \(value) \(unit); expected \(range.lowerBound) to \(range.upperBound)")
      }
    }
    switch self {
    case .linear: break
    case .sinh(let voltage): try require("voltage", voltage, 1e-6...1e6, "V")
    case .transistor(let t):
      try require("transconductance", t.transconductance, 1e-30...1e30, "A/V²")
      try require("gateVoltage", t.gateVoltage, -1e6...1e6, "V")
      try require("thresholdVoltage", t.thresholdVoltage, -1e6...1e6, "V")
    case .selector(let s):
      try require("current", s.current, 1e-100...1e6, "A")
      try require("voltage", s.voltage, 1e-6...1e6, "V")
    }
  }

  /// Current (ampere) and its derivative (siemens) at a voltage.
  ///
  /// - Parameters:
  ///   - conductance: G, siemens, not negative. An infinite one leaves the series element alone; for `linear` and `sinh`
  ///     it is a tie of the two lines, which has no law.
  ///   - voltage: across the cell, volt.
  public func evaluate(conductance g: Double, voltage u: Double) -> (current: Double, slope: Double) {
    guard g > 0 else { return (0, 0) }
    switch self {
    case .linear: return (g * u, g)
    case .sinh(let scale):
      let s = Elementary.sinh(u / scale)
      return (g * scale * s, g * (1 + s * s).squareRoot())
    case .transistor(let t): return t.evaluate(g, u)
    case .selector(let s): return s.evaluate(g, u)
    }
  }

  /// Whether a cell of infinite conductance ties its lines together.
  var infinityIsShort: Bool {
    switch self {
    case .linear, .sinh: true
    case .transistor, .selector: false
    }
  }
}

extension CellLaw.AccessTransistor {
  /// In the triode region β·(W·x − x²/2) = G·(|u| − x) is a quadratic in x, here without cancellation; the boundary
  /// x = W is reached at |u| = W + I_sat/G.
  fileprivate func evaluate(_ g: Double, _ u: Double) -> (current: Double, slope: Double) {
    let (w, b) = (overdrive, transconductance)
    guard w > 0 else { return (0, 0) }
    let v = u.magnitude
    let sign = u < 0 ? -1.0 : 1.0
    let most = saturationCurrent
    // One formula for G = ∞ as well, in terms of 1/G.
    let r = 1 / g
    guard v < w + most * r else { return (sign * most, 0) }
    let half = 1 + b * w * r
    let x = 2 * v / (half + max(0, half * half - 2 * b * r * v).squareRoot())
    let own = b * max(0, w - x)
    return (sign * b * x * (w - 0.5 * x), own / (1 + own * r))
  }
}

extension CellLaw.Selector {
  /// G·(|u| − x) = I_s·sinh(x/V_s): Newton's method from above, where it comes down monotonically because the right side
  /// is convex and the left straight; a step of h leaves some h²/V_s.
  fileprivate func evaluate(_ g: Double, _ u: Double) -> (current: Double, slope: Double) {
    let v = u.magnitude
    let r = 1 / g
    // Without the resistor all of v is across the selector, and with it the current is below G·v.
    var x = r > 0 ? min(v, voltage * Elementary.asinh(v / (r * current))) : v
    var s = Elementary.sinh(x / voltage)
    var own = current / voltage * (1 + s * s).squareRoot()
    if r > 0 {
      for _ in 0..<60 {
        let step = (x + r * current * s - v) / (1 + r * own)
        x -= step
        s = Elementary.sinh(x / voltage)
        own = current / voltage * (1 + s * s).squareRoot()
        if step.magnitude <= 1e-9 * voltage { break }
      }
    }
    let slope = own.isFinite ? own / (1 + own * r) : g
    // Either branch gives the current; the one with the smaller slope is the less sensitive to x.
    let i = own * r <= 1 ? current * s : (v - x) / r
    return (u < 0 ? -i : i, slope)
  }
}
