import LinearAlgebra

/// Which output channels are left of layers that lost some: together with the architecture it tells a shrunk network's
/// shapes, and where what is left came from.
public struct ModelStructure: Equatable, Sendable {
  public struct Layer: Equatable, Sendable {
    public let name: String
    /// Channels that the layer was built with.
    public let channels: Int
    /// Numbers of those that are left, rising.
    public let kept: [Int]

    public init(name: String, channels: Int, kept: [Int]) {
      (self.name, self.channels, self.kept) = (name, channels, kept)
    }
  }

  /// In the order they run.
  public private(set) var layers: [Layer]
  public init(_ layers: [Layer] = []) { self.layers = layers }
  public var isWhole: Bool { layers.isEmpty }
  public subscript(name: String) -> Layer? { layers.first { $0.name == name } }
}

/// Where the values that a selection kept stood in the model's flat gradient, and where they stand now.
public struct ChannelMoves {
  struct Block {
    var from: Int
    var length: Int
    var rows: [Int]
    /// Runs of columns that stay.
    var runs: [Range<Int>]
    var to = 0
    /// The matrix or vector that the block is of, "layer.weight", and the row of it that is the block's first.
    var source: (name: String, row: Int)
  }
  var blocks: [Block] = []

  /// An optimizer's state after the move: in its own memory as long as half of that stays used, for fresh pages cost more
  /// than moving what is left.
  ///
  /// - Parameters:
  ///   - old: as long as the gradient was, or longer.
  ///   - count: the gradient's length now.
  /// - Precondition: `count` is at most the length that it was, and the end of what moved.
  func moved(_ old: Storage, count: Int) -> Storage {
    let blocks = blocks.sorted { $0.to < $1.to }
    let staysBehind =
      blocks.allSatisfy { $0.to <= $0.from } && zip(blocks, blocks.dropFirst()).allSatisfy { $0.from < $1.from }
    precondition(count <= old.count, "a selection leaves no more than there was")
    let new = staysBehind && 2 * count >= old.count ? old : Storage(uninitialized: count)
    var end = 0
    // Blocks begin at whole lines of the cache: zeros between them.
    for block in blocks {
      (new.base + end).update(repeating: 0, count: block.to - end)
      var to = new.base + block.to
      for row in block.rows { to = copy(block.runs, of: old.base + block.from + row * block.length, to: to) }
      end = to - new.base
    }
    precondition(end <= count, "the optimizer follows another selection than the model's last")
    (new.base + end).update(repeating: 0, count: count - end)
    return new
  }
}

extension ChannelMoves {
  /// Takes what is left of a weight matrix [outputs, inputs], or of a layer's vector, of the model as it was.
  ///
  /// - Parameter name: "layer.weight", "layer.bias"; what has another name stays as it is.
  public func select(_ tensor: Tensor, of name: String) -> Tensor {
    let parts = blocks.filter { $0.source.name == name }
    guard let first = parts.first else { return tensor }
    var values: [Float] = []
    tensor.withUnsafeBufferPointer { m in
      for block in parts {
        for row in block.rows {
          let at = (block.source.row + row) * block.length
          for run in block.runs { values += m[at + run.lowerBound..<at + run.upperBound] }
        }
      }
    }
    let columns = first.runs.reduce(0) { $0 + $1.count }
    return Tensor(shape: tensor.shape.count == 1 ? [values.count] : [values.count / columns, columns], values: values)
  }
}

/// The runs of consecutive numbers in a rising list.
func runs(_ numbers: [Int]) -> [Range<Int>] {
  var result: [Range<Int>] = []
  for n in numbers {
    if let last = result.last, last.upperBound == n {
      result[result.count - 1] = last.lowerBound..<n + 1
    } else {
      result.append(n..<n + 1)
    }
  }
  return result
}

/// Copies runs of a row side by side; `to` may lie before them in the same row.
/// - Returns: the end of what was written.
func copy(_ runs: [Range<Int>], of row: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>)
  -> UnsafeMutablePointer<Float>
{
  var to = to
  for run in runs {
    let from = row + run.lowerBound
    let n = run.count
    // Runs are short once a tenth of the channels is gone: a call for each costs more than the copy.
    if n > 64 {
      to.update(from: from, count: n)
    } else {
      var i = 0
      while i + 4 <= n {
        let four = UnsafeRawPointer(from + i).loadUnaligned(as: SIMD4<Float>.self)
        UnsafeMutableRawPointer(to + i).storeBytes(of: four, as: SIMD4<Float>.self)
        i += 4
      }
      while i < n {
        to[i] = from[i]
        i += 1
      }
    }
    to += n
  }
  return to
}

