import Configuration
import Crossbars
import NeuralNetworks

/// Resistive crossbars; the physics is `CrossbarArray`.
public struct CrossbarConfiguration: HardwareConfiguration {
  enum Mapping: String, CaseIterable, Sendable { case differential }

  public var seed: UInt64 = 1
  public var rows = 64
  public var columns = 64
  var mapping = Mapping.differential
  public var device = DeviceConfiguration()
  public var circuit = CircuitConfiguration()
  public var converters = ConvertersConfiguration()
  public var update = UpdateMode.outerProduct
  public var weightRange: Double?
  public var layers: [String: JSON] = [:]

  public init() {}
  public static let documentation = "Tiles of resistive devices: wires, converters, pulsed updates (RxNN, TxSim)."
  public static let fields: [Field<CrossbarConfiguration>] = [
    Field("seed", \.seed, .seed, "The chip: its device-to-device variation."),
    Field("rows", \.rows, .integer(1...4096), "Word lines of a tile: inputs."),
    Field("columns", \.columns, .integer(1...4096), "Bit lines of a tile: outputs."),
    Field("mapping", \.mapping, .choice, "How a signed weight is held: a pair of devices, centred, moved push-pull."),
    Field("device", \.device, .object(shorthand: "preset"), "The device at each cross point."),
    Field("circuit", \.circuit, .object(), "Wires, drivers and sense amplifiers."),
    Field("converters", \.converters, .object(), "Converters at the edges of each tile."),
    Field(
      "update", \.update, .choice,
      "How weights learn: outer-product updates in the array by pulses, or programmed digitally computed changes."),
    Field(
      "weightRange", \.weightRange,
      .either(
        .word("auto", nil),
        .form(.number(.above(0)), { Double?.some($0) }) { $0 }),
      "Largest weight that a pair of devices can hold; auto: 2.5 times the largest initial weight of the layer."),
    Field("layers", \.layers, .map(of: .patch(of: hardwareCodec)), "Overrides by the layer's name or glob."),
  ]

  public var updatesInArray: Bool { update == .outerProduct }

  /// - Parameter device: with what its files hold; nil takes the keys alone.
  public func parameters(device loaded: Device? = nil) -> CrossbarParameters {
    CrossbarParameters(
      rows: rows, columns: columns, device: loaded ?? device.device, method: circuit.method,
      refreshInterval: circuit.refreshInterval, circuit: circuit.parameters, converters: converters.converters,
      update: update, weightRange: weightRange, chipSeed: seed)
  }

  public func hardware(seed: UInt64, resolve: (String) -> String) throws -> any Hardware {
    CrossbarHardware(parameters(device: try device.loaded(resolve: resolve)), seed: seed)
  }

  public func checkInputs(outputs: Int, inputs: Int, resolve: (String) -> String) throws {
    let map = try device.loaded(resolve: resolve).faults.map
    do { _ = try map?.plane(0, outputs: outputs, inputs: inputs) } catch {
      throw InputProblem(key: "device.faults.map", description: "\(error)")
    }
  }
}
