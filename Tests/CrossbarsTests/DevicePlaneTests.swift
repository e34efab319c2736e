import Glibc
import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// A chip's population of devices and what happens to them, against the distributions that are stated.
struct DevicePlaneTests {
  static let count = 20_000

  static func device(_ change: (inout Device) -> Void) -> Device {
    var device = Device(pulseStep: 0.001)
    change(&device)
    return device
  }

  static func pulses(_ plane: DevicePlane, _ n: Float, _ index: UInt64 = 0) {
    plane.applyPulses(
      0..<plane.count, pulses: [Float](repeating: n, count: plane.count), sign: 1, stream: Devices.stream(index),
      first: 0)
  }

  static func write(_ plane: DevicePlane, _ x: Float, _ index: UInt64 = 0) -> (pulses: Int, failed: Int) {
    plane.program(
      0..<plane.count, targets: [Float](repeating: x, count: plane.count), stream: Devices.stream(index))
  }

  // MARK: From device to device

  @Test("the spread of conductances is normal, cut at 3σ")
  func spread() {
    let plane = Devices.plane(Self.device { $0.variation = 0.1 }, count: Self.count)
    let z = Devices.values(plane.factors).map { ($0 - 1) / 0.1 }
    #expect(Sample.kolmogorov(z) < Sample.kolmogorovLimit)
    #expect(z.allSatisfy { abs($0) < 3.0001 } && z.contains { $0 > 2.999 })
    // A wide one never turns a conductance round.
    let wide = Devices.values(Devices.plane(Self.device { $0.variation = 1 }, count: Self.count).factors)
    #expect(wide.min()! == Double(Float(0.01)))
    // These numbers are part of what a chip's seed means.
    let drawn = RandomPurpose.deviceVariation.stream(seed: 9, owner: 3, index: 0).gaussians(4)
    for i in 0..<4 { #expect(plane.factors!.base[i] == 1 + 0.1 * drawn[i]) }
  }

  @Test("steps differ by a normal or a log-normal factor, and independently between up and down")
  func steps() {
    let plane = Devices.plane(
      Self.device {
        $0.stepVariation = 0.2
        $0.asymmetry = 0.05
        $0.asymmetryVariation = 0.1
      }, count: Self.count)
    let (up, down) = (Devices.values(plane.stepUp), Devices.values(plane.stepDown))
    let gain = zip(up, down).map { (($0 + $1) / 2 - 1) / 0.2 }
    let imbalance = zip(up, down).map { (($0 - $1) / 2 - 0.05) / 0.1 }
    #expect(Sample.kolmogorov(gain) < Sample.kolmogorovLimit)
    #expect(Sample.kolmogorov(imbalance) < Sample.kolmogorovLimit)
    #expect(abs(Sample.correlation(gain, imbalance)) < 4 / Double(Self.count).squareRoot())

    let log = Devices.plane(
      Self.device {
        $0.stepVariation = 0.7829
        $0.stepIsLogNormal = true
      }, count: Self.count)
    #expect(Sample.kolmogorov(Devices.values(log.stepUp).map { Glibc.log($0) / 0.7829 }) < Sample.kolmogorovLimit)
    #expect(Devices.values(log.stepUp) == Devices.values(log.stepDown))
  }

  @Test("bounds are normal about 0 and 1; states go up to them and no conductance is negative")
  func bounds() {
    let plane = Devices.plane(
      Self.device {
        $0.offResistance = 1.5e5
        $0.lowerBoundVariation = 0.1
        $0.upperBoundVariation = 0.2
      }, count: Self.count)
    let (lower, upper) = (Devices.values(plane.lower), Devices.values(plane.upper))
    #expect(Sample.kolmogorov(lower.map { $0 / 0.1 }) < Sample.kolmogorovLimit)
    #expect(Sample.kolmogorov(upper.map { ($0 - 1) / 0.2 }) < Sample.kolmogorovLimit)
    Self.pulses(plane, 1e5)
    #expect(Devices.values(plane.x) == upper)
    Self.pulses(plane, -1e5)
    #expect(Devices.values(plane.x) == lower)
    // Programming stays within 0…1 and the device's own bounds.
    _ = Self.write(plane, 1)
    #expect(zip(Devices.values(plane.x), upper).allSatisfy { $0 == min(1, $1) })

    let wide = Devices.plane(
      Self.device {
        $0.lowerBoundVariation = 3
        $0.upperBoundVariation = 3
      }, count: Self.count)
    let floor = Double(Float(wide.device.floor))
    #expect(Devices.values(wide.lower).min()! == -floor)
    #expect(zip(Devices.values(wide.lower), Devices.values(wide.upper)).allSatisfy { $1 - $0 > 0.0099 })
  }

  @Test("a soft bound stretches over the range that a device has")
  func stretched() {
    let plane = Devices.plane(
      Self.device {
        $0.law = .softBounds()
        $0.upperBoundVariation = 0.2
      }, count: 100)
    _ = Self.write(plane, 0.4)
    Self.pulses(plane, 1)
    for i in 0..<100 {
      let high = Double(plane.upper!.base[i])
      #expect(abs(Double(plane.x.base[i]) - (0.4 + 0.001 * 2 * (1 - 0.4 / high))) < 1e-6)
    }
  }

  @Test("a chip is the same in every run, and every plane of it another")
  func chips() {
    let device = Self.device {
      $0.variation = 0.1
      $0.stepVariation = 0.1
      $0.upperBoundVariation = 0.1
      $0.faults = .init(stuckOn: 0.1)
    }
    let one = Devices.plane(device, count: 100)
    let same = Devices.plane(device, count: 100)
    #expect(Devices.values(one.factors) == Devices.values(same.factors))
    #expect(Devices.values(one.stepUp) == Devices.values(same.stepUp))
    #expect(one.stuck.map(\.index) == same.stuck.map(\.index))
    for other in [Devices.plane(device, count: 100, chip: 10), Devices.plane(device, count: 100, plane: 1)] {
      #expect(Devices.values(one.factors) != Devices.values(other.factors))
      #expect(Devices.values(one.upper) != Devices.values(other.upper))
      #expect(one.stuck.map(\.index) != other.stuck.map(\.index))
    }
    // Quantities of one device are drawn apart.
    let (a, b) = (Devices.values(one.factors).map { $0 - 1 }, Devices.values(one.stepUp).map { $0 - 1 })
    #expect(abs(Sample.correlation(a, b)) < 0.4)
  }

  @Test("devices that are all alike store nothing but their states")
  func nothingStored() {
    let plane = Devices.plane(Device(), count: 10)
    #expect(plane.factors == nil && plane.spread == nil && plane.stepUp == nil && plane.stepDown == nil)
    #expect(plane.lower == nil && plane.upper == nil && plane.persistent == nil && plane.driftDeviation == nil)
    #expect(plane.trapped == nil && plane.stuck.isEmpty && plane.state.map(\.name) == ["x"])
  }

  // MARK: From cycle to cycle

  @Test("without noise a constant step is exactly n·p; all laws meet at no non-linearity")
  func linear() {
    for law: StepLaw? in [nil, .constantStep, .powStep(gammaUp: 0, gammaDown: 0), .piecewiseStep(up: [1], down: [1])] {
      let plane = Devices.plane(Device(pulseStep: 0.0078125, law: law), count: 33)
      _ = Self.write(plane, 0.25)
      Self.pulses(plane, 40)
      #expect(Devices.states(plane).allSatisfy { $0 == 0.5625 })
      Self.pulses(plane, -2.5)
      #expect(Devices.states(plane).allSatisfy { $0 == 0.5625 - 2.5 * 0.0078125 })
      Self.pulses(plane, 1000)
      #expect(Devices.states(plane).allSatisfy { $0 == 1 })
    }
  }

  @Test("cycle-to-cycle noise is normal with σ = noise·p·√n, or noise times the local step", arguments: [1, 9, 50])
  func cycleNoise(n: Int) {
    for follows in [false, true] {
      let plane = Devices.plane(
        Self.device {
          $0.law = .softBounds()
          $0.pulseStep = 1e-4
          $0.updateNoise = 0.7
          $0.noiseFollowsStep = follows
        }, count: Self.count)
      _ = Self.write(plane, 0.75)
      let moves = (0..<2).map { round -> [Double] in
        _ = Self.write(plane, 0.75)
        Self.pulses(plane, Float(n), UInt64(round))
        // The step at 0.75 is half the one in the middle.
        let sigma = 0.7 * 1e-4 * Double(n).squareRoot() * (follows ? 0.5 : 1)
        return Devices.states(plane).map { (Double($0) - 0.75 - Double(n) * 0.5e-4) / sigma }
      }
      // Single precision at 0.75 is 6e-8, a thousandth of σ.
      for move in moves { #expect(Sample.kolmogorov(move) < Sample.kolmogorovLimit) }
      #expect(abs(Sample.correlation(moves[0], moves[1])) < 4 / Double(Self.count).squareRoot())
    }
  }

  @Test("write noise is drawn about a persistent state, which pulses go on from")
  func writeNoise() {
    let plane = Devices.plane(
      Self.device {
        $0.writeNoise = 0.05
        $0.law = .constantStep
      }, count: Self.count)
    _ = Self.write(plane, 0.5)
    #expect(Devices.states(plane).allSatisfy { $0 == 0.5 })
    Self.pulses(plane, 10, 1)
    let first = Devices.states(plane).map { (Double($0) - 0.51) / 0.05 }
    Self.pulses(plane, 10, 2)
    let second = Devices.states(plane).map { (Double($0) - 0.52) / 0.05 }
    #expect(Sample.kolmogorov(first) < Sample.kolmogorovLimit && Sample.kolmogorov(second) < Sample.kolmogorovLimit)
    #expect(abs(Sample.correlation(first, second)) < 4 / Double(Self.count).squareRoot())
    #expect(Devices.values(plane.persistent).allSatisfy { abs($0 - 0.52) < 1e-6 })
  }

  @Test("blocks of a plane may be updated in any order and on any threads")
  func anyOrder() {
    let device = Self.device {
      $0.updateNoise = 1
      $0.writeNoise = 0.01
      $0.stepVariation = 0.2
      $0.upperBoundVariation = 0.1
      $0.programmingNoise = 0.02
      $0.faults = .init(stuckOff: 0.05)
      $0.writeVerify = .init(tolerance: 0.01, maxIterations: 5)
    }
    let n = 5000
    let blocks = stride(from: 0, to: n, by: 512).map { $0..<min(n, $0 + 512) }
    let targets = Devices.uniforms(n, seed: 4)
    let counts = Devices.gaussians(n, seed: 5).map { ($0 * 2).rounded() }
    func run(_ threads: Int, reversed: Bool) -> (states: [Float], pulses: Int, failed: Int) {
      let plane = Devices.plane(device, count: n)
      let pool = ThreadPool(threads: threads)
      let order = reversed ? blocks.reversed() : blocks
      let totals = UnsafeMutableBufferPointer<(Int, Int)>.allocate(capacity: order.count)
      totals.initialize(repeating: (0, 0))
      defer { totals.deallocate() }
      nonisolated(unsafe) let (sums, given, wanted, devices) = (totals, counts, targets, plane)
      pool.parallelFor(order.count) { item, _ in
        let block = order[item]
        wanted.withUnsafeBufferPointer { t in
          given.withUnsafeBufferPointer { p in
            let done = devices.program(block, targets: t.baseAddress! + block.lowerBound, stream: Devices.stream(1))
            sums[item] = (done.pulses, done.failed)
            devices.applyPulses(
              block, pulses: p.baseAddress! + block.lowerBound, sign: -1, stream: Devices.stream(2),
              first: block.lowerBound)
          }
        }
      }
      return (Devices.states(plane), totals.reduce(0) { $0 + $1.0 }, totals.reduce(0) { $0 + $1.1 })
    }
    let one = run(1, reversed: false)
    for other in [run(2, reversed: true), run(4, reversed: false)] {
      #expect(other.states == one.states && other.pulses == one.pulses && other.failed == one.failed)
    }
    #expect(one.failed > 0 && one.pulses > n)
  }

  // MARK: Faults

  @Test("faults come in the stated fractions, hold their states and survive everything")
  func faults() {
    let device = Self.device {
      $0.faults = .init(stuckOn: 0.01, stuckOff: 0.02, open: 0.005)
      $0.programmingNoise = 0.1
      $0.updateNoise = 1
    }
    let plane = Devices.plane(device, count: Self.count)
    let counts = [Fault.stuckOn, .stuckOff, .open].map { kind in plane.stuck.filter { $0.fault == kind }.count }
    #expect(
      Sample.chiSquare(counts + [Self.count - counts.reduce(0, +)], [0.01, 0.02, 0.005, 0.965])
        < Sample.chiSquareLimit[2])
    func held(_ f: Fault) -> Float { f == .stuckOn ? 1 : f == .stuckOff ? 0 : -Float(device.floor) }
    func check() -> Bool { plane.stuck.allSatisfy { plane.x.base[$0.index] == held($0.fault) } }
    #expect(check(), "from the start")
    _ = Self.write(plane, 0.5)
    #expect(check(), "after programming")
    Self.pulses(plane, 30)
    #expect(check(), "after pulses")
    let free = Set(0..<Self.count).subtracting(plane.stuck.map(\.index))
    #expect(free.allSatisfy { plane.x.base[$0] > 0.1 })
    #expect((plane.x.base[plane.stuck.first { $0.fault == .open }!.index] + Float(device.floor)) == 0, "G = 0")
  }

  @Test("a map says which devices are faulty; fractions are drawn among the others")
  func faultMap() throws {
    let map = FaultMap(
      shape: [2, 2, 3], faults: [.none, .stuckOn, .none, .open, .none, .none] + [Fault](repeating: .stuckOff, count: 6))
    let own = try map.plane(0, outputs: 2, inputs: 3)
    let plane = Devices.plane(Device(), count: 6, faults: own)
    #expect(plane.stuck.map(\.index) == [1, 3] && plane.stuck.map(\.fault) == [.stuckOn, .open])
    #expect(try map.plane(1, outputs: 2, inputs: 3) == [Fault](repeating: .stuckOff, count: 6))
    let all = FaultMap(shape: [2, 3], faults: own)
    #expect(try all.plane(7, outputs: 2, inputs: 3) == own)
    #expect(
      throws: CircuitError(
        "the fault map has shape [2, 3]; expected [3, 2], or [planes, 3, 2] with at least 1 planes of devices (give each "
          + "layer its own map under hardware.layers)")
    ) { try all.plane(0, outputs: 3, inputs: 2) }
    #expect(throws: CircuitError.self) { try map.plane(2, outputs: 2, inputs: 3) }

    let both = Devices.plane(
      Self.device { $0.faults.stuckOff = 1 }, count: 6, faults: own)
    #expect(both.stuck.map(\.fault) == [.stuckOff, .stuckOn, .stuckOff, .open, .stuckOff, .stuckOff])
  }

