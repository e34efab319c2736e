import Crossbars
import LinearAlgebra
import NeuralNetworks

/// The operating point that crossbars train at here: 64×64 tiles, 2.5 Ω a wire segment, 100 Ω drivers and sense
/// amplifiers, closed form with corrections checked against exact solutions every 50 steps, 8-bit converters, the noisy
/// non-linear device of the preset ag-si.
func timedCrossbars(_ mode: UpdateMode = .outerProduct, method: CircuitMethod = .corrected) -> CrossbarParameters {
  CrossbarParameters(
    device: Device(pulseStep: 1e-3, updateNonlinearity: 1, updateNoise: 0.3), method: method, refreshInterval: 50,
    circuit: CircuitParameters(wireResistance: 2.5, driverResistance: 100, senseResistance: 100),
    // Vector by vector as AIHWKit's preset: by stochastic trains of 31 slots.
    update: UpdateParameters(mode: mode, pulses: mode == .perSample ? .trains : .rounded))
}

/// A network that crossbars are timed with, and its bars.
struct TimedNet {
  var name: String
  var width = 1.0
  var batch = 64
  /// Least rate over that of AIHWKit's ReRamES preset, and most time of a step over our ideal one.
  var leastOverPeer: Double
  var mostOverIdeal: Double
  /// How its weights learn on our side.
  var modes: [UpdateMode]

  /// `vgg8` is of width 2 (128-128-256-256-512-512, fully connected 1024); its batch is 16, as AIHWKit takes some ten
  /// seconds for a step of 64, and it learns per batch only: a step per sample takes minutes.
  static let all = [
    TimedNet(name: "lenet5", leastOverPeer: 6, mostOverIdeal: 1.75),
    TimedNet(name: "mlp", leastOverPeer: 2, mostOverIdeal: 3),
    TimedNet(name: "vgg8", width: 2, batch: 16, leastOverPeer: 1.2, mostOverIdeal: 1.75, modes: [.outerProduct]),
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

  private init(
    name: String, width: Double = 1, batch: Int = 64, leastOverPeer: Double, mostOverIdeal: Double,
    modes: [UpdateMode] = [.outerProduct, .perSample, .mixedPrecision, .tikiTaka]
  ) {
    self.name = name
    self.width = width
    self.batch = batch
    self.leastOverPeer = leastOverPeer
    self.mostOverIdeal = mostOverIdeal
    self.modes = modes
  }

  func benchmark(threads: Int, hardware: (any Hardware)? = nil) throws -> TrainingBenchmark {
    try TrainingBenchmark(
      name, options: ArchitectureOptions(width: width), batch: batch, threads: threads, momentum: 0, hardware: hardware)
  }
}

/// Training steps on crossbars beside ideal ones of the same network and beside AIHWKit's, interleaved.
///
/// A round times our ideal and our crossbar steps by turns until each had `time`, then AIHWKit's presets for as long
/// each. Crossbar steps come in whole refresh intervals, so that refreshes and calibrations fall into the clocked time in
/// their natural share; rates are all samples over all the time, on both sides. A ratio is taken within a round.
struct CrossbarTraining {
  /// AIHWKit's preset that learns as we do. Its ReRamES updates per sample, and is compared with both of our ways.
  static func preset(_ mode: UpdateMode) -> String {
    switch mode {
    case .mixedPrecision: "mixed-precision"
    case .tikiTaka, .tikiTaka2: "tiki-taka"
    case .outerProduct, .perSample, .programmed: "reram-es"
    }
  }

  /// An interpreter that has AIHWKit; nil leaves the peer out.
  var python: String?
  var nets: [TimedNet]
  var rounds: Int
  /// Seconds.
  var time: Double
  var threads: Int

  /// One way to train, and what was measured of it round by round.
  private final class Contestant {
    let mode: UpdateMode?
    let benchmark: TrainingBenchmark
    var lap = Lap()
    var steps = 0
    var rates: [Double] = []
    var overIdeal: (wall: [Double], processor: [Double]) = ([], [])
    var overPeer: (wall: [Double], processor: [Double]) = ([], [])

    init(_ mode: UpdateMode?, _ benchmark: TrainingBenchmark) {
      (self.mode, self.benchmark) = (mode, benchmark)
    }
  }

