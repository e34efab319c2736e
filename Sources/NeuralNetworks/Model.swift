import LinearAlgebra

/// A layer with a name and a place in the graph.
public final class Node {
  public let name: String
  public let layer: any Layer
  /// Numbers of the nodes it reads; −1 is the model's input.
  public let inputs: [Int]
  public internal(set) var shape = Shape(features: 1)
  public internal(set) var inputShapes: [Shape] = []

  init(_ name: String, _ layer: any Layer, _ inputs: [Int]) {
    self.name = name
    self.layer = layer
    self.inputs = inputs
  }

  public var multiplyAccumulates: Int { layer.multiplyAccumulates(inputs: inputShapes, output: shape) }
  public var parameterCount: Int {
    layer.weights.reduce(0) { $0 + $1.count } + layer.parameters.reduce(0) { $0 + $1.count }
  }
}

/// A graph of named nodes in the order they run; the last one is the output.
///
/// The graph is plain data: sequences, residual sums and branches are nodes that read one or several earlier nodes. It
/// runs forward in order and backward in reverse, in a `Workspace`.
public final class Model {
  public let inputShape: Shape
  public private(set) var nodes: [Node]
  /// Goes up whenever shapes or arrays change, so that a workspace knows that its plan is out of date.
  public private(set) var version = 0
  /// Which channels it still has of those it was built with.
  public internal(set) var structure = ModelStructure()

  /// Updates made and samples learnt from since the model was made, over all its training; they key random numbers and
  /// tell arrays when a refresh is due.
  public var updates = 0
  public var samplesLearnt: UInt64 = 0

  /// Layout of the flat gradient: vectors first, then weights whose gradient is summed over pieces, then weights whose
  /// gradient is one product over the batch.
  public private(set) var gradientCount = 0
  private(set) var vectorCount = 0
  private(set) var pieceGradientCount = 0

  /// - Throws: `ModelError` when shapes do not fit.
  public init(inputShape: Shape, nodes: [Node]) throws {
    self.inputShape = inputShape
    self.nodes = nodes
    guard !nodes.isEmpty else { throw ModelError("a model needs at least one layer") }
    var seen = Set<String>()
    for node in nodes where !seen.insert(node.name).inserted {
      throw ModelError("two layers are named \(node.name)")
    }
    try wire()
  }

  public var output: Node { nodes[nodes.count - 1] }
  public var parameterCount: Int { nodes.reduce(0) { $0 + $1.parameterCount } }
  public var multiplyAccumulates: Int { nodes.reduce(0) { $0 + $1.multiplyAccumulates } }

  public func node(_ name: String) -> Node? { nodes.first { $0.name == name } }

  /// Works out shapes and the gradient's layout anew; called after layers changed.
  public func wire() throws {
    version += 1
    var owner = 0
    for (i, node) in nodes.enumerated() {
      for input in node.inputs where input < -1 || input >= i {
        throw ModelError("layer \(node.name) reads a layer that does not run before it")
      }
      node.inputShapes = node.inputs.map { $0 < 0 ? inputShape : nodes[$0].shape }
      do { node.shape = try node.layer.outputShape(node.inputShapes) } catch let error as ModelError {
        throw ModelError("layer \(node.name): \(error.description)")
      }
      (node.layer as? Dropout)?.owner = owner
      owner += 1
    }
    func aligned(_ n: Int) -> Int { (n + 15) / 16 * 16 }
    var offset = 0
    for node in nodes {
      for p in node.layer.parameters {
        p.offset = offset
        offset += aligned(p.count)
      }
    }
    vectorCount = offset
    for whole in [false, true] {
      for node in nodes where (node.layer.gradientTasks(batch: 1) > 0) == whole {
        for w in node.layer.weights {
          w.offset = offset
          offset += aligned(w.count)
        }
      }
      if !whole { pieceGradientCount = offset }
    }
    gradientCount = offset
  }