  // MARK: Time

  @Test("conductances drift by the power law with normal exponents; age 0 is as programmed, bit by bit")
  func drift() {
    let plane = Devices.plane(
      Self.device {
        $0.variation = 0.05
        $0.drift = .init(exponent: .init(0.06), variation: .init(0.01), referenceTime: 20)
      }, count: Self.count)
    _ = Self.write(plane, 0.5)
    let fresh = Devices.values(plane.factors)
    plane.age(seconds: 86_400)
    let aged = Devices.values(plane.factors)
    let nu = zip(aged, fresh).map { -log($0 / $1) / log((86_400 + 20) / 20) }
    #expect(Sample.kolmogorov(nu.map { ($0 - 0.06) / 0.01 }) < Sample.kolmogorovLimit)
    for i in 0..<100 { #expect(abs(plane.driftExponent(i) - nu[i]) < 1e-5) }
    plane.age(seconds: 3600)
    for i in 0..<100 {
      #expect(
        abs(Double(plane.factors!.base[i]) - fresh[i] * pow(3620 / 20, -nu[i])) < 1e-5,
        "from programming, not from the last age")
    }
    plane.age(seconds: 0)
    #expect(Devices.values(plane.factors) == fresh)
    #expect(Devices.states(plane).allSatisfy { $0 == 0.5 })
  }

