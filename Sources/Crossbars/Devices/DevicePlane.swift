import CKernels
import LinearAlgebra
import NeuralNetworks

/// One device per weight, [outputs × inputs] flat: a chip's population, the states of its devices and what moves them.
///
///     G = (x + floor)·(G_max − G_min)·factor        factor = spread · drift · telegraph noise
///
/// Whatever differs from device to device is drawn once from the chip's seed and belongs to the device: it is the same in
/// every run, and a device that survives pruning keeps it. Only what the device's parameters ask for is stored.
public final class DevicePlane {
  public let device: Device
  /// Devices now.
  public private(set) var count: Int
  /// What is read of the devices' states.
  public private(set) var x: Storage
  /// What multiplies each device's conductance (x + floor); nil where all are 1.
  public private(set) var factors: Storage?
  /// Devices that do not move: their places in ascending order, and what holds them.
  public private(set) var stuck: [(index: Int, fault: Fault)] = []
  /// Seconds since programming that the states and factors now show.
  public private(set) var age = 0.0

  let chipSeed: UInt64
  let owner: Int
  let plane: Int
  /// Devices that were drawn, and which of them are left (nil: all). Faults of a map are as many as were drawn.
  private var drawn: Int
  private var origin: [Int]?
  private var map: [Fault]?

  // The population; nil where all devices are alike.
  private(set) var spread: Storage?
  private(set) var stepUp: Storage?
  private(set) var stepDown: Storage?
  private(set) var lower: Storage?
  private(set) var upper: Storage?
  /// Deviations of the drift exponent from its mean, in units of their σ.
  private(set) var driftDeviation: Storage?
  /// 1 where a device has a trap.
  private(set) var trapped: Storage?

  /// States that pulses move where `x` shows them with write noise.
  private(set) var persistent: Storage?
  /// States as programmed, while `x` shows them aged.
  private var fresh: Storage?
  /// Epoch of the telegraph noise in the factors; nil before the first.
  private var epoch: Int?

  private(set) var law: CKStepLaw
  private let table: Storage?
  /// Measured levels: their states, their deviations, and the middles between neighbours.
  let levels: Storage?

  /// Draws the population. States start at 0, those of stuck devices where they are held.
  ///
  /// - Parameters:
  ///   - chipSeed: of the chip.
  ///   - owner: number of the array within its model.
  ///   - plane: number of the plane within its array, below 65,536. Plane 0 holds plus devices, plane 1 minus devices.
  ///   - faults: one per device, from `FaultMap.plane`; the device's fractions are drawn among the others.
  public init(count: Int, device: Device, chipSeed: UInt64, owner: Int, plane: Int, faults: [Fault]? = nil) {
    precondition((0..<65_536).contains(plane))
    precondition(faults.map { $0.count == count } ?? true)
    self.device = device
    self.count = count
    self.chipSeed = chipSeed
    self.owner = owner
    self.plane = plane
    drawn = count
    map = faults
    x = Storage(count: count)
    (law, table) = Self.kernelLaw(device)
    levels = Self.levels(device.levelTable)
    if device.writeNoise > 0 { persistent = Storage(count: count) }
    drawPopulation()
    pin(0..<count)
  }

  private static func kernelLaw(_ device: Device) -> (CKStepLaw, Storage?) {
    var law = CKStepLaw()
    var storage: Storage?
    switch device.stepLaw {
    case .linear(let up, let down):
      law.form = 0
      law.up = (Float(up.a), Float(up.b), 0)
      law.down = (Float(down.a), Float(down.b), 0)
    case .exponential(let up, let down):
      law.form = 1
      law.up = (Float(up.a), Float(up.b), Float(up.c))
      law.down = (Float(down.a), Float(down.b), Float(down.c))
    case .power(let up, let down):
      law.form = 2
      law.up = (0, Float(up.b), Float(up.c))
      law.down = (0, Float(down.b), Float(down.c))
    case .piecewise:
      law.form = 3
      let (cells, values) = device.stepLaw.table()!
      let steps = Storage(count: values.count)
      for i in 0..<values.count { steps.base[i] = values[i] }
      law.table = UnsafePointer(steps.base)
      law.cells = Int32(cells)
      storage = steps
    }
    law.step = Float(device.pulseStep)
    law.noise = Float(device.updateNoise)
    law.noiseFollowsStep = device.noiseFollowsStep ? 1 : 0
    law.writeNoise = Float(device.writeNoise)
    law.least = -Float(device.floor)
    return (law, storage)
  }

