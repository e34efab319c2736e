import LinearAlgebra

/// How much one pulse changes the state x of a device: Δx = ±p·f(u), p the device's `pulseStep`.
///
///     u = 0 ──────────── f(u) ───────────▶ u = 1        up:   u = (x − l)/(h − l)
///     the bound that is left     the bound ahead        down: u = (h − x)/(h − l)
///
/// l and h are the device's own bounds, 0 and 1 but for variation: a law is stretched over the range that a device has.
/// f is cut at 0: a pulse never moves a device the wrong way. Four closed forms cover the families of the field, up and
/// down with coefficients of their own.
public enum StepLaw: Equatable, Sendable {
  /// f = a + b·u
  case linear(up: Line, down: Line)
  /// f = a + b·e^(c·u)
  case exponential(up: Exponential, down: Exponential)
  /// f = b·(1 − u)^c
  case power(up: Power, down: Power)
  /// f by straight lines between nodes, in order of u, level before the first and after the last.
  case piecewise(up: [Node], down: [Node])

  public struct Line: Equatable, Sendable {
    public var a: Double
    public var b: Double
    public init(a: Double, b: Double) { (self.a, self.b) = (a, b) }
  }
  public struct Exponential: Equatable, Sendable {
    public var a: Double
    public var b: Double
    public var c: Double
    public init(a: Double, b: Double, c: Double) { (self.a, self.b, self.c) = (a, b, c) }
  }
  public struct Power: Equatable, Sendable {
    public var b: Double
    public var c: Double
    public init(b: Double, c: Double) { (self.b, self.c) = (b, c) }
  }
  public struct Node: Equatable, Sendable {
    public var u: Double
    public var f: Double
    public init(u: Double, f: Double) { (self.u, self.f) = (u, f) }
  }

  // MARK: Families

  /// The same step everywhere (AIHWKit's ConstantStep).
  public static let constantStep = StepLaw.linear(up: Line(a: 1, b: 0), down: Line(a: 1, b: 0))

  /// The project's pinned form of TxSim's asymmetric non-linearity (arXiv 2002.11151): up e^(−νx), down e^(−ν(1−x)).
  /// p is the step at the bound that is left.
  public static func txsim(nonlinearity: Double) -> StepLaw {
    let way = Exponential(a: 0, b: 1, c: -nonlinearity)
    return .exponential(up: way, down: way)
  }

  /// AIHWKit's LinearStep: with w = 0 at x = z, up 1 − γ⁺·w/w_max, down 1 − γ⁻·w/w_min. p is the step at z.
  ///
  /// - Parameter zeroState: z = −w_min/(w_max − w_min)
  public static func linearStep(gammaUp: Double, gammaDown: Double, zeroState z: Double = 0.5) -> StepLaw {
    // w/w_max = (x − z)/(1 − z) with x = u up; w/w_min = (z − x)/z with x = 1 − u down.
    .linear(
      up: Line(a: 1 + gammaUp * z / (1 - z), b: -gammaUp / (1 - z)),
      down: Line(a: 1 + gammaDown * (1 - z) / z, b: -gammaDown / z))
  }

  /// Steps that vanish at the bound ahead: LinearStep with γ = 1 (AIHWKit's SoftBounds). A reference device
  /// (SoftBoundsReference: w is read against a conductance r) is a zero state off the middle.
  public static func softBounds(zeroState: Double = 0.5) -> StepLaw {
    linearStep(gammaUp: 1, gammaDown: 1, zeroState: zeroState)
  }

  /// NeuroSim's exponential pulse response (Chen, Peng and Yu, IEDM 2017): P pulses from the least conductance give
  ///
  ///     G(P) = B·(1 − e^(−P/A)) + G_min,   B = (G_max − G_min)/(1 − e^(−P_max/A))
  ///
  /// and P pulses from the largest the same downwards, with an A of its own. In x, with β = 1/(1 − e^(−P_max/A)):
  /// x(P) = β·(1 − e^(−P/A)), so that x(P+1) − x(P) = β·e^(−P/A)·(1 − e^(−1/A)) = (β − x)·(1 − e^(−1/A)). That is linear
  /// in x: a soft bound that lies beyond the range. p = 1/P_max, the mean step.
  ///
  /// - Parameters:
  ///   - up, down: A/P_max; small is strongly non-linear, infinite is linear, negative grows towards the bound.
  ///   - pulses: P_max
  public static func neuroSim(up: Double, down: Double, pulses: Double) -> StepLaw {
    func line(_ a: Double) -> Line {
      guard a.isFinite else { return Line(a: 1, b: 0) }
      let slope = -Elementary.expm1(-1 / (a * pulses)) * pulses
      return Line(a: slope / -Elementary.expm1(-1 / a), b: -slope)
    }
    return .linear(up: line(up), down: line(down))
  }

