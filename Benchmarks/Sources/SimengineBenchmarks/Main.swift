import Crossbars
import NeuralNetworks

@main struct Main {
  static func main() throws {
    if CommandLine.arguments[1] == "learn" {
      try Learn.run(false, epochs: 20, rate: 0.05, momentum: 0.9, p: CrossbarParameters())
      let rate = Float(CommandLine.arguments[2])!
      let p = CrossbarParameters(device: Device(pulseStep: Double(CommandLine.arguments[3])!, updateNonlinearity: Double(CommandLine.arguments[4])!, updateNoise: Double(CommandLine.arguments[5])!), refreshInterval: 63, circuit: CircuitParameters(wireResistance: 2.5, driverResistance: 100, senseResistance: 100))
      try Learn.run(true, epochs: 20, rate: rate, momentum: 0, p: p)
      return
    }
    let name = CommandLine.arguments[1]
    let threads = Int(CommandLine.arguments[2])!
    let seconds = Double(CommandLine.arguments[3])!
    let a = Architecture.named(name)!
    let b = try TrainingBenchmark(a.make(a.usualInput, 10, ArchitectureOptions()), batch: 64, threads: threads)
    print(name, threads, try b.rate(seconds: seconds))
  }
}
