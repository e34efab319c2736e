import Glibc
import Testing

@testable import Crossbars

/// Families of pulse responses against the formulas of the field, written out.
struct StepLawTests {
  static let states = stride(from: 0.0, through: 1.0, by: 0.05)

  /// The step at state x, in units of p.
  static func step(_ law: StepLaw, up: Bool, _ x: Double) -> Double {
    law.relativeStep(up: up, at: up ? x : 1 - x)
  }

  @Test("TxSim's form: e^(−νx) up, e^(−ν(1−x)) down", arguments: [0, 0.5, 3])
  func txsim(nu: Double) {
    let law = StepLaw.txsim(nonlinearity: nu)
    for x in Self.states {
      #expect(abs(Self.step(law, up: true, x) - exp(-nu * x)) < 1e-12)
      #expect(abs(Self.step(law, up: false, x) - exp(-nu * (1 - x))) < 1e-12)
    }
    #expect(law.symmetryPoint.map { abs($0 - 0.5) < 1e-12 } ?? (nu == 0))
  }

  @Test("AIHWKit's linear step and soft bounds, in its own weights", arguments: [(-1, 1), (-0.75, 1.25), (-0.2, 0.9)])
  func linearStep(bounds: (least: Double, most: Double)) {
    let (least, most) = bounds
    let zero = -least / (most - least)
    let law = StepLaw.linearStep(gammaUp: 0.1153, gammaDown: 0.5085, zeroState: zero)
    let soft = StepLaw.softBounds(zeroState: zero)
    for x in Self.states {
      let w = least + x * (most - least)
      #expect(abs(Self.step(law, up: true, x) - max(0, 1 - 0.1153 * w / most)) < 1e-12)
      #expect(abs(Self.step(law, up: false, x) - max(0, 1 - 0.5085 * w / least)) < 1e-12)
      #expect(abs(Self.step(soft, up: true, x) - (1 - w / most)) < 1e-12)
      #expect(abs(Self.step(soft, up: false, x) - (1 - w / least)) < 1e-12)
    }
    // Up and down are alike where w = 0.
    #expect(abs(soft.symmetryPoint! - zero) < 1e-12)
  }

  @Test("AIHWKit's exponential step, in its own weights, never below 0")
  func expStep() {
    let fits: [(up: Double, down: Double, gammaUp: Double, gammaDown: Double, a: Double, b: Double, least: Double)] = [
      (0.00081, 0.36833, 12.44625, 12.78785, 0.244, 0.2425, -0.6), (-1.18445, -0.081404, 5, 5, -0.5, -0.5, -1),
      (-27.235, -2.235, 2.5, 2.5, -1, 0, 0), (5, 5, 3, 3, 0.5, 0, -1),
    ]
    var cut = 0
    for f in fits {
      let most = f.least == 0 ? 2.0 : 1.0
      let range = most - f.least
      let law = StepLaw.expStep(
        amplitudeUp: f.up, amplitudeDown: f.down, gammaUp: f.gammaUp, gammaDown: f.gammaDown, a: f.a, b: f.b,
        zeroState: -f.least / range)
      for x in Self.states {
        let z = 2 * f.a * (f.least + x * range) / range + f.b
        let (up, down) = (1 - f.up * exp(f.gammaUp * z), 1 - f.down * exp(-f.gammaDown * z))
        cut += up < 0 || down < 0 ? 1 : 0
        #expect(abs(Self.step(law, up: true, x) - max(0, up)) < 1e-9 * max(1, abs(up)))
        #expect(abs(Self.step(law, up: false, x) - max(0, down)) < 1e-9 * max(1, abs(down)))
      }
    }
    #expect(cut > 0)
  }

  @Test("the power step is (1 − x)^γ up and x^γ down; a piecewise step goes through its nodes")
  func powerAndPieces() {
    let power = StepLaw.powStep(gammaUp: 1.5, gammaDown: 0.5)
    for x in Self.states {
      #expect(abs(Self.step(power, up: true, x) - pow(1 - x, 1.5)) < 1e-12)
      #expect(abs(Self.step(power, up: false, x) - pow(x, 0.5)) < 1e-9)
    }
    let pieces = StepLaw.piecewiseStep(up: [1, 0.4, 0.6], down: [0.2, 2, 3])
    for (i, x) in [0, 0.5, 1].enumerated() {
      #expect(Self.step(pieces, up: true, x) == [1, 0.4, 0.6][i])
      #expect(Self.step(pieces, up: false, x) == [0.2, 2, 3][i])
    }
    #expect(abs(Self.step(pieces, up: true, 0.25) - 0.7) < 1e-12)
    #expect(abs(Self.step(pieces, up: false, 0.75) - 2.5) < 1e-12)
  }

