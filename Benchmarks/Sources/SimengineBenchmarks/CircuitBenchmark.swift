import Crossbars
import LinearAlgebra

/// A crossbar to time: conductances uniform in 1 to 10 µS, voltages in 0 to 0.25 V, 100 Ω drivers and sense amplifiers.
///
/// Scratch is made before the clock starts, as a training run makes it once; `Benchmarks/peers/circuit_superlu.py` does
/// the same jobs with scipy.
struct CircuitBenchmark {
  let circuit: CrossbarCircuit
  let conductance: Matrix
  let workspace: CircuitWorkspace

  /// - Throws: `CircuitError` never for sensible arguments.
  init(size: Int, wire: Double, cell: CellLaw = .linear) throws {
    circuit = try CrossbarCircuit(
      CircuitParameters(wireResistance: wire, driverResistance: 100, senseResistance: 100), cell: cell)
    conductance = CircuitBenchmark.spread(rows: size, columns: size, 1e-6, 1e-5)
    workspace = CircuitWorkspace(rows: size, columns: size)
  }

  /// The fractions of multiples of the golden ratio are spread evenly over [0, 1).
  static func spread(rows: Int, columns: Int, _ low: Double, _ high: Double) -> Matrix {
    Matrix(
      rows: rows, columns: columns,
      values: (1...rows * columns).map {
        low + (high - low) * (Double($0) * 0.618_033_988_749_894_8).truncatingRemainder(dividingBy: 1)
      })
  }

  func voltages(_ vectors: Int) -> Matrix {
    CircuitBenchmark.spread(rows: vectors, columns: conductance.rows, 0, 0.25)
  }

  /// Median of the wall clock and of processor time, seconds.
  static func medians(_ repeats: Int, _ work: () throws -> Void) rethrows -> (wall: Double, processor: Double) {
    try work()
    let laps = try (0..<max(repeats, 1)).map { _ in try Lap.of(work) }
    return (median(laps.map(\.wall)), median(laps.map(\.processor)))
  }

  func matrix(repeats: Int) throws -> (wall: Double, processor: Double) {
    try CircuitBenchmark.medians(repeats) { _ = try circuit.effectiveMatrix(conductance, workspace: workspace) }
  }

  /// 1 − ΣG_eff/ΣG, by which two programs can see that they solve one circuit.
  func meanLoss() throws -> Double {
    let effective = try circuit.effectiveMatrix(conductance, workspace: workspace)
    return 1 - effective.values.reduce(0, +) / conductance.values.reduce(0, +)
  }

  /// One vector to 1e-9, with the matrix of conductances in hand and nothing else.
  func vector(repeats: Int) throws -> (wall: Double, processor: Double) {
    let one = voltages(1)
    return try CircuitBenchmark.medians(repeats) {
      _ = try circuit.readCurrents(conductance, voltages: one, tolerance: 1e-9)
    }
  }

  /// Largest difference of that vector's currents from the matrix', of the largest current.
  func vectorError() throws -> Double {
    let one = voltages(1)
    let found = try circuit.readCurrents(conductance, voltages: one, tolerance: 1e-9)
    let effective = try circuit.effectiveMatrix(conductance, workspace: workspace)
    let exact = CrossbarCircuit.currents(one, through: effective).values
    return zip(found.values, exact).reduce(0) { max($0, ($1.0 - $1.1).magnitude) } / (exact.max() ?? .nan)
  }

  /// 256 vectors, the effective matrix included; for each vector.
  func batch(repeats: Int) throws -> (wall: Double, processor: Double) {
    let many = voltages(256)
    let all = try CircuitBenchmark.medians(repeats) {
      _ = try circuit.readCurrents(conductance, voltages: many, workspace: workspace)
    }
    return (all.wall / 256, all.processor / 256)
  }

  func closedForm(repeats: Int) throws -> (wall: Double, processor: Double) {
    try CircuitBenchmark.medians(repeats) { _ = try circuit.closedForm(conductance) }
  }
}
