import Glibc
import LinearAlgebra
import Testing

@testable import Crossbars

/// Writing states.
extension DevicePlaneTests {
  @Test("programming rounds to the nearest level and adds normal noise within the bounds")
  func programming() {
    let plane = Devices.plane(Self.device { $0.levels = 5 }, count: 6)
    plane.program(
      0..<6, targets: [0.1, 0.13, -1, 2, 0.6, 0.625], stream: Devices.stream())
    // A tie goes to the even level.
    #expect(Devices.states(plane) == [0, 0.25, 0, 1, 0.5, 0.5])

    let noisy = Devices.plane(Self.device { $0.programmingNoise = 0.02 }, count: Self.count)
    let done = Self.write(noisy, 0.4)
    #expect(done.pulses == Self.count && done.failed == 0)
    #expect(
      Sample.kolmogorov(Devices.states(noisy).map { (Double($0) - 0.4) / 0.02 }) < Sample.kolmogorovLimit)
    // Another event, another number.
    let before = Devices.states(noisy)
    _ = Self.write(noisy, 0.4, 1)
    #expect(abs(Sample.correlation(before.map { Double($0) }, Devices.states(noisy).map { Double($0) })) < 0.03)
  }

  @Test("programming noise may depend on the state, and measured levels bring their own")
  func stateDependent() {
    let plane = Devices.plane(
      Self.device {
        $0.programmingNoise = 0.01
        $0.programmingNoiseTerms = [0.08, -0.05]
      }, count: Self.count)
    for x in [0.2, 0.5, 0.8] {
      _ = Self.write(plane, Float(x))
      let sigma = 0.01 + 0.08 * x - 0.05 * x * x
      #expect(
        Sample.kolmogorov(Devices.states(plane).map { (Double($0) - Double(Float(x))) / sigma })
          < Sample.kolmogorovLimit
      )
    }
    let table: [Device.Level] = [
      .init(x: 0, sigma: 0), .init(x: 0.1, sigma: 0.01), .init(x: 0.5, sigma: 0.03), .init(x: 1, sigma: 0),
    ]
    let levels = Devices.plane(Self.device { $0.levelTable = table }, count: Self.count)
    for (target, nearest) in [(0.04, 0), (0.06, 1), (0.29, 1), (0.31, 2), (0.74, 2), (0.76, 3)] {
      _ = Self.write(levels, Float(target))
      let (x, sigma) = (table[nearest].x, table[nearest].sigma)
      if sigma == 0 {
        #expect(Devices.states(levels).allSatisfy { Double($0) == x }, "\(target)")
      } else {
        #expect(
          Sample.kolmogorov(Devices.states(levels).map { (Double($0) - x) / sigma }) < Sample.kolmogorovLimit,
          "\(target)")
      }
    }
  }

  @Test("only masked devices are written")
  func mask() {
    let plane = Devices.plane(Self.device { $0.programmingNoise = 0.01 }, count: 100)
    _ = Self.write(plane, 0.5)
    let before = Devices.states(plane)
    let mask = (0..<68).map { $0 % 3 == 0 }
    let done = plane.program(
      32..<100, targets: [Float](repeating: 0.2, count: 68), mask: mask, stream: Devices.stream(1))
    #expect(done.pulses == 23)
    for i in 0..<100 {
      let isWritten = i >= 32 && mask[i - 32]
      #expect((Devices.states(plane)[i] != before[i]) == isWritten)
      if isWritten { #expect(abs(Devices.states(plane)[i] - 0.2) < 0.05) }
    }
  }

  @Test("write–verify ends within the tolerance; its events and failures are those of a geometric law")
  func writeVerify() {
    let plane = Devices.plane(
      Self.device {
        $0.programmingNoise = 0.02
        $0.writeVerify = .init(tolerance: 0.01, maxIterations: 4)
      }, count: Self.count)
    let done = Self.write(plane, 0.4)
    // Probability of a hit.
    let hit = Sample.normal(0.5) - Sample.normal(-0.5)
    let miss = 1 - hit
    let n = Double(Self.count)
    let mean = (1 - pow(miss, 4)) / hit
    #expect(abs(Double(done.pulses) / n - mean) < 4 * 1.5 / n.squareRoot())
    let failing = pow(miss, 4)
    #expect(abs(Double(done.failed) / n - failing) < 4 * (failing * (1 - failing) / n).squareRoot())
    let far = Devices.states(plane).filter { abs($0 - 0.4) > 0.01 }.count
    #expect(far == done.failed)
    // How many events a device took is told by χ²: 1, 2, 3, and 4 with the failures.
    var counts = [0, 0, 0, 0]
    var left = Set(0..<Self.count)
    for limit in 1...4 {
      let some = Devices.plane(
        Self.device {
          $0.programmingNoise = 0.02
          $0.writeVerify = .init(tolerance: 0.01, maxIterations: limit)
        }, count: Self.count)
      _ = Self.write(some, 0.4)
      let states = Devices.states(some)
      let still = left.filter { abs(states[$0] - 0.4) > 0.01 }
      counts[limit - 1] = limit == 4 ? left.count : left.count - still.count
      left = still
    }
    #expect(
      Sample.chiSquare(counts, [hit, hit * miss, hit * miss * miss, miss * miss * miss]) < Sample.chiSquareLimit[2])
  }

  @Test("a loop over levels aims at the level; a stuck device fails, and takes every event of the loop")
  func verifyLevels() {
    let plane = Devices.plane(
      Self.device {
        $0.levels = 3
        $0.writeVerify = .init(tolerance: 0.01, maxIterations: 7)
      }, count: 10, faults: [.stuckOn] + [Fault](repeating: .none, count: 9))
    let done = Self.write(plane, 0.4)
    #expect(done.pulses == 9 + 7 && done.failed == 1)
    #expect(Devices.states(plane) == [1] + [Float](repeating: 0.5, count: 9))
  }

  @Test("a target or a count that is not a number shows")
  func notANumber() {
    let plane = Devices.plane(Self.device { $0.programmingNoise = 0.1 }, count: 3)
    plane.program(0..<3, targets: [0.5, .nan, 0.5], stream: Devices.stream())
    #expect(plane.x.base[1].isNaN && !plane.x.base[0].isNaN)
    plane.applyPulses(0..<3, pulses: [0, 0, .nan], sign: 1, stream: Devices.stream(), first: 0)
    #expect(plane.x.base[2].isNaN && !plane.x.base[0].isNaN)
  }
}
