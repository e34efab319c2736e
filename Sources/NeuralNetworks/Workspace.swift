import LinearAlgebra

/// The memory in which a model runs: activations, gradients and scratch, planned once for a model and a largest batch.
///
/// A batch is cut into pieces of sixteen samples. Pieces run side by side on the pool's threads, all layers of a piece
/// in turn, so that its activations stay in the cache; only a layer that needs sums over the whole batch (batch-norm
/// while training) stops the pieces. Sums over pieces are taken in piece order, so the bits do not depend on threads.
/// A step allocates nothing.
public final class Workspace {
  public static let pieceSize = 16
  /// Pieces whose gradients are kept apart; piece i adds to lane i mod 8.
  static let lanes = 8

  public let model: Model
  public let capacity: Int
  public let pool: ThreadPool
  public let keepsGradients: Bool
  private let modelVersion: Int

  struct Plan {
    var activation: UnsafeMutablePointer<Float>! = nil
    var gradient: UnsafeMutablePointer<Float>? = nil
    var count = 0
    var savedFloats: UnsafeMutablePointer<Float>! = nil
    var savedFloatsPerPiece = 0
    var savedBytes: UnsafeMutablePointer<UInt8>! = nil
    var savedBytesPerPiece = 0
    var pieceSums: UnsafeMutablePointer<Double>! = nil
    var pieceSumCount = 0
    var batchSums: UnsafeMutablePointer<Double>! = nil
    var shared: UnsafeMutablePointer<Float>! = nil
    var isView = false
    /// The activation's memory is read in backward by the node itself, or by the one it is a view of.
    var isReadInBackward = false
    var wantsGradient = false
  }

  struct Edge {
    var source: Int
    /// The source's gradient was already written by a later node: this one's is added.
    var accumulates: Bool
  }

  /// One pass of some nodes over all pieces, after which a node may reduce its sums.
  private struct Segment {
    var entries: [(node: Int, phase: Int)] = []
    var reduces: Int?
  }

  private(set) var plans: [Plan] = []
  private(set) var edges: [[Edge]] = []
  private(set) var layers: [any Layer] = []
  /// All arrays of the model, in one list: asking every layer for its own would allocate.
  private var arrays: [any WeightArray] = []
  private let updatesPerVector: Bool
  private var forwardSegments: [[Segment]] = [[], []]
  private var backwardSegments: [[Segment]] = [[], []]
  private var preparations: [[(node: Int, task: Int)]] = [[], []]
  private var gradientTasks: [(node: Int, tasks: Int, first: Int)] = []
  private var memory: [Storage] = []
  private var rawMemory: [UnsafeMutableRawPointer] = []
  private let pointersPerWorker: Int
  private let inputPointers: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
  private let gradientPointers: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>
  private var scratch: [UnsafeMutablePointer<Float>] = []
  private var temporary: [UnsafeMutablePointer<Float>] = []
  private var largestPiece = 0
  private var laneGradients: [UnsafeMutablePointer<Float>] = []
  private let laneCount: Int
  private let pieceLosses: UnsafeMutablePointer<Double>

  /// The batch's inputs, [capacity, input shape], for the caller to fill.
  public let input: UnsafeMutablePointer<Float>
  /// dL/d(input), [capacity, input shape]; filled by a backward pass that was asked for it.
  public let inputGradient: UnsafeMutablePointer<Float>
  /// The model's outputs, [capacity, output shape].
  public private(set) var output: UnsafeMutablePointer<Float>
  /// dL/d(output), for the caller or the task to fill before a backward pass.
  public private(set) var outputGradient: UnsafeMutablePointer<Float>?
  /// The parameters' gradient after a backward pass, in the model's flat layout.
  public private(set) var gradient: UnsafeMutablePointer<Float>!

  public var observers: [any Observer] = []
  public var task: (any ModelTask)?
  public var targets = Targets()
  public var seed: UInt64 = 0

  // State of the pass under way.
  private(set) var samples = 0
  private(set) var pieces = 0
  private var training = false
  private var calibrating = false
  private var step = 0
  private var globalSample: UInt64 = 0
  private var segment = 0
  private var computesLoss = false
  private var preparesBackward = false
  private var wantsInputGradient = false
  private var wantsParameterGradient = true

