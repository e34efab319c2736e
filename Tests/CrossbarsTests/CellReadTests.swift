import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// Arrays of cells with another law than Ohm's: forward reads are solved vector by vector.
struct CellReadTests {
  static func array(
    _ cell: CellLaw, mapping: Mapping = .differential, converters: Converters = Crossbar.noConverters,
    wires: CircuitParameters = Crossbar.wires, method: CircuitMethod = .exact
  ) throws -> CrossbarArray {
    var p = Crossbar.parameters(circuit: wires, converters: converters, method: method)
    p.mapping = mapping
    p.cell = cell
    return try Crossbar.array(p)
  }

  @Test(
    "partial sums are the currents of every tile's circuit",
    arguments: [CellLaw.sinh(voltage: 0.25), .transistor(.init()), .selector(.init(current: 1e-9, voltage: 0.05))],
    Mapping.allCases)
  func sums(cell: CellLaw, mapping: Mapping) throws {
    let array = try Self.array(cell, mapping: mapping)
    let p = array.parameters
    let circuit = try CrossbarCircuit(p.circuit, cell: cell)
    let x = Crossbar.gaussians(2 * Crossbar.inputs, seed: 2)
    let unit = Double(array.gain(array.slices[0])) / (p.converters.readVoltage * p.device.conductanceRange)
    var expected = [Double](repeating: 0, count: 2 * Crossbar.outputs)
    for r in 0..<2 {
      let row = x[r * Crossbar.inputs..<(r + 1) * Crossbar.inputs].map { Double($0) }
      let scale = row.map(\.magnitude).max()!
      for tile in 0..<array.grid.count {
        let (o, i) = array.grid.tile(tile)
        for plane in array.slices[0].planes.indices {
          let g = array.conductances(slice: 0, plane: plane, tile: tile)
          let voltages = Matrix(
            rows: 1, columns: i.count, values: i.map { p.converters.readVoltage * row[$0] / scale })
          let currents = try circuit.readCurrents(g, voltages: voltages)
          for (c, output) in o.enumerated() {
            let dummy = mapping == .dummy ? currents[0, o.count] : 0
            expected[r * Crossbar.outputs + output] +=
              (plane == 0 ? 1 : -1) * unit * scale * (currents[0, c] - dummy)
          }
        }
      }
      let all = row.reduce(0, +) * Double(array.offsetConstant)
      for o in 0..<Crossbar.outputs { expected[r * Crossbar.outputs + o] -= all }
    }
    #expect(difference(array.read(x), expected) < 2e-4)
    #expect(array.takeReadFailure() == nil)
  }

  @Test("cells that are nearly linear read as the effective matrix does; gradients are the linear array's")
  func nearlyLinear() throws {
    let x = Crossbar.gaussians(3 * Crossbar.inputs, seed: 2)
    let dy = Crossbar.gaussians(3 * Crossbar.outputs, seed: 3)
    for converters in [Crossbar.noConverters, Converters(streamBits: 2)] {
      let linear = try Self.array(.linear, converters: converters)
      let sinh = try Self.array(.sinh(voltage: 100), converters: converters)
      let strong = try Self.array(.sinh(voltage: 0.1), converters: converters)
      for array in [linear, sinh, strong] {
        for direction in ReadDirection.allCases where array.needsCalibration(training: true) {
          _ = array.read(direction == .forward ? x : dy, direction, calibrating: true)
        }
      }
      let bound = converters.adcBits == 0 ? 2e-5 : 0.03
      #expect(difference(sinh.read(x), linear.read(x)) < bound)
      #expect(difference(strong.read(x), linear.read(x)) > 0.05)
      #expect(sinh.read(dy, .backward) == linear.read(dy, .backward))
    }
  }

  @Test("a sum depends on its own vector alone, not on the block it is read in")
  func blocks() throws {
    let array = try Self.array(.sinh(voltage: 0.2))
    let x = Crossbar.gaussians(5 * Crossbar.inputs, seed: 2)
    let together = array.read(x)
    for r in 0..<5 {
      let alone = array.read(Array(x[r * Crossbar.inputs..<(r + 1) * Crossbar.inputs]))
      #expect(alone == Array(together[r * Crossbar.outputs..<(r + 1) * Crossbar.outputs]))
    }
  }

  @Test("without wires every cell has its full voltage")
  func idealLines() throws {
    let array = try Self.array(.sinh(voltage: 0.25), wires: Crossbar.wires, method: .ideal)
    var x = [Float](repeating: 0, count: Crossbar.inputs)
    x[3] = 2
    let y = array.read(x)
    for o in 0..<Crossbar.outputs {
      let w = array.weights.values[o * Crossbar.inputs + 3]
      #expect(abs(y[o] - 2 * w * 1.1752) < 2e-4)
    }
  }

  @Test("what does not settle is said, and is no number")
  func failure() throws {
    let array = try Self.array(.sinh(voltage: 1e-4), wires: CircuitParameters(wireResistance: 0, driverResistance: 1))
    let y = array.read(Crossbar.gaussians(Crossbar.inputs, seed: 2))
    #expect(y.contains { $0.isNaN })
    let failure = try #require(array.takeReadFailure())
    #expect("\(failure)".contains("a read of tile"), "\(failure)")
    #expect(array.takeReadFailure() == nil)
  }
}