  private static func levels(_ table: [Device.Level]) -> Storage? {
    guard !table.isEmpty else { return nil }
    let n = table.count
    let result = Storage(count: 3 * n)
    for (i, level) in table.enumerated() {
      (result.base[i], result.base[n + i]) = (Float(level.x), Float(level.sigma))
      if i > 0 { result.base[2 * n + i - 1] = Float((table[i - 1].x + level.x) / 2) }
    }
    return result
  }

  // MARK: The population

  /// What a chip's numbers are drawn for; the raw values are part of the meaning of a chip's seed: never renumber.
  private enum Quantity: UInt64 {
    case spread = 0
    case step = 1
    case asymmetry = 2
    case lower = 3
    case upper = 4
    case drift = 5
    case faults = 6
    case traps = 7
    case telegraph = 8
  }

  private func stream(_ quantity: Quantity, epoch: Int = 0) -> RandomStream {
    RandomPurpose.deviceVariation.stream(
      seed: chipSeed, owner: owner, index: UInt64(plane) | quantity.rawValue << 16 | UInt64(epoch) << 24)
  }

  /// Draws for the whole plane as it was made, the survivors picked out.
  private func gaussians(_ quantity: Quantity) -> Storage {
    let all = Storage(count: drawn)
    stream(quantity).fillGaussian(all.base, count: drawn)
    return survivors(all)
  }

  private func uniforms(_ quantity: Quantity, epoch: Int = 0) -> Storage {
    let all = Storage(count: drawn)
    stream(quantity, epoch: epoch).fillUniform(all.base, count: drawn)
    return survivors(all)
  }

  private func survivors(_ all: Storage) -> Storage { origin.map { Self.pick(all, $0) } ?? all }

  private static func pick(_ s: Storage, _ kept: [Int]) -> Storage {
    let result = Storage(count: kept.count)
    let (from, to) = (s.base, result.base)
    kept.withUnsafeBufferPointer { kept in
      for i in 0..<kept.count { to[i] = from[kept[i]] }
    }
    return result
  }

  private func drawPopulation() {
    let n = count
    func cut(_ z: Float) -> Float { min(3, max(-3, z)) }
    if device.variation > 0 {
      let sigma = Float(device.variation)
      let s = gaussians(.spread)
      for i in 0..<n { s.base[i] = max(0.01, 1 + sigma * cut(s.base[i])) }
      spread = s
    }
    if device.stepVariation > 0 || device.asymmetry != 0 || device.asymmetryVariation > 0 {
      let (up, down) = (Storage(count: n), Storage(count: n))
      let gain = device.stepVariation > 0 ? gaussians(.step) : nil
      let imbalance = device.asymmetryVariation > 0 ? gaussians(.asymmetry) : nil
      let (sigma, beta, betaSigma) = (
        Float(device.stepVariation), Float(device.asymmetry), Float(device.asymmetryVariation)
      )
      for i in 0..<n {
        var g: Float = 1
        if let gain {
          g =
            device.stepIsLogNormal
            ? Float(Elementary.exp(Double(sigma * gain.base[i]))) : max(0.01, 1 + sigma * cut(gain.base[i]))
        }
        let b = beta + (imbalance.map { betaSigma * cut($0.base[i]) } ?? 0)
        // A pulse does not move a device the wrong way.
        up.base[i] = max(0, g + b)
        down.base[i] = max(0, g - b)
      }
      (stepUp, stepDown) = (up, down)
    }
    if device.lowerBoundVariation > 0 || device.upperBoundVariation > 0 {
      let (low, high) = (Storage(count: n), Storage(count: n))
      let lowDraw = device.lowerBoundVariation > 0 ? gaussians(.lower) : nil
      let highDraw = device.upperBoundVariation > 0 ? gaussians(.upper) : nil
      let (lowSigma, highSigma) = (Float(device.lowerBoundVariation), Float(device.upperBoundVariation))
      for i in 0..<n {
        // No conductance is negative, and every device has some range.
        let l = max(-Float(device.floor), lowSigma * (lowDraw.map { cut($0.base[i]) } ?? 0))
        low.base[i] = l
        high.base[i] = max(l + Self.leastRange, 1 + highSigma * (highDraw.map { cut($0.base[i]) } ?? 0))
      }
      (lower, upper) = (low, high)
    }
    if let drift = device.drift, drift.variation != Device.Drift.Coefficient(0) {
      let s = gaussians(.drift)
      for i in 0..<n { s.base[i] = cut(s.base[i]) }
      driftDeviation = s
    }
    if let telegraph = device.readNoise.telegraph, telegraph.fraction < 1 {
      let s = uniforms(.traps)
      for i in 0..<n { s.base[i] = s.base[i] < Float(telegraph.fraction) ? 1 : 0 }
      trapped = s
    }
    drawFaults()
    updateFactors()
  }