  @Test(
    "pulse by pulse, NeuroSim's law replays its exponential curves up and down",
    arguments: [(0.5, 0.2), (2.0, 0.05), (Double.infinity, -0.7)])
  func neuroSim(a: (up: Double, down: Double)) {
    let pulses = 97.0
    let law = StepLaw.neuroSim(up: a.up, down: a.down, pulses: pulses)
    for (isUp, a) in [(true, a.up), (false, a.down)] {
      var u = 0.0
      for p in 1...Int(pulses) {
        u += law.relativeStep(up: isUp, at: u) / pulses
        let exact =
          a.isFinite ? (1 - exp(-Double(p) / pulses / a)) / (1 - exp(-1 / a)) : Double(p) / pulses
        #expect(abs(u - exact) < 1e-10, "\(isUp) \(p)")
      }
    }
  }

  /// A/P_max as NeuroSim's own table has it (formula.cpp, getParamA), for some labels.
  @Test(
    "NeuroSim's labels mean NeuroSim's curves",
    arguments: [
      (0.01, 126.268958), (0.1, 12.625807), (1, 1.251653), (1.75, 0.702081), (2.4, 0.499181), (4.88, 0.200303),
      (6, 0.135619), (9, 0.02281),
    ])
  func labels(label: Double, a: Double) {
    #expect(abs(StepLaw.neuroSimA(label: label) / a - 1) < 4e-5)
    #expect(StepLaw.neuroSimA(label: -label) == -StepLaw.neuroSimA(label: label))
    #expect(StepLaw.neuroSimA(label: 0) == .infinity)
  }

  @Test("a symmetry point is where up and down are alike, if there is one")
  func symmetry() throws {
    let law = StepLaw.linearStep(gammaUp: 0.4152, gammaDown: 0.7342, zeroState: 0.4143)
    let point = try #require(law.symmetryPoint)
    #expect(abs(Self.step(law, up: true, point) - Self.step(law, up: false, point)) < 1e-9)
    #expect(StepLaw.constantStep.symmetryPoint == nil)
    #expect(StepLaw.piecewiseStep(up: [1, 1], down: [2, 2]).symmetryPoint == nil)
  }

  // MARK: Measured curves

  static func points(_ values: [Double], pulses: [Double]? = nil, line: Int = 2) -> [PulseCurve.Point] {
    values.enumerated().map {
      PulseCurve.Point(pulses: pulses?[$0.offset] ?? Double($0.offset), conductance: $0.element, line: line + $0.offset)
    }
  }

  @Test("a measured curve is replayed through its own points, plateaus and wide gaps included")
  func replay() throws {
    let up = Self.points([1e-6, 2e-6, 2e-6, 3.5e-6, 4.5e-6, 4.9e-6, 5e-6], pulses: [0, 1, 2, 3, 5, 10, 30])
    let down = Self.points([4.8e-6, 3e-6, 2e-6, 1.5e-6])
    let curve = try PulseCurve(up: up, down: down)
    #expect(curve.onResistance == 1 / 5e-6 && curve.offResistance == 1 / 1e-6)
    func x(_ g: Double) -> Double { (g - 1e-6) / 4e-6 }
    // From each point, the pulses to the next point that differs lead there.
    let kept = up.enumerated().filter { $0.offset == 0 || up[$0.offset - 1].conductance != $0.element.conductance }.map(
      \.element)
    for (a, b) in zip(kept, kept.dropFirst()) {
      let step = curve.pulseStep * curve.law.relativeStep(up: true, at: x(a.conductance))
      #expect(abs(x(a.conductance) + step * (b.pulses - a.pulses) - x(b.conductance)) < 1e-12)
    }
    for (a, b) in zip(down, down.dropFirst()) {
      let step = curve.pulseStep * curve.law.relativeStep(up: false, at: 1 - x(a.conductance))
      #expect(abs(x(a.conductance) - step - x(b.conductance)) < 1e-12)
    }
    // And so does a device with the law, in single precision and through the table.
    let device = Device(
      onResistance: curve.onResistance, offResistance: curve.offResistance, pulseStep: curve.pulseStep, law: curve.law)
    let plane = Devices.plane(device, count: 1)
    for (i, point) in down.enumerated() {
      if i == 0 {
        plane.program(0..<1, targets: [Float(x(point.conductance))], stream: Devices.stream())
      } else {
        plane.applyPulses(0..<1, pulses: [-1], sign: 1, stream: Devices.stream(), first: 0)
      }
      #expect(abs(Double(plane.x.base[0]) - x(point.conductance)) < 1e-3)
    }
  }

