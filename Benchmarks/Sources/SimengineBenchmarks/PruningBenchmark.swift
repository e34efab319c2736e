import Compression
import Glibc
import LinearAlgebra
import NeuralNetworks

/// Whether a network that was pruned is as much faster as it is smaller: training and inference at every share, all
/// shares in turn in each round, and the time of the events that lead there.
struct PruningBenchmark {
  static let shares = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
  /// Batches that a round trains and infers at each share.
  static let batches = 5

  let net: String
  let rounds: Int
  let threads: Int
  let batch: Int

  init(_ net: String, rounds: Int, threads: Int, batch: Int) {
    (self.net, self.rounds, self.threads, self.batch) = (net, rounds, threads, batch)
  }

  private struct Subject {
    var benchmark: TrainingBenchmark
    var inference: Workspace
    var training: [Double] = []
    var inferring: [Double] = []
  }

  func run() throws {
    var subjects: [Subject] = []
    for share in Self.shares {
      let benchmark = try TrainingBenchmark(net, batch: batch, threads: threads)
      try benchmark.change { model, optimizer in try Self.prune(model, optimizer, to: share) }
      let model = benchmark.trainer.workspace.model
      let inference = Workspace(model, batch: batch, pool: benchmark.trainer.workspace.pool, gradients: false)
      subjects.append(Subject(benchmark: benchmark, inference: inference))
      try benchmark.steps(2)
      inference.forward(samples: batch, training: false)
    }
    for _ in 0..<max(1, rounds) {
      for i in subjects.indices {
        for _ in 0..<Self.batches {
          subjects[i].training.append(try Lap.of { try subjects[i].benchmark.step() }.wall)
          subjects[i].inferring.append(
            Lap.of { subjects[i].inference.forward(samples: batch, training: false) }.wall)
        }
      }
    }
    let whole = subjects[0]
    let size = Double(whole.inference.model.multiplyAccumulates)
    print(
      "\(net), batch \(batch), \(threads) threads, \(rounds * Self.batches) batches each, \(format(size / 1e6, 1)) MMAC; load "
        + format(loadAverage(), 1))
    print("pruned  channels  MAC share  training ms  share  of MAC share  inference ms  times faster")
    for (share, s) in zip(Self.shares, subjects) {
      let model = s.inference.model
      let part = Double(model.multiplyAccumulates) / size
      let time = median(s.training) / median(whole.training)
      let channels = model.weights.reduce(0) { $0 + ($1.node.layer is Conv2D ? $1.weights.outputs : 0) }
      print(
        "\(format(share, 1))  \(channels)  \(format(part, 3))  \(format(1e3 * median(s.training), 1))  \(format(time, 3))  "
          + "\(format(time / part, 2))  \(format(1e3 * median(s.inferring), 2))  "
          + format(median(whole.inferring) / median(s.inferring), 2))
    }
    try events()
  }

  /// The events of a ramp in one training run: scores by l1, removal, planning of the memory, and the first step after.
  private func events() throws {
    let benchmark = try TrainingBenchmark(net, batch: batch, threads: threads)
    try benchmark.steps(2)
    let layers = Self.layers(of: benchmark.trainer.workspace.model)
    print("events: to share  scoring ms  removal ms  planning ms  first step ms  second step ms")
    for share in Self.shares.dropFirst() {
      var (scoring, removal) = (0.0, 0.0)
      let whole = try Lap.of {
        try benchmark.change { model, optimizer in
          let pruner = try Pruner(model, layers: layers)
          let context = ScoringContext(
            model: model, layers: pruner.groups.layers, pool: benchmark.trainer.workspace.pool)
          var scores: [[Double]] = []
          scoring = try Lap.of { scores = try pruner.scores(L1Norm(), context) }.wall
          removal = try Lap.of {
            try pruner.apply(try pruner.plan(scores, .share(share, .layer)), optimizer: optimizer)
          }.wall
        }
      }.wall
      let first = try Lap.of { try benchmark.step() }.wall
      let second = try Lap.of { try benchmark.step() }.wall
      print(
        "\(format(share, 1))  \(format(1e3 * scoring, 1))  \(format(1e3 * removal, 1))  "
          + "\(format(1e3 * (whole - scoring - removal), 1))  \(format(1e3 * first, 1))  \(format(1e3 * second, 1))")
    }
  }

  /// Every convolution that can be pruned.
  private static func layers(of model: Model) -> [String] {
    let all = model.weights.map(\.node).filter { $0.layer is Conv2D }.map(\.name)
    return all.filter { (try? ChannelGroups(model, layers: [$0])) != nil }
  }

  /// Prunes that share of every layer's filters by l1.
  static func prune(_ model: Model, _ optimizer: Optimizer, to share: Double) throws {
    let pruner = try Pruner(model, layers: layers(of: model))
    let context = ScoringContext(model: model, layers: pruner.groups.layers, pool: ThreadPool(threads: 1))
    try pruner.apply(try pruner.plan(pruner.scores(L1Norm(), context), .share(share, .layer)), optimizer: optimizer)
  }
}