  /// The smallest difference between a device's bounds.
  static let leastRange: Float = 0.01

  private func drawFaults() {
    stuck = []
    let f = device.faults
    let (on, off, open) = (Float(f.stuckOn), Float(f.stuckOff), Float(f.open))
    let draw = on + off + open > 0 ? uniforms(.faults) : nil
    guard draw != nil || map != nil else { return }
    for i in 0..<count {
      var fault = map.map { $0[origin?[i] ?? i] } ?? .none
      if fault == .none, let u = draw?.base[i] {
        fault = u < on ? .stuckOn : u < on + off ? .stuckOff : u < on + off + open ? .open : .none
      }
      if fault != .none { stuck.append((i, fault)) }
    }
  }

  /// Puts the stuck devices of a range back where they are held.
  func pin(_ range: Range<Int>) {
    guard !stuck.isEmpty else { return }
    stuck.withUnsafeBufferPointer { stuck in
      var (low, high) = (0, stuck.count)
      while low < high {
        let middle = (low + high) / 2
        if stuck[middle].index < range.lowerBound { low = middle + 1 } else { high = middle }
      }
      while low < stuck.count, stuck[low].index < range.upperBound {
        let held: Float
        switch stuck[low].fault {
        case .stuckOn: held = 1
        case .open: held = law.least
        default: held = 0
        }
        x.base[stuck[low].index] = held
        low += 1
      }
    }
  }

  // MARK: Pulses

  /// Gives devices pulses: Δx = n·p·f(u) in the direction of n's sign, plus noise, within the bounds. A count that is
  /// not a number makes the state none either, so that training stops.
  ///
  /// May run on several threads for disjoint ranges. The plane must not be aged.
  ///
  /// - Parameters:
  ///   - range: elements.
  ///   - pulses: a real count for each element of the range; positive·sign raises x. Counts above 4·10⁶ are held there.
  ///   - stream: from element `first` on its Gaussians are the noise of the devices that get pulses, in their order. The
  ///     highest bit of the index must be free.
  ///   - first: a multiple of 32; ranges that are updated with one stream keep `range.count` elements apart.
  public func applyPulses(
    _ range: Range<Int>, pulses: UnsafePointer<Float>, sign: Float, stream: RandomStream, first: Int
  ) {
    precondition(first % 32 == 0 && range.upperBound <= count && age == 0)
    var law = law
    var devices = population(from: range.lowerBound)
    let (states, shown) = states(from: range.lowerBound)
    kernels.applyPulses(range.count, &law, &devices, stream.c, first, pulses, sign, states, shown)
    pin(range)
  }

  /// The same for some devices of a range.
  ///
  /// - Parameters:
  ///   - some: how many.
  ///   - places: of the devices within the range, ascending; may be written beyond `some`, up to a multiple of 32.
  ///   - pulses: a count for each of them; as `places`.
  public func applyPulses(
    to some: Int, of range: Range<Int>, _ places: UnsafeMutablePointer<UInt32>, _ pulses: UnsafeMutablePointer<Float>,
    sign: Float, stream: RandomStream, first: Int
  ) {
    precondition(first % 32 == 0 && range.upperBound <= count && age == 0)
    var law = law
    var devices = population(from: range.lowerBound)
    let (states, shown) = states(from: range.lowerBound)
    kernels.applyPulsesAt(some, &law, &devices, stream.c, first, places, pulses, sign, states, shown)
    pin(range)
  }

