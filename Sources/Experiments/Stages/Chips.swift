import Configuration
import Crossbars
import LinearAlgebra
import NeuralNetworks

extension CrossbarConfiguration {
  public var hasDevices: Bool { true }

  public func chip(_ number: Int, like array: any WeightArray) -> any HardwareConfiguration {
    var other = self
    other.seed = seed &+ UInt64(number)
    // Drivers and converters are laid out for the weights that the first chip was made for.
    if let array = (array as? any CrossbarHolder)?.crossbar {
      other.weightRange = Double(array.weightRange)
    }
    return other
  }
}

/// The chips that a model is made into: the same weights written to other devices.
///
/// Chip 0 is the model's own. Chip n has `hardware.seed` + n, which draws its devices' variation and faults, and a seed
/// of its own for the noise of programming and reading.
enum Chips {
  /// The seed of what happens in time on a chip. Philox makes of neighbouring seeds streams that have nothing to do
  /// with each other; the golden ratio's fraction of 2⁶⁴ keeps them apart from the seeds of other runs.
  static func seed(_ run: UInt64, chip: Int) -> UInt64 { run &+ UInt64(chip) &* 0x9E37_79B9_7F4A_7C15 }

  /// Runs `body` with the models on a chip; they are then as they were.
  /// - Throws: what making the arrays and `body` throw.
  static func with<Value>(
    _ number: Int, of parts: ArraySlice<RunModel>, seed: UInt64, resolve: (String) -> String, pool: ThreadPool,
    _ body: () throws -> Value
  ) throws -> Value {
    guard let part = parts.first, let model = part.model else { return try body() }
    return try model.withArrays { node, weights, group, owner in
      let own = weights.arrays[group]
      let design = try part.hardware.configuration(forLayer: node.name)
      guard design.hasDevices else { return own }
      let outputs = own.outputs
      let all = part.intendedWeights(node.name, weights).values
      let size = outputs * own.inputs
      let bias = part.intendedBias(node.name, weights).map {
        Tensor(shape: [outputs], values: Array($0.values[group * outputs..<(group + 1) * outputs]))
      }
      return try design.chip(number, like: own).hardware(
        seed: Self.seed(seed, chip: number), resolve: resolve
      ).makeArray(
        weights: Tensor(shape: [outputs, own.inputs], values: Array(all[group * size..<(group + 1) * size])),
        bias: bias,
        name: node.name, owner: owner, pool: pool)
    } _: {
      try with(number, of: parts.dropFirst(), seed: seed, resolve: resolve, pool: pool, body)
    }
  }
}

/// Devices of models at other ages, which are then as they were.
enum Ageing {
  /// Runs `body` at each age.
  /// - Parameter settle: called once before, at the age that the devices are now.
  /// - Throws: `RunError` when no array ages, what ageing and `body` throw.
  static func run(
    _ networks: [Model], _ name: String, seconds: [Double], pool: ThreadPool, settle: () throws -> Void,
    _ body: (Double) throws -> Void
  ) throws {
    let arrays = networks.flatMap(\.ageingArrays)
    guard !arrays.isEmpty else { throw RunError("the devices of model \(name) do not age") }
    try settle()
    let before = arrays.map(\.state)
    let outcome: Result<Void, any Error>
    do {
      for age in seconds {
        for array in arrays { try array.age(seconds: age, pool: pool) }
        try body(age)
      }
      outcome = .success(())
    } catch { outcome = .failure(error) }
    for (array, state) in zip(arrays, before) {
      try array.restore(Dictionary(state.map { ($0.name, $0.tensor) }, uniquingKeysWith: { a, _ in a }))
    }
    try outcome.get()
  }
}
