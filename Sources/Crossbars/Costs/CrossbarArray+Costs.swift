import NeuralNetworks

/// An array on crossbars, whose activity can be priced.
public protocol PricedArray: WeightArray {
  /// What the array's costs depend on.
  var design: CrossbarDesign { get }
}

extension CrossbarArray: PricedArray {
  public var design: CrossbarDesign {
    let device = parameters.device
    var sum = 0.0
    for x in [xPlus, xMinus] { for i in 0..<x.count { sum += Double(x.base[i]) } }
    let devices = 2 * xPlus.count
    return CrossbarDesign(
      outputs: outputs, inputs: inputs, rows: parameters.rows, columns: parameters.columns,
      dacBits: parameters.converters.dacBits, adcBits: parameters.converters.adcBits, devices: devices,
      meanConductance: 1 / device.offResistance + device.conductanceRange * sum / Double(devices),
      readVoltage: parameters.converters.readVoltage)
  }
}