/// Removing channels from a model, or silencing them in it.
///
/// A channel belongs to the layer that makes it. When it goes, its filter and bias go, with its entries in every
/// batch-norm it passes and its slice of whatever reads it. A sum keeps a channel as long as one of its inputs has it.
extension Model {
  /// The channels that are left at every node when layers keep only some of theirs.
  ///
  /// - Parameter kept: rising present numbers by the name of the layer that makes them; others keep all.
  /// - Returns: for each node, and last for the model's input.
  /// - Throws: `ModelError` for a layer that is not there, makes no channels of its own or would be left with none.
  public func channels(keeping kept: [String: [Int]]) throws -> [[Int]] {
    for (name, list) in kept.sorted(by: { $0.key < $1.key }) {
      guard let node = node(name) else { throw ModelError("no layer is called \(name)") }
      guard !list.isEmpty else { throw ModelError("layer \(name) would be left without channels") }
      let rises = zip(list, list.dropFirst()).allSatisfy { $0 < $1 }
      guard rises, list[0] >= 0, list[list.count - 1] < node.shape.channels else {
        throw ModelError(
          "layer \(name) has channels 0 to \(node.shape.channels - 1); \(list) are not rising numbers of those")
      }
      guard !node.layer.weights.isEmpty else { throw ModelError("layer \(name) makes no channels of its own") }
    }
    var result: [[Int]] = []
    let all = Array(0..<inputShape.channels)
    for node in nodes {
      let inputs = node.inputs.map { $0 < 0 ? all : result[$0] }
      guard inputs.allSatisfy({ !$0.isEmpty }) else {
        throw ModelError("layer \(node.name) would be left without inputs")
      }
      if let passed = node.layer.channels(keeping: inputs) {
        guard kept[node.name].map({ $0 == passed }) ?? true else {
          throw ModelError("the channels of layer \(node.name) are those of its input, and go with them")
        }
        result.append(passed)
      } else {
        result.append(kept[node.name] ?? Array(0..<node.shape.channels))
      }
    }
    return result + [all]
  }

  /// Removes every channel but those given: parameters, running statistics, arrays and what reads the channels shrink.
  /// Workspaces planned before are out of date; an optimizer follows with `Optimizer.select`.
  ///
  /// - Parameter kept: as for `channels(keeping:)`.
  /// - Returns: what moved where.
  /// - Throws: as `channels(keeping:)`, and what layers and arrays throw that cannot lose channels; nothing has changed
  ///   when the choice itself is not possible.
  @discardableResult
  public func select(_ kept: [String: [Int]]) throws -> ChannelMoves {
    let left = try channels(keeping: kept)
    func inputs(_ node: Node) -> [[Int]] { node.inputs.map { left[$0 < 0 ? nodes.count : $0] } }
    // Everything that could be refused comes before the first change.
    var moves = ChannelMoves()
    for (i, node) in nodes.enumerated() {
      for p in node.layer.parameters {
        moves.blocks.append(
          .init(from: p.offset, length: 1, rows: left[i], runs: [0..<1], source: ("\(node.name).\(p.name)", 0)))
      }
      for w in node.layer.weights {
        let rows = w.outputs / w.arrays.count
        for part in try w.parts(outputs: left[i], inputs: inputs(node)[0]) {
          moves.blocks.append(
            .init(
              from: w.offset + part.group * rows * w.inputs, length: w.inputs, rows: part.rows,
              runs: runs(part.columns), source: ("\(node.name).\(w.name)", part.group * rows)))
        }
      }
    }
    let changes = nodes.indices.filter { i in
      left[i].count != nodes[i].shape.channels
        || zip(inputs(nodes[i]), nodes[i].inputShapes).contains { $0.count != $1.channels }
    }
    var layers: [ModelStructure.Layer] = []
    for (i, node) in nodes.enumerated() where !node.layer.weights.isEmpty {
      let earlier = structure[node.name]
      let channels = earlier?.channels ?? node.shape.channels
      guard left[i].count < channels else { continue }
      layers.append(.init(name: node.name, channels: channels, kept: left[i].map { earlier?.kept[$0] ?? $0 }))
    }
    for i in changes { try nodes[i].layer.select(outputs: left[i], inputs: inputs(nodes[i])) }
    structure = ModelStructure(layers)
    try wire()
    var next = 0
    for node in nodes {
      for p in node.layer.parameters {
        moves.blocks[next].to = p.offset
        next += 1
      }
      for w in node.layer.weights {
        for g in w.arrays.indices {
          moves.blocks[next].to = w.offset + g * (w.outputs / w.arrays.count) * w.inputs
          next += 1
        }
      }
    }
    return moves
  }

