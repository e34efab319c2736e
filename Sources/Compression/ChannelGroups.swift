import LinearAlgebra
import NeuralNetworks

/// What becomes of a residual sum when channels go.
public enum ResidualPolicy: String, CaseIterable, Sendable {
  /// Channels of a branch go by themselves: what is left is added into a subset of the shortcut's channels, which all
  /// stay. Of a sum's inputs the first is the branch. The counts of arXiv 2002.09958.
  case scatter
  /// The channels that are added to each other go together, shortcut and all.
  case group
}

/// Which channels of a network can be pruned, and which only together.
public struct ChannelGroups {
  /// A channel of a layer: its place in `layers`, and its number there.
  public struct Member: Hashable, Sendable {
    public let layer: Int
    public let channel: Int
  }

  /// Why a choice of layers cannot be pruned.
  public struct Refusal: Error, Equatable, CustomStringConvertible {
    /// Which of the two lists is at fault.
    public enum Cause: Sendable { case wanted, protected }
    public let cause: Cause
    public let description: String
  }

  /// The layers whose channels can go, in the order they run.
  public let layers: [PrunableLayer]
  /// Channels that go together, each channel in exactly one unit, in rising order of their first members.
  public let units: [[Member]]
  /// Layers that are coupled, as places in `layers`; each layer is in exactly one.
  public let coupled: [[Int]]

  /// - Parameters:
  ///   - wanted: globs of the layers to prune; nil: every convolution but the network's first.
  ///   - protected: globs of layers that keep all their channels.
  /// - Throws: `Refusal` for a glob that names no such layer, a protected layer or a part of a coupled group, and when
  ///   nothing is left to prune.
  public init(
    _ model: Model, residual: ResidualPolicy = .scatter, layers wanted: [String]? = nil, protected: [String] = []
  ) throws {
    let graph = ChannelGraph(model, residual)
    let names = graph.sources.map { model.nodes[$0].name }
    func matches(_ globs: [String], _ cause: Refusal.Cause) throws -> [Bool] {
      for glob in globs where !names.contains(where: { globMatches(glob, $0) }) {
        throw Refusal(
          cause: cause,
          description: "\"\(glob)\" names no layer that makes channels; there are \(names.joined(separator: ", "))")
      }
      return names.map { name in globs.contains { globMatches($0, name) } }
    }
    let isProtected = try matches(protected, .protected)
    let first = graph.sources.firstIndex { model.nodes[$0].layer is Conv2D }
    var isChosen: [Bool]
    if let wanted {
      isChosen = try matches(wanted, .wanted)
    } else {
      isChosen = graph.sources.indices.map { model.nodes[graph.sources[$0]].layer is Conv2D && $0 != first }
    }
    /// Why a layer's channels must all stay.
    func reason(_ s: Int) -> String? {
      if graph.isOutput[s] { return "its outputs are the network's" }
      if graph.isShortcut[s] {
        return "its channels are those of a shortcut, which the residual policy \"scatter\" keeps"
      }
      return isProtected[s] ? "\"protect\" keeps it" : nil
    }
    // A pattern may cover more than can be pruned; one that covers nothing else is a mistake.
    for glob in wanted ?? [] {
      let meant = names.indices.filter { globMatches(glob, names[$0]) }
      if let s = meant.first, let why = reason(s), meant.allSatisfy({ reason($0) != nil }) {
        throw Refusal(
          cause: .wanted, description: "\"\(glob)\" asks to prune layer \(names[s]), which is protected: \(why)")
      }
    }
    // What is coupled with the outputs stays with them, and by default with the first layer.
    for group in graph.layerGroups
    where group.contains(where: { graph.isOutput[$0] || (wanted == nil && !isChosen[$0]) }) {
      for s in group { isChosen[s] = false }
    }
    for s in isChosen.indices where reason(s) != nil { isChosen[s] = false }
    for group in graph.layerGroups where group.count > 1 {
      if let inside = group.first(where: { isChosen[$0] }), let outside = group.first(where: { !isChosen[$0] }) {
        throw Refusal(
          cause: wanted == nil ? .protected : .wanted,
          description:
            "layer \(names[inside]) is to be pruned and layer \(names[outside]) is not, but their channels go together: "
            + "name all of \(group.map { names[$0] }.joined(separator: ", ")), or none")
      }
    }
    let chosen = isChosen.indices.filter { isChosen[$0] }
    guard !chosen.isEmpty else {
      let others = names.indices.filter { reason($0) == nil && $0 != first }.map { names[$0] }
      if wanted == nil && !others.isEmpty {
        throw Refusal(
          cause: .wanted,
          description:
            "there is no layer to prune: without a list every convolution but the first is, and there is none; "
            + "name layers, such as \(others.joined(separator: ", "))")
      }
      throw Refusal(
        cause: protected.isEmpty ? .wanted : .protected,
        description: protected.isEmpty
          ? "there is no layer to prune: the outputs' and the shortcuts' are protected"
          : "there is no layer to prune: \(protected.map { "\"\($0)\"" }.joined(separator: ", ")) protects all that could be"
      )
    }
    let place = Dictionary(uniqueKeysWithValues: chosen.enumerated().map { ($1, $0) })
    self.layers = chosen.map { graph.prunable(graph.sources[$0]) }
    units = graph.units.compactMap { unit in
      let members = unit.compactMap { m in place[m.layer].map { Member(layer: $0, channel: m.channel) } }
      return members.isEmpty ? nil : members
    }
    coupled = graph.layerGroups.map { $0.compactMap { place[$0] } }.filter { !$0.isEmpty }
  }

  /// Channels of all layers together.
  public var channels: Int { layers.reduce(0) { $0 + $1.channels } }
}

