import Crossbars
import LinearAlgebra

/// Times the effective matrix of one size × size crossbar on one thread; Benchmarks/peers/circuit_superlu.py does the
/// same job with scipy.
///
/// Conductances are uniform in [1, 10] µS, 2 Ω a wire segment, 100 Ω drivers and sense amplifiers. The workspace is made
/// before the clock starts, as a training run makes it once.
///
/// - Returns: `medianSeconds`, wall clock; `meanLoss`, 1 − ΣG_eff/ΣG, by which two programs can see they solve one circuit.
/// - Throws: `CircuitError` never for these values.
public func circuitBenchmark(size: Int, repeats: Int) throws -> (medianSeconds: Double, meanLoss: Double) {
  // The fractions of multiples of the golden ratio are spread evenly over [0, 1).
  let conductance = Matrix(
    rows: size, columns: size,
    values: (1...size * size).map {
      1e-6 + 9e-6 * (Double($0) * 0.618_033_988_749_894_8).truncatingRemainder(dividingBy: 1)
    })
  let circuit = try CrossbarCircuit(
    CircuitParameters(wireResistance: 2, driverResistance: 100, senseResistance: 100))
  let workspace = CircuitWorkspace(rows: size, columns: size)
  let clock = ContinuousClock()
  var laps: [Double] = []
  var effective = try circuit.effectiveMatrix(conductance, workspace: workspace)
  for _ in 0..<max(repeats, 1) {
    let start = clock.now
    effective = try circuit.effectiveMatrix(conductance, workspace: workspace)
    let lap = (clock.now - start).components
    laps.append(Double(lap.seconds) + Double(lap.attoseconds) * 1e-18)
  }
  laps.sort()
  let loss = 1 - effective.values.reduce(0, +) / conductance.values.reduce(0, +)
  return (laps[laps.count / 2], loss)
}
