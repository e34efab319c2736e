import Crossbars
import LinearAlgebra
import NeuralNetworks

/// LeNet-5 on the quickstart's crossbars: 64×64 tiles, 8-bit converters, noisy non-linear updates, refreshed once an
/// epoch of 63 steps.
func quickstartCrossbars(refreshInterval: Int = 63) -> CrossbarParameters {
  CrossbarParameters(
    device: Device(pulseStep: 1e-3, updateNonlinearity: 1, updateNoise: 0.3), refreshInterval: refreshInterval,
    circuit: CircuitParameters(wireResistance: 2.5, driverResistance: 100, senseResistance: 100))
}

/// Training steps on crossbars beside ideal ones of the same network, interleaved.
///
/// - Returns: the median seconds of a step, ideal and on crossbars, over `rounds` rounds of an epoch each.
func crossbarBenchmark(_ architecture: String, batch: Int, threads: Int, rounds: Int) throws -> (
  ideal: Double, crossbar: Double
) {
  guard let a = Architecture.named(architecture) else { preconditionFailure("no architecture \(architecture)") }
  func make() throws -> Model { try a.make(a.usualInput, a.usualClasses, ArchitectureOptions()) }
  let ideal = try TrainingBenchmark(make(), batch: batch, threads: threads, momentum: 0)
  let crossbar = try TrainingBenchmark(
    make(), batch: batch, threads: threads, momentum: 0, hardware: CrossbarHardware(quickstartCrossbars(), seed: 1))
  var times: (ideal: [Double], crossbar: [Double]) = ([], [])
  for round in 0...rounds {
    for (isCrossbar, benchmark) in [(false, ideal), (true, crossbar)] {
      let start = now()
      for _ in 0..<63 { try benchmark.step() }
      let seconds = (now() - start) / 63
      // The first round warms up.
      if round > 0 { if isCrossbar { times.crossbar.append(seconds) } else { times.ideal.append(seconds) } }
    }
  }
  func median(_ v: [Double]) -> Double { v.sorted()[v.count / 2] }
  return (median(times.ideal), median(times.crossbar))
}
