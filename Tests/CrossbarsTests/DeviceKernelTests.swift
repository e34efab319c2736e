import CKernels
import Glibc
import LinearAlgebra
import Testing

@testable import Crossbars

/// The device kernel, both bodies, against the laws in Float64 and against each other.
struct DeviceKernelTests {
  static let bodies = Devices.bodies
  static let stream = RandomStream(seed: 5, purpose: RandomStream.purpose(kind: 6, owner: 2), index: 77)

  static let laws: [StepLaw] = [
    .constantStep, .txsim(nonlinearity: 0), .txsim(nonlinearity: 1), .txsim(nonlinearity: 5), .txsim(nonlinearity: 20),
    .linearStep(gammaUp: 0.3, gammaDown: 0.7, zeroState: 0.4), .softBounds(), .softBounds(zeroState: 0.375),
    .neuroSim(up: 0.3, down: 1.5, pulses: 100),
    .expStep(amplitudeUp: 0.00081, amplitudeDown: 0.36833, gammaUp: 12.44625, gammaDown: 12.78785, a: 0.244, b: 0.2425),
    .powStep(gammaUp: 0.5, gammaDown: 2), .powStep(gammaUp: 0, gammaDown: 1),
    .piecewiseStep(up: [1, 0.5, 0.8, 0], down: [0.1, 1, 1.2, 2]),
    .piecewise(
      up: [.init(u: 0, f: 2), .init(u: 0.125, f: 1), .init(u: 1, f: 0.25)],
      down: [.init(u: 0, f: 1), .init(u: 0.5, f: 1), .init(u: 1, f: 0)]),
  ]

  struct Case: Sendable, CustomTestStringConvertible {
    var law: StepLaw
    var noise: Double
    var follows: Bool
    var varied: Bool
    var testDescription: String { "\(law) noise \(noise)\(follows ? " of the step" : "")\(varied ? ", varied" : "")" }
  }
  static let cases = laws.flatMap { law in
    [(0.0, false, false), (0.7, false, true), (0.7, true, false), (3, true, true)].map {
      Case(law: law, noise: $0.0, follows: $0.1, varied: $0.2)
    }
  }

  static func device(_ c: Case) -> Device {
    var device = Device(pulseStep: 0.002, updateNoise: c.noise, law: c.law)
    device.noiseFollowsStep = c.follows
    if c.varied {
      device.stepVariation = 0.3
      device.asymmetry = 0.1
      device.asymmetryVariation = 0.1
      device.lowerBoundVariation = 0.1
      device.upperBoundVariation = 0.2
    }
    return device
  }

  /// Runs one body over a plane's own population.
  static func run(
    _ body: CKernels, _ plane: DevicePlane, _ pulses: [Float], sign: Float = 1, first: Int = 0, _ x: [Float],
    shown: UnsafeMutablePointer<Float>? = nil
  ) -> [Float] {
    var result = x
    var law = plane.law
    var devices = CKDevices(
      stepUp: plane.stepUp.map { UnsafePointer($0.base + first) },
      stepDown: plane.stepDown.map { UnsafePointer($0.base + first) },
      lower: plane.lower.map { UnsafePointer($0.base + first) },
      upper: plane.upper.map { UnsafePointer($0.base + first) })
    body.applyPulses(x.count, &law, &devices, stream.c, first, pulses, sign, &result, shown)
    return result
  }

  static func counts(_ n: Int) -> [Float] {
    Devices.gaussians(n, seed: 1).map { ($0 * 3).rounded() + (($0 > 0.7) ? 0.25 : 0) }
  }

  @Test("pulses move devices by the law in Float64, with the stream's own numbers", arguments: cases)
  func law(c: Case) {
    let device = Self.device(c)
    let n = 1003
    let plane = DevicePlane(count: n, device: device, chipSeed: 9, owner: 1, plane: 0)
    let pulses = Self.counts(n)
    let start = Devices.uniforms(n, seed: 2)
    var noise = [Float](repeating: 0, count: n)
    ckPortable.pointee.gaussian(Self.stream.c, 0, n, &noise)
    for sign in [Float(1), -1] {
      var expected: [Double] = []
      // Only devices that get pulses take a random number.
      var drawn = 0
      for i in 0..<n {
        let (k, x) = (Double(pulses[i] * sign), Double(start[i]))
        guard k != 0 else {
          expected.append(x)
          continue
        }
        let (low, high) = (Double(plane.lower?.base[i] ?? 0), Double(plane.upper?.base[i] ?? 1))
        let u = (k > 0 ? x - low : high - x) / (high - low)
        let factor = Double((k > 0 ? plane.stepUp : plane.stepDown)?.base[i] ?? 1)
        let f = c.law.relativeStep(up: k > 0, at: u) * factor
        let sigma = c.noise * 0.002 * (c.follows ? f : 1) * abs(k).squareRoot()
        expected.append(min(high, max(low, x + k * 0.002 * f + sigma * Double(noise[drawn]))))
        drawn += 1
      }
      for (name, body) in Self.bodies {
        let found = Self.run(body, plane, pulses, sign: sign, start)
        let worst = (0..<n).map { abs(Double(found[$0]) - expected[$0]) }.max()!
        #expect(worst < 1e-6, "\(name)")
        #expect(zip(found, start).contains { $0 != $1 })
      }
    }
  }