  func run() throws {
    let parameters = timedCrossbars()
    let interval = parameters.refreshInterval
    let peer = try python.map { try PeerProcess(python: $0, script: "crossbar_aihwkit.py") }
    defer { peer?.quit() }
    var own: [String] = []
    var beside: [String] = []
    var loads = [loadAverage()]
    for net in nets {
      let ideal = Contestant(nil, try net.benchmark(threads: threads))
      let crossbars = try net.modes.map { mode in
        Contestant(
          mode, try net.benchmark(threads: threads, hardware: CrossbarHardware(timedCrossbars(mode), seed: 1)))
      }
      for c in [ideal] + crossbars { try c.benchmark.steps(3) }
      let pulses = crossbars.map(\.benchmark.pulses)
      var theirRates: [String: [Double]] = [:]
      for round in 1...rounds {
        for c in [ideal] + crossbars { c.lap = Lap() }
        while let next = ([ideal] + crossbars).filter({ $0.lap.wall < time }).min(by: { $0.lap.wall < $1.lap.wall }) {
          // Ideal steps are all alike: of a large network a part of an interval will do.
          let begin = seconds()
          repeat {
            next.lap += try Lap.of { try next.benchmark.step() }
          } while next.lap.count % interval > 0
            && (next.mode != nil || next.lap.count < 3 || seconds() - begin < time)
        }
        let batch = Double(net.batch)
        for c in [ideal] + crossbars {
          c.steps += c.lap.count
          c.rates.append(batch / c.lap.meanWall)
          c.overIdeal.wall.append(c.lap.meanWall / ideal.lap.meanWall)
          c.overIdeal.processor.append(c.lap.meanProcessor / ideal.lap.meanProcessor)
        }
        if let peer {
          var answers: [String: PeerProcess.Answer] = [:]
          for c in crossbars {
            let preset = Self.preset(c.mode!)
            let answer = try answers[preset] ?? peer.run(net.name, preset, net.batch, time)
            if answers.updateValue(answer, forKey: preset) == nil {
              theirRates[preset, default: []].append(answer.mean ?? .nan)
            }
            c.overPeer.wall.append(batch / c.lap.meanWall / (answer.mean ?? .nan))
            c.overPeer.processor.append(batch / c.lap.meanProcessor / (answer.cpuMean ?? .nan))
          }
        }
        loads.append(loadAverage())
        let first = crossbars[0]
        say(
          "\(net.name), round \(round) of \(rounds): \(format(first.overIdeal.wall.last!, 2)) × the ideal step's time"
            + (first.overPeer.wall.last.map { ", \(format($0, 2)) × AIHWKit's rate" } ?? ""))
      }
      for (i, c) in crossbars.enumerated() {
        let mode = c.mode!
        let isFirst = mode == .outerProduct
        let perDevice = Double(c.benchmark.pulses - pulses[i]) / Double(c.steps) / Double(2 * c.benchmark.weights)
        own.append(
          "| \(net.name) | \(net.batch) | \(mode.rawValue) | \(format(median(ideal.rates))) | \(format(median(c.rates))) "
            + "| \(spread(c.overIdeal.wall, 2)) | \(format(median(c.overIdeal.processor), 2)) "
            + "| \(isFirst ? "≤ \(net.mostOverIdeal)" : "") | \(format(perDevice, 3)) |")
        guard peer != nil else { continue }
        let preset = Self.preset(mode)
        beside.append(
          "| \(net.name) | \(net.batch) | \(mode.rawValue) | \(format(median(c.rates))) | \(preset) "
            + "| \(format(median(theirRates[preset] ?? []), 1)) | \(spread(c.overPeer.wall, 2)) "
            + "| \(format(median(c.overPeer.processor), 2)) | \(isFirst ? "≥ \(net.leastOverPeer)" : "") |")
      }
    }
    print(
      """
      Training on crossbars, \(threads) thread\(threads == 1 ? "" : "s"), \(rounds) rounds of \(format(time, 1)) s each, \
      interleaved. Load average of the machine \(spread(loads, 1)).
      \(parameters.rows)×\(parameters.columns) tiles, \(parameters.circuit.wireResistance) Ω wires, \
      \(parameters.circuit.driverResistance) Ω drivers, \(parameters.circuit.senseResistance) Ω senses, method \
      \(parameters.method.rawValue), refreshed every \(interval) steps, \(parameters.converters.dacBits)-bit DACs, \
      \(parameters.converters.adcBits)-bit ADCs, noisy non-linear devices. vgg8 is of width 2.
      Samples/s: median over rounds. Ratios: within a round, median (least … most), and by processor time.

      | net | batch | update | ideal | crossbar | step over ideal | by processor time | bar | pulses a device and step |
      |---|---|---|---|---|---|---|---|---|
      \(own.joined(separator: "\n"))

      """)
    if let peer {
      print(
        """
        Beside \(peer.name), one thread, no wires; samples/s, ours over its.

        | net | batch | update | ours | preset | AIHWKit | ratio | by processor time | bar |
        |---|---|---|---|---|---|---|---|---|
        \(beside.joined(separator: "\n"))
        """)
    } else {
      print("SKIPPED: the comparison with AIHWKit. `Benchmarks/peers/setup.sh crossbar` installs it.")
    }
  }
}