  /// A/P_max of a nonlinearity label as NeuroSim's publications give it: the label measures how far the normalized curve
  /// x(P/P_max) leaves the diagonal, 0.07 of the unit square's side to a label (found from the table in its source, which
  /// this meets in all its digits).
  ///
  /// - Parameter label: −9…9; 0 is linear.
  public static func neuroSimA(label: Double) -> Double {
    if label == 0 { return .infinity }
    func found(_ a: Double) -> Double {
      let beta = 1 / -Elementary.expm1(-1 / a)
      // Farthest where the slope β/A·e^(−P/A) is 1.
      let p = a * Elementary.log(beta / a)
      return (beta * -Elementary.expm1(-p / a) - p) / (2.0).squareRoot() / 0.07
    }
    // The label falls as A grows, and goes as 1/A where A is large.
    var (low, high) = (1e-3, 1.2627 / abs(label) + 1)
    for _ in 0..<200 {
      let middle = (low + high) / 2
      if found(middle) > abs(label) { low = middle } else { high = middle }
    }
    return label < 0 ? -(low + high) / 2 : (low + high) / 2
  }

  /// AIHWKit's ExpStep: up 1 − A⁺·e^(γ⁺·y), down 1 − A⁻·e^(−γ⁻·y), y = 2a·(x − z) + b, with w = 0 at x = z.
  public static func expStep(
    amplitudeUp: Double, amplitudeDown: Double, gammaUp: Double, gammaDown: Double, a: Double, b: Double,
    zeroState z: Double = 0.5
  ) -> StepLaw {
    // Up x = u; down x = 1 − u.
    .exponential(
      up: Exponential(a: 1, b: -amplitudeUp * Elementary.exp(gammaUp * (b - 2 * a * z)), c: 2 * a * gammaUp),
      down: Exponential(
        a: 1, b: -amplitudeDown * Elementary.exp(-gammaDown * (b + 2 * a * (1 - z))), c: 2 * a * gammaDown))
  }

  /// AIHWKit's PowStep (Fusi and Abbott, 2007): up (1 − x)^γ⁺, down x^γ⁻. p is the step at the bound that is left.
  public static func powStep(gammaUp: Double, gammaDown: Double) -> StepLaw {
    .power(up: Power(b: 1, c: gammaUp), down: Power(b: 1, c: gammaDown))
  }

  /// AIHWKit's PiecewiseStep: relative steps at evenly spaced states from x = 0 to x = 1, for both directions in order
  /// of x.
  public static func piecewiseStep(up: [Double], down: [Double]) -> StepLaw {
    func nodes(_ steps: [Double]) -> [Node] {
      let last = Double(max(1, steps.count - 1))
      return steps.enumerated().map { Node(u: Double($0.offset) / last, f: $0.element) }
    }
    return .piecewise(up: nodes(up), down: nodes(down.reversed()))
  }

  // MARK: Values

  /// f(u), not below 0.
  public func relativeStep(up isUp: Bool, at u: Double) -> Double {
    switch self {
    case .linear(let up, let down):
      let way = isUp ? up : down
      return max(0, way.a + way.b * u)
    case .exponential(let up, let down):
      let way = isUp ? up : down
      return max(0, way.a + way.b * Elementary.exp(way.c * u))
    case .power(let up, let down):
      let way = isUp ? up : down
      return max(0, way.b * Elementary.pow(max(0, 1 - u), way.c))
    case .piecewise(let up, let down):
      return max(0, Self.interpolate(isUp ? up : down, at: u))
    }
  }

  private static func interpolate(_ nodes: [Node], at u: Double) -> Double {
    guard let first = nodes.first, let last = nodes.last else { return 0 }
    if u <= first.u { return first.f }
    if u >= last.u { return last.f }
    // The first node beyond u.
    var (low, high) = (0, nodes.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if nodes[middle].u <= u { low = middle } else { high = middle }
    }
    let (a, b) = (nodes[low], nodes[high])
    return a.f + (b.f - a.f) * (u - a.u) / (b.u - a.u)
  }

  /// The state at which a pulse up and a pulse down are the same size, between the bounds 0 and 1; nil where one
  /// direction is larger everywhere, or where they are the same everywhere.
  public var symmetryPoint: Double? {
    func imbalance(_ x: Double) -> Double {
      relativeStep(up: true, at: x) - relativeStep(up: false, at: 1 - x)
    }
    var (low, high) = (0.0, 1.0)
    let (start, end) = (imbalance(low), imbalance(high))
    guard start * end < 0 else { return nil }
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if imbalance(middle) * start > 0 { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// Cells of the even table that a piecewise law is looked up in: its own where the nodes are even already, otherwise
  /// fine enough that resampling moves no step by more than the curve bends within 1/2048 of the range.
  static let fineCells = 2048

  /// Steps at u = 0, 1/cells, … 1: those up, then those down; nil for the closed forms.
  func table() -> (cells: Int, values: [Float])? {
    guard case .piecewise(let up, let down) = self else { return nil }
    func isEven(_ nodes: [Node]) -> Bool {
      nodes.count > 1
        && nodes.indices.allSatisfy { abs(nodes[$0].u - Double($0) / Double(nodes.count - 1)) < 1e-12 }
    }
    let cells = up.count == down.count && isEven(up) && isEven(down) ? up.count - 1 : Self.fineCells
    var values: [Float] = []
    for isUp in [true, false] {
      for i in 0...cells { values.append(Float(relativeStep(up: isUp, at: Double(i) / Double(cells)))) }
    }
    return (cells, values)
  }
}
