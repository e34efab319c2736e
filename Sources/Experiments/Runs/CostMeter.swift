import Configuration
import Crossbars
import LinearAlgebra
import NeuralNetworks

/// Measures what the crossbars of some models do between `begin` and `end`, and says what that took.
struct CostMeter {
  private let parts: [RunModel]
  private var arrays: [any WeightArray]
  private var started: [Activity] = []
  /// Of each array.
  private var spent: [Activity]
  /// What the layers took before their arrays last changed; empty when they never did.
  private var earlier: [CrossbarExpense] = []

  /// Of the arrays that the models have now.
  init(_ parts: [RunModel]) {
    self.parts = parts
    arrays = Self.arrays(of: parts)
    spent = arrays.map { _ in Activity() }
  }

  private static func arrays(of parts: [RunModel]) -> [any WeightArray] {
    parts.flatMap { $0.model?.weights.flatMap(\.weights.arrays) ?? [] }
  }

  /// Goes on across a change of the arrays: what was done before is priced for the arrays that did it.
  /// - Throws: what `change` and `costs` throw.
  mutating func across(_ change: () throws -> Void) throws {
    let before = try costs()?.layers.map(\.expense) ?? []
    try change()
    earlier = before
    arrays = Self.arrays(of: parts)
    spent = arrays.map { _ in Activity() }
  }

  mutating func begin() { started = arrays.map(\.activity) }

  mutating func end() {
    for i in arrays.indices { spent[i] += arrays[i].activity - started[i] }
  }

  /// Takes everything since the arrays were made, their programming included.
  mutating func takeAll() { spent = arrays.map(\.activity) }

  /// For a checkpoint.
  var state: [NamedTensor] {
    spent.enumerated().map { ("\($0)", $1.tensor) }
      + earlier.enumerated().map { ("earlier\($0)", Self.exact($1.energies + [$1.time])) }
  }

  /// Every digit of some Float64, each in three Float32 parts.
  private static func exact(_ values: [Double]) -> Tensor {
    var parts: [Float] = []
    for value in values {
      var rest = value
      for _ in 0..<3 {
        parts.append(Float(rest))
        rest -= Double(Float(rest))
      }
    }
    return Tensor(shape: [values.count, 3], values: parts)
  }

  /// - Throws: `RunError` when the state is another model's.
  mutating func restore(_ state: [NamedTensor]) throws {
    let past = state.filter { $0.name.hasPrefix("earlier") }
    guard state.count - past.count == spent.count else {
      throw RunError("the checkpoint's activity is another model's")
    }
    earlier = try past.map { name, tensor in
      var expense = CrossbarExpense()
      guard tensor.count == 3 * (expense.energies.count + 1) else {
        throw RunError("the checkpoint's \(name) is not a layer's expense")
      }
      let parts = tensor.values
      let values = (0..<tensor.count / 3).map { i in parts[3 * i..<3 * i + 3].reduce(0.0) { $0 + Double($1) } }
      expense.energies = Array(values.dropLast())
      expense.time = values[values.count - 1]
      return expense
    }
    for (name, tensor) in state where !name.hasPrefix("earlier") {
      guard let i = Int(name), spent.indices.contains(i) else {
        throw RunError("the checkpoint's activity of an array \(name) is another model's")
      }
      spent[i] = try Activity(tensor)
    }
  }

  /// What the layers took; nil when none is on a crossbar.
  /// - Throws: `Diagnostics` of a layer's hardware that is not consistent (which was refused before the run).
  func costs() throws -> CrossbarExpenses? {
    var result = CrossbarExpenses()
    var next = 0
    for part in parts {
      for (node, weights) in part.model?.weights ?? [] {
        let first = next
        next += weights.arrays.count
        guard let crossbar = try part.hardware.configuration(forLayer: node.name) as? CrossbarConfiguration else {
          continue
        }
        var layer = CrossbarExpense()
        for i in first..<next {
          guard let array = arrays[i] as? any PricedArray else { continue }
          // The groups of a convolution work side by side.
          layer.add(beside: crossbar.costs.costs.expense(array.design, spent[i]))
        }
        result.layers.append((parts.count > 1 ? "\(part.name).\(node.name)" : node.name, layer))
      }
    }
    if earlier.count == result.layers.count {
      for i in earlier.indices { result.layers[i].expense.add(earlier: earlier[i]) }
    }
    return result.layers.isEmpty ? nil : result
  }
}

extension CrossbarExpense {
  /// Adds what the same place took at another time: energy and time, not area.
  fileprivate mutating func add(earlier other: CrossbarExpense) {
    for k in other.energies.indices { energies[k] += other.energies[k] }
    time += other.time
  }
}

/// What the layers of a model on crossbars took.
struct CrossbarExpenses {
  var layers: [(name: String, expense: CrossbarExpense)] = []

  var total: CrossbarExpense {
    var total = CrossbarExpense()
    for layer in layers { total.add(after: layer.expense) }
    return total
  }

  /// Adds what the same layers took on another chip, or at another time.
  mutating func again(_ other: CrossbarExpenses) {
    for i in layers.indices { layers[i].expense.add(earlier: other.layers[i].expense) }
  }

  /// Metrics, and a table by layer. - Parameter samples: that passed in all.
  func report(samples: Int, into result: inout StageResult) {
    let total = total
    let n = Double(max(1, samples))
    result.metrics += [
      ("energy", total.energy), ("energyPerSample", total.energy / n), ("latency", total.time / n),
      ("area", total.area * 1e6), ("tiles", Double(total.tiles)), ("devices", Double(total.devices)),
    ]
    func row(_ name: String, _ e: CrossbarExpense) -> [JSON] {
      [.string(name)] + e.energies.map { .number($0 / n) }
        + [
          .number(e.energy / n), .number(e.time / n), .number(e.area * 1e6), .integer(e.tiles), .integer(e.devices),
        ]
    }
    result.tables.append(
      (
        "costs",
        ["layer"] + CrossbarExpense.components.map { "\($0) (J/sample)" }
          + ["energy (J/sample)", "latency (s/sample)", "area (mm²)", "tiles", "devices"],
        layers.map { row($0.name, $0.expense) } + [row("total", total)]
      ))
  }
}
