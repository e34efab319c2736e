import Configuration
import Crossbars
import LinearAlgebra
import NeuralNetworks

/// Measures what the crossbars of some models do between `begin` and `end`, and says what that took.
struct CostMeter {
  private let parts: [RunModel]
  private let arrays: [any WeightArray]
  private var started: [Activity] = []
  /// Of each array.
  private var spent: [Activity]

  /// Of the arrays that the models have now.
  init(_ parts: [RunModel]) {
    self.parts = parts
    arrays = parts.flatMap { $0.model?.weights.flatMap(\.weights.arrays) ?? [] }
    spent = arrays.map { _ in Activity() }
  }

  mutating func begin() { started = arrays.map(\.activity) }

  mutating func end() {
    for i in arrays.indices { spent[i] += arrays[i].activity - started[i] }
  }

  /// Takes everything since the arrays were made, their programming included.
  mutating func takeAll() { spent = arrays.map(\.activity) }

  /// For a checkpoint.
  var state: [NamedTensor] { spent.enumerated().map { ("\($0)", $1.tensor) } }

  /// - Throws: `RunError` when the state is another model's.
  mutating func restore(_ state: [NamedTensor]) throws {
    guard state.count == spent.count else { throw RunError("the checkpoint's activity is another model's") }
    for (name, tensor) in state {
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
    return result.layers.isEmpty ? nil : result
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
    for i in layers.indices {
      let more = other.layers[i].expense
      for k in more.energies.indices { layers[i].expense.energies[k] += more.energies[k] }
      layers[i].expense.time += more.time
    }
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
