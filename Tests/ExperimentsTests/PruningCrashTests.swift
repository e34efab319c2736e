import Foundation
import Testing

/// Runs that prune, killed in the middle of their schedules.
@Suite("Pruning, killed")
struct PruningCrashTests {
  /// Every form on digital arrays with momentum and criteria with and without data, in-array learning and Tiki-Taka on
  /// crossbars, a pruned copy, one from scratch and one put onto other hardware.
  private static let text = """
    { "name": "pruning", "seed": 3, "figures": false,
      "data": { "format": "npy", "train": { "images": "train-x.npy", "labels": "train-y.npy" },
        "test": { "images": "test-x.npy", "labels": "test-y.npy" },
        "augment": { "padding": 1, "flip": true }, "validation": 16 },
      "models": {
        "ideal": { "layers": [ { "kind": "conv2d", "outputs": 6, "kernel": 3, "padding": 1, "bias": false }, "batch-norm", "relu",
          { "kind": "residual", "layers": [ { "kind": "conv2d", "outputs": 6, "kernel": 3, "padding": 1 }, "batch-norm", "relu",
            { "kind": "conv2d", "outputs": 6, "kernel": 3, "padding": 1 }, "batch-norm" ] }, "relu", "max-pool", "flatten",
          "dropout", { "kind": "linear", "outputs": 12 }, "relu", { "kind": "linear", "outputs": 4 } ] },
        "masked": { "from": "ideal" },
        "held": { "from": "ideal" },
        "slow": { "layers": [ { "kind": "conv2d", "outputs": 4, "kernel": 3 }, "relu", "max-pool", "flatten",
            { "kind": "linear", "outputs": 4 } ],
          "hardware": { "kind": "crossbar", "rows": 16, "columns": 16, "update": { "mode": "tiki-taka" },
            "device": { "onResistance": 1e5, "offResistance": 1e6, "pulseStep": 1e-2, "updateNonlinearity": 1 } } },
        "crossbar": { "layers": [ { "kind": "conv2d", "outputs": 5, "kernel": 3 }, "relu", "max-pool", "flatten",
            { "kind": "linear", "outputs": 20 }, "relu", { "kind": "linear", "outputs": 4 } ],
          "hardware": { "kind": "crossbar", "rows": 16, "columns": 16,
            "device": { "onResistance": 1e5, "offResistance": 1e6, "pulseStep": 1e-2, "updateNonlinearity": 1,
              "updateNoise": 0.3, "programmingNoise": 0.01, "variation": 0.05, "stepVariation": 0.1 },
            "circuit": { "method": "exact", "refreshInterval": 3, "wireResistance": 2.5, "driverResistance": 100,
              "senseResistance": 100 },
            "converters": { "dacBits": 8, "adcBits": 8 } } } },
      "stages": [
        { "train": { "epochs": 4, "batchSize": 16, "optimizer": { "learningRate": 0.05, "momentum": 0.9, "weightDecay": 1e-3 },
            "prune": { "criterion": "taylor", "samples": 30, "share": 0.5, "scope": "global", "start": 1, "end": 4,
              "residual": "scatter", "layers": ["*"], "recalibrate": 2 } }, "models": ["ideal"] },
        { "train": { "epochs": 3, "batchSize": 16, "optimizer": { "learningRate": 0.05, "momentum": 0.9, "weightDecay": 1e-3 },
            "prune": { "criterion": "random", "share": 0.5, "start": 1, "end": 2, "form": "weights-only", "residual": "group",
              "layers": ["*"] } }, "models": ["masked"], "label": "mask" },
        { "train": { "epochs": 4, "batchSize": 16, "optimizer": { "learningRate": 0.05 },
            "prune": { "criterion": "mean-activation", "split": "validation", "count": 3, "start": 1, "end": 3, "layers": ["*"] } },
          "models": ["crossbar"], "label": "in-array" },
        { "train": { "epochs": 2, "batchSize": 16, "optimizer": { "learningRate": 0.02, "weightDecay": 1e-3 } },
          "models": ["masked"], "label": "masked-on" },
        { "train": { "epochs": 3, "batchSize": 16, "optimizer": { "learningRate": 0.05, "momentum": 0.9 },
            "prune": { "criterion": "relevance", "count": 3, "start": 1, "end": 2, "form": "masked", "removeAtEnd": true } },
          "models": ["held"], "label": "hold" },
        { "train": { "epochs": 3, "batchSize": 16, "optimizer": { "learningRate": 0.02 },
            "prune": { "criterion": "random", "count": 1, "start": 1, "end": 2, "layers": ["*"] } },
          "models": ["slow"], "label": "tiki-taka" },
        { "evaluate": {}, "label": "test" },
        { "prune": { "criterion": "l1", "share": 0.5, "layers": ["*"] }, "models": ["crossbar"], "as": "smaller" },
        { "reinitialize": {}, "models": ["ideal"], "as": "scratch" },
        { "map": { "hardware": { "kind": "crossbar", "rows": 8, "columns": 8, "update": "programmed",
            "device": { "onResistance": 1e5, "offResistance": 1e6, "programmingNoise": 0.02 } } },
          "models": ["ideal"], "as": "mapped" },
        { "train": { "epochs": 2, "batchSize": 16, "optimizer": { "learningRate": 0.02, "kind": "adam" },
            "prune": { "criterion": "geometric-median", "share": 0.7, "start": 1, "end": 2, "layers": ["*"] } },
          "models": ["mapped", "scratch"], "label": "again" },
        { "evaluate": { "chips": 2 }, "label": "chips", "models": ["mapped", "smaller"] },
        { "train": { "epochs": 3, "batchSize": 16, "optimizer": { "learningRate": 0.02 },
            "prune": { "criterion": "l1", "share": 0.7, "start": 1, "end": 2, "layers": ["*"] } },
          "models": ["smaller"], "label": "last" } ] }
    """

  @Test("the bytes do not depend on threads")
  func threads() throws {
    let laboratory = try CrashLaboratory(Self.text)
    let reference = try laboratory.reference("one", threads: 1)
    #expect(try laboratory.reference("three", threads: 3).differences(from: reference) == [])
  }

  @Test(
    "killed at any of its checkpoints, a pruning run ends after --resume in the bytes of an untouched one",
    .enabled(if: Conditions.strace, "strace is missing or may not trace here: CRASH TESTS ARE NOT RUN"))
  func kills() throws {
    let laboratory = try CrashLaboratory(Self.text)
    let reference = try laboratory.reference("reference")
    // A checkpoint is one rename; what lies between two of them is lost and done again.
    let calls = try CrashInjectionTests.census(laboratory, "census", []).filter {
      $0.name.hasPrefix("rename") && $0.target.contains("checkpoint")
    }
    #expect(calls.count > 20)
    let wrong = CrashInjectionTests.trials(calls.count, laboratory) { i, name in
      try CrashInjectionTests.trial(laboratory, name, calls[i], .kill, reference: reference)
    }
    print("crash tests: a pruning run killed at \(calls.count) checkpoints, \(wrong.count) complaints")
    #expect(wrong == [])
  }
}