  /// Plans anew for a model that changed since, in the memory of a workspace that is no longer used: fresh memory costs
  /// as much as several steps of a large network until all its pages are there.
  public convenience init(replacing old: Workspace) {
    self.init(
      old.model, batch: old.capacity, pool: old.pool, gradients: old.keepsGradients,
      parameterGradients: old.gradient != nil, memory: old.memory)
    task = old.task
    seed = old.seed
    observers = old.observers
  }

  /// - Parameters:
  ///   - batch: the largest batch that will be run.
  ///   - gradients: whether backward passes will be asked for.
  ///   - parameterGradients: whether they will be asked for the parameters' gradients too.
  public convenience init(
    _ model: Model, batch: Int, pool: ThreadPool, gradients: Bool, parameterGradients: Bool = true
  ) {
    self.init(
      model, batch: batch, pool: pool, gradients: gradients, parameterGradients: parameterGradients, memory: [])
  }

  /// - Parameter spare: memory that is free, in the order in which a workspace asks for it. What it holds does not matter:
  ///   everything but what layers derive from their weights is written before it is read.
  private init(
    _ model: Model, batch: Int, pool: ThreadPool, gradients: Bool, parameterGradients: Bool, memory spare: [Storage]
  ) {
    self.model = model
    capacity = batch
    self.pool = pool
    keepsGradients = gradients
    modelVersion = model.version
    let maxPieces = (batch + Self.pieceSize - 1) / Self.pieceSize
    laneCount = min(Self.lanes, maxPieces)
    pointersPerWorker = max(1, model.nodes.map(\.inputs.count).max() ?? 1)
    inputPointers = .allocate(capacity: pointersPerWorker * pool.threads)
    gradientPointers = .allocate(capacity: pointersPerWorker * pool.threads)
    pieceLosses = .allocate(capacity: maxPieces)
    let slack = 64
    var held: [Storage] = []
    /// A model that shrank asks for less at each turn than it did before.
    func storage(_ n: Int) -> Storage {
      let free = held.count < spare.count ? spare[held.count] : nil
      let s = free.flatMap { $0.count >= n + slack ? $0 : nil } ?? Storage(count: n + slack)
      held.append(s)
      return s
    }
    let inputStorage = storage(batch * model.inputShape.count)
    let inputGradientStorage = storage(gradients ? batch * model.inputShape.count : 1)
    input = inputStorage.base
    inputGradient = inputGradientStorage.base
    output = inputStorage.base

    let nodes = model.nodes
    layers = nodes.map(\.layer)
    arrays = nodes.flatMap { $0.layer.weights.flatMap(\.arrays) }
    updatesPerVector = arrays.contains { $0.updatesPerVector }
    var consumers = [Int](repeating: 0, count: nodes.count)
    for node in nodes { for i in node.inputs where i >= 0 { consumers[i] += 1 } }

    func floats(_ n: Int) -> UnsafeMutablePointer<Float> { storage(n).base }
    var scratchFloats = 0
    var largest = model.inputShape.count
    for node in nodes {
      var plan = Plan()
      plan.count = node.shape.count
      largest = max(largest, plan.count)
      let m = node.layer.memory(inputs: node.inputShapes, output: node.shape)
      scratchFloats = max(scratchFloats, m.scratchFloats)
      let source = node.inputs[0]
      let alone = source >= 0 && consumers[source] == 1
      let shares =
        alone && (node.layer.isView || (node.layer.runsInPlace && !plans[source].isReadInBackward))
      if shares {
        plan.activation = plans[source].activation
        plan.gradient = plans[source].gradient
      } else {
        plan.activation = floats(batch * plan.count)
        if gradients { plan.gradient = floats(batch * plan.count) }
      }
      plan.isView = node.layer.isView && shares
      plan.isReadInBackward =
        node.layer.readsOutputInBackward || (plan.isView && plans[source].isReadInBackward)
      plan.savedFloatsPerPiece = m.savedFloats == 0 ? 0 : Self.pieceSize * m.savedFloats + 16
      plan.savedFloats = floats(maxPieces * plan.savedFloatsPerPiece)
      plan.savedBytesPerPiece = Self.pieceSize * m.savedBytes
      plan.savedBytes = bytes(maxPieces * plan.savedBytesPerPiece + slack).assumingMemoryBound(to: UInt8.self)
      plan.shared = floats(m.sharedFloats)
      plan.pieceSumCount = m.pieceSums
      plan.pieceSums = bytes((maxPieces * m.pieceSums + 1) * 8).assumingMemoryBound(to: Double.self)
      plan.batchSums = bytes((m.batchSums + 1) * 8).assumingMemoryBound(to: Double.self)
      plans.append(plan)
      edges.append(node.inputs.map { Edge(source: $0, accumulates: false) })
    }
    // In reverse order the first to write a gradient sets it, later ones add.
    var written = Set<Int>()
    for i in nodes.indices.reversed() {
      for k in edges[i].indices {
        edges[i][k].accumulates = !written.insert(edges[i][k].source).inserted
      }
    }
    // A node's gradient is wanted when something before it, or itself, can learn from it.
    for (i, node) in nodes.enumerated() {
      plans[i].wantsGradient =
        !node.layer.weights.isEmpty || !node.layer.parameters.isEmpty
        || node.inputs.contains { $0 >= 0 && plans[$0].wantsGradient }
    }
    for _ in 0..<pool.threads {
      scratch.append(floats(scratchFloats))
      temporary.append(floats(gradients ? pointersPerWorker * Self.pieceSize * largest : 1))
      largestPiece = Self.pieceSize * largest
    }
    output = plans[plans.count - 1].activation
    outputGradient = plans[plans.count - 1].gradient
    if gradients && parameterGradients {
      for lane in 0..<laneCount {
        laneGradients.append(floats(lane == 0 ? model.gradientCount : model.pieceGradientCount))
      }
      gradient = laneGradients[0]
    }
    memory = held
    planSegments()
  }