  @Test("drift exponents may depend on the state, within limits; a negative one is none")
  func driftOfState() {
    let drift = Device.Drift(
      exponent: .init(0.0244, slope: -0.0155, limits: 0.049...0.1),
      variation: .init(-0.0059, slope: -0.0125, limits: 0.008...0.045))
    let plane = Devices.plane(
      Self.device {
        $0.onResistance = 4e4
        $0.offResistance = 4e6
        $0.drift = drift
      }, count: Self.count)
    for x in [0.0, 0.02, 0.1, 1] {
      _ = Self.write(plane, Float(x))
      let g = (Double(Float(x)) + plane.device.floor) / (1 + plane.device.floor)
      let mean = min(0.1, max(0.049, 0.0244 - 0.0155 * log(g)))
      let sigma = min(0.045, max(0.008, -0.0059 - 0.0125 * log(g)))
      let z = (0..<Self.count).map { (plane.driftExponent($0) - mean) / sigma }
      // Cut at 0, which lies −mean/σ away.
      #expect(z.allSatisfy { $0 >= -mean / sigma - 1e-9 })
      let kept = z.filter { $0 > -mean / sigma + 1e-9 }
      let below = Sample.normal(-mean / sigma)
      #expect(Sample.kolmogorov(kept) { (Sample.normal($0) - below) / (1 - below) } < Sample.kolmogorovLimit, "x \(x)")
    }
  }

