import Crossbars
import LinearAlgebra

/// What a physicist wants to see of one array, of the circuit stage or a tile of a network.
enum ArrayMaps {
  /// Names of the maps of an array: with the vector's for a vector, with the matrix' for linear cells.
  static func names(isLinear: Bool, hasVector: Bool) -> [String] {
    ["conductance", "ir-drop"] + (isLinear ? ["effective-matrix"] : []) + (hasVector ? ["cell-voltage"] : [])
  }

  /// - Parameters:
  ///   - conductance: G [rows, columns], in siemens.
  ///   - circuit: of the array.
  ///   - effective: its effective matrix, inputs × outputs, where there is one; found if it is not given.
  ///   - voltages: of one vector; without it there is no map of cell voltages, and none of the drop at non-linear cells.
  ///   - prefix: put before the name of each map.
  ///   - title: of the array; put before the title of each map.
  /// - Throws: `CircuitError` if the circuit cannot be solved.
  static func maps(
    _ conductance: Matrix, _ circuit: CrossbarCircuit, _ direction: ReadDirection = .forward, effective: Matrix? = nil,
    voltages: [Double]? = nil, prefix: String = "", title: String
  ) throws -> [HeatMap] {
    let isForward = direction == .forward
    func map(_ name: String, _ what: String, _ quantity: String, _ unit: String, _ values: Matrix) -> HeatMap {
      HeatMap(
        name: prefix + name, title: "\(title): \(what)", quantity: quantity, unit: unit,
        values: values)
    }
    var maps = [map("conductance", "conductance", "conductance", "S", conductance)]
    let point = try voltages.map { try circuit.operatingPoint(conductance, voltages: $0, direction) }
    var drop = conductance
    if circuit.cell == .linear {
      let effective = try effective ?? circuit.effectiveMatrix(conductance, direction)
      let turned = isForward ? effective : effective.transposed
      for k in drop.values.indices {
        drop.values[k] = conductance.values[k] > 0 ? 1 - turned.values[k] / conductance.values[k] : .nan
      }
      maps.append(map("ir-drop", "IR drop, 1 − G_eff/G", "relative loss", "", drop))
      maps.append(map("effective-matrix", "effective matrix", "effective conductance", "S", turned))
    } else if let point, let voltages {
      for i in 0..<drop.rows {
        for j in 0..<drop.columns {
          let full = circuit.cell.evaluate(conductance: conductance[i, j], voltage: voltages[isForward ? i : j]).current
          drop[i, j] = full == 0 ? .nan : 1 - point.cellCurrents[i, j] / full
        }
      }
      maps.append(map("ir-drop", "IR drop, 1 − I/I(V)", "relative loss of current", "", drop))
    }
    if let point { maps.append(map("cell-voltage", "cell voltage", "voltage", "V", point.cellVoltages)) }
    return maps
  }
}
