import NeuralNetworks

/// An array on crossbars, whose activity can be priced.
public protocol PricedArray: WeightArray {
  /// What the array's costs depend on.
  var design: CrossbarDesign { get }
}

extension CrossbarArray: PricedArray {
  public var design: CrossbarDesign {
    let device = parameters.device
    let converters = parameters.converters
    var sum = 0.0
    for slice in slices {
      for plane in slice.planes {
        let x = plane.x.base
        for i in 0..<count { sum += Double(x[i]) }
      }
    }
    let streams = converters.streams
    var design = CrossbarDesign(
      outputs: outputs, inputs: inputs, rows: parameters.rows, columns: parameters.columns,
      // A driver of streams converts a stream's bits and their sign.
      dacBits: streams > 1 ? converters.streamBits + 1 : converters.dacBits, adcBits: converters.adcBits,
      devices: devices,
      meanConductance: 1 / device.offResistance + device.conductanceRange * sum / Double(planes * count),
      readVoltage: converters.readVoltage)
    design.slices = slices.count
    design.streams = streams
    return design
  }
}