/// Which layer's channels arrive where in a network.
private struct ChannelGraph {
  typealias Member = ChannelGroups.Member
  let model: Model
  /// Nodes that make channels of their own.
  private(set) var sources: [Int] = []
  /// By source: its channels are the network's outputs, or those of a shortcut that must stay whole.
  private(set) var isOutput: [Bool] = []
  private(set) var isShortcut: [Bool] = []
  /// Channels that go together.
  private(set) var units: [[Member]] = []
  private(set) var layerGroups: [[Int]] = []

  init(_ model: Model, _ policy: ResidualPolicy) {
    self.model = model
    sources = model.nodes.indices.filter { i in
      let node = model.nodes[i]
      return !node.layer.weights.isEmpty
        && node.layer.channels(keeping: node.inputShapes.map { Array(0..<$0.channels) }) == nil
    }
    isOutput = sources.map { _ in false }
    isShortcut = isOutput
    var first: [Int] = []
    var count = 0
    for s in sources {
      first.append(count)
      count += model.nodes[s].shape.channels
    }
    var sets = DisjointSets(count: count)
    /// For each node, the channels of sources that each of its channels is made of.
    var origins: [[[Int]]] = []
    for (i, node) in model.nodes.enumerated() {
      let inputs = node.inputs.enumerated().map { t, source in
        source < 0 ? [[Int]](repeating: [], count: node.inputShapes[t].channels) : origins[source]
      }
      if let s = sources.firstIndex(of: i) {
        if let w = node.layer.weights.first, w.arrays.count > 1 {
          Self.coupleGroups(w.arrays.count, inputs[0], (0..<node.shape.channels).map { [first[s] + $0] }, &sets)
        }
        origins.append((0..<node.shape.channels).map { [first[s] + $0] })
        continue
      }
      origins.append(Self.pass(node, inputs, policy, &sets))
      guard policy == .scatter, node.layer is Add else { continue }
      for origin in inputs.dropFirst().joined().joined() { isShortcut[Self.source(of: origin, first)] = true }
    }
    for origin in origins[origins.count - 1].joined() { isOutput[Self.source(of: origin, first)] = true }
    units = sets.groups.map { group in
      group.map { e in
        let s = Self.source(of: e, first)
        return Member(layer: s, channel: e - first[s])
      }
    }
    var layers = DisjointSets(count: sources.count)
    for unit in units { for m in unit.dropFirst() { layers.join(unit[0].layer, m.layer) } }
    layerGroups = layers.groups
  }

  private static func source(of channel: Int, _ first: [Int]) -> Int {
    (first.firstIndex { $0 > channel } ?? first.count) - 1
  }

  /// The same place in each group of a convolution: groups stay equally large.
  private static func coupleGroups(_ groups: Int, _ inputs: [[Int]], _ outputs: [[Int]], _ sets: inout DisjointSets) {
    for list in [inputs, outputs] {
      let each = list.count / groups
      for c in 0..<each {
        let together = (0..<groups).flatMap { list[$0 * each + c] }
        for other in together.dropFirst() { sets.join(together[0], other) }
      }
    }
  }

  /// What a layer without channels of its own makes of its inputs', asked of it channel by channel.
  private static func pass(
    _ node: Node, _ inputs: [[[Int]]], _ policy: ResidualPolicy, _ sets: inout DisjointSets
  ) -> [[Int]] {
    // These pass every channel on as it is; asking them one by one would be most of the work.
    if node.layer is BatchNorm || node.layer is ReLU || node.layer is MaxPool { return inputs[0] }
    var result = [[Int]](repeating: [], count: node.shape.channels)
    for t in inputs.indices {
      if policy == .scatter, t == 0, inputs.count > 1, node.layer is Add { continue }
      for c in inputs[t].indices {
        let alone = inputs.indices.map { $0 == t ? [c] : [] }
        for to in node.layer.channels(keeping: alone) ?? [] {
          for origin in inputs[t][c] where !result[to].contains(origin) {
            if let other = result[to].first { sets.join(other, origin) }
            result[to].append(origin)
          }
        }
      }
    }
    return result
  }

  /// Follows batch-norm and ReLU behind a layer as long as nothing else reads it.
  func prunable(_ i: Int) -> PrunableLayer {
    var end = i
    var norm: Node?
    while model.nodes.count(where: { $0.inputs.contains(end) }) == 1,
      let next = model.nodes.firstIndex(where: { $0.inputs.contains(end) })
    {
      if model.nodes[next].layer is ReLU {
        return PrunableLayer(node: model.nodes[i], norm: norm, end: model.nodes[next], isRectified: true)
      }
      guard model.nodes[next].layer is BatchNorm, norm == nil else { break }
      norm = model.nodes[next]
      end = next
    }
    return PrunableLayer(node: model.nodes[i], norm: norm, end: model.nodes[end], isRectified: false)
  }
}

/// Union–find over small integers.
private struct DisjointSets {
  private var parent: [Int]
  init(count: Int) { parent = Array(0..<count) }

  private mutating func root(_ i: Int) -> Int {
    var r = i
    while parent[r] != r {
      parent[r] = parent[parent[r]]
      r = parent[r]
    }
    return r
  }

  mutating func join(_ a: Int, _ b: Int) {
    let (x, y) = (root(a), root(b))
    // The smaller number stays the root, so that groups come in the order of their first members.
    parent[max(x, y)] = min(x, y)
  }

  /// Every set, members rising, in the order of their first.
  var groups: [[Int]] {
    var sets = self
    var lists = [[Int]](repeating: [], count: parent.count)
    for i in parent.indices { lists[sets.root(i)].append(i) }
    return lists.filter { !$0.isEmpty }
  }
}
