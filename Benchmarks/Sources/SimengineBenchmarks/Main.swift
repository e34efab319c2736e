import NeuralNetworks

/// Speed beside the machine's limits and beside peers. `Benchmarks/run` builds, sets up the peers and calls it.
@main struct Main {
  static let usage = """
    usage: SimengineBenchmarks COMMAND
      training PYTHON [ROUNDS [SECONDS]]   training steps, interleaved with PyTorch's (peers/torch_train.py)
      precision PYTHON                     gradients against PyTorch's in float64 (peers/torch_precision.py)
      steps NET THREADS SECONDS [BATCH]    our training steps alone, for a profiler
      crossbar [NET [THREADS [ROUNDS]]]    training steps on crossbars beside ideal ones
      circuit PYTHON [ROUNDS]              effective matrices beside SciPy's SuperLU (peers/circuit_superlu.py)
    """

  static func main() throws {
    let words = Array(CommandLine.arguments.dropFirst())
    func number(_ i: Int, _ fallback: Double) -> Double { i < words.count ? Double(words[i]) ?? fallback : fallback }
    switch words.first {
    case "training" where words.count > 1:
      try TrainingComparison(python: words[1], rounds: Int(number(2, 7)), seconds: number(3, 1)).run()
    case "precision" where words.count > 1:
      try precision(python: words[1])
    case "steps" where words.count > 3 && Architecture.named(words[1]) != nil:
      let batch = Int(number(4, 64))
      let b = try TrainingBenchmark(words[1], batch: batch, threads: Int(number(2, 1)))
      let r = try b.rate(seconds: number(3, 3))
      print("\(words[1]), batch \(batch): median \(Int(r.median)), best \(Int(r.best)) samples/s in \(r.steps) steps")
    case "crossbar":
      try crossbarComparison(
        words.count > 1 ? words[1] : "lenet5", threads: Int(number(2, 1)), rounds: Int(number(3, 9)))
    case "circuit" where words.count > 1:
      try circuitComparison(python: words[1], rounds: Int(number(2, 5)))
    default:
      print(usage)
    }
  }
}
