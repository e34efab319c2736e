import Crossbars
import Glibc
import LinearAlgebra
import NeuralNetworks

/// Speed beside the machine's limits and beside peers. `Benchmarks/run` builds, sets up the peers and calls it.
@main struct Main {
  static let usage = """
    usage: SimengineBenchmarks COMMAND
      training PYTHON [ROUNDS [SECONDS]]   training steps, interleaved with PyTorch's (peers/torch_train.py)
      precision PYTHON                     gradients against PyTorch's in float64 (peers/torch_precision.py)
      steps NET THREADS SECONDS [BATCH [SHARE]]
                                           our training steps alone, for a profiler; SHARE of the filters pruned
      crossbar-steps NET STEPS [UPDATE [METHOD]]
                                           our steps of lenet5, mlp or vgg8 on crossbars alone, for a profiler; UPDATE
                                           and METHOD as in a config, `ideal` for UPDATE leaves out the crossbars
      crossbar-training PYTHON [NET,… [ROUNDS [SECONDS [THREADS]]]]
                                           training on crossbars beside ideal training and beside AIHWKit's
                                           (peers/crossbar_aihwkit.py; `-` for PYTHON leaves it out); NET or NET:BATCH
      crossbar-inference PYTHON [ROUNDS [SECONDS]]
                                           inference with wires beside CrossSim's (peers/crossbar_crosssim.py), whose
                                           checkout the environment variable CROSSSIM names
      relevance [NET,… [ROUNDS [SECONDS [THREADS]]]]
                                           scoring channels by relevance beside training on the same samples
      pruning [NET [ROUNDS [THREADS [BATCH]]]]
                                           training and inference of a network at every pruned share, and what the
                                           pruning events take
      compare BINARY [RUNS [ROUNDS]]       `simengine compare` over a sweep of 10,000 runs
      report BINARY [RUNS [ROUNDS]]        `simengine report` over a sweep of 1,000 runs
      circuit PYTHON [ROUNDS]              circuits beside SciPy's SuperLU (peers/circuit_superlu.py; `-` for PYTHON leaves
                                           it out) and ngspice
      circuit-errors                       errors of approximate effective matrices, as tables
    """

  static func main() {
    // As the product does: OpenBLAS takes kernels of 2004 on processors that it does not know.
    BLAS.restartWithFittingKernels()
    do {
      try run()
    } catch {
      say("SimengineBenchmarks: \(error)")
      exit(1)
    }
  }

  static func run() throws {
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
      if words.count > 5 {
        try b.change { model, optimizer in try PruningBenchmark.prune(model, optimizer, to: number(5, 0)) }
      }
      let r = try b.rate(seconds: number(3, 3))
      print("\(words[1]), batch \(batch): median \(Int(r.median)), best \(Int(r.best)) samples/s in \(r.steps) steps")
    case "crossbar-steps" where words.count > 2:
      guard let net = TimedNet(words[1]) else { return print(usage) }
      var hardware: CrossbarHardware?
      if words.count < 4 || words[3] != "ideal" {
        guard let mode = UpdateMode(rawValue: words.count > 3 ? words[3] : UpdateMode.outerProduct.rawValue),
          let method = CircuitMethod(rawValue: words.count > 4 ? words[4] : CircuitMethod.corrected.rawValue)
        else { return print(usage) }
        hardware = CrossbarHardware(timedCrossbars(mode, method: method), seed: 1)
      }
      let b = try net.benchmark(threads: 1, hardware: hardware)
      let lap = try Lap.of { try b.steps(Int(number(2, 50))) }
      print("\(words[1]): \(format(1e3 * lap.processor / number(2, 50), 2)) ms of processor time a step")
    case "crossbar-training" where words.count > 1:
      let names = words.count > 2 ? words[2].split(separator: ",").map(String.init) : TimedNet.all.map(\.name)
      let nets = names.compactMap { TimedNet($0) }
      guard nets.count == names.count else { return print(usage) }
      try CrossbarTraining(
        python: words[1] == "-" ? nil : words[1], nets: nets, rounds: Int(number(3, 5)), time: number(4, 4),
        threads: Int(number(5, 1))
      ).run()
    case "crossbar-inference" where words.count > 1:
      try CrossbarInference(python: words[1] == "-" ? nil : words[1], rounds: Int(number(2, 5)), time: number(3, 2))
        .run()
    case "relevance":
      let nets = words.count > 1 ? words[1].split(separator: ",").map(String.init) : RelevanceBenchmark.all
      guard nets.allSatisfy({ Architecture.named($0) != nil }) else { return print(usage) }
      try RelevanceBenchmark(
        nets: nets, rounds: Int(number(2, 5)), time: number(3, 2), threads: Int(number(4, 2))
      ).run()
    case "pruning" where words.count < 2 || Architecture.named(words[1]) != nil:
      try PruningBenchmark(
        words.count > 1 ? words[1] : "vgg16", rounds: Int(number(2, 4)), threads: Int(number(3, 2)),
        batch: Int(number(4, 64))
      ).run()
    case "compare" where words.count > 1:
      try ReadingBenchmark(binary: words[1], rounds: Int(number(3, 5))).compare(runs: Int(number(2, 10_000)))
    case "report" where words.count > 1:
      try ReadingBenchmark(binary: words[1], rounds: Int(number(3, 5))).page(runs: Int(number(2, 1000)))
    case "circuit" where words.count > 1:
      try CircuitComparison(python: words[1] == "-" ? nil : words[1], rounds: Int(number(2, 5))).run()
    case "circuit-errors":
      try CircuitErrors().run()
    default:
      print(usage)
    }
  }
}
