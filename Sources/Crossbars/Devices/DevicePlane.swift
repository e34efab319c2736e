import LinearAlgebra
import NeuralNetworks

public final class DevicePlane {
  public let device: Device
  public var x: Storage
  public var factors: Storage?
  public init(count: Int, device: Device, chipSeed: UInt64, owner: Int, plane: Int) {
    self.device = device
    x = Storage(count: count)
    let sigma = Float(device.variation)
    if sigma > 0 {
      let s = Storage(count: count)
      RandomPurpose.deviceVariation.stream(seed: chipSeed, owner: owner, index: UInt64(plane))
        .fillGaussian(s.base, count: s.count)
      for i in 0..<s.count { s.base[i] = max(0.01, 1 + sigma * min(3, max(-3, s.base[i]))) }
      factors = s
    }
  }
  public func applyPulses(_ range: Range<Int>, pulses: UnsafePointer<Float>, sign: Float, stream: RandomStream, first: Int) {
    let noise = stream.gaussians(first + range.count)
    let (p, nu, sigma) = (Float(device.pulseStep), device.updateNonlinearity, Float(device.updateNoise * device.pulseStep))
    for (k, e) in range.enumerated() where pulses[k] != 0 {
      let n = pulses[k] * sign
      let law = Elementary.exp(-nu * Double(n > 0 ? x.base[e] : 1 - x.base[e]))
      x.base[e] = min(1, max(0, x.base[e] + n * p * Float(law) + abs(n).squareRoot() * sigma * noise[first + k]))
    }
  }
  public func program(
    _ range: Range<Int>, targets: UnsafePointer<Float>, mask: UnsafePointer<Bool>?, stream: RandomStream
  ) -> (pulses: Int, failed: Int) {
    let noise = device.programmingNoise > 0 ? stream.gaussians(range.upperBound) : nil
    let steps = device.levels - 1
    var written = 0
    for (k, e) in range.enumerated() where mask?[k] ?? true {
      var target = min(1, max(0, targets[k]))
      if steps > 0 { target = (target * Float(steps)).rounded(.toNearestOrEven) / Float(steps) }
      x.base[e] = min(1, max(0, target + Float(device.programmingNoise) * (noise?[e] ?? 0)))
      written += 1
    }
    return (written, 0)
  }
  public func select(_ kept: [Int]) {
    func take(_ s: Storage) -> Storage {
      let r = Storage(count: kept.count)
      for (k, e) in kept.enumerated() { r.base[k] = s.base[e] }
      return r
    }
    x = take(x)
    factors = factors.map(take)
  }
  public var state: [NamedTensor] {
    var r: [NamedTensor] = [("x", Tensor(shape: [x.count], values: Array(UnsafeBufferPointer(start: x.base, count: x.count))))]
    if let f = factors { r.append(("factors", Tensor(shape: [f.count], values: Array(UnsafeBufferPointer(start: f.base, count: f.count))))) }
    return r
  }
  public func restore(_ state: [String: Tensor]) throws {
    guard let t = state["x"], t.count == x.count else { throw ModelError("no x") }
    for i in 0..<t.count { x.base[i] = t.values[i] }
    if let t = state["factors"] {
      factors = Storage(count: t.count)
      for i in 0..<t.count { factors!.base[i] = t.values[i] }
    }
  }
}