  /// What differs from device to device, from one on.
  private func population(from at: Int) -> CKDevices {
    CKDevices(
      stepUp: stepUp.map { UnsafePointer($0.base + at) }, stepDown: stepDown.map { UnsafePointer($0.base + at) },
      lower: lower.map { UnsafePointer($0.base + at) }, upper: upper.map { UnsafePointer($0.base + at) })
  }

  /// The states that pulses move, and those shown about them, if any, from one device on.
  private func states(from at: Int) -> (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>?) {
    persistent.map { ($0.base + at, x.base + at) } ?? (x.base + at, nil)
  }

  // MARK: Time

  /// Shows the devices as they are some seconds after programming: conductances drifted, states relaxed. Ages count from
  /// programming, not from the last call; 0 restores the plane exactly.
  public func age(seconds: Double) {
    precondition(seconds >= 0)
    if let fresh {
      x.base.update(from: fresh.base, count: count)
      self.fresh = nil
    }
    age = seconds
    if seconds > 0, let retention = device.retention {
      let copy = Storage(count: count)
      copy.base.update(from: x.base, count: count)
      fresh = copy
      relax(x, 0..<count, retention, seconds)
      pin(0..<count)
    }
    updateFactors()
  }

  /// Lets states relax for good, as a capacitor leaks between updates. Does nothing without `retention`.
  ///
  /// May run on several threads for disjoint ranges. The plane must not be aged.
  public func elapse(_ range: Range<Int>, seconds: Double) {
    precondition(range.upperBound <= count && age == 0)
    guard let retention = device.retention, seconds > 0 else { return }
    relax(x, range, retention, seconds)
    if let persistent { relax(persistent, range, retention, seconds) }
    pin(range)
  }

  private func relax(_ s: Storage, _ range: Range<Int>, _ retention: Device.Retention, _ seconds: Double) {
    let rest = Float(retention.restingState)
    let kept = Float(Elementary.exp(-seconds / retention.timeConstant))
    let states = s.base
    for i in range { states[i] = rest + kept * (states[i] - rest) }
  }

  /// Draws the traps of the telegraph noise anew, full or empty, for a read epoch. Does nothing where none is configured.
  public func telegraph(step: Int) {
    guard device.readNoise.telegraph != nil, epoch != step else { return }
    epoch = step
    updateFactors()
  }

  /// ν of one device.
  public func driftExponent(_ i: Int) -> Double {
    guard let drift = device.drift else { return 0 }
    let relative = (Double(x.base[i]) + device.floor) / (1 + device.floor)
    let deviation = driftDeviation.map { Double($0.base[i]) * drift.variation.at(relative) } ?? 0
    return max(0, drift.exponent.at(relative) + deviation)
  }

  /// factors = spread · drift · telegraph.
  private func updateFactors() {
    let drifts = age > 0 && device.drift != nil
    let telegraph = epoch == nil ? nil : device.readNoise.telegraph
    guard drifts || telegraph != nil else {
      factors = spread
      return
    }
    let result = factors.flatMap { $0 === spread || $0.count != count ? nil : $0 } ?? Storage(count: count)
    let f = result.base
    if let spread { f.update(from: spread.base, count: count) } else { f.update(repeating: 1, count: count) }
    if drifts, let drift = device.drift {
      let time = Elementary.log((age + drift.referenceTime) / drift.referenceTime)
      for i in 0..<count { f[i] *= Float(Elementary.exp(-driftExponent(i) * time)) }
    }
    if let telegraph, let epoch {
      let draws = uniforms(.telegraph, epoch: epoch)
      let draw = draws.base
      let (occupancy, reads) = (Float(telegraph.occupancy), Float(1 - telegraph.amplitude))
      let trapped = trapped?.base
      withExtendedLifetime(draws) {
        for i in 0..<count where draw[i] < occupancy && (trapped == nil || trapped![i] > 0) { f[i] *= reads }
      }
    }
    factors = result
  }

  // MARK: Pruning and checkpoints

  /// Keeps the devices of the given indices, in that order, with all that is their own.
  public func select(_ kept: [Int]) {
    precondition(age == 0 && kept.allSatisfy { $0 >= 0 && $0 < count })
    let states = Self.pick(x, kept)
    let hidden = persistent.map { Self.pick($0, kept) }
    origin = origin.map { origin in kept.map { origin[$0] } } ?? kept
    count = kept.count
    (x, persistent) = (states, hidden)
    drawPopulation()
  }

