import LinearAlgebra
import NeuralNetworks

/// One model of a run.
final class RunModel {
  let name: String
  let configuration: ModelConfiguration
  /// nil for an ensemble.
  var model: Model?
  var members: [RunModel] = []
  /// What its weights are on now.
  private(set) var hardware: any HardwareConfiguration = DigitalConfiguration()
  /// The weights that its arrays were given, by layer, and the number of updates the model had then: devices hold them
  /// as well as they can.
  private var given: (weights: [NamedTensor], updates: Int)?
  var history = ModelHistory()

  init(_ name: String, _ configuration: ModelConfiguration) {
    self.name = name
    self.configuration = configuration
  }

  /// Moves the weights onto hardware. - Parameter seed: of the run.
  func place(
    on hardware: any HardwareConfiguration, seed: UInt64, resolve: (String) -> String, pool: ThreadPool
  ) throws {
    guard let model else { return }
    self.hardware = hardware
    given =
      hardware.hasDevices
      ? (
        model.weights.flatMap { node, weights -> [NamedTensor] in
          [("given/\(node.name).\(weights.name)", weights.matrix)]
            + (weights.bias.map { [("given/\(node.name).\($0.name)", $0.tensor)] } ?? [])
        }, model.updates
      ) : nil
    try model.place(pool: pool) {
      try hardware.configuration(forLayer: $0).hardware(seed: seed, resolve: resolve)
    }
  }

  /// The weights that were given to the model's arrays, for a checkpoint; none when it has learnt since.
  var givenWeights: [NamedTensor] {
    get { given.flatMap { $0.updates == model?.updates ? $0.weights : nil } ?? [] }
    set { given = newValue.isEmpty ? nil : (newValue, model?.updates ?? 0) }
  }

  /// Follows the model, which lost channels.
  func follow(_ moves: ChannelMoves?) {
    guard let moves, let (weights, updates) = given, updates == model?.updates else { return }
    given = (weights.map { ($0.name, moves.select($0.tensor, of: String($0.name.dropFirst("given/".count)))) }, updates)
  }

  /// What to write to another chip: the weights that this one was given or, if it has learnt since, those it holds.
  func intendedWeights(_ layer: String, _ weights: Weights) -> Tensor {
    let found = givenWeights.first { $0.name == "given/\(layer).\(weights.name)" }?.tensor
    return found.flatMap { $0.shape == [weights.outputs, weights.inputs] ? $0 : nil } ?? weights.matrix
  }

  /// The same for a layer's bias, where arrays hold it.
  func intendedBias(_ layer: String, _ weights: Weights) -> Tensor? {
    guard let bias = weights.bias else { return nil }
    let found = givenWeights.first { $0.name == "given/\(layer).\(bias.name)" }?.tensor
    return weights.holdsBias ? found.flatMap { $0.count == bias.count ? $0 : nil } ?? bias.tensor : bias.tensor
  }

  /// The models whose networks are run: itself, or an ensemble's members.
  var parts: [RunModel] { model == nil ? members.flatMap(\.parts) : [self] }
  var networks: [Model] { parts.compactMap(\.model) }
}
