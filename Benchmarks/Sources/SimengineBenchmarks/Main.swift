import NeuralNetworks

@main struct Main {
  static func main() throws {
    if CommandLine.arguments[1] == "crossbar" {
      let r = try crossbarBenchmark("lenet5", batch: 64, threads: Int(CommandLine.arguments[2])!, rounds: 7)
      print("ideal \(r.ideal * 1e3) ms, crossbar \(r.crossbar * 1e3) ms, ratio \(r.crossbar / r.ideal)")
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