  /// Shrinks a model as it was built, or one that has lost fewer channels, to a structure.
  /// - Throws: `ModelError` when it is the structure of another network.
  public func select(_ wanted: ModelStructure) throws {
    var kept: [String: [Int]] = [:]
    for layer in wanted.layers {
      guard let node = node(layer.name), !node.layer.weights.isEmpty else {
        throw ModelError("the structure names a layer \(layer.name) that the network does not have")
      }
      let present = structure[layer.name]?.kept ?? Array(0..<node.shape.channels)
      let built = structure[layer.name]?.channels ?? node.shape.channels
      guard built == layer.channels else {
        throw ModelError(
          "layer \(layer.name): the structure is that of a layer of \(layer.channels) channels, this one was built with \(built)"
        )
      }
      // Those of depthwise convolutions follow from their inputs.
      if node.layer.channels(keeping: node.inputShapes.map { Array(0..<$0.channels) }) != nil { continue }
      let place = Dictionary(uniqueKeysWithValues: present.enumerated().map { ($1, $0) })
      kept[layer.name] = try layer.kept.map {
        guard let p = place[$0] else {
          throw ModelError("layer \(layer.name): channel \($0) of the structure is gone, or never was")
        }
        return p
      }
    }
    for layer in structure.layers where wanted[layer.name] == nil {
      throw ModelError("layer \(layer.name): all its channels are in the structure, and some are gone")
    }
    guard wanted != structure else { return }
    try select(kept)
    guard structure == wanted else { throw ModelError("the structure is not one that this network can take") }
  }

  /// What silencing a channel sets to zero.
  public enum Mask: String, CaseIterable, Sendable {
    /// Filter, bias, its batch-norm entries and the slices that read it: the channel is exactly zero, and what looks at
    /// weights finds what it would were the channel removed.
    case complete
    /// Filters and the slices that read them alone, as in the original program of arXiv 2002.09958: batch-norm's shift
    /// lives on, and a sum still gets it.
    case weightsOnly
  }

  /// Sets every channel but those given to zero, shapes as they are; again after each update, or they come back.
  ///
  /// - Parameter kept: as for `channels(keeping:)`.
  /// - Throws: `ModelError` as `channels(keeping:)`, and for arrays that are not digital memory.
  public func silence(allBut kept: [String: [Int]], _ mask: Mask = .complete) throws {
    let left = try channels(keeping: kept)
    for (i, node) in nodes.enumerated() {
      let isLeft = flags(left[i], node.shape.channels)
      if isLeft.contains(false), mask == .complete {
        for p in node.layer.parameters { for c in 0..<p.count where !isLeft[c] { p.values[c] = 0 } }
      }
      for w in node.layer.weights {
        let source = node.inputs[0]
        let inputs = flags(left[source < 0 ? nodes.count : source], node.inputShapes[0].channels)
        guard isLeft.contains(false) || inputs.contains(false) else { continue }
        try w.silence(outputs: isLeft, inputs: inputs, layer: node.name)
      }
    }
  }

  private func flags(_ kept: [Int], _ count: Int) -> [Bool] {
    var flags = [Bool](repeating: false, count: count)
    for k in kept { flags[k] = true }
    return flags
  }
}

extension Weights {
  /// - Parameter inputs: channels (of a linear layer: inputs) whose slices stay.
  fileprivate func silence(outputs kept: [Bool], inputs: [Bool], layer: String) throws {
    let rows = outputs / arrays.count
    let n = self.inputs
    for (g, array) in arrays.enumerated() {
      guard let w = array.plainWeights else {
        throw ModelError(
          "channels of layer \(layer) cannot be silenced: its array is no digital memory, and holds no exact zeros")
      }
      for r in 0..<rows where !kept[g * rows + r] { (w + r * n).update(repeating: 0, count: n) }
      let size = inputs.count / arrays.count
      let gone = columns(ofChannels: (0..<size).filter { !inputs[g * size + $0] })
      for r in 0..<rows { for c in gone { w[r * n + c] = 0 } }
    }
  }
}

extension Optimizer {
  /// Follows a model that lost channels: the state of what is left stays.
  public func select(_ moves: ChannelMoves) {
    let count = model.gradientCount
    adopt(first: first.map { moves.moved($0, count: count) }, second: second.map { moves.moved($0, count: count) })
  }
}
