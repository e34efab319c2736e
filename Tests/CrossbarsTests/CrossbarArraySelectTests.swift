import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// Arrays made smaller while they are in use: every mapping, slices, Tiki-Taka, faults given by a map.
struct CrossbarArraySelectTests {
  static let outputs = [36, 0, 5, 20, 21, 3]
  static let inputs = Array(stride(from: 99, through: 0, by: -1)).filter { $0 % 4 != 1 }
  static let pool = ThreadPool(threads: 1)

  static func parameters(_ mapping: Mapping, _ slicing: WeightSlicing?, _ method: CircuitMethod) -> CrossbarParameters {
    var p = Crossbar.parameters(
      device: Device(updateNoise: 0.1, variation: 0.1), circuit: Crossbar.unevenWires,
      converters: Converters(adcBits: 12), update: slicing == nil ? .outerProduct : .mixedPrecision, method: method,
      weightRange: 1)
    p.mapping = mapping
    p.slicing = slicing
    return p
  }

  static func state(_ array: any WeightArray) -> [String: Tensor] {
    Dictionary(uniqueKeysWithValues: array.state.map { ($0.name, $0.tensor) })
  }

  /// Sets the ranges of converters and reads both ways.
  static func reads(_ array: any WeightArray, step: Int) throws -> [[Float]] {
    try array.prepare(step: step, workers: 1, pool: pool)
    let x = Crossbar.gaussians(4 * array.inputs, seed: 14)
    let dy = Crossbar.gaussians(4 * array.outputs, seed: 15)
    if array.needsCalibration(training: true) {
      _ = (array.read(x, calibrating: true), array.read(dy, .backward, calibrating: true))
      array.finishCalibration(training: true)
    }
    return [array.read(x), array.read(dy, .backward)]
  }

  @Test(
    "the devices that stay keep their states; circuit and converters are those of the smaller array",
    arguments: Mapping.allCases, [CircuitMethod.exact, .corrected, .closedForm])
  func circuits(mapping: Mapping, method: CircuitMethod) throws {
    for slicing in [nil, WeightSlicing(bits: 2, count: 3)] {
      let array = try Crossbar.array(Self.parameters(mapping, slicing, method))
      _ = try Self.reads(array, step: 0)
      let before = array.slices.flatMap(\.planes).map { ($0.x.values, $0.spread!.values) }
      let ranges = array.slices.map(\.ranges.forward)
      try array.select(outputs: Self.outputs, inputs: Self.inputs)
      let found = try Self.reads(array, step: 1)
      for (plane, (x, spread)) in zip(array.slices.flatMap(\.planes), before) {
        for (r, o) in Self.outputs.enumerated() {
          for (c, i) in Self.inputs.enumerated() {
            let (e, old) = (r * Self.inputs.count + c, o * Crossbar.inputs + i)
            #expect(plane.x.base[e] == x[old] && plane.spread!.base[e] == spread[old])
          }
        }
      }
      #expect(array.slices.map(\.ranges.forward) != ranges, "calibrated anew")
      // The exact circuits of the tiles there are now, read without converters.
      let circuit = try CrossbarCircuit(array.parameters.circuit)
      var expected = [Double](repeating: 0, count: 6 * 75)
      for (k, slice) in array.slices.enumerated() {
        let unit = Double(array.gain(slice)) / array.parameters.device.conductanceRange
        for p in slice.planes.indices {
          for tile in 0..<array.grid.count {
            let (o, i) = array.grid.tile(tile)
            let effective = try circuit.effectiveMatrix(array.conductances(slice: k, plane: p, tile: tile))
            for (c, output) in o.enumerated() {
              for (r, input) in i.enumerated() {
                let dummy = mapping == .dummy ? effective[r, o.count] : 0
                expected[output * 75 + input] += (p == 0 ? unit : -unit) * (effective[r, c] - dummy)
              }
            }
          }
        }
      }
      for e in expected.indices { expected[e] -= Double(array.offsetConstant) }
      let bound = method == .closedForm ? 0.03 : 1e-4
      #expect(difference(array.effectiveWeights.values, expected) < bound)
      let reference = product(Crossbar.gaussians(4 * 75, seed: 14), expected, 6, 75, .forward)
      #expect(difference(found[0], reference) < bound + 0.03)
    }
  }

