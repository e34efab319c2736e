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

/// Training steps on crossbars beside ideal ones of the same network, an epoch of each in turn; prints one table.
func crossbarComparison(_ architecture: String, threads: Int, rounds: Int) throws {
  let ideal = try TrainingBenchmark(architecture, threads: threads, momentum: 0)
  let crossbar = try TrainingBenchmark(
    architecture, threads: threads, momentum: 0, hardware: CrossbarHardware(quickstartCrossbars(), seed: 1))
  var times: (ideal: [Double], crossbar: [Double], ratio: [Double]) = ([], [], [])
  for round in 0...rounds {
    var epoch: [Double] = []
    for benchmark in [ideal, crossbar] {
      let start = seconds()
      for _ in 0..<63 { try benchmark.step() }
      epoch.append((seconds() - start) / 63)
    }
    // The first round warms up.
    guard round > 0 else { continue }
    times.ideal.append(epoch[0])
    times.crossbar.append(epoch[1])
    times.ratio.append(epoch[1] / epoch[0])
  }
  func ms(_ v: [Double]) -> String { "\((median(v) * 1e5).rounded() / 100)" }
  func ratio(_ x: Double) -> String { "\((x * 100).rounded() / 100)" }
  print(
    "\(architecture), batch 64, \(threads) thread\(threads == 1 ? "" : "s"), \(rounds) rounds of 63 steps: ideal "
      + "\(ms(times.ideal)) ms, 64×64 crossbars \(ms(times.crossbar)) ms a step, ratio \(ratio(median(times.ratio))) "
      + "(\(ratio(times.ratio.min() ?? .nan)) … \(ratio(times.ratio.max() ?? .nan)))")
}
