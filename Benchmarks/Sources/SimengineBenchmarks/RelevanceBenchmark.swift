import Compression
import Glibc
import LinearAlgebra
import NeuralNetworks

/// What scoring channels by relevance costs beside training: batches of both in turn, on the same random data.
struct RelevanceBenchmark {
  let nets: [String]
  let rounds: Int
  let time: Double
  let threads: Int

  static let all = ["vgg-mini", "resnet20", "resnet56", "vgg16"]

  func run() throws {
    print("Scoring a sample by relevance over training on it; batch 64, \(threads) threads, \(rounds) rounds.")
    print("net        layers        train/s  score/s   ratio (least … most)   by processor time")
    for net in nets {
      for folded in [false, true] {
        let trained = try TrainingBenchmark(net, threads: threads)
        let scored = try Scoring(trained.trainer.workspace.model, folded: folded, threads: threads)
        var ratios: [Double] = []
        var processor: [Double] = []
        var rates: [(Double, Double)] = []
        for _ in 0..<rounds {
          let train = try trained.rate(seconds: time)
          let score = try scored.rate(seconds: time)
          ratios.append(train.median / score.median)
          processor.append(train.processor / score.processor)
          rates.append((train.median, score.median))
        }
        print(
          "\(net.padded(10)) \((folded ? "norm folded" : "norm ignored").padded(13)) "
            + "\(format(median(rates.map(\.0)))) \(format(median(rates.map(\.1))))   \(spread(ratios, 2))   "
            + "\(format(median(processor), 2))")
        fflush(nil)
      }
    }
  }

  /// Batches of one scoring, of the layers that the published method prunes.
  private final class Scoring {
    private let workspace: Workspace
    private let relevance: FeatureRelevance
    private let batch = 64
    private let labels: [Int32]

    init(_ model: Model, folded: Bool, threads: Int) throws {
      workspace = Workspace(
        model, batch: batch, pool: ThreadPool(threads: threads), gradients: true, parameterGradients: false)
      let convolutions = model.nodes.filter { $0.layer is Conv2D && !$0.name.contains("downsample") }
      relevance = try FeatureRelevance(
        workspace, RelevanceRule(batchNorm: folded ? .folded : .ignored),
        layers: Array(convolutions.dropFirst(model.nodes.contains { $0.layer is Add } ? 1 : 2)))
      labels = (0..<batch).map { Int32($0 % 10) }
      RandomStream(seed: 2, purpose: 1).fillUniform(workspace.input, count: batch * model.inputShape.count)
    }

    private func step() {
      workspace.forward(samples: batch, training: false)
      labels.withUnsafeBufferPointer { relevance.add(samples: batch, labels: $0.baseAddress!) }
    }

    func rate(seconds time: Double) throws -> TrainingBenchmark.Rate {
      step()
      var (wall, processor) = ([Double](), [Double]())
      let start = seconds()
      while wall.count < 3 || seconds() - start < time {
        let lap = Lap.of { step() }
        wall.append(lap.wall)
        processor.append(lap.processor)
      }
      let n = Double(batch)
      return TrainingBenchmark.Rate(
        median: n / median(wall), best: n / wall.min()!, processor: n / median(processor), steps: wall.count)
    }
  }
}

extension String {
  fileprivate func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
