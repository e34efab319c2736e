import Foundation
import NeuralNetworks

/// Training steps of batch 64, ours and PyTorch's in turn: round after round ours, theirs NCHW, theirs NHWC, so that
/// whatever else the machine does falls on all alike. A ratio is taken within a round, against the layout that is
/// faster in it.
struct TrainingComparison {
  let python: String
  let rounds: Int
  let seconds: Double

  private struct Series {
    var ours: [Double] = []
    var ratios: [Double] = []
    var processorRatios: [Double] = []
    var torch: [String: [Double]] = [:]
    var best = 0.0
    var torchBest = 0.0
  }

  func run() throws {
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let limit = ProductLimit()
    var peaks: [Double] = []
    var lines: [String] = []
    var limits: [(line: Int, perOperation: Double)] = []
    var version = ""
    for (net, time) in [("lenet5", seconds), ("vgg8", 3 * seconds)] {
      var medians: [Int: [Double]] = [:]
      let a = Architecture.named(net)!
      let operations = 6 * Double(try a.make(a.usualInput, 10, ArchitectureOptions()).multiplyAccumulates)
      for threads in [1, 2] where threads <= max(2, cores) {
        let torch = try PeerProcess(python: python, script: "torch_train.py", arguments: ["--threads", "\(threads)"])
        defer { torch.quit() }
        version = torch.name
        let ours = try TrainingBenchmark(net, threads: threads)
        var s = Series()
        for round in 0...rounds {
          peaks.append(limit.measure())
          let mine = try ours.rate(seconds: time)
          var theirs: [PeerProcess.Answer] = []
          for layout in ["nchw", "nhwc"] {
            let answer = try torch.run(net, layout, threads, time)
            theirs.append(answer)
            if round > 0 { s.torch[layout, default: []].append(answer.samplesPerSecond ?? .nan) }
            s.torchBest = max(s.torchBest, answer.best ?? 0)
          }
          // The first round warms up.
          guard round > 0 else { continue }
          s.ours.append(mine.median)
          s.best = max(s.best, mine.best)
          s.ratios.append(mine.median / (theirs.compactMap(\.samplesPerSecond).max() ?? .nan))
          s.processorRatios.append(mine.processor / (theirs.compactMap(\.cpuSamplesPerSecond).max() ?? .nan))
          say("\(net), \(threads) thread(s), round \(round) of \(rounds): \(format(s.ratios.last!, 2)) ×")
        }
        medians[threads] = s.ours + [s.best]
        limits.append((lines.count, Double(threads) / operations))
        lines.append(
          "| \(net) | \(threads) | \(format(median(s.ours))) (\(format(s.best))) "
            + "| \(format(median(s.torch["nchw"] ?? []))) | \(format(median(s.torch["nhwc"] ?? []))) "
            + "(\(format(s.torchBest))) | \(format(median(s.ratios), 2)) (\(format(s.ratios.min()!, 2)) … "
            + "\(format(s.ratios.max()!, 2))) | \(format(s.best / s.torchBest, 2)) "
            + "| \(format(median(s.processorRatios), 2)) | ")
      }
      if let one = medians[1], let two = medians[2] {
        lines.append(
          "| \(net), our 2 threads over 1 | | \(format(median(two.dropLast()) / median(one.dropLast()), 2)) "
            + "(\(format(two.last! / one.last!, 2))) | | | | | | |")
      }
    }
    // The fastest product of the whole run is the limit of all lines.
    let peak = peaks.max() ?? .nan
    for l in limits { lines[l.line] += "\(format(peak * l.perOperation)) |" }
    print(
      """
      Training, batch 64, \(rounds) rounds of \(format(seconds, 1)) s (vgg8 \(format(3 * seconds, 1)) s); \(version); sgemm 1024³ on one \
      thread \(format(peak * 1e-9, 1)) GF/s.
      Samples/s: median over rounds of the median step (best step). Ratios: ours over the faster layout of the same round,
      median (least … most); best step over best step; by processor time. Limit: direct sums at the speed of that sgemm.

      | net | threads | ours | PyTorch NCHW | PyTorch NHWC (best of both) | ratio | best/best | processor time | limit |
      |---|---|---|---|---|---|---|---|---|
      """)
    for line in lines { print(line) }
  }
}
