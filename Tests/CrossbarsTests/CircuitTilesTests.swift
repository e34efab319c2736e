import LinearAlgebra
import Testing

@testable import Crossbars

/// Workspaces, tiles and threads leave no trace in a result; what cannot be solved is refused in a sentence.
struct CircuitTilesTests {
  static let circuit = try! CrossbarCircuit(
    CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 40))

  @Test("a result does not depend on what the workspace did before")
  func workspaceReuse() throws {
    let workspace = CircuitWorkspace(rows: 4, columns: 4)
    let shapes = [(33, 20), (1, 1), (64, 64), (20, 33), (7, 50)]
    let arrays = shapes.map { Matrix.uniform($0.0, $0.1, 1e-6, 1e-4, seed: 21) }
    let ideal = try CrossbarCircuit(CircuitParameters(wireResistance: 0, driverResistance: 10, senseResistance: 10))
    for g in arrays + arrays.reversed() {
      for circuit in [Self.circuit, ideal] {
        for direction in ReadDirection.allCases {
          #expect(
            try circuit.effectiveMatrix(g, direction, workspace: workspace) == circuit.effectiveMatrix(g, direction))
        }
      }
    }
  }

  @Test("many arrays give the same bits in any order on any number of threads", arguments: [1, 2, 5])
  func threads(count: Int) throws {
    let arrays = (0..<23).map { Matrix.uniform(8 + 5 * ($0 % 4), 30 - $0, 1e-6, 1e-4, seed: UInt64($0)) }
    let expected = try arrays.map { try Self.circuit.effectiveMatrix($0) }
    let pool = ThreadPool(threads: count)
    #expect(try Self.circuit.effectiveMatrices(arrays, pool: pool) == expected)
    #expect(try Self.circuit.effectiveMatrices(arrays.reversed(), pool: pool) == expected.reversed())
    #expect(try Self.circuit.effectiveMatrices([], pool: pool).isEmpty)
  }

  @Test("tiles of a Float32 array are the rounded matrices of their cells", arguments: ReadDirection.allCases)
  func floatTiles(direction: ReadDirection) throws {
    let (rows, columns, edge) = (50, 70, 32)
    let values = Matrix.uniform(rows, columns, 1e-6, 1e-4, seed: 22).values.map { Float($0) }
    let pool = ThreadPool(threads: 2)
    let workspaces = (0..<2).map { _ in CircuitWorkspace(rows: edge, columns: edge) }
    var result = [Float](repeating: -1, count: rows * columns)
    let stride = direction == .forward ? columns : rows
    try values.withUnsafeBufferPointer { source in
      try result.withUnsafeMutableBufferPointer { target in
        var tiles: [CircuitTile] = []
        for i in Swift.stride(from: 0, to: rows, by: edge) {
          for j in Swift.stride(from: 0, to: columns, by: edge) {
            tiles.append(
              CircuitTile(
                source: source.baseAddress! + i * columns + j, sourceStride: columns, rows: min(edge, rows - i),
                columns: min(edge, columns - j),
                target: target.baseAddress! + (direction == .forward ? i * stride + j : j * stride + i),
                targetStride: stride))
          }
        }
        try Self.circuit.refresh(tiles, direction, pool: pool, workspaces: workspaces)
      }
    }
    for i in Swift.stride(from: 0, to: rows, by: edge) {
      for j in Swift.stride(from: 0, to: columns, by: edge) {
        var tile = Matrix(rows: min(edge, rows - i), columns: min(edge, columns - j))
        for p in 0..<tile.rows { for q in 0..<tile.columns { tile[p, q] = Double(values[(i + p) * columns + j + q]) } }
        let effective = try Self.circuit.effectiveMatrix(tile, direction)
        for p in 0..<tile.rows {
          for q in 0..<tile.columns {
            let found = direction == .forward ? result[(i + p) * stride + j + q] : result[(j + q) * stride + i + p]
            #expect(found == Float(direction == .forward ? effective[p, q] : effective[q, p]))
          }
        }
      }
    }
  }

  @Test("an array may be replaced by its effective matrix in place")
  func inPlace() throws {
    let g = Matrix.uniform(19, 25, 1e-6, 1e-4, seed: 23)
    var values = g.values
    try values.withUnsafeMutableBufferPointer {
      try Self.circuit.effectiveMatrix(
        of: UnsafePointer($0.baseAddress!), stride: 25, rows: 19, columns: 25, into: $0.baseAddress!, stride: 25,
        workspace: CircuitWorkspace(rows: 19, columns: 25))
    }
    #expect(try values == Self.circuit.effectiveMatrix(g).values)
  }

  @Test("an array without cells has an effective matrix without elements")
  func empty() throws {
    #expect(try Self.circuit.effectiveMatrix(Matrix(rows: 0, columns: 3), .backward) == Matrix(rows: 3, columns: 0))
    let currents = try Self.circuit.readCurrents(
      Matrix(rows: 0, columns: 3), voltages: Matrix(rows: 2, columns: 0))
    #expect(currents == Matrix(rows: 2, columns: 3))
  }

  static let badParameters: [(CircuitParameters, String)] = [
    (.init(wireResistance: -1), "wireResistance is -1.0"),
    (.init(wireResistance: 1e-200), "wireResistance is 1e-200"),
    (.init(wireResistance: 1, driverResistance: .nan), "driverResistance is nan"),
    (.init(wireResistance: 1, senseResistance: 1e200), "senseResistance is 1e+200"),
  ]

  @Test("resistances that mean nothing are refused", arguments: badParameters)
  func refusesParameters(parameters: CircuitParameters, beginning: String) {
    let sentence =
      beginning + " ohm; expected 0 (an ideal conductor), a number from 1e-150 to 1e+150, or infinity (a break)"
    #expect(throws: CircuitError(sentence)) { try CrossbarCircuit(parameters) }
  }

  /// No circuit with valid parameters has such a node; should arithmetic ever make one, the result says so.
  @Test("a node without any conductance gives NaN, not a number")
  func isolatedNode() throws {
    let front = CircuitFront(pivots: 2, inner: 0, leftTerminals: 1, bottomTerminals: 1, stride: 8)
    let workspace = CircuitWorkspace(rows: 1, columns: 1)
    workspace.reserveArena(32)
    workspace.arena.update(repeating: 0, count: 32)
    workspace.arena[2] = 1
    workspace.arena[3] = 1
    workspace.eliminate(front)
    #expect(workspace.arena[2 * 8 + 3].isNaN)
  }

  @Test(
    "cells that are negative, too large or not a number are refused by name",
    arguments: [-1e-6, -.infinity, .nan, 1e200])
  func refusesCells(value: Double) throws {
    var g = Matrix.uniform(9, 6, 1e-6, 1e-4, seed: 24)
    g[7, 2] = value
    let sentence =
      "cell (7, 2) has a conductance of \(value) S; expected a number from 0 to 1e+150, or infinity for a short"
    #expect(throws: CircuitError(sentence)) { try Self.circuit.effectiveMatrix(g) }
    #expect(throws: CircuitError("tile 1: " + sentence)) {
      let good = Matrix.uniform(9, 6, 1e-6, 1e-4, seed: 25)
      _ = try Self.circuit.effectiveMatrices([good, g, good, g], pool: ThreadPool(threads: 2))
    }
  }

  @Test("voltages that do not fit or are not finite are refused")
  func refusesVoltages() throws {
    let g = Matrix.uniform(9, 6, 1e-6, 1e-4, seed: 26)
    #expect(
      throws: CircuitError("the voltages have 6 columns; a forward read of a 9 × 6 array takes 9")
    ) { try Self.circuit.readCurrents(g, voltages: Matrix(rows: 1, columns: 6)) }
    #expect(
      throws: CircuitError("the voltages have 9 columns; a backward read of a 9 × 6 array takes 6")
    ) { try Self.circuit.readCurrents(g, voltages: Matrix(rows: 1, columns: 9), .backward) }
    var voltages = Matrix(rows: 2, columns: 9)
    voltages[1, 4] = .nan
    #expect(throws: CircuitError("voltage 4 of vector 1 is nan V; expected a finite number")) {
      try Self.circuit.readCurrents(g, voltages: voltages)
    }
  }
}
