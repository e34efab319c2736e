import NeuralNetworks

@main struct Main {
  static func main() throws {
    let name = CommandLine.arguments[1]
    let threads = Int(CommandLine.arguments[2])!
    let seconds = Double(CommandLine.arguments[3])!
    let a = Architecture.named(name)!
    let b = try TrainingBenchmark(a.make(a.usualInput, 10, ArchitectureOptions()), batch: 64, threads: threads)
    print(name, threads, try b.rate(seconds: seconds))
  }
}