  deinit {
    inputPointers.deallocate()
    gradientPointers.deallocate()
    pieceLosses.deallocate()
    for p in rawMemory { p.deallocate() }
  }

  private func bytes(_ count: Int) -> UnsafeMutableRawPointer {
    let p = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 64)
    p.initializeMemory(as: UInt8.self, repeating: 0, count: count)
    rawMemory.append(p)
    return p
  }

  private func planSegments() {
    for training in [false, true] {
      var forward: [Segment] = [Segment()]
      var backward: [Segment] = [Segment()]
      for i in layers.indices where !plans[i].isView {
        forward[forward.count - 1].entries.append((i, 0))
        if layers[i].isTwoPhase(training: training) {
          forward[forward.count - 1].reduces = i
          forward.append(Segment(entries: [(i, 1)]))
        }
      }
      for i in layers.indices.reversed() where !plans[i].isView {
        backward[backward.count - 1].entries.append((i, 0))
        if layers[i].isTwoPhase(training: training) {
          backward[backward.count - 1].reduces = i
          backward.append(Segment(entries: [(i, 1)]))
        }
      }
      forwardSegments[training ? 1 : 0] = forward
      backwardSegments[training ? 1 : 0] = backward
    }
    for backward in [false, true] {
      preparations[backward ? 1 : 0] = layers.indices.flatMap { node in
        (0..<layers[node].preparationTasks(backward: backward)).map { (node, $0) }
      }
    }
  }

  // MARK: Passes

  /// Lets layers derive from their weights what the pass reads.
  private func prepareLayers(backward: Bool) {
    preparesBackward = backward
    let tasks = preparations[backward ? 1 : 0].count
    // A few tasks are small ones, not worth waking threads for.
    if tasks <= 4 {
      for i in 0..<tasks { prepareLayer(i) }
    } else {
      pool.run(count: tasks, context: Unmanaged.passUnretained(self).toOpaque()) { context, item, _ in
        Unmanaged<Workspace>.fromOpaque(context).takeUnretainedValue().prepareLayer(item)
      }
    }
  }

  private func prepareLayer(_ item: Int) {
    let (node, task) = preparations[preparesBackward ? 1 : 0][item]
    layers[node].prepare(task: task, backward: preparesBackward, shared: plans[node].shared)
  }

  /// Runs the first `samples` inputs through the model; with a task and targets also computes the loss and fills
  /// `outputGradient`.
  ///
  /// - Parameters:
  ///   - training: whether dropout and batch statistics are on.
  ///   - step, globalSample: number of the update and of the first sample over the whole run; key random numbers.
  /// - Returns: the mean loss over the batch, or 0 without a task.
  @discardableResult
  public func forward(samples: Int, training: Bool, step: Int = 0, globalSample: UInt64 = 0, loss: Bool = false)
    -> Double
  {
    precondition(samples > 0 && samples <= capacity, "\(samples) samples do not fit a workspace of \(capacity)")
    precondition(model.version == modelVersion, "the model changed after its workspace was planned")
    self.samples = samples
    self.training = training
    self.step = step
    self.globalSample = globalSample
    computesLoss = loss && task != nil
    pieces = calibrating ? 1 : (samples + Self.pieceSize - 1) / Self.pieceSize
    prepareLayers(backward: false)
    let segments = forwardSegments[training ? 1 : 0].count
    for s in 0..<segments {
      segment = s
      pool.run(count: pieces, context: Unmanaged.passUnretained(self).toOpaque()) { context, item, worker in
        Unmanaged<Workspace>.fromOpaque(context).takeUnretainedValue().runForward(piece: item, worker: worker)
      }
      if let node = forwardSegments[training ? 1 : 0][s].reduces {
        layers[node].reduceForward(batchSums(node))
      }
    }
    guard computesLoss else { return 0 }
    var total = 0.0
    for i in 0..<pieces { total += pieceLosses[i] }
    return total / Double(samples)
  }

  /// Runs back from `outputGradient`; fills `gradient` (when parameters' gradients are wanted) and `inputGradient`.
  public func backward(wantsInputGradient: Bool = false, wantsParameterGradient: Bool = true) {
    precondition(keepsGradients, "this workspace was made without gradients")
    self.wantsInputGradient = wantsInputGradient
    self.wantsParameterGradient = wantsParameterGradient
    precondition(gradient != nil || !wantsParameterGradient, "this workspace was made without parameters' gradients")
    let lanes = min(pieces, laneCount)
    if wantsParameterGradient {
      for lane in 0..<lanes { laneGradients[lane].update(repeating: 0, count: model.vectorCount) }
    }
    prepareLayers(backward: true)
    let segments = backwardSegments[training ? 1 : 0].count
    for s in 0..<segments {
      segment = s
      pool.run(count: lanes, context: Unmanaged.passUnretained(self).toOpaque()) { context, item, worker in
        Unmanaged<Workspace>.fromOpaque(context).takeUnretainedValue().runBackward(lane: item, worker: worker)
      }
      if let node = backwardSegments[training ? 1 : 0][s].reduces {
        layers[node].reduceBackward(batchSums(node))
      }
    }
    if wantsParameterGradient && !calibrating { sumGradients() }
  }

  /// A pass of the first piece alone, on one thread, in which converters set their ranges; the step's passes follow.
  public func calibrate(samples: Int, backward: Bool, step: Int = 0, globalSample: UInt64 = 0) {
    calibrating = true
    defer { calibrating = false }
    forward(
      samples: min(samples, Self.pieceSize), training: false, step: step, globalSample: globalSample, loss: backward)
    // Down to the input, so that the first array's backward converters get their ranges as well.
    if backward { self.backward(wantsInputGradient: true, wantsParameterGradient: false) }
    for node in model.nodes {
      for w in node.layer.weights { for a in w.arrays { a.finishCalibration(training: backward) } }
    }
  }

  /// True when some array wants a calibrating pass.
  public func needsCalibration(training: Bool) -> Bool {
    for a in arrays where a.needsCalibration(training: training) { return true }
    return false
  }

  /// Prepares every array for the step (refreshing what it derives from its devices).
  public func prepareArrays(step: Int) throws {
    for a in arrays { try a.prepare(step: step, workers: pool.threads, pool: pool) }
  }

  /// - Throws: what went wrong in reads since this was last called.
  public func requireReads() throws {
    for a in arrays { if let failure = (a as? any FallibleReads)?.takeReadFailure() { throw failure } }
  }

  /// Updates, after a backward pass, every array that wants the batch's vectors one by one.
  public func updateArrays(rate: Float, step: Int) {
    guard updatesPerVector else { return }
    for i in layers.indices {
      let source = edges[i][0].source
      guard let dy = plans[i].gradient else { continue }
      layers[i].updateArrays(
        batch: samples, input: source < 0 ? input : plans[source].activation, outputGradient: dy, rate: rate,
        step: step,
        scratch: scratch[0], pool: pool)
    }
  }

  /// The activation of a node after a forward pass, [samples, node shape]. Where the next layer runs in place it shows
  /// that layer's values; an `Observer` sees both.
  public func activation(_ node: Node) -> UnsafePointer<Float>? {
    model.nodes.firstIndex { $0 === node }.map { UnsafePointer(plans[$0].activation) }
  }

  private func batchSums(_ node: Int) -> BatchSums {
    BatchSums(
      pieceSums: plans[node].pieceSums, batchSums: plans[node].batchSums, pieces: pieces, samples: samples,
      training: training, gradient: wantsParameterGradient ? laneGradients.first : nil)
  }

  func makePiece(_ node: Int, _ index: Int, _ worker: Int) -> Piece {
    var p = Piece()
    p.index = index
    p.worker = worker
    p.first = index * Self.pieceSize
    p.samples = min(Self.pieceSize, samples - p.first)
    p.batch = samples
    p.globalSample = globalSample + UInt64(p.first)
    p.step = step
    p.seed = seed
    p.training = training
    p.calibrating = calibrating
    p.startsGradient = index < laneCount
    p.inputPointers = inputPointers + worker * pointersPerWorker
    p.inputGradientPointers = gradientPointers + worker * pointersPerWorker
    p.output = plans[node].activation + p.first * plans[node].count
    if let g = plans[node].gradient { p.outputGradient = g + p.first * plans[node].count }
    p.savedFloats = plans[node].savedFloats + index * plans[node].savedFloatsPerPiece
    p.savedBytes = plans[node].savedBytes + index * plans[node].savedBytesPerPiece
    p.pieceSums = plans[node].pieceSums + index * plans[node].pieceSumCount
    p.batchSums = plans[node].batchSums
    p.shared = plans[node].shared
    p.scratch = scratch[worker]
    for k in 0..<edges[node].count {
      let source = edges[node][k].source
      p.inputPointers[k] =
        source < 0
        ? input + p.first * model.inputShape.count : plans[source].activation + p.first * plans[source].count
    }
    return p
  }

  private func runForward(piece index: Int, worker: Int) {
    let entries = forwardSegments[training ? 1 : 0][segment].entries
    for e in 0..<entries.count {
      let node = entries[e].node
      var p = makePiece(node, index, worker)
      p.phase = entries[e].phase
      layers[node].forward(p)
      if !observers.isEmpty && !calibrating && !(layers[node].isTwoPhase(training: training) && p.phase == 0) {
        let values = UnsafeBufferPointer(start: UnsafePointer(p.output!), count: p.samples * plans[node].count)
        for o in observers {
          o.observe(model.nodes[node], samples: p.first..<p.first + p.samples, activation: values)
        }
      }
    }
    if computesLoss && segment == forwardSegments[training ? 1 : 0].count - 1, let task {
      let first = index * Self.pieceSize
      let count = plans[plans.count - 1].count
      pieceLosses[index] = task.loss(
        outputs: output + first * count, count: count, samples: min(Self.pieceSize, samples - first), targets: targets,
        first: first, batch: samples, gradient: outputGradient.map { $0 + first * count })
    }
  }

  private func runBackward(lane: Int, worker: Int) {
    let entries = backwardSegments[training ? 1 : 0][segment].entries
    for index in stride(from: lane, to: pieces, by: laneCount) {
      for e in 0..<entries.count {
        let node = entries[e].node
        guard plans[node].wantsGradient || wantsInputGradient else { continue }
        var p = makePiece(node, index, worker)
        p.phase = entries[e].phase
        p.gradient = wantsParameterGradient && !calibrating ? laneGradients[lane] : nil
        if !observers.isEmpty && !calibrating && p.phase == 0 {
          let n = p.samples * plans[node].count
          for o in observers {
            o.inject(
              model.nodes[node], samples: p.first..<p.first + p.samples,
              activation: UnsafeBufferPointer(start: UnsafePointer(p.output!), count: n),
              gradient: UnsafeMutableBufferPointer(start: p.outputGradient, count: n))
          }
        }
        aimInputGradients(of: node, p) { source in
          source < 0 ? wantsInputGradient : plans[source].wantsGradient || wantsInputGradient
        }
        layers[node].backward(p)
        guard entries[e].phase == 1 || !layers[node].isTwoPhase(training: training) else { continue }
        addInputGradients(of: node, p)
      }
    }
  }

  /// Says where the gradients of a node's inputs go: into their memory or, where a later node has written already,
  /// aside.
  func aimInputGradients(of node: Int, _ p: Piece, isWanted: (_ source: Int) -> Bool) {
    for k in 0..<edges[node].count {
      let source = edges[node][k].source
      var target: UnsafeMutablePointer<Float>?
      if isWanted(source) {
        target =
          source < 0
          ? inputGradient + p.first * model.inputShape.count
          : plans[source].gradient.map { $0 + p.first * plans[source].count }
      }
      if edges[node][k].accumulates && target != nil { target = temporary[p.worker] + k * largestPiece }
      p.inputGradientPointers[k] = target
    }
  }

  /// Adds what was put aside.
  func addInputGradients(of node: Int, _ p: Piece) {
    for k in 0..<edges[node].count where edges[node][k].accumulates && p.inputGradientPointers[k] != nil {
      let source = edges[node][k].source
      let count = source < 0 ? model.inputShape.count : plans[source].count
      let base = source < 0 ? inputGradient : plans[source].gradient!
      let to = base + p.first * count
      let from = temporary[p.worker] + k * largestPiece
      for i in 0..<(p.samples * count) { to[i] += from[i] }
    }
  }

  // MARK: Sums over pieces

  private static let sumBlock = 1 << 15

  private func sumGradients() {
    gradientTasks.removeAll(keepingCapacity: true)
    var tasks = 0
    for i in layers.indices {
      let n = layers[i].gradientTasks(batch: samples)
      if n > 0 {
        gradientTasks.append((i, n, tasks))
        tasks += n
      }
    }
    let blocks =
      min(pieces, laneGradients.count) > 1 ? (model.pieceGradientCount + Self.sumBlock - 1) / Self.sumBlock : 0
    pool.run(count: tasks + blocks, context: Unmanaged.passUnretained(self).toOpaque()) { context, item, worker in
      Unmanaged<Workspace>.fromOpaque(context).takeUnretainedValue().runGradientTask(item)
    }
  }

  private func runGradientTask(_ item: Int) {
    for t in gradientTasks where item >= t.first && item < t.first + t.tasks {
      let source = edges[t.node][0].source
      layers[t.node].weightGradient(
        task: item - t.first, of: t.tasks, batch: samples,
        input: source < 0 ? input : plans[source].activation, outputGradient: plans[t.node].gradient!,
        gradient: gradient)
      return
    }
    let tasks = gradientTasks.last.map { $0.first + $0.tasks } ?? 0
    let from = (item - tasks) * Self.sumBlock
    let count = min(Self.sumBlock, model.pieceGradientCount - from)
    let total = laneGradients[0] + from
    for lane in 1..<min(pieces, laneGradients.count) {
      let other = laneGradients[lane] + from
      for i in 0..<count { total[i] += other[i] }
    }
  }
}