  static let refused: [(up: [PulseCurve.Point], down: [PulseCurve.Point], String)] = [
    (
      points([1e-6, 3e-6, 2e-6]), points([3e-6, 1e-6]),
      "line 4: the conductance falls from 3e-06 to 2e-06 S in the curve up, which must be monotone; average several measurements"
    ),
    (
      points([1e-6, 3e-6]), points([3e-6, 1e-6, 2e-6]),
      "line 4: the conductance rises from 1e-06 to 2e-06 S in the curve down, which must be monotone; average several measurements"
    ),
    (points([1e-6]), points([3e-6, 1e-6]), "the curve up has 1 point, at least 2 were expected"),
    (points([1e-6, 2e-6]), [], "the curve down has 0 points, at least 2 were expected"),
    (
      points([0, 2e-6]), points([3e-6, 1e-6]),
      "line 2: the conductance up is 0.0, a number of siemens above 0 was expected"
    ),
    (
      points([1e-6, .nan]), points([3e-6, 1e-6]),
      "line 3: the conductance up is nan, a number of siemens above 0 was expected"
    ),
    (
      points([1e-6, 2e-6], pulses: [3, 3]), points([3e-6, 1e-6]),
      "line 3: 3.0 pulses stand after 3.0, the numbers of pulses must rise"
    ),
    (
      points([1e-6, 2e-6], pulses: [-1, 3]), points([3e-6, 1e-6]),
      "line 2: the number of pulses is -1.0, expected 0 or more"
    ),
    (
      points([1e-6, 2e-6]), points([1e-6, 1e-6]),
      "the conductance does not change in one of the curves; pulses are expected to move the device"
    ),
  ]

  @Test("curves that no device follows are refused with their line", arguments: refused)
  func refuses(up: [PulseCurve.Point], down: [PulseCurve.Point], sentence: String) {
    #expect(throws: CircuitError(sentence)) { try PulseCurve(up: up, down: down) }
  }

  // MARK: Devices that cannot be

  static func device(_ change: (inout Device) -> Void) -> Device {
    var device = Device()
    change(&device)
    return device
  }

  static let impossible: [(Device, String)] = [
    (
      device { $0.onResistance = 1e7 },
      "onResistance, 10000000.0 ohm, is not below offResistance, 1000000.0 ohm"
    ),
    (device { $0.onResistance = 0 }, "onResistance is 0.0; expected a positive number of ohm"),
    (device { $0.levels = 1 }, "levels is 1.0; expected at least two levels, or 0 for any state"),
    (device { $0.levels = -3 }, "levels is -3.0; expected at least two levels, or 0 for any state"),
    (device { $0.pulseStep = 1.5 }, "pulseStep is 1.5; expected a fraction of the conductance range, above 0"),
    (device { $0.variation = -0.1 }, "variation is -0.1; expected a number not below 0"),
    (device { $0.updateNoise = .nan }, "updateNoise is nan; expected a number not below 0"),
    (
      device {
        $0.pulseStep = 0.9
        $0.law = .powStep(gammaUp: 1, gammaDown: 1)
        $0.law = .piecewiseStep(up: [1, 3, 1], down: [1])
      },
      "pulseStep is 0.9, and one pulse up from the middle moves the state by 2.7, more than its whole range"
    ),
    (
      device { $0.law = .linear(up: .init(a: 1, b: 0), down: .init(a: -1, b: 0)) },
      "no pulse down ever moves this device: its step is 0 everywhere"
    ),
    (
      device { $0.law = .piecewise(up: [.init(u: 0, f: 1), .init(u: 0, f: 2)], down: [.init(u: 0, f: 1)]) },
      "the steps up are not in order: a node at 0.0 stands after the one at 0.0"
    ),
    (
      device { $0.law = .piecewise(up: [.init(u: 0, f: 1)], down: [.init(u: 0, f: -1)]) },
      "a step down is -1.0 times pulseStep; expected a number not below 0"
    ),
    (
      device { $0.faults = .init(stuckOn: 0.6, stuckOff: 0.6) },
      "faults are 1.2 of all devices, more than there are; expected at most 1"
    ),
    (
      device { $0.levelTable = [.init(x: 0.5, sigma: 0), .init(x: 0.2, sigma: 0)] },
      "conductanceTable: level 1 is not above the one before it"
    ),
    (
      device { $0.writeVerify = .init(tolerance: 0) },
      "writeVerify.tolerance is 0.0; expected a fraction of the range, above 0"
    ),
    (device { $0.retention = .init(timeConstant: -1) }, "retention.timeConstant is -1.0; expected a time above 0"),
    (
      device { $0.readNoise.lowFrequency = 1e9 },
      "readNoise.lowFrequency, 1000000000.0 Hz, is not between 0 and highFrequency, 1000000.0 Hz"
    ),
  ]

  @Test("devices that cannot be are refused in a sentence", arguments: impossible)
  func refusesDevice(device: Device, sentence: String) {
    #expect(throws: CircuitError(sentence)) { try device.validate() }
  }

  @Test("the defaults, and TxSim's largest non-linearity, are devices that can be")
  func accepted() throws {
    try Device().validate()
    try Device(updateNonlinearity: 80).validate()
  }
}