  @Test("no pulse, no change and no noise, even within a group that has pulses")
  func silence() {
    for c in Self.cases {
      let plane = DevicePlane(count: 100, device: Self.device(c), chipSeed: 9, owner: 1, plane: 0)
      var pulses = [Float](repeating: 0, count: 100)
      pulses[40] = 3
      // States outside of the bounds too: what is not addressed is not touched.
      let start = Devices.uniforms(100, seed: 2).map { 1.4 * $0 - 0.2 }
      for (name, body) in Self.bodies {
        let found = Self.run(body, plane, pulses, start)
        for i in 0..<100 where i != 40 { #expect(found[i] == start[i], "\(name) \(i)") }
      }
    }
  }

  @Test("counts that are not numbers show; immense ones end at the bound")
  func limits() {
    for law in Self.laws {
      // Counts are held at 4·10⁶: enough from the middle for every law here.
      let plane = DevicePlane(
        count: 4, device: Device(pulseStep: 0.01, law: law), chipSeed: 1, owner: 0, plane: 0)
      for (name, body) in Self.bodies {
        let found = Self.run(body, plane, [.nan, .infinity, -.infinity, 3e38], [0.5, 0.5, 0.5, 0.5])
        #expect(found[0].isNaN, "\(name)")
        #expect(found[1] == 1 && found[2] == 0 && found[3] == 1, "\(name) \(law)")
        #expect(Self.run(body, plane, [1, 0, 0, 0], [.nan, 1, 0, 0])[0].isNaN)
      }
    }
  }

  @Test("many devices or few, all together or apart: a device that gets pulses moves the same way")
  func gathering() {
    // Without noise the neighbours do not matter; 200 devices of which all, every third, or one of fifty get pulses.
    for c in Self.cases where c.noise == 0 {
      let n = 200
      let plane = DevicePlane(count: n, device: Self.device(c), chipSeed: 9, owner: 1, plane: 0)
      let (pulses, start) = (Self.counts(n).map { $0 == 0 ? 1 : $0 }, Devices.uniforms(n, seed: 2))
      for (name, body) in Self.bodies {
        let all = Self.run(body, plane, pulses, start)
        for every in [3, 50] {
          let some = Self.run(body, plane, pulses.enumerated().map { $0.offset % every == 1 ? $0.element : 0 }, start)
          for i in 0..<n { #expect(some[i] == (i % every == 1 ? all[i] : start[i]), "\(name) \(i)") }
        }
      }
    }
  }

  @Test("both bodies agree to rounding", arguments: cases)
  func bodiesAgree(c: Case) {
    guard Self.bodies.count == 2 else { return }
    let n = 999
    let plane = DevicePlane(count: n, device: Self.device(c), chipSeed: 9, owner: 1, plane: 0)
    let (pulses, start) = (Self.counts(n), Devices.uniforms(n, seed: 2))
    let results = Self.bodies.map { Self.run($0.table, plane, pulses, start) }
    #expect(zip(results[0], results[1]).allSatisfy { abs($0 - $1) < 2e-7 * max(1, abs($0)) })
  }

  @Test("write noise: pulses move the persistent state, what shows is drawn about it once for every update")
  func writeNoise() {
    var device = Device(pulseStep: 0.01, law: .softBounds())
    device.writeNoise = 0.05
    let n = 20_000
    let plane = DevicePlane(count: n, device: device, chipSeed: 9, owner: 1, plane: 0)
    let pulses = (0..<n).map { $0 % 4 == 3 ? Float(0) : 2 }
    let start = [Float](repeating: 0.5, count: n)
    for (name, body) in Self.bodies {
      var shown = [Float](repeating: 0.25, count: n)
      let found = Self.run(body, plane, pulses, start, shown: &shown)
      let expected: Float = 0.5 + 2 * 0.01 * 2 * (1 - 0.5)
      var gaps: [Double] = []
      for i in 0..<n {
        if pulses[i] == 0 {
          #expect(found[i] == 0.5 && shown[i] == 0.25, "\(name)")
        } else {
          #expect(abs(found[i] - expected) < 1e-6)
          gaps.append(Double(shown[i] - found[i]))
        }
      }
      #expect(Sample.kolmogorov(gaps.map { $0 / 0.05 }) < Sample.kolmogorovLimit)
    }
  }
}
