import Configuration
import Crossbars
import LinearAlgebra
import NeuralNetworks

/// Where the conductances of a circuit come from.
enum ConductanceSource: Sendable, Equatable {
  case file(String)
  case random(RandomConductances)

  static let codec = Codec<ConductanceSource>.either(
    .form(.text, ConductanceSource.file) { if case .file(let path) = $0 { path } else { nil } },
    .form(Codec<RandomConductanceSource>.object(), { .random($0.random) }) {
      guard case .random(let random) = $0 else { return nil }
      var source = RandomConductanceSource()
      source.random = random
      return source
    })
}

struct RandomConductanceSource: Configurable {
  var random = RandomConductances()
  static let documentation = "Conductances that the stage draws."
  static let fields: [Field<RandomConductanceSource>] = [
    Field("random", \.random, .object(), "Uniform between the device's off and on conductance.", required: true)
  ]
}

/// Cells drawn uniformly between the device's off and on conductance.
struct RandomConductances: Configurable, Equatable {
  var rows = 64
  var columns = 64
  var seed: UInt64 = 1
  var open = 0.0
  var shorted = 0.0

  static let documentation = "Cells drawn uniformly between the device's off and on conductance."
  static let fields: [Field<RandomConductances>] = [
    Field("rows", \.rows, .integer(1...4096), "Word lines."),
    Field("columns", \.columns, .integer(1...4096), "Bit lines."),
    Field("seed", \.seed, .seed, "Of the draws."),
    Field("open", \.open, .number(0...1), "Share of the cells that are open: no conductance."),
    Field("shorted", \.shorted, .number(0...1), "Share of the cells that tie their two lines together."),
  ]

  mutating func check(_ report: inout Report) {
    if open + shorted > 1 { report.error("and shorted are more than all cells together", at: "open") }
  }

  func matrix(off: Double, on: Double) -> Matrix {
    var draws = RandomSequence(RandomPurpose.circuitConductance.stream(seed: seed))
    var matrix = Matrix(rows: rows, columns: columns)
    for k in matrix.values.indices {
      let (state, fate) = (draws.uniform(), draws.uniform())
      matrix.values[k] = fate < open ? 0 : fate < open + shorted ? .infinity : off + state * (on - off)
    }
    return matrix
  }
}

/// Where the input voltages of a circuit come from.
enum VoltageSource: Sendable, Equatable {
  case file(String)
  case random(RandomVoltages)

  static let codec = Codec<VoltageSource>.either(
    .form(.text, VoltageSource.file) { if case .file(let path) = $0 { path } else { nil } },
    .form(Codec<RandomVoltageSource>.object(), { .random($0.random) }) {
      guard case .random(let random) = $0 else { return nil }
      var source = RandomVoltageSource()
      source.random = random
      return source
    })
}

struct RandomVoltageSource: Configurable {
  var random = RandomVoltages()
  static let documentation = "Input voltages that the stage draws."
  static let fields: [Field<RandomVoltageSource>] = [
    Field("random", \.random, .object(), "Uniform between 0 and converters.readVoltage.", required: true)
  ]
}

/// Vectors drawn uniformly between 0 and the read voltage.
struct RandomVoltages: Configurable, Equatable {
  var vectors = 256
  var seed: UInt64 = 1

  static let documentation = "Vectors drawn uniformly between 0 and converters.readVoltage."
  static let fields: [Field<RandomVoltages>] = [
    Field("vectors", \.vectors, .integer(1...1_000_000), "How many."), Field("seed", \.seed, .seed, "Of the draws."),
  ]

  func matrix(inputs: Int, readVoltage: Double) -> Matrix {
    var draws = RandomSequence(RandomPurpose.circuitVoltage.stream(seed: seed))
    return Matrix(
      rows: vectors, columns: inputs, values: (0..<vectors * inputs).map { _ in readVoltage * draws.uniform() })
  }
}

/// The earlier state of the cells that `corrected` and `profile` take their correction from.
enum ReferenceSource: Sendable, Equatable {
  case file(String)
  case moved(MovedConductances)

  static let codec = Codec<ReferenceSource>.either(
    .form(.text, ReferenceSource.file) { if case .file(let path) = $0 { path } else { nil } },
    .form(Codec<MovedConductances>.object(), ReferenceSource.moved) {
      if case .moved(let moved) = $0 { moved } else { nil }
    })
}

/// The array's own conductances, moved.
struct MovedConductances: Configurable, Equatable {
  var share = 0.05
  var seed: UInt64 = 1

  static let documentation = "The array's conductances, each moved by a uniform draw; open and shorted ones stay."
  static let fields: [Field<MovedConductances>] = [
    Field(
      "moved", \.share, .number(0...1), "Largest move, as a share of half of the device's range.", required: true),
    Field("seed", \.seed, .seed, "Of the draws."),
  ]

  func matrix(_ conductance: Matrix, off: Double, on: Double) -> Matrix {
    var draws = RandomSequence(RandomPurpose.circuitMove.stream(seed: seed))
    var matrix = conductance
    for k in matrix.values.indices {
      let step = (2 * draws.uniform() - 1) * share * 0.5 * (on - off)
      let g = matrix.values[k]
      if g > 0 && g.isFinite { matrix.values[k] = max(min(g, off), min(max(g, on), g + step)) }
    }
    return matrix
  }
}
