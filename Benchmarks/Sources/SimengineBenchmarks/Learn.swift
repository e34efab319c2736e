import Crossbars
import Datasets
import LinearAlgebra
import NeuralNetworks
enum Learn {
  static func run(_ crossbar: Bool, epochs: Int, rate: Float, momentum: Float, p: CrossbarParameters, seed: UInt64 = 1) throws {
    let set = try DatasetRegistry.named("mnist-5k").load()
    let pool = ThreadPool(threads: 2)
    let m = try Architecture.named("lenet5")!.make(Shape(height: 28, width: 28, channels: 1), 10, ArchitectureOptions())
    try m.initialize(.kaimingUniform, seed: seed, pool: pool)
    if crossbar { let h = CrossbarHardware(p, seed: seed); try m.place(pool: pool) { _ in h } }
    let w = Workspace(m, batch: 64, pool: pool, gradients: true); w.task = ClassificationTask(); w.seed = seed
    let t = Trainer(workspace: w, optimizer: try Optimizer(.sgd(momentum: momentum, nesterov: false), model: m))
    let train = try BatchFiller(set.train), test = try BatchFiller(set.test)
    var labels = [Int32](repeating: 0, count: 64)
    let start = now()
    for epoch in 0..<epochs {
      let order = RandomPurpose.dataOrder.stream(seed: seed, index: UInt64(epoch)).permutation(set.train.count)
      var sum = 0.0; var n = 0
      for b in stride(from: 0, to: order.count, by: 64) {
        let idx = Array(order[b..<min(order.count, b + 64)])
        train.fill(UnsafeMutableBufferPointer(start: w.input, count: 64 * 784), indices: idx)
        for (i, k) in idx.enumerated() { labels[i] = Int32(set.train.labels[k]) }
        let s = Schedule(.cosine(floor: 0), epochs: epochs)
        let r = rate * Float(s.factor(epoch: epoch, fraction: Double(b) / Double(order.count)))
        sum += try labels.withUnsafeBufferPointer { w.targets = Targets(labels: $0.baseAddress!); return try t.step(samples: idx.count, rate: r) }
        n += 1
      }
      if epoch % 5 == 4 || epoch == epochs - 1 {
        let scores = ClassificationScores()
        for b in stride(from: 0, to: set.test.count, by: 64) {
          let idx = Array(b..<min(set.test.count, b + 64))
          test.fill(UnsafeMutableBufferPointer(start: w.input, count: 64 * 784), indices: idx)
          for (i, k) in idx.enumerated() { labels[i] = Int32(set.test.labels[k]) }
          try w.prepareArrays(step: t.stepNumber); if w.needsCalibration(training: false) { w.calibrate(samples: idx.count, backward: false) }
          w.forward(samples: idx.count, training: false)
          labels.withUnsafeBufferPointer { scores.add(outputs: w.output, count: 10, samples: idx.count, targets: Targets(labels: $0.baseAddress!)) }
        }
        print(crossbar ? "crossbar" : "ideal", epoch, sum / Double(n), scores.metrics, now() - start)
      }
    }
  }
}
