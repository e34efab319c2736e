import Datasets
import Glibc
import LinearAlgebra
import NeuralNetworks

/// Feeds a model batches of a data set.
final class BatchSource {
  let images: LabelledImages
  private let filler: BatchFiller
  private let augmentation: Augmentation?
  private let seed: UInt64
  private let pool: ThreadPool
  /// The batch's labels, for `Targets`.
  let labels: UnsafeMutablePointer<Int32>
  private let capacity: Int

  /// - Throws: `DataError` when normalization or augmentation does not fit the images.
  init(
    _ images: LabelledImages, _ data: DataConfiguration, augments: Bool, batch: Int, seed: UInt64, pool: ThreadPool
  ) throws {
    self.images = images
    self.seed = seed
    self.pool = pool
    let a = data.augment.map { Augmentation(padding: $0.padding, flip: $0.flip) }
    augmentation = augments ? a : nil
    filler = try BatchFiller(
      images,
      normalization: data.normalize.map {
        Normalization(mean: $0.mean.map { Float($0) }, deviation: $0.deviation.map { Float($0) })
      }, augmentation: augmentation)
    capacity = batch
    labels = .allocate(capacity: batch)
    labels.initialize(repeating: 0, count: batch)
  }

  deinit { labels.deallocate() }

  /// Fills the first inputs of a workspace with the samples at `indices`.
  /// - Parameter globalSample: number of the first over the whole run; keys the augmentation.
  func fill(_ input: UnsafeMutablePointer<Float>, _ indices: ArraySlice<Int>, globalSample: UInt64) {
    precondition(indices.count <= capacity)
    let size = images.sampleSize
    let first = indices.startIndex
    for (i, index) in indices.enumerated() { labels[i] = Int32(images.labels[index]) }
    let block = Workspace.pieceSize
    pool.parallelFor((indices.count + block - 1) / block) { item, _ in
      for i in item * block..<min(indices.count, (item + 1) * block) {
        var draw: Augmentation.Draw?
        if let augmentation {
          let words = UnsafeMutablePointer<UInt32>.allocate(capacity: 32)
          defer { words.deallocate() }
          RandomPurpose.augmentation.stream(seed: seed, index: globalSample + UInt64(i)).fillBits(words, count: 32)
          draw = augmentation.draw(words[0], words[1], words[2])
        }
        filler.fillSample(
          UnsafeMutableBufferPointer(start: input + i * size, count: size), index: indices[first + i], draw: draw)
      }
    }
  }
}

/// Runs a model, or an ensemble, over a part of a data set.
final class Evaluator {
  private let networks: [Model]
  private let combination: Ensemble.Combination
  private let workspaces: [Workspace]
  private let source: BatchSource
  private let batch: Int
  private let combined: Storage
  /// An ensemble's probabilities as outputs whose softmax they are.
  private let logarithms: Storage
  private let task: ClassificationTask
  /// Of forward passes, of so many samples.
  private(set) var spent = (seconds: 0.0, samples: 0)

  init(
    _ networks: [Model], _ combination: Ensemble.Combination, _ images: LabelledImages, _ data: DataConfiguration,
    batch: Int, seed: UInt64, pool: ThreadPool, task: ClassificationTask = ClassificationTask()
  ) throws {
    self.networks = networks
    self.combination = combination
    self.batch = batch
    self.task = task
    workspaces = networks.map { Workspace($0, batch: batch, pool: pool, gradients: false) }
    for w in workspaces { w.seed = seed }
    source = try BatchSource(images, data, augments: false, batch: batch, seed: seed, pool: pool)
    combined = Storage(count: batch * networks[0].output.shape.count)
    logarithms = Storage(count: networks.count > 1 ? batch * networks[0].output.shape.count : 0)
  }

  /// Refreshes the arrays and calibrates their converters as a pass would, for devices that are then aged.
  /// - Throws: what refreshing an array throws.
  func settle() throws {
    for w in workspaces { try prepare(w, Array(0..<min(batch, source.images.count))[...], first: 0, step: nil) }
  }

  private func prepare(_ w: Workspace, _ indices: ArraySlice<Int>, first: Int, step: Int?) throws {
    source.fill(w.input, indices, globalSample: UInt64(first))
    try w.prepareArrays(step: step ?? -1)
    if w.needsCalibration(training: false) {
      w.calibrate(samples: indices.count, backward: false, step: step ?? 0, globalSample: UInt64(first))
    }
  }

  /// One pass over all samples in their order.
  ///
  /// - Parameters:
  ///   - step: the update that the arrays are read at; nil reads them as they are, without a refresh that is due.
  ///   - each: sees every batch's outputs, [samples, classes].
  /// - Returns: the mean loss and the scores. Votes are no probabilities, and have no loss: not a number.
  /// - Throws: `Interruption`; what refreshing an array throws.
  func run(
    step: Int?, progress: Progress? = nil, each: (UnsafePointer<Float>, Int) throws -> Void = { _, _ in }
  ) throws -> (loss: Double, scores: ClassificationScores) {
    let n = source.images.count
    let count = networks[0].output.shape.count
    let scores = ClassificationScores()
    var loss = 0.0
    let order = Array(0..<n)
    for first in stride(from: 0, to: n, by: batch) {
      try InterruptionFlag.check()
      let indices = order[first..<min(n, first + batch)]
      var outputs: [UnsafePointer<Float>] = []
      for w in workspaces {
        try prepare(w, indices, first: first, step: step)
        let start = Progress.now()
        w.forward(samples: indices.count, training: false, step: step ?? 0, globalSample: UInt64(first))
        spent.seconds += Progress.now() - start
        try w.requireReads()
        outputs.append(UnsafePointer(w.output))
      }
      spent.samples += indices.count
      var result = outputs[0]
      if networks.count > 1 {
        Ensemble.combine(outputs, count: count, samples: indices.count, combination, into: combined.base)
        result = UnsafePointer(combined.base)
      }
      let targets = Targets(labels: UnsafePointer(source.labels))
      var lossOutputs = result
      if networks.count > 1 && combination == .meanProbability {
        // Σ exp(ln p) = 1: the loss of ln p is that of the probabilities.
        for i in 0..<(indices.count * count) { logarithms.base[i] = logf(max(combined.base[i], .leastNormalMagnitude)) }
        lossOutputs = UnsafePointer(logarithms.base)
      }
      loss += task.loss(
        outputs: lossOutputs, count: count, samples: indices.count, targets: targets, first: 0, batch: n, gradient: nil)
      scores.add(outputs: result, count: count, samples: indices.count, targets: targets)
      try each(result, indices.count)
      progress?.advance(by: indices.count)
    }
    return (networks.count > 1 && combination == .vote ? .nan : loss / Double(n), scores)
  }
}