  @Test("a state that is lost decays to rest; an age can be taken back, time that passes cannot")
  func retention() {
    let plane = Devices.plane(
      Self.device {
        $0.retention = .init(timeConstant: 100, restingState: 0.25)
        $0.faults = .init(stuckOn: 0.1)
      }, count: 200)
    _ = Self.write(plane, 0.75)
    let stuck = Set(plane.stuck.map(\.index))
    func expect(_ value: Double, _ comment: Comment) {
      for i in 0..<200 {
        #expect(abs(Double(plane.x.base[i]) - (stuck.contains(i) ? 1 : value)) < 1e-6, comment)
      }
    }
    plane.age(seconds: 50)
    expect(0.25 + 0.5 * exp(-0.5), "aged")
    plane.age(seconds: 100)
    expect(0.25 + 0.5 * exp(-1), "older, from the start")
    plane.age(seconds: 0)
    expect(0.75, "young again")
    #expect(Devices.states(plane).enumerated().allSatisfy { stuck.contains($0.offset) || $0.element == 0.75 })
    plane.elapse(0..<100, seconds: 100)
    plane.elapse(100..<200, seconds: 100)
    plane.age(seconds: 0)
    expect(0.25 + 0.5 * exp(-1), "passed")
    #expect(!stuck.isEmpty)
  }

