import Crossbars
import Foundation
import LinearAlgebra
import NeuralNetworks

/// CrossSim's operating point (peers/crossbar_crosssim.py): arrays of 128 rows and of as many columns as the layer has
/// outputs, 8-bit weights and converters, 100 kΩ to 1 MΩ, perfect terminals; 0 Ω leaves out the wires.
func inferenceCrossbars(wireResistance: Double) -> CrossbarParameters {
  CrossbarParameters(
    rows: 128, columns: 1024, device: Device(onResistance: 1e5, offResistance: 1e6, levels: 256),
    circuit: CircuitParameters(wireResistance: wireResistance, driverResistance: 0, senseResistance: 0))
}

/// Inference of a network whose weights are on crossbars, on random images.
final class InferenceBenchmark {
  private let workspace: Workspace
  /// Seconds that programming and solving the circuits took.
  let preparation: Double

  init(_ architecture: String, batch: Int, hardware: any Hardware) throws {
    let a = Architecture.named(architecture)!
    let model = try a.make(a.usualInput, 10, ArchitectureOptions())
    let pool = ThreadPool(threads: 1)
    try model.initialize(.kaimingUniform, seed: 1, pool: pool)
    let start = seconds()
    try model.place(pool: pool) { _ in hardware }
    workspace = Workspace(model, batch: batch, pool: pool, gradients: false)
    let images = RandomStream(seed: 2, purpose: 1).uniforms(batch * model.inputShape.count)
    workspace.input.update(from: images, count: images.count)
    try workspace.prepareArrays(step: -1)
    if workspace.needsCalibration(training: false) { workspace.calibrate(samples: batch, backward: false) }
    preparation = seconds() - start
  }

  /// One batch.
  func pass() throws {
    try workspace.prepareArrays(step: -1)
    workspace.forward(samples: workspace.capacity, training: false)
  }
}

/// Inference with 1 Ω wires beside CrossSim's, interleaved, on one thread.
///
/// Both are timed with weights mapped; ours also with the mapping (programming, circuits, converter ranges) counted into
/// 10,000 images, a usual test set. CrossSim finds the currents of every vector by a fixed point of its own.
struct CrossbarInference {
  /// An interpreter that has PyTorch, and the checkout of CrossSim; nil leaves the peer out.
  var python: String?
  var rounds: Int
  /// Seconds.
  var time: Double

  func run() throws {
    var peer: PeerProcess?
    var skipped = ""
    let checkout = ProcessInfo.processInfo.environment["CROSSSIM"] ?? ""
    if checkout.isEmpty {
      skipped = "the environment variable CROSSSIM names no checkout of github.com/sandialabs/cross-sim"
    } else if let python {
      peer = try PeerProcess(python: python, script: "crossbar_crosssim.py")
    } else {
      skipped = "there is no interpreter that has PyTorch (Benchmarks/peers/setup.sh crossbar)"
    }
    defer { peer?.quit() }
    if peer == nil { say("SKIPPED: the comparison with CrossSim: \(skipped).") }
    var lines: [String] = []
    var loads = [loadAverage()]
    // Batches of CrossSim: those its workload is usually given (its memory goes as rows × columns × patches), and those
    // at which it is fastest with wires.
    for (net, peerBatches, bar) in [("mlp", [64, 1], 1000), ("lenet5", [8, 16], 100)] {
      for wire in [1.0, 0] {
        let ours = try InferenceBenchmark(
          net, batch: 64, hardware: CrossbarHardware(inferenceCrossbars(wireResistance: wire), seed: 1))
        for _ in 0..<3 { try ours.pass() }
        var rates: [Double] = []
        var theirs = [(rate: [Double], ratio: [Double], processor: [Double])](
          repeating: ([], [], []), count: peerBatches.count)
        for round in 1...rounds {
          var lap = Lap()
          while lap.wall < time { lap += try Lap.of { try ours.pass() } }
          rates.append(64 / lap.meanWall)
          for (i, batch) in peerBatches.enumerated() {
            guard let answer = try peer?.run(net, wire, batch, time) else { continue }
            theirs[i].rate.append(answer.mean ?? .nan)
            theirs[i].ratio.append(64 / lap.meanWall / (answer.mean ?? .nan))
            theirs[i].processor.append(64 / lap.meanProcessor / (answer.cpuMean ?? .nan))
          }
          loads.append(loadAverage())
          say("\(net), \(wire) Ω, round \(round) of \(rounds)\(theirs[0].ratio.last.map { ": \(format($0)) ×" } ?? "")")
        }
        let rate = median(rates)
        let mapped = 1e4 / (1e4 / rate + ours.preparation)
        let own =
          "| \(net) | \(format(wire)) | \(format(rate)) | \(format(1e3 * ours.preparation)) | \(format(mapped)) "
        guard peer != nil else {
          lines.append(own + "| | | | | | |")
          continue
        }
        for (batch, t) in zip(peerBatches, theirs) {
          lines.append(
            own + "| \(batch) | \(format(median(t.rate), 1)) | \(spread(t.ratio, 0)) | \(format(median(t.processor))) "
              + "| \(format(mapped / median(t.rate))) | \(wire > 0 ? "≥ \(bar)" : "") |")
        }
      }
    }
    print(
      """
      Inference on crossbars, one thread, \(rounds) rounds of \(format(time, 1)) s a side, interleaved; peer: \
      \(peer?.name ?? "none"). Load average of the machine \(spread(loads, 1)).
      128-row arrays, 8-bit weights, DACs and ADCs, 100 kΩ to 1 MΩ, perfect terminals. Our batch is 64.
      Samples/s: median over rounds. Ratios: within a round, median (least … most); by processor time; with our mapping
      counted into 10,000 images.

      | net | wires, Ω | ours | mapping, ms | with mapping | its batch | CrossSim | ratio | by processor time | with mapping | bar |
      |---|---|---|---|---|---|---|---|---|---|---|
      \(lines.joined(separator: "\n"))
      """)
    if peer == nil { print("\nSKIPPED: the comparison with CrossSim: \(skipped).") }
  }
}
