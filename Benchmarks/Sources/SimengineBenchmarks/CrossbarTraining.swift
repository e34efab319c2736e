import Crossbars
import LinearAlgebra
import NeuralNetworks

/// The operating point that crossbars train at here: 64×64 tiles, 2.5 Ω a wire segment, 100 Ω drivers and sense
/// amplifiers, 8-bit converters, the noisy non-linear update of the preset ag-si.
func timedCrossbars() -> CrossbarParameters {
  CrossbarParameters(
    device: Device(pulseStep: 1e-3, updateNonlinearity: 1, updateNoise: 0.3), refreshInterval: 50,
    circuit: CircuitParameters(wireResistance: 2.5, driverResistance: 100, senseResistance: 100))
}

/// A network that crossbars are timed with, and its bars.
struct TimedNet {
  var name: String
  var width = 1.0
  var batch = 64
  /// Least rate over that of AIHWKit's ReRamES preset, and most time of a step over our ideal one.
  var leastOverPeer: Double
  var mostOverIdeal: Double

  /// `vgg8` is of width 2 (128-128-256-256-512-512, fully connected 1024); its batch is 16, as AIHWKit takes some ten
  /// seconds for a step of 64.
  static let all = [
    TimedNet(name: "lenet5", leastOverPeer: 6, mostOverIdeal: 1.75),
    TimedNet(name: "mlp", leastOverPeer: 2, mostOverIdeal: 3),
    TimedNet(name: "vgg8", width: 2, batch: 16, leastOverPeer: 1.2, mostOverIdeal: 1.75),
  ]

  /// `net` or `net:batch`; nil when there is none of the name.
  init?(_ word: some StringProtocol) {
    let parts = word.split(separator: ":")
    guard let name = parts.first, var net = Self.all.first(where: { $0.name == name }) else { return nil }
    if parts.count == 2 {
      guard let batch = Int(parts[1]), batch > 0 else { return nil }
      net.batch = batch
    }
    self = net
  }

  init(name: String, width: Double = 1, batch: Int = 64, leastOverPeer: Double, mostOverIdeal: Double) {
    self.name = name
    self.width = width
    self.batch = batch
    self.leastOverPeer = leastOverPeer
    self.mostOverIdeal = mostOverIdeal
  }

  func benchmark(threads: Int, hardware: (any Hardware)? = nil) throws -> TrainingBenchmark {
    try TrainingBenchmark(
      name, options: ArchitectureOptions(width: width), batch: batch, threads: threads, momentum: 0, hardware: hardware)
  }
}

/// Training steps on crossbars beside ideal ones of the same network and beside AIHWKit's, interleaved.
///
/// A round times our ideal and our crossbar steps by turns until `time` is over, then AIHWKit's presets for as long each.
/// Crossbar steps come in whole refresh intervals, so that refreshes and calibrations fall into the clocked time in their
/// natural share; rates are all samples over all the time, on both sides. A ratio is taken within a round.
struct CrossbarTraining {
  static let presets = ["reram-es", "mixed-precision", "tiki-taka"]

  /// An interpreter that has AIHWKit; nil leaves the peer out.
  var python: String?
  var nets: [TimedNet]
  var rounds: Int
  /// Seconds.
  var time: Double
  var threads: Int