  @Test("telegraph noise: the stated share of devices, of epochs, and the stated amplitude")
  func telegraph() {
    let plane = Devices.plane(
      Self.device { $0.readNoise.telegraph = .init(fraction: 0.3, amplitude: 0.2, occupancy: 0.25) }, count: Self.count)
    #expect(plane.factors == nil)
    var full = [Int](repeating: 0, count: Self.count)
    let epochs = 40
    for epoch in 0..<epochs {
      plane.telegraph(step: epoch)
      for i in 0..<Self.count {
        let f = plane.factors!.base[i]
        #expect(f == 1 || f == 0.8)
        full[i] += f < 1 ? 1 : 0
      }
    }
    // A device without a trap never changes; one with a trap misses forty epochs in one case of 10⁵.
    let trapped = full.filter { $0 > 0 }.count
    #expect(Sample.chiSquare([trapped, Self.count - trapped], [0.3, 0.7]) < Sample.chiSquareLimit[0])
    #expect(Devices.values(plane.trapped).filter { $0 > 0 }.count == trapped)
    let total = full.reduce(0, +)
    #expect(
      Sample.chiSquare([total, trapped * epochs - total], [0.25, 0.75]) < Sample.chiSquareLimit[0])
    // How often a device was full is binomial.
    let variance = full.filter { $0 > 0 }.reduce(0.0) { $0 + (Double($1) - 10) * (Double($1) - 10) } / Double(trapped)
    #expect(abs(variance / (40 * 0.25 * 0.75) - 1) < 0.06)
    // An epoch is what it was, whoever asks again.
    plane.telegraph(step: 3)
    let third = Devices.values(plane.factors)
    plane.telegraph(step: 4)
    #expect(Devices.values(plane.factors) != third)
    plane.telegraph(step: 3)
    #expect(Devices.values(plane.factors) == third)
  }

  @Test("spread, drift and telegraph noise multiply")
  func product() {
    func plane(_ change: (inout Device) -> Void) -> DevicePlane {
      let plane = Devices.plane(Self.device(change), count: 500)
      _ = Self.write(plane, 0.5)
      plane.age(seconds: 1000)
      plane.telegraph(step: 2)
      return plane
    }
    let all = plane {
      $0.variation = 0.1
      $0.drift = .init(exponent: .init(0.1))
      $0.readNoise.telegraph = .init(amplitude: 0.3)
    }
    let (spread, drift) = (plane { $0.variation = 0.1 }, plane { $0.drift = .init(exponent: .init(0.1)) })
    let telegraph = plane { $0.readNoise.telegraph = .init(amplitude: 0.3) }
    for i in 0..<500 {
      let expected = spread.factors!.base[i] * drift.factors!.base[i] * telegraph.factors!.base[i]
      #expect(abs(all.factors!.base[i] - expected) < 1e-6)
    }
  }

  @Test("thermal and flicker noise are the formulas")
  func readNoise() {
    var noise = ReadNoise()
    #expect(noise.isEmpty && noise.flickerDeviation == 0 && noise.thermalDeviation(conductance: 1) == 0)
    noise.bandwidth = 1e6
    // 4·k·T·B·G at 300 K over 1 MHz, 64 devices of 10 µS: 3.256283 nA.
    #expect(abs(noise.thermalDeviation(conductance: 64e-5) - 3.256283e-9) < 1e-15)
    noise.flicker = 7.744e-5
    (noise.lowFrequency, noise.highFrequency) = (1, 2e6)
    #expect(abs(noise.flickerDeviation - 0.0088 * log(2e6).squareRoot()) < 1e-12)
    noise.flickerExponent = 0.65
    #expect(abs(noise.flickerDeviation(at: 0.5) - 0.0088 / pow(0.5, 0.65) * log(2e6).squareRoot()) < 1e-12)
    noise.flickerLimit = 0.2
    #expect(noise.flickerDeviation(at: 1e-6) == 0.2)
  }

  // MARK: Pruning and checkpoints

  static let whole = device {
    $0.variation = 0.1
    $0.stepVariation = 0.1
    $0.asymmetryVariation = 0.1
    $0.lowerBoundVariation = 0.02
    $0.upperBoundVariation = 0.1
    $0.updateNoise = 1
    $0.writeNoise = 0.02
    $0.faults = .init(stuckOn: 0.05, stuckOff: 0.05, open: 0.05)
    $0.drift = .init(exponent: .init(0.05), variation: .init(0.02))
    $0.retention = .init(timeConstant: 1000)
    $0.readNoise.telegraph = .init(fraction: 0.5, amplitude: 0.1)
  }

  @Test("devices that survive keep their states and all that is their own")
  func select() {
    let faults = (0..<300).map { $0 % 50 == 7 ? Fault.stuckOn : .none }
    let plane = Devices.plane(Self.whole, count: 300, faults: faults)
    plane.program(0..<300, targets: Devices.uniforms(300, seed: 1), stream: Devices.stream())
    Self.pulses(plane, 5)
    plane.telegraph(step: 5)
    let kept = [299, 7, 3] + (100..<200).map { $0 * 2 % 299 }
    let before = (
      x: Devices.states(plane), factors: Devices.values(plane.factors), up: Devices.values(plane.stepUp),
      upper: Devices.values(plane.upper),
      stuck: Dictionary(uniqueKeysWithValues: plane.stuck.map { ($0.index, $0.fault) }),
      nu: (0..<300).map { plane.driftExponent($0) }
    )
    plane.select(kept)
    #expect(plane.count == kept.count)
    for (i, old) in kept.enumerated() {
      #expect(plane.x.base[i] == before.x[old] && Double(plane.factors!.base[i]) == before.factors[old])
      #expect(Double(plane.stepUp!.base[i]) == before.up[old] && Double(plane.upper!.base[i]) == before.upper[old])
      #expect((plane.stuck.first { $0.index == i }?.fault) == before.stuck[old])
      #expect(plane.driftExponent(i) == before.nu[old])
    }
    // Twice is once with the one after the other.
    plane.select([2, 0])
    #expect(plane.x.base[0] == before.x[3] && plane.x.base[1] == before.x[299])
    #expect(Double(plane.stepUp!.base[0]) == before.up[3])
  }

  @Test("a restored plane is the plane, pruned or not, and goes on alike", arguments: [false, true])
  func restore(pruned: Bool) throws {
    let plane = Devices.plane(Self.whole, count: 300)
    plane.program(0..<300, targets: Devices.uniforms(300, seed: 1), stream: Devices.stream())
    Self.pulses(plane, 5)
    if pruned { plane.select((0..<300).filter { $0 % 3 != 1 }) }
    let state = Dictionary(uniqueKeysWithValues: plane.state.map { ($0.name, $0.tensor) })
    #expect(state.keys.sorted() == (pruned ? ["drawn", "origin", "persistent", "x"] : ["persistent", "x"]))
    let other = Devices.plane(Self.whole, count: 300)
    try other.restore(state)
    func same(_ comment: Comment) {
      #expect(Devices.states(other) == Devices.states(plane), comment)
      #expect(Devices.values(other.factors) == Devices.values(plane.factors), comment)
      #expect(other.stuck.map(\.index) == plane.stuck.map(\.index), comment)
    }
    same("restored")
    for p in [plane, other] {
      Self.pulses(p, -7, 9)
      p.telegraph(step: 3)
      p.age(seconds: 50)
    }
    same("gone on")
  }

  @Test("states that do not fit are refused in a sentence")
  func refusesStates() throws {
    func sentence(_ change: (inout [String: Tensor]) -> Void) -> String {
      let plane = Devices.plane(Self.whole, count: 30)
      plane.select(Array(0..<20))
      var state = Dictionary(uniqueKeysWithValues: plane.state.map { ($0.name, $0.tensor) })
      change(&state)
      do { try Devices.plane(Self.whole, count: 30).restore(state) } catch { return "\(error)" }
      return "accepted"
    }
    #expect(sentence { _ in } == "accepted")
    #expect(sentence { $0["x"] = nil } == "the checkpoint holds no x of a plane of devices")
    #expect(sentence { $0["x"] = Tensor(shape: [3]) } == "the checkpoint's x has shape [3], not [20]")
    #expect(sentence { $0["persistent"] = nil } == "the checkpoint holds no persistent of a plane of devices")
    #expect(
      sentence { $0["drawn"] = Tensor(shape: [2], values: [0, 40]) }
        == "the checkpoint's plane had 40 devices, this one 30")
    #expect(
      sentence { $0["origin"] = Tensor(shape: [20, 2], values: (0..<40).map { $0 == 5 ? 30 : 0 }) }
        == "the checkpoint's origin names devices outside the 30 that were drawn")
    #expect(sentence { $0["origin"] = Tensor(shape: [4]) } == "the checkpoint's origin has shape [4], not [devices, 2]")
  }
}
