/// A measured pulse response: conductances after so many pulses up from a low state, and after so many down from a high
/// one.
///
///     G │        ∘ ∘ ∘ up              ∘ down
///       │    ∘ ∘                         ∘
///       │  ∘                               ∘ ∘ ∘
///       └───────────── pulses      └──────────────── pulses
///
/// The least and the largest conductance of both become R_off and R_on. Between neighbouring points the step of a pulse
/// is their difference over the pulses between them, put at the state before them, so that the law replays the
/// measurement through its own points. Equal conductances in a row are one point.
public struct PulseCurve: Equatable, Sendable {
  /// One measured point.
  public struct Point: Equatable, Sendable {
    public var pulses: Double
    /// Siemens.
    public var conductance: Double
    /// Where it stands in its file, for sentences.
    public var line: Int
    public init(pulses: Double, conductance: Double, line: Int) {
      self.pulses = pulses
      self.conductance = conductance
      self.line = line
    }
  }

  public let onResistance: Double
  public let offResistance: Double
  /// The mean step.
  public let pulseStep: Double
  public let law: StepLaw

  /// - Throws: `CircuitError` that names the line at fault: too few points, conductances that are not positive, pulses
  ///   that do not count upwards, a curve that turns back.
  public init(up: [Point], down: [Point]) throws {
    for (way, points) in [("up", up), ("down", down)] {
      guard points.count >= 2 else {
        throw CircuitError(
          "the curve \(way) has \(points.count) point\(points.count == 1 ? "" : "s"), at least 2 were expected")
      }
      for (i, point) in points.enumerated() {
        guard point.conductance.isFinite, point.conductance > 0 else {
          throw CircuitError(
            "line \(point.line): the conductance \(way) is \(point.conductance), a number of siemens above 0 was expected"
          )
        }
        guard point.pulses.isFinite, point.pulses >= 0 else {
          throw CircuitError("line \(point.line): the number of pulses is \(point.pulses), expected 0 or more")
        }
        guard i > 0 else { continue }
        let before = points[i - 1]
        guard before.pulses < point.pulses else {
          throw CircuitError(
            "line \(point.line): \(point.pulses) pulses stand after \(before.pulses), the numbers of pulses must rise")
        }
        guard way == "up" ? before.conductance <= point.conductance : before.conductance >= point.conductance else {
          throw CircuitError(
            "line \(point.line): the conductance \(way == "up" ? "falls" : "rises") from \(before.conductance) to "
              + "\(point.conductance) S in the curve \(way), which must be monotone; average several measurements")
        }
      }
    }
    let all = (up + down).map(\.conductance)
    let (least, most) = (all.min()!, all.max()!)
    guard up.first!.conductance < up.last!.conductance, down.last!.conductance < down.first!.conductance else {
      throw CircuitError("the conductance does not change in one of the curves; pulses are expected to move the device")
    }
    func nodes(_ points: [Point], isUp: Bool) -> [StepLaw.Node] {
      var kept: [Point] = []
      for point in points where kept.last?.conductance != point.conductance { kept.append(point) }
      return zip(kept, kept.dropFirst()).map { a, b in
        let u = (isUp ? a.conductance - least : most - a.conductance) / (most - least)
        return StepLaw.Node(u: u, f: abs(b.conductance - a.conductance) / (most - least) / (b.pulses - a.pulses))
      }
    }
    let (rising, falling) = (nodes(up, isUp: true), nodes(down, isUp: false))
    func mean(_ points: [Point]) -> Double {
      abs(points.last!.conductance - points.first!.conductance) / (most - least)
        / (points.last!.pulses - points.first!.pulses)
    }
    let step = (mean(up) + mean(down)) / 2
    onResistance = 1 / most
    offResistance = 1 / least
    pulseStep = step
    law = .piecewise(
      up: rising.map { StepLaw.Node(u: $0.u, f: $0.f / step) },
      down: falling.map { StepLaw.Node(u: $0.u, f: $0.f / step) })
  }
}