  /// What a checkpoint needs beyond the parameters and the chip's seed: `x` [count]; `persistent` [count] with write
  /// noise; after pruning `drawn` [2] and `origin` [count, 2], the devices that are left of those that were drawn, as
  /// quotient and remainder by 65,536, and with a fault map `faults` [count], what the map says of them. The plane must not
  /// be aged.
  public var state: [NamedTensor] {
    precondition(age == 0)
    func tensor(_ s: Storage) -> Tensor {
      Tensor(shape: [count], values: Array(UnsafeBufferPointer(start: s.base, count: count)))
    }
    var result: [NamedTensor] = [("x", tensor(x))]
    if let persistent { result.append(("persistent", tensor(persistent))) }
    if let origin {
      func split(_ i: Int) -> [Float] { [Float(i >> 16), Float(i & 0xFFFF)] }
      result.append(("drawn", Tensor(shape: [2], values: split(drawn))))
      result.append(("origin", Tensor(shape: [count, 2], values: origin.flatMap(split))))
      if let map {
        result.append(("faults", Tensor(shape: [count], values: origin.map { Float(map[$0].rawValue) })))
      }
    }
    return result
  }

  /// Takes over the state of a plane of the same device, chip, owner and number; its size may have been reduced.
  ///
  /// - Throws: `ModelError` if a tensor is missing or does not fit.
  public func restore(_ state: [String: Tensor]) throws {
    func named(_ name: String, _ shape: [Int]) throws -> Tensor {
      guard let tensor = state[name] else { throw ModelError("the checkpoint holds no \(name) of a plane of devices") }
      guard tensor.shape == shape else {
        throw ModelError("the checkpoint's \(name) has shape \(tensor.shape), not \(shape)")
      }
      return tensor
    }
    func join(_ values: ArraySlice<Float>) -> Int {
      values.allSatisfy { $0 >= 0 && $0 <= 65_535 } ? Int(values.first!) << 16 + Int(values.last!) : -1
    }
    var kept: [Int]?
    var all = drawn
    if let origin = state["origin"] {
      guard origin.shape.count == 2, origin.shape[1] == 2 else {
        throw ModelError("the checkpoint's origin has shape \(origin.shape), not [devices, 2]")
      }
      all = join(try named("drawn", [2]).values[...])
      let pairs = origin.values
      let indices = (0..<origin.shape[0]).map { join(pairs[2 * $0..<2 * $0 + 2]) }
      guard indices.allSatisfy({ $0 >= 0 && $0 < all }) else {
        throw ModelError("the checkpoint's origin names devices outside the \(all) that were drawn")
      }
      kept = indices
    }
    let n = kept?.count ?? all
    var faults: [Fault]?
    if let stored = state["faults"], let kept {
      guard stored.shape == [n] else {
        throw ModelError("the checkpoint's faults have shape \(stored.shape), not [\(n)]")
      }
      let values = stored.values.map { $0 >= 0 && $0 < 256 ? Fault(rawValue: UInt8($0)) : nil }
      guard values.allSatisfy({ $0 != nil }) else { throw ModelError("the checkpoint names a fault that there is not") }
      // Devices that are gone have none that matter.
      faults = [Fault](repeating: .none, count: all)
      for (i, origin) in kept.enumerated() { faults![origin] = values[i]! }
    }
    // A plane may have been made at the size that pruning left; its population is that of the plane before.
    guard all == drawn || (n == count && (map == nil || faults != nil)) else {
      throw ModelError("the checkpoint's plane had \(all) devices, this one \(drawn)")
    }
    let states = try named("x", [n])
    let hidden = device.writeNoise > 0 ? try named("persistent", [n]) : nil
    func storage(_ tensor: Tensor) -> Storage {
      let s = Storage(count: n)
      tensor.withUnsafeBufferPointer { s.base.update(from: $0.baseAddress!, count: n) }
      return s
    }
    (drawn, origin, count, age, fresh, epoch) = (all, kept, n, 0, nil, nil)
    if let faults { map = faults }
    x = storage(states)
    persistent = hidden.map(storage)
    drawPopulation()
  }
}