  func run() throws {
    let parameters = timedCrossbars()
    let peer = try python.map { try PeerProcess(python: $0, script: "crossbar_aihwkit.py") }
    defer { peer?.quit() }
    var own: [String] = []
    var beside: [String] = []
    var loads = [loadAverage()]
    for net in nets {
      let ideal = try net.benchmark(threads: threads)
      let crossbar = try net.benchmark(threads: threads, hardware: CrossbarHardware(parameters, seed: 1))
      try ideal.steps(3)
      try crossbar.steps(3)
      var rates: (ideal: [Double], crossbar: [Double]) = ([], [])
      var ratios: (wall: [Double], processor: [Double]) = ([], [])
      var theirs: [String: (rate: [Double], ratio: [Double], processor: [Double])] = [:]
      var steps = 0
      let pulses = crossbar.pulses
      for round in 1...rounds {
        var (idealTime, crossbarTime) = (Lap(), Lap())
        repeat {
          // Ideal steps are all alike: for a large network a part of an interval will do.
          let begin = seconds()
          repeat {
            idealTime += try Lap.of { try ideal.step() }
          } while idealTime.count < 3
            || (idealTime.count % parameters.refreshInterval > 0 && seconds() - begin < time / 2)
          for _ in 0..<parameters.refreshInterval { crossbarTime += try Lap.of { try crossbar.step() } }
        } while idealTime.wall + crossbarTime.wall < time
        steps += crossbarTime.count
        let batch = Double(net.batch)
        rates.ideal.append(batch / idealTime.meanWall)
        rates.crossbar.append(batch / crossbarTime.meanWall)
        ratios.wall.append(crossbarTime.meanWall / idealTime.meanWall)
        ratios.processor.append(crossbarTime.meanProcessor / idealTime.meanProcessor)
        for preset in peer == nil ? [] : Self.presets {
          let answer = try peer!.run(net.name, preset, net.batch, time)
          var t = theirs[preset] ?? ([], [], [])
          t.rate.append(answer.mean ?? .nan)
          t.ratio.append(batch / crossbarTime.meanWall / (answer.mean ?? .nan))
          t.processor.append(batch / crossbarTime.meanProcessor / (answer.cpuMean ?? .nan))
          theirs[preset] = t
        }
        loads.append(loadAverage())
        say(
          "\(net.name), round \(round) of \(rounds): \(format(ratios.wall.last!, 2)) × the ideal step's time"
            + (theirs[Self.presets[0]].map { ", \(format($0.ratio.last!, 2)) × AIHWKit's rate" } ?? ""))
      }
      let perDevice = Double(crossbar.pulses - pulses) / Double(steps) / Double(2 * crossbar.weights)
      own.append(
        "| \(net.name) | \(net.batch) | \(format(median(rates.ideal))) | \(format(median(rates.crossbar))) "
          + "| \(spread(ratios.wall, 2)) | \(format(median(ratios.processor), 2)) | ≤ \(net.mostOverIdeal) "
          + "| \(format(perDevice, 3)) |")
      for preset in Self.presets {
        guard let t = theirs[preset] else { continue }
        let bar = preset == Self.presets[0] ? "≥ \(net.leastOverPeer)" : ""
        beside.append(
          "| \(net.name) | \(net.batch) | \(preset) | \(format(median(t.rate), 1)) | \(format(median(rates.crossbar))) "
            + "| \(spread(t.ratio, 2)) | \(format(median(t.processor), 2)) | \(bar) |")
      }
    }
    print(
      """
      Training on crossbars, \(threads) thread\(threads == 1 ? "" : "s"), \(rounds) rounds of \(format(time, 1)) s a side, \
      interleaved. Load average of the machine \(spread(loads, 1)).
      \(parameters.rows)×\(parameters.columns) tiles, \(parameters.circuit.wireResistance) Ω wires, \
      \(parameters.circuit.driverResistance) Ω drivers, \(parameters.circuit.senseResistance) Ω senses, method \
      \(parameters.method.rawValue) every \(parameters.refreshInterval) steps, \(parameters.converters.dacBits)-bit DACs, \
      \(parameters.converters.adcBits)-bit ADCs, noisy non-linear update per batch. vgg8 is of width 2.
      Samples/s: median over rounds. Ratios: within a round, median (least … most), and by processor time.

      | net | batch | ideal | crossbar | step over ideal | by processor time | bar | pulses a device and step |
      |---|---|---|---|---|---|---|---|
      \(own.joined(separator: "\n"))

      """)
    if let peer {
      print(
        """
        Beside \(peer.name), one thread, no wires, update per sample; samples/s, ours over its.

        | net | batch | preset | AIHWKit | ours | ratio | by processor time | bar |
        |---|---|---|---|---|---|---|---|
        \(beside.joined(separator: "\n"))
        """)
    } else {
      print("SKIPPED: the comparison with AIHWKit. `Benchmarks/peers/setup.sh crossbar` installs it.")
    }
  }
}