  @Test("a checkpoint of an array made smaller goes on with the same bits", arguments: UpdateMode.allCases)
  func checkpoint(mode: UpdateMode) throws {
    var p = Self.parameters(.differential, nil, .corrected)
    p.update.mode = mode
    let hardware = CrossbarHardware(p, seed: 5)
    func make() throws -> any WeightArray {
      let array = try hardware.makeArray(weights: Crossbar.weights(), name: "a", owner: 2, pool: Self.pool)
      _ = try Self.reads(array, step: 0)
      return array
    }
    func learn(_ array: any WeightArray, step: Int) {
      let g = Crossbar.gaussians(array.outputs * array.inputs, seed: UInt64(step)).map { 0.01 * $0 }
      if array.updatesPerVector {
        array.outerProducts(
          Array(g[..<array.inputs]), array.inputs, Array(g[..<array.outputs]), array.outputs, rows: 1, first: 0,
          rate: 1,
          step: step, pool: Self.pool)
        array.finishOuterProducts(pool: Self.pool)
      } else if array.updatesInArray {
        array.outerProduct(g, rate: 1, step: step, pool: Self.pool)
      } else {
        array.apply(delta: g, step: step, pool: Self.pool)
      }
    }
    let first = try make()
    learn(first, step: 1)
    try first.select(outputs: Self.outputs, inputs: Self.inputs)
    learn(first, step: 2)
    _ = try Self.reads(first, step: 2)
    let second = try make()
    try second.select(outputs: Self.outputs, inputs: Self.inputs)
    try second.restore(Self.state(first))
    for step in 3...5 {
      for array in [first, second] { learn(array, step: step) }
      let (one, other) = (try Self.reads(first, step: step), try Self.reads(second, step: step))
      #expect(one == other, "\(step)")
    }
    #expect(Self.state(first) == Self.state(second))
    #expect(first.activity.multiplyAccumulates > 0)
  }

  @Test("work counted before a selection is not counted again at the new size")
  func activity() throws {
    let array = try Crossbar.array(Crossbar.parameters())
    _ = array.read(Crossbar.gaussians(Crossbar.inputs, seed: 1))
    let (work, cells) = (array.activity.multiplyAccumulates, array.activity.cellReads)
    try array.select(outputs: [1, 2], inputs: [3, 4, 5])
    #expect(array.activity.multiplyAccumulates == work && array.activity.cellReads == cells)
    _ = array.read([1, 2, 3])
    #expect(array.activity.multiplyAccumulates == work + 6 && array.activity.cellReads == cells + 12)
    let stored = array.activity
    array.activity = stored
    #expect(array.activity == stored)
  }

  @Test("an aged array is not made smaller")
  func aged() throws {
    let array = try Crossbar.array(
      Crossbar.parameters(
        device: {
          var d = Device(); d.drift = .init(exponent: .init(0.05)); return d
        }()))
    try array.age(seconds: 10, pool: Self.pool)
    #expect(throws: ModelError.self) { try array.select(outputs: [0], inputs: [0]) }
    try array.age(seconds: 0, pool: Self.pool)
    try array.select(outputs: [0], inputs: [0])
  }

  @Test("faults given by a map stay with their devices, and come back with a checkpoint")
  func faultMap() throws {
    let n = Crossbar.outputs * Crossbar.inputs
    let map = (0..<n).map { Fault(rawValue: UInt8($0 % 7 < 4 ? $0 % 7 : 0))! }
    let plane = Devices.plane(Device(), count: n, faults: map)
    let kept = Self.outputs.flatMap { o in Self.inputs.map { o * Crossbar.inputs + $0 } }
    plane.select(kept)
    func check(_ plane: DevicePlane) {
      let stuck = Dictionary(uniqueKeysWithValues: plane.stuck.map { ($0.index, $0.fault) })
      for (e, origin) in kept.enumerated() { #expect(stuck[e] ?? .none == map[origin]) }
    }
    check(plane)
    let state = Dictionary(uniqueKeysWithValues: plane.state.map { ($0.name, $0.tensor) })
    // Into a plane of the size that pruning left, which knows nothing of the map; and into one as it was at first.
    for other in [Devices.plane(Device(), count: kept.count), Devices.plane(Device(), count: n, faults: map)] {
      try other.restore(state)
      check(other)
      // And once more.
      other.select([5, 4, 0])
      #expect(other.stuck.map(\.fault) == [5, 4, 0].map { map[kept[$0]] }.filter { $0 != .none })
    }
  }
}