  /// Moves the weights of every layer onto the hardware that `choose` gives for the layer's name.
  public func place(pool: ThreadPool, on choose: (String) throws -> any Hardware) throws {
    var owner = 0
    for node in nodes {
      for w in node.layer.weights {
        try w.place(on: choose(node.name), layer: node.name, owner: owner, pool: pool)
        owner += w.arrays.count
      }
    }
    try wire()
  }

  /// Runs `body` with other arrays in the place of the model's own, which come back as they are: the same network on
  /// another chip. Biases and batch-norm statistics are shared.
  ///
  /// - Parameters:
  ///   - make: the array that stands for one of a layer's: that of a group, and its number within the model, as when it
  ///     was placed.
  /// - Throws: what `make` and `body` throw.
  public func withArrays<Value>(
    _ make: (_ node: Node, _ weights: Weights, _ group: Int, _ owner: Int) throws -> any WeightArray,
    _ body: () throws -> Value
  ) throws -> Value {
    let all = weights
    let own = all.map(\.weights.arrays)
    var owner = 0
    var others: [[any WeightArray]] = []
    for (node, w) in all {
      others.append(
        try w.arrays.indices.map { group in
          defer { owner += 1 }
          return try make(node, w, group, owner)
        })
    }
    func put(_ arrays: [[any WeightArray]]) throws {
      for i in all.indices { all[i].weights.arrays = arrays[i] }
      // Layers choose their way by their arrays, and memory was planned for other ones.
      try wire()
    }
    let outcome: Result<Value, any Error>
    do {
      try put(others)
      outcome = .success(try body())
    } catch { outcome = .failure(error) }
    try put(own)
    return try outcome.get()
  }

  /// Every weight matrix with its layer's node.
  public var weights: [(node: Node, weights: Weights)] {
    nodes.flatMap { node in node.layer.weights.map { (node, $0) } }
  }

  public var activity: Activity {
    var total = Activity()
    for (_, w) in weights { for array in w.arrays { total += array.activity } }
    return total
  }

  public func resetActivity() {
    for (_, w) in weights { for array in w.arrays { array.activity = Activity() } }
  }
}

/// Puts a graph together, node by node.
public struct ModelBuilder {
  public let inputShape: Shape
  private var nodes: [Node] = []
  private var shapes: [Shape] = []
  /// The node that the next one reads if it names no inputs; −1 is the model's input.
  private var cursor = -1

  public init(inputShape: Shape) { self.inputShape = inputShape }

  /// Number of the node that comes before the next one; −1 before the first.
  public var last: Int { cursor }
  public func shape(_ node: Int) -> Shape { node < 0 ? inputShape : shapes[node] }
  /// The shape that the next node reads.
  public var shape: Shape { shape(cursor) }
  /// The shape before the flatten that the next node reads, if it reads one.
  public var flattened: Shape? {
    guard cursor >= 0, nodes[cursor].layer is Flatten else { return nil }
    return shape(nodes[cursor].inputs[0])
  }

  /// Adds a node that reads `inputs` (by default the last node).
  /// - Returns: its number.  - Throws: `ModelError` when the shapes do not fit.
  @discardableResult
  public mutating func add(_ name: String, _ layer: any Layer, inputs: [Int]? = nil) throws -> Int {
    let inputs = inputs ?? [cursor]
    do { shapes.append(try layer.outputShape(inputs.map(shape))) } catch let error as ModelError {
      throw ModelError("layer \(name): \(error.description)")
    }
    nodes.append(Node(name, layer, inputs))
    cursor = nodes.count - 1
    return cursor
  }

  /// Adds nodes whose first reads the given node instead of the last.
  public mutating func continuing(after node: Int, _ body: (inout ModelBuilder) throws -> Void) rethrows {
    cursor = node
    try body(&self)
  }

  public func model() throws -> Model { try Model(inputShape: inputShape, nodes: nodes) }
}
