import Configuration
import Crossbars
import Datasets
import LinearAlgebra

extension CircuitStage {
  public func run(_ context: StageContext) throws {
    let run = context.run
    guard let crossbar = run.configuration.hardware as? CrossbarConfiguration else {
      throw RunError("stage \(context.label): needs \"hardware\": { \"kind\": \"crossbar\", … }")
    }
    let arrays = try arrays(crossbar, resolve: run.inputPath)
    let (g, v) = (arrays.g, arrays.v)
    let read: ReadDirection = direction == .forward ? .forward : .backward
    if let largest = g.values.filter(\.isFinite).max(), largest > 1 {
      run.progress.say(
        "warning: \(arrays.gName): conductances up to \(inWords(largest)) S; are these ohms instead of siemens?")
    }
    let method = crossbar.circuit.method
    do {
      let circuit = try CrossbarCircuit(
        method == .ideal ? CircuitParameters(wireResistance: 0) : crossbar.circuit.parameters,
        cell: crossbar.circuit.cell)
      var currents: Matrix
      var effective: Matrix?
      var metrics: [(name: String, value: Double)] = []
      if circuit.cell != .linear {
        currents = try nonlinearCurrents(circuit, g, v, read, pool: run.pool)
      } else if effectiveMatrix == nil && maps == nil && (method == .exact || method == .ideal) {
        currents = try circuit.readCurrents(g, voltages: v, read)
      } else {
        let found = try matrix(arrays, circuit, method, read)
        if method != .exact && method != .ideal {
          let error = EffectiveMatrixError(of: found, against: try circuit.effectiveMatrix(g, read), voltages: v)
          metrics = [
            ("currentRmsError", error.currentRMS), ("currentMaxError", error.currentMax),
            ("elementRmsError", error.elementRMS), ("elementMaxError", error.elementMax),
          ]
        }
        effective = found
        currents = CrossbarCircuit.currents(v, through: found)
      }
      if run.options.keeps.contains(.currents) || output != CircuitStage().output {
        try Npy.write(currents, to: try run.outputPath(output))
      }
      if let effectiveMatrix, let effective { try Npy.write(effective, to: try run.outputPath(effectiveMatrix)) }
      metrics += try writeDetails(context, arrays, circuit, effective, read)
      // What the parasitics take, against every cell at its full voltage.
      let ideal = idealCurrents(circuit.cell, g, v, read)
      var losses: [Double] = []
      for (i, j) in zip(currents.values, ideal.values) where j != 0 && j.isFinite { losses.append(1 - i / j) }
      context.result.metrics =
        [
          ("vectors", Double(v.rows)), ("meanLoss", losses.isEmpty ? 0 : losses.reduce(0, +) / Double(losses.count)),
          ("maxLoss", losses.max() ?? 0), ("largestCurrent", currents.values.map(abs).max() ?? 0),
        ] + metrics
    } catch let error as CircuitError { throw RunError("\(arrays.gName): \(error.description)") }
  }

  /// The effective matrix by the method, inputs × outputs.
  private func matrix(
    _ arrays: Arrays, _ circuit: CrossbarCircuit, _ method: CircuitMethod, _ read: ReadDirection
  ) throws -> Matrix {
    switch method {
    case .ideal, .exact: return try circuit.effectiveMatrix(arrays.g, read)
    case .closedForm: return try circuit.closedForm(arrays.g, read)
    case .corrected, .profile:
      guard let reference = arrays.reference else { throw RunError("\(method.rawValue): no reference") }
      return method == .corrected
        ? try ClosedFormCorrection(circuit, at: reference, read).effectiveMatrix(arrays.g)
        : try DistortionProfile(circuit, at: reference, read).effectiveMatrix(arrays.g)
    }
  }

  /// Each vector is solved by one thread, so that the result does not depend on how many there are.
  private func nonlinearCurrents(
    _ circuit: CrossbarCircuit, _ g: Matrix, _ v: Matrix, _ read: ReadDirection, pool: ThreadPool
  ) throws -> Matrix {
    let outputs = read == .forward ? g.columns : g.rows
    var currents = Matrix(rows: v.rows, columns: outputs)
    var failures = [String?](repeating: nil, count: v.rows)
    failures.withUnsafeMutableBufferPointer { failures in
      currents.values.withUnsafeMutableBufferPointer { currents in
        pool.parallelFor(v.rows) { k, _ in
          let one = Matrix(rows: 1, columns: v.columns, values: Array(v.values[k * v.columns..<(k + 1) * v.columns]))
          do {
            let found = try circuit.readCurrents(g, voltages: one, read)
            for j in 0..<outputs { currents[k * outputs + j] = found.values[j] }
          } catch { failures[k] = "vector \(k): \(error)" }
        }
      }
    }
    if let failure = failures.compactMap({ $0 }).first { throw CircuitError(failure) }
    return currents
  }

  /// Node voltages, netlist and maps of the chosen vector.
  private func writeDetails(
    _ context: StageContext, _ arrays: Arrays, _ circuit: CrossbarCircuit, _ effective: Matrix?, _ read: ReadDirection
  ) throws -> [(name: String, value: Double)] {
    let run = context.run
    let (g, v) = (arrays.g, arrays.v)
    let voltages = Array(v.values[vector * v.columns..<(vector + 1) * v.columns])
    var metrics: [(name: String, value: Double)] = []
    if let nodeVoltages {
      let point = try circuit.operatingPoint(g, voltages: voltages, read)
      try Npy.write(
        NumericArray(
          shape: [2, g.rows, g.columns], elements: .float64(point.wordVoltages.values + point.bitVoltages.values)),
        to: try run.outputPath(nodeVoltages))
      let largest = point.currents.map(abs).max() ?? 0
      metrics = [
        ("errorBound", largest > 0 ? point.errorBound / largest : 0), ("sweeps", Double(point.sweeps)),
        ("corrections", Double(point.corrections)),
      ]
    }
    if let netlist {
      let text = try circuit.netlist(
        g, voltages: voltages, read, title: "\(run.configuration.name), \(context.label), vector \(vector)")
      try DurableFile.write(text, to: try run.outputPath(netlist))
    }
    if let maps {
      let title = "\(run.configuration.name), \(context.label)"
      var problem: String?
      for map in try ArrayMaps.maps(g, circuit, read, effective: effective, voltages: voltages, title: title) {
        let found = try map.write(drawn: run.configuration.figures) { try run.outputPath("\(maps)/\($0)") }
        problem = problem ?? found
      }
      if let problem { run.progress.say("warning: \(problem)") }
    }
    return metrics
  }

  /// Currents of an array without parasitics.
  private func idealCurrents(_ cell: CellLaw, _ g: Matrix, _ v: Matrix, _ read: ReadDirection) -> Matrix {
    let turned = read == .forward ? g : g.transposed
    if cell == .linear { return CrossbarCircuit.currents(v, through: turned) }
    var currents = Matrix(rows: v.rows, columns: turned.columns)
    for k in 0..<v.rows {
      for i in 0..<turned.rows {
        let voltage = v.values[k * v.columns + i]
        for j in 0..<turned.columns {
          currents.values[k * turned.columns + j] +=
            cell.evaluate(conductance: turned.values[i * turned.columns + j], voltage: voltage).current
        }
      }
    }
    return currents
  }
}
